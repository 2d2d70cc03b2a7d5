"""Passes: small rewrites of a graph, run by named pipelines."""

from symgluon.passes.manager import (
    PASSES,
    PIPELINES,
    PassCount,
    Report,
    describe,
    graph_pass,
    run_pipeline,
)

__all__ = ["PASSES", "PIPELINES", "PassCount", "Report", "describe", "graph_pass", "run_pipeline"]
