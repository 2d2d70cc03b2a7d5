"""Adam and its relatives: AdamW, Adamax, Nadam, AdaBelief, FTML, LAMB, LANS."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon.ops.apply import F
from symgluon.optimizer.buffers import temporary
from symgluon.optimizer.optimizer import Optimizer, register
from symgluon.optimizer.sgd import norm

__all__ = ["FTML", "LAMB", "LANS", "AdaBelief", "Adam", "AdamW", "Adamax", "Nadam"]


class _Moments(Optimizer):
    """Optimizers with a mean and a variance of the gradient, of decay rates beta1 and beta2."""

    beta1: float
    beta2: float
    epsilon: float

    def create_state(self, index: Any, weight: Any) -> Any:
        """Mean and variance."""
        return (self._zeros(weight), self._zeros(weight))

    def _track(self, mean: np.ndarray, var: np.ndarray, grad: np.ndarray) -> None:
        """Let mean and variance follow the gradient (uses temporary 2)."""
        scratch = temporary(grad, 2)
        mean *= self.beta1
        mean += np.multiply(grad, 1.0 - self.beta1, out=scratch)
        np.multiply(grad, grad, out=scratch)
        scratch *= 1.0 - self.beta2
        var *= self.beta2
        var += scratch

    def _direction(self, mean: np.ndarray, var: np.ndarray) -> np.ndarray:
        """``mean / (sqrt(var) + epsilon)`` (temporary 2)."""
        found = np.sqrt(var, out=temporary(var, 2))
        found += self.epsilon
        return np.divide(mean, found, out=found)

    def constants(self) -> tuple[Any, ...]:
        """Clipping, decay rates, and what is added to the root."""
        return (*super().constants(), self.beta1, self.beta2, self.epsilon, self.use_fused_step)

    def _followed(self, state: Any, grad: Any) -> tuple[Any, Any]:
        """Mean and variance after this gradient, and the direction: `_track` on arrays."""
        mean, var = state
        mean = mean * self.beta1 + grad * (1.0 - self.beta1)
        var = var * self.beta2 + grad * grad * (1.0 - self.beta2)
        return (mean, var), mean / (F.sqrt(var) + self.epsilon)

    def _corrections(self, index: Any) -> tuple[float, float]:
        """``1 - beta ** t`` of both."""
        t = self._time(index)
        return 1.0 - self.beta1**t, 1.0 - self.beta2**t

    def _corrected(self, lr: float, index: Any) -> float:
        """Rate that makes up for the zeros both started from."""
        first, second = self._corrections(index)
        return lr * math.sqrt(second) / first


@register
class Adam(_Moments):
    """Adam; weight decay is part of the gradient.

    ::

        g = g + wd * w;  m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g ** 2
        w -= lr * sqrt(1 - beta2 ** t) / (1 - beta1 ** t) * m / (sqrt(v) + epsilon)

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    beta1, beta2 : float
        Decay of the mean and of the mean square of the gradients.
    epsilon : float
        Added to the root, against division by 0.
    lazy_update : bool
        Accepted; gradients are dense.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.Adam``; arXiv:1412.6980.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.Adam(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.9, 2.1], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        lazy_update: bool = False,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.lazy_update = lazy_update

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend along the mean over the deviation."""
        mean, var = state
        self._track(mean, var, self._decayed(grad, weight, wd))
        step = self._direction(mean, var)
        step *= self._corrected(lr, index)
        weight -= step

    def numbers(self, index: Any, lr: float, wd: float) -> tuple[float, ...]:
        """Return the corrected rate and the decay."""
        return self._corrected(lr, index), wd

    def formula(self, weight: Any, grad: Any, state: Any, *numbers: Any) -> tuple[Any, Any]:
        """`rule` as operations on arrays."""
        lr, wd = numbers
        state, step = self._followed(state, grad + weight * wd)
        return weight - step * lr, state


@register
class AdamW(_Moments):
    """Adam with weight decay apart from the gradient.

    ::

        w -= lr * (m / (sqrt(v) + epsilon) + wd * w), lr corrected as in Adam

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    beta1, beta2 : float
        Decay of the mean and of the mean square of the gradients.
    epsilon : float
        Added to the root, against division by 0.
    correct_bias : bool
        Make up for the zeros that mean and mean square start from.
    use_fused_step : bool
        MXNet's fused step decays the weight before the update, the other one after it.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.AdamW``; arXiv:1711.05101.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.AdamW(learning_rate=0.1, wd=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.897, 2.094], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        correct_bias: bool = True,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.correct_bias = correct_bias

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend along the mean over the deviation, and decay."""
        mean, var = state
        self._track(mean, var, self._clipped(grad))
        step = self._direction(mean, var)
        if self.correct_bias:
            lr = self._corrected(lr, index)  # as in MXNet, of the decay as well
        step *= lr
        if wd and self.use_fused_step:
            weight *= 1.0 - lr * wd
        weight -= step
        if wd and not self.use_fused_step:
            weight *= 1.0 - lr * wd

    def numbers(self, index: Any, lr: float, wd: float) -> tuple[float, ...]:
        """Return the rate, and what the decay leaves of a weight."""
        if self.correct_bias:
            lr = self._corrected(lr, index)
        return lr, 1.0 - lr * wd

    def formula(self, weight: Any, grad: Any, state: Any, *numbers: Any) -> tuple[Any, Any]:
        """`rule` as operations on arrays."""
        lr, left = numbers
        state, step = self._followed(state, grad)
        step = step * lr
        return (weight * left - step if self.use_fused_step else (weight - step) * left), state


@register
class AdaBelief(_Moments):
    """Adam whose mean square is that of the gradient around its mean.

    ::

        g = g + wd * w;  m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * (g - m) ** 2 + epsilon;  w -= lr * m / (sqrt(v) + epsilon)

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    beta1, beta2 : float
        Decay of the mean and of the mean square of the gradients.
    epsilon : float
        Added to the root, against division by 0.
    correct_bias : bool
        Make up for the zeros that mean and mean square start from.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.AdaBelief``; arXiv:2010.07468.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.AdaBelief(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.889, 2.111], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        correct_bias: bool = True,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.correct_bias = correct_bias

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend along the mean over the deviation from it."""
        mean, var = state
        g = self._decayed_then_clipped(grad, weight, wd)
        scratch = temporary(weight, 2)
        mean *= self.beta1
        mean += np.multiply(g, 1.0 - self.beta1, out=scratch)
        np.subtract(g, mean, out=scratch)
        scratch *= scratch
        scratch *= 1.0 - self.beta2
        var *= self.beta2
        var += scratch
        var += self.epsilon
        step = self._direction(mean, var)
        step *= self._corrected(lr, index) if self.correct_bias else lr
        weight -= step


@register
class Adamax(_Moments):
    """Adam with the largest gradient in place of the deviation.

    ::

        g = g + wd * w;  m = beta1 * m + (1 - beta1) * g;  u = max(beta2 * u, |g|)
        w -= lr / (1 - beta1 ** t) * m / (u + epsilon)

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    beta1, beta2 : float
        Decay of the mean and of the largest gradient.
    epsilon : float
        Against division by 0.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.Adamax``; arXiv:1412.6980, section 7.1.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.Adamax(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.9, 2.1], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        use_fused_step: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend along the mean over the largest gradient."""
        mean, top = state
        g = self._decayed(grad, weight, wd)
        scratch = temporary(weight, 2)
        mean *= self.beta1
        mean += np.multiply(g, 1.0 - self.beta1, out=scratch)
        top *= self.beta2
        np.maximum(top, np.abs(g, out=scratch), out=top)
        np.add(top, self.epsilon, out=scratch)
        np.divide(mean, scratch, out=scratch)
        scratch *= lr / self._corrections(index)[0]
        weight -= scratch


@register
class Nadam(_Moments):
    """Adam with Nesterov's momentum.

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    beta1, beta2 : float
        Decay of the mean and of the mean square of the gradients.
    epsilon : float
        Added to the root, against division by 0.
    schedule_decay : float
        ``momentum(t) = beta1 * (1 - 0.5 * 0.96 ** (t * schedule_decay))``.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.Nadam``; Dozat, 2016.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.Nadam(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.894, 2.106], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        schedule_decay: float = 0.004,
        use_fused_step: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.schedule_decay = schedule_decay
        self.m_schedule = 1.0

    def _momentum(self, t: int) -> float:
        return self.beta1 * (1.0 - 0.5 * 0.96 ** (t * self.schedule_decay))

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend along a mean that looks one step ahead."""
        mean, var = state
        t = self._time(index)
        now, ahead = self._momentum(t), self._momentum(t + 1)
        # as in MXNet the product runs over the updates of all parameters, not of this one
        self.m_schedule *= now
        after = self.m_schedule * ahead
        g = self._decayed(grad, weight, wd)
        self._track(mean, var, g)
        step = np.multiply(mean, ahead / (1.0 - after), out=temporary(weight, 2))
        step += np.multiply(g, (1.0 - now) / (1.0 - self.m_schedule), out=temporary(weight, 0))
        deviation = np.divide(var, 1.0 - self.beta2**t, out=temporary(weight, 1))
        np.sqrt(deviation, out=deviation)
        deviation += self.epsilon
        step /= deviation
        step *= lr
        weight -= step


@register
class FTML(Optimizer):
    """Follow the moving leader.

    ::

        v = beta2 * v + (1 - beta2) * g ** 2;  d' = (1 - beta1 ** t) / lr * (sqrt(v / (1 - beta2 **
        t)) + epsilon) z = beta1 * z + (1 - beta1) * g - (d' - beta1 * d) * w;  w = -z / d'

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    beta1, beta2 : float
        Decay of the mean and of the mean square of the gradients.
    epsilon : float
        Added to the root, against division by 0.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.FTML``; Zheng and Kwok, ICML 2017.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.FTML(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.9, 2.1], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.0025,
        beta1: float = 0.6,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def create_state(self, index: Any, weight: Any) -> Any:
        """Curvature d, variance v, and linear term z."""
        return (self._zeros(weight), self._zeros(weight), self._zeros(weight))

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Minimise the sum of the models of all gradients so far."""
        d, v, z = state
        t = self._time(index)
        g = self._decayed(grad, weight, wd)
        scratch = temporary(weight, 2)
        v *= self.beta2
        v += np.multiply(np.multiply(g, g, out=scratch), 1.0 - self.beta2, out=scratch)
        z *= self.beta1
        z += np.multiply(g, 1.0 - self.beta1, out=scratch)
        np.divide(v, 1.0 - self.beta2**t, out=scratch)
        np.sqrt(scratch, out=scratch)
        scratch += self.epsilon
        scratch *= (1.0 - self.beta1**t) / lr  # the new d
        d *= self.beta1
        sigma = np.subtract(scratch, d, out=temporary(weight, 0))
        sigma *= weight
        z -= sigma
        d[...] = scratch
        np.divide(z, d, out=weight)
        np.negative(weight, out=weight)


class _LayerWise(_Moments):
    """Optimizers that scale the step of a layer by the norms of weight and step."""

    lower_bound: float | None
    upper_bound: float | None

    def _bounded(self, size: float) -> float:
        if self.lower_bound is not None:
            size = max(size, self.lower_bound)
        if self.upper_bound is not None:
            size = min(size, self.upper_bound)
        return size

    def _ratio(self, size: float, step: np.ndarray) -> float:
        """|w| over |step|; 1 where one of them is 0."""
        length = norm(step)
        return size / length if size > 0.0 and length > 0.0 else 1.0


@register
class LAMB(_LayerWise):
    """Layer-wise adaptive moments for large batches.

    ::

        d = m / (sqrt(v) + epsilon) + wd * w;  w -= lr * |w| / |d| * d

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    beta1, beta2 : float
        Decay of the mean and of the mean square of the gradients.
    epsilon : float
        Added to the root, against division by 0.
    lower_bound, upper_bound : float, optional
        Limits of the norm of the weight.
    bias_correction : bool
        Make up for the zeros that mean and mean square start from.
    aggregate_num : int
        Accepted; weights are updated one by one.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.LAMB``; arXiv:1904.00962.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.LAMB(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.842, 2.158], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        bias_correction: bool = True,
        aggregate_num: int = 4,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, use_fused_step=use_fused_step,
            aggregate_num=aggregate_num, **kwargs,
        )  # fmt: skip
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.lower_bound, self.upper_bound = lower_bound, upper_bound
        self.bias_correction = bias_correction

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend by a step as long as the weight times the rate."""
        mean, var = state
        self._track(mean, var, self._clipped(grad))
        first, second = self._corrections(index) if self.bias_correction else (1.0, 1.0)
        step = np.divide(var, second, out=temporary(weight, 2))
        np.sqrt(step, out=step)
        step += self.epsilon
        np.divide(mean, step, out=step)
        step /= first
        if wd:
            step += np.multiply(weight, wd, out=temporary(weight, 0))
        step *= lr * self._ratio(self._bounded(norm(weight)), step)
        weight -= step


@register
class LANS(_LayerWise):
    """LAMB with Nesterov's momentum and normalised gradients.

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    beta1, beta2 : float
        Decay of the mean and of the mean square of the gradients.
    epsilon : float
        Added to the root, against division by 0.
    lower_bound, upper_bound : float, optional
        Limits of the norm of the weight.
    aggregate_num : int
        Accepted; weights are updated one by one.
    use_fused_step : bool
        Without it the second half of the step decays what the first half left, as in MXNet.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.LANS``; arXiv:2006.13484.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.LANS(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.842, 2.158], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        aggregate_num: int = 4,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, use_fused_step=use_fused_step,
            aggregate_num=aggregate_num, **kwargs,
        )  # fmt: skip
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.lower_bound, self.upper_bound = lower_bound, upper_bound

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend along a mix of the mean's step and the gradient's, each as long as the weight."""
        mean, var = state
        g = np.multiply(grad, self.rescale_grad, out=temporary(weight, 0))
        length = norm(g)
        if length > 0.0:
            g /= length
        if self.clip_gradient is not None and self.clip_gradient > 0:
            np.clip(g, -self.clip_gradient, self.clip_gradient, out=g)
        self._track(mean, var, g)
        first, second = self._corrections(index)
        deviation = np.divide(var, second, out=temporary(weight, 1))
        np.sqrt(deviation, out=deviation)
        deviation += self.epsilon
        ahead = np.divide(mean, deviation, out=temporary(weight, 2))
        ahead /= first
        now = np.divide(g, deviation, out=g)
        decay = np.multiply(weight, wd, out=deviation)
        size = self._bounded(norm(weight))
        ahead += decay
        ahead *= lr * self.beta1 * self._ratio(size, ahead)
        if not self.use_fused_step:  # MXNet's second step decays what the first one left
            decay -= np.multiply(ahead, wd, out=temporary(weight, 3))
        now += decay
        now *= lr * (1.0 - self.beta1) * self._ratio(size, now)
        weight -= ahead
        weight -= now
