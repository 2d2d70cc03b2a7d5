"""Sparse arrays of MXNet, made dense: row-sparse, and compressed rows (CSR)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from symgluon.errors import FormatError
from symgluon.formats.loading import Loading, is_addressable, nbytes

Error = Callable[[str], FormatError]


def densify(
    kind: str,
    shape: tuple[int, ...],
    data: np.ndarray,
    indices: Sequence[np.ndarray],
    loading: Loading,
    error: Error,
) -> np.ndarray:
    """Return the dense array.

    Parameters
    ----------
    kind : str
        ``row_sparse`` or ``csr``.
    shape : tuple of int
        Of the dense array.
    data : ndarray
        (rows, ...) for row-sparse, ``...`` being ``shape[1:]``; (elements,) for CSR.
    indices : sequence of ndarray
        Row numbers; or the starts of the rows and the columns.  MXNet wants them in rising order.
    loading : Loading
        Counts the bytes of the dense array.
    error : callable
        Makes the exception from a message.

    Raises
    ------
    FormatError
        If the parts contradict each other, or the dense array is absurdly large.
    """
    numbers = [_integers(i, error) for i in indices]
    loading.unpack(nbytes(shape, data.dtype), f"a sparse array of shape {shape}")
    if not is_addressable(shape, data.dtype):  # no elements, but the other dimensions are absurd
        raise error(f"its shape {shape} is too large")
    if kind == "row_sparse":
        return _row_sparse(shape, data, numbers[0], error)
    return _csr(shape, data.reshape(-1), numbers[0], numbers[1], error)


def _integers(array: np.ndarray, error: Error) -> np.ndarray:
    if array.dtype.kind not in "iu":
        raise error(f"its index array holds {array.dtype.name}, not integers")
    if array.dtype == np.uint64 and array.size and int(array.max()) >= 1 << 63:
        raise error("its index array holds numbers beyond 2**63")
    return array.reshape(-1).astype(np.int64, copy=False)


def _row_sparse(
    shape: tuple[int, ...], data: np.ndarray, rows: np.ndarray, error: Error
) -> np.ndarray:
    good = bool(shape) and data.shape[:1] == rows.shape and data.shape[1:] == shape[1:]
    good = good and bool((rows[1:] > rows[:-1]).all())
    if not good or (rows.size and not 0 <= int(rows[0]) <= int(rows[-1]) < shape[0]):
        raise error(f"row indices do not fit shape {shape}")
    dense = np.zeros(shape, data.dtype)
    dense[rows] = data
    return dense


def _csr(
    shape: tuple[int, ...], data: np.ndarray, starts: np.ndarray, cols: np.ndarray, error: Error
) -> np.ndarray:
    if len(shape) == 2 and not (len(data) or len(starts) or len(cols)):
        return np.zeros(shape, data.dtype)  # MXNet's form of one without elements
    good = len(shape) == 2 and len(starts) == shape[0] + 1 and len(cols) == len(data)
    if good:
        good = bool((starts[1:] >= starts[:-1]).all())
        good = good and int(starts[0]) == 0 and int(starts[-1]) == len(data)
    if good and len(cols):
        good = int(cols.min()) >= 0 and int(cols.max()) < shape[1]
    if not good:
        raise error(f"the compressed rows do not fit shape {shape}")
    rows = np.repeat(np.arange(shape[0]), starts[1:] - starts[:-1])
    if bool(((rows[1:] == rows[:-1]) & (cols[1:] <= cols[:-1])).any()):
        raise error("columns of a compressed row are not in rising order")
    dense = np.zeros(shape, data.dtype)
    dense[rows, cols] = data
    return dense
