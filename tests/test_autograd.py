"""`mx.autograd`: modes, backward and grad, writes under record, custom functions."""

from __future__ import annotations

import threading

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import MXNetError, ShapeError, TraceError
from symgluon.ir.dims import DimScope
from symgluon.ops.region import Region

np, autograd = mx.np, mx.autograd


def variable(values, req="write", dtype="float32"):
    x = np.array(values, dtype=dtype)
    x.attach_grad(req)
    return x


# ---- modes --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ([], (False, False)),
        ([autograd.record()], (True, True)),
        ([autograd.record(train_mode=False)], (True, False)),
        ([autograd.train_mode()], (False, True)),
        ([autograd.record(), autograd.predict_mode()], (True, False)),
        ([autograd.record(), autograd.pause()], (False, False)),
        ([autograd.record(), autograd.pause(train_mode=True)], (False, True)),
        ([autograd.pause(), autograd.record()], (True, True)),
    ],
)
def test_modes(scopes, expected):
    for scope in scopes:
        scope.__enter__()
    found = (autograd.is_recording(), autograd.is_training())
    for scope in reversed(scopes):
        scope.__exit__(None, None, None)
    assert found == expected
    assert (autograd.is_recording(), autograd.is_training()) == (False, False)


def test_setters_return_the_old_state():
    assert autograd.set_recording(True) is False
    assert autograd.set_recording(False) is True
    assert autograd.set_training(True) is False
    assert autograd.set_training(False) is True


def test_modes_are_thread_local_and_scopes_decorate():
    seen = []

    @autograd.record()
    def inside():
        thread = threading.Thread(target=lambda: seen.append(autograd.is_recording()))
        thread.start()
        thread.join()
        return autograd.is_recording()

    assert inside() is True
    assert seen == [False]


# ---- backward -----------------------------------------------------------------------------------
def test_backward_and_grad_reqs():
    x, y, z = variable([1, 2]), variable([3, 4], "add"), variable([1, 1], "null")
    for _ in range(2):
        with autograd.record():
            out = x * y * z
        out.backward()
    assert x.grad.tolist() == [3, 4]
    assert y.grad.tolist() == [2, 4]
    assert z.grad.tolist() == [0, 0]


def test_two_scopes_form_one_graph_and_pause_cuts():
    x = variable([1.0, 2.0])
    with autograd.record():
        y = x * x
    z = y * 100
    with autograd.record():
        with autograd.pause():
            w = y * 3
        out = y * 2 + w + z
    out.backward()
    assert x.grad.tolist() == [4, 8]


def test_head_gradients():
    x = variable([1.0, 2.0])
    with autograd.record():
        y = x * 2
        z = x * 3
    autograd.backward([y, z], [np.array([1, 10]), None])
    assert x.grad.tolist() == [5, 23]
    with autograd.record():
        y = x * 2
    with pytest.raises(AssertionError, match="same length"):
        autograd.backward([y], [np.ones(2), np.ones(2)])
    with pytest.raises(ShapeError):
        autograd.backward([y], [np.ones(3)])
    y.backward(np.array([1, 2], dtype="float64"))
    assert x.grad.tolist() == [2, 4]
    assert x.grad.dtype == onp.float32


def test_not_recorded_and_differentiated_twice():
    x = variable([1.0, 2.0])
    with pytest.raises(MXNetError, match="not in a computational graph"):
        (x * 2).backward()
    with autograd.record():
        y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [2, 4]
    with pytest.raises(MXNetError, match="retain_graph"):
        y.backward()


def test_writes_after_the_fact_do_not_change_gradients():
    x, w = variable([1.0, 2.0]), np.array([3.0, 4.0])
    with autograd.record():
        y = x * w
    w[:] = 100
    y.backward()
    assert x.grad.tolist() == [3, 4]


def test_writes_inside_record():
    x = variable([1.0, 2.0])
    with autograd.record():
        y = x * x
        y[0] = 7 * x[1]
        y += x
    y.backward()
    assert y.tolist() == [15, 6]
    assert x.grad.tolist() == [1, 12]


