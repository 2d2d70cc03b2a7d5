"""Gradient descent and its relatives: SGD, NAG, SGLD, Signum, DCASGD, LARS."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon.ops.generator import generator
from symgluon.optimizer.buffers import temporary
from symgluon.optimizer.optimizer import Optimizer, register

__all__ = ["DCASGD", "LARS", "NAG", "SGD", "SGLD", "Signum"]


class _Momentum(Optimizer):
    """Optimizers whose state is one velocity, or nothing without momentum."""

    momentum: float

    def create_state(self, index: Any, weight: Any) -> Any:
        """Velocity, if there is momentum."""
        return self._zeros(weight) if self.momentum != 0.0 else None

    def constants(self) -> tuple[Any, ...]:
        """Clipping and momentum."""
        return (*super().constants(), self.momentum)

    def _followed(self, weight: Any, grad: Any, state: Any, lr: Any, wd: Any) -> tuple[Any, Any]:
        """Step of plain descent, and the velocity after it: on arrays, for `formula`."""
        step = (grad + weight * wd) * lr
        return step, None if state is None else state * self.momentum - step

    def _push(self, velocity: np.ndarray, grad: np.ndarray, weight: np.ndarray, lr: float,
              wd: float) -> None:  # fmt: skip
        """``velocity = momentum * velocity - lr * (grad + wd * weight)``."""
        scratch = temporary(weight)
        velocity *= self.momentum
        clip = self.clip_gradient
        if clip is not None and clip > 0:
            np.multiply(self._clipped(grad), -lr, out=scratch)
        else:
            np.multiply(grad, -lr * self.rescale_grad, out=scratch)
        velocity += scratch
        if wd:
            velocity += np.multiply(weight, -lr * wd, out=scratch)

    def _descend(self, grad: np.ndarray, weight: np.ndarray, lr: float, wd: float) -> None:
        """``weight -= lr * (grad + wd * weight)``."""
        clip = self.clip_gradient
        scratch = temporary(weight)
        if clip is not None and clip > 0:
            np.multiply(self._clipped(grad), lr, out=scratch)
        else:
            np.multiply(grad, lr * self.rescale_grad, out=scratch)
        if wd:
            weight *= 1.0 - lr * wd
        weight -= scratch


@register
class SGD(_Momentum):
    """Stochastic gradient descent with momentum.

    ::

        v = momentum * v - lr * (g + wd * w);  w += v

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    momentum : float
        Share of the velocity that is kept; without it there is no velocity.
    lazy_update : bool
        Accepted; gradients are dense.
    multi_precision : bool
        Keep a float32 copy of weights of half precision.
    use_fused_step : bool
        Accepted; there is one form of the update.
    aggregate_num : int
        Accepted; weights are updated one by one.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.SGD``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.SGD(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.95, 2.05], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        momentum: float = 0.0,
        lazy_update: bool = False,
        multi_precision: bool = False,
        use_fused_step: bool = True,
        aggregate_num: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, multi_precision=multi_precision,
            use_fused_step=use_fused_step, aggregate_num=aggregate_num, **kwargs,
        )  # fmt: skip
        self.momentum = momentum
        self.lazy_update = lazy_update

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend, by the velocity where there is momentum."""
        if state is None:
            self._descend(grad, weight, lr, wd)
        else:
            self._push(state, grad, weight, lr, wd)
            weight += state

    def formula(self, weight: Any, grad: Any, state: Any, *numbers: Any) -> tuple[Any, Any]:
        """`rule` as operations on arrays."""
        step, state = self._followed(weight, grad, state, *numbers)
        return weight - step if state is None else weight + state, state


@register
class NAG(_Momentum):
    """Nesterov's accelerated gradient.

    ::

        v = momentum * v - lr * (g + wd * w);  w += momentum * v - lr * (g + wd * w)

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    momentum : float
        Share of the velocity that is kept.
    multi_precision : bool
        Keep a float32 copy of weights of half precision.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.NAG``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.NAG(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.905, 2.095], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
        multi_precision: bool = False,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, multi_precision=multi_precision,
            use_fused_step=use_fused_step, **kwargs,
        )  # fmt: skip
        self.momentum = momentum

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend by the velocity after one more step of it."""
        if state is None:
            self._descend(grad, weight, lr, wd)
            return
        g = self._decayed(grad, weight, wd)
        step = np.multiply(g, -lr, out=temporary(weight))
        state *= self.momentum
        state += step
        weight += step
        weight += np.multiply(state, self.momentum, out=step)

    def formula(self, weight: Any, grad: Any, state: Any, *numbers: Any) -> tuple[Any, Any]:
        """`rule` as operations on arrays."""
        step, state = self._followed(weight, grad, state, *numbers)
        moved = weight - step
        return moved if state is None else moved + state * self.momentum, state


@register
class SGLD(Optimizer):
    """Stochastic gradient Langevin dynamics: half a step of descent, and noise.

    ::

        w += -lr / 2 * (g + wd * w) + normal(0, sqrt(lr))

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.SGLD``; Welling and Teh, 2011; arXiv:1303.6015.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.zeros(1000), mx.np.zeros(1000)
    >>> mx.optimizer.get_updater(mx.optimizer.SGLD(learning_rate=0.25))(0, grad, weight)
    >>> bool(0.4 < weight.std() < 0.6)
    True
    """

    def __init__(
        self, learning_rate: float = 0.1, use_fused_step: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend half a step and add noise."""
        noise = generator().standard_normal(weight.shape)
        noise *= math.sqrt(lr)
        g = self._decayed(grad, weight, wd)
        weight -= np.multiply(g, lr / 2, out=temporary(weight, 2))
        weight += noise.astype(weight.dtype, copy=False)


