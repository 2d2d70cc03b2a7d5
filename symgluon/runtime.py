"""Installs what the dispatcher hands work to: the graph compiler and the eager sessions.

Both import onnxruntime on first use only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgluon import config
from symgluon.ops.apply import set_eager_backend
from symgluon.ops.call import set_graph_compiler, set_graph_interpreter


def _compile(graph: Any, options: Any) -> Any:
    from symgluon.backends import compile_graph

    return compile_graph(graph, options)


def _interpreter(graph: Any) -> Any:
    from symgluon.backends.numpy import Interpreter

    return Interpreter(graph)


def _first_eager_call(op: Any, data: Sequence[Any]) -> Any:
    from symgluon.backends.eager import run_in_session

    set_eager_backend(run_in_session)
    return run_in_session(op, data)


def install() -> None:
    """Install the hooks."""
    set_graph_compiler(_compile)
    set_graph_interpreter(_interpreter)
    if config.eager_ort():
        set_eager_backend(_first_eager_call)


install()
