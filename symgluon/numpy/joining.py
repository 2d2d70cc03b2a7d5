"""Functions of `mx.np` that join arrays and split them."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.ir.dims import Dim
from symgluon.numpy.manipulation import atleast_1d, atleast_2d, atleast_3d, reshape
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops.apply import F

__all__ = [
    "append", "array_split", "column_stack", "concat", "concatenate", "dsplit", "dstack",
    "hsplit", "hstack", "row_stack", "split", "stack", "unstack", "vsplit", "vstack",
]  # fmt: skip


# ---- joining -----------------------------------------------------------------------------------
def _listed(arrays: Any) -> list[Any]:
    found = [as_array(a) for a in arrays]
    if not found:
        raise ValueError("need at least one array to concatenate")
    return found


def concatenate(seq: Any, axis: Any = 0, out: Any = None) -> Any:
    """Join arrays along an axis (flattened first for ``axis=None``).

    Parameters
    ----------
    seq : sequence of array
        Of one shape but for `axis`.
    axis : int or None
        Axis along which they are joined; None: all are flattened first.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.concatenate``; ONNX Concat.
    """
    arrays = _listed(seq)
    if axis is None:
        arrays, axis = [F.reshape(a, shape=(-1,)) for a in arrays], 0
    return finish(F.concatenate(*arrays, axis=axis), arrays[0], out)


concat = concatenate


def stack(arrays: Any, axis: int = 0, out: Any = None) -> Any:
    """Join arrays along a new axis.

    Parameters
    ----------
    arrays : sequence of array
        Of one shape.
    axis : int
        Place of the new axis.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.stack``.
    """
    found = _listed(arrays)
    return finish(F.stack(*found, axis=axis), found[0], out)


def vstack(arrays: Any, out: Any = None) -> Any:
    """Stack arrays row-wise.

    Parameters
    ----------
    arrays : sequence of array
        Of shapes that fit.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.vstack``.
    """
    return concatenate([atleast_2d(a) for a in _listed(arrays)], 0, out)


row_stack = vstack


def hstack(arrays: Any) -> Any:
    """Stack arrays along their second axis (the first for 1-d ones)."""
    found = [atleast_1d(a) for a in _listed(arrays)]
    return concatenate(found, 0 if found[0].ndim == 1 else 1)


def dstack(arrays: Any) -> Any:
    """Stack arrays along their third axis."""
    return concatenate([atleast_3d(a) for a in _listed(arrays)], 2)


def column_stack(tup: Any) -> Any:
    """Stack 1-d arrays as columns.

    Parameters
    ----------
    tup : sequence of array
        (n,) or (n, m).

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.column_stack``.
    """
    return concatenate([a if a.ndim > 1 else reshape(a, (-1, 1)) for a in _listed(tup)], 1)


def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """Return `arr` with `values` at its end (both flattened without `axis`).

    Parameters
    ----------
    arr, values : array of any shape and dtype
    axis : int, optional
        Axis; the flattened array if left out.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.append``.
    """
    return concatenate([arr, values], axis)


# ---- splitting ---------------------------------------------------------------------------------
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split into equal parts, or at indices.

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.
    axis : int
        Axis, of any sign.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Raises
    ------
    ValueError
        If the parts would not be equal.

    Notes
    -----
    Source: MXNet's ``mx.np.split``.
    """
    ary = as_array(ary)
    if isinstance(indices_or_sections, int | np.integer):
        n, sections = ary.shape[axis], int(indices_or_sections)
        if sections <= 0 or n % sections != 0:
            raise ValueError("array split does not result in an equal division")
        return _parts(F.split(ary, sections=sections, axis=axis), ary)
    return _split_at(ary, list(indices_or_sections), axis)


def _parts(found: Any, ary: Any) -> list[Any]:
    return [finish(p, ary) for p in (found if isinstance(found, tuple) else (found,))]


def _split_at(ary: Any, cuts: list[Any], axis: int) -> list[Any]:
    """Split before the places `cuts`, which may lie outside the array."""
    axis = axis % ary.ndim
    lead = (slice(None),) * axis
    cuts = [c if isinstance(c, Dim) else c.__index__() for c in cuts]
    bounds = zip([0, *cuts], [*cuts, None], strict=True)
    return [finish(F.index(ary, index=(*lead, slice(a, b))), ary) for a, b in bounds]


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split into parts of nearly equal size, or at indices.

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.
    axis : int
        Axis, of any sign.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Raises
    ------
    ValueError
        If the number of parts is below 1.

    Notes
    -----
    Source: MXNet's ``mx.np.array_split``.
    """
    ary = as_array(ary)
    if not isinstance(indices_or_sections, int | np.integer):
        return _split_at(ary, list(indices_or_sections), axis)
    n, sections = int(ary.shape[axis]), int(indices_or_sections)
    if sections <= 0:
        raise ValueError("number sections must be larger than 0.")
    each, extra = n // sections, n % sections
    sizes = [each + 1] * extra + [each] * (sections - extra)
    return _split_at(ary, np.cumsum(sizes)[:-1].tolist(), axis)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the second axis (the first of 1-d arrays).

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Raises
    ------
    ValueError
        For an array without axes, or parts that would not be equal.

    Notes
    -----
    Source: MXNet's ``mx.np.hsplit``.
    """
    ary = as_array(ary)
    if ary.ndim < 1:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the first axis.

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Raises
    ------
    ValueError
        For fewer than two axes, or parts that would not be equal.

    Notes
    -----
    Source: MXNet's ``mx.np.vsplit``.
    """
    ary = as_array(ary)
    if ary.ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the third axis.

    Parameters
    ----------
    ary : array of any shape and dtype
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Raises
    ------
    ValueError
        For fewer than three axes, or parts that would not be equal.

    Notes
    -----
    Source: MXNet's ``mx.np.dsplit``.
    """
    ary = as_array(ary)
    if ary.ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


def unstack(x: Any, axis: int = 0) -> list[Any]:
    """Return the parts of `x` along `axis`, without that axis.

    Parameters
    ----------
    x : array of any shape and dtype
    axis : int
        Axis, of any sign.

    Returns
    -------
    list of array
        The parts, copies of the same dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.unstack``.
    """
    x = as_array(x)
    lead = (slice(None),) * (axis % x.ndim)
    return [finish(F.index(x, index=(*lead, i)), x) for i in range(int(x.shape[axis]))]
