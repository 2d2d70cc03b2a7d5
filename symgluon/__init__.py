"""symgluon: MXNet's Gluon on NumPy and ONNX Runtime.

``import symgluon as mx`` gives MXNet's names; submodules are loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from symgluon.device import (
    Context,
    Device,
    cpu,
    cpu_pinned,
    current_context,
    current_device,
    gpu,
    gpu_memory_info,
    num_gpus,
)
from symgluon.errors import MXNetError, SymgluonError

__version__ = "0.1.0"

__all__ = [
    "Context",
    "Device",
    "MXNetError",
    "SymgluonError",
    "cpu",
    "cpu_pinned",
    "current_context",
    "current_device",
    "gpu",
    "gpu_memory_info",
    "num_gpus",
]

#: attribute -> module that it is, loaded on first use
_MODULES = {
    "np": "symgluon.numpy",
    "numpy": "symgluon.numpy",
    "npx": "symgluon.numpy_extension",
    "numpy_extension": "symgluon.numpy_extension",
    "nd": "symgluon.ndarray",
    "ndarray": "symgluon.ndarray",
    "sym": "symgluon.symbol",
    "symbol": "symgluon.symbol",
    "init": "symgluon.initializer",
    "initializer": "symgluon.initializer",
    "mod": "symgluon.module",
    "viz": "symgluon.visualization",
    "context": "symgluon.device",
    "device": "symgluon.device",
    "base": "symgluon.base",
    "metric": "symgluon.gluon.metric",
    "error": "symgluon.errors",
    **{
        name: f"symgluon.{name}"
        for name in (
            "amp",
            "attribute",
            "autograd",
            "backends",
            "callback",
            "cli",
            "compat",
            "config",
            "contrib",
            "distributed",
            "dtypes",
            "errors",
            "executor",
            "formats",
            "gluon",
            "image",
            "io",
            "ir",
            "kvstore",
            "lr_scheduler",
            "model",
            "module",
            "name",
            "onnx",
            "operator",
            "ops",
            "optimizer",
            "passes",
            "profiler",
            "quantize",
            "random",
            "recordio",
            "registry",
            "serve",
            "test_utils",
            "util",
            "visualization",
        )
    },
}


#: functions that MXNet has here too
_FROM_UTIL = frozenset(
    (
        "is_np_array", "is_np_shape", "np_array", "np_shape", "set_np_shape", "use_np",
        "use_np_array", "use_np_shape",
    )
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _FROM_UTIL:
        found = globals()[name] = getattr(importlib.import_module("symgluon.util"), name)
        return found
    if name == "AttrScope":
        found = globals()[name] = importlib.import_module("symgluon.attribute").AttrScope
        return found
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'symgluon' has no attribute {name!r}")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise AttributeError(f"module 'symgluon' has no attribute {name!r}") from None
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_FROM_UTIL, "AttrScope"})
