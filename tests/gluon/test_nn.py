"""Layers against their formulas in NumPy, eager and hybridized; names, `repr`, errors."""

from __future__ import annotations

import math
import warnings

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.gluon import nn


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    mx.random.seed(5)
    yield
    mx.npx.reset_np()


def draw(*shape, seed=0):
    return onp.random.default_rng(seed).normal(size=shape)


def built(layer, x):
    """Initialise a layer with random values; returns them as float64."""
    layer.initialize()
    layer(x)
    values = {}
    for i, (name, p) in enumerate(layer.collect_params().items()):
        value = draw(*p.shape, seed=i + 1).astype("float32")
        if name.endswith(("running_var", "gamma")):
            value = onp.abs(value) + 0.5
        p.set_data(mx.np.array(value))
        values[name] = value.astype(float)
    return values


# ---- formulas ----------------------------------------------------------------------------------
def sigmoid(x):
    return 1 / (1 + onp.exp(-x))


erf = onp.vectorize(math.erf)


def normal(x, axes, eps=1e-5):
    gap = x - x.mean(axes, keepdims=True)
    return gap / onp.sqrt((gap**2).mean(axes, keepdims=True) + eps)


def along(v, axis, rank):
    return v.reshape([-1 if i == axis % rank else 1 for i in range(rank)])


def conv(x, w, b, strides, padding, dilation, groups):
    """Convolution in any number of axes, one output place at a time."""
    x = onp.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]])
    kernel = w.shape[2:]
    sizes = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[2:], kernel, strides, dilation, strict=True)
    ]
    out = onp.zeros((len(x), len(w), *sizes))
    per = len(w) // groups
    for place in onp.ndindex(*sizes):
        window = tuple(
            slice(i * s, i * s + d * (k - 1) + 1, d)
            for i, s, d, k in zip(place, strides, dilation, kernel, strict=True)
        )
        part = x[(slice(None), slice(None), *window)].reshape(len(x), groups, -1)
        for g in range(groups):
            rows = w[g * per : (g + 1) * per].reshape(per, -1)
            out[(slice(None), slice(g * per, (g + 1) * per), *place)] = part[:, g] @ rows.T
    return out + along(b, 1, out.ndim)


def transposed(x, w, b, strides, padding, extra):
    kernel = w.shape[2:]
    sizes = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], strides, kernel, strict=True)]
    full = onp.zeros((len(x), w.shape[1], *[n + e for n, e in zip(sizes, extra, strict=True)]))
    for place in onp.ndindex(*x.shape[2:]):
        at = tuple(slice(i * s, i * s + k) for i, s, k in zip(place, strides, kernel, strict=True))
        full[(slice(None), slice(None), *at)] += onp.einsum(
            "nc,co...->no...", x[(slice(None), slice(None), *place)], w
        )
    cut = tuple(slice(p, n - p) for n, p in zip(full.shape[2:], padding, strict=True))
    return full[(slice(None), slice(None), *cut)] + along(b, 1, full.ndim)


def pooled(x, size, strides, reduce):
    sizes = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], size, strides, strict=True)]
    out = onp.zeros((*x.shape[:2], *sizes))
    for place in onp.ndindex(*sizes):
        at = tuple(slice(i * s, i * s + k) for i, s, k in zip(place, strides, size, strict=True))
        window = x[(slice(None), slice(None), *at)]
        out[(slice(None), slice(None), *place)] = reduce(window.reshape(*x.shape[:2], -1), -1)
    return out


def last(f):
    """Formula of a channels-first layer for its channels-last form."""
    return lambda x, p: onp.moveaxis(f(onp.moveaxis(x, -1, 1), p), 1, -1)


