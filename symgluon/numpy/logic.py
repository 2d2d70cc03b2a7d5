"""Truth: `all`, `any`, `where`, and comparisons of whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.numpy.math import reduce
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "all", "allclose", "alltrue", "any", "array_equal", "array_equiv", "isclose", "sometrue",
    "where",
]  # fmt: skip


def all(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Whether all elements over `axis` are true.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.all``.
    """
    return reduce("all", a, axis, keepdims, out)


def any(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Whether an element over `axis` is true.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.any``.
    """
    return reduce("any", a, axis, keepdims, out)


alltrue = all


def sometrue(a: Any, axis: Any = None, keepdims: Any = False, out: Any = None) -> Any:
    """Whether an element over `axis` is true.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    keepdims : bool
        Keep the reduced axes, with size 1.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.sometrue``.
    """
    return reduce("any", a, axis, keepdims, out)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Choose from `x` where `condition` holds, else from `y`; without them: `nonzero`.

    Parameters
    ----------
    condition : array, bool or number
        What is not 0 holds.
    x, y : array or number, optional

    Returns
    -------
    array, or tuple of array
        Of the shape to which all broadcast, and the promoted dtype.

    Raises
    ------
    ValueError
        If only one of `x` and `y` is given.

    Notes
    -----
    Source: MXNet's ``mx.np.where``; ONNX Where.
    """
    condition = as_array(condition)
    if x is None and y is None:
        return condition.nonzero()
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    if not isinstance(x, Array) and not isinstance(y, Array):
        x = as_array(x)
    x = x if isinstance(x, Array | int | float) else as_array(x)
    y = y if isinstance(y, Array | int | float) else as_array(y)
    return finish(F.where(condition, x, y), condition)


def _pair(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    what = "comparing whole arrays"
    return as_array(a).numpy_content(what), as_array(b).numpy_content(what)


def isclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """Elementwise ``|a - b| <= atol + rtol * |b|``.

    Parameters
    ----------
    a, b : array of any shape and dtype
    rtol : float
        Tolerance in proportion to `b`.
    atol : float
        Absolute tolerance.
    equal_nan : bool
        Whether NaN equals NaN.

    Returns
    -------
    array, bool
        Of the shape to which both broadcast.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.isclose``.
    """
    first, second = _pair(a, b)
    return as_array(np.isclose(first, second, rtol, atol, equal_nan))


def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether ``|a - b| <= atol + rtol * |b|`` everywhere.

    Parameters
    ----------
    a, b : array of any shape and dtype
    rtol : float
        Tolerance in proportion to `b`.
    atol : float
        Absolute tolerance.
    equal_nan : bool
        Whether NaN equals NaN.

    Returns
    -------
    bool
        The answer.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.allclose``.
    """
    return bool(np.allclose(*_pair(a, b), rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    """Whether two arrays have the same shape and elements.

    Parameters
    ----------
    a1, a2 : array of any shape and dtype
    equal_nan : bool
        Whether NaN equals NaN.

    Returns
    -------
    bool
        The answer.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.array_equal``.
    """
    return bool(np.array_equal(*_pair(a1, a2), equal_nan))


def array_equiv(a1: Any, a2: Any) -> bool:
    """Whether two arrays are equal after broadcasting.

    Parameters
    ----------
    a1, a2 : array of any shape and dtype

    Returns
    -------
    bool
        The answer.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.array_equiv``.
    """
    return bool(np.array_equiv(*_pair(a1, a2)))
