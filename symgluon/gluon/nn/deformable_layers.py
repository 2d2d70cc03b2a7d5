"""Convolutions whose windows are bent by learned offsets (seed: ``gluon.nn``)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.naming import prefixed
from symgluon.gluon.nn.activations import Activation
from symgluon.gluon.nn.common import call, data, tuple_of
from symgluon.gluon.parameter import Parameter
from symgluon.ops import deformable, legacy_nn
from symgluon.ops.apply import F

__all__ = ["DeformableConvolution", "ModulatedDeformableConvolution"]


class _Deformable(HybridBlock):
    """What both share: a plain convolution that gives the offsets, and the bent one."""

    #: numbers that the first convolution gives for each place of the kernel
    _per_place = 2

    def __init__(
        self,
        channels: int,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        num_deformable_group: int,
        layout: str,
        use_bias: bool,
        in_channels: int,
        activation: str | None,
        inits: tuple[Any, Any, Any, Any],
        offset_use_bias: bool,
        **kwargs: Any,
    ) -> None:
        if layout != "NCHW":
            raise AssertionError(f"deformable convolutions have layout NCHW, received {layout!r}")
        super().__init__(**kwargs)
        self._channels, self._in_channels, self._groups = channels, in_channels, groups
        self._kernel = tuple_of(kernel_size, 2, "kernel_size")
        self._strides = tuple_of(strides, 2, "strides")
        self._padding = tuple_of(padding, 2, "padding")
        self._places = num_deformable_group * self._kernel[0] * self._kernel[1]
        shared = {
            "kernel": self._kernel, "stride": self._strides, "pad": self._padding,
            "dilate": tuple_of(dilation, 2, "dilation"), "num_group": groups,
        }  # fmt: skip
        self._offset_channels = self._per_place * self._places
        self._attrs = {
            **shared, "num_filter": channels, "num_deformable_group": num_deformable_group,
            "no_bias": not use_bias,
        }  # fmt: skip
        self._offset_attrs = {
            **shared, "num_filter": self._offset_channels, "no_bias": not offset_use_bias
        }  # fmt: skip
        weight, bias, offset_weight, offset_bias = inits
        self.offset_weight = self._weight("offset_weight", self._offset_channels, offset_weight)
        self.offset_bias = (
            self._bias("offset_bias", self._offset_channels, offset_bias)
            if offset_use_bias
            else None
        )
        self.deformable_conv_weight = self._weight("deformable_conv_weight", channels, weight)
        self.deformable_conv_bias = (
            self._bias("deformable_conv_bias", channels, bias) if use_bias else None
        )
        with self.name_scope():
            self.act = Activation(activation, **prefixed(f"{activation}_")) if activation else None

    def _weight(self, name: str, channels: int, init: Any) -> Parameter:
        return self._parameter(
            name, shape=self._weight_shape(channels, self._in_channels), init=init,
            allow_deferred_init=True,
        )  # fmt: skip

    def _bias(self, name: str, channels: int, init: Any) -> Parameter:
        return self._parameter(name, shape=(channels,), init=init, allow_deferred_init=True)

    def _weight_shape(self, channels: int, in_channels: Any) -> tuple[Any, ...]:
        unknown = isinstance(in_channels, int) and in_channels == 0
        return (channels, -1 if unknown else in_channels // self._groups, *self._kernel)

    def infer_shape(self, x: Any) -> None:
        """Set the number of input channels of both weights from `x`."""
        self.offset_weight.shape = self._weight_shape(self._offset_channels, x.shape[1])
        self.deformable_conv_weight.shape = self._weight_shape(self._channels, x.shape[1])

    def _offsets(self, x: Any) -> Any:
        return call(
            legacy_nn.convolution, x, data(self.offset_weight, x), data(self.offset_bias, x),
            **self._offset_attrs,
        )  # fmt: skip

    def _finish(self, out: Any) -> Any:
        return out if self.act is None else self.act(out)

    def __repr__(self) -> str:
        shape: Any = self.deformable_conv_weight.shape or (None, None)
        parts = [f"{shape[1]} -> {shape[0]}", f"kernel_size={self._kernel}",
                 f"stride={self._strides}"]  # fmt: skip
        if any(self._padding):
            parts.append(f"padding={self._padding}")
        dilate: Any = self._attrs["dilate"]
        if any(d != 1 for d in dilate):
            parts.append(f"dilation={dilate}")
        if self._groups != 1:
            parts.append(f"groups={self._groups}")
        if self.deformable_conv_bias is None:
            parts.append("bias=False")
        if self.act is not None:
            parts.append(repr(self.act))
        return f"{type(self).__name__}({', '.join(parts)})"


class DeformableConvolution(_Deformable):
    """2-D convolution that reads at offsets which another convolution of the same input gives.

    Parameters
    ----------
    channels : int
        Number of output channels.
    kernel_size, strides, padding, dilation : int or tuple of int
        Of both convolutions, as in `Conv2D`.
    groups : int
        Groups of channels that do not see each other, in both convolutions.
    num_deformable_group : int
        Groups of input channels with offsets of their own.
    layout : str
        ``NCHW``.
    use_bias : bool
        Add a bias to the output.
    in_channels : int
        Number of input channels; 0: found at the first call.
    activation : str, optional
        Activation by name (see `Activation`).
    weight_initializer, bias_initializer : Initializer or str, optional
        Of the convolution at the offsets.
    offset_weight_initializer, offset_bias_initializer : Initializer or str
        Of the convolution that gives the offsets.
    offset_use_bias : bool
        Add a bias to the offsets.
    op_name, adj : object
        Accepted for MXNet's sake, without effect.

    Inputs
    ------
    x : array (N, C, H, W), float

    Outputs
    -------
    array (N, channels, H', W'), float
        Sizes as of `Conv2D`.

    Raises
    ------
    AssertionError
        For another layout.

    Notes
    -----
    Values between places are interpolated linearly; beyond the edge they are 0.  The parameters
    are ``deformable_conv_weight``, ``deformable_conv_bias``, ``offset_weight`` and
    ``offset_bias``.  Source: MXNet's ``gluon.nn.DeformableConvolution``; arXiv:1703.06211; ONNX
    GatherElements, MatMul.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.DeformableConvolution(1, kernel_size=2)
    >>> layer.initialize(init="ones")
    >>> layer(mx.np.ones((1, 1, 2, 3)))  # offsets start as 0: a plain convolution
    array([[[[4., 4.]]]])
    """

    _hint = "deformable_conv"

    def __init__(
        self,
        channels: int,
        kernel_size: Any = (1, 1),
        strides: Any = (1, 1),
        padding: Any = (0, 0),
        dilation: Any = (1, 1),
        groups: int = 1,
        num_deformable_group: int = 1,
        layout: str = "NCHW",
        use_bias: bool = True,
        in_channels: int = 0,
        activation: str | None = None,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        offset_weight_initializer: Any = "zeros",
        offset_bias_initializer: Any = "zeros",
        offset_use_bias: bool = True,
        op_name: str = "DeformableConvolution",
        adj: Any = None,
        **kwargs: Any,
    ) -> None:
        inits = (weight_initializer, bias_initializer, offset_weight_initializer,
                 offset_bias_initializer)  # fmt: skip
        super().__init__(
            channels, kernel_size, strides, padding, dilation, groups, num_deformable_group, layout,
            use_bias, in_channels, activation, inits, offset_use_bias, **kwargs
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        """Find the offsets from `x` and convolve."""
        out = call(
            deformable.deformable_convolution, x, self._offsets(x),
            data(self.deformable_conv_weight, x), data(self.deformable_conv_bias, x), **self._attrs,
        )  # fmt: skip
        return self._finish(out)


class ModulatedDeformableConvolution(_Deformable):
    """Deformable convolution with a learned factor for each place that it reads.

    Parameters
    ----------
    channels : int
        Number of output channels.
    kernel_size, strides, padding, dilation : int or tuple of int
        Of both convolutions, as in `Conv2D`.
    groups : int
        Groups of channels that do not see each other, in both convolutions.
    num_deformable_group : int
        Groups of input channels with offsets of their own.
    layout : str
        ``NCHW``.
    use_bias : bool
        Add a bias to the output.
    in_channels : int
        Number of input channels; 0: found at the first call.
    activation : str, optional
        Activation by name (see `Activation`).
    weight_initializer, bias_initializer : Initializer or str, optional
        Of the convolution at the offsets.
    offset_weight_initializer, offset_bias_initializer : Initializer or str
        Of the convolution that gives the offsets.
    offset_use_bias : bool
        Add a bias to the offsets.
    op_name, adj : object
        Accepted for MXNet's sake, without effect.

    Inputs
    ------
    x : array (N, C, H, W), float

    Outputs
    -------
    array (N, channels, H', W'), float
        Sizes as of `Conv2D`.

    Raises
    ------
    AssertionError
        For another layout.

    Notes
    -----
    The factors are twice the sigmoid of what the first convolution gives, 1 to begin with.  The
    parameters are named as those of `DeformableConvolution`.  Source: MXNet's
    ``gluon.nn.ModulatedDeformableConvolution``; arXiv:1811.11168; ONNX GatherElements, MatMul.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.ModulatedDeformableConvolution(1, kernel_size=2)
    >>> layer.initialize(init="ones")
    >>> layer(mx.np.ones((1, 1, 2, 3)))
    array([[[[4., 4.]]]])
    """

    _hint = "modulated_deformable_conv"

    _per_place = 3

    def __init__(
        self,
        channels: int,
        kernel_size: Any = (1, 1),
        strides: Any = (1, 1),
        padding: Any = (0, 0),
        dilation: Any = (1, 1),
        groups: int = 1,
        num_deformable_group: int = 1,
        layout: str = "NCHW",
        use_bias: bool = True,
        in_channels: int = 0,
        activation: str | None = None,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        offset_weight_initializer: Any = "zeros",
        offset_bias_initializer: Any = "zeros",
        offset_use_bias: bool = True,
        op_name: str = "ModulatedDeformableConvolution",
        adj: Any = None,
        **kwargs: Any,
    ) -> None:
        inits = (weight_initializer, bias_initializer, offset_weight_initializer,
                 offset_bias_initializer)  # fmt: skip
        super().__init__(
            channels, kernel_size, strides, padding, dilation, groups, num_deformable_group, layout,
            use_bias, in_channels, activation, inits, offset_use_bias, **kwargs
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        """Find offsets and factors from `x`, and convolve."""
        found = self._offsets(x)
        split = 2 * self._places
        head = slice(None)
        offset = call(F.index, found, index=(head, slice(0, split)))
        mask = call(F.index, found, index=(head, slice(split, None)))
        out = call(
            deformable.modulated_deformable_convolution, x, offset, call(F.sigmoid, mask) * 2.0,
            data(self.deformable_conv_weight, x), data(self.deformable_conv_bias, x), **self._attrs,
        )  # fmt: skip
        return self._finish(out)
