"""Products of matrices and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symgluon.errors import ShapeError
from symgluon.ir.attrs import Ints
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import (
    TensorType,
    broadcast_shapes,
    format_shape,
    normalize_axes,
    prod,
)
from symgluon.ops.apply import F, same_dtypes
from symgluon.ops.checks import equal_dims, is_int
from symgluon.ops.families import sum_to
from symgluon.ops.kernels.einsum import Equation, diagonal_mask, parse
from symgluon.ops.lowering import emit
from symgluon.ops.state import wants


def widened(function: Any, *arrays: Any) -> Any:
    """Apply a product to arrays; 16-bit floats are multiplied and summed in float32."""
    dtype = arrays[0].dtype
    with np.errstate(all="ignore"):
        if dtype.itemsize == 2 and dtype.kind in "fV":
            return np.asarray(function(*[a.astype(np.float32) for a in arrays])).astype(dtype)
        return function(*arrays)


def _matmul_into(out: Any, a: Any, b: Any) -> bool:
    """Product into `out`; not of 16-bit floats, which are multiplied in float32."""
    if a.dtype.itemsize == 2 or not a.dtype == b.dtype == out.dtype:
        return False
    np.matmul(a, b, out=out)
    return True


def _swap(x: Any) -> Any:
    """Exchange the last two axes."""
    return F.swapaxes(x, axis1=-1, axis2=-2)


def _multiplications(a: Any, b: Any, turn_a: bool = False, turn_b: bool = False) -> int:
    """Work of a product of matrices; none for a single row, which memory limits in any library."""
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1 if turn_a else -2] < 2:
        return 0
    return int(a.size * b.shape[-2 if turn_b else -1])


#: multiplications from which a session of ONNX Runtime is faster than NumPy's BLAS
_LARGE_PRODUCT = 500_000


def _stretch_each_other(x: Sequence[Any], y: Sequence[Any]) -> bool:
    """Whether each of two shapes has an axis of size 1 where the other has none."""
    rank = max(len(x), len(y))
    padded = [[*(1,) * (rank - len(shape)), *shape] for shape in (x, y)]
    ones = [[is_int(n) and n == 1 for n in shape] for shape in padded]
    pairs = set(zip(*ones, strict=True))
    return {(True, False), (False, True)} <= pairs


@op(mx="_npi_matmul")
class Matmul(Op):
    """Product of matrices over the last two axes; leading axes broadcast, vectors are 1-d."""

    coerce = staticmethod(same_dtypes)
    eager_min: ClassVar[int | None] = _LARGE_PRODUCT

    def eager_work(self, data: Any) -> int:
        """Multiplications."""
        return _multiplications(*data)

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        x, y = a.known_shape, b.known_shape
        if not x or not y:
            raise ShapeError("matmul: a 0-d operand; use multiply", received=f"{a}, {b}")
        inner = y[-2] if len(y) > 1 else y[0]
        if not equal_dims(x[-1], inner):
            raise ShapeError(
                f"matmul: shapes {format_shape(x)} and {format_shape(y)} do not fit: "
                f"{x[-1]} columns against {inner} rows"
            )
        lead = broadcast_shapes(x[:-2], y[:-2])
        return a.with_shape((*lead, *x[-2:-1], *(y[-1:] if len(y) > 1 else ())))

    def kernel(self, a: Any, b: Any) -> Any:
        try:
            return widened(np.matmul, a, b)
        except ValueError:
            self.infer(TensorType(a.shape, a.dtype), TensorType(b.shape, b.dtype))
            raise

    def into(self, out: Any, a: Any, b: Any) -> bool:
        return _matmul_into(out, a, b)

    def grad(self, ct: Any, y: Any, a: Any, b: Any) -> Any:
        left = F.expand_dims(a, axis=0) if a.ndim == 1 else a
        right = F.expand_dims(b, axis=1) if b.ndim == 1 else b
        if b.ndim == 1:
            ct = F.expand_dims(ct, axis=-1)
        if a.ndim == 1:
            ct = F.expand_dims(ct, axis=-2)
        ga = gb = None
        if wants(0):
            ga = sum_to(F.matmul(ct, _swap(right)), left.shape)
            ga = F.reshape(ga, shape=a.shape) if a.ndim == 1 else ga
        if wants(1):
            gb = self._second(ct, left, right)
            gb = F.reshape(gb, shape=b.shape) if b.ndim == 1 else gb
        return ga, gb

    def _second(self, ct: Any, left: Any, right: Any) -> Any:
        """Gradient of the second factor; batches of one matrix are one product."""
        if right.ndim == 2 and left.ndim > 2:
            k, n = left.shape[-1], ct.shape[-1]
            rows = prod(left.shape[:-1])
            return F.matmul(
                _swap(F.reshape(left, shape=(rows, k))), F.reshape(ct, shape=(rows, n))
            )
        return sum_to(F.matmul(_swap(left), ct), right.shape)

    def onnx(self, g: Any, a: Any, b: Any) -> Any:
        x, y = g.shape(a), g.shape(b)
        if _stretch_each_other(x[:-2], y[:-2]):
            # ONNX Runtime's CUDA kernel takes two batches of the same number for the same batch
            lead = broadcast_shapes(x[:-2], y[:-2])
            b = g.Expand(b, g.shape_vector((*lead, *y[-2:])))
        return emit(g, "MatMul", (a, b), g.dtype(a))

    samples = [
        S((2, 3), (3, 4)),
        S((5, 2, 3), (3, 4)),
        S((2, 1, 2, 3), (4, 3, 2)),
        S((2, 1, 2, 3), (1, 2, 3, 2)),
        S((3,), (3,)),
        S((3,), (2, 3, 4)),
        S((2, 2, 3), (3,)),
        S((0, 3), (3, 2)),
        S((2, 0), (0, 3)),
    ]


@op(mx="batch_dot _npx_batch_dot")
class BatchDot(Op):
    """Product of the matrices in two batches, either one transposed first."""

    transpose_a: bool = False
    transpose_b: bool = False
    coerce = staticmethod(same_dtypes)
    eager_min: ClassVar[int | None] = _LARGE_PRODUCT

    def eager_work(self, data: Any) -> int:
        """Multiplications."""
        return _multiplications(data[0], data[1], self.transpose_a, self.transpose_b)

    def kernel(self, lhs: Any, rhs: Any) -> Any:
        a = np.swapaxes(lhs, -1, -2) if self.transpose_a else lhs
        b = np.swapaxes(rhs, -1, -2) if self.transpose_b else rhs
        return widened(np.matmul, a, b)

    def into(self, out: Any, lhs: Any, rhs: Any) -> bool:
        a = np.swapaxes(lhs, -1, -2) if self.transpose_a else lhs
        b = np.swapaxes(rhs, -1, -2) if self.transpose_b else rhs
        return _matmul_into(out, a, b)

    def decompose(self, lhs: Any, rhs: Any) -> Any:
        if lhs.ndim < 3 or rhs.ndim != lhs.ndim:
            raise ShapeError(
                "batch_dot: operands are batches of matrices of one rank",
                received=f"{format_shape(lhs.shape)} and {format_shape(rhs.shape)}",
            )
        a = _swap(lhs) if self.transpose_a else lhs
        b = _swap(rhs) if self.transpose_b else rhs
        return F.matmul(a, b)

    def onnx(self, g: Any, lhs: Any, rhs: Any) -> Any:
        if (
            not g.microsoft
            or g.dtype(lhs) != np.float32
            or not (self.transpose_a | self.transpose_b)
        ):
            return NotImplemented
        flags = {"transA": int(self.transpose_a), "transB": int(self.transpose_b)}
        return g.op("FusedMatMul", (lhs, rhs), domain="com.microsoft", **flags)

    samples = [
        S((2, 3, 4), (2, 4, 2)),
        S((2, 4, 3), (2, 4, 2), transpose_a=True),
        S((2, 3, 4), (2, 2, 4), transpose_b=True),
        S((2, 4, 3), (2, 2, 4), transpose_a=True, transpose_b=True),
    ]


@op(mx="_npi_dot _np_dot")
class Dot(Op):
    """NumPy's ``dot``: last axis of `a` with the last but one of `b`; a product with 0-d."""

    coerce = staticmethod(same_dtypes)
    eager_min: ClassVar[int | None] = _LARGE_PRODUCT

    def eager_work(self, data: Any) -> int:
        """Multiplications."""
        return _multiplications(*data) if data[1].ndim == 2 else 0

    def kernel(self, a: Any, b: Any) -> Any:
        try:
            return widened(np.dot, a, b)
        except ValueError:
            self.infer(TensorType(a.shape, a.dtype), TensorType(b.shape, b.dtype))
            raise

    def decompose(self, a: Any, b: Any) -> Any:
        if a.ndim == 0 or b.ndim == 0:
            return a * b
        if b.ndim <= 2:
            return F.matmul(a, b)
        return F.tensordot(a, b, a_axes=(a.ndim - 1,), b_axes=(b.ndim - 2,))

    samples = [
        S((2, 3), (3, 4)),
        S((3,), (3,)),
        S((2, 3), (3,)),
        S((), (2, 3)),
        S((2, 3), (4, 3, 2)),
        S((2, 2, 3), (3, 2)),
    ]


