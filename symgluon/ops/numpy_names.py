"""MXNet 2.0's names that are compositions: creation, stacks, edits, places, solvers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Axes, DType, Floats, Ints, OptionalInts, Shape
from symgluon.ir.types import normalize_axis, prod
from symgluon.ops.apply import F
from symgluon.ops.mx import cast_to, mx_function


# ---- creation --------------------------------------------------------------------------------
@mx_function("_eye")
def eye(*, N: int, M: int = 0, k: int = 0, dtype: DType | None = None) -> Any:
    """Return ones on a diagonal; ``M = 0`` means a square."""
    return F.eye(N=N, M=M or N, k=k, dtype=dtypes.resolve(dtype))


@mx_function("_npi_eye")
def np_eye(*, N: int, M: int | None = None, k: int = 0, dtype: DType | None = None) -> Any:
    """Return ones on a diagonal."""
    return F.eye(N=N, M=M, k=k, dtype=dtypes.resolve(dtype))


@mx_function("_npi_identity")
def identity(*, shape: Shape = (), dtype: DType | None = None) -> Any:
    """Return the identity matrix."""
    return F.eye(N=shape[0], M=shape[-1], dtype=dtypes.resolve(dtype))


@mx_function("_npi_tri")
def tri(*, N: int, M: int | None = None, k: int = 0, dtype: DType = dtypes.float32) -> Any:
    """Return ones at and below a diagonal."""
    return F.tri(N=N, M=M, k=k, dtype=dtype)


@mx_function("_npi_indices")
def indices(*, dimensions: Shape, dtype: DType | None = None) -> Any:
    """Return the coordinates of a grid."""
    return F.indices(dimensions=dimensions, dtype=dtypes.int64 if dtype is None else dtype)


@mx_function("_linspace")
def linspace(
    *,
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool = False,
    dtype: DType | None = None,
) -> Any:
    """1.x: `step` holds the number of points, `repeat` times each."""
    num = int(step)
    end = start if stop is None else stop
    row = F.linspace(start=start, stop=end, num=num, dtype=dtypes.resolve(dtype))
    return row if repeat == 1 else F.repeat(row, repeats=repeat, axis=0)


@mx_function("_npi_linspace")
def np_linspace(
    *,
    num: int,
    start_double: float = 0.0,
    stop_double: float = 0.0,
    start_int: int = 0,
    stop_int: int = 0,
    start_uint: int = 0,
    stop_uint: int = 0,
    start: float | None = None,
    stop: float | None = None,
    endpoint: bool = True,
    dtype: DType | None = None,
    value_type: int = 0,
) -> Any:
    """Return evenly spaced numbers; `value_type` says which pair of bounds counts."""
    pairs = ((start_double, stop_double), (start_int, stop_int), (start_uint, stop_uint))
    low, high = pairs[value_type] if start is None else (start, start if stop is None else stop)
    return F.linspace(start=float(low), stop=float(high), num=num, endpoint=endpoint,
                      dtype=dtypes.resolve(dtype))  # fmt: skip


@mx_function("_npi_logspace")
def logspace(
    *,
    start: float,
    stop: float,
    num: int,
    endpoint: bool = True,
    base: float = 10.0,
    dtype: DType | None = None,
) -> Any:
    """Return numbers evenly spaced on a logarithmic scale."""
    return F.logspace(start=start, stop=stop, num=num, endpoint=endpoint, base=base,
                      dtype=dtypes.resolve(dtype))  # fmt: skip


def _window(name: str) -> None:
    @mx_function(f"_npi_{name}")
    def window(*, M: int | None = None, dtype: DType | None = None) -> Any:
        return getattr(F, name)(M=0 if M is None else M, dtype=dtypes.resolve(dtype))


for _name in ("hanning", "hamming", "blackman"):
    _window(_name)


@mx_function("_npi_tril_indices")
def tril_indices(*, n: int, m: int, k: int = 0) -> Any:
    """Return rows and columns of the lower triangle."""
    return tuple(F.identity(i.astype(np.int64)) for i in np.tril_indices(n, k, m))


@mx_function("_npi_diag_indices_from")
def diag_indices_from(data: Any) -> Any:
    """Return the coordinates of the main diagonal, one row an axis."""
    n = data.shape[0]
    row = F.arange(start=0, stop=n, step=1, dtype="int64")
    return F.broadcast_to(F.expand_dims(row, axis=0), shape=(data.ndim, n))


@mx_function("_zeros_without_dtype")
def zeros_without_dtype(*, shape: Shape, dtype: int = -1) -> Any:
    """Return zeros; -1 is float32."""
    kind = dtypes.float32 if dtype < 0 else dtypes.from_mx_code(dtype)
    return F.full(np.zeros((), kind), shape=shape)


# ---- stacks ----------------------------------------------------------------------------------
def at_least(x: Any, rank: int) -> Any:
    """Give `x` at least `rank` axes, as NumPy's ``atleast_nd`` places them."""
    missing = rank - x.ndim
    if missing <= 0:
        return x
    if rank == 3:
        places = {0: (0, 1, 2), 1: (0, 2), 2: (2,)}[x.ndim]
        return F.expand_dims(x, axis=places)
    return F.expand_dims(x, axis=tuple(range(missing)))


