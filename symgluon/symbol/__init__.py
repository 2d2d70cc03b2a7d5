"""MXNet's symbols (``mx.sym``): graphs that are composed first and given types later.

Every operator of the table is a function here; ``mx.sym.contrib``, ``linalg``, ``random``,
``image``, ``sparse``, ``op`` and ``_internal`` have those whose names carry a prefix.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from symgluon.formats.symbol_records import parse_symbol
from symgluon.ops.mx import table
from symgluon.symbol import control, random
from symgluon.symbol.arithmetic import hypot, maximum, minimum, power
from symgluon.symbol.create import create, function
from symgluon.symbol.executor import Executor
from symgluon.symbol.symbol import NotImplementedForSymbol, Symbol, load_records, var

__all__ = [
    "Executor", "Group", "NotImplementedForSymbol", "Symbol", "Variable", "arange", "contrib", "eye",
    "fromjson", "full", "hypot", "image", "linalg", "linspace", "load", "load_json", "maximum",
    "minimum", "ones", "op", "pow", "power", "random", "sparse", "var", "zeros",
]  # fmt: skip

Variable = var
pow = power


def Group(symbols: Sequence[Symbol]) -> Symbol:
    """Return a symbol with the outputs of several.

    Parameters
    ----------
    symbols : sequence of Symbol
        The symbols.

    Returns
    -------
    Symbol
        All their outputs.

    Raises
    ------
    TypeError
        For what is no symbol.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.sym.var("x")
    >>> mx.sym.Group([x, mx.sym.relu(x, name="r")]).list_outputs()
    ['x', 'r_output']
    """
    if not symbols or any(not isinstance(s, Symbol) for s in symbols):
        raise TypeError("Group: expected a list of symbols")
    return Symbol([entry for s in symbols for entry in s.entries])


def load(fname: str | os.PathLike[str]) -> Symbol:
    """Read a ``-symbol.json`` file of any MXNet version.

    Parameters
    ----------
    fname : str or path-like
        The file.

    Returns
    -------
    Symbol
        The symbol.

    Raises
    ------
    FormatError
        If it is damaged.
    """
    return load_records(parse_symbol(os.fspath(fname)))


def load_json(json_str: str) -> Symbol:
    """Read the text of a ``-symbol.json`` file.

    Parameters
    ----------
    json_str : str
        The text.

    Returns
    -------
    Symbol
        The symbol.

    Raises
    ------
    TypeError
        If it is no string.
    FormatError
        If it is damaged.

    Examples
    --------
    >>> import symgluon as mx
    >>> text = mx.sym.relu(mx.sym.var("x"), name="r").tojson()
    >>> mx.sym.load_json(text)
    <Symbol r>
    """
    if not isinstance(json_str, str):
        raise TypeError(f"load_json: expected text, received {type(json_str).__name__}")
    return load_records(parse_symbol(json_str.encode()))


fromjson = load_json


# ---- symbols without operands ------------------------------------------------------------------
def _made(op: str, attrs: dict[str, Any], kwargs: dict[str, Any]) -> Symbol:
    named = {k: kwargs.pop(k) for k in ("name", "attr") if k in kwargs}
    kwargs.pop("ctx", None)
    return create(op, (), {**attrs, **kwargs}, **named)


def zeros(shape: Any, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Return zeros.

    Parameters
    ----------
    shape : int or tuple of int
        The shape; 0: found by inference.
    dtype : dtype, optional
        float32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The symbol.
    """
    return _made("_zeros", {"shape": _tuple(shape), "dtype": dtype or "float32"}, kwargs)


def ones(shape: Any, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Return ones.

    Parameters
    ----------
    shape : int or tuple of int
        The shape.
    dtype : dtype, optional
        float32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The symbol.
    """
    return _made("_ones", {"shape": _tuple(shape), "dtype": dtype or "float32"}, kwargs)


def full(shape: Any, val: float, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Return an array of one number.

    Parameters
    ----------
    shape : int or tuple of int
        The shape.
    val : float
        The number.
    dtype : dtype, optional
        float32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The symbol.
    """
    attrs = {"shape": _tuple(shape), "value": float(val), "dtype": dtype or "float32"}
    return _made("_full", attrs, kwargs)


def arange(
    start: float, stop: float | None = None, step: float = 1.0, repeat: int = 1,
    infer_range: bool = False, name: str | None = None, dtype: Any = None,
) -> Symbol:  # fmt: skip
    """Return evenly spaced numbers.

    Parameters
    ----------
    start, stop, step : float
        First number, end (excluded), distance; one number is the end.
    repeat : int
        How often each is repeated.
    infer_range : bool
        Not supported here: the end is given.
    name : str, optional
        Name of the node.
    dtype : dtype, optional
        float32 if left out.

    Returns
    -------
    Symbol
        The symbol.
    """
    attrs = {"start": start, "stop": stop, "step": step, "repeat": repeat,
             "infer_range": infer_range, "dtype": dtype or "float32"}  # fmt: skip
    return create("_arange", (), attrs, name=name)


def linspace(
    start: float, stop: float, num: int, endpoint: bool = True, name: str | None = None,
    dtype: Any = None,
) -> Symbol:  # fmt: skip
    """Return `num` evenly spaced numbers.

    Parameters
    ----------
    start, stop : float
        First and last number.
    num : int
        How many.
    endpoint : bool
        Whether `stop` is one of them.
    name : str, optional
        Name of the node.
    dtype : dtype, optional
        float32 if left out.

    Returns
    -------
    Symbol
        The symbol.
    """
    attrs = {"start": start, "stop": stop, "num": num, "endpoint": endpoint,
             "dtype": dtype or "float32"}  # fmt: skip
    return create("_linspace", (), attrs, name=name)


def eye(N: int, M: int = 0, k: int = 0, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Return a matrix with ones on a diagonal.

    Parameters
    ----------
    N, M : int
        Rows and columns; M = 0: as many as rows.
    k : int
        The diagonal.
    dtype : dtype, optional
        float32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The symbol.
    """
    return _made("_eye", {"N": N, "M": M, "k": k, "dtype": dtype or "float32"}, kwargs)


def _tuple(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, int) else tuple(shape)


# ---- all operators -----------------------------------------------------------------------------
class _Space(SimpleNamespace):
    """Operators whose names begin with one of some prefixes."""

    def __init__(self, name: str, *prefixes: str, **own: Any) -> None:
        super().__init__(**own)
        self.__name__ = name
        self._prefixes = prefixes

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        for prefix in self._prefixes:
            if prefix + name in table():
                found = function(prefix + name, name)
                setattr(self, name, found)
                return found
        raise AttributeError(f"{self.__name__} has no operator {name!r}")

    def __dir__(self) -> list[str]:
        names = [n[len(p) :] for p in self._prefixes for n in table() if n.startswith(p)]
        return sorted({*self.__dict__, *names})


contrib = _Space(
    "sym.contrib",
    "_contrib_",
    foreach=control.foreach,
    while_loop=control.while_loop,
    cond=control.cond,
)
linalg = _Space("sym.linalg", "_linalg_", "linalg_")
image = _Space("sym.image", "_image_")
sparse = _Space("sym.sparse", "_sparse_", "")
op = _Space("sym.op", "")
_internal = _Space("sym._internal", "_", "")


def __getattr__(name: str) -> Any:
    if not name.startswith("__") and name in table():
        found = globals()[name] = function(name)
        return found
    raise AttributeError(f"module 'symgluon.symbol' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *table()})
