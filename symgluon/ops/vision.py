"""Operators of detectors: anchors, boxes, suppression, matching."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import DType, Floats
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.checks import check_rank, check_shape
from symgluon.ops.kernels import boxes, multibox
from symgluon.ops.vision_onnx import box_nms_onnx, detection_onnx


@op()
class MultiboxPrior(Op):
    """SSD anchors (1, height * width * K, 4) of a feature map."""

    height: int
    width: int
    sizes: Floats = (1.0,)
    ratios: Floats = (1.0,)
    clip: bool = False
    steps: Floats = (-1.0, -1.0)
    offsets: Floats = (0.5, 0.5)
    dtype: DType = np.dtype("float32")
    no_grad = True

    def infer(self) -> TensorType:
        count = len(self.sizes) + len(self.ratios) - 1
        return TensorType((1, self.height * self.width * count, 4), self.dtype)

    def kernel(self) -> Any:
        return multibox.multibox_prior(*self.attrs().values())

    def onnx(self, g: Any) -> Any:
        return g.const(self.kernel())

    samples = [
        S(height=2, width=3),
        S(height=1, width=1, sizes=(0.5, 0.2), ratios=(1.0, 2.0), clip=True),
    ]


@op()
class MultiboxDetection(Op):
    """SSD detections (B, N, 6): class, score, corner box; -1 where there is none."""

    clip: bool = True
    threshold: float = 0.01
    background_id: int = 0
    nms_threshold: float = 0.5
    force_suppress: bool = False
    variances: Floats = (0.1, 0.1, 0.2, 0.2)
    nms_topk: int = -1
    no_grad = True

    def infer(self, cls_prob: TensorType, loc_pred: TensorType, anchor: TensorType) -> TensorType:
        batch, classes, n = cls_prob.known_shape
        if classes < 2:
            raise ShapeError("MultiBoxDetection: cls_prob needs a class beside the background")
        check_shape("MultiBoxDetection", "loc_pred", loc_pred.shape, (batch, n * 4))
        check_shape("MultiBoxDetection", "anchor", anchor.shape, (1, n, 4))
        return cls_prob.with_shape((batch, n, 6))

    def kernel(self, cls_prob: Any, loc_pred: Any, anchor: Any) -> Any:
        return multibox.multibox_detection(cls_prob, loc_pred, anchor, *self.attrs().values())

    def onnx(self, g: Any, cls_prob: Any, loc_pred: Any, anchor: Any) -> Any:
        return detection_onnx(self, g, cls_prob, loc_pred, anchor)

    samples = [
        S(lambda rng: rng.uniform(0, 1, (2, 3, 4)), (2, 16), lambda rng: _boxes(rng, 1, 4)),
        S(lambda rng: rng.uniform(0, 1, (1, 2, 5)), (1, 20), lambda rng: _boxes(rng, 1, 5),
          threshold=0.4, nms_threshold=0.2, force_suppress=True),
    ]  # fmt: skip


@op()
class MultiboxTarget(Op):
    """Training targets of an SSD: box offsets (B, N * 4), their mask, classes (B, N)."""

    overlap_threshold: float = 0.5
    ignore_label: float = -1.0
    negative_mining_ratio: float = -1.0
    negative_mining_thresh: float = 0.5
    minimum_negative_samples: int = 0
    variances: Floats = (0.1, 0.1, 0.2, 0.2)
    no_grad = True

    def infer(self, anchor: TensorType, label: TensorType, cls_pred: TensorType) -> Any:
        batch, n = label.known_shape[0], anchor.known_shape[1]
        flat = anchor.with_shape((batch, n * 4))
        return flat, flat, anchor.with_shape((batch, n))

    def kernel(self, anchor: Any, label: Any, cls_pred: Any) -> Any:
        return multibox.multibox_target(anchor, label, cls_pred, *self.attrs().values())

    samples = [
        S(lambda rng: _boxes(rng, 1, 4), lambda rng: np.array([[[0.0, 0.1, 0.1, 0.5, 0.5]]]),
          lambda rng: rng.uniform(0, 1, (1, 2, 4))),
        S(lambda rng: _boxes(rng, 1, 3), lambda rng: np.full((2, 1, 5), -1.0),
          lambda rng: rng.uniform(0, 1, (2, 2, 3))),
    ]  # fmt: skip


def _boxes(rng: Any, batch: int, n: int) -> Any:
    """Corner boxes for samples."""
    low = rng.uniform(0, 0.5, (batch, n, 2))
    return np.concatenate([low, low + rng.uniform(0.1, 0.4, (batch, n, 2))], axis=-1)


def _rows(rng: Any, batch: int, n: int) -> Any:
    """Rows class, score, box for samples."""
    head = np.stack([rng.integers(0, 2, (batch, n)), rng.uniform(0, 1, (batch, n))], axis=-1)
    return np.concatenate([head, _boxes(rng, batch, n)], axis=-1)


def _check_format(name: str, *formats: str) -> None:
    for text in formats:
        if text not in ("corner", "center"):
            raise AttributeValueError(f"{name}: box format {text!r}; known: corner, center")


@op()
class BoxNms(Op):
    """Rows (..., N, width) that survive non-maximum suppression, best first, then rows of -1.

    The second result says which row each came from (-1: none).
    """

    overlap_thresh: float = 0.5
    valid_thresh: float = 0.0
    topk: int = -1
    coord_start: int = 2
    score_index: int = 1
    id_index: int = -1
    background_id: int = -1
    force_suppress: bool = False
    in_format: str = "corner"
    out_format: str = "corner"

    def infer(self, data: TensorType) -> Any:
        _check_format("box_nms", self.in_format, self.out_format)
        check_rank("box_nms", "data", data.shape, 2)
        int(data.known_shape[-1])  # columns are picked by number
        places = TensorType(data.known_shape[:-1], np.dtype(np.int64))
        return data, places

    def kernel(self, data: Any) -> Any:
        return boxes.box_nms(data, *self.attrs().values())

    def grad(self, ct: Any, y: Any, data: Any) -> Any:
        return None if ct[0] is None else F.box_nms_grad(ct[0], y[1])

    def onnx(self, g: Any, data: Any) -> Any:
        return box_nms_onnx(self, g, data)

    samples = [
        S(lambda rng: _rows(rng, 2, 5), id_index=0),
        S(lambda rng: _rows(rng, 1, 4), force_suppress=True, overlap_thresh=0.1, topk=3,
          valid_thresh=0.2),
        S(lambda rng: _rows(rng, 1, 4)[0], id_index=0, background_id=0),
    ]  # fmt: skip


@op()
class BoxNmsGrad(Op):
    """Rows of the cotangent go back to where they came from."""

    def infer(self, dy: TensorType, origin: TensorType) -> TensorType:
        check_shape(self.name, "origin", origin.shape, dy.known_shape[:-1])
        return dy

    def kernel(self, dy: Any, origin: Any) -> Any:
        return boxes.box_nms_grad(dy, origin)

    def grad(self, ct: Any, y: Any, dy: Any, origin: Any) -> Any:
        return F.box_nms_take(ct, origin), None

    samples = [S((3, 6), np.array([1, 0, -1])), S((1, 2, 6), np.array([[1, 0]]))]


@op()
class BoxNmsTake(Op):
    """Rows at `origin`, 0 where it is -1: the transpose of `box_nms_grad`."""

    def infer(self, x: TensorType, origin: TensorType) -> TensorType:
        check_shape(self.name, "origin", origin.shape, x.known_shape[:-1])
        return x

    def kernel(self, x: Any, origin: Any) -> Any:
        taken = np.take_along_axis(x, np.maximum(origin, 0)[..., None], axis=-2)
        return np.where((origin >= 0)[..., None], taken, x.dtype.type(0))

    def grad(self, ct: Any, y: Any, x: Any, origin: Any) -> Any:
        return F.box_nms_grad(ct, origin), None

    samples = [S((3, 6), np.array([1, 0, -1])), S((1, 2, 6), np.array([[1, 0]]))]


@op(mx="_contrib_box_iou _npx_box_iou")
class BoxIou(Op):
    """Intersection over union of every box in `lhs` (..., 4) with every one in `rhs`."""

    format: str = "corner"
    no_grad = True

    def infer(self, lhs: TensorType, rhs: TensorType) -> TensorType:
        _check_format("box_iou", self.format)
        return lhs.with_shape((*lhs.known_shape[:-1], *rhs.known_shape[:-1]))

    def kernel(self, lhs: Any, rhs: Any) -> Any:
        kind: Any = self.format
        return boxes.box_iou(lhs, rhs, kind)

    def decompose(self, lhs: Any, rhs: Any) -> Any:
        first = lhs if self.format == "corner" else corner_of(lhs)
        second = rhs if self.format == "corner" else corner_of(rhs)
        a = F.reshape(first, shape=(*lhs.shape[:-1], *(1,) * (rhs.ndim - 1), 4))
        low = F.maximum(_part(a, 0, 2), _part(second, 0, 2))
        high = F.minimum(_part(a, 2, 4), _part(second, 2, 4))
        zero = np.zeros((), lhs.dtype)
        inter = F.prod(F.maximum(high - low, zero), axis=-1)
        union = _area(a) + _area(second) - inter
        real = F.greater(union, zero)
        return F.where(real, inter / F.where(real, union, np.ones((), lhs.dtype)), zero)

    samples = [
        S(lambda rng: _boxes(rng, 1, 3)[0], lambda rng: _boxes(rng, 1, 2)[0]),
        S(lambda rng: _boxes(rng, 2, 2), lambda rng: _boxes(rng, 1, 2)[0], format="center"),
    ]


def corner_of(box: Any) -> Any:
    """(x, y, w, h) around a centre to (x0, y0, x1, y1), in operators."""
    centre = _part(box, 0, 2)
    half = _part(box, 2, 4) * 0.5
    return F.concatenate(centre - half, centre + half, axis=-1)


def center_of(box: Any) -> Any:
    """(x0, y0, x1, y1) to (x, y, w, h) around the centre, in operators."""
    low, high = _part(box, 0, 2), _part(box, 2, 4)
    return F.concatenate((low + high) * 0.5, high - low, axis=-1)


def _part(x: Any, start: int, stop: int) -> Any:
    return F.index(x, index=(*(slice(None),) * (x.ndim - 1), slice(start, stop)))


def _area(box: Any) -> Any:
    """Area of corner boxes, 0 where a side is negative."""
    zero = np.zeros((), box.dtype)
    return F.prod(F.maximum(_part(box, 2, 4) - _part(box, 0, 2), zero), axis=-1)


@op(mx="_contrib_box_decode _npx_box_decode")
class BoxDecode(Op):
    """Corner boxes (B, N, 4) that regression outputs (B, N, 4) mean around anchors (1, N, 4)."""

    std0: float = 1.0
    std1: float = 1.0
    std2: float = 1.0
    std3: float = 1.0
    clip: float = -1.0
    format: str = "center"

    def infer(self, data: TensorType, anchors: TensorType) -> TensorType:
        _check_format("box_decode", self.format)
        check_shape("box_decode", "anchors", anchors.shape, (1, *data.known_shape[1:]))
        return data

    def kernel(self, data: Any, anchors: Any) -> Any:
        kind: Any = self.format
        stds = (self.std0, self.std1, self.std2, self.std3)
        return boxes.box_decode(data, anchors, stds, self.clip, kind)

    def decompose(self, data: Any, anchors: Any) -> Any:
        anchor = center_of(anchors) if self.format == "corner" else anchors
        stds = np.asarray([self.std0, self.std1, self.std2, self.std3], data.dtype)
        scaled = data * stds
        growth = _part(scaled, 2, 4)
        if self.clip > 0:
            growth = F.minimum(growth, np.asarray(self.clip, data.dtype))
        size = _part(anchor, 2, 4)
        centre = _part(scaled, 0, 2) * size + _part(anchor, 0, 2)
        return corner_of(F.concatenate(centre, F.exp(growth) * size, axis=-1))

    samples = [
        S((2, 3, 4), lambda rng: _boxes(rng, 1, 3)),
        S((2, 3, 4), lambda rng: _boxes(rng, 1, 3), format="corner", clip=0.5, std0=0.1),
    ]


@op(mx="_contrib_box_encode _npx_box_encode")
class BoxEncode(Op):
    """Regression targets of matched anchors, and the mask of those that count."""

    no_grad = True

    def infer(
        self,
        samples: TensorType,
        matches: TensorType,
        anchors: TensorType,
        refs: TensorType,
        means: TensorType,
        stds: TensorType,
    ) -> Any:
        shape = anchors.with_shape((*samples.known_shape, 4))
        return shape, shape

    def kernel(
        self, samples: Any, matches: Any, anchors: Any, refs: Any, means: Any, stds: Any
    ) -> Any:
        return boxes.box_encode(samples, matches, anchors, refs, means, stds)

    samples = [
        S(lambda rng: np.array([[1.0, 0.0, 1.0]]), lambda rng: np.array([[0.0, 1.0, 1.0]]),
          lambda rng: _boxes(rng, 1, 3), lambda rng: _boxes(rng, 1, 2),
          lambda rng: np.zeros(4), lambda rng: np.ones(4)),
        S(lambda rng: np.zeros((1, 2)), lambda rng: np.zeros((1, 2)),
          lambda rng: _boxes(rng, 1, 2), lambda rng: _boxes(rng, 1, 1),
          lambda rng: np.zeros(4), lambda rng: np.full(4, 0.1)),
    ]  # fmt: skip


@op(mx="_contrib_bipartite_matching _npx_bipartite_matching")
class BipartiteMatching(Op):
    """Greedy matching of rows and columns by score: column of each row, row of each column."""

    threshold: float
    is_ascend: bool = False
    topk: int = -1
    no_grad = True

    def infer(self, data: TensorType) -> Any:
        shape = data.known_shape
        return data.with_shape(shape[:-1]), data.with_shape((*shape[:-2], shape[-1]))

    def kernel(self, data: Any) -> Any:
        return boxes.bipartite_matching(data, self.threshold, self.is_ascend, self.topk)

    samples = [S(lambda rng: rng.uniform(0, 1, (3, 2)), threshold=0.1),
               S(lambda rng: rng.uniform(0, 1, (1, 2, 3)), threshold=0.5)]  # fmt: skip
