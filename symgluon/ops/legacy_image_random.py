"""MXNet's operators that cut or mirror images (H, W, C), or (N, H, W, C), at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from symgluon.errors import AttributeValueError, TraceError
from symgluon.ir.attrs import Floats
from symgluon.ops.apply import F
from symgluon.ops.generator import generator
from symgluon.ops.legacy_image import crop, flip_left_right, flip_top_bottom, resized
from symgluon.ops.mx import mx_function
from symgluon.ops.state import state


def _refuse_trace(name: str) -> None:
    if state.region is not None:
        raise TraceError(
            f"image.{name} draws numbers that decide what it computes, so it cannot be traced",
            hint="call it outside of the hybridized block",
        )


# ---- rectangles --------------------------------------------------------------------------------
def _start(room: int, span: Sequence[float]) -> int:
    """A random place for a side of a rectangle, in the part `span` of the room there is."""
    low, high = sorted((math.floor(span[0] * room), math.floor(span[1] * room)))
    return int(generator().integers(low, high, endpoint=True))


def _cut(
    data: Any, part: tuple[int, int], size: tuple[int, int], spans: Sequence[Any], interp: int
) -> Any:
    """Cut a rectangle out, `part` in (width, height), and bring it to `size`."""
    h, w = int(data.shape[-3]), int(data.shape[-2])
    left, top = _start(w - part[0], spans[0]), _start(h - part[1], spans[1])
    out = crop(data, x=left, y=top, width=part[0], height=part[1])
    return out if part == size else resized(out, size, interp)


def _largest(name: str, data: Any, width: int, height: int) -> tuple[int, int]:
    """The wanted (width, height), as far as the image has them."""
    if min(width, height) < 1:
        raise AttributeValueError(
            f"image.{name}: size", expected="width and height >= 1", received=(width, height)
        )
    return min(width, int(data.shape[-2])), min(height, int(data.shape[-3]))


@mx_function("_image_random_crop _npx__image_random_crop")
def random_crop(
    data: Any,
    *,
    xrange: Floats = (0.0, 1.0),
    yrange: Floats = (0.0, 1.0),
    width: int,
    height: int,
    interp: int = 1,
) -> Any:
    """Cut a rectangle out of a random place; sides that the image lacks are resized."""
    _refuse_trace("random_crop")
    part = _largest("random_crop", data, width, height)
    return _cut(data, part, (width, height), (xrange, yrange), interp)


@mx_function("_image_random_resized_crop _npx__image_random_resized_crop")
def random_resized_crop(
    data: Any,
    *,
    xrange: Floats = (0.0, 1.0),
    yrange: Floats = (0.0, 1.0),
    width: int,
    height: int,
    area: Floats = (0.08, 1.0),
    ratio: Floats = (3 / 4, 4 / 3),
    interp: int = 1,
    max_trial: int = 10,
) -> Any:
    """Cut a rectangle of random area and shape out of a random place, and resize it.

    Where `max_trial` of them do not fit, it is `random_crop`.
    """
    _refuse_trace("random_resized_crop")
    part = _largest("random_resized_crop", data, width, height)
    h, w = int(data.shape[-3]), int(data.shape[-2])
    draw = generator()
    for _ in range(max_trial):
        pixels = draw.uniform(*area) * h * w
        shape = math.exp(draw.uniform(math.log(ratio[0]), math.log(ratio[1])))
        tried = round(math.sqrt(pixels * shape)), round(math.sqrt(pixels / shape))
        if 0 < tried[0] <= w and 0 < tried[1] <= h:
            part = tried
            break
    return _cut(data, part, (width, height), (xrange, yrange), interp)


# ---- mirrors -----------------------------------------------------------------------------------
@mx_function("_image_random_flip_left_right _npx__image_random_flip_left_right")
def random_flip_left_right(data: Any, *, p: float = 0.5) -> Any:
    """Mirror with probability `p`."""
    _refuse_trace("random_flip_left_right")
    return flip_left_right(data) if generator().random() < p else F.identity(data)


@mx_function("_image_random_flip_top_bottom _npx__image_random_flip_top_bottom")
def random_flip_top_bottom(data: Any, *, p: float = 0.5) -> Any:
    """Turn upside down with probability `p`."""
    _refuse_trace("random_flip_top_bottom")
    return flip_top_bottom(data) if generator().random() < p else F.identity(data)
