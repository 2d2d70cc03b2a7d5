"""Gradients of loops and branches: bodies that run the gradient rules of a body's operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgluon.ir.dims import Dim, DimScope
from symgluon.ir.graph import Graph, Value
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.array import Array, wrap
from symgluon.ops.call import names_given, names_needed
from symgluon.ops.control import Cond, Foreach, WhileLoop
from symgluon.ops.region import Region, resolve_dims
from symgluon.ops.replay import replay
from symgluon.ops.state import state
from symgluon.ops.tape import vjp


def _is_float(x: Any) -> bool:
    return x.dtype.kind in "fV"


def _type(x: Any) -> TensorType:
    return x.type if isinstance(x, Array) else TensorType(x.shape, x.dtype)


def _sliced(x: Any) -> TensorType:
    type = _type(x)
    return type.with_shape(type.known_shape[1:])


def _zeros(type: TensorType) -> Any:
    return F.full(np.zeros((), type.dtype), shape=type.known_shape)


def trace_body(name: str, build: Callable[[Region], Sequence[Any]]) -> Graph:
    """Trace a graph whose inputs `build` makes with ``region.argument``."""
    outer = state.region
    scope = outer.scope if outer is not None else DimScope()
    region = Region(name, scope, parent=outer)
    with region.active():
        graph = region.close(list(build(region)))
    resolve_dims(graph, scope)
    return graph


def define_dims(graphs: Sequence[Graph], operands: Sequence[Any]) -> list[Any]:
    """Operands whose shapes define the dimensions that the bodies name but their own do not.

    They become inputs of the graphs (appended), and have to be appended to the operands.
    """
    missing: dict[str, None] = {}
    for graph in graphs:
        known = names_given(graph.inputs)
        missing.update(dict.fromkeys(n for n in sorted(names_needed(graph)) if n not in known))
    found: list[Any] = []
    for x in (*operands, *_around()):
        here = {n.bare for n in _type(x).shape or () if isinstance(n, Dim) and n.bare is not None}
        if here & set(missing):
            found.append(x)
            for name in here:
                missing.pop(name, None)
    for i, x in enumerate(found):
        for graph in graphs:
            graph.add_input(f"size{i}", _type(x))
    return found


def _around() -> list[Any]:
    """Operands of the graphs being traced, innermost first: their shapes define all other names."""
    found: list[Any] = []
    region = state.region
    while region is not None:
        found += [wrap(v) for v in region.graph.operands()]
        region = region.parent
    return found


# ---- loops -------------------------------------------------------------------------------------
class _Backward:
    """The backward loop of a body, for the cotangents there are and the operands wanted."""

    def __init__(
        self,
        body: Graph,
        scans: Sequence[Any],
        before: Sequence[Any],
        captured: Sequence[Any],
        ct_outputs: Sequence[Any],
        wanted: Sequence[bool],
    ) -> None:
        self.body = body
        self.scans, self.before, self.captured = scans, before, captured
        self.ct_outputs = ct_outputs
        self.carried = [i for i, s in enumerate(before) if _is_float(s)]
        first = len(scans) + len(before)
        self.wanted_scans = [i for i, s in enumerate(scans) if wanted[i] and _is_float(s)]
        self.wanted_captured = [
            i for i, c in enumerate(captured) if wanted[first + i] and _is_float(c)
        ]
        self.operands: list[tuple[str, Any]] = []  # (role, outer array) of each input
        self.grads_of_scans: list[int] = []
        self.grads_of_captured: list[int] = []
        self.graph = trace_body(f"{body.name}_grad", self._build)
        self._prune()

    def _build(self, region: Region) -> list[Any]:
        def take(role: str, x: Any, type: TensorType) -> Any:
            self.operands.append((role, x))
            return region.argument(f"{role}{len(self.operands)}", type)

        ct_outputs = [None if c is None else take("scan", c, _sliced(c)) for c in self.ct_outputs]
        slices = [take("scan", a, _sliced(a)) for a in self.scans]
        states = [take("scan", a, _sliced(a)) for a in self.before]
        carry = [take("state", i, _sliced(self.before[i])) for i in self.carried]
        captured = [take("captured", a, _type(a)) for a in self.captured]
        ct_states: list[Any] = [None] * len(states)
        for i, c in zip(self.carried, carry, strict=True):
            ct_states[i] = c
        inputs = [*slices, *states, *captured]
        grads = vjp(lambda *xs: replay(self.body, xs), inputs, [*ct_states, *ct_outputs])
        own = grads[len(slices) : len(slices) + len(states)]
        new_carry = [
            F.zeros_like(c) if own[i] is None else own[i]
            for i, c in zip(self.carried, carry, strict=True)
        ]
        sums = []
        for i in self.wanted_captured:
            g = grads[len(slices) + len(states) + i]
            if g is not None:
                self.grads_of_captured.append(i)
                total = take("sum", self.captured[i], _type(self.captured[i]))
                sums.append(total + g)
        self.grads_of_scans = [i for i in self.wanted_scans if grads[i] is not None]
        return [*new_carry, *sums, *[grads[i] for i in self.grads_of_scans]]

    def _prune(self) -> None:
        """Order the inputs as `Foreach` has them; drop those that nobody reads."""
        outputs = set(self.graph.outputs)
        kept: dict[str, list[tuple[Value, Any]]] = {}
        for value, (role, x) in zip(self.graph.inputs, self.operands, strict=True):
            if role in ("state", "sum") or value.uses or value in outputs:
                kept.setdefault(role, []).append((value, x))
        if not kept.get("scan"):  # the loop needs something to run over
            value, (_, x) = next(
                p for p in zip(self.graph.inputs, self.operands, strict=True) if p[1][0] == "scan"
            )
            kept["scan"] = [(value, x)]
        roles = ("scan", "state", "sum", "captured")
        self.graph.inputs = [v for role in roles for v, _ in kept.get(role, ())]
        self.run_over = [x for _, x in kept["scan"]]
        self.read = [x for _, x in kept.get("captured", ())]

    def apply(
        self, ct_states: Sequence[Any], reverse: bool, count: Any
    ) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
        """Run the loop; returns gradients of first states, scans and captured by number."""
        start = [ct_states[i] for i in self.carried]
        sums = [F.zeros_like(self.captured[i]) for i in self.grads_of_captured]
        sizes = define_dims([self.graph], [*self.scans, *self.before, *self.captured])
        loop = Foreach(
            body=self.graph,
            scans=len(self.run_over),
            states=len(start) + len(sums),
            reverse=reverse,
            counted=count is not None,
        )
        counts = [] if count is None else [count]
        found = loop(*self.run_over, *start, *sums, *self.read, *sizes, *counts)
        found = list(found) if isinstance(found, tuple) else [found]
        states = dict(zip(self.carried, found, strict=False))
        rest = found[len(self.carried) :]
        captured = dict(zip(self.grads_of_captured, rest, strict=False))
        scans = dict(zip(self.grads_of_scans, rest[len(captured) :], strict=False))
        return states, scans, captured


def _wanted(count: int) -> Sequence[bool]:
    return state.wanted or (True,) * count


def _filled(cts: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    """Cotangents of states, zeros where there are none."""
    return [F.zeros_like(x) if c is None else c for c, x in zip(cts, like, strict=True)]


def foreach_grad(op: Foreach, ct: Any, y: Any, operands: Sequence[Any]) -> tuple[Any, ...]:
    """Gradient of `Foreach`: a loop in the other direction."""
    cts, ys = _tuple(ct), _tuple(y)
    scans, states, captured, count = op.split(operands)
    wanted = _wanted(len(operands))
    outputs = len(op.body.outputs)
    before = ys[outputs:]
    if not op.saves:
        again = op.replace(saves=True)(*operands)
        before = _tuple(again)[outputs:]
    back = _Backward(op.body, scans, before, captured, cts[op.states : outputs], wanted)
    first, over, sums = back.apply(_filled(cts[: op.states], states), not op.reverse, count)
    saved = _saved_cotangents(op, cts[outputs:])
    grads: list[Any] = [over.get(i) for i in range(len(scans))]
    grads += [first.get(i) for i in range(len(states))]
    grads += [sums.get(i) for i in range(len(captured))]
    grads += [None] * op.counted
    if saved is None:
        return tuple(grads)
    extra = _through_saved(op, saved, operands)
    return tuple(a if b is None else b if a is None else a + b
                 for a, b in zip(grads, extra, strict=True))  # fmt: skip


def _saved_cotangents(op: Foreach, cts: Sequence[Any]) -> Sequence[Any] | None:
    return cts if any(c is not None for c in cts) else None


def _through_saved(op: Foreach, cts: Sequence[Any], operands: Sequence[Any]) -> Sequence[Any]:
    """Gradient by the saved states (of second order): as outputs of a body that returns them."""
    scans, states = op.scans, op.states

    def build(region: Region) -> list[Any]:
        args = [region.argument(v.name, v.type) for v in op.body.inputs]
        results = replay(op.body, args)
        return [*results[:states], *args[scans : scans + states]]

    body = trace_body(f"{op.body.name}_states", build)
    loop = Foreach(body=body, scans=scans, states=states, reverse=op.reverse, counted=op.counted)
    results = _tuple(loop(*operands))
    return foreach_grad(loop, (*(None,) * states, *cts), results, operands)


def while_loop_grad(op: WhileLoop, ct: Any, y: Any, operands: Sequence[Any]) -> tuple[Any, ...]:
    """Gradient of `WhileLoop`: a loop back over the steps that were taken."""
    cts, ys = _tuple(ct), _tuple(y)
    variables, outer, captured = op.split(operands)
    wanted = _wanted(len(operands))
    last = len(op.body.outputs)
    if not op.saves:
        ys = _tuple(op.replace(saves=True)(*operands))
    count, before = ys[last], ys[last + 1 :]
    known = (*wanted[: op.variables], *wanted[op.variables + op.captured :])
    back = _Backward(op.body, (), before, captured, cts[op.variables : last], known)
    first, _, sums = back.apply(_filled(cts[: op.variables], variables), True, count)
    grads = [first.get(i) for i in range(len(variables))]
    grads += [None] * len(outer)
    grads += [sums.get(i) for i in range(len(captured))]
    saved = cts[last + 1 :]
    if all(c is None for c in saved):
        return tuple(grads)
    # by the saved variables (second order): a loop of as many steps whose outputs they are
    extra = _while_saved(op, saved, variables, captured, before, count)
    found = [*extra[: op.variables], *(None,) * len(outer), *extra[op.variables :]]
    return tuple(a if b is None else b if a is None else a + b
                 for a, b in zip(grads, found, strict=True))  # fmt: skip


def _while_saved(
    op: WhileLoop, cts: Sequence[Any], variables: Any, captured: Any, before: Any, count: Any
) -> Sequence[Any]:
    n = op.variables

    def build(region: Region) -> list[Any]:
        region.argument("step", TensorType((), np.dtype(np.int64)))
        args = [region.argument(v.name, v.type) for v in op.body.inputs]
        return [*replay(op.body, args)[:n], *args[:n]]

    body = trace_body(f"{op.body.name}_states", build)
    loop = Foreach(body=body, scans=1, states=n, counted=True)
    steps = _zeros(TensorType((op.max_iterations,), np.dtype(np.int64)))
    operands = [steps, *variables, *captured, count]
    results = _tuple(loop(*operands))
    saved_wanted, state.wanted = state.wanted, None
    try:
        found = foreach_grad(loop, (*(None,) * n, *cts), results, operands)
    finally:
        state.wanted = saved_wanted
    return found[1:-1]


def _tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, tuple | list) else (x,)


# ---- branches ----------------------------------------------------------------------------------
def cond_grad(op: Cond, ct: Any, y: Any, operands: Sequence[Any]) -> tuple[Any, ...]:
    """Gradient of `Cond`: a `Cond` of the branches' gradients; a branch not taken gets zeros."""
    cts = _tuple(ct)
    condition, then, otherwise = op.split(operands)
    wanted = _wanted(len(operands))
    targets = [i for i, x in enumerate(operands) if i and wanted[i] and _is_float(x)]
    given = [c for c in cts if c is not None]
    if not targets or not given:
        return (None,) * len(operands)

    def branch(body: Graph, start: int, count: int) -> Graph:
        def build(region: Region) -> list[Any]:
            handed = iter([region.argument(f"ct{i}", _type(c)) for i, c in enumerate(given)])
            full = [None if c is None else next(handed) for c in cts]
            args = [
                region.argument(f"arg{i}", _type(x))
                for i, x in enumerate(operands[start : start + count])
            ]
            grads = vjp(lambda *xs: replay(body, xs), args, full)
            own = {start + i: g for i, g in enumerate(grads)}
            return [_zeros(_type(operands[i])) if own.get(i) is None else own[i] for i in targets]

        return trace_body(f"{body.name}_grad", build)

    a = branch(op.then, 1, op.first)
    b = branch(op.otherwise, 1 + op.first, len(otherwise))
    sizes_a = define_dims([a], operands[1:])
    sizes_b = define_dims([b], operands[1:])
    first = [*given, *then, *sizes_a]
    made = Cond(then=a, otherwise=b, first=len(first))
    found = _tuple(made(condition, *first, *given, *otherwise, *sizes_b))
    grads: list[Any] = [None] * len(operands)
    for i, g in zip(targets, found, strict=True):
        grads[i] = g
    return tuple(grads)
