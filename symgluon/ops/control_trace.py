"""Bodies of loops and branches as graphs: traced once, with what they capture and write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.errors import ShapeError, TraceError
from symgluon.ir.dims import DimScope, user_line
from symgluon.ir.graph import Graph, Value
from symgluon.ir.op import RANDOM
from symgluon.ir.printer import all_bodies
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F, apply
from symgluon.ops.array import Array
from symgluon.ops.control import Cond, Foreach, WhileLoop
from symgluon.ops.control_grad import define_dims
from symgluon.ops.region import Region, resolve_dims
from symgluon.ops.state import state


# ---- nested arrays -----------------------------------------------------------------------------
def flatten(nested: Any, leaves: list[Any], what: str) -> Any:
    """Append the arrays of nested lists to `leaves`; returns the structure.

    Raises a TypeError that names `what` if there is anything else in the lists.
    """
    if nested is None:
        return None
    if isinstance(nested, list | tuple):
        return [flatten(n, leaves, what) for n in nested]
    if not isinstance(nested, Array):
        raise TypeError(
            f"{what} must be arrays, in lists or alone, not {type(nested).__module__}."
            f"{type(nested).__name__}; make an array of it, such as np.array(...)"
        )
    leaves.append(nested)
    return "*"


def pair(found: Any, what: str, second: str) -> tuple[Any, Any]:
    """Return the two results of a loop body."""
    if not isinstance(found, list | tuple) or len(found) != 2:
        given = f"{len(found)} results" if isinstance(found, list | tuple) else "one result"
        raise TypeError(f"{what} must return (outputs, {second}); it returned {given}")
    return found[0], found[1]


def build(structure: Any, leaves: Sequence[Any]) -> Any:
    """Put arrays back into a structure."""
    queue = list(leaves)

    def fill(part: Any) -> Any:
        if part is None:
            return None
        return [fill(p) for p in part] if isinstance(part, list) else queue.pop(0)

    return fill(structure)


def flatten_outputs(outputs: Any, leaves: list[Any]) -> Any:
    """Flatten the outputs of a step of `while_loop`, which may have none."""
    what = "while_loop: the outputs of func"
    return flatten([] if outputs is None else outputs, leaves, what)


def as_like(result: Any, like: Any) -> Any:
    """Give `result` the class and device of `like`."""
    result.__class__ = type(like)
    result._device = like._device
    return result


def scalar_bool(value: Any, what: str) -> Any:
    """Return a condition as a 0-d bool: an array in a trace, else a NumPy bool."""
    content = value._content() if isinstance(value, Array) else value
    try:
        if not isinstance(content, Value):
            return np.reshape(content, ()).astype(bool)
        flat = F.reshape(value, shape=())
    except ValueError as err:
        raise ShapeError(
            f"{what}: the condition must have one element, it has shape {value.shape}",
            hint="reduce it with any() or all()",
        ) from err
    return flat if flat.dtype == bool else F.not_equal(flat, 0)


# ---- bodies ------------------------------------------------------------------------------------
class _Body(NamedTuple):
    """A traced body: what it captured (cells of outside) and wrote."""

    graph: Graph
    captured: list[Array]
    written: list[Array]
    results: int  # outputs before the written cells

    @property
    def draws(self) -> bool:
        """Whether it has random draws, which a loop would repeat in its gradient."""
        parts = (self.graph, *all_bodies(self.graph))
        return any(RANDOM in node.op.effects for part in parts for node in part.nodes)


def _argument(region: Region, name: str, like: Any, shape: Sequence[Any]) -> Any:
    handle = region.argument(name, TensorType(tuple(shape), like.dtype), type(like))
    handle._device = like._device
    return handle


def _trace(name: str, run: Callable[[Region], Sequence[Any]], formals: int) -> _Body:
    """Trace `run`, which makes `formals` arguments and returns the results.

    The inputs of the graph are the arguments, the cells that are written (their content before),
    the cells that are only read; its outputs the results and the new contents of written cells.
    """
    outer = state.region
    if outer is None:
        raise RuntimeError("a body is traced inside a trace")
    region = Region(name, outer.scope, parent=outer)
    region.functions = False  # a body is one graph
    with region.active():
        results = list(run(region))
        graph = region.close(results)
    resolve_dims(graph, outer.scope)
    cells = {value: cell for cell, value in region.captures.values()}
    arguments = [v for v in graph.inputs if v not in cells]
    if len(arguments) != formals:
        raise RuntimeError(f"{name}: {len(arguments)} arguments, expected {formals}")
    targets = [graph.writes[i] for i in sorted(graph.writes)]
    read = [v for v in graph.inputs if v in cells and v not in targets]
    graph.writes = {}
    graph.inputs = [*arguments, *targets, *read]
    return _Body(graph, [cells[v] for v in read], [cells[v] for v in targets], len(results))


def blank_outputs(function: Callable[..., Any], variables: Sequence[Any], rows: int) -> Any:
    """Outputs of a `while_loop` without a step: structure, and zeros (rows, ...) for each.

    The function is traced for the types of its outputs, so it has no effect.
    """
    region = Region("while_body", DimScope())
    with region.active():
        outputs, _ = function(*[_argument(region, "variable", v, v.shape) for v in variables])
        leaves: list[Any] = []
        structure = flatten_outputs(outputs, leaves)
        types = [x._content().type for x in leaves]
    zeros = [
        as_like(F.full(np.zeros((), t.dtype), shape=(rows, *t.known_shape)), x)
        for t, x in zip(types, leaves, strict=True)
    ]
    return structure, zeros


def _checked(what: str, new: Sequence[Any], old: Sequence[Any]) -> list[Any]:
    """New states, which must have the types of the old ones."""
    if len(new) != len(old):
        raise TraceError(
            f"{what}: the body gives {len(new)} states, it takes {len(old)}", where=user_line()
        )
    for i, (a, b) in enumerate(zip(new, old, strict=True)):
        if a.dtype != b.dtype or tuple(a.shape) != tuple(b.shape):
            raise TraceError(
                f"{what}: state {i} changes its type from {b.dtype} {b.shape} to "
                f"{a.dtype} {a.shape}",
                where=user_line(),
                hint="states keep shape and dtype from step to step",
            )
    return list(new)


def _apply(op: Any, operands: Sequence[Any]) -> list[Any]:
    found = apply(op, *operands)
    return list(found) if isinstance(found, tuple) else [found]


def _write_back(cells: Sequence[Array], results: Sequence[Any]) -> None:
    for cell, result in zip(cells, results, strict=True):
        cell._assign(result)


def _like(results: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    return [as_like(r, x) for r, x in zip(results, like, strict=False)]


# ---- loops -------------------------------------------------------------------------------------
def traced_foreach(
    function: Callable[..., Any], structure: Any, arrays: Sequence[Any], init_states: Any
) -> tuple[Any, Any] | None:
    """`foreach` as one operator; None if the body draws random numbers."""
    first: list[Any] = []
    state_structure = flatten(init_states, first, "foreach: init_states")
    made: dict[str, Any] = {}

    def run(region: Region) -> list[Any]:
        slices = [_argument(region, "slice", a, a.shape[1:]) for a in arrays]
        states = [_argument(region, "state", s, s.shape) for s in first]
        found = function(build(structure, slices), build(state_structure, states))
        outputs, new = pair(found, "foreach: the body", "states")
        leaves: list[Any] = []
        made["outputs"] = flatten(outputs, leaves, "foreach: the outputs of the body")
        after: list[Any] = []
        made["states"] = flatten(new, after, "foreach: the states of the body")
        made["like"] = leaves
        return [*_checked("foreach", after, states), *leaves]

    body = _trace("foreach_body", run, len(arrays) + len(first))
    if body.draws:
        return None
    k = len(first)
    graph = body.graph
    outputs = graph.outputs
    graph.set_outputs([*outputs[:k], *outputs[body.results :], *outputs[k : body.results]])
    sizes = define_dims([graph], [*arrays, *first, *body.written])
    states = [*first, *body.written]
    loop = Foreach(body=graph, scans=len(arrays), states=len(states), saves=state.training)
    found = _apply(loop, [*arrays, *states, *body.captured, *sizes])
    _write_back(body.written, found[k : len(states)])
    stacked = found[len(states) : len(states) + len(made["like"])]
    return (
        build(made["outputs"], _like(stacked, made["like"])),
        build(made["states"], _like(found[:k], first)),
    )


def traced_while_loop(
    condition: Callable[..., Any],
    function: Callable[..., Any],
    variables: Sequence[Any],
    limit: int,
) -> tuple[Any, list[Any]] | None:
    """`while_loop` as one operator; None if the body draws random numbers."""
    made: dict[str, Any] = {}

    def run(region: Region) -> list[Any]:
        states = [_argument(region, "variable", v, v.shape) for v in variables]
        outputs, after = function(*states)
        leaves: list[Any] = []
        made["outputs"] = flatten_outputs(outputs, leaves)
        made["like"] = leaves
        return [*_checked("while_loop", after, states), *leaves]

    def holds(region: Region) -> list[Any]:
        states = [_argument(region, "variable", v, v.shape) for v in variables]
        return [_in_trace(scalar_bool(condition(*states), "while_loop"))]

    body = _trace("while_body", run, len(variables))
    test = _trace("while_condition", holds, len(variables))
    if body.draws or test.draws:
        return None
    if test.written:
        raise TraceError("while_loop: the condition writes to an array", where=user_line())
    k = len(variables)
    graph = body.graph
    outputs = graph.outputs
    graph.set_outputs([*outputs[:k], *outputs[body.results :], *outputs[k : body.results]])
    _share_variables(test, body, k)
    everything = [*variables, *body.written]
    sizes = define_dims([graph], [*everything, *body.captured, *test.captured])
    more = define_dims([test.graph], [*everything, *body.captured, *test.captured])
    loop = WhileLoop(
        condition=test.graph, body=graph, variables=len(everything),
        captured=len(test.captured) + len(more), max_iterations=limit, saves=state.training,
    )  # fmt: skip
    operands = [*everything, *test.captured, *more, *body.captured, *sizes]
    found = _apply(loop, operands)
    _write_back(body.written, found[k : len(everything)])
    stacked = found[len(everything) : len(everything) + len(made["like"])]
    return (
        build(made["outputs"], _like(stacked, made["like"])),
        _like(found[:k], variables),
    )


def _share_variables(test: _Body, body: _Body, k: int) -> None:
    """Give the condition the cells that the body writes as variables too."""
    inputs = test.graph.inputs
    by_cell = dict(zip(map(id, test.captured), inputs[k:], strict=True))
    extra: list[Value] = []
    for cell in body.written:
        value = by_cell.get(id(cell))
        if value is None:
            value = test.graph.add_input("variable", cell.type)
        extra.append(value)
    written = {id(cell) for cell in body.written}
    rest = [
        (c, v) for c, v in zip(test.captured, inputs[k:], strict=False) if id(c) not in written
    ]
    test.captured[:] = [c for c, _ in rest]
    test.graph.inputs = [*inputs[:k], *extra, *[v for _, v in rest]]


def _in_trace(value: Any) -> Any:
    return value if isinstance(value, Array) else F.identity(value)


# ---- branches ----------------------------------------------------------------------------------
def traced_cond(
    condition: Any,
    then: Callable[..., Any],
    otherwise: Callable[..., Any],
    arguments: Sequence[Any],
) -> Any:
    """`cond` as one operator; with random draws, both branches are computed and one is chosen."""
    made: dict[str, Any] = {}

    def branch(key: str, function: Callable[..., Any]) -> _Body:
        def run(region: Region) -> list[Any]:
            leaves: list[Any] = []
            made[key] = flatten(function(*arguments), leaves, f"cond: the results of {key}_func")
            made[f"{key} like"] = leaves
            return leaves

        return _trace(f"{key}_branch", run, 0)

    a, b = branch("then", then), branch("else", otherwise)
    _check_branches(made, a, b)
    if a.draws or b.draws:
        return _both(condition, then, otherwise, arguments)
    cells = list({id(c): c for c in (*a.written, *b.written)}.values())
    for body in (a, b):
        _unite_writes(body, cells)
    first = [*a.written, *a.captured]
    second = [*b.written, *b.captured]
    first += define_dims([a.graph], [*first, *second, *arguments])
    second += define_dims([b.graph], [*first, *second, *arguments])
    choose = Cond(then=a.graph, otherwise=b.graph, first=len(first))
    found = _apply(choose, [condition, *first, *second])
    _write_back(cells, found[a.results :])
    return build(made["then"], _like(found[: a.results], made["then like"]))


def _both(
    condition: Any, then: Callable[..., Any], otherwise: Callable[..., Any], arguments: Any
) -> Any:
    first: list[Any] = []
    second: list[Any] = []
    structure = flatten(then(*arguments), first, "cond: the results of then_func")
    flatten(otherwise(*arguments), second, "cond: the results of else_func")
    chosen = [F.where(condition, x, y) for x, y in zip(first, second, strict=True)]
    return build(structure, _like(chosen, first))


def _check_branches(made: dict[str, Any], a: _Body, b: _Body) -> None:
    pairs = zip(a.graph.outputs[: a.results], b.graph.outputs[: b.results], strict=False)
    if made["then"] != made["else"] or any(
        x.type.dtype != y.type.dtype or tuple(x.type.known_shape) != tuple(y.type.known_shape)
        for x, y in pairs
    ):
        raise TraceError(
            "cond: the two branches give results of different structure or type",
            where=user_line(),
            hint="in a trace both branches are graphs; let them give equal shapes and dtypes",
        )


def _unite_writes(body: _Body, cells: Sequence[Array]) -> None:
    """Let a branch return every cell that either writes: unchanged where it does not."""
    graph = body.graph
    own = {id(c): i for i, c in enumerate(body.written)}
    read = {id(c): i for i, c in enumerate(body.captured)}
    inputs = list(graph.inputs)
    outputs = list(graph.outputs)
    results = outputs[: body.results]
    formals: list[Value] = []
    for cell in cells:
        if id(cell) in own:
            formals.append(inputs[own[id(cell)]])
            results.append(outputs[body.results + own[id(cell)]])
            continue
        if id(cell) in read:
            value = inputs[len(body.written) + read[id(cell)]]
        else:
            value = graph.add_input("cell", cell.type)
        formals.append(value)
        results.append(value)
    written = {id(c) for c in cells}
    rest = [
        (c, v)
        for c, v in zip(body.captured, inputs[len(body.written) :], strict=True)
        if id(c) not in written
    ]
    body.written[:] = list(cells)
    body.captured[:] = [c for c, _ in rest]
    graph.inputs = [*formals, *[v for _, v in rest]]
    graph.set_outputs(results)
