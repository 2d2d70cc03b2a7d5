"""Decompositions of matrices and solvers, with MXNet's ``linalg_*`` operators.

The last two axes are the matrices; the others are batches.  16-bit floats compute in float32.
Gradients of what reads one triangle only (`cholesky`, `eigh`) are those on symmetric matrices.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from symgluon import dtypes
from symgluon.errors import DTypeError, ShapeError, SymgluonError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, format_shape
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.checks import equal_dims
from symgluon.ops.families import float_operands, sum_to
from symgluon.ops.state import wants


def wide(x: Any) -> Any:
    """16-bit floats in float32: LAPACK has no smaller type."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


def _lapack(name: str, function: Any, *arrays: Any) -> Any:
    """Run `function`; its failures become ours, its results take the dtype of the operands."""
    dtype = arrays[0].dtype
    try:
        with np.errstate(all="ignore"):
            found = function(*[wide(a) for a in arrays])
    except np.linalg.LinAlgError as error:
        raise SymgluonError(f"{name}: {error}", received=f"a matrix of shape {arrays[0].shape}") from None
    if isinstance(found, tuple):
        return tuple([np.asarray(f, dtype) for f in found])
    return np.asarray(found, dtype)


def spectral_operands(*kinds: Any) -> tuple[Any, ...]:
    """Rule of decompositions: integers become float64, as in MXNet and NumPy."""
    return tuple([t if dtypes.is_float(t) else dtypes.float64 for t in same_dtypes(*kinds)])


def transposed(x: Any) -> Any:
    """Exchange the last two axes."""
    return F.swapaxes(x, axis1=-1, axis2=-2)


def _columns(x: Any) -> Any:
    """Vectors of the last axis as factors of the columns of a matrix."""
    return F.expand_dims(x, axis=-2)


def _square(name: str, x: TensorType) -> tuple[Any, ...]:
    shape = x.known_shape
    if len(shape) < 2 or not equal_dims(shape[-1], shape[-2]):
        raise ShapeError(f"{name}: the last two axes are no square matrix", received=format_shape(shape))
    return shape


def _regular(*shape: int) -> Any:
    """Sample: matrices far from singular."""

    def draw(rng: Any) -> Any:
        n = min(shape[-2:])
        x = rng.standard_normal(shape)
        x[..., np.arange(n), np.arange(n)] += np.arange(2, n + 2) * 1.5
        return x

    return draw


def _definite(*shape: int) -> Any:
    """Sample: symmetric positive definite matrices with distinct eigenvalues."""

    def draw(rng: Any) -> Any:
        x = _regular(*shape)(rng)
        return x @ np.swapaxes(x, -1, -2)

    return draw


def _signs(vectors: Any, axis: int) -> Any:
    """1 or -1 for each vector along `axis`: with it, its largest component is positive (MXNet)."""
    if not vectors.size:
        return np.ones_like(vectors)
    top = np.argmax(np.abs(vectors), axis=axis, keepdims=True)
    return np.where(np.take_along_axis(vectors, top, axis) < 0, -1, 1).astype(vectors.dtype)


def _eigh(x: Any, triangle: str) -> tuple[Any, Any]:
    values, vectors = np.linalg.eigh(x, triangle)  # type: ignore[arg-type]
    return values, vectors * _signs(vectors, -2)


def _svd(x: Any) -> tuple[Any, Any, Any]:
    u, s, v = np.linalg.svd(x, full_matrices=False)
    signs = _signs(v, -1)
    return u * np.swapaxes(signs, -1, -2), s, v * signs


class _OnMatrix(Op):
    """An operator on square float matrices."""

    coerce = staticmethod(float_operands)
    samples: ClassVar[Any] = [S(_regular(3, 3)), S(_regular(2, 2, 2)), S(_regular(1, 1))]


@op(mx="_linalg_det linalg_det _npi_det")
class Det(_OnMatrix):
    """Determinant."""

    def infer(self, a: TensorType) -> TensorType:
        return a.with_shape(_square(self.name, a)[:-2])

    def kernel(self, a: Any) -> Any:
        return _lapack(self.name, np.linalg.det, a)

    def grad(self, ct: Any, y: Any, a: Any) -> Any:
        scale = F.expand_dims(ct * y, axis=(-2, -1))
        return scale * transposed(F.inv(a))

    def onnx(self, g: Any, a: Any) -> Any:
        return g.Det(a)


