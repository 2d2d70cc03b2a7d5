"""The backend: what it supports, and graphs as compiled models."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symgluon.backends import (
    CompileOptions,
    Graph,
    Node,
    is_random,
    node_key,
    node_model,
    onnx_model,
    parameter_version,
    with_constants,
)
from symgluon.errors import AttributeValueError, SymgluonError, UnsupportedOpError

_PRECISIONS = ("f32", "bf16", "f16")
#: OpenVINO computes these in narrower types
_NARROWED = ("float64", "int64", "uint64", "uint32")
_MOST_ANSWERS = 4096
#: calls with the same parameters after which they become constants, once they were written at all
_STEADY_CALLS = 2


@lru_cache(maxsize=1)
def core() -> Any:
    """OpenVINO's runtime, imported on first use.

    Raises
    ------
    SymgluonError
        If openvino cannot be imported.
    """
    try:
        import openvino
    except ImportError as error:
        raise SymgluonError(
            f"backend openvino: openvino cannot be imported: {error}",
            hint="pip install openvino",
        ) from error
    return openvino.Core()


class OpenVinoBackend:
    """Compiles graphs to OpenVINO models."""

    name = "openvino"
    options = {
        "device": "device of OpenVINO: CPU (default), GPU, NPU, AUTO",
        "num_threads": "threads of one call (default: SYMGLUON_THREADS, OMP_NUM_THREADS)",
        "precision": "f32 (default), bf16 or f16: what float32 is computed in",
        "constant_weights": "build steady parameters in as constants (default: True)",
    }

    def __init__(self) -> None:
        self._answers: OrderedDict[Any, bool] = OrderedDict()
        self._lock = threading.Lock()

    def supports(self, node: Node, device: str = "CPU") -> bool:
        """Whether a device of OpenVINO runs the node, in the node's own types."""
        if is_random(node) or not _types_are_kept(node):
            return False
        key = (device, node_key(node))
        with self._lock:
            found = self._answers.get(key)
        if found is None:
            found = _ask(node, device)
            with self._lock:
                self._answers[key] = found
                while len(self._answers) > _MOST_ANSWERS:
                    self._answers.popitem(last=False)
        return found

    def supporting(self, options: CompileOptions) -> Callable[[Node], bool]:
        """Return `supports` for the device in the options.

        AUTO and MULTI choose while they run, and can always choose the CPU: that one is asked.

        Raises
        ------
        AttributeValueError
            For a device that is not there.
        """
        device = _device(options)
        asked = "CPU" if device.split(":")[0] in ("AUTO", "MULTI") else device
        return lambda node: self.supports(node, asked)

    def pipeline(self, options: CompileOptions) -> Sequence[str]:
        """Passes before compilation: those of a runtime that fuses by itself."""
        return ("infer_ort",)

    def compile(self, graph: Graph, options: CompileOptions) -> OpenVinoExecutable:
        """Compile a graph whose nodes are all supported."""
        return OpenVinoExecutable(graph, options)


def _types_are_kept(node: Node) -> bool:
    """Whether OpenVINO computes the node in the types it has."""
    results = [v.dtype.name for v in node.outputs]
    operands = [v.dtype.name for v in node.inputs if v is not None]
    if "bfloat16" in (*results, *operands) or "float64" in operands:
        return False
    if any(name in _NARROWED for name in results):
        return False
    return not (node.op.name == "cast" and operands[0] in _NARROWED)


def _ask(node: Node, device: str) -> bool:
    """Put the node to OpenVINO as a model of its own."""
    try:
        model = node_model(node)
    except SymgluonError:
        return False  # no ONNX form
    try:
        read = core().read_model(model.SerializeToString())
        taken = core().query_model(read, device)
    except RuntimeError:
        return False
    return all(op.get_friendly_name() in taken for op in read.get_ops())


def _device(options: CompileOptions) -> str:
    """Name of the device that is asked for.

    Raises
    ------
    AttributeValueError
        If it is not there.
    """
    device = str(options.get("device", "CPU")).upper()
    there = core().available_devices
    virtual = ("AUTO", "MULTI", "HETERO")
    if device not in there and device.split(".")[0].split(":")[0] not in (*there, *virtual):
        raise AttributeValueError(
            f"backend openvino: there is no device {device!r}",
            hint=f"devices of the installed OpenVINO: {', '.join(there)}, AUTO",
        )
    return device


