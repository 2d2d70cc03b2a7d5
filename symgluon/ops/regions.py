"""Regions of interest: pooling, aligned pooling, proposals.

A region is a row (image number, x1, y1, x2, y2) in coordinates of the network's input.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Floats, Ints, Shape
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.checks import check_dtypes, check_rank, check_shape
from symgluon.ops.kernels import proposal as proposals
from symgluon.ops.kernels import roi as kernels
from symgluon.ops.mx import mx_function
from symgluon.ops.state import wants


def _check(name: str, data: TensorType, rois: TensorType) -> None:
    check_dtypes(name, data, rois)
    check_rank(name, "data", data.shape, 4, 4)
    check_shape(name, "rois", rois.shape, (rois.known_shape[0], 5))


def _regions(rng: Any) -> Any:
    """Regions (image number, corners) for samples."""
    return np.array([[0, 0.3, 0.6, 4.2, 5.1], [0, 1.1, 0.2, 3.7, 2.9]])


# ---- maxima ------------------------------------------------------------------------------------
@op()
class RoiPooling(Op):
    """Maxima of regions (R, 5) of (N, C, H, W), cut into bins: (R, C, h, w); 0 if empty.

    Source: arXiv:1504.08083, section 2.1.
    """

    pooled_size: Ints
    spatial_scale: float

    def infer(self, data: TensorType, rois: TensorType) -> TensorType:
        _check("ROIPooling", data, rois)
        return data.with_shape((rois.known_shape[0], data.known_shape[1], *self.pooled_size))

    def kernel(self, data: Any, rois: Any) -> Any:
        size: Any = self.pooled_size
        return kernels.roi_pooling(data, rois, size, self.spatial_scale)[0]

    def grad(self, ct: Any, y: Any, data: Any, rois: Any) -> Any:
        return F.roi_pooling_grad(ct, data, rois, **self.attrs()) if wants(0) else None, None

    def onnx(self, g: Any, data: Any, rois: Any) -> Any:
        if g.dtype(data) == np.float64:  # ONNX Runtime has no kernel
            return NotImplemented
        return g.MaxRoiPool(
            data, rois, pooled_shape=list(self.pooled_size), spatial_scale=self.spatial_scale
        )

    samples = [
        S((1, 2, 6, 6), _regions, pooled_size=(2, 2), spatial_scale=1.0),
        S((1, 1, 6, 6), _regions, pooled_size=(1, 2), spatial_scale=0.5),
        S((2, 1, 3, 3), np.array([[1.0, 1, 1, 9, 9]]), pooled_size=(3, 3), spatial_scale=1.0),
    ]


@op()
class RoiPoolingGrad(Op):
    """Cotangents of the bins of `roi_pooling` go to the places of their maxima."""

    pooled_size: Ints
    spatial_scale: float

    def infer(self, dy: TensorType, data: TensorType, rois: TensorType) -> TensorType:
        pooled = RoiPooling(**self.attrs()).infer(data, rois)
        check_shape(self.name, "dy", dy.shape, pooled.known_shape)
        return data

    def kernel(self, dy: Any, data: Any, rois: Any) -> Any:
        size: Any = self.pooled_size
        places = kernels.roi_pooling(data, rois, size, self.spatial_scale)[1]
        return kernels.roi_pooling_grad(dy, places, rois, data.shape)

    def grad(self, ct: Any, y: Any, dy: Any, data: Any, rois: Any) -> Any:
        return F.roi_pooling_take(ct, data, rois, **self.attrs()), None, None

    samples = [
        S((2, 2, 2, 2), (1, 2, 6, 6), _regions, pooled_size=(2, 2), spatial_scale=1.0),
        S((2, 1, 1, 2), (1, 1, 6, 6), _regions, pooled_size=(1, 2), spatial_scale=0.5),
    ]


@op()
class RoiPoolingTake(Op):
    """The elements of `value` (like `data`) at the places of the maxima of `roi_pooling`."""

    pooled_size: Ints
    spatial_scale: float

    def infer(self, value: TensorType, data: TensorType, rois: TensorType) -> TensorType:
        check_shape(self.name, "value", value.shape, data.known_shape)
        return RoiPooling(**self.attrs()).infer(data, rois)

    def kernel(self, value: Any, data: Any, rois: Any) -> Any:
        size: Any = self.pooled_size
        places = kernels.roi_pooling(data, rois, size, self.spatial_scale)[1]
        planes = value[rois[:, 0].astype(np.int64)].reshape(*places.shape[:2], -1)
        flat = places.reshape(*places.shape[:2], -1)
        taken = np.take_along_axis(planes, np.maximum(flat, 0), axis=2)
        return np.where(flat < 0, value.dtype.type(0), taken).reshape(places.shape)

    def grad(self, ct: Any, y: Any, value: Any, data: Any, rois: Any) -> Any:
        return F.roi_pooling_grad(ct, data, rois, **self.attrs()), None, None

    samples = [
        S((1, 2, 6, 6), (1, 2, 6, 6), _regions, pooled_size=(2, 2), spatial_scale=1.0),
        S((1, 1, 6, 6), (1, 1, 6, 6), _regions, pooled_size=(1, 2), spatial_scale=0.5),
    ]


# ---- bilinear samples --------------------------------------------------------------------------
class _Align(Op):
    spatial_scale: float
    sample_ratio: int = -1
    position_sensitive: bool = False
    aligned: bool = False

    def arguments(self) -> tuple[Any, ...]:
        """Attributes as the kernels take them."""
        return self.spatial_scale, self.sample_ratio, self.position_sensitive, self.aligned


@op(mx="_contrib_ROIAlign")
class RoiAlign(_Align):
    """Averages of bilinear samples of regions (R, 5) of (N, C, H, W): (R, C, h, w).

    With `position_sensitive` each bin reads channels of its own.  Source: arXiv:1703.06870.
    """

    pooled_size: Ints = ()

    def channels(self, c: Any) -> Any:
        """Channels of the result."""
        if len(self.pooled_size) != 2 or min(self.pooled_size) < 1:
            raise AttributeValueError(f"ROIAlign: pooled_size is {self.pooled_size}")
        if not self.position_sensitive:
            return c
        bins = self.pooled_size[0] * self.pooled_size[1]
        if c % bins != 0:
            raise ShapeError(f"ROIAlign: {c} channels cannot be cut into {bins} bins")
        return c // bins

    def infer(self, data: TensorType, rois: TensorType) -> TensorType:
        _check("ROIAlign", data, rois)
        channels = self.channels(data.known_shape[1])
        return data.with_shape((rois.known_shape[0], channels, *self.pooled_size))

    def kernel(self, data: Any, rois: Any) -> Any:
        self.infer(TensorType(data.shape, data.dtype), TensorType(rois.shape, rois.dtype))
        size: Any = self.pooled_size
        return kernels.roi_align(data, rois, size, *self.arguments())

    def grad(self, ct: Any, y: Any, data: Any, rois: Any) -> Any:
        if not wants(0):
            return None, None
        attrs = {k: v for k, v in self.attrs().items() if k != "pooled_size"}
        return F.roi_align_grad(ct, rois, x_shape=data.shape, **attrs), None

    def onnx(self, g: Any, data: Any, rois: Any) -> Any:
        if self.aligned and g.opset < 16:
            return NotImplemented
        mode = "half_pixel" if self.aligned else "output_half_pixel"
        number = g.Reshape(g.slice(rois, [0], [1], [1]), g.ints([-1]))
        zero = g.const(np.zeros((), g.dtype(rois)))
        y = g.RoiAlign(
            data,
            g.slice(rois, [1], [5], [1]),
            g.cast(g.Max(number, zero), np.int64),
            output_height=int(self.pooled_size[0]),
            output_width=int(self.pooled_size[1]),
            sampling_ratio=max(self.sample_ratio, 0),
            spatial_scale=self.spatial_scale,
            coordinate_transformation_mode=mode if g.opset >= 16 else None,
        )
        # a negative image number marks an empty region
        real = g.cast(g.Not(g.Less(number, zero)), g.dtype(data))
        y = g.Mul(y, g.unsqueeze(real, [1, 2, 3]))
        if not self.position_sensitive:
            return y
        # every channel was pooled in every bin: keep the bin that belongs to the channel
        h, w = (int(n) for n in self.pooled_size)
        bins = g.Reshape(y, g.ints([0, -1, h * w, h * w]))
        own = g.Mul(bins, g.const(np.eye(h * w, dtype=g.dtype(data))))
        return g.Reshape(g.reduce("ReduceSum", own, (3,), False), g.ints([0, -1, h, w]))

    samples = [
        S((1, 2, 6, 6), _regions, pooled_size=(2, 2), spatial_scale=1.0),
        S((1, 2, 6, 6), _regions, pooled_size=(2, 3), spatial_scale=0.5, sample_ratio=2,
          aligned=True),
        S((1, 8, 6, 6), _regions, pooled_size=(2, 2), spatial_scale=1.0, position_sensitive=True),
        S((1, 1, 6, 6), np.array([[-1.0, 0, 0, 3, 3]]), pooled_size=(1, 1), spatial_scale=1.0),
    ]  # fmt: skip


@op()
class RoiAlignGrad(_Align):
    """Transpose of `roi_align` with respect to its data."""

    x_shape: Shape = ()

    def infer(self, dy: TensorType, rois: TensorType) -> TensorType:
        check_rank(self.name, "dy", dy.shape, 4, 4)
        r, channels, h, w = dy.known_shape
        check_shape(self.name, "rois", rois.shape, (r, 5))
        wide = channels * h * w if self.position_sensitive else channels
        check_shape(self.name, "x_shape", self.x_shape[1:2], (wide,))
        return dy.with_shape(self.x_shape)

    def kernel(self, dy: Any, rois: Any) -> Any:
        return kernels.roi_align_grad(dy, rois, self.x_shape, *self.arguments())

    def grad(self, ct: Any, y: Any, dy: Any, rois: Any) -> Any:
        attrs = {k: v for k, v in self.attrs().items() if k != "x_shape"}
        return F.roi_align(ct, rois, pooled_size=dy.shape[2:], **attrs), None

    samples = [
        S((2, 2, 2, 2), _regions, x_shape=(1, 2, 6, 6), spatial_scale=1.0),
        S((2, 1, 1, 1), _regions, x_shape=(1, 1, 6, 6), spatial_scale=0.5, sample_ratio=1),
    ]


# ---- proposals ---------------------------------------------------------------------------------
@op()
class Proposal(Op):
    """Proposed regions (N * post, 5) and their scores (N * post, 1), best first.

    Source: arXiv:1506.01497, section 3.1.
    """

    rpn_pre_nms_top_n: int = 6000
    rpn_post_nms_top_n: int = 300
    threshold: float = 0.7
    rpn_min_size: int = 16
    scales: Floats = (4.0, 8.0, 16.0, 32.0)
    ratios: Floats = (0.5, 1.0, 2.0)
    feature_stride: int = 16
    iou_loss: bool = False
    no_grad = True

    def infer(self, cls_prob: TensorType, bbox_pred: TensorType, im_info: TensorType) -> Any:
        check_dtypes("Proposal", cls_prob, bbox_pred, im_info)
        check_rank("Proposal", "cls_prob", cls_prob.shape, 4, 4)
        n, _, h, w = cls_prob.known_shape
        anchors = len(self.scales) * len(self.ratios)
        check_shape("Proposal", "cls_prob", cls_prob.shape, (n, 2 * anchors, h, w))
        check_shape("Proposal", "bbox_pred", bbox_pred.shape, (n, 4 * anchors, h, w))
        check_shape("Proposal", "im_info", im_info.shape, (n, 3))
        rows = n * self.rpn_post_nms_top_n
        return cls_prob.with_shape((rows, 5)), cls_prob.with_shape((rows, 1))

    def kernel(self, cls_prob: Any, bbox_pred: Any, im_info: Any) -> Any:
        operands = (cls_prob, bbox_pred, im_info)
        self.infer(*[TensorType(a.shape, a.dtype) for a in operands])
        return proposals.proposal(*operands, *self.attrs().values())

    samples = [
        S(lambda rng: rng.uniform(0, 1, (2, 4, 3, 4)), (2, 8, 3, 4),
          np.array([[48.0, 64.0, 1.0], [40.0, 60.0, 1.0]]), scales=(2.0, 4.0), ratios=(1.0,),
          rpn_pre_nms_top_n=12, rpn_post_nms_top_n=4),
        S(lambda rng: rng.uniform(0, 1, (1, 2, 1, 1)), (1, 4, 1, 1), np.array([[16.0, 16.0, 1.0]]),
          scales=(1.0,), ratios=(1.0,), rpn_post_nms_top_n=2, iou_loss=True),
    ]  # fmt: skip


@mx_function("_contrib_Proposal _contrib_MultiProposal")
def proposal(
    cls_prob: Any,
    bbox_pred: Any,
    im_info: Any,
    *,
    rpn_pre_nms_top_n: int = 6000,
    rpn_post_nms_top_n: int = 300,
    threshold: float = 0.7,
    rpn_min_size: int = 16,
    scales: Floats = (4.0, 8.0, 16.0, 32.0),
    ratios: Floats = (0.5, 1.0, 2.0),
    feature_stride: int = 16,
    output_score: bool = False,
    iou_loss: bool = False,
) -> Any:
    """Regions that a region proposal network proposes; with `output_score` their scores too."""
    rois, scores = F.proposal(
        cls_prob,
        bbox_pred,
        im_info,
        rpn_pre_nms_top_n=rpn_pre_nms_top_n,
        rpn_post_nms_top_n=rpn_post_nms_top_n,
        threshold=threshold,
        rpn_min_size=rpn_min_size,
        scales=scales,
        ratios=ratios,
        feature_stride=feature_stride,
        iou_loss=iou_loss,
    )
    return (rois, scores) if output_score else rois
