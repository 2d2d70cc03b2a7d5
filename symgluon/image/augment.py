"""Augmenters: callables from an image to an image, many of them random.

Random numbers come from Python's ``random`` and NumPy's global generator, in MXNet's order, so that
seeded code does what it did there.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.dtypes import resolve
from symgluon.gluon.data.vision import color
from symgluon.image import image as im
from symgluon.ops.array import Array

Size = tuple[int, int]
_GREY = np.array([[0.21], [0.72], [0.07]], np.float32)


def _plain(value: Any) -> Any:
    if isinstance(value, Array):
        value = value.numpy_content()
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _floats(src: Any) -> np.ndarray:
    return im.pixels_of(src).astype(np.float32, copy=False)


class Augmenter:
    """Base class of augmenters; a subclass defines ``__call__(self, src)``.

    Parameters
    ----------
    **kwargs : object
        What it was made with, for `dumps`.

    Notes
    -----
    Source: MXNet's ``mx.image.Augmenter``.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = {k: _plain(v) for k, v in kwargs.items()}

    def dumps(self) -> Any:
        """Return what makes it again, as text.

        Returns
        -------
        str or list
            JSON of its name and arguments.
        """
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, src)")


class SequentialAug(Augmenter):
    """Several augmenters, one after the other.

    Parameters
    ----------
    ts : list of Augmenter
        The augmenters.

    Notes
    -----
    Source: MXNet's ``mx.image.SequentialAug``.
    """

    def __init__(self, ts: Sequence[Augmenter]) -> None:
        super().__init__()
        self.ts = list(ts)

    def dumps(self) -> Any:
        """Return what makes it again.

        Returns
        -------
        list
            Its name, and those of its parts.
        """
        return [type(self).__name__.lower(), [x.dumps() for x in self.ts]]

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        for aug in self.ts:
            src = aug(src)
        return src


class RandomOrderAug(SequentialAug):
    """Several augmenters, in random order.

    Parameters
    ----------
    ts : list of Augmenter
        The augmenters.

    Notes
    -----
    Source: MXNet's ``mx.image.RandomOrderAug``.
    """

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        random.shuffle(self.ts)
        return super().__call__(src)


