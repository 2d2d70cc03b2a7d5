"""Differentiation: any order, shared operands, several results, compiled graphs."""

import numpy as np
import pytest

from symgluon.errors import SymgluonError
from symgluon.ir.dims import DimScope
from symgluon.ir.types import TensorType
from symgluon.ops import F, state, wrap
from symgluon.ops.call import Call, GraphOp, set_graph_compiler
from symgluon.ops.region import Region, outside, resolve_dims
from symgluon.ops.replay import replay
from symgluon.ops.tape import Leaf, pullback, vjp

rng = np.random.default_rng(3)


def array(*shape):
    return wrap(rng.standard_normal(shape))


def one(y):
    return wrap(np.ones(y.shape, y.dtype))


def numeric(function, inputs, which, step=1e-6):
    """Central differences of a scalar function."""
    base = [x._content().copy() for x in inputs]
    grad = np.zeros_like(base[which])
    for index in np.ndindex(*grad.shape):
        values = []
        for sign in (1, -1):
            moved = [b.copy() for b in base]
            moved[which][index] += sign * step
            values.append(float(function(*[wrap(m) for m in moved])._content()))
        grad[index] = (values[0] - values[1]) / (2 * step)
    return grad


def compiled(function, *shapes):
    """`function` as a GraphOp with symbolic sizes."""

    def interpret(graph, options):
        def run(*arrays):
            with outside():
                return tuple(r._content() for r in replay(graph, [wrap(a) for a in arrays]))

        return run

    set_graph_compiler(interpret)
    scope = DimScope()
    region = Region("f", scope)
    with region.active():
        args = [
            region.argument(
                f"x{i}", TensorType([scope.new(f"d{i}{a}", n) for a, n in enumerate(s)], "f8")
            )
            for i, s in enumerate(shapes)
        ]
        graph = region.close([function(*args)])
    resolve_dims(graph, scope)
    return GraphOp(graph)


def smooth(x, w):
    hidden = F.tanh(x * w + 0.5)
    return F.sum(hidden * w * hidden)


@pytest.mark.parametrize("how", ["eager", "compiled", "training form", "call"])
def test_first_second_and_third_order(how):
    x, w = array(3, 2), array(1, 2)
    function = smooth
    if how == "compiled":
        function = compiled(smooth, (3, 2), (1, 2))
    elif how == "training form":
        form = compiled(smooth, (3, 2), (1, 2)).training_form([x, w], (True, True))
        function = lambda a, b: form(a, b)[0]  # noqa: E731
    elif how == "call":
        function = Call(compiled(smooth, (3, 2), (1, 2)).graph)

    def first(a, b):
        return vjp(function, [a, b], wrap(np.ones(())))

    def second(a, b):
        ga, gb = first(a, b)
        return F.sum(ga * ga) + F.sum(gb)

    def third(a, b):
        ga, gb = vjp(second, [a, b], wrap(np.ones(())))
        return F.sum(ga) + F.sum(gb * gb)

    for scalar in (function, second, third):
        found = vjp(scalar, [x, w], wrap(np.ones(())))
        for i, g in enumerate(found):
            want = numeric(scalar if scalar is not function else smooth, [x, w], i)
            np.testing.assert_allclose(g._content(), want, rtol=2e-5, atol=1e-6)


def test_a_training_form_saves_what_the_gradient_reads():
    op = compiled(lambda x: F.exp(F.tanh(x)), (2, 3))
    x = array(2, 3)
    form = op.training_form([x], (True,))
    assert len(form.graph.outputs) == 2  # the result, and tanh(x)
    (key, gradient), *_ = form._gradients
    assert key == ((True, False), (True,))
    assert gradient.operands == ()  # nothing is recomputed from x


def test_unwanted_operands_cost_nothing():
    op = compiled(lambda x, w: x * w, (2, 3), (2, 3))
    form = op.training_form([array(2, 3), array(2, 3)], (False, True))
    assert form._gradients[0][1].grads == (1,)
    assert len(form._gradients[0][1].op.graph) == 1


def test_several_results_and_absent_cotangents():
    scope = DimScope()
    region = Region("two", scope)
    with region.active():
        x = region.argument("x", TensorType((3,), "f8"))
        graph = region.close([F.exp(x), x * x])
    compiled(lambda a: a, (1,))  # installs the interpreter
    op = GraphOp(graph)
    x = array(3)
    only_second = vjp(lambda a: op(a)[1], [x], one(x))[0]
    np.testing.assert_allclose(only_second._content(), 2 * x._content())
    both = vjp(lambda a: op(a), [x], (one(x), one(x)))[0]
    np.testing.assert_allclose(both._content(), np.exp(x._content()) + 2 * x._content())


def test_the_tape_is_dropped_after_backward():
    x = array(2)
    leaf = Leaf(None, "write")
    x._node = leaf
    state.recording = True
    try:
        y = F.exp(x)
    finally:
        state.recording = False
    leaves, _ = pullback([(y._data, y._node, y._out)], [one(y)], retain_graph=False)
    np.testing.assert_allclose(leaves[leaf]._content(), np.exp(x._content()))
    with pytest.raises(SymgluonError, match="retain_graph"):
        pullback([(y._data, y._node, y._out)], [one(y)])


def test_later_writes_do_not_change_gradients():
    x, b = array(3), array(3)
    kept = b._content().copy()
    x._node = leaf = Leaf(None, "write")
    state.recording = True
    try:
        y = x * b
    finally:
        state.recording = False
    b._write((slice(None),), 100.0)
    leaves, _ = pullback([(y._data, y._node, y._out)], [one(y)])
    np.testing.assert_array_equal(leaves[leaf]._content(), kept)


def test_writes_inside_record_are_differentiated():
    x = array(3)
    x._node = leaf = Leaf(None, "write")
    x._leaf = leaf
    kept = x._content().copy()
    state.recording = True
    try:
        y = x * x
        x._write((0,), 5.0)  # a new value: the gradient stays that of the content before
        z = F.sum(y * x)
    finally:
        state.recording = False
    leaves, _ = pullback([(z._data, z._node, z._out)], [one(z)])
    now = kept.copy()
    now[0] = 5.0
    want = 2 * kept * now
    want[1:] += (kept * kept)[1:]
    np.testing.assert_allclose(leaves[leaf]._content(), want)


def test_integer_operands_have_no_gradient():
    index = wrap(np.array([1, 2]))
    grads = vjp(lambda x, i: x * 2.0, [array(2), index], wrap(np.ones(2)))
    assert grads[1] is None
