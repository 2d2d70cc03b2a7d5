"""The fused recurrent operator in other operators, step by step.

It defines the second derivative, and the ONNX form where ONNX has no operator: projected states,
clipped cells, factors between layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.errors import UnsupportedOpError
from symgluon.ops.apply import F
from symgluon.ops.kernels.rnn import RnnConfig
from symgluon.ops.kernels.rnn_cells import GATES

_LIMIT = 1024  # steps of all layers and directions together


class _Params(NamedTuple):
    """Handles of one layer and direction, as `kernels.rnn_cells.LayerParams`."""

    i2h_w: Any
    h2h_w: Any
    h2r_w: Any
    i2h_b: Any
    h2h_b: Any


def unrolled(
    config: RnnConfig,
    data: Any,
    params: Any,
    hidden: Any,
    cell: Any = None,
    sequence_length: Any = None,
    masks: Any = None,
) -> tuple[Any, ...]:
    """Return output, hidden state and (LSTM) cell state as `Rnn` does.

    The number of steps has to be a number; a symbolic one leaves a guard.

    Raises
    ------
    UnsupportedOpError
        If there are more than 1024 steps in all.
    """
    steps = int(data.shape[0])
    if steps * config.num_layers * config.directions > _LIMIT:
        raise UnsupportedOpError(
            f"rnn: {steps} steps of {config.num_layers} layers are too many to unroll "
            f"(at most {_LIMIT} in all)"
        )
    layers = _cut(config, params, int(data.shape[2]))
    active = _active(steps, sequence_length)
    x, states, cells = data, [], []
    for layer in range(config.num_layers):
        if layer and masks is not None:
            x = x * F.index(masks, index=(layer - 1,))
        outputs = []
        for direction in range(config.directions):
            slot = layer * config.directions + direction
            first = F.index(hidden, index=(slot,))
            inner = None if cell is None else F.index(cell, index=(slot,))
            turned = _turned(x, direction, sequence_length)
            out, h, c = _run(config, turned, layers[slot], first, inner, active)
            states.append(h)
            cells.append(c)
            outputs.append(_turned(_masked(out, sequence_length), direction, sequence_length))
        x = outputs[0] if len(outputs) == 1 else F.concatenate(*outputs, axis=2)
    results = (x, F.stack(*states, axis=0))
    return results if cell is None else (*results, F.stack(*cells, axis=0))


def _cut(config: RnnConfig, params: Any, width: int) -> list[_Params]:
    """Cut the flat vector (layout: `kernels.rnn.unpack_params`)."""
    at = 0

    def take(*shape: int) -> Any:
        nonlocal at
        count = int(np.prod(shape))
        part = F.index(params, index=(slice(at, at + count),))
        at += count
        return F.reshape(part, shape=shape)

    rows, size = GATES[config.mode] * config.state_size, config.state_size
    weights = []
    for _, layer, _ in config.slots():
        i2h, h2h = take(rows, config.input_size(layer, width)), take(rows, config.hidden)
        project = config.projection_size is not None
        weights.append((i2h, h2h, take(config.hidden, size) if project else None))
    return [_Params(*w, take(rows), take(rows)) for w in weights]


def _active(steps: int, sequence_length: Any) -> list[Any] | None:
    """Whether each sample still runs, (N, 1) a step."""
    if sequence_length is None:
        return None
    length = F.reshape(sequence_length, shape=(sequence_length.shape[0], 1))
    return [F.greater(length, np.asarray(t, length.dtype)) for t in range(steps)]


def _turned(x: Any, direction: int, sequence_length: Any) -> Any:
    """`x` in the order of the steps, or back."""
    if not direction:
        return x
    return F.sequence_reverse(x, sequence_length, use_sequence_length=sequence_length is not None)


def _masked(out: Any, sequence_length: Any) -> Any:
    if sequence_length is None:
        return out
    return F.sequence_mask(out, sequence_length, use_sequence_length=True)


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return F.dense(x, weight, bias, num_hidden=weight.shape[0], flatten=False)


def _run(
    config: RnnConfig, x: Any, p: _Params, h: Any, c: Any, active: list[Any] | None
) -> tuple[Any, Any, Any]:
    """Run one layer and direction: all states (T, N, hidden), the last state, the last cell."""
    gru = config.mode == "gru"
    from_x = _linear(x, p.i2h_w, p.i2h_b if gru else p.i2h_b + p.h2h_b)
    found = []
    for t in range(int(x.shape[0])):
        gates = F.index(from_x, index=(t,))
        if config.mode == "lstm":
            new, cell = _lstm_step(config, gates, p, h, c)
        elif gru:
            new, cell = _gru_step(config, gates, p, h), None
        else:
            step = gates + _linear(h, p.h2h_w)
            new, cell = F.relu(step) if config.mode == "rnn_relu" else F.tanh(step), None
        if active is not None:
            new = F.where(active[t], new, h)
            cell = None if cell is None else F.where(active[t], cell, c)
        h, c = new, cell
        found.append(h)
    return F.stack(*found, axis=0), h, c


def _parts(gates: Any, count: int, size: int) -> Sequence[Any]:
    every = slice(None)
    return [F.index(gates, index=(every, slice(i * size, (i + 1) * size))) for i in range(count)]


def _lstm_step(config: RnnConfig, gates: Any, p: _Params, h: Any, c: Any) -> tuple[Any, Any]:
    i, f, g, o = _parts(gates + _linear(h, p.h2h_w), 4, config.state_size)
    cell = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
    if config.clip is not None:
        low, high, nan = config.clip
        if nan:
            cell = F.where(F.isnan(cell), np.asarray(low, cell.dtype), cell)
        cell = F.clip(cell, a_min=low, a_max=high)
    out = F.sigmoid(o) * F.tanh(cell)
    return (out if p.h2r_w is None else _linear(out, p.h2r_w)), cell


def _gru_step(config: RnnConfig, gates: Any, p: _Params, h: Any) -> Any:
    r_x, z_x, n_x = _parts(gates, 3, config.state_size)
    r_h, z_h, n_h = _parts(_linear(h, p.h2h_w, p.h2h_b), 3, config.state_size)
    update = F.sigmoid(z_x + z_h)
    new = F.tanh(n_x + F.sigmoid(r_x + r_h) * n_h)
    return new + update * (h - new)
