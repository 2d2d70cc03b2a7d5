"""Hooks that time what runs: they are put in when a profile begins and taken out when it ends.

No module asks whether a profile is taken, so that nothing is paid for it otherwise.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from symgluon.backends import arena, base, numpy, sessions
from symgluon.backends.numpy import Interpreter
from symgluon.backends.onnxruntime import OrtExecutable
from symgluon.backends.recorder import Recorder
from symgluon.backends.session_profile import Call, SessionProfile
from symgluon.ops.call import GraphOp
from symgluon.ops.resident import fetched

clock = time.perf_counter_ns
#: the module of the dispatcher (its package has the function under the same name)
door = sys.modules["symgluon.ops.apply"]


class Hook(NamedTuple):
    """An attribute that is replaced while a profile is taken."""

    owner: Any
    name: str
    around: Callable[[Any], Any]  # the replacement, from the original


class Hooks:
    """Hooks put in and taken out together."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self.hooks = hooks
        self._saved: list[tuple[Any, str, Any]] = []

    def install(self) -> None:
        """Put the hooks in."""
        for owner, name, around in self.hooks:
            original = owner.__dict__[name]
            self._saved.append((owner, name, original))
            setattr(owner, name, around(original))

    def remove(self) -> None:
        """Put back what was there."""
        while self._saved:
            owner, name, original = self._saved.pop()
            setattr(owner, name, original)


class _Here(threading.local):
    """What the running thread is in."""

    def __init__(self) -> None:
        self.paths: list[tuple[Any, str]] = []  # blocks being called: block, path
        self.nodes: list[tuple[int, int, str]] | None = None  # of the compiled graph being run
        self.inside = False  # a kernel: what it calls is a part of it


class _Twins:
    """Sessions that are profiled, in place of those that run otherwise, until they are collected."""

    def __init__(self) -> None:
        self.profile = SessionProfile()
        self._of: WeakKeyDictionary[OrtExecutable, OrtExecutable] = WeakKeyDictionary()
        self._making = threading.Lock()
        self._idle = threading.Condition()
        self._busy = 0

    def enter(self) -> None:
        """Begin a call: nothing is collected before it ends."""
        with self._idle:
            self._busy += 1

    def leave(self) -> None:
        """End a call."""
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    def of(
        self, executable: OrtExecutable, prepare: Callable[[OrtExecutable], Any]
    ) -> OrtExecutable:
        """The same graph in sessions that are profiled, made and prepared outside of what is timed."""
        with self._making:
            found = self._of.get(executable)
            if found is None:
                found = OrtExecutable(executable.graph, executable.settings, self.profile)
                if executable.fixed is not None:  # as it runs otherwise: weights as constants
                    found.patience = 0
                self._of[executable] = found
            prepare(found)
            return found

    def collect(self, recorder: Recorder) -> None:
        """Wait for the calls that are running, and fetch what ONNX Runtime noted."""
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0)
        self.profile.collect(recorder)


