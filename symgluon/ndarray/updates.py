"""Steps of optimizers as functions of `nd.contrib`: they write to the weights and their state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from symgluon.ndarray.ndarray import NDArray

__all__ = ["adamw_update", "mp_adamw_update", "multi_adamw_update", "multi_mp_adamw_update"]


def _number(value: Any) -> float:
    return float(value.asscalar()) if isinstance(value, NDArray) else float(value)


def adamw_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    rescale_grad: Any,
    lr: float,
    eta: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    clip_gradient: float = -1.0,
    out: NDArray | None = None,
) -> NDArray:
    """One step of AdamW, whose weight decay does not go through the moments.

    Parameters
    ----------
    weight, grad : NDArray
        Weight and gradient.
    mean, var : NDArray
        First and second moment; they are written to.
    rescale_grad : NDArray (1,) or float
        Factor of the gradient; if it is 0 or not finite, nothing happens.
    lr, eta : float
        Learning rate and its multiplier, which the weight decay has too.
    beta1, beta2, epsilon, wd : float
        Decay of the moments, what keeps the quotient finite, weight decay.
    clip_gradient : float
        Bound of the gradient; none if it is not positive.
    out : NDArray, optional
        Where the new weight goes; to a new array if left out.

    Returns
    -------
    NDArray
        The new weight.

    Examples
    --------
    >>> import symgluon as mx
    >>> w, m, v = mx.nd.ones((2,)), mx.nd.zeros((2,)), mx.nd.zeros((2,))
    >>> _ = mx.nd.contrib.adamw_update(w, mx.nd.ones((2,)), m, v, 1.0, lr=0.1, eta=1.0, out=w)
    >>> m.asnumpy()
    array([0.1, 0.1], dtype=float32)
    """
    scale = _number(rescale_grad)
    new = weight
    if scale != 0 and math.isfinite(scale):
        step = grad.astype(weight.dtype) * scale
        if clip_gradient > 0:
            step = step.clip(-clip_gradient, clip_gradient)
        mean[:] = beta1 * mean + (1 - beta1) * step
        var[:] = beta2 * var + (1 - beta2) * step * step
        new = weight - eta * (lr * mean / (var.sqrt() + epsilon) + wd * weight)
    if out is None:
        return new.copy()
    out[:] = new
    return out


def mp_adamw_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    weight32: NDArray,
    rescale_grad: Any,
    lr: float,
    eta: float,
    out: NDArray | None = None,
    **kwargs: Any,
) -> NDArray:
    """One step of AdamW on a float32 copy of the weight.

    Parameters
    ----------
    weight, grad : NDArray
        Weight and gradient, in half precision.
    mean, var, weight32 : NDArray
        Moments and the copy, in float32; they are written to.
    rescale_grad : NDArray (1,) or float
        Factor of the gradient; if it is 0 or not finite, nothing happens.
    lr, eta : float
        Learning rate and its multiplier.
    out : NDArray, optional
        Where the new weight goes; to a new array if left out.
    **kwargs : float
        Further arguments of `adamw_update`.

    Returns
    -------
    NDArray
        The new weight, in the dtype of `weight`.
    """
    adamw_update(weight32, grad, mean, var, rescale_grad, lr, eta, out=weight32, **kwargs)
    new = weight32.astype(weight.dtype)
    if out is None:
        return new
    out[:] = new
    return out


def _each(outs: Any, count: int) -> Sequence[Any]:
    if outs is None:
        return [None] * count
    return [outs] if isinstance(outs, NDArray) else list(outs)


def multi_adamw_update(
    weights: Sequence[NDArray],
    grads: Sequence[NDArray],
    mean: Sequence[NDArray],
    var: Sequence[NDArray],
    rescale_grad: Any,
    lrs: Sequence[float],
    wds: Sequence[float],
    etas: Sequence[float],
    out: Any = None,
    **kwargs: Any,
) -> list[NDArray]:
    """`adamw_update` of several weights.

    Parameters
    ----------
    weights, grads, mean, var : sequence of NDArray
        As the arguments of `adamw_update`, one each.
    rescale_grad : NDArray (1,) or float
        Factor of all gradients.
    lrs, wds, etas : sequence of float
        Learning rate, weight decay and multiplier of each.
    out : sequence of NDArray, optional
        Where the new weights go.
    **kwargs : float
        Further arguments of `adamw_update`.

    Returns
    -------
    list of NDArray
        The new weights.
    """
    kwargs.pop("size", None)
    rows = zip(weights, grads, mean, var, lrs, wds, etas, _each(out, len(weights)), strict=True)
    return [
        adamw_update(w, g, m, v, rescale_grad, lr, eta, wd=wd, out=o, **kwargs)
        for w, g, m, v, lr, wd, eta, o in rows
    ]


def multi_mp_adamw_update(
    weights: Sequence[NDArray],
    grads: Sequence[NDArray],
    mean: Sequence[NDArray],
    var: Sequence[NDArray],
    weights32: Sequence[NDArray],
    rescale_grad: Any,
    lrs: Sequence[float],
    wds: Sequence[float],
    etas: Sequence[float],
    out: Any = None,
    **kwargs: Any,
) -> list[NDArray]:
    """`mp_adamw_update` of several weights.

    Parameters
    ----------
    weights, grads, mean, var, weights32 : sequence of NDArray
        As the arguments of `mp_adamw_update`, one each.
    rescale_grad : NDArray (1,) or float
        Factor of all gradients.
    lrs, wds, etas : sequence of float
        Learning rate, weight decay and multiplier of each.
    out : sequence of NDArray, optional
        Where the new weights go.
    **kwargs : float
        Further arguments of `adamw_update`.

    Returns
    -------
    list of NDArray
        The new weights.
    """
    kwargs.pop("size", None)
    rows = zip(
        weights, grads, mean, var, weights32, lrs, wds, etas, _each(out, len(weights)), strict=True
    )
    return [
        mp_adamw_update(w, g, m, v, w32, rescale_grad, lr, eta, wd=wd, out=o, **kwargs)
        for w, g, m, v, w32, lr, wd, eta, o in rows
    ]
