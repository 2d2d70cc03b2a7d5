"""MXNet's layer operators in their attribute forms: layouts, ``no_bias``, ``fix_gamma``, modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import DType, Ints
from symgluon.ir.types import normalize_axis
from symgluon.ops.apply import F
from symgluon.ops.mx import cast_to, mx_function
from symgluon.ops.state import state


# ---- layouts -----------------------------------------------------------------------------------
def _is_last(layout: str | None) -> bool:
    return layout is not None and layout.endswith("C")


def to_first(x: Any) -> Any:
    """(N, spatial..., C) -> (N, C, spatial...)."""
    return F.transpose(x, axes=(0, x.ndim - 1, *range(1, x.ndim - 1)))


def to_last(x: Any) -> Any:
    """(N, C, spatial...) -> (N, spatial..., C)."""
    return F.transpose(x, axes=(0, *range(2, x.ndim), 1))


def _full(values: Ints, rank: int, default: int, what: str) -> tuple[Any, ...]:
    if not values:
        return (default,) * rank
    if len(values) != rank:
        raise AttributeValueError(f"{what} has {len(values)} numbers, the kernel has {rank}")
    return tuple(values)


# ---- dense and convolution ---------------------------------------------------------------------
@mx_function("FullyConnected _npx_fully_connected _sparse_FullyConnected")
def fully_connected(
    data: Any,
    weight: Any,
    bias: Any = None,
    *,
    num_hidden: int,
    no_bias: bool = False,
    flatten: bool = True,
) -> Any:
    """``data @ weight.T + bias``."""
    return F.dense(data, weight, None if no_bias else bias, num_hidden=num_hidden, flatten=flatten)


@mx_function("Convolution _npx_convolution Convolution_v1")
def convolution(
    data: Any,
    weight: Any,
    bias: Any = None,
    *,
    kernel: Ints,
    stride: Ints = (),
    dilate: Ints = (),
    pad: Ints = (),
    num_filter: int,
    num_group: int = 1,
    no_bias: bool = False,
    layout: str | None = None,
) -> Any:
    """Convolution in any layout."""
    rank = len(kernel)
    last = _is_last(layout)
    if last:
        data, weight = to_first(data), to_first(weight)
    out = F.convolution(
        data,
        weight,
        None if no_bias else bias,
        kernel_shape=kernel,
        stride=_full(stride, rank, 1, "Convolution: stride"),
        pad=_full(pad, rank, 0, "Convolution: pad"),
        dilate=_full(dilate, rank, 1, "Convolution: dilate"),
        num_group=num_group,
        num_filter=num_filter,
    )
    return to_last(out) if last else out


@mx_function("Deconvolution _npx_deconvolution")
def deconvolution(
    data: Any,
    weight: Any,
    bias: Any = None,
    *,
    kernel: Ints,
    stride: Ints = (),
    dilate: Ints = (),
    pad: Ints = (),
    adj: Ints = (),
    target_shape: Ints = (),
    num_filter: int,
    num_group: int = 1,
    no_bias: bool = True,
    layout: str | None = None,
) -> Any:
    """Transposed convolution in any layout; `target_shape` overrides `pad` and `adj`."""
    rank = len(kernel)
    last = _is_last(layout)
    if last:
        data, weight = to_first(data), to_first(weight)
    steps = _full(stride, rank, 1, "Deconvolution: stride")
    spread = _full(dilate, rank, 1, "Deconvolution: dilate")
    pads = _full(pad, rank, 0, "Deconvolution: pad")
    extra = _full(adj, rank, 0, "Deconvolution: adj")
    if target_shape and any(target_shape):
        pads, extra = _for_target(data.shape[2:], kernel, steps, spread, target_shape)
    out = F.deconvolution(
        data,
        weight,
        None if no_bias else bias,
        kernel_shape=kernel,
        stride=steps,
        pad=pads,
        dilate=spread,
        adj=extra,
        num_group=num_group,
        num_filter=num_filter,
    )
    return to_last(out) if last else out


def _for_target(
    sizes: Sequence[Any], kernel: Ints, stride: Ints, dilate: Ints, target: Ints
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Padding and adjustment that give the wanted size (MXNet: half the surplus, rounded up)."""
    pads, extra = [], []
    for n, k, s, d, t in zip(sizes, kernel, stride, dilate, target, strict=True):
        surplus = (n - 1) * s + d * (k - 1) + 1 - t
        if surplus < 0:
            raise ShapeError(f"Deconvolution: target_shape {tuple(target)} is too large")
        pads.append((surplus + 1) // 2)
        extra.append(surplus % 2)
    return tuple(pads), tuple(extra)


@mx_function("Pooling _npx_pooling Pooling_v1")
def pooling(
    data: Any,
    *,
    kernel: Ints = (),
    pool_type: str = "max",
    global_pool: bool = False,
    pooling_convention: str = "valid",
    stride: Ints = (),
    pad: Ints = (),
    p_value: int | None = None,
    count_include_pad: bool | None = None,
    layout: str | None = None,
    output_size: Ints | None = None,
) -> Any:
    """Pooling in any layout."""
    last = _is_last(layout)
    if last:
        data = to_first(data)
    if global_pool:
        out = F.global_pooling(data, mode=pool_type, p_value=p_value or 2)
        return to_last(out) if last else out
    if pooling_convention not in ("valid", "full"):
        raise AttributeValueError(
            f"Pooling: pooling_convention={pooling_convention!r}; 'valid' and 'full' are supported"
        )
    rank = len(kernel)
    for n, k, p in zip(data.shape[2:], kernel, pad or (0,) * rank, strict=False):
        if isinstance(n, int) and k > n + 2 * p:
            raise ShapeError(
                f"Pooling: kernel size {k} exceeds the padded input size {n + 2 * p}",
                received=tuple(data.shape),
            )
    out = F.pooling(
        data,
        kernel_shape=kernel,
        stride=_full(stride, rank, 1, "Pooling: stride"),
        pad=_full(pad, rank, 0, "Pooling: pad"),
        mode=pool_type,
        ceil=pooling_convention == "full",
        count_include_pad=True if count_include_pad is None else count_include_pad,
        p_value=p_value or 2,
    )
    return to_last(out) if last else out


@mx_function("_contrib_AdaptiveAvgPooling2D")
def adaptive_average_pooling(
    data: Any,
    *,
    kernel: Ints = (),
    pool_type: str = "avg",
    global_pool: bool = False,
    pooling_convention: str = "valid",
    stride: Ints = (),
    pad: Ints = (),
    p_value: int | None = None,
    count_include_pad: bool | None = None,
    layout: str | None = None,
    output_size: Ints | None = None,
) -> Any:
    """Average to a given output size."""
    size = output_size or (1, 1)
    pair = (size[0], size[0]) if len(size) == 1 else tuple(size)
    if pair == (1, 1):
        return F.adaptive_avg_pool(data, output_size=pair)
    given = (int(data.shape[2]), int(data.shape[3]))
    return F.adaptive_avg_pool(data, output_size=pair, input_size=given)


# ---- normalisation -----------------------------------------------------------------------------
@mx_function("BatchNorm _npx_batch_norm BatchNorm_v1 _contrib_SyncBatchNorm")
def batch_norm(
    data: Any,
    gamma: Any,
    beta: Any,
    moving_mean: Any,
    moving_var: Any,
    *,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
    key: str = "",
    ndev: int = 1,
) -> Any:
    """Batch normalisation; in training mode the running statistics are written."""
    at = normalize_axis(axis, data.ndim)
    if fix_gamma:
        gamma = F.ones_like(gamma) if gamma.type.is_known else gamma
    if state.training and not use_global_stats:
        out, mean, var, inverse = F.batch_norm_train(data, gamma, beta, eps=eps, axis=at)
        update_running(moving_mean, mean, momentum)
        update_running(moving_var, var, momentum)
        return (out, mean, inverse) if output_mean_var else out
    out = F.batch_norm_inference(data, gamma, beta, moving_mean, moving_var, eps=eps, axis=at)
    if output_mean_var:
        return out, F.identity(moving_mean), F.rsqrt(moving_var + eps)
    return out


def update_running(running: Any, batch: Any, momentum: float) -> None:
    """``momentum * old + (1 - momentum) * batch``, not differentiated."""
    new = running * momentum + F.stop_gradient(batch) * (1.0 - momentum)
    running._assign(cast_to(F.stop_gradient(new), running.dtype))


@mx_function("BatchNormWithReLU _contrib_BatchNormWithReLU _npx_batch_norm_with_relu")
def batch_norm_relu(
    data: Any,
    gamma: Any,
    beta: Any,
    moving_mean: Any,
    moving_var: Any,
    *,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
) -> Any:
    """Batch normalisation, then relu."""
    out = batch_norm(
        data, gamma, beta, moving_mean, moving_var, eps=eps, momentum=momentum,
        fix_gamma=fix_gamma, use_global_stats=use_global_stats, axis=axis,
    )  # fmt: skip
    return F.relu(out)


@mx_function("LayerNorm _npx_layer_norm")
def layer_norm(
    data: Any,
    gamma: Any,
    beta: Any,
    *,
    axis: int = -1,
    eps: float = 1e-5,
    output_mean_var: bool = False,
) -> Any:
    """Layer normalisation over one axis."""
    out = F.layer_norm(data, gamma, beta, axis=axis, eps=eps)
    if not output_mean_var:
        return out
    mean = F.mean(data, axis=axis, keepdims=True)
    off = data - mean
    deviation = F.sqrt(F.mean(off * off, axis=axis, keepdims=True) + eps)
    at = normalize_axis(axis, data.ndim)
    return out, _squeeze_axis(mean, at), _squeeze_axis(deviation, at)


def _squeeze_axis(x: Any, axis: int) -> Any:
    return F.reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i != axis))


