"""`BucketingModule`: a module for each kind of batch, all with the same parameters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from symgluon.errors import SymgluonError
from symgluon.module.base import _OPTIMIZER_PARAMS, BaseModule
from symgluon.module.module import _UNSET, Module


class BucketingModule(BaseModule):
    """Modules by the ``bucket_key`` of batches; they share parameters and optimizer.

    Parameters
    ----------
    sym_gen : callable
        Key to ``(symbol, data_names, label_names)``.
    default_bucket_key : object
        Key of the module that is bound first, whose parameters all others use.
    logger : logging.Logger
        Gets the lines of training.
    context, work_load_list, fixed_param_names, state_names, group2ctxs, compression_params : object
        As of `Module`.

    Raises
    ------
    ValueError
        Without a default key.

    Notes
    -----
    Source: MXNet's ``mx.mod.BucketingModule``.
    """

    def __init__(
        self,
        sym_gen: Callable[[Any], tuple[Any, Any, Any]],
        default_bucket_key: Any = None,
        logger: Any = logging,
        context: Any = None,
        work_load_list: Any = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Any = None,
    ) -> None:
        super().__init__(logger)
        if default_bucket_key is None:
            raise ValueError(
                "BucketingModule needs default_bucket_key, the key of the largest one"
            )
        self._sym_gen = sym_gen
        self._default_bucket_key = default_bucket_key
        self._options = {
            "logger": logger, "context": context, "fixed_param_names": fixed_param_names,
            "state_names": state_names,
        }  # fmt: skip
        self._buckets: dict[Any, Module] = {}
        self._curr_module: Module = self._made(default_bucket_key)
        self._curr_bucket_key = default_bucket_key
        self._bind_options: dict[str, Any] = {}

    def _made(self, key: Any) -> Module:
        symbol, data_names, label_names = self._sym_gen(key)
        return Module(symbol, data_names, label_names, **self._options)

    @property
    def symbol(self) -> Any:
        """Symbol of the present module."""
        return self._curr_module.symbol

    @property
    def data_names(self) -> list[str]:
        """Variables that the data is fed to."""
        return self._curr_module.data_names

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs."""
        return self._curr_module.output_names

    @property
    def data_shapes(self) -> Any:
        """Descriptions of the data the present module is bound for."""
        return self._curr_module.data_shapes

    @property
    def label_shapes(self) -> Any:
        """Descriptions of the labels the present module is bound for."""
        return self._curr_module.label_shapes

    @property
    def output_shapes(self) -> Any:
        """Names and shapes of the outputs."""
        return self._curr_module.output_shapes

    def bind(
        self,
        data_shapes: Sequence[Any],
        label_shapes: Sequence[Any] | None = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Any = None,
        grad_req: Any = "write",
    ) -> None:
        """Bind the module of the default key.

        Parameters
        ----------
        data_shapes, label_shapes : list of DataDesc or of (str, tuple of int)
            Names and shapes.
        for_training, inputs_need_grad : bool
            As of `Module.bind`.
        force_rebind : bool
            Bind anew even if it is bound.
        shared_module : object, optional
            Not supported.
        grad_req : str, list or dict
            As of `Module.bind`.

        Raises
        ------
        SymgluonError
            With a `shared_module`.
        """
        if shared_module is not None:
            raise SymgluonError("BucketingModule: shared_module is not supported")
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        self._bind_options = {
            "for_training": for_training, "inputs_need_grad": inputs_need_grad,
            "grad_req": grad_req,
        }  # fmt: skip
        key = self._default_bucket_key
        module = self._buckets.get(key, self._curr_module)
        module.bind(data_shapes, label_shapes, force_rebind=force_rebind, **self._bind_options)
        self._buckets = {key: module}
        self._curr_module, self._curr_bucket_key = module, key
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self.binded = True
        self.params_initialized = module.params_initialized

    def switch_bucket(
        self, bucket_key: Any, data_shapes: Sequence[Any], label_shapes: Any = None
    ) -> None:
        """Go over to the module of a key; it is made and bound if there is none.

        Parameters
        ----------
        bucket_key : object
            The key.
        data_shapes, label_shapes : list of DataDesc or of (str, tuple of int)
            Names and shapes of its batches.
        """
        self._need(params=False)
        module = self._buckets.get(bucket_key)
        if module is None:
            first = self._buckets[self._default_bucket_key]
            module = self._made(bucket_key)
            module.bind(data_shapes, label_shapes, shared_module=first, **self._bind_options)
            if self.optimizer_initialized:
                module.borrow_optimizer(first)
            self._buckets[bucket_key] = module
        self._curr_module, self._curr_bucket_key = module, bucket_key

    def prepare(self, data_batch: Any, sparse_row_id_fn: Any = None) -> None:
        """Make the module of a batch, and stay with the present one.

        Parameters
        ----------
        data_batch : DataBatch
            The batch that comes next.
        sparse_row_id_fn : callable, optional
            Accepted, without effect.
        """
        self._need()
        key = self._curr_bucket_key
        self._switch(data_batch)
        self._curr_module, self._curr_bucket_key = self._buckets[key], key

    def _switch(self, batch: Any) -> None:
        key = self._default_bucket_key if batch.bucket_key is None else batch.bucket_key
        self.switch_bucket(key, batch.provide_data, batch.provide_label)

    def init_params(
        self,
        initializer: Any = _UNSET,
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Fill the parameters, which all modules share.

        Parameters
        ----------
        initializer : Initializer or None
            Of parameters that are not given.
        arg_params, aux_params : dict of str to array, optional
            Values.
        allow_missing, force_init, allow_extra : bool
            As of `Module.init_params`.
        """
        self._need(params=False)
        self._buckets[self._default_bucket_key].init_params(
            initializer, arg_params, aux_params, allow_missing, force_init, allow_extra
        )
        for module in self._buckets.values():
            module.params_initialized = True
        self.params_initialized = True

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return copies of the parameters.

        Returns
        -------
        tuple of dict of str to array
            Arguments, and auxiliary states.
        """
        self._need()
        return self._buckets[self._default_bucket_key].get_params()

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = _OPTIMIZER_PARAMS,
        force_init: bool = False,
    ) -> None:
        """Make the optimizer, which all modules share.

        Parameters
        ----------
        kvstore, optimizer, optimizer_params : object
            As of `Module.init_optimizer`.
        force_init : bool
            Make it anew even if there is one.
        """
        self._need()
        first = self._buckets[self._default_bucket_key]
        first.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        for module in self._buckets.values():
            if module is not first:
                module.borrow_optimizer(first)
        self.optimizer_initialized = True

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch by the module of its key.

        Parameters
        ----------
        data_batch : DataBatch
            The batch; it has ``bucket_key``, ``provide_data`` and ``provide_label``.
        is_train : bool, optional
            Mode; as the module was bound if left out.
        """
        self._need()
        self._switch(data_batch)
        self._curr_module.forward(data_batch, is_train)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the parameters.

        Parameters
        ----------
        out_grads : array or list of array, optional
            Gradients of the outputs.
        """
        self._curr_module.backward(out_grads)

    def update(self) -> None:
        """Let the optimizer change the parameters."""
        self._curr_module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """Return the outputs of the last forward.

        Parameters
        ----------
        merge_multi_context : bool
            As of `Module.get_outputs`.

        Returns
        -------
        list of array
            The outputs.
        """
        return self._curr_module.get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """Return the gradients of the data.

        Parameters
        ----------
        merge_multi_context : bool
            As of `Module.get_input_grads`.

        Returns
        -------
        list of array
            The gradients.
        """
        return self._curr_module.get_input_grads(merge_multi_context)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Let a metric take the outputs of the last forward.

        Parameters
        ----------
        eval_metric : EvalMetric
            The metric.
        labels : list of array
            Labels of the batch.
        pre_sliced : bool
            As of `Module.update_metric`.
        """
        self._curr_module.update_metric(eval_metric, labels, pre_sliced)
