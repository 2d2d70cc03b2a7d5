"""Non-maximum suppression in ONNX: the standard operator, and the layout MXNet gives its result."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from symgluon.ops.checks import is_int


def _column(g: Any, rows: Any, at: int) -> Any:
    """Column `at` of (B, N, W): (B, N)."""
    return g.Gather(rows, g.const(np.asarray(at, np.int64)), axis=2)


def _apart(g: Any, boxes: Any, classes: Any) -> Any:
    """Move the boxes of each class to a place of its own, so that classes do not overlap."""
    span = g.Add(
        g.Mul(g.reduce("ReduceMax", g.Abs(boxes), (0, 1, 2), True), g.const(np.float32(2.0))),
        g.const(np.float32(1.0)),
    )
    return g.Mul(g.unsqueeze(classes, [2]), span)


def _selected(
    g: Any, boxes: Any, scores: Any, threshold: float, valid: float, n: Any, *, center: bool
) -> tuple[Any, Any, Any]:
    """Surviving (batch, row) of each, and its position among those of its sample."""
    count = g.unsqueeze(g.dim_value(n), [0]) if not is_int(n) else g.ints([int(n)])
    found = g.NonMaxSuppression(
        boxes,
        g.unsqueeze(scores, [1]),
        count,
        g.const(np.asarray([threshold], np.float32)),
        g.const(np.asarray([valid], np.float32)),
        center_point_box=int(center),
    )
    batch = g.slice(found, [0], [1], [1])  # (M, 1)
    row = g.slice(found, [2], [3], [1])
    samples = g.slice(g.Shape(scores), [0], [1], [0])
    zero, one = g.const(np.asarray(0, np.int64)), g.const(np.asarray(1, np.int64))
    every = g.Range(zero, g.Squeeze(samples), one)
    own = g.cast(g.Equal(batch, g.unsqueeze(every, [0])), np.int32)  # (M, B)
    nth = g.CumSum(own, g.const(np.asarray(0, np.int64)))
    position = g.reduce("ReduceSum", g.Mul(nth, own), (1,), True)
    position = g.Sub(g.cast(position, np.int64), one)
    return batch, row, position


def box_nms_onnx(op: Any, g: Any, data: Any) -> Any:
    """Rows by falling score, then -1; second result: the row each came from."""
    shape = g.shape(data)
    if g.dtype(data) != np.float32 or not is_int(shape[-1]):
        return NotImplemented
    n, width = shape[-2], int(shape[-1])
    rows = g.Reshape(data, g.shape_vector((-1, n, width)))
    scores = _column(g, rows, op.score_index)
    invalid = g.const(np.float32(-np.inf))
    alive = g.Greater(scores, g.const(np.float32(op.valid_thresh)))
    if op.id_index >= 0 and op.background_id >= 0:
        ids = _column(g, rows, op.id_index)
        other = g.Not(g.Equal(ids, g.const(np.float32(op.background_id))))
        alive = g.And(alive, other)
    scores = g.Where(alive, scores, invalid)
    if op.topk > 0:
        scores = _best(g, scores, op.topk, n)
    start = op.coord_start
    boxes = g.slice(rows, [start], [start + 4], [2])
    if op.id_index >= 0 and not op.force_suppress:
        shift = _apart(g, boxes, _column(g, rows, op.id_index))
        if op.in_format == "center":
            centre = g.Add(g.slice(boxes, [0], [2], [2]), shift)
            boxes = g.Concat(centre, g.slice(boxes, [2], [4], [2]), axis=2)
        else:
            boxes = g.Add(boxes, shift)
    lowest = float(np.finfo(np.float32).min)
    batch, row, position = _selected(
        g, boxes, scores, op.overlap_thresh, lowest, n, center=op.in_format == "center"
    )
    kept = g.GatherND(rows, g.Concat(batch, row, axis=1))  # (M, W)
    kept = _reformatted(op, g, kept, width)
    target = g.Concat(batch, position, axis=1)
    empty = g.Expand(g.const(np.float32(-1)), g.Shape(rows))
    out = g.Reshape(g.ScatterND(empty, target, kept), g.Shape(data))
    flat = g.slice(g.Shape(rows), [0], [2], [0])
    none = g.Expand(g.const(np.asarray(-1, np.int64)), flat)
    origin = g.ScatterND(none, target, g.squeeze(row, [1]))
    lead = g.slice(g.Shape(data), [0], [len(shape) - 1], [0])
    return out, g.Reshape(origin, lead)


def _best(g: Any, scores: Any, k: int, n: Any) -> Any:
    """Only the `k` best scores of each sample stay."""
    if is_int(n) and k >= int(n):
        return scores
    count = g.ints([k])
    if not is_int(n):
        count = g.Min(count, g.unsqueeze(g.dim_value(n), [0]))
    # ONNX Runtime's CUDA provider fills up with the last finite number, in places that are none
    finite = g.Max(scores, g.const(_LATE))
    _, places = g.TopK(finite, count, axis=1, largest=1, sorted=1, outputs=2)
    values = g.GatherElements(scores, places, axis=1)
    empty = g.Expand(g.const(np.float32(-np.inf)), g.Shape(scores))
    return g.ScatterElements(empty, places, values, axis=1)


def _reformatted(op: Any, g: Any, kept: Any, width: int) -> Any:
    if op.in_format == op.out_format:
        return kept
    start = op.coord_start
    first, second = (g.slice(kept, [start + i], [start + i + 2], [1]) for i in (0, 2))
    half = g.const(np.float32(0.5))
    if op.out_format == "corner":
        reach = g.Mul(second, half)
        pair = [g.Sub(first, reach), g.Add(first, reach)]
    else:
        pair = [g.Mul(g.Add(first, second), half), g.Sub(second, first)]
    parts = [g.slice(kept, [0], [start], [1])] if start else []
    parts += pair
    if start + 4 < width:
        parts.append(g.slice(kept, [start + 4], [width], [1]))
    return g.Concat(*parts, axis=1)


def detection_onnx(op: Any, g: Any, cls_prob: Any, loc_pred: Any, anchor: Any) -> Any:
    """SSD detections: decode, best class, order by score, suppression marks class -1."""
    n = g.shape(cls_prob)[2]
    if g.dtype(cls_prob) != np.float32:
        return NotImplemented
    fore = g.slice(cls_prob, [1], [2**63 - 1], [1])
    score = g.reduce("ReduceMax", fore, (1,), False)
    found = _Found(
        g,
        g.shape_vector([n]),
        g.cast(g.ArgMax(fore, axis=1, keepdims=0), np.float32),
        score,
        _decoded(op, g, loc_pred, anchor),
        g.Not(g.Less(score, g.const(np.float32(op.threshold)))),
    )
    if not 0 < op.nms_threshold <= 1:
        label, *row = found.in_order(found.places())
        return found.rows(label, *row)
    label, score, boxes = found.in_order(score)
    head = None if op.nms_topk <= 0 else g.Less(_every(g, n), g.const(np.int64(op.nms_topk)))
    ranked = score if head is None else g.Where(head, score, g.const(_NEVER))
    apart = boxes if op.force_suppress else g.Add(boxes, _apart(g, boxes, label))
    # MXNet suppresses from the threshold on, ONNX above it: take the number just below
    threshold = float(np.nextafter(np.float32(op.nms_threshold), np.float32(0)))
    batch, row, _ = _selected(g, apart, ranked, threshold, float(_LOWEST), n, center=False)
    hit = g.Concat(batch, row, axis=1)
    minus = g.Expand(g.const(np.float32(-1)), g.Shape(ranked))
    kept = g.ScatterND(minus, hit, g.GatherND(label, hit))
    result = found.rows(kept, score, boxes)
    if head is None:
        return result
    # beyond the best, rows stay in the order of the anchors
    _, *rest = found.in_order(found.places())
    return g.Where(g.unsqueeze(head, [1]), result, found.rows(minus, *rest))


_LOWEST = np.finfo(np.float32).min
_LATE = np.nextafter(_LOWEST, np.float32(0))
_NEVER = np.float32(-np.inf)


def _every(g: Any, n: Any) -> Any:
    """0, 1, ... n - 1."""
    if is_int(n):
        return g.const(np.arange(n, dtype=np.int64))
    zero, one = g.const(np.asarray(0, np.int64)), g.const(np.asarray(1, np.int64))
    return g.Range(zero, g.dim_value(n), one)


class _Found(NamedTuple):
    """Best class, score (B, N) and box (B, N, 4) of each anchor; `alive` where it counts."""

    g: Any
    count: Any
    label: Any
    score: Any
    boxes: Any
    alive: Any

    def places(self) -> Any:
        """A key that keeps the anchors in order."""
        g = self.g
        ones = g.Mul(self.score, g.const(np.float32(0)))
        ones = g.Add(ones, g.const(np.float32(1)))
        return g.Neg(g.CumSum(ones, g.const(np.asarray(1, np.int64))))

    def in_order(self, key: Any) -> tuple[Any, Any, Any]:
        """Class, score (minus infinity if it does not count) and box by falling `key`."""
        g = self.g
        never = g.const(_NEVER)
        ranked = g.Where(self.alive, key, g.const(_LATE))  # see `_best`
        _, order = g.TopK(ranked, self.count, axis=1, largest=1, sorted=1, outputs=2)
        at = g.Expand(g.unsqueeze(order, [2]), g.Shape(self.boxes))
        score = g.Where(self.alive, self.score, never)
        return (
            g.GatherElements(self.label, order, axis=1),
            g.GatherElements(score, order, axis=1),
            g.GatherElements(self.boxes, at, axis=1),
        )

    def rows(self, label: Any, score: Any, boxes: Any) -> Any:
        """Join to rows, -1 throughout where the score does not count."""
        g = self.g
        joined = g.Concat(g.unsqueeze(label, [2]), g.unsqueeze(score, [2]), boxes, axis=2)
        real = g.unsqueeze(g.Not(g.Less(score, g.const(_LOWEST))), [2])
        return g.Where(real, joined, g.const(np.float32(-1)))


def _decoded(op: Any, g: Any, loc_pred: Any, anchor: Any) -> Any:
    """Boxes (B, N, 4) at offsets from the anchors."""
    half = g.const(np.float32(0.5))
    low, high = g.slice(anchor, [0], [2], [2]), g.slice(anchor, [2], [4], [2])
    size, centre = g.Sub(high, low), g.Mul(g.Add(low, high), half)
    loc = g.Reshape(loc_pred, g.ints([0, -1, 4]))
    scaled = g.Mul(loc, g.const(np.asarray(op.variances, np.float32)))
    middle = g.Add(g.Mul(g.slice(scaled, [0], [2], [2]), size), centre)
    reach = g.Mul(g.Mul(g.Exp(g.slice(scaled, [2], [4], [2])), size), half)
    boxes = g.Concat(g.Sub(middle, reach), g.Add(middle, reach), axis=2)
    if op.clip:
        return g.clip(boxes, np.float32(0), np.float32(1))
    return boxes
