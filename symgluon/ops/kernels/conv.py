"""Convolution and transposed convolution, any spatial rank, channels first, with gradients.

`x` is (N, C, spatial...); tuples hold one entry a spatial axis; a pad is an int for both sides
or a ``(begin, end)`` pair. The judge is exact rather than fast: columns in one bounded buffer
and a matrix product, or a sum over the kernel positions where groups have one channel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ops.kernels._common import (
    CHUNK_ELEMENTS,
    Array,
    Pad,
    Pads,
    crop,
    fold_taps,
    pad_pairs,
    pad_spatial,
    tail,
    tap_slices,
    taps,
    widen,
    windows,
)

Ints = Sequence[int]


def conv_out_size(n: Any, k: int, s: int, p: Pad, d: int = 1) -> Any:
    """Output length of a convolution along one axis; `n` may be symbolic.

    Source: ``floor((n + begin + end - d (k - 1) - 1) / s) + 1``.
    """
    ((begin, end),) = pad_pairs((p,))
    return (n + (begin + end - d * (k - 1) - 1)) // s + 1


def deconv_out_size(n: Any, k: int, s: int, p: Pad, d: int = 1, adj: int = 0) -> Any:
    """Output length of a transposed convolution along one axis; `n` may be symbolic.

    Source: ``s (n - 1) + d (k - 1) + 1 - begin - end + adj``, the inverse of `conv_out_size`.
    """
    ((begin, end),) = pad_pairs((p,))
    return n * s + (d * (k - 1) + 1 - s - begin - end + adj)


def deconv_target_pad(n: int, k: int, s: int, target: int, d: int = 1) -> tuple[int, int]:
    """Return the padding and `adj` with which a transposed convolution makes `target` of `n`.

    Source: MXNet's ``target_shape``: what is too much is cut from both sides, the odd one from
    the end, as ``(pad, adj)``.

    Raises
    ------
    ShapeError
        If `target` is larger than the transposed convolution without padding.
    """
    spare = deconv_out_size(n, k, s, 0, d) - target
    if spare < 0:
        raise ShapeError(
            f"transposed convolution: target size {target} is larger than the unpadded output "
            f"{target + spare} (input {n}, kernel {k}, stride {s}, dilation {d})"
        )
    return (spare + 1) // 2, spare % 2


def conv(
    x: Array,
    w: Array,
    b: Array | None,
    stride: Ints,
    pad: Pads,
    dilate: Ints,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Cross-correlation of `x` (N, C, in...) with `w` (O, C / groups, k...): (N, O, out...).

    `b` is (O,) or None. Output group g reads input group g only. `out` takes the result, if it is
    of the type that the sum is made in.
    """
    xp, wide = pad_spatial(widen(x), pad_pairs(pad)), widen(w)
    kernel = w.shape[2:]
    size = tuple(
        conv_out_size(n, k, s, 0, d)
        for n, k, s, d in zip(xp.shape[2:], kernel, stride, dilate, strict=True)
    )
    _check(x, w, size, x.shape[1], w.shape[1] * groups)
    if w.shape[1] == 1 and groups > 1:
        out = _depthwise(xp, wide, size, stride, dilate, out)
    else:
        if out is None:
            out = np.empty((x.shape[0], w.shape[0], *size), np.result_type(xp, wide))
        flat = _grouped_weight(wide, groups)
        view = out.reshape(x.shape[0], groups, w.shape[0] // groups, math.prod(size))
        for part, cols in _columns(xp, kernel, stride, dilate, groups):
            np.matmul(flat, cols, out=view[part])
    if b is not None:
        out += b.reshape((-1,) + (1,) * len(kernel))
    return out.astype(x.dtype, copy=False)


def conv_input_grad(
    dy: Array,
    w: Array,
    x_shape: Ints,
    stride: Ints,
    pad: Pads,
    dilate: Ints,
    groups: int = 1,
) -> Array:
    """Gradient of `conv` with respect to `x`: its transpose applied to `dy` (N, O, out...)."""
    out = _transposed(dy, w, tuple(x_shape[2:]), stride, pad_pairs(pad), dilate, groups)
    return out.astype(dy.dtype, copy=False)


def conv_weight_grad(
    x: Array,
    dy: Array,
    w_shape: Ints,
    stride: Ints,
    pad: Pads,
    dilate: Ints,
    groups: int = 1,
) -> Array:
    """Gradient of `conv` with respect to `w`, of shape `w_shape` (O, C / groups, k...)."""
    xp, wide = pad_spatial(widen(x), pad_pairs(pad)), widen(dy)
    kernel, size = tuple(w_shape[2:]), dy.shape[2:]
    if w_shape[1] == 1 and groups > 1:
        out = _depthwise_weight_grad(xp, wide, w_shape, stride, dilate)
    else:
        out = np.zeros((groups, w_shape[0] // groups, math.prod(w_shape[1:])), wide.dtype)
        rows = wide.reshape(dy.shape[0], groups, w_shape[0] // groups, math.prod(size))
        # The stride may leave a rest at the end of the input that no window reads.
        used = tap_slices([k - 1 for k in kernel], size, stride, dilate)
        xp = xp[tail(slice(0, max(u.stop, 0)) for u in used)]
        for part, cols in _columns(xp, kernel, stride, dilate, groups):
            out += np.matmul(rows[part], np.swapaxes(cols, -1, -2)).sum(axis=0)
    return out.reshape(tuple(w_shape)).astype(dy.dtype, copy=False)


def conv_bias_grad(dy: Array) -> Array:
    """Gradient of `conv` and `conv_transpose` with respect to the bias: (O,)."""
    axes = (0, *range(2, dy.ndim))
    return np.asarray(widen(dy).sum(axis=axes), dy.dtype)


def conv_transpose(
    x: Array,
    w: Array,
    b: Array | None,
    stride: Ints,
    pad: Pads,
    dilate: Ints,
    adj: Ints,
    groups: int = 1,
) -> Array:
    """Transposed convolution of `x` (N, C, in...) with `w` (C, O / groups, k...): (N, O, out...).

    The transpose of `conv` with the same weight; `adj` lengthens the output at its end.
    """
    pads = pad_pairs(pad)
    size = tuple(
        deconv_out_size(n, k, s, p, d, a)
        for n, k, s, p, d, a in zip(
            x.shape[2:], w.shape[2:], stride, pads, dilate, adj, strict=True
        )
    )
    _check(x, w, size, x.shape[1], w.shape[0])
    out = _transposed(x, w, size, stride, pads, dilate, groups)
    if b is not None:
        out += b.reshape((-1,) + (1,) * len(size))
    return out.astype(x.dtype, copy=False)


def conv_transpose_input_grad(
    dy: Array, w: Array, stride: Ints, pad: Pads, dilate: Ints, groups: int = 1
) -> Array:
    """Gradient of `conv_transpose` with respect to `x`: `conv` of `dy` (needs adj < stride)."""
    return conv(dy, w, None, stride, pad, dilate, groups)


def conv_transpose_weight_grad(
    x: Array,
    dy: Array,
    w_shape: Ints,
    stride: Ints,
    pad: Pads,
    dilate: Ints,
    groups: int = 1,
) -> Array:
    """Gradient of `conv_transpose` with respect to `w`: `conv_weight_grad`, roles exchanged."""
    return conv_weight_grad(dy, x, w_shape, stride, pad, dilate, groups)


def _transposed(
    x: Array,
    w: Array,
    size: tuple[int, ...],
    stride: Ints,
    pads: tuple[tuple[int, int], ...],
    dilate: Ints,
    groups: int,
) -> Array:
    """Transpose of the linear map of `conv` onto spatial `size`; `w` is (C, O / groups, k...)."""
    x, w = widen(x), widen(w)
    kernel = w.shape[2:]
    shape = (x.shape[0], w.shape[1] * groups, *size)
    if w.shape[1] == 1 and groups > 1:
        return _depthwise_transposed(x, w, size, stride, pads, dilate, groups)
    out = np.empty(shape, np.result_type(x, w))
    flat = np.swapaxes(_grouped_weight(w, groups), -1, -2)
    rows = x.reshape(x.shape[0], groups, x.shape[1] // groups, math.prod(x.shape[2:]))
    per_sample = w.shape[1] * groups * math.prod(kernel) * math.prod(x.shape[2:])
    for part in _chunks(x.shape[0], per_sample):
        cols = np.matmul(flat, rows[part])
        cols = cols.reshape(len(cols), shape[1], *kernel, *x.shape[2:])
        out[part] = fold_taps(cols, kernel, size, stride, pads, dilate)
    return out


def _columns(
    xp: Array, kernel: Ints, stride: Ints, dilate: Ints, groups: int
) -> Iterator[tuple[slice, Array]]:
    """Slices of the batch with their columns (n, groups, C / groups * K, P)."""
    view = windows(xp, kernel, stride, dilate)
    rows = xp.shape[1] // groups * math.prod(kernel)
    columns = math.prod(view.shape[2 + len(kernel) :])
    for part in _chunks(xp.shape[0], xp.shape[1] * math.prod(kernel) * columns):
        chunk = view[part]
        yield part, chunk.reshape(chunk.shape[0], groups, rows, columns)


def _chunks(n: int, elements: int) -> Iterator[slice]:
    step = max(1, CHUNK_ELEMENTS // max(elements, 1))
    return (slice(i, min(i + step, n)) for i in range(0, n, step))


def _grouped_weight(w: Array, groups: int) -> Array:
    return w.reshape(groups, w.shape[0] // groups, math.prod(w.shape[1:]))


def _depthwise(
    xp: Array, w: Array, size: Ints, stride: Ints, dilate: Ints, out: Array | None = None
) -> Array:
    """One input channel a group: a sum over kernel positions, without columns."""
    n, c = xp.shape[:2]
    per_group = w.reshape(c, w.shape[0] // c, *w.shape[2:])
    if out is None:
        out = np.empty((n, w.shape[0], *size), np.result_type(xp, w))
    total = out.reshape(n, c, per_group.shape[1], *size)
    total.fill(0)
    ones = (1,) * len(size)
    for tap in taps(w.shape[2:]):
        part = xp[tail(tap_slices(tap, size, stride, dilate))]
        total += per_group[tail(tap)].reshape(c, -1, *ones) * part[:, :, None]
    return out


def _depthwise_weight_grad(
    xp: Array, dy: Array, w_shape: Ints, stride: Ints, dilate: Ints
) -> Array:
    n, c = xp.shape[:2]
    size = dy.shape[2:]
    rows = dy.reshape(n, c, w_shape[0] // c, math.prod(size))
    out = np.zeros((c, w_shape[0] // c, *w_shape[2:]), dy.dtype)
    for tap in taps(w_shape[2:]):
        part = xp[tail(tap_slices(tap, size, stride, dilate))]
        out[tail(tap)] = np.matmul(rows, part.reshape(n, c, rows.shape[3], 1))[..., 0].sum(axis=0)
    return out


def _depthwise_transposed(
    x: Array,
    w: Array,
    size: Ints,
    stride: Ints,
    pads: Sequence[tuple[int, int]],
    dilate: Ints,
    groups: int,
) -> Array:
    """Transpose of `_depthwise`: each group of `x` channels feeds one output channel."""
    kernel, steps = w.shape[2:], x.shape[2:]
    reach = [u.stop for u in tap_slices([k - 1 for k in kernel], steps, stride, dilate)]
    full = [max(n + b + e, r) for n, (b, e), r in zip(size, pads, reach, strict=True)]
    rows = x.reshape(x.shape[0], groups, x.shape[1] // groups, math.prod(steps))
    per_group = w.reshape(groups, 1, w.shape[0] // groups, *kernel)
    out = np.zeros((x.shape[0], groups, *full), np.result_type(x, w))
    for tap in taps(kernel):
        part = np.matmul(per_group[tail(tap)], rows).reshape(x.shape[0], groups, *steps)
        out[tail(tap_slices(tap, steps, stride, dilate))] += part
    return crop(out, size, pads)


def _check(x: Array, w: Array, size: Ints, channels: int, expected: int) -> None:
    if channels != expected:
        raise ShapeError(
            f"convolution: data has {channels} channels, weight expects {expected} "
            f"(data {x.shape}, weight {w.shape})"
        )
    if any(n < 0 for n in size):
        raise ShapeError(
            f"convolution: the kernel {w.shape[2:]} does not fit into the padded data {x.shape}; "
            f"the output would be {tuple(size)}. Use a smaller kernel or dilation, or more padding"
        )
