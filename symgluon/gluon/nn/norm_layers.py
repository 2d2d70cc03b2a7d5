"""Normalisation layers (seed: ``gluon.nn.basic_layers``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call, data, run
from symgluon.gluon.parameter import Parameter
from symgluon.ir.op import OPS, Op
from symgluon.ir.types import normalize_axis
from symgluon.ops import legacy_nn
from symgluon.ops.state import state

__all__ = [
    "BatchNorm",
    "BatchNormReLU",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "SyncBatchNorm",
]


class _BatchNorm(HybridBlock):
    """What the batch normalisations share."""

    _relu = False
    _op: Op | None = None
    _rank = -1

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
        kw = self._kwargs
        if self._relu or kw["fix_gamma"] or (state.training and not kw["use_global_stats"]):
            function = legacy_nn.batch_norm_relu if self._relu else legacy_nn.batch_norm
            return call(function, x, *operands, **kw)
        if self._op is None or self._rank != x.ndim:
            self._rank = x.ndim
            axis = normalize_axis(kw["axis"], x.ndim)
            self._op = OPS["batch_norm_inference"](eps=kw["eps"], axis=axis)
        return run(self._op, x, *operands)

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
        self._op = OPS["layer_norm"](axis=axis, eps=epsilon)

    def forward(self, data: Any) -> Any:
        """Normalise, scale, shift."""
        return run(self._op, data, *self._cells(data))

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
        self._op = OPS["group_norm"](num_groups=num_groups, eps=epsilon)

    def forward(self, data: Any) -> Any:
        """Normalise, scale, shift."""
        return run(self._op, data, *self._cells(data))

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
        self._op = OPS["instance_norm"](axis=axis, eps=epsilon)

    def forward(self, x: Any) -> Any:
        """Normalise, scale, shift."""
        return run(self._op, x, *self._cells(x))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(eps={self._epsilon}, axis={self._axis}, "
            f"center={self._center}, scale={self._scale}, in_channels={self.gamma.shape[0]})"
        )
