"""MXNet parameter files: every version of the binary list, and the zip files of 2.x.

==============  =====================================================  ==========================
container       written by                                             arrays inside
==============  =====================================================  ==========================
binary list     ``nd.save``, ``save_parameters`` of 1.x                V0 (no magic) ... V3, sparse
zip of ``.npy`` ``npx.savez``, ``export``, ``save_parameters`` of 2.x  NPY, sparse as five members
``.npy``        NumPy                                                  one array
==============  =====================================================  ==========================

The format is told by content.  Sizes that a file declares are checked against what is there before
anything is allocated.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from symgluon.errors import AttributeValueError, FormatError
from symgluon.formats import params_list, params_zip
from symgluon.formats.atomic import write_bytes
from symgluon.formats.loading import MAX_RATIO, Loading
from symgluon.formats.npy import MAGIC, read_npy

Arrays = dict[str, np.ndarray] | list[np.ndarray]


def load_params(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    max_ratio: float = MAX_RATIO,
) -> Arrays:
    """Load a parameter file of MXNet 1.x or 2.x.

    Parameters
    ----------
    source : path or bytes
        The file, or its content (which must not change while the arrays are in use).
    max_ratio : float
        A file of more than 64 MB unpacked may not unpack to more than this many times its size.

    Returns
    -------
    dict of str to ndarray, or list of ndarray
        A list where the file has no names.  Sparse arrays are dense; one that was saved without a
        shape has shape (0,).  All are read-only: most are views of one buffer with the whole
        file, so that no byte is copied.  ``.npy`` arrays keep their order, C or Fortran.

    Raises
    ------
    FormatError
        If the file is truncated, damaged, or of no known format: with path and offset.
    OSError
        If it cannot be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        path, buffer = "", np.frombuffer(source, np.uint8)
    else:
        path = os.fspath(source)
        buffer = _read(path)
    buffer.flags.writeable = False
    loading = Loading(path, len(buffer), max_ratio)
    head = bytes(buffer[:8])
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return params_zip.load(buffer.data, loading)
    if head[:6] == MAGIC:
        return [read_npy(buffer.data, loading, 0, "the file")]
    if head == params_list.LIST_MAGIC:
        return params_list.load(buffer, loading)
    if not len(buffer):
        raise loading.error("the file is empty")
    raise loading.error(
        f"not an MXNet parameter file: it starts with {head.hex(' ')}",
        0,
        "expected a binary list (12 01 00 ...), a zip of .npy files (PK) or an .npy file",
    )


def _read(path: str) -> np.ndarray:
    """Read the whole file: mapping it would let a later truncation end the process."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a parameter file", path)
    if not stat.S_ISREG(mode):
        raise FormatError("a pipe or device, not a file", path=path)
    with open(path, "rb") as file:
        return np.fromfile(file, np.uint8)


def params_bytes(
    data: Mapping[str, np.ndarray] | Sequence[np.ndarray], format: str = "zip"
) -> Iterator[bytes | memoryview]:
    """Return the content of a parameter file, in chunks; large arrays are not copied.

    Parameters
    ----------
    data : mapping or sequence of ndarray
        Arrays; those of a sequence are named ``arr_0``, ... in a zip, and not at all in a list.
    format : str
        ``zip`` or ``mxnet2`` (what MXNet 2.0 writes, byte for byte), ``list`` (binary
        list, V2: what 1.x reads too; V3 where one of them has no axes or no elements: what 1.x
        reads in np-shape mode).

    Returns
    -------
    iterator of bytes
        The chunks.

    Raises
    ------
    AttributeValueError
        For an unknown format, or a name that the format cannot hold.
    DTypeError
        For a dtype that MXNet does not have.

    Notes
    -----
    MXNet 2.0.0b1 writes bfloat16 into zip files, but does not read it back: for it, write a list.
    MXNet loads V2 lists outside of np-shape mode only, and V3 lists within only.
    """
    if format in ("zip", "mxnet2"):
        if not isinstance(data, Mapping):
            data = {f"arr_{i}": a for i, a in enumerate(data)}
        return params_zip.dump(data)
    if format == "list":
        return params_list.dump(data)
    raise AttributeValueError(
        "unknown format of a parameter file",
        expected="'zip', 'mxnet2' or 'list'",
        received=repr(format),
    )


def save_params(
    path: str | os.PathLike[str],
    data: Mapping[str, np.ndarray] | Sequence[np.ndarray],
    format: str = "zip",
) -> None:
    """Write a parameter file that MXNet loads; whole or not at all, the same bytes each time.

    Parameters
    ----------
    path : str or path
        The file.
    data : mapping or sequence of ndarray
        As of `params_bytes`.
    format : str
        As of `params_bytes`.

    Raises
    ------
    AttributeValueError
        For an unknown format, or a name that the format cannot hold.
    DTypeError
        For a dtype that MXNet does not have.
    OSError
        If the file cannot be written; what was there before stays.

    Examples
    --------
    >>> import numpy as np
    >>> from symgluon.formats.params import load_params, save_params
    >>> save_params("weights.params", {"w": np.ones(2, np.float32)})
    >>> load_params("weights.params")
    {'w': array([1., 1.], dtype=float32)}
    """
    write_bytes(path, params_bytes(data, format))
