"""SyncBatchNorm over the logical devices of one process."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest

import symgluon as mx
from symgluon import autograd, distributed, gluon
from symgluon.backends import compile_graph, make_options
from symgluon.errors import SymgluonError
from symgluon.gluon import nn

BOUND = {"float64": 1e-11, "float32": 1e-5}


@pytest.fixture(autouse=True)
def _np():
    with mx.util.np_shape(True), mx.util.np_array(True):
        yield


def devices(count):
    return [mx.cpu(i) for i in range(count)]


def layer(count, dtype="float32", **kwargs):
    net = nn.SyncBatchNorm(in_channels=3, **kwargs)
    net.cast(dtype)
    net.initialize(device=devices(count))
    return net


def parts_of(x, count, dtype="float32"):
    return gluon.utils.split_and_load(
        mx.np.array(x, dtype=dtype), devices(count), even_split=False
    )


def stacked_net(norm, dtype):
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(4, 3, use_bias=False), norm(), nn.Activation("tanh"),
        nn.Conv2D(5, 3, use_bias=False), norm(), nn.Flatten(), nn.Dense(2),
    )  # fmt: skip
    net.cast(dtype)
    return net


def train(net, parts, one_backward):
    for _ in range(2):
        for part in parts:
            part.attach_grad()
        with autograd.record():
            outs = [net(part) for part in parts]
            losses = [(out**3).sum() for out in outs]
        if one_backward:
            autograd.backward(losses)
        else:
            for loss in losses:
                loss.backward()
    return outs


def close(got, want, dtype):
    np.testing.assert_allclose(got, want, rtol=0, atol=BOUND[dtype] * np.abs(want).max())


@pytest.mark.parametrize("one_backward", [True, False], ids=["one backward", "backward each"])
@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_equals_batch_norm_of_the_whole_batch(count, dtype, hybridize, one_backward):
    """Two stacked layers, deferred channels, parts of unequal size."""
    rng = np.random.default_rng(0)
    x = rng.normal(1, 2, (10, 3, 8, 8)).astype(dtype)
    whole, net = stacked_net(nn.BatchNorm, "float64"), stacked_net(nn.SyncBatchNorm, dtype)
    whole.initialize()
    net.initialize(device=devices(count))
    net(mx.np.array(x[:1], dtype=dtype))
    whole(mx.np.array(x[:1], dtype="float64"))
    for name, parameter in net.collect_params().items():
        value = rng.normal(0, 0.4, parameter.shape).astype(dtype)
        value = abs(value) + 0.5 if "var" in name else value
        parameter.set_data(mx.np.array(value, dtype=dtype))
        whole.collect_params()[name].set_data(mx.np.array(value, dtype="float64"))
    if hybridize:
        net.hybridize()
    all_of_it = mx.np.array(x, dtype="float64")
    (want,) = train(whole, [all_of_it], True)
    parts = parts_of(x, count, dtype)
    outs = train(net, parts, one_backward)
    close(np.concatenate([o.asnumpy() for o in outs]), want.asnumpy(), dtype)
    close(np.concatenate([p.grad.asnumpy() for p in parts]), all_of_it.grad.asnumpy(), dtype)
    for name, expected in whole.collect_params().items():
        found = net.collect_params()[name]
        if expected.grad_req == "null":
            for value in found.list_data():
                close(value.asnumpy(), expected.data().asnumpy(), dtype)
        else:
            close(sum(g.asnumpy() for g in found.list_grad()), expected.grad().asnumpy(), dtype)


@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
def test_large_mean_does_not_cancel(hybridize):
    x = np.random.default_rng(1).normal(1e4, 2, (8, 3, 5)).astype("float32")
    net = layer(2)
    if hybridize:
        net.hybridize()
    with autograd.record():
        outs = [net(part) for part in parts_of(x, 2)]
    exact = x.astype("float64")
    mean, var = exact.mean((0, 2)), exact.var((0, 2))
    want = (exact - mean[:, None]) / np.sqrt(var[:, None] + 1e-5)
    np.testing.assert_allclose(np.concatenate([o.asnumpy() for o in outs]), want, atol=2e-6)
    for cell in net.running_var.list_data():
        np.testing.assert_allclose(cell.asnumpy(), 0.9 + 0.1 * var, rtol=1e-6)


def test_one_layer_called_twice_in_a_forward():
    class Twice(nn.HybridSequential):
        def forward(self, x):
            return self[0](self[0](x) * 2 + 1)

    def make(norm, count):
        net = Twice()
        net.add(norm(in_channels=3))
        net.cast("float64")
        net.initialize(device=devices(count))
        return net

    x = np.random.default_rng(2).normal(size=(6, 3, 4))
    whole, net = make(nn.BatchNorm, 1), make(nn.SyncBatchNorm, 2)
    (want,) = train(whole, [mx.np.array(x, dtype="float64")], True)
    outs = train(net, parts_of(x, 2, "float64"), True)
    close(np.concatenate([o.asnumpy() for o in outs]), want.asnumpy(), "float64")
    for cell in net[0].running_mean.list_data():
        close(cell.asnumpy(), whole[0].running_mean.data().asnumpy(), "float64")


def test_second_order():
    x = np.random.default_rng(3).normal(size=(4, 3, 5))

    def penalty(net, parts):
        for part in parts:
            part.attach_grad()
        with autograd.record():
            losses = [(net(part) ** 3).sum() for part in parts]
            grads = autograd.grad(losses, parts, create_graph=True, retain_graph=True)
            norms = [(g**2).sum() for g in grads]
        autograd.backward(norms)
        return np.concatenate([p.grad.asnumpy() for p in parts])

    plain = nn.BatchNorm(in_channels=3)
    plain.cast("float64")
    plain.initialize()
    want = penalty(plain, [mx.np.array(x, dtype="float64")])
    close(penalty(layer(2, "float64"), parts_of(x, 2, "float64")), want, "float64")


@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
def test_reading_too_early_says_who_is_missing_and_recovers(hybridize):
    net = layer(2, num_devices=2)
    if hybridize:
        net.hybridize()
    parts = parts_of(np.random.default_rng(4).normal(size=(4, 3)), 2)
    with autograd.record():
        out = net(parts[0]) + 1
        assert out.shape == (2, 3)
        assert out.dtype == np.float32
        with pytest.raises(SymgluonError, match=r"in_channels=3.*all 2 devices.*device 0 did, 1"):
            out.asnumpy()
        np.testing.assert_array_equal(net.running_mean.list_data()[0].asnumpy(), np.zeros(3))
        outs = [net(part) for part in parts]
    assert np.isfinite(outs[0].asnumpy()).all()
    means = [cell.asnumpy() for cell in net.running_mean.list_data()]
    np.testing.assert_array_equal(means[0], means[1])


def test_gradients_read_too_early():
    net = layer(2)
    parts = parts_of(np.random.default_rng(5).normal(size=(4, 3)), 2)
    for part in parts:
        part.attach_grad()
    with autograd.record():
        losses = [(net(part) ** 2).sum() for part in parts]
    losses[0].backward()
    with pytest.raises(
        SymgluonError, match=r"gradients are read before all 2 devices ran backward"
    ):
        parts[0].grad.asnumpy()


@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
def test_devices_that_disagree(hybridize):
    net = layer(2, num_devices=2)
    if hybridize:
        net.hybridize()
    parts = parts_of(np.random.default_rng(6).normal(size=(4, 3)), 2)
    with autograd.record():
        net(parts[0])
        with pytest.raises(SymgluonError, match=r"disagree about the data.*float32.*float64"):
            net(parts[1].astype("float64"))


def test_a_graph_of_several_devices_run_for_none():
    net = layer(2, num_devices=2)
    x = mx.np.ones((2, 3))
    with autograd.train_mode():
        graph = net.graph_for(x, functions=False)
    arrays = [x.asnumpy(), *[p.data().asnumpy() for p in net.collect_params().values()]]
    with pytest.raises(SymgluonError, match=r"serves several devices was run for none"):
        compile_graph(graph, make_options("numpy"))(*arrays)


@pytest.mark.parametrize(
    "start", [distributed.init, lambda: mx.kvstore.create("dist_sync")], ids=["init", "kvstore"]
)
def test_without_mpi(monkeypatch, start):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(SymgluonError, match=r"needs MPI.*\n.*symgluon\[mpi\]"):
        start()


def test_trainer_step_over_devices():
    def steps(norm, count):
        net = nn.HybridSequential()
        net.add(norm(in_channels=3), nn.Dense(2, in_units=3))
        net.cast("float64")
        net.initialize(mx.init.One(), device=devices(count))
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
        rng = np.random.default_rng(6)
        for _ in range(3):
            parts = parts_of(rng.normal(size=(6, 3)), count, "float64")
            with autograd.record():
                losses = [((net(part) - 1) ** 3).sum() for part in parts]
            autograd.backward(losses)
            trainer.step(6)
        return {n: p.list_data()[-1].asnumpy() for n, p in net.collect_params().items()}

    want, found = steps(nn.BatchNorm, 1), steps(nn.SyncBatchNorm, 2)
    for name, value in want.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-12)


def test_views_and_writes_of_results_to_come():
    net = layer(2)
    parts = parts_of(np.random.default_rng(7).normal(size=(4, 3)), 2)
    with autograd.train_mode():
        first = net(parts[0])
        row = first[0]
        picked = row[1:]
        first[1] = 0
        net(parts[1])
    np.testing.assert_array_equal(first.asnumpy()[1], np.zeros(3))
    np.testing.assert_array_equal(picked.asnumpy(), first.asnumpy()[0, 1:])


def test_a_view_keeps_its_gradient_when_the_numbers_come():
    net = layer(2)
    parts = parts_of(np.random.default_rng(8).normal(size=(4, 3)), 2)
    for part in parts:
        part.attach_grad()
    with autograd.record():
        outs = [net(part) for part in parts]
        rows = [out[0] for out in outs]
    for row in rows:
        row.asnumpy()
    autograd.backward(rows)
    assert np.isfinite(parts[0].grad.asnumpy()).all()


@pytest.mark.parametrize(
    ("kwargs", "count"), [({"num_devices": 2}, 1), ({"num_devices": 3}, 2)], ids=str
)
def test_wrong_number_of_devices(kwargs, count):
    net = layer(count, **kwargs)
    with autograd.record(), pytest.raises(ValueError, match=r"num_devices=.* on"):
        net(parts_of(np.ones((2, 3)), count)[0])


@pytest.mark.parametrize("kwargs", [{"num_devices": 1}, {"use_global_stats": True}], ids=str)
def test_devices_for_themselves(kwargs):
    net = layer(2, **kwargs)
    part = parts_of(np.random.default_rng(9).normal(size=(4, 3)), 2)[0]
    with autograd.record():
        assert np.isfinite(net(part).asnumpy()).all()


def test_prediction_waits_for_nobody():
    net = layer(2)
    part = parts_of(np.ones((4, 3)), 2)[1]
    np.testing.assert_allclose(net(part).asnumpy(), np.ones((2, 3)), rtol=1e-4)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))])
def test_copies_are_groups_of_their_own(how):
    net = layer(2)
    other = how(net)
    parts = parts_of(np.random.default_rng(10).normal(size=(4, 3)), 2)
    with autograd.record():
        net(parts[0])
        outs = [other(part) for part in parts]
    assert np.isfinite(outs[0].asnumpy()).all()


def test_nonsense_number():
    with pytest.raises(ValueError, match="num_devices must be positive"):
        nn.SyncBatchNorm(num_devices=0)


def test_data_of_another_device_and_dtype():
    net = layer(2)
    with autograd.record():
        with pytest.raises(RuntimeError, match="device"):
            net(mx.np.ones((2, 3), device=mx.cpu(5)))
        with pytest.raises(SymgluonError, match="SyncBatchNorm"):
            net(mx.np.ones((2, 3), dtype="int32", device=mx.cpu(1)))
