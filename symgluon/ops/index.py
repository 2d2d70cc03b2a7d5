"""Operators that gather and scatter by arrays of places."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import DType, Ints, Shape
from symgluon.ir.dims import Dim, current_scope
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import (
    TensorType,
    broadcast_shapes,
    format_shape,
    normalize_axis,
    prod,
)
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.checks import deferred, equal_dims
from symgluon.ops.core import index_shape, thaw_index
from symgluon.ops.families import sum_to
from symgluon.ops.kernels.misc import one_hot as one_hot_kernel
from symgluon.ops.lowering import emit, one
from symgluon.ops.state import wants

int64 = np.dtype(np.int64)


def place_type(kind: Any) -> Any:
    """Dtype of an array of places: int32 and int64 stay, all else (floats too, as in MXNet) int64."""
    if isinstance(kind, np.dtype) and kind in (np.dtype(np.int32), int64):
        return kind
    return int64


def places_second(x: Any, places: Any, *rest: Any) -> tuple[Any, ...]:
    """Rule (`Op.coerce`): the second operand holds places."""
    kept = [k if isinstance(k, np.dtype) or k is None else dtypes.resolve(type(k)) for k in rest]
    return (_own(x), place_type(places), *kept)


def _own(kind: Any) -> Any:
    return kind if isinstance(kind, np.dtype) else dtypes.resolve(type(kind))


def _integers(high: int, *shape: int, low: int = 0) -> Any:
    return lambda rng: rng.integers(low, high, shape)


def as_const(g: Any, n: Any) -> Any:
    """Return a size, symbolic or not, as an int64 scalar."""
    return g.dim_value(n) if isinstance(n, Dim) else one(g, int64, n)


def _bounded(places: Any, n: int, mode: str) -> Any:
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


def _onnx_bounded(g: Any, places: Any, n: Any, mode: str) -> Any:
    """`_bounded` in nodes; int64."""
    if mode not in ("clip", "wrap", "raise"):
        raise AttributeValueError(f"mode {mode!r}", expected="clip, wrap or raise")
    places = g.cast(places, int64)
    if mode == "raise":
        return places
    if mode == "wrap":
        return g.Mod(places, as_const(g, n))
    high = g.Sub(as_const(g, n), one(g, int64)) if isinstance(n, Dim) else one(g, int64, n - 1)
    return g.Min(g.Max(places, one(g, int64, 0)), high)


# ---- take: one axis by an array of places ------------------------------------------------------------
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
        return np.take(a, _bounded(indices, n, self.mode), axis=axis)

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
        return g.Gather(a, _onnx_bounded(g, indices, n, self.mode), axis=axis)

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
        return ct.with_shape((*shape[: self.axis], self.size, *shape[self.axis + rank :]))

    def kernel(self, ct: Any, indices: Any) -> Any:
        lead, tail = ct.shape[: self.axis], ct.shape[self.axis + indices.ndim :]
        places = _bounded(indices.reshape(-1), self.size, self.mode)
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
        places = g.unsqueeze(_onnx_bounded(g, indices, self.size, self.mode), (m,))
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


# ---- one place an element ----------------------------------------------------------------------------
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

    def decompose(self, data: Any, index: Any) -> Any:
        if self.axis is None:
            flat = F.take(F.reshape(data, shape=(-1,)), index, axis=0, mode=self.mode)
            return flat
        axis = normalize_axis(self.axis, data.ndim)
        n = data.shape[axis]
        if self.mode == "wrap":
            index = F.mod(index, _size_value(n, index))
        elif self.mode == "clip":
            index = F.minimum(F.maximum(index, 0), _size_value(n - 1, index))
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


def _size_value(n: Any, like: Any) -> Any:
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
    dtype: DType = "float32"
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
    coerce = staticmethod(lambda data, weight: (place_type(data), _own(weight)))

    def infer(self, data: TensorType, weight: TensorType) -> TensorType:
        return weight.with_shape((*data.known_shape, self.output_dim))

    def infer_inputs(self, data: TensorType | None, weight: TensorType | None) -> Any:
        return data, deferred(weight, (self.input_dim, self.output_dim))

    def kernel(self, data: Any, weight: Any) -> Any:
        return np.take(weight, data, axis=0, mode="clip")

    def decompose(self, data: Any, weight: Any) -> Any:
        return F.take(weight, data, axis=0, mode="clip")

    samples = [
        S(_integers(4, 2, 3), (4, 2), input_dim=4, output_dim=2),
        S(np.array([0.0, 9.0, -1.0]), (4, 3), input_dim=4, output_dim=3),
        S(np.zeros((0,), np.int32), (4, 3), input_dim=4, output_dim=3),
    ]


# ---- coordinates -------------------------------------------------------------------------------------
def _coordinates(shape: Any, places: Any) -> tuple[Any, ...]:
    """Return coordinate arrays, wrapped into the first axes of `shape` and checked."""
    found = []
    for axis, row in enumerate(places):
        found.append(_bounded(row, shape[axis], "raise"))
    return tuple(found)


def _check_depth(name: str, shape: Any, places: TensorType) -> int:
    m = int(places.known_shape[0]) if places.rank else len(shape) + 1
    if m > len(shape):
        raise ShapeError(
            f"{name}: indices of shape {format_shape(places.shape)} for {format_shape(shape)}",
            hint="The first axis of the indices holds one number for each leading axis.",
        )
    return m


@op(mx="gather_nd _npi_gather_nd _npx_gather_nd")
class GatherNd(Op):
    """Parts of `data` at coordinates: `indices` is (M, ...) for the first M axes of `data`."""

    coerce = staticmethod(places_second)

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        m = _check_depth(self.name, data.known_shape, indices)
        return data.with_shape((*indices.known_shape[1:], *data.known_shape[m:]))

    def kernel(self, data: Any, indices: Any) -> Any:
        return data[_coordinates(data.shape, indices)]

    def grad(self, ct: Any, y: Any, data: Any, indices: Any) -> Any:
        return F.scatter_nd(ct, indices, shape=data.shape, accumulate=True), None

    def onnx(self, g: Any, data: Any, indices: Any) -> Any:
        return g.GatherND(data, _last_first(g, indices))

    samples = [
        S((3, 4), np.array([[0, 2, 1], [1, 3, -1]])),
        S((3, 4), np.array([[0, 2]])),
        S((2, 3, 2), _integers(2, 2, 2, 2)),
        S((3, 4), np.array([[0.0], [1.0]])),
    ]


def _last_first(g: Any, indices: Any) -> Any:
    """ONNX holds coordinates on the last axis."""
    rank = g.rank(indices)
    return g.transpose(g.cast(indices, int64), [*range(1, rank), 0])


@op(mx="scatter_nd")
class ScatterNd(Op):
    """Zeros of `shape` with `data` at coordinates; with `accumulate` those of one place are added."""

    shape: Shape
    accumulate: bool = False
    coerce = staticmethod(places_second)

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        m = _check_depth(self.name, self.shape, indices)
        broadcast_shapes(data.known_shape, (*indices.known_shape[1:], *self.shape[m:]))
        return data.with_shape(self.shape)

    def kernel(self, data: Any, indices: Any) -> Any:
        out = np.zeros(self.shape, data.dtype)
        where = _coordinates(self.shape, indices)
        if self.accumulate:
            np.add.at(out, where, data)
        else:
            out[where] = data
        return out

    def grad(self, ct: Any, y: Any, data: Any, indices: Any) -> Any:
        return F.gather_nd(ct, indices), None

    def onnx(self, g: Any, data: Any, indices: Any) -> Any:
        if self.accumulate and g.opset < 16:
            return NotImplemented
        base = g.Expand(one(g, g.dtype(data), 0), g.shape_vector(self.shape))
        how = {"reduction": "add"} if self.accumulate else {}
        return g.ScatterND(base, _last_first(g, indices), data, **how)

    def decompose(self, data: Any, indices: Any) -> Any:
        """Added at flat places, one number each."""
        m = int(indices.shape[0])
        lead, tail = self.shape[:m], self.shape[m:]
        flat = _flat_places(indices, lead)
        count = prod(flat.shape)
        rows = F.reshape(data, shape=(count, *tail))
        if not self.accumulate:
            raise AttributeValueError("scatter_nd: only sums have this form")
        out = F.take_grad(rows, F.reshape(flat, shape=(count,)), size=prod(lead), axis=0)
        return F.reshape(out, shape=self.shape)

    samples = [
        S((3,), np.array([[0, 2, 1], [1, 3, 0]]), shape=(3, 4)),
        S((2, 4), np.array([[0, 2]]), shape=(3, 4)),
        S((3,), np.array([[0, 0, 1]]), shape=(2,), accumulate=True),
    ]


def _flat_places(indices: Any, lead: Any) -> Any:
    """Coordinates (M, ...) as places of the merged leading axes."""
    total = None
    for axis, n in enumerate(lead):
        row = F.mod(F.index(indices, index=(axis,)), _size_value(n, indices))
        total = row if total is None else total * _size_value(n, indices) + row
    return total


@op(mx="_scatter_set_nd _npi_scatter_set_nd")
class ScatterSetNd(Op):
    """A copy of `lhs` with `rhs` at the coordinates `indices`."""

    shape: Shape = ()
    coerce = staticmethod(lambda a, b, i: (*same_dtypes(a, b), place_type(i)))

    def infer(self, lhs: TensorType, rhs: TensorType, indices: TensorType) -> TensorType:
        _check_depth(self.name, lhs.known_shape, indices)
        return lhs

    def kernel(self, lhs: Any, rhs: Any, indices: Any) -> Any:
        out = lhs.copy()
        out[_coordinates(lhs.shape, indices)] = rhs
        return out

    def grad(self, ct: Any, y: Any, lhs: Any, rhs: Any, indices: Any) -> Any:
        gl = gr = None
        if wants(0):
            gl = F.scatter_set_nd(ct, F.zeros_like(rhs), indices)
        if wants(1):
            gr = F.gather_nd(ct, indices)
        return gl, gr, None

    def onnx(self, g: Any, lhs: Any, rhs: Any, indices: Any) -> Any:
        return g.ScatterND(lhs, _last_first(g, indices), rhs)

    samples = [
        S((3, 4), (2,), np.array([[0, 2], [1, 3]])),
        S((3, 4), (2, 4), np.array([[0, 2]])),
    ]


# ---- advanced indexing -------------------------------------------------------------------------------
ARRAY = "array"
"""Stands for the next index array in the key of an advanced index."""


def _numpy_key(spec: Any, arrays: Any) -> tuple[Any, ...]:
    queue = iter(arrays)
    return tuple([next(queue) if isinstance(i, str) else i for i in thaw_index(spec)])


class _Layout:
    """A key of ints, slices, None and index arrays, read as NumPy reads it.

    Attributes
    ----------
    basic : the key with full slices where arrays stand
    marks : which axes of the part that `basic` selects the arrays index
    place : where the axes of the arrays stand in the result
    """

    def __init__(self, spec: Any) -> None:
        items = thaw_index(spec)
        basic: list[Any] = []
        marks: list[int] = []
        axis = 0
        for item in items:
            if isinstance(item, str):
                marks.append(axis)
            basic.append(slice(None) if isinstance(item, str) else item)
            axis += isinstance(item, str | slice) or item is None
        self.basic, self.marks = tuple(basic), tuple(marks)
        # ints count as arrays here: if all stand together their axes stay in place, else they lead
        spots = [i for i, v in enumerate(items) if not (v is None or isinstance(v, slice))]
        together = spots[-1] - spots[0] + 1 == len(spots)
        before = items[: spots[0]] if together else ()
        self.place = len(before)

    @property
    def trivial(self) -> bool:
        """Whether the basic part selects everything."""
        return all(isinstance(i, slice) and i == slice(None) for i in self.basic)

    def result_shape(self, shape: Any, arrays: Any) -> tuple[Any, ...]:
        """Shape of ``x[key]`` for operands of these shapes."""
        part = index_shape(shape, self.basic)
        rest = [n for i, n in enumerate(part) if i not in self.marks]
        spread = broadcast_shapes(*arrays)
        return (*rest[: self.place], *spread, *rest[self.place :])


def advanced_operands(x: Any, *arrays: Any) -> tuple[Any, ...]:
    """Rule (`Op.coerce`): all but the first operand hold places."""
    return (_own(x), *[place_type(a) for a in arrays])


def _stacked(arrays: Any, spread: Any) -> Any:
    """Coordinates (M, ...) of broadcast index arrays."""
    rows = [F.cast(F.broadcast_to(a, shape=spread), dtype="int64") for a in arrays]
    return F.stack(*rows, axis=0)


@op()
class AdvancedIndex(Op):
    """``x[key]`` with arrays of places in the key.

    `spec` is the key with frozen slices (`core.freeze_index`) and ``"array"`` for each operand
    after the first.
    """

    spec: Any
    coerce = staticmethod(advanced_operands)

    def infer(self, x: TensorType, *arrays: TensorType) -> TensorType:
        shapes = [a.known_shape for a in arrays]
        return x.with_shape(_Layout(self.spec).result_shape(x.known_shape, shapes))

    def kernel(self, x: Any, *arrays: Any) -> Any:
        return x[_numpy_key(self.spec, arrays)]

    def grad(self, ct: Any, y: Any, x: Any, *arrays: Any) -> Any:
        gx = F.set_advanced_index(F.zeros_like(x), ct, *arrays, spec=self.spec, accumulate=True)
        return (gx, *[None] * len(arrays))

    def decompose(self, x: Any, *arrays: Any) -> Any:
        """The basic part, the indexed axes in front, then a gather at coordinates."""
        layout = _Layout(self.spec)
        part = x if layout.trivial else F.index(x, index=layout.basic)
        marks, place = layout.marks, layout.place
        if len(marks) == 1 and marks[0] == place:
            return F.take(part, arrays[0], axis=place, mode="raise")
        rest = [i for i in range(part.ndim) if i not in marks]
        spread = broadcast_shapes(*[a.shape for a in arrays])
        moved = F.transpose(part, axes=(*marks, *rest)) if part.ndim > 1 else part
        found = F.gather_nd(moved, _stacked(arrays, spread))
        if not place or not spread:
            return found
        n = len(spread)
        order = [*range(n, n + place), *range(n), *range(n + place, found.ndim)]
        return F.transpose(found, axes=tuple(order))

    samples = [
        S((4, 3), np.array([0, 2]), spec=(ARRAY,)),
        S((4, 3), np.array([[0, -1]]), np.array([[1], [2]]), spec=(ARRAY, ARRAY)),
        S((2, 4, 3), np.array([0, 2]), spec=(("slice", None, None, None), ARRAY)),
        S((2, 4, 3), np.array([0, 1]), np.array([2, 0]), spec=(ARRAY, ("slice", 1, 3, None), ARRAY)),
        S((2, 4, 3), np.array([0, 2]), spec=(1, ("slice", None, None, 2), ARRAY)),
        S((2, 4, 3), np.array([0, 2]), spec=(("slice", None, None, None), 1, ARRAY)),
        S((4, 3), np.array([1, 1]), spec=(ARRAY, None)),
        S((4, 3), np.zeros((0,), np.int64), spec=(ARRAY,)),
    ]


def _set_operands(x: Any, value: Any, *arrays: Any) -> tuple[Any, ...]:
    return (*same_dtypes(x, value), *[place_type(a) for a in arrays])


@op()
class SetAdvancedIndex(Op):
    """A copy of `x` with ``x[key] = value``, or ``+=`` with repeated places added (`accumulate`)."""

    spec: Any
    accumulate: bool = False
    coerce = staticmethod(_set_operands)

    def infer(self, x: TensorType, value: TensorType, *arrays: TensorType) -> TensorType:
        self._part(x.known_shape, value.known_shape, [a.known_shape for a in arrays])
        return x

    def _part(self, shape: Any, value: Any, arrays: Any) -> tuple[Any, ...]:
        """Shape of what is written to; `value` must broadcast to it."""
        part = _Layout(self.spec).result_shape(shape, arrays)
        if len(value) > len(part) or len(broadcast_shapes(part, value)) != len(part):
            raise ShapeError(
                f"cannot write a value of shape {format_shape(value)} to a part of shape "
                f"{format_shape(part)}"
            )
        return part

    def kernel(self, x: Any, value: Any, *arrays: Any) -> Any:
        out = x.copy()
        key = _numpy_key(self.spec, arrays)
        if self.accumulate:
            np.add.at(out, key, value)
        else:
            out[key] = value
        return out

    def grad(self, ct: Any, y: Any, x: Any, value: Any, *arrays: Any) -> Any:
        gx = gv = None
        if wants(0) and self.accumulate:
            gx = ct
        elif wants(0):
            zero = F.zeros_like(F.index(F.reshape(value, shape=(-1,)), index=(slice(0, 1),)))
            gx = F.set_advanced_index(ct, F.sum(zero), *arrays, spec=self.spec)
        if wants(1):
            gv = sum_to(F.advanced_index(ct, *arrays, spec=self.spec), value.shape)
        return (gx, gv, *[None] * len(arrays))

    def decompose(self, x: Any, value: Any, *arrays: Any) -> Any:
        """The same part of the places 0, 1, 2, ... tells where each element goes."""
        part = self._part(x.shape, value.shape, [a.shape for a in arrays])
        size, count = prod(x.shape), prod(part)
        row = F.arange(start=0, stop=size, step=1, dtype="int64")
        grid = F.reshape(row, shape=x.shape)
        places = F.reshape(F.advanced_index(grid, *arrays, spec=self.spec), shape=(count,))
        flat = F.reshape(x, shape=(size,))
        values = F.reshape(F.broadcast_to(value, shape=part), shape=(count,))
        if self.accumulate:
            flat = flat + F.take_grad(values, places, size=size, axis=0, mode="raise")
        else:
            flat = F.scatter_set_nd(flat, values, F.expand_dims(places, axis=0))
        return F.reshape(flat, shape=x.shape)

    samples = [
        S((4, 3), (2, 3), np.array([0, 2]), spec=(ARRAY,)),
        S((4, 3), (), np.array([0, -1]), np.array([1, 2]), spec=(ARRAY, ARRAY)),
        S((2, 4, 3), (2, 1, 3), np.array([0, 2]), spec=(("slice", None, None, None), ARRAY)),
        S((4,), (3,), np.array([0, 0, 2]), spec=(ARRAY,), accumulate=True),
    ]


# ---- results whose size depends on data --------------------------------------------------------------
def unknown_size(stem: str, origin: str) -> Any:
    """Return a dimension that only numbers can tell (no hint); None outside of a trace."""
    scope = current_scope()
    return None if scope is None else scope.new(stem, None, origin=origin)


@op(mx="_npx_nonzero _npi_nonzero")
class Nonzero(Op):
    """Coordinates of the elements that are not zero, one row each: (count, rank) int64."""

    no_grad = True
    data_dependent = True

    def infer(self, x: TensorType) -> TensorType:
        return TensorType((unknown_size("nonzero", "nonzero"), x.rank), int64)

    def kernel(self, x: Any) -> Any:
        return np.stack(np.nonzero(x), axis=1) if x.ndim else np.zeros((int(bool(x)), 0), np.int64)

    def onnx(self, g: Any, x: Any) -> Any:
        return g.transpose(g.NonZero(g.cast(x, np.dtype(bool))), [1, 0])

    samples = [S(np.array([[1.0, 0.0], [2.0, 3.0]])), S((0, 3)), S(np.array([0, 1, 2]))]


@op(mx="_contrib_boolean_mask _npi_boolean_mask")
class BooleanMask(Op):
    """The places of `axis` of `data` where the vector `index` is not zero."""

    axis: int = 0
    data_dependent = True

    def infer(self, data: TensorType, index: TensorType) -> TensorType:
        axis = normalize_axis(self.axis, data.rank)
        shape = list(data.known_shape)
        if index.rank != 1 or not equal_dims(index.known_shape[0], shape[axis]):
            raise ShapeError(
                f"boolean_mask: a mask of shape {format_shape(index.shape)} for axis {axis} of "
                f"{format_shape(shape)}"
            )
        shape[axis] = unknown_size("selected", "boolean_mask")
        return data.with_shape(shape)

    def kernel(self, data: Any, index: Any) -> Any:
        if index.ndim != 1 or index.shape[0] != data.shape[self.axis]:
            self.infer(TensorType(data.shape, data.dtype), TensorType(index.shape, index.dtype))
        return np.compress(index != 0, data, axis=self.axis)

    def grad(self, ct: Any, y: Any, data: Any, index: Any) -> Any:
        axis = normalize_axis(self.axis, data.ndim)
        places = F.reshape(F.nonzero(index), shape=(ct.shape[axis],))
        return F.take_grad(ct, places, size=data.shape[axis], axis=axis, mode="raise"), None

    def onnx(self, g: Any, data: Any, index: Any) -> Any:
        axis = normalize_axis(self.axis, g.rank(data))
        return g.Compress(data, g.cast(index, np.dtype(bool)), axis=axis)

    samples = [
        S((3, 2), np.array([1, 0, 1])),
        S((2, 3), np.array([0.0, 1.0, 1.0]), axis=1),
        S((3, 2), np.zeros(3, np.int32)),
    ]


@op(mx="_npi_unique")
class Unique(Op):
    """Different elements of `data` (or of its parts along `axis`), sorted.

    Further results as asked for: their first places, the way back, and their counts (int64).
    """

    return_index: bool = False
    return_inverse: bool = False
    return_counts: bool = False
    axis: int | None = None
    no_grad = True
    data_dependent = True

    def infer(self, data: TensorType) -> Any:
        n = unknown_size("unique", "unique")
        shape: Any = (n,)
        length = data.size
        if self.axis is not None:
            axis = normalize_axis(self.axis, data.rank)
            length = data.known_shape[axis]
            shape = (*data.known_shape[:axis], n, *data.known_shape[axis + 1 :])
        sizes = [n] * self.return_index + [length] * self.return_inverse + [n] * self.return_counts
        types = [data.with_shape(shape), *[TensorType((s,), int64) for s in sizes]]
        return types[0] if len(types) == 1 else tuple(types)

    def kernel(self, data: Any) -> Any:
        found = np.unique(
            data, self.return_index, self.return_inverse, self.return_counts, axis=self.axis
        )
        if not isinstance(found, tuple):
            return found
        return (found[0], *[np.asarray(f, np.int64).reshape(-1) for f in found[1:]])

    def onnx(self, g: Any, data: Any) -> Any:
        dtype = g.dtype(data)
        wide = dtype if dtype.kind == "f" else int64
        if dtype == np.uint64:
            return NotImplemented
        axis = None if self.axis is None else normalize_axis(self.axis, g.rank(data))
        found = g.Unique(g.cast(data, wide), axis=axis, sorted=1, outputs=4)
        values = g.cast(found[0], dtype)
        wanted = (self.return_index, self.return_inverse, self.return_counts)
        results = [values, *[f for f, w in zip(found[1:], wanted, strict=True) if w]]
        return results[0] if len(results) == 1 else tuple(results)

    samples = [
        S(np.array([3.0, 1.0, 3.0, 2.0])),
        S(np.array([[1, 2], [1, 2], [0, 5]], np.int32), axis=0, return_inverse=True),
        S(np.array([2.0, 2.0, 1.0]), return_index=True, return_inverse=True, return_counts=True),
        S((0,)),
    ]


@op(mx="_npi_searchsorted")
class Searchsorted(Op):
    """Where each element of `v` belongs in the sorted vector `a`: before equals, or after them."""

    side: str = "left"
    no_grad = True
    coerce = staticmethod(same_dtypes)

    def infer(self, a: TensorType, v: TensorType) -> TensorType:
        if a.rank != 1:
            raise ShapeError("searchsorted: the sorted operand is a vector", received=a.shape)
        return TensorType(v.shape, int64)

    def kernel(self, a: Any, v: Any) -> Any:
        return np.searchsorted(a, v, self.side)  # type: ignore[call-overload]

    def onnx(self, g: Any, a: Any, v: Any) -> Any:
        dtype = g.dtype(a)
        name = "Less" if self.side == "left" else "LessOrEqual"
        wide = g.unsqueeze(v, (g.rank(v),))
        before = emit(g, name, (a, wide), dtype, back=False)
        return g.reduce("ReduceSum", g.cast(before, int64), (g.rank(v),), keepdims=False)

    samples = [
        S(np.array([1.0, 2.0, 2.0, 3.0]), np.array([[2.0, 0.0], [3.0, 4.0]])),
        S(np.array([1, 2, 2]), np.array(2), side="right"),
    ]


# ---- writes by arrays of coordinates -----------------------------------------------------------------
class _IndexWrite(Op):
    """`val` written to, or added at, the coordinates `ind` (M, ...) of a copy of `a`."""

    coerce = staticmethod(lambda a, ind, val: (*same_dtypes(a, val)[:1], place_type(ind),
                                               *same_dtypes(a, val)[1:]))  # fmt: skip

    def _spread(self, a: Any, ind: Any, val: Any) -> tuple[Any, Any]:
        """Coordinates with their own axis first, and `val` broadcast to the part written."""
        if ind.ndim == 1:
            ind = F.expand_dims(ind, axis=0)
        m = int(ind.shape[0])
        return ind, F.broadcast_to(val, shape=(*ind.shape[1:], *a.shape[m:]))

    samples = [
        S((4, 3), np.array([[0, 2]]), (2, 3)),
        S((4, 3), np.array([[0, 2], [1, 1]]), ()),
        S((4,), np.array([0, 2]), (2,)),
    ]


@op(mx="_npx_index_update")
class IndexUpdate(_IndexWrite):
    """A copy of `a` with `val` at the coordinates `ind`."""

    def decompose(self, a: Any, ind: Any, val: Any) -> Any:
        places, spread = self._spread(a, ind, val)
        return F.scatter_set_nd(a, spread, places)


@op(mx="_npx_index_add")
class IndexAdd(_IndexWrite):
    """A copy of `a` with `val` added at the coordinates `ind`, repeated ones too."""

    def decompose(self, a: Any, ind: Any, val: Any) -> Any:
        places, spread = self._spread(a, ind, val)
        return a + F.scatter_nd(spread, places, shape=a.shape, accumulate=True)


@op(mx="_contrib_index_copy")
class IndexCopy(Op):
    """A copy of `old_tensor` with rows `index_vector` taken from `new_tensor`."""

    coerce = staticmethod(lambda a, i, b: (*same_dtypes(a, b)[:1], place_type(i),
                                           *same_dtypes(a, b)[1:]))  # fmt: skip

    def decompose(self, old_tensor: Any, index_vector: Any, new_tensor: Any) -> Any:
        return F.scatter_set_nd(old_tensor, new_tensor, F.expand_dims(index_vector, axis=0))

    samples = [S((4, 3), np.array([0, 2]), (2, 3)), S((2, 2), np.array([1]), (1, 2))]
