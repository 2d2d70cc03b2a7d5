"""The protocol of a backend, the registry, and compiling the graph of a `GraphOp`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from symgluon import config
from symgluon.errors import AttributeValueError
from symgluon.ir.graph import Graph, Node

Executable = Callable[..., tuple[np.ndarray, ...]]


@dataclass(frozen=True)
class CompileOptions:
    """What a graph is compiled for.

    Attributes
    ----------
    backend : str
        Name of the backend.
    static_alloc, static_shape, inline_limit
        Flags of `hybridize`.
    extra : tuple of (str, object)
        Options of the backend itself.
    """

    backend: str = "onnxruntime"
    static_alloc: bool = False
    static_shape: bool = False
    inline_limit: int = 2
    extra: tuple[tuple[str, Any], ...] = ()

    def get(self, name: str, default: Any = None) -> Any:
        """Return an option of the backend itself."""
        return dict(self.extra).get(name, default)


class Backend(Protocol):
    """What executes graphs.  All that a third party needs is here.

    Nodes that `supports` refuses run on the NumPy interpreter, between the parts that `compile`
    is given.  A backend that cuts graphs by itself sets ``partitions = True`` and gets them whole.
    An executable may have a method ``steady(inputs, weights, device)``, for calls that need no
    gradient: `weights` is a function that returns the arrays of the parameters, to be called only
    after `symgluon.ops.array.parameter_writes` has counted on.
    """

    name: str
    #: options of `optimize_for` that the backend knows, with a line of help each
    options: dict[str, str]

    def supports(self, node: Node) -> bool:
        """Whether the backend can run a node."""
        ...

    def pipeline(self, options: CompileOptions) -> Sequence[Any]:
        """Passes and pipelines (or their names) to run before `compile`."""
        ...

    def compile(self, graph: Graph, options: CompileOptions) -> Executable:
        """Return a function from arrays (inputs, then parameters) to a tuple of arrays."""
        ...


_DEFAULT = "onnxruntime"
_registered: dict[str, Backend] = {}


def register_backend(backend: Backend) -> None:
    """Make `backend` known by its name; a later one of the same name replaces it.

    Raises
    ------
    AttributeValueError
        If it lacks a part of the protocol.
    """
    _check(backend, "register_backend")
    _registered[backend.name] = backend


def _builtin(name: str) -> Backend | None:
    if name == "numpy":
        from symgluon.backends.numpy import NumpyBackend

        return NumpyBackend()
    if name == "onnxruntime":
        from symgluon.backends.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend()
    return None


def _installed() -> dict[str, Any]:
    return {e.name: e for e in importlib.metadata.entry_points(group="symgluon.backends")}


def list_backends() -> list[str]:
    """Names of all backends: built in, registered, installed."""
    return sorted({"numpy", "onnxruntime", *_registered, *_installed()})


def get_backend(name: str | None = None) -> Backend:
    """Return the backend called `name`; by default that of ``SYMGLUON_BACKEND``, or ONNX Runtime.

    Raises
    ------
    AttributeValueError
        If there is none; the known ones are listed.
    """
    name = name or config.backend() or _DEFAULT
    found = _registered.get(name)
    if found is None:
        found = _builtin(name)
        if found is None:
            entry = _installed().get(name)
            if entry is None:
                raise AttributeValueError(
                    f"there is no backend {name!r}",
                    hint=f"known backends: {', '.join(list_backends())}",
                )
            loaded = entry.load()
            found = loaded() if isinstance(loaded, type) else loaded
            _check(found, f"entry point {entry.value!r}")
        _registered[name] = found
    return found


def _check(backend: Any, where: str) -> None:
    """Say at once what an object lacks to be a backend.

    Raises
    ------
    AttributeValueError
        Naming everything that is missing.
    """
    wanted = ("name", "options", "supports", "pipeline", "compile")
    missing = [attribute for attribute in wanted if not hasattr(backend, attribute)]
    if missing:
        raise AttributeValueError(
            f"{type(backend).__name__} is no backend: it has no {', '.join(missing)}",
            where=where,
            hint="symgluon.backends.Backend lists what a backend has",
        )


def make_options(
    backend: str | None = None,
    *,
    static_alloc: bool = False,
    static_shape: bool = False,
    inline_limit: int = 2,
    **extra: Any,
) -> CompileOptions:
    """Return compile options, checked against what the backend knows.

    ``SYMGLUON_BACKEND`` takes the place of `backend`, and keeps of `extra` what it knows itself.

    Raises
    ------
    AttributeValueError
        For an unknown backend, or options it does not know (all of them; the known are listed).
    """
    chosen = get_backend(backend)
    unknown = [k for k in extra if k not in chosen.options]
    if unknown:
        known = ", ".join(chosen.options) or "none"
        raise AttributeValueError(
            f"backend {chosen.name!r} does not know the option {', '.join(unknown)}",
            hint=f"options it knows: {known}",
        )
    override = config.backend()
    if override is not None and override != chosen.name:
        chosen = get_backend(override)
        extra = {k: v for k, v in extra.items() if k in chosen.options}
    frozen = tuple(sorted((k, _freeze(v)) for k, v in extra.items()))
    return CompileOptions(chosen.name, static_alloc, static_shape, inline_limit, frozen)


def _freeze(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_freeze(v) for v in value)
    if isinstance(value, dict):
        return tuple(sorted((k, _freeze(v)) for k, v in value.items()))
    return value


def compile_graph(graph: Graph, options: CompileOptions | None = None) -> Executable:
    """Run the backend's passes on a copy of `graph` and compile it."""
    from symgluon.passes import run_pipeline

    if options is None:
        options = make_options()
    backend = get_backend(options.backend)
    copy = graph.copy()
    for step in backend.pipeline(options):
        run_pipeline(copy, step if isinstance(step, str) else [step])
    if getattr(backend, "partitions", False) or all(map(backend.supports, copy.nodes)):
        return backend.compile(copy, options)
    from symgluon.backends.partition import compile_parts

    return compile_parts(copy, backend.supports, lambda part: backend.compile(part, options))
