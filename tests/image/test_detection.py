"""Images with boxes: boxes go where the pixels go; batches are MXNet 1.9.1's of the same records."""

from __future__ import annotations

import random

import numpy as np
import pytest

import symgluon as mx
from symgluon.errors import FormatError

LABEL = np.array([[0, 0.25, 0.25, 0.5, 0.5], [1, 0.5, 0.0, 1.0, 0.5]], np.float32)


def picture(label, h=32, w=48):
    """An image whose pixels are 50 and 100 inside of the two boxes."""
    pixels = np.zeros((h, w, 3), np.uint8)
    for kind, x0, y0, x1, y1 in label:
        pixels[round(y0 * h) : round(y1 * h), round(x0 * w) : round(x1 * w)] = 50 * (kind + 1)
    return pixels


def check(image, label):
    """Each box surrounds the pixels of its kind that are left."""
    pixels = image.asnumpy()
    h, w = pixels.shape[:2]
    for kind, *box in label:
        ys, xs = np.nonzero(pixels[..., 0] == 50 * (kind + 1))
        found = xs.min() / w, ys.min() / h, (xs.max() + 1) / w, (ys.max() + 1) / h
        np.testing.assert_allclose(found, box, atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "augment",
    [
        mx.image.DetHorizontalFlipAug(1.0),
        mx.image.DetRandomCropAug(min_object_covered=0.5, area_range=(0.2, 0.9)),
        mx.image.DetRandomPadAug(pad_val=(7, 7, 7)),
        mx.image.CreateMultiRandCropAugmenter([0.1, 0.9], area_range=[(0.3, 1.0), (0.5, 1.0)]),
    ],
)
def test_boxes_follow_the_pixels(augment, seed):
    random.seed(seed)
    source = mx.nd.array(picture(LABEL), dtype="uint8")
    image, label = augment(source, LABEL)
    assert len(label)
    check(image, label)
    np.testing.assert_array_equal(source.asnumpy(), picture(LABEL))


def test_crops_keep_what_was_asked_for():
    crop = mx.image.DetRandomCropAug(min_object_covered=1.0, min_eject_coverage=0.99)
    for seed in range(10):
        random.seed(seed)
        image, label = crop(mx.nd.array(picture(LABEL), dtype="uint8"), LABEL)
        areas = (label[:, 3] - label[:, 1]) * (label[:, 4] - label[:, 2])
        whole = {0: 0.0625, 1: 0.25}
        share = image.shape[0] * image.shape[1] / (32 * 48)
        for row, area in zip(label, areas, strict=True):
            assert area * share > 0.98 * whole[int(row[0])]


def test_the_usual_augmenters():
    made = mx.image.CreateDetAugmenter(
        (3, 8, 8), resize=10, rand_crop=0.5, rand_pad=0.5, rand_mirror=True, mean=True, std=True,
        brightness=0.1,
    )  # fmt: skip
    assert [type(a).__name__ for a in made] == [
        "DetBorrowAug", "DetRandomSelectAug", "DetHorizontalFlipAug", "DetRandomSelectAug",
        *["DetBorrowAug"] * 4,
    ]  # fmt: skip
    assert made[0].dumps() == ["detborrowaug", '["resizeaug", {"size": 10, "interp": 2}]']
    with pytest.raises(ValueError, match="rising numbers"):
        mx.image.DetRandomCropAug(area_range=(0.5, 0.1))
    with pytest.raises(ValueError, match="different lengths"):
        mx.image.CreateMultiRandCropAugmenter([0.1, 0.2], max_attempts=[1, 2, 3])


@pytest.fixture
def records(tmp_path):
    pytest.importorskip("PIL")
    from symgluon.recordio import encode_pixels

    labels = [
        [2, 5, 0, 0.1, 0.2, 0.5, 0.6],
        [2, 5, 1, 0.3, 0.3, 0.9, 0.8, 2, 0.05, 0.05, 0.95, 0.9],
        [2, 5, 1, 0.3, 0.3, 0.9, 0.8],
    ]
    paths = str(tmp_path / "x.idx"), str(tmp_path / "x.rec")
    with mx.recordio.MXIndexedRecordIO(*paths, "w") as file:
        for i, label in enumerate(labels):
            content = encode_pixels(np.full((12, 16, 3), 10 * i, np.uint8), 5, ".png")
            file.write_idx(i, mx.recordio.pack((0, label, i, 0), content))
    return paths


def test_batches(records):
    it = mx.image.ImageDetIter(2, (3, 8, 8), path_imgrec=records[1], path_imgidx=records[0])
    assert it.provide_label == [("label", (2, 2, 5))]
    first, second = list(it)
    none = [-1] * 5
    expected = [[[0, 0.1, 0.2, 0.5, 0.6], none],
                [[1, 0.3, 0.3, 0.9, 0.8], [2, 0.05, 0.05, 0.95, 0.9]]]  # fmt: skip
    np.testing.assert_allclose(first.label[0].asnumpy(), expected, rtol=1e-6)
    expected = [[[1, 0.3, 0.3, 0.9, 0.8], none], [[0, 0.1, 0.2, 0.5, 0.6], none]]
    np.testing.assert_allclose(second.label[0].asnumpy(), expected, rtol=1e-6)
    assert (first.pad, second.pad) == (0, 1)
    other = mx.image.ImageDetIter(2, (3, 8, 8), path_imgrec=records[1])
    other.reshape(label_shape=(4, 5))
    it.sync_label_shape(other)
    assert it.label_shape == (4, 5)
    it.reset()
    assert next(it).label[0].shape == (2, 4, 5)
    with pytest.raises(ValueError, match="label_shape"):
        it.reshape(label_shape=(1, 5))


def test_damaged_labels(records):
    with pytest.raises(FormatError, match="width of the header"):
        mx.image.ImageDetIter._parsed([1, 2, 3])
