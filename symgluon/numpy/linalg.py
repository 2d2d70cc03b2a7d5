"""`np.linalg`: norms, decompositions and solvers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon.errors import AttributeValueError
from symgluon.numpy.manipulation import reshape
from symgluon.numpy.math import axes as as_axes
from symgluon.numpy.math import keep
from symgluon.numpy.multiarray import as_array, finish
from symgluon.numpy.products import cross, dot, matmul, outer, tensordot, trace
from symgluon.numpy.sorting import diagonal
from symgluon.ops.apply import F

__all__ = [
    "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "inv", "lstsq", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose",
    "multi_dot", "norm", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals",
    "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot", "vector_norm",
]  # fmt: skip


def vecdot(a: Any, b: Any, axis: int | None = None) -> Any:
    """Return the inner products of vectors along `axis` (the last by default).

    Parameters
    ----------
    a, b : array of any shape and dtype
    axis : int, optional
        Axis of the vectors; the last if left out.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.vecdot``.
    """
    a = as_array(a)
    product = F.multiply(a, as_array(b))
    return finish(F.sum(product, axis=-1 if axis is None else axis), a)


def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """Return the product of several matrices.

    Parameters
    ----------
    arrays : sequence of array
        Matrices; the first and last may be vectors.
    out : array, optional
        Gets the result, in its own dtype.

    Returns
    -------
    array
        Of the promoted dtype.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.multi_dot``.
    """
    result = as_array(arrays[0])
    for other in arrays[1:]:
        result = dot(result, other)
    return finish(result, None, out) if out is not None else result


# ---- norms --------------------------------------------------------------------------------------
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """Return the norm of vectors (one axis), matrices (two) or of all elements (no `ord`).

    Parameters
    ----------
    x : array of any shape and dtype
    ord : number or str, optional
        Order: 1, 2, inf, ``fro``, ``nuc``, ...
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.norm``.
    """
    x = as_array(x)
    found = F.norm(x, ord=ord, axis=as_axes(axis), keepdims=keep(keepdims))
    return finish(found, x)


def vector_norm(x: Any, ord: Any = 2, axis: Any = None, keepdims: Any = False) -> Any:
    """Return ``sum(|x| ** ord) ** (1 / ord)`` over `axis`; inf, -inf and 0 as usual.

    Parameters
    ----------
    x : array of any shape and dtype
    ord : number
        Order.
    axis : int or tuple of int, optional
        Axes that are reduced; all if left out.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.vector_norm``.
    """
    x = as_array(x)
    flat = axis is None or not isinstance(axis, int)
    if axis is not None and flat:
        order = [i for i in range(x.ndim) if i not in {a % x.ndim for a in axis}]
        merged = reshape(
            F.transpose(x, axes=(*order, *[a % x.ndim for a in axis])),
            (*[x.shape[i] for i in order], -1),
        )
        found = F.norm(merged, ord=ord, axis=-1)
        if keep(keepdims):
            found = F.expand_dims(found, axis=tuple(sorted(a % x.ndim for a in axis)))
        return finish(found, x)
    return finish(F.norm(x, ord=ord, axis=axis, keepdims=keep(keepdims), flat=flat), x)


def matrix_norm(x: Any, ord: Any = "fro", axis: Any = (-2, -1), keepdims: Any = False) -> Any:
    """Return a norm of the matrices of two axes.

    Parameters
    ----------
    x : array (..., M, N), float
        Matrices.
    ord : number or str
        Order: ``fro``, ``nuc``, 1, 2, inf, ...
    axis : tuple of two int
        Axes of the matrices.
    keepdims : bool
        Keep the reduced axes, with size 1.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Raises
    ------
    ValueError
        Unless `axis` names two axes.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.matrix_norm``.
    """
    if not isinstance(axis, tuple | list) or len(axis) != 2:
        raise AttributeValueError(
            "matrix_norm: axis", expected="two axes, such as (-2, -1)", received=repr(axis)
        )
    return norm(x, ord, tuple(axis), keepdims)


def matrix_transpose(a: Any) -> Any:
    """Return `a` with its last two axes swapped."""
    return as_array(a).mT


def matrix_power(a: Any, n: int) -> Any:
    """Return the n-th power of square matrices (negative: of the inverse).

    Parameters
    ----------
    a : array (..., M, N), float
        Matrices.
    n : int
        Exponent, of any sign.

    Returns
    -------
    array
        Shape of `a`.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.matrix_power``.
    """
    from symgluon.numpy.ranges import eye

    a = as_array(a)
    if n < 0:
        return matrix_power(inv(a), -n)
    if n == 0:
        return as_array(F.broadcast_to(eye(a.shape[-1], dtype=a.dtype), shape=a.shape))
    result = None
    square = a
    while n:
        if n & 1:
            result = square if result is None else matmul(result, square)
        n >>= 1
        square = matmul(square, square) if n else square
    return result


# ---- decompositions and solvers -----------------------------------------------------------------
def _simple(name: str, text: str, results: str) -> Callable[..., Any]:
    def function(a: Any) -> Any:
        a = as_array(a)
        found = finish(getattr(F, name)(a), a)
        return tuple(found) if isinstance(found, list) else found

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"{text}\n\nParameters\n----------\na : array (..., M, N), float\n    Matrices.\n\n"
        f"Returns\n-------\n{results}, float\n\nNotes\n-----\nSource: MXNet's ``mx.np.linalg.{name}``."
    )
    return function


det = _simple("det", "Return the determinants of square matrices.", "array (...)")
slogdet = _simple(
    "slogdet", "Return sign and log of the absolute determinant.", "tuple of two arrays (...)"
)
inv = _simple("inv", "Return the inverses of square matrices.", "array (..., N, N)")
eig = _simple(
    "eig", "Return eigenvalues and eigenvectors of matrices with real eigenvalues.",
    "tuple of array (..., N) and array (..., N, N)",
)  # fmt: skip
eigvals = _simple(
    "eigvals", "Return the eigenvalues of matrices with real eigenvalues.", "array (..., N)"
)
qr_factors = _simple(
    "qr", "Return the reduced QR factors of matrices.",
    "tuple of array (..., M, K) and array (..., K, N)",
)  # fmt: skip
svd_factors = _simple(
    "svd", "Return the singular value decomposition (u, s, v), u s v = a.",
    "tuple of arrays (..., M, M), (..., M) and (..., M, N)",
)  # fmt: skip


def qr(a: Any, mode: str = "reduced") -> Any:
    """Return the reduced QR factors of matrices.

    Parameters
    ----------
    a : array (..., M, N), float
        Matrices.
    mode : str
        ``reduced``.

    Returns
    -------
    tuple of array (..., M, K) and (..., K, N)
        Q and R.

    Raises
    ------
    ValueError
        For another mode.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.qr``.
    """
    if mode not in ("reduced", None):
        raise ValueError("qr: only mode='reduced' is supported")
    return qr_factors(a)


def svd(a: Any) -> Any:
    """Return the singular value decomposition: ``u``, ``s`` (1-d each), ``v``; u s v = a."""
    return svd_factors(a)


def svdvals(a: Any) -> Any:
    """Return the singular values, largest first.

    Parameters
    ----------
    a : array (..., M, N), float
        Matrices.

    Returns
    -------
    array (..., M)
        The values.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.svdvals``.
    """
    return svd_factors(a)[1]


def cholesky(a: Any, upper: bool = False) -> Any:
    """Return the lower (or upper) Cholesky factor of positive definite matrices.

    Parameters
    ----------
    a : array (..., M, N), float
        Matrices.
    upper : bool
        Use, or give, the upper triangle.

    Returns
    -------
    array (..., n, n)
        The factor.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.cholesky``.
    """
    a = as_array(a)
    factor = finish(F.cholesky(a), a)
    return factor.mT if upper else factor


def eigh(a: Any, upper: bool = False) -> Any:
    """Return eigenvalues (ascending) and eigenvectors of symmetric matrices.

    Parameters
    ----------
    a : array (..., M, N), float
        Matrices.
    upper : bool
        Use, or give, the upper triangle.

    Returns
    -------
    tuple of array (..., n) and (..., n, n)
        Values and vectors (columns).

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.eigh``.
    """
    a = as_array(a)
    return tuple(finish(F.eigh(a, UPLO="U" if upper in (True, "U") else "L"), a))


def eigvalsh(a: Any, upper: bool = False) -> Any:
    """Return the eigenvalues of symmetric matrices, ascending.

    Parameters
    ----------
    a : array (..., M, N), float
        Matrices.
    upper : bool
        Use, or give, the upper triangle.

    Returns
    -------
    array (..., n)
        The values.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.eigvalsh``.
    """
    return eigh(a, upper)[0]


def solve(a: Any, b: Any) -> Any:
    """Return x with ``a @ x = b``.

    Parameters
    ----------
    a : array (..., M, N), float
        Matrices.
    b : array of any shape and dtype

    Returns
    -------
    array
        Shape of `b`.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.solve``.
    """
    a = as_array(a)
    return finish(F.solve(a, as_array(b)), a)


def pinv(a: Any, rtol: Any = None, hermitian: bool = False) -> Any:
    """Return the pseudo-inverses of matrices.

    Parameters
    ----------
    a : array (..., M, N), float
        Matrices.
    rtol : float, optional
        Singular values below this part of the largest count as 0; 1e-15 if left out.
    hermitian : bool
        Accepted, without effect.

    Returns
    -------
    array (..., N, M)
        The inverses.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.pinv``.
    """
    a = as_array(a)
    return finish(F.pinv(a, rcond=1e-15 if rtol is None else float(rtol)), a)


def lstsq(a: Any, b: Any, rcond: Any = "warn") -> Any:
    """Return the least-squares solution, residuals, rank and singular values.

    Parameters
    ----------
    a : array (..., M, N), float
        Matrices.
    b : array of any shape and dtype
    rcond : float, optional
        Singular values below this part of the largest count as 0.

    Returns
    -------
    tuple of array
        Solution, residuals, rank, singular values.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.lstsq``.
    """
    import numpy as np

    from symgluon.numpy.creation import constant

    left, right = (as_array(v).numpy_content("lstsq") for v in (a, b))
    least: Any = np.linalg.lstsq
    x, residuals, rank, values = least(left, right, None if rcond == "warn" else rcond)
    return constant(x), constant(residuals), constant(np.asarray(rank)), constant(values)


def matrix_rank(M: Any, rtol: Any = None, hermitian: bool = False) -> Any:
    """Return the ranks of matrices (singular values above ``max * max(M, N) * eps``).

    Parameters
    ----------
    M : array (..., M, N)
    rtol : float, optional
        Singular values below this part of the largest count as 0.
    hermitian : bool
        Whether the matrices are symmetric.

    Returns
    -------
    array, int64
        A number a matrix.

    Raises
    ------
    TraceError
        In a trace: the numbers are needed.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.matrix_rank``.
    """
    import numpy as np

    from symgluon.numpy.creation import constant

    numbers = as_array(M).numpy_content("matrix_rank")
    return constant(np.asarray(np.linalg.matrix_rank(numbers, rtol, hermitian)))


def cond(x: Any, p: Any = None) -> Any:
    """Return the condition number of matrices.

    Parameters
    ----------
    x : array (..., M, N), float
        Matrices.
    p : number or str, optional
        Order of the norm; 2 if left out.

    Returns
    -------
    array
        Without the reduced axes, or with size 1 for them.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.cond``.
    """
    x = as_array(x)
    if p in (None, 2, -2):
        values = svdvals(x)
        ends = [F.index(values, index=(*(slice(None),) * (values.ndim - 1), i)) for i in (0, -1)]
        return finish(F.true_divide(*(ends if p != -2 else ends[::-1])), x)
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """Return the inverse of `a` as a map of tensors whose first `ind` axes are the result's.

    Parameters
    ----------
    a : array of any shape and dtype
    ind : int
        Number of leading axes.

    Returns
    -------
    array
        Shape ``a.shape[ind:] + a.shape[:ind]``.

    Raises
    ------
    ValueError
        If `ind` is below 1.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.tensorinv``.
    """
    a = as_array(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    lead, rest = tuple(a.shape[:ind]), tuple(a.shape[ind:])
    n = 1
    for size in rest:
        n = n * size
    return reshape(inv(reshape(a, (n, -1))), (*rest, *lead))


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """Return x with ``tensordot(a, x, x.ndim) = b``.

    Parameters
    ----------
    a, b : array of any shape and dtype
    axes : sequence of int, optional
        Axes of `a` that go to its end first.

    Returns
    -------
    array
        Shape ``a.shape[b.ndim:]``.

    Notes
    -----
    Source: MXNet's ``mx.np.linalg.tensorsolve``.
    """
    a, b = as_array(a), as_array(b)
    if axes is not None:
        order = [i for i in range(a.ndim) if i not in axes] + list(axes)
        a = as_array(F.transpose(a, axes=tuple(order)))
    shape = tuple(a.shape[b.ndim :])
    n = 1
    for size in shape:
        n = n * size
    return reshape(solve(reshape(a, (-1, n)), reshape(b, (-1,))), shape)
