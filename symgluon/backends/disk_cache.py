"""Compiled models on disk: what ONNX Runtime made of a graph, to be opened by a later process.

An entry is a folder: ``model.onnx`` (the graph after all rewrites), ``weights.bin`` (its tensors, in
the layout that the kernels read; mapped into memory, not copied) and ``entry.json``.  A folder is
written under another name and renamed, so other processes see all of it or nothing.  An entry
that is damaged, or was written by somebody else's program, is passed over and replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
import shutil
import sys
import time
import warnings
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from symgluon import config
from symgluon.ir.fingerprint import digest_array

_FORMAT = 1
_MODEL, _WEIGHTS, _ENTRY = "model.onnx", "weights.bin", "entry.json"
_TEMPORARY = "tmp-"
_ABANDONED = 3600.0  # seconds after which an unfinished entry is taken for that of a dead process
_INLINE = 1024  # bytes of a tensor from which it is kept beside the model
_CHUNK = 1 << 22


class Entry(NamedTuple):
    """One compiled model."""

    name: str
    path: Path
    bytes: int
    used: float  # seconds since the epoch
    graph: str
    inputs: tuple[str, ...]

    @property
    def model(self) -> str:
        """The file to open."""
        return str(self.path / _MODEL)


# ---- keys --------------------------------------------------------------------------------------
@lru_cache(maxsize=1)
def environment() -> str:
    """What a compiled model depends on besides the graph: versions, our own code, the processor.

    ONNX Runtime lays weights out for the vector units it finds, so a model made for one processor
    is wrong or refused on another.
    """
    import onnx

    from symgluon.backends.sessions import runtime

    ort = runtime()
    parts = (
        _FORMAT,
        ort.__version__,
        ort.get_build_info(),
        onnx.__version__,
        _code(),
        _processor(),
    )
    return "|".join(map(str, parts))


def _code() -> str:
    """Stamp of the modules that make a model from a graph: any change of them counts."""
    root = Path(__file__).resolve().parent.parent
    version = getattr(sys.modules.get("symgluon"), "__version__", "")
    found = hashlib.sha256(version.encode())
    for folder in ("ir", "ops", "passes", "formats", "backends"):
        for path in sorted((root / folder).rglob("*.py")):
            status = path.stat()
            found.update(
                f"{path.relative_to(root)} {status.st_size} {status.st_mtime_ns}".encode()
            )
    return found.hexdigest()


def _processor() -> str:
    """Kind of processor with its vector extensions; the host's name where they are not told."""
    kind = f"{platform.system()} {platform.machine()}"
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return f"{kind} {' '.join(sorted(value.split()))}"
    return f"{kind} {platform.processor()} {platform.node()}"


def key_of(*parts: Any) -> str:
    """Return the key of what depends on `parts` and on the environment."""
    return hashlib.sha256(repr((environment(), parts)).encode()).hexdigest()[:32]


