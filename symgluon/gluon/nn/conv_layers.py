"""Convolutions and transposed convolutions (seed: ``gluon.nn``)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.naming import dialect, prefixed
from symgluon.gluon.nn.activations import Activation
from symgluon.gluon.nn.common import call, check_layout, data, run, tuple_of
from symgluon.ir.op import OPS, Op
from symgluon.ops import legacy_nn

__all__ = [
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
]


class _Conv(HybridBlock):
    """What the convolutions share."""

    _hint = "conv"

    _transposed = False
    _op: Op | None = None

    def __init__(
        self,
        rank: int,
        channels: int,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        layout: str,
        in_channels: int = 0,
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        output_padding: Any = None,
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        check_layout(layout, rank, type(self).__name__)
        super().__init__(**kwargs)
        self._channels, self._in_channels = channels, in_channels
        self._layout, self._groups = layout, groups
        self._kernel = tuple_of(kernel_size, rank, "kernel_size")
        self._strides = tuple_of(strides, rank, "strides")
        self._padding = tuple_of(padding, rank, "padding")
        self._dilation = tuple_of(dilation, rank, "dilation")
        self._kwargs: dict[str, Any] = {
            "kernel": self._kernel, "stride": self._strides, "dilate": self._dilation,
            "pad": self._padding, "num_filter": channels, "num_group": groups,
            "no_bias": not use_bias, "layout": layout,
        }  # fmt: skip
        if self._transposed:
            self._kwargs["adj"] = tuple_of(output_padding or 0, rank, "output_padding")
        # MXNet 2.x takes the channels of 3-D convolutions from the data, whatever in_channels says
        known = in_channels if rank < 3 or dialect() == "1" else 0
        self.weight = self._parameter("weight", shape=self._weight_shape(known), dtype=dtype,
                                init=weight_initializer, allow_deferred_init=True)  # fmt: skip
        self.bias = (
            self._parameter("bias", shape=(channels,), init=bias_initializer, dtype=dtype,
                      allow_deferred_init=True)
            if use_bias
            else None
        )  # fmt: skip
        with self.name_scope():
            self.act = (
                Activation(activation, **prefixed(f"{activation}_"))
                if activation is not None
                else None
            )

    def _weight_shape(self, in_channels: Any) -> tuple[Any, ...]:
        unknown = isinstance(in_channels, int) and in_channels == 0
        if self._transposed:
            first, second = (-1 if unknown else in_channels), self._channels // self._groups
        else:
            first, second = self._channels, -1 if unknown else in_channels // self._groups
        if self._layout.endswith("C"):
            return (first, *self._kernel, second)
        return (first, second, *self._kernel)

    def infer_shape(self, x: Any, *args: Any) -> None:
        """Set the number of input channels of the weight from `x`."""
        at = x.ndim - 1 if self._layout.endswith("C") else 1
        self.weight.shape = self._weight_shape(x.shape[at])

    def _bound(self) -> Op:
        """Return the operator of a layer with the channels first."""
        kw = self._kwargs
        more = {"adj": kw["adj"]} if self._transposed else {}
        return OPS["deconvolution" if self._transposed else "convolution"](
            kernel_shape=kw["kernel"], stride=kw["stride"], pad=kw["pad"], dilate=kw["dilate"],
            num_group=kw["num_group"], num_filter=kw["num_filter"], **more,
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        """Convolve `x`, add the bias, activate."""
        weight, bias = data(self.weight, x), data(self.bias, x)
        if self._layout.endswith("C"):
            function = legacy_nn.deconvolution if self._transposed else legacy_nn.convolution
            out = call(function, x, weight, bias, **self._kwargs)
        else:
            if self._op is None:
                self._op = self._bound()
            out = run(self._op, x, weight, bias)
        return out if self.act is None else self.act(out)

    def __repr__(self) -> str:
        shape = self.weight.shape
        at = -1 if self._layout.endswith("C") else 1
        inner = shape[0] if self._transposed else shape[at]
        other = shape[at] if self._transposed else shape[0]
        parts = [f"{inner} -> {other}", f"kernel_size={self._kernel}",
                 f"stride={self._strides}"]  # fmt: skip
        if any(self._padding):
            parts.append(f"padding={self._padding}")
        if any(d != 1 for d in self._dilation):
            parts.append(f"dilation={self._dilation}")
        if self._transposed and any(self._kwargs["adj"]):
            parts.append(f"output_padding={self._kwargs['adj']}")
        if self._groups != 1:
            parts.append(f"groups={self._groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.act is not None:
            parts.append(repr(self.act))
        return f"{type(self).__name__}({', '.join(parts)})"


class Conv1D(_Conv):
    """1-D convolution: sums of products of a window of the input with learned weights.

    Parameters
    ----------
    channels : int
        Number of output channels.
    kernel_size : int or tuple of one int
        Size of the window.
    strides, padding, dilation : int or tuple of one int
        Step of the window, zeros added on either side, distance between the places it reads.
    groups : int
        Groups of channels that do not see each other; it divides both numbers of channels.
    layout : str
        ``NCW`` or ``NWC``: the order of the axes of `x`, of the output and of the weight.
    activation : str, optional
        Activation by name (see `Activation`).
    use_bias : bool
        Add a bias.
    weight_initializer, bias_initializer : Initializer or str, optional
        Of weight and bias; None: what ``initialize`` is given.
    in_channels : int
        Number of input channels; 0: found at the first call.
    **kwargs : dtype
        ``dtype``, that of weight and bias.

    Inputs
    ------
    x : array (N, C, W), float
        In the order of `layout`.

    Outputs
    -------
    array (N, channels, W'), float
        Along each spatial axis of size n: ``(n + 2 * padding - dilation * (kernel - 1) - 1) //
        strides + 1``.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    The parameters are ``weight`` (channels, C / groups, kernel...) and ``bias`` (channels,).
    Source: MXNet's ``gluon.nn.Conv1D``; ONNX Conv.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.Conv1D(channels=1, kernel_size=2)
    >>> layer.initialize(init="ones")
    >>> layer(mx.np.array([[[1.0, 2.0, 3.0]]]))
    array([[[3., 5.]]])
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        layout: str = "NCW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            1, channels, kernel_size, strides, padding, dilation, groups, layout, in_channels,
            activation, use_bias, weight_initializer, bias_initializer, **kwargs,
        )  # fmt: skip


