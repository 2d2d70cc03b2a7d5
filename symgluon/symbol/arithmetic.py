"""Python's operators on symbols, and functions of a symbol and a number."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

from symgluon.symbol.create import create

_NUMBERS = (numbers.Number,)

#: Python's operator -> MXNet's operators (of symbols, number on the right, on the left) and the
#: beginnings of their nodes' names
_ROWS = {
    "add": ("elemwise_add _plus", "_plus_scalar _plusscalar", "_plus_scalar _plusscalar"),
    "sub": ("elemwise_sub _minus", "_minus_scalar _minusscalar", "_rminus_scalar _rminusscalar"),
    "mul": ("elemwise_mul _mul", "_mul_scalar _mulscalar", "_mul_scalar _mulscalar"),
    "truediv": ("elemwise_div _div", "_div_scalar _divscalar", "_rdiv_scalar _rdivscalar"),
    "mod": ("_mod _mod", "_mod_scalar _modscalar", "_rmod_scalar _rmodscalar"),
    "pow": ("_power _power", "_power_scalar _powerscalar", "_rpower_scalar _rpower_scalar"),
    "eq": ("_equal _equal", "_equal_scalar _equal_scalar", ""),
    "ne": ("_not_equal _not_equal", "_not_equal_scalar _not_equal_scalar", ""),
    "gt": ("_greater _greater", "_greater_scalar _greater_scalar", ""),
    "ge": ("_greater_equal _greater_equal", "_greater_equal_scalar _greater_equal_scalar", ""),
    "lt": ("_lesser _lesser", "_lesser_scalar _lesser_scalar", ""),
    "le": ("_lesser_equal _lesser_equal", "_lesser_equal_scalar _lesser_equal_scalar", ""),
    "maximum": ("_maximum _maximum", "_maximum_scalar _maximumscalar", ""),
    "minimum": ("_minimum _minimum", "_minimum_scalar _minimumscalar", ""),
    "hypot": ("_hypot _hypot", "_hypot_scalar _hypotscalar", "_hypot_scalar _hypotscalar"),
}
_ROWS["maximum"] = (*_ROWS["maximum"][:2], _ROWS["maximum"][1])
_ROWS["minimum"] = (*_ROWS["minimum"][:2], _ROWS["minimum"][1])


def combine(kind: str, left: Any, right: Any) -> Any:
    """Apply one of Python's operators to symbols and numbers.

    Parameters
    ----------
    kind : str
        Name as in ``__add__``.
    left, right : Symbol or number
        One of them is a symbol.

    Returns
    -------
    Symbol or NotImplemented
    """
    from symgluon.symbol.symbol import Symbol

    both, on_right, on_left = _ROWS[kind]
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        op, hint = both.split()
        return create(op, (left, right), {}, hint=hint)
    if isinstance(left, Symbol):
        symbol, number, row = left, right, on_right
    else:
        symbol, number, row = right, left, on_left
    if not isinstance(number, _NUMBERS) or not row:
        return NotImplemented
    op, hint = row.split()
    return create(op, (symbol,), {"scalar": number}, hint=hint)


def _method(kind: str, swapped: bool = False) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        return combine(kind, other, self) if swapped else combine(kind, self, other)

    method.__name__ = f"__{'r' if swapped else ''}{kind}__"
    return method


class Arithmetic:
    """Python's operators; symbols of one shape are combined element by element."""

    __slots__ = ()

    __add__, __radd__ = _method("add"), _method("add", True)
    __sub__, __rsub__ = _method("sub"), _method("sub", True)
    __mul__, __rmul__ = _method("mul"), _method("mul", True)
    __truediv__, __rtruediv__ = _method("truediv"), _method("truediv", True)
    __mod__, __rmod__ = _method("mod"), _method("mod", True)
    __pow__, __rpow__ = _method("pow"), _method("pow", True)
    __gt__, __ge__ = _method("gt"), _method("ge")
    __lt__, __le__ = _method("lt"), _method("le")

    def __eq__(self, other: object) -> Any:
        return combine("eq", self, other)

    def __ne__(self, other: object) -> Any:
        return combine("ne", self, other)

    def __hash__(self) -> int:
        return id(self)

    def __neg__(self) -> Any:
        return combine("mul", self, -1.0)

    def __abs__(self) -> Any:
        return create("abs", (self,), {})


def _public(kind: str, doc: str) -> Callable[..., Any]:
    def function(left: Any, right: Any) -> Any:
        from symgluon.symbol.symbol import Symbol

        if not isinstance(left, Symbol) and not isinstance(right, Symbol):
            return getattr(_python, kind)(left, right)
        found = combine(kind, left, right)
        if found is NotImplemented:
            raise TypeError(
                f"{kind}: expected symbols or numbers, received {type(left).__name__} and "
                f"{type(right).__name__}"
            )
        return found

    function.__name__ = function.__qualname__ = kind
    function.__doc__ = doc
    return function


class _python:
    """The same of two numbers."""

    maximum = staticmethod(max)
    minimum = staticmethod(min)
    pow = staticmethod(pow)

    @staticmethod
    def hypot(left: Any, right: Any) -> Any:
        """Length of a vector."""
        import math

        return math.hypot(left, right)


maximum = _public("maximum", "Larger one of symbols or numbers, element by element.")
minimum = _public("minimum", "Smaller one of symbols or numbers, element by element.")
power = _public("pow", "`left` to the power of `right`, element by element.")
hypot = _public("hypot", "Length of vectors of two components, element by element.")
