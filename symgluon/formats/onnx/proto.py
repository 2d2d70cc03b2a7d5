"""Protobuf messages from Python values: nodes, tensors, types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symgluon.errors import DTypeError
from symgluon.ir.dims import Dim
from symgluon.ir.types import TensorType


@lru_cache(maxsize=1)
def _codes() -> dict[str, int]:
    import onnx

    t = onnx.TensorProto
    return {
        "float32": t.FLOAT,
        "float64": t.DOUBLE,
        "float16": t.FLOAT16,
        "bfloat16": t.BFLOAT16,
        "int8": t.INT8,
        "int16": t.INT16,
        "int32": t.INT32,
        "int64": t.INT64,
        "uint8": t.UINT8,
        "uint16": t.UINT16,
        "uint32": t.UINT32,
        "uint64": t.UINT64,
        "bool": t.BOOL,
    }


def onnx_dtype(dtype: np.dtype[Any]) -> int:
    """Code of a dtype in ONNX.

    Raises
    ------
    DTypeError
        If ONNX has no such dtype.
    """
    code = _codes().get(dtype.name)
    if code is None:
        raise DTypeError(f"ONNX has no tensor type for {dtype}")
    return code


def make_tensor(name: str, array: np.ndarray) -> Any:
    """Return a TensorProto with the bytes of `array` (little endian)."""
    import onnx

    tensor = onnx.TensorProto()
    tensor.name = name
    tensor.data_type = onnx_dtype(array.dtype)
    tensor.dims.extend(array.shape)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    tensor.raw_data = array.tobytes()
    return tensor


def make_node(
    kind: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    domain: str,
    doc: str,
    attrs: Mapping[str, Any],
) -> Any:
    """Return a NodeProto; attributes that are None are left out."""
    import onnx

    node = onnx.NodeProto()
    node.op_type = kind
    node.input.extend(inputs)
    node.output.extend(outputs)
    node.name = outputs[0] if outputs else kind
    if domain:
        node.domain = domain
    if doc:
        node.doc_string = doc
    for key in sorted(attrs):
        if attrs[key] is not None:
            _attribute(node.attribute.add(), key, attrs[key])
    return node


def _attribute(attribute: Any, key: str, value: Any) -> None:
    """Fill an AttributeProto from a Python value."""
    import onnx

    kinds = onnx.AttributeProto
    attribute.name = key
    if isinstance(value, bool | int | np.integer):
        attribute.i, attribute.type = int(value), kinds.INT
    elif isinstance(value, float | np.floating):
        attribute.f, attribute.type = float(value), kinds.FLOAT
    elif isinstance(value, str):
        attribute.s, attribute.type = value.encode(), kinds.STRING
    elif isinstance(value, onnx.TensorProto):
        attribute.t.CopyFrom(value)
        attribute.type = kinds.TENSOR
    elif isinstance(value, onnx.GraphProto):
        attribute.g.CopyFrom(value)
        attribute.type = kinds.GRAPH
    elif isinstance(value, np.ndarray):
        attribute.t.CopyFrom(make_tensor("", value))
        attribute.type = kinds.TENSOR
    else:
        _list_attribute(attribute, list(value), kinds)


def _list_attribute(attribute: Any, values: list[Any], kinds: Any) -> None:
    if all(isinstance(v, bool | int | np.integer) for v in values):
        attribute.ints.extend(int(v) for v in values)
        attribute.type = kinds.INTS
    elif all(isinstance(v, str) for v in values):
        attribute.strings.extend(v.encode() for v in values)
        attribute.type = kinds.STRINGS
    else:
        attribute.floats.extend(float(v) for v in values)
        attribute.type = kinds.FLOATS


def make_value_info(name: str, type: TensorType) -> Any:
    """Return a ValueInfoProto; symbolic dimensions become ``dim_param``."""
    import onnx

    info = onnx.ValueInfoProto()
    info.name = name
    tensor = info.type.tensor_type
    tensor.elem_type = onnx_dtype(type.dtype)
    if type.shape is None:
        return info
    tensor.shape.SetInParent()
    for n in type.shape:
        dim = tensor.shape.dim.add()
        if isinstance(n, Dim):
            dim.dim_param = str(n)
        elif n is not None:
            dim.dim_value = int(n)
    return info
