"""Operators without operands: ranges, identities, windows; and triangles and diagonals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import ShapeError
from symgluon.ir.attrs import DType, Shape
from symgluon.ir.dims import Dim, same
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, normalize_axes
from symgluon.ops.apply import F
from symgluon.ops.lowering import kernel_type, one, where

int64 = np.dtype(np.int64)
SMALL = 256
"""Arrays up to this many elements are written into ONNX files, longer ones are computed there."""


class _Constant(Op):
    """An array that the attributes determine."""

    no_grad = True

    def onnx(self, g: Any) -> Any:
        return g.const(self.kernel())


def _symbolic(*values: Any) -> bool:
    return any(isinstance(v, Dim) for v in values)


@op()
class Arange(Op):
    """``start, start + step, ...`` up to but without `stop`; bounds may be symbolic."""

    start: Any = 0
    stop: Any = None
    step: Any = 1
    dtype: DType = dtypes.float32
    no_grad = True

    def bounds(self) -> tuple[Any, Any, Any]:
        """Start, stop and step, with one bound counted as `stop`."""
        if self.stop is None:
            return 0, self.start, self.step
        return self.start, self.stop, self.step

    def size(self) -> Any:
        """Number of elements."""
        start, stop, step = self.bounds()
        if _symbolic(start, stop, step):
            n = stop - start if isinstance(step, int) and step == 1 else -((start - stop) // step)
            return n if not isinstance(n, int) or n > 0 else 0
        if step == 0:
            raise ShapeError("arange: the step is 0")
        return max(math.ceil((stop - start) / step), 0)

    def infer(self) -> TensorType:
        return TensorType((self.size(),), self.dtype)

    def kernel(self) -> Any:
        start, stop, step = [int(v) if isinstance(v, Dim) else v for v in self.bounds()]
        return np.arange(start, stop, step).astype(self.dtype)

    def onnx(self, g: Any) -> Any:
        start, stop, step = self.bounds()
        whole = all(isinstance(v, int | Dim) for v in (start, stop, step))
        if not _symbolic(start, stop, step) and (self.size() <= SMALL or not whole):
            return g.const(self.kernel())
        ends = [
            g.dim_value(v) if isinstance(v, Dim) else one(g, int64, v) for v in (start, stop, step)
        ]
        row = g.Range(*ends)
        return row if self.dtype == int64 else g.cast(row, self.dtype)

    samples = [
        S(stop=5, dtype="int64"),
        S(start=2, stop=9, step=3),
        S(start=5, stop=0, step=-2, dtype="int32"),
        S(start=0.5, stop=2.0, step=0.25),
        S(start=0, stop=0),
        S(start=3, dtype="float64"),
        S(start=0, stop=1000, dtype="int64"),
    ]


@op()
class Linspace(_Constant):
    """`num` numbers from `start` to `stop`, the end included if `endpoint`."""

    start: float
    stop: float
    num: int = 50
    endpoint: bool = True
    dtype: DType = dtypes.float32

    def infer(self) -> TensorType:
        return TensorType((self.num,), self.dtype)

    def kernel(self) -> Any:
        return np.linspace(self.start, self.stop, self.num, self.endpoint).astype(self.dtype)

    samples = [
        S(start=0, stop=1, num=5),
        S(start=1, stop=-1, num=4, endpoint=False),
        S(start=0, stop=1, num=0),
    ]


@op()
class Logspace(_Constant):
    """`num` powers of `base`, the exponents evenly from `start` to `stop`."""

    start: float
    stop: float
    num: int = 50
    endpoint: bool = True
    base: float = 10.0
    dtype: DType = dtypes.float32

    def infer(self) -> TensorType:
        return TensorType((self.num,), self.dtype)

    def kernel(self) -> Any:
        powers = np.logspace(self.start, self.stop, self.num, self.endpoint, self.base)
        return powers.astype(self.dtype)

    samples = [S(start=0, stop=2, num=5), S(start=1, stop=2, num=3, base=2.0, endpoint=False)]


def _grid(g: Any, rows: Any, columns: Any, k: int, test: str) -> Any:
    """Emit ``test(column - row, k)`` as a bool matrix."""

    def line(n: Any, shape: tuple[int, int]) -> Any:
        row = g.Range(one(g, int64, 0), g.dim_value(n) if isinstance(n, Dim) else one(g, int64, n),
                      one(g, int64))  # fmt: skip
        return g.reshape(row, shape)

    gap = g.Sub(line(columns, (1, -1)), line(rows, (-1, 1)))
    return getattr(g, test)(gap, one(g, int64, k))


class _Matrix(Op):
    """A matrix of ones and zeros; N rows, M columns (None: as many), diagonal k."""

    N: Any
    M: Any = None
    k: int = 0
    dtype: DType = dtypes.float32
    no_grad = True

    @property
    def columns(self) -> Any:
        """Number of columns."""
        return self.N if self.M is None else self.M

    def infer(self) -> TensorType:
        return TensorType((self.N, self.columns), self.dtype)

    def _emit(self, g: Any, test: str) -> Any:
        n, m = self.N, self.columns
        if not _symbolic(n, m) and n * m <= SMALL:
            return g.const(self.kernel())
        return g.cast(_grid(g, n, m, self.k, test), self.dtype)

    samples = [
        S(N=3),
        S(N=2, M=4, k=1),
        S(N=3, M=2, k=-1, dtype="int32"),
        S(N=0),
        S(N=20, M=30, k=2),
    ]


@op()
class Eye(_Matrix):
    """Ones on the diagonal `k`."""

    def kernel(self) -> Any:
        return np.eye(int(self.N), int(self.columns), self.k, self.dtype)

    def onnx(self, g: Any) -> Any:
        return self._emit(g, "Equal")


@op()
class Tri(_Matrix):
    """Ones at and below the diagonal `k`."""

    def kernel(self) -> Any:
        return np.tri(int(self.N), int(self.columns), self.k, self.dtype)

    def onnx(self, g: Any) -> Any:
        return self._emit(g, "LessOrEqual")


@op()
class Indices(Op):
    """Coordinates of a grid: (rank, dimensions...)."""

    dimensions: Shape
    dtype: DType = dtypes.int64
    no_grad = True

    def infer(self) -> TensorType:
        return TensorType((len(self.dimensions), *self.dimensions), self.dtype)

    def kernel(self) -> Any:
        return np.indices(self.dimensions, self.dtype)

    def onnx(self, g: Any) -> Any:
        if _symbolic(*self.dimensions) or math.prod(self.dimensions) > SMALL:
            return NotImplemented
        return g.const(self.kernel())

    def decompose(self) -> Any:
        rank = len(self.dimensions)
        rows = []
        for axis, n in enumerate(self.dimensions):
            row = F.arange(start=0, stop=n, step=1, dtype=self.dtype)
            row = F.reshape(row, shape=(1,) * axis + (n,) + (1,) * (rank - axis - 1))
            rows.append(F.broadcast_to(row, shape=self.dimensions))
        return F.stack(*rows, axis=0)

    samples = [
        S(dimensions=(2, 3)),
        S(dimensions=(4,), dtype="float32"),
        S(dimensions=(2, 0)),
        S(dimensions=(20, 30)),
    ]


# ---- windows ---------------------------------------------------------------------------------
class _Window(_Constant):
    """A window of `M` points that falls to its ends."""

    M: int
    dtype: DType = dtypes.float32

    def infer(self) -> TensorType:
        return TensorType((max(self.M, 0),), self.dtype)

    def kernel(self) -> Any:
        return getattr(np, self.name)(self.M).astype(self.dtype)

    samples = [S(M=7), S(M=1), S(M=0), S(M=4, dtype="float64")]


@op()
class Hanning(_Window):
    """Hann's window."""


