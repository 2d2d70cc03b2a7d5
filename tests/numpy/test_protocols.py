"""What Python, NumPy and the array API ask of an array."""

from __future__ import annotations

import operator

import numpy as onp
import pytest

import symgluon as mx

np = mx.np

MASKS = [
    ((5, 4), ((True,) * 4,)),
    ((5, 4), onp.ones((5, 3), bool)),
    ((5, 4), (slice(None), onp.ones((5,), bool))),
    ((5, 4, 3), (None, onp.ones((5, 3), bool))),
    ((5, 4, 3), (onp.zeros((2,), int), onp.ones((4, 4), bool))),
]


@pytest.mark.parametrize("as_array", [True, False])
@pytest.mark.parametrize(("shape", "key"), MASKS)
def test_masks_of_other_sizes_are_refused(shape, key, as_array):
    def given(item):
        array = isinstance(item, onp.ndarray | tuple)
        return np.array(item, dtype=onp.asarray(item).dtype) if array and as_array else item

    x = np.ones(shape)
    key = tuple(given(item) for item in key) if isinstance(key, tuple) else given(key)
    with pytest.raises(IndexError):
        onp.ones(shape)[key if not as_array else _plain(key)]
    with pytest.raises(IndexError):
        x[key]
    with pytest.raises(IndexError):
        x[key] = 1
    with pytest.raises(IndexError):
        x[key] = np.ones((1,))


def _plain(key):
    if isinstance(key, tuple):
        return tuple(map(_plain, key))
    return key.asnumpy() if isinstance(key, np.ndarray) else key


@pytest.mark.parametrize("dtype", ["bool", "int32", "uint8", "float32"])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_whole_numbers_alone_are_an_index(dtype, shape):
    x = np.ones(shape, dtype=dtype)
    if shape == () and dtype in ("int32", "uint8"):
        assert operator.index(x) == 1
        assert "ab"[x] == "b"
    else:
        with pytest.raises(TypeError, match="scalar index"):
            operator.index(x)


@pytest.mark.parametrize("version", [None, "2021.10", "2021.12"])
def test_array_namespace(version):
    assert np.ones((2,)).__array_namespace__(version) is np
    with pytest.raises(ValueError, match="2021"):
        np.ones((2,)).__array_namespace__("2020.09")


def test_copies_are_in_order_c():
    x = np.arange(6).reshape(2, 3)
    y = x.copy("C")
    y[0, 0] = 7
    assert float(x[0, 0]) == 0
    with pytest.raises(NotImplementedError, match="order"):
        x.copy(order="F")


@pytest.mark.parametrize("read", [mx.npx.from_dlpack, mx.nd.from_dlpack, np.from_dlpack])
@pytest.mark.parametrize(
    "give",
    [
        mx.npx.to_dlpack_for_read,
        mx.npx.to_dlpack_for_write,
        lambda x: x,
        lambda x: x.asnumpy(),
        lambda x: x.asnumpy().__dlpack__(),
    ],
)
@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 3)])
def test_dlpack_objects_and_capsules(read, give, shape):
    x = np.random.uniform(size=shape)
    assert (read(give(x)).asnumpy() == x.asnumpy()).all()


def test_a_capsule_is_read_once():
    capsule = mx.npx.to_dlpack_for_read(np.ones((2,)))
    mx.npx.from_dlpack(capsule)
    with pytest.raises(ValueError, match="Capsule"):
        mx.npx.from_dlpack(capsule)


@pytest.mark.parametrize(("size", "shape"), [(None, (0,)), ((2,), (2, 0)), ((0, 2), (0, 2, 0))])
def test_no_places_to_draw_from(size, shape):
    assert np.random.multinomial(3, [], size=size).shape == shape
