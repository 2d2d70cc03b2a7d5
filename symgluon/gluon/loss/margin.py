"""Losses that keep classes, signs or pairs apart."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.loss.base import TINY, Entrywise, Loss, bernoulli, same_shape, weighted
from symgluon.gluon.loss.likelihood import KLDivLoss
from symgluon.gluon.nn.common import call
from symgluon.ops.apply import F

__all__ = [
    "CosineEmbeddingLoss", "HingeLoss", "LogisticLoss", "SDMLLoss", "SquaredHingeLoss",
    "TripletLoss",
]  # fmt: skip


class HingeLoss(Entrywise):
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


class LogisticLoss(Entrywise):
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
        return bernoulli(pred, label)


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
        near = F.square(same_shape(positive, pred) - pred)
        far = F.square(same_shape(negative, pred) - pred)
        distance = F.sum(near - far, axis=self._other_axes(pred))
        return weighted(F.relu(distance + self._margin), self._weight, sample_weight)


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
        input1 = same_shape(input1, input2)
        column = (-1, 1)
        product = F.reshape(F.sum(input1 * input2, axis=-1), shape=column)
        norms = F.reshape(_norm(input1) * _norm(input2), shape=column)
        cosine = product / F.maximum(norms, TINY)
        label = F.reshape(label, shape=column)
        same = F.cast(F.equal(label, 1), dtype=cosine.dtype)
        other = F.cast(F.equal(label, -1), dtype=cosine.dtype)
        loss = (1.0 - cosine) * same + F.relu(cosine - self._margin) * other
        if self._scope is not None:  # 1.x: a column
            return weighted(loss, self._weight, sample_weight)
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
