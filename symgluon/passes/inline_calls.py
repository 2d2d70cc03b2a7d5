"""Calls of small bodies are replaced by the body.

Given    %y = call[@Bottleneck](%x, %w)
Result   the nodes of Bottleneck, with %x and %w for its inputs
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgluon.ir.graph import Graph, Origin, Value, join_origins
from symgluon.ir.types import TensorType
from symgluon.ops.replay import dims_of, substitution
from symgluon.passes.manager import graph_pass


def body_size(graph: Graph) -> int:
    """Number of operators in a body, calls counted as what they call."""
    return sum(body_size(n.op.body) if n.op.name == "call" else 1 for n in graph.nodes)  # type: ignore[attr-defined]


def inline_calls(graph: Graph, limit: int | None = None) -> int:
    """Inline bodies of at most `limit` operators (None: all); bodies are cleaned up likewise."""
    if not any(n.op.name == "call" for n in graph.nodes):
        return 0
    new = Graph(graph.name)
    operands = [new.add_input(v.name, v.type) for v in graph.inputs]
    operands += [new.add_param(k, v.type) for k, v in graph.params.items()]
    old_operands = graph.operands()
    count = [0]
    outputs = _copy(graph, new, operands, limit, (), None, count)
    writes = {i: operands[old_operands.index(v)] for i, v in graph.writes.items()}
    draws = [(operands[old_operands.index(v)], op) for v, op in graph.draws]
    metadata = graph.metadata
    new.set_outputs(outputs)
    new.writes, new.draws, new.metadata = writes, draws, metadata
    graph.take(new)
    return count[0]


def _copy(
    source: Graph,
    target: Graph,
    operands: Sequence[Value],
    limit: int | None,
    origin: tuple[Origin, ...],
    bind: Any,
    count: list[int],
) -> list[Value]:
    """Append the nodes of `source` to `target`, descending into calls that are inlined."""
    env: dict[Value, Value] = dict(zip(source.operands(), operands, strict=True))
    for constant, array in source.constants.items():
        env[constant] = target.add_constant(array, constant.name)
    for node in source.nodes:
        inputs = [None if v is None else env[v] for v in node.inputs]
        place = join_origins(origin, node.origin)
        body: Graph | None = getattr(node.op, "body", None) if node.op.name == "call" else None
        if body is not None and (limit is None or body_size(body) <= limit):
            given = [v for v in inputs if v is not None]
            inner = substitution(dims_of(body, [v.type.shape for v in given]))
            results = _copy(body, target, given, limit, place, inner, count)
            env.update(zip(node.outputs, results, strict=True))
            count[0] += 1
            continue
        op = node.op if bind is None else node.op.map_dims(bind)
        types = [_retype(v.type, bind) for v in node.outputs]
        copy = target.add(op, inputs, types, name=node.outputs[0].name, origin=place)
        env.update(zip(node.outputs, copy.outputs, strict=True))
    return [env[v] for v in source.outputs]


def _retype(type: TensorType, bind: Any) -> TensorType:
    if bind is None or type.is_static or type.shape is None:
        return type
    return type.with_shape([n if isinstance(n, int) or n is None else bind(n) for n in type.shape])


@graph_pass("inline_calls")
def inline_all_calls(graph: Graph) -> int:
    """Replace every call by its body."""
    return inline_calls(graph, None)
