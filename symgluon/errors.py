"""Error classes of symgluon.

Every class derives from :class:`SymgluonError` (MXNet's name for it: ``MXNetError``) and from the
builtin that Python code would expect, so ``except ValueError`` keeps working.  A message has up
to four parts: what failed, where, expected against received, and what to do.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self


class SymgluonError(RuntimeError):
    """Base class of all errors that symgluon raises on purpose.

    Parameters
    ----------
    message : str
        What failed: the operator or the file, and the fact.
    where : str, optional
        The block, node or file it happened in (``"block features.0 (Conv2D)"``).
    line : str, optional
        The user's line (``"train.py:31"``).
    expected, received : object, optional
        The two sides of a mismatch; printed as one line.
    hint : str, optional
        What to do about it.
    """

    def __init__(
        self,
        message: str = "",
        *,
        where: str | None = None,
        line: str | None = None,
        expected: object = None,
        received: object = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.line = line
        self.expected = expected
        self.received = received
        self.hint = hint

    def at(self, where: str | None = None, line: str | None = None) -> Self:
        """Return this error, saying where it happened unless it says so already.

        Parameters
        ----------
        where : str, optional
            Block, node or file.
        line : str, optional
            Line of the user's code.

        Returns
        -------
        SymgluonError
            The error itself.
        """
        if not self.where:
            self.where = where
        if not self.line:
            self.line = line
        return self

    def _details(self) -> list[str]:
        """Lines after the first one, without indentation."""
        place = []
        if self.where:
            place.append(f"at {self.where}")
        if self.line:
            place.append(f"called from {self.line}" if place else f"at {self.line}")
        sides = []
        if self.expected is not None:
            sides.append(f"expected {self.expected}")
        if self.received is not None:
            sides.append(f"received {self.received}")
        lines = [", ".join(part) for part in (place, sides) if part]
        if self.hint is not None:
            lines.append(self.hint)
        return lines

    def __str__(self) -> str:
        lines = [line for detail in self._details() for line in str(detail).splitlines()]
        return "\n  ".join([self.message, *lines])

    def __reduce__(self) -> tuple[Any, ...]:
        # the default calls the class with `args`, which loses keyword-only parts
        return _rebuild, (type(self), self.args, copy.copy(self.__dict__))


def _rebuild(cls: type[SymgluonError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


#: MXNet's name for the base class (it is a RuntimeError there too)
MXNetError = SymgluonError


class ShapeError(SymgluonError, ValueError):
    """Shapes do not fit an operator, a parameter or each other."""


class ParameterShapeError(ShapeError, AssertionError):
    """A parameter of known shape would get another one (MXNet raises an AssertionError there)."""


class AxisError(ShapeError, IndexError):
    """An axis lies outside the rank of its operand, or is named twice."""


class DTypeError(SymgluonError, TypeError):
    """Dtypes that an operator, a promotion or a file does not take."""


class AttributeValueError(SymgluonError, ValueError):
    """An attribute or option is unknown, of the wrong kind, or out of range."""


class Unsupported(NamedTuple):
    """One operator that cannot be handled: its name, where it stands, what to do instead."""

    op: str
    where: str | None = None
    hint: str | None = None


class UnsupportedOpError(SymgluonError, NotImplementedError):
    """An operator, or several, without a rule for what was asked of them.

    Parameters
    ----------
    unsupported : iterable of (op, where, hint)
        All of them at once, so that one run shows the whole list.
    """

    def __init__(
        self,
        message: str = "",
        *,
        unsupported: Iterable[Sequence[Any]] = (),
        **parts: Any,
    ) -> None:
        super().__init__(message, **parts)
        self.unsupported = [Unsupported(*entry) for entry in unsupported]

    def _details(self) -> list[str]:
        lines = []
        for op, where, hint in self.unsupported:
            place = f" at {where}" if where else ""
            advice = f": {hint}" if hint else ""
            lines.append(f"{op}{place}{advice}")
        return lines + super()._details()


class TraceError(SymgluonError):
    """Something was asked during a trace that only numbers can answer."""


class DynamicShapeError(TraceError):
    """A trace was asked for a size that only the data of a call can tell."""


class GuardError(TraceError):
    """No compiled entry admits the shapes of a call where a new trace is not allowed."""


class DeferredInitializationError(SymgluonError):
    """A parameter was read before its shape was known."""


class FormatError(SymgluonError, ValueError):
    """A file is damaged, truncated, or not what it claims to be.

    Parameters
    ----------
    path : str or path-like, optional
        The file.
    offset : int, optional
        The byte at which reading failed.
    """

    def __init__(
        self,
        message: str = "",
        *,
        path: object = None,
        offset: int | None = None,
        **parts: Any,
    ) -> None:
        super().__init__(message, **parts)
        self.path = None if path is None else str(path)
        self.offset = offset

    def _details(self) -> list[str]:
        place = [] if self.path is None else [f"in {self.path}"]
        if self.offset is not None:
            place.append(f"at byte {self.offset}")
        return ([" ".join(place)] if place else []) + super()._details()


class VerifyError(SymgluonError):
    """An invariant of the IR does not hold: a fault of symgluon, never the user's."""


class PassError(SymgluonError):
    """A pass failed.

    Parameters
    ----------
    name : str, optional
        The pass.
    before : sequence of str
        The passes that had run on the graph before it.
    """

    def __init__(
        self,
        message: str = "",
        *,
        name: str | None = None,
        before: Sequence[str] = (),
        **parts: Any,
    ) -> None:
        super().__init__(message, **parts)
        self.name = name
        self.before = tuple(before)

    def _details(self) -> list[str]:
        lines = [] if self.name is None else [f"in pass {self.name}"]
        if self.before:
            lines.append(f"after {', '.join(self.before)}")
        return lines + super()._details()
