"""Functions that run in NumPy itself: they need the numbers and have no gradient.

MXNet 2.0 hands most of these to NumPy as well.  In a trace they raise `TraceError`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgluon.numpy.creation import constant
from symgluon.ops.array import Array

NAMES = [
    "apply_along_axis",
    "apply_over_axes",
    "argpartition",
    "choose",
    "corrcoef",
    "correlate",
    "cov",
    "digitize",
    "float_power",
    "frexp",
    "heaviside",
    "histogram2d",
    "histogram_bin_edges",
    "histogramdd",
    "i0",
    "in1d",
    "interp",
    "intersect1d",
    "isin",
    "ix_",
    "lexsort",
    "may_share_memory",
    "modf",
    "msort",
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanquantile",
    "nanstd",
    "nanvar",
    "packbits",
    "partition",
    "piecewise",
    "poly",
    "polyadd",
    "polydiv",
    "polyfit",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "ptp",
    "roots",
    "select",
    "setdiff1d",
    "setxor1d",
    "shares_memory",
    "signbit",
    "spacing",
    "trapezoid",
    "trim_zeros",
    "union1d",
    "unpackbits",
    "unwrap",
    "vander",
    "genfromtxt",
    "can_cast",
    "promote_types",
    "min_scalar_type",
    "sinc",
    "convolve",
    "iscomplexobj",
]

#: names that NumPy 2 dropped: with another name, or by a function here
RENAMED = {"trapz": "trapezoid"}


def _in1d(ar1: Any, ar2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    return np.isin(np.ravel(ar1), ar2, assume_unique, invert)


def _msort(a: Any) -> Any:
    return np.sort(a, axis=0)


_OWN: dict[str, Callable[..., Any]] = {"in1d": _in1d, "msort": _msort}


def numbers_of(value: Any, what: str) -> Any:
    """Return a value with the arrays in it as NumPy arrays.

    Parameters
    ----------
    value : object
        Arrays in lists, tuples and dicts too; functions are wrapped.
    what : str
        Name of the function, for the message of a trace.

    Returns
    -------
    object
        The value.
    """
    if isinstance(value, Array):
        return value.numpy_content(f"np.{what}")
    if isinstance(value, list | tuple):
        return type(value)(numbers_of(v, what) for v in value)
    if isinstance(value, dict):
        return {k: numbers_of(v, what) for k, v in value.items()}
    if callable(value) and not isinstance(value, type):
        return lambda *args: numbers_of(value(*[arrays_of(a) for a in args]), what)
    return value


def arrays_of(value: Any) -> Any:
    """Return `value` with the NumPy arrays in it as `mx.np` arrays."""
    if isinstance(value, np.ndarray):
        return constant(np.array(value))
    if isinstance(value, list | tuple):
        return type(value)(arrays_of(v) for v in value)
    return value


def through_numpy(name: str) -> Callable[..., Any]:
    """Make a function of NumPy that takes and gives `mx.np` arrays.

    Parameters
    ----------
    name : str
        The function.

    Returns
    -------
    callable
        The function.

    Raises
    ------
    AttributeError
        If the installed NumPy has none of that name.
    """
    target = _OWN.get(name) or getattr(np, RENAMED.get(name, name), None)
    if target is None:
        raise AttributeError(f"NumPy {np.__version__} has no {name}")

    def function(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        plain = [numbers_of(a, name) for a in args]
        found = target(*plain, **{k: numbers_of(v, name) for k, v in kwargs.items()})
        if isinstance(found, np.generic) and not isinstance(found, np.bool_):
            found = np.asarray(found)
        result = arrays_of(found)
        if out is None:
            return result
        from symgluon.ndarray.ndarray import assign

        assign(out, result)
        return out

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"As ``numpy.{RENAMED.get(name, name)}``, on numbers only (no gradient).\n\n"
        "Parameters\n----------\n"
        "*args : array, number or nested lists\n    Arguments of NumPy's function.\n"
        "out : array, optional\n    Gets the result.\n"
        "**kwargs : object\n    Arguments of NumPy's function.\n\n"
        "Returns\n-------\narray, or what NumPy returns\n    Arrays of NumPy become ``mx.np`` arrays "
        "of their dtype.\n\n"
        "Raises\n------\nTraceError\n    In a trace: the numbers are needed.\n\n"
        f"Notes\n-----\nSource: MXNet's ``mx.np.{name}``."
    )
    return function
