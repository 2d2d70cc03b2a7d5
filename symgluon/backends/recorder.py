"""What a profile is made of: events with their times, statistics over them, and a trace file.

Nothing here is called while no profile is taken.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

#: events that are kept for the trace file; later ones still count in the statistics
MOST_EVENTS = 1_000_000

SORTS = ("total", "avg", "min", "max", "count")


class Event(NamedTuple):
    """One entry of the trace."""

    phase: str  # X: a span, C: a counter, i: an instant
    category: str
    name: str
    start: int  # ns, on the clock of time.perf_counter_ns
    duration: int  # ns; a counter's value
    thread: int
    args: dict[str, Any] | None
    counted: bool  # whether the statistics have it


class Statistics:
    """Count, sum, least and greatest of one name."""

    __slots__ = ("count", "greatest", "least", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.least = 0
        self.greatest = 0

    def add(self, value: int) -> None:
        """Count one more."""
        if not self.count or value < self.least:
            self.least = value
        if not self.count or value > self.greatest:
            self.greatest = value
        self.count += 1
        self.total += value

    def sorted_by(self, key: str) -> float:
        """What `dumps` sorts by."""
        numbers = {
            "total": self.total,
            "avg": self.total / max(self.count, 1),
            "min": self.least,
            "max": self.greatest,
            "count": self.count,
        }
        return numbers[key]


class Recorder:
    """Events of all threads, and the statistics over them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begin()
        self.events: list[Event] = []
        self.dropped = 0
        self._folded = 0
        self._times: dict[str, dict[str, Statistics]] = {}
        self._sizes: dict[str, dict[str, Statistics]] = {}
        self._threads: dict[int, str] = {}

    def begin(self) -> None:
        """Let the times of the trace count from now."""
        self.origin = time.perf_counter_ns()
        #: from the clock of the system to that of the events
        self.system = self.origin - time.time_ns()

    # ---- recording -------------------------------------------------------------------------
    def add(
        self,
        category: str,
        name: str,
        start: int,
        duration: int,
        *,
        thread: int | None = None,
        args: dict[str, Any] | None = None,
        phase: str = "X",
        counted: bool = True,
    ) -> None:
        """Record one event of this thread, or of `thread`."""
        if thread is None:
            thread = threading.get_native_id()
            if thread not in self._threads:
                self._threads[thread] = threading.current_thread().name
        event = Event(phase, category, name, start, duration, thread, args, counted)
        if len(self.events) < MOST_EVENTS:
            self.events.append(event)  # one operation for the interpreter: no lock
            return
        with self.lock:
            self._count(event)
            self.dropped += 1

    def add_blocks(self, root: str, nodes: Sequence[tuple[int, int, str]], thread: int) -> None:
        """Record the time of each block in one call of a compiled graph.

        Parameters
        ----------
        root : str
            Path of the block that was called.
        nodes : sequence of (start, duration, path)
            What ran, in order; the path is below `root`.

        Notes
        -----
        The statistics have one entry for each block and call: the sum over its nodes.  The trace
        has a span from the first to the last of the nodes that followed each other.
        """
        sums: dict[str, int] = {}
        open_: list[tuple[str, int]] = []  # path, start
        end = 0
        for start, duration, path in nodes:
            parts = list(_prefixes(root, path))
            for prefix in parts:
                sums[prefix] = sums.get(prefix, 0) + duration
            same = 0
            while same < min(len(open_), len(parts)) and open_[same][0] == parts[same]:
                same += 1
            self._close(open_, same, end, thread)
            open_ += [(prefix, start) for prefix in parts[same:]]
            end = start + duration
        self._close(open_, 0, end, thread)
        with self.lock:
            for prefix, total in sums.items():
                self._statistics(self._times, "block", prefix).add(total)

    def _close(self, open_: list[tuple[str, int]], keep: int, end: int, thread: int) -> None:
        while len(open_) > keep:
            path, start = open_.pop()
            self.add("block", path, start, end - start, thread=thread, counted=False)

    # ---- statistics ------------------------------------------------------------------------
    @staticmethod
    def _statistics(tables: dict[str, dict[str, Statistics]], table: str, name: str) -> Statistics:
        rows = tables.setdefault(table, {})
        found = rows.get(name)
        if found is None:
            found = rows[name] = Statistics()
        return found

    def _count(self, event: Event) -> None:
        if event.counted and event.phase in "XC":
            tables = self._times if event.phase == "X" else self._sizes
            self._statistics(tables, event.category, event.name).add(event.duration)

    def _fold(self) -> None:
        end = len(self.events)
        for i in range(self._folded, end):
            self._count(self.events[i])
        self._folded = end

    def tables(
        self, sort_by: str, ascending: bool
    ) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
        """Statistics by kind (``Time`` in ms, ``Size``: values of counters), category and name."""
        with self.lock:
            self._fold()
            return {
                kind: {
                    category: {
                        name: _row(row, unit)
                        for name, row in sorted(
                            rows.items(),
                            key=lambda item: item[1].sorted_by(sort_by),
                            reverse=not ascending,
                        )
                    }
                    for category, rows in sorted(tables.items())
                }
                for kind, tables, unit in (("Time", self._times, 1e6), ("Size", self._sizes, 1))
            }

    def reset_statistics(self) -> None:
        """Begin the statistics anew."""
        with self.lock:
            self._fold()
            self._times, self._sizes = {}, {}

    # ---- the trace file --------------------------------------------------------------------
    def forget(self, count: int) -> None:
        """Forget the first `count` events of the trace; the statistics stay."""
        with self.lock:
            self._fold()
            del self.events[:count]
            self._folded -= count
            self.dropped = 0

    def chrome_trace(self, events: Sequence[Event]) -> Iterator[bytes]:
        """Content of a trace file for chrome://tracing or Perfetto, piece by piece."""
        process = os.getpid()
        other = {"dropped_events": self.dropped, "clock": "microseconds since the profile began"}
        yield b'{"displayTimeUnit": "ms", "otherData": %s,\n "traceEvents": [\n' % _json(other)
        yield _json(_about("process_name", process, 0, "symgluon"))
        for thread, name in sorted(self._threads.items()):
            yield b",\n" + _json(_about("thread_name", process, thread, name))
        for event in events:
            yield b",\n" + _json(self._entry(event, process))
        yield b"\n]}\n"

    def _entry(self, event: Event, process: int) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": event.name,
            "cat": event.category,
            "ph": event.phase,
            "ts": round((event.start - self.origin) / 1e3, 3),
            "pid": process,
            "tid": event.thread,
        }
        if event.phase == "X":
            found["dur"] = round(event.duration / 1e3, 3)
        elif event.phase == "C":
            found["args"] = {event.name: event.duration}
        if event.phase == "i":
            found["s"] = (event.args or {}).get("s", "p")
        elif event.args:
            found["args"] = {**found.get("args", {}), **event.args}
        return found


