"""`mx.random` and `nd.random`: draws as MXNet 1.x arrays, and the seed.

A parameter that is an array gives `shape` draws for each of its elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon import dtypes
from symgluon.device import usable
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
    device = usable(ctx) if ctx is not None else arrays[0]._device if arrays else result._device
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
    """Draw from the uniform distribution over [low, high).

    Parameters
    ----------
    low, high : float or array, float
        Bounds.
    shape : int or tuple of int, optional
        Shape of the draw (for each element of parameters that are arrays); (1,) if left out, ()
        with arrays.
    dtype : dtype, optional
        Of the result; float32 if left out.
    ctx : Device, optional
        Device of the result.
    out : array, optional
        Gets the result; its shape counts where `shape` is left out.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.random.uniform``; ONNX RandomUniform.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.random.seed(0)
    >>> x = mx.random.uniform(2, 3, shape=(2, 3))
    >>> x.shape, bool((x.asnumpy() >= 2).all() and (x.asnumpy() < 3).all())
    ((2, 3), True)
    """
    return _draw(distributions.uniform, (low, high), shape, dtype, ctx, out)


def normal(
    loc: Any = 0, scale: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the normal distribution.

    Parameters
    ----------
    loc, scale : float or array, float
        Mean and standard deviation.
    shape : int or tuple of int, optional
        Shape of the draw (for each element of parameters that are arrays); (1,) if left out, ()
        with arrays.
    dtype : dtype, optional
        Of the result; float32 if left out.
    ctx : Device, optional
        Device of the result.
    out : array, optional
        Gets the result; its shape counts where `shape` is left out.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.random.normal``; ONNX RandomNormal.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.random.seed(0)
    >>> first = mx.random.normal(shape=(3,)).asnumpy()
    >>> mx.random.seed(0)
    >>> bool((mx.random.normal(shape=(3,)).asnumpy() == first).all())
    True
    """
    return _draw(distributions.normal, (loc, scale), shape, dtype, ctx, out)


def randn(*shape: Any, **kwargs: Any) -> Any:
    """Draw from the normal distribution.

    Parameters
    ----------
    *shape : int
        Shape of the draw; (1,) if left out.
    **kwargs : object
        ``loc`` and ``scale``, and what else `normal` takes.

    Returns
    -------
    array
        The draw.
    """
    return normal(kwargs.pop("loc", 0), kwargs.pop("scale", 1), shape or None, **kwargs)


def uniform_like(data: Any, low: float = 0, high: float = 1, **kwargs: Any) -> Any:
    """Draw an array like another from the uniform distribution.

    Parameters
    ----------
    data : array
        Gives shape and dtype.
    low, high : float
        Bounds.
    **kwargs : object
        What else `uniform` takes.

    Returns
    -------
    array
        The draw.
    """
    return uniform(low, high, data.shape, data.dtype, **kwargs)


def normal_like(data: Any, loc: float = 0, scale: float = 1, **kwargs: Any) -> Any:
    """Draw an array like another from the normal distribution.

    Parameters
    ----------
    data : array
        Gives shape and dtype.
    loc, scale : float
        Mean and standard deviation.
    **kwargs : object
        What else `normal` takes.

    Returns
    -------
    array
        The draw.
    """
    return normal(loc, scale, data.shape, data.dtype, **kwargs)


