"""`Parameter`: a named array of a block, on each of its devices, with its gradient.

The content on a device is a *cell*: one handle that stays the same while values come and go, so that
compiled entries find it again.  Cells are replaced only when shape, dtype or device change.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.device import Device, current_device, usable
from symgluon.errors import (
    AttributeValueError,
    DeferredInitializationError,
    DTypeError,
    ParameterShapeError,
    SymgluonError,
)
from symgluon.ops.array import Array, parameter_writes, wrap
from symgluon.ops.region import outside
from symgluon.ops.state import state

__all__ = ["Constant", "DeferredInitializationError", "Parameter"]

_REQS = ("write", "add", "null")


def _array_class(numpy: bool) -> type[Array]:
    """Class of the handles: 2.0's arrays, or 1.x's unless `numpy` or the flag of arrays is set."""
    if numpy or state.np_array:
        from symgluon.numpy import ndarray

        return ndarray
    from symgluon.ndarray import NDArray

    return NDArray


def _device_list(device: Any) -> list[Device]:
    if device is None:
        return [current_device()]
    devices = list(device) if isinstance(device, list | tuple) else [device]
    if not devices or not all(isinstance(d, Device) for d in devices):
        raise _DeviceListError(
            f"expected a device such as mx.cpu(0), or a list of devices, received {device!r}"
        )
    return devices


def _known(n: Any) -> bool:
    return isinstance(n, int) and n >= 0


class _DeviceListError(AttributeValueError, AttributeError, TypeError):
    """Something that is no device: an AttributeError in MXNet."""


class _UninitializedError(SymgluonError, AssertionError):
    """Values for a parameter that has no array yet: an AssertionError in MXNet."""


class _ChoiceError(AttributeValueError, AssertionError):
    """An argument that is none of the choices: an AssertionError in MXNet."""


class Parameter:
    """A weight of a block: an array on each of its devices, with its gradient.

    Parameters
    ----------
    name : str
        Name; a block names its parameters by attribute.
    grad_req : str
        ``write``: `backward` sets the gradient; ``add``: it adds to it; ``null``: there is none.
    shape : int or tuple of int, optional
        -1 (and 0) stand for dimensions that are found at the first call.
    dtype : dtype
        Of data and gradient.
    lr_mult, wd_mult : float
        Factors of learning rate and weight decay, read by the optimizer.
    init : Initializer or str, optional
        How to initialise; what ``initialize`` is given if left out.
    allow_deferred_init : bool
        Whether the shape may be unknown when `initialize` is called.
    differentiable : bool
        False: `grad_req` is always ``null``.
    stype, grad_stype : str
        Storage type, ``default``, ``row_sparse`` or ``csr``; arrays are stored dense all the same.

    Raises
    ------
    AssertionError
        For another `grad_req` or storage type.

    Notes
    -----
    Source: seed ``gluon.Parameter``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight = mx.gluon.Parameter("weight", shape=(2, 3), init="ones")
    >>> weight.initialize()
    >>> weight
    Parameter (shape=(2, 3), dtype=float32)
    >>> weight.data().asnumpy()
    array([[1., 1., 1.],
           [1., 1., 1.]], dtype=float32)
    >>> with mx.autograd.record():
    ...     loss = (weight.data() * 2).sum()
    >>> loss.backward()
    >>> weight.grad().asnumpy()
    array([[2., 2., 2.],
           [2., 2., 2.]], dtype=float32)
    """

    #: whether it holds `mx.np` arrays whatever the flags say
    _numpy = False

    def __init__(
        self,
        name: str = "weight",
        grad_req: str = "write",
        shape: Any = None,
        dtype: Any = "float32",
        lr_mult: float = 1.0,
        wd_mult: float = 1.0,
        init: Any = None,
        allow_deferred_init: bool = False,
        differentiable: bool = True,
        stype: str = "default",
        grad_stype: str = "default",
    ) -> None:
        for kind, given in (("stype", stype), ("grad_stype", grad_stype)):
            if given not in ("default", "row_sparse", "csr"):
                raise _ChoiceError(f"{kind} is default, row_sparse or csr, received {given!r}")
        self._name = name
        self._shape = self._normal(shape)
        self._dtype = dtypes.resolve(dtype)
        self.lr_mult = lr_mult
        self.wd_mult = wd_mult
        self.init = init
        self._allow_deferred_init = allow_deferred_init
        self._differentiable = differentiable
        self._stype = stype
        self._grad_stype = grad_stype
        self._cells: dict[Device, Any] = {}
        self._deferred: tuple[Any, list[Device], Any, str] | None = None
        self._structure = ""
        self._trainer: Any = None
        self._grad_req = "null"
        self.grad_req = grad_req

    @staticmethod
    def _normal(shape: Any, zero: int = -1) -> tuple[int, ...] | None:
        """Shape as a tuple; -1 stands for unknown, and so does 0 unless `zero` says otherwise."""
        if shape is None:
            return None
        sizes = (int(shape),) if isinstance(shape, int) else [int(n) for n in shape]
        return tuple([n if n > 0 else (zero if n == 0 else -1) for n in sizes])

    # ---- facts -----------------------------------------------------------------------------
    #: the name is a full one of MXNet 1.x (`ParameterDict.get`): blocks leave it as it is
    _fixed_name: bool = False
    _variable: Any = None  # see `var`
    _stated_shape: Any = None

    def __repr__(self) -> str:
        name = f" {self._name}" if self._fixed_name else ""
        return f"Parameter{name} (shape={self.shape}, dtype={dtypes.name(self._dtype)})"

    @property
    def name(self) -> str:
        """Name of the parameter."""
        return self._name

    def _name_in_block(self, name: str) -> None:
        """The block it is assigned to names it, unless the user did."""
        if self._name in ("weight", "const") and not self._fixed_name:
            self._name = name

    @property
    def shape(self) -> Any:
        """Shape; None where nothing is known.

        Dimensions that are not known yet are -1, and 0 where shapes have 1.x's meaning.

        Raises
        ------
        AssertionError
            When set to a shape that contradicts the known dimensions.
        """
        if self._shape is None:
            return None
        unknown = -1 if state.np_shape else 0
        return tuple(n if _known(n) else unknown for n in self._shape)

    @shape.setter
    def shape(self, shape: Any) -> None:
        new = self._normal(shape, 0 if state.np_shape else -1)
        old = self._shape
        if old is not None and new is not None:
            fits = len(old) == len(new) and all(
                not _known(a) or a == b for a, b in zip(old, new, strict=True)
            )
            if not fits:
                raise ParameterShapeError(
                    f"Expected shape {tuple(new)} is incompatible with given shape {tuple(old)} "
                    f"for Parameter {self._where()}",
                    hint="feed data of the size the layer was made for, or make the layer for it",
                )
        self._shape = new

    @property
    def _shape_known(self) -> bool:
        return self._shape is not None and all(_known(n) for n in self._shape)

    @property
    def dtype(self) -> Any:
        """Dtype of data and gradient; setting it casts both."""
        return self._dtype

    @dtype.setter
    def dtype(self, dtype: Any) -> None:
        self.cast(dtype)

    @property
    def stype(self) -> str:
        """Storage type asked for; arrays are always dense."""
        return self._stype

    @property
    def grad_req(self) -> str:
        """What `backward` does with the gradient: ``write``, ``add`` or ``null``.

        Raises
        ------
        AssertionError
            When set to anything else.
        """
        return self._grad_req

    @grad_req.setter
    def grad_req(self, req: str) -> None:
        if req not in _REQS:
            raise _ChoiceError(f"grad_req must be one of write, add or null, received {req!r}")
        if not self._differentiable:
            req = "null"
        if req == self._grad_req:
            return
        self._grad_req = req
        for cell in self._cells.values():
            self._attach(cell)

    def _where(self) -> str:
        return repr(self._structure or self._name)

    # ---- initialisation --------------------------------------------------------------------
    @property
    def _is_deferred(self) -> bool:
        return self._deferred is not None

    def initialize(
        self,
        init: Any = None,
        device: Any = None,
        default_init: Any = None,
        force_reinit: bool = False,
        *,
        ctx: Any = None,
        structural_name: str = "",
    ) -> None:
        """Give the parameter its values now, or at the first call if its shape is unknown.

        Parameters
        ----------
        init : Initializer or str, optional
            How; `Parameter.init` if left out, and then `default_init`.
        device : Device or list of Device, optional
            Where, a copy on each; the current device if left out.
        default_init : Initializer, optional
            For a parameter without an initializer of its own; ``Uniform()`` if left out.
        force_reinit : bool
            Initialise anew what is initialised already.
        ctx : Device or list of Device, optional
            Old name of `device`.
        structural_name : str
            Name in the net, for messages and for initializers that go by names.

        Raises
        ------
        ValueError
            If the shape is unknown and deferred initialisation is not allowed.

        Warns
        -----
        UserWarning
            If it is initialised already and stays as it is.
        """
        from symgluon import initializer

        self._structure = structural_name or self._structure
        if self._cells and not force_reinit:
            warnings.warn(
                f"Parameter {self._where()} is already initialized, ignoring. Set "
                "force_reinit=True to re-initialize.",
                stacklevel=2 if structural_name == "" else 3,
            )
            return
        devices = _device_list(device if ctx is None else ctx)
        if init is None:
            init = self.init
        default = initializer.Uniform() if default_init is None else default_init
        self._cells = {}
        self._deferred = (init, devices, default, self._structure or self._name)
        if self._shape_known:
            with outside():
                self._finish_deferred_init()
            return
        if not self._allow_deferred_init:
            self._deferred = None
            raise ValueError(
                f"parameter {self._where()} cannot be initialised: its shape is {self.shape}. "
                "Give it a full shape, or create it with allow_deferred_init=True"
            )

    def _finish_deferred_init(self) -> None:
        """Compute the values (runs outside every trace)."""
        from symgluon import initializer

        if self._deferred is None:
            return
        if not self._shape_known:
            raise DeferredInitializationError(
                f"parameter {self._where()}: its shape {self.shape} is still unknown",
                hint="call the block on data first, or give the layer its input size",
            )
        init, devices, default, name = self._deferred
        self._deferred = None
        values = np.zeros(self._shape or (), self._dtype)
        rule = initializer.create(init if init is not None else default)
        if isinstance(rule, initializer.RNNFused):
            rule.set_initializer(default)
        with outside():
            handle = wrap(values, _array_class(self._numpy))
            handle._owned = True
            write = getattr(rule, "init_weight_directly", rule)
            write(initializer.InitDesc(name, global_init=default), handle)
            if getattr(default, "_verbose", False):
                default._report(name, rule, handle)
        self._place(handle._content(), devices)

    def _place(self, values: np.ndarray, devices: Sequence[Device]) -> None:
        """Make cells of the same values."""
        self._set_cells([values, *[values.copy() for _ in devices[1:]]], devices)

    def _set_cells(self, contents: Sequence[np.ndarray], devices: Sequence[Device]) -> None:
        """Make the cells."""
        cells = {}
        for content, device in zip(contents, devices, strict=True):
            cell = wrap(content, _array_class(self._numpy))
            cell._device = usable(device)
            cell._owner = self
            cell._owned = False
            cells[device] = cell
        self._cells = cells
        parameter_writes.touch()
        for cell in cells.values():
            self._attach(cell)

    def _attach(self, cell: Any) -> None:
        if self._grad_req == "null":
            cell._leaf = cell._node = None
            return
        with outside():
            cell.attach_grad(self._grad_req)

    def _check(self) -> None:
        if self._cells:
            return
        if self._deferred is not None:
            raise DeferredInitializationError(
                f"parameter {self._where()} is not initialised yet: its shape {self.shape} is found "
                "at the first call",
                hint="call the block on data first, or give the layer its input size",
            )
        raise RuntimeError(
            f"Parameter {self._where()} has not been initialized: call initialize() of the block "
            "(or of the parameter) before using it"
        )

    def _cell(self, device: Device | None) -> Any:
        """Return the cell on `device`; without one on the current device, else the first."""
        cells = self._cells
        if len(cells) == 1:
            for only, cell in cells.items():
                if device is None or device == only:
                    return cell
        self._check()
        if device is None:
            found = cells.get(current_device())
            return next(iter(cells.values())) if found is None else found
        found = cells.get(device)
        if found is None:
            have = ", ".join(str(d) for d in cells)
            raise RuntimeError(
                f"Parameter {self._where()} was not initialized on {device}; it is on {have}. "
                "Initialise it with device=[...], or call reset_device"
            )
        return found

    # ---- content ---------------------------------------------------------------------------
    def data(self, device: Device | None = None, ctx: Device | None = None) -> Any:
        """Return the array on a device.

        Parameters
        ----------
        device : Device, optional
            Which; the current one if left out, or else the first it is on.
        ctx : Device, optional
            Old name of `device`.

        Returns
        -------
        array
            The same handle at each call, while shape, dtype and devices stay.

        Raises
        ------
        RuntimeError
            If the parameter is not initialised, or not on that device.
        DeferredInitializationError
            If its shape is not known yet.
        """
        return self._cell(device if ctx is None else ctx)

    def list_data(self) -> list[Any]:
        """Arrays on all devices, in the order of `list_device`."""
        self._check()
        return list(self._cells.values())

    def grad(self, device: Device | None = None, ctx: Device | None = None) -> Any:
        """Return the gradient on a device.

        Parameters
        ----------
        device : Device, optional
            Which; the current one if left out, or else the first it is on.
        ctx : Device, optional
            Old name of `device`.

        Returns
        -------
        array
            Of the shape and dtype of the parameter.

        Raises
        ------
        RuntimeError
            If the parameter has none (``grad_req='null'``), or is not initialised.
        """
        cell = self._cell(device if ctx is None else ctx)
        if cell.grad is None:
            raise RuntimeError(
                f"Cannot get gradient array for Parameter {self._where()} because grad_req='null'"
            )
        return cell.grad

    def list_grad(self) -> list[Any]:
        """Gradients on all devices."""
        self._check()
        return [self.grad(d) for d in self._cells]

    def list_device(self) -> list[Device]:
        """Devices the parameter is on."""
        if not self._cells and self._deferred is not None:
            return list(self._deferred[1])
        self._check()
        return list(self._cells)

    list_ctx = list_device

    def set_data(self, data: Any) -> None:
        """Set the values on all devices; inside a trace the write is part of the graph.

        Parameters
        ----------
        data : array
            Of the shape of the parameter; another dtype is cast.

        Raises
        ------
        AssertionError
            If the shape is another one.
        RuntimeError
            If the parameter is not initialised.
        """
        shape = tuple(data.shape)
        if self._shape_known and all(isinstance(n, int) for n in shape) and shape != self._shape:
            raise ParameterShapeError(
                f"Expected shape {shape} is incompatible with given shape {self._shape} for "
                f"Parameter {self._where()}"
            )
        self.shape = shape
        if not self._cells:
            if self._deferred is None:
                raise _UninitializedError(
                    f"Parameter {self._where()} has not been initialized: call initialize() before "
                    "set_data()"
                )
            _, devices, _, _ = self._deferred
            self._deferred = None
            array = data._content() if isinstance(data, Array) else np.asarray(data)
            self._place(np.array(array, self._dtype), devices)
            return
        for cell in self._cells.values():
            value = data if isinstance(data, Array) else wrap(np.array(data))
            if value.dtype != cell.dtype:
                from symgluon.ops.apply import F

                value = F.cast(value, dtype=cell.dtype)
            cell._assign(_detached(value))
            if state.region is None:
                cell._node, cell._out = cell._leaf, 0  # a variable again, under `record` too

    def zero_grad(self) -> None:
        """Set the gradients to zero."""
        for cell in self._cells.values():
            if cell._leaf is not None:
                grad = cell._leaf.grad
                grad._data = np.zeros(cell.shape, cell.dtype)

    def reset_device(self, device: Any) -> None:
        """Move the parameter to a device, or to each of several.

        Parameters
        ----------
        device : Device or list of Device
            Where to; several copies become their mean first.

        Raises
        ------
        ValueError
            If the parameter is not initialised.
        """
        devices = _device_list(device)
        if self._cells:
            self._place(self._mean_over_devices(), devices)
        elif self._deferred is not None:
            init, _, default, name = self._deferred
            self._deferred = (init, devices, default, name)
        else:
            raise ValueError(
                f"Cannot reset device for Parameter {self._where()} because it has not been "
                "initialized"
            )

    def reset_ctx(self, ctx: Any) -> None:
        """Old name of :meth:`reset_device`.

        Parameters
        ----------
        ctx : Device or list of Device
            Where to.
        """
        self.reset_device(ctx)

    def cast(self, dtype: Any) -> None:
        """Cast data and gradient to `dtype`."""
        dtype = dtypes.resolve(dtype)
        if dtype == self._dtype:
            return
        self._dtype = dtype
        contents = [cell.numpy_content("cast") for cell in self._cells.values()]
        if contents:
            devices = list(self._cells)
            self._cells = {}
            self._set_cells([c.astype(dtype) for c in contents], devices)

    def _mean_over_devices(self) -> np.ndarray:
        """Return the values to save: the mean where there are several devices."""
        self._check()
        arrays = [c.numpy_content("saving a parameter") for c in self._cells.values()]
        if len(arrays) == 1:
            return arrays[0]
        return np.mean(np.stack(arrays), axis=0, dtype=np.float64).astype(arrays[0].dtype)

    def _reduce(self) -> Any:
        """Return an array of the values to save: the mean over the devices."""
        return wrap(self._mean_over_devices().copy(), _array_class(self._numpy))

    def _load_init(
        self,
        data: Any,
        device: Any,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Take values from an array, whether the parameter is initialised or not."""
        array = data.numpy_content() if isinstance(data, Array) else np.asarray(data)
        if cast_dtype and dtype_source == "saved":
            self.cast(array.dtype)
        elif cast_dtype:
            array = array.astype(self._dtype)
        self._load(np.array(array), device, self._name)

    @property
    def _data(self) -> list[Any] | None:
        """Arrays on all devices; None before initialisation."""
        return list(self._cells.values()) or None

    @property
    def _grad(self) -> list[Any] | None:
        """Gradients on all devices; None where there are none."""
        cells = self._cells.values()
        return [cell.grad for cell in cells] if cells and self._grad_req != "null" else None

    def _load(self, array: np.ndarray, device: Any, name: str) -> None:
        """Take values from a file."""
        self._structure = self._structure or name
        if array.dtype != self._dtype:
            raise DTypeError(
                f"parameter {name!r} is {dtypes.name(self._dtype)}, the values are "
                f"{dtypes.name(array.dtype)}"
            )
        if self._cells and device is None:
            for cell in self._cells.values():
                cell._assign(wrap(array))
            return
        if self._shape is not None and len(self._shape) == array.ndim:
            self.shape = array.shape
        else:
            self._shape = tuple(array.shape)
        devices = _device_list(device)
        if self._deferred is not None and device is None:
            devices = self._deferred[1]
        self._deferred = None
        self._place(array, devices)

    def row_sparse_data(self, row_id: Any) -> Any:
        """Return rows of the parameter; storage is dense, so these are all its values.

        Parameters
        ----------
        row_id : array (n,), int
            Wanted rows; only its device counts.

        Returns
        -------
        array
            The parameter on that device.

        Raises
        ------
        RuntimeError
            If the parameter was not declared ``row_sparse``.
        """
        if self._stype != "row_sparse":
            raise RuntimeError(
                f"Cannot return a copy of Parameter {self._where()} via row_sparse_data() because "
                f"its storage type is {self._stype}; use data()"
            )
        return self.data(row_id._device if isinstance(row_id, Array) else None)

    def list_row_sparse_data(self, row_id: Any) -> list[Any]:
        """Return rows of the parameter on all devices (see :meth:`row_sparse_data`).

        Parameters
        ----------
        row_id : array (n,), int
            Wanted rows.

        Returns
        -------
        list of array
            The parameter on each device.

        Raises
        ------
        RuntimeError
            If the parameter was not declared ``row_sparse``.
        """
        self.row_sparse_data(row_id)
        return self.list_data()

    @property
    def grad_stype(self) -> str:
        """Storage type asked for gradients; arrays are always dense."""
        return self._grad_stype

    def var(self) -> Any:
        """Return the variable of this parameter in symbols.

        Returns
        -------
        Symbol
            The same at each call, with the attributes that the parameter has at the first.
        """
        if self._variable is None:
            from symgluon.symbol.functions import var

            found = var(
                self.name, shape=self._stated_shape or self.shape, dtype=self._dtype,
                lr_mult=self.lr_mult, wd_mult=self.wd_mult, init=self._stated_init(),
                stype=self._stype,
            )  # fmt: skip
            self._variable = found.as_np_ndarray() if state.np_array else found
        return self._variable

    def _stated_init(self) -> Any:
        """Initializer that the variable states."""
        return self.init

    def _keep_stated_shape(self) -> None:
        """The shape is about to be found from data; MXNet 1.x makes the variable before that."""
        if self._variable is None and self._stated_shape is None:
            self._stated_shape = self.shape

    def __getstate__(self) -> dict[str, Any]:
        saved = dict(self.__dict__)
        saved["_trainer"] = saved["_variable"] = None
        return saved

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__dict__.update(saved)
        for cell in self._cells.values():
            cell._owner = self  # traces know their parameters by it


