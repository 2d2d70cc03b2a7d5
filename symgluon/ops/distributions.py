"""Distributions made of standard draws and arithmetic, on core handles and numbers.

Parameters are numbers, or handles that broadcast to the shape of the draw; gradients reach them
through the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ops.apply import F
from symgluon.ops.array import Array

_TINY = 1e-30


def _in(value: Any, dtype: Any) -> Any:
    """A parameter in the dtype of the draw."""
    if isinstance(value, Array) and value.dtype != dtype:
        return F.cast(value, dtype=dtype)
    return value


def affine(draw: Any, loc: Any, scale: Any) -> Any:
    """Return ``loc + scale * draw`` in the dtype of the draw."""
    if isinstance(scale, Array) or scale != 1:
        draw = F.multiply(draw, _in(scale, draw.dtype))
    if isinstance(loc, Array) or loc != 0:
        draw = F.add(draw, _in(loc, draw.dtype))
    return draw


def positive_uniform(shape: Any, dtype: Any) -> Any:
    """Draw from (0, 1], for logarithms and powers."""
    return F.subtract(1.0, F.random_uniform(shape=shape, dtype=dtype))


def uniform(shape: Any, dtype: Any, low: Any, high: Any) -> Any:
    """Draw from [low, high)."""
    width = F.subtract(high, low) if _any(low, high) else high - low
    return affine(F.random_uniform(shape=shape, dtype=dtype), low, width)


def _any(*values: Any) -> bool:
    return any(isinstance(v, Array) for v in values)


def normal(shape: Any, dtype: Any, loc: Any, scale: Any) -> Any:
    """Draw with mean `loc` and deviation `scale`."""
    return affine(F.random_normal(shape=shape, dtype=dtype), loc, scale)


def lognormal(shape: Any, dtype: Any, loc: Any, scale: Any) -> Any:
    """Draw numbers whose logarithm is normal."""
    return F.exp(normal(shape, dtype, loc, scale))


def exponential(shape: Any, dtype: Any, scale: Any) -> Any:
    """Draw with mean `scale`."""
    return affine(F.random_exponential(shape=shape, dtype=dtype), 0, scale)


def laplace(shape: Any, dtype: Any, loc: Any, scale: Any) -> Any:
    """Draw from the double exponential distribution."""
    centred = F.subtract(positive_uniform(shape, dtype), 0.5)
    tail = F.log(F.maximum(F.subtract(1.0, F.multiply(F.abs(centred), 2.0)), _TINY))
    return affine(F.negative(F.multiply(F.sign(centred), tail)), loc, scale)


def gumbel(shape: Any, dtype: Any, loc: Any, scale: Any) -> Any:
    """Draw from the distribution of the largest of many."""
    inner = F.maximum(F.negative(F.log(positive_uniform(shape, dtype))), _TINY)
    return affine(F.negative(F.log(inner)), loc, scale)


def logistic(shape: Any, dtype: Any, loc: Any, scale: Any) -> Any:
    """Draw numbers whose sigmoid is uniform."""
    u = positive_uniform(shape, dtype)
    odds = F.subtract(F.log(u), F.log(F.maximum(F.subtract(1.0, u), _TINY)))
    return affine(odds, loc, scale)


def rayleigh(shape: Any, dtype: Any, scale: Any) -> Any:
    """Draw lengths of normal vectors in the plane."""
    draw = F.random_exponential(shape=shape, dtype=dtype)
    return affine(F.sqrt(F.multiply(draw, 2.0)), 0, scale)


def _inverted(a: Any, dtype: Any) -> Any:
    if isinstance(a, Array):
        return F.true_divide(1.0, _in(a, dtype))
    if a <= 0:
        raise AttributeValueError(f"the shape of a distribution is positive, received {a}")
    return 1.0 / a


def weibull(shape: Any, dtype: Any, a: Any) -> Any:
    """Draw powers ``1 / a`` of exponential numbers."""
    return F.power(F.random_exponential(shape=shape, dtype=dtype), _inverted(a, dtype))


def pareto(shape: Any, dtype: Any, a: Any) -> Any:
    """Draw from the Lomax (Pareto II) distribution."""
    draw = F.random_exponential(shape=shape, dtype=dtype)
    return F.expm1(F.multiply(draw, _inverted(a, dtype)))


def power(shape: Any, dtype: Any, a: Any) -> Any:
    """Draw from [0, 1] with density ``a x ** (a - 1)``."""
    return F.power(positive_uniform(shape, dtype), _inverted(a, dtype))


def _spread(value: Any, shape: Any) -> Any:
    """A parameter as an operand of the shape of the draw."""
    if isinstance(value, Array):
        return F.broadcast_to(value, shape=shape)
    return F.full(np.asarray(value, np.float64), shape=shape)


def gamma(shape: Any, dtype: Any, alpha: Any, scale: Any) -> Any:
    """Draw from the gamma distribution of shape `alpha`."""
    return affine(F.random_gamma(_spread(alpha, shape), dtype=dtype), 0, scale)


def beta(shape: Any, dtype: Any, a: Any, b: Any) -> Any:
    """Draw from [0, 1] with density ``x ** (a - 1) (1 - x) ** (b - 1)``."""
    first, second = gamma(shape, dtype, a, 1), gamma(shape, dtype, b, 1)
    return F.true_divide(first, F.add(first, second))


def chisquare(shape: Any, dtype: Any, df: Any) -> Any:
    """Draw sums of `df` squares of normal numbers."""
    half = F.multiply(df, 0.5) if isinstance(df, Array) else df / 2
    return gamma(shape, dtype, half, 2)


def f(shape: Any, dtype: Any, dfnum: Any, dfden: Any) -> Any:
    """Draw ratios of two chi-square numbers, each divided by its degrees of freedom."""
    first = F.true_divide(chisquare(shape, dtype, dfnum), _in(dfnum, dtype))
    return F.true_divide(first, F.true_divide(chisquare(shape, dtype, dfden), _in(dfden, dtype)))


def poisson(shape: Any, dtype: Any, lam: Any) -> Any:
    """Draw counts with mean `lam`."""
    return F.random_poisson(_spread(lam, shape), dtype=dtype)


def binomial(shape: Any, dtype: Any, n: Any, p: Any) -> Any:
    """Draw numbers of successes among `n` trials of probability `p`."""
    return F.random_binomial(_spread(n, shape), _spread(p, shape), dtype=dtype)


def negative_binomial(shape: Any, dtype: Any, k: Any, p: Any) -> Any:
    """Draw numbers of failures before `k` successes of probability `p`."""
    odds = F.true_divide(F.subtract(1.0, p), p) if isinstance(p, Array) else (1.0 - p) / p
    return poisson(shape, dtype, gamma(shape, np.dtype("float64"), k, odds))


def generalized_negative_binomial(shape: Any, dtype: Any, mu: Any, alpha: Any) -> Any:
    """Draw Poisson counts whose mean is gamma with mean `mu` and spread `alpha`."""
    if _any(mu, alpha):
        inverse, scale = F.true_divide(1.0, _spread(alpha, shape)), F.multiply(mu, alpha)
    elif alpha == 0:
        return poisson(shape, dtype, mu)
    else:
        inverse, scale = 1.0 / alpha, mu * alpha
    return poisson(shape, dtype, gamma(shape, np.dtype("float64"), inverse, scale))


def bernoulli(shape: Any, dtype: Any, prob: Any) -> Any:
    """Draw ones with probability `prob`, and zeros."""
    draw = F.random_uniform(shape=shape, dtype=np.dtype("float32"))
    return F.cast(F.less(draw, prob), dtype=dtype)


#: (shape, dtype, *parameters) -> draw
Distribution = Callable[..., Any]


def categorical(prob: Any, shape: Any, dtype: Any, get_prob: bool = False) -> Any:
    """Draw places with the probabilities in the last axis of `prob`; with their logarithms."""
    found = F.random_categorical(prob, shape=shape, dtype=dtype)
    if not get_prob:
        return found
    n = len(shape)
    lead = tuple(prob.shape[:-1])
    spread = F.reshape(prob, shape=(*lead, *(1,) * n, prob.shape[-1]))
    spread = F.broadcast_to(spread, shape=(*lead, *shape, prob.shape[-1]))
    return found, F.log(F.pick(spread, found, axis=-1))


def choice(source: Any, n: Any, shape: tuple[Any, ...], replace: bool, p: Any) -> Any:
    """Draw places below `n` (or the rows of `source` there), with probabilities `p`.

    Raises
    ------
    ValueError
        For more draws than there are places, without replacement.
    """
    count = int(np.prod(shape))
    if not replace:
        if count > n:
            raise AttributeValueError(
                "Cannot take a larger sample than population when 'replace=False'"
            )
        if p is None:
            order = F.random_permutation(n=n)
        else:  # in the order of exponential waiting times with the rates p
            wait = F.random_exponential(shape=(n,), dtype=np.dtype("float64"))
            order = F.argsort(F.true_divide(wait, p), axis=0)
        places = F.reshape(F.index(order, index=(slice(0, count),)), shape=shape)
    elif p is not None:
        places = F.random_categorical(p, shape=shape, dtype="int64")
    else:
        places = F.random_randint(low=0, high=n, shape=shape, dtype="int64")
    return places if source is None else F.take(source, places, axis=0, mode="clip")
