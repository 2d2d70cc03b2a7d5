"""Facets of operators that only give `decompose`: types, kernel, gradient and lowering."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symgluon.errors import UnsupportedOpError
from symgluon.ir.dims import Dim, DimScope, current_scope
from symgluon.ir.graph import Graph
from symgluon.ir.op import Op
from symgluon.ir.types import TensorType
from symgluon.ops.array import Array, wrap
from symgluon.ops.region import Region, outside
from symgluon.ops.tape import vjp


def _missing(op: Op, facet: str) -> UnsupportedOpError:
    return UnsupportedOpError(
        f"operator {op.name!r} has no {facet}: it declares neither `{facet}` nor `decompose`"
    )


def decomposition(op: Op, types: Sequence[TensorType | None]) -> Graph:
    """Trace ``op.decompose`` at `types` into a graph; an absent operand has no input there.

    Raises
    ------
    UnsupportedOpError
        If the operator has no ``decompose``.
    """
    if not hasattr(op, "decompose"):
        raise _missing(op, "decompose")
    if all(t is None or t.is_static for t in types):
        return _cached(op, tuple(types))
    return _trace(op, types)


@lru_cache(maxsize=4096)
def _cached(op: Op, types: tuple[TensorType | None, ...]) -> Graph:
    return _trace(op, types)


def _trace(op: Any, types: Sequence[TensorType | None]) -> Graph:
    scope = current_scope()
    if scope is not None:
        return _trace_in(op, types, scope)
    # a lowering, after the trace: nobody could keep a guard any more
    lone = DimScope.with_hints(dict.fromkeys(_names(types), 2))
    graph = _trace_in(op, types, lone)
    if lone.guards:
        raise UnsupportedOpError(
            f"{op.name}: what it is made of depends on sizes that are free: "
            + ", ".join(map(str, lone.guards))
        )
    return graph


def _names(types: Sequence[TensorType | None]) -> list[str]:
    dims = [n for t in types if t is not None for n in t.shape or () if isinstance(n, Dim)]
    return [name for dim in dims for name in dim.names()]


def _trace_in(op: Any, types: Sequence[TensorType | None], scope: DimScope) -> Graph:
    region = Region(op.name, scope)
    names = [p.name for p in op.operands()]
    with region.active():
        args = [
            None if t is None else region.argument(names[min(i, len(names) - 1)], t)
            for i, t in enumerate(types)
        ]
        results = op.decompose(*args)
        return region.close(results if isinstance(results, tuple | list) else [results])


def infer(op: Op, types: Sequence[TensorType | None]) -> Any:
    """Types of the traced ``decompose``."""
    outputs = tuple(v.type for v in decomposition(op, types).outputs)
    return outputs[0] if len(outputs) == 1 else outputs


def kernel(op: Any, arrays: Sequence[Any]) -> Any:
    """``decompose`` on arrays."""
    if not hasattr(op, "decompose"):
        raise _missing(op, "kernel")
    with outside():
        results = op.decompose(*[None if a is None else wrap(np.asarray(a)) for a in arrays])
    if isinstance(results, tuple | list):
        return tuple([r._content() for r in results])
    return results._content()


def grad(op: Any, ct: Any, inputs: Sequence[Array | None]) -> Any:
    """Derivative of ``decompose``."""
    if not hasattr(op, "decompose"):
        raise UnsupportedOpError(
            f"operator {op.name!r} has no gradient: it declares neither `grad` nor `decompose`",
            hint="use npx.stop_gradient on its result, or an operator that has a gradient",
        )
    return tuple(vjp(op.decompose, inputs, ct))
