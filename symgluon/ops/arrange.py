"""Repeating, reordering and padding elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Axes, Ints
from symgluon.ir.dims import same
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import (
    TensorType,
    format_shape,
    normalize_axes,
    normalize_axis,
)
from symgluon.ops.apply import F
from symgluon.ops.checks import equal_dims
from symgluon.ops.lowering import kernel_type


@op()
class Tile(Op):
    """Repeat the whole array `reps` times along each axis (aligned at the last)."""

    reps: Ints

    def infer(self, x: TensorType) -> TensorType:
        shape, reps = self.aligned(x.known_shape)
        return x.with_shape([n * r for n, r in zip(shape, reps, strict=True)])

    def aligned(self, shape: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return `shape` and the repetitions, both of the rank of the result."""
        rank = max(len(shape), len(self.reps))
        return (
            (1,) * (rank - len(shape)) + tuple(shape),
            (1,) * (rank - len(self.reps)) + self.reps,
        )

    def kernel(self, x: Any) -> Any:
        return np.tile(x, self.reps)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        shape, reps = self.aligned(x.shape)
        pairs = [d for pair in zip(reps, shape, strict=True) for d in pair]
        summed = F.sum(F.reshape(ct, shape=tuple(pairs)), axis=tuple(range(0, len(pairs), 2)))
        return F.reshape(summed, shape=x.shape)

    def onnx(self, g: Any, x: Any) -> Any:
        shape, reps = self.aligned(g.shape(x))
        if not shape:
            return g.Identity(x)
        if len(shape) != g.rank(x):  # no Reshape: it takes a size of 0 for another thing
            x = g.unsqueeze(x, range(len(shape) - g.rank(x)))
        return g.Tile(x, g.shape_vector(reps))

    samples = [S((2, 3), reps=(2, 1)), S((3,), reps=(2, 2)), S((2, 3), reps=2), S((2,), reps=0),
               S((4, 0), reps=(2, 1, 3))]  # fmt: skip


@op()
class Repeat(Op):
    """Repeat each element along `axis` (None: of the flattened array), one number or one each."""

    repeats: Ints
    axis: int | None = None

    def infer(self, x: TensorType) -> TensorType:
        if self.axis is None:
            return TensorType((self._size(x.size),), x.dtype)
        axis = normalize_axis(self.axis, x.rank)
        shape = list(x.known_shape)
        shape[axis] = self._size(shape[axis])
        return x.with_shape(shape)

    def _size(self, n: Any) -> Any:
        if len(self.repeats) == 1:
            return n * self.repeats[0]
        if not equal_dims(n, len(self.repeats)):
            raise ShapeError(f"repeat: {len(self.repeats)} numbers of repetitions for {n} places")
        return sum(self.repeats)

    def kernel(self, x: Any) -> Any:
        if len(self.repeats) == 1:
            return np.repeat(x, self.repeats[0], self.axis)
        self._size(x.size if self.axis is None else x.shape[self.axis])
        return np.repeat(x, self.repeats, self.axis)

    def decompose(self, x: Any) -> Any:
        """One number: a new axis, broadcast and merged; one each: places taken."""
        if self.axis is None:
            return F.repeat(F.reshape(x, shape=(-1,)), repeats=self.repeats, axis=0)
        axis = normalize_axis(self.axis, x.ndim)
        if len(self.repeats) != 1:
            places = np.repeat(np.arange(len(self.repeats)), self.repeats)
            return F.take(x, places, axis=axis)
        shape, r = x.shape, self.repeats[0]
        wide = (*shape[: axis + 1], r, *shape[axis + 1 :])
        merged = (*shape[:axis], shape[axis] * r, *shape[axis + 1 :])
        return F.reshape(F.broadcast_to(F.expand_dims(x, axis=axis + 1), shape=wide), shape=merged)

    samples = [
        S((2, 3), repeats=2),
        S((2, 3), repeats=3, axis=1),
        S((2, 3), repeats=(1, 0, 2), axis=-1),
        S((0, 3), repeats=2, axis=0),
    ]


# ---- order of elements -----------------------------------------------------------------------
@op()
class Flip(Op):
    """Reverse the order along `axis` (None: all axes)."""

    axis: Axes = None
    aliases = True

    def index(self, rank: int) -> tuple[slice, ...]:
        """The flip as an index."""
        axes = normalize_axes(self.axis, rank)
        return tuple([slice(None, None, -1 if i in axes else None) for i in range(rank)])

    def infer(self, x: TensorType) -> TensorType:
        normalize_axes(self.axis, x.rank)
        return x

    def kernel(self, x: Any) -> Any:
        return x[self.index(x.ndim)]

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        return F.flip(ct, axis=self.axis)

    def onnx(self, g: Any, x: Any) -> Any:
        axes = normalize_axes(self.axis, g.rank(x))
        if not axes:
            return g.Identity(x)
        low = -(2**31) + 1
        return g.slice(x, [-1] * len(axes), [low] * len(axes), list(axes), [-1] * len(axes))

    samples = [S((2, 3), axis=1), S((2, 3)), S((2, 3, 2), axis=(0, -1)), S((0, 3), axis=0), S(())]


