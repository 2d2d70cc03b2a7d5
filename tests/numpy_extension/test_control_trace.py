"""Loops and branches in traces: values and gradients of any order are those of eager code."""

from __future__ import annotations

import numpy as np
import pytest

import symgluon as mx
from symgluon import autograd
from symgluon.errors import ShapeError, TraceError
from symgluon.gluon import HybridBlock, Parameter, nn
from symgluon.ir.verify import verify

np_, npx = mx.np, mx.npx


@pytest.fixture(autouse=True)
def _np():
    with mx.util.np_shape(True), mx.util.np_array(True):
        yield


class Recurrence(HybridBlock):
    """Child block, captured parameter, output and state."""

    def __init__(self):
        super().__init__()
        self.w = Parameter("w", shape=(3, 3))
        self.d = nn.Dense(3, in_units=3, flatten=False)

    def forward(self, x, h):
        def body(xt, s):
            new = np_.tanh(np_.dot(xt, self.w.data()) + self.d(s))
            return new * 2, new

        return npx.foreach(body, x, h)


class Nested(HybridBlock):
    """A loop in a loop; several arrays to run over, several states, an integer counter."""

    def __init__(self):
        super().__init__()
        self.w = Parameter("w", shape=(3,))

    def forward(self, x, h):
        def inner(xt, s):
            return xt * s * self.w.data(), s + xt

        def body(slices, states):
            a, b = slices
            s, k = states
            out, last = npx.foreach(inner, a, s * 0.5)
            return [out.sum(axis=0), b], [np_.tanh(last + b[0]), k + 1]

        count = np_.zeros((1,), dtype="int64")
        outs, states = npx.foreach(body, [x, x * 2], [h, count])
        return outs[0], outs[1], states[0], states[1]


class WritesState(HybridBlock):
    """The body writes a captured array: a state of the loop."""

    def __init__(self):
        super().__init__()
        self.total = mx.gluon.Parameter("total", shape=(3,), grad_req="null", init="zeros")
        self.norm = nn.BatchNorm(in_channels=3, momentum=0.5)

    def forward(self, x, h):
        def body(xt, s):
            with autograd.pause():
                total = self.total.data()
                total += xt.sum(axis=0)
            y = self.norm(xt + s)
            return y * self.total.data(), y

        return npx.foreach(body, x, h)


class While(HybridBlock):
    def __init__(self):
        super().__init__()
        self.w = Parameter("w", shape=(3,))

    def forward(self, x, h):
        def cond(i, s):
            return (s**2).sum() < 40 * (1 + 0 * self.w.data().sum())

        def func(i, s):
            return [s * self.w.data(), s + i], [i + 1, s * 1.5 + self.w.data() ** 2]

        outs, (i, s) = npx.while_loop(
            cond, func, [np_.zeros((1,), dtype=x.dtype), x[0] + h], max_iterations=7
        )
        return outs[0], outs[1], i, s


class WhileWrites(HybridBlock):
    """The condition reads what the body writes."""

    def __init__(self):
        super().__init__()
        self.total = mx.gluon.Parameter("total", shape=(1,), grad_req="null", init="zeros")

    def forward(self, x, h):
        def cond(s):
            return self.total.data().sum() < 4

        def func(s):
            total = self.total.data()
            total += 1
            return s, s * 2

        out, (s,) = npx.while_loop(cond, func, [x[0] * h], max_iterations=6)
        return out, s


class Branch(HybridBlock):
    def __init__(self):
        super().__init__()
        self.w = Parameter("w", shape=(3,))
        self.v = Parameter("v", shape=(3,))

    def forward(self, x, h):
        first = npx.cond(
            lambda a, b: a.sum() > 0,
            lambda a, b: a * self.w.data() * a,
            lambda a, b: np_.tanh(a) * self.v.data() + self.w.data() * b,
            [x[0], h],
        )
        second = npx.cond(h.sum() > 0, lambda: [first, h], lambda: [h * 2, first * first])
        return first, second[0], second[1]


class BranchWrites(HybridBlock):
    def __init__(self):
        super().__init__()
        self.a = mx.gluon.Parameter("a", shape=(3,), grad_req="null", init="zeros")
        self.b = mx.gluon.Parameter("b", shape=(3,), grad_req="null", init="ones")

    def forward(self, x, h):
        def then(y):
            self.a.data()[:] = y.sum(axis=0)
            return y * self.b.data()

        def otherwise(y):
            b = self.b.data()
            b += 1
            return y + self.a.data()

        return npx.cond(x.sum() > 0, then, otherwise, [h])


