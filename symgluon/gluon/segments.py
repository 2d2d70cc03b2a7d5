"""Compiled graphs cut at the operators that wait for other devices.

A compiled graph runs to its end; one that exchanges data between logical devices cannot, since the
other devices are called later.  So it is cut there: each segment is a graph of its own, and the
exchanges between them are eager calls, whose results may still be to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import COLLECTIVE
from symgluon.ops.apply import apply
from symgluon.ops.call import GraphOp, extract
from symgluon.ops.state import state


class Step(NamedTuple):
    """A segment, or an exchange: what it reads and makes are numbers of places."""

    op: Any
    reads: list[int]
    makes: list[int]
    exchange: bool


def _waits(node: Node) -> bool:
    return COLLECTIVE in node.op.effects and getattr(node.op, "devices", 1) > 1


def needs_cut(graph: Graph) -> bool:
    """Whether the graph exchanges data between logical devices."""
    return any(_waits(node) for node in graph.nodes)


class Segments:
    """The steps of a graph, in order.

    Parameters
    ----------
    graph : Graph
        Flat; it is not changed.
    options : object
        What the compiler is told about each segment.
    """

    def __init__(self, graph: Graph, options: Any) -> None:
        self._places: dict[Value, int] = {v: i for i, v in enumerate(graph.operands())}
        level = _levels(graph)
        exchanges: dict[int, list[Node]] = {}
        for node in filter(_waits, graph.nodes):
            before = max((level[v] for v in node.inputs if v is not None), default=0)
            exchanges.setdefault(before, []).append(node)
        depth = max(exchanges) + 1
        wanted: list[dict[Value, None]] = [{} for _ in range(depth + 1)]

        def want(values: Iterable[Value | None]) -> None:
            for value in values:
                if value is not None and value.producer and not _waits(value.producer):
                    wanted[level[value]][value] = None

        want(graph.outputs)
        for nodes in exchanges.values():
            for node in nodes:
                want(node.inputs)
        steps: list[Step] = []
        for number in range(depth, -1, -1):  # what a segment reads, earlier ones have to make
            found = [self._exchange(node) for node in exchanges.get(number, ())]
            if wanted[number]:
                segment, reads = _segment(graph, list(wanted[number]), number, level)
                want(reads)
                makes = [self._place(v) for v in wanted[number]]
                op = GraphOp(segment, options)
                found.insert(0, Step(op, [self._place(v) for v in reads], makes, False))
            steps = found + steps
        self.steps = steps
        self.outputs = [self._output(v) for v in graph.outputs]

    def _place(self, value: Value) -> int:
        return self._places.setdefault(value, len(self._places))

    def _exchange(self, node: Node) -> Step:
        reads = [self._place(v) for v in node.inputs if v is not None]
        return Step(node.op, reads, [self._place(v) for v in node.outputs], True)

    def _output(self, value: Value) -> int | Any:
        """Place of a result; a constant itself."""
        return value.data if value.data is not None else self._place(value)

    def __call__(self, operands: Sequence[Any], rank: int) -> list[Any]:
        """Run the graph as the device `rank` calls it; results may still be to come."""
        known: dict[int, Any] = dict(enumerate(operands))
        for step in self.steps:
            given = [known[i] for i in step.reads]
            op = step.op.at(rank) if step.exchange else in_mode(step.op, given)
            results = apply(op, *given)
            results = results if isinstance(results, tuple) else (results,)
            known.update(zip(step.makes, results, strict=False))
        return [known[o] if isinstance(o, int) else o for o in self.outputs]


def in_mode(op: GraphOp, operands: Sequence[Any]) -> GraphOp:
    """Return `op`, or its form that saves what the gradient reads where one will be asked."""
    if state.recording:
        wanted = tuple([o._node is not None for o in operands])
        if any(wanted):
            return op.training_form(operands, wanted)
    return op


def _levels(graph: Graph) -> dict[Value, int]:
    """How many exchanges, one after the other, come before each value."""
    level: dict[Value, int] = dict.fromkeys(graph.operands(), 0)
    for node in graph.nodes:
        before = max((level.get(v, 0) for v in node.inputs if v is not None), default=0)
        for value in node.outputs:
            level[value] = before + _waits(node)
        for operand in node.inputs:
            if operand is not None:
                level.setdefault(operand, 0)  # a constant
    return level


def _segment(
    graph: Graph, wanted: Sequence[Value], number: int, level: dict[Value, int]
) -> tuple[Graph, list[Value]]:
    """Copy what computes `wanted` from operands and from values of earlier segments."""
    available: dict[Value, tuple[str, int]] = {}
    order: list[Value] = []
    candidates = [*graph.operands(), *[v for node in graph.nodes for v in node.outputs]]
    for value in candidates:
        early = level[value] < number
        if value.producer is None or _waits(value.producer) or early:
            available[value] = ("value", len(order))
            order.append(value)
    defining = [("value", available[v][1], v) for v in graph.operands()]
    found, used = extract(graph, available, defining, outputs=wanted)
    found.name = f"{graph.name}_{number}"
    return found, [order[i] for _, i in used]
