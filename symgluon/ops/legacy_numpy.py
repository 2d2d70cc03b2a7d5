"""MXNet 2.0's ``_npi_*`` names that are compositions, and a few of 1.x."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ir.attrs import Axes, Floats, Ints
from symgluon.ops.apply import F
from symgluon.ops.mx import cast_to, mx_function


# ---- joining and splitting ----------------------------------------------------------------------------
def _at_least(x: Any, rank: int) -> Any:
    if x.ndim >= rank:
        return F.identity(x)
    if rank == 3:
        if x.ndim == 1:
            return F.reshape(x, shape=(1, *x.shape, 1))
        return F.reshape(x, shape=(*x.shape, *(1,) * (3 - x.ndim)))
    return F.reshape(x, shape=(*(1,) * (rank - x.ndim), *x.shape))


def _declare_at_least(rank: int) -> None:
    @mx_function(f"_npi_atleast_{rank}d _np_atleast_{rank}d")
    def at_least(*arys: Any) -> Any:
        return tuple(_at_least(x, rank) for x in arys)


for _rank in (1, 2, 3):
    _declare_at_least(_rank)


@mx_function("_npi_vstack")
def vstack(*data: Any) -> Any:
    """Stack row-wise."""
    return F.concatenate(*[_at_least(x, 2) for x in data], axis=0)


@mx_function("_npi_hstack")
def hstack(*data: Any, dim: int = 1) -> Any:
    """Stack along the second axis (the first of 1-d arrays)."""
    parts = [_at_least(x, 1) for x in data]
    return F.concatenate(*parts, axis=0 if parts[0].ndim == 1 else 1)


@mx_function("_npi_dstack")
def dstack(*data: Any, dim: int = 2) -> Any:
    """Stack along the third axis."""
    return F.concatenate(*[_at_least(x, 3) for x in data], axis=2)


@mx_function("_npi_column_stack")
def column_stack(*data: Any) -> Any:
    """Stack 1-d arrays as columns."""
    parts = [x if x.ndim > 1 else F.reshape(x, shape=(-1, 1)) for x in data]
    return F.concatenate(*parts, axis=1)


def _parts(data: Any, indices: Any, axis: int, squeeze: bool, sections: int) -> Any:
    cuts = () if sections else tuple(indices)[1:]
    return F.split(data, indices=cuts, sections=sections, axis=axis, squeeze=squeeze)


@mx_function("_npi_hsplit")
def hsplit(
    data: Any, *, indices: Ints = (), axis: int = 1, squeeze_axis: bool = False, sections: int = 0
) -> Any:
    """Split along the second axis (the first of 1-d arrays)."""
    return _parts(data, indices, 1 if data.ndim > 1 else 0, squeeze_axis, sections)


@mx_function("_npi_dsplit")
def dsplit(
    data: Any, *, indices: Ints = (), axis: int = 2, squeeze_axis: bool = False, sections: int = 0
) -> Any:
    """Split along the third axis."""
    return _parts(data, indices, 2, squeeze_axis, sections)


# ---- deleting and inserting -----------------------------------------------------------------------------
def _flat(x: Any, axis: int | None) -> tuple[Any, int]:
    return (F.reshape(x, shape=(-1,)), 0) if axis is None else (x, axis % x.ndim)


def _selected(
    n: int, obj: Any, start: Any, stop: Any, step: Any, int_ind: Any
) -> Any:
    if obj is not None:
        return obj.numpy_content("a list of places").astype(np.int64)
    return int_ind if int_ind is not None else np.arange(n)[slice(start, stop, step)]


@mx_function("_npi_delete")
def delete(
    arr: Any, obj: Any = None, *, start: int | None = None, stop: int | None = None,
    step: int | None = None, int_ind: int | None = None, axis: int | None = None,
) -> Any:  # fmt: skip
    """Leave out the places that `obj`, an int or a slice names."""
    x, axis = _flat(arr, axis)
    n = int(x.shape[axis])
    left = np.delete(np.arange(n), _selected(n, obj, start, stop, step, int_ind))
    return F.take(x, left, axis=axis, mode="clip")


@mx_function("_npi_insert_scalar _npi_insert_slice _npi_insert_tensor")
def insert(
    arr: Any, values: Any = None, obj: Any = None, *, val: float | None = None,
    start: int | None = None, stop: int | None = None, step: int | None = None,
    int_ind: int | None = None, axis: int | None = None,
) -> Any:  # fmt: skip
    """Insert `values` before the places that `obj`, an int or a slice names."""
    x, axis = _flat(arr, axis)
    if val is not None and obj is None and values is not None:
        values, obj = None, values
    n = int(x.shape[axis])
    at = np.atleast_1d(_selected(n, obj, start, stop, step, int_ind))
    value = np.asarray(val).astype(x.dtype) if values is None else cast_to(values, x.dtype)
    count = len(at)
    if len(at) == 1 and value.ndim == x.ndim:
        count = int(value.shape[0] if int_ind is not None else value.shape[axis])
        if int_ind is not None and axis:
            value = F.moveaxis(value, source=(0,), destination=(axis,))
    elif value.ndim and value.ndim < x.ndim:
        value = F.expand_dims(value, axis=axis)
    places = np.where(at < 0, at + n, at)
    order = np.insert(
        np.arange(n), places if len(places) > 1 else int(places[0]), np.arange(n, n + count)
    )
    shape = [*x.shape]
    shape[axis] = count
    both = F.concatenate(x, F.broadcast_to(value, shape=tuple(shape)), axis=axis)
    return F.take(both, order, axis=axis, mode="clip")


# ---- linear algebra -------------------------------------------------------------------------------------
@mx_function("_npi_trace _np_trace")
def trace(data: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum of a diagonal."""
    return F.sum(F.diagonal(data, offset=offset, axis1=axis1, axis2=axis2), axis=-1)