@op(mx="_linalg_inverse linalg_inverse _npi_inv")
class Inv(_OnMatrix):
    """Inverse."""

    def infer(self, a: TensorType) -> TensorType:
        _square(self.name, a)
        return a

    def kernel(self, a: Any) -> Any:
        return _lapack(self.name, np.linalg.inv, a)

    def grad(self, ct: Any, y: Any, a: Any) -> Any:
        turned = transposed(y)
        return -F.matmul(F.matmul(turned, ct), turned)


@op(mx="_linalg_slogdet linalg_slogdet _npi_slogdet")
class Slogdet(_OnMatrix):
    """Sign, and logarithm of the size, of the determinant."""

    def infer(self, a: TensorType) -> Any:
        y = a.with_shape(_square(self.name, a)[:-2])
        return y, y

    def kernel(self, a: Any) -> Any:
        return _lapack(self.name, lambda x: tuple(np.linalg.slogdet(x)), a)

    def grad(self, ct: Any, y: Any, a: Any) -> Any:
        if ct[1] is None:
            return None
        return F.expand_dims(ct[1], axis=(-2, -1)) * transposed(F.inv(a))


@op()
class Cholesky(Op):
    """Triangular factor of positive definite matrices: ``L L^T``, or ``U^T U`` if not `lower`."""

    lower: bool = True
    coerce = staticmethod(float_operands)

    def infer(self, a: TensorType) -> TensorType:
        _square(self.name, a)
        return a

    def kernel(self, a: Any) -> Any:
        if self.lower:
            return _lapack(self.name, np.linalg.cholesky, a)
        factor = _lapack(self.name, np.linalg.cholesky, np.swapaxes(a, -1, -2))
        return np.swapaxes(factor, -1, -2).copy()

    def grad(self, ct: Any, y: Any, a: Any) -> Any:
        factor, ct = (y, ct) if self.lower else (transposed(y), transposed(ct))
        product = F.tril(F.matmul(transposed(factor), ct))
        halved = product - F.tril(F.triu(product)) * 0.5
        left = F.solve_triangular(factor, halved, transpose=True)
        both = transposed(F.solve_triangular(factor, transposed(left), transpose=True))
        return (both + transposed(both)) * 0.5

    samples = [S(_definite(3, 3)), S(_definite(2, 2, 2), lower=False), S(_definite(1, 1))]


@op()
class SolveTriangular(Op):
    """Solve ``A x = b`` for triangular A, of which only that triangle is read (or ``A^T x = b``)."""

    lower: bool = True
    transpose: bool = False
    coerce = staticmethod(float_operands)

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        n = _square(self.name, a)[-1]
        if b.rank < 2 or not equal_dims(b.known_shape[-2], n):
            raise ShapeError(f"{self.name}: {a} with a right side {b}")
        return b

    def kernel(self, a: Any, b: Any) -> Any:
        triangle = np.tril(a) if self.lower else np.triu(a)
        if self.transpose:
            triangle = np.swapaxes(triangle, -1, -2)
        return _lapack(self.name, np.linalg.solve, triangle, b)

    def grad(self, ct: Any, y: Any, a: Any, b: Any) -> Any:
        gb = F.solve_triangular(a, ct, lower=self.lower, transpose=not self.transpose)
        ga = None
        if wants(0):
            pair = (y, gb) if self.transpose else (gb, y)
            full = -F.matmul(pair[0], transposed(pair[1]))
            ga = sum_to(F.tril(full) if self.lower else F.triu(full), a.shape)
        return ga, gb

    samples = [
        S(_regular(3, 3), (3, 2)),
        S(_regular(2, 2, 2), (2, 2, 3), lower=False),
        S(_regular(2, 2), (2, 1), transpose=True),
    ]


