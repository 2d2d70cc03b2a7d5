"""OpenVINO against the NumPy interpreter."""

from __future__ import annotations

import threading

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.backends import get_backend, list_backends
from symgluon.errors import AttributeValueError
from symgluon.gluon import nn

np, npx = mx.np, mx.npx
RNG = onp.random.default_rng(4)


@pytest.fixture(autouse=True)
def _numpy_arrays(monkeypatch):
    monkeypatch.delenv("SYMGLUON_BACKEND", raising=False)
    npx.set_np()
    yield
    npx.reset_np()


def numbers(*shape, dtype="float32"):
    return np.array(RNG.normal(size=shape), dtype=dtype)


def make(*layers):
    mx.random.seed(6)
    net = nn.HybridSequential()
    net.add(*layers)
    net.initialize(mx.init.Normal(0.3))
    return net


class Attention(gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Dense(24, flatten=False)
        self.out = nn.Dense(8, flatten=False)
        self.norm = nn.LayerNorm()

    def forward(self, x):
        q, k, v = np.split(self.qkv(x), 3, axis=-1)
        weights = npx.softmax(np.matmul(q, k.transpose((0, 2, 1))) / 8**0.5)
        return self.norm(x + self.out(np.matmul(weights, v)))


NETS = {
    "mlp": (lambda: [nn.Dense(8, activation="relu"), nn.Dense(3)], (2, 5)),
    "conv": (lambda: [nn.Conv2D(4, 3, strides=2, padding=1, groups=2), nn.BatchNorm(),
                      nn.Activation("relu"), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(3)],
             (2, 4, 12, 12)),
    "deconv": (lambda: [nn.Conv2DTranspose(3, 3, strides=2, output_padding=1)], (2, 3, 5, 5)),
    "norms": (lambda: [nn.LayerNorm(), nn.InstanceNorm(), nn.GroupNorm(2)], (2, 4, 3, 3)),
    "activations": (lambda: [nn.GELU(), nn.SELU(), nn.ELU(), nn.SiLU(), nn.LeakyReLU(0.1)], (4, 3)),
    "attention": (lambda: [Attention(), Attention()], (2, 5, 8)),
    "reductions": (lambda: [nn.HybridLambda(
        lambda x: x.sum(axis=1, keepdims=True) + x.max() - x.var(axis=0))], (4, 3)),
    "shapes": (lambda: [nn.HybridLambda(
        lambda x: np.concatenate([x.reshape((x.shape[0], -1))[:, ::2], x[:, 0]], axis=1))],
        (4, 3, 2)),
    "where": (lambda: [nn.HybridLambda(lambda x: np.where(x > 0, x, -x * 3))], (4, 3)),
    "lstm": (lambda: [gluon.rnn.LSTM(4)], (3, 2, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_agrees_with_numpy_at_several_sizes(name):
    layers, shape = NETS[name]
    axis = 1 if name == "lstm" else 0
    sizes = [list(shape), list(shape)]
    sizes[1][axis] += 3
    inputs = [numbers(*s) for s in sizes]
    results = {}
    for backend in ("numpy", "openvino"):
        net = make(*layers())
        net.optimize_for(inputs[0], backend=backend)
        # often enough that parameters become constants
        results[backend] = [net(x) for x in inputs for _ in range(4)]
    for a, b in zip(results["openvino"], results["numpy"], strict=True):
        assert a.dtype == b.dtype
        onp.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=2e-4, atol=2e-5)


def test_resnet():
    net = gluon.model_zoo.vision.get_model("resnet18_v1")
    mx.random.seed(1)
    net.initialize(mx.init.Xavier())
    x = numbers(1, 3, 64, 64)
    net(x)
    net.optimize_for(x, backend="numpy")
    want = [net(x), net(np.concatenate([x, x]))]
    net.optimize_for(x, backend="openvino")
    for _ in range(4):
        found = [net(x), net(np.concatenate([x, x]))]
    for a, b in zip(found, want, strict=True):
        onp.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-3, atol=1e-4)


def test_weights_that_change_are_seen():
    net = make(nn.Dense(1, in_units=2, use_bias=False))
    x = np.ones((1, 2))
    net.optimize_for(x, backend="openvino")
    for value in (1.0, 3.0, -2.0):
        net[0].weight.set_data(np.full((1, 2), value))
        for _ in range(4):
            assert net(x).item() == 2 * value


def test_training_agrees():
    x = numbers(4, 3, 8, 8)
    grads = []
    for backend in ("numpy", "openvino"):
        net = make(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Activation("tanh"), nn.Dense(2))
        net(x)
        net.optimize_for(x, backend=backend)
        with mx.autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        grads.append([p.grad() for p in net.collect_params().values() if p.grad_req != "null"])
    for a, b in zip(*grads, strict=True):
        onp.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "int64", "int32", "float16", "bool"])
