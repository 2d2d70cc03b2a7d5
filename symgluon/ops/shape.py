"""Operators that change shapes without computing: reshape, axes, joining and splitting."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Axes, Ints, Shape
from symgluon.ir.dims import same
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import (
    TensorType,
    broadcast_shapes,
    format_shape,
    infer_reshape,
    normalize_axes,
    normalize_axis,
    same_shape,
)
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.checks import equal_dims
from symgluon.ops.families import sum_to
from symgluon.ops.lowering import kernel_type
from symgluon.ops.state import wants


@op()
class Reshape(Op):
    """Give `x` another shape; one entry may be -1.  MXNet's codes are resolved by callers."""

    shape: Shape
    aliases = True
    inplace = ((0, 0),)

    def infer(self, x: TensorType) -> TensorType:
        return x.with_shape(infer_reshape(x.shape, self.shape))

    def kernel(self, x: Any) -> Any:
        try:
            return x.reshape(self.shape)
        except ValueError:
            infer_reshape(x.shape, self.shape)  # says it in our words
            raise

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return F.reshape(ct, shape=x.shape)

    def onnx(self, g: Any, x: Any) -> Any:
        return g.reshape(x, self.shape)

    samples = [S((2, 6), shape=(3, -1)), S((), shape=(1, 1)), S((0, 3), shape=(3, 0))]


@op()
class BroadcastTo(Op):
    """Broadcast `x` to `shape`."""

    shape: Shape
    aliases = True

    def infer(self, x: TensorType) -> TensorType:
        if same_shape(x.known_shape, self.shape):
            return x
        if not same_shape(broadcast_shapes(x.known_shape, self.shape), self.shape):
            raise ShapeError(
                f"broadcast_to: shape {format_shape(x.shape)} does not broadcast to "
                f"{format_shape(self.shape)}"
            )
        return x.with_shape(self.shape)

    def kernel(self, x: Any) -> Any:
        return np.broadcast_to(x, self.shape)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return sum_to(ct, x.shape)

    def onnx(self, g: Any, x: Any) -> Any:
        return g.Expand(x, g.shape_vector(self.shape))

    samples = [S((3,), shape=(2, 3)), S((2, 1), shape=(2, 4)), S((), shape=(2, 0))]


# ---- arrays like another ---------------------------------------------------------------------------
@op(mx="zeros_like _sparse_zeros_like _npi_zeros_like")
class ZerosLike(Op):
    """Zeros of the shape and dtype of `x`."""

    no_grad = True

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        return np.zeros(x.shape, x.dtype)

    def decompose(self, x: Any) -> Any:
        return F.full(np.zeros((), x.dtype), shape=x.shape)

    samples = [S((2, 3)), S(()), S((0, 2)), S(np.ones((2,), np.int32))]


@op(mx="ones_like _npi_ones_like")
class OnesLike(Op):
    """Ones of the shape and dtype of `x`."""

    no_grad = True

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        return np.ones(x.shape, x.dtype)

    def decompose(self, x: Any) -> Any:
        return F.full(np.ones((), x.dtype), shape=x.shape)

    samples = [S((2, 3)), S(()), S((0, 2)), S(np.zeros((2,), np.int32))]


# ---- axes ------------------------------------------------------------------------------------------
def permutation(axes: Any, rank: int) -> tuple[int, ...]:
    """Return the order of axes that `axes` asks for (empty or None: reversed)."""
    if not axes:
        return tuple(range(rank))[::-1]
    found = normalize_axes(tuple(axes), rank, what="axes")
    if len(found) != rank:
        raise ShapeError(
            f"transpose: axes {tuple(axes)} for an array of {rank} axes",
            hint="Name every axis once, or none to reverse them.",
        )
    return found