@op(mx="_npi_solve")
class Solve(Op):
    """Solve ``a x = b`` for a vector or a matrix `b`."""

    coerce = staticmethod(spectral_operands)

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        n = _square(self.name, a)[-1]
        rows = b.known_shape[0] if b.rank == 1 else b.known_shape[-2] if b.rank else None
        if rows is None or not equal_dims(rows, n):
            raise ShapeError(f"solve: {a} with a right side {b}")
        return b

    def kernel(self, a: Any, b: Any) -> Any:
        return _lapack(self.name, np.linalg.solve, a, b)

    def grad(self, ct: Any, y: Any, a: Any, b: Any) -> Any:
        gb = F.solve(transposed(a), ct)
        ga = None
        if wants(0):
            left, right = (gb, y) if y.ndim > 1 else (F.expand_dims(gb, axis=1), F.expand_dims(y, axis=1))
            ga = sum_to(-F.matmul(left, transposed(right)), a.shape)
        return ga, gb

    samples = [
        S(_regular(3, 3), (3, 2)),
        S(_regular(3, 3), (3,)),
        S(_regular(2, 2, 2), (2, 2, 1)),
    ]


# ---- spectra -----------------------------------------------------------------------------------------
def _gaps(values: Any) -> Any:
    """One over ``value_j - value_i``, zero on the diagonal."""
    gap = F.expand_dims(values, axis=-2) - F.expand_dims(values, axis=-1)
    one = F.eye(N=values.shape[-1], dtype="bool")
    return F.where(one, np.zeros((), values.dtype), 1.0 / F.where(one, np.ones((), values.dtype), gap))


@op(mx="_npi_eigh")
class Eigh(Op):
    """Eigenvalues (rising) and eigenvectors (columns) of symmetric matrices.

    The largest component of each eigenvector is positive, as in MXNet.
    """

    UPLO: str = "L"
    coerce = staticmethod(spectral_operands)

    def infer(self, a: TensorType) -> Any:
        return a.with_shape(_square(self.name, a)[:-1]), a

    def kernel(self, a: Any) -> Any:
        return _lapack(self.name, lambda x: _eigh(x, self.UPLO), a)

    def grad(self, ct: Any, y: Any, a: Any) -> Any:
        values, vectors = y
        inner = None
        if ct[1] is not None:
            inner = F.matmul(transposed(vectors), ct[1]) * _gaps(values)
        if ct[0] is not None:
            straight = F.eye(N=values.shape[-1], dtype=a.dtype) * _columns(ct[0])
            inner = straight if inner is None else inner + straight
        full = F.matmul(F.matmul(vectors, inner), transposed(vectors))
        return (full + transposed(full)) * 0.5

    samples = [S(_definite(3, 3)), S(_definite(2, 2, 2), UPLO="U")]


@op(mx="_npi_eigvalsh")
class Eigvalsh(Op):
    """Eigenvalues (rising) of symmetric matrices."""

    UPLO: str = "L"
    coerce = staticmethod(spectral_operands)

    def decompose(self, a: Any) -> Any:
        return F.eigh(a, UPLO=self.UPLO)[0]

    samples = [S(_definite(3, 3)), S(_definite(2, 2, 2), UPLO="U")]


def _real(found: Any) -> Any:
    """Real parts of a spectrum; a complex one is refused."""
    parts = found if isinstance(found, tuple) else (found,)
    if any(np.iscomplexobj(p) and np.abs(p.imag).max(initial=0) > 0 for p in parts):
        raise DTypeError("the eigenvalues are complex; there is no complex dtype here")
    real = tuple([p.real for p in parts])
    return real if isinstance(found, tuple) else real[0]


@op(mx="_npi_eig")
class Eig(Op):
    """Eigenvalues and eigenvectors (columns) of matrices whose spectrum is real."""

    no_grad = True
    coerce = staticmethod(spectral_operands)

    def infer(self, a: TensorType) -> Any:
        return a.with_shape(_square(self.name, a)[:-1]), a

    def kernel(self, a: Any) -> Any:
        return _lapack(self.name, lambda x: _real(tuple(np.linalg.eig(x))), a)

    samples = [S(_definite(3, 3)), S(_definite(2, 2, 2))]


