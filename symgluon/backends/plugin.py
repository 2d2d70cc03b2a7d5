"""What a backend of another package builds on, beside the graph itself.

`docs/backends.md` shows a whole backend.  Everything here is public: names and meaning stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.ir.graph import Graph, Node
from symgluon.ir.op import RANDOM

#: opset of the models that `onnx_model` and `node_model` write by default
OPSET = 20


def onnx_model(graph: Graph, *, opset: int = OPSET) -> Any:
    """Lower a graph to standard ONNX.

    Parameters
    ----------
    graph : Graph
        Its inputs, then its parameters, are the inputs of the model, in this order; its results
        are the outputs.  Names may differ where ONNX asks for other ones.
    opset : int
        13 to 23.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    UnsupportedOpError
        Naming every operator that has no ONNX form.
    """
    from symgluon.formats.onnx.writer import build_model

    return build_model(graph, opset=opset)


def node_model(node: Node, *, opset: int = OPSET) -> Any:
    """Lower one node to a model of its own, for a runtime to be asked whether it takes it.

    Operands are inputs, except constants; named dimensions stay free.  Dimensions that the node
    needs and no operand has are those of further inputs ``size_NAME``.

    Parameters
    ----------
    node : Node
        The node.
    opset : int
        13 to 23.

    Returns
    -------
    onnx.ModelProto
        The model.

    Raises
    ------
    UnsupportedOpError
        If the operator has no ONNX form.
    """
    from symgluon.backends.support import alone

    return onnx_model(alone(node), opset=opset)


def node_key(node: Node) -> Any:
    """Return what an answer of `Backend.supports` may be remembered by.

    Nodes of equal keys have the same operator, attributes and types, and small constant operands
    (which may decide how they are lowered) of the same content.

    Parameters
    ----------
    node : Node
        The node.

    Returns
    -------
    object
        Hashable.
    """
    types = tuple(None if v is None else v.type for v in (*node.inputs, *node.outputs))
    return (node.op, types, tuple(map(_small_constant, node.inputs)))


def _small_constant(value: Any) -> Any:
    data = None if value is None else value.data
    return None if data is None else data.tobytes() if data.size <= 64 else True


def is_random(node: Node) -> bool:
    """Whether the node draws numbers: another runtime's generator would give another stream."""
    return RANDOM in node.op.effects


def with_constants(graph: Graph, arrays: Sequence[np.ndarray]) -> Graph:
    """Return a copy of a graph with its parameters as constants.

    Parameters
    ----------
    graph : Graph
        It stays as it is.
    arrays : sequence of ndarray
        Contents in the order of ``graph.params``, as `steady` gets them.

    Returns
    -------
    Graph
        The copy.
    """
    copy = graph.copy()
    for value, array in zip(list(copy.params.values()), arrays, strict=True):
        copy.freeze(value, array)
    return copy


def parameter_version() -> int:
    """Return a number that grows whenever any parameter is written.

    While it stays the same, the arrays that `steady` got before are still right.  Read it before
    asking for the arrays: a write in between makes what was built old, not wrong.
    """
    from symgluon.ops.array import parameter_writes

    return parameter_writes.count
