"""Operators of Python on symbols: MXNet's names for two symbols, and for a symbol and a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_NUMBERS = (int, float, bool, np.generic)


class Forms(NamedTuple):
    """Names of one operation, with the hints of automatic names after a slash."""

    symbols: str
    right: str
    left: str


#: MXNet 1.x: no broadcasting between two symbols
LEGACY = {
    "add": Forms("elemwise_add/_plus", "_plus_scalar/_plusscalar", "_plus_scalar/_plusscalar"),
    "subtract": Forms("elemwise_sub/_minus", "_minus_scalar/_minusscalar",
                      "_rminus_scalar/_rminusscalar"),
    "multiply": Forms("elemwise_mul/_mul", "_mul_scalar/_mulscalar", "_mul_scalar/_mulscalar"),
    "divide": Forms("elemwise_div/_div", "_div_scalar/_divscalar", "_rdiv_scalar/_rdivscalar"),
    "modulo": Forms("_mod", "_mod_scalar/_modscalar", "_rmod_scalar/_rmodscalar"),
    "power": Forms("_power", "_power_scalar/_powerscalar", "_rpower_scalar"),
    "maximum": Forms("_maximum", "_maximum_scalar/_maximumscalar",
                     "_maximum_scalar/_maximumscalar"),
    "minimum": Forms("_minimum", "_minimum_scalar/_minimumscalar",
                     "_minimum_scalar/_minimumscalar"),
    "hypot": Forms("_hypot", "_hypot_scalar/_hypotscalar", "_hypot_scalar/_hypotscalar"),
    "equal": Forms("_equal", "_equal_scalar", "_equal_scalar"),
    "not_equal": Forms("_not_equal", "_not_equal_scalar", "_not_equal_scalar"),
    "greater": Forms("_greater", "_greater_scalar", "_lesser_scalar"),
    "greater_equal": Forms("_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar"),
    "less": Forms("_lesser", "_lesser_scalar", "_greater_scalar"),
    "less_equal": Forms("_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar"),
}  # fmt: skip

_SAME = ("add", "multiply", "equal", "not_equal")
_REVERSED = {"greater": "less", "less": "greater", "greater_equal": "less_equal",
             "less_equal": "greater_equal"}  # fmt: skip


def _numpy_forms(name: str) -> Forms:
    left = name if name in _SAME else _REVERSED.get(name, f"r{name}")
    return Forms(f"_npi_{name}/{name}", f"_npi_{name}_scalar/{name}_scalar",
                 f"_npi_{left}_scalar/{left}_scalar")  # fmt: skip


#: NumPy's rules, of `mx.sym.np`
NUMPY = {
    name: _numpy_forms(new)
    for name, new in {
        **{n: n for n in (*_SAME, "subtract", "power", *_REVERSED)},
        "divide": "true_divide",
        "modulo": "mod",
    }.items()
}


#: the function ``sym.pow`` names its symbols otherwise than the operator ``**``
_FUNCTIONS = {
    **LEGACY,
    "power": LEGACY["power"]._replace(left="_rpower_scalar/_rpowerscalar"),
}


def compute(
    name: str, a: Any, b: Any, numpy: bool = False, table: dict[str, Forms] | None = None
) -> Any:
    """Compose an operation; NotImplemented for anything but symbols and numbers.

    Parameters
    ----------
    name : str
        Key of `LEGACY`.
    a, b : Symbol or number
        Operands, at least one of them a symbol.
    numpy : bool
        By NumPy's rules.
    table : dict, optional
        Names of the operators, in place of MXNet 1.x's or NumPy's.

    Returns
    -------
    Symbol or NotImplemented
        The result.
    """
    from symgluon.symbol.compose import make
    from symgluon.symbol.symbol import Symbol

    forms = (table or (NUMPY if numpy else LEGACY))[name]
    if isinstance(a, Symbol) and isinstance(b, Symbol):
        op, _, hint = forms.symbols.partition("/")
        return make(op, [a, b], hint=hint)
    form, x, number = (forms.right, a, b) if isinstance(a, Symbol) else (forms.left, b, a)
    if not isinstance(number, _NUMBERS):
        return NotImplemented
    op, _, hint = form.partition("/")
    attrs: dict[str, Any] = {"scalar": number}
    if numpy:
        whole = isinstance(number, int | np.integer)
        attrs = {"scalar": float(number), "is_int": whole}
    return make(op, [x], attrs, hint=hint)


def operator(name: str, swap: bool = False) -> Callable[[Any, Any], Any]:
    """Make an operator method of symbols.

    Parameters
    ----------
    name : str
        Key of `LEGACY`.
    swap : bool
        The symbol is the second operand.

    Returns
    -------
    callable
        The method.
    """

    def method(self: Any, other: Any) -> Any:
        pair = (other, self) if swap else (self, other)
        return compute(name, *pair, numpy=self._numpy)

    return method


def function(name: str) -> Callable[..., Any]:
    """Make the public function `name`, such as ``sym.maximum(a, b)``, of symbols and numbers.

    Parameters
    ----------
    name : str
        Key of `LEGACY`.

    Returns
    -------
    callable
        The function.
    """

    def both(left: Any, right: Any) -> Any:
        from symgluon.symbol.symbol import Symbol

        found = NotImplemented
        if isinstance(left, Symbol) or isinstance(right, Symbol):
            found = compute(name, left, right, table=_FUNCTIONS)
        elif isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
            return getattr(np, name)(left, right).item()
        if found is NotImplemented:
            raise TypeError(
                f"sym.{name}: types {type(left).__name__} and {type(right).__name__} are not "
                "supported; give symbols and numbers"
            )
        return found

    both.__name__ = both.__qualname__ = name
    both.__doc__ = (
        f"Elementwise {name} of symbols of one shape, and numbers.\n\n"
        "Parameters\n----------\nleft, right : Symbol or number\n    Operands.\n\n"
        "Returns\n-------\nSymbol, or number\n    A number for two numbers.\n\n"
        "Raises\n------\nTypeError\n    For anything else.\n\n"
        f"Notes\n-----\nMXNet's operator ``{LEGACY[name].symbols.partition('/')[0]}``."
    )
    return both
