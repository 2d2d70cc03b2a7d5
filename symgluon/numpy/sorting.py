"""Sorting, searching and sets, picking by index."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from symgluon.numpy.creation import constant
from symgluon.numpy.math import reduce
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops.apply import F

__all__ = [
    "argmax", "argmin", "argsort", "argwhere", "compress", "diag_indices_from", "diagonal",
    "extract", "fill_diagonal", "flatnonzero", "nonzero", "searchsorted", "sort", "take",
    "take_along_axis", "tril_indices_from", "triu_indices_from", "unique", "unique_all",
    "unique_inverse", "unique_values", "unravel_index",
]  # fmt: skip


def argmax(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Return the index of the largest element along `axis` (of the flattened array).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int, optional
        Axis; the flattened array if left out.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.  Dtype int64.

    Notes
    -----
    Source: MXNet's ``mx.np.argmax``; ONNX ArgMax.
    """
    return reduce("argmax", a, axis, keepdims, out)


def argmin(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Return the index of the smallest element along `axis` (of the flattened array).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int, optional
        Axis; the flattened array if left out.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.  Dtype int64.

    Notes
    -----
    Source: MXNet's ``mx.np.argmin``; ONNX ArgMin.
    """
    return reduce("argmin", a, axis, keepdims, out)


def _flat(a: Any, axis: Any) -> tuple[Any, int]:
    return (F.reshape(a, shape=(-1,)), 0) if axis is None else (a, axis)


def sort(a: Any, axis: Any = -1, descending: bool = False, stable: bool = True, **kw: Any) -> Any:
    """Return a sorted copy along `axis` (of the flattened array for None).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or None
        Axis; None: the flattened array.
    descending : bool
        Largest first.
    stable : bool
        Accepted; equal elements always keep their order.

    Returns
    -------
    array
        Shape and dtype of `a`; 1-d without an axis.

    Notes
    -----
    Source: MXNet's ``mx.np.sort``.
    """
    a = as_array(a)
    x, axis = _flat(a, axis)
    return finish(F.sort(x, axis=axis, is_ascend=not descending), a)


def argsort(
    a: Any, axis: Any = -1, descending: bool = False, stable: bool = True, **kw: Any
) -> Any:
    """Return the indices that sort along `axis` (int64).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or None
        Axis; None: the flattened array.
    descending : bool
        Largest first.
    stable : bool
        Accepted; equal elements always keep their order.

    Returns
    -------
    array, int64
        Shape of `a`; 1-d without an axis.

    Notes
    -----
    Source: MXNet's ``mx.np.argsort``.
    """
    a = as_array(a)
    x, axis = _flat(a, axis)
    return finish(F.argsort(x, axis=axis, is_ascend=not descending), a)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Return where elements of `v` would go into the sorted 1-d array `a`.

    Parameters
    ----------
    a : array (n,)
        Sorted.
    v : array of any shape and dtype
        What is looked for.
    side : str
        ``left`` or ``right`` of equal elements.
    sorter : array (n,), int, optional
        Indices that sort `a`.

    Returns
    -------
    array, int64
        Shape of `v`.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.searchsorted``.
    """
    numbers = as_array(a).numpy_content("searchsorted"), as_array(v).numpy_content("searchsorted")
    order = None if sorter is None else as_array(sorter).numpy_content()
    return constant(np.asarray(np.searchsorted(*numbers, side, order)))  # type: ignore[call-overload]


def take(a: Any, indices: Any, axis: Any = None, mode: str = "raise", out: Any = None) -> Any:
    """Return the elements of `a` at `indices` along `axis` (of the flattened array).

    Parameters
    ----------
    a : array of any shape and dtype
    indices : array, int
        Places.
    axis : int, optional
        Axis; the flattened array if left out.
    mode : str
        ``raise``, ``clip`` or ``wrap``: what happens to indices out of range.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape of `a` with that of `indices` in place of `axis`.

    Notes
    -----
    Source: MXNet's ``mx.np.take``; ONNX Gather.
    """
    a = as_array(a)
    index = as_array(indices)
    x, axis = _flat(a, axis)
    return finish(F.take(x, index, axis=axis, mode=mode), a, out)


def take_along_axis(arr: Any, indices: Any, axis: Any) -> Any:
    """Return, for each position along `axis`, the element that `indices` names.

    Parameters
    ----------
    arr : array of any shape and dtype
    indices : array, int
        Places.
    axis : int or None
        Axis; None: the flattened array.

    Returns
    -------
    array
        Shape of `indices`.

    Notes
    -----
    Source: MXNet's ``mx.np.take_along_axis``; ONNX GatherElements.
    """
    arr = as_array(arr)
    x, axis = _flat(arr, axis)
    return finish(F.take_along_axis(x, as_array(indices), axis=axis), arr)


def nonzero(a: Any) -> tuple[Any, ...]:
    """Return the indices of the elements that are not zero, one int64 array an axis.

    Parameters
    ----------
    a : array of any shape and dtype

    Returns
    -------
    array (n, ndim), int64
        The coordinates.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.nonzero``.
    """
    a = as_array(a)
    a = F.reshape(a, shape=(1,)) if a.ndim == 0 else a
    rows = F.nonzero(a)
    return tuple([finish(F.index(rows, index=(slice(None), i))) for i in range(a.ndim)])


def argwhere(a: Any) -> Any:
    """Return the indices of the elements that are not zero, one row each.

    Parameters
    ----------
    a : array of any shape and dtype

    Returns
    -------
    array
        The result.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.argwhere``.
    """
    return finish(F.nonzero(as_array(a)))


def flatnonzero(a: Any) -> Any:
    """Return the indices of the nonzero elements of the flattened array.

    Parameters
    ----------
    a : array of any shape and dtype

    Returns
    -------
    array
        The result.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.flatnonzero``.
    """
    rows = F.nonzero(F.reshape(as_array(a), shape=(-1,)))
    return finish(F.index(rows, index=(slice(None), 0)))


def extract(condition: Any, arr: Any) -> Any:
    """Return the elements of `arr` where `condition` holds, flat.

    Parameters
    ----------
    condition : array, bool
    arr : array of any shape and dtype

    Returns
    -------
    array (n,)
        Dtype of `arr`.

    Notes
    -----
    Source: MXNet's ``mx.np.extract``.
    """
    return compress(as_array(condition).reshape(-1), arr)


def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """Return the slices of `a` along `axis` for which `condition` holds.

    Parameters
    ----------
    condition : array (n,), bool
        Which slices.
    a : array of any shape and dtype
    axis : int, optional
        Axis; the flattened array if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Dtype of `a`.

    Notes
    -----
    Source: MXNet's ``mx.np.compress``.
    """
    a = as_array(a)
    chosen = np.flatnonzero(as_array(condition).numpy_content("compress"))
    x, axis = _flat(a, axis)
    return finish(F.take(x, constant(chosen), axis=axis, mode="clip"), a, out)


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False,
    return_counts: bool = False, axis: int | None = None,
) -> Any:  # fmt: skip
    """Return the sorted distinct elements, with their places and counts where asked for.

    Parameters
    ----------
    ar : array of any shape and dtype
    return_index : bool
        Return the first place of each.
    return_inverse : bool
        Return for each element the place of its value.
    return_counts : bool
        Return how often each comes.
    axis : int, optional
        Compare slices along it.

    Returns
    -------
    array (n,), or tuple of array
        The values, then what was asked for (int64).

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.unique``.
    """
    found = F.unique(
        as_array(ar), return_index=return_index, return_inverse=return_inverse,
        return_counts=return_counts, axis=axis,
    )  # fmt: skip
    return tuple(map(finish, found)) if isinstance(found, tuple) else finish(found)


