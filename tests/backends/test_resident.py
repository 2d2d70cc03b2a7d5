"""Sessions on a device, where parameters, inputs and results stay: the CPU is one to IOBinding.

What a GPU itself has to show is in ``test_cuda.py``.
"""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as onp
import pytest

import symgluon as mx
from symgluon import autograd, device, gluon
from symgluon.backends import device_runner, graph_sessions, onnxruntime, providers, sessions
from symgluon.backends.device_runner import CapturedRunner, DeviceRunner
from symgluon.backends.onnxruntime import OrtExecutable
from symgluon.errors import SymgluonError
from symgluon.gluon import nn
from symgluon.ops.resident import Resident

np, npx = mx.np, mx.npx


@pytest.fixture
def on_device(monkeypatch):
    """Let every session keep its operands by IOBinding, as those of CUDA do."""
    for module in (sessions, onnxruntime):
        monkeypatch.setattr(module, "device_of", lambda _: ("cpu", 0))
    forget()
    yield
    forget()


@pytest.fixture
def one_gpu(on_device, monkeypatch):
    """Let there be a GPU, which is the CPU."""
    monkeypatch.setattr(device, "num_gpus", lambda: 1)
    monkeypatch.setitem(providers._PROVIDERS, "cuda", providers.CPU)


def forget():
    graph_sessions._compiled.clear()
    graph_sessions._held.clear()


@pytest.fixture
def fetches(monkeypatch):
    """Shapes of the results that are fetched from the device."""
    found = []
    original = Resident.numpy

    def numpy(self):
        if self._numbers is None:
            found.append(self.shape)
        return original(self)

    monkeypatch.setattr(Resident, "numpy", numpy)
    return found


def dense_graph(rows=2):
    net = nn.Dense(3, in_units=4)
    net.initialize(mx.init.One())
    return net.graph_for(np.ones((rows, 4)), functions=False)


def runner(**options):
    return sessions.session_of(dense_graph(), threads=1, **options)


def weights():
    return onp.ones((3, 4), "float32"), onp.zeros(3, "float32")


# ---- sessions -----------------------------------------------------------------------------------
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

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
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

    monkeypatch.setattr(DeviceRunner, "resident", fails)
    monkeypatch.setattr(
        graph_sessions, "runs", lambda node, sizes, providers: node.op.name == "nothing"
    )
    net.optimize_for(x, backend="onnxruntime")
    for _ in range(2):
        onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-6)
    assert len(calls) == 1


@pytest.mark.parametrize("shape", [(), (0, 3), (1,)])
def test_arrays_without_axes_or_elements_keep_their_shape(on_device, shape):
    graph = mx.gluon.nn.Activation("relu").graph_for(np.ones(shape), functions=False)
    run = sessions.session_of(graph, threads=1)
    for array in (onp.ones(shape, "float32"), run.hold(onp.ones(shape, "float32"))):
        (found,) = run(array)
        assert found.shape == shape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fusions_that_round_are_left_out_of_float64_alone(one_gpu, monkeypatch, dtype):
    """ONNX Runtime keeps the slope of a fused swish in float32."""
    seen = []
    original = sessions.make_session

    def make_session(model, **options):
        seen.append(options.get("without", ()))
        return original(model, **options)

    monkeypatch.setattr(sessions, "make_session", make_session)
    net = nn.Swish(0.1)
    net.hybridize()
    x = np.array([-1.0, 2.0], dtype=dtype, ctx=mx.gpu(0))
    want = x.asnumpy() / (1 + onp.exp(-0.1 * x.asnumpy()))
    tolerance = 1e-6 if dtype == "float32" else 1e-13
    onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=tolerance)
    assert ["QuickGeluFusion" in s for s in seen] == [dtype == "float64"]


def test_what_lies_on_another_device_is_fetched_first(on_device, fetches):
    run = runner()
    there = run.hold(onp.ones((2, 4), "float32"))
    elsewhere = Resident(there.value, ("cpu", 1), there.shape, there.dtype)
    assert run(elsewhere, *weights())[0].tolist() == [[4] * 3] * 2
    assert fetches[0] == (2, 4)


