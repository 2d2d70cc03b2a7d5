"""Logical devices: labels on cells; one trace serves several of them."""

import numpy as onp
import pytest
from semantics_nets import WAYS, in_way

import symgluon as mx
from symgluon.gluon import nn

np, autograd = mx.np, mx.autograd
DEVICES = [mx.cpu(0), mx.cpu(1)]


def net_of():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=2), nn.BatchNorm(in_channels=3), nn.Dense(1, in_units=3))
    net.initialize(mx.init.Xavier(), device=DEVICES)
    return net


@WAYS
def test_two_devices_keep_statistics_and_gradients_of_their_own(way):
    mx.random.seed(0)
    net = in_way(net_of(), way)
    parts = [np.random.normal(size=(4, 2)).as_in_ctx(d) for d in DEVICES]
    with autograd.record():
        losses = [net(x).sum() for x in parts]
    autograd.backward(losses)
    means = [d.asnumpy() for d in net[1].running_mean.list_data()]
    assert abs(means[0] - means[1]).max() > 0
    grads = [g.asnumpy() for g in net[2].weight.list_grad()]
    assert grads[0].shape == grads[1].shape
    if way != "eager":
        assert net._cache.traces == 1
    assert [loss.device for loss in losses] == DEVICES


def test_results_of_both_devices_equal_those_of_eager_code():
    mx.random.seed(0)
    net = net_of()
    x = np.random.normal(size=(4, 2))
    want = net(x).asnumpy()
    net.hybridize()
    for d in DEVICES:
        onp.testing.assert_allclose(net(x.as_in_ctx(d)).asnumpy(), want, rtol=1e-5)


@WAYS
def test_a_device_without_parameters_is_a_runtime_error(way):
    net = in_way(net_of(), way)
    with pytest.raises(RuntimeError, match=r"cpu\(3\)"):
        net(np.ones((1, 2), device=mx.cpu(3)))


def test_cpu_labels_mix_in_arithmetic():
    out = np.ones((2,), device=mx.cpu(0)) + np.ones((2,), device=mx.cpu(1))
    assert out.tolist() == [2, 2]


def test_saved_parameters_are_the_mean_over_devices(tmp_path):
    net = nn.Dense(1, in_units=2, use_bias=False)
    net.initialize(mx.init.Zero(), device=DEVICES)
    for value, cell in zip((1, 3), net.weight.list_data(), strict=True):
        cell[:] = value
    net.save_parameters(str(tmp_path / "net.params"))
    other = nn.Dense(1, in_units=2, use_bias=False)
    other.load_parameters(str(tmp_path / "net.params"))
    assert other.weight.data().tolist() == [[2, 2]]


def test_data_without_a_device_is_the_current_ones_else_the_first():
    net = nn.Dense(1, in_units=1)
    net.initialize(device=[mx.cpu(1), mx.cpu(2)])
    assert net.weight.data().device == mx.cpu(1)
    with mx.cpu(2):
        assert net.weight.data().device == mx.cpu(2)


def test_the_trainer_sums_gradients_over_the_devices_once_a_step():
    net = nn.Dense(1, in_units=1, use_bias=False)
    net.initialize(mx.init.One(), device=DEVICES)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0})
    with autograd.record():
        losses = [
            net(np.full((1, 1), v, device=d)).sum()
            for v, d in zip((2.0, 3.0), DEVICES, strict=True)
        ]
    autograd.backward(losses)
    trainer.step(1)
    assert [d.item() for d in net.weight.list_data()] == [1 - 5, 1 - 5]
