"""Pooling, resizing and their gradients; channels first."""

from __future__ import annotations

import functools
import math
from typing import Any, ClassVar

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Ints
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops import pool_onnx
from symgluon.ops.apply import F
from symgluon.ops.checks import check_rank, check_shape, is_int
from symgluon.ops.families import quietly
from symgluon.ops.kernels import pool as kernels
from symgluon.ops.kernels import resize

_MODES = ("max", "avg", "sum", "lp")


@functools.lru_cache(maxsize=64)
def _ones(count: int, char: str) -> tuple[np.ndarray, Any]:
    """So many ones, and their number, of a dtype."""
    ones = np.ones(count, char)
    return ones, ones.dtype.type(count)


def _unknown_mode(mode: str) -> str:
    return f"pooling: mode is {mode!r}; known: {', '.join(_MODES)}"


class _Pooling(Op):
    kernel_shape: Ints
    stride: Ints
    pad: Ints
    mode: str = "max"
    ceil: bool = False
    count_include_pad: bool = True
    p_value: int = 2

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rank = len(self.kernel_shape)
        if self.mode not in _MODES:
            raise AttributeValueError(_unknown_mode(self.mode))
        for key, least in (("kernel_shape", 1), ("stride", 1), ("pad", 0)):
            value = self.__dict__[key]
            if len(value) != rank or any(v < least for v in value):
                raise AttributeValueError(
                    f"pooling: attribute {key} is {value}",
                    expected=f"{rank} numbers, each at least {least}",
                )

    def arguments(self) -> tuple[Any, ...]:
        """Attributes as the kernels take them."""
        return (
            self.kernel_shape,
            self.stride,
            self.pad,
            self.mode,
            self.ceil,
            self.count_include_pad,
            self.p_value,
        )


@op()
class Pooling(_Pooling):
    """Pool x (N, C, in...) over windows; ``ceil`` rounds the output size up."""

    eager_min: ClassVar[int | None] = 1

    def infer(self, x: TensorType) -> TensorType:
        rank = len(self.kernel_shape) + 2
        check_rank("Pooling", "data", x.shape, rank, rank)
        n, c, *sizes = x.known_shape
        self.check(sizes)
        out = []
        for m, k, s, p in zip(sizes, self.kernel_shape, self.stride, self.pad, strict=True):
            out.append(kernels.pool_out_size(m, k, s, p, self.ceil))
        return x.with_shape((n, c, *out))

    def check(self, sizes: Any) -> None:
        """Require the windows to fit into the padded data, where its size is a number.

        Raises
        ------
        ShapeError
            If one does not.
        """
        for n, k, p in zip(sizes, self.kernel_shape, self.pad, strict=True):
            if is_int(n) and k > n + 2 * p:
                raise ShapeError(
                    f"Pooling: kernel size {k} exceeds the padded input size {n + 2 * p}",
                    received=tuple(sizes),
                )

    def precheck(self, data: Any) -> None:
        """Check the size: ONNX Runtime pools over windows that do not fit."""
        self.check(data[0].shape[2:])

    def kernel(self, x: Any) -> Any:
        self.check(x.shape[2:])
        return kernels.pool(x, *self.arguments())

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        attrs = self.attrs()
        if self.mode != "lp":
            return F.pooling_grad(ct, x, **attrs)
        attrs["mode"] = "sum"
        if self.p_value == 1:
            return F.pooling_grad(ct, x, **attrs)
        # a window whose norm is 0 gives no cotangent
        empty = F.equal(y, np.zeros((), y.dtype))
        norm = F.where(empty, np.ones((), y.dtype), y)
        power = self.p_value - 1
        ct = F.where(empty, np.zeros((), y.dtype), ct / (norm if power == 1 else norm * norm))
        return F.pooling_grad(ct, x, **attrs) * (x if power == 1 else x * x)

    def onnx(self, g: Any, x: Any) -> Any:
        return pool_onnx.pooling_onnx(self, g, x)

    samples = [
        S((2, 3, 7), kernel_shape=(3,), stride=(2,), pad=(1,)),
        S((1, 2, 5, 6), kernel_shape=(2, 3), stride=(2, 2), pad=(0, 1), mode="avg"),
        S((1, 2, 5, 6), kernel_shape=(2, 3), stride=(2, 2), pad=(1, 1), mode="avg", ceil=True),
        S((1, 2, 5, 6), kernel_shape=(2, 3), stride=(2, 2), pad=(0, 1), mode="avg",
          count_include_pad=False, ceil=True),
        S((1, 2, 6, 6), kernel_shape=(3, 3), stride=(2, 2), pad=(0, 0), ceil=True),
        S((1, 2, 4), kernel_shape=(2,), stride=(2,), pad=(0,), mode="sum"),
        S(lambda rng: rng.uniform(0.5, 1, (1, 2, 4)), kernel_shape=(2,), stride=(1,), pad=(0,),
          mode="lp"),
        S((1, 1, 3, 3, 3), kernel_shape=(2, 2, 2), stride=(1, 1, 1), pad=(0, 0, 0), mode="avg"),
        S((2, 1, 6), kernel_shape=(2,), stride=(3,), pad=(1,), ceil=True),
        S((2, 1, 6), kernel_shape=(2,), stride=(3,), pad=(1,), ceil=True, mode="avg"),
        S((1, 2, 5), kernel_shape=(3,), stride=(2,), pad=(1,), mode="lp", p_value=3),
        S((1, 2, 5), kernel_shape=(2,), stride=(1,), pad=(0,), mode="lp", p_value=1),
    ]  # fmt: skip


