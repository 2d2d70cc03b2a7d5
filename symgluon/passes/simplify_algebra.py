"""Arithmetic that changes nothing is dropped.

Given    %a = add(%x, 0)   %b = multiply(%a, 1)   %c = cast[dtype=float32](%b)   %d = relu(relu(%c))
Result   %d = relu(%x)

Dtype and shape of every use stay: a neutral operand that broadcasts the other one is kept.
"""

from __future__ import annotations

import numpy as np

from symgluon import dtypes
from symgluon.ir.graph import Graph, Node, Value
from symgluon.passes.manager import graph_pass
from symgluon.passes.rewrite import replace_values

#: operator -> (position of the neutral operand, its value)
_NEUTRAL: dict[str, tuple[tuple[int, float], ...]] = {
    "add": ((0, 0.0), (1, 0.0)),
    "subtract": ((1, 0.0),),
    "multiply": ((0, 1.0), (1, 1.0)),
    "true_divide": ((1, 1.0),),
    "power": ((1, 1.0),),
}
_IDEMPOTENT = frozenset("relu abs floor ceil rint trunc fix sign round".split())
_INVOLUTIONS = frozenset("negative logical_not bitwise_not".split())
_LOOKED_AT = 4096  # elements of a constant that are compared with a neutral number


def _is_uniform(value: Value | None, number: float) -> bool:
    data = value.data if value is not None else None
    if data is None or not 0 < data.size <= _LOOKED_AT:
        return False
    # -0.0 is neutral for +, +0.0 is not neutral for -0.0 + x only in the sign of zero
    return bool(np.all(data == data.dtype.type(number)))


def _producer(value: Value | None, name: str) -> Node | None:
    node = value.producer if value is not None else None
    return node if node is not None and node.op.name == name else None


def _replacement(node: Node) -> Value | None:
    """Return the value a node can be replaced by, or None."""
    name, out = node.op.name, node.outputs[0]
    first = node.inputs[0] if node.inputs else None
    if first is None:
        return None
    if name == "identity":
        return first
    if name == "cast":
        return _cast(node, first)
    for position, number in _NEUTRAL.get(name, ()):
        other = node.inputs[1 - position]
        if other is not None and other.type == out.type and _is_uniform(
            node.inputs[position], number
        ):
            return other
    if name in _IDEMPOTENT and _producer(first, name) is not None:
        return first
    if name in _INVOLUTIONS:
        inner = _producer(first, name)
        if inner is not None and inner.inputs[0] is not None and inner.inputs[0].type == out.type:
            return inner.inputs[0]
    return None


def _cast(node: Node, first: Value) -> Value | None:
    """A cast to the same dtype, or back from a wider one."""
    target = node.outputs[0].type.dtype
    if first.type.dtype == target:
        return first
    inner = _producer(first, "cast")
    source = inner.inputs[0] if inner is not None else None
    if source is None or source.type.dtype != target:
        return None
    # lossless on the way out: the way back is the identity
    wide = first.type.dtype
    same_kind = dtypes.is_float(wide) == dtypes.is_float(target)
    if same_kind and target.kind != "b" and wide.itemsize > target.itemsize:
        kinds = (target.kind, wide.kind)
        if kinds in (("f", "f"), ("i", "i"), ("u", "u"), ("u", "i"), ("V", "f")):
            return source
    return None


@graph_pass("simplify_algebra")
def simplify_algebra(graph: Graph) -> int:
    """Drop neutral operands, double casts, identities, repeated idempotent functions."""
    return replace_values(graph, _replacement)
