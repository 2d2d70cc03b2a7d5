"""``symgluon verify``: run two models, or a model and recorded outputs, against each other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgluon.cli.common import CHECK_FAILED, OK, InputSpec, Output, parse_inputs, table


@dataclass(frozen=True)
class Comparison:
    """How one output of two models compares."""

    output: int
    shape: tuple[int, ...]
    max_abs: float
    max_rel: float
    worst: tuple[int, ...]
    passed: bool
    note: str = ""


@dataclass(frozen=True)
class Verification:
    """How two models compare."""

    a: str
    b: str
    inputs: str
    rtol: float
    atol: float
    outputs: list[Comparison]
    passed: bool


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "verify",
        parents=[common],
        help="run two models against each other",
        description="Each of A and B is an ONNX file, a MODEL-symbol.json (its parameters lie "
        "beside it), or an .npz of recorded arrays input/NAME and output/N.",
    )
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--inputs", metavar="FILE.npz", help="inputs to run on (input/NAME)")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=2,3,224,224[:dtype]",
                        help="shape of an input for random data")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the random inputs (default 0)")
    parser.add_argument("--rtol", type=float, default=1e-3)
    parser.add_argument("--atol", type=float, default=1e-4)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """Run the command."""
    specs = parse_inputs(args.input)
    with out.stage(f"running {args.a} and {args.b}"):
        result = verify(
            args.a,
            args.b,
            inputs=args.inputs,
            specs=specs,
            seed=args.seed,
            rtol=args.rtol,
            atol=args.atol,
        )
    out.result(result, lambda: _text(result))
    return OK if result.passed else CHECK_FAILED


def _text(result: Verification) -> str:
    rows = [
        (
            o.output,
            str(o.shape),
            f"{o.max_abs:.3g}",
            f"{o.max_rel:.3g}",
            str(o.worst),
            "ok" if o.passed else (o.note or "differs"),
        )
        for o in result.outputs
    ]
    head = ("output", "shape", "max abs", "max rel", "worst index", "")
    verdict = "agree" if result.passed else "DISAGREE"
    return "\n".join(
        [
            f"{result.a} and {result.b} on {result.inputs}:",
            table(head, rows),
            f"{verdict} (rtol {result.rtol:g}, atol {result.atol:g})",
        ]
    )


def verify(
    a: str,
    b: str,
    *,
    inputs: str | None = None,
    specs: Sequence[InputSpec] = (),
    seed: int = 0,
    rtol: float = 1e-3,
    atol: float = 1e-4,
) -> Verification:
    """Run `a` and `b` on the same inputs and compare their outputs.

    Parameters
    ----------
    inputs : str, optional
        ``.npz`` file with ``input/NAME`` arrays; left out: those recorded in `a` or `b`, else random
        ones of the shapes in `specs` or in the models, drawn with `seed`.
    """
    from symgluon.cli.models import open_runner, recorded_inputs

    runners = [open_runner(path, specs) for path in (a, b)]
    feeds = recorded_inputs([inputs] if inputs else [a, b])
    source = f"the inputs recorded in {inputs or a + ' or ' + b}"
    if feeds is None:
        wanted = next((r.inputs for r in runners if r.inputs), [])
        feeds = random_inputs(wanted, specs, seed)
        source = f"random inputs (seed {seed})"
    results = [r.run(feeds) for r in runners]
    outputs = compare_all(results[0], results[1], rtol, atol)
    return Verification(a, b, source, rtol, atol, outputs, all(o.passed for o in outputs))


def random_inputs(
    wanted: Sequence[InputSpec], specs: Sequence[InputSpec], seed: int
) -> dict[str, np.ndarray]:
    """Draw one array an input; `specs` override what the model states."""
    given = {s.name: s for s in specs}
    rng = np.random.default_rng(seed)
    feeds = {}
    for spec in wanted:
        spec = given.get(spec.name, spec)
        dtype = np.dtype(spec.dtype)
        if dtype.kind in "iu":
            feeds[spec.name] = rng.integers(0, 4, spec.shape).astype(dtype)
        elif dtype.kind == "b":
            feeds[spec.name] = rng.integers(0, 2, spec.shape).astype(bool)
        else:
            feeds[spec.name] = rng.standard_normal(spec.shape).astype(dtype)
    return feeds


def compare_all(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], rtol: float, atol: float
) -> list[Comparison]:
    """Compare outputs pairwise; a missing one is a difference."""
    found = [compare(i, x, y, rtol, atol) for i, (x, y) in enumerate(zip(a, b, strict=False))]
    far = float("inf")
    missing = range(len(found), max(len(a), len(b)))
    note = "only one side has it"
    return [*found, *[Comparison(i, (), far, far, (), False, note) for i in missing]]


def compare(i: int, x: np.ndarray, y: np.ndarray, rtol: float, atol: float) -> Comparison:
    """Compare one output: ``|x - y| <= atol + rtol * |y|`` everywhere, NaN where NaN is."""
    if x.shape != y.shape:
        note = f"shapes {x.shape} and {y.shape}"
        return Comparison(i, x.shape, float("inf"), float("inf"), (), False, note)
    if not x.size:
        return Comparison(i, x.shape, 0.0, 0.0, (), True)
    p, q = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(invalid="ignore"):
        diff = np.abs(p - q)
    same = (p == q) | (np.isnan(p) & np.isnan(q))
    diff[same] = 0.0
    diff[np.isnan(diff)] = np.inf
    rel = diff / np.maximum(np.abs(q), np.finfo(np.float64).tiny)
    rel[diff == 0] = 0.0
    worst = np.unravel_index(int(np.argmax(diff)), diff.shape)
    passed = bool(np.all(diff <= atol + rtol * np.nan_to_num(np.abs(q), posinf=0.0)))
    return Comparison(
        i, x.shape, float(diff.max()), float(rel.max()), tuple(int(w) for w in worst), passed
    )
