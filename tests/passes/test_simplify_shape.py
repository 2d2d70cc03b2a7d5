"""Reshapes, transposes, indices and joins meet and cancel."""

import numpy as np
import pytest
from pass_helpers import F, assert_close, assert_rewrite, interpret, numbers, trace

from symgluon.ops.core import index_shape
from symgluon.passes import run_pipeline

NAME = "simplify_shape"
ALL = slice(None)


@pytest.fixture(autouse=True)
def _verified(monkeypatch):
    monkeypatch.setenv("SYMGLUON_VERIFY", "1")


def t(x, *axes):
    return F.transpose(x, axes=axes)


def reshape(x, *shape):
    return F.reshape(x, shape=shape)


X = [(2, 3, 4)]

REWRITES = {
    "same shape": (lambda x: F.exp(reshape(x, 2, 3, 4)), F.exp, X),
    "reshape chain": (lambda x: reshape(reshape(reshape(x, 6, 4), 3, 8), 24),
                      lambda x: reshape(x, 24), X),
    "there and back": (lambda x: F.exp(reshape(reshape(x, 24), 2, 3, 4)), F.exp, X),
    "squeeze expand": (lambda x: F.exp(F.squeeze(F.expand_dims(x, axis=1), axis=1)), F.exp, X),
    "expand expand": (lambda x: F.expand_dims(F.expand_dims(x, axis=0), axis=2),
                      lambda x: F.expand_dims(x, axis=(0, 2)), X),
    "expand expand before": (lambda x: F.expand_dims(F.expand_dims(x, axis=1), axis=0),
                             lambda x: F.expand_dims(x, axis=(0, 2)), X),
    "squeeze squeeze": (lambda x: F.squeeze(F.squeeze(x, axis=0), axis=1),
                        lambda x: F.squeeze(x, axis=(0, 2)), [(1, 3, 1, 4)]),
    "expand then reshape": (lambda x: reshape(F.expand_dims(x, axis=0), 6, 4),
                            lambda x: reshape(x, 6, 4), X),
    "squeeze of nothing": (lambda x: F.exp(F.squeeze(x)), F.exp, X),
    "broadcast to itself": (lambda x: F.exp(F.broadcast_to(x, shape=(2, 3, 4))), F.exp, X),
    "broadcast twice": (lambda x: F.broadcast_to(F.broadcast_to(x, shape=(3, 4)), shape=(2, 3, 4)),
                        lambda x: F.broadcast_to(x, shape=(2, 3, 4)), [(4,)]),
    "needless broadcast": (lambda x, y: x + F.broadcast_to(y, shape=(2, 3, 4)),
                           lambda x, y: x + y, [(2, 3, 4), (4,)]),
    "late broadcast": (
        lambda x: F.tanh(F.broadcast_to(x, shape=(2, 3, 4)) * 2.0),
        lambda x: F.broadcast_to(F.tanh(x * 2.0), shape=(2, 3, 4)), [(4,)]),
    "a mask": (
        lambda m, x: F.where(F.greater(F.broadcast_to(m, shape=(2, 3, 4)), 0.0), x, -1.0),
        lambda m, x: F.where(F.greater(m, 0.0), x, -1.0), [(3, 1), (2, 3, 4)]),
    # transposes
    "identity transpose": (lambda x: F.exp(t(x, 0, 1, 2)), F.exp, X),
    "inverse transposes": (lambda x: F.exp(t(t(x, 1, 2, 0), 2, 0, 1)), F.exp, X),
    "two transposes": (lambda x: t(t(x, 1, 0, 2), 0, 2, 1), lambda x: t(x, 1, 2, 0), X),
    "axes of size 1": (lambda x: t(x, 1, 0, 2), lambda x: reshape(x, 3, 1, 4), [(1, 3, 4)]),
    "through unary": (lambda x: t(F.relu(t(x, 1, 2, 0)), 2, 0, 1), F.relu, X),
    "through a chain": (lambda x: t(F.tanh(F.relu(t(x, 1, 2, 0)) * 2.0), 2, 0, 1),
                        lambda x: F.tanh(F.relu(x) * 2.0), X),
    "through binary": (lambda x, y: t(t(x, 1, 2, 0) + t(y, 1, 2, 0), 2, 0, 1),
                       lambda x, y: x + y, X * 2),
    "to another": (lambda x: t(F.relu(t(x, 1, 2, 0)), 1, 2, 0),
                   lambda x: t(F.relu(x), 2, 0, 1), X),
    "constants turn": (lambda x: t(t(x, 0, 2, 1) + np.arange(3, dtype="f4"), 0, 2, 1),
                       lambda x: x + np.arange(3, dtype="f4").reshape(1, 3, 1), X),
    "through concatenate": (
        lambda x, y: t(F.concatenate(t(x, 0, 2, 1), t(y, 0, 2, 1), axis=-1), 0, 2, 1),
        lambda x, y: F.concatenate(x, y, axis=1), X * 2),
    # indices
    "full index": (lambda x: F.exp(F.index(x, index=(ALL, ALL))), F.exp, X),
    "index index": (lambda x: F.index(F.index(x, index=(1,)), index=(ALL, 2)),
                    lambda x: F.index(x, index=(1, slice(0, 3, 1), 2)), X),
    # joins
    "join of one": (lambda x: F.exp(F.concatenate(x, axis=0)), F.exp, X),
    "join of parts": (lambda x: F.exp(F.concatenate(*F.split(x, sections=3, axis=1), axis=1)),
                      F.exp, X),
    "join of joins": (lambda x: F.concatenate(F.concatenate(x, x, axis=1), x, axis=-2),
                      lambda x: F.concatenate(x, x, x, axis=-2), X),
}  # fmt: skip


