"""Every intermediate result gets a place in one block of memory, known before the first call.

Given    %a lives over steps 0-1, %b over 1-2, %c over 2-3, 64 bytes each
Result   %a at 0, %b at 64, %c at 0: 128 bytes instead of 192

Several planners: *best fit* takes results in time order and puts each into the smallest hole that
holds it (a sorted free list, neighbours joined); the others take them in another order (the
largest, the longest first, ...) and put each into the lowest gap among those alive with it.  The
first always runs, the others while they are cheap; the smallest plan wins.  Sizes are those at
`Graph.hints` or at the sizes given; results whose size only the data tell are left out.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from symgluon.errors import SymgluonError
from symgluon.ir.dims import Dim, evaluate
from symgluon.ir.graph import Graph, Value
from symgluon.ir.types import TensorType
from symgluon.passes.liveness import classes
from symgluon.passes.manager import count, explain, graph_pass
from symgluon.passes.plan_text import plan_data, plan_line, timeline

ALIGNMENT = 64
_BLOCK = 32  # steps: granularity at which `place_in_order` looks up who is alive
_BUDGET = 400_000  # comparisons that planning a graph may take: about 50 ms


class Buffer(NamedTuple):
    """What is placed: first and last step, bytes."""

    start: int
    end: int
    size: int


@dataclass(frozen=True)
class MemoryPlan:
    """Where intermediate results lie.

    Attributes
    ----------
    offsets : dict of Value to int
        Place of each planned value; views and results in place lie where their operand lies.
    sizes : dict of Value to int
        Bytes of the buffer that the value lies in, padded to :data:`ALIGNMENT`.
    steps : dict of Value to (int, int)
        First and last step (position in node order) at which that buffer is in use.
    peak : int
        Bytes of the whole block.
    total : int
        Bytes if each result had a buffer of its own.
    lower_bound : int
        Bytes alive at the worst step: no plan is smaller.
    method : str
        The planner that won.
    unplanned : tuple of Value
        Results whose size is not known before the call.
    """

    offsets: dict[Value, int]
    sizes: dict[Value, int]
    steps: dict[Value, tuple[int, int]]
    peak: int
    total: int
    lower_bound: int
    method: str
    unplanned: tuple[Value, ...] = ()
    env: dict[str, int] = field(default_factory=dict)

    def table(self) -> str:
        """Return the plan as text, one value a line in order of their first step."""
        width = max([len(v.name) for v in self.offsets], default=5)
        lines = [f"{'value':{width}}  {'offset':>10}  {'bytes':>10}  steps"]
        for value, offset in self.offsets.items():
            first, last = self.steps[value]
            lines.append(f"{value.name:{width}}  {offset:>10}  {self.sizes[value]:>10}  "
                         f"{first}-{last}")  # fmt: skip
        return "\n".join([*lines, plan_line(self)])

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as data that JSON can say: buffers, bytes in use at each step, sums."""
        return plan_data(self)

    def timeline(self, *, width: int = 72, height: int = 16) -> str:
        """Return the plan as a picture of letters: steps to the right, addresses upwards."""
        return timeline(self, width=width, height=height)

    def to_html(self, title: str = "memory plan") -> str:
        """Return the plan as a page of its own: a timeline to point at and to search."""
        from symgluon.passes.page import plan_page

        return plan_page(self, title)


