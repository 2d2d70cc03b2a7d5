"""Families of operators: unary and binary as rows, reductions as small classes.

What a family has in common is written here once (broadcasting and its gradient, axes and
keepdims); a row gives the NumPy function, the gradient, the ONNX operator and MXNet's names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from symgluon import dtypes
from symgluon.errors import DTypeError, UnsupportedOpError
from symgluon.ir.attrs import Axes
from symgluon.ir.dims import Dim, current_scope
from symgluon.ir.op import Op, S, Sample, register
from symgluon.ir.types import TensorType, broadcast_shapes, normalize_axes
from symgluon.ops.apply import KEEP_FLOATS, F, same_dtypes
from symgluon.ops.lowering import emit, reduce_emit
from symgluon.ops.state import wants

UNARY_SAMPLES = [S((2, 3)), S(()), S((0, 3)), S((1, 4, 1))]
BINARY_SAMPLES = [S((2, 3), (2, 3)), S((2, 1, 3), (4, 1)), S((), (3,)), S((0, 3), (1, 3))]
REDUCE_SAMPLES = [
    S((2, 3)),
    S((2, 3, 4), axis=1),
    S((2, 3, 4), axis=(0, -1), keepdims=True),
    S((2, 1, 3), axis=-1),
    S((), axis=None),
]


def float_operands(*kinds: Any) -> tuple[Any, ...]:
    """Rule (`Op.coerce`): integers become the default float, floats stay as they are."""
    shared = same_dtypes(*kinds)
    return tuple(dtypes.float_of(t) for t in shared)


def math_operands(*kinds: Any) -> tuple[Any, ...]:
    """Rule (`Op.coerce`) of `exp` and its like: small integers become float16, others float32."""
    return tuple(dtypes.math_type(t) for t in same_dtypes(*kinds))


def number_operands(*kinds: Any) -> tuple[Any, ...]:
    """Rule of arithmetic that MXNet refuses for bools.

    Raises
    ------
    DTypeError
        If all operands are bools.
    """
    shared = same_dtypes(*kinds)
    if shared[0].kind == "b":
        raise DTypeError(
            "arithmetic that is not defined for bools",
            received="bool",
            hint="Cast with astype('int32'), or use a logical operator.",
        )
    return shared


KEEP_FLOATS.update((float_operands, math_operands, number_operands))


def sum_to(x: Any, shape: Sequence[Any]) -> Any:
    """Sum a broadcast cotangent back to `shape`."""
    lead = x.ndim - len(shape)
    axes = list(range(lead))
    for i, n in enumerate(shape):
        if _is_one(n) and not _is_one(x.shape[lead + i]):
            axes.append(lead + i)
    if not axes:
        return x
    x = F.sum(x, axis=tuple(axes), keepdims=True)
    return F.reshape(x, shape=tuple(shape)) if lead else x


def _is_one(n: Any) -> bool:
    """Whether a size is 1, also by what the guards of the trace have taught (asks none)."""
    if isinstance(n, Dim):
        scope = current_scope()
        n = n if scope is None else scope.resolve(n)
    return isinstance(n, int) and n == 1


def _declare(base: type[Op], name: str, members: dict[str, Any], mx: str, doc: str) -> type[Op]:
    members["__doc__"] = doc
    members["__module__"] = __name__
    title = "".join(part.capitalize() for part in name.split("_"))
    cls = type(title, (base,), members)
    register(cls, name, mx)
    return cls


@np.errstate(all="ignore")
def quietly(function: Callable[..., Any], *args: Any) -> Any:
    """Call a NumPy function: infinities and NaN are values here, as in MXNet, not warnings."""
    return function(*args)  # (the decorator costs half of what a `with` does)


def _into(function: Any, given: bool = False) -> Callable[..., bool] | None:
    """The facet `into` of an elementwise operator whose kernel is a ufunc of NumPy's."""
    if not given and not isinstance(function, np.ufunc):
        return None

    def into(self: Op, out: Any, *arrays: Any) -> bool:
        function(*arrays, out=out)
        return True

    return into


