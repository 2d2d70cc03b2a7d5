"""`mx.np.random`: draws of standard distributions, scaled and shifted by ordinary arithmetic.

So gradients reach the parameters, and a trace holds each draw as one node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.ir.dims import Dim
from symgluon.ir.types import broadcast_shapes
from symgluon.numpy import random_ranges
from symgluon.numpy.creation import on
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops import distributions, generator
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "beta", "chisquare", "choice", "exponential", "f", "gamma", "gumbel", "laplace", "logistic",
    "lognormal", "multinomial", "multivariate_normal", "normal", "pareto", "permutation",
    "poisson", "power", "rand", "randint", "randn", "rayleigh", "seed", "shuffle", "uniform",
    "weibull",
]  # fmt: skip


def seed(seed_state: int | None = None, device: Any = "all", ctx: Any = None) -> None:
    """Reset the random stream of this thread; other threads derive theirs anew.

    Parameters
    ----------
    seed_state : int
        The seed.
    device : Device or "all"
        Accepted for compatibility: all devices share one stream.
    ctx : Device, optional
        Old name of `device`.

    Raises
    ------
    ValueError
        If the seed is no int.

    Notes
    -----
    Source: MXNet's ``mx.np.random.seed``.
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


def draw(
    distribution: Callable[..., Any],
    parameters: tuple[Any, ...],
    size: Any,
    dtype: Any,
    device: Any = None,
    out: Any = None,
    kwargs: dict[str, Any] | None = None,
) -> Any:
    """Draw from one of :mod:`symgluon.ops.distributions`."""
    ready = [_number(p) for p in parameters]
    random_ranges.check(distribution.__name__, ready)
    found = distribution(dims(size, *ready), dtypes.resolve(dtype), *ready)
    return _deliver(found, device, out, kwargs or {})


