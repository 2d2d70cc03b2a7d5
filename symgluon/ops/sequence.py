"""Sequences of different lengths in one array: masks, last elements, reversal.

`data` is (T, N, ...) for ``axis=0`` and (N, T, ...) for ``axis=1``; `sequence_length` is (N,).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, format_shape
from symgluon.ops.apply import F
from symgluon.ops.checks import check_shape
from symgluon.ops.kernels import sequence as kernels
from symgluon.ops.lowering import one
from symgluon.ops.state import wants

int64 = np.dtype(np.int64)


def own_types(*kinds: Any) -> tuple[Any, ...]:
    """Rule (`Op.coerce`): every operand keeps its dtype (numbers become arrays)."""
    return tuple(
        k if isinstance(k, np.dtype) or k is None else dtypes.resolve(type(k)) for k in kinds
    )


class _Sequence(Op):
    """What the three share: the axis, and whether lengths are given."""

    use_sequence_length: bool = False
    axis: int = 0
    coerce = staticmethod(own_types)

    def lengths(self, data: Any, sequence_length: Any) -> Any:
        """The lengths, None if every sequence is full; shapes are checked."""
        if self.axis not in (0, 1):
            raise AttributeValueError(f"{self.name}: axis {self.axis}", expected="0 or 1")
        if data.ndim < 2:
            raise ShapeError(
                f"{self.name}: data has no axes of time and batch",
                received=format_shape(data.shape),
            )
        if not self.use_sequence_length:
            return None
        if sequence_length is None:
            raise AttributeValueError(f"{self.name}: use_sequence_length without sequence_length")
        batch = data.shape[1 - self.axis]
        check_shape(self.name, "sequence_length", sequence_length.shape, (batch,))
        return sequence_length

    def along(self, vector: Any, axis: int, rank: int) -> Any:
        """Shape a vector so that it broadcasts along `axis`."""
        shape: list[Any] = [1] * rank
        shape[axis] = vector.shape[0]
        return F.reshape(vector, shape=tuple(shape))


def _places(n: Any, dtype: Any) -> Any:
    return F.arange(start=0, stop=n, step=1, dtype=dtype)


LENGTHS = np.array([1.0, 3.0])


@op(mx="SequenceMask _npx_sequence_mask")
class SequenceMask(_Sequence):
    """`value` at and after the end of each sequence."""

    value: float = 0.0

    def decompose(self, data: Any, sequence_length: Any = None) -> Any:
        lengths = self.lengths(data, sequence_length)
        if lengths is None:
            return F.identity(data)
        rank = data.ndim
        steps = self.along(_places(data.shape[self.axis], lengths.dtype), self.axis, rank)
        inside = F.less(steps, self.along(lengths, 1 - self.axis, rank))
        return F.where(inside, data, np.asarray(self.value).astype(data.dtype))

    samples = [
        S((3, 2, 2), LENGTHS, use_sequence_length=True, value=-1.0),
        S((2, 3), LENGTHS, use_sequence_length=True, axis=1),
        S((3, 2), None),
        S((3, 2, 1), np.array([0, 5], np.int32), use_sequence_length=True),
    ]


@op(mx="SequenceLast _npx_sequence_last")
class SequenceLast(_Sequence):
    """The last element of each sequence, without the axis of time."""

    def decompose(self, data: Any, sequence_length: Any = None) -> Any:
        lengths = self.lengths(data, sequence_length)
        if lengths is None:
            return F.index(data, index=(*(slice(None),) * self.axis, -1))
        moved = data if self.axis == 1 else F.swapaxes(data, axis1=0, axis2=1)
        rows = _places(moved.shape[0], "int64")
        last = F.maximum(F.cast(lengths, dtype="int64") - 1, 0)
        return F.gather_nd(moved, F.stack(rows, last, axis=0))

    samples = [
        S((3, 2, 2), LENGTHS, use_sequence_length=True),
        S((2, 3), LENGTHS, use_sequence_length=True, axis=1),
        S((3, 2), None),
        S((2, 3, 2), None, axis=1),
    ]


@op(mx="SequenceReverse _npx_sequence_reverse")
class SequenceReverse(_Sequence):
    """Each sequence backwards, what follows its end in place."""

    def infer(self, data: TensorType, sequence_length: TensorType | None = None) -> TensorType:
        if data.rank < 2 or self.axis not in (0, 1):
            raise ShapeError(f"{self.name}: {data} along axis {self.axis}")
        if self.use_sequence_length and sequence_length is not None:
            batch = data.known_shape[1 - self.axis]
            check_shape(self.name, "sequence_length", sequence_length.shape, (batch,))
        return data

    def kernel(self, data: Any, sequence_length: Any = None) -> Any:
        lengths = self.lengths(data, sequence_length)
        return kernels.sequence_reverse(data, lengths, self.axis)

    def grad(self, ct: Any, y: Any, data: Any, sequence_length: Any = None) -> Any:
        back = type(self)(**self.attrs())(ct, sequence_length) if wants(0) else None
        return back, None

    def onnx(self, g: Any, data: Any, sequence_length: Any = "") -> Any:
        if not self.use_sequence_length or not sequence_length:
            low = -(2**31) + 1
            return g.slice(data, [-1], [low], [self.axis], [-1])
        lengths = g.Max(g.cast(sequence_length, int64), one(g, int64))
        return g.ReverseSequence(data, lengths, time_axis=self.axis, batch_axis=1 - self.axis)

    samples = [
        S((3, 2, 2), LENGTHS, use_sequence_length=True),
        S((2, 3), LENGTHS, use_sequence_length=True, axis=1),
        S((3, 2), None),
        S((3, 2), np.array([0, 2], np.int32), use_sequence_length=True),
    ]
