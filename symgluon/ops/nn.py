"""Layer operators without windows: dense, softmax, activations with parameters, dropout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, normalize_axis, prod, same_shape
from symgluon.ops.apply import F
from symgluon.ops.checks import check_dtypes, check_rank, check_shape, deferred, known
from symgluon.ops.kernels import special
from symgluon.ops.lowering import attribute_holds
from symgluon.ops.state import wants


# ---- dense -------------------------------------------------------------------------------------
@op()
class Dense(Op):
    """``x @ weight.T + bias``; with `flatten` all axes of `x` after the first are one.

    Shapes: x (N, C...) or (..., C), weight (num_hidden, C), bias (num_hidden,).
    """

    num_hidden: int
    flatten: bool = True
    eager_min: ClassVar[int | None] = 500_000

    def eager_work(self, data: Any) -> int:
        """Multiplications; none for a single row, which memory limits in any library."""
        x, weight = data[0], data[1]
        return x.size * self.num_hidden if x.size > weight.shape[-1] else 0

    def _width(self, x: TensorType) -> Any:
        """Size of what is multiplied; None while unknown."""
        if x.shape is None:
            return None
        part = x.shape[1:] if self.flatten else x.shape[-1:]
        return prod(part) if known(*part) else None

    def infer_inputs(self, x: Any, weight: Any, bias: Any = None) -> Any:
        width = self._width(x)
        weight = deferred(weight, (self.num_hidden, width))
        return x, weight, deferred(bias, (self.num_hidden,))

    def infer(
        self, x: TensorType, weight: TensorType, bias: TensorType | None = None
    ) -> TensorType:
        check_dtypes("FullyConnected", x, weight, bias)
        check_rank("FullyConnected", "data", x.shape, 1)
        check_shape("FullyConnected", "weight", weight.shape, (self.num_hidden, self._width(x)))
        if bias is not None:
            check_shape("FullyConnected", "bias", bias.shape, (self.num_hidden,))
        shape = x.known_shape
        if self.flatten:
            return x.with_shape((shape[0], self.num_hidden))
        return x.with_shape((*shape[:-1], self.num_hidden))

    def kernel(self, x: Any, weight: Any, bias: Any = None) -> Any:
        if x.dtype is not weight.dtype or (bias is not None and x.dtype is not bias.dtype):
            check_dtypes("FullyConnected", x, weight, bias)
        rows = x.shape[:1] if self.flatten else x.shape[:-1]
        flat = x.reshape(math.prod(rows), weight.shape[1])
        if x.dtype.itemsize == 2 and x.dtype.kind not in "iu":  # float16 or bfloat16
            y = flat.astype(np.float32) @ weight.astype(np.float32).T
            y = (y if bias is None else y + bias.astype(np.float32)).astype(x.dtype)
        else:
            y = flat @ weight.T
            if bias is not None:
                y += bias
        return y if self.flatten else y.reshape(*x.shape[:-1], self.num_hidden)

    def into(self, out: Any, x: Any, weight: Any, bias: Any = None) -> bool:
        if x.dtype.itemsize == 2 or not x.dtype == weight.dtype == out.dtype or not weight.size:
            return False
        y = out.reshape(-1, self.num_hidden)
        np.matmul(x.reshape(y.shape[0], weight.shape[1]), weight.T, out=y)
        if bias is not None:
            y += bias
        return True

    def grad(self, ct: Any, y: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        width = weight.shape[1]
        rows = F.reshape(ct, shape=(-1, self.num_hidden)) if ct.ndim != 2 else ct
        gx = gw = gb = None
        if wants(0):
            gx = F.matmul(rows, weight)
            if not same_shape(gx.shape, x.shape):
                gx = F.reshape(gx, shape=x.shape)
        if wants(1):
            flat = x if x.ndim == 2 else F.reshape(x, shape=(rows.shape[0], width))
            gw = F.matmul(F.transpose(rows, axes=(1, 0)), flat)
        if bias is not None and wants(2):
            gb = F.sum(rows, axis=0)
        return gx, gw, gb

    def onnx(self, g: Any, x: Any, weight: Any, bias: Any = "") -> Any:
        rank = g.rank(x)
        if self.flatten or rank == 2:
            if rank != 2:
                shape = g.shape(x)
                x = g.reshape(x, (shape[0], prod(shape[1:]))) if rank > 1 else g.unsqueeze(x, [1])
            return g.Gemm(x, weight, bias, transB=1)
        if rank == 1:
            y = g.Gemm(g.unsqueeze(x, [0]), weight, bias, transB=1)
            return g.squeeze(y, [0])
        y = g.MatMul(x, g.transpose(weight, (1, 0)))
        return g.Add(y, bias) if bias else y

    samples = [
        S((2, 3), (4, 3), (4,), num_hidden=4),
        S((2, 3, 2), (4, 6), None, num_hidden=4),
        S((2, 3, 2), (4, 2), (4,), num_hidden=4, flatten=False),
        S((0, 3), (4, 3), (4,), num_hidden=4),
        S((1, 3), (1, 3), (1,), num_hidden=1),
    ]


# ---- softmax -----------------------------------------------------------------------------------
def _shifted(x: Any, axis: int) -> Any:
    wide = x.astype(np.float32) if x.dtype == np.float16 else x
    if not wide.size:
        return wide
    with np.errstate(invalid="ignore"):
        return wide - wide.max(axis=axis, keepdims=True)


class _Softmax(Op):
    axis: int = -1
    temperature: float | None = None
    eager_min: ClassVar[int | None] = 1

    def infer(self, x: TensorType) -> TensorType:
        normalize_axis(self.axis, len(x.known_shape))
        return x

    def scaled(self, x: Any) -> Any:
        """`x` divided by the temperature."""
        return x if self.temperature in (None, 1.0) else x / x.dtype.type(self.temperature)

    def shift_into(self, out: Any, x: Any) -> bool:
        """Put the scaled operand less its maximum into `out`; False where the kernel widens."""
        if x.dtype.itemsize == 2 or not x.size:
            return False
        if self.temperature not in (None, 1.0):
            x = np.divide(x, x.dtype.type(self.temperature), out=out)
        np.subtract(x, x.max(axis=self.axis, keepdims=True), out=out)
        return True

    def back(self, gx: Any) -> Any:
        """The cotangent divided by the temperature."""
        return gx if self.temperature in (None, 1.0) else gx / self.temperature

    def lower(self, g: Any, x: Any, kind: str) -> Any:
        """Emit `kind` on the scaled operand."""
        dtype, rank = g.dtype(x), g.rank(x)
        if self.temperature not in (None, 1.0):
            x = g.Div(x, g.const(np.asarray(self.temperature, dtype)))
        if not (g.cuda and dtype == np.float64):
            return getattr(g, kind)(x, axis=self.axis)
        # the kernels of ONNX Runtime's CUDA provider compute this in float32
        axes = (normalize_axis(self.axis, rank),)
        z = g.Sub(x, g.reduce("ReduceMax", x, axes))
        e = g.Exp(z)
        total = g.reduce("ReduceSum", e, axes)
        return g.Div(e, total) if kind == "Softmax" else g.Sub(z, g.Log(total))


@op()
class Softmax(_Softmax):
    """``exp(x / t) / sum(exp(x / t))`` along `axis`."""

    coerce = None

    def kernel(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            e = np.exp(_shifted(self.scaled(x), self.axis))
            return (e / e.sum(axis=self.axis, keepdims=True)).astype(x.dtype, copy=False)

    def into(self, out: Any, x: Any) -> bool:
        if not self.shift_into(out, x):
            return False
        np.exp(out, out=out)
        np.divide(out, out.sum(axis=self.axis, keepdims=True), out=out)
        return True

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        inner = F.sum(ct * y, axis=self.axis, keepdims=True)
        return self.back(y * (ct - inner))

    def onnx(self, g: Any, x: Any) -> Any:
        return self.lower(g, x, "Softmax")

    samples = [S((2, 3)), S((2, 3, 4), axis=1), S((2, 3), temperature=2.0), S((0, 3)), S((3, 1))]


@op()
class LogSoftmax(_Softmax):
    """Logarithm of the softmax along `axis`."""

    def kernel(self, x: Any) -> Any:
        with np.errstate(invalid="ignore", divide="ignore"):
            z = _shifted(self.scaled(x), self.axis)
            total = np.log(np.exp(z).sum(axis=self.axis, keepdims=True))
            return (z - total).astype(x.dtype, copy=False)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        total = F.sum(ct, axis=self.axis, keepdims=True)
        return self.back(ct - F.exp(y) * total)

    def onnx(self, g: Any, x: Any) -> Any:
        return self.lower(g, x, "LogSoftmax")

    samples = [S((2, 3)), S((2, 3, 4), axis=1), S((2, 3), temperature=2.0), S((0, 3)), S((3, 1))]


# ---- activations with parameters ---------------------------------------------------------------
def _signed(rng: Any) -> Any:
    """Draw data away from the kink at 0."""
    x = rng.standard_normal((2, 3))
    return x + np.sign(x) * 0.1


def _positive(x: Any) -> Any:
    return F.greater(x, np.zeros((), x.dtype))


# ---- ONNX forms: attributes there are float32, which float64 data must not be multiplied by ---------
def _onnx_below(g: Any, x: str, low: str) -> str:
    """Emit `x` where positive, else `low`."""
    return g.where(g.Greater(x, g.const(np.asarray(0, np.float64))), x, low)  # type: ignore[no-any-return]


def _onnx_expm1(g: Any, x: str, alpha: float) -> str:
    """Emit ``alpha * (exp(min(x, 0)) - 1)``."""
    zero, one, factor = (g.const(np.asarray(v, np.float64)) for v in (0, 1, alpha))
    return g.Mul(g.Sub(g.Exp(g.Min(x, zero)), one), factor)  # type: ignore[no-any-return]


@op()
class LeakyRelu(Op):
    """``x`` where positive, else ``slope * x``."""

    slope: float = 0.25
    inplace = ((0, 0),)
    eager_min: ClassVar[int | None] = 10_000

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        return np.where(x > 0, x, x * x.dtype.type(self.slope))

    def into(self, out: Any, x: Any) -> bool:
        low = ~(x > 0)
        np.copyto(out, x)
        np.multiply(out, x.dtype.type(self.slope), out=out, where=low)
        return True

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return F.where(_positive(x), ct, ct * self.slope)

    def onnx(self, g: Any, x: Any) -> Any:
        if attribute_holds(g, x, self.slope):
            return g.LeakyRelu(x, alpha=self.slope)
        return _onnx_below(g, x, g.Mul(x, g.const(np.asarray(self.slope, g.dtype(x)))))

    samples = [S(_signed), S(_signed, slope=0.01), S((0, 3))]


@op()
class Elu(Op):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``."""

    alpha: float = 1.0
    inplace = ((0, 0),)
    eager_min: ClassVar[int | None] = 2_000

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        low = np.expm1(np.minimum(x, 0)) * x.dtype.type(self.alpha)
        return np.where(x > 0, x, low)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return F.where(_positive(x), ct, ct * (y + self.alpha))

    def onnx(self, g: Any, x: Any) -> Any:
        if attribute_holds(g, x, self.alpha):
            return g.Elu(x, alpha=self.alpha)
        return _onnx_below(g, x, _onnx_expm1(g, x, self.alpha))

    samples = [S(_signed), S(_signed, alpha=0.3), S((0, 3))]


SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@op()
class Selu(Op):
    """Scaled exponential linear unit (arXiv:1706.02515)."""

    inplace = ((0, 0),)
    eager_min: ClassVar[int | None] = 2_000

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        low = np.expm1(np.minimum(x, 0)) * x.dtype.type(SELU_ALPHA)
        return np.where(x > 0, x, low) * x.dtype.type(SELU_SCALE)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        low = y + SELU_ALPHA * SELU_SCALE
        return F.where(_positive(x), ct * SELU_SCALE, ct * low)

    def onnx(self, g: Any, x: Any) -> Any:
        if attribute_holds(g, x, SELU_ALPHA, SELU_SCALE):
            return g.Selu(x, alpha=SELU_ALPHA, gamma=SELU_SCALE)
        scale = g.const(np.asarray(SELU_SCALE, g.dtype(x)))
        return _onnx_below(g, g.Mul(x, scale), _onnx_expm1(g, x, SELU_ALPHA * SELU_SCALE))

    samples = [S(_signed), S((0, 3))]


@op()
class Gelu(Op):
    """``x * Phi(x)``: exactly (erf), or by the tanh approximation (arXiv:1606.08415)."""

    approximation: bool = False
    eager_min: ClassVar[int | None] = 200

    def infer(self, x: TensorType) -> TensorType:
        return x

    def decompose(self, x: Any) -> Any:
        if self.approximation:
            t = F.tanh((x + x * x * x * 0.044715) * math.sqrt(2 / math.pi))
        else:
            t = F.erf(x * math.sqrt(0.5))
        return x * (t + 1.0) * 0.5

    def kernel(self, x: Any) -> Any:
        wide = x.astype(np.float32) if x.dtype == np.float16 else x
        one = wide.dtype.type(1)
        if self.approximation:
            cube = wide * wide * wide * wide.dtype.type(0.044715)
            t = np.tanh((wide + cube) * wide.dtype.type(math.sqrt(2 / math.pi)))
        else:
            t = special.erf(wide * wide.dtype.type(math.sqrt(0.5)))
        return (wide * (t + one) * wide.dtype.type(0.5)).astype(x.dtype, copy=False)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        if not self.approximation:
            phi = (F.erf(x * math.sqrt(0.5)) + 1.0) * 0.5
            density = F.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
            return ct * (phi + x * density)
        scale = math.sqrt(2 / math.pi)
        t = F.tanh((x + x * x * x * 0.044715) * scale)
        slope = (x * x * (3 * 0.044715) + 1.0) * scale
        return ct * ((t + 1.0) * 0.5 + x * (1.0 - t * t) * slope * 0.5)

    def onnx(self, g: Any, x: Any) -> Any:
        if g.opset < 20 or g.dtype(x) == np.float64:  # ONNX Runtime's constants are float32
            return NotImplemented
        return g.Gelu(x, approximate="tanh" if self.approximation else "none")

    samples = [S((2, 3)), S((2, 3), approximation=True), S((0, 3)), S(())]


