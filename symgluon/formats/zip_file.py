"""Zip archives, as far as parameter files need them: stored and deflated members, zip64.

Reading: the directory is checked as a whole (its own size, names, overlaps) before a member is
touched, and costs time and memory in proportion to the file only.  Every error has an offset;
``zipfile`` gives none, and makes objects of a million declared members before one can object.

Writing: member by member, without a copy, and byte for byte what MXNet 2.0 writes: no dates, sizes
and checksum after the data.  Layout from PKWARE's APPNOTE 6.3; what MXNet fills in from its files.
"""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from symgluon.errors import AttributeValueError
from symgluon.formats.loading import Loading

MAX_MEMBERS = 1 << 17
STORED, DEFLATED = 0, 8
_LOCAL, _DIRECTORY, _DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ENTRY = struct.Struct("<4s6HIII5HII")
_HEADER = struct.Struct("<4s5HIIIHH")
_TAIL = struct.Struct("<4s4HIIH")
_TAIL64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATE64 = struct.Struct("<4sIQI")
_FULL2, _FULL4 = 0xFFFF, 0xFFFFFFFF  # "the number stands in the zip64 record"
_FLAGS = 0x0808  # sizes follow the data, names are UTF-8
_ENCRYPTED, _UTF8 = 0x2041, 0x0800
_PIECE, _OUT = 1 << 16, 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive: its packed bytes are ``[start, start + packed)`` of the archive."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    start: int


def name_fault(name: str) -> str | None:
    """Return why an archive may not have a member of this name; None if it may."""
    if "\0" in name:
        return "holds a NUL"
    if name[:1] in ("/", "\\") or ".." in re.split(r"[/\\]", name):
        return "leads out of the folder that it is unpacked to"
    return None


# ---- reading -----------------------------------------------------------------------------------
def read_directory(view: memoryview, loading: Loading) -> list[Member]:
    """Return the members of an archive; folders are left out.

    Raises
    ------
    FormatError
        If the archive is damaged or encrypted, has names twice or names with ``..``, members that
        overlap, more than `MAX_MEMBERS` members, or methods other than deflate.
    """
    count, at, end = _directory_place(view, loading)
    members: list[Member] = []
    spans: list[tuple[int, int]] = []
    names: set[str] = set()
    for _ in range(count):
        member, first, at = _entry(view, at, end, loading)
        spans.append((first, member.start + member.packed))
        if member.name in names:
            raise loading.error(f"two members are named {member.name!r:.80}", first)
        names.add(member.name)
        if not (member.name.endswith("/") and member.size == 0):
            members.append(member)
    if at != end:
        raise loading.error(f"{end - at} bytes follow the {count} entries of the directory", at)
    spans.sort()
    for (_, last), (first, _) in itertools.pairwise(spans):
        if first < last:
            raise loading.error("two members of the zip file share bytes", first)
    return members


