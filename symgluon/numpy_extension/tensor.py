"""Picking, reshaping and arithmetic that NumPy does not have, with MXNet 2.0's signatures."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from symgluon.ndarray.dlpack import content_of
from symgluon.ndarray.front import call
from symgluon.numpy.creation import constant
from symgluon.numpy.multiarray import as_array, finish, ndarray
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [
    "add_n", "arange_like", "batch_dot", "broadcast_like", "constraint_check", "from_dlpack",
    "from_numpy", "gamma", "index_add", "index_update", "load", "nonzero", "one_hot", "pick",
    "relu", "reshape", "save", "savez", "seed", "sigmoid", "stop_gradient",
    "to_dlpack_for_read", "to_dlpack_for_write", "topk",
]  # fmt: skip


def _call(name: str, inputs: list[Any], **attrs: Any) -> Any:
    arrays = [x if isinstance(x, ndarray) else as_array(x) for x in inputs]
    return call(name, arrays, {k: v for k, v in attrs.items() if v is not None}, ndarray)


# ---- elementwise --------------------------------------------------------------------------------
def relu(data: Any, out: Any = None, **kwargs: Any) -> Any:
    """Return ``max(data, 0)``.

    Parameters
    ----------
    data : array of any shape and dtype
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape of the operand.

    Notes
    -----
    Source: MXNet's ``mx.npx.relu``; ONNX Relu.
    """
    data = as_array(data)
    return finish(F.relu(data), data, out)


def sigmoid(data: Any, out: Any = None, **kwargs: Any) -> Any:
    """Return ``1 / (1 + exp(-data))``.

    Parameters
    ----------
    data : array of any shape and dtype
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape of the operand.

    Notes
    -----
    Source: MXNet's ``mx.npx.sigmoid``; ONNX Sigmoid.
    """
    data = as_array(data)
    return finish(F.sigmoid(data), data, out)


def gamma(data: Any, out: Any = None, **kwargs: Any) -> Any:
    """Return the gamma function of `data`.

    Parameters
    ----------
    data : array of any shape and dtype
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape of the operand.

    Notes
    -----
    Source: MXNet's ``mx.npx.gamma``.
    """
    data = as_array(data)
    return finish(F.gamma(data), data, out)


def stop_gradient(data: Any, out: Any = None, **kwargs: Any) -> Any:
    """Return `data`, through which nothing is differentiated.

    Parameters
    ----------
    data : array of any shape and dtype
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Shape of the operand.

    Notes
    -----
    Source: MXNet's ``mx.npx.stop_gradient``.
    """
    data = as_array(data)
    return finish(F.stop_gradient(data), data, out)


def add_n(*args: Any, **kwargs: Any) -> Any:
    """Return the sum of arrays of equal shape.

    Parameters
    ----------
    *args : array

    Returns
    -------
    array
        Of the same shape.

    Notes
    -----
    Source: MXNet's ``mx.npx.add_n``.
    """
    arrays = list(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else list(args)
    return _call("add_n", arrays)


def constraint_check(x: Any, msg: str = "Constraint violated.") -> Any:
    """Return True if all elements of `x` are true.

    Parameters
    ----------
    x : array, bool
    msg : str
        Text of the error.

    Returns
    -------
    array (), bool
        True.

    Raises
    ------
    ValueError
        With `msg` if an element is not true.

    Notes
    -----
    Source: MXNet's ``mx.npx.constraint_check``.
    """
    if not as_array(x).numpy_content("constraint_check").all():
        raise ValueError(msg)
    return constant(np.asarray(True))


# ---- products and shapes ------------------------------------------------------------------------
def batch_dot(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False,
    forward_stype: str = "default", **kwargs: Any,
) -> Any:  # fmt: skip
    """Return the matrix product of each pair of matrices of a batch.

    Parameters
    ----------
    a : array (N, m, k)
    b : array (N, k, n)
    transpose_a : bool
        Take (N, k, m).
    transpose_b : bool
        Take (N, n, k).
    forward_stype : str
        Accepted, without effect.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.npx.batch_dot``.
    """
    return _call("batch_dot", [a, b], transpose_a=transpose_a, transpose_b=transpose_b)


def reshape(a: Any, newshape: Any, reverse: bool = False, order: str = "C", **kwargs: Any) -> Any:
    """Return `a` in a new shape with MXNet 2.0's codes.

    -1 is inferred, -2 copies a dimension, -3 skips one of size 1, -4 copies all that remain, -5
    merges two, -6 splits one into the two that follow; `reverse` reads them from the right.

    Parameters
    ----------
    a : array of any shape and dtype
    newshape : int or tuple of int
        Sizes and codes.
    reverse : bool
        Read them from the right.
    order : str
        ``C``.

    Returns
    -------
    array
        A copy, of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.npx.reshape``.
    """
    shape = (newshape,) if isinstance(newshape, int) else tuple(newshape)
    return _call("_npx_reshape", [a], newshape=shape, reverse=reverse or None)


def broadcast_like(lhs: Any, rhs: Any, lhs_axes: Any = None, rhs_axes: Any = None) -> Any:
    """Broadcast `lhs` to the shape of `rhs` (along pairs of axes).

    Parameters
    ----------
    lhs : array of any shape and dtype
    rhs : array of any shape and dtype
        Gives the shape.
    lhs_axes : tuple of int, optional
        Axes of `lhs` that are broadcast; all if left out.
    rhs_axes : tuple of int, optional
        Axes of `rhs` that give the sizes.

    Returns
    -------
    array
        Dtype of `lhs`.

    Notes
    -----
    Source: MXNet's ``mx.npx.broadcast_like``.
    """
    return _call("broadcast_like", [lhs, rhs], lhs_axes=lhs_axes, rhs_axes=rhs_axes)


def arange_like(
    data: Any, start: float = 0.0, step: float = 1.0, repeat: int = 1, ctx: Any = None,
    axis: int | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return ``start, start + step, ...`` in the shape of `data`, or as long as its `axis`.

    Parameters
    ----------
    data : array of any shape and dtype
    start : float
        First value.
    step : float
        Distance of neighbours.
    repeat : int
        How often each value comes.
    ctx : Device, optional
        Accepted, without effect.
    axis : int, optional
        Axis whose size counts; all elements if left out.

    Returns
    -------
    array
        Dtype of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.arange_like``.
    """
    return _call("_contrib_arange_like", [data], start=start, step=step, repeat=repeat, axis=axis)