@op()
class Transpose(Op):
    """Permute the axes of `x`; without `axes` reverse them."""

    axes: Ints | None = None
    aliases = True

    def infer(self, x: TensorType) -> TensorType:
        shape = x.known_shape
        return x.with_shape([shape[i] for i in permutation(self.axes, len(shape))])

    def kernel(self, x: Any) -> Any:
        return x.transpose(permutation(self.axes, x.ndim))

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        order = permutation(self.axes, x.ndim)
        return F.transpose(ct, axes=tuple(sorted(range(x.ndim), key=order.__getitem__)))

    def onnx(self, g: Any, x: Any) -> Any:
        return g.transpose(x, permutation(self.axes, g.rank(x)))

    samples = [S((2, 3, 4)), S((2, 3, 4), axes=(1, 2, 0)), S((2, 3), axes=(-1, 0)), S(())]


@op()
class Swapaxes(Op):
    """Exchange two axes."""

    axis1: int = 0
    axis2: int = 0

    def decompose(self, x: Any) -> Any:
        order = list(range(x.ndim))
        a, b = normalize_axis(self.axis1, x.ndim), normalize_axis(self.axis2, x.ndim)
        order[a], order[b] = b, a
        return F.transpose(x, axes=tuple(order))

    samples = [S((2, 3, 4), axis1=0, axis2=2), S((2, 3), axis1=-1, axis2=0)]


@op(mx="_npi_moveaxis _np_moveaxis")
class Moveaxis(Op):
    """Move axes from `source` to `destination`, the others keep their order."""

    source: Ints
    destination: Ints

    def decompose(self, x: Any) -> Any:
        source = normalize_axes(self.source, x.ndim, what="source")
        target = normalize_axes(self.destination, x.ndim, what="destination")
        if len(source) != len(target):
            raise ShapeError(f"moveaxis: {len(source)} sources and {len(target)} destinations")
        order = [i for i in range(x.ndim) if i not in source]
        for place, axis in sorted(zip(target, source, strict=True)):
            order.insert(place, axis)
        return F.transpose(x, axes=tuple(order))

    samples = [S((2, 3, 4), source=0, destination=-1), S((2, 3, 4), source=(0, 1), destination=(2, 0))]


@op(mx="_npi_rollaxis")
class Rollaxis(Op):
    """Move `axis` before the place `start`."""

    axis: int
    start: int = 0

    def decompose(self, x: Any) -> Any:
        axis = normalize_axis(self.axis, x.ndim)
        start = self.start + x.ndim if self.start < 0 else self.start
        if not 0 <= start <= x.ndim:
            raise ShapeError(f"rollaxis: start {self.start} is out of bounds for rank {x.ndim}")
        return F.moveaxis(x, source=axis, destination=start - 1 if axis < start else start)

    samples = [S((2, 3, 4), axis=2), S((2, 3, 4), axis=0, start=2), S((2, 3), axis=-1, start=-1)]


@op()
class ExpandDims(Op):
    """Insert axes of size 1 at the places `axis` of the result."""

    axis: Axes
    aliases = True
    inplace = ((0, 0),)

    def infer(self, x: TensorType) -> TensorType:
        shape = list(x.known_shape)
        for axis in self.places(len(shape)):
            shape.insert(axis, 1)
        return x.with_shape(shape)

    def places(self, rank: int) -> list[int]:
        """Places of the new axes in the result, rising."""
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        return sorted(normalize_axes(axes, rank + len(axes)))

    def kernel(self, x: Any) -> Any:
        return np.expand_dims(x, tuple(self.places(x.ndim)))

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return F.reshape(ct, shape=x.shape)

    def onnx(self, g: Any, x: Any) -> Any:
        return g.unsqueeze(x, self.places(g.rank(x)))

    samples = [S((2, 3), axis=1), S((2,), axis=-1), S((), axis=0), S((2, 3), axis=(0, -1))]