def test_write_to_a_variable_inside_record():
    x = variable([1.0, 2.0])
    with autograd.record():
        x *= 3
        y = x * x
    y.backward()
    assert x.grad.tolist() == [18, 36]
    with autograd.record():
        y = x * x
    with pytest.raises(MXNetError, match="already differentiated"):
        y.backward()  # `x` holds the recorded product, whose operands were dropped
    x[:] = 1
    with autograd.record():
        y = x * 5
    y.backward()
    assert x.grad.tolist() == [5, 5]


def test_gradient_through_views_and_copies():
    x = variable(onp.arange(6.0).reshape(2, 3))
    with autograd.record():
        y = x[0] * x[1, 1:3].sum() + x.detach()[1] * x[0] + x.copy()[1]
    y.backward()
    expected = onp.array([[9 + 3, 9 + 4, 9 + 5], [1, 1 + 3, 1 + 3]], "float32")
    assert x.grad.tolist() == expected.tolist()


def test_integers_have_no_gradient():
    x = variable([1.5, 2.5])
    with autograd.record():
        y = x.astype("int32") + x
    y.backward()
    assert x.grad.tolist() == [1, 1]


# ---- grad ---------------------------------------------------------------------------------------
def test_grad_returns_and_leaves_alone():
    x, y = variable([1.0, 2.0]), variable([3.0, 4.0])
    with autograd.record():
        z = x * x * y
    gx, gy = autograd.grad(z, [x, y], retain_graph=True)
    assert gx.tolist() == [6, 16]
    assert gy.tolist() == [1, 4]
    assert type(gx) is np.ndarray
    (gx,) = autograd.grad(z, x, np.array([1, 10]))
    assert gx.tolist() == [6, 160]
    assert x.grad.tolist() == [0, 0]


def test_grad_of_intermediate_and_unconnected():
    x, other = variable([1.0, 2.0]), variable([1.0])
    with autograd.record():
        y = x * 2
        z = y * y
    (gy,) = autograd.grad(z, [y], retain_graph=True)
    assert gy.tolist() == [4, 8]
    with pytest.raises(MXNetError, match="do not depend"):
        autograd.grad(z, [y, other])
    with autograd.record():
        z = x * 2
    with pytest.raises(MXNetError, match="not part of the graph"):
        autograd.grad(z, [np.ones(2)])


@pytest.mark.parametrize(
    ("function", "third"),
    [
        (lambda x: x * x * x, lambda x: 6 + 0 * x),
        (np.exp, onp.exp),
        (np.tanh, lambda x: (6 * onp.tanh(x) ** 2 - 2) * (1 - onp.tanh(x) ** 2)),
        (lambda x: x**4.0, lambda x: 24 * x),
    ],
)
def test_higher_order(function, third):
    x = variable([0.5, -1.5], dtype="float64")
    with autograd.record():
        y = function(x)
        (g,) = autograd.grad(y, x, create_graph=True)
        (g2,) = autograd.grad(g, x, create_graph=True)
    g2.backward()
    onp.testing.assert_allclose(x.grad.asnumpy(), third(x.asnumpy()), rtol=1e-9)


def test_create_graph_outside_record():
    x = variable([2.0])
    with autograd.record():
        y = x * x * x
    (g,) = autograd.grad(y, x, create_graph=True)
    g.backward()
    assert x.grad.tolist() == [12]


# ---- variables ----------------------------------------------------------------------------------
def test_mark_variables():
    x, g = np.array([1.0, 2.0]), np.zeros(2)
    autograd.mark_variables(x, g)
    with autograd.record():
        y = x * 3
    y.backward()
    assert g.tolist() == [3, 3]
    assert x.grad is g
    x.drop_grad()
    assert x.grad is None
    with pytest.raises(ValueError):
        autograd.mark_variables([x], [g, g])


def test_a_recorded_result_that_becomes_a_variable_stays_connected():
    x = variable([1.0, 2.0])
    with autograd.record():
        y = x * 2
        y.attach_grad()
        z = y * y
    z.backward()
    assert y.grad.tolist() == [4, 8]
    assert x.grad.tolist() == [8, 16]
    y[:] = 1  # a new variable, without a past
    with autograd.record():
        z = y * 3
    z.backward()
    assert (y.grad.tolist(), x.grad.tolist()) == ([3, 3], [8, 16])


