"""`mx.sym`: graphs of MXNet's operators, composed first and computed later."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from symgluon.symbol.symbol import Symbol as Symbol

_SPACES = ("contrib", "linalg", "random", "image", "op", "_internal", "sparse")
_MODULES = {"np": "numpy", "numpy": "numpy", "npx": "numpy_extension",
            "numpy_extension": "numpy_extension"}  # fmt: skip


@functools.cache
def fluent(name: str) -> Callable[..., Any]:
    """Return the function of an operator, as a method of `Symbol` uses it.

    Parameters
    ----------
    name : str
        MXNet's name of the operator.

    Returns
    -------
    callable
        The function.
    """
    functions = importlib.import_module("symgluon.symbol.functions")
    if name == "split_v2":
        return functions.split_v2  # type: ignore[no-any-return]
    from symgluon.symbol.compose import function

    return function(name)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'symgluon.symbol' has no attribute {name!r}")
    if name in _SPACES:
        found = getattr(importlib.import_module("symgluon.symbol.spaces"), name)
    elif name in _MODULES:
        found = importlib.import_module(f"symgluon.symbol.{_MODULES[name]}")
    elif hasattr(own := importlib.import_module("symgluon.symbol.functions"), name):
        found = getattr(own, name)
    else:
        from symgluon.ops.mx import table

        if name not in table():
            raise AttributeError(f"module 'symgluon.symbol' has no attribute {name!r}")
        found = fluent(name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    from symgluon.ops.mx import table
    from symgluon.symbol import functions

    public = [n for n in table() if not n.startswith("_")]
    return sorted({*globals(), *functions.__all__, *_SPACES, *_MODULES, *public})
