"""Running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.ir.attrs import DType
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, normalize_axis
from symgluon.ops.apply import F
from symgluon.ops.lowering import kernel_type
from symgluon.ops.reduce import boolean, int64, wide


@op(mx="_npi_cumsum _np_cumsum cumsum")
class Cumsum(Op):
    """Running sum along `axis` (None: of the flattened array), from the end if `reverse`."""

    axis: int | None = None
    dtype: DType | None = None
    reverse: bool = False

    def result_type(self, dtype: Any) -> Any:
        """Dtype of the result."""
        if self.dtype is not None:
            return self.dtype
        return int64 if dtype == boolean else dtype

    def infer(self, x: TensorType) -> TensorType:
        if self.axis is None:
            return TensorType((x.size,), self.result_type(x.dtype))
        normalize_axis(self.axis, x.rank)
        return x.with_dtype(self.result_type(x.dtype))

    def kernel(self, x: Any) -> Any:
        target = self.result_type(x.dtype)
        axis = 0 if self.axis is None else self.axis
        x = x.reshape(-1) if self.axis is None else x
        x = wide(x.astype(target, copy=False))
        with np.errstate(all="ignore"):
            if self.reverse:
                y = np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=x.dtype), axis)
            else:
                y = np.cumsum(x, axis=axis, dtype=x.dtype)
        return y.astype(target)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        back = F.cumsum(ct, axis=0 if self.axis is None else self.axis, reverse=not self.reverse)
        return F.reshape(back, shape=x.shape) if self.axis is None else back

    def onnx(self, g: Any, x: Any) -> Any:
        target = self.result_type(g.dtype(x))
        axis = 0 if self.axis is None else normalize_axis(self.axis, g.rank(x))
        if target != g.dtype(x):
            x = g.cast(x, target)
        if self.axis is None:
            x = g.reshape(x, (-1,))
        along = g.const(np.asarray(axis, np.int64))
        wider = kernel_type(g, "CumSum", target)
        x = x if wider == target else g.cast(x, wider)
        y = g.CumSum(x, along, reverse=int(self.reverse))
        return y if wider == target else g.cast(y, target)

    samples = [
        S((2, 3)),
        S((2, 3), axis=1),
        S((2, 3), axis=-2, reverse=True),
        S((), axis=None),
        S((0, 3), axis=0),
        S(np.array([True, True, False]), axis=0),
        S(np.array([100, 100], np.int8), axis=0),
        S((4,), axis=0, dtype="float64"),
    ]


@op()
class Cumprod(Op):
    """Running product along `axis`."""

    axis: int

    def infer(self, x: TensorType) -> TensorType:
        # the lowering and the gradient take as many steps as the axis is long, in powers of two
        int(x.known_shape[normalize_axis(self.axis, x.rank)])
        return x

    def kernel(self, x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.cumprod(wide(x), axis=self.axis, dtype=wide(x).dtype).astype(x.dtype)

    def decompose(self, x: Any) -> Any:
        """Multiply by the product of the 1, 2, 4, ... elements before: right with zeros too."""
        axis = normalize_axis(self.axis, x.ndim)
        n = int(x.shape[axis])
        shift = 1
        while shift < n:
            lead = (slice(None),) * axis
            before = F.index(x, index=(*lead, slice(0, n - shift)))
            ones = F.ones_like(F.index(x, index=(*lead, slice(0, shift))))
            x = x * F.concatenate(ones, before, axis=axis)
            shift *= 2
        return x

    samples = [S((2, 3), axis=1), S((5,), axis=0), S(np.array([1.0, 0.0, 2.0]), axis=0),
               S((0, 3), axis=1)]  # fmt: skip
