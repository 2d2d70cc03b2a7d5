"""The interpreter: sizes that turn up on the way, errors with their place, the memory plan."""

from __future__ import annotations

import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.backends.arena import PlannedInterpreter
from symgluon.backends.base import compile_graph, make_options
from symgluon.backends.numpy import Interpreter
from symgluon.errors import ShapeError, SymgluonError
from symgluon.gluon import nn
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Origin
from symgluon.ir.op import OPS, Op
from symgluon.ir.types import TensorType
from symgluon.passes.mark_inplace import mark
from symgluon.passes.plan_memory import make_plan

np, npx = mx.np, mx.npx
RNG = onp.random.default_rng(3)
F32 = onp.dtype("float32")


class Lambda(gluon.HybridBlock):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


class Scripted(Op):
    """An operator whose kernel the test gives."""

    name = "scripted"

    def __init__(self, kernel):
        self.__dict__["run"] = kernel

    def key(self):
        return (Scripted, id(self))

    def infer(self, *types):
        return types[0]

    def kernel(self, *arrays):
        return self.__dict__["run"](*arrays)


def chain(*ops, shape=(2, 3)):
    graph = Graph("chain")
    value = graph.add_input("x", TensorType(shape, F32))
    for i, op in enumerate(ops):
        origin = (Origin(f"block{i}", f"train.py:{i + 1}"),)
        value = graph.add(op, [value], value.type, origin=origin).output
    graph.set_outputs([value])
    return graph


# ---- running -----------------------------------------------------------------------------------
def test_sizes_in_attributes_are_bound_for_each_call():
    batch = Dim("batch")
    graph = Graph("net")
    x = graph.add_input("x", TensorType((batch, 6), F32))
    graph.set_outputs([graph.add(OPS["reshape"](shape=(batch * 2, 3)), [x]).output])
    run = Interpreter(graph)
    for n in (1, 4, 1, 0):
        assert run(numbers(n, 6))[0].shape == (2 * n, 3)
    assert len(run._bound) == 3


def test_bound_steps_are_not_kept_without_end():
    batch = Dim("batch")
    graph = Graph("net")
    x = graph.add_input("x", TensorType((batch,), F32))
    graph.set_outputs([graph.add(OPS["reshape"](shape=(batch, 1)), [x]).output])
    run = Interpreter(graph)
    for n in range(200):
        run(numbers(n))
    assert len(run._bound) <= 64


@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x, m: np.ones((npx.boolean_mask(x, m).shape[0], 2)) + 1,
        lambda x, m: npx.boolean_mask(x, m).reshape(-1) * 2,
        lambda x, m: np.broadcast_to(x[0:1], (npx.boolean_mask(x, m).shape[0], 3)),
    ],
)
def test_sizes_that_only_the_data_tell(function, backend):
    net = Lambda(function)
    for n, kept in ((3, [0, 2]), (5, [1]), (4, [])):
        mask = onp.zeros(n, "float32")
        mask[kept] = 1
        x, m = np.array(numbers(n, 3)), np.array(mask)
        if not net._flags.active:
            net.optimize_for(x, m, backend=backend)
        want = function(x, m).asnumpy()
        onp.testing.assert_array_equal(net(x, m).asnumpy(), want)


def test_values_are_dropped_after_their_last_use():
    seen = []

    def first(x):
        y = x + 1
        seen.append(weakref.ref(y))
        return y

    def third(x):
        assert seen[0]() is None
        return x

    run = Interpreter(chain(*map(Scripted, (first, lambda x: x * 2, third))))
    run(numbers(2, 3))
    assert len(seen) == 1


# ---- errors ------------------------------------------------------------------------------------
def fail(error):
    def kernel(x):
        raise error

    return Scripted(kernel)


@pytest.mark.parametrize("kind", [ValueError, IndexError, TypeError])
def test_errors_of_kernels_say_where(kind):
    with pytest.raises(ShapeError) as caught:
        Interpreter(chain(OPS["exp"](), fail(kind("no luck"))))(numbers(2, 3))
    for words in ("no luck", "block1", "train.py:2", "float32[2, 3]"):
        assert words in str(caught.value)
    assert isinstance(caught.value.__cause__ or caught.value.__context__, kind)


def test_our_errors_keep_their_class_and_get_a_place():
    with pytest.raises(SymgluonError, match="block0"):
        Interpreter(chain(fail(SymgluonError("no luck"))))(numbers(2, 3))


