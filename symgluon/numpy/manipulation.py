"""Changing shapes and moving elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ir.dims import Dim
from symgluon.numpy.creation import constant
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "append", "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays",
    "broadcast_to", "column_stack", "concat", "concatenate", "delete", "dsplit", "dstack",
    "expand_dims", "flip", "fliplr", "flipud", "hsplit", "hstack", "insert", "moveaxis",
    "ndim", "pad", "permute_dims", "ravel", "repeat", "reshape", "resize", "roll", "rollaxis",
    "rot90", "row_stack", "shape", "size", "split", "squeeze", "stack", "swapaxes", "tile",
    "transpose", "unstack", "vsplit", "vstack",
]  # fmt: skip


def _dims(shape: Any) -> tuple[Any, ...]:
    if isinstance(shape, int | np.integer | Dim):
        return (shape,)
    if isinstance(shape, Array):
        return tuple(shape.numpy_content().reshape(-1).tolist())
    return tuple(shape)


def shape(a: Any) -> tuple[Any, ...]:
    """Return the shape of `a`."""
    return tuple(as_array(a).shape)


def ndim(a: Any) -> int:
    """Return the number of axes of `a`."""
    return int(as_array(a).ndim)


def size(a: Any, axis: int | None = None) -> Any:
    """Return the number of elements of `a`, or those along `axis`.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int, optional
        Count along it only.

    Returns
    -------
    int
        The number.

    Notes
    -----
    Source: MXNet's ``mx.np.size``.
    """
    a = as_array(a)
    return a.size if axis is None else a.shape[axis]


def reshape(a: Any, newshape: Any = None, order: str = "C", out: Any = None, **kw: Any) -> Any:
    """Return a copy of `a` in another shape; one entry may be -1.

    Parameters
    ----------
    a : array of any shape and dtype
    newshape : int or tuple of int
        The shape.
    order : str
        ``C``, or ``F``: elements are taken, and placed, with the first axis fastest.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        A copy, of the same dtype.

    Raises
    ------
    AttributeValueError
        For another order.

    Notes
    -----
    Source: MXNet's ``mx.np.reshape``.
    """
    a = as_array(a)
    dims = _dims(kw.get("shape", newshape))
    if order != "C":
        if order not in ("F", "A"):
            raise AttributeValueError("reshape: order", expected="'C' or 'F'", received=order)
        if order == "F":
            turned = F.reshape(F.transpose(a), shape=tuple(reversed(dims)))
            return finish(F.transpose(turned), a, out)
    return finish(F.reshape(a, shape=dims), a, out)


def ravel(x: Any, order: str = "C") -> Any:
    """Return a flat copy of `x`.

    Parameters
    ----------
    x : array of any shape and dtype
    order : str
        ``C``, or ``F``: the first axis is fastest.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.ravel``.
    """
    return reshape(x, (-1,), order)


def transpose(a: Any, axes: Any = None) -> Any:
    """Permute the axes of `a` (reverse them without `axes`).

    Parameters
    ----------
    a : array of any shape and dtype
    axes : sequence of int, optional
        Old place of each axis; all reversed if left out.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.transpose``; ONNX Transpose.
    """
    a = as_array(a)
    return finish(F.transpose(a, axes=None if axes is None else _dims(axes)), a)


def permute_dims(a: Any, axes: Any = None) -> Any:
    """Permute the axes of `a` (reverse them without `axes`).

    Parameters
    ----------
    a : array of any shape and dtype
    axes : sequence of int, optional
        Old place of each axis; all reversed if left out.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.permute_dims``.
    """
    return transpose(a, axes)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes.

    Parameters
    ----------
    a : array of any shape and dtype
    axis1 : int
        First of the two axes.
    axis2 : int
        Second of the two axes.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.swapaxes``.
    """
    a = as_array(a)
    return finish(F.swapaxes(a, axis1=axis1, axis2=axis2), a)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move axes to new places; the others keep their order.

    Parameters
    ----------
    a : array of any shape and dtype
    source : int or tuple of int
        Where the axes are.
    destination : int or tuple of int
        Where they go.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.moveaxis``.
    """
    a = as_array(a)
    return finish(F.moveaxis(a, source=_dims(source), destination=_dims(destination)), a)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move `axis` back until it stands before axis `start`.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int
        Axis, of any sign.
    start : int
        Axis before which it goes.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.rollaxis``.
    """
    a = as_array(a)
    return finish(F.rollaxis(a, axis=axis, start=start), a)


def squeeze(a: Any, axis: Any = None, out: Any = None) -> Any:
    """Remove axes of size 1 (all of them without `axis`).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes of size 1 that go; all of them if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.squeeze``.
    """
    a = as_array(a)
    return finish(F.squeeze(a, axis=tuple(axis) if isinstance(axis, list) else axis), a, out)


