"""`Dim`: a symbolic dimension, and the way its questions find the scope that answers them.

Arithmetic computes symbolically; comparison and conversion to a number ask the scope of the
trace (:mod:`symgluon.ir.dims`).
"""

from __future__ import annotations

import numbers
import operator
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from symgluon.errors import AttributeValueError, ShapeError, TraceError
from symgluon.ir import poly
from symgluon.ir.facts import Facts
from symgluon.ir.poly import Poly
from symgluon.ir.source import user_line

if TYPE_CHECKING:
    from symgluon.ir.dims import DimScope

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class FloorDiv(NamedTuple):
    """The atom ``numerator // denominator`` of a polynomial, as `Dim.terms` shows it."""

    numerator: Any  # Dim | int
    denominator: Any  # Dim | int


class Dim:
    """A symbolic dimension: an immutable polynomial over names and floor divisions.

    Not an `int`, since C code would read a number unseen, but registered as
    `numbers.Integral`.  Results that are constant are plain ints.

    Comparison asks a question and may leave a guard in the current scope.  `hash` goes by
    structure, so a dict lookup may ask one too: put dimensions into dicts by :meth:`key`.
    """

    __slots__ = ("_poly",)
    __array_ufunc__ = None  # NumPy scalars leave arithmetic to this class
    _poly: Poly

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise AttributeValueError(f"a dimension's name is a non-empty str, not {name!r}")
        object.__setattr__(self, "_poly", poly.name(name))

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError("a Dim is immutable")

    # -- structure: nothing here asks a question -----------------------------------------------

    def key(self) -> Poly:
        """Return a hashable value that is equal for structurally equal dimensions."""
        return self._poly

    @property
    def bare(self) -> str | None:
        """The name, if this dimension is a name and nothing else."""
        p = self._poly
        if len(p) == 1 and p[0][1] == 1 and len(p[0][0]) == 1:
            (atom, exponent), *_ = p[0][0]
            if atom[0] == 0 and exponent == 1:
                return str(atom[1])
        return None

    def names(self) -> tuple[str, ...]:
        """Return the names it is made of, each once, in a fixed order."""
        return tuple(poly.names(self._poly))

    def terms(self) -> list[tuple[int, list[tuple[str | FloorDiv, int]]]]:
        """Return the sum as (coefficient, [(atom, power), ...]) terms; atoms are names or `//`."""

        def show(atom: poly.Atom) -> str | FloorDiv:
            return str(atom[1]) if atom[0] == 0 else FloorDiv(make(atom[1]), make(atom[2]))

        return [(c, [(show(atom), n) for atom, n in mono]) for mono, c in self._poly]

    def substitute(self, mapping: Mapping[str, Any]) -> Dim | int:
        """Return this with names replaced by dimensions or ints, all at once."""
        return make(poly.substitute(self._poly, {k: to_poly(v) for k, v in mapping.items()}))

    def rename(self, mapping: Mapping[str, str]) -> Dim | int:
        """Return this with names renamed, all at once."""
        return make(poly.substitute(self._poly, {k: poly.name(v) for k, v in mapping.items()}))

    def solve(self, name: str, value: Any, env: Mapping[str, Any]) -> Dim | int | None:
        """Return what `name` must be for this to equal `value`, the other names being `env`.

        None if this is not linear in `name`, or the solution is not an integer.
        """
        known = {k: to_poly(v) for k, v in env.items() if k != name}
        rest = poly.sub(poly.substitute(self._poly, known), to_poly(value))
        target = poly.name(name)[0][0]
        coefficient = dict(rest).get(target)
        if coefficient is None:
            return None
        rest = tuple([term for term in rest if term[0] != target])
        if name in poly.names(rest):
            return None
        solution = poly.exact_div(poly.scale(rest, -1), poly.const(coefficient))
        return None if solution is None else make(solution)

    def __repr__(self) -> str:
        return poly.text(self._poly)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __hash__(self) -> int:
        return hash(self._poly)

    def __reduce__(self) -> tuple[Any, ...]:
        return make, (self._poly,)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    # -- arithmetic ----------------------------------------------------------------------------

    def _arithmetic(
        self,
        other: Any,
        exact: Callable[[Poly, Poly], Poly],
        real: Callable[[Any, Any], Any],
    ) -> Any:
        if isinstance(other, (Dim, numbers.Integral)):
            return make(exact(self._poly, to_poly(other)))
        if isinstance(other, numbers.Real):  # a float: only the number can answer
            return real(int(self), other)
        return NotImplemented

    def __add__(self, other: Any) -> Any:
        return self._arithmetic(other, poly.add, operator.add)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Any:
        return self._arithmetic(other, poly.mul, operator.mul)

    __rmul__ = __mul__

    def __sub__(self, other: Any) -> Any:
        return self._arithmetic(other, poly.sub, operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return self._arithmetic(other, lambda a, b: poly.sub(b, a), lambda a, b: b - a)

    def __floordiv__(self, other: Any) -> Any:
        return self._arithmetic(other, poly.floor_div, operator.floordiv)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._arithmetic(other, lambda a, b: poly.floor_div(b, a), lambda a, b: b // a)

    def __mod__(self, other: Any) -> Any:
        return self._arithmetic(other, _mod, operator.mod)

    def __rmod__(self, other: Any) -> Any:
        return self._arithmetic(other, lambda a, b: _mod(b, a), lambda a, b: b % a)

    def __divmod__(self, other: Any) -> Any:
        quotient = self // other
        return NotImplemented if quotient is NotImplemented else (quotient, self % other)

    def __rdivmod__(self, other: Any) -> Any:
        quotient = self.__rfloordiv__(other)
        return NotImplemented if quotient is NotImplemented else (quotient, other % self)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, Dim):
            other = int(other)
        if isinstance(other, numbers.Integral) and 0 <= (exponent := int(other)) <= 16:
            return make(poly.power(self._poly, exponent))
        return int(self) ** other if isinstance(other, numbers.Real) else NotImplemented

    def __rpow__(self, other: Any) -> Any:
        return other ** int(self) if isinstance(other, numbers.Real) else NotImplemented

    def __truediv__(self, other: Any) -> Any:
        return int(self) / other if isinstance(other, (Dim, numbers.Real)) else NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        return other / int(self) if isinstance(other, numbers.Real) else NotImplemented

    def __neg__(self) -> Any:
        return make(poly.scale(self._poly, -1))

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __round__(self, digits: int = 0) -> Self:
        return self

    def __trunc__(self) -> Self:
        return self

    __floor__ = __trunc__
    __ceil__ = __trunc__

    # -- questions -----------------------------------------------------------------------------

    def _ask(self, other: Any, relation: str) -> Any:
        if isinstance(other, (Dim, numbers.Integral)):
            return ask(poly.sub(self._poly, to_poly(other)), relation)
        if isinstance(other, numbers.Real):
            return RELATIONS[relation](int(self), other)
        return NotImplemented

    def __eq__(self, other: object) -> Any:
        return self is other or self._ask(other, "==")

    def __ne__(self, other: object) -> Any:
        return self._ask(other, "!=")

    def __lt__(self, other: Any) -> Any:
        return self._ask(other, "<")

    def __le__(self, other: Any) -> Any:
        return self._ask(other, "<=")

    def __gt__(self, other: Any) -> Any:
        return self._ask(other, ">")

    def __ge__(self, other: Any) -> Any:
        return self._ask(other, ">=")

    def __bool__(self) -> bool:
        return ask(self._poly, "!=")

    def __index__(self) -> int:
        return pin(self)

    __int__ = __index__

    def __float__(self) -> float:
        return float(pin(self))


numbers.Integral.register(Dim)


def make(p: Poly) -> Dim | int:
    """Return the dimension of a polynomial, an int if it is constant."""
    value = poly.as_const(p)
    if value is not None:
        return value
    dim = object.__new__(Dim)
    object.__setattr__(dim, "_poly", p)
    return dim


def to_poly(value: Any) -> Poly:
    """Return the polynomial of a dimension or an int."""
    return value._poly if isinstance(value, Dim) else poly.const(operator.index(value))


def _mod(a: Poly, b: Poly) -> Poly:
    return poly.sub(a, poly.mul(poly.floor_div(a, b), b))


def same(a: Any, b: Any) -> bool:
    """Whether two dimensions (or ints) are structurally equal; asks no question."""
    if isinstance(a, Dim):
        return isinstance(b, Dim) and a._poly == b._poly
    return not isinstance(b, Dim) and a == b


def exact_quotient(a: Any, b: Any) -> Dim | int | None:
    """Return ``a / b`` where `b` divides `a` as a polynomial, else None; asks no question."""
    quotient = poly.exact_div(to_poly(a), to_poly(b))
    return None if quotient is None else make(quotient)


def evaluate(dim: Any, env: Mapping[str, int]) -> int:
    """Return the number that `dim` is when its names are `env`.

    Raises
    ------
    ShapeError : for a name that `env` does not bind, or a division by a dimension of size 0.
    """
    if not isinstance(dim, Dim):
        return int(dim)
    try:
        return poly.evaluate(dim._poly, env)
    except KeyError as error:
        raise ShapeError(
            f"dimension {dim}: the name {error.args[0]!r} has no number",
            received=f"numbers for {', '.join(env) or 'no name'}",
        ) from None
    except ZeroDivisionError:
        raise ShapeError(f"dimension {dim}: division by 0", received=_listed(env)) from None


def _listed(env: Mapping[str, int]) -> str:
    return ", ".join(f"{k}={v}" for k, v in env.items())


# -- where questions go --------------------------------------------------------------------------


class _Stack(threading.local):
    """The scopes this thread has entered, innermost last."""

    def __init__(self) -> None:
        self.scopes: list[DimScope] = []


scope_stack = _Stack()
_NOTHING = Facts()


def current_scope() -> DimScope | None:
    """Return the innermost scope that this thread has entered, if any."""
    scopes = scope_stack.scopes
    return scopes[-1] if scopes else None


def ask(p: Poly, relation: str) -> bool:
    """Answer whether ``p relation 0`` holds, in the current scope."""
    scope = current_scope()
    if scope is not None:
        return scope.ask(p, relation)
    known = _NOTHING.decide(p, relation)
    if known is None:
        raise _outside(p)
    return known


def pin(dim: Dim) -> int:
    """Return the number of a dimension, kept as a guard in the current scope."""
    scope = current_scope()
    if scope is None:
        raise _outside(dim._poly)
    return scope.pin(dim._poly)


def _outside(p: Poly) -> TraceError:
    return TraceError(
        f"dimension {poly.text(p)} was asked for its number outside the trace it belongs to",
        line=user_line(),
        hint="Use evaluate(dim, env) with the sizes of a call, or Dim.key() in dicts and sets.",
    )
