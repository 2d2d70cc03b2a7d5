"""Operators that gather and scatter by arrays of places."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import DType
from symgluon.ir.dims import Dim
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import (
    TensorType,
    format_shape,
    normalize_axis,
    prod,
)
from symgluon.ops.apply import F
from symgluon.ops.checks import check_shape, deferred, equal_dims
from symgluon.ops.kernels.misc import one_hot as one_hot_kernel
from symgluon.ops.lowering import emit, one

int64 = np.dtype(np.int64)


def place_type(kind: Any) -> Any:
    """Dtype of an array of places: int32 and int64 stay, all else (floats too) becomes int64."""
    if isinstance(kind, np.dtype) and kind in (np.dtype(np.int32), int64):
        return kind
    return int64


def places_second(x: Any, places: Any, *rest: Any) -> tuple[Any, ...]:
    """Rule (`Op.coerce`): the second operand holds places."""
    kept = [k if isinstance(k, np.dtype) or k is None else dtypes.resolve(type(k)) for k in rest]
    return (own_type(x), place_type(places), *kept)


def own_type(kind: Any) -> Any:
    """Return the dtype of an operand as it is; numbers get that of their Python type."""
    return kind if isinstance(kind, np.dtype) else dtypes.resolve(type(kind))


def _integers(high: int, *shape: int, low: int = 0) -> Any:
    return lambda rng: rng.integers(low, high, shape)


def as_const(g: Any, n: Any) -> Any:
    """Return a size, symbolic or not, as an int64 scalar."""
    return g.dim_value(n) if isinstance(n, Dim) else one(g, int64, n)


def bounded(places: Any, n: int, mode: str) -> Any:
    """Bring places of an axis of size `n` into its range."""
    if mode == "wrap":
        return places % n if n else places
    if mode == "clip":
        return np.clip(places, 0, n - 1) if n else places
    if mode != "raise":
        raise AttributeValueError(f"mode {mode!r}", expected="clip, wrap or raise")
    if places.size and (places.min() < -n or places.max() >= n):
        bad = places[(places < -n) | (places >= n)].reshape(-1)[0]
        raise IndexError(f"place {bad} is out of bounds for an axis of size {n}")
    return places


def onnx_bounded(g: Any, places: Any, n: Any, mode: str) -> Any:
    """Emit `bounded`; int64."""
    if mode not in ("clip", "wrap", "raise"):
        raise AttributeValueError(f"mode {mode!r}", expected="clip, wrap or raise")
    places = g.cast(places, int64)
    if mode == "raise":
        return places
    if mode == "wrap":
        return g.Mod(places, as_const(g, n))
    high = g.Sub(as_const(g, n), one(g, int64)) if isinstance(n, Dim) else one(g, int64, n - 1)
    return g.Min(g.Max(places, one(g, int64, 0)), high)


# ---- take: one axis by an array of places ----------------------------------------------------
@op(mx="take _npi_take")
class Take(Op):
    """Elements of `a` at the places `indices` of `axis` (None: of the flattened array)."""

    axis: int | None = 0
    mode: str = "clip"
    coerce = staticmethod(places_second)

    def infer(self, a: TensorType, indices: TensorType) -> TensorType:
        if self.axis is None:
            return a.with_shape(indices.known_shape)
        axis = normalize_axis(self.axis, a.rank)
        shape = a.known_shape
        return a.with_shape((*shape[:axis], *indices.known_shape, *shape[axis + 1 :]))

    def kernel(self, a: Any, indices: Any) -> Any:
        axis = 0 if self.axis is None else self.axis
        a = a.reshape(-1) if self.axis is None else a
        n = a.shape[axis]
        if n == 0 and indices.size:
            raise IndexError(f"take: axis {self.axis} of shape {a.shape} has no elements")
        return np.take(a, bounded(indices, n, self.mode), axis=axis)

    def into(self, out: Any, a: Any, indices: Any) -> bool:
        a = a if self.axis is not None else a.reshape(-1)
        axis = self.axis or 0
        if self.mode == "raise" or not a.shape[axis]:
            return False
        places = bounded(indices, a.shape[axis], self.mode)
        np.take(a, places, axis=axis, out=out, mode="clip")  # `raise` would copy the result
        return True

    def grad(self, ct: Any, y: Any, a: Any, indices: Any) -> Any:
        if self.axis is None:
            flat = F.take_grad(ct, indices, size=a.size, axis=0, mode=self.mode)
            return F.reshape(flat, shape=a.shape), None
        axis = normalize_axis(self.axis, a.ndim)
        return F.take_grad(ct, indices, size=a.shape[axis], axis=axis, mode=self.mode), None

    def onnx(self, g: Any, a: Any, indices: Any) -> Any:
        if self.axis is None:
            n, axis, a = prod(g.shape(a)), 0, g.reshape(a, (-1,))
        else:
            axis = normalize_axis(self.axis, g.rank(a))
            n = g.shape(a)[axis]
        return g.Gather(a, onnx_bounded(g, indices, n, self.mode), axis=axis)

    samples = [
        S((4, 3), np.array([0, 2, 3])),
        S((4, 3), np.array([[5, -1], [1, 1]]), axis=1, mode="clip"),
        S((4, 3), np.array([[5, -1], [1, 1]]), axis=-1, mode="wrap"),
        S((4, 3), np.array([-1, 2]), mode="raise"),
        S((2, 3), np.array([5.0, 0.0]), axis=None),
        S((4, 3), np.array(1)),
        S((4, 0), np.array([1, 2])),
        S((4, 2), np.zeros((0,), np.int64)),
    ]


@op()
class TakeGrad(Op):
    """Add `ct` into zeros with `size` places on `axis`, at `indices`: the transpose of `take`."""

    size: Any
    axis: int = 0
    mode: str = "clip"
    coerce = staticmethod(places_second)

    def infer(self, ct: TensorType, indices: TensorType) -> TensorType:
        shape, rank = ct.known_shape, indices.rank
        check_shape(
            self.name,
            "the part of the cotangent that the places belong to",
            shape[self.axis : self.axis + rank],
            indices.known_shape,
        )
        return ct.with_shape((*shape[: self.axis], self.size, *shape[self.axis + rank :]))

    def kernel(self, ct: Any, indices: Any) -> Any:
        lead, tail = ct.shape[: self.axis], ct.shape[self.axis + indices.ndim :]
        places = bounded(indices.reshape(-1), self.size, self.mode)
        rows = ct.reshape(math.prod(lead), places.size, math.prod(tail))
        wide = np.float32 if ct.dtype.itemsize == 2 and ct.dtype.kind in "fV" else ct.dtype
        out = np.zeros((rows.shape[0], self.size, rows.shape[2]), wide)
        for part, row in zip(out, rows, strict=True):
            add_rows(part, places, row)
        return out.reshape(*lead, self.size, *tail).astype(ct.dtype, copy=False)

    def grad(self, ct: Any, y: Any, x: Any, indices: Any) -> Any:
        return F.take(ct, indices, axis=self.axis, mode=self.mode), None

    def onnx(self, g: Any, ct: Any, indices: Any) -> Any:
        if g.opset < 16 or g.dtype(ct).kind == "b":
            return NotImplemented
        rank = g.rank(ct)
        m = g.rank(indices)
        order = [*range(self.axis, self.axis + m), *range(self.axis), *range(self.axis + m, rank)]
        shape = g.shape(ct)
        rest = [shape[i] for i in order[m:]]
        moved = ct if order == sorted(order) else g.transpose(ct, order)
        base = g.Expand(one(g, g.dtype(ct), 0), g.shape_vector((self.size, *rest)))
        places = g.unsqueeze(onnx_bounded(g, indices, self.size, self.mode), (m,))
        out = g.ScatterND(base, places, moved, reduction="add")
        if self.axis == 0:
            return out
        back = [*range(1, self.axis + 1), 0, *range(self.axis + 1, len(rest) + 1)]
        return g.transpose(out, back)

    def decompose(self, ct: Any, indices: Any) -> Any:
        """Where nothing scatters: a product with the matrix of places."""
        m = indices.ndim
        flat: Any = 1
        for n in indices.shape:
            flat = flat * n
        bound = F.mod(indices, self.size) if self.mode == "wrap" else indices
        if self.mode == "clip":
            bound = F.clip(indices, a_min=0, a_max=float(int(self.size)) - 1)
        hot = F.one_hot(F.reshape(bound, shape=(flat,)), depth=self.size, dtype=ct.dtype)
        shape = ct.shape
        lead, tail = shape[: self.axis], shape[self.axis + m :]
        rows = F.reshape(ct, shape=(prod(lead), flat, prod(tail)))
        summed = F.matmul(F.transpose(hot, axes=(1, 0)), rows)
        return F.reshape(summed, shape=(*lead, self.size, *tail))

    samples = [
        S((3, 2), np.array([0, 2, 2]), size=4),
        S((2, 2, 3), np.array([[0, 7], [1, -1]]), size=2),
        S((2, 3), np.array([4, -1, 1]), size=3, axis=1, mode="wrap"),
        S((0, 3), np.zeros((0,), np.int64), size=2),
    ]


def add_rows(out: Any, places: Any, rows: Any) -> None:
    """Add each row to ``out[place]``, repeated places too."""
    if places.size > 64 and rows.shape[1] > 1:
        # rows of one place stand together after a stable sort and are summed at once
        order = np.argsort(places, kind="stable")
        ordered = places[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        out[ordered[starts]] = np.add.reduceat(rows[order].astype(out.dtype), starts, axis=0)
    else:
        np.add.at(out, places, rows)


# ---- one place an element --------------------------------------------------------------------
@op()
class TakeAlongAxis(Op):
    """Elements of `x` at the places `indices` along `axis`; the other axes correspond."""

    axis: int
    coerce = staticmethod(places_second)

    def infer(self, x: TensorType, indices: TensorType) -> TensorType:
        axis = normalize_axis(self.axis, x.rank)
        a, b = x.known_shape, indices.known_shape
        if len(a) != len(b) or not all(
            i == axis or equal_dims(m, n) for i, (m, n) in enumerate(zip(a, b, strict=True))
        ):
            raise ShapeError(
                f"take_along_axis: shapes {format_shape(a)} and {format_shape(b)} differ in more "
                f"than axis {axis}"
            )
        return x.with_shape(b)

    def kernel(self, x: Any, indices: Any) -> Any:
        return np.take_along_axis(x, indices, self.axis)

    def grad(self, ct: Any, y: Any, x: Any, indices: Any) -> Any:
        axis = normalize_axis(self.axis, x.ndim)
        return F.add_along_axis(ct, indices, size=x.shape[axis], axis=axis), None

    def onnx(self, g: Any, x: Any, indices: Any) -> Any:
        axis = normalize_axis(self.axis, g.rank(x))
        return g.GatherElements(x, g.cast(indices, int64), axis=axis)

    samples = [
        S((4, 3), _integers(4, 2, 3), axis=0),
        S((2, 3), _integers(3, 2, 5), axis=-1),
        S((2, 3), np.array([[-1], [0]]), axis=1),
        S((0, 3), np.zeros((0, 1), np.int64), axis=1),
    ]


@op()
class AddAlongAxis(Op):
    """Add `ct` into zeros with `size` places on `axis`: the transpose of `take_along_axis`."""

    size: Any
    axis: int
    coerce = staticmethod(places_second)

    def infer(self, ct: TensorType, indices: TensorType) -> TensorType:
        check_shape(self.name, "the array of places", indices.known_shape, ct.known_shape)
        shape = list(ct.known_shape)
        shape[self.axis] = self.size
        return ct.with_shape(shape)

    def kernel(self, ct: Any, indices: Any) -> Any:
        shape = list(ct.shape)
        shape[self.axis] = self.size
        out = np.zeros(shape, ct.dtype)
        if indices.shape[self.axis] == 1:
            np.put_along_axis(out, indices, ct, self.axis)
        else:
            grid = list(np.ogrid[tuple(slice(n) for n in ct.shape)])
            grid[self.axis] = indices
            np.add.at(out, tuple(grid), ct)
        return out

    def grad(self, ct: Any, y: Any, x: Any, indices: Any) -> Any:
        return F.take_along_axis(ct, indices, axis=self.axis), None

    def onnx(self, g: Any, ct: Any, indices: Any) -> Any:
        if g.opset < 16:
            return NotImplemented
        shape = list(g.shape(ct))
        shape[self.axis] = self.size
        base = g.Expand(one(g, g.dtype(ct), 0), g.shape_vector(shape))
        places = g.cast(indices, int64)
        return g.ScatterElements(base, places, ct, axis=self.axis, reduction="add")

    def decompose(self, ct: Any, indices: Any) -> Any:
        """Where nothing scatters: products with rows of the matrix of places, summed."""
        last = ct.ndim
        bound = F.where(F.less(indices, 0), indices + self.size, indices)
        hot = F.one_hot(bound, depth=self.size, dtype=ct.dtype)
        product = F.sum(F.expand_dims(ct, axis=last) * hot, axis=self.axis, keepdims=True)
        order = list(range(last + 1))
        order[self.axis], order[last] = last, self.axis
        return F.squeeze(F.transpose(product, axes=tuple(order)), axis=last)

    samples = [
        S((2, 3), _integers(4, 2, 3), size=4, axis=0),
        S((2, 5), np.array([[0, 0, 1, 2, -1], [2, 2, 2, 1, 0]]), size=3, axis=1),
        S((2, 1), np.array([[-1], [0]]), size=3, axis=1),
    ]


@op(mx="pick:rank1 _npx_pick choose_element_0index:rank1")
class Pick(Op):
    """One element of `data` along `axis` for each entry of `index` (None: of all)."""

    axis: int | None = -1
    keepdims: bool = False
    mode: str = "clip"
    coerce = staticmethod(places_second)

    def kernel(self, data: Any, index: Any) -> Any:
        if self.axis is None:
            flat = data.reshape(-1)
            return flat[bounded(index, flat.size, self.mode)]
        axis = normalize_axis(self.axis, data.ndim)
        if index.ndim != data.ndim:
            index = np.expand_dims(index, axis)
        places = bounded(index, data.shape[axis], self.mode)
        found = np.take_along_axis(data, places, axis)
        return found if self.keepdims else found.squeeze(axis)

    def decompose(self, data: Any, index: Any) -> Any:
        if self.axis is None:
            return F.take(F.reshape(data, shape=(-1,)), index, axis=0, mode=self.mode)
        axis = normalize_axis(self.axis, data.ndim)
        n = data.shape[axis]
        if self.mode == "wrap":
            index = F.mod(index, size_value(n, index))
        elif self.mode == "clip":
            index = F.minimum(F.maximum(index, 0), size_value(n - 1, index))
        else:
            raise AttributeValueError(f"pick: mode {self.mode!r}", expected="clip or wrap")
        if index.ndim != data.ndim:
            index = F.expand_dims(index, axis=axis)
        found = F.take_along_axis(data, index, axis=axis)
        return found if self.keepdims else F.squeeze(found, axis=axis)

    samples = [
        S((3, 4), np.array([0, 9, -2])),
        S((3, 4), np.array([0, 1, 2, -1]), axis=0, mode="wrap"),
        S((3, 4), np.array([[0.0], [1.0], [3.0]]), keepdims=True),
        S((2, 3, 4), _integers(3, 2, 4), axis=1, keepdims=True),
    ]


def size_value(n: Any, like: Any) -> Any:
    """Return a size as a number, or as an array of the dtype of `like` if it is symbolic."""
    return F.cast(F.dim_value(dim=n), dtype=like.dtype) if isinstance(n, Dim) else n


@op(mx="batch_take")
class BatchTake(Op):
    """One element of each row of `a`."""

    coerce = staticmethod(places_second)

    def decompose(self, a: Any, indices: Any) -> Any:
        return F.pick(a, indices, axis=-1, mode="clip")

    samples = [S((3, 4), np.array([0, 3, 1])), S((2, 1), np.array([0, 5]))]


@op(mx="one_hot _npx_one_hot")
class OneHot(Op):
    """`on_value` at the place of each index in a new `axis` of `depth`, `off_value` elsewhere."""

    depth: Any
    on_value: float = 1.0
    off_value: float = 0.0
    dtype: DType = dtypes.float32
    axis: int = -1
    no_grad = True
    coerce = staticmethod(lambda kind: (place_type(kind),))

    def infer(self, indices: TensorType) -> TensorType:
        shape = list(indices.known_shape)
        shape.insert(normalize_axis(self.axis, len(shape) + 1), self.depth)
        return TensorType(shape, self.dtype)

    def kernel(self, indices: Any) -> Any:
        hot = one_hot_kernel(indices, int(self.depth), self.on_value, self.off_value, self.dtype)
        return np.moveaxis(hot, -1, self.axis)

    def onnx(self, g: Any, indices: Any) -> Any:
        rank = g.rank(indices)
        axis = normalize_axis(self.axis, rank + 1)
        shape: list[Any] = [1] * (rank + 1)
        shape[axis] = self.depth
        if isinstance(self.depth, Dim):
            row = g.Range(one(g, int64, 0), g.dim_value(self.depth), one(g, int64))
        else:
            row = g.const(np.arange(self.depth))
        row = g.reshape(row, shape)
        hit = g.Equal(g.unsqueeze(g.cast(indices, int64), (axis,)), row)
        if (self.on_value, self.off_value) == (1.0, 0.0):
            return g.cast(hit, self.dtype)
        on, off = (np.asarray(v).astype(self.dtype) for v in (self.on_value, self.off_value))
        step = g.const((on - off).astype(self.dtype))
        scaled = emit(g, "Mul", (g.cast(hit, self.dtype), step), self.dtype)
        return emit(g, "Add", (scaled, g.const(off)), self.dtype)

    samples = [
        S(np.array([0, 2, -1, 5]), depth=3),
        S(np.array([[1.0, 0.0]]), depth=2, on_value=5.0, off_value=-1.0, dtype="int32"),
        S(np.array([0, 2]), depth=3, axis=0),
        S(np.zeros((0,), np.int64), depth=3),
    ]


@op()
class Embedding(Op):
    """Rows of `weight` at the places `data`; places outside are brought to the nearest row."""

    input_dim: int
    output_dim: int
    coerce = staticmethod(lambda data, weight: (place_type(data), own_type(weight)))

    def infer(self, data: TensorType, weight: TensorType) -> TensorType:
        return weight.with_shape((*data.known_shape, self.output_dim))

    def infer_inputs(self, data: TensorType | None, weight: TensorType | None) -> Any:
        return data, deferred(weight, (self.input_dim, self.output_dim))

    def kernel(self, data: Any, weight: Any) -> Any:
        return np.take(weight, data, axis=0, mode="clip")

    def into(self, out: Any, data: Any, weight: Any) -> bool:
        if not weight.shape[0]:
            return False
        np.take(weight, data, axis=0, out=out, mode="clip")
        return True

    def decompose(self, data: Any, weight: Any) -> Any:
        return F.take(weight, data, axis=0, mode="clip")

    samples = [
        S(_integers(4, 2, 3), (4, 2), input_dim=4, output_dim=2),
        S(np.array([0.0, 9.0, -1.0]), (4, 3), input_dim=4, output_dim=3),
        S(np.zeros((0,), np.int32), (4, 3), input_dim=4, output_dim=3),
    ]
