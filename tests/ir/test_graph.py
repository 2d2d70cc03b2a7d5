"""The six mutators keep operands, uses, networkx edges, names and order in step."""

import numpy as np
import pytest

import symgluon.ops  # noqa: F401  (declares the operators)
from symgluon.errors import VerifyError
from symgluon.ir.graph import Graph, Origin, join_origins
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ir.verify import find_problems, verify

F32 = np.dtype("float32")
VECTOR = TensorType((3,), F32)


def unary(graph, name, value, **more):
    return graph.add(OPS[name](), [value], **more)


def chain(*names):
    """A graph of one input and unary operators in a row; returns it and its nodes."""
    graph = Graph("chain")
    value = graph.add_input("x", VECTOR)
    nodes = []
    for name in names:
        nodes.append(unary(graph, name, value))
        value = nodes[-1].output
    graph.set_outputs([value])
    return graph, nodes


def ops(graph):
    return [n.op.name for n in graph.nodes]


# ---- add -----------------------------------------------------------------------------------------
def test_add_infers_types_and_gives_unique_names():
    graph, (a, b) = chain("exp", "exp")
    assert [v.name for v in graph.values()] == ["x", "exp", "exp_1"]
    assert b.output.type == VECTOR
    assert list(graph.nx.edges(keys=True)) == [(a, b, 0)]
    verify(graph)


def test_add_with_several_results():
    graph = Graph()
    x = graph.add_input("x", TensorType((4, 2), F32))
    node = graph.add(OPS["split"](sections=2), [x])
    assert [v.index for v in node.outputs] == [0, 1]
    assert [v.name for v in node.outputs] == ["split", "split_1"]
    verify(graph)


def test_add_before_keeps_a_valid_order():
    graph, (a, b) = chain("exp", "tanh")
    new = graph.add(OPS["abs"](), [a.output], before=b)
    graph.set_input(b, 0, new.output)
    assert ops(graph) == ["exp", "abs", "tanh"]
    verify(graph)


def test_many_nodes_fit_before_one():
    graph, (a, b) = chain("exp", "tanh")
    value = a.output
    for _ in range(100):
        value = unary(graph, "abs", value, before=b).output
    graph.set_input(b, 0, value)
    assert ops(graph) == ["exp", *["abs"] * 100, "tanh"]
    verify(graph)


def test_an_operand_twice_is_two_uses():
    graph = Graph()
    x = graph.add_input("x", VECTOR)
    node = graph.add(OPS["multiply"](), [x, x])
    assert list(x.uses) == [(node, 0), (node, 1)]
    assert x.users() == [node]
    graph.set_outputs([node.output])
    verify(graph)


# ---- constants -----------------------------------------------------------------------------------
def test_constants_are_read_only_copies():
    graph = Graph()
    array = np.ones(100, F32)
    value = graph.add_constant(array)
    array[0] = 5
    assert value.data[0] == 1
    with pytest.raises(ValueError):
        value.data[0] = 2


def test_small_equal_constants_are_one_value():
    graph = Graph()
    a = graph.add_constant(np.zeros(3, F32))
    assert graph.add_constant(np.zeros(3, F32)) is a
    others = [np.zeros(3, "f8"), np.zeros((3, 1), F32), -np.zeros(3, F32)]
    assert all(graph.add_constant(o) is not a for o in others)
    graph.drop_constants([a])
    assert graph.add_constant(np.zeros(3, F32)) is not a


# ---- remove, set_input, replace ------------------------------------------------------------------
def test_remove_refuses_what_is_used():
    graph, (a, b) = chain("exp", "tanh")
    for node in (a, b):
        with pytest.raises(VerifyError, match="still used"):
            graph.remove(node)
    graph.set_outputs([a.output])
    graph.remove(b)
    assert ops(graph) == ["exp"]
    assert not a.output.uses
    verify(graph)


def test_set_input_moves_uses_and_edges():
    graph, (_, b) = chain("exp", "tanh")
    graph.set_input(b, 0, graph.inputs[0])
    assert list(graph.nx.edges) == []
    assert b.inputs[0].users() == [graph.nodes[0], b]
    verify(graph)


