"""Boxes, region pooling, sampling and resizing against MXNet and against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_cases import Case, assert_close, load, numeric_grad

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops.kernels import boxes, deformable, multibox, proposal, resize, roi, sampler


def _decode(ins: list[np.ndarray], k: dict[str, Any]) -> np.ndarray:
    stds = [k.get(f"std{i}", 1.0) for i in range(4)]
    return boxes.box_decode(*ins, stds, k.get("clip", -1.0), k.get("format", "center"))


BOXES: dict[str, Callable[..., Any]] = {
    "MultiBoxPrior": lambda ins, k: multibox.multibox_prior(*ins[0].shape[2:], **k),
    "MultiBoxDetection": lambda ins, k: multibox.multibox_detection(*ins, **k),
    "MultiBoxTarget": lambda ins, k: multibox.multibox_target(*ins, **k),
    "box_iou": lambda ins, k: boxes.box_iou(*ins, k["format"]),
    "box_encode": lambda ins, k: boxes.box_encode(*ins),
    "box_decode": _decode,
    "box_nms": lambda ins, k: boxes.box_nms(*ins, **k)[0],
    "bipartite_matching": lambda ins, k: boxes.bipartite_matching(*ins, **k),
}


@pytest.mark.parametrize("case", load("boxes"))
def test_boxes(case: Case) -> None:
    got = BOXES[case.op.split(".")[-1]](case.ins, case.kwargs)
    for a, b in zip(got if isinstance(got, tuple) else (got,), case.outs, strict=True):
        assert_close(a, b)
    if case.grads:
        origin = boxes.box_nms(*case.ins, **case.kwargs)[1]
        assert_close(boxes.box_nms_grad(case.heads[0], origin), case.grads[0])


def test_nms_of_many_boxes_equals_all_pairs() -> None:
    rng = np.random.default_rng(0)
    low = rng.random((60, 2))
    rows = np.concatenate([low, low + rng.random((60, 2)) * 0.4], axis=1)
    overlap = boxes.pairwise_iou(rows, rows)
    kept: list[int] = []
    for i in range(60):
        if all(overlap[j, i] <= 0.2 for j in kept):
            kept.append(i)
    assert np.flatnonzero(boxes.greedy_nms(rows, 0.2)).tolist() == kept


def test_encode_inverts_decode() -> None:
    rng = np.random.default_rng(1)
    low = rng.random((1, 7, 2))
    anchors = np.concatenate([low, low + 0.3], axis=-1)
    delta = rng.normal(size=(1, 7, 4))
    var = (0.1, 0.1, 0.2, 0.2)
    box = multibox.decode_anchors(delta, anchors, var, clip=False)
    np.testing.assert_allclose(multibox.encode_anchors(box, anchors, var), delta)


@pytest.mark.parametrize("case", load("roi"))
def test_regions(case: Case) -> None:
    k, ins = dict(case.kwargs), case.ins
    if case.op == "ROIPooling":
        y, index = roi.roi_pooling(*ins, **k)
        assert_close(y, case.outs[0])
        assert_close(
            roi.roi_pooling_grad(case.heads[0], index, ins[1], ins[0].shape), case.grads[0]
        )
    elif case.op == "contrib.ROIAlign":
        assert_close(roi.roi_align(*ins, **k), case.outs[0])
        k.pop("pooled_size")
        got = roi.roi_align_grad(case.heads[0], ins[1], ins[0].shape, **k)
        assert_close(got, case.grads[0])
    else:
        k.pop("output_score", None)
        for a, b in zip(proposal.proposal(*ins, **k), case.outs, strict=False):
            assert_close(a, b)


@pytest.mark.parametrize("sensitive", [False, True])
def test_roi_align_gradient(sensitive: bool) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 4, 5, 6))
    rois = np.array([[0, 0.3, 0.6, 4.2, 3.9], [1, -2.0, 1, 9, 9], [-1, 0, 0, 3, 3]])
    rest = {"spatial_scale": 0.9, "position_sensitive": sensitive}
    y = roi.roi_align(x, rois, (2, 2), **rest)
    assert np.all(y[2] == 0)
    ct = rng.normal(size=y.shape)
    want = numeric_grad(lambda a: roi.roi_align(a, rois, (2, 2), **rest), x, ct)
    assert_close(roi.roi_align_grad(ct, rois, x.shape, **rest), want, 1e-7)


def test_region_of_an_image_that_is_not_there() -> None:
    with pytest.raises(ShapeError, match="image number 3"):
        roi.roi_pooling(np.zeros((1, 1, 4, 4)), np.array([[3.0, 0, 0, 2, 2]]), (2, 2), 1.0)


def _deformable(case: Case) -> None:
    k = case.kwargs
    ones = (1, 1)
    rest = (
        k["kernel"],
        k.get("stride", ones),
        k.get("pad", (0, 0)),
        k.get("dilate", ones),
        k.get("num_group", 1),
        k.get("num_deformable_group", 1),
    )
    if "Modulated" in case.op:
        x, offset, mask, w = case.ins
        assert_close(deformable.deformable_conv(x, offset, w, None, *rest, mask), case.outs[0])
        return
    x, offset, w, b = case.ins
    assert_close(deformable.deformable_conv(x, offset, w, b, *rest), case.outs[0])
    got = deformable.deformable_conv_grads(case.heads[0], x, offset, w, *rest)
    for i in range(3):
        assert_close(got[i], case.grads[i])


def _resize(case: Case) -> None:
    (x,), k = case.ins, case.kwargs
    corners = k.get("align_corners", True)
    h, w = case.outs[0].shape[2:]
    if "mode" in k:
        for n, m, side in ((x.shape[2], h, "height"), (x.shape[3], w, "width")):
            scale = k.get(f"scale_{side}")
            assert resize.bilinear_resize_out_size(n, k["mode"], scale=scale) == m
    assert_close(resize.bilinear_resize(x, h, w, corners), case.outs[0])
    got = resize.bilinear_resize_grad(case.heads[0], x.shape[2], x.shape[3], corners)
    assert_close(got, case.grads[0])


@pytest.mark.parametrize("case", load("sampler"))
def test_sampling(case: Case) -> None:
    ins, k = case.ins, case.kwargs
    dy = case.heads[0] if case.heads else np.zeros(())
    grads: Any
    if "Deformable" in case.op:
        return _deformable(case)
    if "Resize" in case.op:
        return _resize(case)
    if case.op == "BilinearSampler":
        y, grads = sampler.bilinear_sampler(*ins), sampler.bilinear_sampler_grad(dy, *ins)
    elif case.op == "SpatialTransformer":
        y = sampler.spatial_transformer(*ins, k["target_shape"])
        grads = sampler.spatial_transformer_grad(dy, *ins)
    elif case.op == "Correlation":
        y, grads = sampler.correlation(*ins, **k), sampler.correlation_grad(dy, *ins, **k)
    elif case.op == "UpSampling":
        y = resize.upsampling_nearest(*ins, k["scale"])
        grads = (resize.upsampling_nearest_grad(dy, k["scale"]),)
    elif case.op == "contrib.AdaptiveAvgPooling2D":
        y = resize.adaptive_avg_pool(*ins, k["output_size"])
        grads = (resize.adaptive_avg_pool_grad(dy, ins[0].shape[2:]),)
    elif k["transform_type"] == "affine":
        y = sampler.affine_grid(*ins, k["target_shape"])
        grads = (sampler.affine_grid_grad(dy),)
    else:
        y, grads = sampler.warp_grid(*ins), (sampler.warp_grid_grad(dy),)
    assert_close(y, case.outs[0])
    for i, want in case.grads.items():
        assert_close(grads[i], want)
    return None


@pytest.mark.parametrize("modulated", [False, True])
def test_deformable_gradients(modulated: bool) -> None:
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(2, 4, 5, 4)), rng.normal(size=(2, 2, 2, 2))
    rest = ((2, 2), (1, 2), (1, 0), (1, 1), 2, 2)
    offset = rng.normal(size=(2, 16, 6, 2)) * 1.3
    mask = rng.random((2, 8, 6, 2)) if modulated else None
    ct = rng.normal(size=deformable.deformable_conv(x, offset, w, None, *rest, mask).shape)
    got = deformable.deformable_conv_grads(ct, x, offset, w, *rest, mask)

    def run(a: Any, b: Any, c: Any, m: Any) -> np.ndarray:
        return deformable.deformable_conv(a, b, c, None, *rest, m)

    wants = [
        numeric_grad(lambda a: run(a, offset, w, mask), x, ct),
        numeric_grad(lambda a: run(x, a, w, mask), offset, ct),
        numeric_grad(lambda a: run(x, offset, a, mask), w, ct),
    ]
    if mask is not None:
        wants.append(numeric_grad(lambda a: run(x, offset, w, a), mask, ct))
    for a, b in zip(got, wants, strict=False):
        assert_close(a, b, 1e-6)


def test_sampler_gradient() -> None:
    rng = np.random.default_rng(4)
    x, grid = rng.normal(size=(1, 2, 4, 5)), rng.uniform(-1.3, 1.3, size=(1, 2, 3, 3))
    ct = rng.normal(size=(1, 2, 3, 3))
    dx, dg = sampler.bilinear_sampler_grad(ct, x, grid)
    assert_close(dx, numeric_grad(lambda a: sampler.bilinear_sampler(a, grid), x, ct), 1e-7)
    assert_close(dg, numeric_grad(lambda a: sampler.bilinear_sampler(x, a), grid, ct), 1e-6)


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("size", [(3, 9), (1, 1), (8, 2)])
def test_resize_gradient(size: tuple[int, int], corners: bool) -> None:
    rng = np.random.default_rng(5)
    x, ct = rng.normal(size=(1, 2, 4, 5)), rng.normal(size=(1, 2, *size))
    want = numeric_grad(lambda a: resize.bilinear_resize(a, *size, corners), x, ct)
    assert_close(resize.bilinear_resize_grad(ct, 4, 5, corners), want, 1e-7)


def test_resize_modes_are_checked() -> None:
    assert [resize.bilinear_resize_out_size(n, "to_odd_up") for n in (4, 5)] == [5, 5]
    assert resize.bilinear_resize_out_size(7, "like", like=3) == 3
    for mode in ("bigger", "odd_scale", "like", "to_even_sideways"):
        with pytest.raises(AttributeValueError, match="mode"):
            resize.bilinear_resize_out_size(4, mode)


def test_empty_batches() -> None:
    x, grid, rois = np.zeros((0, 2, 4, 4)), np.zeros((0, 2, 3, 3)), np.zeros((0, 5))
    assert sampler.bilinear_sampler(x, grid).shape == (0, 2, 3, 3)
    assert sampler.bilinear_sampler_grad(np.zeros((0, 2, 3, 3)), x, grid)[1].shape == grid.shape
    assert sampler.spatial_transformer(x, np.zeros((0, 6)), (3, 3)).shape == (0, 2, 3, 3)
    assert resize.bilinear_resize(x, 3, 3).shape == (0, 2, 3, 3)
    assert resize.adaptive_avg_pool(x, (3, 3)).shape == (0, 2, 3, 3)
    assert roi.roi_pooling(np.zeros((1, 2, 4, 4)), rois, (2, 2), 1.0)[0].shape == (0, 2, 2, 2)
    assert roi.roi_align(np.zeros((1, 2, 4, 4)), rois, (2, 2), 1.0).shape == (0, 2, 2, 2)
    assert boxes.box_nms(np.zeros((0, 3, 6)))[0].shape == (0, 3, 6)
    assert boxes.box_nms(np.zeros((2, 0, 6)))[0].shape == (2, 0, 6)
    assert boxes.bipartite_matching(np.zeros((2, 0, 3)), 0.5)[1].shape == (2, 3)
    y = multibox.multibox_detection(np.zeros((0, 3, 5)), np.zeros((0, 20)), np.zeros((1, 5, 4)))
    assert y.shape == (0, 5, 6)
    rest = ((2, 2), (1, 1), (0, 0), (1, 1))
    w, offset = np.zeros((3, 2, 2, 2)), np.zeros((0, 8, 3, 3))
    assert deformable.deformable_conv(x, offset, w, None, *rest).shape == (0, 3, 3, 3)
    got = deformable.deformable_conv_grads(np.zeros((0, 3, 3, 3)), x, offset, w, *rest)
    assert got[1].shape == offset.shape
