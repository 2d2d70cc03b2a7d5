"""Making nodes: sorting arguments, attributes as text, automatic names and variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symgluon import attribute, name
from symgluon.errors import AttributeValueError, SymgluonError
from symgluon.formats.symbol_upgrade import HIDDEN_KEYS
from symgluon.ops.describe import legacy_signature, legacy_text
from symgluon.ops.mx import bind, known_attrs, lookup
from symgluon.ops.mx_schema import signature
from symgluon.symbol import facts
from symgluon.symbol.node import Node, is_hidden
from symgluon.symbol.symbol import Symbol

#: initial values that operators give their automatic variables
_INITIAL = {
    "moving_mean": '["zero", {}]',
    "moving_var": '["one", {}]',
    ("LeakyReLU", "gamma"): '["Constant", {"value": 0.25}]',
    ("UpSampling", "weight"): '["bilinear", {}]',
}


class ComposeError(AttributeValueError, TypeError):
    """Operands that are no symbols, or too many of them: a TypeError in MXNet."""


def text(key: str, value: Any) -> str:
    """Return an attribute as files spell it.

    Parameters
    ----------
    key : str
        The attribute.
    value : object
        A Python value.

    Returns
    -------
    str
        Its text.
    """
    if isinstance(value, str):
        return value
    if key == "dtype" and value is not None and not isinstance(value, int):
        return np.dtype(value).name
    if isinstance(value, np.generic):
        return str(value)
    if isinstance(value, np.ndarray):
        return str(tuple(value.reshape(-1).tolist()))
    if isinstance(value, list | tuple):
        items = [v.item() if isinstance(v, np.generic) else v for v in value]
        return str(type(value)(items))
    return np.dtype(value).name if isinstance(value, type | np.dtype) else str(value)


def user_attrs(attr: Mapping[str, Any] | None, what: str) -> dict[str, str]:
    """Return the attributes that a user, and the present scope, give a symbol.

    Parameters
    ----------
    attr : mapping of str to str, or None
        Those of the user, who has the last word.
    what : str
        The symbol, for messages.

    Returns
    -------
    dict of str to str
        MXNet's own, such as ``lr_mult``, have underscores on each side.

    Raises
    ------
    AttributeValueError
        For a value that is no string.
    """
    found = {}
    for key, value in attribute.current().get(attr).items():
        if not isinstance(value, str):
            raise AttributeValueError(
                f"{what}: attribute {key} of a symbol", expected="a string", received=value
            )
        found[f"__{key}__" if key in HIDDEN_KEYS else key] = value
    return found


def make(
    op: str,
    operands: Sequence[Symbol | None],
    attrs: Mapping[str, Any] = {},
    *,
    named: Mapping[str, Symbol] = {},
    own_name: str | None = None,
    attr: Mapping[str, str] | None = None,
    hint: str = "",
    check: bool = True,
    cls: type[Symbol] | None = None,
    subgraphs: tuple[Any, ...] = (),
) -> Any:
    """Make the symbol of one operator.

    Parameters
    ----------
    op : str
        MXNet's name of the operator, or an alias.
    operands : sequence of Symbol or None
        In MXNet's order; those that lack become variables.
    attrs : mapping
        Attributes, as Python values.
    named : mapping of str to Symbol
        Operands by name.
    own_name : str, optional
        Name of the symbol.
    attr : mapping of str to str, optional
        Hidden attributes.
    hint : str
        What an automatic name begins with.
    check : bool
        Whether the attributes are parsed now, so that mistakes are told here.
    cls : type, optional
        Class of the result.
    subgraphs : tuple
        Of loops and branches.

    Returns
    -------
    Symbol
        Of all its outputs.

    Raises
    ------
    AttributeValueError
        For attributes that the operator does not take, or operands that it has no place for.
    UnsupportedOpError
        If there is no such operator.
    """
    found = facts.fact(op)
    given = {k: text(k, v) for k, v in attrs.items()}
    given.update(user_attrs(attr, own_name or hint or op))
    if check:
        try:
            bind(op, given)
        except SymgluonError as error:
            raise error.at(where=f"symbol {own_name or hint or op}") from None
    full = name.current().get(own_name, (hint or op).lower())
    node = Node(found.name, full, given, subgraphs=subgraphs)
    inputs = _inputs(node, found, operands, named)
    if found.counts and found.counts not in node.attrs:
        node.attrs[found.counts] = str(len([x for x in operands if x is not None]))
    node.inputs = [(x._outputs[0]) for x in inputs]
    suffixes = facts.output_suffixes(node.op, node.attrs)
    return (cls or _class_of(inputs))([(node, i) for i in range(len(suffixes))])


def _class_of(inputs: Sequence[Symbol]) -> type[Symbol]:
    for x in inputs:
        if type(x) is not Symbol:
            return type(x)
    return Symbol


def _inputs(
    node: Node, known: facts.Fact, operands: Sequence[Symbol | None], named: Mapping[str, Symbol]
) -> list[Symbol]:
    """Operands of a node; those that lack are variables, unless all do."""
    for x in [*operands, *named.values()]:
        if x is not None and len(x._outputs) != 1:
            raise ComposeError(
                f"{node.name} ({node.op}): an operand is a group of {len(x._outputs)} outputs",
                hint="choose one by its number, such as x[0], or by its name",
            )
    names = facts.operand_names(node.op, node.attrs)
    if names is None:
        if named:
            raise ComposeError(
                f"{node.name} ({node.op}) takes any number of operands by position, received "
                f"{', '.join(named)} by name"
            )
        return [x for x in operands if x is not None]
    if len(operands) > len(names):
        raise ComposeError(
            f"{node.name} ({node.op}): wrong number of operands",
            expected=f"{len(names)} ({', '.join(names)})",
            received=len(operands),
        )
    by_name = dict(zip(names, operands, strict=False))
    for key, value in named.items():
        if key not in names:
            raise ComposeError(
                f"{node.name} ({node.op}) has no operand {key!r} with these attributes; it has "
                f"{', '.join(names)}"
            )
        if by_name.get(key) is not None:
            raise ComposeError(f"{node.name} ({node.op}): operand {key} is given twice")
        by_name[key] = value
    found = [(n, by_name.get(n)) for n in names]
    return [_automatic(node, n) if x is None else x for n, x in found]


def _automatic(node: Node, operand: str) -> Symbol:
    """A variable for an operand that was not given: it has the attributes of its reader."""
    attrs = dict(node.attrs)
    initial = _INITIAL.get(operand) or _INITIAL.get((node.op, operand))
    if initial is not None:
        attrs.setdefault("__init__", initial)
    return Symbol([(Node("null", f"{node.name}_{operand}", attrs), 0)])


# ---- public functions ----------------------------------------------------------------------------
class _Arguments:
    """Sorts the arguments of a call into operands and attributes."""

    def __init__(self, op: str) -> None:
        self.op = op
        lookup(op)
        known = signature(op)
        self.variadic = (
            known.variadic if known is not None else facts.operand_names(op, {}) is None
        )
        self.operands = list(facts.keyword_operands(op))
        accepted = known_attrs(op)
        order = [a for a in known.attrs if a not in self.operands] if known is not None else []
        self.attrs = [*order, *[a for a in accepted if a not in order]]
        self.accepted = {*accepted, *order}

    def describe(self) -> tuple[str, Any]:
        """Docstring and signature of the function."""
        target = lookup(self.op)
        attrs = [a for a in self.attrs if a in known_attrs(self.op)]
        operands = self.operands
        return legacy_text(self.op, target, operands, attrs), legacy_signature(
            target, operands, attrs
        )

    def sort(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Symbol], dict[str, Any]]:
        """Return operands by position, operands by name, and attributes."""
        operands, attrs = self._positional(args, kwargs)
        named: dict[str, Symbol] = {}
        for key, value in kwargs.items():
            if isinstance(value, Symbol):
                self._operand(key, value, operands, named)
            elif self.variadic and key in self.operands and isinstance(value, list | tuple):
                operands.extend(value)
            elif key in self.operands and key not in self.accepted:
                if value is not None:
                    self._refuse(value, f"operand {key}")
            else:
                attrs[key] = value  # one that does not exist is told by the check of attributes
        while operands and operands[-1] is None:
            operands.pop()
        return operands, named, attrs

    def _positional(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the operands and attributes that are given by position."""
        rest = list(args)
        operands: list[Any] = []
        if self.variadic:
            if len(rest) == 1 and isinstance(rest[0], list | tuple):
                rest = list(rest[0])
            while rest and isinstance(rest[0], Symbol):
                operands.append(rest.pop(0))
        else:
            while rest and len(operands) < len(self.operands) and _symbolic(rest[0]):
                operands.append(rest.pop(0))
        attrs = dict(zip([a for a in self.attrs if a not in kwargs], rest, strict=False))
        if len(rest) > len(attrs):
            self._refuse(rest[0], "an argument by position")
        return operands, attrs

    def _operand(
        self, key: str, value: Symbol, operands: list[Any], named: dict[str, Symbol]
    ) -> None:
        if key in self.operands:
            named[key] = value
        elif not operands and not named and key in ("data", "x", "a", "lhs"):
            named[self.operands[0]] = value
        else:
            raise ComposeError(
                f"{self.op} has no operand {key!r}; it has {', '.join(self.operands)}"
            )

    def _refuse(self, value: Any, what: str) -> None:
        raise ComposeError(
            f"{self.op}: {what} must be a Symbol", received=type(value).__name__,
            hint="make a variable of it with mx.sym.var(name), or call mx.nd for arrays",
        )  # fmt: skip


