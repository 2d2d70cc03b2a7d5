"""Arithmetic of MXNet 1.x arrays: operators of `NDArray`, and `nd.add`, `nd.maximum`, ...

Two arrays broadcast and must have one dtype; a number is cast to the dtype of the array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from symgluon.ir.dims import Dim
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.mx import bind_cached

_NUMBERS = (int, float, bool, np.generic)


class Forms(NamedTuple):
    """MXNet's names of one operation: two arrays, array with number, number with array."""

    arrays: str
    right: str
    left: str
    python: Callable[[Any, Any], Any]


FORMS = {
    "add": Forms("broadcast_add", "_plus_scalar", "_plus_scalar", lambda a, b: a + b),
    "subtract": Forms("broadcast_sub", "_minus_scalar", "_rminus_scalar", lambda a, b: a - b),
    "multiply": Forms("broadcast_mul", "_mul_scalar", "_mul_scalar", lambda a, b: a * b),
    "divide": Forms("broadcast_div", "_div_scalar", "_rdiv_scalar", lambda a, b: a / b),
    "modulo": Forms("broadcast_mod", "_mod_scalar", "_rmod_scalar", lambda a, b: a % b),
    "power": Forms("broadcast_power", "_power_scalar", "_rpower_scalar", lambda a, b: a**b),
    "maximum": Forms("broadcast_maximum", "_maximum_scalar", "_maximum_scalar", max),
    "minimum": Forms("broadcast_minimum", "_minimum_scalar", "_minimum_scalar", min),
    "hypot": Forms("broadcast_hypot", "_hypot_scalar", "_hypot_scalar", np.hypot),
    "equal": Forms("broadcast_equal", "_equal_scalar", "_equal_scalar",
                   lambda a, b: float(a == b)),
    "not_equal": Forms("broadcast_not_equal", "_not_equal_scalar", "_not_equal_scalar",
                       lambda a, b: float(a != b)),
    "greater": Forms("broadcast_greater", "_greater_scalar", "_lesser_scalar",
                     lambda a, b: float(a > b)),
    "greater_equal": Forms("broadcast_greater_equal", "_greater_equal_scalar",
                           "_lesser_equal_scalar", lambda a, b: float(a >= b)),
    "lesser": Forms("broadcast_lesser", "_lesser_scalar", "_greater_scalar",
                    lambda a, b: float(a < b)),
    "lesser_equal": Forms("broadcast_lesser_equal", "_lesser_equal_scalar",
                          "_greater_equal_scalar", lambda a, b: float(a <= b)),
    "logical_and": Forms("broadcast_logical_and", "_logical_and_scalar", "_logical_and_scalar",
                         lambda a, b: float(bool(a and b))),
    "logical_or": Forms("broadcast_logical_or", "_logical_or_scalar", "_logical_or_scalar",
                        lambda a, b: float(bool(a or b))),
    "logical_xor": Forms("broadcast_logical_xor", "_logical_xor_scalar", "_logical_xor_scalar",
                         lambda a, b: float(bool(a) != bool(b))),
}  # fmt: skip


def compute(name: str, a: Any, b: Any) -> Any:
    """Compute an operation by the forms of MXNet 1.x; NotImplemented for anything else.

    Parameters
    ----------
    name : str
        Key of `FORMS`.
    a, b : Array or number
        Operands.

    Returns
    -------
    array, number or NotImplemented
        The result.
    """
    forms = FORMS[name]
    a, b = _dim(a, b), _dim(b, a)
    if isinstance(a, Array):
        if isinstance(b, Array):
            return _finish(bind_cached(forms.arrays, {})(a, b)[0], a)
        if isinstance(b, _NUMBERS):
            return _finish(bind_cached(forms.right, _scalar(b))(a)[0], a)
        return NotImplemented
    if isinstance(b, Array):
        if isinstance(a, _NUMBERS):
            return _finish(bind_cached(forms.left, _scalar(a))(b)[0], b)
        return NotImplemented
    if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS):
        return forms.python(a, b)
    return NotImplemented


def _dim(value: Any, other: Any) -> Any:
    """Return a symbolic dimension as an array in the dtype of the other operand."""
    if not isinstance(value, Dim) or not isinstance(other, Array):
        return value
    return F.cast(F.dim_value(dim=value), dtype=other.dtype)


def _scalar(value: Any) -> dict[str, Any]:
    whole = isinstance(value, int | np.integer)
    return {"scalar": float(value), "is_int": whole}


def _finish(result: Any, like: Any) -> Any:
    result.__class__ = type(like)
    if like._device is not None:
        result._device = like._device
    return result


def operator(name: str, swap: bool = False) -> Callable[[Any, Any], Any]:
    """Make an operator method of `NDArray`.

    Parameters
    ----------
    name : str
        Key of `FORMS`.
    swap : bool
        The array is the second operand.

    Returns
    -------
    callable
        The method.
    """

    def method(self: Any, other: Any) -> Any:
        return compute(name, other, self) if swap else compute(name, self, other)

    return method


def inplace(name: str) -> Callable[[Any, Any], Any]:
    """Make the in-place operator method `name` of `NDArray`: dtype and shape stay."""

    def method(self: Any, other: Any) -> Any:
        from symgluon.ndarray.ndarray import assign

        result = compute(name, self, other)
        if result is NotImplemented:
            return result
        assign(self, result)
        return self

    return method


def function(name: str) -> Callable[[Any, Any], Any]:
    """Make the public function `name`, such as ``nd.add(a, b)``, of arrays and numbers."""

    def both(lhs: Any, rhs: Any) -> Any:
        result = compute(name, lhs, rhs)
        if result is NotImplemented:
            raise TypeError(f"nd.{name}: types {type(lhs)} and {type(rhs)} are not supported")
        return result

    both.__name__ = both.__qualname__ = name
    both.__doc__ = (
        f"Elementwise {name.replace('_', ' ')} of arrays (that broadcast) and numbers.\n\n"
        "Parameters\n----------\n"
        "lhs, rhs : array of any shape, or number\n    Two arrays have one dtype; a number takes that "
        "of the array.\n\n"
        "Returns\n-------\narray\n    Of the shape to which both broadcast, in that dtype; a number "
        "for two numbers.\n\n"
        "Raises\n------\nTypeError\n    For anything else.\nDTypeError\n    For two dtypes.\n\n"
        f"Notes\n-----\nMXNet's operator ``{FORMS[name].arrays}``, or ``{FORMS[name].right}``."
    )
    return both
