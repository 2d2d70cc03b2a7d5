"""Reductions and running sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Axes, DType, Floats
from symgluon.ir.dims import Dim
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, normalize_axes, normalize_axis, prod
from symgluon.ops.apply import F
from symgluon.ops.families import Reduction, float_operands, keep_axes
from symgluon.ops.lowering import emit, kernel_type, one

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
    """A reduction with MXNet's accumulation types: bool counts in int64, others keep their type."""

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
            raise AttributeValueError(f"mean: initial is {self.initial}; a mean starts from nothing")

    def pull(self, ct: Any, y: Any, x: Any) -> Any:
        return divide(cast_to(ct, x.dtype), count(x.shape, self.axis))

    def onnx(self, g: Any, x: Any) -> Any:
        target = self.result_type(g.dtype(x))
        kind = dtypes.float_of(target)
        axes = normalize_axes(self.axis, g.rank(x))
        if g.dtype(x) != kind:
            x = g.cast(x, kind)
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
    """Place of an extremum along `axis` (None: in the flattened array), the first one of equals."""

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


# ---- statistics ----------------------------------------------------------------------------------
class _Spread(Op):
    """Mean square distance from the mean; `ddof` is taken off the number of elements."""

    axis: Axes = None
    dtype: DType | None = None
    ddof: int = 0
    keepdims: bool = False
    coerce = staticmethod(float_operands)

    def decompose(self, x: Any) -> Any:
        if self.dtype is not None:
            x = cast_to(x, dtypes.float_of(self.dtype))
        d = x - F.mean(x, axis=self.axis, keepdims=True)
        n = count(x.shape, self.axis) - self.ddof
        total = F.sum(F.square(d), axis=self.axis, keepdims=self.keepdims)
        y = self.root(divide(total, n if isinstance(n, Dim) or n > 0 else 0))
        return y if self.dtype is None else cast_to(y, self.dtype)

    def root(self, variance: Any) -> Any:
        """What is made of the variance."""
        return variance

    samples = [
        S((2, 3)),
        S((2, 3, 4), axis=1),
        S((2, 3, 4), axis=(0, -1), keepdims=True, ddof=1),
        S((2, 3), axis=1, dtype="float64"),
    ]


@op(mx="_npi_var")
class Var(_Spread):
    """Variance over `axis`."""


@op(mx="_npi_std")
class Std(_Spread):
    """Standard deviation over `axis`."""

    def root(self, variance: Any) -> Any:
        return F.sqrt(variance)


@op()
class Logsumexp(Op):
    """``log(sum(exp(x)))`` over `axis` without overflow."""

    axis: Axes = None
    keepdims: bool = False
    coerce = staticmethod(float_operands)

    def infer(self, x: TensorType) -> TensorType:
        return Sum(self.axis, self.keepdims).infer(x)

    def kernel(self, x: Any) -> Any:
        axes = normalize_axes(self.axis, x.ndim)
        wider = wide(x)
        with np.errstate(all="ignore"):
            top = np.max(wider, axis=axes, keepdims=True, initial=-np.inf)
            top = np.where(np.isfinite(top), top, wider.dtype.type(0))
            total = np.sum(np.exp(wider - top), axis=axes, keepdims=True)
            y = np.log(total) + top
        return np.asarray(y if self.keepdims else np.squeeze(y, axes), x.dtype)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        ct = keep_axes(ct, x, self.axis, self.keepdims)
        return ct * F.exp(x - keep_axes(y, x, self.axis, self.keepdims))

    def onnx(self, g: Any, x: Any) -> Any:
        axes = normalize_axes(self.axis, g.rank(x))
        return g.reduce("ReduceLogSumExp", x, axes, self.keepdims)

    samples = [S((2, 3)), S((2, 3, 4), axis=1), S((2, 3, 4), axis=(0, -1), keepdims=True), S(())]


class _SkipNan(Op):
    """A reduction to which NaN does not count."""

    axis: Axes = None
    keepdims: bool = False

    samples = [
        S(np.array([[1.0, np.nan, 2.0], [0.5, 1.0, np.nan]]), axis=1),
        S((2, 3), axis=0, keepdims=True),
        S(()),
    ]


@op()
class Nansum(_SkipNan):
    """Sum over `axis`, NaN counted as 0."""

    def decompose(self, x: Any) -> Any:
        filled = F.where(F.isnan(x), F.zeros_like(x), x)
        return F.sum(filled, axis=self.axis, keepdims=self.keepdims)


@op()
class Nanprod(_SkipNan):
    """Product over `axis`, NaN counted as 1."""

    def decompose(self, x: Any) -> Any:
        filled = F.where(F.isnan(x), F.ones_like(x), x)
        return F.prod(filled, axis=self.axis, keepdims=self.keepdims)


