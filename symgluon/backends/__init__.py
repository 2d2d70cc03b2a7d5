"""Backends: what executes a graph.

``numpy`` is the interpreter, the judge of every other; ``onnxruntime`` compiles to sessions.  Others
plug in through :func:`register_backend` or the entry-point group ``symgluon.backends``.
"""

from symgluon.backends.base import (
    Backend,
    CompileOptions,
    compile_graph,
    get_backend,
    list_backends,
    make_options,
    register_backend,
)

__all__ = [
    "Backend",
    "CompileOptions",
    "compile_graph",
    "get_backend",
    "list_backends",
    "make_options",
    "register_backend",
]