class Instruments:
    """The hooks on operators and compiled graphs.

    Parameters
    ----------
    imperative, symbolic, api : bool
        Whether to time eager operators, the nodes of compiled graphs, and tracing and compiling.
    """

    def __init__(self, recorder: Recorder, *, imperative: bool, symbolic: bool, api: bool) -> None:
        self.recorder = recorder
        self.here = _Here()
        self._twins = _Twins()
        hooks = []
        if imperative or symbolic:
            hooks.append(Hook(door, "run_kernel", self._kernel(imperative, symbolic)))
        if symbolic:
            hooks += [
                Hook(Interpreter, "__call__", self._interpreter),
                Hook(arena.PlannedInterpreter, "__call__", self._interpreter),
                Hook(numpy, "run_step", self._step),
                Hook(arena, "run_planned", self._planned),
                Hook(OrtExecutable, "__call__", self._ort_call),
                Hook(OrtExecutable, "resident", self._ort_call),
                Hook(OrtExecutable, "steady", self._ort_steady),
            ]
        if api:
            hooks += [
                Hook(
                    base, "optimise", self._span("compile", lambda g, *a, **k: f"passes {g.name}")
                ),
                Hook(sessions, "make_session", self._span("compile", lambda *a, **k: "session")),
            ]
        self.hooks = Hooks(hooks)

    def collect(self) -> None:
        """Fetch what ONNX Runtime noted; its sessions are made anew at their next call."""
        old, self._twins = self._twins, _Twins()
        old.collect(self.recorder)

    # ---- frames ----------------------------------------------------------------------------
    def root(self, name: str) -> str:
        """Path of the block that a compiled graph belongs to; outside of blocks the graph's name."""
        paths = self.here.paths
        return paths[-1][1] if paths else name

    @contextmanager
    def _frame(self, name: str, profile: SessionProfile | None = None) -> Iterator[None]:
        """Time a call of a compiled graph, and gather what runs in it."""
        here = self.here
        if here.inside or here.nodes is not None:  # a part of what is timed already
            yield
            return
        nodes = here.nodes = []
        root = self.root(name)
        start = clock()
        try:
            yield
        finally:
            end = clock()
            here.nodes = None
            thread = threading.get_native_id()
            self.recorder.add("graph", root, start, end - start)
            if profile is None:
                self.recorder.add_blocks(root, nodes, thread)
            else:  # the nodes of the session come later
                profile.calls.append(Call(root, thread, start, end, nodes))

    def _node(self, category: str, step: Any, function: Callable[..., Any], *args: Any) -> Any:
        """Time one node of a graph."""
        here = self.here
        if here.inside:
            return function(*args)
        origin = step.node.origin
        path = (origin[0].block or origin[0].mx_name) if origin else ""
        here.inside = True
        start = clock()
        try:
            return function(*args)
        finally:
            duration = clock() - start
            here.inside = False
            block = ".".join(filter(None, (self.root(""), path)))
            about = {"block": block} if block else None
            self.recorder.add(category, step.op.name, start, duration, args=about)
            if here.nodes is not None:
                here.nodes.append((start, duration, path))

    def _span(self, category: str, name: Callable[..., str]) -> Callable[[Any], Any]:
        """Return a hook that times each call of a function."""

        def around(original: Any) -> Any:
            def timed(*args: Any, **kwargs: Any) -> Any:
                start = clock()
                try:
                    return original(*args, **kwargs)
                finally:
                    label = name(*args, **kwargs)
                    self.recorder.add(category, label, start, clock() - start)

            return timed

        return around

    # ---- eager operators -------------------------------------------------------------------
    def _kernel(self, imperative: bool, symbolic: bool) -> Callable[[Any], Any]:
        def around(original: Any) -> Any:
            def run_kernel(op: Any, data: Sequence[Any]) -> Any:
                here = self.here
                if here.inside:
                    return original(op, data)
                if type(op) is GraphOp:
                    if not symbolic or isinstance(op.executable, OrtExecutable):
                        return original(op, data)
                    with self._frame(op.graph.name):
                        return original(op, data)
                if not imperative:
                    return original(op, data)
                here.inside = True
                start = clock()
                try:
                    return original(op, data)
                finally:
                    duration = clock() - start
                    here.inside = False
                    block = self.root("")
                    about = {"block": block} if block else None
                    self.recorder.add("operator", op.name, start, duration, args=about)

            return run_kernel

        return around

    # ---- the interpreter -------------------------------------------------------------------
    def _interpreter(self, original: Any) -> Any:
        def call(executable: Interpreter, *arrays: Any) -> Any:
            with self._frame(executable.graph.name):
                return original(executable, *arrays)

        return call

    def _step(self, original: Any) -> Any:
        def run_step(step: Any, values: list[Any]) -> None:
            self._node("node (numpy)", step, original, step, values)

        return run_step

    def _planned(self, original: Any) -> Any:
        def run_planned(planned: Any, values: list[Any], memory: Any) -> None:
            self._node("node (numpy)", planned.step, original, planned, values, memory)

        return run_planned

    # ---- sessions --------------------------------------------------------------------------
    def _ort_call(self, original: Any) -> Any:
        def call(executable: OrtExecutable, *arrays: Any) -> Any:
            if self.here.inside or executable.profile is not None:
                return original(executable, *arrays)
            with self._session(executable, lambda twin: twin.run) as twin:
                return twin.run(*[fetched(a) for a in arrays])

        return call

    def _ort_steady(self, original: Any) -> Any:
        def steady(
            executable: OrtExecutable, inputs: Sequence[Any], weights: Any, device: Any = None
        ) -> Any:
            if self.here.inside or executable.profile is not None:
                return original(executable, inputs, weights, device)
            with self._session(executable, lambda twin: twin.prepare(weights, device)) as twin:
                return original(twin, inputs, weights, device)

        return steady

    @contextmanager
    def _session(self, executable: OrtExecutable, prepare: Any) -> Iterator[OrtExecutable]:
        """Time a call of a graph that runs in sessions."""
        twins = self._twins
        twins.enter()
        try:
            twin = twins.of(executable, prepare)
            with self._frame(executable.graph.name, twins.profile):
                yield twin
        finally:
            twins.leave()
