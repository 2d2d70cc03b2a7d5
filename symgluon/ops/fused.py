"""Several operators computed as one: a layer and what is done to each number of its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Value
from symgluon.ir.op import Op, op
from symgluon.ir.types import TensorType
from symgluon.ops.replay import dims_of, replay, substitution


class _Step(NamedTuple):
    """One operator of the body: slots of its operands and result, whether to write in place."""

    op: Op
    inputs: tuple[int, ...]  # -1: absent
    output: int
    into: Callable[..., Any] | None
    target: int  # slot whose array takes the result


class _Program:
    """The body as steps over slots; results go over operands where `Graph.inplace` says so."""

    def __init__(self, body: Graph) -> None:
        slots: dict[Value, int] = {}
        for value in (*body.operands(), *body.constants):
            slots[value] = len(slots)
        self.constants = [(slots[v], a) for v, a in body.constants.items()]
        self.steps: list[_Step] = []
        for node in body.nodes:
            slots[node.output] = len(slots)
            over = body.inplace.get(node.output)
            self.steps.append(
                _Step(
                    node.op,
                    tuple([-1 if v is None else slots[v] for v in node.inputs]),
                    slots[node.output],
                    type(node.op).into,
                    -1 if over is None else slots[over],
                )
            )
        self.size = len(slots)
        self.result = slots[body.outputs[0]]
        self.first = self._first_place(body, slots)

    def _first_place(self, body: Graph, slots: dict[Value, int]) -> int:
        """Slot that may lie where the result shall lie: the first of those written over by it."""
        value = result = body.outputs[0]
        while (over := body.inplace.get(value)) is not None and over.producer is not None:
            value = over
        return slots[value] if value.type == result.type and value.producer is not None else -1

    @np.errstate(all="ignore")
    def __call__(self, arrays: Sequence[Any], out: np.ndarray | None = None) -> Any:
        """Run on arrays in operand order; the result lies in `out` where it can be written there."""
        values: list[Any] = [None] * (self.size + 1)  # the last slot stands for an absent operand
        values[: len(arrays)] = arrays
        for slot, array in self.constants:
            values[slot] = array
        for step in self.steps:
            given = [values[i] for i in step.inputs]
            target = values[step.target] if step.target >= 0 else None
            if target is None and step.output == self.first:
                target = out
            into = step.into if isinstance(target, np.ndarray) else None
            if into is not None and into(step.op, target, *given):
                values[step.output] = target
            else:
                values[step.output] = type(step.op).kernel(step.op, *given)
        return values[self.result]


@op()
class Fused(Op):
    """The one result of `body`: elementwise operators, after at most one layer.

    The kernel writes results over operands inside the body.  Gradient and lowering are those of
    the operators it is made of.
    """

    body: Graph

    def infer(self, *operands: TensorType) -> TensorType:
        type = self.body.outputs[0].type
        bind = substitution(dims_of(self.body, [t.shape for t in operands]))
        if bind is None or type.shape is None:
            return type
        return type.with_shape([bind(n) if isinstance(n, Dim) else n for n in type.shape])

    def kernel(self, *arrays: Any) -> Any:
        return self._program()(arrays)

    def into(self, out: Any, *arrays: Any) -> bool:
        program = self._program()
        if program.first < 0:
            return False
        result = program(arrays, out)
        if result is not out:
            np.copyto(out, result)
        return True

    def _program(self) -> _Program:
        found: _Program | None = self.__dict__.get("_compiled")
        if found is None:
            found = self.__dict__["_compiled"] = _Program(self.body)
        return found

    def decompose(self, *operands: Any) -> Any:
        return replay(self.body, operands)[0]
