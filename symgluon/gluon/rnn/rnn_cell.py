"""Recurrent cells and their combinations (MXNet's ``gluon.rnn``), under MXNet's module name."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.nn.common import call, like
from symgluon.gluon.rnn.cell_containers import (
    BidirectionalCell,
    DropoutCell,
    HybridSequentialRNNCell,
    ModifierCell,
    ResidualCell,
    SequentialRNNCell,
    VariationalDropoutCell,
    ZoneoutCell,
)
from symgluon.gluon.rnn.gated_cells import GRUCell, LSTMCell, LSTMPCell, RNNCell
from symgluon.gluon.rnn.recurrent import HybridRecurrentCell, RecurrentCell, mask_steps
from symgluon.ops import legacy_nn
from symgluon.ops.apply import F

__all__ = [
    "BidirectionalCell",
    "DropoutCell",
    "GRUCell",
    "HybridRecurrentCell",
    "HybridSequentialRNNCell",
    "LSTMCell",
    "LSTMPCell",
    "ModifierCell",
    "RNNCell",
    "RecurrentCell",
    "ResidualCell",
    "SequentialRNNCell",
    "VariationalDropoutCell",
    "ZoneoutCell",
]


def dynamic_unroll(
    cell: Any,
    inputs: Any,
    begin_state: Any,
    drop_inputs: float = 0,
    drop_outputs: float = 0,
    layout: str = "TNC",
    valid_length: Any = None,
) -> tuple[Any, Any]:
    """Run a cell over a sequence as one loop (`npx.foreach`), whose length may vary.

    Parameters
    ----------
    inputs : array
        (T, N, C), or (N, T, C) with layout NTC.
    begin_state : array or nested lists of arrays
        States before the first step.
    drop_inputs, drop_outputs : float
        Rates of dropout with one mask for all steps.
    valid_length : array, optional
        Steps of each sample; outputs beyond are 0, states stay.

    Returns
    -------
    outputs : array
        In the layout of the inputs.
    states : as `begin_state`
        After the last step.
    """
    from symgluon.numpy_extension import foreach

    axis = layout.find("T")
    if drop_inputs:
        inputs = call(legacy_nn.dropout, inputs, p=drop_inputs, axes=(axis,))
    if axis == 1:
        inputs = call(F.swapaxes, inputs, axis1=0, axis2=1)
    if valid_length is None:
        outputs, states = foreach(cell, inputs, begin_state)
    else:
        outputs, states = _foreach_valid(cell, inputs, begin_state, valid_length)
    if drop_outputs:
        outputs = call(legacy_nn.dropout, outputs, p=drop_outputs, axes=(0,))
    if axis == 1:
        outputs = call(F.swapaxes, outputs, axis1=0, axis2=1)
    if valid_length is not None:
        outputs = mask_steps(outputs, valid_length, axis)
    return outputs, states


def _foreach_valid(cell: Any, inputs: Any, begin_state: Any, valid_length: Any) -> tuple[Any, Any]:
    """Loop in which the states of a sample stay once its steps are over."""
    from symgluon.numpy_extension import foreach

    single = not isinstance(begin_state, list | tuple)
    start = call(F.zeros_like, valid_length)

    def body(x: Any, carried: Any) -> Any:
        step, old = carried[0], list(carried[1:])
        out, new = cell(x, old[0] if single else old)
        running = call(F.less, step, valid_length)
        kept = [_choose(running, n, o) for n, o in zip([new] if single else new, old, strict=True)]
        return out, [step + 1, *kept]

    outputs, carried = foreach(body, inputs, [start, *([begin_state] if single else begin_state)])
    states = list(carried[1:])
    return outputs, states[0] if single else states


def _choose(running: Any, new: Any, old: Any) -> Any:
    """New states of samples that go on, old ones of the others."""
    shape = (running.shape[0], *(1 for _ in new.shape[1:]))
    return like(new, F.where(F.reshape(running, shape=shape), new, old))
