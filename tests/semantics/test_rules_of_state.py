"""State written inside a trace: running statistics, user state, arguments, captured arrays."""

import numpy as onp
import pytest
from semantics_nets import WAYS, Fn, fn, in_way, variable

import symgluon as mx
from symgluon.errors import TraceError, UnsupportedOpError
from symgluon.gluon import HybridBlock, Parameter, nn
from symgluon.ir.op import OPS

np, autograd = mx.np, mx.autograd


class Counter(HybridBlock):
    """Adds the sum of its inputs to a state, and returns the state times the input."""

    def __init__(self):
        super().__init__()
        self.total = Parameter("total", shape=(1,), init="zeros", grad_req="null")

    def forward(self, x):
        total = self.total.data()
        total[:] = total + x.sum()
        return x * self.total.data()


class Twice(HybridBlock):
    def __init__(self, child):
        super().__init__()
        self.child = child

    def forward(self, x):
        return self.child(x) + self.child(x)


@WAYS
def test_a_written_cell_is_assigned_after_the_call(way):
    net = Counter()
    net.initialize()
    in_way(net, way)
    x = np.array([1.0, 2.0])
    assert net(x).tolist() == [3, 6]
    assert net(x).tolist() == [6, 12]
    assert net.total.data().tolist() == [6]


@WAYS
def test_two_calls_of_one_child_see_each_others_writes_in_order(way):
    net = Twice(Counter())
    net.initialize()
    in_way(net, way, inline_limit=0)
    assert net(np.array([1.0, 2.0])).tolist() == [3 + 6, 6 + 12]
    assert net.child.total.data().tolist() == [6]


def test_the_graph_has_no_effect_of_state():
    net = Twice(Counter())
    net.initialize()
    graph = net.graph_for(np.ones((2,)))
    assert len(graph.writes) == 1
    assert all(not node.op.effects for node in graph.nodes)
    assert "state" not in {e for op in OPS.values() for e in op.effects}


@WAYS
def test_content_written_to_a_parameter_enters_without_its_producer(way):
    net = Counter()
    net.initialize()
    in_way(net, way)
    x = variable([1.0, 2.0])
    for _ in range(2):
        with autograd.record():
            loss = net(x).sum()
        loss.backward()
    assert net.total.data()._node is None
    # total = 3 before; d/dx [(3 + s) * s] = 3 + 2 s
    assert x.grad.tolist() == [3 + 2 * 3] * 2


@WAYS
def test_running_statistics_change_in_the_forward_of_training_mode(way):
    net = nn.BatchNorm(in_channels=2, momentum=0.5)
    net.initialize()
    in_way(net, way)
    x = np.array([[0.0, 1.0], [2.0, 5.0]])
    net(x)
    assert net.running_mean.data().tolist() == [0, 0]
    with autograd.train_mode():  # calibration by forwards alone
        net(x)
    assert net.running_mean.data().tolist() == [0.5, 1.5]
    with autograd.record():
        y = net(x).sum()
    assert net.running_mean.data().tolist() == [0.75, 2.25]
    y.backward(retain_graph=True)
    y.backward()
    assert net.running_mean.data().tolist() == [0.75, 2.25]


def test_an_argument_is_not_taken_for_a_parameter_in_later_calls():
    class Product(HybridBlock):
        def __init__(self):
            super().__init__()
            self.w = Parameter("w", shape=(2,), init="ones")

        def forward(self, x):
            return x * self.w.data()

    net = Product()
    net.initialize(mx.init.Constant(3))
    net.w.set_data(np.array([3.0, 3.0]))
    net.hybridize()
    assert net(net.w.data()).tolist() == [9, 9]
    assert net(np.array([1.0, 2.0])).tolist() == [3, 6]