def exponential(
    scale: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the exponential distribution.

    Parameters
    ----------
    scale : float or array, float
        Mean.
    shape : int or tuple of int, optional
        Shape of the draw (for each element of parameters that are arrays); (1,) if left out, ()
        with arrays.
    dtype : dtype, optional
        Of the result; float32 if left out.
    ctx : Device, optional
        Device of the result.
    out : array, optional
        Gets the result; its shape counts where `shape` is left out.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.random.exponential``.
    """
    return _draw(distributions.exponential, (scale,), shape, dtype, ctx, out)


def gamma(
    alpha: Any = 1, beta: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the gamma distribution.

    Parameters
    ----------
    alpha, beta : float or array, float
        Shape and scale.
    shape : int or tuple of int, optional
        Shape of the draw (for each element of parameters that are arrays); (1,) if left out, ()
        with arrays.
    dtype : dtype, optional
        Of the result; float32 if left out.
    ctx : Device, optional
        Device of the result.
    out : array, optional
        Gets the result; its shape counts where `shape` is left out.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.random.gamma``.
    """
    return _draw(distributions.gamma, (alpha, beta), shape, dtype, ctx, out)


def poisson(
    lam: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the Poisson distribution.

    Parameters
    ----------
    lam : float or array, float
        Mean.
    shape : int or tuple of int, optional
        Shape of the draw (for each element of parameters that are arrays); (1,) if left out, ()
        with arrays.
    dtype : dtype, optional
        Of the result; float32 if left out.
    ctx : Device, optional
        Device of the result.
    out : array, optional
        Gets the result; its shape counts where `shape` is left out.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.random.poisson``.
    """
    return _draw(distributions.poisson, (lam,), shape, dtype, ctx, out)


def binomial(
    n: Any = 1, p: Any = 0.5, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw the number of successes in trials.

    Parameters
    ----------
    n : int or array, int
        Number of trials.
    p : float or array, float
        Probability of success.
    shape : int or tuple of int, optional
        Shape of the draw (for each element of parameters that are arrays); (1,) if left out, ()
        with arrays.
    dtype : dtype, optional
        Of the result; float32 if left out.
    ctx : Device, optional
        Device of the result.
    out : array, optional
        Gets the result; its shape counts where `shape` is left out.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.random.binomial``.
    """
    return _draw(distributions.binomial, (n, p), shape, dtype, ctx, out)


def negative_binomial(
    k: Any = 1, p: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw the number of failures before a number of successes.

    Parameters
    ----------
    k : int or array, int
        Number of successes.
    p : float or array, float
        Probability of success.
    shape : int or tuple of int, optional
        Shape of the draw (for each element of parameters that are arrays); (1,) if left out, ()
        with arrays.
    dtype : dtype, optional
        Of the result; float32 if left out.
    ctx : Device, optional
        Device of the result.
    out : array, optional
        Gets the result; its shape counts where `shape` is left out.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.random.negative_binomial``.
    """
    return _draw(distributions.negative_binomial, (k, p), shape, dtype, ctx, out)


def generalized_negative_binomial(
    mu: Any = 1, alpha: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw from the Poisson distribution whose mean is drawn from a gamma distribution.

    Parameters
    ----------
    mu, alpha : float or array, float
        Mean and spread of the gamma distribution.
    shape : int or tuple of int, optional
        Shape of the draw (for each element of parameters that are arrays); (1,) if left out, ()
        with arrays.
    dtype : dtype, optional
        Of the result; float32 if left out.
    ctx : Device, optional
        Device of the result.
    out : array, optional
        Gets the result; its shape counts where `shape` is left out.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.random.generalized_negative_binomial``.
    """
    return _draw(distributions.generalized_negative_binomial, (mu, alpha), shape, dtype, ctx, out)


def bernoulli(
    prob: Any = None, logit: Any = None, shape: Any = None, dtype: Any = None, ctx: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw ones and zeros.

    Parameters
    ----------
    prob : float or array, float, optional
        Probability of one.
    logit : float or array, float, optional
        In place of `prob`: its logit.
    shape : int or tuple of int, optional
        Shape of the draw (for each element of parameters that are arrays); (1,) if left out, ()
        with arrays.
    dtype : dtype, optional
        Of the result; float32 if left out.
    ctx : Device, optional
        Device of the result.
    out : array, optional
        Gets the result; its shape counts where `shape` is left out.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.random.bernoulli``.
    """
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
    """Draw integers from [low, high).

    Parameters
    ----------
    low, high : int
        Bounds.
    shape : int or tuple of int, optional
        Shape of the draw; (1,) if left out.
    dtype : dtype, optional
        Of the result; int32 if left out.
    ctx : Device, optional
        Device of the result.
    out : array, optional
        Gets the result.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array
        The draw, or `out`.

    Notes
    -----
    Source: MXNet's ``mx.random.randint``.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.random.randint(0, 3, shape=(100,))
    >>> sorted(set(x.asnumpy().tolist()))
    [0, 1, 2]
    """
    size = (1,) if shape is None else dims(shape)
    kind = dtypes.resolve("int32" if dtype in (None, "None") else dtype)
    found = F.random_randint(low=int(low), high=int(high), shape=size, dtype=kind)
    return _finish(found, (), kind, ctx, out)


def categorical(
    data: Any, shape: Any = None, get_prob: bool = False, out: Any = None, dtype: Any = "int32",
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw places with given probabilities.

    Parameters
    ----------
    data : array (..., C), float
        Probabilities of the places in its last axis.
    shape : int or tuple of int, optional
        Shape of the draw for each row; one number each if left out.
    get_prob : bool
        Return the logarithms of the probabilities of what was drawn too.
    out : array, optional
        Accepted, without effect.
    dtype : dtype
        Of the places.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array, or list of two arrays
        Places of shape (..., shape), at least (1,), and the logarithms.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.random.categorical(mx.nd.array([0.0, 1.0, 0.0]), shape=4).asnumpy()
    array([1, 1, 1, 1], dtype=int32)
    """
    size = () if shape is None else dims(shape)
    found = distributions.categorical(data, size, dtypes.resolve(dtype), get_prob)
    results = list(found) if get_prob else [found]
    results = [r if r.ndim else F.reshape(r, shape=(1,)) for r in results]
    results = [_finish(r, (data,), None, None, None) for r in results]
    return results if get_prob else results[0]


def multinomial(*args: Any, **kwargs: Any) -> Any:
    """Draw places with given probabilities: 1.x's name of `categorical`.

    Parameters
    ----------
    *args : object
        Arguments of `categorical`.
    **kwargs : object
        Arguments of `categorical`.

    Returns
    -------
    array, or list of two arrays
        As `categorical`.
    """
    return categorical(*args, **kwargs)


def shuffle(data: Any, **kwargs: Any) -> Any:
    """Return the rows of an array in random order.

    Parameters
    ----------
    data : array (N, ...)
        The rows.
    **kwargs : object
        Accepted, without effect.

    Returns
    -------
    array (N, ...)
        A shuffled copy.
    """
    index = F.random_permutation(n=data.shape[0])
    return _finish(F.take(data, index, axis=0, mode="clip"), (data,), None, None, None)
