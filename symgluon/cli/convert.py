"""``symgluon convert``: an MXNet symbol and its parameters to an ONNX file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from symgluon.cli.common import (
    OK,
    InputSpec,
    Output,
    UsageError,
    epoch_of,
    find_params,
    parse_inputs,
    split_prefix,
)


@dataclass(frozen=True)
class Conversion:
    """What was written."""

    symbol: str
    params: str
    output: str
    inputs: list[str]
    outputs: list[str]
    opset: int
    nodes: int
    bytes: int


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "convert",
        parents=[common],
        help="convert an MXNet checkpoint to ONNX",
        description="Convert MODEL-symbol.json and MODEL-NNNN.params (MXNet 1.x or 2.x) to ONNX.",
    )
    parser.add_argument("symbol", help="MODEL-symbol.json")
    parser.add_argument("params", nargs="?", help="MODEL-NNNN.params (default: highest epoch)")
    parser.add_argument("-o", "--output", help="ONNX file (default: MODEL-NNNN.onnx)")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=N,3,224,224[:dtype]",
        help="shape of an input; a word is a named dimension that stays free, H~224 gives it the "
        "size 224 while the graph is traced",
    )
    parser.add_argument("--opset", type=int, default=20, help="ONNX opset, 13 to 23 (default 20)")
    parser.add_argument("--flat", action="store_true", help="no ONNX functions for child blocks")
    parser.add_argument(
        "--dynamic",
        action="append",
        default=[],
        metavar="NAME:AXIS=DIM",
        help="keep an axis of an input free: data:0=batch",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """Run the command."""
    params = args.params
    if params is None:
        params = find_params(args.symbol)
        out.log(f"parameters: {params}")
    output = args.output
    if output is None:
        output = f"{split_prefix(args.symbol)}-{epoch_of(params):04d}.onnx"
    inputs, dynamic = parse_inputs(args.input), _parse_dynamic(args.dynamic)
    with out.stage(f"converting {args.symbol}"):
        result = convert(
            args.symbol,
            params,
            output,
            inputs,
            opset=args.opset,
            flat=args.flat,
            dynamic=dynamic,
        )
    out.result(result, lambda: _text(result))
    return OK


def _text(result: Conversion) -> str:
    size = f"{result.bytes / 1e6:.2f} MB" if result.bytes >= 1e5 else f"{result.bytes} bytes"
    return "\n".join(
        [
            f"{result.output}: {result.nodes} nodes, opset {result.opset}, {size}",
            *(f"  input  {i}" for i in result.inputs),
            *(f"  output {o}" for o in result.outputs),
        ]
    )


def _parse_dynamic(texts: Sequence[str]) -> dict[str, dict[int, str]]:
    axes: dict[str, dict[int, str]] = {}
    for text in texts:
        name, _, rest = text.partition(":")
        axis, _, dim = rest.partition("=")
        if not name or not axis.lstrip("-").isdigit():
            raise UsageError(f"--dynamic {text!r}: expected NAME:AXIS=DIM, such as data:0=batch")
        axes.setdefault(name, {})[int(axis)] = dim or f"{name}_dim{axis}"
    return axes


def convert(
    symbol: str,
    params: str,
    output: str,
    inputs: Sequence[InputSpec] = (),
    *,
    opset: int = 20,
    flat: bool = False,
    dynamic: dict[str, dict[int, str]] | None = None,
) -> Conversion:
    """Convert an MXNet model to ONNX; the file is written whole or not at all.

    Parameters
    ----------
    inputs : sequence of InputSpec
        Shapes of the inputs; left out: the shapes that the symbol file states.
    dynamic : dict, optional
        Further axes to keep free: ``{"data": {0: "batch"}}``.
    """
    from symgluon.cli.models import describe_onnx, open_symbol
    from symgluon.formats.atomic import write_group
    from symgluon.formats.onnx.check import model_files
    from symgluon.formats.onnx.external import ExternalData
    from symgluon.gluon.export import onnx_model, trace_for_export

    block, signature, names, asked = open_symbol(symbol, params, inputs)
    for name, axes in (dynamic or {}).items():
        asked.setdefault(name, {}).update(axes)
    exported = trace_for_export(
        block, signature, names, dynamic_batch=not inputs, dynamic_axes=asked or None
    )
    external = ExternalData.beside(output)
    model = onnx_model(
        block, exported, names, opset=opset, functions=not flat, amp=False, external=external
    )
    write_group(model_files(output, model, external))
    facts = describe_onnx(model)
    return Conversion(
        symbol,
        params,
        output,
        facts.inputs,
        facts.outputs,
        opset,
        sum(facts.operators.values()),
        os.path.getsize(output),
    )
