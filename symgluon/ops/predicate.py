"""Tests and limits of one operand: NaN, infinities, complements, clipping."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon.errors import DTypeError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.families import unary
from symgluon.ops.lowering import emit, one, where


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
        return emit(
            g, "Sub", (one(g, dtype, -1 if dtype.kind == "i" else np.iinfo(dtype).max), x), dtype
        )

    samples = [S(_bits((2, 3))), S(_bits(())), S(lambda rng: rng.random(4) > 0.5)]


# ---- with attributes -------------------------------------------------------------------------
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
