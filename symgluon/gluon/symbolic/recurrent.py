"""What recurrent layers and one step of the cells of ``gluon.rnn`` compose from symbols.

Names of a step begin with ``t0_``, ``t1_``, ... by the counter of the cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symgluon import symbol
from symgluon.gluon import rnn
from symgluon.gluon.nn import LeakyReLU
from symgluon.gluon.rnn._layer_params import flat_names
from symgluon.gluon.rnn.cell_containers import _Chain
from symgluon.gluon.rnn.conv_rnn_cell import _ConvCell, _ConvGRUCell, _ConvLSTMCell, _ConvRNNCell
from symgluon.gluon.rnn.rnn_layer import _RNNLayer
from symgluon.gluon.symbolic import composes

#: activations that are operators of their own in cells
_OPERATORS = ("tanh", "relu", "sigmoid", "softsign")


def _activate(F: Any, x: Any, activation: Any, **name: str) -> Any:
    if isinstance(activation, LeakyReLU):
        return F.LeakyReLU(x, act_type="leaky", slope=activation._alpha, **name)
    if activation in _OPERATORS:
        return getattr(F, activation)(x, **name)
    if isinstance(activation, str):
        return F.Activation(x, act_type=activation, **name)
    return activation(x, **name)


class _Step:
    """Functions of `F` whose names begin with the number of the step."""

    def __init__(self, block: Any, F: Any) -> None:
        self.F = F
        self.head = f"t{block._counter}_"

    def __getattr__(self, op: str) -> Callable[..., Any]:
        function = getattr(self.F, op)

        def named(name: str, *args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs, name=self.head + name)

        return named

    def act(self, name: str, x: Any, activation: Any) -> Any:
        """An activation of a cell."""
        return _activate(self.F, x, activation, name=self.head + name)

    def gate(self, name: str, x: Any, kind: str = "sigmoid") -> Any:
        """An activation that is fixed."""
        return self.Activation(name, x, act_type=kind)


# ---- cells of dense products -----------------------------------------------------------------------
def _products(block: Any, step: _Step, x: Any, hidden: Any, params: Any) -> tuple[Any, Any]:
    rows = block.i2h_weight.shape[0]
    i2h, h2h = (
        step.FullyConnected(
            kind, data=operand, weight=params[f"{kind}_weight"], bias=params[f"{kind}_bias"],
            num_hidden=rows,
        )
        for kind, operand in (("i2h", x), ("h2h", hidden))
    )  # fmt: skip
    return i2h, h2h


@composes(rnn.RNNCell)
def _rnn_cell(block: Any, F: Any, x: Any, states: Any, **params: Any) -> Any:
    step = _Step(block, F)
    total = step.elemwise_add("plus0", *_products(block, step, x, states[0], params))
    out = step.act("out", total, block._activation)
    return out, [out]


@composes(rnn.LSTMCell)
def _lstm_cell(block: Any, F: Any, x: Any, states: Any, **params: Any) -> Any:
    step = _Step(block, F)
    total = step.elemwise_add("plus0", *_products(block, step, x, states[0], params))
    parts = step.SliceChannel("slice", total, num_outputs=4)
    gate, act = block._recurrent_activation, block._activation
    kinds = (gate, gate, act, gate)
    i, f, c, o = (step.act(*each) for each in zip("ifco", parts, kinds, strict=True))
    kept, new = step.elemwise_mul("mul0", f, states[1]), step.elemwise_mul("mul1", i, c)
    cell = step.elemwise_add("state", kept, new)
    hidden = step.elemwise_mul("out", o, step.gate("activation0", cell, act))
    return hidden, [hidden, cell]


@composes(rnn.GRUCell)
def _gru_cell(block: Any, F: Any, x: Any, states: Any, **params: Any) -> Any:
    step = _Step(block, F)
    a, b = _products(block, step, x, states[0], params)
    ar, az, an = step.SliceChannel("i2h_slice", a, num_outputs=3)
    br, bz, bn = step.SliceChannel("h2h_slice", b, num_outputs=3)
    gate = block._recurrent_activation
    reset = step.gate("r_act", step.elemwise_add("plus0", ar, br), gate)
    update = step.gate("z_act", step.elemwise_add("plus1", az, bz), gate)
    total = step.elemwise_add("plus2", an, step.elemwise_mul("mul0", reset, bn))
    new = step.gate("h_act", total, block._activation)
    rest = step.elemwise_sub("minus0", step.ones_like("ones_like0", update), update)
    kept = step.elemwise_mul("mul20", update, states[0])
    out = step.elemwise_add("out", step.elemwise_mul("mul1", rest, new), kept)
    return out, [out]


@composes(rnn.LSTMPCell)
def _lstmp_cell(block: Any, F: Any, x: Any, states: Any, **params: Any) -> Any:
    step = _Step(block, F)
    a, b = _products(block, step, x, states[0], params)
    parts = step.SliceChannel("slice", a + b, num_outputs=4)
    kinds = ("sigmoid", "sigmoid", "tanh", "sigmoid")
    i, f, c, o = (step.gate(*each) for each in zip("ifco", parts, kinds, strict=True))
    cell = step.elemwise_add("state", f * states[1], i * c)
    hidden = step.elemwise_mul("hidden", o, F.Activation(cell, act_type="tanh"))
    out = step.FullyConnected(
        "out", data=hidden, weight=params["h2r_weight"], num_hidden=block._projection_size,
        no_bias=True,
    )  # fmt: skip
    return out, [out, cell]


# ---- convolutional cells ---------------------------------------------------------------------------
def _convolved(block: Any, step: _Step, x: Any, hidden: Any, params: Any) -> tuple[Any, Any]:
    i2h, h2h = (
        step.Convolution(
            kind,
            data=operand,
            weight=params[f"{kind}_weight"],
            bias=params[f"{kind}_bias"],
            **attrs,
        )
        for kind, operand, attrs in (("i2h", x, block._i2h), ("h2h", hidden, block._h2h))
    )
    return i2h, h2h


def _parts(block: _ConvCell, step: _Step, name: str, x: Any) -> Any:
    axis = block._conv_layout.find("C")
    return step.SliceChannel(name, x, num_outputs=block._gates, axis=axis)


@composes(_ConvRNNCell)
def _conv_rnn_cell(block: Any, F: Any, x: Any, states: Any, **params: Any) -> Any:
    step = _Step(block, F)
    a, b = _convolved(block, step, x, states[0], params)
    out = step.act("out", a + b, block._activation)
    return out, [out]


@composes(_ConvLSTMCell)
def _conv_lstm_cell(block: Any, F: Any, x: Any, states: Any, **params: Any) -> Any:
    step = _Step(block, F)
    a, b = _convolved(block, step, x, states[0], params)
    i, f, c, o = _parts(block, step, "slice", a + b)
    i, f, o = (step.gate(name, part) for name, part in zip("ifo", (i, f, o), strict=True))
    new = step.act("c", c, block._activation)
    cell = step.elemwise_add("state", f * states[1], i * new)
    hidden = step.elemwise_mul("out", o, _activate(F, cell, block._activation))
    return hidden, [hidden, cell]


@composes(_ConvGRUCell)
def _conv_gru_cell(block: Any, F: Any, x: Any, states: Any, **params: Any) -> Any:
    step = _Step(block, F)
    a, b = _convolved(block, step, x, states[0], params)
    ar, az, an = _parts(block, step, "i2h_slice", a)
    br, bz, bn = _parts(block, step, "h2h_slice", b)
    reset, update = step.gate("r_act", ar + br), step.gate("z_act", az + bz)
    new = step.act("h_act", an + reset * bn, block._activation)
    out = step.elemwise_add("out", (1.0 - update) * new, update * states[0])
    return out, [out]


# ---- cells of cells --------------------------------------------------------------------------------
@composes(_Chain, rnn.HybridSequentialRNNCell, rnn.BidirectionalCell)
def _as_for_arrays(block: Any, F: Any, x: Any, states: Any) -> Any:
    return block.forward(x, states)


@composes(rnn.DropoutCell)
def _dropout_cell(block: Any, F: Any, x: Any, states: Any) -> Any:
    if block._rate > 0:
        x = _Step(block, F).Dropout("fwd", data=x, p=block._rate, axes=block._axes)
    return x, states


@composes(rnn.ZoneoutCell)
def _zoneout_cell(block: Any, F: Any, x: Any, states: Any) -> Any:
    out, new = block.base_cell(x, states)
    before = block._memory.get("symbol")
    if before is None:
        before = F.zeros_like(out)

    def mix(now: Any, old: Any, p: float) -> Any:
        return F.where(F.Dropout(F.ones_like(now), p=p), now, old) if p != 0 else now

    out = mix(out, before, block._zoneout_outputs)
    new = [mix(n, o, block._zoneout_states) for n, o in zip(new, states, strict=True)]
    block._memory.put("symbol", out)
    return out, new


@composes(rnn.ResidualCell)
def _residual_cell(block: Any, F: Any, x: Any, states: Any) -> Any:
    out, new = block.base_cell(x, states)
    return _Step(block, F).elemwise_add("fwd", out, x), new


@composes(rnn.VariationalDropoutCell)
def _variational_cell(block: Any, F: Any, x: Any, states: Any) -> Any:
    def drop(kind: str, value: Any, p: float) -> Any:
        mask = block._masks.get(f"{kind} symbol")
        if p and mask is None:
            mask = F.Dropout(F.ones_like(value), p=p)
            block._masks.put(f"{kind} symbol", mask)
        return value * mask if p else value

    states = [drop("states", states[0], block.drop_states), *states[1:]]
    out, new = block.base_cell(drop("inputs", x, block.drop_inputs), states)
    return drop("outputs", out, block.drop_outputs), new


# ---- layers ----------------------------------------------------------------------------------------
class _Begun(list[Any]):
    """States that the layer began itself, so it does not return what becomes of them."""


def _with_states(block: Any, x: Any, states: Any = None, *args: Any) -> Sequence[Any]:
    if states is None:
        states = _Begun(block.begin_state(0, func=symbol.zeros))
    return (x, states, *args)


@composes(_RNNLayer, prepare=_with_states)
def _layer(
    block: Any, F: Any, x: Any, states: Any, sequence_length: Any = None, **params: Any
) -> Any:
    skip = isinstance(states, _Begun)
    operands = list(states) if isinstance(states, Sequence) else [states]
    if block._use_sequence_length:
        operands.append(sequence_length)
    swap = block._layout == "NTC"
    x = F.swapaxes(x, dim1=0, dim2=1) if swap else x
    parts = [F.reshape(params[n], shape=-1) for n in flat_names(block._config)]
    vector = F._internal._rnn_param_concat(*parts, dim=0)
    out, *finals = F.RNN(x, vector, *operands, **_layer_attrs(block))
    out = F.swapaxes(out, dim1=0, dim2=1) if swap else out
    return out if skip else (out, finals)


def _layer_attrs(block: Any) -> dict[str, Any]:
    low, high, nan = block._clip
    return {
        "use_sequence_length": block._use_sequence_length, "state_size": block._hidden_size,
        "projection_size": block._projection_size, "num_layers": block._num_layers,
        "bidirectional": block._dir == 2, "p": block._dropout, "state_outputs": True,
        "mode": block._mode, "lstm_state_clip_min": low, "lstm_state_clip_max": high,
        "lstm_state_clip_nan": nan,
    }  # fmt: skip
