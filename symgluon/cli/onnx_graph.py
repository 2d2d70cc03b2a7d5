"""ONNX files for ``symgluon inspect --passes`` and ``--html``: what ONNX Runtime makes of them.

The passes of symgluon ran before such a file was written; what is left to see is what ONNX Runtime
executes after its own optimisations, and the graph with the memory that its results take.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from symgluon.cli.common import InputSpec, UsageError, table
from symgluon.errors import FormatError
from symgluon.ir.dot import block_of_name
from symgluon.ir.printer import human_bytes

_LEVELS = ("none", "basic", "extended", "all")
_MOST_TEXT = 120


@dataclass(frozen=True)
class Level:
    """Nodes that ONNX Runtime executes at one level of its optimisations."""

    level: str
    nodes: int
    operators: dict[str, int]


@dataclass(frozen=True)
class OnnxReport:
    """Nodes in the file, and executed at each level."""

    path: str
    nodes: int
    functions: int
    levels: list[Level]

    def __str__(self) -> str:
        rows = [
            (f"ONNX Runtime, {level.level}", level.nodes,
             ", ".join([f"{k} {v}" for k, v in list(level.operators.items())[:8]]))
            for level in self.levels
        ]  # fmt: skip
        inside = f" and {self.functions} functions" if self.functions else ""
        head = f"{self.path}: {self.nodes} nodes{inside} in the file; executed after optimisation:"
        return "\n".join([head, table(("level", "nodes", "most frequent"), rows)])


def executed(source: Any, level: str = "all") -> Any:
    """Return the model that ONNX Runtime runs for a file (or the bytes of a model).

    Raises
    ------
    FormatError
        If ONNX Runtime refuses it.
    """
    import onnx
    import onnxruntime as ort

    names = dict(zip(_LEVELS, ("DISABLE_ALL", "ENABLE_BASIC", "ENABLE_EXTENDED", "ENABLE_ALL"),
                     strict=True))  # fmt: skip
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{names[level]}")
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = os.path.join(folder, "optimised.onnx")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # every class of onnxruntime derives from Exception alone
            if isinstance(error, OSError):
                raise
            path = source if isinstance(source, str) else None
            raise FormatError(f"ONNX Runtime cannot open it: {error}", path=path) from None
        return onnx.load(options.optimized_model_filepath, load_external_data=False)


def count_nodes(graph: Any) -> Counter[str]:
    """Count the operators of a graph, those in branches and loop bodies included."""
    found: Counter[str] = Counter()
    stack = [graph]
    while stack:
        for node in stack.pop().node:
            found[node.op_type] += 1
            stack += [a.g for a in node.attribute if a.HasField("g")]
            stack += [g for a in node.attribute for g in a.graphs]
    return found


def onnx_report(path: str) -> OnnxReport:
    """Return what ONNX Runtime executes of a file at each level of its optimisations."""
    from symgluon.cli.models import load_onnx

    model = load_onnx(path)
    levels = []
    for level in _LEVELS:
        counts = count_nodes(executed(path, level).graph)
        levels.append(Level(level, sum(counts.values()), dict(counts.most_common())))
    nodes = sum(count_nodes(model.graph).values())
    return OnnxReport(path, nodes, len(model.functions), levels)


# ---- the page ----------------------------------------------------------------------------------
def onnx_page(path: str, inputs: Sequence[InputSpec] = ()) -> str:
    """Return an ONNX file as a page: its graph, functions inlined, and the memory of its results.

    Parameters
    ----------
    inputs : sequence of InputSpec
        Sizes of the free dimensions; those that are not given are 1.
    """
    import onnx
    import onnx.inliner

    from symgluon.cli.models import load_onnx
    from symgluon.passes.page import render

    model = load_onnx(path)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    _fix_sizes(model, {s.name: s for s in inputs})
    try:
        model = onnx.shape_inference.infer_shapes(model)
    except Exception as error:  # it only adds types to the page; the reason is shown there
        note = f"types are incomplete: {str(error).splitlines()[0][:_MOST_TEXT]}"
    else:
        note = ""
    types, sizes = _types(model)
    plan = _plan(model, sizes)
    place = {name: i for i, b in enumerate(plan["buffers"]) for name in b["values"]}
    facts = [["nodes", f"{len(model.graph.node):,}"], ["planned", human_bytes(plan["peak"])]]
    if note:
        facts.append(["note", note])
    report = onnx_report(path)
    passes = [
        {"name": f"ONNX Runtime, {level.level}", "nodes_before": report.nodes,
         "nodes_after": level.nodes, "changes": max(0, report.nodes - level.nodes), "seconds": 0.0,
         "kinds": level.operators}
        for level in report.levels
    ]  # fmt: skip
    data = {
        "title": os.path.basename(path),
        "facts": facts,
        "graph": {
            "leaves": _leaves(model, types),
            "outputs": [o.name for o in model.graph.output],
            "nodes": [_node(node, types, place) for node in model.graph.node],
        },
        "plan": plan,
        "passes": passes,
        "parts": [],
    }
    return render(data)


def _fix_sizes(model: Any, given: dict[str, InputSpec]) -> None:
    """Put numbers for the free dimensions of the inputs, and forget the types that followed.

    Raises
    ------
    UsageError
        For an input that the model does not have, or another rank.
    """
    values = {v.name: v for v in model.graph.input}
    unknown = [n for n in given if n not in values]
    if unknown:
        raise UsageError(
            f"the model has no input {', '.join(unknown)}; its inputs are {', '.join(values)}"
        )
    known: dict[str, int] = {}
    for name, spec in given.items():
        dims = values[name].type.tensor_type.shape.dim
        if len(dims) != len(spec.shape):
            raise UsageError(f"input {name} has {len(dims)} axes, --input gives {len(spec.shape)}")
        known.update({d.dim_param: n for d, n in zip(dims, spec.shape, strict=True)})
    for value in values.values():
        for dim in value.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.dim_value = known.get(dim.dim_param, 1)
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")


def _types(model: Any) -> tuple[dict[str, str], dict[str, int | None]]:
    """Type as text, and bytes where all sizes are numbers, of every value with a known type."""
    import onnx

    from symgluon.cli.models import _onnx_type

    texts: dict[str, str] = {}
    sizes: dict[str, int | None] = {}
    graph = model.graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if not tensor.elem_type:
            continue
        texts[value.name] = _onnx_type(value).partition(": ")[2]
        size: int | None = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
        for dim in tensor.shape.dim:
            known = dim.HasField("dim_value")
            size = size * dim.dim_value if known and size is not None else None
        sizes[value.name] = size
    return texts, sizes


def _leaves(model: Any, types: dict[str, str]) -> list[list[str]]:
    import onnx

    from symgluon import dtypes

    found = [[v.name, types.get(v.name, ""), "input"] for v in model.graph.input]
    for tensor in model.graph.initializer:
        dtype = dtypes.name(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        found.append([tensor.name, f"{dtype}[{','.join(map(str, tensor.dims))}]", "constant"])
    return found


def _node(node: Any, types: dict[str, str], place: dict[str, int]) -> list[Any]:
    import onnx

    shown = []
    for attribute in node.attribute:
        text = str(onnx.helper.printable_attribute(attribute))
        shown.append(text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 3] + "...")
    kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    outputs = [[o, types.get(o, "")] for o in node.output if o] or [[node.name or kind, ""]]
    block = node.doc_string if _is_path(node.doc_string) else ""
    if "." not in block and "_" in block:
        block = block_of_name(block)
    return [
        kind, f"[{', '.join(shown)}]" if shown else "", outputs, list(node.input),
        block, "", None, place.get(outputs[0][0], -1),
    ]  # fmt: skip


def _is_path(text: str) -> bool:
    """Whether a doc string is a block path, as files of symgluon have it."""
    return bool(text) and len(text) < _MOST_TEXT and not any(c.isspace() for c in text)


def _plan(model: Any, sizes: dict[str, int | None]) -> dict[str, Any]:
    """Plan the results of a model, each in a buffer of its own, at their static sizes."""
    from symgluon.passes.plan_memory import ALIGNMENT, Buffer, lower_bound, place_buffers

    nodes = model.graph.node
    last = {name: i for i, node in enumerate(nodes) for name in (*node.output, *node.input)}
    last.update({o.name: len(nodes) - 1 for o in model.graph.output})
    names: list[str] = []
    buffers: list[Buffer] = []
    unplanned: list[str] = []
    made: list[Any] = []
    for i, node in enumerate(nodes):
        for name in filter(None, node.output):
            size = sizes.get(name)
            if size is None:
                unplanned.append(name)
                continue
            names.append(name)
            made.append(node)
            buffers.append(Buffer(i, last[name], -(-size // ALIGNMENT) * ALIGNMENT))
    places, peak, method = place_buffers(buffers)
    alive = [0] * (len(nodes) + 1)
    for b in buffers:
        alive[b.start] += b.size
        alive[b.end + 1] -= b.size
    for i in range(1, len(alive)):
        alive[i] += alive[i - 1]
    return {
        "peak": peak,
        "total": sum([b.size for b in buffers]),
        "lower_bound": lower_bound(buffers),
        "method": method,
        "sizes": {},
        "steps": len(nodes),
        "alive": alive[: len(nodes)],
        "buffers": [
            {"offset": place, "bytes": b.size, "first": b.start, "last": b.end, "values": [name],
             "type": "", "operator": node.op_type, "block": ""}
            for name, node, b, place in zip(names, made, buffers, places, strict=True)
        ],
        "unplanned": unplanned,
    }  # fmt: skip


def report_data(report: OnnxReport) -> dict[str, Any]:
    """Return the report as data that JSON can say."""
    return asdict(report)
