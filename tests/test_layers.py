"""Who may import whom: the layer table of docs/architecture.md, checked on the syntax tree."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "symgluon"

#: longest prefix wins; `symgluon` itself (the package's front) may import anything
LAYERS = {
    "symgluon.errors": 0,
    "symgluon.dtypes": 0,
    "symgluon.device": 0,
    "symgluon.registry": 0,
    "symgluon.base": 0,
    "symgluon.distributed": 0,
    "symgluon.driver": 0,
    "symgluon.config": 0,
    "symgluon.name": 0,
    "symgluon.attribute": 0,
    "symgluon.ir": 1,
    "symgluon.ops": 2,
    "symgluon.passes": 3,
    "symgluon.formats": 3,
    "symgluon.backends": 4,
    "symgluon.runtime": 5,
    "symgluon.util": 5,
    "symgluon.autograd": 5,
    "symgluon.random": 5,
    "symgluon.numpy": 5,
    "symgluon.numpy_extension": 5,
    "symgluon.ndarray": 5,
    "symgluon.recordio": 5,
    "symgluon.operator": 5,
    "symgluon.symbol": 6,
    "symgluon.executor": 6,
    "symgluon.image": 6,
    "symgluon.io": 6,
    "symgluon.module": 6,
    "symgluon.model": 6,
    "symgluon.callback": 6,
    "symgluon.gluon": 6,
    "symgluon.initializer": 6,
    "symgluon.optimizer": 6,
    "symgluon.lr_scheduler": 6,
    "symgluon.kvstore": 6,
    "symgluon": 7,
}
#: MXNet has a function there whose result belongs to a higher layer
UPWARD = {("symgluon.autograd", "symgluon.symbol.recorded")}
#: third-party package -> the only places that import it
ALLOWED = {
    "networkx": ("symgluon.ir", "symgluon.passes"),
    "onnx": (
        "symgluon.formats.onnx",
        "symgluon.backends",
        "symgluon.cli",
    ),
    "onnxruntime": (
        "symgluon.formats.onnx",
        "symgluon.backends",
        "symgluon.cli",
    ),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def layer(module: str) -> int:
    return LAYERS[max((p for p in LAYERS if within(module, p)), key=len)]


def exists(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, function bodies included, but what only type checkers read."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        if for_types_only(node):
            todo.extend(node.orelse)
        else:
            todo.extend(ast.iter_child_nodes(node))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of each import; ``from a import b`` gives ``a.b`` where that is a module."""
    module = module_name(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                inside = within(base, "symgluon") and exists(full)
                yield node.lineno, full if inside else base


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_down(path):
    module = module_name(path)
    upward = [
        f"{path.relative_to(ROOT)}:{line}: {module} (layer {layer(module)}) imports "
        f"{target} (layer {layer(target)})"
        for line, target in imports(path)
        if within(target, "symgluon")
        and layer(target) > layer(module)
        and (module, target) not in UPWARD
    ]
    assert not upward, "\n".join(upward)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_third_party_imports(path):
    module = module_name(path)
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {target}"
        for line, target in imports(path)
        for package, places in ALLOWED.items()
        if within(target, package) and not any(within(module, p) for p in places)
    ]
    assert not wrong, "\n".join(wrong)


def test_import_pays_numpy_only():
    code = (
        "import sys, symgluon; symgluon.gluon.nn.Dense(2); "
        "print([m for m in ('onnx', 'onnxruntime', 'networkx', 'ml_dtypes', 'multiprocessing', 'PIL') "
        "if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_no_assert_in_package():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert not found


def test_resolves_relative_and_nested_imports(tmp_path):
    path = PACKAGE / "ir" / "graph.py"
    targets = {target for _, target in imports(path)}
    assert "symgluon.ir.types" in targets
    assert layer("symgluon.formats.onnx.writer") == 3
    assert layer("symgluon.gluon.nn") == 6
    assert layer("symgluon.onnx") == 7
