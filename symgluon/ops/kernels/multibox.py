"""The operators of the single-shot detector: anchors, training targets and detections.

Rules that MXNet documents nowhere (order of ties, strict or not, what suppressed rows hold) were
asked of MXNet 1.9.1 and 2.0.0b1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ops.kernels._common import Array, widen
from symgluon.ops.kernels.boxes import Floats, greedy_nms, pairwise_iou, to_center, to_corner


def multibox_prior(
    h: int,
    w: int,
    sizes: Floats = (1.0,),
    ratios: Floats = (1.0,),
    clip: bool = False,
    steps: Floats = (-1.0, -1.0),
    offsets: Floats = (0.5, 0.5),
    dtype: Any = np.float32,
) -> Array:
    """Return SSD anchors of a map of `h` x `w` cells: corner boxes (1, h * w * K, 4) in 0..1.

    Source: arXiv:1512.02325, section 2.2, with MXNet's order: every size with the first ratio,
    then the first size with every other ratio, K = sizes + ratios - 1; widths are scaled by
    h / w; `steps` and `offsets` are (y, x).
    """
    step_y = steps[0] if steps[0] > 0 else 1 / h
    step_x = steps[1] if steps[1] > 0 else 1 / w
    pairs = [(s, ratios[0]) for s in sizes] + [(sizes[0], r) for r in ratios[1:]]
    size, ratio = np.array(pairs, np.float64).T
    half_w, half_h = size * h / w * np.sqrt(ratio) / 2, size / np.sqrt(ratio) / 2
    y, x = np.meshgrid(
        (np.arange(h) + offsets[0]) * step_y, (np.arange(w) + offsets[1]) * step_x, indexing="ij"
    )
    y, x = y[..., None], x[..., None]
    out = np.stack([x - half_w, y - half_h, x + half_w, y + half_h], axis=-1)
    if clip:
        out = np.clip(out, 0, 1)
    return out.reshape(1, -1, 4).astype(dtype)


def decode_anchors(loc: Array, anchors: Array, variances: Floats, clip: bool) -> Array:
    """Return SSD boxes (..., 4) at offsets `loc` (..., 4) from corner `anchors`."""
    anchor = to_center(anchors)
    scaled = loc * np.asarray(variances, loc.dtype)
    centre = scaled[..., :2] * anchor[..., 2:] + anchor[..., :2]
    out = to_corner(np.concatenate([centre, np.exp(scaled[..., 2:]) * anchor[..., 2:]], axis=-1))
    return np.clip(out, 0, 1) if clip else out


def multibox_detection(
    cls_prob: Array,
    loc_pred: Array,
    anchor: Array,
    clip: bool = True,
    threshold: float = 0.01,
    background_id: int = 0,
    nms_threshold: float = 0.5,
    force_suppress: bool = False,
    variances: Floats = (0.1, 0.1, 0.2, 0.2),
    nms_topk: int = -1,
) -> Array:
    """Return SSD detections (B, N, 6): class, score and corner box, a row an anchor.

    `cls_prob` (B, C, N) with class 0 the background, `loc_pred` (B, N * 4), `anchor` (1, N, 4).
    Source: MXNet's ``contrib.MultiBoxDetection``: the best foreground class counts if it reaches
    `threshold`; rows by falling score, suppressed ones keep score and box but get class -1, all
    others are -1. With `nms_topk` the rows beyond it keep their first order, class -1. A
    suppression threshold outside (0, 1] switches sorting and suppression off. `background_id` is
    accepted and ignored, as MXNet does.
    """
    batch, _, n = cls_prob.shape
    if loc_pred.shape != (batch, 4 * n) or anchor.shape != (1, n, 4):
        raise ShapeError(
            f"multibox detection: cls_prob {cls_prob.shape} needs loc_pred {(batch, 4 * n)} and "
            f"anchor {(1, n, 4)}, received {loc_pred.shape} and {anchor.shape}"
        )
    boxes = decode_anchors(widen(loc_pred).reshape(batch, n, 4), widen(anchor), variances, clip)
    best = cls_prob[:, 1:].argmax(axis=1)
    scores = np.take_along_axis(cls_prob[:, 1:], best[:, None], axis=1)[:, 0]
    out = np.full((batch, n, 6), -1, cls_prob.dtype)
    for i in range(batch):
        found = np.flatnonzero(scores[i] >= cls_prob.dtype.type(threshold))
        rows = np.column_stack([best[i, found], scores[i, found], boxes[i, found]])
        if len(rows) and 0 < nms_threshold <= 1:
            rows = _suppress(rows, nms_threshold, force_suppress, nms_topk)
        out[i, : len(rows)] = rows
    return out


def _suppress(rows: Array, threshold: float, force: bool, topk: int) -> Array:
    order = np.argsort(-rows[:, 1], kind="stable")
    count = min(topk, len(rows)) if topk > 0 else len(rows)
    out = rows.copy()
    out[:count] = rows[order[:count]]
    head = out[:count]
    keep = greedy_nms(head[:, 2:6], threshold, None if force else head[:, 0], inclusive=True)
    out[:count, 0] = np.where(keep, head[:, 0], -1)
    out[count:, 0] = -1
    return out


def multibox_target(
    anchor: Array,
    label: Array,
    cls_pred: Array,
    overlap_threshold: float = 0.5,
    ignore_label: float = -1.0,
    negative_mining_ratio: float = -1.0,
    negative_mining_thresh: float = 0.5,
    minimum_negative_samples: int = 0,
    variances: Floats = (0.1, 0.1, 0.2, 0.2),
) -> tuple[Array, Array, Array]:
    """Return the SSD training targets: offsets and their mask (B, N * 4), classes (B, N).

    `anchor` (1, N, 4) corner boxes, `label` (B, M, 5 or more) rows of class and corner box up to
    the first row of class -1, `cls_pred` (B, C, N) scores before softmax.
    Source: MXNet's ``contrib.MultiBoxTarget``: each object takes its best anchor, best pair
    first; then an anchor takes its best object if they overlap by more than `overlap_threshold`.
    Of the rest all are background, or with mining the ``ratio * positives`` least confident
    ones that overlap no object by `negative_mining_thresh`; what is neither is `ignore_label`.
    A sample without objects is all `ignore_label`. `minimum_negative_samples` is accepted and
    ignored, as MXNet does.
    """
    n = anchor.shape[1]
    boxes = widen(anchor[0])
    loc = np.zeros((len(label), n, 4), boxes.dtype)
    mask = np.zeros_like(loc)
    classes = np.full((len(label), n), ignore_label, boxes.dtype)
    for i, rows in enumerate(widen(label)):
        ends = np.flatnonzero(rows[:, 0] == -1)
        rows = rows[: ends[0]] if len(ends) else rows
        if not len(rows):
            continue
        overlap = pairwise_iou(boxes, rows[:, 1:5])
        match = _match(overlap, overlap_threshold)
        positive = match >= 0
        objects = rows[match[positive]]
        negative = ~positive
        if negative_mining_ratio > 0:
            wanted = min(int(positive.sum() * negative_mining_ratio), int(negative.sum()))
            negative &= overlap.max(axis=1) < negative_mining_thresh
            negative = _hardest(widen(cls_pred[i]), negative, wanted)
        classes[i, negative] = 0
        classes[i, positive] = objects[:, 0] + 1
        loc[i, positive] = encode_anchors(objects[:, 1:5], boxes[positive], variances)
        mask[i, positive] = 1
    flat = (len(label), 4 * n)
    dtype = anchor.dtype
    return (
        loc.reshape(flat).astype(dtype, copy=False),
        mask.reshape(flat).astype(dtype, copy=False),
        classes.astype(dtype, copy=False),
    )


def encode_anchors(boxes: Array, anchors: Array, variances: Floats) -> Array:
    """Inverse of `decode_anchors`: offsets (..., 4) of corner `boxes` from corner `anchors`."""
    box, anchor = to_center(boxes), to_center(anchors)
    shift = (box[..., :2] - anchor[..., :2]) / anchor[..., 2:]
    growth = np.log(box[..., 2:] / anchor[..., 2:])
    scaled = np.concatenate([shift, growth], axis=-1) / np.asarray(variances, boxes.dtype)
    return np.asarray(scaled)


def _match(overlap: Array, threshold: float) -> Array:
    """Object number of each anchor, -1 for none; `overlap` is (anchors, objects)."""
    match = np.full(len(overlap), -1)
    left = overlap.copy()
    for _ in range(overlap.shape[1]):
        i, j = np.unravel_index(left.argmax(), left.shape)
        if left[i, j] <= 1e-6:
            break
        match[i] = j
        left[i], left[:, j] = -1, -1
    if threshold > 0:
        best = overlap.argmax(axis=1)
        free = (match < 0) & (overlap.max(axis=1) > threshold)
        match[free] = best[free]
    return match


def _hardest(scores: Array, candidates: Array, count: int) -> Array:
    """Mark the `count` candidates of lowest background probability; `scores` is (C, N)."""
    shifted = np.exp(scores - scores.max(axis=0))
    background = shifted[0] / shifted.sum(axis=0)
    index = np.flatnonzero(candidates)
    chosen = index[np.argsort(background[index], kind="stable")[:count]]
    out = np.zeros_like(candidates)
    out[chosen] = True
    return out
