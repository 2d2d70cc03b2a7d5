"""`mx.npx`: neural network operators and switches that NumPy does not have."""
# ruff: noqa: F401  (the names are the module's public ones)

from __future__ import annotations

from typing import Any

from symgluon.device import (
    Device,
    cpu,
    cpu_pinned,
    current_device,
    gpu,
    gpu_memory_info,
    num_gpus,
)
from symgluon.numpy_extension.layers import *  # noqa: F403
from symgluon.numpy_extension.tensor import *  # noqa: F403
from symgluon.util import (
    get_cuda_compute_capability,
    is_np_array,
    is_np_default_dtype,
    is_np_shape,
    np_array,
    np_default_dtype,
    np_shape,
    reset_np,
    set_np,
    set_np_array,
    set_np_default_dtype,
    set_np_shape,
    use_np,
    use_np_array,
    use_np_default_dtype,
    use_np_shape,
)

current_context = current_device


def waitall() -> None:
    """Do nothing: results are there when a call returns."""


def Custom(*args: Any, op_type: str | None = None, **kwargs: Any) -> Any:
    """Call an operator that was registered with ``mx.operator.register``.

    Parameters
    ----------
    *args : array
        Its arguments, then its auxiliary states, which it may write to.
    op_type : str
        The name it is registered under.
    **kwargs : array, or object
        Arguments by name, and what the class of its properties takes.

    Returns
    -------
    array or list of array
        Its outputs.

    Raises
    ------
    AttributeValueError
        If there is no such operator, or it does not take the attributes or arrays.

    Notes
    -----
    Source: MXNet's ``mx.npx.Custom``.
    """
    from symgluon.numpy.multiarray import ndarray
    from symgluon.operator import call_custom

    return call_custom(args, {**kwargs, "op_type": op_type}, ndarray)


def __getattr__(name: str) -> Any:
    import importlib

    if name == "image":
        from symgluon.ndarray.front import function as make
        from symgluon.ndarray.spaces import Space
        from symgluon.numpy.multiarray import ndarray as cls

        space = globals()[name] = Space(
            "npx.image", "_image_", make=lambda op, public: make(op, cls, public)
        )
        return space
    if name == "random":
        try:
            return importlib.import_module(f"symgluon.numpy_extension.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"module 'symgluon.numpy_extension' has no {name!r}") from error
    if name in ("foreach", "while_loop", "cond"):
        module = importlib.import_module("symgluon.ops.control_flow")
        return getattr(module, name)
    from symgluon.ndarray.front import exists, function
    from symgluon.numpy.multiarray import ndarray

    for full in (f"_npx_{name}", f"_contrib_{name}", f"_npi_{name}", name):
        if not name.startswith("_") and exists(full):
            found = globals()[name] = function(full, ndarray, name)
            return found
    raise AttributeError(f"module 'symgluon.numpy_extension' has no attribute {name!r}")


def __dir__() -> list[str]:
    from symgluon.ops.mx import table

    return sorted({*globals(), *[n[5:] for n in table() if n.startswith("_npx_")]})
