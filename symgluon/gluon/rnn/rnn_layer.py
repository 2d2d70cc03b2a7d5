"""Fused recurrent layers (MXNet's ``gluon.rnn``): RNN, LSTM, GRU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call, data, like, zeros_of
from symgluon.gluon.rnn import _layer_params as layer_params
from symgluon.gluon.rnn.recurrent import named_states, takes_names
from symgluon.initializer import RNNFused
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.kernels.rnn import RnnConfig, param_size
from symgluon.ops.rnn import run_rnn

__all__ = ["GRU", "LSTM", "RNN"]


class _RNNLayer(HybridBlock):
    """What the fused layers share; all weights are one flat vector, ``rnn_param``."""

    def __init__(
        self,
        hidden_size: int,
        num_layers: int,
        layout: str,
        dropout: float,
        bidirectional: bool,
        input_size: int,
        mode: str,
        projection_size: int | None = None,
        clip: tuple[float | None, float | None, bool] = (None, None, False),
        dtype: Any = "float32",
        use_sequence_length: bool = False,
        inits: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        if layout not in ("TNC", "NTC"):
            raise AssertionError(f"Invalid layout {layout}; must be one of ['TNC' or 'NTC']")
        super().__init__(**kwargs)
        self._hidden_size, self._num_layers = hidden_size, num_layers
        self._layout, self._dropout = layout, dropout
        self._dir = 2 if bidirectional else 1
        self._input_size, self._mode = input_size, mode
        self._projection_size, self._clip = projection_size, clip
        self._use_sequence_length = use_sequence_length
        self._dtype = dtypes.resolve(dtype)
        kind: Any = mode
        self._config = RnnConfig(kind, hidden_size, num_layers, bidirectional, projection_size)
        if self._scope is not None:
            layer_params.make(self, self._config, input_size, self._dtype, inits)
            return
        size = param_size(self._config, input_size) if input_size else -1
        init = RNNFused(mode, num_layers, hidden_size, bidirectional, projection_size, *inits)
        self.rnn_param = self._parameter("rnn_param", shape=(size,), init=init,
                                   allow_deferred_init=True, dtype=self._dtype)  # fmt: skip

    def infer_shape(self, inputs: Any, *args: Any) -> None:
        """Set the length of the parameter vector from `inputs`."""
        width = int(inputs.shape[2])
        if self._scope is not None:
            layer_params.set_width(self, self._config, width)
            self._input_size = width
            return
        self.rnn_param.shape = (param_size(self._config, width),)
        self._input_size = width

    def cast(self, dtype: Any) -> None:
        """Cast the parameters to `dtype`; states are made in it too."""
        super().cast(dtype)
        self._dtype = dtypes.resolve(dtype)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes, layouts and dtypes of the states for `batch_size` samples."""
        slots = self._num_layers * self._dir
        hidden = self._projection_size or self._hidden_size
        infos = [{"shape": (slots, batch_size, hidden), "__layout__": "LNC", "dtype": self._dtype}]
        if self._mode == "lstm":
            shape = (slots, batch_size, self._hidden_size)
            infos.append({"shape": shape, "__layout__": "LNC", "dtype": self._dtype})
        return infos

    def begin_state(self, batch_size: int = 0, func: Any = None, **kwargs: Any) -> list[Any]:
        """Initial states.

        Parameters
        ----------
        batch_size : int
            Number of samples.
        func : callable, optional
            Makes an array from ``shape=`` and ``dtype=``; that of the front end
            in use, ``mx.np.zeros`` or ``mx.nd.zeros``, if left out.
        **kwargs : object
            Further arguments of `func`.

        Returns
        -------
        list of array
            A state each, in the dtype of the parameters.
        """
        infos = self.state_info(batch_size)
        if self._scope is not None and takes_names(func):
            names = [f"{self.prefix}h0_{i}" for i in range(len(infos))]
            return named_states(func, infos, names, kwargs)
        func = zeros_of(self) if func is None else func
        states = []
        for info in infos:
            info.pop("__layout__")
            info.update(kwargs)
            states.append(func(**info))
        return states

    def _zeros(self, inputs: Any, batch: Any) -> list[Any]:
        """Initial states inside a trace: the batch size may be symbolic."""
        zero = np.zeros((), inputs.dtype)
        return [
            F.full(zero, shape=(info["shape"][0], batch, info["shape"][2]))
            for info in self.state_info(0)
        ]

    def forward(self, inputs: Any, states: Any = None, sequence_length: Any = None) -> Any:
        """Run over a sequence; with `states` the result is (output, new states)."""
        batch = inputs.shape[self._layout.find("N")]
        skip = states is None
        if skip:
            states = self._zeros(inputs, batch)
        if isinstance(states, Array):
            states = [states]
        self._check_states(states, batch)
        x = call(F.transpose, inputs, axes=(1, 0, 2)) if self._layout == "NTC" else inputs
        length = sequence_length if self._use_sequence_length else None
        out, *finals = run_rnn(
            x,
            self._flat(inputs),
            states[0],
            states[1] if self._mode == "lstm" else None,
            length,
            mode=self._mode,
            state_size=self._hidden_size,
            num_layers=self._num_layers,
            bidirectional=self._dir == 2,
            projection_size=self._projection_size,
            dropout=self._dropout,
            clip=self._clip,
        )
        out = like(inputs, out)
        if self._layout == "NTC":
            out = call(F.transpose, out, axes=(1, 0, 2))
        return out if skip else (out, [like(inputs, s) for s in finals])

    def _flat(self, inputs: Any) -> Any:
        """All weights as one vector, on the device of `inputs`."""
        if self._scope is not None:
            return layer_params.flat(self, self._config, inputs)
        return data(self.rnn_param, inputs)

    def _check_states(self, states: Any, batch: Any) -> None:
        infos = self.state_info(0)
        if len(states) != len(infos):
            raise ValueError(
                f"Invalid recurrent state: expected {len(infos)}, received {len(states)}"
            )
        for state, info in zip(states, infos, strict=True):
            want = (info["shape"][0], batch, info["shape"][2])
            if len(state.shape) != 3 or any(
                a != b for a, b in zip(state.shape, want, strict=True)
            ):
                raise ValueError(
                    f"Invalid recurrent state shape. Expecting {want}, got {tuple(state.shape)}."
                )

    def __repr__(self) -> str:
        width = self._input_size or None
        parts = [f"{width} -> {self._hidden_size}", self._layout]
        if self._num_layers != 1:
            parts.append(f"num_layers={self._num_layers}")
        if self._dropout != 0:
            parts.append(f"dropout={self._dropout}")
        if self._dir == 2:
            parts.append("bidirectional")
        return f"{type(self).__name__}({', '.join(parts)})"


