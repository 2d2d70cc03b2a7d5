"""`mx.npx.random`: draws that NumPy's namespace does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.numpy import random_ranges
from symgluon.numpy.creation import on
from symgluon.numpy.multiarray import as_array, finish
from symgluon.numpy.random import dims, normal, uniform
from symgluon.numpy_extension.tensor import seed
from symgluon.ops import distributions
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = ["bernoulli", "categorical", "normal_n", "seed", "uniform_n"]


def bernoulli(
    prob: Any = None, logit: Any = None, size: Any = None, dtype: Any = None, device: Any = None,
    out: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw ones with the probability `prob`, or ``sigmoid(logit)``, and zeros.

    Parameters
    ----------
    prob : float or array, optional
        Probability of one.
    logit : float or array, optional
        Its logit, in its place.
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

    Raises
    ------
    ValueError
        Unless exactly one of `prob` and `logit` is given.

    Notes
    -----
    Source: MXNet's ``mx.npx.random.bernoulli``.
    """
    if (prob is None) == (logit is None):
        raise ValueError("Either `prob` or `logit` must be specified, but not both.")
    chance: Any = prob
    if prob is not None:
        random_ranges.check("bernoulli", (prob,))
    if logit is not None:
        chance = F.sigmoid(logit) if isinstance(logit, Array) else 1 / (1 + np.exp(-logit))
    found = distributions.bernoulli(dims(size, chance), dtypes.resolve(dtype), chance)
    device = kwargs.pop("ctx", None) or device
    return finish(found, None, out) if out is not None else on(finish(found), device)


def _batch(batch_shape: Any, *parameters: Any) -> tuple[Any, ...]:
    lead = () if batch_shape is None else dims(batch_shape)
    return (*lead, *dims(None, *parameters))


def uniform_n(
    low: Any = 0.0, high: Any = 1.0, batch_shape: Any = None, dtype: Any = None,
    device: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw `batch_shape` times from the uniform distributions over [low, high).

    Parameters
    ----------
    low : float or array
        Lower bound.
    high : float or array
        Upper bound.
    batch_shape : int or tuple of int, optional
        How often each element of the parameters is drawn.
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
    Source: MXNet's ``mx.npx.random.uniform_n``.
    """
    return uniform(low, high, _batch(batch_shape, low, high), dtype, device, **kwargs)


def normal_n(
    loc: Any = 0.0, scale: Any = 1.0, batch_shape: Any = None, dtype: Any = None,
    device: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw `batch_shape` times from the normal distributions with means `loc`.

    Parameters
    ----------
    loc : float or array
        Mean.
    scale : float or array
        Scale.
    batch_shape : int or tuple of int, optional
        How often each element of the parameters is drawn.
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
    Source: MXNet's ``mx.npx.random.normal_n``.
    """
    return normal(loc, scale, _batch(batch_shape, loc, scale), dtype, device, **kwargs)


def categorical(
    data: Any = None, shape: Any = None, get_prob: bool = False, dtype: Any = "int32",
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Draw places with the probabilities in the last axis of `data`.

    Parameters
    ----------
    data : array (..., C)
        Probabilities of the places in its last axis.
    shape : int or tuple of int, optional
        Shape of the draw for each row; one number each if left out.
    get_prob : bool
        Return the logarithms of the probabilities of what was drawn too.
    dtype : dtype
        Of the places.

    Returns
    -------
    array, or tuple of two arrays
        Places, and the logarithms.

    Notes
    -----
    Source: MXNet's ``mx.npx.random.categorical``.
    """
    data = as_array(data)
    size = () if shape is None else dims(shape)
    found = distributions.categorical(data, size, dtypes.resolve(dtype), get_prob)
    return finish(found, data)
