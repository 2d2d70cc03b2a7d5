"""Nested arguments and results: arrays as leaves of lists, tuples, dicts and Python values."""

from __future__ import annotations

from typing import Any

from symgluon.ops.array import Array

#: marks the place of an array in a structure
LEAF = "*"


def flatten(tree: Any, leaves: list[Array]) -> Any:
    """Append the arrays of a structure to a list, and describe the rest.

    Lists become ``("list", ...)``, tuples ``("tuple", ...)``, dicts ``("dict", (key, ...), ...)``,
    an array ``"*"``, and any other Python value ``("value", type, value)``.

    Parameters
    ----------
    tree : object
        Arrays in lists, tuples and dicts, and other Python values.
    leaves : list of Array
        Gets the arrays, in order.

    Returns
    -------
    object
        The description; hashable if the Python values are.
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
    """Rebuild what :func:`flatten` described.

    Parameters
    ----------
    spec : object
        The description.
    leaves : iterator over Array
        Its arrays, in order.

    Returns
    -------
    object
        A structure like the described one.
    """
    if spec == LEAF:
        return next(leaves)
    kind = spec[0]
    if kind == "value":
        return spec[2]
    if kind == "dict":
        return dict(zip(spec[1], [unflatten(s, leaves) for s in spec[2:]], strict=True))
    items = [unflatten(s, leaves) for s in spec[1:]]
    return items if kind == "list" else tuple(items)


def flatten_with_codes(args: Any, inout_str: str) -> tuple[list[Any], Any]:
    """Return the arrays of nested lists, and the nesting, in the form MXNet 1.x has for it.

    Parameters
    ----------
    args : array, None, or nested list or tuple of them
        What to flatten.
    inout_str : str
        What it is, for messages.

    Returns
    -------
    list
        Arrays and Nones in order.
    int or list
        0 for an array, -1 for None, a list for a list.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(args, list | tuple):
        parts = [flatten_with_codes(item, inout_str) for item in args]
        return [leaf for leaves, _ in parts for leaf in leaves], [code for _, code in parts]
    if args is None or isinstance(args, Array):
        return [args], -1 if args is None else 0
    raise ValueError(
        f"{inout_str} holds a {type(args).__name__}: expected arrays, or nested lists of them"
    )
