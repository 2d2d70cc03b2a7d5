"""Statistics over axes: spread, averages, norms, percentiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Axes, DType, Floats
from symgluon.ir.dims import Dim
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, normalize_axes, normalize_axis
from symgluon.ops.apply import F
from symgluon.ops.families import float_operands, keep_axes
from symgluon.ops.reduce import Sum, cast_to, count, divide, wide


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

    def kernel(self, x: Any) -> Any:
        kind = x.dtype if self.dtype is None else dtypes.float_of(self.dtype)
        axes = normalize_axes(self.axis, x.ndim)
        values = wide(x.astype(kind, copy=False))
        n = math.prod([x.shape[i] for i in axes])
        number = values.dtype.type
        with np.errstate(all="ignore"):
            mean = np.sum(values, axis=axes, keepdims=True) / number(n)
            total = np.sum(np.square(values - mean), axis=axes, keepdims=self.keepdims)
            y = total / number(max(n - self.ddof, 0))
            y = np.sqrt(y) if self.name == "std" else y
            return np.asarray(y).astype(kind if self.dtype is None else self.dtype)

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


# ---- norms -----------------------------------------------------------------------------------
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
            f"norm: order {order!r} of matrices",
            expected="None, fro, nuc, inf, -inf, 1, -1, 2, -2",
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


# ---- quantiles -------------------------------------------------------------------------------
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
