"""Nodes whose results nobody reads are dropped, and unused constants.

Given    %a = exp(%x)   %b = tanh(%x)   output %b
Result   %b = tanh(%x)                  output %b

Written cells are outputs, so nothing that is still wanted goes.  Inputs and parameters stay: they
are the signature.  A draw that is still a node stays too: it advances the random stream; and so
does a node whose result has a size that only the data tell, if an attribute names that size.  ONNX
Runtime executes nodes that nobody reads, so this runs before it.
"""

from __future__ import annotations

from symgluon.ir.attrs import has_dims
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Node, Value
from symgluon.passes.manager import count, explain, explaining, graph_pass
from symgluon.passes.rewrite import is_pure


def _named_sizes(values: list[Value]) -> set[str]:
    """Names that stand alone as a size of one of `values`."""
    dims = [n for v in values for n in v.type.shape or () if isinstance(n, Dim)]
    return {n.bare for n in dims if n.bare is not None}


def _read_sizes(node: Node) -> set[str]:
    """Names of the sizes that attributes of `node` hold."""
    found: set[str] = set()

    def note(dim: Dim) -> Dim:
        found.update(dim.names())
        return dim

    if any(map(has_dims, node.op.attrs().values())):
        node.op.map_dims(note)
    return found


@graph_pass("eliminate_dead", needs=("lift_random",))
def eliminate_dead(graph: Graph) -> int:
    """Drop nodes without a live use, and constants without a use."""
    outputs = set(graph.outputs)
    given = _named_sizes(graph.operands())
    sizes: set[str] = set()  # those that only the data tell, named by a node further down
    dropped = 0
    for node in reversed(graph.nodes):
        read = any(v.uses or v in outputs for v in node.outputs)
        if read or not is_pure(node.op) or (sizes and sizes & _named_sizes(node.outputs)):
            sizes |= _read_sizes(node) - given
            if not read and explaining():
                explain(f"%{node.output.name}: nobody reads it, but {_kept_for(node)}")
        else:
            graph.remove(node)
            count(node.op.name)
            dropped += 1
    unused = [v for v in graph.constants if not v.uses and v not in outputs]
    graph.drop_constants(unused)
    if unused:
        count("constant", len(unused))
    return dropped + len(unused)


def _kept_for(node: Node) -> str:
    if is_pure(node.op):
        return "an attribute further down names the size of its result"
    effects = ", ".join(sorted(node.op.effects)) or "those of its body"
    return f"{node.op.name} has effects ({effects})"
