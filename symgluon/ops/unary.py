"""Elementwise functions of one operand, one row each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.families import number_operands, unary
from symgluon.ops.kernels import special
from symgluon.ops.lowering import emit, one, where
from symgluon.ops.mx import cast_to, mx_function

LN2, LN10 = math.log(2.0), math.log(10.0)


def within(low: float, high: float) -> list[Any]:
    """Samples inside the domain of a function."""

    def draw(*shape: int) -> Any:
        return lambda rng: rng.uniform(low, high, shape)

    return [S(draw(2, 3)), S(draw()), S(draw(0, 3)), S(draw(1, 4, 1))]


POSITIVE = within(0.2, 3.0)


def _names(name: str, *more: str, sparse: bool = True, numpy: bool = True) -> str:
    """MXNet's names of a function that 1.x computes in the dtype of its operand."""
    rows = [f"{name}:same"]
    if sparse:
        rows.append(f"_sparse_{name}:same")
    if numpy:
        rows.append(f"_npi_{name}")
    return " ".join([*rows, *more])


# ---- signs and rounding: integers stay integers ----------------------------------------------
def _sign(x: Any) -> Any:
    """NaN has sign 0 in MXNet."""
    if x.dtype.kind in "iu":
        return np.sign(x)
    return np.subtract(x > 0, x < 0, dtype=np.int8).astype(x.dtype)


def _keep_integers(function: Any) -> Any:
    """Rounding leaves integers alone."""
    return lambda x: function(x) if x.dtype.kind not in "iub" else x.copy()


def _float_only(emit_float: Any) -> Any:
    """Lowering of a rounding: integers pass."""

    def lower(g: Any, x: Any) -> Any:
        return g.Identity(x) if g.dtype(x).kind in "iub" else emit_float(g, x)

    return lower


def _half_down(x: Any) -> Any:
    below = np.floor(x)
    return below + (x - below > 0.5).astype(x.dtype)


def _half_away(x: Any) -> Any:
    size = np.abs(x)
    below = np.floor(size)
    return np.copysign(below + (size - below >= 0.5).astype(x.dtype), x)


def _onnx_half_down(g: Any, x: Any) -> Any:
    dtype = g.dtype(x)
    below = g.Floor(x)
    return g.Add(below, g.cast(g.Greater(g.Sub(x, below), one(g, dtype, 0.5)), dtype))


def _onnx_half_away(g: Any, x: Any) -> Any:
    dtype = g.dtype(x)
    size = g.Abs(x)
    below = g.Floor(size)
    up = g.cast(g.GreaterOrEqual(g.Sub(size, below), one(g, dtype, 0.5)), dtype)
    return g.Mul(g.Add(below, up), g.Sign(x))


def _onnx_trunc(g: Any, x: Any) -> Any:
    return g.Mul(g.Floor(g.Abs(x)), g.Sign(x))


unary("abs", np.abs, grad=lambda ct, y, x: ct * F.sign(x), onnx="Abs", floats=False,
      mx="abs _sparse_abs _npi_absolute _npi_abs")  # fmt: skip
unary("negative", np.negative, grad=lambda ct, y, x: -ct, onnx="Neg", floats=False, bools=False,
      mx="negative _sparse_negative _npi_negative")  # fmt: skip
unary("sign", _sign, onnx="Sign", floats=False, bools=False,
      mx="sign _sparse_sign _npi_sign")  # fmt: skip
unary("square", np.square, grad=lambda ct, y, x: ct * (x * 2.0), floats=False,
      bools=False,
      onnx=lambda g, x: emit(g, "Mul", (x, x), g.dtype(x)),
      mx="square _sparse_square _npi_square")  # fmt: skip
unary("floor", _keep_integers(np.floor), onnx=_float_only(lambda g, x: g.Floor(x)), floats=False,
      mx="floor _sparse_floor")  # fmt: skip
unary("ceil", _keep_integers(np.ceil), onnx=_float_only(lambda g, x: g.Ceil(x)), floats=False,
      mx="ceil _sparse_ceil")  # fmt: skip
unary("trunc", np.trunc, onnx=_onnx_trunc,
      mx="trunc:same _sparse_trunc:same _npi_trunc fix:same _sparse_fix:same _npi_fix",
      )  # fmt: skip
unary("rint", _half_down, onnx=_onnx_half_down,
      mx="rint:same _sparse_rint:same _npi_rint",
      doc="Nearest integer of `x`; halves go down, as in MXNet (`around` takes the even one).",
      )  # fmt: skip
