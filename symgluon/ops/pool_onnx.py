"""ONNX forms of pooling and its gradients, exact at every size.

ONNX and MXNet agree on windows inside the padded data.  Rounding up adds windows that reach beyond
it: ONNX drops one that starts there and leaves the divisor of an average open, so where that can
happen the data is padded explicitly.  Sizes may be symbolic.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from symgluon.ops.checks import is_int
from symgluon.ops.kernels.pool import average_counts, pool_out_size


class _Plan(NamedTuple):
    """What the lowerings share: sizes before and after, and the padding at the end."""

    sizes: tuple[Any, ...]
    out: tuple[Any, ...]
    ends: tuple[Any, ...]
    #: ONNX's own padding and rounding mean the same
    plain: bool


def _plan(op: Any, sizes: Any) -> _Plan:
    out, ends, plain = [], [], True
    for n, k, s, p in zip(sizes, op.kernel_shape, op.stride, op.pad, strict=True):
        m = pool_out_size(n, k, s, p, op.ceil)
        out.append(m)
        ends.append((m - 1) * s + k - n - p if op.ceil else p)
        # the last window starts inside of the data whatever its size is, if s <= k - p
        plain = plain and p < k and (not op.ceil or s <= k - p)
    return _Plan(tuple(sizes), tuple(out), tuple(ends), plain)


def _shape(op: Any) -> dict[str, Any]:
    return {"kernel_shape": list(op.kernel_shape), "strides": list(op.stride)}


def _padded(op: Any, g: Any, x: Any, plan: _Plan, value: Any = None) -> Any:
    if all(is_int(e) and e == 0 for e in (*op.pad, *plan.ends)):
        return x
    return g.pad(x, [0, 0, *op.pad, 0, 0, *plan.ends], value=value)


# ---- forward -----------------------------------------------------------------------------------
def pooling_onnx(op: Any, g: Any, x: Any) -> Any:
    """Pool; see :class:`symgluon.ops.pool.Pooling`."""
    plan = _plan(op, g.shape(x)[2:])
    if op.mode == "max":
        return _max(op, g, x, plan, 1)
    if op.mode == "avg":
        return _average(op, g, x, plan)
    if op.mode == "lp" and op.p_value == 2:
        return g.LpPool(_padded(op, g, x, plan), p=2, **_shape(op))
    if op.mode == "lp" and op.p_value == 3:
        cubes = _sum(op, g, g.Mul(g.Mul(x, x), x), plan, g.dtype(x))
        third = g.const(np.asarray(1 / 3, g.dtype(x)))
        return g.Mul(g.Sign(cubes), g.Pow(g.Abs(cubes), third))
    return _sum(op, g, x, plan, g.dtype(x))


def _max(op: Any, g: Any, x: Any, plan: _Plan, outputs: int) -> Any:
    """Emit MaxPool; with two outputs the second holds positions in the flat (padded) data."""
    attrs: dict[str, Any] = {**_shape(op), "outputs": outputs}
    if plan.plain:
        attrs["pads"] = [*op.pad, *op.pad] if any(op.pad) else None
        return g.MaxPool(x, ceil_mode=1 if op.ceil else None, **attrs)
    return g.MaxPool(_padded(op, g, x, plan, _lowest(g.dtype(x))), **attrs)


def _lowest(dtype: Any) -> Any:
    return np.asarray((np.iinfo if dtype.kind in "iu" else np.finfo)(dtype).min, dtype)


def _sum(op: Any, g: Any, x: Any, plan: _Plan, dtype: Any) -> Any:
    mean = g.AveragePool(_padded(op, g, x, plan), **_shape(op))
    return g.Mul(mean, g.const(np.asarray(math.prod(op.kernel_shape), dtype)))


def _average(op: Any, g: Any, x: Any, plan: _Plan) -> Any:
    if plan.plain and not op.ceil:
        pads = [*op.pad, *op.pad] if any(op.pad) else None
        count = int(op.count_include_pad) if any(op.pad) else None
        return g.AveragePool(x, pads=pads, count_include_pad=count, **_shape(op))
    mean = g.AveragePool(_padded(op, g, x, plan), **_shape(op))
    factor = _factor(op, g, plan, g.dtype(x))
    return mean if factor is None else g.Mul(mean, factor)


def _factor(op: Any, g: Any, plan: _Plan, dtype: Any) -> Any:
    """Size of the window by what an average divides by, (1, 1, out...); None: 1 everywhere."""
    if not op.ceil and (op.count_include_pad or not any(op.pad)):
        return None
    area = math.prod(op.kernel_shape)
    if all(is_int(n) for n in plan.sizes):
        counts = average_counts(
            plan.sizes, op.kernel_shape, op.stride, op.pad, plan.out, op.count_include_pad
        )
        factor = (area / np.maximum(counts, 1)).astype(dtype)
        return g.const(np.broadcast_to(factor, plan.out)[None, None])
    # what counts is 1: the padded data, or the data
    if op.count_include_pad:
        sizes = tuple(n + 2 * p for n, p in zip(plan.sizes, op.pad, strict=True))
        begins: tuple[Any, ...] = (0,) * len(sizes)
        ends = tuple(e - p for e, p in zip(plan.ends, op.pad, strict=True))
    else:
        sizes, begins, ends = plan.sizes, op.pad, plan.ends
    one = g.const(np.ones((1,) * (len(sizes) + 2), dtype))
    ones = g.Expand(one, g.shape_vector((1, 1, *sizes)))
    share = g.AveragePool(g.pad(ones, [0, 0, *begins, 0, 0, *ends]), **_shape(op))
    return g.Reciprocal(g.Max(share, g.const(np.asarray(1 / area, dtype))))


# ---- gradients ---------------------------------------------------------------------------------
def max_grad_onnx(op: Any, g: Any, dy: Any, x: Any) -> Any:
    """Give the cotangent to the first maximum of each window, one axis at a time.

    The first maximum of a window lies in the first of its rows that has it, and is the first of
    that row.  This takes a third of the time of MaxPool with indices and a scatter, and no
    scatter that adds, which opset 16 brought.
    """
    shape = g.shape(x)
    plan = _plan(op, shape[2:])
    axes = list(zip(plan.sizes, plan.out, op.kernel_shape, op.stride, op.pad, strict=True))
    # exactly what the windows read
    need = [(m - 1) * s + k for _, m, k, s, _ in axes]
    ends = [r - p - n for r, (n, _, _, _, p) in zip(need, axes, strict=True)]
    current = _resized(g, x, list(op.pad), ends, _lowest(g.dtype(x)))
    sizes, chosen = list(need), []
    for i in reversed(range(len(axes))):
        _, m, k, s, _ = axes[i]
        parts = _parts(g, current, i + 2, k, s, sizes[i + 1 :])
        current, takes = parts[-1], []
        for part in reversed(parts[:-1]):
            takes.append(g.cast(g.GreaterOrEqual(part, current), g.dtype(dy)))
            current = g.Max(part, current)
        chosen.append((i, takes[::-1]))
        sizes[i] = m
    for i, takes in reversed(chosen):
        _, m, k, s, _ = axes[i]
        found = []
        for take in takes:
            found.append(g.Mul(dy, take))
            dy = g.Sub(dy, found[-1])
        dy = _joined(g, [*found, dy], i + 2, s, sizes[i + 1 :])
        beyond = (1 + (k - 1) // s) * s - k
        if beyond:
            dy = g.slice(dy, [0], [-beyond], [i + 2])
        sizes[i] = need[i]
    ends = [-e for e in ends]
    return _resized(g, dy, [-p for p in op.pad], ends, None)


def _resized(g: Any, x: Any, begins: list[int], ends: list[Any], value: Any) -> Any:
    """Pad the spatial axes, or crop them where a number is negative."""
    if all(is_int(n) and n == 0 for n in (*begins, *ends)):
        return x
    return g.pad(x, [0, 0, *begins, 0, 0, *ends], value=value)


def _parts(g: Any, x: Any, axis: int, k: int, s: int, after: list[Any]) -> list[Any]:
    """What each element of a window reads along `axis`; `after` are the sizes after it."""
    if k == 1 and s == 1:
        return [x]
    if k == s:
        split = g.Reshape(x, g.shape_vector([0] * axis + [-1, k, *after]))
        return [g.squeeze(part, [axis + 1]) for part in g.split(split, [1] * k, axis + 1)]
    found = []
    for i in range(k):
        rest = k - 1 - i
        found.append(g.slice(x, [i], [-rest if rest else 2**63 - 1], [axis], [s]))
    return found


def _joined(g: Any, parts: list[Any], axis: int, s: int, after: list[Any]) -> Any:
    """Transpose of `_parts`: what several windows read is added up."""
    reach = (len(parts) - 1) // s
    cells = []
    for phase in range(s):
        total: Any = None
        for i in range(phase, len(parts), s):
            part = parts[i]
            if reach:  # windows of later cells begin later
                pads = [0] * (2 * (axis + len(after) + 1))
                pads[axis] = i // s
                pads[axis + len(pads) // 2] = reach - i // s
                part = g.pad(part, pads)
            total = part if total is None else g.Add(total, part)
        cells.append(total)
    zero = None if None not in cells else g.Sub(cells[0], cells[0])
    cells = [zero if c is None else c for c in cells]
    if s == 1:
        return cells[0]
    joined = g.Concat(*[g.unsqueeze(c, [axis + 1]) for c in cells], axis=axis + 1)
    return g.Reshape(joined, g.shape_vector([0] * axis + [-1, *after]))


def max_take_onnx(op: Any, g: Any, value: Any, x: Any) -> Any:
    """Take what lies where the maxima of `x` are."""
    plan = _plan(op, g.shape(x)[2:])
    _, index = _max(op, g, x, plan, 2)
    source = value if plan.plain else _padded(op, g, value, plan)
    return g.Gather(g.Reshape(source, g.ints([-1])), index, axis=0)


def spread_onnx(op: Any, g: Any, dy: Any, x: Any) -> Any:
    """Transpose of sum and average pooling: a transposed convolution of each channel with ones."""
    dtype, shape = g.dtype(x), g.shape(x)
    plan = _plan(op, shape[2:])
    rank, weight = len(plan.sizes), 1.0
    if op.mode == "avg":
        factor = _factor(op, g, plan, dtype)
        dy = dy if factor is None else g.Mul(dy, factor)
        weight = 1 / math.prod(op.kernel_shape)
    ends, extra, cut = [], [], []
    for axis, (n, m, k, s, p) in enumerate(
        zip(plan.sizes, plan.out, op.kernel_shape, op.stride, op.pad, strict=True), 2
    ):
        beyond = (m - 1) * s + k - p - n
        if not is_int(beyond):
            cut.append((axis, n))
            beyond = 1 - s  # the least that it can be
        ends.append(max(beyond, 0))
        extra.append(max(-beyond, 0))
    single = g.Reshape(dy, g.ints([-1, 1, *[0] * rank]))
    ones = g.const(np.full((1, 1, *op.kernel_shape), weight, dtype))
    y = g.ConvTranspose(
        single, ones, pads=[*op.pad, *ends], output_padding=extra if any(extra) else None,
        **_shape(op),
    )  # fmt: skip
    if cut:
        y = g.slice(y, [0] * len(cut), [n for _, n in cut], [axis for axis, _ in cut])
    if is_int(shape[1]):
        return g.Reshape(y, g.ints([-1, shape[1], *[0] * rank]))
    return g.reshape(y, shape)
