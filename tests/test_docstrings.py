"""Docstrings of the public surface say what their code does: rules that a machine can check.

The public objects of a module are those in its ``__all__`` or, where it has none, the classes and
functions without underscore that it defines.  Of a class the public methods and properties are
checked as well, those of private base classes included.  For each of them:

* there is a docstring, whose first paragraph is one line that ends in a full stop;
* ``Parameters`` names every argument where there are two or more (of a class: of the constructor),
  with a type, and nothing that is no argument; an only argument is at least named in the text.  A
  method may leave to the method that it overrides what that one documents, and so may the
  constructor of a class that is no layer;
* ``Raises`` names every exception that the body raises itself, by its class or a base class;
* ``Returns`` (or ``Yields``) stands wherever a function with ``Parameters`` returns something.

In `LAYERS` a class has ``Inputs`` and ``Outputs`` that tell shape and dtype, and a source: the
seed, MXNet's own name, an arXiv number or an ONNX operator.  In `SHOWN` every class and function
has ``Examples``,
which `test_doctests.py` runs.
"""

from __future__ import annotations

import ast
import fnmatch
import importlib
import inspect
import pkgutil
import re
import textwrap
import types
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest

import symgluon

#: modules whose public objects follow all rules: what users and authors of plug-ins, operators and
#: passes call.  In the others (single operators and passes, lowerings, the insides of backends and
#: file formats, the command line) a docstring exists and begins with one sentence
STRICT = (
    "symgluon.autograd",
    "symgluon.backends.base",
    "symgluon.backends.plugin",
    "symgluon.config",
    "symgluon.device",
    "symgluon.distributed",
    "symgluon.dtypes",
    "symgluon.errors",
    "symgluon.formats.atomic",
    "symgluon.formats.onnx.check",
    "symgluon.formats.params",
    "symgluon.formats.symbol_json",
    "symgluon.gluon.block",
    "symgluon.gluon.data.batchify",
    "symgluon.gluon.data.dataloader",
    "symgluon.gluon.data.dataset",
    "symgluon.gluon.data.record",
    "symgluon.gluon.data.sampler",
    "symgluon.gluon.data.vision.datasets",
    "symgluon.gluon.data.vision.transforms",
    "symgluon.gluon.hooks",
    "symgluon.gluon.hybrid",
    "symgluon.gluon.loss",
    "symgluon.gluon.metric",
    "symgluon.gluon.model_zoo",
    "symgluon.gluon.nn",
    "symgluon.gluon.parameter",
    "symgluon.gluon.rnn",
    "symgluon.gluon.structure",
    "symgluon.gluon.summary",
    "symgluon.gluon.symbol_block",
    "symgluon.gluon.trainer",
    "symgluon.gluon.utils",
    "symgluon.initializer",
    "symgluon.ir.graph",
    "symgluon.ir.op",
    "symgluon.ir.printer",
    "symgluon.ir.types",
    "symgluon.kvstore",
    "symgluon.lr_scheduler",
    "symgluon.ndarray",
    "symgluon.numpy",
    "symgluon.numpy_extension",
    "symgluon.optimizer",
    "symgluon.passes.manager",
    "symgluon.passes.pattern",
    "symgluon.passes.rewrite",
    "symgluon.random",
    "symgluon.runtime",
    "symgluon.util",
)

#: modules of layers: inputs, outputs, source
LAYERS = ("symgluon.gluon.nn", "symgluon.gluon.rnn", "symgluon.gluon.loss")

#: modules whose classes show examples
SHOWN = (
    *LAYERS,
    "symgluon.autograd",
    "symgluon.device",
    "symgluon.gluon.block",
    "symgluon.gluon.hooks.HookHandle",
    "symgluon.gluon.hybrid.HybridBlock",
    "symgluon.gluon.metric",
    "symgluon.gluon.parameter",
    "symgluon.gluon.symbol_block",
    "symgluon.gluon.trainer",
    "symgluon.initializer",
    "symgluon.lr_scheduler",
    "symgluon.optimizer",
)
#: modules whose functions do as well
SHOWN_FUNCTIONS = ("symgluon.autograd",)

#: bases and helpers in those modules that are no layers themselves, or that cannot be called alone
NOT_SHOWN = (
    "symgluon.gluon.nn.common",
    "symgluon.gluon.metric.counts",
    "symgluon.optimizer.buffers",
)
NOT_A_LAYER = {
    "Block", "HybridBlock", "SymbolBlock", "Loss", "RecurrentCell", "HybridRecurrentCell",
    "ModifierCell",
}  # fmt: skip
#: layers that say "as of", and the class whose `Inputs` and `Outputs` theirs are
AS_BASE = {"SyncBatchNorm": "BatchNorm"}

