"""Record files (``.rec`` with ``.idx``) read by key from several threads; :mod:`symgluon.recordio`."""

from __future__ import annotations

import os
import threading
from typing import Any

from symgluon.errors import FormatError
from symgluon.recordio import IRHeader as Header
from symgluon.recordio import read_record, unpack

__all__ = ["Header", "IndexedRecords", "unpack"]


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
            found = read_record(self._file, self.path)
        if found is None:
            raise FormatError("there is no record here", path=self.path, offset=offset)
        return found

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
