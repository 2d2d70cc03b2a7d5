"""What is known about polynomials of dimensions, and what follows from it.

Dimensions are never negative.  On top of that a :class:`Facts` object keeps, for each
polynomial that a guard was about, a range and excluded values.  Facts are stored for the
*primitive part* of a polynomial (no constant, no common factor, first term positive), so that
``2*h - 8 >= 0`` also decides ``h > 3`` and ``4 - h > 0``.
"""

from __future__ import annotations

from math import gcd, inf

from symgluon.ir import poly
from symgluon.ir.poly import Poly, Range


def primitive(p: Poly) -> tuple[int, Poly, int]:
    """Return (g, q, c) with ``p == g*q + c``, `q` without constant and common factor."""
    q, c = poly.split_const(p)
    if not q:
        return 0, q, c
    g = gcd(*[k for _, k in q])
    if q[0][1] < 0:
        g = -g
    return g, tuple([(mono, k // g) for mono, k in q]), c


class Known:
    """Range and excluded values of one primitive polynomial."""

    __slots__ = ("excluded", "high", "low")

    def __init__(self) -> None:
        self.low: float = -inf
        self.high: float = inf
        self.excluded: set[float] = set()

    def narrow(self, low: float, high: float) -> None:
        """Take in a range; excluded values at its ends narrow it further."""
        self.low, self.high = max(self.low, low), min(self.high, high)
        while self.low in self.excluded:
            self.low += 1
        while self.high in self.excluded:
            self.high -= 1


class Facts:
    """A growing set of facts; contradictory facts are the caller's error."""

    def __init__(self) -> None:
        self._known: dict[Poly, Known] = {}

    def copy(self) -> Facts:
        """Return an independent copy."""
        new = Facts()
        new.absorb(self, {})
        return new

    def absorb(self, other: Facts, mapping: dict[str, Poly]) -> None:
        """Take over the facts of `other`, with names replaced by `mapping`."""
        for q, known in other._known.items():
            changed = poly.substitute(q, mapping) if mapping else q
            self.learn_range(changed, known.low, known.high)
            for value in known.excluded:
                self.learn(poly.sub(changed, poly.const(int(value))), "!=")

    def learn(self, p: Poly, relation: str) -> None:
        """Take in that ``p relation 0`` holds; `relation` is one of == != < <= > >=."""
        if relation == "!=":
            g, q, c = primitive(p)
            if g and not c % g:
                known = self._known.setdefault(q, Known())
                known.excluded.add(-c // g)
                known.narrow(*self.range_of(q))
            return
        low: float = {"==": 0, ">=": 0, ">": 1}.get(relation, -inf)
        high: float = {"==": 0, "<=": 0, "<": -1}.get(relation, inf)
        self.learn_range(p, low, high)

    def learn_range(self, p: Poly, low: float, high: float) -> None:
        """Take in that ``low <= p <= high``."""
        g, q, c = primitive(p)
        if not g:
            return
        ends = [_divide(low - c, g, up=g > 0), _divide(high - c, g, up=g < 0)]
        self._known.setdefault(q, Known()).narrow(min(ends), max(ends))

    def range_of(self, p: Poly) -> Range:
        """Return bounds of `p`."""
        low, high = poly.bounds(p, self._name_range)
        g, q, c = primitive(p)
        known = self._known.get(q) if g else None
        if known is not None:
            ends = (_times(g, known.low) + c, _times(g, known.high) + c)
            low, high = max(low, min(ends)), min(high, max(ends))
        return low, high

    def _name_range(self, name: Poly) -> Range:
        known = self._known.get(name)
        return (0, inf) if known is None else (max(0, known.low), known.high)

    def decide(self, p: Poly, relation: str) -> bool | None:
        """Return whether ``p relation 0`` holds, None where that is not known."""
        if relation in ("==", "!="):
            equal = self._is_zero(p)
            return None if equal is None else equal == (relation == "==")
        low, high = self.range_of(p)
        if relation in ("<", "<="):
            low, high = -high, -low
        strict = relation in ("<", ">")
        if low > 0 or (low == 0 and not strict):
            return True
        if high < 0 or (high == 0 and strict):
            return False
        return None

    def _is_zero(self, p: Poly) -> bool | None:
        g, q, c = primitive(p)
        if not g:
            return c == 0
        if c % g:
            return False
        low, high = self.range_of(p)
        if low > 0 or high < 0:
            return False
        if low == high == 0:
            return True
        known = self._known.get(q)
        return False if known is not None and -c // g in known.excluded else None


def _times(g: int, x: float) -> float:
    return x if x in (inf, -inf) and g > 0 else -x if x in (inf, -inf) else g * x


def _divide(x: float, g: int, *, up: bool) -> float:
    """Return x / g rounded up or down, exact for ints, infinities kept."""
    if x in (inf, -inf):
        return x if g > 0 else -x
    n = int(x)
    return -(-n // g) if up else n // g
