"""Shape operators that change nothing, or undo each other, are dropped or joined.

Given    %a = transpose[axes=(0, 3, 1, 2)](%x)   %b = relu(%a)
         %c = transpose[axes=(0, 2, 3, 1)](%b)   %d = reshape[(2, 12)](reshape[(2, 3, 4)](%c))
Result   %c = relu(%x)                           %d = reshape[(2, 12)](%c)

A transpose moves through elementwise operators only where it meets another one at their end, so
the number of transposes never rises.  Symbolic sizes are compared by form: no question is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import OPS
from symgluon.ir.types import normalize_axis, same_shape
from symgluon.ops.core import thaw_index
from symgluon.ops.shape import permutation
from symgluon.passes.manager import graph_pass
from symgluon.passes.rewrite import Edit, Rule, constant, is_elementwise, producer, sweep

_MANY = 64  # operands of a joined concatenation: a chain of n of them must not cost n * n
_RESHAPES = ("reshape", "expand_dims", "squeeze")


def perm_of(node: Node) -> tuple[int, ...]:
    """Permutation of a transpose."""
    return permutation(node.op.attrs()["axes"], len(node.output.type.known_shape))


def _shape(value: Value | None) -> tuple[Any, ...]:
    return () if value is None else value.type.known_shape


# ---- reshapes ----------------------------------------------------------------------------------
def _unchanged(edit: Edit, node: Node) -> Value | None:
    """A reshape or broadcast to the shape that is there already."""
    return node.inputs[0]  # taken only if the types are equal


def _symbols(shape: Sequence[Any]) -> int:
    return sum([isinstance(n, Dim) for n in shape])


def _join_reshapes(edit: Edit, node: Node) -> Value | None:
    """``reshape(reshape(x))``: one reshape; axes put in and dropped count as reshapes."""
    inner = producer(node.inputs[0], *_RESHAPES)
    if inner is None or inner.inputs[0] is None:
        return None
    x = inner.inputs[0]
    if x.type == node.output.type:
        return x
    if node.op.name == "reshape":
        return edit.put(node.op, [x], node, inner)
    shape = _shape(node.output)
    joined = _joined_axes(node, inner)
    if joined is not None:
        return edit.put(OPS[node.op.name](axis=joined), [x], node, inner)
    # static axes lower more simply than a reshape to several symbolic sizes
    if _symbols(shape) > 1 and inner.op.name != "reshape":
        return None
    return edit.put(OPS["reshape"](shape=_spelt(shape)), [x], node, inner)


def _spelt(shape: Sequence[Any]) -> tuple[Any, ...]:
    """Return a shape with its only symbolic size as -1, where nothing else is 0."""
    if _symbols(shape) != 1 or any(not isinstance(n, Dim) and n == 0 for n in shape):
        return tuple(shape)
    return tuple([-1 if isinstance(n, Dim) else n for n in shape])


def _joined_axes(node: Node, inner: Node) -> tuple[int, ...] | None:
    """Axes of one `expand_dims` or `squeeze` that does what two do."""
    if node.op.name != inner.op.name:
        return None
    if node.op.name == "expand_dims":
        first: list[int] = inner.op.places(len(_shape(inner.inputs[0])))  # type: ignore[attr-defined]
        second: list[int] = node.op.places(len(_shape(node.inputs[0])))  # type: ignore[attr-defined]
        kept = [i for i in range(len(_shape(node.output))) if i not in second]
        return tuple(sorted([*second, *[kept[i] for i in first]]))
    if node.op.attrs()["axis"] is None or inner.op.attrs()["axis"] is None:
        return None
    rank = len(_shape(inner.inputs[0]))
    gone = inner.op.places(_shape(inner.inputs[0]))  # type: ignore[attr-defined]
    rest = [i for i in range(rank) if i not in gone]
    also = node.op.places(_shape(node.inputs[0]))  # type: ignore[attr-defined]
    return tuple(sorted([*gone, *[rest[i] for i in also]]))


# ---- transposes --------------------------------------------------------------------------------
def _join_transposes(edit: Edit, node: Node) -> Value | None:
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


def _transpose_as_reshape(edit: Edit, node: Node) -> Value | None:
    """A transpose that only moves axes of size 1 is a reshape."""
    shape = _shape(node.inputs[0])
    moved = [i for i in perm_of(node) if isinstance(shape[i], Dim) or shape[i] != 1]
    if moved != sorted(moved) or _symbols(shape) > 1:
        return None
    return edit.put(OPS["reshape"](shape=_spelt(_shape(node.output))), node.inputs, node)


def _mover(node: Node) -> bool:
    """Whether a transpose may move from the operands of `node` to its result."""
    if len(node.outputs) != 1 or node.op.name == "stop_gradient":
        return False
    if node.op.name == "concatenate":
        return node.op.attrs()["axis"] is not None
    return is_elementwise(node.op)


def _common_perm(node: Node, perms: dict[Value, tuple[int, ...]]) -> tuple[int, ...] | None:
    """Return the permutation that all operands of `node` but constants have in common."""
    found = {perms.get(v) for v in node.inputs if v is not None and v.kind != "constant"}
    perm = found.pop() if len(found) == 1 else None
    return perm if perm is not None and len(perm) == len(_shape(node.output)) else None


def _movable(graph: Graph) -> set[Node]:
    """Nodes between transposes: all operands come from one kind, all uses end in transposes.

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
        makers = [v.producer for v in node.inputs if v is not None and v.kind != "constant"]
        users = node.output.users()
        if not users or node.output in outputs:
            return False
        return all(
            n is not None and (n in candidates or n.op.name == "transpose")
            for n in (*makers, *users)
        )

    queue = [n for n in graph.nodes if n in candidates]
    while queue:
        node = queue.pop()
        if node not in candidates or fits(node):
            continue
        candidates.discard(node)
        queue += [v.producer for v in node.inputs if v is not None and v.producer is not None]
        queue += node.output.users()
    return candidates