class Conv2D(_Conv):
    """2-D convolution: sums of products of a window of the input with learned weights.

    Parameters
    ----------
    channels : int
        Number of output channels.
    kernel_size : int or tuple of int
        Size of the window.
    strides, padding, dilation : int or tuple of int
        Step of the window, zeros added on either side, distance between the places it reads.
    groups : int
        Groups of channels that do not see each other; it divides both numbers of channels.
    layout : str
        ``NCHW`` or ``NHWC``: the order of the axes of `x`, of the output and of the weight.
    activation : str, optional
        Activation by name (see `Activation`).
    use_bias : bool
        Add a bias.
    weight_initializer, bias_initializer : Initializer or str, optional
        Of weight and bias; None: what ``initialize`` is given.
    in_channels : int
        Number of input channels; 0: found at the first call.
    **kwargs : dtype
        ``dtype``, that of weight and bias.

    Inputs
    ------
    x : array (N, C, H, W), float
        In the order of `layout`.

    Outputs
    -------
    array (N, channels, H', W'), float
        Along each spatial axis of size n: ``(n + 2 * padding - dilation * (kernel - 1) - 1) //
        strides + 1``.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    The parameters are ``weight`` (channels, C / groups, kernel...) and ``bias`` (channels,).
    Source: seed ``gluon.nn.Conv2D``; ONNX Conv.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.Conv2D(channels=1, kernel_size=2)
    >>> layer.initialize(init="ones")
    >>> layer(mx.np.ones((1, 2, 2, 3)))
    array([[[[8., 8.]]]])
    >>> mx.gluon.nn.Conv2D(8, 3, padding=1, groups=2, in_channels=4)
    Conv2D(2 -> 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=2)
    >>> mx.gluon.nn.Conv2D(8, 3, layout="NHWC", in_channels=4).weight.shape
    (8, 3, 3, 4)
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = (0, 0),
        dilation: Any = (1, 1),
        groups: int = 1,
        layout: str = "NCHW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            2, channels, kernel_size, strides, padding, dilation, groups, layout, in_channels,
            activation, use_bias, weight_initializer, bias_initializer, **kwargs,
        )  # fmt: skip


class Conv3D(_Conv):
    """3-D convolution: sums of products of a window of the input with learned weights.

    Parameters
    ----------
    channels : int
        Number of output channels.
    kernel_size : int or tuple of int
        Size of the window.
    strides, padding, dilation : int or tuple of int
        Step of the window, zeros added on either side, distance between the places it reads.
    groups : int
        Groups of channels that do not see each other; it divides both numbers of channels.
    layout : str
        ``NCDHW`` or ``NDHWC``: the order of the axes of `x`, of the output and of the weight.
    activation : str, optional
        Activation by name (see `Activation`).
    use_bias : bool
        Add a bias.
    weight_initializer, bias_initializer : Initializer or str, optional
        Of weight and bias; None: what ``initialize`` is given.
    in_channels : int
        Number of input channels; 0: found at the first call. (It always is, with 3 axes, as in
        MXNet.)
    **kwargs : dtype
        ``dtype``, that of weight and bias.

    Inputs
    ------
    x : array (N, C, D, H, W), float
        In the order of `layout`.

    Outputs
    -------
    array (N, channels, D', H', W'), float
        Along each spatial axis of size n: ``(n + 2 * padding - dilation * (kernel - 1) - 1) //
        strides + 1``.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    The parameters are ``weight`` (channels, C / groups, kernel...) and ``bias`` (channels,).
    Source: MXNet's ``gluon.nn.Conv3D``; ONNX Conv.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.Conv3D(channels=1, kernel_size=2)
    >>> layer.initialize(init="ones")
    >>> layer(mx.np.ones((1, 2, 4, 4, 4))).shape
    (1, 1, 3, 3, 3)
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: Any = (0, 0, 0),
        dilation: Any = (1, 1, 1),
        groups: int = 1,
        layout: str = "NCDHW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            3, channels, kernel_size, strides, padding, dilation, groups, layout, in_channels,
            activation, use_bias, weight_initializer, bias_initializer, **kwargs,
        )  # fmt: skip


