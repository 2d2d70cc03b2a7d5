"""Promotion is MXNet's, in one table; backends cast where they lack a type."""

import numpy as onp
import pytest
from semantics_nets import BACKENDS, WAYS, fn

import symgluon as mx
from symgluon.gluon import nn

np = mx.np


@WAYS
@pytest.mark.parametrize(
    ("function", "dtypes", "want"),
    [
        (lambda a, b: a + b, ("int64", "float16"), "float16"),
        (lambda a, b: a * b, ("int8", "float64"), "float64"),
        (lambda a, b: a / b, ("int32", "int32"), "float32"),
        (lambda a, b: a + b, ("float16", "float32"), "float32"),
        (lambda a, b: a.mean() + 0 * b.mean(), ("int32", "int32"), "float32"),
        (lambda a, b: np.exp(a), ("int64", "int64"), "float32"),
        (lambda a, b: a * 2.5, ("int32", "int32"), "float64"),
        (lambda a, b: (a > b).sum(), ("float32", "float32"), "int64"),
        (lambda a, b: a.sum(), ("int32", "int32"), "int32"),
    ],
    ids=["int64+f16", "int8*f64", "int/int", "f16+f32", "mean", "exp", "int*2.5", "sum(bool)",
         "sum(int32)"],
)  # fmt: skip
def test_results_have_mxnets_dtype(way, function, dtypes, want):
    a, b = (np.array([1, 2], dtype=d) for d in dtypes)
    assert fn(function, way)(a, b).dtype == onp.dtype(want)


def test_the_default_is_float32():
    assert np.array([1, 2]).dtype == onp.float32
    assert np.ones((2,)).dtype == onp.float32


def test_kernels_get_operands_of_one_dtype():
    graph = fn(lambda a, b: a + b).graph_for(
        np.array([1], dtype="int32"), np.array([1.0], dtype="float16")
    )
    assert [n.op.name for n in graph.nodes] == ["cast", "add"]
    assert {v.dtype.name for v in graph.nodes[1].inputs} == {"float16"}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_backends_cast_where_they_lack_a_type(backend, dtype):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    net = nn.HybridSequential()
    net.add(nn.Conv2D(2, 3, in_channels=1), nn.Activation("relu"), nn.MaxPool2D(2))
    net.initialize()
    net.cast(dtype)
    x = np.array(onp.random.default_rng(0).normal(size=(1, 1, 6, 6)), dtype=dtype)
    want = net(x)
    net.optimize_for(x, backend=backend)
    found = net(x)
    assert found.dtype == want.dtype
    tolerance = {"float64": 1e-12, "float16": 1e-2, "bfloat16": 5e-2}[dtype]
    a, b = (v.asnumpy().astype("float64") for v in (found, want))
    assert abs(a - b).max() <= tolerance


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "layer",
    [
        nn.LeakyReLU(0.1), nn.ELU(0.3), nn.SELU(), nn.GELU(), nn.GELU("tanh"), nn.Swish(0.7),
        nn.LayerNorm(), nn.BatchNorm(), nn.GroupNorm(), nn.InstanceNorm(),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_no_attribute_rounds_float64_to_float32(backend, layer, tmp_path):
    """ONNX attributes are float32: slopes and epsilons of float64 layers must be constants."""
    layer.hybridize(False)
    layer.initialize(force_reinit=True)
    layer.cast("float64")
    x = np.array(onp.random.default_rng(0).normal(size=(2, 3, 4)) * 1e-2, dtype="float64")
    want = layer(x).asnumpy()
    layer.optimize_for(x, backend=backend)
    assert abs(layer(x).asnumpy() - want).max() <= 1e-13 * max(1, abs(want).max())
    import onnxruntime

    for opset in (13, 21):
        layer.export(str(tmp_path / "net"), opset=opset)
        try:
            session = onnxruntime.InferenceSession(tmp_path / "net-0000.onnx")
        except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
            assert isinstance(layer, nn.GELU)  # plain ONNX Runtime has no Erf of float64
            continue
        (found,) = session.run(None, {"data": x.asnumpy()})
        assert abs(found - want).max() <= 1e-13 * max(1, abs(want).max())
