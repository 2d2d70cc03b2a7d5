"""JSON of symbol files: decoding with bounds, and the layout that MXNet writes.

MXNet's files are JSON with a layout of their own (``dmlc/json.h``): members one a line, but short
lists and lists of lists in one.  Writing the same layout makes files comparable line by line.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

MAX_DEPTH = 100
_LONG = 10  # a list of more numbers than this is written one a line

# ---- JSON --------------------------------------------------------------------------------------
_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_STEP = np.zeros(256, np.int8)
_STEP[[ord("["), ord("{")]] = 1
_STEP[[ord("]"), ord("}")]] = -1
_CHUNK = 1 << 18


def _structure(data: bytes) -> tuple[int, int, int, int]:
    """Return the nesting depth and the numbers of ``[``, ``{`` and ``:`` outside strings.

    Chunk by chunk, so that its own memory does not grow with the file.
    """
    depth = deepest = arrays = objects = colons = 0
    inside = escaped = False  # at the start of the chunk: in a string, after a backslash
    for at in range(0, len(data), _CHUNK):
        chunk = np.frombuffer(data, np.uint8, min(_CHUNK, len(data) - at), at)
        quotes, escaped = _quotes(chunk, escaped)
        in_string = (np.cumsum(quotes, dtype=np.int32) + inside) % 2 == 1
        inside = bool(in_string[-1])
        bare = np.where(in_string, np.uint8(0), chunk)
        steps = np.cumsum(_STEP[bare], dtype=np.int32)
        deepest = max(deepest, depth + int(steps.max()))
        depth += int(steps[-1])
        arrays, objects, colons = (
            n + int(np.count_nonzero(bare == ord(c)))
            for n, c in zip((arrays, objects, colons), "[{:", strict=True)
        )
    return deepest, arrays, objects, colons


def _quotes(chunk: np.ndarray, escaped: bool) -> tuple[np.ndarray, bool]:
    """Return which bytes are quotes that open or close a string, and if the next is escaped."""
    places = np.arange(1, len(chunk) + 1, dtype=np.int32)
    # the last byte up to here that is no backslash; a backslash before the chunk counts as at 0
    last = np.maximum.accumulate(np.where(chunk != _BACKSLASH, places, -1 if escaped else 0))
    run = np.where(last < 0, places + 1, places - last)  # of backslashes, up to and with each byte
    odd_before = np.concatenate(([escaped], run[:-1] % 2 == 1))
    return (chunk == _QUOTE) & ~odd_before, bool(run[-1] % 2 == 1)


def read_json(data: bytes, error: Callable[..., Exception]) -> Any:
    """Decode JSON with bounds on depth and on memory (at most about 25 times the text).

    Parameters
    ----------
    data : bytes
        UTF-8 text.
    error : callable
        Makes the exception to raise from a message and an optional byte offset.
    """
    depth, arrays, objects, colons = _structure(data)
    if depth > MAX_DEPTH:
        raise error(f"JSON nested {depth} deep; at most {MAX_DEPTH} are read")
    # the shortest arrays and objects of a real file take 5 and 12 bytes: a file with more of
    # them is made to fill the memory
    if 5 * arrays + 12 * objects > len(data) + 1000:
        raise error(f"{arrays} arrays and {objects} objects in {len(data)} bytes")

    try:
        text = data.decode()
    except UnicodeDecodeError as wrong:
        raise error("not UTF-8 text", wrong.start) from None

    def no_constant(name: str) -> Any:
        raise error(f"{name} is no JSON")

    try:
        content = json.loads(text, parse_constant=no_constant)
    except json.JSONDecodeError as wrong:
        offset = len(text[: wrong.pos].encode())
        raise error(f"not valid JSON: {wrong.msg}", offset) from None
    except (ValueError, RecursionError) as wrong:
        if type(wrong) in (ValueError, RecursionError):  # a number of thousands of digits
            raise error(f"JSON that cannot be read: {wrong}") from None
        raise
    # a hook for every object would find double keys at twice the memory: count them instead
    if _count_keys(content) != colons:
        raise error(f"the key {_double_key(text)!r:.60} stands twice in one object")
    return content


def _count_keys(content: Any) -> int:
    total, stack = 0, [content]
    while stack:
        value = stack.pop()
        if type(value) is dict:
            total += len(value)
            stack.extend(v for v in value.values() if type(v) in (dict, list))
        elif type(value) is list:
            stack.extend(v for v in value if type(v) in (dict, list))
    return total


def _double_key(text: str) -> str | None:
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        if not found:
            found.extend(k for k, n in Counter(k for k, _ in pairs).items() if n > 1)

    json.loads(text, object_pairs_hook=look)
    return found[0] if found else None


class JsonWriter:
    """Writes JSON in MXNet's layout."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._scopes: list[list[Any]] = []  # (many lines?, entries so far)

    def text(self) -> str:
        """Return what was written."""
        return "".join(self._parts)

    @contextlib.contextmanager
    def _scope(self, ends: str, lines: bool) -> Iterator[None]:
        self._parts.append(ends[0])
        self._scopes.append([lines, 0])
        yield
        _, count = self._scopes.pop()
        if lines and count:
            self._parts.append("\n" + "  " * len(self._scopes))
        self._parts.append(ends[1])

    def object(self, *, lines: bool = True) -> contextlib.AbstractContextManager[None]:
        """Write an object; its members are `key` or `pair`."""
        return self._scope("{}", lines)

    def array(self, *, lines: bool = True) -> contextlib.AbstractContextManager[None]:
        """Write an array; its members are `item`."""
        return self._scope("[]", lines)

    @contextlib.contextmanager
    def item(self) -> Iterator[None]:
        """Write a member of an array."""
        scope = self._scopes[-1]
        if scope[1]:
            self._parts.append(", ")
        if scope[0]:
            self._parts.append("\n" + "  " * len(self._scopes))
        scope[1] += 1
        yield

    @contextlib.contextmanager
    def key(self, name: str) -> Iterator[None]:
        """Write a member of an object."""
        with self.item():
            self._parts.append(json.dumps(name, ensure_ascii=False) + ": ")
            yield

    def pair(self, name: str, value: Any) -> None:
        """Write a member of an object whose value is plain data."""
        with self.key(name):
            self.value(value)

    def value(self, value: Any) -> None:
        """Write plain data: strings, numbers, lists, objects."""
        if isinstance(value, Mapping):
            with self.object(lines=len(value) > 1):
                for key, item in value.items():
                    self.pair(key, item)
        elif isinstance(value, list | tuple):
            with self.array(lines=len(value) > _LONG):
                for entry in value:
                    with self.item():
                        self.value(entry)
        else:
            self._parts.append(json.dumps(value, ensure_ascii=False, allow_nan=False))
