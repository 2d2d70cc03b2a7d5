"""`ir.Graph` to MXNet 2.0's symbol: each operator becomes nodes that real MXNet loads.

An operator is written by its rule in :mod:`symgluon.formats.symbol_rules`; one without a rule by
an MXNet name of its own with the same attributes; else as its ``decompose``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgluon.dtypes import to_mx_code
from symgluon.errors import Unsupported, UnsupportedOpError
from symgluon.formats.symbol_records import NodeRecord, SymbolRecords
from symgluon.ir.attrs import has_dims
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import MX_NAMES, Op
from symgluon.ops.derive import decomposition
from symgluon.ops.mx import table
from symgluon.ops.mx_schema import signature
from symgluon.ops.region import known_sizes

Entry = tuple[int, int, int]  # node, output, version

#: operator of the IR -> rule: (writer, operator, operands, node) to the entries of its results
Rule = Callable[["SymbolWriter", Any, Sequence[Any], Node], Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Write the operators `names` by the function below."""

    def declare(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return declare


def symbol_from_graph(graph: Graph) -> SymbolRecords:
    """Return MXNet's form of `graph` (without calls: they must be inlined).

    Constants that no operator can spell become variables; :func:`symbol_parts` returns them too.

    Raises
    ------
    UnsupportedOpError
        Naming every operator that MXNet 2.0 has no form for.
    """
    return symbol_parts(graph)[0]


def symbol_parts(graph: Graph) -> tuple[SymbolRecords, dict[str, np.ndarray]]:
    """Return MXNet's form of `graph`, and the arrays of its constants by variable name."""
    # declare the rules
    import symgluon.formats.symbol_rules
    import symgluon.formats.symbol_rules_control
    import symgluon.formats.symbol_rules_nn  # noqa: F401

    writer = SymbolWriter()
    for value in graph.operands():
        writer.declare(value)
    with known_sizes(graph):
        heads = writer.run(graph, {})
    if writer.unsupported:
        names = ", ".join(sorted({u.op for u in writer.unsupported}))
        raise UnsupportedOpError(
            f"operators that MXNet's symbol.json cannot say: {names}",
            unsupported=writer.unsupported,
            hint='export(..., onnx="only") writes the ONNX file alone, which can',
        )
    return writer.records(heads), writer.constants


def text(value: Any) -> str:
    """Text of an attribute value as MXNet 2.0 parses it."""
    if isinstance(value, bool | np.bool_):
        return "1" if value else "0"
    if isinstance(value, tuple | list):
        return "[" + ",".join(text(v) for v in value) + "]"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, np.dtype):
        return str(value.name)
    return str(value)


