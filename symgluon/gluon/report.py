"""What the compiler does with a net: `HybridBlock.optimize_report` and ``symgluon inspect --passes``.

The net is traced in predict mode with its present parameters as constants, which is the form that
steady calls run, and goes through the passes of its backend on a copy: nothing of the net changes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from symgluon.ir.graph import Graph
from symgluon.ir.printer import human_bytes

if TYPE_CHECKING:
    from symgluon.gluon.hybrid import HybridBlock
    from symgluon.passes.manager import Report
    from symgluon.passes.plan_memory import MemoryPlan

#: passes whose changes are fusions: several operators become one
FUSING = (
    "fold_batch_norm", "fuse_patterns", "fuse_attention", "fuse_skip_norm", "fuse_elementwise",
)  # fmt: skip
_MOST_REASONS = 6  # of one pass in the text; all are in `OptimizeReport.left_alone`


@dataclass(frozen=True)
class PassLine:
    """One pass of a pipeline, all its runs together."""

    name: str
    nodes_before: int
    nodes_after: int
    changes: int
    seconds: float
    kinds: dict[str, int]


@dataclass(frozen=True)
class Part:
    """A group of nodes that runs in one go: in a session, or node by node."""

    runs_on: str
    nodes: int
    operators: list[str]


class Work(NamedTuple):
    """Floating-point operations of one call; operators whose operations are not known."""

    flops: int | None
    unknown: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as data that JSON can say."""
        return {"flops": self.flops, "unknown": list(self.unknown)}

    def __str__(self) -> str:
        if self.flops is None:
            return "not known"
        without = f" (without {', '.join(self.unknown)})" if self.unknown else ""
        return f"{self.flops:,}{without}"


