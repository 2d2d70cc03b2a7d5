"""Creating arrays: `array`, `zeros`, `arange` and the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.device import Device, current_device, usable
from symgluon.errors import AttributeValueError
from symgluon.ir.attrs import has_dims
from symgluon.ir.dims import Dim
from symgluon.ndarray.dlpack import content_of
from symgluon.ndarray.ndarray import refuse_unknown
from symgluon.numpy.multiarray import as_array, finish, ndarray
from symgluon.ops.apply import F
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state

__all__ = [
    "arange", "array", "asarray", "blackman", "copy", "diag", "diagflat", "empty",
    "empty_like", "eye", "from_dlpack", "full", "full_like", "hamming", "hanning", "identity",
    "indices", "linspace", "logspace", "meshgrid", "ones", "ones_like", "tri", "tril",
    "tril_indices", "triu", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip


# ---- from numbers ------------------------------------------------------------------------------
def constant(numbers: np.ndarray, device: Device | None = None) -> Any:
    """Return an array of `numbers` (owned by the caller no more); a constant inside a trace."""
    region = state.region
    if region is not None:
        result = wrap(region.graph.add_constant(numbers), ndarray)
    else:
        result = wrap(numbers, ndarray)
        result._owned = True
    return on(result, device)


def on(result: Any, device: Device | None) -> Any:
    """Label a new array with its device (the current one by default)."""
    if device is None:
        device = current_device()
        if device.device_id == 0 and device.device_type == "cpu":
            return result
    elif not isinstance(device, Device):
        kind, _, number = str(device).rstrip(")").partition("(")
        device = Device(kind, int(number or 0))
    result._device = usable(device)
    return result


def _pick(device: Any, kwargs: dict[str, Any], name: str) -> Any:
    """Return the device, also by its 1.x name `ctx`."""
    ctx = kwargs.pop("ctx", None)
    refuse_unknown(name, kwargs)
    return ctx if device is None else device


def _has_symbols(obj: Any) -> bool:
    if isinstance(obj, list | tuple):
        return any(_has_symbols(o) for o in obj)
    return isinstance(obj, Dim) or (
        isinstance(obj, Array)
        and (state.region is not None or (state.recording and obj._node is not None))
    )


def _stacked(obj: Any, dtype: Any) -> Any:
    """Build an array of nested lists that hold arrays or symbolic dimensions."""
    if isinstance(obj, list | tuple):
        parts = [_stacked(o, dtype) for o in obj]
        return F.stack(*parts, axis=0)
    x = obj if isinstance(obj, Array) else as_array(obj)
    return x if dtype is None or x.dtype == dtype else F.cast(x, dtype=dtype)


def _numbers(obj: Any, dtype: Any) -> np.ndarray:
    if isinstance(obj, list | tuple):
        obj = [o.numpy_content() if isinstance(o, Array) else o for o in obj]
        if any(isinstance(o, list | tuple) for o in obj):
            obj = [_numbers(o, None) if isinstance(o, list | tuple) else o for o in obj]
    numbers = np.array(obj)
    if numbers.dtype == object:
        raise TypeError("array expects numbers in nested lists of equal lengths")
    target = dtypes.default_float() if dtype is None else dtypes.resolve(dtype)
    return numbers.astype(target, copy=False)


def array(object: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Return a new array with the content of `object`.

    Parameters
    ----------
    object : array, number or nested lists
        The content.
    dtype : dtype, optional
        By default that of an `mx.np` array, for everything else (NumPy arrays of integers too)
        the default float, as in MXNet.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array
        A new one.

    Notes
    -----
    Source: MXNet's ``mx.np.array``.
    """
    device = _pick(device, kwargs, "array")
    if isinstance(object, Array):
        result = F.cast(object, dtype=object.dtype if dtype is None else dtype)
        return on(finish(result), device or object._device)
    if _has_symbols(object):
        target = dtypes.default_float() if dtype is None else dtypes.resolve(dtype)
        return on(finish(_stacked(object, target)), device)
    return constant(_numbers(object, dtype), device)


