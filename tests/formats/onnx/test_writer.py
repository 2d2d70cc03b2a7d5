"""The ONNX writer: valid at every opset, deterministic, complete in its errors, linear in time."""

from __future__ import annotations

import time

import numpy as onp
import onnx
import onnxruntime as ort
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.errors import SymgluonError, UnsupportedOpError
from symgluon.formats.onnx.builder import Builder
from symgluon.formats.onnx.writer import OPSETS, build_model
from symgluon.gluon import nn
from symgluon.ir.dims import Dim, DimScope
from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ops.call import Call
from symgluon.ops.region import Region, resolve_dims

np, npx = mx.np, mx.npx
RNG = onp.random.default_rng(5)


@pytest.fixture(autouse=True)
def _numpy_arrays():
    npx.set_np()
    yield
    npx.reset_np()


def numbers(*shape, dtype="float32"):
    return RNG.normal(size=shape).astype(dtype)


def graph_of(function, *arrays, free=True):
    """Trace `function`; axis 0 of every input is one free dimension."""
    scope = DimScope()
    batch = scope.new("batch", arrays[0].shape[0]) if free else None
    region = Region("net", scope)
    with region.active():
        handles = []
        for i, a in enumerate(arrays):
            shape = (batch, *a.shape[1:]) if free else a.shape
            handles.append(region.argument(f"data{i}", TensorType(shape, a.dtype), np.ndarray))
        out = function(*handles)
        graph = region.close(list(out) if isinstance(out, tuple) else [out])
    resolve_dims(graph, scope)
    return graph


def run(model, *arrays):
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [i.name for i in model.graph.input]
    return session.run(None, dict(zip(names, arrays, strict=True)))


def expected(function, *arrays):
    out = function(*[np.array(a, dtype=a.dtype) for a in arrays])
    return [o.asnumpy() for o in (out if isinstance(out, tuple) else (out,))]


CASES = {
    "reshape": (lambda x: x.reshape((x.shape[0], -1)), [(2, 3, 4)]),
    "reshape to the batch": (lambda x: x.reshape((-1, 2)).sum(axis=1), [(2, 3, 4)]),
    "sum": (lambda x: x.sum(axis=(1, 2)) + x.mean(), [(2, 3, 4)]),
    "keepdims": (lambda x: x - x.max(axis=-1, keepdims=True), [(2, 3, 4)]),
    "slices": (lambda x: (x[:, 1:, ::2], x[:, -1], x[1:]), [(3, 4, 5)]),
    "pad": (lambda x: np.pad(x, ((0, 0), (1, 2), (0, 1))), [(2, 3, 4)]),
    "split": (lambda x: tuple(np.split(x, 3, axis=1)), [(2, 3, 4)]),
    "squeeze": (lambda x: np.squeeze(np.expand_dims(x, 1), 1) * 2, [(2, 3)]),
    "clip": (lambda x: np.clip(x, -0.5, 0.5), [(2, 3)]),
    "softmax": (lambda x: (npx.softmax(x, axis=1), npx.log_softmax(x)), [(2, 3, 4)]),
    "norm": (lambda x, g, b: npx.layer_norm(x, g.sum(axis=0), b.sum(axis=0)),
             [(2, 4), (2, 4), (2, 4)]),
    "matmul": (lambda a, b: np.matmul(a, b), [(2, 3, 4), (2, 4, 5)]),
    "cumsum": (lambda x: np.cumsum(x, axis=1), [(2, 5)]),
    "where": (lambda a, b: np.where(a > b, a, b * 2), [(2, 3), (2, 3)]),
    "topk": (lambda x: npx.topk(x, k=2, ret_typ="value"), [(2, 5)]),
    "take": (lambda x: np.take(x, np.array([0, 2]), axis=1), [(2, 4)]),
    "tile": (lambda x: np.tile(x, (1, 3)), [(2, 4)]),
    "an input as result": (lambda x: (x, x + 1), [(2, 3)]),
    "one result twice": (lambda x: (x * 2,) * 2, [(2, 3)]),
    "an unused input": (lambda a, b: a * 3, [(2, 3), (2, 4)]),
    "size of the batch": (lambda x: x * x.shape[0], [(2, 3)]),
}  # fmt: skip


