"""Losses (MXNet's ``gluon.loss``).

Every loss returns one number a sample: it averages over every axis but ``batch_axis``.  ``weight``
is one factor for all, ``sample_weight`` an array that broadcasts against the loss of the entries.
"""

from __future__ import annotations

import math
from typing import Any

from symgluon import dtypes
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call
from symgluon.ir.types import normalize_axis
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.state import state

__all__ = [
    "CTCLoss",
    "CosineEmbeddingLoss",
    "HingeLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "L2Loss",
    "LogisticLoss",
    "Loss",
    "PoissonNLLLoss",
    "SDMLLoss",
    "SigmoidBCELoss",
    "SigmoidBinaryCrossEntropyLoss",
    "SoftmaxCELoss",
    "SoftmaxCrossEntropyLoss",
    "SquaredHingeLoss",
    "TripletLoss",
]

#: Keeps logarithms and quotients finite.
_TINY = 1e-12


def _weighted(loss: Any, weight: float | None = None, sample_weight: Any = None) -> Any:
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
    """`_weighted`; MXNet 1.x gives the namespace ``F`` before the loss."""
    return _weighted(*(args if isinstance(args[0], Array) else args[1:]))


def _reshape_like(F: Any, x: Any, y: Any) -> Any:
    """Give `x` the shape of `y` (MXNet 1.x)."""
    return x.reshape_like(y)


def _same_shape(x: Any, like: Any) -> Any:
    """Reshape `x` like `like`: labels may have more or fewer axes of size 1."""
    return x if x.shape is like.shape else F.reshape(x, shape=tuple(like.shape))


def _bernoulli(pred: Any, label: Any) -> Any:
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
        loss = _weighted(loss, weight, sample_weight)
        # 2.0's mean gives the default float whatever the dtype, 1.x's keeps it
        dtype = dtypes.default_float() if state.np_array else loss.dtype
        axes = self._other_axes(loss)
        if axes:
            return F.mean(loss, axis=axes, dtype=None if dtype == loss.dtype else dtype)
        return loss if dtype == loss.dtype else F.cast(loss, dtype=dtype)


