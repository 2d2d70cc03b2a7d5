"""Handles of registered hooks."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from symgluon.errors import SymgluonError

_ids = itertools.count()


class _AttachedError(SymgluonError, AssertionError, ValueError):
    """A handle holds one hook: an AssertionError in MXNet."""


class HookHandle:
    """Handle of a registered hook; `detach` removes it.  Usable as a context manager.

    Examples
    --------
    >>> import symgluon as mx
    >>> net = mx.gluon.nn.Identity()
    >>> handle = net.register_forward_hook(lambda block, inputs, out: print("called"))
    >>> _ = net(mx.np.ones(1))
    called
    >>> handle.detach()
    >>> _ = net(mx.np.ones(1))
    """

    def __init__(self) -> None:
        self._hooks: Any = None
        self._id: int | None = None

    def attach(self, hooks: dict[int, Callable[..., Any]], hook: Callable[..., Any]) -> None:
        """Enter a hook into the hooks of a block.

        Parameters
        ----------
        hooks : Hooks
            Those of the block.
        hook : callable
            The hook.

        Raises
        ------
        ValueError
            If the handle has a hook already.
        """
        if self._hooks is not None:
            raise _AttachedError("this handle is attached already; make a new one for each hook")
        self._id = next(_ids)
        hooks[self._id] = hook
        self._hooks = weakref.ref(_owner(hooks))

    def detach(self) -> None:
        """Remove the hook; once removed, nothing happens."""
        hooks = self._hooks() if self._hooks is not None else None
        if hooks is not None and self._id is not None:
            hooks.pop(self._id, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()

    def __getstate__(self) -> dict[str, Any]:
        return {"_id": self._id}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self._hooks = None
        self._id = saved["_id"]


class Hooks(dict[int, Callable[..., Any]]):
    """A dictionary of hooks that can be referred to weakly."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Hooks, (dict(self),))


def _owner(hooks: dict[int, Callable[..., Any]]) -> dict[int, Callable[..., Any]]:
    if not isinstance(hooks, Hooks):
        raise TypeError("hooks are kept in a symgluon.gluon.hooks.Hooks dictionary")
    return hooks
