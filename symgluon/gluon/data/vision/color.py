"""Colours of images (..., H, W, 3) in float32, values 0 to 255."""

from __future__ import annotations

import math

import numpy as np

#: shares of red, green and blue in the grey value (ITU-R BT.601)
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
_TO_RGB = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])
#: principal colours of ImageNet and their variances (Krizhevsky et al., 2012)
_VALUES = np.array([55.46, 4.794, 1.148])
_VECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


def saturated(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Cast, integers cut off at the ends of their range."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        image = np.clip(image, limits.min, limits.max)
    return image.astype(dtype)


def grey(image: np.ndarray) -> np.ndarray:
    """Grey values (..., H, W, 1)."""
    return (image @ _GREY)[..., None]


def brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply."""
    return image * np.float32(factor)


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Spread about the mean grey value of the image."""
    mean = grey(image).mean((-3, -2, -1), keepdims=True)
    return image * np.float32(factor) + mean * np.float32(1 - factor)


def saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Spread about the grey value of each pixel."""
    return image * np.float32(factor) + grey(image) * np.float32(1 - factor)


def hue(image: np.ndarray, turn: float) -> np.ndarray:
    """Rotate in the colour plane of YIQ; 1 is half a turn."""
    cos, sin = math.cos(turn * math.pi), math.sin(turn * math.pi)
    rotation = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    matrix = (_TO_RGB @ rotation @ _TO_YIQ).astype(np.float32)
    return image @ matrix.T


def lighting(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Add the principal colours times their deviations times `alpha`."""
    return image + (_VECTORS @ (_VALUES * alpha)).astype(np.float32)
