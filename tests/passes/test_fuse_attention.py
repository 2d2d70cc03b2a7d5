"""Attention in the ways in which MXNet users write it becomes one operator."""

import math

import numpy as np
import pytest
from pass_helpers import assert_close, interpret, numbers, trace

import symgluon as mx
from symgluon.backends import compile_graph, make_options
from symgluon.gluon import HybridBlock
from symgluon.ops.apply import F
from symgluon.ops.mx import mx_call
from symgluon.passes import run_pipeline

B, H, S, T, D = 2, 3, 4, 5, 8
Q, K, V = (B, H, S, D), (B, H, T, D), (B, H, T, D)
FLAT = [(B * H, S, D), (B * H, T, D), (B * H, T, D)]


def heads(x, n):
    return F.transpose(F.reshape(x, shape=(B, n, H, D)), axes=(0, 2, 1, 3))


def batch_dot(q, k, v):
    scores = F.batch_dot(q, k, transpose_b=True) / math.sqrt(D)
    return F.batch_dot(F.softmax(scores), v)


def scaled_query(q, k, v):
    return F.batch_dot(F.softmax(F.batch_dot(q * 0.3, k, transpose_b=True)), v)


def matmul(q, k, v):
    scores = F.matmul(q, F.swapaxes(k, axis1=-1, axis2=-2)) * 0.25
    return F.matmul(F.softmax(scores), v)


def projected(q, k, v):
    """Keys are transposed to (B, H, D, T) at once."""
    key = F.transpose(F.reshape(k, shape=(B, T, H, D)), axes=(0, 2, 3, 1))
    return F.matmul(F.softmax(F.matmul(heads(q, S), key) * 0.5), heads(v, T))


def masked(q, k, v, mask):
    scores = F.batch_dot(q, k, transpose_b=True) * 0.5 + mask
    return F.batch_dot(F.softmax(scores), v)


def mask_first(q, k, v, mask):
    return F.matmul(F.softmax(mask + F.matmul(q, F.swapaxes(k, axis1=2, axis2=3))), v)


def interleaved(x):
    scores = mx_call("_contrib_interleaved_matmul_selfatt_qk", [x], {"heads": H})[0]
    return mx_call(
        "_contrib_interleaved_matmul_selfatt_valatt", [x, F.softmax(scores)], {"heads": H}
    )[0]


WAYS = {
    "batch_dot": (batch_dot, FLAT, 1 / math.sqrt(D), False),
    "scaled query": (scaled_query, FLAT, 1.0, False),
    "matmul": (matmul, [Q, K, V], 0.25, False),
    "projected": (projected, [(B, S, H * D), (B, T, H * D), (B, T, H * D)], 0.5, False),
    "masked": (masked, [*FLAT, (B * H, 1, T)], 0.5, True),
    "mask first": (mask_first, [Q, K, V, (S, T)], 1.0, True),
    "interleaved": (interleaved, [(S, B, 3 * H * D)], None, False),
}


@pytest.mark.parametrize("names", [False, True], ids=["sizes", "names"])
@pytest.mark.parametrize("way", WAYS)
def test_becomes_one_operator(way, names):
    function, shapes, scale, mask = WAYS[way]
    if names and way in ("projected", "interleaved"):
        pytest.skip("written for given sizes")
    graph = trace(function, *shapes, names=False)
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    run_pipeline(graph, "infer_ort")
    (node,) = [n for n in graph.nodes if n.op.name == "attention"]
    assert not [n for n in graph.nodes if n.op.name in ("softmax", "batch_dot")]
    if scale is not None:
        assert node.op.scale == pytest.approx(scale)
    assert len(node.inputs) == 3 + mask
    assert_close(interpret(graph, arrays), want)
    for backend in ("numpy", "onnxruntime"):
        run = compile_graph(trace(function, *shapes), make_options(backend))
        assert_close(run(*arrays), want, rtol=1e-4, atol=1e-5)


def other_use(q, k, v):
    p = F.softmax(F.batch_dot(q, k, transpose_b=True))
    return F.batch_dot(p, v), p


def other_axis(q, k, v):
    return F.batch_dot(F.softmax(F.batch_dot(q, k, transpose_b=True), axis=1), v)


def no_product(q, k, v):
    return F.batch_dot(F.softmax(F.tanh(q)), v)


@pytest.mark.parametrize(
    ("function", "shapes", "reason"),
    [
        (other_use, FLAT, "are read elsewhere"),
        (other_axis, FLAT, "not over the last"),
        (no_product, [(2, 3, 4), (1, 1, 1), (2, 4, 5)], "no softmax of a product"),
    ],
)
def test_left_alone_with_the_reason(function, shapes, reason):
    graph = trace(function, *shapes)
    report = run_pipeline(graph, ["fuse_patterns", "fuse_attention"], explain=True)
    assert not [n for n in graph.nodes if n.op.name == "attention"]
    assert any(reason in text for text in report.reasons)


class Net(HybridBlock):
    def forward(self, q, k, v):
        scores = mx.np.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(q.shape[-1])
        return mx.np.einsum("bhij,bhjd->bhid", mx.npx.softmax(scores), v)


@pytest.mark.parametrize("opset", [13, 20, 23])
def test_einsum_and_files(opset, tmp_path):
    import onnx
    import onnxruntime

    net = Net()
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype("float32") for shape in (Q, K, V)]
    args = [mx.np.array(a) for a in arrays]
    want = net(*args).asnumpy()
    net.hybridize()
    np.testing.assert_allclose(net(*args).asnumpy(), want, rtol=1e-4, atol=1e-5)
    net.export(str(tmp_path / "m"), onnx="only", opset=opset)
    path = str(tmp_path / "m-0000.onnx")
    kinds = [n.op_type for n in onnx.load(path).graph.node]
    assert ("Attention" in kinds) == (opset >= 23)
    session = onnxruntime.InferenceSession(path)
    feeds = {i.name: a for i, a in zip(session.get_inputs(), arrays, strict=True)}
    np.testing.assert_allclose(session.run(None, feeds)[0], want, rtol=1e-4, atol=1e-5)
