"""Kinds of operator attributes: how each is normalised, parsed from MXNet's text, and shown."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError
from symgluon.ir.dims import Dim

Ints = tuple[Any, ...]  # int or Dim, any length
Shape = tuple[Any, ...]
Axes = Any  # int | tuple[int, ...] | None
OptionalInts = tuple[Any, ...]  # int or None, any length
Floats = tuple[Any, ...]
DType = np.dtype

_MAX_TEXT = 1_000_000  # a longer attribute text is not a literal that MXNet ever wrote


def _int(value: Any) -> Any:
    if type(value) is int or isinstance(value, Dim):
        return value
    if isinstance(value, bool | np.integer | np.bool_):
        return int(value)
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    if hasattr(value, "__index__"):
        return value.__index__()
    raise TypeError(f"expected an integer, received {value!r}")


def _float(value: Any) -> float:
    if isinstance(value, str | bytes) or value is None:
        raise TypeError(f"expected a number, received {value!r}")
    return float(value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool | int | np.bool_ | np.integer):
        return bool(value)
    raise TypeError(f"expected a bool, received {value!r}")


def _str(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"expected a string, received {value!r}")


def _ints(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        return tuple([_int(v) for v in value])
    if isinstance(value, np.ndarray):
        return tuple(int(v) for v in value.reshape(-1))
    return (_int(value),)


def _axes(value: Any) -> Any:
    if value is None:
        return None
    return _ints(value) if isinstance(value, list | tuple) else _int(value)


def _optional_ints(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        value = (value,)
    return tuple([None if v is None else _int(v) for v in value])


def _floats(value: Any) -> tuple[float, ...]:
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(float(v) for v in value)
    return (_float(value),)


def _plain(value: Any) -> Any:
    return value


def _freeze(value: Any) -> Any:
    return tuple(_freeze(v) for v in value) if isinstance(value, list | tuple) else value


def literal(text: str) -> Any:
    """Parse a Python-like literal as MXNet writes it: ``(1, 2L)``, ``[1,2]``, ``None``, ``1e-5``.

    Raises
    ------
    ValueError
        If `text` is no such literal.
    """
    text = text.strip()
    if len(text) > _MAX_TEXT:
        raise ValueError(f"text of {len(text)} characters")
    lowered = {"true": True, "false": False, "none": None, "nan": float("nan")}
    if text.lower() in lowered:
        return lowered[text.lower()]
    if text.lower() in ("inf", "-inf", "+inf"):
        return float(text)
    cleaned = text
    if cleaned[:1] in "([" and "L" in cleaned:
        cleaned = cleaned.replace("L", "")
    elif cleaned[-1:] == "L" and cleaned[:-1].lstrip("-").isdigit():
        cleaned = cleaned[:-1]
    try:
        return ast.literal_eval(cleaned)
    except (SyntaxError, ValueError, MemoryError, RecursionError, TypeError):
        raise ValueError(f"cannot read {text[:80]!r}") from None


class Kind(NamedTuple):
    """How values of one annotation are normalised and parsed from text."""

    normalise: Callable[[Any], Any]
    parse: Callable[[str], Any]


def _parsed(normalise: Callable[[Any], Any]) -> Callable[[str], Any]:
    return lambda text: normalise(literal(text))


def _parse_ints(text: str) -> tuple[Any, ...]:
    """Read a shape; MXNet writes ``None`` for one that was left out."""
    value = literal(text)
    return () if value is None else _ints(value)


def _parse_bool(text: str) -> bool:
    value = literal(text)
    if isinstance(value, bool | int):
        return bool(value)
    raise ValueError(f"expected True or False, received {text!r}")


def _parse_dtype(text: str) -> np.dtype[Any]:
    if text.lstrip("-").isdigit():
        return dtypes.from_mx_code(int(text))
    return dtypes.resolve(text)


def _optional(kind: Kind) -> Kind:
    return Kind(
        lambda v: None if v is None else kind.normalise(v),
        lambda t: None if t.strip().lower() in ("none", "") else kind.parse(t),
    )


_BASE: dict[str, Kind] = {
    "int": Kind(_int, _parsed(_int)),
    "float": Kind(_float, _parsed(_float)),
    "bool": Kind(_bool, _parse_bool),
    "str": Kind(_str, str),
    "Ints": Kind(_ints, _parse_ints),
    "Shape": Kind(_ints, _parse_ints),
    "OptionalInts": Kind(_optional_ints, _parsed(_optional_ints)),
    "Floats": Kind(_floats, _parsed(_floats)),
    "Axes": Kind(_axes, _parsed(_axes)),
    "DType": Kind(dtypes.resolve, _parse_dtype),
    "Any": Kind(_freeze, literal),
    "Graph": Kind(_plain, literal),
}


def kind(annotation: str) -> Kind:
    """Return the kind that belongs to an annotation such as ``int`` or ``Ints | None``.

    Raises
    ------
    AttributeValueError
        For an annotation that attributes cannot have.
    """
    base, _, rest = (p.strip() for p in annotation.partition("|"))
    found = _BASE.get(base)
    if found is None or rest not in ("", "None"):
        known = ", ".join(_BASE)
        raise AttributeValueError(f"attributes cannot be {annotation!r}; known kinds: {known}")
    return _optional(found) if rest else found


def parse_all(where: str, kinds: Mapping[str, Kind], attrs: Mapping[str, str]) -> dict[str, Any]:
    """Parse string attributes; every unreadable or unknown one is named in one error."""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for key, text in attrs.items():
        known = kinds.get(key)
        if known is None:
            wrong.append(f"unknown attribute {key}={text!r}")
            continue
        try:
            values[key] = known.parse(text) if isinstance(text, str) else known.normalise(text)
        except (TypeError, ValueError) as error:
            wrong.append(f"attribute {key}={text!r}: {error}")
    if wrong:
        raise AttributeValueError(f"{where}: " + "; ".join(wrong))
    return values


def canonical(value: Any) -> Any:
    """Return a hashable stand-in that compares without asking a guard and without 1 == 1.0."""
    if isinstance(value, Dim):
        return ("dim", value.key())
    if isinstance(value, tuple | list):
        return tuple([canonical(v) for v in value])
    if isinstance(value, float):
        return ("float", value.hex())
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, np.dtype):
        return ("dtype", value.name)
    if hasattr(value, "fingerprint"):
        return ("graph", value.fingerprint())
    return value


def map_dims(value: Any, function: Callable[[Any], Any]) -> Any:
    """Apply `function` to each Dim inside an attribute value; the same object if none changed."""
    if isinstance(value, Dim):
        return function(value)
    if isinstance(value, tuple):
        new = tuple([map_dims(v, function) for v in value])
        return value if all(a is b for a, b in zip(new, value, strict=True)) else new
    return value


def has_dims(value: Any) -> bool:
    """Whether an attribute value holds a symbolic dimension."""
    if isinstance(value, tuple):
        return any(has_dims(v) for v in value)
    return isinstance(value, Dim)


def show(value: Any) -> str:
    """Text of an attribute value in printed graphs."""
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, tuple):
        inner = ", ".join(show(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if hasattr(value, "fingerprint"):
        return f"@{value.name}"
    return str(value)
