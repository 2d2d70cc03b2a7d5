"""Files are written whole or not at all: a temporary name beside the target, then a rename."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

Content = bytes | bytearray | memoryview | Iterable[bytes | bytearray | memoryview]


def _temporary(path: str) -> tuple[int, str]:
    folder, base = os.path.split(os.path.abspath(path))
    return tempfile.mkstemp(prefix=f".{base[:40]}.", suffix=".tmp", dir=folder)


def _permissions(path: str, temporary: str) -> None:
    """Give the file the mode that an ordinary `open` would (mkstemp makes it private)."""
    try:
        mode = os.stat(path).st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    os.chmod(temporary, mode)


@contextlib.contextmanager
def open_atomic(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open `path` for writing bytes; it appears, or changes, only when the block ends well.

    Raises
    ------
    OSError
        If the folder cannot be written to or the disk is full; nothing is left behind.
    """
    target = os.path.realpath(os.fspath(path))
    handle, temporary = _temporary(target)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _permissions(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _write(file: IO[bytes], content: Content) -> None:
    if isinstance(content, bytes | bytearray | memoryview):
        file.write(content)
        return
    for chunk in content:
        file.write(chunk)


def write_bytes(path: str | os.PathLike[str], content: Content) -> None:
    """Write one file, whole or not at all."""
    with open_atomic(path) as file:
        _write(file, content)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write one UTF-8 text file, whole or not at all."""
    write_bytes(path, text.encode())


def write_group(files: Mapping[str, Content]) -> None:
    """Write several files: all of them, or none (what was there before stays).

    All contents are written to temporary files first; then they are renamed, and a failing rename
    puts back those done before.

    Raises
    ------
    OSError
        As `open_atomic`.
    """
    ready: list[tuple[str, str]] = []
    done: list[tuple[str, str | None]] = []
    try:
        for path, content in files.items():
            target = os.path.realpath(path)
            handle, temporary = _temporary(target)
            ready.append((temporary, target))
            with os.fdopen(handle, "wb") as file:
                _write(file, content)
                file.flush()
                os.fsync(file.fileno())
            _permissions(target, temporary)
        for temporary, target in ready:
            done.append((target, _set_aside(target)))
            os.replace(temporary, target)
    except BaseException:
        _roll_back(done)
        raise
    else:
        for _, kept in done:
            _remove(kept)
    finally:
        for temporary, _ in ready:
            _remove(temporary)


def _set_aside(target: str) -> str | None:
    """Keep the file that is about to be replaced under a temporary name."""
    if not os.path.lexists(target):
        return None
    handle, kept = _temporary(target)
    os.close(handle)
    os.unlink(kept)
    os.link(target, kept)
    return kept


def _roll_back(done: list[tuple[str, Any]]) -> None:
    for target, kept in reversed(done):
        with contextlib.suppress(OSError):
            if kept is None:
                os.unlink(target)
            else:
                os.replace(kept, target)
                os.unlink(kept)  # still there where both were names of one file


def _remove(path: str | None) -> None:
    if path is not None:
        with contextlib.suppress(OSError):
            os.unlink(path)
