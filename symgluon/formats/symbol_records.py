"""MXNet's ``-symbol.json``, every version from 0.8 to 2.0: validated records, and writing them.

This module knows the file, not the operators: attributes stay strings.  What it accepts is whole:
types are right, every input is an earlier node (so there is no cycle), numbers are in range.
Facts of the format from files that MXNet wrote, and from its ``nnvm/src/pass/saveload_json.cc``.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from symgluon.errors import FormatError
from symgluon.formats.symbol_text import JsonWriter, read_json
from symgluon.formats.symbol_upgrade import (
    UPGRADED_VERSION,
    Draft,
    Entry,
    split_attributes,
    upgrade,
)

MAX_BYTES = 256 << 20
MAX_NODES = 1_000_000
_UNSTATED_VERSION = 800  # files before 0.9 state none
_NODE_KEYS = {"op", "name", "inputs", "attrs", "attr", "param", "control_deps", "subgraphs",
              "backward_source_id"}  # fmt: skip
_GRAPH_KEYS = {"nodes", "arg_nodes", "heads", "node_row_ptr", "attrs"}


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node: a variable (``op`` is ``"null"``) or an operator.

    ``inputs`` are (node number, output number, version).  ``attrs`` are what the operator parses;
    ``hidden`` are the others, with their underscores (``__shape__``, ``__lr_mult__``).
    """

    op: str
    name: str
    attrs: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    inputs: tuple[Entry, ...] = ()
    subgraphs: tuple[SymbolRecords, ...] = ()
    control_deps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SymbolRecords:
    """A symbol: its nodes in topological order, and its outputs (``heads``).

    ``arg_nodes`` are the numbers of all variables.  ``version`` is what the file states (10901 is
    1.9.1); the nodes are upgraded already.  ``is_np_shape`` is None where the file does not say.
    ``graph_attrs`` are the other attributes of the graph, as (type, value).  ``node_row_ptr`` sums
    the nodes' outputs, where the file has it.
    """

    nodes: tuple[NodeRecord, ...]
    arg_nodes: tuple[int, ...]
    heads: tuple[Entry, ...]
    version: int = 20000
    is_np_shape: bool | None = None
    graph_attrs: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    node_row_ptr: tuple[int, ...] | None = None

    @property
    def version_text(self) -> str:
        """The version as people write it (``"1.9.1"``)."""
        return f"{self.version // 10000}.{self.version // 100 % 100}.{self.version % 100}"


def parse_symbol(source: str | bytes | os.PathLike[str]) -> SymbolRecords:
    """Parse a symbol file.

    Parameters
    ----------
    source : str, bytes or path-like
        A path; or the JSON text itself, which starts with ``{`` (bytes are always the text).

    Returns
    -------
    SymbolRecords
        Validated and upgraded.

    Raises
    ------
    FormatError
        If the file is damaged, contradicts itself or exceeds a limit (256 MB, a million nodes,
        nesting of 100): with the path and the node.
    OSError
        If it cannot be read.
    """
    path: str | None = None
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif isinstance(source, str) and source.lstrip().startswith("{"):
        data = _encoded(source)
    else:
        path = os.fspath(source)
        data = _read(path)
    reader = _Reader(path)
    if len(data) > MAX_BYTES:
        raise reader.error(f"a symbol of {len(data)} bytes; at most {MAX_BYTES} are read")
    content = read_json(data, reader.error)
    del data, source
    if type(content) is not dict:
        raise reader.error(f"expected a JSON object, received {_kind(content)}")
    version, np_shape, attrs = reader.graph_attrs(content.pop("attrs", {}))
    return reader.graph(content, version, np_shape, attrs)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise FormatError(
            f"the text holds a lone surrogate at character {error.start}", offset=error.start
        ) from None


