"""Symbol files as programs: which variables they read, and running them operator by operator.

Operators are called by MXNet's name through :func:`symgluon.ops.mx.bind`, so a program runs
eagerly, recorded, or into a trace, and gives the same as the front ends do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symgluon.errors import (
    AttributeValueError,
    FormatError,
    SymgluonError,
    Unsupported,
    UnsupportedOpError,
)
from symgluon.formats.symbol_records import NodeRecord, SymbolRecords, parse_symbol
from symgluon.ops.mx import Bound, bind
from symgluon.ops.state import state

_BATCH_NORMS = ("BatchNorm", "BatchNorm_v1", "SyncBatchNorm", "_contrib_SyncBatchNorm",
                "BatchNormWithReLU", "_contrib_BatchNormWithReLU", "CuDNNBatchNorm")  # fmt: skip

#: operator -> positions of its auxiliary states
AUXILIARY: dict[str, tuple[int, ...]] = dict.fromkeys(_BATCH_NORMS, (3, 4))

#: training heads -> position of the label, which prediction does not read
LABELS: dict[str, int] = {
    "SoftmaxOutput": 1,
    "Softmax": 1,
    "LinearRegressionOutput": 1,
    "MAERegressionOutput": 1,
    "LogisticRegressionOutput": 1,
    "SVMOutput": 1,
}

#: operators whose nodes have subgraphs
CONTROL_FLOW = ("_foreach", "_while_loop", "_cond")

Entry = tuple[int, int]  # node number, output number


def auxiliary_variables(records: SymbolRecords) -> set[str]:
    """Names of the variables of `records` that are auxiliary states (running statistics)."""
    found = set()
    for node in records.nodes:
        for position in AUXILIARY.get(node.op, ()):
            if position < len(node.inputs):
                source = records.nodes[node.inputs[position][0]]
                if source.op == "null":
                    found.add(source.name)
    return found


class SymbolProgram:
    """A parsed symbol, ready to run.

    Parameters
    ----------
    records : SymbolRecords
        The symbol.
    where : str
        File name for messages.

    Raises
    ------
    UnsupportedOpError
        Naming every operator that is not supported, with its node.
    FormatError
        For attributes that cannot be read (all of them at once).
    """

    def __init__(self, records: SymbolRecords, where: str = "") -> None:
        self.records = records
        self.where = where
        self.live = _live(records)
        self.bound = self._bind()
        self.auxiliary = auxiliary_variables(records)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SymbolProgram:
        """Read a ``-symbol.json`` file.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        SymbolProgram
            The symbol.

        Raises
        ------
        FormatError
            If it is damaged.
        UnsupportedOpError
            Naming every operator that is not supported.
        """
        return cls(parse_symbol(path), os.fspath(path))

    def _bind(self) -> dict[int, Bound]:
        bound: dict[int, Bound] = {}
        unsupported: list[Unsupported] = []
        wrong: list[str] = []
        for number in self.live:
            node = self.records.nodes[number]
            if node.op == "null":
                continue
            try:
                bound[number] = self._control(node) or bind(node.op, node.attrs)
            except UnsupportedOpError as error:
                unsupported.extend(
                    error.unsupported
                    or [Unsupported(node.op, f"node {node.name}", error.hint or "")]
                )
            except (AttributeValueError, SymgluonError) as error:
                wrong.append(f"node {node.name}: {error.message}")
        if unsupported:
            names = ", ".join(sorted({u.op for u in unsupported}))
            raise UnsupportedOpError(
                f"operators that are not supported: {names}",
                unsupported=unsupported,
                where=self.where or None,
            )
        if wrong:
            raise FormatError("; ".join(wrong), path=self.where or None)
        return bound

    def _control(self, node: NodeRecord) -> Any:
        """A loop or branch with its subgraphs, or a user's operator; None for other operators."""
        if node.op == "Custom":
            from symgluon.ops.custom import bind_custom

            return bind_custom(node.attrs)
        if node.op not in CONTROL_FLOW:
            return None
        from symgluon.formats.symbol_control import bind_control

        return bind_control(node, [_positional(g, self.where) for g in node.subgraphs])

    @property
    def variables(self) -> list[str]:
        """Names of the variables that the outputs depend on, in order."""
        nodes = self.records.nodes
        return [nodes[i].name for i in self.live if nodes[i].op == "null"]

    def record(self, variable: str) -> NodeRecord:
        """Return the record of a variable."""
        return next(n for n in self.records.nodes if n.op == "null" and n.name == variable)

    @property
    def labels(self) -> set[str]:
        """Variables that only labels of training heads read: prediction does without them."""
        nodes = self.records.nodes
        as_label: set[int] = set()
        otherwise: set[int] = {h[0] for h in self.records.heads}
        for i in self.live:
            for position, entry in enumerate(nodes[i].inputs):
                kind = as_label if LABELS.get(nodes[i].op) == position else otherwise
                kind.add(entry[0])
        return {nodes[i].name for i in as_label - otherwise if nodes[i].op == "null"}

    def output_names(self) -> list[str]:
        """Names of the outputs as MXNet gives them (``fc1_output``)."""
        names = []
        for number, index, *_ in self.records.heads:
            node = self.records.nodes[number]
            suffix = "" if node.op == "null" else "_output" if index == 0 else f"_output{index}"
            names.append(node.name + suffix)
        return names

    def run(self, values: Mapping[str, Any]) -> list[Any]:
        """Compute the outputs from handles of the variables.

        Parameters
        ----------
        values : mapping of str to array or None
            By the names in `variables`; None: an absent label.

        Returns
        -------
        list of array
            The outputs.

        Raises
        ------
        MXNetError
            What an operator raises, saying at which node.
        """
        nodes = self.records.nodes
        results: dict[int, Sequence[Any]] = {}
        for number in self.live:
            node = nodes[number]
            if node.op == "null":
                results[number] = (values[node.name],)
                continue
            inputs = [results[n][i] for n, i, *_ in node.inputs]
            if state.region is not None:
                state.region.mx_name = node.name
            try:
                results[number] = self.bound[number](*inputs)
            except SymgluonError as error:
                raise error.at(where=f"node {node.name} ({node.op})") from None
        if state.region is not None:
            state.region.mx_name = ""
        return [self._result(results, h) for h in self.records.heads]

    def _result(self, results: Mapping[int, Sequence[Any]], head: Sequence[int]) -> Any:
        found = results[head[0]]
        if head[1] >= len(found):
            node = self.records.nodes[head[0]]
            raise FormatError(
                f"output {head[1]} of node {node.name} ({node.op}) is asked for, but it has "
                f"{len(found)}",
                path=self.where or None,
            )
        return found[head[1]]


