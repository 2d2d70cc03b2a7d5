"""Recurrent cells and their combinations (seed: ``gluon.rnn``)."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from symgluon.gluon.block import Block
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call, data, like
from symgluon.gluon.parameter import Parameter
from symgluon.ops import legacy_nn
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.state import state as flags

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


def _steps(inputs: Any, length: int, layout: str) -> tuple[list[Any], int, Any]:
    """Inputs as a list of steps; the axis of time; the batch size.

    Raises
    ------
    ValueError
        If there are not `length` steps.
    """
    axis = layout.find("T")
    if isinstance(inputs, Array):
        if inputs.shape[axis] != length:
            raise ValueError(f"unroll: the inputs have {inputs.shape[axis]} steps, not {length}")
        batch = inputs.shape[layout.find("N")]
        head = (slice(None),) * axis
        return [call(F.index, inputs, index=(*head, t)) for t in range(length)], axis, batch
    inputs = list(inputs)
    if len(inputs) != length:
        raise ValueError(f"unroll: {len(inputs)} inputs for {length} steps")
    return inputs, axis, inputs[0].shape[layout.replace("T", "").find("N")]


def _merge(outputs: Sequence[Any], axis: int) -> Any:
    return like(outputs[0], F.stack(*outputs, axis=axis))


def _mask(merged: Any, valid_length: Any, axis: int) -> Any:
    return call(
        F.sequence_mask, merged, valid_length, use_sequence_length=True, value=0.0, axis=axis
    )


class RecurrentCell(Block):
    """Base class of cells: one step of a recurrent net."""

    def reset(self) -> None:
        """Forget what belongs to one sequence (dropout masks)."""
        for child in self._children.values():
            if hasattr(child, "reset"):
                child.reset()

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of the states."""
        raise NotImplementedError(f"{type(self).__name__} does not define state_info")

    @property
    def _dtype(self) -> Any:
        for parameter in self.collect_params().values():
            return parameter.dtype
        return "float32"

    def begin_state(self, batch_size: int = 0, func: Any = None, **kwargs: Any) -> list[Any]:
        """Initial states (zeros, or what `func` makes of their shapes)."""
        if func is None:
            from symgluon import numpy

            func = numpy.zeros
        states = []
        for info in self.state_info(batch_size):
            info = {k: v for k, v in info.items() if k != "__layout__"}
            info.setdefault("dtype", self._dtype)
            info.update(kwargs)
            states.append(func(**info))
        return states

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Any = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: Any = None,
    ) -> tuple[Any, list[Any]]:
        """Run `length` steps.

        Parameters
        ----------
        inputs : array or list of arrays
            A sequence, or one array a step.
        merge_outputs : bool, optional
            Return one array; False a list of steps; None whatever comes cheaper.
        valid_length : array, optional
            Steps of each sample; outputs beyond are 0, states stay.
        """
        self.reset()
        steps, axis, batch = _steps(inputs, length, layout)
        states = self._begin(begin_state, batch, steps[0])
        outputs, history = [], []
        for x in steps:
            out, states = self(x, states)
            outputs.append(out)
            if valid_length is not None:
                history.append(states)
        if valid_length is None:
            return (_merge(outputs, axis) if merge_outputs else outputs), states
        merged = _mask(_merge(outputs, axis), valid_length, axis)
        finals = [
            call(F.sequence_last, _merge(list(each), 0), valid_length, use_sequence_length=True,
                 axis=0)
            for each in zip(*history, strict=True)
        ]  # fmt: skip
        if merge_outputs is False:
            return _steps(merged, length, layout)[0], finals
        return merged, finals

    def _begin(self, begin_state: Any, batch: Any, like_x: Any) -> list[Any]:
        if begin_state is not None:
            return list(begin_state)
        import numpy as np

        zero = np.zeros((), like_x.dtype)
        return [
            like(like_x, F.full(zero, shape=(batch, *info["shape"][1:])))
            for info in self.state_info(0)
        ]

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (output, new states)."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")


class HybridRecurrentCell(RecurrentCell, HybridBlock):
    """Base class of cells that can be hybridized."""


