"""Cutting graphs: groups are convex, run in order, and give what the whole graph gives."""

from __future__ import annotations

import numpy as onp
import pytest

from symgluon.backends.numpy import Interpreter
from symgluon.backends.partition import Partitioned, compile_parts, partition
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ir.verify import verify

F32 = onp.dtype("float32")
UNARY = ["exp", "tanh", "sin", "negative", "abs"]
BINARY = ["add", "multiply", "maximum"]


def random_graph(seed, nodes=25):
    rng = onp.random.default_rng(seed)
    graph = Graph("random")
    batch = Dim("batch")
    values = [graph.add_input(f"x{i}", TensorType((batch, 3), F32)) for i in range(2)]
    values.append(graph.add_constant(rng.normal(size=(1, 3)).astype("float32")))
    for _ in range(nodes):
        if rng.random() < 0.5:
            op, count = OPS[rng.choice(UNARY)](), 1
        else:
            op, count = OPS[rng.choice(BINARY)](), 2
        picked = [values[i] for i in rng.integers(0, len(values), count)]
        values.append(graph.add(OPS["tanh"](), [graph.add(op, picked).output]).output)
    graph.set_outputs([values[-1], values[0], values[int(rng.integers(3, len(values)))]])
    return graph


@pytest.mark.parametrize("seed", range(30))
def test_parts_give_what_the_graph_gives(seed):
    graph = random_graph(seed)
    rng = onp.random.default_rng(seed)
    refused = {id(n) for n in graph.nodes if rng.random() < 0.3}
    supports = lambda node: id(node) not in refused  # noqa: E731
    parts = partition(graph, supports)
    for part in parts:
        verify(part.graph)
    taken = [n for p in parts for n in p.graph.nodes]
    assert len(taken) == len(graph)
    made = set(graph.operands())
    for part in parts:  # everything a part reads is there when its turn comes
        assert made.issuperset(part.inputs)
        made.update(part.outputs)
    run = compile_parts(graph, supports, Interpreter)
    for n in (1, 4):
        arrays = [rng.normal(size=(n, 3)).astype("float32") for _ in range(2)]
        for a, b in zip(run(*arrays), Interpreter(graph)(*arrays), strict=True):
            onp.testing.assert_array_equal(a, b)


def test_few_parts():
    graph = Graph("line")
    value = graph.add_input("x", TensorType((2,), F32))
    for name in ["exp", "exp", "sin", "sin", "exp", "exp"]:
        value = graph.add(OPS[name](), [value]).output
    graph.set_outputs([value])
    parts = partition(graph, lambda node: node.op.name == "exp")
    assert [(p.supported, len(p.graph)) for p in parts] == [(True, 2), (False, 2), (True, 2)]


def test_a_wholly_supported_graph_stays_whole():
    graph = Graph("line")
    x = graph.add_input("x", TensorType((2,), F32))
    graph.set_outputs([graph.add(OPS["exp"](), [x]).output])
    seen = []
    compile_parts(graph, lambda node: True, lambda g: seen.append(g) or Interpreter(g))
    assert seen == [graph]


def test_a_part_is_given_what_defines_its_sizes():
    batch = Dim("batch")
    graph = Graph("net")
    x = graph.add_input("x", TensorType((batch, 2), F32))
    y = graph.add_input("y", TensorType((batch * 2,), F32))
    made = graph.add(OPS["reshape"](shape=(batch, 2)), [graph.add(OPS["exp"](), [y]).output])
    graph.set_outputs([made.output, graph.add(OPS["sin"](), [x]).output])
    run = compile_parts(graph, lambda node: node.op.name != "reshape", Interpreter)
    a, b = run(onp.ones((3, 2), "float32"), onp.zeros(6, "float32"))
    assert a.shape == b.shape == (3, 2)


def test_values_between_parts_are_dropped():
    graph = Graph("line")
    value = graph.add_input("x", TensorType((2,), F32))
    for name in ["exp", "sin", "exp", "sin"]:
        value = graph.add(OPS[name](), [value]).output
    graph.set_outputs([value])
    run = compile_parts(graph, lambda node: node.op.name == "exp", Interpreter)
    assert isinstance(run, Partitioned)
    assert [len(dead) for *_, dead in run.steps] == [0, 1, 1, 1]
