"""Reductions and running sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import DType
from symgluon.ir.dims import Dim
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, normalize_axes, normalize_axis, prod
from symgluon.ops.apply import F
from symgluon.ops.families import Reduction
from symgluon.ops.lowering import emit, one

int64 = np.dtype(np.int64)
boolean = np.dtype(bool)


def cast_to(x: Any, dtype: Any) -> Any:
    """`x` in `dtype`, without a node where it has it."""
    return x if x.dtype == dtype else F.cast(x, dtype=dtype)


def count(shape: Sequence[Any], axis: Any) -> Any:
    """Number of elements that a reduction over `axis` takes together: an int or a Dim."""
    return prod([shape[i] for i in normalize_axes(axis, len(shape))])


def divide(x: Any, n: Any) -> Any:
    """``x / n`` for a number of elements `n`, which may be symbolic; 0 / 0 is NaN."""
    if not isinstance(n, Dim):
        return x / (float(n) if n else math.nan)
    return x / F.cast(F.dim_value(dim=n), dtype=x.dtype)


def wide(x: Any) -> Any:
    """16-bit floats in float32, in which they are accumulated."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x


class _Accumulated(Reduction):
    """A reduction with MXNet's types: bool counts in int64, others keep their type."""

    dtype: DType | None = None
    initial: float | None = None

    def result_type(self, dtype: Any) -> Any:
        if self.dtype is not None:
            return self.dtype
        return int64 if dtype == boolean else dtype

    def prepared(self, x: Any) -> Any:
        """The operand in the dtype of the result (16-bit floats in float32)."""
        return wide(x.astype(self.result_type(x.dtype), copy=False))

    def finish(self, g: Any, y: Any, dtype: Any) -> Any:
        """Take the initial value in, in a lowering."""
        raise AttributeValueError(f"{self.name}: initial")

    def onnx(self, g: Any, x: Any) -> Any:
        y = super().onnx(g, x)
        if self.initial is None or y is NotImplemented:
            return y
        return self.finish(g, y, self.result_type(g.dtype(x)))


@op(mx="_npi_sum _np_sum")
class Sum(_Accumulated):
    """Sum over `axis`."""

    onnx_name = "ReduceSum"

    def compute(self, x: Any, axes: tuple[int, ...]) -> Any:
        total = np.sum(self.prepared(x), axis=axes, keepdims=self.keepdims)
        return total if self.initial is None else total + self.initial

    def pull(self, ct: Any, y: Any, x: Any) -> Any:
        return ct

    def finish(self, g: Any, y: Any, dtype: Any) -> Any:
        return emit(g, "Add", (y, one(g, dtype, self.initial)), dtype)

    samples = [
        *Reduction.samples,
        S((0, 3), axis=0),
        S(np.array([[True, False], [True, True]]), axis=0),
        S(np.array([100, 100], np.int8)),
        S((2, 3), axis=1, dtype="float64", initial=2.0),
        S((2, 3), axis=()),
    ]


@op(mx="_npi_mean")
class Mean(_Accumulated):
    """Mean over `axis`; integers give the default float."""

    def result_type(self, dtype: Any) -> Any:
        return self.dtype if self.dtype is not None else dtypes.float_of(dtype)

    def compute(self, x: Any, axes: tuple[int, ...]) -> Any:
        n = math.prod(x.shape[i] for i in axes)
        kind = dtypes.float_of(self.result_type(x.dtype))
        total = np.sum(wide(x.astype(kind, copy=False)), axis=axes, keepdims=self.keepdims)
        return total / total.dtype.type(n)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.initial is not None:
            raise AttributeValueError(
                f"mean: initial is {self.initial}; a mean starts from nothing"
            )

    def pull(self, ct: Any, y: Any, x: Any) -> Any:
        return divide(cast_to(ct, x.dtype), count(x.shape, self.axis))

    def onnx(self, g: Any, x: Any) -> Any:
        target = self.result_type(g.dtype(x))
        kind = dtypes.float_of(target)
        axes = normalize_axes(self.axis, g.rank(x))
        sizes = [g.shape(x)[i] for i in axes]
        if g.dtype(x) != kind:
            x = g.cast(x, kind)
        if any(isinstance(n, int) and n == 0 for n in sizes):
            zero = g.const(np.zeros((), kind))  # NaN: ONNX Runtime's ReduceMean gives 0
            y = g.Div(g.reduce("ReduceSum", x, axes, self.keepdims), zero)
        else:
            y = g.reduce("ReduceMean", x, axes, self.keepdims)
        return y if kind == target else g.cast(y, target)

    samples = [
        *Reduction.samples,
        S(np.array([[1, 2], [3, 5]], np.int32), axis=0),
        S((2, 3), axis=1, dtype="float64"),
        S((2, 0, 3), axis=1),
    ]