@op(mx="dot:rank1 _sparse_dot:rank1")
class LegacyDot(Op):
    """MXNet 1.x ``dot``: the last axis of `lhs` with the first of `rhs`.

    A transposed operand has its first axis last (`lhs`), or its last first (`rhs`).
    """

    transpose_a: bool = False
    transpose_b: bool = False
    coerce = staticmethod(same_dtypes)

    def decompose(self, lhs: Any, rhs: Any) -> Any:
        if not lhs.ndim or not rhs.ndim:
            raise ShapeError("dot: a 0-d operand", received=f"{lhs.shape} and {rhs.shape}")
        a, b = lhs.shape, rhs.shape
        turn_a, turn_b = self.transpose_a and lhs.ndim > 1, self.transpose_b and rhs.ndim > 1
        if turn_a:
            left = _swap(F.reshape(lhs, shape=(a[0], prod(a[1:])))) if lhs.ndim > 2 else _swap(lhs)
        else:
            left = F.reshape(lhs, shape=(prod(a[:-1]), a[-1])) if lhs.ndim > 2 else lhs
        if turn_b:
            right = (
                _swap(F.reshape(rhs, shape=(prod(b[:-1]), b[-1]))) if rhs.ndim > 2 else _swap(rhs)
            )
        else:
            right = F.reshape(rhs, shape=(b[0], prod(b[1:]))) if rhs.ndim > 2 else rhs
        product = F.matmul(left, right)
        if lhs.ndim <= 2 and rhs.ndim <= 2:
            return product
        rest_a = a[1:] if turn_a else a[:-1]
        rest_b = b[:-1] if turn_b else b[1:]
        return F.reshape(product, shape=(*rest_a, *rest_b))

    samples = [
        S((2, 3), (3, 4)),
        S((3, 2), (3, 4), transpose_a=True),
        S((2, 3), (4, 3), transpose_b=True),
        S((3,), (3,)),
        S((2, 3), (3,)),
        S((2, 2, 3), (3, 4, 2)),
        S((3, 2, 2), (4, 2, 3), transpose_a=True, transpose_b=True),
    ]


