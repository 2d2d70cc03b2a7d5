"""Functions of `mx.np` that multiply vectors, matrices and tensors."""

from __future__ import annotations

from typing import Any

from symgluon.numpy.manipulation import moveaxis, reshape
from symgluon.numpy.multiarray import as_array, finish
from symgluon.numpy.sorting import diagonal
from symgluon.ops.apply import F

__all__ = [
    "cross", "dot", "einsum", "inner", "kron", "matmul", "outer", "tensordot", "trace", "vdot",
]  # fmt: skip


# ---- products -----------------------------------------------------------------------------------
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """Return the dot product: of vectors, matrices, else over the last and second last axes.

    Parameters
    ----------
    a, b : array of any shape and dtype
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.dot``.
    """
    a = as_array(a)
    return finish(F.dot(a, as_array(b)), a, out)


def matmul(a: Any, b: Any, out: Any = None, **kwargs: Any) -> Any:
    """Return the matrix product; leading axes broadcast.

    Parameters
    ----------
    a, b : array of any shape and dtype
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.matmul``; ONNX MatMul.
    """
    from symgluon.numpy.ufunc import check_keywords

    check_keywords("matmul", kwargs)
    a = as_array(a)
    return finish(F.matmul(a, as_array(b)), a, out)


def inner(a: Any, b: Any) -> Any:
    """Return the product summed over the last axes of both.

    Parameters
    ----------
    a, b : array of any shape and dtype

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.inner``.
    """
    a = as_array(a)
    return finish(F.inner(a, as_array(b)), a)


def outer(a: Any, b: Any) -> Any:
    """Return the outer product of two flattened arrays.

    Parameters
    ----------
    a, b : array of any shape and dtype

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.outer``.
    """
    a = as_array(a)
    return finish(F.outer(a, as_array(b)), a)


def vdot(a: Any, b: Any) -> Any:
    """Return the inner product of two flattened arrays.

    Parameters
    ----------
    a, b : array of any shape and dtype

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.vdot``.
    """
    return dot(reshape(a, (-1,)), reshape(b, (-1,)))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Return the product summed over pairs of axes.

    Parameters
    ----------
    a, b : array of any shape and dtype
    axes : int or pair of sequences of int
        How many axes, or which of each.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.tensordot``.
    """
    a, b = as_array(a), as_array(b)
    if isinstance(axes, int):
        first, second = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    else:
        first, second = ((x,) if isinstance(x, int) else tuple(x) for x in axes)
    return finish(F.tensordot(a, b, a_axes=first, b_axes=second), a)


def einsum(subscripts: str, *operands: Any, out: Any = None, optimize: Any = False) -> Any:
    """Return the sum of products that the Einstein `subscripts` describe.

    Parameters
    ----------
    subscripts : str
        Such as ``ij,jk->ik``.
    *operands : array of any shape and dtype
    out : array, optional
        Gets the result, in its own dtype.
    optimize : bool
        Accepted, without effect.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.einsum``; ONNX Einsum.
    """
    arrays = [as_array(x) for x in operands]
    return finish(F.einsum(*arrays, subscripts=subscripts), arrays[0], out)


def kron(a: Any, b: Any) -> Any:
    """Return the Kronecker product.

    Parameters
    ----------
    a, b : array of any shape and dtype

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.kron``.
    """
    a = as_array(a)
    return finish(F.kron(a, as_array(b)), a)


def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """Return the cross product of vectors of 2 or 3 elements along an axis.

    Parameters
    ----------
    a, b : array of any shape and dtype
    axisa : int
        Axis of the vectors in `a`.
    axisb : int
        Axis of the vectors in `b`.
    axisc : int
        Axis of the vectors in the result.
    axis : int, optional
        All three.

    Returns
    -------
    array
        Vectors, or numbers for two vectors of two elements.

    Raises
    ------
    ValueError
        For vectors of another size.

    Notes
    -----
    Source: MXNet's ``mx.np.cross``.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    if not (a.shape[-1] in (2, 3) and b.shape[-1] in (2, 3)):
        raise ValueError("incompatible dimensions for cross product (dimension must be 2 or 3)")

    def part(x: Any, i: int) -> Any:
        return F.index(x, index=(*(slice(None),) * (x.ndim - 1), i))

    def product(i: int, j: int) -> Any:
        inside = i < a.shape[-1] and j < b.shape[-1]
        return F.multiply(part(a, i), part(b, j)) if inside else None

    def minor(i: int, j: int) -> Any:
        first, second = product(i, j), product(j, i)
        if first is None:
            return F.negative(second)
        return first if second is None else F.subtract(first, second)

    if a.shape[-1] == b.shape[-1] == 2:
        return finish(minor(0, 1), a)
    found = F.stack(minor(1, 2), minor(2, 0), minor(0, 1), axis=-1)
    return moveaxis(finish(found, a), -1, axisc)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, out: Any = None) -> Any:
    """Return the sum of a diagonal.

    Parameters
    ----------
    a : array of any shape and dtype
    offset : int
        Number of the diagonal.
    axis1 : int
        First of the two axes.
    axis2 : int
        Second of the two axes.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Without the two axes.

    Notes
    -----
    Source: MXNet's ``mx.np.trace``.
    """
    a = as_array(a)
    return finish(F.sum(diagonal(a, offset, axis1, axis2), axis=-1), a, out)
