from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symgluon.errors import AxisError, DTypeError, ShapeError, TraceError
from symgluon.ir.dims import Dim, DimScope, same
from symgluon.ir.types import (
    TensorType,
    broadcast_shapes,
    format_shape,
    infer_reshape,
    normalize_axes,
    normalize_axis,
    prod,
    same_shape,
)

a, b, h = Dim("a"), Dim("b"), Dim("h")


def scope():
    return DimScope.with_hints({"a": 1, "b": 4, "h": 6})


def texts(guards):
    return [str(g).split("  ")[0] for g in guards]


# -- TensorType --------------------------------------------------------------------------------

TEXTS = [
    (TensorType((Dim("batch"), 3, 224, 224), "float32"), "float32[batch,3,224,224]"),
    (TensorType((), np.int64), "int64[]"),
    (TensorType((None, 2 * h + 1), None), "float32[?,2*h+1]"),
    (TensorType(None, "bool"), "bool[*]"),
]


@pytest.mark.parametrize(("type", "text"), TEXTS, ids=[t for _, t in TEXTS])
def test_text(type, text):
    assert str(type) == repr(type) == text


def test_shape_is_normalised():
    t = TensorType([np.int64(2), True, h, None], "float16")
    assert [type(d) for d in t.shape] == [int, int, Dim, type(None)]
    assert TensorType((np.int64(2), 3), "float16") == TensorType((2, 3), np.float16)
    assert TensorType((2, 3), "float16").is_static
    assert not t.is_static
    assert not t.is_known
    assert TensorType((h,), None).is_known
    with pytest.raises(ShapeError, match="never negative"):
        TensorType((2, -1), None)
    with pytest.raises(TypeError):
        TensorType((2.5,), None)
    with pytest.raises(DTypeError, match="complex64"):
        TensorType((2,), "complex64")


def test_equality_is_structural():
    types = [
        TensorType((h, 2), "float32"),
        TensorType((Dim("h"), 2), "float32"),
        TensorType((b, 2), "float32"),
        TensorType((h, 2), "float64"),
        TensorType((6, 2), "float32"),
        TensorType(None, "float32"),
        TensorType((None, 2), "float32"),
    ]
    with scope() as s:
        assert types[0] == types[1]
        assert len(set(types)) == len(types) - 1
        assert types[0] != types[4]
    assert s.guards == []


def test_sizes():
    t = TensorType((b, 3, h), "float16")
    assert t.rank == 3
    assert same(t.size, 3 * b * h)
    assert same(t.nbytes, 6 * b * h)
    assert TensorType((), None).size == 1
    assert TensorType((4, 0), None).nbytes == 0
    with pytest.raises(ShapeError, match="not known yet"):
        _ = TensorType((None, 2), None).size
    with pytest.raises(ShapeError, match=r"float32\[\*\]"):
        _ = TensorType(None, None).rank


def test_changes_and_copies():
    t = TensorType((h, 2), "float32")
    assert t.with_dtype("int8") == TensorType((h, 2), "int8")
    assert t.with_shape((1,)) == TensorType((1,), "float32")
    assert pickle.loads(pickle.dumps(t)) == t == copy.deepcopy(t)
    with pytest.raises(AttributeError, match="immutable"):
        t.shape = (1,)


# -- broadcasting ------------------------------------------------------------------------------


@given(st.lists(st.lists(st.sampled_from([0, 1, 2, 3]), max_size=4), max_size=3))
def test_broadcast_numbers_like_numpy(shapes):
    try:
        want = np.broadcast_shapes(*[tuple(s) for s in shapes])
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            broadcast_shapes(*shapes)
    else:
        assert broadcast_shapes(*shapes) == want


BROADCASTS = [
    (((h, 3), (h, 3)), (h, 3), []),
    (((h, 3), (3,)), (h, 3), []),
    (((h, 1), (1, b)), (h, b), []),
    (((b, 3), (4, 3)), (4, 3), ["b == 4"]),
    (((a, 3), (4, 3)), (4, 3), ["a == 1"]),
    (((4, 3), (a, 3)), (4, 3), ["a == 1"]),
    (((a, 3), (b, 3)), (b, 3), ["a == 1"]),
    (((b,), (a,)), (b,), ["a == 1"]),
    (((b + 2,), (h,)), (b + 2,), ["h == b + 2"]),
    (((None, 3), (2, 1)), (2, 3), []),
    (((None, 3), (1, 3)), (None, 3), []),
    (((None,), (b,)), (None,), []),
]