# ---- unary -----------------------------------------------------------------------------------
class Unary(Op):
    """Elementwise function of one operand."""

    ufunc: ClassVar[Callable[..., Any]]
    rule: ClassVar[Callable[..., Any] | None] = None
    onnx_name: ClassVar[Any] = None
    result: ClassVar[str] = "same"  # same | bool
    inplace = ((0, 0),)
    samples = UNARY_SAMPLES

    def infer(self, x: TensorType) -> TensorType:
        return x if self.result == "same" else x.with_dtype(np.dtype(bool))

    def kernel(self, x: Any) -> Any:
        return quietly(type(self).ufunc, x)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        rule = type(self).rule
        return None if rule is None else rule(ct, y, x)

    def onnx(self, g: Any, x: Any) -> Any:
        how = type(self).onnx_name
        if how is None:
            return NotImplemented
        return emit(g, how, (x,), g.dtype(x)) if isinstance(how, str) else how(g, x)


def unary(
    name: str,
    ufunc: Callable[..., Any],
    *,
    grad: Callable[..., Any] | None = None,
    onnx: Any = None,
    mx: str = "",
    floats: bool = True,
    bools: bool = True,
    result: str = "same",
    doc: str = "",
    samples: list[Sample] | None = None,
    eager_min: int | None = None,
    into: Callable[..., Any] | None = None,
) -> type[Op]:
    """Declare an elementwise function of one operand.

    Parameters
    ----------
    grad : callable or None
        ``(ct, y, x) -> ct_x`` in operators; None: the function has no gradient.
    onnx : str or callable
        ONNX operator, or ``(g, x) -> name``.
    floats : bool
        Integer operands are cast to a float (`exp`), not kept (`abs`).
    bools : bool
        Bools are taken too.
    result : str
        ``same`` dtype or ``bool``.
    into : callable, optional
        ``(x, out)`` writes the function of `x` to `out`, where `ufunc` is not one of NumPy's.
    """
    members: dict[str, Any] = {
        "ufunc": staticmethod(ufunc),
        "into": _into(ufunc if into is None else into, into is not None),
        "rule": None if grad is None else staticmethod(grad),
        "onnx_name": onnx if onnx is None or isinstance(onnx, str) else staticmethod(onnx),
        "result": result,
        "no_grad": grad is None,
        "eager_min": eager_min,
    }
    if floats:
        members["coerce"] = staticmethod(math_operands)
    elif not bools:
        members["coerce"] = staticmethod(number_operands)
    if result == "bool":
        members["inplace"] = ()
    if samples is not None:
        members["samples"] = samples
    return _declare(Unary, name, members, mx, doc or f"Elementwise {name} of `x`.")


# ---- binary ----------------------------------------------------------------------------------
class Binary(Op):
    """Elementwise function of two operands that broadcast."""

    ufunc: ClassVar[Callable[..., Any]]
    rules: ClassVar[tuple[Callable[..., Any] | None, ...] | None] = None
    onnx_name: ClassVar[Any] = None
    result: ClassVar[str] = "same"
    coerce = staticmethod(same_dtypes)
    inplace = ((0, 0), (0, 1))
    samples = BINARY_SAMPLES

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        shape = a.shape if a.shape is b.shape else broadcast_shapes(a.shape, b.shape)
        return TensorType(shape, a.dtype if self.result == "same" else np.dtype(bool))

    def kernel(self, a: Any, b: Any) -> Any:
        try:
            return quietly(type(self).ufunc, a, b)
        except ValueError:
            broadcast_shapes(a.shape, b.shape)  # says it in our words
            raise

    def grad(self, ct: Any, y: Any, a: Any, b: Any) -> Any:
        rules = type(self).rules
        if rules is None:
            return None, None
        first, second = rules
        ga = sum_to(first(ct, y, a, b), a.shape) if first is not None and wants(0) else None
        gb = sum_to(second(ct, y, a, b), b.shape) if second is not None and wants(1) else None
        return ga, gb

    def onnx(self, g: Any, a: Any, b: Any) -> Any:
        how = type(self).onnx_name
        if how is None:
            return NotImplemented
        a, b = g.levelled(a, b), g.levelled(b, a)
        if not isinstance(how, str):
            return how(g, a, b)
        return emit(g, how, (a, b), g.dtype(a), back=self.result == "same")


