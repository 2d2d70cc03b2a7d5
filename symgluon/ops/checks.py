"""What the layer operators share: checks of operands, deferred shapes, per-channel vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import DTypeError, ShapeError
from symgluon.ir.dims import Dim, same
from symgluon.ir.types import TensorType, format_shape, normalize_axis, prod
from symgluon.ops.apply import F


def equal_dims(a: Any, b: Any) -> bool:
    """Whether two dimensions are equal; unknown ones fit, symbolic ones may leave a guard."""
    return a is None or b is None or same(a, b) or bool(a == b)


def check_shape(op: str, what: str, got: Sequence[Any] | None, want: Sequence[Any]) -> None:
    """Require `got` to be `want`, where both are known.

    Raises
    ------
    ShapeError
        If the ranks or two dimensions differ.
    """
    if got is None:
        return
    if len(got) != len(want) or not all(equal_dims(a, b) for a, b in zip(got, want, strict=True)):
        raise ShapeError(
            f"{op}: {what} has the wrong shape",
            expected=format_shape(want),
            received=format_shape(got),
        )


def check_rank(op: str, what: str, got: Sequence[Any] | None, least: int, most: int = 99) -> None:
    """Require the rank of the shape `got`, where known, to lie in ``least..most``.

    Raises
    ------
    ShapeError
        If it does not.
    """
    if got is not None and not least <= len(got) <= most:
        wanted = (
            str(least) if least == most else f"{least} to {most}" if most < 99 else f">= {least}"
        )
        raise ShapeError(
            f"{op}: {what} has the wrong rank", expected=wanted, received=format_shape(got)
        )


def check_dtypes(op: str, *operands: Any) -> None:
    """Require types or arrays (None: absent) to be of one dtype.

    Raises
    ------
    DTypeError
        If two differ; MXNet's layers do not promote either.
    """
    found = [o.dtype for o in operands if o is not None]
    if any(d != found[0] for d in found[1:]):
        raise DTypeError(
            f"{op}: operands of different dtypes",
            received=", ".join(d.name for d in found),
            hint="Cast the data with astype, or the block with cast, so that they agree.",
        )


def deferred(given: TensorType | None, shape: Sequence[Any], dtype: Any = None) -> Any:
    """Return the type of a parameter: `given` with what is unknown of it taken from `shape`."""
    if given is None:
        return None
    if given.shape is None:
        return TensorType(tuple(shape), given.dtype if dtype is None else dtype)
    if None not in given.shape or len(given.shape) != len(shape):
        return given
    filled = [b if a is None else a for a, b in zip(given.shape, shape, strict=True)]
    return given.with_shape(filled)


def axis_size(x: TensorType, axis: int) -> Any:
    """Return the size of an axis of `x`, None while it is unknown."""
    return None if x.shape is None else x.shape[normalize_axis(axis, len(x.shape))]


def along(vector: Any, axis: int, rank: int) -> Any:
    """Shape a vector so that it broadcasts along `axis` of arrays of `rank`."""
    axis = normalize_axis(axis, rank)
    if axis == rank - 1:
        return vector
    return F.reshape(vector, shape=(vector.shape[0], *(1,) * (rank - 1 - axis)))


def along_array(vector: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """`along` for NumPy arrays."""
    return vector.reshape((-1,) + (1,) * (rank - 1 - normalize_axis(axis, rank)))


def known(*dims: Any) -> bool:
    """Whether none of the dimensions is unknown."""
    return all(d is not None for d in dims)


def known_prod(dims: Sequence[Any]) -> Any:
    """Product of dimensions, None while one is unknown."""
    return prod(dims) if known(*dims) else None


def is_int(value: Any) -> bool:
    """Whether a dimension is a number (not symbolic, not unknown)."""
    return not isinstance(value, Dim) and value is not None
