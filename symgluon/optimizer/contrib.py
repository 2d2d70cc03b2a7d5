"""Optimizers of MXNet's ``optimizer.contrib``."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.optimizer.buffers import temporary
from symgluon.optimizer.optimizer import Optimizer, _ArgumentError, register

__all__ = ["GroupAdaGrad"]


@register
class GroupAdaGrad(Optimizer):
    """AdaGrad with one rate a row, for embeddings (Perronnin et al.).

    Weight decay is not supported.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        epsilon: float = 1e-6,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.epsilon = epsilon

    def create_state(self, index: Any, weight: Any) -> Any:
        """Mean square of each row, summed over the updates."""
        if len(weight.shape) != 2:
            raise _ArgumentError(
                f"GroupAdaGrad works on matrices, parameter {index} has shape {weight.shape}"
            )
        return self._zeros(weight, (weight.shape[0], 1))

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend at the rate of each row."""
        if wd != 0:
            raise _ArgumentError(
                f"Weight decay is not supported for GroupAdaGrad, parameter {index} has {wd}"
            )
        g = self._clipped(grad)
        scratch = np.multiply(g, g, out=temporary(weight, 2))
        state += np.mean(scratch, axis=1, keepdims=True)
        step = np.divide(g, np.sqrt(state) + self.epsilon, out=scratch)
        step *= lr
        weight -= step
