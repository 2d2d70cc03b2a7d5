"""`HybridBlock`: traces, guards, the cache of compiled entries, and training through them."""

from __future__ import annotations

import threading

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.errors import AttributeValueError, ShapeError, TraceError
from symgluon.gluon import nn

np, npx, autograd = mx.np, mx.npx, mx.autograd
RNG = onp.random.default_rng(11)


@pytest.fixture(autouse=True)
def _numpy_arrays():
    npx.set_np()
    yield
    npx.reset_np()


def numbers(*shape):
    return np.array(RNG.normal(size=shape).astype("float32"))


def close(a, b, tolerance=1e-5):
    onp.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=tolerance, atol=tolerance)


class Fn(gluon.HybridBlock):
    """A block around a function; counts how often forward runs."""

    def __init__(self, function, **params):
        super().__init__()
        self.function = function
        self.runs = 0
        for name, parameter in params.items():
            setattr(self, name, parameter)

    def forward(self, *args):
        self.runs += 1
        return self.function(*args)


def hybrid(function, **flags):
    net = Fn(function)
    net.hybridize(**flags)
    return net


def small_net(*layers):
    mx.random.seed(5)
    net = nn.HybridSequential()
    net.add(*(layers or (nn.Dense(8, activation="tanh"), nn.LayerNorm(), nn.Dense(3))))
    net.initialize(mx.init.Xavier())
    return net


# ---- traces and guards --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x * 2).sum(axis=1),
        lambda x: x.reshape((x.shape[0], -1)),
        lambda x: np.concatenate([x, x + 1], axis=0),
        lambda x: npx.softmax(x) / x.shape[0],
        lambda x: x[1:] - x[:-1],
        lambda x: np.zeros_like(x) + np.ones((x.shape[0], 1)),
    ],
)
def test_one_trace_for_many_batch_sizes(function):
    net = hybrid(function)
    for batch in (2, 5, 3, 17, 2):
        x = numbers(batch, 4)
        close(net(x), function(x))
    assert net.runs == 1
    assert net._cache.traces == 1


@pytest.mark.parametrize("layer", [nn.Flatten, lambda: nn.Dense(3)])
@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
def test_empty_batches(layer, backend):
    net = layer()
    net.initialize()
    x = numbers(3, 2, 2)
    want = net(x)
    net.optimize_for(x, backend=backend)
    assert net(x[:0]).shape == (0, want.shape[1])
    close(net(x), want)


def test_batch_size_one_needs_no_luck():
    net = small_net()
    x = numbers(6, 4)
    want = [net(x[:n]) for n in (1, 4, 6)]
    net.hybridize()
    for n, w in zip((1, 4, 6), want, strict=True):
        close(net(x[:n]), w)


@pytest.mark.parametrize(
    ("function", "sizes", "traces"),
    [
        (lambda x: x if x.shape[0] == 3 else x * 2, (3, 3, 4, 5, 3), 2),
        (lambda x: x + 1 if x.shape[0] > 4 else x - 1, (2, 3, 6, 9, 4), 2),
        (lambda x: sum(x[i] for i in range(x.shape[0])), (2, 3, 2, 3), 2),
        (lambda x: x.sum() * int(x.shape[0]), (2, 4, 4, 2), 2),
        (lambda x: x if x.shape[0] % 2 == 0 else -x, (2, 4, 3, 5), 2),
    ],
)
def test_a_question_about_a_size_pins_it(function, sizes, traces):
    net = hybrid(function)
    for n in sizes:
        x = numbers(n, 2)
        close(net(x), function(x))
    assert net.runs == traces


def test_static_shape_traces_each_shape():
    net = hybrid(lambda x: x * 2, static_shape=True)
    for n in (2, 3, 2, 3):
        x = numbers(n, 2)
        close(net(x), x * 2)
    assert net.runs == 2


def test_many_traces_warn_of_what_pins_them():
    net = hybrid(lambda x: x * int(x.shape[0]))
    for n in range(2, 10):
        net(numbers(n, 1))
    with pytest.warns(UserWarning, match=r"traced 9 times.*batch == "):
        net(numbers(10, 1))
    net(numbers(11, 1))  # once is enough


@pytest.mark.parametrize(
    "other",
    [
        lambda x: x.astype("float64"),
        lambda x: x.reshape((2, 2, 1)),
        lambda x: x.as_nd_ndarray(),
    ],
    ids=["dtype", "rank", "class"],
)
def test_types_have_their_own_entry(other):
    net = hybrid(lambda x: x + x)
    x = numbers(2, 2)
    net(x)
    changed = other(x)
    out = net(changed)
    assert net.runs == 2
    assert out.dtype == changed.dtype
    assert type(out) is type(changed)


