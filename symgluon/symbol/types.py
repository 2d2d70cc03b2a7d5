"""Dtypes of symbols: by rules of their own, which need no shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.formats.symbol_json import AUXILIARY, stated_dtype
from symgluon.formats.symbol_records import NodeRecord
from symgluon.symbol.infer import arguments_by_name

_ROUNDS = 4
_FLOAT32 = np.dtype("float32")
_OWN_DTYPE = frozenset(
    ("one_hot", "argsort", "_zeros", "_ones", "_full", "_arange", "_eye", "_linspace",
     "_random_uniform", "_random_normal", "_random_gamma", "_random_exponential",
     "_random_poisson", "_random_negative_binomial", "_random_generalized_negative_binomial",
     "Cast", "amp_cast", "_sample_multinomial", "_random_randint")
)  # fmt: skip
_DEFAULTS = {"_sample_multinomial": "int32", "_random_randint": "int32"}
#: operands that are numbers of places, of any dtype
_INDICES = {"take": (1,), "pick": (1,), "gather_nd": (1,), "batch_take": (1,), "Embedding": (0,),
            "where": (0,), "SequenceMask": (1,), "SequenceLast": (1,), "SequenceReverse": (1,),
            "slice_like": (1,), "reshape_like": (1,), "broadcast_like": (1,), "one_hot": (0,),
            "Cast": (0,), "amp_cast": (0,), "topk": (), "shape_array": (0,),
            "size_array": (0,)}  # fmt: skip


def infer_type(
    symbol: Any, args: Sequence[Any], kwargs: Mapping[str, Any], partial: bool
) -> tuple[Any, Any, Any]:
    """Find dtypes; see :meth:`Symbol.infer_type`.

    Parameters
    ----------
    symbol : Symbol
        Of which.
    args, kwargs : sequence and mapping
        Dtypes of arguments, by position or by name.
    partial : bool
        None stands for what is unknown; otherwise nothing is returned then.

    Returns
    -------
    tuple of lists of type
        Of arguments, outputs and auxiliary states.
    """
    given = arguments_by_name(symbol, args, kwargs, "infer_type")
    records = symbol.records
    entries = dtype_walk(records, given)
    variables = {
        n.name: entries.get((i, 0)) for i, n in enumerate(records.nodes) if n.op == "null"
    }
    lists = (
        [variables[n] for n in symbol.list_arguments()],
        [entries.get((h[0], h[1])) for h in records.heads],
        [variables[n] for n in symbol.list_auxiliary_states()],
    )
    if not partial and any(d is None for found in lists for d in found):
        return None, None, None
    arguments, outputs, states = ([None if d is None else d.type for d in f] for f in lists)
    return arguments, outputs, states


def dtype_walk(records: Any, given: Mapping[str, Any]) -> dict[tuple[int, int], Any]:
    """Return the dtypes of all outputs of all nodes, as far as they follow from those given.

    Parameters
    ----------
    records : SymbolRecords
        The symbol.
    given : mapping of str to dtype
        Dtypes of variables.

    Returns
    -------
    dict of (int, int) to dtype
        By number of the node and of the output.
    """
    known: dict[tuple[int, int], Any] = {}
    for number, node in enumerate(records.nodes):
        if node.op == "null":
            dtype = given.get(node.name) or stated_dtype(node)
            if dtype is not None:
                known[number, 0] = np.dtype(dtypes.resolve(dtype))
    for _ in range(_ROUNDS):
        before = len(known)
        for number, node in enumerate(records.nodes):
            if node.op != "null":
                _dtypes_of(records, number, node, known)
        if len(known) == before:
            break
    return known


def _dtypes_of(records: Any, number: int, node: NodeRecord, known: dict[Any, Any]) -> None:
    entries = [(i, output) for i, output, *_ in node.inputs]
    indices = _INDICES.get(node.op, ())
    values = [e for place, e in enumerate(entries) if place not in indices]
    common = next((known[e] for e in values if e in known), None)
    if node.op == "Embedding" and common is None:
        common = _stated(node, "float32")
    for place, entry in enumerate(entries):
        if entry in known or place in indices or common is None:
            continue
        if records.nodes[entry[0]].op == "null":
            half = node.op in AUXILIARY and place > 0 and common.itemsize == 2
            known[entry] = _FLOAT32 if half else common
    for output, dtype in enumerate(_results(node, common)):
        if dtype is not None:
            known[number, output] = dtype


def _stated(node: NodeRecord, default: str | None) -> Any:
    text = node.attrs.get("dtype", default)
    if text in (None, "None"):
        text = default
    return None if text is None else np.dtype(dtypes.resolve(text))


_Rule = Callable[[NodeRecord, Any], list[Any]]
_RESULTS: dict[str, _Rule] = {
    "shape_array": lambda node, common: [np.dtype("int64")],
    "size_array": lambda node, common: [np.dtype("int64")],
    "Embedding": lambda node, common: [common],
    "topk": lambda node, common: _topk(node, common),
}


def _topk(node: NodeRecord, common: Any) -> list[Any]:
    kind = node.attrs.get("ret_typ", "indices")
    if kind in ("value", "mask"):
        return [common]
    places = _stated(node, "float32")
    return [common, places] if kind == "both" else [places]


def _results(node: NodeRecord, common: Any) -> list[Any]:
    rule = _RESULTS.get(node.op)
    if rule is not None:
        return rule(node, common)
    if node.op in _OWN_DTYPE:
        return [_stated(node, _DEFAULTS.get(node.op, "float32"))] * 2
    return [_stated(node, None) or common] * _MOST_OUTPUTS


_MOST_OUTPUTS = 8