unary("round", _keep_integers(_half_away), onnx=_float_only(_onnx_half_away), floats=False,
      mx="round _sparse_round", doc="Nearest integer of `x`; halves go away from zero.",
      )  # fmt: skip


@mx_function("_npi_floor")
def np_floor(x: Any) -> Any:
    """``floor`` as MXNet 2.0's operator does it: integers give a float."""
    return F.floor(cast_to(x, dtypes.math_type(x.dtype)))


@mx_function("_npi_ceil")
def np_ceil(x: Any) -> Any:
    """``ceil`` as MXNet 2.0's operator does it: integers give a float."""
    return F.ceil(cast_to(x, dtypes.math_type(x.dtype)))


@op(mx="_npi_around")
class Around(Op):
    """Round to `decimals` places; halves go to the even neighbour."""

    decimals: int = 0
    no_grad = True
    coerce = staticmethod(number_operands)
    inplace = ((0, 0),)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.around(x, self.decimals)

    def onnx(self, g: Any, x: Any) -> Any:
        dtype = g.dtype(x)
        if dtype.kind in "iub":
            return g.Identity(x) if self.decimals >= 0 else NotImplemented
        if self.decimals == 0:
            return g.Round(x)
        scale = one(g, dtype, 10.0 ** abs(self.decimals))
        if self.decimals > 0:
            return g.Div(g.Round(g.Mul(x, scale)), scale)
        return g.Mul(g.Round(g.Div(x, scale)), scale)

    samples = [S((2, 3)), S(()), S((0,), decimals=1), S((5,), decimals=2), S((5,), decimals=-1)]


# ---- powers, exponentials, logarithms --------------------------------------------------------
unary("reciprocal", np.reciprocal, grad=lambda ct, y, x: -(ct * (y * y)), floats=False,
      bools=False,
      onnx=lambda g, x: _onnx_reciprocal(g, x), mx="reciprocal _npi_reciprocal",
      samples=within(0.3, 3.0))  # fmt: skip


def _onnx_reciprocal(g: Any, x: Any) -> Any:
    return g.Reciprocal(x) if g.dtype(x).kind not in "iub" else NotImplemented


def _over(c: float) -> Any:
    """Gradient of a function whose derivative is ``c / x``."""
    return lambda ct, y, x: ct / (x * c) if c != 1.0 else ct / x


def _scaled(name: str, c: float) -> Any:
    return lambda g, x: g.Mul(getattr(g, name)(x), one(g, g.dtype(x), c))


unary("sqrt", np.sqrt, grad=lambda ct, y, x: ct * (0.5 / y), onnx="Sqrt", mx=_names("sqrt"),
      samples=POSITIVE, eager_min=100_000)  # fmt: skip
unary("rsqrt", special.rsqrt, grad=lambda ct, y, x: ct * (y / x * -0.5),
      onnx=lambda g, x: g.Reciprocal(g.Sqrt(x)), mx=_names("rsqrt", numpy=False),
      samples=POSITIVE)  # fmt: skip


def _onnx_cbrt(g: Any, x: Any) -> Any:
    dtype = g.dtype(x)
    root = g.Pow(g.Abs(x), one(g, dtype, 1.0 / 3.0))
    return g.Mul(root, g.Sign(x))


unary("cbrt", np.cbrt, grad=lambda ct, y, x: ct / (y * y * 3.0), onnx=_onnx_cbrt,
      mx=_names("cbrt"), samples=POSITIVE)  # fmt: skip
unary("rcbrt", special.rcbrt, grad=lambda ct, y, x: ct * (y / x * (-1.0 / 3.0)),
      onnx=lambda g, x: g.Reciprocal(_onnx_cbrt(g, x)), mx="rcbrt:same", samples=POSITIVE,
      )  # fmt: skip
unary("exp", np.exp, grad=lambda ct, y, x: ct * y, onnx="Exp", mx=_names("exp"),
      eager_min=30_000)  # fmt: skip
unary("exp2", np.exp2, grad=lambda ct, y, x: ct * (y * LN2),
      onnx=lambda g, x: g.Pow(one(g, g.dtype(x), 2.0), x))  # fmt: skip


def _onnx_expm1(g: Any, x: Any) -> Any:
    """2 t / (1 - t) with t = tanh(x / 2) keeps the digits of a small x, exp(x) - 1 of others."""
    dtype = g.dtype(x)
    unit = one(g, dtype)
    half = g.Tanh(g.Mul(x, one(g, dtype, 0.5)))
    small = g.Div(g.Add(half, half), g.Sub(unit, half))
    return where(g, g.Less(g.Abs(x), unit), small, g.Sub(g.Exp(x), unit), dtype)


