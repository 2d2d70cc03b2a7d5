"""`mx.np`: NumPy's functions on MXNet arrays, recorded by autograd and traced by `hybridize`."""
# ruff: noqa: F401  (the names are the module's public ones)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as _np

from symgluon.dtypes import bool_
from symgluon.numpy import fallback, linalg, multiarray
from symgluon.numpy import math as _math
from symgluon.numpy.creation import *  # noqa: F403
from symgluon.numpy.fallback import through_numpy
from symgluon.numpy.grids import *  # noqa: F403
from symgluon.numpy.joining import *  # noqa: F403
from symgluon.numpy.logic import *  # noqa: F403
from symgluon.numpy.manipulation import *  # noqa: F403
from symgluon.numpy.math import *  # noqa: F403
from symgluon.numpy.multiarray import METHODS, ndarray
from symgluon.numpy.products import *  # noqa: F403
from symgluon.numpy.ranges import *  # noqa: F403
from symgluon.numpy.rearranging import *  # noqa: F403
from symgluon.numpy.sorting import *  # noqa: F403
from symgluon.numpy.statistics import *  # noqa: F403

pi, e, euler_gamma = _np.pi, _np.e, _np.euler_gamma
inf = PINF = _np.inf
nan = NaN = NAN = _np.nan
NINF, PZERO, NZERO = -_np.inf, 0.0, -0.0
newaxis = None
float16, float32, float64 = (_np.dtype(f"float{n}") for n in (16, 32, 64))
int8, int16, int32, int64 = (_np.dtype(f"int{n}") for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (_np.dtype(f"uint{n}") for n in (8, 16, 32, 64))
bool = bool_
dtype, finfo, iinfo, ufunc_errors = _np.dtype, _np.finfo, _np.iinfo, _np.errstate
boolean_dtypes = [bool_]
floating_dtypes = [float16, float32, float64]
integer_dtypes = [int8, int16, int32, int64, uint8, uint16, uint32, uint64]
numeric_dtypes = integer_dtypes + floating_dtypes
set_printoptions = _np.set_printoptions


def result_type(*arrays_and_dtypes: Any) -> Any:
    """Return the dtype that arrays, dtypes and numbers give together, by MXNet's promotion.

    Parameters
    ----------
    *arrays_and_dtypes : array, dtype or number
        What is combined.

    Returns
    -------
    dtype
        The promoted one.

    Examples
    --------
    >>> import symgluon as mx
    >>> str(mx.np.result_type(mx.np.int32, mx.np.float16))
    'float16'
    """
    from symgluon import dtypes

    kinds: list[Any] = []
    scalars: list[Any] = []
    for x in arrays_and_dtypes:
        if isinstance(x, int | float) and not isinstance(x, type):
            scalars.append(x)
        else:
            kinds.append(dtypes.resolve(getattr(x, "dtype", x)))
    target = dtypes.promote(*kinds) if kinds else dtypes.resolve(type(scalars[0]))
    for scalar in scalars:
        target = dtypes.scalar_type(target, scalar)
    return target


def __getattr__(name: str) -> Any:
    if name == "random":
        import importlib

        return importlib.import_module("symgluon.numpy.random")
    if name in fallback.NAMES or name in fallback.RENAMED:
        found = globals()[name] = through_numpy(name)
        return found
    raise AttributeError(f"module 'symgluon.numpy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *fallback.NAMES, "random"})


# ---- methods of arrays --------------------------------------------------------------------------
#: functions that are methods too, the array being their first argument
_METHODS = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "broadcast_to",
    "clip",
    "copy",
    "cumsum",
    "cumprod",
    "diagonal",
    "dot",
    "expand_dims",
    "flip",
    "max",
    "mean",
    "min",
    "nonzero",
    "prod",
    "repeat",
    "round",
    "sort",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "tile",
    "trace",
    "var",
    "abs",
    "exp",
    "log",
    "sqrt",
    "square",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arccosh",
    "arctanh",
    "floor",
    "ceil",
    "trunc",
    "fix",
    "rint",
    "sign",
    "expm1",
    "log1p",
    "log2",
    "log10",
    "cbrt",
    "reciprocal",
    "degrees",
    "radians",
    "nansum",
    "nanprod",
    "diag",
]


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__, method.__doc__ = function.__name__, function.__doc__
    return method


for _name in _METHODS:
    METHODS[_name] = _method(globals()[_name])
METHODS["ravel"] = _method(globals()["ravel"])
del _name
