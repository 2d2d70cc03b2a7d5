"""Helpers that the spatial kernels share: padding, strided windows and their adjoint."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

Array: TypeAlias = np.ndarray[Any, Any]
Pad: TypeAlias = int | tuple[int, int]
Pads: TypeAlias = Sequence[Pad]

CHUNK_ELEMENTS = 1 << 22
"""Upper bound of the scratch columns that a kernel keeps at a time, in elements."""


def tail(slices: Iterable[Any]) -> Any:
    """Index of the trailing axes: all of the leading ones, then `slices`."""
    return (..., *slices)


def pad_pairs(pad: Pads) -> tuple[tuple[int, int], ...]:
    """One ``(begin, end)`` pair an axis; an int stands for both sides."""
    return tuple((p, p) if isinstance(p, int) else (p[0], p[1]) for p in pad)


def compute_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that arithmetic on `dtype` is done in: float32 for 16-bit floats."""
    small = dtype.itemsize == 2 and dtype.kind not in "iu"
    return np.dtype(np.float32) if small else dtype


def widen(x: Array) -> Array:
    """`x` in its compute type; the same array where that is its own type."""
    return x.astype(compute_dtype(x.dtype), copy=False)


def pad_spatial(x: Array, pads: Sequence[tuple[int, int]], value: Any = 0) -> Array:
    """Pad the trailing ``len(pads)`` axes of `x`; a negative width crops."""
    if all(b == 0 and e == 0 for b, e in pads):
        return x
    lead = x.ndim - len(pads)
    n = x.shape[lead:]
    if any(b < 0 or e < 0 for b, e in pads):
        keep = [slice(max(-b, 0), s - max(-e, 0)) for (b, e), s in zip(pads, n, strict=True)]
        x = x[tail(keep)]
        return pad_spatial(x, [(max(b, 0), max(e, 0)) for b, e in pads], value)
    shape = x.shape[:lead] + tuple(b + s + e for (b, e), s in zip(pads, n, strict=True))
    out = np.full(shape, value, x.dtype)
    out[tail(slice(b, b + s) for (b, _), s in zip(pads, n, strict=True))] = x
    return out


def windows(
    x: Array, kernel: Sequence[int], stride: Sequence[int], dilate: Sequence[int]
) -> Array:
    """Read-only view ``(lead..., kernel..., out...)`` of the windows of the trailing axes of `x`.

    Kernel axes come before output axes, so that a reshape gives the columns of a product.
    """
    rank = len(kernel)
    lead = x.ndim - rank
    size = [
        max((n - d * (k - 1) - 1) // s + 1, 0)
        for n, k, s, d in zip(x.shape[lead:], kernel, stride, dilate, strict=True)
    ]
    steps = x.strides[lead:]
    shape = (*x.shape[:lead], *kernel, *size)
    strides = (
        *x.strides[:lead],
        *(st * d for st, d in zip(steps, dilate, strict=True)),
        *(st * s for st, s in zip(steps, stride, strict=True)),
    )
    return as_strided(x, shape, strides, writeable=False)


def taps(kernel: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All positions inside a kernel, last axis fastest."""
    return itertools.product(*(range(k) for k in kernel))


def tap_slices(
    tap: Sequence[int], size: Sequence[int], stride: Sequence[int], dilate: Sequence[int]
) -> tuple[slice, ...]:
    """Return which elements of a padded input position `tap` of the kernel reads."""
    return tuple(
        slice(t * d, t * d + s * (n - 1) + 1, s) if n > 0 else slice(0, 0)
        for t, n, s, d in zip(tap, size, stride, dilate, strict=True)
    )


def fold_taps(
    cols: Array,
    kernel: Sequence[int],
    size: Sequence[int],
    stride: Sequence[int],
    pads: Sequence[tuple[int, int]],
    dilate: Sequence[int],
) -> Array:
    """Adjoint of `windows` after `pad_spatial`: add ``(lead..., kernel..., in...)`` into `size`.

    Source: the transpose of the gather that `windows` does; overlaps are summed.
    """
    rank = len(kernel)
    lead = cols.shape[: cols.ndim - 2 * rank]
    steps = cols.shape[cols.ndim - rank :]
    reach = [
        s * (n - 1) + d * (k - 1) + 1 if n > 0 else 0
        for n, k, s, d in zip(steps, kernel, stride, dilate, strict=True)
    ]
    full = [max(n + b + e, r) for n, (b, e), r in zip(size, pads, reach, strict=True)]
    out = np.zeros((*lead, *full), cols.dtype)
    spread: Any = (slice(None),) * len(lead)
    for tap in taps(kernel):
        out[tail(tap_slices(tap, steps, stride, dilate))] += cols[(*spread, *tap)]
    return crop(out, size, pads)


def crop(full: Array, size: Sequence[int], pads: Sequence[tuple[int, int]]) -> Array:
    """Cut the inner `size` out of the trailing axes of a padded array; a negative pad adds 0."""
    if any(b < 0 for b, _ in pads):
        full = pad_spatial(full, [(max(-b, 0), 0) for b, _ in pads])
    begin = [max(b, 0) for b, _ in pads]
    have = full.shape[full.ndim - len(pads) :]
    missing = [max(b + n - f, 0) for b, n, f in zip(begin, size, have, strict=True)]
    full = pad_spatial(full, [(0, m) for m in missing])
    inner: Array = full[tail(slice(b, b + n) for b, n in zip(begin, size, strict=True))]
    return inner


def separable(x: Array, matrices: Sequence[Array]) -> Array:
    """Apply one ``(out, in)`` matrix to each of the trailing axes of `x`."""
    lead = x.ndim - len(matrices)
    for axis, matrix in enumerate(matrices, lead):
        if axis == x.ndim - 1:
            x = x @ matrix.T
        else:
            x = np.moveaxis(np.moveaxis(x, axis, -1) @ matrix.T, -1, axis)
    return x
