"""Pure nodes of constants are computed now, by the interpreter's own kernels.

Given    %s = reshape[shape=(1, 3)](#c)   %y = add(%x, %s)
Result   %y = add(%x, #s)

A result that is larger than its operands is only folded up to a cap: files must not grow.  A
dimension that is a number by now (`dim_value`) is a constant too.
"""

from __future__ import annotations

import numpy as np

from symgluon.errors import SymgluonError
from symgluon.ir.attrs import has_dims
from symgluon.ir.graph import Graph, Node, bodies
from symgluon.passes.manager import count, explain, graph_pass
from symgluon.passes.rewrite import is_pure

#: elements up to which a result may be larger than what it is made of
CAP = 4096


def _candidate(node: Node) -> bool:
    return all(v is None or v.kind == "constant" for v in node.inputs)


def _reason(node: Node) -> str | None:
    """Return why a node of constants is left alone, or None."""
    if not is_pure(node.op):
        return f"{node.op.name} has effects: each call counts"
    if bodies(node.op):
        return "it holds a body: inline_calls comes first"
    if not all(v.type.is_static for v in node.outputs):
        return "the size of its result is not a number"
    if any(has_dims(a) for a in node.op.attrs().values()):
        return "its attributes hold a named dimension"
    size = sum([int(v.type.size) for v in node.outputs])
    given = sum([int(v.type.size) for v in node.inputs if v is not None])
    if size > max(given, CAP):
        return f"its result has {size} elements, more than its operands and than {CAP}"
    return None


def _compute(node: Node) -> list[np.ndarray]:
    arrays = [None if v is None else v.data for v in node.inputs]
    with np.errstate(all="ignore"):
        found = type(node.op).kernel(node.op, *arrays)
    results = found if isinstance(found, tuple | list) else (found,)
    copies = []
    for value, result in zip(node.outputs, results, strict=True):
        array = np.array(result, value.dtype, order="C")  # a copy: kernels may return views
        array.flags.writeable = False
        copies.append(array)
    return copies


@graph_pass("fold_constants", needs=("lift_random",))
def fold_constants(graph: Graph) -> int:
    """Compute nodes whose operands are constants."""
    folded = 0
    for node in graph.nodes:
        if not _candidate(node):
            continue
        reason = _reason(node)
        if reason is None:
            try:
                arrays = _compute(node)
            except (SymgluonError, ValueError, ArithmeticError) as error:
                reason = f"its kernel refuses: {error}"
        if reason is not None:
            explain(f"%{node.output.name}: {reason}")
            continue
        for value, array in zip(node.outputs, arrays, strict=True):
            graph.replace_all_uses(value, graph.add_constant(array, value.name))
        graph.remove(node)
        count(node.op.name)
        folded += 1
    return folded
