"""Gathers, scatters and advanced indexing against NumPy on random keys."""

from __future__ import annotations

import numpy as np
import pytest
import table

from symgluon.errors import ShapeError
from symgluon.ir.op import OPS
from symgluon.ops import F, wrap
from symgluon.ops.core import freeze_index

ARRAY = "array"


def random_key(rng, shape):
    """A key with at least one index array, as NumPy takes it and as (spec, arrays)."""
    spread = [(), (3,), (2, 1), (2, 3)][rng.integers(4)]
    items, arrays, spec = [], [], []
    used = rng.integers(1, len(shape) + 1)
    place = rng.integers(used)
    for axis in range(used):
        n = shape[axis]
        kind = 3 if axis == place else rng.integers(5)
        if rng.random() < 0.15:
            items.append(None)
            spec.append(None)
        if kind == 0:
            item = int(rng.integers(-n, n))
        elif kind in (1, 2):
            item = slice(*[(None, 1, -1)[rng.integers(3)] for _ in range(2)],
                         (None, 2, -1)[rng.integers(3)])  # fmt: skip
        else:
            item = rng.integers(-n, n, spread)
            arrays.append(item)
        items.append(item)
        spec.append(ARRAY if isinstance(item, np.ndarray) else item)
    return tuple(items), freeze_index(spec), arrays


@pytest.mark.parametrize("seed", range(60))
def test_advanced_index(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 4, 2, 3))
    key, spec, arrays = random_key(rng, x.shape)
    op = OPS["advanced_index"](spec=spec)
    expected = x[key]
    got = table.call(op, [x, *arrays])[0]
    np.testing.assert_array_equal(got, expected)
    types = table.types_of([x, *arrays])
    assert op.infer(*types).shape == expected.shape
    decomposed = op.decompose(wrap(x), *[wrap(a) for a in arrays])
    np.testing.assert_array_equal(decomposed._content(), expected)


@pytest.mark.parametrize("seed", range(60))
def test_set_advanced_index(seed):
    rng = np.random.default_rng(100 + seed)
    x = rng.standard_normal((3, 4, 2, 3))
    key, spec, arrays = random_key(rng, x.shape)
    part = x[key]
    value = rng.standard_normal(part.shape)
    add = bool(seed % 2)
    expected = x.copy()
    if add:
        np.add.at(expected, key, value)
    else:
        value = np.broadcast_to(rng.standard_normal(), part.shape)  # repeated places agree
        expected[key] = value
    op = OPS["set_advanced_index"](spec=spec, accumulate=add)
    np.testing.assert_allclose(table.call(op, [x, value, *arrays])[0], expected, rtol=1e-12)
    if part.size:
        found = op.decompose(wrap(x), wrap(value), *[wrap(a) for a in arrays])
        np.testing.assert_allclose(found._content(), expected, rtol=1e-12)


def test_value_must_fit_the_part():
    with pytest.raises(
        ShapeError, match=r"value of shape \(3, 2\) to a part of shape \(2, 4\)|do not broadcast"
    ):
        OPS["set_advanced_index"](spec=(ARRAY,)).infer(
            *table.types_of([np.zeros((3, 4)), np.zeros((3, 2)), np.array([0, 1])])
        )


def test_places_out_of_range():
    x = wrap(np.zeros((3, 2)))
    with pytest.raises(IndexError, match="place 3 is out of bounds for an axis of size 3"):
        F.take(x, np.array([0, 3]), mode="raise")
    with pytest.raises(IndexError):
        F.gather_nd(x, np.array([[3]]))
    with pytest.raises(IndexError, match="no elements"):
        F.take(wrap(np.zeros((0, 2))), np.array([0]))


@pytest.mark.parametrize("count", [3, 200])
def test_repeated_places_are_summed(count):
    rng = np.random.default_rng(0)
    places = rng.integers(0, 7, count)
    rows = rng.standard_normal((count, 4))
    expected = np.zeros((7, 4))
    np.add.at(expected, places, rows)
    got = F.take_grad(rows, places, size=7)._content()
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


def test_float16_gradients_are_summed_in_float32():
    rows = np.full((5000, 2), 0.01, np.float16)
    got = F.take_grad(rows, np.zeros(5000, np.int64), size=2)._content()
    assert got.dtype == np.float16
    assert abs(float(got[0, 0]) - 50.0) < 0.1


def test_split_parts_that_overlap_or_leave_gaps():
    x = np.arange(5.0)
    parts = F.split(x, indices=(3, 1))
    assert [p.shape for p in parts] == [(3,), (0,), (4,)]
    with pytest.raises(ShapeError, match="do not fall into 2 equal parts"):
        F.split(x, sections=2)


def test_a_result_never_shares_memory_with_an_operand_it_may_be_written_through():
    x = wrap(np.zeros((2, 3)))
    for name in ("swapaxes", "moveaxis", "rot90"):
        attrs = {"moveaxis": {"source": 0, "destination": 1}}.get(name, {})
        y = OPS[name](**attrs)(x)
        y._write((0,), 5.0)
        assert not x._content().any(), name
