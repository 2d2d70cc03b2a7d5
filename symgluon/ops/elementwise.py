"""Elementwise operators, one row each."""

from __future__ import annotations

import numpy as np

from symgluon.ops.apply import F
from symgluon.ops.families import binary, unary

binary(
    "add",
    np.add,
    grad=(lambda ct, y, a, b: ct, lambda ct, y, a, b: ct),
    onnx="Add",
    mx="elemwise_add broadcast_add broadcast_plus _plus _Plus _add _npi_add",
)
binary(
    "subtract",
    np.subtract,
    grad=(lambda ct, y, a, b: ct, lambda ct, y, a, b: F.negative(ct)),
    onnx="Sub",
    mx="elemwise_sub broadcast_sub broadcast_minus _minus _Minus _sub _npi_subtract",
)
binary(
    "multiply",
    np.multiply,
    grad=(lambda ct, y, a, b: ct * b, lambda ct, y, a, b: ct * a),
    onnx="Mul",
    mx="elemwise_mul broadcast_mul _mul _Mul _npi_multiply",
)
unary("negative", np.negative, grad=lambda ct, y, x: -ct, onnx="Neg", mx="negative _npi_negative",
      floats=False)  # fmt: skip
unary("exp", np.exp, grad=lambda ct, y, x: ct * y, onnx="Exp", mx="exp _npi_exp")
unary("tanh", np.tanh, grad=lambda ct, y, x: ct * (1 - y * y), onnx="Tanh", mx="tanh _npi_tanh")
