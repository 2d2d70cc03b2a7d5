"""Einstein sums that are products of two batches of matrices become those.

Given    %y = einsum["bhid,bhjd->bhij"](%q, %k)
Result   %y = batch_dot[transpose_b=True](%q, %k)

The letters of the batch stand first, in one order, in both operands and in the result.
"""

from __future__ import annotations

from symgluon.ir.graph import Node, Value
from symgluon.ir.op import OPS
from symgluon.ir.types import same_shape
from symgluon.passes.rewrite import Edit


def as_product(edit: Edit, node: Node) -> Value | None:
    """Rule: a sum over one letter of two operands with a common batch."""
    a, b = (*node.inputs, None, None)[:2]
    if len(node.inputs) != 2 or a is None or b is None:
        return None
    equation = node.op.equation([a.type, b.type])  # type: ignore[attr-defined]
    (x, y), out = equation.inputs, equation.output
    rank = len(out)
    if (
        rank < 3
        or len(x) != rank
        or len(y) != rank
        or any(len(set(t)) < rank for t in (x, y, out))
    ):
        return None
    batch = out[:-2]
    if x[:-2] != batch or y[:-2] != batch:
        return None
    shapes = [v.type.known_shape[:-2] for v in (a, b)]
    if not same_shape(*shapes):
        return None  # a size of 1 may be spread over the batch
    for (p, left), (q, right) in (((a, x), (b, y)), ((b, y), (a, x))):
        row, column = out[-2], out[-1]
        inner = set(left[-2:]) - {row}
        if len(inner) != 1 or inner != set(right[-2:]) - {column} or column in left:
            continue
        op = OPS["batch_dot"](transpose_a=left[-1] == row, transpose_b=right[-1] in inner)
        return edit.put(op, [p, q], node)
    return None
