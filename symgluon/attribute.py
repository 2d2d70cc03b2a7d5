"""Attributes that all symbols made inside a scope get: ``ctx_group``, ``lr_mult``, ``__own__``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from symgluon.errors import AttributeValueError


class _Current(threading.local):
    """The scope symbols of this thread are made in."""

    def __init__(self) -> None:
        self.value: AttrScope = AttrScope()


class _Scope(type):
    """What `AttrScope` has as a class."""

    _current: _Current

    @property
    def current(cls) -> AttrScope:
        """The scope of this thread."""
        return cls._current.value


class AttrScope(metaclass=_Scope):
    """Gives attributes to the symbols that are made inside of it; scopes may be nested.

    Parameters
    ----------
    **kwargs : str
        The attributes.  Operators refuse what they do not know, unless its name begins and ends
        with two underscores, or is one of MXNet's own (``ctx_group``, ``lr_mult``, ...).

    Raises
    ------
    ValueError
        If a value is no string.

    Notes
    -----
    Source: MXNet's ``mx.AttrScope``.

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.AttrScope(ctx_group="first", __kind__="calm"):
    ...     x = mx.sym.var("x")
    >>> x.attr("ctx_group"), x.attr("__kind__")
    ('first', 'calm')
    """

    def __init__(self, **kwargs: Any) -> None:
        wrong = [k for k, v in kwargs.items() if not isinstance(v, str)]
        if wrong:
            raise AttributeValueError(
                f"attributes of symbols are strings; {', '.join(wrong)} is none",
                received=[kwargs[k] for k in wrong],
            )
        self._attr: dict[str, str] = dict(kwargs)
        self._before: list[AttrScope] = []
        self._own: list[dict[str, str]] = []

    def get(self, attr: Mapping[str, str] | None) -> dict[str, str]:
        """Return the attributes of a symbol made now.

        Parameters
        ----------
        attr : mapping of str to str, or None
            What the user asked for; it has the last word.

        Returns
        -------
        dict of str to str
            Those of the scope, and `attr`.
        """
        return {**self._attr, **(attr or {})}

    def __enter__(self) -> AttrScope:
        outer = AttrScope._current.value
        self._before.append(outer)
        self._own.append(self._attr)
        self._attr = {**outer._attr, **self._attr}
        AttrScope._current.value = self
        return self

    def __exit__(self, *exc: object) -> None:
        self._attr = self._own.pop()
        AttrScope._current.value = self._before.pop()


AttrScope._current = _Current()


def current() -> AttrScope:
    """Return the scope that symbols of this thread are made in."""
    return AttrScope._current.value
