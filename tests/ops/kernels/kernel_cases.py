"""Recorded answers of MXNet 1.9.1 (random inputs), and the comparison with them.

A file of `data/` holds, for each case NNN, `NNN/case` (JSON of operator and arguments),
`NNN/inI`, `NNN/outI` and, where a gradient was asked for, `NNN/headI` and `NNN/gradI`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(__file__).parent / "data"


@dataclass
class Case:
    number: str
    op: str
    kwargs: dict[str, Any]
    ins: list[np.ndarray]
    outs: list[np.ndarray]
    heads: list[np.ndarray]
    grads: dict[int, np.ndarray] = field(default_factory=dict)


def load(name: str) -> list[Any]:
    """All cases of a file, as pytest parameters named after operator and number."""
    return [pytest.param(c, id=f"{c.op.split('.')[-1]}-{c.number}") for c in _cases(name)]


def _cases(name: str) -> Iterator[Case]:
    with np.load(DATA / f"{name}.npz") as file:
        arrays = dict(file)
    for key in sorted(k for k in arrays if k.endswith("/case")):
        number = key[:3]
        head = json.loads(str(arrays[key]))
        kwargs = {k: tuple(v) if isinstance(v, list) else v for k, v in head["kwargs"].items()}
        parts = {
            kind: [
                arrays[f"{number}/{kind}{i}"] for i in range(9) if f"{number}/{kind}{i}" in arrays
            ]
            for kind in ("in", "out", "head")
        }
        grads = {i: arrays[f"{number}/grad{i}"] for i in range(9) if f"{number}/grad{i}" in arrays}
        yield Case(number, head["op"], kwargs, parts["in"], parts["out"], parts["head"], grads)


def assert_close(got: Any, want: np.ndarray, tol: float = 2e-5) -> None:
    """Equal shape, and equal to `tol` of the largest value."""
    got = np.asarray(got)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=tol * max(1.0, np.abs(want).max(initial=0)))


def numeric_grad(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, ct: np.ndarray) -> Any:
    """Central differences of ``sum(f(x) * ct)``, in float64."""
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1e-6
        out[i] = ((f(x + step) - f(x - step)) * ct).sum() / 2e-6
    return out
