"""Loops and branches: eager code, traces, gradients of first and second order."""

import pytest
from semantics_nets import BACKENDS, WAYS, fn, variable

import symgluon as mx
from symgluon.gluon import HybridBlock, Parameter

np, npx, autograd = mx.np, mx.npx, mx.autograd


def scan(xs, s):
    outs, state = npx.foreach(lambda x, s: (x * s, s + x), xs, s)
    return (outs * outs).sum() + (state * state).sum()


def unrolled(xs, s):
    total = 0
    for i in range(xs.shape[0]):
        y = xs[i] * s
        total, s = total + (y * y).sum(), s + xs[i]
    return total + (s * s).sum()


def orders(net, *values):
    xs = [variable(v, dtype="float64") for v in values]
    with autograd.record():
        y = net(*xs)
        first = autograd.grad(y, xs, create_graph=True, retain_graph=True)
        z = sum((g * g).sum() for g in first)
    z.backward()
    return [y.asnumpy(), *[g.asnumpy() for g in first], *[x.grad.asnumpy() for x in xs]]


@WAYS
def test_foreach_equals_an_unrolled_loop_to_second_order(way):
    values = [[0.5, -0.2], [0.3, 0.1], [1.0, 0.7]], [0.4, -1.0]
    for length in (3, 2):
        given = (values[0][:length], values[1])
        for a, b in zip(orders(fn(scan, way), *given), orders(unrolled, *given), strict=True):
            assert abs(a - b).max() <= 1e-12 * max(1, abs(b).max())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_is_one_operator_whose_length_is_free(backend):
    net = fn(scan, backend)
    for length in (3, 2, 5):
        net(np.ones((length, 2)), np.ones((2,)))
    assert net.runs == 1
    names = [n.op.name for n in net.graph_for(np.ones((3, 2)), np.ones((2,))).nodes]
    assert names.count("foreach") == 1


def test_one_file_runs_in_onnx_runtime_at_two_lengths(tmp_path):
    import numpy as onp
    import onnxruntime

    net = fn(scan)
    net(np.ones((3, 2)), np.ones((2,)))
    net.export(str(tmp_path / "net"), onnx="only", dynamic_axes={"data0": {0: "length"}})
    session = onnxruntime.InferenceSession(tmp_path / "net-0000.onnx")
    for length in (3, 6):
        xs = onp.random.default_rng(length).normal(size=(length, 2)).astype("float32")
        s = onp.array([0.5, -1.0], "float32")
        (found,) = session.run(None, {"data0": xs, "data1": s})
        want = unrolled(np.array(xs), np.array(s)).item()
        assert found == pytest.approx(want, rel=1e-5)


@WAYS
def test_while_loop_pads_its_outputs_with_zeros(way):
    def function(x):
        outs, (i, _) = npx.while_loop(
            lambda i, s: i < 3,
            lambda i, s: (s * 2, (i + 1, s * 2)),
            (np.zeros((1,)), x),
            max_iterations=5,
        )
        return outs, i

    outs, i = fn(function, way)(np.array([1.0]))
    assert outs.shape[0] == 5
    assert outs.asnumpy()[:3].ravel().tolist() == [2, 4, 8]
    assert not outs.asnumpy()[3:].any()
    assert i.tolist() == [3]


@WAYS
@pytest.mark.parametrize("value", [2.0, -3.0])
def test_cond_chooses_by_data(way, value):
    net = fn(lambda x: npx.cond(x.sum() > 0, lambda: x * x, lambda: x * 5), way)
    x = variable([value])
    with autograd.record():
        y = net(x)
    y.backward()
    assert y.tolist() == [value * value if value > 0 else value * 5]
    assert x.grad.tolist() == [2 * value if value > 0 else 5]


def test_eager_cond_runs_the_chosen_branch_only():
    seen = []
    npx.cond(np.array([1.0]) > 0, lambda: seen.append(1) or np.ones(1), lambda: seen.append(2))
    assert seen == [1]


class Switch(HybridBlock):
    """A branch that writes a cell, one that does not."""

    def __init__(self):
        super().__init__()
        self.count = Parameter("count", shape=(1,), init="zeros", grad_req="null")

    def forward(self, x):
        count = self.count.data()

        def write():
            count[:] = count + 1
            return x * 2

        return npx.cond(x.sum() > 0, write, lambda: x * 3)


@WAYS
def test_a_branch_that_does_not_write_a_cell_leaves_it(way):
    from semantics_nets import in_way

    net = Switch()
    net.initialize()
    in_way(net, way)
    for value, count in ((1.0, 1), (-1.0, 1), (2.0, 2)):
        net(np.array([value]))
        assert net.count.data().tolist() == [count]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cell_written_by_a_loop_body_is_a_further_state(backend):
    def build(way):
        total = np.zeros((1,))

        def function(xs):
            def body(x, s):
                total[:] = total + x
                return x * total, s

            outs, _ = npx.foreach(body, xs, np.zeros((1,)))
            return outs

        return fn(function, way), total

    (eager, a), (net, b) = build("eager"), build(backend)
    xs = np.array([[1.0], [2.0], [3.0]])
    assert net(xs).tolist() == eager(xs).tolist() == [[1], [6], [18]]
    assert b.tolist() == a.tolist() == [6]
