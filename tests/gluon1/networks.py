"""Small networks written in the style of MXNet 1.x."""

from __future__ import annotations

import numpy as np


def make(name):
    """Return a network and its inputs."""
    import mxnet as mx
    from mxnet import gluon
    from mxnet.gluon import nn, rnn

    class Scaled(gluon.HybridBlock):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.w = self.params.get("weight", shape=(units, 0), allow_deferred_init=True)
                self.s = self.params.get_constant("scale", [[2.0] * units])
                self.out = nn.Dense(2)

        def hybrid_forward(self, F, x, w, s):
            h = F.FullyConnected(x, w, num_hidden=4, no_bias=True)
            return self.out(F.broadcast_mul(F.relu(h), s))

    class Masked(nn.Dense):
        def hybrid_forward(self, F, x, weight, bias=None):
            return super().hybrid_forward(F, x, weight=F.relu(weight), bias=bias)

    class Sequence(gluon.HybridBlock):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.lstm = rnn.LSTM(3, bidirectional=True, layout="NTC")
                self.cell = rnn.GRUCell(2)

        def hybrid_forward(self, F, x):
            steps = self.lstm(x)
            return self.cell.unroll(2, steps, layout="NTC", merge_outputs=True)[0]

    class Functions(gluon.HybridBlock):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.f = nn.HybridLambda(
                lambda F, x, y: F.broadcast_add(F.contrib.arange_like(x, axis=1), x * y)
            )
            self.g = nn.HybridLambda("tanh")

        def hybrid_forward(self, F, x):
            return self.g(self.f(x, x))

    class Shared(gluon.HybridBlock):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.a = nn.Dense(3, flatten=False)
                self.b = nn.Dense(3, flatten=False, params=self.a.params)

        def hybrid_forward(self, F, x, mask=None):
            y = self.b(self.a(x))
            if mask is not None:
                return F.where(mask, y, F.zeros_like(y))
            return [y, F.linalg.gemm2(y, y, transpose_b=True)]

    x = mx.nd.array(np.arange(6).reshape(2, 3) * 0.5 - 1)
    if name == "sequence":
        return Sequence(), [mx.nd.array(np.arange(12).reshape(2, 2, 3) * 0.1 - 0.5)]
    if name == "where":
        return Shared(), [x, mx.nd.array([[1, 0, 1], [0, 1, 1]])]
    nets = {
        "scaled": lambda: Scaled(4), "masked": lambda: Masked(2), "lambda": Functions,
        "shared": Shared,
    }  # fmt: skip
    return nets[name](), [x]


def fill(net):
    """Set every parameter to numbers that follow from its place and shape."""
    import mxnet as mx

    for i, p in enumerate(net._collect_params_with_prefix().values()):
        numbers = np.arange(int(np.prod(p.shape))).reshape(p.shape)
        p.set_data(mx.nd.array((numbers % 7 - 3) * 0.1 + 0.01 * i))


def outputs(result):
    """NumPy arrays of what a network returned."""
    return [o.asnumpy() for o in (result if isinstance(result, list | tuple) else [result])]
