"""Random draws: one stream a thread, equal in eager and hybridized nets, fresh at every call."""

import threading

import numpy as onp
import pytest
from semantics_nets import BACKENDS, WAYS, fn, in_way, variable

import symgluon as mx
from symgluon.errors import UnsupportedOpError
from symgluon.gluon import HybridBlock, nn

np, autograd = mx.np, mx.autograd


def drawn(net, *args, seed=3):
    mx.random.seed(seed)
    with autograd.train_mode():
        return net(*args).asnumpy()


def dropouts():
    net = nn.HybridSequential()
    net.add(nn.Dropout(0.5), nn.HybridLambda(lambda x: x + 1), nn.Dropout(0.3))
    return net


def test_one_seed_gives_one_stream():
    mx.random.seed(1)
    first = np.random.normal(size=(4,)).tolist()
    second = np.random.normal(size=(4,)).tolist()
    mx.random.seed(1)
    assert np.random.normal(size=(4,)).tolist() == first
    assert second != first


def test_other_threads_derive_their_stream_from_the_seed():
    def run():
        found = []
        mx.random.seed(5)
        for _ in range(2):
            thread = threading.Thread(
                target=lambda: found.append(np.random.uniform(size=(3,)).tolist())
            )
            thread.start()
            thread.join()
        return [*found, np.random.uniform(size=(3,)).tolist()]

    first = run()
    assert run() == first
    assert len({tuple(v) for v in first}) == 3


def test_logical_devices_share_the_stream():
    mx.random.seed(2)
    a = np.random.uniform(size=(2,), device=mx.cpu(0)).tolist()
    b = np.random.uniform(size=(2,), device=mx.cpu(1)).tolist()
    mx.random.seed(2)
    assert np.random.uniform(size=(4,)).tolist() == a + b


@pytest.mark.parametrize("backend", BACKENDS)
def test_hybridized_draws_are_those_of_eager_calls(backend):
    net = dropouts()
    want = [drawn(net, np.ones((n, 5))) for n in (2, 6)]
    in_way(net, backend)
    for n, w in zip((2, 6), want, strict=True):
        onp.testing.assert_array_equal(drawn(net, np.ones((n, 5))), w)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_unused_draw_advances_the_stream(backend):
    def function(x):
        np.random.uniform(size=(3,))
        return x + np.random.uniform(size=(3,))

    want = drawn(fn(function, "eager"), np.zeros((3,)))
    onp.testing.assert_allclose(drawn(fn(function, backend), np.zeros((3,))), want, rtol=1e-6)


@WAYS
def test_one_dropout_called_twice_draws_two_masks(way):
    class Two(HybridBlock):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return self.drop(x) * 10 + self.drop(x)

    eager, net = Two(), in_way(Two(), way, inline_limit=0)
    x = np.ones((50,))
    found = drawn(net, x)
    assert len(set(found.tolist())) == 4
    onp.testing.assert_array_equal(found, drawn(eager, x))


def test_two_batch_sizes_draw_from_one_trace():
    net = fn(lambda x: mx.npx.dropout(x, p=0.5))
    for n in (3, 8):
        want = drawn(lambda x: mx.npx.dropout(x, p=0.5), np.ones((n, 2)))
        onp.testing.assert_array_equal(drawn(net, np.ones((n, 2))), want)
    assert net.runs == 1


@WAYS
@pytest.mark.parametrize(
    "draw",
    [
        lambda x: np.random.normal(2.0, 3.0, size=(4,)),
        lambda x: np.random.gamma(2.0, 3.0, size=(4,)),
        lambda x: np.random.normal(x, 2.0),
        lambda x: np.random.exponential(2.0, size=(4,)),
    ],
    ids=["normal", "gamma", "location", "exponential"],
)
def test_distributions_with_parameters(way, draw):
    want = drawn(fn(lambda x: x + draw(x), "eager"), np.ones((4,)))
    found = drawn(fn(lambda x: x + draw(x), way), np.ones((4,)))
    onp.testing.assert_allclose(found, want, rtol=1e-6)


@WAYS
def test_the_backward_reads_the_mask_of_the_forward(way):
    net = in_way(nn.Dropout(0.5), way)
    x = variable(onp.ones(40))
    with autograd.record():
        y = net(x)
        (first,) = autograd.grad((y * y).sum(), x, create_graph=True, retain_graph=True)
        again = (first * first).sum()
    mask = y.asnumpy()
    onp.testing.assert_array_equal(first.asnumpy(), 2 * mask * mask)
    again.backward(retain_graph=True)
    once = x.grad.asnumpy().copy()
    again.backward()
    onp.testing.assert_array_equal(x.grad.asnumpy(), once)
    onp.testing.assert_array_equal(once > 0, mask > 0)


def test_exported_dropout_is_gone(tmp_path):
    import onnx

    net = dropouts()
    net.hybridize()
    with autograd.record():
        net(np.ones((2, 3)))
    net.export(str(tmp_path / "net"))
    model = onnx.load(tmp_path / "net-0000.onnx")
    assert {n.op_type for n in model.graph.node} <= {"Add", "Identity"}


def test_exported_draws_are_random_operators_or_refused_by_name(tmp_path):
    import onnxruntime

    net = fn(lambda x: x + np.random.normal(0.0, 1.0, size=(3,)))
    net(np.ones((2, 3)))
    net.export(str(tmp_path / "net"), onnx="only")
    session = onnxruntime.InferenceSession(tmp_path / "net-0000.onnx")
    found = session.run(None, {session.get_inputs()[0].name: onp.zeros((2, 3), "float32")})[0]
    assert len(set(found[0].tolist())) == 3
    net = fn(lambda x: x + np.random.gamma(2.0, 1.0, size=(3,)))
    net(np.ones((2, 3)))
    with pytest.raises(UnsupportedOpError, match="gamma"):
        net.export(str(tmp_path / "other"), onnx="only")
