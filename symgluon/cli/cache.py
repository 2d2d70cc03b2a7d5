"""``symgluon cache``: the compiled models that are kept on disk."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from typing import Any

from symgluon import config
from symgluon.cli.common import OK, Output, UsageError, table


@dataclass
class Model:
    """One compiled model."""

    name: str
    graph: str
    bytes: int
    used: float


@dataclass
class Cache:
    """What the folder holds."""

    folder: str
    enabled: bool
    limit: int
    bytes: int = 0
    removed: int = 0
    models: list[Model] = field(default_factory=list)


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "cache",
        parents=[common],
        help="list or remove the compiled models that are kept on disk",
        description="Compiled models are kept where SYMGLUON_CACHE_DIR names a folder (or is "
        "'default'), up to SYMGLUON_CACHE_SIZE bytes (4G).",
    )
    parser.add_argument(
        "action", nargs="?", choices=("list", "clear", "trim"), default="list",
        help="list (default); clear: remove all; trim: remove the longest unused beyond the limit",
    )  # fmt: skip
    parser.add_argument("names", nargs="*", help="clear: only entries whose names begin so")
    parser.add_argument("--dir", help="folder (default: SYMGLUON_CACHE_DIR, else the user's own)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """Run the command."""
    if args.names and args.action != "clear":
        raise UsageError(f"cache {args.action} takes no names")
    cache = look(args.dir, args.action, args.names)
    out.result(cache, lambda: _text(cache, args.action))
    return OK


def look(folder: str | None = None, action: str = "list", names: Any = ()) -> Cache:
    """Do `action` and return what is there afterwards."""
    from symgluon.backends.disk_cache import DiskCache

    limit = config.cache_size()
    folder = folder or config.cache_dir() or config.default_cache_dir()
    disk = DiskCache(folder, limit)
    before = disk.entries()
    if action == "clear" and names:
        for entry in before:
            if entry.name.startswith(tuple(names)):
                disk.remove(entry.name)
    elif action == "clear":
        disk.clear()
    elif action == "trim":
        disk.trim()
    entries = disk.entries()
    models = [Model(e.name, e.graph, e.bytes, e.used) for e in entries]
    return Cache(
        str(disk.folder),
        bool(config.cache_dir() and limit),
        limit,
        sum(e.bytes for e in entries),
        len(before) - len(entries),
        models,
    )


def _text(cache: Cache, action: str) -> str:
    lines = []
    if cache.models:
        rows = [(m.name, m.graph, _size(m.bytes), _ago(m.used)) for m in cache.models]
        lines.append(table(("entry", "graph", "size", "last used"), rows))
    if action != "list":
        lines.append(f"removed {cache.removed} compiled models")
    count = len(cache.models)
    lines.append(
        f"{cache.folder}: {count} compiled model{'' if count == 1 else 's'}, "
        f"{_size(cache.bytes)} of {_size(cache.limit)}"
    )
    if not cache.enabled:
        lines.append(
            "the cache is off: SYMGLUON_CACHE_DIR=default (or a folder) switches it on"
            if cache.limit
            else "the cache is off: SYMGLUON_CACHE_SIZE is 0"
        )
    return "\n".join(lines)


def _size(count: int) -> str:
    number, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit in ("B", "kB") else f"{number:.1f} {unit}"


def _ago(when: float) -> str:
    seconds = max(0.0, time.time() - when)
    for size, word in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word} ago"
    return f"{seconds:.0f} seconds ago"
