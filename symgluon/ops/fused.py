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

#: elementwise functions that are no ufunc but can write into a given array
_INTO: dict[str, Callable[..., Any]] = {
    "relu": lambda x, out: np.maximum(x, x.dtype.type(0), out=out),
    "square": lambda x, out: np.multiply(x, x, out=out),
}


class _Step(NamedTuple):
    """One operator of the body: slots of its operands and result, whether to write in place."""

    op: Op
    inputs: tuple[int, ...]  # -1: absent
    output: int
    into: Callable[..., Any] | None
    target: int  # slot whose array takes the result


def _writer(op: Op) -> Callable[..., Any] | None:
    found = _INTO.get(op.name)
    if found is None:
        ufunc = getattr(type(op), "ufunc", None)
        found = ufunc if isinstance(ufunc, np.ufunc) else None
    return found


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
                    None if over is None else _writer(node.op),
                    -1 if over is None else slots[over],
                )
            )
        self.size = len(slots)
        self.result = slots[body.outputs[0]]

    def __call__(self, arrays: Sequence[Any]) -> Any:
        values: list[Any] = [None] * (self.size + 1)  # the last slot stands for an absent operand
        values[: len(arrays)] = arrays
        for slot, array in self.constants:
            values[slot] = array
        with np.errstate(all="ignore"):
            for step in self.steps:
                given = [values[i] for i in step.inputs]
                target = values[step.target] if step.into is not None else None
                if step.into is not None and isinstance(target, np.ndarray):
                    values[step.output] = step.into(*given, out=target)
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
        program = self.__dict__.get("_program")
        if program is None:
            program = self.__dict__["_program"] = _Program(self.body)
        return program(arrays)

    def decompose(self, *operands: Any) -> Any:
        return replay(self.body, operands)[0]
