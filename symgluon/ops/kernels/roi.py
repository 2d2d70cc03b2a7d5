"""Region pooling and region proposals.

A region is a row (image number, x1, y1, x2, y2) in coordinates of the network's input; its
product with `spatial_scale` is in elements of the feature map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ops.kernels._common import Array, widen

Size = tuple[int, int]


def roi_pooling(
    x: Array, rois: Array, pooled_size: Size, spatial_scale: float
) -> tuple[Array, Array]:
    """Max-pool each region of `x` (N, C, H, W) into `pooled_size` cells.

    Returns the maxima (R, C, ph, pw) and their positions in the H * W elements of the channel,
    int64, -1 for an empty cell, whose maximum is 0; the first of equal ones.
    Source: MXNet's ``ROIPooling``: corners are rounded (halves away from zero) and inclusive, a
    region has at least one element.
    """
    n, channels, h, w = x.shape
    ph, pw = pooled_size
    out = np.zeros((len(rois), channels, ph, pw), x.dtype)
    index = np.full(out.shape, -1, np.int64)
    for r, roi in enumerate(widen(rois)):
        values, places = out[r], index[r]
        image = _image(roi, n)
        scaled = roi[1:] * roi.dtype.type(spatial_scale)
        x1, y1, x2, y2 = (np.sign(scaled) * np.floor(np.abs(scaled) + 0.5)).astype(np.int64)
        columns = list(_cells(x1, max(x2 - x1 + 1, 1), pw, w, roi.dtype))
        for i, (top, bottom) in enumerate(_cells(y1, max(y2 - y1 + 1, 1), ph, h, roi.dtype)):
            for j, (left, right) in enumerate(columns):
                part = x[image, :, top:bottom, left:right].reshape(
                    channels, (bottom - top) * (right - left)
                )
                if not part.shape[1]:
                    continue
                best = part.argmax(axis=1)
                values[:, i, j] = part[np.arange(channels), best]
                row, column = np.divmod(best, right - left)
                places[:, i, j] = (row + top) * w + column + left
    return out, index


def roi_pooling_grad(dy: Array, index: Array, rois: Array, x_shape: Sequence[int]) -> Array:
    """Return the gradient of `roi_pooling` by `x`: `dy` added at the maxima of `index`."""
    n, channels, h, w = x_shape
    image = rois[:, 0].astype(np.int64)
    plane = image[:, None] * channels + np.arange(channels)
    flat = plane[:, :, None, None] * (h * w) + index
    keep = index >= 0
    total = np.bincount(flat[keep], dy[keep].astype(np.float64), minlength=n * channels * h * w)
    return total.reshape(n, channels, h, w).astype(dy.dtype)


def roi_align(
    x: Array,
    rois: Array,
    pooled_size: Size,
    spatial_scale: float,
    sample_ratio: int = -1,
    position_sensitive: bool = False,
    aligned: bool = False,
) -> Array:
    """Average bilinear samples of each region of `x` (N, C, H, W): (R, C, ph, pw).

    With `position_sensitive` cell (i, j) of channel c reads channel ``(c ph + i) pw + j`` and the
    result has C / (ph pw) channels. A negative image number gives 0.
    Source: arXiv:1703.06870 and MXNet's ``contrib.ROIAlign``: `sample_ratio` squared samples a
    cell (rounded up from its size if not positive); `aligned` shifts by half an element, without
    it a region has at least one element each way. As samples lie on a grid, the map is a product
    of one matrix for rows and one for columns.
    """
    ph, pw = pooled_size
    if position_sensitive and x.shape[1] % (ph * pw):
        raise ShapeError(
            f"ROIAlign: position_sensitive needs channels divisible by {ph} * {pw}, data has "
            f"{x.shape}"
        )
    wide = widen(x)
    channels = x.shape[1] // (ph * pw) if position_sensitive else x.shape[1]
    out = np.zeros((len(rois), channels, ph, pw), wide.dtype)
    maps = _align_maps(rois, x.shape, pooled_size, spatial_scale, sample_ratio, aligned)
    for r, image, rows, columns in maps:
        if position_sensitive:
            split = wide[image].reshape(channels, ph, pw, *x.shape[2:])
            out[r] = np.einsum("ih,cijhw,jw->cij", rows, split, columns)
        else:
            out[r] = rows @ wide[image] @ columns.T
    return out.astype(x.dtype, copy=False)


def roi_align_grad(
    dy: Array,
    rois: Array,
    x_shape: Sequence[int],
    spatial_scale: float,
    sample_ratio: int = -1,
    position_sensitive: bool = False,
    aligned: bool = False,
) -> Array:
    """Return the gradient of `roi_align` by `x`; the regions have none, as in MXNet."""
    ph, pw = dy.shape[2:]
    wide = widen(dy)
    out = np.zeros(tuple(x_shape), wide.dtype)
    maps = _align_maps(rois, x_shape, (ph, pw), spatial_scale, sample_ratio, aligned)
    for r, image, rows, columns in maps:
        if position_sensitive:
            part = np.einsum("ih,cij,jw->cijhw", rows, wide[r], columns)
            out[image] += part.reshape(tuple(x_shape[1:]))
        else:
            out[image] += rows.T @ wide[r] @ columns
    return out.astype(dy.dtype, copy=False)


def _align_maps(
    rois: Array,
    x_shape: Sequence[int],
    pooled_size: Size,
    spatial_scale: float,
    sample_ratio: int,
    aligned: bool,
) -> Iterator[tuple[int, int, Array, Array]]:
    """Yield region number, image number, row matrix (ph, H) and column matrix (pw, W)."""
    for r, roi in enumerate(widen(rois)):
        if roi[0] < 0:
            continue
        offset = roi.dtype.type(0.5 if aligned else 0)
        x1, y1, x2, y2 = roi[1:] * roi.dtype.type(spatial_scale) - offset
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, roi.dtype.type(1)), max(height, roi.dtype.type(1))
        rows = _samples(y1, height, pooled_size[0], x_shape[2], sample_ratio)
        columns = _samples(x1, width, pooled_size[1], x_shape[3], sample_ratio)
        yield r, _image(roi, x_shape[0]), rows, columns


def _samples(start: float, length: float, cells: int, n: int, ratio: int) -> Array:
    """Matrix (cells, n) that averages the linear samples of each cell along one axis."""
    dtype = np.asarray(start).dtype
    cell = length / dtype.type(cells)
    count = ratio if ratio > 0 else max(int(np.ceil(cell)), 0)
    inner = (np.arange(count, dtype=dtype) + dtype.type(0.5)) * cell / dtype.type(max(count, 1))
    places = start + np.arange(cells, dtype=dtype)[:, None] * cell + inner
    inside = (places >= -1) & (places <= n)
    places = np.clip(places, 0, max(n - 1, 0))
    low = places.astype(np.int64)
    high = np.minimum(low + 1, n - 1)
    fraction = places - low
    out = np.zeros((cells, n), dtype)
    row = np.broadcast_to(np.arange(cells)[:, None], places.shape)
    np.add.at(out, (row, low), np.where(inside, 1 - fraction, 0))
    np.add.at(out, (row, high), np.where(inside, fraction, 0))
    return np.asarray(out / dtype.type(max(count, 1)))


def _cells(
    start: int, length: int, cells: int, n: int, dtype: np.dtype[np.floating]
) -> Iterator[tuple[int, int]]:
    """First and last + 1 element of each cell, inside 0..n."""
    # In the type of the regions: rounding decides on which side of an integer a border falls.
    cell = dtype.type(length) / dtype.type(cells)
    for i in range(cells):
        low = int(np.floor(dtype.type(i) * cell)) + start
        high = int(np.ceil(dtype.type(i + 1) * cell)) + start
        low, high = min(max(low, 0), n), min(max(high, 0), n)
        yield low, max(high, low)


def _image(roi: Array, n: int) -> int:
    image = int(roi[0])
    if not 0 <= image < n:
        raise ShapeError(f"region pooling: image number {image} of a region is not in 0..{n - 1}")
    return image