class RNN(_RNNLayer):
    """Elman net with relu or tanh.

    Parameters
    ----------
    hidden_size : int
        Size of the hidden state.
    num_layers : int
        Number of layers, one above the other.
    activation : str
        ``relu`` or ``tanh``.
    layout : str
        ``TNC`` or ``NTC``: the order of the axes of input and output.
    dropout : float
        Rate of dropout between layers, in training mode.
    bidirectional : bool
        Whether each layer has a second direction; its outputs are joined to those of the first.
    i2h_weight_initializer, h2h_weight_initializer : Initializer or str, optional
        Of the weights of input and hidden state; None: what ``initialize`` is given.
    i2h_bias_initializer, h2h_bias_initializer : Initializer or str
        Of the biases of input and hidden state.
    input_size : int
        Size of the input; 0: found at the first call.
    dtype : dtype
        Of the parameters.
    **kwargs : bool
        ``use_sequence_length``: samples have lengths of their own.

    Inputs
    ------
    inputs : array (T, N, C), float
        (N, T, C) with layout NTC.
    states : array (L, N, H), float, or list of one, optional
        Before the first step, L being ``num_layers * directions``; zeros if left out.
    sequence_length : array (N,), int, optional
        Steps of each sample; read with ``use_sequence_length=True``.

    Outputs
    -------
    array (T, N, H * directions), float
        (N, T, H * directions) with layout NTC.
    list of one array (L, N, H), float
        States after the last step; only if `states` are given.

    Raises
    ------
    AssertionError
        For another layout.
    ValueError
        In a call, if the states have another shape or number.

    Notes
    -----
    All weights are one flat vector, ``rnn_param`` (see `gluon.utils.split_rnn_params`).  Source:
    MXNet's ``gluon.rnn.RNN``; ONNX RNN; Elman, 1990.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.rnn.RNN(4)
    >>> layer.initialize()
    >>> layer(mx.np.ones((5, 2, 3))).shape
    (5, 2, 4)
    >>> out, states = layer(mx.np.ones((5, 2, 3)), layer.begin_state(batch_size=2))
    >>> out.shape, [s.shape for s in states]
    ((5, 2, 4), [(1, 2, 4)])
    >>> layer
    RNN(3 -> 4, TNC)
    """

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        activation: str = "relu",
        layout: str = "TNC",
        dropout: float = 0,
        bidirectional: bool = False,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            hidden_size, num_layers, layout, dropout, bidirectional, input_size,
            f"rnn_{activation}", dtype=dtype,
            inits=(i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer,
                   h2h_bias_initializer),
            **kwargs,
        )  # fmt: skip


