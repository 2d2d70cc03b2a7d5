"""Bodies of calls that stay are cleaned up like the graph around them, each once.

Given    %y = call[@Block](%x)     Block: %a = identity(%x)   %b = exp(%a)   %c = exp(%a)   ...
Result   %y = call[@Block](%x)     Block: %b = exp(%x)   ...

Bodies are shared between calls and with other graphs, so they are copied; operands and results
stay as they are, and so do draws: a body may only be rewritten where it is pure.  Fused chains are
final: their results go over operands, which a body that became simpler might return.
"""

from __future__ import annotations

from symgluon.ir.graph import Graph
from symgluon.ir.printer import all_bodies
from symgluon.passes.manager import count, explain, explaining, graph_pass, run_pipeline
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
        if node.op.name == "fused":
            continue
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
        report = run_pipeline(copy, _PASSES, explain=explaining())
        changed += report.changed
        for reason in report.reasons:
            explain(f"body {body.name}: {reason}")
        for name, kinds in report.kinds().items():
            for kind, number in kinds.items():
                count(f"{name}: {kind}", number)
        if changed:
            cleaned[id(body)] = copy
    return _rebind(graph, cleaned)
