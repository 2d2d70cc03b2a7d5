"""Padding and pixel-shuffling layers (seed: ``gluon.nn``)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call, tuple_of
from symgluon.ops import legacy_shape
from symgluon.ops.apply import F

__all__ = ["PixelShuffle1D", "PixelShuffle2D", "PixelShuffle3D", "ReflectionPad2D"]


class ReflectionPad2D(HybridBlock):
    """Pad the last two axes with what lies on the other side of the edge, the edge itself left out.

    Parameters
    ----------
    padding : int or tuple of 8 int
        Width on all four sides, or the pairs (before, after) of all four axes, the first four
        being 0.

    Inputs
    ------
    x : array (N, C, H, W), float

    Outputs
    -------
    array (N, C, H + 2 * padding, W + 2 * padding), dtype of `x`

    Raises
    ------
    AssertionError
        For another number of widths.

    Notes
    -----
    Source: MXNet's ``gluon.nn.ReflectionPad2D``; ONNX Pad.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.ReflectionPad2D(1)(mx.np.arange(4.0).reshape(1, 1, 2, 2))
    array([[[[3., 2., 3., 2.],
             [1., 0., 1., 0.],
             [3., 2., 3., 2.],
             [1., 0., 1., 0.]]]])
    """

    def __init__(self, padding: Any = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
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

    def __init__(self, factor: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._factors = tuple_of(factor, self._rank, "factor")

    def forward(self, x: Any) -> Any:
        """Move factors of the channels of `x` into its spatial axes."""
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
    """Move parts of the channels into the spatial axis, which grow.

    Parameters
    ----------
    factor : int or tuple of one int
        By how much the axis grows: f.

    Inputs
    ------
    x : array (N, f * C, W), any dtype

    Outputs
    -------
    array (N, C, W * f), dtype of `x`

    Raises
    ------
    AssertionError
        If `factor` has another length.
    ShapeError
        In a call, if f does not divide the number of channels.

    Notes
    -----
    Source: MXNet's ``gluon.nn.PixelShuffle1D``; arXiv:1609.05158; ONNX Reshape, Transpose.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.PixelShuffle1D(2)(mx.np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([[[1., 3., 2., 4.]]])
    """


class PixelShuffle2D(_PixelShuffle):
    """Move parts of the channels into the 2 spatial axes, which grow.

    Parameters
    ----------
    factor : int or tuple of int
        By how much each axis grows: f1, f2.

    Inputs
    ------
    x : array (N, f1 * f2 * C, H, W), any dtype

    Outputs
    -------
    array (N, C, H * f1, W * f2), dtype of `x`

    Raises
    ------
    AssertionError
        If `factor` has another length.
    ShapeError
        In a call, if f1 * f2 does not divide the number of channels.

    Notes
    -----
    Source: MXNet's ``gluon.nn.PixelShuffle2D``; arXiv:1609.05158; ONNX Reshape, Transpose.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.PixelShuffle2D((2, 3))(mx.np.ones((1, 6 * 5, 2, 2))).shape
    (1, 5, 4, 6)
    """

    _rank = 2


class PixelShuffle3D(_PixelShuffle):
    """Move parts of the channels into the 3 spatial axes, which grow.

    Parameters
    ----------
    factor : int or tuple of int
        By how much each axis grows: f1, f2, f3.

    Inputs
    ------
    x : array (N, f1 * f2 * f3 * C, D, H, W), any dtype

    Outputs
    -------
    array (N, C, D * f1, H * f2, W * f3), dtype of `x`

    Raises
    ------
    AssertionError
        If `factor` has another length.
    ShapeError
        In a call, if f1 * f2 * f3 does not divide the number of channels.

    Notes
    -----
    Source: MXNet's ``gluon.nn.PixelShuffle3D``; arXiv:1609.05158; ONNX Reshape, Transpose.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.PixelShuffle3D((2, 3, 4))(mx.np.ones((1, 24 * 5, 2, 2, 2))).shape
    (1, 5, 4, 6, 8)
    """

    _rank = 3
