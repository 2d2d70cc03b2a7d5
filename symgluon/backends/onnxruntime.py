"""The ONNX Runtime backend: graphs as sessions, what it lacks on the interpreter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from symgluon.backends.graph_sessions import (
    compile_cached,
    compile_plain,
    recorded,
    settings_of,
    wishes_capture,
)
from symgluon.backends.providers import device_of
from symgluon.backends.support import supported
from symgluon.ir.graph import Graph, Node
from symgluon.ops.array import parameter_writes
from symgluon.ops.resident import fetched

#: calls with the same parameters after which they are built into the session as constants
_STEADY_CALLS = 3
#: a session with constants that served fewer calls did not pay for its making
_WORTH_CALLS = 32
_MOST_STEADY_CALLS = 1000


class OnnxRuntimeBackend:
    """Compiles to ONNX Runtime sessions.

    Parameters that stay the same over some calls become constants of the session, which lets ONNX
    Runtime lay them out anew; a write to any parameter drops that session.  On a GPU, results stay
    there until they are read.
    """

    name = "onnxruntime"
    options = {
        "provider": "execution provider, such as 'cuda'",
        "providers": "execution providers in order of preference, such as ('cuda', 'cpu'); each may "
        "be a pair with its own options: ('cuda', {'device_id': 1})",
        "threads": "threads inside an operator (default: OMP_NUM_THREADS)",
        "spin": "idle threads wait actively for a moment, which pays on a quiet machine "
        "(default: True)",
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

    def on_gpu(self, options: Any, number: int) -> Any:
        """Return the options for arguments on a GPU: its CUDA provider, unless some are named."""
        given = dict(options.extra)
        if "provider" in given or "providers" in given:
            return options
        given["provider"] = ("cuda", (("device_id", number),))
        return replace(options, extra=tuple(sorted(given.items())))


# ---- parameters as inputs, then as constants ---------------------------------------------------
class _Version:
    """The parameters between two changes."""

    __slots__ = ("arrays", "calls", "fixed", "stamp", "weights")

    def __init__(self, stamp: int, arrays: list[Any]) -> None:
        self.stamp = stamp
        self.arrays = arrays
        #: what the session is given: the arrays, or copies of them on its device
        self.weights: list[Any] | None = None
        self.calls = 0
        self.fixed: Any = None


class OrtExecutable:
    """A graph with its weights as inputs and, once they are steady, as constants.

    Parameters
    ----------
    profile : SessionProfile, optional
        Takes the profiles of the sessions; nothing is kept for others then.
    """

    run: Any  #: the form with weights as inputs, compiled when it is first needed

    def __init__(self, graph: Graph, options: Any, profile: Any = None) -> None:
        self.graph = graph
        self.settings = options
        self.profile = profile
        self.session_settings = settings_of(options)
        #: whether it takes contents that lie on a device, and leaves its results there
        self.on_device = device_of(self.session_settings["providers"]) is not None
        self.wishes_capture = self.on_device and wishes_capture(options)
        self.captures = (
            self.on_device
            and profile is None
            and (self.wishes_capture or (options.static_alloc and options.static_shape))
        )
        self.may_fix = bool(graph.params) and options.get("constant_weights", True)
        self.patience = _STEADY_CALLS
        self._versions: dict[Any, _Version] = {}  # by device
        self._building = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        if name != "run":
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        if self.profile is None:
            found = compile_cached(self.graph, self.settings)
        else:
            found = compile_plain(self.graph, self.settings, profile=self.profile)
        self.run = found
        return found

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in operand order."""
        if not self.on_device:
            return self.run(*arrays)  # type: ignore[no-any-return]
        return self._taken(self.run, arrays, False)

    def resident(self, *arrays: Any) -> tuple[Any, ...]:
        """Run on arrays or contents on the device; results stay there."""
        return self._taken(self.run, arrays, True)

    @staticmethod
    def _taken(run: Any, arrays: Sequence[Any], stay: bool) -> tuple[Any, ...]:
        """Run a form of the graph, which may be one session on a device or not."""
        if getattr(run, "hold", None) is None:
            return run(*[fetched(a) for a in arrays])  # type: ignore[no-any-return]
        return (run.resident if stay else run)(*arrays)  # type: ignore[no-any-return]

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
            fixed = version.fixed
            return self._taken(fixed, inputs, True) if self.on_device else fixed(*inputs)
        held = version.weights
        operands = (*inputs, *(self._held(version) if held is None else held))
        return self.resident(*operands) if self.on_device else self.run(*operands)

    def prepare(self, weights: Callable[[], list[Any]], device: Any = None) -> None:
        """Do now whatever else the next call of `steady` would make first."""
        version = self._versions.get(device)
        if version is None or version.stamp != parameter_writes.count:
            version = self._renewed(weights, device)
        fixed = version.fixed is not None
        fixed = fixed or (version.calls >= self.patience and self._fix(version))
        if not fixed and version.weights is None:
            self._held(version)

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

    def _held(self, version: _Version) -> list[Any]:
        """Put the parameters where the session with weights as inputs wants them."""
        hold = getattr(self.run, "hold", None)
        found = version.arrays if hold is None else [hold(a) for a in version.arrays]
        version.weights = found
        return found

    def _fix(self, version: _Version) -> bool:
        """Build the session with the parameters as constants; False if it may not, or another does."""
        if not self.may_fix or not self._building.acquire(blocking=False):
            return False
        try:
            if version.fixed is None:
                version.fixed = self._stored(version.arrays) or self._with_constants(
                    version.arrays
                )
                version.weights = None  # copies on a device are not needed any more
        finally:
            self._building.release()
        return True

    def _with_constants(self, weights: Sequence[Any], *, kept: bool = True) -> Any:
        from symgluon.backends.base import optimise

        graph = self.graph.copy()
        for value, array in zip(list(graph.params.values()), weights, strict=True):
            graph.freeze(value, fetched(array))
        optimise(graph, self.settings)
        cache = self._cache(weights) if kept else None
        if cache is None and self.captures:
            recording = partial(recorded, wished=self.wishes_capture)
            return compile_plain(graph, self.settings, make=recording)
        if cache is None:
            return compile_plain(graph, self.settings, profile=self.profile)
        from symgluon.backends import stored

        name = self._entry_name(weights)

        def make(whole: Graph, **settings: Any) -> Any:
            return stored.keep(cache, name, whole, settings)

        return compile_plain(graph, self.settings, make=make)

    # ---- on disk ---------------------------------------------------------------------------
    def _cache(self, weights: Sequence[Any]) -> Any:
        """Return the cache, None where it is off or this graph is not for it."""
        if self.profile is not None or self.settings.bulk_size:
            return None
        from symgluon.backends import stored

        size = sum(a.nbytes for a in (*weights, *self.graph.constants.values()))
        return stored.cache_for(self.graph, self.session_settings, size)

    def _entry_name(self, weights: Sequence[Any], *, structure: bool = False) -> str:
        """Name of the entry for these parameters; with `structure` what all such names begin with."""
        from symgluon.backends import disk_cache
        from symgluon.passes.switches import environment_switches

        passes = (self.settings.get("passes"), environment_switches())
        name = disk_cache.key_of("constants", self.graph.fingerprint(), passes)
        return name if structure else f"{name}-{disk_cache.digest_weights(weights)}"

    def _stored(self, weights: Sequence[Any]) -> Any:
        """Open the session with these parameters from the disk; None if it is not there."""
        cache = self._cache(weights)
        if cache is None or not cache.holds(self._entry_name((), structure=True)):
            return None
        from symgluon.backends import stored

        name = self._entry_name(weights)
        found = stored.fetch(cache, name, self.session_settings)
        if found is None:
            return None
        return stored.Stored(found, cache, name, lambda: self._with_constants(weights, kept=False))
