"""Named dimensions become numbers.

Given    %x: float32[batch,3]   %y = reshape[shape=(3*batch,)](%x)   and batch = 8
Result   %x: float32[8,3]       %y = reshape[shape=(24,)](%x)

The caller keeps the condition ``batch == 8`` with what it makes of the graph.  Inside bodies only
the dimensions of the graph around them are bound: those of their operands differ from call to call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Value
from symgluon.ir.op import Op
from symgluon.ir.printer import all_bodies
from symgluon.passes.manager import Pass, count, explain, explaining
from symgluon.passes.rewrite import with_bodies


def _bound_names(graph: Graph) -> set[str]:
    """Dimensions that the operands of a body bind."""
    return {
        name
        for value in graph.operands()
        for n in value.type.shape or ()
        if isinstance(n, Dim)
        for name in n.names()
    }


def _bind(graph: Graph, bind: Callable[[Any], Any], copies: dict[int, Graph]) -> int:
    """Put sizes into the types and operators of `graph`; returns how many of them changed."""
    count = 0
    for value in graph.values():
        shape = value.type.shape
        if shape is None or value.type.is_static:
            continue
        new = [bind(n) if isinstance(n, Dim) else n for n in shape]
        if any(a is not b for a, b in zip(new, shape, strict=True)):
            value.type = value.type.with_shape(new)
            count += 1
    for node in graph.nodes:
        op = with_bodies(node.op.map_dims(bind), copies)
        count += op is not node.op
        node.op = op
    draws: list[tuple[Value, Op]] = [(v, op.map_dims(bind)) for v, op in graph.draws]
    graph.draws = draws
    return count


def _binder(sizes: Mapping[str, int]) -> Callable[[Any], Any]:
    def bind(dim: Any) -> Any:
        known = {n: sizes[n] for n in dim.names() if n in sizes}
        return dim.substitute(known) if known else dim

    return bind


def specialise(graph: Graph, sizes: Mapping[str, int]) -> int:
    """Bind named dimensions of `graph`, in place.

    Parameters
    ----------
    sizes : mapping of str to int
        Numbers by name; names that are not in it stay.

    Returns
    -------
    int
        How many types and operators changed.
    """
    copies: dict[int, Graph] = {}
    for body in all_bodies(graph):
        inner = {k: v for k, v in sizes.items() if k not in _bound_names(body)}
        copy = body.copy()
        copies[id(body)] = copy if _bind(copy, _binder(inner), copies) else body
    changed = _bind(graph, _binder(sizes), copies)
    graph.hints.update({k: v for k, v in sizes.items() if k in graph.hints})
    if changed:
        count(", ".join([f"{k}={v}" for k, v in sizes.items()]), changed)
    if explaining():
        for name in sorted(_bound_names(graph) - set(sizes)):
            explain(f"{name}: no size was given")
    return changed


def specialise_shapes(sizes: Mapping[str, int]) -> Pass:
    """Return the pass that binds `sizes`, for use in a pipeline."""
    fixed = dict(sizes)
    return Pass(
        "specialise_shapes",
        lambda graph: specialise(graph, fixed),
        "Bind named dimensions to numbers: " + ", ".join(f"{k}={v}" for k, v in fixed.items()),
    )
