"""Transformations of images (MXNet's ``gluon.data.vision.transforms``).

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
        """Do nothing, whatever `active`: it runs eagerly."""

    def _check_eager(self) -> None:
        if state.region is not None:
            raise TraceError(
                f"{type(self).__name__} draws numbers that decide what it computes, so it cannot be "
                "traced",
                hint="put it into a HybridCompose, which hybridizes the others one by one",
            )


class Compose(Sequential):
    """Transformations one after the other.

    Parameters
    ----------
    transforms : list of Block
        In order.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.Compose``.
    """

    def __init__(self, transforms: list[Any]) -> None:
        super().__init__()
        self.add(*transforms)


class HybridCompose(HybridSequential):
    """Hybrid transformations one after the other, each hybridized that is not random.

    Parameters
    ----------
    transforms : list of Block
        In order.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.HybridCompose``.
    """

    def __init__(self, transforms: list[Any]) -> None:
        super().__init__()
        self.add(*transforms)
        self.hybridize()

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:  # type: ignore[override]
        """Hybridize the transformations one by one: random ones run eagerly.

        Parameters
        ----------
        active : bool
            Whether their calls run as compiled graphs.
        **kwargs : bool or int
            Flags of :meth:`HybridBlock.hybridize`.
        """
        for child in self._children.values():
            child.hybridize(active, **kwargs)


class RandomApply(Sequential):
    """Apply a transformation (or several) with some probability.

    Parameters
    ----------
    transforms : Block or list of Block
        What is applied.
    p : float
        Probability.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomApply``.
    """

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = Compose(transforms) if isinstance(transforms, list) else transforms
        self.p = p

    def forward(self, x: Any, *args: Any) -> Any:
        """The image `x`, changed or not."""
        return self.transforms(x) if self.p >= generator().random() else x


class HybridRandomApply(_Random):
    """Apply a hybrid transformation (or several) with some probability.

    Parameters
    ----------
    transforms : HybridBlock or list of HybridBlock
        What is applied.
    p : float
        Probability.

    Raises
    ------
    TraceError
        While a graph is traced.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.HybridRandomApply``.
    """

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        if isinstance(transforms, list):
            stack = HybridSequential()
            stack.add(*transforms)
            transforms = stack
        self.transforms = transforms
        self.p = p

    def forward(self, x: Any, *args: Any) -> Any:
        """The image `x`, changed or not."""
        self._check_eager()
        return self.transforms(x) if self.p >= generator().random() else x


# ---- values ------------------------------------------------------------------------------------
class Cast(HybridBlock):
    """Cast to `dtype`.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.Cast``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.data.vision.transforms.Cast("float16")(mx.np.ones(2)).dtype
    dtype('float16')
    """

    def __init__(self, dtype: Any = "float32") -> None:
        super().__init__()
        self._dtype = dtype

    def forward(self, *args: Any) -> Any:
        """Cast each of `args`; one gives an array, several a tuple, as they came."""
        found = tuple(call(F.cast, x, dtype=self._dtype) for x in args)
        return found[0] if len(found) == 1 else found


class ToTensor(HybridBlock):
    """(H, W, C) of 0 to 255 to (C, H, W) of 0 to 1 in float32; stacks (N, H, W, C) likewise.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.ToTensor``.

    Examples
    --------
    >>> import symgluon as mx
    >>> image = mx.np.arange(12).reshape(2, 2, 3).astype("uint8")
    >>> out = mx.gluon.data.vision.transforms.ToTensor()(image)
    >>> out.shape, out.dtype
    ((3, 2, 2), dtype('float32'))
    """

    def forward(self, x: Any) -> Any:
        """Scale `x` and move the channels to the front.

        Raises
        ------
        ShapeError
            For other than 3 or 4 axes.
        """
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

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.Normalize``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.data.vision.transforms.Normalize(1.0, 2.0)(mx.np.full((1, 1, 2), 5.0))
    array([[[2., 2.]]])
    """

    def __init__(self, mean: Any = 0.0, std: Any = 1.0) -> None:
        super().__init__()
        self._mean, self._std = np.atleast_1d(mean), np.atleast_1d(std)

    def forward(self, x: Any) -> Any:
        """Normalise `x`.

        Raises
        ------
        ShapeError
            For other than 3 or 4 axes, or numbers for another number of channels.
        """
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
    """Resize (H, W, C) or (N, H, W, C) to a width and height.

    Parameters
    ----------
    size : int or tuple of int
        Width and height.
    keep_ratio : bool
        With one number: the size of the shorter side.
    interpolation : int
        0 nearest, 1 bilinear, 2 cubic, 3 area.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.Resize``.

    Examples
    --------
    >>> import symgluon as mx
    >>> image = mx.np.arange(12).reshape(2, 2, 3).astype("uint8")
    >>> mx.gluon.data.vision.transforms.Resize((4, 3))(image).shape
    (3, 4, 3)
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
    """Cut a rectangle out, and resize it if there is a `size`.

    Parameters
    ----------
    x, y : int
        Left and upper edge.
    width, height : int
        Of the rectangle.
    size : int or tuple of int, optional
        Width and height of the result.
    interpolation : int, optional
        0 nearest, 1 bilinear (also if left out), 2 cubic, 3 area.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.CropResize``.
    """

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
    """Cut a rectangle out of the middle; what is too small is enlarged.

    Parameters
    ----------
    size : int or tuple of int
        Width and height.
    interpolation : int
        0 nearest, 1 bilinear, 2 cubic, 3 area.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.CenterCrop``.
    """

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
    """Cut a rectangle out of a random place, after padding.

    Parameters
    ----------
    size : int or tuple of int
        Width and height.
    pad : int or tuple of int, optional
        Pixels added on each side: of all four, or height and width.
    pad_value : float
        What they hold.
    interpolation : int
        0 nearest, 1 bilinear, 2 cubic, 3 area.

    Raises
    ------
    TraceError
        While a graph is traced.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomCrop``.
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
            ph, pw = pair(self._pad, least=0)
            lead = [(0, 0)] * (image.ndim - 3)
            widths = [*lead, (ph, ph), (pw, pw), (0, 0)]
            x = like(x, wrap(np.pad(image, widths, constant_values=self._pad_value)))
        draw = generator()
        return _cut(x, self._size, self._interpolation, lambda room: int(draw.integers(room + 1)))


