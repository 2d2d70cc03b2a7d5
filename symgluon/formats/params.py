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

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgluon.errors import FormatError
from symgluon.formats import params_list, params_zip
from symgluon.formats.atomic import write_bytes

Arrays = dict[str, np.ndarray] | list[np.ndarray]


def load_params(source: str | os.PathLike[str] | bytes) -> Arrays:
    """Load a parameter file of MXNet 1.x or 2.x.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.

    Returns
    -------
    dict of str to ndarray, or list of ndarray
        A list where the file has no names.  Sparse arrays are dense.  The arrays are read-only
        views of one buffer where alignment allows.

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
    head = bytes(buffer[:8])
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return params_zip.load(buffer, path)
    if head[:6] == b"\x93NUMPY":
        return [params_zip.read_npy(buffer.data, path, 0, "the file")]
    if head == params_list.LIST_MAGIC:
        return params_list.load(buffer, path)
    if not len(buffer):
        raise FormatError("the file is empty", path=path or None)
    raise FormatError(
        f"not an MXNet parameter file: it starts with {head.hex(' ')}",
        path=path or None,
        offset=0,
        hint="expected a binary list (12 01 00 ...), a zip of .npy files (PK) or an .npy file",
    )


def _read(path: str) -> np.ndarray:
    if os.path.isdir(path):
        raise IsADirectoryError(21, "is a folder, not a parameter file", path)
    with open(path, "rb") as file:
        buffer = np.fromfile(file, np.uint8)
    buffer.flags.writeable = False
    return buffer


def params_bytes(
    data: Mapping[str, np.ndarray] | Sequence[np.ndarray], format: str = "zip"
) -> Any:
    """Return the content of a parameter file, as bytes or chunks of bytes.

    Parameters
    ----------
    data : mapping or sequence of ndarray
        Arrays; a sequence has no names (binary list only).
    format : str
        ``zip`` (MXNet 2.x), ``list`` (binary list, V2: what 1.x reads too; V3 where one of
        them has no axes or no elements: what 1.x reads in np-shape mode).
    """
    if format == "zip":
        if not isinstance(data, Mapping):
            data = {f"arr_{i}": a for i, a in enumerate(data)}
        return params_zip.dump(data)
    if format == "list":
        return params_list.dump(data)
    raise ValueError(f"format is 'zip' or 'list', received {format!r}")


def save_params(
    path: str | os.PathLike[str],
    data: Mapping[str, np.ndarray] | Sequence[np.ndarray],
    format: str = "zip",
) -> None:
    """Write a parameter file that MXNet loads; whole or not at all, the same bytes each time."""
    write_bytes(path, params_bytes(data, format))
