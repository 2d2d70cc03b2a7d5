"""``x[key]`` and ``x[key] = value`` of the public arrays.

A key of ints, slices, None and Ellipsis is basic.  Where the part is one piece of memory the
result is a view, as in MXNet; other basic keys and all advanced ones (integer and boolean arrays)
give copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import AxisError
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Value
from symgluon.ops.advanced import ARRAY
from symgluon.ops.apply import F
from symgluon.ops.array import Array, view, wrap
from symgluon.ops.core import freeze_index
from symgluon.ops.dynamic import MaskError
from symgluon.ops.state import state


def getitem(x: Any, key: Any, legacy: bool = False) -> Any:
    """Read ``x[key]``.

    Parameters
    ----------
    x : array
        The array.
    key : object
        Integers, slices, None, Ellipsis, arrays and lists, or a tuple of those.
    legacy : bool
        By the rules of MXNet 1.x.

    Returns
    -------
    array
        A view where MXNet gives one, else a copy.
    """
    kind = type(key)
    if kind is int and not (legacy and len(x.shape) == 1):
        _check_int(x, key)
        return view(x, (key,))
    truth = _truth(key)
    if truth is not None:
        found = F.index(x, index=(None,))
        return x._new(found if truth else F.index(found, index=(slice(0, 0),)))
    items, arrays = parse(x, key)
    if arrays:
        mask = _only_mask(arrays, items)
        if mask is not None and isinstance(mask, Array) and mask.ndim == 1:
            return x._new(F.boolean_mask(x, mask, axis=0))
        items, arrays = _unmask(x, items, arrays)
        return x._new(F.advanced_index(x, *arrays, spec=freeze_index(items)))
    shares = _one_axis(items) if legacy else contiguous(x.shape, items)
    if legacy and all(isinstance(i, int) for i in items) and len(items) == len(x.shape) > 0:
        items = (*items[:-1], slice(items[-1], items[-1] + 1 or None))  # no 0-d arrays in 1.x
    if shares:
        return view(x, items)
    return x._new(F.index(x, index=items))


def _check_int(x: Any, key: int) -> None:
    shape = x.shape
    if not shape:
        raise AxisError("too many indices (1) for array with 0 dimensions")
    n = shape[0]
    if isinstance(n, int) and not -n <= key < n:
        raise AxisError(f"index {key} is out of bounds for axis 0 with size {n}")


def setitem(x: Any, key: Any, value: Any) -> None:
    """Write ``x[key] = value``.

    Parameters
    ----------
    x : array
        Is written.
    key : object
        Integers, slices, None, Ellipsis, arrays and lists, or a tuple of those.
    value : array or number
        Broadcasts to the chosen part, and is cast to the dtype of `x`.
    """
    value = _value(x, value)
    truth = _truth(key)
    if truth is not None:
        if truth:
            x._write((), _fit(x.shape, (), value))
        return
    items, arrays = parse(x, key)
    if not arrays:
        x._write(items, _fit(x.shape, items, value))
        return
    mask = _only_mask(arrays, items)
    if mask is not None and (getattr(value, "ndim", 0) == 0):
        full = _broadcast_mask(mask, x)
        x._assign(F.where(full, F.cast(value, dtype=x.dtype), x))
        return
    items, arrays = _unmask(x, items, arrays)
    x._assign(
        F.set_advanced_index(x, F.cast(value, dtype=x.dtype), *arrays, spec=freeze_index(items))
    )


def _truth(key: Any) -> bool | None:
    """Return the key as a bool if it is a single one: it selects all of the array, or nothing."""
    if isinstance(key, bool | np.bool_):
        return bool(key)
    if isinstance(key, Array) and key.dtype.kind == "b" and key.ndim == 0:
        return bool(key.numpy_content("a bool as index"))
    return None


def _value(x: Any, value: Any) -> Any:
    if isinstance(value, Array):
        return value
    if isinstance(value, Dim):
        return F.dim_value(dim=value)
    if isinstance(value, list | tuple) and any(isinstance(v, Array) for v in value):
        value = [v.numpy_content() if isinstance(v, Array) else v for v in value]
    return np.asarray(value, x.dtype)


def _fit(shape: Any, items: tuple[Any, ...], value: Any) -> Any:
    """Drop leading axes of size 1 that `value` has too many (MXNet allows them)."""
    ndim = (
        len(shape) + sum(i is None for i in items) - sum(isinstance(i, int | Dim) for i in items)
    )
    while value.ndim > ndim and isinstance(value.shape[0], int) and value.shape[0] == 1:
        value = value[0] if isinstance(value, np.ndarray) else F.index(value, index=(0,))
    return value


# ---- keys --------------------------------------------------------------------------------------
def parse(x: Any, key: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Split a key into basic items, with ``ARRAY`` where an index array stands, and those.

    Parameters
    ----------
    x : array
        The array.
    key : object
        As of `getitem`.

    Returns
    -------
    tuple of items and list of array
        The items (one an axis of `x`, and None) and the index arrays.

    Raises
    ------
    IndexError
        For a key that is none, or has too many axes.
    """
    items = key if isinstance(key, tuple) else (key,)
    parsed: list[Any] = []
    arrays: list[Any] = []
    for item in items:
        one = _item(item)
        if isinstance(one, Array | np.ndarray):
            arrays.append(one)
            parsed.append(ARRAY)
        else:
            parsed.append(one)
    return tuple(_expand(parsed, arrays, len(x.shape))), arrays


