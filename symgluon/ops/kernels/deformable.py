"""Deformable convolution (arXiv:1703.06211; with a mask: arXiv:1811.11168) and its gradients.

Two spatial axes. The offsets of deformable group g at kernel position t are channels
``2 (g K + t)`` (rows) and ``2 (g K + t) + 1`` (columns), K positions, rows of the kernel slowest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ops.kernels._common import Array, widen
from symgluon.ops.kernels.conv import conv_out_size
from symgluon.ops.kernels.sampler import gather_bilinear, gather_bilinear_grad

Ints = Sequence[int]


def deformable_conv(
    x: Array,
    offset: Array,
    w: Array,
    b: Array | None,
    kernel: Ints,
    stride: Ints,
    pad: Ints,
    dilate: Ints,
    groups: int = 1,
    num_deformable_group: int = 1,
    mask: Array | None = None,
) -> Array:
    """Convolve `x` (N, C, H, W) with `w` (O, C / groups, kh, kw) at places moved by `offset`.

    `offset` is (N, 2 G K, h, w), `mask` (N, G K, h, w) or None with G deformable groups and K
    kernel positions; the result is (N, O, h, w).
    Source: MXNet's ``DeformableConvolution``: a place outside of the image is 0, one beyond the
    centre of the last element has its value; with a mask (``ModulatedDeformableConvolution``)
    elements outside of the image count as 0.
    """
    spots, size = _places(x, offset, kernel, stride, pad, dilate, num_deformable_group, mask)
    samples = _sample(widen(x), spots, num_deformable_group)
    if mask is not None:
        samples = samples * widen(mask).reshape(len(samples), 1, samples.shape[2])
    weight = widen(w).reshape(groups, w.shape[0] // groups, -1)
    cols = samples.reshape(x.shape[0], groups, weight.shape[2], size[0] * size[1])
    out = (weight @ cols).reshape(x.shape[0], w.shape[0], *size)
    if b is not None:
        out = out + widen(b)[:, None, None]
    return out.astype(x.dtype, copy=False)


def deformable_conv_grads(
    dy: Array,
    x: Array,
    offset: Array,
    w: Array,
    kernel: Ints,
    stride: Ints,
    pad: Ints,
    dilate: Ints,
    groups: int = 1,
    num_deformable_group: int = 1,
    mask: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """Return the gradients of `deformable_conv` with respect to `x`, `offset`, `w` and `mask`."""
    n, deform = x.shape[0], num_deformable_group
    spots, size = _places(x, offset, kernel, stride, pad, dilate, deform, mask)
    d_out = widen(dy).reshape(n, groups, w.shape[0] // groups, size[0] * size[1])
    weight = widen(w).reshape(groups, w.shape[0] // groups, -1)
    samples = _sample(widen(x), spots, deform)
    d_samples = (np.swapaxes(weight, 1, 2) @ d_out).reshape(samples.shape)
    d_mask = None
    scaled = samples
    if mask is not None:
        factor = widen(mask).reshape(len(samples), 1, samples.shape[2])
        d_mask = np.asarray((d_samples * samples).sum(axis=1).reshape(mask.shape), mask.dtype)
        d_samples, scaled = d_samples * factor, samples * factor
    cols = scaled.reshape(n, groups, weight.shape[2], size[0] * size[1])
    d_w = (d_out @ np.swapaxes(cols, 2, 3)).sum(axis=0).reshape(w.shape)
    plain = widen(x).reshape(n * deform, x.shape[1] // deform, *x.shape[2:])
    d_samples = d_samples * spots.inside[:, None]
    d_x, *d_places = gather_bilinear_grad(d_samples, plain, spots.rows, spots.columns)
    moves = (spots.row_moves, spots.column_moves)
    shape = (n, deform, math.prod(kernel), *size)
    pair = [(d * m).reshape(shape) for d, m in zip(d_places, moves, strict=True)]
    return (
        np.asarray(d_x.reshape(x.shape), x.dtype),
        np.asarray(np.stack(pair, axis=3).reshape(offset.shape), offset.dtype),
        np.asarray(d_w, w.dtype),
        d_mask,
    )


class _Spots(NamedTuple):
    """Where to sample, each (N * G, K * P): place, whether it counts and follows the offset."""

    rows: Array
    columns: Array
    inside: Array
    row_moves: Array
    column_moves: Array


def _places(
    x: Array,
    offset: Array,
    kernel: Ints,
    stride: Ints,
    pad: Ints,
    dilate: Ints,
    deform: int,
    mask: Array | None,
) -> tuple[_Spots, tuple[int, int]]:
    """Return where to sample, and the output size."""
    axes = zip(x.shape[2:], kernel, stride, pad, dilate, strict=True)
    h, w = (conv_out_size(*axis) for axis in axes)
    taps = kernel[0] * kernel[1]
    expected = (x.shape[0], 2 * deform * taps, h, w)
    if offset.shape != expected:
        raise ShapeError(
            f"deformable convolution: offset has shape {offset.shape}, expected {expected}"
        )
    if mask is not None and mask.shape != (x.shape[0], deform * taps, h, w):
        raise ShapeError(
            f"deformable convolution: mask has shape {mask.shape}, expected "
            f"{(x.shape[0], deform * taps, h, w)}"
        )
    moved = widen(offset).reshape(x.shape[0] * deform, *kernel, 2, h, w)
    grids = []
    for axis, length in enumerate((h, w)):
        tap = np.arange(kernel[axis]) * dilate[axis] - pad[axis]
        start = np.arange(length) * stride[axis]
        shape = [1] * 5
        shape[1 + axis], shape[3 + axis] = kernel[axis], length
        grid = (tap[:, None] + start).reshape(shape).astype(moved.dtype)
        grids.append((moved[:, :, :, axis] + grid).reshape(len(moved), taps * h * w))
    return _spots(grids[0], grids[1], x.shape, clamp=mask is None), (h, w)


def _spots(rows: Array, columns: Array, x_shape: Ints, clamp: bool) -> _Spots:
    every = np.ones(rows.shape, bool)
    if not clamp:
        return _Spots(rows, columns, every, every, every)
    last_row, last_column = x_shape[2] - 1, x_shape[3] - 1
    inside = (rows >= 0) & (rows < last_row + 1) & (columns >= 0) & (columns < last_column + 1)
    return _Spots(
        np.clip(rows, 0, last_row),
        np.clip(columns, 0, last_column),
        inside,
        rows < last_row,
        columns < last_column,
    )


def _sample(x: Array, spots: _Spots, deform: int) -> Array:
    """Samples (N * G, C / G, K * P)."""
    plain = x.reshape(x.shape[0] * deform, x.shape[1] // deform, *x.shape[2:])
    return gather_bilinear(plain, spots.rows, spots.columns) * spots.inside[:, None]
