"""From the flags of `hybridize` to what compiles a graph."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph

if TYPE_CHECKING:
    from symgluon.gluon.hybrid import Flags


def compile_options(flags: Flags) -> Any:
    """Return the compile options that `flags` ask for.

    Raises
    ------
    AttributeValueError
        For an unknown backend or an option it does not know; the known ones are listed.
    """
    from symgluon.backends import make_options

    return make_options(
        flags.backend,
        static_alloc=flags.static_alloc,
        static_shape=flags.static_shape,
        inline_limit=flags.inline_limit,
        forward_bulk_size=flags.forward_bulk_size,
        backward_bulk_size=flags.backward_bulk_size,
        **flags.options,
    )


def options_for(graph: Graph, options: Any, flags: Flags) -> Any:
    """Return the options for one graph: the interpreter's, where `partition_if_dynamic` is off.

    Parameters
    ----------
    graph : Graph
        As it was traced.
    options : CompileOptions
        What the flags ask for.
    flags : Flags
        Flags of `hybridize`.

    Returns
    -------
    CompileOptions
        `options`, unless sizes in the graph depend on data and it must not be cut.
    """
    scope = graph.scope
    dynamic = scope is not None and any(scope.hint(Dim(n)) is None for n in scope.names())
    if flags.partition_if_dynamic or not dynamic:
        return options
    return dataclasses.replace(options, backend="numpy", extra=())


def prepare(graph: Graph) -> None:
    """Run the passes every traced graph goes through, whatever compiles it."""
    from symgluon.passes import run_pipeline

    run_pipeline(graph, "trace")
