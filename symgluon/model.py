"""`mx.model`: the files of a symbol and its parameters, and what callbacks are told."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from symgluon.errors import FormatError
from symgluon.ndarray.functions import load, save


class BatchEndParam(NamedTuple):
    """What callbacks get after a batch.

    Parameters
    ----------
    epoch, nbatch : int
        Numbers of the epoch and of the batch in it.
    eval_metric : EvalMetric or None
        The metric so far.
    locals : dict or None
        Variables of the loop that calls.

    Notes
    -----
    Source: MXNet's ``mx.model.BatchEndParam``.
    """

    epoch: int
    nbatch: int
    eval_metric: Any
    locals: Any


def save_checkpoint(
    prefix: str | os.PathLike[str],
    epoch: int,
    symbol: Any,
    arg_params: dict[str, Any],
    aux_params: dict[str, Any],
    remove_amp_cast: bool = True,
) -> None:
    """Write a symbol and its parameters.

    Parameters
    ----------
    prefix : str or path
        The files are ``prefix-symbol.json`` and ``prefix-%04d.params``.
    epoch : int
        Number in the second name.
    symbol : Symbol or None
        None: the parameters alone.
    arg_params, aux_params : dict of str to array
        The parameters.
    remove_amp_cast : bool
        Leave out the casts of automatic mixed precision.

    Notes
    -----
    Source: MXNet's ``mx.model.save_checkpoint``.
    """
    start = os.fspath(prefix)
    if symbol is not None:
        symbol.save(f"{start}-symbol.json", remove_amp_cast=remove_amp_cast)
    arrays = {f"arg:{k}": v for k, v in arg_params.items()}
    arrays.update({f"aux:{k}": v for k, v in aux_params.items()})
    save(f"{start}-{epoch:04d}.params", arrays)


def load_params(
    prefix: str | os.PathLike[str], epoch: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the parameters of a checkpoint.

    Parameters
    ----------
    prefix : str or path
        Begin of the name of the file.
    epoch : int
        Number in its name.

    Returns
    -------
    tuple of dict of str to array
        Arguments, and auxiliary states.

    Raises
    ------
    FormatError
        If the file is damaged, or its names say not what they are.

    Notes
    -----
    Source: MXNet's ``mx.model.load_params``.
    """
    path = f"{os.fspath(prefix)}-{epoch:04d}.params"
    found = load(path)
    if not isinstance(found, dict):
        if found:
            raise FormatError("arrays without names: not the parameters of a symbol", path=path)
        found = {}
    parts: dict[str, dict[str, Any]] = {"arg": {}, "aux": {}}
    for name, value in found.items():
        kind, _, rest = name.partition(":")
        if kind not in parts or not rest:
            raise FormatError(
                f"the name {name!r} begins neither with 'arg:' nor with 'aux:'", path=path
            )
        parts[kind][rest] = value
    return parts["arg"], parts["aux"]


def load_checkpoint(
    prefix: str | os.PathLike[str], epoch: int
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Read a symbol and its parameters.

    Parameters
    ----------
    prefix : str or path
        Begin of the names of both files.
    epoch : int
        Number in the name of the parameters.

    Returns
    -------
    symbol, arg_params, aux_params
        A Symbol, and dictionaries of arrays.

    Raises
    ------
    FormatError
        If a file is damaged.

    Notes
    -----
    Source: MXNet's ``mx.model.load_checkpoint``.

    Examples
    --------
    >>> import symgluon as mx
    >>> y = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    >>> mx.model.save_checkpoint("some", 3, y, {"fc_bias": mx.nd.zeros((2,))}, {})
    >>> symbol, arguments, _ = mx.model.load_checkpoint("some", 3)
    >>> symbol.list_outputs(), list(arguments)
    (['fc_output'], ['fc_bias'])
    """
    from symgluon.symbol import functions

    symbol = functions.load(f"{os.fspath(prefix)}-symbol.json")
    return (symbol, *load_params(prefix, epoch))