class Conv1DTranspose(_Conv):
    """1-D transposed convolution: the gradient of a convolution with respect to its input.

    Parameters
    ----------
    channels : int
        Number of output channels.
    kernel_size : int or tuple of one int
        Size of the window.
    strides, padding, dilation : int or tuple of one int
        Those of the convolution whose input this output would be.
    output_padding : int or tuple of one int
        Added to the size of the output.
    groups : int
        Groups of channels that do not see each other; it divides both numbers of channels.
    layout : str
        ``NCW`` or ``NWC``: the order of the axes of `x`, of the output and of the weight.
    activation : str, optional
        Activation by name (see `Activation`).
    use_bias : bool
        Add a bias.
    weight_initializer, bias_initializer : Initializer or str, optional
        Of weight and bias; None: what ``initialize`` is given.
    in_channels : int
        Number of input channels; 0: found at the first call.
    **kwargs : dtype
        ``dtype``, that of weight and bias.

    Inputs
    ------
    x : array (N, C, W), float
        In the order of `layout`.

    Outputs
    -------
    array (N, channels, W'), float
        Along each spatial axis of size n: ``(n - 1) * strides - 2 * padding + dilation * (kernel -
        1) + output_padding + 1``.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    The parameters are ``weight`` (C, channels / groups, kernel...) and ``bias`` (channels,).
    Source: MXNet's ``gluon.nn.Conv1DTranspose``; ONNX ConvTranspose.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.Conv1DTranspose(channels=1, kernel_size=2, strides=2)
    >>> layer.initialize(init="ones")
    >>> layer(mx.np.array([[[1.0, 2.0]]]))
    array([[[1., 1., 2., 2.]]])
    """

    _transposed = True

    def __init__(
        self,
        channels: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        layout: str = "NCW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            1, channels, kernel_size, strides, padding, dilation, groups, layout, in_channels,
            activation, use_bias, weight_initializer, bias_initializer, output_padding, **kwargs,
        )  # fmt: skip


