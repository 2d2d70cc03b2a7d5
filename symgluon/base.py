"""Names of ``mxnet.base`` that code written for MXNet imports: errors, kinds of types, text.

What belongs to MXNet's C interface (handles, ``check_call``, buffers) does not exist here.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from symgluon.errors import MXNetError

__all__ = [
    "MXNetError",
    "NotImplementedForSymbol",
    "NotSupportedForSparseNDArray",
    "data_dir",
    "data_dir_default",
    "integer_types",
    "numeric_types",
    "py_str",
    "string_types",
]

#: MXNet's default dtype
mx_real_t = np.float32
#: kinds of Python and NumPy values, for ``isinstance``
integer_types = (int, np.integer)
numeric_types = (float, int, np.generic)
string_types = (str,)


class _NotFor(MXNetError):
    what = ""

    def __init__(self, function: Any, alias: str | None = None, *args: Any) -> None:
        name = getattr(function, "__name__", str(function))
        text = f"Function {name}" + (f" (namely operator {alias!r})" if alias else "")
        if args:
            text += f" with arguments ({', '.join(type(a).__name__ for a in args)})"
        super().__init__(f"{text} is not {self.what}.")


class NotImplementedForSymbol(_NotFor):
    """A function of arrays was called on a symbol.

    Parameters
    ----------
    function : callable
        The function.
    alias : str, optional
        The operator it stands for.
    args
        What it was called with; their types are shown.
    """

    what = "implemented for Symbol and only available in NDArray"


class NotSupportedForSparseNDArray(_NotFor):
    """A function of dense arrays was called on a sparse one; arguments as the class above."""

    what = "supported for SparseNDArray and only available in NDArray"


def py_str(x: bytes) -> str:
    """Return text from bytes."""
    return x.decode("utf-8")


def data_dir_default() -> str:
    """Return the folder for downloaded files: mxnet in ``%APPDATA%``, elsewhere ``~/.mxnet``."""
    if os.name == "nt":
        return os.path.join(os.environ.get("APPDATA", os.path.expanduser("~")), "mxnet")
    return os.path.join(os.path.expanduser("~"), ".mxnet")


def data_dir() -> str:
    """Return the folder for downloaded files: ``MXNET_HOME``, else :func:`data_dir_default`."""
    return os.getenv("MXNET_HOME", data_dir_default())


def _as_list(x: Any) -> list[Any] | tuple[Any, ...]:
    """Return a list or tuple as it is, anything else as a list of one."""
    return x if isinstance(x, list | tuple) else [x]