# ---- size ------------------------------------------------------------------------------------------
class ResizeAug(Augmenter):
    """Resize so that the shorter side has a size.

    Parameters
    ----------
    size : int
        Of the shorter side.
    interp : int
        Way to interpolate.

    Notes
    -----
    Source: MXNet's ``mx.image.ResizeAug``.
    """

    def __init__(self, size: int, interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        return im.resize_short(src, self.size, self.interp)


class ForceResizeAug(Augmenter):
    """Resize to a width and height.

    Parameters
    ----------
    size : tuple of int
        Width and height.
    interp : int
        Way to interpolate.

    Notes
    -----
    Source: MXNet's ``mx.image.ForceResizeAug``.
    """

    def __init__(self, size: Size, interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        return im.imresize(src, self.size[0], self.size[1], self.interp)


class RandomCropAug(Augmenter):
    """Cut a part out at a random place.

    Parameters
    ----------
    size : tuple of int
        Width and height.
    interp : int
        Way to interpolate, where the image is smaller.

    Notes
    -----
    Source: MXNet's ``mx.image.RandomCropAug``.
    """

    def __init__(self, size: Size, interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        return im.random_crop(src, self.size, self.interp)[0]


class RandomSizedCropAug(Augmenter):
    """Cut a part of random size and shape out.

    Parameters
    ----------
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

    Notes
    -----
    Source: MXNet's ``mx.image.RandomSizedCropAug``.
    """

    def __init__(
        self, size: Size, area: Any, ratio: tuple[float, float], interp: int = 2, **kwargs: Any
    ) -> None:
        area = kwargs.pop("min_area", area)
        super().__init__(size=size, area=area, ratio=ratio, interp=interp)
        self.size, self.area, self.ratio, self.interp = size, area, ratio, interp

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        return im.random_size_crop(src, self.size, self.area, self.ratio, self.interp)[0]


class CenterCropAug(Augmenter):
    """Cut the middle out.

    Parameters
    ----------
    size : tuple of int
        Width and height.
    interp : int
        Way to interpolate, where the image is smaller.

    Notes
    -----
    Source: MXNet's ``mx.image.CenterCropAug``.
    """

    def __init__(self, size: Size, interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        return im.center_crop(src, self.size, self.interp)[0]


class HorizontalFlipAug(Augmenter):
    """Mirror, with some probability.

    Parameters
    ----------
    p : float
        The probability.

    Notes
    -----
    Source: MXNet's ``mx.image.HorizontalFlipAug``.
    """

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        return im.like(im.pixels_of(src)[:, ::-1], src) if random.random() < self.p else src


# ---- colour ----------------------------------------------------------------------------------------
class BrightnessJitterAug(Augmenter):
    """Change the brightness at random.

    Parameters
    ----------
    brightness : float
        By how much at most.

    Notes
    -----
    Source: MXNet's ``mx.image.BrightnessJitterAug``.
    """

    def __init__(self, brightness: float) -> None:
        super().__init__(brightness=brightness)
        self.brightness = brightness

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        factor = 1.0 + random.uniform(-self.brightness, self.brightness)
        return im.like(color.brightness(_floats(src), factor), src)


class ContrastJitterAug(Augmenter):
    """Change the contrast at random.

    Parameters
    ----------
    contrast : float
        By how much at most.

    Notes
    -----
    Source: MXNet's ``mx.image.ContrastJitterAug``.
    """

    def __init__(self, contrast: float) -> None:
        super().__init__(contrast=contrast)
        self.contrast = contrast

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        factor = 1.0 + random.uniform(-self.contrast, self.contrast)
        return im.like(color.contrast(_floats(src), factor), src)


class SaturationJitterAug(Augmenter):
    """Change the saturation at random.

    Parameters
    ----------
    saturation : float
        By how much at most.

    Notes
    -----
    Source: MXNet's ``mx.image.SaturationJitterAug``.
    """

    def __init__(self, saturation: float) -> None:
        super().__init__(saturation=saturation)
        self.saturation = saturation

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        factor = 1.0 + random.uniform(-self.saturation, self.saturation)
        return im.like(color.saturation(_floats(src), factor), src)


class HueJitterAug(Augmenter):
    """Change the hue at random.

    Parameters
    ----------
    hue : float
        By how much at most; 1 is half a turn.

    Notes
    -----
    Source: MXNet's ``mx.image.HueJitterAug``.
    """

    def __init__(self, hue: float) -> None:
        super().__init__(hue=hue)
        self.hue = hue

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        turn = random.uniform(-self.hue, self.hue)
        return im.like(color.hue(_floats(src), turn), src)


class ColorJitterAug(RandomOrderAug):
    """Change brightness, contrast and saturation at random, in random order.

    Parameters
    ----------
    brightness, contrast, saturation : float
        By how much at most; 0: not.

    Notes
    -----
    Source: MXNet's ``mx.image.ColorJitterAug``.
    """

    def __init__(self, brightness: float, contrast: float, saturation: float) -> None:
        pairs = (
            (BrightnessJitterAug, brightness),
            (ContrastJitterAug, contrast),
            (SaturationJitterAug, saturation),
        )
        super().__init__([kind(value) for kind, value in pairs if value > 0])


class LightingAug(Augmenter):
    """Add random shares of principal colours.

    Parameters
    ----------
    alphastd : float
        Deviation of the shares.
    eigval : array (3,)
        Deviations of the colours.
    eigvec : array (3, 3)
        The colours, a column each.

    Notes
    -----
    Source: MXNet's ``mx.image.LightingAug``.
    """

    def __init__(self, alphastd: float, eigval: Any, eigvec: Any) -> None:
        super().__init__(alphastd=alphastd, eigval=eigval, eigvec=eigvec)
        self.alphastd = alphastd
        self.eigval, self.eigvec = np.asarray(eigval), np.asarray(eigvec)

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        alpha = np.random.normal(0, self.alphastd, size=(3,))  # noqa: NPY002  MXNet's stream
        shift = np.dot(self.eigvec * alpha, self.eigval).astype(np.float32)
        return im.like(_floats(src) + shift, src)


class ColorNormalizeAug(Augmenter):
    """Subtract a mean and divide by a deviation.

    Parameters
    ----------
    mean, std : array (3,), or None
        Of the channels.

    Notes
    -----
    Source: MXNet's ``mx.image.ColorNormalizeAug``.
    """

    def __init__(self, mean: Any, std: Any) -> None:
        super().__init__(mean=mean, std=std)
        self.mean = None if mean is None else im.numbers_of(mean)
        self.std = None if std is None else im.numbers_of(std)

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        found = im.color_normalize(_floats(src), self.mean, self.std)
        return im.like(np.asarray(found, np.float32), src)


class RandomGrayAug(Augmenter):
    """Take the colours away, with some probability.

    Parameters
    ----------
    p : float
        The probability.

    Notes
    -----
    Source: MXNet's ``mx.image.RandomGrayAug``.
    """

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        if random.random() >= self.p:
            return src
        return im.like(np.repeat(_floats(src) @ _GREY, 3, axis=2), src)


class CastAug(Augmenter):
    """Cast.

    Parameters
    ----------
    typ : dtype
        Of the result.

    Notes
    -----
    Source: MXNet's ``mx.image.CastAug``.
    """

    def __init__(self, typ: Any = "float32") -> None:
        super().__init__(type=typ)
        self.typ = typ

    def __call__(self, src: Any) -> Any:
        """Change an image."""
        return im.like(im.pixels_of(src).astype(resolve(self.typ)), src)


#: mean and deviation of ImageNet, and its principal colours
_MEAN = np.array([123.68, 116.28, 103.53], np.float32)
_STD = np.array([58.395, 57.12, 57.375], np.float32)
_VALUES = np.array([55.46, 4.794, 1.148])
_VECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


def normalization(mean: Any, std: Any) -> list[Augmenter]:
    """Return the augmenter that normalises, if there is anything to do.

    Parameters
    ----------
    mean, std : array, True or None
        True: that of ImageNet.

    Returns
    -------
    list of Augmenter
        One, or none.

    Raises
    ------
    ValueError
        If an array has not one or three numbers.
    """
    mean = _MEAN if mean is True else mean
    std = _STD if std is True else std
    for name, value in (("mean", mean), ("std", std)):
        if value is not None and im.numbers_of(value).shape not in ((1,), (3,)):
            raise ValueError(f"{name} must have one or three numbers, received {value!r}")
    return [] if mean is None and std is None else [ColorNormalizeAug(mean, std)]


def CreateAugmenter(
    data_shape: Sequence[int],
    resize: int = 0,
    rand_crop: bool = False,
    rand_resize: bool = False,
    rand_mirror: bool = False,
    mean: Any = None,
    std: Any = None,
    brightness: float = 0,
    contrast: float = 0,
    saturation: float = 0,
    hue: float = 0,
    pca_noise: float = 0,
    rand_gray: float = 0,
    inter_method: int = 2,
) -> list[Augmenter]:
    """Return the usual augmenters of classification, in order.

    Parameters
    ----------
    data_shape : tuple of int
        (C, H, W) of the result.
    resize : int
        Size of the shorter side; 0: as it is.
    rand_crop : bool
        Cut at a random place, not the middle.
    rand_resize : bool
        Cut parts of random size and shape; with `rand_crop` only.
    rand_mirror : bool
        Mirror half of the images.
    mean, std : array (3,), True or None
        Normalise; True: by ImageNet's.
    brightness, contrast, saturation, hue : float
        By how much they change at most.
    pca_noise : float
        Deviation of the shares of principal colours that are added.
    rand_gray : float
        Probability to take the colours away.
    inter_method : int
        Way to interpolate.

    Returns
    -------
    list of Augmenter
        To be called one after the other.

    Raises
    ------
    ValueError
        For `rand_resize` without `rand_crop`.

    Notes
    -----
    Source: MXNet's ``mx.image.CreateAugmenter``.

    Examples
    --------
    >>> import symgluon as mx
    >>> [type(a).__name__ for a in mx.image.CreateAugmenter((3, 4, 4), rand_mirror=True)]
    ['CenterCropAug', 'HorizontalFlipAug', 'CastAug']
    """
    found: list[Augmenter] = []
    if resize > 0:
        found.append(ResizeAug(resize, inter_method))
    size = data_shape[2], data_shape[1]
    if rand_resize:
        if not rand_crop:
            raise ValueError("CreateAugmenter: rand_resize needs rand_crop=True")
        found.append(RandomSizedCropAug(size, 0.08, (3.0 / 4.0, 4.0 / 3.0), inter_method))
    elif rand_crop:
        found.append(RandomCropAug(size, inter_method))
    else:
        found.append(CenterCropAug(size, inter_method))
    if rand_mirror:
        found.append(HorizontalFlipAug(0.5))
    found.append(CastAug())
    if brightness or contrast or saturation:
        found.append(ColorJitterAug(brightness, contrast, saturation))
    if hue:
        found.append(HueJitterAug(hue))
    if pca_noise > 0:
        found.append(LightingAug(pca_noise, _VALUES, _VECTORS))
    if rand_gray > 0:
        found.append(RandomGrayAug(rand_gray))
    return found + normalization(mean, std)
