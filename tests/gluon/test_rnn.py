"""Recurrent layers and cells: formulas, fused layers against stacks of cells, unrolling."""

from __future__ import annotations

import copy
import pickle

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.gluon import rnn
from symgluon.gluon.rnn.rnn_cell import dynamic_unroll
from symgluon.gluon.utils import split_rnn_params


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    mx.random.seed(5)
    yield
    mx.npx.reset_np()


def draw(*shape, seed=0):
    return onp.random.default_rng(seed).normal(size=shape).astype("float32")


def array(*shape, seed=0):
    return mx.np.array(draw(*shape, seed=seed))


def built(block, *inputs):
    """Initialise with random values of moderate size."""
    block.initialize()
    if inputs:
        block(*inputs)
    for i, p in enumerate(block.collect_params().values()):
        p.set_data(mx.np.array(draw(*p.shape, seed=i + 1) * 0.4))
    return block


def sigmoid(x):
    return 1 / (1 + onp.exp(-x))


# ---- one step ----------------------------------------------------------------------------------
def rnn_step(p, x, h):
    out = onp.tanh(x @ p["i2h_weight"].T + p["i2h_bias"] + h @ p["h2h_weight"].T + p["h2h_bias"])
    return [out]


def lstm_step(p, x, h, c):
    gates = x @ p["i2h_weight"].T + p["i2h_bias"] + h @ p["h2h_weight"].T + p["h2h_bias"]
    i, f, g, o = onp.split(gates, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * onp.tanh(g)
    h = sigmoid(o) * onp.tanh(c)
    if "h2r_weight" in p:
        h = h @ p["h2r_weight"].T
    return [h, c]


def gru_step(p, x, h):
    ar, az, an = onp.split(x @ p["i2h_weight"].T + p["i2h_bias"], 3, axis=1)
    br, bz, bn = onp.split(h @ p["h2h_weight"].T + p["h2h_bias"], 3, axis=1)
    update = sigmoid(az + bz)
    return [(1 - update) * onp.tanh(an + sigmoid(ar + br) * bn) + update * h]


CELLS = [
    (lambda **kw: rnn.RNNCell(4, **kw), rnn_step),
    (lambda **kw: rnn.LSTMCell(4, **kw), lstm_step),
    (lambda **kw: rnn.GRUCell(4, **kw), gru_step),
    (lambda **kw: rnn.LSTMPCell(4, 3, **kw), lstm_step),
]
NAMES = ["rnn", "lstm", "gru", "lstmp"]


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize(("make", "step"), CELLS, ids=NAMES)
def test_cells(make, step, hybrid):
    cell = make()
    x = array(2, 5)
    states = [array(*i["shape"], seed=7 + n) for n, i in enumerate(cell.state_info(2))]
    built(cell, x, states)
    if hybrid:
        cell.hybridize()
    p = {k: v.data().asnumpy().astype(float) for k, v in cell.collect_params().items()}
    out, new = cell(x, states)
    want = step(p, x.asnumpy(), *[s.asnumpy() for s in states])
    onp.testing.assert_allclose(out.asnumpy(), want[0], atol=1e-5)
    for a, b in zip(new, want, strict=True):
        onp.testing.assert_allclose(a.asnumpy(), b, atol=1e-5)


def test_begin_state():
    cell = rnn.LSTMPCell(4, 3, input_size=2)
    assert [s.shape for s in cell.begin_state(batch_size=5)] == [(5, 3), (5, 4)]
    ones = cell.begin_state(batch_size=1, func=mx.np.ones)
    assert ones[1].asnumpy().sum() == 4
    cell.cast("float16")
    assert cell.begin_state(1)[0].dtype == onp.float16


# ---- fused layers ------------------------------------------------------------------------------
def stack_of(kind, layers, hidden, bidirectional):
    cells = {"rnn_tanh": rnn.RNNCell, "lstm": rnn.LSTMCell, "gru": rnn.GRUCell}
    stack = rnn.HybridSequentialRNNCell()
    for _ in range(layers):
        one = cells[kind]
        stack.add(
            rnn.BidirectionalCell(one(hidden), one(hidden)) if bidirectional else one(hidden)
        )
    return stack


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", ["rnn_tanh", "lstm", "gru"])
def test_fused_layer_equals_a_stack_of_cells(kind, layers, bidirectional, hybrid):
    classes = {"rnn_tanh": rnn.RNN, "lstm": rnn.LSTM, "gru": rnn.GRU}
    extra = {"activation": "tanh"} if kind == "rnn_tanh" else {}
    x = array(5, 2, 3)
    fused = built(classes[kind](4, layers, bidirectional=bidirectional, **extra), x)
    if hybrid:
        fused.hybridize()
    stack = stack_of(kind, layers, 4, bidirectional)
    stack.infer_shape(0, x, False)
    stack.initialize()
    params = stack.collect_params()
    parts = split_rnn_params(fused.rnn_param.data(), kind, layers, 3, 4, bidirectional)
    for name, value in parts.items():
        side, rest = name.split("_", 1)
        prefix = f"{side[1:]}.{side[0]}_cell." if bidirectional else f"{side[1:]}."
        params[prefix + rest].set_data(value)
    x.attach_grad()
    with mx.autograd.record():
        a, a_states = fused(x, fused.begin_state(2))
    a.backward(array(*a.shape, seed=3))
    grad = x.grad.asnumpy()
    with mx.autograd.record():
        b, b_states = stack.unroll(5, x, layout="TNC", merge_outputs=True)
    b.backward(array(*a.shape, seed=3))
    onp.testing.assert_allclose(a.asnumpy(), b.asnumpy(), atol=1e-5)
    onp.testing.assert_allclose(grad, x.grad.asnumpy(), atol=1e-5)
    kinds = 2 if kind == "lstm" else 1
    for n in range(kinds):
        want = onp.stack([s.asnumpy() for s in b_states[n::kinds]])
        onp.testing.assert_allclose(a_states[n].asnumpy(), want, atol=1e-5)


@pytest.mark.parametrize("cls", [rnn.RNN, rnn.LSTM, rnn.GRU])
def test_layouts_and_states(cls):
    x = array(5, 2, 3)
    layer = built(cls(4, 2), x)
    out = layer(x)
    again, states = layer(x, layer.begin_state(batch_size=2))
    onp.testing.assert_allclose(out.asnumpy(), again.asnumpy(), atol=1e-6)
    assert [s.shape for s in states] == [i["shape"] for i in layer.state_info(2)]
    other = cls(4, 2, layout="NTC", input_size=3)
    other.initialize()
    other.rnn_param.set_data(layer.rnn_param.data())
    turned = other(mx.np.transpose(x, (1, 0, 2)))
    onp.testing.assert_allclose(turned.asnumpy().transpose(1, 0, 2), out.asnumpy(), atol=1e-6)


def test_sequence_length():
    x = array(5, 2, 3)
    layer = built(rnn.LSTM(4, bidirectional=True, use_sequence_length=True), x,
                  None, mx.np.array([5, 5]))  # fmt: skip
    out = layer(x, None, mx.np.array([3, 5])).asnumpy()
    short = layer(x[:3, :1], None, mx.np.array([3])).asnumpy()
    onp.testing.assert_allclose(out[:3, :1], short, atol=1e-6)
    onp.testing.assert_array_equal(out[3:, 0], 0)


def test_dropout_between_layers():
    x = array(6, 2, 3)
    layer = built(rnn.GRU(4, 2, dropout=0.5), x)
    plain = layer(x).asnumpy()
    with mx.autograd.record():
        a, b = layer(x).asnumpy(), layer(x).asnumpy()
    assert (a != b).any()
    assert (a != plain).any()
    onp.testing.assert_array_equal(layer(x).asnumpy(), plain)


def test_fused_layer_repr_and_arguments():
    layer = rnn.LSTM(3, 2, input_size=4, dropout=0.1, bidirectional=True)
    assert repr(layer) == "LSTM(4 -> 3, TNC, num_layers=2, dropout=0.1, bidirectional)"
    with pytest.raises(AssertionError, match="Invalid layout"):
        rnn.LSTM(3, layout="NCT")
    layer.initialize()
    with pytest.raises(ValueError, match="Invalid recurrent state shape"):
        layer(array(5, 2, 4), layer.begin_state(3))


# ---- unrolling ---------------------------------------------------------------------------------
@pytest.mark.parametrize("layout", ["NTC", "TNC"])
@pytest.mark.parametrize(("make", "step"), CELLS, ids=NAMES)
def test_unroll(make, step, layout):
    x = array(2, 5, 3) if layout == "NTC" else array(5, 2, 3)
    axis = layout.index("T")
    cell = built(make(input_size=3))
    outs, states = cell.unroll(5, x, layout=layout, merge_outputs=True)
    listed, _ = cell.unroll(5, x, layout=layout)
    steps = [mx.np.take(x, t, axis=axis) for t in range(5)]
    from_list, _ = cell.unroll(5, steps, layout=layout, merge_outputs=True)
    assert outs.shape[axis] == len(listed) == 5
    for t in range(5):
        each = onp.take(outs.asnumpy(), t, axis)
        onp.testing.assert_allclose(listed[t].asnumpy(), each, atol=1e-6)
    onp.testing.assert_allclose(from_list.asnumpy(), outs.asnumpy(), atol=1e-6)
    current = cell.begin_state(2)
    for t in range(5):
        _, current = cell(steps[t], current)
    for a, b in zip(states, current, strict=True):
        onp.testing.assert_allclose(a.asnumpy(), b.asnumpy(), atol=1e-6)


def combined():
    stack = rnn.SequentialRNNCell()
    stack.add(rnn.LSTMCell(3))
    stack.add(rnn.ResidualCell(rnn.BidirectionalCell(rnn.GRUCell(2), rnn.GRUCell(1))))
    stack.add(rnn.DropoutCell(0.5))
    stack.add(rnn.ZoneoutCell(rnn.RNNCell(4), 0.5, 0.5))
    return stack


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
@pytest.mark.parametrize("make", [combined, lambda: rnn.VariationalDropoutCell(rnn.GRUCell(3))])
def test_valid_length(make, layout):
    x = array(2, 5, 3)
    cell = make()
    cell.infer_shape(0, x, False)
    built(cell)
    inputs = x if layout == "NTC" else mx.np.transpose(x, (1, 0, 2))
    lengths = [3, 5]
    outs, states = cell.unroll(5, inputs, layout=layout, valid_length=mx.np.array(lengths))
    outs = outs.asnumpy() if layout == "NTC" else outs.asnumpy().transpose(1, 0, 2)
    for i, n in enumerate(lengths):
        each, each_states = cell.unroll(n, x[i : i + 1, :n], merge_outputs=True)
        onp.testing.assert_allclose(outs[i : i + 1, :n], each.asnumpy(), atol=1e-5)
        onp.testing.assert_array_equal(outs[i, n:], 0)
        for a, b in zip(states, each_states, strict=True):
            onp.testing.assert_allclose(a.asnumpy()[i : i + 1], b.asnumpy(), atol=1e-5)
    listed, _ = cell.unroll(5, inputs, layout=layout, merge_outputs=False,
                            valid_length=mx.np.array(lengths))  # fmt: skip
    assert len(listed) == 5


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
@pytest.mark.parametrize("lengths", [None, [3.0, 5.0]])
@pytest.mark.parametrize(("make", "step"), CELLS, ids=NAMES)
def test_dynamic_unroll(make, step, lengths, layout):
    x = array(2, 5, 3) if layout == "NTC" else array(5, 2, 3)
    cell = built(make(input_size=3))
    begin = cell.begin_state(2)
    valid = None if lengths is None else mx.np.array(lengths)
    want, want_states = cell.unroll(5, x, begin, layout, True, valid)
    outs, states = dynamic_unroll(cell, x, begin, layout=layout, valid_length=valid)
    onp.testing.assert_allclose(outs.asnumpy(), want.asnumpy(), atol=1e-6)
    for a, b in zip(states, want_states, strict=True):
        onp.testing.assert_allclose(a.asnumpy(), b.asnumpy(), atol=1e-6)


def test_unroll_arguments():
    cell = built(rnn.RNNCell(2, input_size=3))
    with pytest.raises(ValueError, match="5 steps, not 4"):
        cell.unroll(4, array(2, 5, 3))
    with pytest.raises(ValueError, match="1 inputs for 2 steps"):
        cell.unroll(2, [array(2, 3)])


# ---- cells around cells ------------------------------------------------------------------------
def test_residual_and_sequential():
    stack = rnn.HybridSequentialRNNCell()
    stack.add(rnn.RNNCell(3, input_size=3))
    stack.add(rnn.ResidualCell(rnn.GRUCell(3, input_size=3)))
    built(stack)
    x, states = array(2, 3), stack.begin_state(batch_size=2)
    middle, _ = stack[0](x, states[:1])
    out, _ = stack[1].base_cell(middle, states[1:])
    found, new = stack(x, states)
    onp.testing.assert_allclose(found.asnumpy(), (out + middle).asnumpy(), atol=1e-6)
    assert len(stack) == len(new) == 2
    assert list(stack.collect_params())[4] == "1.base_cell.i2h_weight"
    assert repr(stack) == (
        "HybridSequentialRNNCell(\n(0): RNNCell(3 -> 3, tanh)\n(1): ResidualCell(GRUCell(3 -> 9))\n)"
    )


def test_bidirectional_cannot_step():
    cell = rnn.BidirectionalCell(rnn.RNNCell(2, input_size=3), rnn.GRUCell(2, input_size=3))
    cell.initialize()
    with pytest.raises(NotImplementedError, match="use unroll"):
        cell(array(1, 3), cell.begin_state(1))
    with pytest.raises(AssertionError, match="doesn't support zoneout"):
        rnn.ZoneoutCell(cell)
    assert repr(cell) == (
        "BidirectionalCell(forward=RNNCell(3 -> 2, tanh), backward=GRUCell(3 -> 6))"
    )


@pytest.mark.parametrize("hybrid", [False, True])
def test_variational_dropout_has_one_mask_a_sequence(hybrid):
    class Net(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.cell = rnn.VariationalDropoutCell(
                rnn.RNNCell(3, activation="relu", input_size=50, h2h_weight_initializer="zeros"),
                drop_inputs=0.5,
            )

        def forward(self, x):
            return self.cell.unroll(4, x, merge_outputs=True)[0]

    net = Net()
    net.initialize("xavier")
    if hybrid:
        net.hybridize()
    x = mx.np.ones((2, 4, 50))
    with mx.autograd.record():
        a, b = net(x).asnumpy(), net(x).asnumpy()
    for found in (a, b):  # the same input and mask at every step: the same output
        onp.testing.assert_allclose(found, found[:, :1].repeat(4, axis=1), atol=1e-6)
    assert (a != b).any()
    assert repr(net.cell) == "VariationalDropoutCell(p_out = 0.0, p_state = 0.0)"


@pytest.mark.parametrize("hybrid", [False, True])
def test_zoneout_keeps_the_step_before(hybrid):
    class Net(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.cell = rnn.ZoneoutCell(rnn.RNNCell(200, input_size=3), zoneout_outputs=0.5)

        def forward(self, x):
            return self.cell.unroll(3, x, merge_outputs=True)[0]

    net = Net()
    net.initialize("xavier")
    if hybrid:
        net.hybridize()
    x = array(1, 3, 3)
    with mx.autograd.record():
        out = net(x).asnumpy()[0]
    assert (out[0] == 0).mean() == pytest.approx(0.5, abs=0.15)
    assert (out[1] == out[0]).mean() == pytest.approx(0.5, abs=0.15)
    assert repr(net.cell) == "ZoneoutCell(p_out=0.5, p_state=0.0, RNNCell(3 -> 200, tanh))"


def test_copies_forget_the_sequence():
    cell = built(rnn.ZoneoutCell(rnn.RNNCell(3, input_size=2), 0.5))
    with mx.autograd.record():
        cell(array(1, 2), cell.begin_state(1))
    for again in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        out, _ = again(array(1, 2), again.begin_state(1))
        onp.testing.assert_array_equal(
            out.asnumpy(), cell(array(1, 2), cell.begin_state(1))[0].asnumpy()
        )


# ---- convolutional cells -----------------------------------------------------------------------
SHAPES = {1: (2, 6), 2: (2, 5, 4), 3: (2, 3, 4, 3)}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("kind", "step"), [("RNN", rnn_step), ("LSTM", lstm_step),
                                            ("GRU", gru_step)])  # fmt: skip
def test_conv_cells_of_window_one_are_dense_at_each_place(kind, step, rank):
    shape = SHAPES[rank]
    cls = getattr(rnn, f"Conv{rank}D{kind}Cell")
    cell = built(cls(shape, 3, i2h_kernel=1, h2h_kernel=1))
    x = array(2, *shape)
    states = [array(*i["shape"], seed=8 + n) for n, i in enumerate(cell.state_info(2))]
    out, new = cell(x, states)
    p = {
        k: v.data().asnumpy().astype(float).reshape(v.shape[:2] if v.data().ndim > 1 else -1)
        for k, v in cell.collect_params().items()
    }
    rows = [onp.moveaxis(a.asnumpy(), 1, -1).reshape(-1, a.shape[1]) for a in (x, *states)]
    for found, want in zip([out, *new], [step(p, *rows)[0], *step(p, *rows)], strict=True):
        flat = onp.moveaxis(found.asnumpy(), 1, -1).reshape(-1, 3)
        onp.testing.assert_allclose(flat, want, atol=1e-5)
    cell.hybridize()
    onp.testing.assert_allclose(cell(x, states)[0].asnumpy(), out.asnumpy(), atol=1e-6)


def test_conv_cell_sizes():
    cell = rnn.Conv2DLSTMCell((3, 8, 8), 4, i2h_kernel=3, h2h_kernel=3, h2h_dilate=2)
    assert cell.state_info(5)[0]["shape"] == (5, 4, 6, 6)
    assert cell.h2h_weight.shape == (16, 4, 3, 3)
    assert repr(cell) == "Conv2DLSTMCell(3 -> 16, tanh, NCHW)"
    last = rnn.Conv1DGRUCell((8, 3), 4, 3, 3, i2h_pad=1, conv_layout="NWC")
    assert last.i2h_weight.shape == (12, 3, 3)
    assert last.state_info(1)[0]["shape"] == (1, 8, 4)
    with pytest.raises(AssertionError, match="odd number"):
        rnn.Conv1DRNNCell((3, 8), 4, 3, 2)


def test_conv_cell_channels_are_found():
    cell = rnn.Conv1DLSTMCell((-1, 7), 4, 3, 3)
    cell.initialize()
    assert cell(array(2, 5, 7), cell.begin_state(2))[0].shape == (2, 4, 5)
    assert cell.i2h_weight.shape == (16, 5, 3)