@mx_function("GroupNorm _npx_group_norm")
def group_norm(
    data: Any,
    gamma: Any,
    beta: Any,
    *,
    num_groups: int = 1,
    eps: float = 1e-5,
    output_mean_var: bool = False,
) -> Any:
    """Group normalisation; MXNet 1.x has one gamma and beta a group, 2.x one a channel."""
    if output_mean_var:
        raise AttributeValueError("GroupNorm: output_mean_var=True is not supported")
    gamma, beta = (_by_channel(data, x, num_groups) for x in (gamma, beta))
    return F.group_norm(data, gamma, beta, num_groups=num_groups, eps=eps)


def _by_channel(data: Any, x: Any, num_groups: int) -> Any:
    shape, wanted = data.type.shape, x.type.shape
    if shape is None or len(shape) < 2 or wanted is None or len(wanted) != 1:
        return x
    channels = shape[1]
    if wanted[0] is None or wanted[0] != num_groups or channels == num_groups:
        return x
    return F.repeat(x, repeats=int(channels) // num_groups, axis=0)


@mx_function("InstanceNorm _npx_instance_norm")
def instance_norm(data: Any, gamma: Any, beta: Any, *, eps: float = 1e-3) -> Any:
    """Instance normalisation over the spatial axes."""
    return F.instance_norm(data, gamma, beta, axis=1, eps=eps)


@mx_function("L2Normalization")
def l2_normalization(data: Any, *, eps: float = 1e-10, mode: str = "instance") -> Any:
    """Divide by the Euclidean norm over the instance, the channels or the space."""
    axes = {
        "instance": tuple(range(1, data.ndim)),
        "channel": (1,),
        "spatial": tuple(range(2, data.ndim)),
    }.get(mode)
    if axes is None:
        raise AttributeValueError(
            f"L2Normalization: mode={mode!r}; known: instance, channel, spatial"
        )
    return data / F.sqrt(F.sum(data * data, axis=axes, keepdims=True) + eps)


# ---- activations -------------------------------------------------------------------------------
_ACTIVATIONS = {
    "relu": "relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "softrelu": "softplus",
    "softsign": "softsign",
    "log_sigmoid": "log_sigmoid",
    "mish": "mish",
}


@mx_function("Activation _npx_activation")
def activation(data: Any, *, act_type: str) -> Any:
    """Activation by name."""
    name = _ACTIVATIONS.get(act_type)
    if name is None:
        raise AttributeValueError(
            f"Activation: act_type={act_type!r}; known: {', '.join(_ACTIVATIONS)}"
        )
    return getattr(F, name)(data)


@mx_function("LeakyReLU _npx_leaky_relu")
def leaky_relu(
    data: Any,
    gamma: Any = None,
    *,
    act_type: str = "leaky",
    slope: float = 0.25,
    lower_bound: float = 0.125,
    upper_bound: float = 0.333999991,
) -> Any:
    """Leaky, elu, selu, gelu (erf or tanh), prelu and randomised relu."""
    if act_type == "leaky":
        return F.leaky_relu(data, slope=slope)
    if act_type == "elu":
        return F.elu(data, alpha=slope)
    if act_type == "selu":
        return F.selu(data)
    if act_type in ("gelu", "gelu_erf", "gelu_tanh"):
        return F.gelu(data, approximation=act_type == "gelu_tanh")
    if act_type == "prelu":
        return F.prelu(data, gamma)
    if act_type == "rrelu":
        return _rrelu(data, lower_bound, upper_bound)
    raise AttributeValueError(
        f"LeakyReLU: act_type={act_type!r}; known: leaky, elu, selu, gelu, prelu, rrelu"
    )


def _rrelu(data: Any, low: float, high: float) -> Any:
    if not state.training:
        return F.leaky_relu(data, slope=(low + high) / 2)
    draw = cast_to(F.random_uniform(shape=data.shape), data.dtype)
    slope = draw * (high - low) + low
    zero = np.zeros((), data.dtype)
    return F.where(F.greater(data, zero), data, data * slope)


@mx_function("softmax _npx_softmax")
def softmax(
    data: Any,
    length: Any = None,
    *,
    axis: int = -1,
    temperature: float | None = None,
    dtype: DType | None = None,
    use_length: bool = False,
) -> Any:
    """Softmax; with `length` only the first so many entries of the axis count."""
    x = data if dtype is None else cast_to(data, dtype)
    if not use_length or length is None:
        return F.softmax(x, axis=axis, temperature=temperature)
    if temperature not in (None, 1.0):
        x = x / temperature
    at = normalize_axis(axis, data.ndim)
    keep = _within(x, length, at)
    # finite, so that a row of length 0 has a gradient: 0
    low = np.asarray(-6.0e4 if x.dtype == np.float16 else -1.0e30, x.dtype)
    masked = F.where(keep, x, low)
    return F.where(keep, F.softmax(masked, axis=at), np.zeros((), x.dtype))


def _within(x: Any, length: Any, axis: int) -> Any:
    """Whether positions along `axis` lie before `length` (its shape: that of x without axis)."""
    count = arange_along(x, axis, length.dtype)
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return F.less(count, F.reshape(length, shape=shape))


def arange_along(x: Any, axis: int, dtype: Any) -> Any:
    """0, 1, 2, ... along an axis of `x`, of size 1 along the others."""
    n = x.shape[axis]
    if isinstance(n, int):
        values: Any = np.arange(n, dtype=dtype)
        return values.reshape((n,) + (1,) * (x.ndim - 1 - axis))
    ones = F.full(np.asarray(1, dtype), shape=(n,))
    values = F.cumsum(ones, axis=0) - np.asarray(1, dtype)
    return F.reshape(values, shape=(n,) + (1,) * (x.ndim - 1 - axis))


@mx_function("log_softmax _npx_log_softmax")
def log_softmax(
    data: Any,
    *,
    axis: int = -1,
    temperature: float | None = None,
    dtype: DType | None = None,
    use_length: bool = False,
) -> Any:
    """Logarithm of the softmax."""
    x = data if dtype is None else cast_to(data, dtype)
    if temperature not in (None, 1.0):
        x = x / temperature
    return F.log_softmax(x, axis=axis)


@mx_function("softmin")
def softmin(
    data: Any,
    *,
    axis: int = -1,
    temperature: float | None = None,
    dtype: DType | None = None,
    use_length: bool = False,
) -> Any:
    """Softmax of the negated data."""
    x = data if dtype is None else cast_to(data, dtype)
    return F.softmax(F.negative(x), axis=axis, temperature=temperature)


@mx_function("SoftmaxActivation")
def softmax_activation(data: Any, *, mode: str = "instance") -> Any:
    """Softmax over the channels, or over everything but axis 0."""
    if mode == "channel":
        return F.softmax(data, axis=1)
    rest: Any = 1
    for n in data.shape[1:]:
        rest = rest * n
    flat = F.reshape(data, shape=(data.shape[0], rest))
    return F.reshape(F.softmax(flat, axis=-1), shape=data.shape)


@mx_function("Dropout _npx_dropout")
def dropout(data: Any, *, p: float = 0.5, mode: str = "training", axes: Ints = ()) -> Any:
    """Zero entries with probability `p` and scale the others by 1 / (1 - p)."""
    from symgluon.ops.nn import dropout as draw

    if mode != "always" and not state.training:
        return F.identity(data)
    return draw(data, p, axes)


@mx_function("_contrib_div_sqrt_dim")
def div_sqrt_dim(data: Any) -> Any:
    """Divide by the square root of the size of the last axis."""
    n = data.shape[-1]
    if isinstance(n, int):
        return data / float(np.sqrt(n))
    return data / F.sqrt(cast_to(F.dim_value(dim=n), data.dtype))


@mx_function("UpSampling")
def upsampling(
    *data: Any,
    scale: int,
    num_filter: int = 0,
    sample_type: str,
    multi_input_mode: str = "concat",
) -> Any:
    """Enlarge images: nearest, or bilinear by a transposed convolution with a given weight."""
    if sample_type == "bilinear":
        x, weight = data
        size = 2 * scale - scale % 2
        edge = -(-(scale - 1) // 2)
        return F.deconvolution(
            x, weight, None, kernel_shape=(size, size), stride=(scale, scale), pad=(edge, edge),
            dilate=(1, 1), adj=(0, 0), num_group=num_filter, num_filter=num_filter,
        )  # fmt: skip
    target = data[0].shape[2] * scale
    parts = [F.upsampling(x, scale=target // x.shape[2]) for x in data]
    if len(parts) == 1:
        return parts[0]
    if multi_input_mode == "sum":
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
    return F.concatenate(*parts, axis=1)


@mx_function("_contrib_BilinearResize2D")
def bilinear_resize(
    data: Any,
    like: Any = None,
    *,
    height: int = 1,
    width: int = 1,
    scale_height: float | None = None,
    scale_width: float | None = None,
    mode: str = "size",
    align_corners: bool = True,
) -> Any:
    """Bilinear resizing; `mode` says where the new size comes from."""
    h, w = data.shape[2], data.shape[3]
    sizes = _resized(h, w, like, height, width, scale_height, scale_width, mode)
    return F.bilinear_resize(data, height=sizes[0], width=sizes[1], align_corners=align_corners)


def _resized(
    h: Any,
    w: Any,
    like: Any,
    height: int,
    width: int,
    scale_height: float | None,
    scale_width: float | None,
    mode: str,
) -> tuple[Any, Any]:
    if mode == "like" and like is not None:
        return like.shape[2], like.shape[3]
    if mode == "size":
        if scale_height is not None and scale_width is not None:
            return int(int(h) * scale_height), int(int(w) * scale_width)
        return height, width
    if mode == "odd_scale" and scale_height is not None and scale_width is not None:
        return _odd_scaled(h, scale_height), _odd_scaled(w, scale_width)
    rules = {
        "to_even_down": lambda n: n - n % 2,
        "to_even_up": lambda n: n + n % 2,
        "to_odd_down": lambda n: n - 1 + n % 2,
        "to_odd_up": lambda n: n + 1 - n % 2,
    }
    if mode not in rules:
        raise AttributeValueError(f"BilinearResize2D: mode={mode!r} is not known")
    return rules[mode](h), rules[mode](w)


def _odd_scaled(n: Any, scale: float) -> int:
    size = int(n)
    return int(size * scale) if size % 2 == 0 else int((size - 1) * scale) + 1


@mx_function("RNN _npx_rnn")
def rnn(
    data: Any,
    parameters: Any,
    state: Any,
    state_cell: Any = None,
    sequence_length: Any = None,
    *,
    state_size: int,
    num_layers: int,
    bidirectional: bool = False,
    mode: str,
    p: float = 0.0,
    state_outputs: bool = False,
    projection_size: int | None = None,
    lstm_state_clip_min: float | None = None,
    lstm_state_clip_max: float | None = None,
    lstm_state_clip_nan: bool = False,
    use_sequence_length: bool = False,
) -> Any:
    """Fused recurrent net; the states are results with ``state_outputs`` only."""
    from symgluon.ops.rnn import run_rnn

    if mode != "lstm" and use_sequence_length and sequence_length is None:
        state_cell, sequence_length = None, state_cell
    outs = run_rnn(
        data,
        parameters,
        state,
        state_cell,
        sequence_length if use_sequence_length else None,
        mode=mode,
        state_size=state_size,
        num_layers=num_layers,
        bidirectional=bidirectional,
        projection_size=projection_size,
        dropout=p,
        clip=(lstm_state_clip_min, lstm_state_clip_max, lstm_state_clip_nan),
    )
    return outs if state_outputs else outs[0]


@mx_function("Embedding _npx_embedding _sparse_Embedding _contrib_SparseEmbedding")
def embedding(
    data: Any,
    weight: Any,
    *,
    input_dim: int,
    output_dim: int,
    dtype: DType = np.dtype("float32"),  # noqa: B008
    deterministic: bool = False,
) -> Any:
    """Rows of `weight`; indices out of range are clipped."""
    return F.embedding(data, weight, input_dim=input_dim, output_dim=output_dim)
