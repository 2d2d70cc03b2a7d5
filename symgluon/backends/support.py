"""What ONNX Runtime cannot run: each operator at its types is put to it as a model of one node.

No table of kernels is kept, so the answer is right for any version and build of ONNX Runtime.
Asking takes a third of a millisecond, and is needed only for graphs that it refuses as a whole.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgluon.backends.plugin import is_random, node_key
from symgluon.backends.providers import CPU, Provider
from symgluon.backends.sessions import failures, refusals, session_of
from symgluon.errors import SymgluonError
from symgluon.ir import poly
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Node, Value, bodies
from symgluon.ir.types import TensorType

_answers: OrderedDict[Any, bool] = OrderedDict()
_LIMIT = 4096


def supported(node: Node, providers: Sequence[Provider] = (CPU,)) -> bool:
    """Whether ONNX Runtime runs what `node` lowers to, at its types."""
    if is_random(node):
        return False  # its generator is not ours: the stream of numbers would be another
    key = (node_key(node), repr(providers))
    found = _answers.get(key)
    if found is None:
        found = _answers[key] = _ask(node, providers)
        if len(_answers) > _LIMIT:
            _answers.popitem(last=False)
    return found


def runs(node: Node, sizes: Mapping[str, int], providers: Sequence[Provider] = (CPU,)) -> bool:
    """Whether a run of the node alone succeeds, on zeros; `sizes` has the named dimensions.

    Some kernels accept a type when a session is made and refuse it when it runs.
    """
    if not supported(node, providers):
        return False
    graph = alone(node)
    wrong: tuple[type[Exception], ...] = (KeyError, ValueError, SymgluonError, *failures())
    try:
        arrays = [
            np.zeros([_size(n, sizes) for n in v.type.known_shape], v.dtype) for v in graph.inputs
        ]
        session_of(graph, threads=1, optimise=False, providers=providers)(*arrays)
    except wrong:
        return False
    return True


def _size(n: Any, sizes: Mapping[str, int]) -> int:
    return poly.evaluate(n._poly, sizes) if isinstance(n, Dim) else n


def _ask(node: Node, providers: Sequence[Provider]) -> bool:
    refused: tuple[type[Exception], ...] = (SymgluonError, *refusals())
    try:
        session_of(alone(node), threads=1, optimise=False, providers=providers)
    except refused:
        return False
    return True


def alone(node: Node) -> Graph:
    """The node as a graph; dimensions that only the whole graph defines get an input each."""
    graph = Graph("one")
    graph.scope = node.outputs[0].graph.scope
    known: dict[Value, Value] = {}
    operands: list[Value | None] = []
    for value in node.inputs:
        if value is not None and value not in known:
            known[value] = (
                graph.add_constant(value.data, value.name)
                if value.data is not None
                else graph.add_input(value.name, value.type)
            )
        operands.append(None if value is None else known[value])
    types = [v.type for v in graph.inputs]
    for name in sorted(dimension_names([node]) - bare_names(types)):
        graph.add_input(f"size_{name}", TensorType((Dim(name),), np.dtype(np.int8)))
    copy = graph.add(node.op, operands, [v.type for v in node.outputs], name="result")
    graph.set_outputs(copy.outputs)
    return graph


def dimension_names(nodes: Any) -> set[str]:
    """Names of the dimensions that nodes may need to know: in attributes, types and bodies."""
    found: set[str] = set()

    def note(dim: Any) -> Any:
        found.update(dim.names())
        return dim

    for node in nodes:
        node.op.map_dims(note)
        for value in (*node.inputs, *node.outputs):
            for n in (value.type.shape or ()) if value is not None else ():
                if isinstance(n, Dim):
                    found.update(n.names())
        for body in bodies(node.op):
            inner = dimension_names(body.nodes)
            found |= inner - bare_names([v.type for v in body.operands()])
    return found


def bare_names(types: Any) -> set[str]:
    """Names that stand alone as a dimension of a type."""
    return {
        n.bare for t in types for n in t.shape or () if isinstance(n, Dim) and n.bare is not None
    }
