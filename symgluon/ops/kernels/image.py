"""Matrices that resize an axis of an image, with OpenCV's ways to interpolate."""

from __future__ import annotations

import math

import numpy as np

from symgluon.errors import AttributeValueError

#: MXNet's (OpenCV's) numbers of the ways to interpolate
NEAREST, BILINEAR, CUBIC, AREA = 0, 1, 2, 3


def _weights(offset: np.ndarray, kind: int) -> np.ndarray:
    """Weight of a sample at a distance, for the interpolations of a fixed window."""
    x = np.abs(offset)
    if kind == BILINEAR:
        return np.asarray(np.maximum(1 - x, 0))
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
