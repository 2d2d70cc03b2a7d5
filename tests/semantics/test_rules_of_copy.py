"""Copies and pickles: parameters, gradients and sharing stay, compiled entries and tape do not."""

import copy
import pickle

import pytest
from semantics_nets import in_way, variable

import symgluon as mx
from symgluon.gluon import nn

np, autograd = mx.np, mx.autograd
COPIES = pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))],
    ids=["deepcopy", "pickle"],
)


def trained(way):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=3, use_bias=False), nn.Dense(3, in_units=3, use_bias=False))
    net.add(nn.BatchNorm(in_channels=3), nn.Dropout(0.5))
    net[1].share_parameters(net[0].collect_params())
    net.initialize()
    in_way(net, way)
    with autograd.record():
        loss = net(np.ones((2, 3))).sum()
    loss.backward()
    net(np.ones((2, 3)))
    return net


@COPIES
@pytest.mark.parametrize("way", ["eager", "onnxruntime"])
def test_a_traced_net_is_copied(way, duplicate):
    net = trained(way)
    twin = duplicate(net)
    x = np.random.normal(size=(4, 3))
    assert twin(x).tolist() == net(x).tolist()
    if way != "eager":
        assert twin._flags.active
        assert twin._cache.traces == 1


@COPIES
def test_compiled_entries_are_dropped(duplicate):
    twin = duplicate(trained("onnxruntime"))
    assert twin._cache.by_key == {}


@COPIES
def test_sharing_inside_survives_and_nothing_is_shared_with_the_copy(duplicate):
    net = trained("onnxruntime")
    twin = duplicate(net)
    assert twin[0].weight is twin[1].weight
    before = net[0].weight.data().tolist()
    twin[0].weight.set_data(np.zeros((3, 3)))
    assert net[0].weight.data().tolist() == before
    assert not twin[1].weight.data().asnumpy().any()


@COPIES
def test_gradients_are_copied_and_producers_are_not(duplicate):
    net = trained("eager")
    twin = duplicate(net)
    assert twin[0].weight.grad().tolist() == net[0].weight.grad().tolist()
    assert twin[0].weight.grad() is not net[0].weight.grad()
    x = variable([1.0])
    with autograd.record():
        y = x * 2
    assert y._node is not None
    assert duplicate(y)._node is None
    assert duplicate(x).grad.tolist() == [0]


@COPIES
def test_both_train_on_their_own(duplicate):
    net = trained("onnxruntime")
    twin = duplicate(net)
    trainer = mx.gluon.Trainer(twin.collect_params(), "sgd", {"learning_rate": 0.1})
    before = net[0].weight.data().tolist()
    with autograd.record():
        loss = (twin(np.ones((2, 3))) ** 2).sum()
    loss.backward()
    trainer.step(1)
    assert net[0].weight.data().tolist() == before
    assert pickle.loads(pickle.dumps(twin))[0].weight._trainer is None


@COPIES
def test_copies_keep_each_device_and_the_names_of_parameters(duplicate, tmp_path):
    net = nn.Dense(1, in_units=2)
    net.initialize(device=[mx.cpu(0), mx.cpu(1)])
    net.weight.list_data()[1][:] = 5
    twin = duplicate(net)
    assert twin.weight.list_device() == [mx.cpu(0), mx.cpu(1)]
    assert [d.tolist() for d in twin.weight.list_data()] == [
        d.tolist() for d in net.weight.list_data()
    ]
    twin.hybridize()
    twin(np.ones((1, 2)))
    _, params = twin.export(str(tmp_path / "twin"))
    assert set(mx.nd.load(params)) == {"arg:weight", "arg:bias"}
