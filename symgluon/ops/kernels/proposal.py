"""Region proposals of a Faster R-CNN region proposal network.

Source: arXiv:1506.01497, section 3.1, with MXNet's conventions (``contrib.Proposal``): boxes are
inclusive, so a width is ``x2 - x1 + 1``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ops.kernels._common import Array, widen

Floats = Sequence[float]


def base_anchors(stride: int, scales: Floats, ratios: Floats) -> Array:
    """Return the anchors (ratios * scales, 4) of the first cell; ratios vary slowest.

    Source: widths of equal area rounded to integers before scaling, around the cell's centre.
    """
    centre = (stride - 1) / 2
    out = []
    for ratio in ratios:
        width = np.floor(np.sqrt(np.floor(stride * stride / ratio)) + 0.5)
        height = np.floor(width * ratio + 0.5)
        for scale in scales:
            half = np.array([width * scale - 1, height * scale - 1]) / 2
            out.append(np.concatenate([centre - half, centre + half]))
    return np.array(out)


def proposal(
    cls_prob: Array,
    bbox_pred: Array,
    im_info: Array,
    rpn_pre_nms_top_n: int = 6000,
    rpn_post_nms_top_n: int = 300,
    threshold: float = 0.7,
    rpn_min_size: int = 16,
    scales: Floats = (4.0, 8.0, 16.0, 32.0),
    ratios: Floats = (0.5, 1.0, 2.0),
    feature_stride: int = 16,
    iou_loss: bool = False,
) -> tuple[Array, Array]:
    """Return proposed regions (N * post, 5) and their scores (N * post, 1), best first.

    `cls_prob` (N, 2 A, H, W), the second half foreground; `bbox_pred` (N, 4 A, H, W); `im_info`
    (N, 3) height, width and scale of each image. Where fewer survive than asked for, they repeat
    from the first. Source: MXNet's ``contrib.MultiProposal``; of one image ``contrib.Proposal``.
    """
    count = len(scales) * len(ratios)
    n, _, h, w = cls_prob.shape
    if cls_prob.shape[1] != 2 * count or bbox_pred.shape != (n, 4 * count, h, w):
        raise ShapeError(
            f"proposal: {count} anchors need cls_prob {(n, 2 * count, h, w)} and bbox_pred "
            f"{(n, 4 * count, h, w)}, received {cls_prob.shape} and {bbox_pred.shape}"
        )
    shift_y, shift_x = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    shift = np.stack([shift_x, shift_y, shift_x, shift_y], axis=-1) * feature_stride
    anchors = (shift[:, :, None] + base_anchors(feature_stride, scales, ratios)).reshape(-1, 4)
    rois, scores = [], []
    for i in range(n):
        info = widen(im_info[i])
        score = widen(cls_prob[i, count:]).transpose(1, 2, 0).copy()
        delta = widen(bbox_pred[i]).reshape(count, 4, h, w).transpose(2, 3, 0, 1).reshape(-1, 4)
        boxes = _shift_boxes if iou_loss else _transform_boxes
        box = boxes(anchors.astype(delta.dtype), delta)
        box = np.clip(box, 0, np.array([info[1], info[0]] * 2, delta.dtype) - 1)
        score[int(info[0] / feature_stride) :] = -1
        score[:, int(info[1] / feature_stride) :] = -1
        flat = score.reshape(-1)
        small = ((box[:, 2:] - box[:, :2] + 1) < rpn_min_size * info[2]).any(axis=1)
        half = rpn_min_size * info[2] / 2
        box[small] += np.array([-half, -half, half, half], box.dtype)
        flat[small] = -1
        kept, best = _select(box, flat, rpn_pre_nms_top_n, rpn_post_nms_top_n, threshold)
        rois.append(np.column_stack([np.full(len(kept), i), kept]))
        scores.append(best[:, None])
    dtype = cls_prob.dtype
    return np.concatenate(rois).astype(dtype), np.concatenate(scores).astype(dtype)


def _select(
    boxes: Array, scores: Array, pre: int, post: int, threshold: float
) -> tuple[Array, Array]:
    """Best boxes after suppression, exactly `post` of them."""
    limit = min(pre, len(scores)) if pre > 0 else len(scores)
    order = np.argsort(-scores, kind="stable")[:limit]
    boxes, scores = boxes[order], scores[order]
    kept: list[int] = []
    alive = np.ones(limit, bool)
    area = _inclusive_area(boxes)
    for i in range(limit):
        if not alive[i]:
            continue
        kept.append(i)
        if len(kept) == min(post, limit):
            break
        low = np.maximum(boxes[i, :2], boxes[i + 1 :, :2])
        high = np.minimum(boxes[i, 2:], boxes[i + 1 :, 2:])
        side = np.maximum(high - low + 1, 0)
        inter = side[:, 0] * side[:, 1]
        alive[i + 1 :] &= inter / (area[i] + area[i + 1 :] - inter) <= threshold
    index = np.array(kept)[np.arange(post) % len(kept)]
    return boxes[index], scores[index]


def _inclusive_area(boxes: Array) -> Array:
    side = boxes[:, 2:] - boxes[:, :2] + 1
    return np.asarray(side[:, 0] * side[:, 1])


def _transform_boxes(boxes: Array, delta: Array) -> Array:
    """Shift centres by `delta` times the size and grow sizes by its exponential."""
    size = boxes[:, 2:] - boxes[:, :2] + 1
    centre = boxes[:, :2] + (size - 1) / 2 + delta[:, :2] * size
    half = (np.exp(delta[:, 2:]) * size - 1) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _shift_boxes(boxes: Array, delta: Array) -> Array:
    """Shift corners by `delta`."""
    return np.asarray(boxes + delta)
