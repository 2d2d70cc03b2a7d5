"""Elementwise choice, comparison and logic, and operators on the bits of integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import DTypeError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, broadcast_shapes
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.elementwise import integers, names
from symgluon.ops.families import binary, sum_to
from symgluon.ops.lowering import emit, one, where
from symgluon.ops.state import wants


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
     names("_maximum _Maximum", "broadcast_maximum _npi_maximum")),
    ("minimum", np.minimum, _SMALLER, "Min",
     names("_minimum _Minimum", "broadcast_minimum _npi_minimum")),
    ("fmax", np.fmax, _LARGER, _onnx_without_nan("Max"), "_npi_fmax"),
    ("fmin", np.fmin, _SMALLER, _onnx_without_nan("Min"), "_npi_fmin"),
):  # fmt: skip
    binary(_name, _ufunc, grad=_rules, onnx=_onnx, mx=_mx)


# ---- comparison and logic --------------------------------------------------------------------
def _compare(name: str, ufunc: Any, onnx: Any, old: str, new: str) -> None:
    binary(name, ufunc, onnx=onnx, result="bool", mx=names(old, new, "strict,same"))


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
_compare("greater", np.greater, _onnx_compare("Greater"),
         "broadcast_greater _npx_broadcast_greater _greater _Greater", "_npi_greater")  # fmt: skip
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


_LOGICAL: dict[str, Any] = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}
for _name, _logical in _LOGICAL.items():
    _compare(f"logical_{_name}", _logical, _onnx_logical(_name.title()),
             f"broadcast_logical_{_name} _logical_{_name} _Logical_{_name.title()}",
             f"_npi_logical_{_name}")  # fmt: skip


# ---- integers only ---------------------------------------------------------------------------
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


_BITWISE: dict[str, Any] = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}
for _name, _bitwise in _BITWISE.items():
    binary(f"bitwise_{_name}", _bitwise, onnx=_onnx_bits(_name.title()),
           mx=f"_npi_bitwise_{_name}", samples=INTEGER_SAMPLES, coerce=whole_operands,
           )  # fmt: skip
binary("left_shift", np.left_shift, onnx=_onnx_left, mx="_npi_bitwise_left_shift",
       samples=SHIFTS, coerce=whole_operands)  # fmt: skip
binary("right_shift", np.right_shift, onnx=_onnx_right, mx="_npi_bitwise_right_shift",
       samples=SHIFTS, coerce=whole_operands)  # fmt: skip
binary("gcd", np.gcd, mx="_npi_gcd", samples=INTEGER_SAMPLES, coerce=whole_operands)
binary("lcm", np.lcm, mx="_npi_lcm", samples=INTEGER_SAMPLES, coerce=whole_operands)


# ---- choice ----------------------------------------------------------------------------------
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
        try:
            return np.where(condition, a, b)
        except ValueError:
            broadcast_shapes(condition.shape, a.shape, b.shape)  # says it in our words
            raise

    def into(self, out: Any, condition: Any, a: Any, b: Any) -> bool:
        holds = condition if condition.dtype == np.bool_ else condition != 0
        if np.may_share_memory(out, a):
            np.copyto(out, b, where=~holds)
        else:
            np.copyto(out, b)
            np.copyto(out, a, where=holds)
        return True

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
