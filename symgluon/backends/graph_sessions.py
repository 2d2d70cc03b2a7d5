"""Graphs to ONNX Runtime sessions: whole, recorded, in bulks, or cut where kernels are lacking."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from symgluon import config
from symgluon.backends.numpy import Interpreter
from symgluon.backends.partition import compile_bulks, compile_parts
from symgluon.backends.providers import resolve_providers, without_capture
from symgluon.backends.sessions import failures, make_session, refusals, session_of
from symgluon.backends.support import runs, supported
from symgluon.errors import AttributeValueError, FormatError, SymgluonError, UnsupportedOpError
from symgluon.ir.dims import solve_env
from symgluon.ir.graph import Graph
from symgluon.ir.op import RANDOM
from symgluon.ops.resident import fetched

_HINT = "compare with optimize_for(x, backend='numpy'), which says more about the operator"


def settings_of(options: Any) -> dict[str, Any]:
    """Return the settings of a session: providers, threads, and how those wait.

    Raises
    ------
    AttributeValueError
        For a provider that is not there, for both `provider` and `providers`, and for `threads`
        and a `spin` that are no number and no bool.
    """
    one, several = options.get("provider"), options.get("providers")
    if one is not None and several is not None:
        raise AttributeValueError("backend onnxruntime: give provider or providers, not both")
    providers, _ = without_capture(resolve_providers(several if one is None else one))
    spin, threads = options.get("spin"), options.get("threads")
    if threads is not None and (type(threads) is not int or threads < 0):
        raise AttributeValueError(
            "backend onnxruntime: threads is a number, 0 for the default", received=repr(threads)
        )
    if spin is not None and not isinstance(spin, bool):
        raise AttributeValueError(
            "backend onnxruntime: spin is True or False", received=repr(spin)
        )
    return {
        "providers": providers,
        "threads": threads or config.threads(),
        "spin": config.spin() if spin is None else spin,
    }


def wishes_capture(options: Any) -> bool:
    """Whether the provider's own options ask for CUDA graphs."""
    several = options.get("providers")
    return without_capture(resolve_providers(several or options.get("provider")))[1]


def compile_plain(
    graph: Graph, options: Any, *, profile: Any = None, make: Callable[..., Any] = session_of
) -> Any:
    """Compile to one session, or to parts where ONNX Runtime refuses it.

    Parameters
    ----------
    profile : SessionProfile, optional
        Takes the profiles of the sessions.
    make : callable
        Makes the session of the whole graph.
    """
    settings = settings_of(options)
    if profile is not None:
        settings["profile"] = profile
    return compile_bulks(graph, options.bulk_size, partial(_compile_whole, settings, make))


def _compile_whole(settings: dict[str, Any], make: Callable[..., Any], graph: Graph) -> Any:
    if not len(graph):
        return Interpreter(graph)  # results are operands: nothing to run
    if not any(RANDOM in node.op.effects for node in graph.nodes):
        refused: tuple[type[Exception], ...] = (UnsupportedOpError, *refusals())
        try:
            return Guarded(make(graph, **settings), graph, settings)
        except refused:
            pass  # some node has no session form: find out which below
    return compile_parts(
        graph,
        partial(supported, providers=settings["providers"]),
        lambda part: session_of(part, **settings),
    )


def recorded(graph: Graph, *, wished: bool, **settings: Any) -> Any:
    """Return a session whose kernels are recorded, or a plain one where CUDA lacks some of them.

    Raises
    ------
    SymgluonError
        Where the user asked for it by name.
    """
    dynamic = [n.op.name for n in graph.nodes if getattr(n.op, "data_dependent", False)]
    why = f"sizes depend on the numbers in {', '.join(dynamic)}" if dynamic else ""
    if not dynamic:
        try:
            return session_of(graph, capture=True, **settings)
        except refusals() as error:
            why = str(error)
    if wished:
        raise SymgluonError(
            f"enable_cuda_graph: {why}", hint="leave the option out, or static_alloc off"
        )
    return session_of(graph, **settings)


