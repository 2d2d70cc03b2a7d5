"""An independent check of a memory plan: the graph is walked and every overwrite is questioned.

Nothing of the planner is used here.  At each node the buffers of its results are written (a view
writes nothing); whatever value still has a reader, or is an output, must not lie there.
"""

from __future__ import annotations

from collections.abc import Iterator

from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.passes.plan_memory import MemoryPlan, value_bytes

Range = tuple[int, int]


def check_plan(graph: Graph, plan: MemoryPlan) -> list[str]:
    """Return what is wrong with `plan`; empty if no live value is overwritten.

    Quadratic in the values alive at once: for tests and for tools, not for every compilation.
    """
    return [*_size_problems(graph, plan), *_overwrites(graph, plan)]


def _size_problems(graph: Graph, plan: MemoryPlan) -> Iterator[str]:
    for node in graph.nodes:
        for value in node.outputs:
            if value not in plan.offsets:
                continue
            need = value_bytes(value.type, plan.env)
            have = plan.sizes[value]
            view = node.op.aliases and node.inputs[0] is not None
            if need is None or (need > have and not view):
                yield f"%{value.name} needs {need} bytes, has {have}"
            if plan.offsets[value] < 0 or plan.offsets[value] + have > plan.peak:
                yield f"%{value.name} lies outside the block of {plan.peak} bytes"


def _last_reads(graph: Graph) -> dict[Value, int]:
    last: dict[Value, int] = {}
    for i, node in enumerate(graph.nodes):
        last.update({v: i for v in node.inputs if v is not None})
    last.update(dict.fromkeys(graph.outputs, len(graph.nodes)))
    return last


def _range(plan: MemoryPlan, value: Value) -> Range | None:
    place = plan.offsets.get(value)
    return None if place is None else (place, place + plan.sizes[value])


def _is_view(node: Node, value: Value, plan: MemoryPlan) -> bool:
    """Whether a result lies where the operand it looks into lies."""
    source = node.inputs[0] if node.inputs and node.op.aliases else None
    return source is not None and _range(plan, value) == _range(plan, source)


def _overwrites(graph: Graph, plan: MemoryPlan) -> Iterator[str]:
    last = _last_reads(graph)
    alive: dict[Value, Range] = {}
    for i, node in enumerate(graph.nodes):
        for out, value in enumerate(node.outputs):
            own = _range(plan, value)
            if own is None:
                continue
            if not _is_view(node, value, plan):
                allowed = _may_overwrite(node, out, own, plan)
                for other, (low, high) in alive.items():
                    if low < own[1] and own[0] < high and other not in allowed:
                        yield f"%{value.name} overwrites %{other.name} at step {i}"
            alive[value] = own
        done = [v for v in alive if last.get(v, i) <= i]
        for value in done:
            del alive[value]


def _may_overwrite(node: Node, out: int, own: Range, plan: MemoryPlan) -> set[Value]:
    """Operands that this node may write over: those that `Op.inplace` names in all their slots."""
    found: set[Value] = set()
    if bodies(node.op):
        return found
    for result, slot in node.op.inplace:
        operand = node.inputs[slot] if slot < len(node.inputs) else None
        if result != out or operand is None or _range(plan, operand) != own:
            continue
        slots = [s for s, v in enumerate(node.inputs) if v is operand]
        if all((out, s) in node.op.inplace for s in slots):
            found.add(operand)
    return found
