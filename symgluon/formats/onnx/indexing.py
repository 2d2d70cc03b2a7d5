"""Basic indexing and its assignment in ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from symgluon.ir.dims import Dim

if TYPE_CHECKING:
    from symgluon.formats.onnx.builder import Builder

_END = np.iinfo(np.int64).max


def _bounds(item: slice, n: Any) -> tuple[Any, Any, int]:
    """ONNX bounds of a Python slice; open ends are far away."""
    step = 1 if item.step is None else int(item.step)
    if step > 0:
        start = 0 if item.start is None else item.start
        stop = _END if item.stop is None else item.stop
    else:
        start = _END if item.start is None else item.start
        stop = -_END if item.stop is None else item.stop
    return start, stop, step


def is_full(item: Any, n: Any) -> bool:
    """Whether a slice takes the whole axis."""
    return (
        isinstance(item, slice)
        and item.step in (None, 1)
        and (item.start is None or (isinstance(item.start, int) and item.start == 0))
        and (item.stop is None or (isinstance(item.stop, int) and isinstance(n, int)
                                   and item.stop >= n)
             or (isinstance(item.stop, Dim) and isinstance(n, Dim) and item.stop.key() == n.key()))
    )  # fmt: skip


def basic_index(g: Builder, x: str, index: tuple[Any, ...]) -> str:
    """``x[index]``: one Slice for the slices and ints, then Squeeze, then Unsqueeze."""
    shape = g.shape(x)
    starts: list[Any] = []
    ends: list[Any] = []
    axes: list[int] = []
    steps: list[int] = []
    dropped: list[int] = []
    added: list[int] = []
    axis = out = 0
    for item in index:
        if item is None:
            added.append(out)
            out += 1
            continue
        if isinstance(item, slice):
            if not is_full(item, shape[axis]):
                start, stop, step = _bounds(item, shape[axis])
                starts.append(start)
                ends.append(stop)
                axes.append(axis)
                steps.append(step)
            out += 1
        else:
            last = isinstance(item, int) and item == -1
            starts.append(item)
            ends.append(_END if last else item + 1)
            axes.append(axis)
            steps.append(1)
            dropped.append(axis)
        axis += 1
    if len(dropped) == 1 and len(axes) == 1 and isinstance(starts[0], int):
        x = str(g.Gather(x, g.const(np.asarray(starts[0], np.int64)), axis=axes[0]))
        dropped = []
    elif axes:
        x = g.slice(x, starts, ends, axes, steps)
    x = g.squeeze(x, dropped)
    x = g.unsqueeze(x, added)
    return x if axes or added else str(g.Identity(x))


def basic_set_index(g: Builder, x: str, value: str, index: tuple[Any, ...]) -> str:
    """``x[index] = value`` as a selection over index grids and one ScatterND."""
    shape = g.shape(x)
    rank = len(shape)
    if not rank:  # the one element
        return str(g.Reshape(value, g.ints([])))
    if _selects_nothing(shape, index):
        return str(g.Identity(x))  # nothing is written; ONNX Runtime refuses empty places
    grids, part = _grids(g, shape, index)
    target = g.Shape(part)
    broad = g.Expand(value, target)
    columns = [g.unsqueeze(str(g.Expand(grid, target)), [-1]) for grid in grids]
    where = g.Concat(*columns, axis=-1) if rank > 1 else columns[0]
    return str(g.ScatterND(x, where, broad))


def _selects_nothing(shape: tuple[Any, ...], index: tuple[Any, ...]) -> bool:
    """Whether some axis of fixed size has no place that the index takes."""
    items = [item for item in index if item is not None]
    items += [slice(None)] * (len(shape) - len(items))
    return any(
        isinstance(n, int)
        and isinstance(item, slice)
        and not _symbolic(item)
        and not len(range(n)[item])
        for n, item in zip(shape, items, strict=True)
    )


def _grids(g: Builder, shape: tuple[Any, ...], index: tuple[Any, ...]) -> tuple[list[str], str]:
    """Positions along each axis of `x`, shaped to broadcast over the indexed part."""
    items = [i for i in index if i is not None]
    items += [slice(None)] * (len(shape) - len(items))
    layout: list[Any] = []  # axes of the part: an axis number of x, or None for a new one
    axis = 0
    for item in index:
        if item is None:
            layout.append(None)
            continue
        if isinstance(item, slice):
            layout.append(axis)
        axis += 1
    layout += list(range(axis, len(shape)))
    grids: list[str] = []
    total: str | None = None
    for i, item in enumerate(items):
        grid = _positions(g, shape[i], item)
        place = [1] * len(layout)
        if isinstance(item, slice):
            place[layout.index(i)] = -1
        grid = str(g.Reshape(grid, g.ints(place)))
        grids.append(grid)
        total = grid if total is None else str(g.Add(total, grid))
    return grids, total or g.ints([0])


def _positions(g: Builder, n: Any, item: Any) -> str:
    """Positions that an index takes along an axis of size `n`, as an int64 vector."""
    if isinstance(n, int) and not _symbolic(item):
        taken = np.arange(n)[item]
        return g.const(np.atleast_1d(taken).astype(np.int64))
    if not isinstance(item, slice):
        one = g.shape_vector([item])
        size = g.shape_vector([n])
        return str(g.Where(g.Less(one, g.ints([0])), g.Add(one, size), one))
    zero, step = g.const(np.asarray(0, np.int64)), g.const(np.asarray(1, np.int64))
    every = g.Range(zero, g.dim_value(n), step)
    start, stop, stride = _bounds(item, n)
    return g.slice(str(every), [start], [stop], [0], [stride])


def _symbolic(item: Any) -> bool:
    if isinstance(item, slice):
        return isinstance(item.start, Dim) or isinstance(item.stop, Dim)
    return isinstance(item, Dim)
