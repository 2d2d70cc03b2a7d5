"""Training of recurrent nets in a session: `Scan` over steps whose states have channels in blocks.

A product of a few rows with a large matrix spends its time in laying the matrix out, at each step
anew.  As a 1 x 1 convolution on channels in blocks the matrix is laid out once for all steps.  So a
state (N, H) is an image (1, H, N, 1) here, the gates of all steps are (T, G H, N, 1), and all that
is elementwise runs on that layout as it is.  Units that do not fill their last block are followed by
units whose weights are 0: these stay 0 both ways.

Names as in `kernels.rnn_cells`, whose reserve this reads and writes: T steps, N samples, H units, G
gates.  For graphs that stay in memory; projections, clipping and lengths of sequences stay with the
kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.ir.types import TensorType
from symgluon.ops.kernels.rnn import param_size
from symgluon.ops.kernels.rnn_cells import GATES
from symgluon.ops.lowering import NCHWC

POINT = {"kernel_shape": [1, 1], "pads": [0, 0, 0, 0], "strides": [1, 1]}


def fits(op: Any, g: Any, data: str, lengths: str) -> bool:
    """Whether a session can train it: float32, data of a known width, nothing but plain cells."""
    plain = not op.projection_size and op.clip_min is None and not lengths
    if not g.block or not plain or g.dtype(data) != np.float32:
        return False
    return isinstance(g.shape(data)[2], int) and 0 not in g.shape(data)


def forward(op: Any, g: Any, data: str, params: str, hidden: str, cell: str, masks: str) -> Any:
    """Emit `rnn` with its reserve."""
    return _Forward(op, g, data, params).run(hidden, cell, masks)


class _Weights(NamedTuple):
    """Names of the parameters of one layer and direction: (G H, in), (G H, H), (G H,) twice."""

    i2h: str
    h2h: str
    i2h_bias: str
    h2h_bias: str


class ScanPass:
    """What both directions of time share: sizes, parameters and changes of layout."""

    def __init__(self, op: Any, g: Any, data: str, params: str) -> None:
        self.g, self.mode, self.config, self.data = g, op.mode, op.config, data
        self.steps, self.batch, self.width = g.shape(data)
        self.units, self.gates = op.state_size, GATES[op.mode]
        self.size = -(-op.state_size // g.block) * g.block  # with those that fill the last block
        self.rows = self.gates * self.size
        self.directions = op.config.directions
        self.weights = self._cut(params)

    def input_size(self, layer: int) -> int:
        """Width of what a layer reads."""
        return int(self.config.input_size(layer, self.width))

    def _cut(self, params: str) -> list[_Weights]:
        """Cut the flat vector (layout: `kernels.rnn.unpack_params`)."""
        g, units = self.g, self.units
        rows = self.gates * units
        widths = [self.input_size(layer) for _, layer, _ in self.config.slots()]
        sizes = [n for width in widths for n in (rows * width, rows * units)]
        sizes += [rows] * (2 * len(widths))
        if sum(sizes) != param_size(self.config, self.width):
            raise RuntimeError("rnn: the pieces of the parameters do not add up")
        parts = g.split(params, sizes, 0)
        found = []
        for i, width in enumerate(widths):
            i2h = g.Reshape(parts[2 * i], g.ints([rows, width]))
            h2h = g.Reshape(parts[2 * i + 1], g.ints([rows, units]))
            biases = parts[2 * len(widths) + 2 * i :][:2]
            found.append(_Weights(i2h, h2h, *biases))
        return found

    def join(self, parts: Sequence[str]) -> str:
        """Join along the layers and directions."""
        return parts[0] if len(parts) == 1 else str(self.g.Concat(*parts, axis=0))

    # ---- layout ----------------------------------------------------------------------------
    def blocks(self, x: str, steps: Any, pieces: int) -> str:
        """(steps, N, pieces x units), or its rows, as (steps, pieces x H, N, 1) in blocks."""
        g, extra = self.g, self.size - self.units
        if extra:
            x = g.reshape(x, (steps, self.batch, pieces, self.units))
            x = g.pad(x, [0] * 7 + [extra])
        image = g.reshape(x, (steps, self.batch, 1, pieces * self.size))
        return str(g.op("ReorderInput", (image,), domain=NCHWC, channels_last=1))

    def plain(self, x: str, steps: Any, pieces: int) -> str:
        """Inverse of `blocks`, as (steps, N, pieces x units)."""
        g, width = self.g, pieces * self.size
        x = g.op("ReorderOutput", (x,), domain=NCHWC, channels=width, channels_last=1)
        if self.size != self.units:
            x = g.reshape(x, (steps, self.batch, pieces, self.size))
            x = self.part(x, 3, 0, self.units)
        return str(g.reshape(x, (steps, self.batch, pieces * self.units)))

    def matrix(self, h2h: str) -> str:
        """(G units, units) as (G H, H)."""
        g, extra = self.g, self.size - self.units
        if extra:
            h2h = g.Reshape(h2h, g.ints([self.gates, self.units, self.units]))
            h2h = g.pad(h2h, [0] * 4 + [extra, extra])
        return h2h

    def vector(self, bias: str) -> str:
        """(G units,) as (G H,)."""
        g, extra = self.g, self.size - self.units
        if extra:
            bias = g.pad(g.Reshape(bias, g.ints([self.gates, self.units])), [0, 0, 0, extra])
        return str(g.Reshape(bias, g.ints([self.rows])))

    def part(self, x: str, axis: int, start: int, stop: int) -> str:
        """``x[start:stop]`` of an axis."""
        return str(self.g.slice(x, [start], [stop], [axis]))

    def reverse(self, x: str) -> str:
        """The steps in reverse order."""
        return str(self.g.slice(x, [-1], [-(2**63) + 1], [0], [-1]))

    def flat(self, x: str, width: int) -> str:
        """(T, N, width) as rows."""
        return str(self.g.Reshape(x, self.g.ints([-1, width])))

    def before(self, first: str, rest: str) -> str:
        """What was there before each step: `first` (1, ...), then all but the last of `rest`."""
        return str(self.g.Concat(first, self.part(rest, 0, 0, -1), axis=0))

    # ---- steps -----------------------------------------------------------------------------
    def scan(
        self,
        step: Callable[..., tuple[Sequence[str], str]],
        states: Sequence[str],
        inputs: Sequence[tuple[str, int, int]],
        out: int,
        direction: int,
    ) -> tuple[list[str], str]:
        """Emit a `Scan`.

        Parameters
        ----------
        step : callable
            Takes a builder, the states and the inputs of one step; gives the new states and what is
            kept.
        states : sequence of str
            First states (1, H, N, 1).
        inputs : sequence of (name, pieces, direction)
            (T, pieces x H, N, 1) each, and whether it is read backwards.
        out, direction : int
            Pieces of what is kept, and whether it is written backwards.

        Returns
        -------
        last states, and what is kept as (T, out x H, N, 1)
        """
        g = self.g
        inner = g.inner()
        formals = [inner.formal("state", self._slice(1)) for _ in states]
        slices = [inner.formal("slice", self._slice(pieces)) for _, pieces, _ in inputs]
        last, kept = step(inner, formals, slices)
        results = [(s, self._slice(1)) for s in last] + [(kept, self._slice(out))]
        lifted = [
            g.reshape(x, (self.steps, 1, pieces * self.size, self.batch, 1))
            for x, pieces, _ in inputs
        ]  # so that a slice has an axis of size 1 before it
        found = g.op(
            "Scan",
            [*states, *lifted],
            outputs=len(results),
            body=inner.proto("steps", results),
            num_scan_inputs=len(inputs),
            scan_input_directions=[d for _, _, d in inputs],
            scan_output_directions=[direction],
        )
        stacked = g.reshape(found[-1], (self.steps, out * self.size, self.batch, 1))
        return list(found[:-1]), stacked

    def _slice(self, pieces: int) -> TensorType:
        return TensorType((1, pieces * self.size, self.batch, 1), np.dtype(np.float32))


# ---- forward -----------------------------------------------------------------------------------
class _Forward(ScanPass):
    def run(self, hidden: str, cell: str, masks: str) -> tuple[str, ...]:
        """Emit all layers: output, last states, reserve."""
        g = self.g
        firsts = [s for s in (hidden, cell) if s]
        lasts: list[list[str]] = [[] for _ in firsts]
        reserves: list[str] = []
        x = self.data
        for layer in range(self.config.num_layers):
            if layer and masks:
                mask = g.squeeze(self.part(masks, 0, layer - 1, layer), [0])
                x = g.Mul(x, mask)
            outputs = []
            for direction in range(self.directions):
                slot = layer * self.directions + direction
                states = [self.part(s, 0, slot, slot + 1) for s in firsts]
                y, last, reserve = self.layer(x, slot, layer, direction, states)
                outputs.append(y)
                reserves.append(reserve)
                for found, state in zip(lasts, last, strict=True):
                    found.append(state)
            x = outputs[0] if len(outputs) == 1 else g.Concat(*outputs, axis=2)
        stacked = [self.join(found) for found in lasts]
        return x, *stacked, self.join([g.unsqueeze(r, [0]) for r in reserves])

    def layer(
        self, x: str, slot: int, layer: int, direction: int, states: Sequence[str]
    ) -> tuple[str, list[str], str]:
        """Emit one layer and direction: output (T, N, H), last states (1, N, H), reserve."""
        g, w = self.g, self.weights[slot]
        gru = self.mode == "gru"
        bias = w.i2h_bias if gru else g.Add(w.i2h_bias, w.h2h_bias)
        from_x = g.Gemm(self.flat(x, self.input_size(layer)), w.i2h, bias, transB=1)
        pre = self.blocks(from_x, self.steps, self.gates)
        # (G H, H) as (1, G H, H, 1): the filters go into blocks, the channels stay in their order
        image = g.Reshape(self.matrix(w.h2h), g.ints([1, self.rows, self.size, 1]))
        weight = g.op("ReorderInput", (image,), domain=NCHWC)
        weight = g.Reshape(weight, g.ints([self.rows, self.size, 1, 1]))
        inner_bias = self.vector(w.h2h_bias) if gru else ""

        def step(b: Any, states: Sequence[str], slices: Sequence[str]) -> Any:
            rest = (inner_bias,) if gru else ("", slices[0])
            made = b.op("Conv", (states[0], weight, *rest), domain=NCHWC, **POINT)
            return _STEPS[self.mode](b, self.size, made, states, slices[0])

        width, pieces = self.config.reserve_width, self.config.reserve_width // self.units
        first = [self.blocks(s, 1, 1) for s in states]
        last, kept = self.scan(step, first, [(pre, self.gates, direction)], pieces, 0)
        reserve = self.plain(kept, self.steps, pieces)
        y = self.part(reserve, 2, width - self.units, width)
        finals = [self.plain(s, 1, 1) for s in last]
        return self.reverse(y) if direction else y, finals, reserve


def _lstm_step(b: Any, size: int, made: str, states: Sequence[str], slice: str) -> Any:
    gates, new, out = b.split(made, [2 * size, size, size], 1)
    gates, new, out = b.Sigmoid(gates), b.Tanh(new), b.Sigmoid(out)
    let_in, forget = b.split(gates, [size, size], 1)
    cell = b.Add(b.Mul(forget, states[1]), b.Mul(let_in, new))
    h = b.Mul(out, b.Tanh(cell))
    return (h, cell), b.Concat(gates, new, out, cell, h, axis=1)


def _gru_step(b: Any, size: int, made: str, states: Sequence[str], slice: str) -> Any:
    both, hidden = b.split(made, [2 * size, size], 1)
    from_x, new_x = b.split(slice, [2 * size, size], 1)
    gates = b.Sigmoid(b.Add(from_x, both))
    reset, update = b.split(gates, [size, size], 1)
    new = b.Tanh(b.Add(new_x, b.Mul(reset, hidden)))
    h = b.Add(new, b.Mul(update, b.Sub(states[0], new)))
    return (h,), b.Concat(gates, new, hidden, h, axis=1)


def _elman_step(kind: str) -> Callable[..., Any]:
    def step(b: Any, size: int, made: str, states: Sequence[str], slice: str) -> Any:
        h = b.op(kind, (made,))
        return (h,), h

    return step


_STEPS: dict[str, Callable[..., Any]] = {
    "lstm": _lstm_step,
    "gru": _gru_step,
    "rnn_tanh": _elman_step("Tanh"),
    "rnn_relu": _elman_step("Relu"),
}