# ---- recorded kernels ---------------------------------------------------------------------------
@pytest.fixture
def recorded(on_device, monkeypatch):
    """Sessions that record, where the CPU has nothing to record."""
    monkeypatch.setattr(sessions, "with_capture", lambda wanted: wanted)
    run = CapturedRunner.__call__  # on the CPU, what is fetched is the memory itself
    monkeypatch.setattr(
        CapturedRunner, "__call__", lambda self, *a: tuple(r.copy() for r in run(self, *a))
    )


def test_recorded_runs_give_what_plain_ones_give(recorded, monkeypatch):
    run = runner(capture=True, providers=[providers.CPU])
    assert isinstance(run, CapturedRunner)
    results = []
    for i in range(30):  # more sizes than are recorded, and each again
        x = onp.full((1 + i % 12, 4), i, "float32")
        results.append(run(x, *weights())[0])
        x[:] = 1000
    for i, found in enumerate(results):  # later runs leave earlier results alone
        onp.testing.assert_array_equal(found, onp.full((1 + i % 12, 3), 4.0 * i, "float32"))
    assert len(run._takes) == 8


def test_threads_share_a_recording(recorded):
    run = runner(capture=True, providers=[providers.CPU])
    wrong = []

    def work(i):
        for _ in range(50):
            if not (run(onp.full((2, 4), i, "float32"), *weights())[0] == 4 * i).all():
                wrong.append(i)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert not wrong


def test_kernels_that_cannot_be_recorded_run_plainly(recorded, monkeypatch):
    original = device_runner._run
    asked = []

    def fails(session, binding, options=None):
        number = options.get_run_config_entry("gpu_graph_id")
        asked.append(number)
        if number != "-1":
            raise sessions.refusals()[2]("operation not permitted when stream is capturing")
        original(session, binding, options)

    monkeypatch.setattr(device_runner, "_run", fails)
    run = runner(capture=True, providers=[providers.CPU])
    for i in range(4):
        x = onp.full((2, 4), i, "float32")
        onp.testing.assert_array_equal(run(x, *weights())[0], onp.full((2, 3), 4.0 * i, "float32"))
    assert asked == ["-1", "1"]  # tried once


def seen_captures(monkeypatch):
    seen = []
    original = graph_sessions.session_of

    def session_of(graph, *, capture=False, **options):
        seen.append(capture)
        return original(graph, capture=capture, **options)

    monkeypatch.setattr(graph_sessions, "session_of", session_of)
    return seen


@pytest.mark.parametrize(
    ("flags", "captured"),
    [
        ({}, False),
        ({"static_alloc": True}, False),
        ({"static_alloc": True, "static_shape": True}, True),
        ({"provider": ("cpu", {"enable_cuda_graph": 1})}, True),
        ({"provider": ("cpu", {"enable_cuda_graph": "0"})}, False),
    ],
)
def test_which_flags_record(recorded, monkeypatch, flags, captured):
    net = nn.Dense(3, in_units=4)
    net.initialize()
    x = np.random.normal(size=(2, 4))
    want = net(x).asnumpy()
    seen = seen_captures(monkeypatch)
    net.optimize_for(x, backend="onnxruntime", **flags)
    for _ in range(6):
        onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-6)
    # parameters that are operands change their place: only sessions that have them as constants
    assert seen == ([False, True] if captured else [False])  # compiled once, then with constants


def test_what_cannot_be_recorded_runs_plainly_unless_it_was_asked_for(on_device, monkeypatch):
    def refuses(wanted):
        raise sessions.refusals()[2]("not all nodes are on CUDA")

    monkeypatch.setattr(sessions, "with_capture", refuses)
    net = nn.Dense(3, in_units=4)
    net.initialize()
    x = np.ones((2, 4))
    want = net(x).asnumpy()
    net.hybridize(static_alloc=True, static_shape=True)
    for _ in range(6):
        onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-6)
    net.optimize_for(x, backend="onnxruntime", provider=("cpu", {"enable_cuda_graph": 1}))
    for _ in range(2):
        net(x)
    with pytest.raises(SymgluonError, match=r"enable_cuda_graph.*not all nodes"):
        net(x)


# ---- results stay -------------------------------------------------------------------------------
def small_net():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3, in_channels=2), nn.BatchNorm(in_channels=4), nn.Dense(3, in_units=64))
    net.initialize(mx.init.Xavier())
    return net


