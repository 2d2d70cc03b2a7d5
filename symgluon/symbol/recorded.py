"""What `autograd.record` saw, as a symbol: `autograd.get_symbol`."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import numpy as np

from symgluon.autograd import CustomFunction
from symgluon.errors import SymgluonError, UnsupportedOpError
from symgluon.formats.symbol_write import symbol_parts
from symgluon.ir.dims import DimScope
from symgluon.ir.graph import Graph
from symgluon.ir.types import TensorType
from symgluon.ops.apply import apply
from symgluon.ops.array import Array, wrap
from symgluon.ops.call import GraphOp
from symgluon.ops.region import Region
from symgluon.ops.replay import replay
from symgluon.ops.tape import Leaf, Saved, TapeNode
from symgluon.symbol.functions import var
from symgluon.symbol.node import Entry, Node, from_records, rebuild
from symgluon.symbol.symbol import Symbol


def symbol_of(x: Array) -> Symbol:
    """Return what computed `x` as a symbol.

    Parameters
    ----------
    x : array
        A recorded result.

    Returns
    -------
    Symbol
        Variables are named ``var0``, ``var1``, ... and arrays that no gradient is wanted for
        ``null0``, ``null1``, ..., in the order in which the operators read them.

    Raises
    ------
    MXNetError
        If the history was dropped by a backward.
    UnsupportedOpError
        Naming every operator that MXNet 2.0 has no form for.
    """
    content = x.numpy_content("get_symbol()")
    history = _History((content, x._node, x._out))
    if not history.nodes:
        return var(history.name_of(history.head))
    graph = history.graph()
    try:
        records, constants = symbol_parts(graph)
    except UnsupportedOpError as error:
        error.hint = "hybridize the block and export it with onnx='only', which can"
        raise
    return Symbol(rebuild(from_records(records), lambda node: _spelled(node, constants)))


def _spelled(node: Node, constants: Mapping[str, np.ndarray]) -> Entry | None:
    """A number that its reader could not hold as an attribute, as a node of its own."""
    value = constants.get(node.name) if node.is_variable else None
    if value is None:
        return None
    if value.size != 1:
        raise UnsupportedOpError(
            f"what was recorded has a constant array, {node.name}, that a symbol cannot hold",
            hint="export the block: its parameter file holds such arrays",
        )
    attrs = {"shape": str(value.shape), "value": repr(value.item()), "dtype": value.dtype.name}
    return Node("_npi_full", node.name, attrs), 0


class _History:
    """The calls that a recorded value depends on, in the order in which they were made."""

    def __init__(self, head: Saved) -> None:
        self.head = _resolved(head)
        self.nodes = _calls(self.head)
        self._handles: dict[Any, Array] = {}
        self._counts = {"var": 0, "null": 0}

    def name_of(self, saved: Saved) -> str:
        """A new name for an array that is an input of the history."""
        kind = "null" if saved[1] is None else "var"
        self._counts[kind] += 1
        return f"{kind}{self._counts[kind] - 1}"

    def graph(self) -> Graph:
        """The calls as a graph."""
        region = Region("recorded", DimScope())
        with region.active():
            for node in self.nodes:
                self._call(region, node)
            return region.close([self._handle(region, self.head)])

    def _call(self, region: Region, node: TapeNode) -> None:
        operands = [
            None if s is None else self._handle(region, _resolved(s)) for s in node.inputs or ()
        ]
        results: Any
        if isinstance(node.op, CustomFunction):  # to run it again could change what it saved
            raise UnsupportedOpError(
                f"{node.op.name}: a symbol cannot hold the Python code of "
                f"{type(node.op.function).__name__}",
                hint="operators in Python that symbols can hold are made with mx.operator",
            )
        if isinstance(node.op, GraphOp):
            results = replay(node.op.graph, operands)
        else:
            results = apply(node.op, *operands)  # type: ignore[arg-type]
        results = results if isinstance(results, tuple | list) else (results,)
        for i, result in enumerate(results):
            self._handles[id(node), i] = result

    def _handle(self, region: Region, saved: Saved) -> Array:
        """What stands for a recorded value in the region; a number stays one."""
        content, node, out = saved
        key = (id(content), 0) if node is None else (id(node), out)
        found = self._handles.get(key)
        if found is None:
            if node is None and content.ndim == 0:
                found = wrap(region.graph.add_constant(content))
            else:
                kind = TensorType(content.shape, content.dtype)
                found = region.argument(self.name_of(saved), kind)
            self._handles[key] = found
        return found


def _resolved(saved: Saved) -> Saved:
    """The value itself, where a recorded result was made a variable: it goes on from there."""
    content, node, out = saved
    while isinstance(node, Leaf) and node.source is not None:
        node, out = node.source
    return content, node, out


def _calls(head: Saved) -> list[TapeNode]:
    """All calls that the value depends on."""
    found: dict[int, TapeNode] = {}
    stack = [head[1]]
    while stack:
        node = stack.pop()
        if node is None or isinstance(node, Leaf) or id(node) in found:
            continue
        if node.inputs is None:
            raise SymgluonError(
                "the graph was already differentiated and its intermediate values were dropped",
                hint="ask for the symbol before backward, or call backward(retain_graph=True)",
            )
        found[id(node)] = node
        stack.extend(_resolved(s)[1] for s in node.inputs if s is not None)
    return sorted(found.values(), key=attrgetter("seq"))
