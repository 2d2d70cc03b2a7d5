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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._hidden_size, self._input_size = hidden_size, input_size
        rows = gates * hidden_size
        inner = hidden_size if recurrent_size is None else recurrent_size

        def parameter(name: str, shape: tuple[int, ...], init: Any) -> Parameter:
            return self._parameter(name, shape=shape, init=init, allow_deferred_init=True)

        self.i2h_weight = parameter("i2h_weight", (rows, input_size or -1), i2h_weight_initializer)
        self.h2h_weight = parameter("h2h_weight", (rows, inner), h2h_weight_initializer)
        self.i2h_bias = parameter("i2h_bias", (rows,), i2h_bias_initializer)
        self.h2h_bias = parameter("h2h_bias", (rows,), h2h_bias_initializer)

    def take_width(self, width: Any) -> Any:
        """Set the size of the input, and return that of the output.

        Parameters
        ----------
        width : int or None
            Size of the input; None leaves it.

        Returns
        -------
        int
            Size of the output.
        """
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
        """Shapes and layouts of the states for `batch_size` samples."""
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
    """Apply an activation.

    Parameters
    ----------
    x : array
        Values.
    activation : str or callable
        Its name, or a block.

    Returns
    -------
    array
        Of the shape of `x`.
    """
    if isinstance(activation, str):
        return call(legacy_nn.activation, x, act_type=activation)
    return activation(x)