def _detached(value: Array) -> Array:
    """The content without its producer: a parameter does not keep the graph of the last step."""
    if state.region is not None:
        from symgluon.ops.apply import F

        return F.stop_gradient(value)  # type: ignore[no-any-return]
    content = value._content()
    value._root()._owned = False
    return wrap(content)  # type: ignore[no-any-return]


class Constant(Parameter):
    """A parameter that is not trained: its ``grad_req`` is always ``null``.

    Parameters
    ----------
    value : array
        Its values; it is initialised to them.  Float64 of NumPy becomes float32, and for arrays of
        1.x what is no array of MXNet does.
    name : str
        Name; a block names its parameters by attribute.  MXNet 1.x has the name first, which is taken
        as well.

    Notes
    -----
    Source: MXNet's ``gluon.Constant``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mean = mx.gluon.Constant([[1.0, 2.0]])
    >>> mean.initialize()
    >>> mean, mean.grad_req
    (Constant (shape=(1, 2), dtype=float32), 'null')
    >>> mean.data().asnumpy()
    array([[1., 2.]], dtype=float32)
    """

    def __init__(self, value: Any, name: Any = "const") -> None:
        from symgluon import initializer

        if isinstance(value, str):  # MXNet 1.x: Constant(name, value)
            value, name = name, value
        array = value.asnumpy() if hasattr(value, "asnumpy") else np.asarray(value)
        if not hasattr(value, "asnumpy") and (array.dtype == np.float64 or not state.np_array):
            array = array.astype(np.float32)
        self.value = value
        super().__init__(
            name,
            grad_req="null",
            shape=array.shape,
            dtype=array.dtype,
            init=initializer.Constant(array),
            differentiable=False,
        )
        self._shape = array.shape  # sizes of 0 are meant

    def __repr__(self) -> str:
        name = f" {self._name}" if self._fixed_name else ""
        return f"Constant{name} (shape={self.shape}, dtype={dtypes.name(self.dtype)})"

    def _stated_init(self) -> str:
        """A name that gives the value in this process: the text would be as long as the value."""
        from symgluon import initializer

        name = f"Constant_{self.name}_{id(self)}"
        return initializer.name_for_now(name, self, lambda constant: constant.init)

    @property
    def grad_req(self) -> str:
        """Always ``null``."""
        return "null"

    @grad_req.setter
    def grad_req(self, req: str) -> None:
        if req != "null":
            warnings.warn(
                f'Constant parameter "{self._name}" does not support grad_req other than "null", '
                f'and new value "{req}" is ignored.',
                stacklevel=2,
            )


def __getattr__(name: str) -> Any:
    # MXNet 1.x has it in this module as well
    if name == "ParameterDict":
        from symgluon.gluon.parameter_dict import ParameterDict

        return ParameterDict
    if name == "tensor_types":
        return (Array,)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
