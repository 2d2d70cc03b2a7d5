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
    """Return the mean over `axis`; integers give the default float."""
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
    """Return the standard deviation over `axis`; the divisor is ``n - correction``."""
    return _spread("std", a, axis, dtype, out, correction if ddof is None else ddof, keepdims)


def var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, correction: Any = 0,
    keepdims: Any = False, ddof: Any = None,
) -> Any:  # fmt: skip
    """Return the variance over `axis`; the divisor is ``n - correction``."""
    return _spread("var", a, axis, dtype, out, correction if ddof is None else ddof, keepdims)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, out: Any = None
) -> Any:
    """Return the weighted mean over `axis` (and the sum of the weights if `returned`)."""
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
    """Return the q-th percentiles (0 to 100) over `axis`."""
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
    """Return the q-th quantiles (0 to 1) over `axis`."""
    values = q.numpy_content() if isinstance(q, Array) else np.asarray(q)
    return percentile(a, values * 100.0, axis, out, None, interpolation, keepdims, method)


def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: Any = None, keepdims: Any = False
) -> Any:
    """Return the median over `axis`."""
    return percentile(a, 50.0, axis, out, None, "linear", keepdims)


def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Count the elements that are not zero."""
    return reduce("count_nonzero", a, axis, keepdims)


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Count (or sum the weights of) each value of a 1-d array of integers >= 0."""
    numbers = as_array(x).numpy_content("bincount")
    w = None if weights is None else as_array(weights).numpy_content("bincount")
    counts = np.bincount(numbers.astype(np.int64), w, int(minlength))
    return constant(counts.astype(numbers.dtype if w is None else w.dtype))


def histogram(
    a: Any, bins: Any = 10, range: Any = None, normed: Any = None, weights: Any = None,
    density: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """Return counts of the values in bins, and the edges of the bins."""
    if normed or weights is not None or density:
        raise ValueError("histogram: normed, weights and density are not supported")
    a = as_array(a)
    edges = bins.numpy_content() if isinstance(bins, Array) else bins
    counts, found = np.histogram(a.numpy_content("histogram"), edges, range)
    return constant(counts), constant(found.astype(dtypes.float_of(a.dtype)))