@mx_function("diag")
def diag(data: Any, *, k: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """A diagonal, or a matrix with the vector `data` on it."""
    if data.ndim == 1:
        return F.diag(data, k=k)
    return F.diagonal(data, offset=k, axis1=axis1, axis2=axis2)


@mx_function("_npi_diagflat _np_diagflat")
def diagflat(data: Any, *, k: int = 0) -> Any:
    """A matrix with the flattened `data` on a diagonal."""
    return F.diag(F.reshape(data, shape=(-1,)), k=k)


@mx_function("_npi_tensordot")
def tensordot(a: Any, b: Any, *, a_axes_summed: Ints, b_axes_summed: Ints) -> Any:
    """Product summed over pairs of axes."""
    return F.tensordot(a, b, a_axes=a_axes_summed, b_axes=b_axes_summed)


@mx_function("_npi_tensordot_int_axes")
def tensordot_int_axes(a: Any, b: Any, *, axes: int) -> Any:
    """Product summed over the last axes of `a` and the first of `b`."""
    first = tuple(range(a.ndim - axes, a.ndim))
    return F.tensordot(a, b, a_axes=first, b_axes=tuple(range(axes)))


@mx_function("_npi_cross")
def cross(a: Any, b: Any, *, axisa: int = -1, axisb: int = -1, axisc: int = -1) -> Any:
    """Cross product of vectors of 2 or 3 elements."""
    a = F.moveaxis(a, source=(axisa,), destination=(-1,))
    b = F.moveaxis(b, source=(axisb,), destination=(-1,))

    def part(x: Any, i: int) -> Any:
        return F.index(x, index=(*(slice(None),) * (x.ndim - 1), i))

    def minor(i: int, j: int) -> Any:
        def product(x: int, y: int) -> Any:
            inside = x < a.shape[-1] and y < b.shape[-1]
            return F.multiply(part(a, x), part(b, y)) if inside else None

        first, second = product(i, j), product(j, i)
        if first is None:
            return F.negative(second)
        return first if second is None else F.subtract(first, second)

    if a.shape[-1] == 2 and b.shape[-1] == 2:
        return minor(0, 1)
    found = F.stack(minor(1, 2), minor(2, 0), minor(0, 1), axis=-1)
    return F.moveaxis(found, source=(-1,), destination=(axisc,))


@mx_function("_npi_cholesky")
def cholesky(A: Any, *, lower: bool = True) -> Any:
    """Lower or upper Cholesky factor."""
    factor = F.cholesky(A)
    return factor if lower else F.swapaxes(factor, axis1=-2, axis2=-1)


@mx_function("_npi_rot90")
def rot90(data: Any, *, k: int = 1, axes: Ints = (0, 1)) -> Any:
    """Rotation by 90 degrees."""
    return F.rot90(data, k=k, axes=axes)


# ---- sums and statistics ------------------------------------------------------------------------------
@mx_function("_npi_diff")
def diff(a: Any, *, n: int = 1, axis: int = -1) -> Any:
    """The n-th differences of neighbours."""
    lead = (slice(None),) * (axis % a.ndim)
    for _ in range(n):
        a = F.subtract(
            F.index(a, index=(*lead, slice(1, None))), F.index(a, index=(*lead, slice(None, -1)))
        )
    return a


@mx_function("_npi_ediff1d")
def ediff1d(
    input1: Any, input2: Any = None, input3: Any = None, *, to_begin_arr_given: bool = False,
    to_end_arr_given: bool = False, to_begin_scalar: float | None = None,
    to_end_scalar: float | None = None,
) -> Any:  # fmt: skip
    """Differences of neighbours of the flattened array, with values around them."""
    queue = [x for x in (input2, input3) if x is not None]
    parts = [diff(F.reshape(input1, shape=(-1,)))]
    begin = queue.pop(0) if to_begin_arr_given else to_begin_scalar
    end = queue.pop(0) if to_end_arr_given else to_end_scalar
    for value, place in ((begin, 0), (end, len(parts))):
        if value is not None:
            array = np.asarray(value, input1.dtype) if isinstance(value, float) else value
            parts.insert(place if place == 0 else len(parts), F.reshape(array, shape=(-1,)))
    return F.concatenate(*parts, axis=0)


@mx_function("_npi_percentile")
def percentile(
    a: Any, q: Any = None, *, axis: Axes = None, interpolation: str = "linear",
    keepdims: bool = False, q_scalar: float | None = None,
) -> Any:  # fmt: skip
    """Percentiles of the elements over `axis`."""
    points: Floats
    if q_scalar is not None:
        points, single = (q_scalar,), True
    else:
        numbers = q.numpy_content("percentile")
        points, single = tuple(float(v) for v in numbers.reshape(-1)), numbers.ndim == 0
    found = F.percentile(a, q=points, axis=axis, interpolation=interpolation, keepdims=keepdims)
    return F.index(found, index=(0,)) if single else found


@mx_function("moments")
def moments(data: Any, *, axes: Ints | None = None, keepdims: bool = False) -> Any:
    """Mean and variance over `axes`."""
    return (
        F.mean(data, axis=axes, keepdims=keepdims),
        F.var(data, axis=axes, keepdims=keepdims),
    )


@mx_function("_square_sum:rank1")
def square_sum(data: Any, *, axis: Axes = None, keepdims: bool = False) -> Any:
    """Sum of squares over `axis`."""
    return F.sum(F.square(data), axis=axis, keepdims=keepdims)


@mx_function("multi_sum_sq")
def multi_sum_sq(*data: Any, num_arrays: int = 0, scale: float = 1.0) -> Any:
    """Sum of squares of each array, as a vector."""
    sums = [F.sum(F.square(F.multiply(F.cast(x, dtype="float32"), scale))) for x in data]
    return F.stack(*sums, axis=0)


@mx_function("all_finite multi_all_finite _npi_all_finite _npi_multi_all_finite")
def all_finite(*data: Any, init_output: bool = True, num_arrays: int = 1) -> Any:
    """One where every element of every array is finite, else zero."""
    each = [F.all(F.isfinite(x)) for x in data]
    return F.reshape(F.cast(F.all(F.stack(*each, axis=0)), dtype="float32"), shape=(1,))


@mx_function("_npi_polyval")
def polyval(p: Any, x: Any) -> Any:
    """Value of a polynomial, the highest coefficient first."""
    result = F.zeros_like(x)
    for i in range(int(p.shape[0])):
        result = F.add(F.multiply(result, x), F.index(p, index=(i,)))
    return result


# ---- elementwise and the rest ------------------------------------------------------------------------
@mx_function("_contrib_quadratic")
def quadratic(data: Any, *, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Any:
    """``a x^2 + b x + c``."""
    return F.add(F.multiply(F.add(F.multiply(data, a), b), data), c)


@mx_function("_contrib_allclose")
def allclose(
    a: Any, b: Any, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = True
) -> Any:
    """One where ``|a - b| <= atol + rtol |b|`` everywhere, else zero."""
    close = F.less_equal(F.abs(F.subtract(a, b)), F.add(F.multiply(F.abs(b), rtol), atol))
    close = F.logical_or(close, F.equal(a, b))
    if equal_nan:
        close = F.logical_or(close, F.logical_and(F.isnan(a), F.isnan(b)))
    return F.reshape(F.cast(F.all(close), dtype="float32"), shape=(1,))


@mx_function("_identity_with_attr_like_rhs")
def identity_like(lhs: Any, rhs: Any) -> Any:
    """The first operand."""
    return F.identity(lhs)


@mx_function("cast_storage _sparse_cast_storage")
def cast_storage(data: Any, *, stype: str = "default") -> Any:
    """The operand: all storage is dense."""
    if stype != "default":
        raise AttributeValueError(
            f"cast_storage: storage {stype!r} is not supported", expected="default (dense)"
        )
    return F.identity(data)


@mx_function("_scatter_elemwise_div")
def scatter_divide(lhs: Any, rhs: Any) -> Any:
    """Quotient of two arrays of one shape."""
    return F.true_divide(lhs, rhs)


@mx_function("reset_arrays")
def reset_arrays(*data: Any, num_arrays: int = 0) -> Any:
    """Fill the arrays with zeros, in place."""
    for x in data:
        x._assign(F.zeros_like(x))
    return ()


@mx_function("_npx_constraint_check")
def constraint_check(input: Any, *, msg: str = "Constraint violated.") -> Any:
    """True where all elements are true, else an error with `msg`."""
    if not input.numpy_content("constraint_check").all():
        raise AttributeValueError(msg)
    return F.all(input)
