"""Tensor types: shape and dtype, and the shape rules that all operators share.

A dimension is an int, a :class:`~symgluon.ir.dims.Dim`, or None while it is unknown (deferred
initialisation).  Rules ask questions, which leave guards, only where dimensions differ in form;
shapes of plain ints take short cuts.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

from symgluon import dtypes
from symgluon.errors import AxisError, ShapeError, SymgluonError
from symgluon.ir.dims import Dim, DimScope, current_scope, exact_quotient, same

Dimension = int | Dim
#: a shape: a tuple of int, Dim or None (unknown)
Shape = tuple[Any, ...]


def _normal(shape: Iterable[Any]) -> Shape:
    dims = []
    for d in shape:
        if d is not None and not isinstance(d, Dim):
            d = operator.index(d)
            if d < 0:
                raise ShapeError("a size is never negative", received=format_shape(shape))
        dims.append(d)
    return tuple(dims)


class TensorType:
    """Shape and dtype of a value; immutable, compared by structure (no question is asked).

    Parameters
    ----------
    shape : iterable of int, Dim or None, or None
        None in it is a dimension that is not known yet, None for it an unknown rank.
    dtype : anything that `dtypes.resolve` takes
    """

    __slots__ = ("_key", "dtype", "is_static", "shape")

    shape: Shape | None
    dtype: dtypes.DType
    #: whether every dimension is a plain number
    is_static: bool
    _key: tuple[Any, ...] | None

    def __init__(self, shape: Iterable[Any] | None, dtype: Any) -> None:
        setter = object.__setattr__
        static = False
        if shape is not None:
            shape = shape if type(shape) is tuple else tuple(shape)
            static = all([type(d) is int and d >= 0 for d in shape])
            if not static:
                shape = _normal(shape)
                static = all([type(d) is int for d in shape])
        setter(self, "shape", shape)
        setter(self, "dtype", dtypes.resolve(dtype))
        setter(self, "is_static", static)
        setter(self, "_key", None)

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError("a TensorType is immutable; use with_shape or with_dtype")

    @property
    def known_shape(self) -> Shape:
        """The shape.

        Raises
        ------
        ShapeError : if the rank is unknown.
        """
        if self.shape is None:
            raise ShapeError(f"the rank of {self} is not known")
        return self.shape

    @property
    def rank(self) -> int:
        """Number of axes; ShapeError if unknown."""
        return len(self.known_shape)

    @property
    def size(self) -> Any:
        """Number of elements, an int or a Dim; ShapeError while a dimension is unknown."""
        return prod(self.known_shape)

    @property
    def nbytes(self) -> Any:
        """Number of bytes, an int or a Dim; ShapeError while a dimension is unknown."""
        return self.size * self.dtype.itemsize

    @property
    def is_known(self) -> bool:
        """Whether rank and every dimension are known, as numbers or as names."""
        return self.shape is not None and None not in self.shape

    def key(self) -> tuple[Any, ...]:
        """Return a hashable value, equal for structurally equal types."""
        key = self._key
        if key is None:
            # dtype objects hash and compare faster than their names do
            key = (shape_key(self.shape), self.dtype)
            object.__setattr__(self, "_key", key)
        return key

    def with_shape(self, shape: Iterable[Any] | None) -> TensorType:
        """Return this type with another shape."""
        return TensorType(shape, self.dtype)

    def with_dtype(self, dtype: Any) -> TensorType:
        """Return this type with another dtype."""
        return TensorType(self.shape, dtype)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, TensorType) and self.key() == other.key())

    def __hash__(self) -> int:
        return hash(self.key())

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorType, (self.shape, self.dtype)

    def __repr__(self) -> str:
        if self.shape is None:
            return f"{self.dtype.name}[*]"
        return f"{self.dtype.name}[{','.join(_dim_text(d) for d in self.shape)}]"


def _dim_text(dim: Any) -> str:
    return "?" if dim is None else str(dim).replace(" ", "")


def format_shape(shape: Iterable[Any] | None) -> str:
    """Return the text of a shape in error messages: ``(batch, 3, ?)``; in a trace ``(batch=2, 3)``."""
    if shape is None:
        return "of unknown rank"
    scope = current_scope()
    dims = ["?" if d is None else _sized(d, scope) for d in shape]
    return f"({dims[0]},)" if len(dims) == 1 else f"({', '.join(dims)})"


def _sized(dim: Any, scope: DimScope | None) -> str:
    """A dimension, with its size where the running trace knows one."""
    try:
        size = scope.hint(dim) if scope is not None and isinstance(dim, Dim) else None
    except (KeyError, SymgluonError):  # a name of another graph
        size = None
    return str(dim) if size is None else f"{dim}={size}"


def shape_key(shape: Sequence[Any] | None) -> tuple[Any, ...] | None:
    """Return a hashable value, equal for structurally equal shapes, of `shape`."""
    if shape is None:
        return None
    return tuple([d.key() if isinstance(d, Dim) else d for d in shape])


def same_shape(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether two shapes are structurally equal; asks no question.

    Parameters
    ----------
    a, b : sequence of int or Dim
        The shapes.

    Returns
    -------
    bool
        The answer.
    """
    return len(a) == len(b) and all([same(x, y) for x, y in zip(a, b, strict=True)])


