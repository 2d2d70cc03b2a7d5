"""Operators of images: what MXNet 1.9.1 gave for one image, and NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import symgluon as mx

IMAGE = np.random.RandomState(0).randint(0, 255, (4, 5, 3)).astype(np.uint8)
BOTH = np.stack([IMAGE, IMAGE])
#: of MXNet 1.9.1
SMALL = [[[171, 88, 166], [117, 95, 92], [70, 71, 115]],
         [[71, 167, 125], [224, 44, 180], [192, 159, 153]]]  # fmt: skip
CUBIC = [[182, 95, 127], [144, 149, 166], [89, 219, 220], [65, 173, 224], [73, 86, 191],
         [92, 76, 165], [100, 90, 138], [80, 94, 121], [64, 97, 111]]  # fmt: skip


def nd(x):
    return mx.nd.array(x, dtype=x.dtype)


def test_resize():
    image = mx.nd.image
    # OpenCV resizes bytes in fixed point: one level of 255 apart
    found = image.resize(nd(IMAGE), size=(3, 2)).asnumpy()
    assert np.abs(found.astype(int) - SMALL).max() <= 1
    found = image.resize(nd(IMAGE), size=(9, 8), interp=2).asnumpy()[3]
    assert np.abs(found.astype(int) - CUBIC).max() <= 1
    assert image.resize(nd(IMAGE), size=8).shape == (8, 8, 3)
    assert image.resize(nd(IMAGE), size=8, keep_ratio=True).shape == (8, 10, 3)
    assert image.resize(nd(BOTH), size=(3, 2)).shape == (2, 2, 3, 3)
    assert int(image.resize(nd(BOTH), size=(3, 2), interp=0).asnumpy().sum()) == 5226


def test_tensors():
    image = mx.nd.image
    tensor = image.to_tensor(nd(IMAGE))
    assert (tensor.shape, round(float(tensor.asnumpy().sum()), 3)) == ((3, 4, 5), 30.698)
    scaled = image.normalize(tensor, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)).asnumpy()
    assert round(float(scaled.sum()), 3) == 32.934
    both = image.normalize(image.to_tensor(nd(BOTH)), mean=0.1, std=2).asnumpy()
    assert (both.shape, round(float(both.sum()), 3)) == ((2, 3, 4, 5), 24.698)


def test_places():
    image = mx.npx.image
    x = mx.np.array(BOTH, dtype="uint8")
    np.testing.assert_array_equal(image.flip_left_right(x).asnumpy(), BOTH[:, :, ::-1])
    np.testing.assert_array_equal(image.flip_top_bottom(x).asnumpy(), BOTH[:, ::-1])
    part = image.crop(x, x=1, y=0, width=3, height=2)
    np.testing.assert_array_equal(part.asnumpy(), BOTH[:, 0:2, 1:4])
    assert type(part) is mx.np.ndarray


def test_as_symbols():
    x = mx.sym.var("x")
    symbol = mx.sym.image.normalize(mx.sym.image.to_tensor(x), mean=(0.5,), std=(0.5,))
    assert symbol.list_outputs() == [f"{symbol.name}_output"]
    (found,) = symbol.eval(x=nd(IMAGE))
    expected = (IMAGE.transpose(2, 0, 1) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(found.asnumpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i: i.crop(nd(IMAGE), x=3, y=0, width=3, height=2), "does not lie inside"),
        (lambda i: i.to_tensor(nd(IMAGE[0])), "H, W, C"),
        (lambda i: i.normalize(nd(IMAGE), mean=(1, 2)), "mean"),
        (lambda i: i.resize(nd(IMAGE), size=(1, 2, 3)), "one or two"),
    ],
)
def test_misuse(call, message):
    with pytest.raises(ValueError, match=message):
        call(mx.nd.image)
