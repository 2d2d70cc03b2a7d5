"""States of optimizers as bytes: a zip of ``.npy`` arrays and one JSON text; nothing is executed.

``settings`` is JSON: ``{"format": 1, "optimizer": NAME, "states": [[index, TREE], ...]}`` where TREE
is null, the name of an array, or a list of trees; with the optimizer its numbers, update counts
and those of its scheduler.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from symgluon.errors import FormatError
from symgluon.formats.params import load_params, params_bytes
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state as flags

_SETTINGS = "settings"
_PLAIN = (bool, int, float, str, type(None))


def dump_states(optimizer: Any, states: Mapping[Any, Any], *, with_optimizer: bool) -> bytes:
    """Return states (and the settings of the optimizer) as bytes.

    Parameters
    ----------
    optimizer : Optimizer
        Whose they are.
    states : dict
        State by index of the weight.
    with_optimizer : bool
        Store its settings and update counts too.

    Returns
    -------
    bytes
        A zip of arrays.
    """
    arrays: dict[str, np.ndarray] = {}

    def tree(state: Any) -> Any:
        if state is None:
            return None
        if isinstance(state, Array):
            name = f"array{len(arrays)}"
            arrays[name] = state.numpy_content("saving the states of an optimizer")
            return name
        return [tree(s) for s in state]

    settings: dict[str, Any] = {
        "format": 1,
        "optimizer": type(optimizer).__name__,
        "states": [[index, tree(s)] for index, s in states.items()],
    }
    if with_optimizer:
        settings["attributes"] = _plain(vars(optimizer))
        settings["counts"] = [
            [device, [[i, n] for i, n in counts.items()]]
            for device, counts in optimizer._all_index_update_counts.items()
        ]
        if optimizer.lr_scheduler is not None:
            settings["scheduler"] = _plain(vars(optimizer.lr_scheduler))
    text = json.dumps(settings).encode()
    content = params_bytes({_SETTINGS: np.frombuffer(text, np.uint8), **arrays})
    return content if isinstance(content, bytes) else b"".join(content)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that are numbers, texts, or lists of those."""
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, _PLAIN)
        or (isinstance(value, list) and all(isinstance(v, _PLAIN) for v in value))
    }


def restore_states(optimizer: Any, content: bytes) -> dict[Any, Any]:
    """Return the states in `content`; settings in it are put into `optimizer`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose they should be.
    content : bytes
        What `dump_states` returned.

    Returns
    -------
    dict
        State by index of the weight.

    Raises
    ------
    FormatError
        If it is damaged, for another optimizer, or a pickle that MXNet wrote.
    """
    if bytes(content[:1]) == b"\x80":
        raise FormatError(
            "optimizer states as a Python pickle, as MXNet writes them, are not loaded",
            hint="a pickle can run any program; train on from the parameters, whose states start "
            "anew",
        )
    arrays = load_params(bytes(content))
    if not isinstance(arrays, dict) or _SETTINGS not in arrays:
        raise FormatError("these are no states of an optimizer: there are no settings in it")
    try:
        settings = json.loads(bytes(arrays[_SETTINGS].astype(np.uint8)))
        name, entries = settings["optimizer"], settings["states"]
        states = {_key(index): _untree(t, arrays) for index, t in entries}
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"the settings of these optimizer states are damaged: {error}") from None
    if name != type(optimizer).__name__:
        raise FormatError(
            "these are the states of another optimizer",
            expected=type(optimizer).__name__,
            received=name,
            hint="create the Trainer with the optimizer that they were saved from",
        )
    _restore_settings(optimizer, settings)
    return states


def _key(index: Any) -> Any:
    return tuple(index) if isinstance(index, list) else index


def _untree(tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if tree is None:
        return None
    if isinstance(tree, list):
        return tuple(_untree(t, arrays) for t in tree)
    array = wrap(np.array(arrays[tree]), _array_class())
    array._owned = True
    return array


def _array_class() -> type[Array]:
    if flags.np_array:
        from symgluon.numpy import ndarray

        return ndarray
    from symgluon.ndarray import NDArray

    return NDArray


def _restore_settings(optimizer: Any, settings: Mapping[str, Any]) -> None:
    """Set numbers and update counts; only attributes that exist already."""
    for owner, found in (
        (optimizer, settings.get("attributes", {})),
        (optimizer.lr_scheduler, settings.get("scheduler", {})),
    ):
        for name, value in found.items():
            if owner is not None and name in vars(owner):
                setattr(owner, name, value)
    if "counts" in settings:
        counts = {device: {_key(i): n for i, n in pairs} for device, pairs in settings["counts"]}
        counts.setdefault(0, {})
        optimizer._all_index_update_counts = counts
        optimizer._index_update_count = counts[0]
