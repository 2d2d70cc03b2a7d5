"""Normalisation by the root of the mean square."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, normalize_axis
from symgluon.ops.apply import F
from symgluon.ops.checks import along, along_array, axis_size, check_shape, deferred


@op()
class RmsNorm(Op):
    """Divide `x` by the root of its mean square over `axis`, then scale by `gamma`.

    Source: arXiv:1910.07467, eq. 4; `eps` is added to the mean square.  gamma (C,), C the size of
    the axis.
    """

    axis: int = -1
    eps: float = 1e-5

    def infer_inputs(self, x: Any, gamma: Any) -> Any:
        return x, deferred(gamma, (axis_size(x, self.axis),))

    def infer(self, x: TensorType, gamma: TensorType) -> TensorType:
        check_shape("RMSNorm", "gamma", gamma.shape, (axis_size(x, self.axis),))
        return x

    def kernel(self, x: Any, gamma: Any) -> Any:
        at, rank = normalize_axis(self.axis, x.ndim), x.ndim
        if not x.size:
            return x.copy()
        wide = x.astype(np.result_type(x.dtype, np.float32), copy=False)
        mean = np.square(wide).mean(axis=at, keepdims=True)
        y = wide / np.sqrt(mean + wide.dtype.type(self.eps)) * along_array(gamma, at, rank)
        return y.astype(x.dtype, copy=False)

    def decompose(self, x: Any, gamma: Any) -> Any:
        at, rank = normalize_axis(self.axis, x.ndim), x.ndim
        inverse = F.rsqrt(F.mean(x * x, axis=at, keepdims=True) + self.eps)
        return x * inverse * F.cast(along(gamma, at, rank), dtype=x.dtype)

    def onnx(self, g: Any, x: Any, gamma: Any) -> Any:
        last = normalize_axis(self.axis, g.rank(x)) == g.rank(x) - 1
        if g.opset < 23 or not last or g.dtype(x) != g.dtype(gamma):
            return NotImplemented
        return g.RMSNormalization(x, gamma, axis=-1, epsilon=self.eps)

    samples = [S((2, 6), 6), S((2, 3, 4), 3, axis=1), S((0, 6), 6), S((4, 8), 8, eps=1e-3)]
