"""`mx.np.ndarray`: the array of MXNet 2.0, with NumPy's behaviour and MXNet's dtypes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from symgluon import dtypes
from symgluon.device import Device
from symgluon.ir.dims import Dim
from symgluon.ir.op import OPS, Op
from symgluon.ndarray.indexing import getitem, setitem
from symgluon.ndarray.ndarray import NDArray, assign
from symgluon.ops.apply import F, apply
from symgluon.ops.array import Array, wrap

#: versions of the array API that `__array_namespace__` takes
_API_VERSIONS = (None, "2021.12", "2021.10")

_OPERANDS = (int, float, bool, np.ndarray, np.generic)


def _bound(name: str) -> Op:
    """Return the shared instance of an operator without attributes."""
    return OPS[name]()


def dim_operand(dim: Dim, dtype: Any) -> Any:
    """Return a symbolic dimension as an operand beside an array, like a number.

    Parameters
    ----------
    dim : Dim
        The dimension.
    dtype : dtype
        Of the array.

    Returns
    -------
    Array
        Without axes.
    """
    value = F.dim_value(dim=dim)
    kind = dtypes.scalar_type(dtype, 1)
    return value if value.dtype == kind else F.cast(value, dtype=kind)


def _operator(name: str, swap: bool = False) -> Callable[[Any, Any], Any]:
    """Make a binary operator method: operands go straight to the dispatcher."""
    instance: list[Op] = []

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, Array):
            kind = type(other)
            if (kind is float or kind is int) and self.dtype.kind == "f":
                other = np.array(other, self.dtype)  # what the operator's rule would give
            elif isinstance(other, Dim):
                other = dim_operand(other, self.dtype)
            elif not isinstance(other, _OPERANDS):
                return NotImplemented
        if not instance:
            instance.append(_bound(name))
        result = apply(instance[0], other, self) if swap else apply(instance[0], self, other)
        result.__class__ = ndarray
        device = self._device
        if device is not None:
            result._device = device
        return result

    return method


def _inplace(name: str) -> Callable[[Any, Any], Any]:
    """Make an in-place operator method: shape and dtype stay."""
    plain = _operator(name)

    def method(self: Any, other: Any) -> Any:
        result = plain(self, other)
        if result is not NotImplemented:
            assign(self, result)
            return self
        return result

    return method


def _unary(name: str) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        return self._new(apply(_bound(name), self))

    return method


def _takes(function: Any, args: Any, kwargs: Any) -> bool:
    """Whether a function has these arguments; what it lacks of NumPy's, NumPy itself computes."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


