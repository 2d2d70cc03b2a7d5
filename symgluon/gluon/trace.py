"""Compiled entries of a hybridized block: tracing, guards, and the call.

First call, cached call and export share :func:`trace`.  An entry is found by the key (argument
structure, dtypes, ranks, aliases, mode), then by exact shapes, then by its guards; else the block is
traced anew.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from symgluon.device import Device, current_device
from symgluon.errors import TraceError
from symgluon.gluon.segments import Segments, in_mode, needs_cut
from symgluon.gluon.structure import flatten, unflatten
from symgluon.ir.dims import Dim, DimScope
from symgluon.ir.graph import Graph, Value
from symgluon.ir.types import TensorType
from symgluon.ops.apply import apply
from symgluon.ops.array import Array, wrap
from symgluon.ops.call import GraphOp
from symgluon.ops.pending import Pending
from symgluon.ops.region import Region, resolve_dims
from symgluon.ops.state import state

_MANY = 8  # traces of one block after which a warning names what pins its dimensions


class Source(NamedTuple):
    """Where an operand of a traced graph comes from at a call."""

    kind: str  # arg | cell | slot | draw
    what: Any  # leaf number | handle | Parameter | operator


class Traced(NamedTuple):
    """A traced function."""

    graph: Graph
    scope: DimScope
    sources: list[Source]
    out_spec: Any
    out_leaves: list[tuple[str, int, type[Array]]]  # ("out", output, class) | ("arg", leaf, class)
    writes: list[tuple[int, Source]]  # output -> where it is assigned
    results: int
    dims: list[tuple[str, int, int]]  # name, leaf, axis


#: (leaf, axis, size) -> wished name of a new dimension, a Dim to share, or None: a number
DimNamer = Callable[[int, int, Any], Any]


def _default_names(leaf: int, axis: int, size: Any) -> str:
    return "batch" if axis == 0 else f"d{axis}"


def trace(
    function: Callable[..., Any],
    args: Sequence[Any],
    *,
    name: str = "graph",
    name_param: Callable[[Any], str],
    input_names: Sequence[str] = (),
    dims: DimNamer = _default_names,
    scope: DimScope | None = None,
    functions: bool = False,
) -> Traced:
    """Run `function` once with handles that hold graph values.

    Parameters
    ----------
    args : sequence
        Positional arguments; arrays in them may be nested.
    name_param : callable
        Parameter to its structural name.
    dims : callable
        Wished name of an axis of an argument, or None to trace it as a number.
    functions : bool
        Child blocks become `Call` nodes; otherwise the graph is flat.
    """
    leaves: list[Array] = []
    spec = flatten(list(args), leaves)
    scope = scope if scope is not None else DimScope()
    region = Region(name, scope, name_param=name_param)
    region.functions = functions
    fresh, named = _arguments(region, scope, leaves, input_names, dims)
    originals = [h._data for h in fresh]
    with region.active():
        out = function(*unflatten(spec, iter(fresh)))
        outs: list[Array] = []
        out_spec = flatten(out, outs)
        graph, out_leaves, writes = _close(region, outs, fresh, originals)
    resolve_dims(graph, scope)
    hints = {name: scope.hint(Dim(name)) for name in scope.names()}
    graph.hints = {name: size for name, size in hints.items() if size is not None}
    graph.scope = scope
    sources = _sources(graph, region, originals)
    return Traced(graph, scope, sources, out_spec, out_leaves, writes, _results(out_leaves), named)


def _results(out_leaves: Sequence[tuple[str, int, type[Array]]]) -> int:
    return sum(kind == "out" for kind, _, _ in out_leaves)


def _arguments(
    region: Region,
    scope: DimScope,
    leaves: Sequence[Array],
    input_names: Sequence[str],
    dims: DimNamer,
) -> tuple[list[Array], list[tuple[str, int, int]]]:
    """Fresh handles for the arguments; one that is passed twice is one handle."""
    fresh: list[Array] = []
    named: list[tuple[str, int, int]] = []
    seen: dict[int, Array] = {}
    for i, leaf in enumerate(leaves):
        known = seen.get(id(leaf))
        if known is not None:
            fresh.append(known)
            continue
        shape: list[Any] = []
        for axis, n in enumerate(leaf.shape):
            wish = dims(i, axis, n) if isinstance(n, int) else None
            if wish is None:
                shape.append(n)
                continue
            dim = wish if isinstance(wish, Dim) else scope.new(wish, n)
            named.append((dim.bare or "", i, axis))
            shape.append(dim)
        name = input_names[i] if i < len(input_names) else ("data" if i == 0 else f"data{i}")
        handle = region.argument(name, TensorType(shape, leaf.dtype), type(leaf))
        handle._device = leaf._device
        seen[id(leaf)] = handle
        fresh.append(handle)
    return fresh, named


def _close(
    region: Region, outs: Sequence[Array], fresh: Sequence[Array], originals: Sequence[Value]
) -> tuple[Graph, list[tuple[str, int, type[Array]]], list[tuple[int, Source]]]:
    """Collect results: returned arrays, written cells, written arguments."""
    by_id = {id(h): i for i, h in reversed(list(enumerate(fresh)))}
    out_leaves: list[tuple[str, int, type[Array]]] = []
    values: list[Array] = []
    for handle in outs:
        leaf = by_id.get(id(handle))
        if leaf is not None:
            out_leaves.append(("arg", leaf, type(handle)))
            continue
        out_leaves.append(("out", len(values), type(handle)))
        values.append(handle)
    graph = region.close(values)
    writes: list[tuple[int, Source]] = []
    cells = {v: c for c, v in region.captures.values()}
    for index, value in graph.writes.items():
        writes.append((index, _cell_source(cells[value])))
    outputs = list(graph.outputs)
    for i, (handle, original) in enumerate(zip(fresh, originals, strict=True)):
        if handle._data is not original and by_id[id(handle)] == i:
            graph.writes[len(outputs)] = original
            writes.append((len(outputs), Source("arg", i)))
            outputs.append(handle._data)
    graph.set_outputs(outputs)
    return graph, out_leaves, writes


def _cell_source(cell: Array) -> Source:
    owner = cell._owner
    return Source("cell", cell) if owner is None else Source("slot", owner)


def _sources(graph: Graph, region: Region, originals: Sequence[Value]) -> list[Source]:
    known: dict[Value, Source] = {}
    for i, value in reversed(list(enumerate(originals))):
        known[value] = Source("arg", i)
    for cell, value in region.captures.values():
        known[value] = _cell_source(cell)
    return [known[v] for v in graph.operands()]


class Entry:
    """One compiled trace of a block."""

    def __init__(self, traced: Traced, options: Any, prepare: Callable[[Graph], None]) -> None:
        graph = traced.graph
        before = dict(zip(graph.operands(), traced.sources, strict=True))
        prepare(graph)
        for value, op in getattr(graph, "draws", ()):
            before[value] = Source("draw", op)
        self.sources = [before[v] for v in graph.operands()]
        self.traced = traced
        self.guards = tuple(traced.scope.guards)
        #: (leaf, axis, size) of the axes traced as numbers: `static_shape`
        self.sizes = [
            (source.what, axis, n)
            for value, source in before.items()
            if source.kind == "arg"
            for axis, n in enumerate(value.type.shape or ())
            if isinstance(n, int)
        ]
        self.op = GraphOp(graph, options, traced.results)
        #: what runs on a device
        self._ops: dict[Device | None, GraphOp] = {}
        #: the same in segments, where it waits for other devices
        self.segments = Segments(graph, options) if needs_cut(graph) else None
        self.names = [(name, leaf, axis) for name, leaf, axis in traced.dims]
        self.simple = (
            len(traced.out_leaves) == 1
            and traced.out_spec == "*"
            and traced.out_leaves[0][0] == "out"
            and not traced.writes
        )
        #: parameters come last and nothing else depends on the device
        self.inputs = [s for s in self.sources if s.kind != "slot"]
        self.slots = [s.what for s in self.sources if s.kind == "slot"]
        self.plain = self.sources[: len(self.inputs)] == self.inputs and all(
            s.kind == "arg" for s in self.inputs
        )

    def env(self, leaves: Sequence[Array]) -> dict[str, int]:
        """Sizes of the named dimensions in a call with these arguments."""
        return {name: leaves[leaf].shape[axis] for name, leaf, axis in self.names}

    def fits(self, leaves: Sequence[Array]) -> bool:
        """Whether the fixed sizes are these arguments', and every guard holds."""
        if any([leaves[leaf].shape[axis] != n for leaf, axis, n in self.sizes]):
            return False
        if not self.guards:
            return True
        env = self.env(leaves)
        return all(g.holds(env) for g in self.guards)

    def operands(self, leaves: Sequence[Array], device: Device | None) -> list[Any]:
        """Handles (arrays for draws) in the order of the graph's operands."""
        found: list[Any] = []
        env: dict[str, int] | None = None
        for kind, what in self.sources:
            if kind == "arg":
                found.append(leaves[what])
            elif kind == "slot":
                found.append(what._cell(device))
            elif kind == "cell":
                found.append(what)
            else:
                env = self.env(leaves) if env is None else env
                bound = what.map_dims(lambda d, e=env: _number(d, e))
                found.append(wrap(bound.kernel()))
        return found

    def _op_on(self, device: Device | None) -> GraphOp:
        """Return the operator that runs on a device, of which a GPU has its own."""
        op = self.op
        if device is not None and device.device_type == "gpu":
            from symgluon.backends.base import on_gpu

            op = GraphOp(op.graph, on_gpu(op.options, device), op.results)
        self._ops[device] = op
        return op

    def predict(self, leaves: Sequence[Array], device: Device | None) -> tuple[Any, ...] | None:
        """Run without recording, the shortest way; None where the backend has none."""
        op = self._ops.get(device) or self._op_on(device)
        steady = getattr(op.executable, "steady", None)
        if steady is None:
            return None
        read = Array._anywhere if op.on_device else Array._content
        inputs = []
        for _, what in self.inputs:
            content = read(leaves[what])
            if type(content) is Pending:
                return None
            inputs.append(content)
        # the weights of another device are another list: the slots are asked again
        return steady(inputs, lambda: [read(p._cell(device)) for p in self.slots], device)  # type: ignore[no-any-return]

    def _check_shared(self, leaves: Sequence[Array], device: Device | None) -> None:
        """Refuse a write to memory that another operand is a view of.

        Raises
        ------
        TraceError
            An operand enters by value, so the write would not be seen through the other.
        """
        handles: dict[int, Array] = {id(leaf): leaf for leaf in leaves}
        for kind, what in self.sources:
            if kind in ("cell", "slot"):
                cell = what if kind == "cell" else what._cell(device)
                handles[id(cell)] = cell
        sharing: dict[int, list[Array]] = {}  # by what they are views of
        for handle in handles.values():
            sharing.setdefault(id(handle._root()), []).append(handle)
        for _, (kind, what) in self.traced.writes:
            written = leaves[what] if kind == "arg" else what
            written = what._cell(device) if kind == "slot" else written
            if any(h is not written for h in sharing.get(id(written._root()), ())):
                raise TraceError(
                    "a hybridized block writes to an array that shares memory with another "
                    "argument or captured array",
                    hint="pass a copy() of one of them, or leave this block un-hybridized",
                )

    def __call__(self, leaves: Sequence[Array], device: Device | None) -> Any:
        """Run the entry on these arguments."""
        if self.traced.writes:
            self._check_shared(leaves, device)
        if self.plain and not state.recording:
            found = self.predict(leaves, device)
            if found is not None:
                return self._wrapped([wrap(r) for r in found], leaves, device)
        operands = self.operands(leaves, device)
        results: Any
        if self.segments is not None:
            results = self.segments(operands, self._rank(device))
        else:
            op = self._ops.get(device) or self._op_on(device)
            results = apply(in_mode(op, operands), *operands)
            if not isinstance(results, tuple):
                results = (results,)
        return self._wrapped(results, leaves, device)

    def _rank(self, device: Device | None) -> int:
        """Number of the device among those the parameters are on."""
        devices = self.slots[0].list_device()
        return devices.index(device or current_device())

    def _wrapped(
        self, results: Sequence[Array], leaves: Sequence[Array], device: Device | None
    ) -> Any:
        """Return results in the structure of the forward; assign written cells."""
        if self.simple:
            only = results[0]
            only.__class__ = self.traced.out_leaves[0][2]
            only._device = device
            return only
        outs = []
        for kind, index, cls in self.traced.out_leaves:
            if kind == "arg":
                outs.append(leaves[index])
                continue
            handle = results[index]
            handle.__class__ = cls
            handle._device = device
            outs.append(handle)
        for index, source in self.traced.writes:
            self._assign(source, results[index], leaves, device)
        return unflatten(self.traced.out_spec, iter(outs))

    @staticmethod
    def _assign(source: Source, value: Array, leaves: Sequence[Array], device: Any) -> None:
        if source.kind == "slot":
            # enters without its producer: a parameter does not keep the graph of the last step
            cell = source.what._cell(device)
            cell._assign(wrap(value._data))
            cell._node, cell._out = cell._leaf, 0  # a variable again, under `record` too
        elif source.kind == "arg":
            leaves[source.what]._assign(value)
        else:
            source.what._assign(value)


