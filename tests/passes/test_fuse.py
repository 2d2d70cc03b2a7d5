"""Patterns become operators, elementwise chains become one; numbers stay."""

import math

import numpy as np
import pytest
from pass_helpers import F, assert_close, assert_rewrite, interpret, numbers, trace

from symgluon.ops.array import wrap
from symgluon.ops.tape import vjp
from symgluon.passes import run_pipeline

EPS = 1e-5


@pytest.fixture(autouse=True)
def _verified(monkeypatch):
    monkeypatch.setenv("SYMGLUON_VERIFY", "1")


def ops(graph):
    return [n.op.name for n in graph.nodes]


# ---- patterns ------------------------------------------------------------------------------------
def mean(x, axis=-1):
    return F.mean(x, axis=axis, keepdims=True)


def centred(x, axis=-1):
    return x - mean(x, axis)


def tanh_gelu(inner):
    return lambda x: 0.5 * x * (1.0 + F.tanh(math.sqrt(2 / math.pi) * inner(x)))


def stable(x, axis=-1):
    e = F.exp(x - F.max(x, axis=axis, keepdims=True))
    return e / F.sum(e, axis=axis, keepdims=True)


X = [(2, 3, 4)]
XGB = [(2, 3, 4), (4,), (4,)]

PATTERNS = {
    # GELU in the spellings that are about
    "gelu erf": (lambda x: 0.5 * x * (1.0 + F.erf(x / math.sqrt(2))), "gelu", X),
    "gelu erf, other order": (lambda x: (F.erf(x * math.sqrt(0.5)) + 1.0) * 0.5 * x, "gelu", X),
    "gelu erf, half inside": (lambda x: x * (0.5 * (1.0 + F.erf(x / math.sqrt(2)))), "gelu", X),
    "gelu erf, divided": (lambda x: x * (1.0 + F.erf(x / math.sqrt(2))) / 2.0, "gelu", X),
    "gelu of a product": (
        lambda x: (lambda z: z * 0.5 * (1.0 + F.erf(z / math.sqrt(2))))(x * F.tanh(x)), "gelu", X),
    "gelu tanh, power": (tanh_gelu(lambda x: x + 0.044715 * x**3.0), "gelu", X),
    "gelu tanh, products": (tanh_gelu(lambda x: x + 0.044715 * x * x * x), "gelu", X),
    "gelu tanh, square": (tanh_gelu(lambda x: x + 0.044715 * (x * F.square(x))), "gelu", X),
    "gelu tanh, factored": (tanh_gelu(lambda x: x * (1.0 + 0.044715 * x * x)), "gelu", X),
    "gelu tanh, digits": (
        lambda x: 0.5 * x * (1.0 + F.tanh(0.7978845608 * (x + 0.044715 * x * x * x))), "gelu", X),
    # layer normalisation
    "layer norm": (
        lambda x, g, b: centred(x) / F.sqrt(mean(centred(x) ** 2.0) + EPS) * g + b, "layer_norm", XGB),
    "layer norm, rsqrt": (
        lambda x, g, b: b + g * (centred(x) * F.rsqrt(mean(F.square(centred(x))) + EPS)),
        "layer_norm", XGB),
    "layer norm, gamma inside": (
        lambda x, g, b: centred(x) * (F.rsqrt(mean(centred(x) * centred(x)) + EPS) * g) + b,
        "layer_norm", XGB),
    "layer norm, var": (
        lambda x, g, b: centred(x) / (F.var(x, axis=-1, keepdims=True) + EPS) ** 0.5 * g + b,
        "layer_norm", XGB),
    "layer norm, axis 1": (
        lambda x, g, b: centred(x, 1) * F.rsqrt(F.var(x, axis=1, keepdims=True) + EPS)
        * F.reshape(g, shape=(1, 3, 1)) + F.reshape(b, shape=(3, 1)), "layer_norm",
        [(2, 3, 4), (3,), (3,)]),
    "layer norm, constants": (
        lambda x: centred(x, 1) / F.sqrt(mean(F.square(centred(x, 1)), 1) + EPS)
        * np.array([[[1.0], [2], [3]]], "f4") + np.ones((3, 1), "f4"), "layer_norm", X),
    "layer norm, computed gamma": (
        lambda x, g: centred(x, 1) / F.sqrt(mean(F.square(centred(x, 1)), 1) + EPS)
        * F.tanh(g) + np.ones((3, 1), "f4"), "layer_norm", [(2, 3, 4), (3, 1)]),
    "layer norm, no beta": (
        lambda x, g: centred(x) * F.rsqrt(mean(F.square(centred(x))) + EPS) * g, "layer_norm",
        XGB[:2]),
    "layer norm, plain": (
        lambda x: centred(x) / F.sqrt(mean(F.square(centred(x))) + EPS), "layer_norm", X),
    "rms norm": (lambda x, g: x * F.rsqrt(mean(x * x) + EPS) * g, "rms_norm", XGB[:2]),
    "rms norm, divided": (lambda x, g: g * (x / F.sqrt(EPS + mean(x**2.0))), "rms_norm", XGB[:2]),
    "rms norm, plain": (lambda x: x * F.rsqrt(mean(x * x) + EPS), "rms_norm", X),
    # hard sigmoid
    "hard sigmoid": (
        lambda x: F.clip(x + 3.0, a_min=0.0, a_max=6.0) / 6.0, "hard_sigmoid", X),
    "hard swish": (
        lambda x: x * (F.minimum(F.relu(x + 3.0), 6.0) / 6.0), "hard_sigmoid", X),
    "hard swish, divided last": (
        lambda x: x * F.clip(3.0 + x, a_min=0.0, a_max=6.0) / 6.0, "hard_sigmoid", X),
    # softmax
    "softmax": (stable, "softmax", X),
    "softmax, axis 1": (lambda x: stable(x, 1), "softmax", X),
    "softmax, no shift": (
        lambda x: F.exp(x) / F.sum(F.exp(x), axis=-1, keepdims=True), "softmax", X),
    "softmax, scaled": (lambda x: F.softmax(x * 0.125, axis=1), "softmax", X),
    "softmax, temperature": (lambda x: F.softmax(x / 3.0), "softmax", X),
    "log softmax": (lambda x: F.log(F.softmax(x, axis=1)), "log_softmax", X),
    "log softmax, spelt out": (lambda x: F.log(stable(x)), "log_softmax", X),
    "log softmax, logsumexp": (
        lambda x: x - F.logsumexp(x, axis=1, keepdims=True), "log_softmax", X),
    "log softmax, temperature": (
        lambda x: F.log(F.softmax(x / 2.0, axis=1)), "log_softmax", X),
}  # fmt: skip


