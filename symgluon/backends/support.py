"""What ONNX Runtime's CPU provider cannot run: found by lowering a node and looking at the result."""

from __future__ import annotations

from typing import Any

from symgluon.errors import SymgluonError
from symgluon.ir.graph import Graph, Node
from symgluon.ir.op import RANDOM

#: ONNX operators without a float64 kernel (generated from the kernel list; a test keeps it right)
NO_FLOAT64 = frozenset(
    "Conv ConvTranspose AveragePool GlobalAveragePool GlobalMaxPool LpPool GlobalLpPool Elu Selu "
    "LeakyRelu HardSigmoid HardSwish Softplus Softsign Mish Gelu Erf Tan Acos Asin Atan Asinh "
    "Acosh Atanh Cosh Sinh InstanceNormalization LRN PRelu ThresholdedRelu GRU RNN LSTM Resize "
    "MeanVarianceNormalization LpNormalization Celu GroupNormalization DepthToSpace MaxUnpool "
    "FusedMatMul Swish RoiAlign".split()
)

_cache: dict[Any, bool] = {}


def supported(node: Node, opset: int) -> bool:
    """Whether the CPU provider runs what `node` lowers to."""
    if RANDOM in node.op.effects:
        return False
    key = (node.op, tuple(None if v is None else v.type for v in node.inputs), opset)
    found = _cache.get(key)
    if found is None:
        if len(_cache) > 20_000:
            _cache.clear()
        found = _cache[key] = _lowers(node, opset)
    return found


def _lowers(node: Node, opset: int) -> bool:
    from symgluon.formats.onnx.writer import lower_one

    kinds = {v.type.dtype.name for v in (*node.inputs, *node.outputs) if v is not None}
    if "bfloat16" in kinds:
        return False
    try:
        emitted = lower_one(node, opset)
    except SymgluonError:
        return False
    return "float64" not in kinds or not (emitted & NO_FLOAT64)


def needs_partition(graph: Graph) -> bool:
    """Whether any node has a type or effect that a session may refuse."""
    for node in graph.nodes:
        if RANDOM in node.op.effects:
            return True
        for value in (*node.inputs, *node.outputs):
            if value is not None and value.type.dtype.name in ("float64", "bfloat16"):
                return True
    return False
