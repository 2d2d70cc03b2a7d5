"""Picking, reshaping and arithmetic that NumPy does not have, with MXNet 2.0's signatures."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

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
    """Return ``max(data, 0)``."""
    data = as_array(data)
    return finish(F.relu(data), data, out)


def sigmoid(data: Any, out: Any = None, **kwargs: Any) -> Any:
    """Return ``1 / (1 + exp(-data))``."""
    data = as_array(data)
    return finish(F.sigmoid(data), data, out)


def gamma(data: Any, out: Any = None, **kwargs: Any) -> Any:
    """Return the gamma function of `data`."""
    data = as_array(data)
    return finish(F.gamma(data), data, out)


def stop_gradient(data: Any, out: Any = None, **kwargs: Any) -> Any:
    """Return `data`, through which nothing is differentiated."""
    data = as_array(data)
    return finish(F.stop_gradient(data), data, out)


def add_n(*args: Any, **kwargs: Any) -> Any:
    """Return the sum of arrays of equal shape."""
    arrays = list(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else list(args)
    return _call("add_n", arrays)


def constraint_check(x: Any, msg: str = "Constraint violated.") -> Any:
    """Return True if all elements of `x` are true.

    Raises
    ------
    ValueError
        With `msg` if one is not.
    """
    if not as_array(x).numpy_content("constraint_check").all():
        raise ValueError(msg)
    return constant(np.asarray(True))


# ---- products and shapes ------------------------------------------------------------------------
def batch_dot(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False,
    forward_stype: str = "default", **kwargs: Any,
) -> Any:  # fmt: skip
    """Return the matrix product of each pair of matrices of a batch."""
    return _call("batch_dot", [a, b], transpose_a=transpose_a, transpose_b=transpose_b)


def reshape(a: Any, newshape: Any, reverse: bool = False, order: str = "C", **kwargs: Any) -> Any:
    """Return `a` in a new shape with MXNet 2.0's codes.

    -1 is inferred, -2 copies a dimension, -3 skips one of size 1, -4 copies all that remain, -5
    merges two, -6 splits one into the two that follow; `reverse` reads them from the right.
    """
    shape = (newshape,) if isinstance(newshape, int) else tuple(newshape)
    return _call("_npx_reshape", [a], newshape=shape, reverse=reverse or None)


def broadcast_like(lhs: Any, rhs: Any, lhs_axes: Any = None, rhs_axes: Any = None) -> Any:
    """Broadcast `lhs` to the shape of `rhs` (along pairs of axes)."""
    return _call("broadcast_like", [lhs, rhs], lhs_axes=lhs_axes, rhs_axes=rhs_axes)


def arange_like(
    data: Any, start: float = 0.0, step: float = 1.0, repeat: int = 1, ctx: Any = None,
    axis: int | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return ``start, start + step, ...`` in the shape of `data`, or as long as its `axis`."""
    return _call("_contrib_arange_like", [data], start=start, step=step, repeat=repeat, axis=axis)


# ---- picking ------------------------------------------------------------------------------------
def one_hot(
    data: Any, depth: int | None = None, on_value: float = 1.0, off_value: float = 0.0,
    dtype: Any = "float32", **kwargs: Any,
) -> Any:  # fmt: skip
    """Return rows of `depth` with `on_value` at the index, else `off_value`."""
    return _call(
        "one_hot", [data], depth=depth, on_value=on_value, off_value=off_value, dtype=dtype
    )


def pick(data: Any, index: Any, axis: Any = -1, mode: str = "clip", keepdims: bool = False) -> Any:
    """Return, for each position, the element that `index` names along `axis`."""
    attrs = {"axis": axis, "mode": mode, "keepdims": keepdims}
    return call("pick", [as_array(data), as_array(index)], attrs, ndarray)


def topk(
    data: Any, axis: Any = -1, k: int = 1, ret_typ: str = "indices", is_ascend: bool = False,
    dtype: Any = "float32", **kwargs: Any,
) -> Any:  # fmt: skip
    """Return the `k` largest (or smallest) elements along `axis`: indices, value, mask or both."""
    attrs = {"axis": axis, "k": k, "ret_typ": ret_typ, "is_ascend": is_ascend, "dtype": dtype}
    return call("topk", [as_array(data)], attrs, ndarray)


def index_update(a: Any, ind: Any, val: Any) -> Any:
    """Return a copy of `a` with the elements at the coordinates `ind` (M, N) replaced by `val`."""
    a, index, value = _operands(a, ind, val)
    return finish(F.index_update(a, index, value), a)


def index_add(a: Any, ind: Any, val: Any) -> Any:
    """Return `a` with `val` added at the coordinates `ind` (M, N)."""
    a, index, value = _operands(a, ind, val)
    return finish(F.index_add(a, index, value), a)


def _operands(a: Any, ind: Any, val: Any) -> tuple[Any, Any, Any]:
    a = as_array(a)
    index = ind if isinstance(ind, Array) else as_array(np.array(ind, np.int64))
    return a, index, F.cast(as_array(val), dtype=a.dtype)


def nonzero(a: Any) -> Any:
    """Return the coordinates of the elements that are not zero, one row each (int64)."""
    return constant(np.argwhere(as_array(a).numpy_content("nonzero")).astype(np.int64))


# ---- files and other libraries ------------------------------------------------------------------
def save(file: Any, arr: Any) -> None:
    """Write one array (an ``.npy`` file), or a dict or list of arrays (an ``.npz`` file)."""
    from symgluon.formats.atomic import write_bytes
    from symgluon.formats.params import save_params

    if isinstance(arr, dict | list | tuple):
        save_params(file, _numbers(arr))
        return
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, as_array(arr).asnumpy(), allow_pickle=False)
    write_bytes(file, buffer.getvalue())


def savez(file: Any, *args: Any, **kwds: Any) -> None:
    """Write arrays to an ``.npz`` file, named ``arr_0``, ... or by keyword."""
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
    """Return an array with the content of a NumPy array (copied: others may write to it)."""
    return constant(np.array(ndarray))


def from_dlpack(dlpack: Any) -> Any:
    """Return an array with the content of any object that speaks DLPack (copied)."""
    return constant(np.array(np.from_dlpack(dlpack)))


def to_dlpack_for_read(data: Any) -> Any:
    """Return a DLPack capsule of a copy of `data`."""
    return data.__dlpack__()


def to_dlpack_for_write(data: Any) -> Any:
    """Return a DLPack capsule of a copy of `data`."""
    return data.__dlpack__()


def seed(seed: int, device: Any = "all", **kwargs: Any) -> None:
    """Seed the random numbers of this thread."""
    from symgluon.random import seed as set_seed

    set_seed(seed)
