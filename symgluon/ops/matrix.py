"""Decompositions of matrices and solvers.

The last two axes are the matrices; the others are batches.  16-bit floats compute in float32.
Gradients of what reads one triangle only (`cholesky`, `eigh`) are those on symmetric matrices.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from symgluon import dtypes
from symgluon.errors import DTypeError, ShapeError, SymgluonError
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType, broadcast_shapes, format_shape
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.checks import equal_dims
from symgluon.ops.dynamic import unknown_size
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
        raise SymgluonError(
            f"{name}: {error}", received=f"a matrix of shape {arrays[0].shape}"
        ) from None
    if isinstance(found, tuple):
        return tuple([np.asarray(f, dtype) for f in found])
    return np.asarray(found, dtype)


def spectral_operands(*kinds: Any) -> tuple[Any, ...]:
    """Rule of decompositions: integers become float64, as in MXNet and NumPy."""
    return tuple([t if dtypes.is_float(t) else dtypes.float64 for t in same_dtypes(*kinds)])


def transposed(x: Any) -> Any:
    """Exchange the last two axes."""
    return F.swapaxes(x, axis1=-1, axis2=-2)


def columns(x: Any) -> Any:
    """Vectors of the last axis as factors of the columns of a matrix."""
    return F.expand_dims(x, axis=-2)


def _square(name: str, x: TensorType) -> tuple[Any, ...]:
    shape = x.known_shape
    if len(shape) < 2 or not equal_dims(shape[-1], shape[-2]):
        raise ShapeError(
            f"{name}: the last two axes are no square matrix", received=format_shape(shape)
        )
    return shape


def regular(*shape: int) -> Any:
    """Sample: matrices far from singular."""

    def draw(rng: Any) -> Any:
        n = min(shape[-2:])
        x = rng.standard_normal(shape)
        x[..., np.arange(n), np.arange(n)] += np.arange(2, n + 2) * 1.5
        return x

    return draw


def definite(*shape: int) -> Any:
    """Sample: symmetric positive definite matrices with distinct eigenvalues."""

    def draw(rng: Any) -> Any:
        x = regular(*shape)(rng)
        return x @ np.swapaxes(x, -1, -2)

    return draw


def _signs(vectors: Any, axis: int) -> Any:
    """1 or -1 for each vector along `axis`: with it, its largest component is positive (MXNet)."""
    if not vectors.size:
        return np.ones_like(vectors)
    top = np.argmax(np.abs(vectors), axis=axis, keepdims=True)
    return np.where(np.take_along_axis(vectors, top, axis) < 0, -1, 1).astype(vectors.dtype)


def _eigh(x: Any, triangle: str) -> tuple[Any, Any]:
    values, vectors = np.linalg.eigh(x, triangle)  # type: ignore[call-overload]
    return values, vectors * _signs(vectors, -2)


def _svd(x: Any) -> tuple[Any, Any, Any]:
    u, s, v = np.linalg.svd(x, full_matrices=False)
    signs = _signs(v, -1)
    return u * np.swapaxes(signs, -1, -2), s, v * signs


class _OnMatrix(Op):
    """An operator on square float matrices."""

    coerce = staticmethod(float_operands)
    samples: ClassVar[Any] = [S(regular(3, 3)), S(regular(2, 2, 2)), S(regular(1, 1))]


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


@op(mx="_npi_cholesky")
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

    samples = [S(definite(3, 3)), S(definite(2, 2, 2), lower=False), S(definite(1, 1))]


def _batched(a: TensorType, b: TensorType) -> TensorType:
    """Type of the solutions: the batches of matrices and right sides broadcast."""
    lead = broadcast_shapes(a.known_shape[:-2], b.known_shape[:-2])
    return b.with_shape((*lead, *b.known_shape[-2:]))


@op()
class SolveTriangular(Op):
    """Solve ``A x = b`` (or ``A^T x = b``) for triangular A, reading only its triangle."""

    lower: bool = True
    transpose: bool = False
    coerce = staticmethod(float_operands)

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        n = _square(self.name, a)[-1]
        if b.rank < 2 or not equal_dims(b.known_shape[-2], n):
            raise ShapeError(f"{self.name}: {a} with a right side {b}")
        return _batched(a, b)

    def kernel(self, a: Any, b: Any) -> Any:
        triangle = np.tril(a) if self.lower else np.triu(a)
        if self.transpose:
            triangle = np.swapaxes(triangle, -1, -2)
        return _lapack(self.name, np.linalg.solve, triangle, b)

    def grad(self, ct: Any, y: Any, a: Any, b: Any) -> Any:
        full = F.solve_triangular(a, ct, lower=self.lower, transpose=not self.transpose)
        gb = sum_to(full, b.shape)
        ga = None
        if wants(0):
            pair = (y, full) if self.transpose else (full, y)
            full = -F.matmul(pair[0], transposed(pair[1]))
            ga = sum_to(F.tril(full) if self.lower else F.triu(full), a.shape)
        return ga, gb

    samples = [
        S(regular(3, 3), (3, 2)),
        S(regular(2, 2, 2), (2, 2, 3), lower=False),
        S(regular(2, 2), (2, 1), transpose=True),
        S(regular(2, 2), (3, 2, 1)),
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
        return b.with_shape(a.known_shape[:-1]) if b.rank == 1 else _batched(a, b)

    def kernel(self, a: Any, b: Any) -> Any:
        return _lapack(self.name, np.linalg.solve, a, b)

    def grad(self, ct: Any, y: Any, a: Any, b: Any) -> Any:
        if b.ndim == 1:  # a vector is a matrix of one column
            ct, y = F.expand_dims(ct, axis=-1), F.expand_dims(y, axis=-1)
        full = F.solve(transposed(a), ct)
        ga = sum_to(-F.matmul(full, transposed(y)), a.shape) if wants(0) else None
        return ga, sum_to(F.squeeze(full, axis=-1) if b.ndim == 1 else full, b.shape)

    samples = [
        S(regular(3, 3), (3, 2)),
        S(regular(3, 3), (3,)),
        S(regular(2, 2, 2), (2, 2, 1)),
        S(regular(2, 2, 2), (2,)),
        S(regular(2, 2), (3, 2, 1)),
    ]


# ---- spectra ---------------------------------------------------------------------------------
def _gaps(values: Any) -> Any:
    """One over ``value_j - value_i``, zero on the diagonal."""
    gap = F.expand_dims(values, axis=-2) - F.expand_dims(values, axis=-1)
    one = F.eye(N=values.shape[-1], dtype="bool")
    return F.where(
        one, np.zeros((), values.dtype), 1.0 / F.where(one, np.ones((), values.dtype), gap)
    )


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
            straight = F.eye(N=values.shape[-1], dtype=a.dtype) * columns(ct[0])
            inner = straight if inner is None else inner + straight
        full = F.matmul(F.matmul(vectors, inner), transposed(vectors))
        return (full + transposed(full)) * 0.5

    samples = [S(definite(3, 3)), S(definite(2, 2, 2), UPLO="U")]


@op(mx="_npi_eigvalsh")
class Eigvalsh(Op):
    """Eigenvalues (rising) of symmetric matrices."""

    UPLO: str = "L"
    coerce = staticmethod(spectral_operands)

    def decompose(self, a: Any) -> Any:
        return F.eigh(a, UPLO=self.UPLO)[0]

    samples = [S(definite(3, 3)), S(definite(2, 2, 2), UPLO="U")]


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

    samples = [S(definite(3, 3)), S(definite(2, 2, 2))]


@op(mx="_npi_eigvals")
class Eigvals(Op):
    """Eigenvalues of matrices whose spectrum is real."""

    no_grad = True
    coerce = staticmethod(spectral_operands)

    def infer(self, a: TensorType) -> Any:
        return a.with_shape(_square(self.name, a)[:-1])

    def kernel(self, a: Any) -> Any:
        return _lapack(self.name, lambda x: _real(np.linalg.eigvals(x)), a)

    samples = [S(definite(3, 3)), S(definite(2, 2, 2))]


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
            inner = F.eye(N=s.shape[-1], dtype=a.dtype) * columns(gs)
        if gu is not None:
            turn = F.matmul(ut, gu)
            inner = inner + (turn - transposed(turn)) * gaps * columns(s)
        if gv is not None:
            turn = F.matmul(v, transposed(gv))
            inner = inner + F.expand_dims(s, axis=-1) * ((turn - transposed(turn)) * gaps)
        total = F.matmul(F.matmul(u, inner), v)
        if gu is not None:
            rest = gu - F.matmul(u, F.matmul(ut, gu))
            total = total + F.matmul(rest / columns(s), v)
        if gv is not None:
            rest = gv - F.matmul(F.matmul(gv, vt), v)
            total = total + F.matmul(u / columns(s), rest)
        return total

    samples = [S(regular(3, 3)), S(regular(2, 2, 3)), S(regular(3, 2))]


@op()
class SvdValues(Op):
    """Singular values, falling."""

    coerce = staticmethod(float_operands)

    def decompose(self, a: Any) -> Any:
        return F.svd(a)[1]

    samples = [S(regular(3, 3)), S(regular(2, 2, 3))]


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

    samples = [S(regular(3, 3)), S(regular(2, 3, 2)), S(regular(2, 3))]


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

    samples = [S(regular(3, 3)), S(regular(2, 3, 2)), S(regular(2, 3))]


@op()
class Lstsq(Op):
    """Least squares: x that makes ``|a x - b|`` smallest, residuals, rank, singular values.

    `rcond` as in NumPy: smaller singular values, relative to the largest, count as zero.
    """

    rcond: float = -1.0
    no_grad = True
    data_dependent = True
    coerce = staticmethod(float_operands)

    def infer(self, a: TensorType, b: TensorType) -> Any:
        if (
            a.rank != 2
            or b.rank not in (1, 2)
            or not equal_dims(a.known_shape[0], b.known_shape[0])
        ):
            raise ShapeError(f"lstsq: {a} with a right side {b}")
        (m, n), rest = a.known_shape, b.known_shape[1:]
        k = m if m <= n else n
        residuals = unknown_size("residuals", "lstsq")
        rank = TensorType((), np.dtype(np.int32))
        return b.with_shape((n, *rest)), b.with_shape((residuals,)), rank, a.with_shape((k,))

    def kernel(self, a: Any, b: Any) -> Any:
        try:
            x, residuals, rank, values = np.linalg.lstsq(wide(a), wide(b), self.rcond)
        except np.linalg.LinAlgError as error:
            raise SymgluonError(f"lstsq: {error}", received=f"{a.shape}, {b.shape}") from None
        return (
            np.asarray(x, a.dtype),
            np.asarray(residuals, a.dtype),
            np.asarray(rank, np.int32),
            np.asarray(values, a.dtype),
        )

    samples = [S((5, 3), (5, 2)), S((4, 2), (4,)), S((2, 3), (2,))]