def _hidden_text(value: Any) -> str:
    """An attribute of a user as text; of an initializer, what makes it again."""
    return value.dumps() if hasattr(value, "dumps") else str(value)


def _symbolic(value: Any) -> bool:
    return value is None or isinstance(value, Symbol)


def function(op: str, public: str = "", cls: type[Symbol] | None = None) -> Callable[..., Any]:
    """Make the public function of an operator.

    Parameters
    ----------
    op : str
        MXNet's name of the operator.
    public : str
        Name of the function; `op` if empty.
    cls : type, optional
        Class of the results; that of the operands if left out.

    Returns
    -------
    callable
        The function; its docstring tells operands, attributes and their defaults.

    Raises
    ------
    UnsupportedOpError
        If there is no such operator.
    """
    arguments = _Arguments(op)
    called = public or op

    def compose_operator(
        *args: Any, name: str | None = None, attr: Mapping[str, str] | None = None, **kwargs: Any
    ) -> Any:
        kwargs.pop("out", None)
        operands, named, attrs = arguments.sort(args, kwargs)
        own = {k: v for k, v in attrs.items() if k not in HIDDEN_KEYS and not is_hidden(k)}
        more = {k: v for k, v in attrs.items() if k not in own}
        hidden = {k: _hidden_text(v) for k, v in {**(attr or {}), **more}.items()}
        return make(op, operands, own, named=named, own_name=name, attr=hidden,
                    hint=called, cls=cls)  # fmt: skip

    compose_operator.__name__ = compose_operator.__qualname__ = called
    compose_operator.__doc__, found = arguments.describe()
    compose_operator.__signature__ = found  # type: ignore[attr-defined]
    return compose_operator
