"""Geometry of images (H, W, C) or stacks of them (N, H, W, C): resizing, cropping, rotating."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.gluon.nn.common import call
from symgluon.ops.apply import F
from symgluon.ops.kernels.image import AREA, BILINEAR, CUBIC, NEAREST
from symgluon.ops.legacy_image import resized

__all__ = [
    "AREA",
    "BILINEAR",
    "CUBIC",
    "NEAREST",
    "crop",
    "pair",
    "resize",
    "rotate",
    "scale_down",
]


def pair(size: Any, least: int = 1) -> tuple[int, int]:
    """Width and height from a number or a pair.

    Raises
    ------
    AttributeValueError
        For other than one or two whole numbers from `least` on.
    """
    sizes = tuple(size) if isinstance(size, Iterable) else (size, size)
    if len(sizes) != 2 or not all(isinstance(n, Integral) and int(n) >= least for n in sizes):
        raise AttributeValueError(
            "a size in pixels", expected=f"a whole number >= {least}, or two", received=repr(size)
        )
    return int(sizes[0]), int(sizes[1])


def resize(x: Any, size: tuple[int, int], kind: int = BILINEAR) -> Any:
    """Resize to (width, height); integers are rounded and kept in their range."""
    return call(lambda image: resized(image, size, kind), x)


def crop(x: Any, left: int, top: int, width: int, height: int) -> Any:
    """Cut a rectangle out.

    Raises
    ------
    ShapeError
        If it does not lie inside.
    """
    h, w = x.shape[-3], x.shape[-2]
    if left < 0 or top < 0 or left + width > w or top + height > h:
        raise ShapeError(
            f"crop: the rectangle ({left}, {top}) to ({left + width}, {top + height}) does not lie "
            f"inside an image of width {w} and height {h}"
        )
    head = (slice(None),) * (len(x.shape) - 3)
    index = (*head, slice(top, top + height), slice(left, left + width))
    return call(F.index, x, index=index)


def scale_down(image: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """Largest size of the shape of `wanted` inside an image; both as (width, height)."""
    w, h = image
    width, height = float(wanted[0]), float(wanted[1])
    if h < height:
        width, height = width * h / height, h
    if w < width:
        width, height = w, height * w / width
    return int(width), int(height)


def rotate(
    images: np.ndarray, degrees: np.ndarray, zoom_in: bool = False, zoom_out: bool = False
) -> np.ndarray:
    """Rotate images (N, C, H, W) counter-clockwise about their centre, bilinearly.

    Parameters
    ----------
    zoom_in : bool
        Zoom so that nothing from outside shows.
    zoom_out : bool
        Zoom so that the whole image shows.
    """
    _, _, h, w = images.shape
    y_reach, x_reach = (h - 1) / 2, (w - 1) / 2
    y, x = np.meshgrid(np.arange(h) - y_reach, np.arange(w) - x_reach, indexing="ij")
    out = np.empty(images.shape, images.dtype)
    for n, angle in enumerate(np.deg2rad(degrees)):
        cos, sin = math.cos(angle), math.sin(angle)
        xs, ys = x * cos - y * sin, x * sin + y * cos
        if zoom_in or zoom_out:
            # how much larger the rotated image is, along the axis where it is most
            c, d = abs(cos), abs(sin)
            most = max((w * c + h * d) / w, (w * d + h * c) / h)
            factor = 1 / most if zoom_in else most
            xs, ys = xs * factor, ys * factor
        out[n] = _sample(images[n], ys + y_reach, xs + x_reach)
    return out


def _sample(image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values of an image (C, H, W) at places; 0 outside."""
    h, w = image.shape[1:]
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    total = np.zeros((len(image), *y.shape))
    for dy in (0, 1):
        for dx in (0, 1):
            yy, xx = top + dy, left + dx
            weight = (1 - np.abs(y - yy)) * (1 - np.abs(x - xx))
            inside = (yy >= 0) & (yy < h) & (xx >= 0) & (xx < w)
            total += image[:, yy.clip(0, h - 1), xx.clip(0, w - 1)] * (weight * inside)
    return total
