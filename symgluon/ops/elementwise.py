"""Elementwise functions of two and three operands that broadcast."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.ir.op import S
from symgluon.ops.apply import KEEP_FLOATS, F
from symgluon.ops.families import binary, number_operands
from symgluon.ops.kernels.special import widened2
from symgluon.ops.lowering import emit, one, where


def names(old: str, new: str = "", conventions: str = "strict") -> str:
    """MXNet's names: those of 1.x with its conventions, those of 2.0 without."""
    return " ".join([*[f"{n}:{conventions}" for n in old.split()], *new.split()])


def _pass(ct: Any, y: Any, a: Any, b: Any) -> Any:
    return ct


def positive(*shape: int) -> Any:
    """Sample operand well above zero."""
    return lambda rng: rng.uniform(0.3, 3.0, shape)


def integers(*shape: int, low: int = -9, high: int = 9) -> Any:
    """Sample operand of int32."""
    return lambda rng: rng.integers(low, high, shape).astype(np.int32)


DIVISORS = [
    S((2, 3), positive(2, 3)), S((2, 1, 3), positive(4, 1)), S((), positive(3)),
    S((0, 3), positive(1, 3)),
]  # fmt: skip
BOTH_POSITIVE = [
    S(positive(2, 3), positive(2, 3)), S(positive(2, 1, 3), positive(4, 1)),
    S(positive(), positive(3)), S(positive(0, 3), positive(1, 3)),
]  # fmt: skip

# ---- arithmetic ------------------------------------------------------------------------------
binary(
    "add",
    np.add,
    grad=(_pass, _pass),
    onnx="Add",
    mx=names(
        "elemwise_add broadcast_add broadcast_plus _plus _Plus _add _grad_add "
        "_sparse_elemwise_add _sparse_broadcast_add _sparse_broadcast_plus",
        "_npi_add",
    ),
)
binary(
    "subtract",
    np.subtract,
    grad=(_pass, lambda ct, y, a, b: -ct),
    onnx="Sub",
    coerce=number_operands,
    mx=names(
        "elemwise_sub broadcast_sub broadcast_minus _minus _Minus _sub _sparse_elemwise_sub "
        "_sparse_broadcast_sub _sparse_broadcast_minus",
        "_npi_subtract",
    ),
)
binary(
    "multiply",
    np.multiply,
    grad=(lambda ct, y, a, b: ct * b, lambda ct, y, a, b: ct * a),
    onnx="Mul",
    mx=names(
        "elemwise_mul broadcast_mul _mul _Mul _sparse_elemwise_mul _sparse_broadcast_mul",
        "_npi_multiply",
    ),
)


def divide_operands(*kinds: Any) -> tuple[Any, ...]:
    """Rule of true division: integers, and integers with numbers, meet in the default float."""
    arrays = [k for k in kinds if isinstance(k, np.dtype)]
    target = dtypes.promote(*arrays) if arrays else dtypes.default_float()
    return (dtypes.float_of(target),) * len(kinds)


KEEP_FLOATS.add(divide_operands)

binary(
    "true_divide",
    np.true_divide,
    grad=(lambda ct, y, a, b: ct / b, lambda ct, y, a, b: -(ct * (y / b))),
    onnx="Div",
    mx=names(
        "elemwise_div broadcast_div _div _Div _sparse_elemwise_div _sparse_broadcast_div",
        "_npi_true_divide",
        "strict,same",
    ),
    samples=DIVISORS,
    coerce=divide_operands,
)


# ---- division with remainder: by zero it gives 0 for integers, as remainder for floats too ---
def _floor_divide(a: Any, b: Any) -> Any:
    return np.floor_divide(a, b) if a.dtype.kind in "iub" else np.floor(np.divide(a, b))


def _mod(a: Any, b: Any) -> Any:
    return np.where(b == 0, a.dtype.type(0), np.mod(a, b))


def _fmod(a: Any, b: Any) -> Any:
    return np.where(b == 0, a.dtype.type(0), np.fmod(a, b))


def _onnx_safe(g: Any, b: Any, dtype: Any) -> tuple[Any, Any]:
    """Where `b` is zero, and `b` with 1 there: integer kernels trap on a division by zero."""
    zero = emit(g, "Equal", (b, one(g, dtype, 0)), dtype, back=False)
    return zero, where(g, zero, one(g, dtype), b, dtype)


def _onnx_floor_divide(g: Any, a: Any, b: Any) -> Any:
    dtype = g.dtype(a)
    if dtype.kind not in "iub":
        return g.Floor(g.Div(a, b))
    zero, safe = _onnx_safe(g, b, dtype)
    quotient = emit(g, "Div", (a, safe), dtype)
    if dtype.kind == "i":  # ONNX truncates
        remainder = emit(g, "Sub", (a, emit(g, "Mul", (quotient, safe), dtype)), dtype)
        nothing = one(g, dtype, 0)
        signs = emit(g, "Mul", (emit(g, "Sign", (remainder,), dtype),
                                emit(g, "Sign", (safe,), dtype)), dtype)  # fmt: skip
        down = emit(g, "Less", (signs, nothing), dtype, back=False)
        quotient = emit(g, "Sub", (quotient, g.cast(down, dtype)), dtype)
    return where(g, zero, one(g, dtype, 0), quotient, dtype)


