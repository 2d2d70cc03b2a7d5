"""Gathering and scattering at coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Shape
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import (
    TensorType,
    broadcast_shapes,
    format_shape,
    prod,
)
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.checks import equal_dims
from symgluon.ops.index import bounded, int64, place_type, places_second, size_value
from symgluon.ops.lowering import one
from symgluon.ops.state import wants


def _coordinates(shape: Any, places: Any) -> tuple[Any, ...]:
    """Return coordinate arrays, wrapped into the first axes of `shape` and checked."""
    found = []
    for axis, row in enumerate(places):
        found.append(bounded(row, shape[axis], "raise"))
    return tuple(found)


def _check_depth(name: str, shape: Any, places: TensorType) -> int:
    m = int(places.known_shape[0]) if places.rank else len(shape) + 1
    if m > len(shape):
        raise ShapeError(
            f"{name}: indices of shape {format_shape(places.shape)} for {format_shape(shape)}",
            hint="The first axis of the indices holds one number for each leading axis.",
        )
    return m


def check_part(name: str, value: Any, part: Any) -> None:
    """Require a value of shape `value` to broadcast to the part that it is written to.

    Raises
    ------
    ShapeError
        If it does not.
    """
    spread = broadcast_shapes(part, value)
    if len(spread) != len(part) or not all(map(equal_dims, spread, part)):
        raise ShapeError(
            f"{name}: a value of shape {format_shape(value)} does not fit the part of shape "
            f"{format_shape(part)}"
        )


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
        S((2, 3, 2), lambda rng: rng.integers(0, 2, (2, 2, 2))),
        S((3, 4), np.array([[0.0], [1.0]])),
    ]


def _last_first(g: Any, indices: Any) -> Any:
    """ONNX holds coordinates on the last axis."""
    rank = g.rank(indices)
    return g.transpose(g.cast(indices, int64), [*range(1, rank), 0])


@op(mx="scatter_nd")
class ScatterNd(Op):
    """Zeros of `shape` with `data` at coordinates; `accumulate` adds those of one place."""

    shape: Shape
    accumulate: bool = False
    coerce = staticmethod(places_second)

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        m = _check_depth(self.name, self.shape, indices)
        check_part(self.name, data.known_shape, (*indices.known_shape[1:], *self.shape[m:]))
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
        row = F.mod(F.index(indices, index=(axis,)), size_value(n, indices))
        total = row if total is None else total * size_value(n, indices) + row
    return total


@op(mx="_scatter_set_nd _npi_scatter_set_nd")
class ScatterSetNd(Op):
    """A copy of `lhs` with `rhs` at the coordinates `indices`."""

    shape: Shape = ()
    coerce = staticmethod(lambda a, b, i: (*same_dtypes(a, b), place_type(i)))

    def infer(self, lhs: TensorType, rhs: TensorType, indices: TensorType) -> TensorType:
        m = _check_depth(self.name, lhs.known_shape, indices)
        part = (*indices.known_shape[1:], *lhs.known_shape[m:])
        check_part(self.name, rhs.known_shape, part)
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


# ---- writes by arrays of coordinates ---------------------------------------------------------
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
