"""Zip files of ``.npy`` members: parameters of MXNet 2.x, and NumPy's own ``.npz``."""

from __future__ import annotations

import ast
import io
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import FormatError
from symgluon.formats.params_list import MAX_RANK, raw_bytes

#: what the members of a sparse array are called after its name (``NAME/data.npy``)
_SPARSE = ("data", "indices", "indptr", "shape")
_STAMP = (1980, 1, 1, 0, 0, 0)  # a fixed date: the same arrays give the same bytes
_MAX_HEADER = 1 << 16
_MAX_DIRECTORY = 16 << 20  # 100,000 members with names of 100 characters
_END = 22  # bytes of the record at the end, without its comment
#: how MXNet 2.0 names bfloat16
_BFLOAT16 = [("bfloat16", "<u2")]
_NUMBER = re.compile(r"[<>|=]?(\?|b1|f[248]|[iu][1248])")
#: a file may unpack to this many times its size, and to this many bytes in any case
MAX_RATIO = 200
UNPACKED_ALLOWED = 64 << 20


def load(buffer: np.ndarray, path: str) -> dict[str, np.ndarray]:
    """Read every member of the zip file."""
    view = buffer.data
    _check_directory(view, path)
    try:
        with zipfile.ZipFile(io.BufferedReader(_Source(view))) as archive:
            members = archive.infolist()
            _check_members(members, len(view), path)
            found = _read_members(archive, members, view, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
            ValueError, OSError, struct.error) as error:  # fmt: skip
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"the zip file is damaged: {error}", path=path or None) from None
    return _join_sparse(found, path)


def _check_directory(view: memoryview, path: str) -> None:
    """Refuse a directory of millions of members before zipfile makes an object of each."""
    tail = bytes(view[-(_END + 0xFFFF) :])
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END:
        raise FormatError("the zip file is truncated: it has no directory", path=path or None)
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    at += len(view) - len(tail)
    locator = bytes(view[max(0, at - 20) : at])
    if locator[:4] == b"PK\x06\x07":  # zip64: the size stands in another record
        wide = int.from_bytes(locator[8:16], "little")
        size = int.from_bytes(bytes(view[wide + 40 : wide + 48]), "little")
    if size > _MAX_DIRECTORY:
        raise FormatError(
            f"the zip file has a directory of {size} bytes; at most {_MAX_DIRECTORY} are read",
            path=path or None,
            offset=at,
        )


def _check_members(members: list[zipfile.ZipInfo], size: int, path: str) -> None:
    """Check names, and how much they unpack to."""
    names = Counter(_name(m.filename) for m in members)
    for name, count in names.items():
        if count > 1:
            raise FormatError(f"two members are named {name!r:.80}", path=path or None)
        if "\0" in name or name[:1] in ("/", "\\") or ".." in re.split(r"[/\\]", name):
            raise FormatError(f"a member is named {name!r:.80}", path=path or None)
    total = sum(m.file_size for m in members)
    if total > max(UNPACKED_ALLOWED, MAX_RATIO * size):
        raise FormatError(
            f"the zip file of {size} bytes unpacks to {total}",
            path=path or None,
            hint=f"real parameters do not shrink {MAX_RATIO} times: it is made to fill the memory",
        )


def _read_members(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], view: memoryview, path: str
) -> dict[str, np.ndarray]:
    names = {_name(m.filename) for m in members}
    found = {}
    for member in members:
        name = _name(member.filename)
        # MXNet 2.0 writes a broken header there, and the other members say the same
        if not (name.endswith("/format") and f"{name[: -len('format')]}indices" in names):
            found[name] = _member(archive, member, view, path)
    return found