def expand_dims(a: Any, axis: Any) -> Any:
    """Insert axes of size 1.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int
        Places of the new axes in the result.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.expand_dims``.
    """
    a = as_array(a)
    return finish(F.expand_dims(a, axis=axis), a)


def broadcast_to(array: Any, shape: Any) -> Any:
    """Broadcast to `shape`.

    Parameters
    ----------
    array : array of any shape and dtype
    shape : int or tuple of int
        Of the result; symbolic dimensions of a trace are taken too.  -2: the size that `array` has
        there.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.broadcast_to``.
    """
    array = as_array(array)
    sizes = _dims(shape)
    if any(isinstance(n, int) and n == -2 for n in sizes):
        sizes = _kept(sizes, array.shape)
    return finish(F.broadcast_to(array, shape=sizes), array)


def _kept(sizes: tuple[Any, ...], shape: Sequence[Any]) -> tuple[Any, ...]:
    """Put the sizes of `shape`, aligned at the last axis, in the place of -2."""
    own = (-2,) * (len(sizes) - len(shape)) + tuple(shape)
    kept = [isinstance(n, int) and n == -2 for n in sizes]
    return tuple([old if k else n for n, old, k in zip(sizes, own, kept, strict=True)])


def broadcast_arrays(*args: Any) -> list[Any]:
    """Broadcast arrays against each other.

    Parameters
    ----------
    *args : array of any shape and dtype
        Of shapes that broadcast.

    Returns
    -------
    list of array
        Of one shape.

    Notes
    -----
    Source: MXNet's ``mx.np.broadcast_arrays``.
    """
    from symgluon.ir.types import broadcast_shapes

    arrays = [as_array(a) for a in args]
    target = broadcast_shapes(*[a.shape for a in arrays])
    return [broadcast_to(a, target) for a in arrays]


def atleast_1d(*arys: Any) -> Any:
    """Give arrays at least one axis.

    Parameters
    ----------
    *arys : array of any shape and dtype

    Returns
    -------
    array
        The result.

    Notes
    -----
    Source: MXNet's ``mx.np.atleast_1d``.
    """
    return _at_least(arys, lambda a: reshape(a, (1,)) if a.ndim == 0 else a)


def atleast_2d(*arys: Any) -> Any:
    """Give arrays at least two axes, new ones in front.

    Parameters
    ----------
    *arys : array of any shape and dtype

    Returns
    -------
    array
        The result.

    Notes
    -----
    Source: MXNet's ``mx.np.atleast_2d``.
    """
    return _at_least(arys, lambda a: reshape(a, (*(1,) * (2 - a.ndim), *a.shape)))


def atleast_3d(*arys: Any) -> Any:
    """Give arrays at least three axes.

    Parameters
    ----------
    *arys : array of any shape and dtype

    Returns
    -------
    array
        The result.

    Notes
    -----
    Source: MXNet's ``mx.np.atleast_3d``.
    """

    def three(a: Any) -> Any:
        if a.ndim == 1:
            return reshape(a, (1, *a.shape, 1))
        return reshape(a, (*a.shape, *(1,) * (3 - a.ndim)))

    return _at_least(arys, three)


def _at_least(arys: tuple[Any, ...], function: Any) -> Any:
    found = [function(as_array(a)) for a in arys]
    return found[0] if len(found) == 1 else found


# ---- joining -----------------------------------------------------------------------------------
def _listed(arrays: Any) -> list[Any]:
    found = [as_array(a) for a in arrays]
    if not found:
        raise ValueError("need at least one array to concatenate")
    return found


def concatenate(seq: Any, axis: Any = 0, out: Any = None) -> Any:
    """Join arrays along an axis (flattened first for ``axis=None``).

    Parameters
    ----------
    seq : sequence of array
        Of one shape but for `axis`.
    axis : int or None
        Axis along which they are joined; None: all are flattened first.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.concatenate``; ONNX Concat.
    """
    arrays = _listed(seq)
    if axis is None:
        arrays, axis = [F.reshape(a, shape=(-1,)) for a in arrays], 0
    return finish(F.concatenate(*arrays, axis=axis), arrays[0], out)


concat = concatenate


def stack(arrays: Any, axis: int = 0, out: Any = None) -> Any:
    """Join arrays along a new axis.

    Parameters
    ----------
    arrays : sequence of array
        Of one shape.
    axis : int
        Place of the new axis.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.stack``.
    """
    found = _listed(arrays)
    return finish(F.stack(*found, axis=axis), found[0], out)


