"""Loops and branches as operators over graphs: `Foreach`, `WhileLoop`, `Cond`.

The body of each is a graph of its own; what it reads from outside are explicit operands.  Loops
are closed under differentiation: the gradient of either is a `Foreach` in the other direction,
over the cotangents and the states that were saved before each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ir.dims import Dim, same
from symgluon.ir.graph import Graph
from symgluon.ir.op import Op, op
from symgluon.ir.types import TensorType
from symgluon.ops.call import interpreter
from symgluon.ops.replay import dims_of, replay, substitution


def _runner(holder: Op, key: str, graph: Graph) -> Any:
    """Return the callable of a body, made once an operator."""
    name = f"_run_{key}"
    found = holder.__dict__.get(name)
    if found is None:
        found = holder.__dict__[name] = interpreter(graph)
    return found


def result_types(graph: Graph, shapes: Sequence[Any]) -> list[TensorType]:
    """Types of the results of a body for operands of these shapes."""
    bind = substitution(dims_of(graph, shapes))
    return [
        v.type
        if bind is None or v.type.shape is None
        else v.type.with_shape([bind(n) if isinstance(n, Dim) else n for n in v.type.shape])
        for v in graph.outputs
    ]


# ---- loops over slices -------------------------------------------------------------------------
@op(name="foreach")
class Foreach(Op):
    """Run `body` over the slices of arrays along axis 0, with states from step to step.

    Operands: `scans` arrays ``(T, ...)``, `states` first states, what the body captures, and with
    `counted` a number n of steps (0-d integer).  Results: the last states, the outputs of all steps
    ``(T, ...)`` (zeros beyond step n), and with `saves` the states before each step ``(T, ...)``.

    Attributes
    ----------
    body : Graph
        (slices, states, captured) -> (new states, outputs).
    reverse : bool
        From the last slice to the first.
    """

    body: Graph
    scans: int
    states: int
    reverse: bool = False
    counted: bool = False
    saves: bool = False

    def split(self, operands: Sequence[Any]) -> tuple[Any, Any, Any, Any]:
        """Operands as (scans, states, captured, count or None)."""
        count = operands[-1] if self.counted else None
        rest = operands[: len(operands) - self.counted]
        last = self.scans + self.states
        return rest[: self.scans], rest[self.scans : last], rest[last:], count

    def infer(self, *operands: TensorType) -> Any:
        scans, states, captured, _ = self.split(operands)
        length = self.length(scans)
        slices = [t.known_shape[1:] for t in scans]
        shapes = [*slices, *[t.shape for t in states], *[t.shape for t in captured]]
        found = result_types(self.body, shapes)
        stacked = [t.with_shape((length, *t.known_shape)) for t in found[self.states :]]
        saved = [t.with_shape((length, *t.known_shape)) for t in states] if self.saves else []
        return (*states, *stacked, *saved)

    def length(self, scans: Sequence[TensorType]) -> Any:
        """Number of slices."""
        if not scans or not all(t.known_shape for t in scans):
            raise ShapeError("foreach: every array to run over needs an axis 0")
        first = scans[0].known_shape[0]
        for t in scans[1:]:
            if not same(t.known_shape[0], first) and t.known_shape[0] != first:
                raise ShapeError(
                    "foreach: the arrays have different lengths",
                    received=[s.known_shape for s in scans],
                )
        return first

    def kernel(self, *arrays: Any) -> Any:
        scans, states, captured, count = self.split(arrays)
        run = _runner(self, "body", self.body)
        types = self.infer(*[TensorType(a.shape, a.dtype) for a in arrays])
        buffers = [np.zeros(t.shape, t.dtype) for t in types[self.states :]]
        steps = range(len(scans[0]) if count is None else min(int(count), len(scans[0])))
        current = list(states)
        for t in reversed(steps) if self.reverse else steps:
            results = run(*[a[t] for a in scans], *current, *captured)
            made = [*results[self.states :], *(current if self.saves else ())]
            for buffer, value in zip(buffers, made, strict=True):
                buffer[t] = value
            current = list(results[: self.states])
        return (*current, *buffers)

    aliases = True  # with no step at all, the last states are the first

    def decompose(self, *operands: Any) -> Any:
        """Unroll; only for a number of steps that is known."""
        from symgluon.ops.apply import F

        scans, states, captured, count = self.split(operands)
        length = scans[0].shape[0]
        if count is not None or isinstance(length, Dim) or not length:
            raise ShapeError(f"foreach: {length} steps cannot be unrolled")
        current = list(states)
        columns: list[list[Any]] = [[None] * length for _ in self.body.outputs[self.states :]]
        saved: list[list[Any]] = [[None] * length for _ in states if self.saves]
        for t in reversed(range(length)) if self.reverse else range(length):
            slices = [F.index(a, (t,)) for a in scans]
            for column, value in zip(saved, current, strict=False):
                column[t] = value
            results = replay(self.body, [*slices, *current, *captured])
            current = results[: self.states]
            for column, value in zip(columns, results[self.states :], strict=True):
                column[t] = value
        return (*current, *[F.stack(*column, axis=0) for column in (*columns, *saved)])

    def grad(self, ct: Any, y: Any, *operands: Any) -> Any:
        from symgluon.ops.control_grad import foreach_grad

        return foreach_grad(self, ct, y, operands)

    def onnx(self, g: Any, *names: Any) -> Any:
        from symgluon.ops.control_onnx import lower_counted, lower_foreach

        return lower_counted(self, g, names) if self.counted else lower_foreach(self, g, names)


# ---- loops with a condition --------------------------------------------------------------------
@op(name="while_loop")
class WhileLoop(Op):
    """Run `body` as long as `condition` holds, at most `max_iterations` times.

    Operands: the loop variables, what the condition captures (`captured` arrays), what the body
    captures.  Results: the last variables, the outputs of all steps ``(max_iterations, ...)`` with
    zeros beyond the last step, the number of steps (0-d int64), and with `saves` the variables
    before each step ``(max_iterations, ...)``.

    Attributes
    ----------
    condition : Graph
        (variables, captured) -> 0-d bool.
    body : Graph
        (variables, captured) -> (new variables, outputs).
    """

    condition: Graph
    body: Graph
    variables: int
    captured: int
    max_iterations: int
    saves: bool = False

    def split(self, operands: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Operands as (variables, captured by the condition, captured by the body)."""
        first, last = self.variables, self.variables + self.captured
        return operands[:first], operands[first:last], operands[last:]

    def infer(self, *operands: TensorType) -> Any:
        variables, _, captured = self.split(operands)
        found = result_types(self.body, [t.shape for t in (*variables, *captured)])
        n = self.max_iterations
        stacked = [t.with_shape((n, *t.known_shape)) for t in found[self.variables :]]
        saved = [t.with_shape((n, *t.known_shape)) for t in variables] if self.saves else []
        return (*variables, *stacked, TensorType((), np.dtype(np.int64)), *saved)

    def kernel(self, *arrays: Any) -> Any:
        variables, outer, inner = self.split(arrays)
        holds = _runner(self, "condition", self.condition)
        run = _runner(self, "body", self.body)
        types = self.infer(*[TensorType(a.shape, a.dtype) for a in arrays])
        buffers = [np.zeros(t.shape, t.dtype) for t in types[self.variables :]]
        outputs = len(self.body.outputs) - self.variables
        count = buffers.pop(outputs)
        current = list(variables)
        steps = 0
        while steps < self.max_iterations and bool(holds(*current, *outer)[0]):
            results = run(*current, *inner)
            made = [*results[self.variables :], *(current if self.saves else ())]
            for buffer, value in zip(buffers, made, strict=True):
                buffer[steps] = value
            current = list(results[: self.variables])
            steps += 1
        count = np.asarray(steps, count.dtype)
        return (*current, *buffers[:outputs], count, *buffers[outputs:])

    aliases = True

    def grad(self, ct: Any, y: Any, *operands: Any) -> Any:
        from symgluon.ops.control_grad import while_loop_grad

        return while_loop_grad(self, ct, y, operands)

    def onnx(self, g: Any, *names: Any) -> Any:
        from symgluon.ops.control_onnx import lower_while_loop

        return lower_while_loop(self, g, names)


