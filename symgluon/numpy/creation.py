"""Functions of `mx.np` that make arrays of numbers, or filled with one."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.device import Device, current_device, usable
from symgluon.ir.attrs import has_dims
from symgluon.ir.dims import Dim
from symgluon.ndarray.dlpack import content_of
from symgluon.ndarray.ndarray import refuse_unknown
from symgluon.numpy.multiarray import as_array, finish, ndarray
from symgluon.ops.apply import F
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state

__all__ = [
    "array", "asarray", "copy", "empty", "empty_like", "from_dlpack", "full", "full_like",
    "ones", "ones_like", "zeros", "zeros_like",
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


def pick_device(device: Any, kwargs: dict[str, Any], name: str) -> Any:
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
    device = pick_device(device, kwargs, "array")
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
    return filled(0, shape, dtype, pick_device(device, kwargs, "zeros"), out)


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
    return filled(1, shape, dtype, pick_device(device, kwargs, "ones"), out)


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
    return filled(0, shape, dtype, pick_device(device, kwargs, "empty"))


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
    device = pick_device(device, kwargs, "full")
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
    return _like(0, a, dtype, pick_device(device, kw, "zeros_like"), out)


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
    return _like(1, a, dtype, pick_device(device, kw, "ones_like"), out)


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
    return _like(fill_value, a, dtype, pick_device(device, kwargs, "full_like"), out)