@op(mx="_npi_eigvals")
class Eigvals(Op):
    """Eigenvalues of matrices whose spectrum is real."""

    no_grad = True
    coerce = staticmethod(spectral_operands)

    def infer(self, a: TensorType) -> Any:
        return a.with_shape(_square(self.name, a)[:-1])

    def kernel(self, a: Any) -> Any:
        return _lapack(self.name, lambda x: _real(np.linalg.eigvals(x)), a)

    samples = [S(_definite(3, 3)), S(_definite(2, 2, 2))]


@op(mx="_npi_svd")
class Svd(Op):
    """Thin singular value decomposition: ``u``, the values (falling), ``v``; u diag(s) v = a.

    The largest component of each row of v is positive, as in MXNet.
    """

    coerce = staticmethod(float_operands)

    def infer(self, a: TensorType) -> Any:
        shape = a.known_shape
        if len(shape) < 2:
            raise ShapeError("svd: the operand has no matrices", received=format_shape(shape))
        m, n = shape[-2:]
        k = m if m <= n else n
        lead = shape[:-2]
        return a.with_shape((*lead, m, k)), a.with_shape((*lead, k)), a.with_shape((*lead, k, n))

    def kernel(self, a: Any) -> Any:
        return _lapack(self.name, _svd, a)

    def grad(self, ct: Any, y: Any, a: Any) -> Any:
        """Source: J. Townsend, "Differentiating the singular value decomposition" (2016)."""
        (gu, gs, gv), (u, s, v) = ct, y
        ut, vt = transposed(u), transposed(v)
        gaps = _gaps(s * s)
        inner = F.zeros_like(F.matmul(ut, u))
        if gs is not None:
            inner = F.eye(N=s.shape[-1], dtype=a.dtype) * _columns(gs)
        if gu is not None:
            turn = F.matmul(ut, gu)
            inner = inner + (turn - transposed(turn)) * gaps * _columns(s)
        if gv is not None:
            turn = F.matmul(v, transposed(gv))
            inner = inner + F.expand_dims(s, axis=-1) * ((turn - transposed(turn)) * gaps)
        total = F.matmul(F.matmul(u, inner), v)
        if gu is not None:
            rest = gu - F.matmul(u, F.matmul(ut, gu))
            total = total + F.matmul(rest / _columns(s), v)
        if gv is not None:
            rest = gv - F.matmul(F.matmul(gv, vt), v)
            total = total + F.matmul(u / _columns(s), rest)
        return total

    samples = [S(_regular(3, 3)), S(_regular(2, 2, 3)), S(_regular(3, 2))]


@op()
class SvdValues(Op):
    """Singular values, falling."""

    coerce = staticmethod(float_operands)

    def decompose(self, a: Any) -> Any:
        return F.svd(a)[1]

    samples = [S(_regular(3, 3)), S(_regular(2, 2, 3))]


@op(mx="_npi_qr")
class Qr(Op):
    """Factors with orthonormal columns (q) and of upper triangular form (r), reduced."""

    coerce = staticmethod(spectral_operands)

    def infer(self, a: TensorType) -> Any:
        shape = a.known_shape
        if len(shape) < 2:
            raise ShapeError("qr: the operand has no matrices", received=format_shape(shape))
        m, n = shape[-2:]
        k = m if m <= n else n
        return a.with_shape((*shape[:-1], k)), a.with_shape((*shape[:-2], k, n))

    def kernel(self, a: Any) -> Any:
        return _lapack(self.name, lambda x: tuple(np.linalg.qr(x)), a)

    def grad(self, ct: Any, y: Any, a: Any) -> Any:
        """Source: S. Walter et al., "Algorithmic differentiation of linear algebra functions"."""
        q, r = y
        gq = F.zeros_like(q) if ct[0] is None else ct[0]
        gr = F.zeros_like(r) if ct[1] is None else ct[1]
        k, n = r.shape[-2], r.shape[-1]
        lead: tuple[Any, ...] = (slice(None),) * (a.ndim - 1)
        if not (equal_dims(k, n)):  # wide: the further columns are q times those of r
            first, rest = (*lead, slice(0, k)), (*lead, slice(k, None))
            gy = F.matmul(q, F.index(gr, index=rest))
            gq = gq + F.matmul(F.index(a, index=rest), transposed(F.index(gr, index=rest)))
            gx = self._tall(q, F.index(r, index=first), gq, F.index(gr, index=first))
            return F.concatenate(gx, gy, axis=-1)
        return self._tall(q, r, gq, gr)

    def _tall(self, q: Any, r: Any, gq: Any, gr: Any) -> Any:
        m = F.matmul(r, transposed(gr)) - F.matmul(transposed(gq), q)
        both = F.tril(m) + transposed(F.tril(m, k=-1))
        right = gq + F.matmul(q, both)
        return transposed(F.solve_triangular(r, transposed(right), lower=False))

    samples = [S(_regular(3, 3)), S(_regular(2, 3, 2)), S(_regular(2, 3))]


