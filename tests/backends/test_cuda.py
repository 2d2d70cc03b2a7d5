"""What only a GPU can show: every operator, graphs and training in ONNX Runtime's CUDA provider.

``tools/check-cuda`` runs these where there is one.  SYMGLUON_TEST_PROVIDER=cpu tries the tests
themselves.
"""

from __future__ import annotations

import copy
import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as onp
import pytest

import symgluon as mx
from symgluon import autograd, gluon
from symgluon.backends import compile_graph, graph_sessions, make_options
from symgluon.gluon import nn, rnn
from symgluon.ir.op import OPS
from symgluon.ops.resident import Resident

for folder in ("ops", "passes", "robustness"):
    sys.path.insert(0, str(Path(__file__).parent.parent / folder))

import table  # noqa: E402
from pass_helpers import candidates, interpret, numbers, random_graph  # noqa: E402
from test_table import EXCEPTIONS, NAMES, is_random  # noqa: E402

np, npx = mx.np, mx.npx
PROVIDER = os.environ.get("SYMGLUON_TEST_PROVIDER", "cuda")
if PROVIDER == "cuda" and not mx.num_gpus():
    pytest.skip(
        "no GPU, or an onnxruntime without its CUDA provider: tools/check-cuda makes one",
        allow_module_level=True,
    )
pytestmark = pytest.mark.gpu
GPU = mx.gpu(0) if PROVIDER == "cuda" else mx.cpu(0)


def close(found, want, rtol, atol, what=""):
    assert found.shape == want.shape, what
    scale = max(1.0, float(onp.abs(want[onp.isfinite(want)]).max(initial=0))) if want.size else 1
    onp.testing.assert_allclose(
        found, want, rtol=rtol, atol=atol * scale, equal_nan=True, err_msg=what
    )


# ---- operators ----------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n in NAMES if not is_random(n)])
def test_operators(name, dtype):
    """Each operator gives its NumPy kernel's numbers, at the sizes of its samples and at others."""
    tolerances = (5e-5, 5e-6) if dtype == "float32" else (1e-9, 1e-10)
    for i, sample in enumerate(OPS[name].samples):
        op = table.bind(name, sample)
        arrays = table.operands(name, sample, dtype)
        if f"{name}[{i}]" in EXCEPTIONS["onnx"]:
            continue
        graph, hints = table.trace(op, arrays, symbolic=True)
        with graph.scope:
            run = compile_graph(graph, make_options("onnxruntime", provider=PROVIDER))
        sizes = [arrays]
        if name not in EXCEPTIONS["sizes"]:
            for number, env in enumerate(table.other_sizes(graph, hints)):
                new = table.resized(graph, sample, arrays, env, onp.random.default_rng(number))
                sizes += [] if new is None else [new]
        for given in sizes:
            what = f"{name}[{i}] {dtype} {[None if a is None else a.shape for a in given]}"
            found = run(*[a for a in given if a is not None])
            for one, want in zip(found, table.call(op, given), strict=True):
                assert one.dtype == want.dtype, what
                close(one, onp.asarray(want), *tolerances, what)


@pytest.mark.parametrize("group", range(4))
def test_random_graphs(group):
    operators = candidates()
    for seed in range(group, 120, 4):
        rng = onp.random.default_rng([seed, 7])
        graph = random_graph(seed, length=int(rng.integers(3, 25)), table=operators)
        arrays = numbers(graph, seed)
        with onp.errstate(all="ignore"):
            want = interpret(graph, arrays)
        run = compile_graph(graph, make_options("onnxruntime", provider=PROVIDER))
        for _ in range(2):
            for i, (a, b) in enumerate(zip(run(*arrays), want, strict=True)):
                assert a.dtype == b.dtype
                close(a, b, 1e-6, 1e-7, f"seed {seed}, output {i}")


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("n", [3, 7, 300, 5000])
def test_infinities_are_sorted(n, largest):
    data = onp.random.default_rng(n).normal(size=(2, n)).astype("float32")
    data[:, ::2] = -onp.inf if largest else onp.inf
    net = gluon.nn.HybridLambda(lambda x: np.sort(x * (-1 if largest else 1)))
    net.hybridize()
    found = net(np.array(data, ctx=GPU)).asnumpy()
    onp.testing.assert_array_equal(found, onp.sort(-data if largest else data))


# ---- nets -----------------------------------------------------------------------------------------
def small_net():
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(8, 3, in_channels=3), nn.BatchNorm(in_channels=8), nn.Activation("relu"),
        nn.GlobalAvgPool2D(), nn.Dense(4, in_units=8),
    )  # fmt: skip
    net.initialize(mx.init.Xavier())
    return net


NETS = {
    "convolutions": (small_net, (2, 3, 16, 16)),
    "resnet18_v1": (lambda: gluon.model_zoo.vision.resnet18_v1(), (2, 3, 64, 64)),
    "mobilenet_v2": (lambda: gluon.model_zoo.vision.mobilenet_v2_0_5(), (2, 3, 64, 64)),
    "lstm": (lambda: rnn.LSTM(16, num_layers=2, input_size=8), (5, 2, 8)),
    "gru": (lambda: rnn.GRU(16, bidirectional=True, input_size=8), (5, 2, 8)),
}


