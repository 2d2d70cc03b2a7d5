"""Batch normalisation with constant statistics moves into the weights beside it.

Given    %y = convolution(%x, #w, #b)   %z = batch_norm_inference(%y, #gamma, #beta, #mean, #var)
Result   %z = convolution(%x, #w', #b')      s = gamma / sqrt(var + eps), t = beta - mean * s
                                             w' = w * s,  b' = b * s + t

Also after `deconvolution` and `dense`, and before a `convolution` without padding or a `dense`:
then the columns of w are scaled, and ``b' = b + sum(w * t)``.  Inference only.  Weight and
intermediate have no other use; the sums are made in float64, so a result differs by a rounding of
each weight.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.types import normalize_axis
from symgluon.passes.manager import count, explain, graph_pass
from symgluon.passes.rewrite import Edit, constant, producer

_AFTER = ("convolution", "deconvolution", "dense")
_BEFORE = ("convolution", "dense")


class _Affine(NamedTuple):
    """``x * scale + shift`` along one axis: what a normalisation does."""

    scale: np.ndarray
    shift: np.ndarray
    axis: int


def _affine(norm: Node) -> _Affine | str:
    """Return scale and shift of a normalisation, or the reason why they are not known."""
    found = [constant(v) for v in norm.inputs[1:]]
    if any(a is None for a in found):
        return "its statistics are no constants"
    gamma, beta, mean, var = [np.asarray(a, np.float64) for a in found]
    attrs = norm.op.attrs()
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(var + attrs["eps"])
        shift = beta - mean * scale
    if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
        return "its statistics are not finite"
    return _Affine(scale, shift, normalize_axis(attrs["axis"], len(norm.output.type.known_shape)))


def _weights(edit: Edit, layer: Node) -> tuple[np.ndarray, np.ndarray | None] | str:
    """Return weight and bias of a layer, or the reason why they cannot be changed."""
    source = layer.inputs[1]
    weight = constant(source)
    if weight is None or source is None:
        return "the weight is no constant"
    if not edit.single_use(source):
        return "the weight has other uses"
    if weight.dtype not in (np.float32, np.float64):
        return f"the weight is {weight.dtype.name}"
    bias = layer.inputs[2] if len(layer.inputs) > 2 else None
    held = constant(bias)
    if bias is not None and held is None:
        return "the bias is no constant"
    return weight, held


# ---- a normalisation after a layer -------------------------------------------------------------
def _fold_after(edit: Edit, norm: Node, layer: Node) -> str | None:
    """Scale the rows of the weight; returns the reason if it is not done."""
    if not edit.single_use(layer.output):
        return "the result before it has other uses"
    affine, held = _affine(norm), _weights(edit, layer)
    if isinstance(affine, str) or isinstance(held, str):
        return affine if isinstance(affine, str) else held  # type: ignore[return-value]
    rank = len(norm.output.type.known_shape)
    if affine.axis != (rank - 1 if layer.op.name == "dense" else 1):
        return f"it normalises axis {affine.axis}"
    weight, bias = held
    scaled = _scaled_rows(layer, weight, affine.scale)
    shifted = (
        affine.shift if bias is None else bias.astype(np.float64) * affine.scale + affine.shift
    )
    _replace(edit, norm, layer, layer.inputs[0], scaled, shifted)
    return None


def _times(weight: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Product in float64, rounded to the dtype of the weight, without a wide copy of it."""
    found = np.empty_like(weight)
    np.multiply(weight, scale, out=found, dtype=np.float64, casting="unsafe")
    return found


def _scaled_rows(layer: Node, weight: np.ndarray, scale: np.ndarray) -> Any:
    if layer.op.name != "deconvolution":
        return _times(weight, scale.reshape(-1, *(1,) * (weight.ndim - 1)))
    groups = int(layer.op.attrs()["num_group"])
    per_group = scale.reshape(groups, 1, -1, *(1,) * (weight.ndim - 2))
    return _times(weight.reshape(groups, -1, *weight.shape[1:]), per_group).reshape(weight.shape)


