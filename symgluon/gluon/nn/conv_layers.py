"""Convolution, pooling, padding and shuffling layers (seed: ``gluon.nn``)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.activations import Activation
from symgluon.gluon.nn.common import call, data, tuple_of
from symgluon.gluon.parameter import Parameter
from symgluon.ops import legacy_nn, legacy_shape
from symgluon.ops.apply import F

_LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}

__all__ = [
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "PixelShuffle1D",
    "PixelShuffle2D",
    "PixelShuffle3D",
    "ReflectionPad2D",
]


def _check_layout(layout: str, rank: int, what: str) -> None:
    if layout not in _LAYOUTS[rank]:
        raise AssertionError(
            f"Only supports {' and '.join(map(repr, _LAYOUTS[rank]))} layout for now, {what} "
            f"received {layout!r}"
        )


# ---- convolution -------------------------------------------------------------------------------
class _Conv(HybridBlock):
    """What the convolutions share."""

    _transposed = False

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
    ) -> None:
        _check_layout(layout, rank, type(self).__name__)
        super().__init__()
        self._channels, self._in_channels = channels, in_channels
        self._layout, self._groups = layout, groups
        self._kernel = tuple_of(kernel_size, rank, "kernel_size")
        self._strides = tuple_of(strides, rank, "strides")
        self._padding = tuple_of(padding, rank, "padding")
        self._dilation = tuple_of(dilation, rank, "dilation")
        self._attrs: dict[str, Any] = {
            "kernel": self._kernel, "stride": self._strides, "dilate": self._dilation,
            "pad": self._padding, "num_filter": channels, "num_group": groups,
            "no_bias": not use_bias, "layout": layout,
        }  # fmt: skip
        if self._transposed:
            self._attrs["adj"] = tuple_of(output_padding or 0, rank, "output_padding")
        # MXNet takes the channels of 3-D convolutions from the data, whatever in_channels says
        known = in_channels if rank < 3 else 0
        self.weight = Parameter("weight", shape=self._weight_shape(known), dtype=dtype,
                                init=weight_initializer, allow_deferred_init=True)  # fmt: skip
        self.bias = (
            Parameter("bias", shape=(channels,), init=bias_initializer, dtype=dtype,
                      allow_deferred_init=True)
            if use_bias
            else None
        )  # fmt: skip
        self.act = Activation(activation) if activation is not None else None

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
        """Set the number of input channels from the data."""
        at = x.ndim - 1 if self._layout.endswith("C") else 1
        self.weight.shape = self._weight_shape(x.shape[at])

    def forward(self, x: Any) -> Any:
        """Convolve, add, activate."""
        function = legacy_nn.deconvolution if self._transposed else legacy_nn.convolution
        out = call(function, x, data(self.weight, x), data(self.bias, x), **self._attrs)
        return out if self.act is None else self.act(out)

    def __repr__(self) -> str:
        shape = self.weight.shape
        at = -1 if self._layout.endswith("C") else 1
        inner = shape[0] if self._transposed else shape[at]
        other = shape[at] if self._transposed else shape[0]
        parts = [f"{inner if inner > 0 else None} -> {other}", f"kernel_size={self._kernel}",
                 f"stride={self._strides}"]  # fmt: skip
        if any(self._padding):
            parts.append(f"padding={self._padding}")
        if any(d != 1 for d in self._dilation):
            parts.append(f"dilation={self._dilation}")
        if self._transposed and any(self._attrs["adj"]):
            parts.append(f"output_padding={self._attrs['adj']}")
        if self._groups != 1:
            parts.append(f"groups={self._groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.act is not None:
            parts.append(repr(self.act))
        return f"{type(self).__name__}({', '.join(parts)})"


def _conv_class(rank: int, layout: str) -> type[_Conv]:
    class Convolution(_Conv):
        def __init__(
            self,
            channels: int,
            kernel_size: Any,
            strides: Any = 1,
            padding: Any = 0,
            dilation: Any = 1,
            groups: int = 1,
            layout: str = layout,
            activation: str | None = None,
            use_bias: bool = True,
            weight_initializer: Any = None,
            bias_initializer: Any = "zeros",
            in_channels: int = 0,
            dtype: Any = "float32",
        ) -> None:
            super().__init__(
                rank, channels, kernel_size, strides, padding, dilation, groups, layout,
                in_channels, activation, use_bias, weight_initializer, bias_initializer,
                dtype=dtype,
            )  # fmt: skip

    return _named(Convolution, f"Conv{rank}D", f"{rank}-D convolution; layouts {_LAYOUTS[rank]}.")


def _transposed_class(rank: int, layout: str) -> type[_Conv]:
    class Transposed(_Conv):
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
            layout: str = layout,
            activation: str | None = None,
            use_bias: bool = True,
            weight_initializer: Any = None,
            bias_initializer: Any = "zeros",
            in_channels: int = 0,
            dtype: Any = "float32",
        ) -> None:
            super().__init__(
                rank, channels, kernel_size, strides, padding, dilation, groups, layout,
                in_channels, activation, use_bias, weight_initializer, bias_initializer,
                output_padding, dtype,
            )  # fmt: skip

    name = f"Conv{rank}DTranspose"
    return _named(Transposed, name, f"{rank}-D transposed convolution; layouts {_LAYOUTS[rank]}.")


def _named(cls: type, name: str, doc: str) -> type:
    cls.__name__ = cls.__qualname__ = name
    cls.__doc__ = doc
    cls.__module__ = __name__
    return cls


Conv1D: Any = _conv_class(1, "NCW")
Conv2D: Any = _conv_class(2, "NCHW")
Conv3D: Any = _conv_class(3, "NCDHW")
Conv1DTranspose: Any = _transposed_class(1, "NCW")
Conv2DTranspose: Any = _transposed_class(2, "NCHW")
Conv3DTranspose: Any = _transposed_class(3, "NCDHW")


# ---- pooling -----------------------------------------------------------------------------------
class _Pooling(HybridBlock):
    """What the poolings share."""

    def __init__(self, attrs: dict[str, Any]) -> None:
        super().__init__()
        self._kwargs = attrs

    def forward(self, x: Any) -> Any:
        """Pool."""
        return call(legacy_nn.pooling, x, **self._kwargs)

    def __repr__(self) -> str:
        kw = self._kwargs
        if kw.get("global_pool"):
            return f"{type(self).__name__}(global_pool=True, pool_type={kw['pool_type']})"
        ceil = kw["pooling_convention"] == "full"
        return (
            f"{type(self).__name__}(size={kw['kernel']}, stride={kw['stride']}, "
            f"padding={kw['pad']}, ceil_mode={ceil}, global_pool=False, "
            f"pool_type={kw['pool_type']}, layout={kw['layout']})"
        )


def _pool_class(rank: int, mode: str) -> type[_Pooling]:
    default = _LAYOUTS[rank][0]

    class Pool(_Pooling):
        def __init__(
            self,
            pool_size: Any = 2,
            strides: Any = None,
            padding: Any = 0,
            layout: str = default,
            ceil_mode: bool = False,
            count_include_pad: bool = True,
            **kwargs: Any,
        ) -> None:
            if kwargs or (mode == "max" and count_include_pad is not True):
                raise TypeError(f"unknown argument of {type(self).__name__}")
            _check_layout(layout, rank, type(self).__name__)
            size = tuple_of(pool_size, rank, "pool_size")
            steps = size if strides is None else tuple_of(strides, rank, "strides")
            super().__init__(
                {
                    "kernel": size, "stride": steps, "pad": tuple_of(padding, rank, "padding"),
                    "pool_type": mode, "layout": layout, "count_include_pad": count_include_pad,
                    "pooling_convention": "full" if ceil_mode else "valid",
                }
            )  # fmt: skip

    title = "Max" if mode == "max" else "Avg"
    return _named(Pool, f"{title}Pool{rank}D", f"{title} pooling over {rank} spatial axes.")


def _global_class(rank: int, mode: str) -> type[_Pooling]:
    default = _LAYOUTS[rank][0]

    class GlobalPool(_Pooling):
        def __init__(self, layout: str = default) -> None:
            _check_layout(layout, rank, type(self).__name__)
            super().__init__({"pool_type": mode, "global_pool": True, "layout": layout})

    title = "Max" if mode == "max" else "Avg"
    name = f"Global{title}Pool{rank}D"
    return _named(GlobalPool, name, f"{title} of each channel over {rank} spatial axes.")


MaxPool1D: Any = _pool_class(1, "max")
MaxPool2D: Any = _pool_class(2, "max")
MaxPool3D: Any = _pool_class(3, "max")
AvgPool1D: Any = _pool_class(1, "avg")
AvgPool2D: Any = _pool_class(2, "avg")
AvgPool3D: Any = _pool_class(3, "avg")
GlobalMaxPool1D: Any = _global_class(1, "max")
GlobalMaxPool2D: Any = _global_class(2, "max")
GlobalMaxPool3D: Any = _global_class(3, "max")
GlobalAvgPool1D: Any = _global_class(1, "avg")
GlobalAvgPool2D: Any = _global_class(2, "avg")
GlobalAvgPool3D: Any = _global_class(3, "avg")


# ---- padding and shuffling ---------------------------------------------------------------------
class ReflectionPad2D(HybridBlock):
    """Pad (N, C, H, W) by reflection; `padding` is one number or the eight of ``npx.pad``."""

    def __init__(self, padding: Any = 0) -> None:
        super().__init__()
        if isinstance(padding, int):
            padding = (0, 0, 0, 0, padding, padding, padding, padding)
        if len(padding) != 8:
            raise AssertionError(f"padding is a number or 8 numbers, received {padding!r}")
        self._padding = tuple(padding)

    def forward(self, x: Any) -> Any:
        """Pad."""
        return call(legacy_shape.pad, x, pad_width=self._padding, mode="reflect")


class _PixelShuffle(HybridBlock):
    """Move factors of the channels into the spatial axes (arXiv:1609.05158)."""

    _rank = 1

    def __init__(self, factor: Any) -> None:
        super().__init__()
        self._factors = tuple_of(factor, self._rank, "factor")

    def forward(self, x: Any) -> Any:
        """(N, f1 f2 ... C, H, W, ...) to (N, C, H f1, W f2, ...)."""
        return call(self._shuffle, x)

    def _shuffle(self, x: Any) -> Any:
        n, c, *sizes = x.shape
        rank, product = self._rank, 1
        for f in self._factors:
            product *= f
        split = F.reshape(x, shape=(n, c // product, *self._factors, *sizes))
        order = [0, 1]
        for i in range(rank):
            order += [2 + rank + i, 2 + i]
        mixed = F.transpose(split, axes=tuple(order))
        shape = [m * f for m, f in zip(sizes, self._factors, strict=True)]
        return F.reshape(mixed, shape=(n, c // product, *shape))

    def __repr__(self) -> str:
        shown = self._factors[0] if self._rank == 1 else self._factors
        return f"{type(self).__name__}({shown})"


class PixelShuffle1D(_PixelShuffle):
    """(N, f C, W) to (N, C, W f)."""


class PixelShuffle2D(_PixelShuffle):
    """(N, f1 f2 C, H, W) to (N, C, H f1, W f2)."""

    _rank = 2


class PixelShuffle3D(_PixelShuffle):
    """(N, f1 f2 f3 C, D, H, W) to (N, C, D f1, H f2, W f3)."""

    _rank = 3
