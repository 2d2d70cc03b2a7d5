"""Signatures of MXNet's operators: names and order of their operands and attributes.

Facts of MXNet's operator registry (1.9.1, then 2.0.0beta1), in ``mx_schema.tsv``.  The front ends
take positional and keyword arguments by them; what an operator does stands elsewhere.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple


class Signature(NamedTuple):
    """Operands and attributes of an operator, in MXNet's order."""

    operands: tuple[str, ...]
    variadic: bool
    attrs: tuple[str, ...]
    releases: str = "12"


@functools.cache
def signatures() -> dict[str, Signature]:
    """Return the signatures of all operators by name (read on first use)."""
    found: dict[str, Signature] = {}
    text = Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        *parts, releases = line.split("\t")
        names, operands, attrs = (part.split() for part in parts)
        variadic = any(o.startswith("*") for o in operands)
        signature = Signature(
            tuple(o.lstrip("*") for o in operands), variadic, tuple(attrs), releases
        )
        found.update(dict.fromkeys(names, signature))
    return found


def signature(name: str) -> Signature | None:
    """Return the signature of the operator `name`, None if MXNet has none of that name."""
    return signatures().get(name)
