"""Deep and large graphs, and many threads: no recursion, linear time, serial results."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest

import symgluon as mx
from symgluon import autograd
from symgluon.gluon import HybridBlock, nn
from symgluon.gluon.block import Block


class Chain(HybridBlock):
    def __init__(self, length):
        super().__init__()
        self.length = length

    def forward(self, x):
        for i in range(self.length):
            x = x + 0.5 if i % 2 else mx.np.tanh(x)
        return x


def deep(length):
    """Child blocks inside child blocks are limited by Python's own stack; a long one is not."""
    net = nn.HybridSequential()
    for _ in range(length):
        net.add(nn.Activation("tanh"))
    return net


@pytest.mark.slow
@pytest.mark.parametrize("make", [Chain, deep], ids=["one forward", "children"])
def test_a_chain_of_5000(make, tmp_path):
    """Eager, gradient, compiled, compiled gradient, both kinds of files."""
    assert sys.getrecursionlimit() < 5000
    net = make(5000)
    x = mx.np.ones((2, 3))

    def gradient():
        x.attach_grad()
        with autograd.record():
            y = net(x)
        y.backward()
        return y.asnumpy(), x.grad.asnumpy()

    want = gradient()
    net.hybridize()
    for got, expected in zip(gradient(), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(net(x).asnumpy(), want[0], rtol=2e-3)
    symbol, _ = net.export(str(tmp_path / "m"))
    again = mx.gluon.SymbolBlock.imports(symbol, ["data"])
    np.testing.assert_allclose(again(x).asnumpy(), want[0], rtol=2e-3)


@pytest.mark.slow
def test_nested_blocks_up_to_the_stack():
    """A tree as deep as Python calls go, and an error of Python's beyond."""
    net: Block = nn.Dense(2, in_units=2)
    for _ in range(60):
        outer = nn.HybridSequential()
        outer.add(net)
        net = outer
    net.initialize()
    x = mx.np.ones((1, 2))
    want = net(x).asnumpy()
    net.hybridize()
    np.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-5)
    assert next(iter(net.collect_params())).endswith(".weight")


@pytest.mark.slow
def test_a_hundred_thousand_nodes():
    """Trace and passes take about ten times as long for ten times the nodes."""
    from symgluon.passes import run_pipeline

    seconds = []
    for length in (10_000, 100_000):
        net = Chain(length)
        start = time.process_time()
        graph = net.graph_for(mx.np.ones((2, 3)))
        run_pipeline(graph, "infer")
        seconds.append(time.process_time() - start)
        assert len(graph) > 100
    assert seconds[1] < 30 * max(seconds[0], 0.1)


def test_sixteen_threads_on_one_net():
    """First calls and cached calls, at several sizes, give the serial results."""
    net = nn.HybridSequential()
    net.add(nn.Dense(8, in_units=4, activation="relu"), nn.BatchNorm(in_channels=8),
            nn.Dense(3, in_units=8))  # fmt: skip
    net.initialize(mx.init.Normal(1))
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(n, 4)).astype("float32") for n in (1, 2, 3, 5)]
    with mx.util.np_array(True):
        want = [net(mx.np.array(d)).asnumpy() for d in data]
    net.hybridize()
    wrong: list[object] = []
    barrier = threading.Barrier(16)

    def work(number):
        try:
            barrier.wait()
            for i in range(50):
                k = (number + i) % len(data)
                got = net(mx.np.array(data[k])).asnumpy()
                np.testing.assert_allclose(got, want[k], rtol=1e-5, atol=1e-6)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
