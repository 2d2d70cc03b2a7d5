"""From the flags of `hybridize` to what compiles a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        **flags.options,
    )


def prepare(graph: Graph) -> None:
    """Run the passes every traced graph goes through, whatever compiles it."""
    from symgluon.passes import run_pipeline

    run_pipeline(graph, "trace")
