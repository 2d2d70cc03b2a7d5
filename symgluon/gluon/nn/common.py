"""What layers share: operators on the caller's array class, deferred sizes, activations by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon.ir.op import Op
from symgluon.ops.apply import apply
from symgluon.ops.array import Array, wrap


def like(x: Any, result: Any) -> Any:
    """Give results of operators the array class (and device) of `x`."""
    if isinstance(result, tuple | list):
        return tuple(like(x, r) for r in result)
    if result._base is not None or result._owner is not None:
        result = wrap(result._content())
    result.__class__ = type(x)
    result._device = x._device
    return result


def call(function: Callable[..., Any], x: Any, *operands: Any, **attrs: Any) -> Any:
    """Apply a function of operators to `x`; the result is of the class of `x`.

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
    """Cell of `parameter` on the device of `x`; None for an absent parameter."""
    return None if parameter is None else parameter._cell(x._device)


_LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}


def check_layout(layout: str, rank: int, what: str) -> None:
    """Refuse layouts that have not `rank` spatial axes.

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
    """A number for every axis, or one number each.

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
