"""The operators of neural network layers, with MXNet 2.0's signatures."""

from __future__ import annotations

from typing import Any

from symgluon.ndarray.front import call
from symgluon.numpy.multiarray import as_array, ndarray

__all__ = [
    "activation", "batch_norm", "convolution", "deconvolution", "dropout", "embedding",
    "fully_connected", "group_norm", "instance_norm", "layer_norm", "leaky_relu",
    "log_softmax", "masked_log_softmax", "masked_softmax", "pooling", "rnn", "softmax",
]  # fmt: skip


def _call(name: str, inputs: list[Any], **attrs: Any) -> Any:
    while inputs and inputs[-1] is None:
        inputs.pop()
    arrays = [x if isinstance(x, ndarray) or x is None else as_array(x) for x in inputs]
    return call(name, arrays, {k: v for k, v in attrs.items() if v is not None}, ndarray)


def activation(data: Any, act_type: str = "relu", **kwargs: Any) -> Any:
    """Apply relu, sigmoid, tanh, softrelu, softsign, log_sigmoid or mish, elementwise.

    Parameters
    ----------
    data : array of any shape and dtype
    act_type : str
        Name of the activation.

    Returns
    -------
    array
        Shape and dtype of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.activation``.
    """
    return _call("Activation", [data], act_type=act_type)


def leaky_relu(
    data: Any = None, gamma: Any = None, act_type: str = "leaky", slope: float = 0.25,
    lower_bound: float = 0.125, upper_bound: float = 0.334, **kwargs: Any,
) -> Any:  # fmt: skip
    """Apply leaky, prelu (slopes `gamma`), elu, selu, gelu or rrelu, elementwise.

    Parameters
    ----------
    data : array of any shape and dtype
    gamma : array, optional
        Slopes of prelu.
    act_type : str
        ``leaky``, ``prelu``, ``elu``, ``selu``, ``gelu`` or ``rrelu``.
    slope : float
        Of leaky; alpha of elu.
    lower_bound : float
        Smallest slope of rrelu.
    upper_bound : float
        Largest slope of rrelu.

    Returns
    -------
    array
        Shape of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.leaky_relu``.
    """
    return _call(
        "LeakyReLU", [data, gamma], act_type=act_type, slope=slope, lower_bound=lower_bound,
        upper_bound=upper_bound,
    )  # fmt: skip