def _operands_before(
    edit: Edit, node: Node
) -> tuple[list[Value | None], tuple[int, ...], list[Node]] | None:
    """Operands of `node` in front of their common transpose; constants are transposed now."""
    nodes = [producer(v, "transpose") for v in node.inputs]
    perms = {perm_of(n) for n in nodes if n is not None}
    rank = len(_shape(node.output))
    if len(perms) != 1 or len(perm := perms.pop()) != rank:
        return None
    inverse = tuple([perm.index(i) for i in range(rank)])
    before: list[Value | None] = []
    for value, source in zip(node.inputs, nodes, strict=True):
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
    return before, perm, [n for n in nodes if n is not None]


def _sink(movable: set[Node]) -> Rule:
    """``f(transpose(x))`` on the way to another transpose: ``transpose(f(x))``."""

    def rule(edit: Edit, node: Node) -> Value | None:
        if node not in movable:
            return None
        found = _operands_before(edit, node)
        if found is None:
            return None
        before, perm, replaced = found
        op = node.op
        if op.name == "concatenate":
            op = op.replace(axis=perm[normalize_axis(op.attrs()["axis"], len(perm))])
        shape = _shape(node.output)
        inner = edit.graph.add(
            op,
            before,
            node.output.type.with_shape([shape[perm.index(i)] for i in range(len(perm))]),
            name=node.output.name,
            origin=node.origin,
            before=node,
        )
        return edit.put(OPS["transpose"](axes=perm), inner.outputs, node, *replaced)

    return rule


# ---- broadcasts --------------------------------------------------------------------------------
def _needless_broadcast(edit: Edit, node: Node) -> Value | None:
    """``f(x, broadcast_to(b))`` where `x` has the shape of the result: ``f(x, b)``."""
    if len(node.inputs) < 2 or not is_elementwise(node.op):
        return None
    shape = _shape(node.output)
    full = [v is not None and same_shape(_shape(v), shape) for v in node.inputs]
    if sum(full) < 2:
        return None
    inputs = list(node.inputs)
    for i, value in enumerate(node.inputs):
        spread = producer(value, "broadcast_to") if full[i] else None
        if spread is not None and sum(full) > 1:
            inputs[i], full[i] = spread.inputs[0], False
    return None if inputs == node.inputs else edit.put(node.op, inputs, node)


