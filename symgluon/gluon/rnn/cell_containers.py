"""Combinations of cells: stacks, both directions, dropout, zoneout, residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgluon.gluon import naming
from symgluon.gluon.nn.common import call, like
from symgluon.gluon.rnn.recurrent import (
    HybridRecurrentCell,
    RecurrentCell,
    StepMemory,
    as_steps,
    mask_steps,
    merge,
    unroll_symbols,
    unrolls_symbols,
)
from symgluon.ops import legacy_nn
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.state import state as flags

__all__ = [
    "BidirectionalCell",
    "DropoutCell",
    "HybridSequentialRNNCell",
    "ModifierCell",
    "ResidualCell",
    "SequentialRNNCell",
    "VariationalDropoutCell",
    "ZoneoutCell",
]


class _Chain(RecurrentCell):
    """Cells one above the other."""

    def add(self, *cells: Any) -> None:
        """Append cells.

        Parameters
        ----------
        *cells : RecurrentCell
            Above those that are there.
        """
        for cell in cells:
            self.register_child(cell)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """States of all cells for `batch_size` samples."""
        return [i for c in self._children.values() for i in c.state_info(batch_size)]

    def begin_state(self, batch_size: int = 0, func: Any = None, **kwargs: Any) -> list[Any]:
        """Initial states of all cells."""
        return [
            s
            for c in self._children.values()
            for s in c.begin_state(batch_size=batch_size, func=func, **kwargs)
        ]

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step through all cells."""
        new: list[Any] = []
        at = 0
        for cell in self._children.values():
            count = len(cell.state_info())
            inputs, part = cell(inputs, list(states[at : at + count]))
            at += count
            new += part
        return inputs, new

    def __len__(self) -> int:
        return len(self._children)

    def __getitem__(self, i: int) -> Any:
        return list(self._children.values())[i]

    def __repr__(self) -> str:
        lines = "\n".join(f"({name}): {cell!r}" for name, cell in self._children.items())
        return f"{type(self).__name__}(\n{lines}\n)"

    def take_width(self, width: Any) -> Any:
        """Set the size of the input (None: leave it), and return that of the output."""
        for cell in self._children.values():
            width = cell.take_width(width)
        return width

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Any = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: Any = None,
    ) -> tuple[Any, list[Any]]:
        """Run cell by cell over the whole sequence; arguments as `RecurrentCell.unroll`."""
        if unrolls_symbols(self, inputs):
            return unroll_symbols(
                self, length, inputs, begin_state, layout, merge_outputs, valid_length
            )
        self.reset()
        steps, _, batch = as_steps(inputs, length, layout)
        states = self._begin(begin_state, batch, steps[0])
        new: list[Any] = []
        at, last = 0, len(self._children) - 1
        for i, cell in enumerate(self._children.values()):
            count = len(cell.state_info())
            inputs, part = cell.unroll(
                length, inputs, states[at : at + count], layout,
                merge_outputs if i == last else None, valid_length,
            )  # fmt: skip
            at += count
            new += part
        return inputs, new


class SequentialRNNCell(_Chain):
    """Cells one above the other.

    Inputs
    ------
    inputs : array (N, C), float
        One step.
    states : list of arrays (N, ...), float
        Those of the first cell, then of the second, and so on.

    Outputs
    -------
    array (N, H), float
        Output of the last cell.
    list of arrays (N, ...), float
        New states, in the same order.

    Notes
    -----
    Cells are appended by `add`; ``len`` and ``[i]`` go over them.  Source: MXNet's
    ``gluon.rnn.SequentialRNNCell``.

    Examples
    --------
    >>> import symgluon as mx
    >>> net = mx.gluon.rnn.SequentialRNNCell()
    >>> net.add(mx.gluon.rnn.LSTMCell(4), mx.gluon.rnn.GRUCell(2))
    >>> net.initialize()
    >>> outs, states = net.unroll(3, mx.np.ones((1, 3, 5)), merge_outputs=True)
    >>> outs.shape, [s.shape for s in states]
    ((1, 3, 2), [(1, 4), (1, 4), (1, 2)])
    """


