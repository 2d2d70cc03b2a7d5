"""``mx.sym.random``: draws with parameters that are numbers, or symbols with one draw each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon.errors import AttributeValueError
from symgluon.symbol.create import create
from symgluon.symbol.symbol import Symbol

#: function -> its parameters with defaults; names they have in the operators on numbers and on
#: symbols
_DRAWS: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, str]]] = {
    "uniform": ({"low": 0, "high": 1}, {}, {}),
    "normal": ({"loc": 0, "scale": 1}, {}, {"loc": "mu", "scale": "sigma"}),
    "gamma": ({"alpha": 1, "beta": 1}, {}, {}),
    "poisson": ({"lam": 1}, {}, {}),
    "negative_binomial": ({"k": 1, "p": 1}, {}, {}),
    "generalized_negative_binomial": ({"mu": 1, "alpha": 1}, {}, {}),
}


def _given(**attrs: Any) -> dict[str, Any]:
    return {k: v for k, v in attrs.items() if v is not None}


def _draw(kind: str) -> Callable[..., Symbol]:
    defaults, of_numbers, of_symbols = _DRAWS[kind]

    def draw(*args: Any, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
        names = list(defaults)
        if len(args) > len(names):
            shape, args = args[len(names)], args[: len(names)]
        given = {**defaults, **dict(zip(names, args, strict=False))}
        given.update({k: kwargs.pop(k) for k in names if k in kwargs})
        named = {k: kwargs.pop(k, None) for k in ("name", "attr")}
        kwargs.pop("ctx", None)
        if kwargs:
            raise AttributeValueError(f"sym.random.{kind}: unknown argument {', '.join(kwargs)}")
        symbols = [isinstance(v, Symbol) for v in given.values()]
        if any(symbols) and not all(symbols):
            raise AttributeValueError(
                f"sym.random.{kind}: give all parameters as symbols or all as numbers"
            )
        prefix, rename = ("_sample_", of_symbols) if any(symbols) else ("_random_", of_numbers)
        attrs = {rename.get(k, k): v for k, v in given.items()}
        return create(prefix + kind, (), {**attrs, **_given(shape=shape, dtype=dtype)}, **named)

    draw.__name__ = draw.__qualname__ = kind
    draw.__doc__ = (
        f"Draw from the {kind.replace('_', ' ')} distribution.\n\n"
        f"Parameters, in order: {', '.join(f'{k} = {v}' for k, v in defaults.items())}, `shape`, "
        "`dtype`, `name`."
    )
    return draw


uniform, normal, gamma, poisson = map(_draw, ("uniform", "normal", "gamma", "poisson"))
negative_binomial = _draw("negative_binomial")
generalized_negative_binomial = _draw("generalized_negative_binomial")


def exponential(scale: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draw from the exponential distribution.

    Parameters
    ----------
    scale : float or Symbol
        Mean.
    shape : tuple of int, optional
        Shape of the draws.
    dtype : dtype, optional
        float32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The draws.
    """
    kwargs.pop("ctx", None)
    prefix = "_sample_" if isinstance(scale, Symbol) else "_random_"
    attrs = {"lam": 1.0 / scale, **_given(shape=shape, dtype=dtype)}
    return create(f"{prefix}exponential", (), attrs, **kwargs)


def randint(low: int, high: int, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draw integers.

    Parameters
    ----------
    low, high : int
        Smallest, and the one after the largest.
    shape : tuple of int, optional
        Shape of the draws.
    dtype : dtype, optional
        int32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The draws.
    """
    kwargs.pop("ctx", None)
    attrs = {"low": low, "high": high, **_given(shape=shape, dtype=dtype)}
    return create("_random_randint", (), attrs, **kwargs)


def multinomial(
    data: Symbol, shape: Any = None, get_prob: bool = False, dtype: Any = "int32", **kwargs: Any
) -> Symbol:
    """Draw indices with given probabilities.

    Parameters
    ----------
    data : Symbol
        Probabilities along the last axis.
    shape : tuple of int, optional
        Shape of the draws for each row.
    get_prob : bool
        Return logarithms of the probabilities of what was drawn too.
    dtype : dtype
        Of the draws.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The draws.
    """
    attrs = {"get_prob": get_prob, **_given(shape=shape, dtype=dtype)}
    return create("_sample_multinomial", (data,), attrs, **kwargs)


def shuffle(data: Symbol, **kwargs: Any) -> Symbol:
    """Shuffle along the first axis.

    Parameters
    ----------
    data : Symbol
        The data.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The data in another order.
    """
    return create("_shuffle", (data,), {}, **kwargs)