def _atleast(rank: int) -> None:
    @mx_function(f"_npi_atleast_{rank}d _np_atleast_{rank}d")
    def atleast(*arys: Any) -> Any:
        return tuple(F.identity(at_least(x, rank)) for x in arys)


for _rank in (1, 2, 3):
    _atleast(_rank)


@mx_function("_npi_hstack")
def hstack(*data: Any, dim: int | None = 1) -> Any:
    """Join along the second axis (the first of vectors)."""
    parts = [at_least(x, 1) for x in data]
    return F.concatenate(*parts, axis=0 if parts[0].ndim == 1 else 1)


@mx_function("_npi_vstack")
def vstack(*data: Any) -> Any:
    """Join as rows."""
    return F.concatenate(*[at_least(x, 2) for x in data], axis=0)


@mx_function("_npi_dstack")
def dstack(*data: Any, dim: int | None = 1) -> Any:
    """Join along the third axis."""
    return F.concatenate(*[at_least(x, 3) for x in data], axis=2)


@mx_function("_npi_column_stack")
def column_stack(*data: Any) -> Any:
    """Join vectors as columns."""
    parts = [x if x.ndim > 1 else F.reshape(x, shape=(-1, 1)) for x in data]
    return F.concatenate(*parts, axis=1)


def _splitter(name: str, default: int) -> None:
    @mx_function(name)
    def splitter(
        data: Any,
        *,
        indices: Ints = (),
        axis: int = default,
        squeeze_axis: bool = False,
        sections: int = 0,
    ) -> Any:
        # MXNet lists the start, 0, among the places to cut at
        cuts = indices[1:] if indices and indices[0] == 0 else indices
        return F.split(data, indices=cuts, sections=sections, axis=axis, squeeze=squeeze_axis)


_splitter("_npi_hsplit", 1)
_splitter("_npi_dsplit", 2)