def test_results_stay_on_the_device_until_they_are_read(on_device, fetches):
    first, second = small_net(), nn.Dense(2, in_units=3)
    second.initialize()
    x = np.random.normal(size=(2, 2, 6, 6))
    want = second(first(x)).asnumpy()
    first.hybridize(), second.hybridize()
    for _ in range(6):
        fetches.clear()
        middle = first(x)
        assert (middle.shape, middle.dtype, middle.size) == ((2, 3), onp.float32, 6)
        found = second(middle)
        assert fetches == []
        onp.testing.assert_allclose(found.asnumpy(), want, rtol=1e-5, atol=1e-6)
        found.asnumpy()
        assert fetches == [(2, 2)]


READS = {
    "arithmetic": lambda y: (y + 1).asnumpy() - 1,
    "asnumpy": lambda y: y.asnumpy(),
    "rows": lambda y: onp.stack([row.asnumpy() for row in y]),
    "slice": lambda y: y[:].asnumpy(),
    "tolist": lambda y: onp.array(y.tolist()),
    "NumPy": lambda y: onp.asarray(y),
    "copy": lambda y: copy.deepcopy(y).asnumpy(),
    "pickle": lambda y: pickle.loads(pickle.dumps(y)).asnumpy(),
    "another device": lambda y: y.as_in_ctx(mx.cpu(1)).asnumpy(),
    "detach": lambda y: y.detach().asnumpy(),
    "reduction": lambda y: onp.array([float(v) for v in y.sum(axis=1)])[:, None] / 3 * onp.ones(3),
}


@pytest.mark.parametrize("name", READS)
def test_every_way_to_read_a_result(on_device, name):
    net = nn.Dense(3, in_units=4, use_bias=False)
    net.initialize(mx.init.One())
    net.hybridize()
    x = np.arange(8).reshape(2, 4)
    y = net(x)
    assert type(y._data) is Resident
    onp.testing.assert_allclose(READS[name](y), [[6] * 3, [22] * 3], rtol=1e-6)


def test_writes_leave_what_is_shared_alone(on_device):
    net = nn.Activation("relu")
    net.hybridize()
    y = net(np.ones((2, 2)))
    z = y.copy()
    y[0] = 5
    y += 1
    assert y.tolist() == [[6, 6], [2, 2]]
    assert z.tolist() == [[1, 1], [1, 1]]


def steps(net, x, labels, count=3):
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    losses = []
    for _ in range(count):
        with autograd.record():
            value = loss(net(x), labels).mean()
        value.backward()
        trainer.step(1)
        losses.append(float(value))
    return losses


def test_training_is_the_same_and_fetches_gradients_alone(on_device, fetches):
    mx.random.seed(1)
    net = small_net()
    other = copy.deepcopy(net)
    x, labels = np.random.normal(size=(4, 2, 6, 6)), np.array([0, 1, 2, 1])
    want = steps(other, x, labels)
    net.hybridize()
    assert steps(net, x, labels, 1) == pytest.approx(want[:1], rel=1e-5)
    fetches.clear()
    assert steps(net, x, labels, 1) == pytest.approx(want[1:2], rel=1e-1)  # momentum began anew
    given = {p.shape for p in net.collect_params().values()} | {(4, 3)}
    assert set(fetches) <= given  # gradients and what the loss reads: not what was saved for them
    for found, expected in zip(
        net.collect_params().values(), other.collect_params().values(), strict=True
    ):
        assert found.data().asnumpy().shape == expected.data().asnumpy().shape


def test_statistics_that_a_graph_writes_are_saved_and_used(on_device, tmp_path):
    mx.random.seed(1)
    net = small_net()
    other = copy.deepcopy(net)
    x, labels = np.random.normal(size=(4, 2, 6, 6)), np.array([0, 1, 2, 1])
    net.hybridize()
    assert steps(net, x, labels) == pytest.approx(steps(other, x, labels), rel=1e-4)
    want = other(x).asnumpy()
    for _ in range(6):
        onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-3, atol=1e-4)
    net.save_parameters(str(tmp_path / "net.params"))
    again = small_net()
    again.load_parameters(str(tmp_path / "net.params"))
    onp.testing.assert_allclose(again(x).asnumpy(), want, rtol=1e-3, atol=1e-4)


