"""The builder that lowerings see: each helper against NumPy, at old and new opsets."""

from __future__ import annotations

import numpy as np
import pytest

import symgluon.ops  # noqa: F401  (fills the table of operators)
from symgluon.errors import DTypeError, SymgluonError
from symgluon.formats.onnx.builder import Builder
from symgluon.formats.onnx.check import run_model
from symgluon.formats.onnx.proto import make_tensor, onnx_dtype
from symgluon.formats.onnx.writer import build_model
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS, Op
from symgluon.ir.types import TensorType

OPSETS = (13, 17, 18, 20, 23)
F32 = np.dtype("float32")
RNG = np.random.default_rng(9)


class Lowered(Op):
    """An operator with the lowering that a test gives."""

    name = "lowered"

    def __init__(self, lowering):
        self.__dict__["lowering"] = lowering

    def key(self):
        return (Lowered, id(self))

    def onnx(self, g, *names):
        return self.__dict__["lowering"](g, *names)


def model_of(lowering, types, *, opset=20, results=1, dtype=F32):
    graph = Graph("net")
    inputs = [graph.add_input(f"x{i}", t) for i, t in enumerate(types)]
    result = TensorType(None, np.dtype(dtype))
    node = graph.add(Lowered(lowering), inputs, result if results == 1 else [result] * results)
    graph.set_outputs(node.outputs)
    return build_model(graph, opset=opset)


def run(lowering, *arrays, free=(), opset=20, results=1, dtype=F32):
    """Run a lowering; `free` has the axes of the first operand that have a name (a, b, ...)."""
    types = []
    for i, a in enumerate(arrays):
        shape = list(a.shape)
        for j, axis in enumerate(free if i == 0 else ()):
            shape[axis] = Dim("ab"[j])
        types.append(TensorType(shape, a.dtype))
    model = model_of(lowering, types, opset=opset, results=results, dtype=dtype)
    return run_model(model, {f"x{i}": a for i, a in enumerate(arrays)})


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


