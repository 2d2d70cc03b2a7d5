"""Loops and branches in MXNet's symbol: nodes with subgraphs, in the form that 1.9.1 writes.

Inputs of a node are found among the variables of its subgraphs by position, in the order in which
MXNet meets them from the outputs: so the nodes of a subgraph are written in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symgluon.errors import UnsupportedOpError
from symgluon.formats.symbol_records import NodeRecord, SymbolRecords
from symgluon.formats.symbol_write import Entry, SymbolWriter, rule, text
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.types import TensorType
from symgluon.ops.core import Cast


class _Subgraph:
    """A body as a subgraph: its records, and what each of its variables is outside.

    Parameters
    ----------
    last : int
        So many results of the body, its first ones, come last: MXNet has the states there.
    """

    def __init__(
        self, writer: SymbolWriter, body: Graph, operands: Sequence[Any], last: int = 0
    ) -> None:
        inner = SymbolWriter()
        for value in body.operands():
            inner.declare(value)
        heads = inner.run(body, {})
        writer.unsupported.extend(inner.unsupported)
        self.records = _in_order(inner.records([*heads[last:], *heads[:last]]))
        formal = {inner.name_of(v): (v, o) for v, o in zip(body.inputs, operands, strict=True)}
        #: positions of the inputs of the body that it reads
        self.formals: dict[Value, int] = {}
        self.outside: list[Entry] = []
        for position, number in enumerate(self.records.arg_nodes):
            name = self.records.nodes[number].name
            if name in formal:
                value, operand = formal[name]
                self.formals[value] = position
                self.outside.append(writer.entry(operand))
            else:
                self.outside.append(writer.array(name, inner.constants[name]))

    def places(self, node: Node, values: Sequence[Value]) -> list[int]:
        """Positions of formal inputs.

        Raises
        ------
        UnsupportedOpError
            For one that the body does not read: MXNet would not find it.
        """
        missing = [v.name for v in values if v not in self.formals]
        if missing:
            raise UnsupportedOpError(
                f"the body of {node.op.name} does not read {', '.join(missing)}, which MXNet demands"
            )
        return [self.formals[v] for v in values]


def _in_order(records: SymbolRecords) -> SymbolRecords:
    """The nodes in the order of a depth-first walk from the outputs; others are dropped."""
    order: dict[int, int] = {}
    for head in records.heads:
        stack = [(head[0], iter(records.nodes[head[0]].inputs))]
        while stack:
            number, rest = stack[-1]
            entry = next(rest, None)
            if entry is None:
                stack.pop()
                order.setdefault(number, len(order))
            elif entry[0] not in order:
                stack.append((entry[0], iter(records.nodes[entry[0]].inputs)))

    def moved(entry: Sequence[int]) -> Entry:
        return (order[entry[0]], entry[1], entry[2])

    nodes = tuple(
        replace(records.nodes[old], inputs=tuple(moved(e) for e in records.nodes[old].inputs))
        for old in sorted(order, key=order.__getitem__)
    )
    variables = tuple(i for i, node in enumerate(nodes) if node.op == "null")
    return SymbolRecords(
        nodes, variables, tuple(moved(h) for h in records.heads), is_np_shape=records.is_np_shape
    )


def _write(
    writer: SymbolWriter,
    name: str,
    node: Node,
    inputs: Sequence[Entry],
    subgraphs: Sequence[_Subgraph],
    **attrs: Any,
) -> list[Entry]:
    """Write the node; returns the entries of its results."""
    outputs = attrs["num_outputs"]
    record = NodeRecord(
        name,
        writer.unique(node.outputs[0].name),
        {k: text(v) for k, v in attrs.items()},
        {},
        tuple(inputs),
        tuple(s.records for s in subgraphs),
    )
    return writer.outputs(writer.append(record), outputs)


@rule("foreach")
def _foreach(writer: SymbolWriter, op: Any, operands: Sequence[Any], node: Node) -> Any:
    if op.reverse or op.counted or op.saves:
        raise UnsupportedOpError("a loop of a gradient has no form in MXNet's symbol")
    graph = _Subgraph(writer, op.body, operands, op.states)
    scans, states, _, _ = op.split(op.body.inputs)
    data, first = graph.places(node, scans), graph.places(node, states)
    rest = [i for i in range(len(graph.outside)) if i not in data and i not in first]
    outputs = len(op.body.outputs) - op.states
    found = _write(
        writer, "_foreach", node, [graph.outside[i] for i in (*data, *first, *rest)], [graph],
        in_data_locs=data, in_state_locs=first, remain_locs=rest,
        num_args=1 + len(graph.outside), num_out_data=outputs, num_outputs=len(op.body.outputs),
    )  # fmt: skip
    return [*found[outputs:], *found[:outputs]]


@rule("while_loop")
def _while_loop(writer: SymbolWriter, op: Any, operands: Sequence[Any], node: Node) -> Any:
    if op.saves or node.outputs[len(op.body.outputs)].uses:
        raise UnsupportedOpError("the number of steps has no form in MXNet's symbol")
    variables, outer, captured = op.split(operands)
    # MXNet tells variables by their first values: those are used for nothing else
    variables = [writer.node("_npi_copy", writer.entry(v)) for v in variables]
    test = _Subgraph(writer, _as_float(op.condition), [*variables, *outer])
    func = _Subgraph(writer, op.body, [*variables, *captured], op.variables)
    own = func.places(node, op.body.inputs[: op.variables])
    inputs = list(dict.fromkeys([*test.outside, *func.outside]))
    outputs = len(op.body.outputs) - op.variables
    found = _write(
        writer, "_while_loop", node, inputs, [test, func],
        cond_input_locs=[inputs.index(e) for e in test.outside],
        func_input_locs=[inputs.index(e) for e in func.outside],
        func_var_locs=own, max_iterations=op.max_iterations,
        num_args=2 + len(inputs), num_out_data=outputs, num_outputs=len(op.body.outputs),
    )  # fmt: skip
    return [*found[outputs:], *found[:outputs]]


def _as_float(condition: Graph) -> Graph:
    """The condition as a number: MXNet 2.0 takes no bool there."""
    copy = condition.copy()
    (value,) = copy.outputs
    copy.set_outputs([copy.add(Cast(np.dtype(np.float32)), [value]).output])
    return copy


@rule("cond")
def _cond(writer: SymbolWriter, op: Any, operands: Sequence[Any], node: Node) -> Any:
    condition, then, otherwise = op.split(operands)
    branches = [_Subgraph(writer, op.then, then), _Subgraph(writer, op.otherwise, otherwise)]
    condition = writer.cast(writer.entry(condition), np.float32)
    graph = Graph("condition")
    graph.set_outputs([graph.add_input("condition", TensorType((), np.dtype(np.float32)))])
    branches.insert(0, _Subgraph(writer, graph, [condition]))
    inputs = list(dict.fromkeys(e for b in branches for e in b.outside))
    places = [[inputs.index(e) for e in b.outside] for b in branches]
    return _write(
        writer, "_cond", node, inputs, branches,
        cond_input_locs=places[0], then_input_locs=places[1], else_input_locs=places[2],
        num_args=3 + len(inputs), num_outputs=len(op.then.outputs),
    )  # fmt: skip
