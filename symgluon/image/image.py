"""Reading images, and changing their size and shape.

Images are (H, W, C) arrays, red first.  Ways to interpolate have OpenCV's numbers, as in MXNet: 0
nearest, 1 bilinear, 2 cubic, 3 area.  Random numbers come from Python's ``random``, as in MXNet.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, FormatError, ShapeError
from symgluon.gluon.data.vision import geometry
from symgluon.ndarray.functions import constant
from symgluon.ndarray.ndarray import NDArray
from symgluon.ops.array import Array
from symgluon.recordio import decode_pixels

Size = tuple[int, int]


def array(pixels: np.ndarray) -> Any:
    """Return an array of the class that MXNet gives here: of ``np`` if its semantics are on.

    Parameters
    ----------
    pixels : numpy.ndarray
        The content.

    Returns
    -------
    array
        Of ``nd``, as MXNet 1.x gives without `npx.set_np`.
    """
    return constant(np.ascontiguousarray(pixels))


def like(pixels: np.ndarray, image: Any) -> Any:
    """Return an array of the class of an image.

    Parameters
    ----------
    pixels : numpy.ndarray
        The content.
    image : array
        Says the class.

    Returns
    -------
    array
        The result.
    """
    found = array(pixels)
    if isinstance(image, NDArray):
        found.__class__ = type(image)
        found._device = image._device
    return found


def numbers_of(value: Any) -> np.ndarray:
    """Return the content of an array, or of numbers.

    Parameters
    ----------
    value : array, or number or list of them
        Of ``nd``, ``np`` or NumPy.

    Returns
    -------
    numpy.ndarray
        Not to be written.
    """
    return value.numpy_content() if isinstance(value, Array) else np.asarray(value)


def pixels_of(image: Any) -> np.ndarray:
    """Return the content of an image.

    Parameters
    ----------
    image : array
        Of ``nd``, ``np`` or NumPy.

    Returns
    -------
    numpy.ndarray
        Not to be written.

    Raises
    ------
    ShapeError
        If it has not three axes.
    """
    found = numbers_of(image)
    if found.ndim != 3:
        raise ShapeError(
            "an image has the axes (height, width, channels)",
            received=str(found.shape),
            hint="of a grey image: image.expand_dims(axis=2)",
        )
    return found


def size_of(image: Any) -> tuple[int, int]:
    """Return height and width of an image.

    Parameters
    ----------
    image : array (H, W, C)
        Of ``nd``, ``np`` or NumPy.

    Returns
    -------
    tuple of int
        Height and width.
    """
    h, w, _ = pixels_of(image).shape
    return h, w


# ---- reading ---------------------------------------------------------------------------------------
def imdecode(
    buf: Any, flag: int = 1, to_rgb: int | bool = 1, out: Any = None, **kwargs: Any
) -> Any:
    """Decode an image.

    Parameters
    ----------
    buf : bytes, or array of uint8
        The content of a file.
    flag : int
        1: colours (H, W, 3); 0: grey (H, W, 1).
    to_rgb : bool
        Red first; else blue first, as OpenCV.
    out : array, optional
        Gets the image.
    **kwargs : object
        None is known.

    Returns
    -------
    array (H, W, C), uint8
        The image.

    Raises
    ------
    MXNetError
        If Pillow is not installed.
    FormatError
        If it is no image.
    TypeError
        For anything else than bytes.

    Notes
    -----
    Source: MXNet's ``mx.image.imdecode``.
    """
    if kwargs:
        raise TypeError(f"imdecode: unknown argument {', '.join(kwargs)}")
    if isinstance(buf, Array | np.ndarray):
        content = numbers_of(buf).astype(np.uint8).tobytes()
    elif isinstance(buf, bytes | bytearray | memoryview):
        content = bytes(buf)
    else:
        raise TypeError(f"imdecode takes bytes or an array of them, not {type(buf).__name__}")
    if not content:
        raise FormatError("an empty buffer is no image")
    return _given(decode_pixels(content, 1 if flag else 0), to_rgb, out)


def imread(
    filename: str | os.PathLike[str], flag: int = 1, to_rgb: int | bool = 1, out: Any = None
) -> Any:
    """Read an image file.

    Parameters
    ----------
    filename : str or path
        The file.
    flag : int
        1: colours (H, W, 3); 0: grey (H, W, 1).
    to_rgb : bool
        Red first; else blue first, as OpenCV.
    out : array, optional
        Gets the image.

    Returns
    -------
    array (H, W, C), uint8
        The image.

    Raises
    ------
    MXNetError
        If Pillow is not installed.
    FormatError
        If it is no image.
    OSError
        If it cannot be read.

    Notes
    -----
    Source: MXNet's ``mx.image.imread``.
    """
    return _given(decode_pixels(os.fspath(filename), 1 if flag else 0), to_rgb, out)


def _given(pixels: np.ndarray, to_rgb: int | bool, out: Any) -> Any:
    found = array(pixels if to_rgb else pixels[..., ::-1])
    if out is None:
        return found
    out[:] = found
    return out


# ---- size ------------------------------------------------------------------------------------------
def _get_interp_method(interp: int, sizes: Sequence[int] = ()) -> int:
    """Return a way to interpolate: 9 is chosen by old and new size, 10 at random."""
    if interp == 9:
        if not sizes:
            return geometry.CUBIC
        old_height, old_width, height, width = sizes
        if height > old_height and width > old_width:
            return geometry.CUBIC
        if height < old_height and width < old_width:
            return geometry.AREA
        return geometry.BILINEAR
    if interp == 10:
        return random.randint(0, 3)
    if interp not in (0, 1, 2, 3):
        raise AttributeValueError(
            "interpolation of images",
            expected="0 nearest, 1 bilinear, 2 cubic, 3 area, 9 by the sizes or 10 at random",
            received=interp,
        )
    return interp


def imresize(src: Any, w: int, h: int, interp: int = 1, out: Any = None) -> Any:
    """Resize an image.

    Parameters
    ----------
    src : array (H, W, C)
        The image.
    w, h : int
        New width and height.
    interp : int
        Way to interpolate.
    out : array, optional
        Gets the result.

    Returns
    -------
    array (h, w, C)
        Of the same dtype.

    Raises
    ------
    AttributeValueError
        For another interpolation.

    Notes
    -----
    Source: MXNet's ``mx.image.imresize``.

    Examples
    --------
    >>> import symgluon as mx
    >>> image = mx.nd.arange(12).reshape((2, 2, 3))
    >>> mx.image.imresize(image, 4, 2).shape
    (2, 4, 3)
    """
    kind = _get_interp_method(interp, (*size_of(src), h, w))
    found = geometry.resize(src if isinstance(src, Array) else array(src), (int(w), int(h)), kind)
    if out is None:
        return found
    out[:] = found
    return out


def scale_down(src_size: Size, size: Size) -> Size:
    """Return the largest size of a shape that lies inside an image.

    Parameters
    ----------
    src_size : tuple of int
        Width and height of the image.
    size : tuple of int
        Width and height that are wanted.

    Returns
    -------
    tuple of int
        Width and height.

    Notes
    -----
    Source: MXNet's ``mx.image.scale_down``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.image.scale_down((640, 480), (720, 120))
    (640, 106)
    """
    return geometry.scale_down(src_size, size)


def resize_short(src: Any, size: int, interp: int = 2) -> Any:
    """Resize an image so that its shorter side has a size.

    Parameters
    ----------
    src : array (H, W, C)
        The image.
    size : int
        Of the shorter side.
    interp : int
        Way to interpolate.

    Returns
    -------
    array
        The image.

    Notes
    -----
    Source: MXNet's ``mx.image.resize_short``.
    """
    h, w = size_of(src)
    width, height = (size, size * h // w) if h > w else (size * w // h, size)
    return imresize(src, width, height, interp)


def copyMakeBorder(
    src: Any, top: int, bot: int, left: int, right: int, type: int = 0, value: Any = 0,
    values: Sequence[float] | None = None,
) -> Any:  # fmt: skip
    """Put a border around an image.

    Parameters
    ----------
    src : array (H, W, C)
        The image.
    top, bot, left, right : int
        Widths of the border.
    type : int
        0: of one colour; 1: the outermost pixels again.
    value : number
        The colour.
    values : sequence of number, optional
        The colour, a number a channel.

    Returns
    -------
    array
        The larger image.

    Raises
    ------
    AttributeValueError
        For another type.

    Notes
    -----
    Source: MXNet's ``mx.image.copyMakeBorder``.
    """
    pixels = pixels_of(src)
    widths = ((top, bot), (left, right), (0, 0))
    if type == 1:
        return like(np.pad(pixels, widths, "edge"), src)
    if type != 0:
        raise AttributeValueError("copyMakeBorder: type", expected="0 or 1", received=type)
    h, w, c = pixels.shape
    found = np.empty((h + top + bot, w + left + right, c), pixels.dtype)
    found[:] = value if values is None or not len(values) else np.asarray(values)
    found[top : top + h, left : left + w] = pixels
    return like(found, src)


# ---- cropping --------------------------------------------------------------------------------------
def fixed_crop(
    src: Any, x0: int, y0: int, w: int, h: int, size: Size | None = None, interp: int = 2
) -> Any:
    """Cut a rectangle out.

    Parameters
    ----------
    src : array (H, W, C)
        The image.
    x0, y0, w, h : int
        Left and upper end of the rectangle, its width and height.
    size : tuple of int, optional
        Width and height that it is resized to.
    interp : int
        Way to interpolate.

    Returns
    -------
    array
        The part.

    Raises
    ------
    ShapeError
        If the rectangle does not lie inside.

    Notes
    -----
    Source: MXNet's ``mx.image.fixed_crop``.
    """
    found = geometry.crop(src if isinstance(src, Array) else array(src), x0, y0, w, h)
    if size is not None and (w, h) != tuple(size):
        found = imresize(found, size[0], size[1], interp)
    return found


def center_crop(src: Any, size: Size, interp: int = 2) -> tuple[Any, tuple[int, int, int, int]]:
    """Cut the middle out, and resize it to a size.

    Parameters
    ----------
    src : array (H, W, C)
        The image.
    size : tuple of int
        Width and height.
    interp : int
        Way to interpolate, where the image is smaller.

    Returns
    -------
    tuple of array and (int, int, int, int)
        The part, and where it was: left, top, width, height.

    Notes
    -----
    Source: MXNet's ``mx.image.center_crop``.
    """
    h, w = size_of(src)
    width, height = scale_down((w, h), size)
    x0, y0 = (w - width) // 2, (h - height) // 2
    return fixed_crop(src, x0, y0, width, height, size, interp), (x0, y0, width, height)


def random_crop(src: Any, size: Size, interp: int = 2) -> tuple[Any, tuple[int, int, int, int]]:
    """Cut a part out at a random place, and resize it to a size.

    Parameters
    ----------
    src : array (H, W, C)
        The image.
    size : tuple of int
        Width and height.
    interp : int
        Way to interpolate, where the image is smaller.

    Returns
    -------
    tuple of array and (int, int, int, int)
        The part, and where it was: left, top, width, height.

    Notes
    -----
    Source: MXNet's ``mx.image.random_crop``.
    """
    h, w = size_of(src)
    width, height = scale_down((w, h), size)
    x0, y0 = random.randint(0, w - width), random.randint(0, h - height)
    return fixed_crop(src, x0, y0, width, height, size, interp), (x0, y0, width, height)


def random_size_crop(
    src: Any, size: Size, area: Any, ratio: tuple[float, float], interp: int = 2, **kwargs: Any
) -> tuple[Any, tuple[int, int, int, int]]:
    """Cut a part of random size and shape out, and resize it to a size.

    Parameters
    ----------
    src : array (H, W, C)
        The image.
    size : tuple of int
        Width and height of the result.
    area : float, or tuple of two
        Least, and largest, share of the image.
    ratio : tuple of two floats
        Ends of width / height.
    interp : int
        Way to interpolate.
    **kwargs : object
        ``min_area``, the old name of the least share.

    Returns
    -------
    tuple of array and (int, int, int, int)
        The part, and where it was: left, top, width, height.

    Raises
    ------
    TypeError
        For other arguments.

    Notes
    -----
    Source: MXNet's ``mx.image.random_size_crop``.
    """
    area = kwargs.pop("min_area", area)
    if kwargs:
        raise TypeError(f"random_size_crop: unknown argument {', '.join(kwargs)}")
    h, w = size_of(src)
    least, most = (area, 1.0) if isinstance(area, int | float) else area
    ends = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(10):
        wanted = random.uniform(least, most) * h * w
        shape = math.exp(random.uniform(*ends))
        width = round(math.sqrt(wanted * shape))
        height = round(math.sqrt(wanted / shape))
        if width <= w and height <= h:
            x0, y0 = random.randint(0, w - width), random.randint(0, h - height)
            return fixed_crop(src, x0, y0, width, height, size, interp), (x0, y0, width, height)
    return center_crop(src, size, interp)


# ---- numbers and rotation --------------------------------------------------------------------------
def color_normalize(src: Any, mean: Any, std: Any = None) -> Any:
    """Subtract a mean and divide by a deviation.

    Parameters
    ----------
    src : array (H, W, C)
        The image, of floats.
    mean, std : array, number or None
        Of each channel, or of all.

    Returns
    -------
    array
        A new one.

    Notes
    -----
    Source: MXNet's ``mx.image.color_normalize``.
    """
    found = src if mean is None else src - mean
    return found if std is None else found / std


def imrotate(
    src: Any, rotation_degrees: Any, zoom_in: bool = False, zoom_out: bool = False
) -> Any:
    """Rotate images counter-clockwise about their centre.

    Parameters
    ----------
    src : array (C, H, W) or (N, C, H, W), float32
        The images.
    rotation_degrees : number, or array (N,)
        Angles.
    zoom_in : bool
        Zoom so that nothing from outside shows.
    zoom_out : bool
        Zoom so that the whole image shows.

    Returns
    -------
    array
        Of the same shape.

    Raises
    ------
    ValueError
        For both kinds of zoom, another rank, or another number of angles.
    TypeError
        For another dtype.

    Notes
    -----
    Source: MXNet's ``mx.image.imrotate``.
    """
    if zoom_in and zoom_out:
        raise ValueError("`zoom_in` and `zoom_out` cannot be both True")
    pixels = numbers_of(src)
    if pixels.dtype != np.float32:
        raise TypeError(f"imrotate takes float32 images, received {pixels.dtype}")
    if pixels.ndim not in (3, 4):
        raise ValueError(f"imrotate takes (C, H, W) or (N, C, H, W), received {pixels.shape}")
    stack = pixels if pixels.ndim == 4 else pixels[None]
    degrees = numbers_of(rotation_degrees).astype(np.float64).reshape(-1)
    if degrees.size == 1:
        degrees = np.repeat(degrees, len(stack))
    if len(degrees) != len(stack):
        raise ValueError(f"imrotate: {len(degrees)} angles for {len(stack)} images")
    found = geometry.rotate(stack, degrees, zoom_in, zoom_out)
    return like(found if pixels.ndim == 4 else found[0], src)


def random_rotate(
    src: Any, angle_limits: tuple[float, float], zoom_in: bool = False, zoom_out: bool = False
) -> Any:
    """Rotate images by random angles.

    Parameters
    ----------
    src : array (C, H, W) or (N, C, H, W), float32
        The images.
    angle_limits : tuple of two numbers
        Least and largest angle, in degrees.
    zoom_in, zoom_out : bool
        As of `imrotate`.

    Returns
    -------
    array
        Of the same shape.

    Notes
    -----
    Source: MXNet's ``mx.image.random_rotate``.
    """
    low, high = angle_limits
    if len(src.shape) == 3:
        angles: Any = random.uniform(low, high)
    else:
        angles = np.array([random.uniform(low, high) for _ in range(src.shape[0])])
    return imrotate(src, angles, zoom_in, zoom_out)
