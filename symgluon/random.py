"""`mx.random` and `nd.random`: draws as MXNet 1.x arrays, and the seed.

A parameter that is an array gives `shape` draws for each of its elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.ir.types import broadcast_shapes
from symgluon.ndarray.ndarray import NDArray, assign
from symgluon.numpy import random as _np_random
from symgluon.numpy.multiarray import as_array
from symgluon.numpy.random import seed
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "bernoulli", "binomial", "categorical", "exponential", "gamma",
    "generalized_negative_binomial", "multinomial", "negative_binomial", "normal",
    "normal_like", "poisson", "randint", "randn", "seed", "shuffle", "uniform", "uniform_like",
]  # fmt: skip


def _shape(shape: Any, *parameters: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Return the shape of the draw, and the parameters ready to broadcast against it."""
    arrays = [p for p in parameters if isinstance(p, Array)]
    if not arrays:
        return (1,) if shape is None else _np_random.dims(shape), list(parameters)
    extra = () if shape is None else _np_random.dims(shape)
    lead = broadcast_shapes(*[a.shape for a in arrays])
    spread = [
        F.reshape(F.broadcast_to(p, shape=lead), shape=(*lead, *(1,) * len(extra)))
        if isinstance(p, Array)
        else p
        for p in parameters
    ]
    return (*lead, *extra), spread


def _finish(result: Any, parameters: Any, dtype: Any, ctx: Any, out: Any) -> Any:
    if dtype not in (None, "None"):
        kind = dtypes.resolve(dtype)
        result = result if result.dtype == kind else F.cast(result, dtype=kind)
    if out is not None:
        assign(out, result)
        return out
    result.__class__ = NDArray
    arrays = [p for p in parameters if isinstance(p, Array)]
    device = ctx if ctx is not None else arrays[0]._device if arrays else result._device
    if device is not None:
        result._device = device
    return result


def _kind(dtype: Any, parameters: Any) -> Any:
    if dtype in (None, "None"):
        arrays = [p for p in parameters if isinstance(p, Array)]
        return arrays[0].dtype if arrays else dtypes.float32
    return dtypes.resolve(dtype)


def _draw(
    function: Any, parameters: tuple[Any, ...], shape: Any, dtype: Any, ctx: Any, out: Any
) -> Any:
    kind = _kind(dtype, parameters)
    if shape is None and out is not None:
        shape = out.shape
    size, ready = _shape(shape, *parameters)
    working = kind if kind.kind == "f" else dtypes.float32
    return _finish(function(*ready, size, working), parameters, kind, ctx, out)


def uniform(
    low: Any = 0, high: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the uniform distribution over [low, high)."""
    return _draw(_np_random.uniform, (low, high), shape, dtype, ctx, out)


def normal(
    loc: Any = 0, scale: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the normal distribution with mean `loc` and deviation `scale`."""
    return _draw(_np_random.normal, (loc, scale), shape, dtype, ctx, out)


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
    return _draw(
        lambda s, size, kind: _np_random.exponential(s, size), (scale,), shape, dtype, ctx, out
    )


def gamma(
    alpha: Any = 1, beta: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the gamma distribution of shape `alpha` and scale `beta`."""
    return _draw(_np_random.gamma, (alpha, beta), shape, dtype, ctx, out)


def poisson(
    lam: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the Poisson distribution with mean `lam`."""
    return _draw(_np_random.poisson, (lam,), shape, dtype, ctx, out)


def binomial(
    n: Any = 1, p: Any = 0.5, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw the number of successes in `n` trials of probability `p`."""

    def draw(trials: Any, chance: Any, size: Any, kind: Any) -> Any:
        spread = [F.broadcast_to(as_array(v), shape=size) for v in (trials, chance)]
        return F.random_binomial(*spread, dtype=kind)

    return _draw(draw, (n, p), shape, dtype, ctx, out)


def negative_binomial(
    k: Any = 1, p: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw the number of failures before `k` successes of probability `p`."""

    def draw(count: Any, chance: Any, size: Any, kind: Any) -> Any:
        odds = (1.0 - chance) / chance
        return _np_random.poisson(_np_random.gamma(count, odds, size, "float64"), None, kind)

    return _draw(draw, (k, p), shape, dtype, ctx, out)


def generalized_negative_binomial(
    mu: Any = 1, alpha: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the Poisson distribution whose mean is gamma with mean `mu`, spread `alpha`."""

    def draw(mean: Any, spread: Any, size: Any, kind: Any) -> Any:
        rate = _np_random.gamma(1.0 / spread, mean * spread, size, "float64")
        return _np_random.poisson(rate, None, kind)

    return _draw(draw, (mu, alpha), shape, dtype, ctx, out)


def bernoulli(
    prob: Any = None, logit: Any = None, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw ones with the probability `prob`, or ``sigmoid(logit)``, and zeros."""
    if logit is not None:
        prob = F.sigmoid(logit) if isinstance(logit, Array) else 1 / (1 + np.exp(-logit))
    return _draw(
        lambda p, size, kind: F.cast(F.less(F.random_uniform(shape=size), p), dtype=kind),
        (prob,), shape, dtype, ctx, out,
    )  # fmt: skip


def randint(
    low: int, high: int, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw integers from [low, high); int32 by default."""
    size = (1,) if shape is None else _np_random.dims(shape)
    kind = dtypes.resolve("int32" if dtype in (None, "None") else dtype)
    return _finish(
        F.random_randint(low=low, high=high, shape=size, dtype=kind), (), kind, ctx, out
    )


def categorical(
    data: Any, shape: Any = None, get_prob: bool = False, out: Any = None, dtype: Any = "int32",
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw places with the probabilities in the last axis of `data`."""
    from symgluon.numpy_extension.random import categorical as draw

    found = draw(data, shape, get_prob, dtype)
    results = [_finish(r, (data,), None, None, None) for r in (found if get_prob else [found])]
    results = [r.reshape((1,)) if not r.shape else r for r in results]
    return results if get_prob else results[0]


def multinomial(*args: Any, **kwargs: Any) -> Any:
    """Draw places with the probabilities in the last axis of the operand (1.x's meaning)."""
    return categorical(*args, **kwargs)


def shuffle(data: Any, **kwargs: Any) -> Any:
    """Return the rows of `data` in random order."""
    index = F.random_permutation(n=data.shape[0])
    return _finish(F.take(data, index, axis=0, mode="clip"), (data,), None, None, None)
