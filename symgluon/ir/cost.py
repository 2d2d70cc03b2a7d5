"""Floating-point operations of a node, where they are known (multiply and add are two).

Products of matrices and windows are counted exactly, elementwise operators and reductions as one a
number, what only moves data as none; a loop over slices so often as its body runs, a branch as the
larger one.  A symbolic size gives a symbolic count.
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
    "take_along_axis sequence_mask mae_regression_output linear_regression_output"
)
_MOVES = frozenset(_MOVE_NAMES.split())  # these only move data
_REDUCTIONS = (
    "sum", "mean", "prod", "max", "min", "any", "all", "argmax", "argmin", "cumsum",
    "global_pooling", "adaptive_avg_pool",
)  # fmt: skip
#: functions of each number that are no members of the families
_ELEMENTWISE = ("clip", "leaky_relu", "prelu", "elu", "selu", "hard_sigmoid", "around")


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


def _attention(node: Node) -> Any:
    """Both products, and for each score the scale and the softmax."""
    query, keys = _shape(node, 0), _shape(node, 1)[-2]
    return (2 * prod(query) + 2 * _out_size(node) + 5 * prod(query[:-1])) * keys


def _recurrent(node: Node) -> Any:
    """Products with all weights, each step; the biases are not multiplied."""
    attrs = node.op.attrs()
    gates = {"lstm": 4, "gru": 3}.get(attrs["mode"], 1)
    cells = attrs["num_layers"] * (2 if attrs["bidirectional"] else 1)
    weights = prod(_shape(node, 1)) - 2 * gates * cells * attrs["state_size"]
    return 2 * prod(_shape(node, 0)[:2]) * weights


def _per_output(factor: int) -> Callable[[Node], Any]:
    return lambda node: factor * _out_size(node)


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
    "softmax_output": _per_input(4),
    "rnn": _recurrent,
    "attention": _attention,
    "mish": _per_input(4),
    "bilinear_resize": _per_output(7),
    **dict.fromkeys(("norm", "euclidean_norm"), _per_input(2)),
    **dict.fromkeys(("var", "std"), _per_input(3)),
    **dict.fromkeys(_ELEMENTWISE, _per_input(1)),
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
        return _held(node, held)
    rule = _RULES.get(name)
    if rule is not None:
        return rule(node)
    return _out_size(node) if getattr(type(node.op), "ufunc", None) is not None else None


def _held(node: Node, held: list[Graph]) -> Any:
    """Operations of a body once a call, once a slice, or those of the larger branch."""
    name = node.op.name
    each = [flops(body)[0] for body in held]
    if name in ("call", "graph_op", "fused"):
        return each[0]
    if name == "foreach" and node.op.attrs()["scans"]:
        return each[0] * _shape(node, 0)[0]
    if name == "cond" and all(isinstance(n, int) for n in each):
        return max(each)
    return None


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
