"""The verifier: what every valid graph keeps."""

from __future__ import annotations

from symgluon.errors import SymgluonError, VerifyError
from symgluon.ir.dims import DimScope
from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.ir.types import TensorType


def verify(graph: Graph) -> None:
    """Check `graph` and the bodies it holds.

    Raises
    ------
    VerifyError
        Naming everything that is wrong.
    """
    problems: list[str] = []
    seen: set[int] = set()
    stack = [graph]
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        problems += [f"{part.name}: {p}" for p in _problems(part)]
        for node in part.nodes:
            stack.extend(bodies(node.op))
    if problems:
        raise VerifyError("invalid graph: " + "; ".join(problems[:20]))


def _problems(graph: Graph) -> list[str]:
    found: list[str] = []
    known: set[Value] = {*graph.operands(), *graph.constants}
    names: set[str] = set()
    for value in graph.values():
        if value.graph is not graph:
            found.append(f"{value!r} belongs to another graph")
        if value.name in names:
            found.append(f"the name %{value.name} is given twice")
        names.add(value.name)
    last = -1
    for node in graph.nodes:
        if node.order <= last:
            found.append(f"{node!r}: order {node.order} after {last}")
        last = node.order
        for slot, operand in enumerate(node.inputs):
            if operand is None:
                continue
            if operand not in known:
                found.append(f"{node!r}: operand %{operand.name} is not defined before it")
            if (node, slot) not in operand.uses:
                found.append(f"{node!r}: the use of %{operand.name} is not recorded")
        known.update(node.outputs)
        found += _type_problems(node)
    found += _edge_problems(graph)
    for value in graph.outputs:
        if value not in known:
            found.append(f"output %{value.name} is not defined")
    for index, target in graph.writes.items():
        if not 0 <= index < len(graph.outputs) or target not in known:
            found.append(f"the write of output {index} to %{target.name} is invalid")
    for value, array in graph.constants.items():
        if array.flags.writeable:
            found.append(f"constant #{value.name} can be written")
    return found


def _edge_problems(graph: Graph) -> list[str]:
    wanted = {
        (v.producer, node, slot)
        for node in graph.nodes
        for slot, v in enumerate(node.inputs)
        if v is not None and v.producer is not None
    }
    have = set(graph.nx.edges(keys=True))
    problems = []
    if wanted != have:
        problems.append(f"{len(wanted ^ have)} edges of the networkx graph differ from operands")
    for value in graph.values():
        for node, slot in value.uses:
            if node not in graph or node.inputs[slot] is not value:
                problems.append(f"%{value.name} records a use that does not exist")
    return problems


def _type_problems(node: Node) -> list[str]:
    """Repeat inference and compare with the stored types."""
    types = [None if v is None else v.type for v in node.inputs]
    if bodies(node.op) or any(t is not None and not t.is_known for t in types):
        return []
    try:
        with DimScope.with_hints(_hints(node)):
            inferred = node.op.infer(*types)
    except SymgluonError as error:
        return [f"{node!r}: inference fails: {error.message}"]
    stored = [v.type for v in node.outputs]
    again = [inferred] if isinstance(inferred, TensorType) else list(inferred)
    if len(again) != len(stored):
        return [f"{node!r}: {len(stored)} results, inference gives {len(again)}"]
    return [
        f"{node!r}: type {a} stored, {b} inferred"
        for a, b in zip(stored, again, strict=True)
        if a.is_static and b.is_static and a != b
    ]


def _hints(node: Node) -> dict[str, int | None]:
    """Sizes for the questions that inference may ask; what they teach is not kept."""
    names: dict[str, int | None] = {}
    for value in (*node.inputs, *node.outputs):
        for n in (value.type.shape or ()) if value is not None else ():
            if not isinstance(n, int) and n is not None:
                names.update(dict.fromkeys(n.names(), 2))
    return names
