"""What layers share: operators on the caller's array class, deferred sizes, activations by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon.errors import DTypeError
from symgluon.ir.op import Op
from symgluon.ops.apply import apply
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state


def like(x: Any, result: Any) -> Any:
    """Give results of operators the array class and device of `x`.

    Parameters
    ----------
    x : array
        What the operators were applied to.
    result : array or tuple of arrays
        What they returned; views and cells get a handle of their own.

    Returns
    -------
    array or tuple of arrays
        The results, of the class of `x`.
    """
    if isinstance(result, tuple | list):
        return tuple(like(x, r) for r in result)
    if result._base is not None or result._owner is not None:
        result = wrap(result._content())
    result.__class__ = type(x)
    result._device = x._device
    return result


def call(function: Callable[..., Any], x: Any, *operands: Any, **attrs: Any) -> Any:
    """Apply a function of operators to `x`; the result is of the class of `x`.

    Parameters
    ----------
    function : callable
        Takes `x`, `operands` and `attrs`.
    x : array
        First operand.
    *operands : array or None
        Other operands.
    **attrs : object
        Attributes.

    Returns
    -------
    array or tuple of arrays
        What the function returns, of the class and on the device of `x`.

    Raises
    ------
    TypeError
        If `x` is no array.
    """
    if not isinstance(x, Array):
        raise TypeError(
            f"expected an array, received {type(x).__name__}; make one with mx.np.array(...)"
        )
    return like(x, function(x, *operands, **attrs))


def run(op: Op, x: Any, *operands: Any) -> Any:
    """Apply a bound operator with one result to `x`, as `call` does: the shortest way to it.

    Parameters
    ----------
    op : Op
        The operator, its attributes set.
    x : array
        First operand.
    *operands : array or None
        Other operands.

    Returns
    -------
    array
        The result, of the class and on the device of `x`.

    Raises
    ------
    TypeError
        If `x` is no array.
    """
    if not isinstance(x, Array):
        raise TypeError(
            f"expected an array, received {type(x).__name__}; make one with mx.np.array(...)"
        )
    result = apply(op, x, *operands)
    result.__class__ = type(x)
    result._device = x._device
    return result


def data(parameter: Any, x: Any) -> Any:
    """Return the cell of `parameter` on the device of `x`.

    Parameters
    ----------
    parameter : Parameter or None
        An absent one, such as the bias of a layer without, has no cell.
    x : array
        Data of the call.

    Returns
    -------
    array or None
        The cell.
    """
    return None if parameter is None else parameter._cell(x._device)


def need_float(layer: Any, x: Any) -> None:
    """Refuse integers where a layer computes fractions.

    Parameters
    ----------
    layer : Block
        The layer, for the message.
    x : array
        Data of the call.

    Raises
    ------
    DTypeError
        If `x` holds integers or booleans: results would be cut to whole numbers.
    """
    if x.dtype.kind in "iub":
        raise DTypeError(
            f"{type(layer).__name__} needs floating-point data, received {x.dtype}",
            hint='cast it first: x.astype("float32")',
        )


def zeros_of(layer: Any) -> Callable[..., Any]:
    """Return ``np.zeros``, or ``nd.zeros`` for a layer of MXNet 1.x where the flags say so."""
    if layer._scope is None or state.np_array:
        from symgluon import numpy

        return numpy.zeros
    from symgluon import ndarray

    return ndarray.zeros  # type: ignore[no-any-return]


_LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}


def check_layout(layout: str, rank: int, what: str) -> None:
    """Refuse layouts that have not `rank` spatial axes.

    Parameters
    ----------
    layout : str
        Letters of the axes, such as ``NCHW``.
    rank : int
        1, 2 or 3.
    what : str
        Name of the layer, for the message.

    Raises
    ------
    AssertionError
        As MXNet raises.
    """
    if layout not in _LAYOUTS[rank]:
        raise AssertionError(
            f"Only supports {' and '.join(map(repr, _LAYOUTS[rank]))} layout for now, {what} "
            f"received {layout!r}"
        )


def tuple_of(value: Any, rank: int, what: str) -> tuple[int, ...]:
    """Return a number for every axis, given so or as one number for all.

    Parameters
    ----------
    value : int or sequence of int
        What the user gave.
    rank : int
        Number of axes.
    what : str
        Name of the argument, for the message.

    Returns
    -------
    tuple of int
        `rank` numbers.

    Raises
    ------
    AssertionError
        If the length is wrong, as MXNet raises.
    """
    if isinstance(value, int):
        return (value,) * rank
    found = tuple(int(v) for v in value)
    if len(found) != rank:
        raise AssertionError(f"{what} must be a number or {rank} numbers, received {value!r}")
    return found