@op()
class Squeeze(Op):
    """Drop axes of size 1: those named by `axis`, else all."""

    axis: Axes = None
    aliases = True
    inplace = ((0, 0),)

    def infer(self, x: TensorType) -> TensorType:
        axes = self.places(x.known_shape)
        return x.with_shape([n for i, n in enumerate(x.known_shape) if i not in axes])

    def places(self, shape: Any) -> tuple[int, ...]:
        """Return which axes of an array of `shape` are dropped."""
        if self.axis is None:
            return tuple([i for i, n in enumerate(shape) if n == 1])
        axes = normalize_axes(self.axis, len(shape))
        wrong = [i for i in axes if not equal_dims(shape[i], 1)]
        if wrong:
            raise ShapeError(
                f"squeeze: axis {wrong[0]} of shape {format_shape(shape)} is not of size 1"
            )
        return axes

    def kernel(self, x: Any) -> Any:
        return np.squeeze(x, self.places(x.shape))

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return F.reshape(ct, shape=x.shape)

    def onnx(self, g: Any, x: Any) -> Any:
        axes = self.places(g.shape(x))
        return g.squeeze(x, axes) if axes else g.Identity(x)

    samples = [S((1, 3, 1)), S((1, 3, 1), axis=0), S((2, 1), axis=(-1,)), S((2, 3)), S(())]


# ---- joining and splitting ---------------------------------------------------------------------------
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

    def grad(self, ct: Any, y: Any, *arrays: Any) -> Any:
        lead = (slice(None),) * normalize_axis(self.axis, y.ndim)
        return tuple(
            [F.index(ct, index=(*lead, i)) if wants(i) else None for i in range(len(arrays))]
        )

    def onnx(self, g: Any, *arrays: Any) -> Any:
        axis = normalize_axis(self.axis, g.rank(arrays[0]) + 1)
        parts = [g.unsqueeze(a, (axis,)) for a in arrays]
        return parts[0] if len(parts) == 1 else g.Concat(*parts, axis=axis)

    samples = [S((2, 3), (2, 3)), S((2,), (2,), (2,), axis=-1), S((), (), axis=0), S((0, 2), axis=1)]


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

    def bounds(self, n: Any) -> list[tuple[Any, Any]]:
        """Start and stop of each part of an axis of size `n`."""
        if self.sections > 0:
            if isinstance(n, int):
                if n % self.sections:
                    raise ShapeError(f"split: {n} places do not fall into {self.sections} equal parts")
                size: Any = n // self.sections
            else:
                size = n // self.sections
                if not (same(size * self.sections, n) or size * self.sections == n):
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
        parts = [g.slice(x, [a], [b], [axis]) for a, b in self.bounds(n)]
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


