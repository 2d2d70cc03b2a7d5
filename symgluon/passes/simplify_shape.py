"""Shape operators that change nothing, or undo each other, are dropped.

Given    %a = transpose[(0, 3, 1, 2)](%x)   %b = relu(%a)   %c = transpose[(0, 2, 3, 1)](%b)
Result   %c = relu(%x)

A transpose moves through an elementwise operator only to meet another one, so their number never
rises.
"""

from __future__ import annotations

from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import OPS
from symgluon.ir.types import same_shape
from symgluon.ops.core import thaw_index
from symgluon.ops.families import Binary, Unary
from symgluon.passes.manager import graph_pass


def _producer(value: Value | None, name: str) -> Node | None:
    node = value.producer if value is not None else None
    return node if node is not None and node.op.name == name else None


def perm_of(node: Node) -> tuple[int, ...]:
    """Permutation of a transpose."""
    rank = len(node.outputs[0].type.known_shape)
    axes = node.op.attrs().get("axes")
    if not axes:
        return tuple(range(rank))[::-1]
    return tuple(a % rank for a in axes)


def _same_type(a: Value, b: Value) -> bool:
    return a.type.dtype == b.type.dtype and same_shape(a.type.known_shape, b.type.known_shape)


def _noop(node: Node) -> Value | None:
    """Return the operand of a node that leaves it as it is."""
    first = node.inputs[0] if node.inputs else None
    if first is None:
        return None
    name, out = node.op.name, node.outputs[0]
    if name in ("reshape", "broadcast_to") and _same_type(first, out):
        return first
    if name == "transpose" and perm_of(node) == tuple(range(len(out.type.known_shape))):
        return first
    if name == "index" and _same_type(first, out):
        items = thaw_index(node.op.attrs()["index"])
        full = all(isinstance(i, slice) and i.step in (None, 1) for i in items)
        return first if full else None
    return None


def _merge_reshape(graph: Graph, node: Node) -> bool:
    """``reshape(reshape(x))``: one reshape to the last shape."""
    inner = _producer(node.inputs[0], "reshape")
    if node.op.name != "reshape" or inner is None or inner.inputs[0] is None:
        return False
    shape = node.outputs[0].type.known_shape
    source = inner.inputs[0]
    new = graph.add(
        OPS["reshape"](shape=shape),
        [source],
        node.outputs[0].type,
        name=node.outputs[0].name,
        origin=(*inner.origin, *node.origin),
        before=node,
    )
    _take_place(graph, node, new.output)
    return True


def _merge_transpose(graph: Graph, node: Node) -> bool:
    """``transpose(transpose(x))``: one transpose, or none."""
    inner = _producer(node.inputs[0], "transpose")
    if node.op.name != "transpose" or inner is None or inner.inputs[0] is None:
        return False
    first = perm_of(inner)
    perm = tuple(first[i] for i in perm_of(node))
    source = inner.inputs[0]
    if perm == tuple(range(len(perm))):
        _take_place(graph, node, source)
        return True
    new = graph.add(
        OPS["transpose"](axes=perm),
        [source],
        node.outputs[0].type,
        name=node.outputs[0].name,
        origin=(*inner.origin, *node.origin),
        before=node,
    )
    _take_place(graph, node, new.output)
    return True


def _take_place(graph: Graph, node: Node, value: Value) -> None:
    graph.replace_all_uses(node.outputs[0], value)
    graph.remove(node)


def _meets_transpose(node: Node) -> bool:
    """Whether every use of the result is a transpose."""
    users = node.outputs[0].users()
    return bool(users) and all(u.op.name == "transpose" for u in users)


def _common_perm(node: Node) -> tuple[int, ...] | None:
    """Permutation that all operands with axes come through, constants of one element aside."""
    perms = set()
    for value in node.inputs:
        if value is None:
            return None
        if value.type.is_static and value.type.size == 1 and value.kind == "constant":
            continue
        producer = _producer(value, "transpose")
        if producer is None:
            return None
        perms.add(perm_of(producer))
    return perms.pop() if len(perms) == 1 else None


def _sink(graph: Graph, node: Node) -> bool:
    """``f(transpose(x))`` before another transpose: ``transpose(f(x))``."""
    if not isinstance(node.op, Unary | Binary) or not _meets_transpose(node):
        return False
    perm = _common_perm(node)
    out = node.outputs[0]
    rank = len(out.type.known_shape)
    if perm is None or len(perm) != rank or any(v in graph.outputs for v in node.outputs):
        return False
    inputs = [_through(v) for v in node.inputs]
    inverse = tuple(perm.index(i) for i in range(rank))
    shape = out.type.known_shape
    before = out.type.with_shape([shape[i] for i in inverse])
    inner = graph.add(node.op, inputs, before, name=out.name, origin=node.origin, before=node)
    moved = graph.add(
        OPS["transpose"](axes=perm),
        [inner.output],
        out.type,
        name=out.name,
        origin=node.origin,
        before=node,
    )
    _take_place(graph, node, moved.output)
    return True


def _through(value: Value | None) -> Value | None:
    producer = _producer(value, "transpose")
    return value if producer is None else producer.inputs[0]


_RULES = (_merge_reshape, _merge_transpose, _sink)


@graph_pass("simplify_shape")
def simplify_shape(graph: Graph) -> int:
    """Drop shape operators without effect; let transposes and reshapes meet."""
    count = 0
    for node in graph.nodes:
        if node not in graph:
            continue
        same = _noop(node)
        if same is not None:
            _take_place(graph, node, same)
            count += 1
            continue
        count += any(rule(graph, node) for rule in _RULES)
    return count