def test_modes_have_their_own_entry():
    net = hybrid(lambda x: npx.dropout(x, p=0.5))
    x = np.ones((200,))
    close(net(x), x)
    with autograd.train_mode():
        out = net(x).asnumpy()
    assert set(onp.unique(out)) == {0.0, 2.0}
    close(net(x), x)
    assert net.runs == 2


def test_an_array_passed_twice_is_one_operand():
    net = hybrid(lambda a, b: a * 2 + b)
    a, b = numbers(2), numbers(2)
    close(net(a, a), a * 3)
    close(net(a, b), a * 2 + b)
    close(net(b, b), b * 3)


def test_structure_changes_drop_entries():
    net = small_net(nn.Dense(3, in_units=2))
    net.hybridize()
    x = numbers(4, 2)
    assert net(x).shape == (4, 3)
    net.add(nn.Dense(5, in_units=3))
    net[1].initialize()
    assert net(x).shape == (4, 5)
    net.cast("float64")
    assert net(x.astype("float64")).dtype == onp.float64


def test_the_numpy_backend_computes_small_layers_as_eager_code_does():
    net = nn.HybridSequential()
    net.add(nn.Dense(10), nn.Dense(10))
    net.initialize()
    x = np.random.normal(0, 1, (8, 10))
    eager = net(x).asnumpy()
    net.optimize_for(x, backend="numpy")
    assert (net(x).asnumpy() == eager).all()
    with mx.autograd.record():
        assert (net(x).asnumpy() == eager).all()


def test_hybridize_off_runs_forward():
    net = hybrid(lambda x: x)
    net(numbers(2))
    net(numbers(2))
    net.hybridize(False)
    net(numbers(2))
    net(numbers(2))
    assert net.runs == 3


def test_unknown_flags_are_told():
    with pytest.raises(TypeError, match="static_aloc"):
        hybrid(lambda x: x, static_aloc=True)


# ---- what cannot be traced ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * float(x.sum()),
        lambda x: x * int(x.sum()),
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x + x.asnumpy(),
        lambda x: x * x.sum().item(),
        lambda x: x[: onp.asarray(x).size],
    ],
    ids=["float", "int", "bool", "asnumpy", "item", "asarray"],
)
def test_reading_numbers_is_a_trace_error(function):
    x = np.ones((2, 2))
    function(x)
    with pytest.raises(TraceError) as caught:
        hybrid(function)(x)
    assert "test_hybrid.py" in str(caught.value)


def test_after_a_failed_trace_the_block_works_eagerly():
    net = hybrid(lambda x: x * float(x.sum()))
    with pytest.raises(TraceError):
        net(np.ones((2,)))
    net.hybridize(False)
    close(net(np.ones((2,))), np.array([2.0, 2.0]))


def test_unhashable_arguments_are_told():
    with pytest.raises(TraceError, match="hashable"):
        hybrid(lambda x, s: x)(np.ones((2,)), {1, 2})


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("swapped", [True, False])
def test_arrays_and_symbols_do_not_mix(active, swapped):
    net = hybrid(lambda a, b: a + b)
    net.hybridize(active)
    args = [np.ones((2,)), mx.sym.var("a")]
    with pytest.raises(TypeError):
        net(*(args[::-1] if swapped else args))


# ---- structure of arguments and results ---------------------------------------------------------
def test_nested_arguments_and_results():
    def function(x, pair, flag, none):
        a, (b, c) = pair
        return (x + a, [b * 2, (c,)], x) if flag else x

    net = hybrid(function)
    x, a, b, c = (numbers(3) for _ in range(4))
    first, (second, (third,)), same = net(x, [a, (b, c)], True, None)
    close(first, x + a)
    close(second, b * 2)
    close(third, c)
    assert same is x
    assert net(x, [a, (b, c)], False, None) is x
    assert net.runs == 2


def test_keyword_arguments_and_defaults():
    class Scaled(gluon.HybridBlock):
        def forward(self, x, factor=3, bias=None):
            return x * factor if bias is None else x * factor + bias

    net = Scaled()
    net.hybridize()
    x = numbers(2)
    close(net(x), x * 3)
    close(net(x, factor=2), x * 2)
    close(net(x, bias=x), x * 4)


def test_several_results_in_training():
    net = hybrid(lambda x: (x * x, [x.sum(), x * 3]))
    x = numbers(3)
    x.attach_grad()
    with autograd.record():
        a, (b, c) = net(x)
        loss = a.sum() + b * 2 + (c * x).sum()
    loss.backward()
    close(x.grad, 2 * x + 2 + 6 * x)


