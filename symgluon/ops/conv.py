"""Convolution and transposed convolution, any spatial rank, with gradients of any order.

The IR form is channels first: `x` is (N, C, spatial...).  Four operators are closed under
differentiation: `convolution`, its transpose `convolution_input_grad`, the correlation
`convolution_weight_grad`, and `deconvolution`, the transpose with a shape rule of its own.
"""

from __future__ import annotations

from typing import Any, ClassVar

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Ints, Shape
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, format_shape
from symgluon.ops import conv_blocked
from symgluon.ops.apply import F
from symgluon.ops.checks import check_dtypes, check_rank, check_shape, deferred, is_int
from symgluon.ops.conv_onnx import input_grad_onnx, weight_grad_onnx
from symgluon.ops.kernels import conv as kernels
from symgluon.ops.state import wants


class _Conv(Op):
    """What the operators of this module share: one entry a spatial axis in each tuple."""

    kernel_shape: Ints
    stride: Ints
    pad: Ints
    dilate: Ints
    num_group: int = 1
    eager_min: ClassVar[int | None] = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rank = len(self.kernel_shape)
        for key, least in (("kernel_shape", 1), ("stride", 1), ("pad", 0), ("dilate", 1)):
            value = self.__dict__[key]
            if len(value) != rank or any(is_int(v) and v < least for v in value):
                raise AttributeValueError(
                    f"{self.name}: attribute {key} is {value}",
                    expected=f"{rank} numbers, each at least {least}",
                )
        if self.num_group < 1:
            raise AttributeValueError(f"{self.name}: num_group is {self.num_group}, at least 1")

    def geometry(self) -> dict[str, Any]:
        """Return the attributes that a gradient operator takes over."""
        keys = ("kernel_shape", "stride", "pad", "dilate", "num_group")
        return {k: self.__dict__[k] for k in keys}

    def arguments(self) -> tuple[Any, ...]:
        """Stride, padding, dilation and groups as the kernels take them."""
        return self.stride, self.pad, self.dilate, self.num_group

    def onnx_attrs(self) -> dict[str, Any]:
        """Attributes of ONNX's Conv and ConvTranspose."""
        return {
            "kernel_shape": list(self.kernel_shape),
            "strides": list(self.stride),
            "pads": [*self.pad, *self.pad],
            "dilations": list(self.dilate),
            "group": self.num_group,
        }

    def per_group(self, count: Any, what: str) -> Any:
        """Number of channels or filters in a group; None while `count` is unknown.

        Raises
        ------
        ShapeError
            If the groups cannot be of one size.
        """
        if count is None or self.num_group == 1:
            return count
        if count % self.num_group != 0:
            raise ShapeError(
                f"{self.name}: {count} {what} cannot be cut into {self.num_group} groups"
            )
        return count // self.num_group

    def out_sizes(self, sizes: Any) -> tuple[Any, ...]:
        """Spatial sizes after a convolution.

        Raises
        ------
        ShapeError
            If the kernel does not fit into the padded data.
        """
        found = []
        axes = zip(sizes, self.kernel_shape, self.stride, self.pad, self.dilate, strict=True)
        for axis, (n, k, s, p, d) in enumerate(axes):
            size = kernels.conv_out_size(n, k, s, p, d)
            if is_int(size) and size < 1:
                raise ShapeError(
                    f"{self.name}: the kernel does not fit into the data, spatial axis {axis}",
                    expected=f"at least {d * (k - 1) + 1 - 2 * p}",
                    received=n,
                )
            found.append(size)
        return tuple(found)


class _Forward(_Conv):
    """Forward operators: data, weight, optional bias."""

    num_filter: int = 0

    def check(self, x: TensorType, weight: TensorType, bias: TensorType | None) -> None:
        """Require ranks and dtypes."""
        rank = len(self.kernel_shape) + 2
        check_dtypes(self.name, x, weight, bias)
        check_rank(self.name, "data", x.shape, rank, rank)
        if bias is not None:
            check_shape(self.name, "bias", bias.shape, (self.num_filter,))

    def bias_grad(self, ct: Any) -> Any:
        """Cotangent of the bias."""
        return F.sum(ct, axis=(0, *range(2, ct.ndim)))


