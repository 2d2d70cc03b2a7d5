"""Transformations of images (seed: ``gluon.data.vision.transforms``).

Images are (H, W, C), or (N, H, W, C), with values 0 to 255, until `ToTensor` makes them (C, H, W)
with values 0 to 1.  The random ones draw from the stream of `mx.random.seed`, and run eagerly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symgluon.errors import ShapeError, TraceError
from symgluon.gluon.block import Block
from symgluon.gluon.data.vision import color
from symgluon.gluon.data.vision.geometry import (
    BILINEAR,
    crop,
    pair,
    resize,
    rotate,
    scale_down,
)
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.basic_layers import HybridSequential, Sequential
from symgluon.gluon.nn.common import call, like
from symgluon.ops.apply import F
from symgluon.ops.array import Array, wrap
from symgluon.ops.generator import generator
from symgluon.ops.state import state

__all__ = [
    "Cast",
    "CenterCrop",
    "Compose",
    "CropResize",
    "HybridCompose",
    "HybridRandomApply",
    "Normalize",
    "RandomApply",
    "RandomBrightness",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomFlipLeftRight",
    "RandomFlipTopBottom",
    "RandomGray",
    "RandomHue",
    "RandomLighting",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSaturation",
    "Resize",
    "Rotate",
    "ToTensor",
]


# ---- compositions ------------------------------------------------------------------------------
class _Random(HybridBlock):
    """A transformation that draws numbers which decide what it computes: it is never traced."""

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:  # type: ignore[override]
        """Do nothing: it runs eagerly."""

    def _check_eager(self) -> None:
        if state.region is not None:
            raise TraceError(
                f"{type(self).__name__} draws numbers that decide what it computes, so it cannot be "
                "traced",
                hint="put it into a HybridCompose, which hybridizes the others one by one",
            )


class Compose(Sequential):
    """Transformations one after the other."""

    def __init__(self, transforms: list[Any]) -> None:
        super().__init__()
        self.add(*transforms)


class HybridCompose(HybridSequential):
    """Hybrid transformations one after the other, each hybridized that is not random."""

    def __init__(self, transforms: list[Any]) -> None:
        super().__init__()
        self.add(*transforms)
        self.hybridize()

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:  # type: ignore[override]
        """Hybridize the transformations one by one: random ones run eagerly."""
        for child in self._children.values():
            child.hybridize(active, **kwargs)


class RandomApply(Sequential):
    """Apply a transformation (or several) with probability `p`."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = Compose(transforms) if isinstance(transforms, list) else transforms
        self.p = p

    def forward(self, x: Any, *args: Any) -> Any:
        """The image, changed or not."""
        return self.transforms(x) if self.p >= generator().random() else x


