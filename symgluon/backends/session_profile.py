"""Profiles that ONNX Runtime takes of its sessions, with the nodes mapped back to blocks.

ONNX Runtime writes one file a session, when it is told to end; a session that ended is profiled no
more.  Its clock is the system's, which may be set while it runs: so each run in the file is laid
where it was called by ours.
"""

from __future__ import annotations

import bisect
import contextlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from symgluon.backends.recorder import Recorder, first_known
from symgluon.ir.graph import Graph

CATEGORY = "node (onnxruntime)"
_SUFFIX = "_kernel_time"


class Call(NamedTuple):
    """One call of a compiled graph."""

    root: str  # path of the block that was called
    thread: int
    start: int
    end: int
    nodes: list[tuple[int, int, str]]  # what the interpreter ran in it: start, duration, path


class Watched:
    """A session that is profiled."""

    def __init__(self, session: Any, blocks: dict[str, str], optimised: str) -> None:
        self.session = session
        self.blocks = blocks  # name of a value -> path of the block
        self.optimised = optimised  # the model after ONNX Runtime's rewrites, if it was written
        #: when it was run, by thread
        self.runs: dict[int, list[int]] = {}

    def ran(self) -> None:
        """Note that the session is run now."""
        thread = threading.get_native_id()
        self.runs.setdefault(thread, []).append(time.perf_counter_ns())


class SessionProfile:
    """The sessions that are profiled, and the calls they ran in."""

    def __init__(self) -> None:
        self.folder = ""
        self.calls: list[Call] = []
        self._lock = threading.Lock()
        self._count = 0
        self._watched: list[Watched] = []

    # ---- sessions --------------------------------------------------------------------------
    def prepare(self, options: Any, *, named: bool = True) -> str:
        """Let a session made with `options` be profiled; returns where its model will be written.

        Parameters
        ----------
        named : bool
            Have the optimised model written: it says which node made which value.
        """
        with self._lock:
            self._count += 1
            if not self.folder:
                self.folder = tempfile.mkdtemp(prefix="symgluon-profile-")
            stem = os.path.join(self.folder, f"s{self._count}")
        options.enable_profiling = True
        options.profile_file_prefix = stem
        if not named:
            return ""
        options.optimized_model_filepath = f"{stem}.onnx"
        entry = options.add_session_config_entry
        entry("session.optimized_model_external_initializers_file_name", f"s{self._count}.data")
        entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
        return f"{stem}.onnx"

    def watch(self, session: Any, blocks: dict[str, str], optimised: str) -> Watched:
        """Remember a session that `prepare` was called for; the result is told of its runs."""
        with contextlib.suppress(OSError):
            os.unlink(f"{optimised.removesuffix('.onnx')}.data")  # the weights: not read here
        found = Watched(session, blocks, optimised)
        with self._lock:
            self._watched.append(found)
        return found

    # ---- results ---------------------------------------------------------------------------
    def collect(self, recorder: Recorder) -> None:
        """End the profiles of all sessions and hand what they have to `recorder`."""
        with self._lock:
            watched, self._watched = self._watched, []
            calls, self.calls = self.calls, []
        by_thread: dict[int, list[Call]] = {}
        for call in sorted(calls, key=lambda c: c.start):
            by_thread.setdefault(call.thread, []).append(call)
        for one in watched:
            for node in _nodes(one, recorder.system):
                _record(recorder, node, _call_of(node, by_thread.get(node.thread, ())))
        for call in calls:
            recorder.add_blocks(call.root, _outermost(call.nodes), call.thread)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def _record(recorder: Recorder, node: _Node, call: Call | None) -> None:
    """Hand one node to the recorder, inside of the call it ran in."""
    start, duration, block = node.start, node.duration, node.block
    if call is not None:
        # whole microseconds may reach past the end of the call, and spans must nest
        duration = min(duration, max(0, call.end - start))
        call.nodes.append((start, duration, block))
        block = ".".join(filter(None, (call.root, block)))
    args = {"block": block, "node": node.name, "provider": node.provider}
    recorder.add(CATEGORY, node.kind, start, duration, thread=node.thread, args=args)


class _Node(NamedTuple):
    name: str
    kind: str
    block: str
    provider: str
    start: int
    duration: int
    thread: int


def _nodes(watched: Watched, system: int) -> Iterator[_Node]:
    """Yield what a session ran."""
    begin = watched.session.get_profiling_start_time_ns() + system
    path = watched.session.end_profiling()
    try:
        with open(path, encoding="utf-8") as file:
            events = json.load(file)
    except (OSError, ValueError):  # a profile that ONNX Runtime could not write has nothing to say
        return
    neighbours = _neighbours(watched.optimised)
    shift = _shifts(watched.runs, events, begin)
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith(_SUFFIX):
            continue
        name = event["name"].removesuffix(_SUFFIX)
        args = event.get("args", {})
        block = first_known((name, *neighbours.get(name, ())), watched.blocks)
        yield _Node(
            name,
            args.get("op_name", name),
            block or "",
            args.get("provider", "").removesuffix("ExecutionProvider"),
            shift(event) + event["ts"] * 1000,
            event["dur"] * 1000,
            event["tid"],
        )


def _shifts(runs: dict[int, list[int]], events: Sequence[Any], begin: int) -> Callable[[Any], int]:
    """What to add to the times of an event: by the run it is in, else by the clocks."""
    starts: dict[int, list[int]] = {}
    for event in events:
        if event["name"] == "model_run":
            starts.setdefault(event["tid"], []).append(event["ts"] * 1000)
    for times in starts.values():
        times.sort()

    def shift(event: Any) -> int:
        seen, called = starts.get(event["tid"], []), runs.get(event["tid"], [])
        if len(seen) != len(called):
            return begin
        i = bisect.bisect_right(seen, event["ts"] * 1000) - 1
        return called[i] - seen[i] if i >= 0 else begin

    return shift


def _neighbours(path: str) -> dict[str, tuple[str, ...]]:
    """Results, then operands, of each node of an optimised model, by the node's name."""
    if not path or not os.path.exists(path):
        return {}
    import onnx

    model = onnx.load(path, load_external_data=False)
    return {n.name: (*n.output, *n.input) for n in model.graph.node}


def _call_of(node: _Node, calls: Sequence[Call]) -> Call | None:
    """The call of a thread that a node ran in."""
    i = bisect.bisect_right(calls, node.start, key=lambda c: c.start) - 1
    return calls[i] if i >= 0 and node.start <= calls[i].end else None


def _outermost(nodes: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Nodes in order of their start, without those that ran inside another (a loop's body)."""
    found: list[tuple[int, int, str]] = []
    end = -1
    for node in sorted(nodes, key=lambda n: (n[0], -n[1])):
        if node[0] + node[1] > end:
            found.append(node)
            end = node[0] + node[1]
    return found


def blocks_of(graph: Graph) -> dict[str, str]:
    """Path of the block of each value of a graph."""
    return {
        value.name: node.origin[0].block or node.origin[0].mx_name
        for node in graph.nodes
        if node.origin
        for value in node.outputs
    }