def properties(options: CompileOptions) -> tuple[str, dict[str, Any]]:
    """Device and properties of a compiled model.

    Raises
    ------
    AttributeValueError
        For a device that is not there, or a value of another kind.
    """
    device = _device(options)
    precision = options.get("precision", "f32")
    if precision not in _PRECISIONS:
        raise AttributeValueError(
            "backend openvino: precision",
            expected=", ".join(_PRECISIONS),
            received=repr(precision),
        )
    found: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    threads = options.get("num_threads", _default_threads())
    if threads is not None:
        if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
            raise AttributeValueError(
                "backend openvino: num_threads", expected="a number of at least 1",
                received=repr(threads),
            )  # fmt: skip
        if device == "CPU":
            found["INFERENCE_NUM_THREADS"] = threads
    return device, found


def _default_threads() -> int | None:
    for variable in ("SYMGLUON_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(variable, "").split(",")[0].strip()
        if text.isdecimal() and int(text) > 0:
            return int(text)
    return None


class CompiledGraph:
    """A graph as a compiled model; each thread has an inference request of its own."""

    def __init__(self, graph: Graph, options: CompileOptions) -> None:
        device, settings = properties(options)
        try:
            read = core().read_model(onnx_model(graph).SerializeToString())
            self.model = core().compile_model(read, device, settings)
        except RuntimeError as error:
            if isinstance(error, UnsupportedOpError):
                raise
            raise SymgluonError(
                f"OpenVINO cannot compile graph {graph.name!r}: {_first_lines(error)}",
                hint="compare with optimize_for(x, backend='numpy')",
            ) from error
        self.dtypes = [v.dtype for v in graph.outputs]
        self._local = threading.local()

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in the order of the operands."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self.model.create_infer_request()
        inputs = [np.ascontiguousarray(a) if a.ndim else a for a in arrays]
        try:
            results = request.infer(inputs, share_inputs=True)
        except RuntimeError as error:
            shown = ", ".join(f"{a.dtype.name}{list(a.shape)}" for a in arrays)
            raise SymgluonError(f"OpenVINO: {_first_lines(error)}", received=shown) from error
        return tuple(results[i].astype(dtype, copy=False) for i, dtype in enumerate(self.dtypes))


def _first_lines(error: Exception) -> str:
    """The message without the places in OpenVINO's sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return "; ".join((told or lines)[:2])


class OpenVinoExecutable:
    """A graph with its parameters as inputs and, once they are steady, as constants."""

    def __init__(self, graph: Graph, options: CompileOptions) -> None:
        self.graph = graph
        self.options = options
        self.may_fix = bool(graph.params) and options.get("constant_weights", True)
        properties(options)  # what is wrong with the options is told at once
        self._lock = threading.Lock()
        self._general: CompiledGraph | None = None
        self._versions: dict[Any, _Version] = {}  # by device

    @property
    def general(self) -> CompiledGraph:
        """The form with parameters as inputs, compiled when it is first needed."""
        if self._general is None:
            with self._lock:
                if self._general is None:
                    self._general = CompiledGraph(self.graph, self.options)
        return self._general

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in operand order."""
        return self.general(*arrays)

    def steady(
        self, inputs: Sequence[Any], weights: Callable[[], list[Any]], device: Any = None
    ) -> tuple[np.ndarray, ...]:
        """Run with parameters that are asked for only when one was written."""
        version = self._versions.get(device)
        if version is None or version.stamp != parameter_version():
            patience = 0 if version is None else _STEADY_CALLS
            stamp = parameter_version()  # read before the arrays: see there
            version = self._versions[device] = _Version(stamp, weights(), patience)
        version.calls += 1
        if self.may_fix and version.calls > version.patience:
            with self._lock:
                if version.fixed is None:
                    frozen = with_constants(self.graph, version.arrays)
                    version.fixed = CompiledGraph(frozen, self.options)
            return version.fixed(*inputs)
        return self.general(*inputs, *version.arrays)


class _Version:
    """The parameters between two writes."""

    def __init__(self, stamp: int, arrays: list[Any], patience: int) -> None:
        self.stamp = stamp
        self.arrays = arrays
        self.patience = patience
        self.calls = 0
        self.fixed: CompiledGraph | None = None
