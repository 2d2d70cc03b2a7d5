"""A sum and its layer normalisation become one operator.

Given    %s = add(%x, %skip)   %y = layer_norm(%s, %gamma, %beta)
Result   %y = skip_layer_norm(%x, %skip, %gamma, %beta)

For the interpreter only, which so writes over the sum, unless that is read elsewhere; ONNX
Runtime's own fusion of the two is slower than what it replaces.
"""

from __future__ import annotations

from symgluon.ir.graph import Graph, Node
from symgluon.ops.skip_norm import SkipLayerNorm
from symgluon.passes.manager import count, graph_pass
from symgluon.passes.rewrite import Edit, leave, producer


@graph_pass("fuse_skip_norm", needs=("fuse_patterns",))
def fuse_skip_norm(graph: Graph) -> int:
    """Recognise layer normalisations of sums."""
    edit = Edit(graph)
    for node in graph.nodes:
        if node.op.name == "layer_norm":
            total = producer(node.inputs[0], "add")
            if total is None:
                leave(node, "its operand is no sum")
            elif _fits(edit, node, total):
                op = SkipLayerNorm(**node.op.attrs())
                value = edit.put(op, [*total.inputs, *node.inputs[1:]], node, total)
                edit.take_place(node, value)
                edit.graph.remove(total)
                count("skip_layer_norm")
    return edit.count


def _fits(edit: Edit, node: Node, total: Node) -> bool:
    """Whether the two may become one."""
    if not edit.single_use(total.output):
        leave(node, f"the sum %{total.output.name} is read elsewhere")
        return False
    if any(v is None or v.type != total.output.type for v in total.inputs):
        leave(node, f"the sum %{total.output.name} broadcasts")
        return False
    return True
