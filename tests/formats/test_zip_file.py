"""Zip archives: the directory is believed only as far as it agrees with the file."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest

from symgluon.errors import FormatError
from symgluon.formats import zip_file
from symgluon.formats.loading import Loading
from symgluon.formats.params import load_params, params_bytes


def archive(*members, method=zipfile.ZIP_STORED, comment=b""):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as target:
        for name, data in members:
            target.writestr(name, data)
        target.comment = comment
    return file.getvalue()


def read(data):
    """Return name -> content as our reader sees them."""
    view, loading = memoryview(data), Loading("x.zip", len(data))
    found = {}
    for member in zip_file.read_directory(view, loading):
        if member.method == zip_file.STORED:
            found[member.name] = bytes(zip_file.check_crc(view, member, loading))
        else:
            found[member.name] = b"".join(zip_file.inflate(view, member, loading))
    return found


NOISE = np.random.default_rng(0).integers(0, 256, 3_000_000, np.uint8).tobytes()
CONTENTS = {
    "empty": b"",
    "one": b"x",
    "zeros": bytes(3_000_000),
    "noise": NOISE,
    "exact": bytes(1 << 20),
    "two": bytes(1 << 21),
    "words": b"the quick brown fox " * 50_000,
}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("comment", [b"", b"a comment", b"PK\x05\x06" + bytes(30)])
def test_archives_of_zipfile(method, comment):
    assert read(archive(*CONTENTS.items(), method=method, comment=comment)) == CONTENTS


def test_folders_and_names():
    data = archive(("d/", b""), ("d/größe", b"1"), ("d/x.y", b"2"))
    assert read(data) == {"d/größe": b"1", "d/x.y": b"2"}


def written(**members):
    return b"".join(map(bytes, zip_file.write_zip((n, [d]) for n, d in members.items())))


def test_zipfile_reads_what_we_write():
    data = written(**CONTENTS)
    with zipfile.ZipFile(io.BytesIO(data)) as target:
        assert target.testzip() is None
        assert {n: target.read(n) for n in target.namelist()} == CONTENTS
    assert read(data) == CONTENTS


@pytest.mark.parametrize("limits", [(3, 0xFFFFFFFF), (0xFFFF, 1000), (2, 100)])
def test_zip64(monkeypatch, limits):
    """With the limits lowered, small archives take the form of large ones."""
    monkeypatch.setattr(zip_file, "_FULL2", limits[0])
    monkeypatch.setattr(zip_file, "_FULL4", limits[1])
    small = {f"{i}": bytes([i]) * 40 for i in range(6)} | {"a": b"y" * 5000}
    monkeypatch.setattr(zip_file, "_raw_name", str.encode)
    data = written(**small)
    assert zip_file._END64 in data
    data = data.replace(struct.pack("<I", limits[1]), b"\xff\xff\xff\xff")
    at = len(data) - 22
    full = [n if n < limits[0] else 0xFFFF for n in struct.unpack_from("<HH", data, at + 8)]
    data = data[: at + 8] + struct.pack("<HH", *full) + data[at + 12 :]
    monkeypatch.undo()
    with zipfile.ZipFile(io.BytesIO(data)) as target:
        assert target.testzip() is None
        assert {n: target.read(n) for n in target.namelist()} == small
    assert read(data) == small


@pytest.mark.slow
def test_more_than_65535_members():
    many = {f"{i:x}": b"" for i in range(70_000)}
    data = written(**many)
    with zipfile.ZipFile(io.BytesIO(data)) as target:
        assert target.namelist() == list(many)
    assert read(data) == many


def test_numpy_zip64_members():
    file = io.BytesIO()
    np.savez(file, a=np.arange(3.0))  # NumPy always states the sizes in a zip64 field too
    assert load_params(file.getvalue())["a"].tolist() == [0, 1, 2]


# ---- damage ----------------------------------------------------------------------------
TWO = archive(("a", b"first"), ("b", b"second"))
DIRECTORY = TWO.index(b"PK\x01\x02")
SECOND = TWO.index(b"PK\x01\x02", DIRECTORY + 1)
END = TWO.index(b"PK\x05\x06")


def patched(at, new, data=TWO):
    return data[:at] + new + data[at + len(new) :]


def u16(number):
    return struct.pack("<H", number)


def u32(number):
    return struct.pack("<I", number)


BROKEN = {
    "no end": (TWO[:-1], "no directory"),
    "bytes after": (TWO + b"x", "no directory"),
    "gap before the end": (TWO[:END] + b"x" + TWO[END:], "should end at"),
    "bytes in front": (b"x" * 8 + TWO, "should end at"),
    "disk": (patched(END + 4, u16(1)), "one part of several"),
    "counts": (patched(END + 8, u16(1)), "one part of several"),
    "fewer entries": (patched(END + 8, u16(1) * 2), "follow the 1 entries"),
    "more entries": (patched(END + 8, u16(3) * 2), "declares 3|damaged"),
    "many entries": (patched(END + 8, u16(9999) * 2), "declares 9999 members"),
    "directory size": (patched(END + 12, u32(47)), "should end at"),
    "directory place": (patched(END + 16, u32(0)), "should end at"),
    "no locator": (patched(END + 16, u32(0xFFFFFFFF)), "lacks the locator"),
    "entry": (patched(DIRECTORY, b"PK\x01\x03"), "damaged"),
    "long name": (patched(DIRECTORY + 28, u16(60000)), "damaged"),
    "other name": (patched(DIRECTORY + 46, b"c"), "another one in its local header"),
    "other method": (patched(DIRECTORY + 10, u16(8)), "another one in its local header"),
    "unknown method": (patched(DIRECTORY + 10, u16(99)), "compressed by method 99"),
    "encrypted": (patched(DIRECTORY + 8, u16(1)), "encrypted"),
    "sizes": (patched(DIRECTORY + 24, u32(7)), "stored as 5 bytes, but declared as 7"),
    "both sizes": (patched(DIRECTORY + 20, u32(10**9) * 2), "needs 1000000000 bytes"),
    "no zip64 field": (patched(DIRECTORY + 20, u32(0xFFFFFFFF) * 2), "lacks the zip64 field"),
    "header place": (patched(DIRECTORY + 42, u32(3)), "no local header"),
    "header beyond": (patched(DIRECTORY + 42, u32(10**9)), "no local header"),
    "checksum": (patched(DIRECTORY + 16, u32(0)), "checksum"),
    "content": (patched(TWO.index(b"first"), b"F"), "checksum"),
    "overlap": (patched(DIRECTORY + 20, u32(20) * 2), "share bytes"),
    "name not UTF-8": (
        patched(DIRECTORY + 46, b"\xff", patched(DIRECTORY + 8, u16(0x800))), "not UTF-8",
    ),
    "NUL": (patched(DIRECTORY + 46, b"\0", patched(TWO.index(b"a"), b"\0")), "NUL"),
    "twice": (patched(SECOND + 46, b"a", patched(TWO.index(b"bsec"), b"a")), "two members"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_damage_is_named(case):
    data, message = BROKEN[case]
    with pytest.raises(FormatError, match=message) as caught:
        read(data)
    assert caught.value.path == "x.zip"
    assert 0 <= caught.value.offset <= max(len(data), 10**9)


def deflated(packed, size, crc):
    """Return an archive of one member with these packed bytes."""
    data = archive(("a", packed))
    at = data.index(b"PK\x01\x02")
    for place, new in ((10, u16(8)), (16, u32(crc)), (24, u32(size))):
        data = patched(at + place, new, data)
    return patched(8, u16(8), data)


PLAIN = b"some text to pack " * 1000
PACKED = zlib.compress(PLAIN)[2:-4]
CRC = zlib.crc32(PLAIN)
BROKEN_DEFLATE = {
    "damaged": (b"\xff" + PACKED[1:], len(PLAIN), CRC, "cannot be unpacked"),
    "truncated": (PACKED[:-5], len(PLAIN), CRC, "are declared"),
    "more behind": (PACKED + b"x", len(PLAIN), CRC, "are declared"),
    "smaller": (PACKED, len(PLAIN) - 1, CRC, "more than 17999"),
    "larger": (PACKED, len(PLAIN) + 1, CRC, "unpacks to 18000 bytes, 18001"),
    "checksum": (PACKED, len(PLAIN), CRC ^ 1, "checksum"),
    "nothing": (b"", 5, 0, "unpacks to 0 bytes"),
}


@pytest.mark.parametrize("case", BROKEN_DEFLATE)
def test_damaged_deflate(case):
    *parts, message = BROKEN_DEFLATE[case]
    assert read(deflated(PACKED, len(PLAIN), CRC)) == {"a": PLAIN}
    with pytest.raises(FormatError, match=message):
        read(deflated(*parts))


def test_a_million_members_in_zip64_are_refused_at_once():
    count, front = 10**6, b"PK\x03\x04" + bytes(26)
    entry = b"PK\x01\x02" + bytes(24) + u16(6) + bytes(16)
    directory = (entry + b"x" * 6) * count
    place = len(front) + len(directory)
    data = (
        front + directory
        + struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count,
                      len(directory), len(front))
        + struct.pack("<4sIQI", b"PK\x06\x07", 0, place, 1)
        + b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + bytes(2)
    )  # fmt: skip
    with pytest.raises(FormatError, match="declares 1000000 members"):
        read(data)
    # the locator may not lead to another record
    with pytest.raises(FormatError, match="not where its locator says"):
        read(patched(place + 56 + 8, struct.pack("<Q", 0), data))


def test_large_arrays_are_not_copied_when_written():
    array = np.zeros(100_000)
    chunks = list(params_bytes({"a": array}, "zip"))
    assert any(isinstance(c, memoryview) and np.shares_memory(c, array) for c in chunks)
