"""Deferred initialisation: one order of draws, shapes through infer_shape or the operators."""

import numpy as onp
import pytest
from semantics_nets import WAYS, in_way

import symgluon as mx
from symgluon.gluon import HybridBlock, Parameter, SymbolBlock, nn

np = mx.np


def net_of():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(3, 2), nn.BatchNorm(), nn.Flatten(), nn.Dense(4), nn.Dense(2))
    return net


def parameters(net):
    return {n: p.data().asnumpy() for n, p in net.collect_params().items()}


@WAYS
def test_values_are_equal_in_eager_mode_and_in_a_trace(way):
    found = []
    for kind in ("eager", way):
        mx.random.seed(4)
        net = net_of()
        net.initialize()
        in_way(net, kind)
        net(np.ones((2, 3, 5, 5)))
        found.append(parameters(net))
    for name, array in found[0].items():
        onp.testing.assert_array_equal(found[1][name], array)


def test_the_array_is_made_outside_the_region_and_the_tape():
    net = net_of()
    net.initialize()
    net.hybridize()
    with mx.autograd.record():
        net(np.ones((2, 3, 5, 5)))
    cell = net[3].weight.data()
    assert isinstance(cell._data, onp.ndarray)
    assert cell._node is cell._leaf


def test_a_named_dimension_that_a_shape_reads_is_pinned():
    net = nn.Dense(2)
    net.initialize()
    net.hybridize()
    net(np.ones((2, 5)))
    assert net(np.ones((3, 5))).shape == (3, 2)
    assert net._cache.traces == 1
    with pytest.raises(ValueError):
        net(np.ones((3, 6)))


@WAYS
def test_a_users_infer_shape_is_called(way):
    class Scale(HybridBlock):
        def __init__(self):
            super().__init__()
            self.w = Parameter("w", shape=(-1,), init="ones", allow_deferred_init=True)

        def infer_shape(self, x):
            self.w.shape = (x.shape[-1],)

        def forward(self, x):
            return x * self.w.data()

    net = Scale()
    net.initialize()
    in_way(net, way)
    assert net(np.ones((2, 3))).shape == (2, 3)
    assert net.w.shape == (3,)


@WAYS
def test_without_infer_shape_unknown_parameters_are_a_runtime_error_that_names_them(way):
    class Two(HybridBlock):
        def __init__(self):
            super().__init__()
            self.a = Parameter("a", shape=(-1, 2), allow_deferred_init=True)
            self.b = Parameter("b", shape=(-1,), allow_deferred_init=True)

        def forward(self, x):
            return x

    net = Two()
    net.initialize()
    in_way(net, way)
    with pytest.raises(RuntimeError, match="a, b"):
        net(np.ones((2, 3)))


def test_symbols_find_shapes_through_the_operators(tmp_path):
    net = net_of()
    net.initialize()
    net.hybridize()
    x = np.ones((2, 3, 5, 5))
    net(x)
    symbol, _ = net.export(str(tmp_path / "net"))
    imported = SymbolBlock.imports(symbol, ["data"])
    imported.initialize(mx.init.One())
    assert imported(x).shape == (2, 2)
    want = {n: p.shape for n, p in net.collect_params().items()}
    assert {n: p.shape for n, p in imported.collect_params().items()} == want


def test_unknown_sizes_are_minus_one_outside():
    net = nn.Dense(2)
    assert net.weight.shape == (2, -1)


@WAYS
def test_a_dimension_of_size_zero_is_known(way):
    net = nn.Embedding(3, 2)
    net.initialize()
    in_way(net, way)
    assert net(np.zeros((0, 4), dtype="int32")).shape == (0, 4, 2)
