"""Functions of `mx.np` that repeat, turn, pad and cut arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.numpy.creation import constant
from symgluon.numpy.manipulation import given_shape
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "delete", "flip", "fliplr", "flipud", "insert", "pad", "repeat", "resize", "roll", "rot90",
    "tile",
]  # fmt: skip


# ---- repeating and rearranging -----------------------------------------------------------------
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element (along `axis`, or of the flattened array).

    Parameters
    ----------
    a : array of any shape and dtype
    repeats : int or sequence of int
        How often; one number, or one an element.
    axis : int, optional
        Axis; the flattened array if left out.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.repeat``.
    """
    a = as_array(a)
    x, axis = (F.reshape(a, shape=(-1,)), 0) if axis is None else (a, axis)
    if isinstance(repeats, Array):
        repeats = repeats.numpy_content().reshape(-1).tolist()
    if isinstance(repeats, list | tuple | np.ndarray) and len(repeats) > 1:
        index = np.repeat(np.arange(len(repeats)), [int(r) for r in repeats])
        return finish(F.take(x, constant(index), axis=axis, mode="clip"), a)
    times = repeats[0] if isinstance(repeats, list | tuple | np.ndarray) else repeats
    return finish(F.repeat(x, repeats=times, axis=axis), a)


def tile(A: Any, reps: Any) -> Any:
    """Repeat the whole array `reps` times along each axis.

    Parameters
    ----------
    A : array of any shape and dtype
    reps : int or tuple of int
        Repetitions along each axis.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.tile``; ONNX Tile.
    """
    A = as_array(A)
    return finish(F.tile(A, reps=given_shape(reps)), A)


