"""What the compiler makes of a model file: for ``symgluon inspect --passes``, ``--html``, ``--dot``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symgluon.cli.common import InputSpec, UsageError, find_params

if TYPE_CHECKING:
    from symgluon.gluon.report import OptimizeReport


def symbol_graph(symbol: str, params: str | None, inputs: Sequence[InputSpec]) -> Any:
    """Open MXNet's pair of files as a graph with its parameters as constants, calls inlined.

    Raises
    ------
    UsageError
        If the shape of an input is neither given nor stated in the file.
    FormatError
        If there is no parameter file, or a file is damaged.
    """
    from symgluon.cli.models import open_symbol
    from symgluon.gluon.export import frozen, trace_for_export
    from symgluon.passes.inline_calls import inline_calls

    params = find_params(symbol) if params is None else params
    block, signature, names, asked = open_symbol(symbol, params, inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fixed dimension: the types of the inputs show it
        exported = trace_for_export(
            block, signature, names, dynamic_batch=not inputs, dynamic_axes=asked or None
        )
    graph = frozen(exported)
    inline_calls(graph)
    return graph


def symbol_report(
    symbol: str,
    params: str | None,
    inputs: Sequence[InputSpec],
    *,
    backend: str | None,
    explain: bool,
    passes: str | None = None,
) -> OptimizeReport:
    """Return what the passes of a backend make of MXNet's pair of files."""
    from symgluon.backends import make_options
    from symgluon.gluon.report import report_on

    chosen: dict[str, Any] = {} if passes is None else {"passes": passes}
    return report_on(
        symbol_graph(symbol, params, inputs),
        make_options(backend, **chosen),
        name=os.path.basename(symbol).removesuffix("-symbol.json"),
        explain=explain,
    )


def write_html(path: str, page: str) -> None:
    """Write a page, whole or not at all."""
    from symgluon.formats.atomic import write_text

    write_text(path, page)


def write_dot(path: str, symbol: str, params: str | None, inputs: Sequence[InputSpec]) -> None:
    """Write the graph of MXNet's pair of files, as it is before the passes, for Graphviz."""
    from symgluon.formats.atomic import write_text

    write_text(path, symbol_graph(symbol, params, inputs).to_dot() + "\n")


def refuse(kind: str, path: str) -> None:
    """Say which files have a graph.

    Raises
    ------
    UsageError
        Always.
    """
    raise UsageError(
        f"{path} is a file of kind {kind}, which holds no graph: --passes, --html and --dot take "
        "MODEL-symbol.json or an .onnx file"
    )
