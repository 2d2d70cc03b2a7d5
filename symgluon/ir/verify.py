"""The verifier: what every valid graph keeps.

Operands are defined before they are used and belong to the graph; uses and the networkx edges are
the operands; names are unique; outputs, written cells and draws exist; constants are read-only;
inference repeated gives the stored types; calls match their bodies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symgluon.errors import SymgluonError, VerifyError
from symgluon.ir.dims import DimScope, same
from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.ir.op import Op
from symgluon.ir.poly import Poly
from symgluon.ir.types import TensorType


def verify(graph: Graph) -> None:
    """Check `graph` and the bodies it holds.

    Raises
    ------
    VerifyError
        Naming everything that is wrong.
    """
    problems = find_problems(graph)
    if problems:
        count = f" ({len(problems)} problems)" if len(problems) > 1 else ""
        raise VerifyError(f"invalid graph{count}: " + "\n  ".join(problems))


def find_problems(graph: Graph) -> list[str]:
    """Return what is wrong with `graph` and the bodies it holds, each with the graph's name."""
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
    return problems


def _problems(graph: Graph) -> list[str]:
    found = _value_problems(graph)
    known: set[Value] = {*graph.operands(), *graph.constants}
    last: float = -math.inf
    for node in graph.nodes:
        if node.order < last:  # independent nodes may share one
            found.append(f"{node!r}: order {node.order} after {last}")
        last = node.order
        found += _operand_problems(graph, node, known)
        known.update(node.outputs)
        found += _type_problems(node)
    found += _edge_problems(graph)
    found += _result_problems(graph, known)
    return found


def _value_problems(graph: Graph) -> list[str]:
    """Names, owners and kinds of all values."""
    found: list[str] = []
    names: set[str] = set()
    kinds = [
        *[(v, "input") for v in graph.inputs],
        *[(v, "param") for v in graph.params.values()],
        *[(v, "constant") for v in graph.constants],
    ]
    for value, kind in kinds:
        if value.kind != kind or value.producer is not None:
            found.append(f"{value!r} is listed as {kind}")
    for node in graph.nodes:
        for i, value in enumerate(node.outputs):
            if value.producer is not node or value.index != i or value.kind != "node":
                found.append(f"{value!r} does not know that it is result {i} of {node!r}")
    for value in graph.values():
        if value.graph is not graph:
            found.append(f"{value!r} belongs to another graph")
        if value.name in names:
            found.append(f"the name %{value.name} is given twice")
        names.add(value.name)
    for value, array in graph.constants.items():
        if array.flags.writeable:
            found.append(f"constant #{value.name} can be written")
        held = TensorType(array.shape, array.dtype)
        if value.type != held:
            found.append(f"constant #{value.name} is {value.type}, holds {held}")
    return found


def _operand_problems(graph: Graph, node: Node, known: set[Value]) -> list[str]:
    found: list[str] = []
    if not isinstance(node.op, Op):
        found.append(f"{node!r}: {node.op!r} is no operator")
    for slot, operand in enumerate(node.inputs):
        if operand is None:
            continue
        if operand.graph is not graph:
            found.append(f"{node!r}: operand %{operand.name} belongs to another graph")
        elif operand not in known:
            found.append(f"{node!r}: operand %{operand.name} is not defined before it")
        if (node, slot) not in operand.uses:
            found.append(f"{node!r}: the use of %{operand.name} is not recorded")
    return found


def _edge_problems(graph: Graph) -> list[str]:
    wanted = {
        (v.producer, node, slot)
        for node in graph.nodes
        for slot, v in enumerate(node.inputs)
        if v is not None and v.producer is not None
    }
    problems = []
    if wanted != set(graph.nx.edges(keys=True)):
        count = len(wanted ^ set(graph.nx.edges(keys=True)))
        problems.append(f"{count} edges of the networkx graph differ from operands")
    if set(graph.nodes) != set(graph.nx.nodes):
        problems.append("the nodes of the networkx graph differ from those of the graph")
    for value in graph.values():
        for node, slot in value.uses:
            if node not in graph or slot >= len(node.inputs) or node.inputs[slot] is not value:
                problems.append(f"%{value.name} records a use that does not exist")
    return problems


def _result_problems(graph: Graph, known: set[Value]) -> list[str]:
    found = [f"output %{v.name} is not defined" for v in graph.outputs if v not in known]
    operands = set(graph.operands())
    for index, target in graph.writes.items():
        if not 0 <= index < len(graph.outputs) or target not in operands:
            found.append(f"the write of output {index} to %{target.name} is invalid")
    inputs = set(graph.inputs)
    for value, _ in graph.draws:
        if value not in inputs:
            found.append(f"the draw %{value.name} is no input")
    return found


class _Asked(Exception):
    """Inference asked a question that only the hints of the trace could answer."""


class _Undecided(DimScope):
    """Answers what follows from dimensions not being negative, and refuses the rest."""

    def ask(self, p: Poly, relation: str) -> bool:
        known = self._facts.decide(p, relation)
        if known is None:
            raise _Asked
        return known

    def pin(self, p: Poly) -> int:
        raise _Asked


def _type_problems(node: Node) -> list[str]:
    """Repeat inference and compare with the stored types."""
    types = [None if v is None else v.type for v in node.inputs]
    if node.op.name == "call":
        return _call_problems(node)
    if bodies(node.op) or any(t is not None and not t.is_known for t in types):
        return []
    try:
        with _Undecided():
            inferred = node.op.infer(*types)
    except _Asked:
        return []
    except SymgluonError as error:
        return [f"{node!r}: inference fails: {error.message}"]
    stored = [v.type for v in node.outputs]
    again = [inferred] if isinstance(inferred, TensorType) else list(inferred)
    if len(again) != len(stored):
        return [f"{node!r}: {len(stored)} results, inference gives {len(again)}"]
    return [
        f"{node!r}: type {a} stored, {b} inferred"
        for a, b in zip(stored, again, strict=True)
        if not _agree(a, b)
    ]


def _agree(a: TensorType, b: TensorType) -> bool:
    """Whether two types can be one: symbolic sizes that differ in form may still be equal."""
    if a.dtype != b.dtype:
        return False
    if a.shape is None or b.shape is None:
        return True
    if len(a.shape) != len(b.shape):
        return False
    return all(
        same(x, y) or not (isinstance(x, int) and isinstance(y, int))
        for x, y in zip(a.shape, b.shape, strict=True)
    )


def _call_problems(node: Node) -> list[str]:
    """Number, dtypes and ranks of operands and results against the body's."""
    body = bodies(node.op)[0]
    pairs: list[tuple[str, Sequence[Value | None], Sequence[Value]]] = [
        ("operands", node.inputs, body.operands()),
        ("results", node.outputs, body.outputs),
    ]
    found = []
    for what, have, want in pairs:
        if len(have) != len(want):
            found.append(f"{node!r}: {len(have)} {what}, {body.name} has {len(want)}")
            continue
        for i, (a, b) in enumerate(zip(have, want, strict=True)):
            if a is None:
                found.append(f"{node!r}: {what} {i} of a call is absent")
            elif a.type.dtype != b.type.dtype or len(a.shape or ()) != len(b.shape or ()):
                found.append(f"{node!r}: {what} {i} is {a.type}, {body.name} has {b.type}")
    return found
