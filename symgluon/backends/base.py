"""The protocol of a backend, the registry, and compiling the graph of a `GraphOp`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from symgluon import config
from symgluon.device import Device
from symgluon.errors import AttributeValueError
from symgluon.ir.graph import Graph, Node

Executable = Callable[..., tuple[np.ndarray, ...]]


@dataclass(frozen=True)
class CompileOptions:
    """What a graph is compiled for.

    Parameters
    ----------
    backend : str
        Name of the backend.
    static_alloc, static_shape : bool
        Flags of `hybridize`.
    inline_limit : int
        Flag of `hybridize`.
    bulk_size : int
        The graph is run in segments of at most so many nodes; 0: whole.
    backward_bulk_size : int
        What `bulk_size` is for its gradient.
    extra : tuple of (str, object)
        Options of the backend itself, sorted by name.
    """

    backend: str = "onnxruntime"
    static_alloc: bool = False
    static_shape: bool = False
    inline_limit: int = 2
    bulk_size: int = 0
    backward_bulk_size: int = 0
    extra: tuple[tuple[str, Any], ...] = ()

    @property
    def for_gradient(self) -> CompileOptions:
        """What the gradient of a graph is compiled for."""
        return replace(self, bulk_size=self.backward_bulk_size)

    def get(self, name: str, default: Any = None) -> Any:
        """Return an option of the backend itself.

        Parameters
        ----------
        name : str
            The option.
        default : object
            What is returned if it was not given.

        Returns
        -------
        object
            Its value; lists come as tuples, dictionaries as sorted tuples of pairs.
        """
        return dict(self.extra).get(name, default)


class Backend(Protocol):
    """What executes graphs.  All that a third party needs is here and in `symgluon.backends`.

    Nodes that `supports` refuses run on the NumPy interpreter, between the parts that `compile`
    is given.  A backend that cuts graphs by itself sets ``partitions = True`` and gets them whole;
    ``options.bulk_size`` is then its own to keep (:func:`symgluon.backends.partition.compile_bulks`).

    Where the answer of `supports` depends on options, a backend also has a method
    ``supporting(options)`` that returns the function to ask; then that is used.

    A backend that runs graphs on NVIDIA GPUs has a method ``on_gpu(options, number)`` that returns
    the options for arguments on ``gpu(number)``; without it their graphs run on the CPU.

    An executable takes NumPy arrays in the order of ``graph.operands()`` (inputs, then parameters)
    and returns a tuple of NumPy arrays, one a result, that nobody writes to afterwards.  It is called
    from several threads at once.  The arrays it gets are not its own: it never writes to them.

    An executable may have a method ``steady(inputs, weights, device=None)`` for calls that need no
    gradient: `inputs` are the arrays of the inputs alone, `weights` is a function that returns those
    of the parameters, to be called only after `symgluon.backends.parameter_version` has grown, and
    `device` (hashable) says whose parameters they are.  So parameters can be built in as constants.
    """

    #: what `optimize_for(x, backend=...)` calls it
    name: str
    #: options of `optimize_for` that the backend knows, with a line of help each; others are refused
    options: dict[str, str]

    def supports(self, node: Node) -> bool:
        """Whether the backend can run a node: at its types, which may have named dimensions.

        Parameters
        ----------
        node : Node
            With its operator ``node.op``, and values with types for operands and results.

        Returns
        -------
        bool
            False: the NumPy interpreter runs it.
        """
        ...

    def pipeline(self, options: CompileOptions) -> Sequence[Any]:
        """Passes and pipelines (or their names) to run before `compile`.

        ``"infer_ort"`` suits runtimes that fuse operators by themselves, ``"infer"`` those that
        run the kernels of the nodes one by one: it fuses chains into nodes ``fused`` and plans
        memory.

        Parameters
        ----------
        options : CompileOptions
            What the user asked for.

        Returns
        -------
        sequence of str or Pass
            In order.
        """
        ...

    def compile(self, graph: Graph, options: CompileOptions) -> Executable:
        """Return a function from arrays (inputs, then parameters) to a tuple of arrays.

        Parameters
        ----------
        graph : Graph
            Of nodes that `supports` accepts (of all nodes with ``partitions = True``).
        options : CompileOptions
            What the user asked for.

        Returns
        -------
        callable
            The executable.
        """
        ...


_DEFAULT = "onnxruntime"
#: options that every backend takes, with a line of help each
COMMON_OPTIONS = {
    "passes": "passes to leave out or to add, such as ('-fuse_patterns', '+remove_amp_cast')"
}
_registered: dict[str, Backend] = {}


def register_backend(backend: Backend) -> None:
    """Make a backend known by its name; a later one of the same name replaces it.

    Parameters
    ----------
    backend : Backend
        An object with all parts of the protocol.

    Raises
    ------
    AttributeValueError
        If it lacks a part; all that is missing is named.

    Examples
    --------
    A backend that counts its calls and leaves the work to the NumPy interpreter:

    >>> import symgluon as mx
    >>> from symgluon.backends import register_backend
    >>> from symgluon.backends.numpy import Interpreter
    >>> class Counting:
    ...     name = "counting"
    ...     options = {}
    ...     calls = 0
    ...
    ...     def supports(self, node):
    ...         return node.op.name != "relu"
    ...
    ...     def pipeline(self, options):
    ...         return []
    ...
    ...     def compile(self, graph, options):
    ...         run = Interpreter(graph)
    ...
    ...         def executable(*arrays):
    ...             Counting.calls += 1
    ...             return run(*arrays)
    ...
    ...         return executable
    >>> register_backend(Counting())
    >>> net = mx.gluon.nn.Dense(2, activation="relu", in_units=2)
    >>> net.initialize(init="ones")
    >>> net.optimize_for(mx.np.ones((1, 2)), backend="counting")
    >>> net(mx.np.array([[1.0, 2.0]]))
    array([[3., 3.]])
    >>> Counting.calls
    2
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


