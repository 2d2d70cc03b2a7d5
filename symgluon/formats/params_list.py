"""The binary list of arrays: ``NDArray::Save`` of MXNet 0.x to 2.x.

Layout (little endian): u64 0x112, u64 0, u64 count, arrays, u64 names, (u64 length, UTF-8) each.
An array: u32 magic (absent in V0: the word is the rank), storage type (V2, V3), storage shape
(sparse), shape, i32 device type, i32 device number, i32 dtype code, types and shapes of the
auxiliary arrays (sparse), data, auxiliary data.  A shape is a rank (u32; i32 in V3) and i64
dimensions (u32 in V0).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError, FormatError, SymgluonError
from symgluon.formats.loading import (
    MAX_RANK,
    Loading,
    are_truth_values,
    is_addressable,
    nbytes,
)
from symgluon.formats.npy import raw_bytes
from symgluon.formats.params_sparse import densify

LIST_MAGIC = (0x112).to_bytes(8, "little")
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DENSE, ROW_SPARSE, CSR = 0, 1, 2
_SPARSE = {ROW_SPARSE: "row_sparse", CSR: "csr"}
_INDEX_ARRAYS = {ROW_SPARSE: 1, CSR: 2}
_MAX_ARRAYS = 1 << 17
_MAX_DEVICE_TYPE, _MAX_DEVICE = 15, 1 << 16  # MXNet has types 1, 2, 3 and 5
_INT = {n: np.dtype(f"<i{n}") for n in (4, 8)}
_UINT = {n: np.dtype(f"<u{n}") for n in (4, 8)}
#: an array that was never given a shape: `NDArray()` of MXNet
_NONE = np.zeros((0,), np.float32)
_NONE.flags.writeable = False


class _Reader:
    """A cursor over the file that never reads past its end."""

    def __init__(self, buffer: np.ndarray, loading: Loading) -> None:
        self.buffer = buffer
        self.loading = loading
        self.at = 0
        self.what = "the list"

    def error(self, text: str, at: int | None = None) -> FormatError:
        return self.loading.error(
            f"{self.what}: {text}",
            self.at if at is None else at,
            "the file is damaged or was not written by MXNet",
        )

    @property
    def left(self) -> int:
        return len(self.buffer) - self.at

    def take(self, count: int, item: str) -> np.ndarray:
        if count > self.left:
            raise self.error(f"{item} needs {count} bytes, but only {self.left} are left")
        part = self.buffer[self.at : self.at + count]
        self.at += count
        return part

    def number(self, item: str, dtype: np.dtype[Any]) -> int:
        return int(self.take(dtype.itemsize, item).view(dtype)[0])

    def shape(
        self, item: str, *, wide: bool = True, signed: bool = False
    ) -> tuple[int, ...] | None:
        """Read a shape; None for unknown (V3: rank -1, or a dimension of -1)."""
        start = self.at
        rank = self.number(f"rank of {item}", _INT[4] if signed else _UINT[4])
        if signed and rank == -1:
            return None
        if not 0 <= rank <= MAX_RANK:
            raise self.error(f"{item} has rank {rank}", start)
        dtype = _INT[8] if wide else _UINT[4]
        shape = tuple(self.take(rank * dtype.itemsize, item).view(dtype).tolist())
        if any(d < 0 for d in shape):
            if signed and min(shape) == -1:
                return None
            raise self.error(f"{item} is {shape}", start)
        return shape

    def device(self) -> None:
        """Read where the array was: all are loaded into main memory."""
        start = self.at
        kind, number = (self.number("its device", _INT[4]) for _ in range(2))
        if not (0 < kind <= _MAX_DEVICE_TYPE and 0 <= number < _MAX_DEVICE):
            raise self.error(f"its device is of type {kind}, number {number}", start)

    def dtype(self, item: str) -> np.dtype[Any]:
        start = self.at
        code = self.number(item, _INT[4])
        try:
            return dtypes.from_mx_code(code)
        except SymgluonError as error:
            raise self.error(f"dtype code {code}: {error.message}", start) from None

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any], item: str) -> np.ndarray:
        start = self.at
        part = self.take(nbytes(shape, dtype), f"{item} {shape} {dtypes.name(dtype)}")
        if not is_addressable(shape, dtype):  # no elements, but the other dimensions are absurd
            raise self.error(f"{item} has shape {shape}", start)
        if dtype.kind == "b" and not are_truth_values(part):
            raise self.error(f"{item}: a truth value is neither 0 nor 1", start)
        if part.ctypes.data % dtype.alignment:
            part = part.copy()
        array = part.view(dtype).reshape(shape)
        if sys.byteorder == "big":  # files are little endian
            array = array.byteswap()
        array.flags.writeable = False
        return array


def load(buffer: np.ndarray, loading: Loading) -> dict[str, np.ndarray] | list[np.ndarray]:
    """Read a binary list."""
    reader = _Reader(buffer, loading)
    reader.take(8, "the header")
    if reserved := reader.number("the header", _UINT[8]):
        raise reader.error(f"the reserved word is {reserved}, not 0", 8)
    start = reader.at
    count = reader.number("the number of arrays", _UINT[8])
    if count > min(reader.left // 4, _MAX_ARRAYS):
        raise reader.error(
            f"declares {count} arrays, but {reader.left} bytes are left (and at most "
            f"{_MAX_ARRAYS} arrays are read)",
            start,
        )
    arrays = []
    for i in range(count):
        reader.what = f"array {i} of {count}"
        arrays.append(_array(reader))
    reader.what = "the list of names"
    names = _names(reader, count)
    return arrays if names is None else dict(zip(names, arrays, strict=True))


def _names(reader: _Reader, count: int) -> list[str] | None:
    start = reader.at
    number = reader.number("their number", _UINT[8])
    if number not in (0, count):
        raise reader.error(f"{number} names for {count} arrays", start)
    names: list[str] = []
    for i in range(number):
        start = reader.at
        length = reader.number(f"length of name {i}", _UINT[8])
        raw = bytes(reader.take(length, f"name {i}"))
        try:
            names.append(raw.decode())
        except UnicodeDecodeError:
            raise reader.error(f"name {i} is not UTF-8", start) from None
        if b"\0" in raw:
            raise reader.error(f"name {i} ({names[-1]!r:.60}) holds a NUL", start)
    if len(set(names)) != len(names):
        twice = [n for n, times in Counter(names).items() if times > 1][:5]
        raise reader.error(
            f"these names occur twice: {', '.join(f'{n!r:.60}' for n in twice)}", start
        )
    if reader.left:
        raise reader.error(f"{reader.left} bytes follow the end of the list")
    return names if number else None


def _array(reader: _Reader) -> np.ndarray:
    magic = reader.number("its magic number", _UINT[4])
    if magic in (V2, V3):
        return _modern(reader, np_shape=magic == V3)
    if magic == V1:
        shape = reader.shape("its shape")
    elif magic <= MAX_RANK:
        reader.at -= 4  # V0: the word was the rank
        shape = reader.shape("its shape", wide=False)
    else:
        raise reader.error(f"unknown magic number 0x{magic:08x}", reader.at - 4)
    return _dense(reader, shape) if shape else _NONE


def _dense(reader: _Reader, shape: tuple[int, ...]) -> np.ndarray:
    reader.device()
    dtype = reader.dtype("its dtype")
    return reader.array(shape, dtype, "data")


def _modern(reader: _Reader, *, np_shape: bool) -> np.ndarray:
    start = reader.at
    storage = reader.number("its storage type", _INT[4])
    if storage != DENSE and storage not in _SPARSE:
        raise reader.error(f"unknown storage type {storage}", start)
    stored = reader.shape("its storage shape", signed=np_shape) if storage else ()
    shape = reader.shape("its shape", signed=np_shape)
    if shape is None or stored is None or (not np_shape and shape == ()):
        return _NONE
    if storage == DENSE:
        return _dense(reader, shape)
    reader.device()
    dtype = reader.dtype("its dtype")
    index_types = []
    for i in range(_INDEX_ARRAYS[storage]):
        kind = reader.dtype(f"dtype of index array {i}")
        dims = reader.shape(f"shape of index array {i}", signed=np_shape)
        index_types.append((dims or (), kind))
    data = reader.array(stored, dtype, "data")
    indices = [reader.array(s, k, f"index array {i}") for i, (s, k) in enumerate(index_types)]
    return densify(_SPARSE[storage], shape, data, indices, reader.loading, reader.error)


# ---- writing -----------------------------------------------------------------------------------
def dump(data: Mapping[str, np.ndarray] | Sequence[np.ndarray]) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a binary list."""
    names = list(data) if isinstance(data, Mapping) else []
    arrays = list(data.values()) if isinstance(data, Mapping) else list(data)
    # all of one version: MXNet loads V3 in np-shape mode only, and V2 outside of it only
    np_shape = any(np.ndim(a) == 0 or 0 in np.shape(a) for a in arrays)
    yield LIST_MAGIC + bytes(8) + len(arrays).to_bytes(8, "little")
    for array in arrays:
        yield from _dump_array(np.asarray(array), V3 if np_shape else V2)
    yield len(names).to_bytes(8, "little")
    for name in names:
        raw = _raw_name(name)
        yield len(raw).to_bytes(8, "little") + raw


def _raw_name(name: str) -> bytes:
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raw = b"\0"
    if b"\0" in raw:
        raise AttributeValueError(
            f"no array may be named {name!r:.80}: the name holds a NUL or a lone surrogate"
        )
    return raw


def _dump_array(array: np.ndarray, version: int) -> Iterator[bytes | memoryview]:
    header = np.array([version], "<u4").tobytes()
    header += np.array([DENSE, array.ndim], "<i4").tobytes()
    header += np.array(array.shape, "<i8").tobytes()
    header += np.array([1, 0, dtypes.to_mx_code(array.dtype)], "<i4").tobytes()
    yield header
    yield raw_bytes(array)
