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
    """Whether all elements over `axis` are true."""
    return reduce("all", a, axis, keepdims, out)


def any(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Whether an element over `axis` is true."""
    return reduce("any", a, axis, keepdims, out)


alltrue = all


def sometrue(a: Any, axis: Any = None, keepdims: Any = False, out: Any = None) -> Any:
    """Whether an element over `axis` is true."""
    return reduce("any", a, axis, keepdims, out)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Choose from `x` where `condition` holds, else from `y`; without them: `nonzero`."""
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
    """Elementwise ``|a - b| <= atol + rtol * |b|``."""
    first, second = _pair(a, b)
    return as_array(np.isclose(first, second, rtol, atol, equal_nan))


def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether ``|a - b| <= atol + rtol * |b|`` everywhere."""
    return bool(np.allclose(*_pair(a, b), rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    """Whether two arrays have the same shape and elements."""
    return bool(np.array_equal(*_pair(a1, a2), equal_nan))


def array_equiv(a1: Any, a2: Any) -> bool:
    """Whether two arrays are equal after broadcasting."""
    return bool(np.array_equiv(*_pair(a1, a2)))