@pytest.mark.parametrize("opset", [13, 17, 18, 20, 23])
@pytest.mark.parametrize("name", CASES)
def test_results(name, opset):
    function, shapes = CASES[name]
    arrays = [numbers(*s) for s in shapes]
    model = build_model(graph_of(function, *arrays), opset=opset)
    for extra in (0, 3):
        given = [numbers(s[0] + extra, *s[1:]) for s in shapes]
        wanted = expected(function, *given)
        for got, want in zip(run(model, *given), wanted, strict=True):
            assert got.dtype == want.dtype
            onp.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset_is_valid(opset):
    x = numbers(2, 3, 6, 6)

    def function(x):
        y = npx.pooling(npx.relu(x), kernel=(2, 2), stride=(2, 2), pool_type="max")
        return npx.softmax(y.reshape((y.shape[0], -1))) + y.sum(axis=(1, 2, 3))[:, None]

    model = build_model(graph_of(function, x), opset=opset)
    (got,) = run(model, x)
    onp.testing.assert_allclose(got, expected(function, x)[0], rtol=1e-4, atol=1e-5)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", opset)]


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "int64", "uint8", "bool"])
def test_dtypes(dtype):
    x = numpy_of(dtype)
    function = np.logical_not if dtype == "bool" else lambda x: x + x
    model = build_model(graph_of(function, x))
    (got,) = run(model, x)
    want = expected(function, x)[0]
    assert got.dtype == want.dtype
    onp.testing.assert_array_equal(got, want)


def numpy_of(dtype):
    return (numbers(3, 2) * 4 if dtype != "uint8" else onp.arange(6).reshape(3, 2)).astype(dtype)


# ---- names and determinism ----------------------------------------------------------------------
def net_graph():
    mx.random.seed(1)
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.GlobalAvgPool2D(), nn.Dense(3))
    net.initialize()
    x = np.ones((2, 3, 8, 8))
    net(x)
    return net, net.graph_for(x, functions=False)


def test_parameters_are_inputs_with_their_names():
    net, graph = net_graph()
    model = build_model(graph)
    names = [i.name for i in model.graph.input]
    assert names[0] == "data"
    assert set(names[1:]) == set(net.collect_params())
    onnx.checker.check_model(model, full_check=True)


def test_the_same_graph_gives_the_same_bytes():
    made = [build_model(net_graph()[1]).SerializeToString(deterministic=True) for _ in range(2)]
    assert made[0] == made[1]


def test_names_are_unique_and_results_do_not_repeat():
    model = build_model(net_graph()[1])
    results = [n for node in model.graph.node for n in node.output if n]
    leaves = [v.name for v in (*model.graph.input, *model.graph.initializer)]
    assert len(set(results + leaves)) == len(results + leaves)
    named = [node.name for node in model.graph.node]
    assert len(set(named)) == len(named)


def test_metadata_and_output_names():
    x = numbers(2, 3)
    graph = graph_of(lambda x: (x + 1, x * 2), x)
    model = build_model(graph, metadata={"b": "2", "a": "1"}, output_names={1: "twice"})
    assert [(p.key, p.value) for p in model.metadata_props] == [("a", "1"), ("b", "2")]
    assert model.graph.output[1].name == "twice"
    onp.testing.assert_allclose(run(model, x)[1], x * 2)


def test_equal_constants_are_written_once():
    table = numbers(40, 30)
    x = numbers(2, 30)
    function = lambda x: np.dot(x, np.array(table).T) + 1.5 - 1.5  # noqa: E731
    model = build_model(graph_of(function, x))
    sizes = [int(onp.prod(t.dims)) for t in model.graph.initializer]
    assert sizes.count(1200) <= 1
    onp.testing.assert_allclose(run(model, x)[0], x @ table.T, rtol=1e-3, atol=1e-4)


