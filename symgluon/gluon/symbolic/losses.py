"""What the losses of ``gluon.loss`` compose from symbols."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from symgluon.gluon import loss as losses
from symgluon.gluon.symbolic import composes

_TINY = 1e-12


def _weigh(block: Any, F: Any, loss: Any, sample_weight: Any, factor: Any = None) -> Any:
    if sample_weight is not None:
        loss = F.broadcast_mul(loss, sample_weight)
    factor = block._weight if factor is None else factor
    return loss if factor is None else loss * factor


def _averaged(entries: Callable[..., Any], half: bool = False) -> Callable[..., Any]:
    """Return the composer of a loss: entries, weighted, and their mean over all axes but the batch.

    Parameters
    ----------
    entries : callable
        ``entries(block, F, pred, label)``, label in the shape of pred.
    half : bool
        The weight counts half.
    """

    def compose(block: Any, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        loss = entries(block, F, pred, F.reshape_like(label, pred))
        factor = block._weight / 2 if half else None
        return _mean(block, F, _weigh(block, F, loss, sample_weight, factor))

    return compose


def _mean(block: Any, F: Any, loss: Any) -> Any:
    return F.mean(loss, axis=block._batch_axis, exclude=True)


def _bernoulli(F: Any, pred: Any, label: Any) -> Any:
    return F.relu(pred) - pred * label + _soft(F, pred)


def _soft(F: Any, pred: Any) -> Any:
    return F.Activation(-F.abs(pred), act_type="softrelu")


def _huber(block: Any, F: Any, pred: Any, label: Any) -> Any:
    rho, gap = block._rho, F.abs(label - pred)
    return F.where(gap > rho, gap - 0.5 * rho, (0.5 / rho) * F.square(gap))


def _hinge(block: Any, F: Any, pred: Any, label: Any) -> Any:
    return F.relu(block._margin - pred * label)


def _logistic(block: Any, F: Any, pred: Any, label: Any) -> Any:
    signed = block._label_format == "signed"
    return _bernoulli(F, pred, (label + 1.0) / 2.0 if signed else label)


composes(losses.L1Loss)(_averaged(lambda b, F, pred, label: F.abs(label - pred)))
composes(losses.L2Loss)(_averaged(lambda b, F, pred, label: F.square(label - pred), half=True))
composes(losses.HuberLoss)(_averaged(_huber))
composes(losses.HingeLoss)(_averaged(_hinge))
composes(losses.SquaredHingeLoss)(_averaged(lambda *args: args[1].square(_hinge(*args))))
composes(losses.LogisticLoss)(_averaged(_logistic))


@composes(losses.SigmoidBinaryCrossEntropyLoss)
def _sigmoid(
    block: Any, F: Any, pred: Any, label: Any, sample_weight: Any = None, pos_weight: Any = None
) -> Any:
    label = F.reshape_like(label, pred)
    if block._from_sigmoid:
        positive = F.log(pred + _TINY) * label
        if pos_weight is not None:
            positive = F.broadcast_mul(positive, pos_weight)
        loss = -(positive + F.log(1.0 - pred + _TINY) * (1.0 - label))
    elif pos_weight is None:
        loss = _bernoulli(F, pred, label)
    else:
        factor = 1 + F.broadcast_mul(pos_weight - 1, label)
        loss = pred - pred * label + factor * (_soft(F, pred) + F.relu(-pred))
    return _mean(block, F, _weigh(block, F, loss, sample_weight))


@composes(losses.SoftmaxCrossEntropyLoss)
def _softmax(block: Any, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
    axis = block._axis
    if not block._from_logits:
        pred = F.log_softmax(pred, axis=axis)
    if block._sparse_label:
        hit = F.pick(pred, label, axis=axis, keepdims=True)
    else:
        hit = F.sum(pred * F.reshape_like(label, pred), axis=axis, keepdims=True)
    return _mean(block, F, _weigh(block, F, -hit, sample_weight))


@composes(losses.KLDivLoss)
def _kl(block: Any, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
    if not block._from_logits:
        pred = F.log_softmax(pred, axis=block._axis)
    loss = label * (F.log(label + _TINY) - pred)
    return F.sum(_weigh(block, F, loss, sample_weight), axis=block._batch_axis, exclude=True)


@composes(losses.CTCLoss)
def _ctc(
    block: Any, F: Any, pred: Any, label: Any, pred_lengths: Any = None, label_lengths: Any = None,
    sample_weight: Any = None,
) -> Any:  # fmt: skip
    if block._layout == "NTC":
        pred = F.swapaxes(pred, dim1=0, dim2=1)
    if block._batch_axis == 1:
        label = F.swapaxes(label, dim1=0, dim2=1)
    lengths = {"data_lengths": pred_lengths, "label_lengths": label_lengths}
    loss = F.CTCLoss(
        pred, label, **{k: v for k, v in lengths.items() if v is not None}, blank_label="last",
        **{f"use_{k}": v is not None for k, v in lengths.items()},
    )  # fmt: skip
    return _weigh(block, F, loss, sample_weight)


@composes(losses.TripletLoss)
def _triplet(
    block: Any, F: Any, pred: Any, positive: Any, negative: Any, sample_weight: Any = None
) -> Any:
    near, far = (F.reshape_like(x, pred) for x in (positive, negative))
    gaps = F.square(near - pred) - F.square(far - pred)
    distance = F.sum(gaps, axis=block._batch_axis, exclude=True)
    return _weigh(block, F, F.relu(distance + block._margin), sample_weight)


@composes(losses.PoissonNLLLoss)
def _poisson(
    block: Any, F: Any, pred: Any, target: Any, sample_weight: Any = None, epsilon: float = 1e-08
) -> Any:
    target = F.reshape_like(target, pred)
    logs = block._from_logits
    loss = F.exp(pred) - target * pred if logs else pred - target * F.log(pred + epsilon)
    if block._compute_full:
        stirling = target * F.log(target) - target + 0.5 * F.log(2 * math.pi * target)
        loss = loss + F.where(target > 1, stirling, F.zeros_like(stirling))
    return F.mean(_weigh(block, F, loss, sample_weight))


@composes(losses.CosineEmbeddingLoss)
def _cosine(
    block: Any, F: Any, input1: Any, input2: Any, label: Any, sample_weight: Any = None
) -> Any:
    def column(x: Any) -> Any:
        return F.reshape(x, shape=(-1, 1))

    input1 = F.reshape_like(input1, input2)
    label = column(label)
    norms = [column(F.norm(x, axis=-1)) for x in (input1, input2)]
    product = column(F.sum(input1 * input2, axis=-1))
    floor = F.full((1, 1), _TINY)
    cosine = product / F.broadcast_maximum(norms[0] * norms[1], floor)
    same, other = label == 1, label == -1
    alike = (1 - cosine) * same
    zero = F.zeros((1, 1))
    loss = alike + F.broadcast_maximum(zero, other * (cosine - block._margin), axis=1)
    return _weigh(block, F, loss, sample_weight)
