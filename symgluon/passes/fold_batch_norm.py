"""Batch normalisation with constant statistics moves into the weights before it.

Given    %y = convolution(%x, #w, #b)   %z = batch_norm_inference(%y, #gamma, #beta, #mean, #var)
Result   %z = convolution(%x, #w', #b')      w' = w * s,  b' = (b - mean) * s + beta,
                                             s = gamma / sqrt(var + eps)

Also after `deconvolution` and `dense`.  Inference only; the result of the convolution has no other use.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.ir.graph import Graph, Node, Value
from symgluon.passes.manager import explain, graph_pass

_FOLDABLE = frozenset(("convolution", "deconvolution", "dense"))


def _constant(value: Value | None) -> np.ndarray | None:
    return None if value is None else value.data


def _reason(graph: Graph, node: Node, before: Node) -> str | None:
    """Return why the pair is left alone, or None."""
    data = before.outputs[0]
    if len(data.uses) != 1 or data in graph.outputs:
        return "the result before it has other uses"
    if any(_constant(v) is None for v in node.inputs[1:]):
        return "its statistics are no constants"
    if _constant(before.inputs[1]) is None:
        return "the weight is no constant"
    if (
        len(before.inputs) > 2
        and before.inputs[2] is not None
        and _constant(before.inputs[2]) is None
    ):
        return "the bias is no constant"
    rank = len(data.type.known_shape)
    axis = node.op.attrs()["axis"] % rank
    channel = rank - 1 if before.op.name == "dense" else 1
    return None if axis == channel else f"it normalises axis {axis}"


def _scaled_weight(before: Node, weight: np.ndarray, scale: np.ndarray) -> np.ndarray:
    wide = weight.astype(np.float64)
    if before.op.name != "deconvolution":
        return wide * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    groups = int(before.op.attrs()["num_group"])
    per_group = scale.reshape(groups, 1, -1, *(1,) * (weight.ndim - 2))
    split = wide.reshape(groups, -1, *weight.shape[1:])
    return (split * per_group).reshape(weight.shape)


def _fold(graph: Graph, node: Node, before: Node) -> None:
    arrays = [np.asarray(_constant(v), np.float64) for v in node.inputs[1:]]
    gamma, beta, mean, var = arrays
    scale = gamma / np.sqrt(var + node.op.attrs()["eps"])
    weight: Any = _constant(before.inputs[1])
    old = before.inputs[2] if len(before.inputs) > 2 else None
    bias = np.zeros_like(mean) if old is None else np.asarray(_constant(old), np.float64)
    new_weight = _scaled_weight(before, weight, scale).astype(weight.dtype)
    new_bias = ((bias - mean) * scale + beta).astype(weight.dtype)
    source = before.inputs[1]
    name = source.name if source is not None else "weight"
    w = graph.add_constant(new_weight, f"{name}_folded")
    b = graph.add_constant(new_bias, f"{name}_bias")
    new = graph.add(
        before.op,
        [before.inputs[0], w, b],
        [v.type for v in node.outputs],
        name=node.outputs[0].name,
        origin=(*before.origin, *node.origin),
        before=node,
    )
    graph.replace_all_uses(node.outputs[0], new.output)
    graph.remove(node)
    graph.remove(before)


@graph_pass("fold_batch_norm")
def fold_batch_norm(graph: Graph) -> int:
    """Fold batch normalisation into convolution, deconvolution or dense before it."""
    count = 0
    for node in graph.nodes:
        if node.op.name != "batch_norm_inference" or node.inputs[0] is None:
            continue
        before = node.inputs[0].producer
        if before is None or before.op.name not in _FOLDABLE:
            explain(f"{node.outputs[0].name}: no convolution or dense before it")
            continue
        reason = _reason(graph, node, before)
        if reason is not None:
            explain(f"{node.outputs[0].name}: {reason}")
            continue
        _fold(graph, node, before)
        count += 1
    return count
