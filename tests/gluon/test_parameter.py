"""`Parameter` and `Constant`: shapes, devices, gradients, content, errors."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.errors import DeferredInitializationError


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


def made(shape=(2, 3), **kwargs):
    device = kwargs.pop("device", None)
    p = gluon.Parameter("w", shape=shape, **kwargs)
    p.initialize(mx.init.One(), device=device)
    return p


def backward(p):
    for cell in p.list_data():
        with mx.autograd.record():
            y = (cell * 2).sum()
        y.backward()


# ---- facts -------------------------------------------------------------------------------------
def test_defaults():
    p = gluon.Parameter()
    assert (p.name, p.shape, p.dtype, p.grad_req) == ("weight", None, onp.float32, "write")
    assert (p.lr_mult, p.wd_mult, p.stype, p.grad_stype) == (1.0, 1.0, "default", "default")
    assert repr(gluon.Parameter("w", shape=(2, -1))) == "Parameter (shape=(2, -1), dtype=float32)"


@pytest.mark.parametrize(
    ("given", "shape"), [(3, (3,)), ((2, 0), (2, -1)), ([4, -1], (4, -1)), ((), ())]
)
def test_shapes(given, shape):
    assert gluon.Parameter("w", shape=given).shape == shape


@pytest.mark.parametrize(
    "kwargs", [{"grad_req": "x"}, {"stype": "x"}, {"grad_stype": "x"}], ids=str
)
def test_choices(kwargs):
    with pytest.raises(AssertionError, match="'x'"):
        gluon.Parameter("w", shape=(2,), **kwargs)


def test_shape_is_completed_not_changed():
    p = gluon.Parameter("w", shape=(-1, 3))
    p.shape = (2, 3)
    assert p.shape == (2, 3)
    with pytest.raises(AssertionError, match=r"Expected shape \(2, 4\) is incompatible"):
        p.shape = (2, 4)


# ---- before initialisation -----------------------------------------------------------------------
@pytest.mark.parametrize(
    "use",
    [
        lambda p: p.data(), lambda p: p.grad(), lambda p: p.list_data(), lambda p: p.list_grad(),
        lambda p: p.list_device(), lambda p: p.set_data(mx.np.ones((2, 3))),
    ],
)  # fmt: skip
def test_uninitialised(use):
    with pytest.raises(RuntimeError, match="'w' has not been initialized"):
        use(gluon.Parameter("w", shape=(2, 3)))


def test_unknown_shapes_wait():
    p = gluon.Parameter("w", shape=(2, -1), allow_deferred_init=True)
    p.initialize(mx.init.One(), device=[mx.cpu(0), mx.cpu(1)])
    assert p.list_device() == [mx.cpu(0), mx.cpu(1)]
    with pytest.raises(DeferredInitializationError, match="not initialised yet"):
        p.data()
    p.set_data(mx.np.ones((2, 4)) * 5)
    assert p.shape == (2, 4)
    assert [d.asnumpy().sum() for d in p.list_data()] == [40, 40]


def test_unknown_shapes_are_refused_without_leave():
    with pytest.raises(ValueError, match=r"its shape is \(2, -1\)"):
        gluon.Parameter("w", shape=(2, -1)).initialize()
    with pytest.raises(ValueError, match="its shape is None"):
        gluon.Parameter("w").initialize()


def test_second_initialisation_is_ignored_with_a_warning():
    p = made()
    with pytest.warns(UserWarning, match="already initialized, ignoring"):
        p.initialize(mx.init.Zero())
    assert p.data().asnumpy().sum() == 6
    p.initialize(mx.init.Zero(), force_reinit=True)
    assert p.data().asnumpy().sum() == 0


# ---- content -----------------------------------------------------------------------------------
def test_set_data_keeps_the_handle():
    p = made()
    cell = p.data()
    p.set_data(mx.np.arange(6).reshape(2, 3).astype("int32"))
    assert p.data() is cell
    assert cell.dtype == onp.float32
    onp.testing.assert_array_equal(cell.asnumpy(), onp.arange(6).reshape(2, 3))
    with pytest.raises(AssertionError, match=r"shape \(2, 4\)"):
        p.set_data(mx.np.ones((2, 4)))


def test_what_was_set_is_not_shared():
    p, source = made(), mx.np.zeros((2, 3))
    p.set_data(source)
    source[:] = 7
    assert p.data().asnumpy().sum() == 0
    p.data()[:] = 3
    assert source.asnumpy().sum() == 42


def test_set_data_inside_a_record_does_not_keep_the_graph():
    p, x = made((2,)), mx.np.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        p.set_data(x * 3)
        y = (p.data() * x).sum()
    y.backward()
    onp.testing.assert_array_equal(x.grad.asnumpy(), [3, 3])
    onp.testing.assert_array_equal(p.grad().asnumpy(), [1, 1])


def test_cast():
    p = made()
    backward(p)
    p.cast("float16")
    assert p.dtype == p.data().dtype == p.grad().dtype == onp.float16
    p.dtype = "float64"
    assert p.data().dtype == onp.float64
    assert p.data().asnumpy().sum() == 6


# ---- gradients ---------------------------------------------------------------------------------
def test_grad_req():
    p = made()
    backward(p)
    assert p.grad().asnumpy().sum() == 12
    p.grad_req = "add"
    p.zero_grad()
    backward(p)
    backward(p)
    assert p.grad().asnumpy().sum() == 24
    p.grad_req = "null"
    for use in (p.grad, p.list_grad):
        with pytest.raises(RuntimeError, match="because grad_req='null'"):
            use()
    with mx.autograd.record():
        y = p.data() * 2
    with pytest.raises(mx.MXNetError):
        y.backward()


def test_not_differentiable():
    p = gluon.Parameter("w", shape=(2,), differentiable=False)
    assert p.grad_req == "null"
    p.grad_req = "write"
    assert p.grad_req == "null"


# ---- devices -----------------------------------------------------------------------------------
def test_devices():
    both = [mx.cpu(0), mx.cpu(1)]
    p = made(device=both)
    assert p.list_device() == p.list_ctx() == both
    assert [d.device for d in p.list_data()] == both
    p.data(mx.cpu(1))[:] = 3
    assert p.data(mx.cpu(0)).asnumpy().sum() == 6
    with mx.cpu(1):
        assert p.data().asnumpy().sum() == 18
    with pytest.raises(RuntimeError, match=r"not initialized on cpu\(2\); it is on cpu\(0\)"):
        p.data(mx.cpu(2))
    p.reset_device(mx.cpu(5))
    assert p.list_device() == [mx.cpu(5)]
    assert p.data().asnumpy().sum() == 12  # the mean
    p.reset_ctx([mx.cpu(0)])
    assert p.list_device() == [mx.cpu(0)]


def test_device_of_the_uninitialised():
    with pytest.raises(ValueError, match="has not been initialized"):
        gluon.Parameter("w", shape=(2,)).reset_device(mx.cpu(1))


# ---- copies ------------------------------------------------------------------------------------
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies(copied):
    p = made()
    again = copied(p)
    p.data()[:] = 5
    assert again.data().asnumpy().sum() == 6
    backward(again)
    assert again.grad().asnumpy().sum() == 12
    assert p.grad().asnumpy().sum() == 0


# ---- constants ---------------------------------------------------------------------------------
def test_constant():
    c = gluon.Constant([[1.0, 2.0]])
    c.initialize()
    assert (c.shape, c.dtype, c.grad_req) == ((1, 2), onp.float32, "null")
    onp.testing.assert_array_equal(c.data().asnumpy(), [[1, 2]])
    assert repr(c) == "Constant (shape=(1, 2), dtype=float32)"
    with pytest.warns(UserWarning, match='does not support grad_req other than "null"'):
        c.grad_req = "write"
    assert c.grad_req == "null"


def test_constant_in_a_block():
    class Scaled(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.factor = gluon.Constant(mx.np.array([2.0, 3.0]))

        def forward(self, x):
            return x * self.factor.data()

    net = Scaled()
    net.initialize("zeros")
    for _ in range(2):
        onp.testing.assert_array_equal(net(mx.np.ones((1, 2))).asnumpy(), [[2, 3]])
        net.hybridize()
    assert list(net.collect_params()) == ["factor"]


def test_sparse_storage_is_dense():
    p = gluon.Parameter("w", shape=(4, 2), stype="row_sparse", grad_stype="row_sparse")
    p.initialize(mx.init.One())
    rows = mx.np.array([0, 2])
    assert p.row_sparse_data(rows).shape == (4, 2)
    assert len(p.list_row_sparse_data(rows)) == 1
    with pytest.raises(RuntimeError, match="storage type is default"):
        made().row_sparse_data(rows)


LAYERS = {
    "dense": lambda: mx.gluon.nn.Dense(2, in_units=3),
    "deferred": lambda: mx.gluon.nn.Dense(2),
    "embedding": lambda: mx.gluon.nn.Embedding(4, 3),
    "norm": lambda: mx.gluon.nn.BatchNorm(),
    "lstm": lambda: mx.gluon.rnn.LSTM(3, layout="NTC"),
    "cell": lambda: mx.gluon.rnn.GRUCell(3),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_2_hold_numpy_arrays_whatever_the_flags(name):
    mx.npx.reset_np()
    layer = LAYERS[name]()
    layer.initialize()
    data = mx.np.ones((2, 3, 3) if name == "lstm" else (2, 3))
    states = [layer.begin_state(2)] if name in ("lstm", "cell") else []
    with mx.autograd.record():
        out = layer(data, *states)
    out = out[0] if states else out
    out.backward()
    found = [out, *(states[0] if states else ())]
    for p in layer.collect_params().values():
        found += [p.data(), p._reduce()] + ([p.grad()] if p.grad_req != "null" else [])
    assert {type(a) for a in found} == {mx.np.ndarray}


def test_legacy_arrays():
    mx.npx.reset_np()
    with warnings.catch_warnings():
        p = made()
        assert type(p.data()) is mx.nd.NDArray
        assert type(p.grad()) is mx.nd.NDArray