def built(name):
    make, shape = NETS[name]
    mx.random.seed(3)
    net = make()
    net.initialize(mx.init.Xavier(), force_reinit=True)
    x = np.random.normal(size=shape)
    return net, x, net(x).asnumpy()


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_nets_by_provider(name, constant):
    net, x, want = built(name)
    net.optimize_for(
        x,
        backend="onnxruntime",
        providers=tuple(dict.fromkeys((PROVIDER, "cpu"))),
        constant_weights=constant,
    )
    for _ in range(5):
        close(net(x).asnumpy(), want, 1e-4, 1e-5)


@pytest.mark.parametrize("flags", [{}, {"static_alloc": True, "static_shape": True}])
@pytest.mark.parametrize("name", NETS)
def test_nets_by_device(name, flags):
    net, x, want = built(name)
    net.reset_device(GPU)
    net.hybridize(**flags)
    there = x.as_in_ctx(GPU)
    for _ in range(8):
        y = net(there)
        assert y.device == GPU
        close(y.asnumpy(), want, 1e-4, 1e-5)
    axis = 1 if name in ("lstm", "gru") else 0
    half = net(np.take(there, np.array([0]), axis=axis))
    close(half.asnumpy(), onp.take(want, [0], axis=axis), 1e-4, 1e-5)
    close(net(there).asnumpy(), want, 1e-4, 1e-5)


def test_results_stay_there():
    if PROVIDER != "cuda":
        pytest.skip("the CPU reads NumPy's memory")
    first, second = nn.Dense(64, in_units=32), nn.Dense(8, in_units=64)
    for net in (first, second):
        net.initialize(ctx=GPU)
        net.hybridize()
    x = np.ones((4, 32), ctx=GPU)
    for _ in range(5):
        middle = first(x)
        last = second(middle)
        assert type(middle._data) is type(last._data) is Resident
    kept = last.asnumpy()
    second(first(x * 2))
    onp.testing.assert_array_equal(kept, last.asnumpy())


def test_results_outlive_their_session():
    net, x, want = built("convolutions")
    net.reset_device(GPU)
    net.hybridize()
    results = [net(x.as_in_ctx(GPU)) for _ in range(6)]
    del net
    graph_sessions._held.clear()
    gc.collect()
    for y in results:
        close(y.asnumpy(), want, 1e-4, 1e-5)


@pytest.mark.parametrize("flags", [{}, {"static_alloc": True, "static_shape": True}])
def test_threads(flags):
    net, x, _ = built("convolutions")
    net.reset_device(GPU)
    net.hybridize(**flags)
    given = [np.random.normal(size=x.shape).as_in_ctx(GPU) for _ in range(6)]
    want = [net(one).asnumpy() for one in given]
    wrong = []

    def work(i):
        for _ in range(20):
            if abs(net(given[i]).asnumpy() - want[i]).max() > 1e-4:
                wrong.append(i)

    with ThreadPoolExecutor(len(given)) as pool:
        list(pool.map(work, range(len(given))))
    assert not wrong


def steps(net, x, labels, device, count=4):
    x, labels = x.as_in_ctx(device), labels.as_in_ctx(device)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(
        net.collect_params(), "sgd", {"learning_rate": 0.05, "momentum": 0.9, "wd": 1e-4}
    )
    found = []
    for _ in range(count):
        with autograd.record():
            out = net(x)
            value = loss(out.reshape((out.shape[0], -1)), labels)
        value.backward()
        trainer.step(len(x))
        found.append(value.asnumpy().mean())
    return found


@pytest.mark.parametrize("name", ["convolutions", "resnet18_v1", "lstm", "gru"])
def test_training(name):
    net, x, _ = built(name)
    net.hybridize()
    labels = np.array([1, 0, 3, 2, 1][: x.shape[0]])
    other = copy.deepcopy(net)
    other.reset_device(GPU)
    other.hybridize()
    want = steps(net, x, labels, mx.cpu(0))
    found = steps(other, x, labels, GPU)
    onp.testing.assert_allclose(found, want, rtol=5e-3)
    for one, expected in zip(
        other.collect_params().values(), net.collect_params().values(), strict=True
    ):
        close(one.data().asnumpy(), expected.data().asnumpy(), 1e-2, 5e-3, one.name)


def test_what_the_driver_says():
    if PROVIDER != "cuda":
        pytest.skip("the CPU has no CUDA driver")
    free, total = mx.device.gpu_memory_info(0)
    assert 0 < free <= total
    assert mx.util.get_cuda_compute_capability(GPU) >= 50
    with pytest.raises(mx.base.MXNetError, match="cannot be used"):
        np.ones(2, ctx=mx.gpu(99))


def test_float16():
    net, x, want = built("convolutions")
    net.cast("float16")
    net.reset_device(GPU)
    net.hybridize()
    for _ in range(5):
        found = net(x.astype("float16").as_in_ctx(GPU)).asnumpy()
        assert found.dtype == onp.float16
        close(found.astype("float32"), want, 2e-2, 1e-2)


def test_products_are_not_rounded_to_tf32():
    a, b = onp.random.default_rng(0).normal(size=(2, 256, 256)).astype("float32")
    net = nn.HybridLambda(lambda x, y: np.matmul(x, y))
    net.hybridize()
    found = net(np.array(a, ctx=GPU), np.array(b, ctx=GPU)).asnumpy()
    want = a.astype("float64") @ b.astype("float64")
    assert abs(found - want).max() / abs(want).max() < 1e-5