# ---- kernels that refuse ------------------------------------------------------------------------
def test_sizes_that_a_kernel_refuses_run_in_parts_for_that_call(on_device, monkeypatch):
    """CUDA reduces no axis without elements."""
    net = nn.HybridLambda(lambda x: (x * 2).sum(axis=0))
    net.hybridize()
    original = DeviceRunner.resident
    calls = []

    def resident(self, *arrays):
        calls.append(arrays[0].shape)
        if 0 in arrays[0].shape and len(self.session.get_outputs()[0].shape) == 1:
            raise sessions.refusals()[2]("no elements")
        return original(self, *arrays)

    monkeypatch.setattr(DeviceRunner, "resident", resident)
    monkeypatch.setattr(
        graph_sessions, "runs", lambda node, sizes, providers: node.op.name != "sum"
    )
    for rows in (2, 3, 0, 3, 0, 2):
        assert net(np.ones((rows, 3))).tolist() == [2.0 * rows] * 3
    assert (2, 3) in calls
    assert calls[-1] == (2, 3)


# ---- gpu(0) -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "put",
    [
        lambda: np.ones(3, ctx=mx.gpu(0)),
        lambda: np.array([1, 2], device="gpu(0)"),
        lambda: mx.nd.ones(3, ctx=mx.gpu(0)),
        lambda: mx.nd.array(mx.nd.ones(3), ctx=mx.gpu(0)),
        lambda: np.ones(3).as_in_ctx(mx.gpu(0)),
        lambda: np.ones(3).to_device("gpu(0)"),
        lambda: np.ones(3).copyto(mx.gpu(0)),
        lambda: np.random.normal(size=3, ctx=mx.gpu(0)),
        lambda: mx.nd.random.normal(shape=3, ctx=mx.gpu(0)),
        lambda: nn.Dense(2, in_units=2).initialize(ctx=mx.gpu(0)),
        lambda: mx.sym.var("x").simple_bind(mx.gpu(0), x=(2, 2)),
    ],
)
def test_a_gpu_that_is_not_there_is_told(monkeypatch, put):
    monkeypatch.setattr(device, "num_gpus", lambda: 0)
    with pytest.raises(mx.base.MXNetError, match=r"gpu\(0\) cannot be used"):
        put()


def test_an_array_of_a_gpu_is_opened_where_there_is_none(one_gpu, monkeypatch):
    saved = pickle.dumps(np.ones(3, ctx=mx.gpu(0)))
    assert str(pickle.loads(saved).device) == "gpu(0)"
    monkeypatch.setattr(device, "num_gpus", lambda: 0)
    assert str(pickle.loads(saved).device) == "cpu(0)"


def ways(net):
    """What runs the entries of a net, by device."""
    entries = [entry for found in net._cache.by_key.values() for entry in found[1]]
    return [entry._ops for entry in entries]


def test_graphs_of_a_gpu_run_there(one_gpu):
    net = small_net()
    x = np.random.normal(size=(2, 2, 6, 6))
    want = net(x).asnumpy()
    net.reset_device([mx.gpu(0)])
    net.hybridize()
    y = net(x.as_in_ctx(mx.gpu(0)))
    assert y.device == mx.gpu(0)
    assert type(y._data) is Resident
    onp.testing.assert_allclose(y.asnumpy(), want, rtol=1e-5, atol=1e-6)
    (on_gpus,) = ways(net)
    found = on_gpus[mx.gpu(0)].options.get("provider")
    assert found == ("cuda", (("device_id", 0),))
    assert isinstance(on_gpus[mx.gpu(0)].executable, OrtExecutable)


def test_training_on_a_gpu(one_gpu):
    mx.random.seed(1)
    net = small_net()
    other = copy.deepcopy(net)
    x, labels = np.random.normal(size=(4, 2, 6, 6)), np.array([0, 1, 2, 1])
    want = steps(other, x, labels)
    net.reset_device([mx.gpu(0)])
    net.hybridize()
    found = steps(net, x.as_in_ctx(mx.gpu(0)), labels.as_in_ctx(mx.gpu(0)))
    assert found == pytest.approx(want, rel=1e-4)