@op()
class CountNonzero(Op):
    """Number of elements along `axis` that are not zero, int64."""

    axis: Axes = None
    keepdims: bool = False
    no_grad = True

    def decompose(self, x: Any) -> Any:
        return F.sum(F.cast(x, dtype="bool"), axis=self.axis, keepdims=self.keepdims)

    samples = [S(np.array([[1.0, 0.0], [2.0, 3.0]])), S((2, 3), axis=1), S((0, 3), axis=0)]


@op(mx="_npi_average")
class Average(Op):
    """Mean over `axis`, weighted by `weights` (of the shape of `a`, or one a place on `axis`)."""

    axis: Axes = None
    returned: bool = False
    weighted: bool = True
    coerce = staticmethod(float_operands)

    def decompose(self, a: Any, weights: Any = None) -> Any:
        if weights is None or not self.weighted:
            mean = F.mean(a, axis=self.axis)
            if not self.returned:
                return mean
            return mean, F.ones_like(mean) * _as_value(count(a.shape, self.axis), a)
        if weights.ndim != a.ndim:
            weights = self._along(weights, a)
        weights = F.broadcast_to(weights, shape=a.shape)
        total = F.sum(weights, axis=self.axis)
        mean = F.sum(a * weights, axis=self.axis) / total
        return (mean, total) if self.returned else mean

    def _along(self, weights: Any, a: Any) -> Any:
        if weights.ndim != 1 or not isinstance(self.axis, int):
            raise ShapeError(
                "average: the weights have another rank than the array",
                expected="the shape of the array, or a vector along one axis",
                received=f"weights {weights.shape}, axis {self.axis}",
            )
        shape: list[Any] = [1] * a.ndim
        shape[normalize_axis(self.axis, a.ndim)] = weights.shape[0]
        return F.reshape(weights, shape=tuple(shape))

    samples = [
        S((2, 3), None, axis=1),
        S((2, 3), lambda rng: rng.uniform(0.5, 2, (3,)), axis=-1),
        S((2, 3), lambda rng: rng.uniform(0.5, 2, (2, 3)), returned=True),
    ]


def _as_value(n: Any, like: Any) -> Any:
    return F.cast(F.dim_value(dim=n), dtype=like.dtype) if isinstance(n, Dim) else float(n)


# ---- running sums and products -------------------------------------------------------------------
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
        normalize_axis(self.axis, x.rank)
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


# ---- norms ---------------------------------------------------------------------------------------
@op()
class Norm(Op):
    """Norm of vectors along one `axis`, of matrices along two, or of all elements together.

    `ord` is None (the square root of the sum of squares), a number, ``inf``, ``-inf``, ``fro`` or
    ``nuc``, as in NumPy's ``linalg.norm``; ``flat`` with `axis` None is the vector norm of `ord`
    over all axes, MXNet's ``norm``.
    """

    ord: Any = None
    axis: Axes = None
    keepdims: bool = False
    flat: bool = False
    coerce = staticmethod(float_operands)

    def decompose(self, x: Any) -> Any:
        axis, order = self.axis, self.ord
        if isinstance(order, str) and order.lower() in ("inf", "-inf"):
            order = float(order)
        axes = normalize_axes(axis, x.ndim)
        if self.flat or order is None or len(axes) == 1:
            return self._vector(x, axes, 2.0 if order is None or order == "fro" else order)
        if len(axes) == 2:
            return self._matrix(x, axes, order)
        raise AttributeValueError(
            f"norm: order {order!r} over {len(axes)} axes", expected="one axis or two"
        )

    def _vector(self, x: Any, axes: Any, order: Any) -> Any:
        where = {"axis": tuple(axes), "keepdims": self.keepdims}
        if isinstance(order, str):
            raise AttributeValueError(f"norm: order {order!r} is one of matrices")
        if order == 2:
            return F.euclidean_norm(x, **where)
        size = F.abs(x)
        if math.isinf(order):
            return F.max(size, **where) if order > 0 else F.min(size, **where)
        if order == 0:
            return F.sum(F.cast(F.not_equal(x, 0.0), dtype=x.dtype), **where)
        if order == 1:
            return F.sum(size, **where)
        return F.power(F.sum(F.power(size, float(order)), **where), 1.0 / order)

    def _matrix(self, x: Any, axes: Any, order: Any) -> Any:
        if order == "fro":
            return self._vector(x, axes, 2)
        if order in ("nuc", 2, -2):
            moved = F.moveaxis(x, source=tuple(axes), destination=(-2, -1))
            values = F.svd_values(moved)
            pick = {"nuc": F.sum, 2: F.max, -2: F.min}[order]
            y = pick(values, axis=-1)
            return F.expand_dims(y, axis=tuple(sorted(axes))) if self.keepdims else y
        if order in (1, -1) or (isinstance(order, float) and math.isinf(order)):
            rows = abs(order) == 1
            first, second = (axes[0], axes[1]) if rows else (axes[1], axes[0])
            sums = F.sum(F.abs(x), axis=first, keepdims=True)
            pick = F.max if order > 0 else F.min
            y = pick(sums, axis=second, keepdims=True)
            return y if self.keepdims else F.squeeze(y, axis=tuple(axes))
        raise AttributeValueError(
            f"norm: order {order!r} of matrices", expected="None, fro, nuc, inf, -inf, 1, -1, 2, -2"
        )

    samples = [
        S((2, 3)),
        S((2, 3, 4), axis=1, ord=2),
        S((2, 3), axis=1, ord=1, keepdims=True),
        S((2, 3), axis=1, ord=3),
        S((2, 3), axis=1, ord="inf"),
        S((2, 3), axis=(0, 1), ord=1),
        S((2, 3), axis=(0, 1), ord="-inf", keepdims=True),
        S((2, 3), ord="fro"),
        S((2, 3), ord=1, flat=True),
    ]


