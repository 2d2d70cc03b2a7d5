"""Cells with weights: RNN, LSTM, GRU and LSTM with projection."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.nn.common import call, data
from symgluon.gluon.parameter import Parameter
from symgluon.gluon.rnn.recurrent import HybridRecurrentCell
from symgluon.ops import legacy_nn
from symgluon.ops.apply import F

__all__ = [
    "GRUCell",
    "LSTMCell",
    "LSTMPCell",
    "RNNCell",
]


class _GatedCell(HybridRecurrentCell):
    """Cells with an input and a hidden product over some gates."""

    def __init__(
        self,
        gates: int,
        hidden_size: int,
        i2h_weight_initializer: Any,
        h2h_weight_initializer: Any,
        i2h_bias_initializer: Any,
        h2h_bias_initializer: Any,
        input_size: int,
        recurrent_size: int | None = None,
    ) -> None:
        super().__init__()
        self._hidden_size, self._input_size = hidden_size, input_size
        rows = gates * hidden_size
        inner = hidden_size if recurrent_size is None else recurrent_size

        def parameter(name: str, shape: tuple[int, ...], init: Any) -> Parameter:
            return Parameter(name, shape=shape, init=init, allow_deferred_init=True)

        self.i2h_weight = parameter("i2h_weight", (rows, input_size or -1), i2h_weight_initializer)
        self.h2h_weight = parameter("h2h_weight", (rows, inner), h2h_weight_initializer)
        self.i2h_bias = parameter("i2h_bias", (rows,), i2h_bias_initializer)
        self.h2h_bias = parameter("h2h_bias", (rows,), h2h_bias_initializer)

    def take_width(self, width: Any) -> Any:
        """Set the size of the input (None: leave it), and return that of the output."""
        if width is not None:
            self.i2h_weight.shape = (self.i2h_weight.shape[0], width)
        return self.h2h_weight.shape[1]

    def _products(self, x: Any, hidden: Any) -> tuple[Any, Any]:
        rows = self.i2h_weight.shape[0]
        return (
            call(F.dense, x, data(self.i2h_weight, x), data(self.i2h_bias, x), num_hidden=rows),
            call(
                F.dense, hidden, data(self.h2h_weight, x), data(self.h2h_bias, x), num_hidden=rows
            ),
        )

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of the states."""
        return [{"shape": (batch_size, self._hidden_size), "__layout__": "NC"}]

    def __repr__(self) -> str:
        rows, width = self.i2h_weight.shape
        return f"{type(self).__name__}({width} -> {rows}{self._more()})"

    def _more(self) -> str:
        """What `repr` says beyond the sizes."""
        return ""


def _split(x: Any, parts: int) -> list[Any]:
    size = x.shape[1] // parts
    return [
        call(F.index, x, index=(slice(None), slice(i * size, (i + 1) * size)))
        for i in range(parts)
    ]


def activate(x: Any, activation: Any) -> Any:
    """Apply an activation: its name, or a block."""
    if isinstance(activation, str):
        return call(legacy_nn.activation, x, act_type=activation)
    return activation(x)


class RNNCell(_GatedCell):
    """Elman cell: ``activation(W x + b + R h + c)``."""

    def __init__(
        self,
        hidden_size: int,
        activation: Any = "tanh",
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
    ) -> None:
        super().__init__(1, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size)  # fmt: skip
        self._activation = activation

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (output, [output])."""
        a, b = self._products(inputs, states[0])
        out = activate(a + b, self._activation)
        return out, [out]

    def _more(self) -> str:
        return f", {self._activation}"


class LSTMCell(_GatedCell):
    """Long short-term memory; gates input, forget, new, output."""

    def __init__(
        self,
        hidden_size: int,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
    ) -> None:
        super().__init__(4, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size)  # fmt: skip
        self._activation, self._recurrent_activation = activation, recurrent_activation

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of hidden and cell state."""
        return super().state_info(batch_size) * 2

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (hidden, [hidden, cell])."""
        a, b = self._products(inputs, states[0])
        i, f, g, o = _split(a + b, 4)
        gate, act = self._recurrent_activation, self._activation
        cell = activate(f, gate) * states[1] + activate(i, gate) * activate(g, act)
        hidden = activate(o, gate) * activate(cell, act)
        return hidden, [hidden, cell]


class GRUCell(_GatedCell):
    """Gated recurrent unit; the reset gate multiplies the hidden product after its bias."""

    def __init__(
        self,
        hidden_size: int,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
    ) -> None:
        super().__init__(3, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size)  # fmt: skip
        self._activation, self._recurrent_activation = activation, recurrent_activation

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (hidden, [hidden])."""
        a, b = self._products(inputs, states[0])
        ar, az, an = _split(a, 3)
        br, bz, bn = _split(b, 3)
        reset = activate(ar + br, self._recurrent_activation)
        update = activate(az + bz, self._recurrent_activation)
        new = activate(an + reset * bn, self._activation)
        out = (1.0 - update) * new + update * states[0]
        return out, [out]


class LSTMPCell(_GatedCell):
    """LSTM whose hidden state is projected (arXiv:1402.1128)."""

    def __init__(
        self,
        hidden_size: int,
        projection_size: int,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        h2r_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
    ) -> None:
        super().__init__(4, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size,
                         projection_size)  # fmt: skip
        self._projection_size = projection_size
        self.h2r_weight = Parameter("h2r_weight", shape=(projection_size, hidden_size),
                                    init=h2r_weight_initializer, allow_deferred_init=True)  # fmt: skip

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of projected hidden and cell state."""
        return [
            {"shape": (batch_size, self._projection_size), "__layout__": "NC"},
            {"shape": (batch_size, self._hidden_size), "__layout__": "NC"},
        ]

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (projection, [projection, cell])."""
        a, b = self._products(inputs, states[0])
        i, f, g, o = _split(a + b, 4)
        cell = activate(f, "sigmoid") * states[1] + activate(i, "sigmoid") * activate(g, "tanh")
        hidden = activate(o, "sigmoid") * activate(cell, "tanh")
        out = call(F.dense, hidden, data(self.h2r_weight, inputs), None,
                   num_hidden=self._projection_size)  # fmt: skip
        return out, [out, cell]

    def _more(self) -> str:
        return f" -> {self._projection_size}"
