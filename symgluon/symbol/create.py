"""Calls of operators on symbols: operands, parameters made on the way, attributes as text."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import TYPE_CHECKING, Any

import numpy as np

from symgluon import dtypes
from symgluon.attribute import AttrScope
from symgluon.errors import AttributeValueError
from symgluon.name import NameManager
from symgluon.ops.describe import legacy_signature, legacy_text
from symgluon.ops.mx import IGNORED, bind, known_attrs, lookup, operands_of
from symgluon.ops.mx_schema import signature, signatures
from symgluon.symbol.node import BOOKKEEPING, Entry, SymbolNode

if TYPE_CHECKING:
    from symgluon.symbol.symbol import Symbol

#: operand -> whether an operator with these attributes has it, where not all have
_OPTIONAL: dict[str, Callable[[str, Mapping[str, str]], bool]] = {
    "bias": lambda op, a: _is(a, "no_bias", default=op == "Deconvolution") is False,
    "gamma": lambda op, a: op != "LeakyReLU" or a.get("act_type") == "prelu",
    "state_cell": lambda op, a: a.get("mode") == "lstm",
    "sequence_length": lambda op, a: _is(a, "use_sequence_length"),
    "data_lengths": lambda op, a: _is(a, "use_data_lengths"),
    "label_lengths": lambda op, a: _is(a, "use_label_lengths"),
    "label": lambda op, a: True,
    "mask": lambda op, a: _is(a, "use_mask"),
    "trans": lambda op, a: not _is(a, "no_trans"),
}

#: (operator, operand) -> how the variable that is made for it begins
_INITS = {
    ("BatchNorm", "moving_mean"): '["zero", {}]',
    ("BatchNorm", "moving_var"): '["one", {}]',
    ("LeakyReLU", "gamma"): '["Constant", {"value": 0.25}]',
}


def _is(attrs: Mapping[str, str], key: str, default: bool = False) -> bool:
    text = attrs.get(key)
    return default if text is None else text.lower() in ("true", "1")


def text_of(value: Any) -> str:
    """Text of an attribute as MXNet writes it.

    Parameters
    ----------
    value : object
        A number, text, dtype, or a tuple or list of them.

    Returns
    -------
    str
        The text.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return dtypes.name(dtypes.resolve(value))
    if isinstance(value, np.generic):
        return str(value.item())
    if isinstance(value, np.ndarray):
        return str(tuple(value.reshape(-1).tolist()))
    if isinstance(value, list | tuple):
        return str(tuple(v.item() if isinstance(v, np.generic) else v for v in value))
    return str(value)


@functools.cache
def canonical(name: str) -> str:
    """Return the name under which MXNet writes an operator into files (``Concat`` for ``concat``)."""
    known = signatures().get(name)
    if known is None or (name.startswith(_SPACES) and not name.startswith("_sparse_")):
        return name
    return _first_names().get(id(known), name)


#: beginnings of further names of operators
_SPACES = ("_npi_", "_np_", "_npx_", "_sparse_")


@functools.cache
def _first_names() -> dict[int, str]:
    found: dict[int, str] = {}
    for name, row in signatures().items():
        if not name.startswith(_SPACES):
            found.setdefault(id(row), name)
    return found


class _Operands:
    """What an operator calls its operands and attributes."""

    def __init__(self, name: str) -> None:
        own = operands_of(lookup(name).target)
        known = signature(name)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in own)
        plain = [p for p in own if p.kind is not p.VAR_POSITIONAL]
        self.names = (
            list(known.operands) if known and not self.variadic else [p.name for p in plain]
        )
        self.aliases = {p.name: n for p, n in zip(plain, self.names, strict=False)}
        self.needed = {
            n for n, p in zip(self.names, plain, strict=False) if p.default is Parameter.empty
        }
        accepted = known_attrs(name)
        listed = list(known.attrs) if known else []
        self.attrs = [*listed, *[a for a in accepted if a not in listed]]
        self.accepted = [a for a in self.attrs if a in accepted]


@functools.cache
def _operands(name: str) -> _Operands:
    return _Operands(name)


def create(
    op: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    hint: str = "",
    name: str | None = None,
    attr: dict[str, str] | None = None,
) -> Symbol:
    """Make the symbol of an operator.

    Parameters
    ----------
    op : str
        MXNet's name.
    args : sequence
        Symbols, then attributes, in MXNet's order.
    kwargs : mapping
        Symbols and attributes by name.
    hint : str
        Beginning of the node's name, if it is not told.
    name : str, optional
        Name of the node.
    attr : dict of str to str, optional
        Further attributes.

    Returns
    -------
    Symbol
        All its outputs.

    Raises
    ------
    UnsupportedOpError
        If there is no such operator.
    AttributeValueError
        For attributes that are unknown, unreadable or missing; for too many operands.
    TypeError
        For arrays among the operands.
    """
    from symgluon.symbol.symbol import Symbol

    known = _operands(op)
    given, attrs = _sorted(op, known, args, kwargs)
    texts = _texts(op, attrs)
    hidden = AttrScope.current.get(attr)
    for key in list(texts):
        if key in BOOKKEEPING or (key in IGNORED and key not in known.attrs):
            hidden[f"__{key}__"] = texts.pop(key)
    for key in BOOKKEEPING:
        if key in hidden:
            hidden[f"__{key}__"] = hidden.pop(key)
    if known.variadic:
        texts["num_args"] = str(len(given))
    bind(op, texts)  # what is wrong with the attributes is said here
    name = NameManager.current.get(name, (hint or op).lower())
    if not known.variadic:
        given = _completed(canonical(op), known, given, name, texts, hidden)
    node = SymbolNode(canonical(op), name, texts, hidden, [v for v in given if v is not None])
    return Symbol([(node, i) for i in range(node.outputs)])