# ---- picking ------------------------------------------------------------------------------------
def one_hot(
    data: Any, depth: int | None = None, on_value: float = 1.0, off_value: float = 0.0,
    dtype: Any = "float32", **kwargs: Any,
) -> Any:  # fmt: skip
    """Return rows of `depth` with `on_value` at the index, else `off_value`.

    Parameters
    ----------
    data : array, int
        Indices.
    depth : int
        Length of a row.
    on_value : float
        At the index.
    off_value : float
        Elsewhere.
    dtype : dtype, optional
        Of the result; float32 (or the default float) if left out.

    Returns
    -------
    array (..., depth)
        Shape of `data` and one more axis.

    Notes
    -----
    Source: MXNet's ``mx.npx.one_hot``.
    """
    return _call(
        "one_hot", [data], depth=depth, on_value=on_value, off_value=off_value, dtype=dtype
    )


def pick(data: Any, index: Any, axis: Any = -1, mode: str = "clip", keepdims: bool = False) -> Any:
    """Return, for each position, the element that `index` names along `axis`.

    Parameters
    ----------
    data : array of any shape and dtype
    index : array
        Indices; the shape of `data` without `axis`, or with size 1.
    axis : int
        Axis, of any sign.
    mode : str
        ``clip`` or ``wrap``: what happens to indices out of range.
    keepdims : bool
        Keep the axis, with size 1.

    Returns
    -------
    array
        Dtype of `data`.

    Notes
    -----
    Source: MXNet's ``mx.npx.pick``.
    """
    attrs = {"axis": axis, "mode": mode, "keepdims": keepdims}
    return call("pick", [as_array(data), as_array(index)], attrs, ndarray)


def topk(
    data: Any, axis: Any = -1, k: int = 1, ret_typ: str = "indices", is_ascend: bool = False,
    dtype: Any = "float32", **kwargs: Any,
) -> Any:  # fmt: skip
    """Return the `k` largest (or smallest) elements along `axis`: indices, value, mask or both.

    Parameters
    ----------
    data : array of any shape and dtype
    axis : int, optional
        Axis, of any sign; None: the flattened array.
    k : int
        How many; 0: all.
    ret_typ : str
        ``indices``, ``value``, ``mask`` or ``both``.
    is_ascend : bool
        Take the smallest.
    dtype : dtype
        Of the indices.

    Returns
    -------
    array, or list of values and indices
        Of size `k` along `axis`.

    Notes
    -----
    Source: MXNet's ``mx.npx.topk``; ONNX TopK.
    """
    attrs = {"axis": axis, "k": k, "ret_typ": ret_typ, "is_ascend": is_ascend, "dtype": dtype}
    return call("topk", [as_array(data)], attrs, ndarray)


