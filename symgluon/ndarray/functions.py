"""Functions of `mx.nd` that are more than an operator by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.device import Device, current_device, usable
from symgluon.errors import AttributeValueError
from symgluon.ndarray import arithmetic
from symgluon.ndarray.dlpack import content_of
from symgluon.ndarray.front import call
from symgluon.ndarray.ndarray import NDArray
from symgluon.ops.apply import F
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state

_ARITHMETIC = {
    **{name: name for name in arithmetic.FORMS},
    "true_divide": "divide",
}
for _public, _name in _ARITHMETIC.items():
    globals()[_public] = arithmetic.function(_name)

__all__ = [
    "Custom", "NDArray", "arange", "array", "concatenate", "empty", "eye", "from_dlpack", "from_numpy",
    "full", "histogram", "linspace", "load", "load_frombuffer", "moveaxis", "onehot_encode",
    "ones", "save", "split_v2", "to_dlpack_for_read", "to_dlpack_for_write", "waitall",
    "zeros", *_ARITHMETIC,
]  # fmt: skip


# ---- creation -----------------------------------------------------------------------------------
def constant(numbers: np.ndarray, ctx: Device | None = None) -> Any:
    """Return an array of `numbers`, owned by the caller no more; a constant inside a trace."""
    region = state.region
    if region is not None:
        result = wrap(region.graph.add_constant(numbers), NDArray)
    else:
        result = wrap(numbers, NDArray)
        result._owned = True
    device = current_device() if ctx is None else ctx
    if device.device_id or device.device_type != "cpu":
        result._device = usable(device)
    return result


def array(source_array: Any, ctx: Device | None = None, dtype: Any = None) -> Any:
    """Return an array with the content of `source_array`.

    Parameters
    ----------
    source_array : array, or nested list of numbers
        The values.
    ctx : Device, optional
        Of the result; the current one if left out.
    dtype : dtype, optional
        By default that of an array, float32 for everything else.

    Returns
    -------
    array
        A new one.

    Raises
    ------
    TypeError
        For lists of unequal lengths and the like.

    Notes
    -----
    Source: MXNet's ``mx.nd.array``.
    """
    if isinstance(source_array, Array):
        result = F.cast(source_array, dtype=source_array.dtype if dtype is None else dtype)
        result.__class__ = NDArray
        result._device = source_array._device if ctx is None else usable(ctx)
        return result
    if isinstance(source_array, list | tuple):
        source_array = [a.asnumpy() if isinstance(a, NDArray) else a for a in source_array]
    try:
        numbers = np.array(source_array).astype(dtypes.resolve(dtype or "float32"), copy=False)
    except (TypeError, ValueError) as error:
        raise TypeError("source_array must be array like object") from error
    return constant(numbers, ctx)


def _filled(value: float, shape: Any, ctx: Any, dtype: Any, kwargs: dict[str, Any]) -> Any:
    out = kwargs.pop("out", None)
    ctx = kwargs.pop("device", ctx)
    if kwargs.pop("stype", "default") not in ("default", None):
        raise AttributeValueError("sparse arrays are not supported", expected="stype='default'")
    dims = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    attrs = {"shape": dims, "dtype": dtype or "float32"}
    if state.region is None and out is None:
        numbers = np.full(dims, value, dtypes.resolve(attrs["dtype"]))
        return constant(numbers, ctx)
    return call("_full", [], {**attrs, "value": value}, NDArray, out=out, device=ctx)


def zeros(shape: Any, ctx: Any = None, dtype: Any = None, stype: Any = None, **kwargs: Any) -> Any:
    """Return an array of zeros.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result; symbolic dimensions of a trace are taken too.
    ctx : Device, optional
        Of the result; the current one if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    stype : str, optional
        ``default``; sparse arrays are an AttributeValueError.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.nd.zeros``.
    """
    return _filled(0, shape, ctx, dtype, {**kwargs, "stype": stype})


def ones(shape: Any, ctx: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
    """Return an array of ones.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result; symbolic dimensions of a trace are taken too.
    ctx : Device, optional
        Of the result; the current one if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.nd.ones``.
    """
    return _filled(1, shape, ctx, dtype, kwargs)


def empty(shape: Any, ctx: Any = None, dtype: Any = None, stype: Any = None) -> Any:
    """Return an array of zeros: memory is never uninitialised here.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result; symbolic dimensions of a trace are taken too.
    ctx : Device, optional
        Of the result; the current one if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.
    stype : str, optional
        ``default``; sparse arrays are an AttributeValueError.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.nd.empty``.
    """
    return _filled(0, shape, ctx, dtype, {"stype": stype})


def full(shape: Any, val: float, ctx: Any = None, dtype: Any = "float32", out: Any = None) -> Any:
    """Return an array of `shape` full of `val`.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result; symbolic dimensions of a trace are taken too.
    val : number
        What it is full of.
    ctx : Device, optional
        Of the result; the current one if left out.
    dtype : dtype, optional
        Of the result; int64 for whole numbers, bool for bools, else float32, if left out.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.nd.full``.
    """
    return _filled(val, shape, ctx, dtype, {"out": out} if out is not None else {})


def arange(
    start: float, stop: float | None = None, step: float = 1.0, repeat: int = 1,
    infer_range: bool | None = None, ctx: Any = None, dtype: Any = "float32",
) -> Any:  # fmt: skip
    """Return evenly spaced values of ``[start, stop)``, each `repeat` times.

    Parameters
    ----------
    start : number
        First value.
    stop : number, optional
        End, left out itself; without it `start` is the end.
    step : number
        Distance of neighbours.
    repeat : int
        How often each value comes.
    infer_range : bool, optional
        Accepted, without effect.
    ctx : Device, optional
        Of the result; the current one if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.

    Returns
    -------
    array (n,)
        The values.

    Notes
    -----
    Source: MXNet's ``mx.nd.arange``.
    """
    start, stop = (0, start) if stop is None else (start, stop)
    values = np.repeat(np.arange(start, stop, step), repeat)
    return constant(values.astype(dtypes.resolve(dtype)), ctx)


def linspace(
    start: float, stop: float, num: int, endpoint: bool = True, ctx: Any = None,
    dtype: Any = "float32",
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
    ctx : Device, optional
        Of the result; the current one if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.

    Returns
    -------
    array (num, ...), or (array, step)
        The values.

    Notes
    -----
    Source: MXNet's ``mx.nd.linspace``.
    """
    return constant(np.linspace(start, stop, num, endpoint).astype(dtypes.resolve(dtype)), ctx)


