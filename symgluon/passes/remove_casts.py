"""Nodes that only training needs are dropped: cuts of the gradient, casts of mixed precision.

Given    %a = stop_gradient(%x)   %b = cast[dtype=float16](%a)   %c = cast[dtype=float32](%b)
Result   drop_stop_gradient: %a is %x;   remove_amp_cast: %c is %a
"""

from __future__ import annotations

from symgluon import dtypes
from symgluon.ir.graph import Graph, Node, Value
from symgluon.passes.manager import graph_pass
from symgluon.passes.rewrite import leave, producer, replace_values


def _stopped(node: Node) -> Value | None:
    return node.inputs[0] if node.op.name == "stop_gradient" else None


@graph_pass("drop_stop_gradient")
def drop_stop_gradient(graph: Graph) -> int:
    """Drop cuts of the gradient where no gradient is taken any more."""
    return replace_values(graph, _stopped)


def _amp(node: Node) -> Value | None:
    """A float that is cast to another float and back is the float it was."""
    inner = producer(node.inputs[0], "cast") if node.op.name == "cast" else None
    source = inner.inputs[0] if inner is not None else None
    if inner is None or source is None:
        return None
    kinds = (source.dtype, inner.output.dtype, node.output.dtype)
    shown = " to ".join([dtypes.name(t) for t in kinds])
    if not all(dtypes.is_float(t) for t in kinds):
        return leave(node, f"a cast from {shown} is no cast of mixed precision")
    if source.dtype != node.output.dtype:
        return leave(node, f"a cast from {shown} does not go back")
    return source


@graph_pass("remove_amp_cast")
def remove_amp_cast(graph: Graph) -> int:
    """Drop pairs of casts that go to another float and back, as mixed precision inserts them."""
    return replace_values(graph, _amp)
