"""Bodies of calls that stay are cleaned up like the graph around them, each once.

Given    %y = call[@Block](%x)     Block: %a = identity(%x)   %b = exp(%a)   %c = exp(%a)   ...
Result   %y = call[@Block](%x)     Block: %b = exp(%x)   ...

Bodies are shared between calls and with other graphs, so they are copied; operands and results
stay as they are, and so do draws: a body may only be rewritten where it is pure.
"""

from __future__ import annotations

from symgluon.ir.graph import Graph
from symgluon.ir.printer import all_bodies
from symgluon.passes.manager import graph_pass, run_pipeline
from symgluon.passes.rewrite import with_bodies

_PASSES = (
    "drop_stop_gradient",
    "eliminate_dead",
    "fold_constants",
    "simplify_algebra",
    "simplify_shape",
    "eliminate_common",
    "fold_batch_norm",
    "fuse_patterns",
    "eliminate_dead",
)


def _rebind(graph: Graph, cleaned: dict[int, Graph]) -> int:
    """Let the nodes of `graph` hold the cleaned bodies; returns how many changed."""
    count = 0
    for node in graph.nodes:
        op = with_bodies(node.op, cleaned)
        count += op is not node.op
        node.op = op
    return count


@graph_pass("clean_bodies", needs=("inline_calls",))
def clean_bodies(graph: Graph) -> int:
    """Run the simplifying passes on the bodies of calls, loops and branches."""
    cleaned: dict[int, Graph] = {}
    for body in all_bodies(graph):
        copy = body.copy()
        changed = _rebind(copy, cleaned)
        changed += run_pipeline(copy, _PASSES).changed
        if changed:
            cleaned[id(body)] = copy
    return _rebind(graph, cleaned)
