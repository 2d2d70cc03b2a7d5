"""ONNX Runtime sessions: options, creation, and the shortest way to run one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symgluon import config, dtypes
from symgluon.backends.blocks import block_of
from symgluon.backends.providers import (
    CPU,
    Provider,
    check_loaded,
    device_of,
    name_of,
    with_capture,
)
from symgluon.formats.onnx.external import ExternalData
from symgluon.formats.onnx.writer import build_model
from symgluon.ir.graph import Graph

#: opset of the models that stay in memory
OPSET = 20

#: fusions whose kernel is slower on CPUs than what it replaces (``docs/performance.md``)
_SLOWER = ("SkipLayerNormFusion",)

#: fusions for devices that round the attribute of a float64 operator to float32
_ROUNDING = ("QuickGeluFusion",)

#: microseconds for which idle threads wait actively: longer than most serial parts of a run, and
#: than the time between two calls of a small net; short beside a run of another session
_SPIN = 30

#: bytes of a tensor from which it is handed over in memory, not inside the model
_LARGE = 1 << 14


@lru_cache(maxsize=1)
def runtime() -> Any:
    """Import onnxruntime on first use.

    Its global thread pool stays off: with it, every other session of the process is refused.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    return onnxruntime


@lru_cache(maxsize=1)
def _waits_for_a_time() -> bool:
    """Whether this ONNX Runtime can be told for how long threads wait actively."""
    major, minor = (int(part) for part in runtime().__version__.split(".")[:2])
    return (major, minor) >= (1, 26)


@lru_cache(maxsize=1)
def refusals() -> tuple[type[Exception], ...]:
    """Errors by which ONNX Runtime says that it cannot run a model."""
    state = runtime().capi.onnxruntime_pybind11_state
    return (state.NotImplemented, state.InvalidGraph, state.Fail, state.InvalidArgument)


@lru_cache(maxsize=1)
def failures() -> tuple[type[Exception], ...]:
    """Errors by which ONNX Runtime ends a run."""
    return (*refusals(), runtime().capi.onnxruntime_pybind11_state.RuntimeException)


def make_session(
    model: Any,
    *,
    providers: Sequence[Provider] = (CPU,),
    threads: int | None = None,
    spin: bool = False,
    optimise: bool = True,
    tensors: Mapping[str, np.ndarray] | None = None,
    prepare: Callable[[Any], None] | None = None,
    without: Sequence[str] = (),
) -> Any:
    """Create a session from a ModelProto, its bytes, or a path.

    Parameters
    ----------
    threads : int, optional
        Threads inside an operator; by default `config.threads`.
    spin : bool
        They wait actively for their next share of a run or for the next run, but not long: an idle
        session costs nothing, and the threads of several sessions are not in each other's way.
    optimise : bool
        False: no graph optimisation, for a session that is run rarely or never.
    tensors : mapping, optional
        Initializers that the model only refers to.  ONNX Runtime copies them while it loads.
    prepare : callable, optional
        Changes the session options last.
    without : sequence of str
        Optimisations of ONNX Runtime to leave out.

    Raises
    ------
    SymgluonError
        If one of the providers does not start.
    """
    ort = runtime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or config.threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    if _waits_for_a_time():
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN))
    else:  # they would go on for some 30 ms after a run
        options.add_session_config_entry("session.force_spinning_stop", "1")
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    if tensors:
        values = [ort.OrtValue.ortvalue_from_numpy(a) for a in tensors.values()]
        options.add_external_initializers(list(tensors), values)
    if any(name_of(p) == "DmlExecutionProvider" for p in providers):
        options.enable_mem_pattern = False  # DirectML asks for it
    if prepare is not None:
        prepare(options)
    source = model if isinstance(model, bytes | str) else model.SerializeToString()
    session = ort.InferenceSession(
        source,
        options,
        providers=list(providers),
        enable_fallback=0,
        disabled_optimizers=[*(_SLOWER if tuple(providers) == (CPU,) else ()), *without],
    )
    if tuple(providers) != (CPU,):
        check_loaded(session, providers)
    return session