class HybridSequentialRNNCell(_Chain, HybridRecurrentCell):
    """Hybrid cells one above the other.

    Inputs
    ------
    inputs : array (N, C), float
        One step.
    states : list of arrays (N, ...), float
        Those of the first cell, then of the second, and so on.

    Outputs
    -------
    array (N, H), float
        Output of the last cell.
    list of arrays (N, ...), float
        New states, in the same order.

    Notes
    -----
    Cells are appended by `add`; ``len`` and ``[i]`` go over them.  Source: MXNet's
    ``gluon.rnn.HybridSequentialRNNCell``.  A cell that is not hybrid is refused with a ValueError.

    Examples
    --------
    >>> import symgluon as mx
    >>> net = mx.gluon.rnn.HybridSequentialRNNCell()
    >>> net.add(mx.gluon.rnn.LSTMCell(4), mx.gluon.rnn.GRUCell(2))
    >>> net.initialize()
    >>> outs, states = net.unroll(3, mx.np.ones((1, 3, 5)), merge_outputs=True)
    >>> outs.shape, [s.shape for s in states]
    ((1, 3, 2), [(1, 4), (1, 4), (1, 2)])
    """


class ModifierCell(HybridRecurrentCell):
    """Base class of cells that change what another cell does.

    A subclass defines ``forward(self, inputs, states)``; states are those of the cell inside.

    Parameters
    ----------
    base_cell : RecurrentCell
        The cell inside.

    Notes
    -----
    Source: MXNet's ``gluon.rnn.ModifierCell``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Twice(mx.gluon.rnn.ModifierCell):
    ...     def forward(self, inputs, states):
    ...         out, states = self.base_cell(inputs, states)
    ...         return out * 2, states
    >>> Twice(mx.gluon.rnn.RNNCell(2))
    Twice(RNNCell(-1 -> 2, tanh))
    """

    def __init__(self, base_cell: Any, **kwargs: Any) -> None:
        if naming.dialect() == "1":
            kwargs.setdefault("prefix", getattr(base_cell, "prefix", "") + self._alias())
        super().__init__(**kwargs)
        self.base_cell = base_cell

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """States of the cell inside for `batch_size` samples."""
        return self.base_cell.state_info(batch_size)  # type: ignore[no-any-return]

    def begin_state(self, batch_size: int = 0, func: Any = None, **kwargs: Any) -> list[Any]:
        """Initial states of the cell inside."""
        return self.base_cell.begin_state(batch_size=batch_size, func=func, **kwargs)  # type: ignore[no-any-return]

    def take_width(self, width: Any) -> Any:
        """Set the size of the input (None: leave it), and return that of the output."""
        return self.base_cell.take_width(width)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_cell!r})"


