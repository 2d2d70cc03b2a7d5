"""Threads: what is thread-local, and what is shared and immutable."""

import threading

import numpy as onp
from semantics_nets import Fn, fn, variable

import symgluon as mx
from symgluon.gluon import nn
from symgluon.ops.state import state

np, npx, autograd = mx.np, mx.npx, mx.autograd


def in_thread(function):
    found = []

    def run():
        try:
            found.append(function())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_flags_region_and_tape_are_of_the_thread():
    with autograd.record():
        assert in_thread(lambda: (autograd.is_recording(), autograd.is_training())) == (
            False,
            False,
        )
    assert in_thread(lambda: state.region) is None


def test_a_new_thread_starts_without_np_flags():
    assert in_thread(lambda: (npx.is_np_shape(), npx.is_np_array())) == (False, False)


def test_a_trace_in_one_thread_does_not_touch_another():
    seen = []
    net = Fn(lambda x: seen.append(in_thread(lambda: (np.ones((2,)) * 3).tolist())) or x * 2)
    net.hybridize()
    assert net(np.ones((2,))).tolist() == [2, 2]
    assert seen == [[3, 3]]


def test_first_calls_of_many_threads_make_one_trace_and_equal_results():
    for _ in range(20):
        net = nn.HybridSequential()
        net.add(nn.Dense(4, activation="relu", in_units=3), nn.Dense(2, in_units=4))
        net.initialize()
        x = np.random.normal(size=(5, 3))
        want = net(x).asnumpy()
        net.hybridize()
        start, found = threading.Barrier(8), []

        def run(net=net, x=x, start=start, found=found):
            npx.set_np()
            start.wait()
            found.append(net(x).asnumpy())

        threads = [threading.Thread(target=run) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(found) == 8
        assert net._cache.traces == 1
        for out in found:
            onp.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-6)


def test_backward_may_run_in_another_thread():
    net = fn(lambda x: x * x)
    x = variable([1.0, 2.0])
    with autograd.record():
        y = net(x).sum()
    assert in_thread(lambda: y.backward()) is None
    assert x.grad.tolist() == [2, 4]