CASES = [
    ("dense", nn.Dense(3), (2, 4), lambda x, p: x @ p["weight"].T + p["bias"]),
    ("dense flat", nn.Dense(3, use_bias=False, in_units=12), (2, 4, 3),
     lambda x, p: x.reshape(len(x), 12) @ p["weight"].T),
    ("dense last", nn.Dense(3, flatten=False, activation="sigmoid"), (2, 4, 5),
     lambda x, p: sigmoid(x @ p["weight"].T + p["bias"])),
    ("relu", nn.Activation("relu"), (3, 4), lambda x, p: onp.maximum(x, 0)),
    ("tanh", nn.Activation("tanh"), (3, 4), lambda x, p: onp.tanh(x)),
    ("softrelu", nn.Activation("softrelu"), (3, 4), lambda x, p: onp.log1p(onp.exp(x))),
    ("softsign", nn.Activation("softsign"), (3, 4), lambda x, p: x / (1 + abs(x))),
    ("leaky", nn.LeakyReLU(0.1), (3, 4), lambda x, p: onp.where(x > 0, x, 0.1 * x)),
    ("prelu", nn.PReLU(in_channels=4), (3, 4), lambda x, p: onp.where(x > 0, x, p["alpha"] * x)),
    ("elu", nn.ELU(0.5), (3, 4), lambda x, p: onp.where(x > 0, x, 0.5 * onp.expm1(x))),
    ("selu", nn.SELU(), (3, 4),
     lambda x, p: 1.0507009873554805 * onp.where(x > 0, x, 1.6732632423543772 * onp.expm1(x))),
    ("gelu", nn.GELU(), (3, 4), lambda x, p: x * (1 + erf(x / math.sqrt(2))) / 2),
    ("gelu tanh", nn.GELU("tanh"), (3, 4),
     lambda x, p: x * (1 + onp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2),
    ("swish", nn.Swish(1.5), (3, 4), lambda x, p: x * sigmoid(1.5 * x)),
    ("silu", nn.SiLU(), (3, 4), lambda x, p: x * sigmoid(x)),
    ("batch norm", nn.BatchNorm(), (3, 2, 4),
     lambda x, p: (x - along(p["running_mean"], 1, 3)) / onp.sqrt(
         along(p["running_var"], 1, 3) + 1e-5) * along(p["gamma"], 1, 3) + along(p["beta"], 1, 3)),
    ("batch norm relu", nn.BatchNormReLU(axis=-1, epsilon=1e-3), (3, 4),
     lambda x, p: onp.maximum((x - p["running_mean"]) / onp.sqrt(
         p["running_var"] + 1e-3) * p["gamma"] + p["beta"], 0)),
    ("layer norm", nn.LayerNorm(), (2, 3, 6),
     lambda x, p: normal(x, -1) * p["gamma"] + p["beta"]),
    ("layer norm axis 1", nn.LayerNorm(axis=1), (2, 3, 6),
     lambda x, p: normal(x, 1) * along(p["gamma"], 1, 3) + along(p["beta"], 1, 3)),
    ("group norm", nn.GroupNorm(2), (2, 4, 5),
     lambda x, p: normal(x.reshape(-1, 2, 2, 5), (2, 3)).reshape(-1, 4, 5)
     * along(p["gamma"], 1, 3) + along(p["beta"], 1, 3)),
    ("instance norm", nn.InstanceNorm(scale=True), (2, 3, 5),
     lambda x, p: normal(x, 2) * along(p["gamma"], 1, 3) + along(p["beta"], 1, 3)),
    ("conv1d", nn.Conv1D(4, 3, strides=2, padding=1), (2, 3, 8),
     lambda x, p: conv(x, p["weight"], p["bias"], (2,), (1,), (1,), 1)),
    ("conv2d", nn.Conv2D(4, (3, 2), padding=(1, 0), dilation=2, groups=2), (2, 6, 7, 5),
     lambda x, p: conv(x, p["weight"], p["bias"], (1, 1), (1, 0), (2, 2), 2)),
    ("conv2d last", nn.Conv2D(4, 3, layout="NHWC", activation="relu"), (2, 5, 6, 3),
     last(lambda x, p: onp.maximum(conv(x, onp.moveaxis(p["weight"], -1, 1), p["bias"], (1, 1),
                                        (0, 0), (1, 1), 1), 0))),
    ("conv3d", nn.Conv3D(2, 2, use_bias=False), (1, 2, 3, 4, 3),
     lambda x, p: conv(x, p["weight"], onp.zeros(2), (1,) * 3, (0,) * 3, (1,) * 3, 1)),
    ("conv1d transposed", nn.Conv1DTranspose(4, 3, strides=2, output_padding=1), (2, 3, 5),
     lambda x, p: transposed(x, p["weight"], p["bias"], (2,), (0,), (1,))),
    ("conv2d transposed", nn.Conv2DTranspose(2, 3, padding=1), (2, 3, 4, 5),
     lambda x, p: transposed(x, p["weight"], p["bias"], (1, 1), (1, 1), (0, 0))),
    ("conv3d transposed", nn.Conv3DTranspose(2, 2, strides=2), (1, 2, 2, 3, 2),
     lambda x, p: transposed(x, p["weight"], p["bias"], (2,) * 3, (0,) * 3, (0,) * 3)),
    ("max pool 1d", nn.MaxPool1D(3, 2), (2, 3, 8),
     lambda x, p: pooled(x, (3,), (2,), onp.max)),
    ("max pool 2d", nn.MaxPool2D(), (2, 3, 5, 6),
     lambda x, p: pooled(x, (2, 2), (2, 2), onp.max)),
    ("avg pool 2d", nn.AvgPool2D((2, 3), 1), (2, 3, 5, 6),
     lambda x, p: pooled(x, (2, 3), (1, 1), onp.mean)),
    ("avg pool 3d", nn.AvgPool3D(), (1, 2, 4, 5, 4),
     lambda x, p: pooled(x, (2,) * 3, (2,) * 3, onp.mean)),
    ("avg pool last", nn.AvgPool2D(layout="NHWC"), (2, 4, 4, 3),
     last(lambda x, p: pooled(x, (2, 2), (2, 2), onp.mean))),
    ("global max", nn.GlobalMaxPool2D(), (2, 3, 4, 5), lambda x, p: x.max((2, 3), keepdims=True)),
    ("global avg", nn.GlobalAvgPool1D(), (2, 3, 4), lambda x, p: x.mean(2, keepdims=True)),
    ("reflection", nn.ReflectionPad2D(2), (1, 2, 4, 5),
     lambda x, p: onp.pad(x, [(0, 0), (0, 0), (2, 2), (2, 2)], "reflect")),
    ("shuffle 1d", nn.PixelShuffle1D(2), (2, 6, 4),
     lambda x, p: x.reshape(-1, 3, 2, 4).transpose(0, 1, 3, 2).reshape(-1, 3, 8)),
    ("shuffle 2d", nn.PixelShuffle2D((2, 3)), (1, 12, 4, 5),
     lambda x, p: x.reshape(-1, 2, 2, 3, 4, 5).transpose(0, 1, 4, 2, 5, 3).reshape(-1, 2, 8, 15)),
    ("flatten", nn.Flatten(), (2, 3, 4), lambda x, p: x.reshape(-1, 12)),
    ("identity", nn.Identity(), (2, 3), lambda x, p: x),
    ("dropout", nn.Dropout(0.5), (2, 3), lambda x, p: x),
    ("lambda", nn.HybridLambda("tanh"), (2, 3), lambda x, p: onp.tanh(x)),
    ("lambda function", nn.HybridLambda(lambda x: x * 2), (2, 3), lambda x, p: x * 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "layer", "shape", "formula"), CASES, ids=[c[0] for c in CASES])
def test_layer(name, layer, shape, formula):
    x = mx.np.array(draw(*shape).astype("float32"))
    values = built(layer, x)
    want = formula(x.asnumpy().astype(float), values)
    onp.testing.assert_allclose(layer(x).asnumpy(), want, atol=2e-5)
    layer.hybridize()  # the same for another batch size
    onp.testing.assert_allclose(layer(x).asnumpy(), want, atol=2e-5)
    more = draw(shape[0] + 1, *shape[1:], seed=9).astype("float32")
    want = formula(more.astype(float), values)
    onp.testing.assert_allclose(layer(mx.np.array(more)).asnumpy(), want, atol=2e-5)


# ---- normalisation in training -------------------------------------------------------------------
@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("cls", [nn.BatchNorm, nn.SyncBatchNorm])
def test_running_statistics(hybrid, cls):
    layer = cls(in_channels=2, momentum=0.75)
    layer.initialize()
    if hybrid:
        layer.hybridize()
    mean, var = onp.zeros(2), onp.ones(2)
    for step in range(3):
        x = draw(4, 2, 3, seed=step) * 3 + 1
        with mx.autograd.record():
            y = layer(mx.np.array(x.astype("float32")))
        onp.testing.assert_allclose(y.asnumpy(), normal(x, (0, 2)), atol=1e-5)
        mean = 0.75 * mean + 0.25 * x.mean((0, 2))
        var = 0.75 * var + 0.25 * x.var((0, 2))
        onp.testing.assert_allclose(layer.running_mean.data().asnumpy(), mean, rtol=1e-5)
        onp.testing.assert_allclose(layer.running_var.data().asnumpy(), var, rtol=1e-5)
    y.backward()
    onp.testing.assert_allclose(layer.running_mean.data().asnumpy(), mean, rtol=1e-5)


def test_global_statistics_are_kept():
    layer = nn.BatchNorm(use_global_stats=True, in_channels=2)
    layer.initialize()
    x = draw(4, 2) * 3
    with mx.autograd.record():
        y = layer(mx.np.array(x.astype("float32")))
    onp.testing.assert_allclose(y.asnumpy(), x / math.sqrt(1 + 1e-5), rtol=1e-5)
    onp.testing.assert_array_equal(layer.running_mean.data().asnumpy(), 0)


def test_without_scale_and_center():
    layer = nn.BatchNorm(scale=False, center=False, in_channels=2)
    layer.initialize()
    reqs = {n: p.grad_req for n, p in layer.collect_params().items()}
    assert set(reqs.values()) == {"null"}
    layer.gamma.set_data(mx.np.array([5.0, 5.0]))
    x = draw(4, 2).astype("float32")
    onp.testing.assert_allclose(
        layer(mx.np.array(x)).asnumpy(), x / math.sqrt(1 + 1e-5), rtol=1e-5
    )


def test_batch_norm_keeps_float32_parameters_for_half_data():
    layer = nn.BatchNorm(in_channels=2)
    layer.cast("float16")
    layer.initialize()
    assert layer.gamma.dtype == onp.float32
    assert layer(mx.np.ones((2, 2), dtype="float16")).dtype == onp.float16


# ---- dropout and embedding -----------------------------------------------------------------------
@pytest.mark.parametrize("hybrid", [False, True])
def test_dropout(hybrid):
    layer = nn.Dropout(0.25, axes=(1,))
    if hybrid:
        layer.hybridize()
    x = mx.np.ones((400, 5))
    x.attach_grad()
    with mx.autograd.record():
        y = layer(x)
    y.backward()
    found = y.asnumpy()
    assert set(onp.unique(found)) == {0.0, onp.float32(4 / 3)}
    assert (found == found[:, :1]).all()
    assert (found[:, 0] > 0).mean() == pytest.approx(0.75, abs=0.1)
    onp.testing.assert_array_equal(x.grad.asnumpy(), found)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_embedding(dtype):
    layer = nn.Embedding(4, 3)
    layer.initialize()
    x = mx.np.array([[0, 3], [9, -1]], dtype=dtype)
    with mx.autograd.record():
        y = layer(x)
    y.backward()
    weight = layer.weight.data().asnumpy()
    onp.testing.assert_array_equal(y.asnumpy(), weight[[[0, 3], [3, 0]]])
    onp.testing.assert_array_equal(layer.weight.grad().asnumpy()[:, 0], [2, 0, 0, 2])


# ---- deformable convolutions ---------------------------------------------------------------------
def test_deformable_without_offsets_is_a_convolution():
    x = mx.np.array(draw(2, 4, 5, 6).astype("float32"))
    layer = nn.DeformableConvolution(3, kernel_size=(3, 3), padding=(1, 1), activation="relu")
    layer.initialize()
    y = layer(x).asnumpy()
    weight = layer.deformable_conv_weight.data().asnumpy().astype(float)
    want = conv(x.asnumpy().astype(float), weight, onp.zeros(3), (1, 1), (1, 1), (1, 1), 1)
    onp.testing.assert_allclose(y, onp.maximum(want, 0), atol=1e-5)
    assert repr(layer) == (
        "DeformableConvolution(4 -> 3, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), "
        "Activation(relu))"
    )


def test_modulated_deformable_starts_as_a_convolution():
    x = mx.np.array(draw(1, 2, 4, 4).astype("float32"))
    layer = nn.ModulatedDeformableConvolution(3, kernel_size=(2, 2))
    layer.initialize()
    weight = layer.deformable_conv_weight
    y = layer(x).asnumpy()
    want = conv(x.asnumpy().astype(float), weight.data().asnumpy().astype(float), onp.zeros(3),
                (1, 1), (0, 0), (1, 1), 1)  # fmt: skip
    onp.testing.assert_allclose(y, want, atol=1e-5)  # twice a sigmoid of 0 is 1
    layer.hybridize()
    onp.testing.assert_allclose(layer(x).asnumpy(), want, atol=1e-5)


# ---- containers --------------------------------------------------------------------------------
def test_sequential():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3), nn.Activation("relu"))
    net.add(nn.Dense(2, in_units=4))
    assert len(net) == 3
    assert [type(b).__name__ for b in net] == ["Dense", "Activation", "Dense"]
    assert net[2] is list(net)[2]
    assert isinstance(net[:2], nn.HybridSequential)
    assert len(net[1:]) == 2
    assert list(net.collect_params()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


class Pair(gluon.HybridBlock):
    """Two results from one or two arguments."""

    def forward(self, x, y=None):
        return x + 1, (x if y is None else y) * 2


@pytest.mark.parametrize("cls", [nn.Sequential, nn.HybridSequential])
def test_several_results_become_arguments(cls):
    net = cls()
    net.add(Pair(), Pair())
    x = mx.np.ones((2,))
    for _ in range(2):
        a, b = net(x)
        onp.testing.assert_array_equal(a.asnumpy(), 3)
        onp.testing.assert_array_equal(b.asnumpy(), 4)
        if cls is nn.HybridSequential:
            net.hybridize()


@pytest.mark.parametrize("cls", [nn.Concatenate, nn.HybridConcatenate])
@pytest.mark.parametrize("axis", [-1, 0])
def test_concatenate(cls, axis):
    net = cls(axis=axis)
    net.add(nn.Identity(), nn.HybridLambda(lambda x: x * 2))
    x = draw(2, 3).astype("float32")
    want = onp.concatenate([x, 2 * x], axis)
    onp.testing.assert_array_equal(net(mx.np.array(x)).asnumpy(), want)


def test_sequential_of_hybrid_blocks_warns():
    net = nn.Sequential()
    net.add(nn.Dense(2, in_units=2))
    with pytest.warns(UserWarning, match="Consider using HybridSequential"):
        net.hybridize()


def test_plain_blocks_are_no_part_of_hybrid_ones():
    net = nn.HybridSequential()
    with pytest.raises(ValueError, match="must be HybridBlocks"):
        net.add(nn.Lambda("tanh"))


def test_lambda():
    x = mx.np.array([[-1.0, 2.0]])
    onp.testing.assert_array_equal(nn.Lambda("relu")(x).asnumpy(), [[0, 2]])
    onp.testing.assert_array_equal(nn.Lambda(lambda a, b: a - b)(x, x).asnumpy(), [[0, 0]])
    with pytest.raises(AssertionError, match="nothing_like_it"):
        nn.Lambda("nothing_like_it")
    with pytest.raises(ValueError, match="Unrecognized function"):
        nn.HybridLambda(3)


# ---- shapes found at the first call --------------------------------------------------------------
@pytest.mark.parametrize("hybrid", [False, True])
def test_sizes_are_found_at_the_first_call(hybrid):
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.LayerNorm(axis=1), nn.Flatten(), nn.Dense(2))
    net.initialize()
    if hybrid:
        net.hybridize()
    assert net(mx.np.ones((3, 2, 5, 5))).shape == (3, 2)
    shapes = {n: p.shape for n, p in net.collect_params().items()}
    assert shapes["0.weight"] == (4, 2, 3, 3)
    assert shapes["1.gamma"] == shapes["2.beta"] == (4,)
    assert shapes["4.weight"] == (2, 36)


