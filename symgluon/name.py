"""Names of symbols that are made without one (MXNet's ``mx.name``)."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["NameManager", "Prefix"]


class _Local(threading.local):
    def __init__(self) -> None:
        self.stack: list[NameManager] = []


_local = _Local()


class _Current(type):
    @property
    def current(cls) -> NameManager:
        """The manager of this thread."""
        if not _local.stack:
            _local.stack.append(NameManager())
        return _local.stack[-1]


class NameManager(metaclass=_Current):
    """Gives numbered names: ``fullyconnected0``, ``fullyconnected1``, ...

    Used as a context, it names what is made inside; numbers begin at 0.

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.name.NameManager():
    ...     mx.sym.relu(mx.sym.var("x")).name
    'relu0'
    """

    def __init__(self) -> None:
        self._counter: dict[str, int] = {}

    def get(self, name: str | None, hint: str) -> str:
        """Return `name`, or a new one.

        Parameters
        ----------
        name : str or None
            What the user asked for.
        hint : str
            Beginning of a new name.

        Returns
        -------
        str
            The name.
        """
        if name:
            return name
        number = self._counter.get(hint, 0)
        self._counter[hint] = number + 1
        return f"{hint}{number}"

    def __enter__(self) -> NameManager:
        _local.stack.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _local.stack.pop()


class Prefix(NameManager):
    """Puts a prefix before every name, given ones too.

    Parameters
    ----------
    prefix : str
        The prefix.

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.name.Prefix("enc_"):
    ...     mx.sym.relu(mx.sym.var("x"), name="act").name
    'enc_act'
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        """Return the prefixed name.

        Parameters
        ----------
        name : str or None
            What the user asked for.
        hint : str
            Beginning of a new name.

        Returns
        -------
        str
            The name.
        """
        return self._prefix + super().get(name, hint)