def _read(path: str) -> bytes:
    if os.path.isdir(path):
        raise IsADirectoryError(21, "is a folder, not a symbol file", path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise FormatError(f"a symbol of {size} bytes; at most {MAX_BYTES} are read", path=path)
        return file.read(MAX_BYTES + 1)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a truth value"}
    return names.get(type(value), f"{value!r:.40}")


class _Reader:
    """Reads one file; knows its path, and the node it is at, for messages."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.where: str | None = None
        self.total = 0  # nodes read, subgraphs included

    def error(self, text: str, offset: int | None = None) -> FormatError:
        return FormatError(text, path=self.path, offset=offset, where=self.where)

    # ---- typed parts
    def array(self, value: Any, what: str) -> list[Any]:
        if type(value) is not list:
            raise self.error(f"{what}: expected an array, received {_kind(value)}")
        return value

    def text(self, value: Any, what: str) -> str:
        if type(value) is not str:
            raise self.error(f"{what}: expected a string, received {_kind(value)}")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise self.error(f"{what}: the string holds a lone surrogate") from None
        return value

    def integer(self, value: Any, what: str, limit: int) -> int:
        if type(value) is not int:
            raise self.error(f"{what}: expected an integer, received {_kind(value)}")
        if not 0 <= value < limit:
            raise self.error(f"{what}: {value!r:.40} is not in 0 ... {limit - 1}")
        return value

    def keys(self, value: dict[str, Any], known: set[str], what: str) -> None:
        for key in value:
            if key not in known:
                raise self.error(
                    f"{what}: unknown key {key!r:.60}; known are {', '.join(sorted(known))}"
                )

    def entry(self, value: Any, what: str, limit: int) -> Entry:
        """Read a reference to an output: [node, output] or [node, output, version]."""
        if type(value) is not list or len(value) not in (2, 3):
            raise self.error(f"{what}: expected [node, output, version], received {value!r:.40}")
        node = value[0]
        if type(node) is int and node >= limit and self.where:
            raise self.error(f"{what}: node {node!r:.40} is not an earlier one")
        return (
            self.integer(node, f"{what}, node", limit),
            self.integer(value[1], f"{what}, output", 1 << 31),
            self.integer(value[2], f"{what}, version", 1 << 31) if len(value) == 3 else 0,
        )

    # ---- the graph
    def graph_attrs(self, value: Any) -> tuple[int, bool | None, dict[str, tuple[str, Any]]]:
        """Read the attributes of the graph: each is [type, value]."""
        if type(value) is not dict:
            raise self.error(f"attrs: expected an object, received {_kind(value)}")
        attrs: dict[str, tuple[str, Any]] = {}
        for key, pair in value.items():
            what = f"attribute {self.text(key, 'name of a graph attribute')!r:.60} of the graph"
            if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not str:
                raise self.error(f"{what}: expected [type, value], received {_kind(pair)}")
            attrs[key] = (self.text(pair[0], what), self._freeze(pair[1], what))
        version = attrs.pop("mxnet_version", ("int", _UNSTATED_VERSION))[1]
        np_shape = attrs.pop("is_np_shape", None)
        return (
            self.integer(version, "mxnet_version", 10**9),
            None if np_shape is None else bool(self.integer(np_shape[1], "is_np_shape", 3)),
            attrs,
        )

    def _freeze(self, value: Any, what: str) -> Any:
        if type(value) is list:
            for i, item in enumerate(value):  # in place, here and below: no second copy
                value[i] = self._freeze(item, what)
            return tuple(value)
        if type(value) is dict:
            for key, item in value.items():
                value[self.text(key, what)] = self._freeze(item, what)
            return value
        if type(value) is float and not math.isfinite(value):
            raise self.error(f"{what}: a number is not finite")
        return self.text(value, what) if type(value) is str else value

    def graph(
        self,
        content: dict[str, Any],
        version: int,
        np_shape: bool | None = None,
        attrs: Mapping[str, tuple[str, Any]] | None = None,
    ) -> SymbolRecords:
        """Read a graph or a subgraph; `content` is taken apart, to free memory on the way."""
        self.keys(content, _GRAPH_KEYS, "the graph")
        for key in ("nodes", "heads"):
            if key not in content:
                raise self.error(f"the key {key!r} is missing")
        drafts = self._nodes(self.array(content.pop("nodes"), "nodes"), version)
        heads = self._heads(content["heads"], len(drafts))
        self._arg_nodes(content.get("arg_nodes"), drafts)
        rows = self._rows(content.get("node_row_ptr"), drafts, heads)
        count = len(drafts)
        drafts, moved = upgrade(drafts, heads, version)
        self._add(len(drafts) - count)
        nodes = tuple(_records(drafts))
        return SymbolRecords(
            nodes=nodes,
            arg_nodes=tuple(i for i, n in enumerate(nodes) if n.op == "null"),
            heads=tuple(heads),
            version=version,
            is_np_shape=np_shape,
            graph_attrs=attrs or {},
            node_row_ptr=None if moved else rows,
        )

    def _add(self, count: int) -> None:
        self.total += count
        if self.total > MAX_NODES:
            raise self.error(f"{self.total} nodes; at most {MAX_NODES} are read")

    def _nodes(self, raw: list[Any], version: int) -> list[Draft]:
        self._add(len(raw))
        outer = self.where
        drafts: list[Draft] = []
        variables: set[str] = set()
        for number, value in enumerate(raw):
            self.where = _place(outer, number, value)
            if type(value) is not dict:
                raise self.error(f"expected an object, received {_kind(value)}")
            draft = self._node(value, number, version)
            if draft.op == "null":
                if draft.name in variables:
                    raise self.error(f"there is another variable named {draft.name!r:.60}")
                variables.add(draft.name)
            raw[number] = None
            drafts.append(draft)
        self.where = outer
        return drafts

    def _node(self, value: dict[str, Any], number: int, version: int) -> Draft:
        self.keys(value, _NODE_KEYS, "the node")
        for key in ("op", "name", "inputs"):
            if key not in value:
                raise self.error(f"the key {key!r} is missing")
        op, name = self.text(value["op"], "op"), self.text(value["name"], "name")
        if not op or "\0" in op or "\0" in name or (op == "null" and not name):
            raise self.error(f"op {op!r:.40} and name {name!r:.40}: empty, or with a NUL")
        if type(value.get("backward_source_id", -1)) is not int:
            raise self.error("backward_source_id: expected an integer")
        inputs = self.array(value["inputs"], "inputs")
        for i, entry in enumerate(inputs):  # in place: no second copy of a long list
            inputs[i] = self.entry(entry, f"input {i}", number)
        if op == "null" and inputs:
            raise self.error(f"a variable with {len(inputs)} inputs")
        attrs = self._attributes(value)
        hidden, for_operands = split_attributes(attrs, variable=op == "null")
        deps = self.array(value.get("control_deps", []), "control_deps")
        return Draft(
            op,
            name,
            attrs,
            hidden,
            tuple(inputs),
            self._subgraphs(value.get("subgraphs", []), version),
            tuple(self.integer(d, f"control_deps {i}", number) for i, d in enumerate(deps)),
            for_operands,
        )

    def _attributes(self, node: dict[str, Any]) -> dict[str, str]:
        """Join what the versions call param (0.8), attr (0.8 to 0.12) and attrs."""
        result: dict[str, str] = {}
        for key in ("param", "attr", "attrs"):
            value = node.pop(key, None)
            if value is None:
                continue
            if type(value) is not dict:
                raise self.error(f"{key}: expected an object, received {_kind(value)}")
            for name, item in value.items():
                self.text(item, f"attribute {self.text(name, 'name of an attribute')!r:.60}")
            if result:
                result.update(value)
            else:
                result = value
        return result

    def _subgraphs(self, value: Any, version: int) -> tuple[SymbolRecords, ...]:
        graphs = self.array(value, "subgraphs")
        outer, result = self.where, []
        for number, graph in enumerate(graphs):
            self.where = f"{outer}, subgraph {number}"
            if type(graph) is not dict:
                raise self.error(f"expected an object, received {_kind(graph)}")
            attrs = self.graph_attrs(graph.pop("attrs", {}))
            result.append(self.graph(graph, version, attrs[1], attrs[2]))
        self.where = outer
        return tuple(result)

    def _heads(self, value: Any, count: int) -> list[Entry]:
        raw = self.array(value, "heads")
        if not raw:
            raise self.error("heads is empty: the graph has no output")
        for i, head in enumerate(raw):
            raw[i] = self.entry(head, f"head {i}", count)
        return raw

    def _arg_nodes(self, value: Any, drafts: list[Draft]) -> None:
        """Check the list of variables; the records' own is made from the nodes."""
        if value is None:
            return
        raw = self.array(value, "arg_nodes")
        numbers = [self.integer(n, f"arg_nodes {i}", len(drafts)) for i, n in enumerate(raw)]
        for number in numbers:
            if drafts[number].op != "null":
                raise self.error(
                    f"arg_nodes lists node {number} ({drafts[number].name:.60}), which is an "
                    f"operator ({drafts[number].op:.60})"
                )
        variables = sum(d.op == "null" for d in drafts)
        if len(set(numbers)) != len(numbers) or len(numbers) != variables:
            raise self.error(f"arg_nodes has {len(numbers)} entries for {variables} variables")

    def _rows(self, value: Any, drafts: list[Draft], heads: list[Entry]) -> tuple[int, ...] | None:
        """Check the sums of output counts, and with them the output numbers of all inputs."""
        rows: tuple[int, ...] | None = None
        if value is not None:
            raw = self.array(value, "node_row_ptr")
            rows = tuple(self.integer(n, f"node_row_ptr {i}", 1 << 31) for i, n in enumerate(raw))
            good = len(rows) == len(drafts) + 1 and rows[0] == 0
            if not good or any(b < a for a, b in itertools.pairwise(rows)):
                raise self.error(
                    f"node_row_ptr: expected {len(drafts) + 1} rising numbers from 0 on, "
                    f"received {len(rows)} numbers"
                )
        for number, draft in enumerate(drafts):
            for source, index, _ in draft.inputs:
                self._output(source, index, drafts, rows, f"node {number} ({draft.name:.60})")
        for i, (source, index, _) in enumerate(heads):
            self._output(source, index, drafts, rows, f"head {i}")
        return rows

    def _output(
        self, node: int, index: int, drafts: list[Draft], rows: tuple[int, ...] | None, what: str
    ) -> None:
        if rows is not None:
            count = rows[node + 1] - rows[node]
        else:
            count = 1 if drafts[node].op == "null" else 1 << 31
        if index >= count:
            raise self.error(
                f"{what} reads output {index} of node {node} ({drafts[node].name:.60}), "
                f"which has {count}"
            )


def _place(outer: str | None, number: int, value: Any) -> str:
    name = value.get("name") if type(value) is dict else None
    text = f"node {number} ({name:.60})" if type(name) is str else f"node {number}"
    return f"{outer}, {text}" if outer else text


def _records(drafts: list[Draft]) -> Iterator[NodeRecord]:
    for i, d in enumerate(drafts):
        drafts[i] = None  # type: ignore[call-overload]  # freed as we go
        yield NodeRecord(d.op, d.name, d.attrs, d.hidden, d.inputs, d.subgraphs, d.control_deps)


# ---- writing -----------------------------------------------------------------------------------
def write_symbol(records: SymbolRecords) -> str:
    """Return the JSON text of a symbol in MXNet 2.0's layout: the same records, the same text.

    The version is the records' own, but never older than the form that they are in.
    """
    writer = JsonWriter()
    attrs = dict(records.graph_attrs)
    attrs["mxnet_version"] = ("int", max(records.version, UPGRADED_VERSION))
    if records.is_np_shape is not None:
        attrs["is_np_shape"] = ("int", int(records.is_np_shape))
    _write_graph(writer, records, attrs)
    return writer.text()


def _write_graph(
    writer: JsonWriter, records: SymbolRecords, attrs: Mapping[str, tuple[str, Any]]
) -> None:
    with writer.object():
        with writer.key("nodes"), writer.array():
            for node in records.nodes:
                with writer.item():
                    _write_node(writer, node)
        writer.pair("arg_nodes", records.arg_nodes)
        writer.pair("node_row_ptr", _row_sums(records))
        writer.pair("heads", records.heads)
        if attrs:
            with writer.key("attrs"):
                writer.value({k: list(v) for k, v in sorted(attrs.items())})


def _write_node(writer: JsonWriter, node: NodeRecord) -> None:
    with writer.object():
        writer.pair("op", node.op)
        writer.pair("name", node.name)
        attrs = {**node.attrs, **node.hidden}
        if attrs:
            writer.pair("attrs", dict(sorted(attrs.items())))
        writer.pair("inputs", node.inputs)
        if node.control_deps:
            writer.pair("control_deps", node.control_deps)
        if node.subgraphs:
            with writer.key("subgraphs"), writer.array():
                for graph in node.subgraphs:
                    with writer.item():
                        own = dict(graph.graph_attrs)
                        if graph.is_np_shape is not None:
                            own["is_np_shape"] = ("int", int(graph.is_np_shape))
                        _write_graph(writer, graph, own)


def _row_sums(records: SymbolRecords) -> tuple[int, ...]:
    """Sums of output counts: the file's, or those of the outputs that something reads."""
    if records.node_row_ptr is not None:
        return records.node_row_ptr
    counts = [1] * len(records.nodes)
    read = [e for n in records.nodes for e in n.inputs]
    for source, index, _ in [*read, *records.heads]:
        counts[source] = max(counts[source], index + 1)
    return (0, *itertools.accumulate(counts))