# ---- state --------------------------------------------------------------------------------------
class Counter(gluon.HybridBlock):
    """Adds its call number; the number is a parameter."""

    def __init__(self):
        super().__init__()
        self.count = gluon.Parameter("count", shape=(1,), init="zeros", grad_req="null")

    def forward(self, x):
        self.count.set_data(self.count.data() + 1)
        return x + self.count.data()


@pytest.mark.parametrize("active", [False, True])
def test_written_state(active):
    net = Counter()
    net.initialize()
    net.hybridize(active)
    for step in (1, 2, 3):
        assert net(np.zeros((2,))).asnumpy().tolist() == [step, step]
    assert net.count.data().asnumpy().tolist() == [3.0]


@pytest.mark.parametrize("active", [False, True])
def test_written_arguments_and_captured_arrays(active):
    seen = np.zeros((2,))

    def function(x, out):
        seen[:] = seen + x
        out[:] = x * 2
        return x + 1

    net = Fn(function)
    net.hybridize(active)
    x, out = np.array([1.0, 2.0]), np.zeros((2,))
    for step in (1, 2):
        close(net(x, out), x + 1)
        assert seen.asnumpy().tolist() == [step, 2.0 * step]
        assert out.asnumpy().tolist() == [2.0, 4.0]


def test_running_statistics_move_in_training_alone():
    found = []
    for active in (False, True):
        net = small_net(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Dense(2))
        net.hybridize(active)
        rng = onp.random.default_rng(0)
        for _ in range(3):
            x = np.array(rng.normal(size=(4, 2, 6, 6)).astype("float32"))
            with autograd.record():
                loss = (net(x) ** 2).sum()
            loss.backward()
            net(x)
        params = net.collect_params(".*running.*")
        assert len(params) == 2
        found.append([p.data().asnumpy() for p in params.values()])
        assert abs(found[-1][0]).max() > 1e-4
    for a, b in zip(*found, strict=True):
        onp.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


# ---- random numbers -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "function",
    [
        lambda x: npx.dropout(x, p=0.3),
        lambda x: npx.dropout(npx.dropout(x, p=0.5) + 1, p=0.2),
        lambda x: x + np.random.normal(size=x.shape),
        lambda x: x * np.random.uniform(0, 1, size=(3,)),
    ],
    ids=["dropout", "twice", "normal", "uniform"],
)
def test_draws_are_those_of_eager_calls(function):
    x = np.ones((4, 3))
    outs = []
    for active in (False, True):
        net = Fn(function)
        net.hybridize(active)
        mx.random.seed(42)
        with autograd.train_mode():
            outs.append([net(x).asnumpy() for _ in range(3)])
    assert not onp.array_equal(outs[0][0], outs[0][1])
    onp.testing.assert_allclose(outs[0], outs[1], rtol=1e-6)


def test_dropout_layers_train_alike():
    grads = []
    for active in (False, True):
        net = small_net(nn.Dense(16, in_units=4), nn.Dropout(0.5), nn.Dense(2, in_units=16))
        net.hybridize(active)
        mx.random.seed(3)
        with autograd.record():
            loss = net(np.ones((3, 4))).sum()
        loss.backward()
        grads.append([p.grad() for p in net.collect_params().values()])
    for a, b in zip(*grads, strict=True):
        close(a, b)


# ---- gradients ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.Dense(8, activation="tanh"), nn.LayerNorm(), nn.Dense(3)],
        lambda: [nn.Conv2D(4, 3, activation="relu"), nn.MaxPool2D(), nn.Flatten(), nn.Dense(2)],
        lambda: [nn.Conv2DTranspose(3, 3), nn.BatchNorm(), nn.GlobalAvgPool2D()],
        lambda: [nn.Embedding(5, 4), nn.Dense(2, flatten=False)],
    ],
    ids=["dense", "conv", "deconv", "embedding"],
)
def test_gradients_equal_eager_ones(layers):
    made = layers()
    name = type(made[0]).__name__
    x = {"Dense": numbers(3, 5), "Embedding": np.array([[0, 1], [4, 1]])}.get(name)
    x = numbers(2, 2, 8, 8) if x is None else x
    results = []
    for active in (False, True):
        net = small_net(*layers())
        net.hybridize(active)
        if x.dtype.kind == "f":
            x.attach_grad()
        with autograd.record():
            y = net(x)
            loss = (y * y).sum()
        loss.backward()
        found = [p.grad() for p in net.collect_params().values() if p.grad_req != "null"]
        results.append([y, *found, *([x.grad.copy()] if x.dtype.kind == "f" else [])])
    for a, b in zip(*results, strict=True):
        close(a, b, 1e-4)