def prod(shape: Iterable[Any] | None) -> Any:
    """Return the product of dimensions, an int or a Dim.

    Parameters
    ----------
    shape : iterable of int, Dim or None
        None: an unknown dimension.

    Returns
    -------
    int or Dim
        The product.

    Raises
    ------
    ShapeError
        If a dimension, or the rank, is unknown.
    """
    dims = None if shape is None else list(shape)
    if dims is None or None in dims:
        raise ShapeError(f"the size of shape {format_shape(dims)} is not known yet")
    return math.prod(dims)


# -- broadcasting ------------------------------------------------------------------------------


def broadcast_shapes(*shapes: Sequence[Any] | None) -> Shape:
    """Return the shape to which `shapes` broadcast, by NumPy's rule.

    A symbolic dimension meets an equal one or the number 1 without a question; otherwise the
    hints tell whether it is equal or 1, and that becomes a guard.

    Raises
    ------
    ShapeError : if two dimensions differ and neither is 1, or a rank is unknown.
    """
    result: Shape = ()
    for shape in shapes:
        if shape is None:
            raise ShapeError("an array of unknown rank cannot be broadcast yet")
        result = _broadcast_pair(result, tuple(shape)) if result else tuple(shape)
    return result


def _broadcast_pair(a: Shape, b: Shape) -> Shape:
    if len(a) < len(b):
        a, b = b, a
    lead = len(a) - len(b)
    out = list(a)
    for i, y in enumerate(b, lead):
        x = a[i]
        if x is y or (type(y) is int and y == 1):
            continue
        if type(x) is int and type(y) is int:
            if x == 1:
                out[i] = y
            elif x != y:
                raise _mismatch(a, b)
        else:
            out[i] = _broadcast_dims(x, y, a, b)
    return tuple(out)


def _broadcast_dims(x: Any, y: Any, a: Shape, b: Shape) -> Any:
    """Broadcast two dimensions of which at least one is a Dim or unknown, and `y` is not 1."""
    if type(x) is int and x == 1:
        return y
    if x is None or y is None:
        # a number other than 1 is the result whatever the other turns out to be
        known = [d for d in (x, y) if type(d) is int]
        return known[0] if known else None
    if same(x, y):
        return x
    scope = current_scope()
    if scope is None:
        if x == y:  # decidable, or a TraceError that says why not
            return x
        raise _mismatch(a, b)
    hints = scope.hint(x), scope.hint(y)
    # ask the question that will be answered yes, so that one guard says it all
    if hints[0] == hints[1] or None in hints:
        if x == y:
            return scope.resolve(x) if isinstance(x, Dim) else x
    elif hints[0] == 1:
        if x == 1:
            return y
    elif hints[1] == 1 and y == 1:
        return x
    raise _mismatch(a, b)


def _mismatch(a: Shape, b: Shape) -> ShapeError:
    return ShapeError(
        f"shapes {format_shape(a)} and {format_shape(b)} do not broadcast",
        hint="Aligned at the last axis, two sizes must be equal or one of them 1.",
    )


# -- axes --------------------------------------------------------------------------------------