def index_update(a: Any, ind: Any, val: Any) -> Any:
    """Return a copy of `a` with the elements at the coordinates `ind` (M, N) replaced by `val`.

    Parameters
    ----------
    a : array of any shape and dtype
    ind : array (M, N), int
        Coordinates along the first M axes.
    val : array or number
        New elements, or slices.

    Returns
    -------
    array
        Shape and dtype of `a`.

    Notes
    -----
    Source: MXNet's ``mx.npx.index_update``.
    """
    a, index, value = _operands(a, ind, val)
    return finish(F.index_update(a, index, value), a)


def index_add(a: Any, ind: Any, val: Any) -> Any:
    """Return `a` with `val` added at the coordinates `ind` (M, N).

    Parameters
    ----------
    a : array of any shape and dtype
    ind : array (M, N), int
        Coordinates along the first M axes.
    val : array or number
        What is added.

    Returns
    -------
    array
        Shape and dtype of `a`.

    Notes
    -----
    Source: MXNet's ``mx.npx.index_add``.
    """
    a, index, value = _operands(a, ind, val)
    return finish(F.index_add(a, index, value), a)


def _operands(a: Any, ind: Any, val: Any) -> tuple[Any, Any, Any]:
    a = as_array(a)
    index = ind if isinstance(ind, Array) else as_array(np.array(ind, np.int64))
    return a, index, F.cast(as_array(val), dtype=a.dtype)


def nonzero(a: Any) -> Any:
    """Return the coordinates of the elements that are not zero, one row each (int64).

    Parameters
    ----------
    a : array of any shape and dtype

    Returns
    -------
    array (n, ndim), int64
        The coordinates.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.npx.nonzero``.
    """
    return finish(F.nonzero(as_array(a)))


# ---- files and other libraries ------------------------------------------------------------------
def save(file: Any, arr: Any) -> None:
    """Write one array (an ``.npy`` file), or a dict or list of arrays (an ``.npz`` file).

    Parameters
    ----------
    file : str, path or file
        The file.
    arr : array, list, or dict of str to array
        What is written.

    Notes
    -----
    Source: MXNet's ``mx.npx.save``.
    """
    from symgluon.formats.atomic import write_bytes
    from symgluon.formats.params import save_params

    if isinstance(arr, dict | list | tuple):
        save_params(file, _numbers(arr))
        return
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, as_array(arr).asnumpy(), allow_pickle=False)
    write_bytes(file, buffer.getvalue())


def savez(file: Any, *args: Any, **kwds: Any) -> None:
    """Write arrays to an ``.npz`` file, named ``arr_0``, ... or by keyword.

    Parameters
    ----------
    file : str, path or file
        The file.
    *args : array of any shape and dtype
        Named ``arr_0`` and so on.
    **kwds : array of any shape and dtype
        Named so.

    Notes
    -----
    Source: MXNet's ``mx.npx.savez``.
    """
    named = {f"arr_{i}": a for i, a in enumerate(args)}
    save(file, {**named, **kwds})


def load(file: Any) -> Any:
    """Read a file of any of MXNet's formats: one array, a list, or a dict by name."""
    from symgluon.formats.params import load_params

    found = load_params(file)
    if isinstance(found, dict):
        return {k: constant(np.array(v)) for k, v in found.items()}
    arrays = [constant(np.array(v)) for v in found]
    return arrays[0] if _is_npy(file) else arrays


def _is_npy(file: Any) -> bool:
    with open(file, "rb") as stream:
        return stream.read(6) == b"\x93NUMPY"


def _numbers(arr: Any) -> Any:
    if isinstance(arr, dict):
        return {k: as_array(v).asnumpy() for k, v in arr.items()}
    if isinstance(arr, list | tuple):
        return [as_array(v).asnumpy() for v in arr]
    return as_array(arr).asnumpy()


def from_numpy(ndarray: Any, zero_copy: bool = True) -> Any:
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
    Source: MXNet's ``mx.npx.from_numpy``.
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
    Source: MXNet's ``mx.npx.from_dlpack``.
    """
    return constant(content_of(dlpack))


def to_dlpack_for_read(data: Any) -> Any:
    """Return a DLPack capsule of a copy of `data`."""
    return data.__dlpack__()


def to_dlpack_for_write(data: Any) -> Any:
    """Return a DLPack capsule of a copy of `data`."""
    return data.__dlpack__()


def seed(seed: int, device: Any = "all", ctx: Any = None) -> None:
    """Seed the random numbers of this thread.

    Parameters
    ----------
    seed : int
        The seed.
    device : Device or "all"
        Accepted for compatibility: all devices share one stream.
    ctx : Device, optional
        Old name of `device`.

    Notes
    -----
    Source: MXNet's ``mx.npx.seed``, and ``mx.npx.random.seed``.
    """
    from symgluon.random import seed as set_seed

    set_seed(seed)