@pytest.mark.parametrize("names", [False, True], ids=["numbers", "names"])
@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(name, names):
    function, op, operands = PATTERNS[name]
    if names and name.endswith(("no beta", "plain")):
        pytest.skip("ones and zeros for gamma and beta need a size")
    graph = trace(function, *operands, names=names)
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    report = run_pipeline(graph, "infer_ort", explain=True)
    assert op in ops(graph), f"{report}\n{graph}"
    extra = [n for n in ops(graph) if n not in (op, "reshape", "tanh", "multiply")]
    assert not extra, graph
    assert_close(interpret(graph, arrays), want, rtol=2e-5, atol=2e-6)
    assert not run_pipeline(graph, "infer_ort").changed


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_dtypes(dtype):
    graph = trace(lambda x: 0.5 * x * (1.0 + F.erf(x / math.sqrt(2))), ((2, 3), dtype))
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    run_pipeline(graph, "infer")
    assert ops(graph) == ["gelu"]
    tolerance = {"float16": 5e-3, "float64": 1e-12}[dtype]
    assert_close(interpret(graph, arrays), want, rtol=tolerance, atol=tolerance)


def test_attributes_of_what_is_made():
    cases = [
        (PATTERNS["gelu tanh, power"], "approximation", True),
        (PATTERNS["gelu erf"], "approximation", False),
        (PATTERNS["layer norm, axis 1"], "axis", 1),
        (PATTERNS["layer norm"], "axis", -1),
        (PATTERNS["layer norm"], "eps", EPS),
        (PATTERNS["softmax, scaled"], "temperature", 8.0),
        (PATTERNS["softmax, temperature"], "temperature", 3.0),
        (PATTERNS["log softmax, temperature"], "temperature", 2.0),
        (PATTERNS["log softmax, logsumexp"], "axis", 1),
    ]
    for (function, op, operands), attribute, value in cases:
        graph = trace(function, *operands)
        run_pipeline(graph, "infer_ort")
        (node,) = [n for n in graph.nodes if n.op.name == op]
        assert node.op.attrs()[attribute] == value


