"""MXNet's operators of images (H, W, C), or (N, H, W, C): ``_image_*``."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Floats, Shape
from symgluon.ops.apply import F
from symgluon.ops.kernels.image import BILINEAR, resize_matrix
from symgluon.ops.mx import mx_function


def _rank(name: str, x: Any) -> int:
    if x.ndim not in (3, 4):
        raise ShapeError(
            f"image.{name}: the image", expected="(H, W, C) or (N, H, W, C)", received=x.shape
        )
    return int(x.ndim)


def resized(image: Any, size: tuple[int, int], kind: int = BILINEAR) -> Any:
    """Resize images (..., H, W, C) to (width, height); integers are rounded, in their range."""
    *lead, h, w, c = image.shape
    width, height = size
    dtype = np.dtype(image.dtype)
    work = dtype if dtype.kind == "f" else np.dtype("float32")
    rows = resize_matrix(int(h), height, kind).astype(work)
    columns = resize_matrix(int(w), width, kind).astype(work)
    y = F.cast(image, dtype=work) if dtype != work else image
    y = F.matmul(rows, F.reshape(y, shape=(*lead, h, w * c)))
    y = F.reshape(y, shape=(*lead, height, w, c))
    y = F.matmul(columns, y)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        y = F.floor(y + work.type(0.5))
        y = F.cast(F.clip(y, a_min=float(limits.min), a_max=float(limits.max)), dtype=dtype)
    return y


@mx_function("_image_to_tensor _npx__image_to_tensor")
def to_tensor(data: Any) -> Any:
    """Values 0 to 255 to 0 to 1, channels first, float32."""
    rank = _rank("to_tensor", data)
    scaled = F.cast(data, dtype="float32") / np.float32(255)
    return F.transpose(scaled, axes=(2, 0, 1) if rank == 3 else (0, 3, 1, 2))


@mx_function("_image_normalize _npx__image_normalize")
def normalize(data: Any, *, mean: Floats = (0.0,), std: Floats = (1.0,)) -> Any:
    """Subtract a mean and divide by a deviation, for each channel of (C, H, W) or (N, C, H, W)."""
    _rank("normalize", data)
    channels = data.shape[-3]
    parts = []
    for name, value in (("mean", mean), ("std", std)):
        if len(value) not in (1, channels):
            raise AttributeValueError(
                f"image.normalize: {name}", expected=f"1 or {channels} numbers", received=value
            )
        parts.append(np.array(value, data.dtype).reshape(-1, 1, 1))
    return F.true_divide(F.subtract(data, parts[0]), parts[1])


@mx_function("_image_flip_left_right _npx__image_flip_left_right")
def flip_left_right(data: Any) -> Any:
    """Mirror."""
    return F.flip(data, axis=_rank("flip_left_right", data) - 2)


@mx_function("_image_flip_top_bottom _npx__image_flip_top_bottom")
def flip_top_bottom(data: Any) -> Any:
    """Turn upside down."""
    return F.flip(data, axis=_rank("flip_top_bottom", data) - 3)


@mx_function("_image_crop _npx__image_crop")
def crop(data: Any, *, x: int, y: int, width: int, height: int) -> Any:
    """Cut a rectangle out."""
    rank = _rank("crop", data)
    h, w = data.shape[-3], data.shape[-2]
    if min(x, y) < 0 or min(width, height) < 1 or x + width > w or y + height > h:
        raise ShapeError(
            f"image.crop: the rectangle ({x}, {y}) to ({x + width}, {y + height}) does not lie "
            f"inside an image of width {w} and height {h}"
        )
    head = (slice(None),) * (rank - 3)
    return F.index(data, index=(*head, slice(y, y + height), slice(x, x + width)))


@mx_function("_image_resize _npx__image_resize")
def resize(data: Any, *, size: Shape = (), keep_ratio: bool = False, interp: int = 1) -> Any:
    """Resize; one number is the size of both sides, or with `keep_ratio` of the shorter one."""
    _rank("resize", data)
    if len(size) == 2:
        return resized(data, (int(size[0]), int(size[1])), interp)
    if len(size) != 1:
        raise AttributeValueError("image.resize: size", expected="one or two", received=size)
    short = int(size[0])
    h, w = int(data.shape[-3]), int(data.shape[-2])
    if not keep_ratio:
        wanted = short, short
    else:
        wanted = (short, short * h // w) if h > w else (short * w // h, short)
    return resized(data, wanted, interp)