class HybridRandomApply(_Random):
    """Apply a hybrid transformation (or several) with probability `p`."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        if isinstance(transforms, list):
            stack = HybridSequential()
            stack.add(*transforms)
            transforms = stack
        self.transforms = transforms
        self.p = p

    def forward(self, x: Any, *args: Any) -> Any:
        """The image, changed or not."""
        self._check_eager()
        return self.transforms(x) if self.p >= generator().random() else x


# ---- values ------------------------------------------------------------------------------------
class Cast(HybridBlock):
    """Cast to a dtype."""

    def __init__(self, dtype: Any = "float32") -> None:
        super().__init__()
        self._dtype = dtype

    def forward(self, *args: Any) -> Any:
        """Cast each argument; one gives an array, several a tuple, as they came."""
        found = tuple(call(F.cast, x, dtype=self._dtype) for x in args)
        return found[0] if len(found) == 1 else found


class ToTensor(HybridBlock):
    """(H, W, C) of 0 to 255 to (C, H, W) of 0 to 1 in float32; stacks likewise."""

    def forward(self, x: Any) -> Any:
        """Scale and move the channels to the front."""
        rank = len(x.shape)
        axes = (2, 0, 1) if rank == 3 else (0, 3, 1, 2)
        if rank not in (3, 4):
            raise ShapeError(f"ToTensor: an image has 3 or 4 axes, received shape {x.shape}")
        y = call(F.cast, x, dtype="float32")
        return call(F.transpose, y, axes=axes) / 255.0


class Normalize(HybridBlock):
    """``(x - mean) / std`` for each channel of (C, H, W) or (N, C, H, W).

    Parameters
    ----------
    mean, std : float or tuple of float
        One for all channels, or one each.
    """

    def __init__(self, mean: Any = 0.0, std: Any = 1.0) -> None:
        super().__init__()
        self._mean, self._std = np.atleast_1d(mean), np.atleast_1d(std)

    def forward(self, x: Any) -> Any:
        """Normalise."""
        if len(x.shape) not in (3, 4):
            raise ShapeError(f"Normalize: an image has 3 or 4 axes, received shape {x.shape}")
        channels = x.shape[-3]
        for name, values in (("mean", self._mean), ("std", self._std)):
            if len(values) not in (1, channels):
                raise ShapeError(
                    f"Normalize: {len(values)} numbers as {name} for {channels} channels"
                )
        dtype = np.dtype(x.dtype)
        mean, std = (v.astype(dtype).reshape(-1, 1, 1) for v in (self._mean, self._std))
        return call(lambda y: (y - mean) / std, x)


# ---- sizes -------------------------------------------------------------------------------------
class Resize(HybridBlock):
    """Resize to (width, height).

    Parameters
    ----------
    size : int or tuple of int
        Width and height.
    keep_ratio : bool
        With one number: the size of the shorter side.
    interpolation : int
        0 nearest, 1 bilinear, 2 cubic, 3 area.
    """

    def __init__(self, size: Any, keep_ratio: bool = False, interpolation: int = 1) -> None:
        super().__init__()
        self._size, self._keep, self._interpolation = size, keep_ratio, interpolation

    def forward(self, x: Any) -> Any:
        """Resize."""
        size = pair(self._size)
        if self._keep and isinstance(self._size, int):
            h, w = int(x.shape[-3]), int(x.shape[-2])
            n = self._size
            size = (n, int(n * h / w)) if h > w else (int(n * w / h), n)
        return resize(x, size, self._interpolation)


class CropResize(HybridBlock):
    """Cut a rectangle out, and resize it if there is a `size`."""

    def __init__(
        self,
        x: int,
        y: int,
        width: int,
        height: int,
        size: Any = None,
        interpolation: int | None = None,
    ) -> None:
        super().__init__()
        self._box = (x, y, width, height)
        self._size, self._interpolation = size, interpolation

    def forward(self, x: Any) -> Any:
        """Cut, and resize."""
        out = crop(x, *self._box)
        if self._size is None:
            return out
        kind = BILINEAR if self._interpolation is None else self._interpolation
        return resize(out, pair(self._size), kind)


class CenterCrop(HybridBlock):
    """Cut (width, height) out of the middle; what is too small is enlarged."""

    def __init__(self, size: Any, interpolation: int = 1) -> None:
        super().__init__()
        self._size, self._interpolation = pair(size), interpolation

    def forward(self, x: Any) -> Any:
        """Cut."""
        return _cut(x, self._size, self._interpolation, lambda room: room // 2)


def _cut(x: Any, size: tuple[int, int], interpolation: int, place: Callable[[int], int]) -> Any:
    h, w = int(x.shape[-3]), int(x.shape[-2])
    width, height = scale_down((w, h), size)
    out = crop(x, place(w - width), place(h - height), width, height)
    return out if (width, height) == size else resize(out, size, interpolation)


class RandomCrop(_Random):
    """Cut (width, height) out of a random place, after padding.

    Parameters
    ----------
    pad : int or tuple of int, optional
        Pixels added on each side: of all four, or height and width.
    pad_value : int
        What they hold.
    """

    def __init__(
        self, size: Any, pad: Any = None, pad_value: float = 0, interpolation: int = 1
    ) -> None:
        super().__init__()
        self._size, self._interpolation = pair(size), interpolation
        self._pad, self._pad_value = pad, pad_value

    def forward(self, x: Any) -> Any:
        """Pad and cut."""
        self._check_eager()
        if self._pad is not None:
            image = x.numpy_content()
            ph, pw = pair(self._pad)
            lead = [(0, 0)] * (image.ndim - 3)
            widths = [*lead, (ph, ph), (pw, pw), (0, 0)]
            x = like(x, wrap(np.pad(image, widths, constant_values=self._pad_value)))
        draw = generator()
        return _cut(x, self._size, self._interpolation, lambda room: int(draw.integers(room + 1)))


class RandomResizedCrop(_Random):
    """Cut out a rectangle of random area and shape, and resize it to (width, height).

    Parameters
    ----------
    scale : tuple of float
        Smallest and largest area, as parts of the image.
    ratio : tuple of float
        Smallest and largest width over height.
    """

    def __init__(
        self,
        size: Any,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: int = 1,
    ) -> None:
        super().__init__()
        self._size, self._interpolation = pair(size), interpolation
        self._scale, self._ratio = scale, ratio

    def forward(self, x: Any) -> Any:
        """Cut and resize."""
        self._check_eager()
        h, w = int(x.shape[-3]), int(x.shape[-2])
        draw = generator()
        for _ in range(10):
            area = draw.uniform(*self._scale) * h * w
            ratio = math.exp(draw.uniform(math.log(self._ratio[0]), math.log(self._ratio[1])))
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= w and 0 < height <= h:
                left, top = int(draw.integers(w - width + 1)), int(draw.integers(h - height + 1))
                out = crop(x, left, top, width, height)
                return resize(out, self._size, self._interpolation)
        return _cut(x, self._size, self._interpolation, lambda room: room // 2)


# ---- flips and rotations -------------------------------------------------------------------------
class _RandomFlip(_Random):
    _axis = -2

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Any) -> Any:
        """The image, mirrored or not."""
        self._check_eager()
        if generator().random() >= self.p:
            return x
        return like(x, wrap(np.flip(x.numpy_content(), self._axis).copy()))


class RandomFlipLeftRight(_RandomFlip):
    """Mirror left and right with probability `p`."""


class RandomFlipTopBottom(_RandomFlip):
    """Mirror top and bottom with probability `p`."""

    _axis = -3


class Rotate(Block):
    """Rotate (C, H, W) or (N, C, H, W), in float32, about the middle.

    Parameters
    ----------
    rotation_degrees : float
        Counter-clockwise.
    zoom_in, zoom_out : bool
        Zoom so that nothing from outside shows, or the whole image.
    """

    def __init__(
        self, rotation_degrees: float, zoom_in: bool = False, zoom_out: bool = False
    ) -> None:
        super().__init__()
        if zoom_in and zoom_out:
            raise ValueError("`zoom_in` and `zoom_out` cannot be both True")
        self._args = (rotation_degrees, zoom_in, zoom_out)

    def forward(self, x: Any) -> Any:
        """Rotate.

        Raises
        ------
        TypeError
            For another dtype.
        """
        return _rotated(x, *self._args)


def _rotated(x: Any, degrees: float, zoom_in: bool, zoom_out: bool) -> Any:
    if np.dtype(x.dtype) != np.float32:
        raise TypeError(
            "This transformation only supports float32. Consider calling it after ToTensor, given: "
            f"{x.dtype}"
        )
    image = x.numpy_content()
    stack = image if image.ndim == 4 else image[None]
    found = rotate(stack, np.full(len(stack), degrees), zoom_in, zoom_out)
    return like(x, wrap(found.reshape(image.shape)))


class RandomRotation(Block):
    """Rotate by a random angle, with some probability.

    Parameters
    ----------
    angle_limits : tuple of float
        Smallest and largest angle.
    rotate_with_proba : float
        Probability.
    """

    def __init__(
        self,
        angle_limits: tuple[float, float],
        zoom_in: bool = False,
        zoom_out: bool = False,
        rotate_with_proba: float = 1.0,
    ) -> None:
        super().__init__()
        lower, upper = angle_limits
        if lower >= upper:
            raise ValueError("`angle_limits` must be an ordered tuple")
        if not 0 <= rotate_with_proba <= 1:
            raise ValueError("Probability of rotating the image should be between 0 and 1")
        if zoom_in and zoom_out:
            raise ValueError("`zoom_in` and `zoom_out` cannot be both True")
        self._limits, self._p = (lower, upper), rotate_with_proba
        self._zoom = (zoom_in, zoom_out)

    def forward(self, x: Any) -> Any:
        """The image, rotated or not."""
        draw = generator()
        if draw.random() > self._p:
            return x
        return _rotated(x, draw.uniform(*self._limits), *self._zoom)


# ---- colours -----------------------------------------------------------------------------------
class _RandomColor(_Random):
    """A change of colours by a random amount."""

    def _change(self, image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} must define _change")

    def forward(self, x: Any) -> Any:
        """The image in other colours, in its own dtype."""
        self._check_eager()
        if not isinstance(x, Array):
            raise TypeError(f"expected an array, received {type(x).__name__}")
        image = x.numpy_content()
        found = self._change(image.astype(np.float32), generator())
        return like(x, wrap(color.saturated(found, image.dtype)))


class _Factor(_RandomColor):
    _function: Callable[[np.ndarray, float], np.ndarray]

    def __init__(self, amount: float) -> None:
        super().__init__()
        if amount < 0:
            raise ValueError(f"{type(self).__name__}: the amount must not be negative: {amount}")
        self._amount = amount

    def _change(self, image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        factor = 1 + draw.uniform(-self._amount, self._amount)
        return type(self)._function(image, factor)


class RandomBrightness(_Factor):
    """Multiply by a number between ``1 - brightness`` and ``1 + brightness``."""

    _function = staticmethod(color.brightness)

    def __init__(self, brightness: float) -> None:
        super().__init__(brightness)


class RandomContrast(_Factor):
    """Spread the values about their mean by ``1 - contrast`` to ``1 + contrast``."""

    _function = staticmethod(color.contrast)

    def __init__(self, contrast: float) -> None:
        super().__init__(contrast)


class RandomSaturation(_Factor):
    """Spread the channels about the grey value by ``1 - saturation`` to ``1 + saturation``."""

    _function = staticmethod(color.saturation)

    def __init__(self, saturation: float) -> None:
        super().__init__(saturation)


class RandomHue(_RandomColor):
    """Turn the hue by ``-hue`` to ``hue``, where 1 is half a turn."""

    def __init__(self, hue: float) -> None:
        super().__init__()
        self._hue = hue

    def _change(self, image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        return color.hue(image, draw.uniform(-self._hue, self._hue))


class RandomColorJitter(_RandomColor):
    """Change brightness, contrast, saturation and hue in random order."""

    def __init__(
        self, brightness: float = 0, contrast: float = 0, saturation: float = 0, hue: float = 0
    ) -> None:
        super().__init__()
        self._amounts = (brightness, contrast, saturation, hue)

    def _change(self, image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        for i in draw.permutation(4):
            amount = self._amounts[i]
            if amount <= 0:
                continue
            value = draw.uniform(-amount, amount)
            if i == 3:
                image = color.hue(image, value)
            else:
                image = (color.brightness, color.contrast, color.saturation)[i](image, 1 + value)
        return image


class RandomLighting(_RandomColor):
    """Add noise along the principal colours of ImageNet (Krizhevsky et al., 2012)."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self._alpha = alpha

    def _change(self, image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        return color.lighting(
            image, draw.normal(0, self._alpha, 3) if self._alpha else np.zeros(3)
        )


class RandomGray(_Random):
    """Make the image grey, in float32, with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Any) -> Any:
        """The image in float32, grey or not."""
        self._check_eager()
        image = x.numpy_content().astype(np.float32)
        if generator().random() < self.p:
            image = np.repeat(color.grey(image), 3, axis=-1)
        return like(x, wrap(image))
