"""Convolution, transposed convolution and pooling against MXNet and central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import Case, assert_close, load, numeric_grad

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops.kernels import conv, pool

CASES = load("spatial")


def _pick(op: str) -> list[Any]:
    return [c for c in CASES if c.values[0].op == op]


def _geometry(k: dict[str, Any]) -> tuple[Any, ...]:
    ones = (1,) * len(k["kernel"])
    zeros = (0,) * len(k["kernel"])
    return k.get("stride", ones), k.get("pad", zeros), k.get("dilate", ones)


@pytest.mark.parametrize("case", _pick("Convolution"))
def test_convolution(case: Case) -> None:
    x, w, b = case.ins
    geometry, groups = _geometry(case.kwargs), case.kwargs.get("num_group", 1)
    assert_close(conv.conv(x, w, b, *geometry, groups), case.outs[0])
    dy = case.heads[0]
    assert_close(conv.conv_input_grad(dy, w, x.shape, *geometry, groups), case.grads[0])
    assert_close(conv.conv_weight_grad(x, dy, w.shape, *geometry, groups), case.grads[1])
    assert_close(conv.conv_bias_grad(dy), case.grads[2])


@pytest.mark.parametrize("case", _pick("Deconvolution"))
def test_deconvolution(case: Case) -> None:
    x, w, b = case.ins
    geometry, groups = _geometry(case.kwargs), case.kwargs.get("num_group", 1)
    assert_close(conv.conv_transpose(x, w, b, *geometry, case.kwargs["adj"], groups), case.outs[0])
    dy = case.heads[0]
    assert_close(conv.conv_transpose_input_grad(dy, w, *geometry, groups), case.grads[0])
    assert_close(conv.conv_transpose_weight_grad(x, dy, w.shape, *geometry, groups), case.grads[1])
    assert_close(conv.conv_bias_grad(dy), case.grads[2])


@pytest.mark.parametrize("case", _pick("Pooling"))
def test_pooling(case: Case) -> None:
    k, (x,) = case.kwargs, case.ins
    stride, pad, _ = _geometry(k)
    rest = {
        "mode": k["pool_type"],
        "ceil": k.get("pooling_convention") == "full",
        "count_include_pad": k.get("count_include_pad", True),
        "p_value": k.get("p_value", 2),
    }
    assert_close(pool.pool(x, k["kernel"], stride, pad, **rest), case.outs[0])
    got = pool.pool_grad(case.heads[0], x, k["kernel"], stride, pad, **rest)
    assert_close(got, case.grads[0], 1e-4)


GEOMETRY = [
    # x, w, stride, pad, dilate, groups
    ((2, 3, 6), (4, 3, 3), (2,), (1,), (1,), 1),
    ((1, 4, 5, 6), (4, 2, 2, 3), (1, 2), ((0, 2), (1, 0)), (2, 1), 2),
    ((2, 3, 5, 4), (6, 1, 3, 2), (2, 1), (1, 0), (1, 2), 3),
    ((1, 2, 6, 6), (3, 2, 3, 3), (1, 1), ((-1, 0), (1, -2)), (1, 1), 1),
    ((1, 2, 3, 4, 3), (2, 2, 2, 2, 2), (1, 1, 1), (0, 1, 0), (1, 1, 2), 1),
]


@pytest.mark.parametrize(("x", "w", "stride", "pad", "dilate", "groups"), GEOMETRY)
def test_convolution_gradients_are_those_of_the_forward(
    x: Any, w: Any, stride: Any, pad: Any, dilate: Any, groups: int
) -> None:
    rng = np.random.default_rng(0)
    data, weight = rng.normal(size=x), rng.normal(size=w)
    rest = (stride, pad, dilate, groups)
    ct = rng.normal(size=conv.conv(data, weight, None, *rest).shape)
    want = numeric_grad(lambda a: conv.conv(a, weight, None, *rest), data, ct)
    assert_close(conv.conv_input_grad(ct, weight, x, *rest), want, 1e-7)
    want = numeric_grad(lambda a: conv.conv(data, a, None, *rest), weight, ct)
    assert_close(conv.conv_weight_grad(data, ct, w, *rest), want, 1e-7)


@pytest.mark.parametrize(("x", "w", "stride", "pad", "dilate", "groups"), GEOMETRY)
def test_transposed_convolution_is_the_transpose(
    x: Any, w: Any, stride: Any, pad: Any, dilate: Any, groups: int
) -> None:
    rng = np.random.default_rng(1)
    data, weight = rng.normal(size=x), rng.normal(size=w)
    y = conv.conv(data, weight, None, stride, pad, dilate, groups)
    ct = rng.normal(size=y.shape)
    adj = tuple(
        n - conv.deconv_out_size(m, k, s, p, d)
        for n, m, k, s, p, d in zip(x[2:], y.shape[2:], w[2:], stride, pad, dilate, strict=True)
    )
    back = conv.conv_transpose(ct, weight, None, stride, pad, dilate, adj, groups)
    assert back.shape == x
    np.testing.assert_allclose((y * ct).sum(), (data * back).sum(), rtol=1e-10)


def test_columns_in_chunks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(5, 4, 6, 6)), rng.normal(size=(6, 2, 3, 3))
    rest = ((1, 1), (1, 1), (1, 1), 2)
    dy = rng.normal(size=(5, 6, 6, 6))
    whole = [
        conv.conv(x, w, None, *rest),
        conv.conv_input_grad(dy, w, x.shape, *rest),
        conv.conv_weight_grad(x, dy, w.shape, *rest),
    ]
    monkeypatch.setattr(conv, "CHUNK_ELEMENTS", 1)
    parts = [
        conv.conv(x, w, None, *rest),
        conv.conv_input_grad(dy, w, x.shape, *rest),
        conv.conv_weight_grad(x, dy, w.shape, *rest),
    ]
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("shape", [(0, 3, 5, 5), (2, 0, 5, 5)])
def test_convolution_of_nothing(shape: tuple[int, ...]) -> None:
    x, w = np.zeros(shape), np.zeros((4, shape[1], 3, 3))
    rest = ((1, 1), (1, 1), (1, 1))
    y = conv.conv(x, w, np.ones(4), *rest)
    assert y.shape == (shape[0], 4, 5, 5)
    assert np.all(y == 1)
    assert conv.conv_input_grad(y, w, x.shape, *rest).shape == x.shape
    assert conv.conv_weight_grad(x, y, w.shape, *rest).shape == w.shape


def test_float16_is_computed_in_float32() -> None:
    x = np.full((1, 4096, 1), 1.0, np.float16)
    w = np.full((1, 4096, 1), 1.0, np.float16)
    y = conv.conv(x, w, None, (1,), (0,), (1,))
    assert y.dtype == np.float16
    assert y.item() == 4096  # a sum in float16 stops at 2048
    rows = np.ones((1, 1, 4096), np.float16)
    assert pool.pool(rows, (4096,), (1,), (0,), "sum").item() == 4096


def test_convolution_errors_say_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match="data has 3 channels, weight expects 4"):
        conv.conv(np.zeros((1, 3, 4)), np.zeros((2, 4, 3)), None, (1,), (0,), (1,))
    with pytest.raises(ShapeError, match="does not fit"):
        conv.conv(np.zeros((1, 3, 4)), np.zeros((2, 3, 9)), None, (1,), (0,), (1,))
    with pytest.raises(ShapeError, match="target size 99"):
        conv.deconv_target_pad(4, 3, 2, 99)


@pytest.mark.parametrize(("n", "k", "s", "target"), [(4, 3, 2, 9), (4, 3, 2, 8), (4, 4, 3, 10)])
def test_target_of_a_transposed_convolution_is_met(n: int, k: int, s: int, target: int) -> None:
    pad, adj = conv.deconv_target_pad(n, k, s, target)
    assert conv.deconv_out_size(n, k, s, pad, 1, adj) == target


POOL_MODES = [("avg", True), ("avg", False), ("sum", True), ("lp", True), ("max", True)]


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(("mode", "include"), POOL_MODES)
@pytest.mark.parametrize("shape", [(2, 2, 7), (1, 2, 5, 6), (1, 1, 4, 3, 5)])
def test_pooling_gradients(shape: tuple[int, ...], mode: Any, include: bool, ceil: bool) -> None:
    rng = np.random.default_rng(3)
    d = len(shape) - 2
    x = rng.normal(size=shape)
    args = ((3, 2, 2)[:d], (2, 2, 1)[:d], (1, 0, 1)[:d])
    rest = {"mode": mode, "ceil": ceil, "count_include_pad": include}
    ct = rng.normal(size=pool.pool(x, *args, **rest).shape)
    want = numeric_grad(lambda a: pool.pool(a, *args, **rest), x, ct)
    assert_close(pool.pool_grad(ct, x, *args, **rest), want, 1e-7)


def test_first_maximum_wins_and_windows_of_minus_infinity_stay_inside() -> None:
    x = np.array([[[2.0, 2.0, 1.0, -np.inf, -np.inf, -np.inf]]])
    got = pool.max_pool_indices(x, (2,), (2,), (1,))
    assert got.tolist() == [[[0, 1, 3, 5]]]
    y = pool.pool(x, (2,), (2,), (1,))
    assert y.tolist() == [[[2.0, 2.0, -np.inf, -np.inf]]]


def test_windows_outside_of_the_input() -> None:
    x = np.ones((1, 1, 3), np.float32)
    low = np.finfo(np.float32).min
    assert pool.pool(x, (1,), (1,), (1,)).tolist() == [[[low, 1, 1, 1, low]]]
    assert pool.max_pool_indices(x, (1,), (1,), (1,)).tolist() == [[[-1, 0, 1, 2, -1]]]
    dy = np.ones((1, 1, 5), np.float32)
    assert pool.pool_grad(dy, x, (1,), (1,), (1,)).tolist() == [[[1, 1, 1]]]
    got = pool.pool(x, (1,), (1,), (1,), "avg", count_include_pad=False)
    assert got.tolist() == [[[0, 1, 1, 1, 0]]]


def test_same_convention_covers_the_input() -> None:
    x = np.arange(7.0).reshape(1, 1, 7)
    y = pool.pool(x, (3,), (2,), (pool.same_pool_pad(7, 3, 2),))
    assert y.tolist() == [[[2, 4, 6, 6]]]


def test_pooling_errors() -> None:
    with pytest.raises(ShapeError, match="does not fit"):
        pool.pool(np.zeros((1, 1, 3)), (9,), (1,), (0,))
    with pytest.raises(AttributeValueError, match="mode"):
        pool.pool(np.zeros((1, 1, 3)), (2,), (1,), (0,), "median")  # type: ignore[arg-type]
    with pytest.raises(AttributeValueError, match="p_value"):
        pool.pool(np.zeros((1, 1, 3)), (2,), (1,), (0,), "lp", p_value=4)


def test_integers_pool() -> None:
    x = np.array([[[-3, -2, 5, 8]]], np.int32)
    assert pool.pool(x, (2,), (2,), (0,)).tolist() == [[[-2, 8]]]
    assert pool.pool(x, (2,), (2,), (0,), "avg").tolist() == [[[-2, 6]]]
    assert pool.pool(x, (2,), (2,), (0,)).dtype == np.int32


@pytest.mark.parametrize("mode", ["max", "avg", "sum", "lp"])
def test_pooling_of_nothing(mode: Any) -> None:
    x = np.zeros((0, 2, 4, 4))
    y = pool.pool(x, (2, 2), (2, 2), (0, 0), mode)
    assert y.shape == (0, 2, 2, 2)
    assert pool.pool_grad(y, x, (2, 2), (2, 2), (0, 0), mode).shape == x.shape


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_transposed_convolution_of_nothing(groups: int) -> None:
    x, w = np.zeros((0, 4, 3)), np.zeros((4, 4 // groups, 3))
    y = conv.conv_transpose(x, w, None, (2,), (1,), (1,), (1,), groups)
    assert y.shape == (0, 4, 6)
    assert conv.conv_transpose_input_grad(y, w, (2,), (1,), (1,), groups).shape == x.shape
    got = conv.conv_transpose_weight_grad(x, y, w.shape, (2,), (1,), (1,), groups)
    assert got.shape == w.shape
    assert np.all(got == 0)