def test_the_pattern_of_equal_arguments_has_its_own_entry():
    net = fn(lambda a, b: a.__setitem__(slice(None), 7) or a + b)
    x, y = np.array([1.0]), np.array([2.0])
    assert net(x, y).tolist() == [9]
    assert (x.tolist(), y.tolist()) == ([7], [2])
    z = np.array([1.0])
    assert net(z, z).tolist() == [14]
    assert net.runs == 2


@WAYS
def test_a_view_as_argument_is_written_through(way):
    net = fn(lambda a: a.__setitem__(0, 5) or a * 2, way)
    base = np.zeros((2, 2))
    assert net(base[1]).tolist() == [10, 0]
    assert base.tolist() == [[0, 0], [5, 0]]


def test_a_write_to_memory_shared_by_arguments_is_a_trace_error():
    net = fn(lambda a, b: a.__setitem__(0, 5) or a + b)
    base = np.zeros((3,))
    with pytest.raises(TraceError, match="shares memory"):
        net(base[:2], base[1:])
    with pytest.raises(TraceError, match="shares memory"):
        net(base[:3], base)
    net(base[:2].copy(), base[1:])


@WAYS
def test_a_returned_argument_is_the_callers_handle(way):
    net = fn(lambda a, b: (b, a + b), way)
    a, b = np.ones((2,)), np.ones((2,))
    first, second = net(a, b)
    assert first is b
    assert second is not a
    first[:] = 4
    assert b.tolist() == [4, 4]


def test_exported_inference_has_no_state_of_batch_norm(tmp_path):
    import onnx

    net = nn.HybridSequential()
    net.add(nn.Dense(3), nn.BatchNorm(), nn.Dropout(0.5))
    net.initialize()
    net.hybridize()
    with autograd.record():
        net(np.ones((2, 4)))
    net.export(str(tmp_path / "net"))
    model = onnx.load(tmp_path / "net-0000.onnx")
    assert len(model.graph.output) == 1
    assert not [p for p in model.metadata_props if p.key.startswith("symgluon.state")]


def test_exported_user_state_is_a_pair_of_input_and_output(tmp_path):
    import onnxruntime

    net = Counter()
    net.initialize()
    net.hybridize()
    net(np.ones((2,)))
    with pytest.raises(UnsupportedOpError, match=r"symbol\.json"):
        net.export(str(tmp_path / "net"))
    net.export(str(tmp_path / "net"), onnx="only")
    session = onnxruntime.InferenceSession(tmp_path / "net-0000.onnx")
    names = {i.name for i in session.get_inputs()}
    assert "total" in names
    feeds = {"data": onp.ones(2, "float32"), "total": onp.full(1, 3, "float32")}
    _, state = session.run(None, feeds)
    assert state.tolist() == [5]
    meta = session.get_modelmeta().custom_metadata_map
    assert meta["symgluon.state.total"] == "output 1"


def test_a_returned_argument_is_a_result_of_the_exported_file(tmp_path):
    import onnxruntime

    net = fn(lambda a, b: (b, a + b, a))
    net(np.ones((2,)), np.zeros((2,)))
    symbol, _ = net.export(str(tmp_path / "net"))
    session = onnxruntime.InferenceSession(tmp_path / "net-0000.onnx")
    a, b = onp.array([1, 2], "float32"), onp.array([3, 5], "float32")
    found = session.run(None, {"data0": a, "data1": b})
    assert [f.tolist() for f in found] == [[3, 5], [4, 7], [1, 2]]
    imported = mx.gluon.SymbolBlock.imports(symbol, ["data0", "data1"])
    assert [f.tolist() for f in imported(np.array(a), np.array(b))] == [[3, 5], [4, 7], [1, 2]]


def test_python_attributes_run_at_trace_time_once_a_mode():
    net = Fn(lambda x: x * 2)
    net.hybridize()
    for n in (1, 2, 3):
        net(np.ones((n,)))
    assert net.runs == 1
    with autograd.train_mode():
        net(np.ones((2,)))
        net(np.ones((3,)))
    assert net.runs == 2
    net(np.ones((2, 2)))  # another rank
    assert net.runs == 3
