"""Cutting a graph into groups that a backend supports and groups that the interpreter runs.

A node's level is the number of changes of hands on the longest way to it; nodes of one level form a
group, so every group is convex and the groups run in the order of their levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from symgluon.backends.support import bare_names, dimension_names
from symgluon.ir.attrs import has_dims
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Node, Value, bodies


class Part(NamedTuple):
    """A group of nodes as a graph of its own."""

    graph: Graph
    supported: bool
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def partition(graph: Graph, supports: Callable[[Node], bool]) -> list[Part]:
    """Cut `graph` into parts, in the order they run."""
    sources = _sources(graph)
    levels: dict[Node, int] = {}
    groups: dict[int, list[Node]] = {}
    for node in graph.nodes:
        parity = 0 if supports(node) else 1
        level = 0
        for value in (*node.inputs, *_defining(node, sources)):
            if value is not None and value.producer is not None:
                level = max(level, levels.get(value.producer, 0))
        if level % 2 != parity:
            level += 1
        levels[node] = level
        groups.setdefault(level, []).append(node)
    outputs = set(graph.outputs) | _read_for_sizes(groups, levels, sources)
    return [
        _part(graph, groups[level], level % 2 == 0, sources, outputs) for level in sorted(groups)
    ]


def segments(graph: Graph, size: int) -> list[Part]:
    """Cut `graph` into parts of at most `size` nodes, in the order of its nodes."""
    sources = _sources(graph)
    nodes = list(graph.nodes)
    levels = {node: i // size for i, node in enumerate(nodes)}
    groups = {i // size: nodes[i : i + size] for i in range(0, len(nodes), size)}
    outputs = set(graph.outputs) | _read_for_sizes(groups, levels, sources)
    return [_part(graph, group, True, sources, outputs) for group in groups.values()]


def _sources(graph: Graph) -> dict[str, Value]:
    """Value that defines each named dimension: an operand, or the result that data made so."""
    found: dict[str, Value] = {}
    for value in (*graph.operands(), *[v for node in graph.nodes for v in node.outputs]):
        for n in value.type.shape or ():
            if isinstance(n, Dim) and n.bare is not None:
                found.setdefault(n.bare, value)
    return found


def _defining(node: Node, sources: dict[str, Value]) -> list[Value]:
    """Results whose sizes an attribute of `node` names: they are made before it."""
    if not bodies(node.op) and not any(has_dims(a) for a in node.op.attrs().values()):
        return []
    names = dimension_names([node]) - bare_names([v.type for v in node.inputs if v is not None])
    found = [sources[n] for n in sorted(names) if n in sources]
    return [v for v in found if v.producer is not None and v.producer is not node]


def _read_for_sizes(
    groups: Mapping[int, Sequence[Node]], levels: Mapping[Node, int], sources: dict[str, Value]
) -> set[Value]:
    """Results that a later group reads for their sizes alone."""
    found: set[Value] = set()
    for level, nodes in groups.items():
        for value in _size_operands(nodes, sources):
            if value.producer is not None and levels[value.producer] < level:
                found.add(value)
    return found


def _size_operands(nodes: Sequence[Node], sources: dict[str, Value]) -> list[Value]:
    """Values that a group has to be given for the sizes it names."""
    inside = {v for node in nodes for v in node.outputs}
    given = [
        v for node in nodes for v in node.inputs
        if v is not None and v not in inside and v.data is None
    ]  # fmt: skip
    missing = dimension_names(nodes) - bare_names([v.type for v in given])
    found = [sources[name] for name in sorted(missing) if name in sources]
    return [v for v in dict.fromkeys(found) if v not in inside]


def _part(
    graph: Graph,
    nodes: Sequence[Node],
    supported: bool,
    sources: dict[str, Value],
    outputs: set[Value],
) -> Part:
    inside = set(nodes)
    part = Graph(graph.name)
    part.hints, part.scope = dict(graph.hints), graph.scope
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
    for value in _size_operands(nodes, sources):
        take(value)
    results = [
        v
        for node in nodes
        for v in node.outputs
        if v in outputs or any(user not in inside for user, _ in v.uses)
    ]
    part.set_outputs([env[v] for v in results])
    return Part(part, supported, tuple(inputs), tuple(results))


class Partitioned:
    """Parts run one after the other; a value is dropped after its last reader."""

    def __init__(self, graph: Graph, parts: Sequence[Part], compile_part: Callable[[Part], Any]):
        slots: dict[Value, int] = {v: i for i, v in enumerate(graph.operands())}
        for value in graph.constants:
            slots[value] = len(slots)
        first = len(slots)
        self.constants = [(slots[v], a) for v, a in graph.constants.items()]
        for part in parts:
            for value in part.outputs:
                slots[value] = len(slots)
        self.size = len(slots)
        self.outputs = tuple(slots[v] for v in graph.outputs)
        last = {slots[v]: i for i, part in enumerate(parts) for v in (*part.inputs, *part.outputs)}
        dead: list[list[int]] = [[] for _ in parts]
        keep = set(self.outputs)
        for slot, i in last.items():
            if slot >= first and slot not in keep:
                dead[i].append(slot)
        self.steps = [
            (
                compile_part(part),
                tuple(slots[v] for v in part.inputs),
                tuple(slots[v] for v in part.outputs),
                tuple(dead[i]),
            )
            for i, part in enumerate(parts)
        ]

    def __call__(self, *arrays: Any) -> tuple[Any, ...]:
        """Run the parts on arrays in operand order."""
        values: list[Any] = [None] * self.size
        values[: len(arrays)] = arrays
        for slot, array in self.constants:
            values[slot] = array
        for run, inputs, outputs, dead in self.steps:
            for slot, array in zip(outputs, run(*[values[i] for i in inputs]), strict=True):
                values[slot] = array
            for slot in dead:
                values[slot] = None
        return tuple([values[s] for s in self.outputs])


def compile_parts(
    graph: Graph, supports: Callable[[Node], bool], compile_part: Callable[[Graph], Any]
) -> Any:
    """Compile what is supported; the rest runs on the interpreter."""
    from symgluon.backends.numpy import Interpreter

    parts = partition(graph, supports)
    leaves = any(v.producer is None for v in graph.outputs)
    if len(parts) == 1 and parts[0].supported and not leaves:
        return compile_part(graph)
    return Partitioned(
        graph, parts, lambda p: compile_part(p.graph) if p.supported else Interpreter(p.graph)
    )


def compile_bulks(graph: Graph, size: int, compile_whole: Callable[[Graph], Any]) -> Any:
    """Compile a graph in segments of at most `size` nodes that run one after the other.

    Parameters
    ----------
    graph : Graph
        What is compiled.
    size : int
        Nodes a segment; 0: the graph stays whole.
    compile_whole : callable
        From a graph to its executable.
    """
    if not 0 < size < len(graph):
        return compile_whole(graph)
    return Partitioned(graph, segments(graph, size), lambda part: compile_whole(part.graph))
