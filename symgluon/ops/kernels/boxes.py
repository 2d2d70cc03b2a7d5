"""Boxes: overlap, encoding, greedy matching and non-maximum suppression.

A box is ``(x1, y1, x2, y2)`` ("corner") or ``(x, y, width, height)`` ("center"). Rules that MXNet
documents nowhere (order of ties, strict or not, what suppressed rows hold) were asked of MXNet
1.9.1 and 2.0.0b1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from symgluon.ops.kernels._common import Array, compute_dtype, widen

BoxFormat = Literal["corner", "center"]
Floats = Sequence[float]


def to_corner(boxes: Array) -> Array:
    """Turn boxes (..., 4) from center to corner form."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def to_center(boxes: Array) -> Array:
    """Turn boxes (..., 4) from corner to center form."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def box_iou(lhs: Array, rhs: Array, box_format: BoxFormat = "corner") -> Array:
    """Return intersection over union of all pairs of `lhs` (L..., 4) and `rhs` (R..., 4).

    The result is (L..., R...), 0 where the union has no area. Source: MXNet's ``contrib.box_iou``.
    """
    dtype = lhs.dtype
    lhs, rhs = widen(lhs), widen(rhs)
    if box_format == "center":
        lhs, rhs = to_corner(lhs), to_corner(rhs)
    out = pairwise_iou(lhs.reshape(-1, 4), rhs.reshape(-1, 4))
    return out.reshape(lhs.shape[:-1] + rhs.shape[:-1]).astype(dtype, copy=False)


def pairwise_iou(lhs: Array, rhs: Array) -> Array:
    """`box_iou` of corner boxes (L, 4) and (R, 4): (L, R)."""
    low = np.maximum(lhs[:, None, :2], rhs[None, :, :2])
    high = np.minimum(lhs[:, None, 2:], rhs[None, :, 2:])
    sides = np.maximum(high - low, 0)
    inter = sides[..., 0] * sides[..., 1]
    union = box_area(lhs)[:, None] + box_area(rhs)[None] - inter
    # A box with negative sides has area 0 but may still meet others: union first, then overlap.
    return np.where(union > 0, inter / np.where(union > 0, union, 1), 0)


def box_area(boxes: Array) -> Array:
    """Return the area of corner boxes (..., 4); 0 where a side is negative."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return np.where((sides < 0).any(axis=-1), 0, sides[..., 0] * sides[..., 1])


def box_encode(
    samples: Array, matches: Array, anchors: Array, refs: Array, means: Array, stds: Array
) -> tuple[Array, Array]:
    """Return the regression targets of matched anchors, and the mask of those that count.

    `samples`, `matches` (B, N), `anchors` (B, N, 4), `refs` (B, M, 4), corner boxes; `means`,
    `stds` (4,). Both results (B, N, 4); targets are 0 where `samples` is not above 0.5.
    Source: MXNet's ``contrib.box_encode``.
    """
    dtype = anchors.dtype
    index = np.clip(matches.astype(np.int64), 0, max(refs.shape[1] - 1, 0))
    matched = np.take_along_axis(widen(refs), index[..., None], axis=1)
    ref, anchor = to_center(matched), to_center(widen(anchors))
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = (ref[..., :2] - anchor[..., :2]) / anchor[..., 2:]
        scale = np.log(ref[..., 2:] / anchor[..., 2:])
        raw = (np.concatenate([shift, scale], axis=-1) - widen(means)) / widen(stds)
    positive = np.broadcast_to((samples > 0.5)[..., None], raw.shape)
    return np.where(positive, raw, 0).astype(dtype), positive.astype(dtype)


def box_decode(
    data: Array,
    anchors: Array,
    stds: Floats = (1.0, 1.0, 1.0, 1.0),
    clip: float = -1.0,
    box_format: BoxFormat = "center",
) -> Array:
    """Return the corner boxes (B, N, 4) that regression outputs `data` (B, N, 4) mean.

    `anchors` is (1, N, 4) in `box_format`; with ``clip > 0`` it bounds the log of the growth.
    Source: MXNet's ``contrib.box_decode``.
    """
    anchor = widen(anchors)
    if box_format == "corner":
        anchor = to_center(anchor)
    scaled = widen(data) * np.asarray(stds, compute_dtype(data.dtype))
    growth = scaled[..., 2:]
    if clip > 0:
        growth = np.minimum(growth, clip)
    centre = scaled[..., :2] * anchor[..., 2:] + anchor[..., :2]
    out = to_corner(np.concatenate([centre, np.exp(growth) * anchor[..., 2:]], axis=-1))
    return out.astype(data.dtype, copy=False)