NETS = [Recurrence, Nested, WritesState, While, WhileWrites, Branch, BranchWrites]
SHIFTS = [0.5, -2.0]


def inputs(net_class, shift, length=4, batch=2):
    rng = np.random.default_rng(5)
    shape = (length, batch, 3)
    if net_class is Nested:
        return rng.normal(size=(length, 5, batch, 3)) * 0.5, rng.normal(size=(batch, 3)) * 0.5
    return rng.normal(size=shape) + shift, rng.normal(size=(batch, 3)) + shift / 2


def make(net_class):
    mx.random.seed(3)
    net = net_class()
    net.initialize(mx.init.Normal(0.5))
    net.cast("float64")
    return net


def run(net, arrays):
    """Outputs, gradients of inputs and parameters, written parameters; two calls."""
    found = []
    for _ in range(2):
        args = [np_.array(a, dtype="float64") for a in arrays]
        for a in args:
            a.attach_grad()
        with autograd.record():
            outs = net(*args)
            outs = outs if isinstance(outs, list | tuple) else [outs]
            loss = sum((o**3).sum() for o in outs if o.dtype == np.float64)
        loss.backward()
        found += [o.asnumpy() for o in outs] + [a.grad.asnumpy() for a in args]
        for p in net.collect_params().values():
            found.append(p.data().asnumpy() if p.grad_req == "null" else p.grad().asnumpy())
    return found


def close(got, want):
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1, np.abs(b).max(initial=0)))


@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
@pytest.mark.parametrize("shift", SHIFTS, ids=str)
@pytest.mark.parametrize("net_class", NETS)
def test_equals_eager(net_class, shift, backend):
    arrays = inputs(net_class, shift)
    want = run(make(net_class), arrays)
    net = make(net_class)
    net.hybridize()
    flags = net._flags.__class__(active=True, backend=backend)
    net._set_flags(flags)
    close(run(net, arrays), want)


@pytest.mark.parametrize("net_class", [Recurrence, Nested, While, Branch])
@pytest.mark.parametrize("shift", SHIFTS, ids=str)
def test_prediction_and_other_sizes(net_class, shift):
    """One trace serves other lengths and batch sizes."""
    net, eager = make(net_class), make(net_class)
    net.hybridize()
    for length, batch in ((4, 2), (6, 2), (6, 5), (1, 3)):
        args = [np_.array(a, dtype="float64") for a in inputs(net_class, shift, length, batch)]
        got, want = net(*args), eager(*args)
        close([o.asnumpy() for o in got], [o.asnumpy() for o in want])
    assert net._cache.traces == 1


@pytest.mark.parametrize("net_class", [Recurrence, Nested, While, Branch])
@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
def test_second_order(net_class, hybridize):
    arrays = inputs(net_class, 0.5)

    def penalty(net, values):
        args = [np_.array(a, dtype="float64") for a in values]
        for a in args:
            a.attach_grad()
        with autograd.record():
            outs = net(*args)
            loss = sum((o**3).sum() for o in outs if o.dtype == np.float64)
            grads = autograd.grad(loss, args, create_graph=True, retain_graph=True)
            total = sum((g**2).sum() for g in grads)
        total.backward()
        return float(total), [a.grad.asnumpy() for a in args]

    net = make(net_class)
    if hybridize:
        net.hybridize()
    _, grads = penalty(net, arrays)
    rng = np.random.default_rng(0)
    for which in range(2):
        direction = rng.normal(size=arrays[which].shape)
        step = 1e-5
        ends = []
        for sign in (1, -1):
            moved = list(arrays)
            moved[which] = moved[which] + sign * step * direction
            ends.append(penalty(net, moved)[0])
        slope = (ends[0] - ends[1]) / (2 * step)
        got = float((grads[which] * direction).sum())
        assert abs(got - slope) <= 1e-6 * max(1, abs(slope))


@pytest.mark.parametrize("net_class", NETS)
def test_graphs_are_valid_and_hold_one_operator_a_loop(net_class):
    net = make(net_class)
    args = [np_.array(a, dtype="float64") for a in inputs(net_class, 0.5)]
    graph = net.graph_for(*args)
    verify(graph)
    names = [n.op.name for n in graph.nodes]
    assert {"foreach", "while_loop", "cond"} & set(names)
    assert graph.print()