def test_set_input_to_a_later_value_renumbers():
    graph, (a, _) = chain("exp", "tanh")
    late = unary(graph, "abs", graph.inputs[0])
    graph.set_input(a, 0, late.output)
    assert ops(graph) == ["abs", "exp", "tanh"]
    verify(graph)


def test_replace_all_uses_takes_the_outputs_along():
    graph, (_, b) = chain("exp", "tanh")
    new = unary(graph, "abs", graph.inputs[0])
    graph.replace_all_uses(b.output, new.output)
    assert graph.outputs == [new.output]
    graph.remove(b)
    verify(graph)


def test_replace_all_uses_by_a_later_value_renumbers():
    graph, (a, _) = chain("exp", "tanh")
    late = unary(graph, "abs", graph.inputs[0])
    graph.replace_all_uses(a.output, late.output)
    graph.remove(a)
    assert ops(graph) == ["abs", "tanh"]
    verify(graph)


def test_a_cycle_is_an_error():
    graph, (a, b) = chain("exp", "tanh")
    with pytest.raises(VerifyError, match="cycle"):
        graph.set_input(a, 0, b.output)


def test_renumber_keeps_the_order_of_independent_nodes():
    graph = Graph()
    x = graph.add_input("x", VECTOR)
    names = ["exp", "tanh", "abs", "sign", "square"]
    for name in names:
        unary(graph, name, x)
    graph.renumber()
    assert ops(graph) == names
    assert [n.order for n in graph.nodes] == [i * 1024 for i in range(5)]


def test_absent_operands():
    graph = Graph()
    x = graph.add_input("x", TensorType((2, 3), F32))
    w = graph.add_param("w", TensorType((4, 3), F32))
    node = graph.add(OPS["dense"](num_hidden=4), [x, w, None])
    graph.set_outputs([node.output])
    bias = graph.add_param("b", TensorType((4,), F32))
    graph.set_input(node, 2, bias)
    assert node.inputs[2] is bias
    graph.set_input(node, 2, None)
    assert not bias.uses
    verify(graph)


# ---- whole graphs --------------------------------------------------------------------------------
def body():
    graph = Graph("body")
    x = graph.add_input("x", VECTOR)
    c = graph.add_constant(np.float32(2))
    node = graph.add(OPS["multiply"](), [x, c], origin=(Origin("inner", "net.py:3"),))
    graph.set_outputs([node.output])
    return graph


def test_inline_copies_nodes_and_constants():
    graph, nodes = chain("exp")
    outer = (Origin("block", "net.py:9"),)
    (result,) = graph.inline(body(), [nodes[0].output], origin=outer)
    graph.set_outputs([result])
    assert ops(graph) == ["exp", "multiply"]
    assert result.producer.origin == (Origin("block.inner", "net.py:3"),)
    assert [float(a) for a in graph.constants.values()] == [2.0]
    verify(graph)


def test_copy_is_independent():
    graph, _ = chain("exp", "tanh")
    graph.writes = {0: graph.inputs[0]}
    graph.metadata["key"] = "value"
    copy = graph.copy()
    assert copy.fingerprint() == graph.fingerprint()
    assert copy.writes == {0: copy.inputs[0]}
    assert copy.metadata == graph.metadata
    copy.set_outputs([copy.nodes[0].output])
    copy.writes = {}
    copy.remove(copy.nodes[1])
    assert ops(graph) == ["exp", "tanh"]
    verify(graph)
    verify(copy)


def test_take_moves_everything():
    graph, _ = chain("exp")
    other, _ = chain("tanh", "abs")
    graph.plan = object()
    graph.take(other)
    assert ops(graph) == ["tanh", "abs"]
    assert graph.plan is None
    assert all(v.graph is graph for v in graph.values())
    unary(graph, "sign", graph.outputs[0])
    assert find_problems(graph) == []


@pytest.mark.parametrize(
    ("outer", "inner", "block"),
    [
        ((), (Origin("a"),), "a"),
        ((Origin("net"),), (Origin("a"),), "net.a"),
        ((Origin("net"),), (Origin("net.a"),), "net.a"),
        ((Origin("net"),), (), "net"),
    ],
)
def test_join_origins(outer, inner, block):
    assert join_origins(outer, inner)[0].block == block