# ---- a normalisation before a layer ------------------------------------------------------------
def _fold_before(edit: Edit, norm: Node, layer: Node) -> str | None:
    """Scale the columns of the weight; returns the reason if it is not done."""
    if not edit.single_use(norm.output):
        return "its result has other uses"
    affine, held = _affine(norm), _weights(edit, layer)
    if isinstance(affine, str) or isinstance(held, str):
        return affine if isinstance(affine, str) else held  # type: ignore[return-value]
    weight, bias = held
    columns = _columns(layer, norm, affine)
    if isinstance(columns, str):
        return columns
    scale, shift = columns
    moved = (weight.astype(np.float64) * shift).reshape(weight.shape[0], -1).sum(axis=1)
    shifted = moved if bias is None else bias.astype(np.float64) + moved
    _replace(edit, layer, norm, norm.inputs[0], _times(weight, scale), shifted)
    return None


def _columns(layer: Node, norm: Node, affine: _Affine) -> tuple[Any, Any] | str:
    """Scale and shift, shaped to meet the columns of the weight, or the reason against it."""
    attrs, shape = layer.op.attrs(), norm.output.type.known_shape
    if layer.op.name == "convolution":
        if affine.axis != 1:
            return f"it normalises axis {affine.axis}"
        if any(attrs["pad"]) and affine.shift.any():
            return "the convolution after it pads: zeros would be shifted too"
        groups, rank = attrs["num_group"], len(attrs["kernel_shape"])
        rows = attrs["num_filter"] // groups

        def per_row(v: np.ndarray) -> Any:
            return np.repeat(v.reshape(groups, -1), rows, axis=0).reshape(
                groups * rows, -1, *(1,) * rank
            )

        return per_row(affine.scale), per_row(affine.shift)
    if not attrs["flatten"]:
        if affine.axis != len(shape) - 1:
            return f"it normalises axis {affine.axis}"
        return affine.scale, affine.shift
    if affine.axis == 0 or not all(isinstance(n, int) for n in shape[1:]):
        return "the sizes of its axes are not numbers"
    along = [1] * (len(shape) - 1)
    along[affine.axis - 1] = -1

    def spread(v: np.ndarray) -> Any:
        return np.broadcast_to(v.reshape(along), shape[1:]).reshape(-1)

    return spread(affine.scale), spread(affine.shift)


def _replace(
    edit: Edit, node: Node, other: Node, data: Value | None, weight: Any, bias: Any
) -> None:
    """Put the layer with its new weights in the place of `node`; `other` goes away."""
    layer = other if other.op.name in _AFTER else node
    source = layer.inputs[1]
    name = source.name if source is not None else "weight"
    dtype = layer.output.dtype
    w = edit.constant(weight, dtype, f"{name}_folded")
    b = edit.constant(bias, dtype, f"{name}_bias")
    edit.take_place(node, edit.put(layer.op, [data, w, b], node, other))
    edit.graph.remove(other)


@graph_pass("fold_batch_norm")
def fold_batch_norm(graph: Graph) -> int:
    """Fold batch normalisation into the convolution or dense layer before or after it."""
    edit = Edit(graph)
    for norm in graph.nodes:
        if norm.op.name != "batch_norm_inference":
            continue
        reasons = _fold(edit, norm)
        if reasons:
            explain(f"%{norm.output.name}: {'; '.join(reasons)}")
    return edit.count


def _fold(edit: Edit, norm: Node) -> list[str]:
    """Fold one normalisation; returns the reasons if it stays."""
    before = producer(norm.inputs[0], *_AFTER)
    reasons = []
    if before is not None:
        reason = _fold_after(edit, norm, before)
        if reason is None:
            count(f"after {before.op.name}")
            return []
        reasons.append(f"not into the {before.op.name} before it: {reason}")
    users = norm.output.users()
    if len(users) == 1 and users[0].op.name in _BEFORE and users[0].inputs[0] is norm.output:
        reason = _fold_before(edit, norm, users[0])
        if reason is None:
            count(f"before {users[0].op.name}")
            return []
        reasons.append(f"not into the {users[0].op.name} after it: {reason}")
    return reasons or ["no convolution or dense layer before or after it"]