@op()
class Tensordot(Op):
    """Sum over pairs of axes: `a_axes` of `a` with `b_axes` of `b`."""

    a_axes: Ints
    b_axes: Ints
    coerce = staticmethod(same_dtypes)

    def decompose(self, a: Any, b: Any) -> Any:
        left, right = normalize_axes(self.a_axes, a.ndim), normalize_axes(self.b_axes, b.ndim)
        if len(left) != len(right):
            raise ShapeError(f"tensordot: {len(left)} axes against {len(right)}")
        for i, j in zip(left, right, strict=True):
            if not equal_dims(a.shape[i], b.shape[j]):
                raise ShapeError(
                    f"tensordot: axis {i} of {format_shape(a.shape)} and axis {j} of "
                    f"{format_shape(b.shape)} differ"
                )
        rest_a = [i for i in range(a.ndim) if i not in left]
        rest_b = [i for i in range(b.ndim) if i not in right]
        k = prod([a.shape[i] for i in left])
        kept_a, kept_b = [a.shape[i] for i in rest_a], [b.shape[i] for i in rest_b]
        first = F.reshape(_ordered(a, (*rest_a, *left)), shape=(prod(kept_a), k))
        second = F.reshape(_ordered(b, (*right, *rest_b)), shape=(k, prod(kept_b)))
        return F.reshape(F.matmul(first, second), shape=(*kept_a, *kept_b))

    samples = [
        S((2, 3), (3, 4), a_axes=1, b_axes=0),
        S((2, 3, 4), (4, 3, 2), a_axes=(1, 2), b_axes=(1, 0)),
        S((2,), (3,), a_axes=(), b_axes=()),
        S((2, 3), (2, 3), a_axes=(0, -1), b_axes=(0, 1)),
    ]


