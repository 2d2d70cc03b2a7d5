"""Switches between MXNet's two front ends, and small helpers of `mx.util`.

The flags are thread-local; they only choose what parameters, readers and layers of MXNet 1.x give
(`np.ndarray` or `nd.NDArray`).  Operators never read them (``docs/semantics.md``, dialects).
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from symgluon import driver, dtypes
from symgluon.device import Device, gpu_memory_info, num_gpus
from symgluon.ops.state import state

T = TypeVar("T")


# ---- flags -------------------------------------------------------------------------------------
def is_np_shape() -> bool:
    """Whether shapes have NumPy's meaning: () is a scalar, 0 an empty axis."""
    return state.np_shape


def is_np_array() -> bool:
    """Whether Gluon gives `mx.np` arrays."""
    return state.np_array


def is_np_default_dtype() -> bool:
    """Whether float64 and int64 are the default types."""
    return dtypes.is_np_float64()


def set_np_shape(active: bool) -> bool:
    """Switch NumPy's meaning of shapes on or off, as `active` says; returns the old flag."""
    before = state.np_shape
    state.np_shape = bool(active)
    return before


def set_np_array(active: bool) -> bool:
    """Switch Gluon to `mx.np` arrays or back, as `active` says; returns the old flag."""
    before = state.np_array
    state.np_array = bool(active)
    return before


def set_np_default_dtype(is_np_default_dtype: bool = True) -> bool:
    """Make float64 and int64 the default types, or MXNet's float32.

    Parameters
    ----------
    is_np_default_dtype : bool
        Whether to follow NumPy.

    Returns
    -------
    bool
        The old flag.
    """
    return dtypes.set_np_float64(is_np_default_dtype)


def set_np(shape: bool = True, array: bool = True, dtype: bool = False) -> None:
    """Switch to NumPy's semantics of shapes, arrays and (optionally) default types.

    Parameters
    ----------
    shape : bool
        () is a scalar and 0 an empty axis.
    array : bool
        Gluon gives `mx.np` arrays.
    dtype : bool
        float64 and int64 are the default types.

    Raises
    ------
    ValueError
        For arrays without NumPy's shapes.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.util.set_np()
    >>> mx.util.is_np_array(), mx.util.is_np_shape()
    (True, True)
    >>> mx.util.reset_np()
    >>> mx.util.is_np_array()
    False
    """
    if array and not shape:
        raise ValueError(
            "NumPy Shape semantics is required in using NumPy array semantics. "
            "use_np_shape can be used independently."
        )
    set_np_shape(shape)
    set_np_array(array)
    set_np_default_dtype(dtype)


def reset_np() -> None:
    """Switch all of `set_np` off."""
    set_np(shape=False, array=False, dtype=False)


class _Flag(AbstractContextManager[None]):
    """Set one flag inside a scope (re-entrant); also a decorator."""

    def __init__(self, setter: Callable[[bool], bool], active: bool) -> None:
        self._setter = setter
        self._active = active
        self._saved: list[bool] = []

    def __enter__(self) -> None:
        self._saved.append(self._setter(self._active))

    def __exit__(self, *exc: object) -> None:
        self._setter(self._saved.pop())


def np_shape(active: bool = True) -> _Flag:
    """Scope with (`active`) or without NumPy's meaning of shapes."""
    return _Flag(set_np_shape, active)


def np_array(active: bool = True) -> _Flag:
    """Scope in which Gluon gives `mx.np` arrays, or does not.

    Parameters
    ----------
    active : bool
        Which.

    Returns
    -------
    context manager
        Re-entrant; also a decorator.

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.util.np_array():
    ...     print(mx.util.is_np_array())
    True
    """
    return _Flag(set_np_array, active)


def np_default_dtype(active: bool = True) -> _Flag:
    """Scope with (`active`) or without float64 and int64 as default types."""
    return _Flag(set_np_default_dtype, active)


def _decorate(subject: Any, scope: Callable[[], _Flag], which: str) -> Any:
    """Run a function, or all methods of a class, inside `scope`."""
    if inspect.isclass(subject):
        for name, member in list(vars(subject).items()):
            if inspect.isfunction(member):
                setattr(subject, name, _decorate(member, scope, which))
            elif isinstance(member, property):
                get, put, delete = (
                    None if f is None else _decorate(f, scope, which)
                    for f in (member.fget, member.fset, member.fdel)
                )
                setattr(subject, name, property(get, put, delete, member.__doc__))
        return subject
    if not callable(subject):
        raise TypeError(f"use_np_{which} can only decorate classes and callable objects")

    @functools.wraps(subject)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with scope():
            return subject(*args, **kwargs)

    return inside


