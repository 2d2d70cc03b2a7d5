"""Gradients through compiled blocks: any order, two graphs, one tape, pause, hooks."""

import numpy as onp
import pytest
from semantics_nets import BACKENDS, WAYS, Fn, fn, gradient, in_way, variable

import symgluon as mx
from symgluon.errors import TraceError
from symgluon.gluon import Block, HybridBlock, Parameter, nn
from symgluon.ops.call import GraphOp

np, autograd = mx.np, mx.autograd


class SharedWeight(HybridBlock):
    def __init__(self):
        super().__init__()
        self.w = Parameter("w", shape=(3, 3), dtype="float64", grad_req="add")

    def forward(self, x):
        return np.tanh(np.dot(np.tanh(np.dot(x, self.w.data())), self.w.data()))


def numbers(*shape, seed=0):
    return onp.random.default_rng(seed).normal(size=shape)


def third_order(way):
    net = SharedWeight()
    net.initialize()
    w = numbers(3, 3, seed=1)
    net.w.set_data(np.array(w, dtype="float64"))
    in_way(net, way)
    x = variable(numbers(2, 3), dtype="float64")
    with autograd.record():
        y = net(x).sum()
        for _ in range(2):
            (g,) = autograd.grad(y, [x], create_graph=True, retain_graph=True)
            y = (g * g).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad.asnumpy(), net.w.grad().asnumpy()


@pytest.mark.parametrize("backend", BACKENDS)
def test_third_order_of_a_net_with_a_shared_weight_that_adds(backend):
    want, found = third_order("eager"), third_order(backend)
    for a, b in zip(found, want, strict=True):
        assert abs(a - b).max() <= 1e-12 * abs(b).max()
    assert all(abs(w).max() > 0 for w in want)


def test_a_compiled_graph_is_an_operator_whose_gradient_is_one():
    net = fn(lambda x: np.tanh(x) * x)
    x = variable([1.0, 2.0])
    with autograd.record():
        y = net(x)
    assert isinstance(y._node.op, GraphOp)
    (form,) = [f for _, f in y._node.op.__dict__["_gradients"]]
    assert isinstance(form.op, GraphOp)


def test_the_forward_returns_what_the_backward_reads():
    net = fn(lambda x: np.tanh(x) * x)
    x = variable([1.0, 2.0])
    with autograd.record():
        y = net(x)
    assert len(y._node.outputs) == 2  # the result, and tanh(x)


@WAYS
def test_two_scopes_in_a_row_form_one_graph(way):
    net = fn(lambda x: x * x, way)
    x = variable([1.0, 2.0])
    with autograd.record():
        y = net(x)
    with autograd.record():
        z = (y * 3).sum()
    z.backward()
    assert x.grad.tolist() == [6, 12]


@WAYS
def test_writes_before_backward_do_not_change_gradients(way):
    net = fn(lambda x, b: x * b, way)
    x, b = variable([1.0, 2.0]), np.array([3.0, 4.0])
    with autograd.record():
        y = net(x, b)
    b[:] = 100
    y.backward()
    assert x.grad.tolist() == [3, 4]


def test_changing_grad_req_needs_no_new_trace():
    net = fn(lambda x, y: x * y)
    x, y = variable([1.0]), variable([2.0])
    for req in ("write", "add", "null"):
        x.attach_grad(req)
        with autograd.record():
            out = net(x, y)
        out.backward()
    assert net.runs == 1


def test_the_key_holds_structure_values_types_aliases_and_mode():
    net = fn(lambda xs, k: xs[0] * k + (0 if xs[1] is None else xs[1]))
    a, b = np.ones((2,)), np.ones((2,))
    for args in ([[a, b], 2], [[b, a], 2], [[a, None], 2], [[a, b], 3], [[a, a], 2]):
        net(*args)
    assert net.runs == 4
    net([a.astype("float64"), b.astype("float64")], 2)
    with autograd.train_mode():
        net([a, b], 2)
    assert net.runs == 6


@WAYS
def test_a_parameter_under_two_names_has_one_gradient(way):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2, use_bias=False), nn.Dense(2, in_units=2, use_bias=False))
    net[1].share_parameters(net[0].collect_params())
    net.initialize(mx.init.One())
    in_way(net, way)
    with autograd.record():
        y = net(np.ones((1, 2))).sum()
    y.backward()
    # y = 1' W W x with W = ones: dy/dW = 2 everywhere from either place
    assert net[0].weight.grad().tolist() == [[4, 4], [4, 4]]
    assert net[0].weight is net[1].weight


@WAYS
def test_write_replaces_and_add_adds_once_a_backward(way):
    net = fn(lambda x, y: (x * x * y).sum(), way)
    x, y = variable([2.0]), variable([3.0], "add")
    for _ in range(2):
        with autograd.record():
            loss = net(x, y) + net(x, y)
        loss.backward()
    assert x.grad.tolist() == [24]
    assert y.grad.tolist() == [16]


@WAYS
def test_pause_in_a_forward_cuts_the_gradient(way):
    def function(x):
        with autograd.pause():
            scale = x * 2
        return x * scale

    assert gradient(fn(function, way), [3.0])[0].tolist() == [6]