@pytest.mark.parametrize("opset", [13, 17, 20, 23])
@pytest.mark.parametrize("net_class", [Recurrence, Nested, While, Branch])
def test_exported_file(net_class, opset, tmp_path):
    import onnx
    import onnxruntime

    net = make(net_class)
    net.cast("float32")
    arrays = [a.astype("float32") for a in inputs(net_class, 0.5)]
    args = [np_.array(a) for a in arrays]
    net(*args)
    net.hybridize()
    net(*args)
    axes = {"data0": {0: "length", 2 if net_class is Nested else 1: "n"}, "data1": {0: "n"}}
    net.export(str(tmp_path / "m"), onnx="only", opset=opset, dynamic_axes=axes)
    path = str(tmp_path / "m-0000.onnx")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    kinds = {n.op_type for n in onnx.load(path).graph.node}
    assert kinds & {"Scan", "Loop", "If"}
    session = onnxruntime.InferenceSession(path)
    names = [i.name for i in session.get_inputs()]
    net.hybridize(False)
    for length, batch, shift in ((4, 2, 0.5), (6, 5, -2.0)):
        arrays = [a.astype("float32") for a in inputs(net_class, shift, length, batch)]
        want = net(*[np_.array(a) for a in arrays])
        got = session.run(None, dict(zip(names, arrays, strict=True)))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b.asnumpy(), rtol=2e-5, atol=2e-5)


def test_a_while_loop_without_a_step(tmp_path):
    import onnxruntime

    class Never(HybridBlock):
        def forward(self, x):
            return npx.while_loop(
                lambda s: s.sum() < 0, lambda s: (s * 2, s + 1), [x], max_iterations=3
            )

    net = Never()
    net.hybridize()
    x = np_.ones((2, 3))
    out, (s,) = net(x)
    assert out.asnumpy().tolist() == np.zeros((3, 2, 3)).tolist()
    assert s.asnumpy().tolist() == x.asnumpy().tolist()
    net.export(str(tmp_path / "m"), onnx="only")
    session = onnxruntime.InferenceSession(str(tmp_path / "m-0000.onnx"))
    got = session.run(None, {session.get_inputs()[0].name: x.asnumpy()})
    assert got[0].shape == (3, 2, 3)


def test_draws_in_a_body_are_those_of_eager_code():
    class Noisy(HybridBlock):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return npx.foreach(lambda a, s: (self.drop(a) + s, s + 1), x, np_.zeros((3,)))[0]

    def run_once(net):
        mx.random.seed(11)
        x = np_.ones((4, 3))
        x.attach_grad()
        with autograd.record():
            y = net(x)
        y.backward()
        return y.asnumpy().tolist(), x.grad.asnumpy().tolist()

    eager, hybrid = Noisy(), Noisy()
    hybrid.hybridize()
    assert run_once(hybrid) == run_once(eager)


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (lambda a, s: (a, s.astype("float64")), "state 0 changes its type"),
        (lambda a, s: (a, np_.concatenate([s, s])), "state 0 changes its type"),
        (lambda a, s: (a, [s, s]), "gives 2 states, it takes 1"),
    ],
    ids=["dtype", "shape", "number"],
)
def test_states_keep_their_types(body, match):
    class Wrong(HybridBlock):
        def forward(self, x):
            return npx.foreach(body, x, np_.zeros((3,)))[0]

    net = Wrong()
    net.hybridize()
    with pytest.raises(TraceError, match=match):
        net(np_.ones((4, 3)))


def test_branches_of_different_types():
    class Wrong(HybridBlock):
        def forward(self, x):
            return npx.cond(x.sum() > 0, lambda: x, lambda: x.sum())

    net = Wrong()
    net.hybridize()
    with pytest.raises(TraceError, match="different structure or type"):
        net(np_.ones((4, 3)))


def test_pause_inside_a_trace():
    class Paused(HybridBlock):
        def forward(self, x):
            with autograd.pause():
                out, _ = npx.foreach(lambda a, s: (a * a, s), x, np_.zeros((1,)))
            return out + x

    net = Paused()
    net.hybridize()
    x = np_.ones((4, 3))
    x.attach_grad()
    with autograd.record(), autograd.train_mode():
        y = net(x)
    y.backward()
    assert x.grad.asnumpy().tolist() == np.ones((4, 3)).tolist()


@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
def test_nested_loop_variables(hybridize):
    class Nested(HybridBlock):
        def forward(self, x):
            return npx.while_loop(
                lambda a, b: (a + b[0] + b[1][0]).sum() < 100,
                lambda a, b: ([a, b[0]], [a + 1, [b[0] * 2, [b[1][0] + a]]]),
                [x, [x, [x]]],
                max_iterations=5,
            )

    net = Nested()
    if hybridize:
        net.hybridize()
    outs, (a, (b, (c,))) = net(np_.ones((2,)))
    assert outs[1].asnumpy()[:, 0].tolist() == [1, 2, 4, 8, 16]
    assert (a.asnumpy()[0], b.asnumpy()[0], c.asnumpy()[0]) == (6, 32, 16)


