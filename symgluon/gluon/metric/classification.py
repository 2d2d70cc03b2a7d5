"""Metrics of classifiers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy

from symgluon.gluon.metric.base import (
    EvalMetric,
    UseError,
    alias,
    check_label_shapes,
    pairs,
    predict_with_threshold,
    register,
)
from symgluon.gluon.metric.counts import Counts

__all__ = [
    "F1",
    "MCC",
    "PCC",
    "Accuracy",
    "BinaryAccuracy",
    "CrossEntropy",
    "Fbeta",
    "Perplexity",
    "TopKAccuracy",
]


@register
@alias("acc")
class Accuracy(EvalMetric):
    """Share of right classes; also by the name ``acc``.

    Parameters
    ----------
    axis : int
        Axis of the classes in predictions that have one more axis than the labels.
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Labels (N,) are class numbers, predictions (N, C) scores or (N,) class numbers.  Source: MXNet's
    ``gluon.metric.Accuracy``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.Accuracy()
    >>> metric.update(mx.np.array([0, 1, 1]), mx.np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]]))
    >>> round(metric.get()[1], 3)
    0.667
    """

    def __init__(
        self,
        axis: int = 1,
        name: str = "accuracy",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names, axis=axis)
        self.axis = axis

    def update(self, labels: Any, preds: Any) -> None:
        """Take class numbers, and scores or class numbers."""
        for label, pred in pairs(labels, preds):
            if pred.shape != label.shape:
                pred = pred.argmax(axis=self.axis)
            pred, label = pred.astype(numpy.int32).ravel(), label.astype(numpy.int32).ravel()
            check_label_shapes(label, pred)
            self._add((pred == label).sum(), len(pred))


@register
@alias("top_k_accuracy", "top_k_acc")
class TopKAccuracy(EvalMetric):
    """Share of samples whose class is among the best scores.

    Parameters
    ----------
    top_k : int
        How many scores are the best.
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Raises
    ------
    AssertionError
        If `top_k` is below 2.

    Notes
    -----
    Labels (N,) are class numbers, predictions (N, C) scores.  Source: MXNet's
    ``gluon.metric.TopKAccuracy``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.TopKAccuracy(top_k=2)
    >>> metric.update(mx.np.array([0, 2]), mx.np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]))
    >>> metric.get()
    ('top_k_accuracy_2', 0.5)
    """

    def __init__(
        self,
        top_k: int = 1,
        name: str = "top_k_accuracy",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        if top_k <= 1:
            raise UseError("Please use Accuracy if top_k is no more than 1")
        super().__init__(name, output_names, label_names, top_k=top_k)
        self.top_k = top_k
        self.name += f"_{top_k}"

    def update(self, labels: Any, preds: Any) -> None:
        """Take class numbers and scores (N, C).

        Raises
        ------
        AssertionError
            If the scores have more than two axes.
        """
        for label, pred in pairs(labels, preds):
            if pred.ndim > 2:
                raise UseError(f"Predictions should be no more than 2 dims, received {pred.shape}")
            order = numpy.argsort(pred.astype(numpy.float32), axis=-1, kind="stable")
            label = label.astype(numpy.int32).ravel()
            check_label_shapes(label, order)
            best = order if order.ndim == 1 else order[:, -min(self.top_k, order.shape[1]) :]
            right = best == label if best.ndim == 1 else (best == label[:, None]).any(axis=1)
            self._add(right.sum(), len(label))


@register
class BinaryAccuracy(EvalMetric):
    """Share of right yes-or-no answers.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.
    threshold : float
        Predictions above it mean yes.

    Notes
    -----
    Labels are 0 and 1, predictions scores of the same shape.  Source: MXNet's
    ``gluon.metric.BinaryAccuracy``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.BinaryAccuracy()
    >>> metric.update(mx.np.array([0, 1]), mx.np.array([0.3, 0.4]))
    >>> metric.get()
    ('binary_accuracy', 0.5)
    """

    def __init__(
        self,
        name: str = "binary_accuracy",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(name, output_names, label_names)
        self.threshold = threshold

    def update(self, labels: Any, preds: Any) -> None:
        """Take labels 0 and 1, and scores."""
        for label, pred in pairs(labels, preds):
            yes = predict_with_threshold(pred, self.threshold).astype(numpy.int32).ravel()
            label = label.astype(numpy.int32).ravel()
            check_label_shapes(label, yes)
            self._add((yes == label).sum(), len(label))


@register
class F1(EvalMetric):
    """Harmonic mean of precision and recall.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.
    class_type : str
        ``binary``, ``multiclass`` or ``multilabel``.
    threshold : float or array (C,)
        Predictions above it mean yes, where there is no choice among classes.
    average : str, optional
        ``micro``: of all classes together; ``macro``: mean over the classes; else one number each.

    Raises
    ------
    ValueError
        For another `class_type`; in an update, for labels or predictions that do not fit it.

    Notes
    -----
    ``binary``: labels (N,) 0 and 1, predictions (N,) or (N, 1), or (N, 2) scores of no and yes.
    ``multiclass``: labels (N,) class numbers, predictions (N, C) scores.  ``multilabel``: both (N,
    C). Source: MXNet's ``gluon.metric.F1``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.F1()
    >>> metric.update(mx.np.array([1, 1, 0]), mx.np.array([0.9, 0.2, 0.8]))
    >>> metric.get()
    ('f1', 0.5)
    """

    beta = 1.0

    def __init__(
        self,
        name: str = "f1",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
        class_type: str = "binary",
        threshold: Any = 0.5,
        average: str | None = "micro",
    ) -> None:
        self.average = average
        self.metrics = Counts(class_type, threshold)
        super().__init__(name, output_names, label_names)

    def update(self, labels: Any, preds: Any) -> None:
        """Take labels and scores."""
        for label, pred in pairs(labels, preds):
            self.metrics.update(label, pred)
        self.num_inst = self.metrics.total
        self.sum_metric = self.metrics.score(self.beta, self.average) * self.num_inst

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self.metrics.reset()

    def get(self) -> tuple[Any, Any]:
        """Name and score so far."""
        if self.num_inst == 0:
            return self.name, float("nan")
        return self.name, self.metrics.score(self.beta, self.average)


@register
class Fbeta(F1):
    """F score in which recall counts `beta` times as much as precision.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.
    class_type : str
        ``binary``, ``multiclass`` or ``multilabel``.
    beta : float
        Weight of recall.
    threshold : float or array (C,)
        Predictions above it mean yes, where there is no choice among classes.
    average : str, optional
        ``micro``: of all classes together; ``macro``: mean over the classes; else one number each.

    Raises
    ------
    ValueError
        For another `class_type`; in an update, for labels or predictions that do not fit it.

    Notes
    -----
    Labels and predictions are as of `F1`.  Source: MXNet's ``gluon.metric.Fbeta``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.Fbeta(beta=2)
    >>> metric.update(mx.np.array([1, 1, 0, 0]), mx.np.array([0.9, 0.8, 0.8, 0.7]))
    >>> round(metric.get()[1], 3)
    0.833
    """

    def __init__(
        self,
        name: str = "fbeta",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
        class_type: str = "binary",
        beta: float = 1,
        threshold: Any = 0.5,
        average: str | None = "micro",
    ) -> None:
        super().__init__(name, output_names, label_names, class_type, threshold, average)
        self.beta = beta


@register
class MCC(EvalMetric):
    """Matthews' correlation coefficient of yes-or-no answers (1975).

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Labels are 0 and 1, predictions as of `F1` with ``binary``.  Source: MXNet's ``gluon.metric.MCC``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.MCC()
    >>> metric.update(mx.np.array([1, 0, 1, 0]), mx.np.array([0.9, 0.1, 0.8, 0.7]))
    >>> round(metric.get()[1], 3)
    0.577
    """

    def __init__(
        self,
        name: str = "mcc",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        self._metrics = Counts("binary", 0.5)
        super().__init__(name, output_names, label_names)

    def update(self, labels: Any, preds: Any) -> None:
        """Take labels 0 and 1, and scores."""
        for label, pred in pairs(labels, preds):
            self._metrics.update(label, pred)
        self.num_inst = self._metrics.total
        self.sum_metric = self._metrics.matthews() * self.num_inst

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._metrics.reset()


@register
class PCC(EvalMetric):
    """Pearson's correlation of two discrete variables: Matthews' coefficient for many classes.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Labels (N,) are class numbers, predictions (N, C) scores or (N,) class numbers.  Source: MXNet's
    ``gluon.metric.PCC``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.PCC()
    >>> metric.update(mx.np.array([0, 1, 2]), mx.np.array([[0.9, 0.1, 0], [0.1, 0.9, 0], [0, 0, 1]]))
    >>> round(metric.get()[1], 3)
    1.0
    """

    def __init__(
        self,
        name: str = "pcc",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names)

    def reset(self) -> None:
        """Forget all batches."""
        self.num_inst = 0
        self._matrix: numpy.ndarray = numpy.zeros((2, 2))

    def update(self, labels: Any, preds: Any) -> None:
        """Take class numbers, and scores or class numbers."""
        for label, pred in pairs(labels, preds):
            label = label.astype(numpy.int32).ravel()
            if pred.shape != label.shape:
                pred = pred.argmax(axis=1)
            else:
                pred = pred > 0.5 if pred.dtype.kind == "f" else pred
            pred = pred.astype(numpy.int32).ravel()
            check_label_shapes(label, pred)
            self._grow(int(max(label.max(initial=0), pred.max(initial=0))) + 1)
            numpy.add.at(self._matrix, (pred, label), 1)
            self.num_inst += 1

    def _grow(self, size: int) -> None:
        old = len(self._matrix)
        if size > old:
            self._matrix = numpy.pad(self._matrix, (0, size - old))

    @property
    def sum_metric(self) -> float:  # type: ignore[override]
        """Coefficient times the number of batches."""
        c = self._matrix
        n = c.sum()
        x, y = c.sum(axis=1), c.sum(axis=0)
        with numpy.errstate(invalid="ignore", divide="ignore"):
            found = (n * numpy.trace(c) - x @ y) / numpy.sqrt((n * n - x @ x) * (n * n - y @ y))
        return float(found) * self.num_inst

    @sum_metric.setter
    def sum_metric(self, value: float) -> None:
        """Ignored: the sum follows from the counts."""


@register
@alias("ce")
class CrossEntropy(EvalMetric):
    """Mean of ``-log(probability of the right class)``; also by the name ``ce``.

    Parameters
    ----------
    eps : float
        Smallest probability.
    ignore_label : int, optional
        Samples of this class do not count.
    axis : int
        Axis of the classes.
    from_logits : bool
        Predictions are scores before the softmax.
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Raises
    ------
    AssertionError
        In an update, if there are not as many labels as rows of predictions.

    Notes
    -----
    Labels (N, ...) are class numbers, predictions have one more axis.  Source: MXNet's
    ``gluon.metric.CrossEntropy``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.CrossEntropy()
    >>> metric.update(mx.np.array([0, 1]), mx.np.array([[0.5, 0.5], [0.0, 1.0]]))
    >>> round(metric.get()[1], 3)
    0.347
    """

    def __init__(
        self,
        eps: float = 1e-12,
        ignore_label: int | None = None,
        axis: int = -1,
        from_logits: bool = False,
        name: str = "cross-entropy",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names)
        self.eps, self.ignore_label = eps, ignore_label
        self.axis, self.from_logits = axis, from_logits

    def update(self, labels: Any, preds: Any) -> None:
        """Take class numbers and probabilities with one more axis.

        Raises
        ------
        AssertionError
            If there are not as many labels as rows of predictions.
        """
        for label, pred in pairs(labels, preds):
            pred = numpy.moveaxis(pred.astype(float), self.axis, -1) if pred.ndim else pred
            if pred.ndim == 0 or label.size != pred.size // pred.shape[-1]:
                raise UseError(f"shape mismatch: {label.shape} vs. {pred.shape}")
            rows = pred.reshape(-1, pred.shape[-1])
            if self.from_logits:
                rows = numpy.exp(rows - rows.max(axis=1, keepdims=True))
                rows /= rows.sum(axis=1, keepdims=True)
            label = label.astype(numpy.int64).ravel()
            clipped = numpy.clip(label, 0, rows.shape[1] - 1)
            loss = -numpy.log(numpy.maximum(rows[numpy.arange(len(rows)), clipped], self.eps))
            if self.ignore_label is not None:
                loss = loss[label != int(self.ignore_label)]
            self._add(loss.sum(), len(loss))


@register
class Perplexity(CrossEntropy):
    """Exponential of the cross entropy.

    Parameters
    ----------
    eps : float
        Smallest probability.
    ignore_label : int, optional
        Samples of this class do not count.
    axis : int
        Axis of the classes.
    from_logits : bool
        Predictions are scores before the softmax.
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Raises
    ------
    AssertionError
        In an update, if there are not as many labels as rows of predictions.

    Notes
    -----
    Labels (N, ...) are class numbers, predictions have one more axis.  Source: MXNet's
    ``gluon.metric.Perplexity``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.Perplexity()
    >>> metric.update(mx.np.array([0, 1]), mx.np.array([[0.5, 0.5], [0.5, 0.5]]))
    >>> round(metric.get()[1], 3)
    2.0
    """

    def __init__(
        self,
        eps: float = 1e-12,
        ignore_label: int | None = None,
        axis: int = -1,
        from_logits: bool = False,
        name: str = "perplexity",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(eps, ignore_label, axis, from_logits, name, output_names, label_names)

    def get(self) -> tuple[Any, Any]:
        """Name and score so far."""
        name, mean = super().get()
        return name, math.exp(mean) if self.num_inst else mean
