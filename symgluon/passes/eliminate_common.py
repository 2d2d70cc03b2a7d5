"""Equal nodes are computed once.

Given    %a = exp(%x)   %b = exp(%x)   %c = add(%a, %b)
Result   %a = exp(%x)                  %c = add(%a, %a)
"""

from __future__ import annotations

from typing import Any

from symgluon.ir.graph import Graph, Node
from symgluon.passes.manager import graph_pass


@graph_pass("eliminate_common")
def eliminate_common(graph: Graph) -> int:
    """Merge pure nodes with equal operator and operands."""
    seen: dict[Any, Node] = {}
    outputs = set(graph.outputs)
    count = 0
    for node in graph.nodes:
        if node.op.effects:
            continue
        first = seen.setdefault(node.key(), node)
        if first is node:
            continue
        if any(v in outputs for v in node.outputs) and any(v in outputs for v in first.outputs):
            continue  # two outputs stay two values
        for old, new in zip(node.outputs, first.outputs, strict=True):
            graph.replace_all_uses(old, new)
        graph.remove(node)
        outputs = set(graph.outputs)
        count += 1
    return count
