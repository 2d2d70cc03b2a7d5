"""Operators of ``nd.image`` of MXNet 1.x."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ir.attrs import Floats
from symgluon.ops.apply import F
from symgluon.ops.mx import mx_function


def _check(data: Any, name: str) -> None:
    if len(data.shape) not in (3, 4):
        raise ShapeError(f"{name}: an image has 3 or 4 axes, received shape {data.shape}")


@mx_function("_image_to_tensor _npx__image_to_tensor")
def image_to_tensor(data: Any) -> Any:
    """(H, W, C) or (N, H, W, C) of 0 to 255 to float32 (C, H, W) or (N, C, H, W) of 0 to 1."""
    _check(data, "to_tensor")
    axes = (2, 0, 1) if len(data.shape) == 3 else (0, 3, 1, 2)
    return F.transpose(F.cast(data, dtype="float32"), axes=axes) / np.float32(255)


@mx_function("_image_normalize _npx__image_normalize")
def image_normalize(data: Any, *, mean: Floats = (0.0,), std: Floats = (1.0,)) -> Any:
    """``(data - mean) / std`` for each channel of (C, H, W) or (N, C, H, W)."""
    _check(data, "normalize")
    channels = data.shape[-3]
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise ShapeError(f"normalize: {len(values)} numbers as {name} for {channels} channels")
    dtype = np.dtype(data.dtype)
    centre, width = (np.asarray(v, dtype).reshape(-1, 1, 1) for v in (mean, std))
    return F.true_divide(F.subtract(data, centre), width)
