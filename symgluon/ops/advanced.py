"""Indexing by arrays of places mixed with slices, as NumPy does it."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.ir.op import Op, S, op
from symgluon.ir.types import (
    TensorType,
    broadcast_shapes,
    prod,
)
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.core import index_shape, thaw_index
from symgluon.ops.families import sum_to
from symgluon.ops.index import own_type, place_type
from symgluon.ops.scatter import check_part
from symgluon.ops.state import wants

ARRAY = "array"
"""Stands for the next index array in the key of an advanced index."""


def _numpy_key(spec: Any, arrays: Any) -> tuple[Any, ...]:
    queue = iter(arrays)
    return tuple([next(queue) if isinstance(i, str) else i for i in thaw_index(spec)])


class _Layout:
    """A key of ints, slices, None and index arrays, read as NumPy reads it.

    Attributes
    ----------
    basic : the key with full slices where arrays stand
    marks : which axes of the part that `basic` selects the arrays index
    place : where the axes of the arrays stand in the result
    """

    def __init__(self, spec: Any) -> None:
        items = thaw_index(spec)
        basic: list[Any] = []
        marks: list[int] = []
        axis = 0
        for item in items:
            if isinstance(item, str):
                marks.append(axis)
            basic.append(slice(None) if isinstance(item, str) else item)
            axis += isinstance(item, str | slice) or item is None
        self.basic, self.marks = tuple(basic), tuple(marks)
        # ints count as arrays here: if all stand together their axes stay in place, else they lead
        spots = [i for i, v in enumerate(items) if not (v is None or isinstance(v, slice))]
        together = spots[-1] - spots[0] + 1 == len(spots)
        before = items[: spots[0]] if together else ()
        self.place = len(before)

    @property
    def trivial(self) -> bool:
        """Whether the basic part selects everything."""
        return all(isinstance(i, slice) and i == slice(None) for i in self.basic)

    def result_shape(self, shape: Any, arrays: Any) -> tuple[Any, ...]:
        """Shape of ``x[key]`` for operands of these shapes."""
        part = index_shape(shape, self.basic)
        rest = [n for i, n in enumerate(part) if i not in self.marks]
        spread = broadcast_shapes(*arrays)
        return (*rest[: self.place], *spread, *rest[self.place :])


def advanced_operands(x: Any, *arrays: Any) -> tuple[Any, ...]:
    """Rule (`Op.coerce`): all but the first operand hold places."""
    return (own_type(x), *[place_type(a) for a in arrays])


def _stacked(arrays: Any, spread: Any) -> Any:
    """Coordinates (M, ...) of broadcast index arrays."""
    rows = [F.cast(F.broadcast_to(a, shape=spread), dtype="int64") for a in arrays]
    return F.stack(*rows, axis=0)


@op()
class AdvancedIndex(Op):
    """``x[key]`` with arrays of places in the key.

    `spec` is the key with frozen slices (`core.freeze_index`) and ``"array"`` for each operand
    after the first.
    """

    spec: Any
    coerce = staticmethod(advanced_operands)

    def infer(self, x: TensorType, *arrays: TensorType) -> TensorType:
        shapes = [a.known_shape for a in arrays]
        return x.with_shape(_Layout(self.spec).result_shape(x.known_shape, shapes))

    def kernel(self, x: Any, *arrays: Any) -> Any:
        return x[_numpy_key(self.spec, arrays)]

    def grad(self, ct: Any, y: Any, x: Any, *arrays: Any) -> Any:
        gx = F.set_advanced_index(F.zeros_like(x), ct, *arrays, spec=self.spec, accumulate=True)
        return (gx, *[None] * len(arrays))

    def decompose(self, x: Any, *arrays: Any) -> Any:
        """The basic part, the indexed axes in front, then a gather at coordinates."""
        layout = _Layout(self.spec)
        part = x if layout.trivial else F.index(x, index=layout.basic)
        marks, place = layout.marks, layout.place
        if len(marks) == 1 and marks[0] == place:
            return F.take(part, arrays[0], axis=place, mode="raise")
        rest = [i for i in range(part.ndim) if i not in marks]
        spread = broadcast_shapes(*[a.shape for a in arrays])
        moved = F.transpose(part, axes=(*marks, *rest)) if part.ndim > 1 else part
        found = F.gather_nd(moved, _stacked(arrays, spread))
        if not place or not spread:
            return found
        n = len(spread)
        order = [*range(n, n + place), *range(n), *range(n + place, found.ndim)]
        return F.transpose(found, axes=tuple(order))

    samples = [
        S((4, 3), np.array([0, 2]), spec=(ARRAY,)),
        S((4, 3), np.array([[0, -1]]), np.array([[1], [2]]), spec=(ARRAY, ARRAY)),
        S((2, 4, 3), np.array([0, 2]), spec=(("slice", None, None, None), ARRAY)),
        S(
            (2, 4, 3),
            np.array([0, 1]),
            np.array([2, 0]),
            spec=(ARRAY, ("slice", 1, 3, None), ARRAY),
        ),
        S((2, 4, 3), np.array([0, 2]), spec=(1, ("slice", None, None, 2), ARRAY)),
        S((2, 4, 3), np.array([0, 2]), spec=(("slice", None, None, None), 1, ARRAY)),
        S((4, 3), np.array([1, 1]), spec=(ARRAY, None)),
        S((4, 3), np.zeros((0,), np.int64), spec=(ARRAY,)),
    ]


def _set_operands(x: Any, value: Any, *arrays: Any) -> tuple[Any, ...]:
    return (*same_dtypes(x, value), *[place_type(a) for a in arrays])


@op()
class SetAdvancedIndex(Op):
    """A copy of `x` with ``x[key] = value``, or ``+=``, repeated places too (`accumulate`)."""

    spec: Any
    accumulate: bool = False
    coerce = staticmethod(_set_operands)

    def infer(self, x: TensorType, value: TensorType, *arrays: TensorType) -> TensorType:
        self._part(x.known_shape, value.known_shape, [a.known_shape for a in arrays])
        return x

    def _part(self, shape: Any, value: Any, arrays: Any) -> tuple[Any, ...]:
        """Shape of what is written to; `value` must broadcast to it."""
        part = _Layout(self.spec).result_shape(shape, arrays)
        check_part(self.name, value, part)
        return part

    def kernel(self, x: Any, value: Any, *arrays: Any) -> Any:
        out = x.copy()
        key = _numpy_key(self.spec, arrays)
        if self.accumulate:
            np.add.at(out, key, value)
        else:
            out[key] = value
        return out

    def grad(self, ct: Any, y: Any, x: Any, value: Any, *arrays: Any) -> Any:
        gx = gv = None
        if wants(0) and self.accumulate:
            gx = ct
        elif wants(0):
            zero = np.zeros((), ct.dtype)
            gx = F.set_advanced_index(ct, zero, *arrays, spec=self.spec)
        if wants(1):
            gv = sum_to(F.advanced_index(ct, *arrays, spec=self.spec), value.shape)
        return (gx, gv, *[None] * len(arrays))

    def decompose(self, x: Any, value: Any, *arrays: Any) -> Any:
        """The same part of the places 0, 1, 2, ... tells where each element goes."""
        part = self._part(x.shape, value.shape, [a.shape for a in arrays])
        size, count = prod(x.shape), prod(part)
        row = F.arange(start=0, stop=size, step=1, dtype="int64")
        grid = F.reshape(row, shape=x.shape)
        places = F.reshape(F.advanced_index(grid, *arrays, spec=self.spec), shape=(count,))
        flat = F.reshape(x, shape=(size,))
        values = F.reshape(F.broadcast_to(value, shape=part), shape=(count,))
        if self.accumulate:
            flat = flat + F.take_grad(values, places, size=size, axis=0, mode="raise")
        else:
            flat = F.scatter_set_nd(flat, values, F.expand_dims(places, axis=0))
        return F.reshape(flat, shape=x.shape)

    samples = [
        S((4, 3), (2, 3), np.array([0, 2]), spec=(ARRAY,)),
        S((4, 3), (), np.array([0, -1]), np.array([1, 2]), spec=(ARRAY, ARRAY)),
        S((2, 4, 3), (2, 1, 3), np.array([0, 2]), spec=(("slice", None, None, None), ARRAY)),
        S((4,), (3,), np.array([0, 0, 2]), spec=(ARRAY,), accumulate=True),
    ]
