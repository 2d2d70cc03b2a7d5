"""Normalisations: batch, layer, group, instance."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, normalize_axis
from symgluon.ops.apply import F
from symgluon.ops.checks import (
    along,
    along_array,
    axis_size,
    check_rank,
    check_shape,
    deferred,
)
from symgluon.ops.kernels import misc
from symgluon.ops.lowering import attribute_holds


def _channels(axis: int, rank: int) -> tuple[int, ...]:
    """All axes but the one of the channels."""
    return tuple(i for i in range(rank) if i != axis)


def _cast(x: Any, dtype: Any) -> Any:
    return x if x.dtype == dtype else F.cast(x, dtype=dtype)


# ---- batch normalisation -----------------------------------------------------------------------
class _BatchNorm(Op):
    eps: float = 1e-5
    axis: int = 1

    def place(self, rank: int) -> int:
        """Axis of the channels."""
        return normalize_axis(self.axis, rank)

    def vectors(self, x: TensorType, *vectors: TensorType) -> None:
        """Require (C,) operands."""
        size = axis_size(x, self.axis)
        for name, v in zip(("gamma", "beta", "mean", "variance"), vectors, strict=False):
            check_shape("BatchNorm", name, v.shape, (size,))


@op()
class BatchNormInference(_BatchNorm):
    """``(x - mean) / sqrt(var + eps) * gamma + beta`` along the channels (arXiv:1502.03167)."""

    eager_min: ClassVar[int | None] = 2000
    reads_weights = True

    def infer_inputs(self, x: Any, gamma: Any, beta: Any, mean: Any, var: Any) -> Any:
        size = axis_size(x, self.axis)
        return x, *[deferred(v, (size,)) for v in (gamma, beta, mean, var)]

    def infer(
        self, x: TensorType, gamma: TensorType, beta: TensorType, mean: TensorType, var: TensorType
    ) -> TensorType:
        self.vectors(x, gamma, beta, mean, var)
        return x

    def kernel(self, x: Any, gamma: Any, beta: Any, mean: Any, var: Any) -> Any:
        return self._computed(None, x, gamma, beta, mean, var).astype(x.dtype, copy=False)

    def into(self, out: Any, x: Any, gamma: Any, beta: Any, mean: Any, var: Any) -> bool:
        if x.dtype.itemsize == 2 or x.dtype != gamma.dtype:
            return False
        self._computed(out, x, gamma, beta, mean, var)
        return True

    def _computed(self, out: Any, x: Any, gamma: Any, beta: Any, mean: Any, var: Any) -> Any:
        """The result, in float32 at least, in `out` if that is given."""
        wide = np.result_type(gamma.dtype, np.float32)
        scale = gamma.astype(wide) / np.sqrt(var.astype(wide) + wide.type(self.eps))
        shift = beta.astype(wide) - mean.astype(wide) * scale
        at, rank = self.place(x.ndim), x.ndim
        if np.abs(mean).max(initial=0) > 1e3 * np.sqrt(np.max(var, initial=1e-30)):
            # far from zero: subtract first, or the two large terms cancel badly
            y = np.subtract(x, along_array(mean.astype(wide), at, rank), out=out)
            y *= along_array(scale, at, rank)
            y += along_array(beta.astype(wide), at, rank)
        else:
            y = np.multiply(x, along_array(scale, at, rank), out=out)
            y += along_array(shift, at, rank)
        return y

    def decompose(self, x: Any, gamma: Any, beta: Any, mean: Any, var: Any) -> Any:
        at, rank, dtype = self.place(x.ndim), x.ndim, gamma.dtype
        inverse = F.rsqrt(var + self.eps)
        data = _cast(x, dtype)
        y = (data - along(mean, at, rank)) * along(inverse * gamma, at, rank)
        return _cast(y + along(beta, at, rank), x.dtype)

    def onnx(self, g: Any, x: Any, gamma: Any, beta: Any, mean: Any, var: Any) -> Any:
        rank = g.rank(x)
        at = self.place(rank)
        if g.dtype(x) != g.dtype(gamma) or not attribute_holds(g, x, self.eps):
            return NotImplemented
        if at == 1:
            return g.BatchNormalization(x, gamma, beta, mean, var, epsilon=self.eps)
        perm = [0, at, *[i for i in range(1, rank) if i != at]] if at else [1, 0, *range(2, rank)]
        inverse = [perm.index(i) for i in range(rank)]
        y = g.BatchNormalization(g.transpose(x, perm), gamma, beta, mean, var, epsilon=self.eps)
        return g.transpose(y, inverse)

    samples = [
        S((2, 3, 4), 3, 3, 3, lambda rng: rng.uniform(0.5, 2, 3)),
        S((2, 4, 3), 3, 3, 3, lambda rng: rng.uniform(0.5, 2, 3), axis=-1),
        S((2, 3), 3, 3, 3, lambda rng: rng.uniform(0.5, 2, 3), eps=1e-3),
        S((0, 3, 2), 3, 3, 3, lambda rng: rng.uniform(0.5, 2, 3)),
    ]


@op()
class BatchNormTrain(_BatchNorm):
    """Normalise by the statistics of the batch.

    Returns y, the batch's mean and (biased) variance, and ``1 / sqrt(var + eps)``.  The variance is
    that of the deviations: E[x^2] - E[x]^2 loses all digits away from zero mean.
    """

    eager_min: ClassVar[int | None] = 2000

    def infer_inputs(self, x: Any, gamma: Any, beta: Any) -> Any:
        size = axis_size(x, self.axis)
        return x, deferred(gamma, (size,)), deferred(beta, (size,))

    def infer(self, x: TensorType, gamma: TensorType, beta: TensorType) -> Any:
        self.vectors(x, gamma, beta)
        return x, gamma, gamma, gamma

    def kernel(self, x: Any, gamma: Any, beta: Any) -> Any:
        at, rank = self.place(x.ndim), x.ndim
        axes = _channels(at, rank)
        wide = np.result_type(gamma.dtype, np.float32)
        data = x.astype(wide, copy=False)
        count = max(1, data.size // max(1, data.shape[at]))
        mean = data.sum(axis=axes) / wide.type(count)
        off = data - along_array(mean, at, rank)
        var = np.square(off).sum(axis=axes) / wide.type(count)
        inverse = 1 / np.sqrt(var + wide.type(self.eps))
        off *= along_array(inverse * gamma, at, rank)
        off += along_array(beta, at, rank)
        kind = gamma.dtype
        return (
            off.astype(x.dtype, copy=False),
            mean.astype(kind),
            var.astype(kind),
            inverse.astype(kind),
        )

    def decompose(self, x: Any, gamma: Any, beta: Any) -> Any:
        at, rank = self.place(x.ndim), x.ndim
        axes = _channels(at, rank)
        data = _cast(x, gamma.dtype)
        mean = F.mean(data, axis=axes)
        off = data - along(mean, at, rank)
        var = F.mean(off * off, axis=axes)
        inverse = F.rsqrt(var + self.eps)
        y = off * along(inverse * gamma, at, rank) + along(beta, at, rank)
        return _cast(y, x.dtype), mean, var, inverse

    def grad(self, ct: Any, y: Any, x: Any, gamma: Any, beta: Any) -> Any:
        ct_y, ct_mean, ct_var, ct_inverse = ct
        if ct_y is None or any(c is not None for c in (ct_mean, ct_var, ct_inverse)):
            return super().grad(ct, y, x, gamma, beta)
        _, mean, _, inverse = y
        return F.batch_norm_grad(ct_y, x, gamma, mean, inverse, eps=self.eps, axis=self.axis)

    def onnx(self, g: Any, x: Any, gamma: Any, beta: Any) -> Any:
        rank = g.rank(x)
        if self.place(rank) != 1 or g.dtype(x) != g.dtype(gamma):
            return NotImplemented
        if not attribute_holds(g, x, self.eps):
            return NotImplemented
        axes, inner = _channels(1, rank), list(range(1, rank - 1))
        mean = g.reduce("ReduceMean", x, axes, False)
        off = g.Sub(x, g.unsqueeze(mean, inner))
        var = g.reduce("ReduceMean", g.Mul(off, off), axes, False)
        eps = g.const(np.asarray(self.eps, g.dtype(gamma)))
        inverse = g.Reciprocal(g.Sqrt(g.Add(var, eps)))
        # one affine node; of the deviations, so that nothing cancels far from zero
        y = g.BatchNormalization(off, gamma, beta, g.Sub(mean, mean), var, epsilon=self.eps)
        return y, mean, var, inverse

    samples = [S((4, 3, 2), 3, 3), S((4, 2, 3), 3, 3, axis=-1), S((5, 3), 3, 3, eps=1e-3)]


@op()
class BatchNormGrad(_BatchNorm):
    """Cotangents of data, gamma and beta of `batch_norm_train` from that of its first result.

    `mean` and `inverse` are results of the forward.
    """

    eager_min: ClassVar[int | None] = 2000

    def infer(
        self,
        dy: TensorType,
        x: TensorType,
        gamma: TensorType,
        mean: TensorType,
        inverse: TensorType,
    ) -> Any:
        check_shape(self.name, "dy", dy.shape, x.known_shape)
        self.vectors(x, gamma, gamma, mean, inverse)
        return x, gamma, gamma

    def kernel(self, dy: Any, x: Any, gamma: Any, mean: Any, inverse: Any) -> Any:
        at, rank = self.place(x.ndim), x.ndim
        axes = _channels(at, rank)
        wide = np.result_type(gamma.dtype, np.float32)
        scale, inv = (gamma * inverse).astype(wide), inverse.astype(wide)
        off = x.astype(wide) - along_array(mean.astype(wide), at, rank)
        ct = dy.astype(wide, copy=False)
        g_beta = ct.sum(axis=axes)
        g_gamma = (ct * off).sum(axis=axes) * inv
        count = wide.type(max(1, x.size // max(1, x.shape[at])))
        off *= along_array(-scale * inv * g_gamma / count, at, rank)
        off += ct * along_array(scale, at, rank)
        off += along_array(-scale * g_beta / count, at, rank)
        kind = gamma.dtype
        return off.astype(x.dtype, copy=False), g_gamma.astype(kind), g_beta.astype(kind)

    def decompose(self, dy: Any, x: Any, gamma: Any, mean: Any, inverse: Any) -> Any:
        at, rank = self.place(x.ndim), x.ndim
        axes, dtype = _channels(at, rank), gamma.dtype
        off = _cast(x, dtype) - along(mean, at, rank)
        ct = _cast(dy, dtype)
        g_beta = F.sum(ct, axis=axes)
        g_gamma = F.sum(ct * off, axis=axes) * inverse
        count = _size(x, axes, dtype)
        gx = along(gamma * inverse, at, rank) * (
            ct - along(g_beta / count, at, rank) - off * along(inverse * g_gamma / count, at, rank)
        )
        return _cast(gx, x.dtype), g_gamma, g_beta

    def onnx(self, g: Any, dy: Any, x: Any, gamma: Any, mean: Any, inverse: Any) -> Any:
        rank, dtype = g.rank(x), g.dtype(gamma)
        if self.place(rank) != 1 or g.dtype(x) != dtype:
            return NotImplemented
        axes, inner = _channels(1, rank), list(range(1, rank - 1))
        off = g.Sub(x, g.unsqueeze(mean, inner))
        g_beta = g.reduce("ReduceSum", dy, axes, False)
        g_gamma = g.Mul(g.reduce("ReduceSum", g.Mul(dy, off), axes, False), inverse)
        count = g.Div(g.cast(g.Size(x), dtype), g.cast(g.Size(gamma), dtype))
        scale = g.Mul(gamma, inverse)
        share = g.Neg(g.Div(scale, count))
        zero = g.Sub(mean, mean)
        one = g.Add(zero, g.const(np.ones((), dtype)))
        part = g.BatchNormalization(
            dy, scale, g.Mul(share, g_beta), zero, one, epsilon=0.0
        )  # scale * dy + shift in one node
        slope = g.Mul(share, g.Mul(inverse, g_gamma))
        return g.Add(part, g.Mul(off, g.unsqueeze(slope, inner))), g_gamma, g_beta

    samples = [
        S((4, 3, 2), (4, 3, 2), 3, 3, lambda rng: rng.uniform(0.5, 2, 3)),
        S((4, 2, 3), (4, 2, 3), 3, 3, lambda rng: rng.uniform(0.5, 2, 3), axis=-1),
        S((5, 3), (5, 3), 3, 3, lambda rng: rng.uniform(0.5, 2, 3)),
    ]


def _size(x: Any, axes: tuple[int, ...], dtype: Any) -> Any:
    """Number of elements along `axes`, as a number or a 0-d array."""
    total: Any = 1
    for a in axes:
        total = total * x.shape[a]
    if isinstance(total, int):
        return np.asarray(total, dtype)
    return F.cast(F.dim_value(dim=total), dtype=dtype)


# ---- layer, group, instance --------------------------------------------------------------------
def _moments(x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """Deviations from the mean, and ``1 / sqrt(variance + eps)``, in operators."""
    off = x - F.mean(x, axis=axes, keepdims=True)
    return off, F.rsqrt(F.mean(off * off, axis=axes, keepdims=True) + eps)


def _normalised(x: np.ndarray, axes: tuple[int, ...], eps: float) -> np.ndarray:
    """Normalised NumPy data, in float32 at least."""
    wide = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    normal: np.ndarray = wide - wide.mean(axis=axes, keepdims=True)
    var = np.square(normal).mean(axis=axes, keepdims=True)
    normal /= np.sqrt(var + wide.dtype.type(eps))
    return normal


def normalise_over(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, axis: int, eps: float
) -> Any:
    """Layer normalisation over the array `x`, where that has the type to compute in.

    Parameters
    ----------
    x : ndarray, float
        Data that nobody else reads; it may be written over.
    gamma, beta : ndarray (C,)
        Scale and shift.
    axis : int
        Axis of the C elements.
    eps : float
        Added to the variance.

    Returns
    -------
    ndarray
        As `x`.
    """
    at, rank = normalize_axis(axis, x.ndim), x.ndim
    if not x.size:
        return x
    y = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    y -= y.mean(axis=at, keepdims=True)
    y /= np.sqrt(np.square(y).mean(axis=at, keepdims=True) + y.dtype.type(eps))
    np.multiply(y, along_array(gamma, at, rank), out=y, casting="same_kind")
    np.add(y, along_array(beta, at, rank), out=y, casting="same_kind")
    return y.astype(x.dtype, copy=False)


@op()
class LayerNorm(Op):
    """Normalise `x` over `axis`, then scale by `gamma` and shift by `beta` (arXiv:1607.06450)."""

    axis: int = -1
    eps: float = 1e-5
    eager_min: ClassVar[int | None] = 2000

    def infer_inputs(self, x: Any, gamma: Any, beta: Any) -> Any:
        size = axis_size(x, self.axis)
        return x, deferred(gamma, (size,)), deferred(beta, (size,))

    def infer(self, x: TensorType, gamma: TensorType, beta: TensorType) -> TensorType:
        size = axis_size(x, self.axis)
        check_shape("LayerNorm", "gamma", gamma.shape, (size,))
        check_shape("LayerNorm", "beta", beta.shape, (size,))
        return x

    def kernel(self, x: Any, gamma: Any, beta: Any) -> Any:
        at, rank = normalize_axis(self.axis, x.ndim), x.ndim
        if not x.size:
            return x.copy()
        y = _normalised(x, (at,), self.eps)
        np.multiply(y, along_array(gamma, at, rank), out=y, casting="same_kind")
        np.add(y, along_array(beta, at, rank), out=y, casting="same_kind")
        return y.astype(x.dtype, copy=False)

    def into(self, out: Any, x: Any, gamma: Any, beta: Any) -> bool:
        if x.dtype.itemsize == 2 or not x.size or not x.dtype == gamma.dtype == out.dtype:
            return False
        np.copyto(out, x)
        normalise_over(out, gamma, beta, self.axis, self.eps)
        return True

    def decompose(self, x: Any, gamma: Any, beta: Any) -> Any:
        at, rank = normalize_axis(self.axis, x.ndim), x.ndim
        off, inverse = _moments(x, (at,), self.eps)
        y = off * inverse * _cast(along(gamma, at, rank), x.dtype)
        return y + _cast(along(beta, at, rank), x.dtype)

    def grad(self, ct: Any, y: Any, x: Any, gamma: Any, beta: Any) -> Any:
        return F.layer_norm_grad(ct, x, gamma, axis=self.axis, eps=self.eps)

    def onnx(self, g: Any, x: Any, gamma: Any, beta: Any) -> Any:
        last = normalize_axis(self.axis, g.rank(x)) == g.rank(x) - 1
        if g.opset < 17 or not last or g.dtype(x) != g.dtype(gamma):
            return NotImplemented
        if not attribute_holds(g, x, self.eps):
            return NotImplemented
        return g.LayerNormalization(x, gamma, beta, axis=-1, epsilon=self.eps)

    samples = [
        S((2, 6), 6, 6),
        S((2, 3, 4), 3, 3, axis=1),
        S((0, 6), 6, 6),
        S((4, 8), 8, 8, eps=1e-3),
    ]


@op()
class LayerNormGrad(Op):
    """Cotangents of data, gamma and beta of `layer_norm`."""

    axis: int = -1
    eps: float = 1e-5
    eager_min: ClassVar[int | None] = 2000

    def infer(self, dy: TensorType, x: TensorType, gamma: TensorType) -> Any:
        check_shape(self.name, "dy", dy.shape, x.known_shape)
        check_shape(self.name, "gamma", gamma.shape, (axis_size(x, self.axis),))
        return x, gamma, gamma

    def kernel(self, dy: Any, x: Any, gamma: Any) -> Any:
        at, rank = normalize_axis(self.axis, x.ndim), x.ndim
        others = _channels(at, rank)
        wide = np.result_type(x.dtype, np.float32)
        if not x.size:
            return x.copy(), np.zeros_like(gamma), np.zeros_like(gamma)
        off = x - x.mean(axis=at, keepdims=True, dtype=wide)
        inverse = np.square(off).mean(axis=at, keepdims=True)
        inverse = 1 / np.sqrt(inverse + wide.type(self.eps))
        hat = off * inverse
        ct = dy.astype(wide, copy=False)
        both = ct * hat
        g_gamma, g_beta = both.sum(axis=others), ct.sum(axis=others)
        scale = along_array(gamma.astype(wide), at, rank)
        scaled = ct * scale
        inner = (both * scale).mean(axis=at, keepdims=True)
        gx = (scaled - scaled.mean(axis=at, keepdims=True) - hat * inner) * inverse
        kind = gamma.dtype
        return gx.astype(x.dtype, copy=False), g_gamma.astype(kind), g_beta.astype(kind)

    def decompose(self, dy: Any, x: Any, gamma: Any) -> Any:
        at, rank = normalize_axis(self.axis, x.ndim), x.ndim
        off, inverse = _moments(x, (at,), self.eps)
        hat = off * inverse
        others = _channels(at, rank)
        g_gamma, g_beta = F.sum(dy * hat, axis=others), F.sum(dy, axis=others)
        scaled = dy * _cast(along(gamma, at, rank), x.dtype)
        mean = F.mean(scaled, axis=at, keepdims=True)
        inner = F.mean(scaled * hat, axis=at, keepdims=True)
        gx = (scaled - mean - hat * inner) * inverse
        return gx, _cast(g_gamma, gamma.dtype), _cast(g_beta, gamma.dtype)

    def onnx(self, g: Any, dy: Any, x: Any, gamma: Any) -> Any:
        rank, dtype = g.rank(x), g.dtype(x)
        last = normalize_axis(self.axis, rank) == rank - 1
        if g.opset < 17 or not last or dtype != np.float32 or g.dtype(gamma) != dtype:
            return NotImplemented
        zero = g.Sub(gamma, gamma)
        one = g.Add(zero, g.const(np.ones((), dtype)))
        hat, _, inverse = g.LayerNormalization(x, one, zero, axis=-1, epsilon=self.eps, outputs=3)
        others = tuple(range(rank - 1))
        both = g.Mul(dy, hat)
        scaled = g.Mul(dy, gamma)
        mean = g.reduce("ReduceMean", scaled, (rank - 1,), True)
        inner = g.reduce("ReduceMean", g.Mul(both, gamma), (rank - 1,), True)
        gx = g.Mul(g.Sub(g.Sub(scaled, mean), g.Mul(hat, inner)), inverse)
        g_gamma = g.reduce("ReduceSum", both, others, False)
        return gx, g_gamma, g.reduce("ReduceSum", dy, others, False)

    samples = [
        S((2, 6), (2, 6), 6),
        S((2, 3, 4), (2, 3, 4), 3, axis=1),
        S((2, 3, 4), (2, 3, 4), 4, eps=1e-3),
        S((0, 6), (0, 6), 6),
        S((5,), (5,), 5),
    ]


def _norm_grad(ct: Any, x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """Cotangent of what is normalised from that of the result; and the result, for the scale.

    Means are subtracted before anything is scaled: nothing cancels where the data are constant.
    """
    off, inverse = _moments(x, axes, eps)
    normal = off * inverse
    rest = ct - F.mean(ct, axis=axes, keepdims=True)
    rest = rest - normal * F.mean(ct * normal, axis=axes, keepdims=True)
    return rest * inverse, normal


@op()
class GroupNorm(Op):
    """Normalise groups of channels of (N, C, ...) and scale each channel (arXiv:1803.08494)."""

    num_groups: int = 1
    eps: float = 1e-5

    def infer_inputs(self, x: Any, gamma: Any, beta: Any) -> Any:
        size = axis_size(x, 1)
        return x, deferred(gamma, (size,)), deferred(beta, (size,))

    def infer(self, x: TensorType, gamma: TensorType, beta: TensorType) -> TensorType:
        shape = x.known_shape
        self.check(shape)
        check_shape("GroupNorm", "gamma", gamma.shape, (shape[1],))
        check_shape("GroupNorm", "beta", beta.shape, (shape[1],))
        return x

    def check(self, shape: Any) -> None:
        """Require channels that can be cut into the groups, and something to average over."""
        if len(shape) < 3:
            raise ShapeError(
                "GroupNorm: data needs a batch, a channel and a spatial axis", received=shape
            )
        if shape[1] % self.num_groups != 0:
            raise ShapeError(
                f"GroupNorm: {shape[1]} channels cannot be cut into {self.num_groups} groups"
            )

    def kernel(self, x: Any, gamma: Any, beta: Any) -> Any:
        self.check(x.shape)
        if not x.size:
            return x.copy()
        grouped = x.reshape(x.shape[0], self.num_groups, -1)
        y = _normalised(grouped, (2,), self.eps).reshape(x.shape)
        y = y * along_array(gamma, 1, x.ndim) + along_array(beta, 1, x.ndim)
        return y.astype(x.dtype, copy=False)

    def decompose(self, x: Any, gamma: Any, beta: Any) -> Any:
        n, c, *rest = x.shape
        size: Any = c // self.num_groups
        for m in rest:
            size = size * m
        grouped = F.reshape(x, shape=(n, self.num_groups, size))
        off, inverse = _moments(grouped, (2,), self.eps)
        y = F.reshape(off * inverse, shape=x.shape)
        y = y * _cast(along(gamma, 1, x.ndim), x.dtype)
        return y + _cast(along(beta, 1, x.ndim), x.dtype)

    def grad(self, ct: Any, y: Any, x: Any, gamma: Any, beta: Any) -> Any:
        n, c, *rest = x.shape
        size: Any = c // self.num_groups
        for m in rest:
            size = size * m
        grouped = (n, self.num_groups, size)
        scaled = ct * _cast(along(gamma, 1, x.ndim), x.dtype)
        gx, normal = _norm_grad(
            F.reshape(scaled, shape=grouped), F.reshape(x, shape=grouped), (2,), self.eps
        )
        axes = _channels(1, x.ndim)
        g_gamma = F.sum(ct * F.reshape(normal, shape=x.shape), axis=axes)
        return F.reshape(gx, shape=x.shape), g_gamma, F.sum(ct, axis=axes)

    def onnx(self, g: Any, x: Any, gamma: Any, beta: Any) -> Any:
        dtype = g.dtype(x)
        if dtype != np.float32 or g.dtype(gamma) != dtype:
            return NotImplemented
        ones, zeros = (g.const(np.full(self.num_groups, v, dtype)) for v in (1, 0))
        grouped = g.Reshape(x, g.ints([0, self.num_groups, -1]))
        hat = g.InstanceNormalization(grouped, ones, zeros, epsilon=self.eps)
        inner = list(range(1, g.rank(x) - 1))
        scaled = g.Mul(g.Reshape(hat, g.Shape(x)), g.unsqueeze(gamma, inner))
        return g.Add(scaled, g.unsqueeze(beta, inner))

    samples = [
        S((2, 4, 3), 4, 4, num_groups=2),
        S((1, 4, 1), 4, 4),
        S((2, 4, 2, 2), 4, 4, num_groups=4),
    ]


@op()
class InstanceNorm(Op):
    """Normalise each channel of each sample (arXiv:1607.08022); channels along `axis`."""

    axis: int = 1
    eps: float = 1e-5

    def infer_inputs(self, x: Any, gamma: Any, beta: Any) -> Any:
        size = axis_size(x, self.axis)
        return x, deferred(gamma, (size,)), deferred(beta, (size,))

    def infer(self, x: TensorType, gamma: TensorType, beta: TensorType) -> TensorType:
        self.check(x.known_shape)
        size = axis_size(x, self.axis)
        check_shape("InstanceNorm", "gamma", gamma.shape, (size,))
        check_shape("InstanceNorm", "beta", beta.shape, (size,))
        return x

    def check(self, shape: Any) -> None:
        """Require something to average over."""
        if len(shape) < 3:
            raise ShapeError("InstanceNorm: data needs a spatial axis", received=shape)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Axes that are averaged over."""
        at = normalize_axis(self.axis, rank)
        return tuple(i for i in range(1, rank) if i != at)

    def kernel(self, x: Any, gamma: Any, beta: Any) -> Any:
        self.check(x.shape)
        if not x.size:
            return x.copy()
        y = _normalised(x, self.axes(x.ndim), self.eps)
        at = normalize_axis(self.axis, x.ndim)
        y = y * along_array(gamma, at, x.ndim) + along_array(beta, at, x.ndim)
        return y.astype(x.dtype, copy=False)

    def decompose(self, x: Any, gamma: Any, beta: Any) -> Any:
        at = normalize_axis(self.axis, x.ndim)
        off, inverse = _moments(x, self.axes(x.ndim), self.eps)
        y = off * inverse * _cast(along(gamma, at, x.ndim), x.dtype)
        return y + _cast(along(beta, at, x.ndim), x.dtype)

    def grad(self, ct: Any, y: Any, x: Any, gamma: Any, beta: Any) -> Any:
        at = normalize_axis(self.axis, x.ndim)
        scaled = ct * _cast(along(gamma, at, x.ndim), x.dtype)
        gx, normal = _norm_grad(scaled, x, self.axes(x.ndim), self.eps)
        axes = _channels(at, x.ndim)
        return gx, F.sum(ct * normal, axis=axes), F.sum(ct, axis=axes)

    def onnx(self, g: Any, x: Any, gamma: Any, beta: Any) -> Any:
        if normalize_axis(self.axis, g.rank(x)) != 1 or g.dtype(x) != g.dtype(gamma):
            return NotImplemented
        if not attribute_holds(g, x, self.eps):
            return NotImplemented
        return g.InstanceNormalization(x, gamma, beta, epsilon=self.eps)

    samples = [S((2, 3, 4), 3, 3), S((2, 4, 3), 3, 3, axis=-1), S((1, 3, 2, 2), 3, 3, eps=1e-3)]


