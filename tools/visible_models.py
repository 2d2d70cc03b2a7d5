"""The recorded MXNet models that lie beside the repository, for the tools that measure on them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import symgluon as mx
from symgluon import gluon

MODELS = Path(__file__).resolve().parent.parent.parent / "shared" / "oracle" / "models"


class VisibleModel(NamedTuple):
    """One model: its name, the block, recorded inputs by name."""

    name: str
    block: Any
    inputs: dict[str, np.ndarray]

    def arguments(self) -> list[Any]:
        """The recorded inputs as arrays."""
        return [mx.np.array(a, dtype=a.dtype) for a in self.inputs.values()]


def require_models(tool: str) -> None:
    """End the program with a message where the models are not there."""
    if not MODELS.is_dir():
        print(f"{tool}: skipped: the recorded models are not at {MODELS}", file=sys.stderr)
        raise SystemExit(0)


def visible_models() -> Iterator[VisibleModel]:
    """Open every model, in the order of its name."""
    for meta in sorted(MODELS.glob("*/*/meta.json")):
        folder = meta.parent
        names = [i["name"] for i in json.loads(meta.read_text())["inputs"]]
        symbol = next(folder.glob("*-symbol.json"))
        params = next(folder.glob("*-[0-9]*.params"))
        recorded = np.load(folder / "io.npz")
        block = gluon.SymbolBlock.imports(str(symbol), names, str(params))
        yield VisibleModel(
            f"{folder.parent.name}/{folder.name}",
            block,
            {n: recorded[f"input/{n}"] for n in names},
        )
