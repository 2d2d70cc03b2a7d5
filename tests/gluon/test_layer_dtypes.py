"""Layers in float64 and float16: eager and hybridized agree, with gradients."""

import numpy as onp
import pytest

import symgluon as mx
from symgluon.backends import graph_sessions
from symgluon.backends.sessions import failures
from symgluon.gluon import nn, rnn

LAYERS = {
    "dense": (lambda: nn.Dense(3), (2, 5)),
    "conv": (lambda: nn.Conv2D(3, 3, padding=1), (2, 2, 5, 5)),
    "conv_transpose": (lambda: nn.Conv2DTranspose(3, 3, strides=2), (2, 2, 4, 4)),
    "batch_norm": (lambda: nn.BatchNorm(), (3, 2, 4, 4)),
    "layer_norm": (lambda: nn.LayerNorm(), (3, 4)),
    "group_norm": (lambda: nn.GroupNorm(2), (2, 4, 3)),
    "instance_norm": (lambda: nn.InstanceNorm(), (2, 3, 4)),
    "max_pool": (lambda: nn.MaxPool2D(), (1, 2, 4, 4)),
    "avg_pool": (lambda: nn.AvgPool2D(), (1, 2, 4, 4)),
    "embedding": (lambda: nn.Embedding(4, 3), None),
    "gelu": (lambda: nn.GELU(), (3, 4)),
    "prelu": (lambda: nn.PReLU(), (3, 4)),
    "lstm": (lambda: rnn.LSTM(3, num_layers=2), (4, 2, 3)),
    "gru": (lambda: rnn.GRU(3, bidirectional=True), (4, 2, 3)),
    "rnn": (lambda: rnn.RNN(3, activation="tanh"), (4, 2, 3)),
}


@pytest.mark.parametrize("dtype", ["float64", "float16"])
@pytest.mark.parametrize("name", LAYERS)
def test_eager_and_hybridized_agree(name, dtype):
    make, shape = LAYERS[name]
    rng = onp.random.default_rng(3)
    if shape is None:
        x = mx.np.array([[0, 3], [2, 1]], dtype="int32")
    else:
        x = mx.np.array(rng.normal(size=shape), dtype=dtype)
        x.attach_grad()
    net = make()
    net.initialize(mx.init.Normal(0.5))
    net.cast(dtype)
    seen = []
    for hybridize in (False, True):
        if hybridize:
            net.hybridize()
        predicted = net(x)
        with mx.autograd.record():
            loss = (net(x).astype("float64") ** 2).sum()
        loss.backward()
        grads = [p.grad().asnumpy() for p in net.collect_params().values() if p.grad_req != "null"]
        if shape is not None:
            grads.append(x.grad.asnumpy())
        assert predicted.dtype == dtype
        seen.append([predicted.asnumpy(), *grads])
    rtol, atol = (1e-9, 1e-11) if dtype == "float64" else (1e-2, 1e-2)
    if name == "batch_norm":
        seen = [run[1:] for run in seen]  # the running statistics moved in between
    for a, b in zip(*seen, strict=True):
        onp.testing.assert_allclose(b.astype("float64"), a.astype("float64"), rtol, atol)


def test_errors_of_onnx_runtime_name_the_block(monkeypatch):
    net = nn.Dense(2)
    net.initialize()
    net.hybridize()
    x = mx.np.ones((2, 3))
    net(x)
    failure = failures()[-1]

    def fail(*arrays):
        raise failure("no such kernel")

    for kept in graph_sessions._compiled.values():
        if isinstance(kept, graph_sessions.Guarded):
            monkeypatch.setattr(kept, "run", fail)
    with pytest.raises(mx.errors.SymgluonError, match=r"no such kernel(.|\n)*Dense"):
        net(x)
