"""Names of MXNet 1.x: prefixes of blocks, and the dialect that asks for them.

A block that is made while the dialect is ``1`` (`set_dialect`, which `compat.install` calls) has a
`Scope`: its prefix, its `ParameterDict` and the counters of the names below it.  A block that is made
in the dialect ``2`` has none and pays nothing for it.  A block stays what it was made as.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from symgluon.name import Prefix, current

if TYPE_CHECKING:
    from symgluon.gluon.block import Block
    from symgluon.gluon.parameter_dict import ParameterDict

__all__ = [
    "OneOnly",
    "Scope",
    "dialect",
    "make_scope",
    "prefixed",
    "set_dialect",
    "unused_name",
]


class _Dialect:
    """Which release's rules blocks are made by (of the process)."""

    one_x = False


def dialect() -> str:
    """Dialect that blocks are made in: ``"1"`` or ``"2"``."""
    return "1" if _Dialect.one_x else "2"


def set_dialect(release: str) -> str:
    """Choose the dialect that blocks are made in from now on.

    Parameters
    ----------
    release : str
        ``"1"``: prefixes and `ParameterDict`; ``"2"``: names by structure.

    Returns
    -------
    str
        The dialect before.

    Raises
    ------
    ValueError
        For another release.

    Examples
    --------
    >>> import symgluon as mx
    >>> from symgluon.gluon.naming import set_dialect
    >>> before = set_dialect("1")
    >>> list(mx.gluon.nn.Dense(2, prefix="out_").collect_params())
    ['out_weight', 'out_bias']
    >>> _ = set_dialect(before)
    """
    if release not in ("1", "2"):
        raise ValueError(f"the dialect is '1' or '2', received {release!r}")
    before = dialect()
    _Dialect.one_x = release == "1"
    return before


class _Names(threading.local):
    """Scopes that are entered in the thread."""

    def __init__(self) -> None:
        self.scopes: list[Scope | None] = []
        self.managers: list[Prefix | None] = []


_names = _Names()


def unused_name(hint: str) -> str:
    """Return ``hint0``, ``hint1``, ...: names of blocks that are made outside of every scope.

    They come from the `mx.name.NameManager` that names symbols too.

    Parameters
    ----------
    hint : str
        Class name in small letters.

    Returns
    -------
    str
        A name that the manager of this thread has not given before.
    """
    return current().get(None, hint)


class Scope:
    """Names of a block of the dialect 1, and of what is made within ``with block.name_scope():``.

    That is blocks, and symbols too: their names begin with the prefix, and automatic ones are counted
    anew each time.

    Parameters
    ----------
    prefix : str
        Beginning of the names of its parameters.
    params : ParameterDict
        Those it made.
    silent : bool
        An empty prefix was asked for: blocks made within take their names from the scope around.
    """

    def __init__(self, prefix: str, params: ParameterDict, silent: bool) -> None:
        self.prefix = prefix
        self.params = params
        self.silent = silent
        self.counts: dict[str, int] = {}

    def __enter__(self) -> Scope:
        around = _names.scopes[-1] if _names.scopes else None
        _names.scopes.append(around if self.silent else self)
        manager = None if self.silent else Prefix(self.prefix)
        _names.managers.append(manager)
        if manager is not None:
            manager.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        _names.scopes.pop()
        manager = _names.managers.pop()
        if manager is not None:
            manager.__exit__(*exception)

    def child_prefix(self, hint: str) -> str:
        """Prefix of the next child of this kind: ``dense0_``."""
        number = self.counts.get(hint, 0)
        self.counts[hint] = number + 1
        return f"{hint}{number}_"


def prefixed(prefix: str) -> dict[str, Any]:
    """Return the argument that gives a block a prefix of its own; none in the dialect 2.

    Parameters
    ----------
    prefix : str
        The prefix that MXNet 1.x gives such a block.

    Returns
    -------
    dict of str to str
        Arguments of its constructor.
    """
    return {"prefix": prefix} if _Dialect.one_x else {}


def make_scope(block: Block, prefix: str | None, params: Any) -> Scope | None:
    """Return the names of a block that is being made; None in the dialect 2.

    Parameters
    ----------
    block : Block
        The block.
    prefix : str, optional
        What the user asked for; counted by the class if left out.
    params : ParameterDict, optional
        Parameters of another block, which this one shares.

    Returns
    -------
    Scope or None
        The names.

    Raises
    ------
    TypeError
        If `params` is no ParameterDict, or if either is given in the dialect 2.
    """
    if not _Dialect.one_x:
        if prefix is None and params is None:
            return None
        given = "prefix" if prefix is not None else "params"
        raise TypeError(
            f"{type(block).__name__}() got an unexpected keyword argument {given!r}: names by prefix "
            "belong to MXNet 1.x; call symgluon.compat.install('1') first, or leave it out (MXNet "
            "2.0 shares parameters with block.share_parameters(other.collect_params()))"
        )
    from symgluon.gluon.parameter_dict import ParameterDict

    if params is not None and not isinstance(params, ParameterDict):
        raise TypeError(
            f"{type(block).__name__}: params is a ParameterDict such as other.params or "
            f"other.collect_params(), received {type(params).__name__}"
        )
    around = _names.scopes[-1] if _names.scopes else None
    silent = prefix == ""
    hint = block._alias()
    if prefix is None:
        prefix = unused_name(hint) + "_" if around is None else around.child_prefix(hint)
    if params is not None:
        own = ParameterDict(params.prefix, params)
    elif around is None:
        own = ParameterDict(prefix)
    else:
        own = ParameterDict(around.params.prefix + prefix, around.params._shared)
    return Scope(prefix if around is None else around.prefix + prefix, own, silent)


class OneOnly:
    """An attribute of blocks that only the dialect 1 has; one of the instance goes before it.

    Parameters
    ----------
    what : str
        ``prefix``, ``params`` or ``name``.
    doc : str
        Its description.
    """

    def __init__(self, what: str, doc: str) -> None:
        self.what = what
        self.__doc__ = doc

    def __get__(self, block: Any, owner: type) -> Any:
        if block is None:
            return self
        scope = block.__dict__.get("_scope")
        if scope is None:
            raise AttributeError(
                f"{type(block).__name__!r} object has no attribute {self.what!r}: blocks have names "
                "by prefix if they are made after symgluon.compat.install('1')"
            )
        if self.what == "name":
            return scope.prefix.removesuffix("_")
        return getattr(scope, self.what)


def scope_of(block: Block) -> AbstractContextManager[Any]:
    """Return the scope of a block to make its children in; nothing is entered in the dialect 2."""
    scope = block._scope
    if scope is None:
        return nullcontext()
    if isinstance(type(block).prefix, OneOnly):
        return scope
    renamed = Scope(block.prefix, scope.params, scope.silent)  # the class says its own prefix
    renamed.counts = scope.counts
    return renamed
