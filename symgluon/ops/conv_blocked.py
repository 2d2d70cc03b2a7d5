"""Convolutions on channels in blocks: ONNX Runtime's own layout, for weights that change.

For weights that are constants ONNX Runtime goes over to that layout by itself.  In training they are
not; then these forms name its operators (`lowering.NCHWC`), for graphs that stay in
memory.  Of (N, C, H, W) the blocked form is (N, C / B, H, W, B), of a weight
(O / B, I / B, kh, kw, B of I, B of O); their nominal shapes stay those of the plain ones.  When it
pays: ``docs/performance.md``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symgluon.errors import SymgluonError
from symgluon.ir.dims import current_scope
from symgluon.ops.checks import is_int
from symgluon.ops.lowering import NCHWC


def forward(op: Any, g: Any, x: str, weight: str, bias: str) -> Any:
    """Emit `convolution`; None where the plain form is as good, or the only one."""
    sizes = _sizes(op, g, weight)
    if sizes is None:
        return None
    filters, channels = sizes
    places = _places(g.shape(x)[0], op.out_sizes(g.shape(x)[2:]))
    if places < 2 * filters:
        return None
    blocked = g.op(
        "Conv",
        (g.blocked(x), _weight(op, g, weight, filters, channels), bias),
        domain=NCHWC,
        **_attrs(op, op.pad),
    )
    return g.unblocked(blocked, filters)


def input_grad(op: Any, g: Any, dy: str, weight: str) -> Any:
    """Emit `convolution_input_grad` as the convolution by the turned weight, likewise."""
    sizes = _sizes(op, g, weight)
    if sizes is None or any(s != 1 for s in op.stride):
        return None
    filters, channels = sizes
    pad = [d * (k - 1) - p for k, d, p in zip(op.kernel_shape, op.dilate, op.pad, strict=True)]
    places = _places(g.shape(dy)[0], op.x_shape[1:])
    if min(pad) < 0 or places * 2 < channels:
        return None
    turned = _turned(op, g, weight, filters, channels)
    blocked = g.op("Conv", (g.blocked(dy), turned), domain=NCHWC, **_attrs(op, pad))
    return g.unblocked(blocked, channels)


def _sizes(op: Any, g: Any, weight: str) -> tuple[int, int] | None:
    """Filters and channels, if the kernels take them and the reordering is made up for."""
    if not g.block or len(op.kernel_shape) != 2 or op.num_group != 1:
        return None
    if weight in g.tensors or g.dtype(weight) != np.float32:
        return None  # a constant: ONNX Runtime lays it out once
    if math.prod(op.kernel_shape) == 1:
        return None  # nothing is gathered for the plain form
    filters, channels = (_pinned(n) for n in g.shape(weight)[:2])
    if not filters or not channels or filters % g.block or channels % g.block:
        return None
    return filters, channels


def _pinned(n: Any) -> int | None:
    """A size as a number, by a guard if one can be kept."""
    if is_int(n):
        return int(n)
    try:
        return int(n)
    except SymgluonError:
        return None


def _places(batch: Any, sizes: Any) -> float:
    """Samples times places, by the sizes of this trace; many if they are not known."""
    scope = current_scope()
    count = 1.0
    for n in (batch, *sizes):
        known = int(n) if is_int(n) else None if scope is None else scope.hint(n)
        if known is None:
            return math.inf
        count *= known
    return count


def _attrs(op: Any, pad: Any) -> dict[str, Any]:
    return dict(op.onnx_attrs(), pads=[*pad, *pad])


def _weight(op: Any, g: Any, weight: str, filters: int, channels: int) -> str:
    """Weight in blocks; the block of channels is turned first, then ReorderInput does the filters."""
    block, taps = g.block, math.prod(op.kernel_shape)
    rows = g.Reshape(weight, g.ints([filters * channels // block, block, taps]))
    rows = g.Reshape(g.transpose(rows, (0, 2, 1)), g.ints([1, filters, channels, taps]))
    rows = g.op("ReorderInput", (rows,), domain=NCHWC)
    return str(g.Reshape(rows, g.ints([filters, channels, *op.kernel_shape])))


def _turned(op: Any, g: Any, weight: str, filters: int, channels: int) -> str:
    """Weight in blocks with filters and channels exchanged and the taps in reverse order."""
    block, taps = g.block, math.prod(op.kernel_shape)
    rows = g.op("ReorderInput", (weight,), domain=NCHWC)  # (O, I / B, taps, B of I)
    rows = g.Reshape(rows, g.ints([filters // block, block, channels // block, taps, block]))
    rows = g.transpose(rows, (2, 0, 3, 1, 4))
    rows = g.Gather(rows, g.ints(list(range(taps))[::-1]), axis=2)
    return str(g.Reshape(rows, g.ints([channels, filters, *op.kernel_shape])))
