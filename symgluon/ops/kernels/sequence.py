"""Operators on sequences of different lengths, and the CTC loss.

The sequence axis is 0 or 1, the batch the other one of the two; lengths are (N,).
"""

from __future__ import annotations

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ops.kernels._common import Array


def sequence_mask(x: Array, length: Array | None, value: float = 0.0, axis: int = 0) -> Array:
    """Set the elements of `x` at and after each sample's `length` to `value`.

    Its gradient is the same with value 0. Source: MXNet's ``SequenceMask``.
    """
    if length is None:
        return x.copy()
    inside = _inside(x, length, axis)
    return np.where(inside, x, x.dtype.type(value))


def sequence_last(x: Array, length: Array | None, axis: int = 0) -> Array:
    """Return the last element of each sample: `x` without the sequence axis.

    Source: MXNet's ``SequenceLast``; lengths count from 1.
    """
    moved = np.moveaxis(x, axis, 0)
    if length is None:
        return np.array(moved[-1])
    last = _last(moved, length)
    return np.asarray(moved[last, np.arange(moved.shape[1])])


def sequence_last_grad(
    dy: Array, x_shape: tuple[int, ...], length: Array | None, axis: int = 0
) -> Array:
    """Return the gradient of `sequence_last` with respect to `x`."""
    out = np.zeros(x_shape, dy.dtype)
    moved = np.moveaxis(out, axis, 0)
    last = -1 if length is None else _last(moved, length)
    moved[last, np.arange(moved.shape[1])] = dy
    return out


def sequence_reverse(x: Array, length: Array | None, axis: int = 0) -> Array:
    """Reverse the first `length` elements of each sample; its own gradient.

    Source: MXNet's ``SequenceReverse``.
    """
    moved = np.moveaxis(x, axis, 0)
    steps, batch = moved.shape[:2]
    at = np.arange(steps)[:, None]
    end = steps if length is None else length.astype(np.int64)[None]
    source = np.where(at < end, end - 1 - at, at)
    out = moved[np.broadcast_to(source, (steps, batch)), np.arange(batch)]
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))


def ctc_loss(
    data: Array,
    label: Array,
    data_lengths: Array | None = None,
    label_lengths: Array | None = None,
    blank_first: bool = True,
) -> tuple[Array, Array]:
    """Connectionist temporal classification: loss (N,) and its gradient (T, N, C) by `data`.

    `data` (T, N, C) are scores before softmax, `label` (N, L) class numbers. The blank is class 0
    and the padding of `label` 0 with `blank_first`, else class C - 1 and -1. Without
    `label_lengths` a label ends at its first padding. A label that does not fit into the steps
    has loss 0, as in MXNet, and gradient 0.
    Source: Graves et al. 2006, equations 3 to 16, in logarithms and float64.

    Raises
    ------
    ShapeError
        If the batch sizes differ.
    """
    steps, batch, classes = data.shape
    padding, blank = (0, 0) if blank_first else (-1, classes - 1)
    if label.shape[0] != batch:
        raise ShapeError(f"CTC loss: data has {batch} samples, label {label.shape[0]}")
    scores = data.astype(np.float64)
    shifted = scores - scores.max(axis=2, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True))
    loss = np.zeros(batch)
    grad = np.zeros(data.shape)
    for n in range(batch):
        t = steps if data_lengths is None else int(data_lengths[n])
        if label_lengths is None:
            ends = np.flatnonzero(label[n] == padding)
            count = int(ends[0]) if len(ends) else label.shape[1]
        else:
            count = int(label_lengths[n])
        path = np.full(2 * count + 1, blank)
        path[1::2] = label[n, :count].astype(np.int64)
        loss[n], grad[:t, n] = _ctc_sample(log_p[:t, n], path)
    return loss.astype(data.dtype), grad.astype(data.dtype)


def _ctc_sample(log_p: Array, path: Array) -> tuple[float, Array]:
    """Loss and gradient of one sample: `log_p` (T, C), `path` labels between blanks (S,)."""
    if not len(log_p):
        return 0.0, np.zeros(log_p.shape)
    ahead = _ctc_forward(log_p[:, path], path)
    behind = _ctc_forward(log_p[::-1, path[::-1]], path[::-1])[::-1, ::-1]
    total = np.logaddexp.reduce(ahead[-1, -2:])
    if not np.isfinite(total):
        return 0.0, np.zeros(log_p.shape)
    # Both sums hold the emission at their own step, so it is in the product twice.
    joint = np.exp(ahead + behind - log_p[:, path] - total)
    share = np.zeros(log_p.shape)
    np.add.at(share.T, path, joint.T)
    return float(-total), np.exp(log_p) - share


def _ctc_forward(emit: Array, path: Array) -> Array:
    """Log of the probability (T, S) of all prefixes that end at a place of the path."""
    skip = np.zeros(len(path), bool)
    # A jump over the blank in between is allowed between two different labels.
    skip[2:] = (path[2:] != path[:-2]) & (np.arange(2, len(path)) % 2 == 1)
    out = np.full(emit.shape, -np.inf)
    out[0, :2] = emit[0, :2]
    for t in range(1, len(emit)):
        before = out[t - 1]
        one = np.concatenate([[-np.inf], before[:-1]])
        two = np.where(skip, np.concatenate([[-np.inf] * 2, before[:-2]])[: len(path)], -np.inf)
        out[t] = np.logaddexp(np.logaddexp(before, one), two) + emit[t]
    return out


def _inside(x: Array, length: Array, axis: int) -> Array:
    """Mask (T, N, 1...) or (N, T, 1...) of the elements before the end."""
    mask = np.arange(x.shape[axis])[:, None] < length[None]
    if axis == 1:
        mask = mask.T
    return np.asarray(mask.reshape(mask.shape + (1,) * (x.ndim - 2)))


def _last(moved: Array, length: Array) -> Array:
    last = length.astype(np.int64) - 1
    if np.any(last < 0) or np.any(last >= moved.shape[0]):
        raise ShapeError(
            f"SequenceLast: lengths must be from 1 to {moved.shape[0]}, received {length!r}"
        )
    return np.asarray(last)
