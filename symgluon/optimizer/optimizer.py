"""Base class and registry of optimizers (MXNet's ``mx.optimizer.Optimizer``).

An optimizer is one rule on NumPy arrays, `rule`, which updates a weight and its state in place.
Everything around it (counting updates, learning rates, half precision, in-place buffers) is here.
User classes may override `step` instead and compute with handles.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symgluon import dtypes, registry
from symgluon.errors import AttributeValueError, TraceError
from symgluon.ops.array import parameter_writes, wrap
from symgluon.ops.state import state as flags
from symgluon.optimizer.buffers import flat, mapped, temporary, writable

__all__ = ["Optimizer", "create", "register"]


class Optimizer:
    """Base class of optimizers.

    A subclass defines `rule` on NumPy arrays, or `step` on arrays of MXNet.

    Parameters
    ----------
    rescale_grad : float
        Gradients are multiplied by it first (``Trainer.step`` sets ``1 / batch_size``).
    param_idx2name : dict, optional
        Index to name of the parameters.
    wd : float
        Weight decay (L2).
    clip_gradient : float, optional
        Rescaled gradients are clipped to ``[-clip_gradient, clip_gradient]``.
    learning_rate : float, optional
        Overrides the base rate of `lr_scheduler`; 0.01 without either.
    lr_scheduler : LRScheduler, optional
        Learning rate by number of updates.
    sym : object
        Accepted, without effect.
    begin_num_update : int
        Number of updates at the start.
    multi_precision : bool
        Keep a float32 copy of weights of half precision.
    param_dict : dict, optional
        Index to `Parameter`, for its ``lr_mult`` and ``wd_mult``.
    aggregate_num : int, optional
        Accepted; weights are updated one by one.
    use_fused_step : bool, optional
        Decides where MXNet's two forms of an update differ.

    Raises
    ------
    TypeError
        For an unknown argument.
    AssertionError
        If `param_idx2name` is no dictionary.

    Warns
    -----
    UserWarning
        If `learning_rate` overrides that of `lr_scheduler`.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.Optimizer``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class SignDescent(mx.optimizer.Optimizer):
    ...     def rule(self, index, weight, grad, state, lr, wd):
    ...         weight -= lr * (grad > 0) - lr * (grad < 0)
    >>> weight = mx.np.array([1.0, 2.0])
    >>> updater = mx.optimizer.get_updater(SignDescent(learning_rate=0.5))
    >>> updater(0, mx.np.array([3.0, -3.0]), weight)
    >>> weight
    array([0.5, 2.5])
    """

    opt_registry: ClassVar[dict[str, type[Optimizer]]] = {}

    def __init__(
        self,
        rescale_grad: float = 1.0,
        param_idx2name: dict[Any, str] | None = None,
        wd: float = 0.0,
        clip_gradient: float | None = None,
        learning_rate: float | None = None,
        lr_scheduler: Any = None,
        sym: Any = None,
        begin_num_update: int = 0,
        multi_precision: bool = False,
        param_dict: dict[Any, Any] | None = None,
        aggregate_num: int | None = None,
        use_fused_step: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise TypeError(f"{type(self).__name__}: unknown argument {', '.join(sorted(kwargs))}")
        if param_idx2name is not None and not isinstance(param_idx2name, dict):
            raise _ArgumentError("param_idx2name should be a dict of param indexes to names")
        self.rescale_grad = rescale_grad
        self.lr_scheduler = lr_scheduler
        self.lr = self._base_rate(learning_rate, lr_scheduler)
        self.wd = wd
        self.clip_gradient = clip_gradient
        self.multi_precision = multi_precision
        self.aggregate_num = 1 if aggregate_num is None else aggregate_num
        self.use_fused_step = True if use_fused_step is None else use_fused_step
        self.begin_num_update = begin_num_update
        self.num_update = begin_num_update
        self._all_index_update_counts: dict[Any, dict[Any, int]] = {0: {}}
        self._index_update_count = self._all_index_update_counts[0]
        self.idx2name = dict(param_idx2name or {})
        self.sym_info = ()
        self.param_dict = param_dict or {}
        self._on_gpu: dict[Any, Any] = {}
        self.allow_np_array = True  # a flag of MXNet's; both array classes are taken
        self.lr_mult: dict[Any, float] = {}
        self.wd_mult: dict[Any, float] = {}

    @staticmethod
    def _base_rate(learning_rate: float | None, lr_scheduler: Any) -> float:
        if lr_scheduler is None:
            return 0.01 if learning_rate is None else learning_rate
        if learning_rate is None:
            return lr_scheduler.base_lr  # type: ignore[no-any-return]
        if lr_scheduler.base_lr != learning_rate:
            warnings.warn(
                "learning rate from `lr_scheduler` has been overwritten by `learning_rate` in "
                "optimizer.",
                UserWarning,
                stacklevel=5,
            )
            lr_scheduler.base_lr = learning_rate
        return learning_rate

    # ---- registry ----------------------------------------------------------------------------
    @staticmethod
    def register(klass: type[Optimizer]) -> type[Optimizer]:
        """Let a class be created by its name in lower case; a class decorator.

        Parameters
        ----------
        klass : type
            Subclass of `Optimizer`.

        Returns
        -------
        type
            The class itself.

        Warns
        -----
        UserWarning
            If another class had that name.
        """
        name = klass.__name__.lower()
        known = Optimizer.opt_registry.get(name)
        if known is not None and known is not klass:
            warnings.warn(
                f"New optimizer {klass.__module__}.{klass.__name__} is overriding existing "
                f"optimizer {known.__module__}.{known.__name__}",
                stacklevel=2,
            )
        Optimizer.opt_registry[name] = klass
        return klass

    @staticmethod
    def create_optimizer(name: str, **kwargs: Any) -> Optimizer:
        """Return an optimizer by its name.

        Parameters
        ----------
        name : str
            Of any case.
        **kwargs : object
            Arguments of the class.

        Returns
        -------
        Optimizer
            The optimizer.

        Raises
        ------
        ValueError
            For an unknown name; the known ones are listed.
        """
        found = Optimizer.opt_registry.get(str(name).lower())
        if found is None:
            known = ", ".join(sorted(Optimizer.opt_registry))
            raise AttributeValueError(f"Cannot find optimizer {name}", hint=f"known: {known}")
        return found(**kwargs)

    # ---- learning rate and decay ---------------------------------------------------------------
    @property
    def learning_rate(self) -> float:
        """Learning rate of the present update."""
        if self.lr_scheduler is not None:
            return self.lr_scheduler(self.num_update)  # type: ignore[no-any-return]
        return self.lr

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
        if self.lr_scheduler is not None:
            raise UserWarning(
                "LRScheduler of the optimizer has already been defined. Note that set_learning_rate "
                "can mutate the value of the learning rate of the optimizer only when the "
                "LRScheduler of the optimizer is undefined."
            )
        self.lr = lr

    def set_lr_mult(self, args_lr_mult: dict[Any, float]) -> None:
        """Set factors of the learning rate, `args_lr_mult`, by index or name of the parameters."""
        self.lr_mult = dict(args_lr_mult)

    def set_wd_mult(self, args_wd_mult: dict[Any, float]) -> None:
        """Set factors of the weight decay, `args_wd_mult`, by index or name of the parameters."""
        self.wd_mult = dict(args_wd_mult)

    def _multiplier(self, index: Any, kind: str) -> float:
        parameter = self.param_dict.get(index)
        if parameter is not None:
            return getattr(parameter, kind)  # type: ignore[no-any-return]
        given: dict[Any, float] = getattr(self, kind)
        if index in given:
            return given[index]
        return given.get(self.idx2name.get(index), 1.0)

    def _get_lrs(self, indices: Sequence[Any]) -> list[float]:
        base = self.learning_rate
        return [base * self._multiplier(i, "lr_mult") for i in indices]

    def _get_lr(self, index: Any) -> float:
        return self._get_lrs([index])[0]

    def _get_wds(self, indices: Sequence[Any]) -> list[float]:
        return [self.wd * self._multiplier(i, "wd_mult") for i in indices]

    def _get_wd(self, index: Any) -> float:
        return self._get_wds([index])[0]

    # ---- counting ------------------------------------------------------------------------------
    def _set_current_device(self, device_id: Any) -> None:
        """Count the updates of this device from now on."""
        self._index_update_count = self._all_index_update_counts.setdefault(device_id, {})

    _set_current_context = _set_current_device

    def _update_count(self, index: Any) -> None:
        """Note an update of the parameter (or parameters) at `index`."""
        counts = self._index_update_count
        for i in index if isinstance(index, list | tuple) else (index,):
            counts[i] = counts.get(i, self.begin_num_update) + 1
            self.num_update = max(counts[i], self.num_update)

    # ---- states --------------------------------------------------------------------------------
    def create_state(self, index: Any, weight: Any) -> Any:
        """Return the state of a weight.

        Parameters
        ----------
        index : int or str
            Which weight it is.
        weight : array
            The weight.

        Returns
        -------
        None, array, or tuple of those
            What `rule` gets as NumPy arrays.
        """
        return None

    def create_state_multi_precision(self, index: Any, weight: Any) -> Any:
        """Return the state of a weight, with a float32 copy of one of half precision in front.

        Parameters
        ----------
        index : int or str
            Which weight it is.
        weight : array
            The weight.

        Returns
        -------
        None, array, or tuple of those
            As `create_state`, or (copy, state).

        Warns
        -----
        UserWarning
            For a float16 weight without `multi_precision`.
        """
        if self._half(weight):
            master = wrap(weight.numpy_content().astype(np.float32), type(weight))
            master._owned = True
            return (master, self.create_state(index, master))
        if dtypes.resolve(weight.dtype) == np.float16 and not self.multi_precision:
            warnings.warn(
                "Accumulating with float16 in optimizer can lead to poor accuracy or slow "
                "convergence. Consider using multi_precision=True option of the optimizer",
                stacklevel=2,
            )
        return self.create_state(index, weight)

    def _half(self, weight: Any) -> bool:
        return self.multi_precision and _is_half(weight.dtype)

    @staticmethod
    def _zeros(weight: Any, shape: tuple[int, ...] | None = None) -> Any:
        """State of zeros beside a weight."""
        state = wrap(
            np.zeros(weight.shape if shape is None else shape, weight.dtype), type(weight)
        )
        state._owned = True
        state._device = weight._device
        return state

    @staticmethod
    def _copy(weight: Any) -> Any:
        """State that starts as a copy of the weight."""
        state = wrap(weight.numpy_content().copy(), type(weight))
        state._owned = True
        state._device = weight._device
        return state

    # ---- updating ------------------------------------------------------------------------------
    def update(self, indices: Any, weights: Any, grads: Any, states: Any) -> None:
        """Update weights by their gradients; lists, or one of each.

        Parameters
        ----------
        indices : int or str, or list of those
            Which weights they are.
        weights, grads : array or list of array
            The weights, written in place, and their gradients.
        states : object or list of object
            Their states, as `create_state` made them.
        """
        indices, weights, grads, states = _lists(indices, weights, grads, states)
        self.step(indices, weights, grads, states)

    def update_multi_precision(self, indices: Any, weights: Any, grads: Any, states: Any) -> None:
        """Update weights, those of half precision through their float32 copies.

        Parameters
        ----------
        indices : int or str, or list of those
            Which weights they are.
        weights, grads : array or list of array
            The weights, written in place, and their gradients.
        states : object or list of object
            Their states, as `create_state_multi_precision` made them.
        """
        indices, weights, grads, states = _lists(indices, weights, grads, states)
        if not any([self._half(w) for w in weights]):
            self.step(indices, weights, grads, states)
            return
        masters, exact, inner = [], [], []
        for weight, grad, state in zip(weights, grads, states, strict=True):
            if self._half(weight):
                masters.append(state[0])
                exact.append(wrap(grad.numpy_content().astype(np.float32), type(grad)))
                inner.append(state[1])
            else:
                masters.append(weight)
                exact.append(grad)
                inner.append(state)
        self.step(indices, masters, exact, inner)
        for weight, master in zip(weights, masters, strict=True):
            if master is not weight:
                writable(weight)[...] = master.numpy_content()
                _written(weight)

    def step(
        self,
        indices: Sequence[Any],
        weights: Sequence[Any],
        grads: Sequence[Any],
        states: Sequence[Any],
    ) -> None:
        """Update a list of weights by `rule`; user classes may override it.

        Parameters
        ----------
        indices : sequence of int or str
            Which weights they are.
        weights, grads : sequence of array
            The weights, written in place, and their gradients.
        states : sequence of object
            Their states.

        Raises
        ------
        TraceError
            While a graph is traced.
        AttributeValueError
            If a gradient has another shape than its weight.
        """
        if flags.region is not None:
            raise TraceError(
                f"{type(self).__name__}: weights cannot be updated while a graph is traced",
                hint="call trainer.step(batch_size) outside the hybridized block",
            )
        self._update_count(indices)
        rates, decays = self._get_lrs(indices), self._get_wds(indices)
        if self._step_on_gpu(indices, weights, grads, states, rates, decays):
            return
        for index, weight, grad, state, lr, wd in zip(
            indices, weights, grads, states, rates, decays, strict=True
        ):
            content = grad._content()
            if content.shape != weight.shape:
                raise AttributeValueError(
                    f"{type(self).__name__}: the gradient of parameter {index} has another shape",
                    expected=weight.shape,
                    received=content.shape,
                )
            if _is_half(weight.dtype):
                self._half_step(index, weight, content, state, lr, wd)
            else:
                self.rule(index, writable(weight), content, mapped(state, writable), lr, wd)
            _written(weight)

    fused_step = step

    def _step_on_gpu(
        self,
        indices: Sequence[Any],
        weights: Sequence[Any],
        grads: Sequence[Any],
        states: Sequence[Any],
        rates: Sequence[float],
        decays: Sequence[float],
    ) -> bool:
        """Update weights where they are, if that is a GPU and there is a `formula`."""
        device = weights[0]._device if weights else None
        if device is None or device.device_type != "gpu" or not _has_formula(type(self)):
            return False
        from symgluon.optimizer.on_gpu import update_there

        numbers = [
            self.numbers(i, lr, wd) for i, lr, wd in zip(indices, rates, decays, strict=True)
        ]
        if not update_there(self, weights, grads, states, numbers):
            return False
        for weight in weights:
            _written(weight)
        return True

    def formula(self, weight: Any, grad: Any, state: Any, *numbers: Any) -> tuple[Any, Any]:
        """`rule` as operations on arrays, for weights on a GPU, whose updates are compiled.

        A class that has one defines it beside its `rule`; without it weights are updated on the CPU.

        Parameters
        ----------
        weight, grad : array
            Of one shape; the gradient is rescaled and clipped.
        state : None, array, or tuple of those
            What `create_state` made.
        *numbers : array
            What `numbers` returned, of shape ().

        Returns
        -------
        tuple
            The new weight, and the new state.

        Raises
        ------
        NotImplementedError
            If the class has none.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no formula(...)")

    def numbers(self, index: Any, lr: float, wd: float) -> tuple[float, ...]:
        """Return what `formula` needs of a weight in this step: numbers that may change.

        Parameters
        ----------
        index : int or str
            Which parameter it is.
        lr, wd : float
            Its learning rate and weight decay.

        Returns
        -------
        tuple of float
            As many for each parameter.
        """
        return lr, wd

    def constants(self) -> tuple[Any, ...]:
        """Return the settings that are built into the graph of `formula`.

        Returns
        -------
        tuple
            Compared with those of the last step: where they changed, it is compiled anew.
        """
        return (self.clip_gradient,)

    def _half_step(
        self, index: Any, weight: Any, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """Compute in float32 what is stored in half precision."""
        stored = [writable(weight), *flat(mapped(state, writable))]
        exact = [a.astype(np.float32) for a in stored]
        inner = iter(exact[1:])
        given = mapped(state, lambda _: next(inner))
        self.rule(index, exact[0], grad.astype(np.float32), given, lr, wd)
        for a, b in zip(stored, exact, strict=True):
            a[...] = b

    def rule(
        self,
        index: Any,
        weight: np.ndarray,
        grad: np.ndarray,
        state: Any,
        lr: float,
        wd: float,
    ) -> None:
        """Update `weight` and `state` in place; `grad` is read only.

        Parameters
        ----------
        index : int or str
            Which parameter it is; ``self._index_update_count[index]`` is the number of the update.
        weight, grad : numpy.ndarray
            Of one shape; float32 where the weight is of half precision.
        state : None, numpy.ndarray, or tuple of those
            What `create_state` made.
        lr, wd : float
            Learning rate and weight decay of this parameter.

        Raises
        ------
        NotImplementedError
            If the subclass defines neither this nor `step`.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither rule(...) nor step(...)")

    def _clipped(self, grad: np.ndarray, slot: int = 0) -> np.ndarray:
        """Gradient, rescaled and clipped; `grad` itself where that changes nothing."""
        scale, clip = self.rescale_grad, self.clip_gradient
        clips = clip is not None and clip > 0
        if scale == 1.0 and not clips:
            return grad
        out = temporary(grad, slot)
        np.multiply(grad, scale, out=out)
        if clips:
            np.clip(out, -clip, clip, out=out)  # type: ignore[operator]
        return out

    def _decayed(self, grad: np.ndarray, weight: np.ndarray, wd: float) -> np.ndarray:
        """Gradient, rescaled and clipped, plus ``wd * weight`` (uses temporaries 0 and 1)."""
        found = self._clipped(grad)
        if wd == 0:
            return found
        decay = np.multiply(weight, wd, out=temporary(weight, 1))
        return np.add(found, decay, out=decay if found is grad else found)

    def _decayed_then_clipped(self, grad: np.ndarray, weight: np.ndarray, wd: float) -> np.ndarray:
        """Gradient, rescaled, plus ``wd * weight``, then clipped (temporaries 0 and 1)."""
        found = np.multiply(grad, self.rescale_grad, out=temporary(grad))
        if wd:
            found += np.multiply(weight, wd, out=temporary(weight, 1))
        clip = self.clip_gradient
        if clip is not None and clip > 0:
            np.clip(found, -clip, clip, out=found)
        return found

    def _time(self, index: Any) -> int:
        """Return the number of this update of a parameter, from 1."""
        return self._index_update_count[index]

    # ---- saving --------------------------------------------------------------------------------
    def __getstate__(self) -> dict[str, Any]:
        saved = dict(self.__dict__)
        saved["param_dict"] = {}
        saved.pop("_on_gpu", None)  # compiled graphs
        return saved

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__dict__.update(saved)
        self._on_gpu = {}


registry.share(Optimizer, Optimizer.opt_registry)


class _ArgumentError(AttributeValueError, AssertionError):
    """An argument of the wrong kind: an AssertionError in MXNet."""


def _has_formula(cls: type) -> bool:
    """Whether a class has a `formula` of its own `rule`, not of one that it replaced."""
    owner = next(c for c in cls.__mro__ if "rule" in vars(c))
    return owner is not Optimizer and "formula" in vars(owner)


def _is_half(dtype: Any) -> bool:
    return dtype.itemsize == 2 and dtype.kind in "fV"


def _lists(*values: Any) -> tuple[Any, ...]:
    if isinstance(values[0], list | tuple):
        return values
    return tuple([v] for v in values)


def _written(weight: Any) -> None:
    """Tell that the content of a weight was written in place."""
    weight._node, weight._out = weight._leaf, 0
    if weight._owner is not None:
        parameter_writes.touch()


register = Optimizer.register
create = Optimizer.create_optimizer


@register
class Test(Optimizer):
    """Plain descent that keeps a copy of the weight: for tests.

    Notes
    -----
    Source: MXNet's ``mx.optimizer.Test``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight, grad = mx.np.array([1.0, 2.0]), mx.np.array([0.5, -0.5])
    >>> updater = mx.optimizer.get_updater(mx.optimizer.Test(learning_rate=0.1))
    >>> updater(0, grad, weight)
    >>> weight.asnumpy().round(3)
    array([0.95, 2.05], dtype=float32)
    """

    def create_state(self, index: Any, weight: Any) -> Any:
        """Array of zeros."""
        return self._zeros(weight)

    def rule(
        self, index: Any, weight: np.ndarray, grad: np.ndarray, state: Any, lr: float, wd: float
    ) -> None:
        """``weight -= lr * (rescale_grad * grad + wd * weight)``."""
        weight -= lr * (self.rescale_grad * grad + wd * weight)
        state[...] = weight
