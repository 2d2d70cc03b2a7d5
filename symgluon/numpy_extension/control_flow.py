"""Loops and branches on arrays: `foreach`, `while_loop`, `cond`.

Eagerly they are Python loops and branches.  In a trace `foreach` is unrolled over its (known) length,
`while_loop` runs all of its `max_iterations` steps and keeps the results of those whose condition
held, and `cond` computes both branches and chooses; there the functions must not write to arrays
outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symgluon import autograd
from symgluon.errors import ShapeError, TraceError
from symgluon.ir.graph import Value
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.state import state

__all__ = ["cond", "foreach", "while_loop"]


# ---- nested arrays ---------------------------------------------------------------------------------
def _flatten(nested: Any, leaves: list[Any]) -> Any:
    """Append the arrays of nested lists to `leaves`; returns the structure."""
    if nested is None:
        return None
    if isinstance(nested, list | tuple):
        return [_flatten(n, leaves) for n in nested]
    leaves.append(nested)
    return "*"


def _leaves(nested: Any) -> list[Any]:
    found: list[Any] = []
    _flatten(nested, found)
    return found


def _build(structure: Any, leaves: Sequence[Any]) -> Any:
    """Put arrays back into a structure."""
    queue = list(leaves)

    def fill(part: Any) -> Any:
        if part is None:
            return None
        return [fill(p) for p in part] if isinstance(part, list) else queue.pop(0)

    return fill(structure)


def _as(result: Any, like: Any) -> Any:
    result.__class__ = type(like)
    result._device = like._device
    return result


# ---- loops -----------------------------------------------------------------------------------------
def foreach(body: Callable[..., Any], data: Any, init_states: Any) -> tuple[Any, Any]:
    """Run `body` over the slices of `data` along axis 0.

    Parameters
    ----------
    body : callable
        ``(slices, states) -> (outputs, new states)``.
    data : array or nested lists of arrays
        Of one length.
    init_states : array or nested lists of arrays

    Returns
    -------
    outputs, states
        Outputs of all steps stacked along axis 0, and the last states.
    """
    arrays: list[Any] = []
    structure = _flatten(data, arrays)
    if not arrays:
        raise ShapeError("foreach needs data to run over")
    length = int(arrays[0].shape[0])
    if any(int(a.shape[0]) != length for a in arrays):
        raise ShapeError(
            "foreach: the arrays have different lengths", received=[a.shape for a in arrays]
        )
    if not length:
        raise ShapeError("foreach: the data has no elements along axis 0")
    states = init_states
    collected: list[list[Any]] = []
    shape: Any = None
    for i in range(length):
        outputs, states = body(_build(structure, [a[i] for a in arrays]), states)
        step: list[Any] = []
        shape = _flatten(outputs, step)
        collected.append(step)
    return _build(shape, [_stacked(column) for column in zip(*collected, strict=True)]), states


def _stacked(column: Sequence[Any]) -> Any:
    return _as(F.stack(*column, axis=0), column[0])


def while_loop(
    cond: Callable[..., Any],
    func: Callable[..., Any],
    loop_vars: Any,
    max_iterations: int | None = None,
    name: str = "while_loop",
) -> tuple[Any, Any]:
    """Run `func` as long as `cond` holds, at most `max_iterations` times.

    Parameters
    ----------
    cond, func : callable
        Of the loop variables; `func` gives ``(outputs, new variables)``.
    loop_vars : array or list of arrays

    Returns
    -------
    outputs, variables
        Outputs of all steps stacked along axis 0 and filled up with zeros to `max_iterations`,
        and the last values of the variables.

    Raises
    ------
    ValueError
        Without `max_iterations`.
    """
    if max_iterations is None:
        raise ValueError("max_iterations should be specified")
    single = isinstance(loop_vars, Array)
    variables = [loop_vars] if single else list(loop_vars)
    if state.region is not None:
        found, variables = _traced_loop(cond, func, variables, int(max_iterations))
    else:
        found, variables = _eager_loop(cond, func, variables, int(max_iterations))
    return found, variables[0] if single else variables


def _step(func: Callable[..., Any], variables: list[Any]) -> tuple[Any, list[Any], list[Any]]:
    outputs, new = func(*variables)
    leaves: list[Any] = []
    structure = _flatten([] if outputs is None else outputs, leaves)
    return structure, leaves, [new] if isinstance(new, Array) else list(new)


def _eager_loop(
    cond: Callable[..., Any], func: Callable[..., Any], variables: list[Any], limit: int
) -> tuple[Any, list[Any]]:
    collected: list[list[Any]] = []
    structure: Any = None
    while len(collected) < limit and bool(_truth(cond(*variables))):
        structure, leaves, variables = _step(func, variables)
        collected.append(leaves)
    count = len(collected)
    if not count:  # one step for the shapes of the outputs, without effect
        with autograd.pause():
            structure, leaves, _ = _step(func, variables)
        collected = [[F.zeros_like(x) for x in leaves]]
        collected = [[_as(z, x) for z, x in zip(collected[0], leaves, strict=True)]] * limit
    columns = []
    for column in zip(*collected, strict=True):
        blank = [F.zeros_like(column[0])] * (limit - len(collected))
        columns.append(_as(F.stack(*column, *blank, axis=0), column[0]))
    return _build(structure, columns), variables


def _traced_loop(
    cond: Callable[..., Any], func: Callable[..., Any], variables: list[Any], limit: int
) -> tuple[Any, list[Any]]:
    active: Any = None
    collected: list[list[Any]] = []
    structure: Any = None
    for _ in range(limit):
        holds = _scalar_bool(cond(*variables))
        active = holds if active is None else F.logical_and(active, holds)
        structure, leaves, new = _step(func, variables)
        collected.append([_choose(active, x, F.zeros_like(x)) for x in leaves])
        variables = [_choose(active, n, v) for n, v in zip(new, variables, strict=True)]
    columns = [_stacked(column) for column in zip(*collected, strict=True)]
    return _build(structure, columns), variables


def _choose(condition: Any, new: Any, old: Any) -> Any:
    return _as(F.where(condition, new, old), new)


def _scalar_bool(value: Any) -> Any:
    """A condition as a 0-d bool."""
    if not isinstance(value, Array):
        import numpy as np

        return np.asarray(bool(value))
    flat = F.reshape(value, shape=())
    return flat if flat.dtype == bool else F.not_equal(flat, 0)


def _truth(value: Any) -> Any:
    return value.numpy_content("a loop condition") if isinstance(value, Array) else value


# ---- branches --------------------------------------------------------------------------------------
def cond(
    pred: Any,
    then_func: Callable[..., Any],
    else_func: Callable[..., Any],
    inputs: Any = None,
    name: str = "cond",
) -> Any:
    """Return ``then_func(*inputs)`` where `pred` is true, else ``else_func(*inputs)``.

    Parameters
    ----------
    pred : array of one element, or callable
        A callable is called with the inputs.
    inputs : array or list of arrays, optional
        1.x passes none: the functions take no arguments.
    """
    if inputs is None:
        arguments: list[Any] = []
    else:
        arguments = [inputs] if isinstance(inputs, Array) else list(inputs)
    chosen = pred(*arguments) if callable(pred) else pred
    content = chosen._content() if isinstance(chosen, Array) else chosen
    if not isinstance(content, Value):
        return then_func(*arguments) if bool(content) else else_func(*arguments)
    condition = _scalar_bool(chosen)
    first: list[Any] = []
    second: list[Any] = []
    structure = _flatten(then_func(*arguments), first)
    other = _flatten(else_func(*arguments), second)
    if structure != other or any(
        a.ndim != b.ndim or a.dtype != b.dtype for a, b in zip(first, second, strict=False)
    ):
        raise TraceError(
            "cond: the two branches give results of different structure or type",
            hint="both branches are computed in a trace; let them give equal shapes and dtypes",
        )
    return _build(
        structure, [_choose(condition, a, b) for a, b in zip(first, second, strict=True)]
    )
