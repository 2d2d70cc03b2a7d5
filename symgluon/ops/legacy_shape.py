"""MXNet's names whose attributes are codes or conventions: shapes, slices, joins, creation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import Axes, DType, Ints, OptionalInts, Shape
from symgluon.ir.types import normalize_axes, normalize_axis
from symgluon.ops.apply import F
from symgluon.ops.mx import cast_to, mx_function


# ---- reshape -----------------------------------------------------------------------------------
def reshape_codes(shape: Sequence[Any], codes: Sequence[Any], *, reverse: bool) -> tuple[Any, ...]:
    """Resolve 1.x reshape codes against `shape`; one -1 may remain.

    0 copies a dimension, -1 is inferred, -2 copies all that remain, -3 merges two, -4 splits one
    into the two that follow.
    """
    if reverse:
        mirrored = reshape_codes(shape[::-1], _mirror(codes), reverse=False)
        return mirrored[::-1]
    out: list[Any] = []
    at = 0
    i = 0
    while i < len(codes):
        code = codes[i]
        if not isinstance(code, int) or code > 0 or code == -1:
            out.append(code)
            at += 1
        elif code == 0:
            out.append(_dim(shape, at, codes))
            at += 1
        elif code == -2:
            out.extend(shape[at:])
            at = len(shape)
        elif code == -3:
            out.append(_dim(shape, at, codes) * _dim(shape, at + 1, codes))
            at += 2
        elif code == -4:
            if i + 2 >= len(codes):
                raise ShapeError(f"reshape: code -4 of {tuple(codes)} needs two sizes after it")
            out.extend(_split(_dim(shape, at, codes), codes[i + 1], codes[i + 2]))
            at += 1
            i += 2
        else:
            raise ShapeError(f"reshape: {code} in {tuple(codes)} is no size and no code")
        i += 1
    return tuple(out)


def _mirror(codes: Sequence[Any]) -> list[Any]:
    """Codes read from the right; the two sizes after a -4 stay with it."""
    groups: list[list[Any]] = []
    i = 0
    while i < len(codes):
        width = 3 if codes[i] == -4 else 1
        part = list(codes[i : i + width])
        groups.append([part[0], *part[:0:-1]] if width == 3 else part)
        i += width
    return [c for group in reversed(groups) for c in group]


def _dim(shape: Sequence[Any], at: int, codes: Sequence[Any]) -> Any:
    if at >= len(shape):
        raise ShapeError(f"reshape: {tuple(codes)} reads more dimensions than {tuple(shape)} has")
    return shape[at]


def _split(n: Any, a: Any, b: Any) -> tuple[Any, Any]:
    if a == -1 and b == -1:
        raise ShapeError("reshape: the two sizes after -4 cannot both be -1")
    if a == -1:
        return n // b, b
    return a, n // a if b == -1 else b


@mx_function("Reshape reshape")
def legacy_reshape(
    data: Any,
    *,
    shape: Shape = (),
    reverse: bool = False,
    target_shape: Shape = (),
    keep_highest: bool = False,
) -> Any:
    """1.x reshape with its codes."""
    if not shape and target_shape:
        shape = (data.shape[0], *target_shape[1:]) if keep_highest else target_shape
        shape = tuple(-1 if n == 0 else n for n in shape)
        return F.reshape(data, shape=shape)
    return F.reshape(data, shape=reshape_codes(data.shape, shape, reverse=reverse))


def npx_reshape_codes(shape: Sequence[Any], codes: Sequence[Any]) -> tuple[Any, ...]:
    """Resolve the codes of ``npx.reshape`` (2.0); one -1 may remain.

    -1 is inferred, -2 copies a dimension, -3 drops one of size 1, -4 copies all that remain, -5
    merges two, -6 splits one into the two that follow.
    """
    out: list[Any] = []
    at = 0
    i = 0
    while i < len(codes):
        code = codes[i]
        if not isinstance(code, int) or code >= 0 or code == -1:
            out.append(code)
            at += 1
        elif code == -2:
            out.append(_dim(shape, at, codes))
            at += 1
        elif code == -3:
            if _dim(shape, at, codes) != 1:
                raise ShapeError(f"reshape: code -3 at dimension {at} of {tuple(shape)}, not 1")
            at += 1
        elif code == -4:
            out.extend(shape[at:])
            at = len(shape)
        elif code == -5:
            out.append(_dim(shape, at, codes) * _dim(shape, at + 1, codes))
            at += 2
        elif code == -6:
            if i + 2 >= len(codes):
                raise ShapeError(f"reshape: code -6 of {tuple(codes)} needs two sizes after it")
            out.extend(_split(_dim(shape, at, codes), codes[i + 1], codes[i + 2]))
            at += 1
            i += 2
        else:
            raise ShapeError(f"reshape: {code} in {tuple(codes)} is no size and no code")
        i += 1
    return tuple(out)


def _npx_mirror(codes: Sequence[Any]) -> list[Any]:
    return [-6 if c == -4 else -4 if c == -6 else c for c in _mirror(
        [-4 if c == -6 else -6 if c == -4 else c for c in codes])]  # fmt: skip


@mx_function("_npx_reshape _npi_reshape")
def npx_reshape(a: Any, *, newshape: Shape, reverse: bool = False, order: str = "C") -> Any:
    """2.0 reshape with the codes of ``npx.reshape``."""
    if order != "C":
        raise AttributeValueError(f"reshape: order={order!r}; only C order is supported")
    if reverse:
        shape = npx_reshape_codes(a.shape[::-1], _npx_mirror(newshape))[::-1]
    else:
        shape = npx_reshape_codes(a.shape, newshape)
    return F.reshape(a, shape=shape)


@mx_function("Flatten flatten _npx_batch_flatten")
def flatten(data: Any) -> Any:
    """Keep axis 0, merge the others."""
    if data.ndim == 0:
        raise ShapeError("flatten needs at least one axis, received an array of shape ()")
    rest: Any = 1
    for n in data.shape[1:]:
        rest = rest * n
    return F.reshape(data, shape=(data.shape[0], rest))


@mx_function("reshape_like _npx_reshape_like")
def reshape_like(
    lhs: Any,
    rhs: Any,
    *,
    lhs_begin: int | None = None,
    lhs_end: int | None = None,
    rhs_begin: int | None = None,
    rhs_end: int | None = None,
) -> Any:
    """Replace axes of `lhs` by axes of `rhs`."""
    left, right = slice(lhs_begin, lhs_end), slice(rhs_begin, rhs_end)
    start, stop, _ = left.indices(len(lhs.shape))
    shape = (*lhs.shape[:start], *rhs.shape[right], *lhs.shape[max(start, stop) :])
    return F.reshape(lhs, shape=shape)


@mx_function("shape_array _npx_shape_array")
def shape_array(data: Any) -> Any:
    """Return the shape as an int64 vector."""
    if all(isinstance(n, int) for n in data.shape):
        return F.identity(np.asarray(data.shape, np.int64))
    return F.stack(*[F.dim_value(dim=n) for n in data.shape], axis=0)


@mx_function("size_array")
def size_array(data: Any) -> Any:
    """Return the number of elements as an int64 vector of one."""
    size = data.size
    if isinstance(size, int):
        return F.identity(np.asarray([size], np.int64))
    return F.reshape(F.dim_value(dim=size), shape=(1,))


# ---- axes --------------------------------------------------------------------------------------
@mx_function("transpose")
def transpose(data: Any, *, axes: Ints = ()) -> Any:
    """Permute the axes; () reverses them."""
    return F.transpose(data, axes=axes or tuple(range(data.ndim))[::-1])


@mx_function("_npi_transpose _np_transpose")
def np_transpose(a: Any, *, axes: Ints | None = None) -> Any:
    """Permute the axes; None reverses them."""
    return F.transpose(a, axes=axes or tuple(range(a.ndim))[::-1])


@mx_function("SwapAxis swapaxes _npi_swapaxes")
def swap_axis(data: Any, *, dim1: int = 0, dim2: int = 0) -> Any:
    """Exchange two axes."""
    order = list(range(data.ndim))
    a, b = normalize_axis(dim1, data.ndim), normalize_axis(dim2, data.ndim)
    order[a], order[b] = order[b], order[a]
    return F.transpose(data, axes=tuple(order))


@mx_function("expand_dims _npi_expand_dims")
def expand_dims(data: Any, *, axis: int) -> Any:
    """Insert an axis of size 1."""
    at = normalize_axis(axis, data.ndim + 1)
    return F.reshape(data, shape=(*data.shape[:at], 1, *data.shape[at:]))


def _squeeze(data: Any, axis: Any) -> Any:
    if axis is None or axis == ():
        axes = {i for i, n in enumerate(data.shape) if n == 1}
    else:
        axes = set(normalize_axes(axis, data.ndim))
        bad = [i for i in axes if data.shape[i] != 1]
        if bad:
            raise ShapeError(f"squeeze: axis {bad[0]} of shape {data.shape} is not of size 1")
    return F.reshape(data, shape=tuple(n for i, n in enumerate(data.shape) if i not in axes))


@mx_function("_npi_squeeze _np_squeeze")
def np_squeeze(a: Any, *, axis: Axes = None) -> Any:
    """Drop axes of size 1."""
    return _squeeze(a, axis)


@mx_function("squeeze:rank1")
def squeeze(data: Any, *, axis: Axes = None) -> Any:
    """Drop axes of size 1 (1.x: at least one axis stays)."""
    return _squeeze(data, axis)


@mx_function("reverse flip")
def reverse(data: Any, *, axis: Ints) -> Any:
    """Reverse the order along axes."""
    return F.flip(data, axis=axis)


@mx_function("_npi_flip")
def np_flip(data: Any, *, axis: Axes = None) -> Any:
    """Reverse the order along axes (None or (): all)."""
    return F.flip(data, axis=axis if axis not in (None, ()) else tuple(range(data.ndim)))


# ---- slices ------------------------------------------------------------------------------------
@mx_function("slice crop _npx_slice _npi_slice _sparse_slice")
def slice_(data: Any, *, begin: OptionalInts, end: OptionalInts, step: OptionalInts = ()) -> Any:
    """Slice leading axes; None takes the end of the axis, step 0 counts as 1."""
    steps = [s or None for s in step] + [None] * (len(begin) - len(step))
    index = tuple(slice(b, e, s) for b, e, s in zip(begin, end, steps, strict=True))
    return F.index(data, index=index)


@mx_function("slice_axis")
def slice_axis(data: Any, *, axis: int, begin: int | None = 0, end: int | None = None) -> Any:
    """Slice one axis."""
    at = normalize_axis(axis, data.ndim)
    return F.index(data, index=(*(slice(None),) * at, slice(begin, end)))


@mx_function("slice_like _npx_slice_like")
def slice_like(data: Any, shape_like: Any, *, axes: Ints = ()) -> Any:
    """Cut axes down to the size they have in `shape_like`."""
    chosen = normalize_axes(axes, data.ndim) if axes else range(min(data.ndim, shape_like.ndim))
    index: list[Any] = [slice(None)] * data.ndim
    for i in chosen:
        index[i] = slice(0, shape_like.shape[i])
    return F.index(data, index=tuple(index))


def _pieces(data: Any, axis: int, bounds: Sequence[Any], *, squeeze: bool) -> tuple[Any, ...]:
    at = normalize_axis(axis, data.ndim)
    head = (slice(None),) * at
    parts = [F.index(data, index=(*head, slice(a, b))) for a, b in pairwise(bounds)]
    return tuple(_squeeze(p, at) for p in parts) if squeeze else tuple(parts)


def _even_bounds(n: Any, count: int, what: str) -> list[Any]:
    if n % count != 0:
        raise ShapeError(f"{what}: axis of size {n} cannot be cut into {count} equal parts")
    return [n // count * i for i in range(count)] + [n]


@mx_function("SliceChannel split _npx_slice_channel")
def slice_channel(
    data: Any, *, num_outputs: int, axis: int = 1, squeeze_axis: bool = False
) -> Any:
    """Cut an axis into equal parts."""
    n = data.shape[normalize_axis(axis, data.ndim)]
    bounds = _even_bounds(n, num_outputs, "split")
    return _pieces(data, axis, bounds, squeeze=squeeze_axis)


@mx_function("_split_v2 _npi_split _npi_array_split")
def split_v2(
    data: Any,
    *,
    indices: Ints = (),
    axis: int = 1,
    squeeze_axis: bool = False,
    sections: int = 0,
) -> Any:
    """Cut an axis into equal sections, or at indices (whose first one is 0)."""
    n = data.shape[normalize_axis(axis, data.ndim)]
    if sections > 0:
        if isinstance(n, int) and n % sections:
            wide = n % sections  # as np.array_split: the first parts are one longer
            sizes = [n // sections + (i < wide) for i in range(sections)]
            bounds: list[Any] = [sum(sizes[:i]) for i in range(sections + 1)]
        else:
            bounds = _even_bounds(n, sections, "split")
    else:
        inner = list(indices[1:]) if indices and indices[0] == 0 else list(indices)
        bounds = [0, *inner, n]
    return _pieces(data, axis, bounds, squeeze=squeeze_axis)


# ---- joins -------------------------------------------------------------------------------------
@mx_function("Concat concat _sparse_concat")
def concat(*data: Any, dim: int | None = 1) -> Any:
    """Join along an axis; None flattens first."""
    if dim is None:
        return F.concatenate(*[F.reshape(d, shape=(-1,)) for d in data], axis=0)
    return F.concatenate(*data, axis=dim)


@mx_function("_npi_concatenate")
def np_concatenate(*data: Any, axis: str | None = None, dim: int | None = 1) -> Any:
    """Join along an axis: `axis` in files of 1.x ("None" flattens), `dim` in those of 2.0."""
    if axis is not None:
        dim = None if axis.strip() == "None" else int(axis)
    return concat(*data, dim=dim)


@mx_function("_rnn_param_concat _npi_rnn_param_concat")
def rnn_param_concat(*data: Any, dim: int | None = 1) -> Any:
    """Join parameters of a recurrent net into its flat vector."""
    if all(d.ndim == 1 for d in data):
        return F.concatenate(*data, axis=0)
    if dim in (None, 0):
        return F.concatenate(*[F.reshape(d, shape=(-1,)) for d in data], axis=0)
    return F.concatenate(*data, axis=dim)


@mx_function("stack _npi_stack")
def stack(*data: Any, axis: int = 0) -> Any:
    """Join along a new axis."""
    return F.stack(*data, axis=axis)


@mx_function("add_n ElementWiseSum _npx_add_n _sparse_ElementWiseSum _sparse_add_n")
def add_n(*args: Any) -> Any:
    """Sum of any number of arrays."""
    total = args[0]
    for x in args[1:]:
        total = total + x
    return F.identity(total) if len(args) == 1 else total


@mx_function("amp_multicast _npi_amp_multicast")
def amp_multicast(*data: Any, num_outputs: int, cast_narrow: bool = False) -> Any:
    """Cast floats to their widest (or narrowest) dtype."""
    floats = [d.dtype for d in data if dtypes.is_float(d.dtype)]
    if not floats:
        return tuple(F.identity(d) for d in data)
    pick = min if cast_narrow else max
    target = pick(floats, key=lambda t: t.itemsize)
    return tuple(F.cast(d, dtype=target) if dtypes.is_float(d.dtype) else d for d in data)


@mx_function("amp_cast _npi_amp_cast")
def amp_cast(data: Any, *, dtype: DType) -> Any:
    """Cast floats; integers pass."""
    return F.cast(data, dtype=dtype) if dtypes.is_float(data.dtype) else F.identity(data)


@mx_function("Cast cast _npi_cast _npx_cast")
def cast(data: Any, *, dtype: DType) -> Any:
    """Convert to another dtype."""
    return F.cast(data, dtype=dtype)


# ---- repeating and broadcasting ----------------------------------------------------------------
@mx_function("repeat _npi_repeat")
def repeat(data: Any, *, repeats: int, axis: int | None = None) -> Any:
    """Repeat elements along an axis (None: of the flattened array)."""
    return F.repeat(data, repeats=repeats, axis=axis)


@mx_function("_npi_repeats")
def repeats(data: Any, *, repeats: Ints, axis: int | None = None) -> Any:
    """Repeat elements, one count for all or one an element."""
    if len(repeats) == 1:
        return F.repeat(data, repeats=repeats[0], axis=axis)
    index = np.repeat(np.arange(len(repeats)), repeats)
    if axis is None:
        data, axis = F.reshape(data, shape=(-1,)), 0
    return F.take(data, index, axis=axis, mode="clip")


@mx_function("tile _npi_tile")
def tile(data: Any, *, reps: Ints) -> Any:
    """Repeat the whole array."""
    return F.tile(data, reps=reps)


@mx_function("broadcast_axis broadcast_axes")
def broadcast_axis(data: Any, *, axis: Ints = (), size: Ints = ()) -> Any:
    """Broadcast axes of size 1."""
    if len(axis) != len(size):
        raise AttributeValueError(f"broadcast_axis: {len(axis)} axes and {len(size)} sizes")
    shape = list(data.shape)
    for a, n in zip(axis, size, strict=True):
        shape[normalize_axis(a, data.ndim)] = n
    return F.broadcast_to(data, shape=tuple(shape))


@mx_function("broadcast_to")
def broadcast_to(data: Any, *, shape: Shape = ()) -> Any:
    """Broadcast; a 0 keeps the size."""
    lead = len(shape) - data.ndim
    full = tuple(
        data.shape[i - lead] if isinstance(n, int) and n == 0 and i >= lead else n
        for i, n in enumerate(shape)
    )
    return F.broadcast_to(data, shape=full)


@mx_function("_npi_broadcast_to _np_broadcast_to")
def np_broadcast_to(array: Any, *, shape: Shape = ()) -> Any:
    """Broadcast; -2 keeps the size."""
    lead = len(shape) - array.ndim
    full = tuple(
        array.shape[i - lead] if isinstance(n, int) and n == -2 and i >= lead else n
        for i, n in enumerate(shape)
    )
    return F.broadcast_to(array, shape=full)


@mx_function("broadcast_like _npx_broadcast_like")
def broadcast_like(
    lhs: Any, rhs: Any, *, lhs_axes: Ints | None = None, rhs_axes: Ints | None = None
) -> Any:
    """Broadcast `lhs` to the shape (or some axes) of `rhs`."""
    if lhs_axes is None or rhs_axes is None:
        return F.broadcast_to(lhs, shape=rhs.shape)
    shape = list(lhs.shape)
    for a, b in zip(lhs_axes, rhs_axes, strict=True):
        shape[normalize_axis(a, lhs.ndim)] = rhs.shape[normalize_axis(b, rhs.ndim)]
    return F.broadcast_to(lhs, shape=tuple(shape))


@mx_function("Pad pad _npx_pad")
def pad(data: Any, *, mode: str, pad_width: Ints, constant_value: float = 0.0) -> Any:
    """Pad: two numbers an axis, flat."""
    if len(pad_width) != 2 * data.ndim:
        raise AttributeValueError(
            f"pad: pad_width has {len(pad_width)} numbers, {2 * data.ndim} belong to {data.ndim} "
            "axes"
        )
    if mode == "reflect":
        for n, a, b in zip(data.shape, pad_width[::2], pad_width[1::2], strict=True):
            if isinstance(n, int) and max(a, b) >= n and max(a, b) > 0:
                raise ShapeError(
                    f"pad: reflection of {max(a, b)} elements needs an axis of more than that",
                    received=tuple(data.shape),
                )
    return F.pad(data, pad_width=pad_width, mode=mode, constant_value=constant_value)


@mx_function("_npi_pad")
def np_pad(
    data: Any,
    *,
    pad_width: Any,
    mode: str = "constant",
    constant_values: float = 0.0,
    reflect_type: str = "even",
) -> Any:
    """Pad: a pair an axis."""
    flat = tuple(n for pair in pad_width for n in pair)
    return F.pad(data, pad_width=flat, mode=mode, constant_value=constant_values)


@mx_function("Crop")
def crop_like(
    *data: Any, offset: Ints = (0, 0), h_w: Ints = (0, 0), center_crop: bool = False
) -> Any:
    """Cut height and width, to `h_w` or to those of a second array."""
    x = data[0]
    height, width = data[1].shape[2:4] if len(data) > 1 else h_w
    top, left = offset
    if center_crop:
        top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    index = (slice(None), slice(None), slice(top, top + height), slice(left, left + width))
    return F.index(x, index=index)


# ---- creation ----------------------------------------------------------------------------------
def _filled(shape: Sequence[Any], value: float, dtype: Any) -> Any:
    return F.full(np.asarray(value, dtype), shape=tuple(shape))


@mx_function("_npi_zeros")
def np_zeros(*, shape: Shape = (), dtype: DType = np.dtype("float32")) -> Any:  # noqa: B008
    """Zeros."""
    return _filled(shape, 0, dtype)


@mx_function("_npi_ones")
def np_ones(*, shape: Shape = (), dtype: DType = np.dtype("float32")) -> Any:  # noqa: B008
    """Ones."""
    return _filled(shape, 1, dtype)


def _unknown_as_one(shape: Shape) -> Shape:
    """A 0 in a shape of 1.x is unknown: size 1 broadcasts to whatever it meets."""
    return tuple(1 if isinstance(n, int) and n == 0 else n for n in shape)


@mx_function("_zeros")
def zeros(*, shape: Shape = (), dtype: DType = np.dtype("float32")) -> Any:  # noqa: B008
    """Zeros (1.x)."""
    return _filled(_unknown_as_one(shape), 0, dtype)


@mx_function("_ones")
def ones(*, shape: Shape = (), dtype: DType = np.dtype("float32")) -> Any:  # noqa: B008
    """Ones (1.x)."""
    return _filled(_unknown_as_one(shape), 1, dtype)


@mx_function("_full _npi_full")
def full(*, shape: Shape, value: float, dtype: DType = np.dtype("float32")) -> Any:  # noqa: B008
    """Copies of a number."""
    return _filled(shape, value, dtype)


@mx_function("_npi_full_like")
def full_like(a: Any, *, fill_value: float, dtype: DType | None = None) -> Any:
    """Copies of a number in the shape of `a`."""
    return _filled(a.shape, fill_value, dtype or a.dtype)


@mx_function("_arange")
def arange(
    *,
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool = False,
    dtype: DType = np.dtype("float32"),  # noqa: B008
) -> Any:
    """Return evenly spaced numbers, each `repeat` times."""
    if stop is None and not infer_range:
        start, stop = 0.0, start
    values = np.arange(start, start if stop is None else stop, step)
    return F.identity(np.repeat(values, repeat).astype(dtype))


@mx_function("_npi_arange")
def np_arange(
    *,
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    dtype: DType = np.dtype("float32"),  # noqa: B008
    repeat: int = 1,
    infer_range: bool = False,
) -> Any:
    """Return evenly spaced numbers."""
    if stop is None:
        start, stop = 0.0, start
    return F.identity(np.arange(start, stop, step).astype(dtype))


@mx_function("_contrib_arange_like _npx_arange_like")
def arange_like(
    data: Any, *, start: float = 0.0, step: float = 1.0, repeat: int = 1, axis: int | None = None
) -> Any:
    """Count along an axis of `data` (None: over all its elements, in its shape)."""
    size = data.size if axis is None else data.shape[normalize_axis(axis, data.ndim)]
    if isinstance(size, int):
        values = F.identity(np.arange(-(-size // repeat), dtype=data.dtype))
    else:
        ones_ = F.full(np.asarray(1, data.dtype), shape=(size,))
        values = F.cumsum(ones_, axis=0) - np.asarray(1, data.dtype)
    if repeat != 1:
        values = F.index(F.repeat(values, repeats=repeat, axis=0), index=(slice(0, size),))
    values = cast_to(values * float(step) + float(start), data.dtype)
    return values if axis is not None else F.reshape(values, shape=data.shape)