A, B = Dim("a"), Dim("b")
X = numbers(4, 5, 6)
HELPERS = {
    "cast": (lambda g, x: g.cast(g.cast(x, "int32"), "float32"), lambda x: np.trunc(x)),
    "sum": (lambda g, x: g.reduce("ReduceSum", x, (0, 2), False), lambda x: x.sum((0, 2))),
    "max": (lambda g, x: g.reduce("ReduceMax", x, (1,)), lambda x: x.max(1, keepdims=True)),
    "mean": (lambda g, x: g.reduce("ReduceMean", x, (-1,), False), lambda x: x.mean(-1)),
    "no axes": (lambda g, x: g.reduce("ReduceMax", x, ()), lambda x: x),
    "unsqueeze": (lambda g, x: g.unsqueeze(x, (0, -1)), lambda x: x[None, ..., None]),
    "no unsqueeze": (lambda g, x: g.Neg(g.unsqueeze(x, ())), lambda x: -x),
    "squeeze": (lambda g, x: g.squeeze(g.unsqueeze(x, (1,)), (1,)), lambda x: x),
    "transpose": (lambda g, x: g.transpose(x, (2, 0, 1)), lambda x: x.transpose(2, 0, 1)),
    "slice": (lambda g, x: g.slice(x, (1, -2), (3, 6), (0, 2)), lambda x: x[1:3, :, -2:6]),
    "steps": (lambda g, x: g.slice(x, (4,), (0,), (1,), (-2,)), lambda x: x[:, 4:0:-2]),
    "slice by a size": (lambda g, x: g.slice(x, (A - 3,), (A - 1,), (0,)), lambda x: x[1:3]),
    "pad": (lambda g, x: g.pad(x, (0, 1, 0, 2, 0, 0), value=np.float32(7)),
            lambda x: np.pad(x, ((0, 2), (1, 0), (0, 0)), constant_values=7)),
    "pad by a size": (lambda g, x: g.pad(x, (A - 3, 0, 0, 0, 0, 0)),
                      lambda x: np.pad(x, ((1, 0), (0, 0), (0, 0)))),
    "reflect": (lambda g, x: g.pad(x, (0, 0, 2, 0, 0, 1), "reflect"),
                lambda x: np.pad(x, ((0, 0), (0, 0), (2, 1)), mode="reflect")),
    "where": (lambda g, x: g.where(g.Greater(x, g.const(np.float32(0))), x, g.Neg(x)), np.abs),
    "clip": (lambda g, x: g.clip(x, np.float32(-0.5), np.float32(0.5)),
             lambda x: x.clip(-0.5, 0.5)),
    "clip below": (lambda g, x: g.clip(x, np.float32(0), None), lambda x: np.maximum(x, 0)),
    "clip above": (lambda g, x: g.clip(x, None, np.float32(0)), lambda x: np.minimum(x, 0)),
    "reshape": (lambda g, x: g.reshape(x, (A, 30)), lambda x: x.reshape(4, 30)),
    "reshape with -1": (lambda g, x: g.reshape(x, (5, -1)), lambda x: x.reshape(5, -1)),
    "reshape to a product": (lambda g, x: g.reshape(x, (A * 2, 15)), lambda x: x.reshape(8, 15)),
    "reshape, a size and -1": (lambda g, x: g.reshape(x, (A, 3, -1)),
                               lambda x: x.reshape(4, 3, -1)),
    "lower": (lambda g, x: g.lower(OPS["exp"](), g.lower(OPS["tanh"](), x)),
              lambda x: np.exp(np.tanh(x))),
    "zeros": (lambda g, x: g.Add(x, g.const(np.zeros((4, 5, 6), np.float32))), lambda x: x),
}  # fmt: skip


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", HELPERS)
def test_helpers(name, opset):
    lowering, want = HELPERS[name]
    (got,) = run(lowering, X, free=(0,), opset=opset)
    np.testing.assert_allclose(got, want(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("opset", OPSETS)
def test_split(opset):
    found = run(lambda g, x: g.split(x, (1, 3, 1), 1), X, opset=opset, results=3)
    for got, want in zip(found, np.split(X, (1, 4), 1), strict=True):
        np.testing.assert_array_equal(got, want)
    (whole,) = run(lambda g, x: g.split(x, (5,), 1), X, opset=opset)
    np.testing.assert_array_equal(whole, X)


INDEXES = [
    (0,), (-1,), (slice(1, 3),), (slice(None), -2), (slice(None, None, 2), slice(3, None)),
    (None, slice(None), 2), (1, None, slice(4, 1, -2)), (slice(-3, -1), None, 0, None, 5),
    (slice(None, None, -1),), (), (slice(None), slice(None), slice(None)), (None,), (2, 3, 4),
    (slice(None), slice(2, 2)), (slice(None), slice(0, -9, -1), 1), (0, slice(3, 1), None),
]  # fmt: skip


@pytest.mark.parametrize("free", [(), (0,), (0, 2)])
@pytest.mark.parametrize("index", INDEXES, ids=str)
def test_basic_index(index, free):
    (got,) = run(lambda g, x: g.basic_index(x, index), X, free=free)
    np.testing.assert_array_equal(got, X[index])


@pytest.mark.parametrize("free", [(), (0,), (0, 2)])
@pytest.mark.parametrize("index", INDEXES, ids=str)
def test_basic_set_index(index, free):
    want = X.copy()
    value = numbers(*want[index].shape)
    want[index] = value
    (got,) = run(lambda g, x, v: g.basic_set_index(x, v, index), X, value, free=free)
    np.testing.assert_array_equal(got, want)
    want[index] = 3
    (got,) = run(lambda g, x: g.basic_set_index(x, g.const(np.float32(3)), index), X, free=free)
    np.testing.assert_array_equal(got, want)


# ---- sizes -------------------------------------------------------------------------------------
SIZES = {
    "a": A, "sum": A + B * 2 + 1, "product": A * B * A, "difference": A - B - 9,
    "floor": (A * 3 - 1) // 2, "negative floor": (A - 11) // 4, "by a size": (A * 7 + 1) // B,
    "remainder": A % 3, "number": 7,
}  # fmt: skip


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("name", SIZES)
def test_values_of_sizes(name, opset):
    dim = SIZES[name]
    for a, b in ((4, 2), (9, 3), (1, 5)):
        env = {"a": a, "b": b}
        want = dim if isinstance(dim, int) else evaluate(dim, env)
        x = np.zeros((a, b), "float32")
        (got,) = run(lambda g, x: g.dim_value(dim), x, free=(0, 1), opset=opset, dtype="int64")
        assert (got.shape, got.dtype, int(got)) == ((), np.dtype("int64"), want)
        (vector,) = run(lambda g, x: g.shape_vector((3, dim, 5)), x, free=(0, 1), opset=opset,
                        dtype="int64")  # fmt: skip
        assert list(vector) == [3, want, 5]


def evaluate(dim, env):
    from symgluon.ir.dims import evaluate

    return evaluate(dim, env)


def test_sizes_are_computed_once():
    def lowering(g, x):
        values = [g.dim_value(A * B) for _ in range(3)]
        vectors = [g.shape_vector((A, 2)) for _ in range(3)]
        assert len(set(values)) == len(set(vectors)) == 1
        return g.Add(values[0], g.squeeze(vectors[0], ()))

    model = model_of(lowering, [TensorType((A, B), F32)], dtype="int64")
    assert [n.op_type for n in model.graph.node].count("Shape") == 2


def test_a_size_of_no_input_is_told():
    with pytest.raises(SymgluonError, match="dimension c"):
        model_of(lambda g, x: g.dim_value(Dim("c")), [TensorType((A,), F32)], dtype="int64")


# ---- constants and names -----------------------------------------------------------------------
def test_constants_are_shared_by_content():
    g = Builder(20)
    assert g.const(1.0, "float32") == g.const(np.float32(1))
    assert g.const(1.0, "float32") != g.const(1, "int32")
    assert g.const(0.0) != g.const(-0.0)
    assert g.const(np.nan) == g.const(np.nan)
    assert g.ints([1]) != g.const(np.asarray(1, np.int64))


def test_large_zeros_are_no_bytes():
    model = model_of(
        lambda g, x: g.const(np.zeros((2000, 100), np.float32)), [TensorType((2,), F32)]
    )
    assert len(model.SerializeToString()) < 1000
    (got,) = run_model(model, {"x0": np.ones(2, "float32")})
    assert (got.shape, got.any()) == ((2000, 100), False)


def test_names_stay_unique():
    g = Builder(20)
    assert [g.reserve("a"), g.reserve("a"), g.reserve("a_1"), g.reserve("a")] == [
        "a", "a_1", "a_1_1", "a_2"
    ]  # fmt: skip


def test_types_onnx_lacks():
    with pytest.raises(DTypeError, match="datetime64"):
        onnx_dtype(np.dtype("datetime64[s]"))
    assert onnx_dtype(np.dtype(">f4")) == onnx_dtype(F32)
    assert make_tensor("x", np.ones(2, ">f4")).raw_data == np.ones(2, "<f4").tobytes()


def test_misspelt_helpers_are_attribute_errors():
    with pytest.raises(AttributeError, match="'redcue'"):
        Builder(20).redcue