# ---- diagonals and triangles -----------------------------------------------------------------
@mx_function("diag")
def diag(data: Any, *, k: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return a vector as a diagonal matrix, else the diagonal of a plane."""
    if data.ndim == 1:
        return F.make_diag(data, offset=k)
    return F.diagonal(data, offset=k, axis1=axis1, axis2=axis2)


@mx_function("_npi_diagflat _np_diagflat")
def diagflat(data: Any, *, k: int = 0) -> Any:
    """Return the flattened array as a diagonal matrix."""
    return F.make_diag(F.reshape(data, shape=(-1,)), offset=k)


@mx_function("_npi_trace _np_trace")
def trace(data: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the sum of a diagonal."""
    return F.sum(F.diagonal(data, offset=offset, axis1=axis1, axis2=axis2), axis=-1)


@mx_function("_npi_fill_diagonal")
def fill_diagonal(a: Any, *, val: Floats, wrap: bool = False) -> Any:
    """Return `a` with `val` (repeated) on its main diagonal; `wrap`: again below it."""
    shape = [int(n) for n in a.shape]
    numbers = np.zeros(shape, a.dtype)
    chosen = np.zeros(shape, bool)
    np.fill_diagonal(numbers, np.asarray(val).astype(a.dtype), wrap)
    np.fill_diagonal(chosen, True, wrap)
    return F.where(chosen, numbers, a)


# ---- differences and polynomials -------------------------------------------------------------
@mx_function("_npi_diff")
def diff(a: Any, *, n: int = 1, axis: int = -1) -> Any:
    """Return differences of neighbours, `n` times."""
    lead = (slice(None),) * normalize_axis(axis, a.ndim)
    for _ in range(n):
        a = F.index(a, index=(*lead, slice(1, None))) - F.index(a, index=(*lead, slice(None, -1)))
    return a if n else F.identity(a)


@mx_function("_npi_ediff1d")
def ediff1d(
    input1: Any,
    input2: Any = None,
    input3: Any = None,
    *,
    to_begin_arr_given: bool = False,
    to_end_arr_given: bool = False,
    to_begin_scalar: float | None = None,
    to_end_scalar: float | None = None,
) -> Any:
    """Return differences of the flattened array, with numbers before and after."""
    arrays = [x for x in (input2, input3) if x is not None]
    flat = F.reshape(input1, shape=(-1,))
    parts = [F.index(flat, index=(slice(1, None),)) - F.index(flat, index=(slice(None, -1),))]
    if to_begin_arr_given:
        parts.insert(0, F.reshape(cast_to(arrays.pop(0), input1.dtype), shape=(-1,)))
    elif to_begin_scalar is not None:
        parts.insert(0, np.asarray([to_begin_scalar]).astype(input1.dtype))
    if to_end_arr_given:
        parts.append(F.reshape(cast_to(arrays.pop(0), input1.dtype), shape=(-1,)))
    elif to_end_scalar is not None:
        parts.append(np.asarray([to_end_scalar]).astype(input1.dtype))
    return F.concatenate(*parts, axis=0)


@mx_function("_npi_cross")
def cross(a: Any, b: Any, *, axisa: int = -1, axisb: int = -1, axisc: int = -1) -> Any:
    """Return the vector product of 3-vectors, or (a number) of 2-vectors."""
    a = F.moveaxis(a, source=axisa, destination=-1)
    b = F.moveaxis(b, source=axisb, destination=-1)

    def part(x: Any, i: int) -> Any:
        if i >= int(x.shape[-1]):
            return np.zeros((), x.dtype)
        return F.index(x, index=(*(slice(None),) * (x.ndim - 1), i))

    def minor(i: int, j: int) -> Any:
        return F.multiply(part(a, i), part(b, j)) - F.multiply(part(a, j), part(b, i))

    if int(a.shape[-1]) == 2 and int(b.shape[-1]) == 2:
        return minor(0, 1)
    found = F.stack(minor(1, 2), minor(2, 0), minor(0, 1), axis=-1)
    return F.moveaxis(found, source=-1, destination=axisc)


@mx_function("_npi_polyval")
def polyval(p: Any, x: Any) -> Any:
    """Return the value of a polynomial, highest power first."""
    total = F.zeros_like(x)
    for i in range(int(p.shape[0])):
        total = total * x + F.index(p, index=(i,))
    return total


@mx_function("_contrib_quadratic")
def quadratic(data: Any, *, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Any:
    """Return ``a x^2 + b x + c``."""
    return (data * a + b) * data + c


@mx_function("_npi_interp")
def interp(
    xp: Any,
    fp: Any,
    x: Any = None,
    *,
    left: float | None = None,
    right: float | None = None,
    period: float | None = None,
    x_scalar: float = 0.0,
    x_is_scalar: bool = False,
) -> Any:
    """Return the piecewise linear function through (xp, fp) at `x`, in float64."""
    if period is not None:
        raise AttributeValueError(f"interp: period={period} is not supported")
    kind = dtypes.float64
    xp, fp = cast_to(xp, kind), cast_to(fp, kind)
    x = np.asarray(x_scalar, kind) if x_is_scalar else cast_to(x, kind)
    n = int(xp.shape[0])
    x = F.identity(x)
    high = F.clip(F.searchsorted(xp, x, side="right"), a_min=1, a_max=max(n - 1, 1))
    low = high - 1
    x0, y0 = F.take(xp, low), F.take(fp, low)
    if n == 1:
        return F.broadcast_to(F.index(fp, index=(0,)), shape=x.shape)
    slope = (F.take(fp, high) - y0) / (F.take(xp, high) - x0)
    ends = F.index(xp, index=(0,)), F.index(xp, index=(-1,))
    outside = F.index(fp, index=(0,)), F.index(fp, index=(-1,))
    below = outside[0] if left is None else np.asarray(left, kind)
    above = outside[1] if right is None else np.asarray(right, kind)
    y = y0 + slope * (x - x0)
    y = F.where(F.less(x, ends[0]), below, y)
    return F.where(F.greater(x, ends[1]), above, F.where(F.equal(x, ends[1]), outside[1], y))


# ---- products --------------------------------------------------------------------------------
@mx_function("_npi_tensordot")
def tensordot(a: Any, b: Any, *, a_axes_summed: Ints, b_axes_summed: Ints) -> Any:
    """Sum over pairs of axes."""
    return F.tensordot(a, b, a_axes=a_axes_summed, b_axes=b_axes_summed)


@mx_function("_npi_tensordot_int_axes")
def tensordot_int_axes(a: Any, b: Any, *, axes: int) -> Any:
    """Sum over the last `axes` of `a` and the first of `b`."""
    last = tuple(range(a.ndim - axes, a.ndim))
    return F.tensordot(a, b, a_axes=last, b_axes=tuple(range(axes)))


# ---- statistics ------------------------------------------------------------------------------
@mx_function("_npi_percentile")
def percentile(
    a: Any,
    q: Any = None,
    *,
    axis: Axes = None,
    interpolation: str = "linear",
    keepdims: bool = False,
    q_scalar: float | None = None,
) -> Any:
    """Return percentiles; those in an array must be known while tracing."""
    if q_scalar is None:
        values = np.asarray(q.numpy_content("percentile: reading q"))
    else:
        values = np.asarray(q_scalar)
    points = tuple(float(v) for v in values.reshape(-1))
    axis = None if axis == () else axis
    y = F.percentile(a, q=points, axis=axis, interpolation=interpolation, keepdims=keepdims)
    return F.reshape(y, shape=(*values.shape, *y.shape[1:]))


@mx_function("moments")
def moments(data: Any, *, axes: Axes = None, keepdims: bool = False) -> Any:
    """Return mean and variance."""
    over = None if axes == () else axes
    mean = F.mean(data, axis=over, keepdims=keepdims)
    return mean, F.var(data, axis=over, keepdims=keepdims)


@mx_function("all_finite _npi_all_finite")
def all_finite(data: Any, *, init_output: bool = True) -> Any:
    """Return [1] if every element is finite, else [0], in float32."""
    return F.reshape(F.cast(F.all(F.isfinite(data)), dtype="float32"), shape=(1,))


@mx_function("multi_all_finite _npi_multi_all_finite")
def multi_all_finite(*data: Any, num_arrays: int = 1, init_output: bool = True) -> Any:
    """`all_finite` of several arrays."""
    flags = [F.all(F.isfinite(x)) for x in data]
    return F.reshape(F.cast(F.all(F.stack(*flags)), dtype="float32"), shape=(1,))


@mx_function("multi_sum_sq")
def multi_sum_sq(*data: Any, num_arrays: int = 1, scale: float = 1.0) -> Any:
    """Return the sum of squares of each array, times `scale`, in float32."""
    sums = [F.sum(F.square(cast_to(x, dtypes.float32))) * scale for x in data]
    return F.stack(*sums)


@mx_function("_contrib_allclose")
def allclose(
    a: Any, b: Any, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = True
) -> Any:
    """Return whether all elements are close, as uint8."""
    near = F.less_equal(F.abs(a - b), F.abs(b) * rtol + atol)
    near = F.logical_or(near, F.equal(a, b))
    if equal_nan:
        near = F.logical_or(near, F.logical_and(F.isnan(a), F.isnan(b)))
    return F.cast(F.all(near), dtype="uint8")


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
