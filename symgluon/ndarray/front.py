"""Public functions made from MXNet's operator names: `nd.*`, `npx.*` and their sub-namespaces.

A function takes arrays and attributes by position or keyword in MXNet's order, ``out=`` and
``ctx=``, and gives arrays of the class of its front end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Signature
from typing import Any

import numpy as np

from symgluon.device import Device
from symgluon.errors import AttributeValueError
from symgluon.ndarray.ndarray import NDArray, assign
from symgluon.ops.array import Array, wrap
from symgluon.ops.describe import legacy_signature, legacy_text
from symgluon.ops.mx import bind_cached, known_attrs, lookup, operands_of, table
from symgluon.ops.mx_schema import signature

#: keywords for the first and second operand, whatever the operator calls them
_FIRST = ("data", "lhs", "x", "a", "array", "condition")
_SECOND = ("rhs", "b", "index", "indices", "label", "shape_like")


def call(
    name: str,
    inputs: Sequence[Any],
    attrs: Mapping[str, Any],
    cls: type[NDArray],
    *,
    out: Any = None,
    device: Any = None,
) -> Any:
    """Call an operator by MXNet's name.

    Parameters
    ----------
    name : str
        The operator.
    inputs : sequence of Array or None
        Operands in MXNet's order.
    attrs : mapping
        Attributes as text or Python values.
    cls : type
        Class of the results.
    out : array or list of array, optional
        Gets the results.
    device : Device, optional
        Of the results; that of the first operand if left out.

    Returns
    -------
    array or list of array
        One result, or all of them.
    """
    results = bind_cached(name, attrs)(*inputs)
    if device is None:
        for x in inputs:
            if isinstance(x, Array):
                device = x._device
                break
    for result in results:
        result.__class__ = cls
        if device is not None:
            result._device = device
    if out is not None:
        targets = out if isinstance(out, list | tuple) else [out]
        for target, result in zip(targets, results, strict=False):
            assign(target, result)
        return out
    return results[0] if len(results) == 1 else results


def function(name: str, cls: type[NDArray], public: str = "") -> Callable[..., Any]:
    """Make the public function of an operator.

    Parameters
    ----------
    name : str
        MXNet's name of the operator.
    cls : type
        Class of the results.
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
    lookup(name)
    arguments = _Arguments(name)

    def call_operator(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        inputs, attrs, device = arguments.sort(args, kwargs)
        return call(name, inputs, attrs, cls, out=out, device=device)

    call_operator.__name__ = call_operator.__qualname__ = public or name
    call_operator.__doc__, signature = arguments.describe()
    call_operator.__signature__ = signature  # type: ignore[attr-defined]
    return call_operator


class _SymbolError(AttributeValueError, AssertionError, TypeError):
    """A symbol in place of an array: an AssertionError in MXNet."""


class _Arguments:
    """Sorts the arguments of a call into operands and attributes."""

    def __init__(self, name: str) -> None:
        self.name = name
        own = operands_of(lookup(name).target)
        known = signature(name)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in own)
        self.own = [p.name for p in own if p.kind is not p.VAR_POSITIONAL]
        self.operands = list(known.operands) if known else self.own
        accepted = known_attrs(name)
        listed = [a for a in known.attrs if a in accepted] if known else []
        self.order = [*(known.attrs if known else ()), *[a for a in accepted if a not in listed]]
        self.accepted = set(accepted)

    def describe(self) -> tuple[str, Signature]:
        """Docstring and signature of the function."""
        attrs = [a for a in self.order if a in self.accepted]
        target = lookup(self.name)
        return (
            legacy_text(self.name, target, self.operands, attrs),
            legacy_signature(target, self.operands, attrs),
        )

    def sort(
        self, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any], Any]:
        """Return operands, attributes, and the device asked for."""
        kwargs.pop("name", None)
        device = kwargs.pop("ctx", None) or kwargs.pop("device", None)
        if isinstance(device, str):
            kind, _, number = device.rstrip(")").partition("(")
            device = Device(kind, int(number or 0))
        inputs: list[Any] = []
        attrs: dict[str, Any] = {}
        rest = list(args)
        if self.variadic:
            if len(rest) == 1 and isinstance(rest[0], list | tuple):
                rest = list(rest[0])
            while rest and isinstance(rest[0], Array | np.ndarray):
                inputs.append(_operand(rest.pop(0)))
        else:
            limit = max(len(self.operands), len(self.own))
            while rest and len(inputs) < limit and _is_operand(rest[0]):
                inputs.append(_operand(rest.pop(0)))
        if rest and hasattr(rest[0], "list_arguments"):
            raise _SymbolError(
                f"{self.name} of arrays was given a symbol",
                expected="an array",
                received=repr(rest[0]),
                hint=f"call mx.sym.{self.name}; in hybrid_forward(self, F, ...) call F.{self.name}, "
                "which is that of arrays or of symbols",
            )
        self._keywords(inputs, attrs, kwargs)
        names = [a for a in self.order if a not in attrs or a in kwargs]
        attrs.update(zip(names, rest, strict=False))
        if len(rest) > len(names):
            raise AttributeValueError(f"{self.name}: too many arguments")
        while inputs and inputs[-1] is None:
            inputs.pop()
        return inputs, {k: _plain(v) for k, v in attrs.items() if v is not None}, device

    def _keywords(
        self, inputs: list[Any], attrs: dict[str, Any], kwargs: Mapping[str, Any]
    ) -> None:
        for key, value in kwargs.items():
            place = self._place(key, value)
            if place is None:
                attrs[key] = value
            elif self.variadic and isinstance(value, list | tuple):
                inputs.extend(_operand(v) for v in value)
            elif value is not None or key not in self.accepted:
                inputs.extend([None] * (place + 1 - len(inputs)))
                inputs[place] = _operand(value)

    def _place(self, key: str, value: Any) -> int | None:
        if key in self.accepted and not isinstance(value, Array):
            return None
        for names in (self.operands, self.own):
            if key in names:
                return names.index(key)
        if isinstance(value, Array | np.ndarray) or value is None:
            if key in _FIRST:
                return 0
            if key in _SECOND:
                return 1
        return None


def _is_operand(value: Any) -> bool:
    return value is None or isinstance(value, Array | np.ndarray)


def _operand(value: Any) -> Any:
    return wrap(np.array(value)) if isinstance(value, np.ndarray | list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return tuple(value.reshape(-1).tolist())
    return value


def exists(name: str) -> bool:
    """Whether there is an operator `name`."""
    return name in table()
