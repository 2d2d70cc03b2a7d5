"""The interpreter: runs each node's NumPy kernel in order.  It is the judge of every backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.errors import AxisError, ShapeError, SymgluonError
from symgluon.ir.attrs import has_dims
from symgluon.ir.dims import Dim, evaluate
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import Op
from symgluon.ops.replay import dims_of
from symgluon.ops.state import state

_MOST_SHAPES = 64


class Step(NamedTuple):
    """One node: operator, slots of operands and results, slots nobody reads afterwards."""

    op: Op
    inputs: tuple[int, ...]  # -1: an absent operand
    outputs: tuple[int, ...]
    dead: tuple[int, ...]
    node: Node


class Interpreter:
    """An executable graph; values are dropped at their last use."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        slots: dict[Value, int] = {}
        for value in (*graph.operands(), *graph.constants):
            slots[value] = len(slots)
        self.constants = [(slots[v], a) for v, a in graph.constants.items()]
        nodes = graph.nodes
        for node in nodes:
            for value in node.outputs:
                slots[value] = len(slots)
        self.size = len(slots)
        self.operands = len(graph.operands())
        self.outputs = tuple(slots[v] for v in graph.outputs)
        self.slots = slots
        self.steps = self._steps(nodes, slots)
        self.symbolic = [
            i for i, s in enumerate(self.steps) if any(map(has_dims, s.op.attrs().values()))
        ]
        #: dimensions that only the data tell: (name, axis) by the slot of the result that has it
        self.late = self._late_names() if self.symbolic else {}
        self._bound: dict[Any, list[Step]] = {}

    def _steps(self, nodes: Sequence[Node], slots: dict[Value, int]) -> list[Step]:
        last: dict[int, int] = {}
        for i, node in enumerate(nodes):
            for value in (*node.inputs, *node.outputs):
                if value is not None:
                    last[slots[value]] = i
        keep = {*self.outputs, *range(self.operands), *(s for s, _ in self.constants)}
        dead: dict[int, list[int]] = {}
        for slot, i in last.items():
            if slot not in keep:
                dead.setdefault(i, []).append(slot)
        return [
            Step(
                node.op,
                tuple(-1 if v is None else slots[v] for v in node.inputs),
                tuple(slots[v] for v in node.outputs),
                tuple(dead.get(i, ())),
                node,
            )
            for i, node in enumerate(nodes)
        ]

    def _late_names(self) -> dict[int, list[tuple[str, int]]]:
        known = {
            name
            for value in self.graph.operands()
            for n in value.type.shape or ()
            if isinstance(n, Dim)
            for name in n.names()
        }
        found: dict[int, list[tuple[str, int]]] = {}
        for step in self.steps:
            for slot, value in zip(step.outputs, step.node.outputs, strict=True):
                for axis, n in enumerate(value.type.shape or ()):
                    if isinstance(n, Dim) and n.bare is not None and n.bare not in known:
                        known.add(n.bare)
                        found.setdefault(slot, []).append((n.bare, axis))
        return found

    def bound_steps(self, arrays: Sequence[Any]) -> list[Step]:
        """Steps with the symbolic dimensions in attributes replaced by numbers."""
        if not self.symbolic:
            return self.steps
        shapes = tuple([a.shape for a in arrays])
        found = self._bound.get(shapes)
        if found is None:
            env = dims_of(self.graph, shapes)
            found = list(self.steps)
            for i in self.symbolic:
                found[i] = _bind(found[i], env)
            if len(self._bound) >= _MOST_SHAPES:
                self._bound = {}
            self._bound[shapes] = found
        return found

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in operand order."""
        values: list[Any] = [None] * (self.size + 1)  # the last slot stands for an absent operand
        values[: len(arrays)] = arrays
        for slot, array in self.constants:
            values[slot] = array
        saved = state.region
        state.region = None
        try:
            if self.late:
                self._run_late(arrays, values)
            else:
                for step in self.bound_steps(arrays):
                    run_step(step, values)
                    for slot in step.dead:
                        values[slot] = None
        finally:
            state.region = saved
        return tuple([values[s] for s in self.outputs])

    def _run_late(self, arrays: Sequence[Any], values: list[Any]) -> None:
        """Run a graph whose attributes name sizes that turn up on the way."""
        env = dims_of(self.graph, [a.shape for a in arrays])
        symbolic = set(self.symbolic)
        late = self.late
        for i, step in enumerate(self.steps):
            run_step(_bind(step, env) if i in symbolic else step, values)
            for slot in step.outputs:
                for name, axis in late.get(slot, ()):
                    env[name] = values[slot].shape[axis]
            for slot in step.dead:
                values[slot] = None


def _bind(step: Step, env: dict[str, Any]) -> Step:
    try:
        return step._replace(op=step.op.map_dims(lambda d: evaluate(d, env)))
    except SymgluonError as error:
        raise error.at(where=where(step.node)) from None


def run_step(step: Step, values: list[Any]) -> None:
    """Run one node on the values in its slots.

    Raises
    ------
    Exception
        What the kernel raises, with the place of the node.
    """
    op = step.op
    try:
        result = type(op).kernel(op, *[values[i] for i in step.inputs])
    except Exception as error:
        raise placed(error, step, values) from error.__cause__
    if type(result) is tuple or type(result) is list:
        for slot, array in zip(step.outputs, result, strict=True):
            values[slot] = np.asarray(array)
    else:
        values[step.outputs[0]] = result if type(result) is np.ndarray else np.asarray(result)


def placed(error: Exception, step: Step, values: Sequence[Any]) -> Exception:
    """Return the error of a kernel with the place of its node, in our words where it is NumPy's."""
    if isinstance(error, SymgluonError):
        return error.at(where=where(step.node))
    if not isinstance(error, ValueError | IndexError | TypeError):
        error.add_note(f"at {where(step.node)}")
        return error
    found = [values[i] for i in step.inputs]
    shown = ", ".join("none" if a is None else f"{a.dtype.name}{list(a.shape)}" for a in found)
    kind = AxisError if isinstance(error, IndexError) else ShapeError
    return kind(f"{step.op!r}: {error}", where=where(step.node), received=shown)


def where(node: Node) -> str:
    """Block path and the user's line of a node, for error messages."""
    return f"block {node.origin[0]}" if node.origin else f"node {node.outputs[0].name}"


class NumpyBackend:
    """Runs every operator by its NumPy kernel.

    With ``static_alloc`` all intermediate results of a call lie in one block of memory, at the
    places that the memory plan gives them, and the block is used again by the next call.
    """

    name = "numpy"
    options: dict[str, str] = {}

    def supports(self, node: Node) -> bool:
        """Whether the node can be run: always."""
        return True

    def pipeline(self, options: Any) -> Sequence[str]:
        """Return the passes before compilation."""
        return ("infer",)

    def compile(self, graph: Graph, options: Any) -> Interpreter:
        """Return the interpreter of `graph`."""
        if options is not None and options.static_alloc:
            from symgluon.backends.arena import PlannedInterpreter

            return PlannedInterpreter(graph)
        return Interpreter(graph)