class Runner:
    """A session as a function of arrays in the order of `inputs`."""

    def __init__(self, session: Any, inputs: Sequence[str]) -> None:
        present = {i.name for i in session.get_inputs()}
        self.session = session
        self.inputs = tuple(inputs)
        self.names = [n if n in present else None for n in inputs]
        self.outputs = [o.name for o in session.get_outputs()]
        self.plain = all(n is not None for n in self.names)
        self._run = session._sess.run

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in the order of the inputs."""
        if self.plain:
            feeds = dict(zip(self.names, arrays, strict=True))
        else:
            feeds = {n: a for n, a in zip(self.names, arrays, strict=True) if n is not None}
        return tuple(self._run(self.outputs, feeds, None))


class CastingRunner(Runner):
    """A session between casts: it has float32 where the graph has bfloat16.

    Parameters
    ----------
    narrow : mapping of int to numpy.dtype
        The results that are bfloat16 in the graph.
    """

    def __init__(
        self, session: Any, inputs: Sequence[str], narrow: Mapping[int, np.dtype[Any]]
    ) -> None:
        super().__init__(session, inputs)
        self.narrow = narrow

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in the order of the inputs."""
        wide = [a.astype(np.float32) if is_bfloat16(a.dtype) else a for a in arrays]
        results = list(super().__call__(*wide))
        for i, dtype in self.narrow.items():
            results[i] = results[i].astype(dtype)
        return tuple(results)


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Whether sessions cannot take or give arrays of this dtype."""
    return dtype.kind == "V" and dtypes.name(dtype) == "bfloat16"


def has_bfloat16(graph: Graph) -> bool:
    """Whether a value of the graph is bfloat16."""
    return any(is_bfloat16(v.dtype) for v in graph.values())


def _note_runs(runner: Runner, watched: Any) -> Runner:
    """Let each run of a profiled session be noted, to be found again in its profile."""
    run = runner._run

    def noted(*arguments: Any) -> Any:
        watched.ran()
        return run(*arguments)

    runner._run = noted
    return runner


def session_of(
    graph: Graph, *, profile: Any = None, capture: bool = False, **options: Any
) -> Runner:
    """Return a session for a whole graph.

    Parameters
    ----------
    profile : SessionProfile, optional
        Takes the profile of the session.
    capture : bool
        The kernels are recorded as a CUDA graph, which is refused where one does not run there.
    options
        As for `make_session`.

    Raises
    ------
    UnsupportedOpError
        If an operator has no ONNX form.  What ONNX Runtime itself refuses raises one of
        `refusals`.
    """
    model, tensors = session_model(graph, options.get("providers", (CPU,)))
    inputs = [i.name for i in model.graph.input]
    watched: Any = None
    device = device_of(options.get("providers", (CPU,)))
    if device is not None and any(v.dtype == np.float64 for v in graph.values()):
        options["without"] = _ROUNDING
    if capture:
        options["providers"] = with_capture(options["providers"])
    if profile is None:
        session = make_session(model, tensors=tensors, **options)
    else:
        session, watched = _profiled(graph, model, tensors, profile, options)
    runner = Runner(session, inputs)
    if has_bfloat16(graph):
        narrow = {i: v.dtype for i, v in enumerate(graph.outputs) if is_bfloat16(v.dtype)}
        runner = CastingRunner(session, inputs, narrow)
    elif device is not None and watched is None:
        from symgluon.backends.device_runner import CapturedRunner, DeviceRunner

        runner = (CapturedRunner if capture else DeviceRunner)(session, inputs, device)
    return runner if watched is None else _note_runs(runner, watched)


def session_model(
    graph: Graph, providers: Sequence[Provider] = (CPU,)
) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the model that a session for `graph` is made from, and its large tensors."""
    if has_bfloat16(graph):
        from symgluon.passes.legalise_types import legalise_types, widen_boundary

        graph = graph.copy()
        legalise_types(graph)
        widen_boundary(graph)
    large = ExternalData("memory", least=_LARGE, native=True)
    # attention is one operator of ONNX only from 23 on
    opset = 23 if any(node.op.name == "attention" for node in graph.nodes) else OPSET
    block = block_of(graph) if tuple(providers) == (CPU,) else 0
    cuda = (device_of(providers) or ("cpu", 0))[0] == "cuda"
    model = build_model(graph, opset=opset, microsoft=True, block=block, cuda=cuda, external=large)
    return model, large.arrays


def _profiled(
    graph: Graph, model: Any, tensors: Any, profile: Any, options: dict[str, Any]
) -> tuple[Any, Any]:
    """Make a session that is profiled, with its own rewrites written down if that is possible."""
    from symgluon.backends.session_profile import blocks_of

    written: list[str] = []

    def make(named: bool) -> Any:
        def prepare(session_options: Any) -> None:
            written.append(profile.prepare(session_options, named=named))

        return make_session(model, tensors=tensors, prepare=prepare, **options)

    try:
        session = make(True)
    except refusals():  # providers that compile parts of a graph cannot write it
        session = make(False)
    return session, profile.watch(session, blocks_of(graph), written[-1])
