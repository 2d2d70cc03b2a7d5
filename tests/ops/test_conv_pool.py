"""Convolution and pooling at many geometries: free sizes in ONNX Runtime, second gradients."""

from __future__ import annotations

import itertools

import layered
import numpy as np
import pytest

from symgluon.errors import AttributeValueError, DTypeError, ShapeError
from symgluon.ops import F
from symgluon.ops.array import wrap

pytest.importorskip("onnxruntime")

#: kernel, stride, padding, dilation
GEOMETRIES = [(3, 1, 1, 1), (3, 2, 1, 1), (3, 2, 0, 2), (1, 1, 0, 1), (1, 2, 0, 1), (2, 3, 1, 1)]
#: channels, filters, groups
CHANNELS = [(3, 4, 1), (16, 4, 1), (4, 4, 4), (4, 8, 4), (4, 6, 2)]


def conv(rank, geometry, channels):
    k, s, p, d = ((v,) * rank for v in geometry)
    attrs = {"kernel_shape": k, "stride": s, "pad": p, "dilate": d}

    def run(x, weight):
        return F.convolution(
            x, weight, None, num_filter=channels[1], num_group=channels[2], **attrs
        )

    return run


@pytest.mark.parametrize("microsoft", [False, True], ids=["standard", "microsoft"])
@pytest.mark.parametrize("channels", CHANNELS, ids=str)
@pytest.mark.parametrize("rank", [1, 2])
def test_convolution_free_sizes(rank, channels, microsoft):
    """One graph with free batch and image sizes gives value and gradients at several sizes."""
    rng = np.random.default_rng(0)
    c, o, groups = channels
    for geometry in GEOMETRIES:
        function = conv(rank, geometry, channels)
        both = layered.with_gradients(function, 2)
        weight = rng.standard_normal((o, c // groups, *(geometry[0],) * rank)).astype("f")
        made = None
        for size in (7, 8, 10):
            x = rng.standard_normal((2, c, *(size,) * rank)).astype("f")
            ct = rng.standard_normal(function(wrap(x), wrap(weight)).shape).astype("f")
            if made is None:
                free = {(0, axis) for axis in (0, *range(2, rank + 2))}
                graph, scope = layered.trace(
                    both, [x, weight, lambda x, w, f=function: f(x, w).type], free
                )
                assert not scope.guards
                made = layered.session(graph, microsoft=microsoft)
            want = layered.eager(both, [x, weight, ct])
            layered.close(layered.run(made, [x, weight, ct]), want)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_convolution_3d(geometry):
    rng = np.random.default_rng(1)
    function = conv(3, geometry, (2, 3, 1))
    both = layered.with_gradients(function, 2)
    x = rng.standard_normal((2, 2, 4, 5, 6)).astype("f")
    weight = rng.standard_normal((3, 2, *(geometry[0],) * 3)).astype("f")
    if geometry[3] > 1:
        x = rng.standard_normal((1, 2, 5, 5, 6)).astype("f")
    ct = rng.standard_normal(function(wrap(x), wrap(weight)).shape).astype("f")
    graph, _ = layered.trace(both, [x, weight, ct], set())
    made = layered.session(graph, 13)
    layered.close(layered.run(made, [x, weight, ct]), layered.eager(both, [x, weight, ct]))


def test_convolution_refuses():
    x, w = np.zeros((1, 3, 5), "f"), np.zeros((2, 3, 3), "f")
    geometry = {"kernel_shape": (3,), "stride": (1,), "pad": (0,), "dilate": (1,)}
    with pytest.raises(DTypeError):
        F.convolution(wrap(x.astype("d")), wrap(w), None, num_filter=2, **geometry)
    with pytest.raises(ShapeError, match="3 channels, weight expects 4"):
        F.convolution(wrap(x), wrap(np.zeros((2, 4, 3), "f")), None, num_filter=2, **geometry)
    with pytest.raises(ShapeError, match="does not fit"):
        F.convolution(wrap(x[:, :, :2]), wrap(w), None, num_filter=2, **geometry)
    with pytest.raises(AttributeValueError):
        F.convolution(wrap(x), wrap(w), None, num_filter=2, **{**geometry, "stride": (0,)})


MODES = [("max", 2, True), ("avg", 2, True), ("avg", 2, False), ("sum", 2, True),
         ("lp", 1, True), ("lp", 2, True), ("lp", 3, True)]  # fmt: skip
#: kernel, stride, padding
WINDOWS = [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1), (2, 3, 0), (3, 2, 0), (3, 3, 2), (2, 2, 1)]


@pytest.mark.parametrize("ceil", [False, True], ids=["floor", "ceil"])
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_pooling_free_sizes(mode, ceil):
    """Value and gradient with free sizes; max pooling has windows outside of the data too."""
    rng = np.random.default_rng(2)
    name, p_value, include = mode
    for k, s, p in WINDOWS:
        attrs = {
            "kernel_shape": (k,), "stride": (s,), "pad": (p,), "ceil": ceil, "mode": name,
            "p_value": p_value, "count_include_pad": include,
        }  # fmt: skip

        def function(x, attrs=attrs):
            return F.pooling(x, **attrs)

        both = layered.with_gradients(function, 1)
        made = None
        for size in (6, 7, 8, 9):
            x = rng.standard_normal((2, 3, size)).astype("f")
            if name == "lp":
                x = np.abs(x) + np.float32(0.1)
            ct = rng.standard_normal(function(wrap(x)).shape).astype("f")
            if made is None:
                graph, scope = layered.trace(
                    both, [x, lambda x, f=function: f(x).type], {(0, 0), (0, 2)}
                )
                assert not scope.guards
                made = layered.session(graph)
            got, want = layered.run(made, [x, ct]), layered.eager(both, [x, ct])
            layered.close(got[1:], want[1:], 1e-4)
            np.testing.assert_allclose(got[0], want[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["max", "avg"])
@pytest.mark.parametrize("rank", [2, 3])
def test_pooling_ranks(rank, mode):
    rng = np.random.default_rng(3)
    for k, s, p in itertools.product((2, 3), (2, 3), (0, 1)):
        attrs = {
            "kernel_shape": (k,) * rank, "stride": (s,) * rank, "pad": (p,) * rank, "mode": mode,
            "ceil": True,
        }  # fmt: skip

        def function(x, attrs=attrs):
            return F.pooling(x, **attrs)

        both = layered.with_gradients(function, 1)
        x = rng.standard_normal((2, 2, *(7, 6, 8)[:rank])).astype("f")
        ct = rng.standard_normal(function(wrap(x)).shape).astype("f")
        graph, _ = layered.trace(both, [x, ct], set())
        got = layered.run(layered.session(graph), [x, ct])
        for g, w in zip(got, layered.eager(both, [x, ct]), strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-4, atol=1e-5)


def test_pooling_tie_goes_to_the_first():
    x = wrap(np.ones((1, 1, 2, 4), "f"))
    grad = F.pooling_grad(
        wrap(np.ones((1, 1, 1, 2), "f")), x, kernel_shape=(2, 2), stride=(2, 2), pad=(0, 0)
    )
    assert grad._content().tolist() == [[[[1, 0, 1, 0], [0, 0, 0, 0]]]]


def test_pooling_refuses():
    x = wrap(np.zeros((1, 1, 4), "f"))
    with pytest.raises(ShapeError, match="exceeds"):
        F.pooling(x, kernel_shape=(5,), stride=(1,), pad=(0,))
    with pytest.raises(AttributeValueError, match="median"):
        F.pooling(x, kernel_shape=(2,), stride=(1,), pad=(0,), mode="median")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [(1,), (7, 7), (32, 32), (40, 40), (3, 4, 5), (0, 3)])
def test_global_average(size, dtype):
    """Short sums go through a product, long ones do not; both are the mean in float64."""
    x = (np.random.default_rng(3).normal(size=(2, 5, *size)) + 3).astype(dtype)
    for data in (x, np.asfortranarray(x)):
        got = F.global_pooling(wrap(data), mode="avg")._data
        assert got.dtype == x.dtype
        assert got.shape == (2, 5, *[1 for _ in size])
        with np.errstate(all="ignore"):
            expected = data.astype(np.float64).sum(axis=tuple(range(2, x.ndim)), keepdims=True)
            expected /= np.prod(size)
        np.testing.assert_allclose(got, expected, rtol=8 * float(np.finfo(dtype).eps))


def test_global_average_of_infinities():
    x = np.ones((1, 4, 3, 3), np.float32)
    x[0, 1, 0, 0], x[0, 2, 1, 1], x[0, 3, 0], x[0, 3, 1] = np.inf, np.nan, np.inf, -np.inf
    got = F.global_pooling(wrap(x), mode="avg")._data.reshape(-1)
    np.testing.assert_array_equal(got, np.array([1, np.inf, np.nan, np.nan], np.float32))
