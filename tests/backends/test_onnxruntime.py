"""What is particular to the ONNX Runtime backend: support, caches, types, parameters, threads."""

from __future__ import annotations

import gc
import threading

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.backends import base, graph_sessions, providers, sessions
from symgluon.backends.graph_sessions import compile_cached, compile_plain
from symgluon.backends.onnxruntime import OrtExecutable
from symgluon.backends.partition import Partitioned
from symgluon.backends.support import supported
from symgluon.errors import AttributeValueError, SymgluonError
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ops.array import parameter_writes

np, npx = mx.np, mx.npx
RNG = onp.random.default_rng(11)


class Lambda(gluon.HybridBlock):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def dense_graph(dtype="float32", units=3):
    """One dense layer with a free batch: (graph, weight, bias)."""
    graph = Graph("net")
    x = graph.add_input("data", TensorType((Dim("batch"), 2), onp.dtype(dtype)))
    weight = graph.add_param("weight", TensorType((units, 2), onp.dtype(dtype)))
    bias = graph.add_param("bias", TensorType((units,), onp.dtype(dtype)))
    node = graph.add(OPS["dense"](num_hidden=units), [x, weight, bias])
    graph.set_outputs([node.output])
    return graph


def options(**extra):
    return base.make_options("onnxruntime", **extra)


def node_of(name, *types, **attrs):
    graph = Graph("one")
    inputs = [graph.add_input("x", TensorType(s, onp.dtype(d))) for s, d in types]
    return graph.add(OPS[name](**attrs), inputs)


# ---- support -------------------------------------------------------------------------------------
#: operators whose lowering is one ONNX operator of another name
SINGLE = {"exp": "Exp", "tanh": "Tanh", "erf": "Erf", "sin": "Sin", "sqrt": "Sqrt", "relu": "Relu",
          "tan": "Tan", "arcsinh": "Asinh", "sigmoid": "Sigmoid", "softmax": "Softmax",
          "negative": "Neg", "abs": "Abs", "floor": "Floor"}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SINGLE)
def test_support_agrees_with_the_list_of_kernels(name, dtype):
    state = pytest.importorskip("onnxruntime.capi._pybind_state")
    listing = getattr(state, "get_all_opkernel_def", None)
    if listing is None:
        pytest.skip("this build of ONNX Runtime does not list its kernels")
    wanted = {"float32": "tensor(float)", "float64": "tensor(double)"}[dtype]
    listed = any(
        k.op_name == SINGLE[name]
        and k.provider == "CPUExecutionProvider"
        and k.version_range[0] <= sessions.OPSET <= k.version_range[1]
        and any(wanted in types for types in k.type_constraints.values())
        for k in listing()
    )
    assert supported(node_of(name, ((2, 3), dtype))) is listed


@pytest.mark.parametrize(
    ("name", "shape"), [("random_gamma", (2,)), ("cholesky", (3, 3)), ("bincount", (4,))]
)
def test_draws_and_what_has_no_onnx_form_are_not_supported(name, shape):
    dtype = "int32" if name == "bincount" else "float32"
    assert not supported(node_of(name, (shape, dtype)))


def test_a_size_that_only_the_graph_knows_is_no_obstacle():
    batch = Dim("batch")
    node = node_of("reshape", ((batch * 2, 3), "float32"), shape=(batch, 6))
    assert supported(node)


# ---- one session for all sizes, types at the boundary ----------------------------------------
def test_two_batch_sizes_from_one_session():
    run = compile_plain(dense_graph(), options())
    for n in (1, 2, 7, 0):
        x, w, b = RNG.normal(size=(n, 2)), RNG.normal(size=(3, 2)), RNG.normal(size=3)
        (got,) = run(*[a.astype("float32") for a in (x, w, b)])
        onp.testing.assert_allclose(got, x @ w.T + b, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_cast_at_the_boundary():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    run = compile_plain(dense_graph(bfloat16), options())
    assert not isinstance(run, Partitioned)
    x, w, b = (RNG.normal(size=s).astype(bfloat16) for s in ((4, 2), (3, 2), (3,)))
    (got,) = run(x, w, b)
    assert got.dtype == bfloat16
    want = x.astype("float32") @ w.astype("float32").T + b.astype("float32")
    onp.testing.assert_allclose(got.astype("float32"), want, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "float64", "bool"])
