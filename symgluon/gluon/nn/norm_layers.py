"""Normalisation layers (seed: ``gluon.nn.basic_layers``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import distributed
from symgluon.errors import AttributeValueError
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.naming import dialect
from symgluon.gluon.nn.common import call, data, need_float, run
from symgluon.gluon.parameter import Parameter
from symgluon.ir.op import OPS, Op
from symgluon.ir.types import normalize_axis
from symgluon.ops import collective, legacy_nn
from symgluon.ops.apply import F
from symgluon.ops.collective import AllGather
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
            return self._parameter(name, grad_req=req, shape=shape, init=init, allow_deferred_init=True,
                             differentiable=req != "null")  # fmt: skip

        self.gamma = vector("gamma", gamma_initializer, "write" if scale else "null")
        self.beta = vector("beta", beta_initializer, "write" if center else "null")
        self.running_mean = vector("running_mean", running_mean_initializer, "null")
        self.running_var = vector("running_var", running_variance_initializer, "null")

    def infer_shape(self, x: Any, *args: Any) -> None:
        """Set the number of channels from `x`."""
        size = x.shape[normalize_axis(self._axis, x.ndim)]
        for parameter in self._reg_params.values():
            parameter.shape = (size,)

    def cast(self, dtype: Any) -> None:
        """Cast the parameters; with float16 data they stay float32.

        Parameters
        ----------
        dtype : dtype
            Of the data; float16 casts the parameters to float32.
        """
        if np.dtype(dtype).name == "float16":
            dtype = "float32"
        super().cast(dtype)

    def forward(self, x: Any) -> Any:
        """Normalise `x`; in training mode by the batch, updating the running statistics."""
        need_float(self, x)
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
    """Batch normalisation: each channel gets mean 0 and variance 1 over the batch.

    Parameters
    ----------
    axis : int
        Axis of the channels, of any sign.
    momentum : float
        Share of the old value in ``running = momentum * running + (1 - momentum) * batch``.
    epsilon : float
        Added to the variance.
    center : bool
        Learn the shift ``beta``; otherwise it keeps its initial value.
    scale : bool
        Learn the scale ``gamma``; otherwise the scale is 1.
    use_global_stats : bool
        Normalise by the running statistics in training mode too, and leave them as they are.
    beta_initializer, gamma_initializer : Initializer or str
        Of shift and scale.
    running_mean_initializer, running_variance_initializer : Initializer or str
        Of the running statistics.
    in_channels : int
        Number of channels; 0: found at the first call.

    Inputs
    ------
    x : array of any shape with two axes or more, float
        ``(N, C, ...)`` for ``axis=1``.

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `x`: ``gamma * (x - mean) / sqrt(variance + epsilon) + beta``.

    Raises
    ------
    DTypeError
        In a call, for integers or bools: results would be cut to whole numbers.

    Notes
    -----
    In training mode mean and (biased) variance are those of the batch, and the forward itself
    changes ``running_mean`` and ``running_var``; otherwise these two are used.  All four
    parameters have shape (C,).  Source: seed ``gluon.nn.BatchNorm``; arXiv:1502.03167; ONNX
    BatchNormalization.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.BatchNorm()
    >>> layer.initialize()
    >>> x = mx.np.array([[1.0], [3.0]])
    >>> with mx.autograd.record():
    ...     print(layer(x).asnumpy().round(3).tolist())
    [[-1.0], [1.0]]
    >>> layer.running_mean.data().asnumpy().round(3)
    array([0.2], dtype=float32)
    >>> layer(x).shape
    (2, 1)
    """


class BatchNormReLU(_BatchNorm):
    """Batch normalisation, then relu.

    Parameters
    ----------
    axis : int
        Axis of the channels, of any sign.
    momentum : float
        Share of the old value in ``running = momentum * running + (1 - momentum) * batch``.
    epsilon : float
        Added to the variance.
    center : bool
        Learn the shift ``beta``; otherwise it keeps its initial value.
    scale : bool
        Learn the scale ``gamma``; otherwise the scale is 1.
    use_global_stats : bool
        Normalise by the running statistics in training mode too, and leave them as they are.
    beta_initializer, gamma_initializer : Initializer or str
        Of shift and scale.
    running_mean_initializer, running_variance_initializer : Initializer or str
        Of the running statistics.
    in_channels : int
        Number of channels; 0: found at the first call.

    Inputs
    ------
    x : array of any shape with two axes or more, float
        ``(N, C, ...)`` for ``axis=1``.

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `x`: ``relu(gamma * (x - mean) / sqrt(variance + epsilon) + beta)``.

    Raises
    ------
    DTypeError
        In a call, for integers or bools: results would be cut to whole numbers.

    Notes
    -----
    In training mode mean and (biased) variance are those of the batch, and the forward itself
    changes ``running_mean`` and ``running_var``; otherwise these two are used.  All four
    parameters have shape (C,).  Source: MXNet's ``gluon.nn.BatchNormReLU``; arXiv:1502.03167; ONNX
    BatchNormalization, Relu.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.BatchNormReLU()
    >>> layer.initialize()
    >>> x = mx.np.array([[1.0], [3.0]])
    >>> with mx.autograd.record():
    ...     print(layer(x).asnumpy().round(3).tolist())
    [[0.0], [1.0]]
    >>> layer.running_mean.data().asnumpy().round(3)
    array([0.2], dtype=float32)
    >>> layer(x).shape
    (2, 1)
    """

    _relu = True


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation by the statistics of the whole batch, over all devices that share it.

    Devices are the logical devices of this process (``initialize(device=[mx.cpu(0), mx.cpu(1)])``,
    parts of a batch by `split_and_load`) times the processes of :mod:`symgluon.distributed`.  On
    one device it is `BatchNorm`.  Within a process, results can be read once all devices were
    called, gradients once backward ran for all of them; between processes calls block.

    Parameters
    ----------
    in_channels : int
        Number of channels, on axis 1; 0: from the first data.
    num_devices : int, optional
        Devices, over all processes, that share statistics; those that the layer is initialised on
        (times the number of processes) if left out.  1: every device for itself.
    momentum, epsilon, center, scale, use_global_stats, *_initializer
        As of `BatchNorm`.

    Raises
    ------
    ValueError
        In a training call, if `num_devices` is not the number of devices there are.
    MXNetError
        When a result is read before all devices were called.

    Notes
    -----
    Source: seed, ``SyncBatchNorm``; arXiv:1803.08904.  The variance is computed from deviations
    from the mean and combined over devices without cancellation.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.SyncBatchNorm(in_channels=1, num_devices=2)
    >>> layer.initialize(device=[mx.cpu(0), mx.cpu(1)])
    >>> whole = mx.np.array([[0.0], [0.0], [2.0], [2.0]])
    >>> parts = mx.gluon.utils.split_and_load(whole, [mx.cpu(0), mx.cpu(1)])
    >>> with mx.autograd.record():
    ...     outs = [layer(part) for part in parts]
    >>> outs[0].asnumpy().round(3).tolist(), outs[1].asnumpy().round(3).tolist()
    ([[-1.0], [-1.0]], [[1.0], [1.0]])
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
        if num_devices is not None and num_devices < 1:
            raise ValueError(
                f"SyncBatchNorm: num_devices must be positive, received {num_devices}"
            )
        super().__init__(
            1, momentum, epsilon, center, scale, use_global_stats, beta_initializer,
            gamma_initializer, running_mean_initializer, running_variance_initializer, in_channels,
            **kwargs,
        )  # fmt: skip
        self._num_devices = num_devices

    def forward(self, x: Any) -> Any:
        """Normalise; in training mode by the batches of all devices."""
        kw = self._kwargs
        if self._num_devices == 1 or not state.training or kw["use_global_stats"]:
            return super().forward(x)
        devices, world = len(self.gamma.list_device()), distributed.size()
        total = devices * world
        if self._num_devices not in (None, total):
            raise ValueError(
                f"{self._label()}: num_devices={self._num_devices}, but its parameters are on "
                f"{devices} device(s) of each of {world} process(es). Initialize the net on all "
                "devices, or leave num_devices out"
            )
        if total == 1:
            return super().forward(x)
        need_float(self, x)
        data(self.gamma, x)  # says so where the layer is not on the device of `x`
        gather = AllGather(group=collective.group_of(self), label=self._label(), devices=devices,
                           rank=self._rank_of(x), world=world)  # fmt: skip
        return call(self._synchronised, x, gather)

    def _synchronised(self, x: Any, gather: AllGather) -> Any:
        gamma, beta, mean, var = [
            data(p, x) for p in (self.gamma, self.beta, self.running_mean, self.running_var)
        ]
        kw = self._kwargs
        out, batch_mean, batch_var = collective.sync_batch_norm(
            x, F.ones_like(gamma) if kw["fix_gamma"] else gamma, beta,
            gather=gather, eps=kw["eps"], axis=normalize_axis(self._axis, x.ndim),
        )  # fmt: skip
        legacy_nn.update_running(mean, batch_mean, kw["momentum"])
        legacy_nn.update_running(var, batch_var, kw["momentum"])
        return out

    def _rank_of(self, x: Any) -> int:
        """Number of the device of `x`; a trace serves all devices."""
        devices = self.gamma.list_device()
        if len(devices) == 1 or state.region is not None:
            return -1
        return devices.index(x.device)

    def _label(self) -> str:
        return f"SyncBatchNorm(in_channels={self.gamma.shape[0]})"

    def _shown(self) -> dict[str, Any]:
        kept = {k: v for k, v in self._kwargs.items() if k != "axis"}
        return {**kept, "ndev": self._num_devices or 1}


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
        self.gamma = self._parameter("gamma", grad_req="write" if scale else "null", shape=shape,
                               init=gamma_initializer, allow_deferred_init=True)  # fmt: skip
        self.beta = self._parameter("beta", grad_req="write" if center else "null", shape=shape,
                              init=beta_initializer, allow_deferred_init=True)  # fmt: skip

    def _cells(self, x: Any) -> tuple[Any, Any]:
        need_float(self, x)
        return data(self.gamma, x), data(self.beta, x)

    def infer_shape(self, data: Any, *args: Any) -> None:
        """Set the number of channels from `data`."""
        size = data.shape[normalize_axis(self._axis, data.ndim)]
        self.gamma.shape = (size,)
        self.beta.shape = (size,)


class LayerNorm(_Affine):
    """Normalise over one axis, each place of the others for itself.

    Parameters
    ----------
    axis : int
        Axis of any sign.
    epsilon : float
        Added to the variance.
    center : bool
        Learn the shift ``beta``; otherwise it keeps its initial value.
    scale : bool
        Learn the scale ``gamma``; otherwise it keeps its initial value.
    beta_initializer, gamma_initializer : Initializer or str
        Of shift and scale.
    in_channels : int
        Size of `axis`; 0: found at the first call.

    Inputs
    ------
    data : array of any shape, float

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `data`: ``gamma * (data - mean) / sqrt(variance + epsilon) + beta`` with
        mean and variance along `axis`.

    Raises
    ------
    DTypeError
        In a call, for integers or bools: results would be cut to whole numbers.

    Notes
    -----
    ``gamma`` and ``beta`` have shape (size of `axis`,).  Source: seed ``gluon.nn.LayerNorm``;
    arXiv:1607.06450; ONNX LayerNormalization.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.LayerNorm()
    >>> layer.initialize()
    >>> layer(mx.np.array([[1.0, 3.0], [0.0, 20.0]])).asnumpy().round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            axis, center, scale, beta_initializer, gamma_initializer, in_channels, **kwargs
        )
        self._epsilon = epsilon
        self._op = OPS["layer_norm"](axis=axis, eps=epsilon)

    def forward(self, data: Any) -> Any:
        """Normalise `data`, scale, shift."""
        return run(self._op, data, *self._cells(data))

    def __repr__(self) -> str:
        size = self.gamma.shape[0]
        return (
            f"{type(self).__name__}(eps={self._epsilon}, axis={self._axis}, "
            f"center={self._center}, scale={self._scale}, in_channels={size})"
        )