LEFT_ALONE = {
    "another number": lambda x: 0.5 * x * (1.0 + F.erf(x / 1.5)),
    "another cube": tanh_gelu(lambda x: x + 0.05 * x * x * x),
    "another x": lambda x: 0.5 * F.exp(x) * (1.0 + F.erf(x / math.sqrt(2))),
    "another function": lambda x: 0.5 * x * (1.0 + F.tanh(x / math.sqrt(2))),
    "another axis": lambda x: F.exp(x) / F.sum(F.exp(x), axis=1, keepdims=True) * mean(x),
    "two axes": lambda x: F.exp(x) / F.sum(F.exp(x), axis=(1, 2), keepdims=True),
    "mean of another": lambda x: centred(x) / F.sqrt(mean(F.square(x)) + EPS),
    "axes that differ": lambda x: centred(x) / F.sqrt(mean(F.square(centred(x)), 1) + EPS),
    "negative temperature": lambda x: F.softmax(x / -2.0),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_left_alone(name):
    graph = trace(LEFT_ALONE[name], (2, 3, 4))
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    run_pipeline(graph, "infer_ort")
    made = {"gelu", "layer_norm", "rms_norm", "log_softmax"}
    if name == "another axis":
        assert "softmax" in ops(graph)
    elif name == "negative temperature":
        assert "multiply" in ops(graph) or "true_divide" in ops(graph)
    else:
        if name == "axes that differ":
            made.remove("rms_norm")  # which it is, of the centred x
        assert not made & set(ops(graph))
    assert_close(interpret(graph, arrays), want)


def test_a_value_inside_that_is_read_elsewhere():
    def function(x):
        t = F.erf(x / math.sqrt(2))
        return 0.5 * x * (1.0 + t), t

    graph = trace(function, (2, 3))
    report = run_pipeline(graph, "infer_ort", explain=True)
    assert "gelu" not in ops(graph)
    assert any("gelu at %multiply" in r and "read elsewhere" in r for r in report.reasons)


def test_reasons_of_normalisations():
    def function(x, g, b):
        return centred(x) / F.sqrt(mean(F.square(centred(x))) + EPS) * g + b

    graph = trace(function, (2, 3, 4), (2, 3, 4), (4,))
    report = run_pipeline(graph, "infer_ort", explain=True)
    assert any("gamma is no vector along axis 2" in r for r in report.reasons)
    # the part without gamma still is one
    assert "layer_norm" in ops(graph)


def test_fused_norm_in_a_network():
    def function(x, w):
        y = F.matmul(x, w)
        z = centred(y) / F.sqrt(mean(F.square(centred(y))) + EPS)
        return x + z * 0.5 * (1.0 + F.erf(z / math.sqrt(2)))

    graph = trace(function, (2, 4), (4, 4))
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    run_pipeline(graph, "infer_ort")
    assert ops(graph) == ["matmul", "layer_norm", "gelu", "add"]
    assert_close(interpret(graph, arrays), want, rtol=1e-4)


# ---- elementwise ---------------------------------------------------------------------------------
def conv(x, w, b):
    return F.convolution(x, w, b, kernel_shape=(3, 3), stride=(1, 1), pad=(1, 1), dilate=(1, 1),
                         num_filter=4)  # fmt: skip


CONV = [(2, 3, 5, 5), (4, 3, 3, 3), (4,)]

CHAINS = {
    "dense relu": (lambda x, w, b: F.relu(F.dense(x, w, b, num_hidden=4)), [(2, 3), (4, 3), (4,)],
                   "dense_relu"),
    "conv add relu": (lambda x, w, b, s: F.relu(conv(x, w, b) + s), [*CONV, (2, 4, 5, 5)],
                      "convolution_add_relu"),
    "add relu": (lambda x, y: F.relu(x + y), [(2, 3), (3,)], "add_relu"),
    "a long chain": (lambda x: F.exp(F.tanh(-F.relu(x)) * 2.0), [(2, 3)],
                     "relu_negative_tanh_multiply_etc"),
    "where and cast": (
        lambda x, y: F.where(F.greater(x, y), F.cast(x, dtype="float64"), 0.0) * 2.0,
        [(2, 3), (2, 3)], "greater_cast_where_multiply"),
    "two layers": (lambda x, y: F.tanh(F.matmul(x, y) + F.matmul(y, x)), [(3, 3), (3, 3)],
                   "matmul_add_tanh"),
    "x op x": (lambda x: (lambda y: F.tanh(y * y))(F.exp(x)), [(4,)], "exp_square_tanh"),
}  # fmt: skip


@pytest.mark.parametrize("names", [False, True], ids=["numbers", "names"])
@pytest.mark.parametrize("name", CHAINS)
def test_chains(name, names):
    function, operands, title = CHAINS[name]
    if names and name in ("conv add relu", "two layers", "where and cast"):
        names = False  # sizes that must be equal are asked about
    graph = trace(function, *operands, names=names)
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    kept = [a.copy() for a in arrays]
    report = run_pipeline(graph, "infer", explain=True)
    (node,) = [n for n in graph.nodes if n.op.name == "fused"]
    assert node.op.body.name == title, str(report)
    assert_close(interpret(graph, arrays), want, rtol=0, atol=0)
    for a, b in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_equal_chains_share_their_body():
    def function(x, y):
        return F.exp(x + 1.0), F.exp(y + 1.0)

    graph = trace(function, (2, 3), (2, 3))
    run_pipeline(graph, "infer")
    assert ops(graph) == ["fused", "fused"]
    assert graph.nodes[0].op.body is graph.nodes[1].op.body


def test_what_is_read_twice_is_not_computed_twice():
    def function(x):
        y = F.exp(x + 1.0)
        return F.tanh(y), F.relu(-y)

    graph = trace(function, (2, 3))
    run_pipeline(graph, "infer")
    assert ops(graph) == ["fused", "tanh", "fused"]


def test_small_parts_of_a_large_result_stay_outside():
    graph = trace(lambda x, b: F.relu(x * F.exp(b)), (100, 3), (3,))
    run_pipeline(graph, "infer")
    assert ops(graph) == ["exp", "fused"]


def test_a_fused_operator_has_gradient_types_and_decomposition():
    graph = trace(lambda x, y: F.tanh(x * y + 1.0), ((2, 3), "float64"), ((3,), "float64"))
    run_pipeline(graph, "infer")
    (node,) = graph.nodes
    types = [v.type for v in node.inputs]
    assert node.op.infer(*types) == node.output.type
    arrays = [wrap(a) for a in numbers(graph)]
    got = vjp(node.op, arrays, wrap(np.ones((2, 3))))
    want = vjp(lambda x, y: F.tanh(x * y + 1.0), arrays, wrap(np.ones((2, 3))))
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g._content(), w._content())


