"""Losses that are logarithms of probabilities."""

from __future__ import annotations

import math
from typing import Any

from symgluon.gluon.loss.base import TINY, Loss, bernoulli, number_like, same_shape, weighted
from symgluon.gluon.nn.common import call
from symgluon.ops.apply import F

__all__ = [
    "CTCLoss", "KLDivLoss", "PoissonNLLLoss", "SigmoidBCELoss",
    "SigmoidBinaryCrossEntropyLoss", "SoftmaxCELoss", "SoftmaxCrossEntropyLoss",
]  # fmt: skip


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
        label = same_shape(label, pred)
        if self._from_sigmoid:
            positive = F.log(pred + TINY) * label
            if pos_weight is not None:
                positive = positive * pos_weight
            loss = -(positive + F.log(1.0 - pred + TINY) * (1.0 - label))
        elif pos_weight is None:
            loss = bernoulli(pred, label)
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
            loss = -F.sum(pred * same_shape(label, pred), axis=axis, keepdims=True)
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
        loss = label * (F.log(label + TINY) - pred)
        if self._scope is None:
            return self._mean(loss, sample_weight)
        loss = weighted(loss, self._weight, sample_weight)  # 1.x: the sum
        return F.sum(loss, axis=self._other_axes(loss))


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
        target = same_shape(target, pred)
        if self._from_logits:
            loss = F.exp(pred) - target * pred
        else:
            loss = pred - target * F.log(pred + epsilon)
        if self._compute_full:
            many = F.greater(target, 1.0)
            # 2 in place of small targets: the logarithm stays finite, so does its gradient
            count = F.where(many, target, F.full(number_like(2.0, target), shape=target.shape))
            stirling = count * F.log(count) - count + 0.5 * F.log(count * (2.0 * math.pi))
            loss = loss + stirling * F.cast(many, dtype=pred.dtype)
        if self._scope is None:
            return self._mean(loss, sample_weight)
        loss = weighted(loss, self._weight, sample_weight)  # 1.x: one number for the batch
        return F.reshape(F.mean(loss), shape=(1,))


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
        return weighted(loss, self._weight, sample_weight)
