"""`npx.image`: what cuts and mirrors at random."""

from __future__ import annotations

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import AttributeValueError, TraceError

np, image = mx.np, mx.npx.image
#: values say where a pixel was: 60 * row + column
PLACES = onp.arange(40 * 60, dtype="float32").reshape(40, 60, 1).repeat(3, axis=2)


def drawn(call, count=300):
    mx.random.seed(0)
    x = np.array(PLACES)
    return [call(x).asnumpy()[..., 0] for _ in range(count)]


@pytest.mark.parametrize(
    ("spans", "columns", "rows"),
    [
        ({}, (0, 50), (0, 20)),
        ({"xrange": (0.2, 0.5), "yrange": (1.0, 1.0)}, (10, 25), (20, 20)),
        ({"xrange": (0.5, 0.2)}, (10, 25), (0, 20)),
    ],
)
def test_random_crops_lie_anywhere_in_their_range(spans, columns, rows):
    found = drawn(lambda x: image.random_crop(x, width=10, height=20, **spans))
    assert {f.shape for f in found} == {(20, 10)}
    assert all(f[-1, -1] - f[0, 0] == 19 * 60 + 9 for f in found)
    first = onp.array([f[0, 0] for f in found])
    assert ((first % 60).min(), (first % 60).max()) == columns
    assert ((first // 60).min(), (first // 60).max()) == rows


def test_sides_that_an_image_lacks_are_resized():
    (found,) = drawn(lambda x: image.random_crop(x, width=120, height=40), count=1)
    assert found.shape == (40, 120)
    onp.testing.assert_allclose(found[:, 0], PLACES[:, 0, 0], rtol=1e-6)
    onp.testing.assert_allclose(found[0, -1], 59, rtol=1e-6)


def test_random_areas_and_shapes():
    found = drawn(
        lambda x: image.random_resized_crop(
            x, width=7, height=5, area=(0.25, 0.25), ratio=(1, 1), interp=0
        )
    )
    assert {(f[0, -1] - f[0, 0], f[-1, 0] - f[0, 0]) for f in found} == {(20, 19 * 60)}
    found = drawn(lambda x: image.random_resized_crop(x, width=7, height=5), count=50)
    assert {f.shape for f in found} == {(5, 7)}
    assert len({float(f[0, -1] - f[0, 0]) for f in found}) > 10


def test_where_no_rectangle_fits_it_is_a_random_crop():
    found = drawn(lambda x: image.random_resized_crop(x, width=7, height=5, area=(2, 2)))
    assert all(f[-1, -1] - f[0, 0] == 4 * 60 + 6 for f in found)


@pytest.mark.parametrize(("name", "axis"), [("left_right", 1), ("top_bottom", 0)])
@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_mirrors_have_their_probability(name, axis, p):
    found = drawn(lambda x: getattr(image, f"random_flip_{name}")(x, p=p), count=400)
    mirrored = [(f == onp.flip(PLACES[..., 0], axis)).all() for f in found]
    assert abs(onp.mean(mirrored) - p) < 0.08
    x = np.array(PLACES)
    getattr(image, f"random_flip_{name}")(x, p=p)[:] = -1
    assert (x.asnumpy() == PLACES).all()


CALLS = {
    "random_crop": {"width": 4, "height": 4},
    "random_resized_crop": {"width": 4, "height": 4},
    "random_flip_left_right": {},
}


@pytest.mark.parametrize("name", CALLS)
def test_batches_and_both_front_ends(name):
    for cls, x in (
        (np.ndarray, np.ones((2, 8, 6, 3), dtype="uint8")),
        (mx.nd.NDArray, mx.nd.ones((8, 6, 3))),
    ):
        space = image if cls is np.ndarray else mx.nd.image
        y = getattr(space, name)(x, **CALLS[name])
        assert type(y) is cls
        assert y.dtype == x.dtype
        assert y.ndim == x.ndim


@pytest.mark.parametrize("name", CALLS)
def test_draws_that_decide_are_not_traced(name):
    net = mx.gluon.nn.HybridLambda(lambda x: getattr(image, name)(x, **CALLS[name]))
    net.hybridize()
    with pytest.raises(TraceError, match="draws numbers"):
        net(np.ones((8, 6, 3)))


def test_sizes_are_positive():
    with pytest.raises(AttributeValueError, match="width"):
        image.random_crop(np.ones((8, 6, 3)), width=0, height=3)
