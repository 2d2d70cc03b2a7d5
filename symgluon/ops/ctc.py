"""Connectionist temporal classification as an operator, and under MXNet's names."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, format_shape
from symgluon.ops.apply import F
from symgluon.ops.checks import check_rank
from symgluon.ops.kernels import sequence as kernels
from symgluon.ops.mx import mx_function
from symgluon.ops.sequence import own_types


@op()
class CtcLoss(Op):
    """Loss (N,) of scores (T, N, C) against labels (N, L), and its gradient by the scores.

    The blank is class 0 and 0 pads the labels with `blank_first`, else class C - 1 and -1.
    Lengths are (N,) or absent.
    """

    blank_first: bool = True
    coerce = staticmethod(own_types)

    def infer(self, data: TensorType, label: TensorType, *lengths: TensorType | None) -> Any:
        """Types of loss and gradient."""
        check_rank("ctc_loss", "data", data.shape, 3, 3)
        check_rank("ctc_loss", "label", label.shape, 2, 2)
        batch = data.known_shape[1]
        rows = label.known_shape[0]
        if isinstance(batch, int) and isinstance(rows, int) and batch != rows:
            raise ShapeError(
                "ctc_loss: data (steps, batch, classes) and label (batch, length) differ in batch",
                expected=f"label ({batch}, length)",
                received=format_shape(label.known_shape),
            )
        return data.with_shape((batch,)), data

    def kernel(self, data: Any, label: Any, frames: Any = None, lengths: Any = None) -> Any:
        """Loss and gradient, computed together."""
        return kernels.ctc_loss(data, label, frames, lengths, self.blank_first)

    def grad(self, ct: Any, y: Any, data: Any, *rest: Any) -> Any:
        """Gradient of the loss; the second result is a constant to gradients."""
        if ct[0] is None:
            return (None,) * (1 + len(rest))
        each = F.expand_dims(F.expand_dims(ct[0], axis=0), axis=2)
        return each * F.stop_gradient(y[1]), *(None for _ in rest)

    samples = [
        S((4, 2, 3), np.array([[1, 2], [2, 0]])),
        S((4, 2, 3), np.array([[0.0, 1.0], [1.0, -1.0]]), blank_first=False),
        S((5, 2, 3), np.array([[1, 2], [1, 1]]), np.array([5, 4]), np.array([2, 1])),
    ]


@mx_function("CTCLoss ctc_loss _contrib_CTCLoss _contrib_ctc_loss _npx_ctc_loss")
def ctc_loss(
    data: Any,
    label: Any,
    data_lengths: Any = None,
    label_lengths: Any = None,
    *,
    use_data_lengths: bool = False,
    use_label_lengths: bool = False,
    blank_label: str = "first",
) -> Any:
    """CTC loss (N,) of scores (T, N, C); the two flags say which lengths are given."""
    if blank_label not in ("first", "last"):
        raise AttributeValueError("blank_label", expected="first or last", received=blank_label)
    given = [v for v in (data_lengths, label_lengths) if v is not None]
    wanted = use_data_lengths + use_label_lengths
    if len(given) < wanted:
        raise AttributeValueError(
            "CTCLoss: arrays of lengths", expected=f"{wanted}", received=f"{len(given)}"
        )
    frames = (data_lengths if data_lengths is not None else given[0]) if use_data_lengths else None
    lengths = given[-1] if use_label_lengths else None
    return F.ctc_loss(data, label, frames, lengths, blank_first=blank_label == "first")[0]
