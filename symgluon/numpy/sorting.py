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
    """Return the index of the largest element along `axis` (of the flattened array)."""
    return reduce("argmax", a, axis, keepdims, out)


def argmin(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Return the index of the smallest element along `axis` (of the flattened array)."""
    return reduce("argmin", a, axis, keepdims, out)


def _flat(a: Any, axis: Any) -> tuple[Any, int]:
    return (F.reshape(a, shape=(-1,)), 0) if axis is None else (a, axis)


def sort(a: Any, axis: Any = -1, descending: bool = False, stable: bool = True, **kw: Any) -> Any:
    """Return a sorted copy along `axis` (of the flattened array for None)."""
    a = as_array(a)
    x, axis = _flat(a, axis)
    return finish(F.sort(x, axis=axis, is_ascend=not descending), a)


def argsort(
    a: Any, axis: Any = -1, descending: bool = False, stable: bool = True, **kw: Any
) -> Any:
    """Return the indices that sort along `axis` (int64)."""
    a = as_array(a)
    x, axis = _flat(a, axis)
    return finish(F.argsort(x, axis=axis, is_ascend=not descending), a)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Return where elements of `v` would go into the sorted 1-d array `a`."""
    numbers = as_array(a).numpy_content("searchsorted"), as_array(v).numpy_content("searchsorted")
    order = None if sorter is None else as_array(sorter).numpy_content()
    return constant(np.asarray(np.searchsorted(*numbers, side, order)))  # type: ignore[call-overload]


def take(a: Any, indices: Any, axis: Any = None, mode: str = "raise", out: Any = None) -> Any:
    """Return the elements of `a` at `indices` along `axis` (of the flattened array)."""
    a = as_array(a)
    index = as_array(indices)
    x, axis = _flat(a, axis)
    return finish(F.take(x, index, axis=axis, mode=mode), a, out)


def take_along_axis(arr: Any, indices: Any, axis: Any) -> Any:
    """Return, for each position along `axis`, the element that `indices` names."""
    arr = as_array(arr)
    x, axis = _flat(arr, axis)
    return finish(F.take_along_axis(x, as_array(indices), axis=axis), arr)


def nonzero(a: Any) -> tuple[Any, ...]:
    """Return the indices of the elements that are not zero, one int64 array an axis."""
    numbers = as_array(a).numpy_content("nonzero")
    return tuple(constant(i) for i in np.nonzero(np.atleast_1d(numbers)))


def argwhere(a: Any) -> Any:
    """Return the indices of the elements that are not zero, one row each."""
    return constant(np.argwhere(as_array(a).numpy_content("argwhere")))


def flatnonzero(a: Any) -> Any:
    """Return the indices of the nonzero elements of the flattened array."""
    return constant(np.flatnonzero(as_array(a).numpy_content("flatnonzero")))


def extract(condition: Any, arr: Any) -> Any:
    """Return the elements of `arr` where `condition` holds, flat."""
    return compress(as_array(condition).reshape(-1), arr)


def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """Return the slices of `a` along `axis` for which `condition` holds."""
    a = as_array(a)
    chosen = np.flatnonzero(as_array(condition).numpy_content("compress"))
    x, axis = _flat(a, axis)
    return finish(F.take(x, constant(chosen), axis=axis, mode="clip"), a, out)


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False,
    return_counts: bool = False, axis: int | None = None,
) -> Any:  # fmt: skip
    """Return the sorted distinct elements, with their places and counts where asked for."""
    numbers = as_array(ar).numpy_content("unique")
    find: Any = np.unique
    found = find(numbers, return_index, return_inverse, return_counts, axis)
    if not isinstance(found, tuple):
        return constant(found)
    parts = list(found)
    if return_inverse:
        place = 1 + return_index
        parts[place] = parts[place].reshape(-1)
    return tuple(constant(np.asarray(p)) for p in parts)


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
    """Return the distinct elements, their first places, what they were made from, and counts."""
    return UniqueAll(*unique(x, True, True, True))


def unique_inverse(x: Any) -> UniqueInverse:
    """Return the distinct elements, and for each element the place of its value among them."""
    return UniqueInverse(*unique(x, return_inverse=True))


def unique_values(x: Any) -> Any:
    """Return the distinct elements."""
    return unique(x)


def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """Return coordinates, in an array of `shape`, of flat indices."""
    if order != "C":
        raise ValueError("unravel_index: only order='C' is supported")
    rest = as_array(indices)
    found = []
    for n in reversed(tuple(shape)):
        found.append(finish(F.mod(rest, n), rest))
        rest = F.floor_divide(rest, n)
    return tuple(reversed(found))


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return a copy of the diagonal of the planes of two axes, as the last axis."""
    a = as_array(a)
    return finish(F.diagonal(a, offset=offset, axis1=axis1, axis2=axis2), a)


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write `val` on the main diagonal of `a`."""
    numbers = np.zeros(a.shape, np.bool_)
    np.fill_diagonal(numbers, True, wrap)
    value: Any = as_array(val)
    if value.ndim:
        a[numbers] = value
        return
    a._assign(F.where(constant(numbers), F.cast(value, dtype=a.dtype), a))


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """Return the indices of the main diagonal."""
    return tuple(constant(i) for i in np.diag_indices(int(arr.shape[0]), arr.ndim))


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """Return the indices of the lower triangle of `arr`."""
    return tuple(constant(i) for i in np.tril_indices(int(arr.shape[0]), k, int(arr.shape[1])))


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """Return the indices of the upper triangle of `arr`."""
    return tuple(constant(i) for i in np.triu_indices(int(arr.shape[0]), k, int(arr.shape[1])))
