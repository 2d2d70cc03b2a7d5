"""`NDArray`: the public handle; MXNet 1.x's arithmetic, and what both front ends share.

`mx.np.ndarray` derives from it (as in MXNet 2.0) and replaces arithmetic and indexing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from symgluon import runtime  # noqa: F401  (installs compiler and eager sessions)
from symgluon.device import Device, is_there, usable
from symgluon.errors import AttributeValueError, ShapeError, SymgluonError, TraceError
from symgluon.ir.graph import Value
from symgluon.ndarray.arithmetic import inplace, operator
from symgluon.ops.apply import F
from symgluon.ops.array import Array, wrap
from symgluon.ops.mx import table
from symgluon.ops.state import state
from symgluon.ops.tape import forget_variable, make_variable


class NDArray(Array):
    """A mutable handle to an array, with MXNet 1.x's rules of arithmetic.

    Arrays are made by functions such as ``mx.nd.array``.  Two arrays of an operation have one
    dtype; a number takes that of the array.  ``x[i]``, ``x[a:b]``, `reshape` and `detach` share
    memory with `x`. Every operator whose first operand is an array is a method: ``x.sum(axis=1)``.

    Parameters
    ----------
    data : numpy.ndarray
        The content; not copied.

    Attributes
    ----------
    _cut : bool
        The handle is a detached look at its base: reads are cut off from gradients.

    Notes
    -----
    Source: MXNet's ``mx.nd.NDArray``.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.nd.array([[1, 2], [3, 4]])
    >>> x[0] *= 10
    >>> x.sum(axis=1).asnumpy()
    array([30.,  7.], dtype=float32)
    """

    _cut: bool = False
    _reshaped: tuple[Any, ...] | None = None

    __add__ = __radd__ = operator("add")  # type: ignore[assignment]
    __sub__ = operator("subtract")
    __rsub__ = operator("subtract", swap=True)
    __mul__ = __rmul__ = operator("multiply")  # type: ignore[assignment]
    __truediv__ = operator("divide")
    __rtruediv__ = operator("divide", swap=True)
    __mod__ = operator("modulo")
    __rmod__ = operator("modulo", swap=True)
    __pow__ = operator("power")
    __rpow__ = operator("power", swap=True)
    __eq__ = operator("equal")  # type: ignore[assignment]
    __ne__ = operator("not_equal")  # type: ignore[assignment]
    __lt__ = operator("lesser")
    __le__ = operator("lesser_equal")
    __gt__ = operator("greater")
    __ge__ = operator("greater_equal")
    __iadd__ = inplace("add")
    __isub__ = inplace("subtract")
    __imul__ = inplace("multiply")
    __itruediv__ = inplace("divide")
    __imod__ = inplace("modulo")
    __ipow__ = inplace("power")

    def __neg__(self) -> Any:
        return self._new(F.negative(self))

    def __abs__(self) -> Any:
        return self._new(F.abs(self))

    def __getattr__(self, name: str) -> Any:
        """Operators whose first operand is an array are methods: ``x.sum(axis=1)``."""
        if name.startswith("_") or name not in table():
            raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")
        from symgluon.ndarray import fluent

        return fluent(name).__get__(self)

    # ---- views -----------------------------------------------------------------------------
    def _look(self) -> None:
        if not self._cut and self._reshaped is None:
            super()._look()
            return
        base = self._base
        if base is None:
            return
        content = base._content()
        if self._reshaped is not None:
            if content is not self._seen:
                fresh = F.reshape(base, shape=self._reshaped)
                self._data, self._node, self._out = fresh._data, fresh._node, fresh._out
                self._seen = base._content()
                self._owned = False
            return
        if content is not self._seen:
            if isinstance(content, Value):
                content = F.stop_gradient(base)._data
            else:
                base._root()._owned = False
            self._data, self._seen = content, base._content()

    def _assign(self, value: Array) -> None:
        if self._reshaped is not None and self._base is not None:
            self._base._assign(F.reshape(value, shape=self._base.shape))
            self._look()
            return
        super()._assign(value)

    def _write(self, index: tuple[Any, ...], value: Any) -> None:
        handle: Any = self
        while handle is not None and getattr(handle, "_reshaped", None) is None:
            handle = handle._base
        if handle is None:
            super()._write(index, value)
            return
        # a reshaped view on the way to the base: write by value
        new = F.set_index(self, F.cast(value, dtype=self.dtype), index=index)
        if self._reshaped is not None:
            self._assign(new)
        else:
            handle._write_part(self, new)

    def _write_part(self, part: Array, new: Array) -> None:
        """Write `new`, the content of the view `part` of this reshaped view, back to the base."""
        chain = []
        while part is not self:
            chain.append(part._index)
            part = part._base  # type: ignore[assignment]
        outer = [self]
        for step in reversed(chain[1:]):
            outer.append(F.index(outer[-1], index=step))
        for base, step in zip(reversed(outer), chain, strict=True):
            new = F.set_index(base, new, index=step)
        self._assign(new)

    # ---- reading ---------------------------------------------------------------------------
    def asnumpy(self) -> np.ndarray:
        """Return a copy as a NumPy array."""
        return self.numpy_content("asnumpy()").copy()

    def tolist(self) -> Any:
        """Return the elements as nested Python lists."""
        return self.numpy_content("tolist()").tolist()

    def asscalar(self) -> Any:
        """Return the only element as a NumPy number.

        Raises
        ------
        AttributeValueError
            If there are other than one.
        """
        if self.size != 1:
            raise AttributeValueError("The current array is not a scalar", received=self.type)
        return self.numpy_content("asscalar()").reshape(-1)[0]

    @property
    def ctx(self) -> Device:
        """Device of the array."""
        return self.device

    context = ctx

    @property
    def stype(self) -> str:
        """Storage type: always ``default`` (dense)."""
        return "default"

    @property
    def handle(self) -> int:
        """A number that identifies the handle."""
        return id(self)

    @property
    def writable(self) -> bool:
        """Always true."""
        return True

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        for i in range(self.shape[0]):
            yield self[i]

    def __getitem__(self, key: Any) -> Any:
        from symgluon.ndarray.indexing import getitem

        return getitem(self, key, legacy=True)

    def __setitem__(self, key: Any, value: Any) -> None:
        from symgluon.ndarray.indexing import setitem

        setitem(self, key, value)

    def __contains__(self, value: Any) -> bool:
        content = self.numpy_content("`in`")
        if isinstance(value, Array):
            value = value.numpy_content("`in`")
        return bool(np.isin(value, content).all())

    def _single(self, what: str) -> Any:
        content = self.numpy_content(what)
        if content.size != 1:
            raise TypeError("only size-1 arrays can be converted to Python scalars")
        return content.reshape(-1)[0]

    def __bool__(self) -> bool:
        content = self.numpy_content("the truth of an array")
        if content.size == 0:
            return False
        if content.size > 1:
            raise ValueError("The truth value of an ndarray with multiple elements is ambiguous.")
        return bool(content.reshape(-1)[0])

    def __float__(self) -> float:
        return float(self._single("float()"))

    def __int__(self) -> int:
        return int(self._single("int()"))

    def __index__(self) -> int:
        value = self._single("use as an index")
        if value.dtype.kind not in "iub":
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(value)

    def __hash__(self) -> int:
        return id(self) >> 4

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        content = self.numpy_content("conversion to NumPy")
        if copy is False:
            found = content.view()
            found.flags.writeable = False
            return found
        return np.array(content, dtype=dtype)

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.asnumpy().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def wait_to_read(self) -> None:
        """Do nothing: results are there when a call returns."""

    def wait_to_write(self) -> None:
        """Do nothing: results are there when a call returns."""

    # ---- copies and devices ------------------------------------------------------------------
    def _new(self, result: Any) -> Any:
        """Make an operator's result an array of this class and device."""
        result.__class__ = type(self)
        if self._device is not None:
            result._device = self._device
        return result

    def copy(self) -> Self:
        """Return a copy."""
        return self._new(F.identity(self))

    def copyto(self, other: Any) -> Any:
        """Copy into an array or to a device.

        Parameters
        ----------
        other : array or Device
            The array is written; the shapes must be equal.

        Returns
        -------
        array
            `other`, or the copy on that device.

        Raises
        ------
        TypeError
            For anything else.
        ShapeError
            If the shapes differ.
        """
        if isinstance(other, Device):
            result = self._new(F.identity(self))
            result._device = usable(other)
            return result
        if not isinstance(other, Array):
            raise TypeError(f"copyto does not support type {type(other)}")
        assign(other, self)
        return other

    def as_in_ctx(self, device: Device) -> Any:
        """Return the array on `device`: itself where it is there already."""
        device = Device(device) if not isinstance(device, Device) else device
        return self if self.device == device else self.copyto(device)

    as_in_context = as_in_ctx

    def to_device(self, device: Any) -> Any:
        """Return the array on `device` (a Device or a text such as ``cpu(0)``)."""
        if isinstance(device, str):
            kind, _, number = device.rstrip(")").partition("(")
            device = Device(kind, int(number or 0))
        return self.as_in_ctx(device)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """Return the array in another dtype.

        Parameters
        ----------
        dtype : dtype
            That of the result.
        copy : bool
            False: return the array itself if it has that dtype.

        Returns
        -------
        array
            Of the same shape.
        """
        if not copy and self.dtype == np.dtype(dtype):
            return self
        return self._new(F.cast(self, dtype=dtype))

    @property
    def T(self) -> Any:
        """The array with its axes reversed (a copy)."""
        return self._new(F.transpose(self))

    def transpose(self, *axes: Any, **kwargs: Any) -> Any:
        """Return a copy with permuted axes (reversed ones without `axes`)."""
        axes = kwargs.get("axes", axes)
        if len(axes) == 1 and isinstance(axes[0], tuple | list):
            axes = tuple(axes[0])
        return self._new(F.transpose(self, axes=tuple(axes) or None))

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        """Return a view of another shape, with 1.x's codes 0, -1, -2, -3, -4.

        Raises
        ------
        ShapeError
            If the sizes differ.
        """
        if len(shape) == 1 and isinstance(shape[0], tuple | list):
            shape = tuple(shape[0])
        shape = tuple(kwargs.get("shape", shape))
        from symgluon.ops.mx import bind_cached

        attrs = {"shape": shape, "reverse": kwargs.get("reverse", False)}
        found = bind_cached("Reshape", attrs)(self)[0]
        other = wrap(None, type(self))
        other._base, other._reshaped, other._device = self, tuple(found.shape), self._device
        other._data, other._node, other._out = found._data, found._node, found._out
        other._seen = self._content()
        return other

    def expand_dims(self, axis: int, inplace: bool = False) -> Any:
        """Return the array with one more axis of size 1.

        Parameters
        ----------
        axis : int
            Its place, of any sign.
        inplace : bool
            Return a view instead of a copy.

        Returns
        -------
        NDArray
            The array.
        """
        if inplace:
            at = axis if axis >= 0 else axis + len(self.shape) + 1
            return self.reshape((*self.shape[:at], 1, *self.shape[at:]))
        return self._new(F.expand_dims(self, axis=axis))

    def split_v2(self, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False) -> Any:
        """Split into equal parts, or at indices.

        Parameters
        ----------
        indices_or_sections : int or sequence of int
            Number of parts, or the places where it is cut.
        axis : int
            Axis, of any sign.
        squeeze_axis : bool
            Remove the axis, of size 1, from the parts.

        Returns
        -------
        list of NDArray
            The parts.
        """
        from symgluon.ndarray.functions import split_v2

        return split_v2(self, indices_or_sections, axis, squeeze_axis)

    def squeeze(self, axis: Any = None, inplace: bool = False) -> Any:
        """Return the array without axes of size 1.

        Parameters
        ----------
        axis : int or tuple of int, optional
            Which; all if left out.
        inplace : bool
            Return a view instead of a copy.

        Returns
        -------
        NDArray
            The array.
        """
        from symgluon.ops.mx import bind_cached

        found = self._new(bind_cached("squeeze", {"axis": axis})(self)[0])
        return self.reshape(found.shape) if inplace else found

    def flatten(self, inplace: bool = False) -> Any:
        """Return the array with all axes but the first merged.

        Parameters
        ----------
        inplace : bool
            Return a view instead of a copy.

        Returns
        -------
        NDArray
            The array.
        """
        if inplace:
            return self.reshape((self.shape[0], -1))
        from symgluon.ops.mx import bind_cached

        return self._new(bind_cached("Flatten", {})(self)[0])

    def broadcast_to(self, shape: Any) -> Any:
        """Broadcast to `shape`."""
        return self._new(F.broadcast_to(self, shape=tuple(shape)))

    def tostype(self, stype: str) -> Any:
        """Return the array in another storage type.

        Parameters
        ----------
        stype : str
            Only ``default`` exists.

        Returns
        -------
        array
            The array itself.

        Raises
        ------
        AttributeValueError
            For another type.
        """
        if stype != "default":
            raise AttributeValueError(
                f"storage type {stype!r} is not supported", expected="default (dense)"
            )
        return self

    def as_np_ndarray(self) -> Any:
        """Return an `np.ndarray` that shares this array's content."""
        from symgluon.numpy.multiarray import ndarray

        return self._as(ndarray)

    def as_nd_ndarray(self) -> Any:
        """Return an `nd.NDArray` that shares this array's content."""
        return self._as(NDArray)

    def _as(self, cls: type[NDArray]) -> Any:
        if type(self) is cls:
            return self
        other = self._share(cls)
        other._leaf = self._leaf
        return other

    def _share(self, cls: type[NDArray]) -> Any:
        """Return a handle that looks at all of this array."""
        from symgluon.ops.array import view

        return view(self, (), cls)

    def detach(self) -> Any:
        """Return a handle to the same content that is cut off from gradients."""
        other = wrap(None, type(self))
        other._base, other._cut, other._device = self, True, self._device
        other._look()
        return other

    def __copy__(self) -> Any:
        return self.copy().detach() if state.region is None else self.copy()

    def __getstate__(self) -> dict[str, Any]:
        leaf = self._leaf
        return {
            "data": self.numpy_content("copying or pickling"),
            "device": self._device,
            "grad": None if leaf is None else (leaf.req, leaf.grad.numpy_content()),
        }

    def __setstate__(self, content: dict[str, Any]) -> None:
        self._data = np.array(content["data"])
        self._owned = True
        device = content["device"]
        # on the CPU, where it was saved on another machine
        self._device = None if device is None or not is_there(device) else device
        if content["grad"] is not None:
            req, grad = content["grad"]
            self.attach_grad(req)
            self._leaf.grad._data = np.array(grad)

    # ---- gradients ---------------------------------------------------------------------------
    def attach_grad(self, grad_req: str = "write", stype: str | None = None) -> None:
        """Make the array a variable: `backward` puts the gradient of its content into `grad`.

        Parameters
        ----------
        grad_req : str
            ``write`` (each `backward` replaces the gradient), ``add`` or ``null``.
        stype : str, optional
            Accepted; gradients are dense.

        Raises
        ------
        TraceError
            While a graph is traced.
        """
        if state.region is not None:
            raise TraceError("attach_grad is not possible while a graph is traced")
        content = self.numpy_content()
        self._base = None
        self._data = content
        grad = wrap(np.zeros(content.shape, content.dtype), type(self))
        grad._device = self._device
        make_variable(self, grad, grad_req)

    def drop_grad(self) -> None:
        """Forget the gradient; the array is no variable any more."""
        forget_variable(self)

    @property
    def grad(self) -> Any:
        """The gradient, None without `attach_grad`."""
        return None if self._leaf is None else self._leaf.grad

    _fresh: bool = False

    @property
    def _fresh_grad(self) -> bool:
        """Whether the gradient was written since the flag was last cleared (the trainer's)."""
        return self._leaf is not None and bool(self._leaf.grad._fresh)

    @_fresh_grad.setter
    def _fresh_grad(self, value: bool) -> None:
        if self._leaf is not None:
            self._leaf.grad._fresh = bool(value)

    def backward(
        self, out_grad: Any = None, retain_graph: bool = False, train_mode: bool = True
    ) -> None:
        """Compute the gradients of the variables this array depends on.

        Parameters
        ----------
        out_grad : array, optional
            Cotangent of the array, of its shape; ones if left out.
        retain_graph : bool
            Keep what was recorded, to differentiate it once more.
        train_mode : bool
            Mode in which gradient rules run that depend on it.

        Raises
        ------
        MXNetError
            If the array was not recorded.

        Examples
        --------
        >>> import symgluon as mx
        >>> x = mx.nd.array([1, 2])
        >>> x.attach_grad()
        >>> with mx.autograd.record():
        ...     y = x * x
        >>> y.backward()
        >>> x.grad.asnumpy()
        array([2., 4.], dtype=float32)
        """
        from symgluon import autograd

        autograd.backward([self], [out_grad], retain_graph, train_mode)

    # ---- text --------------------------------------------------------------------------------
    def _text_in_trace(self) -> str | None:
        content = self._content()
        if isinstance(content, Value):
            return f"<{type(self).__name__} %{content.name}: {content.type} (traced)>"
        return None

    def __repr__(self) -> str:
        traced = self._text_in_trace()
        if traced is not None:
            return traced
        sizes = "x".join(str(n) for n in self.shape)
        return f"\n{self.numpy_content()!s}\n<NDArray {sizes} @{self.device}>"

    def __str__(self) -> str:
        return self.__repr__()


def assign(target: Array, value: Array) -> None:
    """Let an array hold the content of another, cast to its dtype.

    Parameters
    ----------
    target : Array
        Is written.
    value : Array
        Of the same shape.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    if len(target.shape) != len(value.shape) or not all(
        [m == n for m, n in zip(target.shape, value.shape, strict=True)]
    ):
        raise ShapeError(
            "cannot write one array into another of a different shape",
            expected=target.shape,
            received=value.shape,
        )
    if value.dtype != target.dtype:
        value = F.cast(value, dtype=target.dtype)
    elif value is target:
        return
    target._assign(value)


def refuse_unknown(name: str, kwargs: dict[str, Any]) -> None:
    """Refuse keyword arguments that nobody knows.

    Parameters
    ----------
    name : str
        The function.
    kwargs : dict
        What is left of them.

    Raises
    ------
    MXNetError
        If there are any.
    """
    if kwargs:
        raise SymgluonError(f"{name}: unknown arguments {', '.join(kwargs)}")
