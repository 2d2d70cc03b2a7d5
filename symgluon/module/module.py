"""`Module`: one symbol, its executor, its parameters and an optimizer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgluon import optimizer as opt
from symgluon.device import Device, current_device
from symgluon.errors import AttributeValueError, SymgluonError
from symgluon.executor import Executor, simple_bind
from symgluon.initializer import InitDesc, Uniform
from symgluon.io.batch import DataDesc
from symgluon.model import load_checkpoint
from symgluon.module.base import _OPTIMIZER_PARAMS, BaseModule
from symgluon.ndarray.ndarray import assign
from symgluon.ops.array import Array

_UNSET: Any = object()


class Module(BaseModule):
    """A symbol that is trained and predicts.

    Parameters
    ----------
    symbol : Symbol
        What is computed, with a training head such as SoftmaxOutput.
    data_names, label_names : sequence of str, optional
        Variables that batches are fed to.
    logger : logging.Logger
        Gets the lines of training.
    context : Device or list of Device, optional
        Where it runs.  Of several the first one computes whole batches: logical devices share one
        processor, and the sum of gradients is the same.
    work_load_list, group2ctxs, compression_params : object, optional
        Accepted, without effect: there is one device.
    fixed_param_names : sequence of str, optional
        Parameters that are not trained.
    state_names : sequence of str, optional
        Variables that are set by `set_states`, neither fed nor trained.

    Raises
    ------
    ValueError
        If the symbol has no such variable.

    Notes
    -----
    Source: MXNet's ``mx.mod.Module``.

    Examples
    --------
    >>> import symgluon as mx
    >>> y = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=1, no_bias=True)
    >>> net = mx.mod.Module(mx.sym.LinearRegressionOutput(y, name="out"), label_names=["out_label"])
    >>> x = mx.nd.array([[1], [2], [3], [4]])
    >>> data = mx.io.NDArrayIter(x, 2 * x, batch_size=4, label_name="out_label")
    >>> net.fit(data, num_epoch=60, eval_metric="mse", optimizer_params={"learning_rate": 0.1})
    >>> net.predict(data).asnumpy().round(1).tolist()
    [[2.0], [4.0], [6.0], [8.0]]
    """

    def __init__(
        self,
        symbol: Any,
        data_names: Sequence[str] | None = ("data",),
        label_names: Sequence[str] | None = ("softmax_label",),
        logger: Any = logging,
        context: Device | Sequence[Device] | None = None,
        work_load_list: Any = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Any = None,
    ) -> None:
        super().__init__(logger)
        self._symbol = symbol
        self._context = context[0] if isinstance(context, list | tuple) else context
        self._data_names = list(data_names or ())
        self._label_names = list(label_names or ())
        self._state_names = list(state_names or ())
        self._fixed = list(fixed_param_names or ())
        arguments = symbol.list_arguments()
        for names, kind in (
            (self._data_names, "data"), (self._state_names, "state"), (self._fixed, "fixed_param"),
        ):  # fmt: skip
            wrong = [n for n in names if n not in arguments]
            if wrong:
                raise ValueError(
                    f"Module(..., {kind}_names={names}): the symbol has no argument "
                    f"{', '.join(map(repr, wrong))}; it has {', '.join(arguments[:20])}"
                )
        self._label_names = [n for n in self._label_names if n in arguments]
        fed = {*self._data_names, *self._label_names, *self._state_names}
        self._param_names = [n for n in arguments if n not in fed]
        self._aux_names = symbol.list_auxiliary_states()
        self._exec: Any = None
        self._data_shapes: list[DataDesc] = []
        self._label_shapes: list[DataDesc] = []
        self._reshaped: dict[Any, Any] = {}
        self._grad_req: Any = "write"
        self._optimizer: Any = None
        self._updater: Any = None
        self._preload_states: str | None = None
        self._given: tuple[dict[str, Any], dict[str, Any]] | None = None

    # ---- names and shapes ------------------------------------------------------------------------
    @property
    def data_names(self) -> list[str]:
        """Variables that the data is fed to."""
        return self._data_names

    @property
    def label_names(self) -> list[str]:
        """Variables that labels are fed to."""
        return self._label_names

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs."""
        found: list[str] = self._symbol.list_outputs()
        return found

    @property
    def data_shapes(self) -> list[DataDesc]:
        """Descriptions of the data it is bound for."""
        self._need(params=False)
        return self._data_shapes

    @property
    def label_shapes(self) -> list[DataDesc]:
        """Descriptions of the labels it is bound for."""
        self._need(params=False)
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the outputs."""
        self._need(params=False)
        shapes = [tuple(x.shape) for x in self._exec.outputs]
        return list(zip(self.output_names, shapes, strict=True))

    # ---- binding ---------------------------------------------------------------------------------
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
        """Make the arrays for batches of these shapes.

        Parameters
        ----------
        data_shapes, label_shapes : list of DataDesc or of (str, tuple of int)
            Names and shapes.
        for_training : bool
            Make gradients too.
        inputs_need_grad : bool
            Also of the data.
        force_rebind : bool
            Bind anew even if it is bound.
        shared_module : Module, optional
            A bound module whose parameters are used.
        grad_req : str, list or dict
            What happens to gradients: ``write``, ``add`` or ``null``.

        Raises
        ------
        ValueError
            If the names of the data are not `data_names`.
        """
        if force_rebind:
            self.binded = False
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        self._grad_req = grad_req
        self._data_shapes = self._described(data_shapes, self._data_names, "data_shapes")
        self._label_shapes = self._described(label_shapes or (), self._label_names, "label_shapes",
                                             partly=True)  # fmt: skip
        old = self._exec
        self._exec = self._bound(shared_module._exec if shared_module is not None else None)
        self._reshaped = {}
        self.binded = True
        if shared_module is not None:
            self.params_initialized = shared_module.params_initialized
        elif self._given is not None:
            self._exec.copy_params_from(*self._given, allow_extra_params=True)
        elif old is not None and self.params_initialized:
            kept = {n: a for n, a in old.arg_dict.items() if n in self._param_names}
            self._exec.copy_params_from(kept, old.aux_dict)

    @staticmethod
    def _described(
        given: Sequence[Any], names: Sequence[str], what: str, partly: bool = False
    ) -> list[DataDesc]:
        found = [d if isinstance(d, DataDesc) else DataDesc(*d) for d in given]
        for desc in found:
            if not all(isinstance(n, int | np.integer) for n in desc.shape):
                raise TypeError(f"bind: {what}: the shape of {desc.name} is a tuple of numbers")
        own = [d.name for d in found]
        if partly:
            found = [d for d in found if d.name in names]
        elif sorted(own) != sorted(names):
            raise ValueError(
                f"bind: {what} names {', '.join(own) or 'nothing'}; the module has "
                f"{', '.join(names)}"
            )
        return found

    def _reqs(self) -> dict[str, str]:
        given = self._grad_req
        fed = {*self._label_names, *self._state_names, *self._fixed}
        reqs = {}
        for i, name in enumerate(self._symbol.list_arguments()):
            req = given if isinstance(given, str) else (
                given.get(name, "write") if isinstance(given, Mapping) else given[i]
            )  # fmt: skip
            inert = name in fed or (name in self._data_names and not self.inputs_need_grad)
            reqs[name] = "null" if inert or not self.for_training else req
        return reqs

    def _bound(self, shared: Executor | None, shapes: Mapping[str, Any] | None = None) -> Executor:
        """Bind for the present shapes; parameters are those of `shared`."""
        described = [*self._data_shapes, *self._label_shapes]
        wanted = shapes or {d.name: d.shape for d in described}
        kinds = {d.name: d.dtype for d in described}
        made = simple_bind(self._symbol, self._context or current_device(), self._reqs(), kinds,
                           wanted)  # fmt: skip
        if shared is None:
            return made
        fed = {*self._data_names, *self._label_names, *self._state_names}
        own = shared.arg_dict, shared.grad_dict, shared.aux_dict
        for i, name in enumerate(made.arg_dict):
            if name not in fed and name in own[0]:
                made.arg_arrays[i] = own[0][name]
                if made.grad_arrays[i] is not None and own[1][name] is not None:
                    made.grad_arrays[i] = own[1][name]
        made.aux_arrays = [own[2].get(n, a) for n, a in made.aux_dict.items()]
        return made

    def reshape(
        self, data_shapes: Sequence[Any], label_shapes: Sequence[Any] | None = None
    ) -> None:
        """Go over to batches of other shapes; the parameters stay.

        Parameters
        ----------
        data_shapes, label_shapes : list of DataDesc or of (str, tuple of int)
            Names and shapes.
        """
        self._need(params=False)
        self._data_shapes = self._described(data_shapes, self._data_names, "data_shapes")
        self._label_shapes = self._described(label_shapes or (), self._label_names, "label_shapes",
                                             partly=True)  # fmt: skip
        self._exec = self._bound(self._exec)

    # ---- parameters ------------------------------------------------------------------------------
    def init_params(
        self,
        initializer: Any = _UNSET,
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Fill the parameters.

        Parameters
        ----------
        initializer : Initializer or None
            Of parameters that are not given; ``Uniform(0.01)`` if left out.
        arg_params, aux_params : dict of str to array, optional
            Values.
        allow_missing : bool
            Initialise, or keep, those that they lack.
        force_init : bool
            Fill them even if they are filled.
        allow_extra : bool
            Accept names that the symbol does not have.

        Raises
        ------
        RuntimeError
            If a parameter lacks.
        ValueError
            For a name that the symbol does not have.
        """
        if self.params_initialized and not force_init:
            self.logger.warning("Parameters already initialized and force_init=False. "
                                "init_params call ignored.")  # fmt: skip
            return
        self._need(params=False)
        rule = Uniform(0.01) if initializer is _UNSET else initializer
        if self._given is not None and arg_params is None and aux_params is None:
            arg_params, aux_params = self._given
        attrs = self._symbol.attr_dict()
        own = {n: a for n, a in self._exec.arg_dict.items() if n in self._param_names}
        for given, arrays in ((arg_params, own), (aux_params, self._exec.aux_dict)):
            for name, array in arrays.items():
                if given is not None and name in given:
                    assign(array, given[name])
                elif given is not None and not allow_missing:
                    raise RuntimeError(f"{name} is not presented; pass allow_missing=True")
                elif rule is not None:
                    rule(InitDesc(name, attrs.get(name), rule), array)
            extra = [k for k in given or () if k not in arrays and not allow_extra]
            if extra:
                raise ValueError(
                    f"the symbol has no parameter {', '.join(extra[:8])}; pass allow_extra=True to "
                    "leave it out"
                )
        self._given = None
        self.params_initialized = True

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return copies of the parameters.

        Returns
        -------
        tuple of dict of str to array
            Arguments, and auxiliary states.
        """
        self._need()
        arguments = self._exec.arg_dict
        return (
            {n: arguments[n].copy() for n in self._param_names},
            {n: a.copy() for n, a in self._exec.aux_dict.items()},
        )

    # ---- training --------------------------------------------------------------------------------
    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = _OPTIMIZER_PARAMS,
        force_init: bool = False,
    ) -> None:
        """Make the optimizer.

        Parameters
        ----------
        kvstore : str or None
            Accepted as ``local``, ``device`` or None: there is one device.
        optimizer : str or Optimizer
            The rule.
        optimizer_params : dict, or pairs
            Its arguments; gradients are divided by the size of a batch unless they say otherwise.
        force_init : bool
            Make it anew even if there is one.

        Raises
        ------
        AttributeValueError
            For another `kvstore`.
        """
        self._need()
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        if isinstance(kvstore, str) and kvstore.startswith("dist"):
            raise AttributeValueError(
                f"Module: kvstore {kvstore!r} is not supported",
                hint="train over processes with gluon.Trainer",
            )
        names = dict(enumerate(self._param_names))
        if isinstance(optimizer, str):
            given = dict(optimizer_params)
            axis = DataDesc.get_batch_axis(self._data_shapes[0].layout)
            given.setdefault("rescale_grad", 1.0 / self._data_shapes[0].shape[max(axis, 0)])
            optimizer = opt.create(optimizer, param_idx2name=names, **given)
            self._set_factors(optimizer)
        elif not optimizer.idx2name:
            optimizer.idx2name = names
        self._optimizer = optimizer
        self._updater = opt.get_updater(optimizer)
        self.optimizer_initialized = True
        if self._preload_states is not None:
            self.load_optimizer_states(self._preload_states)
            self._preload_states = None

    def _set_factors(self, optimizer: Any) -> None:
        """Factors that the variables state; what is no weight does not decay (as in MXNet 1.x)."""
        attrs = self._symbol.attr_dict()

        def stated(key: str) -> dict[str, float]:
            return {n: float(attrs[n][key]) for n in self._param_names if key in attrs.get(n, {})}

        decay = {n: 0.0 for n in self._param_names if not n.endswith(("_weight", "_gamma"))}
        optimizer.set_lr_mult(stated("__lr_mult__"))
        optimizer.set_wd_mult({**decay, **stated("__wd_mult__")})

    def borrow_optimizer(self, shared_module: Any) -> None:
        """Use the optimizer of another module.

        Parameters
        ----------
        shared_module : Module
            It has one.
        """
        shared_module._need(optimizer=True)
        self._optimizer, self._updater = shared_module._optimizer, shared_module._updater
        self.optimizer_initialized = True

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of a batch; batches of another shape are taken too.

        Parameters
        ----------
        data_batch : DataBatch
            The batch.
        is_train : bool, optional
            Mode; as the module was bound if left out.

        Raises
        ------
        ValueError
            If the number of arrays is another one.
        """
        self._need()
        if len(data_batch.data) != len(self._data_names):
            raise ValueError(
                f"the batch has {len(data_batch.data)} arrays for {', '.join(self._data_names)}"
            )
        fed = {d.name: x for d, x in zip(self._order(data_batch), data_batch.data, strict=True)}
        labels = getattr(data_batch, "label", None) or ()
        fed.update({d.name: x for d, x in zip(self._label_shapes, labels, strict=False)})
        shapes = {n: tuple(x.shape) for n, x in fed.items()}
        if any(tuple(self._exec.arg_dict[n].shape) != s for n, s in shapes.items()):
            self._go_to(shapes)
        train = self.for_training if is_train is None else is_train
        self._exec.forward(is_train=train, **fed)

    def _order(self, batch: Any) -> list[DataDesc]:
        given = getattr(batch, "provide_data", None)
        return self._data_shapes if given is None else [
            d if isinstance(d, DataDesc) else DataDesc(*d) for d in given
        ]  # fmt: skip

    def _go_to(self, shapes: Mapping[str, Any]) -> None:
        """Use the executor for batches of these shapes; each is made once."""
        known = {d.name: tuple(d.shape) for d in (*self._data_shapes, *self._label_shapes)}
        self._reshaped.setdefault(tuple(sorted(known.items())), self._exec)
        wanted = {**known, **shapes}
        for name in self._label_names:
            if name not in shapes:
                wanted.pop(name, None)  # labels follow from the data
        key = tuple(sorted(wanted.items()))
        found = self._reshaped.get(key)
        if found is None:
            found = self._reshaped[key] = self._bound(self._exec, wanted)
        self._exec = found
        sizes = {n: tuple(a.shape) for n, a in found.arg_dict.items()}
        self._data_shapes = [self._resized(d, sizes) for d in self._data_shapes]
        self._label_shapes = [self._resized(d, sizes) for d in self._label_shapes]

    @staticmethod
    def _resized(desc: DataDesc, sizes: Mapping[str, Any]) -> DataDesc:
        return DataDesc(desc.name, sizes[desc.name], desc.dtype, desc.layout)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the parameters.

        Parameters
        ----------
        out_grads : array or list of array, optional
            Gradients of the outputs; training heads need none.
        """
        self._need()
        self._exec.backward(out_grads)

    def update(self) -> None:
        """Let the optimizer change the parameters."""
        self._need(optimizer=True)
        arguments, grads = self._exec.arg_dict, self._exec.grad_dict
        chosen = [(i, n) for i, n in enumerate(self._param_names) if grads[n] is not None]
        if chosen:
            self._updater(
                [i for i, _ in chosen], [grads[n] for _, n in chosen],
                [arguments[n] for _, n in chosen],
            )  # fmt: skip

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """Return the outputs of the last forward.

        Parameters
        ----------
        merge_multi_context : bool
            False: each in a list of its own, as from several devices.

        Returns
        -------
        list of array
            The outputs.
        """
        self._need()
        found: list[Any] = self._exec.outputs
        return found if merge_multi_context else [[x] for x in found]

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """Return the gradients of the data.

        Parameters
        ----------
        merge_multi_context : bool
            False: each in a list of its own, as from several devices.

        Returns
        -------
        list of array
            The gradients.

        Raises
        ------
        SymgluonError
            If the module was not bound with ``inputs_need_grad=True``.
        """
        self._need()
        if not self.inputs_need_grad:
            raise SymgluonError(
                "the gradients of the data were not asked for",
                hint="call bind(..., inputs_need_grad=True)",
            )
        grads = self._exec.grad_dict
        found = [grads[n] for n in self._data_names]
        return found if merge_multi_context else [[x] for x in found]

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """Return the arrays of `state_names`.

        Parameters
        ----------
        merge_multi_context : bool
            False: each in a list of its own, as from several devices.

        Returns
        -------
        list of array
            The states.
        """
        self._need()
        found = [self._exec.arg_dict[n] for n in self._state_names]
        return found if merge_multi_context else [[x] for x in found]

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Set the arrays of `state_names`.

        Parameters
        ----------
        states : list of array, or list of lists of array, optional
            Their contents.
        value : number, optional
            One for all elements.

        Raises
        ------
        ValueError
            If not exactly one of both is given.
        """
        self._need()
        if (states is None) == (value is None):
            raise ValueError("set_states takes either states or value")
        for i, name in enumerate(self._state_names):
            array = self._exec.arg_dict[name]
            if states is None:
                array[:] = value
                continue
            given = states[i]
            assign(array, given if isinstance(given, Array) else given[0])

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Let a metric take the outputs of the last forward.

        Parameters
        ----------
        eval_metric : EvalMetric
            The metric.
        labels : list of array
            Labels of the batch.
        pre_sliced : bool
            Whether the labels are in a list for each device.
        """
        given = labels[0] if pre_sliced else labels
        names = [d.name for d in self._label_shapes] or self._label_names
        eval_metric.update_dict(
            dict(zip(names, given or (), strict=False)),
            dict(zip(self.output_names, self.get_outputs(), strict=True)),
        )

    # ---- files -----------------------------------------------------------------------------------
    def save_checkpoint(
        self,
        prefix: str,
        epoch: int,
        save_optimizer_states: bool = False,
        remove_amp_cast: bool = True,
    ) -> None:
        """Write symbol, parameters and, if asked for, the states of the optimizer.

        Parameters
        ----------
        prefix : str
            Begin of the names of the files.
        epoch : int
            Number in the names.
        save_optimizer_states : bool
            Write ``prefix-%04d.states`` too.
        remove_amp_cast : bool
            Leave out the casts of automatic mixed precision.
        """
        from symgluon.model import save_checkpoint

        save_checkpoint(prefix, epoch, self._symbol, *self.get_params(), remove_amp_cast)
        if save_optimizer_states:
            self.save_optimizer_states(f"{prefix}-{epoch:04d}.states")

    def save_optimizer_states(self, fname: str) -> None:
        """Write the states of the optimizer.

        Parameters
        ----------
        fname : str
            The file.
        """
        from symgluon.formats.atomic import write_bytes

        self._need(optimizer=True)
        write_bytes(fname, self._updater.get_states())

    def load_optimizer_states(self, fname: str) -> None:
        """Read the states of the optimizer.

        Parameters
        ----------
        fname : str
            The file.
        """
        self._need(optimizer=True)
        with open(fname, "rb") as file:
            self._updater.set_states(file.read())

    @staticmethod
    def load(
        prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any
    ) -> Module:
        """Make a module from a checkpoint.

        Parameters
        ----------
        prefix : str
            Begin of the names of the files.
        epoch : int
            Number in the names.
        load_optimizer_states : bool
            Read the states of the optimizer once there is one.
        **kwargs : object
            As of `Module`.

        Returns
        -------
        Module
            Its parameters are set when it is bound.

        Raises
        ------
        FormatError
            If a file is damaged.
        """
        symbol, arguments, states = load_checkpoint(prefix, epoch)
        module = Module(symbol, **kwargs)
        module._given = (arguments, states)
        module.params_initialized = True
        if load_optimizer_states:
            module._preload_states = f"{prefix}-{epoch:04d}.states"
        return module
