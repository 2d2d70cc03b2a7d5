"""Deformable convolution: the kernel's places move by learned offsets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ir.attrs import Ints
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.checks import check_dtypes, check_rank, check_shape, deferred
from symgluon.ops.kernels import deformable as kernels
from symgluon.ops.kernels.conv import conv_out_size
from symgluon.ops.mx import mx_function
from symgluon.ops.sampling import gathered, number
from symgluon.ops.state import wants
from symgluon.ops.tape import vjp


class _Deformable(Op):
    kernel_shape: Ints
    stride: Ints
    pad: Ints
    dilate: Ints
    num_group: int = 1
    num_deformable_group: int = 1

    def arguments(self) -> dict[str, Any]:
        """Attributes as the kernels take them."""
        return {
            "kernel": self.kernel_shape,
            "stride": self.stride,
            "pad": self.pad,
            "dilate": self.dilate,
            "groups": self.num_group,
            "num_deformable_group": self.num_deformable_group,
        }

    def out_sizes(self, sizes: Any) -> tuple[Any, ...]:
        """Height and width of the result."""
        axes = zip(sizes, self.kernel_shape, self.stride, self.pad, self.dilate, strict=True)
        return tuple(conv_out_size(*axis) for axis in axes)

    def check_groups(self, channels: Any, filters: Any) -> None:
        """Require channels and filters that can be cut into the groups.

        Raises
        ------
        ShapeError
            If they cannot.
        """
        for count, what, groups in (
            (channels, "channels", self.num_group),
            (channels, "channels", self.num_deformable_group),
            (filters, "filters", self.num_group),
        ):
            if groups != 1 and count % groups != 0:
                raise ShapeError(f"{self.name}: {count} {what} cannot be cut into {groups} groups")

    def offsets(self) -> int:
        """Places of the kernel in all deformable groups."""
        return self.num_deformable_group * math.prod(self.kernel_shape)


@op()
class DeformableConvolution(_Deformable):
    """Convolve x (N, C, H, W) at places moved by offset (N, 2 G K, h, w): (N, O, h, w).

    With a mask (N, G K, h, w) each sample is weighted.  Source: arXiv:1703.06211, 1811.11168.
    """

    num_filter: int = 0

    def infer_inputs(self, x: Any, offset: Any, weight: Any, bias: Any, mask: Any) -> Any:
        channels = None if x.shape is None else x.shape[1]
        per_group = None if channels is None else channels // self.num_group
        weight = deferred(weight, (self.num_filter, per_group, *self.kernel_shape))
        return x, offset, weight, deferred(bias, (self.num_filter,)), mask

    def infer(
        self,
        x: TensorType,
        offset: TensorType,
        weight: TensorType,
        bias: TensorType | None = None,
        mask: TensorType | None = None,
    ) -> TensorType:
        check_dtypes(self.name, x, offset, weight, bias, mask)
        check_rank(self.name, "data", x.shape, 4, 4)
        n, c, *sizes = x.known_shape
        self.check_groups(c, self.num_filter)
        out = self.out_sizes(sizes)
        check_shape(self.name, "offset", offset.shape, (n, 2 * self.offsets(), *out))
        want = (self.num_filter, c // self.num_group, *self.kernel_shape)
        check_shape(self.name, "weight", weight.shape, want)
        if bias is not None:
            check_shape(self.name, "bias", bias.shape, (self.num_filter,))
        if mask is not None:
            check_shape(self.name, "mask", mask.shape, (n, self.offsets(), *out))
        return x.with_shape((n, self.num_filter, *out))

    def kernel(self, x: Any, offset: Any, weight: Any, bias: Any = None, mask: Any = None) -> Any:
        check_dtypes(self.name, x, offset, weight, bias, mask)
        return kernels.deformable_conv(x, offset, weight, bias, mask=mask, **self.arguments())

    def grad(
        self, ct: Any, y: Any, x: Any, offset: Any, weight: Any, bias: Any = None, mask: Any = None
    ) -> Any:
        attrs = {k: v for k, v in self.attrs().items() if k != "num_filter"}
        found = F.deformable_convolution_grad(ct, x, offset, weight, mask, **attrs)
        g_bias = F.sum(ct, axis=(0, 2, 3)) if bias is not None and wants(3) else None
        return *found[:3], g_bias, found[3] if mask is not None else None

    def decompose(
        self, x: Any, offset: Any, weight: Any, bias: Any = None, mask: Any = None
    ) -> Any:
        n, c, h, w = x.shape
        filters, deform, groups = weight.shape[0], self.num_deformable_group, self.num_group
        rows, columns, size = self._places(offset)
        flat = (n * deform, 1, rows.shape[1])
        rows, columns = F.reshape(rows, shape=flat), F.reshape(columns, shape=flat)
        source = F.reshape(x, shape=(n * deform, c // deform, h * w))
        factor = None if mask is None else F.reshape(mask, shape=flat)
        if mask is None:  # a place outside counts 0, one beyond the last centre has its value
            factor = F.cast(F.logical_and(_between(rows, h), _between(columns, w)), dtype=x.dtype)
            rows, columns = _clamped(rows, h), _clamped(columns, w)
        samples = gathered(source, rows, columns, h, w) * factor
        taps, places = self.kernel_shape[0] * self.kernel_shape[1], size[0] * size[1]
        shape = (n, groups, c // groups * taps, places)
        matrix = F.reshape(weight, shape=(groups, filters // groups, c // groups * taps))
        out = F.matmul(matrix, F.reshape(samples, shape=shape))
        out = F.reshape(out, shape=(n, filters, *size))
        return out if bias is None else out + F.reshape(bias, shape=(filters, 1, 1))

    def _places(self, offset: Any) -> tuple[Any, Any, tuple[Any, Any]]:
        """Rows and columns (N * G, K * P) of the samples, and the size of the result."""
        n, _, h, w = offset.shape
        lead = n * self.num_deformable_group
        moved = F.reshape(offset, shape=(lead, *self.kernel_shape, 2, h, w))
        every = (slice(None),) * 3
        found = []
        for axis, length in enumerate((h, w)):
            tap = np.arange(self.kernel_shape[axis]) * self.dilate[axis] - self.pad[axis]
            shape = [1] * 4
            shape[axis] = self.kernel_shape[axis]
            start = F.arange(start=0, stop=length, step=1, dtype=offset.dtype)
            across = (length, 1) if axis == 0 else (1, length)
            grid = F.reshape(start * float(self.stride[axis]), shape=across)
            grid = grid + tap.reshape(shape).astype(offset.dtype)
            part = F.index(moved, index=(*every, axis)) + grid
            count = self.kernel_shape[0] * self.kernel_shape[1] * h * w
            found.append(F.reshape(part, shape=(lead, count)))
        return found[0], found[1], (h, w)

    samples = [
        S((1, 2, 5, 5), lambda rng: rng.uniform(-0.7, 0.7, (1, 8, 4, 4)), (3, 2, 2, 2), (3,), None,
          kernel_shape=(2, 2), stride=(1, 1), pad=(0, 0), dilate=(1, 1), num_filter=3),
        S((2, 4, 4, 5), lambda rng: rng.uniform(-0.7, 0.7, (2, 36, 2, 3)), (2, 2, 3, 3), None,
          lambda rng: rng.uniform(0.1, 1, (2, 18, 2, 3)), kernel_shape=(3, 3), stride=(2, 2),
          pad=(1, 1), dilate=(1, 1), num_group=2, num_deformable_group=2, num_filter=2),
    ]  # fmt: skip


@op()
class DeformableConvolutionGrad(_Deformable):
    """Cotangents of data, offset, weight and (with one) mask of `deformable_convolution`."""

    def infer(
        self,
        dy: TensorType,
        x: TensorType,
        offset: TensorType,
        weight: TensorType,
        mask: TensorType | None = None,
    ) -> Any:
        n, c, *sizes = x.known_shape
        out = self.out_sizes(sizes)
        filters = weight.known_shape[0]
        self.check_groups(c, filters)
        want = (filters, c // self.num_group, *self.kernel_shape)
        check_shape(self.name, "weight", weight.shape, want)
        check_shape(self.name, "dy", dy.shape, (n, filters, *out))
        if mask is not None:
            check_shape(self.name, "mask", mask.shape, (n, self.offsets(), *out))
        check_shape(self.name, "offset", offset.shape, (n, 2 * self.offsets(), *out))
        return (x, offset, weight) if mask is None else (x, offset, weight, mask)

    def kernel(self, dy: Any, x: Any, offset: Any, weight: Any, mask: Any = None) -> Any:
        found = kernels.deformable_conv_grads(dy, x, offset, weight, mask=mask, **self.arguments())
        return found[:3] if mask is None else found

    def decompose(self, dy: Any, x: Any, offset: Any, weight: Any, mask: Any = None) -> Any:
        forward = DeformableConvolution(num_filter=weight.shape[0], **self.attrs())
        operands = [x, offset, weight, mask]

        def run(x: Any, offset: Any, weight: Any, mask: Any) -> Any:
            return forward.decompose(x, offset, weight, None, mask)

        grads = vjp(run, operands, dy)
        return tuple(g for g, o in zip(grads, operands, strict=True) if o is not None)

    samples = [
        S((1, 3, 4, 4), (1, 2, 5, 5), lambda rng: rng.uniform(-0.7, 0.7, (1, 8, 4, 4)),
          (3, 2, 2, 2), None, kernel_shape=(2, 2), stride=(1, 1), pad=(0, 0), dilate=(1, 1)),
        S((1, 2, 1, 1), (1, 1, 1, 1), lambda rng: rng.uniform(-0.7, 0.7, (1, 2, 1, 1)),
          (2, 1, 1, 1), lambda rng: rng.uniform(0.1, 1, (1, 1, 1, 1)), kernel_shape=(1, 1),
          stride=(1, 1), pad=(0, 0), dilate=(1, 1)),
    ]  # fmt: skip


def _between(place: Any, size: Any) -> Any:
    zero = np.zeros((), place.dtype)
    return F.logical_and(F.greater_equal(place, zero), F.less(place, number(size, place.dtype)))


def _clamped(place: Any, size: Any) -> Any:
    zero = np.zeros((), place.dtype)
    return F.minimum(F.maximum(place, zero), number(size - 1, place.dtype))


def _attrs(kernel: Ints, stride: Ints, dilate: Ints, pad: Ints, **others: Any) -> dict[str, Any]:
    return {
        "kernel_shape": kernel,
        "stride": stride or (1, 1),
        "pad": pad or (0, 0),
        "dilate": dilate or (1, 1),
        **others,
    }


@mx_function("_contrib_DeformableConvolution _npx_deformable_convolution")
def deformable_convolution(
    data: Any,
    offset: Any,
    weight: Any,
    bias: Any = None,
    *,
    kernel: Ints,
    stride: Ints = (),
    dilate: Ints = (),
    pad: Ints = (),
    num_filter: int,
    num_group: int = 1,
    num_deformable_group: int = 1,
    no_bias: bool = False,
    layout: str | None = None,
) -> Any:
    """Deformable convolution, channels first."""
    attrs = _attrs(
        kernel, stride, dilate, pad, num_filter=num_filter, num_group=num_group,
        num_deformable_group=num_deformable_group,
    )  # fmt: skip
    return F.deformable_convolution(data, offset, weight, None if no_bias else bias, None, **attrs)


@mx_function("_contrib_ModulatedDeformableConvolution _npx_modulated_deformable_convolution")
def modulated_deformable_convolution(
    data: Any,
    offset: Any,
    mask: Any,
    weight: Any,
    bias: Any = None,
    *,
    kernel: Ints,
    stride: Ints = (),
    dilate: Ints = (),
    pad: Ints = (),
    num_filter: int,
    num_group: int = 1,
    num_deformable_group: int = 1,
    no_bias: bool = False,
    layout: str | None = None,
) -> Any:
    """Deformable convolution with a weight for each sample, channels first."""
    attrs = _attrs(
        kernel, stride, dilate, pad, num_filter=num_filter, num_group=num_group,
        num_deformable_group=num_deformable_group,
    )  # fmt: skip
    return F.deformable_convolution(data, offset, weight, None if no_bias else bias, mask, **attrs)
