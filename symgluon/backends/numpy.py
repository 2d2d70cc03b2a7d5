"""The interpreter: runs each node's NumPy kernel in order.  It is the judge of every backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.errors import SymgluonError
from symgluon.ir.dims import evaluate
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import Op
from symgluon.ops.replay import dims_of
from symgluon.ops.state import state


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
        self.steps = self._steps(nodes, slots)
        self.symbolic = [
            i for i, s in enumerate(self.steps) if s.op.map_dims(lambda d: 0) is not s.op
        ]
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
                op = found[i].op.map_dims(lambda d: evaluate(d, env))
                found[i] = found[i]._replace(op=op)
            if len(self._bound) > 64:
                self._bound.clear()
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
            for step in self.bound_steps(arrays):
                self._run(step, values)
        finally:
            state.region = saved
        return tuple([values[s] for s in self.outputs])

    @staticmethod
    def _run(step: Step, values: list[Any]) -> None:
        op = step.op
        try:
            result = type(op).kernel(op, *[values[i] for i in step.inputs])
        except SymgluonError as error:
            raise error.at(where=_where(step.node)) from None
        if type(result) is tuple or type(result) is list:
            for slot, array in zip(step.outputs, result, strict=True):
                values[slot] = np.asarray(array)
        else:
            values[step.outputs[0]] = result if type(result) is np.ndarray else np.asarray(result)
        for slot in step.dead:
            values[slot] = None


def _where(node: Node) -> str:
    return f"block {node.origin[0]}" if node.origin else f"node {node.outputs[0].name}"


class NumpyBackend:
    """Runs every operator; reuses nothing, hides nothing."""

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
        return Interpreter(graph)
