"""The graph behind symbols: nodes by MXNet's names, and their form in files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from symgluon.formats.symbol_json import AUXILIARY
from symgluon.formats.symbol_records import NodeRecord, SymbolRecords
from symgluon.ops.state import state

Entry = tuple["Node", int]  # node, number of its output

#: MXNet version that files of symbols with operators of 1.x only, and of others, state
_VERSION_1, _VERSION_2 = 10901, 20000


class Node:
    """A variable (``op`` is ``"null"``) or an operator, with its operands.

    Attributes
    ----------
    attrs : dict of str to str
        As in files: what the operator parses, and hidden ones (``__shape__``).
    inputs : list of (Node, int)
        Operands; for an atomic symbol that is still to be composed, fewer than it needs.
    subgraphs : tuple of SymbolRecords
        Of loops and branches.
    """

    __slots__ = ("attrs", "inputs", "name", "op", "subgraphs")

    def __init__(
        self,
        op: str,
        name: str,
        attrs: dict[str, str] | None = None,
        inputs: Iterable[Entry] = (),
        subgraphs: tuple[SymbolRecords, ...] = (),
    ) -> None:
        self.op = op
        self.name = name
        self.attrs = attrs or {}
        self.inputs = list(inputs)
        self.subgraphs = subgraphs

    @property
    def is_variable(self) -> bool:
        """Whether it is a variable."""
        return self.op == "null"

    def own_attrs(self) -> dict[str, str]:
        """Return the attributes that the operator parses."""
        return {k: v for k, v in self.attrs.items() if not is_hidden(k)}

    def auxiliary(self) -> tuple[int, ...]:
        """Positions of the operands that are auxiliary states."""
        if self.op == "Custom":
            from symgluon.ops.custom import properties

            found = properties(self.attrs)
            first = len(found.list_arguments())
            return tuple(range(first, first + len(found.list_auxiliary_states())))
        return AUXILIARY.get(self.op, ())


def is_hidden(key: str) -> bool:
    """Whether no operator reads the attribute `key`."""
    return key.startswith("__") and key.endswith("__")


def walk(heads: Iterable[Entry]) -> list[Node]:
    """All nodes that `heads` depend on, operands before their readers, first things first."""
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, int]] = []
    for head, _ in heads:
        if id(head) in seen:
            continue
        seen.add(id(head))
        stack.append((head, 0))
        while stack:
            node, place = stack.pop()
            if place < len(node.inputs):
                stack.append((node, place + 1))
                source = node.inputs[place][0]
                if id(source) not in seen:
                    seen.add(id(source))
                    stack.append((source, 0))
            else:
                order.append(node)
    return order


def rebuild(heads: Sequence[Entry], change: Callable[[Node], Entry | None]) -> list[Entry]:
    """Copy what `heads` depend on; `change` says what takes the place of a node (None: a copy)."""
    new: dict[int, Entry] = {}

    def at(entry: Entry) -> Entry:
        node, output = new[id(entry[0])]
        return node, output if entry[0].is_variable else entry[1]

    for node in walk(heads):
        changed = change(node)
        new[id(node)] = changed or (
            Node(node.op, node.name, dict(node.attrs), map(at, node.inputs), node.subgraphs),
            0,
        )
    return [at(h) for h in heads]


def substitute(heads: Sequence[Entry], given: Mapping[str, Any]) -> list[Entry]:
    """Copy what `heads` depend on, with symbols of one output in place of variables by name."""

    def change(node: Node) -> Entry | None:
        found = given.get(node.name) if node.is_variable else None
        return None if found is None else found._outputs[0]

    return rebuild(heads, change)


# ---- files -------------------------------------------------------------------------------------
def to_records(heads: Sequence[Entry], outputs_of: Callable[[Node], int]) -> SymbolRecords:
    """Return the symbol as a file has it.

    Parameters
    ----------
    heads : sequence of (Node, int)
        Its outputs.
    outputs_of : callable
        Number of the outputs of a node.

    Returns
    -------
    SymbolRecords
        The records.
    """
    nodes = walk(heads)
    number = {id(n): i for i, n in enumerate(nodes)}
    versions: dict[int, int] = {}
    records, rows = [], [0]
    for node in nodes:
        auxiliary = node.auxiliary()
        inputs = []
        for place, (source, output) in enumerate(node.inputs):
            version = 0
            if place in auxiliary and source.is_variable:
                version = versions[id(source)] = versions.get(id(source), 0) + 1
            inputs.append((number[id(source)], output, version))
        hidden = {k: v for k, v in node.attrs.items() if is_hidden(k)}
        records.append(
            NodeRecord(node.op, node.name, node.own_attrs(), hidden, tuple(inputs), node.subgraphs)
        )
        rows.append(rows[-1] + outputs_of(node))
    numpy = any(n.op.startswith(("_np_", "_npi_", "_npx_")) for n in nodes)
    return SymbolRecords(
        tuple(records),
        tuple(i for i, n in enumerate(nodes) if n.is_variable),
        tuple((number[id(n)], i, 0) for n, i in heads),
        _VERSION_2 if numpy else _VERSION_1,
        is_np_shape=True if numpy or state.np_shape else None,
        node_row_ptr=tuple(rows),
    )


def from_records(records: SymbolRecords) -> list[Entry]:
    """Return the outputs of a symbol that was read."""
    nodes: list[Node] = []
    for record in records.nodes:
        inputs = [(nodes[i], output) for i, output, *_ in record.inputs]
        attrs: dict[str, Any] = {**record.attrs, **record.hidden}
        nodes.append(Node(record.op, record.name, attrs, inputs, record.subgraphs))
    return [(nodes[i], output) for i, output, *_ in records.heads]
