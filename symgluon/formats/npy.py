"""``.npy`` arrays, read without pickle and with bounds, and written as MXNet 2.0 writes them."""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import SymgluonError
from symgluon.formats.loading import (
    MAX_RANK,
    Loading,
    are_truth_values,
    is_addressable,
    nbytes,
)

MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 16
#: the first bytes of an array that hold all of its header
MAX_HEAD = 12 + _MAX_HEADER
#: how MXNet 2.0 names bfloat16: as a record, which NumPy alone can read too
_BFLOAT16 = [("bfloat16", "<u2")]
_NUMBER = re.compile(r"[<>|=]?(\?|b1|f[248]|[iu][1248])")

Header = tuple[tuple[int, ...], np.dtype[Any], bool, int]


def read_npy(data: memoryview, loading: Loading, offset: int, what: str) -> np.ndarray:
    """Read one array from bytes that stay as they are.

    Parameters
    ----------
    data : memoryview
        The whole ``.npy``; the result is a view of it, in C or Fortran order as it was written,
        but native and aligned, for which it is copied where needed.
    loading : Loading
        For messages.
    offset : int
        Where `data` starts in the file.
    what : str
        What it is, for messages.

    Raises
    ------
    FormatError
        If the header is damaged, asks for objects, or for more or fewer bytes than there are.
    """
    header = read_header(data, loading, offset, what)
    start = header[3]
    need = nbytes(*header[:2])
    if need != len(data) - start:
        raise loading.error(
            f"{what}: shape {header[0]} of {header[1]} needs {need} bytes, {len(data) - start} "
            "are there",
            offset + start,
        )
    flat = np.frombuffer(data[start:], np.uint8)
    return build(flat, header, loading, offset + start, what)


def build(
    flat: np.ndarray, header: Header, loading: Loading, offset: int, what: str
) -> np.ndarray:
    """Make the array of its bytes; bytes that are writeable are changed in place where needed."""
    shape, dtype, fortran, _ = header
    if not is_addressable(shape, dtype):  # no elements, but the other dimensions are absurd
        raise loading.error(f"{what}: its header declares shape {shape!r:.200}", offset)
    if dtype.kind == "b" and not are_truth_values(flat):
        raise loading.error(f"{what}: a truth value is neither 0 nor 1", offset)
    if flat.size and flat.ctypes.data % dtype.alignment:
        flat = flat.copy()
    array = flat.view(dtype)
    if not dtype.isnative:
        native = dtype.newbyteorder("=")
        array = array.byteswap(inplace=array.flags.writeable).view(native)
    array = array.reshape(shape, order="F" if fortran else "C")
    array.flags.writeable = False
    return array


def read_header(data: memoryview, loading: Loading, offset: int, what: str) -> Header:
    """Return shape, dtype, whether in Fortran order, and where the elements start."""
    head = bytes(data[:12])
    if head[:6] != MAGIC or len(head) < 10:
        raise loading.error(f"{what}: it is no .npy array", offset)
    wide = head[6] >= 2
    start = 12 if wide else 10
    length = int.from_bytes(head[8:12] if wide else head[8:10], "little")
    if length > _MAX_HEADER or start + length > len(data):
        raise loading.error(f"{what}: its header of {length} bytes does not fit", offset)
    try:
        fields = ast.literal_eval(bytes(data[start : start + length]).decode("latin1").strip())
        descr, fortran, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise loading.error(f"{what}: its header cannot be read", offset) from None
    try:
        dtype = _dtype(descr)
    except SymgluonError as error:
        raise loading.error(f"{what}: {error.message}", offset, error.hint) from None
    if dtype is None:
        raise loading.error(
            f"{what}: arrays of {descr!r:.80} are not read: only numbers and truth values are",
            offset,
        )
    good = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    if not good or len(shape) > MAX_RANK or not isinstance(fortran, bool):
        raise loading.error(f"{what}: its header declares shape {shape!r:.200}", offset)
    return shape, dtype, fortran, start + length


def _dtype(descr: Any) -> np.dtype[Any] | None:
    """Return the dtype that a header names; None for objects, texts, records."""
    if descr == _BFLOAT16 or descr in ("bfloat16", "<V2", "|V2"):
        return dtypes.bfloat16()
    if isinstance(descr, str) and _NUMBER.fullmatch(descr):
        return np.dtype(descr)
    return None


def dump_npy(array: np.ndarray) -> list[bytes | memoryview]:
    """Return the header and the elements of a ``.npy``.

    Raises
    ------
    DTypeError : for a dtype that MXNet does not have.
    """
    dtype = dtypes.resolve(array.dtype)
    descr = _BFLOAT16 if dtype.name == "bfloat16" else dtype.newbyteorder("<").str
    shape = tuple(int(n) for n in array.shape)
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    pad = 64 - (10 + len(text) + 1) % 64  # 64, not 0, where it fits already: as MXNet and NumPy do
    raw = (text + " " * pad + "\n").encode("latin1")
    return [MAGIC + b"\x01\x00" + len(raw).to_bytes(2, "little") + raw, raw_bytes(array)]


def raw_bytes(array: np.ndarray) -> memoryview:
    """Return the elements in C order, little endian, without a copy where possible."""
    array = np.ascontiguousarray(array)
    little = array.dtype.newbyteorder("<")
    if array.dtype != little:
        array = array.astype(little)
    return array.reshape(-1).view(np.uint8).data
