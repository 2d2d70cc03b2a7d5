"""Child blocks as functions: each call of one becomes a `Call` node with a shared body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from symgluon.gluon.structure import flatten, unflatten
from symgluon.ir.graph import Graph, Value
from symgluon.ops.array import Array, wrap
from symgluon.ops.call import Call
from symgluon.ops.region import Region, resolve_dims
from symgluon.ops.state import state


def call_as_function(block: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Trace ``block.forward`` into a body of its own and add a `Call` to it.

    The inner region has no arguments, only captures: the child gets the caller's own handles, so
    aliases, views and writes need no rule.  Equal bodies (by fingerprint) are stored once.
    """
    outer = state.region
    if outer is None:
        raise RuntimeError("call_as_function runs inside a trace")
    inner = Region(type(block).__name__, outer.scope, parent=outer)
    with inner.active():
        out = block.forward(*args, **kwargs)
        leaves: list[Array] = []
        spec = flatten(out, leaves)
        given = [i for i, h in enumerate(leaves) if not _is_foreign(h, inner)]
        left = list(_left_in_lists([args, kwargs], inner))
        graph = inner.close([*[leaves[i] for i in given], *[box[key] for box, key in left]])
    resolve_dims(graph, outer.scope)
    graph.scope = outer.scope
    cells = [cell for cell, _ in inner.captures.values()]
    operands = [outer.read(cell) for cell in cells]
    body = _shared_body(outer, graph)
    types = [v.type for v in graph.outputs]
    if not graph.outputs:
        return unflatten(spec, iter(leaves))
    node = outer.graph.add(
        Call(body), operands, types, name=block_hint(outer), origin=outer.origin()
    )
    targets = {value: cell for cell, value in inner.captures.values()}
    for index, value in graph.writes.items():
        outer.write(targets[value], node.outputs[index])
    results = list(leaves)
    for position, i in enumerate(given):
        handle = wrap(node.outputs[position], type(leaves[i]))
        results[i] = handle
    for position, (box, key) in enumerate(left, len(given)):
        box[key] = wrap(node.outputs[position], type(box[key]))
    return unflatten(spec, iter(results))


def _left_in_lists(box: Any, inner: Region) -> Iterator[tuple[Any, Any]]:
    """Places in lists and dictionaries of the caller where the block put arrays of its own."""
    items: Any = box.items() if isinstance(box, dict) else enumerate(box)
    for key, item in items:
        if isinstance(item, list | dict | tuple):
            yield from _left_in_lists(item, inner)
        elif (
            isinstance(item, Array) and not isinstance(box, tuple) and not _is_foreign(item, inner)
        ):
            yield box, key


def _is_foreign(handle: Array, inner: Region) -> bool:
    """Whether the block returned one of the caller's handles itself."""
    if handle._base is not None:
        return False
    data = handle._data
    return not (isinstance(data, Value) and data.graph is inner.graph)


def _shared_body(outer: Region, graph: Graph) -> Graph:
    root = outer
    while root.parent is not None:
        root = root.parent
    key = graph.fingerprint()
    known = root.bodies.get(key)
    if known is not None:
        return known  # type: ignore[no-any-return]
    used = {b.name for b in root.bodies.values()}
    base = graph.name
    number = 1
    while graph.name in used:
        graph.name = f"{base}_{number}"
        number += 1
    root.bodies[key] = graph
    return graph


def block_hint(region: Region) -> str:
    """Name of the results of the child block being called."""
    return region.path[-1] if region.path else "call"