def _onnx_fmod(g: Any, a: Any, b: Any) -> Any:
    dtype = g.dtype(a)
    zero, safe = _onnx_safe(g, b, dtype)
    return where(g, zero, one(g, dtype, 0), emit(g, "Mod", (a, safe), dtype, fmod=1), dtype)


def _onnx_mod(g: Any, a: Any, b: Any) -> Any:
    """The sign is the divisor's: for floats fmod's remainder, plus `b` where signs differ."""
    dtype = g.dtype(a)
    zero, safe = _onnx_safe(g, b, dtype)
    nothing = one(g, dtype, 0)
    if dtype.kind in "iub":
        return where(g, zero, nothing, emit(g, "Mod", (a, safe), dtype), dtype)
    remainder = g.Mod(a, safe, fmod=1)
    differ = g.Less(g.Mul(g.Sign(remainder), g.Sign(safe)), nothing)
    result = where(g, differ, g.Add(remainder, safe), remainder, dtype)
    return where(g, zero, nothing, result, dtype)


INTEGER_DIVISION = [
    *DIVISORS,
    S(integers(2, 3), np.array([2, -3, 0], np.int32)),
    S((3,), np.array([0.7, -0.7, 2.0])),
]
binary("floor_divide", _floor_divide, onnx=_onnx_floor_divide, mx="_npi_floor_divide",
       coerce=number_operands, samples=INTEGER_DIVISION)  # fmt: skip
binary(
    "mod",
    _mod,
    grad=(_pass, lambda ct, y, a, b: -(ct * F.floor(a / b))),
    onnx=_onnx_mod,
    coerce=number_operands,
    mx=names("broadcast_mod _mod _Mod", "_npi_mod"),
    samples=INTEGER_DIVISION,
)
binary(
    "fmod",
    _fmod,
    grad=(_pass, lambda ct, y, a, b: -(ct * F.trunc(a / b))),
    onnx=_onnx_fmod,
    coerce=number_operands,
    mx="_npi_fmod",
    samples=INTEGER_DIVISION,
)


# ---- powers and distances --------------------------------------------------------------------
def _power(a: Any, b: Any) -> Any:
    if a.dtype.kind == "b":
        return a | ~b
    if a.dtype.kind in "iu":
        return _int_power(a, b)
    return np.power(a, b)


def _int_power(a: Any, b: Any) -> Any:
    """Powers of integers; a negative exponent truncates, so only 1 and -1 leave something."""
    result = np.power(a, np.maximum(b, 0))
    if a.dtype.kind == "u" or not (b < 0).any():
        return result
    odd = np.where(b % 2 == 0, 1, a)
    return np.where(b < 0, np.where(np.abs(a) == 1, odd, 0), result).astype(a.dtype)


def _power_grad_b(ct: Any, y: Any, a: Any, b: Any) -> Any:
    # 0 ** b stays 0 for small changes of a positive b, where log(0) would give NaN
    zero = F.equal(y, 0.0)
    log = F.log(F.where(zero, F.ones_like(y), F.broadcast_to(a, shape=y.shape)))
    return ct * y * log


def _onnx_power(g: Any, a: Any, b: Any) -> Any:
    dtype = g.dtype(a)
    if dtype.kind == "b":
        return g.Or(a, g.Not(b))
    if dtype.kind != "i":
        return emit(g, "Pow", (a, b), dtype)
    nothing, unit = one(g, dtype, 0), one(g, dtype)
    power = emit(g, "Pow", (a, emit(g, "Max", (b, nothing), dtype)), dtype)
    negative = emit(g, "Less", (b, nothing), dtype, back=False)
    even = emit(
        g, "Equal", (emit(g, "Mod", (b, one(g, dtype, 2)), dtype), nothing), dtype, back=False
    )
    sign = where(g, even, unit, a, dtype)
    size = emit(g, "Abs", (a,), dtype)
    left = where(g, emit(g, "Equal", (size, unit), dtype, back=False), sign, nothing, dtype)
    return where(g, negative, left, power, dtype)


binary(
    "power",
    _power,
    grad=(lambda ct, y, a, b: ct * (b * F.power(a, b - 1.0)), _power_grad_b),
    onnx=_onnx_power,
    mx=names("broadcast_power _power _Power", "_npi_power"),
    samples=[
        *BOTH_POSITIVE,
        S(np.array([-2.0, -1.5, 3.0]), np.array([2, 3, -1])),
        S(integers(2, 3), integers(3, low=0, high=4)),
        S(integers(2, 3), np.array([-1, -2, 2], np.int32)),
    ],
)


