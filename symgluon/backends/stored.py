"""Sessions that are kept on disk: opened where an entry is there, else made and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symgluon.backends.disk_cache import DiskCache, Writing, open_cache, tell
from symgluon.backends.providers import CPU
from symgluon.backends.sessions import (
    Runner,
    failures,
    has_bfloat16,
    make_session,
    refusals,
    session_of,
)
from symgluon.ir.graph import Graph

#: the largest part of the cache that one entry may take
_SHARE = 2


def cache_for(graph: Graph, settings: Mapping[str, Any], bytes_: int) -> DiskCache | None:
    """Return the cache if it is on and takes a session of `graph`.

    Parameters
    ----------
    bytes_ : int
        Bytes of the constants of the session.

    Notes
    -----
    Other execution providers compile for a device, and keep caches of their own.  Graphs with
    bfloat16 run between casts that an entry does not describe.
    """
    cache = open_cache()
    if cache is None or settings["providers"] != [CPU] or bytes_ * _SHARE > cache.limit:
        return None
    return None if has_bfloat16(graph) else cache


def fetch(cache: DiskCache, name: str, settings: Mapping[str, Any]) -> Runner | None:
    """Open the session of an entry; None if there is none that can be opened."""
    entry = cache.load(name)
    if entry is None:
        return None
    try:
        # what it was optimised to is in the file
        session = make_session(
            entry.model, optimise=False, threads=settings["threads"], spin=settings["spin"]
        )
    except Exception:  # every class of onnxruntime derives from Exception alone
        cache.remove(name)
        return None
    return Runner(session, entry.inputs)


def keep(cache: DiskCache, name: str, graph: Graph, settings: Mapping[str, Any]) -> Runner:
    """Make a session and keep it as an entry; what cannot be written is only told."""
    try:
        writing = cache.begin(name)
    except OSError as error:
        tell(error, cache.folder)
        return session_of(graph, **settings)
    try:
        runner = session_of(graph, prepare=writing.prepare, **settings)
    except refusals():  # the graph, or the file: told apart by trying without the file
        writing.drop()
        return session_of(graph, **settings)
    except BaseException:
        writing.drop()
        raise
    _finish(writing, graph, runner)
    return runner


def _finish(writing: Writing, graph: Graph, runner: Runner) -> None:
    try:
        writing.finish(graph.name, runner.inputs)
    except OSError as error:
        writing.drop()
        tell(error, writing.cache.folder)


class Stored:
    """A session from the disk; one that fails is dropped there, and the graph compiled anew.

    Parameters
    ----------
    rebuild : callable
        Compiles the graph.
    """

    def __init__(
        self, run: Runner, cache: DiskCache, name: str, rebuild: Callable[[], Any]
    ) -> None:
        self.run: Any = run
        self.rebuild: Callable[[], Any] | None = rebuild  # until the first run succeeds
        self.cache = cache
        self.name = name

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in the order of the operands."""
        if self.rebuild is None:
            return self.run(*arrays)  # type: ignore[no-any-return]
        try:
            results = self.run(*arrays)
        except failures():
            self.cache.remove(self.name)
            self.run = self.rebuild()
            results = self.run(*arrays)
        self.rebuild = None
        return results  # type: ignore[no-any-return]