@pytest.mark.parametrize("name", REWRITES)
def test_rewrites(name):
    before, after, operands = REWRITES[name]
    assert_rewrite(before, after, [NAME, "eliminate_dead"], *operands)


NAMED = {
    "there and back": (lambda x: F.exp(reshape(reshape(x, -1), *x.shape)), F.exp, X),
    "inverse transposes": (lambda x: F.exp(t(t(x, 1, 2, 0), 2, 0, 1)), F.exp, X),
    "squeeze expand": (lambda x: F.exp(F.squeeze(F.expand_dims(x, axis=1), axis=1)), F.exp, X),
    "through unary": (lambda x: t(F.relu(t(x, 1, 2, 0)), 2, 0, 1), F.relu, X),
    "index index": (lambda x: F.index(F.index(x, index=(ALL, None)), index=(ALL, 0)),
                    lambda x: F.index(x, index=(ALL, ALL, ALL)), X),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_named_sizes(name):
    before, after, operands = NAMED[name]
    if name == "index index":
        graph = trace(before, *operands, names=True)
        run_pipeline(graph, [NAME, NAME, "eliminate_dead"])
        assert len(graph) == 0
        return
    assert_rewrite(before, after, [NAME, "eliminate_dead"], *operands, names=True)


KEPT = {
    "a transpose read twice": (
        lambda x: (lambda y: (t(F.relu(y), 2, 0, 1), y))(t(x, 1, 2, 0)), X, 2),
    "no transpose at the end": (lambda x: F.relu(t(x, 1, 2, 0)) * 2.0, X, 1),
    "one end of two": (lambda x: (lambda y: (t(y, 2, 0, 1), F.exp(y)))(F.relu(t(x, 1, 2, 0))), X, 2),
    "an operand without": (lambda x, y: t(t(x, 1, 2, 0) + y, 2, 0, 1), [(2, 3, 4), (3, 4, 2)], 2),
    "other transposes": (lambda x, y: t(t(x, 1, 2, 0) + t(y, 1, 0, 2), 2, 0, 1),
                         [(2, 3, 4), (4, 3, 2)], 3),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_transposes_never_rise(name):
    function, operands, count = KEPT[name]
    graph = trace(function, *operands)
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    run_pipeline(graph, [NAME, "eliminate_dead", NAME, "eliminate_dead"])
    assert sum(n.op.name == "transpose" for n in graph.nodes) <= count
    assert_close(interpret(graph, arrays), want, rtol=0, atol=0)


def random_index(rng, shape):
    """A basic index of an array of `shape`."""
    items = []
    for n in shape:
        kind = rng.integers(6)
        if kind == 0 and n:
            items.append(int(rng.integers(-n, n)))
        elif kind == 1:
            items.append(None)
            items.append(ALL)
        elif kind in (2, 3):
            start, stop = sorted(rng.integers(0, n + 1, 2))
            items.append(slice(int(start), int(stop), int(rng.integers(1, 3))))
        elif kind == 4:
            items.append(slice(None, None, -int(rng.integers(1, 3))))
        else:
            items.append(ALL)
    while rng.random() < 0.2:
        items.append(None)
    return tuple(items)


@pytest.mark.parametrize("seed", range(60))
def test_chains_of_indices(seed):
    rng = np.random.default_rng(seed)
    first = random_index(rng, (5, 4, 3))
    second = random_index(rng, index_shape((5, 4, 3), first))
    graph = trace(lambda x: F.index(F.index(x, index=first), index=second), (5, 4, 3))
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    run_pipeline(graph, [NAME, NAME, "eliminate_dead"])
    assert_close(interpret(graph, arrays), want, rtol=0, atol=0)
    assert sum(n.op.name == "index" for n in graph.nodes) <= 2


def test_a_long_join_does_not_grow_without_bound():
    def function(x):
        y = x
        for _ in range(500):
            y = F.concatenate(y, x, axis=0)
        return y

    graph = trace(function, (1, 2))
    run_pipeline(graph, [NAME, "eliminate_dead"])
    assert max(len(n.inputs) for n in graph.nodes) <= 64
    assert len(graph) < 20