def binary(
    name: str,
    ufunc: Callable[..., Any],
    *,
    grad: tuple[Callable[..., Any] | None, Callable[..., Any] | None] | None = None,
    onnx: Any = None,
    mx: str = "",
    floats: bool = False,
    result: str = "same",
    doc: str = "",
    samples: list[Sample] | None = None,
    coerce: Callable[..., Any] | None = None,
) -> type[Op]:
    """Declare an elementwise function of two operands.

    Parameters
    ----------
    grad : pair of callables, optional
        ``(ct, y, a, b) -> ct_a`` and ``-> ct_b`` before summing to the operand's shape; None: the
        function has no gradient.
    onnx : str or callable
        ONNX operator, or ``(g, a, b) -> name``.
    coerce : callable, optional
        The rule of the operands' dtypes, if it is neither the common one nor `floats`.
    """
    members: dict[str, Any] = {
        "ufunc": staticmethod(ufunc),
        "into": _into(ufunc),
        "rules": grad,
        "onnx_name": onnx if onnx is None or isinstance(onnx, str) else staticmethod(onnx),
        "result": result,
        "no_grad": grad is None,
    }
    if coerce is not None or floats:
        members["coerce"] = staticmethod(coerce or float_operands)
    if result == "bool":
        members["inplace"] = ()
    if samples is not None:
        members["samples"] = samples
    return _declare(Binary, name, members, mx, doc or f"Elementwise {name} of `a` and `b`.")


# ---- reductions ------------------------------------------------------------------------------
def reduced_shape(shape: Sequence[Any], axis: Any, keepdims: bool) -> tuple[Any, ...]:
    """Shape after reducing `axis` (None: all axes)."""
    axes = normalize_axes(axis, len(shape))
    if keepdims:
        return tuple([1 if i in axes else n for i, n in enumerate(shape)])
    return tuple([n for i, n in enumerate(shape) if i not in axes])


def keep_axes(y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Give a reduced result its reduced axes back, of size 1, to broadcast against `x`."""
    if keepdims:
        return y
    return F.reshape(y, shape=reduced_shape(x.shape, axis, True))


class Reduction(Op):
    """Reduce axes of `x`; the subclasses say how."""

    axis: Axes = None
    keepdims: bool = False
    onnx_name: ClassVar[str] = ""
    samples = REDUCE_SAMPLES

    def result_type(self, dtype: Any) -> Any:
        """Dtype of the result for an operand of `dtype`."""
        return dtype

    def compute(self, x: Any, axes: tuple[int, ...]) -> Any:
        """Reduce the NumPy array `x` (in the dtype of the result) over `axes`."""
        raise UnsupportedOpError(f"{self.name}: no kernel")

    def pull(self, ct: Any, y: Any, x: Any) -> Any:
        """Cotangent of `x` from those of `y`, both with the reduced axes kept."""
        return None

    def infer(self, x: TensorType) -> TensorType:
        shape = reduced_shape(x.known_shape, self.axis, self.keepdims)
        return TensorType(shape, self.result_type(x.dtype))

    def kernel(self, x: Any) -> Any:
        axes = normalize_axes(self.axis, x.ndim)
        target = self.result_type(x.dtype)
        return np.asarray(quietly(self.compute, x, axes), target)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        if self.no_grad:
            return None
        ct = keep_axes(ct, x, self.axis, self.keepdims)
        y = keep_axes(y, x, self.axis, self.keepdims)
        return F.broadcast_to(self.pull(ct, y, x), shape=x.shape)

    def onnx(self, g: Any, x: Any) -> Any:
        if not self.onnx_name:
            return NotImplemented
        dtype = self.result_type(g.dtype(x))
        axes = normalize_axes(self.axis, g.rank(x))
        if g.dtype(x) != dtype:
            x = g.cast(x, dtype)
        return reduce_emit(g, self.onnx_name, x, dtype, axes, self.keepdims)