@op()
class Hamming(_Window):
    """Hamming's window."""


@op()
class Blackman(_Window):
    """Blackman's window."""


# ---- triangles and diagonals -----------------------------------------------------------------
class _Triangle(Op):
    """A triangle of the matrices in the last two axes, zeros elsewhere."""

    k: int = 0

    def infer(self, x: TensorType) -> TensorType:
        shape = x.known_shape
        if not shape:
            raise ShapeError(f"{self.name}: a 0-d operand")
        return x if len(shape) > 1 else x.with_shape((shape[0], shape[0]))

    def kernel(self, x: Any) -> Any:
        return getattr(np, self.name)(x, self.k)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        inner = getattr(F, self.name)(ct, k=self.k)
        return F.sum(inner, axis=0) if x.ndim == 1 else inner

    def onnx(self, g: Any, x: Any) -> Any:
        dtype = g.dtype(x)
        shape = g.shape(x)
        if len(shape) == 1:
            shape = (shape[0], shape[0])
            x = g.Expand(x, g.shape_vector(shape))
        if g.opset < 14:
            test = "LessOrEqual" if self.name == "tril" else "GreaterOrEqual"
            mask = _grid(g, shape[-2], shape[-1], self.k, test)
            return where(g, mask, x, one(g, dtype, 0), dtype)
        wide = kernel_type(g, "Trilu", dtype)
        k = one(g, int64, self.k)
        source = x if wide == dtype else g.cast(x, wide)
        result = g.Trilu(source, k, upper=int(self.name == "triu"))
        return result if wide == dtype else g.cast(result, dtype)

    samples = [S((3, 3)), S((2, 3, 4), k=1), S((3, 2), k=-1), S((3,)), S((0, 3))]


