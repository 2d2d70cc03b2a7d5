"""Where the time goes: per operator, per block and per compiled graph (MXNet's ``mx.profiler``).

::

    mx.profiler.set_config(profile_all=True, filename="profile.json")
    mx.profiler.start()
    net(x)
    mx.profiler.stop()
    print(mx.profiler.dumps())      # tables
    mx.profiler.dump()              # a trace for chrome://tracing or ui.perfetto.dev

Hooks are put in by `start` and `resume`, and taken out by `stop` and `pause`: a program that is not
profiled pays nothing.  ``docs/profiler.md`` says what each category of the tables holds.
"""

from __future__ import annotations

import contextvars
import json
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

from symgluon.backends.recorder import SORTS, Recorder, text_tables
from symgluon.errors import AttributeValueError, SymgluonError

__all__ = [
    "Counter",
    "Domain",
    "Event",
    "Frame",
    "Marker",
    "Task",
    "dump",
    "dump_profile",
    "dumps",
    "pause",
    "profiler_set_config",
    "profiler_set_state",
    "resume",
    "run",
    "scope",
    "set_config",
    "set_kvstore_handle",
    "set_state",
    "start",
    "state",
    "stop",
]


@dataclass(frozen=True)
class _Config:
    """What `set_config` sets."""

    filename: str = "profile.json"
    profile_all: bool = False
    profile_symbolic: bool = True
    profile_imperative: bool = True
    profile_memory: bool = True
    profile_api: bool = True
    continuous_dump: bool = False
    dump_period: float = 1.0
    aggregate_stats: bool = True
    profile_process: str = "worker"
    gpu_memory_profile_filename_prefix: str = "gpu_memory_profile"


class _Profiler:
    """The one profile of the process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.config = _Config()
        self.recorder = Recorder()
        self.state = "stop"
        self.paused = False
        self.ran = False  # since the last finished dump
        self.instruments: Any = None
        self.blocks: Any = None
        self._dumper: threading.Event | None = None

    @property
    def active(self) -> bool:
        """Whether events are taken now."""
        return self.state == "run" and not self.paused

    # ---- hooks -----------------------------------------------------------------------------
    def switch(self, state: str | None = None, paused: bool | None = None) -> None:
        """Go to another state, with the hooks put in or taken out."""
        with self.lock:
            before = self.active
            self.state = self.state if state is None else state
            self.paused = self.paused if paused is None else paused
            if self.active and not before:
                self._begin()
            elif before and not self.active:
                self._end()

    def _begin(self) -> None:
        from symgluon.backends.instrument import Hooks, Instruments

        if not self.ran:
            self.recorder.begin()
        self.ran = True
        c = self.config
        self.instruments = Instruments(
            self.recorder,
            imperative=c.profile_imperative or c.profile_all,
            symbolic=c.profile_symbolic or c.profile_all,
            api=c.profile_api or c.profile_all,
        )
        self.blocks = Hooks(_block_hooks(self, c))
        self.instruments.hooks.install()
        self.blocks.install()
        if c.continuous_dump:
            self._dumper = threading.Event()
            threading.Thread(target=self._dump_on, args=(self._dumper,), daemon=True).start()

    def _end(self) -> None:
        if self._dumper is not None:
            self._dumper.set()
            self._dumper = None
        self.blocks.remove()
        self.instruments.hooks.remove()
        self.instruments.collect()

    def _dump_on(self, stopped: threading.Event) -> None:
        while not stopped.wait(self.config.dump_period):
            with self.lock:
                if not stopped.is_set():
                    self.write(finished=False)

    # ---- results ---------------------------------------------------------------------------
    def collect(self) -> None:
        """Fetch what is not in the recorder yet."""
        if self.active:
            self.instruments.collect()

    def write(self, *, finished: bool) -> None:
        """Write the trace file."""
        from symgluon.formats.atomic import write_bytes

        self.collect()
        events = list(self.recorder.events)
        write_bytes(self.config.filename, self.recorder.chrome_trace(events))
        if finished:
            self.recorder.forget(len(events))
            self.ran = False

    def record(self, category: str, name: str, start: int, duration: int, **more: Any) -> None:
        """Record an event of the user's, while a profile is taken."""
        if self.active:
            prefix = _scope.get()
            if prefix != _NO_SCOPE and more.get("phase", "X") == "X":
                more["args"] = {**(more.get("args") or {}), "scope": prefix}
            self.recorder.add(category, name, start, duration, **more)


