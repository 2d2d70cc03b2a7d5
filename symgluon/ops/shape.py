"""Operators that change shapes without computing: reshape, axes, joining and splitting."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ir.attrs import Axes, Ints, Shape
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
from symgluon.ops.apply import F
from symgluon.ops.checks import equal_dims
from symgluon.ops.families import sum_to


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
        found = broadcast_shapes(x.known_shape, self.shape)
        if len(found) != len(self.shape) or not all(map(equal_dims, found, self.shape)):
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


# ---- arrays like another ---------------------------------------------------------------------
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


# ---- axes ------------------------------------------------------------------------------------
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
    aliases = True

    def kernel(self, x: Any) -> Any:
        normalize_axes((self.axis1, self.axis2), x.ndim, unique=False)
        return np.swapaxes(x, self.axis1, self.axis2)

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

    samples = [
        S((2, 3, 4), source=0, destination=-1),
        S((2, 3, 4), source=(0, 1), destination=(2, 0)),
    ]


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
        if not shape and self.axis in (0, -1, (0,), (-1,)):  # as NumPy has it
            return ()
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
