"""Bodies of calls are simplified, each once, and only as copies."""

import numpy as np
import pytest
from pass_helpers import F, assert_close, interpret, numbers, trace

from symgluon.ir.graph import Graph
from symgluon.ir.types import TensorType
from symgluon.ops.call import Call
from symgluon.passes import run_pipeline

F32 = np.dtype("float32")


@pytest.fixture(autouse=True)
def _verified(monkeypatch):
    monkeypatch.setenv("SYMGLUON_VERIFY", "1")


def calls(*bodies, shape=(2, 3)):
    """A graph that applies one body after the other."""
    graph = Graph("outer")
    value = graph.add_input("x", TensorType(shape, F32))
    for body in bodies:
        value = graph.add(Call(body), [value], [value.type]).output
    graph.set_outputs([value])
    return graph


def body(function, name="Block"):
    return trace(function, (2, 3), name=name)


PAIRS = {
    "neutral": (lambda x: F.exp(x + 0.0) * 1.0, F.exp),
    "dead": (lambda x: (F.tanh(x), F.exp(x))[1], F.exp),
    "common": (lambda x: F.exp(x) + F.exp(x), lambda x: (lambda e: e + e)(F.exp(x))),
    "constants": (lambda x: x + F.exp(np.zeros(3, "f4")), lambda x: x + np.ones(3, "f4")),
    "transposes": (lambda x: F.transpose(F.tanh(F.transpose(x))), F.tanh),
    "cuts": (lambda x: F.tanh(F.stop_gradient(x)), F.tanh),
    "patterns": (lambda x: F.log(F.softmax(x)), F.log_softmax),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(name):
    before, after = PAIRS[name]
    graph, expected = calls(body(before)), calls(body(after))
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    assert run_pipeline(graph, "clean_bodies").changed
    assert graph.fingerprint() == expected.fingerprint(), "\n" + expected.diff(graph)
    assert_close(interpret(graph, arrays), want)
    assert not run_pipeline(graph, "clean_bodies").changed


def test_a_shared_body_is_cleaned_once_and_as_a_copy():
    shared = body(lambda x: F.tanh(x + 0.0))
    text = shared.print()
    graph = calls(shared, shared, shared)
    report = run_pipeline(graph, "clean_bodies")
    made = {id(n.op.body) for n in graph.nodes}
    assert len(made) == 1
    assert id(shared) not in made
    assert shared.print() == text
    assert report.kinds()["clean_bodies"]["simplify_algebra: add"] == 1


def test_bodies_in_bodies():
    inner = body(lambda x: x * 1.0 + F.exp(x), "Inner")
    middle = calls(inner, inner)
    graph = calls(middle)
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    run_pipeline(graph, "clean_bodies")
    found = graph.nodes[0].op.body.nodes[0].op.body
    assert [n.op.name for n in found.nodes] == ["exp", "add"]
    assert [n.op.name for n in inner.nodes] == ["multiply", "exp", "add"]
    assert_close(interpret(graph, arrays), want)


def test_draws_in_bodies_stay():
    drawing = body(
        lambda x: x + F.random_uniform(shape=(2, 3)) * F.random_uniform(shape=(2, 3)) + 0.0
    )
    graph = calls(drawing)
    run_pipeline(graph, "clean_bodies")
    assert [n.op.name for n in graph.nodes[0].op.body.nodes].count("random_uniform") == 2


def test_operands_and_results_stay_even_if_nobody_reads_them():
    graph = Graph("outer")
    x = graph.add_input("x", TensorType((2, 3), F32))
    two = trace(lambda a, b: (F.exp(a + 0.0), a), (2, 3), (2, 3), name="Two")
    node = graph.add(Call(two), [x, x], [x.type, x.type])
    graph.set_outputs([node.outputs[0]])
    run_pipeline(graph, ["clean_bodies", "eliminate_dead"])
    cleaned = graph.nodes[0].op.body
    assert (len(cleaned.inputs), len(cleaned.outputs)) == (2, 2)


def test_without_bodies_nothing_changes():
    assert not run_pipeline(body(lambda x: x + 0.0), "clean_bodies").changed
