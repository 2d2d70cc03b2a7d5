"""Random draws become inputs of the graph.

Given    %u = random_uniform[shape=(batch, 4)]()     %y = multiply(%x, %u)
Result   input %u: float32[batch,4]                  %y = multiply(%x, %u)

The caller draws them in node order, as eager code does, so one seed gives one result.  Draws whose
parameters are computed stay where they are: the backend runs them in order.
"""

from __future__ import annotations

from symgluon.ir.graph import Graph
from symgluon.ir.op import RANDOM
from symgluon.passes.manager import graph_pass


@graph_pass("lift_random")
def lift_random(graph: Graph) -> int:
    """Turn random draws without operands into inputs, in node order."""
    count = 0
    for node in graph.nodes:
        if RANDOM not in node.op.effects or node.inputs:
            continue
        for value in node.outputs:
            drawn = graph.add_input(value.name, value.type)
            graph.draws.append((drawn, node.op))
            graph.replace_all_uses(value, drawn)
        graph.remove(node)
        count += 1
    return count
