"""MXNet 2.0's names that are compositions: creation, stacks, diagonals, statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError
from symgluon.ir.attrs import Axes, DType, Floats, Ints, Shape
from symgluon.ir.types import normalize_axis
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
    num: int | None = None,
    endpoint: bool = True,
    dtype: DType | None = None,
) -> Any:
    """1.x: files have the number of points as `num`, some as `step`; `repeat` times each."""
    points = int(step) if num is None else num
    end = start if stop is None else stop
    row = F.linspace(
        start=start, stop=end, num=points, endpoint=endpoint, dtype=dtypes.resolve(dtype)
    )
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

    window.__doc__ = f"Return the {name.capitalize()} window of `M` points."


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

    atleast.__doc__ = f"Give arrays at least {rank} axes."


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

    splitter.__doc__ = "Split into equal parts, or before the places `indices`."


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
