"""Adaptive pooling, bilinear resizing and nearest upsampling, channels first, with gradients.

The first two are linear maps that are products of one small matrix an axis; their gradients are
the transposes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ops.kernels._common import Array, compute_dtype, separable, widen

Ints = Sequence[int]


def adaptive_avg_pool(x: Array, out_size: Ints) -> Array:
    """Average of `x` (N, C, in...) over an even partition into `out_size` cells an axis.

    Source: MXNet's ``contrib.AdaptiveAvgPooling2D``: cell i of m spans
    ``floor(i n / m) .. ceil((i + 1) n / m)``.
    """
    return _linear(x, [_adaptive_matrix(n, m) for n, m in zip(x.shape[2:], out_size, strict=True)])


def adaptive_avg_pool_grad(dy: Array, in_size: Ints) -> Array:
    """Gradient of `adaptive_avg_pool` with respect to `x`, of spatial `in_size`."""
    sizes = zip(in_size, dy.shape[2:], strict=True)
    return _linear(dy, [_adaptive_matrix(n, m).T for n, m in sizes])


def bilinear_resize(x: Array, h: int, w: int, align_corners: bool = True) -> Array:
    """Bilinear interpolation of `x` (N, C, H, W) to (N, C, h, w).

    Source: MXNet's ``contrib.BilinearResize2D``; the places of the samples: `resize_matrix`.
    """
    return _linear(
        x,
        [
            resize_matrix(x.shape[2], h, align_corners),
            resize_matrix(x.shape[3], w, align_corners),
        ],
    )


def bilinear_resize_grad(dy: Array, h: int, w: int, align_corners: bool = True) -> Array:
    """Gradient of `bilinear_resize` with respect to `x`, of spatial size (h, w)."""
    return _linear(
        dy,
        [
            resize_matrix(h, dy.shape[2], align_corners).T,
            resize_matrix(w, dy.shape[3], align_corners).T,
        ],
    )


def bilinear_resize_out_size(
    n: int, mode: str, size: int = 1, scale: float | None = None, like: int | None = None
) -> int:
    """Output length along one axis of MXNet's ``contrib.BilinearResize2D``.

    `size` is its ``height`` or ``width``, `scale` its ``scale_height`` or ``scale_width``,
    `like` the length of the axis in the second operand.
    Source: asked of MXNet 1.9.1: ``odd_scale`` keeps the first element of an odd length fixed,
    ``to_odd_up`` and the like go to the next length of that parity, ``size`` prefers `scale`.

    Raises
    ------
    AttributeValueError
        If `mode` is unknown, or lacks the `scale` or `like` that it needs.
    """
    if mode == "like" and like is not None:
        return like
    if mode == "size":
        return size if scale is None else int(np.float32(n) * np.float32(scale))
    if mode == "odd_scale" and scale is not None:
        odd = n % 2
        return int(np.float32(n - odd) * np.float32(scale) + np.float32(odd))
    step = {"up": 1, "down": -1}.get(mode.rpartition("_")[2])
    parity = {"to_even": 0, "to_odd": 1}.get(mode.rpartition("_")[0])
    if step is None or parity is None:
        raise AttributeValueError(
            f"bilinear resize: mode {mode!r} is unknown or lacks an argument (scale {scale}, "
            f"like {like}); use 'size', 'like' (with a second operand), 'odd_scale' (with a "
            f"scale), 'to_even_down', 'to_even_up', 'to_odd_down' or 'to_odd_up'"
        )
    return n if n % 2 == parity else n + step


def resize_matrix(n: int, m: int, align_corners: bool) -> Array:
    """Weights (m, n), float64, of linear interpolation from n to m samples.

    Sample i lies at ``i (n - 1) / (m - 1)`` with `align_corners`, else at
    ``max((i + 0.5) n / m - 0.5, 0)``.
    """
    if align_corners:
        places = np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        places = np.maximum((np.arange(m) + 0.5) * (n / m) - 0.5, 0)
    low = np.minimum(places.astype(np.int64), max(n - 1, 0))
    high = np.minimum(low + 1, max(n - 1, 0))
    fraction = places - low
    out = np.zeros((m, n))
    rows = np.arange(m)
    np.add.at(out, (rows, low), 1 - fraction)
    np.add.at(out, (rows, high), fraction)
    return out


def upsampling_nearest(x: Array, scale: int) -> Array:
    """Repeat every spatial element of `x` (N, C, in...) `scale` times along each axis."""
    for axis in range(2, x.ndim):
        x = x.repeat(scale, axis=axis)
    return x


def upsampling_nearest_grad(dy: Array, scale: int) -> Array:
    """Gradient of `upsampling_nearest`: sums over blocks of `scale` an axis."""
    shape = list(dy.shape[:2])
    for n in dy.shape[2:]:
        shape += [n // scale, scale]
    axes = tuple(range(3, len(shape), 2))
    return np.asarray(widen(dy).reshape(shape).sum(axis=axes), dy.dtype)


def _linear(x: Array, matrices: Sequence[Array]) -> Array:
    dtype = compute_dtype(x.dtype)
    out = separable(x.astype(dtype, copy=False), [m.astype(dtype) for m in matrices])
    return np.ascontiguousarray(out, dtype=x.dtype)


def _adaptive_matrix(n: int, m: int) -> Array:
    out = np.zeros((m, n))
    for i in range(m):
        low, high = i * n // m, -(-(i + 1) * n // m)
        out[i, low:high] = 1 / (high - low)
    return out