class LSTM(_RNNLayer):
    """Long short-term memory, with optional projection of the hidden state.

    Parameters
    ----------
    hidden_size : int
        Size of the hidden state.
    num_layers : int
        Number of layers, one above the other.
    layout : str
        ``TNC`` or ``NTC``: the order of the axes of input and output.
    dropout : float
        Rate of dropout between layers, in training mode.
    bidirectional : bool
        Whether each layer has a second direction; its outputs are joined to those of the first.
    input_size : int
        Size of the input; 0: found at the first call.
    i2h_weight_initializer, h2h_weight_initializer : Initializer or str, optional
        Of the weights of input and hidden state; None: what ``initialize`` is given.
    i2h_bias_initializer, h2h_bias_initializer : Initializer or str
        Of the biases of input and hidden state.
    projection_size : int, optional
        Size H of the hidden state after projection; hidden_size, without one, if left out.
    h2r_weight_initializer : Initializer or str, optional
        Of the projection.
    state_clip_min, state_clip_max : float, optional
        Bounds of the cell state at each step; without one of them nothing is clipped.
    state_clip_nan : bool
        Whether NaN in the cell state becomes the lower bound.
    dtype : dtype
        Of the parameters.
    **kwargs : bool
        ``use_sequence_length``: samples have lengths of their own.

    Inputs
    ------
    inputs : array (T, N, C), float
        (N, T, C) with layout NTC.
    states : list of two arrays (L, N, H), float, optional
        Before the first step, L being ``num_layers * directions``; zeros if left out.
    sequence_length : array (N,), int, optional
        Steps of each sample; read with ``use_sequence_length=True``.

    Outputs
    -------
    array (T, N, H * directions), float
        (N, T, H * directions) with layout NTC.
    list of two arrays (L, N, H), float
        States after the last step; only if `states` are given.

    Raises
    ------
    AssertionError
        For another layout.
    ValueError
        In a call, if the states have another shape or number.

    Notes
    -----
    States are hidden state (L, N, H) and cell state (L, N, hidden_size).  All weights are one flat
    vector, ``rnn_param`` (see `gluon.utils.split_rnn_params`).  Source: MXNet's ``gluon.rnn.LSTM``;
    ONNX LSTM; Hochreiter and Schmidhuber, 1997; projection: arXiv:1402.1128.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.rnn.LSTM(4, num_layers=2, bidirectional=True)
    >>> layer.initialize()
    >>> layer(mx.np.ones((5, 2, 3))).shape
    (5, 2, 8)
    >>> out, states = layer(mx.np.ones((5, 2, 3)), layer.begin_state(batch_size=2))
    >>> out.shape, [s.shape for s in states]
    ((5, 2, 8), [(4, 2, 4), (4, 2, 4)])
    >>> layer
    LSTM(3 -> 4, TNC, num_layers=2, bidirectional)
    """

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        layout: str = "TNC",
        dropout: float = 0,
        bidirectional: bool = False,
        input_size: int = 0,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        projection_size: int | None = None,
        h2r_weight_initializer: Any = None,
        state_clip_min: float | None = None,
        state_clip_max: float | None = None,
        state_clip_nan: bool = False,
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            hidden_size, num_layers, layout, dropout, bidirectional, input_size, "lstm",
            projection_size, (state_clip_min, state_clip_max, state_clip_nan), dtype,
            inits=(i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer,
                   h2h_bias_initializer, h2r_weight_initializer),
            **kwargs,
        )  # fmt: skip


class GRU(_RNNLayer):
    """Gated recurrent unit; the reset gate multiplies the hidden product after its bias.

    Parameters
    ----------
    hidden_size : int
        Size of the hidden state.
    num_layers : int
        Number of layers, one above the other.
    layout : str
        ``TNC`` or ``NTC``: the order of the axes of input and output.
    dropout : float
        Rate of dropout between layers, in training mode.
    bidirectional : bool
        Whether each layer has a second direction; its outputs are joined to those of the first.
    input_size : int
        Size of the input; 0: found at the first call.
    i2h_weight_initializer, h2h_weight_initializer : Initializer or str, optional
        Of the weights of input and hidden state; None: what ``initialize`` is given.
    i2h_bias_initializer, h2h_bias_initializer : Initializer or str
        Of the biases of input and hidden state.
    dtype : dtype
        Of the parameters.
    **kwargs : bool
        ``use_sequence_length``: samples have lengths of their own.

    Inputs
    ------
    inputs : array (T, N, C), float
        (N, T, C) with layout NTC.
    states : array (L, N, H), float, or list of one, optional
        Before the first step, L being ``num_layers * directions``; zeros if left out.
    sequence_length : array (N,), int, optional
        Steps of each sample; read with ``use_sequence_length=True``.

    Outputs
    -------
    array (T, N, H * directions), float
        (N, T, H * directions) with layout NTC.
    list of one array (L, N, H), float
        States after the last step; only if `states` are given.

    Raises
    ------
    AssertionError
        For another layout.
    ValueError
        In a call, if the states have another shape or number.

    Notes
    -----
    All weights are one flat vector, ``rnn_param`` (see `gluon.utils.split_rnn_params`).  Source:
    MXNet's ``gluon.rnn.GRU``; ONNX GRU; arXiv:1406.1078.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.rnn.GRU(4)
    >>> layer.initialize()
    >>> layer(mx.np.ones((5, 2, 3))).shape
    (5, 2, 4)
    >>> out, states = layer(mx.np.ones((5, 2, 3)), layer.begin_state(batch_size=2))
    >>> out.shape, [s.shape for s in states]
    ((5, 2, 4), [(1, 2, 4)])
    >>> layer
    GRU(3 -> 4, TNC)
    """

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        layout: str = "TNC",
        dropout: float = 0,
        bidirectional: bool = False,
        input_size: int = 0,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            hidden_size, num_layers, layout, dropout, bidirectional, input_size, "gru",
            dtype=dtype,
            inits=(i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer,
                   h2h_bias_initializer),
            **kwargs,
        )  # fmt: skip
