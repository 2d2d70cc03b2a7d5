"""Every intermediate result gets a place in one block of memory, known before the first call.

Given    %a lives over steps 0-1, %b over 1-2, %c over 2-3, 64 bytes each
Result   %a at 0, %b at 64, %c at 0: 128 bytes instead of 192

Two planners: *best fit* takes results in time order and puts each into the smallest hole that
holds it (a sorted free list, neighbours joined); *largest first* places large results first, each
into the lowest gap among those alive with it.  The first always runs, the second where it is
cheap; the smaller plan wins.  Sizes are those at `Graph.hints` or at the sizes given; results
whose size only the data tells are left out.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from symgluon.errors import SymgluonError
from symgluon.ir.dims import Dim, evaluate
from symgluon.ir.graph import Graph, Value
from symgluon.ir.printer import human_bytes
from symgluon.ir.types import TensorType
from symgluon.passes.liveness import classes
from symgluon.passes.manager import graph_pass

ALIGNMENT = 64
_BLOCK = 64  # steps: granularity at which `largest_first` looks up who is alive
_CHEAP = 100_000  # sum of lifetimes in blocks up to which `largest_first` runs


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
        saved = f"{self.peak / self.total:.0%} of " if self.total else ""
        lines.append(
            f"{human_bytes(self.peak)} planned ({self.method}), {saved}the sum "
            f"{human_bytes(self.total)}; lower bound {human_bytes(self.lower_bound)}"
        )
        return "\n".join(lines)


# ---- planners ----------------------------------------------------------------------------------
class _FreeList:
    """Holes of a block of memory, by place and by size."""

    def __init__(self) -> None:
        self.top = 0
        self.places: list[int] = []
        self.size_at: dict[int, int] = {}
        self.by_size: list[tuple[int, int]] = []

    def _drop(self, place: int) -> int:
        size = self.size_at.pop(place)
        del self.places[bisect_left(self.places, place)]
        del self.by_size[bisect_left(self.by_size, (size, place))]
        return size

    def _add(self, place: int, size: int) -> None:
        insort(self.places, place)
        self.size_at[place] = size
        insort(self.by_size, (size, place))

    def take(self, size: int) -> int:
        """Return the place for `size` bytes: the smallest hole, else the end of the block."""
        i = bisect_left(self.by_size, (size, -1))
        if i < len(self.by_size):
            place = self.by_size[i][1]
            rest = self._drop(place) - size
            if rest:
                self._add(place + size, rest)
            return place
        last = self.places[-1] if self.places else -1
        if last >= 0 and last + self.size_at[last] == self.top:
            self._drop(last)  # the hole at the end grows
        else:
            last = self.top
        self.top = last + size
        return last

    def give(self, place: int, size: int) -> None:
        """Return `size` bytes; holes that touch become one."""
        i = bisect_right(self.places, place)
        after = self.places[i] if i < len(self.places) else -1
        before = self.places[i - 1] if i else -1
        if after == place + size:
            size += self._drop(after)
        if before >= 0 and before + self.size_at[before] == place:
            size += self._drop(before)
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


def largest_first(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """Place the largest buffers first, each into the lowest gap; returns places and peak."""
    blocks: dict[int, list[int]] = {}
    places = [0] * len(buffers)
    peak = 0
    order = sorted(range(len(buffers)), key=lambda i: (-buffers[i].size, buffers[i].start, i))
    for i in order:
        start, end, size = buffers[i]
        if not size:
            continue
        spans = range(start // _BLOCK, end // _BLOCK + 1)
        near = {j for b in spans for j in blocks.get(b, ())}
        taken = sorted(
            [
                (places[j], places[j] + buffers[j].size)
                for j in near
                if buffers[j].start <= end and start <= buffers[j].end
            ]
        )
        place = 0
        for low, high in taken:
            if low - place >= size:
                break
            place = max(place, high)
        places[i] = place
        peak = max(peak, place + size)
        for b in spans:
            blocks.setdefault(b, []).append(i)
    return places, peak


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


def place_buffers(buffers: Sequence[Buffer]) -> tuple[list[int], int, str]:
    """Run the planners; returns places, peak and the name of the one that won."""
    places, peak = best_fit(buffers)
    spans = sum([b.end // _BLOCK - b.start // _BLOCK + 1 for b in buffers])
    if spans < _CHEAP and peak > lower_bound(buffers):
        others, other_peak = largest_first(buffers)
        if other_peak < peak:
            return others, other_peak, "largest first"
    return places, peak, "best fit"


# ---- graphs ------------------------------------------------------------------------------------
def value_bytes(type: TensorType, env: Mapping[str, int]) -> int | None:
    """Bytes of a value at the sizes `env`, padded; None if they are not known."""
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
        roots.append(root)
        buffers.append(Buffer(interval.start, min(interval.end, last_step), size))
    for value in (v for node in found.nodes for v in node.outputs):
        if found.root[value] is value or value in graph.inplace:
            total += value_bytes(value.type, env) or 0
    places, peak, method = place_buffers(buffers)
    where = dict(zip(roots, zip(places, buffers, strict=True), strict=True))
    planned = [v for node in found.nodes for v in node.outputs if found.root[v] in where]
    return MemoryPlan(
        offsets={v: where[found.root[v]][0] for v in planned},
        sizes={v: where[found.root[v]][1].size for v in planned},
        steps={v: where[found.root[v]][1][:2] for v in planned},
        peak=peak,
        total=total,
        lower_bound=lower_bound(buffers),
        method=method,
        unplanned=tuple(unplanned),
        env=env,
    )


@graph_pass("plan_memory", needs=("mark_inplace",), keeps=("inplace", "plan"))
def plan_memory(graph: Graph) -> int:
    """Give every intermediate result its place in one block of memory."""
    graph.plan = make_plan(graph)
    return len(graph.plan.offsets)
