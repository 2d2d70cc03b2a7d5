"""ONNX lowerings of integer types: where a kernel lacks a dtype, the node runs on a wider one.

ONNX Runtime's CPU provider has no kernel for some integer types of some operators (and opset 13
itself leaves some out).  Going through a wider type is exact: values fit, and what wraps around
(sums, products) wraps the same way when it is cast back.  Floats are never touched here; a backend
that lacks a float kernel does not take the node.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_SIGNED = frozenset(("int8", "int16", "int32", "int64"))
_ALL = _SIGNED | {"uint8", "uint16", "uint32", "uint64"}
_FULL = frozenset(("int32", "int64", "uint32", "uint64"))
_LIMITS = _FULL | {"int8", "uint8"}
_TWO = frozenset(("int32", "int64"))
_BYTES = frozenset(("int8", "uint8"))
_NONE: frozenset[str] = frozenset()

#: integer and bool types that an operator takes: its standard's and ONNX Runtime's common ones
KERNEL_TYPES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("Abs", "Add", "Div", "Mod", "Mul", "Sign", "Sub"), _ALL),
    **dict.fromkeys(("Greater", "GreaterOrEqual", "Less", "LessOrEqual"), _ALL),
    "ArgMax": _TWO | _BYTES,
    "ArgMin": _TWO | _BYTES,
    "CumSum": _TWO,
    "DepthToSpace": _BYTES,
    "Einsum": _TWO,
    "Equal": _ALL | {"bool"},
    "MatMul": _FULL,
    "Max": _LIMITS,
    "Min": _LIMITS,
    "Neg": _SIGNED,
    "NonZero": _TWO | {"uint8", "bool"},
    "Pad": _LIMITS | {"bool"},
    "Pow": _TWO,
    "ReduceMax": _TWO | _BYTES,
    "ReduceMean": _NONE,
    "ReduceMin": _TWO | _BYTES,
    "ReduceProd": _TWO,
    "ReduceSum": _TWO,
    "SpaceToDepth": _BYTES,
    "TopK": _SIGNED | {"uint8"},
    "Trilu": _TWO | {"bool"},
    "Where": _TWO | _BYTES | {"uint32"},
}
_OPSET_13: dict[str, frozenset[str]] = dict.fromkeys(("Add", "Sub", "Mul", "Div"), _FULL)

#: operators whose result on 64 bits of the other sign is the same bits
_MODULAR = {
    "Add", "CumSum", "DepthToSpace", "Einsum", "MatMul", "Mul", "Neg", "Pad", "ReduceProd",
    "ReduceSum", "SpaceToDepth", "Sub", "Trilu", "Where",
}  # fmt: skip
_WIDER = ("uint8", "int8", "int16", "int32", "int64")


#: domain of ONNX Runtime's operators on channels in blocks (its own layout; not in files)
NCHWC = "com.microsoft.nchwc"


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
    g: Any,
    name: str,
    operands: tuple[Any, ...],
    dtype: np.dtype[Any],
    *,
    back: bool = True,
    **attrs: Any,
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


def attribute_holds(g: Any, x: str, *numbers: float) -> bool:
    """Whether `numbers` can be attributes of a node on `x`: ONNX keeps them as float32.

    For float64 data a number that float32 does not hold must be a constant of the graph.
    """
    return g.dtype(x) != np.float64 or all(float(np.float32(v)) == v for v in numbers)


def where(g: Any, condition: Any, a: Any, b: Any, dtype: np.dtype[Any]) -> Any:
    """Emit ``Where`` on values of `dtype`; bools and the integers without a kernel are cast."""
    wide = kernel_type(g, "Where", dtype)
    if wide is None or wide == dtype:
        return g.Where(condition, a, b)
    return g.cast(g.Where(condition, g.cast(a, wide), g.cast(b, wide)), dtype)


def one(g: Any, dtype: np.dtype[Any], value: Any = 1) -> Any:
    """Return a 0-d constant of `dtype`."""
    return g.const(np.asarray(value, dtype))
