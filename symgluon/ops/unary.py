"""Elementwise functions of one operand, one row each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import DTypeError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.families import math_operands, number_operands, unary
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


# ---- signs and rounding: integers stay integers --------------------------------------------------
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


# ---- powers, exponentials, logarithms ------------------------------------------------------------
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
    """2 tanh(x / 2) / (1 - tanh(x / 2)) keeps the digits of a small x, exp(x) - 1 those of others."""
    dtype = g.dtype(x)
    unit = one(g, dtype)
    half = g.Tanh(g.Mul(x, one(g, dtype, 0.5)))
    small = g.Div(g.Add(half, half), g.Sub(unit, half))
    return where(g, g.Less(g.Abs(x), unit), small, g.Sub(g.Exp(x), unit), dtype)


def _onnx_log1p(g: Any, x: Any) -> Any:
    return _onnx_log1p_of(g, x, g.dtype(x))


def _onnx_log1p_of(g: Any, x: Any, dtype: Any) -> Any:
    """log(u) x / (u - 1) with u = 1 + x: the rounding of u cancels (Kahan)."""
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

# ---- trigonometric and hyperbolic ----------------------------------------------------------------
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

# ---- activations and special functions -----------------------------------------------------------
TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


def _nonnegative(x: Any) -> Any:
    return np.maximum(x, x.dtype.type(0))


def _relu_grad(ct: Any, y: Any, x: Any) -> Any:
    return ct * F.cast(F.greater(y, 0.0), dtype=ct.dtype)


def _onnx_relu(g: Any, x: Any) -> Any:
    dtype = g.dtype(x)
    return g.Relu(x) if dtype.kind not in "iub" else emit(g, "Max", (x, one(g, dtype, 0)), dtype)


def _onnx_softsign(g: Any, x: Any) -> Any:
    return g.Div(x, g.Add(g.Abs(x), one(g, g.dtype(x))))


def _onnx_softplus(g: Any, x: Any, dtype: Any) -> Any:
    """Emit Softplus; ONNX Runtime has none for float64: max(x, 0) + log(1 + exp(-|x|)) there."""
    if dtype != np.float64:
        return g.Softplus(x)
    return g.Add(g.Relu(x), _onnx_log1p_of(g, g.Exp(g.Neg(g.Abs(x))), dtype))


unary("relu", _nonnegative, grad=_relu_grad, onnx=_onnx_relu, floats=False, eager_min=10_000,
      mx="relu _sparse_relu _npx_relu")  # fmt: skip
unary("sigmoid", special.sigmoid, grad=lambda ct, y, x: ct * (y * (1.0 - y)), onnx="Sigmoid",
      mx="sigmoid:same _sparse_sigmoid:same _npx_sigmoid", eager_min=2_000)  # fmt: skip
unary("log_sigmoid", special.log_sigmoid, grad=lambda ct, y, x: ct * F.sigmoid(-x),
      onnx=lambda g, x: g.Neg(_onnx_softplus(g, g.Neg(x), g.dtype(x))),
      mx="log_sigmoid:same _sparse_log_sigmoid:same")  # fmt: skip
unary("softsign", special.softsign, grad=lambda ct, y, x: ct / F.square(F.abs(x) + 1.0),
      onnx=_onnx_softsign, mx="softsign:same _npx_softsign")  # fmt: skip
unary("softplus", special.softplus, grad=lambda ct, y, x: ct * F.sigmoid(x),
      onnx=lambda g, x: _onnx_softplus(g, x, g.dtype(x)), eager_min=2_000,
      doc="log(1 + exp(x)), MXNet's softrelu.")  # fmt: skip
unary("erf", special.erf, grad=lambda ct, y, x: ct * (F.exp(-(x * x)) * TWO_OVER_ROOT_PI),
      onnx="Erf", mx="erf:same _npx_erf", eager_min=200)  # fmt: skip
unary("erfinv", special.erfinv, grad=lambda ct, y, x: ct * (F.exp(y * y) / TWO_OVER_ROOT_PI),
      mx="erfinv:same _npx_erfinv", samples=within(-0.9, 0.9))  # fmt: skip
unary("gamma", special.gamma, grad=lambda ct, y, x: ct * (y * F.digamma(x)),
      mx="gamma:same _sparse_gamma:same _npx_gamma", samples=POSITIVE)  # fmt: skip
unary("gammaln", special.gammaln, grad=lambda ct, y, x: ct * F.digamma(x),
      mx="gammaln:same _sparse_gammaln:same _npx_gammaln", samples=POSITIVE)  # fmt: skip
unary("digamma", lambda x: special.polygamma(0, x),
      grad=lambda ct, y, x: ct * F.polygamma(x, n=1),
      mx="digamma:same _sparse_digamma:same _npx_digamma", samples=POSITIVE)  # fmt: skip


@op()
class Polygamma(Op):
    """Derivative of order `n` of digamma."""

    n: int
    coerce = staticmethod(math_operands)
    inplace = ((0, 0),)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        return special.polygamma(self.n, x)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return ct * F.polygamma(x, n=self.n + 1)

    samples = [S(within(0.2, 3.0)[0].operands[0], n=1), S(within(1, 3)[1].operands[0], n=3)]


@op(mx="mish:same _sparse_mish:same")
class Mish(Op):
    """``x * tanh(log(1 + exp(x)))``.  Source: arXiv:1908.08681."""

    coerce = staticmethod(math_operands)

    def kernel(self, x: Any) -> Any:
        with np.errstate(all="ignore"):
            return special.mish(x)

    def decompose(self, x: Any) -> Any:
        return x * F.tanh(F.softplus(x))

    samples = [S((2, 3)), S(()), S((0, 3))]


@op(mx="hard_sigmoid:same")
class HardSigmoid(Op):
    """``alpha * x + beta``, cut to [0, 1]."""

    alpha: float = 0.2
    beta: float = 0.5
    coerce = staticmethod(math_operands)

    def decompose(self, x: Any) -> Any:
        return F.clip(x * self.alpha + self.beta, a_min=0.0, a_max=1.0)

    def onnx(self, g: Any, x: Any) -> Any:
        if g.dtype(x) == np.float64:
            return NotImplemented
        return g.HardSigmoid(x, alpha=self.alpha, beta=self.beta)

    samples = [S((2, 3)), S((7,), alpha=0.5, beta=0.3), S((0, 3))]


@op(mx="smooth_l1:same _npx_smooth_l1")
class SmoothL1(Op):
    """``0.5 (s x)^2`` where ``|x| < 1 / s^2``, else ``|x| - 0.5 / s^2``, s being `scalar`."""

    scalar: float = 1.0
    coerce = staticmethod(math_operands)

    def decompose(self, x: Any) -> Any:
        square = self.scalar * self.scalar
        size = F.abs(x)
        inner = F.clip(size, a_min=None, a_max=1.0 / square)
        return inner * (size - inner * 0.5) * square

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return ct * F.clip(x * (self.scalar * self.scalar), a_min=-1.0, a_max=1.0)

    samples = [S((2, 3)), S((5,), scalar=2.0), S(()), S((0, 2), scalar=0.5)]


# ---- logic and tests -----------------------------------------------------------------------------
def _test(function: Any, integers: bool = False) -> Any:
    """Test of floats that is constant for integers."""

    def apply(x: Any) -> Any:
        if x.dtype.kind in "iub":
            return np.full(x.shape, integers)
        return function(x)

    return apply


def _onnx_test(emit_float: Any, integers: bool = False) -> Any:
    def lower(g: Any, x: Any) -> Any:
        if g.dtype(x).kind in "iub":
            flag = g.const(np.asarray(integers))
            return g.Expand(flag, g.shape_vector(g.shape(x)))
        return emit_float(g, x)

    return lower


def _onnx_isinf(g: Any, x: Any, **sides: int) -> Any:
    # before opset 20 the operator is not defined for float16, which float32 holds exactly
    if g.opset < 20 and g.dtype(x).itemsize == 2:
        x = g.cast(x, np.dtype(np.float32))
    return g.IsInf(x, **sides)


def _row(name: str, function: Any, onnx: Any, mx: str) -> None:
    unary(name, function, onnx=onnx, floats=False, result="bool", mx=mx)


_row("logical_not", np.logical_not, lambda g, x: g.Not(g.cast(x, np.dtype(bool))),
     "logical_not:same _npi_logical_not")  # fmt: skip
_row("isnan", _test(np.isnan), _onnx_test(lambda g, x: g.IsNaN(x)), "_npi_isnan _contrib_isnan")
_row("isinf", _test(np.isinf), _onnx_test(_onnx_isinf), "_npi_isinf _contrib_isinf")
_row("isposinf", _test(lambda x: x == np.inf),
     _onnx_test(lambda g, x: _onnx_isinf(g, x, detect_negative=0)), "_npi_isposinf",
     )  # fmt: skip
_row("isneginf", _test(lambda x: x == -np.inf),
     _onnx_test(lambda g, x: _onnx_isinf(g, x, detect_positive=0)), "_npi_isneginf",
     )  # fmt: skip
_row("isfinite", _test(np.isfinite, True),
     _onnx_test(lambda g, x: g.Not(g.Or(g.IsNaN(x), _onnx_isinf(g, x))), True),
     "_npi_isfinite _contrib_isfinite")  # fmt: skip


def _bits(x: Any) -> Any:
    """Sample of integers."""
    return lambda rng: rng.integers(-100, 100, x).astype(np.int32)


@op(mx="_npi_bitwise_not")
class Invert(Op):
    """Bitwise complement of integers, logical complement of bools."""

    no_grad = True
    inplace = ((0, 0),)

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype.kind not in "iub":
            raise DTypeError("invert: bitwise operators need integers", received=x.dtype.name)
        return x

    def kernel(self, x: Any) -> Any:
        return np.invert(x)

    def onnx(self, g: Any, x: Any) -> Any:
        dtype = g.dtype(x)
        if dtype.kind == "b":
            return g.Not(x)
        if g.opset >= 18:
            return g.BitwiseNot(x)
        return emit(g, "Sub", (one(g, dtype, -1 if dtype.kind == "i" else np.iinfo(dtype).max), x), dtype)

    samples = [S(_bits((2, 3))), S(_bits(())), S(lambda rng: rng.random(4) > 0.5)]


# ---- with attributes -----------------------------------------------------------------------------
@op(mx="clip _npi_clip _sparse_clip")
class Clip(Op):
    """`x` cut to [a_min, a_max]; None is no bound."""

    a_min: float | None
    a_max: float | None
    inplace = ((0, 0),)
    eager_min = 100_000

    def infer(self, x: TensorType) -> TensorType:
        return x

    def bounds(self, dtype: Any) -> tuple[Any, Any]:
        """Bounds as values of `dtype`: towards zero and inside its range for integers."""

        def fit(value: float | None) -> Any:
            if value is None or dtype.kind not in "iub":
                return None if value is None else np.asarray(value, dtype)
            if dtype.kind == "b":
                return np.asarray(value > 0)
            info = np.iinfo(dtype)
            whole = value if math.isinf(value) else math.trunc(value)
            return np.asarray(int(min(max(whole, info.min), info.max)), dtype)

        return fit(self.a_min), fit(self.a_max)

    def kernel(self, x: Any) -> Any:
        low, high = self.bounds(x.dtype)
        result = x if low is None else np.maximum(x, low)
        return result if high is None else np.minimum(result, high)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        # 1 inside, bounds included
        if self.a_min is None and self.a_max is None:
            return ct
        return ct * F.cast(F.equal(x, y), dtype=ct.dtype)

    def onnx(self, g: Any, x: Any) -> Any:
        dtype = g.dtype(x)
        low, high = [None if b is None else g.const(b) for b in self.bounds(dtype)]
        if low is None and high is None:
            return g.Identity(x)
        if dtype.kind not in "iub":
            return g.Clip(x, low or "", high or "")
        for name, bound in (("Max", low), ("Min", high)):
            x = x if bound is None else emit(g, name, (x, bound), dtype)
        return x

    samples = [
        S((2, 3), a_min=-0.5, a_max=0.5),
        S((), a_min=0.0, a_max=None),
        S((4,), a_min=None, a_max=0.1),
        S((0, 3), a_min=-1.0, a_max=1.0),
    ]


@op(mx="_npi_nan_to_num")
class NanToNum(Op):
    """`x` with NaN and infinities replaced; None stands for the largest finite numbers."""

    copy: bool = True
    nan: float = 0.0
    posinf: float | None = None
    neginf: float | None = None
    inplace = ((0, 0),)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        if x.dtype.kind in "iub":
            return x.copy()
        low, high = self._limits(x.dtype)
        return np.nan_to_num(x, nan=self.nan, posinf=high, neginf=low)

    def _limits(self, dtype: Any) -> tuple[float, float]:
        info = np.finfo(dtype)
        low = float(info.min) if self.neginf is None else self.neginf
        high = float(info.max) if self.posinf is None else self.posinf
        return low, high

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return F.where(F.isfinite(x), ct, F.zeros_like(ct))

    def onnx(self, g: Any, x: Any) -> Any:
        dtype = g.dtype(x)
        if dtype.kind in "iub":
            return g.Identity(x)
        low, high = self._limits(dtype)
        result = where(g, g.IsNaN(x), one(g, dtype, self.nan), x, dtype)
        for value, side in ((high, "detect_negative"), (low, "detect_positive")):
            test = _onnx_isinf(g, x, **{side: 0})
            result = where(g, test, one(g, dtype, value), result, dtype)
        return result

    samples = [
        S(np.array([1.0, np.nan, np.inf, -np.inf])),
        S((2, 3), nan=2.0),
        S(np.array([[np.nan, np.inf, -np.inf]]), nan=1.0, posinf=5.0, neginf=-5.0),
    ]
