"""MXNet's reductions, orderings and selections in their own attribute forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ir.attrs import Axes, DType
from symgluon.ir.types import normalize_axes
from symgluon.ops.apply import F
from symgluon.ops.mx import cast_to, mx_function


def _axes(data: Any, axis: Any, exclude: bool) -> tuple[int, ...]:
    """Axes of a 1.x reduction: None and () are all; `exclude` takes the others."""
    if axis is None or axis == ():
        return () if exclude else tuple(range(data.ndim))
    chosen = normalize_axes(axis, data.ndim)
    return tuple(i for i in range(data.ndim) if i not in chosen) if exclude else tuple(chosen)


def _reduce(names: str, op: str, *, same: bool = True) -> None:
    @mx_function(names)
    def reduction(
        data: Any, *, axis: Axes = None, keepdims: bool = False, exclude: bool = False
    ) -> Any:
        axes = _axes(data, axis, exclude)
        found = getattr(F, op)(data, axis=axes, keepdims=keepdims)
        return cast_to(found, data.dtype) if same else found

    reduction.__doc__ = f"Reduce with ``{op}`` over `axis` (None: all; `exclude`: all others)."


for _name, _op in (("sum _sparse_sum sum_axis", "sum"), ("mean _sparse_mean", "mean"),
                   ("prod", "prod"), ("max max_axis", "max"), ("min min_axis", "min"),
                   ("nansum", "nansum"), ("nanprod", "nanprod")):  # fmt: skip
    _reduce(" ".join(f"{n}:rank1" for n in _name.split()), _op)


@mx_function("norm:rank1 _sparse_norm:rank1 _npx_norm")
def norm(
    data: Any,
    *,
    ord: int = 2,
    axis: Axes = None,
    out_dtype: DType | None = None,
    keepdims: bool = False,
) -> Any:
    """L1 or L2 norm over axes (None: all)."""
    if ord not in (1, 2):
        raise AttributeValueError(f"norm: ord={ord}; 1 and 2 are supported")
    x = data if out_dtype is None else cast_to(data, out_dtype)
    axes = normalize_axes(axis, data.ndim) if axis is not None else tuple(range(data.ndim))
    if ord == 1:
        return F.sum(F.abs(x), axis=tuple(axes), keepdims=keepdims)
    return F.euclidean_norm(x, axis=tuple(axes), keepdims=keepdims)


@mx_function("_npi_norm")
def np_norm(
    data: Any,
    *,
    ord: Any = 2.0,
    axis: Axes = None,
    keepdims: bool = False,
    flag: int = -1,
) -> Any:
    """``np.linalg.norm``; `flag` is -1 (or -2) where no order was given."""
    order = None if flag < 0 else ord
    if flag == 1:
        order = "fro"
    elif flag == 2:
        order = "nuc"
    return F.norm(data, ord=order, axis=axis, keepdims=keepdims)


def _arg(names: str, op: str) -> None:
    @mx_function(names)
    def arg_extremum(data: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
        return F.cast(getattr(F, op)(data, axis=axis, keepdims=keepdims), dtype="float32")

    arg_extremum.__doc__ = f"Place along `axis` that ``{op}`` finds, as float32."


_arg("argmax:rank1", "argmax")
_arg("argmin:rank1", "argmin")


@mx_function("argmax_channel")
def argmax_channel(data: Any) -> Any:
    """Place of the maximum along axis 1, as float32."""
    return F.cast(F.argmax(data, axis=1), dtype="float32")


@mx_function("where _sparse_where")
def where(condition: Any, x: Any, y: Any) -> Any:
    """Choose elementwise; a rank-1 condition chooses rows."""
    if condition.dtype != np.dtype(bool):
        condition = F.not_equal(condition, np.zeros((), condition.dtype))
    if condition.ndim == 1 and x.ndim > 1:
        condition = F.reshape(condition, shape=(condition.shape[0], *(1,) * (x.ndim - 1)))
    return F.where(condition, x, y)