class _Source(io.RawIOBase):
    """The file as zipfile reads it: a cursor over the buffer, no copy."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        if base + offset < 0:
            raise OSError(f"negative position {base + offset}")  # which zipfile expects
        self._at = base + offset
        return self._at

    def readinto(self, target: Any) -> int:
        part = self._view[self._at : self._at + len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)


def _name(filename: str) -> str:
    return filename[:-4] if filename.endswith(".npy") else filename


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, view: memoryview, path: str
) -> np.ndarray:
    what = f"member {member.filename!r}"
    if member.flag_bits & 1:
        raise FormatError(f"{what} is encrypted", path=path or None)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FormatError(
            f"{what} is compressed by method {member.compress_type}; only deflate is read",
            path=path or None,
        )
    if member.compress_type == zipfile.ZIP_STORED:
        start = _data_start(member, view, path)
        if member.file_size != member.compress_size or start + member.file_size > len(view):
            raise FormatError(
                f"{what} needs {member.file_size} bytes from {start} on, the file has {len(view)}",
                path=path or None,
                offset=start,
            )
        data = view[start : start + member.file_size]
        if zlib.crc32(data) != member.CRC:
            raise FormatError(f"{what}: its checksum is wrong", path=path or None, offset=start)
        return read_npy(data, path, start, what)
    return _compressed(archive, member, path, what)


def _data_start(member: zipfile.ZipInfo, view: memoryview, path: str) -> int:
    at = member.header_offset
    head = bytes(view[at : at + 30])
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise FormatError(
            f"member {member.filename!r} has no local header", path=path or None, offset=at
        )
    return at + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")


def _compressed(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str, what: str
) -> np.ndarray:
    """Unpack a compressed member: first its header, which says how many bytes may follow."""
    with archive.open(member) as file:
        head = file.read(min(member.file_size, _MAX_HEADER))
        shape, dtype, fortran, start = _npy_header(memoryview(head), path, 0, what)
        need = start + _nbytes(shape, dtype)
        if need != member.file_size:
            raise FormatError(
                f"{what}: its header asks for {need} bytes, the zip declares {member.file_size}",
                path=path or None,
            )
        data = bytearray(need)
        data[: len(head)] = head
        at = len(head)
        while at < need and (chunk := file.read(min(need - at, 1 << 20))):
            data[at : at + len(chunk)] = chunk
            at += len(chunk)
    if at != need:
        raise FormatError(f"{what} is truncated", path=path or None)
    return _build(memoryview(data)[start:], shape, dtype, fortran)


def read_npy(data: memoryview, path: str, offset: int, what: str) -> np.ndarray:
    """Read one ``.npy`` array; Fortran order and big endian become C order and native.

    Raises
    ------
    FormatError
        If the header is damaged, asks for objects, or for more or fewer bytes than there are.
    """
    shape, dtype, fortran, start = _npy_header(data, path, offset, what)
    need = _nbytes(shape, dtype)
    if need != len(data) - start:
        raise FormatError(
            f"{what}: shape {shape} of {dtype} needs {need} bytes, {len(data) - start} are there",
            path=path or None,
            offset=offset + start,
        )
    return _build(data[start:], shape, dtype, fortran)


def _nbytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    size = dtype.itemsize
    for n in shape:
        size *= n
    return size


def _build(
    data: memoryview, shape: tuple[int, ...], dtype: np.dtype[Any], fortran: bool
) -> np.ndarray:
    flat = np.frombuffer(data, np.uint8)
    if flat.size and flat.ctypes.data % max(1, dtype.alignment):
        flat = flat.copy()
    array = flat.view(dtype).reshape(shape, order="F" if fortran else "C")
    if fortran:
        array = np.ascontiguousarray(array)
    if dtype.byteorder == ">":
        array = array.astype(dtype.newbyteorder("="))
    array.flags.writeable = False
    return array


def _npy_header(
    data: memoryview, path: str, offset: int, what: str
) -> tuple[tuple[int, ...], np.dtype[Any], bool, int]:
    def bad(text: str) -> FormatError:
        return FormatError(f"{what}: {text}", path=path or None, offset=offset)

    head = bytes(data[:12])
    if head[:6] != b"\x93NUMPY" or len(head) < 10:
        raise bad("it is no .npy array")
    wide = head[6] >= 2
    start = 12 if wide else 10
    length = int.from_bytes(head[8:12] if wide else head[8:10], "little")
    if length > _MAX_HEADER or start + length > len(data):
        raise bad(f"its header of {length} bytes does not fit")
    try:
        fields = ast.literal_eval(bytes(data[start : start + length]).decode("latin1").strip())
        descr, fortran, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise bad("its header cannot be read") from None
    dtype = _dtype(descr)
    if dtype is None:
        raise bad(f"arrays of {descr!r:.80} are not read: only numbers and truth values are")
    good = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    if not good or len(shape) > MAX_RANK or not isinstance(fortran, bool):
        raise bad(f"its header declares shape {shape!r:.200}")
    return shape, dtype, fortran, start + length


def _dtype(descr: Any) -> np.dtype[Any] | None:
    """Return the dtype that a header names; None for objects, texts, records."""
    if descr == _BFLOAT16 or descr in ("bfloat16", "<V2", "|V2"):
        return dtypes.resolve("bfloat16")
    if isinstance(descr, str) and _NUMBER.fullmatch(descr):
        return np.dtype(descr)
    return None


def _join_sparse(arrays: dict[str, np.ndarray], path: str) -> dict[str, np.ndarray]:
    """Sparse arrays of ``savez`` are five members ``NAME/data`` ...: make them dense."""
    bases = [k[: -len("/indices")] for k in arrays if k.endswith("/indices")]
    for base in bases:
        parts = {p: arrays.pop(f"{base}/{p}") for p in _SPARSE if f"{base}/{p}" in arrays}
        arrays[base] = _dense(parts, base, path)
    return arrays


def _dense(parts: dict[str, np.ndarray], name: str, path: str) -> np.ndarray:
    from symgluon.formats import params_list

    reader = params_list._Reader(np.zeros(0, np.uint8), path)
    reader.what = f"sparse array {name!r}"
    if "data" not in parts or "shape" not in parts:
        raise reader.error("its members data and shape are missing")
    shape = tuple(int(n) for n in parts["shape"].reshape(-1))
    data, indices = parts["data"], parts["indices"]
    params_list._check_dense_size(reader, shape, data.dtype)
    if "indptr" in parts:
        return params_list._csr(reader, shape, data, parts["indptr"], indices)
    return params_list._row_sparse(reader, shape, data, indices)


# ---- writing -----------------------------------------------------------------------------------
def dump(data: Mapping[str, np.ndarray]) -> bytes:
    """Return a zip of stored ``.npy`` members, deterministic, as MXNet 2.0 reads it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in data.items():
            array = np.asarray(array)
            dtypes.to_mx_code(array.dtype)  # refuses what no loader would read
            member = zipfile.ZipInfo(f"{name}.npy", _STAMP)
            member.external_attr = 0o644 << 16
            with archive.open(member, "w", force_zip64=array.nbytes > 1 << 30) as file:
                file.write(_header(array))
                file.write(raw_bytes(array))
    return target.getvalue()


def _header(array: np.ndarray) -> bytes:
    dtype = array.dtype.newbyteorder("<") if array.dtype.byteorder == ">" else array.dtype
    # bfloat16 by name: to compare with the dtype itself would need ml_dtypes for every array
    descr = _BFLOAT16 if dtype.name == "bfloat16" else np.lib.format.dtype_to_descr(dtype)
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {tuple(array.shape)!r}, }}"
    pad = -(10 + len(text) + 1) % 64
    raw = (text + " " * pad + "\n").encode("latin1")
    return b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw
