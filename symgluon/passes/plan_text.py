"""A memory plan as data and as text: buffers, a table, a timeline of letters.

A *buffer* is one place of the plan over the steps in which it is in use; views and results written
in place lie in the buffer of their operand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from symgluon.ir.graph import Value
from symgluon.ir.printer import human_bytes

if TYPE_CHECKING:
    from symgluon.passes.plan_memory import MemoryPlan

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_LEGEND = 24  # buffers named under a timeline


class PlannedBuffer(NamedTuple):
    """One place: bytes, first and last step of its use, the values that lie there."""

    offset: int
    size: int
    first: int
    last: int
    values: tuple[Value, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        made = self.values[0].producer
        return {
            "offset": self.offset,
            "bytes": self.size,
            "first": self.first,
            "last": self.last,
            "values": [v.name for v in self.values],
            "type": str(self.values[0].type),
            "operator": "" if made is None else made.op.name,
            "block": next((o.block or o.mx_name for o in made.origin), "") if made else "",
        }


def buffers(plan: MemoryPlan) -> list[PlannedBuffer]:
    """Return the buffers of a plan in the order of their first step."""
    found: dict[tuple[int, int, int, int], list[Value]] = {}
    for value, offset in plan.offsets.items():
        first, last = plan.steps[value]
        found.setdefault((first, last, offset, plan.sizes[value]), []).append(value)
    return [
        PlannedBuffer(offset, size, first, last, tuple(values))
        for (first, last, offset, size), values in sorted(
            found.items(), key=lambda item: (item[0][0], item[0][2])
        )
    ]


def alive_bytes(placed: Sequence[PlannedBuffer], steps: int) -> list[int]:
    """Return the bytes in use at each step."""
    changes = [0] * (steps + 1)
    for buffer in placed:
        changes[buffer.first] += buffer.size
        changes[buffer.last + 1] -= buffer.size
    alive, found = 0, []
    for change in changes[:steps]:
        alive += change
        found.append(alive)
    return found


def last_step(placed: Sequence[PlannedBuffer]) -> int:
    """Number of steps that a plan covers."""
    return max([b.last for b in placed], default=-1) + 1


def plan_data(plan: MemoryPlan) -> dict[str, Any]:
    """Return a plan as data that JSON can say."""
    placed = buffers(plan)
    steps = last_step(placed)
    return {
        "peak": plan.peak,
        "total": plan.total,
        "lower_bound": plan.lower_bound,
        "method": plan.method,
        "sizes": dict(plan.env),
        "steps": steps,
        "alive": alive_bytes(placed, steps),
        "buffers": [b.to_dict() for b in placed],
        "unplanned": [v.name for v in plan.unplanned],
    }


def plan_line(plan: MemoryPlan) -> str:
    """Return peak, sum and lower bound in a line."""
    saved = f"{plan.peak / plan.total:.0%} of " if plan.total else ""
    return (
        f"{human_bytes(plan.peak)} planned ({plan.method}), {saved}the sum "
        f"{human_bytes(plan.total)}; lower bound {human_bytes(plan.lower_bound)}"
    )


# ---- the timeline ------------------------------------------------------------------------------
def _cells(
    placed: Sequence[PlannedBuffer], steps: int, peak: int, width: int, height: int
) -> list[list[int]]:
    """Which buffer covers most of each cell (-1: none); row 0 is the lowest address."""
    grid = [[-1] * width for _ in range(height)]
    best = [[0.0] * width for _ in range(height)]
    for i, buffer in enumerate(placed):
        if not buffer.size:
            continue
        left, right = buffer.first * width / steps, (buffer.last + 1) * width / steps
        low, high = buffer.offset * height / peak, (buffer.offset + buffer.size) * height / peak
        for row in range(int(low), min(height, int(high) + 1)):
            tall = min(high, row + 1) - max(low, row)
            for column in range(int(left), min(width, int(right) + 1)):
                area = tall * (min(right, column + 1) - max(left, column))
                if area > best[row][column]:
                    best[row][column], grid[row][column] = area, i
    return grid


def timeline(plan: MemoryPlan, *, width: int = 72, height: int = 16) -> str:
    """Return the plan as a picture of letters: steps to the right, addresses upwards.

    A letter is the buffer that covers most of a cell; ``.`` is free.  The largest buffers are named
    underneath.
    """
    placed = buffers(plan)
    steps = last_step(placed)
    if not plan.peak:
        return plan_line(plan)
    width, height = max(1, min(width, steps)), max(1, height)
    grid = _cells(placed, steps, plan.peak, width, height)
    lines = []
    for row in range(height - 1, -1, -1):
        letters = ["." if i < 0 else _LETTERS[i % len(_LETTERS)] for i in grid[row]]
        label = human_bytes(int(plan.peak * (row + 1) / height))
        lines.append(f"{label:>10} |{''.join(letters)}|")
    lines.append(f"{'step':>10}  0{steps - 1:>{max(width - 1, 1)}}" if width > 1 else "")
    shown = {i for row in grid for i in row if i >= 0}
    largest = sorted(shown, key=lambda i: (-placed[i].size, i))[:_LEGEND]
    for i in sorted(largest):
        b = placed[i]
        names = ", ".join(v.name for v in b.values[:3]) + (", ..." if len(b.values) > 3 else "")
        lines.append(f"  {_LETTERS[i % len(_LETTERS)]}  {human_bytes(b.size):>9}  "
                     f"steps {b.first}-{b.last}  {names}")  # fmt: skip
    if len(shown) > len(largest):
        lines.append(f"  ... and {len(placed) - len(largest)} smaller buffers")
    return "\n".join([*lines, plan_line(plan)])
