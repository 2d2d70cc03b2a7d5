"""Sorting and choosing the largest elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError
from symgluon.ir.attrs import DType
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, normalize_axis
from symgluon.ops.apply import F
from symgluon.ops.kernels.misc import stable_order
from symgluon.ops.lowering import kernel_type
from symgluon.ops.mx import mx_function
from symgluon.ops.reduce import cast_to

int64 = np.dtype(np.int64)


def _top(g: Any, x: Any, k: Any, axis: int, largest: bool) -> Any:
    """Emit TopK: values and places."""
    dtype = g.dtype(x)
    wide = kernel_type(g, "TopK", dtype)
    if wide is None:
        return NotImplemented
    count = g.shape_vector((k,))
    source = x if wide == dtype else g.cast(x, wide)
    finite = source
    if g.cuda and wide.kind == "f":
        # the kernels of ONNX Runtime's CUDA provider fill up with the last finite number
        last = np.nextafter(np.finfo(wide).max, wide.type(0))
        finite = g.Clip(source, g.const(-last), g.const(last))
    values, places = g.TopK(finite, count, axis=axis, largest=int(largest), sorted=1, outputs=2)
    if finite is not source:
        values = g.GatherElements(source, places, axis=axis)
    return (values if wide == dtype else g.cast(values, dtype)), places


@op()
class TopK(Op):
    """The `k` largest (or smallest) elements along `axis` in order, and their places (int64).

    Equal elements keep their order.
    """

    k: Any
    axis: int = -1
    largest: bool = True

    def infer(self, x: TensorType) -> Any:
        axis = normalize_axis(self.axis, x.rank)
        shape = list(x.known_shape)
        n = shape[axis]
        if isinstance(n, int) and isinstance(self.k, int) and not 0 <= self.k <= n:
            raise AttributeValueError(f"top_k: {self.k} of {n} elements")
        shape[axis] = self.k
        return x.with_shape(shape), TensorType(shape, int64)

    def kernel(self, x: Any) -> Any:
        if not 0 <= self.k <= x.shape[self.axis]:
            raise AttributeValueError(f"top_k: {self.k} of {x.shape[self.axis]} elements")
        order = stable_order(x, self.axis, not self.largest)
        places = np.take(order, np.arange(int(self.k)), axis=self.axis)
        return np.take_along_axis(x, places, axis=self.axis), places

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        if ct[0] is None:
            return None
        axis = normalize_axis(self.axis, x.ndim)
        return F.add_along_axis(ct[0], y[1], size=x.shape[axis], axis=axis)

    def onnx(self, g: Any, x: Any) -> Any:
        return _top(g, x, self.k, normalize_axis(self.axis, g.rank(x)), self.largest)

    samples = [
        S((2, 5), k=2),
        S((4, 3), k=3, axis=0, largest=False),
        S(np.array([[2, 1, 2, 1]], np.int32), k=4),
        S((2, 3), k=0),
    ]


@op(name="top_places")
class TopPlaces(Op):
    """Places (int64) of the `k` largest elements along `axis`, without the elements."""

    k: Any
    axis: int = -1
    largest: bool = True
    no_grad = True

    def infer(self, x: TensorType) -> Any:
        return TopK(self.k, self.axis, self.largest).infer(x)[1]

    def kernel(self, x: Any) -> Any:
        return TopK(self.k, self.axis, self.largest).kernel(x)[1]

    def onnx(self, g: Any, x: Any) -> Any:
        found = _top(g, x, self.k, normalize_axis(self.axis, g.rank(x)), self.largest)
        return found if found is NotImplemented else found[1]

    samples = [S((2, 5), k=2), S((4, 3), k=3, axis=0, largest=False)]


class _Sorted(Op):
    axis: int | None = -1
    is_ascend: bool = True

    def _axis(self, rank: int) -> int:
        return 0 if self.axis is None else normalize_axis(self.axis, rank)


@op(mx="sort _npi_sort")
class Sort(_Sorted):
    """Elements in order along `axis` (None: of the flattened array)."""

    def decompose(self, x: Any) -> Any:
        if self.axis is None:
            x = F.reshape(x, shape=(-1,))
        axis = self._axis(x.ndim)
        return F.top_k(x, k=x.shape[axis], axis=axis, largest=not self.is_ascend)[0]

    samples = [S((2, 5)), S((4, 3), axis=0, is_ascend=False), S((2, 3), axis=None),
               S(np.array([3, 1, 2, 1], np.int32)), S((0, 3), axis=1)]  # fmt: skip


@op()
class Argsort(_Sorted):
    """Places that sort `x` along `axis`; equal elements keep their order."""

    dtype: DType = dtypes.int64
    no_grad = True

    def decompose(self, x: Any) -> Any:
        if self.axis is None:
            x = F.reshape(x, shape=(-1,))
        axis = self._axis(x.ndim)
        places = F.top_places(x, k=x.shape[axis], axis=axis, largest=not self.is_ascend)
        return cast_to(places, self.dtype)

    samples = [
        S((2, 5)),
        S((4, 3), axis=0, is_ascend=False),
        S((2, 3), axis=None, dtype="float32"),
        S(np.array([3, 1, 2, 1], np.int32)),
    ]


@mx_function("argsort _npi_argsort")
def mx_argsort(
    data: Any, *, axis: int | None = -1, is_ascend: bool = True, dtype: DType = dtypes.float32
) -> Any:
    """Places in float32 unless another dtype is asked for."""
    return F.argsort(data, axis=axis, is_ascend=is_ascend, dtype=dtype)


@mx_function("topk _npx_topk")
def mx_topk(
    data: Any,
    *,
    axis: int | None = -1,
    k: int = 1,
    ret_typ: str = "indices",
    is_ascend: bool = False,
    dtype: DType = dtypes.float32,
) -> Any:
    """The `k` largest (``k < 1``: all, in order): values, places, both, or a mask of them."""
    x = F.reshape(data, shape=(-1,)) if axis is None else data
    at = 0 if axis is None else normalize_axis(axis, data.ndim)
    n = x.shape[at]
    count = n if k < 1 else k
    if ret_typ == "indices":
        return cast_to(F.top_places(x, k=count, axis=at, largest=not is_ascend), dtype)
    values, places = F.top_k(x, k=count, axis=at, largest=not is_ascend)
    if ret_typ == "value":
        return values
    if ret_typ == "both":
        return values, cast_to(places, dtype)
    if ret_typ != "mask":
        raise AttributeValueError(
            f"topk: ret_typ {ret_typ!r}", expected="value, indices, both or mask"
        )
    ones = F.full(np.ones((), data.dtype), shape=places.shape)
    return F.reshape(F.add_along_axis(ones, places, size=n, axis=at), shape=data.shape)
