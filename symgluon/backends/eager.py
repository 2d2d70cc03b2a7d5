"""Eager calls through cached one-operator sessions (`ops.apply.set_eager_backend`).

A session is made for an operator with its attributes, dtypes and ranks; sizes stay free.  Where the
lowering asked about a size, the guard is kept with the session and tested.

Sessions for little work run in the caller's thread.  Those for much work have threads of their own
that do not spin, and only so many of them are kept that a process does not fill up with threads:
ONNX Runtime's shared pool is no way out, since it forbids every other session of the process.

An operator on parameters that stay the same over some calls (`Op.reads_weights`) gets a session
with them as constants, which lets ONNX Runtime lay them out anew and costs less a call.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from symgluon import config
from symgluon.backends.sessions import Runner, refusals, session_of
from symgluon.errors import AttributeValueError, DTypeError, ShapeError, SymgluonError
from symgluon.ir.dims import DimScope, Guard
from symgluon.ir.graph import Graph
from symgluon.ir.op import Op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import Weighted
from symgluon.ops.array import parameter_writes
from symgluon.ops.region import resolve_dims

_LARGE = 1 << 16  # elements of all operands from which more than one thread pays
_MOST_SMALL = 500
_MOST_LARGE = 64
_MOST_THREADS = 8
_MOST_SHAPES = 256
_MOST_ENTRIES = 63


class Entry(NamedTuple):
    """One session and the sizes it is good for."""

    run: Runner | None  # None: the operator has no session form
    guards: tuple[Guard, ...]
    names: tuple[tuple[str, int, int], ...]  # dimension, operand, axis

    def fits(self, data: Sequence[Any]) -> bool:
        """Whether the guards hold for these arrays."""
        if not self.guards:
            return True
        env = {name: data[i].shape[axis] for name, i, axis in self.names}
        return all(g.holds(env) for g in self.guards)


class _Group:
    """Entries of one operator at its dtypes and ranks: by exact shapes, then by guards."""

    def __init__(self) -> None:
        self.entries: tuple[Entry, ...] = ()
        self.exact: dict[Any, Entry] = {}

    def find(self, data: Sequence[Any]) -> Entry | None:
        """Return the entry for these arrays, or None."""
        entries = self.entries
        if len(entries) == 1 and not entries[0].guards:
            return entries[0]
        shapes = tuple([None if d is None else d.shape for d in data])
        found = self.exact.get(shapes)
        if found is None:
            for entry in entries:
                if entry.fits(data):
                    if len(self.exact) >= _MOST_SHAPES:
                        self.exact = {}
                    self.exact[shapes] = entry
                    return entry
        return found


class _Cache:
    """Groups by operator, dtypes and ranks; the ones not used for long are dropped."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.groups: OrderedDict[Any, _Group] = OrderedDict()
        self.lock = threading.Lock()

    def find(self, key: Any, data: Sequence[Any]) -> Entry | None:
        """Return the entry for these arrays, or None."""
        group = self.groups.get(key)
        return None if group is None else group.find(data)

    def add(self, key: Any, entry: Entry) -> None:
        """Keep an entry; the group used least recently goes."""
        with self.lock:
            group = self.groups.setdefault(key, _Group())
            group.entries = (*group.entries[-_MOST_ENTRIES:], entry)
            self.groups.move_to_end(key)
            while len(self.groups) > self.limit:
                self.groups.popitem(last=False)

    def touch(self, key: Any) -> None:
        """Note that a group is used."""
        with self.lock:
            if key in self.groups:
                self.groups.move_to_end(key)


_small = _Cache(_MOST_SMALL)
_large = _Cache(_MOST_LARGE)


class _Fixed:
    """A call site: an operator with its weights, and the session that has them as constants."""

    __slots__ = ("calls", "group", "stamp", "weights")

    def __init__(self, weights: Sequence[Any]) -> None:
        self.weights = weights
        self.stamp = parameter_writes.count
        self.calls = 0
        self.group: _Group | None = None


_STEADY_CALLS = 4  # calls with the same weights after which they become constants
_MOST_FIXED = 128 << 20  # bytes of weights that are held twice for this, and of their sessions
_SESSION_BYTES = 256 << 10  # what a session is reckoned at beside its weights