# ---- planners ----------------------------------------------------------------------------------
class _FreeList:
    """Holes of a block of memory, sorted by size; neighbours are found by where holes end."""

    def __init__(self) -> None:
        self.top = 0
        self.size_at: dict[int, int] = {}
        self.place_to: dict[int, int] = {}  # end of a hole -> its place
        self.by_size: list[tuple[int, int]] = []

    def _drop(self, place: int, size: int) -> None:
        del self.size_at[place], self.place_to[place + size]
        del self.by_size[bisect_left(self.by_size, (size, place))]

    def _add(self, place: int, size: int) -> None:
        self.size_at[place] = size
        self.place_to[place + size] = place
        insort(self.by_size, (size, place))

    def take(self, size: int) -> int:
        """Return the place for `size` bytes: the smallest hole, else the end of the block."""
        i = bisect_left(self.by_size, (size, -1))
        if i < len(self.by_size):
            found, place = self.by_size.pop(i)
            del self.size_at[place], self.place_to[place + found]
            if found > size:
                self._add(place + size, found - size)
            return place
        last = self.place_to.get(self.top)
        if last is None:
            last = self.top
        else:
            self._drop(last, self.top - last)  # the hole at the end grows
        self.top = last + size
        return last

    def give(self, place: int, size: int) -> None:
        """Return `size` bytes; holes that touch become one."""
        after = self.size_at.get(place + size)
        if after is not None:
            self._drop(place + size, after)
            size += after
        before = self.place_to.get(place)
        if before is not None:
            self._drop(before, place - before)
            size += place - before
            place = before
        self._add(place, size)


