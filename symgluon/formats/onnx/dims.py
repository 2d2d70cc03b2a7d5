"""Symbolic dimensions as ONNX values: computed from the shapes of the graph's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgluon.errors import SymgluonError
from symgluon.formats.onnx.proto import make_tensor
from symgluon.ir.dims import Dim, FloorDiv

if TYPE_CHECKING:
    from symgluon.formats.onnx.builder import Builder


def scalar(g: Builder, dim: Any) -> str:
    """Return an int64 scalar."""
    key = ("scalar", dim.key() if isinstance(dim, Dim) else dim)
    if key not in g._dims:
        g._dims[key] = str(g.Squeeze(vector(g, [dim])))
    return g._dims[key]


def vector(g: Builder, shape: Sequence[Any]) -> str:
    """Return an int64 vector: runs of ints as constants, dimensions computed, all joined."""
    parts: list[str] = []
    run: list[int] = []
    for n in shape:
        if isinstance(n, Dim):
            if run:
                parts.append(g.ints(run))
                run = []
            parts.append(_one(g, n))
        else:
            run.append(int(n))
    if run:
        parts.append(g.ints(run))
    return parts[0] if len(parts) == 1 else str(g.Concat(*parts, axis=0))


def _one(g: Builder, dim: Any) -> str:
    """Return an int64 vector of one element."""
    if not isinstance(dim, Dim):
        return g.ints([int(dim)])
    key = ("one", dim.key())
    if key not in g._dims:
        name = dim.bare
        known = g.compound.get(dim.key())
        if known is not None and any(n not in g.sources for n in dim.names()):
            g._dims[key] = _size(g, *known[1:])
        else:
            g._dims[key] = _name(g, name) if name is not None else _polynomial(g, dim)
    return g._dims[key]


def _name(g: Builder, name: str) -> str:
    source = g.sources.get(name)
    if source is not None:
        return _size(g, *source)
    for dim, value, axis in g.compound.values():
        solved = _solved(dim, name)
        if solved is not None:
            factor, rest = solved
            size = _size(g, value, axis)
            size = str(g.Sub(size, g.ints([rest]))) if rest else size
            return str(g.Div(size, g.ints([factor]))) if factor != 1 else size
    raise SymgluonError(
        f"the dimension {name} is no dimension of a graph input, so the model cannot compute it"
    )


def _solved(dim: Dim, name: str) -> tuple[int, int] | None:
    """Return ``(a, b)`` where `dim` is ``a * name + b``, else None."""
    factor = rest = 0
    for c, atoms in dim.terms():
        if not atoms:
            rest = c
        elif atoms == [(name, 1)]:
            factor = c
        else:
            return None
    return (factor, rest) if factor else None


def _size(g: Builder, value: str, axis: int) -> str:
    """Return the size of an axis as an int64 vector of one element."""
    if g.opset >= 15:
        return str(g.Shape(value, start=axis, end=axis + 1))
    return str(g.Gather(g.Shape(value), g.ints([axis]), axis=0))


def _polynomial(g: Builder, dim: Dim) -> str:
    total: str | None = None
    for factor, atoms in dim.terms():
        term: str | None = None if factor != 1 or not atoms else ""
        if term is None:
            term = g.ints([factor])
        for atom, power in atoms:
            base = _atom(g, atom)
            for _ in range(power):
                term = base if not term else str(g.Mul(term, base))
        total = term if total is None else str(g.Add(total, term))
    return total or g.ints([0])


def _atom(g: Builder, atom: str | FloorDiv) -> str:
    if isinstance(atom, str):
        return _one(g, Dim(atom))
    top, bottom = _one(g, atom[0]), _one(g, atom[1])
    # ONNX Div truncates; dimensions are not negative, but a numerator such as n - 3 may be
    rest = g.Mod(top, bottom)
    return str(g.Div(g.Sub(top, rest), bottom))


def reshape(g: Builder, x: str, shape: Sequence[Any]) -> str:
    """Reshape; one symbolic dimension becomes -1, several a computed vector."""
    symbolic = [i for i, n in enumerate(shape) if isinstance(n, Dim)]
    inferred = any(isinstance(n, int) and n == -1 for n in shape)
    zero = any(isinstance(n, int) and n == 0 for n in shape)
    if zero and g.opset < 14 and x in g.types:  # there a 0 means "as before"; this one is empty
        blank = make_tensor("", np.zeros((1,), g.type(x).dtype))
        return str(g.ConstantOfShape(g.shape_vector(shape), value=blank))
    allow = 1 if zero else None
    if not symbolic:
        return str(g.Reshape(x, g.ints([int(n) for n in shape]), allowzero=allow))
    if len(symbolic) == 1 and not inferred and not zero:
        plain = [-1 if isinstance(n, Dim) else int(n) for n in shape]
        return str(g.Reshape(x, g.ints(plain)))
    known = _same_positions(g, x, shape) if not zero else None
    if known == [0, -1]:
        return str(g.Flatten(x, axis=1))  # ONNX Runtime infers no -1 for an empty batch
    if known is not None:
        return str(g.Reshape(x, g.ints(known)))
    return str(g.Reshape(x, g.shape_vector(shape), allowzero=allow))


def _same_positions(g: Builder, x: str, shape: Sequence[Any]) -> list[int] | None:
    """Dimensions that stay where they are become 0 (copy); at most one other -1."""
    if x not in g.types or g.types[x].shape is None:
        return None
    source = g.types[x].known_shape
    plain: list[int] = []
    free = 0
    for i, n in enumerate(shape):
        if isinstance(n, Dim):
            if i < len(source) and isinstance(source[i], Dim) and source[i].key() == n.key():
                plain.append(0)
                continue
            plain.append(-1)
            free += 1
        else:
            plain.append(int(n))
            free += int(n) == -1
    return plain if free <= 1 else None