def test_random_operators_are_never_fused():
    graph = trace(lambda x: F.exp(x + F.random_gamma(F.abs(x))), (4,))
    run_pipeline(graph, "infer")
    assert "random_gamma" in ops(graph)


# ---- a sum and its normalisation -----------------------------------------------------------------
@pytest.mark.parametrize("names", [False, True], ids=["numbers", "names"])
@pytest.mark.parametrize("axis", [-1, 1])
def test_skip_layer_norm(axis, names):
    shape = (2, 3, 6)
    vector = (shape[axis],)

    def before(x, gamma, beta):
        return F.layer_norm(F.tanh(x) + x, gamma, beta, axis=axis, eps=0.1)

    def after(x, gamma, beta):
        return F.skip_layer_norm(F.tanh(x), x, gamma, beta, axis=axis, eps=0.1)

    assert_rewrite(before, after, "fuse_skip_norm", shape, vector, vector, names=names)


def test_skip_layer_norm_in_a_net():
    """The interpreter fuses it, ONNX Runtime gets the two operators; files do too."""
    import symgluon as mx
    from symgluon.gluon import HybridBlock, nn

    class Part(HybridBlock):
        def __init__(self):
            super().__init__()
            self.dense, self.norm = nn.Dense(8, flatten=False), nn.LayerNorm()

        def forward(self, x):
            return self.norm(x + self.dense(x))

    net = nn.HybridSequential()
    net.add(Part(), Part())
    net.initialize(mx.init.Normal(0.5))
    x = mx.np.array(np.random.default_rng(1).normal(size=(2, 3, 8)).astype("float32"))
    expected = net(x).asnumpy()
    for backend, fused in (("numpy", 2), ("onnxruntime", 0)):
        net.optimize_for(x, backend=backend)
        assert_close([net(x).asnumpy()], [expected])
        fusions = net.optimize_report(x).fusions
        assert fusions.get("skip_layer_norm", 0) == fused, fusions
