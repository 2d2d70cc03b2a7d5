"""Metrics against their definitions; errors, configs, composites."""

from __future__ import annotations

import json
import math

import numpy as onp
import pytest

import symgluon as mx
from symgluon.gluon import metric


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


A = mx.np.array
TWO = [[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [1.0, 0.0]]
THREE = [[0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.2, 0.3, 0.5], [0.1, 0.2, 0.7]]

CASES = [
    ("Accuracy", {}, [0, 1, 1, 0], TWO, 0.5),
    ("Accuracy", {}, [0, 1, 1], [0.0, 1.0, 0.0], 2 / 3),
    ("Accuracy", {"axis": -1}, [[0, 1], [1, 1]], [[[0, 1], [2, 3]], [[4, 5], [6, 7]]], 3 / 4),
    ("TopKAccuracy", {"top_k": 2}, [1, 0, 1, 0], THREE, 3 / 4),
    ("BinaryAccuracy", {"threshold": 0.6}, [0, 1, 1], [0.2, 0.5, 0.7], 2 / 3),
    ("F1", {}, [0, 1, 1, 0], [0.1, 0.8, 0.3, 0.6], 0.5),
    ("F1", {}, [0, 1, 1, 0], TWO, 0.5),
    ("F1", {"class_type": "multiclass"}, [0, 1, 1, 2], THREE, 0.5),
    ("F1", {"class_type": "multiclass", "average": "macro"}, [0, 1, 1, 2], THREE,
     (0 + 0.5 + 2 / 3) / 3),
    ("F1", {"class_type": "multiclass", "average": None}, [0, 1, 1, 2], THREE, [0, 0.5, 2 / 3]),
    ("F1", {"class_type": "multilabel", "average": "macro"}, [[0, 1, 1], [0, 0, 0]], THREE[:2],
     2 / 9),
    ("Fbeta", {"beta": 2}, [0, 1, 1, 1], [0.1, 0.8, 0.3, 0.6], 5 * 2 / (5 * 2 + 4 * 1 + 0)),
    ("MCC", {}, [0, 1, 1, 0], [0.1, 0.8, 0.3, 0.2], 2 / math.sqrt(1 * 2 * 3 * 2)),
    ("MCC", {}, [0, 0], [0.1, 0.2], 0.0),
    ("PCC", {}, [0, 1, 1, 0], [0.1, 0.8, 0.3, 0.2], 2 / math.sqrt(1 * 2 * 3 * 2)),
    ("MAE", {}, [[1, 2], [3, 4]], [[0, 2], [0, 0]], 2.0),
    ("MSE", {}, [1, 2], [[0], [2]], 0.5),
    ("RMSE", {}, [1, 2], [0, 2.5], math.sqrt(1.25 / 2)),
    ("MeanPairwiseDistance", {}, [[1, 2], [3, 4]], [[0, 2], [0, 0]], 3.0),
    ("MeanPairwiseDistance", {"p": 1}, [[1, 2], [3, 4]], [[0, 2], [0, 0]], 4.0),
    ("MeanCosineSimilarity", {}, [[1, 2], [3, 4]], [[0, 2], [1, 0]], (2 / math.sqrt(5) + 0.6) / 2),
    ("CrossEntropy", {}, [1, 0], TWO[:2], -(math.log(0.9) + math.log(0.8)) / 2),
    ("CrossEntropy", {"ignore_label": 0}, [1, 0], TWO[:2], -math.log(0.9)),
    ("CrossEntropy", {"from_logits": True}, [1], [[0.0, math.log(3)]], -math.log(0.75)),
    ("CrossEntropy", {"axis": 0}, [1, 0], onp.array(TWO[:2]).T.tolist(),
     -(math.log(0.9) + math.log(0.8)) / 2),
    ("CrossEntropy", {}, [1], [[1.0, 0.0]], -math.log(1e-12)),
    ("Perplexity", {}, [1, 0], TWO[:2], 1 / math.sqrt(0.9 * 0.8)),
    ("PearsonCorrelation", {}, [1, 2, 3], [1, 2.5, 2.7], onp.corrcoef([1, 2, 3], [1, 2.5, 2.7])[0, 1]),
    ("Loss", {}, None, [1.0, 2.0, 6.0], 3.0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "label", "pred", "want"), CASES,
                         ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])  # fmt: skip
def test_value(name, kwargs, label, pred, want):
    found = getattr(metric, name)(**kwargs)
    assert math.isnan(found.get()[1])
    labels = [A([0.0])] if label is None else [A(label)]
    found.update(labels, [A(pred)])
    onp.testing.assert_allclose(found.get()[1], want, rtol=1e-6, atol=1e-9)
    found.update(labels, [A(pred)])  # the same again does not change a mean
    onp.testing.assert_allclose(found.get()[1], want, rtol=1e-6, atol=1e-9)
    found.reset()
    assert math.isnan(found.get()[1])


def test_batches_add_up():
    draw = onp.random.default_rng(0)
    labels, preds = draw.normal(size=(3, 8)), draw.normal(size=(3, 8))
    correlation, error = metric.PearsonCorrelation(), metric.MSE()
    for a, b in zip(labels, preds, strict=True):
        correlation.update(A(a), A(b))
        error.update(A(a), A(b))
    want = onp.corrcoef(labels.astype("f").ravel(), preds.astype("f").ravel())[0, 1]
    assert correlation.get()[1] == pytest.approx(want)
    assert error.get()[1] == pytest.approx(((labels - preds) ** 2).mean(), rel=1e-5)


def test_pcc_of_many_classes_grows():
    found = metric.PCC()
    found.update([A([0, 1])], [A([[0.9, 0.1], [0.2, 0.8]])])
    found.update([A([2, 3])], [A([[0, 0, 1, 0], [0, 0, 0, 1]])])
    assert found.get() == ("pcc", 1.0)