#: MXNet's backends for CPUs, which scripts name: what does their work here
_MXNET_NAMES = {"MKLDNN": "onnxruntime", "ONEDNN": "onnxruntime"}


def get_backend(name: str | None = None) -> Backend:
    """Return a backend by its name.

    Parameters
    ----------
    name : str, optional
        The name; that in ``SYMGLUON_BACKEND``, or ONNX Runtime, if left out.

    Returns
    -------
    Backend
        The backend; one that is installed is loaded at the first use.

    Raises
    ------
    AttributeValueError
        If there is none; the known ones are listed.

    Examples
    --------
    >>> from symgluon.backends import get_backend
    >>> get_backend("numpy").name
    'numpy'
    """
    name = name or config.backend() or _DEFAULT
    name = _MXNET_NAMES.get(name, name)
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
    forward_bulk_size: int | None = None,
    backward_bulk_size: int | None = None,
    **extra: Any,
) -> CompileOptions:
    """Return compile options, checked against what the backend knows.

    ``SYMGLUON_BACKEND`` takes the place of `backend`, and keeps of `extra` what it knows itself.

    Parameters
    ----------
    backend : str, optional
        Name of the backend; None: the default one.
    static_alloc, static_shape : bool
        Flags of `hybridize`.
    inline_limit : int
        Flag of `hybridize`.
    forward_bulk_size, backward_bulk_size : int, optional
        Flags of `hybridize`.
    **extra : object
        Options of the backend itself.

    Returns
    -------
    CompileOptions
        The options.

    Raises
    ------
    AttributeValueError
        For an unknown backend, options it does not know (all of them; the known are listed), or
        a pass that does not exist.
    """
    from symgluon.passes.switches import parse_switches

    chosen = get_backend(backend)
    unknown = [k for k in extra if k not in chosen.options and k not in COMMON_OPTIONS]
    if unknown:
        known = ", ".join((*chosen.options, *COMMON_OPTIONS))
        raise AttributeValueError(
            f"backend {chosen.name!r} does not know the option {', '.join(unknown)}",
            hint=f"options it knows: {known}",
        )
    parse_switches(extra.get("passes"))
    override = config.backend()
    if override is not None and override != chosen.name:
        chosen = get_backend(override)
        extra = {k: v for k, v in extra.items() if k in chosen.options or k in COMMON_OPTIONS}
    frozen = tuple(sorted((k, _freeze(v)) for k, v in extra.items()))
    return CompileOptions(
        chosen.name,
        static_alloc,
        static_shape,
        inline_limit,
        int(forward_bulk_size or 0),
        int(backward_bulk_size or 0),
        frozen,
    )


