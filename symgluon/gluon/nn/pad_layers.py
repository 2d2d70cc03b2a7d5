"""Padding and pixel-shuffling layers (seed: ``gluon.nn``)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call, tuple_of
from symgluon.ops import legacy_shape
from symgluon.ops.apply import F

__all__ = ["PixelShuffle1D", "PixelShuffle2D", "PixelShuffle3D", "ReflectionPad2D"]


class ReflectionPad2D(HybridBlock):
    """Pad (N, C, H, W) by reflection; `padding` is one number or the eight of ``npx.pad``."""

    def __init__(self, padding: Any = 0) -> None:
        super().__init__()
        if isinstance(padding, int):
            padding = (0, 0, 0, 0, padding, padding, padding, padding)
        if len(padding) != 8:
            raise AssertionError(f"padding is a number or 8 numbers, received {padding!r}")
        self._padding = tuple(padding)

    def forward(self, x: Any) -> Any:
        """Pad."""
        return call(legacy_shape.pad, x, pad_width=self._padding, mode="reflect")


class _PixelShuffle(HybridBlock):
    """Move factors of the channels into the spatial axes (arXiv:1609.05158)."""

    _rank = 1

    def __init__(self, factor: Any) -> None:
        super().__init__()
        self._factors = tuple_of(factor, self._rank, "factor")

    def forward(self, x: Any) -> Any:
        """(N, f1 f2 ... C, H, W, ...) to (N, C, H f1, W f2, ...)."""
        return call(self._shuffle, x)

    def _shuffle(self, x: Any) -> Any:
        n, c, *sizes = x.shape
        rank, product = self._rank, 1
        for f in self._factors:
            product *= f
        split = F.reshape(x, shape=(n, c // product, *self._factors, *sizes))
        order = [0, 1]
        for i in range(rank):
            order += [2 + rank + i, 2 + i]
        mixed = F.transpose(split, axes=tuple(order))
        shape = [m * f for m, f in zip(sizes, self._factors, strict=True)]
        return F.reshape(mixed, shape=(n, c // product, *shape))

    def __repr__(self) -> str:
        shown = self._factors[0] if self._rank == 1 else self._factors
        return f"{type(self).__name__}({shown})"


class PixelShuffle1D(_PixelShuffle):
    """(N, f C, W) to (N, C, W f)."""


class PixelShuffle2D(_PixelShuffle):
    """(N, f1 f2 C, H, W) to (N, C, H f1, W f2)."""

    _rank = 2


class PixelShuffle3D(_PixelShuffle):
    """(N, f1 f2 f3 C, D, H, W) to (N, C, D f1, H f2, W f3)."""

    _rank = 3
