"""Fused recurrent layers (seed: ``gluon.rnn``): RNN, LSTM, GRU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call, data, like
from symgluon.gluon.parameter import Parameter
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
    ) -> None:
        if layout not in ("TNC", "NTC"):
            raise AssertionError(f"Invalid layout {layout}; must be one of ['TNC' or 'NTC']")
        super().__init__()
        self._hidden_size, self._num_layers = hidden_size, num_layers
        self._layout, self._dropout = layout, dropout
        self._dir = 2 if bidirectional else 1
        self._input_size, self._mode = input_size, mode
        self._projection_size, self._clip = projection_size, clip
        self._use_sequence_length = use_sequence_length
        self._dtype = dtypes.resolve(dtype)
        kind: Any = mode
        self._config = RnnConfig(kind, hidden_size, num_layers, bidirectional, projection_size)
        size = param_size(self._config, input_size) if input_size else -1
        init = RNNFused(mode, num_layers, hidden_size, bidirectional, projection_size, *inits)
        self.rnn_param = Parameter("rnn_param", shape=(size,), init=init,
                                   allow_deferred_init=True, dtype=self._dtype)  # fmt: skip

    def infer_shape(self, inputs: Any, *args: Any) -> None:
        """Set the length of the parameter vector from the data."""
        width = int(inputs.shape[2])
        self.rnn_param.shape = (param_size(self._config, width),)
        self._input_size = width

    def cast(self, dtype: Any) -> None:
        """Cast the parameters; states are made in that dtype too."""
        super().cast(dtype)
        self._dtype = dtypes.resolve(dtype)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of the states."""
        slots = self._num_layers * self._dir
        hidden = self._projection_size or self._hidden_size
        infos = [{"shape": (slots, batch_size, hidden), "__layout__": "LNC", "dtype": self._dtype}]
        if self._mode == "lstm":
            shape = (slots, batch_size, self._hidden_size)
            infos.append({"shape": shape, "__layout__": "LNC", "dtype": self._dtype})
        return infos

    def begin_state(self, batch_size: int = 0, func: Any = None, **kwargs: Any) -> list[Any]:
        """Initial states (zeros, or what `func` makes of their shapes)."""
        if func is None:
            from symgluon import numpy

            func = numpy.zeros
        states = []
        for info in self.state_info(batch_size):
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
        """Run over a sequence; with `states` the result is (output, new states).

        Shapes: inputs (T, N, C) or, for layout NTC, (N, T, C); states (layers * directions, N, H).
        """
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
            data(self.rnn_param, inputs),
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
    """Elman net with relu or tanh (Elman, 1990).

    Shapes: input (T, N, C) or (N, T, C), output the same with ``hidden_size * directions``.
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
    """Long short-term memory (Hochreiter and Schmidhuber, 1997), with optional projection."""

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
    """Gated recurrent unit (arXiv:1406.1078); the reset gate multiplies after the product."""

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