@op(mx="LRN")
class LocalResponseNorm(Op):
    """Divide (N, C, ...) by ``(knorm + alpha / nsize * energy) ** beta``.

    The energy is the sum of squares over the `nsize` nearest channels.
    Source: Krizhevsky et al. 2012, section 3.3.
    """

    nsize: int
    alpha: float = 1e-4
    beta: float = 0.75
    knorm: float = 2.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.nsize < 1 or self.nsize % 2 == 0:
            raise AttributeValueError(f"LRN: nsize is {self.nsize}, expected an odd number")

    def infer(self, x: TensorType) -> TensorType:
        check_rank("LRN", "data", x.shape, 3)
        return x

    def kernel(self, x: Any) -> Any:
        return misc.lrn(x, self.nsize, self.alpha, self.beta, self.knorm)

    def decompose(self, x: Any) -> Any:
        n, c, *sizes = x.shape
        space: Any = 1
        for m in sizes:
            space = space * m
        squares = F.reshape(x * x, shape=(n, 1, c, space))
        energy = F.pooling(
            squares,
            kernel_shape=(self.nsize, 1),
            stride=(1, 1),
            pad=(self.nsize // 2, 0),
            mode="sum",
        )
        scale = F.reshape(energy, shape=x.shape) * (self.alpha / self.nsize) + self.knorm
        return x * scale**-self.beta

    def onnx(self, g: Any, x: Any) -> Any:
        if g.dtype(x) != np.float32:
            return NotImplemented
        image = x if g.rank(x) == 4 else g.Reshape(x, g.ints([0, 0, -1, 1]))
        y = g.LRN(image, size=self.nsize, alpha=self.alpha, beta=self.beta, bias=self.knorm)
        return y if g.rank(x) == 4 else g.Reshape(y, g.Shape(x))

    samples = [S((2, 7, 2, 2), nsize=5), S((1, 3, 4), nsize=3, alpha=0.1, knorm=1.0),
               S((1, 1, 2, 1), nsize=1)]  # fmt: skip
