"""MXNet's operators that write parts of arrays by value, and indices of 2.0."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ir.attrs import DType, Ints, OptionalInts, Shape
from symgluon.ops.apply import F
from symgluon.ops.array import Array, wrap
from symgluon.ops.core import freeze_index
from symgluon.ops.advanced import ARRAY
from symgluon.ops.mx import cast_to, mx_function


def slices(begin: Any, end: Any, step: Any) -> tuple[slice, ...]:
    """Return the basic index that begin, end and step describe."""
    steps = (*(step or ()), *(None,) * len(begin))
    return tuple(slice(b, e, s) for b, e, s in zip(begin, end, steps, strict=False))


@mx_function("_slice_assign _crop_assign _npi_slice_assign")
def slice_assign(
    lhs: Any, rhs: Any, *, begin: OptionalInts, end: OptionalInts, step: OptionalInts = ()
) -> Any:
    """Return `lhs` with the slice replaced by `rhs`."""
    return F.set_index(lhs, cast_to(rhs, lhs.dtype), index=slices(begin, end, step))


@mx_function("_slice_assign_scalar _crop_assign_scalar _npi_slice_assign_scalar")
def slice_assign_scalar(
    data: Any,
    *,
    scalar: float = 0.0,
    begin: OptionalInts,
    end: OptionalInts,
    step: OptionalInts = (),
) -> Any:
    """Return `data` with the slice filled by a number."""
    value = np.asarray(scalar).astype(data.dtype)
    return F.set_index(data, value, index=slices(begin, end, step))


@mx_function("_set_value")
def set_value(*, src: float = 0.0) -> Any:
    """Return a number as an array of one element (the result is written elsewhere)."""
    return F.full(np.asarray(src, np.float32), shape=(1,))


@mx_function("_copyto _npi_copyto")
def copyto(data: Any) -> Any:
    """Return a copy."""
    return F.identity(data)


@mx_function("_onehot_encode")
def onehot_encode(lhs: Any, rhs: Any) -> Any:
    """Return one-hot rows of `lhs` as wide as `rhs`."""
    return F.one_hot(lhs, depth=rhs.shape[1], dtype=rhs.dtype)


@mx_function("fill_element_0index")
def fill_element(lhs: Any, mhs: Any, rhs: Any) -> Any:
    """Return `lhs` with ``lhs[i, rhs[i]] = mhs[i]``."""
    rows = F.arange(start=0, stop=lhs.shape[0], dtype="int64")
    return F.set_advanced_index(lhs, mhs, rows, rhs, spec=(ARRAY, ARRAY))


def _lead_mask(data: Any, mask: Any, start: int) -> Any:
    """A mask of some axes from `start` on, ready to broadcast."""
    shape = ((1,) * start) + tuple(mask.shape)
    shape += (1,) * (data.ndim - len(shape))
    return F.reshape(mask if mask.dtype == bool else F.not_equal(mask, 0), shape=shape)


@mx_function("_npi_boolean_mask_assign_scalar")
def mask_assign_scalar(data: Any, mask: Any, *, value: float, start_axis: int = 0) -> Any:
    """Return `data` with a number where `mask` holds."""
    number = np.asarray(value).astype(data.dtype)
    return F.where(_lead_mask(data, mask, start_axis), number, data)


@mx_function("_npi_boolean_mask_assign_tensor")
def mask_assign_tensor(data: Any, mask: Any, value: Any, *, start_axis: int = 0) -> Any:
    """Return `data` with the elements of `value` where `mask` holds."""
    if value.ndim == 0 or all(isinstance(n, int) and n == 1 for n in value.shape):
        number = F.reshape(cast_to(value, data.dtype), shape=())
        return F.where(_lead_mask(data, mask, start_axis), number, data)
    places = np.nonzero(mask.numpy_content("a write by mask"))
    spec = freeze_index((*(slice(None),) * start_axis, *(ARRAY,) * len(places)))
    return F.set_advanced_index(data, cast_to(value, data.dtype), *map(wrap, places), spec=spec)


# ---- indices -----------------------------------------------------------------------------------------
@mx_function("_npi_advanced_indexing")
def advanced_indexing(data: Any, indices: Any) -> Any:
    """Return ``data[indices]`` for one array of places or a mask."""
    if indices.dtype == bool:
        if indices.ndim == 1:
            return F.boolean_mask(data, indices, axis=0)
        places = np.nonzero(indices.numpy_content("an index by mask"))
        return F.advanced_index(data, *map(wrap, places), spec=(ARRAY,) * len(places))
    return F.advanced_index(data, indices, spec=(ARRAY,))


@mx_function("_npi_advanced_indexing_multiple")
def advanced_indexing_multiple(data: Any, indices: Any, *more: Any) -> Any:
    """Return ``data[indices, ...]`` for several arrays of places."""
    rows = [indices, *more]
    return F.advanced_index(data, *rows, spec=(ARRAY,) * len(rows))


@mx_function("_unravel_index unravel_index _npi_unravel_index")
def unravel_index(data: Any, *, shape: Shape) -> Any:
    """Return coordinates (axes, ...) of flat places."""
    rest, rows = data, []
    for n in reversed(shape):
        rows.append(F.mod(rest, n))
        rest = F.floor_divide(rest, n)
    return F.stack(*reversed(rows), axis=0)


@mx_function("_ravel_multi_index ravel_multi_index")
def ravel_multi_index(data: Any, *, shape: Shape) -> Any:
    """Return flat places of coordinates (axes, ...)."""
    flat: Any = None
    for i, n in enumerate(shape):
        row = F.index(data, index=(i,))
        flat = row if flat is None else F.add(F.multiply(flat, n), row)
    return flat


@mx_function("_contrib_index_array")
def index_array(data: Any, *, axes: Ints | None = None) -> Any:
    """Return the coordinates of every element, along `axes`, in a new last axis."""
    rank = data.ndim
    wanted = range(rank) if axes is None else [a % rank for a in axes]
    parts = []
    for axis in wanted:
        line = F.arange(start=0, stop=data.shape[axis], dtype="int64")
        line = F.reshape(line, shape=tuple(-1 if i == axis else 1 for i in range(rank)))
        parts.append(F.broadcast_to(line, shape=data.shape))
    return F.stack(*parts, axis=-1)


@mx_function("_npi_fill_diagonal")
def fill_diagonal(a: Any, *, val: Any, wrap: bool = False) -> Any:
    """Return `a` with `val` on the main diagonal."""
    marks = np.zeros(tuple(int(n) for n in a.shape), np.bool_)
    np.fill_diagonal(marks, True, wrap)
    values = val if isinstance(val, list | tuple) else (val,)
    if len(values) != 1:
        raise AttributeValueError("_npi_fill_diagonal: several values are not supported")
    return F.where(marks, np.asarray(values[0]).astype(a.dtype), a)


@mx_function("_npi_diag_indices_from")
def diag_indices_from(data: Any) -> Any:
    """Return the coordinates (axes, n) of the main diagonal."""
    line = F.arange(start=0, stop=data.shape[0], dtype="int64")
    return F.stack(*[line] * data.ndim, axis=0)


@mx_function("_npi_tril_indices")
def tril_indices(*, n: int, k: int = 0, m: int | None = None) -> Any:
    """Return the coordinates of the lower triangle, one result an axis."""
    return tuple(_constant(i) for i in np.tril_indices(n, k, m))


def _constant(array: Any, dtype: DType = np.dtype("int64")) -> Array:  # noqa: B008
    return F.cast(array, dtype=dtype)  # type: ignore[no-any-return]
