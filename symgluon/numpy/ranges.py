"""Functions of `mx.np` that make ranges, unit matrices and windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError
from symgluon.ir.dims import Dim
from symgluon.numpy.creation import constant, on, pick_device
from symgluon.numpy.multiarray import finish
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "arange", "blackman", "eye", "hamming", "hanning", "identity", "indices", "linspace",
    "logspace", "tri",
]  # fmt: skip


# ---- ranges ------------------------------------------------------------------------------------
def arange(
    start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, device: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Return evenly spaced values of ``[start, stop)``; float32 by default, as in MXNet.

    Parameters
    ----------
    start : number
        First value.
    stop : number, optional
        End, left out itself; without it `start` is the end.
    step : number
        Distance of neighbours.
    dtype : dtype, optional
        Of the result; float32 (int64 with ``npx.set_np(dtype=True)``) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (n,)
        The values.

    Notes
    -----
    Source: MXNet's ``mx.np.arange``.
    """
    device = pick_device(device, kwargs, "arange")
    if stop is None:
        start, stop = 0, start
    kind = dtypes.default_int() if dtype is None else dtypes.resolve(dtype)
    if any(isinstance(v, Dim) for v in (start, stop, step)):
        return on(finish(F.arange(start=start, stop=stop, step=step, dtype=kind)), device)
    bounds = [v.numpy_content().item() if isinstance(v, Array) else v for v in (start, stop, step)]
    return constant(np.arange(*bounds).astype(kind, copy=False), device)


class _CountError(AttributeValueError, TypeError):
    """A number of values that is none: an MXNetError in MXNet, a TypeError in NumPy."""


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, device: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return `num` evenly spaced values from `start` to `stop`.

    Parameters
    ----------
    start : number or array
        First value.
    stop : number or array
        Last value.
    num : int
        Number of values.
    endpoint : bool
        Whether `stop` is the last value.
    retstep : bool
        Return the distance of neighbours too.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    axis : int
        Axis of the values, where the ends are arrays.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (num, ...), or (array, step)
        The values.

    Raises
    ------
    AttributeValueError
        If `num` is no whole number from 0 on.

    Notes
    -----
    Source: MXNet's ``mx.np.linspace``.
    """
    device = pick_device(device, kwargs, "linspace")
    if not isinstance(num, int | np.integer) or num < 0:
        raise _CountError("linspace: num", expected="a whole number >= 0", received=repr(num))
    ends: list[Any] = [v.numpy_content() if isinstance(v, Array) else v for v in (start, stop)]
    values, step = np.linspace(ends[0], ends[1], num, endpoint, retstep=True, axis=axis)
    result = constant(values.astype(dtypes.resolve(dtype)), device)
    return (result, step) if retstep else result


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0, device: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return `num` values evenly spaced on a log scale, ``base ** start`` to ``base ** stop``.

    Parameters
    ----------
    start : number
        Exponent of the first value.
    stop : number
        Exponent of the last one.
    num : int
        Number of values.
    endpoint : bool
        Whether `stop` is the last value.
    base : number
        Base of the powers.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    axis : int
        Axis of the values, where the ends are arrays.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (num, ...)
        The values.

    Notes
    -----
    Source: MXNet's ``mx.np.logspace``.
    """
    device = pick_device(device, kwargs, "logspace")
    values = np.logspace(start, stop, num, endpoint, base, axis=axis)
    return constant(values.astype(dtypes.resolve(dtype)), device)


def eye(
    N: Any, M: Any = None, k: int = 0, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Any:
    """Return ones on the diagonal `k` of an (N, M) array of zeros.

    Parameters
    ----------
    N : int
        Number of rows.
    M : int, optional
        Number of columns; `N` if left out.
    k : int
        Number of the diagonal; above the main one if positive.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (N, M)
        The matrix.

    Notes
    -----
    Source: MXNet's ``mx.np.eye``.
    """
    device = pick_device(device, kwargs, "eye")
    rows, columns = int(N), None if M is None else int(M)
    return constant(np.eye(rows, columns, int(k), dtypes.resolve(dtype)), device)


def identity(n: int, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Return the (n, n) identity matrix.

    Parameters
    ----------
    n : int
        Number of rows and columns.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (n, n)
        The matrix.

    Notes
    -----
    Source: MXNet's ``mx.np.identity``.
    """
    return eye(n, None, 0, dtype, pick_device(device, kwargs, "identity"))


def tri(
    N: int, M: int | None = None, k: int = 0, dtype: Any = None, device: Any = None, **kwargs: Any
) -> Any:
    """Return ones at and below diagonal `k`, zeros above.

    Parameters
    ----------
    N : int
        Number of rows.
    M : int, optional
        Number of columns; `N` if left out.
    k : int
        Number of the diagonal; above the main one if positive.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (N, M)
        The matrix.

    Notes
    -----
    Source: MXNet's ``mx.np.tri``.
    """
    device = pick_device(device, kwargs, "tri")
    return constant(np.tri(N, M, k, dtypes.resolve(dtype)), device)


def indices(dimensions: Sequence[int], dtype: Any = None, device: Any = None, **kw: Any) -> Any:
    """Return the indices of a grid: shape ``(len(dimensions), *dimensions)``; int64 by default.

    Parameters
    ----------
    dimensions : sequence of int
        Shape of the grid.
    dtype : dtype, optional
        Of the result; int64 if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (len(dimensions), *dimensions)
        The indices.

    Notes
    -----
    Source: MXNet's ``mx.np.indices``.
    """
    device = pick_device(device, kw, "indices")
    return constant(np.indices(tuple(dimensions), np.dtype(dtype or "int64")), device)


def _window(function: Any, M: int, dtype: Any, device: Any) -> Any:
    return constant(function(M).astype(dtypes.resolve(dtype)), device)


def hanning(M: int, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Return the Hanning window of `M` points.

    Parameters
    ----------
    M : int
        Number of points.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (M,)
        The window.

    Notes
    -----
    Source: MXNet's ``mx.np.hanning``.
    """
    return _window(np.hanning, M, dtype, pick_device(device, kwargs, "hanning"))


def hamming(M: int, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Return the Hamming window of `M` points.

    Parameters
    ----------
    M : int
        Number of points.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (M,)
        The window.

    Notes
    -----
    Source: MXNet's ``mx.np.hamming``.
    """
    return _window(np.hamming, M, dtype, pick_device(device, kwargs, "hamming"))


def blackman(M: int, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
    """Return the Blackman window of `M` points.

    Parameters
    ----------
    M : int
        Number of points.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    device : Device, optional
        Of the result; the current one if left out.

    Returns
    -------
    array (M,)
        The window.

    Notes
    -----
    Source: MXNet's ``mx.np.blackman``.
    """
    return _window(np.blackman, M, dtype, pick_device(device, kwargs, "blackman"))
