"""``symgluon doctor``: versions, execution providers and settings."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
from dataclasses import dataclass, field
from typing import Any

from symgluon import config
from symgluon.cli.common import CHECK_FAILED, OK, Output, table

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "networkx", "ml_dtypes", "rich")
REQUIRED = {"numpy": (1, 26), "onnx": (1, 21), "onnxruntime": (1, 23), "networkx": (3, 2)}


@dataclass
class Health:
    """What was found."""

    symgluon: str
    python: str
    machine: str
    packages: dict[str, str]
    providers: list[str]
    gpus: int
    threads: int
    backend: str
    problems: list[str] = field(default_factory=list)


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        parents=[common],
        help="show versions, providers and problems of the installation",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, out: Output) -> int:
    """Run the command."""
    health = doctor()
    out.result(health, lambda: _text(health))
    return CHECK_FAILED if health.problems else OK


def doctor() -> Health:
    """Look at the installation."""
    from symgluon import __version__
    from symgluon.device import num_gpus

    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            packages[name] = "-"
    health = Health(
        __version__,
        sys.version.split()[0],
        platform.platform(),
        packages,
        [],
        num_gpus(),
        config.threads(),
        config.backend() or "onnxruntime",
    )
    _check(health)
    return health


def _check(health: Health) -> None:
    for name, least in REQUIRED.items():
        version = health.packages[name]
        if name == "onnxruntime" and version == "-":
            version = health.packages["onnxruntime-gpu"]
        wanted = ".".join(map(str, least))
        if version == "-":
            health.problems.append(f"{name} is not installed: pip install '{name}>={wanted}'")
        elif _numbers(version) < least:
            health.problems.append(f"{name} {version} is older than {wanted}")
    if health.packages["onnxruntime"] != "-" and health.packages["onnxruntime-gpu"] != "-":
        health.problems.append(
            "onnxruntime and onnxruntime-gpu are both installed; they own the same folder, so "
            "uninstall both and install one"
        )
    try:
        import onnxruntime

        health.providers = list(onnxruntime.get_available_providers())
    except ImportError as error:
        health.problems.append(f"onnxruntime cannot be imported: {error}")


def _numbers(version: str) -> tuple[int, ...]:
    parts = []
    for part in version.split(".")[:2]:
        digits = "".join(c for c in part if c.isdigit())
        parts.append(int(digits or 0))
    return tuple(parts)


def _text(health: Health) -> str:
    rows = [("symgluon", health.symgluon), ("python", health.python), *health.packages.items()]
    lines = [
        table(("package", "version"), rows),
        f"  machine    {health.machine}",
        f"  providers  {', '.join(health.providers) or 'none'}",
        f"  GPUs       {health.gpus}",
        f"  threads    {health.threads}",
        f"  backend    {health.backend}",
    ]
    lines += [f"  PROBLEM: {p}" for p in health.problems] or ["  no problems found"]
    return "\n".join(lines)
