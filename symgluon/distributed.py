"""Several processes over MPI (extra ``mpi``: mpi4py with an MPI that pip installs).

After :func:`init`, `SyncBatchNorm` normalises over the batches of all ranks, and a `Trainer` with
``kvstore="dist_sync"`` sums the gradients of all ranks.  All ranks must make the same calls in the
same order, as always with MPI.  Run as ``mpiexec -n 4 python train.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import SymgluonError

__all__ = [
    "all_gather",
    "all_reduce",
    "broadcast",
    "finalize",
    "init",
    "is_initialized",
    "rank",
    "size",
]

_comm: Any = None


def init(comm: Any = None) -> None:
    """Take part in a communicator.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        The ranks that work together; all of the job (``COMM_WORLD``) if left out.

    Raises
    ------
    SymgluonError
        If mpi4py or the MPI library is not installed.
    """
    global _comm
    if comm is None:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            raise SymgluonError(
                f"training over several processes needs MPI: {error}",
                hint="pip install 'symgluon[mpi]'",
            ) from error
        comm = MPI.COMM_WORLD
    _comm = comm


def finalize() -> None:
    """Leave the communicator: everything is local again (MPI itself stays initialised)."""
    global _comm
    _comm = None


def is_initialized() -> bool:
    """Whether :func:`init` was called."""
    return _comm is not None


def rank() -> int:
    """Return the number of this process, from 0; 0 before :func:`init`."""
    return 0 if _comm is None else int(_comm.Get_rank())


def size() -> int:
    """Return the number of processes; 1 before :func:`init`."""
    return 1 if _comm is None else int(_comm.Get_size())


def all_gather(array: np.ndarray) -> np.ndarray:
    """Stack `array` of all ranks (equal shapes and dtypes), in their order: ``(size, ...)``."""
    if _comm is None:
        return array[None]
    sent = np.ascontiguousarray(array)
    found = np.empty((size(), *sent.shape), sent.dtype)
    # as bytes: MPI has no name for float16 and bfloat16
    _comm.Allgather(_bytes(sent), _bytes(found))
    return found


def all_reduce(array: np.ndarray) -> np.ndarray:
    """Sum `array` of all ranks, in their order: every rank and every run gets the same bits."""
    return array if size() == 1 else _sum(all_gather(array))


def _sum(stacked: np.ndarray) -> np.ndarray:
    total = stacked[0].copy()
    for part in stacked[1:]:
        total += part
    return total


def broadcast(array: np.ndarray, root: int = 0) -> np.ndarray:
    """Return the array of one rank.

    Parameters
    ----------
    array : numpy.ndarray
        Of equal shape and dtype on all ranks.
    root : int
        The rank.

    Returns
    -------
    numpy.ndarray
        Its array.

    Examples
    --------
    >>> import numpy as np
    >>> from symgluon import distributed
    >>> distributed.size(), distributed.broadcast(np.ones(2))  # without MPI: one rank
    (1, array([1., 1.]))
    """
    if _comm is None:
        return array
    found = np.array(array, order="C")
    _comm.Bcast(_bytes(found), root)
    return found


def _bytes(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(np.uint8)
