"""``symgluon inspect``: what a model or parameter file holds."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from symgluon.cli.common import OK, Output, UsageError, kind_of, parse_inputs, table


@dataclass
class Facts:
    """What a file holds."""

    path: str
    format: str
    bytes: int
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    operators: dict[str, int] = field(default_factory=dict)
    unsupported: list[str] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    elements: int = 0
    notes: list[str] = field(default_factory=list)


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "inspect",
        parents=[common],
        help="show inputs, outputs, operators and parameters of a file",
        description="Show what an ONNX model, an MXNet symbol.json, or a parameter file holds.",
    )
    parser.add_argument("file")
    parser.add_argument(
        "weights", nargs="?", help="MODEL-NNNN.params of a symbol (default: highest epoch)"
    )
    parser.add_argument("--params", action="store_true", help="list every parameter")
    graph = parser.add_argument_group(
        "graph", "what the compiler makes of a MODEL-symbol.json, or ONNX Runtime of an .onnx file"
    )
    graph.add_argument(
        "--passes",
        nargs="?",
        const="",
        metavar="SWITCHES",
        help="nodes before and after each pass, fusions, FLOPs, memory; SWITCHES such as "
        "--passes=-fuse_patterns,+remove_amp_cast leave passes out or add some",
    )
    graph.add_argument(
        "--explain", action="store_true", help="with --passes: what was left alone, and why"
    )
    graph.add_argument("--backend", help="whose passes run (default: onnxruntime)")
    graph.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=N,3,224,224[:dtype]",
        help="shape of an input, where the file does not state it; sizes of an ONNX page",
    )
    graph.add_argument("--html", metavar="FILE", help="write graph and memory plan as one page")
    graph.add_argument("--dot", metavar="FILE", help="write the graph of a symbol for Graphviz")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """Run the command."""
    if args.explain and args.passes is None:
        args.passes = ""
    if args.passes is not None or args.html or args.dot:
        return _run_graph(args, out)
    with out.stage(f"reading {args.file}"):
        facts = inspect(args.file)
    out.result(facts, lambda: _text(facts, all_params=args.params))
    return OK


def _run_graph(args: argparse.Namespace, out: Output) -> int:
    """Show or write the graph of a model."""
    from symgluon.cli import graphs, onnx_graph

    kind = kind_of(args.file)
    inputs = parse_inputs(args.input)
    report: Any = None
    if kind == "onnx":
        if args.dot or args.backend or args.passes:
            raise UsageError("--dot, --backend and switches take a MODEL-symbol.json")
        with out.stage(f"reading {args.file}"):
            report = onnx_graph.onnx_report(args.file) if args.passes is not None else None
            page = onnx_graph.onnx_page(args.file, inputs) if args.html else ""
        data = None if report is None else onnx_graph.report_data(report)
    elif kind == "symbol":
        if args.dot:
            graphs.write_dot(args.dot, args.file, args.weights, inputs)
            out.log(f"{args.dot}: written")
        if args.passes is None and not args.html:
            return OK
        with out.stage(f"compiling {args.file}"):
            report = graphs.symbol_report(
                args.file, args.weights, inputs, backend=args.backend, explain=args.explain,
                passes=args.passes or None,
            )  # fmt: skip
            page = report.to_html() if args.html else ""
        data = report.to_dict()
    else:
        graphs.refuse(kind, args.file)
    if args.html:
        graphs.write_html(args.html, page)
        out.log(f"{args.html}: written, {len(page)} bytes")
    if args.passes is not None:
        out.result(data, lambda: str(report))
    return OK


def inspect(path: str) -> Facts:
    """Return what the file at `path` holds.

    Raises
    ------
    FormatError
        If it is of no known format or damaged.
    """
    kind = kind_of(path)
    if kind == "onnx":
        from symgluon.cli.models import describe_onnx, load_onnx

        facts = describe_onnx(load_onnx(path))
    elif kind == "symbol":
        facts = _symbol(path)
    else:
        facts = _params(path)
    facts.path = path
    facts.bytes = os.path.getsize(path)
    return facts


def _symbol(path: str) -> Facts:
    from symgluon.formats.symbol_records import parse_symbol
    from symgluon.ir.op import MX_NAMES

    records = parse_symbol(path)
    facts = Facts(path, f"MXNet symbol, version {records.version_text}", 0)
    facts.operators = dict(Counter(n.op for n in records.nodes if n.op != "null").most_common())
    import symgluon.ops  # noqa: F401  (declares the operators)

    facts.unsupported = sorted(op for op in facts.operators if op not in MX_NAMES)
    facts.inputs = [n.name for n in records.nodes if n.op == "null"]
    facts.outputs = [f"{records.nodes[h[0]].name}:{h[1]}" for h in records.heads]
    facts.notes.append("inputs and parameters are both variables in a symbol file")
    return facts


def _params(path: str) -> Facts:
    from symgluon import dtypes
    from symgluon.formats.params import load_params

    loaded = load_params(path)
    named = loaded if isinstance(loaded, dict) else {str(i): a for i, a in enumerate(loaded)}
    facts = Facts(path, "parameters", 0)
    for name, array in named.items():
        shape = ",".join(map(str, array.shape))
        facts.parameters[name] = f"{dtypes.name(array.dtype)}[{shape}]"
        facts.elements += array.size
    return facts


def _text(facts: Facts, *, all_params: bool) -> str:
    lines = [f"{facts.path}: {facts.format}, {facts.bytes} bytes"]
    lines += [f"  input   {i}" for i in facts.inputs[:20]]
    if len(facts.inputs) > 20:
        lines.append(f"  ... {len(facts.inputs)} variables in all")
    lines += [f"  output  {o}" for o in facts.outputs]
    if facts.operators:
        lines.append(table(("operator", "count"), list(facts.operators.items())))
    if facts.unsupported:
        lines.append("  not supported: " + ", ".join(facts.unsupported))
    if facts.parameters:
        lines.append(f"  {len(facts.parameters)} parameters, {facts.elements} elements")
        rows = list(facts.parameters.items())
        shown = rows if all_params else rows[:12]
        lines.append(table(("parameter", "type"), shown))
        if len(shown) < len(rows):
            lines.append(f"  ... --params lists all {len(rows)}")
    lines += [f"  note: {n}" for n in facts.notes]
    return "\n".join(lines)