def on_gpu(options: CompileOptions, device: Device) -> CompileOptions:
    """Return the options for the parameters and arguments of one GPU.

    Parameters
    ----------
    options : CompileOptions
        What the graphs of a CPU are compiled for.
    device : Device
        The GPU.

    Returns
    -------
    CompileOptions
        The options.
    """
    ask = getattr(get_backend(options.backend), "on_gpu", None)
    return options if ask is None else ask(options, device.device_id)  # type: ignore[no-any-return]


def _freeze(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_freeze(v) for v in value)
    if isinstance(value, dict):
        return tuple(sorted((k, _freeze(v)) for k, v in value.items()))
    return value


def supporting(backend: Backend, options: CompileOptions) -> Callable[[Node], bool]:
    """Return what says whether a backend runs a node.

    Parameters
    ----------
    backend : Backend
        The backend.
    options : CompileOptions
        What is compiled for.

    Returns
    -------
    callable
        From a node to a bool.
    """
    ask = getattr(backend, "supporting", None)
    return backend.supports if ask is None else ask(options)  # type: ignore[no-any-return]


def optimise(graph: Graph, options: CompileOptions, *, explain: bool = False) -> list[Any]:
    """Run the passes of the backend on a graph, in place.

    Parameters
    ----------
    graph : Graph
        It is changed.
    options : CompileOptions
        Names the backend; its option ``passes`` leaves passes out, or adds some.
    explain : bool
        Collect the reasons for which candidates were left alone.

    Returns
    -------
    list
        A report a pipeline.
    """
    from symgluon.passes import run_pipeline
    from symgluon.passes.switches import environment_switches, parse_switches

    off, on = parse_switches(options.get("passes")).then(environment_switches())
    steps = list(get_backend(options.backend).pipeline(options))
    found = []
    for i, step in enumerate(steps):
        pipeline = step if isinstance(step, str) else [step]
        more = on if i == len(steps) - 1 else ()
        found.append(run_pipeline(graph, pipeline, disable=off, enable=more, explain=explain))
    return found


def compile_graph(graph: Graph, options: CompileOptions | None = None) -> Executable:
    """Run the backend's passes on a copy of a graph and compile it.

    Parameters
    ----------
    graph : Graph
        It stays as it is.
    options : CompileOptions, optional
        Those of the default backend if left out.

    Returns
    -------
    callable
        From NumPy arrays (inputs, then parameters) to a tuple of arrays.
    """
    if options is None:
        options = make_options()
    backend = get_backend(options.backend)
    copy = graph.copy()
    optimise(copy, options)
    if getattr(backend, "partitions", False):
        return backend.compile(copy, options)
    from symgluon.backends.partition import compile_bulks, compile_parts

    supports = supporting(backend, options)

    def compile_whole(segment: Graph) -> Executable:
        if all(map(supports, segment.nodes)):
            return backend.compile(segment, options)
        return compile_parts(segment, supports, lambda part: backend.compile(part, options))

    return compile_bulks(copy, options.bulk_size, compile_whole)