@op()
class EuclideanNorm(Op):
    """Square root of the sum of squares over `axis`; its gradient at zero is zero."""

    axis: Axes = None
    keepdims: bool = False
    coerce = staticmethod(float_operands)

    def infer(self, x: TensorType) -> TensorType:
        return Sum(self.axis, self.keepdims).infer(x)

    def kernel(self, x: Any) -> Any:
        axes = normalize_axes(self.axis, x.ndim)
        with np.errstate(all="ignore"):
            total = np.sum(np.square(wide(x)), axis=axes, keepdims=self.keepdims)
            return np.asarray(np.sqrt(total), x.dtype)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        ct = keep_axes(ct, x, self.axis, self.keepdims)
        y = keep_axes(y, x, self.axis, self.keepdims)
        safe = F.where(F.equal(y, 0.0), F.ones_like(y), y)
        return x * (ct / safe)

    def onnx(self, g: Any, x: Any) -> Any:
        return g.reduce("ReduceL2", x, normalize_axes(self.axis, g.rank(x)), self.keepdims)

    samples = [S((2, 3)), S((2, 3, 4), axis=(0, 2)), S((2, 3), axis=-1, keepdims=True),
               S((0, 3), axis=0)]  # fmt: skip



# ---- quantiles ---------------------------------------------------------------------------------------
_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


@op()
class Percentile(Op):
    """The percentiles `q` (0 to 100) over `axis`, one each along a new first axis.

    `interpolation` says what stands between two elements: ``linear``, ``lower``, ``higher``,
    ``midpoint`` or ``nearest``.
    """

    q: Floats
    axis: Axes = None
    interpolation: str = "linear"
    keepdims: bool = False
    coerce = staticmethod(float_operands)

    def decompose(self, a: Any) -> Any:
        if self.interpolation not in _METHODS:
            raise AttributeValueError(
                f"percentile: interpolation {self.interpolation!r}", expected=", ".join(_METHODS)
            )
        if any(not 0 <= v <= 100 for v in self.q):
            raise AttributeValueError(f"percentile: {self.q} are not all between 0 and 100")
        axes = normalize_axes(self.axis, a.ndim)
        rest = [i for i in range(a.ndim) if i not in axes]
        moved = F.transpose(a, axes=(*axes, *rest)) if a.ndim > 1 else a
        n = int(count(a.shape, axes))
        if n == 0:
            raise ShapeError("percentile: no elements", received=f"shape {a.shape}")
        kept = [a.shape[i] for i in rest]
        ordered = F.sort(F.reshape(moved, shape=(n, *kept)), axis=0)
        low, high, part = self._places(n)
        below, above = F.take(ordered, low, axis=0), F.take(ordered, high, axis=0)
        weight = part.reshape(-1, *(1,) * len(rest)).astype(a.dtype)
        y = below + (above - below) * weight
        if not self.keepdims:
            return y
        shape = [1 if i in axes else m for i, m in enumerate(a.shape)]
        return F.reshape(y, shape=(len(self.q), *shape))

    def _places(self, n: int) -> tuple[Any, Any, Any]:
        """Places below and above each percentile among `n`, and the share of the upper one."""
        at = np.asarray(self.q) / 100 * (n - 1)
        low, high = np.floor(at), np.ceil(at)
        if self.interpolation == "lower":
            high = low
        elif self.interpolation == "higher":
            low = high
        elif self.interpolation == "nearest":
            low = high = np.rint(at)
        part = np.full(at.shape, 0.5) if self.interpolation == "midpoint" else at - low
        return low.astype(np.int64), high.astype(np.int64), part * (high > low)

    samples = [
        S((7,), q=(30, 50)),
        S((2, 5), q=50, axis=1, keepdims=True),
        S((2, 3, 2), q=(0, 25, 100), axis=(0, 2), interpolation="lower"),
        S((5,), q=(10, 60), interpolation="midpoint"),
        S((5,), q=(10, 60), interpolation="nearest"),
        S((5,), q=(10, 60), interpolation="higher"),
    ]
