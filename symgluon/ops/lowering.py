"""ONNX lowerings of integer types: where a kernel lacks a dtype, the node runs on a wider one.

ONNX Runtime's CPU provider has no kernel for some integer types of some operators (and opset 13
itself leaves some out).  Going through a wider type is exact: values fit, and what wraps around
(sums, products) wraps the same way when it is cast back.  Floats are never touched here; a backend
that lacks a float kernel does not take the node.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_ALL = frozenset("int8 int16 int32 int64 uint8 uint16 uint32 uint64".split())
_ARITHMETIC_13 = frozenset("int32 int64 uint32 uint64".split())
_LIMITS = frozenset("int8 int32 int64 uint8 uint32 uint64".split())
_SIGNED_3264 = frozenset(("int32", "int64"))
_NONE: frozenset[str] = frozenset()

#: integer and bool types that an operator takes: its standard's and ONNX Runtime's common ones
KERNEL_TYPES: dict[str, frozenset[str]] = {
    "Abs": _ALL,
    "Add": _ALL,
    "ArgMax": _SIGNED_3264 | {"int8", "uint8"},
    "ArgMin": _SIGNED_3264 | {"int8", "uint8"},
    "CumSum": _SIGNED_3264,
    "DepthToSpace": frozenset(("int8", "uint8")),
    "Div": _ALL,
    "Einsum": _SIGNED_3264,
    "Equal": _ALL | {"bool"},
    "Greater": _ALL,
    "GreaterOrEqual": _ALL,
    "Less": _ALL,
    "LessOrEqual": _ALL,
    "MatMul": _ARITHMETIC_13,
    "Max": _LIMITS,
    "Min": _LIMITS,
    "Mod": _ALL,
    "Mul": _ALL,
    "Neg": frozenset("int8 int16 int32 int64".split()),
    "NonZero": _SIGNED_3264 | {"uint8", "bool"},
    "Pad": _LIMITS | {"bool"},
    "Pow": _SIGNED_3264,
    "ReduceMax": _SIGNED_3264 | {"int8", "uint8"},
    "ReduceMean": _NONE,
    "ReduceMin": _SIGNED_3264 | {"int8", "uint8"},
    "ReduceProd": _SIGNED_3264,
    "ReduceSum": _SIGNED_3264,
    "Sign": _ALL,
    "SpaceToDepth": frozenset(("int8", "uint8")),
    "Sub": _ALL,
    "TopK": frozenset("int16 int32 int64 int8 uint8".split()),
    "Trilu": _SIGNED_3264 | {"bool"},
    "Where": frozenset("int8 int32 int64 uint8 uint32".split()),
}
_OPSET_13: dict[str, frozenset[str]] = dict.fromkeys(("Add", "Sub", "Mul", "Div"), _ARITHMETIC_13)

#: operators whose result on 64 bits of the other sign is the same bits
_MODULAR = frozenset(
    "Add Sub Mul Neg MatMul CumSum ReduceSum ReduceProd Where Einsum Pad Trilu".split()
    + "DepthToSpace SpaceToDepth".split()
)
_WIDER = ("uint8", "int8", "int16", "int32", "int64")


def kernel_type(g: Any, name: str, dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """Return the dtype on which the ONNX operator `name` computes what `dtype` asks for.

    `dtype` itself for floats and where there is a kernel; None if no type does it exactly.
    """
    known = KERNEL_TYPES.get(name)
    if g.opset < 14:
        known = _OPSET_13.get(name, known)
    if known is None or dtype.kind not in "iub" or dtype.name in known:
        return dtype
    for wide in _WIDER:
        if wide in known and np.can_cast(dtype, wide, "safe"):
            return np.dtype(wide)
    if name in _MODULAR and dtype.kind in "iu":
        return np.dtype(np.int64)
    return None


def emit(
    g: Any, name: str, operands: tuple[Any, ...], dtype: np.dtype[Any], *, back: bool = True, **attrs: Any
) -> Any:
    """Emit the ONNX operator `name` on `operands` of `dtype`, through a wider integer if need be.

    Parameters
    ----------
    back : bool
        The result has the dtype of the operands (and is cast back to it).
    """
    wide = kernel_type(g, name, dtype)
    if wide is None:
        return NotImplemented
    if wide == dtype:
        return getattr(g, name)(*operands, **attrs)
    result = getattr(g, name)(*[g.cast(o, wide) for o in operands], **attrs)
    return g.cast(result, dtype) if back else result


def reduce_emit(
    g: Any, name: str, x: Any, dtype: np.dtype[Any], axes: tuple[int, ...], keepdims: bool
) -> Any:
    """`emit` for a reduction."""
    wide = kernel_type(g, name, dtype)
    if wide is None:
        return NotImplemented
    if wide == dtype:
        return g.reduce(name, x, axes, keepdims)
    return g.cast(g.reduce(name, g.cast(x, wide), axes, keepdims), dtype)


def where(g: Any, condition: Any, a: Any, b: Any, dtype: np.dtype[Any]) -> Any:
    """Emit ``Where`` on values of `dtype`; bools and the integers without a kernel are cast."""
    wide = kernel_type(g, "Where", dtype)
    if wide is None or wide == dtype:
        return g.Where(condition, a, b)
    return g.cast(g.Where(condition, g.cast(a, wide), g.cast(b, wide)), dtype)


def one(g: Any, dtype: np.dtype[Any], value: Any = 1) -> Any:
    """Return a 0-d constant of `dtype`."""
    return g.const(np.asarray(value, dtype))
