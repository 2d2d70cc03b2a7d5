"""Basic layers and containers (seed: ``gluon.nn.basic_layers``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from symgluon.gluon.block import Block
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.activations import Activation
from symgluon.gluon.nn.common import call, data
from symgluon.gluon.parameter import Parameter
from symgluon.ir.types import normalize_axis
from symgluon.ops import legacy_nn, legacy_shape
from symgluon.ops.apply import F

__all__ = [
    "BatchNorm",
    "BatchNormReLU",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "HybridConcatenate",
    "HybridLambda",
    "HybridSequential",
    "Identity",
    "InstanceNorm",
    "Lambda",
    "LayerNorm",
    "Sequential",
    "SyncBatchNorm",
]


class _Stack(Block):
    """What sequential containers share."""

    def add(self, *blocks: Any) -> None:
        """Append blocks."""
        for block in blocks:
            self.register_child(block)

    def _run(self, x: Any, args: tuple[Any, ...]) -> Any:
        for block in self._children.values():
            x = block(x, *args)
            args = ()
            if isinstance(x, tuple | list):
                args = tuple(x[1:])
                x = x[0]
        return [x, *args] if args else x

    def __getitem__(self, key: Any) -> Any:
        """Child at an index, or a container of the children in a slice."""
        layers = list(self._children.values())[key]
        if isinstance(layers, list):
            new = type(self)()
            new.add(*layers)
            return new
        return layers

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._children.values()))


class Sequential(_Stack):
    """Stack of blocks, called one after the other.

    >>> net = Sequential()
    >>> net.add(Dense(10, activation="relu"), Dense(20))
    """

    def forward(self, x: Any, *args: Any) -> Any:
        """Call the blocks one after the other; further results become further arguments."""
        return self._run(x, args)

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Hybridize the children; where all are hybrid a HybridSequential is faster."""
        if self._children and all(isinstance(c, HybridBlock) for c in self._children.values()):
            warnings.warn(
                f"All children of this Sequential layer '{self!r}' are HybridBlocks. Consider "
                "using HybridSequential for the best performance.",
                stacklevel=2,
            )
        super().hybridize(active, **kwargs)


class HybridSequential(_Stack, HybridBlock):
    """Stack of hybrid blocks, called one after the other."""

    def forward(self, x: Any, *args: Any) -> Any:
        """Call the blocks one after the other; further results become further arguments."""
        return self._run(x, args)


class Dense(HybridBlock):
    """``activation(x @ weight.T + bias)``.

    Parameters
    ----------
    units : int
        Size of the output.
    activation : str, optional
        Activation by name.
    use_bias : bool
        Add a bias.
    flatten : bool
        Merge all axes but the first; otherwise the last axis is multiplied.
    in_units : int, optional
        Size of the input; found at the first call if left out.

    Shapes: x (N, in_units...) to (N, units); with ``flatten=False`` (..., in_units) to (..., units).
    """

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        flatten: bool = True,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_units: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._flatten = flatten
        self._units = units
        self._in_units = in_units
        width = in_units if in_units else -1
        self.weight = Parameter("weight", shape=(units, width), dtype=dtype,
                                init=weight_initializer, allow_deferred_init=True)  # fmt: skip
        self.bias = (
            Parameter("bias", shape=(units,), dtype=dtype, init=bias_initializer,
                      allow_deferred_init=True)
            if use_bias
            else None
        )  # fmt: skip
        self.act = Activation(activation) if activation is not None else None

    def infer_shape(self, x: Any, *args: Any) -> None:
        """Set the input size from the data."""
        if self._flatten:
            width = 1
            for n in x.shape[1:]:
                width = width * n
        else:
            width = x.shape[-1]
        self.weight.shape = (self.weight.shape[0], width)

    def forward(self, x: Any) -> Any:
        """Multiply, add, activate."""
        out = call(F.dense, x, data(self.weight, x), data(self.bias, x), num_hidden=self._units,
                   flatten=self._flatten)  # fmt: skip
        return out if self.act is None else self.act(out)

    def __repr__(self) -> str:
        shape = self.weight.shape
        act = self.act if self.act is not None else "linear"
        return f"{type(self).__name__}({shape[1]} -> {shape[0]}, {act})"