def bipartite_matching(
    data: Array, threshold: float, is_ascend: bool = False, topk: int = -1
) -> tuple[Array, Array]:
    """Match rows and columns of scores `data` (..., N, M) greedily, one to one.

    Returns the column of each row (..., N) and the row of each column (..., M), -1 for none.
    Source: MXNet's ``contrib.bipartite_matching``: pairs in order of score, ties by position,
    until one is not strictly better than `threshold`; `topk` stops after ``topk + 1`` pairs, as
    MXNet does.
    """
    n, m = data.shape[-2:]
    flat = data.reshape(math.prod(data.shape[:-2]), n * m)
    rows = np.full((flat.shape[0], n), -1, data.dtype)
    cols = np.full((flat.shape[0], m), -1, data.dtype)
    for scores, row, col in zip(flat, rows, cols, strict=True):
        order = np.argsort(scores if is_ascend else -scores, kind="stable")
        good = scores < threshold if is_ascend else scores > threshold
        count = 0
        for pair in order:
            i, j = divmod(int(pair), m)
            if row[i] >= 0 or col[j] >= 0:
                continue
            if not good[pair]:
                break
            row[i], col[j] = j, i
            count += 1
            if 0 < topk < count:
                break
    return rows.reshape(data.shape[:-1]), cols.reshape((*data.shape[:-2], m))


def greedy_nms(
    boxes: Array, threshold: float, classes: Array | None = None, inclusive: bool = False
) -> Array:
    """Tell which of the corner boxes (K, 4), best first, survive: bool (K,).

    A kept box removes later ones that overlap it by more than `threshold` (or as much, if
    `inclusive`), with `classes` only those of its own class.
    """
    keep = np.ones(len(boxes), bool)
    # Row by row: all pairs at once would take gigabytes for the anchors of a detector.
    for i in range(len(boxes) - 1):
        if not keep[i]:
            continue
        overlap = pairwise_iou(boxes[i : i + 1], boxes[i + 1 :])[0]
        hit = overlap >= threshold if inclusive else overlap > threshold
        if classes is not None:
            hit &= classes[i + 1 :] == classes[i]
        keep[i + 1 :] &= ~hit
    return keep


def box_nms(
    data: Array,
    overlap_thresh: float = 0.5,
    valid_thresh: float = 0.0,
    topk: int = -1,
    coord_start: int = 2,
    score_index: int = 1,
    id_index: int = -1,
    background_id: int = -1,
    force_suppress: bool = False,
    in_format: BoxFormat = "corner",
    out_format: BoxFormat = "corner",
) -> tuple[Array, Array]:
    """Suppress all but the best of overlapping rows of `data` (..., N, width).

    Returns the surviving rows by falling score, the rest -1, of the shape of `data`; and the
    number of the input row of each output row, int64 (..., N), -1 for none.
    Source: MXNet's ``contrib.box_nms``: rows count whose score is above `valid_thresh` and whose
    class is not `background_id`; of those the best `topk`; ties keep their order.
    """
    n, width = data.shape[-2:]
    flat = data.reshape(math.prod(data.shape[:-2]), n, width)
    out = np.full_like(flat, -1)
    origin = np.full(flat.shape[:2], -1, np.int64)
    for rows, result, source in zip(flat, out, origin, strict=True):
        scores = rows[:, score_index]
        valid = scores > valid_thresh
        if id_index >= 0 and background_id >= 0:
            valid &= rows[:, id_index] != background_id
        order = np.flatnonzero(valid)
        order = order[np.argsort(-scores[order], kind="stable")]
        if topk > 0:
            order = order[:topk]
        boxes = widen(rows[order, coord_start : coord_start + 4])
        if in_format == "center":
            boxes = to_corner(boxes)
        by_class = id_index >= 0 and not force_suppress
        kept = order[
            greedy_nms(boxes, overlap_thresh, rows[order, id_index] if by_class else None)
        ]
        result[: len(kept)] = rows[kept]
        source[: len(kept)] = kept
        if in_format != out_format:
            part = widen(result[: len(kept), coord_start : coord_start + 4])
            part = to_corner(part) if out_format == "corner" else to_center(part)
            result[: len(kept), coord_start : coord_start + 4] = part
    return out.reshape(data.shape), origin.reshape(data.shape[:-1])


def box_nms_grad(dy: Array, origin: Array) -> Array:
    """Return the gradient of `box_nms`: rows of `dy` (..., N, width) go to their `origin`.

    Source: MXNet hands rows back as they are, also where `box_nms` changed the box format.
    """
    lead = math.prod(dy.shape[:-2])
    flat, source = dy.reshape(lead, *dy.shape[-2:]), origin.reshape(lead, dy.shape[-2])
    out = np.zeros_like(flat)
    batch, row = np.nonzero(source >= 0)
    out[batch, source[batch, row]] = flat[batch, row]
    return out.reshape(dy.shape)
