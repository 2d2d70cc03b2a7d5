"""Bilinear sampling at computed places, spatial transformers and correlation, with gradients.

Everywhere an element outside of the image counts as 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from symgluon.ops.kernels._common import Array, pad_spatial, tap_slices, widen

Size = tuple[int, int]


def gather_bilinear(x: Array, y_at: Array, x_at: Array) -> Array:
    """Sample `x` (N, C, H, W) at rows `y_at` and columns `x_at` (N, P): (N, C, P)."""
    flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    out = np.zeros((*x.shape[:2], y_at.shape[1]), x.dtype)
    for index, weight, _, _ in _corners(y_at, x_at, x.shape[2], x.shape[3]):
        out += np.take_along_axis(flat, index[:, None], axis=2) * weight[:, None]
    return out


def gather_bilinear_grad(
    dy: Array, x: Array, y_at: Array, x_at: Array
) -> tuple[Array, Array, Array]:
    """Return gradients of `gather_bilinear` by `x`, `y_at` and `x_at`; `dy` is (N, C, P).

    At places where the sample has a kink the slope towards larger coordinates is taken.
    """
    n, channels, h, w = x.shape
    flat = x.reshape(n, channels, h * w)
    dx = np.zeros(n * channels * h * w)
    d_row, d_column = np.zeros_like(y_at), np.zeros_like(x_at)
    plane = np.arange(n * channels).reshape(n, channels, 1) * (h * w)
    for index, weight, slope_row, slope_column in _corners(y_at, x_at, h, w):
        place = (plane + index[:, None]).ravel()
        dx += np.bincount(place, (dy * weight[:, None]).ravel(), minlength=dx.size)
        value = (np.take_along_axis(flat, index[:, None], axis=2) * dy).sum(axis=1)
        d_row += value * slope_row
        d_column += value * slope_column
    return dx.reshape(x.shape).astype(dy.dtype), d_row, d_column


def bilinear_sampler(x: Array, grid: Array) -> Array:
    """Sample `x` (N, C, H, W) at `grid` (N, 2, h, w): (N, C, h, w).

    The grid holds columns, then rows, from -1 (first element) to 1 (last).
    Source: arXiv:1506.02025, section 3.3; MXNet's ``BilinearSampler``.
    """
    rows, columns = _grid_places(grid, x.shape)
    out = gather_bilinear(widen(x), rows, columns)
    return out.reshape(*x.shape[:2], *grid.shape[2:]).astype(x.dtype, copy=False)


def bilinear_sampler_grad(dy: Array, x: Array, grid: Array) -> tuple[Array, Array]:
    """Return the gradients of `bilinear_sampler` with respect to `x` and `grid`."""
    rows, columns = _grid_places(grid, x.shape)
    wide = widen(dy).reshape(*dy.shape[:2], math.prod(dy.shape[2:]))
    dx, d_row, d_column = gather_bilinear_grad(wide, widen(x), rows, columns)
    half_h, half_w = (x.shape[2] - 1) / 2, (x.shape[3] - 1) / 2
    d_grid = np.stack([d_column * half_w, d_row * half_h], axis=1).reshape(grid.shape)
    return dx.astype(x.dtype, copy=False), d_grid.astype(grid.dtype, copy=False)


def affine_grid(theta: Array, target_shape: Size) -> Array:
    """Grid (N, 2, h, w) of affine maps `theta` (N, 6), the rows of 2 x 3 matrices.

    Source: arXiv:1506.02025, equation 1; MXNet's ``GridGenerator``, ``affine``.
    """
    source = _target_grid(target_shape, widen(theta).dtype)
    out = widen(theta).reshape(len(theta), 2, 3) @ source
    return out.reshape(len(theta), 2, *target_shape).astype(theta.dtype, copy=False)


def affine_grid_grad(d_grid: Array) -> Array:
    """Return the gradient of `affine_grid` with respect to `theta`: (N, 6)."""
    wide = widen(d_grid)
    source = _target_grid((d_grid.shape[2], d_grid.shape[3]), wide.dtype)
    out = wide.reshape(len(wide), 2, source.shape[1]) @ source.T
    return np.asarray(out.reshape(len(wide), 6), d_grid.dtype)


def warp_grid(flow: Array) -> Array:
    """Grid (N, 2, h, w) that moves each element by `flow` (N, 2, h, w), columns then rows.

    Source: MXNet's ``GridGenerator``, ``warp``.
    """
    h, w = flow.shape[2:]
    wide = widen(flow)
    rows, columns = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    moved = wide + np.stack([columns, rows]).astype(wide.dtype)
    return np.asarray(moved / _half_extent(h, w, wide.dtype) - 1, flow.dtype)


def warp_grid_grad(d_grid: Array) -> Array:
    """Return the gradient of `warp_grid` with respect to `flow`."""
    h, w = d_grid.shape[2:]
    return np.asarray(widen(d_grid) / _half_extent(h, w, widen(d_grid).dtype), d_grid.dtype)


def spatial_transformer(x: Array, theta: Array, target_shape: Size) -> Array:
    """Sample `x` (N, C, H, W) through affine maps `theta` (N, 6): (N, C, h, w)."""
    return bilinear_sampler(x, affine_grid(theta, target_shape))


def spatial_transformer_grad(dy: Array, x: Array, theta: Array) -> tuple[Array, Array]:
    """Return the gradients of `spatial_transformer` with respect to `x` and `theta`."""
    grid = affine_grid(theta, (dy.shape[2], dy.shape[3]))
    dx, d_grid = bilinear_sampler_grad(dy, x, grid)
    return dx, affine_grid_grad(d_grid)


def correlation(
    a: Array,
    b: Array,
    kernel_size: int = 1,
    max_displacement: int = 1,
    stride1: int = 1,
    stride2: int = 1,
    pad_size: int = 0,
    is_multiply: bool = True,
) -> Array:
    """Compare patches of `a` with shifted patches of `b`, both (N, C, H, W).

    One output channel a displacement, rows slowest: multiples of `stride2` up to
    `max_displacement` each way; products, or absolute differences, are averaged over a patch of
    `kernel_size` squared and all channels. Source: arXiv:1504.06852, equation 1; the padding and
    output size are MXNet's ``Correlation``.
    """
    wide = widen(a)
    size = _correlation_size(a.shape, kernel_size, max_displacement, stride1, pad_size)
    shifts = list(_displacements(max_displacement, stride2))
    out = np.zeros((a.shape[0], len(shifts), *size), wide.dtype)
    left, right = _pad_pair(a, b, pad_size)
    for channel, shift in enumerate(shifts):
        for first, second in _patches(size, kernel_size, max_displacement, stride1, shift):
            p, q = left[first], right[second]
            out[:, channel] += (p * q if is_multiply else np.abs(p - q)).sum(axis=1)
    out /= kernel_size * kernel_size * a.shape[1]
    return out.astype(a.dtype, copy=False)


def correlation_grad(
    dy: Array,
    a: Array,
    b: Array,
    kernel_size: int = 1,
    max_displacement: int = 1,
    stride1: int = 1,
    stride2: int = 1,
    pad_size: int = 0,
    is_multiply: bool = True,
) -> tuple[Array, Array]:
    """Return the gradients of `correlation` with respect to `a` and `b`."""
    left, right = _pad_pair(a, b, pad_size)
    d_left, d_right = np.zeros_like(left), np.zeros_like(right)
    scaled = widen(dy) / (kernel_size * kernel_size * a.shape[1])
    size = (dy.shape[2], dy.shape[3])
    for channel, shift in enumerate(_displacements(max_displacement, stride2)):
        part = scaled[:, channel, None]
        for first, second in _patches(size, kernel_size, max_displacement, stride1, shift):
            p, q = left[first], right[second]
            if is_multiply:
                d_left[first] += part * q
                d_right[second] += part * p
            else:
                sign = np.sign(p - q) * part
                d_left[first] += sign
                d_right[second] -= sign
    h, w = a.shape[2:]
    inner = (..., slice(pad_size, pad_size + h), slice(pad_size, pad_size + w))
    return np.asarray(d_left[inner], a.dtype), np.asarray(d_right[inner], b.dtype)


def _corners(
    y_at: Array, x_at: Array, h: int, w: int
) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Of the four neighbours: position, weight, and the weight's slopes along rows and columns.

    A neighbour outside of the image has position 0 and weight 0.
    """
    top, left = np.floor(y_at), np.floor(x_at)
    down, across = y_at - top, x_at - left
    row, column = top.astype(np.int64), left.astype(np.int64)
    one = y_at.dtype.type(1)
    for i in (0, 1):
        for j in (0, 1):
            r, c = row + i, column + j
            inside = (r >= 0) & (r < h) & (c >= 0) & (c < w)
            in_row, in_column = (down if i else one - down), (across if j else one - across)
            slope_row = np.where(inside, in_column if i else -in_column, 0)
            slope_column = np.where(inside, in_row if j else -in_row, 0)
            weight = np.where(inside, in_row * in_column, 0)
            yield np.where(inside, r * w + c, 0), weight, slope_row, slope_column


