"""Makers of elementwise functions: one operator each, with NumPy's ``out=`` and ``where=``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError
from symgluon.ir.dims import Dim
from symgluon.ir.op import Op, get_op
from symgluon.numpy.multiarray import as_array, dim_operand, ndarray
from symgluon.ops.apply import apply
from symgluon.ops.array import Array
from symgluon.ops.describe import binary_text, unary_text

_NUMBERS = (int, float, bool, np.generic)


_CASTINGS = ("no", "equiv", "safe", "same_kind", "unsafe")


class _KeywordError(AttributeValueError, NotImplementedError):
    """A keyword of NumPy's that means nothing here: a NotImplementedError in MXNet."""


def check_keywords(name: str, kwargs: dict[str, Any]) -> None:
    """Accept NumPy's keyword arguments only with the values that MXNet 2.0 takes.

    Parameters
    ----------
    name : str
        The function.
    kwargs : dict
        Its keyword arguments.

    Raises
    ------
    NotImplementedError
        For a `where` other than True or None, and other values that would change the result; it is
        a ValueError too.
    TypeError
        For an unknown keyword, or a value that NumPy does not know either.
    """
    for key, plain in (
        ("where", True), ("order", "K"), ("subok", True), ("casting", "same_kind"), ("dtype", None),
    ):  # fmt: skip
        given = kwargs.pop(key, None)
        if given is None or given is plain or (isinstance(given, str) and given == plain):
            continue
        if key == "casting" and given not in _CASTINGS:
            raise TypeError(
                f"{name}: casting is one of {', '.join(_CASTINGS)}, received {given!r}"
            )
        if key == "dtype":
            dtypes.resolve(given)
        raise _KeywordError(
            f"{name}: only {key}={plain!r} is supported",
            received=repr(given),
            hint='select with np.where, and cast with astype("...")',
        )
    if kwargs:
        raise TypeError(f"{name}() got unexpected arguments {', '.join(kwargs)}")


def deliver(result: Any, like: Any, out: Any) -> Any:
    """Return a result as an `ndarray`, or write it to another.

    Parameters
    ----------
    result : Array
        What the operator returned.
    like : array
        Gives the device.
    out : array or None
        Is written.

    Returns
    -------
    ndarray
        The result, or `out`.
    """
    if out is not None:
        from symgluon.numpy.multiarray import finish

        return finish(result, like, out)
    result.__class__ = ndarray
    device = like._device
    if device is not None:
        result._device = device
    return result


def unary(name: str, op_name: str = "") -> Callable[..., Any]:
    """Make an elementwise function of one operand; Python numbers go to NumPy.

    Parameters
    ----------
    name : str
        The function, as NumPy calls it.
    op_name : str
        Its operator, if that has another name.

    Returns
    -------
    callable
        The function; its docstring comes from the operator.
    """
    op_name = op_name or name
    instance: list[Op] = []

    def function(x: Any, out: Any = None, **kwargs: Any) -> Any:
        if kwargs:
            check_keywords(name, kwargs)
        if not isinstance(x, ndarray):
            if out is None and isinstance(x, _NUMBERS):
                return getattr(np, name)(x)
            x = as_array(x)
        if not instance:
            instance.append(get_op(op_name)())
        return deliver(apply(instance[0], x), x, out)

    return _named(function, name, unary_text(name, op_name))


def binary(name: str, op_name: str = "") -> Callable[..., Any]:
    """Make an elementwise function of two operands that broadcast; two numbers go to NumPy.

    Parameters
    ----------
    name : str
        The function, as NumPy calls it.
    op_name : str
        Its operator, if that has another name.

    Returns
    -------
    callable
        The function; its docstring comes from the operator.
    """
    op_name = op_name or name
    instance: list[Op] = []

    def function(x1: Any, x2: Any, out: Any = None, **kwargs: Any) -> Any:
        if kwargs:
            check_keywords(name, kwargs)
        if not (isinstance(x1, Array) and isinstance(x2, Array)):
            if out is None and isinstance(x1, _NUMBERS) and isinstance(x2, _NUMBERS):
                return getattr(np, name)(x1, x2)
            x1, x2 = _pair(x1, x2)
        if not instance:
            instance.append(get_op(op_name)())
        like = x1 if isinstance(x1, Array) else x2
        return deliver(apply(instance[0], x1, x2), like, out)

    return _named(function, name, binary_text(name, op_name))


def _pair(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Make operands of two values, at least one of them an array."""
    if not isinstance(x1, Array) and not isinstance(x1, _NUMBERS):
        x1 = _operand(x1, x2)
    if not isinstance(x2, Array) and not isinstance(x2, _NUMBERS):
        x2 = _operand(x2, x1)
    if not isinstance(x1, Array) and not isinstance(x2, Array):
        x1 = as_array(x1)
    return x1, x2


def _operand(value: Any, other: Any) -> Any:
    if isinstance(value, Dim) and isinstance(other, Array):
        return dim_operand(value, other.dtype)
    return as_array(value)


def _named(function: Callable[..., Any], name: str, text: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "symgluon.numpy"
    function.__doc__ = text
    return function
