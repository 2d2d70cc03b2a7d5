"""Record files (``.rec`` with ``.idx``): reading by key.

A record is a word 0xced7230a, a word of three flag bits and 29 bits of length, the bytes, and
zeros up to a multiple of four.  The index has a line ``key TAB offset`` for each.
"""

from __future__ import annotations

import os
import struct
import threading
from typing import Any, NamedTuple

import numpy as np

from symgluon.errors import FormatError

_MAGIC = 0xCED7230A
_HEADER = struct.Struct("<IfQQ")


class Header(NamedTuple):
    """What stands before an image: how many labels, the label (or labels), and two numbers."""

    flag: int
    label: Any
    id: int
    id2: int


class IndexedRecords:
    """Records of a file by the keys of its index; usable from several threads.

    Parameters
    ----------
    index, records : str or path
        The two files.

    Raises
    ------
    FormatError
        If a line of the index is none.
    """

    def __init__(self, index: str | os.PathLike[str], records: str | os.PathLike[str]) -> None:
        self.index, self.path = os.fspath(index), os.fspath(records)
        self.keys: list[int] = []
        self._offsets: dict[int, int] = {}
        with open(self.index, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    self._add(line, number)
        self._lock = threading.Lock()
        self._file: Any = None

    def _add(self, line: str, number: int) -> None:
        try:
            key, offset = (int(part) for part in line.split("\t"))
        except ValueError:
            raise FormatError(
                f"line {number} is not 'key TAB offset': {line.strip()!r}", path=self.index
            ) from None
        self.keys.append(key)
        self._offsets[key] = offset

    def read(self, key: int) -> bytes:
        """Return the bytes of a record.

        Parameters
        ----------
        key : int
            One of `keys`.

        Returns
        -------
        bytes
            The record.

        Raises
        ------
        FormatError
            If there is no whole record where the index says.
        """
        offset = self._offsets[key]
        with self._lock:
            if self._file is None:
                self._file = open(self.path, "rb")  # noqa: SIM115  kept open between reads
            self._file.seek(offset)
            head = self._file.read(8)
            if len(head) < 8 or struct.unpack("<I", head[:4])[0] != _MAGIC:
                raise FormatError("there is no record here", path=self.path, offset=offset)
            (word,) = struct.unpack("<I", head[4:])
            content = self._file.read(word & 0x1FFFFFFF)
        if word >> 29:
            raise FormatError(
                "the record is split into parts, which is not supported",
                path=self.path,
                offset=offset,
            )
        if len(content) < word & 0x1FFFFFFF:
            raise FormatError("the record is truncated", path=self.path, offset=offset)
        return content  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self._file.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_file": None}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__dict__.update(saved)
        self._lock = threading.Lock()


def unpack(record: bytes) -> tuple[Header, bytes]:
    """Split a record into its header and the image.

    Raises
    ------
    FormatError
        If it is too short.
    """
    if len(record) < _HEADER.size:
        raise FormatError(f"a record of {len(record)} bytes has no header of {_HEADER.size}")
    header = Header(*_HEADER.unpack_from(record))
    rest = record[_HEADER.size :]
    if header.flag:
        size = 4 * header.flag
        if len(rest) < size:
            raise FormatError(f"a record says it has {header.flag} labels and is too short")
        header = header._replace(label=np.frombuffer(rest[:size], "<f4"))
        rest = rest[size:]
    return header, rest