@op()
class Convolution(_Forward):
    """Cross-correlation of x (N, C, in...) with weight (O, C / groups, k...): (N, O, out...)."""

    reads_weights = True

    def _channels(self, x: TensorType) -> Any:
        """Input channels a group; None while unknown."""
        return None if x.shape is None else self.per_group(x.shape[1], "channels")

    def infer_inputs(self, x: Any, weight: Any, bias: Any = None) -> Any:
        weight = deferred(weight, (self.num_filter, self._channels(x), *self.kernel_shape))
        return x, weight, deferred(bias, (self.num_filter,))

    def infer(
        self, x: TensorType, weight: TensorType, bias: TensorType | None = None
    ) -> TensorType:
        self.check(x, weight, bias)
        want = (self.num_filter, self._channels(x), *self.kernel_shape)
        self._check_channels(x, weight, want[1])
        check_shape("convolution", "weight", weight.shape, want)
        self.per_group(self.num_filter, "filters")
        n, _, *sizes = x.known_shape
        return x.with_shape((n, self.num_filter, *self.out_sizes(sizes)))

    def _check_channels(self, x: TensorType, weight: TensorType, want: Any) -> None:
        """Say in terms of the layer what does not fit (`check_shape` would speak of the weight)."""
        if weight.shape is None or len(weight.shape) != len(self.kernel_shape) + 2:
            return
        have = weight.shape[1]
        if is_int(want) and is_int(have) and want != have:
            raise ShapeError(
                f"convolution: data has {want * self.num_group} channels, weight expects "
                f"{have * self.num_group} (weight {format_shape(weight.shape)}, "
                f"num_group {self.num_group})",
                hint="Either give the layer the right in_channels, or feed data of shape "
                f"(N, {have * self.num_group}, ...); received {format_shape(x.shape)}.",
            )

    def kernel(self, x: Any, weight: Any, bias: Any = None) -> Any:
        check_dtypes(self.name, x, weight, bias)
        self.out_sizes(x.shape[2:])
        return kernels.conv(x, weight, bias, *self.arguments())

    def into(self, out: Any, x: Any, weight: Any, bias: Any = None) -> bool:
        if x.dtype.itemsize == 2 or not x.dtype == weight.dtype == out.dtype:
            return False
        kernels.conv(x, weight, bias, *(*self.arguments(), out))
        return True

    def grad(self, ct: Any, y: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        gx = gw = None
        if wants(0):
            gx = F.convolution_input_grad(ct, weight, x_shape=x.shape[1:], **self.geometry())
        if wants(1):
            gw = F.convolution_weight_grad(x, ct, w_shape=weight.shape, **self.geometry())
        gb = self.bias_grad(ct) if bias is not None and wants(2) else None
        return gx, gw, gb

    def onnx(self, g: Any, x: Any, weight: Any, bias: Any = "") -> Any:
        found = conv_blocked.forward(self, g, x, weight, bias)
        return found or g.Conv(x, weight, bias, **self.onnx_attrs())

    samples = [
        S((2, 3, 7), (4, 3, 3), (4,), kernel_shape=(3,), stride=(2,), pad=(1,), dilate=(1,),
          num_filter=4),
        S((2, 4, 5, 6), (4, 2, 3, 2), None, kernel_shape=(3, 2), stride=(1, 2), pad=(0, 1),
          dilate=(2, 1), num_group=2, num_filter=4),
        S((1, 3, 4, 4), (3, 1, 3, 3), (3,), kernel_shape=(3, 3), stride=(1, 1), pad=(1, 1),
          dilate=(1, 1), num_group=3, num_filter=3),
        S((2, 12, 4, 4), (2, 12, 1, 1), None, kernel_shape=(1, 1), stride=(1, 1), pad=(0, 0),
          dilate=(1, 1), num_filter=2),
        S((1, 2, 3, 4, 3), (3, 2, 2, 2, 2), (3,), kernel_shape=(2, 2, 2), stride=(1, 1, 1),
          pad=(0, 1, 0), dilate=(1, 1, 1), num_filter=3),
    ]  # fmt: skip


@op()
class ConvolutionInputGrad(_Conv):
    """Transpose of `convolution` with respect to its data: dy (N, O, out...) to (N, C, in...).

    Attributes
    ----------
    x_shape : tuple
        (C, in...) of the data.
    """

    x_shape: Shape = ()

    def infer(self, dy: TensorType, weight: TensorType) -> TensorType:
        filters = dy.known_shape[1]
        self.per_group(filters, "filters")
        want = (filters, self.per_group(self.x_shape[0], "channels"), *self.kernel_shape)
        check_shape(self.name, "weight", weight.shape, want)
        check_shape(self.name, "dy", dy.known_shape[2:], self.out_sizes(self.x_shape[1:]))
        return dy.with_shape((dy.known_shape[0], *self.x_shape))

    def kernel(self, dy: Any, weight: Any) -> Any:
        return kernels.conv_input_grad(dy, weight, (dy.shape[0], *self.x_shape), *self.arguments())

    def grad(self, ct: Any, y: Any, dy: Any, weight: Any) -> Any:
        g_dy = g_w = None
        if wants(0):
            filters = dy.shape[1]
            g_dy = F.convolution(ct, weight, None, num_filter=filters, **self.geometry())
        if wants(1):
            g_w = F.convolution_weight_grad(ct, dy, w_shape=weight.shape, **self.geometry())
        return g_dy, g_w

    def onnx(self, g: Any, dy: Any, weight: Any) -> Any:
        found = conv_blocked.input_grad(self, g, dy, weight)
        return found or input_grad_onnx(self, g, dy, weight)

    samples = [
        S((2, 4, 4), (4, 3, 3), kernel_shape=(3,), stride=(2,), pad=(1,), dilate=(1,),
          x_shape=(3, 7)),
        S((2, 4, 4), (4, 3, 3), kernel_shape=(3,), stride=(2,), pad=(1,), dilate=(1,),
          x_shape=(3, 8)),
        S((1, 4, 1, 4), (4, 2, 3, 2), kernel_shape=(3, 2), stride=(1, 2), pad=(0, 1),
          dilate=(2, 1), num_group=2, x_shape=(4, 5, 6)),
    ]  # fmt: skip


@op()
class ConvolutionWeightGrad(_Conv):
    """Cotangent of the weight of `convolution`: x (N, C, in...) and dy (N, O, out...)."""

    w_shape: Shape = ()

    def infer(self, x: TensorType, dy: TensorType) -> TensorType:
        n, channels, *sizes = x.known_shape
        check_shape(self.name, "dy", dy.shape, (n, self.w_shape[0], *self.out_sizes(sizes)))
        want = (self.w_shape[0], self.per_group(channels, "channels"), *self.kernel_shape)
        check_shape(self.name, "w_shape", self.w_shape, want)
        return x.with_shape(self.w_shape)

    def kernel(self, x: Any, dy: Any) -> Any:
        return kernels.conv_weight_grad(x, dy, self.w_shape, *self.arguments())

    def grad(self, ct: Any, y: Any, x: Any, dy: Any) -> Any:
        gx = g_dy = None
        if wants(0):
            gx = F.convolution_input_grad(dy, ct, x_shape=x.shape[1:], **self.geometry())
        if wants(1):
            g_dy = F.convolution(x, ct, None, num_filter=dy.shape[1], **self.geometry())
        return gx, g_dy

    def onnx(self, g: Any, x: Any, dy: Any) -> Any:
        return weight_grad_onnx(self, g, x, dy)

    samples = [
        S((2, 3, 7), (2, 4, 4), kernel_shape=(3,), stride=(2,), pad=(1,), dilate=(1,),
          w_shape=(4, 3, 3)),
        S((1, 4, 5, 6), (1, 4, 1, 4), kernel_shape=(3, 2), stride=(1, 2), pad=(0, 1),
          dilate=(2, 1), num_group=2, w_shape=(4, 2, 3, 2)),
        S((2, 16, 5, 5), (2, 3, 5, 5), kernel_shape=(3, 3), stride=(1, 1), pad=(1, 1),
          dilate=(1, 1), w_shape=(3, 16, 3, 3)),
        S((2, 3, 4, 4), (2, 3, 4, 4), kernel_shape=(3, 3), stride=(1, 1), pad=(1, 1),
          dilate=(1, 1), num_group=3, w_shape=(3, 1, 3, 3)),
        S((2, 5, 4), (2, 3, 4), kernel_shape=(1,), stride=(1,), pad=(0,), dilate=(1,),
          w_shape=(3, 5, 1)),
    ]  # fmt: skip


@op()
class Deconvolution(_Forward):
    """Transposed convolution of x (N, C, in...) with weight (C, O / groups, k...).

    The result is (N, O, out...); `adj` lengthens it at its end.
    """

    adj: Ints = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for a, s in zip(self._extra(), self.stride, strict=True):
            if is_int(a) and a >= s and a > 0:
                raise ShapeError(
                    f"deconvolution: adj {self._extra()} must be smaller than stride {self.stride}"
                )

    def _extra(self) -> tuple[int, ...]:
        return self.adj or (0,) * len(self.kernel_shape)

    def infer_inputs(self, x: Any, weight: Any, bias: Any = None) -> Any:
        channels = None if x.shape is None else x.shape[1]
        shape = (channels, self.num_filter // self.num_group, *self.kernel_shape)
        return x, deferred(weight, shape), deferred(bias, (self.num_filter,))

    def infer(
        self, x: TensorType, weight: TensorType, bias: TensorType | None = None
    ) -> TensorType:
        self.check(x, weight, bias)
        n, channels, *sizes = x.known_shape
        self.per_group(channels, "channels")
        shape = (channels, self.per_group(self.num_filter, "filters"), *self.kernel_shape)
        check_shape("deconvolution", "weight", weight.shape, shape)
        out = []
        axes = zip(sizes, self.kernel_shape, self.stride, self.pad, self.dilate, self._extra(),
                   strict=True)  # fmt: skip
        for m, k, s, p, d, a in axes:
            out.append(kernels.deconv_out_size(m, k, s, p, d, a))
        return x.with_shape((n, self.num_filter, *out))

    def kernel(self, x: Any, weight: Any, bias: Any = None) -> Any:
        check_dtypes(self.name, x, weight, bias)
        return kernels.conv_transpose(
            x, weight, bias, self.stride, self.pad, self.dilate, self._extra(), self.num_group
        )

    def grad(self, ct: Any, y: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        gx = gw = None
        if wants(0):
            gx = F.convolution(ct, weight, None, num_filter=x.shape[1], **self.geometry())
        if wants(1):
            gw = F.convolution_weight_grad(ct, x, w_shape=weight.shape, **self.geometry())
        gb = self.bias_grad(ct) if bias is not None and wants(2) else None
        return gx, gw, gb

    def onnx(self, g: Any, x: Any, weight: Any, bias: Any = "") -> Any:
        extra = self._extra()
        attrs = self.onnx_attrs()
        if any(extra):
            attrs["output_padding"] = list(extra)
        return g.ConvTranspose(x, weight, bias, **attrs)

    samples = [
        S((2, 3, 4), (3, 4, 3), (4,), kernel_shape=(3,), stride=(2,), pad=(1,), dilate=(1,),
          adj=(1,), num_filter=4),
        S((1, 4, 3, 3), (4, 2, 2, 3), None, kernel_shape=(2, 3), stride=(2, 1), pad=(0, 1),
          dilate=(1, 2), num_group=2, num_filter=4),
        S((1, 2, 2, 2, 2), (2, 3, 2, 2, 2), (3,), kernel_shape=(2, 2, 2), stride=(1, 1, 1),
          pad=(0, 0, 0), dilate=(1, 1, 1), num_filter=3),
    ]  # fmt: skip