def fully_connected(
    x: Any, weight: Any, bias: Any = None, num_hidden: int | None = None, no_bias: bool = True,
    flatten: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return ``x @ weight.T + bias``; `flatten` merges all axes of `x` but the first.

    Parameters
    ----------
    x : array (N, ...)
    weight : array (num_hidden, in)
    bias : array (num_hidden,), optional
    num_hidden : int, optional
        Size of the output; that of `weight` if left out.
    no_bias : bool
        Leave `bias` out.
    flatten : bool
        Merge all axes of `x` but the first; otherwise the last is multiplied.

    Returns
    -------
    array (N, num_hidden)
        Or (..., num_hidden) without `flatten`.

    Notes
    -----
    Source: MXNet's ``mx.npx.fully_connected``.
    """
    bias = None if no_bias else bias
    hidden = num_hidden if num_hidden is not None else weight.shape[0]
    return _call(
        "FullyConnected", [x, weight, bias], num_hidden=hidden, no_bias=bias is None,
        flatten=flatten,
    )  # fmt: skip


def convolution(
    data: Any = None, weight: Any = None, bias: Any = None, kernel: Any = None,
    stride: Any = None, dilate: Any = None, pad: Any = None, num_filter: int = 1,
    num_group: int = 1, workspace: int = 1024, no_bias: bool = False, cudnn_tune: Any = None,
    cudnn_off: bool = False, layout: str | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Convolve `data` (N, C, spatial...) with `weight` (num_filter, C / num_group, kernel...).

    Parameters
    ----------
    data : array (N, C, ...)
    weight : array (num_filter, C / num_group, ...)
    bias : array (num_filter,), optional
        Added to each channel.
    kernel : tuple of int
        Size of the window.
    stride : tuple of int, optional
        Its step; 1 if left out.
    dilate : tuple of int, optional
        Distance of the places it reads; 1 if left out.
    pad : tuple of int, optional
        What is added on either side; 0 if left out.
    num_filter : int
        Number of output channels.
    num_group : int
        Groups of channels that do not see each other.
    workspace : int
        Accepted, without effect.
    no_bias : bool
        Leave `bias` out.
    cudnn_tune : str, optional
        Accepted, without effect.
    cudnn_off : bool
        Accepted, without effect.
    layout : str, optional
        Order of the axes, such as ``NCHW`` or ``NHWC``.

    Returns
    -------
    array (N, num_filter, ...)
        Of the dtype of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.convolution``; ONNX Conv.
    """
    return _call(
        "Convolution", [data, weight, None if no_bias else bias], kernel=kernel, stride=stride,
        dilate=dilate, pad=pad, num_filter=num_filter, num_group=num_group,
        no_bias=no_bias or bias is None, layout=layout,
    )  # fmt: skip


def deconvolution(
    data: Any = None, weight: Any = None, bias: Any = None, kernel: Any = None,
    stride: Any = None, dilate: Any = None, pad: Any = None, adj: Any = None,
    target_shape: Any = None, num_filter: int = 1, num_group: int = 1, workspace: int = 1024,
    no_bias: bool = False, cudnn_tune: Any = None, cudnn_off: bool = False,
    layout: str | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Transposed convolution; `weight` is (C, num_filter / num_group, kernel...).

    Parameters
    ----------
    data : array (N, C, ...)
    weight : array (C, num_filter / num_group, ...)
    bias : array (num_filter,), optional
        Added to each channel.
    kernel : tuple of int
        Size of the window.
    stride : tuple of int, optional
        Its step; 1 if left out.
    dilate : tuple of int, optional
        Distance of the places it reads; 1 if left out.
    pad : tuple of int, optional
        What is added on either side; 0 if left out.
    adj : tuple of int, optional
        Added to the size of the output.
    target_shape : tuple of int, optional
        Size of the output, in place of `pad` and `adj`.
    num_filter : int
        Number of output channels.
    num_group : int
        Groups of channels that do not see each other.
    workspace : int
        Accepted, without effect.
    no_bias : bool
        Leave `bias` out.
    cudnn_tune : str, optional
        Accepted, without effect.
    cudnn_off : bool
        Accepted, without effect.
    layout : str, optional
        Order of the axes, such as ``NCHW`` or ``NHWC``.

    Returns
    -------
    array (N, num_filter, ...)
        Of the dtype of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.deconvolution``; ONNX ConvTranspose.
    """
    return _call(
        "Deconvolution", [data, weight, None if no_bias else bias], kernel=kernel, stride=stride,
        dilate=dilate, pad=pad, adj=adj, target_shape=target_shape, num_filter=num_filter,
        num_group=num_group, no_bias=no_bias or bias is None, layout=layout,
    )  # fmt: skip


def pooling(
    data: Any = None, kernel: Any = None, stride: Any = None, pad: Any = None,
    pool_type: str = "max", pooling_convention: str = "valid", global_pool: bool = False,
    cudnn_off: bool = False, p_value: int | None = None, count_include_pad: bool | None = None,
    layout: str | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Pool spatial windows by max, avg, sum or lp.

    Parameters
    ----------
    data : array (N, C, ...)
    kernel : tuple of int
        Size of the window.
    stride : tuple of int, optional
        Its step; 1 if left out.
    pad : tuple of int, optional
        What is added on either side; 0 if left out.
    pool_type : str
        ``max``, ``avg``, ``sum`` or ``lp``.
    pooling_convention : str
        ``valid``: the number of windows is rounded down; ``full``: up; ``same``.
    global_pool : bool
        One window over everything.
    cudnn_off : bool
        Accepted, without effect.
    p_value : int, optional
        Exponent of lp.
    count_include_pad : bool, optional
        Whether the padding counts in a mean.
    layout : str, optional
        Order of the axes, such as ``NCHW`` or ``NHWC``.

    Returns
    -------
    array (N, C, ...)
        Of the dtype of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.pooling``.
    """
    return _call(
        "Pooling", [data], kernel=kernel, stride=stride, pad=pad, pool_type=pool_type,
        pooling_convention=pooling_convention, global_pool=global_pool, p_value=p_value,
        count_include_pad=count_include_pad, layout=layout,
    )  # fmt: skip


def batch_norm(
    x: Any, gamma: Any, beta: Any, running_mean: Any, running_var: Any, eps: float = 1e-3,
    momentum: float = 0.9, fix_gamma: bool = True, use_global_stats: bool = False,
    output_mean_var: bool = False, axis: int = 1, cudnn_off: bool = False,
    min_calib_range: Any = None, max_calib_range: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Normalise over all axes but `axis`; training mode updates the running statistics.

    Parameters
    ----------
    x : array (N, C, ...)
    gamma : array (C,)
        Scale.
    beta : array (C,)
        Shift.
    running_mean, running_var : array (C,)
        Written in training mode.
    eps : float
        Added to the variance.
    momentum : float
        Share of the old running statistics that is kept.
    fix_gamma : bool
        Take 1 for `gamma`.
    use_global_stats : bool
        Use the running statistics in training mode too.
    output_mean_var : bool
        Return mean and deviation too.
    axis : int
        Axis of the channels.
    cudnn_off : bool
        Accepted, without effect.
    min_calib_range, max_calib_range : float, optional
        Accepted, without effect.

    Returns
    -------
    array, or list with mean and deviation
        Shape of `x`.

    Notes
    -----
    Source: MXNet's ``mx.npx.batch_norm``.
    """
    found = _call(
        "BatchNorm", [x, gamma, beta, running_mean, running_var], eps=eps, momentum=momentum,
        fix_gamma=fix_gamma, use_global_stats=use_global_stats, output_mean_var=output_mean_var,
        axis=axis,
    )  # fmt: skip
    return found if output_mean_var or not isinstance(found, list) else found[0]


def layer_norm(
    data: Any = None, gamma: Any = None, beta: Any = None, axis: int | None = None,
    eps: float | None = None, output_mean_var: bool | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Normalise over `axis` (the last), then scale by `gamma` and shift by `beta`.

    Parameters
    ----------
    data : array of any shape and dtype
    gamma : array (C,)
        Scale.
    beta : array (C,)
        Shift.
    axis : int
        Axis that is normalised.
    eps : float
        Added to the variance.
    output_mean_var : bool
        Return mean and deviation too.

    Returns
    -------
    array
        Shape of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.layer_norm``.
    """
    return _call(
        "LayerNorm", [data, gamma, beta], axis=axis, eps=eps,
        output_mean_var=output_mean_var or None,
    )  # fmt: skip


def group_norm(
    data: Any, gamma: Any, beta: Any, num_groups: int = 1, eps: float = 1e-3,
    output_mean_var: bool = False, **kwargs: Any,
) -> Any:  # fmt: skip
    """Normalise over groups of channels, then scale by `gamma` and shift by `beta`.

    Parameters
    ----------
    data : array (N, C, ...)
    gamma : array (C,)
        Scale.
    beta : array (C,)
        Shift.
    num_groups : int
        Number of groups.
    eps : float
        Added to the variance.
    output_mean_var : bool
        Return mean and deviation too.

    Returns
    -------
    array
        Shape of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.group_norm``.
    """
    return _call(
        "GroupNorm", [data, gamma, beta], num_groups=num_groups, eps=eps,
        output_mean_var=output_mean_var or None,
    )  # fmt: skip


def instance_norm(
    data: Any = None, gamma: Any = None, beta: Any = None, eps: float | None = None, **kwargs: Any
) -> Any:
    """Normalise over the spatial axes, then scale by `gamma` and shift by `beta`.

    Parameters
    ----------
    data : array (N, C, ...)
    gamma : array (C,)
        Scale.
    beta : array (C,)
        Shift.
    eps : float
        Added to the variance.

    Returns
    -------
    array
        Shape of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.instance_norm``.
    """
    return _call("InstanceNorm", [data, gamma, beta], eps=eps)


def dropout(
    data: Any, p: float = 0.5, mode: str = "training", axes: Any = None, cudnn_off: bool = False,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Zero elements with probability `p` and scale the rest by ``1 / (1 - p)``, in training.

    Parameters
    ----------
    data : array of any shape and dtype
    p : float
        Probability of zero.
    mode : str
        ``training``, or ``always``.
    axes : tuple of int, optional
        Axes along which one entry of the mask counts for all.
    cudnn_off : bool
        Accepted, without effect.

    Returns
    -------
    array
        Shape of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.dropout``.
    """
    return _call("Dropout", [data], p=p, mode=mode, axes=axes)


def embedding(
    data: Any, weight: Any, input_dim: int | None = None, output_dim: int | None = None,
    dtype: Any = "float32", sparse_grad: bool = False, **kwargs: Any,
) -> Any:  # fmt: skip
    """Look up rows of `weight`; indices out of range are clipped.

    Parameters
    ----------
    data : array of any shape, int or float
        Numbers of rows.
    weight : array (input_dim, output_dim)
    input_dim : int, optional
        Rows of `weight`.
    output_dim : int, optional
        Columns of `weight`.
    dtype : dtype
        Of the weight.
    sparse_grad : bool
        Accepted, without effect.

    Returns
    -------
    array (..., output_dim)
        Shape of `data` and one more axis.

    Notes
    -----
    Source: MXNet's ``mx.npx.embedding``.
    """
    rows = weight.shape[0] if input_dim is None else input_dim
    width = weight.shape[1] if output_dim is None else output_dim
    return _call("Embedding", [data, weight], input_dim=rows, output_dim=width, dtype=dtype)


def softmax(
    data: Any, length: Any = None, axis: int = -1, temperature: float | None = None,
    use_length: bool = False, dtype: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return ``exp(data / temperature)``, normalised over `axis` (of the first `length`).

    Parameters
    ----------
    data : array of any shape and dtype
    length : array, int, optional
        How many entries of the axis count, for each place of the others.
    axis : int
        Axis that sums to 1.
    temperature : float, optional
        Divisor of `data`.
    use_length : bool
        Read `length`.
    dtype : dtype, optional
        Of the result; that of `data` if left out.

    Returns
    -------
    array
        Shape of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.softmax``; ONNX Softmax.
    """
    return _softmax("softmax", data, length, axis, temperature, use_length, dtype)


def log_softmax(
    data: Any, axis: int = -1, length: Any = None, temperature: float | None = None,
    use_length: bool = False, dtype: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return the logarithm of `softmax`.

    Parameters
    ----------
    data : array of any shape and dtype
    axis : int
        Axis whose exponentials sum to 1.
    length : array, int, optional
        How many entries of the axis count, for each place of the others.
    temperature : float, optional
        Divisor of `data`.
    use_length : bool
        Read `length`.
    dtype : dtype, optional
        Of the result; that of `data` if left out.

    Returns
    -------
    array
        Shape of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.log_softmax``; ONNX LogSoftmax.
    """
    return _softmax("log_softmax", data, length, axis, temperature, use_length, dtype)


def _softmax(
    name: str, data: Any, length: Any, axis: int, temperature: Any, use_length: bool, dtype: Any
) -> Any:
    if use_length and length is None:
        raise ValueError("length input is required")
    return _call(
        name, [data, length if use_length else None], axis=axis, temperature=temperature,
        use_length=use_length or None, dtype=dtype,
    )  # fmt: skip


def masked_softmax(
    data: Any, mask: Any, axis: int = -1, temperature: float = 1.0, normalize: bool = True,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Softmax over `axis` of the elements where `mask` is true; the others are 0.

    Parameters
    ----------
    data : array of any shape and dtype
    mask : array, bool
        Of a shape that broadcasts: which elements count.
    axis : int
        Axis that sums to 1.
    temperature : float
        Divisor of `data`.
    normalize : bool
        Accepted, without effect.

    Returns
    -------
    array
        Shape of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.masked_softmax``.
    """
    return _call(
        "masked_softmax", [data, mask], axis=axis, temperature=temperature, normalize=normalize
    )


def masked_log_softmax(
    data: Any, mask: Any, axis: int = -1, temperature: float = 1.0, normalize: bool = True,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Return the logarithm of `masked_softmax`; -inf where `mask` is false.

    Parameters
    ----------
    data : array of any shape and dtype
    mask : array, bool
        Of a shape that broadcasts: which elements count.
    axis : int
        Axis whose exponentials sum to 1.
    temperature : float
        Divisor of `data`.
    normalize : bool
        Accepted, without effect.

    Returns
    -------
    array
        Shape of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.masked_log_softmax``.
    """
    return _call(
        "masked_log_softmax", [data, mask], axis=axis, temperature=temperature,
        normalize=normalize,
    )  # fmt: skip


def rnn(
    data: Any = None, parameters: Any = None, state: Any = None, state_cell: Any = None,
    sequence_length: Any = None, mode: str | None = None, state_size: int | None = None,
    num_layers: int | None = None, bidirectional: bool = False, state_outputs: bool = False,
    p: float = 0.0, use_sequence_length: bool = False, projection_size: int | None = None,
    lstm_state_clip_min: Any = None, lstm_state_clip_max: Any = None,
    lstm_state_clip_nan: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Run a stack of recurrent layers (rnn_relu, rnn_tanh, lstm, gru) over time-major `data`.

    Parameters
    ----------
    data : array (T, N, C)
        The sequence.
    parameters : array (size,)
        All weights, then all biases.
    state : array (L * directions, N, H)
        Hidden states before the first step.
    state_cell : array (L * directions, N, H), optional
        Cell states of lstm.
    sequence_length : array (N,), int, optional
        Steps of each sample.
    mode : str
        ``rnn_relu``, ``rnn_tanh``, ``lstm`` or ``gru``.
    state_size : int
        H, the size of the hidden state.
    num_layers : int
        L.
    bidirectional : bool
        Whether there is a second direction.
    state_outputs : bool
        Return the last states too.
    p : float
        Rate of dropout between layers.
    use_sequence_length : bool
        Read `sequence_length`.
    projection_size : int, optional
        Size of the projected hidden state.
    lstm_state_clip_min : float, optional
        Lower bound of the cell state.
    lstm_state_clip_max : float, optional
        Upper bound of the cell state.
    lstm_state_clip_nan : bool, optional
        Whether NaN becomes the lower bound.

    Returns
    -------
    array (T, N, H * directions), or list with the states
        The outputs.

    Notes
    -----
    Source: MXNet's ``mx.npx.rnn``.
    """
    inputs = [data, parameters, state]
    if mode == "lstm":
        inputs.append(state_cell)
    if use_sequence_length:
        inputs.append(sequence_length)
    return _call(
        "RNN", inputs, mode=mode, state_size=state_size, num_layers=num_layers,
        bidirectional=bidirectional, state_outputs=state_outputs, p=p,
        use_sequence_length=use_sequence_length, projection_size=projection_size,
        lstm_state_clip_min=lstm_state_clip_min, lstm_state_clip_max=lstm_state_clip_max,
        lstm_state_clip_nan=lstm_state_clip_nan,
    )  # fmt: skip