def _directory_place(view: memoryview, loading: Loading) -> tuple[int, int, int]:
    """Return the number of entries, and where the directory starts and ends."""
    tail_at = max(0, len(view) - _TAIL.size - _FULL2)
    tail = bytes(view[tail_at:])
    found = len(tail)
    while True:
        found = tail.rfind(_END, 0, found + len(_END) - 1)
        if found < 0:
            raise loading.error("the zip file is truncated: it has no directory", len(view))
        if found + _TAIL.size <= len(tail):
            _, disk, first, here, count, size, start, comment = _TAIL.unpack_from(tail, found)
            if found + _TAIL.size + comment == len(tail):
                break
    end = tail_at + found
    if _FULL2 in (here, count) or _FULL4 in (size, start):
        end, disk, first, here, count, size, start = _zip64_end(view, end, loading)
    if disk or first or here != count:
        raise loading.error("the zip file is one part of several", end)
    if start + size != end:
        raise loading.error(
            f"the directory of the zip file should end at byte {end}, but is declared as "
            f"{start} ... {start + size}",
            end,
        )
    if count > min(MAX_MEMBERS, size // _ENTRY.size):
        raise loading.error(
            f"the zip file declares {count} members in a directory of {size} bytes (and at most "
            f"{MAX_MEMBERS} members are read)",
            end,
        )
    return count, start, end


def _zip64_end(
    view: memoryview, end: int, loading: Loading
) -> tuple[int, int, int, int, int, int, int]:
    at = end - _LOCATE64.size
    if at < 0 or view[at : at + 4] != _LOCATOR64:
        raise loading.error("the zip file lacks the locator of its zip64 record", end)
    _, disk, place, disks = _LOCATE64.unpack_from(view, at)
    if place + _TAIL64.size != at or view[place : place + 4] != _END64 or disk or disks > 1:
        raise loading.error("the zip64 record is not where its locator says", at)
    _, _, _, _, disk, first, here, count, size, start = _TAIL64.unpack_from(view, place)
    return place, disk, first, here, count, size, start


def _entry(view: memoryview, at: int, end: int, loading: Loading) -> tuple[Member, int, int]:
    """Return the member, where its local header is, and where the next entry starts."""
    if at + _ENTRY.size > end or view[at : at + 4] != _DIRECTORY:
        raise loading.error("the directory of the zip file is damaged", at)
    fields = _ENTRY.unpack_from(view, at)
    flags, method, crc, packed, size, name_size, extra_size, comment_size = (
        fields[3], fields[4], fields[7], fields[8], fields[9], fields[10], fields[11], fields[12],
    )  # fmt: skip
    first = fields[16]
    name_at = at + _ENTRY.size
    extra_at = name_at + name_size
    after = extra_at + extra_size + comment_size
    if after > end:
        raise loading.error("the directory of the zip file is damaged", at)
    raw = bytes(view[name_at:extra_at])
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise loading.error(f"the name {raw[:80]!r} of a member is not UTF-8", name_at) from None
    if fault := name_fault(name):
        raise loading.error(f"a member is named {name!r:.80}, which {fault}", name_at)
    what = f"member {name!r:.80}"
    if flags & _ENCRYPTED:
        raise loading.error(f"{what} is encrypted", at)
    if method not in (STORED, DEFLATED):
        raise loading.error(f"{what} is compressed by method {method}; only deflate is read", at)
    if _FULL4 in (size, packed, first):
        extra = view[extra_at : extra_at + extra_size]
        size, packed, first = _wide([size, packed, first], extra, what, at, loading)
    if method == STORED and size != packed:
        raise loading.error(f"{what} is stored as {packed} bytes, but declared as {size}", at)
    start = _data_start(view, first, raw, method, what, loading)
    if start + packed > end:
        raise loading.error(
            f"{what} needs {packed} bytes from {start} on, the file has {len(view)}", start
        )
    return Member(name, method, crc, packed, size, start), first, after


def _wide(
    numbers: list[int], extra: memoryview, what: str, at: int, loading: Loading
) -> list[int]:
    """Replace the numbers that did not fit by those of the zip64 extra field."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        body = extra[place + 4 : place + 4 + length]
        if kind == 1 and len(body) == length >= 8 * numbers.count(_FULL4):
            values = iter(struct.unpack_from(f"<{length // 8}Q", body))
            return [next(values) if n == _FULL4 else n for n in numbers]
        place += 4 + length
    raise loading.error(f"{what} lacks the zip64 field with its sizes", at)


def _data_start(
    view: memoryview, at: int, name: bytes, method: int, what: str, loading: Loading
) -> int:
    if at + _HEADER.size > len(view) or view[at : at + 4] != _LOCAL:
        raise loading.error(f"{what} has no local header", at)
    fields = _HEADER.unpack_from(view, at)
    start = at + _HEADER.size + fields[9]
    if fields[3] != method or bytes(view[at + _HEADER.size : start]) != name:
        raise loading.error(f"{what} is another one in its local header", at)
    return int(start + fields[10])


def check_crc(view: memoryview, member: Member, loading: Loading) -> memoryview:
    """Return the bytes of a stored member, whose checksum is right."""
    data = view[member.start : member.start + member.packed]
    if zlib.crc32(data) != member.crc:
        raise loading.error(f"member {member.name!r:.80}: its checksum is wrong", member.start)
    return data


def inflate(view: memoryview, member: Member, loading: Loading) -> Iterator[bytes]:
    """Yield the content of a deflated member in chunks of up to a megabyte.

    Raises
    ------
    FormatError
        If it is damaged, or unpacks to more or fewer bytes than declared.
    """
    what, end = f"member {member.name!r:.80}", member.start + member.packed
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    crc = total = 0
    for at in range(member.start, end, _PIECE):
        data: bytes | memoryview = view[at : min(at + _PIECE, end)]
        more = True
        while more and not unpacker.eof:
            try:
                out = unpacker.decompress(data, _OUT)
            except zlib.error as wrong:
                raise loading.error(f"{what} cannot be unpacked: {wrong}", at) from None
            data = unpacker.unconsumed_tail
            more = bool(data) or len(out) == _OUT
            total += len(out)
            if total > member.size:
                raise loading.error(f"{what} unpacks to more than {member.size} bytes", at)
            crc = zlib.crc32(out, crc)
            yield out
    if not unpacker.eof or unpacker.unused_data or total != member.size:
        raise loading.error(
            f"{what} unpacks to {total} bytes, {member.size} are declared", member.start
        )
    if crc != member.crc:
        raise loading.error(f"{what}: its checksum is wrong", member.start)


# ---- writing -----------------------------------------------------------------------------------
def write_zip(
    members: Iterable[tuple[str, list[bytes | memoryview]]],
) -> Iterator[bytes | memoryview]:
    """Yield the bytes of an archive of stored members.

    Parameters
    ----------
    members : iterable of (name, chunks)
        In this order.

    Raises
    ------
    AttributeValueError
        For a name that `read_directory` would refuse.
    """
    at, count = 0, 0
    directory: list[bytes] = []
    for name, chunks in members:
        raw = _raw_name(name)
        size = sum(len(c) for c in chunks)
        crc = 0
        head = _local_header(raw, size)
        yield head
        for chunk in chunks:
            crc = zlib.crc32(chunk, crc)
            yield chunk
        after = struct.pack("<4sIQQ" if size >= _FULL4 else "<4sIII", _DESCRIPTOR, crc, size, size)
        yield after
        directory.append(_directory_entry(raw, crc, size, at))
        at += len(head) + size + len(after)
        count += 1
    yield from directory
    yield _end_records(count, sum(map(len, directory)), at)


def _raw_name(name: str) -> bytes:
    fault = name_fault(name)
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raw, fault = b"", "holds a lone surrogate"
    if len(raw) > _FULL2:
        fault = f"has {len(raw)} bytes"
    if fault:
        raise AttributeValueError(
            f"no member of a zip file may be named {name!r:.80}: the name {fault}",
            hint="Rename the array, or write the binary list (format='list').",
        )
    return raw


def _local_header(raw: bytes, size: int) -> bytes:
    if size < _FULL4:
        return _HEADER.pack(_LOCAL, 0, _FLAGS, STORED, 0, 0, 0, 0, 0, len(raw), 0) + raw
    wide = struct.pack("<HHQQ", 1, 16, 0, 0)
    head = _HEADER.pack(_LOCAL, 45, _FLAGS, STORED, 0, 0, 0, _FULL4, _FULL4, len(raw), len(wide))
    return head + raw + wide


def _directory_entry(raw: bytes, crc: int, size: int, at: int) -> bytes:
    wide = [size, size] if size >= _FULL4 else []
    wide += [at] if at >= _FULL4 else []
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    size, at = min(size, _FULL4), min(at, _FULL4)
    version = 45 if wide else 0
    return (
        _ENTRY.pack(
            _DIRECTORY, version, version, _FLAGS, STORED, 0, 0, crc, size, size,
            len(raw), len(extra), 0, 0, 0, 0, at,
        )
        + raw
        + extra
    )  # fmt: skip


def _end_records(count: int, size: int, at: int) -> bytes:
    records = b""
    if count >= _FULL2 or max(size, at) >= _FULL4:
        records = _TAIL64.pack(
            _END64, _TAIL64.size - 12, 45, 45, 0, 0, count, count, size, at
        ) + _LOCATE64.pack(_LOCATOR64, 0, at + size, 1)
        count, size, at = min(count, _FULL2), min(size, _FULL4), min(at, _FULL4)
    return records + _TAIL.pack(_END, 0, 0, count, count, size, at, 0)
