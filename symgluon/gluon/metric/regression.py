"""Metrics of numbers: errors, distances, correlation, losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy

from symgluon.gluon.metric.base import (
    EvalMetric,
    alias,
    check_label_shapes,
    numbers,
    pairs,
    register,
)

__all__ = [
    "MAE",
    "MSE",
    "RMSE",
    "Loss",
    "MeanCosineSimilarity",
    "MeanPairwiseDistance",
    "PearsonCorrelation",
    "Torch",
]


class _Samples(EvalMetric):
    """Means over samples of a number for each."""

    def update(self, labels: Any, preds: Any) -> None:
        """Take labels and predictions of one shape."""
        for label, pred in pairs(labels, preds):
            if label.size == pred.size:
                label = label.reshape(pred.shape)
            check_label_shapes(label, pred, shape=True)
            self._add(self._sum(label.astype(float), pred.astype(float)), len(pred))

    def _sum(self, label: numpy.ndarray, pred: numpy.ndarray) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _sum(label, pred)")


@register
class MAE(_Samples):
    """Mean absolute error.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Labels and predictions have one shape.  Source: MXNet's ``gluon.metric.MAE``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.MAE()
    >>> metric.update(mx.np.array([1.0, 2.0]), mx.np.array([1.0, 5.0]))
    >>> metric.get()
    ('mae', 1.5)
    """

    def __init__(
        self,
        name: str = "mae",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names)

    def _sum(self, label: numpy.ndarray, pred: numpy.ndarray) -> Any:
        return numpy.abs(label - pred).mean() * len(pred)


@register
class MSE(_Samples):
    """Mean squared error.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Labels and predictions have one shape.  Source: MXNet's ``gluon.metric.MSE``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.MSE()
    >>> metric.update(mx.np.array([1.0, 2.0]), mx.np.array([1.0, 5.0]))
    >>> metric.get()
    ('mse', 4.5)
    """

    def __init__(
        self,
        name: str = "mse",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names)

    def _sum(self, label: numpy.ndarray, pred: numpy.ndarray) -> Any:
        return ((label - pred) ** 2).mean() * len(pred)


@register
class RMSE(MSE):
    """Root of the mean squared error.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Labels and predictions have one shape.  Source: MXNet's ``gluon.metric.RMSE``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.RMSE()
    >>> metric.update(mx.np.array([1.0, 2.0]), mx.np.array([4.0, 5.0]))
    >>> metric.get()
    ('rmse', 3.0)
    """

    def __init__(
        self,
        name: str = "rmse",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names)

    def get(self) -> tuple[Any, Any]:
        """Name and score so far."""
        name, mean = super().get()
        return name, math.sqrt(mean) if self.num_inst else mean


@register
class MeanPairwiseDistance(_Samples):
    """Mean distance of labels and predictions.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.
    p : float
        Exponent of the norm.

    Notes
    -----
    Labels and predictions are (N, ...); all axes but the first are one vector.  Source: MXNet's
    ``gluon.metric.MeanPairwiseDistance``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.MeanPairwiseDistance()
    >>> metric.update(mx.np.array([[0.0, 0.0]]), mx.np.array([[3.0, 4.0]]))
    >>> metric.get()
    ('mpd', 5.0)
    """

    def __init__(
        self,
        name: str = "mpd",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
        p: float = 2,
    ) -> None:
        super().__init__(name, output_names, label_names)
        self.p = p

    def _sum(self, label: numpy.ndarray, pred: numpy.ndarray) -> Any:
        gaps = numpy.abs(label - pred).reshape(len(pred), -1)
        return ((gaps**self.p).sum(axis=1) ** (1.0 / self.p)).sum()


@register
class MeanCosineSimilarity(EvalMetric):
    """Mean cosine of the angle between labels and predictions along the last axis.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.
    eps : float
        Smallest product of the lengths.

    Notes
    -----
    Labels and predictions have one shape.  Source: MXNet's ``gluon.metric.MeanCosineSimilarity``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.MeanCosineSimilarity()
    >>> metric.update(mx.np.array([[1.0, 0.0]]), mx.np.array([[1.0, 1.0]]))
    >>> round(metric.get()[1], 3)
    0.707
    """

    def __init__(
        self,
        name: str = "cos_sim",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(name, output_names, label_names)
        self.eps = eps

    def update(self, labels: Any, preds: Any) -> None:
        """Take labels and predictions of one shape."""
        for label, pred in pairs(labels, preds):
            check_label_shapes(label, pred, shape=True)
            a, b = numpy.atleast_2d(label.astype(float)), numpy.atleast_2d(pred.astype(float))
            lengths = numpy.linalg.norm(a, axis=-1) * numpy.linalg.norm(b, axis=-1)
            cosines = (a * b).sum(axis=-1) / numpy.maximum(lengths, self.eps)
            self._add(cosines.sum(), cosines.size)


@register
@alias("pearsonr")
class PearsonCorrelation(EvalMetric):
    """Pearson's correlation over all batches; also by the name ``pearsonr``.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Labels and predictions have one shape.  Source: MXNet's ``gluon.metric.PearsonCorrelation``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.PearsonCorrelation()
    >>> metric.update(mx.np.array([1.0, 2.0, 3.0]), mx.np.array([2.0, 4.0, 6.0]))
    >>> round(metric.get()[1], 3)
    1.0
    """

    def __init__(
        self,
        name: str = "pearsonr",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names)

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._count = 0
        self._mean = numpy.zeros(2)
        self._moments = numpy.zeros((2, 2))

    def update(self, labels: Any, preds: Any) -> None:
        """Take labels and predictions of one shape."""
        for label, pred in pairs(labels, preds):
            check_label_shapes(label, pred, shape=True)
            data = numpy.stack([label.astype(float).ravel(), pred.astype(float).ravel()])
            count = data.shape[1]
            mean = data.mean(axis=1)
            centred = data - mean[:, None]
            gap = mean - self._mean
            total = self._count + count
            # moments of two samples joined: Chan, Golub and LeVeque, 1979
            self._moments += centred @ centred.T
            self._moments += numpy.outer(gap, gap) * (self._count * count / total)
            self._mean += gap * (count / total)
            self._count = total
            self.num_inst += 1

    def get(self) -> tuple[Any, Any]:
        """Name and score so far."""
        if self.num_inst == 0:
            return self.name, float("nan")
        with numpy.errstate(invalid="ignore", divide="ignore"):
            scale = numpy.sqrt(self._moments[0, 0] * self._moments[1, 1])
            return self.name, float(self._moments[0, 1] / scale)


@register
class Loss(EvalMetric):
    """Mean of losses; labels are ignored.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Predictions are arrays of any shape.  Source: MXNet's ``gluon.metric.Loss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.Loss()
    >>> metric.update(mx.np.array([]), mx.np.array([1.0, 3.0]))
    >>> metric.get()
    ('loss', 2.0)
    """

    def __init__(
        self,
        name: str = "loss",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names)

    def update(self, _: Any, preds: Any) -> None:
        """Take losses; labels are ignored.

        Parameters
        ----------
        _ : object
            Labels.
        preds : array or list of array
            Losses.
        """
        for pred in preds if isinstance(preds, list | tuple) else [preds]:
            values = numbers(pred)
            self._add(values.sum(dtype=float), values.size)


@register
class Torch(Loss):
    """Mean of losses, under another name.

    Parameters
    ----------
    name : str
        What `get` calls it.
    output_names, label_names : list of str, optional
        Which predictions and labels `update_dict` takes; all if left out.

    Notes
    -----
    Predictions are arrays of any shape.  Source: MXNet's ``gluon.metric.Torch``.

    Examples
    --------
    >>> import symgluon as mx
    >>> metric = mx.gluon.metric.Torch()
    >>> metric.update(mx.np.array([]), mx.np.array([1.0, 3.0]))
    >>> metric.get()
    ('torch', 2.0)
    """

    def __init__(
        self,
        name: str = "torch",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names)
