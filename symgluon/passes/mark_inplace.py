"""Results that can be written over an operand are marked.

Given    %a = dense(%x, @w, @b)   %y = relu(%a)          (nobody else reads %a)
Result   graph.inplace = {%y: %a}

By `Op.inplace`, at the last use of the operand and of all views of its buffer.  Never over a graph
input, parameter, constant or output, nor over a view (one that broadcasts is smaller than it
looks), and never while another operand of the node lies there too.
"""

from __future__ import annotations

from collections.abc import Callable

from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.types import same_shape
from symgluon.passes.liveness import FOREVER, Classes
from symgluon.passes.manager import count, explain, explaining, graph_pass


def _fits(value: Value, operand: Value) -> bool:
    if value.dtype != operand.dtype or not (value.type.is_known and operand.type.is_known):
        return False
    return same_shape(value.type.known_shape, operand.type.known_shape)


def _target(found: Classes, i: int, node: Node, pair: tuple[int, int]) -> Value | str | None:
    """Return the operand that result ``pair[0]`` of node number `i` may be written over.

    A text is the reason why there is none; None: the node has no such operand or result.
    """
    out, slot = pair
    operand = node.inputs[slot] if slot < len(node.inputs) else None
    if operand is None or out >= len(node.outputs):
        return None
    if not _fits(node.outputs[out], operand):
        return "is of another type or shape"
    root = found.root[operand]
    if root not in found.owned:
        return f"lies in an array of the caller (a {root.kind})"
    if operand not in found.dense:
        return "is a view that does not fill its buffer"
    last = found.last_use(operand)
    if last != i:
        return "is an output" if last == FOREVER else "is read later, it or a view of its buffer"
    slots = [s for s, v in enumerate(node.inputs) if v is operand]
    if not all((out, s) in node.op.inplace for s in slots):
        return "is also an operand that may not be written over"
    others = [v for v in node.inputs if v is not None and v is not operand]
    shared = any(found.root[v] is root for v in others)
    return "shares its buffer with another operand" if shared else operand


def _explain(node: Node, pair: tuple[int, int], reason: str) -> None:
    operand = node.inputs[pair[1]]
    if explaining() and operand is not None:
        explain(f"%{node.outputs[pair[0]].name}: not over %{operand.name}, which {reason}")


@graph_pass("mark_inplace", needs=("eliminate_dead",), keeps=("inplace",))
def mark_inplace(graph: Graph) -> int:
    """Mark results that take the buffer of an operand at its last use."""
    return mark(graph, count, _explain)


def _nothing(*said: object) -> None:
    """Say nothing: for bodies, where nobody asks."""


def mark(
    graph: Graph,
    counted: Callable[[str], None] = _nothing,
    left: Callable[[Node, tuple[int, int], str], None] = _nothing,
) -> int:
    """Mark a graph; `counted` is told the operators, `left` the operands that are left alone."""
    found = Classes(graph)
    marks: dict[Value, Value] = {}
    for i, node in enumerate(found.nodes):
        if not node.op.aliases:
            taken: set[Value] = set()
            for pair in node.op.inplace:
                operand = _target(found, i, node, pair)
                if isinstance(operand, str):
                    left(node, pair, operand)
                    continue
                value = node.outputs[pair[0]] if operand is not None else None
                if operand is None or value is None or value in marks:
                    continue
                if found.root[operand] not in taken:
                    marks[value] = operand
                    taken.add(found.root[operand])
                    counted(node.op.name)
        found.step(i, node, marks)
    changed = marks != graph.inplace
    graph.inplace = marks
    return len(marks) if changed else 0
