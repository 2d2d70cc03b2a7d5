"""Mathematical functions: elementwise ones, sums and products, clipping and rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.numpy import ufunc
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops.apply import F
from symgluon.ops.array import Array

# ---- elementwise, one operand -------------------------------------------------------------------
#: function -> operator (of the same name where not given)
UNARY = {
    name: op_name or name
    for name, _, op_name in (
        entry.partition(":")
        for entry in [
            "abs",
            "absolute:abs",
            "fabs:abs",
            "negative",
            "sign",
            "exp",
            "expm1",
            "exp2",
            "log",
            "log2",
            "log10",
            "log1p",
            "sqrt",
            "cbrt",
            "square",
            "reciprocal",
            "sin",
            "cos",
            "tan",
            "arcsin",
            "arccos",
            "arctan",
            "sinh",
            "cosh",
            "tanh",
            "arcsinh",
            "arccosh",
            "arctanh",
            "acos:arccos",
            "acosh:arccosh",
            "asin:arcsin",
            "asinh:arcsinh",
            "atan:arctan",
            "atanh:arctanh",
            "degrees",
            "radians",
            "rad2deg:degrees",
            "deg2rad:radians",
            "ceil",
            "floor",
            "trunc",
            "fix:trunc",
            "rint",
            "logical_not",
            "isfinite",
            "isinf",
            "isnan",
            "isposinf",
            "isneginf",
            "invert",
            "bitwise_not:invert",
            "bitwise_invert:invert",
        ]
    )
}
BINARY = {
    name: op_name or name
    for name, _, op_name in (
        entry.partition(":")
        for entry in [
            "add",
            "subtract",
            "multiply",
            "divide:true_divide",
            "true_divide",
            "floor_divide",
            "mod",
            "remainder:mod",
            "fmod",
            "power",
            "pow:power",
            "maximum",
            "minimum",
            "fmax",
            "fmin",
            "hypot",
            "arctan2",
            "atan2:arctan2",
            "copysign",
            "ldexp",
            "logaddexp",
            "gcd",
            "lcm",
            "bitwise_and",
            "bitwise_or",
            "bitwise_xor",
            "left_shift",
            "bitwise_left_shift:left_shift",
            "right_shift",
            "bitwise_right_shift:right_shift",
            "logical_and",
            "logical_or",
            "logical_xor",
            "equal",
            "not_equal",
            "less",
            "less_equal",
            "greater",
            "greater_equal",
        ]
    )
}
for _name, _op in UNARY.items():
    globals()[_name] = ufunc.unary(_name, _op)
for _name, _op in BINARY.items():
    globals()[_name] = ufunc.binary(_name, _op)

__all__ = [
    "around", "clip", "cumprod", "cumsum", "diff", "divmod", "ediff1d", "max", "amax", "min",
    "amin", "nan_to_num", "nansum", "nanprod", "positive", "prod", "product", "real", "round",
    "round_", "sum", *UNARY, *BINARY,
]  # fmt: skip


def positive(x: Any, out: Any = None, **kwargs: Any) -> Any:
    """Return a copy of `x`.

    Parameters
    ----------
    x : array of any shape and dtype
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape of the operand.

    Notes
    -----
    Source: MXNet's ``mx.np.positive``.
    """
    return finish(F.identity(as_array(x)), x, out)


def real(val: Any) -> Any:
    """Return `val`: arrays are real."""
    return as_array(val)


def divmod(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Return floored quotient and remainder.

    Parameters
    ----------
    x1, x2 : array of any shape and dtype

    Returns
    -------
    tuple of two arrays
        Of the shape to which both broadcast.

    Notes
    -----
    Source: MXNet's ``mx.np.divmod``.
    """
    space: Any = globals()
    return space["floor_divide"](x1, x2), space["mod"](x1, x2)


def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None) -> Any:
    """Limit the values of `a` to ``[a_min, a_max]`` (None: no limit).

    Parameters
    ----------
    a : array of any shape and dtype
    a_min : number or array, optional
        Lower limit.
    a_max : number or array, optional
        Upper limit.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape of the operand.

    Raises
    ------
    ValueError
        Without limits.

    Notes
    -----
    Source: MXNet's ``mx.np.clip``; ONNX Clip.
    """
    if a_min is None and a_max is None:
        raise ValueError("array_clip: must set either max or min")
    a = as_array(a)
    if not isinstance(a_min, Array) and not isinstance(a_max, Array):
        result = F.clip(
            a,
            a_min=None if a_min is None else float(a_min),
            a_max=None if a_max is None else float(a_max),
        )
        return finish(result, a, out)
    if a_min is not None:
        a = F.maximum(a, a_min)
    return finish(a if a_max is None else F.minimum(a, a_max), a, out)


