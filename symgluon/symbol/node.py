"""Nodes of symbols: MXNet's own operators and attributes as text, without types."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symgluon.formats.symbol_json import AUXILIARY
from symgluon.formats.symbol_records import NodeRecord, SymbolRecords
from symgluon.ops.state import state

Entry = tuple["SymbolNode", int]  # a node and the number of one of its outputs

_serial = itertools.count()

#: what MXNet keeps under a name with underscores, and tells under both
BOOKKEEPING = (
    "ctx_group",
    "lr_mult",
    "wd_mult",
    "force_mirroring",
    "mirror_stage",
    "profiler_scope",
)

#: operator -> names of its outputs where it has several (or one of several that are seen)
_OUTPUTS = {
    "BatchNorm": ("output", "mean", "var"),
    "SyncBatchNorm": ("output", "mean", "var"),
    "_contrib_SyncBatchNorm": ("output", "mean", "var"),
    "LayerNorm": ("output", "mean", "std"),
    "GroupNorm": ("output", "mean", "std"),
    "RNN": ("output", "state_output", "statecell_output"),
    "_contrib_box_nms": ("output0",),
    "_contrib_box_non_maximum_suppression": ("output0",),
    "CTCLoss": ("output0",),
}
#: operator -> numbers of outputs that depend on nothing
_COUNTS = {
    "_contrib_bipartite_matching": 2,
    "_contrib_MultiBoxTarget": 3,
    "_contrib_box_encode": 2,
    "_linalg_gelqf": 2,
    "_linalg_syevd": 2,
    "_linalg_slogdet": 2,
    "moments": 2,
    "_contrib_quantize": 3,
    "_contrib_quantize_v2": 3,
}
#: operator -> attribute that says how many outputs it has
_COUNTED_BY = {
    "SliceChannel": "num_outputs",
    "amp_multicast": "num_outputs",
    "_foreach": "num_outputs",
    "_while_loop": "num_outputs",
    "_cond": "num_outputs",
    "_contrib_dgl_csr_neighbor_uniform_sample": "num_args",
}


class SymbolNode:
    """A variable (`op` is ``"null"``) or an operator with its operands.

    Parameters
    ----------
    op, name : str
        MXNet's name of the operator, name of the node.
    attrs, hidden : dict of str to str
        What the operator parses; other attributes.
    inputs : sequence of (SymbolNode, int)
        Operands.
    subgraphs : sequence of SymbolRecords
        Bodies of a loop or branch.
    """

    __slots__ = ("attrs", "hidden", "inputs", "name", "op", "serial", "subgraphs")

    def __init__(
        self,
        op: str,
        name: str,
        attrs: dict[str, str],
        hidden: dict[str, str],
        inputs: Sequence[Entry] = (),
        subgraphs: Sequence[SymbolRecords] = (),
    ) -> None:
        self.op, self.name, self.attrs, self.hidden = op, name, attrs, hidden
        self.inputs = tuple(inputs)
        self.subgraphs = tuple(subgraphs)
        #: grows with time: a body of a loop knows what was there before it
        self.serial = next(_serial)

    @property
    def outputs(self) -> int:
        """Number of outputs that are seen."""
        return output_count(self.op, self.attrs)

    def output_name(self, index: int) -> str:
        """Name of an output, such as ``fc1_output``."""
        if self.op == "null":
            return self.name
        known = _OUTPUTS.get(self.op)
        if known is not None and index < len(known):
            return f"{self.name}_{known[index]}"
        return f"{self.name}_output" + (str(index) if self.outputs > 1 else "")

    def all_attrs(self) -> dict[str, str]:
        """All attributes; bookkeeping under both of its names."""
        found = {**self.attrs, **self.hidden}
        for key in BOOKKEEPING:
            if f"__{key}__" in found:
                found[key] = found[f"__{key}__"]
        return found


def output_count(op: str, attrs: Mapping[str, str]) -> int:
    """How many outputs of an operator are seen, by its attributes."""
    if op in _COUNTED_BY:
        return int(attrs.get(_COUNTED_BY[op], 1))
    if op in _COUNTS:
        return _COUNTS[op]
    if op in ("BatchNorm", "SyncBatchNorm", "_contrib_SyncBatchNorm", "LayerNorm", "GroupNorm"):
        return 3 if _true(attrs.get("output_mean_var")) else 1
    if op == "RNN":
        states = 2 if attrs.get("mode") == "lstm" else 1
        return 1 + states if _true(attrs.get("state_outputs")) else 1
    if op == "topk":
        return 2 if attrs.get("ret_typ") == "both" else 1
    if op in ("_contrib_Proposal", "_contrib_MultiProposal"):
        return 2 if _true(attrs.get("output_score")) else 1
    if op == "_split_v2":
        return _split_count(attrs)
    return 2 if _true(attrs.get("get_prob")) else 1


def _split_count(attrs: Mapping[str, str]) -> int:
    from symgluon.ir.attrs import literal

    sections = int(attrs.get("sections", "0") or 0)
    if sections:
        return sections
    places = literal(attrs.get("indices", "()"))
    return max(1, len(places) if places and places[0] == 0 else len(places) + 1)


def _true(text: str | None) -> bool:
    return text is not None and text.lower() in ("true", "1")


# ---- whole graphs ------------------------------------------------------------------------------
def in_order(heads: Iterable[Entry]) -> list[SymbolNode]:
    """Nodes that `heads` depend on, operands first, as MXNet orders them."""
    found: list[SymbolNode] = []
    done: set[int] = set()
    for head, _ in heads:
        stack: list[tuple[SymbolNode, int]] = [(head, 0)]
        while stack:
            node, at = stack.pop()
            if id(node) in done:
                continue
            while at < len(node.inputs) and id(node.inputs[at][0]) in done:
                at += 1
            if at == len(node.inputs):
                done.add(id(node))
                found.append(node)
            else:
                stack.append((node, at + 1))
                stack.append((node.inputs[at][0], 0))
    return found


def to_records(heads: Sequence[Entry]) -> SymbolRecords:
    """Return the symbol as it is written."""
    nodes = in_order(heads)
    number = {id(node): i for i, node in enumerate(nodes)}

    def entry(value: Entry, version: int = 0) -> tuple[int, int, int]:
        return number[id(value[0])], value[1], version

    def operands(node: SymbolNode) -> tuple[tuple[int, int, int], ...]:
        written = AUXILIARY.get(
            node.op, ()
        )  # states that the operator writes have another version
        return tuple(entry(v, int(i in written)) for i, v in enumerate(node.inputs))

    return SymbolRecords(
        nodes=tuple(
            NodeRecord(
                n.op,
                n.name,
                dict(n.attrs),
                dict(n.hidden),
                operands(n),
                n.subgraphs,
            )
            for n in nodes
        ),
        arg_nodes=tuple(i for i, n in enumerate(nodes) if n.op == "null"),
        heads=tuple(entry(v) for v in heads),
        version=20000 if state.np_shape else 10901,
        is_np_shape=state.np_shape or None,
    )


def from_records(records: SymbolRecords) -> list[Entry]:
    """Return the outputs of a symbol that was read."""
    made: list[SymbolNode] = []
    for record in records.nodes:
        inputs = [(made[n], i) for n, i, *_ in record.inputs]
        made.append(
            SymbolNode(
                record.op,
                record.name,
                dict(record.attrs),
                dict(record.hidden),
                inputs,
                record.subgraphs,
            )
        )
    return [(made[n], i) for n, i, *_ in records.heads]


def auxiliary(nodes: Iterable[SymbolNode]) -> set[int]:
    """Ids of the variables that are auxiliary states."""
    found: set[int] = set()
    for node in nodes:
        for position in AUXILIARY.get(node.op, ()):
            if position < len(node.inputs) and node.inputs[position][0].op == "null":
                found.add(id(node.inputs[position][0]))
    return found


def substituted(heads: Sequence[Entry], given: Mapping[int, Any]) -> list[Entry]:
    """Copy what depends on replaced variables; the rest is shared.

    Parameters
    ----------
    heads : sequence of Entry
        Outputs.
    given : mapping of int to Entry
        By the ids of variables.

    Returns
    -------
    list of Entry
        The outputs after it.
    """
    new: dict[int, SymbolNode] = {}

    def moved(entry: Entry) -> Entry:
        node, index = entry
        if id(node) in given:
            return given[id(node)]  # type: ignore[no-any-return]
        return new.get(id(node), node), index

    for node in in_order(heads):
        inputs = [moved(entry) for entry in node.inputs]
        if any(a[0] is not b[0] for a, b in zip(inputs, node.inputs, strict=True)):
            new[id(node)] = SymbolNode(
                node.op, node.name, dict(node.attrs), dict(node.hidden), inputs, node.subgraphs
            )
    return [moved(entry) for entry in heads]
