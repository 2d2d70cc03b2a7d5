"""Optimizers with one rate a weight: AdaGrad, AdaDelta, RMSProp, Ftrl."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.optimizer.buffers import temporary
from symgluon.optimizer.optimizer import Optimizer, register

__all__ = ["AdaDelta", "AdaGrad", "Ftrl", "RMSProp"]


@register
class AdaGrad(Optimizer):
    """Rates that fall with the sum of squared gradients.

    ::

        g = g + wd * w;  n += g ** 2;  w -= lr * g / (sqrt(n) + epsilon)

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

    Notes
    -----
    Source: MXNet's ``mx.optimizer.AdaGrad``; Duchi, Hazan and Singer, 2011.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.AdaGrad(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.9, 2.1], dtype=float32)
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
        """Sum of squared gradients."""
        return self._zeros(weight)

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend at the rate of each weight."""
        g = self._decayed(grad, weight, wd)
        scratch = np.multiply(g, g, out=temporary(weight, 2))
        state += scratch
        np.sqrt(state, out=scratch)
        scratch += self.epsilon
        np.divide(g, scratch, out=scratch)
        scratch *= lr
        weight -= scratch


@register
class AdaDelta(Optimizer):
    """Steps in proportion to earlier steps.

    ::

        g = g + wd * w;  n = rho * n + (1 - rho) * g ** 2 d = sqrt((s + epsilon) / (n + epsilon)) *
        g;  s = rho * s + (1 - rho) * d ** 2;  w -= lr * d

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    rho : float
        Decay of both mean squares.
    epsilon : float
        Added to both; it sets the size of the first steps.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.AdaDelta``; arXiv:1212.5701.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.AdaDelta(epsilon=1e-2))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.733, 2.267], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 1.0,
        rho: float = 0.9,
        epsilon: float = 1e-6,
        use_fused_step: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.rho, self.epsilon = rho, epsilon

    def create_state(self, index: Any, weight: Any) -> Any:
        """Mean square of the gradients, and of the steps."""
        return (self._zeros(weight), self._zeros(weight))

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend by a step of the size of the earlier ones."""
        squares, steps = state
        g = self._decayed(grad, weight, wd)
        scratch = np.multiply(g, g, out=temporary(weight, 2))
        scratch *= 1.0 - self.rho
        squares *= self.rho
        squares += scratch
        step = np.add(steps, self.epsilon, out=temporary(weight, 3))
        step /= np.add(squares, self.epsilon, out=scratch)
        np.sqrt(step, out=step)
        step *= g
        np.multiply(step, step, out=scratch)
        scratch *= 1.0 - self.rho
        steps *= self.rho
        steps += scratch
        step *= lr
        weight -= step


@register
class RMSProp(Optimizer):
    """Gradient over its root mean square.

    ::

        g = g + wd * w;  n = rho * n + (1 - rho) * g ** 2;  w -= lr * g / (sqrt(n) + epsilon)

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    rho : float
        Decay of the mean square.
    momentum : float
        Share of the velocity that is kept; used with `centered` only.
    epsilon : float
        Against division by 0.
    centered : bool
        Divide by the deviation from the mean instead, and keep a velocity.
    clip_weights : float, optional
        Clip the weights to ``[-clip_weights, clip_weights]``.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.RMSProp``; Tieleman and Hinton, 2012; centered: arXiv:1308.0850.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.RMSProp(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.684, 2.316], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.9,
        epsilon: float = 1e-8,
        centered: bool = False,
        clip_weights: float | None = None,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.rho, self.momentum, self.epsilon = rho, momentum, epsilon
        self.centered = centered
        self.clip_weights = clip_weights

    def create_state(self, index: Any, weight: Any) -> Any:
        """Mean square; with `centered` the mean and the velocity too."""
        if self.centered:
            return (self._zeros(weight), self._zeros(weight), self._zeros(weight))
        return self._zeros(weight)

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend along the gradient over its size."""
        square = state[0] if self.centered else state
        g = self._decayed(grad, weight, wd)
        scratch = np.multiply(g, g, out=temporary(weight, 2))
        scratch *= 1.0 - self.rho
        square *= self.rho
        square += scratch
        if self.centered:
            self._centered(weight, g, state, scratch, lr)
        else:
            np.sqrt(square, out=scratch)
            scratch += self.epsilon
            np.divide(g, scratch, out=scratch)
            scratch *= lr
            weight -= scratch
        if self.clip_weights:
            np.clip(weight, -self.clip_weights, self.clip_weights, out=weight)

    def _centered(
        self, weight: np.ndarray, g: np.ndarray, state: Any, scratch: np.ndarray, lr: float
    ) -> None:
        square, mean, velocity = state
        mean *= self.rho
        mean += np.multiply(g, 1.0 - self.rho, out=scratch)
        np.multiply(mean, mean, out=scratch)
        np.subtract(square, scratch, out=scratch)
        scratch += self.epsilon
        np.sqrt(scratch, out=scratch)
        np.divide(g, scratch, out=scratch)
        scratch *= lr
        velocity *= self.momentum
        velocity -= scratch
        weight += velocity


@register
class Ftrl(Optimizer):
    """Follow the regularised leader, with L1 and L2 penalties.

    ::

        z += g - (sqrt(n + g ** 2) - sqrt(n)) * w / lr;  n += g ** 2
        w = (sign(z) * lamda1 - z) / ((beta + sqrt(n)) / lr + wd) where |z| > lamda1, else 0

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    lamda1 : float
        L1 coefficient.
    beta : float
        Smooths the rates.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.Ftrl``; McMahan et al., 2013.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.Ftrl(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.299, 0.699], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        lamda1: float = 0.01,
        beta: float = 1.0,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.lamda1, self.beta = lamda1, beta

    def create_state(self, index: Any, weight: Any) -> Any:
        """Linear term z and sum of squares n."""
        return (self._zeros(weight), self._zeros(weight))

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Minimise the sum of the linear models and of both penalties."""
        z, n = state
        g = self._clipped(grad)
        z += g
        before = np.sqrt(n, out=temporary(weight, 2))
        n += np.multiply(g, g, out=temporary(weight, 1))
        root = np.sqrt(n, out=temporary(weight, 1))
        sigma = np.subtract(root, before, out=before)
        sigma *= weight
        sigma /= lr
        z -= sigma
        root += self.beta
        root /= lr
        root += wd
        shrunk = np.clip(z, -self.lamda1, self.lamda1, out=sigma)
        np.subtract(shrunk, z, out=weight)
        weight /= root