# ---- distributions with location and scale ------------------------------------------------------
def uniform(
    low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the uniform distribution over [low, high).

    Parameters
    ----------
    low : float or array
        Lower bound.
    high : float or array
        Upper bound.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.uniform``.
    """
    return draw(distributions.uniform, (low, high), size, dtype, device, out, kwargs)


def normal(
    loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the normal distribution with mean `loc` and deviation `scale`.

    Parameters
    ----------
    loc : float or array
        Mean.
    scale : float or array
        Standard deviation.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.normal``.
    """
    return draw(distributions.normal, (loc, scale), size, dtype, device, out, kwargs)


def rand(*size: Any, **kwargs: Any) -> Any:
    """Draw an array of shape `size` uniformly from [0, 1).

    Parameters
    ----------
    *size : int
        Shape of the draw.
    **kwargs : object
        What else `uniform` takes.

    Returns
    -------
    array
        The draw.

    Notes
    -----
    Source: MXNet's ``mx.np.random.rand``.
    """
    return uniform(size=size, **kwargs)


def randn(*size: Any, **kwargs: Any) -> Any:
    """Draw an array of shape `size` from the standard normal distribution.

    Parameters
    ----------
    *size : int
        Shape of the draw.
    **kwargs : object
        What else `normal` takes.

    Returns
    -------
    array
        The draw.

    Notes
    -----
    Source: MXNet's ``mx.np.random.randn``.
    """
    return normal(size=size, **kwargs)


def lognormal(
    mean: Any = 0.0, sigma: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw numbers whose logarithm is normal.

    Parameters
    ----------
    mean : float or array
        Mean of the logarithm.
    sigma : float or array
        Standard deviation of the logarithm.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.lognormal``.
    """
    return draw(distributions.lognormal, (mean, sigma), size, dtype, device, out, kwargs)


def laplace(
    loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the Laplace distribution.

    Parameters
    ----------
    loc : float or array
        Mean.
    scale : float or array
        Scale.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.laplace``.
    """
    return draw(distributions.laplace, (loc, scale), size, dtype, device, out, kwargs)


def gumbel(
    loc: Any = 0.0, scale: Any = 1.0, size: Any = None, device: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the Gumbel distribution.

    Parameters
    ----------
    loc : float or array
        Mean.
    scale : float or array
        Scale.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.gumbel``.
    """
    return draw(distributions.gumbel, (loc, scale), size, None, device, out, kwargs)


def logistic(
    loc: Any = 0.0, scale: Any = 1.0, size: Any = None, device: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the logistic distribution.

    Parameters
    ----------
    loc : float or array
        Mean.
    scale : float or array
        Scale.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.logistic``.
    """
    return draw(distributions.logistic, (loc, scale), size, None, device, out, kwargs)


# ---- distributions of positive numbers ----------------------------------------------------------
def exponential(
    scale: Any = 1.0, size: Any = None, device: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw from the exponential distribution with mean `scale`.

    Parameters
    ----------
    scale : float or array
        Mean.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.exponential``.
    """
    return draw(distributions.exponential, (scale,), size, None, device, out, kwargs)


def rayleigh(
    scale: Any = 1.0, size: Any = None, device: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw from the Rayleigh distribution.

    Parameters
    ----------
    scale : float or array
        Scale.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.rayleigh``.
    """
    return draw(distributions.rayleigh, (scale,), size, None, device, out, kwargs)


def weibull(a: Any, size: Any = None, device: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """Draw from the Weibull distribution of shape `a`.

    Parameters
    ----------
    a : float or array
        Shape.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.weibull``.
    """
    return draw(distributions.weibull, (a,), size, None, device, out, kwargs)


def pareto(a: Any, size: Any = None, device: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """Draw from the Lomax (Pareto II) distribution of shape `a`.

    Parameters
    ----------
    a : float or array
        Shape.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.pareto``.
    """
    return draw(distributions.pareto, (a,), size, None, device, out, kwargs)


def power(a: Any, size: Any = None, device: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """Draw from the power distribution on [0, 1] with density ``a x ** (a - 1)``.

    Parameters
    ----------
    a : float or array
        Exponent plus one.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.power``.
    """
    return draw(distributions.power, (a,), size, None, device, out, kwargs)


def gamma(
    shape: Any, scale: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the gamma distribution of shape `shape` and scale `scale`.

    Parameters
    ----------
    shape : float or array
        Shape.
    scale : float or array
        Scale.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.gamma``.
    """
    return draw(distributions.gamma, (shape, scale), size, dtype, device, out, kwargs)


def chisquare(
    df: Any, size: Any = None, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Any:
    """Draw from the chi-square distribution with `df` degrees of freedom.

    Parameters
    ----------
    df : float or array
        Degrees of freedom.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array
        The draw.

    Notes
    -----
    Source: MXNet's ``mx.np.random.chisquare``.
    """
    return draw(distributions.chisquare, (df,), size, dtype, device, None, kwargs)


def beta(
    a: Any, b: Any, size: Any = None, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Any:
    """Draw from the beta distribution with parameters `a` and `b`.

    Parameters
    ----------
    a : float or array
        First parameter.
    b : float or array
        Second parameter.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array
        The draw.

    Notes
    -----
    Source: MXNet's ``mx.np.random.beta``.
    """
    return draw(distributions.beta, (a, b), size, dtype, device, None, kwargs)


def f(dfnum: Any, dfden: Any, size: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Draw from the F distribution.

    Parameters
    ----------
    dfnum : float or array
        Degrees of freedom of the numerator.
    dfden : float or array
        Degrees of freedom of the denominator.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array
        The draw.

    Notes
    -----
    Source: MXNet's ``mx.np.random.f``.
    """
    return draw(distributions.f, (dfnum, dfden), size, None, device, None, kwargs)


def poisson(
    lam: Any = 1.0, size: Any = None, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Any:
    """Draw from the Poisson distribution with mean `lam`.

    Parameters
    ----------
    lam : float or array
        Mean.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array
        The draw.

    Notes
    -----
    Source: MXNet's ``mx.np.random.poisson``.
    """
    return draw(distributions.poisson, (lam,), size, dtype, device, None, kwargs)


# ---- vectors, whole numbers and choices ---------------------------------------------------------
def multivariate_normal(
    mean: Any, cov: Any, size: Any = None, check_valid: Any = None, tol: Any = None
) -> Any:
    """Draw vectors from the normal distribution with the covariance matrix `cov`.

    Parameters
    ----------
    mean : array (..., n)
        Means.
    cov : array (..., n, n)
        Covariance matrices.
    size : int or tuple of int, optional
        Shape of the draw; that to which the parameters broadcast if left out.
    check_valid, tol : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw.

    Notes
    -----
    Source: MXNet's ``mx.np.random.multivariate_normal``.
    """
    mean, cov = as_array(mean), as_array(cov)
    lead = dims(size) if size is not None else ()
    batch = broadcast_shapes(mean.shape[:-1], cov.shape[:-2])
    shape = (*lead, *batch, mean.shape[-1])
    vectors = F.random_normal(shape=shape, dtype=mean.dtype)
    turned = F.matmul(F.cholesky(cov), F.expand_dims(vectors, axis=-1))
    return finish(F.add(F.squeeze(turned, axis=-1), mean))


def randint(
    low: Any, high: Any = None, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw integers from [low, high), or [0, low); int64 by default.

    Parameters
    ----------
    low : int
        Lower bound; without `high` the upper one.
    high : int, optional
        Upper bound, left out itself.
    size : int or tuple of int, optional
        Shape of the draw; () if left out.
    dtype : dtype, optional
        Of the result; int64 if left out.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.randint``.
    """
    low, high = (0, low) if high is None else (low, high)
    kind = dtypes.resolve("int64" if dtype is None else dtype)
    found = F.random_randint(low=int(low), high=int(high), shape=dims(size), dtype=kind)
    return _deliver(found, device, out, kwargs)


def choice(
    a: Any, size: Any = None, replace: bool = True, p: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw elements of the 1-d array `a` (or of ``range(a)``), with probabilities `p`.

    Parameters
    ----------
    a : array (n,) or int
        What is drawn from; a number stands for ``range``.
    size : int or tuple of int, optional
        Shape of the draw; () if left out.
    replace : bool
        Whether an element may come more than once.
    p : array (n,), optional
        Probabilities.
    device : Device, optional
        Of the result; the current one if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.np.random.choice``.
    """
    source = None if isinstance(a, int | np.integer) else as_array(a)
    n = int(a) if source is None else source.shape[0]
    chances = None if p is None else as_array(p)
    found = distributions.choice(source, n, dims(size), bool(replace), chances)
    return _deliver(found, device, out, kwargs)


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
    """Count how often each outcome comes in `n` trials with the probabilities `pvals`.

    Parameters
    ----------
    n : int
        Number of trials.
    pvals : array (k,)
        Probabilities.
    size : int or tuple of int, optional
        How many draws.

    Returns
    -------
    array
        The draw.

    Notes
    -----
    Source: MXNet's ``mx.np.random.multinomial``.
    """
    shape = () if size is None else dims(size)
    return _deliver(F.random_multinomial(as_array(pvals), n=n, shape=shape), None, None, kwargs)