def test_no_type_is_refused(dtype):
    functions = [
        lambda x: np.concatenate([x, x]), lambda x: np.where(x > 0, x, x), lambda x: x.max(axis=0),
        lambda x: np.cumsum(x, axis=0), lambda x: np.sort(x, axis=0), lambda x: np.tile(x, 2),
        lambda x: np.dot(x, x), lambda x: x == x, lambda x: npx.one_hot(x, 4),
    ]  # fmt: skip
    x = np.array(onp.arange(9).reshape(3, 3) % 4).astype(dtype)
    for function in functions:
        try:
            want = function(x)
        except SymgluonError:
            continue  # not defined for this type
        net = Lambda(function)
        net.optimize_for(x, backend="onnxruntime")
        got = net(x)
        assert got.dtype == want.dtype
        onp.testing.assert_array_equal(got.asnumpy(), want.asnumpy())


LAYOUTS = {
    "plain": lambda a: a, "transposed": lambda a: a.T, "steps": lambda a: a[::2],
    "reversed": lambda a: a[::-1], "columns": onp.asfortranarray,
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder("S")),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int64", "bool", "bfloat16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_large_constants_of_every_layout_and_type(layout, dtype):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
        if layout == "other byte order":
            pytest.skip("NumPy swaps no bytes of it")
    table = LAYOUTS[layout](RNG.integers(0, 9, (200, 300)).astype(dtype))
    graph = Graph("table")
    x = graph.add_input("x", TensorType((Dim("n"), table.shape[1]), onp.dtype(dtype)))
    node = graph.add(OPS["concatenate"](axis=0), [x, graph.add_constant(table)])
    graph.set_outputs([node.output])
    (got,) = compile_plain(graph, options())(onp.ones((2, table.shape[1]), dtype))
    onp.testing.assert_array_equal(got[2:], table)


@pytest.mark.parametrize("name", ["concatenate", "dense"])
def test_sessions_do_not_share_the_memory_of_constants(name):
    table = RNG.normal(size=(200, 300)).astype("float32")
    kept = table.copy()
    graph = Graph("table")
    x = graph.add_input("x", TensorType((Dim("n"), 300), onp.dtype("float32")))
    weight = graph.add_input("w", TensorType(table.shape, onp.dtype("float32")))
    op = OPS["concatenate"](axis=0) if name == "concatenate" else OPS["dense"](num_hidden=200)
    graph.set_outputs([graph.add(op, [x, weight] + [None] * (name == "dense")).output])
    graph.freeze(weight, table)
    run = compile_plain(graph, options())
    table[:] = 0  # nobody may do this to constants, but a session must survive freed memory
    ones = onp.ones((1, 300), "float32")
    want = onp.concatenate([ones, kept]) if name == "concatenate" else ones @ kept.T
    onp.testing.assert_allclose(run(ones)[0], want, rtol=1e-4, atol=1e-4)


def test_an_operand_as_result_and_an_empty_graph():
    graph = Graph("empty")
    x = graph.add_input("x", TensorType((2,), onp.dtype("float32")))
    graph.set_outputs([x, x])
    data = onp.ones(2, "float32")
    a, b = compile_plain(graph, options())(data)
    onp.testing.assert_array_equal(a, data)
    onp.testing.assert_array_equal(b, data)


# ---- what is compiled once -------------------------------------------------------------------------
def test_equal_graphs_share_a_session():
    first, second = (compile_cached(dense_graph(), options()) for _ in range(2))
    assert first is second
    assert compile_cached(dense_graph(units=4), options()) is not first
    assert compile_cached(dense_graph("float16"), options()) is not first
    assert compile_cached(dense_graph(), options(threads=1)) is not None


def test_sessions_nobody_uses_are_dropped(monkeypatch):
    monkeypatch.setattr(graph_sessions, "_held", graph_sessions.deque(maxlen=1))
    before = len(graph_sessions._compiled)
    for units in range(20, 26):
        compile_cached(dense_graph(units=units), options())
    gc.collect()
    assert len(graph_sessions._compiled) <= before + 1


# ---- parameters ----------------------------------------------------------------------------------
class Weights:
    """Parameters of the dense graph that count how often they are asked for."""

    def __init__(self, scale=1.0):
        self.arrays = [onp.full((3, 2), scale, "float32"), onp.zeros(3, "float32")]
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return self.arrays


X = onp.ones((2, 2), "float32")


def test_parameters_are_asked_for_once_a_change():
    run, weights = OrtExecutable(dense_graph(), options()), Weights()
    for _ in range(10):
        assert run.steady([X], weights)[0][0, 0] == 2
    assert weights.asked == 1
    parameter_writes.touch()
    weights.arrays = Weights(3.0).arrays
    assert run.steady([X], weights)[0][0, 0] == 6
    assert weights.asked == 2