class RandomResizedCrop(_Random):
    """Cut out a rectangle of random area and shape, and resize it.

    Parameters
    ----------
    size : int or tuple of int
        Width and height.
    scale : tuple of float
        Smallest and largest area, as parts of the image.
    ratio : tuple of float
        Smallest and largest width over height.
    interpolation : int
        0 nearest, 1 bilinear, 2 cubic, 3 area.

    Raises
    ------
    TraceError
        While a graph is traced.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomResizedCrop``.
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
    """Mirror left and right with probability `p`.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomFlipLeftRight``.
    """


class RandomFlipTopBottom(_RandomFlip):
    """Mirror top and bottom with probability `p`.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomFlipTopBottom``.
    """

    _axis = -3


class Rotate(Block):
    """Rotate (C, H, W) or (N, C, H, W), in float32, about the middle.

    Parameters
    ----------
    rotation_degrees : float
        Counter-clockwise.
    zoom_in, zoom_out : bool
        Zoom so that nothing from outside shows, or the whole image.

    Raises
    ------
    ValueError
        For both zooms.
    TypeError
        In a call, for another dtype than float32.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.Rotate``.
    """

    def __init__(
        self, rotation_degrees: float, zoom_in: bool = False, zoom_out: bool = False
    ) -> None:
        super().__init__()
        if zoom_in and zoom_out:
            raise ValueError("`zoom_in` and `zoom_out` cannot be both True")
        self._args = (rotation_degrees, zoom_in, zoom_out)

    def forward(self, x: Any) -> Any:
        """Rotate `x`.

        Raises
        ------
        TypeError
            For another dtype than float32.
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
    zoom_in, zoom_out : bool
        Zoom so that nothing from outside shows, or the whole image.
    rotate_with_proba : float
        Probability.

    Raises
    ------
    ValueError
        For limits out of order, another probability, or both zooms.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomRotation``.
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
        """The image `x`, rotated or not."""
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
        """The image `x` in other colours, in its own dtype.

        Raises
        ------
        TypeError
            If it is no array.
        TraceError
            While a graph is traced.
        """
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
    """Multiply by a number between ``1 - brightness`` and ``1 + brightness``.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomBrightness``.
    """

    _function = staticmethod(color.brightness)

    def __init__(self, brightness: float) -> None:
        super().__init__(brightness)


class RandomContrast(_Factor):
    """Spread the values about their mean by ``1 - contrast`` to ``1 + contrast``.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomContrast``.
    """

    _function = staticmethod(color.contrast)

    def __init__(self, contrast: float) -> None:
        super().__init__(contrast)


class RandomSaturation(_Factor):
    """Spread the channels about the grey value by ``1 - saturation`` to ``1 + saturation``.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomSaturation``.
    """

    _function = staticmethod(color.saturation)

    def __init__(self, saturation: float) -> None:
        super().__init__(saturation)


class RandomHue(_RandomColor):
    """Turn the hue by ``-hue`` to ``hue``, where 1 is half a turn.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomHue``.
    """

    def __init__(self, hue: float) -> None:
        super().__init__()
        self._hue = hue

    def _change(self, image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        return color.hue(image, draw.uniform(-self._hue, self._hue))


class RandomColorJitter(_RandomColor):
    """Change brightness, contrast, saturation and hue in random order.

    Parameters
    ----------
    brightness, contrast, saturation, hue : float
        Largest changes, as of `RandomBrightness` and so on.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomColorJitter``.
    """

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
    """Add noise along the principal colours of ImageNet.

    Parameters
    ----------
    alpha : float
        Standard deviation of the noise.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomLighting``;
    Krizhevsky et al., 2012.
    """

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self._alpha = alpha

    def _change(self, image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        return color.lighting(
            image, draw.normal(0, self._alpha, 3) if self._alpha else np.zeros(3)
        )


class RandomGray(_Random):
    """Make the image grey, in float32, with probability `p`.

    Notes
    -----
    Source: MXNet's ``gluon.data.vision.transforms.RandomGray``.
    """

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
