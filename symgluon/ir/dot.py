"""Graphs in Graphviz's language, with a cluster a block.

::

    symgluon inspect net-symbol.json --dot net.dot        dot -Tsvg net.dot > net.svg
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from symgluon.ir.graph import Graph, Node, Value

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_MOST_LABEL = 160  # characters of a label: an operator that holds a table is not readable longer


def block_of(node: Node) -> str:
    """Return the block path that a node belongs to, ``""`` if nothing says.

    That of its origin; else that of a parameter it reads (``features.3.weight``); else what its
    name in an MXNet 1.x file says (``resnet0_stage1_conv0_fwd`` is in ``resnet0.stage1``).
    """
    for origin in node.origin:
        if origin.block:
            return origin.block
    for value in node.inputs:
        if value is not None and value.kind in ("param", "constant"):
            head, dot, _ = value.name.rpartition(".")
            if dot and head:
                return head
    return next(filter(None, (block_of_name(o.mx_name) for o in node.origin)), "")


def block_of_name(name: str) -> str:
    """Return the block that the name of a node in an MXNet 1.x file tells, ``""`` if none."""
    parts = name.removesuffix("_fwd").split("_")[:-1]
    return ".".join(parts) if parts and parts != ["node"] and all(parts) else ""


def block_paths(nodes: Sequence[Node]) -> list[tuple[str, ...]]:
    """Return the block path of each node; one that says nothing is where its operand is made."""
    found: dict[Node, tuple[str, ...]] = {}
    for node in nodes:
        block = block_of(node)
        path = tuple(block.split(".")) if block else ()
        if not path:
            makers = [v.producer for v in node.inputs if v is not None and v.producer is not None]
            path = next((found[n] for n in makers if n in found), ())
        found[node] = path
    return [found[n] for n in nodes]


def quoted(text: str) -> str:
    """Return a text as a quoted string of Graphviz's language."""
    plain = _CONTROL.sub(" ", text)
    if len(plain) > _MOST_LABEL:
        plain = plain[: _MOST_LABEL - 3] + "..."
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


class _Cluster:
    """The nodes of a block and the blocks in it."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.children: dict[str, _Cluster] = {}


class _Drawing:
    def __init__(self, graph: Graph, clusters: bool) -> None:
        self.graph = graph
        self.ids: dict[Value, str] = {}
        self.root = _Cluster()
        nodes = graph.nodes
        paths = block_paths(nodes) if clusters else [()] * len(nodes)
        for i, (node, path) in enumerate(zip(nodes, paths, strict=True)):
            place = self.root
            for part in path:
                place = place.children.setdefault(part, _Cluster())
            place.nodes.append(f"n{i} [label={quoted(repr(node.op))}];")

    def lines(self) -> Iterator[str]:
        yield f"digraph {quoted(self.graph.name)} {{"
        yield "  node [shape=box, fontname=monospace];"
        yield from self.leaves()
        yield from self.clusters()
        yield from self.edges()
        yield "}"

    def leaves(self) -> Iterator[str]:
        """Operands, and constants of more than one element (a number stands in its reader)."""
        constants = [v for v, a in self.graph.constants.items() if a.size != 1]
        for i, value in enumerate([*self.graph.operands(), *constants]):
            self.ids[value] = f"in{i}"
            mark = {"param": "@", "constant": "#"}.get(value.kind, "%")
            label = quoted(f"{mark}{value.name}\n{value.type}")
            yield f"  in{i} [label={label}, shape=ellipse];"

    def clusters(self) -> Iterator[str]:
        """Nodes, inside the clusters of their blocks; without recursion, blocks may nest deep."""
        count = 0
        stack: list[tuple[str, _Cluster, int, bool]] = [("", self.root, 0, False)]
        while stack:
            name, part, depth, done = stack.pop()
            indent = "  " * (depth + 1)
            if done:
                yield "  " * depth + "}"
                continue
            if part is not self.root:
                yield "  " * depth + f"subgraph cluster_{count} {{"
                yield f"{indent}label={quoted(name)}; color=gray; fontname=monospace;"
                count += 1
                stack.append((name, part, depth, True))
            yield from (indent + line for line in part.nodes)
            children = [(k, v, depth + 1, False) for k, v in part.children.items()]
            stack += reversed(children)

    def edges(self) -> Iterator[str]:
        ids = self.ids
        for i, node in enumerate(self.graph.nodes):
            ids.update(dict.fromkeys(node.outputs, f"n{i}"))
            for value in node.inputs:
                if value is not None and value in ids:
                    yield f"  {ids[value]} -> n{i} [label={quoted(str(value.type))}];"
        for i, value in enumerate(self.graph.outputs):
            written = self.graph.writes.get(i)
            label = f"output {i}" if written is None else f"assigned to {written.name}"
            yield f"  out{i} [label={quoted(label)}, shape=ellipse];"
            if value in ids:
                yield f"  {ids[value]} -> out{i};"


def to_dot(graph: Graph, *, clusters: bool = True) -> str:
    """Return the graph in Graphviz's language.

    Parameters
    ----------
    clusters : bool
        Draw the nodes of a block in a frame with the block's name.
    """
    return "\n".join(_Drawing(graph, clusters).lines())
