"""Gradient of recurrent nets in a session: the steps of `rnn_scan` back in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.ops.lowering import NCHWC
from symgluon.ops.rnn_scan import POINT, ScanPass


def backward(op: Any, g: Any, names: Sequence[str]) -> Any:
    """Emit `rnn_grad`; `names` are all its operands, with the reserve."""
    return _Backward(op, g, names).run()


class _Cotangents(NamedTuple):
    """Names of the cotangents of one layer and direction."""

    data: str
    weights: tuple[str, str]
    biases: tuple[str, str]
    states: list[str]


class _Backward(ScanPass):
    def __init__(self, op: Any, g: Any, names: Sequence[str]) -> None:
        names = [*names, *[""] * (10 - len(names))]
        super().__init__(op, g, names[3], names[4])
        self.d_output, self.d_hidden, self.d_cell = names[:3]
        self.hidden, self.cell, self.reserve, _, self.masks = names[5:]
        self.one = g.const(np.ones((1, 1, 1, 1), np.float32))  # see `Builder.levelled`

    def run(self) -> tuple[str, ...]:
        """Emit the cotangents of data, parameters and states."""
        g = self.g
        found: dict[int, _Cotangents] = {}
        d_y = self.d_output
        for layer in reversed(range(self.config.num_layers)):
            x = self.layer_input(layer)
            total = ""
            for direction in range(self.directions):
                slot = layer * self.directions + direction
                found[slot] = self.layer(d_y, x, slot, layer, direction)
                total = g.Add(total, found[slot].data) if total else found[slot].data
            d_y = g.Mul(total, self.mask(layer)) if layer and self.masks else total
        order = [found[slot] for slot in range(len(found))]
        flat = [g.Reshape(w, g.ints([-1])) for c in order for w in c.weights]
        flat += [b for c in order for b in c.biases]
        states = [self.join([c.states[i] for c in order]) for i in range(len(order[0].states))]
        return d_y, str(g.Concat(*flat, axis=0)), *states

    def mask(self, layer: int) -> str:
        """Factor on what `layer` reads."""
        return str(self.g.squeeze(self.part(self.masks, 0, layer - 1, layer), [0]))

    def of_slot(self, slot: int) -> str:
        """Reserve (T, N, R) of one layer and direction."""
        return str(self.g.squeeze(self.part(self.reserve, 0, slot, slot + 1), [0]))

    def hidden_states(self, slot: int) -> str:
        """Hidden states (T, N, H) in the order of the steps."""
        width = self.config.reserve_width
        return self.part(self.of_slot(slot), 2, width - self.units, width)

    def layer_input(self, layer: int) -> str:
        """Return what a layer read."""
        if not layer:
            return self.data
        below = (layer - 1) * self.directions
        parts = [self.hidden_states(below)]
        if self.directions == 2:
            parts.append(self.reverse(self.hidden_states(below + 1)))
        x = parts[0] if len(parts) == 1 else str(self.g.Concat(*parts, axis=2))
        return str(self.g.Mul(x, self.mask(layer))) if self.masks else x

    def layer(self, d_y: str, x: str, slot: int, layer: int, direction: int) -> _Cotangents:
        """Emit one layer and direction."""
        g, units = self.g, self.units
        # (G H, H) as an image of G H places: its channels, now the filters, go into blocks
        matrix = self.matrix(self.weights[slot].h2h)
        image = g.Reshape(matrix, g.ints([1, self.rows, 1, self.size]))
        weight = g.op("ReorderInput", (image,), domain=NCHWC, channels_last=1)
        weight = g.Reshape(weight, g.ints([self.size, self.rows, 1, 1]))
        first = [self.part(s, 0, slot, slot + 1) for s in (self.hidden, self.cell) if s]
        pieces = self.config.reserve_width // units
        reserve = self.blocks(self.of_slot(slot), self.steps, pieces)
        slopes, kept, step = _GRADS[self.mode](self, reserve, [*map(self.state, first)])
        inputs = [(s, count, 1) for s, count in slopes]
        if d_y:  # in the order of time, which the steps of direction 1 go against
            part = self.part(d_y, 2, direction * units, (direction + 1) * units)
            inputs.append((self.blocks(part, self.steps, 1), 1, 1 - direction))

        def one(b: Any, states: Sequence[str], slices: Sequence[str]) -> Any:
            def back(d: str) -> Any:
                return b.op("Conv", (d, weight), domain=NCHWC, **POINT)

            d_h = b.Add(states[0], slices[-1]) if d_y else states[0]
            return step(b, (d_h, *states[1:]), slices, back)

        start = [self.first_cotangent(s, slot) for s in (self.d_hidden, self.d_cell)[: len(first)]]
        last, stacked = self.scan(one, start, inputs, kept, 1)
        rows = self.flat(self.plain(stacked, self.steps, kept), kept * units)
        return self.products(rows, x, first, last, slot, layer, direction)

    def state(self, s: str) -> str:
        """A state (1, N, H) in blocks."""
        return self.blocks(s, 1, 1)

    def first_cotangent(self, d: str, slot: int) -> str:
        """Cotangent of a last state, in blocks."""
        g = self.g
        if d:
            return self.state(self.part(d, 0, slot, slot + 1))
        zero = g.const(np.zeros((), np.float32))
        return str(g.Expand(zero, g.shape_vector((1, self.size, self.batch, 1))))

    def products(
        self,
        d_gates: str,
        x: str,
        first: Sequence[str],
        last: Sequence[str],
        slot: int,
        layer: int,
        direction: int,
    ) -> _Cotangents:
        """Emit what is computed of all steps together, from the rows of cotangents of gates."""
        g, width = self.g, self.input_size(layer)
        d_x = d_h = d_gates
        if self.mode == "gru":  # the hidden part has cotangents of its own
            half = self.gates * self.units
            d_x = self.part(d_gates, 1, 0, half)
            d_h = self.part(d_gates, 1, half, 2 * half)
        rows = self.flat(self.reverse(x) if direction else x, width)
        before = self.flat(self.before(first[0], self.hidden_states(slot)), self.units)
        weights = g.Gemm(d_x, rows, transA=1), g.Gemm(d_h, before, transA=1)
        bias = g.reduce("ReduceSum", d_x, (0,), False)
        other = bias if d_h == d_x else g.reduce("ReduceSum", d_h, (0,), False)
        back = g.reshape(g.MatMul(d_x, self.weights[slot].i2h), (self.steps, self.batch, width))
        states = [self.plain(s, 1, 1) for s in last]
        return _Cotangents(
            self.reverse(back) if direction else back, weights, (bias, other), states
        )

    def falling(self, x: str) -> str:
        """``1 - x``."""
        return str(self.g.Sub(self.one, x))


#: of a mode: factors of all steps with their pieces, pieces that a step keeps, a step
_Grad = tuple[list[tuple[str, int]], int, Callable[..., Any]]


def _lstm_grad(p: _Backward, reserve: str, first: Sequence[str]) -> _Grad:
    g, size = p.g, p.size
    let_in, forget, new, out, cell, _ = g.split(reserve, [size] * 6, 1)
    bent = g.Tanh(cell)
    before = p.before(first[1], cell)
    slopes = g.Concat(
        g.Mul(g.Mul(new, let_in), p.falling(let_in)),
        g.Mul(g.Mul(before, forget), p.falling(forget)),
        g.Mul(let_in, p.falling(g.Mul(new, new))),
        axis=1,
    )
    slope_out = g.Mul(g.Mul(bent, out), p.falling(out))
    slope_cell = g.Mul(out, p.falling(g.Mul(bent, bent)))

    def step(b: Any, states: Sequence[str], slices: Sequence[str], back: Any) -> Any:
        d_h, d_c = states
        of_gates, of_out, of_cell, kept = slices[:4]
        d_c = b.Add(d_c, b.Mul(d_h, of_cell))
        three = b.Mul(b.Reshape(of_gates, b.ints([3, size, -1, 1])), d_c)
        three = b.Reshape(three, b.ints([1, 3 * size, -1, 1]))
        d_gates = b.Concat(three, b.Mul(d_h, of_out), axis=1)
        return (back(d_gates), b.Mul(d_c, kept)), d_gates

    return [(slopes, 3), (slope_out, 1), (slope_cell, 1), (forget, 1)], 4, step


def _gru_grad(p: _Backward, reserve: str, first: Sequence[str]) -> _Grad:
    g, size = p.g, p.size
    reset, update, new, hidden, h = g.split(reserve, [size] * 5, 1)
    slope_new = g.Mul(p.falling(update), p.falling(g.Mul(new, new)))
    slope_update = g.Mul(g.Sub(p.before(first[0], h), new), g.Mul(update, p.falling(update)))
    slope_reset = g.Mul(hidden, g.Mul(reset, p.falling(reset)))

    def step(b: Any, states: Sequence[str], slices: Sequence[str], back: Any) -> Any:
        of_new, of_update, of_reset, reset, update = slices[:5]
        d_new = b.Mul(states[0], of_new)
        both = b.Concat(b.Mul(d_new, of_reset), b.Mul(states[0], of_update), axis=1)
        d_hidden = b.Concat(both, b.Mul(d_new, reset), axis=1)
        d_h = b.Add(b.Mul(states[0], update), back(d_hidden))
        return (d_h,), b.Concat(both, d_new, d_hidden, axis=1)

    return [(f, 1) for f in (slope_new, slope_update, slope_reset, reset, update)], 6, step


def _elman_grad(p: _Backward, reserve: str, first: Sequence[str]) -> _Grad:
    g = p.g
    if p.mode == "rnn_relu":
        zero = g.const(np.zeros((1, 1, 1, 1), np.float32))
        slope = g.cast(g.Greater(reserve, zero), np.float32)
    else:
        slope = p.falling(g.Mul(reserve, reserve))

    def step(b: Any, states: Sequence[str], slices: Sequence[str], back: Any) -> Any:
        d = b.Mul(states[0], slices[0])
        return (back(d),), d

    return [(slope, 1)], 1, step


_GRADS: dict[str, Callable[..., _Grad]] = {
    "lstm": _lstm_grad,
    "gru": _gru_grad,
    "rnn_tanh": _elman_grad,
    "rnn_relu": _elman_grad,
}