class GroupNorm(_Affine):
    """Normalise groups of channels, each sample for itself.

    Parameters
    ----------
    num_groups : int
        Number of groups; it divides the number of channels.
    epsilon : float
        Added to the variance.
    center : bool
        Learn the shift ``beta``; otherwise it keeps its initial value.
    scale : bool
        Learn the scale ``gamma``; otherwise it keeps its initial value.
    beta_initializer, gamma_initializer : Initializer or str
        Of shift and scale.
    in_channels : int
        Number of channels; 0: found at the first call.

    Inputs
    ------
    data : array (N, C, ...), float

    Outputs
    -------
    array (N, C, ...), float
        ``gamma * (data - mean) / sqrt(variance + epsilon) + beta`` with mean and variance over the
        channels of a group and all places.

    Raises
    ------
    AttributeValueError
        If `num_groups` is not positive.
    ShapeError
        In a call, if `num_groups` does not divide the number of channels, or there are fewer than
        three axes.
    DTypeError
        In a call, for integers or bools: results would be cut to whole numbers.

    Notes
    -----
    ``gamma`` and ``beta`` have shape (C,): one number a channel.  Source: seed
    ``gluon.nn.GroupNorm``; arXiv:1803.08494; ONNX InstanceNormalization of merged channels.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.GroupNorm(num_groups=2)
    >>> layer.initialize()
    >>> layer(mx.np.array([[[1.0, 3.0], [0.0, 20.0]]])).asnumpy().round(3)
    array([[[-1.,  1.],
            [-1.,  1.]]], dtype=float32)
    """

    def __init__(
        self,
        num_groups: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        if num_groups < 1:
            raise AttributeValueError(
                f"GroupNorm: num_groups is at least 1, received {num_groups}"
            )
        by_group = dialect() == "1"  # 1.x: one gamma and beta a group
        size = num_groups if by_group else in_channels
        super().__init__(1, center, scale, beta_initializer, gamma_initializer, size, **kwargs)
        self._by_group = by_group
        self._num_groups, self._epsilon = num_groups, epsilon
        self._op = OPS["group_norm"](num_groups=num_groups, eps=epsilon)

    def infer_shape(self, data: Any, *args: Any) -> None:
        """Set the sizes of gamma and beta from `data`."""
        if not self._by_group:
            super().infer_shape(data, *args)

    def forward(self, data: Any) -> Any:
        """Normalise `data`, scale, shift."""
        if self._by_group:
            return call(legacy_nn.group_norm, data, *self._cells(data),
                        num_groups=self._num_groups, eps=self._epsilon)  # fmt: skip
        return run(self._op, data, *self._cells(data))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(eps={self._epsilon}, num_groups={self._num_groups}, "
            f"center={self._center}, scale={self._scale}, in_channels={self.gamma.shape[0]})"
        )


class InstanceNorm(_Affine):
    """Normalise each channel of each sample.

    Parameters
    ----------
    axis : int
        Axis of the channels, of any sign.
    epsilon : float
        Added to the variance.
    center : bool
        Learn the shift ``beta``; otherwise it keeps its initial value.
    scale : bool
        Learn the scale ``gamma``; otherwise it keeps its initial value.
    beta_initializer, gamma_initializer : Initializer or str
        Of shift and scale.
    in_channels : int
        Number of channels; 0: found at the first call.

    Inputs
    ------
    x : array (N, C, ...), float

    Outputs
    -------
    array (N, C, ...), float
        ``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with mean and variance over all
        places of a channel.

    Raises
    ------
    DTypeError
        In a call, for integers or bools: results would be cut to whole numbers.
    ShapeError
        In a call, for data without a spatial axis.

    Notes
    -----
    ``gamma`` and ``beta`` have shape (C,).  Unlike the other normalisations it does not learn the
    scale by default.  Source: seed ``gluon.nn.InstanceNorm``; arXiv:1607.08022; ONNX
    InstanceNormalization.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.InstanceNorm()
    >>> layer.initialize()
    >>> layer(mx.np.array([[[1.0, 3.0], [0.0, 20.0]]])).asnumpy().round(3)
    array([[[-1.,  1.],
            [-1.,  1.]]], dtype=float32)
    """

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
        """Normalise `x`, scale, shift."""
        return run(self._op, x, *self._cells(x))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(eps={self._epsilon}, axis={self._axis}, "
            f"center={self._center}, scale={self._scale}, in_channels={self.gamma.shape[0]})"
        )