@op()
class Prelu(Op):
    """``x`` where positive, else ``gamma * x``; gamma (C,) along axis 1, or one number."""

    def infer_inputs(self, x: Any, gamma: Any) -> Any:
        size = None if x.shape is None else x.shape[1] if len(x.shape) > 1 else 1
        return x, deferred(gamma, (size,))

    def decompose(self, x: Any, gamma: Any) -> Any:
        check_dtypes("prelu", x, gamma)
        shape: Sequence[Any] = gamma.shape
        if x.ndim > 1 and gamma.ndim == 1:
            shape = (1, gamma.shape[0], *(1,) * (x.ndim - 2))
            gamma = F.reshape(gamma, shape=shape)
        return F.where(_positive(x), x, x * gamma)

    samples = [
        S(_signed, (3,)),
        S(_signed, (1,)),
        S((2, 3, 2), (3,)),
        S((0, 3), (3,)),
    ]


# ---- dropout -----------------------------------------------------------------------------------
def dropout(x: Any, p: float, axes: Sequence[int] = ()) -> Any:
    """Zero entries of `x` with probability `p`, scale the others by ``1 / (1 - p)``.

    Parameters
    ----------
    axes : sequence of int
        Axes along which one mask entry counts for all.

    Raises
    ------
    AttributeValueError
        If `p` is no probability.
    """
    if not 0.0 <= p <= 1.0:
        raise AttributeValueError(f"dropout: p={p} is no probability")
    if p == 0.0:
        return F.identity(x)
    shared = {normalize_axis(a, x.ndim) for a in axes}
    shape = tuple(1 if i in shared else n for i, n in enumerate(x.shape))
    draw = F.random_uniform(shape=shape, dtype=np.dtype("float32"))
    keep = F.cast(F.greater_equal(draw, np.asarray(p, np.float32)), dtype=x.dtype)
    scale = 1.0 / (1.0 - p) if p < 1.0 else 0.0
    return x * (keep * np.asarray(scale, x.dtype))