def normalize_axis(axis: Any, rank: int, what: str = "axis") -> int:
    """Return an axis counted from the front.

    Parameters
    ----------
    axis : int
        Of any sign.
    rank : int
        Number of axes.
    what : str
        What messages call it.

    Returns
    -------
    int
        From 0 to ``rank - 1``.

    Raises
    ------
    AxisError
        (a ShapeError, ValueError and IndexError) if it is outside ``[-rank, rank)``.
    """
    number = operator.index(axis)
    if -rank <= number < rank:
        return number + rank if number < 0 else number
    valid = f"from {-rank} to {rank - 1}" if rank else "none: the array has no axes"
    raise AxisError(
        f"{what} {number} is out of bounds for rank {rank}", expected=f"an axis {valid}"
    )


def normalize_axes(
    axes: Any, rank: int, *, unique: bool = True, what: str = "axis"
) -> tuple[int, ...]:
    """Return axes counted from the front, in the order given.

    Parameters
    ----------
    axes : int, sequence of int, or None
        Of any sign; None: all.
    rank : int
        Number of axes.
    unique : bool
        Refuse an axis that is named twice.
    what : str
        What messages call them.

    Returns
    -------
    tuple of int
        From 0 to ``rank - 1``.

    Raises
    ------
    AxisError
        If one is out of bounds, or named twice while `unique`.
    """
    if axes is None:
        return tuple(range(rank))
    given = tuple(axes) if isinstance(axes, (tuple, list)) else (axes,)
    found = tuple([normalize_axis(a, rank, what) for a in given])
    if unique and len(set(found)) < len(found):
        raise AxisError(f"{what} {given} names an axis twice (rank {rank})")
    return found


# -- reshape -----------------------------------------------------------------------------------


def infer_reshape(shape_in: Sequence[Any] | None, newshape: Sequence[Any]) -> Shape:
    """Return a new shape with its one -1 resolved, checked against the size of the old one.

    Division is exact on polynomials where possible; else, and where sizes differ in form, the
    hints decide and a guard is kept.

    Parameters
    ----------
    shape_in : sequence of int or Dim, or None
        The old shape.
    newshape : sequence of int or Dim
        The new one; one size may be -1.

    Returns
    -------
    tuple of int or Dim
        The new shape.

    Raises
    ------
    ShapeError
        If sizes differ, or there are several -1 or other negative numbers.
    """
    new = tuple([d if isinstance(d, Dim) else operator.index(d) for d in newshape])
    free = [i for i, d in enumerate(new) if type(d) is int and d < 0]
    if len(free) > 1 or any(new[i] != -1 for i in free):
        raise ShapeError(
            f"reshape: bad new shape {format_shape(new)}",
            hint="Sizes are not negative; one of them may be -1, to be computed.",
        )
    unknown = shape_in is None or None in shape_in
    if not free:
        if not unknown:
            total, size = prod(shape_in), prod(new)
            if not (same(total, size) or _left_to_kernel(total, size) or total == size):
                raise _bad_reshape(shape_in, new)
        return new
    hole = free[0]
    if unknown:
        return (*new[:hole], None, *new[hole + 1 :])
    known = prod(new[:hole] + new[hole + 1 :])
    return (
        *new[:hole],
        _quotient(prod(shape_in), known, shape_in, new),
        *new[hole + 1 :],
    )


def _left_to_kernel(*sizes: Any) -> bool:
    """Whether a size depends on data: then the kernel compares, when there are numbers."""
    scope = current_scope()
    return scope is not None and any([scope.depends_on_data(n) for n in sizes])


def _quotient(total: Any, known: Any, shape_in: Any, new: Shape) -> Any:
    """Return total / known, exactly, or raise."""
    if type(total) is int and type(known) is int:
        if known == 0 or total % known:
            raise _bad_reshape(shape_in, new)
        return total // known
    exact = exact_quotient(total, known)
    if exact is not None:
        return exact
    if type(known) is int and known == 0:
        raise _bad_reshape(shape_in, new)
    quotient = total // known  # common factors are gone, so none of them has to be non-zero
    if not (quotient * known == total):
        raise _bad_reshape(shape_in, new)
    scope = current_scope()
    return quotient if scope is None else scope.resolve(quotient)


def _bad_reshape(shape_in: Any, new: Shape) -> ShapeError:
    return ShapeError(
        f"reshape: shape {format_shape(shape_in)} does not fit new shape {format_shape(new)}",
        hint="Both must have the same number of elements.",
    )
