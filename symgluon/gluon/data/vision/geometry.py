"""Geometry of images (H, W, C) or stacks of them (N, H, W, C): resizing, cropping, rotating."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.gluon.nn.common import call
from symgluon.ops.apply import F

#: MXNet's (OpenCV's) numbers of the ways to interpolate
NEAREST, BILINEAR, CUBIC, AREA = 0, 1, 2, 3


def pair(size: Any) -> tuple[int, int]:
    """Width and height from a number or a pair."""
    return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _weights(offset: np.ndarray, kind: int) -> np.ndarray:
    """Weight of a sample at a distance, for the interpolations of a fixed window."""
    x = np.abs(offset)
    if kind == BILINEAR:
        return np.maximum(1 - x, 0)
    a = -0.75
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def resize_matrix(n: int, m: int, kind: int) -> np.ndarray:
    """Return the matrix (m, n) that resizes an axis; pixel centres lie at halves.

    Raises
    ------
    ValueError
        For another interpolation than 0 (nearest), 1 (bilinear), 2 (cubic) and 3 (area).
    """
    scale = n / m
    matrix = np.zeros((m, n))
    rows = np.arange(m)
    if kind == NEAREST:
        matrix[rows, np.minimum((rows * scale).astype(int), n - 1)] = 1
        return matrix
    if kind == AREA and scale > 1:
        for i in range(m):
            start, stop = i * scale, (i + 1) * scale
            for j in range(math.floor(start), min(math.ceil(stop - 1e-9), n)):
                matrix[i, j] = (min(stop, j + 1) - max(start, j)) / scale
        return matrix
    if kind not in (BILINEAR, CUBIC, AREA):
        raise AttributeValueError(
            "interpolation of images", expected="0, 1, 2 or 3", received=repr(kind)
        )
    kind = BILINEAR if kind == AREA else kind
    centre = (rows + 0.5) * scale - 0.5
    first = np.floor(centre).astype(int)
    reach = 1 if kind == BILINEAR else 2
    for step in range(1 - reach, reach + 1):
        weight = _weights(centre - (first + step), kind)
        np.add.at(matrix, (rows, np.clip(first + step, 0, n - 1)), weight)
    return matrix


def resize(x: Any, size: tuple[int, int], kind: int = BILINEAR) -> Any:
    """Resize to (width, height); integers are rounded and kept in their range."""
    *lead, h, w, c = x.shape
    width, height = size
    rows = resize_matrix(int(h), height, kind)
    columns = resize_matrix(int(w), width, kind)
    dtype = np.dtype(x.dtype)
    work = dtype if dtype.kind == "f" else np.dtype("float32")

    def run(image: Any) -> Any:
        y = F.cast(image, dtype=work) if dtype != work else image
        y = F.matmul(rows.astype(work), F.reshape(y, shape=(*lead, h, w * c)))
        y = F.reshape(y, shape=(*lead, height, w, c))
        y = F.matmul(columns.astype(work), y)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            y = F.floor(y + work.type(0.5))
            y = F.cast(F.clip(y, a_min=float(limits.min), a_max=float(limits.max)), dtype=dtype)
        return y

    return call(run, x)


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