def test_types_keep_their_precision(dtype):
    function = nn.HybridLambda(lambda x: x * 3 + x if dtype != "bool" else np.logical_not(x))
    data = {"int64": [[2**40 + 1, 5]], "float64": [[1 + 2**-40, 3.0]]}.get(dtype, [[1, 0]])
    x = np.array(data, dtype=dtype)
    results = []
    for backend in ("numpy", "openvino"):
        net = make(function)
        net.optimize_for(x, backend=backend)
        results.append(net(x))
    assert results[0].dtype == results[1].dtype
    onp.testing.assert_array_equal(results[0].asnumpy(), results[1].asnumpy())


def test_random_numbers_are_those_of_symgluon():
    x = numbers(3, 2)
    found = []
    for backend in ("numpy", "openvino"):
        net = make(nn.Dense(4), nn.HybridLambda(lambda x: x + np.random.normal(size=x.shape)))
        net.optimize_for(x, backend=backend)
        mx.random.seed(3)
        found.append(net(x).asnumpy())
    onp.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_threads_share_one_net():
    net = make(nn.Dense(16, activation="relu"), nn.Dense(4))
    inputs = [numbers(1 + i % 3, 8) for i in range(16)]
    net.optimize_for(inputs[0], backend="openvino")
    want = [net(x).asnumpy() for x in inputs]
    wrong = []

    def work(i):
        npx.set_np()
        for _ in range(20):
            if not onp.allclose(net(inputs[i]).asnumpy(), want[i], atol=1e-5):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"precison": "f32"}, "precision"),
        ({"precision": "f8"}, "bf16"),
        ({"device": "TPU"}, "CPU"),
        ({"num_threads": 0}, "at least 1"),
    ],
)
def test_wrong_options_are_told(options, word):
    net = make(nn.Dense(1, in_units=2))
    with pytest.raises(AttributeValueError) as caught:
        net.optimize_for(np.ones((1, 2)), backend="openvino", **options)
    assert word in str(caught.value)


def test_options_are_taken():
    net = make(nn.Dense(3, in_units=4))
    x = numbers(2, 4)
    want = net(x).asnumpy()
    net.optimize_for(
        x, backend="openvino", device="CPU", num_threads=1, precision="f32", constant_weights=False
    )
    onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-5, atol=1e-6)


def test_is_listed():
    assert "openvino" in list_backends()
    assert get_backend("openvino").name == "openvino"


@pytest.mark.parametrize("device", ["AUTO", "HETERO:CPU", "cpu"])
def test_devices(device):
    net, x = make(nn.Dense(8, activation="relu"), nn.Dense(3)), numbers(2, 5)
    expected = net(x).asnumpy()
    net.optimize_for(x, backend="openvino", device=device)
    onp.testing.assert_allclose(net(x).asnumpy(), expected, rtol=1e-4, atol=1e-5)
    assert [p.runs_on for p in net.optimize_report(x).parts] == ["openvino"]


def test_nodes_are_put_to_the_device_that_is_asked_for(monkeypatch):
    from symgluon_openvino import backend as module

    asked = []
    monkeypatch.setattr(module, "_ask", lambda node, device: asked.append(device) or False)
    net, x = make(nn.Dense(3)), numbers(2, 7)
    for device, wanted in (("CPU", "CPU"), ("AUTO", "CPU"), ("HETERO:CPU", "HETERO:CPU")):
        mine = module.OpenVinoBackend()
        node = net.graph_for(x, functions=False).nodes[0]
        mine.supporting(mx.backends.make_options("openvino", device=device))(node)
        assert asked.pop() == wanted
    with pytest.raises(AttributeValueError, match="no device 'NONE'"):
        net.optimize_for(x, backend="openvino", device="none")
