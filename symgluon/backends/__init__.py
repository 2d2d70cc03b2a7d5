"""Backends: what executes a graph.

``numpy`` is the interpreter, the judge of every other; ``onnxruntime`` compiles to sessions.  Others
plug in through :func:`register_backend` or the entry-point group ``symgluon.backends``; what they
are made of is here, and nothing else of the package is needed (``docs/backends.md``).
"""

from symgluon.backends.base import (
    Backend,
    CompileOptions,
    Executable,
    compile_graph,
    get_backend,
    list_backends,
    make_options,
    register_backend,
)
from symgluon.backends.plugin import (
    is_random,
    node_key,
    node_model,
    onnx_model,
    parameter_version,
    with_constants,
)
from symgluon.ir.graph import Graph, Node

__all__ = [
    "Backend",
    "CompileOptions",
    "Executable",
    "Graph",
    "Node",
    "compile_graph",
    "get_backend",
    "is_random",
    "list_backends",
    "make_options",
    "node_key",
    "node_model",
    "onnx_model",
    "parameter_version",
    "register_backend",
    "with_constants",
]