def use_np_shape(func: Any) -> Any:
    """Run `func`, or the methods of a class, with NumPy's meaning of shapes."""
    return _decorate(func, np_shape, "shape")


def use_np_array(func: Any) -> Any:
    """Run `func`, or the methods of a class, with Gluon giving `mx.np` arrays."""
    return _decorate(func, np_array, "array")


def use_np_default_dtype(func: Any) -> Any:
    """Run `func`, or the methods of a class, with float64 as default type."""
    return _decorate(func, np_default_dtype, "default_dtype")


def use_np(func: Any) -> Any:
    """Run `func`, or the methods of a class, with NumPy's shapes and arrays; a decorator."""
    return use_np_shape(use_np_array(func))


# ---- helpers -----------------------------------------------------------------------------------
def set_module(module: str) -> Callable[[T], T]:
    """Decorator that sets ``__module__`` to `module`."""

    def decorate(subject: T) -> T:
        if module:
            subject.__module__ = module  # type: ignore[attr-defined]
        return subject

    return decorate


def wrap_ctx_to_device_func(func: Callable[..., T]) -> Callable[..., T]:
    """Let `func`, which has the argument `device`, also take it as `ctx`."""

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> T:
        if "ctx" in kwargs:
            kwargs["device"] = kwargs.pop("ctx")
        return func(*args, **kwargs)

    return wrapped


def default_array(source_array: Any, device: Any = None, dtype: Any = None) -> Any:
    """Return values as the array class of the flags: `np.ndarray` or `nd.NDArray`.

    Parameters
    ----------
    source_array : array, or nested list of numbers
        The values.
    device : Device, optional
        Where; the current one if left out.
    dtype : dtype, optional
        That of the values if they have one, else the default one.

    Returns
    -------
    array
        The array.
    """
    if state.np_array:
        from symgluon.numpy.creation import array as np_array_function

        return np_array_function(source_array, dtype=dtype, device=device)
    from symgluon.ndarray import array

    return array(source_array, ctx=device, dtype=dtype)


def dtype_from_number(number: Any) -> Any:
    """Return the dtype of a Python number under the flags.

    Parameters
    ----------
    number : bool, int or float
        The number.

    Returns
    -------
    dtype
        bool, int64, or the default float.

    Examples
    --------
    >>> import symgluon as mx
    >>> str(mx.util.dtype_from_number(1.5)), str(mx.util.dtype_from_number(2))
    ('float32', 'int64')
    """
    if isinstance(number, bool):
        return dtypes.bool_
    if isinstance(number, int):
        return dtypes.int64
    return dtypes.default_float()


def getenv(name: str) -> str | None:
    """Return the environment variable `name`, None if it is not set."""
    return os.environ.get(name)


def setenv(name: str, value: str | None) -> None:
    """Set an environment variable, or remove it.

    Parameters
    ----------
    name : str
        The variable.
    value : str or None
        None removes it.
    """
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def get_gpu_count() -> int:
    """Return the number of usable GPUs."""
    return num_gpus()


def get_gpu_memory(gpu_dev_id: int) -> tuple[int, int]:
    """Return free and total memory of a GPU; see `device.gpu_memory_info`.

    Parameters
    ----------
    gpu_dev_id : int
        Number of the GPU.

    Returns
    -------
    tuple of int
        Bytes.

    Raises
    ------
    MXNetError
        If there is no such GPU.
    """
    return gpu_memory_info(gpu_dev_id)


def get_cuda_compute_capability(device: Device) -> int:
    """Return the compute capability of a GPU: 90 for 9.0.

    Parameters
    ----------
    device : Device
        The GPU.

    Returns
    -------
    int
        Ten times the major version, plus the minor version.

    Raises
    ------
    ValueError
        For a device that is no GPU.
    MXNetError
        If there is no such GPU.
    """
    if device.device_type != "gpu":
        raise ValueError(f"the compute capability of {device} cannot be asked: it is no GPU")
    return driver.compute_capability(device.device_id)
