"""Cutting a graph into groups that a backend supports and groups that the interpreter runs.

A node's level is the number of changes of hands on the longest way to it; nodes of one level form a
group, so every group is convex and the groups run in the order of their levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Node, Value


class Part(NamedTuple):
    """A group of nodes as a graph of its own."""

    graph: Graph
    supported: bool
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def partition(graph: Graph, supports: Callable[[Node], bool]) -> list[Part]:
    """Cut `graph` into parts, in the order they run."""
    levels: dict[Node, int] = {}
    groups: dict[int, list[Node]] = {}
    for node in graph.nodes:
        parity = 0 if supports(node) else 1
        level = 0
        for value in node.inputs:
            if value is not None and value.producer is not None:
                level = max(level, levels[value.producer])
        if level % 2 != parity:
            level += 1
        levels[node] = level
        groups.setdefault(level, []).append(node)
    sources = _sources(graph)
    outputs = set(graph.outputs)
    return [
        _part(graph, groups[level], level % 2 == 0, sources, outputs) for level in sorted(groups)
    ]


def _sources(graph: Graph) -> dict[str, Value]:
    """Operand that defines each named dimension."""
    found: dict[str, Value] = {}
    for value in graph.operands():
        for n in value.type.shape or ():
            if isinstance(n, Dim) and n.bare is not None:
                found.setdefault(n.bare, value)
    return found


def _part(
    graph: Graph,
    nodes: Sequence[Node],
    supported: bool,
    sources: dict[str, Value],
    outputs: set[Value],
) -> Part:
    inside = set(nodes)
    part = Graph(graph.name)
    env: dict[Value, Value] = {}
    inputs: list[Value] = []

    def take(value: Value) -> Value:
        if value not in env:
            data = value.data
            if data is not None:
                env[value] = part.add_constant(data, value.name)
            else:
                env[value] = part.add_input(value.name, value.type)
                inputs.append(value)
        return env[value]

    for node in nodes:
        operands = [None if v is None else take(v) for v in node.inputs]
        copy = part.add(
            node.op,
            operands,
            [v.type for v in node.outputs],
            name=node.outputs[0].name,
            origin=node.origin,
        )
        env.update(zip(node.outputs, copy.outputs, strict=True))
    for name in sorted(_names(nodes) - _bare(inputs)):
        if name in sources:
            take(sources[name])
    results = [
        v
        for node in nodes
        for v in node.outputs
        if v in outputs or any(user not in inside for user, _ in v.uses)
    ]
    part.set_outputs([env[v] for v in results])
    return Part(part, supported, tuple(inputs), tuple(results))


def _names(nodes: Sequence[Node]) -> set[str]:
    """Dimension names that the nodes need to know."""
    found: set[str] = set()

    def note(dim: Any) -> Any:
        found.update(dim.names())
        return dim

    for node in nodes:
        node.op.map_dims(note)
        for value in node.outputs:
            for n in value.type.shape or ():
                if isinstance(n, Dim):
                    found.update(n.names())
    return found


def _bare(values: Sequence[Value]) -> set[str]:
    return {
        n.bare
        for v in values
        for n in v.type.shape or ()
        if isinstance(n, Dim) and n.bare is not None
    }


class Partitioned:
    """Parts run one after the other."""

    def __init__(self, graph: Graph, parts: Sequence[Part], compile_part: Callable[[Part], Any]):
        slots: dict[Value, int] = {v: i for i, v in enumerate(graph.operands())}
        for value in graph.constants:
            slots[value] = len(slots)
        self.constants = [(slots[v], a) for v, a in graph.constants.items()]
        self.steps = []
        for part in parts:
            for value in part.outputs:
                slots[value] = len(slots)
            self.steps.append(
                (
                    compile_part(part),
                    tuple(slots[v] for v in part.inputs),
                    tuple(slots[v] for v in part.outputs),
                )
            )
        self.size = len(slots)
        self.outputs = tuple(slots[v] for v in graph.outputs)

    def __call__(self, *arrays: Any) -> tuple[Any, ...]:
        """Run the parts on arrays in operand order."""
        values: list[Any] = [None] * self.size
        values[: len(arrays)] = arrays
        for slot, array in self.constants:
            values[slot] = array
        for run, inputs, outputs in self.steps:
            for slot, array in zip(outputs, run(*[values[i] for i in inputs]), strict=True):
                values[slot] = array
        return tuple([values[s] for s in self.outputs])
