"""`BaseModule`: training, scoring and predicting by what a module defines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from symgluon.errors import SymgluonError
from symgluon.gluon.metric.base import EvalMetric
from symgluon.gluon.metric.base import create as create_metric
from symgluon.initializer import Uniform
from symgluon.io.batch import DataBatch
from symgluon.model import BatchEndParam
from symgluon.ndarray.functions import concatenate, load, save
from symgluon.ops.array import Array

#: what MXNet takes if nothing is said
_OPTIMIZER_PARAMS = (("learning_rate", 0.01),)


class StateError(SymgluonError, AssertionError):
    """A module was used before it was bound or had parameters: an AssertionError in MXNet."""


def listed(callbacks: Any) -> list[Callable[..., Any]]:
    """Return callbacks as a list.

    Parameters
    ----------
    callbacks : callable, list of callable, or None
        What the user gave.

    Returns
    -------
    list of callable
        The callbacks.
    """
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


class BaseModule:
    """Base class of modules: `fit`, `score` and `predict` by what subclasses define.

    A subclass defines `bind`, `init_params`, `init_optimizer`, `forward`, `backward`, `update`,
    `get_outputs`, `get_params` and `update_metric`.

    Parameters
    ----------
    logger : logging.Logger
        Gets the lines of training.

    Notes
    -----
    Source: MXNet's ``mx.mod.BaseModule``.
    """

    def __init__(self, logger: Any = logging) -> None:
        self.logger = logger
        self.binded = False
        self.for_training = False
        self.inputs_need_grad = False
        self.params_initialized = False
        self.optimizer_initialized = False
        self._symbol: Any = None

    @property
    def symbol(self) -> Any:
        """The symbol."""
        return self._symbol

    def _need(self, params: bool = True, optimizer: bool = False) -> None:
        """Refuse a call that comes too early."""
        what = (
            "call bind(data_shapes=..., label_shapes=...)"
            if not self.binded
            else "call init_params() or set_params(...)"
            if params and not self.params_initialized
            else "call init_optimizer()"
            if optimizer and not self.optimizer_initialized
            else None
        )
        if what is not None:
            raise StateError("the module is not ready for this call", hint=f"{what} before it")

    # ---- one step ------------------------------------------------------------------------------
    def forward_backward(self, data_batch: Any) -> None:
        """Compute outputs and gradients of a batch.

        Parameters
        ----------
        data_batch : DataBatch
            The batch.
        """
        self.forward(data_batch, is_train=True)
        self.backward()

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch.

        Parameters
        ----------
        data_batch : DataBatch
            The batch.
        is_train : bool, optional
            Mode; as the module was bound if left out.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients.

        Parameters
        ----------
        out_grads : array or list of array, optional
            Gradients of the outputs.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define backward")

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """Make ready for a batch.

        Parameters
        ----------
        data_batch : DataBatch
            The batch that comes next.
        sparse_row_id_fn : callable, optional
            Accepted, without effect: parameters are dense.
        """

    # ---- scoring and predicting ------------------------------------------------------------------
    def _batches(
        self, eval_data: Any, num_batch: int | None, reset: bool
    ) -> Iterator[tuple[int, Any]]:
        """Run prediction over batches."""
        self._need()
        if isinstance(eval_data, DataBatch):
            self.forward(eval_data, is_train=False)
            yield 0, eval_data
            return
        if reset:
            eval_data.reset()
        for nbatch, batch in enumerate(eval_data):
            if num_batch is not None and nbatch == num_batch:
                break
            self.prepare(batch)
            self.forward(batch, is_train=False)
            yield nbatch, batch

    def score(
        self,
        eval_data: Any,
        eval_metric: Any,
        num_batch: int | None = None,
        batch_end_callback: Any = None,
        score_end_callback: Any = None,
        reset: bool = True,
        epoch: int = 0,
        sparse_row_id_fn: Any = None,
    ) -> list[tuple[str, float]]:
        """Evaluate a metric over the batches of an iterator.

        Parameters
        ----------
        eval_data : DataIter
            The batches.
        eval_metric : EvalMetric or str
            The metric.
        num_batch : int, optional
            At most so many batches.
        batch_end_callback, score_end_callback : callable or list of callable, optional
            Called with a `BatchEndParam`.
        reset : bool
            Begin with the first batch.
        epoch : int
            Number for the callbacks.
        sparse_row_id_fn : callable, optional
            Accepted, without effect.

        Returns
        -------
        list of (str, float)
            Names and values.
        """
        metric = eval_metric if isinstance(eval_metric, EvalMetric) else create_metric(eval_metric)
        metric.reset()
        count = 0
        for nbatch, batch in self._batches(eval_data, num_batch, reset):
            self.update_metric(metric, batch.label)
            count = nbatch + 1
            for callback in listed(batch_end_callback):
                callback(BatchEndParam(epoch, nbatch, metric, locals()))
        for callback in listed(score_end_callback):
            callback(BatchEndParam(epoch, count, metric, locals()))
        return metric.get_name_value()

    def _unpadded(self, batch: Any) -> list[Any]:
        pad = getattr(batch, "pad", None) or 0
        return [x[: x.shape[0] - pad] if pad else x for x in self.get_outputs()]

    def iter_predict(
        self,
        eval_data: Any,
        num_batch: int | None = None,
        reset: bool = True,
        sparse_row_id_fn: Any = None,
    ) -> Iterator[tuple[list[Any], int, Any]]:
        """Predict batch by batch.

        Parameters
        ----------
        eval_data : DataIter
            The batches.
        num_batch : int, optional
            At most so many batches.
        reset : bool
            Begin with the first batch.
        sparse_row_id_fn : callable, optional
            Accepted, without effect.

        Yields
        ------
        tuple
            Outputs without padding, number of the batch, and the batch.
        """
        for nbatch, batch in self._batches(eval_data, num_batch, reset):
            yield self._unpadded(batch), nbatch, batch

    def predict(
        self,
        eval_data: Any,
        num_batch: int | None = None,
        merge_batches: bool = True,
        reset: bool = True,
        always_output_list: bool = False,
        sparse_row_id_fn: Any = None,
    ) -> Any:
        """Predict all batches of an iterator, or of arrays.

        Parameters
        ----------
        eval_data : DataIter, DataBatch or array
            What is predicted; an array is one batch.
        num_batch : int, optional
            At most so many batches.
        merge_batches : bool
            Join the batches.
        reset : bool
            Begin with the first batch.
        always_output_list : bool
            Return a list for one output too.
        sparse_row_id_fn : callable, optional
            Accepted, without effect.

        Returns
        -------
        array, list of array, or list of lists of array
            Without padding.

        Raises
        ------
        StateError
            If the module is not bound or has no parameters.
        """
        if isinstance(eval_data, Array | np.ndarray):
            eval_data = DataBatch([eval_data], pad=0)
        found = [
            [x.copy() for x in self._unpadded(batch)]
            for _, batch in self._batches(eval_data, num_batch, reset)
        ]
        if not merge_batches or not found:
            return found
        merged = [concatenate(list(parts)) for parts in zip(*found, strict=True)]
        return merged if always_output_list or len(merged) > 1 else merged[0]

    # ---- training ------------------------------------------------------------------------------
    def fit(
        self,
        train_data: Any,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = _OPTIMIZER_PARAMS,
        eval_end_callback: Any = None,
        eval_batch_end_callback: Any = None,
        initializer: Any = None,
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        allow_missing: bool = False,
        force_rebind: bool = False,
        force_init: bool = False,
        begin_epoch: int = 0,
        num_epoch: int | None = None,
        validation_metric: Any = None,
        monitor: Any = None,
        sparse_row_id_fn: Any = None,
    ) -> None:
        """Train on the batches of an iterator.

        Parameters
        ----------
        train_data : DataIter
            The batches.
        eval_data : DataIter, optional
            Evaluated after each epoch.
        eval_metric : EvalMetric or str
            Of training.
        epoch_end_callback : callable or list of callable, optional
            Called with epoch, symbol, arguments and auxiliary states.
        batch_end_callback : callable or list of callable, optional
            Called with a `BatchEndParam`.
        kvstore : str
            Accepted as ``local``, ``device`` or None.
        optimizer, optimizer_params : str or Optimizer, and its arguments
            The rule of updates.
        eval_end_callback, eval_batch_end_callback : callable or list of callable, optional
            As of `score`.
        initializer : Initializer, optional
            Of parameters that are not given; ``Uniform(0.01)`` if left out.
        arg_params, aux_params : dict of str to array, optional
            First values of parameters.
        allow_missing : bool
            Initialise parameters that they lack.
        force_rebind, force_init : bool
            Bind and initialise anew.
        begin_epoch, num_epoch : int
            First epoch, and the one after the last.
        validation_metric : EvalMetric or str, optional
            Of the evaluation; that of training if left out.
        monitor : object, optional
            Not supported.
        sparse_row_id_fn : callable, optional
            Accepted, without effect.

        Raises
        ------
        ValueError
            Without `num_epoch`.
        UnsupportedOpError
            With a monitor.
        """
        if num_epoch is None:
            raise ValueError("fit needs num_epoch, the number of epochs")
        self.bind(train_data.provide_data, train_data.provide_label, for_training=True,
                  force_rebind=force_rebind)  # fmt: skip
        if monitor is not None:
            self.install_monitor(monitor)
        self.init_params(initializer or Uniform(0.01), arg_params, aux_params, allow_missing,
                         force_init)  # fmt: skip
        self.init_optimizer(kvstore, optimizer, optimizer_params)
        metric = eval_metric if isinstance(eval_metric, EvalMetric) else create_metric(eval_metric)
        for epoch in range(begin_epoch, num_epoch):
            tic = time.time()
            self._epoch(epoch, train_data, metric, listed(batch_end_callback))
            for name, value in metric.get_name_value():
                self.logger.info("Epoch[%d] Train-%s=%f", epoch, name, value)
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)
            for callback in listed(epoch_end_callback):
                callback(epoch, self.symbol, *self.get_params())
            if eval_data is not None:
                found = self.score(
                    eval_data, validation_metric or metric, epoch=epoch,
                    score_end_callback=eval_end_callback,
                    batch_end_callback=eval_batch_end_callback,
                )  # fmt: skip
                for name, value in found:
                    self.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, value)
            train_data.reset()

    def _epoch(self, epoch: int, data: Any, metric: Any, callbacks: Sequence[Any]) -> None:
        metric.reset()
        for nbatch, batch in enumerate(data):
            self.prepare(batch)
            self.forward_backward(batch)
            self.update()
            self.update_metric(metric, batch.label)
            for callback in callbacks:
                callback(BatchEndParam(epoch, nbatch, metric, locals()))

    # ---- parameters ----------------------------------------------------------------------------
    def set_params(
        self,
        arg_params: dict[str, Any],
        aux_params: dict[str, Any],
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Set the parameters.

        Parameters
        ----------
        arg_params, aux_params : dict of str to array
            The parameters.
        allow_missing : bool
            Keep those that lack as they are.
        force_init : bool
            Set them even if there are some already.
        allow_extra : bool
            Accept names that the symbol does not have.
        """
        self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)

    def save_params(self, fname: str) -> None:
        """Write the parameters to a file.

        Parameters
        ----------
        fname : str
            The file.
        """
        arguments, states = self.get_params()
        arrays = {f"arg:{k}": v for k, v in arguments.items()}
        save(fname, {**arrays, **{f"aux:{k}": v for k, v in states.items()}})

    def load_params(self, fname: str) -> None:
        """Read the parameters from a file.

        Parameters
        ----------
        fname : str
            The file.

        Raises
        ------
        ValueError
            If a name in it says not what it is.
        """
        found = load(fname)
        parts: dict[str, dict[str, Any]] = {"arg": {}, "aux": {}}
        for name, value in found.items():
            kind, _, rest = name.partition(":")
            if kind not in parts:
                raise ValueError(f"Invalid param file {fname}: {name!r}")
            parts[kind][rest] = value
        self.set_params(parts["arg"], parts["aux"])

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return copies of the parameters.

        Returns
        -------
        tuple of dict of str to array
            Arguments, and auxiliary states.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define get_params")

    def install_monitor(self, mon: Any) -> None:
        """Refuse: intermediate results are looked at in another way.

        Parameters
        ----------
        mon : object
            The monitor.

        Raises
        ------
        UnsupportedOpError
            Always.
        """
        from symgluon.errors import UnsupportedOpError

        raise UnsupportedOpError(
            "monitors of modules are not supported",
            hint="bind symbol.get_internals() to see all intermediate results",
        )

    # ---- what subclasses define ------------------------------------------------------------------
    bind: Callable[..., None]
    init_params: Callable[..., None]
    init_optimizer: Callable[..., None]
    update: Callable[[], None]
    update_metric: Callable[..., None]
    get_outputs: Callable[..., list[Any]]