class CutEntry:
    """A block whose trace asks for a size that depends on data: it is cut into its child blocks.

    Its own operators run one by one, where the numbers are known; child blocks are compiled each
    for itself.
    """

    guards: tuple[Any, ...] = ()

    def __init__(self, run: Callable[..., Any], args: Sequence[Any]) -> None:
        self.run = run
        self.spec = flatten(list(args), [])

    def fits(self, leaves: Sequence[Array]) -> bool:
        """Whether it serves these arguments: any of its key."""
        return True

    def __call__(self, leaves: Sequence[Array], device: Device | None) -> Any:
        """Run the block on these arguments."""
        return self.run(*unflatten(self.spec, iter(leaves)))


def _number(dim: Any, env: dict[str, int]) -> int:
    from symgluon.ir.dims import evaluate

    return evaluate(dim, env)


AnyEntry = Entry | CutEntry


class Cache:
    """The compiled entries of one block."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.by_key: dict[Any, tuple[dict[Any, AnyEntry], list[AnyEntry]]] = {}
        self.traces = 0
        self.warned = False

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]

    def clear(self) -> None:
        """Drop every entry."""
        self.by_key = {}
        self.traces = 0

    def find(self, key: Any, leaves: Sequence[Array]) -> AnyEntry | None:
        """Return the entry for these arguments, or None."""
        group = self.by_key.get(key)
        if group is None:
            return None
        exact, entries = group
        shapes = tuple([leaf.shape for leaf in leaves])
        entry = exact.get(shapes)
        if entry is None:
            for candidate in entries:
                if candidate.fits(leaves):
                    exact[shapes] = entry = candidate
                    break
        return entry

    def get(self, key: Any, leaves: Sequence[Array], make: Callable[[], AnyEntry]) -> AnyEntry:
        """Return the entry for these arguments, traced once if there is none."""
        entry = self.find(key, leaves)
        if entry is not None:
            return entry
        with self.lock:
            entry = self.find(key, leaves)
            if entry is not None:
                return entry
            entry = make()
            exact, entries = self.by_key.setdefault(key, ({}, []))
            exact[tuple([leaf.shape for leaf in leaves])] = entry
            entries.append(entry)
            self.traces += 1
            if self.traces > _MANY and not self.warned:
                self._warn(entries)
            return entry

    def _warn(self, entries: Sequence[AnyEntry]) -> None:
        self.warned = True
        pins = {str(g) for e in entries for g in e.guards if g.relation == "=="}
        shown = "; ".join(sorted(pins)[:4]) or "the shapes or dtypes of its arguments"
        warnings.warn(
            f"a hybridized block was traced {self.traces} times; what pins it: {shown}",
            stacklevel=5,
        )


class _ArgumentError(TraceError, TypeError):
    """Arguments that a compiled call cannot take: a TypeError in MXNet."""


def call_key(args: Sequence[Any], leaves: list[Array]) -> Any:
    """Return what selects the entries for a call; the arrays are appended to `leaves`.

    Raises
    ------
    TraceError
        For an argument that is neither an array nor hashable; it is a TypeError too.
    """
    spec = flatten(args, leaves)
    if len(leaves) == 1:
        aliases: Any = None
        types: Any = (leaves[0].dtype, leaves[0].ndim, type(leaves[0]))
    else:
        first: dict[int, int] = {}
        aliases = tuple([first.setdefault(id(leaf), i) for i, leaf in enumerate(leaves)])
        types = tuple([(leaf.dtype, leaf.ndim, type(leaf)) for leaf in leaves])
    key = (spec, types, aliases, state.training, state.np_shape, state.np_array)
    try:
        hash(key)
    except TypeError:
        raise _ArgumentError(
            "a hybridized block takes arrays and hashable Python values as arguments",
            received=", ".join(type(a).__name__ for a in args),
            hint="pass the value as an array, or leave this block un-hybridized",
        ) from None
    return key
