"""Execution providers: names, options, what is said where one is missing; values on a device."""

from __future__ import annotations

import threading

import numpy as onp
import pytest

import symgluon as mx
from symgluon.backends import onnxruntime, providers, sessions
from symgluon.backends.device_runner import DeviceRunner
from symgluon.backends.onnxruntime import OrtExecutable
from symgluon.backends.providers import CPU, device_of, resolve_providers
from symgluon.errors import AttributeValueError, SymgluonError
from symgluon.gluon import nn

np, npx = mx.np, mx.npx
CUDA = "CUDAExecutionProvider"


@pytest.fixture(autouse=True)
def _numpy_arrays(monkeypatch):
    monkeypatch.delenv("SYMGLUON_BACKEND", raising=False)
    npx.set_np()
    yield
    npx.reset_np()


@pytest.fixture
def available(monkeypatch):
    """Let the installed onnxruntime claim to have CUDA."""
    names = [CUDA, CPU]
    monkeypatch.setattr(sessions.runtime(), "get_available_providers", lambda: names)
    return names


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, [CPU]),
        ("cpu", [CPU]),
        (["cpu"], [CPU]),
        ("CPUExecutionProvider", [CPU]),
        (("cpu", {"arena_extend_strategy": "x"}), [(CPU, {"arena_extend_strategy": "x"})]),
        ((("cpu", (("a", 1),)),), [(CPU, {"a": 1})]),
    ],
)
def test_names(given, found):
    assert resolve_providers(given) == found


def test_names_of_a_build_with_cuda(available):
    assert resolve_providers(("cuda", "cpu")) == [CUDA, CPU]
    found = resolve_providers([("cuda", {"device_id": 1}), "cpu"])
    assert found == [(CUDA, {"device_id": 1}), CPU]
    assert device_of(found) == ("cuda", 1)
    assert device_of([CUDA]) == ("cuda", 0)
    assert device_of([CPU, CUDA]) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("directml", ["DmlExecutionProvider", "onnxruntime-directml"]),
        ("openvino", ["OpenVINOExecutionProvider", "symgluon-openvino"]),
        ("coreml", ["CoreMLExecutionProvider", "macOS"]),
        ("nothing", ["nothing", "CPUExecutionProvider"]),
    ],
)
def test_a_missing_provider_says_what_has_it(monkeypatch, name, words):
    monkeypatch.setattr(sessions.runtime(), "get_available_providers", lambda: [CPU])
    with pytest.raises(AttributeValueError) as caught:
        resolve_providers(name)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("given", [[], [1], [("cpu", {}, 2)]])
def test_what_is_no_provider(given):
    with pytest.raises(AttributeValueError, match="providers"):
        resolve_providers(given)


def test_a_provider_that_does_not_start_is_told():
    class Session:
        def get_providers(self):
            return [CPU]

    with pytest.raises(SymgluonError) as caught:
        providers.check_loaded(Session(), [(CUDA, {}), CPU])
    assert "cuDNN" in str(caught.value)


def test_provider_is_the_short_form():
    net = nn.Dense(2, in_units=3)
    net.initialize()
    x = np.ones((1, 3))
    want = net(x).asnumpy()
    net.optimize_for(x, backend="onnxruntime", provider="cpu")
    onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-6)


# ---- values on a device: the CPU is one to IOBinding --------------------------------------------------
@pytest.fixture
def on_device(monkeypatch):
    """Let every session keep its operands by IOBinding, as those of CUDA do."""
    monkeypatch.setattr(sessions, "device_of", lambda _: ("cpu", 0))
    forget()
    yield
    forget()


def forget():
    onnxruntime._compiled.clear()
    onnxruntime._held.clear()


def runner():
    net = nn.Dense(3, in_units=4)
    net.initialize(mx.init.One())
    graph = net.graph_for(np.ones((2, 4)), functions=False)
    return sessions.session_of(graph, threads=1)


