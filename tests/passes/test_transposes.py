"""Transposes move past normalisations and reductions; nets in NHWC keep those at their ends."""

import numpy as np
import pytest
from pass_helpers import F, assert_close, assert_rewrite, interpret, numbers, trace

import symgluon as mx
from symgluon.gluon import nn
from symgluon.passes import run_pipeline

TO, BACK = (0, 3, 1, 2), (0, 2, 3, 1)  # NHWC to NCHW, and back
X = [(2, 4, 5, 3)]


@pytest.fixture(autouse=True)
def _verified(monkeypatch):
    monkeypatch.setenv("SYMGLUON_VERIFY", "1")


def t(x, axes):
    return F.transpose(x, axes=axes)


def norm(x, axis, *vectors):
    if not vectors:
        rng = np.random.default_rng(0)
        c = x.shape[axis]
        vectors = [rng.uniform(0.5, 2, c).astype("f4") for _ in range(4)]
    return F.batch_norm_inference(x, *vectors, axis=axis, eps=1e-3)


def mean(x, axis, keepdims=True):
    return F.mean(x, axis=axis, keepdims=keepdims)


REWRITES = {
    "batch norm": (lambda x: t(norm(t(x, TO), 1), BACK), lambda x: norm(x, 3), X),
    "batch norm, last axis": (lambda x: t(norm(t(x, BACK), -1), TO), lambda x: norm(x, 1), X),
    "batch norm, computed statistics": (
        lambda x, *v: t(norm(t(x, TO), 1, *map(F.square, v)), BACK),
        lambda x, *v: norm(x, 3, *map(F.square, v)),
        [*X, (3,), (3,), (3,), (3,)]),
    "batch norm in a chain": (
        lambda x: t(F.relu(norm(F.tanh(t(x, TO)), 1)) * 2.0, BACK),
        lambda x: F.relu(norm(F.tanh(x), 3)) * 2.0, X),
    "kept axes": (lambda x: t(mean(t(x, TO), (2, 3)), BACK), lambda x: mean(x, (1, 2)), X),
    "all axes kept": (lambda x: t(mean(t(x, TO), None), BACK), lambda x: mean(x, None), X),
    "squeeze and excite": (
        lambda x: (lambda y: t(y * F.sigmoid(mean(y, (2, 3))), BACK))(t(x, TO)),
        lambda x: x * F.sigmoid(mean(x, (1, 2))), X),
    "taken in": (lambda x: mean(t(x, TO), (2, 3), False), lambda x: mean(x, (1, 2), False), X),
    "taken in, negative": (lambda x: mean(t(x, TO), -3, False), lambda x: mean(x, (3,), False), X),
    "taken in whole": (lambda x: F.sum(t(x, TO)), F.sum, X),
    "chain that is taken in": (
        lambda x: F.max(F.relu(norm(t(x, TO), 1)), axis=(2, 3)),
        lambda x: F.max(F.relu(norm(x, 3)), axis=(1, 2)), X),
    "one end cancels, one is taken in": (
        lambda x: (lambda y: (t(y, BACK), F.sum(y, axis=(1, 2, 3))))(F.relu(t(x, TO))),
        lambda x: (lambda y: (y, F.sum(y, axis=(1, 2, 3))))(F.relu(x)), X),
    "dense flattens": (
        lambda x: F.dense(F.reshape(x, shape=(2, 60)), np.ones((3, 60), "f4"), None, num_hidden=3),
        lambda x: F.dense(x, np.ones((3, 60), "f4"), None, num_hidden=3), X),
}  # fmt: skip


@pytest.mark.parametrize("name", REWRITES)
def test_rewrites(name):
    before, after, operands = REWRITES[name]
    assert_rewrite(before, after, ["simplify_shape", "eliminate_dead"], *operands)


