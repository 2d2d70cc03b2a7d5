"""`mx.np.random`: draws of standard distributions, scaled and shifted by ordinary arithmetic.

So gradients reach the parameters, and a trace holds the draw as one node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.ir.dims import Dim
from symgluon.ir.types import broadcast_shapes
from symgluon.numpy.creation import on
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops import generator
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "beta", "chisquare", "choice", "exponential", "f", "gamma", "gumbel", "laplace",
    "logistic", "lognormal", "multinomial", "multivariate_normal", "normal", "pareto",
    "permutation", "poisson", "power", "rand", "randint", "randn", "rayleigh", "seed",
    "shuffle", "uniform", "weibull",
]  # fmt: skip


def seed(seed_state: int | None = None, device: Any = "all", **kwargs: Any) -> None:
    """Reset the random stream of this thread; other threads derive theirs anew.

    Parameters
    ----------
    seed_state : int
        The seed.
    device : Device or "all"
        Accepted for compatibility: all devices share one stream.
    """
    if seed_state is not None and not isinstance(seed_state, int | np.integer):
        raise ValueError("seed_state must be int")
    generator.seed(None if seed_state is None else int(seed_state))


# ---- how draws are made -------------------------------------------------------------------------
def dims(size: Any, *parameters: Any) -> tuple[Any, ...]:
    """Return the shape of a draw: `size`, else that to which the parameters broadcast."""
    if size is None:
        return broadcast_shapes(*[p.shape for p in parameters if isinstance(p, Array)] or [()])
    return (size,) if isinstance(size, int | np.integer | Dim) else tuple(size)


def _number(value: Any) -> Any:
    """Return a parameter as an array or a number."""
    if isinstance(value, Array | int | float):
        return value
    return as_array(value) if np.ndim(value) else float(value)


def _deliver(result: Any, device: Any, out: Any, kwargs: dict[str, Any]) -> Any:
    device = kwargs.pop("ctx", None) or device
    if kwargs:
        raise TypeError(f"unknown arguments {', '.join(kwargs)}")
    return finish(result, None, out) if out is not None else on(finish(result), device)


def _draw(name: str, shape: tuple[Any, ...], dtype: Any) -> Any:
    kind = dtypes.resolve(dtype)
    return getattr(F, name)(shape=shape, dtype=kind)


def _affine(draw: Any, loc: Any, scale: Any) -> Any:
    """Return ``loc + scale * draw`` in the dtype of the draw."""
    kind = draw.dtype
    for value, function in ((scale, F.multiply), (loc, F.add)):
        if isinstance(value, Array):
            draw = function(draw, value if value.dtype == kind else F.cast(value, dtype=kind))
        elif value != (1 if function is F.multiply else 0):
            draw = function(draw, value)
    return draw


def scaled(
    name: str, loc: Any, scale: Any, size: Any, dtype: Any, device: Any, out: Any, kwargs: Any
) -> Any:
    """Draw by the operator `name`, scale and shift."""
    loc, scale = _number(loc), _number(scale)
    draw = _draw(name, dims(size, loc, scale), dtype)
    return _deliver(_affine(draw, loc, scale), device, out, kwargs)


def _positive(draw: Any) -> Any:
    """Move a uniform draw from [0, 1) to (0, 1], for logarithms and powers."""
    return F.subtract(1.0, draw)


# ---- uniform and normal -------------------------------------------------------------------------
def uniform(
    low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the uniform distribution over [low, high)."""
    low, high = _number(low), _number(high)
    scale = (
        F.subtract(high, low)
        if isinstance(high, Array) or isinstance(low, Array)
        else (high - low)
    )
    return scaled("random_uniform", low, scale, size, dtype, device, out, kwargs)


