"""Loops and branches in ONNX: ``Scan``, ``Loop`` and ``If``; captured values are read by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgluon.errors import UnsupportedOpError
from symgluon.ir.graph import Graph
from symgluon.ir.op import RANDOM
from symgluon.ir.printer import all_bodies
from symgluon.ir.types import TensorType

if TYPE_CHECKING:
    from symgluon.ops.control import Cond, Foreach, WhileLoop

_INT64 = TensorType((), np.dtype(np.int64))
_BOOL = TensorType((), np.dtype(np.bool_))


def _refuse_draws(*graphs: Graph) -> None:
    for graph in graphs:
        for part in (graph, *all_bodies(graph)):
            if any(RANDOM in node.op.effects for node in part.nodes):
                raise UnsupportedOpError(
                    "a loop or branch that draws random numbers has no ONNX form"
                )


def _slice_type(type: TensorType) -> TensorType:
    return type.with_shape(type.known_shape[1:])


def lower_foreach(op: Foreach, g: Any, names: Sequence[str]) -> tuple[str, ...]:
    """``Scan``."""
    _refuse_draws(op.body)
    scans, states, captured, _ = op.split(names)
    inner = g.inner()
    first = [inner.formal("state", g.type(s)) for s in states]
    slices = [inner.formal("slice", _slice_type(g.type(s))) for s in scans]
    results = inner.lower_graph(op.body, [*slices, *first, *captured])
    results += [(name, g.type(s)) for name, s in zip(first, states, strict=True) if op.saves]
    body = inner.proto(op.body.name, results)
    outputs = len(results) - len(states)
    direction = int(op.reverse)
    return _tuple(
        g.op(
            "Scan",
            [*states, *scans],
            outputs=len(results),
            body=body,
            num_scan_inputs=len(scans),
            scan_input_directions=[direction] * len(scans) if direction else None,
            scan_output_directions=[direction] * outputs if direction and outputs else None,
        )
    )


def lower_counted(op: Foreach, g: Any, names: Sequence[str]) -> tuple[str, ...]:
    """``Loop`` over the first n slices; the outputs are filled up with zeros."""
    _refuse_draws(op.body)
    scans, states, captured, count = op.split(names)
    total = _length(g, scans[0])
    n = g.Min(g.cast(count, np.int64), total)
    last = g.Sub(n, g.const(np.int64(1)))
    inner = g.inner()
    step = inner.formal("step", _INT64)
    go_on = inner.formal("go_on", _BOOL)
    first = [inner.formal("state", g.type(s)) for s in states]
    place = inner.Sub(last, step) if op.reverse else step
    slices = []
    for s in scans:
        name = inner.Gather(s, place, axis=0)
        inner.types[name] = _slice_type(g.type(s))
        slices.append(name)
    results = inner.lower_graph(op.body, [*slices, *first, *captured])
    results += [(name, g.type(s)) for name, s in zip(first, states, strict=True) if op.saves]
    body = inner.proto(op.body.name, [(go_on, _BOOL), *results])
    found = _tuple(g.op("Loop", [n, "", *states], outputs=len(results), body=body))
    stacked = [
        _filled(g, x, type, n, total, op.reverse)
        for x, (_, type) in zip(found[len(states) :], results[len(states) :], strict=True)
    ]
    return (*found[: len(states)], *stacked)


def lower_while_loop(op: WhileLoop, g: Any, names: Sequence[str]) -> tuple[str, ...]:
    """``Loop`` with a condition; the outputs are filled up with zeros."""
    _refuse_draws(op.condition, op.body)
    variables, outer, captured = op.split(names)
    ((start, _),) = g.lower_graph(op.condition, [*variables, *outer])
    inner = g.inner()
    inner.formal("step", _INT64)
    inner.formal("go_on", _BOOL)
    count = inner.formal("count", _INT64)
    first = [inner.formal("variable", g.type(v)) for v in variables]
    results = inner.lower_graph(op.body, [*first, *captured])
    results += [(name, g.type(v)) for name, v in zip(first, variables, strict=True) if op.saves]
    new = [name for name, _ in results[: len(variables)]]
    ((holds, _),) = inner.lower_graph(op.condition, [*new, *outer])
    more = inner.Add(count, g.const(np.int64(1)))
    body = inner.proto(op.body.name, [(holds, _BOOL), (more, _INT64), *results])
    limit = g.const(np.int64(op.max_iterations))
    found = _tuple(
        g.op(
            "Loop",
            [limit, start, g.const(np.int64(0)), *variables],
            outputs=1 + len(results),
            body=body,
        )
    )
    n, found = found[0], found[1:]
    stacked = [
        _filled(g, x, type, n, limit, False)
        for x, (_, type) in zip(found[len(variables) :], results[len(variables) :], strict=True)
    ]
    outputs = len(op.body.outputs) - len(variables)
    return (*found[: len(variables)], *stacked[:outputs], n, *stacked[outputs:])


def lower_cond(op: Cond, g: Any, names: Sequence[str]) -> Any:
    """``If``."""
    _refuse_draws(op.then, op.otherwise)
    condition, then, otherwise = op.split(names)
    branches = {}
    for key, graph, given in (
        ("then_branch", op.then, then),
        ("else_branch", op.otherwise, otherwise),
    ):
        inner = g.inner()
        branches[key] = inner.proto(graph.name, inner.lower_graph(graph, given))
    return _tuple(g.op("If", [condition], outputs=len(op.then.outputs), **branches))


def _tuple(names: Any) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _length(g: Any, x: str) -> Any:
    """Size of axis 0 as an int64 scalar."""
    size = g.shape(x)[0]
    if isinstance(size, int):
        return g.const(np.int64(size))
    return g.Squeeze(g.Gather(g.Shape(x), g.ints([0]), axis=0))


def _filled(g: Any, x: str, type: TensorType, n: str, total: str, flip: bool) -> Any:
    """Rows (n, ...) filled up with zeros to (total, ...); `flip`: they came last first."""
    rest = g.shape_vector(type.known_shape) if type.known_shape else ""
    one = g.ints([0])

    def rows(number: str) -> Any:
        size = g.Unsqueeze(number, one)
        return g.Concat(size, rest, axis=0) if rest else size

    # a loop without a step does not know the sizes of its rows
    x = g.Reshape(x, rows(n), allowzero=1 if g.opset >= 14 else None)
    if flip:
        least = np.iinfo(np.int64).min
        x = g.Slice(x, g.ints([-1]), g.ints([least]), g.ints([0]), g.ints([-1]))
    zero = np.zeros((1,), type.dtype)
    blank = g.ConstantOfShape(rows(g.Sub(total, n)), value=zero)
    return g.Concat(x, blank, axis=0)