def _product_of_others(x: Any, axes: tuple[int, ...]) -> Any:
    """Derivative of a product by each factor: what stands before times what stands after it.

    Right with zeros among the factors too, where the quotient of product and factor is not.
    """
    rest = [i for i in range(x.ndim) if i not in axes]
    order = (*rest, *axes)
    moved = F.transpose(x, axes=order)
    n = prod([x.shape[i] for i in axes])
    flat = F.reshape(moved, shape=(*[x.shape[i] for i in rest], n))
    last = len(rest)
    before = _exclusive_product(flat, last)
    after = F.flip(_exclusive_product(F.flip(flat, axis=last), last), axis=last)
    others = F.reshape(before * after, shape=moved.shape)
    return F.transpose(others, axes=tuple(sorted(range(x.ndim), key=order.__getitem__)))


def _exclusive_product(x: Any, axis: int) -> Any:
    """Running product along the last axis without the element itself."""
    lead = (slice(None),) * axis
    ones = F.ones_like(F.index(x, index=(*lead, slice(0, 1))))
    return F.concatenate(
        ones, F.cumprod(F.index(x, index=(*lead, slice(0, -1))), axis=axis), axis=axis
    )


@op(mx="_npi_prod _np_prod _np_product")
class Prod(_Accumulated):
    """Product over `axis`."""

    onnx_name = "ReduceProd"

    def compute(self, x: Any, axes: tuple[int, ...]) -> Any:
        total = np.prod(self.prepared(x), axis=axes, keepdims=self.keepdims)
        return total if self.initial is None else total * self.initial

    def pull(self, ct: Any, y: Any, x: Any) -> Any:
        axes = normalize_axes(self.axis, x.ndim)
        if not axes:
            return ct
        others = _product_of_others(cast_to(x, y.dtype), axes)
        return ct * (others if self.initial is None else others * self.initial)

    def finish(self, g: Any, y: Any, dtype: Any) -> Any:
        return emit(g, "Mul", (y, one(g, dtype, self.initial)), dtype)

    samples = [
        *Reduction.samples,
        S((0, 3), axis=0),
        S(np.array([[1.5, 0.0, 2.0], [0.0, 0.0, 1.0]]), axis=1),
        S(np.array([True, False])),
        S((2, 3), axis=1, initial=2.0),
    ]


class _Extremum(Reduction):
    """Largest or smallest element; all that are equal to it take the cotangent, as in MXNet."""

    initial: float | None = None

    def compute(self, x: Any, axes: tuple[int, ...]) -> Any:
        if self.initial is None and not all(x.shape[i] for i in axes):
            raise ShapeError(
                f"{self.name}: nothing to reduce along axis {self.axis} of shape {x.shape}",
                hint="Give an initial value, or leave empty arrays out.",
            )
        start = {} if self.initial is None else {"initial": x.dtype.type(self.initial)}
        return getattr(np, self.name)(x, axis=axes, keepdims=self.keepdims, **start)

    def pull(self, ct: Any, y: Any, x: Any) -> Any:
        return ct * F.cast(F.equal(x, y), dtype=ct.dtype)

    def onnx(self, g: Any, x: Any) -> Any:
        y = super().onnx(g, x)
        if self.initial is None or y is NotImplemented:
            return y
        dtype = g.dtype(x)
        return emit(g, self.name.title(), (y, one(g, dtype, self.initial)), dtype)

    samples = [
        *Reduction.samples,
        S(np.array([[3, 1, 3], [2, 2, 0]], np.int32), axis=1),
        S(np.array([[True, False], [True, True]]), axis=0),
        S((0, 3), axis=0, initial=0.5),
        S((0, 3), axis=1),
    ]


