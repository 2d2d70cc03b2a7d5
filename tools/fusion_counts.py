"""Nodes that ONNX Runtime executes, our export against a naive one: ``python tools/fusion_counts.py``.

For each recorded model: the file that `export` writes, and the file that the same writer makes of
the same trace with every pass off.  Counted are the nodes of both files (functions inlined) and
those of the model that ONNX Runtime runs after all its own optimisations.  Without an argument the
table goes to ``docs/fusions.md``; ``--print`` shows it only.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import onnx.inliner
import onnxruntime
from visible_models import VisibleModel, require_models, visible_models

import symgluon as mx
from symgluon.cli.onnx_graph import count_nodes, executed
from symgluon.formats.atomic import write_text
from symgluon.formats.onnx.writer import build_model
from symgluon.gluon import export
from symgluon.passes.inline_calls import inline_calls

OPSET = 20
TARGET = Path(__file__).resolve().parent.parent / "docs" / "fusions.md"

COLUMNS = (
    "model", "nodes of our file", "of a naive file", "executed, ours", "executed, naive",
    "only a naive export executes",
)  # fmt: skip

HEAD = """# What the passes save in ONNX Runtime

Written by `tools/fusion_counts.py`; ONNX Runtime {version} on the CPU, opset {opset}. For each of
the {models} recorded models: nodes of the exported file (functions inlined) and nodes that ONNX
Runtime executes after all its own optimisations, for our export and for a naive one: the same trace
through the same writer with every pass off. An executed node is one of the model that ONNX Runtime
saves as `optimized_model_filepath`; layout changes that it inserts (`ReorderInput`,
`ReorderOutput`) count.

In all, our files have {ours_file:,} nodes against {naive_file:,} ({file_ratio:.2f} x), and ONNX
Runtime executes {ours:,} against {naive:,}: fewer in {better} models, as many in {equal}, more in
{worse}. ONNX Runtime folds a batch normalisation into the convolution before it and drops equal
nodes by itself, so on the convolutional nets both end at the same nodes; a runtime without these
rules executes the nodes of the file. What it does not do by itself is in the last column.

"""


class Counts(NamedTuple):
    """Operators of the two files, and of what ONNX Runtime runs of them."""

    name: str
    file: Counter[str]
    naive_file: Counter[str]
    run: Counter[str]
    naive_run: Counter[str]


def flat(model: Any) -> Any:
    """The graph of a model with its functions inlined."""
    return (onnx.inliner.inline_local_functions(model) if model.functions else model).graph


def count(model: VisibleModel) -> Counts:
    """Export a model both ways and count."""
    names = list(model.inputs)
    exported = export.trace_for_export(
        model.block, export.signature_of(model.arguments()), names, dynamic_batch=True,
        dynamic_axes=None,
    )  # fmt: skip
    ours = export.onnx_model(model.block, exported, names, opset=OPSET, functions=True, amp=False)
    graph = export.frozen(exported)
    inline_calls(graph)
    naive = build_model(graph, opset=OPSET)
    return Counts(
        model.name,
        count_nodes(flat(ours)),
        count_nodes(flat(naive)),
        count_nodes(executed(ours.SerializeToString()).graph),
        count_nodes(executed(naive.SerializeToString()).graph),
    )


def total(counter: Counter[str]) -> int:
    """How many nodes."""
    return sum(counter.values())


def page(rows: list[Counts]) -> Iterator[str]:
    """The page, in parts."""
    files = [sum(total(r.file) for r in rows), sum(total(r.naive_file) for r in rows)]
    runs = [sum(total(r.run) for r in rows), sum(total(r.naive_run) for r in rows)]
    signs = Counter((total(r.run) > total(r.naive_run)) - (total(r.run) < total(r.naive_run))
                    for r in rows)  # fmt: skip
    yield HEAD.format(
        version=onnxruntime.__version__, opset=OPSET, models=len(rows), ours_file=files[0],
        naive_file=files[1], file_ratio=files[0] / files[1], ours=runs[0], naive=runs[1],
        better=signs[-1], equal=signs[0], worse=signs[1],
    )  # fmt: skip
    yield "| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|\n"
    for r in rows:
        gone = r.naive_run - r.run
        made = r.run - r.naive_run
        text = ", ".join(f"{k} {v}" for k, v in gone.most_common())
        if made:
            text += " (instead: " + ", ".join(f"{k} {v}" for k, v in made.most_common()) + ")"
        cells = (
            r.name,
            total(r.file),
            total(r.naive_file),
            total(r.run),
            total(r.naive_run),
            text,
        )
        yield "| " + " | ".join(map(str, cells)) + " |\n"


def main() -> int:
    """Count and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--print", action="store_true", help="print the page, write nothing")
    only_print = parser.parse_args().print
    require_models("fusion_counts")
    mx.npx.set_np()
    onnxruntime.set_default_logger_severity(4)
    text = "".join(page([count(model) for model in visible_models()]))
    if only_print:
        print(text)
    else:
        write_text(TARGET, text)
        print(f"{TARGET.name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