@op(mx="_npi_roll _np_roll")
class Roll(Op):
    """Move elements by `shift` places along `axis` (None: of the flattened array), cyclically."""

    shift: Ints
    axis: Axes = None

    def decompose(self, x: Any) -> Any:
        if self.axis is None:
            flat = F.reshape(x, shape=(-1,))
            return F.reshape(F.roll(flat, shift=sum(self.shift), axis=0), shape=x.shape)
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        axes = normalize_axes(axes, x.ndim, unique=False)
        shifts = self.shift * len(axes) if len(self.shift) == 1 else self.shift
        if len(shifts) != len(axes):
            raise ShapeError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
        for shift, axis in zip(shifts, axes, strict=True):
            x = self._rolled(x, shift, axis)
        return x

    def _rolled(self, x: Any, shift: Any, axis: int) -> Any:
        n = x.shape[axis]
        if not isinstance(n, int) and not n > abs(shift):
            n = int(n)  # turned more than once around: the size has to be a number
        if isinstance(n, int):
            shift = shift % n if n else 0
        if shift == 0:
            return x
        lead = (slice(None),) * axis
        # the last `shift` go to the front; -shift counts from the end whatever the size
        tail = F.index(x, index=(*lead, slice(-shift, None)))
        head = F.index(x, index=(*lead, slice(None, -shift)))
        return F.concatenate(tail, head, axis=axis)

    samples = [
        S((2, 3), shift=1, axis=1),
        S((2, 3), shift=-2),
        S((3, 4), shift=(1, 2), axis=(0, -1)),
        S((0, 3), shift=1, axis=0),
    ]


@op(mx="_npi_rot90")
class Rot90(Op):
    """Turn by 90 degrees `k` times in the plane of `axes`."""

    k: int = 1
    axes: Ints | None = None

    def decompose(self, x: Any) -> Any:
        a, b = normalize_axes((0, 1) if self.axes is None else self.axes, x.ndim)
        k = self.k % 4
        order = list(range(x.ndim))
        order[a], order[b] = b, a
        if k == 0:
            return F.identity(x)
        if k == 2:
            return F.flip(x, axis=(a, b))
        if k == 1:
            return F.transpose(F.flip(x, axis=b), axes=tuple(order))
        return F.flip(F.transpose(x, axes=tuple(order)), axis=b)

    samples = [
        S((2, 3)),
        S((2, 3), k=2),
        S((2, 3), k=3),
        S((2, 3), k=0),
        S((2, 3, 4), axes=(-1, 0)),
    ]


# ---- padding ---------------------------------------------------------------------------------
_MODES = ("constant", "edge", "reflect", "symmetric", "maximum", "minimum")


