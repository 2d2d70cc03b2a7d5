"""Optimizers of MXNet's ``optimizer.contrib``."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.optimizer.buffers import temporary
from symgluon.optimizer.optimizer import Optimizer, _ArgumentError, register

__all__ = ["GroupAdaGrad"]


@register
class GroupAdaGrad(Optimizer):
    """AdaGrad with one rate a row, for embeddings.

    ::

        n += mean(g ** 2, axis=1);  w -= lr * g / (sqrt(n) + epsilon)

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    epsilon : float
        Against division by 0.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Raises
    ------
    AssertionError
        In an update, for a weight that is no matrix, or with weight decay.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.contrib.GroupAdaGrad``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([[1.0, 2.0]]), mx.np.array([[0.5, -0.5]])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.contrib.GroupAdaGrad(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([[0.9, 2.1]], dtype=float32)
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
        """Mean square of each row, summed over the updates.

        Raises
        ------
        AssertionError
            If the weight is no matrix.
        """
        if len(weight.shape) != 2:
            raise _ArgumentError(
                f"GroupAdaGrad works on matrices, parameter {index} has shape {weight.shape}"
            )
        return self._zeros(weight, (weight.shape[0], 1))

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend at the rate of each row.

        Raises
        ------
        AssertionError
            With weight decay.
        """
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