class _GatedCell(HybridRecurrentCell):
    """Cells with an input and a hidden product over some gates."""

    def __init__(
        self,
        gates: int,
        hidden_size: int,
        i2h_weight_initializer: Any,
        h2h_weight_initializer: Any,
        i2h_bias_initializer: Any,
        h2h_bias_initializer: Any,
        input_size: int,
        recurrent_size: int | None = None,
    ) -> None:
        super().__init__()
        self._hidden_size, self._input_size = hidden_size, input_size
        rows = gates * hidden_size
        inner = hidden_size if recurrent_size is None else recurrent_size

        def parameter(name: str, shape: tuple[int, ...], init: Any) -> Parameter:
            return Parameter(name, shape=shape, init=init, allow_deferred_init=True)

        self.i2h_weight = parameter("i2h_weight", (rows, input_size or -1), i2h_weight_initializer)
        self.h2h_weight = parameter("h2h_weight", (rows, inner), h2h_weight_initializer)
        self.i2h_bias = parameter("i2h_bias", (rows,), i2h_bias_initializer)
        self.h2h_bias = parameter("h2h_bias", (rows,), h2h_bias_initializer)

    def infer_shape(self, x: Any, *args: Any) -> None:
        """Set the input size from the data."""
        self.i2h_weight.shape = (self.i2h_weight.shape[0], x.shape[-1])

    def _products(self, x: Any, hidden: Any) -> tuple[Any, Any]:
        rows = self.i2h_weight.shape[0]
        return (
            call(F.dense, x, data(self.i2h_weight, x), data(self.i2h_bias, x), num_hidden=rows),
            call(
                F.dense, hidden, data(self.h2h_weight, x), data(self.h2h_bias, x), num_hidden=rows
            ),
        )

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of the states."""
        return [{"shape": (batch_size, self._hidden_size), "__layout__": "NC"}]

    def __repr__(self) -> str:
        rows, width = self.i2h_weight.shape
        return f"{type(self).__name__}({width} -> {rows}{self._more()})"

    def _more(self) -> str:
        """What `repr` says beyond the sizes."""
        return ""


def _split(x: Any, parts: int) -> list[Any]:
    size = x.shape[1] // parts
    return [
        call(F.index, x, index=(slice(None), slice(i * size, (i + 1) * size)))
        for i in range(parts)
    ]


def activate(x: Any, activation: Any) -> Any:
    """Apply an activation: its name, or a block."""
    if isinstance(activation, str):
        return call(legacy_nn.activation, x, act_type=activation)
    return activation(x)


class _StepMemory:
    """What a cell keeps from step to step of one sequence.

    What was put in during a trace is not seen outside of it, nor in another trace.
    """

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.region: Any = None

    def _here(self) -> bool:
        region = flags.region
        kept = self.region if self.region is None else self.region()
        return kept is region and (region is not None or self.region is None)

    def get(self, key: str) -> Any:
        """Return what was kept, or None."""
        return self.items.get(key) if self._here() else None

    def put(self, key: str, value: Any) -> None:
        """Keep a value."""
        if not self._here():
            self.clear()
        self.items[key] = value

    def clear(self) -> None:
        """Forget everything."""
        self.items = {}
        region = flags.region
        self.region = None if region is None else weakref.ref(region)

    def __getstate__(self) -> dict[str, Any]:
        return {"items": {}, "region": None}


class RNNCell(_GatedCell):
    """Elman cell: ``activation(W x + b + R h + c)``."""

    def __init__(
        self,
        hidden_size: int,
        activation: Any = "tanh",
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
    ) -> None:
        super().__init__(1, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size)  # fmt: skip
        self._activation = activation

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (output, [output])."""
        a, b = self._products(inputs, states[0])
        out = activate(a + b, self._activation)
        return out, [out]

    def _more(self) -> str:
        return f", {self._activation}"


class LSTMCell(_GatedCell):
    """Long short-term memory; gates input, forget, new, output."""

    def __init__(
        self,
        hidden_size: int,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
    ) -> None:
        super().__init__(4, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size)  # fmt: skip
        self._activation, self._recurrent_activation = activation, recurrent_activation

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of hidden and cell state."""
        return super().state_info(batch_size) * 2

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (hidden, [hidden, cell])."""
        a, b = self._products(inputs, states[0])
        i, f, g, o = _split(a + b, 4)
        gate, act = self._recurrent_activation, self._activation
        cell = activate(f, gate) * states[1] + activate(i, gate) * activate(g, act)
        hidden = activate(o, gate) * activate(cell, act)
        return hidden, [hidden, cell]


