"""ONNX Runtime's own layout of images, with channels in blocks: its size on this processor."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType

_SIZES = (16, 8)  # with vectors of 512 and of 256 bits (ARM: 128)
_CHANNELS, _SIZE = 32, 10

#: operators that are written in that layout
_OPERATORS = frozenset(
    ("convolution", "convolution_input_grad", "convolution_weight_grad", "rnn", "rnn_grad")
)


def block_of(graph: Graph) -> int:
    """Return the channels in a block for the session of `graph`, 0 if it has no use for them."""
    return block_size() if any(node.op.name in _OPERATORS for node in graph.nodes) else 0


@lru_cache(maxsize=1)
def block_size() -> int:
    """Return the channels in a block on this processor, 0 where there is no such layout.

    The layout is not public, so it is tried: a size is taken if a convolution in it gives the
    numbers of our own kernel.
    """
    return next((block for block in _SIZES if _agrees(block)), 0)


def _agrees(block: int) -> bool:
    from symgluon.backends.sessions import OPSET, Runner, failures, make_session
    from symgluon.formats.onnx.writer import build_model

    arrays = [
        np.cos(np.arange(np.prod(shape), dtype=np.float32)).reshape(shape)
        for shape in ((1, _CHANNELS, _SIZE, _SIZE), (_CHANNELS, _CHANNELS, 3, 2))
    ]
    op = OPS["convolution"](
        kernel_shape=(3, 2), stride=(1, 1), pad=(1, 0), dilate=(1, 1), num_filter=_CHANNELS
    )
    graph = Graph("probe")
    operands = [
        graph.add_input(f"x{i}", TensorType(a.shape, a.dtype)) for i, a in enumerate(arrays)
    ]
    graph.set_outputs(graph.add(op, operands).outputs)
    try:
        model = build_model(graph, opset=OPSET, microsoft=True, block=block)
        session = make_session(model, threads=1)
        (found,) = Runner(session, [i.name for i in model.graph.input])(*arrays)
    except failures():
        return False
    return bool(np.allclose(found, op.kernel(*arrays), rtol=1e-4, atol=1e-4))
