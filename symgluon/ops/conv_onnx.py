"""ONNX forms of the gradients of a convolution (measured choices: ``docs/performance.md``).

Sizes may be symbolic: what a stride rounded away is then restored at run time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.ops.checks import is_int
from symgluon.ops.kernels.conv import conv_out_size

_STEM = 12  # input channels below which one product over columns beats a product a tap
_END = 2**63 - 1


# ---- with respect to the data ------------------------------------------------------------------
def input_grad_onnx(op: Any, g: Any, dy: Any, weight: Any) -> Any:
    """Emit a transposed convolution; ``output_padding`` restores what the stride rounded away."""
    attrs = op.onnx_attrs()
    sizes = op.x_shape[1:]
    axes = zip(sizes, op.kernel_shape, op.stride, op.pad, op.dilate, strict=True)
    extra: list[int] = []
    for n, k, s, p, d in axes:
        spare = n - ((conv_out_size(n, k, s, p, d) - 1) * s - 2 * p + d * (k - 1) + 1)
        extra.append(int(spare) if is_int(spare) else s - 1)
    if any(extra):
        attrs["output_padding"] = extra
    y = g.ConvTranspose(dy, weight, **attrs)
    # with symbolic sizes the most that can be missing was added: cut it off again
    cut = [i for i, n in enumerate(sizes) if not is_int(n) and extra[i]]
    if not cut:
        return y
    return g.slice(y, [0] * len(cut), [sizes[i] for i in cut], [i + 2 for i in cut])


# ---- with respect to the weight ----------------------------------------------------------------
def weight_grad_onnx(op: Any, g: Any, x: Any, dy: Any) -> Any:
    """Correlate the data with the cotangent."""
    filters, channels = op.w_shape[:2]
    if not all(is_int(n) for n in op.w_shape):
        return NotImplemented
    groups = op.num_group
    one = all(v == 1 for v in (*op.kernel_shape, *op.stride)) and not any(op.pad)
    if one and groups == 1:
        product = _batched_product(g, _flat(g, dy), _flat(g, x), 3, _fused(g, x))
        return g.Reshape(g.reduce("ReduceSum", product, (0,), False), g.ints(op.w_shape))
    if channels == 1 and groups > 1:
        return _depthwise(op, g, x, dy, filters // groups)
    if groups > 1 or channels < _STEM:
        return _columns(op, g, x, dy)
    return _taps(op, g, x, dy)


def _flat(g: Any, x: Any) -> Any:
    """(N, C, spatial...) as (N, C, P)."""
    return g.Reshape(x, g.ints([0, 0, -1]))


def _padded(op: Any, g: Any, x: Any, lead: int) -> Any:
    """Pad the spatial axes, which start at `lead`."""
    if not any(op.pad):
        return x
    before = [0] * lead + list(op.pad) + [0] * (2 - lead)
    return g.pad(x, [*before, *before])


def _slices(op: Any, g: Any, x: Any, out: Sequence[Any], lead: int) -> list[Any]:
    """Under each tap of the kernel: the padded data `x` that it reads."""
    axes = [lead + i for i in range(len(op.kernel_shape))]
    found = []
    for tap in itertools.product(*[range(k) for k in op.kernel_shape]):
        starts = [i * d for i, d in zip(tap, op.dilate, strict=True)]
        ends: list[Any] = []
        for begin, i, m, k, s, d in zip(
            starts, tap, out, op.kernel_shape, op.stride, op.dilate, strict=True
        ):
            if is_int(m):
                ends.append(begin + (m - 1) * s + 1)
            elif s == 1:  # counted from the end, so that no size has to be computed
                rest = d * (k - 1 - i)
                ends.append(-rest if rest else _END)
            else:
                ends.append(begin + (m - 1) * s + 1)
        found.append(g.slice(x, starts, ends, axes, list(op.stride)))
    return found


def _depthwise(op: Any, g: Any, x: Any, dy: Any, multiplier: int) -> Any:
    """Emit a product and a sum a tap; each channel feeds `multiplier` filters."""
    shape = g.shape(dy)
    taps = _slices(op, g, _padded(op, g, x, 2), shape[2:], 2)
    if multiplier == 1:
        axes: tuple[int, ...] = (0, *range(2, len(shape)))
    else:  # (N, C, 1, P) against (N, C, multiplier, P)
        taps = [g.unsqueeze(_flat(g, tap), [2]) for tap in taps]
        dy = g.Reshape(dy, g.ints([0, op.num_group, multiplier, -1]))
        axes = (0, 3)
    parts = [g.reduce("ReduceSum", g.Mul(tap, dy), axes, False) for tap in taps]
    parts = [g.Reshape(part, g.ints([-1, 1])) for part in parts]
    joined = parts[0] if len(parts) == 1 else g.Concat(*parts, axis=1)
    return g.Reshape(joined, g.ints(op.w_shape))


def _columns(op: Any, g: Any, x: Any, dy: Any) -> Any:
    """Emit one product over columns, for few channels and for groups."""
    filters, channels = op.w_shape[:2]
    groups, count = op.num_group, math.prod(op.kernel_shape)
    taps = _slices(op, g, _padded(op, g, x, 2), g.shape(dy)[2:], 2)
    lead = [groups] if groups > 1 else []
    if groups > 1:  # (N, G, C, P)
        taps = [g.Reshape(tap, g.ints([0, groups, channels, -1])) for tap in taps]
        rows = g.Reshape(dy, g.ints([0, groups, filters // groups, -1]))
        columns = taps[0] if count == 1 else g.Concat(*taps, axis=2)
    else:
        columns = taps[0] if count == 1 else g.Concat(*taps, axis=1)
        columns, rows = _flat(g, columns), _flat(g, dy)
    product = _batched_product(g, rows, columns, 3 + len(lead), _fused(g, x))
    total = g.reduce("ReduceSum", product, (0,), False)  # (G, O, taps * C)
    rank = len(lead)
    split = g.Reshape(total, g.ints([*lead, filters // groups, count, channels]))
    turned = g.transpose(split, (*range(rank + 1), rank + 2, rank + 1))
    return g.Reshape(turned, g.ints(op.w_shape))


def _taps(op: Any, g: Any, x: Any, dy: Any) -> Any:
    """Emit one product a tap over all samples and places, on channels-last data."""
    filters, channels = op.w_shape[:2]
    rank, count = len(op.kernel_shape), math.prod(op.kernel_shape)
    last = g.channels_last(x)
    rows = g.transpose(dy, (1, 0, *range(2, rank + 2)))
    rows = g.Reshape(rows, g.ints([filters, -1]))
    taps = _slices(op, g, _padded(op, g, last, 1), g.shape(dy)[2:], 1)
    parts = [g.Gemm(rows, g.Reshape(tap, g.ints([-1, channels]))) for tap in taps]
    if count == 1:
        return g.Reshape(parts[0], g.ints(op.w_shape))
    split = g.Reshape(g.Concat(*parts, axis=1), g.ints([filters, count, channels]))
    return g.Reshape(g.transpose(split, (0, 2, 1)), g.ints(op.w_shape))


def _fused(g: Any, x: Any) -> bool:
    return bool(g.microsoft and g.dtype(x) == np.float32)


def _batched_product(g: Any, a: Any, b: Any, rank: int, fused: bool) -> Any:
    """``a @ b.T`` over the last two of `rank` axes."""
    if fused:
        return g.op("FusedMatMul", (a, b), domain="com.microsoft", transB=1)
    return g.MatMul(a, g.transpose(b, (*range(rank - 2), rank - 1, rank - 2)))
