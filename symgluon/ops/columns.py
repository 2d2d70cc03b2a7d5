"""Windows of an image as columns, and back."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Ints
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.checks import check_rank, check_shape, is_int
from symgluon.ops.kernels import misc
from symgluon.ops.kernels.conv import conv_out_size
from symgluon.ops.mx import mx_function


class _Columns(Op):
    kernel_shape: Ints
    stride: Ints
    dilate: Ints
    pad: Ints

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rank = len(self.kernel_shape)
        if not (rank == len(self.stride) == len(self.dilate) == len(self.pad)):
            raise AttributeValueError(
                f"{self.name}: kernel {self.kernel_shape}, stride {self.stride}, dilate "
                f"{self.dilate} and pad {self.pad} differ in length"
            )

    @property
    def count(self) -> int:
        """Elements of a window."""
        return math.prod(self.kernel_shape)

    def geometry(self) -> dict[str, Any]:
        """Attributes that both operators have."""
        return {k: getattr(self, k) for k in ("kernel_shape", "stride", "dilate", "pad")}

    def steps(self, sizes: Any) -> tuple[Any, ...]:
        """Windows along each axis."""
        axes = zip(sizes, self.kernel_shape, self.stride, self.pad, self.dilate, strict=True)
        found = tuple(conv_out_size(*axis) for axis in axes)
        if any(is_int(n) and n < 1 for n in found):
            raise ShapeError(f"{self.name}: the window does not fit into {tuple(sizes)}")
        return found

    def taps(self, x: Any, steps: Any) -> Any:
        """What each element of the window reads of the padded data, in operators."""
        for tap in itertools.product(*[range(k) for k in self.kernel_shape]):
            box = [
                slice(i * d, i * d + (n - 1) * s + 1, s)
                for i, n, s, d in zip(tap, steps, self.stride, self.dilate, strict=True)
            ]
            yield F.index(x, index=(slice(None), slice(None), *box))


@op()
class Im2col(_Columns):
    """Windows of data (N, C, in...) as columns (N, C * window, places)."""

    def infer(self, data: TensorType) -> TensorType:
        rank = len(self.kernel_shape) + 2
        check_rank("im2col", "data", data.shape, rank, rank)
        n, c, *sizes = data.known_shape
        return data.with_shape((n, c * self.count, math.prod(self.steps(sizes))))

    def kernel(self, data: Any) -> Any:
        self.infer(TensorType(data.shape, data.dtype))
        return misc.im2col(data, self.kernel_shape, self.stride, self.dilate, self.pad).copy()

    def grad(self, ct: Any, y: Any, data: Any) -> Any:
        return F.col2im(ct, output_size=data.shape[2:], **self.geometry())

    def decompose(self, data: Any) -> Any:
        n, c, *sizes = data.shape
        steps = self.steps(sizes)
        width = (0, 0, 0, 0, *[p for p in self.pad for _ in (0, 1)])
        padded = F.pad(data, pad_width=width) if any(self.pad) else data
        places = math.prod(steps)
        parts = [F.reshape(tap, shape=(n, c, 1, places)) for tap in self.taps(padded, steps)]
        joined = parts[0] if len(parts) == 1 else F.concatenate(*parts, axis=2)
        return F.reshape(joined, shape=(n, c * self.count, places))

    samples = [
        S((2, 3, 5, 6), kernel_shape=(3, 2), stride=(2, 1), dilate=(1, 2), pad=(1, 0)),
        S((1, 2, 7), kernel_shape=(3,), stride=(2,), dilate=(1,), pad=(0,)),
        S((1, 1, 2, 2), kernel_shape=(1, 1), stride=(1, 1), dilate=(1, 1), pad=(0, 0)),
    ]


@op()
class Col2im(_Columns):
    """Add columns (N, C * window, places) back into (N, C, `output_size`...)."""

    output_size: Ints

    def channels(self, rows: Any) -> Any:
        """Channels that `rows` of columns make."""
        if rows % self.count != 0:
            raise ShapeError(f"col2im: {rows} rows are no multiple of the window {self.count}")
        return rows // self.count

    def infer(self, data: TensorType) -> TensorType:
        check_rank("col2im", "data", data.shape, 3, 3)
        n, rows, _ = data.known_shape
        places = math.prod(self.steps(self.output_size))
        check_shape("col2im", "data", data.shape, (n, rows, places))
        return data.with_shape((n, self.channels(rows), *self.output_size))

    def kernel(self, data: Any) -> Any:
        self.infer(TensorType(data.shape, data.dtype))
        return misc.col2im(
            data, self.output_size, self.kernel_shape, self.stride, self.dilate, self.pad
        )

    def grad(self, ct: Any, y: Any, data: Any) -> Any:
        return F.im2col(ct, **self.geometry())

    def decompose(self, data: Any) -> Any:
        # a transposed convolution of each channel's window with one place an element
        n, rows, _ = data.shape
        c = self.channels(rows)
        steps = self.steps(self.output_size)
        single = F.reshape(data, shape=(n * c, self.count, *steps))
        one = np.eye(self.count).reshape(self.count, 1, *self.kernel_shape).astype(data.dtype)
        out = F.convolution_input_grad(
            single, one, x_shape=(1, *self.output_size), **self.geometry()
        )
        return F.reshape(out, shape=(n, c, *self.output_size))

    samples = [
        S((2, 18, 9), kernel_shape=(3, 2), stride=(2, 1), dilate=(1, 2), pad=(1, 0),
          output_size=(5, 5)),
        S((1, 6, 3), kernel_shape=(3,), stride=(2,), dilate=(1,), pad=(0,), output_size=(8,)),
        S((1, 1, 4), kernel_shape=(1, 1), stride=(1, 1), dilate=(1, 1), pad=(0, 0),
          output_size=(2, 2)),
    ]  # fmt: skip


def _full(kernel: Ints, stride: Ints, dilate: Ints, pad: Ints) -> dict[str, Any]:
    rank = len(kernel)
    return {
        "kernel_shape": kernel,
        "stride": stride or (1,) * rank,
        "dilate": dilate or (1,) * rank,
        "pad": pad or (0,) * rank,
    }


@mx_function("im2col")
def im2col(
    data: Any, *, kernel: Ints, stride: Ints = (), dilate: Ints = (), pad: Ints = ()
) -> Any:
    """Windows as columns."""
    return F.im2col(data, **_full(kernel, stride, dilate, pad))


@mx_function("col2im")
def col2im(
    data: Any,
    *,
    output_size: Ints,
    kernel: Ints,
    stride: Ints = (),
    dilate: Ints = (),
    pad: Ints = (),
) -> Any:
    """Columns added back into an image."""
    return F.col2im(data, output_size=output_size, **_full(kernel, stride, dilate, pad))
