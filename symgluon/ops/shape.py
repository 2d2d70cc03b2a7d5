"""Operators that move elements and change shapes without computing."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ir.attrs import Shape
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, broadcast_shapes, infer_reshape, same_shape
from symgluon.ops.apply import F
from symgluon.ops.families import sum_to


@op()
class Reshape(Op):
    """Give `x` another shape; one entry may be -1.  MXNet's codes are resolved by callers."""

    shape: Shape
    aliases = True
    inplace = ((0, 0),)

    def infer(self, x: TensorType) -> TensorType:
        return x.with_shape(infer_reshape(x.known_shape, self.shape))

    def kernel(self, x: Any) -> Any:
        return x.reshape(self.shape)

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
            raise ShapeError(f"broadcast_to: shape {x.shape} does not broadcast to {self.shape}")
        return x.with_shape(self.shape)

    def kernel(self, x: Any) -> Any:
        return np.broadcast_to(x, self.shape)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return sum_to(ct, x.shape)

    def onnx(self, g: Any, x: Any) -> Any:
        return g.Expand(x, g.shape_vector(self.shape))

    samples = [S((3,), shape=(2, 3)), S((2, 1), shape=(2, 4)), S((), shape=(2, 0))]


@op(mx="zeros_like _npi_zeros_like")
class ZerosLike(Op):
    """Zeros of the shape and dtype of `x`."""

    no_grad = True

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        return np.zeros(x.shape, x.dtype)

    def decompose(self, x: Any) -> Any:
        return F.full(np.zeros((), x.dtype), shape=x.shape)

    samples = [S((2, 3)), S(()), S((0, 2))]
