"""Floating-point operations: exact where a formula says them, named where they are unknown."""

import numpy as np
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.gluon import nn, rnn
from symgluon.ir.cost import flops, node_flops
from symgluon.ir.dims import Dim, evaluate
from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.passes import run_pipeline

F32 = np.dtype("float32")


def node_of(name, shapes, **attrs):
    graph = Graph("g")
    operands = [graph.add_input(f"x{i}", TensorType(s, F32)) for i, s in enumerate(shapes)]
    return graph.add(OPS[name](**attrs), operands)


COUNTS = {
    "attention": (
        ("attention", [(2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6)]),
        {},
        2 * 3 * 5 * 7 * (2 * 4 + 2 * 6 + 5),
    ),
    "clip": (("clip", [(3, 4)]), {"a_min": 0.0, "a_max": 1.0}, 12),
    "global pooling": (("global_pooling", [(2, 3, 4, 5)]), {}, 120),
    "deviation": (("std", [(3, 4)]), {}, 36),
    "a mask moves": (("where", [(3,), (3,), (3,)]), {}, 0),
    "mish": (("mish", [(5,)]), {}, 20),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name):
    (op, shapes), attrs, expected = COUNTS[name]
    assert node_flops(node_of(op, shapes, **attrs)) == expected


@pytest.mark.parametrize(
    ("cls", "gates"), [(rnn.LSTM, 4), (rnn.GRU, 3), (rnn.RNN, 1)], ids=["lstm", "gru", "rnn"]
)
def test_recurrent_layers_count_their_products(cls, gates):
    steps, batch, inputs, hidden = 5, 2, 3, 4
    net = cls(hidden, num_layers=2, bidirectional=True, input_size=inputs)
    net.initialize()
    graph = net.graph_for(mx.np.ones((steps, batch, inputs)), functions=False)
    (node,) = [n for n in graph.nodes if n.op.name == "rnn"]
    cells = gates * hidden * (inputs + hidden) + gates * hidden * (2 * hidden + hidden)
    found = node_flops(node)
    found = evaluate(found, graph.hints) if isinstance(found, Dim) else found
    assert found == 2 * steps * batch * 2 * cells


def traced(forward, *shapes):
    graph = nn.HybridLambda(forward).graph_for(*[mx.np.ones(s) for s in shapes], functions=False)
    total, unknown = flops(graph)
    return (evaluate(total, graph.hints) if isinstance(total, Dim) else total), unknown


def test_a_loop_counts_once_a_slice():
    def forward(x):
        out, _ = mx.npx.foreach(lambda a, s: (mx.np.tanh(a) * s, s), x, mx.np.ones(3))
        return out

    assert traced(forward, (7, 3)) == (7 * 2 * 3, [])


def test_a_branch_counts_as_the_larger_one():
    class Branch(gluon.HybridBlock):
        def forward(self, x):
            return mx.npx.cond(
                lambda y: y.sum() > 0, lambda y: mx.np.exp(mx.np.tanh(y)), lambda y: -y, [x]
            )

    net = Branch()
    net.hybridize(static_shape=True)
    report = net.optimize_report(mx.np.ones((2, 3)))
    assert report.flops_before == (6 + 1 + 2 * 6, ())


def test_a_loop_until_a_condition_is_not_known():
    def forward(x):
        return mx.npx.while_loop(
            lambda s: s.sum() < 10, lambda s: (s, s + 1), [x], max_iterations=20
        )[1]

    assert traced(forward, (3,))[1] == ["while_loop"]


def test_fusing_does_not_change_the_count():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.Activation("relu"), nn.Dense(3, activation="tanh"))
    net.initialize()
    x = mx.np.ones((2, 3, 8, 8))
    net(x)
    graph = net.graph_for(x, functions=False, frozen=True)
    before = evaluate(flops(graph)[0], graph.hints)
    run_pipeline(graph, "infer")
    assert {n.op.name for n in graph.nodes} == {"fused"}
    assert evaluate(flops(graph)[0], graph.hints) == before
