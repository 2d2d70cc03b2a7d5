"""Convolution and transposed convolution, any spatial rank, with gradients of any order.

The IR form is channels first: `x` is (N, C, spatial...).  Four operators are closed under
differentiation: `convolution`, its transpose `convolution_input_grad`, the correlation
`convolution_weight_grad`, and `deconvolution`, the transpose with a shape rule of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Ints, Shape
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, format_shape
from symgluon.ops.apply import F
from symgluon.ops.checks import (
    check_dtypes,
    check_rank,
    check_shape,
    deferred,
    equal_dims,
    is_int,
)
from symgluon.ops.conv_onnx import input_grad_onnx, weight_grad_onnx
from symgluon.ops.kernels import conv as kernels
from symgluon.ops.state import wants


class _Conv(Op):
    """What the operators of this module share: one entry a spatial axis in each tuple."""

    kernel: Ints  # type: ignore[assignment]
    stride: Ints
    pad: Ints
    dilate: Ints
    num_group: int = 1
    eager_min: ClassVar[int | None] = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rank = len(self.window)
        for key, least in (("kernel", 1), ("stride", 1), ("pad", 0), ("dilate", 1)):
            value = self.__dict__[key]
            if len(value) != rank or any(is_int(v) and v < least for v in value):
                raise AttributeValueError(
                    f"{self.name}: attribute {key} is {value}",
                    expected=f"{rank} numbers, each at least {least}",
                )
        if self.num_group < 1:
            raise AttributeValueError(f"{self.name}: num_group is {self.num_group}, at least 1")

    @property
    def window(self) -> tuple[Any, ...]:
        """Size of the kernel (the attribute `kernel`; the name is also that of a facet)."""
        return self.__dict__["kernel"]  # type: ignore[no-any-return]

    def geometry(self) -> dict[str, Any]:
        """Return the attributes that a gradient operator takes over."""
        keys = ("kernel", "stride", "pad", "dilate", "num_group")
        return {k: self.__dict__[k] for k in keys}

    def check_data(self, x: TensorType, what: str = "data") -> None:
        """Require the rank that the kernel implies."""
        rank = len(self.window) + 2
        check_rank(self.name, what, x.shape, rank, rank)
