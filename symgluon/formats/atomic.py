"""Files are written whole or not at all: a temporary name beside the target, then a rename."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

Content = bytes | bytearray | memoryview | Iterable[bytes | bytearray | memoryview]


def _target(path: str | os.PathLike[str]) -> str:
    """Return the file that will be written: where a link leads to.

    Raises
    ------
    OSError : if that is a folder, a pipe or a device, which a rename would take the place of.
    """
    target = os.path.realpath(os.fspath(path))
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(target).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "is a pipe or device, not a file", target)
    return target


def _temporary(target: str) -> str:
    """Return the name of a new file beside the target."""
    folder, base = os.path.split(target)
    return os.path.join(folder, f".{base[:40]}.{secrets.token_hex(8)}.tmp")


def _create(target: str, temporary: str) -> IO[bytes]:
    """Open the temporary file, with the mode of the one it will replace, else by the umask."""
    handle = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666
    )
    file = os.fdopen(handle, "wb")
    with contextlib.suppress(OSError):
        os.chmod(temporary, os.stat(target).st_mode & 0o777)
    return file


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(target: str) -> None:
    """Make a rename last through a power failure, where folders can be opened at all."""
    with contextlib.suppress(OSError):
        handle = os.open(os.path.dirname(target), os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def open_atomic(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open `path` for writing bytes; it appears, or changes, only when the block ends well.

    Raises
    ------
    OSError
        If the folder cannot be written to or the disk is full; nothing is left behind.
    """
    target = _target(path)
    temporary = _temporary(target)
    try:
        with _create(target, temporary) as file:
            yield file
            _sync(file)
        os.replace(temporary, target)
    except BaseException:
        _remove(temporary)
        raise
    _sync_folder(target)


def _write(file: IO[bytes], content: Content) -> None:
    if isinstance(content, bytes | bytearray | memoryview):
        file.write(content)
        return
    for chunk in content:
        file.write(chunk)


def write_bytes(path: str | os.PathLike[str], content: Content) -> None:
    """Write one file, whole or not at all.

    Parameters
    ----------
    path : str or path
        The file.
    content : bytes, or iterable of bytes
        Its content, or chunks of it.
    """
    with open_atomic(path) as file:
        _write(file, content)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write one UTF-8 text file, whole or not at all.

    Parameters
    ----------
    path : str or path
        The file.
    text : str
        Its content.
    """
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
            target = _target(path)
            temporary = _temporary(target)
            ready.append((temporary, target))
            with _create(target, temporary) as file:
                _write(file, content)
                _sync(file)
        for temporary, target in ready:
            done.append((target, _set_aside(target)))
            os.replace(temporary, target)
            _sync_folder(target)
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
    kept = _temporary(target)
    try:
        os.link(target, kept)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        _copy(target, kept)  # file systems without hard links
    return kept


def _copy(source: str, target: str) -> None:
    try:
        shutil.copy2(source, target)
    except BaseException:
        _remove(target)
        raise


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
