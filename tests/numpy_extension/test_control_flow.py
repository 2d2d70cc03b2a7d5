"""`npx.foreach`, `while_loop`, `cond`: eager, recorded and traced (values of MXNet 2.0.0b1)."""

from __future__ import annotations

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import ShapeError, TraceError
from symgluon.ir.dims import DimScope
from symgluon.ops.region import Region
from symgluon.ops.replay import replay

np, npx, nd = mx.np, mx.npx, mx.nd


def flat(nested):
    if isinstance(nested, list | tuple):
        return [leaf for n in nested for leaf in flat(n)]
    return [nested]


def total(*args):
    return npx.foreach(lambda d, s: (d * s, d + s), *args)


def count(i, s):
    return npx.while_loop(
        lambda i, s: i < 3, lambda i, s: (i * 10, [i + 1, s + i]), [i, s], max_iterations=5
    )


def branch(a, b):
    return npx.cond(lambda a, b: a < b, lambda a, b: a + b, lambda a, b: [a * b][0], [a, b])


def array(values):
    return np.array(values)


CASES = [
    (total, [[[0, 1], [2, 3], [4, 5]], [1, 1]], [[[0, 1], [2, 6], [12, 25]], [7, 10]]),
    (count, [[0.0], [1.0]], [[[0], [10], [20], [0], [0]], [3], [4]]),
    (count, [[7.0], [1.0]], [[[0]] * 5, [7], [1]]),
    (branch, [[1.0], [2.0]], [[3]]),
    (branch, [[3.0], [2.0]], [[6]]),
]


@pytest.mark.parametrize(("function", "inputs", "expected"), CASES)
def test_eager_and_traced(function, inputs, expected):
    arrays = [array(v) for v in inputs]
    found = flat(function(*arrays))
    assert [f.tolist() for f in found] == expected
    region = Region("net", DimScope())
    with region.active():
        args = [region.argument("x", a.type, np.ndarray) for a in arrays]
        graph = region.close(flat(function(*args)))
    assert [r._content().tolist() for r in replay(graph, arrays)] == expected


@pytest.mark.parametrize(("function", "inputs"), [(c[0], c[1]) for c in CASES[:2] + CASES[3:]])
def test_gradients_equal_those_of_the_trace(function, inputs):
    region = Region("net", DimScope())
    arrays = [array(v) for v in inputs]
    with region.active():
        args = [region.argument("x", a.type, np.ndarray) for a in arrays]
        graph = region.close([sum(o.sum() for o in flat(function(*args)))])
    grads = []
    for run in (
        lambda: sum(o.sum() for o in flat(function(*arrays))),
        lambda: replay(graph, arrays)[0],
    ):
        for a in arrays:
            a.attach_grad()
        with mx.autograd.record():
            out = run()
        out.__class__ = np.ndarray
        out.backward()
        grads.append([a.grad.tolist() for a in arrays])
    assert grads[0] == grads[1]


def test_nested_structures():
    x = np.arange(6).reshape(3, 2)
    outs, states = npx.foreach(
        lambda d, s: ([d[0] + s[0], d[1]], [d[0] * s[0]]), [x, x * 2], [np.ones(2)]
    )
    assert outs[0].tolist() == [[1, 2], [2, 4], [4, 8]]
    assert outs[1].tolist() == (x * 2).tolist()
    assert states[0].tolist() == [0, 15]
    outs, states = npx.while_loop(
        lambda i: i < 3, lambda i: (None, [i + 1]), [np.array([0.0])], max_iterations=5
    )
    assert outs == []
    assert states[0].tolist() == [3]
    outs, state = npx.while_loop(lambda i: i < 3, lambda i: (i, i + 1), np.zeros(1), 2)
    assert outs.tolist() == [[0], [1]]
    assert state.tolist() == [2]


def test_front_end_of_mxnet_1():
    outs, _ = nd.contrib.foreach(lambda d, s: (d + s, d * s), nd.ones((2, 2)), nd.ones(2))
    assert type(outs) is nd.NDArray
    assert outs.asnumpy().tolist() == [[2, 2], [2, 2]]
    chosen = nd.contrib.cond(nd.array([1]) > 0, lambda: nd.ones(1), lambda: nd.zeros(1))
    assert chosen.asscalar() == 1


def test_eager_runs_one_branch():
    ran = []
    npx.cond(np.array([1.0]) > 0, lambda: ran.append("then"), lambda: ran.append("else"))
    assert ran == ["then"]


def test_errors():
    with pytest.raises(ValueError, match="max_iterations"):
        npx.while_loop(lambda i: i < 3, lambda i: (i, [i]), [np.zeros(1)])
    with pytest.raises(ShapeError, match="lengths"):
        total([np.ones(2), np.ones(3)], np.ones(1))
    with pytest.raises(ShapeError):
        total(np.ones((0, 2)), np.ones(2))
    region = Region("net", DimScope())
    x = region.argument("x", np.ones(1).type, np.ndarray)
    with region.active(), pytest.raises(TraceError, match="branches"):
        npx.cond(lambda a: a > 0, lambda a: a, lambda a: [a, a], [x])


def test_values_against_an_unrolled_loop():
    rng = onp.random.default_rng(0)
    x, h = np.array(rng.normal(size=(5, 3))), np.array(rng.normal(size=3))
    outs, last = npx.foreach(lambda d, s: (np.tanh(d + s), np.tanh(d + s)), x, h)
    state = h
    for i in range(5):
        state = np.tanh(x[i] + state)
        onp.testing.assert_allclose(outs[i].asnumpy(), state.asnumpy())
    onp.testing.assert_allclose(last.asnumpy(), state.asnumpy())