@op()
class PoolingGrad(_Pooling):
    """Cotangent of the data of `pooling`; a tie of maxima gives it to the first one."""

    eager_min: ClassVar[int | None] = 1

    def infer(self, dy: TensorType, x: TensorType) -> TensorType:
        check_shape(self.name, "dy", dy.shape, Pooling(**self.attrs()).infer(x).known_shape)
        return x

    def kernel(self, dy: Any, x: Any) -> Any:
        return kernels.pool_grad(dy, x, *self.arguments())

    def grad(self, ct: Any, y: Any, dy: Any, x: Any) -> Any:
        if self.mode == "max":
            return F.max_pool_take(ct, x, **self.attrs()), None
        return F.pooling(ct, **self.attrs()), None

    def onnx(self, g: Any, dy: Any, x: Any) -> Any:
        rule = pool_onnx.max_grad_onnx if self.mode == "max" else pool_onnx.spread_onnx
        return rule(self, g, dy, x)

    samples = [
        S((2, 3, 3), (2, 3, 7), kernel_shape=(3,), stride=(2,), pad=(0,)),
        S((1, 2, 2, 3), (1, 2, 5, 6), kernel_shape=(2, 2), stride=(2, 2), pad=(0, 0)),
        S((1, 2, 2, 3), (1, 2, 4, 6), kernel_shape=(2, 2), stride=(2, 2), pad=(0, 0), mode="avg"),
        S((1, 2, 3, 3), (1, 2, 5, 6), kernel_shape=(2, 3), stride=(2, 2), pad=(1, 1), mode="avg",
          ceil=False),
        S((1, 2, 4, 4), (1, 2, 5, 6), kernel_shape=(2, 2), stride=(2, 2), pad=(1, 1), mode="avg",
          ceil=True, count_include_pad=False),
        S((1, 2, 3), (1, 2, 6), kernel_shape=(2,), stride=(3,), pad=(1,), ceil=True),
    ]  # fmt: skip


@op()
class MaxPoolTake(_Pooling):
    """The elements of `value` at the positions of the maxima of `x`."""

    def infer(self, value: TensorType, x: TensorType) -> TensorType:
        check_shape(self.name, "value", value.shape, x.known_shape)
        return Pooling(**self.attrs()).infer(x).with_dtype(value.dtype)

    def kernel(self, value: Any, x: Any) -> Any:
        index = kernels.max_pool_indices(x, self.kernel_shape, self.stride, self.pad, self.ceil)
        flat = value.reshape(*value.shape[:2], -1)
        places = index.reshape(*index.shape[:2], -1)
        taken = np.take_along_axis(flat, np.maximum(places, 0), axis=2)
        taken = np.where(places < 0, value.dtype.type(0), taken)
        return taken.reshape(index.shape)

    def grad(self, ct: Any, y: Any, value: Any, x: Any) -> Any:
        return F.pooling_grad(ct, x, **self.attrs()), None

    def onnx(self, g: Any, value: Any, x: Any) -> Any:
        return pool_onnx.max_take_onnx(self, g, value, x)

    samples = [
        S((2, 3, 7), (2, 3, 7), kernel_shape=(3,), stride=(2,), pad=(1,)),
        S((1, 2, 4, 4), (1, 2, 4, 4), kernel_shape=(2, 2), stride=(2, 2), pad=(0, 0)),
        S((1, 2, 6), (1, 2, 6), kernel_shape=(2,), stride=(3,), pad=(1,), ceil=True),
    ]