@register
class Signum(_Momentum):
    """The sign of the gradient, or of its momentum.

    ::

        v = momentum * v - (1 - momentum) * (g + wd * w);  w = (1 - lr * wd_lh) * w + lr * sign(v)
        without momentum:  w = (1 - lr * (wd + wd_lh)) * w - lr * sign(g)

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    momentum : float
        Share of the velocity that is kept; without it there is no velocity.
    wd_lh : float
        Weight decay apart from the momentum, as Loshchilov and Hutter have it.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.Signum``; arXiv:1802.04434.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.Signum(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.9, 2.1], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.9,
        wd_lh: float = 0.0,
        use_fused_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.momentum = momentum
        self.wd_lh = wd_lh

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Move each weight by the rate."""
        step = temporary(weight, 2)
        decay = self.wd_lh
        if state is None:
            np.sign(grad, out=step)
            step *= -lr
            decay += wd
        else:
            state *= self.momentum
            g = self._decayed(grad, weight, wd)
            state -= np.multiply(g, 1 - self.momentum, out=step)
            np.sign(state, out=step)
            step *= lr
        if decay:
            weight *= 1 - lr * decay
        weight += step


@register
class DCASGD(Optimizer):
    """Asynchronous descent with delay compensation.

    ::

        g = g + wd * w;  v = momentum * v - lr * (g + lamda * g ** 2 * (w - before));  w += v

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    momentum : float
        Share of the velocity that is kept; without it there is no velocity.
    lamda : float
        Weight of the compensation.
    use_fused_step : bool
        Accepted; there is one form of the update.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.DCASGD``; arXiv:1609.08326.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.DCASGD(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.95, 2.05], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        momentum: float = 0.0,
        lamda: float = 0.04,
        use_fused_step: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, use_fused_step=use_fused_step, **kwargs)
        self.momentum = momentum
        self.lamda = lamda

    def create_state(self, index: Any, weight: Any) -> Any:
        """Velocity (if there is momentum) and the weight before the update."""
        return (self._zeros(weight) if self.momentum != 0.0 else None, self._copy(weight))

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Descend along the gradient as it would be at the present weight."""
        velocity, before = state
        g = self._decayed(grad, weight, wd)
        step = np.subtract(weight, before, out=temporary(weight, 2))
        step *= g
        step *= g
        step *= self.lamda
        step += g
        step *= -lr
        if velocity is not None:
            velocity *= self.momentum
            velocity += step
            step = velocity
        before[...] = weight
        weight += step


@register
class LARS(_Momentum):
    """Layer-wise adaptive rates: descent with momentum at a rate for each layer.

    ::

        lr * eta * |w| / (|g| + wd * |w| + epsilon)

    Parameters
    ----------
    learning_rate : float
        Learning rate.
    momentum : float
        Share of the velocity that is kept; without it there is no velocity.
    eta : float
        Factor of the rate.
    epsilon : float
        Against division by 0.
    lazy_update : bool
        Accepted; gradients are dense.
    use_fused_step : bool
        Accepted; there is one form of the update.
    aggregate_num : int
        Accepted; weights are updated one by one.
    **kwargs : object
        Arguments of `Optimizer`.

    Notes
    -----
    The rate is not changed where a norm is 0, or the name in `param_idx2name` is that of a bias,
    gamma or beta; `g` is not clipped there.  Source: MXNet's ``mx.optimizer.LARS``; arXiv:1708.03888.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.LARS(learning_rate=1.0, eta=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.842, 2.158], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        momentum: float = 0.0,
        eta: float = 0.001,
        epsilon: float = 1e-8,
        lazy_update: bool = False,
        use_fused_step: bool = True,
        aggregate_num: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, use_fused_step=use_fused_step,
            aggregate_num=aggregate_num, **kwargs,
        )  # fmt: skip
        self.momentum = momentum
        self.eta = eta
        self.epsilon = epsilon
        self.lazy_update = lazy_update

    def _ratio(self, index: Any, weight: np.ndarray, grad: np.ndarray, wd: float) -> float:
        if self.idx2name.get(index, "").endswith(("gamma", "beta", "bias")):
            return 1.0
        w, g = norm(weight), norm(grad) * self.rescale_grad
        if w > 0.0 and g > 0.0:
            return self.eta * w / (g + wd * w + self.epsilon)
        return 1.0

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """SGD at the rate of the layer."""
        lr *= self._ratio(index, weight, grad, wd)
        if state is None:
            self._descend(grad, weight, lr, wd)
        else:
            self._push(state, grad, weight, lr, wd)
            weight += state


def norm(x: np.ndarray) -> float:
    """Euclidean norm of all elements of `x`."""
    flat = np.ravel(x)
    return math.sqrt(float(np.dot(flat, flat)))
