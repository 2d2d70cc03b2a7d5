"""Sub-namespaces of `mx.sym`: operators whose names carry a prefix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon.ndarray.spaces import Space
from symgluon.symbol.compose import function, make
from symgluon.symbol.control import cond, foreach, while_loop
from symgluon.symbol.symbol import Symbol


def _space(name: str, *prefixes: str, **own: Any) -> Space:
    return Space(name, *prefixes, make=function, **own)


# ---- random ----------------------------------------------------------------------------------------


def _draw(
    name: str, parameters: dict[str, Any], rename: Callable[[Any], Any] | None = None
) -> Callable[..., Any]:
    """Make a function whose distribution has numbers or symbols as parameters."""
    keys = list(parameters)

    def draw(
        *args: Any, shape: Any = None, dtype: Any = None, name: str | None = None,
        attr: Any = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        rest = list(args[len(keys) :])
        shape = rest.pop(0) if rest else shape
        dtype = rest.pop(0) if rest else dtype
        values = {**parameters, **dict(zip(keys, args, strict=False))}
        values.update({k: kwargs.pop(k) for k in keys if k in kwargs})
        kwargs.pop("ctx", None)
        symbolic = [k for k in keys if isinstance(values[k], Symbol)]
        if symbolic and len(symbolic) < len(keys):
            raise ValueError(
                f"sym.random.{public}: the parameters {', '.join(keys)} are all symbols or all "
                "numbers"
            )
        given = {k: v for k, v in {"shape": shape, "dtype": dtype, **kwargs}.items()
                 if v is not None and v != "None"}  # fmt: skip
        if symbolic:
            operands = [values[k] for k in keys]
            return make(f"_sample_{public}", operands, given, own_name=name, attr=attr)
        numbers = rename(values) if rename is not None else values
        return make(f"_random_{public}", [], {**numbers, **given}, own_name=name, attr=attr)

    public = name
    draw.__name__ = draw.__qualname__ = name
    draw.__doc__ = (
        f"Draw random numbers ({name.replace('_', ' ')} distribution).\n\n"
        f"Parameters\n----------\n{', '.join(keys)} : number or Symbol\n    Of the distribution.\n"
        "shape : tuple of int, optional\n    Of the result, or of each draw for symbols.\n"
        "dtype : dtype, optional\n    Of the result.\n\nReturns\n-------\nSymbol\n    The draws."
    )
    return draw


def _scale_to_rate(values: dict[str, Any]) -> dict[str, Any]:
    return {"lam": 1.0 / values["scale"]}


def _shuffle(data: Any, **kwargs: Any) -> Any:
    """Put the rows of an array into random order.

    Parameters
    ----------
    data : Symbol
        The array.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The shuffled array.
    """
    return make("_shuffle", [data], {}, own_name=kwargs.get("name"), attr=kwargs.get("attr"))


def _multinomial(
    data: Any, shape: Any = None, get_prob: bool = True, dtype: Any = "int32", **kwargs: Any
) -> Any:
    """Draw classes from rows of probabilities.

    Parameters
    ----------
    data : Symbol
        Probabilities, of the last axis.
    shape : int or tuple of int, optional
        How many draws of each row.
    get_prob : bool
        Return the log-probabilities of the draws too.
    dtype : dtype
        Of the classes.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        Classes, and log-probabilities.
    """
    attrs = {"get_prob": get_prob, "dtype": dtype}
    if shape is not None:
        attrs["shape"] = shape
    return make("_sample_multinomial", [data], attrs,
                own_name=kwargs.get("name"), attr=kwargs.get("attr"))  # fmt: skip


def _randint(low: int, high: int, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
    """Draw whole numbers.

    Parameters
    ----------
    low, high : int
        First number, and the one after the last.
    shape : tuple of int, optional
        Of the result.
    dtype : dtype, optional
        Of the result; int32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The draws.
    """
    attrs = {"low": low, "high": high, "shape": shape, "dtype": dtype}
    return make("_random_randint", [], {k: v for k, v in attrs.items() if v is not None},
                own_name=kwargs.get("name"), attr=kwargs.get("attr"))  # fmt: skip


_exponential = _draw("exponential", {"scale": 1}, _scale_to_rate)

random = _space(
    "sym.random", "_random_", "_sample_",
    uniform=_draw("uniform", {"low": 0, "high": 1}),
    normal=_draw("normal", {"loc": 0, "scale": 1}),
    gamma=_draw("gamma", {"alpha": 1, "beta": 1}),
    poisson=_draw("poisson", {"lam": 1}),
    negative_binomial=_draw("negative_binomial", {"k": 1, "p": 1}),
    generalized_negative_binomial=_draw("generalized_negative_binomial", {"mu": 1, "alpha": 1}),
    exponential=_exponential, randint=_randint, multinomial=_multinomial, shuffle=_shuffle,
)  # fmt: skip

contrib = _space("sym.contrib", "_contrib_", foreach=foreach, while_loop=while_loop, cond=cond)
linalg = _space("sym.linalg", "_linalg_", "linalg_")
image = _space("sym.image", "_image_")
op = _space("sym.op", "")
_internal = _space("sym._internal", "", "_")
sparse = _space("sym.sparse", "_sparse_", "")