@WAYS
def test_a_paused_and_a_recorded_twin_are_not_merged(way):
    def function(x):
        with autograd.pause():
            paused = x * x
        return paused * (x * x)

    assert gradient(fn(function, way), [3.0])[0].tolist() == [9 * 6]


def test_stop_gradient_is_dropped_in_inference():
    from symgluon.passes import run_pipeline

    graph = fn(lambda x: mx.npx.stop_gradient(x) * 2).graph_for(np.ones((2,)))
    assert "stop_gradient" in {n.op.name for n in graph.nodes}
    run_pipeline(graph, "infer")
    assert "stop_gradient" not in {n.op.name for n in graph.nodes}


@WAYS
def test_is_training_is_right_in_each_mode(way):
    net = fn(lambda x: x + (1 if autograd.is_training() else 0), way)
    x = np.zeros((1,))
    assert net(x).tolist() == [0]
    with autograd.record():
        assert net(x).tolist() == [1]
    with autograd.record(train_mode=False):
        assert net(x).tolist() == [0]


def test_a_hybridized_block_traces_its_whole_tree():
    inner, outer = Fn(lambda x: x * 2), nn.HybridSequential()
    outer.add(inner)
    outer.hybridize()
    inner.hybridize(False)
    for _ in range(3):
        outer(np.ones((2,)))
    assert inner.runs == 1


def test_each_outermost_hybridized_block_is_one_node_of_the_tape():
    first, second = fn(lambda x: x * 2 + 1), fn(lambda x: x * 3 + 1)
    x = variable([1.0])
    with autograd.record():
        y = second(first(x))
    assert isinstance(y._node.op, GraphOp)
    (source,) = y._node.inputs
    assert isinstance(source[1].op, GraphOp)
    assert source[1].inputs[0][1] is x._leaf


def test_plain_and_hybridized_blocks_mix_in_one_graph():
    class Plain(Block):
        def forward(self, x):
            return x * float(x.sum()) if x.shape[0] == 2 else x

    first, second = fn(lambda x: x * 2), fn(lambda x: (x * x).sum())
    x = variable([1.0, 2.0])
    with autograd.record():
        y = second(Plain()(first(x)))
    y.backward()
    assert x.grad.tolist() == [2 * 4 * 36, 2 * 8 * 36]


def test_a_plain_block_under_a_hybrid_one_is_a_value_error():
    net = nn.HybridSequential()
    with pytest.raises(ValueError, match="HybridBlock"):
        net.add(nn.Sequential())


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net[0].add(nn.HybridLambda(lambda x: x * 10)),
        lambda net: net[0].register_forward_hook(lambda *args: None),
        lambda net: net[0].cast("float32"),
    ],
    ids=["child", "hook", "cast"],
)
@pytest.mark.filterwarnings("ignore:the forward hooks")
def test_changes_below_clear_the_cache_of_every_ancestor(change):
    net, counted = nn.HybridSequential(), Fn(lambda x: x * 2)
    inner = nn.HybridSequential()
    inner.add(counted)
    net.add(inner)
    net.hybridize()
    net(np.ones((1,)))
    net(np.ones((1,)))
    assert counted.runs == 1
    change(net)
    net(np.ones((1,)))
    assert counted.runs == 2


def test_hooks_of_a_child_run_at_trace_time_and_those_of_the_called_block_always():
    net, seen = nn.HybridSequential(), []
    net.add(Fn(lambda x: x * 2))
    net.register_forward_hook(lambda *args: seen.append("own"))
    net[0].register_forward_hook(lambda *args: seen.append("child"))
    net.hybridize()
    with pytest.warns(UserWarning, match="forward hooks"):
        net(np.ones((1,)))
    net(np.ones((1,)))
    net(np.ones((1,)))
    assert seen == ["child", "own", "own", "own"]


@pytest.mark.filterwarnings("ignore:the forward hooks")
def test_a_hook_that_reads_numbers_in_a_trace_gets_a_trace_error():
    net = nn.HybridSequential()
    net.add(Fn(lambda x: x * 2))
    net[0].register_forward_hook(lambda block, args, out: out.asnumpy())
    net.hybridize()
    with pytest.raises(TraceError):
        net(np.ones((1,)))


@WAYS
def test_the_return_value_of_a_hook_is_ignored(way):
    net = fn(lambda x: x * 2, way)
    net.register_forward_hook(lambda block, args, out: out * 100)
    assert net(np.ones((1,))).tolist() == [2]


def test_op_hooks_report_every_intermediate_of_the_unfused_graph():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, activation="relu", in_units=2), nn.Dense(1, in_units=3))
    net.initialize()
    seen, operands = [], []
    net.register_op_hook(lambda name, operator, array: seen.append((name, operator, array.shape)))
    net(np.ones((2, 2)))
    assert seen == []  # an un-hybridized block reports nothing
    net.hybridize()
    net(np.ones((2, 2)))
    assert [shape for _, _, shape in seen] == [(2, 3), (2, 3), (2, 1)]
    assert all(name.endswith("_output") for name, _, _ in seen)
    net.register_op_hook(lambda name, *rest: operands.append(name), monitor_all=True)
    net(np.ones((2, 2)))
    assert len(operands) > len(seen) // 2