class DropoutCell(HybridRecurrentCell):
    """Dropout between cells; it has no states.

    Parameters
    ----------
    rate : float
        Probability of zero; the other entries are multiplied by ``1 / (1 - rate)``.
    axes : tuple of int
        Axes along which one entry of the mask counts for all.

    Inputs
    ------
    inputs : array (N, C), float
        One step.
    states : list
        Empty: shape of no array, dtype of none.

    Outputs
    -------
    array (N, C), float
        The input, in training mode with zeros.
    list
        `states` as they are: shape of no array, dtype of none.

    Notes
    -----
    Source: MXNet's ``gluon.rnn.DropoutCell``; arXiv:1207.0580.

    Examples
    --------
    >>> import symgluon as mx
    >>> cell = mx.gluon.rnn.DropoutCell(0.5)
    >>> cell(mx.np.ones((1, 3)), [])
    (array([[1., 1., 1.]]), [])
    """

    _hint = "dropout"

    def __init__(self, rate: float, axes: tuple[int, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rate, self._axes = rate, tuple(axes)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """No states, whatever `batch_size`."""
        return []

    def forward(self, inputs: Any, states: Any) -> Any:
        """Apply dropout."""
        if self._rate > 0:
            inputs = call(legacy_nn.dropout, inputs, p=self._rate, axes=self._axes)
        return inputs, states

    def take_width(self, width: Any) -> Any:
        """Return `width`: the output is as wide as the input."""
        return width

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Any = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: Any = None,
    ) -> tuple[Any, list[Any]]:
        """Apply dropout to the whole sequence, or to each step of a list."""
        if unrolls_symbols(self, inputs):
            return unroll_symbols(
                self, length, inputs, begin_state, layout, merge_outputs, valid_length
            )
        self.reset()
        axis = layout.find("T")
        if isinstance(inputs, Array):
            outputs = self(inputs, [])[0]
            if merge_outputs is False:
                outputs = as_steps(outputs, length, layout)[0]
            return outputs, []
        outputs = [self(x, [])[0] for x in as_steps(inputs, length, layout)[0]]
        return (merge(outputs, axis) if merge_outputs else outputs), []

    def __repr__(self) -> str:
        return f"DropoutCell(rate={self._rate}, axes={self._axes})"


class ZoneoutCell(ModifierCell):
    """Keep entries of outputs and states of the step before with some probability, in training mode.

    Parameters
    ----------
    base_cell : RecurrentCell
        The cell inside.
    zoneout_outputs, zoneout_states : float
        Probability that an entry is kept.

    Inputs
    ------
    inputs : array (N, C), float
        One step.
    states : list of arrays (N, ...), float
        States of the cell inside.

    Outputs
    -------
    array (N, H), float
        That of the cell inside, or of the step before (zeros before the first).
    list of arrays (N, ...), float
        New states.

    Raises
    ------
    AssertionError
        If `base_cell` is a BidirectionalCell, which cannot step.

    Notes
    -----
    Call ``reset()`` before another sequence; `unroll` does.  Source: MXNet's
    ``gluon.rnn.ZoneoutCell``; arXiv:1606.01305.

    Examples
    --------
    >>> import symgluon as mx
    >>> cell = mx.gluon.rnn.ZoneoutCell(mx.gluon.rnn.RNNCell(2), zoneout_outputs=1.0)
    >>> cell.initialize()
    >>> with mx.autograd.train_mode():
    ...     out, _ = cell(mx.np.ones((1, 3)), cell.begin_state(batch_size=1))
    >>> out
    array([[0., 0.]])
    """

    _hint = "zoneout"

    def __init__(
        self,
        base_cell: Any,
        zoneout_outputs: float = 0.0,
        zoneout_states: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if isinstance(base_cell, BidirectionalCell):
            raise AssertionError(
                "BidirectionalCell doesn't support zoneout since it doesn't support step. "
                "Please add ZoneoutCell to the cells underneath instead."
            )
        super().__init__(base_cell, **kwargs)
        self._zoneout_outputs, self._zoneout_states = zoneout_outputs, zoneout_states
        self._memory = StepMemory()

    def reset(self) -> None:
        """Forget the output of the step before."""
        super().reset()
        self._memory.clear()

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step; in training mode parts of it are kept from the step before."""
        out, new = self.base_cell(inputs, states)
        if not flags.training:
            return out, new
        before = self._memory.get("output")
        if before is None:
            before = call(F.zeros_like, out)
        kept = self._mix(out, before, self._zoneout_outputs)
        new = [self._mix(n, o, self._zoneout_states) for n, o in zip(new, states, strict=True)]
        self._memory.put("output", kept)
        return kept, new

    @staticmethod
    def _mix(new: Any, old: Any, p: float) -> Any:
        if p == 0:
            return new
        mask = call(legacy_nn.dropout, call(F.ones_like, new), p=p)
        zero = mask * 0.0
        return like(new, F.where(F.not_equal(mask, zero), new, old))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p_out={self._zoneout_outputs}, "
            f"p_state={self._zoneout_states}, {self.base_cell!r})"
        )


class ResidualCell(ModifierCell):
    """Adds the input to the output of another cell.

    Parameters
    ----------
    base_cell : RecurrentCell
        The cell inside.

    Inputs
    ------
    inputs : array (N, H), float
        One step, of the size of the output.
    states : list of arrays (N, ...), float
        States of the cell inside.

    Outputs
    -------
    array (N, H), float
        Output of the cell inside plus `inputs`.
    list of arrays (N, ...), float
        New states.

    Notes
    -----
    Source: MXNet's ``gluon.rnn.ResidualCell``; arXiv:1609.08144.

    Examples
    --------
    >>> import symgluon as mx
    >>> cell = mx.gluon.rnn.ResidualCell(mx.gluon.rnn.RNNCell(2))
    >>> cell.initialize(init="zeros")
    >>> cell(mx.np.array([[1.0, 2.0]]), cell.begin_state(batch_size=1))[0]
    array([[1., 2.]])
    """

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step."""
        out, new = self.base_cell(inputs, states)
        return out + inputs, new

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Any = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: Any = None,
    ) -> tuple[Any, list[Any]]:
        """Unroll the cell inside and add the inputs; arguments as `RecurrentCell.unroll`."""
        if unrolls_symbols(self, inputs):
            return unroll_symbols(
                self, length, inputs, begin_state, layout, merge_outputs, valid_length
            )
        self.reset()
        outputs, states = self.base_cell.unroll(
            length, inputs, begin_state, layout, merge_outputs, valid_length
        )
        axis = layout.find("T")
        merged = isinstance(outputs, Array)
        if valid_length is not None:
            whole = inputs if isinstance(inputs, Array) else merge(list(inputs), axis)
            inputs = mask_steps(whole, valid_length, axis)
        if merged:
            whole = inputs if isinstance(inputs, Array) else merge(list(inputs), axis)
            return outputs + whole, states
        steps, _, _ = as_steps(inputs, length, layout)
        return [a + b for a, b in zip(outputs, steps, strict=True)], states


class VariationalDropoutCell(ModifierCell):
    """Dropout with one mask for all steps of a sequence.

    Parameters
    ----------
    base_cell : RecurrentCell
        The cell inside.
    drop_inputs, drop_states, drop_outputs : float
        Probability of zero in the inputs, in the first state and in the outputs.

    Inputs
    ------
    inputs : array (N, C), float
        One step.
    states : list of arrays (N, ...), float
        States of the cell inside.

    Outputs
    -------
    array (N, H), float
        That of the cell inside, in training mode with zeros.
    list of arrays (N, ...), float
        New states.

    Notes
    -----
    Masks are drawn at the first step; ``reset()`` drops them, and `unroll` calls it.  Source: MXNet's
    ``gluon.rnn.VariationalDropoutCell``; arXiv:1512.05287.

    Examples
    --------
    >>> import symgluon as mx
    >>> cell = mx.gluon.rnn.VariationalDropoutCell(mx.gluon.rnn.RNNCell(2), drop_outputs=0.5)
    >>> cell.initialize()
    >>> with mx.autograd.train_mode():
    ...     outs, _ = cell.unroll(3, mx.np.ones((1, 3, 4)), merge_outputs=True)
    >>> zero = (outs == 0).asnumpy()[0]
    >>> bool((zero == zero[0]).all())
    True
    """

    _hint = "vardrop"

    def __init__(
        self,
        base_cell: Any,
        drop_inputs: float = 0.0,
        drop_states: float = 0.0,
        drop_outputs: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(base_cell, **kwargs)
        self.drop_inputs, self.drop_states = drop_inputs, drop_states
        self.drop_outputs = drop_outputs
        self._masks = StepMemory()

    def reset(self) -> None:
        """Draw new masks for the next sequence."""
        super().reset()
        self._masks.clear()

    def _drop(self, kind: str, x: Any, p: float) -> Any:
        if p == 0:
            return x
        mask = self._masks.get(kind)
        if mask is None:
            mask = call(legacy_nn.dropout, call(F.ones_like, x), p=p)
            self._masks.put(kind, mask)
        return x * mask

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step."""
        if self.drop_states:
            states = [self._drop("states", states[0], self.drop_states), *states[1:]]
        inputs = self._drop("inputs", inputs, self.drop_inputs)
        out, new = self.base_cell(inputs, states)
        return self._drop("outputs", out, self.drop_outputs), new

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p_out = {self.drop_outputs}, p_state = {self.drop_states})"


class BidirectionalCell(HybridRecurrentCell):
    """Two cells, one in each direction; only `unroll` can run it.

    Parameters
    ----------
    l_cell, r_cell : RecurrentCell
        For the sequence forwards and backwards.

    Inputs
    ------
    inputs : array (N, T, C) or list of T arrays (N, C), float
        The argument of `unroll`; a call raises.
    states : list of arrays (N, ...), float
        States of `l_cell`, then of `r_cell`.

    Outputs
    -------
    array (N, T, H), or list of T arrays (N, H), float
        Outputs of both cells, joined along the last axis.
    list of arrays (N, ...), float
        States of `l_cell`, then of `r_cell`.

    Raises
    ------
    NotImplementedError
        When called: the other direction needs the whole sequence.

    Notes
    -----
    Source: MXNet's ``gluon.rnn.BidirectionalCell``.

    Examples
    --------
    >>> import symgluon as mx
    >>> cell = mx.gluon.rnn.BidirectionalCell(mx.gluon.rnn.LSTMCell(2), mx.gluon.rnn.GRUCell(3))
    >>> cell.initialize()
    >>> outs, states = cell.unroll(4, mx.np.ones((1, 4, 6)), merge_outputs=True)
    >>> outs.shape, len(states)
    ((1, 4, 5), 3)
    """

    def __init__(self, l_cell: Any, r_cell: Any, **kwargs: Any) -> None:
        output_prefix = "bi_"  # begins names of symbols
        if naming.dialect() == "1":
            kwargs.setdefault("prefix", "")
            output_prefix = kwargs.pop("output_prefix", output_prefix)
        super().__init__(**kwargs)
        self._output_prefix = output_prefix
        self.l_cell = l_cell
        self.r_cell = r_cell

    def __repr__(self) -> str:
        return f"{type(self).__name__}(forward={self.l_cell!r}, backward={self.r_cell!r})"

    def forward(self, inputs: Any, states: Any) -> Any:
        """Cannot step.

        Raises
        ------
        NotImplementedError
            Always: the other direction needs the whole sequence.
        """
        raise NotImplementedError("BidirectionalCell cannot be stepped; please use unroll")

    def take_width(self, width: Any) -> Any:
        """Set the size of the input (None: leave it), and return that of the output."""
        return self.l_cell.take_width(width) + self.r_cell.take_width(width)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """States of both cells for `batch_size` samples."""
        return [*self.l_cell.state_info(batch_size), *self.r_cell.state_info(batch_size)]

    def begin_state(self, batch_size: int = 0, func: Any = None, **kwargs: Any) -> list[Any]:
        """Initial states of both cells."""
        cells = (self.l_cell, self.r_cell)
        return [s for c in cells for s in c.begin_state(batch_size, func, **kwargs)]

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Any = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: Any = None,
    ) -> tuple[Any, list[Any]]:
        """Run both directions; outputs are joined along the channels."""
        if unrolls_symbols(self, inputs):
            return unroll_symbols(
                self, length, inputs, begin_state, layout, merge_outputs, valid_length
            )
        self.reset()
        steps, axis, batch = as_steps(inputs, length, layout)
        states = self._begin(begin_state, batch, steps[0])
        count = len(self.l_cell.state_info())
        left, l_states = self.l_cell.unroll(
            length, steps, states[:count], layout, False, valid_length
        )
        backwards = self._reversed(steps, valid_length)
        right, r_states = self.r_cell.unroll(
            length, backwards, states[count:], layout, False, valid_length
        )
        right = self._reversed(right, valid_length)
        outputs = [like(a, F.concatenate(a, b, axis=1)) for a, b in zip(left, right, strict=True)]
        # as for other cells: with lengths the result is one array unless a list is asked for
        joins = valid_length is not None if merge_outputs is None else merge_outputs
        found: Any = merge(outputs, axis) if joins else outputs
        return found, [*l_states, *r_states]

    @staticmethod
    def _reversed(steps: Sequence[Any], valid_length: Any) -> list[Any]:
        if valid_length is None:
            return list(reversed(steps))
        merged = call(
            F.sequence_reverse, merge(list(steps), 0), valid_length, use_sequence_length=True
        )
        return [call(F.index, merged, index=(t,)) for t in range(len(steps))]
