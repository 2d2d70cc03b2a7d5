"""Detector operators in ONNX Runtime give exactly the rows of the kernels, at free sizes too."""

from __future__ import annotations

import layered
import numpy as np
import pytest

from symgluon.ops import F

pytest.importorskip("onnxruntime")


def corner_boxes(rng, *shape):
    low = rng.uniform(0, 0.7, (*shape, 2))
    return np.concatenate([low, low + rng.uniform(0.02, 0.3, (*shape, 2))], axis=-1).astype("f")


def rows(rng, batch, n):
    head = [rng.integers(0, 5, (batch, n, 1)), np.round(rng.uniform(0, 1, (batch, n, 1)), 2)]
    return np.concatenate([*head, corner_boxes(rng, batch, n)], axis=-1).astype("f")


NMS = [
    {"id_index": 0},
    {"id_index": 0, "background_id": 0, "valid_thresh": 0.1, "topk": 100},
    {"force_suppress": True, "overlap_thresh": 0.3, "topk": 10},
    {"overlap_thresh": 0.7, "valid_thresh": 0.5},
]


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("attrs", NMS, ids=str)
def test_box_nms(attrs, opset):
    rng = np.random.default_rng(len(attrs))

    def function(x):
        return F.box_nms(x, **attrs)

    made = None
    for batch, n in ((2, 60), (1, 200), (3, 1)):
        data = rows(rng, batch, n)
        if made is None:
            graph, scope = layered.trace(function, [data], {(0, 0), (0, 1)})
            assert not scope.guards
            made = layered.session(graph, opset)
        for got, want in zip(
            layered.run(made, [data]), layered.eager(function, [data]), strict=True
        ):
            np.testing.assert_array_equal(got, want)


DETECTION = [
    {},
    {"nms_topk": 20, "nms_threshold": 0.3},
    {"nms_topk": 1000, "force_suppress": True, "threshold": 0.5},
    {"nms_threshold": 1.0, "clip": False},
    {"nms_threshold": 0.0, "threshold": 0.6},
    {"threshold": 2.0},
]


@pytest.mark.parametrize("attrs", DETECTION, ids=str)
def test_multibox_detection(attrs):
    rng = np.random.default_rng(len(attrs))

    def function(*operands):
        return F.multibox_detection(*operands, **attrs)

    made = None
    for batch, n in ((2, 50), (1, 120)):
        scores = np.round(rng.uniform(0, 1, (batch, 4, n)), 2).astype("f")
        arrays = [scores, rng.standard_normal((batch, 4 * n)).astype("f"), corner_boxes(rng, 1, n)]
        if made is None:
            free = {(0, 0), (0, 2), (1, 0), (1, 1), (2, 1)}
            graph, _ = layered.trace(function, arrays, free)
            made = layered.session(graph)
        got, want = layered.run(made, arrays)[0], layered.eager(function, arrays)[0]
        np.testing.assert_array_equal(got[..., 0], want[..., 0])
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "attrs",
    [
        {"sample_ratio": 2},
        {"sample_ratio": -1},
        {"aligned": True},
        {"position_sensitive": True, "pooled_size": (2, 3)},
    ],
    ids=str,
)
def test_roi_align(attrs):
    rng = np.random.default_rng(1)
    attrs = {"pooled_size": (3, 2), "spatial_scale": 0.5, **attrs}
    data = rng.standard_normal((2, 6, 9, 8)).astype("f")
    low = rng.uniform(-3, 12, (20, 2))
    corners = np.concatenate([low, low + rng.uniform(0.1, 12, (20, 2))], axis=1)
    number = rng.integers(-1, 2, (20, 1))
    regions = np.concatenate([number, corners], axis=1).astype("f")

    def function(x, rois):
        return F.roi_align(x, rois, **attrs)

    graph, _ = layered.trace(function, [data, regions], {(0, 0), (0, 2), (0, 3), (1, 0)})
    made = layered.session(graph)
    layered.close(layered.run(made, [data, regions]), layered.eager(function, [data, regions]))


def test_roi_pooling():
    rng = np.random.default_rng(2)
    data = rng.standard_normal((2, 3, 9, 8)).astype("f")
    low = rng.uniform(-3, 12, (40, 2))
    corners = np.concatenate([low, low + rng.uniform(-2, 12, (40, 2))], axis=1)
    regions = np.concatenate([rng.integers(0, 2, (40, 1)), corners], axis=1).astype("f")

    def function(x, rois):
        return F.roi_pooling(x, rois, pooled_size=(3, 2), spatial_scale=0.7)

    graph, _ = layered.trace(function, [data, regions], {(1, 0)})
    made = layered.session(graph, 13)
    layered.close(layered.run(made, [data, regions]), layered.eager(function, [data, regions]), 0)