class _Entrywise(Loss):
    """Losses of prediction and label entry by entry; the label is reshaped like the prediction."""

    def forward(self, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        """Loss of each sample from `pred` and `label`."""
        return call(self._rule, pred, label, sample_weight)

    def _rule(self, pred: Any, label: Any, sample_weight: Any) -> Any:
        return self._mean(self._entries(pred, _same_shape(label, pred)), sample_weight)

    def _entries(self, pred: Any, label: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _entries")


class L2Loss(_Entrywise):
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
        squares = F.square(_same_shape(label, pred) - pred)
        half = 0.5 if self._weight is None else self._weight / 2
        return self._mean(squares, sample_weight, factor=half)


class L1Loss(_Entrywise):
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


class SigmoidBinaryCrossEntropyLoss(Loss):
    """Cross entropy of independent yes-or-no labels.

    Parameters
    ----------
    from_sigmoid : bool
        Whether `pred` are probabilities already; logits are numerically better.
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.

    Inputs
    ------
    pred : array (N, ...), float
        Predictions, logits unless `from_sigmoid`.
    label : array (N, ...), float
        Numbers in [0, 1], as many as in `pred`, to whose shape it is brought.
    sample_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the entries.
    pos_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the positive labels.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.SigmoidBinaryCrossEntropyLoss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> loss(mx.np.array([[0.0], [1.0]]), mx.np.array([[1.0], [1.0]])).asnumpy().round(3)
    array([0.693, 0.313], dtype=float32)
    """

    def __init__(
        self,
        from_sigmoid: bool = False,
        weight: float | None = None,
        batch_axis: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_sigmoid = from_sigmoid

    def forward(
        self, pred: Any, label: Any, sample_weight: Any = None, pos_weight: Any = None
    ) -> Any:
        """Loss of each sample; `pos_weight` weighs the positive labels."""
        return call(self._rule, pred, label, sample_weight, pos_weight)

    def _rule(self, pred: Any, label: Any, sample_weight: Any, pos_weight: Any) -> Any:
        label = _same_shape(label, pred)
        if self._from_sigmoid:
            positive = F.log(pred + _TINY) * label
            if pos_weight is not None:
                positive = positive * pos_weight
            loss = -(positive + F.log(1.0 - pred + _TINY) * (1.0 - label))
        elif pos_weight is None:
            loss = _bernoulli(pred, label)
        else:
            factor = (pos_weight - 1.0) * label + 1.0
            tail = F.softplus(-F.abs(pred)) + F.relu(-pred)
            loss = pred - pred * label + factor * tail
        return self._mean(loss, sample_weight)


SigmoidBCELoss = SigmoidBinaryCrossEntropyLoss


class SoftmaxCrossEntropyLoss(Loss):
    """Cross entropy of one class a sample (or place).

    Parameters
    ----------
    axis : int
        Axis of the classes.
    sparse_label : bool
        Labels are class numbers, else distributions over the classes.
    from_logits : bool
        Whether `pred` are logarithms of probabilities already.
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.

    Inputs
    ------
    pred : array (N, ...), float
        Predictions, logits unless `from_logits`.
    label : array (N, ...), float
        Class numbers (int or float), of the shape of `pred` without `axis`; with
        ``sparse_label=False`` as many entries as `pred`.
    sample_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the entries.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.SoftmaxCrossEntropyLoss``; ONNX LogSoftmax.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    >>> loss(mx.np.array([[0.0, 0.0], [0.0, 1.0]]), mx.np.array([0, 1])).asnumpy().round(3)
    array([0.693, 0.313], dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        sparse_label: bool = True,
        from_logits: bool = False,
        weight: float | None = None,
        batch_axis: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._axis = axis
        self._sparse_label = sparse_label
        self._from_logits = from_logits

    def forward(self, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        """Loss of each sample from `pred` and `label`."""
        return call(self._rule, pred, label, sample_weight)

    def _rule(self, pred: Any, label: Any, sample_weight: Any) -> Any:
        axis = self._axis
        if not self._from_logits:
            pred = F.log_softmax(pred, axis=axis)
        if self._sparse_label:
            loss = -F.pick(pred, label, axis=axis, keepdims=True)
        else:
            loss = -F.sum(pred * _same_shape(label, pred), axis=axis, keepdims=True)
        return self._mean(loss, sample_weight)


SoftmaxCELoss = SoftmaxCrossEntropyLoss


class KLDivLoss(Loss):
    """Kullback-Leibler divergence ``label * (log(label) - pred)``.

    Parameters
    ----------
    from_logits : bool
        Whether `pred` are logarithms of probabilities already.
    axis : int
        Axis of the softmax otherwise.
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.

    Inputs
    ------
    pred : array (N, ...), float
        Predictions; logarithms of probabilities if `from_logits`, else logits.
    label : array (N, ...), float
        Probabilities, of the shape of `pred`.
    sample_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the entries.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.KLDivLoss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.KLDivLoss(from_logits=False)
    >>> loss(mx.np.array([[0.0, 0.0]]), mx.np.array([[1.0, 0.0]])).asnumpy().round(3)
    array([0.347], dtype=float32)
    """

    def __init__(
        self,
        from_logits: bool = True,
        axis: int = -1,
        weight: float | None = None,
        batch_axis: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_logits = from_logits
        self._axis = axis

    def forward(self, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        """Loss of each sample from `pred` and `label`."""
        return call(self._rule, pred, label, sample_weight)

    def _rule(self, pred: Any, label: Any, sample_weight: Any) -> Any:
        if not self._from_logits:
            pred = F.log_softmax(pred, axis=self._axis)
        loss = label * (F.log(label + _TINY) - pred)
        if self._scope is None:
            return self._mean(loss, sample_weight)
        loss = _weighted(loss, self._weight, sample_weight)  # 1.x: the sum
        return F.sum(loss, axis=self._other_axes(loss))


class HuberLoss(_Entrywise):
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


class HingeLoss(_Entrywise):
    """``max(0, margin - pred * label)``.

    Parameters
    ----------
    margin : float
        What the product should exceed.
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.

    Inputs
    ------
    pred : array (N, ...), float
        Predictions.
    label : array (N, ...), float
        -1 or 1, as many entries as `pred`, to whose shape it is brought.
    sample_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the entries.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.HingeLoss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.HingeLoss()
    >>> loss(mx.np.array([[0.5], [3.0]]), mx.np.array([[-1.0], [1.0]]))
    array([1.5, 0. ])
    """

    def __init__(
        self, margin: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def _entries(self, pred: Any, label: Any) -> Any:
        return F.relu(self._margin - pred * label)


class SquaredHingeLoss(HingeLoss):
    """``max(0, margin - pred * label)^2``.

    Parameters
    ----------
    margin : float
        What the product should exceed.
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.

    Inputs
    ------
    pred : array (N, ...), float
        Predictions.
    label : array (N, ...), float
        -1 or 1, as many entries as `pred`, to whose shape it is brought.
    sample_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the entries.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.SquaredHingeLoss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.SquaredHingeLoss()
    >>> loss(mx.np.array([[0.5], [3.0]]), mx.np.array([[-1.0], [1.0]]))
    array([2.25, 0.  ])
    """

    def _entries(self, pred: Any, label: Any) -> Any:
        return F.square(super()._entries(pred, label))


class LogisticLoss(_Entrywise):
    """``log(1 + exp(-pred * label))`` for labels -1 and 1.

    Parameters
    ----------
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.
    label_format : str
        ``signed``: labels are -1 and 1; ``binary``: 0 and 1.

    Inputs
    ------
    pred : array (N, ...), float
        Predictions.
    label : array (N, ...), float
        Of that format, as many entries as `pred`, to whose shape it is brought.
    sample_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the entries.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Raises
    ------
    ValueError
        For another `label_format`.

    Notes
    -----
    Source: MXNet's ``gluon.loss.LogisticLoss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.LogisticLoss(label_format="binary")
    >>> loss(mx.np.array([[0.0], [1.0]]), mx.np.array([[1.0], [1.0]])).asnumpy().round(3)
    array([0.693, 0.313], dtype=float32)
    """

    def __init__(
        self,
        weight: float | None = None,
        batch_axis: int = 0,
        label_format: str = "signed",
        **kwargs: Any,
    ) -> None:
        if label_format not in ("signed", "binary"):
            raise ValueError(
                f"label_format can only be signed or binary, received {label_format}."
            )
        super().__init__(weight, batch_axis, **kwargs)
        self._label_format = label_format

    def _entries(self, pred: Any, label: Any) -> Any:
        if self._label_format == "signed":
            label = (label + 1.0) / 2.0
        return _bernoulli(pred, label)


class TripletLoss(Loss):
    """``max(0, |pred - positive|^2 - |pred - negative|^2 + margin)``.

    Parameters
    ----------
    margin : float
        By how much the negative should be further away.
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; squares are summed over all others.

    Inputs
    ------
    pred, positive, negative : array (N, ...), float
        Arrays of as many entries, brought to the shape of `pred`.
    sample_weight : array (N,), optional, float
        Factors of the samples.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.TripletLoss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.TripletLoss()
    >>> loss(mx.np.array([[0.0, 0.0]]), mx.np.array([[1.0, 1.0]]), mx.np.array([[1.0, 0.0]]))
    array([2.])
    """

    def __init__(
        self, margin: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def forward(self, pred: Any, positive: Any, negative: Any, sample_weight: Any = None) -> Any:
        """Loss of each sample."""
        return call(self._rule, pred, positive, negative, sample_weight)

    def _rule(self, pred: Any, positive: Any, negative: Any, sample_weight: Any) -> Any:
        near = F.square(_same_shape(positive, pred) - pred)
        far = F.square(_same_shape(negative, pred) - pred)
        distance = F.sum(near - far, axis=self._other_axes(pred))
        return _weighted(F.relu(distance + self._margin), self._weight, sample_weight)


class PoissonNLLLoss(Loss):
    """Negative log-likelihood of counts under a Poisson distribution.

    Parameters
    ----------
    weight : float, optional
        Factor of the loss; None: none.
    from_logits : bool
        Whether `pred` is the logarithm of the rate, else the rate.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.
    compute_full : bool
        Add Stirling's approximation of ``log(target!)`` for targets above 1.

    Inputs
    ------
    pred : array (N, ...), float
        Logarithm of the rate, or the rate.
    target : array (N, ...), float
        Counts, as many entries as `pred`, to whose shape it is brought.
    sample_weight : array, optional, float
        Of any shape that broadcasts against `pred`: factors of the entries.
    epsilon : number
        Added to the rate (of shape ()) before its logarithm is taken.

    Outputs
    -------
    array (N,), float
        A number a sample: the mean of ``exp(pred) - target * pred``.

    Notes
    -----
    Source: MXNet's ``gluon.loss.PoissonNLLLoss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.PoissonNLLLoss()
    >>> loss(mx.np.array([[0.0], [0.0]]), mx.np.array([[0.0], [3.0]]))
    array([1., 1.])
    """

    def __init__(
        self,
        weight: float | None = None,
        from_logits: bool = True,
        batch_axis: int = 0,
        compute_full: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_logits = from_logits
        self._compute_full = compute_full

    def forward(
        self, pred: Any, target: Any, sample_weight: Any = None, epsilon: float = 1e-08
    ) -> Any:
        """Loss of each sample; `epsilon` keeps the logarithm of the rate finite."""
        return call(self._rule, pred, target, sample_weight, epsilon)

    def _rule(self, pred: Any, target: Any, sample_weight: Any, epsilon: float) -> Any:
        target = _same_shape(target, pred)
        if self._from_logits:
            loss = F.exp(pred) - target * pred
        else:
            loss = pred - target * F.log(pred + epsilon)
        if self._compute_full:
            many = F.greater(target, 1.0)
            # 2 in place of small targets: the logarithm stays finite, so does its gradient
            count = F.where(many, target, F.full(_like(2.0, target), shape=target.shape))
            stirling = count * F.log(count) - count + 0.5 * F.log(count * (2.0 * math.pi))
            loss = loss + stirling * F.cast(many, dtype=pred.dtype)
        if self._scope is None:
            return self._mean(loss, sample_weight)
        loss = _weighted(loss, self._weight, sample_weight)  # 1.x: one number for the batch
        return F.reshape(F.mean(loss), shape=(1,))


def _like(value: float, x: Any) -> Any:
    return x.dtype.type(value)


class CosineEmbeddingLoss(Loss):
    """``1 - cos`` where the label is 1, ``max(0, cos - margin)`` where it is -1.

    Parameters
    ----------
    weight : float, optional
        Factor of the loss; None: none.
    batch_axis : int
        The axis that stays; the loss is the mean over all others.
    margin : float
        Cosine that unlike pairs may have.

    Inputs
    ------
    input1, input2 : array (N, C), float
        Pairs of rows, between which the cosine is taken.
    label : array (N,), float or int
        1 for like pairs, -1 for unlike ones.
    sample_weight : array, optional, float
        Of any shape that broadcasts against (N, 1): factors of the samples.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.CosineEmbeddingLoss``.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.CosineEmbeddingLoss()
    >>> x = mx.np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> loss(x, mx.np.array([[0.0, 1.0], [2.0, 0.0]]), mx.np.array([1, -1]))
    array([1., 1.])
    """

    def __init__(
        self, weight: float | None = None, batch_axis: int = 0, margin: float = 0, **kwargs: Any
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def forward(self, input1: Any, input2: Any, label: Any, sample_weight: Any = None) -> Any:
        """Loss of each sample."""
        return call(self._rule, input1, input2, label, sample_weight)

    def _rule(self, input1: Any, input2: Any, label: Any, sample_weight: Any) -> Any:
        input1 = _same_shape(input1, input2)
        column = (-1, 1)
        product = F.reshape(F.sum(input1 * input2, axis=-1), shape=column)
        norms = F.reshape(_norm(input1) * _norm(input2), shape=column)
        cosine = product / F.maximum(norms, _TINY)
        label = F.reshape(label, shape=column)
        same = F.cast(F.equal(label, 1), dtype=cosine.dtype)
        other = F.cast(F.equal(label, -1), dtype=cosine.dtype)
        loss = (1.0 - cosine) * same + F.relu(cosine - self._margin) * other
        if self._scope is not None:  # 1.x: a column
            return _weighted(loss, self._weight, sample_weight)
        return self._mean(loss, sample_weight)


def _norm(x: Any) -> Any:
    return F.sqrt(F.sum(F.square(x), axis=-1))


class SDMLLoss(Loss):
    """Smoothed deep metric learning on aligned pairs.

    Parameters
    ----------
    smoothing_parameter : float
        Probability given to the other rows together.
    weight : float, optional
        Accepted; the loss inside has none, as MXNet's.
    batch_axis : int
        Accepted; axis 0 stays.

    Inputs
    ------
    x1, x2 : array (N, C), float
        Row i of `x1` should be nearer to row i of `x2` than to its other rows.

    Outputs
    -------
    array (N,), float
        A number a sample.

    Notes
    -----
    Source: MXNet's ``gluon.loss.SDMLLoss``;
    arXiv:1905.12786.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.array([[0.0, 0.0], [100.0, 0.0]])
    >>> loss = mx.gluon.loss.SDMLLoss(smoothing_parameter=0)
    >>> abs(loss(x, x).asnumpy()).round(3)
    array([0., 0.], dtype=float32)
    """

    def __init__(
        self,
        smoothing_parameter: float = 0.3,
        weight: float | None = 1.0,
        batch_axis: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self.kl_loss = KLDivLoss(from_logits=True)
        self.smoothing_parameter = smoothing_parameter

    def forward(self, x1: Any, x2: Any) -> Any:
        """Loss of each sample."""
        return call(self._rule, x1, x2)

    def _rule(self, x1: Any, x2: Any) -> Any:
        gaps = F.expand_dims(x1, axis=1) - F.expand_dims(x2, axis=0)
        distances = F.sum(F.square(gaps), axis=2)
        places = F.arange(start=0, stop=x1.shape[0], dtype=x1.dtype)
        partner = F.equal(F.expand_dims(places, axis=1), F.expand_dims(places, axis=0))
        hit = F.cast(partner, dtype=x1.dtype)
        others = F.sum(1.0 - hit, axis=1, keepdims=True)
        spread = self.smoothing_parameter / F.maximum(others, 1.0)
        labels = hit * (1.0 - self.smoothing_parameter) + (1.0 - hit) * spread
        return self.kl_loss._rule(F.log_softmax(-distances, axis=1), labels, None)


class CTCLoss(Loss):
    """Connectionist temporal classification; the blank is the last class.

    Parameters
    ----------
    layout : str
        ``NTC`` or ``TNC``: axes of the predictions.
    label_layout : str
        ``NT`` or ``TN``: axes of the labels.
    weight : float, optional
        Factor of the loss; None: none.

    Inputs
    ------
    pred : array (N, T, C), float
        Scores before softmax, in the order of `layout`.
    label : array (N, L), int or float
        Class numbers, in the order of `label_layout`; -1 ends a label where no lengths are given.
    pred_lengths : array (N,), optional, int or float
        Steps of each sample; T if left out.
    label_lengths : array (N,), optional, int or float
        Length of each label.
    sample_weight : array (N,), optional, float
        Factors of the samples.

    Outputs
    -------
    array (N,), float
        A number a sample: minus the logarithm of the probability of its label.

    Raises
    ------
    AssertionError
        For another layout, as MXNet raises.

    Notes
    -----
    Source: MXNet's ``gluon.loss.CTCLoss``;
    Graves et al., Connectionist temporal classification, ICML 2006.

    Examples
    --------
    >>> import symgluon as mx
    >>> loss = mx.gluon.loss.CTCLoss()
    >>> loss(mx.np.zeros((1, 2, 2)), mx.np.array([[0]])).asnumpy().round(3)  # -log(3 / 4)
    array([0.288], dtype=float32)
    """

    def __init__(
        self,
        layout: str = "NTC",
        label_layout: str = "NT",
        weight: float | None = None,
        **kwargs: Any,
    ) -> None:
        for given, known in ((layout, ("NTC", "TNC")), (label_layout, ("NT", "TN"))):
            if given not in known:
                raise AssertionError(
                    f"Only {' and '.join(known)!r} layouts are supported, received {given!r}"
                )
        super().__init__(weight, label_layout.find("N"), **kwargs)
        self._layout = layout
        self._label_layout = label_layout

    def forward(
        self,
        pred: Any,
        label: Any,
        pred_lengths: Any = None,
        label_lengths: Any = None,
        sample_weight: Any = None,
    ) -> Any:
        """Loss of each sample."""
        return call(self._rule, pred, label, pred_lengths, label_lengths, sample_weight)

    def _rule(
        self, pred: Any, label: Any, pred_lengths: Any, label_lengths: Any, sample_weight: Any
    ) -> Any:
        if self._layout == "NTC":
            pred = F.swapaxes(pred, axis1=0, axis2=1)
        if self._batch_axis == 1:
            label = F.swapaxes(label, axis1=0, axis2=1)
        loss = F.ctc_loss(
            pred, label, pred_lengths, label_lengths, blank_first=False, reserve=True
        )[0]
        return _weighted(loss, self._weight, sample_weight)