# ---- functions ----------------------------------------------------------------------------------
class Mixed(gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Dense(4, in_units=4), nn.Dense(4, in_units=4)

    def forward(self, x):
        return np.tanh(self.a(x)) * np.sin(self.b(x)) + x


@pytest.mark.parametrize("functions", [True, False])
def test_functions(functions):
    net = nn.HybridSequential()
    net.add(Mixed(), Mixed())
    net.initialize(mx.init.Normal(1))
    x = np.array(numbers(3, 4))
    model = build_model(net.graph_for(x), functions=functions)
    assert bool(model.functions) is functions
    params = net.collect_params()
    feeds = [x.asnumpy() if i.name == "data" else params[i.name].data().asnumpy()
             for i in model.graph.input]  # fmt: skip
    (got,) = run(model, *feeds)
    onp.testing.assert_allclose(got, net(x).asnumpy(), rtol=1e-4, atol=1e-5)


def body_of(name, op):
    body = Graph(name)
    x = body.add_input("x", TensorType((DIM, 3), "float32"))
    body.set_outputs([body.add(OPS[op](), [x]).output])
    return body


DIM = Dim("n")


def test_bodies_of_one_name_stay_apart_and_equal_ones_are_one():
    graph = Graph("net")
    value = graph.add_input("x", TensorType((DIM, 3), "float32"))
    for op in ("exp", "tanh", "exp", "tanh"):
        value = graph.add(Call(body_of("Body", op)), [value]).output
    graph.set_outputs([value])
    model = build_model(graph, functions=True)
    assert [f.name for f in model.functions] == ["Body", "Body_1"]
    assert [n.op_type for n in model.graph.node] == ["Body", "Body_1"] * 2
    x = numbers(2, 3)
    want = onp.tanh(onp.exp(onp.tanh(onp.exp(x))))
    onp.testing.assert_allclose(run(model, x)[0], want, rtol=1e-5)


def test_functions_in_functions_come_first():
    outer = Graph("Outer")
    x = outer.add_input("x", TensorType((DIM, 3), "float32"))
    outer.set_outputs([outer.add(Call(body_of("Inner", "exp")), [x]).output])
    graph = Graph("net")
    value = graph.add_input("x", TensorType((DIM, 3), "float32"))
    graph.set_outputs([graph.add(Call(outer), [value]).output])
    model = build_model(graph, functions=True)
    assert [f.name for f in model.functions] == ["Inner", "Outer"]
    x = numbers(4, 3)
    onp.testing.assert_allclose(run(model, x)[0], onp.exp(x), rtol=1e-5)


def test_a_size_that_only_the_data_tell():
    def function(x, m):
        kept = npx.boolean_mask(x, m)
        return np.ones((kept.shape[0], 2)) + 1, kept.reshape(-1)

    mask = onp.array([1, 0, 1], "float32")
    scope = DimScope()
    region = Region("net", scope)
    with region.active():
        handles = [region.argument(n, TensorType(s, "float32"), np.ndarray)
                   for n, s in (("x", (3, 2)), ("m", (3,)))]  # fmt: skip
        graph = region.close(list(function(*handles)))
    resolve_dims(graph, scope)
    ones, kept = run(build_model(graph), numbers(3, 2), mask)
    assert (ones.shape, kept.shape) == ((2, 2), (4,))


# ---- errors -------------------------------------------------------------------------------------
@pytest.mark.parametrize("opset", [12, 24])
def test_opsets_outside(opset):
    with pytest.raises(SymgluonError, match="13 to 23"):
        build_model(graph_of(lambda x: x + 1, numbers(2)), opset=opset)


def test_everything_unsupported_is_named_at_once():
    def function(x):
        return np.random.poisson(x.sum(), size=(2,)) + np.random.gamma(x, 1.0).sum()

    graph = graph_of(function, abs(numbers(2)))
    with pytest.raises(UnsupportedOpError) as caught:
        build_model(graph)
    found = caught.value.unsupported
    assert len({u.op for u in found}) == 2
    assert all("test_writer.py" in u.where for u in found)


@pytest.mark.slow
def test_time_is_linear_in_nodes():
    def chain(count):
        def function(x):
            for i in range(count):
                x = x * (1 + i)
            return x

        graph = graph_of(function, numbers(2, 2))
        spent = []
        for _ in range(3):  # the best: a collection of garbage falls into one or another
            start = time.process_time()
            model = build_model(graph)
            spent.append(time.process_time() - start)
            assert len(model.graph.node) == count
        return min(spent)

    chain(50)
    assert chain(4000) < 40 * max(chain(400), 0.01)


# ---- numbers beside axes of size 1 -----------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "rank"),
    [((4, 3, 1), 3), ((4, 1), 2), ((4, 3), 0), ((1,), 0), ((), 0), ((2, 3, 1, 1), 4)],
)
def test_a_number_has_the_rank_of_data_that_end_in_an_axis_of_size_1(shape, rank):
    """ONNX Runtime goes element by element for lower ranks."""
    x = onp.asarray(numbers(*shape), "float32")
    model = build_model(graph_of(lambda x: 2.5 - x * 3, x, free=False))
    assert {len(t.dims) for t in model.graph.initializer} == {rank}
    (found,) = run(model, x)
    onp.testing.assert_allclose(found, 2.5 - x * 3, rtol=1e-5, atol=1e-6)
    assert found.shape == shape


def test_a_number_that_is_computed_is_reshaped():
    x, n = onp.ones((4, 1), "float32"), onp.array(3, "float32")
    model = build_model(graph_of(lambda x, n: x + n * 2, x, n, free=False))
    (found,) = run(model, x, n)
    onp.testing.assert_array_equal(found, x + 6)


def test_constants_of_one_subgraph_are_known_to_the_others():
    outer = Builder(20)
    inner = outer.inner()
    name = inner.const(onp.ones((1, 1), onp.float32))
    assert outer.const(onp.ones((1, 1), onp.float32)) == name
    assert outer.shape(name) == (1, 1)
    assert outer.inner().dtype(name) == onp.float32
