"""Calling a hybrid block with symbols: its graph of predict mode as a symbol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgluon.errors import UnsupportedOpError
from symgluon.gluon import export as exports
from symgluon.gluon.structure import unflatten
from symgluon.numpy import ndarray
from symgluon.ops.array import wrap
from symgluon.symbol.node import from_records, substitute
from symgluon.symbol.symbol import Symbol

if TYPE_CHECKING:
    from symgluon.gluon.hybrid import HybridBlock


def symbol_of_block(block: HybridBlock, inputs: Sequence[Any]) -> Any:
    """Return what a block computes from symbols.

    The block is traced as for `export`, so it is its graph of predict mode, and its parameters are
    variables of their names.  A trace needs shapes: those of the last hybridized call, else those
    that the symbols state (``mx.sym.var("data", shape=(1, 3, 224, 224))``); axis 0 stays free.

    Parameters
    ----------
    block : HybridBlock
        Its parameters have shapes, or get them from the inputs.
    inputs : sequence of Symbol
        Arguments of the call.

    Returns
    -------
    Symbol, or nested lists of Symbol
        As the block returns arrays.

    Raises
    ------
    TypeError
        If there are other things among the arguments.
    ValueError
        If the shape of an input is not known.
    UnsupportedOpError
        Naming every operator that MXNet 2.0 has no form for.
    """
    wrong = [type(x).__name__ for x in inputs if not isinstance(x, Symbol) or len(x) != 1]
    if wrong:
        raise TypeError(
            f"{type(block).__name__} was called with symbols: all arguments must be symbols of one "
            f"output, received {', '.join(wrong)} too"
        )
    signature = _signature(block, inputs)
    names = exports.input_names(len(inputs))
    with exports._predicting():
        exported = exports.trace_for_export(
            block, signature, names, dynamic_batch=True, dynamic_axes=None
        )
    known = set(exported.arrays)
    records = block._symbol_records(exported, names)
    constants = [n for n in exported.arrays if n not in known]
    if constants:
        raise UnsupportedOpError(
            f"{type(block).__name__} has constant arrays that a symbol cannot hold: "
            f"{', '.join(constants)}",
            hint="export the block: its parameter file holds them",
        )
    given = dict(zip(names, inputs, strict=True))

    cls = type(inputs[0])
    heads = [cls([e]) for e in substitute(from_records(records), given)]
    traced = exported.traced
    outs = [heads[index] for _, index, _ in traced.out_leaves]
    return unflatten(traced.out_spec, iter(outs))


def _signature(block: HybridBlock, inputs: Sequence[Symbol]) -> exports.Signature:
    known = block._signature
    if known is not None and len(known.types) == len(inputs):
        found: exports.Signature = known
        return found
    arrays = []
    for x in inputs:
        shape = x.infer_shape_partial()[1][0]
        if not shape or any(n <= 0 for n in shape):
            raise ValueError(
                f"{type(block).__name__} needs the shape of {x.name} to be traced; state it, "
                'mx.sym.var("data", shape=(1, 3, 224, 224)), or call the hybridized block with '
                "arrays before"
            )
        dtype = x.infer_type_partial()[1][0] or np.float32
        arrays.append(wrap(np.broadcast_to(np.zeros((), dtype), shape), ndarray))
    return exports.signature_of(arrays)