def normal(
    loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the normal distribution with mean `loc` and deviation `scale`."""
    return scaled("random_normal", loc, scale, size, dtype, device, out, kwargs)


def rand(*size: Any, **kwargs: Any) -> Any:
    """Draw an array of shape `size` uniformly from [0, 1)."""
    return uniform(size=size, **kwargs)


def randn(*size: Any, **kwargs: Any) -> Any:
    """Draw an array of shape `size` from the standard normal distribution."""
    return normal(size=size, **kwargs)


def lognormal(
    mean: Any = 0.0, sigma: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw numbers whose logarithm is normal."""
    draw = scaled("random_normal", mean, sigma, size, dtype, None, None, {})
    return _deliver(F.exp(draw), device, out, kwargs)


def multivariate_normal(
    mean: Any, cov: Any, size: Any = None, check_valid: Any = None, tol: Any = None
) -> Any:
    """Draw vectors from the normal distribution with the covariance matrix `cov`."""
    mean, cov = as_array(mean), as_array(cov)
    lead = dims(size) if size is not None else ()
    batch = broadcast_shapes(mean.shape[:-1], cov.shape[:-2])
    draw = _draw("random_normal", (*lead, *batch, mean.shape[-1]), mean.dtype)
    turned = F.matmul(F.cholesky(cov), F.expand_dims(draw, axis=-1))
    return finish(F.add(F.squeeze(turned, axis=-1), mean))


# ---- by inversion of a uniform or exponential draw ----------------------------------------------
def exponential(
    scale: Any = 1.0, size: Any = None, device: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw from the exponential distribution with mean `scale`."""
    return scaled("random_exponential", 0, scale, size, None, device, out, kwargs)


def _inverse(text: str, function: Callable[[Any], Any]) -> Callable[..., Any]:
    """Make a location-scale distribution from the inverse of its cumulative function."""

    def draw(
        loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None,
        device: Any = None, out: Any = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        loc, scale = _number(loc), _number(scale)
        uniform_draw = _positive(_draw("random_uniform", dims(size, loc, scale), dtype))
        return _deliver(_affine(function(uniform_draw), loc, scale), device, out, kwargs)

    draw.__name__ = draw.__qualname__ = text
    draw.__doc__ = f"Draw from the {text} distribution at `loc` with scale `scale`."
    return draw


def _laplace(u: Any) -> Any:
    centred = F.subtract(u, 0.5)
    tail = F.log(F.maximum(F.subtract(1.0, F.multiply(F.abs(centred), 2.0)), 1e-30))
    return F.negative(F.multiply(F.sign(centred), tail))


laplace = _inverse("laplace", _laplace)
gumbel = _inverse("gumbel", lambda u: -F.log(F.maximum(-F.log(u), 1e-30)))
logistic = _inverse("logistic", lambda u: F.log(u) - F.log(F.maximum(F.subtract(1.0, u), 1e-30)))


def rayleigh(
    scale: Any = 1.0, size: Any = None, device: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw from the Rayleigh distribution."""
    scale = _number(scale)
    draw = _draw("random_exponential", dims(size, scale), None)
    root = F.sqrt(F.multiply(draw, 2.0))
    return _deliver(_affine(root, 0, scale), device, out, kwargs)


def weibull(a: Any, size: Any = None, device: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """Draw from the Weibull distribution of shape `a`."""
    a = _number(a)
    draw = _draw("random_exponential", dims(size, a), None)
    return _deliver(F.power(draw, _inverted(a)), device, out, kwargs)


def pareto(a: Any, size: Any = None, device: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """Draw from the Lomax (Pareto II) distribution of shape `a`."""
    a = _number(a)
    draw = F.multiply(_draw("random_exponential", dims(size, a), None), _inverted(a))
    return _deliver(F.expm1(draw), device, out, kwargs)


def power(a: Any, size: Any = None, device: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """Draw from the power distribution on [0, 1] with density ``a x ** (a - 1)``."""
    a = _number(a)
    draw = _positive(_draw("random_uniform", dims(size, a), None))
    return _deliver(F.power(draw, _inverted(a)), device, out, kwargs)


def _inverted(a: Any) -> Any:
    if isinstance(a, Array):
        return F.true_divide(1.0, a if a.dtype.kind == "f" else F.cast(a, dtype="float32"))
    if a <= 0:
        raise ValueError(f"the shape of a distribution is positive, received {a}")
    return 1.0 / a


# ---- gamma and what follows from it -------------------------------------------------------------
def _gamma(shape: Any, size: Any, dtype: Any, *others: Any) -> Any:
    kind = dtypes.resolve(dtype)
    target = dims(size, shape, *others)
    if not isinstance(shape, Array):
        return F.random_gamma(np.asarray(shape, np.float64), shape=target, dtype=kind)
    return F.random_gamma(F.broadcast_to(shape, shape=target), dtype=kind)


def gamma(
    shape: Any, scale: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the gamma distribution of shape `shape` and scale `scale`."""
    shape, scale = _number(shape), _number(scale)
    draw = _gamma(shape, size, dtype, scale)
    return _deliver(_affine(draw, 0, scale), device, out, kwargs)


def chisquare(
    df: Any, size: Any = None, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Any:
    """Draw from the chi-square distribution with `df` degrees of freedom."""
    df = _number(df)
    half = F.multiply(df, 0.5) if isinstance(df, Array) else df / 2
    return _deliver(F.multiply(_gamma(half, size, dtype), 2.0), device, None, kwargs)


def beta(
    a: Any, b: Any, size: Any = None, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Any:
    """Draw from the beta distribution with parameters `a` and `b`."""
    a, b = _number(a), _number(b)
    first, second = _gamma(a, size, dtype, b), _gamma(b, size, dtype, a)
    return _deliver(F.true_divide(first, F.add(first, second)), device, None, kwargs)


def f(dfnum: Any, dfden: Any, size: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Draw from the F distribution."""
    num, den = _number(dfnum), _number(dfden)
    size = dims(size, num, den)
    first = F.true_divide(chisquare(num, size), num)
    return _deliver(
        F.true_divide(first, F.true_divide(chisquare(den, size), den)), device, None, kwargs
    )


def poisson(
    lam: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Any:
    """Draw from the Poisson distribution with mean `lam`."""
    lam = _number(lam)
    target, kind = dims(size, lam), dtypes.resolve(dtype)
    if isinstance(lam, Array):
        found = F.random_poisson(F.broadcast_to(lam, shape=target), dtype=kind)
    else:
        found = F.random_poisson(np.asarray(lam, np.float64), shape=target, dtype=kind)
    return _deliver(found, device, None, kwargs)


# ---- whole numbers and choices ------------------------------------------------------------------
def randint(
    low: Any, high: Any = None, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw integers from [low, high), or [0, low); int64 by default."""
    low, high = (0, low) if high is None else (low, high)
    kind = dtypes.resolve("int64" if dtype is None else dtype)
    draw = F.random_randint(low=int(low), high=int(high), shape=dims(size), dtype=kind)
    return _deliver(draw, device, out, kwargs)


def choice(
    a: Any, size: Any = None, replace: bool = True, p: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw elements of the 1-d array `a` (or of ``range(a)``), with probabilities `p`."""
    source = None if isinstance(a, int | np.integer) else as_array(a)
    n = int(a) if source is None else int(source.shape[0])
    shape = dims(size)
    count = int(np.prod(shape))
    if not replace:
        if count > n:
            raise ValueError("Cannot take a larger sample than population when 'replace=False'")
        index = _without_replacement(n, count, p)
        index = F.reshape(index, shape=shape)
    elif p is not None:
        index = F.random_categorical(as_array(p), shape=shape, dtype="int64")
    else:
        index = F.random_randint(low=0, high=n, shape=shape, dtype="int64")
    found = index if source is None else F.take(source, index, axis=0, mode="clip")
    return _deliver(found, device, out, kwargs)


def _without_replacement(n: int, count: int, p: Any) -> Any:
    if p is None:
        return F.index(F.random_permutation(n=n), index=(slice(0, count),))
    # the first `count` of the places in the order of exponential waiting times with rates p
    wait = F.true_divide(F.random_exponential(shape=(n,), dtype="float64"), as_array(p))
    return F.index(F.argsort(wait, axis=0), index=(slice(0, count),))


def permutation(x: Any) -> Any:
    """Return ``range(x)``, or the rows of `x`, in random order."""
    if isinstance(x, int | np.integer):
        return finish(F.random_permutation(n=int(x)))
    x = as_array(x)
    return finish(F.take(x, F.random_permutation(n=x.shape[0]), axis=0, mode="clip"), x)


def shuffle(x: Any) -> None:
    """Bring the rows of `x` into random order, in place."""
    x._assign(permutation(x))


def multinomial(n: int, pvals: Any, size: Any = None, **kwargs: Any) -> Any:
    """Count how often each outcome comes in `n` trials with the probabilities `pvals`."""
    shape = () if size is None else dims(size)
    probabilities = as_array(np.asarray(pvals) if isinstance(pvals, list | tuple) else pvals)
    return _deliver(F.random_multinomial(probabilities, n=n, shape=shape), None, None, kwargs)
