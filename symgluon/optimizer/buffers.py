"""Arrays that optimizers write in place, and temporaries that they reuse."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from symgluon.ops.array import Array, wrap

_SMALL = 1 << 14  # elements up to which a fresh array is cheaper than a reused one


def _holders(handle: Array) -> int:
    """How many references there are to the content of `handle` (some are of this very call)."""
    return sys.getrefcount(handle._data)


#: `_holders` of a content that nobody else has
_ALONE = _holders(wrap(np.zeros(1)))


def writable(handle: Array) -> np.ndarray:
    """Return the content of `handle` as an array that may be written in place.

    A content that something else holds (the tape, another handle, a compiled graph) is copied
    first.  `Array._owned` alone would not do: every recorded call clears it.
    """
    handle._content()  # a parameter may lie on a device
    if not handle._owned and (
        _holders(handle) > _ALONE
        or handle._data.base is not None
        or not handle._data.flags.writeable
    ):
        handle._data = np.array(handle._data)
        handle._owned = True
    return handle._data  # type: ignore[no-any-return]


class _Pool(threading.local):
    def __init__(self) -> None:
        self.flat: dict[tuple[int, Any], np.ndarray] = {}


_pool = _Pool()


def temporary(like: np.ndarray, slot: int = 0) -> np.ndarray:
    """Return an uninitialised array of the shape and dtype of another, valid until the next call.

    Large ones are cut from one buffer a slot: fresh memory of that size costs a page fault for
    every 4 kB.

    Parameters
    ----------
    like : numpy.ndarray
        The other array.
    slot : int
        Number of the buffer; arrays of different slots are valid together.

    Returns
    -------
    numpy.ndarray
        The array.
    """
    size = like.size
    if size <= _SMALL:
        return np.empty(like.shape, like.dtype)
    key = (slot, like.dtype)
    flat = _pool.flat.get(key)
    if flat is None or flat.size < size:
        flat = _pool.flat[key] = np.empty(size, like.dtype)
    return flat[:size].reshape(like.shape)


def mapped(state: Any, function: Callable[[Any], Any]) -> Any:
    """Return a state with a function of each of its arrays in their places.

    Parameters
    ----------
    state : None, array, or tuple of those
        What `Optimizer.create_state` made.
    function : callable
        From an array to what takes its place.

    Returns
    -------
    object
        Of the same structure.
    """
    if state is None:
        return None
    if isinstance(state, tuple | list):
        return tuple([mapped(s, function) for s in state])
    return function(state)


def flat(state: Any) -> list[Any]:
    """Return the arrays of a state in order.

    Parameters
    ----------
    state : None, array, or tuple of those
        What `Optimizer.create_state` made.

    Returns
    -------
    list of array
        Without the structure.
    """
    found: list[Any] = []
    mapped(state, found.append)
    return found
