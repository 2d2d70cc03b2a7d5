"""The ONNX Runtime backend: graphs as sessions, what it lacks on the interpreter."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from symgluon import config
from symgluon.backends.numpy import Interpreter
from symgluon.backends.partition import compile_parts
from symgluon.backends.sessions import (
    failures,
    make_session,
    refusals,
    resolve_providers,
    session_of,
)
from symgluon.backends.support import runs, supported
from symgluon.errors import SymgluonError, UnsupportedOpError
from symgluon.ir.dims import solve_env
from symgluon.ir.graph import Graph, Node
from symgluon.ir.op import RANDOM
from symgluon.ops.array import parameter_writes

#: calls with the same parameters after which they are built into the session as constants
_STEADY_CALLS = 3
#: a session with constants that served fewer calls did not pay for its making
_WORTH_CALLS = 32
_MOST_STEADY_CALLS = 1000

_HINT = "compare with optimize_for(x, backend='numpy'), which says more about the operator"


class OnnxRuntimeBackend:
    """Compiles to ONNX Runtime sessions.

    Parameters that stay the same over some calls become constants of the session, which lets ONNX
    Runtime lay them out anew; a write to any parameter drops that session.
    """

    name = "onnxruntime"
    options = {
        "providers": "execution providers in order of preference, such as ('cuda', 'cpu')",
        "threads": "threads inside an operator (default: OMP_NUM_THREADS)",
        "constant_weights": "build steady parameters into the session (default: True)",
    }
    #: asking costs: `compile` does so only for graphs that are refused as a whole
    partitions = True

    def supports(self, node: Node) -> bool:
        """Whether a session runs the node."""
        return supported(node)

    def pipeline(self, options: Any) -> Sequence[str]:
        """Return the passes before compilation."""
        return ("infer_ort",)

    def compile(self, graph: Graph, options: Any) -> Any:
        """Return the executable of `graph`."""
        return OrtExecutable(graph, options)


# ---- graphs to sessions ------------------------------------------------------------------------
def compile_plain(graph: Graph, options: Any) -> Any:
    """Compile to one session, or to parts where ONNX Runtime refuses it."""
    settings = {
        "providers": resolve_providers(options.get("providers")),
        "threads": options.get("threads") or config.threads(),
    }
    if not len(graph):
        return Interpreter(graph)  # results are operands: nothing to run
    if not any(RANDOM in node.op.effects for node in graph.nodes):
        refused: tuple[type[Exception], ...] = (UnsupportedOpError, *refusals())
        try:
            return Guarded(session_of(graph, **settings), graph, settings)
        except refused:
            pass  # some node has no session form: find out which below
    return compile_parts(graph, supported, lambda part: session_of(part, **settings))


class Guarded:
    """A session whose errors are ours.

    A kernel may say only when it runs that it lacks a type: then the graph is cut there, once.
    """

    def __init__(self, run: Any, graph: Graph, settings: Any) -> None:
        self.run = run
        self.graph: Graph | None = graph  # until the first run succeeds
        self.settings = settings
        self.errors = failures()

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in the order of the operands."""
        try:
            results = self.run(*arrays)
        except self.errors as error:
            graph, self.graph = self.graph, None
            parts = None if graph is None else self._cut(graph, arrays)
            if parts is None:
                raise SymgluonError(f"ONNX Runtime: {error}", hint=_HINT) from error
            self.run = parts
            results = parts(*arrays)
        self.graph = None
        return results  # type: ignore[no-any-return]

    def _cut(self, graph: Graph, arrays: Sequence[Any]) -> Any:
        """Parts where single nodes fail; None if each of them runs."""
        operands = graph.operands()
        sizes = solve_env([v.type for v in operands], [a.shape for a in arrays]) or {}
        refused = {id(node) for node in graph.nodes if not runs(node, sizes)}
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
    key = (
        graph.fingerprint(),
        options.get("providers"),
        options.get("threads") or config.threads(),
    )
    with _lock:
        found = _compiled.get(key)
    if found is None:
        found = compile_plain(graph, options)
        with _lock:
            _compiled[key] = found
            _held.append(found)
    return found


# ---- parameters as inputs, then as constants ---------------------------------------------------
class _Version:
    """The parameters between two changes."""

    __slots__ = ("calls", "fixed", "stamp", "weights")

    def __init__(self, stamp: int, weights: list[Any]) -> None:
        self.stamp = stamp
        self.weights = weights
        self.calls = 0
        self.fixed: Any = None


class OrtExecutable:
    """A graph with its weights as inputs and, once they are steady, as constants."""

    def __init__(self, graph: Graph, options: Any) -> None:
        self.graph = graph
        self.settings = options
        self.run = compile_cached(graph, options)
        self.may_fix = bool(graph.params) and options.get("constant_weights", True)
        self.patience = _STEADY_CALLS
        self._versions: dict[Any, _Version] = {}  # by device
        self._building = threading.Lock()

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in operand order."""
        return self.run(*arrays)  # type: ignore[no-any-return]

    @property
    def fixed(self) -> Any:
        """A session with the present parameters as constants, None while there is none."""
        for version in self._versions.values():
            if version.stamp == parameter_writes.count:
                return version.fixed
        return None

    def steady(
        self, inputs: Sequence[Any], weights: Callable[[], list[Any]], device: Any = None
    ) -> Any:
        """Run with parameters that are only asked for when they changed since the last call.

        Parameters
        ----------
        inputs : sequence of ndarray
            The operands that are no parameters.
        weights : callable
            Returns the arrays of the parameters.
        device : hashable, optional
            Whose parameters they are.
        """
        version = self._versions.get(device)
        if version is None or version.stamp != parameter_writes.count:
            version = self._renewed(weights, device)
        version.calls += 1
        if version.fixed is not None or (version.calls > self.patience and self._fix(version)):
            return version.fixed(*inputs)
        return self.run(*inputs, *version.weights)

    def _renewed(self, weights: Callable[[], list[Any]], device: Any) -> _Version:
        """Ask for the parameters again; who changes them often gets no constants for a while."""
        old = self._versions.get(device)
        if old is not None and old.fixed is not None:
            paid = old.calls - self.patience >= _WORTH_CALLS
            self.patience = _STEADY_CALLS if paid else min(4 * self.patience, _MOST_STEADY_CALLS)
        # first the stamp: a write in between makes this version old, not wrong
        version = _Version(parameter_writes.count, weights())
        current = {k: v for k, v in self._versions.items() if v.stamp == version.stamp}
        self._versions = {**current, device: version}
        return version

    def _fix(self, version: _Version) -> bool:
        """Build the session with the parameters as constants; False if it may not, or another does."""
        if not self.may_fix or not self._building.acquire(blocking=False):
            return False
        try:
            if version.fixed is None:
                version.fixed = self._with_constants(version.weights)
        finally:
            self._building.release()
        return True

    def _with_constants(self, weights: Sequence[Any]) -> Any:
        from symgluon.passes import run_pipeline

        graph = self.graph.copy()
        for value, array in zip(list(graph.params.values()), weights, strict=True):
            graph.freeze(value, array)
        run_pipeline(graph, "infer_ort")
        return compile_plain(graph, self.settings)


def open_model(path: str) -> Any:
    """Open an ONNX file in ONNX Runtime.

    Raises
    ------
    FormatError
        If ONNX Runtime refuses it.
    """
    from symgluon.errors import FormatError

    try:
        return make_session(path)
    except Exception as error:  # every class of onnxruntime derives from Exception alone
        if isinstance(error, OSError):
            raise
        raise FormatError(f"ONNX Runtime cannot open it: {error}", path=path) from None