def test_foreign_errors_stay_what_they_are():
    class Mine(Exception):
        pass

    with pytest.raises(Mine) as caught:
        Interpreter(chain(fail(Mine("no luck"))))(numbers(2, 3))
    assert "block0 train.py:1" in caught.value.__notes__[0]


# ---- the memory plan ---------------------------------------------------------------------------
def conv_net():
    mx.random.seed(2)
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"),
            nn.MaxPool2D(2), nn.Conv2D(8, 3, activation="tanh"), nn.Flatten(), nn.Dense(4))  # fmt: skip
    net.initialize()
    return net


FUNCTIONS = {
    "elementwise": lambda x: (np.exp(x) + x) * np.tanh(x) - x / 2,
    "views": lambda x: (x * 2).T.reshape((-1,))[1:] + 1,
    "a view as result": lambda x: (x * 2)[1:],
    "an operand as result": lambda x: (x, x + 1, x),
    "one result twice": lambda x: (x * 3,) * 2,
    "broadcast": lambda x: np.broadcast_to(x.sum(axis=0), x.shape) + x,
    "several results": lambda x: tuple(np.split(np.exp(x), 2, axis=1)),
    "comparison": lambda x: np.where(x * 2 > 0, x, -x),
    "loop": lambda x: npx.foreach(lambda a, s: (a + s, a + s), x * 2, x[0] * 1)[0],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_planned_equals_unplanned(name):
    function = FUNCTIONS[name]
    nets = [Lambda(function) for _ in range(2)]
    for n in (3, 5, 3, 8):
        x = np.array(numbers(n, 4))
        found = []
        for net, static in zip(nets, (False, True), strict=True):
            if not net._flags.active:
                net.optimize_for(x, backend="numpy", static_alloc=static)
            out = net(x)
            found.append([o.asnumpy() for o in (out if isinstance(out, tuple) else (out,))])
        for a, b in zip(*found, strict=True):
            onp.testing.assert_array_equal(a, b)


def planned(net, x):
    graph = net.graph_for(x, functions=False, frozen=True)
    return compile_graph(graph, make_options("numpy", static_alloc=True))


def test_results_outlive_the_next_call():
    net, x = conv_net(), np.array(numbers(2, 3, 9, 9))
    net(x)
    run = planned(net, x)
    assert isinstance(run, PlannedInterpreter)
    (first,) = run(x.asnumpy())
    kept = first.copy()
    run(numbers(2, 3, 9, 9))
    onp.testing.assert_array_equal(first, kept)
    assert not onp.may_share_memory(first, run._block.memory)


IDLE = {"itself": lambda x: x, "slice": lambda x: x[:], "turned": lambda x: x.T.T}


@pytest.mark.parametrize("kernel", IDLE.values(), ids=IDLE)
@pytest.mark.parametrize("kept", [True, False])
def test_a_kernel_with_nothing_to_do_may_return_its_operand(kernel, kept):
    """As a shuffle by 1 does: the plan does not know that the result lies where `a` lay."""
    graph = Graph("idle")
    x = graph.add_input("x", TensorType((2, 3), F32))
    a = graph.add(OPS["exp"](), [x]).output
    same = graph.add(Scripted(kernel), [a], a.type).output
    b = graph.add(OPS["tanh"](), [a]).output  # over `a`, which nobody reads any more
    c = graph.add(OPS["sum"](axis=(1,)), [b]).output
    rest = graph.add(OPS["sqrt"](), [same]).output
    graph.set_outputs([same, c] if kept else [rest, c])
    mark(graph)
    assert graph.inplace[b] is a
    data = numbers(2, 3)
    first, second = PlannedInterpreter(graph)(data)
    want = onp.exp(data)
    onp.testing.assert_allclose(first, want if kept else onp.sqrt(want), rtol=1e-6)
    onp.testing.assert_allclose(second, onp.tanh(want).sum(axis=1), rtol=1e-6)


class Halves(gluon.HybridBlock):
    """Its gradient spreads a sum and reshapes it: a copy in general, here a view."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(2, in_units=3)
        self.pool = nn.GlobalAvgPool1D()

    def forward(self, x):
        y = self.dense(npx.relu(x.reshape(-1, 3)))
        a, b = np.split(y, 2, axis=1)
        return self.pool(np.concatenate([npx.relu(a), b * 2], axis=1).reshape(1, 4, 2))


def test_planned_gradients_equal_unplanned():
    x = np.array(onp.random.default_rng(7).normal(size=(1, 4, 3)), dtype="float64")
    grads = []
    for static in (False, True):
        net = Halves()
        net.initialize()
        net.cast("float64")
        for i, p in enumerate(net.collect_params().values()):
            p.set_data(np.array(onp.random.default_rng(i).normal(size=p.shape), dtype="float64"))
        net.optimize_for(x, backend="numpy", static_alloc=static)
        x.attach_grad()
        for _ in range(2):
            with mx.autograd.record():
                y = net(x)
            y.backward()
        grads.append(
            [x.grad.asnumpy(), *[p.grad().asnumpy() for p in net.collect_params().values()]]
        )
    for planned_, plain in zip(*reversed(grads), strict=True):
        onp.testing.assert_allclose(planned_, plain, rtol=1e-12)


def test_the_block_is_as_large_as_the_plan_and_is_used_again():
    net, x = conv_net(), np.array(numbers(2, 3, 9, 9))
    net(x)
    run = planned(net, x)
    run(x.asnumpy())
    memory = run._block.memory
    assert 0 < memory.size == make_plan(run.graph, {"batch": 2, "d2": 9, "d3": 9, "d1": 3}).peak
    run(x.asnumpy())
    run(numbers(1, 3, 9, 9))
    assert run._block.memory is memory
    run(numbers(4, 3, 9, 9))
    assert run._block.memory.size > memory.size


def mlp():
    net = nn.HybridSequential()
    for _ in range(4):
        net.add(nn.Dense(512, activation="relu"), nn.LeakyReLU(0.1))
    net.add(nn.Dense(512), nn.HybridLambda(lambda x: npx.softmax(x * 0.5 + 1)))
    return net, (64, 512)


def attention():
    net = nn.HybridLambda(
        lambda x: npx.batch_dot(npx.softmax(npx.batch_dot(x, x, transpose_b=True)), np.tanh(x))
    )
    return net, (8, 64, 64)


def normalised_convolutions():
    net = nn.HybridSequential()
    for _ in range(3):
        net.add(nn.Conv2D(32, 1), nn.BatchNorm(), nn.Activation("relu"))
    return net, (4, 32, 32, 32)


@pytest.mark.parametrize("make", [mlp, attention, normalised_convolutions])
def test_steady_calls_allocate_results_only(make):
    mx.random.seed(3)
    net, shape = make()
    net.initialize()
    x = np.array(numbers(*shape))
    result = net(x).size * 4
    peaks = {}
    for static in (False, True):
        net.optimize_for(x, backend="numpy", static_alloc=static, clear=True)
        net(x)
        tracemalloc.start()
        net(x)
        peaks[static] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    scratch = result // 8 + 40_000  # masks, reductions, Python's own objects
    assert peaks[True] < 2 * result + scratch  # the result, and its copy out of what made it
    assert peaks[True] < peaks[False] or peaks[False] < 2 * result + scratch


def test_each_thread_has_its_block():
    net, x = conv_net(), np.array(numbers(2, 3, 9, 9))
    net(x)
    run = planned(net, x)
    inputs = [numbers(2, 3, 9, 9) for _ in range(8)]
    wanted = [run(i)[0] for i in inputs]
    wrong = []

    def work(position):
        for _ in range(20):
            if not onp.array_equal(run(inputs[position])[0], wanted[position]):
                wrong.append(position)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert not wrong


def test_a_kernel_may_call_the_graph_again():
    calls = []

    def kernel(x):
        calls.append(1)
        return run(x)[0] + 1 if len(calls) == 1 else x + 1

    run = PlannedInterpreter(chain(OPS["tanh"](), Scripted(kernel), OPS["tanh"]()))
    x = numbers(2, 3)
    want = onp.tanh(onp.tanh(onp.tanh(onp.tanh(x)) + 1) + 1)
    onp.testing.assert_allclose(run(x)[0], want, rtol=1e-5)


def test_an_error_leaves_the_plan_usable():
    bad = [True]

    def kernel(x):
        if bad.pop():
            raise ValueError("once")
        return x

    run = PlannedInterpreter(chain(OPS["exp"](), Scripted(kernel), OPS["exp"]()))
    with pytest.raises(ShapeError, match="once"):
        run(numbers(2, 3))
    bad.append(False)
    x = numbers(2, 3)
    onp.testing.assert_allclose(run(x)[0], onp.exp(onp.exp(x)), rtol=1e-5)
