"""Reductions, one row each."""

from __future__ import annotations

import numpy as np

from symgluon.ops.families import reduction

reduction(
    "sum", np.sum, grad=lambda ct, y, x, axis: ct, onnx="ReduceSum", mx="_np_sum _npi_sum"
)
