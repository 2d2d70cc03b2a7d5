"""Rewriting: helpers of the passes, and rules with pattern, check and replacement.

A pattern is a plain function of operators, traced at the candidate's types (so constants such as
``1 / C`` come out right) and matched backwards from the candidate, commutative operators in either
order.  `Rule.check` returns None, or the reason for leaving the candidate alone.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.ir.op import Op

COMMUTATIVE = frozenset(
    (
        "add", "multiply", "maximum", "minimum", "fmax", "fmin", "equal", "not_equal",
        "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor",
        "gcd", "lcm", "hypot", "logaddexp",
    )
)  # fmt: skip


# ---- reading -----------------------------------------------------------------------------------
def producer(value: Value | None, *names: str) -> Node | None:
    """Return the node that makes `value` if its operator has one of the `names`."""
    node = value.producer if value is not None else None
    return node if node is not None and node.op.name in names else None


_pure: WeakKeyDictionary[Graph, bool] = WeakKeyDictionary()


def is_pure(op: Op) -> bool:
    """Whether an operator, bodies included, has no effects: it may be dropped, merged, folded."""
    if op.effects:
        return False
    return all(_body_is_pure(body) for body in bodies(op))


def _body_is_pure(body: Graph) -> bool:
    found = _pure.get(body)
    if found is None:
        stack, seen = [body], {body}
        found = True
        while stack and found:
            for node in stack.pop().nodes:
                found = found and not node.op.effects
                inner = [b for b in bodies(node.op) if b not in seen]
                seen.update(inner)
                stack += inner
        _pure[body] = found
    return found


def single_use(graph: Graph, value: Value) -> bool:
    """Whether one operand of one node reads `value`, and nobody else."""
    return len(value.uses) == 1 and not any(value is out for out in graph.outputs)


def scalar(value: Value | None) -> float | int | None:
    """Return the number of a constant of one element."""
    data = value.data if value is not None else None
    if data is None or data.size != 1 or data.dtype.kind not in "fiuV":
        return None
    return data.reshape(-1)[0].item() if data.dtype.kind != "V" else float(data.reshape(-1)[0])


# ---- writing -----------------------------------------------------------------------------------
def take_place(graph: Graph, node: Node, value: Value) -> None:
    """Let `value` stand for the one result of `node`, which goes away."""
    graph.replace_all_uses(node.output, value)
    graph.remove(node)


def replace_values(graph: Graph, rule: Callable[[Node], Value | None]) -> int:
    """Replace the result of each node by the value that `rule` gives for it; returns how many."""
    count = 0
    for node in graph.nodes:
        new = rule(node)
        if new is not None:
            take_place(graph, node, new)
            count += 1
    return count


def put(graph: Graph, op: Op, inputs: list[Value | None], node: Node, *others: Node) -> Value:
    """Add `op` in the place of `node` (one result of its type), with the origins of all replaced."""
    origin = tuple(dict.fromkeys(o for n in (*others, node) for o in n.origin))
    new = graph.add(
        op, inputs, node.output.type, name=node.output.name, origin=origin, before=node
    )
    return new.output
