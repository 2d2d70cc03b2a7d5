"""Regions: graphs being traced, with what they read from and write to the world around them.

A region holds a graph, what each handle means inside it, the handles it captured (they become
operands) and those it wrote (their last values become extra results, assigned by the caller).  A
hybridized call, the body of a `Call`, a loop body, a branch and a gradient graph are all regions
(``docs/semantics.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from symgluon.errors import DeferredInitializationError, TraceError
from symgluon.ir.dims import DimScope, current_scope, user_line
from symgluon.ir.graph import Graph, Origin, Value
from symgluon.ir.op import OPS, Op
from symgluon.ir.types import TensorType
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state


class Region:
    """One trace; see the module's text.

    Parameters
    ----------
    name : str
        Name of the graph.
    scope : DimScope
        Names of dimensions and the guards asked about them, shared with inner regions.
    parent : Region, optional
        The region this one is inside of.
    tape : bool
        Whether operators are recorded too (gradient graphs are traced that way).
    name_param : callable, optional
        Owner of a captured handle (a parameter slot) to its structural name.
    """

    def __init__(
        self,
        name: str,
        scope: DimScope,
        *,
        parent: Region | None = None,
        tape: bool = False,
        name_param: Callable[[Any], str] | None = None,
    ) -> None:
        self.graph = Graph(name)
        self.scope = scope
        self.parent = parent
        self.tape = tape
        self.path: list[str] = list(parent.path) if parent is not None else []
        #: name in an MXNet file of what is being traced
        self.mx_name = ""
        self.bound: dict[int, Value] = {}
        self.captures: dict[int, tuple[Array, Value]] = {}
        self.written: dict[int, Array] = {}
        #: bodies of `Call` nodes by fingerprint (of the outermost region)
        self.bodies: dict[str, Graph] = {}
        #: `nonzero` of the masks used as indices: equal masks select equally many elements
        self.masks: dict[Any, Array] = {}
        #: names of the child blocks by id, shared with inner regions
        self.names: dict[int, str] = parent.names if parent is not None else {}
        #: child blocks become `Call` nodes (export) instead of being traced flat
        self.functions: bool = parent.functions if parent is not None else False
        self._name_param = name_param

    # ---- cells -----------------------------------------------------------------------------
    def read(self, cell: Array) -> Value:
        """Return what `cell` holds now; a handle from outside is captured."""
        bound = self.bound.get(id(cell))
        if bound is not None:
            return bound
        data = cell._data
        if isinstance(data, Value):
            if data.graph is self.graph:
                return data
            self._check_alive(data)
        return self._capture(cell)

    def _check_alive(self, value: Value) -> None:
        region = self.parent
        while region is not None:
            if value.graph is region.graph:
                return
            region = region.parent
        raise TraceError(
            f"an array made in an earlier trace (%{value.name}, {value.type}) is used in another",
            where=user_line(),
            hint="return it from the hybridized call instead of keeping it in a Python variable",
        )

    def _capture(self, cell: Array) -> Value:
        owner = cell._owner
        root = self.parent is None
        if owner is not None and root and self._name_param is not None:
            value = self.graph.add_param(self._name_param(owner), cell.type)
        else:
            hint = getattr(owner, "name", "") or ("captured" if root else "arg")
            value = self.graph.add_input(hint, cell.type)
        self.captures[id(cell)] = (cell, value)
        self.bound[id(cell)] = value
        return value

    def write(self, cell: Array, value: Value) -> None:
        """Let `cell` hold `value` from now on."""
        if isinstance(cell._data, Value) and cell._data.graph is self.graph:
            cell._data = value
            return
        self.bound[id(cell)] = value
        self.written[id(cell)] = cell

    def value_of(self, operand: Any) -> Value | None:
        """Return the value of an operand: handle, NumPy array or number, or None."""
        if operand is None:
            return None
        if isinstance(operand, Array):
            content = operand._content()
            return content if isinstance(content, Value) else self.graph.add_constant(content)
        return self.graph.add_constant(np.asarray(operand))

    # ---- building --------------------------------------------------------------------------
    def argument(self, name: str, type: TensorType, cls: type[Array] = Array) -> Any:
        """Add an input and return a fresh handle to it."""
        return wrap(self.graph.add_input(name, type), cls)

    def apply(self, op: Op, operands: Sequence[Any]) -> list[Array]:
        """Add a node (no numbers) and return handles to its results."""
        values = [self.value_of(o) for o in operands]
        if state.paused and not op.no_grad and op.name != "stop_gradient":
            values = [self._stop(v) for v in values]
        if any(v is not None and not v.type.is_known for v in values):
            self._infer_inputs(op, values)
        types = op.infer(*[None if v is None else v.type for v in values])
        node = self.graph.add(op, values, types, origin=self.origin())
        return [wrap(v) for v in node.outputs]

    def _infer_inputs(self, op: Op, values: Sequence[Value | None]) -> None:
        """Give operands of unknown shape (deferred parameters) the types the operator expects."""
        given = [None if v is None else v.type for v in values]
        if not hasattr(op, "infer_inputs"):
            unknown = ", ".join(v.name for v in values if v is not None and not v.type.is_known)
            raise DeferredInitializationError(
                f"{op.name}: the shape of {unknown} is unknown and cannot be found from the other "
                "operands",
                hint="give the parameter its full shape",
            )
        for value, found in zip(values, op.infer_inputs(*given), strict=True):
            if value is not None and found is not None and not value.type.is_known:
                value.type = found

    def _stop(self, value: Value | None) -> Value | None:
        if value is None or value.type.dtype.kind not in "fV" or value.kind == "constant":
            return value
        return self.graph.add(OPS["stop_gradient"](), [value]).output

    def origin(self) -> tuple[Origin, ...]:
        """Origin of a node added now."""
        return (Origin(".".join(self.path), user_line(), self.mx_name),)

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """Nodes added inside belong to the child block `name`."""
        self.path.append(name)
        try:
            yield
        finally:
            self.path.pop()

    # ---- closing ---------------------------------------------------------------------------
    def close(self, outputs: Sequence[Any]) -> Graph:
        """Set the results: `outputs`, then the last value of each written cell."""
        results = [self._result(o) for o in outputs]
        self.graph.writes = {}
        for key, cell in self.written.items():
            target = self.captures.get(key)
            # a cell that is only written is an operand as well: it says where the result goes
            if target is None:
                last = self.bound.pop(key)
                self._capture(cell)
                self.bound[key] = last
                target = self.captures[key]
            self.graph.writes[len(results)] = target[1]
            results.append(self.bound[key])
        self.graph.set_outputs(results)
        return self.graph

    def _result(self, output: Any) -> Value:
        value = self.value_of(output)
        if value is None:
            raise TraceError("a traced function returned None where an array was expected")
        return value

    @contextmanager
    def active(self) -> Iterator[Region]:
        """Operators of this thread go into the region; tape flags are set aside."""
        saved = (state.region, state.paused)
        state.region, state.paused = self, False
        try:
            with self.scope:
                yield self
        finally:
            state.region, state.paused = saved


@contextmanager
def outside() -> Iterator[None]:
    """Operators run eagerly and unrecorded, whatever is being traced (deferred initialisation)."""
    saved = (state.region, state.recording, state.paused)
    state.region, state.recording, state.paused = None, False, False
    try:
        yield
    finally:
        state.region, state.recording, state.paused = saved


@contextmanager
def known_sizes(graph: Graph) -> Iterator[None]:
    """Let operators that are lowered after the trace ask what it learned, and nothing beyond."""
    if graph.scope is None or current_scope() is not None:
        yield
    else:
        with graph.scope.closed():
            yield


def resolve_dims(graph: Graph, scope: DimScope) -> None:
    """Substitute what guards taught about dimensions into all types and attributes."""
    for value in graph.values():
        shape = value.type.shape
        if shape is not None and not value.type.is_static:
            value.type = value.type.with_shape(scope.resolve_shape(shape))
    for node in graph.nodes:
        node.op = node.op.map_dims(scope.resolve)