# ---- creation ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "cls"),
    [("acc", "Accuracy"), ("ce", "CrossEntropy"), ("pearsonr", "PearsonCorrelation"),
     ("mae", "MAE"), ("composite", "CompositeEvalMetric"), ("Torch", "Torch")],
)  # fmt: skip
def test_create_by_name(name, cls):
    assert type(metric.create(name)).__name__ == cls


@pytest.mark.parametrize(
    "made", [metric.create("acc", axis=0), metric.create(["acc", "f1"]), metric.create("ce")]
)
def test_configs(made):
    again = metric.create(json.dumps(made.get_config()))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()


def test_create_refuses():
    with pytest.raises(AssertionError, match=r"(?s)foo is not registered.*known:.*accuracy"):
        metric.create("foo")
    with pytest.raises(AssertionError, match="must be of string type"):
        metric.create(3)
    with pytest.raises(AssertionError, match="use Accuracy"):
        metric.TopKAccuracy(1)
    with pytest.raises(ValueError, match="Wrong class_type x"):
        metric.F1(class_type="x")


def test_register():
    @metric.register
    @metric.alias("other")
    class Zero(metric.EvalMetric):
        def __init__(self, name="zero"):
            super().__init__(name)

        def update(self, labels, preds):
            self.num_inst += 1

    assert isinstance(metric.create("zero"), Zero)
    assert isinstance(metric.create("other"), Zero)


# ---- composites, functions, dictionaries -----------------------------------------------------------
def test_composite():
    both = metric.create(["acc", "mae"])
    both.update([A([0, 1.0])], [A([0.0, 0.0])])
    assert both.get() == (["accuracy", "mae"], [0.5, 0.5])
    assert dict(both.get_name_value()) == {"accuracy": 0.5, "mae": 0.5}
    assert str(both) == "EvalMetric: {'accuracy': 0.5, 'mae': 0.5}"
    assert both.get_metric(1).name == "mae"
    assert isinstance(both.get_metric(2), ValueError)
    both.reset()
    assert math.isnan(both.get()[1][0])


def test_names_choose():
    found = metric.Accuracy(output_names=["o"], label_names=["l"])
    found.update_dict({"x": A([1, 1]), "l": A([0, 1])}, {"y": A([1, 1]), "o": A([0, 1])})
    assert found.get()[1] == 1.0
    both = metric.CompositeEvalMetric(["mae"], output_names=["o"], label_names=["l"])
    both.update_dict({"x": A([1.0]), "l": A([3.0])}, {"y": A([1.0]), "o": A([1.0])})
    assert both.get()[1] == [2.0]


def gap(label, pred):
    return float(abs(label - pred).sum()), label.size


def test_functions():
    found = metric.np(gap)
    found.update([A([1.0, 2.0])], [A([0.0, 0.0])])
    assert found.get() == ("gap", 1.5)
    anonymous = metric.create(lambda label, pred: 2.0)
    anonymous.update([A([1.0])], [A([1.0])])
    assert anonymous.get() == ("custom(<lambda>)", 2.0)
    with pytest.raises(ValueError, match="labels 1 does not match shape of predictions 2"):
        anonymous.update([A([1.0])], [A([1.0]), A([1.0])])
    more = metric.CustomMetric(gap, allow_extra_outputs=True)
    more.update([A([1.0])], [A([0.0]), A([9.0])])
    assert more.get()[1] == 1.0
    with pytest.raises(NotImplementedError):
        more.get_config()


# ---- helpers and errors --------------------------------------------------------------------------
def test_helpers():
    onp.testing.assert_array_equal(metric.one_hot(A([0, 2]), 3).asnumpy(), [[1, 0, 0], [0, 0, 1]])
    yes = metric.predict_with_threshold(A([[0.1, 0.9]]), A([0.05, 0.95]))
    onp.testing.assert_array_equal(yes.asnumpy(), [[True, False]])
    with pytest.raises(ValueError, match="wrong type for threshold"):
        metric.predict_with_threshold(A([0.1]), "x")
    labels, preds = metric.check_label_shapes(A([1.0]), A([2.0]), wrap=True)
    assert isinstance(labels, list)
    assert isinstance(preds, list)


@pytest.mark.parametrize(
    ("name", "label", "pred", "error"),
    [
        ("Accuracy", [1, 1, 1], [[1, 0], [0, 1]], ValueError),
        ("MAE", [1, 1, 1], [[1, 0], [0, 1]], ValueError),
        ("F1", [0, 2], [0.1, 0.2], ValueError),
        ("F1", [0, 1], [[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]], ValueError),
        ("MeanCosineSimilarity", [1, 1, 1], [[1, 0], [0, 1]], ValueError),
        ("PearsonCorrelation", [1, 1, 1], [1, 1], ValueError),
        ("CrossEntropy", [1, 1, 1], [[1, 0], [0, 1]], AssertionError),
        ("BinaryAccuracy", [1, 1, 1], [1, 1], ValueError),
    ],
)
def test_shapes_are_checked(name, label, pred, error):
    with pytest.raises(error):
        getattr(metric, name)().update([A(label)], [A(pred)])


def test_labels_of_classes_are_checked():
    with pytest.raises(ValueError, match="class 3 of 2 classes"):
        metric.F1(class_type="multiclass").update([A([3])], [A([[0.1, 0.9]])])
    with pytest.raises(AssertionError, match="multilabel"):
        metric.F1(class_type="multilabel").update([A([1, 0])], [A(TWO[:2])])
    with pytest.raises(AssertionError, match="no more than 2 dims"):
        metric.TopKAccuracy(2).update([A([1])], [mx.np.ones((1, 2, 2))])