def test_named_providers_count_more_than_the_device(one_gpu):
    net = nn.Dense(3, in_units=4)
    net.initialize(ctx=mx.gpu(0))
    x = np.ones((2, 4), ctx=mx.gpu(0))
    net.optimize_for(x, backend="onnxruntime", provider="cpu", threads=1)
    net(x)
    (by_device,) = ways(net)
    assert [op.options.get("provider") for op in by_device.values()] == ["cpu"]


# ---- updates on a GPU ----------------------------------------------------------------------------
OPTIMIZERS = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9, "wd": 0.01}),
    ("sgd", {"momentum": 0.9, "clip_gradient": 0.02}),
    ("nag", {"momentum": 0.9, "wd": 0.01}),
    ("nag", {}),
    ("adam", {"wd": 0.01}),
    ("adam", {"clip_gradient": 0.01, "beta1": 0.5}),
    ("adamw", {"wd": 0.1}),
    ("adamw", {"wd": 0.1, "use_fused_step": False, "correct_bias": False}),
    ("rmsprop", {"wd": 0.01}),  # has no form for a GPU
]


def trained(device, name, options, schedule=True, count=5):
    mx.random.seed(1)
    net = small_net()
    net.reset_device([device])
    net.hybridize()
    net[0].weight.lr_mult, net[2].bias.wd_mult = 0.5, 0.0
    if schedule:
        scheduler = mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=0.1)
        options = {**options, "learning_rate": 0.1, "lr_scheduler": scheduler}
    trainer = gluon.Trainer(net.collect_params(), name, options)
    x = np.random.normal(size=(4, 2, 6, 6)).as_in_ctx(device)
    for i in range(count):
        with autograd.record():
            loss = (net(x[: 4 - i % 2]) ** 2).sum()
        loss.backward()
        trainer.step(4 - i % 2)
    return net, trainer


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_weights_on_a_gpu_are_updated_there(one_gpu, name, options):
    want, _ = trained(mx.cpu(0), name, options)
    net, trainer = trained(mx.gpu(0), name, options)
    there = name != "rmsprop"
    for a, b in zip(net.collect_params().values(), want.collect_params().values(), strict=True):
        if a.grad_req != "null":
            assert (type(a.data()._data) is Resident) == there
        onp.testing.assert_allclose(
            a.data().asnumpy(), b.data().asnumpy(), rtol=2e-4, atol=2e-5, err_msg=a.name
        )
    assert bool(trainer._optimizer._on_gpu) == there


def test_one_graph_serves_a_schedule(one_gpu):
    _, trainer = trained(mx.gpu(0), "adam", {}, count=9)
    assert len(trainer._optimizer._on_gpu) == 1


def test_states_of_a_gpu_are_saved_and_go_on(one_gpu, tmp_path):
    net, trainer = trained(mx.gpu(0), "adam", {}, schedule=False)
    trainer.save_states(str(tmp_path / "states"))
    net.save_parameters(str(tmp_path / "net"))
    other, fresh = trained(mx.gpu(0), "adam", {}, schedule=False, count=1)
    other.load_parameters(str(tmp_path / "net"), device=mx.gpu(0))
    fresh.load_states(str(tmp_path / "states"))
    for n, t in ((net, trainer), (other, fresh)):
        with autograd.record():
            loss = (n(np.ones((2, 2, 6, 6), ctx=mx.gpu(0))) ** 2).sum()
        loss.backward()
        t.step(1)
    for a, b in zip(net.collect_params().values(), other.collect_params().values(), strict=True):
        onp.testing.assert_allclose(a.data().asnumpy(), b.data().asnumpy(), rtol=1e-5, atol=1e-6)


def test_a_rule_of_the_users_own_is_kept_on_a_gpu(one_gpu):
    class Half(mx.optimizer.SGD):
        def rule(self, index, weight, grad, state, lr, wd):
            weight *= 0.5

    net = nn.Dense(2, in_units=2, use_bias=False)
    net.initialize(mx.init.One(), ctx=mx.gpu(0))
    trainer = gluon.Trainer(net.collect_params(), Half())
    with autograd.record():
        loss = net(np.ones((1, 2), ctx=mx.gpu(0))).sum()
    loss.backward()
    trainer.step(1)
    assert net.weight.data().tolist() == [[0.5] * 2] * 2
