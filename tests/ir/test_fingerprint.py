"""The hash sees operators, structure, types and constants, and nothing else."""

import os
import subprocess
import sys

import numpy as np
import pytest

import symgluon.ops  # noqa: F401  (declares the operators)
from symgluon.ir.dims import Dim
from symgluon.ir.fingerprint import digest_array, fingerprint
from symgluon.ir.graph import Graph, Origin
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ops.call import Call

F32 = np.dtype("float32")


def build(
    shape=(2, 3), number=2.0, op="relu", names=("x", "w"), axis=1, param="w", origin=(), order=0
):
    graph = Graph(names[0])
    x = graph.add_input(names[0], TensorType(shape, F32))
    w = graph.add_param(param, TensorType(shape, F32))
    first = [("exp", x), ("tanh", w)]
    made = {}
    for name, value in first[:: -1 if order else 1]:
        made[name] = graph.add(OPS[name](), [value], name=names[1], origin=origin).output
    c = graph.add_constant(np.full((3,), number, F32))
    both = graph.add(OPS["add"](), [made["exp"], made["tanh"]]).output
    scaled = graph.add(OPS["multiply"](), [both, c]).output
    last = graph.add(OPS[op](), [scaled]).output
    graph.set_outputs([graph.add(OPS["sum"](axis=axis), [last]).output])
    return graph


BASE = fingerprint(build())


@pytest.mark.parametrize(
    "change",
    [
        {"names": ("data", "v")},
        {"origin": (Origin("block", "net.py:1"),)},
        {"order": 1},
    ],
    ids=str,
)
def test_names_origins_and_order_do_not_count(change):
    assert fingerprint(build(**change)) == BASE


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (4, 3)},
        {"shape": (Dim("n"), 3)},
        {"number": 3.0},
        {"op": "abs"},
        {"axis": 0},
        {"param": "v"},
    ],
    ids=str,
)
def test_what_counts(change):
    assert fingerprint(build(**change)) != BASE


def test_dimensions_are_renamed_in_order_of_appearance():
    def graph(a, b):
        g = Graph()
        x = g.add_input("x", TensorType((Dim(a), Dim(b)), F32))
        node = g.add(OPS["reshape"](shape=(Dim(a) * Dim(b),)), [x])
        g.set_outputs([node.output])
        return fingerprint(g)

    assert graph("n", "m") == graph("p", "q") == graph("m", "n")
    assert graph("n", "m") != graph("n", "n")


def test_outputs_writes_draws_and_dead_nodes_count():
    def changed(change):
        graph = build()
        change(graph)
        return fingerprint(graph)

    def draw(graph):
        value = graph.add_input("u", TensorType((2,), F32))
        graph.draws.append((value, OPS["random_uniform"](shape=(2,))))

    changes = [
        lambda g: g.set_outputs([*g.outputs, g.inputs[0]]),
        lambda g: g.writes.update({0: g.inputs[0]}),
        lambda g: g.add(OPS["abs"](), [g.inputs[0]]),
        draw,
    ]
    assert len({BASE, *map(changed, changes)}) == 5


def test_the_order_of_draws_counts():
    def graph(first, second):
        g = Graph()
        draws = {k: g.add(OPS[k](shape=(2,)), []).output for k in (first, second)}
        both = g.add(OPS["add"](), [draws["random_uniform"], draws["random_normal"]])
        g.set_outputs([both.output])
        return fingerprint(g)

    a, b = "random_uniform", "random_normal"
    assert graph(a, b) != graph(b, a)


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (np.zeros(2), np.zeros(2), True),
        (np.zeros(2), -np.zeros(2), False),
        (np.zeros(2), np.zeros(2, "f4"), False),
        (np.zeros((1, 2)), np.zeros((2, 1)), False),
        (np.array([np.nan]), np.array([np.nan]), True),
        (np.arange(6).reshape(2, 3).T, np.ascontiguousarray(np.arange(6).reshape(2, 3).T), True),
        (np.zeros((0, 2)), np.zeros((0, 3)), False),
        (np.array(True), np.array(False), False),
    ],
)
def test_digest_array(a, b, equal):
    assert (digest_array(a) == digest_array(b)) is equal


def call(body, shape=(2, 3)):
    graph = Graph("outer")
    x = graph.add_input("x", TensorType(shape, F32))
    node = graph.add(Call(body), [x], [body.outputs[0].type])
    graph.set_outputs([node.output])
    return graph


def small_body(name="body", op="relu", shape=(2, 3)):
    graph = Graph(name)
    x = graph.add_input(name, TensorType(shape, F32))
    graph.set_outputs([graph.add(OPS[op](), [x]).output])
    return graph


def test_bodies_count_by_content():
    assert fingerprint(call(small_body("a"))) == fingerprint(call(small_body("b")))
    assert fingerprint(call(small_body())) != fingerprint(call(small_body(op="abs")))


def test_bodies_nest_deeply_without_recursion():
    body = small_body()
    for _ in range(3000):
        body = call(body)
    assert len(fingerprint(body)) == 64


def free_body(name):
    """A body with a size that no operand binds."""
    graph = Graph("body")
    x = graph.add_input("x", TensorType((), F32))
    node = graph.add(OPS["full"](shape=(Dim(name),)), [x])
    graph.set_outputs([node.output])
    return graph


def test_free_dimensions_of_bodies():
    # alone, they are names of the graph around
    assert fingerprint(free_body("n")) != fingerprint(free_body("m"))

    def outer(first, second, used):
        graph = Graph("outer")
        x = graph.add_input("x", TensorType((), F32))
        graph.add_input("y", TensorType((Dim(first), Dim(second)), F32))
        node = graph.add(Call(free_body(used)), [x], [TensorType((Dim(used),), F32)])
        graph.set_outputs([node.output])
        return fingerprint(graph)

    # inside a graph they are renamed with it
    assert outer("n", "m", "n") == outer("p", "q", "p")
    assert outer("n", "m", "n") != outer("n", "m", "m")


def test_a_chain_of_many_nodes():
    graph = Graph()
    value = graph.add_input("x", TensorType((2,), F32))
    for _ in range(20_000):
        value = graph.add(OPS["tanh"](), [value]).output
    graph.set_outputs([value])
    assert len(fingerprint(graph)) == 64


SCRIPT = """
import sys; sys.path.insert(0, {here!r})
import test_fingerprint as t
g = t.build()
print(t.fingerprint(g), g.print())
"""


def test_the_same_in_another_process():
    texts = set()
    for seed in ("0", "1"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        code = SCRIPT.format(here=os.path.dirname(__file__))
        found = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stderr
        texts.add(found.stdout)
    assert len(texts) == 1
    assert BASE in texts.pop()
