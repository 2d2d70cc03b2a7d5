"""Nested arguments and results: arrays as leaves of lists, tuples, dicts and Python values."""

from __future__ import annotations

from typing import Any

from symgluon.ops.array import Array

#: marks the place of an array in a structure
LEAF = "*"


def flatten(tree: Any, leaves: list[Array]) -> Any:
    """Append the arrays of `tree` to `leaves`; returns a hashable description of the rest.

    Lists become ``("list", ...)``, tuples ``("tuple", ...)``, dicts ``("dict", (key, ...), ...)``, an
    array ``"*"``, and any other Python value ``("value", type, value)``.
    """
    if isinstance(tree, Array):
        leaves.append(tree)
        return LEAF
    if isinstance(tree, list | tuple):
        kind = "list" if isinstance(tree, list) else "tuple"
        return (kind, *[flatten(item, leaves) for item in tree])
    if isinstance(tree, dict):
        return ("dict", tuple(tree), *[flatten(item, leaves) for item in tree.values()])
    return ("value", type(tree), tree)


def unflatten(spec: Any, leaves: Any) -> Any:
    """Rebuild what :func:`flatten` described; `leaves` is an iterator over arrays."""
    if spec == LEAF:
        return next(leaves)
    kind = spec[0]
    if kind == "value":
        return spec[2]
    if kind == "dict":
        return dict(zip(spec[1], [unflatten(s, leaves) for s in spec[2:]], strict=True))
    items = [unflatten(s, leaves) for s in spec[1:]]
    return items if kind == "list" else tuple(items)