def _late_broadcast(edit: Edit, node: Node) -> Value | None:
    """``f(broadcast_to(x), 2)``: ``broadcast_to(f(x, 2))``, on fewer numbers."""
    if len(node.outputs) != 1 or not is_elementwise(node.op):
        return None
    spread = [producer(v, "broadcast_to") for v in node.inputs]
    found = [n for n in spread if n is not None]
    if len(found) != 1 or found[0].inputs[0] is None or not edit.single_use(found[0].output):
        return None
    source, shape = found[0].inputs[0], _shape(node.output)
    rank = len(_shape(source))
    if not same_shape(_shape(found[0].output), shape) or len(shape) < rank:
        return None
    inputs: list[Value | None] = []
    for value, inner in zip(node.inputs, spread, strict=True):
        if inner is None and (value is None or any(n != 1 for n in map(_known, _shape(value)))):
            return None
        if inner is None and len(_shape(value)) > rank:
            return None
        inputs.append(source if inner is not None else value)
    made = edit.graph.add(
        node.op,
        inputs,
        node.output.type.with_shape(_shape(source)),
        name=node.output.name,
        origin=node.origin,
        before=node,
    )
    return edit.put(found[0].op, made.outputs, node, found[0])


def _known(n: Any) -> int:
    """A size as a number; 0 stands for a symbolic one."""
    return n if isinstance(n, int) else 0


def _join_broadcasts(edit: Edit, node: Node) -> Value | None:
    """``broadcast_to(broadcast_to(x))``: the last one."""
    inner = producer(node.inputs[0], "broadcast_to")
    return None if inner is None else edit.put(node.op, inner.inputs, node, inner)


# ---- indices -----------------------------------------------------------------------------------
def _full_index(edit: Edit, node: Node) -> Value | None:
    """``x[:, :]``: x."""
    x = node.inputs[0]
    items = thaw_index(node.op.attrs()["index"])
    if x is None or x.type != node.output.type:
        return None
    return x if all(isinstance(i, slice) and i.step in (None, 1) for i in items) else None


def _walks(items: Sequence[Any], shape: Sequence[Any]) -> list[Any] | None:
    """A basic index by axes: (start, step, size), None for a new axis, int for a dropped one."""
    found: list[Any] = []
    axis = 0
    for item in items:
        if item is None:
            found.append(None)
            continue
        n = shape[axis]
        axis += 1
        if isinstance(item, slice):
            if item == slice(None):
                found.append((0, 1, n))
                continue
            given = (item.start, item.stop, item.step)
            if not isinstance(n, int) or any(isinstance(v, Dim) for v in given):
                return None
            places = range(n)[item]
            found.append((places.start, places.step, len(places)))
        elif isinstance(n, int) and isinstance(item, int):
            found.append(item % n)
        else:
            return None
    return [*found, *[(0, 1, n) for n in shape[axis:]]]


def _step_into(walk: Any, item: Any) -> Any:
    """Apply one item of a second index to an axis of the first; NotImplemented if unknown."""
    start, step, size = walk
    if item == slice(None):
        return walk
    if not isinstance(size, int):
        return NotImplemented
    if isinstance(item, int):
        return start + step * (item % size)
    if any(isinstance(v, Dim) for v in (item.start, item.stop, item.step)):
        return NotImplemented
    places = range(size)[item]
    return (start + step * places.start, step * places.step, len(places))


def _as_item(walk: Any) -> Any:
    if walk is None or isinstance(walk, int):
        return walk
    start, step, size = walk
    if (start, step) == (0, 1) and not isinstance(size, int):
        return slice(None)
    if size == 0:
        return slice(0, 0, 1)
    stop = start + step * size
    return slice(start, None if stop < 0 else stop, step)


