"""Sampling of images at computed places: samplers, grids, spatial transformers, correlation."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ir.attrs import Ints
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.checks import check_dtypes, check_rank, check_shape, is_int
from symgluon.ops.kernels import sampler as kernels
from symgluon.ops.mx import mx_function

_EVERY = slice(None)


def number(value: Any, dtype: Any) -> Any:
    """A size as a number of `dtype`: at once, or computed from a symbolic one."""
    if is_int(value):
        return np.asarray(value, dtype)
    return F.cast(F.dim_value(dim=value), dtype=dtype)


def _wide(x: Any) -> Any:
    """`x` in float32 if it is float16: a place has to be exact."""
    return F.cast(x, dtype="float32") if x.dtype == np.float16 else x


# ---- bilinear sampling -------------------------------------------------------------------------
@op(mx="BilinearSampler")
class BilinearSampler(Op):
    """Sample data (N, C, H, W) at grid (N, 2, h, w): (N, C, h, w).

    The grid holds columns, then rows, from -1 (first element) to 1 (last); what lies outside
    counts as 0.  Source: arXiv:1506.02025, section 3.3.
    """

    def infer(self, data: TensorType, grid: TensorType) -> TensorType:
        check_dtypes("BilinearSampler", data, grid)
        check_rank("BilinearSampler", "data", data.shape, 4, 4)
        check_rank("BilinearSampler", "grid", grid.shape, 4, 4)
        n, c, _, _ = data.known_shape
        _, _, h, w = grid.known_shape
        check_shape("BilinearSampler", "grid", grid.shape, (n, 2, h, w))
        return data.with_shape((n, c, h, w))

    def kernel(self, data: Any, grid: Any) -> Any:
        self.infer(TensorType(data.shape, data.dtype), TensorType(grid.shape, grid.dtype))
        return kernels.bilinear_sampler(data, grid)

    def decompose(self, data: Any, grid: Any) -> Any:
        n, c, h, w = data.shape
        space = (*grid.shape[2:],)
        count = space[0] * space[1]
        flat = F.reshape(grid, shape=(n, 2, count))
        places = []
        for axis, size in ((1, h), (0, w)):
            at = _wide(F.index(flat, index=(_EVERY, slice(axis, axis + 1))))
            places.append((at + 1.0) * (number(size - 1, at.dtype) * 0.5))
        source = F.reshape(_wide(data), shape=(n, c, h * w))
        out = gathered(source, places[0], places[1], h, w)
        out = F.reshape(out, shape=(n, c, *space))
        return out if out.dtype == data.dtype else F.cast(out, dtype=data.dtype)

    def onnx(self, g: Any, data: Any, grid: Any) -> Any:
        if g.opset < 16 or g.dtype(data) != np.float32:
            return NotImplemented
        last = g.transpose(grid, (0, 2, 3, 1))
        mode = "linear" if g.opset >= 20 else "bilinear"
        return g.GridSample(data, last, mode=mode, padding_mode="zeros", align_corners=1)

    samples = [
        S((2, 3, 4, 5), lambda rng: rng.uniform(-0.9, 0.9, (2, 2, 2, 3))),
        S((1, 1, 3, 3), lambda rng: rng.uniform(-1.6, 1.6, (1, 2, 4, 4))),
        S((1, 2, 1, 4), lambda rng: rng.uniform(-0.8, 0.8, (1, 2, 1, 1))),
    ]


def gathered(source: Any, rows: Any, columns: Any, h: Any, w: Any) -> Any:
    """Bilinear samples (N, C, P) of `source` (N, C, H * W) at places (N, 1, P); 0 outside."""
    dtype = source.dtype
    top, left = F.floor(rows), F.floor(columns)
    down, across = rows - top, columns - left
    shape = (*source.shape[:2], rows.shape[2])
    out: Any = None
    for i in (0, 1):
        for j in (0, 1):
            row, column = F.cast(top, dtype="int64") + i, F.cast(left, dtype="int64") + j
            inside = F.logical_and(_within(row, h), _within(column, w))
            place = F.where(inside, row * number(w, "int64") + column, np.asarray(0, np.int64))
            weight = (down if i else 1.0 - down) * (across if j else 1.0 - across)
            part = F.take_along_axis(source, F.broadcast_to(place, shape=shape), axis=2)
            part = part * (weight * F.cast(inside, dtype=dtype))
            out = part if out is None else out + part
    return out


def _within(place: Any, size: Any) -> Any:
    zero = np.asarray(0, np.int64)
    return F.logical_and(F.greater_equal(place, zero), F.less(place, number(size, "int64")))


# ---- grids -------------------------------------------------------------------------------------
@op(mx="GridGenerator")
class GridGenerator(Op):
    """Sampling grid (N, 2, h, w), columns then rows from -1 to 1.

    ``affine``: of maps (N, 6), the rows of 2 x 3 matrices, for `target_shape`; ``warp``: each
    element moved by a flow (N, 2, h, w).
    """

    transform_type: str
    target_shape: Ints = (0, 0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.transform_type not in ("affine", "warp"):
            raise AttributeValueError(
                f"GridGenerator: transform_type={self.transform_type!r}; known: affine, warp"
            )
        sizes = self.target_shape
        if self.transform_type == "affine" and (len(sizes) != 2 or min(sizes) < 1):
            raise AttributeValueError(
                f"GridGenerator: target_shape is {sizes}", expected="height and width, not 0"
            )

    def infer(self, data: TensorType) -> TensorType:
        if self.transform_type == "warp":
            check_rank("GridGenerator", "data", data.shape, 4, 4)
            check_shape("GridGenerator", "data", data.shape, (data.known_shape[0], 2,
                                                              *data.known_shape[2:]))  # fmt: skip
            return data
        check_shape("GridGenerator", "data", data.shape, (data.known_shape[0], 6))
        return data.with_shape((data.known_shape[0], 2, *self.target_shape))

    def kernel(self, data: Any) -> Any:
        self.infer(TensorType(data.shape, data.dtype))
        if self.transform_type == "warp":
            return kernels.warp_grid(data)
        return kernels.affine_grid(data, (self.target_shape[0], self.target_shape[1]))

    def decompose(self, data: Any) -> Any:
        dtype = data.dtype
        if self.transform_type == "warp":
            return self._warp(data)
        h, w = self.target_shape
        rows, columns = np.meshgrid(np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij")
        source = np.stack([columns.ravel(), rows.ravel(), np.ones(h * w)]).astype(dtype)
        maps = F.reshape(data, shape=(data.shape[0], 2, 3))
        return F.reshape(F.matmul(maps, source), shape=(data.shape[0], 2, h, w))

    def _warp(self, flow: Any) -> Any:
        parts = []
        for channel, axis in ((0, 3), (1, 2)):
            size, dtype = flow.shape[axis], flow.dtype
            places = F.arange(start=0, stop=size, step=1, dtype=dtype)
            shape = [1, 1, 1, 1]
            shape[axis] = size
            moved = F.index(flow, index=(_EVERY, slice(channel, channel + 1)))
            moved = moved + F.reshape(places, shape=tuple(shape))
            parts.append(moved / (number(size - 1, dtype) * 0.5) - 1.0)
        return F.concatenate(*parts, axis=1)

    samples = [
        S((2, 6), transform_type="affine", target_shape=(2, 3)),
        S((1, 6), transform_type="affine", target_shape=(1, 1)),
        S((2, 2, 3, 4), transform_type="warp"),
    ]


@mx_function("SpatialTransformer")
def spatial_transformer(
    data: Any,
    loc: Any,
    *,
    target_shape: Ints = (0, 0),
    transform_type: str = "affine",
    sampler_type: str = "bilinear",
    cudnn_off: bool | None = None,
) -> Any:
    """Sample `data` (N, C, H, W) through affine maps `loc` (N, 6)."""
    if (transform_type, sampler_type) != ("affine", "bilinear"):
        raise AttributeValueError(
            f"SpatialTransformer: transform_type={transform_type!r}, "
            f"sampler_type={sampler_type!r}; MXNet has 'affine' and 'bilinear'"
        )
    grid = F.grid_generator(loc, transform_type="affine", target_shape=target_shape)
    return F.bilinear_sampler(data, grid)


# ---- correlation -------------------------------------------------------------------------------
@op(mx="Correlation")
class Correlation(Op):
    """Compare patches of data1 with shifted patches of data2, both (N, C, H, W).

    One output channel a displacement.  Source: arXiv:1504.06852, equation 1.
    """

    kernel_size: int = 1
    max_displacement: int = 1
    stride1: int = 1
    stride2: int = 1
    pad_size: int = 0
    is_multiply: bool = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.kernel_size % 2 == 0 or min(self.stride1, self.stride2) < 1:
            raise AttributeValueError(
                f"Correlation: kernel_size={self.kernel_size}, stride1={self.stride1}, "
                f"stride2={self.stride2}",
                expected="an odd kernel and strides from 1 on",
            )

    def reach(self) -> int:
        """Displacements to either side."""
        return self.max_displacement // self.stride2

    def infer(self, data1: TensorType, data2: TensorType) -> TensorType:
        check_dtypes("Correlation", data1, data2)
        check_rank("Correlation", "data1", data1.shape, 4, 4)
        check_shape("Correlation", "data2", data2.shape, data1.known_shape)
        n, _, *sizes = data1.known_shape
        border = 2 * (self.max_displacement + self.kernel_size // 2)
        out = [(m + (2 * self.pad_size - border - 1)) // self.stride1 + 1 for m in sizes]
        for size in out:
            if is_int(size) and size < 1:
                raise AttributeValueError(
                    f"Correlation: images of {tuple(sizes)} with pad_size {self.pad_size} are "
                    f"smaller than displacement and kernel"
                )
        return data1.with_shape((n, (2 * self.reach() + 1) ** 2, *out))

    def kernel(self, data1: Any, data2: Any) -> Any:
        self.infer(TensorType(data1.shape, data1.dtype), TensorType(data2.shape, data2.dtype))
        return kernels.correlation(data1, data2, *self.attrs().values())

    def decompose(self, data1: Any, data2: Any) -> Any:
        p, d, k = self.pad_size, self.max_displacement, self.kernel_size
        width = (0, 0, 0, 0, p, p, p, p)
        left, right = F.pad(data1, pad_width=width), F.pad(data2, pad_width=width)
        c, (h, w) = left.shape[1], left.shape[2:]

        def moved(x: Any, i: int, j: int) -> Any:
            box = (slice(d + i, h - d + i), slice(d + j, w - d + j))
            return F.index(x, index=(_EVERY, _EVERY, *box))

        centre = moved(left, 0, 0)
        shifts = [i * self.stride2 for i in range(-self.reach(), self.reach() + 1)]
        found = []
        for i in shifts:
            for j in shifts:
                other = moved(right, i, j)
                part = centre * other if self.is_multiply else F.abs(centre - other)
                found.append(F.sum(part, axis=1, keepdims=True))
        planes = found[0] if len(found) == 1 else F.concatenate(*found, axis=1)
        total = F.pooling(
            planes, kernel_shape=(k, k), stride=(self.stride1,) * 2, pad=(0, 0), mode="sum"
        )
        return total / (number(c, total.dtype) * float(k * k))

    samples = [
        S((1, 2, 5, 6), (1, 2, 5, 6), max_displacement=1, pad_size=1),
        S((2, 3, 6, 6), (2, 3, 6, 6), kernel_size=3, max_displacement=2, stride1=2, stride2=2,
          pad_size=2, is_multiply=False),
        S((1, 1, 3, 3), (1, 1, 3, 3), max_displacement=0),
    ]  # fmt: skip