def _onnx_log1p(g: Any, x: Any) -> Any:
    return onnx_log1p(g, x, g.dtype(x))


def onnx_log1p(g: Any, x: Any, dtype: Any) -> Any:
    """Emit log(u) x / (u - 1) with u = 1 + x: the rounding of u cancels (Kahan)."""
    unit = one(g, dtype)
    u = g.Add(x, unit)
    d = g.Sub(u, unit)
    exact = g.Equal(d, one(g, dtype, 0))
    safe = where(g, exact, unit, d, dtype)
    ratio = g.Div(g.Mul(g.Log(u), x), safe)
    big = g.Greater(g.Abs(u), one(g, dtype, 1e4))
    return where(g, exact, x, where(g, big, g.Log(u), ratio, dtype), dtype)


unary("expm1", np.expm1, grad=lambda ct, y, x: ct * (y + 1.0), onnx=_onnx_expm1,
      mx=_names("expm1"))  # fmt: skip
unary("log", np.log, grad=_over(1.0), onnx="Log", mx=_names("log"), samples=POSITIVE,
      eager_min=30_000)  # fmt: skip
unary("log2", np.log2, grad=_over(LN2), onnx=_scaled("Log", 1 / LN2), mx=_names("log2"),
      samples=POSITIVE)  # fmt: skip
unary("log10", np.log10, grad=_over(LN10), onnx=_scaled("Log", 1 / LN10), mx=_names("log10"),
      samples=POSITIVE)  # fmt: skip
unary("log1p", np.log1p, grad=lambda ct, y, x: ct / (x + 1.0), onnx=_onnx_log1p,
      mx=_names("log1p"), samples=within(-0.5, 3.0))  # fmt: skip

# ---- trigonometric and hyperbolic ------------------------------------------------------------
INSIDE = within(-0.9, 0.9)

unary("sin", np.sin, grad=lambda ct, y, x: ct * F.cos(x), onnx="Sin", mx=_names("sin"))
unary("cos", np.cos, grad=lambda ct, y, x: -(ct * F.sin(x)), onnx="Cos", mx=_names("cos"))
unary("tan", np.tan, grad=lambda ct, y, x: ct * (y * y + 1.0), onnx="Tan", mx=_names("tan"),
      samples=INSIDE)  # fmt: skip
unary("arcsin", np.arcsin, grad=lambda ct, y, x: ct * F.rsqrt(1.0 - x * x), onnx="Asin",
      mx=_names("arcsin"), samples=INSIDE)  # fmt: skip
unary("arccos", np.arccos, grad=lambda ct, y, x: -(ct * F.rsqrt(1.0 - x * x)), onnx="Acos",
      mx=_names("arccos"), samples=INSIDE)  # fmt: skip
unary("arctan", np.arctan, grad=lambda ct, y, x: ct / (x * x + 1.0), onnx="Atan",
      mx=_names("arctan"))  # fmt: skip
unary("sinh", np.sinh, grad=lambda ct, y, x: ct * F.cosh(x), onnx="Sinh", mx=_names("sinh"))
unary("cosh", np.cosh, grad=lambda ct, y, x: ct * F.sinh(x), onnx="Cosh", mx=_names("cosh"))
unary("tanh", np.tanh, grad=lambda ct, y, x: ct * (1.0 - y * y), onnx="Tanh", mx=_names("tanh"),
      eager_min=10_000)  # fmt: skip
unary("arcsinh", np.arcsinh, grad=lambda ct, y, x: ct * F.rsqrt(x * x + 1.0), onnx="Asinh",
      mx=_names("arcsinh"))  # fmt: skip
unary("arccosh", np.arccosh, grad=lambda ct, y, x: ct * F.rsqrt(x * x - 1.0), onnx="Acosh",
      mx=_names("arccosh"), samples=within(1.2, 3.0))  # fmt: skip
unary("arctanh", np.arctanh, grad=lambda ct, y, x: ct / (1.0 - x * x), onnx="Atanh",
      mx=_names("arctanh"), samples=INSIDE)  # fmt: skip


def _scale_row(name: str, function: Any, factor: float) -> None:
    unary(name, function, grad=lambda ct, y, x: ct * factor,
          onnx=lambda g, x: g.Mul(x, one(g, g.dtype(x), factor)), mx=_names(name))  # fmt: skip


_scale_row("degrees", np.degrees, 180.0 / math.pi)
_scale_row("radians", np.radians, math.pi / 180.0)
