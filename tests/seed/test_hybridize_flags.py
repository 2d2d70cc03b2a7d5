"""What `docs/hybridize.md` says of every flag."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as onp
import pytest
from seed_layers import close, ramp

import symgluon as mx
from symgluon.backends.arena import PlannedInterpreter
from symgluon.backends.numpy import Interpreter
from symgluon.backends.partition import Partitioned
from symgluon.errors import DynamicShapeError
from symgluon.gluon import nn
from symgluon.gluon.trace import Entry

FLAGS = (
    "active", "partition_if_dynamic", "static_alloc", "static_shape", "inline_limit",
    "forward_bulk_size", "backward_bulk_size",
)  # fmt: skip


mx.npx.set_np()
X = mx.np.array(ramp(4, 3))
mx.npx.reset_np()


@pytest.fixture(autouse=True)
def _numpy_arrays():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


@pytest.fixture
def net():
    mx.random.seed(1)
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="relu"), nn.Dense(8, activation="relu"), nn.Dense(2))
    net.initialize(mx.init.Normal(0.5))
    net(X)
    return net


def _entries(net):
    return [e for _, entries in net._cache.by_key.values() for e in entries]


def _executables(net):
    return [e.op.executable for e in _entries(net)]


def test_the_document_names_every_flag():
    text = (Path(__file__).parents[2] / "docs" / "hybridize.md").read_text(encoding="utf-8")
    for flag in (*FLAGS, "passes", "backend", "clear"):
        assert f"`{flag}`" in text


def test_each_call_drops_what_was_compiled(net):
    expected = net(X)
    net.hybridize()
    net(X)
    assert len(_entries(net)) == 1
    net.hybridize()
    assert _entries(net) == []
    net(X)
    net.hybridize(False)
    close(net(X), expected)
    assert _entries(net) == []


def _rows(x):
    return (x * 2)[mx.np.nonzero(x)[0]].sum(axis=0)


def test_partition_if_dynamic_off_interprets_graphs_with_sizes_from_data():
    block = nn.HybridLambda(_rows)
    x = mx.np.array([[1.0, 0, 2], [3, 0, 0]])
    expected = block(x)
    for flag, backend in ((True, "onnxruntime"), (False, "numpy")):
        block.hybridize(partition_if_dynamic=flag)
        close(block(x), expected)
        close(block(x * 0), expected * 0)  # another size, the same graph
        (entry,) = _entries(block)
        assert entry.op.options.backend == backend


class Kept(mx.gluon.HybridBlock):
    """Layers on the rows that a layer chose; what it does depends on how many there are."""

    def __init__(self, ask):
        super().__init__()
        self.ask = ask
        self.chosen, self.body = nn.Dense(4, in_units=3), nn.HybridSequential()
        self.body.add(nn.Dense(5, in_units=4, activation="tanh"), nn.BatchNorm(in_channels=5))

    def forward(self, x):
        y = self.chosen(x)
        return self.ask(self.body, y[y[:, 0] > 0])


QUESTIONS = {
    "branch": lambda body, z: body(z) if z.shape[0] else z.sum() * 0,
    "number": lambda body, z: body(z) * int(z.shape[0]),
    "range": lambda body, z: sum([body(z)[i] for i in range(z.shape[0])], start=z.sum() * 0),
    "length": lambda body, z: body(z) / max(len(z), 1),
    "comparison": lambda body, z: (body(z), z) if z.shape[0] < z.shape[1] else (body(z * 2), z),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("nested", [False, True])
def test_questions_about_sizes_from_data_cut_the_graph(question, nested):
    """Numbers, gradients, running statistics are those of eager calls; child blocks are compiled."""

    def run(hybridize):
        mx.random.seed(7)
        kept = Kept(QUESTIONS[question])
        net = kept
        if nested:
            net = nn.HybridSequential()
            net.add(nn.Dense(3, in_units=3, activation="relu"), kept)
        net.initialize(mx.init.Normal(1))
        net.cast("float64")
        if hybridize:
            net.hybridize()
        found = []
        for i, n in enumerate((6, 9, 5, 2, 6)):
            x = mx.np.array(onp.random.default_rng(i).normal(size=(n, 3)), dtype="float64")
            with mx.autograd.record():
                out = net(x)
                first = out[0] if isinstance(out, tuple | list) else out
                loss = first * first * first
            loss.backward()
            with mx.autograd.predict_mode():
                out = net(x)
            found += [first, *(out if isinstance(out, tuple | list) else (out,))]
            found += [
                p.grad().copy() for p in net.collect_params().values() if p.grad_req != "null"
            ]
        found += [p.data().copy() for p in net.collect_params().values()]
        return kept, found

    _, expected = run(False)
    with pytest.warns(UserWarning, match=r"Kept asks for a size.*test_hybridize_flags.py:\d+"):
        kept, found = run(True)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        close(a, b)
    assert any(isinstance(e, Entry) for e in _entries(kept.body))
    kept.hybridize(partition_if_dynamic=False)
    with pytest.raises(DynamicShapeError, match="boolean_mask"):
        kept(X.astype("float64"))


def test_a_file_is_one_graph(tmp_path):
    net = Kept(QUESTIONS["branch"])
    net.initialize()
    net.hybridize()
    with pytest.warns(UserWarning, match="depends on data"):
        net(X)
    with pytest.raises(DynamicShapeError, match=r"boolean_mask\) depends on data"):
        net.export(str(tmp_path / "net"))
    assert not list(tmp_path.iterdir())


def test_partition_if_dynamic_off_leaves_other_graphs_to_the_backend(net):
    net.hybridize(partition_if_dynamic=False)
    net(X)
    assert [e.op.options.backend for e in _entries(net)] == ["onnxruntime"]


def test_static_alloc_plans_one_block_of_memory(net):
    expected = net(X)
    for flag, kind in ((False, Interpreter), (True, PlannedInterpreter)):
        net.optimize_for(X, backend="numpy", static_alloc=flag)
        close(net(X), expected)
        assert [type(e) for e in _executables(net)] == [kind]
    first = net(X)
    net(X * 5)
    close(first, expected)  # results are not in the block: the next call leaves them alone


def test_static_alloc_is_safe_in_threads(net):
    net.optimize_for(X, backend="numpy", static_alloc=True)
    xs = [X * k for k in range(8)]
    expected = [net(x).asnumpy() for x in xs]
    found = [[] for _ in xs]

    def work(k):
        mx.npx.set_np()
        for _ in range(50):
            found[k].append(net(xs[k]).asnumpy())

    pool = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    for outs, wanted in zip(found, expected, strict=True):
        assert len(outs) == 50
        for out in outs:
            onp.testing.assert_array_equal(out, wanted)


def test_static_shape_makes_a_graph_a_shape(net):
    other = mx.np.array(ramp(6, 3))
    expected = net(X), net(other)
    for flag, count in ((False, 1), (True, 2)):
        net.hybridize(static_shape=flag)
        close(net(X), expected[0])
        close(net(other), expected[1])
        close(net(X), expected[0])
        assert len(_entries(net)) == count
        for entry in _entries(net):
            assert all(v.type.is_static for v in entry.traced.graph.inputs) is flag


def test_inline_limit_decides_what_becomes_a_function(net, tmp_path):
    import onnx

    counts = {}
    for limit in (0, 1, 2):
        net.hybridize(inline_limit=limit)
        net(X)
        net.export(str(tmp_path / "net"))
        model = onnx.load(str(tmp_path / "net-0000.onnx"))
        counts[limit] = len(model.functions)
        (entry,) = _entries(net)
        assert not any(n.op.name == "call" for n in entry.traced.graph.nodes)
    # Dense with its activation is two operators, each of them one
    assert counts[0] > counts[1] > counts[2] == 0


def _segments(executable):
    """How many segments an executable runs one after the other."""
    return len(executable.steps) if isinstance(executable, Partitioned) else 1


def _segments_of(op):
    executable = op.executable
    return _segments(getattr(executable, "run", executable))


@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
@pytest.mark.parametrize(("size", "forward"), [(None, 1), (0, 1), (1, 5), (2, 3), (4, 2), (5, 1)])
def test_forward_bulk_size_cuts_the_forward(net, backend, size, forward):
    expected = net(X)
    net.optimize_for(X, backend=backend, forward_bulk_size=size, passes="-fuse_elementwise")
    for _ in range(6):  # the parameters become constants on the way
        close(net(X), expected)
    (entry,) = _entries(net)
    assert len(entry.traced.graph) == 5  # three dense and two relu
    assert _segments_of(entry.op) == forward
    fixed = getattr(entry.op.executable, "fixed", None)
    assert _segments(fixed) == (forward if backend == "onnxruntime" else 1)


@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
def test_bulk_sizes_of_forward_and_gradient_are_apart(net, backend):
    def step():
        with mx.autograd.record():
            loss = (net(X) ** 2).sum()
        loss.backward()
        return [p.grad().copy() for p in net.collect_params().values()]

    expected = step()
    found = {}
    for sizes in ((None, None), (2, None), (None, 2), (2, 2)):
        flags = dict(zip(("forward_bulk_size", "backward_bulk_size"), sizes, strict=True))
        net.optimize_for(X, backend=backend, clear=True, **flags)
        for mine, theirs in zip(step(), expected, strict=True):
            close(mine, theirs)
        (form,) = [f for e in _entries(net) for _, _, f in e.op.__dict__.get("_training", [])]
        ((_, gradient),) = form.__dict__["_gradients"]
        found[sizes] = (_segments_of(form), _segments_of(gradient.op))
    forward, backward = found[2, 2]
    assert forward > 1
    assert backward > 1
    assert found[None, None] == (1, 1)
    assert found[2, None] == (forward, 1)
    assert found[None, 2] == (1, backward)


def test_segments_with_named_sizes_and_dead_values():
    class Net(mx.gluon.HybridBlock):
        def forward(self, x):
            rows, columns = x.shape
            y = mx.np.tanh(x).reshape(columns, rows)
            return (y * 2).reshape(-1, 2) + rows, mx.npx.relu(x)

    net = Net()
    for size in range(1, 6):
        net.hybridize(forward_bulk_size=size)
        for shape in ((4, 3), (2, 6)):
            x = mx.np.array(ramp(*shape))
            for mine, theirs in zip(net(x), net.forward(x), strict=True):
                close(mine, theirs)


class _Everything(mx.gluon.HybridBlock):
    """Sizes from data, a loop, results that several segments read."""

    def forward(self, x):
        y = x[x[:, 0] > 0]
        z = mx.np.concatenate([y * 2, y], axis=0)
        places = mx.np.nonzero(x.sum(axis=1) > 0)[0]
        outs, last = mx.npx.foreach(lambda a, s: (a + s, s * 2 + a), x, x[0] * 1)
        return z.reshape(-1, 1).sum(axis=1), places + 1, outs * last, mx.npx.relu(z) + z.shape[1]


@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_segments_with_sizes_from_data(backend, size):
    net = _Everything()
    expected = net(X)
    net.optimize_for(X, backend=backend, forward_bulk_size=size, static_alloc=size % 2 == 0)
    for x in (X, -X, X):
        for a, b in zip(net(x), net.forward(x), strict=True):
            close(a, b)
    assert len(expected) == 4


def test_segments_keep_streams_and_statistics():
    def run(**flags):
        mx.random.seed(5)
        net = nn.HybridSequential()
        net.add(nn.Dense(8, in_units=3), nn.Dropout(0.5), nn.BatchNorm(in_channels=8), nn.Dense(2))
        net.initialize(mx.init.Normal(1))
        net.cast("float64")
        net.hybridize(**flags)
        found = []
        for _ in range(3):
            with mx.autograd.record():
                loss = (net(X.astype("float64")) ** 2).sum()
            loss.backward()
            found += [loss, net[2].running_mean.data().copy(), net[0].weight.grad().copy()]
        return found

    expected = run()
    for flags in ({"forward_bulk_size": 1}, {"backward_bulk_size": 2},
                  {"forward_bulk_size": 2, "backward_bulk_size": 3}):  # fmt: skip
        for a, b in zip(run(**flags), expected, strict=True):
            close(a, b)


def test_the_report_lists_the_segments(net):
    net.hybridize(forward_bulk_size=2)
    report = net.optimize_report(X)
    assert [p.nodes for p in report.parts] == [2, 2, 1]


@pytest.mark.parametrize("flag", ["inline_limit", "forward_bulk_size", "backward_bulk_size"])
@pytest.mark.parametrize("wrong", [-1, "a", 2.5])
def test_numbers_are_checked_at_once(net, flag, wrong):
    with pytest.raises(ValueError, match=flag):
        net.hybridize(**{flag: wrong})
    with pytest.raises(ValueError, match=flag):
        net.optimize_for(X, **{flag: wrong})
    assert not net._active


def test_inline_limit_is_a_number(net):
    with pytest.raises(ValueError, match="inline_limit"):
        net.hybridize(inline_limit=None)


def test_unknown_flags_are_listed(net):
    with pytest.raises(TypeError, match=r"nosuch.*inline_limit"):
        net.hybridize(nosuch=1)


def test_flags_reach_every_hybrid_block_below():
    inner = nn.HybridSequential()
    inner.add(nn.Dense(2))
    outer = nn.Sequential()
    outer.add(inner, nn.Lambda("tanh"))
    outer.hybridize(static_shape=True, inline_limit=7)
    for block in (inner, inner[0]):
        assert (block._flags.static_shape, block._flags.inline_limit) == (True, 7)


def test_optimize_for_finds_deferred_shapes():
    net = nn.HybridSequential()
    net.add(nn.Dense(3), nn.BatchNorm(), nn.Dense(2))
    net.initialize()
    net.optimize_for(mx.np.array(ramp(4, 3)))
    assert all(-1 not in p.shape for p in net.collect_params().values())


def test_optimize_for_changes_nothing_on_an_error(net):
    net.optimize_for(X, backend="numpy")
    for wrong in ({"backend": "nosuch"}, {"nosuch": 1}, {"passes": "-nosuch"}):
        with pytest.raises(ValueError, match="nosuch"):
            net.optimize_for(X, **wrong)
        assert net._flags.backend == "numpy"
        assert len(_entries(net)) == 1


def test_options_of_a_backend(net):
    expected = net(X)
    net.optimize_for(X, backend="onnxruntime", threads=1, passes="-fuse_patterns")
    close(net(X), expected)
    assert dict(_entries(net)[0].op.options.extra)["threads"] == 1