SHAPE = re.compile(r"\([^()\s][^()]*\)|\(\)|any shape|shape of", re.IGNORECASE)
DTYPE = re.compile(r"\b(float\d*|int\d*|bool|dtype|number)\b")
SOURCE = re.compile(r"\bseed\b|MXNet's\s+``|arXiv:(\d{4}\.\d{4,5}|cs/\d{7})|\bONNX [A-Z]\w+")
HEADING = re.compile(r"^(\w[\w ]*)\n(-{3,})$", re.MULTILINE)


#: operators: what their facets (infer, kernel, grad, ...) are is told once, at `ir.op.Op`
OPERATORS = ("symgluon.ops",)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == p or module.startswith(p + ".") for p in packages)


def shows(module: str, name: str) -> bool:
    known = within(module, SHOWN) or within(f"{module}.{name}", SHOWN)
    return known and not within(module, NOT_SHOWN)


# ---- walking ------------------------------------------------------------------------------------
def module_names() -> list[str]:
    found = pkgutil.walk_packages(symgluon.__path__, "symgluon.")
    return ["symgluon", *sorted(m.name for m in found if not m.name.endswith("__main__"))]


def public_objects(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """Classes and functions of a module that are documented there."""
    listed = getattr(module, "__all__", None)
    names = listed if listed is not None else [n for n in vars(module) if not n.startswith("_")]
    for name in names:
        found = getattr(module, name)
        if not isinstance(found, type | types.FunctionType):
            continue
        home = found.__module__ or ""
        known_elsewhere = home in sys_modules() and home != module.__name__
        if known_elsewhere and name in vars(importlib.import_module(home)):
            continue  # documented at its home
        if home.startswith("symgluon"):
            yield name, found


@cache
def sys_modules() -> frozenset[str]:
    return frozenset(module_names())


def members(cls: type) -> Iterator[tuple[str, Any, type]]:
    """Public methods and properties of a class, with the class of the package that defines them."""
    for owner in cls.__mro__:
        if not owner.__module__.startswith("symgluon"):
            continue
        if owner is not cls and not owner.__name__.startswith("_"):
            continue  # documented, and checked, there
        for name, member in vars(owner).items():
            if not name.startswith("_") and function_of(member) is not None:
                yield name, member, owner


def function_of(member: Any) -> Any:
    if isinstance(member, property):
        return member.fget
    if isinstance(member, staticmethod | classmethod):
        return member.__func__
    return member if isinstance(member, types.FunctionType) else None


# ---- reading docstrings -------------------------------------------------------------------------
def sections(doc: str | None) -> dict[str, str]:
    """Text by heading; what stands before the first one under ''."""
    text = inspect.cleandoc(doc or "")
    found, last, start = {}, "", 0
    for match in HEADING.finditer(text):
        if len(match[1]) == len(match[2]):
            found[last] = text[start : match.start()].strip("\n")
            last, start = match[1], match.end()
    found[last] = text[start:].strip("\n")
    return found


def entries(section: str) -> dict[str, str]:
    """Names of a section such as `Parameters`, each with its heading and description."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.split("\n"):
        if line and not line.startswith(" "):
            names = [n.strip() for n in line.split(" : ")[0].split(",")]
            found.update(dict.fromkeys(names, line))
        else:
            found.update({n: found[n] + "\n" + line for n in names})
    return found


def arguments(function: Any) -> list[str]:
    """Names of the arguments but the receiver; variadic ones only where they stand alone."""
    parameters = list(inspect.signature(function).parameters.values())
    if parameters and parameters[0].name in ("self", "cls", "_cls"):
        parameters = parameters[1:]
    plain = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    return plain or [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]


def everything(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def named(name: str, listed: Iterable[str]) -> bool:
    """Whether a section names an argument, as such, with stars, or by a pattern (`*_init`)."""
    return any(name == key.lstrip("*") or fnmatch.fnmatchcase(name, key) for key in listed)


# ---- the rules ----------------------------------------------------------------------------------
def first_line(doc: str | None) -> Iterator[str]:
    if not (doc or "").strip():
        yield "no docstring"
        return
    paragraph = inspect.cleandoc(doc or "").split("\n\n")[0]
    if "\n" in paragraph:
        yield "its first paragraph is longer than a line"
    if not paragraph.rstrip().endswith((".", "!", "?")):
        yield "its first line does not end in a full stop"


def parameters(
    doc: str | None, function: Any, inherited: frozenset[str] = frozenset()
) -> Iterator[str]:
    """`Parameters` against the signature; with ``**kwargs`` it may name more."""
    names, known = arguments(function), everything(function)
    text = sections(doc)
    listed = entries(text.get("Parameters", ""))
    wanted = [n for n in names if n not in inherited]
    if len(names) == 1 and wanted and not named(wanted[0], listed):
        if not re.search(rf"\b{re.escape(wanted[0])}\b", "\n".join(text.values())):
            yield f"does not say what {wanted[0]} is"
        wanted = []
    missing = [n for n in wanted if not named(n, listed)]
    if missing:
        yield f"Parameters lacks {', '.join(missing)}"
    for name, entry in listed.items():
        if name and not takes_keywords(function) and not any(named(n, [name]) for n in known):
            yield f"Parameters tells of {name}, which is no argument"
        if name and " : " not in entry.split("\n")[0] and "As " not in entry:
            yield f"Parameters gives no type of {name}"


def raised(function: Any) -> Iterator[str]:
    """Names of the exceptions that a body raises by name (those of nested functions left out)."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return
    stack: list[ast.AST] = list(tree.body[0].body) if hasattr(tree.body[0], "body") else []
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            exc = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(exc, ast.Name) and not exc.id.islower():
                yield exc.id
        stack.extend(ast.iter_child_nodes(node))


def raises(doc: str | list[str | None] | None, function: Any) -> Iterator[str]:
    """`Raises` against the ``raise`` statements."""
    docs = doc if isinstance(doc, list) else [doc]
    told = "\n".join(sections(d).get("Raises", "") for d in docs)
    for name in sorted(set(raised(function))):
        kind = function.__globals__.get(name, getattr(__import__("builtins"), name, None))
        if not isinstance(kind, type):
            continue
        known = {c.__name__ for c in kind.__mro__} - {"Exception", "BaseException", "object"}
        known |= {"MXNetError"} if "SymgluonError" in known else set()
        if not any(re.search(rf"\b{k}\b", told) for k in known or {name}):
            yield f"Raises does not tell of {name}"


def returns(doc: str | None, function: Any) -> Iterator[str]:
    text = sections(doc)
    annotation = inspect.signature(function).return_annotation
    if text.get("Raises", "").split("\n", 1)[-1].strip().startswith("Always"):
        return
    silent = annotation in (None, "None", inspect.Signature.empty)
    if "Parameters" in text and not silent and not {"Returns", "Yields"} & set(text):
        yield "has Parameters but neither Returns nor Yields"


def layer(cls: type) -> Iterator[str]:
    """`Inputs`, `Outputs` and the source of a layer."""
    own = sections(cls.__doc__)
    parts = own
    if cls.__name__ in AS_BASE:
        parts = sections(
            vars(importlib.import_module(cls.__module__))[AS_BASE[cls.__name__]].__doc__
        )
    for name in ("Inputs", "Outputs"):
        if name not in parts:
            yield f"has no section {name}"
        for entry in set(entries(parts.get(name, "")).values()):
            if not SHAPE.search(entry):
                yield f"{name} tells no shape in {entry!r}"
            if not DTYPE.search(entry):
                yield f"{name} tells no dtype in {entry!r}"
    told = entries(parts.get("Inputs", ""))
    lacking = [a for a in arguments(cls.forward) if a not in told and f"*{a}" not in told]
    if lacking and "Inputs" in parts:
        yield f"Inputs lacks {', '.join(lacking)}"
    if not SOURCE.search(cls.__doc__ or ""):
        yield "names no source (seed, MXNet's ``...``, arXiv:NNNN.NNNNN or ONNX operator)"


def complaints_of_class(module: str, name: str, cls: type) -> Iterator[str]:
    strict = within(module, STRICT)
    doc = vars(cls).get("__doc__")
    yield from (f"{name}: {c}" for c in first_line(doc))
    if strict and not issubclass(cls, BaseException):
        init = cls.__init__
        if isinstance(init, types.FunctionType) and not getattr(cls, "_is_protocol", False):
            bases = frozenset() if within(module, LAYERS) else documented_by_bases(cls, "__init__")
            if "__init__" not in vars(cls):
                bases |= {"prefix", "params"}  # of every block; `Block` tells them
            yield from (f"{name}: {c}" for c in parameters(doc, init, bases))
            if "__init__" in vars(cls):
                yield from (f"{name}: {c}" for c in raises(doc, init))
        is_layer = within(module, LAYERS) and name not in NOT_A_LAYER and hasattr(cls, "forward")
        if is_layer:
            yield from (f"{name}: {c}" for c in layer(cls))
        if shows(module, name) and "Examples" not in sections(doc):
            yield f"{name}: has no Examples"
    if within(module, OPERATORS):
        return
    for method, member, owner in members(cls):
        yield from complaints_of_member(strict, f"{owner.__name__}.{method}", member, owner, cls)


def takes_keywords(function: Any) -> bool:
    kinds = {p.kind for p in inspect.signature(function).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD in kinds


def complaints_of_member(
    strict: bool, name: str, member: Any, owner: type, cls: type
) -> Iterator[str]:
    function = function_of(member)
    doc = member.__doc__ if not isinstance(member, property) else member.fget.__doc__
    yield from (f"{name}: {c}" for c in first_line(doc))
    if not strict:
        return
    if isinstance(member, property):
        setter = [member.fset] if isinstance(member.fset, types.FunctionType) else []
        for part in (member.fget, *setter):
            yield from (f"{name}: {c}" for c in raises(doc, part))
        return
    inherited = documented_by_bases(owner, function.__name__)
    if function.__name__ == "forward":  # `Inputs` of the class tells them
        inherited |= frozenset(entries(sections(cls.__doc__).get("Inputs", "")))
    yield from (f"{name}: {c}" for c in parameters(doc, function, inherited))
    docs = [doc, cls.__doc__] if function.__name__ == "forward" else [doc]
    yield from (f"{name}: {c}" for c in raises(docs, function))
    yield from (f"{name}: {c}" for c in returns(doc, function))


def documented_by_bases(owner: type, method: str) -> frozenset[str]:
    """Arguments that the overridden methods document."""
    found: set[str] = set()
    for base in owner.__mro__[1:]:
        function = function_of(vars(base).get(method))
        if function is not None:
            doc = base.__doc__ if method == "__init__" else function.__doc__
            listed = entries(sections(doc).get("Parameters", ""))
            names = arguments(function)
            found |= {n for n in names if named(n, listed)}
            if len(names) == 1 and re.search(rf"\b{names[0]}\b", doc or ""):
                found |= set(names)
    return frozenset(found)


def complaints_of_function(module: str, name: str, function: Any) -> Iterator[str]:
    doc = function.__doc__
    yield from (f"{name}: {c}" for c in first_line(doc))
    if not within(module, STRICT):
        return
    yield from (f"{name}: {c}" for c in parameters(doc, function))
    yield from (f"{name}: {c}" for c in raises(doc, function))
    yield from (f"{name}: {c}" for c in returns(doc, function))
    if within(module, SHOWN_FUNCTIONS) and "Examples" not in sections(doc):
        yield f"{name}: has no Examples"


def complaints(module: str) -> list[str]:
    found: dict[str, None] = {}
    for name, what in public_objects(importlib.import_module(module)):
        check = complaints_of_class if isinstance(what, type) else complaints_of_function
        found |= dict.fromkeys(check(module, name, what))
    return list(found)


@pytest.mark.parametrize("module", module_names())
def test_docstrings(module: str) -> None:
    assert importlib.import_module(module).__doc__, f"{module} has no docstring"
    found = complaints(module)
    assert not found, f"{len(found)} in {module}:\n  " + "\n  ".join(found)


# ---- what is made from declarations -------------------------------------------------------------
def test_functions_of_operators() -> None:
    """Each operator's function tells its operands, attributes with defaults, results and source."""
    from symgluon.ndarray import NDArray
    from symgluon.ndarray.front import _Arguments, function
    from symgluon.ops.mx import table

    for name in sorted(table()):
        doc = function(name, NDArray).__doc__
        assert not list(first_line(doc)), name
        text = sections(doc)
        arguments_of = _Arguments(name)
        listed = entries(text["Parameters"])
        wanted = [
            *arguments_of.operands,
            *(a for a in arguments_of.order if a in arguments_of.accepted),
        ]
        assert not [a for a in wanted if not named(a, listed)], name
        assert {"Parameters", "Returns", "Raises", "Notes"} <= set(text), name
        assert f"``{name}``" in text["Notes"], name


# ---- what is said of ONNX -----------------------------------------------------------------------
PLANE = (1, 4, 6, 6)
#: layer -> arguments and shape of the data; others take one, two or three spatial axes
CALLS: dict[str, tuple[tuple[Any, ...], tuple[int, ...]]] = {
    "Dense": ((3, None, True, False), (2, 3, 4)),
    "DeformableConvolution": ((2, 3), PLANE),
    "Embedding": ((5, 3), (2, 4)),
    "GroupNorm": ((2,), PLANE),
    "LeakyReLU": ((0.1,), (2, 4)),
    "ModulatedDeformableConvolution": ((2, 3), PLANE),
    "PixelShuffle1D": ((2,), (1, 4, 6)),
    "PixelShuffle2D": ((2,), PLANE),
    "PixelShuffle3D": ((2,), (1, 8, 2, 2, 2)),
    "ReflectionPad2D": ((1,), PLANE),
}


def claims(cls: type) -> set[str]:
    """Operators that stand after "ONNX" in a docstring."""
    text = " ".join((cls.__doc__ or "").split())
    found = re.findall(r"ONNX ((?:[A-Z]\w+(?:, or |, | and )?)+)", text)
    return set(re.findall(r"[A-Z]\w+", " ".join(found)))


def exported(net: Any, shape: tuple[int, ...]) -> set[str]:
    import onnx

    net.initialize()
    net.hybridize()
    net(symgluon.np.ones(shape))
    (path,) = net.export("layer", onnx="only", functions=False)
    return {node.op_type for node in onnx.load(path).graph.node}


def layers_of_onnx() -> list[str]:
    """Layers that name ONNX operators and can be exported."""
    nn = symgluon.gluon.nn
    found = {n: getattr(nn, n) for n in nn.__all__}
    return [n for n, c in found.items() if issubclass(c, nn.HybridBlock) and claims(c)]


@pytest.mark.parametrize("name", layers_of_onnx())
def test_onnx_operators(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operators that a layer's docstring names are those that an export has."""
    monkeypatch.chdir(tmp_path)
    nn = symgluon.gluon.nn
    cls = getattr(nn, name)
    rank = int(found[1]) if (found := re.search(r"([123])D", name)) else 2
    shape = (1, 4, 6, 6, 6)[: rank + 2]
    default = ((2, 3), shape) if name.startswith("Conv") else ((), shape)
    args, shape = CALLS.get(name, default)
    if name == "Activation":
        kinds = ("relu", "sigmoid", "tanh", "softrelu")
        got = set().union(*(exported(cls(kind), shape) for kind in kinds))
    else:
        net = cls(*args)
        if name == "HybridConcatenate":
            net.add(nn.Activation("relu"), nn.Activation("tanh"))
        got = exported(net, shape)
        if name == "Dense":  # with one axis left besides the batch
            got |= exported(cls(3), (2, 4))
    assert claims(cls) <= got


# ---- the rules themselves -----------------------------------------------------------------------
def _documented(a: int, b: int = 0) -> int:
    """Add.

    Parameters
    ----------
    a, b : int
        Terms.

    Returns
    -------
    int
        Sum.

    Raises
    ------
    ValueError
        If `a` is negative.
    """
    if a < 0:
        raise ValueError(a)
    return a + b


def _problems(doc: str) -> str:
    function = types.FunctionType(
        _documented.__code__, globals(), "documented", _documented.__defaults__
    )
    function.__annotations__, function.__doc__ = _documented.__annotations__, doc
    found = [*first_line(doc), *parameters(doc, function), *returns(doc, function)]
    return "; ".join([*found, *raises(doc, _documented)])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Add.", "Add", "full stop"),
        ("Add.", "Add\n    two.", "longer than a line"),
        ("a, b : int", "a : int", "lacks b"),
        ("a, b : int", "a, b", "no type of a"),
        ("a, b : int", "a, b, c : int", "c, which is no argument"),
        ("Returns\n    -------", "Notes\n    -----", "neither Returns nor Yields"),
        ("ValueError", "KeyError", "does not tell of ValueError"),
    ],
)
def test_rules(old: str, new: str, problem: str) -> None:
    doc = _documented.__doc__ or ""
    assert not _problems(doc)
    assert problem in _problems(doc.replace(old, new, 1))


def test_rules_for_layers() -> None:
    class Layer(symgluon.gluon.HybridBlock):
        """Return the input."""

        def forward(self, x: Any) -> Any:
            return x

    def problems() -> str:
        return "; ".join(layer(Layer))

    assert all(w in problems() for w in ("no section Inputs", "no section Outputs", "no source"))
    Layer.__doc__ = """Return the input.

    Inputs
    ------
    y : array

    Outputs
    -------
    array (N, C), float

    Notes
    -----
    Source: arXiv:1512.03385.
    """
    assert problems() == (
        "Inputs tells no shape in 'y : array'; Inputs tells no dtype in 'y : array'; Inputs lacks x"
    )