@pytest.mark.parametrize(("shapes", "want", "guards"), BROADCASTS)
def test_broadcast_names(shapes, want, guards):
    with scope() as s:
        got = broadcast_shapes(*shapes)
    assert same_shape(got, want)
    assert texts(s.guards) == guards


def test_broadcast_mismatch_names_both_shapes():
    with scope(), pytest.raises(ShapeError, match=r"\(b=4, 3\) and \(7, 3\)"):
        broadcast_shapes((b, 3), (7, 3))
    with pytest.raises(TraceError):  # not decidable, and no trace that could tell
        broadcast_shapes((b,), (7,))
    with pytest.raises(ShapeError, match="unknown rank"):
        broadcast_shapes((2,), None)


# -- axes --------------------------------------------------------------------------------------


def test_normalize_axis():
    assert [normalize_axis(i, 3) for i in (-3, -1, 0, 2)] == [0, 2, 0, 2]
    assert normalize_axis(np.int64(-1), 2) == 1
    for bad, rank in ((3, 3), (-4, 3), (0, 0)):
        with pytest.raises(AxisError, match=f"axis {bad} is out of bounds for rank {rank}"):
            normalize_axis(bad, rank)
    for builtin in (ShapeError, ValueError, IndexError):
        assert issubclass(AxisError, builtin)


def test_normalize_axes():
    assert normalize_axes(None, 3) == (0, 1, 2)
    assert normalize_axes(-1, 3) == (2,)
    assert normalize_axes((-1, 0), 3) == (2, 0)
    assert normalize_axes([], 3) == ()
    assert normalize_axes((0, -3), 3, unique=False) == (0, 0)
    with pytest.raises(AxisError, match="twice"):
        normalize_axes((0, -3), 3)


# -- reshape -----------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 6), max_size=4),
    st.lists(st.sampled_from([-1, 0, 1, 2, 3, 4, 6, 12]), max_size=4),
)
def test_reshape_numbers_like_numpy(shape, new):
    try:
        want = np.zeros(shape, np.int8).reshape(new).shape
    except ValueError:
        with pytest.raises(ShapeError):
            infer_reshape(shape, new)
    else:
        assert infer_reshape(shape, new) == want


RESHAPES = [
    ((b, 3, h), (b, -1), (b, 3 * h), []),
    ((b, h), (-1,), (b * h,), []),
    ((b, h), (-1, h), (b, h), []),
    ((b, h), (h, b), (h, b), []),
    ((b, h), (b, 2, -1), (b, 2, h // 2), ["h == 2*(h//2)"]),
    ((b, h), (b, 6), (b, 6), ["h == 6"]),
    ((b, h), (24,), (24,), ["b*h == 24"]),
    ((b, h), (2, -1), (2, (b * h) // 2), ["b*h == 2*((b*h)//2)"]),
    ((b, 6), (b, 2, 3), (b, 2, 3), []),
    ((None, 3), (-1, 3), (None, 3), []),
    ((None, 3), (6,), (6,), []),
    (None, (2, -1), (2, None), []),
]


@pytest.mark.parametrize(("shape", "new", "want", "guards"), RESHAPES)
def test_reshape_names(shape, new, want, guards):
    with scope() as s:
        got = infer_reshape(shape, new)
    assert same_shape(got, want)
    assert texts(s.guards) == guards


BAD = [((b, h), (b, 5)), ((b, h), (b, 4, -1)), ((b, h), (-1, 0)), ((4,), (-1, -1)), ((4,), (-2,))]


@pytest.mark.parametrize(("shape", "new"), BAD)
def test_bad_reshape(shape, new):
    with scope(), pytest.raises(ShapeError, match="reshape"):
        infer_reshape(shape, new)


def test_prod_and_format():
    assert prod(()) == 1
    assert prod((2, 3)) == 6
    assert same(prod((b, 2, h)), 2 * b * h)
    assert format_shape((2,)) == "(2,)"
    assert format_shape((b, None)) == "(b, ?)"
    assert format_shape(()) == "()"
    assert format_shape(None) == "of unknown rank"
