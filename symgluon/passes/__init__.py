"""Passes: small rewrites of a graph, run by named pipelines."""

from symgluon.passes.manager import (
    PASSES,
    PIPELINES,
    Pass,
    PassCount,
    Report,
    Step,
    count,
    describe,
    explain,
    graph_pass,
    run_pipeline,
)

__all__ = [
    "PASSES",
    "PIPELINES",
    "Pass",
    "PassCount",
    "Report",
    "Step",
    "count",
    "describe",
    "explain",
    "graph_pass",
    "run_pipeline",
]
