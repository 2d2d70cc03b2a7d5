"""Shape operators that change nothing, or undo each other, are dropped or joined.

Given    %a = transpose[axes=(0, 3, 1, 2)](%x)   %b = relu(%a)
         %c = transpose[axes=(0, 2, 3, 1)](%b)   %d = reshape[(2, 12)](reshape[(2, 3, 4)](%c))
Result   %c = relu(%x)                           %d = reshape[(2, 12)](%c)

How transposes move through other operators: `symgluon.passes.transposes`.  Symbolic sizes are
compared by form: no question is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import OPS
from symgluon.ir.types import normalize_axis, same_shape
from symgluon.ops.core import thaw_index
from symgluon.passes.manager import graph_pass
from symgluon.passes.rewrite import Edit, Rule, is_elementwise, leave, producer, sweep
from symgluon.passes.transposes import (
    absorb,
    join_transposes,
    movable_nodes,
    shape_of,
    sink,
    spelt,
    symbols,
    transpose_as_reshape,
)

_MANY = 64  # operands of a joined concatenation: a chain of n of them must not cost n * n
_RESHAPES = ("reshape", "expand_dims", "squeeze")


# ---- reshapes ----------------------------------------------------------------------------------
def _unchanged(edit: Edit, node: Node) -> Value | None:
    """A reshape or broadcast to the shape that is there already."""
    return node.inputs[0]  # taken only if the types are equal


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
    shape = shape_of(node.output)
    joined = _joined_axes(node, inner)
    if joined is not None:
        return edit.put(OPS[node.op.name](axis=joined), [x], node, inner)
    # static axes lower more simply than a reshape to several symbolic sizes
    if symbols(shape) > 1 and inner.op.name != "reshape":
        return leave(node, f"a reshape to {len(shape)} axes with named sizes is no simpler")
    return edit.put(OPS["reshape"](shape=spelt(shape)), [x], node, inner)


def _joined_axes(node: Node, inner: Node) -> tuple[int, ...] | None:
    """Axes of one `expand_dims` or `squeeze` that does what two do."""
    if node.op.name != inner.op.name:
        return None
    if node.op.name == "expand_dims":
        first: list[int] = inner.op.places(len(shape_of(inner.inputs[0])))  # type: ignore[attr-defined]
        second: list[int] = node.op.places(len(shape_of(node.inputs[0])))  # type: ignore[attr-defined]
        kept = [i for i in range(len(shape_of(node.output))) if i not in second]
        return tuple(sorted([*second, *[kept[i] for i in first]]))
    if node.op.attrs()["axis"] is None or inner.op.attrs()["axis"] is None:
        return None
    rank = len(shape_of(inner.inputs[0]))
    gone = inner.op.places(shape_of(inner.inputs[0]))  # type: ignore[attr-defined]
    rest = [i for i in range(rank) if i not in gone]
    also = node.op.places(shape_of(node.inputs[0]))  # type: ignore[attr-defined]
    return tuple(sorted([*gone, *[rest[i] for i in also]]))


# ---- broadcasts --------------------------------------------------------------------------------
def _needless_broadcast(edit: Edit, node: Node) -> Value | None:
    """``f(x, broadcast_to(b))`` where `x` has the shape of the result: ``f(x, b)``."""
    if len(node.inputs) < 2 or not is_elementwise(node.op):
        return None
    shape = shape_of(node.output)
    full = [v is not None and same_shape(shape_of(v), shape) for v in node.inputs]
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
    if len(found) != 1 or found[0].inputs[0] is None:
        return None
    if not edit.single_use(found[0].output):
        return leave(node, f"the broadcast %{found[0].output.name} is read elsewhere")
    source, shape = found[0].inputs[0], shape_of(node.output)
    rank = len(shape_of(source))
    if not same_shape(shape_of(found[0].output), shape) or len(shape) < rank:
        return None
    inputs: list[Value | None] = []
    for value, inner in zip(node.inputs, spread, strict=True):
        if inner is None and (value is None or any(n != 1 for n in map(_known, shape_of(value)))):
            return None
        if inner is None and len(shape_of(value)) > rank:
            return None
        inputs.append(source if inner is not None else value)
    made = edit.graph.add(
        node.op,
        inputs,
        node.output.type.with_shape(shape_of(source)),
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
    first = _walks(thaw_index(inner.op.attrs()["index"]), shape_of(inner.inputs[0]))
    both = None if first is None else _combined(first, thaw_index(node.op.attrs()["index"]))
    if both is None:
        return leave(node, f"no one index says what it and %{inner.output.name} do: named sizes")
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
    if first is None:
        return None
    if list(node.inputs) != first.outputs or first.op.attrs()["squeeze"]:
        return leave(node, f"it does not join the parts of %{first.output.name} as they were cut")
    rank = len(shape_of(node.output))
    if normalize_axis(first.op.attrs()["axis"], rank) != normalize_axis(axis, rank):
        return leave(node, f"%{first.output.name} was cut along another axis")
    return first.inputs[0]


def _flat_join(edit: Edit, node: Node) -> Value | None:
    """``concatenate(concatenate(a, b), c)``: ``concatenate(a, b, c)``."""
    axis = node.op.attrs()["axis"]
    if axis is None:
        return None
    rank = len(shape_of(node.output))
    inputs: list[Value | None] = []
    inners: list[Node] = []
    for value in node.inputs:
        inner = producer(value, "concatenate")
        own = None if inner is None else inner.op.attrs()["axis"]
        alike = own is not None and normalize_axis(own, rank) == normalize_axis(axis, rank)
        if inner is not None and alike and edit.single_use(inner.output):
            inputs += inner.inputs
            inners.append(inner)
            continue
        if inner is not None and alike:
            leave(node, f"its operand %{inner.output.name} is read elsewhere")
        inputs.append(value)
    if inners and len(inputs) > _MANY:
        return leave(node, f"it would have {len(inputs)} operands, more than {_MANY}")
    return edit.put(node.op, inputs, node, *inners) if inners else None


# ---- layers that flatten -----------------------------------------------------------------------
def _needless_flatten(edit: Edit, node: Node) -> Value | None:
    """``dense(reshape(x))`` that flattens by itself: ``dense(x)``."""
    inner = producer(node.inputs[0], *_RESHAPES)
    x = None if inner is None else inner.inputs[0]
    if inner is None or x is None or not node.op.attrs()["flatten"]:
        return None
    before, after = shape_of(x), shape_of(inner.output)
    if len(before) < 2 or len(after) < 2 or not same_shape(before[:1], after[:1]):
        return None  # rows would be others
    return edit.put(node.op, [x, *node.inputs[1:]], node, inner)


_RULES: dict[str, tuple[Rule, ...]] = {
    "dense": (_needless_flatten,),
    "reshape": (_unchanged, _join_reshapes),
    "expand_dims": (_join_reshapes,),
    "squeeze": (_unchanged, _join_reshapes),
    "broadcast_to": (_unchanged, _join_broadcasts),
    "transpose": (join_transposes, transpose_as_reshape),
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
        always += [absorb, sink(movable_nodes(graph))]
    rules["*"] = tuple(always)
    return sweep(graph, rules)
