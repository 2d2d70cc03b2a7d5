"""Random draws become inputs of the graph.

Given    %u = random_uniform[shape=(batch, 4)]()     %y = multiply(%x, %u)
Result   input %u: float32[batch,4]                  %y = multiply(%x, %u)

The caller draws them in node order, as eager code does, so one seed gives one result; a draw that
nobody reads is drawn all the same.  A draw whose parameters are computed stays a node, and so do
the draws after it: the backend runs them in order.  A body that draws is copied and lifted once;
each call of it gets fresh inputs.
"""

from __future__ import annotations

from typing import Any

from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.ir.op import RANDOM, Op
from symgluon.ir.printer import all_bodies
from symgluon.ops.replay import substitution, unify
from symgluon.passes.manager import count, explain, explaining, graph_pass
from symgluon.passes.rewrite import is_pure


def _liftable(op: Op, lifted: dict[int, Graph | None]) -> bool:
    """Whether all draws of an operator can be made before the graph runs."""
    if RANDOM in op.effects:
        return not op.operands()
    return op.name == "call" and lifted[id(bodies(op)[0])] is not None


def _prefix(graph: Graph, lifted: dict[int, Graph | None]) -> tuple[list[Node], bool]:
    """Nodes that draw, up to the first that cannot be lifted; whether those are all."""
    found: list[Node] = []
    for node in graph.nodes:
        if is_pure(node.op):
            continue
        if not _liftable(node.op, lifted):
            return found, False
        found.append(node)
    return found, True


def _lift(graph: Graph, nodes: list[Node], lifted: dict[int, Graph | None]) -> int:
    """Turn the draws of `nodes` into inputs of `graph`; returns how many there are."""
    before = len(graph.draws)
    for node in nodes:
        if node.op.name == "call":
            _lift_call(graph, node, lifted)
            continue
        count(node.op.name)
        for value in node.outputs:
            drawn = graph.add_input(value.name, value.type)
            graph.draws.append((drawn, node.op))
            graph.replace_all_uses(value, drawn)
        graph.remove(node)
    return len(graph.draws) - before


def _lift_call(graph: Graph, node: Node, lifted: dict[int, Graph | None]) -> None:
    old = bodies(node.op)[0]
    body = lifted[id(old)]
    if body is None:
        return
    formal = [v.type.shape for v in old.operands()]
    bind = substitution(unify(formal, [None if v is None else v.type.shape for v in node.inputs]))
    operands: list[Value | None] = list(node.inputs)
    for value, op in body.draws:
        shape = value.type.known_shape
        shown = shape if bind is None else [bind(n) if _is_dim(n) else n for n in shape]
        drawn = graph.add_input(value.name, value.type.with_shape(shown))
        graph.draws.append((drawn, op if bind is None else op.map_dims(bind)))
        operands.append(drawn)
    new = graph.add(
        node.op.replace(body=body),
        operands,
        [v.type for v in node.outputs],
        name=node.output.name,
        origin=node.origin,
        before=node,
    )
    for a, b in zip(node.outputs, new.outputs, strict=True):
        graph.replace_all_uses(a, b)
    graph.remove(node)


def _is_dim(n: Any) -> bool:
    return not isinstance(n, int) and n is not None


def _lifted_bodies(graph: Graph) -> dict[int, Graph | None]:
    """Bodies that draw, by id, as copies without a draw; None where that is not possible."""
    lifted: dict[int, Graph | None] = {}
    for body in all_bodies(graph):
        nodes, complete = _prefix(body, lifted)
        if not complete or body.params:
            lifted[id(body)] = None
        elif nodes:
            copy = body.copy()
            _lift(copy, _prefix(copy, lifted)[0], lifted)
            lifted[id(body)] = copy
        else:
            lifted[id(body)] = body
    return lifted


@graph_pass("lift_random")
def lift_random(graph: Graph) -> int:
    """Turn random draws into inputs, in node order."""
    if all(is_pure(node.op) for node in graph.nodes):
        return 0
    lifted = _lifted_bodies(graph)
    nodes, complete = _prefix(graph, lifted)
    if not complete and explaining():
        _explain_rest(graph, nodes)
    return _lift(graph, nodes, lifted)


def _explain_rest(graph: Graph, lifted: list[Node]) -> None:
    """Say why the draws after the first that cannot be lifted stay nodes."""
    drawn = set(lifted)
    rest = [n for n in graph.nodes if not is_pure(n.op) and n not in drawn]
    for node in rest[:1]:
        computed = bool(node.op.operands())
        why = "its parameters are computed" if computed else f"{node.op.name} draws in a body"
        explain(f"%{node.output.name}: {why}, so the backend draws it")
    for node in rest[1:]:
        explain(f"%{node.output.name}: drawn after %{rest[0].output.name}, which stays a node")