def _ordered(x: Any, axes: tuple[int, ...]) -> Any:
    return x if axes == tuple(range(x.ndim)) else F.transpose(x, axes=axes)


# ---- einsum ----------------------------------------------------------------------------------
@op(mx="_npi_einsum")
class Einsum(Op):
    """Einstein's summation, in NumPy's notation."""

    subscripts: str
    optimize: int = 0
    coerce = staticmethod(same_dtypes)

    def equation(self, operands: Any) -> Equation:
        """The subscripts with ellipses and result written out."""
        return parse(self.subscripts, [len(o.shape) for o in operands])

    def infer(self, *data: TensorType) -> TensorType:
        equation = self.equation(data)
        sizes = self._sizes(equation, data)
        return data[0].with_shape([sizes[c] for c in equation.output])

    def _sizes(self, equation: Equation, operands: Any) -> dict[str, Any]:
        sizes: dict[str, Any] = {}
        for labels, x in zip(equation.inputs, operands, strict=True):
            for c, n in zip(labels, x.shape, strict=True):
                try:
                    sizes[c] = broadcast_shapes((sizes[c],), (n,))[0] if c in sizes else n
                except ShapeError:
                    raise ShapeError(
                        f"einsum {self.subscripts!r}: {c} is both {sizes[c]} and {n}"
                    ) from None
        return sizes

    def kernel(self, *data: Any) -> Any:
        equation = self.equation(data)
        return widened(lambda *xs: np.einsum(equation.text(), *xs, optimize=len(xs) > 2), *data)

    def grad(self, ct: Any, y: Any, *data: Any) -> Any:
        equation = self.equation(data)
        sizes = self._sizes(equation, data)
        return tuple(
            self._one(ct, equation, sizes, data, i) if wants(i) else None for i in range(len(data))
        )

    def _one(self, ct: Any, equation: Equation, sizes: Any, data: Any, i: int) -> Any:
        """Swap the result for operand `i`; labels that are nowhere else are spread over it."""
        labels = equation.inputs[i]
        own = list(dict.fromkeys(labels))
        others = [
            (s, x) for j, (s, x) in enumerate(zip(equation.inputs, data, strict=True)) if j != i
        ]
        there = set(equation.output).union(*[s for s, _ in others])
        known = [c for c in own if c in there]
        inputs = [equation.output, *[s for s, _ in others]]
        text = Equation(tuple(inputs), "".join(known)).text()
        part = F.einsum(ct, *[x for _, x in others], subscripts=text)
        if len(known) != len(own):
            spread = [sizes[c] if c in there else 1 for c in own]
            part = F.reshape(part, shape=tuple(spread))
        full = tuple([sizes[c] for c in own])
        part = F.broadcast_to(part, shape=full)
        if len(own) != len(labels):
            spread_labels = _distinct(labels)
            text = f"{''.join(own)},{spread_labels}->{spread_labels}"
            part = F.einsum(part, diagonal_mask(labels, sizes, ct.dtype), subscripts=text)
        return sum_to(part, data[i].shape)

    def onnx(self, g: Any, *data: Any) -> Any:
        equation = parse(self.subscripts, [g.rank(x) for x in data])
        return emit(g, "Einsum", data, g.dtype(data[0]), equation=equation.text())

    samples = [
        S((2, 3), (3, 4), subscripts="ij,jk->ik"),
        S((2, 3), subscripts="ij->j"),
        S((2, 3), subscripts="ij->"),
        S((2, 3, 4), (2, 4, 5), subscripts="b...i,bij->b...j"),
        S((3,), (4,), subscripts="i,j"),
        S((2, 3), (3, 4), (4, 2), subscripts="ij,jk,kl->il"),
        S((2, 3), (2, 3), subscripts="ij,ij->i"),
    ]


