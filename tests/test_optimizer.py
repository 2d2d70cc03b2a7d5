"""Optimizers, schedules, `Trainer` and the key-value store.

``data/optimizers.npz`` holds trajectories that MXNet 2.0.0beta1 computed: two parameters, (3, 4)
and (4,), side by side in rows of 16, five steps of ``Trainer.step`` on recorded gradients.
"""

from __future__ import annotations

import json
import math
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import symgluon as mx
from symgluon import gluon, kvstore, lr_scheduler, optimizer

FILE = np.load(Path(__file__).parent / "data" / "optimizers.npz")
CASES = json.loads(bytes(FILE["cases"]))
SHAPES = ((3, 4), (4,))


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


def parts(row):
    return [row[:12].reshape(3, 4), row[12:]]


def parameters(values, dtype="float32", lr_mult=(1.0, 1.0), wd_mult=(1.0, 1.0), device=None):
    made = {}
    for i, value in enumerate(values):
        p = gluon.Parameter(
            f"p{i}", shape=value.shape, dtype=dtype, lr_mult=lr_mult[i], wd_mult=wd_mult[i]
        )
        p.initialize(mx.init.Zero(), device=device)
        p.set_data(mx.np.array(value, dtype=dtype))
        made[p.name] = p
    return made


def backward(params, grads):
    """Give every parameter the gradient."""
    for p, g in zip(params.values(), grads, strict=True):
        for cell in p.list_data():
            with mx.autograd.record():
                y = (cell * mx.np.array(g, dtype=p.dtype, device=cell.device)).sum()
            y.backward()


def arguments(case):
    made = dict(case["kwargs"])
    if "lr_scheduler" in case:
        s = case["lr_scheduler"]
        made["lr_scheduler"] = getattr(lr_scheduler, s["class"])(**s["kwargs"])
    return made


def ids(case):
    return f"{case['optimizer']}-{case['id']}"


@pytest.mark.parametrize("number", range(len(CASES)), ids=[ids(c) for c in CASES])
def test_trajectory(number):
    case = CASES[number]
    dtype = case["dtype"]
    tolerance = 5e-3 if dtype == "float16" else 1e-4
    params = parameters(parts(FILE["before"][number]), dtype, case["lr_mult"], case["wd_mult"])
    trainer = gluon.Trainer(params, case["optimizer"], arguments(case), kvstore=None)
    for t, rate in enumerate(case["learning_rates"]):
        backward(params, parts(FILE["grads"][number][t]))
        trainer.step(case["batch_size"])
        assert trainer.learning_rate == pytest.approx(rate, rel=1e-6)
        for p, expected in zip(params.values(), parts(FILE["weights"][number][t]), strict=True):
            assert p.data().dtype == dtype
            np.testing.assert_allclose(
                p.data().asnumpy().astype("f8"), expected, rtol=tolerance, atol=tolerance
            )


def test_all_optimizers_have_a_trajectory():
    assert {c["optimizer"] for c in CASES} | {"sgld", "groupadagrad", "test"} >= {
        n for n, c in optimizer.Optimizer.opt_registry.items() if c.__module__.startswith("symg")
    }


def test_sgld_adds_noise_of_variance_lr():
    params = parameters([np.zeros((200, 100))])
    trainer = gluon.Trainer(params, "sgld", {"learning_rate": 0.04})
    mx.random.seed(3)
    backward(params, [np.ones((200, 100))])
    trainer.step(1)
    found = params["p0"].data().asnumpy()
    assert found.mean() == pytest.approx(-0.02, abs=0.01)
    assert found.std() == pytest.approx(0.2, rel=0.03)


