"""Small blocks for the tests of semantics: a function as a block, run in several ways."""

from __future__ import annotations

import dataclasses

import pytest

import symgluon as mx

BACKENDS = ("numpy", "onnxruntime")
#: eager, hybridized on each backend
WAYS = pytest.mark.parametrize("way", ["eager", *BACKENDS])


class Fn(mx.gluon.HybridBlock):
    """A function as a block, which counts how often Python runs it."""

    def __init__(self, function):
        super().__init__()
        self.function, self.runs = function, 0

    def forward(self, *args):
        self.runs += 1
        return self.function(*args)


def in_way(net, way, **flags):
    """Return `net` as it is, or hybridized on a backend."""
    if way != "eager":
        net.hybridize(**flags)
        net._set_flags(dataclasses.replace(net._flags, backend=way))
    return net


def fn(function, way="onnxruntime", **flags):
    """Return a function as a block that runs in a way."""
    return in_way(Fn(function), way, **flags)


def variable(values, req="write", dtype="float32"):
    x = mx.np.array(values, dtype=dtype)
    x.attach_grad(req)
    return x


def gradient(net, *values, dtype="float32"):
    """Return the gradients of the sum of ``net(*values)``."""
    xs = [variable(v, dtype=dtype) for v in values]
    with mx.autograd.record():
        out = net(*xs)
        total = out.sum()
    total.backward()
    return [x.grad.asnumpy() for x in xs]