def _distinct(labels: str) -> str:
    """The first of each label stays; those that repeat one are renamed to unused letters."""
    seen: set[str] = set()
    unused = iter([c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in labels])
    return "".join([c if not (c in seen or seen.add(c)) else next(unused) for c in labels])  # type: ignore[func-returns-value]


@op()
class Inner(Op):
    """Sum over the last axes of both."""

    coerce = staticmethod(same_dtypes)

    def decompose(self, a: Any, b: Any) -> Any:
        if a.ndim == 0 or b.ndim == 0:
            return a * b
        return F.tensordot(a, b, a_axes=(a.ndim - 1,), b_axes=(b.ndim - 1,))

    samples = [S((2, 3), (4, 3)), S((3,), (3,)), S((), (2,))]


@op()
class Outer(Op):
    """Products of all pairs of elements of the flattened operands."""

    coerce = staticmethod(same_dtypes)

    def decompose(self, a: Any, b: Any) -> Any:
        return F.reshape(a, shape=(-1, 1)) * F.reshape(b, shape=(1, -1))

    samples = [S((2,), (3,)), S((2, 2), (3,)), S((), (3,))]


@op(mx="_npi_kron")
class Kron(Op):
    """Kronecker product."""

    coerce = staticmethod(same_dtypes)

    def decompose(self, a: Any, b: Any) -> Any:
        rank = max(a.ndim, b.ndim)
        left = (1,) * (rank - a.ndim) + tuple(a.shape)
        right = (1,) * (rank - b.ndim) + tuple(b.shape)
        spread_a = [d for n in left for d in (n, 1)]
        spread_b = [d for n in right for d in (1, n)]
        product = F.reshape(a, shape=tuple(spread_a)) * F.reshape(b, shape=tuple(spread_b))
        return F.reshape(product, shape=tuple([m * n for m, n in zip(left, right, strict=True)]))

    samples = [S((2, 3), (2, 2)), S((2,), (2, 3)), S((), (2,))]


@op(mx="khatri_rao")
class KhatriRao(Op):
    """Column-wise Kronecker product of matrices with the same number of columns."""

    coerce = staticmethod(same_dtypes)

    def decompose(self, *args: Any) -> Any:
        total = args[0]
        for x in args[1:]:
            if not equal_dims(total.shape[1], x.shape[1]):
                raise ShapeError("khatri_rao: the numbers of columns differ")
            product = F.expand_dims(total, axis=1) * F.expand_dims(x, axis=0)
            total = F.reshape(product, shape=(total.shape[0] * x.shape[0], total.shape[1]))
        return total

    samples = [S((2, 3), (4, 3)), S((2, 3)), S((2, 2), (1, 2), (3, 2))]
