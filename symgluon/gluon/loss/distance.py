"""Losses by the distance of entries."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.loss.base import Entrywise, same_shape
from symgluon.ops.apply import F

__all__ = ["HuberLoss", "L1Loss", "L2Loss"]


class L2Loss(Entrywise):
    """Half the squared difference: ``weight / 2 * (label - pred)^2``.

    Parameters
    ----------
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.

    Inputs
    ------
    pred : array (N, ...), float
        Predictions.
    label : array (N, ...), float
        As many entries as `pred`, to whose shape it is brought.
    sample_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the entries.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.L2Loss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.L2Loss()
    >>> loss(mx.np.array([[1.0, 2.0], [3.0, 4.0]]), mx.np.array([[1.0, 0.0], [3.0, 0.0]]))
    array([1., 4.])
    """

    def __init__(self, weight: float | None = 1.0, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    def _rule(self, pred: Any, label: Any, sample_weight: Any) -> Any:
        squares = F.square(same_shape(label, pred) - pred)
        half = 0.5 if self._weight is None else self._weight / 2
        return self._mean(squares, sample_weight, factor=half)


class L1Loss(Entrywise):
    """Absolute difference ``|label - pred|``.

    Parameters
    ----------
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.

    Inputs
    ------
    pred : array (N, ...), float
        Predictions.
    label : array (N, ...), float
        As many entries as `pred`, to whose shape it is brought.
    sample_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the entries.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.L1Loss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.L1Loss()
    >>> loss(mx.np.array([[1.0, 2.0], [3.0, 4.0]]), mx.np.array([[1.0, 0.0], [3.0, 0.0]]))
    array([1., 2.])
    """

    def __init__(self, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    def _entries(self, pred: Any, label: Any) -> Any:
        return F.abs(label - pred)


class HuberLoss(Entrywise):
    """Quadratic within `rho` of the label, linear beyond.

    Parameters
    ----------
    rho : float
        Where the two meet: ``|d| - rho / 2`` beyond, ``d^2 / (2 rho)`` within.
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.

    Inputs
    ------
    pred : array (N, ...), float
        Predictions.
    label : array (N, ...), float
        As many entries as `pred`, to whose shape it is brought.
    sample_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the entries.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.HuberLoss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.HuberLoss()
    >>> loss(mx.np.array([[0.5], [3.0]]), mx.np.array([[0.0], [0.0]]))
    array([0.125, 2.5  ])
    """

    def __init__(
        self, rho: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._rho = rho

    def _entries(self, pred: Any, label: Any) -> Any:
        distance = F.abs(label - pred)
        near = F.square(distance) * (0.5 / self._rho)
        return F.where(F.greater(distance, self._rho), distance - 0.5 * self._rho, near)