@dataclass
class OptimizeReport:
    """What the passes of a backend make of a graph; ``str()`` is a page of text.

    Attributes
    ----------
    passes : list of PassLine
        In the order in which they first ran.
    fusions : dict of str to int
        Fused operators by kind.
    flops_before, flops_after : Work
        Floating-point operations of one call at the sizes of the arguments.
    parameters, parameter_bytes : int
        Numbers that the net learns, and what they take.
    plan : MemoryPlan
        Of the intermediate results: `peak`, `total`, `lower_bound`, `to_dict`, `timeline`.
    left_alone : dict of str to list of str
        Reasons by pass; only with ``explain=True``.
    parts : list of Part
        Sessions and interpreted groups of the backend.
    graph : Graph
        The graph after the passes.
    """

    name: str
    backend: str
    inputs: list[str]
    outputs: list[str]
    nodes_before: int
    nodes_after: int
    passes: list[PassLine]
    fusions: dict[str, int]
    flops_before: Work
    flops_after: Work
    parameters: int
    parameter_bytes: int
    plan: MemoryPlan
    explained: bool
    left_alone: dict[str, list[str]]
    parts: list[Part]
    graph: Graph = field(repr=False)

    # ---- as data ---------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Return the report as data that JSON can say (the memory plan without its buffers)."""
        plan = self.plan
        return {
            "name": self.name,
            "backend": self.backend,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "nodes_before": self.nodes_before,
            "nodes_after": self.nodes_after,
            "passes": [asdict(p) for p in self.passes],
            "fusions": self.fusions,
            "flops_before": self.flops_before.to_dict(),
            "flops_after": self.flops_after.to_dict(),
            "parameters": self.parameters,
            "parameter_bytes": self.parameter_bytes,
            "memory": {
                "planned": plan.peak,
                "sum": plan.total,
                "lower_bound": plan.lower_bound,
                "method": plan.method,
                "unplanned": [v.name for v in plan.unplanned],
            },
            "left_alone": self.left_alone if self.explained else None,
            "parts": [asdict(p) for p in self.parts],
        }

    def to_html(self) -> str:
        """Return graph, memory plan and passes as one page that needs nothing from elsewhere."""
        from symgluon.passes.page import graph_page

        return graph_page(
            self.graph,
            title=self.name,
            plan=self.plan,
            facts=[
                ("before", f"{self.nodes_before:,}"),
                ("backend", self.backend),
                ("FLOPs", str(self.flops_after)),
                ("parameters", f"{self.parameters:,}"),
                ("planned", human_bytes(self.plan.peak)),
            ],
            passes=[asdict(p) for p in self.passes],
            parts=[asdict(p) for p in self.parts],
            left_alone=self.left_alone,
        )

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write `to_html` to a file, whole or not at all."""
        from symgluon.formats.atomic import write_text

        write_text(path, self.to_html())

    # ---- as text ---------------------------------------------------------------------------
    def __str__(self) -> str:
        return "\n".join([*self._head(), *self._passes(), *self._parts(), *self._reasons()])

    def _head(self) -> list[str]:
        plan = self.plan
        bound = f"{plan.peak / plan.lower_bound:.2f} x" if plan.lower_bound else "at"
        lines = [
            f"{self.name} for {self.backend}: {self.nodes_before} -> {self.nodes_after} nodes",
            *(f"  input   {i}" for i in self.inputs),
            *(f"  output  {o}" for o in self.outputs),
            f"  FLOPs a call   {self.flops_before}"
            + ("" if self.flops_after == self.flops_before else f" -> {self.flops_after}"),
            f"  parameters     {self.parameters:,}, {human_bytes(self.parameter_bytes)}",
            f"  memory         {human_bytes(plan.peak)} planned ({plan.method}), "
            f"{bound} the lower bound {human_bytes(plan.lower_bound)}; "
            f"sum of all results {human_bytes(plan.total)}",
        ]
        if plan.unplanned:
            lines.append(f"                 {len(plan.unplanned)} results of unknown size apart")
        shown = ", ".join([f"{k} {v}" for k, v in self.fusions.items()])
        return [*lines, f"  fusions        {shown or 'none'}"]

    def _passes(self) -> list[str]:
        width = max([len(p.name) for p in self.passes], default=4)
        lines = [f"\n  {'pass':{width}}  before   after  changes      ms  what"]
        for p in self.passes:
            kinds = sorted(p.kinds.items(), key=lambda item: -item[1])
            what = ", ".join([f"{k} {v}" for k, v in kinds[:5]])
            more = ", ..." if len(kinds) > 5 else ""
            lines.append(
                f"  {p.name:{width}}  {p.nodes_before:>6}  {p.nodes_after:>6}  {p.changes:>7}  "
                f"{p.seconds * 1e3:>6.1f}  {what}{more}".rstrip()
            )
        return lines

    def _parts(self) -> list[str]:
        if not self.parts:
            return []
        lines = ["\n  runs as"]
        for part in self.parts:
            shown = ", ".join(part.operators[:8]) + (", ..." if len(part.operators) > 8 else "")
            lines.append(f"    {part.runs_on}: {part.nodes} nodes ({shown})")
        return lines

    def _reasons(self) -> list[str]:
        if not self.explained:
            return []
        lines = ["\n  left alone"]
        for name, reasons in self.left_alone.items():
            lines.append(f"    {name}: {len(reasons)}")
            lines += [f"      {r}" for r in reasons[:_MOST_REASONS]]
            if len(reasons) > _MOST_REASONS:
                lines.append(f"      ... {len(reasons) - _MOST_REASONS} more")
        return lines if len(lines) > 1 else [*lines, "    nothing"]


# ---- making one --------------------------------------------------------------------------------
def optimize_report(block: HybridBlock, args: Sequence[Any], *, explain: bool) -> OptimizeReport:
    """Report on a block; see :meth:`HybridBlock.optimize_report`."""
    from symgluon.gluon import export as exports
    from symgluon.gluon.options import compile_options

    flags = block._flags
    more: dict[str, Any] = {}
    if flags.static_shape:
        more["dims"] = lambda leaf, axis, size: None
    with exports._predicting():
        traced = block._trace(args, **more)
        graph = exports.frozen(exports.exported_of(traced))
        options = compile_options(flags)
        learned = [p for p in block.collect_params().values() if p.grad_req != "null"]
        sizes = [(p.data().size, p.data().size * p.dtype.itemsize) for p in learned]
        return report_on(
            graph,
            options,
            name=type(block).__name__,
            explain=explain,
            parameters=(sum([n for n, _ in sizes]), sum([b for _, b in sizes])),
        )


def report_on(
    graph: Graph,
    options: Any = None,
    *,
    name: str = "",
    explain: bool = False,
    parameters: tuple[int, int] | None = None,
) -> OptimizeReport:
    """Run the passes that every trace gets, and those of a backend, on `graph`; say what they did.

    Parameters
    ----------
    graph : Graph
        It is changed: pass a copy to keep it.
    options : CompileOptions, optional
        As from `symgluon.backends.make_options`; by default those of the default backend.
    explain : bool
        Collect the reasons for which candidates were left alone.
    parameters : (int, int), optional
        Numbers and bytes of the parameters; by default those of the constants of more than one
        dimension or element.
    """
    from symgluon.backends import make_options
    from symgluon.backends.base import get_backend, optimise
    from symgluon.passes import run_pipeline
    from symgluon.passes.mark_inplace import mark
    from symgluon.passes.plan_memory import make_plan

    options = make_options() if options is None else options
    if parameters is None:
        parameters = _parameters(graph)
    before = len(graph)
    work_before = _work(graph)
    reports = [run_pipeline(graph, "trace", explain=explain)]
    reports += optimise(graph, options, explain=explain)
    planned = graph
    if graph.plan is None:  # the backend plans by itself: this is what our planner would need
        planned = graph.copy()
        mark(planned)
    plan = graph.plan if graph.plan is not None else make_plan(planned)
    lines = pass_lines(reports)
    left: dict[str, list[str]] = {}
    for report in reports:
        for key, reasons in report.left_alone().items():
            left.setdefault(key, []).extend(r for r in reasons if r not in left.get(key, ()))
    return OptimizeReport(
        name=name or graph.name,
        backend=options.backend,
        inputs=[f"{v.name}: {v.type}" for v in graph.operands()],
        outputs=[f"{v.name}: {v.type}" for v in graph.outputs],
        nodes_before=before,
        nodes_after=len(graph),
        passes=lines,
        fusions=_fusions(lines),
        flops_before=work_before,
        flops_after=_work(graph),
        parameters=parameters[0],
        parameter_bytes=parameters[1],
        plan=plan,
        explained=explain,
        left_alone=left,
        parts=_parts_of(graph, get_backend(options.backend), options),
        graph=planned,
    )


def pass_lines(reports: Sequence[Report]) -> list[PassLine]:
    """Return a line for each pass, its runs in all pipelines together."""
    found: dict[str, PassLine] = {}
    for report in reports:
        for run in report.runs:
            old = found.get(run.name)
            if old is None:
                found[run.name] = PassLine(
                    run.name, run.nodes_before, run.nodes_after, run.changes, run.seconds,
                    dict(run.kinds),
                )  # fmt: skip
                continue
            removed = run.nodes_before - run.nodes_after
            kinds = Counter(old.kinds)
            kinds.update(run.kinds)
            found[run.name] = PassLine(
                run.name, old.nodes_before, old.nodes_after - removed, old.changes + run.changes,
                old.seconds + run.seconds, dict(kinds),
            )  # fmt: skip
    return list(found.values())


def _fusions(lines: Sequence[PassLine]) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in lines:
        for kind, number in line.kinds.items():
            inner, colon, rest = kind.partition(": ")
            if line.name == "clean_bodies" and colon and inner in FUSING:
                kind, name = rest, inner
            elif line.name in FUSING:
                name = line.name
            else:
                continue
            shown = f"batch norm {kind}" if name == "fold_batch_norm" else kind
            found[shown] = found.get(shown, 0) + number
    return found


def _work(graph: Graph) -> Work:
    from symgluon.errors import SymgluonError
    from symgluon.ir.cost import flops
    from symgluon.ir.dims import Dim, evaluate

    total, unknown = flops(graph)
    if isinstance(total, Dim):
        try:
            total = evaluate(total, graph.hints)
        except (SymgluonError, KeyError):
            return Work(None, tuple(unknown))
    return Work(int(total), tuple(unknown))


def _parameters(graph: Graph) -> tuple[int, int]:
    arrays = [a for a in graph.constants.values() if a.size > 1]
    types = [v.type for v in graph.params.values() if v.type.is_static]
    return (
        sum([a.size for a in arrays]) + sum([int(t.size) for t in types]),
        sum([a.nbytes for a in arrays]) + sum([int(t.nbytes) for t in types]),
    )


# ---- what the backend makes of it --------------------------------------------------------------
def _part(runs_on: str, graph: Graph) -> Part:
    counts = Counter([n.op.name for n in graph.nodes])
    shown = [f"{k} {v}" if v > 1 else k for k, v in counts.most_common()]
    return Part(runs_on, len(graph), shown)


def _parts_of(graph: Graph, backend: Any, options: Any) -> list[Part]:
    """Sessions and interpreted groups, as `compile_graph` makes them."""
    from symgluon.backends.base import supporting
    from symgluon.backends.partition import partition, segments

    if not len(graph):
        return []
    if 0 < options.bulk_size < len(graph):
        whole = replace(options, bulk_size=0)
        parts = segments(graph, options.bulk_size)
        return [part for p in parts for part in _parts_of(p.graph, backend, whole)]
    if options.backend == "numpy":
        arena = ", in one block of memory" if options.static_alloc else ""
        return [_part(f"NumPy kernels, node by node{arena}", graph)]
    if options.backend == "onnxruntime":
        refused = _refused(graph, options)
        if not refused:
            return [_part("one ONNX Runtime session", graph)]
        parts = partition(graph, lambda node: node.output.name not in refused)
        names = ("an ONNX Runtime session", "NumPy kernels (ONNX Runtime refuses them)")
    else:
        parts = partition(graph, supporting(backend, options))
        names = (f"{options.backend}", "NumPy kernels (the backend does not support them)")
    return [_part(names[0 if p.supported else 1], p.graph) for p in parts]


def _refused(graph: Graph, options: Mapping[str, Any] | Any) -> set[str]:
    """Results of the nodes that no session runs; empty if one session runs the whole graph."""
    from symgluon.backends.graph_sessions import Guarded, compile_plain, settings_of
    from symgluon.backends.support import supported

    if isinstance(compile_plain(graph, options), Guarded):
        return set()
    providers = settings_of(options)["providers"]
    return {node.output.name for node in graph.nodes if not supported(node, providers)}
