"""Calls of bodies are replaced by the body.

Given    %y = call[@Bottleneck](%x, %w)
Result   the nodes of Bottleneck, with %x and %w for its inputs

The graph is rebuilt by appending, so the cost is linear in the result, and without recursion.
Outputs keep their names; the block path of the call goes in front of those in the body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Node, Origin, Value, bodies, join_origins
from symgluon.ir.printer import all_bodies
from symgluon.ir.types import TensorType
from symgluon.ops.replay import unify
from symgluon.passes.manager import count, explain, graph_pass

Bind = Callable[[Any], Any] | None

_CALLS = ("call", "graph_op")


def callee(node: Node) -> Graph | None:
    """Return the body that a node calls, None for other operators."""
    return bodies(node.op)[0] if node.op.name in _CALLS else None


def body_size(graph: Graph) -> int:
    """Number of operators in a graph, calls counted as what they call."""
    sizes: dict[int, int] = {}
    for part in (*all_bodies(graph), graph):
        called = [callee(node) for node in part.nodes]
        sizes[id(part)] = sum([1 if body is None else sizes[id(body)] for body in called])
    return sizes[id(graph)]


class _Frame:
    """A graph being copied: where its nodes go on, what its values are in the target."""

    def __init__(
        self,
        source: Graph,
        env: dict[Value, Value],
        origin: tuple[Origin, ...],
        bind: Bind,
        node: Node | None = None,
    ) -> None:
        self.source = source
        self.env = env
        self.origin = origin
        self.bind = bind
        self.node = node  # the call that this is the body of
        self.rest: Iterator[Node] = iter(source.nodes)


class _Inliner:
    def __init__(self, graph: Graph, limit: int | None) -> None:
        self.limit = limit
        self.count = 0
        self.target = Graph(graph.name)
        self.sizes: dict[int, int] = {}
        self.fresh: dict[str, int] = {}

    def wanted(self, body: Graph) -> bool:
        if self.limit is None:
            return True
        found = self.sizes.get(id(body))
        if found is None:
            found = self.sizes[id(body)] = body_size(body)
        return found <= self.limit

    def run(self, graph: Graph, operands: Sequence[Value]) -> list[Value]:
        """Append the nodes of `graph` and of what it calls; returns its outputs."""
        stack = [self.frame(graph, operands, (), None)]
        while True:
            frame = stack[-1]
            node = next(frame.rest, None)
            if node is None:
                outputs = [frame.env[v] for v in frame.source.outputs]
                stack.pop()
                if frame.node is None:
                    return outputs
                stack[-1].env.update(zip(frame.node.outputs, outputs, strict=True))
                continue
            body = callee(node)
            if body is not None and self.wanted(body):
                self.count += 1
                count(body.name)
                stack.append(self.enter(frame, node, body))
            else:
                if body is not None:
                    size = self.sizes[id(body)]
                    explain(f"%{node.output.name}: {body.name} has {size} operators, more than "
                            f"inline_limit={self.limit}")  # fmt: skip
                self.copy(frame, node)

    def frame(
        self, source: Graph, operands: Sequence[Value], origin: tuple[Origin, ...], bind: Bind,
        node: Node | None = None,
    ) -> _Frame:  # fmt: skip
        env = dict(zip(source.operands(), operands, strict=True))
        for constant, array in source.constants.items():
            env[constant] = self.target.add_constant(array, constant.name)
        return _Frame(source, env, origin, bind, node)

    def enter(self, frame: _Frame, node: Node, body: Graph) -> _Frame:
        given = [frame.env[v] for v in node.inputs if v is not None]
        results = [_retype(v.type, frame.bind).shape for v in node.outputs]
        formal = [v.type.shape for v in (*body.operands(), *body.outputs)]
        names = unify(formal, [*[v.type.shape for v in given], *results])
        names.update(self.inner_names(body, names))
        origin = join_origins(frame.origin, node.origin)
        return self.frame(body, given, origin, _binder(names), node)

    def inner_names(self, body: Graph, known: dict[str, Any]) -> dict[str, Any]:
        """Fresh names for sizes that depend on data inside a body: each call has its own."""
        found: dict[str, Any] = {}
        read: set[str] = set(known)
        for node in body.nodes:
            for attribute in node.op.attrs().values():
                read.update(_names_in(attribute))
            for value in node.outputs:
                for name in _names_in(value.type.shape):
                    if name not in read:
                        read.add(name)
                        count = self.fresh[name] = self.fresh.get(name, -1) + 1
                        if count:
                            found[name] = Dim(f"{name}_call{count}")
        return found

    def copy(self, frame: _Frame, node: Node) -> None:
        bind = frame.bind
        made = self.target.add(
            node.op if bind is None else node.op.map_dims(bind),
            [None if v is None else frame.env[v] for v in node.inputs],
            [_retype(v.type, bind) for v in node.outputs],
            name=node.output.name,
            origin=join_origins(frame.origin, node.origin),
        )
        frame.env.update(zip(node.outputs, made.outputs, strict=True))


def _names_in(value: Any) -> list[str]:
    if isinstance(value, Dim):
        return list(value.names())
    if isinstance(value, tuple):
        return [name for v in value for name in _names_in(v)]
    return []


def _binder(names: dict[str, Any]) -> Bind:
    changes = {k: v for k, v in names.items() if not (isinstance(v, Dim) and v.bare == k)}
    return (lambda dim: dim.substitute(changes)) if changes else None


def _retype(type: TensorType, bind: Bind) -> TensorType:
    if bind is None or type.is_static or type.shape is None:
        return type
    return type.with_shape([bind(n) if isinstance(n, Dim) else n for n in type.shape])


def inline_calls(graph: Graph, limit: int | None = None) -> int:
    """Inline bodies of at most `limit` operators (None: all), also inside those inlined.

    Returns
    -------
    int
        Number of calls inlined.
    """
    if not any(callee(n) is not None for n in graph.nodes):
        return 0
    inliner = _Inliner(graph, limit)
    new = inliner.target
    operands = [new.add_input(v.name, v.type) for v in graph.inputs]
    operands += [new.add_param(k, v.type) for k, v in graph.params.items()]
    made = [v for v in dict.fromkeys(graph.outputs) if v.producer is not None]
    reserved = {v: new.unique(v.name) for v in made}
    outputs = inliner.run(graph, operands)
    if not inliner.count:
        return 0
    for old, value in zip(graph.outputs, outputs, strict=True):
        if value.producer is not None and old in reserved:
            value.name = reserved.pop(old)
    bound = dict(zip(graph.operands(), operands, strict=True))
    new.set_outputs(outputs)
    new.writes = {i: bound[v] for i, v in graph.writes.items()}
    new.draws = [(bound[v], op) for v, op in graph.draws]
    graph.take(new)
    return inliner.count


@graph_pass("inline_calls")
def inline_all_calls(graph: Graph) -> int:
    """Replace every call by its body."""
    return inline_calls(graph, None)
