"""Shapes and dtypes of symbols, by running the operators on types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import SymgluonError
from symgluon.formats.symbol_json import LABELS, SymbolProgram, stated_dtype, stated_shape
from symgluon.formats.symbol_records import NodeRecord
from symgluon.ir.dims import DimScope
from symgluon.ir.types import TensorType
from symgluon.ops.array import Array
from symgluon.ops.region import Region
from symgluon.ops.state import state

#: operators whose operands and results have one shape: what is known of one is known of all
_SAME_SHAPE = frozenset(
    (
        "elemwise_add", "elemwise_sub", "elemwise_mul", "elemwise_div", "add_n", "_maximum", "_minimum",
        "_power", "_mod", "_hypot", "_equal", "_not_equal", "_greater", "_greater_equal", "_lesser",
        "_lesser_equal", "_grad_add",
    )
)  # fmt: skip
_MOST_ROUNDS = 4


class _Types:
    """Types of the variables of a program, found by running it."""

    def __init__(self, program: SymbolProgram, known: Mapping[str, TensorType]) -> None:
        self.program = program
        self.known = dict(known)
        self.outputs: list[TensorType | None] = []

    def run(self) -> None:
        """Run the operators until no more is found."""
        for _ in range(_MOST_ROUNDS):
            before = dict(self.known)
            self._once()
            if before == self.known:
                return

    def _once(self) -> None:
        scope = DimScope()
        region = Region("infer", scope)
        nodes = self.program.records.nodes
        results: dict[int, Sequence[Any] | None] = {}
        handles: dict[str, Array] = {}
        with region.active():
            for number in self.program.live:
                node = nodes[number]
                if node.op == "null":
                    handle = region.argument(node.name, self.known[node.name])
                    handles[node.name] = handle
                    results[number] = (handle,)
                else:
                    results[number] = self._node(number, node, results)
        for name, handle in handles.items():
            self.known[name] = handle._data.type
        self.outputs = []
        for number, index, *_ in self.program.records.heads:
            found = results[number]
            self.outputs.append(None if found is None else found[index]._data.type)

    def _node(
        self, number: int, node: NodeRecord, results: Mapping[int, Sequence[Any] | None]
    ) -> Sequence[Any] | None:
        """Results of an operator; None where too little is known."""
        inputs: list[Any] = []
        for source, index, *_ in node.inputs:
            found = results[source]
            if found is None:
                inputs.append(None)
            else:
                inputs.append(found[index])
        if any(x is None for x in inputs):
            return None
        _spread(node, inputs)
        try:
            made: Sequence[Any] = self.program.bound[number](*inputs)
        except SymgluonError as error:
            if all(x._data.type.is_known for x in inputs):
                raise error.at(where=f"node {node.name} ({node.op})") from None
            return None
        except (TypeError, IndexError, ValueError):  # ranks that are not known
            if all(x._data.type.is_known for x in inputs):
                raise
            return None
        return made


def _spread(node: NodeRecord, inputs: Sequence[Any]) -> None:
    """Give operands the shapes that others of the node tell."""
    shapes = [x._data.type.shape for x in inputs]
    if node.op in _SAME_SHAPE:
        known = next((s for s in shapes if s is not None and None not in s), None)
        if known is not None:
            for x, shape in zip(inputs, shapes, strict=True):
                if shape is None:
                    x._data.type = x._data.type.with_shape(known)
    elif node.op in LABELS and len(inputs) > 1 and shapes[1] is None and shapes[0] is not None:
        inputs[1]._data.type = inputs[1]._data.type.with_shape(_label_shape(node, shapes[0]))


def _label_shape(node: NodeRecord, data: Sequence[Any]) -> tuple[Any, ...]:
    if node.op not in ("SoftmaxOutput", "Softmax", "SVMOutput"):
        return tuple(data)
    if node.attrs.get("multi_output", "False") in ("True", "1"):
        return (data[0], *data[2:])
    keep = node.attrs.get("preserve_shape", "False") in ("True", "1")
    return tuple(data[:-1]) if keep else (data[0],)


def _shape_type(shape: Any, dtype: Any) -> TensorType:
    if shape is None:
        return TensorType(None, dtype)
    unknown = (-1,) if state.np_shape else (0, -1)
    if not shape and not state.np_shape:
        return TensorType(None, dtype)
    return TensorType([None if n in unknown else int(n) for n in shape], dtype)


def find_types(
    symbol: Any, shapes: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, TensorType], list[TensorType | None]]:
    """Find the types of the variables and outputs of a symbol.

    Parameters
    ----------
    symbol : Symbol
        The symbol.
    shapes : mapping of str to tuple of int
        Shapes that are known.
    given : mapping of str to dtype
        Dtypes that are known; the others are what the variable states, else float32.

    Returns
    -------
    dict of str to TensorType
        Of all variables.
    list of (TensorType or None)
        Of the outputs.
    """
    program = SymbolProgram(symbol.records)
    known = {}
    for name in program.variables:
        record = program.record(name)
        dtype = dtypes.resolve(given[name]) if name in given else stated_dtype(record)
        shape = shapes[name] if name in shapes else stated_shape(record)
        known[name] = _shape_type(shape, dtype or np.dtype("float32"))
    types = _Types(program, known)
    types.run()
    return types.known, types.outputs


def _plain(type: TensorType | None) -> tuple[int, ...]:
    """A shape as MXNet gives it: () where nothing is known, 0 for an unknown axis."""
    if type is None or type.shape is None:
        return ()
    unknown = -1 if state.np_shape else 0
    return tuple(n if isinstance(n, int) else unknown for n in type.shape)


def infer_shapes(
    symbol: Any, given: Mapping[str, Any], partial: bool = True
) -> tuple[Any, Any, Any]:
    """See :meth:`Symbol.infer_shape_partial`.

    Parameters
    ----------
    symbol : Symbol
        The symbol.
    given : mapping of str to tuple of int
        Shapes by name.
    partial : bool
        Whether some may stay unknown.

    Returns
    -------
    tuple of lists of tuple of int
        Of arguments, outputs and auxiliary states; three times None where one stays unknown that
        must not.
    """
    known, outputs = find_types(symbol, given, {})
    if not partial and not all(t is not None and t.is_known for t in (*known.values(), *outputs)):
        return None, None, None
    shapes = {name: _plain(t) for name, t in known.items()}
    return (
        [shapes[n] for n in symbol.list_arguments()],
        [_plain(t) for t in outputs],
        [shapes[n] for n in symbol.list_auxiliary_states()],
    )


def infer_types(symbol: Any, given: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """See :meth:`Symbol.infer_type`.

    Shapes are not needed: an operator keeps the dtype of its first operand, unless an attribute
    names another.

    Parameters
    ----------
    symbol : Symbol
        The symbol.
    given : mapping of str to dtype
        Dtypes by name.

    Returns
    -------
    tuple of lists of type
        Of arguments, outputs and auxiliary states.
    """
    from symgluon.symbol.node import in_order

    nodes = in_order(symbol.entries)
    found: dict[int, Any] = {}
    known = {k: dtypes.resolve(v) for k, v in given.items()}
    rounds = 2  # a variable takes the dtype of the operator that reads it
    for _ in range(rounds):
        for n in nodes:
            if n.op == "null":
                stated = n.hidden.get("__dtype__")
                if n.name in known:
                    found[id(n)] = known[n.name]
                elif stated is not None and stated.isdigit():
                    found[id(n)] = dtypes.from_mx_code(int(stated))
                continue
            operands = [found[id(v)] for v, _ in n.inputs if id(v) in found]
            first = operands[0] if operands else None
            named = n.attrs.get("dtype")
            found[id(n)] = _named(named) or first or np.dtype("float32")
            if first is not None and n.op not in ("Cast", "Embedding", "take", "one_hot", "where"):
                for v, _ in n.inputs:
                    if v.op == "null":
                        found.setdefault(id(v), first)
    types = {n.name: found.get(id(n), np.dtype("float32")).type for n in nodes if n.op == "null"}
    return (
        [types[n] for n in symbol.list_arguments()],
        [found.get(id(n), np.dtype("float32")).type for n, _ in symbol.entries],
        [types[n] for n in symbol.list_auxiliary_states()],
    )


def _named(text: str | None) -> Any:
    if text is None or text == "None":
        return None
    try:
        return dtypes.resolve(text)
    except (SymgluonError, TypeError, ValueError):
        return None
