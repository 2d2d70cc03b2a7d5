"""Every class of the seed, and a nest of them, is copied, pickled, and called from threads."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as onp
import pytest
from seed_layers import LAYERS, Subject, arrays, close, equal, fill, hybrid_blocks, ramp

import symgluon as mx
from symgluon.gluon import nn


@pytest.fixture(autouse=True)
def _numpy_arrays():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


def _nest():
    """A net with most of the classes, a shared layer, and both kinds of container."""
    shared = nn.Dense(4, flatten=False)
    again = nn.Dense(4, flatten=False)
    again.share_parameters(shared.collect_params())
    wide = nn.HybridConcatenate(axis=1)
    wide.add(nn.Identity(), nn.HybridLambda("tanh"))
    net = nn.HybridSequential()
    net.add(
        shared, nn.LayerNorm(), again, nn.Dropout(0.5), wide, nn.GroupNorm(2), nn.InstanceNorm(),
        nn.Flatten(), nn.BatchNorm(), nn.Dense(3, activation="sigmoid"),
    )  # fmt: skip
    return net


class _Nest(Subject):
    """The nest, in the place of a class of the seed."""

    def __init__(self, hybridized=False):
        super().__init__("HybridSequential", hybridized)

    def x(self, dtype="float32", device=None):
        return mx.np.array(ramp(4, 2, 4), dtype=dtype)

    def new(self, **_):
        net = _nest()
        if self.hybridized:
            net.hybridize()
        return net


def _subject(name, hybridized=False):
    return _Nest(hybridized) if name == "nest" else Subject(name, hybridized)


def _pickled(block):
    return pickle.loads(pickle.dumps(block))


ALL = [*LAYERS, "nest"]
DEEP = {"deepcopy": copy.deepcopy, "pickle": _pickled}
STATES = ("new", "deferred", "initialized", "called", "hybridized", "trained")


def _in_state(name, state):
    case = _subject(name, hybridized=state in ("hybridized", "trained"))
    block = case.new(parameters=True)
    if state == "new":
        return case, block
    block.initialize(mx.init.Normal(0.5))
    if state == "deferred":
        return case, block
    block(case.x())
    fill(block)
    if state == "initialized":
        block.hybridize(False) if not case.plain else None
    if state == "trained":
        with mx.autograd.record():
            out = block(case.x())
            if out._node is not None:
                out.sum().backward()
    block(case.x())
    return case, block


def _parameters(block):
    return {id(p) for p in block.collect_params().values()}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("how", DEEP)
@pytest.mark.parametrize("name", ALL)
def test_deep_copies_share_nothing(name, how, state):
    case, block = _in_state(name, state)
    other = DEEP[how](block)
    assert type(other) is type(block)
    assert repr(other) == repr(block)
    assert not _parameters(block) & _parameters(other)
    assert len(_parameters(block)) == len(_parameters(other))  # sharing inside is kept
    for mine, theirs in zip(hybrid_blocks(block), hybrid_blocks(other), strict=True):
        assert mine is not theirs
        assert mine._cache is not theirs._cache
        assert not theirs._cache.by_key  # what was compiled is not copied
        assert mine._flags == theirs._flags
    if state == "new":
        with pytest.raises(RuntimeError):
            other.collect_params().popitem()[1].data()
        other.initialize()
        other(case.x())
        return
    mx.random.seed(5)
    expected = block(case.x())
    mx.random.seed(5)
    got = other(case.x())
    if state == "deferred":
        return  # both drew values of their own
    close(got, expected)
    equal(arrays(other), arrays(block))
    before = arrays(block)
    before = {k: v.copy() for k, v in before.items()}
    for p in other.collect_params().values():
        p.data()[:] = 7.0
    equal(arrays(block), before)
    close(block(case.x()), expected)
    block.zero_grad()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", ALL)
def test_a_shallow_copy_shares_children_and_parameters(name, state):
    case, block = _in_state(name, state)
    other = copy.copy(block)
    assert type(other) is type(block)
    assert _parameters(other) == _parameters(block)
    assert list(other._children.values()) == list(block._children.values())
    if state in ("new", "deferred"):
        return
    close(other(case.x()), block(case.x()))
    fill(block, 3)  # seen by both
    close(other(case.x()), block(case.x()))
    # what is registered with one is not registered with the other
    count = len(block._children)
    other.register_child(nn.Dense(1), "later")
    handle = other.register_forward_hook(lambda *_: seen.append(1))
    seen: list[int] = []
    assert len(block._children) == count
    block(case.x())
    assert seen == []
    handle.detach()


@pytest.mark.parametrize("name", ALL)
def test_copies_train_alike(name):
    case, block = _in_state(name, "trained")
    other = copy.deepcopy(block)
    for one in (block, other):
        mx.random.seed(2)
        params = {k: p for k, p in one.collect_params().items() if p.grad_req != "null"}
        if not params:
            return
        trainer = mx.gluon.Trainer(params, "sgd", {"learning_rate": 0.1})
        x = case.x()
        x.attach_grad()
        with mx.autograd.record():
            loss = (one(x) ** 2).sum()
            for child in one._children.values():
                if case.bare and case.name != "nest":
                    loss = loss + child(mx.np.ones((2, 3))).sum()
        loss.backward()
        trainer.step(1)
    for a, b in zip(arrays(block).values(), arrays(other).values(), strict=True):
        onp.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threads", [8, 16])
@pytest.mark.parametrize("name", ALL)
def test_threads_give_the_serial_results(name, threads):
    case = _subject(name, hybridized=True)
    block = case.ready()
    xs = [mx.np.array(case.x().asnumpy()[: 1 + i % 2] * (1 + (i % 5))) for i in range(threads * 2)]
    expected = [block(x).asnumpy() for x in xs]
    for one in hybrid_blocks(block):
        one._clear()  # the first calls race for the trace
    found = [None] * len(xs)
    errors = []
    start = threading.Barrier(threads)

    def work(k):
        try:
            mx.npx.set_np()
            start.wait()
            for _ in range(3):
                for i in range(k, len(xs), threads):
                    found[i] = block(xs[i]).asnumpy()
        except Exception as error:
            errors.append(error)

    pool = [threading.Thread(target=work, args=(k,)) for k in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    assert errors == []
    for a, b in zip(found, expected, strict=True):
        onp.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    if not case.plain:
        assert block._cache.traces <= 2