def _item(item: Any) -> Any:
    if item is None or item is Ellipsis or type(item) is int or isinstance(item, Dim):
        return item
    if isinstance(item, slice):
        return slice(*[_bound(v) for v in (item.start, item.stop, item.step)])
    if isinstance(item, bool | np.bool_):
        raise AxisError("a single bool stands alone as an index, not beside others")
    if isinstance(item, np.integer):
        return int(item)
    if isinstance(item, Array):
        return _index_array(item)
    if isinstance(item, list | range | tuple | np.ndarray):
        array = np.asarray([v.numpy_content() if isinstance(v, Array) else v for v in item])
        if array.dtype == object:
            raise AxisError(f"NDArray does not support slicing with key {item!r}")
        return _index_array(array if array.size else array.astype(np.int64))
    raise AxisError(f"NDArray does not support slicing with key {item!r} of type {type(item)}.")


def _bound(value: Any) -> Any:
    if value is None or type(value) is int or isinstance(value, Dim):
        return value
    return value.__index__()


def _index_array(array: Any) -> Any:
    if array.dtype.kind in "iub":
        return array
    return F.cast(array, dtype="int64") if isinstance(array, Array) else array.astype(np.int64)


def _expand(items: list[Any], arrays: list[Any], ndim: int) -> list[Any]:
    """Replace an Ellipsis by as many full slices as it stands for."""
    queue = iter(arrays)
    used = 0
    for item in items:
        if isinstance(item, str):
            array = next(queue)
            used += array.ndim if array.dtype.kind == "b" else 1
        elif item is not None and item is not Ellipsis:
            used += 1
    if used > ndim:
        raise AxisError(f"too many indices ({used}) for array with {ndim} dimensions")
    if Ellipsis not in [i for i in items if not isinstance(i, Dim)]:
        return items
    spots = [n for n, i in enumerate(items) if i is Ellipsis]
    if len(spots) > 1:
        raise AxisError("an index can only have a single ellipsis ('...')")
    n = spots[0]
    return [*items[:n], *[slice(None)] * (ndim - used), *items[n + 1 :]]


def _places(mask: Any, content: Value) -> Any:
    """Return `nonzero` of a mask in a trace; the same for equal masks, so that sizes agree."""
    region = state.region
    if region is None:
        return F.nonzero(mask)
    node = content.producer
    key: Any = content
    if node is not None and not node.op.effects:
        key = (node.op, *[None if v is None else _leaf_key(v) for v in node.inputs])
    found = region.masks.get(key)
    if found is None:
        found = region.masks[key] = F.nonzero(mask)
    return found