def asarray(obj: Any, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    """Return `obj` as an array, without a copy where it is one of that dtype already.

    Parameters
    ----------
    obj : array, number or nested lists
        The content.
    dtype : dtype, optional
        As of `array`.
    device : Device, optional
        Of the result; the current one if left out.
    copy : bool, optional
        Copy in any case.

    Returns
    -------
    array
        `obj` itself where nothing is to be done.

    Notes
    -----
    Source: MXNet's ``mx.np.asarray``.
    """
    if isinstance(obj, ndarray) and not copy and (dtype is None or obj.dtype == np.dtype(dtype)):
        return obj if device is None else obj.as_in_ctx(device)
    return array(obj, dtype, device)


def copy(a: Any, out: Any = None) -> Any:
    """Return a copy of `a`.

    Parameters
    ----------
    a : array of any shape and dtype
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape and dtype of `a`.

    Notes
    -----
    Source: MXNet's ``mx.np.copy``.
    """
    return finish(F.identity(as_array(a)), a, out)


def from_dlpack(x: Any) -> Any:
    """Return an array with the content of any object that speaks DLPack (copied).

    Parameters
    ----------
    x : object
        Has ``__dlpack__``, or is a capsule of data on the CPU, which can be read once.

    Returns
    -------
    array
        The result.

    Notes
    -----
    Source: MXNet's ``mx.np.from_dlpack``.
    """
    return constant(content_of(x))


# ---- filled ------------------------------------------------------------------------------------
def _shape(shape: Any) -> tuple[Any, ...]:
    if isinstance(shape, Dim | int | np.integer):
        return (shape,)
    if isinstance(shape, Array):
        return tuple(shape.numpy_content().reshape(-1).tolist())
    return tuple(shape)


def filled(value: Any, shape: Any, dtype: Any, device: Any = None, out: Any = None) -> Any:
    """Return an array of `shape` full of the number `value`."""
    dims = _shape(shape)
    kind = dtypes.resolve(dtype)
    if state.region is None and out is None and not has_dims(dims):
        numbers = np.full(dims, value, kind) if value else np.zeros(dims, kind)
        return constant(numbers, device)
    result = F.full(np.asarray(value).astype(kind), shape=dims)
    return finish(result, None, out) if out is not None else on(finish(result), device)


def zeros(
    shape: Any, dtype: Any = None, order: str = "C", device: Any = None, **kwargs: Any
) -> Any:
    """Return an array of zeros (float32 by default).

    Parameters
    ----------
    shape : int or tuple of int
        Of the result; symbolic dimensions of a trace are taken too.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    order : str
        ``C``; memory is always in that order.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.zeros``.
    """
    out = kwargs.pop("out", None)
    return filled(0, shape, dtype, _pick(device, kwargs, "zeros"), out)


def ones(
    shape: Any, dtype: Any = None, order: str = "C", device: Any = None, **kwargs: Any
) -> Any:
    """Return an array of ones (float32 by default).

    Parameters
    ----------
    shape : int or tuple of int
        Of the result; symbolic dimensions of a trace are taken too.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    order : str
        ``C``; memory is always in that order.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.ones``.
    """
    out = kwargs.pop("out", None)
    return filled(1, shape, dtype, _pick(device, kwargs, "ones"), out)


def empty(
    shape: Any, dtype: Any = None, order: str = "C", device: Any = None, **kwargs: Any
) -> Any:
    """Return an array of zeros: memory is never uninitialised here.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result; symbolic dimensions of a trace are taken too.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    order : str
        ``C``; memory is always in that order.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.empty``.
    """
    return filled(0, shape, dtype, _pick(device, kwargs, "empty"))


def full(
    shape: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "C",
    device: Any = None,
    out: Any = None,
    **kwargs: Any,
) -> Any:
    """Return an array of `shape` full of `fill_value` (a number or a broadcastable array).

    Whole numbers give int64 and bools bool, as in MXNet.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result; symbolic dimensions of a trace are taken too.
    fill_value : number, or array that broadcasts
        What it is full of.
    dtype : dtype, optional
        Of the result; int64 for whole numbers, bool for bools, else float32, if left out.
    order : str
        ``C``; memory is always in that order.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.full``.
    """
    device = _pick(device, kwargs, "full")
    if isinstance(fill_value, Array):
        value = fill_value if dtype is None else F.cast(fill_value, dtype=dtype)
        return on(finish(F.broadcast_to(value, shape=_shape(shape)), fill_value, out), device)
    if dtype is None and isinstance(fill_value, bool | np.bool_):
        dtype = bool
    elif dtype is None and isinstance(fill_value, int | np.integer):
        dtype = "int64"
    return filled(fill_value, shape, dtype, device, out)


def _like(value: Any, a: Any, dtype: Any, device: Any, out: Any, shape: Any = None) -> Any:
    a = as_array(a)
    dims = a.shape if shape is None else shape
    device = a._device if device is None else device
    return filled(value, dims, a.dtype if dtype is None else dtype, device, out)


def zeros_like(
    a: Any, dtype: Any = None, order: str = "C", device: Any = None, out: Any = None, **kw: Any
) -> Any:
    """Return zeros of the shape and dtype of `a`.

    Parameters
    ----------
    a : array of any shape and dtype
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    order : str
        ``C``; memory is always in that order.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.zeros_like``.
    """
    return _like(0, a, dtype, _pick(device, kw, "zeros_like"), out)


def ones_like(
    a: Any, dtype: Any = None, order: str = "C", device: Any = None, out: Any = None, **kw: Any
) -> Any:
    """Return ones of the shape and dtype of `a`.

    Parameters
    ----------
    a : array of any shape and dtype
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    order : str
        ``C``; memory is always in that order.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.ones_like``.
    """
    return _like(1, a, dtype, _pick(device, kw, "ones_like"), out)


def empty_like(
    prototype: Any, dtype: Any = None, device: Any = None, order: str = "C", subok: bool = False,
    shape: Any = None,
) -> Any:  # fmt: skip
    """Return zeros of the shape and dtype of `prototype`.

    Parameters
    ----------
    prototype : array of any shape and dtype
        Gives shape and dtype.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.
    order : str
        ``C``; memory is always in that order.
    subok : bool
        Accepted, without effect.
    shape : int or tuple of int, optional
        Another shape.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.empty_like``.
    """
    return _like(0, prototype, dtype, device, None, shape)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "C", device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return an array of the shape and dtype of `a` full of `fill_value`.

    Parameters
    ----------
    a : array of any shape and dtype
    fill_value : number
        What it is full of.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    order : str
        ``C``; memory is always in that order.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.full_like``.
    """
    return _like(fill_value, a, dtype, _pick(device, kwargs, "full_like"), out)


# ---- ranges ------------------------------------------------------------------------------------
def arange(
    start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, device: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Return evenly spaced values of ``[start, stop)``; float32 by default, as in MXNet.

    Parameters
    ----------
    start : number
        First value.
    stop : number, optional
        End, left out itself; without it `start` is the end.
    step : number
        Distance of neighbours.
    dtype : dtype, optional
        Of the result; float32 (int64 with ``npx.set_np(dtype=True)``) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (n,)
        The values.

    Notes
    -----
    Source: MXNet's ``mx.np.arange``.
    """
    device = _pick(device, kwargs, "arange")
    if stop is None:
        start, stop = 0, start
    kind = dtypes.default_int() if dtype is None else dtypes.resolve(dtype)
    if any(isinstance(v, Dim) for v in (start, stop, step)):
        return on(finish(F.arange(start=start, stop=stop, step=step, dtype=kind)), device)
    bounds = [v.numpy_content().item() if isinstance(v, Array) else v for v in (start, stop, step)]
    return constant(np.arange(*bounds).astype(kind, copy=False), device)


class _CountError(AttributeValueError, TypeError):
    """A number of values that is none: an MXNetError in MXNet, a TypeError in NumPy."""


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, device: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return `num` evenly spaced values from `start` to `stop`.

    Parameters
    ----------
    start : number or array
        First value.
    stop : number or array
        Last value.
    num : int
        Number of values.
    endpoint : bool
        Whether `stop` is the last value.
    retstep : bool
        Return the distance of neighbours too.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    axis : int
        Axis of the values, where the ends are arrays.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (num, ...), or (array, step)
        The values.

    Raises
    ------
    AttributeValueError
        If `num` is no whole number from 0 on.

    Notes
    -----
    Source: MXNet's ``mx.np.linspace``.
    """
    device = _pick(device, kwargs, "linspace")
    if not isinstance(num, int | np.integer) or num < 0:
        raise _CountError("linspace: num", expected="a whole number >= 0", received=repr(num))
    ends: list[Any] = [v.numpy_content() if isinstance(v, Array) else v for v in (start, stop)]
    values, step = np.linspace(ends[0], ends[1], num, endpoint, retstep=True, axis=axis)
    result = constant(values.astype(dtypes.resolve(dtype)), device)
    return (result, step) if retstep else result


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0, device: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return `num` values evenly spaced on a log scale, ``base ** start`` to ``base ** stop``.

    Parameters
    ----------
    start : number
        Exponent of the first value.
    stop : number
        Exponent of the last one.
    num : int
        Number of values.
    endpoint : bool
        Whether `stop` is the last value.
    base : number
        Base of the powers.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    axis : int
        Axis of the values, where the ends are arrays.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (num, ...)
        The values.

    Notes
    -----
    Source: MXNet's ``mx.np.logspace``.
    """
    device = _pick(device, kwargs, "logspace")
    values = np.logspace(start, stop, num, endpoint, base, axis=axis)
    return constant(values.astype(dtypes.resolve(dtype)), device)


def eye(
    N: Any, M: Any = None, k: int = 0, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Any:
    """Return ones on the diagonal `k` of an (N, M) array of zeros.

    Parameters
    ----------
    N : int
        Number of rows.
    M : int, optional
        Number of columns; `N` if left out.
    k : int
        Number of the diagonal; above the main one if positive.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (N, M)
        The matrix.

    Notes
    -----
    Source: MXNet's ``mx.np.eye``.
    """
    device = _pick(device, kwargs, "eye")
    rows, columns = int(N), None if M is None else int(M)
    return constant(np.eye(rows, columns, int(k), dtypes.resolve(dtype)), device)


def identity(n: int, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Return the (n, n) identity matrix.

    Parameters
    ----------
    n : int
        Number of rows and columns.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (n, n)
        The matrix.

    Notes
    -----
    Source: MXNet's ``mx.np.identity``.
    """
    return eye(n, None, 0, dtype, _pick(device, kwargs, "identity"))


def tri(
    N: int, M: int | None = None, k: int = 0, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Any:
    """Return ones at and below diagonal `k`, zeros above.

    Parameters
    ----------
    N : int
        Number of rows.
    M : int, optional
        Number of columns; `N` if left out.
    k : int
        Number of the diagonal; above the main one if positive.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (N, M)
        The matrix.

    Notes
    -----
    Source: MXNet's ``mx.np.tri``.
    """
    device = _pick(device, kwargs, "tri")
    return constant(np.tri(N, M, k, dtypes.resolve(dtype)), device)


def indices(dimensions: Sequence[int], dtype: Any = None, device: Any = None, **kw: Any) -> Any:
    """Return the indices of a grid: shape ``(len(dimensions), *dimensions)``; int64 by default.

    Parameters
    ----------
    dimensions : sequence of int
        Shape of the grid.
    dtype : dtype, optional
        Of the result; int64 if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (len(dimensions), *dimensions)
        The indices.

    Notes
    -----
    Source: MXNet's ``mx.np.indices``.
    """
    device = _pick(device, kw, "indices")
    return constant(np.indices(tuple(dimensions), np.dtype(dtype or "int64")), device)


def _window(function: Any, M: int, dtype: Any, device: Any) -> Any:
    return constant(function(M).astype(dtypes.resolve(dtype)), device)


def hanning(M: int, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Return the Hanning window of `M` points.

    Parameters
    ----------
    M : int
        Number of points.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (M,)
        The window.

    Notes
    -----
    Source: MXNet's ``mx.np.hanning``.
    """
    return _window(np.hanning, M, dtype, _pick(device, kwargs, "hanning"))


def hamming(M: int, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Return the Hamming window of `M` points.

    Parameters
    ----------
    M : int
        Number of points.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (M,)
        The window.

    Notes
    -----
    Source: MXNet's ``mx.np.hamming``.
    """
    return _window(np.hamming, M, dtype, _pick(device, kwargs, "hamming"))


def blackman(M: int, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Return the Blackman window of `M` points.

    Parameters
    ----------
    M : int
        Number of points.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (M,)
        The window.

    Notes
    -----
    Source: MXNet's ``mx.np.blackman``.
    """
    return _window(np.blackman, M, dtype, _pick(device, kwargs, "blackman"))


# ---- from arrays -------------------------------------------------------------------------------
def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True) -> list[Any]:
    """Return coordinate arrays of the grid spanned by 1-d arrays.

    Parameters
    ----------
    *xi : array (n,)
        Coordinates along each axis.
    indexing : str
        ``xy``: the first two axes are exchanged; ``ij``: they are not.
    sparse : bool
        Leave the axes that nothing changes along at size 1.
    copy : bool
        Accepted, without effect.

    Returns
    -------
    list of array
        One for each of `xi`.

    Notes
    -----
    Source: MXNet's ``mx.np.meshgrid``.
    """
    n = len(xi)
    arrays = [as_array(x) for x in xi]
    order = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    parts = []
    for i, x in enumerate(arrays):
        shape = [1] * n
        shape[order[i]] = -1
        parts.append(F.reshape(x, shape=tuple(shape)))
    if not sparse:
        dims = [x.size for x in arrays]
        full_shape = tuple(dims[order.index(axis)] for axis in range(n))
        parts = [F.broadcast_to(p, shape=full_shape) for p in parts]
    return [finish(p, x) for p, x in zip(parts, arrays, strict=True)]


def tril(m: Any, k: int = 0) -> Any:
    """Return `m` with zeros above diagonal `k`.

    Parameters
    ----------
    m : array of any shape and dtype
    k : int
        Number of the diagonal; above the main one if positive.

    Returns
    -------
    array
        Shape and dtype of `m`.

    Notes
    -----
    Source: MXNet's ``mx.np.tril``.
    """
    return finish(F.tril(as_array(m), k=k), m)


def triu(m: Any, k: int = 0) -> Any:
    """Return `m` with zeros below diagonal `k`.

    Parameters
    ----------
    m : array of any shape and dtype
    k : int
        Number of the diagonal; above the main one if positive.

    Returns
    -------
    array
        Shape and dtype of `m`.

    Notes
    -----
    Source: MXNet's ``mx.np.triu``.
    """
    return finish(F.triu(as_array(m), k=k), m)


def tril_indices(n: int, k: int = 0, m: int | None = None, **kwargs: Any) -> tuple[Any, ...]:
    """Return the indices of the lower triangle of an (n, m) array.

    Parameters
    ----------
    n : int
        Number of rows.
    k : int
        Number of the diagonal; above the main one if positive.
    m : int, optional
        Number of columns; `n` if left out.

    Returns
    -------
    tuple of array, int64
        Rows and columns.

    Notes
    -----
    Source: MXNet's ``mx.np.tril_indices``.
    """
    return tuple(constant(i) for i in np.tril_indices(n, k, m))


def triu_indices(n: int, k: int = 0, m: int | None = None, **kwargs: Any) -> tuple[Any, ...]:
    """Return the indices of the upper triangle of an (n, m) array.

    Parameters
    ----------
    n : int
        Number of rows.
    k : int
        Number of the diagonal; above the main one if positive.
    m : int, optional
        Number of columns; `n` if left out.

    Returns
    -------
    tuple of array, int64
        Rows and columns.

    Notes
    -----
    Source: MXNet's ``mx.np.triu_indices``.
    """
    return tuple(constant(i) for i in np.triu_indices(n, k, m))


def diag(array: Any, k: int = 0) -> Any:
    """Return diagonal `k` of a matrix, or a matrix with the vector `array` on it.

    Parameters
    ----------
    array : array (n,) or (n, m)
    k : int
        Number of the diagonal; above the main one if positive.

    Returns
    -------
    array (n, n) or (n,)
        Dtype of `array`.

    Notes
    -----
    Source: MXNet's ``mx.np.diag``.
    """
    return finish(F.diag(as_array(array), k=k), array)


def diagflat(array: Any, k: int = 0) -> Any:
    """Return a matrix with the flattened `array` on diagonal `k`.

    Parameters
    ----------
    array : array of any shape and dtype
    k : int
        Number of the diagonal; above the main one if positive.

    Returns
    -------
    array (n, n)
        Dtype of `array`.

    Notes
    -----
    Source: MXNet's ``mx.np.diagflat``.
    """
    return finish(F.diag(F.reshape(as_array(array), shape=(-1,)), k=k), array)
