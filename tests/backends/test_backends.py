"""Backends: NumPy against ONNX Runtime, partitions, weights that change, and third parties."""

from __future__ import annotations

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.backends import base
from symgluon.backends.base import list_backends, register_backend
from symgluon.backends.graph_sessions import compile_plain
from symgluon.backends.numpy import NumpyBackend
from symgluon.backends.partition import Partitioned
from symgluon.errors import AttributeValueError, SymgluonError
from symgluon.gluon import nn

np, npx = mx.np, mx.npx
RNG = onp.random.default_rng(8)
BACKENDS = ("numpy", "onnxruntime")


def numbers(*shape, dtype="float32"):
    return np.array(RNG.normal(size=shape), dtype=dtype)


def make(*layers):
    mx.random.seed(6)
    net = nn.HybridSequential()
    net.add(*layers)
    net.initialize(mx.init.Normal(0.5))
    return net


def close(a, b, tolerance=1e-5):
    a, b = (v.asnumpy().astype("float64") for v in (a, b))
    onp.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


LAYERS = {
    "dense": (lambda: [nn.Dense(4, activation="relu"), nn.Dense(3)], (2, 5)),
    "conv": (lambda: [nn.Conv2D(4, 3, strides=2, padding=1, groups=2)], (2, 4, 9, 9)),
    "conv1d": (lambda: [nn.Conv1D(4, 3, dilation=2)], (2, 3, 12)),
    "deconv": (lambda: [nn.Conv2DTranspose(3, 3, strides=2, output_padding=1)], (2, 3, 5, 5)),
    "norms": (lambda: [nn.BatchNorm(), nn.LayerNorm(), nn.InstanceNorm(), nn.GroupNorm(2)],
              (2, 4, 3, 3)),
    "pools": (lambda: [nn.MaxPool2D(3, 2, 1), nn.AvgPool2D(2, 1), nn.GlobalMaxPool2D()],
              (2, 3, 11, 11)),
    "activations": (lambda: [nn.GELU(), nn.SELU(), nn.ELU(), nn.SiLU(), nn.LeakyReLU(0.1),
                             nn.PReLU(in_channels=3)], (4, 3)),
    "softmax": (lambda: [nn.HybridLambda(lambda x: npx.log_softmax(x) + npx.softmax(x))], (4, 6)),
    "reductions": (lambda: [nn.HybridLambda(
        lambda x: x.sum(axis=1, keepdims=True) + x.max() - x.var(axis=0) + x.prod(axis=1)[:, None]
    )], (4, 3)),
    "shapes": (lambda: [nn.HybridLambda(
        lambda x: np.concatenate([x.reshape((x.shape[0], -1))[:, ::2], x[:, 0]], axis=1)
    )], (4, 3, 2)),
    "comparisons": (lambda: [nn.HybridLambda(
        lambda x: np.where(x > 0, x, -x) * (x.argmax(axis=1) == 1)[:, None]
    )], (4, 3)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name", LAYERS)
def test_backends_agree(name, dtype):
    layers, shape = LAYERS[name]
    tolerance = {"float32": 1e-5, "float64": 1e-10, "float16": 3e-2}[dtype]
    results = []
    xs = [numbers(*shape, dtype=dtype), numbers(3 + shape[0], *shape[1:], dtype=dtype)]
    for backend in (None, *BACKENDS):
        net = make(*layers())
        net.cast(dtype)
        if backend is not None:
            net.optimize_for(xs[0], backend=backend)
        results.append([net(x) for x in xs for _ in range(2)])
        assert {str(r.dtype) for r in results[-1]} == {dtype}
    for found in results[1:]:
        for a, b in zip(found, results[0], strict=True):
            close(a, b, tolerance)


BFLOAT16 = ["dense", "conv", "conv1d", "deconv", "norms", "pools", "activations", "shapes"]


@pytest.mark.parametrize("name", BFLOAT16)
def test_bfloat16_runs_on_the_interpreter(name):
    pytest.importorskip("ml_dtypes")
    layers, shape = LAYERS[name]
    x = numbers(*shape)
    want = make(*layers())(x)
    for backend in (None, *BACKENDS):
        net = make(*layers())
        net(x)
        net.cast("bfloat16")
        if backend is not None:
            net.optimize_for(x.astype("bfloat16"), backend=backend)
        found = net(x.astype("bfloat16"))
        assert str(found.dtype) == "bfloat16"
        close(found.astype("float32"), want, 0.1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_agree(backend):
    x = numbers(2, 3, 8, 8)
    grads = []
    for chosen in (None, backend):
        net = make(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Activation("tanh"), nn.Dense(2))
        net(x)
        if chosen is not None:
            net.optimize_for(x, backend=chosen)
        with mx.autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        params = net.collect_params().values()
        grads.append([p.grad() for p in params if p.grad_req != "null"])
    for a, b in zip(*grads, strict=True):
        close(a, b, 1e-4)


# ---- partitions ---------------------------------------------------------------------------------
def test_what_a_session_lacks_runs_on_the_interpreter():

    net = make(nn.Dense(12), nn.HybridLambda(lambda x: x.reshape((-1, 3, 4))), nn.Conv1D(2, 3))
    net.cast("float64")
    x = numbers(2, 5, dtype="float64")
    want = net(x)
    graph = net.graph_for(x, functions=False)
    run = compile_plain(graph, base.make_options("onnxruntime"))
    assert isinstance(run, Partitioned)
    assert len(run.steps) >= 2  # Conv has no float64 kernel there
    net.hybridize()
    close(net(x), want, 1e-10)


def test_random_operators_leave_the_session():
    net = make(nn.Dense(4), nn.HybridLambda(lambda x: x + np.random.normal(size=x.shape)))
    x = numbers(3, 2)
    net(x)
    found = []
    for backend in (None, *BACKENDS):
        if backend is not None:
            net.optimize_for(x, backend=backend)
        mx.random.seed(1)
        found.append(net(x))
    close(found[1], found[0])
    close(found[2], found[0])


# ---- weights that change ------------------------------------------------------------------------
def set_data(net, new, path):
    net[0].weight.set_data(new)


def write_in_place(net, new, path):
    net[0].weight.data()[:] = new


def write_an_element(net, new, path):
    net[0].weight.data()[0, 0] = 7.0


def add_in_place(net, new, path):
    weight = net[0].weight.data()
    weight += new


def write_a_view(net, new, path):
    net[0].weight.data()[1][:] = 3.0


def load(net, new, path):
    other = make(nn.Dense(3, in_units=2), nn.Dense(2, in_units=3))
    other[0].weight.set_data(new)
    other.save_parameters(path)
    net.load_parameters(path)


def initialize(net, new, path):
    net.initialize(mx.init.One(), force_reinit=True)


def step(net, new, path):
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
    with mx.autograd.record():
        loss = net(np.ones((2, 2))).sum()
    loss.backward()
    trainer.step(1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "change",
    [set_data, write_in_place, write_an_element, add_in_place, write_a_view, load, initialize,
     step],
)  # fmt: skip
def test_weights_changed_after_they_were_steady(change, backend, tmp_path):
    net = make(nn.Dense(3, in_units=2), nn.Dense(2, in_units=3))
    x = numbers(4, 2)
    net.optimize_for(x, backend=backend)
    for round_ in range(2):
        for _ in range(8):
            before = net(x).asnumpy()
        change(net, numbers(3, 2), str(tmp_path / f"{round_}.params"))
        found = net(x)
        if round_ == 0:
            assert not onp.allclose(found.asnumpy(), before)
        weights = [p.data().asnumpy() for p in net.collect_params().values()]
        hidden = x.asnumpy() @ weights[0].T + weights[1]
        onp.testing.assert_allclose(
            found.asnumpy(), hidden @ weights[2].T + weights[3], rtol=1e-4, atol=1e-5
        )


def test_steady_weights_are_built_in_and_dropped():
    net = make(nn.Dense(3, in_units=2))
    x = numbers(4, 2)
    net.optimize_for(x, backend="onnxruntime")
    entry = next(iter(net._cache.by_key.values()))[1][0]
    for _ in range(6):
        net(x)
    assert entry.op.executable.fixed is not None
    net[0].weight.set_data(np.ones((3, 2)))
    net(x)
    assert entry.op.executable.fixed is None


def test_weights_stay_operands_where_asked():
    net = make(nn.Dense(3, in_units=2))
    x = numbers(4, 2)
    net.optimize_for(x, backend="onnxruntime", constant_weights=False)
    entry = next(iter(net._cache.by_key.values()))[1][0]
    for _ in range(8):
        net(x)
    assert entry.op.executable.fixed is None


# ---- names and options --------------------------------------------------------------------------
def test_unknown_backends_are_told():
    net = make(nn.Dense(1, in_units=1))
    with pytest.raises(AttributeValueError) as caught:
        net.optimize_for(np.ones((1, 1)), backend="tvm")
    for word in ("'tvm'", "numpy", "onnxruntime"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("backend", "options", "words"),
    [
        ("onnxruntime", {"device": "cpu"}, ["device", "provider, providers, threads"]),
        ("onnxruntime", {"a": 1, "b": 2}, ["a, b"]),
        ("numpy", {"threads": 1}, ["'numpy'", "threads"]),
        ("onnxruntime", {"provider": "cpu", "providers": "cpu"}, ["not both"]),
        ("onnxruntime", {"providers": "nothing"}, ["nothing", "CPUExecutionProvider"]),
    ],
)
def test_unknown_options_are_told(backend, options, words):
    net = make(nn.Dense(1, in_units=1))
    with pytest.raises(AttributeValueError) as caught:
        net.optimize_for(np.ones((1, 1)), backend=backend, **options)
    for word in words:
        assert word in str(caught.value)


def test_options_of_onnx_runtime():
    net = make(nn.Dense(3))
    x = numbers(2, 2)
    want = net(x)
    net.optimize_for(x, backend="onnxruntime", providers=["cpu"], threads=1)
    close(net(x), want)


# ---- third parties ------------------------------------------------------------------------------
class Counting:
    """A backend that runs the interpreter and counts."""

    name = "counting"
    options = {"level": "how much to count"}

    def __init__(self):
        self.inner = NumpyBackend()
        self.compiled = []
        self.runs = 0

    def supports(self, node):
        return True

    def pipeline(self, options):
        return self.inner.pipeline(options)

    def compile(self, graph, options):
        self.compiled.append(options.get("level"))
        run = self.inner.compile(graph, options)

        def counted(*arrays):
            self.runs += 1
            return run(*arrays)

        return counted


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setattr(base, "_registered", dict(base._registered))
    backend = Counting()
    register_backend(backend)
    return backend


def test_a_registered_backend(counting):
    assert "counting" in list_backends()
    net = make(nn.Dense(3), nn.Dense(2))
    x = numbers(2, 4)
    want = net(x)
    net.optimize_for(x, backend="counting", level=2)
    close(net(x), want)
    close(net(x), want)
    assert counting.compiled == [2]
    assert counting.runs == 3
    with mx.autograd.record():
        loss = net(x).sum()
    loss.backward()
    assert counting.runs > 3
    with pytest.raises(AttributeValueError, match="level"):
        net.optimize_for(x, backend="counting", levels=2)


def test_what_is_supported_may_depend_on_options(counting, monkeypatch):
    """`supporting` is asked in the place of `supports`, by the compiler and by the report."""
    monkeypatch.setattr(
        counting, "supporting",
        lambda options: lambda node: node.op.name != options.get("level"), raising=False,
    )  # fmt: skip
    net, x = make(nn.Dense(3, activation="tanh"), nn.Dense(2)), numbers(2, 4)
    want = net(x)
    for level, runs in (
        ("none", ["counting"]),
        ("tanh", ["counting", "NumPy kernels", "counting"]),
    ):
        net.optimize_for(
            x, backend="counting", level=level, passes="-fuse_elementwise", clear=True
        )
        before = counting.runs
        close(net(x), want)
        assert counting.runs - before == runs.count("counting")
        assert [p.runs_on.split(" (")[0] for p in net.optimize_report(x).parts] == runs


def test_errors_of_a_backend_reach_the_caller(counting, monkeypatch):
    def broken(graph, options):
        raise SymgluonError("no room on the accelerator")

    monkeypatch.setattr(counting, "compile", broken)
    with pytest.raises(SymgluonError, match="no room"):
        make(nn.Dense(1)).optimize_for(np.ones((1, 1)), backend="counting")


def test_the_environment_chooses(counting, monkeypatch):
    monkeypatch.setenv("SYMGLUON_BACKEND", "counting")
    net = make(nn.Dense(3))
    net.hybridize()
    x = numbers(2, 4)
    net(x)
    assert counting.runs == 1
    monkeypatch.setenv("SYMGLUON_BACKEND", "missing")
    net.hybridize()
    with pytest.raises(AttributeValueError, match="'missing'"):
        net(x)


@pytest.mark.parametrize("name", ["MKLDNN", "ONEDNN"])
def test_names_of_mxnet(name):
    assert base.get_backend(name).name == "onnxruntime"
