"""MXNet 2.0's names that are compositions: writes, edits, places, solvers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import ShapeError
from symgluon.ir.attrs import Ints, OptionalInts, Shape
from symgluon.ir.types import normalize_axis, prod
from symgluon.ops.apply import F
from symgluon.ops.mx import cast_to, mx_function


# ---- writes ----------------------------------------------------------------------------------
def _slices(begin: Sequence[Any], end: Sequence[Any], step: Sequence[Any]) -> tuple[Any, ...]:
    steps = [s or None for s in step] + [None] * (len(begin) - len(step))
    return tuple(slice(b, e, s) for b, e, s in zip(begin, end, steps, strict=True))


@mx_function("_slice_assign _crop_assign _npi_slice_assign")
def slice_assign(
    lhs: Any, rhs: Any, *, begin: OptionalInts, end: OptionalInts, step: OptionalInts = ()
) -> Any:
    """Return `lhs` with `rhs` in a slice."""
    return F.set_index(lhs, rhs, index=_slices(begin, end, step))


@mx_function("_slice_assign_scalar _crop_assign_scalar _npi_slice_assign_scalar")
def slice_assign_scalar(
    data: Any,
    *,
    begin: OptionalInts,
    end: OptionalInts,
    step: OptionalInts = (),
    scalar: float = 0.0,
) -> Any:
    """Return `data` with a number in a slice."""
    value = np.asarray(scalar).astype(data.dtype)
    return F.set_index(data, value, index=_slices(begin, end, step))


def _spread_mask(data: Any, mask: Any, start_axis: int) -> Any:
    trail = data.ndim - start_axis - mask.ndim
    if trail < 0:
        raise ShapeError("boolean_mask_assign: the mask has too many axes", received=mask.shape)
    return F.reshape(mask, shape=(*(1,) * start_axis, *mask.shape, *(1,) * trail))


@mx_function("_npi_boolean_mask_assign_scalar")
def boolean_mask_assign_scalar(data: Any, mask: Any, *, value: float, start_axis: int) -> Any:
    """Return `data` with a number where `mask` holds."""
    fill = np.asarray(value).astype(data.dtype)
    return F.where(_spread_mask(data, mask, start_axis), fill, data)


@mx_function("_npi_boolean_mask_assign_tensor")
def boolean_mask_assign_tensor(data: Any, mask: Any, value: Any, *, start_axis: int) -> Any:
    """Return `data` with `value` where `mask` holds: one number, or one for each true element."""
    if prod(value.shape) == 1 or value.ndim == 0:
        fill = F.reshape(value, shape=())
        return F.where(_spread_mask(data, mask, start_axis), fill, data)
    rank = mask.ndim
    places = np.nonzero(mask.numpy_content("boolean_mask_assign: reading the mask"))
    spec = (*(("slice", None, None, None),) * start_axis, *("array",) * rank)
    return F.set_advanced_index(data, cast_to(value, data.dtype), *places, spec=spec)


@mx_function("_npi_advanced_indexing")
def advanced_indexing(data: Any, indices: Any) -> Any:
    """Return rows at places, or where a mask holds."""
    if indices.dtype == dtypes.bool_:
        return F.boolean_mask(data, indices)
    return F.take(data, indices, axis=0, mode="raise")


@mx_function("_npi_advanced_indexing_multiple")
def advanced_indexing_multiple(data: Any, indices: Any) -> Any:
    """Return parts at coordinates: `indices` holds one row an axis."""
    return F.gather_nd(data, indices)


# ---- edits -----------------------------------------------------------------------------------
def _selected(n: int, obj: Any, start: Any, stop: Any, step: Any, int_ind: Any) -> Any:
    if obj is not None:
        found = obj.numpy_content("reading the places")
        return found if found.dtype == bool else found.astype(np.int64)
    if int_ind is not None:
        return int(int_ind)
    return slice(start, stop, step)


@mx_function("_npi_delete")
def delete(
    arr: Any,
    obj: Any = None,
    *,
    start: int | None = None,
    stop: int | None = None,
    step: int | None = None,
    int_ind: int | None = None,
    axis: int | None = None,
) -> Any:
    """Return `arr` without parts of an axis (None: of the flattened array)."""
    x = F.reshape(arr, shape=(-1,)) if axis is None else arr
    at = 0 if axis is None else normalize_axis(axis, arr.ndim)
    n = int(x.shape[at])
    left = np.delete(np.arange(n), _selected(n, obj, start, stop, step, int_ind))
    return F.take(x, left, axis=at)


@mx_function("_npi_insert_scalar _npi_insert_slice _npi_insert_tensor")
def insert(
    arr: Any,
    values: Any = None,
    obj: Any = None,
    *,
    val: float | None = None,
    start: int | None = None,
    stop: int | None = None,
    step: int | None = None,
    int_ind: int | None = None,
    axis: int | None = None,
) -> Any:
    """Return `arr` with values before places of an axis (None: of the flattened array)."""
    if val is not None and values is not None:
        obj, values = values, None
    x = F.reshape(arr, shape=(-1,)) if axis is None else arr
    at = 0 if axis is None else normalize_axis(axis, arr.ndim)
    n = int(x.shape[at])
    where = _selected(n, obj, start, stop, step, int_ind)
    places = np.asarray(np.arange(n)[where] if isinstance(where, slice) else where)
    new: Any = np.asarray(val).astype(arr.dtype) if values is None else cast_to(values, arr.dtype)
    new, count = F.identity(new), places.size
    if count == 1:  # one place takes any number of values; an int has their first axis there
        new = at_least_rank(new, x.ndim)
        new = F.moveaxis(new, source=0, destination=at) if places.ndim == 0 else new
        count = int(new.shape[at])
    new = F.broadcast_to(new, shape=(*x.shape[:at], count, *x.shape[at + 1 :]))
    spot = places.item() if places.size == 1 else places
    marks = np.insert(np.arange(n), spot, -1 - np.arange(count))
    return F.take(
        F.concatenate(x, new, axis=at), np.where(marks < 0, n - 1 - marks, marks), axis=at
    )


def at_least_rank(x: Any, rank: int) -> Any:
    """Add leading axes up to `rank`."""
    return F.reshape(x, shape=(*(1,) * (rank - x.ndim), *x.shape)) if x.ndim < rank else x


# ---- places ----------------------------------------------------------------------------------
@mx_function("_unravel_index unravel_index _npi_unravel_index")
def unravel_index(data: Any, *, shape: Shape) -> Any:
    """Return coordinates, one row an axis, of places of a flattened array of `shape`."""
    rows = []
    rest = data
    for n in reversed(shape):
        rows.append(F.mod(rest, n))
        rest = F.floor_divide(rest, n)
    return F.stack(*reversed(rows), axis=0)


@mx_function("_ravel_multi_index ravel_multi_index")
def ravel_multi_index(data: Any, *, shape: Shape) -> Any:
    """Return places in a flattened array of `shape` from coordinates, one row an axis."""
    place = F.index(data, index=(0,))
    for axis, n in enumerate(shape[1:], 1):
        place = place * n + F.index(data, index=(axis,))
    return place


@mx_function("_contrib_index_array")
def index_array(data: Any, *, axes: Ints | None = None) -> Any:
    """Return the coordinates of every element (of some axes), in the last axis, int64."""
    grid = F.moveaxis(F.indices(dimensions=data.shape), source=0, destination=-1)
    if axes is None:
        return grid
    places = np.asarray([normalize_axis(a, data.ndim) for a in axes], np.int64)
    return F.take(grid, places, axis=-1)


# ---- straight through ------------------------------------------------------------------------
def _straight(names: str, function: str) -> None:
    @mx_function(names)
    def straight_through(data: Any) -> Any:
        # the value of the function with the gradient of the identity
        return data + F.stop_gradient(getattr(F, function)(data) - data)

    straight_through.__doc__ = f"Return ``{function}(data)`` with the gradient of the identity."


_straight("_contrib_round_ste _npx_round_ste _sparse__contrib_round_ste", "round")
_straight("_contrib_sign_ste _npx_sign_ste _sparse__contrib_sign_ste", "sign")


@mx_function("_contrib_gradientmultiplier")
def gradient_multiplier(data: Any, *, scalar: float = 1.0, is_int: bool = True) -> Any:
    """Return `data`; its gradient is multiplied by `scalar`."""
    scaled = data * scalar
    return F.stop_gradient(data - scaled) + scaled


@mx_function("_identity_with_attr_like_rhs")
def identity_like(lhs: Any, rhs: Any) -> Any:
    """Return `lhs`."""
    return F.identity(lhs)


@mx_function("_copyto _npi_copyto")
def copyto(data: Any) -> Any:
    """Return a copy."""
    return F.identity(data)


# ---- solvers ---------------------------------------------------------------------------------
@mx_function("_npi_pinv")
def pinv(A: Any, rcond: Any, *, hermitian: bool = False) -> Any:
    """Return the pseudo-inverse; the cut-off must be known while tracing."""
    cut = rcond.numpy_content("pinv: reading rcond")
    return F.pinv(A, rcond=float(np.max(cut)), hermitian=hermitian)


@mx_function("_npi_tensorinv")
def tensorinv(a: Any, *, ind: int = 2) -> Any:
    """Return the inverse of `a` as a map of its last axes to its first `ind`."""
    lead, tail = a.shape[:ind], a.shape[ind:]
    flat = F.inv(F.reshape(a, shape=(prod(lead), prod(tail))))
    return F.reshape(flat, shape=(*tail, *lead))


@mx_function("_npi_tensorsolve")
def tensorsolve(a: Any, b: Any, *, a_axes: Ints = ()) -> Any:
    """Solve ``tensordot(a, x) = b``."""
    if a_axes:
        moved = [normalize_axis(i, a.ndim) for i in a_axes]
        a = F.transpose(a, axes=(*[i for i in range(a.ndim) if i not in moved], *moved))
    tail = a.shape[b.ndim :]
    n = prod(tail)
    flat = F.solve(F.reshape(a, shape=(prod(b.shape), n)), F.reshape(b, shape=(-1,)))
    return F.reshape(flat, shape=tail)


@mx_function("_npi_matrix_rank_none_tol")
def matrix_rank(
    M: Any, *, finfoEps32: float = 0.0, finfoEps64: float = 0.0, hermitian: bool = False
) -> Any:
    """Return how many singular values count, by NumPy's threshold."""
    values = F.svd_values(M)
    eps = float(np.finfo(values.dtype).eps)
    rows, columns = M.shape[-2:]
    tol = F.max(values, axis=-1, keepdims=True) * (max(int(rows), int(columns)) * eps)
    return F.count_nonzero(F.greater(values, tol), axis=-1)


@mx_function("_npi_matrix_rank")
def matrix_rank_tol(M: Any, tol: Any, *, hermitian: bool = False) -> Any:
    """Return how many singular values are above `tol`."""
    values = F.svd_values(M)
    limit = F.expand_dims(tol, axis=-1) if tol.ndim else tol
    return F.count_nonzero(F.greater(values, limit), axis=-1)


@mx_function("_npi_lstsq")
def lstsq(
    A: Any,
    B: Any,
    *,
    rcond: float = -1.0,
    finfoEps32: float = 0.0,
    finfoEps64: float = 0.0,
    new_default: bool = False,
) -> Any:
    """Return the least-squares solution, residuals, rank and singular values."""
    if new_default:
        eps = finfoEps64 if A.dtype == dtypes.float64 else finfoEps32
        rcond = eps * max(int(n) for n in A.shape)
    return F.lstsq(A, B, rcond=rcond)
