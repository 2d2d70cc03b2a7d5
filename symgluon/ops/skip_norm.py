"""Layer normalisation of a sum: what stands between the parts of a transformer."""

from __future__ import annotations

from typing import Any

from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.checks import axis_size, check_shape, deferred
from symgluon.ops.norm import normalise_over


@op()
class SkipLayerNorm(Op):
    """Normalise ``x + skip`` over `axis`, then scale by `gamma` and shift by `beta`.

    x and skip (...,) of one shape, gamma and beta (C,), C the size of the axis.
    """

    axis: int = -1
    eps: float = 1e-5

    def infer_inputs(self, x: Any, skip: Any, gamma: Any, beta: Any) -> Any:
        size = axis_size(x, self.axis)
        return x, skip, deferred(gamma, (size,)), deferred(beta, (size,))

    def infer(
        self, x: TensorType, skip: TensorType, gamma: TensorType, beta: TensorType
    ) -> TensorType:
        check_shape("SkipLayerNorm", "skip", skip.shape, x.known_shape)
        size = axis_size(x, self.axis)
        check_shape("SkipLayerNorm", "gamma", gamma.shape, (size,))
        check_shape("SkipLayerNorm", "beta", beta.shape, (size,))
        return x

    def kernel(self, x: Any, skip: Any, gamma: Any, beta: Any) -> Any:
        return normalise_over(x + skip, gamma, beta, self.axis, self.eps)

    def decompose(self, x: Any, skip: Any, gamma: Any, beta: Any) -> Any:
        return F.layer_norm(x + skip, gamma, beta, axis=self.axis, eps=self.eps)

    samples = [
        S((2, 6), (2, 6), 6, 6),
        S((2, 3, 4), (2, 3, 4), 3, 3, axis=1),
        S((0, 6), (0, 6), 6, 6),
        S((4, 8), (4, 8), 8, 8, eps=1e-3),
    ]
