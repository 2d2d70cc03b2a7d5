"""A hash of a graph that ignores value names, origins and the names of dimensions."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from symgluon.ir.attrs import canonical
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Value
from symgluon.ir.types import TensorType


class _Names:
    """Dimensions renamed in order of appearance."""

    def __init__(self) -> None:
        self.map: dict[str, str] = {}

    def dim(self, dim: Any) -> Any:
        if not isinstance(dim, Dim):
            return dim
        for name in dim.names():
            if name not in self.map:
                self.map[name] = f"d{len(self.map)}"
        return dim.rename({n: self.map[n] for n in dim.names()})

    def type(self, type: TensorType) -> str:
        if type.shape is None:
            return f"{type.dtype.name}?"
        dims = [self.dim(n) for n in type.shape]
        shown = ",".join(str(canonical(n)) for n in dims)
        return f"{type.dtype.name}[{shown}]"


def digest_array(array: np.ndarray) -> str:
    """Digest of dtype, shape and bytes (0.0 and -0.0 differ, NaN equals itself)."""
    found = hashlib.sha256(f"{array.dtype.name}{array.shape}".encode())
    found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def fingerprint(graph: Graph) -> str:
    """SHA-256 over a canonical numbering of values, operators, types and constants."""
    names = _Names()
    number: dict[Value, int] = {}
    found = hashlib.sha256()

    def put(text: str) -> None:
        found.update(text.encode())
        found.update(b"\n")

    for value in graph.inputs:
        number[value] = len(number)
        put(f"input {names.type(value.type)}")
    for name, value in graph.params.items():
        number[value] = len(number)
        put(f"param {name} {names.type(value.type)}")

    def of(value: Value | None) -> int:
        if value is None:
            return -1
        if value not in number:
            # constants are numbered where they are first read
            number[value] = len(number)
            put(f"constant {number[value]} {digest_array(graph.constants[value])}")
        return number[value]

    for node in graph.nodes:
        inputs = [of(v) for v in node.inputs]
        op = node.op.map_dims(names.dim)
        for value in node.outputs:
            number[value] = len(number)
        types = " ".join(names.type(v.type) for v in node.outputs)
        put(f"{op.name} {_attrs(op)} {inputs} {types}")
    put(f"outputs {[of(v) for v in graph.outputs]}")
    put(f"writes {[(i, number[v]) for i, v in sorted(graph.writes.items())]}")
    return found.hexdigest()


def _attrs(op: Any) -> str:
    return repr([(k, canonical(v)) for k, v in op.attrs().items()])