SCHEDULES = [
    (lr_scheduler.FactorScheduler, {"step": 2, "factor": 0.5, "base_lr": 1.0},
     [1, 1, 1, 0.5, 0.5, 0.25]),
    (lr_scheduler.FactorScheduler, {"step": 1, "factor": 0.1, "base_lr": 1.0,
                                    "stop_factor_lr": 0.05}, [1, 1, 0.1, 0.05, 0.05]),
    (lr_scheduler.MultiFactorScheduler, {"step": [1, 3], "factor": 0.1, "base_lr": 1.0},
     [1, 1, 0.1, 0.1, 0.01]),
    (lr_scheduler.PolyScheduler, {"max_update": 4, "base_lr": 1.0, "pwr": 2},
     [1, 0.5625, 0.25, 0.0625, 0, 0]),
    (lr_scheduler.CosineScheduler, {"max_update": 4, "base_lr": 1.0, "final_lr": 0.2},
     [0.2 + 0.4 * (1 + math.cos(math.pi * t / 4)) for t in range(5)] + [0.2]),
    (lr_scheduler.CosineScheduler, {"max_update": 4, "base_lr": 1.0, "warmup_steps": 2},
     [0, 0.5, 1, 0.5, 0]),
    (lr_scheduler.PolyScheduler, {"max_update": 4, "base_lr": 1.0, "pwr": 1, "warmup_steps": 2,
                                  "warmup_begin_lr": 0.3, "warmup_mode": "constant"},
     [0.3, 0.3, 1, 0.5, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "kwargs", "rates"), SCHEDULES)
def test_schedule(cls, kwargs, rates):
    scheduler = cls(**kwargs)
    assert [scheduler(t) for t in range(len(rates))] == pytest.approx(rates)


@pytest.mark.parametrize(
    ("cls", "kwargs"),
    [
        (lr_scheduler.FactorScheduler, {"step": 0}),
        (lr_scheduler.FactorScheduler, {"step": 1, "factor": 1.5}),
        (lr_scheduler.MultiFactorScheduler, {"step": [3, 2]}),
        (lr_scheduler.PolyScheduler, {"max_update": 0}),
        (lr_scheduler.CosineScheduler, {"max_update": 3, "warmup_mode": "other"}),
        (lr_scheduler.CosineScheduler, {"max_update": 3, "warmup_begin_lr": 5.0}),
    ],
)
def test_schedule_refuses(cls, kwargs):
    with pytest.raises(ValueError):
        cls(**kwargs)


def test_scheduler_decides_the_learning_rate():
    scheduler = lr_scheduler.FactorScheduler(step=1, factor=0.5, base_lr=0.4)
    params = parameters([np.ones(2)])
    trainer = gluon.Trainer(params, "sgd", {"learning_rate": 0.4, "lr_scheduler": scheduler})
    with pytest.raises(UserWarning, match="LRScheduler"):
        trainer.set_learning_rate(1.0)
    with pytest.warns(UserWarning, match="overwritten"):
        optimizer.SGD(learning_rate=0.1, lr_scheduler=lr_scheduler.FactorScheduler(step=1))


def test_stale_gradients():
    params = parameters([np.ones(2), np.ones(2)])
    trainer = gluon.Trainer(params, "sgd", {"learning_rate": 1.0})
    with pytest.raises(UserWarning, match="has not been updated by backward"):
        trainer.step(1)
    backward({"p1": params["p1"]}, [np.ones(2)])
    trainer.step(2, ignore_stale_grad=True)
    assert params["p0"].data().asnumpy().tolist() == [1, 1]
    assert params["p1"].data().asnumpy().tolist() == [0.5, 0.5]
    with pytest.raises(UserWarning, match="has not been updated by backward"):
        trainer.step(1)


def test_update_leaves_what_others_hold():
    """Arrays taken from a parameter before the step keep their numbers."""
    params = parameters([np.ones(3)])
    trainer = gluon.Trainer(params, "sgd", {"learning_rate": 1.0})
    before = params["p0"].data().copy()
    view = params["p0"].data().asnumpy()
    with mx.autograd.record():
        y = (params["p0"].data() ** 2).sum()
    y.backward(retain_graph=True)
    trainer.step(1)
    assert params["p0"].data().asnumpy().tolist() == [-1, -1, -1]
    assert before.asnumpy().tolist() == [1, 1, 1]
    assert view.tolist() == [1, 1, 1]
    y.backward()  # of the recorded values
    assert params["p0"].grad().asnumpy().tolist() == [2, 2, 2]


def test_hybridized_nets_see_the_step():
    net = gluon.nn.Dense(1, in_units=2, use_bias=False)
    net.initialize(mx.init.One())
    net.hybridize()
    x = mx.np.ones((1, 2))
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    seen = []
    for _ in range(3):
        with mx.autograd.record():
            y = net(x)
        y.backward()
        seen.append(float(y.item()))
        trainer.step(1)
    assert seen == [2.0, 1.0, 0.0]
    assert float(net(x).item()) == -1.0


def test_devices_are_summed():
    devices = [mx.cpu(0), mx.cpu(1)]
    params = parameters([np.zeros(2)], device=devices)
    trainer = gluon.Trainer(params, "sgd", {"learning_rate": 1.0, "momentum": 0.5})
    for expected in ([-2, -4], [-5, -10]):
        backward(params, [np.array([1.0, 2.0])])
        trainer.step(1)
        for cell in params["p0"].list_data():
            assert cell.asnumpy().tolist() == expected


@pytest.mark.parametrize("name", ["sgd", "adam", "ftml", "nadam"])
def test_states_go_on(name, tmp_path):
    """A trainer with loaded states does the same steps as the one that saved them."""
    kwargs = {"momentum": 0.9} if name == "sgd" else {"learning_rate": 0.1}
    grads = [parts(g) for g in FILE["grads"][0]]
    params = parameters(parts(FILE["before"][0]))
    trainer = gluon.Trainer(params, name, dict(kwargs))
    for g in grads[:3]:
        backward(params, g)
        trainer.step(1)
    path = str(tmp_path / "states")
    trainer.save_states(path)
    other = parameters([p.data().asnumpy() for p in params.values()])
    loaded = gluon.Trainer(other, name, dict(kwargs))
    loaded.load_states(path)
    for g in grads[3:]:
        for some, t in ((params, trainer), (other, loaded)):
            backward(some, g)
            t.step(1)
    for a, b in zip(params.values(), other.values(), strict=True):
        np.testing.assert_array_equal(a.data().asnumpy(), b.data().asnumpy())


def test_pickled_states_are_refused(tmp_path):
    path = tmp_path / "states"
    path.write_bytes(pickle.dumps({0: None}))
    trainer = gluon.Trainer(parameters([np.zeros(2)]), "sgd")
    with pytest.raises(ValueError, match="pickle"):
        trainer.load_states(str(path))


def test_own_optimizer_with_handles():
    """A class that overrides `step` computes with arrays, as in MXNet."""

    class Halve(optimizer.Optimizer):
        def create_state(self, index, weight):
            return mx.np.zeros(weight.shape)

        def step(self, indices, weights, grads, states):
            for index, weight, grad, state in zip(indices, weights, grads, states, strict=True):
                self._update_count(index)
                state[:] = state + grad
                weight[:] = weight - self._get_lr(index) * state * 0.5

    params = parameters([np.ones(2)])
    trainer = gluon.Trainer(params, Halve(learning_rate=1.0))
    for expected in (0.5, -0.5):
        backward(params, [np.ones(2)])
        trainer.step(1)
        assert params["p0"].data().asnumpy().tolist() == [expected] * 2


def test_arguments_are_checked():
    params = parameters([np.zeros(2)])
    with pytest.raises(ValueError, match="list or dict of Parameters"):
        gluon.Trainer(5, "sgd")
    with pytest.raises(ValueError, match="list of"):
        gluon.Trainer([5], "sgd")
    with pytest.raises(ValueError, match="Cannot find optimizer no_such"):
        gluon.Trainer(params, "no_such")
    with pytest.raises(AssertionError, match="optimizer_params must be None"):
        gluon.Trainer(params, optimizer.SGD(), {"learning_rate": 0.1})
    with pytest.raises(TypeError):
        optimizer.SGD(no_such_argument=1)
    trainer = gluon.Trainer(params, "sgd", update_on_kvstore=True)
    with pytest.raises(AssertionError, match="kvstore"):
        trainer.update(1)


def test_half_precision_warns_once_asked_to_accumulate():
    params = parameters([np.ones(2)], dtype="float16")
    trainer = gluon.Trainer(params, "sgd", {"momentum": 0.9})
    backward(params, [np.ones(2)])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        trainer.step(1)
    assert any("multi_precision" in str(w.message) for w in seen)


def test_kvstore():
    store = kvstore.create("device")
    assert (store.type, store.rank, store.num_workers) == ("device", 0, 1)
    store.init("a", mx.np.ones(3))
    out = mx.np.zeros(3)
    store.push("a", [mx.np.ones(3), mx.np.ones(3) * 2])
    store.pull("a", out=out)
    assert out.asnumpy().tolist() == [3, 3, 3]
    store.pushpull("a", [mx.np.ones(3) * 5, mx.np.ones(3)], out=out)
    assert out.asnumpy().tolist() == [6, 6, 6]
    store.set_optimizer(optimizer.SGD(learning_rate=0.5))
    store.push("a", mx.np.ones(3))
    store.pull("a", out=out)
    assert out.asnumpy().tolist() == [5.5] * 3
    with pytest.raises(ValueError, match="dist_async"):
        kvstore.create("dist_async")
    with pytest.raises(mx.MXNetError, match="init"):
        store.pull("b", out=out)
