"""Floating-point operations of a node, where they are known (multiply and add are two).

Products of matrices and windows are counted exactly, elementwise operators and reductions as one a
number, what only moves data as none.  A symbolic size gives a symbolic count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon.ir.graph import Graph, Node, bodies
from symgluon.ir.types import prod

_MOVE_NAMES = (
    "identity stop_gradient cast index set_index dim_value full reshape broadcast_to transpose "
    "swapaxes moveaxis rollaxis expand_dims squeeze concatenate stack split tile repeat flip roll "
    "rot90 pad take gather_nd scatter_nd embedding zeros_like ones_like tril triu diagonal "
    "make_diag diag depth_to_space space_to_depth arange eye tri one_hot where pick batch_take "
    "take_along_axis"
)
_MOVES = frozenset(_MOVE_NAMES.split())  # these only move data
_REDUCTIONS = ("sum", "mean", "prod", "max", "min", "any", "all", "argmax", "argmin", "cumsum")


def _shape(node: Node, slot: int) -> Any:
    value = node.inputs[slot]
    return () if value is None else value.type.known_shape


def _out_size(node: Node) -> Any:
    return prod(node.outputs[0].type.known_shape)


def _dense(node: Node) -> Any:
    return 2 * _out_size(node) * _shape(node, 1)[-1]


def _matmul(node: Node) -> Any:
    return 2 * _out_size(node) * (_shape(node, 0) or (1,))[-1]


def _batch_dot(node: Node) -> Any:
    inner = -2 if node.op.attrs().get("transpose_a") else -1
    return 2 * _out_size(node) * _shape(node, 0)[inner]


def _convolution(node: Node) -> Any:
    return 2 * _out_size(node) * prod(_shape(node, 1)[1:])


def _deconvolution(node: Node) -> Any:
    return 2 * prod(_shape(node, 0)) * prod(_shape(node, 1)[1:])


def _pooling(node: Node) -> Any:
    window = node.op.attrs().get("kernel_shape") or ()
    return _out_size(node) * prod(window)


def _per_input(factor: int) -> Callable[[Node], Any]:
    return lambda node: factor * prod(_shape(node, 0))


_RULES: dict[str, Callable[[Node], Any]] = {
    "dense": _dense,
    "matmul": _matmul,
    "dot": _matmul,
    "legacy_dot": _batch_dot,
    "batch_dot": _batch_dot,
    "convolution": _convolution,
    "convolution_input_grad": _deconvolution,
    "deconvolution": _deconvolution,
    "pooling": _pooling,
    "softmax": _per_input(4),
    "log_softmax": _per_input(4),
    "batch_norm_inference": _per_input(2),
    "batch_norm_train": _per_input(7),
    "layer_norm": _per_input(8),
    "group_norm": _per_input(8),
    "instance_norm": _per_input(8),
    "gelu": _per_input(8),
    "rms_norm": _per_input(6),
    **dict.fromkeys(_REDUCTIONS, _per_input(1)),
}


def node_flops(node: Node) -> Any:
    """Return the operations of one node: int, Dim, or None where they are not known."""
    name = node.op.name
    if name in _MOVES:
        return 0
    types = [v.type for v in (*node.inputs, *node.outputs) if v is not None]
    if not all(t.is_known for t in types):
        return None
    held = bodies(node.op)
    if held:
        return flops(held[0])[0] if name in ("call", "graph_op", "fused") else None
    rule = _RULES.get(name)
    if rule is not None:
        return rule(node)
    return _out_size(node) if getattr(type(node.op), "ufunc", None) is not None else None


def flops(graph: Graph) -> tuple[Any, list[str]]:
    """Return the operations of a graph, and the operators whose operations are not known."""
    total: Any = 0
    unknown: dict[str, None] = {}
    for node in graph.nodes:
        found = node_flops(node)
        if found is None:
            unknown[node.op.name] = None
        else:
            total = total + found
    return total, list(unknown)