class SymbolWriter:
    """Collects node records; entries are outputs of nodes already written."""

    def __init__(self) -> None:
        self.nodes: list[NodeRecord] = []
        self.variables: list[int] = []
        self.constants: dict[str, np.ndarray] = {}
        self.unsupported: list[Unsupported] = []
        self._names: set[str] = set()
        self._variable_of: dict[Value, Entry] = {}
        self._declared: dict[Value, str] = {}

    # ---- variables ---------------------------------------------------------------------------
    def declare(self, value: Value) -> None:
        """Reserve the name of an input or parameter; its node is written at the first use."""
        name = value.name
        if value.kind == "param":
            name = next(k for k, v in value.graph.params.items() if v is value)
        self._declared[value] = name
        self._names.add(name)

    def name_of(self, value: Value) -> str:
        """Name of a declared input or parameter."""
        return self._declared[value]

    def variable(self, value: Value) -> Entry:
        """Return the variable of an input, parameter or constant."""
        found = self._variable_of.get(value)
        if found is None:
            hidden = {}
            name = self._declared.get(value)
            if name is None:
                name = self.unique(value.name)
            if value.kind != "input":
                hidden = _hidden(value.type.known_shape, value.dtype)
            if value.data is not None:
                self.constants[name] = value.data
            found = self._variable_of[value] = self._add("null", name, (), {}, hidden)
            self.variables.append(found[0])
        return found

    def unique(self, hint: str) -> str:
        """Return a name that no node has yet."""
        name, count = hint, 0
        while name in self._names:
            count += 1
            name = f"{hint}_{count}"
        self._names.add(name)
        return name

    # ---- nodes -------------------------------------------------------------------------------
    def _add(
        self,
        op: str,
        name: str,
        inputs: Sequence[Entry],
        attrs: dict[str, str],
        hidden: dict[str, str] | None = None,
    ) -> Entry:
        return self.append(NodeRecord(op, name, attrs, hidden or {}, tuple(inputs)))

    def append(self, record: NodeRecord) -> Entry:
        """Add a node; returns the entry of its first result."""
        self.nodes.append(record)
        return (len(self.nodes) - 1, 0, 0)

    def node(self, op: str, *inputs: Entry, hint: str = "", **attrs: Any) -> Entry:
        """Write a node; returns the entry of its first result."""
        values = {k: text(v) for k, v in attrs.items()}
        return self._add(op, self.unique(hint or op.strip("_").lower()), inputs, values)

    @staticmethod
    def outputs(entry: Entry, count: int) -> list[Entry]:
        """Return the entries of the first `count` results of the node of `entry`."""
        return [(entry[0], i, 0) for i in range(count)]

    def cast(self, entry: Entry, dtype: Any) -> Entry:
        """Write a cast."""
        return self.node("Cast", entry, dtype=np.dtype(dtype))

    # ---- graphs ------------------------------------------------------------------------------
    def run(self, graph: Graph, env: dict[Value, Any]) -> list[Entry]:
        """Write the nodes of `graph`, whose inputs are bound by `env`; returns its outputs."""
        for node in graph.nodes:
            operands = [None if v is None else env.get(v, v) for v in node.inputs]
            try:
                found = self.write(node, operands)
            except UnsupportedOpError as error:
                self._refuse(node, error)
                found = [(0, 0, 0)] * len(node.outputs)
            results = found if isinstance(found, list) else [found]
            env.update(zip(node.outputs, results, strict=False))
        return [self._head(env.get(v, v)) for v in graph.outputs]

    def _head(self, operand: Any) -> Entry:
        if isinstance(operand, Value):
            return self.node("_npi_copy", self.variable(operand))
        return operand  # type: ignore[no-any-return]

    def _refuse(self, node: Node, error: UnsupportedOpError) -> None:
        if error.unsupported:
            self.unsupported.extend(error.unsupported)
            return
        origin = " ".join(str(o) for o in node.origin)
        self.unsupported.append(Unsupported(node.op.name, origin or None, error.message))

    def entry(self, operand: Any) -> Entry:
        """Return the entry of an operand: a result already, or a variable."""
        return self.variable(operand) if isinstance(operand, Value) else operand

    def entries(self, operands: Sequence[Any]) -> list[Entry]:
        """Return the entries of the operands that are there."""
        return [self.entry(o) for o in operands if o is not None]

    def write(self, node: Node, operands: Sequence[Any]) -> Any:
        """Write one operator; returns the entry of its result, or a list of them."""
        op = node.op
        known = RULES.get(op.name)
        if known is not None:
            found = known(self, op, operands, node)
            if found is not NotImplemented:
                return found
        own = _own_form(op)
        if own is not None:
            name, attrs = own
            entry = self.node(name, *self.entries(operands), hint=node.outputs[0].name, **attrs)
            several = len(node.outputs) > 1
            return self.outputs(entry, len(node.outputs)) if several else entry
        return self._decomposed(node, operands)

    def _decomposed(self, node: Node, operands: Sequence[Any]) -> list[Entry]:
        if not node.inputs and not node.op.effects:
            return [self.constant(node)]
        if not hasattr(node.op, "decompose"):
            raise UnsupportedOpError("MXNet 2.0 has no operator for it")
        types = [None if v is None else v.type for v in node.inputs]
        body = decomposition(node.op, types)
        given = [o for o in operands if o is not None]
        return self.run_body(body, given)

    def constant(self, node: Node) -> Entry:
        """Compute a node without operands; its result becomes a variable."""
        if any(has_dims(v) for v in node.op.attrs().values()):
            raise UnsupportedOpError(
                "an attribute holds a free dimension", hint="export with dynamic_batch=False"
            )
        return self.array(node.outputs[0].name, np.asarray(node.op.kernel()))

    def array(self, hint: str, array: np.ndarray) -> Entry:
        """Return a variable whose value is `array`."""
        name = self.unique(hint)
        self.constants[name] = array
        entry = self._add("null", name, (), {}, _hidden(array.shape, array.dtype))
        self.variables.append(entry[0])
        return entry

    def run_body(self, body: Graph, operands: Sequence[Any]) -> list[Entry]:
        """Write a graph whose inputs are `operands` (entries, or values of the outer graph)."""
        env = {
            inner: outer if not isinstance(outer, Value) else _constant_or(self, inner, outer)
            for inner, outer in zip(body.inputs, operands, strict=True)
        }
        return self.run(body, env)

    # ---- the result ----------------------------------------------------------------------------
    def records(self, heads: Sequence[Entry]) -> SymbolRecords:
        """Return the whole symbol."""
        return SymbolRecords(
            tuple(self.nodes), tuple(self.variables), tuple(heads), 20000, is_np_shape=True
        )


def _hidden(shape: Sequence[Any], dtype: Any) -> dict[str, str]:
    """Attributes by which a variable states its type."""
    return {"__dtype__": str(to_mx_code(dtype)), "__shape__": str(tuple(shape))}


def _constant_or(writer: SymbolWriter, inner: Value, outer: Value) -> Any:
    return outer if outer.data is not None else writer.variable(outer)


# ---- operators that MXNet has under the same attributes -----------------------------------------
_preferred: dict[type[Op], str | None] = {}


def _own_form(op: Op) -> tuple[str, dict[str, Any]] | None:
    """Return the MXNet 2.0 name that means exactly `op`, with attributes; None without one."""
    if not _preferred:
        _collect()
    name = _preferred.get(type(op))
    attrs = None if name is None else own_attrs(op, name)
    return None if name is None or attrs is None else (name, attrs)


def _collect() -> None:
    table()
    for name, (target, conventions) in MX_NAMES.items():
        if not isinstance(target, type) or conventions:
            continue
        known = signature(name)
        if known is None or "2" not in known.releases:
            continue
        best = _preferred.get(target)
        if best is None or (name.startswith("_np") and not best.startswith("_np")):
            _preferred[target] = name


def own_attrs(op: Op, name: str) -> dict[str, Any] | None:
    """Attributes of `op` as attributes of the operator `name`; None if it lacks one."""
    known = signature(name)
    accepted = known.attrs if known is not None else ()
    found = {}
    for key, value in op.attrs().items():
        if has_dims(value):
            raise UnsupportedOpError(
                f"attribute {key} holds a free dimension",
                hint="export with dynamic_batch=False",
            )
        if key in accepted:
            if value is not None or key in ("axis", "dtype", "initial"):
                found[key] = value
        elif value != type(op).fields[key].default:
            return None
    return found