def digest_weights(arrays: Sequence[np.ndarray]) -> str:
    """Digest of types and contents."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(digest_array(array).encode())
    return found.hexdigest()[:32]


# ---- the folder --------------------------------------------------------------------------------
def open_cache() -> DiskCache | None:
    """Return the cache that the environment asks for, None where it is off."""
    folder = config.cache_dir()
    limit = config.cache_size()
    return DiskCache(folder, limit) if folder and limit else None


class DiskCache:
    """The entries of one folder, together of at most `limit` bytes: the longest unused go first."""

    def __init__(self, folder: str, limit: int) -> None:
        self.folder = Path(folder).expanduser()
        self.limit = limit

    # ---- reading ---------------------------------------------------------------------------
    def holds(self, prefix: str) -> bool:
        """Whether there is an entry whose name begins so."""
        with contextlib.suppress(OSError):
            return any(name.startswith(prefix) for name in os.listdir(self.folder))
        return False

    def load(self, name: str) -> Entry | None:
        """Return an entry that is whole, and note that it is used; None if there is none."""
        path = self.folder / name
        try:
            about = json.loads((path / _ENTRY).read_text("utf-8"))
            found = _entry(path, about)
            whole = about["format"] == _FORMAT and all(
                _checksum(path / file) == sums for file, *sums in about["files"]
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not whole:
            return None
        with contextlib.suppress(OSError):
            os.utime(path / _ENTRY)
        return found

    def entries(self) -> list[Entry]:
        """All entries, the last used first; what is none is left out."""
        found = []
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.name.startswith(_TEMPORARY):
                    continue
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                    found.append(_entry(path, json.loads((path / _ENTRY).read_text("utf-8"))))
        return sorted(found, key=lambda e: (-e.used, e.name))

    # ---- writing ---------------------------------------------------------------------------
    def begin(self, name: str) -> Writing:
        """Begin an entry; nothing is seen of it until it is finished.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{_TEMPORARY}{os.getpid()}-{secrets.token_hex(6)}"
        path.mkdir(mode=0o700)
        return Writing(self, name, path)

    def put(self, path: Path, name: str) -> None:
        """Let a finished folder be the entry `name`; one that is whole stays."""
        target = self.folder / name
        if target.exists() and self.load(name) is None:
            self.remove(name)
        try:
            os.rename(path, target)
        except OSError:  # another process was first
            if not target.exists():
                raise
            shutil.rmtree(path, ignore_errors=True)
        self.trim(keep=name)

    def trim(self, keep: str = "") -> None:
        """Remove entries, the longest unused first, until the rest fits."""
        total = 0
        for entry in self.entries():
            total += entry.bytes
            if total > self.limit and entry.name != keep:
                total -= entry.bytes
                self.remove(entry.name)
        self._sweep()

    def _sweep(self) -> None:
        """Remove unfinished entries of processes that ended."""
        oldest = time.time() - _ABANDONED
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f"{_TEMPORARY}*"):
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime < oldest:
                        shutil.rmtree(path, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Remove an entry; sessions that have it open keep it."""
        path = self.folder / name
        gone = self.folder / f"{_TEMPORARY}{os.getpid()}-{secrets.token_hex(6)}"
        try:  # the rename comes first: nobody sees half of an entry
            os.rename(path, gone)
        except OSError:
            gone = path
        shutil.rmtree(gone, ignore_errors=True)

    def clear(self) -> int:
        """Remove all entries, and what is left of unfinished ones; returns how many there were."""
        entries = self.entries()
        for entry in entries:
            self.remove(entry.name)
        self._sweep()
        return len(entries)


class Writing:
    """An entry that is being written."""

    def __init__(self, cache: DiskCache, name: str, path: Path) -> None:
        self.cache = cache
        self.name = name
        self.path = path

    def prepare(self, options: Any) -> None:
        """Let a session made with these options write its model here."""
        options.optimized_model_filepath = str(self.path / _MODEL)
        entry = options.add_session_config_entry
        entry("session.optimized_model_external_initializers_file_name", _WEIGHTS)
        entry("session.optimized_model_external_initializers_min_size_in_bytes", str(_INLINE))

    def finish(self, graph: str, inputs: Iterable[str]) -> None:
        """Make the entry visible.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        files = [
            [name, *_checksum(self.path / name)]
            for name in (_MODEL, _WEIGHTS)
            if (self.path / name).exists()
        ]
        about = {
            "format": _FORMAT,
            "graph": graph,
            "inputs": list(inputs),
            "files": files,
            "made": time.time(),
        }
        (self.path / _ENTRY).write_text(json.dumps(about), "utf-8")
        self.cache.put(self.path, self.name)

    def drop(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.path, ignore_errors=True)


def _entry(path: Path, about: dict[str, Any]) -> Entry:
    """Return an entry by what its folder says of itself."""
    size = sum(int(file[1]) for file in about["files"])
    used = (path / _ENTRY).stat().st_mtime
    names = [str(file[0]) for file in about["files"]]
    if _MODEL not in names or not set(names) <= {_MODEL, _WEIGHTS}:
        raise ValueError(f"{path} is no entry")
    return Entry(path.name, path, size, used, str(about["graph"]), tuple(about["inputs"]))


def _checksum(path: Path) -> list[int]:
    """Size and CRC of a file; a file that is cut short must not be mapped."""
    crc = size = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
    return [size, crc]


_told: set[str] = set()


def tell(error: OSError, folder: Path) -> None:
    """Warn, once a folder, that nothing can be written there."""
    if str(folder) not in _told:
        _told.add(str(folder))
        warnings.warn(
            f"compiled models cannot be kept in {folder}: {error.strerror or error}", stacklevel=2
        )
