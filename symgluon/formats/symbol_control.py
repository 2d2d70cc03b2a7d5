"""Loops and branches of symbol files: ``_foreach``, ``_while_loop``, ``_cond`` with subgraphs.

The attributes say where the inputs of the node are among the variables of the subgraphs, which
stand in the order of their nodes (facts read from files that MXNet 1.9.1 writes):

* ``_foreach``: ``in_data_locs``, ``in_state_locs``, ``remain_locs``: the variable that each data
  array, state and other input is;
* ``_while_loop``: ``cond_input_locs`` and ``func_input_locs``: the input that each variable is;
  ``func_var_locs``: the variables of the body that are loop variables;
* ``_cond``: ``cond_input_locs``, ``then_input_locs``, ``else_input_locs``: as above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symgluon.errors import FormatError
from symgluon.formats.symbol_records import NodeRecord
from symgluon.ir.attrs import literal
from symgluon.ops.control_flow import cond, foreach, while_loop

Program = Callable[[Sequence[Any]], list[Any]]  # arrays of the variables to results


def bind_control(node: NodeRecord, programs: Sequence[Program]) -> Callable[..., list[Any]]:
    """Return the function that a control flow node is.

    Parameters
    ----------
    programs : sequence of callable
        The subgraphs.

    Raises
    ------
    FormatError
        If attributes are missing or contradict the subgraphs.
    """
    wanted = {"_foreach": 1, "_while_loop": 2, "_cond": 3}[node.op]
    if len(programs) != wanted:
        raise FormatError(
            f"node {node.name}: {node.op} has {len(programs)} subgraphs, expected {wanted}",
            hint="MXNet 2.0 leaves the attributes of loops out of its files; export from 1.9",
        )
    kind = {"_foreach": _foreach, "_while_loop": _while_loop, "_cond": _cond}[node.op]
    return kind(node, programs)


def _places(node: NodeRecord, key: str, variables: int, below: int) -> list[int]:
    """A list of positions, each below a bound."""
    try:
        found = [int(n) for n in literal(node.attrs[key])]
    except (KeyError, TypeError, ValueError):
        raise FormatError(
            f"node {node.name}: {node.op} needs the attribute {key}, a list of positions; it has "
            f"{node.attrs.get(key)!r}"
        ) from None
    if any(not 0 <= n < below for n in found):
        raise FormatError(f"node {node.name}: {key}={found} points beyond {below} places")
    if variables >= 0 and len(found) != variables:
        raise FormatError(
            f"node {node.name}: {key} has {len(found)} positions for {variables} variables"
        )
    return found


def _number(node: NodeRecord, key: str) -> int:
    try:
        return int(node.attrs[key])
    except (KeyError, ValueError):
        raise FormatError(
            f"node {node.name}: {node.op} needs the number {key}; it has {node.attrs.get(key)!r}"
        ) from None


def _variables(node: NodeRecord, number: int) -> int:
    return len(node.subgraphs[number].arg_nodes)


def _foreach(node: NodeRecord, programs: Sequence[Program]) -> Callable[..., list[Any]]:
    (body,) = programs
    total = _variables(node, 0)
    data = _places(node, "in_data_locs", -1, total)
    states = _places(node, "in_state_locs", -1, total)
    rest = _places(node, "remain_locs", -1, total)
    outputs = _number(node, "num_out_data")

    def call(*inputs: Any) -> list[Any]:
        k, m = len(data), len(data) + len(states)

        def step(slices: Any, current: Any) -> tuple[Any, Any]:
            given: list[Any] = [None] * total
            for places, arrays in ((data, slices), (states, current), (rest, inputs[m:])):
                for place, array in zip(places, arrays, strict=False):
                    given[place] = array
            results = body(given)
            return results[:outputs], results[outputs:]

        outs, last = foreach(step, list(inputs[:k]), list(inputs[k:m]))
        return [*outs, *last]

    return call


def _while_loop(node: NodeRecord, programs: Sequence[Program]) -> Callable[..., list[Any]]:
    condition, body = programs
    test = _places(node, "cond_input_locs", _variables(node, 0), len(node.inputs))
    func = _places(node, "func_input_locs", _variables(node, 1), len(node.inputs))
    own = _places(node, "func_var_locs", -1, len(func))
    outputs = _number(node, "num_out_data")
    limit = _number(node, "max_iterations")
    sources = [func[place] for place in own]  # inputs that are the first loop variables

    def call(*inputs: Any) -> list[Any]:
        def holds(*variables: Any) -> Any:
            known = dict(zip(sources, variables, strict=True))
            return condition([known.get(i, inputs[i]) for i in test])[0]

        def step(*variables: Any) -> tuple[Any, Any]:
            given = [inputs[i] for i in func]
            for place, variable in zip(own, variables, strict=True):
                given[place] = variable
            results = body(given)
            return results[:outputs], results[outputs:]

        outs, last = while_loop(holds, step, [inputs[i] for i in sources], limit)
        return [*outs, *last]

    return call


def _cond(node: NodeRecord, programs: Sequence[Program]) -> Callable[..., list[Any]]:
    keys = ("cond_input_locs", "then_input_locs", "else_input_locs")
    places = [
        _places(node, key, _variables(node, i), len(node.inputs)) for i, key in enumerate(keys)
    ]

    def call(*inputs: Any) -> list[Any]:
        test, then, otherwise = [[inputs[i] for i in found] for found in places]
        chosen = programs[0](test)[0]
        return list(cond(chosen, lambda: programs[1](then), lambda: programs[2](otherwise)))

    return call
