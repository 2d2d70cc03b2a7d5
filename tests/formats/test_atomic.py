"""Files are written whole or not at all, whatever happens on the way."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from symgluon.formats import atomic
from symgluon.formats.atomic import open_atomic, write_bytes, write_group, write_text


class Stop(BaseException):
    """What a Ctrl-C is."""


def listing(folder):
    return sorted(os.listdir(folder))


def test_new_and_replaced(tmp_path):
    path = tmp_path / "x"
    write_bytes(path, b"one")
    assert path.read_bytes() == b"one"
    write_bytes(path, iter([b"tw", bytearray(b"o"), memoryview(b"!")]))
    assert path.read_bytes() == b"two!"
    write_text(path, "größe\n")
    assert path.read_bytes() == "größe\n".encode()
    assert listing(tmp_path) == ["x"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stop, MemoryError])
@pytest.mark.parametrize("before", [None, b"old"])
def test_an_exception_leaves_what_was_there(tmp_path, error, before):
    path = tmp_path / "x"
    if before is not None:
        path.write_bytes(before)

    def write():
        with open_atomic(path) as file:
            file.write(b"half of it")
            raise error

    with pytest.raises(error):
        write()
    assert (path.read_bytes() if path.exists() else None) == before
    assert listing(tmp_path) == ([] if before is None else ["x"])


def test_chunks_that_fail(tmp_path):
    def chunks():
        yield b"half"
        raise ValueError("no more")

    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="no more"):
        write_bytes(path, chunks())
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["x"]


def test_mode_of_the_file(tmp_path):
    mask = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new", b"")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o600)
    write_bytes(tmp_path / "new", b"")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "x"
    link.symlink_to(tmp_path / "real" / "file")
    write_bytes(link, b"one")
    write_group({str(link): b"two"})
    assert link.is_symlink()
    assert (tmp_path / "real" / "file").read_bytes() == b"two"
    assert listing(tmp_path / "real") == ["file"]


def test_no_folder(tmp_path):
    for write in (lambda p: write_bytes(p, b""), lambda p: write_group({str(p): b""})):
        with pytest.raises(FileNotFoundError):
            write(tmp_path / "none" / "x")
    with pytest.raises(OSError):
        write_bytes(tmp_path, b"")
    assert listing(tmp_path) == []


def test_long_and_odd_names(tmp_path):
    for name in ("n" * 255, "ä" * 120, "a b", "x%s"):
        write_bytes(tmp_path / name, name.encode())
        assert (tmp_path / name).read_bytes() == name.encode()


def test_only_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), str(tmp_path), "/dev/null"):
        for write in (lambda p: write_bytes(p, b""), lambda p: write_group({p: b""})):
            with pytest.raises(OSError):
                write(path)
    assert listing(tmp_path) == ["pipe"]
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


# ---- groups ----------------------------------------------------------------------------
def test_group(tmp_path):
    (tmp_path / "b").write_bytes(b"old")
    write_group({str(tmp_path / n): n.encode() for n in "abc"})
    assert {n: (tmp_path / n).read_bytes() for n in listing(tmp_path)} == {
        "a": b"a", "b": b"b", "c": b"c",
    }  # fmt: skip


@pytest.mark.parametrize("fails", range(6))
@pytest.mark.parametrize("call", ["replace", "link", "fsync"])
def test_group_is_all_or_nothing(tmp_path, monkeypatch, call, fails):
    for name in "ac":
        (tmp_path / name).write_bytes(b"old " + name.encode())
    real, count = getattr(os, call), 0

    def failing(*args, **kwargs):
        nonlocal count
        count += 1
        if count - 1 == fails:
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    monkeypatch.setattr(atomic.os, call, failing)
    group = {str(tmp_path / n): b"new " + n.encode() for n in "abc"}
    try:
        write_group(group)
        kind = b"new "
    except OSError:
        kind = b"old "
    monkeypatch.undo()
    # only the files' own fsync counts: the folder's is best effort; and a file that cannot be
    # linked is copied, except where the disk is full
    files = 3
    assert (kind == b"old ") == (count > fails and (call != "fsync" or fails < files))
    names = "abc" if kind == b"new " else "ac"
    assert {n: (tmp_path / n).read_bytes() for n in listing(tmp_path)} == {
        n: kind + n.encode() for n in names
    }


@pytest.mark.parametrize("fails", [False, True])
def test_group_without_hard_links(tmp_path, monkeypatch, fails):
    for name in "ab":
        (tmp_path / name).write_bytes(b"old " + name.encode())

    def no_link(*args, **kwargs):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(atomic.os, "link", no_link)
    if fails:
        real, seen = os.replace, []

        def replace(source, target):
            seen.append(target)
            if len(seen) == 2:
                raise OSError(5, "Input/output error")
            real(source, target)

        monkeypatch.setattr(atomic.os, "replace", replace)
    with pytest.raises(OSError) if fails else contextlib.nullcontext():
        write_group({str(tmp_path / n): b"new " + n.encode() for n in "ab"})
    kind = b"old " if fails else b"new "
    assert {n: (tmp_path / n).read_bytes() for n in listing(tmp_path)} == {
        n: kind + n.encode() for n in "ab"
    }


# ---- killed ----------------------------------------------------------------------------
WRITER = """
import sys
from symgluon.formats.atomic import write_bytes
path, size = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
number = 0
while True:
    write_bytes(path, (bytes([65 + number % 26]) * 4096 for _ in range(size // 4096)))
    number += 1
"""


@pytest.mark.slow
def test_kill_leaves_a_whole_file(tmp_path):
    path, size = tmp_path / "x", 1 << 20
    for round_ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(size)], stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            while not path.exists():
                time.sleep(0.001)
            time.sleep(0.003 * round_)
            process.send_signal(signal.SIGKILL)
        data = path.read_bytes()
        assert len(data) == size
        assert data == data[:1] * size
