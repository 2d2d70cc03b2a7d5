"""ONNX forms of the gradients of a convolution (measured choices: ``docs/performance.md``)."""

from __future__ import annotations

import itertools
from typing import Any

from symgluon.ops.checks import is_int

_STEM = 12  # input channels below which one product over columns beats a product a tap


def input_grad_onnx(op: Any, g: Any, dy: Any, weight: Any) -> Any:
    """Transposed convolution; ``output_padding`` restores what the stride rounded away."""
    sizes = op.x_shape[1:]
    out = g.shape(dy)[2:]
    extra = []
    axes = zip(sizes, out, op.kernel_shape, op.stride, op.pad, op.dilate, strict=True)
    for n, m, k, s, p, d in axes:
        spare = n - ((m - 1) * s - 2 * p + d * (k - 1) + 1)
        if not is_int(spare):
            if s != 1:
                return NotImplemented  # how much is rounded away depends on the size
            spare = 0
        extra.append(int(spare))
    attrs = op.onnx_attrs()
    if any(extra):
        attrs["output_padding"] = extra
    return g.ConvTranspose(dy, weight, **attrs)


def weight_grad_onnx(op: Any, g: Any, x: Any, dy: Any) -> Any:
    """Correlation of the data with the cotangent."""
    groups, channels = op.num_group, g.shape(x)[1]
    filters = op.w_shape[0]
    if not all(is_int(n) for n in (channels, filters)):
        return NotImplemented
    if groups == channels and groups > 1 and filters == groups:
        return _depthwise(op, g, x, dy)
    if groups > 1:
        return _grouped(op, g, x, dy)
    return _plain(op, g, x, dy, channels, op.w_shape)


def _padded(op: Any, g: Any, x: Any) -> Any:
    if not any(op.pad):
        return x
    return g.pad(x, [0, 0, *op.pad, 0, 0, *op.pad])


def _taps(op: Any, g: Any, x: Any, out: Any) -> list[Any]:
    """The data under each tap of the kernel: (N, C, out...)."""
    rank = len(op.kernel_shape)
    axes = list(range(2, 2 + rank))
    found = []
    for tap in itertools.product(*[range(k) for k in op.kernel_shape]):
        starts = [i * d for i, d in zip(tap, op.dilate, strict=True)]
        ends = [
            b + (m - 1) * s + 1 for b, m, s in zip(starts, out, op.stride, strict=True)
        ]
        found.append(g.slice(x, starts, ends, axes, list(op.stride)))
    return found


def _depthwise(op: Any, g: Any, x: Any, dy: Any) -> Any:
    """A product and a sum a tap."""
    out = g.shape(dy)[2:]
    rank = len(op.kernel_shape)
    axes = (0, *range(2, 2 + rank))
    padded = _padded(op, g, x)
    parts = [
        g.unsqueeze(g.reduce("ReduceSum", g.Mul(tap, dy), axes, False), [1])
        for tap in _taps(op, g, padded, out)
    ]
    joined = parts[0] if len(parts) == 1 else g.Concat(*parts, axis=1)
    return g.Reshape(joined, g.ints(op.w_shape))


def _grouped(op: Any, g: Any, x: Any, dy: Any) -> Any:
    """Each group by itself."""
    groups = op.num_group
    channels, filters = g.shape(x)[1] // groups, op.w_shape[0] // groups
    xs = g.split(x, [channels] * groups, 1)
    dys = g.split(dy, [filters] * groups, 1)
    shape = (filters, *op.w_shape[1:])
    parts = []
    for part, d in zip(xs, dys, strict=True):
        g.types[part] = g.type(x).with_shape((g.shape(x)[0], channels, *g.shape(x)[2:]))
        g.types[d] = g.type(dy).with_shape((g.shape(dy)[0], filters, *g.shape(dy)[2:]))
        parts.append(_plain(op, g, part, d, channels, shape))
    return g.Concat(*parts, axis=0)


def _plain(op: Any, g: Any, x: Any, dy: Any, channels: int, w_shape: Any) -> Any:
    shape = g.ints(w_shape)
    n, filters, *out = g.shape(dy)
    flat = g.Reshape(dy, g.ints([0, 0, -1]))  # (N, O, P)
    pointwise = all(k == 1 for k in op.kernel_shape)
    if pointwise and all(s == 1 for s in op.stride) and not any(op.pad):
        data = g.Reshape(x, g.ints([0, 0, -1]))
        product = _batched_product(g, flat, data)
        return g.Reshape(g.reduce("ReduceSum", product, (0,), False), shape)
    padded = _padded(op, g, x)
    taps = _taps(op, g, padded, out)
    if channels < _STEM:
        columns = taps[0] if len(taps) == 1 else g.Concat(*taps, axis=1)
        columns = g.Reshape(columns, g.ints([0, channels * len(taps), -1]))
        product = _batched_product(g, flat, columns)
        total = g.reduce("ReduceSum", product, (0,), False)  # (O, taps * C)
        split = g.Reshape(total, g.ints([filters, len(taps), channels]))
        return g.Reshape(g.transpose(split, (0, 2, 1)), shape)
    rank = len(op.kernel_shape)
    last = [0, *range(2, 2 + rank), 1]
    rows = g.Reshape(g.transpose(dy, (1, 0, *range(2, 2 + rank))), g.ints([filters, -1]))
    parts = []
    for tap in taps:
        data = g.Reshape(g.transpose(tap, last), g.ints([-1, channels]))
        parts.append(g.unsqueeze(g.Gemm(rows, data), [2]))
    joined = parts[0] if len(parts) == 1 else g.Concat(*parts, axis=2)
    return g.Reshape(joined, shape)


def _batched_product(g: Any, a: Any, b: Any) -> Any:
    """``a @ b.T`` over the last two axes of (N, ., P) operands."""
    if g.microsoft:
        return g.op("FusedMatMul", (a, b), domain="com.microsoft", transB=1)
    return g.MatMul(a, g.transpose(b, (0, 2, 1)))

