"""Pooling, any spatial rank, channels first, with gradients.

Max and sum pooling are separable, so both go axis by axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops.kernels._common import (
    Array,
    Pad,
    Pads,
    pad_pairs,
    widen,
    windows,
)

Ints = Sequence[int]
Mode = Literal["max", "avg", "sum", "lp"]


def pool_out_size(n: Any, k: int, s: int, p: Pad, ceil: bool = False) -> Any:
    """Output length of pooling along one axis; `n` may be symbolic.

    Source: ``(n + begin + end - k) / s + 1``, rounded down, or up with `ceil` (MXNet's ``valid``
    and ``full`` conventions). For ``same`` see `same_pool_pad`.
    """
    ((begin, end),) = pad_pairs((p,))
    return (n + (begin + end - k + (s - 1 if ceil else 0))) // s + 1


def same_pool_pad(n: int, k: int, s: int) -> tuple[int, int]:
    """Return the padding of MXNet's ``same`` convention along one axis, for ``ceil=False``.

    Source: the output has ``ceil(n / s)`` elements, the first window starts at element 0.
    """
    return 0, (-(-n // s) - 1) * s + k - n


def pool(
    x: Array,
    kernel: Ints,
    stride: Ints,
    pad: Pads,
    mode: Mode = "max",
    ceil: bool = False,
    count_include_pad: bool = True,
    p_value: int = 2,
) -> Array:
    """Pool `x` (N, C, in...) over windows of `kernel`: (N, C, out...).

    ``lp`` is the p-th root of the sum of p-th powers, p = 1, 2, 3; MXNet takes no absolute
    value, so p = 1 is the sum. A maximum over a window without any element of the input is the
    lowest finite number of the type, an average 0.
    Source: MXNet's ``Pooling``; what an average divides by: `average_counts`.

    Raises
    ------
    ShapeError
        If no window fits into the padded data.
    AttributeValueError
        If `mode` or `p_value` is unknown.
    """
    _check_mode(mode, p_value)
    pads = pad_pairs(pad)
    size = _out_shape(x, kernel, stride, pads, ceil)
    if mode == "max":
        return _max_pool(x, kernel, stride, pads, size)
    wide = widen(x)
    if mode == "lp":
        wide = wide**p_value
    total = _windowed(np.add, wide, kernel, stride, pads, size, 0)
    if mode == "avg":
        counts = average_counts(x.shape[2:], kernel, stride, pad, size, count_include_pad)
        total = _divide(total, np.maximum(counts, 1))
    elif mode == "lp":
        total = _root(total, p_value)
    return total.astype(x.dtype, copy=False)


def pool_grad(
    dy: Array,
    x: Array,
    kernel: Ints,
    stride: Ints,
    pad: Pads,
    mode: Mode = "max",
    ceil: bool = False,
    count_include_pad: bool = True,
    p_value: int = 2,
) -> Array:
    """Gradient of `pool` with respect to `x`; `dy` is (N, C, out...).

    A maximum that occurs more than once gives its gradient to the first one of the window; a
    window whose ``lp`` norm is 0 gives none.
    """
    _check_mode(mode, p_value)
    pads = pad_pairs(pad)
    if mode == "max":
        indices = max_pool_indices(x, kernel, stride, pad, ceil)
        return max_pool_grad(dy, indices, x.shape)
    wide = widen(dy)
    if mode == "avg":
        counts = average_counts(x.shape[2:], kernel, stride, pad, dy.shape[2:], count_include_pad)
        wide = wide / np.maximum(counts, 1).astype(wide.dtype)
    elif mode == "lp":
        data = widen(x)
        if p_value > 1:
            norm = pool(data, kernel, stride, pad, "lp", ceil, p_value=p_value)
            scale = np.where(norm == 0, 1, norm) ** (1 - p_value)
            wide = np.where(norm == 0, 0, wide * scale)
        out = _scattered(wide, kernel, stride, pads, x.shape[2:]) * data ** (p_value - 1)
        return np.asarray(out, x.dtype)
    return _scattered(wide, kernel, stride, pads, x.shape[2:]).astype(x.dtype, copy=False)


def max_pool_indices(x: Array, kernel: Ints, stride: Ints, pad: Pads, ceil: bool = False) -> Array:
    """Position of the first maximum of each window, int64 (N, C, out...).

    It counts the elements of ``x[n, c]`` in row-major order; -1 where a window has none.
    """
    pads = pad_pairs(pad)
    size = _out_shape(x, kernel, stride, pads, ceil)
    low = _lowest(x.dtype, infinite=True)
    wins = windows(_padded(x, kernel, stride, pads, size, low), kernel, stride, (1,) * len(size))
    first = wins.reshape(*x.shape[:2], math.prod(kernel), *size).argmax(axis=2)
    flat = np.zeros_like(first)
    empty = np.zeros(size, bool)
    places = np.unravel_index(first, tuple(kernel))
    for axis, (place, n, s, (b, _)) in enumerate(
        zip(places, x.shape[2:], stride, pads, strict=True)
    ):
        start = _along(np.arange(size[axis]) * s - b, axis, len(size))
        # A window of -inf alone finds its padding first: move it to the first real element.
        real = np.maximum(start, 0)
        last = np.minimum(start + kernel[axis], n) - 1
        flat = flat * n + np.clip(start + place, real, np.maximum(last, real))
        empty |= real > last
    return np.where(empty, -1, flat)


def max_pool_grad(dy: Array, indices: Array, x_shape: Ints) -> Array:
    """Add `dy` at `indices` of `max_pool_indices` into zeros of `x_shape`."""
    plane, planes = math.prod(x_shape[2:]), math.prod(x_shape[:2])
    flat = indices.reshape(planes, math.prod(dy.shape[2:]))
    index = flat + np.arange(planes)[:, None] * plane
    keep = flat >= 0
    weights = dy.reshape(flat.shape)[keep].astype(np.float64)
    out = np.bincount(index[keep], weights, minlength=planes * plane)
    return out.reshape(tuple(x_shape)).astype(dy.dtype)


def average_counts(
    n: Ints, kernel: Ints, stride: Ints, pad: Pads, size: Ints, include_pad: bool
) -> Array:
    """Return what an average pool divides by, int64 of shape `size`.

    Source: MXNet: the elements of the window inside the padded input, or inside the input.
    """
    out = np.ones((1,) * len(n), np.int64)
    for axis, (length, k, s, (b, e)) in enumerate(
        zip(n, kernel, stride, pad_pairs(pad), strict=True)
    ):
        start = np.arange(size[axis]) * s - b
        stop = np.minimum(start + k, length + e)
        if not include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, length)
        out = out * _along(np.maximum(stop - start, 0), axis, len(n))
    return out


def _out_shape(
    x: Array, kernel: Ints, stride: Ints, pads: Sequence[tuple[int, int]], ceil: bool
) -> tuple[int, ...]:
    axes = zip(x.shape[2:], kernel, stride, pads, strict=True)
    size = tuple(pool_out_size(n, k, s, p, ceil) for n, k, s, p in axes)
    if any(m <= 0 for m in size):
        raise ShapeError(
            f"pooling: the window {tuple(kernel)} does not fit into data of shape {x.shape} "
            f"padded by {tuple(pads)}. Use a smaller window or more padding"
        )
    return size


def _max_pool(
    x: Array, kernel: Ints, stride: Ints, pads: Sequence[tuple[int, int]], size: Ints
) -> Array:
    out = _windowed(np.maximum, x, kernel, stride, pads, size, _lowest(x.dtype, infinite=True))
    empty = average_counts(x.shape[2:], kernel, stride, pads, size, include_pad=False) == 0
    return np.where(empty, _lowest(x.dtype, infinite=False), out).astype(x.dtype, copy=False)


def _windowed(
    ufunc: np.ufunc,
    x: Array,
    kernel: Ints,
    stride: Ints,
    pads: Sequence[tuple[int, int]],
    size: Ints,
    fill: Any,
) -> Array:
    """Reduce each window with a separable ufunc; what lies outside of `x` counts as `fill`."""
    for axis, (k, st) in enumerate(zip(kernel, stride, strict=True)):
        xp = _padded_axis(x, axis + 2, k, st, pads[axis][0], size[axis], fill)
        x = _reduce_axis(ufunc, np.moveaxis(xp, axis + 2, 0), k, st, size[axis])
        x = np.moveaxis(x, 0, axis + 2)
    return np.ascontiguousarray(x)


def _reduce_axis(ufunc: np.ufunc, x: Array, k: int, s: int, size: int) -> Array:
    """Reduce windows of axis 0; many short windows go by position, few long ones one by one."""
    if size < k:
        return np.stack([ufunc.reduce(x[i * s : i * s + k], axis=0) for i in range(size)])
    out = x[: (size - 1) * s + 1 : s].copy(order="K")
    for tap in range(1, k):
        ufunc(out, x[tap : tap + (size - 1) * s + 1 : s], out=out)
    return out


def _padded(
    x: Array,
    kernel: Ints,
    stride: Ints,
    pads: Sequence[tuple[int, int]],
    size: Ints,
    fill: Any,
) -> Array:
    for axis in range(len(kernel)):
        x = _padded_axis(x, axis + 2, kernel[axis], stride[axis], pads[axis][0], size[axis], fill)
    return x


def _padded_axis(x: Array, axis: int, k: int, s: int, begin: int, size: int, fill: Any) -> Array:
    """Pad or cut axis `axis` so that exactly `size` windows fit."""
    need = (size - 1) * s + k
    n = x.shape[axis]
    if begin == 0 and need == n:
        return x
    shape = (*x.shape[:axis], need, *x.shape[axis + 1 :])
    out = np.full(shape, fill, x.dtype)
    lead = (slice(None),) * axis
    count = max(min(n, need - begin), 0)
    out[(*lead, slice(begin, begin + count))] = x[(*lead, slice(0, count))]
    return out


def _scattered(
    dy: Array, kernel: Ints, stride: Ints, pads: Sequence[tuple[int, int]], n: Ints
) -> Array:
    """Transpose of the sum over windows: every element collects the `dy` of its windows."""
    for axis, (k, s, (b, _), length) in enumerate(zip(kernel, stride, pads, n, strict=True)):
        moved = np.moveaxis(dy, axis + 2, -1)
        m = moved.shape[-1]
        reach = (m - 1) * s + k
        out = np.zeros((*moved.shape[:-1], max(reach, b + length)), dy.dtype)
        for tap in range(k):
            out[..., tap : tap + (m - 1) * s + 1 : s] += moved
        dy = np.moveaxis(out[..., b : b + length], -1, axis + 2)
    return np.ascontiguousarray(dy)


def _divide(total: Array, counts: Array) -> Array:
    if np.issubdtype(total.dtype, np.integer):
        return np.asarray(np.trunc(total / counts))
    return np.divide(total, counts, dtype=total.dtype)


def _root(total: Array, p_value: int) -> Array:
    if p_value == 1:
        return total
    return np.sqrt(total) if p_value == 2 else np.cbrt(total)


def _check_mode(mode: str, p_value: int) -> None:
    if mode not in ("max", "avg", "sum", "lp"):
        raise AttributeValueError(
            f"pooling: mode {mode!r} is unknown; use 'max', 'avg', 'sum' or 'lp'"
        )
    if mode == "lp" and p_value not in (1, 2, 3):
        raise AttributeValueError(f"pooling: p_value is {p_value!r}; use 1, 2 or 3")


def _lowest(dtype: np.dtype[Any], infinite: bool) -> Any:
    if np.issubdtype(dtype, np.integer):
        return np.iinfo(dtype).min
    if infinite:
        return -np.inf
    if dtype.kind != "f":  # bfloat16 (8 bits of mantissa), which NumPy's finfo does not know
        return -(2 - 2.0**-7) * 2.0**127
    return np.finfo(dtype).min


def _along(values: Array, axis: int, rank: int) -> Array:
    shape = [1] * rank
    shape[axis] = -1
    return values.reshape(shape)
