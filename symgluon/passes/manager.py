"""The pass manager: visible pipelines, counts, verification, reasons."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from symgluon import config
from symgluon.errors import AttributeValueError, PassError, SymgluonError
from symgluon.ir.graph import Graph

PassFunction = Callable[[Graph], int]


class Pass(NamedTuple):
    """A registered pass."""

    name: str
    run: PassFunction
    doc: str


PASSES: dict[str, Pass] = {}

_MODULES = {
    "lift_random": "lift_random",
    "inline_calls": "inline_calls",
    "eliminate_dead": "eliminate_dead",
    "eliminate_common": "eliminate_common",
    "fold_constants": "fold_constants",
    "simplify_algebra": "simplify_algebra",
    "simplify_shape": "simplify_shape",
    "fold_batch_norm": "fold_batch_norm",
    "remove_amp_cast": "simplify_algebra",
    "drop_stop_gradient": "simplify_algebra",
}

#: steps of a pipeline: a pass, or a group that runs until nothing changes (at most 4 rounds)
Step = str | tuple[str, ...]

_CLEAN: Step = ("eliminate_dead", "fold_constants", "simplify_algebra", "simplify_shape",
                "eliminate_common")  # fmt: skip

PIPELINES: dict[str, tuple[Step, ...]] = {
    # what every traced graph goes through, before its gradient is taken
    "trace": (
        "inline_calls",  # execution is flat
        "lift_random",  # before dead code: an unused draw must still advance the stream
        "eliminate_dead",
    ),
    # execution on the interpreter
    "infer": (
        "inline_calls",
        "drop_stop_gradient",
        _CLEAN,
        "fold_batch_norm",
        _CLEAN,
    ),
    # execution in ONNX Runtime, which fuses convolutions and elementwise work by itself
    "infer_ort": (
        "inline_calls",
        "drop_stop_gradient",
        _CLEAN,
        "fold_batch_norm",
        _CLEAN,
    ),
    # files: child blocks stay calls where they are larger than the inline limit
    "export": (
        "drop_stop_gradient",
        "remove_amp_cast",
        _CLEAN,
        "fold_batch_norm",
        _CLEAN,
    ),
}


class PassCount(NamedTuple):
    """What one run of a pass did."""

    name: str
    changes: int
    nodes_before: int
    nodes_after: int
    seconds: float


class Report(NamedTuple):
    """What a pipeline did."""

    pipeline: str
    runs: tuple[PassCount, ...]
    nodes_before: int
    nodes_after: int
    reasons: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether any pass changed the graph."""
        return any(r.changes for r in self.runs)

    def totals(self) -> dict[str, int]:
        """Changes by pass."""
        found: dict[str, int] = {}
        for r in self.runs:
            found[r.name] = found.get(r.name, 0) + r.changes
        return found

    def __str__(self) -> str:
        done = ", ".join(f"{k} {v}" for k, v in self.totals().items() if v) or "no change"
        lines = [f"{self.pipeline}: {self.nodes_before} -> {self.nodes_after} nodes ({done})"]
        return "\n".join([*lines, *(f"  left alone: {r}" for r in self.reasons)])


def graph_pass(name: str) -> Callable[[PassFunction], PassFunction]:
    """Register a pass: a function of a graph that returns how much it changed."""

    def declare(function: PassFunction) -> PassFunction:
        PASSES[name] = Pass(name, function, (function.__doc__ or "").strip().split("\n")[0])
        return function

    return declare


def get_pass(name: str) -> Pass:
    """Return a pass by name.

    Raises
    ------
    AttributeValueError
        If there is none; the known ones are listed.
    """
    if name not in PASSES:
        module = _MODULES.get(name)
        if module is None:
            known = ", ".join(sorted({*PASSES, *_MODULES}))
            raise AttributeValueError(f"there is no pass {name!r}", hint=f"known: {known}")
        importlib.import_module(f"symgluon.passes.{module}")
    return PASSES[name]


def describe(pipeline: str) -> str:
    """Return the steps of a pipeline as text."""
    lines = [f"pipeline {pipeline}:"]
    for step in _steps(pipeline):
        if isinstance(step, tuple):
            lines.append("  until nothing changes:")
            lines += [f"    {n:18} {get_pass(n).doc}" for n in step]
        else:
            lines.append(f"  {step:20} {get_pass(step).doc}")
    return "\n".join(lines)


def _steps(pipeline: str | Sequence[Step]) -> Sequence[Step]:
    if not isinstance(pipeline, str):
        return pipeline
    found = PIPELINES.get(pipeline)
    if found is None:
        if pipeline in _MODULES or pipeline in PASSES:
            return (pipeline,)
        known = ", ".join(PIPELINES)
        raise AttributeValueError(f"there is no pipeline {pipeline!r}", hint=f"known: {known}")
    return found


_reasons: list[str] | None = None


def explain(reason: str) -> None:
    """Note why a candidate was left alone (kept only when the pipeline explains)."""
    if _reasons is not None:
        _reasons.append(reason)


def run_pipeline(
    graph: Graph,
    pipeline: str | Sequence[Step],
    *,
    disable: Sequence[str] = (),
    explain: bool = False,
) -> Report:
    """Run a pipeline on `graph`, in place.

    Parameters
    ----------
    pipeline : str or sequence
        A name in :data:`PIPELINES`, the name of a pass, or a list of steps.
    disable : sequence of str
        Passes to leave out.
    explain : bool
        Collect the reasons for which candidates were left alone.

    Returns
    -------
    Report

    Raises
    ------
    PassError
        If a pass fails, or leaves an invalid graph (checked with ``SYMGLUON_VERIFY=1``).
    """
    global _reasons  # noqa: PLW0603
    name = pipeline if isinstance(pipeline, str) else "custom"
    before = len(graph)
    runs: list[PassCount] = []
    saved, _reasons = _reasons, [] if explain else None
    try:
        for step in _steps(pipeline):
            group = step if isinstance(step, tuple) else (step,)
            names = [n for n in group if n not in disable]
            for _ in range(4 if isinstance(step, tuple) else 1):
                if not sum([_run(graph, n, runs) for n in names]):
                    break
        reasons = tuple(dict.fromkeys(_reasons or ()))
    finally:
        _reasons = saved
    return Report(name, tuple(runs), before, len(graph), reasons)


def _run(graph: Graph, name: str, runs: list[PassCount]) -> int:
    before, start = len(graph), time.perf_counter()
    try:
        changes = int(get_pass(name).run(graph))
        if config.verify():
            from symgluon.ir.verify import verify

            verify(graph)
    except SymgluonError as error:
        done = ", ".join(r.name for r in runs) or "none"
        raise PassError(f"pass {name} on graph {graph.name}: {error} (passes before: {done})") from error
    runs.append(PassCount(name, changes, before, len(graph), time.perf_counter() - start))
    return changes

