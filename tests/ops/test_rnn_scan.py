"""Training of recurrent nets in a session: the numbers of the kernels, whatever the sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgluon as mx
from symgluon.backends.blocks import block_size
from symgluon.backends.sessions import session_model, session_of
from symgluon.errors import UnsupportedOpError
from symgluon.ir.graph import Graph
from symgluon.ir.types import TensorType
from symgluon.ops.kernels.rnn import param_size
from symgluon.ops.rnn import Rnn, RnnGrad

pytestmark = pytest.mark.skipif(
    not block_size(), reason="ONNX Runtime has no blocks on this processor"
)

STEPS, BATCH, WIDTH = 5, 3, 7
MODES = ("lstm", "gru", "rnn_tanh", "rnn_relu")
NETS = [(1, False, False), (1, True, False), (2, False, True), (2, True, True), (2, True, False)]


def _graph(op: Any, arrays: list[Any]) -> Graph:
    graph = Graph("rnn")
    given = [
        None if a is None else graph.add_input(f"x{i}", TensorType(a.shape, a.dtype))
        for i, a in enumerate(arrays)
    ]
    graph.set_outputs(graph.add(op, given).outputs)
    return graph


def _operands(mode: str, size: int, net: Any) -> tuple[dict[str, Any], list[Any]]:
    layers, bidirectional, masked = net
    attrs = {
        "mode": mode, "state_size": size, "num_layers": layers, "bidirectional": bidirectional
    }  # fmt: skip
    config = Rnn(**attrs).config
    rng = np.random.default_rng(size + layers)
    slots = layers * config.directions

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype("float32")

    masks = draw(layers - 1, STEPS, BATCH, size * config.directions) if masked else None
    return attrs, [
        draw(STEPS, BATCH, WIDTH),
        draw(param_size(config, WIDTH)) * np.float32(0.3),
        draw(slots, BATCH, size),
        draw(slots, BATCH, size) if mode == "lstm" else None,
        None,
        masks,
    ]


def _same(found: Any, want: Any) -> None:
    assert len(found) == len(want)
    for a, b in zip(found, want, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize("net", NETS, ids=str)
@pytest.mark.parametrize("size", [32, 21])  # whole blocks, and not
@pytest.mark.parametrize("mode", MODES)
def test_sessions_give_the_numbers_of_the_kernels(mode: str, size: int, net: Any) -> None:
    attrs, arrays = _operands(mode, size, net)
    op = Rnn(reserve=True, **attrs)
    want = op.kernel(*arrays)
    _same(session_of(_graph(op, arrays))(*[a for a in arrays if a is not None]), want)

    back = RnnGrad(**attrs)
    rng = np.random.default_rng(1)
    cts = [rng.standard_normal(a.shape).astype("float32") for a in want[:3]]
    cts[2] = cts[2] if mode == "lstm" else None  # type: ignore[call-overload]
    for given in (cts, [cts[0], None, None], [None, cts[1], None]):
        operands = [*given, *arrays[:4], want[-1], None, arrays[5]]
        found = session_of(_graph(back, operands))(*[a for a in operands if a is not None])
        _same(found, back.kernel(*operands))


REFUSED = [
    ({"projection_size": 16}, {}),
    ({"clip_min": -1.0, "clip_max": 1.0}, {}),
    ({}, {"lengths": np.array([5, 2, 3], np.int32)}),
    ({}, {"dtype": "float64"}),
]


@pytest.mark.parametrize(("more", "change"), REFUSED, ids=str)
def test_what_stays_with_the_kernel(more: Any, change: Any) -> None:
    attrs, arrays = _operands("lstm", 32, (1, False, False))
    op = Rnn(reserve=True, **attrs, **more)
    if "projection_size" in more:
        arrays[1] = np.zeros(param_size(op.config, WIDTH), np.float32)
        arrays[2] = np.zeros((1, BATCH, 16), np.float32)
    arrays[4] = change.get("lengths")
    if "dtype" in change:
        arrays = [None if a is None else a.astype(change["dtype"]) for a in arrays]
    with pytest.raises(UnsupportedOpError):
        session_model(_graph(op, arrays))


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("layer", ["LSTM", "GRU", "RNN"])
def test_one_net_trains_at_several_lengths(layer: str, hybrid: bool) -> None:
    def make(dtype: str) -> Any:
        net = getattr(mx.gluon.rnn, layer)(
            24, 2, layout="NTC", bidirectional=True, input_size=16, dtype=dtype
        )
        net.initialize()
        return net

    net, wide = make("float32"), make("float64")
    for ours, theirs in zip(
        net.collect_params().values(), wide.collect_params().values(), strict=True
    ):
        theirs.set_data(mx.np.array(ours.data().asnumpy().astype("float64"), dtype="float64"))
    if hybrid:
        net.hybridize()
    for batch, steps in ((4, 20), (2, 31), (4, 20)):
        numbers = np.random.default_rng(steps).standard_normal((batch, steps, 16))
        results = []
        for block, dtype in ((net, "float32"), (wide, "float64")):
            x = mx.np.array(numbers.astype(dtype), dtype=dtype)
            x.attach_grad()
            with mx.autograd.record():
                y = block(x)
                loss = (y * y).sum()
            loss.backward()
            grads = [p.grad().asnumpy() for p in block.collect_params().values()]
            results.append([y.asnumpy(), x.grad.asnumpy(), *grads])
        _same(*results)