def _onnx_hypot(g: Any, a: Any, b: Any) -> Any:
    """Larger times sqrt((smaller / larger)^2 + 1): no overflow on the way."""
    dtype = g.dtype(a)
    a, b = g.Abs(a), g.Abs(b)
    larger, smaller = g.Max(a, b), g.Min(a, b)
    unit = one(g, dtype)
    safe = where(g, g.Equal(larger, one(g, dtype, 0)), unit, larger, dtype)
    ratio = g.Div(smaller, safe)
    return g.Mul(larger, g.Sqrt(g.Add(g.Mul(ratio, ratio), unit)))


binary(
    "hypot",
    np.hypot,
    grad=(lambda ct, y, a, b: ct * (a / y), lambda ct, y, a, b: ct * (b / y)),
    onnx=_onnx_hypot,
    mx=names("broadcast_hypot _hypot _Hypot", "_npi_hypot", "strict,same"),
    floats=True,
)


def _onnx_arctan2(g: Any, y: Any, x: Any) -> Any:
    """atan(y / x), turned by pi on the left side, where the sign of y says which way."""
    dtype = g.dtype(y)
    zero, pi = one(g, dtype, 0), one(g, dtype, math.pi)
    on_axis = g.Equal(x, zero)
    safe = where(g, on_axis, one(g, dtype), x, dtype)
    angle = g.Atan(g.Div(y, safe))
    turn = where(g, g.Less(y, zero), g.Neg(pi), pi, dtype)
    left = where(g, g.Less(x, zero), turn, zero, dtype)
    upright = g.Mul(g.Sign(y), one(g, dtype, math.pi / 2))
    return where(g, on_axis, upright, g.Add(angle, left), dtype)


binary(
    "arctan2",
    np.arctan2,
    grad=(
        lambda ct, y, a, b: ct * (b / (a * a + b * b)),
        lambda ct, y, a, b: -(ct * (a / (a * a + b * b))),
    ),
    onnx=_onnx_arctan2,
    mx="_npi_arctan2",
    floats=True,
)


def _copysign(a: Any, b: Any) -> Any:
    if a.dtype.kind in "iub":
        size = np.abs(a)
        return (
            np.where(b < 0, -size, size).astype(a.dtype) if a.dtype.kind == "i" else size + 0 * b
        )
    return np.copysign(a, b)


def _copysign_grad(ct: Any, y: Any, a: Any, b: Any) -> Any:
    return ct * F.copysign(F.ones_like(a), b) * F.sign(a)


def _onnx_copysign(g: Any, a: Any, b: Any) -> Any:
    """The sign of a float is that of its reciprocal where it is zero."""
    dtype = g.dtype(a)
    size, zero = emit(g, "Abs", (a,), dtype), one(g, dtype, 0)
    negative = emit(g, "Less", (b, zero), dtype, back=False)
    if dtype.kind not in "iub":
        below = g.Less(g.Div(one(g, dtype), b), zero)
        negative = g.Or(negative, g.And(g.Equal(b, zero), below))
    elif dtype.kind != "i":
        return NotImplemented
    return where(g, negative, emit(g, "Neg", (size,), dtype), size, dtype)


binary("copysign", _copysign, grad=(_copysign_grad, None), onnx=_onnx_copysign,
       coerce=number_operands, mx="_npi_copysign")  # fmt: skip


def _ldexp(a: Any, b: Any) -> Any:
    return (a * np.exp2(b.astype(np.float64))).astype(a.dtype)


binary(
    "ldexp",
    _ldexp,
    grad=(
        lambda ct, y, a, b: ct * F.exp2(b),
        lambda ct, y, a, b: ct * (y * math.log(2.0)),
    ),
    onnx=lambda g, a, b: (
        g.Mul(a, g.Pow(one(g, g.dtype(a), 2.0), b))
        if g.dtype(a).kind not in "iub"
        else NotImplemented
    ),
    mx="_npi_ldexp",
    doc="``a * 2 ** b``.",
)


def _onnx_logaddexp(g: Any, a: Any, b: Any) -> Any:
    dtype = g.dtype(a)
    top = g.Max(a, b)
    gap = g.Neg(g.Abs(g.Sub(a, b)))
    tail = g.Log(g.Add(g.Exp(gap), one(g, dtype)))
    # two equal infinities have no gap
    same = g.Equal(a, b)
    tail = where(g, same, one(g, dtype, math.log(2.0)), tail, dtype)
    return g.Add(top, tail)


binary(
    "logaddexp",
    widened2(np.logaddexp),
    grad=(lambda ct, y, a, b: ct * F.sigmoid(a - b), lambda ct, y, a, b: ct * F.sigmoid(b - a)),
    onnx=_onnx_logaddexp,
    mx="_npi_logaddexp",
    floats=True,
)
