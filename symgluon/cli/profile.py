"""``symgluon profile``: run a model and say where its time goes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symgluon.cli.common import OK, InputSpec, Output, UsageError, kind_of, parse_inputs, table

_ORDERS = ("total", "avg", "min", "max", "count")


@dataclass
class Report:
    """What was measured."""

    model: str
    backend: str
    runs: int
    milliseconds: float  # median of a run that is not profiled
    tables: dict[str, Any] = field(default_factory=dict)
    trace: str | None = None


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "profile",
        parents=[common],
        help="run a model and show the time of each operator and block",
    )
    parser.add_argument("model", help="NAME-symbol.json (its parameters beside it) or MODEL.onnx")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=N,3,224,224[:dtype]",
                        help="shape of an input where the model does not state it")  # fmt: skip
    parser.add_argument("--runs", type=int, default=20, help="profiled runs (20)")
    parser.add_argument(
        "--backend", default="onnxruntime", help="for symbols: onnxruntime or numpy"
    )
    parser.add_argument("--sort", default="total", choices=_ORDERS)
    parser.add_argument("--top", type=int, default=15, help="rows of each table (15; 0: all)")
    parser.add_argument("--trace", help="write a trace for chrome://tracing or ui.perfetto.dev")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random inputs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """Run the command."""
    if args.runs < 1:
        raise UsageError("--runs is at least 1")
    with out.stage(f"profiling {args.model}"):
        report = profile(
            args.model, parse_inputs(args.input), runs=args.runs, backend=args.backend,
            sort_by=args.sort, trace=args.trace, seed=args.seed,
        )  # fmt: skip
    out.result(report, lambda: _text(report, args.top))
    return OK


def profile(
    model: str,
    specs: Sequence[InputSpec] = (),
    *,
    runs: int = 20,
    backend: str = "onnxruntime",
    sort_by: str = "total",
    trace: str | None = None,
    seed: int = 0,
) -> Report:
    """Run a model on random inputs, first to warm up and to time it, then profiled.

    Parameters
    ----------
    trace : str, optional
        File for the Chrome trace.
    """
    from symgluon.backends.recorder import Recorder
    from symgluon.formats.atomic import write_bytes

    recorder = Recorder()
    kind = kind_of(model)
    if kind == "onnx":
        backend = "onnxruntime"
        median = _profile_onnx(model, specs, runs, seed, recorder)
    elif kind == "symbol":
        median = _profile_symbol(model, specs, runs, seed, backend, recorder)
    else:
        raise UsageError(f"{model} is no model: profile takes NAME-symbol.json or MODEL.onnx")
    tables = recorder.tables(sort_by, False)["Time"]
    if trace is not None:
        write_bytes(trace, recorder.chrome_trace(recorder.events))
    return Report(model, backend, runs, median, tables, trace)


def _median(function: Any, runs: int) -> float:
    """Median time of a call in ms, after three that do not count."""
    times = []
    for i in range(runs + 3):
        start = time.perf_counter_ns()
        function()
        if i >= 3:
            times.append(time.perf_counter_ns() - start)
    return float(np.median(times)) / 1e6


def _profile_symbol(
    path: str, specs: Sequence[InputSpec], runs: int, seed: int, backend: str, recorder: Any
) -> float:
    import symgluon as mx
    from symgluon.backends.instrument import Instruments
    from symgluon.cli.common import find_params
    from symgluon.cli.models import open_symbol
    from symgluon.cli.verify import random_inputs

    block, signature, names, _ = open_symbol(path, find_params(path), specs)
    wanted = [
        InputSpec(name, shape, np.dtype(dtype).name, {})
        for name, (shape, dtype, _) in zip(names, signature.types, strict=True)
    ]
    feeds = random_inputs(wanted, specs, seed)
    inputs = [mx.np.array(feeds[n], dtype=feeds[n].dtype) for n in names]
    block.optimize_for(*inputs, backend=backend)
    median = _median(lambda: block(*inputs), runs)
    instruments = Instruments(recorder, imperative=False, symbolic=True, api=False)
    instruments.hooks.install()
    try:
        for _ in range(runs):
            block(*inputs)
    finally:
        instruments.hooks.remove()
        instruments.collect()
    return median


def _profile_onnx(
    path: str, specs: Sequence[InputSpec], runs: int, seed: int, recorder: Any
) -> float:
    import threading

    from symgluon.backends.session_profile import Call, SessionProfile
    from symgluon.backends.sessions import make_session
    from symgluon.cli.models import load_onnx, open_runner
    from symgluon.cli.verify import random_inputs

    runner = open_runner(path, specs)
    feeds = random_inputs(runner.inputs, specs, seed)
    median = _median(lambda: runner.run(feeds), runs)
    taken = SessionProfile()
    written: list[str] = []
    session = make_session(path, prepare=lambda o: written.append(taken.prepare(o)))
    nodes = load_onnx(path).graph.node
    blocks = {name: n.doc_string.split(" ")[0] for n in nodes for name in n.output}
    watched = taken.watch(session, blocks, written[0])
    root = path.rsplit("/", 1)[-1].removesuffix(".onnx")
    for _ in range(runs):
        start = time.perf_counter_ns()
        watched.ran()
        session.run(None, {s.name: feeds[s.name] for s in runner.inputs})
        end = time.perf_counter_ns()
        taken.calls.append(Call(root, threading.get_native_id(), start, end, []))
        recorder.add("graph", root, start, end - start)
    taken.collect(recorder)
    return median


def _text(report: Report, top: int) -> str:
    lines = [f"{report.model} ({report.backend}): {report.milliseconds:.3f} ms a run"]
    for category, rows in report.tables.items():
        total = sum(r["Total"] for r in rows.values()) or 1.0
        shown = list(rows.items())[: top or None]
        cells = [
            (
                name,
                r["Count"],
                f"{r['Total'] / report.runs:.3f}",
                f"{100 * r['Total'] / total:.0f} %" if category.startswith("node") else "",
                f"{r['Min']:.3f}",
                f"{r['Max']:.3f}",
                f"{r['Avg']:.3f}",
            )
            for name, r in shown
        ]
        lines += ["", category]
        lines.append(table(("name", "count", "ms a run", "", "min", "max", "avg"), cells))
        if len(shown) < len(rows):
            lines.append(f"  and {len(rows) - len(shown)} more (--top 0 shows all)")
    if report.trace is not None:
        lines += ["", f"trace: {report.trace}"]
    return "\n".join(lines)
