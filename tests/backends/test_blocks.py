"""Convolutions on channels in blocks: when they are written so, and that the numbers are ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgluon as mx
from symgluon.backends.blocks import block_of, block_size
from symgluon.backends.providers import CPU
from symgluon.backends.sessions import session_model, session_of
from symgluon.ir.graph import Graph
from symgluon.ir.op import get_op
from symgluon.ir.types import TensorType
from symgluon.ops.lowering import NCHWC

BLOCK = block_size()
needs_blocks = pytest.mark.skipif(not BLOCK, reason="ONNX Runtime has no blocks on this processor")

# x, filters, kernel, stride, pad, dilate, groups; forward blocked?; gradient by the data blocked?
CASES = [
    ((2, 32, 9, 9), 48, (3, 3), (1, 1), (1, 1), (1, 1), 1, True, True),
    ((2, 16, 11, 9), 16, (3, 2), (1, 1), (0, 1), (1, 1), 1, True, True),
    ((2, 16, 11, 9), 32, (3, 2), (2, 1), (1, 0), (1, 1), 1, True, False),
    ((2, 16, 12, 10), 16, (3, 3), (1, 1), (2, 1), (2, 1), 1, True, True),
    (
        (2, 16, 12, 10),
        16,
        (2, 2),
        (1, 1),
        (2, 2),
        (1, 1),
        1,
        True,
        False,
    ),  # pads beyond the kernel
    ((2, 16, 9, 9), 32, (1, 1), (1, 1), (0, 0), (1, 1), 1, False, False),
    ((2, 32, 9, 9), 32, (3, 3), (1, 1), (1, 1), (1, 1), 2, False, False),
    ((2, 16, 9, 9), 20, (3, 3), (1, 1), (1, 1), (1, 1), 1, False, False),
    ((2, 12, 9, 9), 16, (3, 3), (1, 1), (1, 1), (1, 1), 1, False, False),
    (
        (1, 16, 4, 4),
        256,
        (3, 3),
        (1, 1),
        (1, 1),
        (1, 1),
        1,
        False,
        True,
    ),  # much weight, few places
    ((1, 256, 4, 4), 16, (3, 3), (1, 1), (1, 1), (1, 1), 1, False, False),
]


def _data(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def _graph(op: Any, *arrays: np.ndarray, constant: bool = False) -> Graph:
    graph = Graph("conv")
    operands = [graph.add_input("x", TensorType(arrays[0].shape, arrays[0].dtype))]
    for i, a in enumerate(arrays[1:]):
        made = (
            graph.add_constant(a)
            if constant
            else graph.add_input(f"w{i}", TensorType(a.shape, a.dtype))
        )
        operands.append(made)
    graph.set_outputs(graph.add(op, operands).outputs)
    return graph


def _convolves_in_blocks(graph: Graph) -> bool:
    model, _ = session_model(graph)
    return any(n.domain == NCHWC and n.op_type == "Conv" for n in model.graph.node)


def _ops(case: Any) -> tuple[Any, Any, Any, tuple[int, ...]]:
    shape, filters, kernel, stride, pad, dilate, groups = case[:7]
    geometry = {
        "kernel_shape": kernel, "stride": stride, "pad": pad, "dilate": dilate, "num_group": groups
    }  # fmt: skip
    w_shape = (filters, shape[1] // groups, *kernel)
    return (
        get_op("convolution")(num_filter=filters, **geometry),
        get_op("convolution_input_grad")(x_shape=shape[1:], **geometry),
        get_op("convolution_weight_grad")(w_shape=w_shape, **geometry),
        w_shape,
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sessions_give_the_numbers_of_the_kernels(case: Any) -> None:
    forward, by_data, by_weight, w_shape = _ops(case)
    x, w, b = _data(*case[0]), _data(*w_shape, seed=1), _data(case[1], seed=2)
    y = forward.kernel(x, w, b)
    dy = _data(*y.shape, seed=3)
    for op, arrays, want in (
        (forward, (x, w, b), y),
        (forward, (x, w), forward.kernel(x, w)),
        (by_data, (dy, w), by_data.kernel(dy, w)),
        (by_weight, (x, dy), by_weight.kernel(x, dy)),
    ):
        (found,) = session_of(_graph(op, *arrays))(*arrays)
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


@needs_blocks
@pytest.mark.parametrize("case", CASES, ids=str)
def test_which_convolutions_are_written_in_blocks(case: Any) -> None:
    forward, by_data, _, w_shape = _ops(case)
    x, w = _data(*case[0]), _data(*w_shape, seed=1)
    dy = forward.kernel(x, w)
    assert _convolves_in_blocks(_graph(forward, x, w)) == case[7]
    assert _convolves_in_blocks(_graph(by_data, dy, w)) == case[8]
    # ONNX Runtime does it by itself for constants, and has float32 only
    assert not _convolves_in_blocks(_graph(forward, x, w, constant=True))
    assert not _convolves_in_blocks(_graph(forward, x.astype("float16"), w.astype("float16")))


@needs_blocks
def test_data_are_laid_out_once_for_all_that_read_them() -> None:
    forward, by_data, by_weight, w_shape = _ops(CASES[0])
    x, w = _data(*CASES[0][0]), _data(*w_shape, seed=1)
    graph = Graph("both")
    a, b = (graph.add_input(n, TensorType(v.shape, v.dtype)) for n, v in (("x", x), ("w", w)))
    y = graph.add(forward, [a, b]).outputs[0]
    again = graph.add(by_data, [y, b]).outputs[0]  # reads what the first one made
    graph.set_outputs([y, again, graph.add(by_weight, [a, y]).outputs[0]])
    model, _ = session_model(graph)
    kinds = [n.op_type for n in model.graph.node if n.domain == NCHWC]
    # data; the weight, once each way.  Results: one each, and the data with channels last
    assert kinds.count("ReorderInput") == 3
    assert kinds.count("ReorderOutput") == 3
    found = session_of(graph)(x, w)
    y_want = forward.kernel(x, w)
    for value, want in zip(
        found, (y_want, by_data.kernel(y_want, w), by_weight.kernel(x, y_want)), strict=True
    ):
        np.testing.assert_allclose(value, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


def test_other_graphs_and_devices_do_not_ask() -> None:
    graph = Graph("plain")
    x = graph.add_input("x", TensorType((2, 3), np.dtype("float32")))
    graph.set_outputs(graph.add(get_op("relu")(), [x]).outputs)
    assert block_of(graph) == 0
    forward, _, _, w_shape = _ops(CASES[0])
    conv = _graph(forward, _data(*CASES[0][0]), _data(*w_shape))
    assert block_of(conv) == BLOCK
    model, _ = session_model(conv, providers=("CUDAExecutionProvider", CPU))
    assert all(n.domain != NCHWC for n in model.graph.node)


@pytest.mark.parametrize("hybrid", [False, True])
def test_training_steps_of_several_sizes(hybrid: bool) -> None:
    mx.random.seed(0)
    net = mx.gluon.nn.HybridSequential()
    net.add(
        mx.gluon.nn.Conv2D(32, 3, padding=1, in_channels=16, use_bias=False),
        mx.gluon.nn.BatchNorm(in_channels=32),
        mx.gluon.nn.Activation("relu"),
        mx.gluon.nn.Conv2D(16, 3, strides=2, padding=1, in_channels=32),
    )
    net.initialize(mx.init.Xavier())
    reference = {k: p.data().asnumpy().astype("float64") for k, p in net.collect_params().items()}
    if hybrid:
        net.hybridize()
    for batch, size in ((2, 8), (3, 8), (2, 11)):
        x = mx.np.array(_data(batch, 16, size, size, seed=size))
        x.attach_grad()
        with mx.autograd.record():
            y = net(x)
            loss = (y * y).sum()
        loss.backward()
        wide = _wide_copy(reference)
        x64 = mx.np.array(x.asnumpy().astype("float64"), dtype="float64")
        x64.attach_grad()
        with mx.autograd.record():
            y64 = wide(x64)
            loss64 = (y64 * y64).sum()
        loss64.backward()
        _close(y, y64)
        _close(x.grad, x64.grad)
        for name, p in net.collect_params().items():
            if p.grad_req != "null":
                _close(p.grad(), wide.collect_params()[name].grad())


def _wide_copy(values: dict[str, np.ndarray]) -> Any:
    """The same net in float64, which no session convolves: the judge."""
    net = mx.gluon.nn.HybridSequential()
    net.add(
        mx.gluon.nn.Conv2D(32, 3, padding=1, in_channels=16, use_bias=False, dtype="float64"),
        mx.gluon.nn.BatchNorm(in_channels=32),
        mx.gluon.nn.Activation("relu"),
        mx.gluon.nn.Conv2D(16, 3, strides=2, padding=1, in_channels=32, dtype="float64"),
    )
    net.initialize()
    net.cast("float64")
    for name, p in net.collect_params().items():
        p.set_data(mx.np.array(values[name], dtype="float64"))
    return net


def _close(found: Any, want: Any) -> None:
    expected = want.asnumpy()
    np.testing.assert_allclose(
        found.asnumpy(), expected, rtol=1e-3, atol=1e-4 * max(1e-6, np.abs(expected).max())
    )
