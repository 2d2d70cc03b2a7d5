"""Joining and splitting arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ir.attrs import Ints
from symgluon.ir.dims import same
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import (
    TensorType,
    format_shape,
    normalize_axis,
)
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.checks import equal_dims
from symgluon.ops.state import wants


def _joined(name: str, types: Any, axis: int) -> list[Any]:
    """Shape of arrays joined along `axis` (counted from the front), checked."""
    if not types:
        raise ShapeError(f"{name}: no arrays to join")
    first = types[0].known_shape
    shape = list(first)
    for other in types[1:]:
        s = other.known_shape
        fits = len(s) == len(first) and all(
            i == axis or equal_dims(a, b) for i, (a, b) in enumerate(zip(first, s, strict=True))
        )
        if not fits:
            raise ShapeError(
                f"{name}: shapes {format_shape(first)} and {format_shape(s)} differ in more than "
                f"axis {axis}"
            )
        shape = [n if m is None else m for m, n in zip(shape, s, strict=True)]
    return shape


@op()
class Concatenate(Op):
    """Join arrays along `axis` (None: flattened)."""

    axis: int | None = 0
    coerce = staticmethod(same_dtypes)

    def infer(self, *arrays: TensorType) -> TensorType:
        if self.axis is None:
            return TensorType((sum([a.size for a in arrays]),), arrays[0].dtype)
        axis = normalize_axis(self.axis, arrays[0].rank)
        shape = _joined(self.name, arrays, axis)
        sizes = [a.known_shape[axis] for a in arrays]
        shape[axis] = None if None in sizes else sum(sizes)
        return arrays[0].with_shape(shape)

    def kernel(self, *arrays: Any) -> Any:
        try:
            return np.concatenate(arrays, self.axis)
        except ValueError:
            self.infer(*[TensorType(a.shape, a.dtype) for a in arrays])
            raise

    def into(self, out: Any, *arrays: Any) -> bool:
        np.concatenate(arrays, self.axis, out=out)
        return True

    def grad(self, ct: Any, y: Any, *arrays: Any) -> Any:
        axis = 0 if self.axis is None else normalize_axis(self.axis, arrays[0].ndim)
        grads = []
        start: Any = 0
        for i, a in enumerate(arrays):
            stop = start + (a.size if self.axis is None else a.shape[axis])
            part = None
            if wants(i):
                part = F.index(ct, index=((slice(None),) * axis + (slice(start, stop),)))
                part = F.reshape(part, shape=a.shape) if self.axis is None else part
            grads.append(part)
            start = stop
        return tuple(grads)

    def onnx(self, g: Any, *arrays: Any) -> Any:
        if self.axis is None:
            flat = [g.reshape(a, (-1,)) for a in arrays]
            return flat[0] if len(flat) == 1 else g.Concat(*flat, axis=0)
        if len(arrays) == 1:
            return g.Identity(arrays[0])
        return g.Concat(*arrays, axis=normalize_axis(self.axis, g.rank(arrays[0])))

    samples = [
        S((2, 3), (4, 3)),
        S((2, 3), (2, 0), (2, 1), axis=-1),
        S((2,), axis=0),
        S((2, 2), (3,), axis=None),
    ]


@op()
class Stack(Op):
    """Join arrays of one shape along a new `axis`."""

    axis: int = 0
    coerce = staticmethod(same_dtypes)

    def infer(self, *arrays: TensorType) -> TensorType:
        shape = _joined(self.name, arrays, -1)
        shape.insert(normalize_axis(self.axis, len(shape) + 1), len(arrays))
        return arrays[0].with_shape(shape)

    def kernel(self, *arrays: Any) -> Any:
        try:
            return np.stack(arrays, self.axis)
        except ValueError:
            self.infer(*[TensorType(a.shape, a.dtype) for a in arrays])
            raise

    def into(self, out: Any, *arrays: Any) -> bool:
        np.stack(arrays, self.axis, out=out)
        return True

    def grad(self, ct: Any, y: Any, *arrays: Any) -> Any:
        lead = (slice(None),) * normalize_axis(self.axis, y.ndim)
        return tuple(
            [F.index(ct, index=(*lead, i)) if wants(i) else None for i in range(len(arrays))]
        )

    def onnx(self, g: Any, *arrays: Any) -> Any:
        axis = normalize_axis(self.axis, g.rank(arrays[0]) + 1)
        parts = [g.unsqueeze(a, (axis,)) for a in arrays]
        return parts[0] if len(parts) == 1 else g.Concat(*parts, axis=axis)

    samples = [
        S((2, 3), (2, 3)),
        S((2,), (2,), (2,), axis=-1),
        S((), (), axis=0),
        S((0, 2), axis=1),
    ]


@op()
class Split(Op):
    """Cut `x` along `axis` into `sections` equal parts, or before each of `indices`.

    Attributes
    ----------
    squeeze : bool
        Drop the axis; each part then has size 1 there.
    """

    indices: Ints = ()
    sections: int = 0
    axis: int = 0
    squeeze: bool = False
    aliases = True

    def bounds(self, n: Any, *, checked: bool = False) -> list[tuple[Any, Any]]:
        """Start and stop of each part of an axis of size `n` (`checked`: equal parts are known)."""
        if self.sections > 0:
            if isinstance(n, int):
                if n % self.sections:
                    raise ShapeError(
                        f"split: {n} places do not fall into {self.sections} equal parts"
                    )
                size: Any = n // self.sections
            else:
                size = n // self.sections
                if not (checked or same(size * self.sections, n) or size * self.sections == n):
                    raise ShapeError(f"split: {n} places into {self.sections} equal parts")
            return [(i * size, (i + 1) * size) for i in range(self.sections)]
        cuts = [i + n if isinstance(i, int) and i < 0 else i for i in self.indices]
        starts, stops = [0, *cuts], [*cuts, n]
        return list(zip(starts, stops, strict=True))

    def infer(self, x: TensorType) -> Any:
        from symgluon.ops.core import slice_size

        axis = normalize_axis(self.axis, x.rank)
        shape = list(x.known_shape)
        types = []
        for start, stop in self.bounds(shape[axis]):
            size = slice_size(shape[axis], slice(start, stop))
            if self.squeeze and not equal_dims(size, 1):
                raise ShapeError(f"split: cannot drop axis {axis}: a part has {size} places there")
            middle = () if self.squeeze else (size,)
            types.append(x.with_shape((*shape[:axis], *middle, *shape[axis + 1 :])))
        return types[0] if len(types) == 1 else tuple(types)

    def kernel(self, x: Any) -> Any:
        axis = normalize_axis(self.axis, x.ndim)
        lead = (slice(None),) * axis
        parts = [x[(*lead, slice(a, b))] for a, b in self.bounds(x.shape[axis])]
        if self.squeeze:
            parts = [np.squeeze(p, axis) for p in parts]
        return parts[0] if len(parts) == 1 else tuple(parts)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        cts, ys = (ct, y) if isinstance(ct, tuple) else ((ct,), (y,))
        parts = [F.zeros_like(v) if c is None else c for c, v in zip(cts, ys, strict=True)]
        axis = normalize_axis(self.axis, x.ndim)
        if self.squeeze:
            return F.stack(*parts, axis=axis)
        if self.sections or self._ordered(x.shape[axis]):
            return F.concatenate(*parts, axis=axis)
        total = F.zeros_like(x)
        lead = (slice(None),) * axis
        for (a, b), part in zip(self.bounds(x.shape[axis]), parts, strict=True):
            index = (*lead, slice(a, b))
            total = F.set_index(total, F.index(total, index=index) + part, index=index)
        return total

    def _ordered(self, n: Any) -> bool:
        """Whether the parts follow each other without gap or overlap."""
        bounds = self.bounds(n)
        return all(isinstance(v, int) for b in bounds for v in b) and all(
            0 <= a <= b <= n for a, b in bounds
        )

    def onnx(self, g: Any, x: Any) -> Any:
        axis = normalize_axis(self.axis, g.rank(x))
        n = g.shape(x)[axis]
        parts = [g.slice(x, [a], [b], [axis]) for a, b in self.bounds(n, checked=True)]
        if isinstance(n, int) and len(parts) > 1 and self._ordered(n):
            parts = list(g.split(x, [b - a for a, b in self.bounds(n)], axis))
        if self.squeeze:
            parts = [g.squeeze(p, (axis,)) for p in parts]
        return parts[0] if len(parts) == 1 else tuple(parts)

    samples = [
        S((6, 2), sections=3),
        S((2, 5), indices=(1, 3), axis=1),
        S((2, 3), sections=3, axis=-1, squeeze=True),
        S((5,), indices=(3, 2)),
        S((4,), indices=(2, -1)),
        S((2, 3), sections=1, axis=0),
    ]