class UniqueAll(NamedTuple):
    """Results of `unique_all`."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """Results of `unique_inverse`."""

    values: Any
    inverse_indices: Any


def unique_all(x: Any) -> UniqueAll:
    """Return the distinct elements, their first places, what they were made from, and counts.

    Parameters
    ----------
    x : array of any shape and dtype

    Returns
    -------
    array
        The result.

    Notes
    -----
    Source: MXNet's ``mx.np.unique_all``.
    """
    return UniqueAll(*unique(x, True, True, True))


def unique_inverse(x: Any) -> UniqueInverse:
    """Return the distinct elements, and for each element the place of its value among them.

    Parameters
    ----------
    x : array of any shape and dtype

    Returns
    -------
    array
        The result.

    Notes
    -----
    Source: MXNet's ``mx.np.unique_inverse``.
    """
    return UniqueInverse(*unique(x, return_inverse=True))


def unique_values(x: Any) -> Any:
    """Return the distinct elements.

    Parameters
    ----------
    x : array of any shape and dtype

    Returns
    -------
    array
        The result.

    Notes
    -----
    Source: MXNet's ``mx.np.unique_values``.
    """
    return unique(x)


def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """Return coordinates, in an array of `shape`, of flat indices.

    Parameters
    ----------
    indices : array, int
        Flat indices.
    shape : tuple of int
        Shape of the array.
    order : str
        ``C``; memory is always in that order.

    Returns
    -------
    tuple of array
        A coordinate an axis, of the shape of `indices`.

    Raises
    ------
    ValueError
        For another order.

    Notes
    -----
    Source: MXNet's ``mx.np.unravel_index``.
    """
    if order != "C":
        raise ValueError("unravel_index: only order='C' is supported")
    rest = as_array(indices)
    found = []
    for n in reversed(tuple(shape)):
        found.append(finish(F.mod(rest, n), rest))
        rest = F.floor_divide(rest, n)
    return tuple(reversed(found))


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return a copy of the diagonal of the planes of two axes, as the last axis.

    Parameters
    ----------
    a : array of any shape and dtype
    offset : int
        Number of the diagonal.
    axis1 : int
        First of the two axes.
    axis2 : int
        Second of the two axes.

    Returns
    -------
    array
        Without the two axes, the diagonal last.

    Notes
    -----
    Source: MXNet's ``mx.np.diagonal``.
    """
    a = as_array(a)
    return finish(F.diagonal(a, offset=offset, axis1=axis1, axis2=axis2), a)


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write `val` on the main diagonal of `a`.

    Parameters
    ----------
    a : array of any shape and dtype
        Written in place.
    val : number or array
        What is written, repeated as often as needed.
    wrap : bool
        Go on below a tall matrix.

    Notes
    -----
    Source: MXNet's ``mx.np.fill_diagonal``.
    """
    numbers = np.zeros(a.shape, np.bool_)
    np.fill_diagonal(numbers, True, wrap)
    value: Any = as_array(val)
    if value.ndim:  # from the beginning again where there are too few
        a[numbers] = value.reshape(-1)[np.arange(int(numbers.sum())) % value.size]
        return
    a._assign(F.where(constant(numbers), F.cast(value, dtype=a.dtype), a))


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """Return the indices of the main diagonal.

    Parameters
    ----------
    arr : array of any shape and dtype

    Returns
    -------
    tuple of array, int64
        Rows and columns.

    Notes
    -----
    Source: MXNet's ``mx.np.diag_indices_from``.
    """
    return tuple(constant(i) for i in np.diag_indices(int(arr.shape[0]), arr.ndim))


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """Return the indices of the lower triangle of `arr`.

    Parameters
    ----------
    arr : array of any shape and dtype
    k : int
        Number of the diagonal; above the main one if positive.

    Returns
    -------
    tuple of array, int64
        Rows and columns.

    Notes
    -----
    Source: MXNet's ``mx.np.tril_indices_from``.
    """
    return tuple(constant(i) for i in np.tril_indices(int(arr.shape[0]), k, int(arr.shape[1])))


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """Return the indices of the upper triangle of `arr`.

    Parameters
    ----------
    arr : array of any shape and dtype
    k : int
        Number of the diagonal; above the main one if positive.

    Returns
    -------
    tuple of array, int64
        Rows and columns.

    Notes
    -----
    Source: MXNet's ``mx.np.triu_indices_from``.
    """
    return tuple(constant(i) for i in np.triu_indices(int(arr.shape[0]), k, int(arr.shape[1])))
