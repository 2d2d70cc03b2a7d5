"""Losses against their formulas in NumPy, eager and hybridized, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest

import symgluon as mx
from symgluon.gluon import loss as losses

TINY = 1e-12


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


def rows(x):
    return x.reshape(len(x), -1).mean(axis=1)


def log_softmax(x, axis=-1):
    x = x - x.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def logistic(p, y):
    return np.maximum(p, 0) - p * y + np.log1p(np.exp(-np.abs(p)))


def draw(seed=0, shape=(4, 3)):
    return np.random.default_rng(seed).normal(size=shape)


P, Q, R = draw(1), draw(2), draw(3)
SIGNS = np.where(draw(4) > 0, 1.0, -1.0)
BITS = (SIGNS + 1) / 2
CHANCES = 1 / (1 + np.exp(-draw(5)))
CLASSES = np.array([0, 2, 1, 1])
SPREAD = np.exp(log_softmax(draw(6)))
COUNTS = np.array([[0.0, 1.0, 3.0]] * 4)
ONE_SIGN = np.array([1.0, -1.0, 1.0, -1.0])


def cosine(a, b):
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def triplet(p, a, b, margin):
    return np.maximum(((a - p) ** 2 - (b - p) ** 2).sum(1) + margin, 0)


def stirling(n):
    big = np.where(n > 1, n, 2.0)
    return np.where(n > 1, big * np.log(big) - big + 0.5 * np.log(2 * np.pi * big), 0.0)


def sdml(a, b, smooth):
    n = len(a)
    log_p = log_softmax(-((a[:, None] - b[None]) ** 2).sum(2), 1)
    label = np.full((n, n), smooth / (n - 1))
    np.fill_diagonal(label, 1 - smooth)
    return (label * (np.log(label + TINY) - log_p)).mean(1)


GAP = np.abs(Q - P)
HINGE = np.maximum(1 - P * SIGNS, 0)
CASES = [
    ("L2Loss", {}, (P, Q), rows((P - Q) ** 2) / 2),
    ("L2Loss", {"weight": 3.0}, (P, Q.reshape(4, 1, 3)), rows((P - Q) ** 2) * 1.5),
    ("L1Loss", {}, (P, Q), rows(GAP)),
    ("L1Loss", {"batch_axis": 1}, (P, Q), GAP.mean(axis=0)),
    ("L1Loss", {"weight": 2.0}, (P, Q, np.abs(R)), rows(GAP * np.abs(R)) * 2),
    ("HuberLoss", {"rho": 0.5}, (P, Q), rows(np.where(GAP > 0.5, GAP - 0.25, GAP**2))),
    ("SigmoidBCELoss", {}, (P, BITS), rows(logistic(P, BITS))),
    ("SigmoidBCELoss", {}, (P, BITS, np.ones((4, 1)), np.full((1, 3), 2.0)),
     rows(logistic(P, BITS) + BITS * np.log1p(np.exp(-P)))),
    ("SigmoidBCELoss", {"from_sigmoid": True}, (CHANCES, BITS),
     rows(-np.log(np.where(BITS == 1, CHANCES, 1 - CHANCES)))),
    ("SoftmaxCELoss", {}, (P, CLASSES), -log_softmax(P)[np.arange(4), CLASSES]),
    ("SoftmaxCrossEntropyLoss", {"sparse_label": False}, (P, SPREAD),
     -(log_softmax(P) * SPREAD).sum(1)),
    ("SoftmaxCELoss", {"axis": 1, "sparse_label": False, "from_logits": True}, (P, SPREAD),
     -(P * SPREAD).sum(1)),
    ("KLDivLoss", {"from_logits": False}, (P, SPREAD),
     rows(SPREAD * (np.log(SPREAD) - log_softmax(P)))),
    ("HingeLoss", {}, (P, SIGNS), rows(HINGE)),
    ("SquaredHingeLoss", {}, (P, SIGNS), rows(HINGE**2)),
    ("LogisticLoss", {}, (P, SIGNS), rows(logistic(P, BITS))),
    ("LogisticLoss", {"label_format": "binary"}, (P, BITS), rows(logistic(P, BITS))),
    ("TripletLoss", {"margin": 0.5}, (P, Q, R), triplet(P, Q, R, 0.5)),
    ("PoissonNLLLoss", {}, (P, COUNTS), rows(np.exp(P) - COUNTS * P)),
    ("PoissonNLLLoss", {"from_logits": False, "compute_full": True}, (CHANCES, COUNTS),
     rows(CHANCES - COUNTS * np.log(CHANCES + 1e-8) + stirling(COUNTS))),
    ("CosineEmbeddingLoss", {"margin": 0.1}, (P, Q, ONE_SIGN),
     np.where(ONE_SIGN == 1, 1 - cosine(P, Q), np.maximum(cosine(P, Q) - 0.1, 0))),
    ("SDMLLoss", {"smoothing_parameter": 0.2}, (P, Q), sdml(P, Q, 0.2)),
]  # fmt: skip
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(CASES)]


def arrays(values):
    return [mx.np.array(v, dtype="int32" if v.dtype.kind == "i" else "float32") for v in values]


@pytest.mark.parametrize("hybrid", [False, True], ids=["eager", "hybrid"])
@pytest.mark.parametrize(("name", "kwargs", "values", "expected"), CASES, ids=IDS)
def test_value(name, kwargs, values, expected, hybrid):
    block = getattr(losses, name)(**kwargs)
    if hybrid:
        block.hybridize()
    found = block(*arrays(values))
    assert type(found) is mx.np.ndarray
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.asnumpy(), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "kwargs", "values", "expected"), CASES, ids=IDS)
def test_gradient(name, kwargs, values, expected):
    """The derivative along a direction is the difference of the losses there."""
    block = getattr(losses, name)(**kwargs)
    first, *rest = arrays(values)
    first.attach_grad()
    with mx.autograd.record():
        total = block(first, *rest).sum()
    total.backward()
    direction = draw(9, values[0].shape)
    step = 1e-3
    ends = [
        block(mx.np.array(values[0] + s * direction, dtype="float32"), *rest)
        .asnumpy()
        .astype(np.float64)
        .sum()
        for s in (step, -step)
    ]
    exact = (first.grad.asnumpy() * direction).sum()
    np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), exact, rtol=2e-2, atol=3e-3)


def ctc_by_paths(log_p, label, blank):
    """Sum over all paths that collapse to the label."""
    total = -np.inf
    steps, classes = log_p.shape
    for path in np.ndindex(*(classes,) * steps):
        merged = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
        if [c for c in merged if c != blank] == list(label):
            total = np.logaddexp(total, sum(log_p[t, c] for t, c in enumerate(path)))
    return -total


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
@pytest.mark.parametrize("lengths", [False, True], ids=["padded", "lengths"])
def test_ctc(layout, lengths):
    scores = draw(7, (2, 4, 3))
    labels, frames = [[0, 1], [1]], [4, 3] if lengths else [4, 4]
    expected = [
        ctc_by_paths(log_softmax(s[:f]), y, 2)
        for s, y, f in zip(scores, labels, frames, strict=True)
    ]
    pred = scores if layout == "NTC" else scores.transpose(1, 0, 2)
    padded = np.array([[0.0, 1.0], [1.0, 0.0 if lengths else -1.0]])
    extra = [np.array([4.0, 3.0]), np.array([2.0, 1.0])] if lengths else []
    operands = arrays([pred, padded, *extra])
    operands[0].attach_grad()
    with mx.autograd.record():
        found = losses.CTCLoss(layout=layout)(*operands)
    found.backward()
    np.testing.assert_allclose(found.asnumpy(), expected, rtol=1e-4)
    # probabilities minus their share: the gradient by the scores of each step sums to 0
    np.testing.assert_allclose(operands[0].grad.asnumpy().sum(-1), 0, atol=1e-5)


def test_ctc_has_no_second_derivative():
    """It says so: zeros would be wrong."""
    scores = mx.np.array(draw(8, (1, 3, 3)), dtype="float32")
    scores.attach_grad()
    with mx.autograd.record():
        found = losses.CTCLoss()(scores, mx.np.array([[0.0]]))
        (first,) = mx.autograd.grad(found, [scores], create_graph=True)
        total = (first * first).sum()
    with pytest.raises(mx.MXNetError, match="second derivative"):
        total.backward()


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="signed or binary"):
        losses.LogisticLoss(label_format="other")
    with pytest.raises(AssertionError, match="layouts"):
        losses.CTCLoss(layout="CTN")
    with pytest.raises(AssertionError, match="weight must be a number"):
        losses.L2Loss()._mean(mx.np.ones((2, 2)), factor="2")


def test_large_logits_stay_finite():
    found = losses.SoftmaxCELoss()(mx.np.array([[1e4, -1e4]]), mx.np.array([1], dtype="int32"))
    np.testing.assert_allclose(found.asnumpy(), [2e4])
