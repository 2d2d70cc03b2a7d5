"""`mx.random` and `nd.random`: draws as MXNet 1.x arrays, and the seed.

A parameter that is an array gives `shape` draws for each of its elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon import dtypes
from symgluon.ir.types import broadcast_shapes
from symgluon.ndarray.ndarray import NDArray, assign
from symgluon.numpy.random import dims, seed
from symgluon.ops import distributions
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "bernoulli", "binomial", "categorical", "exponential", "gamma",
    "generalized_negative_binomial", "multinomial", "negative_binomial", "normal", "normal_like",
    "poisson", "randint", "randn", "seed", "shuffle", "uniform", "uniform_like",
]  # fmt: skip


def _shape(shape: Any, parameters: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Return the shape of the draw, and the parameters ready to broadcast against it."""
    arrays = [p for p in parameters if isinstance(p, Array)]
    if not arrays:
        return (1,) if shape is None else dims(shape), list(parameters)
    extra = () if shape is None else dims(shape)
    lead = broadcast_shapes(*[a.shape for a in arrays])
    spread = [
        F.reshape(F.broadcast_to(p, shape=lead), shape=(*lead, *(1,) * len(extra)))
        if isinstance(p, Array)
        else p
        for p in parameters
    ]
    return (*lead, *extra), spread


def _finish(result: Any, parameters: Any, dtype: Any, ctx: Any, out: Any) -> Any:
    if dtype is not None and result.dtype != dtype:
        result = F.cast(result, dtype=dtype)
    if out is not None:
        assign(out, result)
        return out
    result.__class__ = NDArray
    arrays = [p for p in parameters if isinstance(p, Array)]
    device = ctx if ctx is not None else arrays[0]._device if arrays else result._device
    if device is not None:
        result._device = device
    return result


def _draw(
    distribution: Callable[..., Any], parameters: tuple[Any, ...], shape: Any, dtype: Any,
    ctx: Any, out: Any,
) -> Any:  # fmt: skip
    if dtype in (None, "None"):
        arrays = [p for p in parameters if isinstance(p, Array)]
        dtype = arrays[0].dtype if arrays else None
    kind = dtypes.float32 if dtype is None else dtypes.resolve(dtype)
    if shape is None and out is not None:
        shape = out.shape
    size, ready = _shape(shape, parameters)
    working = kind if dtypes.is_float(kind) else dtypes.float32
    return _finish(distribution(size, working, *ready), parameters, kind, ctx, out)


def uniform(
    low: Any = 0, high: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the uniform distribution over [low, high)."""
    return _draw(distributions.uniform, (low, high), shape, dtype, ctx, out)


def normal(
    loc: Any = 0, scale: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the normal distribution with mean `loc` and deviation `scale`."""
    return _draw(distributions.normal, (loc, scale), shape, dtype, ctx, out)


def randn(*shape: Any, **kwargs: Any) -> Any:
    """Draw an array of shape `shape` from the normal distribution."""
    return normal(kwargs.pop("loc", 0), kwargs.pop("scale", 1), shape or None, **kwargs)


def uniform_like(data: Any, low: float = 0, high: float = 1, **kwargs: Any) -> Any:
    """Draw an array like `data` from the uniform distribution."""
    return uniform(low, high, data.shape, data.dtype, **kwargs)


def normal_like(data: Any, loc: float = 0, scale: float = 1, **kwargs: Any) -> Any:
    """Draw an array like `data` from the normal distribution."""
    return normal(loc, scale, data.shape, data.dtype, **kwargs)


def exponential(
    scale: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the exponential distribution with mean `scale`."""
    return _draw(distributions.exponential, (scale,), shape, dtype, ctx, out)


def gamma(
    alpha: Any = 1, beta: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the gamma distribution of shape `alpha` and scale `beta`."""
    return _draw(distributions.gamma, (alpha, beta), shape, dtype, ctx, out)


def poisson(
    lam: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the Poisson distribution with mean `lam`."""
    return _draw(distributions.poisson, (lam,), shape, dtype, ctx, out)


def binomial(
    n: Any = 1, p: Any = 0.5, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw the number of successes in `n` trials of probability `p`."""
    return _draw(distributions.binomial, (n, p), shape, dtype, ctx, out)


def negative_binomial(
    k: Any = 1, p: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw the number of failures before `k` successes of probability `p`."""
    return _draw(distributions.negative_binomial, (k, p), shape, dtype, ctx, out)


def generalized_negative_binomial(
    mu: Any = 1, alpha: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the Poisson distribution whose mean is gamma with mean `mu`, spread `alpha`."""
    return _draw(distributions.generalized_negative_binomial, (mu, alpha), shape, dtype, ctx, out)


def bernoulli(
    prob: Any = None, logit: Any = None, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw ones with the probability `prob`, or ``sigmoid(logit)``, and zeros."""
    if logit is not None:
        prob = F.sigmoid(logit) if isinstance(logit, Array) else F.sigmoid(_number(logit))
    return _draw(distributions.bernoulli, (prob,), shape, dtype, ctx, out)


def _number(value: float) -> Any:
    import numpy as np

    return np.asarray(value, np.float32)


def randint(
    low: int, high: int, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw integers from [low, high); int32 by default."""
    size = (1,) if shape is None else dims(shape)
    kind = dtypes.resolve("int32" if dtype in (None, "None") else dtype)
    found = F.random_randint(low=int(low), high=int(high), shape=size, dtype=kind)
    return _finish(found, (), kind, ctx, out)


def categorical(
    data: Any, shape: Any = None, get_prob: bool = False, out: Any = None, dtype: Any = "int32",
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw places with the probabilities in the last axis of `data`."""
    size = () if shape is None else dims(shape)
    found = distributions.categorical(data, size, dtypes.resolve(dtype), get_prob)
    results = list(found) if get_prob else [found]
    results = [r if r.ndim else F.reshape(r, shape=(1,)) for r in results]
    results = [_finish(r, (data,), None, None, None) for r in results]
    return results if get_prob else results[0]


def multinomial(*args: Any, **kwargs: Any) -> Any:
    """Draw places with the probabilities in the last axis of the operand (1.x's meaning)."""
    return categorical(*args, **kwargs)


def shuffle(data: Any, **kwargs: Any) -> Any:
    """Return the rows of `data` in random order."""
    index = F.random_permutation(n=data.shape[0])
    return _finish(F.take(data, index, axis=0, mode="clip"), (data,), None, None, None)
