"""What the models share: weights from files, functions by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from symgluon.gluon.model_zoo.model_store import get_model_file
from symgluon.gluon.naming import prefixed

MODELS_ROOT = os.path.join("~", ".mxnet", "models")


def load_pretrained(
    net: Any, name: str, pretrained: bool, device: Any = None, root: str | None = None
) -> Any:
    """Return a net, with its weights loaded from a local file if wanted.

    Parameters
    ----------
    net : HybridBlock
        The model.
    name : str
        Its name in files.
    pretrained : bool
        Whether to load.
    device : Device, optional
        Where the parameters go.
    root : str, optional
        Folder of the weights.

    Returns
    -------
    HybridBlock
        `net`.

    Raises
    ------
    MXNetError
        If there is no such file: the weights are not hosted any more.
    """
    if pretrained:
        path = get_model_file(name, root=MODELS_ROOT if root is None else root)
        net.load_parameters(path, device=device)
    return net


def plain(cls: Any, *args: Any, **kwargs: Any) -> Any:
    """Make a block that adds nothing to the names of what is in it.

    Parameters
    ----------
    cls : type
        Class of the block.
    *args, **kwargs : object
        Its arguments.

    Returns
    -------
    Block
        In the dialect of MXNet 1.x one with an empty prefix.
    """
    return cls(*args, **kwargs, **prefixed(""))


def maker(function: Callable[..., Any], name: str, what: str, *args: Any) -> Callable[..., Any]:
    """Return a function with its first arguments given.

    Parameters
    ----------
    function : callable
        The function.
    name : str
        Name of the result.
    what : str
        The model, for the docstring.
    *args : object
        The first arguments.

    Returns
    -------
    callable
        Takes the others by keyword.
    """

    def make(**kwargs: Any) -> Any:
        return function(*args, **kwargs)

    make.__name__ = make.__qualname__ = name
    make.__module__ = function.__module__
    make.__doc__ = f"Return {what}; arguments as :func:`{function.__name__}`."
    return make
