"""Einstein summation: reading the subscripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Equation(NamedTuple):
    """Labels of each operand and of the result, without ellipses."""

    inputs: tuple[str, ...]
    output: str

    def text(self) -> str:
        """The equation in NumPy's and ONNX's notation."""
        return f"{','.join(self.inputs)}->{self.output}"


def parse(subscripts: str, ranks: Sequence[int]) -> Equation:
    """Read `subscripts` for operands of these ranks.

    Raises
    ------
    AttributeValueError, ShapeError
        For a text that is no equation, or fits other operands.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise AttributeValueError(
            f"einsum {subscripts!r}: {len(terms)} terms for {len(ranks)} operands"
        )
    wrong = [c for c in left + right if c not in _LETTERS and c not in ",."]
    if wrong:
        raise AttributeValueError(f"einsum {subscripts!r}: {wrong[0]!r} is no label")
    unused = [c for c in reversed(_LETTERS) if c not in text]
    hidden = [_hidden(t, n, subscripts) for t, n in zip(terms, ranks, strict=True)]
    dots = "".join(unused[: max([0, *hidden])])
    inputs = tuple(
        t.replace("...", dots[len(dots) - n :]) for t, n in zip(terms, hidden, strict=True)
    )
    if arrow:
        output = right.replace("...", dots)
    else:
        joined = "".join(inputs)
        output = dots + "".join(sorted(c for c in set(joined) - set(dots) if joined.count(c) == 1))
    missing = [c for c in output if not any(c in t for t in inputs)]
    if missing or len(set(output)) != len(output):
        raise AttributeValueError(f"einsum {subscripts!r}: the result's labels {output!r}")
    return Equation(inputs, output)


def _hidden(term: str, rank: int, subscripts: str) -> int:
    """Number of axes that the ellipsis of `term` stands for."""
    named = len(term.replace("...", ""))
    hidden = rank - named
    if hidden < 0 or (hidden > 0 and "..." not in term):
        raise ShapeError(f"einsum {subscripts!r}: term {term!r} for an operand of {rank} axes")
    return hidden


def diagonal_mask(labels: str, sizes: Mapping[str, Any], dtype: Any) -> np.ndarray[Any, Any]:
    """Ones where axes of one label have one place, in the shape that `labels` has."""
    shape = [int(sizes[c]) for c in labels]
    grid = np.indices(shape, sparse=True)
    mask = np.ones(shape, bool)
    for i, c in enumerate(labels):
        first = labels.index(c)
        if first != i:
            mask &= grid[first] == grid[i]
    return mask.astype(dtype)
