"""Docstrings of functions that are made from operators: their one source is the declaration.

What a function takes, gives and raises is read off the operator it calls: operands, attributes with
their kinds and defaults, the rule of dtypes, the ONNX operator, whether it has a gradient.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from symgluon.errors import DTypeError
from symgluon.ir.op import OPS, MxTarget, Op
from symgluon.ops.families import Binary, Reduction, Unary
from symgluon.ops.mx import MxFunction

#: annotation of an attribute -> how a docstring says it
_KINDS = {
    "Ints": "int or tuple of int",
    "Shape": "int or tuple of int",
    "OptionalInts": "tuple of int or None",
    "Floats": "float or tuple of float",
    "Axes": "int or tuple of int, optional",
    "DType": "dtype",
    "Any": "object",
    "Graph": "Graph",
}
#: convention of a dialect (`ops.mx`) -> what it means to the caller
_CONVENTIONS = {
    "strict": "Operands must have one dtype.",
    "first": "Only the first operand counts.",
    "rank1": "A result without axes gets the shape (1,).",
    "same": "The result has the dtype of the first operand.",
    "f32": "The result is float32.",
}
_KEYWORDS = """\
**kwargs : object
    NumPy's ``where``, ``order``, ``subok``, ``casting`` and ``dtype``, with the values that change
    nothing; others are a ValueError."""
_OUT = """\
out : array, optional
    Gets the result, in its own dtype."""


def summary(text: str | None) -> str:
    """First paragraph of a docstring as one line; `text` may be None."""
    return " ".join((text or "").strip().split("\n\n")[0].split())


def operator_note(cls: type[Op]) -> str:
    """Sentence about the operator class `cls`: its name in the IR, in ONNX, its gradient."""
    parts = [f"Operator ``{cls.name}``"]
    onnx = getattr(cls, "onnx_name", None)
    if isinstance(onnx, str) and onnx:
        parts.append(f"ONNX {onnx}")
    if cls.no_grad:
        parts.append("no gradient")
    return "; ".join(parts) + "."


# ---- elementwise functions ----------------------------------------------------------------------
def unary_text(name: str, op_name: str) -> str:
    """Docstring of an elementwise function of one operand.

    Parameters
    ----------
    name : str
        The function, as NumPy calls it.
    op_name : str
        Its operator.

    Returns
    -------
    str
        The docstring.
    """
    cls = OPS[op_name]
    refused = _refused(cls, 1)
    but = f", {refused} excepted" if refused else ""
    raises = f"\n\nRaises\n------\nDTypeError\n    For {refused}." if refused else ""
    return (
        f"Elementwise ``{name}`` of `x`.\n\n"
        "Parameters\n----------\n"
        f"x : array of any shape, or number\n    Of any dtype{but}.\n"
        f"{_OUT}\n{_KEYWORDS}\n\n"
        "Returns\n-------\n"
        f"array\n    Shape of `x`; {_unary_dtype(cls)}.\n    A number gives a number of NumPy."
        f"{raises}\n\n"
        f"Notes\n-----\n{operator_note(cls)}"
    )


def binary_text(name: str, op_name: str) -> str:
    """Docstring of an elementwise function of two operands.

    Parameters
    ----------
    name : str
        The function, as NumPy calls it.
    op_name : str
        Its operator.

    Returns
    -------
    str
        The docstring.
    """
    cls = OPS[op_name]
    refused = _refused(cls, 2)
    raises = f"\nDTypeError\n    For {refused}." if refused else ""
    return (
        f"Elementwise ``{name}`` of `x1` and `x2`, which broadcast.\n\n"
        "Parameters\n----------\n"
        "x1, x2 : array of any shape, or number\n    Of any dtype; beside a float array a number\n"
        "    takes its dtype.\n"
        f"{_OUT}\n{_KEYWORDS}\n\n"
        "Returns\n-------\n"
        f"array\n    Shape to which both broadcast; {_binary_dtype(cls)}.\n"
        "    Two numbers give a number of NumPy.\n\n"
        "Raises\n------\nShapeError\n    If the shapes do not broadcast."
        f"{raises}\n\n"
        f"Notes\n-----\n{operator_note(cls)}"
    )


def _coerced(cls: type[Op], *kinds: str) -> str:
    """Dtype in which the operator computes operands of the given dtypes; '' where it refuses."""
    given = tuple(np.dtype(k) for k in kinds)
    rule: Callable[..., Any] | None = cls.coerce
    try:
        found: np.dtype[Any] = given[0] if rule is None else rule(*given)[0]
    except DTypeError:
        return ""
    return found.name


def _refused(cls: type[Op], count: int) -> str:
    """Kinds of numbers that the operator does not take, in words."""
    kinds = {"bools": "bool", "integers": "int32", "floats": "float32"}
    return " and ".join(word for word, kind in kinds.items() if not _coerced(cls, *[kind] * count))


def _unary_dtype(cls: type[Op], operand: str = "x") -> str:
    if not issubclass(cls, Unary):
        return "dtype by the rule of the operator"
    if cls.result == "bool":
        return "dtype bool"
    changed = [
        f"{kind} gives {found}"
        for kind in ("int8", "int32", "int64")
        if (found := _coerced(cls, kind)) not in (kind, "")
    ]
    return f"dtype of `{operand}`" + (f" if a float; {', '.join(changed)}" if changed else "")


def _binary_dtype(cls: type[Op]) -> str:
    if not issubclass(cls, Binary):
        return "dtype by the rule of the operator"
    if cls.result == "bool":
        return "dtype bool"
    examples = {"two int32": ("int32", "int32"), "int32 and float16": ("int32", "float16")}
    told = [f"{words} give {d}" for words, k in examples.items() if (d := _coerced(cls, *k))]
    return f"promoted dtype ({', '.join(told)})"


# ---- functions by MXNet's names -----------------------------------------------------------------
def legacy_text(name: str, target: MxTarget, operands: Sequence[str], attrs: Iterable[str]) -> str:
    """Docstring of the function of an MXNet operator.

    Parameters
    ----------
    name : str
        MXNet's name of the operator.
    target : MxTarget
        What the name means.
    operands : sequence of str
        Operands by MXNet's names, in order.
    attrs : iterable of str
        Attributes that are accepted, in order.

    Returns
    -------
    str
        The docstring.
    """
    what = target.target
    plain = isinstance(what, MxFunction)
    own = what.operands if plain else what.operands()
    entries = [_operand(n, own, i) for i, n in enumerate(operands)]
    entries += [_attribute(what, a) for a in attrs]
    entries.append("out : array or list of array, optional\n    Gets the results.")
    entries.append(
        "ctx : Device, optional\n    Device of the results; that of the operands if left out."
    )
    note = f"MXNet's operator ``{name}``"
    note += ", composed of others." if plain else f".  {operator_note(what)}"
    said = [_CONVENTIONS[c] for c in target.conventions if c in _CONVENTIONS]
    head = summary(what.function.__doc__ if plain else what.__doc__)
    return (
        f"{head}\n\nParameters\n----------\n" + "\n".join(entries) + "\n\nReturns\n-------\n"
        f"{_result(what, operands)}\n\nRaises\n------\nAttributeValueError\n    For unknown, "
        "missing or unreadable attributes, or another number of operands.\n\nNotes\n-----\n"
        + "  ".join([note, *said])
    )


def _result(what: Any, operands: Sequence[str]) -> str:
    """Entry of `Returns`: shape and dtype, where the family of the operator tells them."""
    if isinstance(what, type) and issubclass(what, Unary):
        return f"array\n    Shape of `{operands[0]}`; {_unary_dtype(what, operands[0])}."
    if isinstance(what, type) and issubclass(what, Binary):
        return f"array\n    Shape to which both broadcast; {_binary_dtype(what)}."
    if isinstance(what, type) and issubclass(what, Reduction):
        return "array\n    Without the reduced axes, or with size 1 for them."
    return (
        "array, or list of array where there are several results\n    Shapes and dtypes by the rule "
        "of the operator."
    )


def legacy_signature(
    target: MxTarget, operands: Sequence[str], attrs: Iterable[str]
) -> inspect.Signature:
    """Signature of the function of an MXNet operator, for `help` and editors.

    Attributes stand as keyword-only ones, though they may be given by position as well.

    Parameters
    ----------
    target : MxTarget
        What the name means.
    operands : sequence of str
        Operands by MXNet's names, in order.
    attrs : iterable of str
        Attributes that are accepted, in order.

    Returns
    -------
    inspect.Signature
        The signature.
    """
    what = target.target
    plain = isinstance(what, MxFunction)
    own = what.operands if plain else what.operands()
    make, empty = inspect.Parameter, inspect.Parameter.empty
    if any(p.kind is p.VAR_POSITIONAL for p in own):
        found = [make(operands[0] if operands else "data", make.VAR_POSITIONAL)]
    else:
        optional = [i < len(own) and own[i].default is not empty for i in range(len(operands))]
        found = [
            make(n, make.POSITIONAL_OR_KEYWORD, default=None if any(optional[: i + 1]) else empty)
            for i, n in enumerate(operands)
        ]
    for name in attrs:
        if name not in operands:
            found.append(make(name, make.KEYWORD_ONLY, default=_default(what, name)))
    for name in ("out", "ctx"):
        if name not in {p.name for p in found}:
            found.append(make(name, make.KEYWORD_ONLY, default=None))
    return inspect.Signature(found)


def _default(what: Any, name: str) -> Any:
    """Default of an attribute; `inspect.Parameter.empty` for a required one."""
    if isinstance(what, MxFunction):
        return what.defaults.get(name, inspect.Parameter.empty)
    return what.fields[name].default if hasattr(what, name) else inspect.Parameter.empty


def _operand(name: str, own: Sequence[inspect.Parameter], place: int) -> str:
    if any(p.kind is p.VAR_POSITIONAL for p in own):
        return f"*{name} : array"
    optional = place < len(own) and own[place].default is not inspect.Parameter.empty
    return f"{name} : array{', optional' if optional else ''}"


def _attribute(what: Any, name: str) -> str:
    if isinstance(what, MxFunction):
        annotation = str(inspect.signature(what.function).parameters[name].annotation)
    else:
        annotation = next(
            str(inspect.get_annotations(c)[name])
            for c in what.__mro__
            if name in inspect.get_annotations(c)
        )
    default = _default(what, name)
    base, _, rest = (p.strip() for p in annotation.partition("|"))
    kind = _KINDS.get(base, base) + (", optional" if rest else "")
    if default is inspect.Parameter.empty:
        return f"{name} : {kind}\n    Required."
    return f"{name} : {kind}\n    Default: {default!r}."
