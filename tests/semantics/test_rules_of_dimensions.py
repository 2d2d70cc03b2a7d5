"""Named dimensions: one trace for many sizes, guards where Python asked, exports."""

import re
import warnings

import onnx
import pytest
from semantics_nets import WAYS, fn

import symgluon as mx
from symgluon.errors import SymgluonError, TraceError
from symgluon.gluon import HybridBlock, nn
from symgluon.ir.dims import Dim

np = mx.np


def traces(function, *shapes, **flags):
    net, plain = fn(function, **flags), fn(function, "eager")
    for shape in shapes:
        x = np.random.uniform(size=shape)
        assert abs(net(x).asnumpy() - plain(x).asnumpy()).max(initial=0) < 1e-5
    return net.runs


@pytest.mark.parametrize(
    ("function", "shapes", "count"),
    [
        (lambda x: x.reshape(x.shape[0], -1) * 2, [(2, 3, 4), (5, 3, 4), (1, 3, 4)], 1),
        (lambda x: x.reshape(x.shape[0], 2, -1).sum(axis=1), [(2, 6), (5, 6), (1, 6)], 1),
        (lambda x: x.sum() / x.shape[0], [(2, 6), (5, 6), (1, 6)], 1),
        (lambda x: sum(x[:, i] for i in range(x.shape[1])), [(2, 3), (5, 3), (2, 4)], 2),
        (lambda x: x * 2 if x.shape[0] > 2 else x * 3, [(3, 1), (9, 1), (2, 1), (1, 1)], 2),
        (lambda x: x * x.shape[1] ** -0.5, [(1, 4), (3, 4), (3, 9)], 2),
        (lambda x: x, [(n, 3) for n in range(1, 60)], 1),
    ],
    ids=["reshape", "heads", "divisor", "range", "branch", "power", "many"],
)
def test_how_many_traces_sizes_need(function, shapes, count):
    assert traces(function, *shapes) == count


def test_two_equal_rows_share_a_trace_and_broadcast_ones_have_their_own():
    net = fn(lambda x, y: x + y)
    for a, b in ((2, 2), (5, 5), (1, 5), (1, 3), (1, 1)):
        assert net(np.ones((a, 2)), np.ones((b, 2))).shape == (max(a, b), 2)
    assert net.runs == 2


def test_dense_after_a_reshape_takes_every_batch_size():
    class Net(HybridBlock):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(3)

        def forward(self, x):
            return self.dense(x.reshape(x.shape[0], -1))

    net = Net()
    net.initialize()
    net.hybridize()
    for n in (2, 5, 1):
        assert net(np.ones((n, 3, 4))).shape == (n, 3)
    assert net._cache.traces == 1


@WAYS
def test_a_branch_on_a_shape_is_never_the_wrong_one(way):
    net = fn(lambda x: x * 2 if x.shape[0] > 2 else x * 3, way)
    for n in (3, 2, 5, 1):
        assert net(np.ones((n,))).tolist() == [2.0 if n > 2 else 3.0] * n


def test_a_dim_is_no_int_but_an_integral():
    import numbers

    seen = []
    net = fn(lambda x: seen.append(x.shape[0]) or x)
    net(np.ones((2, 3)))
    assert isinstance(seen[0], Dim)
    assert not isinstance(seen[0], int)
    assert isinstance(seen[0], numbers.Integral)


def test_a_skip_connection_admits_every_even_height():
    def unet(x):
        low = mx.npx.pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="max")
        return np.repeat(low, 2, axis=2)[:, :, :, :1] + x[:, :, :, :1]

    net = fn(unet)
    for h in (4, 8, 6):
        assert net(np.ones((1, 1, h, 2))).shape == (1, 1, h, 1)
    assert net.runs == 1
    with pytest.raises(ValueError):
        net(np.ones((1, 1, 5, 2)))


def test_guards_name_the_line_of_the_user():
    net = fn(lambda x: x * 2 if x.shape[1] > 2 else x)
    net(np.ones((2, 3)))
    (guard,) = next(iter(net._cache.by_key.values()))[1][0].guards
    assert "test_rules_of_dimensions.py" in str(guard)


def test_many_traces_warn_once_and_name_the_pinned_dimension():
    net = fn(lambda x: sum(x[i] for i in range(x.shape[0])))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(1, 12):
            net(np.ones((n, 2)))
    (warning,) = caught
    assert re.search("traced 9 times.*batch", str(warning.message))


def test_static_shape_traces_with_numbers():
    assert traces(lambda x: x * 2, (2, 3), (3, 3), (2, 3), static_shape=True) == 2