class Conv2DTranspose(_Conv):
    """2-D transposed convolution: the gradient of a convolution with respect to its input.

    Parameters
    ----------
    channels : int
        Number of output channels.
    kernel_size : int or tuple of int
        Size of the window.
    strides, padding, dilation : int or tuple of int
        Those of the convolution whose input this output would be.
    output_padding : int or tuple of int
        Added to the size of the output.
    groups : int
        Groups of channels that do not see each other; it divides both numbers of channels.
    layout : str
        ``NCHW`` or ``NHWC``: the order of the axes of `x`, of the output and of the weight.
    activation : str, optional
        Activation by name (see `Activation`).
    use_bias : bool
        Add a bias.
    weight_initializer, bias_initializer : Initializer or str, optional
        Of weight and bias; None: what ``initialize`` is given.
    in_channels : int
        Number of input channels; 0: found at the first call.
    **kwargs : dtype
        ``dtype``, that of weight and bias.

    Inputs
    ------
    x : array (N, C, H, W), float
        In the order of `layout`.

    Outputs
    -------
    array (N, channels, H', W'), float
        Along each spatial axis of size n: ``(n - 1) * strides - 2 * padding + dilation * (kernel -
        1) + output_padding + 1``.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    The parameters are ``weight`` (C, channels / groups, kernel...) and ``bias`` (channels,).
    Source: MXNet's ``gluon.nn.Conv2DTranspose``; ONNX ConvTranspose.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.Conv2DTranspose(channels=1, kernel_size=2, strides=2)
    >>> layer.initialize(init="ones")
    >>> layer(mx.np.ones((1, 2, 1, 2)))
    array([[[[2., 2., 2., 2.],
             [2., 2., 2., 2.]]]])
    """

    _transposed = True

    def __init__(
        self,
        channels: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = (0, 0),
        output_padding: Any = (0, 0),
        dilation: Any = (1, 1),
        groups: int = 1,
        layout: str = "NCHW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            2, channels, kernel_size, strides, padding, dilation, groups, layout, in_channels,
            activation, use_bias, weight_initializer, bias_initializer, output_padding, **kwargs,
        )  # fmt: skip


class Conv3DTranspose(_Conv):
    """3-D transposed convolution: the gradient of a convolution with respect to its input.

    Parameters
    ----------
    channels : int
        Number of output channels.
    kernel_size : int or tuple of int
        Size of the window.
    strides, padding, dilation : int or tuple of int
        Those of the convolution whose input this output would be.
    output_padding : int or tuple of int
        Added to the size of the output.
    groups : int
        Groups of channels that do not see each other; it divides both numbers of channels.
    layout : str
        ``NCDHW`` or ``NDHWC``: the order of the axes of `x`, of the output and of the weight.
    activation : str, optional
        Activation by name (see `Activation`).
    use_bias : bool
        Add a bias.
    weight_initializer, bias_initializer : Initializer or str, optional
        Of weight and bias; None: what ``initialize`` is given.
    in_channels : int
        Number of input channels; 0: found at the first call. (It always is, with 3 axes, as in
        MXNet.)
    **kwargs : dtype
        ``dtype``, that of weight and bias.

    Inputs
    ------
    x : array (N, C, D, H, W), float
        In the order of `layout`.

    Outputs
    -------
    array (N, channels, D', H', W'), float
        Along each spatial axis of size n: ``(n - 1) * strides - 2 * padding + dilation * (kernel -
        1) + output_padding + 1``.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    The parameters are ``weight`` (C, channels / groups, kernel...) and ``bias`` (channels,).
    Source: MXNet's ``gluon.nn.Conv3DTranspose``; ONNX ConvTranspose.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.Conv3DTranspose(channels=1, kernel_size=2, strides=2)
    >>> layer.initialize(init="ones")
    >>> layer(mx.np.ones((1, 2, 4, 4, 4))).shape
    (1, 1, 8, 8, 8)
    """

    _transposed = True

    def __init__(
        self,
        channels: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: Any = (0, 0, 0),
        output_padding: Any = (0, 0, 0),
        dilation: Any = (1, 1, 1),
        groups: int = 1,
        layout: str = "NCDHW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            3, channels, kernel_size, strides, padding, dilation, groups, layout, in_channels,
            activation, use_bias, weight_initializer, bias_initializer, output_padding, **kwargs,
        )  # fmt: skip


def __getattr__(name: str) -> Any:
    # MXNet 1.x has poolings and paddings in this module as well
    from symgluon.gluon.nn import pad_layers, pool_layers

    for module in (pool_layers, pad_layers):
        if name in module.__all__:
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