class ndarray(NDArray):
    """An n-dimensional array of MXNet 2.0 (made by `mx.np.array` and the like).

    It is a mutable handle: ``x[i]``, ``x[a:b]`` and ``detach()`` share memory with `x`, all other
    functions give new arrays.  Arithmetic promotes by MXNet's table: an integer with a float gives
    that float, and a number takes the dtype of a float array.  NumPy's functions called on it give
    it back.

    Parameters
    ----------
    data : numpy.ndarray
        The content; not copied.

    Notes
    -----
    Source: MXNet's ``mx.np.ndarray``.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.array([[1, 2], [3, 4]])
    >>> x.dtype, x.shape, x.device
    (dtype('float32'), (2, 2), cpu(0))
    >>> row = x[0]
    >>> row += 10
    >>> x
    array([[11., 12.],
           [ 3.,  4.]])
    >>> (x > 5).sum().item()
    2
    """

    __add__ = __radd__ = _operator("add")  # type: ignore[assignment]
    __sub__ = _operator("subtract")
    __rsub__ = _operator("subtract", swap=True)
    __mul__ = __rmul__ = _operator("multiply")  # type: ignore[assignment]
    __truediv__ = _operator("true_divide")
    __rtruediv__ = _operator("true_divide", swap=True)
    __floordiv__ = _operator("floor_divide")
    __rfloordiv__ = _operator("floor_divide", swap=True)
    __mod__ = _operator("mod")
    __rmod__ = _operator("mod", swap=True)
    __pow__ = _operator("power")
    __rpow__ = _operator("power", swap=True)
    __matmul__ = _operator("matmul")
    __rmatmul__ = _operator("matmul", swap=True)
    __and__ = __rand__ = _operator("bitwise_and")
    __or__ = __ror__ = _operator("bitwise_or")
    __xor__ = __rxor__ = _operator("bitwise_xor")
    __lshift__ = _operator("left_shift")
    __rlshift__ = _operator("left_shift", swap=True)
    __rshift__ = _operator("right_shift")
    __rrshift__ = _operator("right_shift", swap=True)
    __eq__ = _operator("equal")  # type: ignore[assignment]
    __ne__ = _operator("not_equal")  # type: ignore[assignment]
    __lt__ = _operator("less")
    __le__ = _operator("less_equal")
    __gt__ = _operator("greater")
    __ge__ = _operator("greater_equal")
    __iadd__ = _inplace("add")
    __isub__ = _inplace("subtract")
    __imul__ = _inplace("multiply")
    __itruediv__ = _inplace("true_divide")
    __ifloordiv__ = _inplace("floor_divide")
    __imod__ = _inplace("mod")
    __ipow__ = _inplace("power")
    __imatmul__ = _inplace("matmul")
    __iand__ = _inplace("bitwise_and")
    __ior__ = _inplace("bitwise_or")
    __ixor__ = _inplace("bitwise_xor")
    __ilshift__ = _inplace("left_shift")
    __irshift__ = _inplace("right_shift")
    __neg__ = _unary("negative")
    __abs__ = _unary("abs")
    __invert__ = _unary("invert")
    __hash__ = NDArray.__hash__

    def __pos__(self) -> Any:
        return self

    def __round__(self, n: int = 0) -> Any:
        return self.round(n)

    def __getitem__(self, key: Any) -> Any:
        return getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        setitem(self, key, value)

    def __index__(self) -> int:
        content = self.numpy_content("use as an index")
        if content.ndim or content.dtype.kind not in "iu":
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(content)

    def copy(self, order: str = "C") -> Self:
        """Return a copy.

        Parameters
        ----------
        order : str
            ``"C"``: last axis first.

        Returns
        -------
        ndarray
            The copy.

        Raises
        ------
        NotImplementedError
            For another order.
        """
        if order != "C":
            raise NotImplementedError(f"ndarray.copy only supports order='C', received {order!r}")
        return super().copy()

    def squeeze(self, axis: Any = None) -> Any:  # type: ignore[override]
        """Return the array without axes of size 1.

        Parameters
        ----------
        axis : int or tuple of int, optional
            Which; all if left out.

        Returns
        -------
        ndarray
            A copy.
        """
        from symgluon.numpy.manipulation import squeeze

        return squeeze(self, axis)

    def broadcast_to(self, shape: Any) -> Any:
        """Broadcast to `shape`, in which -2 is the size that the array has there."""
        from symgluon.numpy.manipulation import broadcast_to

        return broadcast_to(self, shape)

    def __getattr__(self, name: str) -> Any:
        found = METHODS.get(name)
        if found is None:
            raise AttributeError(f"{type(self).__module__}.ndarray object has no attribute {name}")
        return found.__get__(self)

    # ---- NumPy's protocols, and that of the array API ------------------------------------------
    def __array_namespace__(self, api_version: str | None = None) -> Any:
        if api_version not in _API_VERSIONS:
            known = ", ".join(v for v in _API_VERSIONS if v)
            raise ValueError(f"array API {api_version!r} is not known; known: {known}")
        from symgluon import numpy as mnp

        return mnp

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from symgluon import numpy as mnp

        own = getattr(mnp, ufunc.__name__, None) if method == "__call__" else None
        if own is not None:
            out = kwargs.pop("out", None)
            if out is not None and not isinstance(out[0], Array):
                out[0][...] = own(*_arrays(inputs), **kwargs).asnumpy()
                return out[0]
            return own(*_arrays(inputs), **kwargs, **({"out": out[0]} if out else {}))
        plain = [x.numpy_content() if isinstance(x, Array) else x for x in inputs]
        return _from_numpy(getattr(ufunc, method)(*plain, **kwargs))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from symgluon import numpy as mnp

        space: Any = mnp.linalg if "linalg" in func.__module__ else mnp
        own = getattr(space, func.__name__, None)
        if own is not None and _takes(own, args, kwargs):
            return own(*_arrays(args), **kwargs)
        return _from_numpy(func(*_plain(args), **_plain(kwargs)))

    # ---- text --------------------------------------------------------------------------------
    def __repr__(self) -> str:
        return self._text_in_trace() or show(self)

    def __str__(self) -> str:
        return self._text_in_trace() or str(self.numpy_content())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.shape == () else super().__format__(spec)

    # ---- shape and dtype ---------------------------------------------------------------------
    @property
    def T(self) -> Any:
        """The array with its axes reversed (a copy)."""
        return self._new(F.transpose(self))

    @property
    def mT(self) -> Any:
        """The array with its last two axes swapped (a copy)."""
        return self._new(F.swapaxes(self, axis1=-2, axis2=-1))

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> Any:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    @property
    def asscalar(self) -> Any:
        """Absent in MXNet 2.0: use `item`.

        Raises
        ------
        AttributeError
            Always.
        """
        raise AttributeError("mxnet.numpy.ndarray object has no attribute asscalar")

    def astype(  # type: ignore[override]
        self,
        dtype: Any,
        order: str = "K",
        casting: str = "unsafe",
        subok: bool = True,
        copy: bool = True,
    ) -> Any:
        """Return the array in another dtype.

        Parameters
        ----------
        dtype : dtype
            That of the result.
        order : str
            ``K``.
        casting : str
            ``unsafe``.
        subok : bool
            True.
        copy : bool
            False: return the array itself if it has that dtype.

        Returns
        -------
        array
            Of the same shape.

        Raises
        ------
        ValueError
            For another `order`, `casting` or `subok`.
        """
        if order not in ("K", None) or casting != "unsafe" or not subok:
            raise ValueError("astype takes order='K', casting='unsafe' and subok=True only")
        if not copy and self.dtype == np.dtype(dtype):
            return self
        return self._new(F.cast(self, dtype=dtype))

    def reshape(self, *args: Any, order: str = "C", **kwargs: Any) -> Any:
        """Return a copy in another shape, `args` (one entry may be -1); `order` as of `np.reshape`."""
        from symgluon.numpy.manipulation import reshape

        shape = kwargs.get("newshape", kwargs.get("shape", args))
        if isinstance(shape, tuple) and len(shape) == 1 and not isinstance(shape[0], int | Dim):
            shape = shape[0]
        return reshape(self, shape, order)

    def transpose(self, *axes: Any) -> Any:
        """Return a copy with permuted axes (reversed ones without `axes`)."""
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list)):
            axes = () if axes[0] is None else tuple(axes[0])
        return self._new(F.transpose(self, axes=tuple(axes) or None))

    def flatten(self, order: str = "C") -> Any:  # type: ignore[override]
        """Return a 1-d copy; `order` as of `np.reshape`."""
        return self.reshape(-1, order=order)

    def item(self, *args: Any) -> Any:
        """Return one element, at `args` where there are several, as a Python number."""
        return self.numpy_content("item()").item(*args)


