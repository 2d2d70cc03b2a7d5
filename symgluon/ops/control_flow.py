"""Loops and branches on arrays: `foreach`, `while_loop`, `cond`.

Eagerly they are Python loops and branches.  In a trace the body is traced once, into a graph of its
own, and the loop or branch is one operator (:mod:`symgluon.ops.control`); arrays of outside that
the body writes are states of the loop.  A loop whose body draws random numbers is unrolled, so that
the draws are those of eager code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symgluon.errors import ShapeError
from symgluon.ir.dims import same
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.control_trace import (
    as_like,
    blank_outputs,
    build,
    flatten,
    flatten_outputs,
    pair,
    scalar_bool,
    traced_cond,
    traced_foreach,
    traced_while_loop,
)
from symgluon.ops.state import state

__all__ = ["cond", "foreach", "while_loop"]


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

    Raises
    ------
    ShapeError
        If there is nothing to run over, or the lengths differ.
    TypeError
        If the data, states or results are not arrays, or the body does not return two results.
    TraceError
        In a trace, if a new state differs from the state before in shape or dtype.
    """
    arrays: list[Any] = []
    structure = flatten(data, arrays, "foreach: data")
    flatten(init_states, [], "foreach: init_states")
    if not arrays:
        raise ShapeError("foreach needs data to run over")
    if any(not a.shape for a in arrays):
        raise ShapeError(
            "foreach: the data has no axis 0 to run over", received=[a.shape for a in arrays]
        )
    length = arrays[0].shape[0]
    if any(not same(a.shape[0], length) and a.shape[0] != length for a in arrays):
        raise ShapeError(
            "foreach: the arrays have different lengths", received=[a.shape for a in arrays]
        )
    if isinstance(length, int) and not length:
        raise ShapeError("foreach: the data has no elements along axis 0")
    if state.region is not None:
        found = traced_foreach(body, structure, arrays, init_states)
        if found is not None:
            return found
    return _unrolled(body, structure, arrays, init_states)


def _unrolled(
    body: Callable[..., Any], structure: Any, arrays: Sequence[Any], states: Any
) -> tuple[Any, Any]:
    collected: list[list[Any]] = []
    shape: Any = None
    for i in range(int(arrays[0].shape[0])):
        slices = [as_like(F.index(a, (i,)), a) for a in arrays]
        found = body(build(structure, slices), states)
        outputs, states = pair(found, "foreach: the body", "states")
        flatten(states, [], "foreach: the states of the body")
        step: list[Any] = []
        shape = flatten(outputs, step, "foreach: the outputs of the body")
        collected.append(step)
    return build(shape, [_stacked(column) for column in zip(*collected, strict=True)]), states


def _stacked(column: Sequence[Any]) -> Any:
    return as_like(F.stack(*column, axis=0), column[0])


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
    loop_vars : array or nested lists of arrays

    Returns
    -------
    outputs, variables
        Outputs of all steps stacked along axis 0 and filled up with zeros to `max_iterations`,
        and the last values of the variables.

    Raises
    ------
    ValueError
        Without `max_iterations`, or if it is negative.
    TypeError
        If the variables or results are not arrays, or `func` does not return two results.
    ShapeError
        If the condition has more than one element.
    """
    if max_iterations is None:
        raise ValueError("max_iterations should be specified")
    limit = int(max_iterations)
    if limit < 0:
        raise ValueError(f"while_loop: max_iterations must not be negative, it is {limit}")
    single = isinstance(loop_vars, Array)
    variables: list[Any] = []
    structure = flatten([loop_vars] if single else loop_vars, variables, "while_loop: loop_vars")

    def holds(*flat: Any) -> Any:
        return cond(*build(structure, flat))

    def step(*flat: Any) -> tuple[Any, list[Any]]:
        found = func(*build(structure, flat))
        outputs, new = pair(found, "while_loop: func", "variables")
        leaves: list[Any] = []
        flatten(new, leaves, "while_loop: the variables of func")
        return outputs, leaves

    traced = None
    if state.region is not None:
        traced = traced_while_loop(holds, step, variables, limit)
        if traced is None:
            traced = _masked_loop(holds, step, variables, limit)
    found, last = traced or _eager_loop(holds, step, variables, limit)
    rebuilt = build(structure, last)
    return found, rebuilt[0] if single else rebuilt


def _step(func: Callable[..., Any], variables: list[Any]) -> tuple[Any, list[Any], list[Any]]:
    outputs, new = func(*variables)
    leaves: list[Any] = []
    return flatten_outputs(outputs, leaves), leaves, new


def _eager_loop(
    cond: Callable[..., Any], func: Callable[..., Any], variables: list[Any], limit: int
) -> tuple[Any, list[Any]]:
    collected: list[list[Any]] = []
    structure: Any = None
    while len(collected) < limit and bool(scalar_bool(cond(*variables), "while_loop")):
        structure, leaves, variables = _step(func, variables)
        collected.append(leaves)
    if not collected:
        structure, columns = blank_outputs(func, variables, limit)
        return build(structure, columns), variables
    columns = []
    for column in zip(*collected, strict=True):
        blank = [F.zeros_like(column[0])] * (limit - len(collected))
        columns.append(as_like(F.stack(*column, *blank, axis=0), column[0]))
    return build(structure, columns), variables


def _masked_loop(
    cond: Callable[..., Any], func: Callable[..., Any], variables: list[Any], limit: int
) -> tuple[Any, list[Any]]:
    """All steps, whose results count while the condition held: for bodies that draw."""
    active: Any = None
    collected: list[list[Any]] = []
    structure: Any = None
    for _ in range(limit):
        holds = scalar_bool(cond(*variables), "while_loop")
        active = holds if active is None else F.logical_and(active, holds)
        structure, leaves, new = _step(func, variables)
        collected.append([_choose(active, x, F.zeros_like(x)) for x in leaves])
        variables = [_choose(active, n, v) for n, v in zip(new, variables, strict=True)]
    columns = [_stacked(column) for column in zip(*collected, strict=True)]
    return build(structure, columns), variables


def _choose(condition: Any, new: Any, old: Any) -> Any:
    return as_like(F.where(condition, new, old), new)


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

    Raises
    ------
    ShapeError
        If the condition has more than one element.
    TypeError
        In a trace, if a branch gives anything but arrays.
    TraceError
        In a trace, if the branches give results of different structure, shape or dtype.
    """
    if inputs is None:
        arguments: list[Any] = []
    else:
        arguments = [inputs] if isinstance(inputs, Array) else list(inputs)
    chosen = scalar_bool(pred(*arguments) if callable(pred) else pred, "cond")
    if not isinstance(chosen, Array):
        return then_func(*arguments) if chosen else else_func(*arguments)
    return traced_cond(chosen, then_func, else_func, arguments)