class Guarded:
    """A session whose errors are ours.

    A kernel may say only when it runs that it lacks a type: then the graph is cut there, once.
    Those of a device lack sizes too (data without elements): then the parts run for that call.
    """

    def __init__(self, run: Any, graph: Graph, settings: Any) -> None:
        self.run = run
        #: until the first run succeeds; on a device for as long as sizes may change
        self.graph: Graph | None = graph
        self.settings = settings
        self.errors = failures()
        #: puts an array on the device of the session, None where that reads NumPy's memory
        self.hold = getattr(run, "hold", None)
        sized = all(v.type.is_static for v in graph.operands())
        self.once = self.hold is None or sized
        self.ran = False
        self.parts: Any = None

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in the order of the operands."""
        try:
            results = self.run(*arrays)
        except self.errors as error:
            return self._by_parts(error, [fetched(a) for a in arrays])
        if not self.ran:
            self._ran_whole()
        return results  # type: ignore[no-any-return]

    def resident(self, *arrays: Any) -> tuple[Any, ...]:
        """Run, and leave the results on the device of the session."""
        try:
            results = getattr(self.run, "resident", self.run)(*arrays)
        except self.errors as error:
            return self._by_parts(error, [fetched(a) for a in arrays])
        if not self.ran:
            self._ran_whole()
        return results  # type: ignore[no-any-return]

    def _ran_whole(self) -> None:
        self.ran = True
        if self.once:
            self.graph = None

    def _by_parts(self, error: Exception, arrays: Sequence[Any]) -> tuple[Any, ...]:
        """Run the graph cut where its kernels fail, from now on if it never ran whole."""
        parts = self.parts
        if parts is None:
            parts = None if self.graph is None else self._cut(self.graph, arrays)
            if parts is None:
                self.graph = None if self.once else self.graph
                raise SymgluonError(f"ONNX Runtime: {error}", hint=_HINT) from error
        if self.ran:
            self.parts = parts
        else:
            self.run, self.hold, self.graph = parts, None, None
        return parts(*arrays)  # type: ignore[no-any-return]

    def _cut(self, graph: Graph, arrays: Sequence[Any]) -> Any:
        """Parts where single nodes fail; None if each of them runs."""
        operands = graph.operands()
        shapes = [a.shape for a in arrays]
        sizes = solve_env([v.type for v in operands], shapes) or {}
        ask = partial(runs, sizes=sizes, providers=self.settings["providers"])
        refused = {id(node) for node in graph.nodes if not ask(node)}
        if not refused:
            return None
        return compile_parts(
            graph,
            lambda node: id(node) not in refused,
            lambda part: session_of(part, **self.settings),
        )


#: graphs compiled before, as long as somebody runs them; the last few are held, so that a block
#: that is hybridized anew does not compile again
_compiled: WeakValueDictionary[Any, Any] = WeakValueDictionary()
_held: deque[Any] = deque(maxlen=8)
_LARGEST_CONSTANTS = 1 << 20  # bytes that are still hashed for this
_lock = threading.Lock()


def compile_cached(graph: Graph, options: Any) -> Any:
    """`compile_plain`, remembered by fingerprint and options."""
    if sum(a.nbytes for a in graph.constants.values()) > _LARGEST_CONSTANTS:
        return compile_plain(graph, options)
    fingerprint = graph.fingerprint()
    key = (
        fingerprint,
        options.get("provider"),
        options.get("providers"),
        options.get("threads") or config.threads(),
        options.get("spin", config.spin()),
        options.bulk_size,
    )
    with _lock:
        found = _compiled.get(key)
    if found is None:
        make = session_of if options.bulk_size else partial(_session, fingerprint=fingerprint)
        found = compile_plain(graph, options, make=make)
        with _lock:
            _compiled[key] = found
            _held.append(found)
    return found


def _session(graph: Graph, *, fingerprint: str, **settings: Any) -> Any:
    """Return the session of a graph with its parameters as inputs, kept on disk if that is on."""
    from symgluon.backends import disk_cache, stored

    cache = stored.cache_for(graph, settings, 0)
    if cache is None:
        return session_of(graph, **settings)
    name = disk_cache.key_of("inputs", fingerprint)
    return stored.fetch(cache, name, settings) or stored.keep(cache, name, graph, settings)


def open_model(path: str) -> Any:
    """Open an ONNX file in ONNX Runtime.

    Raises
    ------
    FormatError
        If ONNX Runtime refuses it.
    """
    try:
        return make_session(path)
    except Exception as error:  # every class of onnxruntime derives from Exception alone
        if isinstance(error, OSError):
            raise
        raise FormatError(f"ONNX Runtime cannot open it: {error}", path=path) from None