def _texts(op: str, attrs: Mapping[str, Any]) -> dict[str, str]:
    """Attributes as text; None is one where the operator knows it, else it is left out."""
    texts = {k: text_of(v) for k, v in attrs.items()}
    if "None" in texts.values():
        try:
            bind(op, texts)
        except AttributeValueError:
            return {k: v for k, v in texts.items() if attrs[k] is not None}
    return texts


def _sorted(
    op: str, known: _Operands, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Entry | None], dict[str, Any]]:
    from symgluon.symbol.symbol import Symbol

    rest = list(args)
    given: list[Entry | None] = []
    attrs: dict[str, Any] = {}
    if known.variadic:
        if len(rest) == 1 and isinstance(rest[0], list | tuple):
            rest = list(rest[0])
        while rest and isinstance(rest[0], Symbol):
            value = rest.pop(0)
            given += value.entries
    else:
        while rest and len(given) < len(known.names) and _is_operand(op, rest[0]):
            given.append(_single(op, rest.pop(0)))
    for key, value in kwargs.items():
        place = known.aliases.get(key, key)
        if place in known.names and (value is None or _is_operand(op, value)):
            at = known.names.index(place)
            given += [None] * (at + 1 - len(given))
            given[at] = _single(op, value)
        elif known.variadic and isinstance(value, list | tuple) and _all_symbols(value):
            given += [_single(op, v) for v in value]
        elif isinstance(value, Symbol):
            raise AttributeValueError(
                f"{op}: there is no operand {key!r}", hint=f"operands: {', '.join(known.names)}"
            )
        else:
            attrs[key] = value
    left = [a for a in known.attrs if a not in attrs]
    if len(rest) > len(left):
        raise AttributeValueError(f"{op}: too many arguments, or a symbol where an attribute is")
    attrs.update(zip(left, rest, strict=False))
    return given, attrs


def _all_symbols(values: Sequence[Any]) -> bool:
    from symgluon.symbol.symbol import Symbol

    return bool(values) and all(isinstance(v, Symbol) for v in values)


def _is_operand(op: str, value: Any) -> bool:
    from symgluon.ops.array import Array
    from symgluon.symbol.symbol import Symbol

    if isinstance(value, Array | np.ndarray):
        raise TypeError(
            f"sym.{op}: operands are symbols, received an array; use nd.{op} or sym.var"
        )
    return value is None or isinstance(value, Symbol)


def _single(op: str, value: Any) -> Entry | None:
    if value is None:
        return None
    if len(value.entries) != 1:
        raise AttributeValueError(
            f"{op}: an operand has {len(value.entries)} outputs; choose one: symbol[0]"
        )
    return value.entries[0]  # type: ignore[no-any-return]


def _completed(
    op: str,
    known: _Operands,
    given: list[Entry | None],
    name: str,
    attrs: dict[str, str],
    hidden: dict[str, str],
) -> list[Entry | None]:
    """Make variables for the operands that are missing, under the name of the node."""
    found = list(given)
    for at, operand in enumerate(known.names):
        if at < len(found) and found[at] is not None:
            continue
        rule = _OPTIONAL.get(operand)
        wanted = operand in known.needed or rule is not None
        if not wanted or (rule is not None and not rule(op, attrs)):
            continue
        own = {**attrs, **hidden}
        init = _INITS.get((op, operand))
        if init is not None:
            own["__init__"] = init
        found += [None] * (at + 1 - len(found))
        found[at] = (SymbolNode("null", f"{name}_{operand}", {}, own), 0)
    return found


def function(name: str, public: str = "") -> Callable[..., Any]:
    """Make the public function of an operator.

    Parameters
    ----------
    name : str
        MXNet's name of the operator.
    public : str
        Name of the function; `name` if empty.

    Returns
    -------
    callable
        The function; its docstring tells operands, attributes and their defaults.

    Raises
    ------
    UnsupportedOpError
        If there is no such operator.
    """
    target = lookup(name)
    shown = public or name

    def make(*args: Any, name: str | None = None, attr: Any = None, **kwargs: Any) -> Any:
        kwargs.pop("out", None)
        return create(operator, args, kwargs, hint=shown, name=name, attr=attr)

    operator = name
    known = _operands(name)
    make.__name__ = make.__qualname__ = shown
    shown_attrs = known.accepted
    text, _, rest = legacy_text(operator, target, known.names, shown_attrs).partition(
        "out : array"
    )
    rest = rest.partition("\n\nReturns\n-------\n")[2].partition("\n\nRaises")[2]
    make.__doc__ = (
        f"{text}name : str, optional\n    Name of the node.\nattr : dict of str to str, optional\n    "
        "Further attributes of the node.\n\nReturns\n-------\nSymbol\n    Its outputs.\n\nRaises"
        f"{rest}"
    )
    make.__signature__ = legacy_signature(target, known.names, shown_attrs)  # type: ignore[attr-defined]
    return make