KEPT = {
    "order of what is left": (lambda x: F.sum(t(x, TO), axis=(0,)), X, ["transpose", "sum"]),
    "dense of other rows": (
        lambda x: F.dense(F.reshape(x, shape=(4, 30)), np.ones((3, 30), "f4"), None, num_hidden=3),
        X, ["reshape", "dense"]),
    "dense that does not flatten": (
        lambda x: F.dense(F.reshape(x, shape=(2, 20, 3)), np.ones((4, 3), "f4"), None, num_hidden=4,
                          flatten=False), X, ["reshape", "dense"]),
    "transposed statistics": (
        lambda x, v: (lambda w: t(norm(x, 1, w, w, w, w), BACK))(
            F.square(F.reshape(t(v, (1, 0)), shape=(-1,)))),
        [(2, 4, 5, 3), (2, 2)],
        ["transpose", "reshape", "square", "batch_norm_inference", "transpose"]),
    "read on the way": (
        lambda x: (lambda y: (t(norm(y, 1), BACK), F.softmax(y)))(F.relu(t(x, TO))), X,
        ["transpose", "relu", "batch_norm_inference", "transpose", "softmax"]),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_left_alone(name):
    function, operands, expected = KEPT[name]
    graph = trace(function, *operands)
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    run_pipeline(graph, ["simplify_shape", "eliminate_dead"])
    assert [n.op.name for n in graph.nodes] == expected
    assert_close(interpret(graph, arrays), want, rtol=0, atol=0)


@pytest.mark.parametrize("seed", range(40))
def test_random_chains(seed):
    """Whatever stands between transposes: numbers stay, transposes do not become more."""
    rng = np.random.default_rng(seed)
    perms = [TO, BACK, (1, 0, 2, 3), (0, 2, 1, 3)]

    def step(x):
        kind = rng.integers(6)
        if kind == 0:
            return t(x, perms[rng.integers(len(perms))])
        if kind == 1:
            return norm(x, int(rng.integers(-4, 4)))
        if kind == 2:
            axes = tuple(int(a) for a in rng.permutation(4)[: rng.integers(1, 4)])
            return F.tanh(x) + mean(x, axes)
        if kind == 3:
            return F.concatenate(x, F.relu(x), axis=int(rng.integers(-4, 4)))
        if kind == 4:
            return x * rng.standard_normal(int(x.shape[-1])).astype("f4")
        return t(F.sigmoid(t(x, BACK)), TO)

    def function(x):
        made = []
        for _ in range(9):
            x = step(x)
            if rng.random() < 0.2:
                made.append(F.sum(x, axis=(1, 2)))
        return [F.max(x, axis=(2, 3)), *made]

    graph = trace(function, (2, 2, 3, 2))
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    before = sum(n.op.name == "transpose" for n in graph.nodes)
    run_pipeline(graph, ["simplify_shape", "eliminate_dead"] * 3)
    assert sum(n.op.name == "transpose" for n in graph.nodes) <= before
    assert_close(interpret(graph, arrays), want, rtol=1e-4, atol=1e-5)


# ---- nets ----------------------------------------------------------------------------------------
class Residual(mx.gluon.HybridBlock):
    """conv - norm - relu - conv - norm, plus the input, in NHWC."""

    def __init__(self, channels):
        super().__init__()
        self.body = nn.HybridSequential()
        for _ in range(2):
            self.body.add(
                nn.Conv2D(channels, 3, padding=1, layout="NHWC", use_bias=False),
                nn.BatchNorm(axis=3), nn.Activation("relu"),
            )  # fmt: skip

    def forward(self, x):
        return mx.npx.relu(self.body(x) + x)


@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
def test_a_net_in_nhwc_keeps_the_transpose_at_its_start(backend):
    mx.random.seed(0)
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(4, 3, padding=1, layout="NHWC"), nn.BatchNorm(axis=3), nn.Activation("relu"),
        nn.MaxPool2D(layout="NHWC"), Residual(4), Residual(4), nn.GlobalAvgPool2D(layout="NHWC"),
        nn.Dense(3),
    )  # fmt: skip
    net.initialize()
    x = mx.np.random.normal(size=(2, 8, 8, 3))
    with mx.autograd.record():  # running statistics that are not 0 and 1
        net(x).sum().backward()
    want = net(x).asnumpy()
    net.optimize_for(x, backend=backend)
    np.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-4, atol=1e-5)
    report = net.optimize_report(x)
    names = [n.op.name for n in report.graph.nodes]
    assert names.count("transpose") == 1
    assert "reshape" not in names
    assert report.fusions["batch norm after convolution"] == 5
