"""Graph and memory plan as one page that needs nothing from elsewhere.

The page holds its data as JSON and draws them itself: an outline that opens block by block, a
picture of the block that is open, a search over names, operators, blocks and types, the timeline
of the memory plan, what each pass did.  Blocks with more nodes than can be looked at are cut into
groups, so that 10,000 nodes stay readable.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from symgluon.ir.cost import node_flops
from symgluon.ir.dims import Dim
from symgluon.ir.dot import block_paths
from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.ir.printer import human_bytes

if TYPE_CHECKING:
    from symgluon.passes.plan_memory import MemoryPlan

_MOST_TEXT = 400  # characters of an operator's attributes: an embedded table is not readable


@lru_cache(maxsize=1)
def _template() -> str:
    return resources.files("symgluon.passes").joinpath("page.html").read_text("utf-8")


def render(data: Mapping[str, Any]) -> str:
    """Return the page that shows `data`; all of it is ASCII, and no name in it can be markup."""
    text = json.dumps(data, separators=(",", ":"))
    for sign in "<>&":  # inside a script element these end it, or begin a comment
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    title = html.escape(str(data["title"])).encode("ascii", "xmlcharrefreplace").decode()
    before, rest = _template().split("{{title}}", 1)
    between, after = rest.split("{{data}}", 1)
    return "".join((before, title, between, text, after))


def graph_data(graph: Graph, plan: MemoryPlan | None = None) -> dict[str, Any]:
    """Return nodes and leaves of a graph as data for the page.

    A node is ``[operator, attributes, [[name, type]], [operand], block, line, FLOPs, buffer]``.
    """
    nodes = graph.nodes
    places = _places(plan)
    leaves = [[v.name, str(v.type), v.kind] for v in (*graph.operands(), *graph.constants)]
    return {
        "leaves": leaves,
        "outputs": [v.name for v in graph.outputs],
        "nodes": [
            _node(node, path, places) for node, path in zip(nodes, block_paths(nodes), strict=True)
        ],
    }


def _places(plan: MemoryPlan | None) -> dict[Value, int]:
    """Number of the buffer that each planned value lies in."""
    from symgluon.passes.plan_text import buffers

    if plan is None:
        return {}
    return {v: i for i, buffer in enumerate(buffers(plan)) for v in buffer.values}


def _node(node: Node, path: Sequence[str], places: Mapping[Value, int]) -> list[Any]:
    attributes = repr(node.op).removeprefix(node.op.name)
    if len(attributes) > _MOST_TEXT:
        attributes = attributes[: _MOST_TEXT - 3] + "..."
    count = node_flops(node)
    held = bodies(node.op)
    return [
        f"{node.op.name}: {held[0].name}" if held else node.op.name,
        attributes,
        [[v.name, str(v.type)] for v in node.outputs],
        ["" if v is None else v.name for v in node.inputs],
        ".".join(path),
        next((o.line for o in node.origin if o.line), ""),
        str(count) if isinstance(count, Dim) else count,
        places.get(node.output, -1),
    ]


def plan_page(plan: MemoryPlan, title: str) -> str:
    """Return the page of a memory plan alone."""
    facts = [["planned", human_bytes(plan.peak)], ["values", f"{len(plan.offsets):,}"]]
    return render({"title": title, "facts": facts, "plan": plan.to_dict()})


def graph_page(
    graph: Graph,
    *,
    title: str,
    plan: MemoryPlan | None = None,
    facts: Sequence[tuple[str, str]] = (),
    passes: Sequence[Mapping[str, Any]] = (),
    parts: Sequence[Mapping[str, Any]] = (),
    left_alone: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Return the page of a graph, with its memory plan and what the passes did, where given.

    Parameters
    ----------
    facts : sequence of (name, text)
        Shown in the head of the page.
    passes, parts, left_alone
        As `symgluon.gluon.report.OptimizeReport` has them.
    """
    data: dict[str, Any] = {
        "title": title,
        "facts": [list(f) for f in (("nodes", f"{len(graph):,}"), *facts)],
        "graph": graph_data(graph, plan),
    }
    if plan is not None:
        data["plan"] = plan.to_dict()
    if passes:
        data.update(passes=list(passes), parts=list(parts), left_alone=dict(left_alone or {}))
    return render(data)
