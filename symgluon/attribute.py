"""Attributes of all symbols that are made in a scope (MXNet's ``mx.attribute``)."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["AttrScope"]


class _Local(threading.local):
    def __init__(self) -> None:
        self.stack: list[AttrScope] = []


_local = _Local()


class _Current(type):
    @property
    def current(cls) -> AttrScope:
        """The innermost scope of this thread."""
        return _local.stack[-1] if _local.stack else _NONE


class AttrScope(metaclass=_Current):
    """Gives attributes to the symbols that are made inside.

    Parameters
    ----------
    **kwargs : str
        The attributes.

    Raises
    ------
    ValueError
        For a value that is no string.

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.AttrScope(__stage__="1"):
    ...     mx.sym.var("x").attr("__stage__")
    '1'
    """

    def __init__(self, **kwargs: str) -> None:
        for name, value in kwargs.items():
            if not isinstance(value, str):
                raise ValueError(f"AttrScope: attribute {name} is a string, received {value!r}")
        self._attr = dict(kwargs)

    def get(self, attr: dict[str, str] | None) -> dict[str, str]:
        """Return `attr` with the attributes of the scope.

        Parameters
        ----------
        attr : dict of str to str, optional
            Attributes of the symbol itself, which count for more.

        Returns
        -------
        dict of str to str
            Both.
        """
        return {**self._attr, **(attr or {})}

    def __enter__(self) -> AttrScope:
        self._outer = self._attr
        self._attr = AttrScope.current.get(self._attr)
        _local.stack.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _local.stack.pop()
        self._attr = self._outer


_NONE = AttrScope()
