"""Batch normalisation folds into the layers around it, within a rounding; or says why not."""

import numpy as np
import pytest
from pass_helpers import F, assert_close, interpret, numbers, trace

from symgluon.passes import run_pipeline

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _verified(monkeypatch):
    monkeypatch.setenv("SYMGLUON_VERIFY", "1")


def array(*shape):
    return rng.standard_normal(shape).astype("f4")


def norm(x, channels, axis=1):
    gamma, beta, mean = array(channels), array(channels), array(channels)
    var = rng.uniform(0.5, 2, channels).astype("f4")
    return F.batch_norm_inference(x, gamma, beta, mean, var, axis=axis, eps=1e-3)


def conv(x, inputs, filters, bias=True, groups=1, pad=1, rank=2, name="convolution"):
    one = (1,) * rank
    shape = (filters, inputs // groups) if name == "convolution" else (inputs, filters // groups)
    weight = array(*shape, *(3,) * rank)
    return getattr(F, name)(
        x, weight, array(filters) if bias else None, kernel_shape=(3,) * rank, stride=one,
        pad=(pad,) * rank, dilate=one, num_group=groups, num_filter=filters,
    )  # fmt: skip


def dense(x, inputs, units, flatten=True, bias=True):
    return F.dense(x, array(units, inputs), array(units) if bias else None, num_hidden=units,
                   flatten=flatten)  # fmt: skip


FOLDS = {
    "conv": (lambda x: norm(conv(x, 4, 6), 6), (2, 4, 5, 5)),
    "conv without bias": (lambda x: norm(conv(x, 4, 6, bias=False), 6), (2, 4, 5, 5)),
    "grouped conv": (lambda x: norm(conv(x, 4, 6, groups=2), 6), (2, 4, 5, 5)),
    "depthwise conv": (lambda x: norm(conv(x, 4, 4, groups=4), 4), (2, 4, 5, 5)),
    "conv 1d": (lambda x: norm(conv(x, 4, 6, rank=1), 6), (2, 4, 5)),
    "conv 3d": (lambda x: norm(conv(x, 4, 6, rank=3), 6), (2, 4, 3, 4, 3)),
    "deconv": (lambda x: norm(conv(x, 4, 6, name="deconvolution"), 6), (2, 4, 5, 5)),
    "grouped deconv": (
        lambda x: norm(conv(x, 4, 6, groups=2, name="deconvolution"), 6), (2, 4, 5, 5)),
    "dense": (lambda x: norm(dense(x, 3, 5), 5), (2, 3)),
    "dense without bias": (lambda x: norm(dense(x, 3, 5, bias=False), 5), (2, 3)),
    "dense on the last axis": (lambda x: norm(dense(x, 3, 5, flatten=False), 5, axis=-1), (2, 4, 3)),
    "before conv": (lambda x: conv(norm(x, 4), 4, 6, pad=0), (2, 4, 5, 5)),
    "before grouped conv": (lambda x: conv(norm(x, 4), 4, 6, pad=0, groups=2), (2, 4, 5, 5)),
    "before dense": (lambda x: dense(norm(x, 3), 3, 5), (2, 3)),
    "before flattening dense": (lambda x: dense(norm(x, 3), 24, 5), (2, 3, 4, 2)),
    "before dense on the last axis": (
        lambda x: dense(norm(x, 3, axis=2), 3, 5, flatten=False, bias=False), (2, 4, 3)),
    "between two": (lambda x: conv(norm(conv(x, 4, 6), 6), 6, 2, pad=0), (2, 4, 6, 6)),
    "twice": (lambda x: norm(norm(conv(x, 4, 6), 6), 6), (2, 4, 5, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDS)
def test_folds(name):
    function, shape = FOLDS[name]
    graph = trace(function, shape)
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    output = graph.outputs[0].name
    report = run_pipeline(graph, ["fold_batch_norm", "fold_batch_norm"], explain=True)
    assert not any("norm" in n.op.name for n in graph.nodes), report
    assert graph.outputs[0].name == output
    assert_close(interpret(graph, arrays), want, rtol=1e-4, atol=1e-5)


def test_named_batch():
    graph = trace(lambda x: norm(F.convolution(
        x, array(6, 4, 3, 3), None, kernel_shape=(3, 3), stride=(2, 2), pad=(1, 1), dilate=(1, 1),
        num_filter=6), 6), (2, 4, 5, 5), names=True)  # fmt: skip
    assert run_pipeline(graph, "fold_batch_norm").changed


def _read_twice(x):
    y = conv(x, 4, 6)
    return norm(y, 6), y


def _shared_weight(x):
    weight = array(6, 3)
    a = F.dense(x, weight, None, num_hidden=6)
    return norm(a, 6), F.dense(x * 2.0, weight, None, num_hidden=6)


SMALL = np.ones(6, "f4")

KEPT = {
    "no layer": (lambda x: norm(F.relu(x), 4), [(2, 4, 5, 5)], "no convolution or dense layer"),
    "read twice": (_read_twice, [(2, 4, 5, 5)], "the result before it has other uses"),
    "padded after": (lambda x: conv(norm(x, 4), 4, 6), [(2, 4, 5, 5)], "pads"),
    "another axis": (lambda x: norm(conv(x, 4, 6), 5, axis=2), [(2, 4, 5, 5)], "normalises axis 2"),
    "another axis before": (
        lambda x: conv(norm(x, 5, axis=3), 4, 6, pad=0), [(2, 4, 5, 5)], "normalises axis 3"),
    "before dense, another axis": (
        lambda x: dense(norm(x, 4), 3, 5, flatten=False), [(2, 4, 3)], "normalises axis 1"),
    "norm read twice": (
        lambda x: (lambda y: (dense(y, 3, 5), dense(y, 3, 5)))(norm(x, 3)), [(2, 3)],
        "no convolution or dense"),
    "norm also an output": (
        lambda x: (lambda y: (dense(y, 3, 5), y))(norm(x, 3)), [(2, 3)], "its result has other uses"),
    "deconv after": (lambda x: conv(norm(x, 4), 4, 6, name="deconvolution"), [(2, 4, 5, 5)],
                     "no convolution or dense"),
    "weights as inputs": (
        lambda x, w: norm(F.dense(x, w, None, num_hidden=6), 6), [(2, 3), (6, 3)],
        "the weight is no constant"),
    "statistics as inputs": (
        lambda x, v: F.batch_norm_inference(dense(x, 3, 6), SMALL, SMALL, SMALL, v),
        [(2, 3), (6,)], "its statistics are no constants"),
    "bias as input": (
        lambda x, b: norm(F.dense(x, array(6, 3), b, num_hidden=6), 6), [(2, 3), (6,)],
        "the bias is no constant"),
    "not finite": (
        lambda x: F.batch_norm_inference(dense(x, 3, 6), SMALL, SMALL, SMALL, -SMALL, eps=1e-5),
        [(2, 3)], "not finite"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_reasons(name):
    function, operands, reason = KEPT[name]
    graph = trace(function, *operands)
    report = run_pipeline(graph, "fold_batch_norm", explain=True)
    assert not report.changed
    assert reason in report.reasons[0]
    assert report.reasons[0].startswith("fold_batch_norm: %batch_norm_inference: ")


def test_a_weight_used_twice_stays():
    weight = array(64, 30)  # too large to be stored once by content: one constant, two uses

    def function(x):
        a = F.dense(x, weight, None, num_hidden=64)
        return norm(a, 64), a * 1.0

    graph = trace(function, (2, 30))
    dense_node = next(n for n in graph.nodes if n.op.name == "dense")
    graph.add(dense_node.op, [graph.inputs[0], dense_node.inputs[1], None])
    report = run_pipeline(graph, "fold_batch_norm", explain=True)
    assert not report.changed


def test_half_precision_weights_stay():
    def function(x):
        weight = array(6, 3).astype("f2")
        y = F.dense(x, weight, None, num_hidden=6)
        one = np.ones(6, "f2")
        return F.batch_norm_inference(y, one, one, one, one)

    graph = trace(function, ((2, 3), "float16"))
    report = run_pipeline(graph, "fold_batch_norm", explain=True)
    assert "the weight is float16" in report.reasons[0]
