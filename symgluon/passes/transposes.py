"""Transposes meet and cancel: they are moved past what does not mind the order of the axes.

Given    %a = transpose[(0, 3, 1, 2)](%x)   %b = batch_norm_inference[axis=1](%a, ...)
         %c = relu(%b)                      %y = transpose[(0, 2, 3, 1)](%c)
Result   %b = batch_norm_inference[axis=3](%x, ...)   %y = relu(%b)

So a net whose layers are in NHWC, each a convolution between two transposes, keeps those at its
ends.  A transpose moves only where every way from it ends in another one, or in a reduction that
takes it in, so the number of transposes never rises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import OPS, Op
from symgluon.ir.types import normalize_axes, normalize_axis
from symgluon.ops.shape import permutation
from symgluon.passes.manager import explain, explaining
from symgluon.passes.rewrite import Edit, Rule, constant, is_elementwise, leave, producer

_REDUCTIONS = frozenset(("sum", "mean", "prod", "max", "min", "var", "std", "logsumexp"))
#: operators that work along one axis of their first operand; the others are vectors
_ALONG = frozenset(("batch_norm_inference",))


# ---- shapes, as the rules for them see them ----------------------------------------------------
def shape_of(value: Value | None) -> tuple[Any, ...]:
    """Return the shape of a value; that of an absent one is empty."""
    return () if value is None else value.type.known_shape


def symbols(shape: Sequence[Any]) -> int:
    """Return how many sizes are named."""
    return sum([isinstance(n, Dim) for n in shape])


def spelt(shape: Sequence[Any]) -> tuple[Any, ...]:
    """Return a shape with its only symbolic size as -1, where nothing else is 0."""
    if symbols(shape) != 1 or any(not isinstance(n, Dim) and n == 0 for n in shape):
        return tuple(shape)
    return tuple([-1 if isinstance(n, Dim) else n for n in shape])


def perm_of(node: Node) -> tuple[int, ...]:
    """Permutation of a transpose."""
    return permutation(node.op.attrs()["axes"], len(node.output.type.known_shape))


# ---- transposes --------------------------------------------------------------------------------
def join_transposes(edit: Edit, node: Node) -> Value | None:
    """``transpose(transpose(x))``: one transpose, or none."""
    perm = perm_of(node)
    if perm == tuple(range(len(perm))):
        return node.inputs[0]
    inner = producer(node.inputs[0], "transpose")
    if inner is None:
        return None
    first = perm_of(inner)
    both = tuple([first[i] for i in perm])
    if both == tuple(range(len(both))):
        return inner.inputs[0]
    return edit.put(OPS["transpose"](axes=both), inner.inputs, node, inner)


def transpose_as_reshape(edit: Edit, node: Node) -> Value | None:
    """A transpose that only moves axes of size 1 is a reshape."""
    shape = shape_of(node.inputs[0])
    moved = [i for i in perm_of(node) if isinstance(shape[i], Dim) or shape[i] != 1]
    if moved != sorted(moved):
        return None
    if symbols(shape) > 1:
        return leave(node, "it moves axes of size 1 only, but several sizes are named")
    return edit.put(OPS["reshape"](shape=spelt(shape_of(node.output))), node.inputs, node)


def _mover(node: Node) -> bool:
    """Whether a transpose may move from the operands of `node` to its result."""
    if len(node.outputs) != 1 or node.op.name == "stop_gradient":
        return False
    if node.op.name == "concatenate":
        return node.op.attrs()["axis"] is not None
    if node.op.name in _REDUCTIONS:
        return bool(node.op.attrs()["keepdims"])
    return node.op.name in _ALONG or is_elementwise(node.op)


def _laid_out(node: Node) -> list[Value | None]:
    """The operands of `node` that have the axes of its result."""
    return node.inputs[:1] if node.op.name in _ALONG else node.inputs


def _common_perm(node: Node, perms: dict[Value, tuple[int, ...]]) -> tuple[int, ...] | None:
    """Return the permutation that all operands of `node` but constants have in common."""
    found = {perms.get(v) for v in _laid_out(node) if v is not None and v.kind != "constant"}
    perm = found.pop() if len(found) == 1 else None
    return perm if perm is not None and len(perm) == len(shape_of(node.output)) else None


def _ends(user: Node, perm: tuple[int, ...]) -> bool:
    """Whether the way of a transpose may end at `user`: it cancels there, or is taken in."""
    return user.op.name == "transpose" or _taken_in(user, perm) is not None


def _taken_in(node: Node, perm: tuple[int, ...]) -> Op | None:
    """The reduction that does on x what `node` does on ``transpose(x)``; None for others."""
    if node.op.name not in _REDUCTIONS or node.op.attrs()["keepdims"]:
        return None
    axes = node.op.attrs()["axis"]
    op: Op = node.op
    if axes is None:
        return op
    gone = normalize_axes(axes, len(perm))
    kept = [perm[i] for i in range(len(perm)) if i not in gone]
    if kept != sorted(kept):
        return None
    reduced: Op = op.replace(axis=tuple(sorted([perm[i] for i in gone])))
    return reduced


def absorb(edit: Edit, node: Node) -> Value | None:
    """``sum(transpose(x))``: the sum over the axes of x, where the rest stays in order."""
    if node.op.name not in _REDUCTIONS:
        return None
    inner = producer(node.inputs[0], "transpose")
    op = None if inner is None else _taken_in(node, perm_of(inner))
    if inner is None or op is None:
        return None
    return edit.put(op, inner.inputs, node, inner)


def movable_nodes(graph: Graph) -> set[Node]:
    """Nodes between transposes: all operands come from one kind, all uses end where it ends.

    Candidates that fail take those before and after them along, until none fails.
    """
    perms: dict[Value, tuple[int, ...]] = {}
    candidates: set[Node] = set()
    for node in graph.nodes:
        if node.op.name == "transpose":
            perms[node.output] = perm_of(node)
        elif _mover(node) and (perm := _common_perm(node, perms)) is not None:
            perms[node.output] = perm
            candidates.add(node)
    outputs = set(graph.outputs)

    def fits(node: Node) -> bool:
        users = node.output.users()
        if not users or node.output in outputs:
            return False
        perm = perms[node.output]
        if not all(u in candidates or _ends(u, perm) for u in users):
            return False
        makers = [v.producer for v in _laid_out(node) if v is not None and v.kind != "constant"]
        return all(n is not None and (n in candidates or n.op.name == "transpose") for n in makers)

    queue = [n for n in graph.nodes if n in candidates]
    while queue:
        node = queue.pop()
        if node not in candidates or fits(node):
            continue
        candidates.discard(node)
        if explaining():
            explain(f"%{node.output.name}: no transpose moves past it: {_stuck(node, outputs)}")
        queue += [v.producer for v in node.inputs if v is not None and v.producer is not None]
        queue += node.output.users()
    return candidates


def _stuck(node: Node, outputs: set[Value]) -> str:
    """Why a transpose in front of `node` does not meet another one."""
    if node.output in outputs:
        return "its result is an output"
    users = [u for u in node.output.users() if u.op.name != "transpose"]
    if users:
        return f"%{users[0].output.name} reads it, where the way to a transpose ends"
    return "an operand does not come from a transpose of the same kind"


def _operands_before(
    edit: Edit, node: Node
) -> tuple[list[Value | None], tuple[int, ...], list[Node]] | None:
    """Operands of `node` in front of their common transpose; constants are transposed now."""
    laid_out = _laid_out(node)
    nodes = [producer(v, "transpose") for v in laid_out]
    perms = {perm_of(n) for n in nodes if n is not None}
    rank = len(shape_of(node.output))
    if len(perms) != 1 or len(perm := perms.pop()) != rank:
        return None
    inverse = tuple([perm.index(i) for i in range(rank)])
    before: list[Value | None] = []
    for value, source in zip(laid_out, nodes, strict=True):
        if source is not None:
            before.append(source.inputs[0])
            continue
        data = constant(value)
        if data is None or (node.op.name == "concatenate" and data.ndim != rank):
            return None
        if data.size == 1:
            before.append(value)
            continue
        full = data.reshape((1,) * (rank - data.ndim) + data.shape).transpose(inverse)
        before.append(edit.graph.add_constant(np.ascontiguousarray(full)))
    return [*before, *node.inputs[len(laid_out) :]], perm, [n for n in nodes if n is not None]


def _moved(op: Op, perm: tuple[int, ...]) -> Op:
    """The operator that does on x what `op` does on ``transpose(x)``."""
    axis: Any = None
    if op.name == "concatenate" or op.name in _ALONG:
        axis = perm[normalize_axis(op.attrs()["axis"], len(perm))]
    elif op.name in _REDUCTIONS and op.attrs()["axis"] is not None:
        axis = tuple(sorted([perm[i] for i in normalize_axes(op.attrs()["axis"], len(perm))]))
    moved: Op = op if axis is None else op.replace(axis=axis)
    return moved


def sink(movable: set[Node]) -> Rule:
    """``f(transpose(x))`` on the way to another transpose: ``transpose(f(x))``."""

    def rule(edit: Edit, node: Node) -> Value | None:
        if node not in movable:
            return None
        found = _operands_before(edit, node)
        if found is None:
            return None
        before, perm, replaced = found
        shape = shape_of(node.output)
        inner = edit.graph.add(
            _moved(node.op, perm),
            before,
            node.output.type.with_shape([shape[perm.index(i)] for i in range(len(perm))]),
            name=node.output.name,
            origin=node.origin,
            before=node,
        )
        return edit.put(OPS["transpose"](axes=perm), inner.outputs, node, *replaced)

    return rule
