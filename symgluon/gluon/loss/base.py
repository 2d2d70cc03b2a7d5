"""What all losses share."""

from __future__ import annotations

from typing import Any

from symgluon import dtypes
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call
from symgluon.ir.types import normalize_axis
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.state import state

__all__ = ["Loss"]

#: Keeps logarithms and quotients finite.
TINY = 1e-12


def weighted(loss: Any, weight: float | None = None, sample_weight: Any = None) -> Any:
    """Multiply `loss` by `sample_weight` (an array that broadcasts) and by the number `weight`.

    Raises
    ------
    AssertionError
        If `weight` is no number, as MXNet raises.
    """
    if sample_weight is not None:
        loss = loss * sample_weight
    if weight is not None:
        if not isinstance(weight, int | float):
            raise AssertionError(f"weight must be a number, received {type(weight).__name__}")
        loss = loss * weight
    return loss


def _apply_weighting(*args: Any) -> Any:
    """`weighted`; MXNet 1.x gives the namespace ``F`` before the loss."""
    return weighted(*(args if isinstance(args[0], Array) else args[1:]))


def _reshape_like(F: Any, x: Any, y: Any) -> Any:
    """Give `x` the shape of `y` (MXNet 1.x)."""
    return x.reshape_like(y)


def same_shape(x: Any, like: Any) -> Any:
    """Reshape `x` like `like`: labels may have more or fewer axes of size 1."""
    return x if x.shape is like.shape else F.reshape(x, shape=tuple(like.shape))


def bernoulli(pred: Any, label: Any) -> Any:
    """Negative log-likelihood of labels in [0, 1] under logits, without overflow."""
    return F.relu(pred) - pred * label + F.softplus(-F.abs(pred))


class Loss(HybridBlock):
    """Base class: weights and the mean over all axes but one.

    A subclass defines ``forward``.

    Parameters
    ----------
    weight : float or None
        Factor of the loss.
    batch_axis : int
        The axis that stays.

    Raises
    ------
    AssertionError
        In a call, if `weight` is no number.

    Notes
    -----
    Source: MXNet's ``gluon.loss.Loss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Cubic(mx.gluon.loss.Loss):
    ...     def forward(self, pred, label):
    ...         return (abs(pred - label) ** 3).mean(axis=1)
    >>> Cubic(weight=None, batch_axis=0)(mx.np.array([[1.0, 3.0]]), mx.np.array([[1.0, 1.0]]))
    array([4.])
    """

    def __init__(self, weight: float | None, batch_axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._weight = weight
        self._batch_axis = batch_axis

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_axis={self._batch_axis}, w={self._weight})"

    def forward(self, x: Any, *args: Any) -> Any:
        """Compute the loss; a subclass gives the rule.

        Parameters
        ----------
        x : array
            Predictions.
        *args : array
            Labels and weights.

        Returns
        -------
        array
            A number a sample.

        Raises
        ------
        NotImplementedError
            In the base class.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def _other_axes(self, x: Any) -> tuple[int, ...]:
        batch = normalize_axis(self._batch_axis, x.ndim)
        return tuple(i for i in range(x.ndim) if i != batch)

    def _mean(self, loss: Any, sample_weight: Any = None, factor: float | None = None) -> Any:
        """Weighted loss of each sample."""
        weight = self._weight if factor is None else factor
        loss = weighted(loss, weight, sample_weight)
        # 2.0's mean gives the default float whatever the dtype, 1.x's keeps it
        dtype = dtypes.default_float() if state.np_array else loss.dtype
        axes = self._other_axes(loss)
        if axes:
            return F.mean(loss, axis=axes, dtype=None if dtype == loss.dtype else dtype)
        return loss if dtype == loss.dtype else F.cast(loss, dtype=dtype)


class Entrywise(Loss):
    """Losses of prediction and label entry by entry; the label is reshaped like the prediction."""

    def forward(self, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        """Loss of each sample from `pred` and `label`."""
        return call(self._rule, pred, label, sample_weight)

    def _rule(self, pred: Any, label: Any, sample_weight: Any) -> Any:
        return self._mean(self._entries(pred, same_shape(label, pred)), sample_weight)

    def _entries(self, pred: Any, label: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _entries")


def number_like(value: float, x: Any) -> Any:
    return x.dtype.type(value)
