"""Each invariant, broken by hand, is found and named; all of them at once."""

import numpy as np
import pytest

import symgluon.ops  # noqa: F401  (declares the operators)
from symgluon.errors import VerifyError
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Value
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ir.verify import find_problems, verify
from symgluon.ops.call import Call

F32 = np.dtype("float32")
MATRIX = TensorType((2, 3), F32)


def sample():
    graph = Graph("g")
    x = graph.add_input("x", MATRIX)
    c = graph.add_constant(np.ones((3,), F32))
    a = graph.add(OPS["add"](), [x, c])
    b = graph.add(OPS["relu"](), [a.output])
    graph.set_outputs([b.output])
    return graph, a, b


def test_a_valid_graph_passes():
    verify(sample()[0])


def _foreign_value(graph, a, b):
    b.inputs[0] = Value(Graph(), "other", MATRIX)


def _wrong_type(graph, a, b):
    a.output.type = TensorType((2, 4), F32)
    b.output.type = a.output.type


def _wrong_dtype(graph, a, b):
    b.output.type = MATRIX.with_dtype("int32")


def _same_name(graph, a, b):
    b.output.name = a.output.name


def _lost_edge(graph, a, b):
    graph.nx.remove_edge(a, b, key=0)


def _extra_node(graph, a, b):
    graph.nx.add_node("stray")


def _lost_use(graph, a, b):
    del a.output.uses[(b, 0)]


def _stray_use(graph, a, b):
    a.output.uses[(b, 5)] = None


def _writable(graph, a, b):
    next(iter(graph.constants.values())).flags.writeable = True


def _constant_type(graph, a, b):
    next(iter(graph.constants)).type = TensorType((1,), F32)


def _order(graph, a, b):
    a.order, b.order = b.order, a.order
    graph._sorted = False


def _foreign_output(graph, a, b):
    graph.outputs.append(Value(graph, "nowhere", MATRIX))


def _bad_write(graph, a, b):
    graph.writes[3] = graph.inputs[0]


def _bad_draw(graph, a, b):
    graph.draws.append((a.output, OPS["random_uniform"](shape=(2, 3))))


def _wrong_index(graph, a, b):
    a.output.index = 1


def _wrong_kind(graph, a, b):
    graph.inputs[0].kind = "param"


BREAKS = [
    (_foreign_value, "belongs to another graph"),
    (_wrong_type, r"float32\[2,4\] stored, float32\[2,3\] inferred"),
    (_wrong_dtype, r"int32\[2,3\] stored, float32\[2,3\] inferred"),
    (_same_name, "given twice"),
    (_lost_edge, "1 edges of the networkx graph differ"),
    (_extra_node, "nodes of the networkx graph differ"),
    (_lost_use, "use of %add is not recorded"),
    (_stray_use, "records a use that does not exist"),
    (_writable, "can be written"),
    (_constant_type, "holds float32"),
    (_order, "not defined before it"),
    (_foreign_output, "output %nowhere is not defined"),
    (_bad_write, "write of output 3"),
    (_bad_draw, "is no input"),
    (_wrong_index, "does not know that it is result 0"),
    (_wrong_kind, "is listed as input"),
]


@pytest.mark.parametrize(("damage", "message"), BREAKS, ids=[b.__name__[1:] for b, _ in BREAKS])
def test_damage_is_found(damage, message):
    graph, a, b = sample()
    damage(graph, a, b)
    with pytest.raises(VerifyError, match=message):
        verify(graph)


def test_all_problems_are_listed():
    graph, a, b = sample()
    _writable(graph, a, b)
    _bad_write(graph, a, b)
    _wrong_dtype(graph, a, b)
    assert len(find_problems(graph)) == 3
    with pytest.raises(VerifyError, match="3 problems") as caught:
        verify(graph)
    for part in ("can be written", "write of output 3", "int32"):
        assert part in str(caught.value)


def test_bodies_are_verified_and_calls_match_them():
    body, a, b = sample()
    graph = Graph("outer")
    x = graph.add_input("x", MATRIX)
    node = graph.add(Call(body), [x], [MATRIX], name="call")
    graph.set_outputs([node.output])
    verify(graph)
    node.output.type = MATRIX.with_dtype("int32")
    assert "results 0 is int32" in find_problems(graph)[0]
    graph.add(Call(body), [x, x], [MATRIX], name="call")
    assert any("2 operands, g has 1" in p for p in find_problems(graph))
    _same_name(body, a, b)
    assert any(p.startswith("g: the name") for p in find_problems(graph))


def test_symbolic_sizes_are_compared_by_form_and_questions_are_left_open():
    n, m = Dim("n"), Dim("m")
    graph = Graph("g")
    x = graph.add_input("x", TensorType((n, 3), F32))
    y = graph.add_input("y", TensorType((m, 3), F32))
    flat = graph.add(OPS["reshape"](shape=(3 * n,)), [x])
    # whether n and m are equal is known by a guard of the trace, not here
    both = graph.add(OPS["add"](), [x, y], TensorType((n, 3), F32))
    graph.set_outputs([flat.output, both.output])
    verify(graph)
    flat.output.type = TensorType((3 * n, 1), F32)
    with pytest.raises(VerifyError, match="inferred"):
        verify(graph)
