"""`Trainer`: applies an optimizer to a set of parameters (MXNet's ``gluon.Trainer``)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from symgluon import distributed
from symgluon import kvstore as kv
from symgluon import optimizer as opt
from symgluon.errors import AttributeValueError
from symgluon.formats.atomic import write_bytes
from symgluon.gluon.parameter import Parameter
from symgluon.ops.array import wrap

__all__ = ["Trainer"]


class _UseError(AttributeValueError, AssertionError):
    """A call that does not fit how the trainer was made: an AssertionError in MXNet."""


class Trainer:
    """Applies an optimizer to parameters.

    Parameters
    ----------
    params : dict or list of Parameter
        What is trained; a dict is taken in the order of its names.
    optimizer : str or Optimizer
        The optimizer, or its name.
    optimizer_params : dict, optional
        Arguments of the optimizer, where `optimizer` is a name.
    kvstore : str or KVStore or None
        How gradients of several devices are summed: ``"device"`` and ``"local"`` are the same
        here; ``"dist_sync"`` sums over all MPI ranks too, and starts from the parameters of rank
        0; None leaves the gradients of each device to themselves.
    compression_params : dict, optional
        Not supported: there is no network to save.
    update_on_kvstore : bool, optional
        Refuse separate calls of `allreduce_grads` and `update`, as MXNet does then.

    Raises
    ------
    ValueError
        If `params` is no list or dict of parameters, or the store is not a local one.
    AssertionError
        If the parameters are on different devices, or `optimizer_params` are given to an optimizer
        that is made already.
    AttributeValueError
        For `compression_params`.

    Notes
    -----
    Source: MXNet's ``gluon.Trainer``.

    Examples
    --------
    >>> import symgluon as mx
    >>> net = mx.gluon.nn.Dense(1, in_units=2, use_bias=False)
    >>> net.initialize(init="ones")
    >>> trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    >>> with mx.autograd.record():
    ...     loss = net(mx.np.array([[1.0, 2.0]])).sum()
    >>> loss.backward()
    >>> trainer.step(batch_size=1)
    >>> net.weight.data().asnumpy()
    array([[0.5, 0. ]], dtype=float32)
    >>> trainer.learning_rate
    0.5
    """

    def __init__(
        self,
        params: Any,
        optimizer: Any,
        optimizer_params: Mapping[str, Any] | None = None,
        kvstore: Any = "device",
        compression_params: Mapping[str, Any] | None = None,
        update_on_kvstore: bool | None = None,
    ) -> None:
        self._params = _listed(params)
        for parameter in self._params:
            parameter._trainer = self
        if compression_params:
            raise AttributeValueError(
                "gradient compression is not supported: all devices share one memory",
                hint="leave compression_params out",
            )
        self._kvstore = kv.create(kvstore) if isinstance(kvstore, str) else kvstore
        self._update_on_kvstore = bool(update_on_kvstore) and self._kvstore is not None
        self._devices = self._check_devices()
        self._optimizer = self._make_optimizer(optimizer, optimizer_params)
        self._scale = self._optimizer.rescale_grad
        self._updaters = [opt.Updater(self._optimizer) for _ in self._devices]
        if isinstance(self._kvstore, kv.KVStore) and self._updaters:
            self._kvstore.set_updater(self._updaters[0])
        self._workers = int(getattr(self._kvstore, "num_workers", 1))
        self._unshared = list(self._params) if self._workers > 1 else []
        self._share_values()

    def _make_optimizer(self, optimizer: Any, given: Mapping[str, Any] | None) -> opt.Optimizer:
        by_index = dict(enumerate(self._params))
        if isinstance(optimizer, opt.Optimizer):
            if given:
                raise _UseError(
                    "optimizer_params must be None if optimizer is an instance of Optimizer "
                    "instead of str"
                )
            optimizer.param_dict = by_index
            return optimizer
        return opt.create(optimizer, param_dict=by_index, **dict(given or {}))

    def _check_devices(self) -> list[Any]:
        devices: list[Any] = []
        for parameter in self._params:
            found = parameter.list_device()
            if devices and found != devices:
                raise _UseError(
                    "All Parameters must be initialized on the same set of devices, but Parameter "
                    f"{parameter.name} is initialized on {found} while previous Parameters are "
                    f"initialized on {devices}."
                )
            devices = found
        return devices

    def _share_values(self) -> None:
        """Start from the values of process 0; deferred parameters follow at the first step."""
        waiting = []
        for parameter in self._unshared:
            if parameter._is_deferred:
                waiting.append(parameter)
                continue
            content = parameter._cell(None).numpy_content("a trainer")
            parameter.set_data(wrap(distributed.broadcast(content)))
        self._unshared = waiting

    # ---- learning rate -------------------------------------------------------------------------
    @property
    def learning_rate(self) -> float:
        """Present learning rate of the optimizer."""
        return self._optimizer.learning_rate

    @property
    def optimizer(self) -> opt.Optimizer:
        """The optimizer."""
        return self._optimizer

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate.

        Parameters
        ----------
        lr : float
            The new one.

        Raises
        ------
        UserWarning
            If a scheduler decides.
        """
        self._optimizer.set_learning_rate(lr)

    # ---- stepping ------------------------------------------------------------------------------
    def step(self, batch_size: float, ignore_stale_grad: bool = False) -> None:
        """Sum the gradients of all devices and update the parameters.

        Parameters
        ----------
        batch_size : int
            Gradients are divided by it.
        ignore_stale_grad : bool
            Skip parameters whose gradient `backward` has not written since the last step.

        Raises
        ------
        UserWarning
            For such a parameter otherwise.
        """
        self._optimizer.rescale_grad = self._scale / batch_size
        if self._unshared:
            self._share_values()
        if len(self._devices) > 1 or self._workers > 1:
            self._allreduce()
        self._update(ignore_stale_grad)

    def allreduce_grads(self) -> None:
        """Sum the gradients over the devices; `update` does the rest of a `step`.

        Raises
        ------
        AssertionError
            If the trainer was made with ``update_on_kvstore=True``.
        """
        self._refuse_on_kvstore("allreduce_grads")
        self._allreduce()

    def update(self, batch_size: float, ignore_stale_grad: bool = False) -> None:
        """Update the parameters by their gradients as they are, without summing over devices.

        Parameters
        ----------
        batch_size : int
            Gradients are divided by it.
        ignore_stale_grad : bool
            Skip parameters whose gradient `backward` has not written since the last step.

        Raises
        ------
        AssertionError
            If the trainer was made with ``update_on_kvstore=True``.
        UserWarning
            For a parameter with such a gradient otherwise.
        """
        self._refuse_on_kvstore("update")
        self._optimizer.rescale_grad = self._scale / batch_size
        self._update(ignore_stale_grad)

    def _refuse_on_kvstore(self, name: str) -> None:
        if self._update_on_kvstore:
            raise _UseError(
                f"{name}() when parameters are updated on kvstore is not supported. Try setting "
                "`update_on_kvstore` to False when creating trainer."
            )

    def _allreduce(self) -> None:
        if self._kvstore is None:
            return
        for parameter in self._params:
            if parameter.grad_req == "null":
                continue
            grads = parameter.list_grad()
            if len(grads) > 1 or self._workers > 1:
                self._kvstore.sum_in_place(grads)

    def _update(self, ignore_stale_grad: bool) -> None:
        work: list[tuple[list[int], list[Any], list[Any]]] = [([], [], []) for _ in self._devices]
        for i, parameter in enumerate(self._params):
            if parameter._grad_req == "null":
                continue
            parameter._check()
            for cell, (indices, grads, weights) in zip(
                parameter._cells.values(), work, strict=False
            ):
                grad = cell._leaf.grad
                if not grad._fresh:
                    if ignore_stale_grad:
                        continue
                    raise UserWarning(_stale(parameter, cell))
                grad._fresh = False
                indices.append(i)
                grads.append(grad)
                weights.append(cell)
        for number, (updater, (indices, grads, weights)) in enumerate(
            zip(self._updaters, work, strict=True)
        ):
            if indices:
                self._optimizer._set_current_device(number)
                updater(indices, grads, weights)

    # ---- files ---------------------------------------------------------------------------------
    def save_states(self, fname: str | os.PathLike[str]) -> None:
        """Save the states of the optimizer (velocities, update counts) to the file `fname`."""
        write_bytes(fname, self._updaters[0].get_states(dump_optimizer=True))

    def load_states(self, fname: str | os.PathLike[str]) -> None:
        """Load what `save_states` wrote.

        Parameters
        ----------
        fname : str or path
            File to read.

        Raises
        ------
        FormatError
            If the file is damaged, or a pickle that MXNet wrote.
        """
        with open(fname, "rb") as file:
            content = file.read()
        for updater in self._updaters:
            updater.set_states(content)


def _listed(params: Any) -> list[Parameter]:
    """Parameters of a dict, in the order of their names, or of a list; each once."""
    if isinstance(params, Mapping):
        params = [params[name] for name in sorted(params)]
    if not isinstance(params, Sequence) or isinstance(params, str):
        raise ValueError(
            f"First argument must be a list or dict of Parameters, got {type(params)}."
        )
    found: dict[int, Parameter] = {}
    for parameter in params:
        if not isinstance(parameter, Parameter):
            raise ValueError(
                "First argument must be a list or dict of Parameters, got list of "
                f"{type(parameter)}."
            )
        found.setdefault(id(parameter), parameter)
    return list(found.values())


def _stale(parameter: Parameter, cell: Any) -> str:
    return (
        f"Gradient of Parameter `{parameter.name}` on device {cell.device} has not been updated by "
        "backward since last `step`. This could mean a bug in your model that made it only use a "
        "subset of the Parameters (Blocks) for this iteration. If you are intentionally only using "
        "a subset, call step with ignore_stale_grad=True to suppress this warning and skip "
        "updating of Parameters with stale gradient"
    )