# ---- custom functions ---------------------------------------------------------------------------
class Scaled(autograd.Function):
    """Product whose gradient is 100 times too large, to see that it is used."""

    def forward(self, a, b):
        assert not autograd.is_recording()
        self.save_for_backward(a, b)
        return a * b, a + b

    def backward(self, d1, d2):
        a, b = self.saved_tensors
        return d1 * b * 100 + d2, d1 * a * 100 + d2


def test_custom_function():
    a, b = variable([1.0, 2.0]), variable([3.0, 4.0])
    with autograd.record():
        product, total = Scaled()(a, b)
        out = product + total * 0
    out.backward()
    assert type(product) is np.ndarray
    assert product.tolist() == [3, 8]
    assert a.grad.tolist() == [300, 400]
    assert b.grad.tolist() == [100, 200]


def test_custom_function_traced():
    from symgluon.ops.call import GraphOp

    region = Region("t", DimScope())
    kind = np.ones(2).type
    with region.active():
        args = [region.argument(n, kind, np.ndarray) for n in "ab"]
        graph = region.close(list(Scaled()(*args)))
    op = GraphOp(graph)
    a, b = variable([1.0, 2.0]), variable([3.0, 4.0])
    from symgluon.ops.replay import replay

    with autograd.record():
        outs = replay(op.graph, [a, b])
    outs[0].__class__ = np.ndarray
    outs[0].backward()
    assert outs[0].tolist() == [3, 8]
    assert a.grad.tolist() == [300, 400]


def test_function_must_be_complete():
    class Nothing(autograd.Function):
        pass

    with pytest.raises(TypeError, match="must define forward"):
        Nothing()(np.ones(2))


def test_traces_are_refused():
    x = variable([1.0])
    with autograd.record():
        y = x * 2
    region = Region("t", DimScope())
    with region.active(), pytest.raises(TraceError):
        y.backward()
    with region.active(), pytest.raises(TraceError):
        autograd.get_symbol(y + 1)


def test_gradients_of_results_are_kept_until_dropped():
    """As MXNet 2.0: `attach_grad` after the fact, on what was used already and on the head."""
    x, y = variable([1.0, 2.0]), variable([5.0, 6.0])
    with autograd.record():
        u = x * y
        z = u * x
    u.attach_grad()
    z.attach_grad()
    z.backward(np.array([10.0, 10.0]), retain_graph=True)
    assert u.grad.tolist() == [10, 20]
    assert z.grad.tolist() == [10, 10]
    assert x.grad.tolist() == [100, 240]
    assert y.grad.tolist() == [10, 40]
    for a in (u, z, y):
        a.drop_grad()
    z.backward()
    assert (u.grad, z.grad, y.grad) == (None, None, None)
    assert x.grad.tolist() == [10, 24]


def test_the_gradient_of_a_linear_function_has_a_gradient_of_zero():
    x, w = variable([1.0, 2.0]), variable([3.0, 4.0])
    with autograd.record():
        y = x * 2 + w
        (first,) = autograd.grad(y, x, create_graph=True, retain_graph=True)
        gx, gw = autograd.grad(x * w, [x, w], create_graph=True, retain_graph=True)
    first.backward()
    assert (first.tolist(), x.grad.tolist()) == ([2, 2], [0, 0])
    assert [g.tolist() for g in autograd.grad(gx, [x, w])] == [[0, 0], [1, 1]]
    assert gw.tolist() == [1, 2]


def test_an_array_of_the_other_class_is_the_same_variable():
    x = variable([1.0, 2.0])
    with autograd.record():
        y = x * x
        w = x.as_nd_ndarray()
        (found,) = autograd.grad(y, w, retain_graph=True)
    assert found.asnumpy().tolist() == [2, 4]
    (found,) = autograd.grad(y, x.as_nd_ndarray())
    assert found.asnumpy().tolist() == [2, 4]