# ---- repetition ------------------------------------------------------------------------------------
@op()
class Tile(Op):
    """Repeat the whole array `reps` times along each axis (aligned at the last)."""

    reps: Ints

    def infer(self, x: TensorType) -> TensorType:
        shape, reps = self.aligned(x.known_shape)
        return x.with_shape([n * r for n, r in zip(shape, reps, strict=True)])

    def aligned(self, shape: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return `shape` and the repetitions, both of the rank of the result."""
        rank = max(len(shape), len(self.reps))
        return (
            (1,) * (rank - len(shape)) + tuple(shape),
            (1,) * (rank - len(self.reps)) + self.reps,
        )

    def kernel(self, x: Any) -> Any:
        return np.tile(x, self.reps)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        shape, reps = self.aligned(x.shape)
        pairs = [d for pair in zip(reps, shape, strict=True) for d in pair]
        summed = F.sum(F.reshape(ct, shape=tuple(pairs)), axis=tuple(range(0, len(pairs), 2)))
        return F.reshape(summed, shape=x.shape)

    def onnx(self, g: Any, x: Any) -> Any:
        shape, reps = self.aligned(g.shape(x))
        if not shape:
            return g.Identity(x)
        if len(shape) != g.rank(x):
            x = g.reshape(x, shape)
        return g.Tile(x, g.shape_vector(reps))

    samples = [S((2, 3), reps=(2, 1)), S((3,), reps=(2, 2)), S((2, 3), reps=2), S((2,), reps=0)]


@op()
class Repeat(Op):
    """Repeat each element along `axis` (None: of the flattened array), one number or one each."""

    repeats: Ints
    axis: int | None = None

    def infer(self, x: TensorType) -> TensorType:
        if self.axis is None:
            return TensorType((self._size(x.size),), x.dtype)
        axis = normalize_axis(self.axis, x.rank)
        shape = list(x.known_shape)
        shape[axis] = self._size(shape[axis])
        return x.with_shape(shape)

    def _size(self, n: Any) -> Any:
        if len(self.repeats) == 1:
            return n * self.repeats[0]
        if not equal_dims(n, len(self.repeats)):
            raise ShapeError(f"repeat: {len(self.repeats)} numbers of repetitions for {n} places")
        return sum(self.repeats)

    def kernel(self, x: Any) -> Any:
        if len(self.repeats) == 1:
            return np.repeat(x, self.repeats[0], self.axis)
        self._size(x.size if self.axis is None else x.shape[self.axis])
        return np.repeat(x, self.repeats, self.axis)

    def decompose(self, x: Any) -> Any:
        """One number: a new axis, broadcast and merged; one each: places taken."""
        if self.axis is None:
            return F.repeat(F.reshape(x, shape=(-1,)), repeats=self.repeats, axis=0)
        axis = normalize_axis(self.axis, x.ndim)
        if len(self.repeats) != 1:
            places = np.repeat(np.arange(len(self.repeats)), self.repeats)
            return F.take(x, places, axis=axis)
        shape, r = x.shape, self.repeats[0]
        wide = (*shape[: axis + 1], r, *shape[axis + 1 :])
        merged = (*shape[:axis], shape[axis] * r, *shape[axis + 1 :])
        return F.reshape(F.broadcast_to(F.expand_dims(x, axis=axis + 1), shape=wide), shape=merged)

    samples = [
        S((2, 3), repeats=2),
        S((2, 3), repeats=3, axis=1),
        S((2, 3), repeats=(1, 0, 2), axis=-1),
        S((0, 3), repeats=2, axis=0),
    ]


# ---- order of elements -----------------------------------------------------------------------------
@op()
class Flip(Op):
    """Reverse the order along `axis` (None: all axes)."""

    axis: Axes = None
    aliases = True

    def index(self, rank: int) -> tuple[slice, ...]:
        """The flip as an index."""
        axes = normalize_axes(self.axis, rank)
        return tuple([slice(None, None, -1 if i in axes else None) for i in range(rank)])

    def infer(self, x: TensorType) -> TensorType:
        normalize_axes(self.axis, x.rank)
        return x

    def kernel(self, x: Any) -> Any:
        return x[self.index(x.ndim)]

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return F.flip(ct, axis=self.axis)

    def onnx(self, g: Any, x: Any) -> Any:
        axes = normalize_axes(self.axis, g.rank(x))
        if not axes:
            return g.Identity(x)
        low = -(2**31) + 1
        return g.slice(x, [-1] * len(axes), [low] * len(axes), list(axes), [-1] * len(axes))

    samples = [S((2, 3), axis=1), S((2, 3)), S((2, 3, 2), axis=(0, -1)), S((0, 3), axis=0), S(())]


@op(mx="_npi_roll _np_roll")
class Roll(Op):
    """Move elements by `shift` places along `axis` (None: of the flattened array), cyclically."""

    shift: Ints
    axis: Axes = None

    def decompose(self, x: Any) -> Any:
        if self.axis is None:
            flat = F.reshape(x, shape=(-1,))
            return F.reshape(F.roll(flat, shift=sum(self.shift), axis=0), shape=x.shape)
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        axes = normalize_axes(axes, x.ndim, unique=False)
        shifts = self.shift * len(axes) if len(self.shift) == 1 else self.shift
        if len(shifts) != len(axes):
            raise ShapeError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
        for shift, axis in zip(shifts, axes, strict=True):
            x = self._rolled(x, shift, axis)
        return x

    def _rolled(self, x: Any, shift: Any, axis: int) -> Any:
        n = x.shape[axis]
        if not isinstance(n, int) and not n > abs(shift):
            n = int(n)  # turned more than once around: the size has to be a number
        if isinstance(n, int):
            shift = shift % n if n else 0
        if shift == 0:
            return x
        lead = (slice(None),) * axis
        # the last `shift` go to the front; -shift counts from the end whatever the size
        tail = F.index(x, index=(*lead, slice(-shift, None)))
        head = F.index(x, index=(*lead, slice(None, -shift)))
        return F.concatenate(tail, head, axis=axis)

    samples = [
        S((2, 3), shift=1, axis=1),
        S((2, 3), shift=-2),
        S((3, 4), shift=(1, 2), axis=(0, -1)),
        S((0, 3), shift=1, axis=0),
    ]


@op()
class Rot90(Op):
    """Turn by 90 degrees `k` times in the plane of `axes`."""

    k: int = 1
    axes: Ints = (0, 1)

    def decompose(self, x: Any) -> Any:
        a, b = normalize_axes(self.axes, x.ndim)
        k = self.k % 4
        order = list(range(x.ndim))
        order[a], order[b] = b, a
        if k == 0:
            return F.identity(x)
        if k == 2:
            return F.flip(x, axis=(a, b))
        if k == 1:
            return F.transpose(F.flip(x, axis=b), axes=tuple(order))
        return F.flip(F.transpose(x, axes=tuple(order)), axis=b)

    samples = [S((2, 3)), S((2, 3), k=2), S((2, 3), k=3), S((2, 3), k=0), S((2, 3, 4), axes=(-1, 0))]


# ---- padding ---------------------------------------------------------------------------------------
_MODES = ("constant", "edge", "reflect", "symmetric", "maximum", "minimum")


@op()
class Pad(Op):
    """Add elements around `x`: `pad_width` is (before, after) of axis 0, of axis 1, and so on.

    `mode`: ``constant`` (`constant_value`), ``edge``, ``reflect`` (without the border),
    ``symmetric`` (with it), ``maximum`` or ``minimum`` (of the vectors along the axis).
    """

    pad_width: Ints
    mode: str = "constant"
    constant_value: float = 0.0

    def pairs(self, rank: int) -> list[tuple[Any, Any]]:
        """Return (before, after) of each axis, checked."""
        if self.mode not in _MODES:
            raise AttributeValueError(f"pad: mode {self.mode!r}", expected=", ".join(_MODES))
        if len(self.pad_width) != 2 * rank:
            raise ShapeError(
                "pad: pad_width has the wrong length",
                expected=f"2 numbers for each of {rank} axes",
                received=str(self.pad_width),
            )
        return list(zip(self.pad_width[::2], self.pad_width[1::2], strict=True))

    def infer(self, x: TensorType) -> TensorType:
        shape = x.known_shape
        pairs = self.pairs(len(shape))
        return x.with_shape([a + n + b for n, (a, b) in zip(shape, pairs, strict=True)])

    def kernel(self, x: Any) -> Any:
        pairs = self.pairs(x.ndim)
        if not pairs:
            return x.copy()
        if self.mode == "constant":
            return np.pad(x, pairs, constant_values=self._fill(x.dtype))
        return np.pad(x, pairs, mode=self.mode)  # type: ignore[call-overload]

    def _fill(self, dtype: Any) -> Any:
        return np.asarray(self.constant_value).astype(dtype)

    def _inner(self, x: Any) -> tuple[slice, ...]:
        pairs = self.pairs(x.ndim)
        return tuple([slice(a, a + n) for n, (a, _) in zip(x.shape, pairs, strict=True)])

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        if self.mode == "constant":
            return F.index(ct, index=self._inner(x))
        if self.mode in ("maximum", "minimum"):
            return super().grad(ct, y, x)
        for axis, (a, b) in enumerate(self.pairs(x.ndim)):
            if (a, b) != (0, 0):
                n = int(x.shape[axis])
                ct = F.take_grad(ct, self._places(n, a, b), size=n, axis=axis)
        return ct

    def _places(self, n: int, before: Any, after: Any) -> Any:
        """Return which element of an axis of size `n` stands at each place of the result."""
        return np.pad(np.arange(n), (int(before), int(after)), mode=self.mode)  # type: ignore[call-overload]

    def onnx(self, g: Any, x: Any) -> Any:
        pairs = self.pairs(g.rank(x))
        if not pairs:
            return g.Identity(x)
        if self.mode not in ("constant", "edge", "reflect"):
            return NotImplemented
        dtype = g.dtype(x)
        wide = kernel_type(g, "Pad", dtype)
        pads = [a for a, _ in pairs] + [b for _, b in pairs]
        fill = g.const(self._fill(wide)) if self.mode == "constant" else None
        if wide == dtype:
            return g.pad(x, pads, self.mode, fill)
        return g.cast(g.pad(g.cast(x, wide), pads, self.mode, fill), dtype)

    def decompose(self, x: Any) -> Any:
        """Axis by axis: a choice of places, or vectors of extremes joined to the ends."""
        if self.mode == "constant":
            y = F.full(self._fill(x.dtype), shape=self.infer(x.type).shape)
            return F.set_index(y, x, index=self._inner(x))
        for axis, (a, b) in enumerate(self.pairs(x.ndim)):
            if (a, b) == (0, 0):
                continue
            if self.mode in ("maximum", "minimum"):
                pick = F.max if self.mode == "maximum" else F.min
                end = pick(x, axis=axis, keepdims=True)
                before, after = [F.repeat(end, repeats=n, axis=axis) if n else None for n in (a, b)]
                x = F.concatenate(*[p for p in (before, x, after) if p is not None], axis=axis)
            else:
                x = F.take(x, self._places(int(x.shape[axis]), a, b), axis=axis)
        return x

    samples = [
        S((2, 3), pad_width=(1, 0, 0, 2), constant_value=0.5),
        S((2, 3), pad_width=(1, 1, 2, 0), mode="edge"),
        S((3, 4), pad_width=(1, 2, 0, 3), mode="reflect"),
        S((3, 4), pad_width=(1, 2, 0, 3), mode="symmetric"),
        S((3, 4), pad_width=(1, 0, 0, 2), mode="maximum"),
        S((3, 4), pad_width=(0, 1, 2, 0), mode="minimum"),
        S((0, 3), pad_width=(1, 1, 0, 0)),
    ]


# ---- blocks ------------------------------------------------------------------------------------------
def _nchw(name: str, x: Any) -> Any:
    if x.ndim != 4:
        raise ShapeError(f"{name}: data is (N, C, H, W)", received=format_shape(x.shape))
    return x.shape


def _quotient(name: str, what: str, n: Any, by: int) -> Any:
    q = n // by
    if not (same(q * by, n) or q * by == n):
        raise ShapeError(f"{name}: {what} {n} is not divisible by {by}")
    return q


@op(mx="depth_to_space")
class DepthToSpace(Op):
    """Turn blocks of channels into blocks of pixels: (N, C b b, H, W) to (N, C, H b, W b)."""

    block_size: int

    def decompose(self, x: Any) -> Any:
        n, c, h, w = _nchw(self.name, x)
        b = self.block_size
        rest = _quotient(self.name, "the number of channels", c, b * b)
        split = F.reshape(x, shape=(n, b, b, rest, h, w))
        return F.reshape(F.transpose(split, axes=(0, 3, 4, 1, 5, 2)), shape=(n, rest, h * b, w * b))

    def onnx(self, g: Any, x: Any) -> Any:
        if g.dtype(x).kind in "iub":
            return NotImplemented
        return g.DepthToSpace(x, blocksize=self.block_size, mode="DCR")

    samples = [S((1, 8, 2, 3), block_size=2), S((2, 9, 1, 1), block_size=3), S((2, 4, 0, 2), block_size=2)]


@op(mx="space_to_depth")
class SpaceToDepth(Op):
    """Inverse of `depth_to_space`: (N, C, H b, W b) to (N, C b b, H, W)."""

    block_size: int

    def decompose(self, x: Any) -> Any:
        n, c, h, w = _nchw(self.name, x)
        b = self.block_size
        rows = _quotient(self.name, "the height", h, b)
        columns = _quotient(self.name, "the width", w, b)
        split = F.reshape(x, shape=(n, c, rows, b, columns, b))
        return F.reshape(
            F.transpose(split, axes=(0, 3, 5, 1, 2, 4)), shape=(n, c * b * b, rows, columns)
        )

    def onnx(self, g: Any, x: Any) -> Any:
        if g.dtype(x).kind in "iub":
            return NotImplemented
        return g.SpaceToDepth(x, blocksize=self.block_size)

    samples = [S((1, 2, 4, 6), block_size=2), S((2, 1, 3, 3), block_size=3), S((2, 1, 0, 2), block_size=2)]