def test_bound_runs_give_what_plain_ones_give(on_device):
    run = runner()
    assert isinstance(run, DeviceRunner)
    weight, bias = onp.ones((3, 4), "float32"), onp.zeros(3, "float32")
    held = [run.hold(weight), run.hold(bias)]
    results = []
    for i in range(6):  # sizes change and come back
        x = onp.full((1 + i % 2, 4), i, "float32")
        results.append(run(x, *held)[0])
    for i, found in enumerate(results):  # later runs leave earlier results alone
        onp.testing.assert_array_equal(found, onp.full((1 + i % 2, 3), 4.0 * i, "float32"))


def test_buffers_are_not_the_callers_arrays(on_device):
    run = runner()
    weight, bias = onp.ones((3, 4), "float32"), onp.zeros(3, "float32")
    x = onp.ones((1, 4), "float32")
    run(x, weight, bias)
    other = onp.full((1, 4), 5, "float32")
    run(other, weight, bias)
    assert x.tolist() == [[1, 1, 1, 1]]
    strided = onp.ones((4, 2), "float32")[:, ::2].T
    assert run(strided, weight, bias)[0].tolist() == [[4, 4, 4]]


def test_threads_have_bindings_of_their_own(on_device):
    run = runner()
    held = [run.hold(onp.ones((3, 4), "float32")), run.hold(onp.zeros(3, "float32"))]
    wrong = []

    def work(i):
        x = onp.full((2, 4), i, "float32")
        for _ in range(50):
            if not (run(x, *held)[0] == 4 * i).all():
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.parametrize("constant_weights", [True, False])
def test_parameters_are_put_on_the_device_once_a_version(on_device, monkeypatch, constant_weights):
    held = []
    original = DeviceRunner.hold
    monkeypatch.setattr(
        DeviceRunner, "hold", lambda self, array: held.append(array) or original(self, array)
    )
    net = nn.Dense(3, in_units=4, use_bias=False)
    net.initialize(mx.init.One())
    x = np.ones((2, 4))
    net.optimize_for(x, backend="onnxruntime", constant_weights=constant_weights)
    for value in (1.0, 2.0):
        net.weight.set_data(np.full((3, 4), value))
        before = len([a for a in held if a.shape == (3, 4)])
        for _ in range(6):
            assert net(x).tolist() == [[4 * value] * 3] * 2
        assert len([a for a in held if a.shape == (3, 4)]) == before + 1


def test_kernels_that_refuse_a_type_are_cut_out_with_values_on_a_device(on_device, monkeypatch):
    """After the cut the parts get arrays."""
    net = nn.Dense(3, in_units=4, activation="tanh")
    net.initialize(mx.init.One())
    x = np.ones((2, 4))
    want = net(x).asnumpy()
    calls = []

    def fails(self, *arrays):
        calls.append(1)
        raise sessions.runtime().capi.onnxruntime_pybind11_state.NotImplemented("type")

    monkeypatch.setattr(DeviceRunner, "__call__", fails)
    monkeypatch.setattr(onnxruntime, "runs", lambda node, sizes: node.op.name == "nothing")
    net.optimize_for(x, backend="onnxruntime")
    for _ in range(2):
        onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-6)
    assert len(calls) == 1


# ---- a real one -----------------------------------------------------------------------------------
@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives():
    if CUDA not in sessions.runtime().get_available_providers():
        pytest.skip("this onnxruntime has no CUDA provider: tools/check-cuda makes an environment")
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, in_channels=3), nn.BatchNorm(in_channels=8), nn.Dense(4))
    net.initialize()
    x = np.random.normal(size=(2, 3, 16, 16))
    want = net(x).asnumpy()
    for constant in (False, True):
        net.optimize_for(
            x, backend="onnxruntime", providers=("cuda", "cpu"), constant_weights=constant
        )
        for _ in range(5):
            onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-2, atol=1e-3)
    assert isinstance(next(iter(net._cache.by_key.values()))[1][0].op.executable, OrtExecutable)
