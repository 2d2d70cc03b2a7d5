"""Evaluation metrics: running means of scores over batches (MXNet's ``gluon.metric``).

A metric takes labels and predictions of a batch (`update`) and tells the score so far (`get`).
Everything is computed in NumPy, in float64.
"""

from typing import Any

from symgluon.gluon.metric.base import (
    CompositeEvalMetric,
    CustomMetric,
    EvalMetric,
    alias,
    check_label_shapes,
    create,
    np,
    one_hot,
    predict_with_threshold,
    register,
)
from symgluon.gluon.metric.classification import (
    F1,
    MCC,
    PCC,
    Accuracy,
    BinaryAccuracy,
    CrossEntropy,
    Fbeta,
    Perplexity,
    TopKAccuracy,
)
from symgluon.gluon.metric.regression import (
    MAE,
    MSE,
    RMSE,
    Loss,
    MeanCosineSimilarity,
    MeanPairwiseDistance,
    PearsonCorrelation,
    Torch,
)

__all__ = [
    "F1",
    "MAE",
    "MCC",
    "MSE",
    "PCC",
    "RMSE",
    "Accuracy",
    "BinaryAccuracy",
    "CompositeEvalMetric",
    "CrossEntropy",
    "CustomMetric",
    "EvalMetric",
    "Fbeta",
    "Loss",
    "MeanCosineSimilarity",
    "MeanPairwiseDistance",
    "PearsonCorrelation",
    "Perplexity",
    "TopKAccuracy",
    "Torch",
    "alias",
    "check_label_shapes",
    "create",
    "np",
    "one_hot",
    "predict_with_threshold",
    "register",
]


def __getattr__(name: str) -> Any:
    if name == "ndarray":  # MXNet 1.x has it in this module as well
        from symgluon import ndarray

        return ndarray
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
