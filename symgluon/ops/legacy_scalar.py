"""MXNet's operators with one number as attribute: ``_plus_scalar``, ``_npi_rsubtract_scalar``, ...

1.x casts the number to the dtype of the array and gives the result that dtype; 2.0 promotes: an
integer array with a float gives the default float.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.ops.apply import F
from symgluon.ops.mx import cast_to, mx_function


def _number(scalar: float, is_int: bool) -> int | float:
    """Return the number as the user wrote it: the attribute is a float in any case."""
    return int(scalar) if is_int and float(scalar).is_integer() else float(scalar)


def _legacy_value(data: Any, scalar: float) -> np.ndarray:
    """Return the number in the dtype of the array, as 1.x casts it."""
    if data.dtype.kind in "iub":
        return np.asarray(int(scalar), data.dtype)
    return np.asarray(scalar, data.dtype)


def _text(op: str, reverse: bool, more: str) -> str:
    pair = "a number and an array" if reverse else "an array and a number"
    return f"Elementwise ``{op}`` of {pair}{more}."


def _legacy(names: str, op: str, *, reverse: bool = False) -> None:
    """Declare 1.x forms: the result has the dtype of the array."""

    @mx_function(names)
    def scalar_form(data: Any, *, scalar: float = 1.0, is_int: bool = True) -> Any:
        value = _legacy_value(data, scalar)
        pair = (value, data) if reverse else (data, value)
        return cast_to(getattr(F, op)(*pair), data.dtype)

    scalar_form.__doc__ = _text(op, reverse, ", in the dtype of the array")


def _numpy(names: str, op: str, *, reverse: bool = False) -> None:
    """Declare 2.0 forms: NumPy's promotion by MXNet's table."""

    @mx_function(names)
    def scalar_form(data: Any, *, scalar: float = 1.0, is_int: bool = True) -> Any:
        value = _number(scalar, is_int)
        return getattr(F, op)(value, data) if reverse else getattr(F, op)(data, value)

    scalar_form.__doc__ = _text(op, reverse, "")


for _names, _op, _reverse in (
    ("_plus_scalar _PlusScalar _scatter_plus_scalar", "add", False),
    ("_minus_scalar _MinusScalar _scatter_minus_scalar", "subtract", False),
    ("_rminus_scalar _RMinusScalar", "subtract", True),
    ("_mul_scalar _MulScalar", "multiply", False),
    ("_div_scalar _DivScalar", "true_divide", False),
    ("_rdiv_scalar _RDivScalar", "true_divide", True),
    ("_mod_scalar _ModScalar", "mod", False),
    ("_rmod_scalar _RModScalar", "mod", True),
    ("_power_scalar _PowerScalar", "power", False),
    ("_rpower_scalar _RPowerScalar", "power", True),
    ("_maximum_scalar _MaximumScalar", "maximum", False),
    ("_minimum_scalar _MinimumScalar", "minimum", False),
    ("_hypot_scalar _HypotScalar", "hypot", False),
    ("_equal_scalar _EqualScalar", "equal", False),
    ("_not_equal_scalar _NotEqualScalar", "not_equal", False),
    ("_greater_scalar _GreaterScalar", "greater", False),
    ("_greater_equal_scalar _GreaterEqualScalar", "greater_equal", False),
    ("_lesser_scalar _LesserScalar", "less", False),
    ("_lesser_equal_scalar _LesserEqualScalar", "less_equal", False),
    ("_logical_and_scalar _LogicalAndScalar", "logical_and", False),
    ("_logical_or_scalar _LogicalOrScalar", "logical_or", False),
    ("_logical_xor_scalar _LogicalXorScalar", "logical_xor", False),
):
    _legacy(_names, _op, reverse=_reverse)

for _name in [
    "add",
    "subtract",
    "multiply",
    "true_divide",
    "floor_divide",
    "mod",
    "fmod",
    "power",
    "arctan2",
    "copysign",
    "ldexp",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "hypot",
    "logaddexp",
    "gcd",
    "lcm",
    "equal",
    "not_equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
]:
    _numpy(f"_npi_{_name}_scalar", _name)
for _name in [
    "subtract",
    "true_divide",
    "floor_divide",
    "mod",
    "fmod",
    "power",
    "arctan2",
    "copysign",
    "ldexp",
]:
    _numpy(f"_npi_r{_name}_scalar", _name, reverse=True)
for _side in ("left", "right"):
    _numpy(f"_npi_bitwise_{_side}_shift_scalar", f"{_side}_shift")
    _numpy(f"_npi_rbitwise_{_side}_shift_scalar", f"{_side}_shift", reverse=True)


@mx_function("_npi_where_lscalar")
def where_left_scalar(condition: Any, y: Any, *, scalar: float = 0.0) -> Any:
    """``where(condition, scalar, y)``."""
    return F.where(condition, np.asarray(scalar, y.dtype), y)


@mx_function("_npi_where_rscalar")
def where_right_scalar(condition: Any, x: Any, *, scalar: float = 0.0) -> Any:
    """``where(condition, x, scalar)``."""
    return F.where(condition, x, np.asarray(scalar, x.dtype))


@mx_function("_npi_where_scalar2")
def where_two_scalars(condition: Any, *, x: float = 0.0, y: float = 0.0) -> Any:
    """``where(condition, x, y)`` of two numbers: float32."""
    return F.where(condition, np.asarray(x, np.float32), np.asarray(y, np.float32))