def resize(a: Any, new_shape: Any) -> Any:
    """Return `a` in another shape, repeating its elements where they do not suffice.

    Parameters
    ----------
    a : array of any shape and dtype
    new_shape : int or tuple of int
        The shape.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.resize``.
    """
    a = as_array(a)
    dims = tuple(int(n) for n in given_shape(new_shape))
    total, have = int(np.prod(dims)), int(a.size)
    flat = F.reshape(a, shape=(-1,))
    if not have:
        return finish(F.full(np.zeros((), a.dtype), shape=dims), a)
    times = -(-total // have)
    flat = F.tile(flat, reps=(times,)) if times > 1 else flat
    return finish(F.reshape(F.index(flat, index=(slice(0, total),)), shape=dims), a)


def flip(m: Any, axis: Any = None, out: Any = None) -> Any:
    """Reverse the order of elements along axes (all without `axis`).

    Parameters
    ----------
    m : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reversed; all if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape and dtype of the operand.

    Notes
    -----
    Source: MXNet's ``mx.np.flip``.
    """
    m = as_array(m)
    return finish(F.flip(m, axis=tuple(axis) if isinstance(axis, list) else axis), m, out)


def flipud(m: Any) -> Any:
    """Reverse the first axis.

    Parameters
    ----------
    m : array of any shape and dtype

    Returns
    -------
    array
        Shape and dtype of the operand.

    Notes
    -----
    Source: MXNet's ``mx.np.flipud``.
    """
    return flip(m, 0)


def fliplr(m: Any) -> Any:
    """Reverse the second axis.

    Parameters
    ----------
    m : array of any shape and dtype

    Returns
    -------
    array
        Shape and dtype of the operand.

    Notes
    -----
    Source: MXNet's ``mx.np.fliplr``.
    """
    return flip(m, 1)


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Shift elements along axes, those beyond the end come in at the front.

    Parameters
    ----------
    a : array of any shape and dtype
    shift : int or tuple of int
        By how many places.
    axis : int or tuple of int, optional
        Axes; the flattened array if left out.

    Returns
    -------
    array
        Shape and dtype of the operand.

    Notes
    -----
    Source: MXNet's ``mx.np.roll``.
    """
    a = as_array(a)
    return finish(F.roll(a, shift=shift, axis=axis), a)


def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """Rotate by 90 degrees in the plane of two axes, `k` times.

    Parameters
    ----------
    m : array of any shape and dtype
    k : int
        How often.
    axes : tuple of two int
        Plane; from the first axis towards the second.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.rot90``.
    """
    m = as_array(m)
    return finish(F.rot90(m, k=k, axes=tuple(axes)), m)


def pad(x: Any, pad_width: Any = None, mode: str = "constant", **kwargs: Any) -> Any:
    """Pad each axis; modes constant, edge, reflect, symmetric, maximum and minimum.

    Parameters
    ----------
    x : array of any shape and dtype
    pad_width : int or sequence of pairs of int
        Width before and after each axis.
    mode : str
        Name of the mode.
    **kwargs : object
        ``constant_values`` of mode constant.

    Returns
    -------
    array
        Larger by the widths.

    Raises
    ------
    ValueError
        For another mode or argument.

    Notes
    -----
    Source: MXNet's ``mx.np.pad``.
    """
    x = as_array(x)
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    value = kwargs.pop("constant_values", 0)
    if kwargs.pop("reflect_type", "even") != "even" or kwargs.pop("stat_length", None) is not None:
        raise ValueError("unsupported stat_length or reflect_type")
    if kwargs or mode not in ("constant", "edge", "reflect", "symmetric", "maximum", "minimum"):
        raise ValueError(f"pad: unsupported mode {mode!r} or arguments {', '.join(kwargs)}")
    flat = tuple(int(w) for w in widths.reshape(-1))
    return finish(F.pad(x, pad_width=flat, mode=mode, constant_value=float(value)), x)


def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """Return `arr` without the parts that `obj` (int, slice or indices) selects.

    Parameters
    ----------
    arr : array of any shape and dtype
    obj : int, slice or array of int
        What goes.
    axis : int, optional
        Axis; the flattened array if left out.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.delete``.
    """
    arr = as_array(arr)
    x, axis = (F.reshape(arr, shape=(-1,)), 0) if axis is None else (arr, axis)
    selected = obj.numpy_content().astype(np.int64) if isinstance(obj, Array) else obj
    left = np.delete(np.arange(int(x.shape[axis])), selected)
    return finish(F.take(x, constant(left), axis=axis, mode="clip"), arr)


def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """Return `arr` with `values` inserted before the indices `obj` along `axis`.

    Parameters
    ----------
    arr : array of any shape and dtype
    obj : int, slice or array of int
        Before which places.
    values : array of any shape and dtype
        What is inserted.
    axis : int, optional
        Axis; the flattened array if left out.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.insert``.
    """
    arr = as_array(arr)
    x, axis = (F.reshape(arr, shape=(-1,)), 0) if axis is None else (arr, axis % arr.ndim)
    n = int(x.shape[axis])
    at = obj.numpy_content() if isinstance(obj, Array) else obj
    # positions of old (>= 0) and new elements, then one gather from [old; new]
    single = not isinstance(at, slice | list | tuple | np.ndarray)
    value = F.cast(as_array(values), dtype=arr.dtype)
    if value.ndim < x.ndim:
        value = F.reshape(value, shape=(*(1,) * (x.ndim - value.ndim), *value.shape))
    if single and axis:
        value = F.moveaxis(value, source=(0,), destination=(axis,))
    places = np.atleast_1d(np.arange(n)[at] if isinstance(at, slice) else np.asarray(at, np.int64))
    places = np.where(places < 0, places + n, places)
    count = len(places) if len(places) > 1 else int(value.shape[axis])
    where = places if len(places) > 1 else int(places[0])
    order = np.insert(np.arange(n), where, np.arange(n, n + count))
    target = list(x.shape)
    target[axis] = count
    both = F.concatenate(x, F.broadcast_to(value, shape=tuple(target)), axis=axis)
    return finish(F.take(both, constant(order), axis=axis, mode="clip"), arr)