@op()
class Pad(Op):
    """Add elements around `x`: `pad_width` is (before, after) of axis 0, of axis 1, and so on.

    `mode`: ``constant`` (`constant_value`), ``edge``, ``reflect`` (without the border),
    ``symmetric`` (with it), ``maximum`` or ``minimum`` (of the vectors along the axis).
    """

    pad_width: Ints
    mode: str = "constant"
    constant_value: float = 0.0

    def pairs(self, rank: int) -> list[tuple[Any, Any]]:
        """Return (before, after) of each axis, checked."""
        if self.mode not in _MODES:
            raise AttributeValueError(f"pad: mode {self.mode!r}", expected=", ".join(_MODES))
        if len(self.pad_width) != 2 * rank:
            raise ShapeError(
                "pad: pad_width has the wrong length",
                expected=f"2 numbers for each of {rank} axes",
                received=str(self.pad_width),
            )
        return list(zip(self.pad_width[::2], self.pad_width[1::2], strict=True))

    def infer(self, x: TensorType) -> TensorType:
        shape = x.known_shape
        pairs = self.pairs(len(shape))
        if self.mode == "symmetric":
            # ONNX has no such mode: the places are computed from the sizes
            shape = tuple(
                [int(n) if p != (0, 0) else n for n, p in zip(shape, pairs, strict=True)]
            )
        return x.with_shape([a + n + b for n, (a, b) in zip(shape, pairs, strict=True)])

    def kernel(self, x: Any) -> Any:
        pairs = self.pairs(x.ndim)
        if not pairs:
            return x.copy()
        if self.mode == "constant":
            return np.pad(x, pairs, constant_values=self._fill(x.dtype))
        return np.pad(x, pairs, mode=self.mode)  # type: ignore[call-overload]

    def _fill(self, dtype: Any) -> Any:
        return np.asarray(self.constant_value).astype(dtype)

    def _inner(self, x: Any) -> tuple[slice, ...]:
        pairs = self.pairs(x.ndim)
        return tuple([slice(a, a + n) for n, (a, _) in zip(x.shape, pairs, strict=True)])

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        if self.mode == "constant":
            return F.index(ct, index=self._inner(x))
        if self.mode in ("maximum", "minimum"):
            return super().grad(ct, y, x)
        for axis, (a, b) in enumerate(self.pairs(x.ndim)):
            if (a, b) != (0, 0):
                n = int(x.shape[axis])
                ct = F.take_grad(ct, self._places(n, a, b), size=n, axis=axis)
        return ct

    def _places(self, n: int, before: Any, after: Any) -> Any:
        """Return which element of an axis of size `n` stands at each place of the result."""
        return np.pad(np.arange(n), (int(before), int(after)), mode=self.mode)  # type: ignore[call-overload]

    def onnx(self, g: Any, x: Any) -> Any:
        pairs = self.pairs(g.rank(x))
        if not pairs:
            return g.Identity(x)
        if self.mode not in ("constant", "edge", "reflect"):
            return NotImplemented
        dtype = g.dtype(x)
        wide = kernel_type(g, "Pad", dtype)
        pads = [a for a, _ in pairs] + [b for _, b in pairs]
        fill = g.const(self._fill(wide)) if self.mode == "constant" else None
        if wide == dtype:
            return g.pad(x, pads, self.mode, fill)
        return g.cast(g.pad(g.cast(x, wide), pads, self.mode, fill), dtype)

    def decompose(self, x: Any) -> Any:
        """Axis by axis: a choice of places, or vectors of extremes joined to the ends."""
        if self.mode == "constant":
            y = F.full(self._fill(x.dtype), shape=self.infer(x.type).shape)
            return F.set_index(y, x, index=self._inner(x))
        for axis, (a, b) in enumerate(self.pairs(x.ndim)):
            if (a, b) == (0, 0):
                continue
            if self.mode in ("maximum", "minimum"):
                pick = F.max if self.mode == "maximum" else F.min
                end = pick(x, axis=axis, keepdims=True)
                before, after = [
                    F.repeat(end, repeats=n, axis=axis) if n else None for n in (a, b)
                ]
                x = F.concatenate(*[p for p in (before, x, after) if p is not None], axis=axis)
            else:
                x = F.take(x, self._places(int(x.shape[axis]), a, b), axis=axis)
        return x

    samples = [
        S((2, 3), pad_width=(1, 0, 0, 2), constant_value=0.5),
        S((2, 3), pad_width=(1, 1, 2, 0), mode="edge"),
        S((3, 4), pad_width=(1, 2, 0, 3), mode="reflect"),
        S((3, 4), pad_width=(1, 2, 0, 3), mode="symmetric"),
        S((3, 4), pad_width=(1, 0, 0, 2), mode="maximum"),
        S((3, 4), pad_width=(0, 1, 2, 0), mode="minimum"),
        S((0, 3), pad_width=(1, 1, 0, 0)),
    ]


# ---- blocks ----------------------------------------------------------------------------------
def _nchw(name: str, x: Any) -> Any:
    if x.ndim != 4:
        raise ShapeError(f"{name}: data is (N, C, H, W)", received=format_shape(x.shape))
    return x.shape


def _quotient(name: str, what: str, n: Any, by: int) -> Any:
    q = n // by
    if not (same(q * by, n) or q * by == n):
        raise ShapeError(f"{name}: {what} {n} is not divisible by {by}")
    return q


@op(mx="depth_to_space")
class DepthToSpace(Op):
    """Turn blocks of channels into blocks of pixels: (N, C b b, H, W) to (N, C, H b, W b)."""

    block_size: int

    def decompose(self, x: Any) -> Any:
        n, c, h, w = _nchw(self.name, x)
        b = self.block_size
        rest = _quotient(self.name, "the number of channels", c, b * b)
        split = F.reshape(x, shape=(n, b, b, rest, h, w))
        return F.reshape(
            F.transpose(split, axes=(0, 3, 4, 1, 5, 2)), shape=(n, rest, h * b, w * b)
        )

    def onnx(self, g: Any, x: Any) -> Any:
        if g.dtype(x).kind in "iub":
            return NotImplemented
        return g.DepthToSpace(x, blocksize=self.block_size, mode="DCR")

    samples = [
        S((1, 8, 2, 3), block_size=2),
        S((2, 9, 1, 1), block_size=3),
        S((2, 4, 0, 2), block_size=2),
    ]


@op(mx="space_to_depth")
class SpaceToDepth(Op):
    """Inverse of `depth_to_space`: (N, C, H b, W b) to (N, C b b, H, W)."""

    block_size: int

    def decompose(self, x: Any) -> Any:
        n, c, h, w = _nchw(self.name, x)
        b = self.block_size
        rows = _quotient(self.name, "the height", h, b)
        columns = _quotient(self.name, "the width", w, b)
        split = F.reshape(x, shape=(n, c, rows, b, columns, b))
        return F.reshape(
            F.transpose(split, axes=(0, 3, 5, 1, 2, 4)), shape=(n, c * b * b, rows, columns)
        )

    def onnx(self, g: Any, x: Any) -> Any:
        if g.dtype(x).kind in "iub":
            return NotImplemented
        return g.SpaceToDepth(x, blocksize=self.block_size)

    samples = [
        S((1, 2, 4, 6), block_size=2),
        S((2, 1, 3, 3), block_size=3),
        S((2, 1, 0, 2), block_size=2),
    ]