class _Sites:
    """Call sites by operator and weights, as many as there is room for."""

    def __init__(self) -> None:
        self.by_key: dict[Any, _Fixed] = {}
        self.held = 0
        self.lock = threading.Lock()

    def note(self, key: Any, weights: Sequence[Any], stamp: int) -> None:
        """Begin to count the calls of a site, if there is room for it."""
        size = _bytes(weights)
        with self.lock:
            if key in self.by_key:
                self._drop(key)
            if (
                self.held + size > _MOST_FIXED
            ):  # nothing in use is dropped: it would come back at once
                for old in [k for k, f in self.by_key.items() if f.stamp != stamp]:
                    self._drop(old)
            if self.held + size <= _MOST_FIXED:
                self.by_key[key] = _Fixed(weights)  # holds the arrays, so that the ids stay theirs
                self.held += size

    def _drop(self, key: Any) -> None:
        self.held -= _bytes(self.by_key.pop(key).weights)

    def clear(self) -> None:
        """Forget all of them."""
        with self.lock:
            self.by_key.clear()
            self.held = 0


def _bytes(weights: Sequence[Any]) -> int:
    return _SESSION_BYTES + sum([w.nbytes for w in weights if w is not None])


_sites = _Sites()


def _with_constants(op: Op, data: Sequence[Any]) -> Any:
    """Run a call whose weights have not changed for some calls; None if it is not one."""
    key = (op, *map(id, data[1:]))
    stamp = parameter_writes.count
    found = _sites.by_key.get(key)
    if found is None or found.stamp != stamp:
        _sites.note(key, data[1:], stamp)
        return None
    found.calls += 1
    if found.calls < _STEADY_CALLS:
        return None
    group = found.group
    if group is None:
        group = found.group = _Group()
    entry = group.find(data)
    if entry is None:
        size = sum([d.size for d in data if d is not None])
        threads = 1 if size < _LARGE else min(config.threads(), _MOST_THREADS)
        entry = _build(op, data, threads, fixed=True)
        if entry is None:
            return None
        group.entries = (*group.entries[-_MOST_ENTRIES:], entry)
    return None if entry.run is None else entry.run(data[0])


def run_in_session(op: Op, data: Sequence[Any]) -> Any:
    """Run one operator in its session; NotImplemented where it has none."""
    if type(data) is Weighted and data[1].shape[0] % 16 == 0:
        results = _with_constants(op, data)
        if results is not None:
            return results[0]
    key = (op, *[None if d is None else (d.ndim, d.dtype.char) for d in data])
    size = sum([d.size for d in data if d is not None])
    cache = _small if size < _LARGE else _large
    entry = cache.find(key, data)
    if entry is None:
        threads = 1 if cache is _small else min(config.threads(), _MOST_THREADS)
        found = _build(op, data, threads)
        if found is None:
            return NotImplemented  # the kernel says what is wrong with the operands
        entry = found
        cache.add(key, entry)
    elif len(cache.groups) * 2 > cache.limit:  # nothing is dropped soon: spare the bookkeeping
        cache.touch(key)
    if entry.run is None:
        return NotImplemented
    try:
        results = entry.run(*[d for d in data if d is not None])
    except Exception:  # onnxruntime's errors share no base class
        return NotImplemented  # operands that do not fit: the kernel says what is wrong
    return results[0] if len(results) == 1 else results


def _build(op: Op, data: Sequence[Any], threads: int, fixed: bool = False) -> Entry | None:
    """Make a session, `fixed`: with all operands but the first as constants.

    None for operands that do not fit the operator.
    """
    scope = DimScope()
    names: list[tuple[str, int, int]] = []
    runner: Runner | None = None
    refused: tuple[type[Exception], ...] = (SymgluonError, *refusals())
    try:
        with scope:
            graph = _traced(op, data, scope, names, fixed)
            runner = session_of(graph, threads=threads)
    except (ShapeError, DTypeError, AttributeValueError):
        return None
    except refused:
        pass
    return Entry(runner, tuple(scope.guards), tuple(names))


def _traced(
    op: Op,
    data: Sequence[Any],
    scope: DimScope,
    names: list[tuple[str, int, int]],
    fixed: bool,
) -> Graph:
    """The operator as a graph with a name for each size."""
    graph = Graph(op.name)
    operands: list[Any] = []
    for i, array in enumerate(data):
        if array is None:
            operands.append(None)
            continue
        if fixed and i:
            operands.append(graph.add_constant(array))
            continue
        shape = []
        for axis, n in enumerate(array.shape):
            dim = scope.new(f"n{i}_{axis}", n)
            names.append((dim.bare or "", i, axis))
            shape.append(dim)
        operands.append(graph.add_input(f"x{i}", TensorType(shape, array.dtype)))
    node = graph.add(op, operands)
    graph.set_outputs(node.outputs)
    resolve_dims(graph, scope)
    return graph


def clear() -> None:
    """Drop all sessions."""
    for cache in (_small, _large):
        with cache.lock:
            cache.groups.clear()
    _sites.clear()