@op(mx="_npi_tril")
class Tril(_Triangle):
    """Lower triangle of `x`, up to the diagonal `k`."""


@op(mx="_npi_triu")
class Triu(_Triangle):
    """Upper triangle of `x`, from the diagonal `k` on."""


@op(mx="_npi_diagonal _np_diagonal")
class Diagonal(Op):
    """The diagonal `offset` of the plane of two axes, as the last axis."""

    offset: int = 0
    axis1: int = 0
    axis2: int = 1
    aliases = True

    def _parts(self, shape: Any) -> tuple[int, int, Any]:
        """Axes, and the number of elements on the diagonal."""
        if len(shape) < 2:
            raise ShapeError("diagonal: the operand has no two axes", received=shape)
        a, b = normalize_axes((self.axis1, self.axis2), len(shape))
        rows, columns = shape[a], shape[b]
        if self.offset >= 0:
            columns = columns - self.offset
        else:
            rows = rows + self.offset
        n = rows if same(rows, columns) or rows < columns else columns
        return a, b, 0 if n < 0 else n

    def infer(self, x: TensorType) -> TensorType:
        shape = x.known_shape
        a, b, n = self._parts(shape)
        return x.with_shape((*[m for i, m in enumerate(shape) if i not in (a, b)], n))

    def kernel(self, x: Any) -> Any:
        self._parts(x.shape)
        return np.diagonal(x, self.offset, self.axis1, self.axis2)

    def decompose(self, x: Any) -> Any:
        a, b, n = self._parts(x.shape)
        rest = [i for i in range(x.ndim) if i not in (a, b)]
        moved = F.transpose(x, axes=(a, b, *rest))
        row = F.arange(start=0, stop=n, step=1, dtype="int64")
        places = F.stack(row + max(-self.offset, 0), row + max(self.offset, 0), axis=0)
        found = F.gather_nd(moved, places)
        return F.moveaxis(found, source=0, destination=-1) if rest else found

    samples = [
        S((3, 3)),
        S((3, 4), offset=1),
        S((3, 4), offset=-2),
        S((2, 3, 4), axis1=2, axis2=0),
        S((2, 2), offset=5),
    ]


@op(mx="_linalg_makediag linalg_makediag")
class MakeDiag(Op):
    """Matrices with the vectors of the last axis on their diagonal `offset`, zeros elsewhere."""

    offset: int = 0

    def decompose(self, x: Any) -> Any:
        if not x.ndim:
            raise ShapeError("make_diag: a 0-d operand")
        k = self.offset
        lead, n = x.shape[:-1], x.shape[-1]
        size = n + abs(k)
        if k:
            ends = (0, k) if k > 0 else (-k, 0)
            x = F.pad(x, pad_width=(*(0, 0) * len(lead), *ends))
        column = F.reshape(x, shape=(*lead, size, 1))
        mask = F.eye(N=size, M=size, k=k, dtype="bool")
        return F.where(mask, column, np.zeros((), x.dtype))

    samples = [S((3,)), S((2, 3), offset=1), S((3,), offset=-2), S((0,))]


@op(mx="_npi_diag _np_diag")
class Diag(Op):
    """Matrix with the vector `x` on its diagonal `k`, or the diagonal `k` of the matrix `x`."""

    k: int = 0

    def decompose(self, x: Any) -> Any:
        if x.ndim == 1:
            return F.make_diag(x, offset=self.k)
        if x.ndim != 2:
            raise ShapeError("diag: the operand is a vector or a matrix", received=x.shape)
        return F.diagonal(x, offset=self.k)

    samples = [S((3,)), S((3,), k=-1), S((3, 4)), S((3, 4), k=1)]
