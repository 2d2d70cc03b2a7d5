"""Calling blocks of MXNet 1.x with symbols: the symbol that the block composes.

A block of the dialect 1 that is given symbols composes one: `hybrid_forward` runs with ``F = mx.sym``
and its parameters as variables, in the name scope of the block.  Layers of ours have no
`hybrid_forward`; what each of them composes is said once, by a *composer* that `composes` registers.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from symgluon.errors import SymgluonError
from symgluon.ops.array import Array
from symgluon.symbol.symbol import Symbol

if TYPE_CHECKING:
    from symgluon.gluon.hybrid import HybridBlock

#: ``composer(block, F, x, ..., **parameters)`` as `hybrid_forward`, its result the symbol
Composer = Callable[..., Any]

#: modules that register composers
_TABLES = ("layers", "losses", "recurrent", "zoo")

_COMPOSERS: dict[type, Composer] = {}
#: what some classes do to their arguments before their scope is entered
_PREPARE: dict[type, Callable[..., Sequence[Any]]] = {}


class _MixedError(SymgluonError, ValueError, TypeError):
    """Arrays and symbols in one call: a ValueError in MXNet."""


def composes(
    *classes: type, prepare: Callable[..., Sequence[Any]] | None = None
) -> Callable[[Composer], Composer]:
    """Register what blocks of some classes compose from symbols.

    Parameters
    ----------
    *classes : type
        The classes; those that derive from them and define nothing of their own compose the same.
    prepare : callable, optional
        ``prepare(block, *args)`` returns the arguments of the composer; its symbols have names of the
        scope around.

    Returns
    -------
    callable
        Decorator of the composer.
    """

    def register(composer: Composer) -> Composer:
        _COMPOSERS.update(dict.fromkeys(classes, composer))
        if prepare is not None:
            _PREPARE.update(dict.fromkeys(classes, prepare))
        return composer

    return register


@functools.cache
def _composers() -> dict[type, Composer]:
    for name in _TABLES:
        importlib.import_module(f"{__name__}.{name}")
    return _COMPOSERS


def has_symbols(args: Any) -> bool:
    """Whether there is a symbol among arguments, also in lists and tuples of them."""
    return any(isinstance(leaf, Symbol) for leaf in _leaves(args))


def _leaves(args: Any) -> list[Any]:
    if isinstance(args, dict):
        args = list(args.values())
    if isinstance(args, list | tuple):
        return [leaf for item in args for leaf in _leaves(item)]
    return [args]


def call(block: HybridBlock, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return what a block of the dialect 1 composes from symbols.

    Parameters
    ----------
    block : HybridBlock
        The block.
    args, kwargs : sequence and dict
        Arguments of the call; at least one symbol among them.

    Returns
    -------
    Symbol, or nested lists of Symbol
        As the block returns arrays.

    Raises
    ------
    ValueError
        If there are arrays among the arguments.
    NotImplementedError
        If the block defines neither `forward` nor `hybrid_forward`.
    """
    _refuse_arrays(block, [*args, *kwargs.values()])
    table = _composers()
    for base in type(block).__mro__:
        if base in table or _defines(base, "hybrid_forward"):
            return compose(block, args, kwargs)
        if _defines(base, "forward"):
            if not base.__module__.startswith("symgluon.gluon."):
                return block.forward(*args, **kwargs)
            from symgluon.symbol.block import symbol_of_block

            return symbol_of_block(block, [*args, *kwargs.values()])
    raise NotImplementedError(
        f"{type(block).__name__} defines neither hybrid_forward(self, F, x, ...) nor forward(self, x, "
        "...), one of which every HybridBlock must"
    )


def _refuse_arrays(block: HybridBlock, given: Sequence[Any]) -> None:
    if any(isinstance(leaf, Array) for leaf in _leaves(list(given))):
        raise _MixedError(
            f"{type(block).__name__} was called with arrays and symbols at once",
            hint="give it symbols only (mx.sym.var(name) in place of an array), or arrays only",
        )


def _defines(cls: type, method: str) -> bool:
    from symgluon.gluon.block import Block
    from symgluon.gluon.hybrid import HybridBlock

    return cls not in (Block, HybridBlock) and method in cls.__dict__


def compose(block: HybridBlock, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Run `hybrid_forward`, or the composer, with parameters as variables, in the block's scope.

    Parameters
    ----------
    block : HybridBlock
        The block.
    args, kwargs : sequence and dict
        Its arguments, symbols.

    Returns
    -------
    Symbol, or nested lists of Symbol
        What it composes.
    """
    from symgluon import symbol

    block._count_step()
    prepare = next((_PREPARE[base] for base in type(block).__mro__ if base in _PREPARE), None)
    args = args if prepare is None else prepare(block, *args)
    variables = {name: p.var() for name, p in block._reg_params.items()}
    with block.name_scope():
        composer = _composer_of(block)
        own: Composer = block.hybrid_forward
        run = own if composer is None else functools.partial(composer, block)
        return run(symbol, *args, **variables, **kwargs)


def _composer_of(block: HybridBlock) -> Composer | None:
    """The composer, unless a class nearer to the block defines `hybrid_forward`."""
    table = _composers()
    for base in type(block).__mro__:
        if base in table:
            return table[base]
        if _defines(base, "hybrid_forward"):
            return None
    return None


def compose_native(block: HybridBlock, F: Any, args: Sequence[Any], params: Any) -> Any:
    """Compose what the layer of ours below a class does, with the parameters that are given.

    Parameters
    ----------
    block : HybridBlock
        A layer whose class defines `hybrid_forward` and calls that of its base.
    F : module
        ``mx.sym``.
    args : sequence
        Inputs, then parameters by position.
    params : dict
        Parameters by name; those that lack are the variables of the layer.

    Returns
    -------
    Symbol
        What the layer composes.

    Raises
    ------
    NotImplementedError
        If no layer of ours is among the bases, or it cannot be composed.
    """
    table = _composers()
    composer = next((table[base] for base in type(block).__mro__ if base in table), None)
    if composer is None:
        raise NotImplementedError(
            f"{type(block).__name__}: no class that it derives from composes a symbol, so there is no "
            "hybrid_forward to call with symbols; write it with functions of F"
        )
    absent = [name for name in block._reg_params if name not in params][len(args) - 1 :]
    variables = {name: block._reg_params[name].var() for name in absent}
    return composer(block, F, *args, **params, **variables)
