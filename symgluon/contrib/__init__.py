"""Names of ``mx.contrib`` of MXNet 1.x."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["amp"]

_ELSEWHERE = {
    "nd": "symgluon.ndarray",
    "ndarray": "symgluon.ndarray",
    "sym": "symgluon.symbol",
    "symbol": "symgluon.symbol",
}


def __getattr__(name: str) -> Any:
    if name == "amp":
        return importlib.import_module("symgluon.contrib.amp")
    if name in _ELSEWHERE:
        return importlib.import_module(_ELSEWHERE[name]).contrib
    raise AttributeError(f"module 'symgluon.contrib' has no attribute {name!r}")