def test_equal_bodies_are_one_function():
    class Blocks(HybridBlock):
        def __init__(self):
            super().__init__()
            self.body = nn.HybridSequential()
            for _ in range(4):
                block = nn.HybridSequential()
                block.add(nn.Dense(5), nn.LayerNorm(), nn.Dense(5, activation="tanh"))
                self.body.add(block)

        def forward(self, x):
            return self.body(x)

    net = Blocks()
    net.initialize()
    graph = net.graph_for(np.ones((2, 5)))
    from symgluon.ir.graph import bodies

    def calls(g):
        return [n.op.body for n in g.nodes if n.op.name == "call"]

    (body,) = calls(graph)
    assert len(calls(body)) == 4
    assert len(set(map(id, calls(body)))) == 1
    assert bodies(graph.nodes[0].op) == [body]


def test_a_dimension_that_depends_on_data_answers_no_question():
    net = fn(lambda x: x * 2 if np.nonzero(x)[0].shape[0] > 1 else x)
    with pytest.warns(
        UserWarning, match=r"at .*test_rules_of_dimensions.py:\d+: .*depends on data"
    ):
        assert net(np.array([0.0, 1.0])).tolist() == [0, 1]
    assert net(np.array([3.0, 1.0])).tolist() == [6, 2]
    net.hybridize(partition_if_dynamic=False)
    with pytest.raises(TraceError, match="depends on data"):
        net(np.array([0.0, 1.0]))
    count = fn(lambda x: np.nonzero(x)[0] * 2)
    assert count(np.array([0.0, 1.0, 3.0])).tolist() == [2, 4]
    assert count(np.array([1.0, 0.0, 0.0])).tolist() == [0]


def batch_of(path):
    (first, *_) = onnx.load(path).graph.input
    return [d.dim_param or d.dim_value for d in first.type.tensor_type.shape.dim]


def test_exports_keep_the_batch_free_unless_a_guard_pins_it(tmp_path):
    net = fn(lambda x: x * 2)
    net(np.ones((2, 3)))
    net.export(str(tmp_path / "free"))
    assert batch_of(tmp_path / "free-0000.onnx") == ["batch", 3]
    pinned = fn(lambda x: sum(x[i] for i in range(x.shape[0])))
    pinned(np.ones((2, 3)))
    with pytest.warns(UserWarning, match="fixed at the size"):
        pinned.export(str(tmp_path / "pinned"))
    assert batch_of(tmp_path / "pinned-0000.onnx") == [2, 3]
    with pytest.raises(SymgluonError, match="cannot stay free"):
        pinned.export(str(tmp_path / "pinned"), dynamic_axes={"data": {0: "n"}})


def test_other_axes_are_free_where_asked(tmp_path):
    net = fn(lambda x: x * 2)
    net(np.ones((2, 3)))
    net.export(str(tmp_path / "net"), dynamic_axes={"data": {0: "n", 1: "length"}})
    assert batch_of(tmp_path / "net-0000.onnx") == ["n", "length"]


def test_a_lowering_after_the_trace_knows_what_the_trace_learned():
    """Flattened sizes that only a guard makes equal to a weight's, and a split into equal parts."""

    class Net(HybridBlock):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(axis=-1)

        def forward(self, x):
            y = x.reshape(x.shape[0], -1)
            a, b = np.split(y, 2, axis=1)
            return self.norm(y) + np.concatenate([b, a], axis=1)

    net = Net()
    net.cast("float64")
    net.initialize()
    x = np.random.uniform(size=(2, 2, 3)).astype("float64")
    want = net(x).asnumpy()
    net.hybridize()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert abs(net(x).asnumpy() - want).max() < 1e-12
        x.attach_grad()
        with mx.autograd.record():
            y = net(x).sum()
        y.backward()


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: (x + y) - (x + y).sum(axis=1, keepdims=True) / x.shape[1],
        lambda x, y: (x + y) * np.split(x * y, 2, axis=1)[0].sum(axis=1, keepdims=True),
        lambda x, y: np.concatenate([x * 2, y], axis=1).reshape(x.shape[0], -1).sum(axis=1),
        lambda x, y: mx.gluon.nn.ReflectionPad2D(1)(x)[:, :, 1:-1, 1:-1] + y,
    ],
    ids=["mean", "split", "concatenate", "pad"],
)
def test_a_gradient_graph_knows_what_the_trace_of_its_forward_learned(function):
    from semantics_nets import gradient

    net = fn(function)
    for shape in ((2, 4, 3, 3), (1, 4, 3, 3), (3, 2, 5, 4)):
        a = np.random.normal(size=shape).asnumpy()
        b = np.random.normal(size=shape).asnumpy()
        want, found = gradient(function, a, b), gradient(net, a, b)
        for w, f in zip(want, found, strict=True):
            assert abs(f - w).max() <= 1e-4 * max(1, abs(w).max())