def _grid_places(grid: Array, x_shape: Sequence[int]) -> tuple[Array, Array]:
    """Rows and columns (N, P) in elements."""
    flat = (widen(grid).reshape(len(grid), 2, math.prod(grid.shape[2:])) + 1) / 2
    return flat[:, 1] * (x_shape[2] - 1), flat[:, 0] * (x_shape[3] - 1)


def _target_grid(shape: Size, dtype: np.dtype[np.floating]) -> Array:
    """Homogeneous coordinates (3, h * w): columns, rows, ones."""
    h, w = shape
    rows, columns = np.meshgrid(_axis(h), _axis(w), indexing="ij")
    return np.stack([columns.ravel(), rows.ravel(), np.ones(h * w)]).astype(dtype)


def _axis(n: int) -> Array:
    return np.linspace(-1, 1, n)


def _half_extent(h: int, w: int, dtype: np.dtype[np.floating]) -> Array:
    return (np.array([w - 1, h - 1]) / 2).astype(dtype).reshape(2, 1, 1)


def _displacements(max_displacement: int, stride2: int) -> Iterator[tuple[int, int]]:
    reach = max_displacement // stride2
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            yield i * stride2, j * stride2


def _correlation_size(
    shape: Sequence[int], kernel_size: int, max_displacement: int, stride1: int, pad: int
) -> Size:
    border = max_displacement + (kernel_size - 1) // 2
    h, w = (-(-(n + 2 * pad - 2 * border) // stride1) for n in shape[2:])
    return h, w


def _pad_pair(a: Array, b: Array, pad: int) -> tuple[Array, Array]:
    pads = [(pad, pad)] * 2
    return pad_spatial(widen(a), pads), pad_spatial(widen(b), pads)


def _patches(
    size: Size, kernel_size: int, max_displacement: int, stride1: int, shift: tuple[int, int]
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Index of the elements of `a` and of `b` that each position of the patch compares."""
    whole = (slice(None), slice(None))
    for i in range(kernel_size):
        for j in range(kernel_size):
            at = (max_displacement + i, max_displacement + j)
            moved = (at[0] + shift[0], at[1] + shift[1])
            strides, ones = (stride1, stride1), (1, 1)
            yield (
                (*whole, *tap_slices(at, size, strides, ones)),
                (*whole, *tap_slices(moved, size, strides, ones)),
            )
