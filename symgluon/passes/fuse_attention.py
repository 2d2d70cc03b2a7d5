"""Products around a softmax become attention.

Given    %s = batch_dot[transpose_b=True](%q, %k)   %t = add(multiply(%s, 0.125), %mask)
         %p = softmax(%t)                           %y = batch_dot(%p, %v)
Result   %y = attention[scale=0.125](%q, %k, %v, %mask)

Whatever the front end wrote: batch_dot, matmul with a transposed key, MXNet's interleaved products.
The scale may be a product, a quotient or the softmax's temperature.  The scores may be read
nowhere else.
"""

from __future__ import annotations

from typing import NamedTuple

from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import OPS
from symgluon.ir.types import normalize_axis, same_shape
from symgluon.passes.manager import count, graph_pass
from symgluon.passes.rewrite import Edit, leave, number, producer


class _Scores(NamedTuple):
    q: Value
    k: Value
    mask: Value | None
    scale: float
    nodes: tuple[Node, ...]


@graph_pass("fuse_attention", needs=("fuse_patterns",))
def fuse_attention(graph: Graph) -> int:
    """Recognise scaled dot-product attention."""
    edit = Edit(graph)
    for node in graph.nodes:
        if not _is_product(node):
            continue
        value = _attention(edit, node)
        if value is not None:
            edit.take_place(node, value)
            count("attention")
    return edit.count


def _is_product(node: Node) -> bool:
    attrs = node.op.attrs()
    return node.op.name == "matmul" or (
        node.op.name == "batch_dot" and not attrs["transpose_a"] and not attrs["transpose_b"]
    )


def _attention(edit: Edit, node: Node) -> Value | None:
    soft = producer(node.inputs[0], "softmax")
    v = node.inputs[1]
    if soft is None or v is None:
        return None
    rank = soft.output.type.rank
    if rank < 3 or normalize_axis(soft.op.attrs()["axis"], rank) != rank - 1:
        return leave(node, "the softmax is not over the last of three or more axes")
    if not edit.single_use(soft.output):
        return leave(node, f"the probabilities %{soft.output.name} are read elsewhere")
    found = _scores(edit, soft)
    if found is None:
        return leave(node, f"%{soft.output.name} is no softmax of a product")
    q, k = found.q, found.k
    lead = q.type.known_shape[:-2]
    if not all(x.type.rank == rank and same_shape(x.type.known_shape[:-2], lead) for x in (k, v)):
        return leave(node, "query, key and value have different batches")
    op = OPS["attention"](scale=found.scale)
    operands = [q, k, v] if found.mask is None else [q, k, v, found.mask]
    return edit.put(op, operands, node, soft, *found.nodes)


def _scores(edit: Edit, soft: Node) -> _Scores | None:
    """What the operand of a softmax is made of."""
    temperature = soft.op.attrs()["temperature"] or 1.0
    scale, mask = 1.0 / temperature, None
    nodes: list[Node] = []
    value = soft.inputs[0]
    inner = producer(value, "add")
    if inner is not None:
        if temperature != 1.0 or not edit.single_use(inner.output):
            return None
        sides = [(0, 1), (1, 0)]
        side = next((s for s in sides if _leads_to_product(inner.inputs[s[0]])), None)
        if side is None:
            return None
        value, mask = inner.inputs[side[0]], inner.inputs[side[1]]
        if value is None or mask is None or not same_shape(
            value.type.known_shape, inner.output.type.known_shape
        ):  # fmt: skip
            return None
        nodes.append(inner)
    step = producer(value, "multiply", "true_divide")
    if step is not None:
        factor = _factor(step)
        if factor is None or not edit.single_use(step.output):
            return None
        value, scale = factor[0], scale * factor[1]
        nodes.append(step)
    product = producer(value, "matmul", "batch_dot")
    if product is None or not edit.single_use(product.output):
        return None
    key = _key(edit, product)
    if key is None or product.inputs[0] is None:
        return None
    return _Scores(product.inputs[0], key, mask, scale, (*nodes, product))


def _leads_to_product(value: Value | None) -> bool:
    step = producer(value, "multiply", "true_divide")
    factor = None if step is None else _factor(step)
    return producer(value if factor is None else factor[0], "matmul", "batch_dot") is not None


def _factor(node: Node) -> tuple[Value, float] | None:
    """A product or quotient by a number, as (value, factor)."""
    for slot in (1, 0) if node.op.name == "multiply" else (1,):
        c, x = number(node.inputs[slot]), node.inputs[1 - slot]
        if c and x is not None and x.type == node.output.type:
            return x, float(c) if node.op.name == "multiply" else 1.0 / float(c)
    return None


def _key(edit: Edit, product: Node) -> Value | None:
    """The second factor with its last two axes exchanged; None where that is a transposition more."""
    attrs, right = product.op.attrs(), product.inputs[1]
    if right is None or attrs.get("transpose_a"):
        return None
    if attrs.get("transpose_b"):
        return right
    turn = producer(right, "transpose", "swapaxes")
    if turn is None or turn.inputs[0] is None:
        return None
    rank = right.type.rank
    if turn.op.name == "swapaxes":
        axes = list(range(rank))
        a, b = (normalize_axis(turn.op.attrs()[n], rank) for n in ("axis1", "axis2"))
        axes[a], axes[b] = axes[b], axes[a]
    else:
        axes = [normalize_axis(a, rank) for a in turn.op.attrs()["axes"] or range(rank)[::-1]]
    axes[-1], axes[-2] = axes[-2], axes[-1]
    if axes == list(range(rank)):
        return turn.inputs[0]
    shape = turn.inputs[0].type.known_shape
    return edit.graph.add(
        OPS["transpose"](axes=tuple(axes)),
        [turn.inputs[0]],
        turn.inputs[0].type.with_shape([shape[a] for a in axes]),
        name=f"{right.name}_key",
        origin=turn.origin,
        before=product,
    ).output