def test_sizes_given_are_checked():
    with warnings.catch_warnings():
        layer = nn.Dense(2, in_units=3)
        layer.initialize()
    with pytest.raises(AssertionError):
        layer(mx.np.ones((2, 4)))


# ---- repr --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Dense(3), "Dense(-1 -> 3, linear)"),
        (nn.Dense(3, in_units=2, activation="relu"), "Dense(2 -> 3, Activation(relu))"),
        (nn.Dropout(0.5, axes=(1,)), "Dropout(p = 0.5, axes=(1,))"),
        (nn.Embedding(3, 4), "Embedding(3 -> 4, float32)"),
        (nn.Flatten(), "Flatten"),
        (nn.Identity(), "Identity(\n\n)"),
        (nn.Lambda("tanh"), "Lambda(tanh)"),
        (nn.HybridLambda(lambda x: x), "HybridLambda(<lambda>)"),
        (nn.BatchNorm(), "BatchNorm(axis=1, eps=1e-05, momentum=0.9, fix_gamma=False, "
                         "use_global_stats=False, in_channels=-1)"),
        (nn.SyncBatchNorm(in_channels=3), "SyncBatchNorm(eps=1e-05, momentum=0.9, fix_gamma=False, "
                                          "use_global_stats=False, ndev=1, in_channels=3)"),
        (nn.LayerNorm(), "LayerNorm(eps=1e-05, axis=-1, center=True, scale=True, in_channels=-1)"),
        (nn.GroupNorm(2, in_channels=4),
         "GroupNorm(eps=1e-05, num_groups=2, center=True, scale=True, in_channels=4)"),
        (nn.InstanceNorm(),
         "InstanceNorm(eps=1e-05, axis=1, center=True, scale=False, in_channels=-1)"),
        (nn.Activation("relu"), "Activation(relu)"),
        (nn.LeakyReLU(0.1), "LeakyReLU(0.1)"),
        (nn.Conv2D(3, 2), "Conv2D(-1 -> 3, kernel_size=(2, 2), stride=(1, 1))"),
        (nn.Conv1D(3, 2, 2, 1, 2, use_bias=False, activation="tanh"),
         "Conv1D(-1 -> 3, kernel_size=(2,), stride=(2,), padding=(1,), dilation=(2,), bias=False, "
         "Activation(tanh))"),
        (nn.Conv2DTranspose(4, 2, in_channels=4, groups=2),
         "Conv2DTranspose(4 -> 2, kernel_size=(2, 2), stride=(1, 1), groups=2)"),
        (nn.MaxPool2D((3, 2), 2, 1, ceil_mode=True),
         "MaxPool2D(size=(3, 2), stride=(2, 2), padding=(1, 1), ceil_mode=True, "
         "global_pool=False, pool_type=max, layout=NCHW)"),
        (nn.GlobalAvgPool1D(), "GlobalAvgPool1D(size=(1,), stride=(1,), padding=(0,), "
                               "ceil_mode=True, global_pool=True, pool_type=avg, layout=NCW)"),
        (nn.PixelShuffle1D(2), "PixelShuffle1D(2)"),
        (nn.PixelShuffle2D(2), "PixelShuffle2D((2, 2))"),
        (nn.HybridConcatenate(), "HybridConcatenate(\n\n)"),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, gluon.Block) else "",
)  # fmt: skip
def test_repr(layer, text):
    assert repr(layer) == text


# ---- arguments ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: nn.LeakyReLU(-0.1), AssertionError),
        (lambda: nn.GELU("x"), ValueError),
        (lambda: nn.Conv2D(3, (2, 2, 2)), AssertionError),
        (lambda: nn.Conv2D(3, 2, layout="NCW"), AssertionError),
        (lambda: nn.MaxPool2D(layout="NCDHW"), AssertionError),
        (lambda: nn.MaxPool2D(count_include_pad=False), TypeError),
        (lambda: nn.PixelShuffle2D((2, 2, 2)), AssertionError),
        (lambda: nn.ReflectionPad2D((1, 2)), AssertionError),
        (lambda: nn.SyncBatchNorm(num_devices=0), ValueError),
        (lambda: nn.Dense(2, nothing=3), TypeError),
        (lambda: nn.BatchNorm(nothing=3), TypeError),
        (lambda: nn.Activation("nothing")(mx.np.ones((2,))), ValueError),
    ],
)
def test_arguments_are_checked(make, error):
    with pytest.raises(error):
        make()


def test_layers_take_arrays_only():
    with pytest.raises(TypeError, match=r"make one with mx.np.array"):
        nn.Activation("relu")(onp.ones(2))
