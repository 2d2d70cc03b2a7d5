"""Operators that the mechanisms themselves need: casts, views, writes, cuts of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import ShapeError
from symgluon.ir.attrs import DType, Shape
from symgluon.ir.dims import Dim
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, broadcast_shapes
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.families import sum_to
from symgluon.ops.state import wants


@op(mx="identity _copy _np_copy _npi_copy")
class Identity(Op):
    """Return `x`."""

    inplace = ((0, 0),)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        return x.copy()

    def into(self, out: Any, x: Any) -> bool:
        np.copyto(out, x)
        return True

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return ct

    def onnx(self, g: Any, x: Any) -> Any:
        return g.Identity(x)

    samples = [S((2, 3)), S(())]


@op(mx="BlockGrad stop_gradient _npx_stop_gradient _sparse_stop_gradient")
class StopGradient(Op):
    """Return `x`; nothing is differentiated through it."""

    no_grad = True
    inplace = ((0, 0),)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def kernel(self, x: Any) -> Any:
        return x.copy()

    def onnx(self, g: Any, x: Any) -> Any:
        return g.Identity(x)

    samples = [S((2, 3)), S(())]


@op()
class Cast(Op):
    """Convert `x` to `dtype`; floats to integers truncate, as in C and NumPy."""

    dtype: DType

    def infer(self, x: TensorType) -> TensorType:
        return x.with_dtype(self.dtype)

    def kernel(self, x: Any) -> Any:
        with np.errstate(invalid="ignore", over="ignore"):
            return x.astype(self.dtype)

    def into(self, out: Any, x: Any) -> bool:
        np.copyto(out, x, casting="unsafe")
        return True

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        if not (dtypes.is_float(x.dtype) and dtypes.is_float(self.dtype)):
            return None
        return F.cast(ct, dtype=x.dtype)

    def onnx(self, g: Any, x: Any) -> Any:
        return g.cast(x, self.dtype)

    samples = [S((2, 3), dtype="float64"), S((2,), dtype="int32"), S((0,), dtype="float16")]


def index_shape(shape: tuple[Any, ...], index: tuple[Any, ...]) -> tuple[Any, ...]:
    """Shape of ``x[index]`` for a basic index (ints, slices, None; no Ellipsis left)."""
    result: list[Any] = []
    axis = 0
    for item in index:
        if item is None:
            result.append(1)
            continue
        if axis >= len(shape):
            raise ShapeError(f"index {show_index(index)} has too many axes for shape {shape}")
        n = shape[axis]
        axis += 1
        if isinstance(item, slice):
            result.append(slice_size(n, item))
        elif isinstance(n, int) and isinstance(item, int) and not -n <= item < n:
            raise IndexError(f"index {item} is out of range for axis {axis - 1} of size {n}")
    return (*result, *shape[axis:])


def slice_size(n: Any, item: slice) -> Any:
    """Number of elements of ``range(n)[item]``; arithmetic on symbolic sizes where it can be."""
    if isinstance(n, int) and not any(isinstance(v, Dim) for v in (item.start, item.stop)):
        return len(range(n)[item])
    start, stop, step = slice_bounds(n, item)
    if step == 1:
        size = stop - start
    elif step > 0:
        size = (stop - start + step - 1) // step
    else:
        size = (start - stop - step - 1) // -step
    return size if size >= 0 else 0


def slice_bounds(n: Any, item: slice) -> tuple[Any, Any, int]:
    """Like ``item.indices(n)`` for a size that may be symbolic (asks guards where it must)."""
    step = 1 if item.step is None else int(item.step)
    low, high = (0, n) if step > 0 else (-1, n - 1)
    start = (low if step > 0 else high) if item.start is None else _clip(item.start, n, low, high)
    stop = (high if step > 0 else low) if item.stop is None else _clip(item.stop, n, low, high)
    return start, stop, step


def _clip(value: Any, n: Any, low: Any, high: Any) -> Any:
    if value < 0:
        value = value + n
        return value if value >= low else low
    return value if value <= high else high


def show_index(index: tuple[Any, ...]) -> str:
    """Text of an index as it is written in Python."""

    def one(item: Any) -> str:
        if isinstance(item, slice):
            parts = ["" if v is None else str(v) for v in (item.start, item.stop)]
            return ":".join(parts + ([str(item.step)] if item.step is not None else []))
        return str(item)

    return "[" + ", ".join(one(i) for i in index) + "]"


def freeze_index(index: Any) -> tuple[Any, ...]:
    """Index as an attribute: ``slice`` becomes ("slice", start, stop, step)."""
    return tuple(("slice", i.start, i.stop, i.step) if isinstance(i, slice) else i for i in index)


def thaw_index(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """Inverse of :func:`freeze_index`."""
    return tuple(slice(*i[1:]) if isinstance(i, tuple) else i for i in index)


class _Indexed(Op):
    """An operator with a basic index; slices are kept as tuples so that it hashes."""

    index: Any

    def __init__(self, index: Any) -> None:
        super().__init__(freeze_index(index))

    @property
    def item(self) -> tuple[Any, ...]:
        """The index as Python objects."""
        return thaw_index(self.index)


@op()
class Index(_Indexed):
    """``x[index]`` for a basic index: ints, slices and None."""

    aliases = True

    def infer(self, x: TensorType) -> TensorType:
        return x.with_shape(index_shape(x.shape, self.item))  # type: ignore[arg-type]

    def kernel(self, x: Any) -> Any:
        return x[self.item]

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        zeros = F.zeros_like(x)
        return F.set_index(zeros, ct, index=self.index_argument())

    def index_argument(self) -> Any:
        """The index as the constructor takes it."""
        return self.item

    def onnx(self, g: Any, x: Any) -> Any:
        return g.basic_index(x, self.item)

    samples = [
        S((4, 3), index=(slice(1, 3), 0)),
        S((4,), index=(-1,)),
        S((4, 3), index=(None, slice(None, None, 2))),
        S((4, 3), index=(slice(None), slice(None, None, -1))),
        S((0, 3), index=(slice(0, 2),)),
    ]


@op()
class SetIndex(_Indexed):
    """A copy of `x` with ``x[index] = value`` for a basic index; `value` broadcasts."""

    coerce = staticmethod(same_dtypes)

    def infer(self, x: TensorType, value: TensorType) -> TensorType:
        part = index_shape(x.shape, self.item)  # type: ignore[arg-type]
        if broadcast_shapes(part, value.shape) != part and len(value.shape or ()) > len(part):
            raise ShapeError(
                f"cannot write a value of shape {value.shape} to {show_index(self.item)} of an "
                f"array of shape {x.shape}: that part has shape {part}"
            )
        return x

    def kernel(self, x: Any, value: Any) -> Any:
        result = x.copy()
        result[self.item] = value
        return result

    def grad(self, ct: Any, y: Any, x: Any, value: Any) -> Any:
        gx = gv = None
        part = F.index(ct, index=self.item)
        if wants(0):
            gx = F.set_index(ct, F.zeros_like(part), index=self.item)
        if wants(1):
            gv = sum_to(part, value.shape)
        return gx, gv

    def onnx(self, g: Any, x: Any, value: Any) -> Any:
        return g.basic_set_index(x, value, self.item)

    samples = [
        S((4, 3), (2,), index=(slice(1, 3), 0)),
        S((4,), (), index=(-1,)),
        S((4, 3), (1, 3), index=(slice(None, None, 2),)),
    ]


@op()
class DimValue(Op):
    """A symbolic dimension as an int64 scalar (0-d)."""

    dim: Any
    no_grad = True

    def infer(self) -> TensorType:
        return TensorType((), np.dtype(np.int64))

    def kernel(self) -> Any:
        return np.asarray(int(self.dim), np.int64)

    def onnx(self, g: Any) -> Any:
        return g.dim_value(self.dim)

    samples = [S(dim=3), S(dim=0)]


@op()
class Full(Op):
    """An array of `shape` filled with the 0-d operand `value`."""

    shape: Shape

    def infer(self, value: TensorType) -> TensorType:
        return TensorType(self.shape, value.dtype)

    def kernel(self, value: Any) -> Any:
        return np.full(self.shape, value, value.dtype)

    def grad(self, ct: Any, y: Any, value: Any) -> Any:
        return F.sum(ct)

    def onnx(self, g: Any, value: Any) -> Any:
        return g.Expand(value, g.shape_vector(self.shape))

    samples = [S((), shape=(2, 3)), S((), shape=()), S((), shape=(0, 2))]
