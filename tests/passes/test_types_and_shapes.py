"""Types that a backend lacks, and names bound to numbers."""

import pytest
from pass_helpers import F, assert_close, interpret, numbers, trace

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ir.verify import verify
from symgluon.ops.call import Call
from symgluon.passes import run_pipeline
from symgluon.passes.legalise_types import legalise_types, widen_boundary
from symgluon.passes.specialise_shapes import specialise, specialise_shapes

BF16 = "bfloat16"


@pytest.fixture(autouse=True)
def _verified(monkeypatch):
    monkeypatch.setenv("SYMGLUON_VERIFY", "1")


def computes_narrow(graph):
    return [
        n.op.name
        for n in graph.nodes
        if any(v is not None and v.dtype.name == BF16 for v in (*n.inputs, *n.outputs))
        and n.op.name not in ("cast", "reshape", "transpose", "concatenate", "call")
    ]


# ---- bfloat16 ------------------------------------------------------------------------------------
@pytest.fixture
def bfloat16():
    return pytest.importorskip("ml_dtypes").bfloat16


def function(x, y):
    z = F.transpose(F.exp(x) + y * 2.0)
    return F.reshape(F.tanh(z), shape=(-1,)), F.sum(z, axis=0)


def test_arithmetic_runs_in_float32(bfloat16):
    graph = trace(function, ((2, 3), BF16), ((3,), BF16))
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    types = [v.type for v in graph.outputs]
    report = run_pipeline(graph, "legalise_types")
    assert report.changed
    assert computes_narrow(graph) == []
    assert [v.type for v in graph.outputs] == types
    assert_close(interpret(graph, arrays), want, rtol=2e-2, atol=1e-2)
    assert not run_pipeline(graph, "legalise_types").changed


def test_one_cast_serves_all_readers(bfloat16):
    graph = trace(lambda x: (F.exp(x), F.tanh(x)), ((2,), BF16))
    legalise_types(graph)
    assert sum(n.op.name == "cast" and n.inputs[0] is graph.inputs[0] for n in graph.nodes) == 1


def test_attributes_that_name_the_type(bfloat16):
    graph = trace(lambda x: x * F.random_uniform(shape=(2,), dtype=BF16), ((2,), BF16))
    legalise_types(graph)
    verify(graph)
    assert computes_narrow(graph) == []


def test_boundary(bfloat16):
    graph = trace(lambda x, n: (F.exp(x), x, n), ((2,), BF16), (3,))
    arrays = numbers(graph)
    want = [a.astype("f4") for a in interpret(graph, arrays)]
    legalise_types(graph)
    assert widen_boundary(graph) == 3
    verify(graph)
    assert {v.dtype.name for v in (*graph.operands(), *graph.outputs)} == {"float32"}
    assert_close(interpret(graph, [a.astype("f4") for a in arrays]), want, rtol=1e-2)


def test_bodies_are_legalised(bfloat16):
    body = trace(lambda x: F.exp(x), ((2,), BF16), name="body")
    graph = Graph("g")
    x = graph.add_input("x", TensorType((2,), BF16))
    node = graph.add(Call(body), [x], [x.type])
    graph.set_outputs([node.output])
    assert legalise_types(graph) == 1
    verify(graph)
    assert computes_narrow(graph.nodes[0].op.body) == []
    assert computes_narrow(body) == ["exp"]


def test_other_types_are_left_alone():
    graph = trace(function, ((2, 3), "float16"), ((3,), "float16"))
    assert not run_pipeline(graph, "legalise_types").changed


# ---- names ---------------------------------------------------------------------------------------
def test_names_become_numbers():
    graph = trace(lambda x: F.reshape(x, shape=(x.shape[0] * 3,)), (2, 3), names=True)
    sizes = {"n0_0": 8, "n0_1": 3, "other": 1}
    report = run_pipeline(graph, [specialise_shapes(sizes)])
    assert report.changed
    assert str(graph.inputs[0].type) == "float32[8,3]"
    assert graph.nodes[0].op == OPS["reshape"](shape=(24,))
    assert graph.hints == {"n0_0": 8, "n0_1": 3}
    assert not run_pipeline(graph, [specialise_shapes(sizes)]).changed


def test_other_names_stay():
    graph = trace(lambda x: x * 2.0, (2, 3), names=True)
    assert specialise(graph, {"n0_1": 3}) == 2
    assert str(graph.outputs[0].type) == "float32[n0_0,3]"


def test_draws_are_bound():
    graph = trace(lambda x: x + F.random_uniform(shape=x.shape), (2,), names=True)
    run_pipeline(graph, "trace")
    specialise(graph, {"n0_0": 5})
    assert graph.draws[0][1] == OPS["random_uniform"](shape=(5,))


def test_only_free_names_of_bodies_are_bound():
    def body(operand, used):
        graph = Graph("body")
        x = graph.add_input("x", operand)
        full = graph.add(OPS["full"](shape=(Dim(used),)), [graph.add(OPS["sum"](), [x]).output])
        graph.set_outputs([full.output])
        return graph

    def outer(inner, result):
        graph = Graph("outer")
        x = graph.add_input("x", TensorType((Dim("n"),), "float32"))
        y = graph.add_input("y", TensorType((7,), "float32"))
        a = graph.add(Call(inner), [x], [result])
        b = graph.add(
            Call(inner), [y], [result.with_shape((7,)) if result.shape[0].bare == "n" else result]
        )
        graph.set_outputs([a.output, b.output])
        specialise(graph, {"n": 4, "m": 2})
        verify(graph)
        return graph.nodes[0].op.body

    vector = TensorType((Dim("n"),), "float32")
    bound = outer(body(vector, "n"), vector)
    assert bound.inputs[0].type == vector  # differs from call to call
    free = outer(body(vector, "m"), vector.with_shape((Dim("m"),)))
    assert free.outputs[0].type.shape == (2,)
    assert free.inputs[0].type == vector