def around(x: Any, decimals: int = 0, out: Any = None, **kwargs: Any) -> Any:
    """Round to `decimals` places, halves to even.

    Parameters
    ----------
    x : array of any shape and dtype
    decimals : int
        Number of places.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape of the operand.

    Notes
    -----
    Source: MXNet's ``mx.np.around``.
    """
    ufunc.check_keywords("around", kwargs)
    if isinstance(x, int | float):
        return np.around(x, decimals)
    x = as_array(x)
    return finish(F.around(x, decimals=int(decimals)), x, out)


round = round_ = around


def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Replace NaN and infinities by numbers (infinities by the largest ones of the dtype).

    Parameters
    ----------
    x : array of any shape and dtype
    copy : bool
        Leave `x` as it is; otherwise it is written.
    nan : number
        In place of NaN.
    posinf : number, optional
        In place of infinity.
    neginf : number, optional
        In place of minus infinity.

    Returns
    -------
    array
        Shape of the operand.

    Notes
    -----
    Source: MXNet's ``mx.np.nan_to_num``.
    """
    ufunc.check_keywords("nan_to_num", kwargs)
    x = as_array(x)
    result = F.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
    if copy:
        return finish(result, x)
    x._assign(result)
    return x


# ---- reductions ---------------------------------------------------------------------------------
def keep(keepdims: Any) -> bool:
    """Return `keepdims` as a bool (NumPy's and MXNet's "no value" are False)."""
    return keepdims is not None and keepdims is not np._NoValue and bool(keepdims)


def axes(axis: Any, rank: int = 1) -> Any:
    """Return `axis` as an operator takes it; a number (`rank` 0) has the axis 0, as in NumPy."""
    if not rank and isinstance(axis, int) and axis in (0, -1):
        return None
    return tuple(axis) if isinstance(axis, list | tuple) else axis


def reduce(name: str, a: Any, axis: Any, keepdims: Any, out: Any = None, dtype: Any = None) -> Any:
    """Reduce with the operator `name`; `dtype` is that of the arithmetic and the result."""
    a = as_array(a)
    x = a if dtype is None or a.dtype == np.dtype(dtype) else F.cast(a, dtype=dtype)
    return finish(getattr(F, name)(x, axis=axes(axis, a.ndim), keepdims=keep(keepdims)), a, out)


def sum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = None,
    initial: Any = None, where: Any = None,
) -> Any:  # fmt: skip
    """Sum over `axis` (all axes by default); bools are counted in int64.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    dtype : dtype, optional
        Of the arithmetic and the result.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.
    initial : number, optional
        Where the reduction starts.
    where : bool, optional
        True or None; masks are not supported.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.sum``; ONNX ReduceSum.
    """
    return accumulate("sum", a, axis, dtype, out, keepdims, initial, where)


def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = None, where: Any = None,
) -> Any:  # fmt: skip
    """Multiply over `axis` (all axes by default).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    dtype : dtype, optional
        Of the arithmetic and the result.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.
    initial : number, optional
        Where the reduction starts.
    where : bool, optional
        True or None; masks are not supported.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.prod``; ONNX ReduceProd.
    """
    return accumulate("prod", a, axis, dtype, out, keepdims, initial, where)


def accumulate(
    name: str, a: Any, axis: Any, dtype: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    """Reduce with an operator that has NumPy's `dtype` and `initial`."""
    if where is not None:
        ufunc.check_keywords(name, {"where": where})
    a = as_array(a)
    function = getattr(F, name)
    initial = None if initial is None or initial is np._NoValue else float(initial)
    result = function(
        a, axis=axes(axis, a.ndim), keepdims=keep(keepdims), dtype=dtype, initial=initial
    )
    return finish(result, a, out)


product = prod


def max(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
    where: Any = None,
) -> Any:  # fmt: skip
    """Return the largest element over `axis` (all axes by default).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.
    initial : number, optional
        Where the reduction starts.
    where : bool, optional
        True or None; masks are not supported.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.max``; ONNX ReduceMax.
    """
    ufunc.check_keywords("max", {"where": where})
    result = reduce("max", a, axis, keepdims)
    return finish(result if initial is None else F.maximum(result, initial), a, out)


