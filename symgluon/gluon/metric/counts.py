"""Counts of right and wrong answers, from which scores of classifiers follow."""

from __future__ import annotations

import math
from typing import Any

import numpy

from symgluon.gluon.metric.base import UseError, check_label_shapes, predict_with_threshold


def _ratio(a: Any, b: Any) -> Any:
    """Quotient; 0 where the divisor is 0."""
    return numpy.divide(a, b, out=numpy.zeros_like(a, dtype=float), where=numpy.asarray(b) != 0)


_CLASS_TYPES = ("binary", "multiclass", "multilabel")


class Counts:
    """True positives, false positives and false negatives of each class.

    Parameters
    ----------
    class_type : str
        ``binary``, ``multiclass`` or ``multilabel``.
    threshold : float or array (C,)
        Predictions above it mean yes, where there is no choice among classes.

    Raises
    ------
    ValueError
        For another `class_type`.
    """

    def __init__(self, class_type: str, threshold: Any) -> None:
        if class_type not in _CLASS_TYPES:
            raise ValueError(f"Wrong class_type {class_type}! Only supports {list(_CLASS_TYPES)}")
        self.class_type, self.threshold = class_type, threshold
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.hits = self.false_yes = self.misses = self.rest = numpy.zeros(0)
        self.total = 0

    def update(self, label: numpy.ndarray, pred: numpy.ndarray) -> None:
        """Count a batch.

        Parameters
        ----------
        label, pred : numpy.ndarray
            As `F1` describes them.
        """
        want, got = getattr(self, f"_{self.class_type}")(label, pred)
        counts = [
            (want & got).sum(axis=0), (~want & got).sum(axis=0), (want & ~got).sum(axis=0),
            (~want & ~got).sum(axis=0),
        ]  # fmt: skip
        old = [self.hits, self.false_yes, self.misses, self.rest]
        new = [_padded_sum(a, b) for a, b in zip(old, counts, strict=True)]
        self.hits, self.false_yes, self.misses, self.rest = new
        self.total += len(want)

    def _binary(self, label: numpy.ndarray, pred: numpy.ndarray) -> tuple[Any, Any]:
        label = label.astype(numpy.int32)
        if label.size and label.max() > 1:
            raise ValueError("Wrong label for binary classification.")
        if pred.shape == label.shape:
            got = numpy.asarray(predict_with_threshold(pred, self.threshold))
        elif pred.shape[-1] > 2:
            raise ValueError(
                f"The shape of prediction {pred.shape} is wrong for binary classification."
            )
        elif pred.shape[-1] == 2:
            got = pred.reshape(-1, 2).argmax(axis=1) == 1
        else:
            got = numpy.asarray(predict_with_threshold(pred, self.threshold))
        label, got = label.ravel(), got.ravel()
        check_label_shapes(label, got)
        return (label == 1)[:, None], got[:, None]

    def _multiclass(self, label: numpy.ndarray, pred: numpy.ndarray) -> tuple[Any, Any]:
        classes = pred.shape[-1]
        found = pred.reshape(-1, classes).argmax(axis=-1)
        label = label.astype(numpy.int32).ravel()
        check_label_shapes(label, found)
        if label.size and label.max() >= classes:
            raise ValueError(
                f"The shape of prediction is wrong: class {label.max()} of {classes} classes."
            )
        numbers = numpy.arange(classes)
        return label[:, None] == numbers, found[:, None] == numbers

    def _multilabel(self, label: numpy.ndarray, pred: numpy.ndarray) -> tuple[Any, Any]:
        if pred.shape != label.shape:
            raise UseError(
                "The shape of label should be same as that of prediction for multilabel "
                f"classification: {label.shape} against {pred.shape}"
            )
        got = numpy.asarray(predict_with_threshold(pred, self.threshold))
        classes = label.shape[-1]
        return (label == 1).reshape(-1, classes), got.reshape(-1, classes)

    def score(self, beta: float, average: str | None) -> Any:
        """F score of the counts.

        Parameters
        ----------
        beta : float
            Weight of recall.
        average : str, optional
            ``micro``: of all classes together; ``macro``: mean over the classes; else one number
            each.

        Returns
        -------
        float or numpy.ndarray (C,)
            The score.
        """
        hits, false_yes, misses = self.hits, self.false_yes, self.misses
        if average == "micro":
            hits, false_yes, misses = hits.sum(), false_yes.sum(), misses.sum()
        weight = beta * beta
        top = (1.0 + weight) * numpy.asarray(hits, dtype=float)
        scores = _ratio(top, top + weight * misses + false_yes)
        if average == "micro":
            return float(scores)
        return float(scores.mean()) if average == "macro" else scores

    def matthews(self) -> float:
        """Matthews' correlation coefficient."""
        tp, fp = float(self.hits.sum()), float(self.false_yes.sum())
        fn, tn = float(self.misses.sum()), float(self.rest.sum())
        terms = [n for n in (tp + fp, tp + fn, tn + fp, tn + fn) if n != 0.0]
        return (tp * tn - fp * fn) / math.sqrt(math.prod(terms)) if self.total else 0.0


def _padded_sum(old: numpy.ndarray, new: numpy.ndarray) -> numpy.ndarray:
    if len(old) < len(new):
        old = numpy.concatenate([old, numpy.zeros(len(new) - len(old))])
    elif len(new) < len(old):
        new = numpy.concatenate([new, numpy.zeros(len(old) - len(new))])
    return old + new
