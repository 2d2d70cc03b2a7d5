"""What all recurrent cells share: one step, unrolling, state from step to step."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from symgluon.gluon.block import Block
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call, like, zeros_of
from symgluon.gluon.one_x import may_hold_symbols
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.state import state as flags

__all__ = [
    "HybridRecurrentCell",
    "RecurrentCell",
]


def as_steps(inputs: Any, length: int, layout: str) -> tuple[list[Any], int, Any]:
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


def merge(outputs: Sequence[Any], axis: int) -> Any:
    """Stack steps into one array."""
    return like(outputs[0], F.stack(*outputs, axis=axis))


def mask_steps(merged: Any, valid_length: Any, axis: int) -> Any:
    """Zeros beyond the length of each sample."""
    return call(
        F.sequence_mask, merged, valid_length, use_sequence_length=True, value=0.0, axis=axis
    )


def takes_names(func: Any) -> bool:
    """Whether a function that begins states gets names and layouts, as in MXNet 1.x.

    Parameters
    ----------
    func : callable or None
        One of ``mx.sym`` or of the user; those of our arrays get shape and dtype alone.

    Returns
    -------
    bool
        Whether it does.
    """
    module = getattr(func, "__module__", None) or ""
    return func is not None and (
        module.startswith("symgluon.symbol") or not module.startswith("symgluon.")
    )


def named_states(
    func: Any, infos: Sequence[dict[str, Any]], names: Sequence[str], kwargs: dict[str, Any]
) -> list[Any]:
    """Begin states by a function that gets names and layouts.

    Parameters
    ----------
    func : callable
        Makes a state.
    infos : sequence of dict
        What `state_info` says.
    names : sequence of str
        Their names.
    kwargs : dict
        Further arguments of `func`.

    Returns
    -------
    list
        A state each.
    """
    return [
        func(**{"name": name, **info, **kwargs}) for name, info in zip(names, infos, strict=True)
    ]


def unrolls_symbols(cell: Any, inputs: Any) -> bool:
    """Whether a cell of the dialect of MXNet 1.x is unrolled over symbols."""
    return cell._scope is not None and may_hold_symbols([inputs])


def unroll_symbols(cell: Any, *args: Any) -> Any:
    """Unroll a cell over symbols; arguments as :meth:`RecurrentCell.unroll`, by position."""
    from symgluon.gluon.symbolic.unrolled import unroll

    return unroll(cell, *args)


class RecurrentCell(Block):
    """Base class of cells: one step of a recurrent net.

    A subclass defines ``state_info`` and ``forward(self, inputs, states)``, which returns the
    output and the new states.

    Notes
    -----
    Source: MXNet's ``gluon.rnn.RecurrentCell``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Sum(mx.gluon.rnn.RecurrentCell):
    ...     def state_info(self, batch_size=0):
    ...         return [{"shape": (batch_size, 1)}]
    ...
    ...     def forward(self, inputs, states):
    ...         total = states[0] + inputs
    ...         return total, [total]
    >>> outs, states = Sum().unroll(3, mx.np.array([[[1.0], [2.0], [3.0]]]), merge_outputs=True)
    >>> outs.reshape(3)
    array([1., 3., 6.])
    """

    #: steps since `reset`, and states begun: names of symbols in the dialect of MXNet 1.x
    _counter = -1
    _init_counter = -1

    def reset(self) -> None:
        """Forget what belongs to one sequence: dropout masks, the number of the step."""
        object.__setattr__(self, "_counter", -1)
        object.__setattr__(self, "_init_counter", -1)
        for child in self._children.values():
            if hasattr(child, "reset"):
                child.reset()

    def _count_step(self) -> None:
        object.__setattr__(self, "_counter", self._counter + 1)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of the states.

        Parameters
        ----------
        batch_size : int
            Number of samples.

        Returns
        -------
        list of dict
            ``shape`` and ``__layout__`` of each state, with the batch where N stands.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define state_info")

    @property
    def _dtype(self) -> Any:
        for parameter in self.collect_params().values():
            return parameter.dtype
        return "float32"

    def begin_state(self, batch_size: int = 0, func: Any = None, **kwargs: Any) -> list[Any]:
        """Initial states.

        Parameters
        ----------
        batch_size : int
            Number of samples.
        func : callable, optional
            Makes an array from ``shape=`` and ``dtype=``; that of the front end
            in use, ``mx.np.zeros`` or ``mx.nd.zeros``, if left out.
        **kwargs : object
            Further arguments of `func`.

        Returns
        -------
        list of array
            A state each, in the dtype of the parameters.
        """
        infos = self.state_info(batch_size)
        if self._scope is not None and takes_names(func):
            first = self._init_counter + 1
            object.__setattr__(self, "_init_counter", self._init_counter + len(infos))
            names = [f"{self.prefix}begin_state_{first + i}" for i in range(len(infos))]
            return named_states(func, infos, names, kwargs)
        func = zeros_of(self) if func is None else func
        states = []
        for info in infos:
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
        """Run the cell over a sequence.

        Parameters
        ----------
        length : int
            Number of steps.
        inputs : array (N, T, C) or (T, N, C), or list of arrays (N, C)
            A sequence in the order of `layout`, or one array a step.
        begin_state : list of array, optional
            States before the first step; zeros if left out.
        layout : str
            ``NTC`` or ``TNC``.
        merge_outputs : bool, optional
            True: one array; False: a list of steps; None: whatever comes cheaper.
        valid_length : array (N,), optional
            Steps of each sample; outputs beyond are 0, states stay.

        Returns
        -------
        outputs : array or list of array
            In the order of `layout`, or one array a step.
        states : list of array
            After the last step (of each sample).

        Raises
        ------
        ValueError
            If there are not `length` steps.
        """
        if unrolls_symbols(self, inputs):
            return unroll_symbols(
                self, length, inputs, begin_state, layout, merge_outputs, valid_length
            )
        self.reset()
        steps, axis, batch = as_steps(inputs, length, layout)
        states = self._begin(begin_state, batch, steps[0])
        outputs, history = [], []
        for x in steps:
            out, states = self(x, states)
            outputs.append(out)
            if valid_length is not None:
                history.append(states)
        if valid_length is None:
            return (merge(outputs, axis) if merge_outputs else outputs), states
        merged = mask_steps(merge(outputs, axis), valid_length, axis)
        finals = [
            call(F.sequence_last, merge(list(each), 0), valid_length, use_sequence_length=True,
                 axis=0)
            for each in zip(*history, strict=True)
        ]  # fmt: skip
        if merge_outputs is False:
            return as_steps(merged, length, layout)[0], finals
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

    def infer_shape(self, i: Any, x: Any = None, is_bidirect: bool = False) -> None:
        """Set the input size from the data.

        Parameters
        ----------
        i : int or array
            Number of the layer in a stack (or the data itself, as a call of the block gives it).
        x : array
            Input of the stack.
        is_bidirect : bool
            Whether the layer below has two directions.
        """
        if isinstance(i, Array):
            i, x = 0, i
        width = x.shape[-1] if i == 0 else self.take_width(None) * (2 if is_bidirect else 1)
        self.take_width(width)

    def take_width(self, width: Any) -> Any:
        """Set the size of the input, and return that of the output.

        Parameters
        ----------
        width : int or None
            Size of the input; None leaves it.

        Returns
        -------
        int
            Size of the output.
        """
        return self.state_info()[0]["shape"][-1]

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step.

        Parameters
        ----------
        inputs : array
            Input of the step.
        states : list of array
            States before it.

        Returns
        -------
        tuple of array and list of array
            Output and new states.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define forward")


class HybridRecurrentCell(RecurrentCell, HybridBlock):
    """Base class of cells that can be hybridized.

    Notes
    -----
    Source: MXNet's ``gluon.rnn.HybridRecurrentCell``.

    Examples
    --------
    >>> import symgluon as mx
    >>> isinstance(mx.gluon.rnn.LSTMCell(2), mx.gluon.rnn.HybridRecurrentCell)
    True
    """


class StepMemory:
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