def min(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
    where: Any = None,
) -> Any:  # fmt: skip
    """Return the smallest element over `axis` (all axes by default).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.
    initial : number, optional
        Where the reduction starts.
    where : bool, optional
        True or None; masks are not supported.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.min``; ONNX ReduceMin.
    """
    ufunc.check_keywords("min", {"where": where})
    result = reduce("min", a, axis, keepdims)
    return finish(result if initial is None else F.minimum(result, initial), a, out)


amax, amin = max, min


def nansum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = None,
           **kwargs: Any) -> Any:  # fmt: skip
    """Sum over `axis`, taking NaN as 0.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    dtype : dtype, optional
        Of the arithmetic and the result.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.nansum``.
    """
    return reduce("nansum", a, axis, keepdims, out, dtype)


def nanprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = None,
            **kwargs: Any) -> Any:  # fmt: skip
    """Multiply over `axis`, taking NaN as 1.

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    dtype : dtype, optional
        Of the arithmetic and the result.
    out : array, optional
        Gets the result, in its own dtype.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.nanprod``.
    """
    return reduce("nanprod", a, axis, keepdims, out, dtype)


def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Return running sums along `axis` (of the flattened array by default).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int, optional
        Axis; the flattened array if left out.
    dtype : dtype, optional
        Of the arithmetic and the result; int64 for bools.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape of `a`; 1-d without `axis`.

    Notes
    -----
    Source: MXNet's ``mx.np.cumsum``; ONNX CumSum.
    """
    return _cumulate("cumsum", a, axis, dtype, out)


def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Return running products along `axis` (of the flattened array by default).

    Parameters
    ----------
    a : array of any shape and dtype
    axis : int, optional
        Axis; the flattened array if left out.
    dtype : dtype, optional
        Of the arithmetic and the result; int64 for bools.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape of `a`; 1-d without `axis`.

    Notes
    -----
    Source: MXNet's ``mx.np.cumprod``.
    """
    return _cumulate("cumprod", a, axis, dtype, out)


def _cumulate(name: str, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    a = as_array(a)
    x = F.cast(a, dtype=dtype) if dtype is not None else a
    if dtype is None and a.dtype == dtypes.bool_:
        x = F.cast(a, dtype="int64")
    if axis is None:
        x, axis = F.reshape(x, shape=(-1,)), 0
    return finish(getattr(F, name)(x, axis=axis), a, out)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return the n-th differences of neighbours along `axis`.

    Parameters
    ----------
    a : array of any shape and dtype
    n : int
        How often differences are taken.
    axis : int
        Axis, of any sign.
    prepend : number or array, optional
        Put before `a`.
    append : number or array, optional
        Put after `a`.

    Returns
    -------
    array
        Smaller by `n` along `axis`.

    Notes
    -----
    Source: MXNet's ``mx.np.diff``.
    """
    a = as_array(a)
    parts = [a if p is a else _edge(p, a, axis) for p in (prepend, a, append) if p is not None]
    x = F.concatenate(*parts, axis=axis) if len(parts) > 1 else a
    axis = axis % x.ndim
    lead = (slice(None),) * axis
    for _ in range(n):
        x = F.subtract(
            F.index(x, index=(*lead, slice(1, None))), F.index(x, index=(*lead, slice(None, -1)))
        )
    return finish(F.identity(x) if n == 0 else x, a)


def _edge(value: Any, a: Any, axis: int) -> Any:
    """Return what is put before or after `a` along `axis`; a number fills one place."""
    value = as_array(value)
    if value.dtype != a.dtype:
        value = F.cast(value, dtype=a.dtype)
    if value.ndim:
        return value
    shape = list(a.shape)
    shape[axis] = 1
    return F.broadcast_to(value, shape=tuple(shape))


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Return the differences of neighbours of the flattened array, with values around them.

    Parameters
    ----------
    ary : array of any shape and dtype
    to_end : number or array, optional
        Put at the end.
    to_begin : number or array, optional
        Put at the beginning.

    Returns
    -------
    array (n,)
        Of the dtype of `ary`.

    Notes
    -----
    Source: MXNet's ``mx.np.ediff1d``.
    """
    ary = as_array(ary)
    parts: list[Any] = [diff(F.reshape(ary, shape=(-1,)))]
    if to_begin is not None:
        parts.insert(0, F.reshape(F.cast(as_array(to_begin), dtype=ary.dtype), shape=(-1,)))
    if to_end is not None:
        parts.append(F.reshape(F.cast(as_array(to_end), dtype=ary.dtype), shape=(-1,)))
    return finish(F.concatenate(*parts, axis=0), ary)