def test_gradient_of_a_scalar_slot(tmp_path):
    """An index of a 0-d array, in a gradient graph in ONNX Runtime."""

    class Scalar(HybridBlock):
        def forward(self, x):
            return (x[()][1] + x[0])[...] * x[2]

    net = Scalar()
    net.hybridize()
    x = np_.array([1.0, 2.0, 3.0])
    x.attach_grad()
    with autograd.record():
        y = net(x)
    y.backward()
    assert x.grad.asnumpy().tolist() == [3, 3, 3]


def _loop(**changed):
    """A `while_loop` on x with one thing wrong."""
    given = {
        "cond": lambda s: s.sum() < 30,
        "func": lambda s: (s, [s + 1]),
        "max_iterations": 3,
        **changed,
    }
    return lambda x: npx.while_loop(
        given["cond"], given["func"], given.get("loop_vars", [x]), given["max_iterations"]
    )


MISUSE = {
    "data number": (lambda x: npx.foreach(lambda a, s: (a, s), 3, x), TypeError, "foreach: data"),
    "data numpy": (
        lambda x: npx.foreach(lambda a, s: (a, s), np.ones((3, 2)), x[0]),
        TypeError,
        "foreach: data must be arrays.*numpy.ndarray",
    ),
    "data 0-d": (
        lambda x: npx.foreach(lambda a, s: (a, s), x.sum(), x),
        ShapeError,
        "no axis 0 to run over",
    ),
    "no data": (lambda x: npx.foreach(lambda a, s: (a, s), [], x), ShapeError, "needs data"),
    "state number": (
        lambda x: npx.foreach(lambda a, s: (a * s, s), x, 2.0),
        TypeError,
        "foreach: init_states must be arrays",
    ),
    "new state number": (
        lambda x: npx.foreach(lambda a, s: (a, 2.0), x, x[0]),
        TypeError,
        "foreach: the states of the body must be arrays",
    ),
    "output number": (
        lambda x: npx.foreach(lambda a, s: (1.0, s), x, x[0]),
        TypeError,
        "foreach: the outputs of the body must be arrays",
    ),
    "body with one result": (
        lambda x: npx.foreach(lambda a, s: a, x, x[0]),
        TypeError,
        r"must return \(outputs, states\); it returned one result",
    ),
    "body with three results": (
        lambda x: npx.foreach(lambda a, s: (a, s, s), x, x[0]),
        TypeError,
        "it returned 3 results",
    ),
    "limit missing": (_loop(max_iterations=None), ValueError, "max_iterations"),
    "limit negative": (_loop(max_iterations=-1), ValueError, "must not be negative, it is -1"),
    "condition of many": (_loop(cond=lambda s: s < 3), ShapeError, "must have one element"),
    "func with one result": (
        _loop(func=lambda s: s + 1),
        TypeError,
        r"must return \(outputs, variables\)",
    ),
    "variable number": (
        _loop(loop_vars=[0.0]),
        TypeError,
        "while_loop: loop_vars must be arrays",
    ),
    "step output number": (
        _loop(func=lambda s: (1, [s])),
        TypeError,
        "while_loop: the outputs of func must be arrays",
    ),
    "predicate of many": (
        lambda x: npx.cond(x > 0, lambda: x, lambda: x + 1),
        ShapeError,
        "cond: the condition must have one element",
    ),
}


@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
@pytest.mark.parametrize(("run", "error", "match"), MISUSE.values(), ids=MISUSE)
def test_misuse_names_the_argument(run, error, match, hybridize):
    class Wrong(HybridBlock):
        def forward(self, x):
            return run(x)

    net = Wrong()
    if hybridize:
        net.hybridize()
    with pytest.raises(error, match=match):
        net(np_.ones((3, 2)))


def test_branches_that_give_numbers():
    class Wrong(HybridBlock):
        def forward(self, x):
            return npx.cond(x.sum() > 0, lambda: 1.0, lambda: 2.0)

    net = Wrong()
    assert net(np_.ones((3, 2))) == 1.0
    net.hybridize()
    with pytest.raises(TypeError, match="results of then_func must be arrays"):
        net(np_.ones((3, 2)))
