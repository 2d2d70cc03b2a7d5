"""Kernels of single operators: normalisation, rearrangement, attention, indexing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops.kernels._common import (
    Array,
    Pads,
    compute_dtype,
    fold_taps,
    pad_pairs,
    pad_spatial,
    widen,
    windows,
)
from symgluon.ops.kernels.conv import conv_out_size

Ints = Sequence[int]


def lrn(
    x: Array, nsize: int, alpha: float = 1e-4, beta: float = 0.75, knorm: float = 2.0
) -> Array:
    """Divide `x` (N, C, ...) by a power of the energy of the `nsize` nearest channels.

    Source: Krizhevsky et al. 2012, section 3.3: ``x (k + alpha / n sum x^2) ** -beta``.
    """
    wide = widen(x)
    scale = _lrn_scale(wide, nsize, alpha, knorm)
    return np.asarray(wide * scale**-beta, x.dtype)


def lrn_grad(
    dy: Array, x: Array, nsize: int, alpha: float = 1e-4, beta: float = 0.75, knorm: float = 2.0
) -> Array:
    """Return the gradient of `lrn` with respect to `x`."""
    wide, ct = widen(x), widen(dy)
    scale = _lrn_scale(wide, nsize, alpha, knorm)
    # The window is symmetric, so the transpose of the sum over channels is the same sum.
    spread = _channel_sum(ct * wide * scale ** (-beta - 1), nsize)
    return np.asarray(ct * scale**-beta - 2 * alpha * beta / nsize * wide * spread, x.dtype)


def l2_normalize(
    x: Array, eps: float = 1e-10, mode: Literal["instance", "channel", "spatial"] = "instance"
) -> Array:
    """Divide `x` (N, C, ...) by ``sqrt(sum x^2 + eps)``.

    The sum is over all but axis 0 ("instance"), over axis 1 ("channel") or over the axes from 2
    ("spatial"). Source: MXNet's ``L2Normalization``.
    """
    wide = widen(x)
    return np.asarray(wide / _norm(wide, eps, mode), x.dtype)


def l2_normalize_grad(
    dy: Array,
    x: Array,
    eps: float = 1e-10,
    mode: Literal["instance", "channel", "spatial"] = "instance",
) -> Array:
    """Return the gradient of `l2_normalize` with respect to `x`."""
    wide, ct = widen(x), widen(dy)
    norm = _norm(wide, eps, mode)
    y = wide / norm
    inner = (ct * y).sum(axis=_norm_axes(x, mode), keepdims=True)
    return np.asarray((ct - y * inner) / norm, x.dtype)


def depth_to_space(x: Array, block: int) -> Array:
    """Move channels of `x` (N, C, H, W) into blocks: (N, C / b^2, H b, W b), block axes first."""
    n, c, h, w = x.shape
    if block < 1 or c % (block * block):
        raise ShapeError(f"depth_to_space: {c} channels are not divisible by {block} squared")
    split = x.reshape(n, block, block, c // block**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    return split.reshape(n, c // block**2, h * block, w * block)


def space_to_depth(x: Array, block: int) -> Array:
    """Inverse of `depth_to_space`: (N, C, H, W) to (N, C b^2, H / b, W / b)."""
    n, c, h, w = x.shape
    if block < 1 or h % block or w % block:
        raise ShapeError(f"space_to_depth: size {(h, w)} is not divisible by {block}")
    split = x.reshape(n, c, h // block, block, w // block, block).transpose(0, 3, 5, 1, 2, 4)
    return split.reshape(n, c * block**2, h // block, w // block)


def im2col(x: Array, kernel: Ints, stride: Ints, dilate: Ints, pad: Pads) -> Array:
    """Return the windows of `x` (N, C, in...) as columns (N, C * K, P); any spatial rank."""
    xp = pad_spatial(x, pad_pairs(pad))
    view = windows(xp, kernel, stride, dilate)
    rows = x.shape[1] * math.prod(kernel)
    return view.reshape(x.shape[0], rows, math.prod(view.shape[2 + len(kernel) :]))


def col2im(
    cols: Array, output_size: Ints, kernel: Ints, stride: Ints, dilate: Ints, pad: Pads
) -> Array:
    """Add columns (N, C * K, P) back into (N, C, `output_size`...): transpose of `im2col`."""
    pads = pad_pairs(pad)
    axes = zip(output_size, kernel, stride, pads, dilate, strict=True)
    steps = tuple(conv_out_size(n, k, s, p, d) for n, k, s, p, d in axes)
    if cols.shape[2] != math.prod(steps) or cols.shape[1] % math.prod(kernel):
        raise ShapeError(
            f"col2im: data has shape {cols.shape}, expected (N, C * {math.prod(kernel)}, "
            f"{math.prod(steps)}) for output size {tuple(output_size)}"
        )
    channels = cols.shape[1] // math.prod(kernel)
    split = widen(cols).reshape(cols.shape[0], channels, *kernel, *steps)
    out = fold_taps(split, kernel, output_size, stride, pads, dilate)
    return np.asarray(out, cols.dtype)


def interleaved_matmul_selfatt_qk(qkv: Array, heads: int) -> Array:
    """Return scaled products of queries and keys: `qkv` (T, N, H * 3 * D) to (N * H, T, T).

    Source: MXNet's ``contrib.interleaved_matmul_selfatt_qk``: a head holds query, key, value;
    queries are divided by ``sqrt(D)``.
    """
    q, k, _ = _split_heads(qkv, heads, 3)
    return np.asarray(_scaled(q) @ np.swapaxes(k, 1, 2), qkv.dtype)


def interleaved_matmul_selfatt_qk_grad(dy: Array, qkv: Array, heads: int) -> Array:
    """Return the gradient of `interleaved_matmul_selfatt_qk` with respect to `qkv`."""
    q, k, v = _split_heads(qkv, heads, 3)
    ct = widen(dy)
    d_k = np.swapaxes(ct, 1, 2) @ _scaled(q)
    return _join_heads([_scaled(ct @ k), d_k, np.zeros_like(v)], heads, qkv)


def interleaved_matmul_selfatt_valatt(qkv: Array, attention: Array, heads: int) -> Array:
    """Apply `attention` (N * H, T, T) to the values of `qkv` (T, N, H * 3 * D): (T, N, H * D)."""
    v = _split_heads(qkv, heads, 3)[2]
    return _join_heads([widen(attention) @ v], heads, qkv)


def interleaved_matmul_selfatt_valatt_grad(
    dy: Array, qkv: Array, attention: Array, heads: int
) -> tuple[Array, Array]:
    """Return gradients of `interleaved_matmul_selfatt_valatt`: of `qkv`, of `attention`."""
    v = _split_heads(qkv, heads, 3)[2]
    (ct,) = _split_heads(dy, heads, 1)
    d_v = np.swapaxes(widen(attention), 1, 2) @ ct
    d_attention = np.asarray(ct @ np.swapaxes(v, 1, 2), attention.dtype)
    zero = np.zeros_like(v)
    return _join_heads([zero, zero, d_v], heads, qkv), d_attention


def interleaved_matmul_encdec_qk(q: Array, kv: Array, heads: int) -> Array:
    """Return scaled products of `q` (Tq, N, H * D) with the keys of `kv` (Tk, N, H * 2 * D).

    The result is (N * H, Tq, Tk). Source: MXNet's ``contrib.interleaved_matmul_encdec_qk``.
    """
    (query,), (key, _) = _split_heads(q, heads, 1), _split_heads(kv, heads, 2)
    return np.asarray(_scaled(query) @ np.swapaxes(key, 1, 2), q.dtype)


def interleaved_matmul_encdec_qk_grad(
    dy: Array, q: Array, kv: Array, heads: int
) -> tuple[Array, Array]:
    """Return the gradients of `interleaved_matmul_encdec_qk` with respect to `q` and `kv`."""
    (query,), (key, value) = _split_heads(q, heads, 1), _split_heads(kv, heads, 2)
    ct = widen(dy)
    d_key = np.swapaxes(ct, 1, 2) @ _scaled(query)
    d_q = _join_heads([_scaled(ct @ key)], heads, q)
    return d_q, _join_heads([d_key, np.zeros_like(value)], heads, kv)


def interleaved_matmul_encdec_valatt(kv: Array, attention: Array, heads: int) -> Array:
    """Apply `attention` (N * H, Tq, Tk) to the values of `kv` (Tk, N, H * 2 * D)."""
    value = _split_heads(kv, heads, 2)[1]
    return _join_heads([widen(attention) @ value], heads, kv)


def interleaved_matmul_encdec_valatt_grad(
    dy: Array, kv: Array, attention: Array, heads: int
) -> tuple[Array, Array]:
    """Return gradients of `interleaved_matmul_encdec_valatt`: of `kv`, of `attention`."""
    value = _split_heads(kv, heads, 2)[1]
    (ct,) = _split_heads(dy, heads, 1)
    d_value = np.swapaxes(widen(attention), 1, 2) @ ct
    d_attention = np.asarray(ct @ np.swapaxes(value, 1, 2), attention.dtype)
    return _join_heads([np.zeros_like(value), d_value], heads, kv), d_attention


def pick(
    x: Array,
    index: Array,
    axis: int = -1,
    keepdims: bool = False,
    mode: Literal["clip", "wrap"] = "clip",
) -> Array:
    """Take one element of `x` along `axis` for each entry of `index` (`x` without that axis)."""
    places = _pick_places(x.shape, index, axis, mode)
    out = np.take_along_axis(x, places, axis=axis)
    return out if keepdims else out.squeeze(axis)


def pick_grad(
    dy: Array,
    index: Array,
    x_shape: Ints,
    axis: int = -1,
    mode: Literal["clip", "wrap"] = "clip",
) -> Array:
    """Return the gradient of `pick` with respect to `x`; `dy` with or without the axis."""
    places = _pick_places(x_shape, index, axis, mode)
    out = np.zeros(tuple(x_shape), dy.dtype)
    np.put_along_axis(out, places, dy.reshape(places.shape), axis=axis)
    return out


def one_hot(
    index: Array, depth: int, on_value: float = 1.0, off_value: float = 0.0, dtype: Any = None
) -> Array:
    """Return rows of `off_value` with `on_value` at `index`; none for one outside the row."""
    hit = index.astype(np.int64)[..., None] == np.arange(depth)
    dtype = np.float32 if dtype is None else dtype
    return np.where(hit, on_value, off_value).astype(dtype)


def topk(
    x: Array,
    axis: int | None = -1,
    k: int = 1,
    ret_typ: Literal["value", "indices", "mask", "both"] = "indices",
    is_ascend: bool = False,
) -> tuple[Array, ...]:
    """Return the `k` largest elements of `x` along `axis` (None: of all), or the smallest.

    ``k < 1`` means all. Indices are int64, a mask has the shape and type of `x`.
    Source: MXNet's ``topk``; equal elements keep their order (MXNet's own sort keeps it up to 16
    elements only). NaN counts as the largest.
    """
    if axis is None:
        flat, at = x.reshape(-1), 0
    else:
        flat, at = x, axis % x.ndim
    n = flat.shape[at]
    if k > n:
        raise AttributeValueError(f"topk: k is {k}, the axis has {n} elements")
    order = stable_order(flat, at, is_ascend)
    order = np.take(order, np.arange(k if k >= 1 else n), axis=at)
    if ret_typ == "mask":
        mask = np.zeros(flat.shape, x.dtype)
        np.put_along_axis(mask, order, 1, axis=at)
        return (mask.reshape(x.shape),)
    if ret_typ == "indices":
        return (order,)
    values = np.take_along_axis(flat, order, axis=at)
    return (values,) if ret_typ == "value" else (values, order)


def stable_order(x: Array, axis: int, is_ascend: bool) -> Array:
    """Return the order that sorts `x` along `axis`; equal elements keep their order."""
    if is_ascend:
        return np.argsort(x, axis=axis, kind="stable")
    # A falling sort that keeps equal elements in order is a rising one of the reversed array.
    back = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - back, axis)


def scatter_add_rows(values: Array, index: Array, rows: int) -> Array:
    """Add `values` (index.shape + D) into zeros (rows, D...) at `index`: an embedding's gradient.

    Rows are added in order, in float32 for float16.
    """
    tail = values.shape[index.ndim :]
    wide = widen(values).reshape(index.size, *tail)
    out = np.zeros((rows, *tail), wide.dtype)
    np.add.at(out, index.reshape(-1).astype(np.int64), wide)
    return np.asarray(out, values.dtype)


def masked_softmax(
    x: Array, mask: Array, axis: int = -1, temperature: float = 1.0, log: bool = False
) -> Array:
    """Return the softmax of ``x / temperature`` over the elements where `mask` is true.

    0 (with `log` minus infinity) elsewhere; a slice without any element is 0 throughout.
    Source: MXNet 2.0's ``masked_softmax`` and ``masked_log_softmax``.
    """
    wide = widen(x) / compute_dtype(x.dtype).type(temperature)
    keep = np.broadcast_to(mask.astype(bool), x.shape)
    top = np.max(wide, axis=axis, keepdims=True, where=keep, initial=-np.inf)
    shifted = np.where(keep, wide - np.where(np.isfinite(top), top, 0), -np.inf)
    power = np.exp(shifted)
    total = power.sum(axis=axis, keepdims=True)
    total = np.where(total == 0, 1, total)
    return np.asarray(shifted - np.log(total) if log else power / total, x.dtype)


def _lrn_scale(x: Array, nsize: int, alpha: float, knorm: float) -> Array:
    if nsize % 2 == 0:
        raise AttributeValueError(f"LRN: nsize must be odd, received {nsize}")
    return knorm + alpha / nsize * _channel_sum(x * x, nsize)


def _channel_sum(x: Array, nsize: int) -> Array:
    """Sum over the `nsize` nearest channels of each channel."""
    out = np.zeros_like(x)
    c = x.shape[1]
    for shift in range(-(nsize // 2), nsize // 2 + 1):
        low, high = max(0, -shift), min(c, c - shift)
        if low < high:
            out[:, low:high] += x[:, low + shift : high + shift]
    return out


def _norm_axes(x: Array, mode: str) -> tuple[int, ...]:
    axes = {
        "instance": tuple(range(1, x.ndim)),
        "channel": (1,),
        "spatial": tuple(range(2, x.ndim)),
    }
    if mode not in axes:
        raise AttributeValueError(
            f"L2Normalization: mode {mode!r} is unknown; use {', '.join(axes)}"
        )
    return axes[mode]


def _norm(x: Array, eps: float, mode: str) -> Array:
    total = (x * x).sum(axis=_norm_axes(x, mode), keepdims=True)
    return np.asarray(np.sqrt(total + x.dtype.type(eps)))


def _split_heads(x: Array, heads: int, parts: int) -> list[Array]:
    """Cut (T, N, H * parts * D) into `parts` arrays (N * H, T, D)."""
    t, n, width = x.shape
    if width % (heads * parts):
        raise ShapeError(
            f"interleaved attention: width {width} is not divisible by {heads} heads x {parts}"
        )
    split = widen(x).reshape(t, n * heads, parts, width // (heads * parts))
    return [split[:, :, i].transpose(1, 0, 2) for i in range(parts)]


def _join_heads(parts: list[Array], heads: int, like: Array) -> Array:
    """Inverse of `_split_heads`, in the type of `like`."""
    t = parts[0].shape[1]
    joined = np.stack(parts, axis=2).transpose(1, 0, 2, 3)
    batch, width = joined.shape[1] // heads, heads * math.prod(joined.shape[2:])
    return np.asarray(joined.reshape(t, batch, width), like.dtype)


def _scaled(x: Array) -> Array:
    return np.asarray(x / x.dtype.type(np.sqrt(x.shape[-1])))


def _pick_places(shape: Ints, index: Array, axis: int, mode: str) -> Array:
    n = shape[axis]
    places = index.astype(np.int64)
    if mode == "clip":
        places = np.clip(places, 0, n - 1)
    elif mode == "wrap":
        places = places % n
    else:
        raise AttributeValueError(f"pick: mode {mode!r} is unknown; use 'clip' or 'wrap'")
    wanted = list(shape)
    wanted[axis] = 1
    return np.asarray(places.reshape(wanted))
