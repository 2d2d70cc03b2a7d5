"""`mx.nd`: MXNet 1.x's arrays and operator functions (each operator name is a function)."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from symgluon.ndarray.ndarray import NDArray

#: NumPy's front end beside the operators: `F` of `hybrid_forward` has both
_FRONTS = {
    "np": "symgluon.numpy",
    "numpy": "symgluon.numpy",
    "npx": "symgluon.numpy_extension",
    "numpy_extension": "symgluon.numpy_extension",
}
_SPACES = ("contrib", "random", "linalg", "image", "op", "_internal", "sparse")


@functools.cache
def fluent(name: str) -> Callable[..., Any]:
    """Return the function of an operator, as a method of `NDArray` uses it."""
    from symgluon.ndarray.front import function

    return function(name, NDArray)


def __getattr__(name: str) -> Any:
    if name in _FRONTS:
        found: Any = importlib.import_module(_FRONTS[name])
    elif name in _SPACES:
        spaces = importlib.import_module("symgluon.ndarray.spaces")
        found = getattr(spaces, name)
    elif hasattr(own := importlib.import_module("symgluon.ndarray.functions"), name):
        found = getattr(own, name)
    else:
        from symgluon.ndarray.front import exists

        if name.startswith("__") or not exists(name):
            raise AttributeError(f"module 'symgluon.ndarray' has no attribute {name!r}")
        found = fluent(name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    from symgluon.ndarray import functions
    from symgluon.ops.mx import table

    public = [n for n in table() if not n.startswith("_")]
    return sorted({*globals(), *functions.__all__, *_SPACES, *public})
