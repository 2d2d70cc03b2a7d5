"""ONNX Runtime sessions: options, creation, and the shortest way to run one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symgluon import config, dtypes
from symgluon.errors import AttributeValueError
from symgluon.formats.onnx.external import ExternalData
from symgluon.formats.onnx.writer import build_model
from symgluon.ir.graph import Graph

#: opset of the models that stay in memory
OPSET = 20

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
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
def refusals() -> tuple[type[Exception], ...]:
    """Errors by which ONNX Runtime says that it cannot run a model."""
    state = runtime().capi.onnxruntime_pybind11_state
    return (state.NotImplemented, state.InvalidGraph, state.Fail, state.InvalidArgument)


@lru_cache(maxsize=1)
def failures() -> tuple[type[Exception], ...]:
    """Errors by which ONNX Runtime ends a run."""
    return (*refusals(), runtime().capi.onnxruntime_pybind11_state.RuntimeException)


def resolve_providers(names: Any) -> list[str]:
    """Full names of the wanted execution providers.

    Raises
    ------
    AttributeValueError
        If one is not in the installed onnxruntime, with the way to get it.
    """
    if names is None:
        return ["CPUExecutionProvider"]
    wanted = [names] if isinstance(names, str) else list(names)
    available = runtime().get_available_providers()
    found = []
    for name in wanted:
        full = _PROVIDERS.get(str(name).lower(), str(name))
        if full not in available:
            hint = (
                "install onnxruntime-gpu in place of onnxruntime (the two own one folder), and a "
                "CUDA runtime"
                if full.startswith(("CUDA", "Tensorrt"))
                else "install the onnxruntime package that has it"
            )
            raise AttributeValueError(
                f"the installed onnxruntime has no {full}; it has {', '.join(available)}",
                hint=hint,
            )
        found.append(full)
    return found


def make_session(
    model: Any,
    *,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    threads: int | None = None,
    optimise: bool = True,
    tensors: Mapping[str, np.ndarray] | None = None,
) -> Any:
    """Create a session from a ModelProto, its bytes, or a path.

    Parameters
    ----------
    threads : int, optional
        Threads inside an operator; by default `config.threads`.  They never spin: an idle session
        costs nothing.
    optimise : bool
        False: no graph optimisation, for a session that is run rarely or never.
    tensors : mapping, optional
        Initializers that the model only refers to.  ONNX Runtime copies them while it loads.
    """
    ort = runtime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or config.threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    if tensors:
        values = [ort.OrtValue.ortvalue_from_numpy(a) for a in tensors.values()]
        options.add_external_initializers(list(tensors), values)
    source = model if isinstance(model, bytes | str) else model.SerializeToString()
    return ort.InferenceSession(source, options, providers=list(providers))


class Runner:
    """A session as a function of arrays in the order of `inputs`."""

    def __init__(self, session: Any, inputs: Sequence[str]) -> None:
        present = {i.name for i in session.get_inputs()}
        self.session = session
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


def _has_bfloat16(graph: Graph) -> bool:
    return any(is_bfloat16(v.dtype) for v in graph.values())


def session_of(graph: Graph, **options: Any) -> Runner:
    """Return a session for a whole graph.

    Parameters
    ----------
    options
        As for `make_session`.

    Raises
    ------
    UnsupportedOpError
        If an operator has no ONNX form.  What ONNX Runtime itself refuses raises one of
        `refusals`.
    """
    casts = _has_bfloat16(graph)
    narrow = {i: v.dtype for i, v in enumerate(graph.outputs) if is_bfloat16(v.dtype)}
    if casts:
        from symgluon.passes.legalise_types import legalise_types, widen_boundary

        graph = graph.copy()
        legalise_types(graph)
        widen_boundary(graph)
    large = ExternalData("memory", least=_LARGE, native=True)
    model = build_model(graph, opset=OPSET, microsoft=True, external=large)
    session = make_session(model, tensors=large.arrays, **options)
    inputs = [i.name for i in model.graph.input]
    return CastingRunner(session, inputs, narrow) if casts else Runner(session, inputs)