# ---- branches ----------------------------------------------------------------------------------
@op(name="cond")
class Cond(Op):
    """Run `then` where a 0-d condition is true, else `otherwise`.

    Operands: the condition, the operands of `then` (`first` arrays), those of `otherwise`.
    """

    then: Graph
    otherwise: Graph
    first: int
    aliases = True

    def split(self, operands: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Operands as (condition, operands of `then`, operands of `otherwise`)."""
        return operands[0], operands[1 : 1 + self.first], operands[1 + self.first :]

    def infer(self, *operands: TensorType) -> Any:
        _, then, otherwise = self.split(operands)
        a = result_types(self.then, [t.shape for t in then])
        b = result_types(self.otherwise, [t.shape for t in otherwise])
        for x, y in zip(a, b, strict=True):
            if x.dtype != y.dtype or x.known_shape != y.known_shape:
                raise ShapeError("cond: the two branches give results of different types",
                                 expected=x, received=y)  # fmt: skip
        return a[0] if len(a) == 1 else tuple(a)

    def kernel(self, *arrays: Any) -> Any:
        condition, then, otherwise = self.split(arrays)
        if bool(condition):
            results = _runner(self, "then", self.then)(*then)
        else:
            results = _runner(self, "otherwise", self.otherwise)(*otherwise)
        return results[0] if len(results) == 1 else tuple(results)

    def grad(self, ct: Any, y: Any, *operands: Any) -> Any:
        from symgluon.ops.control_grad import cond_grad

        return cond_grad(self, ct, y, operands)

    def onnx(self, g: Any, *names: Any) -> Any:
        from symgluon.ops.control_onnx import lower_cond

        return lower_cond(self, g, names)