#: methods that are functions of the `np` namespace, filled there
METHODS: dict[str, Callable[..., Any]] = {}


def show(x: Any) -> str:
    """Text of the array `x`: NumPy's, with the dtype unless it is the default float or bool."""
    content = x.numpy_content()
    body = np.array2string(content, separator=", ", prefix="array(")
    parts = [body] if content.size else ["[]", f"shape={content.shape}"]
    if content.dtype not in (dtypes.default_float(), dtypes.bool_):
        parts.append(f"dtype={content.dtype}")
    if x.device.device_type != "cpu":
        parts.append(f"device={x.device}")
    return f"array({', '.join(parts)})"


def as_array(x: Any, device: Device | None = None) -> Any:
    """Return a value as an `ndarray`: itself, or made from numbers.

    Parameters
    ----------
    x : array, number or nested lists
        An array of NumPy keeps its dtype.
    device : Device, optional
        Of a new array.

    Returns
    -------
    ndarray
        The array.
    """
    if isinstance(x, ndarray):
        return x
    if isinstance(x, NDArray):
        return x.as_np_ndarray()
    if isinstance(x, Array):
        x.__class__ = ndarray
        return x
    if isinstance(x, Dim):
        result = F.dim_value(dim=x)
        result.__class__ = ndarray
        return result
    from symgluon.numpy.creation import array

    keep = x.dtype if isinstance(x, np.ndarray | np.generic) else None
    return array(x, dtype=keep, device=device)


def _arrays(values: Any) -> Any:
    """Make arrays of NumPy arrays, inside lists and tuples too."""
    if isinstance(values, np.ndarray):
        return as_array(values)
    if isinstance(values, list | tuple):
        return type(values)(_arrays(v) for v in values)
    return values


def _plain(values: Any) -> Any:
    """Make NumPy arrays of arrays, inside lists, tuples and dicts too."""
    if isinstance(values, Array):
        return values.numpy_content("a NumPy function")
    if isinstance(values, list | tuple):
        return type(values)(_plain(v) for v in values)
    if isinstance(values, dict):
        return {k: _plain(v) for k, v in values.items()}
    return values


def _from_numpy(result: Any) -> Any:
    if isinstance(result, np.ndarray | np.generic):
        return wrap(np.array(result), ndarray)
    if isinstance(result, list | tuple):
        return type(result)(_from_numpy(r) for r in result)
    return result


def finish(result: Any, like: Any = None, out: Any = None) -> Any:
    """Make an operator's result an `ndarray`, or write it to another.

    Parameters
    ----------
    result : Array, or list or tuple of Array
        What the operator returned.
    like : array, optional
        Gives the device.
    out : array, optional
        Is written.

    Returns
    -------
    ndarray, or list of ndarray
        The result, or `out`.
    """
    if isinstance(result, tuple | list):
        return [finish(r, like) for r in result]
    if out is not None:
        if isinstance(out, tuple):
            (out,) = out
        assign(out, result)
        return out
    result.__class__ = ndarray
    device = getattr(like, "_device", None)
    if device is not None:
        result._device = device
    return result
