"""The fused recurrent operator: unrolled form, ONNX forms and second derivative."""

from __future__ import annotations

import layered
import numpy as np
import pytest

from symgluon.errors import ShapeError, UnsupportedOpError
from symgluon.ops import F
from symgluon.ops.array import wrap
from symgluon.ops.kernels.rnn import param_size
from symgluon.ops.rnn import Rnn
from symgluon.ops.tape import vjp

STEPS, BATCH, WIDTH, SIZE = 4, 3, 2, 3
CASES = [
    {"mode": "lstm"},
    {"mode": "gru"},
    {"mode": "rnn_relu"},
    {"mode": "rnn_tanh", "bidirectional": True},
    {"mode": "lstm", "num_layers": 2, "bidirectional": True},
    {"mode": "gru", "num_layers": 2, "bidirectional": True},
    {"mode": "lstm", "projection_size": 2, "num_layers": 2},
    {"mode": "lstm", "clip_min": -0.2, "clip_max": 0.3},
]


def operands(attrs, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    op = Rnn(state_size=SIZE, **attrs)
    slots = op.num_layers * op.config.directions
    data = rng.standard_normal((STEPS, BATCH, WIDTH))
    params = rng.standard_normal(param_size(op.config, WIDTH)) * 0.5
    hidden = rng.standard_normal((slots, BATCH, op.config.hidden))
    made = [data, params, hidden]
    if op.mode == "lstm":
        made.append(rng.standard_normal((slots, BATCH, SIZE)))
    return op, [a.astype(dtype) for a in made]


def with_lengths(op, lengths, masks=None):
    """The operator with its lengths, as a function of data, parameters and states."""

    def run(data, params, hidden, cell=None):
        return op(data, params, hidden, cell, lengths, masks)

    return run


@pytest.mark.parametrize("lengths", [None, [4, 2, 1]], ids=["full", "lengths"])
@pytest.mark.parametrize("attrs", CASES, ids=str)
def test_unrolled(attrs, lengths):
    """The unrolled form agrees with the kernel in value and in gradient."""
    op, arrays = operands(attrs, "float64")
    given = None if lengths is None else wrap(np.array(lengths, np.int32))
    masks = None
    if op.num_layers > 1:
        width = op.config.hidden * op.config.directions
        shape = (op.num_layers - 1, STEPS, BATCH, width)
        masks = wrap(np.random.default_rng(1).integers(0, 2, shape) * 2.0)
    fast = with_lengths(op, given, masks)

    def slow(data, params, hidden, cell=None):
        return op.decompose(data, params, hidden, cell, given, masks)

    rng = np.random.default_rng(2)
    cts = [rng.standard_normal(r.shape) for r in layered.eager(fast, arrays)]
    both = [layered.eager(layered.with_gradients(f, len(arrays)), [*arrays, *cts])
            for f in (fast, slow)]  # fmt: skip
    layered.close(both[0], both[1], 1e-12)


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("attrs", CASES, ids=str)
def test_onnx(attrs, opset):
    """ONNX's operators, or the unrolled form, give the kernel's numbers; the batch is free."""
    pytest.importorskip("onnxruntime")
    op, arrays = operands(attrs)
    for lengths in (None, np.array([4, 2, 1], np.int32)):
        function = with_lengths(op, lengths)
        want = layered.eager(function, arrays)
        graph, _ = layered.trace(function, arrays, set())
        layered.close(layered.run(layered.session(graph, opset), arrays), want)


def test_onnx_free_sizes():
    pytest.importorskip("onnxruntime")
    op, arrays = operands({"mode": "gru", "num_layers": 2, "bidirectional": True})
    graph, scope = layered.trace(with_lengths(op, None), arrays, {(0, 0), (0, 1), (2, 1)})
    assert [str(g.expr) + g.relation + str(g.value) for g in scope.guards] == ["d0_1==d2_1"]
    made = layered.session(graph)
    data, params, hidden = arrays
    longer = [np.concatenate([data, data])[:, :2], params, hidden[:, :2]]
    layered.close(layered.run(made, longer), layered.eager(with_lengths(op, None), longer))


@pytest.mark.parametrize("attrs", CASES[:2], ids=str)
def test_second_derivative(attrs):
    """Derivative of the squared norm of the first gradient, against central differences."""
    op, arrays = operands(attrs, "float64")
    run = with_lengths(op, None)
    cts = [np.ones_like(r) for r in layered.eager(run, arrays)]

    def norm(*xs):
        grads = vjp(run, list(xs), [wrap(c) for c in cts])
        total = F.sum(grads[0] * grads[0])
        for g in grads[1:]:
            total = total + F.sum(g * g)
        return total

    second = vjp(norm, [wrap(a) for a in arrays], wrap(np.ones(())))
    rng = np.random.default_rng(3)
    directions = [rng.standard_normal(a.shape) for a in arrays]
    exact = sum(np.sum(s._content() * d) for s, d in zip(second, directions, strict=True))

    def at(step):
        moved = [wrap(a + step * d) for a, d in zip(arrays, directions, strict=True)]
        return float(norm(*moved)._content())

    approximate = (at(1e-5) - at(-1e-5)) / 2e-5
    assert abs(exact - approximate) < 1e-6 * max(1, abs(exact))


def test_refuses():
    op, arrays = operands({"mode": "lstm"})
    with pytest.raises(ShapeError, match="state"):
        op(*[wrap(a) for a in arrays[:2]], wrap(arrays[2][:, :1]), wrap(arrays[3]))
    long = np.zeros((2000, 1, WIDTH), "f")
    state = np.zeros((1, 1, SIZE), "f")
    with pytest.raises(UnsupportedOpError, match="too many"):
        op.decompose(wrap(long), wrap(arrays[1]), wrap(state), wrap(state))
