"""Means and spreads, quantiles, counting."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.numpy.creation import constant
from symgluon.numpy.math import accumulate, axes, keep, reduce
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "average", "bincount", "count_nonzero", "histogram", "mean", "median", "percentile",
    "quantile", "std", "var",
]  # fmt: skip


def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    where: Any = None,
) -> Any:  # fmt: skip
    """Return the mean over `axis`; integers give the default float.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    dtype : dtype, optional
        Of the arithmetic and the result.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.
    where : bool, optional
        True or None; masks are not supported.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.mean``; ONNX ReduceMean.
    """
    return accumulate("mean", a, axis, dtype, out, keepdims, None, where)


def _spread(
    name: str, a: Any, axis: Any, dtype: Any, out: Any, correction: Any, keepdims: Any
) -> Any:
    a = as_array(a)
    result = getattr(F, name)(
        a, axis=axes(axis), keepdims=keep(keepdims), dtype=dtype, ddof=int(correction)
    )
    return finish(result, a, out)


def std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, correction: Any = 0,
    keepdims: Any = False, ddof: Any = None,
) -> Any:  # fmt: skip
    """Return the standard deviation over `axis`; the divisor is ``n - correction``.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    dtype : dtype, optional
        Of the arithmetic and the result.
    out : array, optional
        Gets the result, in its own dtype.
    correction : int
        Subtracted from the divisor.
    keepdims : bool
        Keep the reduced axes, with size 1.
    ddof : int, optional
        NumPy's older name of `correction`.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.std``.
    """
    return _spread("std", a, axis, dtype, out, correction if ddof is None else ddof, keepdims)


def var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, correction: Any = 0,
    keepdims: Any = False, ddof: Any = None,
) -> Any:  # fmt: skip
    """Return the variance over `axis`; the divisor is ``n - correction``.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    dtype : dtype, optional
        Of the arithmetic and the result.
    out : array, optional
        Gets the result, in its own dtype.
    correction : int
        Subtracted from the divisor.
    keepdims : bool
        Keep the reduced axes, with size 1.
    ddof : int, optional
        NumPy's older name of `correction`.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.var``.
    """
    return _spread("var", a, axis, dtype, out, correction if ddof is None else ddof, keepdims)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, out: Any = None
) -> Any:
    """Return the weighted mean over `axis` (and the sum of the weights if `returned`).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    weights : array, optional
        Of the shape of `a`, or (n,) along `axis`.
    returned : bool
        Return the sum of the weights too.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Raises
    ------
    TypeError
        If the shapes differ and `axis` does not say how.

    Notes
    -----
    Source: MXNet's ``mx.np.average``.
    """
    a = as_array(a)
    if weights is None:
        result = mean(a, axis)
        total = finish(F.full(np.asarray(a.size / result.size, result.dtype), shape=result.shape))
    else:
        w = as_array(weights)
        if w.ndim != a.ndim:
            if axis is None or w.ndim != 1:
                raise TypeError("Axis must be specified when shapes of a and weights differ.")
            shape = [1] * a.ndim
            shape[axis] = -1
            w = F.reshape(w, shape=tuple(shape))
        kind = dtypes.float_of(dtypes.promote(a.dtype, w.dtype))
        w = F.broadcast_to(F.cast(w, dtype=kind), shape=a.shape)
        total = F.sum(w, axis=axes(axis))
        result = F.true_divide(F.sum(F.multiply(F.cast(a, dtype=kind), w), axis=axes(axis)), total)
    result = finish(result, a, out)
    return (result, finish(total, a)) if returned else result


def percentile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: Any = None,
    interpolation: str = "linear", keepdims: Any = False, method: str | None = None,
) -> Any:  # fmt: skip
    """Return the q-th percentiles (0 to 100) over `axis`.

    Parameters
    ----------
    a : array of any shape and dtype
    q : float or array
        Percentiles, 0 to 100.
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    out : array, optional
        Gets the result, in its own dtype.
    overwrite_input : bool, optional
        Accepted; the input stays.
    interpolation : str
        ``linear``, ``lower``, ``higher``, ``midpoint`` or ``nearest``.
    keepdims : bool
        Keep the reduced axes, with size 1.
    method : str, optional
        NumPy's newer name of `interpolation`.

    Returns
    -------
    array
        Shape of `q`, then that of `a` without the reduced axes.

    Notes
    -----
    Source: MXNet's ``mx.np.percentile``.
    """
    a, name = as_array(a), method or interpolation
    values = q.numpy_content() if isinstance(q, Array) else np.asarray(q)
    points = tuple(float(v) for v in values.reshape(-1))
    result = F.percentile(
        a, q=points, axis=axes(axis), interpolation=name, keepdims=keep(keepdims)
    )
    result = F.index(result, index=(0,)) if values.ndim == 0 else result
    return finish(result, a, out)


def quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: Any = None,
    interpolation: str = "linear", keepdims: Any = False, method: str | None = None,
) -> Any:  # fmt: skip
    """Return the q-th quantiles (0 to 1) over `axis`.

    Parameters
    ----------
    a : array of any shape and dtype
    q : float or array
        Quantiles, 0 to 1.
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    out : array, optional
        Gets the result, in its own dtype.
    overwrite_input : bool, optional
        Accepted; the input stays.
    interpolation : str
        ``linear``, ``lower``, ``higher``, ``midpoint`` or ``nearest``.
    keepdims : bool
        Keep the reduced axes, with size 1.
    method : str, optional
        NumPy's newer name of `interpolation`.

    Returns
    -------
    array
        Shape of `q`, then that of `a` without the reduced axes.

    Notes
    -----
    Source: MXNet's ``mx.np.quantile``.
    """
    values = q.numpy_content() if isinstance(q, Array) else np.asarray(q)
    return percentile(a, values * 100.0, axis, out, None, interpolation, keepdims, method)


def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: Any = None, keepdims: Any = False
) -> Any:
    """Return the median over `axis`.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    out : array, optional
        Gets the result, in its own dtype.
    overwrite_input : bool, optional
        Accepted; the input stays.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.median``.
    """
    return percentile(a, 50.0, axis, out, None, "linear", keepdims)


def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Count the elements that are not zero.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.count_nonzero``.
    """
    return reduce("count_nonzero", a, axis, keepdims)


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Count (or sum the weights of) each value of a 1-d array of integers >= 0.

    Parameters
    ----------
    x : array (n,), int
        Numbers from 0 on.
    weights : array (n,), optional
        Summed in place of counting.
    minlength : int
        Smallest length of the result.

    Returns
    -------
    array (n,)
        Counts, or sums.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.bincount``.
    """
    numbers = as_array(x).numpy_content("bincount")
    w = None if weights is None else as_array(weights).numpy_content("bincount")
    counts = np.bincount(numbers.astype(np.int64), w, int(minlength))
    return constant(counts.astype(numbers.dtype if w is None else w.dtype))


def histogram(
    a: Any, bins: Any = 10, range: Any = None, normed: Any = None, weights: Any = None,
    density: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """Return counts of the values in bins, and the edges of the bins.

    Parameters
    ----------
    a : array of any shape and dtype
    bins : int or array
        Number of bins, or their edges.
    range : tuple of two numbers, optional
        Ends of the bins; those of the data if left out.
    normed : bool, optional
        Not supported.
    weights : array, optional
        Not supported.
    density : bool, optional
        Not supported.

    Returns
    -------
    tuple of array (n,) and array (n + 1,)
        Counts and edges.

    Raises
    ------
    ValueError
        For what is not supported.
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.histogram``.
    """
    if normed or weights is not None or density:
        raise ValueError("histogram: normed, weights and density are not supported")
    a = as_array(a)
    edges = bins.numpy_content() if isinstance(bins, Array) else bins
    counts, found = np.histogram(a.numpy_content("histogram"), edges, range)
    return constant(counts), constant(found.astype(dtypes.float_of(a.dtype)))
