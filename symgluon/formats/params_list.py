"""The binary list of arrays: ``NDArray::Save`` of MXNet 0.x to 2.x.

Layout (little endian): u64 0x112, u64 0, u64 count, arrays, u64 names, (u64 length, UTF-8) each.
An array: u32 magic (absent in V0: the word is the rank), storage type (V2, V3), storage shape
(sparse), shape, i32 device type, i32 device number, i32 dtype code, types and shapes of the
auxiliary arrays (sparse), data, auxiliary data.  A shape is a rank (u32; i32 in V3) and i64
dimensions (u32 in V0).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import FormatError, SymgluonError

LIST_MAGIC = (0x112).to_bytes(8, "little")
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DENSE, ROW_SPARSE, CSR = 0, 1, 2
_AUXILIARY = {DENSE: 0, ROW_SPARSE: 1, CSR: 2}
MAX_RANK = 32  # of NumPy 1.x
_MAX_ARRAYS = 1 << 18
_INT = {n: np.dtype(f"<i{n}") for n in (4, 8)}
_UINT = {n: np.dtype(f"<u{n}") for n in (4, 8)}


class _Reader:
    """A cursor over the file that never reads past its end."""

    def __init__(self, buffer: np.ndarray, path: str) -> None:
        self.buffer = buffer
        self.path = path
        self.at = 0
        self.what = "the list"

    def error(self, text: str, at: int | None = None) -> FormatError:
        return FormatError(
            f"{self.what}: {text}",
            path=self.path or None,
            offset=self.at if at is None else at,
            hint="the file is damaged or was not written by MXNet",
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
        """Read a shape; None for unknown (rank -1 of V3)."""
        start = self.at
        rank = self.number(f"rank of {item}", _INT[4] if signed else _UINT[4])
        if signed and rank == -1:
            return None
        if not 0 <= rank <= MAX_RANK:
            raise self.error(f"{item} has rank {rank}", start)
        dtype = _INT[8] if wide else _UINT[4]
        dims = self.take(rank * dtype.itemsize, item).view(dtype)
        shape = tuple(int(d) for d in dims)
        if any(d < 0 for d in shape):
            raise self.error(f"{item} is {shape}", start)
        return shape

    def dtype(self, item: str) -> np.dtype[Any]:
        start = self.at
        code = self.number(item, _INT[4])
        try:
            return dtypes.from_mx_code(code)
        except SymgluonError as error:
            raise self.error(f"dtype code {code}: {error.message}", start) from None

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any], item: str) -> np.ndarray:
        size = 1
        for n in shape:  # Python integers: a product cannot overflow
            size *= n
        part = self.take(size * dtype.itemsize, f"{item} {shape} {dtypes.name(dtype)}")
        if part.ctypes.data % max(1, dtype.alignment):
            part = part.copy()
            part.flags.writeable = False
        try:
            return part.view(dtype).reshape(shape)
        except ValueError:  # no elements, but other dimensions beyond what NumPy counts
            raise self.error(f"{item} has shape {shape}") from None


def load(buffer: np.ndarray, path: str) -> dict[str, np.ndarray] | list[np.ndarray]:
    """Read a binary list."""
    reader = _Reader(buffer, path)
    reader.take(16, "the header")
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
    if not shape:
        return np.zeros((0,), np.float32)
    return _dense(reader, shape)


def _device(reader: _Reader) -> None:
    reader.take(8, "its device")


def _dense(reader: _Reader, shape: tuple[int, ...]) -> np.ndarray:
    _device(reader)
    dtype = reader.dtype("its dtype")
    return reader.array(shape, dtype, "data")


def _modern(reader: _Reader, *, np_shape: bool) -> np.ndarray:
    start = reader.at
    storage = reader.number("its storage type", _INT[4])
    if storage not in _AUXILIARY:
        raise reader.error(f"unknown storage type {storage}", start)
    stored = reader.shape("its storage shape", signed=np_shape) if storage else ()
    shape = reader.shape("its shape", signed=np_shape)
    if shape is None or stored is None or (not np_shape and shape == ()):
        return np.zeros((0,), np.float32)  # an array that was never allocated
    if storage == DENSE:
        return _dense(reader, shape)
    _device(reader)
    dtype = reader.dtype("its dtype")
    auxiliary = []
    for i in range(_AUXILIARY[storage]):
        kind = reader.dtype(f"dtype of index array {i}")
        dims = reader.shape(f"shape of index array {i}", signed=np_shape)
        auxiliary.append((kind, dims or ()))
    data = reader.array(stored, dtype, "data")
    indices = [reader.array(s, k, f"index array {i}") for i, (k, s) in enumerate(auxiliary)]
    _check_dense_size(reader, shape, dtype)
    if storage == ROW_SPARSE:
        return _row_sparse(reader, shape, data, indices[0])
    return _csr(reader, shape, data, indices[0], indices[1])


def _check_dense_size(reader: _Reader, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """A sparse array must not unpack to absurd sizes: at most 2 GB or 1000 times the file."""
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size > max(2 << 30, 1000 * len(reader.buffer)):
        raise reader.error(f"a sparse array of shape {shape} would take {size} bytes")


def _indices(reader: _Reader, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iu":
        raise reader.error(f"its index array holds {array.dtype.name}, not integers")
    if array.dtype == np.uint64 and array.size and int(array.max()) >= 1 << 63:
        raise reader.error("its index array holds numbers beyond 2**63")
    return array.reshape(-1).astype(np.int64)


def _dense_zeros(reader: _Reader, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    try:
        return np.zeros(shape, dtype)
    except (ValueError, MemoryError):
        raise reader.error(f"its shape {shape} is too large") from None


def _row_sparse(
    reader: _Reader, shape: tuple[int, ...], data: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    rows = _indices(reader, rows)
    good = bool(shape) and data.shape[:1] == rows.shape and data.shape[1:] == shape[1:]
    good = good and bool((np.diff(rows) > 0).all())
    if not good or (rows.size and not 0 <= int(rows[0]) <= int(rows[-1]) < shape[0]):
        raise reader.error(f"row indices do not fit shape {shape}")
    dense = _dense_zeros(reader, shape, data.dtype)
    dense[rows] = data
    return dense


def _csr(
    reader: _Reader, shape: tuple[int, ...], data: np.ndarray, starts: np.ndarray, cols: np.ndarray
) -> np.ndarray:
    data, starts, cols = data.reshape(-1), _indices(reader, starts), _indices(reader, cols)
    if len(shape) == 2 and not (len(data) or len(starts) or len(cols)):
        return _dense_zeros(reader, shape, data.dtype)  # MXNet's form of one without elements
    good = len(shape) == 2 and len(starts) == shape[0] + 1 and len(cols) == len(data)
    if good:
        good = bool((np.diff(starts) >= 0).all())
        good = good and int(starts[0]) == 0 and int(starts[-1]) == len(data)
    if good and len(cols):
        good = int(cols.min()) >= 0 and int(cols.max()) < shape[1]
    if not good:
        raise reader.error(f"the compressed rows do not fit shape {shape}")
    rows = np.repeat(np.arange(shape[0]), np.diff(starts))
    if bool(((np.diff(rows) == 0) & (np.diff(cols) <= 0)).any()):
        raise reader.error("columns of a compressed row are not in rising order")
    dense = _dense_zeros(reader, shape, data.dtype)
    dense[rows, cols] = data
    return dense


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
        raw = name.encode()
        yield len(raw).to_bytes(8, "little") + raw


def _dump_array(array: np.ndarray, version: int) -> Iterator[bytes | memoryview]:
    header = np.array([version], "<u4").tobytes()
    header += np.array([DENSE, array.ndim], "<i4").tobytes()
    header += np.array(array.shape, "<i8").tobytes()
    header += np.array([1, 0, dtypes.to_mx_code(array.dtype)], "<i4").tobytes()
    yield header
    yield raw_bytes(array)


def raw_bytes(array: np.ndarray) -> memoryview:
    """Return the elements in C order, little endian, without a copy where possible."""
    array = np.ascontiguousarray(array)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.reshape(-1).view(np.uint8).data