def _prefixes(root: str, path: str) -> Iterator[str]:
    yield root
    at = root
    for part in path.split(".") if path else ():
        at = f"{at}.{part}"
        yield at


def _row(row: Statistics, unit: float) -> dict[str, float]:
    return {
        "Count": row.count,
        "Total": row.total / unit,
        "Min": row.least / unit,
        "Max": row.greatest / unit,
        "Avg": row.total / unit / row.count,
    }


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _about(kind: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": {"name": name}}


#: columns of the text by kind: statistic and title
_COLUMNS = {
    "Time": (("Total", "Time (ms)"), ("Min", "Min Time (ms)"), ("Max", "Max Time (ms)"),
             ("Avg", "Avg Time (ms)")),
    "Size": (("Min", "Min"), ("Max", "Max"), ("Avg", "Avg")),
}  # fmt: skip


def text_tables(tables: dict[str, Any]) -> str:
    """Return the statistics as text, laid out as MXNet lays them out."""
    lines: list[str] = []
    for kind, categories in tables.items():
        columns = _COLUMNS[kind]
        for category, rows in categories.items():
            width = max(40, *[len(name) for name in rows])
            heads = [title for _, title in columns]
            lines += [category, "=" * 17, _line(width, "Name", "Total Count", heads)]
            lines.append(_line(width, "----", "-----------", ["-" * len(h) for h in heads]))
            for name, row in rows.items():
                cells = [f"{row[key]:.4f}" for key, _ in columns]
                lines.append(_line(width, name, str(row["Count"]), cells))
            lines.append("")
    return "\n".join(["", "Profile Statistics:", *lines]) if lines else ""


def _line(width: int, name: str, count: str, cells: Sequence[str]) -> str:
    return f"{name:<{width}} {count:>11}" + "".join(f" {c:>16}" for c in cells)


def first_known(names: Iterable[str], blocks: dict[str, str]) -> str | None:
    """Block of the first of `names` that `blocks` knows, whole or up to a separator; else None.

    A runtime that rewrites a graph makes names from those it was given: ``relu_1_nchwc``,
    ``dense.matmul/MatmulTransposeFusion/``.
    """
    for name in names:
        while name:
            found = blocks.get(name)
            if found is not None:
                return found
            cut = max(name.rfind(c) for c in "._/")
            name = name[:cut] if cut > 0 else ""
    return None
