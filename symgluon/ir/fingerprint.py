"""A hash of a graph that ignores value names, origins, and the names of dimensions.

Values are numbered from the outputs back, operands before results, so the order of independent
nodes does not count; what the outputs do not reach follows in graph order.  Dimensions are renamed
in order of appearance.  A dimension that no operand of a graph binds (a body may refer to one of
the graph around it) is *free*: it is named in the hash of that graph, and renamed with the names
of the graph around it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from symgluon.ir.attrs import canonical
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.ir.op import Op
from symgluon.ir.types import TensorType


class _Digest(NamedTuple):
    """Hash of a graph up to names, and its free dimensions in order of appearance."""

    text: str
    free: tuple[str, ...]


class _Names:
    """Dimensions renamed in order of appearance; those first seen in an attribute are free."""

    def __init__(self) -> None:
        self.map: dict[str, str] = {}
        self.free: dict[str, str] = {}

    def name(self, name: str, *, free: bool = False) -> str:
        found = self.map.get(name)
        if found is None:
            if free:
                found = self.free[name] = f"free{len(self.free)}"
            else:
                found = f"d{len(self.map) - len(self.free)}"
            self.map[name] = found
        return found

    def dim(self, dim: Any, *, free: bool = False) -> Any:
        if not isinstance(dim, Dim):
            return dim
        return dim.rename({n: self.name(n, free=free) for n in dim.names()})

    def attribute(self, dim: Any) -> Any:
        return self.dim(dim, free=True)

    def type(self, type: TensorType) -> str:
        if type.shape is None:
            return f"{type.dtype.name}?"
        if type.is_static:
            return f"{type.dtype.name}{list(type.shape)}"
        return f"{type.dtype.name}{[canonical(self.dim(n)) for n in type.shape]}"


def digest_array(array: np.ndarray) -> str:
    """Digest of dtype, shape and bytes (0.0 and -0.0 differ, NaN equals itself)."""
    found = hashlib.sha256(f"{array.dtype.name}{array.shape}".encode())
    if array.size:
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def fingerprint(graph: Graph) -> str:
    """Return the SHA-256 of operators, structure, types, constants and names of parameters.

    Equal for graphs that compute the same by the same nodes, whatever their values, dimensions and
    bodies are called and however independent nodes are ordered.
    """
    done: dict[int, _Digest] = {}
    for body in _callees_first(graph):
        done[id(body)] = _digest(body, done)
    text, free = done[id(graph)]
    return hashlib.sha256(f"{text} {free}".encode()).hexdigest() if free else text


def _callees_first(graph: Graph) -> list[Graph]:
    """Return the graph and all bodies below it, each after those it holds, without recursion."""
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
        stack += [(body, False) for node in part.nodes for body in bodies(node.op)]
    return list(found.values())


def _from_outputs(graph: Graph) -> Iterable[Node]:
    """Nodes in the order in which a walk from the outputs back finishes them, then the others."""
    seen: set[Node] = set()
    done: set[Node] = set()
    roots = [v.producer for v in graph.outputs if v.producer is not None]
    for root in (*roots, *graph.nodes):
        stack = [root]
        while stack:
            node = stack[-1]
            if node in done:
                stack.pop()
                continue
            if node in seen:
                stack.pop()
                done.add(node)
                yield node
                continue
            seen.add(node)
            stack += [
                v.producer
                for v in reversed(node.inputs)
                if v is not None and v.producer is not None and v.producer not in seen
            ]


def _digest(graph: Graph, done: dict[int, _Digest]) -> _Digest:
    names = _Names()
    number: dict[Value, int] = {}
    hasher = hashlib.sha256()

    def put(text: str) -> None:
        hasher.update(text.encode())
        hasher.update(b"\n")

    def of(value: Value | None) -> int:
        if value is None:
            return -1
        found = number.get(value)
        if found is None:  # a constant, numbered where it is first read
            found = number[value] = len(number)
            put(f"constant {found} {digest_array(graph.constants[value])}")
        return found

    for value in graph.inputs:
        number[value] = len(number)
        put(f"input {names.type(value.type)}")
    for name, value in graph.params.items():
        number[value] = len(number)
        put(f"param {name} {names.type(value.type)}")
    for node in _from_outputs(graph):
        inputs = [of(v) for v in node.inputs]
        operator = _operator(node.op, names, done)
        for value in node.outputs:
            number[value] = len(number)
        put(f"{operator} {inputs} {' '.join([names.type(v.type) for v in node.outputs])}")
    put(f"outputs {[of(v) for v in graph.outputs]}")
    put(f"writes {[(i, number[v]) for i, v in sorted(graph.writes.items())]}")
    put(f"draws {[(number[v], _operator(o, names, done)) for v, o in graph.draws]}")
    effects = [n for n in graph.nodes if n.op.effects]
    put(f"effects {[number[v] for n in effects for v in n.outputs]}")  # their order counts
    return _Digest(hasher.hexdigest(), tuple(names.free))


def _operator(op: Op, names: _Names, done: dict[int, _Digest]) -> str:
    """Text of an operator: name and attributes, its bodies by their hashes."""
    parts: list[Any] = []
    for key, value in op.map_dims(names.attribute).attrs().items():
        if isinstance(value, Graph):
            text, free = done[id(value)]
            parts.append((key, text, [names.name(n, free=True) for n in free]))
        else:
            parts.append((key, canonical(value)))
    return f"{op.name} {parts}"
