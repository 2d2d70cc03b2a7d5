"""Image datasets and transformations."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import AttributeValueError, FormatError, MXNetError
from symgluon.gluon.data.vision import datasets, transforms
from symgluon.gluon.data.vision.geometry import rotate
from symgluon.ops.kernels.image import resize_matrix


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    mx.random.seed(3)
    yield
    mx.npx.reset_np()


PIXELS = onp.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=onp.uint8)


def image(pixels=PIXELS, dtype="uint8"):
    return mx.np.array(pixels, dtype=dtype)


def run(transform, x=None):
    return transform(image() if x is None else x).asnumpy()


# ---- values ------------------------------------------------------------------------------------
@pytest.mark.parametrize("hybrid", [False, True])
def test_to_tensor_and_normalize(hybrid):
    both = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1, 0.2, 0.3), 0.5)])
    if hybrid:
        both = transforms.HybridCompose([*both])
    want = PIXELS.transpose(2, 0, 1) / 255
    want = (want - onp.array([0.1, 0.2, 0.3]).reshape(3, 1, 1)) / 0.5
    onp.testing.assert_allclose(run(both), want, atol=1e-6)
    stack = image(onp.stack([PIXELS, PIXELS]))
    onp.testing.assert_allclose(run(both, stack), onp.stack([want, want]), atol=1e-6)
    assert run(both).dtype == onp.float32


def test_value_errors():
    with pytest.raises(ValueError, match="2 numbers as mean for 3 channels"):
        transforms.Normalize((0.1, 0.2))(mx.np.ones((3, 2, 2)))
    with pytest.raises(ValueError, match="3 or 4 axes"):
        transforms.ToTensor()(mx.np.ones((2, 2)))
    assert run(transforms.Cast("float16")).dtype == onp.float16


# ---- sizes -------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [0, 1, 2, 3])
@pytest.mark.parametrize(("n", "m"), [(6, 3), (3, 6), (7, 4), (5, 5)])
def test_resize_matrices_keep_constants(n, m, kind):
    matrix = resize_matrix(n, m, kind)
    onp.testing.assert_allclose(matrix.sum(1), 1)
    if n == m:
        onp.testing.assert_allclose(matrix, onp.eye(n), atol=1e-12)
    ramp = matrix @ (onp.arange(n) + 0.5)
    if kind in (1, 3) and n > m:
        onp.testing.assert_allclose(ramp[1:-1], ((onp.arange(m) + 0.5) * n / m)[1:-1], atol=0.02)


@pytest.mark.parametrize("hybrid", [False, True])
def test_resize(hybrid):
    halve = transforms.Resize((4, 3))
    if hybrid:
        halve.hybridize()
    want = PIXELS.reshape(3, 2, 4, 2, 3).astype(float).mean((1, 3))
    onp.testing.assert_array_equal(run(halve), onp.floor(want + 0.5))
    onp.testing.assert_allclose(run(halve, image(dtype="float32")), want, atol=1e-3)
    stack = image(onp.stack([PIXELS] * 2))
    onp.testing.assert_array_equal(run(halve, stack)[1], onp.floor(want + 0.5))
    assert run(transforms.Resize(4)).shape == (4, 4, 3)
    assert run(transforms.Resize(3, keep_ratio=True)).shape == (3, 4, 3)
    nearest = run(transforms.Resize((4, 3), interpolation=0))
    onp.testing.assert_array_equal(nearest, PIXELS[::2, ::2])
    with pytest.raises(ValueError, match="0, 1, 2 or 3"):
        run(transforms.Resize(4, interpolation=4))


def test_crops():
    onp.testing.assert_array_equal(run(transforms.CropResize(1, 2, 4, 3)), PIXELS[2:5, 1:5])
    assert run(transforms.CropResize(1, 2, 4, 3, (2, 2))).shape == (2, 2, 3)
    with pytest.raises(ValueError, match="does not lie inside an image of width 8"):
        run(transforms.CropResize(6, 2, 4, 3))
    onp.testing.assert_array_equal(run(transforms.CenterCrop((4, 2))), PIXELS[2:4, 2:6])
    assert run(transforms.CenterCrop((10, 2))).shape == (2, 10, 3)
    found = run(transforms.RandomCrop((3, 2)))
    places = [(i, j) for i in range(5) for j in range(6)
              if (PIXELS[i : i + 2, j : j + 3] == found).all()]  # fmt: skip
    assert len(places) == 1
    padded = run(transforms.RandomCrop((10, 8), pad=1, pad_value=7))
    onp.testing.assert_array_equal(padded[1:-1, 1:-1], PIXELS)
    assert (padded[0] == 7).all()
    assert run(transforms.RandomResizedCrop((5, 4))).shape == (4, 5, 3)
    fallback = transforms.RandomResizedCrop((5, 4), scale=(9, 10))
    assert run(fallback).shape == (4, 5, 3)


# ---- flips and rotations -------------------------------------------------------------------------
def test_flips():
    onp.testing.assert_array_equal(run(transforms.RandomFlipLeftRight(1.0)), PIXELS[:, ::-1])
    onp.testing.assert_array_equal(run(transforms.RandomFlipTopBottom(1.0)), PIXELS[::-1])
    onp.testing.assert_array_equal(run(transforms.RandomFlipLeftRight(0.0)), PIXELS)
    flip = transforms.RandomFlipLeftRight()
    seen = {bool((run(flip) == PIXELS).all()) for _ in range(30)}
    assert seen == {True, False}


def test_rotations():
    square = onp.random.default_rng(1).random((1, 2, 5, 5)).astype("float32")
    for turns in range(4):
        found = rotate(square, onp.array([90.0 * turns]))
        onp.testing.assert_allclose(found, onp.rot90(square, turns, (2, 3)), atol=1e-6)
    x = mx.np.array(square[0])
    turned = run(transforms.Rotate(90), x)
    onp.testing.assert_allclose(turned, onp.rot90(square[0], 1, (1, 2)), atol=1e-6)
    ones = onp.ones((1, 1, 6, 8), "float32")
    assert rotate(ones, onp.array([30.0])).min() == 0
    assert rotate(ones, onp.array([30.0]), zoom_in=True).min() > 0.9
    assert run(transforms.RandomRotation((-10, 10)), x).shape == (2, 5, 5)
    still = transforms.RandomRotation((-10, 10), rotate_with_proba=0.0)
    onp.testing.assert_array_equal(run(still, x), square[0])


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: transforms.Rotate(30)(image()), TypeError),
        (lambda: transforms.Rotate(30, zoom_in=True, zoom_out=True), ValueError),
        (lambda: transforms.RandomRotation((10, -10)), ValueError),
        (lambda: transforms.RandomRotation((0, 1), rotate_with_proba=2), ValueError),
        (lambda: transforms.RandomRotation((0, 1), zoom_in=True, zoom_out=True), ValueError),
        (lambda: transforms.RandomBrightness(-1), ValueError),
    ],
)
def test_arguments_are_checked(make, error):
    with pytest.raises(error):
        make()


# ---- colours -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "make",
    [
        transforms.RandomBrightness, transforms.RandomContrast, transforms.RandomSaturation,
        transforms.RandomHue, transforms.RandomLighting,
    ],
)  # fmt: skip
def test_colours(make):
    same = run(make(0.0), image(dtype="float32"))
    onp.testing.assert_allclose(same, PIXELS, atol=1.2)
    found = run(make(0.4))
    assert found.dtype == onp.uint8
    assert (found != PIXELS).any()


def test_amounts():
    flat = onp.full((2, 2, 3), [100, 50, 20], onp.uint8)
    grey = 0.299 * 100 + 0.587 * 50 + 0.114 * 20
    x = image(flat, "float32")
    brighter = run(transforms.RandomBrightness(0.5), x) / flat
    assert brighter.std() < 1e-6
    assert 0.5 <= brighter.mean() <= 1.5
    for make in (transforms.RandomContrast, transforms.RandomSaturation):
        spread = (run(make(0.5), x) - grey) / (flat - grey)
        assert spread.std() < 1e-5
        assert 0.5 <= spread.mean() <= 1.5
    turned = run(transforms.RandomHue(0.3), x)
    assert turned[0, 0] @ [0.299, 0.587, 0.114] == pytest.approx(grey, abs=0.3)
    onp.testing.assert_allclose(run(transforms.RandomGray(1.0), x), grey, rtol=1e-5)
    onp.testing.assert_array_equal(run(transforms.RandomGray(0.0), x), flat)
    jitter = transforms.RandomColorJitter(0.1, 0.1, 0.1, 0.1)
    assert (run(jitter) != run(jitter)).any()
    onp.testing.assert_array_equal(run(transforms.RandomColorJitter()), PIXELS)


# ---- compositions ------------------------------------------------------------------------------
def test_random_apply():
    tensor = transforms.ToTensor()
    for make in (transforms.RandomApply, transforms.HybridRandomApply):
        assert run(make(tensor, p=1.0)).shape == (3, 6, 8)
        assert run(make([tensor], p=0.0)).shape == (6, 8, 3)
    whole = transforms.Compose([transforms.Resize(4), transforms.RandomFlipLeftRight(), tensor])
    assert run(whole).shape == (3, 4, 4)


def test_random_transformations_are_not_traced():
    both = [transforms.RandomCrop((3, 2)), transforms.RandomFlipLeftRight(), transforms.ToTensor()]
    composed = transforms.HybridCompose(both)
    composed.hybridize()
    assert any((run(composed) != run(composed)).any() for _ in range(10))
    net = mx.gluon.nn.HybridSequential()
    net.add(*both)
    net.hybridize()
    with pytest.raises(MXNetError, match=r"(?s)cannot be traced.*HybridCompose"):
        net(image())


# ---- datasets in files ---------------------------------------------------------------------------
def idx_file(values):
    head = b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(head + values.tobytes())


@pytest.mark.parametrize("cls", [datasets.MNIST, datasets.FashionMNIST])
def test_mnist(cls, tmp_path):
    digits = onp.arange(2 * 28 * 28, dtype=onp.uint8).reshape(2, 28, 28)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(idx_file(digits))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx_file(onp.array([7, 3], onp.uint8)))
    found = cls(str(tmp_path), train=False)
    pixels, label = found[1]
    onp.testing.assert_array_equal(pixels.asnumpy(), digits[1][..., None])
    assert (label, label.dtype, len(found)) == (3, onp.int32, 2)
    changed = cls(str(tmp_path), train=False, transform=lambda image, label: label + 1)
    assert changed[0] == 8


def test_damaged_mnist(tmp_path):
    images, labels = (tmp_path / f"t10k-{n}-ubyte.gz" for n in ("images-idx3", "labels-idx1"))
    labels.write_bytes(idx_file(onp.array([7], onp.uint8)))
    for content, match in (
        (b"nothing", "no gzip file"),
        (gzip.compress(b"nothing"), "no file of unsigned bytes"),
        (gzip.compress(b"\0\0\x08\x03\0"), "header is truncated"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x05ab"), "truncated"),
    ):
        images.write_bytes(content)
        with pytest.raises(FormatError, match=match):
            datasets.MNIST(str(tmp_path), train=False)


def test_cifar(tmp_path):
    rows = onp.random.default_rng(0).integers(0, 256, (2, 3072), dtype=onp.uint8)
    labels = onp.array([[4], [9]], onp.uint8)
    (tmp_path / "test_batch.bin").write_bytes(onp.concatenate([labels, rows], 1).tobytes())
    found = datasets.CIFAR10(str(tmp_path), train=False)
    pixels, label = found[1]
    assert (label, len(found)) == (9, 2)
    want = rows[1].reshape(3, 32, 32).transpose(1, 2, 0)
    onp.testing.assert_array_equal(pixels.asnumpy(), want)
    both = onp.concatenate([labels, labels + 10, rows], 1).tobytes()
    (tmp_path / "test.bin").write_bytes(both)
    assert datasets.CIFAR100(str(tmp_path), train=False)[0][1] == 4
    assert datasets.CIFAR100(str(tmp_path), fine_label=True, train=False)[0][1] == 14
    (tmp_path / "test.bin").write_bytes(both[:-1])
    with pytest.raises(FormatError, match="records of 3074 bytes"):
        datasets.CIFAR100(str(tmp_path), train=False)


def test_cifar_archive(tmp_path, monkeypatch):
    archive = tmp_path / "c.tar.gz"
    content = bytes([5]) + bytes(3072)
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    monkeypatch.setattr(datasets.CIFAR10, "_file", lambda self, *args: str(archive))
    assert datasets.CIFAR10(str(tmp_path / "root"), train=False)[0][1] == 5


def test_image_files(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    for folder, shade in (("cat", 50), ("dog", 200)):
        (tmp_path / folder).mkdir()
        pixels = onp.full((4, 5, 3), shade, onp.uint8)
        image_module.fromarray(pixels).save(tmp_path / folder / "one.png")
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    with pytest.warns(UserWarning, match="Ignoring"):
        found = datasets.ImageFolderDataset(str(tmp_path))
    assert found.synsets == ["cat", "dog"]
    pixels, label = found[1]
    assert (pixels.shape, label, pixels.asnumpy().mean()) == ((4, 5, 3), 1, 200)
    entries = [[3.0, "cat/one.png"], [1.0, 2.0, "dog/one.png"]]
    listed = datasets.ImageListDataset(str(tmp_path), entries, flag=0)
    pixels, label = listed[1]
    assert (pixels.shape, label.asnumpy().tolist()) == ((4, 5, 1), [1, 2])
    (tmp_path / "list.lst").write_text("0\t3\tcat/one.png\n")
    assert datasets.ImageListDataset(str(tmp_path), "list.lst")[0][1].asnumpy().tolist() == [3]


def test_lists_are_checked(tmp_path):
    (tmp_path / "list.lst").write_text("0 3 one.png\n")
    with pytest.raises(FormatError, match="line 1"):
        datasets.ImageListDataset(str(tmp_path), "list.lst")
    with pytest.raises(ValueError, match="imglist"):
        datasets.ImageListDataset(str(tmp_path))


@pytest.mark.parametrize("size", [0, -150, (100, 100, 100), (3,), 2.5, "a", None])
@pytest.mark.parametrize("make", ["Resize", "CenterCrop", "RandomCrop", "RandomResizedCrop"])
def test_sizes_are_one_or_two_numbers_of_pixels(make, size):
    with pytest.raises(AttributeValueError, match="pixels"):
        getattr(transforms, make)(size)(image())