def eye(N: int, M: int = 0, k: int = 0, ctx: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
    """Return ones on the diagonal `k` of an (N, M) array of zeros.

    Parameters
    ----------
    N : int
        Number of rows.
    M : int
        Number of columns; `N` for 0.
    k : int
        Number of the diagonal; above the main one if positive.
    ctx : Device, optional
        Of the result; the current one if left out.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.

    Returns
    -------
    array (N, M)
        The matrix.

    Notes
    -----
    Source: MXNet's ``mx.nd.eye``.
    """
    return constant(np.eye(N, M or None, k, dtypes.resolve(dtype or "float32")), ctx)


def from_numpy(ndarray: np.ndarray, zero_copy: bool = True) -> Any:
    """Return an array with the content of a NumPy array (copied: others may write to it).

    Parameters
    ----------
    ndarray : numpy.ndarray
        The values.
    zero_copy : bool
        Accepted; the content is copied.

    Returns
    -------
    array
        The result.

    Notes
    -----
    Source: MXNet's ``mx.nd.from_numpy``.
    """
    return constant(np.array(ndarray))


def from_dlpack(dlpack: Any) -> Any:
    """Return an array with the content of any object that speaks DLPack (copied).

    Parameters
    ----------
    dlpack : object
        Has ``__dlpack__``, or is a capsule of data on the CPU, which can be read once.

    Returns
    -------
    array
        The result.

    Notes
    -----
    Source: MXNet's ``mx.nd.from_dlpack``.
    """
    return constant(content_of(dlpack))


def to_dlpack_for_read(data: NDArray) -> Any:
    """Return a DLPack capsule of a copy of `data`."""
    return data.__dlpack__()


def to_dlpack_for_write(data: NDArray) -> Any:
    """Return a DLPack capsule of a copy of `data`."""
    return data.__dlpack__()


# ---- operators in Python ------------------------------------------------------------------------
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
    Source: MXNet's ``mx.nd.Custom``.
    """
    from symgluon.operator import call_custom

    return call_custom(args, {**kwargs, "op_type": op_type}, NDArray)


# ---- joining and moving -------------------------------------------------------------------------
def concatenate(arrays: Sequence[Any], axis: int = 0, always_copy: bool = True) -> Any:
    """Join arrays along an axis.

    Parameters
    ----------
    arrays : sequence of array
        Of shapes that fit.
    axis : int
        Axis, of any sign.
    always_copy : bool
        False: a single array is returned itself.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.nd.concatenate``.
    """
    if not always_copy and len(arrays) == 1:
        return arrays[0]
    return call("Concat", list(arrays), {"dim": axis}, NDArray)


def moveaxis(tensor: Any, source: Any, destination: Any) -> Any:
    """Move axes to new places; the others keep their order.

    Parameters
    ----------
    tensor : array of any shape and dtype
    source : int or tuple of int
        Where the axes are.
    destination : int or tuple of int
        Where they go.

    Returns
    -------
    array
        A copy, of the same dtype.

    Raises
    ------
    ValueError
        If the numbers of axes differ.

    Notes
    -----
    Source: MXNet's ``mx.nd.moveaxis``.
    """
    from symgluon.ir.types import normalize_axes

    ndim = tensor.ndim
    sources, targets = normalize_axes(source, ndim), normalize_axes(destination, ndim)
    if len(sources) != len(targets):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = [i for i in range(ndim) if i not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return tensor.transpose(tuple(order))


def split_v2(ary: Any, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False) -> Any:
    """Split into equal parts, or at indices.

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.
    axis : int
        Axis, of any sign.
    squeeze_axis : bool
        Remove the axis, of size 1, from the parts.

    Returns
    -------
    list of array
        The parts.

    Notes
    -----
    Source: MXNet's ``mx.nd.split_v2``.
    """
    attrs: dict[str, Any] = {"axis": axis, "squeeze_axis": squeeze_axis}
    if isinstance(indices_or_sections, int):
        attrs.update(indices=(), sections=indices_or_sections)
    else:
        attrs.update(indices=(0, *indices_or_sections), sections=0)
    return call("_split_v2", [ary], attrs, NDArray)


def onehot_encode(indices: Any, out: Any) -> Any:
    """Write the one-hot rows of `indices` to `out`.

    Parameters
    ----------
    indices : array (N,)
        Class numbers.
    out : array (N, C)
        Gets the rows.

    Returns
    -------
    array
        The result.

    Notes
    -----
    Source: MXNet's ``mx.nd.onehot_encode``.
    """
    return call("one_hot", [indices], {"depth": out.shape[1]}, NDArray, out=out)


def histogram(a: Any, bins: Any = 10, range: Any = None) -> tuple[Any, Any]:
    """Return counts of the values in bins, and the edges of the bins.

    Parameters
    ----------
    a : array of any shape and dtype
    bins : int or array
        Number of bins, or their edges.
    range : tuple of two numbers, optional
        Ends of the bins; those of the data if left out.

    Returns
    -------
    tuple of array (n,) and array (n + 1,)
        Counts and edges.

    Notes
    -----
    Source: MXNet's ``mx.nd.histogram``.
    """
    edges = bins.asnumpy() if isinstance(bins, NDArray) else bins
    counts, found = np.histogram(a.asnumpy(), edges, range)
    return constant(counts.astype(np.int64)), constant(found.astype(a.dtype))


def waitall() -> None:
    """Do nothing: results are there when a call returns."""


# ---- files --------------------------------------------------------------------------------------
def save(fname: Any, data: Any) -> None:
    """Write arrays to a file in MXNet's binary format: one, a list, or a dict.

    Parameters
    ----------
    fname : str or path
        The file.
    data : array, list, or dict of str to array
        What is written.

    Notes
    -----
    Source: MXNet's ``mx.nd.save``.
    """
    from symgluon.formats.params import save_params

    if isinstance(data, Array):
        data = [data]
    if isinstance(data, dict):
        numbers: Any = {k: v.numpy_content() for k, v in data.items()}
    else:
        numbers = [v.numpy_content() for v in data]
    save_params(fname, numbers, "list")


def load(fname: Any) -> Any:
    """Read the arrays of a file of any of MXNet's formats: a list, or a dict with names.

    Parameters
    ----------
    fname : str or path
        The file.

    Returns
    -------
    array, list of array, or dict of str to array
        As the file has it.

    Notes
    -----
    Source: MXNet's ``mx.nd.load``.
    """
    from symgluon.formats.params import load_params

    return _arrays(load_params(fname))


def load_frombuffer(buf: Any) -> Any:
    """Read arrays from the content of a file.

    Parameters
    ----------
    buf : bytes
        The content.

    Returns
    -------
    list of array, or dict of str to array
        As the content has it.

    Notes
    -----
    Source: MXNet's ``mx.nd.load_frombuffer``.
    """
    from symgluon.formats.params import load_params

    return _arrays(load_params(bytes(buf)))


def _arrays(found: Any) -> Any:
    if isinstance(found, dict):
        return {k: constant(np.array(v)) for k, v in found.items()}
    return [constant(np.array(v)) for v in found]
