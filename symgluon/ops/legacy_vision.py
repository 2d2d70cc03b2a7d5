"""MXNet's names of detector operators whose forms differ from ours."""

from __future__ import annotations

from typing import Any

from symgluon.ir.attrs import Floats, Ints
from symgluon.ops.apply import F
from symgluon.ops.mx import mx_function


@mx_function(
    "_contrib_box_nms _npx_box_nms _contrib_box_non_maximum_suppression "
    "_npx_box_non_maximum_suppression"
)
def box_nms(
    data: Any,
    *,
    overlap_thresh: float = 0.5,
    valid_thresh: float = 0.0,
    topk: int = -1,
    coord_start: int = 2,
    score_index: int = 1,
    id_index: int = -1,
    background_id: int = -1,
    force_suppress: bool = False,
    in_format: str = "corner",
    out_format: str = "corner",
) -> Any:
    """Non-maximum suppression."""
    out, _ = F.box_nms(
        data,
        overlap_thresh=overlap_thresh,
        valid_thresh=valid_thresh,
        topk=topk,
        coord_start=coord_start,
        score_index=score_index,
        id_index=id_index,
        background_id=background_id,
        force_suppress=force_suppress,
        in_format=in_format,
        out_format=out_format,
    )
    return out


@mx_function("_contrib_MultiBoxPrior _npx_multibox_prior MultiBoxPrior")
def multibox_prior(
    data: Any,
    *,
    sizes: Floats = (1.0,),
    ratios: Floats = (1.0,),
    clip: bool = False,
    steps: Floats = (-1.0, -1.0),
    offsets: Floats = (0.5, 0.5),
) -> Any:
    """Anchors of a feature map; of `data` only height and width matter (fixed in a trace)."""
    return F.multibox_prior(
        height=int(data.shape[2]),
        width=int(data.shape[3]),
        sizes=sizes,
        ratios=ratios,
        clip=clip,
        steps=steps,
        offsets=offsets,
        dtype=data.dtype,
    )


@mx_function("_contrib_MultiBoxDetection _npx_multibox_detection MultiBoxDetection")
def multibox_detection(
    cls_prob: Any,
    loc_pred: Any,
    anchor: Any,
    *,
    clip: bool = True,
    threshold: float = 0.01,
    background_id: int = 0,
    nms_threshold: float = 0.5,
    force_suppress: bool = False,
    variances: Floats = (0.1, 0.1, 0.2, 0.2),
    nms_topk: int = -1,
) -> Any:
    """Detections of an SSD."""
    return F.multibox_detection(
        cls_prob,
        loc_pred,
        anchor,
        clip=clip,
        threshold=threshold,
        background_id=background_id,
        nms_threshold=nms_threshold,
        force_suppress=force_suppress,
        variances=variances,
        nms_topk=nms_topk,
    )


@mx_function("_contrib_MultiBoxTarget _npx_multibox_target MultiBoxTarget")
def multibox_target(
    anchor: Any,
    label: Any,
    cls_pred: Any,
    *,
    overlap_threshold: float = 0.5,
    ignore_label: float = -1.0,
    negative_mining_ratio: float = -1.0,
    negative_mining_thresh: float = 0.5,
    minimum_negative_samples: int = 0,
    variances: Floats = (0.1, 0.1, 0.2, 0.2),
) -> Any:
    """Training targets of an SSD."""
    return F.multibox_target(
        anchor,
        label,
        cls_pred,
        overlap_threshold=overlap_threshold,
        ignore_label=ignore_label,
        negative_mining_ratio=negative_mining_ratio,
        negative_mining_thresh=negative_mining_thresh,
        minimum_negative_samples=minimum_negative_samples,
        variances=variances,
    )


@mx_function("ROIPooling _npx_roi_pooling")
def roi_pooling(data: Any, rois: Any, *, pooled_size: Ints, spatial_scale: float) -> Any:
    """Maxima of regions of interest."""
    return F.roi_pooling(data, rois, pooled_size=pooled_size, spatial_scale=spatial_scale)
