"""The table: checks by what they are about, and the names of all pairs they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from seed_layers import LAYERS, has_method


class Check(NamedTuple):
    """One check of the effect of one argument."""

    what: str  # a method, or a class for its constructor
    argument: str  # "" stands for the call itself
    function: Callable[..., Any]
    note: str  # what it means here
    difference: str  # from MXNet 2.0
    classes: tuple[str, ...]
    modes: tuple[bool, ...]  # hybridized or not


METHODS: list[Check] = []
CONSTRUCTORS: list[Check] = []

_BOTH = (False, True)


def method(name, argument="", note="", *, differs="", only=None, modes=_BOTH):
    """Enter a check of a method: ``function(subject)``, with `Subject` of each class."""

    def enter(function):
        classes = tuple(c for c in only or LAYERS if has_method(c, name))
        METHODS.append(Check(name, argument, function, note, differs, classes, modes))
        return function

    return enter


def constructor(classes, argument, note="", *, differs="", modes=_BOTH):
    """Enter a check of a constructor argument: ``function(class, run)``.

    ``run(block, *inputs)`` hybridizes the block in that mode, and calls it.
    """

    def enter(function):
        for name in classes.split():
            CONSTRUCTORS.append(Check(name, argument, function, note, differs, (name,), modes))
        return function

    return enter


def pairs(checks):
    """Yield (id, check, class, hybridized) for every test."""
    for check in checks:
        for name in check.classes:
            for hybridized in check.modes:
                parts = [name, check.what if check.what != name else "init", check.argument]
                mode = "hybridized" if hybridized else "eager"
                yield "-".join(p for p in [*parts, mode] if p), check, name, hybridized
