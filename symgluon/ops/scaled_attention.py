"""Scaled dot-product attention as one operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, broadcast_shapes, format_shape
from symgluon.ops.apply import F
from symgluon.ops.checks import check_dtypes, equal_dims


@op()
class Attention(Op):
    """``softmax(q @ k.T * scale + mask) @ v`` over the last two axes.

    Shapes: q (..., S, D), k (..., T, D), v (..., T, E), mask broadcast to (..., S, T); the result
    is (..., S, E).  Source: arXiv:1706.03762, eq. 1; ONNX ``Attention`` (opset 23).
    """

    scale: float = 1.0

    def infer(
        self, q: TensorType, k: TensorType, v: TensorType, mask: TensorType | None = None
    ) -> TensorType:
        check_dtypes("attention", q, k, v, mask)
        a, b, c = q.known_shape, k.known_shape, v.known_shape
        fits = len(a) == len(b) == len(c) >= 3
        fits = fits and equal_dims(a[-1], b[-1]) and equal_dims(b[-2], c[-2])
        if not fits or not all(
            equal_dims(x, y) and equal_dims(x, z)
            for x, y, z in zip(a[:-2], b[:-2], c[:-2], strict=True)
        ):
            raise ShapeError(
                "attention: the operands do not fit",
                expected="q (..., S, D), k (..., T, D), v (..., T, E)",
                received=", ".join(map(format_shape, (a, b, c))),
            )
        if mask is not None:
            broadcast_shapes((*a[:-1], b[-2]), mask.shape)
        return q.with_shape((*a[:-1], c[-1]))

    def kernel(self, q: Any, k: Any, v: Any, mask: Any = None) -> Any:
        wide = np.result_type(q.dtype, np.float32) if q.dtype.kind == "f" else np.float32
        scores = np.matmul(
            q.astype(wide, copy=False), np.swapaxes(k, -1, -2).astype(wide, copy=False)
        )
        with np.errstate(invalid="ignore"):
            if self.scale != 1:
                scores *= wide(self.scale) if isinstance(wide, type) else wide.type(self.scale)
            if mask is not None:
                scores = scores + mask.astype(wide, copy=False)
            if scores.size:
                scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
        return np.matmul(scores, v.astype(wide, copy=False)).astype(q.dtype, copy=False)

    def decompose(self, q: Any, k: Any, v: Any, mask: Any = None) -> Any:
        scores = F.batch_dot(q, k, transpose_b=True)
        if self.scale != 1:
            scores = scores * self.scale
        if mask is not None:
            scores = scores + mask
        return F.batch_dot(F.softmax(scores, axis=-1), v)

    def onnx(self, g: Any, q: Any, k: Any, v: Any, mask: Any = "") -> Any:
        rank = g.rank(q)
        if g.opset < 23 or g.dtype(q) != np.float32 or rank not in (3, 4):
            return NotImplemented
        if rank == 3:  # one batch of as many heads
            q, k, v = (g.unsqueeze(x, [0]) for x in (q, k, v))
        if mask:
            missing = 4 - g.rank(mask)
            shape = (*(1,) * missing, *g.shape(mask))
            mask = g.unsqueeze(mask, list(range(missing)))
            if g.cuda:  # its kernel stretches no mask over the queries and keys
                each = (*shape[:2], g.shape(q)[-2], g.shape(k)[-2])
                mask = g.Expand(mask, g.shape_vector(each))
        y = g.Attention(q, k, v, mask, scale=self.scale)
        return g.squeeze(y, [0]) if rank == 3 else y

    samples = [
        S((2, 3, 4), (2, 5, 4), (2, 5, 2)),
        S((2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3), (3, 5), scale=0.5),
        S((2, 2, 3, 4), (2, 2, 3, 4), (2, 2, 3, 4), (2, 1, 1, 3), scale=0.5),
        S((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    ]