def vstack(arrays: Any, out: Any = None) -> Any:
    """Stack arrays row-wise.

    Parameters
    ----------
    arrays : sequence of array
        Of shapes that fit.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.vstack``.
    """
    return concatenate([atleast_2d(a) for a in _listed(arrays)], 0, out)


row_stack = vstack


def hstack(arrays: Any) -> Any:
    """Stack arrays along their second axis (the first for 1-d ones)."""
    found = [atleast_1d(a) for a in _listed(arrays)]
    return concatenate(found, 0 if found[0].ndim == 1 else 1)


def dstack(arrays: Any) -> Any:
    """Stack arrays along their third axis."""
    return concatenate([atleast_3d(a) for a in _listed(arrays)], 2)


def column_stack(tup: Any) -> Any:
    """Stack 1-d arrays as columns.

    Parameters
    ----------
    tup : sequence of array
        (n,) or (n, m).

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.column_stack``.
    """
    return concatenate([a if a.ndim > 1 else reshape(a, (-1, 1)) for a in _listed(tup)], 1)


def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """Return `arr` with `values` at its end (both flattened without `axis`).

    Parameters
    ----------
    arr, values : array of any shape and dtype
    axis : int, optional
        Axis; the flattened array if left out.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.append``.
    """
    return concatenate([arr, values], axis)


# ---- splitting ---------------------------------------------------------------------------------
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split into equal parts, or at indices.

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.
    axis : int
        Axis, of any sign.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Raises
    ------
    ValueError
        If the parts would not be equal.

    Notes
    -----
    Source: MXNet's ``mx.np.split``.
    """
    ary = as_array(ary)
    if isinstance(indices_or_sections, int | np.integer):
        n, sections = ary.shape[axis], int(indices_or_sections)
        if sections <= 0 or n % sections != 0:
            raise ValueError("array split does not result in an equal division")
        return _parts(F.split(ary, sections=sections, axis=axis), ary)
    return _split_at(ary, list(indices_or_sections), axis)


def _parts(found: Any, ary: Any) -> list[Any]:
    return [finish(p, ary) for p in (found if isinstance(found, tuple) else (found,))]


def _split_at(ary: Any, cuts: list[Any], axis: int) -> list[Any]:
    """Split before the places `cuts`, which may lie outside the array."""
    axis = axis % ary.ndim
    lead = (slice(None),) * axis
    cuts = [c if isinstance(c, Dim) else c.__index__() for c in cuts]
    bounds = zip([0, *cuts], [*cuts, None], strict=True)
    return [finish(F.index(ary, index=(*lead, slice(a, b))), ary) for a, b in bounds]


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split into parts of nearly equal size, or at indices.

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.
    axis : int
        Axis, of any sign.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Raises
    ------
    ValueError
        If the number of parts is below 1.

    Notes
    -----
    Source: MXNet's ``mx.np.array_split``.
    """
    ary = as_array(ary)
    if not isinstance(indices_or_sections, int | np.integer):
        return _split_at(ary, list(indices_or_sections), axis)
    n, sections = int(ary.shape[axis]), int(indices_or_sections)
    if sections <= 0:
        raise ValueError("number sections must be larger than 0.")
    each, extra = n // sections, n % sections
    sizes = [each + 1] * extra + [each] * (sections - extra)
    return _split_at(ary, np.cumsum(sizes)[:-1].tolist(), axis)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the second axis (the first of 1-d arrays).

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Raises
    ------
    ValueError
        For an array without axes, or parts that would not be equal.

    Notes
    -----
    Source: MXNet's ``mx.np.hsplit``.
    """
    ary = as_array(ary)
    if ary.ndim < 1:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the first axis.

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Raises
    ------
    ValueError
        For fewer than two axes, or parts that would not be equal.

    Notes
    -----
    Source: MXNet's ``mx.np.vsplit``.
    """
    ary = as_array(ary)
    if ary.ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the third axis.

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Raises
    ------
    ValueError
        For fewer than three axes, or parts that would not be equal.

    Notes
    -----
    Source: MXNet's ``mx.np.dsplit``.
    """
    ary = as_array(ary)
    if ary.ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


def unstack(x: Any, axis: int = 0) -> list[Any]:
    """Return the parts of `x` along `axis`, without that axis.

    Parameters
    ----------
    x : array of any shape and dtype
    axis : int
        Axis, of any sign.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.unstack``.
    """
    x = as_array(x)
    lead = (slice(None),) * (axis % x.ndim)
    return [finish(F.index(x, index=(*lead, i)), x) for i in range(int(x.shape[axis]))]


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
    return finish(F.tile(A, reps=_dims(reps)), A)


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
    dims = tuple(int(n) for n in _dims(new_shape))
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