@op()
class GlobalPooling(Op):
    """Pool each channel to one element."""

    mode: str = "max"
    p_value: int = 2
    eager_min: ClassVar[int | None] = 10_000

    def eager_work(self, data: Any) -> int:
        """Elements; none where a product with ones is faster than a session can be called."""
        x = data[0]
        return 0 if self._by_product(x) else x.size

    def _by_product(self, x: Any) -> bool:
        """Whether `x` is averaged by a product: its sums are short, so they lose no digit in it."""
        if self.mode != "avg" or x.dtype.char not in "fd" or not x.flags.c_contiguous:
            return False
        return bool(0 < math.prod(x.shape[2:]) <= 1024)

    def kernel(self, x: Any) -> Any:
        if x.ndim < 3 or not self._by_product(x):
            return super().kernel(x)
        n, c, *sizes = x.shape
        count = math.prod(sizes)
        ones, count_of_dtype = _ones(count, x.dtype.char)
        total = quietly(np.matmul, x.reshape(n * c, count), ones)
        total /= count_of_dtype
        return total.reshape(n, c, *[1] * len(sizes))

    def infer(self, x: TensorType) -> TensorType:
        if self.mode not in _MODES:
            raise AttributeValueError(_unknown_mode(self.mode))
        check_rank("Pooling", "data", x.shape, 3)
        n, c, *sizes = x.known_shape
        return x.with_shape((n, c, *(1 for _ in sizes)))

    def decompose(self, x: Any) -> Any:
        axes = tuple(range(2, x.ndim))
        if self.mode == "max":
            return F.max(x, axis=axes, keepdims=True)
        if self.mode == "avg":
            return F.mean(x, axis=axes, keepdims=True)
        if self.mode == "sum":
            return F.sum(x, axis=axes, keepdims=True)
        total = F.sum(x**self.p_value, axis=axes, keepdims=True)
        return total ** (1.0 / self.p_value)

    def onnx(self, g: Any, x: Any) -> Any:
        if self.mode == "max":
            return g.GlobalMaxPool(x)
        return g.GlobalAveragePool(x) if self.mode == "avg" else NotImplemented

    samples = [
        S((2, 3, 4)),
        S((2, 3, 2, 2), mode="avg"),
        S((2, 3, 2, 1), mode="sum"),
        S(lambda rng: rng.uniform(0.5, 1, (1, 2, 3)), mode="lp"),
    ]


# ---- resizing: linear maps along each axis -----------------------------------------------------
class _Linear(Op):
    """Operators that apply a matrix along each spatial axis of (N, C, H, W)."""

    def target(self) -> tuple[Any, Any]:
        """Height and width of the result."""
        raise TypeError(f"{self.name} does not say its size")

    def matrix(self, n: int, m: int) -> np.ndarray:
        """(m, n) matrix of one axis."""
        raise TypeError(f"{self.name} does not say its matrix")

    def infer(self, x: TensorType) -> TensorType:
        check_rank(self.name, "data", x.shape, 4, 4)
        n, c, _, _ = x.known_shape
        return x.with_shape((n, c, *self.target()))

    def source(self, x: Any) -> tuple[int, int]:
        """Height and width of the data as numbers (a guard where they are symbolic)."""
        return int(x.shape[2]), int(x.shape[3])

    def decompose(self, x: Any) -> Any:
        h, w = self.target()
        height, width = self.source(x)
        rows = self.matrix(height, int(h)).astype(x.dtype)
        columns = self.matrix(width, int(w)).astype(x.dtype)
        return F.matmul(F.matmul(rows, x), np.ascontiguousarray(columns.T))


