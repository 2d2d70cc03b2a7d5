"""What the commands share: exit codes, output, input specifications, opening models."""

from __future__ import annotations

import glob
import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import FormatError

OK, CHECK_FAILED, USAGE, UNSUPPORTED, BAD_FILE, INTERNAL = 0, 1, 2, 3, 4, 70

#: size that a named dimension has while the graph is traced, unless given (``H~224``)
DEFAULT_HINT = 2


class UsageError(Exception):
    """The command line itself is wrong (exit code 2)."""


@dataclass(frozen=True)
class InputSpec:
    """One ``--input NAME=N,3,H~224,W~224:dtype``."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    dynamic: dict[int, str]

    @classmethod
    def parse(cls, text: str) -> InputSpec:
        """Parse the text; a word is a named dimension, ``word~size`` gives its size in the trace.

        Raises
        ------
        UsageError
            If the text has another form.
        """
        name, sep, rest = text.partition("=")
        dims, _, dtype = rest.partition(":")
        if not sep or not name:
            raise UsageError(f"--input {text!r}: expected NAME=D0,D1,...[:dtype]")
        try:
            resolved = dtypes.name(dtypes.resolve(dtype or "float32"))
        except (TypeError, ValueError) as error:
            raise UsageError(f"--input {text!r}: {error}") from None
        shape: list[int] = []
        dynamic: dict[int, str] = {}
        for axis, item in enumerate(d.strip() for d in dims.split(",") if d.strip()):
            match = re.fullmatch(r"(\d+)|([A-Za-z_]\w*)(?:~(\d+))?", item)
            if match is None:
                raise UsageError(
                    f"--input {text!r}: {item!r} is neither a size nor a name such as N or H~224"
                )
            if match[1]:
                shape.append(int(match[1]))
            else:
                dynamic[axis] = match[2]
                shape.append(int(match[3] or DEFAULT_HINT))
        return cls(name, tuple(shape), resolved, dynamic)


def parse_inputs(texts: Sequence[str]) -> list[InputSpec]:
    """Parse every ``--input``; one name may be given once."""
    specs = [InputSpec.parse(t) for t in texts]
    names = [s.name for s in specs]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise UsageError(f"--input names {', '.join(twice)} twice")
    return specs


class Output:
    """Results go to stdout, everything else to stderr."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet

    def log(self, text: str) -> None:
        """Say something that is not the result."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def stage(self, text: str) -> AbstractContextManager[Any]:
        """Show on a terminal, while the work inside lasts, what is being done (needs rich)."""
        if self.quiet or self.as_json or not sys.stderr.isatty() or not _has_rich():
            return nullcontext()
        from rich.console import Console

        return Console(stderr=True).status(text)

    def result(self, value: Any, text: Callable[[], str]) -> None:
        """Print the result: a dataclass as JSON, or its text."""
        if self.as_json:
            data = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
            print(json.dumps(data, indent=1, default=_plain))
        elif not self.quiet:
            print(text())


def _plain(value: Any) -> Any:
    if isinstance(value, np.integer | np.floating):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)


def _has_rich() -> bool:
    return importlib.util.find_spec("rich") is not None


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as aligned text, numbers to the right; drawn by rich on a terminal."""
    if not rows:
        return ""
    if sys.stdout.isatty() and _has_rich():
        return _drawn(head, rows)
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(h), *(len(r[i]) for r in cells)) for i, h in enumerate(head)]
    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        parts = [
            c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)
        ]
        return "  " + "  ".join(parts).rstrip()

    return "\n".join([line(head), *[line(r) for r in cells]])


def _drawn(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, title in enumerate(head):
        numbers = all(isinstance(row[i], int | float) for row in rows)
        drawn.add_column(Text(title), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*[Text(str(cell)) for cell in row])
    console = Console(file=sys.stdout)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get().strip("\n")


def split_prefix(symbol: str) -> str:
    """``net-symbol.json`` -> ``net``.

    Raises
    ------
    UsageError
        If the name does not end in ``-symbol.json``.
    """
    if not symbol.endswith("-symbol.json"):
        raise UsageError(f"{symbol}: give the parameter file too (its name is not *-symbol.json)")
    return symbol[: -len("-symbol.json")]


def find_params(symbol: str) -> str:
    """Return the parameter file of the highest epoch beside `symbol`.

    Raises
    ------
    FormatError
        If there is none.
    """
    prefix = split_prefix(symbol)
    found = []
    for path in glob.glob(glob.escape(prefix) + "-*.params"):
        match = re.fullmatch(re.escape(prefix) + r"-(\d{4,})\.params", path)
        if match:
            found.append((int(match[1]), path))
    if not found:
        raise FormatError(
            f"no parameter file {prefix}-NNNN.params lies beside {symbol}",
            path=symbol,
            hint="name it as second argument",
        )
    return max(found)[1]


def epoch_of(params: str) -> int:
    """Number in ``net-0003.params``; 0 if there is none."""
    match = re.search(r"-(\d{4,})\.params$", params)
    return int(match[1]) if match else 0


def kind_of(path: str) -> str:
    """Return what a file is by its content: onnx, symbol, params, npz."""
    if not os.path.exists(path):
        raise FormatError(f"{path} does not exist", path=path)
    if os.path.isdir(path):
        raise FormatError(f"{path} is a folder, not a file", path=path)
    with open(path, "rb") as file:
        head = file.read(64)
    if head.lstrip()[:1] == b"{":
        return "symbol"
    if head[:2] == b"PK":
        return "npz" if path.endswith(".npz") else "params"
    if head[:8] == b"\x12\x01\x00\x00\x00\x00\x00\x00" or path.endswith((".params", ".npy")):
        return "params"
    if path.endswith(".onnx") or head[:1] == b"\x08":
        return "onnx"
    raise FormatError(
        f"{path} is none of: ONNX model, MXNet symbol.json, MXNet parameters, .npz", path=path
    )
