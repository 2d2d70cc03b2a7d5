"""`mx.io`: batches of arrays from memory and from files."""

from __future__ import annotations

import importlib
from typing import Any

from symgluon.io.batch import DataBatch, DataDesc, DataIter
from symgluon.io.iterators import NDArrayIter, PrefetchingIter, ResizeIter

__all__ = [
    "CSVIter", "DataBatch", "DataDesc", "DataIter", "ImageRecordIter", "MNISTIter", "MXDataIter",
    "NDArrayIter", "PrefetchingIter", "ResizeIter",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("symgluon.io.files"), name)
    raise AttributeError(f"module 'symgluon.io' has no attribute {name!r}")