def _leaf_key(value: Value) -> Any:
    data = value.data
    return value if data is None else (data.dtype, data.shape, data.tobytes())


def _unmask(
    x: Any, items: tuple[Any, ...], arrays: list[Any]
) -> tuple[tuple[Any, ...], list[Any]]:
    """Turn boolean arrays into the integer arrays of their true elements."""
    queue = iter(arrays)
    axis = 0  # of `x`, that the item stands for
    new_items: list[Any] = []
    new_arrays: list[Any] = []
    for item in items:
        if not isinstance(item, str):
            new_items.append(item)
            axis += item is not None
            continue
        array = next(queue)
        if array.dtype.kind != "b":
            axis += 1
            new_items.append(item)
            new_arrays.append(array)
            continue
        _check_mask(array, x.shape[axis:])
        axis += array.ndim
        content = array._content() if isinstance(array, Array) else array
        if isinstance(content, Value):  # how many there are, only the data tell
            places = _places(array, content)
            found = [F.index(places, (slice(None), i)) for i in range(array.ndim)]
        else:
            found = list(np.nonzero(content))
        new_items.extend([ARRAY] * len(found))
        new_arrays.extend(found)
    return tuple(new_items), new_arrays


def _only_mask(arrays: list[Any], items: tuple[Any, ...]) -> Any:
    if len(arrays) != 1 or arrays[0].dtype.kind != "b" or not isinstance(items[0], str):
        return None
    return arrays[0] if all(i == slice(None) for i in items[1:]) else None


def _check_mask(mask: Any, shape: Sequence[Any]) -> None:
    """Refuse a mask whose sizes are known not to be those of the axes it stands for."""
    for have, want in zip(mask.shape, shape, strict=False):
        if isinstance(have, int) and isinstance(want, int) and have != want:
            raise MaskError("boolean index did not match the indexed array",
                            expected=shape, received=mask.shape)  # fmt: skip


def _broadcast_mask(mask: Any, x: Any) -> Any:
    mask = mask if isinstance(mask, Array) else wrap(mask)
    extra = x.ndim - mask.ndim
    _check_mask(mask, x.shape)
    return F.reshape(mask, shape=(*mask.shape, *(1,) * extra)) if extra else mask


# ---- what shares memory -------------------------------------------------------------------------
def _one_axis(items: tuple[Any, ...]) -> bool:
    """Whether 1.x gives a view: one int or slice without a step, on the first axis."""
    if len(items) != 1:
        return all(isinstance(i, slice) and i == slice(None) for i in items[1:]) and bool(items)
    item = items[0]
    return isinstance(item, int) or (isinstance(item, slice) and item.step in (None, 1))


def contiguous(shape: Any, items: tuple[Any, ...]) -> bool:
    """Whether the elements that a basic key selects are one piece of memory (asks no question).

    Parameters
    ----------
    shape : tuple of int or Dim
        Of the array.
    items : tuple
        Items of a key, as `parse` gives them.

    Returns
    -------
    bool
        The answer.
    """
    axis = 0
    partial = False  # an axis was cut to more than one element, or to an unknown number
    for item in items:
        if item is None:
            continue
        n = shape[axis]
        axis += 1
        if not isinstance(item, slice):
            if partial:
                return False
            continue
        if item.start is None and item.stop is None and item.step in (None, 1):
            partial = partial or not (isinstance(n, int) and n == 1)
            continue
        if not isinstance(n, int) or isinstance(item.start, Dim) or isinstance(item.stop, Dim):
            if partial or item.step not in (None, 1):
                return False
            partial = True
            continue
        span = range(n)[item]
        if len(span) == n and span.step == 1:
            partial = partial or n > 1
            continue
        if not len(span) or partial or (item.step not in (None, 1)):
            return False
        partial = partial or len(span) > 1
    return True