@op(mx="_npi_max _npi_amax _np_max _np_amax")
class Max(_Extremum):
    """Largest element along `axis`."""

    onnx_name = "ReduceMax"


@op(mx="_npi_min _npi_amin _np_min _np_amin")
class Min(_Extremum):
    """Smallest element along `axis`."""

    onnx_name = "ReduceMin"


class _Truth(Reduction):
    """Reductions of truth values."""

    no_grad = True

    def result_type(self, dtype: Any) -> Any:
        return boolean

    def compute(self, x: Any, axes: tuple[int, ...]) -> Any:
        return getattr(np, self.name)(x, axis=axes, keepdims=self.keepdims)

    def onnx(self, g: Any, x: Any) -> Any:
        # counted, since maxima of nothing are not defined and bools have no kernel everywhere
        axes = normalize_axes(self.axis, g.rank(x))
        flag = g.cast(x, boolean)
        flag = g.Not(flag) if self.name == "all" else flag
        counted = g.reduce("ReduceSum", g.cast(flag, int64), axes, self.keepdims)
        zero = one(g, int64, 0)
        return g.Equal(counted, zero) if self.name == "all" else g.Greater(counted, zero)

    samples = [
        *Reduction.samples,
        S(np.array([[True, False], [True, True]]), axis=1),
        S(np.zeros((2, 3)), axis=0),
        S((0, 3), axis=0),
    ]


@op(mx="_npi_any _np_any _np_sometrue", name="any")
class AnyTrue(_Truth):
    """Whether any element along `axis` is not zero."""


@op(mx="_npi_all _np_all", name="all")
class AllTrue(_Truth):
    """Whether all elements along `axis` are not zero."""


class _ArgExtremum(Op):
    """Place of an extremum along `axis` (None: of the flattened array), the first of equals."""

    axis: int | None = None
    keepdims: bool = False
    no_grad = True

    def infer(self, x: TensorType) -> TensorType:
        rank = x.rank
        if self.axis is None:
            return TensorType((1,) * rank if self.keepdims else (), int64)
        axis = normalize_axis(self.axis, rank)
        shape = list(x.known_shape)
        shape[axis : axis + 1] = [1] if self.keepdims else []
        return TensorType(shape, int64)

    def kernel(self, x: Any) -> Any:
        if x.size == 0 and (self.axis is None or x.shape[self.axis] == 0):
            raise ShapeError(f"{self.name}: the array of shape {x.shape} has no elements there")
        return getattr(np, self.name)(x, axis=self.axis, keepdims=self.keepdims)

    def onnx(self, g: Any, x: Any) -> Any:
        dtype, rank = g.dtype(x), g.rank(x)
        name = {"argmax": "ArgMax", "argmin": "ArgMin"}[self.name]
        if self.axis is not None:
            axis = normalize_axis(self.axis, rank)
            return emit(g, name, (x,), dtype, back=False, axis=axis, keepdims=int(self.keepdims))
        flat = emit(g, name, (g.reshape(x, (-1,)),), dtype, back=False, axis=0, keepdims=0)
        return g.reshape(flat, (1,) * rank) if self.keepdims and rank else flat

    samples = [
        S((2, 3)),
        S((2, 3, 4), axis=1),
        S((2, 3), axis=-1, keepdims=True),
        S((2, 3), keepdims=True),
        S(np.array([[1, 3, 3], [0, 0, -1]], np.int32), axis=1),
        S((0, 3), axis=1),
    ]


@op(mx="_npi_argmax")
class Argmax(_ArgExtremum):
    """Place of the largest element."""


@op(mx="_npi_argmin")
class Argmin(_ArgExtremum):
    """Place of the smallest element."""