def _block_hooks(profiler: _Profiler, config: _Config) -> list[Any]:
    """Hooks on blocks: each call with its path, and on tracing."""
    from symgluon.backends.instrument import Hook
    from symgluon.gluon.block import Block
    from symgluon.gluon.hybrid import HybridBlock
    from symgluon.ops.state import state

    recorder, here = profiler.recorder, profiler.instruments.here
    memory = config.profile_memory or config.profile_all

    def around_call(original: Any) -> Any:
        def call(block: Any, *args: Any, **kwargs: Any) -> Any:
            if state.region is not None:  # a trace: no numbers, and timed as a whole
                return original(block, *args, **kwargs)
            paths = here.paths
            path = _path(block, paths)
            paths.append((block, path))
            start = time.perf_counter_ns()
            try:
                return original(block, *args, **kwargs)
            finally:
                duration = time.perf_counter_ns() - start
                paths.pop()
                about = {"class": type(block).__name__, **_scope_args()}
                # a compiled call counts by its nodes (`Recorder.add_blocks`)
                counted = not getattr(getattr(block, "_flags", None), "active", False)
                category = "block" if counted else "call"
                recorder.add(category, path, start, duration, args=about)
                if memory and not paths:
                    used = _resident()
                    recorder.add("Device Storage", "Memory: cpu/0 (kB)", start + duration, used,
                                 phase="C")  # fmt: skip

        return call

    def around_compile(original: Any) -> Any:
        def compile_(block: Any, *args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter_ns()
            try:
                return original(block, *args, **kwargs)
            finally:
                duration = time.perf_counter_ns() - start
                recorder.add("compile", f"trace {type(block).__name__}", start, duration)

        return compile_

    hooks = [Hook(Block, "__call__", around_call)]
    if config.profile_api or config.profile_all:
        hooks.append(Hook(HybridBlock, "_compile", around_compile))
    return hooks


def _path(block: Any, paths: list[tuple[Any, str]]) -> str:
    """Structural path of a block that is called inside the last of `paths`."""
    if paths:
        parent, path = paths[-1]
        for name, child in parent._children.items():
            if child is block:
                return f"{path}.{name}"
        return f"{path}.{type(block).__name__.lower()}"
    return type(block).__name__.lower()


def _resident() -> int:
    """Memory of the process in kB; its peak where the system does not tell the present value."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


_profiler = _Profiler()


# ---- configuration and state -------------------------------------------------------------------
def set_config(**kwargs: Any) -> None:
    """Set what is profiled and where it is written.

    Parameters
    ----------
    filename : str
        The trace file (``profile.json``).
    profile_all : bool
        Everything below.
    profile_symbolic : bool
        Compiled graphs and their nodes, in the interpreter and in ONNX Runtime.
    profile_imperative : bool
        Eager operators.
    profile_memory : bool
        Memory of the process after each call of an outermost block.
    profile_api : bool
        Tracing, passes and the making of sessions.
    continuous_dump : bool
        Write the file every `dump_period` seconds too.
    dump_period : float
        Seconds.
    aggregate_stats, profile_process, gpu_memory_profile_filename_prefix
        Accepted as in MXNet: statistics are always kept, and there is one process and no pool of
        GPU memory to tell about.

    Raises
    ------
    AttributeValueError
        For an unknown name (the known are listed) or a value of another kind, and for
        ``profile_process="server"``.
    """
    defaults = {f.name: f.default for f in fields(_Config)}
    unknown = [name for name in kwargs if name not in defaults]
    if unknown:
        raise AttributeValueError(
            f"profiler.set_config does not know {', '.join(unknown)}",
            hint=f"known: {', '.join(defaults)}",
        )
    given = {name: _parsed(name, value, defaults[name]) for name, value in kwargs.items()}
    _check_process(given.get("profile_process", "worker"))
    with _profiler.lock:
        _profiler.config = replace(_profiler.config, **given)


_WORDS = {"true": True, "1": True, "false": False, "0": False}


def _parsed(name: str, value: Any, default: Any) -> Any:
    """Return the value of an option, which may be a text as MXNet's C library takes it."""
    if isinstance(default, bool):
        found = value if isinstance(value, bool) else _WORDS.get(str(value).lower())
        if found is None:
            raise AttributeValueError(
                f"profiler.set_config: {name}", expected="True or False", received=repr(value)
            )
        return found
    if isinstance(default, float):
        try:
            seconds = float(value)
        except (TypeError, ValueError):
            seconds = 0.0
        if not seconds > 0:
            raise AttributeValueError(
                f"profiler.set_config: {name}", expected="seconds above 0", received=repr(value)
            )
        return seconds
    return os.fspath(value) if name == "filename" else str(value)


def _check_process(profile_process: str) -> None:
    if profile_process not in ("worker", "server"):
        raise AttributeValueError(
            "profile_process", expected="'worker' or 'server'", received=repr(profile_process)
        )
    if profile_process == "server":
        raise AttributeValueError(
            "profile_process='server': there is no server process; each worker of a distributed run "
            "profiles itself",
            hint="leave it out, and give each rank a filename of its own",
        )


def set_state(state: str = "stop", profile_process: str = "worker") -> None:
    """Begin (``"run"``) or end (``"stop"``) the profile.

    Raises
    ------
    AttributeValueError
        For another state.
    """
    _check_process(profile_process)
    if state not in ("run", "stop"):
        raise AttributeValueError(
            "profiler.set_state", expected="'run' or 'stop'", received=repr(state)
        )
    _profiler.switch(state=state)


def start() -> None:
    """Begin the profile: ``set_state("run")``."""
    set_state("run")


run = start


def stop() -> None:
    """End the profile: ``set_state("stop")``; what was taken stays for `dump` and `dumps`."""
    set_state("stop")


def state() -> str:
    """Return ``"run"``, ``"pause"`` or ``"stop"``."""
    return "pause" if _profiler.state == "run" and _profiler.paused else _profiler.state


def pause(profile_process: str = "worker") -> None:
    """Take no events until `resume`."""
    _check_process(profile_process)
    _profiler.switch(paused=True)


def resume(profile_process: str = "worker") -> None:
    """Take events again."""
    _check_process(profile_process)
    _profiler.switch(paused=False)


# ---- results -----------------------------------------------------------------------------------
def dump(finished: bool = True, profile_process: str = "worker") -> None:
    """Write the trace to the configured file, whole or not at all.

    Parameters
    ----------
    finished : bool
        End the profile; a later one begins a new trace.

    Raises
    ------
    SymgluonError
        If nothing was profiled since the last finished dump.
    OSError
        If the file cannot be written.
    """
    _check_process(profile_process)
    with _profiler.lock:
        if not _profiler.ran:
            raise SymgluonError(
                "profiler.dump: the profiler has not run since the last dump",
                hint="call profiler.set_config(...) and profiler.start() first",
            )
        if finished:
            _profiler.switch(state="stop")
        _profiler.write(finished=finished)


def dumps(
    reset: bool = False, format: str = "table", sort_by: str = "total", ascending: bool = False
) -> str:
    """Return the statistics: count, total, least, greatest and mean time of each name.

    Parameters
    ----------
    reset : bool
        Begin the statistics anew afterwards.
    format : str
        ``"table"`` or ``"json"``.
    sort_by : str
        ``"total"``, ``"avg"``, ``"min"``, ``"max"`` or ``"count"``, in each category.
    ascending : bool
        The least first.

    Raises
    ------
    AttributeValueError
        For another format or order.
    """
    if format not in ("table", "json"):
        raise AttributeValueError(
            "profiler.dumps: format", expected="'table' or 'json'", received=repr(format)
        )
    if sort_by not in SORTS:
        raise AttributeValueError(
            "profiler.dumps: sort_by", expected=", ".join(SORTS), received=repr(sort_by)
        )
    for name, value in (("reset", reset), ("ascending", ascending)):
        if value not in (True, False):
            raise AttributeValueError(
                f"profiler.dumps: {name}", expected="True or False", received=repr(value)
            )
    with _profiler.lock:
        _profiler.collect()
        tables = _profiler.recorder.tables(sort_by, ascending)
        if reset:
            _profiler.recorder.reset_statistics()
    return json.dumps(tables, indent=4) if format == "json" else text_tables(tables)


# ---- deprecated names --------------------------------------------------------------------------
def profiler_set_config(mode: str = "symbolic", filename: str = "profile.json") -> None:
    """Deprecated form of :func:`set_config`."""
    _deprecated("profiler_set_config", "set_config")
    set_config(**{f"profile_{mode}": True, "filename": filename})


def profiler_set_state(state: str = "stop") -> None:
    """Deprecated name of :func:`set_state`."""
    _deprecated("profiler_set_state", "set_state")
    set_state(state)


def dump_profile() -> None:
    """Deprecated name of :func:`dump`."""
    _deprecated("dump_profile", "dump")
    dump(True)


def _deprecated(old: str, new: str) -> None:
    warnings.warn(
        f"profiler.{old}() is deprecated. Please use profiler.{new}() instead", stacklevel=3
    )


def set_kvstore_handle(handle: Any) -> None:
    """Accepted as in MXNet; no store has a server to profile."""


# ---- scopes ------------------------------------------------------------------------------------
_NO_SCOPE = "<unk>:"
_scope: contextvars.ContextVar[str] = contextvars.ContextVar("profilerscope", default=_NO_SCOPE)


def _scope_args() -> dict[str, str]:
    name = _scope.get()
    return {} if name == _NO_SCOPE else {"scope": name}


@contextmanager
def scope(name: str = _NO_SCOPE, append_mode: bool = True) -> Iterator[str]:
    """Note a name on the blocks and user's events inside, and a span of that name in the trace.

    Parameters
    ----------
    name : str
        Name of the scope.
    append_mode : bool
        Put the name of the scope around it in front.

    Yields
    ------
    str
        The whole name, ``"outer:inner:"``.
    """
    name = name if name.endswith(":") else f"{name}:"
    if append_mode and _scope.get() != _NO_SCOPE:
        name = _scope.get() + name
    token = _scope.set(name)
    start = time.perf_counter_ns()
    try:
        yield name
    finally:
        _scope.reset(token)
        if name != _NO_SCOPE:
            _profiler.record("scope", name, start, time.perf_counter_ns() - start)


# ---- the user's own events ---------------------------------------------------------------------
class Domain:
    """Groups tasks, frames, counters and markers: their category in tables and trace."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def new_task(self, name: str) -> Task:
        """Return a new task of this domain."""
        return Task(self, name)

    def new_frame(self, name: str) -> Frame:
        """Return a new frame of this domain."""
        return Frame(self, name)

    def new_counter(self, name: str, value: int | None = None) -> Counter:
        """Return a new counter of this domain."""
        return Counter(self, name, value)

    def new_marker(self, name: str) -> Marker:
        """Return a new marker of this domain."""
        return Marker(self, name)


class _Span:
    """Something with a start and a stop; a stop without a start is no event."""

    def __init__(self, category: str, name: str) -> None:
        self.name = name
        self._category = category
        self._started: int | None = None

    def __str__(self) -> str:
        return self.name

    def start(self) -> None:
        """Begin."""
        self._started = time.perf_counter_ns()

    def stop(self) -> None:
        """End; recorded while a profile is taken."""
        start, self._started = self._started, None
        if start is not None:
            _profiler.record(self._category, self.name, start, time.perf_counter_ns() - start)


class Task(_Span):
    """A piece of work of one thread; all passes through it are one row of the tables."""

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(domain.name, name)


class Frame(_Span):
    """One of a series, such as a batch."""

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(f"{domain.name},frame", name)


class Event(_Span):
    """A span without a domain."""

    def __init__(self, name: str) -> None:
        super().__init__("event", name)


class Counter:
    """A number that changes over time."""

    def __init__(self, domain: Domain, name: str, value: int | None = None) -> None:
        self.name = name
        self._domain = domain
        self._lock = threading.Lock()
        self._value = 0
        if value is not None:
            self.set_value(value)

    def __str__(self) -> str:
        return self.name

    def set_value(self, value: int) -> None:
        """Set the number."""
        self._change(lambda _: int(value))

    def increment(self, delta: int = 1) -> None:
        """Add to the number."""
        self._change(lambda old: old + int(delta))

    def decrement(self, delta: int = 1) -> None:
        """Take from the number."""
        self._change(lambda old: old - int(delta))

    def _change(self, new: Callable[[int], int]) -> None:
        with self._lock:
            self._value = value = new(self._value)
            _profiler.record(
                self._domain.name, self.name, time.perf_counter_ns(), value, phase="C"
            )

    def __iadd__(self, delta: int) -> Counter:
        self.increment(delta)
        return self

    def __isub__(self, delta: int) -> Counter:
        self.decrement(delta)
        return self


class Marker:
    """An instant."""

    _SCOPES = {"global": "g", "process": "p", "thread": "t", "task": "t", "marker": "t"}

    def __init__(self, domain: Domain, name: str) -> None:
        self.name = name
        self.domain = domain

    def __str__(self) -> str:
        return self.name

    def mark(self, scope: str = "process") -> None:
        """Mark this instant.

        Parameters
        ----------
        scope : str
            How wide it is drawn: ``global``, ``process``, ``thread``, ``task`` or ``marker``.

        Raises
        ------
        AttributeValueError
            For another scope.
        """
        if scope not in self._SCOPES:
            raise AttributeValueError(
                "Marker.mark: scope", expected=", ".join(self._SCOPES), received=repr(scope)
            )
        _profiler.record(
            self.domain.name, self.name, time.perf_counter_ns(), 0, phase="i",
            args={"s": self._SCOPES[scope]},
        )  # fmt: skip
