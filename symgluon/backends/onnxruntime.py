"""The ONNX Runtime backend: graphs as sessions, what it lacks on the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgluon.backends.numpy import Interpreter
from symgluon.backends.partition import Part, Partitioned, partition
from symgluon.backends.sessions import Runner, make_session, resolve_providers, runtime
from symgluon.backends.support import needs_partition, supported
from symgluon.errors import UnsupportedOpError
from symgluon.formats.onnx.writer import build_model
from symgluon.ir.graph import Graph, Node
from symgluon.ops.array import parameter_writes

OPSET = 20
#: calls with the same parameter arrays after which they are built into the session as constants
_STEADY_CALLS = 3


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

    def supports(self, node: Node) -> bool:
        """Whether a session runs the node."""
        return supported(node, OPSET)

    def pipeline(self, options: Any) -> Sequence[str]:
        """Return the passes before compilation."""
        return ("infer_ort",)

    def compile(self, graph: Graph, options: Any) -> Any:
        """Return the executable of `graph`."""
        return OrtExecutable(graph, options)


def _session(graph: Graph, options: Any) -> Runner:
    providers = resolve_providers(options.get("providers"))
    model = build_model(graph, opset=OPSET, microsoft=True)
    session = make_session(model, providers=providers, threads=options.get("threads"))
    return Runner(session, [i.name for i in model.graph.input])


def compile_plain(graph: Graph, options: Any) -> Any:
    """Compile to one session where every node is supported, else to parts."""
    if not len(graph):
        return Interpreter(graph)  # results are operands: nothing to run
    if not needs_partition(graph):
        refused: tuple[type[Exception], ...] = (UnsupportedOpError, *_refusal())
        try:
            return _session(graph, options)
        except refused:
            pass  # some node has no session form: find out which below
    parts = partition(graph, lambda node: supported(node, OPSET))
    if len(parts) == 1 and parts[0].supported and not _leaf_outputs(graph):
        return _session(graph, options)

    def compile_part(part: Part) -> Any:
        return _session(part.graph, options) if part.supported else Interpreter(part.graph)

    return Partitioned(graph, parts, compile_part)


def _leaf_outputs(graph: Graph) -> bool:
    return any(v.producer is None for v in graph.outputs)


def _refusal() -> tuple[type[Exception], ...]:
    """Errors by which ONNX Runtime says that it has no kernel."""
    state = runtime().capi.onnxruntime_pybind11_state
    return (state.NotImplemented,)


class OrtExecutable:
    """A graph with its weights as inputs and, once they are steady, as constants."""

    def __init__(self, graph: Graph, options: Any) -> None:
        self.graph = graph
        self.settings = options
        self.run = compile_plain(graph, options)
        self.may_fix = bool(graph.params) and options.get("constant_weights", True)
        self.fixed: Any = None
        self.weights: list[Any] = []
        self.stamp = -1
        self.steady_calls = 0

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in operand order."""
        return self.run(*arrays)  # type: ignore[no-any-return]

    def steady(self, inputs: Sequence[Any], weights: Callable[[], list[Any]]) -> Any:
        """Run with parameters that are only asked for when they changed since the last call.

        Parameters
        ----------
        inputs : sequence of ndarray
            The operands that are no parameters.
        weights : callable
            Returns the arrays of the parameters.
        """
        if self.stamp != parameter_writes.count:
            self.stamp = parameter_writes.count
            self.weights, self.steady_calls, self.fixed = weights(), 0, None
        elif self.fixed is not None:
            return self.fixed(*inputs)
        elif self.may_fix:
            self.steady_calls += 1
            if self.steady_calls >= _STEADY_CALLS:
                self.fixed = self._fix(self.weights)
                self.weights = []
                return self.fixed(*inputs)
        return self.run(*inputs, *self.weights)

    def _fix(self, weights: Sequence[Any]) -> Any:
        """Build the session with the parameters as constants."""
        from symgluon.passes import run_pipeline

        graph = self.graph.copy()
        for value, array in zip(list(graph.params.values()), weights, strict=True):
            constant = graph.add_constant(array, value.name)
            graph.replace_all_uses(value, constant)
            graph.drop_leaf(value)
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