def _positional(records: SymbolRecords, where: str) -> Any:
    """A subgraph as a function of its variables in the order of their nodes."""
    program = SymbolProgram(records, where)
    names = [records.nodes[i].name for i in records.arg_nodes]
    return lambda arrays: program.run(dict(zip(names, arrays, strict=True)))


def _live(records: SymbolRecords) -> list[int]:
    """Numbers of the nodes that the outputs depend on, in order."""
    needed: set[int] = set()
    stack = [h[0] for h in records.heads]
    while stack:
        number = stack.pop()
        if number in needed:
            continue
        needed.add(number)
        stack.extend(entry[0] for entry in records.nodes[number].inputs)
    return sorted(needed)


def stated_shape(node: NodeRecord) -> tuple[int, ...] | None:
    """Shape that the variable `node` states (``__shape__``), None without one."""
    from symgluon.ir.attrs import literal

    text = node.hidden.get("__shape__")
    if text is None:
        return None
    try:
        value = literal(text)
        shape = tuple(int(n) for n in value)
    except (TypeError, ValueError):
        return None
    return shape


def stated_dtype(node: NodeRecord) -> Any:
    """Dtype that the variable `node` states (``__dtype__``), None without one."""
    from symgluon import dtypes

    text = node.hidden.get("__dtype__", "")
    return (
        dtypes.from_mx_code(int(text)) if text.lstrip("-").isdigit() and int(text) >= 0 else None
    )


def strip_prefixes(names: Iterable[str]) -> dict[str, str]:
    """Names in a parameter file (``arg:w``, ``aux:m``, ``w``) to variable names."""
    return {n: n[4:] if n.startswith(("arg:", "aux:")) else n for n in names}
