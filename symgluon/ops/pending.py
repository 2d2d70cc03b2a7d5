"""Contents that are not there yet: results that wait for the other devices of a collective.

``[net(x) for x in parts]`` runs device 0 before device 1 has its data, so a collective operator
(:mod:`symgluon.ops.collective`) cannot answer the first call.  Its result is a `Pending` of known
type; operators that read one are put off, and run when the last device has arrived.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgluon.ir.types import TensorType


class Pending:
    """Content of an array whose numbers are not known yet.

    Attributes
    ----------
    type : TensorType
        Shape and dtype of what will come.
    value : numpy.ndarray or None
        The numbers, once they are there.
    complain : callable
        Returns the error for a read that comes too early.
    before : content or None
        Of the content of a parameter: what it was before, and is again if nothing comes.
    dead : bool
        The numbers will never come.
    """

    __slots__ = ("before", "complain", "dead", "type", "users", "value")

    def __init__(self, type: TensorType, complain: Callable[[], Exception]) -> None:
        self.type = type
        self.value: Any = None
        self.complain = complain
        self.before: Any = None
        self.dead = False
        self.users: list[Any] = []

    @property
    def shape(self) -> tuple[Any, ...]:
        """Shape of what will come."""
        return self.type.shape or ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of what will come."""
        return self.type.dtype

    @property
    def size(self) -> int:
        """Number of elements of what will come."""
        return int(np.prod(self.shape, dtype=np.int64))

    def read(self) -> Any:
        """Return the numbers.

        Raises
        ------
        SymgluonError
            If they are not there yet.
        """
        if self.value is None:
            raise self.complain()
        return self.value


class _PutOff:
    """An operator that waits for some of its operands."""

    __slots__ = ("data", "missing", "op", "results", "seq")

    def __init__(self, op: Any, data: Sequence[Any], results: list[Pending]) -> None:
        self.op = op
        self.data = data
        self.results = results
        self.seq = next(_sequence)
        self.missing = 0

    def run(self) -> None:
        """Compute the results, now that all operands are there."""
        from symgluon.ops.apply import run_kernel

        data = [d.read() if type(d) is Pending else d for d in self.data]
        found = run_kernel(self.op, data)
        values = found if isinstance(found, tuple) else (found,)
        self.data = ()
        for result, value in zip(self.results, values, strict=True):
            if type(value) is Pending:
                follow(value, result)
            else:
                settle(result, value)


class _Copy:
    """A `Pending` that takes the value of another one."""

    __slots__ = ("missing", "results", "seq", "source")

    def __init__(self, source: Pending, target: Pending) -> None:
        self.source, self.results = source, [target]
        self.seq = next(_sequence)
        self.missing = 1

    def run(self) -> None:
        """Pass the value on."""
        settle(self.results[0], self.source.read())


_sequence = itertools.count()
_lock = threading.RLock()
_ready: list[tuple[int, Any]] = []
_running = False


def settled(data: Any) -> Any:
    """Return the numbers of a content that has them by now, else the content as it is."""
    while type(data) is Pending:
        if data.value is not None:
            return data.value
        if not data.dead or data.before is None:
            return data
        data = data.before
    return data


def replacing(before: Any, pending: Pending) -> Pending:
    """Return the content of a parameter that becomes `pending`, or stays as it is `before`."""
    content = Pending(pending.type, pending.complain)
    content.before = before
    follow(pending, content)
    return content


def abandon(pending: Pending) -> None:
    """Note that a content, and all that waits for it, will never come."""
    with _lock:
        stack = [pending]
        while stack:
            lost = stack.pop()
            if not lost.dead:
                lost.dead = True
                for user in lost.users:
                    stack.extend(user.results)
            lost.users = []


def put_off(op: Any, data: Sequence[Any]) -> list[Pending]:
    """Note a call whose operands are not all there; return its results to come."""
    types = op.infer(
        *[None if d is None else d.type if type(d) is Pending else TensorType(d.shape, d.dtype)
          for d in data]
    )  # fmt: skip
    waits = {id(d): d for d in data if type(d) is Pending}
    first = next(iter(waits.values()))
    results = [
        Pending(t, lambda: first.complain())  # what `first` waits for may have changed by then
        for t in (types if isinstance(types, tuple) else (types,))
    ]
    call = _PutOff(op, data, results)
    with _lock:
        for operand in waits.values():
            if operand.value is None:
                operand.users.append(call)
                call.missing += 1
        if not call.missing:
            _run(call)
        elif any(operand.dead for operand in waits.values()):
            for result in results:
                abandon(result)
    return results


def follow(source: Pending, target: Pending) -> None:
    """Let `target` take the value of `source` when that comes."""
    with _lock:
        if source.value is not None:
            settle(target, source.value)
        else:
            target.complain = source.complain
            target.dead = source.dead
            source.users.append(_Copy(source, target))


def settle(pending: Pending, value: Any) -> None:
    """Give a content its numbers, and run what waited for nothing else, in the order of calls."""
    with _lock:
        pending.value = value
        users, pending.users = pending.users, []
        for user in users:
            user.missing -= 1
            if not user.missing:
                _run(user)


def _run(user: Any) -> None:
    """Run `user` and, without recursion, what becomes ready by that."""
    global _running
    heapq.heappush(_ready, (user.seq, user))
    if _running:
        return
    _running = True
    try:
        while _ready:
            heapq.heappop(_ready)[1].run()
    except BaseException:
        _ready.clear()
        raise
    finally:
        _running = False
