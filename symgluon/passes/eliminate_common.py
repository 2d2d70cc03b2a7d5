"""Equal nodes are computed once.

Given    %a = exp(%x)   %b = exp(%x)   %c = add(%a, %y)   %d = add(%y, %b)
Result   %a = exp(%x)                  %c = add(%a, %y)   %d is %c

Pure nodes only: two draws are two draws.  Two outputs of the graph stay two values.
"""

from __future__ import annotations

from typing import Any

from symgluon.ir.graph import Graph, Node
from symgluon.passes.manager import count, graph_pass
from symgluon.passes.rewrite import COMMUTATIVE, is_pure, leave


def _key(node: Node) -> tuple[Any, ...]:
    """The key of a node; operands of a commutative operator in a fixed order."""
    key = node.key()
    return (key[0], *sorted(key[1:])) if node.op.name in COMMUTATIVE else key


def _same_types(a: Node, b: Node) -> bool:
    """Sizes that depend on data have a name of their own at each node."""
    return all(x.type == y.type for x, y in zip(a.outputs, b.outputs, strict=True))


def _reason(first: Node, node: Node) -> str | None:
    """Return why two nodes of one key stay two, or None."""
    if not is_pure(node.op):
        return "it has effects: each call counts"
    if not _same_types(first, node):
        return "the size of the result depends on data and has a name of its own"
    return None


@graph_pass("eliminate_common", needs=("lift_random",))
def eliminate_common(graph: Graph) -> int:
    """Merge pure nodes with equal operator and operands."""
    seen: dict[Any, Node] = {}
    outputs = set(graph.outputs)
    merged = 0
    for node in graph.nodes:
        first = seen.setdefault(_key(node), node)
        if first is node:
            continue
        shown = [v for v in node.outputs if v in outputs]
        reason = _reason(first, node)
        if reason is None and shown and any(v in outputs for v in first.outputs):
            reason = "both are outputs, and two outputs stay two values"
        if reason is not None:
            leave(node, f"equal to %{first.output.name}, but {reason}")
            continue
        for old, new in zip(node.outputs, first.outputs, strict=True):
            graph.replace_all_uses(old, new)
            if old in shown:
                new.name, old.name = old.name, new.name
                outputs.add(new)
        first.origin = tuple(dict.fromkeys((*first.origin, *node.origin)))
        graph.remove(node)
        count(node.op.name)
        merged += 1
    return merged
