"""Elementwise functions of two and three operands that broadcast."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import DTypeError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, broadcast_shapes
from symgluon.ops.apply import KEEP_FLOATS, F, same_dtypes
from symgluon.ops.families import binary, number_operands, sum_to
from symgluon.ops.kernels.special import widened2
from symgluon.ops.lowering import emit, one, where
from symgluon.ops.state import wants


def _names(old: str, new: str = "", conventions: str = "strict") -> str:
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

# ---- arithmetic ----------------------------------------------------------------------------------
binary(
    "add",
    np.add,
    grad=(_pass, _pass),
    onnx="Add",
    mx=_names(
        "elemwise_add broadcast_add broadcast_plus _plus _Plus _add _grad_add _sparse_elemwise_add "
        "_sparse_broadcast_add _sparse_broadcast_plus",
        "_npi_add",
    ),
)
binary(
    "subtract",
    np.subtract,
    grad=(_pass, lambda ct, y, a, b: -ct),
    onnx="Sub",
    coerce=number_operands,
    mx=_names(
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
    mx=_names(
        "elemwise_mul broadcast_mul _mul _Mul _sparse_elemwise_mul _sparse_broadcast_mul",
        "_npi_multiply",
    ),
)


def divide_operands(*kinds: Any) -> tuple[Any, ...]:
    """Rule of true division: two integers, or an integer and a number, meet in the default float."""
    arrays = [k for k in kinds if isinstance(k, np.dtype)]
    target = dtypes.promote(*arrays) if arrays else dtypes.default_float()
    return (dtypes.float_of(target),) * len(kinds)


KEEP_FLOATS.add(divide_operands)

binary(
    "true_divide",
    np.true_divide,
    grad=(lambda ct, y, a, b: ct / b, lambda ct, y, a, b: -(ct * (y / b))),
    onnx="Div",
    mx=_names(
        "elemwise_div broadcast_div _div _Div _sparse_elemwise_div _sparse_broadcast_div",
        "_npi_true_divide",
        "strict,same",
    ),
    samples=DIVISORS,
    coerce=divide_operands,
)


# ---- division with remainder: by zero it gives 0 for integers, as remainder for floats too --------
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
    """The sign of the divisor: for floats the remainder of fmod plus `b` where the signs differ."""
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
    mx=_names("broadcast_mod _mod _Mod", "_npi_mod"),
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


# ---- powers and distances ------------------------------------------------------------------------
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
    even = emit(g, "Equal", (emit(g, "Mod", (b, one(g, dtype, 2)), dtype), nothing), dtype, back=False)
    sign = where(g, even, unit, a, dtype)
    size = emit(g, "Abs", (a,), dtype)
    left = where(g, emit(g, "Equal", (size, unit), dtype, back=False), sign, nothing, dtype)
    return where(g, negative, left, power, dtype)


binary(
    "power",
    _power,
    grad=(lambda ct, y, a, b: ct * (b * F.power(a, b - 1.0)), _power_grad_b),
    onnx=_onnx_power,
    mx=_names("broadcast_power _power _Power", "_npi_power"),
    samples=[
        *BOTH_POSITIVE,
        S(np.array([-2.0, -1.5, 3.0]), np.array([2, 3, -1])),
        S(integers(2, 3), integers(3, low=0, high=4)),
        S(integers(2, 3), np.array([-1, -2, 2], np.int32)),
    ],
)


def _onnx_hypot(g: Any, a: Any, b: Any) -> Any:
    """m sqrt((a/m)^2 + (b/m)^2) with m the larger size: no overflow on the way."""
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
    mx=_names("broadcast_hypot _hypot _Hypot", "_npi_hypot", "strict,same"),
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
        return np.where(b < 0, -size, size).astype(a.dtype) if a.dtype.kind == "i" else size + 0 * b
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
    onnx=lambda g, a, b: g.Mul(a, g.Pow(one(g, g.dtype(a), 2.0), b))
    if g.dtype(a).kind not in "iub"
    else NotImplemented,
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

# ---- larger and smaller: at a tie the first operand takes the whole cotangent ---------------------


def _share(test: str) -> Any:
    """Cotangent where ``test(a, b)`` holds: of no operand where one is NaN."""

    def rule(ct: Any, y: Any, a: Any, b: Any) -> Any:
        return ct * F.cast(getattr(F, test)(a, b), dtype=ct.dtype)

    return rule


_LARGER = (_share("greater_equal"), _share("less"))
_SMALLER = (_share("less_equal"), _share("greater"))


def _onnx_without_nan(name: str) -> Any:
    def lower(g: Any, a: Any, b: Any) -> Any:
        dtype = g.dtype(a)
        if dtype.kind in "iub":
            return emit(g, name, (a, b), dtype)
        result = where(g, g.IsNaN(b), a, getattr(g, name)(a, b), dtype)
        return where(g, g.IsNaN(a), b, result, dtype)

    return lower


for _name, _ufunc, _rules, _onnx, _mx in (
    ("maximum", np.maximum, _LARGER, "Max",
     _names("_maximum _Maximum", "broadcast_maximum _npi_maximum")),
    ("minimum", np.minimum, _SMALLER, "Min",
     _names("_minimum _Minimum", "broadcast_minimum _npi_minimum")),
    ("fmax", np.fmax, _LARGER, _onnx_without_nan("Max"), "_npi_fmax"),
    ("fmin", np.fmin, _SMALLER, _onnx_without_nan("Min"), "_npi_fmin"),
):  # fmt: skip
    binary(_name, _ufunc, grad=_rules, onnx=_onnx, mx=_mx)


# ---- comparison and logic ------------------------------------------------------------------------
def _compare(name: str, ufunc: Any, onnx: Any, old: str, new: str) -> None:
    binary(name, ufunc, onnx=onnx, result="bool", mx=_names(old, new, "strict,same"))


def _onnx_compare(name: str) -> Any:
    """Bools are compared as numbers."""

    def lower(g: Any, a: Any, b: Any) -> Any:
        return emit(g, name, (a, b), g.dtype(a), back=False)

    return lower


def _onnx_unequal(g: Any, a: Any, b: Any) -> Any:
    return g.Not(emit(g, "Equal", (a, b), g.dtype(a), back=False))


_compare("equal", np.equal, _onnx_compare("Equal"), "broadcast_equal _equal _Equal", "_npi_equal")
_compare("not_equal", np.not_equal, _onnx_unequal, "broadcast_not_equal _not_equal _Not_Equal",
         "_npi_not_equal")  # fmt: skip
_compare("greater", np.greater, _onnx_compare("Greater"), "broadcast_greater _npx_broadcast_greater _greater _Greater",
         "_npi_greater")  # fmt: skip
_compare("greater_equal", np.greater_equal, _onnx_compare("GreaterOrEqual"),
         "broadcast_greater_equal _greater_equal _Greater_Equal", "_npi_greater_equal",
         )  # fmt: skip
_compare("less", np.less, _onnx_compare("Less"), "broadcast_lesser _lesser _Lesser", "_npi_less")
_compare("less_equal", np.less_equal, _onnx_compare("LessOrEqual"),
         "broadcast_lesser_equal _lesser_equal _Lesser_Equal", "_npi_less_equal")  # fmt: skip


def _onnx_logical(name: str) -> Any:
    def lower(g: Any, a: Any, b: Any) -> Any:
        boolean = np.dtype(bool)
        return getattr(g, name)(g.cast(a, boolean), g.cast(b, boolean))

    return lower


for _name, _ufunc in (("and", np.logical_and), ("or", np.logical_or), ("xor", np.logical_xor)):
    _compare(f"logical_{_name}", _ufunc, _onnx_logical(_name.title()),
             f"broadcast_logical_{_name} _logical_{_name} _Logical_{_name.title()}",
             f"_npi_logical_{_name}")  # fmt: skip


# ---- integers only -------------------------------------------------------------------------------
def whole_operands(*kinds: Any) -> tuple[Any, ...]:
    """Rule of the operators on bits: the common integer type.

    Raises
    ------
    DTypeError
        If one of the operands is floating.
    """
    shared = same_dtypes(*kinds)
    if any(dtypes.is_float(t) for t in shared):
        raise DTypeError(
            "an operator on the bits of integers",
            expected="integers or bools",
            received=", ".join(t.name for t in shared),
        )
    return shared


INTEGER_SAMPLES = [
    S(integers(2, 3), integers(2, 3)), S(integers(2, 1, 3), integers(4, 1)),
    S(integers(0, 3), integers(1, 3)), S(integers(), integers(3)),
]  # fmt: skip
SHIFTS = [
    S(integers(2, 3), integers(2, 3, low=0, high=5)), S(integers(4), integers(4, low=30, high=40)),
]  # fmt: skip


def _onnx_bits(name: str) -> Any:
    def lower(g: Any, a: Any, b: Any) -> Any:
        if g.dtype(a).kind == "b":
            return getattr(g, name)(a, b)
        return getattr(g, f"Bitwise{name}")(a, b) if g.opset >= 18 else NotImplemented

    return lower


def _shift_twice(g: Any, x: Any, b: Any, dtype: Any, direction: str) -> Any:
    """Shift by `b` up to 126 in two halves: kernels leave shifts of 64 and more undefined."""
    unsigned, signed = np.dtype(np.uint64), np.dtype(np.int64)
    b = g.cast(b, signed)
    b = g.Where(g.Less(b, one(g, signed, 0)), one(g, signed, 126), b)
    b = g.Min(b, one(g, signed, 126))
    half = g.Div(b, one(g, signed, 2))
    for amount in (half, g.Sub(b, half)):
        x = g.BitShift(x, g.cast(amount, unsigned), direction=direction)
    return g.cast(x, dtype)


def _onnx_left(g: Any, a: Any, b: Any) -> Any:
    dtype = g.dtype(a)
    wide = g.cast(g.cast(a, np.dtype(np.int64)), np.dtype(np.uint64))
    return _shift_twice(g, wide, b, dtype, "LEFT")


def _onnx_right(g: Any, a: Any, b: Any) -> Any:
    """Arithmetic shift: a negative number is shifted as its complement, which is not negative."""
    dtype, signed = g.dtype(a), np.dtype(np.int64)
    if dtype.kind == "u":
        return _shift_twice(g, g.cast(a, np.dtype(np.uint64)), b, dtype, "RIGHT")
    a = g.cast(a, signed)
    negative = g.Less(a, one(g, signed, 0))
    minus = one(g, signed, -1)
    size = g.Where(negative, g.Sub(minus, a), a)
    shifted = _shift_twice(g, g.cast(size, np.dtype(np.uint64)), b, signed, "RIGHT")
    return g.cast(g.Where(negative, g.Sub(minus, shifted), shifted), dtype)


for _name, _title, _ufunc in (
    ("and", "And", np.bitwise_and),
    ("or", "Or", np.bitwise_or),
    ("xor", "Xor", np.bitwise_xor),
):
    binary(f"bitwise_{_name}", _ufunc, onnx=_onnx_bits(_title), mx=f"_npi_bitwise_{_name}",
           samples=INTEGER_SAMPLES, coerce=whole_operands)  # fmt: skip
binary("left_shift", np.left_shift, onnx=_onnx_left, mx="_npi_bitwise_left_shift",
       samples=SHIFTS, coerce=whole_operands)  # fmt: skip
binary("right_shift", np.right_shift, onnx=_onnx_right, mx="_npi_bitwise_right_shift",
       samples=SHIFTS, coerce=whole_operands)  # fmt: skip
binary("gcd", np.gcd, mx="_npi_gcd", samples=INTEGER_SAMPLES, coerce=whole_operands)
binary("lcm", np.lcm, mx="_npi_lcm", samples=INTEGER_SAMPLES, coerce=whole_operands)


# ---- choice --------------------------------------------------------------------------------------
def where_operands(condition: Any, a: Any, b: Any) -> tuple[Any, ...]:
    """Rule of `where`: the condition is cast to bool, the choices to their common dtype."""
    return (np.dtype(bool), *same_dtypes(a, b))


@op(mx="_npi_where")
class Where(Op):
    """`a` where `condition` holds (is not zero), else `b`; all three broadcast."""

    coerce = staticmethod(where_operands)
    inplace = ((0, 1), (0, 2))

    def infer(self, condition: TensorType, a: TensorType, b: TensorType) -> TensorType:
        return a.with_shape(broadcast_shapes(condition.shape, a.shape, b.shape))

    def kernel(self, condition: Any, a: Any, b: Any) -> Any:
        return np.where(condition, a, b)

    def grad(self, ct: Any, y: Any, condition: Any, a: Any, b: Any) -> Any:
        ga = gb = None
        # a choice, not a product: what was not chosen must not turn an infinity into NaN
        zeros = F.zeros_like(ct)
        if wants(1):
            ga = sum_to(F.where(condition, ct, zeros), a.shape)
        if wants(2):
            gb = sum_to(F.where(condition, zeros, ct), b.shape)
        return None, ga, gb

    def onnx(self, g: Any, condition: Any, a: Any, b: Any) -> Any:
        return where(g, condition, a, b, g.dtype(a))

    samples = [
        S(lambda rng: rng.random((2, 3)) > 0.5, (2, 3), (2, 3)),
        S(lambda rng: rng.random((2, 1)) > 0.5, (3,), ()),
        S(np.array([True, False]), (2,), (2, 2)),
        S(lambda rng: rng.random((0, 3)) > 0.5, (3,), (1, 3)),
    ]