def test_each_device_has_its_parameters():
    run = OrtExecutable(dense_graph(), options())
    here, there = Weights(1.0), Weights(2.0)
    for _ in range(8):
        assert run.steady([X], here, "cpu(0)")[0][0, 0] == 2
        assert run.steady([X], there, "cpu(1)")[0][0, 0] == 4
    assert (here.asked, there.asked) == (1, 1)


def test_who_changes_parameters_often_gets_no_constants(monkeypatch):
    run, weights = OrtExecutable(dense_graph(), options()), Weights()
    made = []
    build = run._with_constants
    monkeypatch.setattr(run, "_with_constants", lambda w: made.append(1) or build(w))
    for _ in range(40):
        for _ in range(6):  # more calls than the first patience, fewer than pay
            run.steady([X], weights)
        parameter_writes.touch()
    assert len(made) == 1
    for _ in range(100):
        run.steady([X], weights)
    assert len(made) == 2


def test_calls_from_threads_see_the_parameters_of_their_time():
    run, weights = OrtExecutable(dense_graph(), options()), Weights()
    wrong, stop = [], threading.Event()

    def call():
        while not stop.is_set():
            low = weights.arrays[0][0, 0]
            got = run.steady([X], weights)[0][0, 0] / 2
            if not low <= got <= weights.arrays[0][0, 0]:
                wrong.append((low, got))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for t in threads:
        t.start()
    for i in range(2, 60):
        weights.arrays = Weights(float(i)).arrays
        parameter_writes.touch()
        for _ in range(20):
            run.steady([X], weights)
    stop.set()
    for t in threads:
        t.join()
    assert not wrong


# ---- options -------------------------------------------------------------------------------------
def test_a_missing_provider_says_how_to_get_it():
    if "CUDAExecutionProvider" in sessions.runtime().get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(AttributeValueError) as caught:
        providers.resolve_providers("cuda")
    for word in ("CUDAExecutionProvider", "CPUExecutionProvider", "onnxruntime-gpu"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("given", "variable", "spins"),
    [({}, None, "1"), ({"spin": False}, None, "0"), ({}, "0", "0"), ({"spin": True}, "0", "1")],
)
@pytest.mark.skipif(
    not sessions._waits_for_a_time(), reason="this onnxruntime is not told how long"
)
def test_how_threads_of_sessions_wait(monkeypatch, given, variable, spins):
    monkeypatch.delenv("SYMGLUON_SPIN", raising=False)
    if variable is not None:
        monkeypatch.setenv("SYMGLUON_SPIN", variable)
    seen = []
    ort = sessions.runtime()
    real = ort.InferenceSession

    def spy(source, settings, **kwargs):
        seen.append(settings)
        return real(source, settings, **kwargs)

    monkeypatch.setattr(ort, "InferenceSession", spy)
    compile_plain(dense_graph(), options(threads=2, **given))
    assert seen[0].intra_op_num_threads == 2
    assert seen[0].inter_op_num_threads == 1
    assert seen[0].get_session_config_entry("session.intra_op.allow_spinning") == spins
    # not long: an idle session costs nothing
    assert seen[0].get_session_config_entry("session.intra_op.spin_duration_us") == "30"
    sessions.session_of(dense_graph(), threads=2)  # as eager operators make theirs
    assert seen[1].get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"spin": "no"}, "spin is True or False"),
        ({"threads": "many"}, "threads is a number"),
        ({"threads": -1}, "threads is a number"),
        ({"threads": True}, "threads is a number"),
    ],
)
def test_options_of_another_kind(given, words):
    with pytest.raises(AttributeValueError, match=words):
        compile_plain(dense_graph(), options(**given))


def test_threads_of_an_old_runtime_stop_with_the_run(monkeypatch):
    seen = []
    monkeypatch.setattr(sessions, "_waits_for_a_time", lambda: False)
    real = sessions.runtime().InferenceSession
    monkeypatch.setattr(
        sessions.runtime(), "InferenceSession", lambda m, o, **k: seen.append(o) or real(m, o, **k)
    )
    compile_plain(dense_graph(), options(threads=2))
    assert seen[0].get_session_config_entry("session.force_spinning_stop") == "1"


def test_the_environment_takes_the_place_of_the_backend(monkeypatch):
    monkeypatch.setenv("SYMGLUON_BACKEND", "numpy")
    chosen = base.make_options("onnxruntime", threads=1)
    assert (chosen.backend, chosen.extra) == ("numpy", ())
    with pytest.raises(AttributeValueError, match="thread"):
        base.make_options("onnxruntime", thread=1)
