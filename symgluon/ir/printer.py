"""Graphs as text: one statement a line, stable, readable without colour; summaries, dot, diffs.

```
graph net(%data: float32[batch,8]) -> float32[batch,4] {  # 2 nodes, 36 parameters, 1.1 kB planned
  %fc: float32[batch,4] = dense[num_hidden=4](%data, @fc.weight, @fc.bias)  # fc
  %relu: float32[batch,4] = relu(%fc)  # act
  return %relu
}
```

``%`` marks inputs and results, ``@`` parameters and bodies, ``#`` constants (0-d ones are shown as
numbers).
"""

from __future__ import annotations

import difflib
from collections import Counter
from typing import Any, NamedTuple

from symgluon.ir import attrs as _attrs
from symgluon.ir.cost import flops
from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.ir.op import Op


def human_bytes(size: Any) -> str:
    """Return `size`, a number of bytes, as short text; a symbolic one as a formula."""
    if not isinstance(size, int):
        return f"{size} bytes"
    number = float(size)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{int(number)} {unit}" if unit == "bytes" else f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.4g} GB"


def all_bodies(graph: Graph) -> list[Graph]:
    """Return every body below `graph`, each once, callees before callers."""
    found: dict[int, Graph] = {}
    stack: list[tuple[Graph, bool]] = [(graph, False)]
    while stack:
        part, opened = stack.pop()
        if id(part) in found:
            continue
        if opened:
            found[id(part)] = part
            continue
        stack.append((part, True))
        stack += [(body, False) for node in reversed(part.nodes) for body in bodies(node.op)]
    return [part for part in found.values() if part is not graph]


class _Printer:
    """Text of a graph and its bodies; bodies of one name are told apart by a number."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.labels: dict[int, str] = {}
        taken = {graph.name}
        for body in all_bodies(graph):
            label, count = body.name, 1
            while label in taken:
                count += 1
                label = f"{body.name}.{count}"
            taken.add(label)
            self.labels[id(body)] = label

    def text(self) -> str:
        blocks = [self.block(body, self.labels[id(body)]) for body in all_bodies(self.graph)]
        return "\n\n".join([*blocks, self.block(self.graph, self.graph.name)])

    def operator(self, op: Op) -> str:
        held = bodies(op)
        if not held:
            return repr(op)
        shown = [
            f"{k}=@{self.labels[id(v)]}" if isinstance(v, Graph) else f"{k}={_attrs.show(v)}"
            for k, v in op.attrs().items()
            if isinstance(v, Graph)
            or _attrs.canonical(v) != _attrs.canonical(type(op).fields[k].default)
        ]
        return f"{op.name}[{', '.join(shown)}]"

    def statement(self, node: Node) -> str:
        inputs = ", ".join([_operand(v) for v in node.inputs])
        outputs = ", ".join([f"%{v.name}: {v.type}" for v in node.outputs])
        comment = _comment(node)
        return f"  {outputs} = {self.operator(node.op)}({inputs}){comment and f'  # {comment}'}"

    def block(self, graph: Graph, label: str) -> str:
        args = ", ".join([f"%{v.name}: {v.type}" for v in graph.inputs])
        result = ", ".join([str(v.type) for v in graph.outputs])
        lines = [f"graph {label}({args}) -> {result or '()'} {{  # {_facts(graph)}"]
        lines += [self.statement(node) for node in graph.nodes]
        drawn = [f"  # drawn at each call: %{v.name} by {op!r}" for v, op in graph.draws]
        outs = [
            f"{_operand(graph.writes[i])} := {_operand(v)}" if i in graph.writes else _operand(v)
            for i, v in enumerate(graph.outputs)
        ]
        return "\n".join([*lines, *drawn, f"  return {', '.join(outs)}", "}"])


def _operand(value: Value | None) -> str:
    if value is None:
        return "_"
    if value.kind == "constant":
        data = value.data
        if data is not None and data.ndim == 0 and data.dtype.kind in "fiub":
            return str(data[()])
        return f"#{value.name}"
    return f"{'@' if value.kind == 'param' else '%'}{value.name}"


def _comment(node: Node) -> str:
    """Block paths (names in a file, lines) of all origins; a single one in full."""
    places = list(dict.fromkeys([o.block or o.mx_name or o.line for o in node.origin]))
    if len(node.origin) == 1:
        return str(node.origin[0])
    return ", ".join(places[:4]) + (", ..." if len(places) > 4 else "")


def _facts(graph: Graph) -> str:
    facts = [f"{len(graph)} nodes"]
    if graph.params:
        sizes = [v.type.size for v in graph.params.values() if v.type.is_known]
        facts.append(f"{sum(sizes)} parameters")
    plan = graph.plan
    if plan is not None:
        facts.append(f"{human_bytes(plan.peak)} planned (sum {human_bytes(plan.total)})")
    return ", ".join(facts)


def print_graph(graph: Graph) -> str:
    """Return the graph as text, the bodies it holds before it."""
    return _Printer(graph).text()


class Summary(NamedTuple):
    """Counts of a graph; bodies are counted once, their operations once a call.

    Attributes
    ----------
    operators : dict of str to int
        How often each operator occurs, the most frequent first.
    parameters, parameter_bytes, constant_bytes : int
        Numbers in parameters; bytes of parameters and of constants.
    flops : int or Dim
        Floating-point operations of a call, as far as they are known.
    unknown : tuple of str
        Operators whose operations are not known.
    """

    nodes: int
    operators: dict[str, int]
    parameters: Any
    parameter_bytes: Any
    constant_bytes: int
    flops: Any
    unknown: tuple[str, ...]
    planned: int | None = None

    def __str__(self) -> str:
        width = max([len(k) for k in self.operators], default=0)
        lines = [f"{self.nodes} nodes"]
        lines += [f"  {k:{width}} {v}" for k, v in self.operators.items()]
        lines.append(f"{self.parameters} parameters, {human_bytes(self.parameter_bytes)}")
        lines.append(f"{human_bytes(self.constant_bytes)} of constants")
        missing = f" (without {', '.join(self.unknown)})" if self.unknown else ""
        lines.append(f"{self.flops} FLOPs{missing}")
        if self.planned is not None:
            lines.append(f"{human_bytes(self.planned)} planned")
        return "\n".join(lines)


def summary(graph: Graph) -> Summary:
    """Count operators, parameters, bytes and floating-point operations of `graph`."""
    operators: Counter[str] = Counter()
    constant_bytes = 0
    for part in (graph, *all_bodies(graph)):
        operators.update([n.op.name for n in part.nodes])
        constant_bytes += sum([a.nbytes for a in part.constants.values()])
    params = [v.type for v in graph.params.values() if v.type.is_known]
    total, unknown = flops(graph)
    counts = sorted(operators.items(), key=lambda item: (-item[1], item[0]))
    return Summary(
        nodes=sum(operators.values()),
        operators=dict(counts),
        parameters=sum([t.size for t in params]),
        parameter_bytes=sum([t.nbytes for t in params]),
        constant_bytes=constant_bytes,
        flops=total,
        unknown=tuple(unknown),
        planned=None if graph.plan is None else graph.plan.peak,
    )


def diff(a: Graph, b: Graph) -> str:
    """Return what changed from one graph to another as a unified diff of their texts.

    Parameters
    ----------
    a, b : Graph
        Before and after.

    Returns
    -------
    str
        Empty if nothing did.
    """
    before, after = print_graph(a).splitlines(), print_graph(b).splitlines()
    return "\n".join(difflib.unified_diff(before, after, a.name, b.name, lineterm=""))
