"""Nodes whose results nobody reads are dropped, and unused constants.

Given    %a = exp(%x)   %b = tanh(%x)   output %b
Result   %b = tanh(%x)                  output %b

Written cells are outputs, so nothing that is still wanted goes.  Inputs and parameters stay: they
are the signature.  A draw that is still a node stays too: it advances the random stream.  ONNX
Runtime executes nodes that nobody reads, so this runs before it.
"""

from __future__ import annotations

from symgluon.ir.graph import Graph
from symgluon.passes.manager import graph_pass
from symgluon.passes.rewrite import is_pure


@graph_pass("eliminate_dead", needs=("lift_random",))
def eliminate_dead(graph: Graph) -> int:
    """Drop nodes without a live use, and constants without a use."""
    outputs = set(graph.outputs)
    count = 0
    for node in reversed(graph.nodes):
        if any(v.uses or v in outputs for v in node.outputs) or not is_pure(node.op):
            continue
        graph.remove(node)
        count += 1
    unused = [v for v in graph.constants if not v.uses and v not in outputs]
    graph.drop_constants(unused)
    return count + len(unused)