class Dropout(HybridBlock):
    """Zero entries with probability `rate` in training mode (arXiv:1207.0580).

    Parameters
    ----------
    axes : tuple of int
        Axes along which one mask entry counts for all.
    """

    def __init__(self, rate: float, axes: tuple[int, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rate = rate
        self._axes = tuple(axes)

    def forward(self, x: Any) -> Any:
        """Apply the mask."""
        if self._rate > 0:
            return call(legacy_nn.dropout, x, p=self._rate, axes=self._axes)
        return call(F.identity, x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p = {self._rate}, axes={self._axes})"


class Embedding(HybridBlock):
    """Rows of a weight (input_dim, output_dim) by index; out of range is clipped."""

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        sparse_grad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._input_dim = input_dim
        self._output_dim = output_dim
        self.weight = Parameter("weight", shape=(input_dim, output_dim), init=weight_initializer,
                                dtype=dtype, allow_deferred_init=True,
                                grad_stype="row_sparse" if sparse_grad else "default")  # fmt: skip

    def forward(self, x: Any) -> Any:
        """Look the rows up."""
        return call(F.embedding, x, data(self.weight, x), input_dim=self._input_dim,
                    output_dim=self._output_dim)  # fmt: skip

    def __repr__(self) -> str:
        kind = self.weight.dtype
        return f"{type(self).__name__}({self._input_dim} -> {self._output_dim}, {kind})"


class Flatten(HybridBlock):
    """Merge all axes but the first."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def forward(self, x: Any) -> Any:
        """Reshape to two axes."""
        return call(legacy_shape.flatten, x)

    def __repr__(self) -> str:
        return type(self).__name__


class Identity(HybridBlock):
    """Return the input."""

    def forward(self, x: Any) -> Any:
        """Return `x`."""
        return x


# ---- functions as blocks -----------------------------------------------------------------------
def _named(function: Any, where: str) -> tuple[Callable[..., Any], str]:
    """Return the function and its name; a string names one of ``mx.np`` or ``mx.npx``."""
    if isinstance(function, str):
        from symgluon import numpy, numpy_extension

        for module in (numpy, numpy_extension):
            found = getattr(module, function, None)
            if found is not None:
                return found, function
        raise AssertionError(f"Function name {function} is not found in np/npx.")
    if callable(function):
        return function, getattr(function, "__name__", type(function).__name__)
    raise ValueError(
        f"Unrecognized function in {where}: {function} of type {type(function).__name__}"
    )


class Lambda(Block):
    """A function, or the name of one in ``mx.np`` or ``mx.npx``, as a block."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self._func_impl, self._func_name = _named(function, "lambda")

    def forward(self, *args: Any) -> Any:
        """Call the function."""
        return self._func_impl(*args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"


class HybridLambda(HybridBlock):
    """A function, or the name of one in ``mx.np`` or ``mx.npx``, as a hybrid block."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self._func, self._func_name = _named(function, "lambda")

    def forward(self, x: Any, *args: Any) -> Any:
        """Call the function."""
        return self._func(x, *args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"


def _concatenate(outputs: list[Any], x: Any, axis: int) -> Any:
    from symgluon import numpy

    return numpy.concatenate(outputs, axis=axis)


class Concatenate(Sequential):
    """Call every child on the input and concatenate the results along `axis`."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """Call the children and concatenate."""
        return _concatenate([child(x) for child in self._children.values()], x, self.axis)


class HybridConcatenate(HybridSequential):
    """Call every child on the input and concatenate the results along `axis`."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """Call the children and concatenate."""
        return _concatenate([child(x) for child in self._children.values()], x, self.axis)


# ---- normalisation -----------------------------------------------------------------------------
class _BatchNorm(HybridBlock):
    """What the batch normalisations share."""

    _relu = False

    def __init__(
        self,
        axis: int = 1,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        use_global_stats: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        running_mean_initializer: Any = "zeros",
        running_variance_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._kwargs: dict[str, Any] = {
            "axis": axis, "eps": epsilon, "momentum": momentum, "fix_gamma": not scale,
            "use_global_stats": use_global_stats,
        }  # fmt: skip
        self._axis = axis
        self._scale = scale
        if in_channels != 0:
            self.in_channels = in_channels
        shape = (in_channels if in_channels else -1,)

        def vector(name: str, init: Any, req: str) -> Parameter:
            return Parameter(name, grad_req=req, shape=shape, init=init, allow_deferred_init=True,
                             differentiable=req != "null")  # fmt: skip

        self.gamma = vector("gamma", gamma_initializer, "write" if scale else "null")
        self.beta = vector("beta", beta_initializer, "write" if center else "null")
        self.running_mean = vector("running_mean", running_mean_initializer, "null")
        self.running_var = vector("running_var", running_variance_initializer, "null")

    def infer_shape(self, x: Any, *args: Any) -> None:
        """Set the number of channels from the data."""
        size = x.shape[normalize_axis(self._axis, x.ndim)]
        for parameter in self._reg_params.values():
            parameter.shape = (size,)

    def cast(self, dtype: Any) -> None:
        """Cast; with float16 data the parameters stay float32."""
        if np.dtype(dtype).name == "float16":
            dtype = "float32"
        super().cast(dtype)

    def forward(self, x: Any) -> Any:
        """Normalise; in training mode by the batch, updating the running statistics."""
        operands = [
            data(p, x) for p in (self.gamma, self.beta, self.running_mean, self.running_var)
        ]
        function = legacy_nn.batch_norm_relu if self._relu else legacy_nn.batch_norm
        return call(function, x, *operands, **self._kwargs)

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self._shown().items())
        return f"{type(self).__name__}({shown}, in_channels={self.gamma.shape[0]})"

    def _shown(self) -> dict[str, Any]:
        """What `repr` tells."""
        return self._kwargs


class BatchNorm(_BatchNorm):
    """Batch normalisation (arXiv:1502.03167).

    Parameters
    ----------
    axis : int
        Axis of the channels, of any sign.
    momentum : float
        ``running = momentum * running + (1 - momentum) * batch``, in the forward of training mode.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Learn the shift beta, the scale gamma.
    use_global_stats : bool
        Use the running statistics in training mode too.
    """


class BatchNormReLU(_BatchNorm):
    """Batch normalisation, then relu."""

    _relu = True


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation whose statistics are those of the whole batch over all devices.

    Parameters
    ----------
    num_devices : int, optional
        Devices that share the statistics; 1 (or None) is `BatchNorm`.

    Raises
    ------
    ValueError
        For several devices, whose statistics are not shared here.
    """

    def __init__(
        self,
        in_channels: int = 0,
        num_devices: int | None = None,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        use_global_stats: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        running_mean_initializer: Any = "zeros",
        running_variance_initializer: Any = "ones",
        **kwargs: Any,
    ) -> None:
        if num_devices is not None and num_devices > 1:
            raise ValueError(
                f"SyncBatchNorm(num_devices={num_devices}): statistics are shared within one device "
                "only; leave num_devices out to normalise over the batch of each call"
            )
        super().__init__(
            1, momentum, epsilon, center, scale, use_global_stats, beta_initializer,
            gamma_initializer, running_mean_initializer, running_variance_initializer, in_channels,
            **kwargs,
        )  # fmt: skip

    def _shown(self) -> dict[str, Any]:
        kept = {k: v for k, v in self._kwargs.items() if k != "axis"}
        return {**kept, "ndev": 1}


class _Affine(HybridBlock):
    """What the other normalisations share: gamma and beta along an axis."""

    def __init__(
        self,
        axis: int,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        in_channels: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._axis = axis
        self._center, self._scale = center, scale
        shape = (in_channels if in_channels else -1,)
        self.gamma = Parameter("gamma", grad_req="write" if scale else "null", shape=shape,
                               init=gamma_initializer, allow_deferred_init=True)  # fmt: skip
        self.beta = Parameter("beta", grad_req="write" if center else "null", shape=shape,
                              init=beta_initializer, allow_deferred_init=True)  # fmt: skip

    def _cells(self, x: Any) -> tuple[Any, Any]:
        return data(self.gamma, x), data(self.beta, x)

    def infer_shape(self, data: Any, *args: Any) -> None:
        """Set the number of channels from the data."""
        size = data.shape[normalize_axis(self._axis, data.ndim)]
        self.gamma.shape = (size,)
        self.beta.shape = (size,)


class LayerNorm(_Affine):
    """Normalise over one axis (arXiv:1607.06450)."""

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
    ) -> None:
        super().__init__(axis, center, scale, beta_initializer, gamma_initializer, in_channels)
        self._epsilon = epsilon

    def forward(self, data: Any) -> Any:
        """Normalise, scale, shift."""
        return call(F.layer_norm, data, *self._cells(data), axis=self._axis, eps=self._epsilon)

    def __repr__(self) -> str:
        size = self.gamma.shape[0]
        return (
            f"{type(self).__name__}(eps={self._epsilon}, axis={self._axis}, "
            f"center={self._center}, scale={self._scale}, in_channels={size})"
        )


class GroupNorm(_Affine):
    """Normalise groups of channels (arXiv:1803.08494); gamma and beta one a channel."""

    def __init__(
        self,
        num_groups: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
    ) -> None:
        super().__init__(1, center, scale, beta_initializer, gamma_initializer, in_channels)
        self._num_groups, self._epsilon = num_groups, epsilon

    def forward(self, data: Any) -> Any:
        """Normalise, scale, shift."""
        return call(F.group_norm, data, *self._cells(data), num_groups=self._num_groups,
                    eps=self._epsilon)  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(eps={self._epsilon}, num_groups={self._num_groups}, "
            f"center={self._center}, scale={self._scale}, in_channels={self.gamma.shape[0]})"
        )


class InstanceNorm(_Affine):
    """Normalise each channel of each sample (arXiv:1607.08022)."""

    def __init__(
        self,
        axis: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            axis, center, scale, beta_initializer, gamma_initializer, in_channels, **kwargs
        )
        self._epsilon = epsilon

    def forward(self, x: Any) -> Any:
        """Normalise, scale, shift."""
        return call(F.instance_norm, x, *self._cells(x), axis=self._axis, eps=self._epsilon)  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(eps={self._epsilon}, axis={self._axis}, "
            f"center={self._center}, scale={self._scale}, in_channels={self.gamma.shape[0]})"
        )
