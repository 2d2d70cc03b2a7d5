"""Augmenters with the seeds and images of MXNet 1.9.1, which gave these results."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

import symgluon as mx
from symgluon.errors import FormatError, ShapeError, SymgluonError

DATA = json.loads((Path(__file__).parent.parent / "data" / "augmenters.json").read_text())
IMAGE = np.array(DATA["image"], np.uint8)
CASES = DATA["augmenters"]


def loaded(text):
    """What `dumps` gives, whether nested as lists or as text."""
    found = json.loads(text) if isinstance(text, str) else text
    return [loaded(f) if isinstance(f, str) and f.startswith("[") else
            [loaded(g) for g in f] if isinstance(f, list) and f and isinstance(f[0], str)
            and f[0].startswith("[") else f for f in found]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[c["code"][:30] for c in CASES])
def test_gives_mxnets_pixels(case):
    code = case["code"]
    image = mx.nd.array(IMAGE, dtype="uint8")
    if not any(word in code for word in ("Crop", "Resize", "Flip")):
        image = image.astype("float32")
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    augment = eval("mx.image." + code, {"mx": mx, "np": np})
    found = augment(image)
    assert str(found.dtype) == case["dtype"] or found.asnumpy().dtype == case["dtype"]
    tolerance = 1 if case["dtype"] == "uint8" else 0.02
    np.testing.assert_allclose(found.asnumpy().astype(float), case["result"], atol=tolerance)
    assert loaded(augment.dumps()) == loaded(case["dumps"])
    assert type(found) is mx.nd.NDArray


def test_sizes_and_crops():
    image = mx.nd.array(IMAGE, dtype="uint8")
    assert mx.image.scale_down((360, 1000), (480, 500)) == (360, 375)
    assert mx.image.resize_short(image, 4).shape == (4, 5, 3)
    assert mx.image.imresize(image, 3, 2).shape == (2, 3, 3)
    np.testing.assert_array_equal(
        mx.image.fixed_crop(image, 1, 2, 3, 2).asnumpy(), IMAGE[2:4, 1:4]
    )
    part, place = mx.image.center_crop(image, (9, 3))
    assert (part.shape, place) == ((3, 9, 3), (0, 1, 7, 2))
    border = mx.image.copyMakeBorder(image, 1, 0, 2, 0, value=7).asnumpy()
    assert border.shape == (6, 9, 3)
    assert (border[0] == 7).all()
    np.testing.assert_array_equal(border[1:, 2:], IMAGE)
    mean, std = mx.nd.array([1, 2, 3]), mx.nd.array([2, 2, 2])
    found = mx.image.color_normalize(image.astype("float32"), mean, std).asnumpy()
    np.testing.assert_allclose(found, (IMAGE - np.array([1.0, 2, 3])) / 2)
    interp = mx.image.image._get_interp_method
    assert [interp(9, (4, 4, 8, 8)), interp(9, (8, 8, 4, 4)), interp(9), interp(1)] == [2, 3, 2, 1]
    turned = mx.image.imrotate(mx.nd.ones((2, 3, 4, 4)), mx.nd.array([90, 180]))
    np.testing.assert_allclose(turned.asnumpy(), 1, atol=1e-6)


def test_the_usual_augmenters():
    made = mx.image.CreateAugmenter(
        (3, 4, 4), resize=5, rand_crop=True, rand_mirror=True, mean=True, std=True, brightness=0.1,
        contrast=0.1, saturation=0.1, hue=0.1, pca_noise=0.1, rand_gray=0.1,
    )  # fmt: skip
    assert [type(a).__name__ for a in made] == [
        "ResizeAug", "RandomCropAug", "HorizontalFlipAug", "CastAug", "ColorJitterAug",
        "HueJitterAug", "LightingAug", "RandomGrayAug", "ColorNormalizeAug",
    ]  # fmt: skip
    image = mx.nd.array(IMAGE, dtype="uint8")
    for augment in made:
        image = augment(image)
    assert image.shape == (4, 4, 3)
    with pytest.raises(ValueError, match="rand_crop=True"):
        mx.image.CreateAugmenter((3, 4, 4), rand_resize=True)


@pytest.fixture
def png():
    pytest.importorskip("PIL")
    from symgluon.recordio import encode_pixels

    return lambda pixels: encode_pixels(pixels, 5, ".png")


def test_decodes(png, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(png(IMAGE))
    np.testing.assert_array_equal(mx.image.imread(str(path)).asnumpy(), IMAGE)
    content = path.read_bytes()
    np.testing.assert_array_equal(mx.image.imdecode(content).asnumpy(), IMAGE)
    np.testing.assert_array_equal(
        mx.image.imdecode(content, to_rgb=False).asnumpy(), IMAGE[..., ::-1]
    )
    as_array = mx.nd.array(np.frombuffer(content, np.uint8), dtype="uint8")
    assert mx.image.imdecode(as_array, flag=0).shape == (5, 7, 1)
    with pytest.raises(FormatError, match="no image"):
        mx.image.imdecode(b"nothing")
    with pytest.raises(FormatError, match="empty"):
        mx.image.imdecode(b"")
    with pytest.raises(FormatError, match="damaged"):
        mx.image.imdecode(content[:-30])


def images(count):
    return [np.full((6, 6, 3), 10 * i, np.uint8) for i in range(count)]


@pytest.fixture
def records(png, tmp_path):
    paths = str(tmp_path / "x.idx"), str(tmp_path / "x.rec")
    with mx.recordio.MXIndexedRecordIO(*paths, "w") as file:
        for i, pixels in enumerate(images(5)):
            file.write_idx(i, mx.recordio.pack(mx.recordio.IRHeader(0, i, i, 0), png(pixels)))
    return paths


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        ("pad", [([0, 1], 0), ([2, 3], 0), ([4, 0], 1)]),
        ("discard", [([0, 1], 0), ([2, 3], 0)]),
        ("roll_over", [([0, 1], 0), ([2, 3], 0)]),
    ],
)
def test_image_iter_of_records(records, handle, expected):
    it = mx.image.ImageIter(2, (3, 4, 4), path_imgrec=records[1], last_batch_handle=handle)
    batches = list(it)
    assert [(b.label[0].asnumpy().tolist(), b.pad) for b in batches] == expected
    np.testing.assert_allclose(batches[1].data[0].asnumpy()[1], 30)
    it.reset()
    first = next(it)
    found = first.label[0].asnumpy().tolist(), first.pad
    assert found == (([4, 0], 1) if handle == "roll_over" else ([0, 1], 0))


def test_image_iter_of_lists(png, tmp_path):
    lines = []
    for i, pixels in enumerate(images(4)):
        (tmp_path / f"{i}.png").write_bytes(png(pixels))
        lines.append(f"{i}\t{i}\t{i + 0.5}\t{i}.png\n")
    (tmp_path / "list").write_text("".join(lines))
    it = mx.image.ImageIter(
        2, (3, 6, 6), label_width=2, path_imglist=str(tmp_path / "list"), path_root=str(tmp_path)
    )
    assert it.provide_label == [("softmax_label", (2, 2))]
    assert next(it).label[0].asnumpy().tolist() == [[0, 0.5], [1, 1.5]]
    given = [[float(i), f"{i}.png"] for i in range(4)]
    it = mx.image.ImageIter(
        2,
        (3, 6, 6),
        imglist=given,
        path_root=str(tmp_path),
        shuffle=True,
        num_parts=2,
        part_index=1,
    )
    assert sorted(next(it).label[0].asnumpy().tolist()) == [2, 3]
    (tmp_path / "list").write_text("0\tx\n")
    with pytest.raises(FormatError, match="line 1"):
        mx.image.ImageIter(2, (3, 6, 6), path_imglist=str(tmp_path / "list"))


def test_image_record_iter(records):
    it = mx.io.ImageRecordIter(
        path_imgrec=records[1], data_shape=(3, 4, 4), batch_size=2, mean_r=1, mean_g=1, mean_b=1,
        scale=0.5, shuffle=False, preprocess_threads=4,
    )  # fmt: skip
    batches = list(it)
    np.testing.assert_allclose(batches[1].data[0].asnumpy()[0], (20 - 1) * 0.5)
    assert batches[2].label[0].asnumpy().tolist() == [4, 0]
    it.reset()
    assert [b.label[0].asnumpy().tolist() for b in it] == [[1, 2], [3, 4]]  # as MXNet goes on
    shuffled = mx.io.ImageRecordIter(records[1], (3, 4, 4), 5, shuffle=True)
    assert sorted(next(shuffled).label[0].asnumpy().tolist()) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="max_rotate_angle"):
        mx.io.ImageRecordIter(records[1], (3, 4, 4), 2, max_rotate_angle=3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: mx.image.ImageIter(2, (3, 4, 4)), "needs a source"),
        (lambda r: mx.image.ImageIter(2, (4, 4), path_imgrec=r[1]), "channels, height, width"),
        (lambda r: mx.image.ImageIter(2, (3, 4, 4), path_imgrec=r[1], shuffle=True), "path_imgidx"),
        (lambda r: mx.image.ImageIter(2, (3, 4, 4), path_imgrec=r[1], last_batch_handle="x"),
         "roll_over"),
        (lambda r: next(mx.image.ImageIter(2, (3, 9, 9), path_imgrec=r[1], aug_list=[])),
         "let an augmenter crop"),
    ],
)  # fmt: skip
def test_misuse(records, call, message):
    with pytest.raises(ValueError, match=message):
        call(records)


def test_says_how_to_get_pillow(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(SymgluonError, match="pip install"):
        mx.image.imdecode(b"x")


@pytest.mark.parametrize("shape", [(4,), (4, 6), (2, 4, 6, 3)])
@pytest.mark.parametrize(
    "change",
    [
        lambda x: mx.image.imresize(x, 3, 3),
        lambda x: mx.image.resize_short(x, 3),
        lambda x: mx.image.center_crop(x, (2, 2)),
        lambda x: mx.image.random_crop(x, (2, 2)),
        lambda x: mx.image.HorizontalFlipAug(1)(x),
        lambda x: mx.image.BrightnessJitterAug(0.5)(x),
    ],
)
def test_what_is_no_image(change, shape):
    with pytest.raises(ShapeError, match="height, width, channels"):
        change(mx.nd.ones(shape))
