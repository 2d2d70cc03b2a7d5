"""`mx.sym.npx`: the operators of neural networks on symbols with NumPy's rules."""

from __future__ import annotations

from typing import Any

from symgluon.ndarray.spaces import Space
from symgluon.symbol.control import cond, foreach, while_loop
from symgluon.symbol.numpy import _as_numpy

_space = Space(
    "sym.npx", "_npx_", make=_as_numpy, foreach=foreach, while_loop=while_loop, cond=cond
)


def __getattr__(name: str) -> Any:
    return getattr(_space, name)
