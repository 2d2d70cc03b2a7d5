"""Automatic names of symbols: ``fullyconnected0``, ``fullyconnected1``, ..."""

from __future__ import annotations

import threading
from typing import Any


class _Current(threading.local):
    """The manager that names symbols in this thread."""

    def __init__(self) -> None:
        self.value: NameManager = NameManager()


class _Manager(type):
    """What `NameManager` has as a class."""

    _current: _Current

    @property
    def current(cls) -> NameManager:
        """The manager of this thread."""
        return cls._current.value


class NameManager(metaclass=_Manager):
    """Gives a name to every symbol that is made without one: its operator and a number.

    Used as a context, it counts from 0 anew; symbols of other threads are not concerned.

    Notes
    -----
    Source: MXNet's ``mx.name.NameManager``.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.sym.var("x")
    >>> with mx.name.NameManager():
    ...     print(mx.sym.relu(x).name, mx.sym.relu(x).name, mx.sym.relu(x, name="own").name)
    relu0 relu1 own
    """

    def __init__(self) -> None:
        self._counter: dict[str, int] = {}
        self._before: list[NameManager] = []

    def get(self, name: str | None, hint: str) -> str:
        """Return the name that a symbol gets.

        Parameters
        ----------
        name : str or None
            What the user asked for.
        hint : str
            What an automatic name begins with.

        Returns
        -------
        str
            `name` if there is one, else `hint` and the next number.
        """
        if name:
            return name
        number = self._counter.get(hint, 0)
        self._counter[hint] = number + 1
        return f"{hint}{number}"

    def __enter__(self) -> Any:
        self._before.append(NameManager._current.value)
        NameManager._current.value = self
        return self

    def __exit__(self, *exc: object) -> None:
        NameManager._current.value = self._before.pop()


class Prefix(NameManager):
    """Puts a prefix before the names of symbols, also before those that were asked for.

    Parameters
    ----------
    prefix : str
        The prefix.

    Notes
    -----
    Source: MXNet's ``mx.name.Prefix``.

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.name.Prefix("net_"):
    ...     y = mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=2, name="fc")
    >>> y.list_arguments()
    ['x', 'net_fc_weight', 'net_fc_bias']
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        """Return the name that a symbol gets, with the prefix.

        Parameters
        ----------
        name : str or None
            What the user asked for.
        hint : str
            What an automatic name begins with.

        Returns
        -------
        str
            The name.
        """
        return self._prefix + super().get(name, hint)


NameManager._current = _Current()


def current() -> NameManager:
    """Return the manager that names symbols in this thread."""
    return NameManager._current.value
