"""Activations and special functions of one operand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.families import math_operands, unary
from symgluon.ops.kernels import special
from symgluon.ops.lowering import emit, one
from symgluon.ops.unary import POSITIVE, onnx_log1p, within

TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


def _nonnegative(x: Any) -> Any:
    return np.maximum(x, x.dtype.type(0))


def _nonnegative_into(x: Any, out: Any) -> None:
    np.maximum(x, x.dtype.type(0), out=out)


def _relu_grad(ct: Any, y: Any, x: Any) -> Any:
    return ct * F.cast(F.greater(y, 0.0), dtype=ct.dtype)


def _onnx_relu(g: Any, x: Any) -> Any:
    dtype = g.dtype(x)
    return g.Relu(x) if dtype.kind not in "iub" else emit(g, "Max", (x, one(g, dtype, 0)), dtype)


def _onnx_softsign(g: Any, x: Any) -> Any:
    return g.Div(x, g.Add(g.Abs(x), one(g, g.dtype(x))))


#: coefficients of Lanczos' series for g = 5 (C. Lanczos, 1964)
_LANCZOS = (76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155,
            0.1208650973866179e-2, -0.5395239384953e-5)  # fmt: skip


def _onnx_gammaln(g: Any, x: Any) -> Any:
    """Emit log|gamma(x)| by Lanczos' series, reflected for x < 1/2; exact to float32."""
    dtype = g.dtype(x)

    def number(value: float) -> Any:
        return g.const(np.asarray(value, dtype))

    half, pi = number(0.5), number(np.pi)
    low = g.Less(x, half)
    z = g.Where(low, g.Neg(x), g.Sub(x, number(1.0)))  # gamma(z + 1), z >= -1/2
    series = number(1.000000000190015)
    for i, coefficient in enumerate(_LANCZOS, 1):
        series = g.Add(series, g.Div(number(coefficient), g.Add(z, number(float(i)))))
    t = g.Add(z, number(5.5))
    scaled = g.Log(g.Mul(series, number(2.5066282746310002)))
    value = g.Add(g.Sub(g.Mul(g.Add(z, half), g.Log(t)), t), scaled)
    mirror = g.Sub(g.Log(g.Div(pi, g.Abs(g.Sin(g.Mul(pi, x))))), value)
    return g.Where(low, mirror, value)


def _onnx_softplus(g: Any, x: Any, dtype: Any) -> Any:
    """Emit Softplus; ONNX Runtime has none for float64: max(x, 0) + log(1 + exp(-|x|)) there."""
    if dtype != np.float64:
        return g.Softplus(x)
    return g.Add(g.Relu(x), onnx_log1p(g, g.Exp(g.Neg(g.Abs(x))), dtype))


unary("relu", _nonnegative, grad=_relu_grad, onnx=_onnx_relu, floats=False, eager_min=10_000,
      into=_nonnegative_into, mx="relu _sparse_relu _npx_relu")  # fmt: skip
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
unary("gammaln", special.gammaln, grad=lambda ct, y, x: ct * F.digamma(x), onnx=_onnx_gammaln,
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
