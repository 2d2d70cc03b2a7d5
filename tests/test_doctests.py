"""The examples in docstrings and in the documentation run and print what they say.

One test a module of the package that has examples, one a page.  Each runs in a directory of its own
and in the state of a fresh interpreter: switches and the seed are put back.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import symgluon
from symgluon.backends import base
from symgluon.ops.state import state

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "symgluon"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules_with_examples() -> list[str]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def pages() -> list[Path]:
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [p for p in found if p.exists() and ">>> " in p.read_text(encoding="utf-8")]


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty directory, a known seed, and the state of the session afterwards."""
    monkeypatch.chdir(tmp_path)
    flags = {k: getattr(state, k) for k in ("recording", "training", "np_shape", "np_array")}
    backends = dict(base._registered)
    symgluon.random.seed(0)
    yield
    for name, value in flags.items():
        setattr(state, name, value)
    base._registered.clear()
    base._registered.update(backends)


def examples_of(module: str) -> list[doctest.DocTest]:
    """Examples of all docstrings of a module, private and generated objects included.

    They are taken from the source: what a module imports or makes at run time has its examples
    where they are written; only public classes documented from a template are read at run time.
    """
    loaded = importlib.import_module(module)
    file = loaded.__file__ or ""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    written = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            written.append((getattr(node, "name", module), text or "", node.body[0].lineno))
    names = {name for name, text, _ in written if text}
    for name in getattr(loaded, "__all__", ()):
        made = getattr(loaded, name, None)
        if isinstance(made, type) and made.__module__ == module and name not in names:
            written.append((name, inspect.getdoc(made) or "", 0))
    parser = doctest.DocTestParser()
    return [
        parser.get_doctest(text, {"__name__": "example"}, name, file, line)
        for name, text, line in written
        if ">>> " in text
    ]


def run(test: doctest.DocTest) -> str:
    """Run the examples of one docstring; returns the report of what failed."""
    report: list[Any] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    runner.run(test, out=report.append)
    return "".join(report) if runner.failures else ""


@pytest.mark.parametrize("module", modules_with_examples())
def test_examples(module: str) -> None:
    tests = examples_of(module)
    assert tests, f"{module} has >>> outside of docstrings only"
    failed = "".join(run(test) for test in tests)
    assert not failed, failed


def test_pages() -> None:
    parser = doctest.DocTestParser()
    tests = [
        parser.get_doctest(p.read_text(encoding="utf-8"), {"__name__": "page"}, p.name, str(p), 0)
        for p in pages()
    ]
    failed = "".join(run(test) for test in tests)
    assert not failed, failed
