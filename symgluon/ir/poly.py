"""Polynomials with integer coefficients over names and floor divisions, as plain tuples.

A polynomial is a sorted tuple of (monomial, coefficient), a monomial a sorted tuple of (atom,
power), an atom ``(0, name)`` or ``(1, numerator, denominator)`` with polynomials in it.  The
form is canonical, so equality is tuple equality and a polynomial is its own hash key.  Floor
divisions are reduced as far as integers allow: in ``(a) // k`` each coefficient is brought into
``[0, k)``, so ``(h - 1)//2 + 1`` and ``(h + 1)//2`` are one value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import gcd, inf
from typing import Any

Atom = tuple[Any, ...]
Mono = tuple[tuple[Atom, int], ...]
Poly = tuple[tuple[Mono, int], ...]
#: bounds of a value: an int, or minus / plus infinity
Range = tuple[float, float]

ZERO: Poly = ()


def build(terms: Mapping[Mono, int]) -> Poly:
    """Return the polynomial of a mapping monomial -> coefficient."""
    return tuple(sorted([t for t in terms.items() if t[1]]))


def const(value: int) -> Poly:
    """Return a constant."""
    return (((), value),) if value else ZERO


def name(text: str) -> Poly:
    """Return the polynomial that is one name."""
    return (((((0, text), 1),), 1),)


def as_const(p: Poly) -> int | None:
    """Return the number if `p` is constant, else None."""
    if not p:
        return 0
    if len(p) == 1 and not p[0][0]:
        return p[0][1]
    return None


def split_const(p: Poly) -> tuple[Poly, int]:
    """Return (`p` without its constant, the constant); the empty monomial sorts first."""
    if p and not p[0][0]:
        return p[1:], p[0][1]
    return p, 0


def add(a: Poly, b: Poly) -> Poly:
    """Return a + b."""
    terms = dict(a)
    for mono, c in b:
        terms[mono] = terms.get(mono, 0) + c
    return build(terms)


def scale(a: Poly, k: int) -> Poly:
    """Return k * a."""
    return tuple([(mono, c * k) for mono, c in a]) if k else ZERO


def sub(a: Poly, b: Poly) -> Poly:
    """Return a - b."""
    return add(a, scale(b, -1))


def _mono_mul(a: Mono, b: Mono) -> Mono:
    if not a or not b:
        return a or b
    powers = dict(a)
    for atom, n in b:
        powers[atom] = powers.get(atom, 0) + n
    return tuple(sorted(powers.items()))


def _mono_div(a: Mono, b: Mono) -> Mono | None:
    """Return a / b if every power of `b` is in `a`."""
    powers = dict(a)
    for atom, n in b:
        left = powers.get(atom, 0) - n
        if left < 0:
            return None
        powers[atom] = left
    return tuple(sorted([t for t in powers.items() if t[1]]))


def mul(a: Poly, b: Poly) -> Poly:
    """Return a * b."""
    terms: dict[Mono, int] = {}
    for ma, ca in a:
        for mb, cb in b:
            mono = _mono_mul(ma, mb)
            terms[mono] = terms.get(mono, 0) + ca * cb
    return build(terms)


def power(a: Poly, n: int) -> Poly:
    """Return a ** n for n >= 0."""
    result = const(1)
    for _ in range(n):
        result = mul(result, a)
    return result


def _leading(p: Poly, atoms: list[Atom]) -> tuple[Mono, int]:
    """Return the leading term in graded lexicographic order over `atoms`."""

    def rank(term: tuple[Mono, int]) -> tuple[int, list[int]]:
        powers = dict(term[0])
        vector = [powers.get(atom, 0) for atom in atoms]
        return sum(vector), vector

    return max(p, key=rank)


def _atoms(*polys: Poly) -> list[Atom]:
    return sorted({atom for p in polys for mono, _ in p for atom, _ in mono})


def exact_div(a: Poly, b: Poly) -> Poly | None:
    """Return the polynomial q with a == q * b, or None if there is none."""
    if not b:
        return None
    atoms = _atoms(a, b)
    lead_mono, lead = _leading(b, atoms)
    quotient, rest = ZERO, a
    while rest:
        top_mono, top = _leading(rest, atoms)
        mono = _mono_div(top_mono, lead_mono)
        if mono is None or top % lead:
            return None
        term: Poly = ((mono, top // lead),)
        quotient = add(quotient, term)
        rest = sub(rest, mul(term, b))
    return quotient


def floor_div(a: Poly, b: Poly) -> Poly:
    """Return floor(a / b) in reduced form.

    Where a symbolic `b` divides `a`, the quotient stands for every value of `b`, zero included.

    Raises
    ------
    ZeroDivisionError : if `b` is the constant 0.
    """
    if not b:
        raise ZeroDivisionError("floor division of a dimension by 0")
    if len(b) > 1:
        exact = exact_div(a, b)
        if exact is not None:
            return exact
        return _atom_div(ZERO, *_reduce(a, b))
    (mono, k), quotient, rest = b[0], {}, {}
    if k < 0:  # floor(a / b) == floor(-a / -b)
        a, b, k = scale(a, -1), scale(b, -1), -k
    for term, c in a:
        shared = _mono_div(term, mono)
        if shared is not None:
            quotient[shared], c = divmod(c, k)
        if c:
            rest[term] = c
    whole, left = build(quotient), build(rest)
    return _atom_div(whole, *_reduce(left, b)) if left else whole


def _reduce(a: Poly, b: Poly) -> tuple[Poly, Poly]:
    """Cancel what all terms of `a` and `b` share: powers of atoms and an integer factor."""
    shared = dict(b[0][0])
    for mono, _ in a + b:
        powers = dict(mono)
        shared = {atom: min(n, powers[atom]) for atom, n in shared.items() if atom in powers}
    common: Mono = tuple(sorted(shared.items()))
    if common:
        a = build({_mono_div(m, common) or (): c for m, c in a})
        b = build({_mono_div(m, common) or (): c for m, c in b})
    constant_divisor = as_const(b) is not None
    # floor((g*x + c) / (g*k)) == floor((x + c//g) / k): the constant need not be divisible
    g = gcd(*[c for m, c in b], *[c for m, c in a if m or not constant_divisor])
    if g > 1:
        a = build({m: c // g for m, c in a})
        b = build({m: c // g for m, c in b})
    return a, b


def _atom_div(whole: Poly, a: Poly, b: Poly) -> Poly:
    """Return whole + (a)//b, `a` and `b` without common factors."""
    k = as_const(b)
    if k == 1:
        return add(whole, a)
    if k is not None and k > 0:
        value = as_const(a)
        if value is not None:
            return add(whole, const(value // k))
        inner = _nested(a)
        if inner is not None:  # (x//m + c)//k == (x + c*m)//(m*k)
            numerator, m = inner
            return add(whole, floor_div(numerator, const(m * k)))
    return add(whole, (((((1, a, b), 1),), 1),))


def _nested(p: Poly) -> tuple[Poly, int] | None:
    """For ``x//m + c`` with a positive constant m return (x + c*m, m)."""
    rest, c = split_const(p)
    if len(rest) != 1 or rest[0][1] != 1:
        return None
    mono = rest[0][0]
    if len(mono) != 1 or mono[0][1] != 1 or mono[0][0][0] != 1:
        return None
    _, numerator, denominator = mono[0][0]
    m = as_const(denominator)
    if m is None or m <= 0:
        return None
    return add(numerator, const(c * m)), m


def names(p: Poly) -> dict[str, None]:
    """Return the names in `p`, as an ordered set."""
    found: dict[str, None] = {}
    for mono, _ in p:
        for atom, _ in mono:
            if atom[0] == 0:
                found[atom[1]] = None
            else:
                found |= names(atom[1]) | names(atom[2])
    return found


def substitute(p: Poly, mapping: Mapping[str, Poly]) -> Poly:
    """Return `p` with names replaced, all at once."""
    result = ZERO
    for mono, c in p:
        term = const(c)
        for atom, n in mono:
            if atom[0] == 0:
                value = mapping[atom[1]] if atom[1] in mapping else name(atom[1])
            else:
                value = floor_div(substitute(atom[1], mapping), substitute(atom[2], mapping))
            term = mul(term, value if n == 1 else power(value, n))
        result = add(result, term)
    return result


def evaluate(p: Poly, env: Mapping[str, int]) -> int:
    """Return the number that `p` is under `env`; KeyError for a name that is not in it."""
    total = 0
    for mono, c in p:
        for atom, n in mono:
            value = (
                env[atom[1]] if atom[0] == 0 else evaluate(atom[1], env) // evaluate(atom[2], env)
            )
            c *= value if n == 1 else value**n
        total += c
    return total


# -- bounds ------------------------------------------------------------------------------------


def _times(x: float, y: float) -> float:
    return 0 if x == 0 or y == 0 else x * y  # infinity times 0 is 0 here, not NaN


def _range_mul(a: Range, b: Range) -> Range:
    corners = [_times(x, y) for x in a for y in b]
    return min(corners), max(corners)


def _floor(x: float, k: int) -> float:
    return x if x in (inf, -inf) else x // k


def _atom_range(atom: Atom, ranges: Callable[[Poly], Range]) -> Range:
    if atom[0] == 0:
        return ranges((((((atom, 1),), 1)),))
    low, high = bounds(atom[1], ranges)
    k = as_const(atom[2])
    if k is not None and k > 0:
        return _floor(low, k), _floor(high, k)
    # a denominator that cannot be negative is at least 1, since 0 is an error
    if low >= 0 and bounds(atom[2], ranges)[0] >= 0:
        return 0, high
    return -inf, inf


def bounds(p: Poly, ranges: Callable[[Poly], Range]) -> Range:
    """Return bounds of `p` by interval arithmetic; `ranges` gives those of a single name."""
    low: float = 0
    high: float = 0
    for mono, c in p:
        term: Range = (c, c)
        for atom, n in mono:
            value = _atom_range(atom, ranges)
            for _ in range(n):
                term = _range_mul(term, value)
        low, high = low + term[0], high + term[1]
    return low, high


# -- text --------------------------------------------------------------------------------------


def text(p: Poly) -> str:
    """Return readable text: highest degree first, a constant last (``2*h + 1``)."""
    terms = sorted(_friendly(p), key=lambda t: (-sum(n for _, n in t[0]), t[0]))
    if not terms:
        return "0"
    # begin with a positive term where there is one
    first = next((i for i, t in enumerate(terms) if t[1] > 0), 0)
    terms.insert(0, terms.pop(first))
    mono, c = terms[0]
    # -a//b would read as (-a)//b: a negative division stands in parentheses
    out = _term_text(mono, c) if c > 0 else f"-{_term_text(mono, -c, division_alone=False)}"
    for mono, c in terms[1:]:
        out += f" {'-' if c < 0 else '+'} {_term_text(mono, abs(c))}"
    return out


def _friendly(p: Poly) -> list[tuple[Mono, int]]:
    """Undo the reduction of one floor division, for reading: (h + 1)//2 - 1 is (h - 1)//2."""
    rest, c = split_const(p)
    for i, (mono, k) in enumerate(rest):
        if len(mono) != 1 or mono[0][1] != 1 or mono[0][0][0] != 1 or c != -k:
            continue
        _, numerator, denominator = mono[0][0]
        if as_const(denominator) is not None and split_const(numerator)[1] > 0:
            atom = (1, sub(numerator, denominator), denominator)
            return [*rest[:i], (((atom, 1),), k), *rest[i + 1 :]]
    return list(p)


def _term_text(mono: Mono, c: int, *, division_alone: bool = True) -> str:
    if not mono:
        return str(c)
    alone = division_alone and c == 1 and len(mono) == 1 and mono[0][1] == 1
    factors = [] if c == 1 else [str(c)]
    for atom, n in mono:
        factor = atom[1] if atom[0] == 0 else f"{_group(atom[1])}//{_group(atom[2])}"
        if atom[0] == 1 and not alone:
            factor = f"({factor})"
        factors.append(factor if n == 1 else f"{factor}**{n}")
    return "*".join(factors)


def _group(p: Poly) -> str:
    """Text of an operand of ``//``: in parentheses unless it is a name or a plain number."""
    inner = text(p)
    simple = inner.isidentifier() or inner.isdigit()
    return inner if simple else f"({inner})"
