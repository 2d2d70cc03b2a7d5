"""Families of operators as rows: unary, binary, comparison and reduction.

What a family has in common is written here once (broadcasting and its gradient, axes and
keepdims); a row gives the NumPy function, the gradient, the ONNX operator and MXNet's names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from symgluon import dtypes
from symgluon.ir.op import Op, S, Sample, register
from symgluon.ir.types import TensorType, broadcast_shapes, normalize_axes
from symgluon.ops.apply import F, same_dtypes
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


def sum_to(x: Any, shape: Sequence[Any]) -> Any:
    """Sum a broadcast cotangent back to `shape`."""
    lead = x.ndim - len(shape)
    axes = list(range(lead))
    for i, n in enumerate(shape):
        m = x.shape[lead + i]
        if isinstance(n, int) and n == 1 and not (isinstance(m, int) and m == 1):
            axes.append(lead + i)
    if not axes:
        return x
    x = F.sum(x, axis=tuple(axes), keepdims=True)
    return F.reshape(x, shape=tuple(shape)) if lead else x


def _declare(base: type[Op], name: str, members: dict[str, Any], mx: str, doc: str) -> type[Op]:
    members["__doc__"] = doc
    members["__module__"] = __name__
    title = "".join(part.capitalize() for part in name.split("_"))
    cls = type(title, (base,), members)
    register(cls, name, mx)
    return cls


# ---- unary -------------------------------------------------------------------------------------
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
        return type(self).ufunc(x)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        rule = type(self).rule
        return None if rule is None else rule(ct, y, x)

    def onnx(self, g: Any, x: Any) -> Any:
        how = type(self).onnx_name
        if how is None:
            return NotImplemented
        return getattr(g, how)(x) if isinstance(how, str) else how(g, x)


def unary(
    name: str,
    ufunc: Callable[..., Any],
    *,
    grad: Callable[..., Any] | None = None,
    onnx: Any = None,
    mx: str = "",
    floats: bool = True,
    result: str = "same",
    doc: str = "",
    samples: list[Sample] | None = None,
    eager_min: int | None = None,
) -> type[Op]:
    """Declare an elementwise function of one operand.

    Parameters
    ----------
    grad : callable or None
        ``(ct, y, x) -> ct_x`` in operators; None: the function has no gradient.
    onnx : str or callable
        ONNX operator, or ``(g, x) -> name``.
    floats : bool
        Integer operands are cast to the default float (`exp`), not kept (`abs`).
    result : str
        ``same`` dtype or ``bool``.
    """
    members: dict[str, Any] = {
        "ufunc": staticmethod(ufunc),
        "rule": None if grad is None else staticmethod(grad),
        "onnx_name": onnx if onnx is None or isinstance(onnx, str) else staticmethod(onnx),
        "result": result,
        "no_grad": grad is None,
        "eager_min": eager_min,
    }
    if floats:
        members["coerce"] = staticmethod(float_operands)
    if result == "bool":
        members["inplace"] = ()
    if samples is not None:
        members["samples"] = samples
    return _declare(Unary, name, members, mx, doc or f"Elementwise {name} of `x`.")


# ---- binary ------------------------------------------------------------------------------------
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
        return type(self).ufunc(a, b)

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
        return getattr(g, how)(a, b) if isinstance(how, str) else how(g, a, b)


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
) -> type[Op]:
    """Declare an elementwise function of two operands.

    Parameters
    ----------
    grad : pair of callables, optional
        ``(ct, y, a, b) -> ct_a`` and ``-> ct_b`` before summing to the operand's shape; None: the
        function has no gradient.
    onnx : str or callable
        ONNX operator, or ``(g, a, b) -> name``.
    """
    members: dict[str, Any] = {
        "ufunc": staticmethod(ufunc),
        "rules": grad,
        "onnx_name": onnx if onnx is None or isinstance(onnx, str) else staticmethod(onnx),
        "result": result,
        "no_grad": grad is None,
    }
    if floats:
        members["coerce"] = staticmethod(float_operands)
    if result == "bool":
        members["inplace"] = ()
    if samples is not None:
        members["samples"] = samples
    return _declare(Binary, name, members, mx, doc or f"Elementwise {name} of `a` and `b`.")


# ---- reductions --------------------------------------------------------------------------------
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
    """Reduce axes of `x`."""

    axis: Axes = None  # type: ignore[name-defined] # noqa: F821
    keepdims: bool = False
    ufunc: ClassVar[Callable[..., Any]]
    rule: ClassVar[Callable[..., Any] | None] = None
    onnx_name: ClassVar[str | None] = None
    result: ClassVar[str] = "same"
    samples = REDUCE_SAMPLES

    def infer(self, x: TensorType) -> TensorType:
        shape = reduced_shape(x.shape, self.axis, self.keepdims)
        return TensorType(shape, x.dtype if self.result == "same" else np.dtype(bool))

    def kernel(self, x: Any) -> Any:
        axes = normalize_axes(self.axis, x.ndim)
        return type(self).ufunc(x, axis=axes, keepdims=self.keepdims)

    def grad(self, ct: Any, y: Any, x: Any) -> Any:
        rule = type(self).rule
        if rule is None:
            return None
        ct = keep_axes(ct, x, self.axis, self.keepdims)
        y = keep_axes(y, x, self.axis, self.keepdims)
        return F.broadcast_to(rule(ct, y, x, self.axis), shape=x.shape)

    def onnx(self, g: Any, x: Any) -> Any:
        if self.onnx_name is None:
            return NotImplemented
        axes = normalize_axes(self.axis, g.rank(x))
        return g.reduce(self.onnx_name, x, axes, keepdims=self.keepdims)


def reduction(
    name: str,
    ufunc: Callable[..., Any],
    *,
    grad: Callable[..., Any] | None = None,
    onnx: str | None = None,
    mx: str = "",
    floats: bool = False,
    result: str = "same",
    doc: str = "",
    samples: list[Sample] | None = None,
) -> type[Op]:
    """Declare a reduction: ``ufunc(x, axis=tuple, keepdims=bool)``.

    Parameters
    ----------
    grad : callable, optional
        ``(ct, y, x, axis) -> ct_x`` with `ct` and `y` keeping the reduced axes; broadcast after.
    onnx : str, optional
        ``ReduceSum`` and the like; axes go where the opset wants them.
    """
    members: dict[str, Any] = {
        "ufunc": staticmethod(ufunc),
        "rule": None if grad is None else staticmethod(grad),
        "onnx_name": onnx,
        "result": result,
        "no_grad": grad is None,
    }
    if floats:
        members["coerce"] = staticmethod(float_operands)
    if samples is not None:
        members["samples"] = samples
    return _declare(Reduction, name, members, mx, doc or f"Reduce axes of `x` by {name}.")