class RNNCell(_GatedCell):
    """Elman cell: ``activation(W x + b + R h + c)``.

    Parameters
    ----------
    hidden_size : int
        Size of the hidden state.
    activation : str or Block
        Of the new values.
    i2h_weight_initializer, h2h_weight_initializer : Initializer or str, optional
        Of the weights of input and hidden state; None: what ``initialize`` is given.
    i2h_bias_initializer, h2h_bias_initializer : Initializer or str
        Of the biases of input and hidden state.
    input_size : int
        Size of the input; 0: found at the first call.

    Inputs
    ------
    inputs : array (N, input_size), float
        One step.
    states : list of one array (N, hidden_size), float
        Hidden state.

    Outputs
    -------
    array (N, hidden_size), float
        The hidden state.
    list of one array (N, hidden_size), float
        New states.

    Notes
    -----
    The parameters are ``i2h_weight`` (hidden_size, input_size), ``h2h_weight`` (hidden_size,
    hidden_size), ``i2h_bias`` and ``h2h_bias`` (hidden_size,).  Source: MXNet's
    ``gluon.rnn.RNNCell``.

    Examples
    --------
    >>> import symgluon as mx
    >>> cell = mx.gluon.rnn.RNNCell(2)
    >>> cell.initialize()
    >>> out, states = cell(mx.np.ones((3, 5)), cell.begin_state(batch_size=3))
    >>> out.shape, [s.shape for s in states]
    ((3, 2), [(3, 2)])
    >>> outs, states = cell.unroll(4, mx.np.ones((3, 4, 5)), merge_outputs=True)
    >>> outs.shape
    (3, 4, 2)
    """

    _hint = "rnn"

    def __init__(
        self,
        hidden_size: int,
        activation: Any = "tanh",
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(1, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size, **kwargs)  # fmt: skip
        self._activation = activation

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step from `inputs` and `states`."""
        a, b = self._products(inputs, states[0])
        out = activate(a + b, self._activation)
        return out, [out]

    def _more(self) -> str:
        return f", {self._activation}"


class LSTMCell(_GatedCell):
    """Long short-term memory.

    Parameters
    ----------
    hidden_size : int
        Size of hidden and cell state.
    i2h_weight_initializer, h2h_weight_initializer : Initializer or str, optional
        Of the weights of input and hidden state; None: what ``initialize`` is given.
    i2h_bias_initializer, h2h_bias_initializer : Initializer or str
        Of the biases of input and hidden state.
    input_size : int
        Size of the input; 0: found at the first call.
    activation : str or Block
        Of the new values.
    recurrent_activation : str or Block
        Of the gates.

    Inputs
    ------
    inputs : array (N, input_size), float
        One step.
    states : list of 2 arrays (N, hidden_size), float
        Hidden and cell state.

    Outputs
    -------
    array (N, hidden_size), float
        The hidden state.
    list of 2 arrays (N, hidden_size), float
        New states.

    Notes
    -----
    Weights and biases have ``4 * hidden_size`` rows: input gate, forget gate, new values, output
    gate. Source: MXNet's ``gluon.rnn.LSTMCell``; Hochreiter and Schmidhuber, 1997.

    Examples
    --------
    >>> import symgluon as mx
    >>> cell = mx.gluon.rnn.LSTMCell(2)
    >>> cell.initialize()
    >>> out, states = cell(mx.np.ones((3, 5)), cell.begin_state(batch_size=3))
    >>> out.shape, [s.shape for s in states]
    ((3, 2), [(3, 2), (3, 2)])
    >>> outs, states = cell.unroll(4, mx.np.ones((3, 4, 5)), merge_outputs=True)
    >>> outs.shape
    (3, 4, 2)
    """

    _hint = "lstm"

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
        **kwargs: Any,
    ) -> None:
        super().__init__(4, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size, **kwargs)  # fmt: skip
        self._activation, self._recurrent_activation = activation, recurrent_activation

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of hidden and cell state for `batch_size` samples."""
        return super().state_info(batch_size) * 2

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step from `inputs` and `states`."""
        a, b = self._products(inputs, states[0])
        i, f, g, o = _split(a + b, 4)
        gate, act = self._recurrent_activation, self._activation
        cell = activate(f, gate) * states[1] + activate(i, gate) * activate(g, act)
        hidden = activate(o, gate) * activate(cell, act)
        return hidden, [hidden, cell]


class GRUCell(_GatedCell):
    """Gated recurrent unit; the reset gate multiplies the hidden product after its bias.

    Parameters
    ----------
    hidden_size : int
        Size of the hidden state.
    i2h_weight_initializer, h2h_weight_initializer : Initializer or str, optional
        Of the weights of input and hidden state; None: what ``initialize`` is given.
    i2h_bias_initializer, h2h_bias_initializer : Initializer or str
        Of the biases of input and hidden state.
    input_size : int
        Size of the input; 0: found at the first call.
    activation : str or Block
        Of the new values.
    recurrent_activation : str or Block
        Of the gates.

    Inputs
    ------
    inputs : array (N, input_size), float
        One step.
    states : list of one array (N, hidden_size), float
        Hidden state.

    Outputs
    -------
    array (N, hidden_size), float
        The hidden state.
    list of one array (N, hidden_size), float
        New states.

    Notes
    -----
    Weights and biases have ``3 * hidden_size`` rows: reset gate, update gate, new values.  Source:
    MXNet's ``gluon.rnn.GRUCell``; arXiv:1406.1078.

    Examples
    --------
    >>> import symgluon as mx
    >>> cell = mx.gluon.rnn.GRUCell(2)
    >>> cell.initialize()
    >>> out, states = cell(mx.np.ones((3, 5)), cell.begin_state(batch_size=3))
    >>> out.shape, [s.shape for s in states]
    ((3, 2), [(3, 2)])
    >>> outs, states = cell.unroll(4, mx.np.ones((3, 4, 5)), merge_outputs=True)
    >>> outs.shape
    (3, 4, 2)
    """

    _hint = "gru"

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
        **kwargs: Any,
    ) -> None:
        super().__init__(3, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size, **kwargs)  # fmt: skip
        self._activation, self._recurrent_activation = activation, recurrent_activation

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step from `inputs` and `states`."""
        a, b = self._products(inputs, states[0])
        ar, az, an = _split(a, 3)
        br, bz, bn = _split(b, 3)
        reset = activate(ar + br, self._recurrent_activation)
        update = activate(az + bz, self._recurrent_activation)
        new = activate(an + reset * bn, self._activation)
        out = (1.0 - update) * new + update * states[0]
        return out, [out]


class LSTMPCell(_GatedCell):
    """LSTM whose hidden state is projected to another size.

    Parameters
    ----------
    hidden_size : int
        Size of the cell state.
    projection_size : int
        Size of the projected hidden state, which is the output.
    i2h_weight_initializer, h2h_weight_initializer : Initializer or str, optional
        Of the weights of input and hidden state; None: what ``initialize`` is given.
    h2r_weight_initializer : Initializer or str, optional
        Of the projection; None: what ``initialize`` is given.
    i2h_bias_initializer, h2h_bias_initializer : Initializer or str
        Of the biases of input and hidden state.
    input_size : int
        Size of the input; 0: found at the first call.

    Inputs
    ------
    inputs : array (N, input_size), float
        One step.
    states : list of arrays (N, projection_size) and (N, hidden_size), float
        Projected hidden state and cell state.

    Outputs
    -------
    array (N, projection_size), float
        The projected hidden state.
    list of arrays (N, projection_size) and (N, hidden_size), float
        New states.

    Notes
    -----
    As `LSTMCell`, with ``h2r_weight`` (projection_size, hidden_size).  Source: MXNet's
    ``gluon.rnn.LSTMPCell``; arXiv:1402.1128.

    Examples
    --------
    >>> import symgluon as mx
    >>> cell = mx.gluon.rnn.LSTMPCell(4, projection_size=2)
    >>> cell.initialize()
    >>> out, states = cell(mx.np.ones((3, 5)), cell.begin_state(batch_size=3))
    >>> out.shape, [s.shape for s in states]
    ((3, 2), [(3, 2), (3, 4)])
    >>> outs, states = cell.unroll(4, mx.np.ones((3, 4, 5)), merge_outputs=True)
    >>> outs.shape
    (3, 4, 2)
    """

    _hint = "lstmp"

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
        **kwargs: Any,
    ) -> None:
        super().__init__(4, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size,
                         projection_size, **kwargs)  # fmt: skip
        self._projection_size = projection_size
        self.h2r_weight = self._parameter("h2r_weight", shape=(projection_size, hidden_size),
                                    init=h2r_weight_initializer, allow_deferred_init=True)  # fmt: skip

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of projected hidden and cell state for `batch_size` samples."""
        return [
            {"shape": (batch_size, self._projection_size), "__layout__": "NC"},
            {"shape": (batch_size, self._hidden_size), "__layout__": "NC"},
        ]

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step from `inputs` and `states`."""
        a, b = self._products(inputs, states[0])
        i, f, g, o = _split(a + b, 4)
        cell = activate(f, "sigmoid") * states[1] + activate(i, "sigmoid") * activate(g, "tanh")
        hidden = activate(o, "sigmoid") * activate(cell, "tanh")
        out = call(F.dense, hidden, data(self.h2r_weight, inputs), None,
                   num_hidden=self._projection_size)  # fmt: skip
        return out, [out, cell]

    def _more(self) -> str:
        return f" -> {self._projection_size}"