@op(mx="_npi_pinv_scalar_rcond")
class Pinv(Op):
    """Pseudo-inverse; singular values below `rcond` times the largest count as zero."""

    rcond: float = 1e-15
    hermitian: bool = False
    coerce = staticmethod(float_operands)

    def infer(self, a: TensorType) -> TensorType:
        shape = a.known_shape
        if len(shape) < 2:
            raise ShapeError("pinv: the operand has no matrices", received=format_shape(shape))
        return a.with_shape((*shape[:-2], shape[-1], shape[-2]))

    def kernel(self, a: Any) -> Any:
        return _lapack(self.name, lambda x: np.linalg.pinv(x, self.rcond, self.hermitian), a)

    def grad(self, ct: Any, y: Any, a: Any) -> Any:
        """Source: G. Golub and V. Pereyra (1973), for matrices of constant rank."""
        turned = transposed(ct)
        k = F.matmul(turned, y)
        spread = F.matmul(k, transposed(y))
        return (
            spread
            - transposed(F.matmul(y, k))
            - F.matmul(F.matmul(a, y), spread)
            + F.matmul(F.matmul(transposed(y), y), turned - F.matmul(k, a))
        )

    samples = [S(_regular(3, 3)), S(_regular(2, 3, 2)), S(_regular(2, 3))]


# ---- MXNet's linalg family -----------------------------------------------------------------------------
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
        return y if self.axis in (-2, y.ndim - 2) else F.moveaxis(y, source=-2, destination=self.axis)

    samples = [
        S((2, 3), (3, 2), (2, 2)),
        S((2, 3, 2), (2, 4, 3), (2, 2, 4), transpose_a=True, transpose_b=True, alpha=2.0, beta=0.5),
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
        return y if self.axis in (-2, y.ndim - 2) else F.moveaxis(y, source=-2, destination=self.axis)

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

    samples = [S(_definite(3, 3)), S(_definite(2, 2, 2))]


@op(mx="_linalg_potri linalg_potri")
class LinalgPotri(Op):
    """Inverse of ``A A^T`` for a lower triangular A."""

    def decompose(self, A: Any) -> Any:
        eye = F.broadcast_to(F.eye(N=A.shape[-1], dtype=A.dtype), shape=A.shape)
        inverse = F.solve_triangular(A, eye)
        return F.matmul(transposed(inverse), inverse)

    samples = [S(_regular(3, 3)), S(_regular(2, 2, 2))]


class _Triangular(Op):
    transpose: bool = False
    rightside: bool = False
    lower: bool = True
    alpha: float = 1.0
    coerce = staticmethod(float_operands)

    samples: ClassVar[Any] = [
        S(_regular(3, 3), (3, 2)),
        S(_regular(2, 2, 2), (2, 3, 2), rightside=True, alpha=2.0),
        S(_regular(3, 3), (3, 2), transpose=True, lower=False),
        S(_regular(3, 3), (2, 3), transpose=True, rightside=True),
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

    samples = [S(_definite(3, 3)), S(_definite(2, 2, 2))]


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
    """Matrices with the vectors of the last axis as a triangle: inverse of `linalg_extracttrian`."""

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

    samples = [S(_regular(2, 3)), S(_regular(2, 2, 2))]


@op(mx="_linalg_syevd")
class LinalgSyevd(Op):
    """Eigenvectors (rows), then eigenvalues (rising), of symmetric matrices."""

    coerce = staticmethod(float_operands)

    def decompose(self, A: Any) -> Any:
        values, vectors = F.eigh(A)
        return transposed(vectors), values

    samples = [S(_definite(3, 3)), S(_definite(2, 2, 2))]


