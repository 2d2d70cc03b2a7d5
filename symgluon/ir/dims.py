"""Named dimensions: `Dim`, the scope in which questions about them are answered, and guards.

During a trace each dimension of an input is a name with a *hint*, its number at that trace.
Arithmetic on it computes symbolically.  A question that Python must have answered (``==``,
``<``, ``bool``, ``range(d)``) is decided from what is known where that is possible, else from
the hints; the answer is then kept as a :class:`Guard`, a condition for using the trace again.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from symgluon.errors import DynamicShapeError, ShapeError, TraceError, UnsupportedOpError
from symgluon.ir import poly
from symgluon.ir.dimension import (
    RELATIONS,
    Dim,
    FloorDiv,
    current_scope,
    evaluate,
    exact_quotient,
    make,
    same,
    scope_stack,
)
from symgluon.ir.facts import Facts, primitive
from symgluon.ir.poly import Poly
from symgluon.ir.source import user_frame, user_line

__all__ = [
    "Dim",
    "DimScope",
    "FloorDiv",
    "Guard",
    "current_scope",
    "evaluate",
    "exact_quotient",
    "make",
    "same",
    "solve_env",
    "user_frame",
    "user_line",
]

_NEGATION = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRROR = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


class Guard(NamedTuple):
    """A condition under which a trace may be used again: ``expr relation value``."""

    expr: Any  # Dim | int
    relation: str
    value: Any  # Dim | int
    line: str = ""

    def holds(self, env: Mapping[str, int]) -> bool:
        """Whether the condition is true when the names are `env`.

        Raises
        ------
        KeyError : if `env` lacks a name of the guard.
        """
        left, right = self.expr, self.value
        try:
            left = poly.evaluate(left._poly, env) if isinstance(left, Dim) else left
            right = poly.evaluate(right._poly, env) if isinstance(right, Dim) else right
        except ZeroDivisionError:
            return False
        return RELATIONS[self.relation](left, right)

    def names(self) -> tuple[str, ...]:
        """Return the names of dimensions it is about."""
        found: dict[str, None] = {}
        for side in (self.expr, self.value):
            if isinstance(side, Dim):
                found.update(dict.fromkeys(side.names()))
        return tuple(found)

    def __str__(self) -> str:
        where = f"  ({self.line})" if self.line else ""
        return f"{self.expr} {self.relation} {self.value}{where}"


def _guard(p: Poly, relation: str, line: str) -> Guard:
    """Return ``p relation 0`` as a guard that reads well: each side with positive terms."""
    g, q, c = primitive(p)
    if c % g == 0 and relation in ("==", "!="):
        p, g = poly.add(q, poly.const(c // g)), 1
    if g < 0:
        p, relation = poly.scale(p, -1), _MIRROR[relation]
    left = tuple([t for t in p if t[1] > 0 and t[0]])
    right = tuple([(mono, -k) for mono, k in p if k < 0 or not mono])
    if poly.as_const(right) is None and right and not right[0][0] and right[0][1] < 0:
        left, right = poly.add(left, poly.const(-right[0][1])), right[1:]
    if len(right) < len(left) and poly.as_const(right) is None:
        left, right, relation = right, left, _MIRROR[relation]
    return Guard(make(left), relation, make(right), line)


class _Name(NamedTuple):
    """What a scope knows of a name: its number at the trace, and where it comes from."""

    hint: int | None
    source: tuple[str, int] | None
    origin: str


class DimScope:
    """The environment of one outermost trace: names, hints, guards and what they teach.

    ``with scope:`` makes it the place where this thread's questions are answered; it may be
    entered again while it is entered.

    Attributes
    ----------
    guards : list of Guard
        Conditions of the trace, in the order in which they were asked, each once.
    pins : dict of str to Guard
        The guard that fixed a name to a number or to other names.
    """

    def __init__(self) -> None:
        self.guards: list[Guard] = []
        self.pins: dict[str, Guard] = {}
        self._names: dict[str, _Name] = {}
        self._hints: dict[str, int] = {}
        self._order: dict[str, int] = {}
        self._solved: dict[str, Poly] = {}
        self._facts = Facts()

    @classmethod
    def with_hints(cls, hints: Mapping[str, int | None]) -> Self:
        """Return a scope with exactly these names."""
        scope = cls()
        for name, hint in hints.items():
            scope.declare(name, hint)
        return scope

    def fork(self, hints: Mapping[str, int] | None = None) -> DimScope:
        """Return a scope that knows what this one knows and keeps guards of its own.

        `hints` are the sizes of another call that its guards let through.
        """
        new = DimScope()
        new._know(self)
        for name, hint in (hints or {}).items():
            if name in new._names:
                new._names[name] = new._names[name]._replace(hint=hint)
                new._hints[name] = hint
            else:
                new.declare(name, hint)
        return new

    def _know(self, other: DimScope) -> None:
        self._names, self._hints = dict(other._names), dict(other._hints)
        self._order, self._solved = dict(other._order), dict(other._solved)
        self._facts = other._facts.copy()

    def closed(self) -> DimScope:
        """Return a scope that knows what this one knows and learns nothing: for lowerings."""
        new = _ClosedScope()
        new._know(self)
        return new

    def __enter__(self) -> Self:
        scope_stack.scopes.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        scope_stack.scopes.pop()

    # -- names ---------------------------------------------------------------------------------

    def new(
        self,
        name_hint: str,
        hint: int | None,
        source: tuple[str, int] | None = None,
        origin: str = "",
    ) -> Dim:
        """Return a fresh dimension.

        Parameters
        ----------
        name_hint : str
            The wished name, made unique; an empty one gives ``d0``, ``d1`` ...
        hint : int or None
            Its number at this trace; None for one that depends on data.
        source : (input name, axis), optional
            Where it is read from at each call.
        origin : str, optional
            For a data-dependent one: the operator result it comes from, for error messages.
        """
        stem, count = name_hint or "d", 0
        name = name_hint or "d0"
        while name in self._names:
            count += 1
            name = f"{stem}_{count}" if name_hint else f"d{count}"
        return self.declare(name, hint, source, origin)

    def declare(
        self,
        name: str,
        hint: int | None,
        source: tuple[str, int] | None = None,
        origin: str = "",
    ) -> Dim:
        """Return the dimension called exactly `name`, declared here.

        Raises
        ------
        TraceError : if this scope has the name already.
        """
        if name in self._names:
            raise TraceError(f"dimension {name!r} is declared twice in one trace")
        if hint is not None:
            hint = operator.index(hint)
            if hint < 0:
                raise ShapeError(f"dimension {name!r}: a size is never negative", received=hint)
            self._hints[name] = hint
        self._names[name] = _Name(hint, source, origin)
        self._order[name] = len(self._order)
        return Dim(name)

    def names(self) -> tuple[str, ...]:
        """Return all names, in the order of their declaration."""
        return tuple(self._names)

    def hint(self, dim: Any) -> int | None:
        """Return the number of a dimension at this trace, None if there is none; no guard."""
        if not isinstance(dim, Dim):
            return operator.index(dim)
        return self._evaluate(self._resolve(dim._poly))

    def source(self, name: str) -> tuple[str, int] | None:
        """Return the (input name, axis) that a name is read from."""
        return self._names[name].source

    def guards_on(self, name: str) -> list[Guard]:
        """Return the guards that mention a name."""
        return [g for g in self.guards if name in g.names()]

    # -- substitutions -------------------------------------------------------------------------

    @property
    def substitutions(self) -> dict[str, Dim | int]:
        """What each solved name stands for, in terms of names that are not solved."""
        return {name: make(p) for name, p in self._solved.items()}

    def _resolve(self, p: Poly) -> Poly:
        solved = self._solved
        if solved and any(name in solved for name in poly.names(p)):
            return poly.substitute(p, solved)
        return p

    def resolve(self, dim: Any) -> Any:
        """Return a dimension with all solved names replaced; ints and None are themselves."""
        if not isinstance(dim, Dim) or not self._solved:
            return dim
        p = self._resolve(dim._poly)
        return dim if p is dim._poly else make(p)

    def resolve_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        """Return a shape with all solved names replaced."""
        return tuple([self.resolve(d) for d in shape])

    # -- questions -----------------------------------------------------------------------------

    def depends_on_data(self, dim: Any) -> bool:
        """Whether only the data tell the number of `dim`: a question about it has no answer."""
        if not isinstance(dim, Dim):
            return False
        names = poly.names(self._resolve(dim._poly))
        return any(n in self._names and self._hints.get(n) is None for n in names)

    def ask(self, p: Poly, relation: str) -> bool:
        """Answer whether ``p relation 0`` holds; a guard is kept if only the hints can tell.

        Raises
        ------
        TraceError : if it depends on a name without a hint, or of another trace.
        """
        p = self._resolve(p)
        known = self._facts.decide(p, relation)
        if known is not None:
            return known
        value = self._evaluate(p)
        if value is None:
            raise self._no_number(p)
        answer = RELATIONS[relation](value, 0)
        self._record(p, relation if answer else _NEGATION[relation])
        return answer

    def pin(self, p: Poly) -> int:
        """Return the number of `p` at this trace, kept as a guard unless it is known anyway."""
        p = self._resolve(p)
        value = self._evaluate(p)
        if value is None:
            raise self._no_number(p)
        self.ask(poly.sub(p, poly.const(value)), "==")
        return value

    def _evaluate(self, p: Poly) -> int | None:
        try:
            return poly.evaluate(p, self._hints)
        except KeyError:
            return None
        except ZeroDivisionError:
            raise ShapeError(
                f"dimension {poly.text(p)}: division by 0", line=user_line()
            ) from None

    def _no_number(self, p: Poly) -> TraceError:
        missing = [n for n in poly.names(p) if n not in self._hints]
        strange = [n for n in missing if n not in self._names]
        if strange:
            return TraceError(
                f"dimension {strange[0]!r} belongs to another trace",
                line=user_line(),
                hint="Read the shape inside the call that uses it.",
            )
        origins = [self._names[n].origin for n in missing]
        source = f" (the size of {origins[0]})" if origins[0] else ""
        return DynamicShapeError(
            f"the number of dimension {poly.text(p)} is not known while tracing: "
            f"{missing[0]!r}{source} depends on data",
            line=user_line(),
            hint="Leave this block un-hybridized: eager code knows the number.",
        )

    def _record(self, p: Poly, relation: str) -> None:
        if relation == "==":
            p = self._without_factors(p)
        guard = _guard(p, relation, user_line())
        self.guards.append(guard)
        name = self._solvable(p) if relation == "==" else None
        if name is None:
            self._facts.learn(p, relation)
        else:
            self.pins[name] = guard
            self._substitute(name, p)

    def _without_factors(self, p: Poly) -> Poly:
        """From ``x*y == 0`` keep the factor that is zero at the hints: it implies the product."""
        shared = dict(p[0][0])
        for mono, _ in p:
            powers = dict(mono)
            shared = {a: min(n, powers[a]) for a, n in shared.items() if a in powers}
        if not shared or len(p) == 1:
            return p
        factor: Poly = ((tuple(sorted(shared.items())), 1),)
        rest = poly.exact_div(p, factor)
        return rest if rest is not None and self._evaluate(rest) == 0 else p

    def _solvable(self, p: Poly) -> str | None:
        """Return the latest name that ``p == 0`` can be solved for."""
        _, q, _ = primitive(p)
        best: str | None = None
        for mono, c in q:
            if c not in (1, -1) or len(mono) != 1 or mono[0][1] != 1 or mono[0][0][0] != 0:
                continue
            name = mono[0][0][1]
            others = poly.names(tuple([t for t in q if t[0] != mono]))
            if name not in others and (best is None or self._order[name] > self._order[best]):
                best = name
        return best

    def _substitute(self, name: str, p: Poly) -> None:
        """Put what ``p == 0`` says about `name` into everything known."""
        g, q, c = primitive(p)
        p = poly.add(q, poly.const(c // g))
        target = poly.name(name)[0][0]
        coefficient = dict(p)[target]
        value = poly.scale(tuple([t for t in p if t[0] != target]), -coefficient)
        change = {name: value}
        self._solved = {k: poly.substitute(v, change) for k, v in self._solved.items()}
        self._solved[name] = value
        facts = Facts()
        facts.absorb(self._facts, change)
        facts.learn(value, ">=")
        self._facts = facts


# -- binding names to the sizes of a call --------------------------------------------------------


def solve_env(types: Iterable[Any], shapes: Iterable[Sequence[int]]) -> dict[str, int] | None:
    """Bind the names in input types to the sizes of actual shapes.

    Names that stand alone bind; other dimensions are checked, or solved where one name is left.

    Parameters
    ----------
    types : iterable of TensorType or shape tuples
    shapes : iterable of tuples of int

    Returns
    -------
    dict or None
        None if ranks, sizes or two uses of one name disagree.
    """
    env: dict[str, int] = {}
    computed: list[tuple[Dim, int]] = []
    for type, actual in zip(types, shapes, strict=True):
        formal = getattr(type, "shape", type)
        if formal is None:
            continue
        if len(formal) != len(actual):
            return None
        for want, have in zip(formal, actual, strict=True):
            if not isinstance(want, Dim):
                if want is not None and want != have:
                    return None
            elif (name := want.bare) is None:
                computed.append((want, have))
            elif env.setdefault(name, have) != have:
                return None
    return env if all(_bind_computed(want, have, env) for want, have in computed) else None


def _bind_computed(want: Dim, have: int, env: dict[str, int]) -> bool:
    missing = [n for n in want.names() if n not in env]
    if not missing:
        return evaluate(want, env) == have
    solved = want.solve(missing[0], have, env) if len(missing) == 1 else None
    if isinstance(solved, int) and solved >= 0:
        env[missing[0]] = solved
        return True
    return False


class _ClosedScope(DimScope):
    """What a trace learned, after the trace: nobody could keep another guard any more."""

    def ask(self, p: Poly, relation: str) -> bool:
        """Answer whether ``p relation 0`` follows from what is known.

        Raises
        ------
        UnsupportedOpError : if it does not.
        """
        p = self._resolve(p)
        known = self._facts.decide(p, relation)
        if known is None:
            raise UnsupportedOpError(
                f"what the operator is made of depends on sizes that are free: whether "
                f"{poly.text(p)} {relation} 0"
            )
        return known
