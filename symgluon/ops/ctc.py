"""Connectionist temporal classification as an operator, and under MXNet's names."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError, SymgluonError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, format_shape
from symgluon.ops.apply import F
from symgluon.ops.checks import check_rank
from symgluon.ops.kernels import sequence as kernels
from symgluon.ops.mx import mx_function
from symgluon.ops.sequence import own_types


@op()
class CtcLoss(Op):
    """Loss (N,) of scores (T, N, C) against labels (N, L); with `reserve` also its gradient.

    The blank is class 0 and 0 pads the labels with `blank_first`, else class C - 1 and -1.
    Lengths are (N,) or absent.  Loss and gradient come from one pass: who wants both reserves.
    """

    blank_first: bool = True
    reserve: bool = False
    coerce = staticmethod(own_types)

    def infer(self, data: TensorType, label: TensorType, *lengths: TensorType | None) -> Any:
        """Types of the loss, and of the gradient with `reserve`."""
        check_rank("ctc_loss", "data", data.shape, 3, 3)
        check_rank("ctc_loss", "label", label.shape, 2, 2)
        batch = data.known_shape[1]
        for what, other in (("label", label), *[("lengths", n) for n in lengths if n]):
            if other.known_shape[0] != batch:
                raise ShapeError(
                    f"ctc_loss: data (steps, batch, classes) and {what} differ in batch",
                    expected=batch,
                    received=format_shape(other.known_shape),
                )
        loss = data.with_shape((batch,))
        return (loss, data) if self.reserve else loss

    def kernel(self, data: Any, label: Any, frames: Any = None, lengths: Any = None) -> Any:
        """Loss, and the gradient with `reserve`."""
        loss, gradient = kernels.ctc_loss(data, label, frames, lengths, self.blank_first)
        return (loss, gradient) if self.reserve else loss

    def grad(self, ct: Any, y: Any, data: Any, label: Any, *lengths: Any) -> Any:
        """Gradient by the scores.

        Raises
        ------
        SymgluonError
            For the second derivative.
        """
        if self.reserve:
            ct, second = ct
            if second is not None:
                raise SymgluonError(
                    "ctc_loss: the second derivative is not available",
                    hint="call autograd.grad without create_graph for this loss",
                )
            gradient = y[1]
        else:
            gradient = F.ctc_loss(
                data, label, *lengths, blank_first=self.blank_first, reserve=True
            )[1]
        each = F.expand_dims(F.expand_dims(ct, axis=0), axis=2)
        return each * gradient, None, *(None for _ in lengths)

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
    first = blank_label == "first"
    return F.ctc_loss(data, label, frames, lengths, blank_first=first, reserve=True)[0]