@pytest.mark.parametrize("req", ["write", "add", "null"])
def test_grad_req(req):
    net = small_net(nn.Dense(2, in_units=3))
    net.hybridize()
    net.setattr("grad_req", req)
    net[0].bias.grad_req = "write"
    x = np.ones((4, 3))
    for _ in range(3):
        with autograd.record():
            loss = net(x).sum()
        loss.backward()
    assert net[0].bias.grad().asnumpy().tolist() == [4.0, 4.0]
    if req == "null":
        with pytest.raises(RuntimeError, match="grad_req"):
            net[0].weight.grad()
    else:
        assert (net[0].weight.grad().asnumpy() == (12 if req == "add" else 4)).all()


@pytest.mark.parametrize("active", [False, True])
def test_second_order(active):
    net = Fn(lambda x: np.sin(x) * x)
    net.hybridize(active)
    x = numbers(4)
    x.attach_grad()
    with autograd.record():
        y = net(x)
        (first,) = autograd.grad(y, [x], create_graph=True, retain_graph=True)
        loss = (first * first).sum()
    loss.backward()
    v = x.asnumpy().astype("float64")
    first = onp.cos(v) * v + onp.sin(v)
    second = 2 * onp.cos(v) - v * onp.sin(v)
    onp.testing.assert_allclose(x.grad.asnumpy(), 2 * first * second, rtol=1e-4, atol=1e-5)


def test_hybrid_blocks_chain_under_record():
    a, b = hybrid(lambda x: x * x), hybrid(lambda x: np.exp(x))
    x = numbers(3)
    x.attach_grad()
    with autograd.record():
        y = b(a(x)).sum()
    y.backward()
    close(x.grad, 2 * x * np.exp(x * x))


def test_training_lowers_the_loss():
    net = small_net(nn.Dense(8, activation="relu"), nn.Dense(1))
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.05})
    x = numbers(32, 4)
    target = x[:, :1] * 2 - x[:, 1:2]
    losses = []
    for _ in range(40):
        with autograd.record():
            loss = ((net(x) - target) ** 2).mean()
        loss.backward()
        trainer.step(1)
        losses.append(float(loss))
    assert losses[-1] < losses[0] / 4
    want = net(x)
    net.hybridize(False)
    close(net(x), want)


# ---- optimize_for and graph_for -----------------------------------------------------------------
def test_optimize_for_compiles_at_once():
    net = Fn(lambda x: x * 2)
    net.optimize_for(np.ones((2,)), backend="numpy")
    assert net.runs == 1
    close(net(np.ones((3,))), np.full((3,), 2.0))
    assert net.runs == 1


def test_a_refused_optimize_for_changes_nothing():
    net = Fn(lambda x: x * 2)
    with pytest.raises(AttributeValueError):
        net.optimize_for(np.ones((2,)), backend="numpy", nonsense=1)
    net(np.ones((2,)))
    net(np.ones((2,)))
    assert net.runs == 2


def test_graph_for_shows_names_and_calls():
    net = small_net()
    x = numbers(2, 4)
    net(x)
    flat, nested = net.graph_for(x, functions=False), net.graph_for(x)
    assert set(flat.params) == set(net.collect_params())
    assert any(n.op.name == "call" for n in nested.nodes)
    assert not any(n.op.name == "call" for n in flat.nodes)
    assert "batch" in flat.print()


def test_static_alloc_gives_the_same_numbers():
    net = small_net()
    x, y = numbers(4, 4), numbers(7, 4)
    want = [net(x), net(y)]
    net.optimize_for(x, backend="numpy", static_alloc=True)
    first = net(x)
    second = net(y)
    again = net(x)
    for a, b in zip((first, second, again), (*want, want[0]), strict=True):
        close(a, b)


# ---- memory that operands share -----------------------------------------------------------------
@pytest.mark.parametrize(
    "views", [lambda x: (x[:2], x[1:]), lambda x: (x[:2], x), lambda x: (x, x[:3])]
)
def test_a_write_to_shared_memory_is_refused(views):
    def function(x, y):
        x[:] = x + 1
        return y * 2

    net = hybrid(function)
    x = np.ones((3,))
    with pytest.raises(TraceError, match="shares memory"):
        net(*views(x))
    assert x.asnumpy().tolist() == [1.0, 1.0, 1.0]
    apart = np.ones((3,))
    close(net(x, apart), apart * 2)
    assert x.asnumpy().tolist() == [2.0, 2.0, 2.0]