class GRUCell(_GatedCell):
    """Gated recurrent unit; the reset gate multiplies the hidden product after its bias."""

    def __init__(
        self,
        hidden_size: int,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
    ) -> None:
        super().__init__(3, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size)  # fmt: skip
        self._activation, self._recurrent_activation = activation, recurrent_activation

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (hidden, [hidden])."""
        a, b = self._products(inputs, states[0])
        ar, az, an = _split(a, 3)
        br, bz, bn = _split(b, 3)
        reset = activate(ar + br, self._recurrent_activation)
        update = activate(az + bz, self._recurrent_activation)
        new = activate(an + reset * bn, self._activation)
        out = (1.0 - update) * new + update * states[0]
        return out, [out]


class LSTMPCell(_GatedCell):
    """LSTM whose hidden state is projected (arXiv:1402.1128)."""

    def __init__(
        self,
        hidden_size: int,
        projection_size: int,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        h2r_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
    ) -> None:
        super().__init__(4, hidden_size, i2h_weight_initializer, h2h_weight_initializer,
                         i2h_bias_initializer, h2h_bias_initializer, input_size,
                         projection_size)  # fmt: skip
        self._projection_size = projection_size
        self.h2r_weight = Parameter("h2r_weight", shape=(projection_size, hidden_size),
                                    init=h2r_weight_initializer, allow_deferred_init=True)  # fmt: skip

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of projected hidden and cell state."""
        return [
            {"shape": (batch_size, self._projection_size), "__layout__": "NC"},
            {"shape": (batch_size, self._hidden_size), "__layout__": "NC"},
        ]

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (projection, [projection, cell])."""
        a, b = self._products(inputs, states[0])
        i, f, g, o = _split(a + b, 4)
        cell = activate(f, "sigmoid") * states[1] + activate(i, "sigmoid") * activate(g, "tanh")
        hidden = activate(o, "sigmoid") * activate(cell, "tanh")
        out = call(F.dense, hidden, data(self.h2r_weight, inputs), None,
                   num_hidden=self._projection_size)  # fmt: skip
        return out, [out, cell]

    def _more(self) -> str:
        return f" -> {self._projection_size}"


# ---- combinations ------------------------------------------------------------------------------
class _Chain(RecurrentCell):
    """Cells one above the other."""

    def add(self, *cells: Any) -> None:
        """Append cells."""
        for cell in cells:
            self.register_child(cell)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """States of all cells."""
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


class SequentialRNNCell(_Chain):
    """Cells one above the other."""


class HybridSequentialRNNCell(_Chain, HybridRecurrentCell):
    """Hybrid cells one above the other."""


class ModifierCell(HybridRecurrentCell):
    """Base class of cells that change what another cell does."""

    def __init__(self, base_cell: Any) -> None:
        super().__init__()
        self.base_cell = base_cell

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """States of the cell inside."""
        return self.base_cell.state_info(batch_size)  # type: ignore[no-any-return]

    def begin_state(self, batch_size: int = 0, func: Any = None, **kwargs: Any) -> list[Any]:
        """Initial states of the cell inside."""
        return self.base_cell.begin_state(batch_size=batch_size, func=func, **kwargs)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_cell!r})"


class DropoutCell(HybridRecurrentCell):
    """Dropout on the inputs of the next cell."""

    def __init__(self, rate: float, axes: tuple[int, ...] = ()) -> None:
        super().__init__()
        self._rate, self._axes = rate, tuple(axes)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """No states."""
        return []

    def forward(self, inputs: Any, states: Any) -> Any:
        """Apply dropout."""
        if self._rate > 0:
            inputs = call(legacy_nn.dropout, inputs, p=self._rate, axes=self._axes)
        return inputs, states

    def __repr__(self) -> str:
        return f"DropoutCell(rate={self._rate}, axes={self._axes})"


class ZoneoutCell(ModifierCell):
    """Keep outputs and states of the step before with some probability (arXiv:1606.01305)."""

    def __init__(
        self, base_cell: Any, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0
    ) -> None:
        if isinstance(base_cell, BidirectionalCell):
            raise AssertionError(
                "BidirectionalCell doesn't support zoneout since it doesn't support step. "
                "Please add ZoneoutCell to the cells underneath instead."
            )
        super().__init__(base_cell)
        self._zoneout_outputs, self._zoneout_states = zoneout_outputs, zoneout_states
        self._memory = _StepMemory()

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
    """Adds the input to the output (arXiv:1609.08144)."""

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step."""
        out, new = self.base_cell(inputs, states)
        return out + inputs, new


class VariationalDropoutCell(ModifierCell):
    """Dropout with one mask for all steps of a sequence (arXiv:1512.05287)."""

    def __init__(
        self,
        base_cell: Any,
        drop_inputs: float = 0.0,
        drop_states: float = 0.0,
        drop_outputs: float = 0.0,
    ) -> None:
        super().__init__(base_cell)
        self.drop_inputs, self.drop_states = drop_inputs, drop_states
        self.drop_outputs = drop_outputs
        self._masks = _StepMemory()

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
    """Two cells, one in each direction; only `unroll` can run it."""

    def __init__(self, l_cell: Any, r_cell: Any) -> None:
        super().__init__()
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

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """States of both cells."""
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
        self.reset()
        steps, axis, batch = _steps(inputs, length, layout)
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
        merged: Any = _merge(outputs, axis) if merge_outputs else outputs
        return merged, [*l_states, *r_states]

    @staticmethod
    def _reversed(steps: Sequence[Any], valid_length: Any) -> list[Any]:
        if valid_length is None:
            return list(reversed(steps))
        merged = call(
            F.sequence_reverse, _merge(list(steps), 0), valid_length, use_sequence_length=True
        )
        return [call(F.index, merged, index=(t,)) for t in range(len(steps))]
