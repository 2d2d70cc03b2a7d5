"""What a wrong call says: the operator, what was expected and what was received."""

from __future__ import annotations

import numpy as np
import pytest

from symgluon.errors import AttributeValueError, DTypeError, ShapeError, SymgluonError
from symgluon.ops import F, wrap


def x(*shape, dtype="float32"):
    return wrap(np.ones(shape, dtype))


CALLS = [
    (lambda: F.add(x(2, 3), x(4)), ShapeError, r"\(2, 3\) and \(4,\) do not broadcast"),
    (lambda: F.where(x(2), x(3), x(3)), ShapeError, "do not broadcast"),
    (lambda: F.matmul(x(2, 3), x(4, 5)), ShapeError, "3 columns against 4 rows"),
    (lambda: F.dot(x(2, 3), x(4)), ShapeError, "matmul"),
    (lambda: F.sum(x(2, 3), axis=2), ShapeError, "axis 2 is out of bounds for rank 2"),
    (lambda: F.max(x(0, 3), axis=0), ShapeError, "nothing to reduce along axis 0"),
    (lambda: F.argmax(x(0)), ShapeError, "no elements"),
    (lambda: F.reshape(x(2, 3), shape=(4, -1)), ShapeError, r"\(2, 3\) does not fit"),
    (lambda: F.transpose(x(2, 3), axes=(0, 0)), ShapeError, "names an axis twice"),
    (lambda: F.transpose(x(2, 3), axes=(0,)), ShapeError, "for an array of 2 axes"),
    (lambda: F.squeeze(x(2, 3), axis=0), ShapeError, "is not of size 1"),
    (lambda: F.concatenate(x(2, 3), x(2, 4), axis=0), ShapeError, "differ in more than axis 0"),
    (lambda: F.stack(x(2), x(3)), ShapeError, "stack"),
    (lambda: F.pad(x(2, 3), pad_width=(1, 1)), ShapeError, "2 numbers for each of 2 axes"),
    (lambda: F.pad(x(2), pad_width=(1, 1), mode="odd"), AttributeValueError, "mode 'odd'"),
    (lambda: F.take(x(2), np.array([0]), mode="up"), AttributeValueError, "clip, wrap or raise"),
    (lambda: F.top_k(x(3), k=4), AttributeValueError, "4 of 3 elements"),
    (lambda: F.einsum(x(2, 3), subscripts="ijk->i"), ShapeError, "operand of 2 axes"),
    (lambda: F.einsum(x(2, 3), subscripts="ij->k"), AttributeValueError, "result's labels"),
    (lambda: F.bitwise_and(x(2), x(2)), DTypeError, "bits of integers"),
    (lambda: F.invert(x(2)), DTypeError, "need integers"),
    (lambda: F.negative(x(2, dtype="bool")), DTypeError, "not defined for bools"),
    (lambda: F.norm(x(2, 3, 4), ord="nuc"), AttributeValueError, "over 3 axes"),
    (lambda: F.inv(x(2, 3)), SymgluonError, "inv"),
    (lambda: F.cholesky(-np.eye(2)), SymgluonError, "cholesky"),
    (lambda: F.percentile(x(3), q=101), AttributeValueError, "not all between 0 and 100"),
    (lambda: F.sequence_mask(x(2, 2), use_sequence_length=True), AttributeValueError,
     "without sequence_length"),
    (lambda: F.sum(x(2), axes=0), AttributeValueError, "unknown attribute 'axes'"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_message(number):
    call, error, text = CALLS[number]
    with pytest.raises(error, match=text):
        call()
