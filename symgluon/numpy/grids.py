"""Functions of `mx.np` that make grids, triangles and diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.numpy.creation import constant
from symgluon.numpy.multiarray import as_array, finish
from symgluon.ops.apply import F

__all__ = ["diag", "diagflat", "meshgrid", "tril", "tril_indices", "triu", "triu_indices"]


# ---- from arrays -------------------------------------------------------------------------------
def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True) -> list[Any]:
    """Return coordinate arrays of the grid spanned by 1-d arrays.

    Parameters
    ----------
    *xi : array (n,)
        Coordinates along each axis.
    indexing : str
        ``xy``: the first two axes are exchanged; ``ij``: they are not.
    sparse : bool
        Leave the axes that nothing changes along at size 1.
    copy : bool
        Accepted, without effect.

    Returns
    -------
    list of array
        One for each of `xi`.

    Notes
    -----
    Source: MXNet's ``mx.np.meshgrid``.
    """
    n = len(xi)
    arrays = [as_array(x) for x in xi]
    order = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    parts = []
    for i, x in enumerate(arrays):
        shape = [1] * n
        shape[order[i]] = -1
        parts.append(F.reshape(x, shape=tuple(shape)))
    if not sparse:
        dims = [x.size for x in arrays]
        full_shape = tuple(dims[order.index(axis)] for axis in range(n))
        parts = [F.broadcast_to(p, shape=full_shape) for p in parts]
    return [finish(p, x) for p, x in zip(parts, arrays, strict=True)]


def tril(m: Any, k: int = 0) -> Any:
    """Return `m` with zeros above diagonal `k`.

    Parameters
    ----------
    m : array of any shape and dtype
    k : int
        Number of the diagonal; above the main one if positive.

    Returns
    -------
    array
        Shape and dtype of `m`.

    Notes
    -----
    Source: MXNet's ``mx.np.tril``.
    """
    return finish(F.tril(as_array(m), k=k), m)


def triu(m: Any, k: int = 0) -> Any:
    """Return `m` with zeros below diagonal `k`.

    Parameters
    ----------
    m : array of any shape and dtype
    k : int
        Number of the diagonal; above the main one if positive.

    Returns
    -------
    array
        Shape and dtype of `m`.

    Notes
    -----
    Source: MXNet's ``mx.np.triu``.
    """
    return finish(F.triu(as_array(m), k=k), m)


def tril_indices(n: int, k: int = 0, m: int | None = None, **kwargs: Any) -> tuple[Any, ...]:
    """Return the indices of the lower triangle of an (n, m) array.

    Parameters
    ----------
    n : int
        Number of rows.
    k : int
        Number of the diagonal; above the main one if positive.
    m : int, optional
        Number of columns; `n` if left out.

    Returns
    -------
    tuple of array, int64
        Rows and columns.

    Notes
    -----
    Source: MXNet's ``mx.np.tril_indices``.
    """
    return tuple(constant(i) for i in np.tril_indices(n, k, m))


def triu_indices(n: int, k: int = 0, m: int | None = None, **kwargs: Any) -> tuple[Any, ...]:
    """Return the indices of the upper triangle of an (n, m) array.

    Parameters
    ----------
    n : int
        Number of rows.
    k : int
        Number of the diagonal; above the main one if positive.
    m : int, optional
        Number of columns; `n` if left out.

    Returns
    -------
    tuple of array, int64
        Rows and columns.

    Notes
    -----
    Source: MXNet's ``mx.np.triu_indices``.
    """
    return tuple(constant(i) for i in np.triu_indices(n, k, m))


def diag(array: Any, k: int = 0) -> Any:
    """Return diagonal `k` of a matrix, or a matrix with the vector `array` on it.

    Parameters
    ----------
    array : array (n,) or (n, m)
    k : int
        Number of the diagonal; above the main one if positive.

    Returns
    -------
    array (n, n) or (n,)
        Dtype of `array`.

    Notes
    -----
    Source: MXNet's ``mx.np.diag``.
    """
    return finish(F.diag(as_array(array), k=k), array)


def diagflat(array: Any, k: int = 0) -> Any:
    """Return a matrix with the flattened `array` on diagonal `k`.

    Parameters
    ----------
    array : array of any shape and dtype
    k : int
        Number of the diagonal; above the main one if positive.

    Returns
    -------
    array (n, n)
        Dtype of `array`.

    Notes
    -----
    Source: MXNet's ``mx.np.diagflat``.
    """
    return finish(F.diag(F.reshape(as_array(array), shape=(-1,)), k=k), array)