def _combined(first: list[Any], items: Sequence[Any]) -> list[Any] | None:
    """The first index followed by the items of a second one."""
    result: list[Any] = []
    rest = list(items)
    for walk in first:
        while rest and rest[0] is None and not isinstance(walk, int):
            result.append(rest.pop(0))
        if isinstance(walk, int):
            result.append(walk)
            continue
        item = rest.pop(0) if rest else slice(None)
        if walk is None:  # a new axis of the first index: kept whole, or dropped again
            if item == slice(None):
                result.append(None)
            elif item not in (0, -1):
                return None
            continue
        stepped = _step_into(walk, item)
        if stepped is NotImplemented:
            return None
        result.append(stepped)
    return [*result, *rest] if all(i is None for i in rest) else None


def _join_indices(edit: Edit, node: Node) -> Value | None:
    """``x[i][j]``: one index."""
    inner = producer(node.inputs[0], "index")
    if inner is None:
        return None
    first = _walks(thaw_index(inner.op.attrs()["index"]), _shape(inner.inputs[0]))
    if first is None:
        return None
    both = _combined(first, thaw_index(node.op.attrs()["index"]))
    if both is None:
        return None
    op = OPS["index"](tuple([_as_item(w) for w in both]))
    return edit.put(op, inner.inputs, node, inner)


# ---- joins and parts ---------------------------------------------------------------------------
def _join_of_parts(edit: Edit, node: Node) -> Value | None:
    """``concatenate(x)``: x;  ``concatenate(split(x))``: x."""
    axis = node.op.attrs()["axis"]
    if axis is None:
        return None
    if len(node.inputs) == 1:
        return node.inputs[0]
    first = producer(node.inputs[0], "split")
    if first is None or list(node.inputs) != first.outputs or first.op.attrs()["squeeze"]:
        return None
    rank = len(_shape(node.output))
    cut = normalize_axis(first.op.attrs()["axis"], rank)
    return first.inputs[0] if cut == normalize_axis(axis, rank) else None


def _flat_join(edit: Edit, node: Node) -> Value | None:
    """``concatenate(concatenate(a, b), c)``: ``concatenate(a, b, c)``."""
    axis = node.op.attrs()["axis"]
    if axis is None:
        return None
    rank = len(_shape(node.output))
    inputs: list[Value | None] = []
    inners: list[Node] = []
    for value in node.inputs:
        inner = producer(value, "concatenate")
        own = None if inner is None else inner.op.attrs()["axis"]
        alike = own is not None and normalize_axis(own, rank) == normalize_axis(axis, rank)
        if inner is not None and alike and edit.single_use(inner.output):
            inputs += inner.inputs
            inners.append(inner)
        else:
            inputs.append(value)
    if len(inputs) > _MANY:
        return None
    return edit.put(node.op, inputs, node, *inners) if inners else None


_RULES: dict[str, tuple[Rule, ...]] = {
    "reshape": (_unchanged, _join_reshapes),
    "expand_dims": (_join_reshapes,),
    "squeeze": (_unchanged, _join_reshapes),
    "broadcast_to": (_unchanged, _join_broadcasts),
    "transpose": (_join_transposes, _transpose_as_reshape),
    "index": (_full_index, _join_indices),
    "concatenate": (_join_of_parts, _flat_join),
}


@graph_pass("simplify_shape")
def simplify_shape(graph: Graph) -> int:
    """Drop shape operators without effect; join reshapes, transposes, indices, broadcasts."""
    rules: dict[str, tuple[Rule, ...]] = dict(_RULES)
    names = {node.op.name for node in graph.nodes}
    always: list[Rule] = []
    if "broadcast_to" in names:
        always += [_needless_broadcast, _late_broadcast]
    if "transpose" in names:
        always.append(_sink(_movable(graph)))
    rules["*"] = tuple(always)
    return sweep(graph, rules)
