"""Types that a backend lacks are computed in one that it has.

Given    %y: bfloat16[4] = exp(%x: bfloat16[4])
Result   %a: float32[4] = cast(%x)   %b: float32[4] = exp(%a)   %y: bfloat16[4] = cast(%b)

ONNX Runtime's CPU provider moves bfloat16 but does not compute with it, so each arithmetic node
gets casts to float32 around it; every result is rounded as before.  `widen_boundary` then lets the
graph take and give float32, since a session neither takes nor gives bfloat16 arrays: the caller
casts.  Types of bodies are legalised inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.ir.op import OPS, Op
from symgluon.ir.printer import all_bodies
from symgluon.ir.types import TensorType
from symgluon.passes.manager import count, graph_pass
from symgluon.passes.rewrite import leave, with_bodies

#: operators that run on any type
_MOVES = frozenset(
    (
        "broadcast_to", "cast", "concatenate", "expand_dims", "flip", "gather_nd", "identity",
        "index", "reshape", "set_index", "split", "squeeze", "stack", "stop_gradient", "take",
        "tile", "transpose", "where",
    )
)  # fmt: skip

_NARROW = "bfloat16"
_WIDE = np.dtype(np.float32)


def _is_narrow(dtype: Any) -> bool:
    return getattr(dtype, "name", "") == _NARROW


def _computes(node: Node) -> bool:
    """Whether a node computes with the narrow type."""
    return node.op.name not in _MOVES and not bodies(node.op) and _touches(node)


def _touches(node: Node) -> bool:
    return any(_is_narrow(v.dtype) for v in (*node.inputs, *node.outputs) if v is not None)


def _wide_operator(op: Op) -> Op:
    """Return the operator with a result in the wide type where an attribute names it."""
    changes = {k: _WIDE for k, v in op.attrs().items() if _is_narrow(v)}
    return op.replace(**changes) if changes else op


class _Legaliser:
    """Appends the nodes of a graph to a new one, with casts."""

    def __init__(self, source: Graph, copies: dict[int, Graph]) -> None:
        self.source = source
        self.copies = copies
        self.target = Graph(source.name)
        self.count = 0
        self.wide: dict[Value, Value] = {}

    def run(self) -> None:
        """Rebuild the source graph in place if anything has to change."""
        source, target = self.source, self.target
        operands = [target.add_input(v.name, v.type) for v in source.inputs]
        operands += [target.add_param(k, v.type) for k, v in source.params.items()]
        env = dict(zip(source.operands(), operands, strict=True))
        for constant, array in source.constants.items():
            env[constant] = target.add_constant(array, constant.name)
        for node in source.nodes:
            computes = _computes(node)
            if computes:
                count(node.op.name)
            elif _touches(node):
                leave(node, f"{node.op.name} moves {_NARROW} numbers, it does not compute")
            made = self.legal(node, env) if computes else self.copy(node, env)
            env.update(zip(node.outputs, made, strict=True))
        if not self.count:
            return
        target.set_outputs([env[v] for v in source.outputs])
        target.writes = {i: env[v] for i, v in source.writes.items()}
        target.draws = [(env[v], op) for v, op in source.draws]
        source.take(target)

    def copy(self, node: Node, env: dict[Value, Value]) -> list[Value]:
        op = with_bodies(node.op, self.copies)
        self.count += op is not node.op
        return self.target.add(
            op,
            [None if v is None else env[v] for v in node.inputs],
            [v.type for v in node.outputs],
            name=node.output.name,
            origin=node.origin,
        ).outputs

    def legal(self, node: Node, env: dict[Value, Value]) -> list[Value]:
        self.count += 1
        inputs = [None if v is None else self.widened(env[v], node) for v in node.inputs]
        made = self.target.add(
            _wide_operator(node.op),
            inputs,
            [_wide_type(v.type) for v in node.outputs],
            name=node.output.name,
            origin=node.origin,
        )
        return [
            self.cast(new, old.dtype, node) if _is_narrow(old.dtype) else new
            for new, old in zip(made.outputs, node.outputs, strict=True)
        ]

    def widened(self, value: Value, node: Node) -> Value:
        """Return `value` in the wide type; one cast serves all readers."""
        if not _is_narrow(value.dtype):
            return value
        found = self.wide.get(value)
        if found is None:
            found = self.wide[value] = self.cast(value, _WIDE, node)
        return found

    def cast(self, value: Value, dtype: Any, node: Node) -> Value:
        op = OPS["cast"](dtype=dtype)
        return self.target.add(op, [value], name=value.name, origin=node.origin).output


def _wide_type(type: TensorType) -> TensorType:
    return type.with_dtype(_WIDE) if _is_narrow(type.dtype) else type


@graph_pass("legalise_types")
def legalise_types(graph: Graph) -> int:
    """Compute with float32 where the type is bfloat16."""
    copies: dict[int, Graph] = {}
    for body in all_bodies(graph):
        part = _Legaliser(body.copy(), copies)
        part.run()
        copies[id(body)] = part.source if part.count else body
    whole = _Legaliser(graph, copies)
    whole.run()
    return whole.count


def widen_boundary(graph: Graph) -> int:
    """Let bfloat16 operands and results of `graph` be float32; returns how many there were.

    A float32 operand that holds bfloat16 numbers is cast without loss; a result is exact too.
    """
    count = 0
    for value in graph.operands():
        if not _is_narrow(value.dtype):
            continue
        count += 1
        narrow = value.dtype
        users = list(value.uses)
        value.type = _wide_type(value.type)
        first = min((node for node, _ in users), key=lambda n: n.order, default=None)
        cast = graph.add(OPS["cast"](dtype=narrow), [value], name=value.name, before=first)
        for node, slot in users:
            graph.set_input(node, slot, cast.output)
        graph.set_outputs([cast.output if v is value else v for v in graph.outputs])
    outputs = []
    for value in graph.outputs:
        if _is_narrow(value.dtype):
            count += 1
            value = graph.add(OPS["cast"](dtype=_WIDE), [value], name=value.name).output
        outputs.append(value)
    graph.set_outputs(outputs)
    return count
