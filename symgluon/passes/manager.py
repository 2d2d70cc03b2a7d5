"""The pass manager: visible pipelines, counts, verification, reasons.

A pass is a function of a graph that returns how much it changed.  A pipeline is a list of steps; a
step is one pass, or a group that runs until nothing changes, and says why it stands where it
stands.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import NamedTuple

from symgluon import config
from symgluon.errors import AttributeValueError, PassError
from symgluon.ir.graph import Graph

PassFunction = Callable[[Graph], int]


class Pass(NamedTuple):
    """A pass.

    Attributes
    ----------
    run : callable
        Graph to the number of changes (a bool will do).
    needs : tuple of str
        Passes that must stand before it in a pipeline that has them.
    keeps : tuple of str
        What stays valid although the graph changes: ``inplace``, ``plan``.
    """

    name: str
    run: PassFunction
    doc: str
    needs: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()


class Step(NamedTuple):
    """Passes of a pipeline, in order; with `repeat` until none of them changes anything."""

    passes: tuple[str | Pass, ...]
    why: str = ""
    repeat: bool = False


PASSES: dict[str, Pass] = {}

#: pass -> module of `symgluon.passes` that declares it
_MODULES = {
    "lift_random": "lift_random",
    "inline_calls": "inline_calls",
    "eliminate_dead": "eliminate_dead",
    "eliminate_common": "eliminate_common",
    "fold_constants": "fold_constants",
    "simplify_algebra": "simplify_algebra",
    "simplify_shape": "simplify_shape",
    "fold_batch_norm": "fold_batch_norm",
    "remove_amp_cast": "remove_casts",
    "drop_stop_gradient": "remove_casts",
    "clean_bodies": "clean_bodies",
    "fuse_patterns": "fuse_patterns",
    "fuse_attention": "fuse_attention",
    "fuse_skip_norm": "fuse_skip_norm",
    "fuse_elementwise": "fuse_elementwise",
    "legalise_types": "legalise_types",
    "mark_inplace": "mark_inplace",
    "plan_memory": "plan_memory",
}

#: each round is linear; a group that still changes after so many has rules that undo each other
MAX_ROUNDS = 8


def _one(name: str, why: str) -> Step:
    return Step((name,), why)


def _clean(why: str) -> Step:
    names = (
        "eliminate_dead",  # first: the others then see the true number of uses
        "fold_constants",
        "simplify_algebra",
        "simplify_shape",
        "eliminate_common",  # last: folding and simplifying make equal nodes
    )
    return Step(names, why, repeat=True)


_INLINE = _one("inline_calls", "execution is flat: no rule below looks into a call")
_STOPS = _one("drop_stop_gradient", "no gradient is taken any more, and cuts hide patterns")
_BODIES = _one("clean_bodies", "before the graph around them: what got simpler may be equal now")
_FOLD = _one("fold_batch_norm", "on clean graphs: its operands are constants by now")
_FUSE = _one("fuse_patterns", "after cleaning: patterns are written in the simplest form")
_ATTEND = Step(
    ("eliminate_dead", "fuse_attention"), "after the softmax has taken its scale in; counts uses"
)

PIPELINES: dict[str, tuple[Step, ...]] = {
    # what every traced graph goes through, before its gradient is taken
    "trace": (
        _INLINE,
        _one("lift_random", "before dead code: an unused draw must still advance the stream"),
        _one("eliminate_dead", "what nobody reads needs no gradient"),
    ),
    # execution on the interpreter
    "infer": (
        _INLINE,
        _STOPS,
        _BODIES,
        _clean("the rules below count uses and look for constants"),
        _FOLD,
        _FUSE,
        _ATTEND,
        _clean("folding leaves unused weights, fusing unused nodes"),
        _one("fuse_skip_norm", "before chains take the sum; only here: its kernel is ours"),
        _one("fuse_elementwise", "last of the rewrites: a fused chain is opaque to the others"),
        _one("mark_inplace", "on the final nodes"),
        _one("plan_memory", "reads the in-place marks"),
    ),
    # execution in ONNX Runtime, which fuses elementwise work and plans memory by itself
    "infer_ort": (
        _INLINE,
        _STOPS,
        _BODIES,
        _clean("ONNX Runtime executes nodes that nobody reads"),
        _FOLD,
        _FUSE,
        _ATTEND,
        _clean("folding leaves unused weights, fusing unused nodes"),
    ),
    # files: child blocks stay calls where they are larger than the inline limit
    "export": (
        _STOPS,
        _one("remove_amp_cast", "files are written in the types of the parameters"),
        _BODIES,
        _clean("small files"),
        _FOLD,
        _FUSE,
        _ATTEND,
        _clean("folding leaves unused weights, fusing unused nodes"),
    ),
    # forward and backward graphs of a training step
    "train": (
        _INLINE,
        _STOPS,
        _BODIES,
        _clean("gradient rules emit sums with one term, casts to the same type, ..."),
    ),
}


class PassCount(NamedTuple):
    """What one run of a pass did; `kinds` says what it did how often."""

    name: str
    changes: int
    nodes_before: int
    nodes_after: int
    seconds: float
    kinds: Mapping[str, int]


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

    @property
    def seconds(self) -> float:
        """Time all passes took together."""
        return sum(r.seconds for r in self.runs)

    def totals(self) -> dict[str, int]:
        """Changes by pass."""
        found: dict[str, int] = {}
        for r in self.runs:
            found[r.name] = found.get(r.name, 0) + r.changes
        return found

    def kinds(self) -> dict[str, dict[str, int]]:
        """What each pass did how often: ``{"fuse_patterns": {"gelu": 2}}``."""
        found: dict[str, dict[str, int]] = {}
        for r in self.runs:
            counts = found.setdefault(r.name, {})
            for kind, count in r.kinds.items():
                counts[kind] = counts.get(kind, 0) + count
        return {name: counts for name, counts in found.items() if counts}

    def left_alone(self) -> dict[str, list[str]]:
        """Reasons by pass."""
        found: dict[str, list[str]] = {}
        for reason in self.reasons:
            name, _, text = reason.partition(": ")
            found.setdefault(name, []).append(text)
        return found

    def __str__(self) -> str:
        done = ", ".join(f"{k} {v}" for k, v in self.totals().items() if v) or "no change"
        lines = [f"{self.pipeline}: {self.nodes_before} -> {self.nodes_after} nodes ({done})"]
        return "\n".join([*lines, *(f"  left alone: {r}" for r in self.reasons)])


def graph_pass(
    name: str, *, needs: Sequence[str] = (), keeps: Sequence[str] = ()
) -> Callable[[PassFunction], PassFunction]:
    """Register a pass: a function of a graph that returns how much it changed.

    Parameters
    ----------
    name : str
        Name in pipelines and switches.
    needs : sequence of str
        Passes that must stand before it wherever both are in one pipeline.
    keeps : sequence of str
        What stays valid although it changes the graph: ``inplace``, ``plan``.

    Returns
    -------
    callable
        Decorator; the function is returned as it is.

    Examples
    --------
    >>> import symgluon as mx
    >>> from symgluon.passes import PASSES, graph_pass, run_pipeline
    >>> @graph_pass("count_nodes")
    ... def count_nodes(graph):
    ...     print(len(graph), "nodes")
    ...     return 0
    >>> net = mx.gluon.nn.Dense(2, activation="relu", in_units=2)
    >>> net.initialize()
    >>> graph = net.graph_for(mx.np.ones((1, 2)), functions=False)
    >>> run_pipeline(graph, ["count_nodes"]).changed
    2 nodes
    False
    >>> _ = PASSES.pop("count_nodes")
    """

    def declare(function: PassFunction) -> PassFunction:
        doc = (function.__doc__ or "").strip().split("\n")[0]
        PASSES[name] = Pass(name, function, doc, tuple(needs), tuple(keeps))
        return function

    return declare


def get_pass(name: str | Pass) -> Pass:
    """Return a pass by name.

    Parameters
    ----------
    name : str or Pass
        The name; a pass is returned itself.

    Returns
    -------
    Pass
        The pass; its module is imported if need be.

    Raises
    ------
    AttributeValueError
        If there is none; the known ones are listed.
    """
    if isinstance(name, Pass):
        return name
    if name not in PASSES:
        module = _MODULES.get(name)
        if module is None:
            known = ", ".join(sorted({*PASSES, *_MODULES}))
            raise AttributeValueError(f"there is no pass {name!r}", hint=f"known: {known}")
        importlib.import_module(f"symgluon.passes.{module}")
    return PASSES[name]


def _steps(pipeline: str | Iterable[str | Pass | Step]) -> list[Step]:
    if not isinstance(pipeline, str):
        return [s if isinstance(s, Step) else Step((s,)) for s in pipeline]
    found = PIPELINES.get(pipeline)
    if found is not None:
        return list(found)
    if pipeline in _MODULES or pipeline in PASSES:
        return [Step((pipeline,))]
    known = ", ".join(PIPELINES)
    raise AttributeValueError(f"there is no pipeline {pipeline!r}", hint=f"known: {known}")


def describe(pipeline: str | Iterable[str | Pass | Step]) -> str:
    """Return the steps of `pipeline` as text: what each pass does, and why it stands there."""
    name = pipeline if isinstance(pipeline, str) else "custom"
    lines = [f"pipeline {name}:"]
    for step in _steps(pipeline):
        indent = "  "
        if step.repeat:
            lines.append(f"  until nothing changes, since {step.why}:")
            indent = "    "
        for entry in step.passes:
            found = get_pass(entry)
            why = f"  [{step.why}]" if step.why and not step.repeat else ""
            lines.append(f"{indent}{found.name:18} {found.doc}{why}")
    return "\n".join(lines)


def order_problems(pipeline: str | Iterable[str | Pass | Step]) -> list[str]:
    """Return which passes of `pipeline` stand before one that they need."""
    names = [get_pass(entry) for step in _steps(pipeline) for entry in step.passes]
    first = {p.name: i for i, p in reversed(list(enumerate(names)))}
    return [
        f"{p.name} needs {need} before it"
        for i, p in enumerate(names)
        for need in p.needs
        if first.get(need, -1) > i
    ]


class _Notes(NamedTuple):
    """What passes say beside their number of changes, and the pass that is running."""

    reasons: dict[str, None] | None  # None: nobody asked
    running: list[str]
    kinds: dict[str, int]  # of the running pass


_notes: ContextVar[_Notes | None] = ContextVar("notes", default=None)


def explain(reason: str) -> None:
    """Note `reason`, why a candidate was left alone (kept only when the pipeline explains)."""
    notes = _notes.get()
    if notes is not None and notes.reasons is not None:
        notes.reasons[f"{notes.running[-1]}: {reason}"] = None


def explaining() -> bool:
    """Whether reasons are kept, so that finding one is worth the time."""
    notes = _notes.get()
    return notes is not None and notes.reasons is not None


def count(kind: str, number: int = 1) -> None:
    """Note what the running pass did.

    Parameters
    ----------
    kind : str
        A name of the kind of change.
    number : int
        How often.
    """
    notes = _notes.get()
    if notes is not None:
        notes.kinds[kind] = notes.kinds.get(kind, 0) + number


def run_pipeline(
    graph: Graph,
    pipeline: str | Iterable[str | Pass | Step],
    *,
    disable: Sequence[str] = (),
    enable: Sequence[str] = (),
    explain: bool = False,
) -> Report:
    """Run a pipeline on a graph, in place.

    Parameters
    ----------
    graph : Graph
        It is changed.
    pipeline : str or iterable
        A name in :data:`PIPELINES`, the name of a pass, or a list of names, passes and steps.
    disable : sequence of str
        Passes to leave out.
    enable : sequence of str
        Passes to run although the pipeline has them not: after its rewrites, before planning.
    explain : bool
        Collect the reasons for which candidates were left alone.

    Returns
    -------
    Report
        What each pass changed.

    Raises
    ------
    AttributeValueError
        For a pipeline or pass that does not exist.
    PassError
        If a pass fails, or leaves an invalid graph (checked with ``SYMGLUON_VERIFY=1``).
    """
    steps = _wanted_steps(pipeline, disable, enable)
    before = len(graph)
    runs: list[PassCount] = []
    reasons: dict[str, None] | None = {} if explain else None
    token = _notes.set(_Notes(reasons, [""], {}))
    try:
        for step in steps:
            _run_step(graph, [get_pass(p) for p in step.passes], step.repeat, runs)
    finally:
        _notes.reset(token)
    name = pipeline if isinstance(pipeline, str) else "custom"
    return Report(name, tuple(runs), before, len(graph), tuple(reasons or ()))


def _wanted_steps(
    pipeline: str | Iterable[str | Pass | Step], disable: Sequence[str], enable: Sequence[str]
) -> list[Step]:
    """Steps of a pipeline under what the caller and the environment switch off and on."""
    from symgluon.passes.switches import Switches, environment_switches, switched

    for name in (*disable, *enable):
        get_pass(name)
    wanted = Switches(tuple(disable), tuple(enable))
    if isinstance(pipeline, str) and pipeline in PIPELINES and pipeline != "trace":
        wanted = wanted.then(environment_switches())
    steps = _steps(pipeline)
    return switched(steps, wanted) if wanted.off or wanted.on else steps


def _run_step(graph: Graph, passes: list[Pass], repeat: bool, runs: list[PassCount]) -> None:
    """Run passes once, or in turn until each has found nothing since the last change."""
    idle = 0
    for _ in range(MAX_ROUNDS if repeat else 1):
        for p in passes:
            idle = 0 if _run(graph, p, runs) else idle + 1
            if repeat and idle >= len(passes):
                return


def _run(graph: Graph, p: Pass, runs: list[PassCount]) -> int:
    before, start = len(graph), time.perf_counter()
    notes = _notes.get()
    if notes is not None:
        notes.running.append(p.name)
        notes.kinds.clear()
    try:
        changes = int(p.run(graph))
        if changes:
            if "inplace" not in p.keeps:
                graph.inplace = {}
            if "plan" not in p.keeps:
                graph.plan = None
        if config.verify():
            from symgluon.ir.verify import verify

            verify(graph)
    except Exception as error:
        names = tuple(dict.fromkeys(r.name for r in runs))
        raise PassError(
            f"graph {graph.name}: {type(error).__name__}: {error}", name=p.name, before=names
        ) from error
    finally:
        if notes is not None:
            notes.running.pop()
    kinds = dict(notes.kinds) if notes is not None else {}
    seconds = time.perf_counter() - start
    runs.append(PassCount(p.name, changes, before, len(graph), seconds, kinds))
    return changes
