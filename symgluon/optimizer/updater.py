"""`Updater`: an optimizer with the states of the weights it has seen."""

from __future__ import annotations

from typing import Any

from symgluon.optimizer.optimizer import Optimizer
from symgluon.optimizer.states import dump_states, restore_states

__all__ = ["Updater", "get_updater"]


class Updater:
    """Calls an optimizer and keeps the states of the weights.

    Parameters
    ----------
    optimizer : Optimizer
        The rule.

    Attributes
    ----------
    states : dict
        State by index of the weight.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.Updater``.

    Examples
    --------
    >>> import symgluon as mx
    >>> updater = mx.optimizer.Updater(mx.optimizer.SGD(learning_rate=0.1, momentum=0.9))
    >>> weight = mx.np.array([1.0])
    >>> updater(0, mx.np.array([1.0]), weight)
    >>> updater(0, mx.np.array([1.0]), weight)
    >>> weight.asnumpy().round(3), updater.states[0].asnumpy().round(3)
    (array([0.71], dtype=float32), array([-0.19], dtype=float32))
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.states: dict[Any, Any] = {}
        self.states_synced: dict[Any, bool] = {}
        self.aggregate_updates = optimizer.aggregate_num > 1

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        """Update one weight, or a list of them."""
        if not isinstance(index, list | tuple):
            index, grad, weight = [index], [grad], [weight]
        states = []
        for i, w in zip(index, weight, strict=True):
            if i not in self.states:
                self.states[i] = self.optimizer.create_state_multi_precision(i, w)
                self.states_synced[i] = True
            elif not self.states_synced.get(i, True):
                self.states[i] = self.sync_state_context(self.states[i], w._device)
                self.states_synced[i] = True
            states.append(self.states[i])
        self.optimizer.update_multi_precision(index, weight, grad, states)

    def sync_state_context(self, state: Any, context: Any) -> Any:
        """Label loaded states with the device of their weight.

        Parameters
        ----------
        state : None, array, or tuple of those
            A state.
        context : Device
            The device.

        Returns
        -------
        None, array, or tuple of those
            The state.
        """
        if isinstance(state, tuple | list):
            return type(state)(self.sync_state_context(s, context) for s in state)
        if state is not None:
            state._device = context
        return state

    def set_states(self, states: bytes) -> None:
        """Restore what `get_states` returned.

        Parameters
        ----------
        states : bytes
            That.

        Raises
        ------
        FormatError
            If it is damaged, or a pickle that MXNet wrote.
        """
        self.states = restore_states(self.optimizer, states)
        self.states_synced = dict.fromkeys(self.states, False)

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """Return all states as bytes.

        Parameters
        ----------
        dump_optimizer : bool
            Store the settings and update counts of the optimizer too.

        Returns
        -------
        bytes
            A zip of arrays; no pickle.
        """
        return dump_states(self.optimizer, self.states, with_optimizer=dump_optimizer)


def get_updater(optimizer: Optimizer) -> Updater:
    """Return a function that applies an optimizer and keeps the states.

    Parameters
    ----------
    optimizer : Optimizer
        The rule.

    Returns
    -------
    Updater
        Called as ``updater(index, grad, weight)``, with one of each or lists.
    """
    return Updater(optimizer)
