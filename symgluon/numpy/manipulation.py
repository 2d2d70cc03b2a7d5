"""Functions of `mx.np` that change the shape of arrays and the order of axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ir.dims import Dim
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to",
    "expand_dims", "moveaxis", "ndim", "permute_dims", "ravel", "reshape", "rollaxis", "shape",
    "size", "squeeze", "swapaxes", "transpose",
]  # fmt: skip


def given_shape(shape: Any) -> tuple[Any, ...]:
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
    dims = given_shape(kw.get("shape", newshape))
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
    return finish(F.transpose(a, axes=None if axes is None else given_shape(axes)), a)


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
    return finish(
        F.moveaxis(a, source=given_shape(source), destination=given_shape(destination)), a
    )


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
    sizes = given_shape(shape)
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