@op()
class AdaptiveAvgPool(_Linear):
    """Average over windows that tile the image: (N, C, H, W) to the given height and width."""

    output_size: Ints
    #: height and width of the data, where they had to be numbers when it was traced
    input_size: Ints = ()

    def source(self, x: Any) -> tuple[int, int]:
        """Height and width of the data."""
        return (self.input_size[0], self.input_size[1]) if self.input_size else super().source(x)

    def target(self) -> tuple[Any, Any]:
        """Height and width of the result."""
        return self.output_size[0], self.output_size[1]

    def matrix(self, n: int, m: int) -> np.ndarray:
        """Averages over ``[floor(i n / m), ceil((i + 1) n / m))``."""
        found = np.zeros((m, n))
        for i in range(m):
            start, stop = i * n // m, -(-(i + 1) * n // m)
            found[i, start:stop] = 1 / (stop - start)
        return found

    def infer(self, x: TensorType) -> TensorType:
        if self.needs_size and not self.input_size:
            for n in x.known_shape[2:]:
                _ = n if is_int(n) or n is None else int(n)  # a guard: the windows depend on it
        return super().infer(x)

    @property
    def needs_size(self) -> bool:
        """Whether the operator depends on the size of the image: not for one global average."""
        return tuple(self.output_size) != (1, 1)

    def kernel(self, x: Any) -> Any:
        return resize.adaptive_avg_pool(x, self.output_size)

    def decompose(self, x: Any) -> Any:
        if not self.needs_size:
            return F.mean(x, axis=(2, 3), keepdims=True)
        return super().decompose(x)

    samples = [S((1, 2, 5, 6), output_size=(2, 3)), S((2, 3, 4, 4), output_size=(1, 1)),
               S((1, 1, 2, 2), output_size=(3, 3))]  # fmt: skip


@op()
class BilinearResize(_Linear):
    """Bilinear resizing of (N, C, H, W)."""

    height: int
    width: int
    align_corners: bool = True

    def target(self) -> tuple[Any, Any]:
        """Height and width of the result."""
        return self.height, self.width

    def matrix(self, n: int, m: int) -> np.ndarray:
        """Interpolation weights."""
        return resize.resize_matrix(n, m, self.align_corners)

    def kernel(self, x: Any) -> Any:
        return resize.bilinear_resize(x, self.height, self.width, self.align_corners)

    def onnx(self, g: Any, x: Any) -> Any:
        n, c = g.shape(x)[:2]
        if g.dtype(x) == np.float64:
            return NotImplemented
        mode = "align_corners" if self.align_corners else "half_pixel"
        sizes = g.shape_vector((n, c, self.height, self.width))
        return g.Resize(x, "", "", sizes, mode="linear", coordinate_transformation_mode=mode)

    samples = [
        S((1, 2, 3, 4), height=5, width=7),
        S((1, 2, 3, 4), height=6, width=8, align_corners=False),
        S((1, 1, 4, 4), height=2, width=1),
    ]


@op()
class Upsampling(Op):
    """Repeat each element `scale` times along both spatial axes."""

    scale: int

    def infer(self, x: TensorType) -> TensorType:
        check_rank("UpSampling", "data", x.shape, 4, 4)
        n, c, h, w = x.known_shape
        return x.with_shape((n, c, h * self.scale, w * self.scale))

    def kernel(self, x: Any) -> Any:
        return resize.upsampling_nearest(x, self.scale)

    def decompose(self, x: Any) -> Any:
        n, c, h, w = x.shape
        s = self.scale
        split = F.reshape(x, shape=(n, c, h, 1, w, 1))
        wide = F.broadcast_to(split, shape=(n, c, h, s, w, s))
        return F.reshape(wide, shape=(n, c, h * s, w * s))

    def onnx(self, g: Any, x: Any) -> Any:
        scales = g.const(np.asarray([1, 1, self.scale, self.scale], np.float32))
        return g.Resize(
            x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )  # fmt: skip

    samples = [S((1, 2, 2, 3), scale=2), S((1, 1, 1, 1), scale=3)]
