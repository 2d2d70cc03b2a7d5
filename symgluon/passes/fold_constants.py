"""Pure nodes of constants are computed now, by the interpreter's own kernels.

Given    %s = reshape[shape=(1, 3)](const)   %y = add(%x, %s)
Result   %y = add(%x, const')

A result that is larger than its operands is only folded up to a cap: files must not grow.
"""

from __future__ import annotations

import numpy as np

from symgluon.ir.attrs import has_dims
from symgluon.ir.graph import Graph, Node, bodies
from symgluon.passes.manager import graph_pass

#: elements up to which a result may be larger than what it is made of
_CAP = 4096


def _may_fold(node: Node) -> bool:
    if node.op.effects or bodies(node.op):
        return False
    if any(v is not None and v.kind != "constant" for v in node.inputs):
        return False
    if any(not v.type.is_static for v in node.outputs):
        return False
    if any(has_dims(a) for a in node.op.attrs().values()):
        return False
    size = sum(int(v.type.size) for v in node.outputs)
    given = sum(int(v.type.size) for v in node.inputs if v is not None)
    return size <= max(given, _CAP)


@graph_pass("fold_constants")
def fold_constants(graph: Graph) -> int:
    """Compute nodes whose operands are constants."""
    count = 0
    for node in graph.nodes:
        if not _may_fold(node):
            continue
        arrays = [None if v is None else v.data for v in node.inputs]
        with np.errstate(all="ignore"):
            result = type(node.op).kernel(node.op, *arrays)
        results = result if isinstance(result, tuple | list) else (result,)
        for value, array in zip(node.outputs, results, strict=True):
            constant = graph.add_constant(np.array(array), value.name)
            graph.replace_all_uses(value, constant)
        graph.remove(node)
        count += 1
    return count
