"""Printed graphs are stable and say what one wants to know."""

import numpy as np
import pytest

import symgluon.ops  # noqa: F401  (declares the operators)
from symgluon.ir.dims import Dim
from symgluon.ir.dot import to_dot
from symgluon.ir.graph import Graph, Origin
from symgluon.ir.op import OPS
from symgluon.ir.printer import diff, human_bytes, print_graph, summary
from symgluon.ir.types import TensorType
from symgluon.ops.call import Call

F32 = np.dtype("float32")


def net(name="net", batch="batch"):
    graph = Graph(name)
    x = graph.add_input("data", TensorType((Dim(batch), 8), F32))
    w = graph.add_param("fc.weight", TensorType((4, 8), F32))
    table = graph.add_constant(np.arange(4, dtype=F32), "table")
    half = graph.add_constant(np.float32(0.1))
    fc = graph.add(
        OPS["dense"](num_hidden=4), [x, w, None], name="fc", origin=(Origin("fc", "net.py:3"),)
    )
    act = graph.add(OPS["relu"](), [fc.output], origin=(Origin("act"), Origin("fc")))
    scaled = graph.add(OPS["multiply"](), [act.output, half])
    last = graph.add(OPS["add"](), [scaled.output, table])
    graph.set_outputs([last.output, act.output])
    graph.writes = {1: w}
    return graph


TEXT = """\
graph net(%data: float32[batch,8]) -> float32[batch,4], float32[batch,4] {  # 4 nodes, 32 parameters
  %fc: float32[batch,4] = dense[num_hidden=4](%data, @fc.weight, _)  # fc net.py:3
  %relu: float32[batch,4] = relu(%fc)  # act, fc
  %multiply: float32[batch,4] = multiply(%relu, 0.1)
  %add: float32[batch,4] = add(%multiply, #table)
  return %add, @fc.weight := %relu
}"""


def test_text():
    assert print_graph(net()) == TEXT
    assert str(net()) == net().print() == TEXT


def test_the_plan_is_shown():
    from symgluon.passes import run_pipeline

    graph = net()
    graph.hints = {"batch": 2}
    run_pipeline(graph, ["mark_inplace", "plan_memory"])
    assert "128 bytes planned (sum 256 bytes)" in graph.print().splitlines()[0]
    run_pipeline(graph, [])
    assert graph.plan is not None


def two_calls():
    inner = Graph("body")
    x = inner.add_input("x", TensorType((3,), F32))
    inner.set_outputs([inner.add(OPS["exp"](), [x]).output])
    other = Graph("body")
    x = other.add_input("x", TensorType((3,), F32))
    call = other.add(Call(inner), [x], [x.type], name="call")
    other.set_outputs([call.output])
    graph = Graph("net")
    x = graph.add_input("x", TensorType((3,), F32))
    a = graph.add(Call(inner), [x], [x.type], name="a")
    b = graph.add(Call(other), [a.output], [x.type], name="b")
    graph.set_outputs([b.output])
    return graph


def test_bodies_come_first_and_are_told_apart():
    text = print_graph(two_calls())
    heads = [line.split("(")[0] for line in text.splitlines() if line.startswith("graph")]
    assert heads == ["graph body", "graph body.2", "graph net"]
    assert "%a: float32[3] = call[body=@body](%x)" in text
    assert "%b: float32[3] = call[body=@body.2](%a)" in text
    assert "%call: float32[3] = call[body=@body](%x)" in text


def test_deep_nesting_does_not_recurse():
    graph = two_calls()
    for _ in range(2000):
        outer = Graph("level")
        x = outer.add_input("x", TensorType((3,), F32))
        outer.set_outputs([outer.add(Call(graph), [x], [x.type]).output])
        graph = outer
    assert print_graph(graph).count("graph ") == 2003


def test_draws_are_shown():
    graph = Graph("g")
    value = graph.add_input("u", TensorType((2,), F32))
    graph.draws.append((value, OPS["random_uniform"](shape=(2,))))
    graph.set_outputs([value])
    assert "# drawn at each call: %u by random_uniform[shape=(2,)]" in graph.print()


def test_summary():
    found = summary(net())
    assert found.nodes == 4
    assert found.operators == {"add": 1, "dense": 1, "multiply": 1, "relu": 1}
    assert (found.parameters, found.parameter_bytes) == (32, 128)
    assert found.constant_bytes == 20
    assert str(found.flops) == str(Dim("batch") * (2 * 4 * 8 + 3 * 4))
    assert found.unknown == ()
    assert "32 parameters, 128 bytes" in str(found)
    assert net().summary() == found


@pytest.mark.parametrize(
    ("name", "attrs", "shapes", "flops"),
    [
        ("dense", {"num_hidden": 4}, [(5, 3), (4, 3)], 2 * 5 * 4 * 3),
        ("matmul", {}, [(2, 5, 3), (3, 4)], 2 * 2 * 5 * 4 * 3),
        ("batch_dot", {"transpose_a": True}, [(2, 3, 5), (2, 3, 4)], 2 * 2 * 5 * 4 * 3),
        ("add", {}, [(2, 3), (3,)], 6),
        ("sum", {}, [(2, 3)], 6),
        ("reshape", {"shape": (6,)}, [(2, 3)], 0),
    ],
)
def test_flops(name, attrs, shapes, flops):
    graph = Graph("g")
    operands = [graph.add_input(f"x{i}", TensorType(s, F32)) for i, s in enumerate(shapes)]
    node = graph.add(OPS[name](**attrs), operands if name != "dense" else [*operands, None])
    graph.set_outputs([node.output])
    assert summary(graph).flops == flops


def test_flops_of_a_convolution():
    attrs = {"kernel_shape": (3, 3), "stride": (1, 1), "pad": (1, 1), "dilate": (1, 1)}
    graph = Graph("g")
    x = graph.add_input("x", TensorType((1, 4, 8, 8), F32))
    w = graph.add_param("w", TensorType((6, 2, 3, 3), F32))
    node = graph.add(OPS["convolution"](num_filter=6, num_group=2, **attrs), [x, w, None])
    graph.set_outputs([node.output])
    assert summary(graph).flops == 2 * 6 * 64 * 2 * 9


def test_operators_without_a_count_are_named():
    graph = Graph("g")
    x = graph.add_input("x", TensorType((3, 3), F32))
    graph.set_outputs([graph.add(OPS["inv"](), [x]).output])
    found = summary(graph)
    assert found.unknown == ("inv",)
    assert "(without inv)" in str(found)


def test_dot():
    graph = net('a "quoted" name')
    text = to_dot(graph)
    assert graph.to_dot() == text
    assert text.startswith('digraph "a \\"quoted\\" name" {')
    assert text.count("->") == 3 + 4 + 1  # operands with more than one element, outputs
    assert "relu" in text


def test_diff():
    a, b = net(), net()
    assert diff(a, b) == ""
    last = b.nodes[-1]
    b.replace_all_uses(last.output, b.nodes[2].output)
    b.remove(last)
    lines = a.diff(b).splitlines()
    assert "-  %add: float32[batch,4] = add(%multiply, #table)" in lines
    assert any(line.startswith("+  return %multiply") for line in lines)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1_530_000, "1.53 MB"),
        (25 * 10**8, "2.5 GB"),
    ],
)
def test_human_bytes(size, text):
    assert human_bytes(size) == text


def test_human_bytes_of_a_formula():
    assert human_bytes(Dim("n") * 4) == "4*n bytes"
