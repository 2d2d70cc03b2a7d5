"""Operators whose results have a size that depends on data, and searches."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, DTypeError, ShapeError
from symgluon.ir.dims import current_scope
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import (
    TensorType,
    format_shape,
    normalize_axis,
)
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.checks import check_shape, equal_dims
from symgluon.ops.index import int64, own_type
from symgluon.ops.lowering import emit


def unknown_size(stem: str, origin: str) -> Any:
    """Return a dimension that only numbers can tell (no hint); None outside of a trace."""
    scope = current_scope()
    return None if scope is None else scope.new(stem, None, origin=origin)


@op(mx="_npx_nonzero _npi_nonzero")
class Nonzero(Op):
    """Coordinates of the elements that are not zero, one row each: (count, rank) int64."""

    no_grad = True
    data_dependent = True

    def infer(self, x: TensorType) -> TensorType:
        return TensorType((unknown_size("nonzero", "nonzero"), x.rank), int64)

    def kernel(self, x: Any) -> Any:
        return np.stack(np.nonzero(x), axis=1) if x.ndim else np.zeros((int(bool(x)), 0), np.int64)

    def onnx(self, g: Any, x: Any) -> Any:
        return g.transpose(g.NonZero(g.cast(x, np.dtype(bool))), [1, 0])

    samples = [S(np.array([[1.0, 0.0], [2.0, 3.0]])), S((0, 3)), S(np.array([0, 1, 2]))]


class MaskError(ShapeError, IndexError):
    """A mask that does not fit its axis: an IndexError in NumPy."""


@op(mx="_contrib_boolean_mask _npi_boolean_mask")
class BooleanMask(Op):
    """The places of `axis` of `data` where the vector `index` is not zero."""

    axis: int = 0
    data_dependent = True

    def infer(self, data: TensorType, index: TensorType) -> TensorType:
        axis = normalize_axis(self.axis, data.rank)
        shape = list(data.known_shape)
        if index.rank != 1 or not equal_dims(index.known_shape[0], shape[axis]):
            raise MaskError(
                f"boolean_mask: a mask of shape {format_shape(index.shape)} for axis {axis} of "
                f"{format_shape(shape)}"
            )
        shape[axis] = unknown_size("selected", "boolean_mask")
        return data.with_shape(shape)

    def kernel(self, data: Any, index: Any) -> Any:
        if index.ndim != 1 or index.shape[0] != data.shape[self.axis]:
            self.infer(TensorType(data.shape, data.dtype), TensorType(index.shape, index.dtype))
        return np.compress(index != 0, data, axis=self.axis)

    def grad(self, ct: Any, y: Any, data: Any, index: Any) -> Any:
        # each place takes its element of `ct`, counted from 1; the others a zero in front of them
        axis = normalize_axis(self.axis, data.ndim)
        blank = tuple([1 if i == axis else n for i, n in enumerate(data.shape)])
        rows = F.concatenate(F.full(np.zeros((), ct.dtype), shape=blank), ct, axis=axis)
        chosen = F.cast(F.not_equal(index, np.zeros((), index.dtype)), dtype="int64")
        return F.take(rows, F.cumsum(chosen, axis=0) * chosen, axis=axis, mode="clip"), None

    def onnx(self, g: Any, data: Any, index: Any) -> Any:
        axis = normalize_axis(self.axis, g.rank(data))
        return g.Compress(data, g.cast(index, np.dtype(bool)), axis=axis)

    samples = [
        S((3, 2), np.array([1, 0, 1])),
        S((2, 3), np.array([0.0, 1.0, 1.0]), axis=1),
        S((3, 2), np.zeros(3, np.int32)),
    ]


@op(mx="_npi_unique")
class Unique(Op):
    """Different elements of `data` (or of its parts along `axis`), sorted.

    Further results as asked for: their first places, the way back, and their counts (int64).
    """

    return_index: bool = False
    return_inverse: bool = False
    return_counts: bool = False
    axis: int | None = None
    no_grad = True
    data_dependent = True

    def infer(self, data: TensorType) -> Any:
        n = unknown_size("unique", "unique")
        shape: Any = (n,)
        length = data.size
        if self.axis is not None:
            axis = normalize_axis(self.axis, data.rank)
            length = data.known_shape[axis]
            shape = (*data.known_shape[:axis], n, *data.known_shape[axis + 1 :])
        sizes = [n] * self.return_index + [length] * self.return_inverse + [n] * self.return_counts
        types = [data.with_shape(shape), *[TensorType((s,), int64) for s in sizes]]
        return types[0] if len(types) == 1 else tuple(types)

    def kernel(self, data: Any) -> Any:
        found: Any = np.unique(  # type: ignore[call-overload]
            data, self.return_index, self.return_inverse, self.return_counts, axis=self.axis
        )
        if not isinstance(found, tuple):
            return found
        return (found[0], *[np.asarray(f, np.int64).reshape(-1) for f in found[1:]])

    def onnx(self, g: Any, data: Any) -> Any:
        dtype = g.dtype(data)
        wide = dtype if dtype.kind == "f" else int64
        if dtype == np.uint64:
            return NotImplemented
        axis = None if self.axis is None else normalize_axis(self.axis, g.rank(data))
        found = g.Unique(g.cast(data, wide), axis=axis, sorted=1, outputs=4)
        values = g.cast(found[0], dtype)
        wanted = (self.return_index, self.return_inverse, self.return_counts)
        results = [values, *[f for f, w in zip(found[1:], wanted, strict=True) if w]]
        return results[0] if len(results) == 1 else tuple(results)

    samples = [
        S(np.array([3.0, 1.0, 3.0, 2.0])),
        S(np.array([[1, 2], [1, 2], [0, 5]], np.int32), axis=0, return_inverse=True),
        S(np.array([2.0, 2.0, 1.0]), return_index=True, return_inverse=True, return_counts=True),
        S((0,)),
    ]


@op(mx="_npi_searchsorted")
class Searchsorted(Op):
    """Where each element of `v` belongs in the sorted vector `a`: before equals, or after them."""

    side: str = "left"
    no_grad = True
    coerce = staticmethod(same_dtypes)

    def infer(self, a: TensorType, v: TensorType) -> TensorType:
        if a.rank != 1:
            raise ShapeError("searchsorted: the sorted operand is a vector", received=a.shape)
        return TensorType(v.shape, int64)

    def kernel(self, a: Any, v: Any) -> Any:
        return np.searchsorted(a, v, self.side)  # type: ignore[call-overload]

    def onnx(self, g: Any, a: Any, v: Any) -> Any:
        dtype = g.dtype(a)
        name = "Less" if self.side == "left" else "LessOrEqual"
        wide = g.unsqueeze(v, (g.rank(v),))
        before = emit(g, name, (a, wide), dtype, back=False)
        return g.reduce("ReduceSum", g.cast(before, int64), (g.rank(v),), keepdims=False)

    samples = [
        S(np.array([1.0, 2.0, 2.0, 3.0]), np.array([[2.0, 0.0], [3.0, 4.0]])),
        S(np.array([1, 2, 2]), np.array(2), side="right"),
    ]


@op(mx="_npi_bincount")
class Bincount(Op):
    """How often each of 0, 1, 2, ... occurs in the vector `data`, or the sum of its weights."""

    minlength: int = 0
    has_weights: bool = False
    no_grad = True
    data_dependent = True
    coerce = staticmethod(
        lambda data, weights=None: (data, None if weights is None else own_type(weights))
    )

    def infer(self, data: TensorType, weights: TensorType | None = None) -> TensorType:
        if data.rank != 1 or data.dtype.kind not in "iu":
            raise ShapeError("bincount: the operand is a vector of integers", received=str(data))
        if weights is not None:
            check_shape(self.name, "weights", weights.shape, data.known_shape)
        kind = np.dtype(np.int32) if weights is None else weights.dtype
        return TensorType((unknown_size("bins", "bincount"),), kind)

    def kernel(self, data: Any, weights: Any = None) -> Any:
        if data.ndim != 1 or data.dtype.kind not in "iu" or (data.size and data.min() < 0):
            raise ShapeError(
                "bincount: the operand is a vector of integers that are not negative",
                received=f"{data.dtype.name}{data.shape}",
            )
        counts = np.bincount(data, weights, self.minlength)
        return counts.astype(np.int32 if weights is None else weights.dtype)

    samples = [
        S(np.array([0, 1, 1, 3], np.int32), None),
        S(np.array([0, 1, 1, 3]), (4,), minlength=6),
        S(np.zeros((0,), np.int64), None, minlength=2),
    ]


@op(mx="_histogram _npi_histogram")
class Histogram(Op):
    """Counts (int64) of elements in bins, and the edges of the bins.

    The bins are `bin_cnt` equal ones over `range`, or lie between the numbers in `bins`.
    """

    bin_cnt: int | None = None
    range: Any = None
    no_grad = True

    def infer(self, data: TensorType, bins: TensorType | None = None) -> Any:
        edges = bins.known_shape[0] if bins is not None else self._count() + 1
        kind = data.dtype if bins is None else bins.dtype
        return TensorType((edges - 1,), int64), TensorType((edges,), kind)

    def _count(self) -> int:
        if self.bin_cnt is None or self.range is None:
            raise AttributeValueError("histogram: without bins, bin_cnt and range are needed")
        return self.bin_cnt

    def kernel(self, data: Any, bins: Any = None) -> Any:
        if data.dtype.kind == "b":
            raise DTypeError("histogram: the operand is an array of numbers", received="bool")
        where: Any = {} if bins is not None else {"range": tuple(self.range or ())}
        try:
            counts, edges = np.histogram(data, self._count() if bins is None else bins, **where)
        except ValueError as error:
            raise AttributeValueError(f"histogram: {error}") from None
        return counts.astype(np.int64), edges.astype(data.dtype if bins is None else bins.dtype)

    samples = [
        S((7,), None, bin_cnt=3, range=(-1.0, 1.0)),
        S((2, 3), np.array([-1.0, 0.0, 0.5, 2.0])),
    ]