def test_one_array_written_and_read_as_two_arguments():
    def function(x, y):
        x[:] = x + 1
        return y * 2

    x = np.ones((3,))
    assert hybrid(function)(x, x).asnumpy().tolist() == [4.0, 4.0, 4.0]


def test_a_written_view_changes_its_base():
    def function(x):
        x[:] = x * 3
        return x + 1

    x = np.ones((4,))
    assert hybrid(function)(x[1:3]).asnumpy().tolist() == [4.0, 4.0]
    assert x.asnumpy().tolist() == [1.0, 3.0, 3.0, 1.0]


# ---- captured arrays ----------------------------------------------------------------------------
def test_captured_arrays_are_read_at_each_call():
    base = np.arange(4.0)
    whole, part = hybrid(lambda x: x + base), hybrid(lambda x: x + base[1:3])
    close(whole(np.ones((4,))), np.array([1.0, 2.0, 3.0, 4.0]))
    close(part(np.ones((2,))), np.array([2.0, 3.0]))
    base[:] = 5
    close(whole(np.ones((4,))), np.full((4,), 6.0))
    close(part(np.ones((2,))), np.full((2,), 6.0))
    assert (whole.runs, part.runs) == (1, 1)


def test_captured_arrays_and_views_get_gradients():
    weight = np.ones((2,))
    weight.attach_grad()
    net = hybrid(lambda x: (x * weight).sum())
    with autograd.record():
        loss = net(np.array([2.0, 3.0]))
    loss.backward()
    assert weight.grad.asnumpy().tolist() == [2.0, 3.0]
    x = np.ones((4,))
    x.attach_grad()
    double = hybrid(lambda v: (v * 2).sum())
    with autograd.record():
        loss = double(x[1:3])
    loss.backward()
    assert x.grad.asnumpy().tolist() == [0.0, 2.0, 2.0, 0.0]


@pytest.mark.parametrize("active", [False, True])
def test_writes_detach_and_pause_in_a_recorded_forward(active):
    def function(x):
        y = x * 2
        y[:1] = x[:1] * 5
        with autograd.pause():
            z = x * 3
        return (y + x * z + x.detach() * x).sum()

    net = Fn(function)
    net.hybridize(active)
    x = np.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        loss = net(x)
    loss.backward()
    assert x.grad.asnumpy().tolist() == [5.0 + 3 + 1, 2.0 + 6 + 2]


def test_equal_numbers_of_other_types_have_their_own_entry():
    net = hybrid(lambda x, s: x * s)
    x = np.ones((2,), dtype="int32")
    for number in (1, 1.0, True, 2):
        assert net(x, number).dtype == (x * number).dtype
    assert net.runs == 4


def test_weights_may_change_between_forward_and_backward():
    net = small_net(nn.Dense(2, in_units=2, use_bias=False))
    net.hybridize()
    x = np.ones((1, 2))
    x.attach_grad()
    want = net[0].weight.data().asnumpy().sum(axis=0)
    with autograd.record():
        loss = net(x).sum()
    net[0].weight.set_data(np.full((2, 2), 50.0))
    loss.backward()
    onp.testing.assert_allclose(x.grad.asnumpy()[0], want, rtol=1e-6)


def test_threads_share_the_entries():
    net = small_net()
    arrays = [numbers(n, 4) for n in range(1, 7)]
    want = [net(x).asnumpy() for x in arrays]
    net.hybridize()
    found = [None] * len(arrays)

    def work(i):
        npx.set_np()
        for _ in range(10):
            found[i] = net(arrays[i]).asnumpy()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(arrays))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(found, want, strict=True):
        onp.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert net._cache.traces == 1


def test_devices_keep_their_own_weights():
    net = nn.Dense(2, in_units=2)
    net.initialize(mx.init.One(), device=[mx.cpu(0), mx.cpu(1)])
    net.hybridize()
    net.weight.list_data()[1][:] = 3
    for _ in range(5):
        for device, value in ((mx.cpu(0), 2.0), (mx.cpu(1), 6.0)):
            out = net(np.ones((1, 2), device=device))
            assert out.asnumpy().tolist() == [[value, value]]
            assert out.device == device


def test_shape_errors_of_a_trace_show_the_sizes():
    net = nn.Dense(4)
    net.initialize()
    net.hybridize()
    net(mx.np.ones((2, 5)))
    with pytest.raises(ShapeError, match=r"expected \(4, d1=6\), received \(4, 5\)"):
        net(mx.np.ones((2, 6)))
