"""Registries of classes by name: what ``mx.registry`` of MXNet 1.x makes for user code.

Each base class has one registry; names are kept in small letters.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["get_alias_func", "get_create_func", "get_register_func", "get_registry"]

_REGISTRIES: dict[type, dict[str, type]] = {}


def get_registry(base_class: type) -> dict[str, type]:
    """Return the classes registered for a base class, by name.

    Parameters
    ----------
    base_class : type
        The base class.

    Returns
    -------
    dict of str to type
        A copy.
    """
    return dict(_REGISTRIES.get(base_class, {}))


def share(base_class: type, names: dict[str, type]) -> None:
    """Let the registry of a base class be a dictionary that its module keeps itself.

    Parameters
    ----------
    base_class : type
        The base class.
    names : dict of str to type
        Its registered classes; what is registered later stands there too.
    """
    _REGISTRIES[base_class] = names


def get_register_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """Return the function that registers classes derived from a base class.

    Parameters
    ----------
    base_class : type
        The base class.
    nickname : str
        What such a class is called in messages.

    Returns
    -------
    callable
        ``register(cls, name=None)``; it returns the class, so it is a decorator.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Tokenizer:
    ...     pass
    >>> register = mx.registry.get_register_func(Tokenizer, "tokenizer")
    >>> create = mx.registry.get_create_func(Tokenizer, "tokenizer")
    >>> @register
    ... class Spaces(Tokenizer):
    ...     pass
    >>> type(create("spaces")).__name__
    'Spaces'
    """
    registry = _REGISTRIES.setdefault(base_class, {})

    def register(cls: type, name: str | None = None) -> type:
        """Register a class under `name`, or under its own; returns it."""
        if not issubclass(cls, base_class):
            raise AssertionError(
                f"a {nickname} is a subclass of {base_class.__name__}, which {cls.__name__} is not"
            )
        key = (cls.__name__ if name is None else name).lower()
        known = registry.get(key)
        if known is not None and known is not cls:
            warnings.warn(
                f"the {nickname} {key!r} was {known.__module__}.{known.__name__} and is "
                f"{cls.__module__}.{cls.__name__} from now on",
                stacklevel=2,
            )
        registry[key] = cls
        return cls

    return register


def get_alias_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """Return a class decorator that registers a class under several names.

    Parameters
    ----------
    base_class : type
        The base class.
    nickname : str
        What such a class is called in messages.

    Returns
    -------
    callable
        ``alias(*names)``.
    """
    register = get_register_func(base_class, nickname)

    def alias(*names: str) -> Callable[[type], type]:
        """Return a decorator that registers a class under all of `names`."""

        def declare(cls: type) -> type:
            for name in names:
                register(cls, name)
            return cls

        return declare

    return alias


def get_create_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """Return the function that makes objects of registered classes.

    Parameters
    ----------
    base_class : type
        The base class.
    nickname : str
        Name of the argument that says which, and what such a class is called in messages.

    Returns
    -------
    callable
        ``create(name, *args, **kwargs)``.  An object of the base class is returned as it is; the
        name may also be JSON, ``["name", {arguments}]``.
    """
    registry = _REGISTRIES.setdefault(base_class, {})

    def create(*args: Any, **kwargs: Any) -> Any:
        """Return an object of the class of a name."""
        rest = list(args)
        name = rest.pop(0) if rest else kwargs.pop(nickname, None)
        if isinstance(name, base_class):
            if rest or kwargs:
                raise AssertionError(
                    f"{nickname} is an object already ({type(name).__name__}); further arguments "
                    "are not taken"
                )
            return name
        if isinstance(name, dict):
            return create(**name)
        if not isinstance(name, str):
            raise AssertionError(f"{nickname} is a name, received {type(name).__name__}: {name!r}")
        if name.startswith("["):
            name, given = json.loads(name)
            return create(name, **given)
        if name.startswith("{"):
            return create(**json.loads(name))
        cls = registry.get(name.lower())
        if cls is None:
            raise AssertionError(
                f"there is no {nickname} {name!r}; registered: {', '.join(sorted(registry))}"
            )
        return cls(*rest, **kwargs)

    return create
