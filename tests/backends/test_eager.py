"""Eager calls in one-operator sessions: same results, free sizes, bounded caches, bad operands."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as onp
import pytest

import symgluon as mx
from symgluon.backends import eager
from symgluon.ir.op import OPS

np, npx = mx.np, mx.npx
RNG = onp.random.default_rng(4)


@pytest.fixture(autouse=True)
def _fresh():
    npx.set_np()
    eager.clear()
    yield
    eager.clear()
    npx.reset_np()


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


def entries():
    return [e for c in (eager._small, eager._large) for g in c.groups.values() for e in g.entries]


CONV = {"kernel_shape": (3, 3), "stride": (1, 1), "pad": (0, 0), "dilate": (1, 1), "num_filter": 5}
CASES = {
    "softmax": (OPS["softmax"](), [[(4, 5)], [(9, 2)], [(0, 3)]]),
    "convolution": (
        OPS["convolution"](**CONV),
        [[(2, 3, 8, 8), (5, 3, 3, 3), (5,)], [(1, 3, 9, 7), (5, 3, 3, 3), (5,)],
         [(1, 4, 9, 7), (5, 4, 3, 3), (5,)]],
    ),
    "without bias": (
        OPS["convolution"](**CONV), [[(2, 3, 8, 8), (5, 3, 3, 3), None]]
    ),
    "dense": (OPS["dense"](num_hidden=3), [[(2, 4), (3, 4), (3,)], [(6, 4), (3, 4), (3,)]]),
    "exp": (OPS["exp"](), [[(3,)], [(300_000,)]]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_sessions_agree_with_kernels(name):
    op, calls = CASES[name]
    for shapes in calls * 2:
        data = [None if s is None else numbers(*s) for s in shapes]
        got = eager.run_in_session(op, data)
        assert got is not NotImplemented
        onp.testing.assert_allclose(got, op.kernel(*data), rtol=1e-4, atol=1e-4)


def test_sizes_are_free():
    op = OPS["softmax"]()
    for n in range(1, 30):
        eager.run_in_session(op, [numbers(n, n + 1)])
    assert len(entries()) == 1


def test_a_size_that_the_lowering_asks_about_is_a_guard():
    op = OPS["convolution"](**CONV)
    for channels in (3, 4, 3, 4):
        eager.run_in_session(op, [numbers(1, channels, 8, 8), numbers(5, channels, 3, 3), None])
    assert all(e.guards for e in entries())
    for channels in (3, 4):
        data = [numbers(1, channels, 8, 8), numbers(5, channels, 3, 3), None]
        onp.testing.assert_allclose(
            eager.run_in_session(op, data), op.kernel(*data), rtol=1e-4, atol=1e-4
        )


def test_operands_that_do_not_fit_are_left_to_the_kernel_and_poison_nothing():
    op = OPS["dense"](num_hidden=3)
    bad = [numbers(2, 4), numbers(3, 5), None]
    assert eager.run_in_session(op, bad) is NotImplemented
    good = [numbers(2, 4), numbers(3, 4), None]
    onp.testing.assert_allclose(eager.run_in_session(op, good), op.kernel(*good), rtol=1e-4)
    assert eager.run_in_session(op, bad) is NotImplemented


def test_an_operator_without_onnx_form_is_asked_once():
    op = OPS["cholesky"]()
    data = [onp.eye(3, dtype="float32")]
    for _ in range(3):
        assert eager.run_in_session(op, data) is NotImplemented
    assert [e.run for e in entries()] == [None]


def test_caches_are_bounded_and_forget_the_oldest(monkeypatch):
    monkeypatch.setattr(eager._small, "limit", 4)
    ops = [OPS["softmax"](axis=-1, temperature=float(t)) for t in range(1, 8)]
    data = [numbers(2, 3)]
    for op in ops[:4]:
        eager.run_in_session(op, data)
    eager.run_in_session(ops[0], data)  # used again: it stays
    eager.run_in_session(ops[4], data)
    kept = [key[0] for key in eager._small.groups]
    assert len(kept) == 4
    assert ops[0] in kept
    assert ops[1] not in kept


def test_threads_share_sessions():
    op, wrong = OPS["softmax"](), []

    def work(seed):
        x = onp.random.default_rng(seed).normal(size=(seed + 1, 5)).astype("float32")
        want = op.kernel(x)
        for _ in range(50):
            if not onp.allclose(eager.run_in_session(op, [x]), want, atol=1e-5):
                wrong.append(seed)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert not wrong


SCRIPT = """
import sys
import symgluon as mx
mx.npx.set_np()
x = mx.np.ones((64, 64))
y = x + 1
print("onnxruntime" in sys.modules)
mx.npx.softmax(y)
print("onnxruntime" in sys.modules)
"""


@pytest.mark.parametrize(
    ("switch", "wanted"), [("1", ["False", "True"]), ("0", ["False", "False"])]
)
def test_onnxruntime_is_imported_at_the_first_such_call(switch, wanted):
    env = {**os.environ, "SYMGLUON_EAGER_ORT": switch}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == wanted


def test_steady_weights_become_constants():
    """Eager convolutions by unchanged parameters; a write to one is seen at once."""
    from symgluon.gluon import nn

    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, in_channels=3), nn.Conv2D(32, 3, in_channels=16))
    net.initialize(mx.init.Normal(0.3))
    rng = onp.random.default_rng(0)
    images = [rng.normal(size=(n, 3, 12, 10)).astype("float32") for n in (2, 2, 5)]

    def run():
        return [net(mx.np.array(image)).asnumpy() for image in images]

    eager._sites.clear()
    first = run()
    for _ in range(4):
        again = run()
    assert any(f.group is not None for f in eager._sites.by_key.values())
    for a, b in zip(first, again, strict=True):
        onp.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    net[0].weight.set_data(net[0].weight.data() * 2)
    net[0].bias.set_data(net[0].bias.data() * 2)
    changed = run()
    for _ in range(6):
        steady = run()
    for a, b, c in zip(first, changed, steady, strict=True):
        assert onp.abs(a - b).max() > 0.1
        onp.testing.assert_allclose(b, c, rtol=1e-4, atol=1e-5)


def test_weights_beyond_the_limit_stay_operands(monkeypatch):
    from symgluon.gluon import nn

    monkeypatch.setattr(eager, "_MOST_FIXED", 1000)
    eager._sites.clear()
    net = nn.Conv2D(16, 3, in_channels=16)
    net.initialize()
    x = mx.np.ones((1, 16, 8, 8))
    for _ in range(8):
        net(x)
    assert not eager._sites.by_key


def test_sites_of_small_weights_are_limited_too(monkeypatch):
    """A session costs memory beside its weights; what has changed since goes first."""
    from symgluon.gluon import nn

    monkeypatch.setattr(eager, "_MOST_FIXED", 5 * eager._SESSION_BYTES)
    eager._sites.clear()
    layers = [nn.BatchNorm(in_channels=16) for _ in range(8)]
    x = mx.np.array(onp.random.default_rng(1).normal(size=(2, 16, 9, 9)), dtype="float32")
    for layer in layers:
        layer.initialize()
    for _ in range(6):
        found = [layer(x).asnumpy() for layer in layers]
    assert 0 < len(eager._sites.by_key) < 5
    for layer in layers[4:]:
        layer.running_mean.set_data(mx.np.ones(16))
        for _ in range(6):
            moved = layer(x).asnumpy()
        onp.testing.assert_allclose(moved, found[0] - 1 / onp.sqrt(1 + 1e-5), atol=1e-5)
    assert 0 < len(eager._sites.by_key) < 5
    held = sum(eager._bytes(f.weights) for f in eager._sites.by_key.values())
    assert held == eager._sites.held <= eager._MOST_FIXED