def best_fit(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """Place buffers (in order of their start) into the smallest holes; returns places and peak."""
    free = _FreeList()
    alive: list[tuple[int, int, int]] = []
    places: list[int] = []
    for start, end, size in buffers:
        while alive and alive[0][0] < start:
            _, place, length = heapq.heappop(alive)
            free.give(place, length)
        if not size:
            places.append(0)
            continue
        place = free.take(size)
        places.append(place)
        heapq.heappush(alive, (end, place, size))
    return places, free.top


#: orders in which buffers are placed one by one, with the sort key of each
_ORDERS: tuple[tuple[str, Callable[[Buffer], float]], ...] = (
    ("largest first", lambda b: b.size),
    ("large and long first", lambda b: b.size * math.sqrt(b.end - b.start + 1)),
    ("largest area first", lambda b: b.size * (b.end - b.start + 1)),
    ("longest first", lambda b: b.end - b.start),
)


def place_in_order(
    buffers: Sequence[Buffer], key: Callable[[Buffer], float]
) -> tuple[list[int], int]:
    """Place buffers by falling `key`, each into the lowest gap; returns places and peak."""
    blocks: dict[int, list[tuple[int, int, int, int]]] = {}
    places = [0] * len(buffers)
    peak = 0
    for i in sorted(range(len(buffers)), key=lambda i: (-key(buffers[i]), buffers[i].start, i)):
        start, end, size = buffers[i]
        if not size:
            continue
        place = _lowest_gap(blocks, start, end, size)
        places[i] = place
        peak = max(peak, place + size)
        record = (place, place + size, start, end)
        for block in range(start // _BLOCK, end // _BLOCK + 1):
            blocks.setdefault(block, []).append(record)
    return places, peak


def _lowest_gap(
    blocks: Mapping[int, Sequence[tuple[int, int, int, int]]], start: int, end: int, size: int
) -> int:
    """Lowest place for `size` bytes that are free from step `start` to `end`."""
    first, last = start // _BLOCK, end // _BLOCK
    found: Iterable[tuple[int, int, int, int]] = blocks.get(first, ())
    if first != last:  # one that lives over several blocks is found in each
        found = {r for block in range(first, last + 1) for r in blocks.get(block, ())}
    alive = [r for r in found if r[2] <= end and start <= r[3]]
    alive.sort()
    place = 0
    for low, high, _, _ in alive:
        if low - place >= size:
            break
        if high > place:
            place = high
    return place


def largest_first(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """Place the largest buffers first, each into the lowest gap; returns places and peak."""
    return place_in_order(buffers, _ORDERS[0][1])


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """Return the bytes alive at the worst step."""
    changes: dict[int, int] = {}
    for start, end, size in buffers:
        changes[start] = changes.get(start, 0) + size
        changes[end + 1] = changes.get(end + 1, 0) - size
    alive = worst = 0
    for step in sorted(changes):
        alive += changes[step]
        worst = max(worst, alive)
    return worst


def place_buffers(
    buffers: Sequence[Buffer], bound: int | None = None
) -> tuple[list[int], int, str]:
    """Run the planners; returns places, peak and the name of the one that won.

    Best fit always runs.  Where its plan is above the lower bound, the others follow as long as
    the comparisons they make stay within a budget, which depends on the buffers alone: the same
    graph has the same plan on a slow machine.
    """
    places, peak = best_fit(buffers)
    name, bound = "best fit", lower_bound(buffers) if bound is None else bound
    if peak <= bound:
        return places, peak, name
    work = _comparisons(buffers)
    budget = _BUDGET
    for other, key in _ORDERS:
        budget -= work
        if budget < 0 or peak <= bound:
            break
        found, found_peak = place_in_order(buffers, key)
        if found_peak < peak:
            places, peak, name = found, found_peak, other
    return places, peak, name


def _comparisons(buffers: Sequence[Buffer]) -> int:
    """About how many buffers `place_in_order` looks at."""
    changes: dict[int, int] = {}
    for b in buffers:
        first, last = b.start // _BLOCK, b.end // _BLOCK
        changes[first] = changes.get(first, 0) + 1
        changes[last + 1] = changes.get(last + 1, 0) - 1
    total = alive = 0
    steps = sorted(changes)
    for step, after in zip(steps, [*steps[1:], 0], strict=True):
        alive += changes[step]
        total += alive * alive // 2 * max(0, after - step)
    return total


# ---- graphs ------------------------------------------------------------------------------------
def value_bytes(type: TensorType, env: Mapping[str, int]) -> int | None:
    """Bytes of a value at the sizes `env`, padded; None if they are not known."""
    if type.is_static and type.shape is not None:
        plain: int = math.prod(type.shape) * type.dtype.itemsize
        return -(-plain // ALIGNMENT) * ALIGNMENT
    if not type.is_known:
        return None
    size: Any = type.nbytes
    if isinstance(size, Dim):
        if any(name not in env for name in size.names()):
            return None
        try:
            size = evaluate(size, env)
        except SymgluonError:
            return None
    return -(-int(size) // ALIGNMENT) * ALIGNMENT


def make_plan(graph: Graph, sizes: Mapping[str, int] | None = None) -> MemoryPlan:
    """Plan the intermediate results of `graph`, under its in-place marks.

    Parameters
    ----------
    sizes : mapping, optional
        Sizes of the named dimensions; by default `Graph.hints`.
    """
    env = dict(graph.hints if sizes is None else sizes)
    found = classes(graph)
    last_step = max(len(found.nodes) - 1, 0)
    roots: list[Value] = []
    buffers: list[Buffer] = []
    unplanned: list[Value] = []
    total = 0
    for root, interval in found.interval.items():
        size = value_bytes(root.type, env)
        if size is None:
            unplanned.append(root)
            continue
        total += size
        roots.append(root)
        buffers.append(Buffer(interval.start, min(interval.end, last_step), size))
    total += sum([value_bytes(value.type, env) or 0 for value in graph.inplace])
    bound = lower_bound(buffers)
    places, peak, method = place_buffers(buffers, bound)
    plan: dict[Value, tuple[int, Buffer]] = dict(
        zip(roots, zip(places, buffers, strict=True), strict=True)
    )
    offsets: dict[Value, int] = {}
    held: dict[Value, int] = {}
    steps: dict[Value, tuple[int, int]] = {}
    for node in found.nodes:
        for value in node.outputs:
            where = plan.get(found.root[value])
            if where is not None:
                offsets[value], (start, end, held[value]) = where
                steps[value] = (start, end)
    return MemoryPlan(
        offsets=offsets,
        sizes=held,
        steps=steps,
        peak=peak,
        total=total,
        lower_bound=bound,
        method=method,
        unplanned=tuple(unplanned),
        env=env,
    )


@graph_pass("plan_memory", needs=("mark_inplace",), keeps=("inplace", "plan"))
def plan_memory(graph: Graph) -> int:
    """Give every intermediate result its place in one block of memory."""
    graph.plan = make_plan(graph)
    count(graph.plan.method)
    for value in graph.plan.unplanned:
        explain(f"%{value.name}: its size is not known before the call")
    return len(graph.plan.offsets)
