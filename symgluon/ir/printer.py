"""Graphs as text: one statement a line, stable, readable without colour; summaries; dot; diffs."""

from __future__ import annotations

import difflib
from collections import Counter
from typing import NamedTuple

from symgluon.ir.graph import Graph, Node, Value


def _value(value: Value | None) -> str:
    if value is None:
        return "_"
    if value.kind == "constant":
        data = value.data
        if data is not None and data.ndim == 0 and data.dtype.kind in "fiub":
            return f"{data.item():g}" if data.dtype.kind == "f" else str(data.item())
        return f"#{value.name}"
    return f"{'@' if value.kind == 'param' else '%'}{value.name}"


def _statement(node: Node) -> str:
    inputs = ", ".join(_value(v) for v in node.inputs)
    outputs = ", ".join(f"%{v.name}: {v.type}" for v in node.outputs)
    return f"{outputs} = {node.op!r}({inputs})"


def print_graph(graph: Graph) -> str:
    """Return the graph as text, the bodies of its calls first."""
    blocks = [_print_one(body) for body in graph.functions.values()]
    return "\n".join([*blocks, _print_one(graph)])


def _print_one(graph: Graph) -> str:
    params = sum(int(v.type.size) for v in graph.params.values() if v.type.is_static)
    args = ", ".join(f"%{v.name}: {v.type}" for v in graph.inputs)
    result = ", ".join(str(v.type) for v in graph.outputs)
    facts = f"{len(graph)} nodes" + (f", {params} parameters" if graph.params else "")
    lines = [f"graph {graph.name}({args}) -> {result} {{  # {facts}"]
    for node in graph.nodes:
        origin = node.origin[0].block if node.origin else ""
        statement = f"  {_statement(node)}"
        lines.append(f"{statement}  # {origin}" if origin else statement)
    written = {i: v for i, v in graph.writes.items()}
    outs = [
        f"{_value(written[i])} := {_value(v)}" if i in written else _value(v)
        for i, v in enumerate(graph.outputs)
    ]
    lines += [f"  return {', '.join(outs)}", "}"]
    return "\n".join(lines)


class Summary(NamedTuple):
    """Counts of a graph."""

    nodes: int
    operators: dict[str, int]
    parameters: int
    parameter_bytes: int
    constant_bytes: int


def summary(graph: Graph) -> Summary:
    """Count operators (bodies of calls included, each once), parameters and bytes."""
    operators: Counter[str] = Counter()
    for part in (graph, *graph.functions.values()):
        operators.update(n.op.name for n in part.nodes)
    params = [v.type for v in graph.params.values() if v.type.is_static]
    return Summary(
        sum(operators.values()),
        dict(operators.most_common()),
        sum(int(t.size) for t in params),
        sum(int(t.nbytes) for t in params),
        sum(a.nbytes for a in graph.constants.values()),
    )


def to_dot(graph: Graph) -> str:
    """Return the graph in Graphviz's language."""
    lines = [f'digraph "{graph.name}" {{', "  node [shape=box, fontname=monospace];"]
    ids: dict[Value, str] = {}
    for i, value in enumerate(graph.operands()):
        ids[value] = f"in{i}"
        lines.append(f'  in{i} [label="{value.name}\\n{value.type}", shape=ellipse];')
    for i, node in enumerate(graph.nodes):
        label = repr(node.op).replace('"', "'")
        lines.append(f'  n{i} [label="{label}"];')
        for value in node.outputs:
            ids[value] = f"n{i}"
        for operand in node.inputs:
            if operand is not None and operand in ids:
                lines.append(f'  {ids[operand]} -> n{i} [label="{operand.type}"];')
    for i, value in enumerate(graph.outputs):
        if value in ids:
            lines += [f'  out{i} [label="output {i}", shape=ellipse];', f"  {ids[value]} -> out{i};"]
    return "\n".join([*lines, "}"])


def diff(a: Graph, b: Graph) -> str:
    """Return what changed from `a` to `b` as a unified diff of their texts."""
    return "\n".join(
        difflib.unified_diff(
            print_graph(a).splitlines(), print_graph(b).splitlines(), a.name, b.name, lineterm=""
        )
    )
