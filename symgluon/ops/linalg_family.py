"""MXNet's ``linalg_*`` operators, composed of products, triangles and decompositions."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ir.op import Op, S, op
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.families import float_operands
from symgluon.ops.matrix import definite, regular, transposed


def _rows_at(x: Any, axis: int) -> Any:
    """Bring the axis of the rows before the last one."""
    return x if axis in (-2, x.ndim - 2) else F.moveaxis(x, source=axis, destination=-2)


def _product(a: Any, b: Any, transpose_a: bool, transpose_b: bool, alpha: float, axis: int) -> Any:
    left, right = _rows_at(a, axis), _rows_at(b, axis)
    left = transposed(left) if transpose_a else left
    right = transposed(right) if transpose_b else right
    y = F.matmul(left, right)
    return y if alpha == 1 else y * alpha


@op(mx="_linalg_gemm linalg_gemm")
class LinalgGemm(Op):
    """``alpha op(A) op(B) + beta C``; the rows of the matrices lie on `axis`."""

    transpose_a: bool = False
    transpose_b: bool = False
    alpha: float = 1.0
    beta: float = 1.0
    axis: int = -2
    coerce = staticmethod(same_dtypes)

    def decompose(self, A: Any, B: Any, C: Any) -> Any:
        y = _product(A, B, self.transpose_a, self.transpose_b, self.alpha, self.axis)
        y = y + _rows_at(C, self.axis) * self.beta
        return (
            y if self.axis in (-2, y.ndim - 2) else F.moveaxis(y, source=-2, destination=self.axis)
        )

    samples = [
        S((2, 3), (3, 2), (2, 2)),
        S(
            (2, 3, 2),
            (2, 4, 3),
            (2, 2, 4),
            transpose_a=True,
            transpose_b=True,
            alpha=2.0,
            beta=0.5,
        ),
        S((2, 5, 3), (3, 5, 2), (2, 5, 2), axis=0),
    ]


@op(mx="_linalg_gemm2 linalg_gemm2")
class LinalgGemm2(Op):
    """``alpha op(A) op(B)``; the rows of the matrices lie on `axis`."""

    transpose_a: bool = False
    transpose_b: bool = False
    alpha: float = 1.0
    axis: int = -2
    coerce = staticmethod(same_dtypes)

    def decompose(self, A: Any, B: Any) -> Any:
        y = _product(A, B, self.transpose_a, self.transpose_b, self.alpha, self.axis)
        return (
            y if self.axis in (-2, y.ndim - 2) else F.moveaxis(y, source=-2, destination=self.axis)
        )

    samples = [
        S((2, 3), (3, 2)),
        S((2, 3, 2), (2, 4, 3), transpose_a=True, transpose_b=True, alpha=2.0),
    ]


@op(mx="_linalg_syrk linalg_syrk")
class LinalgSyrk(Op):
    """``alpha A A^T``, or ``alpha A^T A``."""

    transpose: bool = False
    alpha: float = 1.0

    def decompose(self, A: Any) -> Any:
        pair = (transposed(A), A) if self.transpose else (A, transposed(A))
        y = F.matmul(*pair)
        return y if self.alpha == 1 else y * self.alpha

    samples = [S((2, 3)), S((2, 3, 2), transpose=True, alpha=0.5)]


@op(mx="_linalg_potrf linalg_potrf")
class LinalgPotrf(Op):
    """Lower Cholesky factor."""

    def decompose(self, A: Any) -> Any:
        return F.cholesky(A)

    samples = [S(definite(3, 3)), S(definite(2, 2, 2))]


@op(mx="_linalg_potri linalg_potri")
class LinalgPotri(Op):
    """Inverse of ``A A^T`` for a lower triangular A."""

    def decompose(self, A: Any) -> Any:
        eye = F.broadcast_to(F.eye(N=A.shape[-1], dtype=A.dtype), shape=A.shape)
        inverse = F.solve_triangular(A, eye)
        return F.matmul(transposed(inverse), inverse)

    samples = [S(regular(3, 3)), S(regular(2, 2, 2))]


class _Triangular(Op):
    transpose: bool = False
    rightside: bool = False
    lower: bool = True
    alpha: float = 1.0
    coerce = staticmethod(float_operands)

    samples: ClassVar[Any] = [
        S(regular(3, 3), (3, 2)),
        S(regular(2, 2, 2), (2, 3, 2), rightside=True, alpha=2.0),
        S(regular(3, 3), (3, 2), transpose=True, lower=False),
        S(regular(3, 3), (2, 3), transpose=True, rightside=True),
    ]


@op(mx="_linalg_trmm linalg_trmm")
class LinalgTrmm(_Triangular):
    """``alpha op(A) B`` for triangular A, or ``alpha B op(A)``."""

    def decompose(self, A: Any, B: Any) -> Any:
        triangle = F.tril(A) if self.lower else F.triu(A)
        triangle = transposed(triangle) if self.transpose else triangle
        y = F.matmul(B, triangle) if self.rightside else F.matmul(triangle, B)
        return y if self.alpha == 1 else y * self.alpha


@op(mx="_linalg_trsm linalg_trsm")
class LinalgTrsm(_Triangular):
    """Solve ``op(A) X = alpha B`` for triangular A, or ``X op(A) = alpha B``."""

    def decompose(self, A: Any, B: Any) -> Any:
        right = B if self.alpha == 1 else B * self.alpha
        if not self.rightside:
            return F.solve_triangular(A, right, lower=self.lower, transpose=self.transpose)
        found = F.solve_triangular(
            A, transposed(right), lower=self.lower, transpose=not self.transpose
        )
        return transposed(found)


@op(mx="_linalg_sumlogdiag:rank1 linalg_sumlogdiag:rank1")
class LinalgSumlogdiag(Op):
    """Sum of the logarithms of the diagonal."""

    def decompose(self, A: Any) -> Any:
        return F.sum(F.log(F.diagonal(A, axis1=-2, axis2=-1)), axis=-1)

    samples = [S(definite(3, 3)), S(definite(2, 2, 2))]


@op(mx="_linalg_extractdiag linalg_extractdiag")
class LinalgExtractdiag(Op):
    """The diagonal `offset` of each matrix."""

    offset: int = 0

    def decompose(self, A: Any) -> Any:
        return F.diagonal(A, offset=self.offset, axis1=-2, axis2=-1)

    samples = [S((3, 3)), S((2, 3, 3), offset=1), S((3, 3), offset=-2)]


def _triangle(n: int, offset: int, lower: bool) -> Any:
    """Rows and columns of a triangle: below (row by row) or above (column by column)."""
    if offset > 0 or (offset == 0 and not lower):
        return np.tril_indices(n, -offset)[::-1]
    return np.tril_indices(n, offset)


@op(mx="_linalg_extracttrian linalg_extracttrian")
class LinalgExtracttrian(Op):
    """A triangle of each matrix as a vector; a positive `offset` means the upper one.

    The lower triangle is read row by row, the upper one column by column.
    """

    offset: int = 0
    lower: bool = True

    def decompose(self, A: Any) -> Any:
        n = int(A.shape[-1])
        rows, columns = _triangle(n, self.offset, self.lower)
        flat = F.reshape(A, shape=(*A.shape[:-2], n * n))
        return F.take(flat, rows * n + columns, axis=-1)

    samples = [S((3, 3)), S((2, 3, 3), offset=1), S((3, 3), offset=-1), S((3, 3), lower=False)]


@op(mx="_linalg_maketrian linalg_maketrian")
class LinalgMaketrian(Op):
    """Matrices with the last axis as a triangle: inverse of `linalg_extracttrian`."""

    offset: int = 0
    lower: bool = True

    def decompose(self, A: Any) -> Any:
        count = int(A.shape[-1])
        k = int((np.sqrt(8 * count + 1) - 1) / 2)
        if k * (k + 1) // 2 != count:
            raise ShapeError(f"linalg_maketrian: {count} elements make no triangle")
        n = k + abs(self.offset)
        rows, columns = _triangle(n, self.offset, self.lower)
        flat = F.take_grad(A, rows * n + columns, size=n * n, axis=A.ndim - 1)
        return F.reshape(flat, shape=(*A.shape[:-1], n, n))

    samples = [S((6,)), S((2, 3), offset=1), S((3,), offset=-1), S((3,), lower=False)]


@op(mx="_linalg_gelqf linalg_gelqf")
class LinalgGelqf(Op):
    """Factors of A: lower triangular times one with orthonormal rows (that one comes first)."""

    coerce = staticmethod(float_operands)

    def decompose(self, A: Any) -> Any:
        q, r = F.qr(transposed(A))
        return transposed(q), transposed(r)

    samples = [S(regular(2, 3)), S(regular(2, 2, 2))]


@op(mx="_linalg_syevd")
class LinalgSyevd(Op):
    """Eigenvectors (rows), then eigenvalues (rising), of symmetric matrices."""

    coerce = staticmethod(float_operands)

    def decompose(self, A: Any) -> Any:
        values, vectors = F.eigh(A)
        return transposed(vectors), values

    samples = [S(definite(3, 3)), S(definite(2, 2, 2))]
