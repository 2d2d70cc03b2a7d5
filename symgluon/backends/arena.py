"""The interpreter on a memory plan: intermediate results lie in one block, call after call.

Each thread has its own block.  Results of the graph never lie in it: they outlive the call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.backends.numpy import Interpreter, Step, placed, run_step
from symgluon.ir.dims import evaluate
from symgluon.ir.graph import Graph
from symgluon.ops.replay import dims_of
from symgluon.ops.state import state
from symgluon.passes.liveness import FOREVER, classes
from symgluon.passes.plan_memory import ALIGNMENT, make_plan

_MOST_FRAMES = 8


class Planned(NamedTuple):
    """A step with the places of its results (None: wherever the kernel puts it)."""

    step: Step
    places: tuple[np.ndarray | None, ...]
    own: tuple[bool, ...]  # whether the plan takes a result for an array of its own, not a view
    into: Callable[..., Any] | None  # writes the result to its place by itself


class _Block(threading.local):
    """What one thread holds: memory, and the steps of the last sizes it ran."""

    def __init__(self) -> None:
        self.memory = np.empty(0, np.uint8)
        self.frames: dict[Any, list[Planned]] = {}
        self.busy = False


class PlannedInterpreter(Interpreter):
    """An interpreter whose intermediate results lie where the memory plan puts them."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        found = classes(graph)
        kept = {found.root[v] for v in graph.outputs}
        kept |= {v for v, interval in found.interval.items() if interval.end >= FOREVER}
        #: values with a place of their own, or in the place of an operand
        self.placed = {
            self.slots[v]: v
            for node in found.nodes
            for v in node.outputs
            if found.root[v] not in kept and (found.root[v] is v or v in graph.inplace)
        }
        self.own = {self.slots[v] for node in found.nodes for v in node.outputs
                    if found.root[v] is v}  # fmt: skip
        self._block = _Block()

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in operand order."""
        block = self._block
        if self.late or block.busy:  # sizes unknown before the call; or a kernel calls us again
            return super().__call__(*arrays)
        values: list[Any] = [None] * (self.size + 1)
        values[: len(arrays)] = arrays
        for slot, array in self.constants:
            values[slot] = array
        saved = state.region
        state.region = None
        block.busy = True
        try:
            with np.errstate(all="ignore"):
                for planned in self._frame(arrays, block):
                    run_planned(planned, values, block.memory)
        finally:
            state.region = saved
            block.busy = False
        return tuple([values[s] for s in self.outputs])

    def _frame(self, arrays: Sequence[Any], block: _Block) -> list[Planned]:
        shapes = tuple([a.shape for a in arrays])
        found = block.frames.get(shapes)
        if found is None:
            env = dims_of(self.graph, shapes)
            plan = make_plan(self.graph, env)
            if plan.peak > block.memory.size or len(block.frames) >= _MOST_FRAMES:
                block.frames = {}
            if plan.peak > block.memory.size:
                block.memory = _aligned(plan.peak)
            places = {
                slot: _view(block.memory, plan.offsets[v], v.type, env)
                for slot, v in self.placed.items()
                if v in plan.offsets
            }
            found = [
                Planned(
                    step,
                    tuple(places.get(s) for s in step.outputs),
                    tuple(s in self.own for s in step.outputs),
                    type(step.op).into,
                )
                for step in self.bound_steps(arrays)
            ]
            block.frames[shapes] = found
        return found


def _aligned(size: int) -> np.ndarray:
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]


def _view(memory: np.ndarray, offset: int, type: Any, env: dict[str, Any]) -> np.ndarray:
    shape = tuple([n if isinstance(n, int) else evaluate(n, env) for n in type.known_shape])
    size = int(np.prod(shape, dtype=np.int64)) * type.dtype.itemsize
    return memory[offset : offset + size].view(type.dtype).reshape(shape)


def run_planned(planned: Planned, values: list[Any], memory: np.ndarray) -> None:
    """Run one step with its results where they are planned; floating-point warnings are off."""
    step, places, own, into = planned
    place = places[0]
    try:
        written = (
            into is not None
            and place is not None
            and into(step.op, place, *[values[i] for i in step.inputs])
        )
    except Exception as error:
        raise placed(error, step, values) from error.__cause__
    if written:
        values[step.outputs[0]] = place
    else:
        run_step(step, values)
        for slot, place, its_own in zip(step.outputs, places, own, strict=True):
            if its_own or place is not None:
                _put(values, slot, place, memory)
    for slot in step.dead:
        values[slot] = None


def _put(values: list[Any], slot: int, place: np.ndarray | None, memory: np.ndarray) -> None:
    """Move a result to its place; one without, or of another shape than planned, out of the block.

    A kernel may return a view of its operand where the plan does not know of one: a shuffle by 1, or
    a reshape of what was broadcast, which copies in general.
    """
    result = values[slot]
    if place is not None and result.shape == place.shape and result.dtype == place.dtype:
        np.copyto(place, result)
        values[slot] = place
    elif np.may_share_memory(result, memory):
        values[slot] = result.copy()
