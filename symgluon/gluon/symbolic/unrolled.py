"""Unrolling cells of ``gluon.rnn`` over symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon import symbol
from symgluon.errors import SymgluonError
from symgluon.gluon import rnn
from symgluon.gluon.rnn.cell_containers import _Chain
from symgluon.gluon.rnn.recurrent import RecurrentCell
from symgluon.symbol.symbol import Symbol


class _InputsError(SymgluonError, ValueError, AssertionError):
    """Inputs that cannot be cut into steps: an AssertionError in MXNet."""


def steps_of(inputs: Any, length: int, axis: int) -> list[Any]:
    """Return the symbol of each step.

    Parameters
    ----------
    inputs : Symbol or list of Symbol
        Of all steps in one, which is split, or one for each.
    length : int
        Number of steps.
    axis : int
        That of time.

    Returns
    -------
    list of Symbol
        One for each step.

    Raises
    ------
    ValueError
        For another number of symbols, and for a group.
    """
    if isinstance(inputs, Symbol):
        if len(inputs) != 1:
            raise _InputsError(
                f"unroll: the inputs are a group of {len(inputs)} outputs",
                hint="give list(inputs), one symbol for each step",
            )
        parts = symbol.split(inputs, axis=axis, num_outputs=length, squeeze_axis=1)
        return list(parts)
    found = list(inputs)
    if len(found) != length:
        raise _InputsError(f"unroll: {len(found)} inputs for {length} steps")
    return found


def _as_asked(found: Any, length: int, axis: int, merge: bool | None) -> Any:
    """One symbol of all steps or a list of them, as they are if nothing is asked for."""
    if merge and not isinstance(found, Symbol):
        return symbol.stack(*found, axis=axis)
    if merge is False and isinstance(found, Symbol):
        return steps_of(found, length, axis)
    return found


def _masked(found: Any, length: int, valid: Any, axis: int, merge: bool | None) -> Any:
    whole = found if isinstance(found, Symbol) else symbol.stack(*found, axis=axis)
    out = symbol.SequenceMask(whole, sequence_length=valid, use_sequence_length=True, axis=axis)
    if merge:
        return out
    return list(symbol.split(out, num_outputs=length, axis=axis, squeeze_axis=True))


def _begin(cell: Any, states: Any) -> list[Any]:
    return list(cell.begin_state(func=symbol.zeros, batch_size=0) if states is None else states)


def _reversed(steps: list[Any], valid: Any) -> list[Any]:
    if valid is None:
        return steps[::-1]
    turned = symbol.SequenceReverse(
        symbol.stack(*steps, axis=0), sequence_length=valid, use_sequence_length=True
    )
    return list(symbol.split(turned, axis=0, num_outputs=len(steps), squeeze_axis=True))


# ---- rules by class --------------------------------------------------------------------------------
def _each_step(
    cell: Any, length: int, inputs: Any, states: Any, layout: str, merge: bool | None, valid: Any
) -> tuple[Any, list[Any]]:
    cell.reset()
    axis = layout.find("T")
    steps = steps_of(inputs, length, axis)
    states = _begin(cell, states)
    outputs, history = [], []
    for x in steps:
        out, states = cell(x, states)
        outputs.append(out)
        history.append(states)
    if valid is None:
        return _as_asked(outputs, length, axis, merge), states
    finals = [
        symbol.SequenceLast(
            symbol.stack(*each, axis=0), sequence_length=valid, use_sequence_length=True, axis=0
        )
        for each in zip(*history, strict=True)
    ]
    return _as_asked(_masked(outputs, length, valid, axis, True), length, axis, merge), finals


def _chain(
    cell: Any, length: int, inputs: Any, states: Any, layout: str, merge: bool | None, valid: Any
) -> tuple[Any, list[Any]]:
    cell.reset()
    states = _begin(cell, states)
    finals: list[Any] = []
    cells = list(cell._children.values())
    for child in cells:
        count = len(child.state_info())
        asked = merge if child is cells[-1] else None
        inputs, found = child.unroll(
            length, inputs, states[:count], layout=layout, merge_outputs=asked, valid_length=valid
        )
        states = states[count:]
        finals.extend(found)
    return inputs, finals


def _dropout(
    cell: Any, length: int, inputs: Any, states: Any, layout: str, merge: bool | None, valid: Any
) -> tuple[Any, list[Any]]:
    cell.reset()
    inputs = _as_asked(inputs, length, layout.find("T"), merge)
    if not isinstance(inputs, Symbol):
        return _each_step(cell, length, inputs, states, layout, merge, None)
    from symgluon.gluon.symbolic.recurrent import _dropout_cell

    found: tuple[Any, list[Any]] = _dropout_cell(cell, symbol, inputs, states or [])
    return found


def _residual(
    cell: Any, length: int, inputs: Any, states: Any, layout: str, merge: bool | None, valid: Any
) -> tuple[Any, list[Any]]:
    cell.reset()
    axis = layout.find("T")
    outputs, finals = cell.base_cell.unroll(
        length, inputs, states, layout=layout, merge_outputs=merge, valid_length=valid
    )
    merge = isinstance(outputs, Symbol) if merge is None else merge
    inputs = _as_asked(inputs, length, axis, merge)
    if valid is not None:
        inputs = _masked(inputs, length, valid, axis, merge)
    if merge:
        return symbol.elemwise_add(outputs, inputs), finals
    return [symbol.elemwise_add(a, b) for a, b in zip(outputs, inputs, strict=True)], finals


def _variational(
    cell: Any, length: int, inputs: Any, states: Any, layout: str, merge: bool | None, valid: Any
) -> tuple[Any, list[Any]]:
    """Without dropout of states, inputs and outputs of all steps are masked at once."""
    if cell.drop_states:
        return _each_step(cell, length, inputs, states, layout, merge, valid)
    cell.reset()
    axis = layout.find("T")
    whole = _as_asked(inputs, length, axis, True)
    states = _begin(cell, states)
    if cell.drop_inputs:
        whole = symbol.Dropout(whole, p=cell.drop_inputs, axes=(axis,))
    outputs, finals = cell.base_cell.unroll(
        length, whole, states, layout=layout, merge_outputs=True, valid_length=valid
    )
    if cell.drop_outputs:
        outputs = symbol.Dropout(outputs, p=cell.drop_outputs, axes=(axis,))
    merge = True if merge is None else merge
    outputs = _as_asked(outputs, length, axis, merge)
    if valid is not None:
        outputs = _masked(outputs, length, valid, axis, merge)
    return outputs, finals


def _bidirectional(
    cell: Any, length: int, inputs: Any, states: Any, layout: str, merge: bool | None, valid: Any
) -> tuple[Any, list[Any]]:
    cell.reset()
    axis = layout.find("T")
    steps = steps_of(inputs, length, axis)
    backwards = _reversed(steps, valid)
    states = _begin(cell, states)
    count = len(cell.l_cell.state_info())
    left, l_finals = cell.l_cell.unroll(
        length, steps, states[:count], layout=layout, merge_outputs=merge, valid_length=valid
    )
    right, r_finals = cell.r_cell.unroll(
        length, backwards, states[count:], layout=layout, merge_outputs=False, valid_length=valid
    )
    right = _reversed(right, valid)
    merge = isinstance(left, Symbol) if merge is None else merge
    head = cell._output_prefix
    if merge:
        right = symbol.stack(*right, axis=axis) if isinstance(right, list) else right
        outputs = symbol.concat(left, right, dim=2, name=f"{head}out")
    else:
        outputs = [
            symbol.concat(a, b, dim=1, name=f"{head}t{i}")
            for i, (a, b) in enumerate(zip(left, right, strict=True))
        ]
    if valid is not None:
        outputs = _masked(outputs, length, valid, axis, merge)
    return outputs, l_finals + r_finals


_RULES: dict[type, Callable[..., tuple[Any, list[Any]]]] = {
    _Chain: _chain,
    rnn.DropoutCell: _dropout,
    rnn.ResidualCell: _residual,
    rnn.VariationalDropoutCell: _variational,
    rnn.BidirectionalCell: _bidirectional,
    RecurrentCell: _each_step,
}


def unroll(
    cell: Any, length: int, inputs: Any, begin_state: Any, layout: str, merge: bool | None,
    valid_length: Any,
) -> tuple[Any, list[Any]]:  # fmt: skip
    """Unroll a cell over symbols.

    Parameters
    ----------
    cell : RecurrentCell
        The cell.
    length, inputs, begin_state, layout, merge, valid_length : object
        As of :meth:`RecurrentCell.unroll`.

    Returns
    -------
    tuple
        Outputs, and the states at the end.
    """
    rule = next(_RULES[base] for base in type(cell).__mro__ if base in _RULES)
    return rule(cell, length, inputs, begin_state, layout, merge, valid_length)
