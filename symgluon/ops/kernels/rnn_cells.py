"""One layer and direction of a recurrent net over all its steps, forward and backward.

Source: LSTM: Hochreiter and Schmidhuber 1997 with forget gates; GRU: cuDNN's form, in which the
reset gate multiplies the hidden part after its bias; Elman nets with ReLU or tanh.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from symgluon.ops.kernels._common import Array

GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}
"""Number of blocks of H rows in the weights of each mode."""

Clip = tuple[float, float, bool]


class LayerParams(NamedTuple):
    """Parameters of one layer and direction: weights (G H, in), biases (G H,), G gates.

    `h2r_w` (P, H) is None without a projection; then the hidden weight is (G H, H), not (G H, P).
    """

    i2h_w: Array
    h2h_w: Array
    h2r_w: Array | None
    i2h_b: Array
    h2h_b: Array


@dataclass
class Steps:
    """What a forward run leaves for the gradient, all (T, N, width).

    `h` is the state after each step (projected), `c` the LSTM cell, `gates` the activated gates;
    a GRU adds the hidden part of its new gate before the reset.
    """

    h: Array
    c: Array | None = None
    gates: Array | None = None

    def packed(self) -> Array:
        """All of it in one array, gates first."""
        parts = [a for a in (self.gates, self.c, self.h) if a is not None]
        return np.concatenate(parts, axis=-1)

    @classmethod
    def unpacked(cls, mode: str, state_size: int, hidden: int, reserve: Array) -> Steps:
        """Inverse of `packed`, as views."""
        h = reserve[..., reserve.shape[-1] - hidden :]
        gates = reserve[..., : 4 * state_size]
        if mode == "lstm":
            return cls(h, reserve[..., 4 * state_size : 5 * state_size], gates)
        return cls(h, None, gates) if mode == "gru" else cls(h)


class CellGrads(NamedTuple):
    """Gradients of one layer and direction."""

    d_x: Array
    d_h0: Array
    d_c0: Array | None
    params: LayerParams


def reserve_width(mode: str, state_size: int, hidden: int) -> int:
    """Width of `Steps.packed`."""
    return {"lstm": 5 * state_size, "gru": 4 * state_size}.get(mode, 0) + hidden


def cell_forward(
    mode: str,
    x: Array,
    params: LayerParams,
    h0: Array,
    c0: Array | None,
    active: Array | None,
    clip: Clip | None,
) -> Steps:
    """Run over `x` (T, N, C) from `h0` (N, hidden); where `active` is False the state stays."""
    if mode == "lstm" and c0 is not None:
        return _lstm_forward(x, params, h0, c0, active, clip)
    if mode == "gru":
        return _gru_forward(x, params, h0, active)
    return _elman_forward(x, params, h0, active, mode == "rnn_relu")


def cell_backward(
    mode: str,
    d_y: Array,
    d_h: Array | None,
    d_c: Array | None,
    x: Array,
    params: LayerParams,
    h0: Array,
    c0: Array | None,
    steps: Steps,
    active: Array | None,
    clip: Clip | None,
) -> CellGrads:
    """Reverse of `cell_forward`: `d_y` (T, N, hidden) of all states, `d_h`, `d_c` of the last."""
    d_h = np.zeros_like(h0) if d_h is None else d_h
    before = np.concatenate([h0[None], steps.h[:-1]]) if len(steps.h) else steps.h
    if mode == "lstm" and c0 is not None and steps.c is not None:
        d_c = np.zeros_like(c0) if d_c is None else d_c
        c_before = np.concatenate([c0[None], steps.c[:-1]]) if len(steps.c) else steps.c
        return _lstm_backward(d_y, d_h, d_c, x, params, before, c_before, steps, active, clip)
    if mode == "gru":
        return _gru_backward(d_y, d_h, x, params, before, steps, active)
    return _elman_backward(d_y, d_h, x, params, before, steps, active, mode == "rnn_relu")


def _lstm_forward(
    x: Array,
    p: LayerParams,
    h: Array,
    c: Array,
    active: Array | None,
    clip: Clip | None,
) -> Steps:
    size = c.shape[-1]
    gates = _affine(x, p.i2h_w, p.i2h_b + p.h2h_b)
    hs = np.empty((*x.shape[:2], h.shape[-1]), gates.dtype)
    cs = np.empty((*x.shape[:2], size), gates.dtype)
    for t, gate in enumerate(gates):
        gate += h @ p.h2h_w.T
        new = np.tanh(gate[:, 2 * size : 3 * size])
        _sigmoid(gate)
        gate[:, 2 * size : 3 * size] = new
        i, f, g, o = np.split(gate, 4, axis=-1)
        cell = _clipped(f * c + i * g, clip)
        out = o * np.tanh(cell)
        if p.h2r_w is not None:
            out = out @ p.h2r_w.T
        if active is not None:
            cell, out = np.where(active[t], cell, c), np.where(active[t], out, h)
        cs[t] = c = cell
        hs[t] = h = out
    return Steps(hs, cs, gates)


def _lstm_backward(
    d_y: Array,
    d_h: Array,
    d_c: Array,
    x: Array,
    p: LayerParams,
    before: Array,
    c_before: Array,
    steps: Steps,
    active: Array | None,
    clip: Clip | None,
) -> CellGrads:
    gates, cells = _need(steps.gates), _need(steps.c)
    d_gates = np.empty_like(gates)
    d_out = np.empty_like(d_y)
    i, f, g, o = np.split(gates, 4, axis=-1)
    tanh_c = np.tanh(cells)
    inside = _inside(f * c_before + i * g, clip)
    # Of each gate: what d_c (for the output gate d_h) is multiplied with.
    slope = np.concatenate([g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g)], axis=-1)
    slope_o, slope_c = tanh_c * o * (1 - o), o * (1 - tanh_c * tanh_c)
    for t in reversed(range(len(d_y))):
        d_h = d_h + d_y[t]
        keep_h: Any = 0
        keep_c: Any = 0
        if active is not None:
            keep_h, keep_c = np.where(active[t], 0, d_h), np.where(active[t], 0, d_c)
            d_h, d_c = np.where(active[t], d_h, 0), np.where(active[t], d_c, 0)
        d_out[t] = d_h
        d_full = d_h if p.h2r_w is None else d_h @ p.h2r_w
        d_c = d_c + d_full * slope_c[t]
        if inside is not None:
            d_c = np.where(inside[t], d_c, 0)
        size = d_c.shape[-1]
        d_gates[t, :, : 3 * size] = np.concatenate([d_c, d_c, d_c], axis=-1) * slope[t]
        d_gates[t, :, 3 * size :] = d_full * slope_o[t]
        d_h = d_gates[t] @ p.h2h_w + keep_h
        d_c = d_c * f[t] + keep_c
    d_r = None if p.h2r_w is None else _outer(d_out, o * tanh_c)
    bias = d_gates.sum(axis=(0, 1))
    params = LayerParams(_outer(d_gates, x), _outer(d_gates, before), d_r, bias, bias)
    return CellGrads(d_gates @ p.i2h_w, d_h, d_c, params)


def _gru_forward(x: Array, p: LayerParams, h: Array, active: Array | None) -> Steps:
    size = h.shape[-1]
    from_x = _affine(x, p.i2h_w, p.i2h_b)
    gates = np.empty((*x.shape[:2], 4 * size), from_x.dtype)
    hs = np.empty((*x.shape[:2], size), from_x.dtype)
    for t in range(len(x)):
        from_h = h @ p.h2h_w.T + p.h2h_b
        both = from_x[t, :, : 2 * size] + from_h[:, : 2 * size]
        r, z = np.split(_sigmoid(both), 2, axis=-1)
        hidden = from_h[:, 2 * size :]
        n = np.tanh(from_x[t, :, 2 * size :] + r * hidden)
        gates[t] = np.concatenate([r, z, n, hidden], axis=-1)
        out = n + z * (h - n)
        hs[t] = h = out if active is None else np.where(active[t], out, h)
    return Steps(hs, None, gates)


def _gru_backward(
    d_y: Array,
    d_h: Array,
    x: Array,
    p: LayerParams,
    before: Array,
    steps: Steps,
    active: Array | None,
) -> CellGrads:
    r, z, n, hidden = np.split(_need(steps.gates), 4, axis=-1)
    d_x = np.empty((*d_y.shape[:2], 3 * d_y.shape[-1]), r.dtype)
    d_hidden = np.empty_like(d_x)
    slope_n = (1 - z) * (1 - n * n)
    slope_z, slope_r = (before - n) * z * (1 - z), hidden * r * (1 - r)
    for t in reversed(range(len(d_y))):
        d_h = d_h + d_y[t]
        keep: Any = 0
        if active is not None:
            keep, d_h = np.where(active[t], 0, d_h), np.where(active[t], d_h, 0)
        d_n = d_h * slope_n[t]
        d_rz = np.concatenate([d_n * slope_r[t], d_h * slope_z[t]], axis=-1)
        d_x[t] = np.concatenate([d_rz, d_n], axis=-1)
        d_hidden[t] = np.concatenate([d_rz, d_n * r[t]], axis=-1)
        d_h = d_h * z[t] + d_hidden[t] @ p.h2h_w + keep
    params = LayerParams(
        _outer(d_x, x),
        _outer(d_hidden, before),
        None,
        d_x.sum(axis=(0, 1)),
        d_hidden.sum(axis=(0, 1)),
    )
    return CellGrads(d_x @ p.i2h_w, d_h, None, params)


def _elman_forward(x: Array, p: LayerParams, h: Array, active: Array | None, relu: bool) -> Steps:
    hs = _affine(x, p.i2h_w, p.i2h_b + p.h2h_b)
    for t, step in enumerate(hs):
        step += h @ p.h2h_w.T
        out = np.maximum(step, 0) if relu else np.tanh(step)
        hs[t] = h = out if active is None else np.where(active[t], out, h)
    return Steps(hs)


def _elman_backward(
    d_y: Array,
    d_h: Array,
    x: Array,
    p: LayerParams,
    before: Array,
    steps: Steps,
    active: Array | None,
    relu: bool,
) -> CellGrads:
    slope = (steps.h > 0).astype(steps.h.dtype) if relu else 1 - steps.h * steps.h
    d_pre = np.empty_like(d_y)
    for t in reversed(range(len(d_y))):
        d_h = d_h + d_y[t]
        keep: Any = 0
        if active is not None:
            keep, d_h = np.where(active[t], 0, d_h), np.where(active[t], d_h, 0)
        d_pre[t] = d_h * slope[t]
        d_h = d_pre[t] @ p.h2h_w + keep
    bias = d_pre.sum(axis=(0, 1))
    params = LayerParams(_outer(d_pre, x), _outer(d_pre, before), None, bias, bias)
    return CellGrads(d_pre @ p.i2h_w, d_h, None, params)


def _affine(x: Array, w: Array, b: Array) -> Array:
    """``x @ w.T + b`` of all steps in one product."""
    steps, batch, width = x.shape
    return (x.reshape(steps * batch, width) @ w.T + b).reshape(steps, batch, len(w))


def _outer(d: Array, x: Array) -> Array:
    """Sum over steps and batch of the outer products of `d` and `x`: (width of d, width of x)."""
    rows = d.shape[0] * d.shape[1]
    return d.reshape(rows, d.shape[-1]).T @ x.reshape(rows, x.shape[-1])


def _sigmoid(x: Array) -> Array:
    """Logistic function in place, by tanh: one call, no overflow."""
    x *= 0.5
    np.tanh(x, out=x)
    x += 1
    x *= 0.5
    return x


def _clipped(cell: Array, clip: Clip | None) -> Array:
    """`cell` between the two bounds; a NaN becomes the lower one where the third field asks."""
    if clip is None:
        return cell
    low, high, nan = clip
    if nan:
        cell = np.where(np.isnan(cell), low, cell)
    return np.clip(cell, low, high).astype(cell.dtype, copy=False)


def _inside(cell: Array, clip: Clip | None) -> Array | None:
    return None if clip is None else (cell >= clip[0]) & (cell <= clip[1])


def _need(array: Array | None) -> Array:
    if array is None:
        raise ValueError("recurrent gradient: the reserve lacks the gates of this mode")
    return array
