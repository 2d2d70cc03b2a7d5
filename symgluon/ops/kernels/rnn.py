"""The fused recurrent operator: all layers and directions in one call, with its exact gradient.

Shapes: data (T, N, C); states (L * D, N, H) with L layers and D directions, or (L * D, N, P)
for the hidden state of a projected LSTM. All parameters are one flat vector: for each layer and
direction the input and the hidden weight (then the projection), and after all weights, in the
same order, the input and the hidden bias. Source: `unpack_params`.

The forward returns a `reserve` beside its results: one array (L * D, T, N, R) of what the
gradient reads, in the order in which the steps were taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops.kernels._common import Array, widen
from symgluon.ops.kernels.rnn_cells import (
    GATES,
    LayerParams,
    Steps,
    cell_backward,
    cell_forward,
    reserve_width,
)

RnnMode = Literal["rnn_relu", "rnn_tanh", "lstm", "gru"]


@dataclass(frozen=True)
class RnnConfig:
    """What is fixed about a fused recurrent operator; `clip` is (min, max, also NaN) or None."""

    mode: RnnMode
    state_size: int
    num_layers: int = 1
    bidirectional: bool = False
    projection_size: int | None = None
    clip: tuple[float, float, bool] | None = None

    def __post_init__(self) -> None:
        if self.mode not in GATES:
            raise AttributeValueError(
                f"RNN: mode {self.mode!r} is unknown; use one of {', '.join(GATES)}"
            )
        if self.projection_size is not None and self.mode != "lstm":
            raise AttributeValueError(
                f"RNN: projection_size is for mode 'lstm', received mode {self.mode!r}"
            )

    @property
    def directions(self) -> int:
        """1 or 2."""
        return 2 if self.bidirectional else 1

    @property
    def hidden(self) -> int:
        """Width of the hidden state: the projection where there is one."""
        return self.projection_size or self.state_size

    def input_size(self, layer: int, input_size: int) -> int:
        """Width of what layer number `layer` reads."""
        return input_size if layer == 0 else self.hidden * self.directions

    @property
    def reserve_width(self) -> int:
        """R, the last axis of the reserve (L * D, T, N, R)."""
        return reserve_width(self.mode, self.state_size, self.hidden)

    def slots(self) -> Iterator[tuple[int, int, int]]:
        """``(slot, layer, direction)`` in the order of the states and the parameters."""
        for layer in range(self.num_layers):
            for direction in range(self.directions):
                yield layer * self.directions + direction, layer, direction


def param_size(config: RnnConfig, input_size: Any) -> Any:
    """Length of the flat parameter vector; `input_size` may be symbolic."""
    gates = GATES[config.mode] * config.state_size
    inner = config.num_layers - 1
    inputs = input_size + inner * config.hidden * config.directions
    fixed = config.num_layers * gates * (config.hidden + 2)
    if config.projection_size is not None:
        fixed += config.num_layers * config.projection_size * config.state_size
    return (inputs * gates + fixed) * config.directions


def unpack_params(flat: Array, config: RnnConfig, input_size: int) -> list[LayerParams]:
    """Cut the flat vector into views, one entry a layer and direction (layer slowest).

    Gates of the leading axis: LSTM input, forget, new, output; GRU reset, update, new.

    Raises
    ------
    ShapeError
        If `flat` has not the length that `param_size` gives.
    """
    expected = param_size(config, input_size)
    if flat.shape != (expected,):
        raise ShapeError(
            f"RNN: parameters have shape {flat.shape}, expected ({expected},) for mode "
            f"{config.mode}, input size {input_size}, {config}"
        )
    rows = GATES[config.mode] * config.state_size
    at = 0

    def take(*shape: int) -> Array:
        nonlocal at
        size = int(np.prod(shape))
        at += size
        return flat[at - size : at].reshape(shape)

    weights = []
    for _, layer, _ in config.slots():
        i2h = take(rows, config.input_size(layer, input_size))
        h2h = take(rows, config.hidden)
        projected = config.projection_size is not None
        weights.append((i2h, h2h, take(config.hidden, config.state_size) if projected else None))
    return [LayerParams(*w, take(rows), take(rows)) for w in weights]


def pack_params(params: Sequence[LayerParams]) -> Array:
    """Join parameters into the flat vector of `unpack_params`."""
    weights = [w.ravel() for p in params for w in p[:3] if w is not None]
    biases = [b.ravel() for p in params for b in p[3:]]
    return np.concatenate(weights + biases)


def rnn(
    data: Array,
    params: Array,
    state: Array,
    state_cell: Array | None,
    config: RnnConfig,
    masks: Array | Sequence[Array] | None = None,
    sequence_length: Array | None = None,
) -> tuple[Array, Array, Array | None, Array]:
    """Run all layers over `data` (T, N, C).

    `masks` holds one factor (T, N, D * hidden) between each two layers: dropout, already scaled.
    With `sequence_length` (N,) a sample stops after its length: outputs beyond are 0, states
    stay, the reverse direction starts at its last element.

    Returns
    -------
    output (T, N, D * hidden), hidden state (L * D, N, hidden), cell state (L * D, N, H) or None,
    reserve (L * D, T, N, R) in the compute type, to hand to `rnn_grad`.
    """
    _check_states(data, state, state_cell, config)
    run = _Run(config, data.shape[0], data.shape[1], sequence_length)
    layers = unpack_params(widen(params), config, data.shape[2])
    x = widen(data)
    state_out = np.empty((len(layers), data.shape[1], config.hidden), x.dtype)
    cell_out = None if state_cell is None else np.empty(state_cell.shape, x.dtype)
    reserve = []
    for layer in range(config.num_layers):
        if layer > 0 and masks is not None:
            x = x * widen(masks[layer - 1])
        outputs = []
        for direction in range(config.directions):
            slot = layer * config.directions + direction
            c0 = None if state_cell is None else widen(state_cell[slot])
            steps = cell_forward(
                config.mode,
                run.order(x, direction),
                layers[slot],
                widen(state[slot]),
                c0,
                run.active,
                config.clip,
            )
            reserve.append(steps.packed())
            outputs.append(run.order(run.masked(steps.h), direction))
            state_out[slot] = steps.h[-1] if len(steps.h) else state[slot]
            if cell_out is not None and steps.c is not None:
                cell_out[slot] = steps.c[-1] if len(steps.c) else c0
        x = np.concatenate(outputs, axis=-1)
    cast = data.dtype
    cell = None if cell_out is None else cell_out.astype(cast, copy=False)
    return x.astype(cast, copy=False), state_out.astype(cast, copy=False), cell, np.stack(reserve)


def rnn_grad(
    d_output: Array | None,
    d_state: Array | None,
    d_cell: Array | None,
    data: Array,
    params: Array,
    state: Array,
    state_cell: Array | None,
    reserve: Array | None,
    config: RnnConfig,
    masks: Array | Sequence[Array] | None = None,
    sequence_length: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """Gradients of `rnn` with respect to data, params, state and cell state.

    `d_output`, `d_state`, `d_cell` are the cotangents of its first three results, None for 0.
    Without `reserve` the forward is run once more.
    """
    if reserve is None:
        reserve = rnn(data, params, state, state_cell, config, masks, sequence_length)[3]
    run = _Run(config, data.shape[0], data.shape[1], sequence_length)
    layers = unpack_params(widen(params), config, data.shape[2])
    steps = [Steps.unpacked(config.mode, config.state_size, config.hidden, r) for r in reserve]
    grads = list(layers)
    d_state_in = np.zeros((len(layers), data.shape[1], config.hidden), reserve.dtype)
    d_cell_in = None if state_cell is None else np.zeros(state_cell.shape, reserve.dtype)
    width = (*data.shape[:2], config.hidden * config.directions)
    d_y = np.zeros(width, reserve.dtype) if d_output is None else widen(d_output)
    for layer in reversed(range(config.num_layers)):
        x = _layer_input(layer, widen(data), steps, run, masks)
        d_x = np.zeros(x.shape, reserve.dtype)
        for direction in range(config.directions):
            slot = layer * config.directions + direction
            part = d_y[..., direction * config.hidden : (direction + 1) * config.hidden]
            back = cell_backward(
                config.mode,
                run.order(run.masked(part), direction),
                None if d_state is None else widen(d_state[slot]),
                None if d_cell is None else widen(d_cell[slot]),
                run.order(x, direction),
                layers[slot],
                widen(state[slot]),
                None if state_cell is None else widen(state_cell[slot]),
                steps[slot],
                run.active,
                config.clip,
            )
            d_x += run.order(back.d_x, direction)
            grads[slot] = back.params
            d_state_in[slot] = back.d_h0
            if d_cell_in is not None and back.d_c0 is not None:
                d_cell_in[slot] = back.d_c0
        if layer > 0 and masks is not None:
            d_x = d_x * widen(masks[layer - 1])
        d_y = d_x
    cast = data.dtype
    return (
        d_y.astype(cast, copy=False),
        pack_params(grads).astype(params.dtype, copy=False),
        d_state_in.astype(cast, copy=False),
        None if d_cell_in is None else d_cell_in.astype(cast, copy=False),
    )


class _Run:
    """Order of the steps: which samples are active at a step, and the reverse direction."""

    def __init__(
        self, config: RnnConfig, steps: int, batch: int, sequence_length: Array | None
    ) -> None:
        self.config = config
        self.active: Array | None = None
        self._reverse: Array | None = None
        if sequence_length is None:
            return
        length = np.asarray(sequence_length).astype(np.int64)
        if length.shape != (batch,) or np.any(length < 0) or np.any(length > steps):
            raise ShapeError(
                f"RNN: sequence_length must be {batch} numbers from 0 to {steps}, "
                f"received {sequence_length!r}"
            )
        at = np.arange(steps)[:, None]
        self.active = (at < length)[..., None]
        self._reverse = np.where(at < length, length - 1 - at, at)[..., None]

    def order(self, x: Array, direction: int) -> Array:
        """Put `x` (T, N, width) into the order of the steps, or back (its own inverse)."""
        if direction == 0:
            return x
        if self._reverse is None:
            return x[::-1]
        return np.take_along_axis(x, self._reverse, axis=0)

    def masked(self, y: Array) -> Array:
        """`y` with 0 beyond the end of each sample; the same places in either direction."""
        return y if self.active is None else np.where(self.active, y, 0)


def _layer_input(
    layer: int,
    data: Array,
    steps: Sequence[Steps],
    run: _Run,
    masks: Array | Sequence[Array] | None,
) -> Array:
    """Return what a layer read: `data`, or the outputs below times the dropout factor."""
    if layer == 0:
        return data
    below = (layer - 1) * run.config.directions
    parts = [run.order(run.masked(steps[below + d].h), d) for d in range(run.config.directions)]
    x = np.concatenate(parts, axis=-1)
    return x if masks is None else x * widen(masks[layer - 1])


def _check_states(data: Array, state: Array, state_cell: Array | None, config: RnnConfig) -> None:
    if data.ndim != 3:
        raise ShapeError(f"RNN: data must be (steps, batch, channels), received {data.shape}")
    slots = config.num_layers * config.directions
    wanted = [("state", state, config.hidden)]
    if config.mode == "lstm":
        if state_cell is None:
            raise ShapeError("RNN: mode 'lstm' needs a cell state, received none")
        wanted.append(("state_cell", state_cell, config.state_size))
    elif state_cell is not None:
        raise ShapeError(f"RNN: mode {config.mode!r} has no cell state, received one")
    for name, array, width in wanted:
        if array.shape != (slots, data.shape[1], width):
            raise ShapeError(
                f"RNN: {name} has shape {array.shape}, expected {(slots, data.shape[1], width)} "
                f"(layers x directions, batch, width)"
            )
