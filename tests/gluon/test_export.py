"""`HybridBlock.export`: files, free axes, opsets, determinism, and nothing left on failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as onp
import onnx
import onnxruntime as ort
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.errors import AttributeValueError, SymgluonError, UnsupportedOpError
from symgluon.gluon import nn, rnn

np, npx, autograd = mx.np, mx.npx, mx.autograd
RNG = onp.random.default_rng(4)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _numpy_arrays():
    npx.set_np()
    yield
    npx.reset_np()


def numbers(*shape):
    return np.array(RNG.normal(size=shape).astype("float32"))


def make_net(shape=(2, 3, 8, 8)):
    mx.random.seed(2)
    block = nn.HybridSequential()
    block.add(nn.Conv2D(4, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"))
    net = nn.HybridSequential()
    net.add(block, nn.Dropout(0.5), nn.MaxPool2D(), nn.Flatten(), nn.Dense(5), nn.LayerNorm())
    net.initialize(mx.init.Xavier())
    net.hybridize()
    net(numbers(*shape))
    return net


class Fn(gluon.HybridBlock):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def called(function, *args):
    net = Fn(function)
    net.hybridize()
    net(*args)
    return net


def run(path, *arrays):
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feeds = {i.name: a.asnumpy() for i, a in zip(session.get_inputs(), arrays, strict=True)}
    return session.run(None, feeds)


def shapes(path):
    graph = onnx.load(path).graph
    return [
        [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*graph.input, *graph.output)
    ]


def close(a, b, tolerance=1e-4):
    onp.testing.assert_allclose(a, b.asnumpy(), rtol=tolerance, atol=tolerance)


# ---- files --------------------------------------------------------------------------------------
def test_names_of_the_files(tmp_path):
    net = make_net()
    stem = str(tmp_path / "net")
    assert net.export(stem) == (f"{stem}-symbol.json", f"{stem}-0000.params")
    assert net.export(stem, epoch=12)[1] == f"{stem}-0012.params"
    assert sorted(os.listdir(tmp_path)) == [
        "net-0000.onnx", "net-0000.params", "net-0012.onnx", "net-0012.params", "net-symbol.json",
    ]  # fmt: skip


def test_without_onnx(tmp_path):
    make_net().export(str(tmp_path / "net"), onnx=False)
    assert sorted(os.listdir(tmp_path)) == ["net-0000.params", "net-symbol.json"]


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = make_net()
    symbol, params = net.export(None)
    assert os.listdir(tmp_path) == []
    assert {n[4:] for n in params} == set(net.collect_params())
    assert sum(n.startswith("aux:") for n in params) == 2
    assert symbol is not None


def test_the_symbol_gives_the_same_numbers(tmp_path):
    net = make_net()
    symbol, params = net.export(str(tmp_path / "net"))
    again = gluon.SymbolBlock.imports(symbol, ["data"], params)
    for batch in (2, 5):
        x = numbers(batch, 3, 8, 8)
        close(again(x).asnumpy(), net(x))


def test_parameters_load_into_the_block(tmp_path):
    net, other = make_net(), make_net()
    _, params = net.export(str(tmp_path / "net"))
    other.initialize(mx.init.Zero(), force_reinit=True)
    other.load_parameters(params)
    x = numbers(2, 3, 8, 8)
    close(other(x).asnumpy(), net(x))


# ---- ONNX ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("functions", [True, False])
@pytest.mark.parametrize("opset", [13, 15, 17, 18, 20, 21, 23])
def test_checked_and_run(tmp_path, opset, functions):
    net = make_net()
    net.export(str(tmp_path / "net"), opset=opset, functions=functions)
    path = tmp_path / "net-0000.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {o.version for o in model.opset_import if not o.domain} == {opset}
    if not functions:
        assert not model.functions
    for batch in (2, 7):
        x = numbers(batch, 3, 8, 8)
        close(run(path, x)[0], net(x))


@pytest.mark.parametrize("opset", [12, 24, 0])
def test_opsets_outside_are_refused(tmp_path, opset):
    with pytest.raises(AttributeValueError, match="13 to 23"):
        make_net().export(str(tmp_path / "net"), opset=opset)
    assert os.listdir(tmp_path) == []


def test_child_blocks_become_functions(tmp_path):
    class Big(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.fc = nn.Dense(4, in_units=4)

        def forward(self, x):
            return np.tanh(self.fc(np.sin(x) * np.cos(x))) + x

    net = nn.HybridSequential()
    net.add(Big(), Big())
    net.initialize()
    net.hybridize()
    x = numbers(2, 4)
    want = net(x)
    net.export(str(tmp_path / "net"))
    model = onnx.load(tmp_path / "net-0000.onnx")
    assert len(model.functions) >= 1
    close(run(tmp_path / "net-0000.onnx", x)[0], want)
    weights = set(net.collect_params(".*weight"))
    assert weights <= {t.name for t in model.graph.initializer}


def test_many_inputs_and_results(tmp_path):
    net = called(lambda a, b: (a + b, [a * 2, b.sum(axis=1)]), numbers(3, 2), numbers(3, 2))
    net.export(str(tmp_path / "net"))
    path = tmp_path / "net-0000.onnx"
    assert [i.name for i in onnx.load(path).graph.input] == ["data0", "data1"]
    a, b = numbers(4, 2), numbers(4, 2)
    for got, want in zip(run(path, a, b), (a + b, a * 2, b.sum(axis=1)), strict=True):
        close(got, want)


def test_captured_arrays_are_constants(tmp_path):
    table = numbers(2)
    net = called(lambda x: x + table, numbers(3, 2))
    symbol, params = net.export(str(tmp_path / "net"))
    x = numbers(4, 2)
    close(run(tmp_path / "net-0000.onnx", x)[0], x + table)
    close(gluon.SymbolBlock.imports(symbol, ["data"], params)(x).asnumpy(), x + table)


# ---- free axes ----------------------------------------------------------------------------------
def test_the_batch_is_free_unless_told(tmp_path):
    net = make_net()
    net.export(str(tmp_path / "a"))
    net.export(str(tmp_path / "b"), dynamic_batch=False)
    assert shapes(tmp_path / "a-0000.onnx") == [["batch", 3, 8, 8], ["batch", 5]]
    assert shapes(tmp_path / "b-0000.onnx") == [[2, 3, 8, 8], [2, 5]]


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ({"data": {0: "n", 2: "h", 3: "w"}}, ["n", 3, "h", "w"]),
        ({"data": {-1: "w"}}, [2, 3, 8, "w"]),
        ({"data": [0, 2]}, ["data_dim0", 3, "data_dim2", 8]),
        ({"data": {2: "side", 3: "side"}}, [2, 3, "side", "side"]),
        ({}, [2, 3, 8, 8]),
    ],
)
def test_dynamic_axes_are_exactly_those(tmp_path, axes, expected):
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3, in_channels=3), nn.GlobalAvgPool2D())
    net.initialize()
    net.hybridize()
    net(numbers(2, 3, 8, 8))
    net.export(str(tmp_path / "net"), dynamic_axes=axes)
    path = tmp_path / "net-0000.onnx"
    assert shapes(path)[0] == expected
    sizes = {"n": 3, "h": 11, "w": 9, "side": 12, "data_dim0": 1, "data_dim2": 13}
    x = numbers(*[sizes.get(n, n) for n in expected])
    close(run(path, x)[0], net(x))


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"image": {0: "n"}}, "'image'.*data"),
        ({"data": {4: "n"}}, "no axis 4"),
        ({"data": {"0": "n"}}, "no axis '0'"),
        ({"data": {0: "n", 1: "n"}}, "'n' is 2 and 3"),
    ],
)
def test_wrong_dynamic_axes(tmp_path, axes, words):
    with pytest.raises(AttributeValueError, match=words):
        make_net().export(str(tmp_path / "net"), dynamic_axes=axes)
    assert os.listdir(tmp_path) == []


def test_an_axis_that_cannot_stay_free(tmp_path):
    net = called(lambda x: x if x.shape[0] == 3 else x * 2, numbers(3, 2))
    stem = str(tmp_path / "net")
    with pytest.raises(SymgluonError, match="batch") as caught:
        net.export(stem, dynamic_axes={"data": {0: "batch"}})
    assert "test_export.py" in str(caught.value)
    with pytest.warns(UserWarning, match="batch"):
        net.export(stem)
    assert shapes(f"{stem}-0000.onnx")[0] == [3, 2]


def test_shapes_that_follow_the_batch(tmp_path):
    def function(x):
        n, c, h, w = x.shape
        y = x.reshape((n, c, h * w)).transpose((0, 2, 1))
        return np.concatenate([y, np.zeros_like(y[:, :1])], axis=1), y.reshape((-1, c)).sum(axis=0)

    net = called(function, numbers(2, 3, 4, 5))
    net.export(str(tmp_path / "net"))
    x = numbers(6, 3, 4, 5)
    for got, want in zip(run(tmp_path / "net-0000.onnx", x), function(x), strict=True):
        close(got, want)


# ---- mode, failure, determinism -----------------------------------------------------------------
def test_predict_mode_even_inside_record(tmp_path):
    net = make_net()
    x = numbers(2, 3, 8, 8)
    want = net(x)
    net.export(str(tmp_path / "a"))
    with autograd.record():
        net.export(str(tmp_path / "b"))
        assert autograd.is_recording()
        assert autograd.is_training()
    close(run(tmp_path / "b-0000.onnx", x)[0], want)
    for name in ("0000.onnx", "0000.params", "symbol.json"):
        assert (tmp_path / f"a-{name}").read_bytes() == (tmp_path / f"b-{name}").read_bytes()


def test_a_block_that_was_not_called(tmp_path):
    net = nn.Dense(2, in_units=2)
    net.initialize()
    net.hybridize()
    with pytest.raises(RuntimeError, match="run it once"):
        net.export(str(tmp_path / "net"))


@pytest.mark.parametrize("epoch", [-1, "3", 1.5])
def test_wrong_epochs(tmp_path, epoch):
    with pytest.raises(AttributeValueError, match="epoch"):
        make_net().export(str(tmp_path / "net"), epoch=epoch)


def test_written_state_has_no_symbol(tmp_path):
    seen = np.zeros((2,))

    def function(x):
        seen[:] = seen + x
        return x * 2

    with pytest.raises(UnsupportedOpError, match="writes"):
        called(function, numbers(2)).export(str(tmp_path / "net"), dynamic_batch=False)
    assert os.listdir(tmp_path) == []


def test_nothing_is_left_where_a_file_cannot_be_written(tmp_path):
    net = make_net()
    (tmp_path / "net-0000.onnx").mkdir()  # the last file of the group is in the way
    with pytest.raises(OSError):
        net.export(str(tmp_path / "net"))
    assert os.listdir(tmp_path) == ["net-0000.onnx"]
    with pytest.raises(OSError):
        net.export(str(tmp_path / "missing" / "net"))


def test_old_files_stay_where_export_fails(tmp_path, monkeypatch):
    net = make_net()
    net.export(str(tmp_path / "net"))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    net[4].bias.set_data(np.ones((5,)))
    real = os.replace

    def refuse(a, b):
        if str(b).endswith(".onnx"):
            monkeypatch.undo()  # the way back is open
            raise OSError(28, "No space left on device", str(b))
        real(a, b)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="space"):
        net.export(str(tmp_path / "net"))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


_PROGRAM = """
import sys
import symgluon as mx
from symgluon.gluon import nn, rnn
mx.npx.set_np()
mx.random.seed(7)
net = nn.HybridSequential()
body = nn.HybridSequential()
body.add(nn.Conv2D(4, 3, activation="relu"), nn.BatchNorm())
net.add(body, nn.GlobalAvgPool2D(), nn.Dense(3), nn.LayerNorm())
net.initialize()
net.hybridize()
net(mx.np.ones((2, 3, 8, 8)))
net.export(sys.argv[1])
"""


def test_the_same_bytes_in_every_process(tmp_path):
    found = []
    for seed in ("0", "12345"):
        stem = tmp_path / seed
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", _PROGRAM, str(stem)], check=True, env=env)
        found.append(
            [Path(f"{stem}-{n}").read_bytes() for n in ("symbol.json", "0000.params", "0000.onnx")]
        )
    assert found[0] == found[1]


# ---- kinds of nets ------------------------------------------------------------------------------
@pytest.mark.parametrize("opset", [13, 23])
@pytest.mark.parametrize(
    "layer",
    [
        lambda: rnn.LSTM(4, 2, layout="NTC", bidirectional=True),
        lambda: rnn.GRU(4, layout="NTC"),
        lambda: rnn.RNN(4, layout="NTC"),
    ],
    ids=["lstm", "gru", "rnn"],
)
def test_recurrent_layers(tmp_path, layer, opset):
    net = layer()
    net.initialize(mx.init.Normal(0.5))
    net.hybridize()
    net(numbers(2, 5, 3))
    net.export(str(tmp_path / "net"), opset=opset)
    path = tmp_path / "net-0000.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    for batch in (2, 3):
        x = numbers(batch, 5, 3)
        close(run(path, x)[0], net(x))


def test_a_block_used_twice(tmp_path):
    shared = nn.Dense(3, in_units=3)
    net = nn.HybridSequential()
    net.add(shared, nn.Activation("relu"), shared)
    net.initialize(mx.init.Normal(0.5))
    net.hybridize()
    net(numbers(2, 3))
    symbol, params = net.export(str(tmp_path / "net"))
    x = numbers(5, 3)
    close(run(tmp_path / "net-0000.onnx", x)[0], net(x))
    close(gluon.SymbolBlock.imports(symbol, ["data"], params)(x).asnumpy(), net(x))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_dtypes(tmp_path, dtype):
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3, activation="relu"), nn.BatchNorm(in_channels=4))
    net.initialize(mx.init.Normal(0.5))
    net.cast(dtype)
    net.hybridize()
    x = numbers(2, 3).astype(dtype)
    net(x)
    net.export(str(tmp_path / "net"))
    path = tmp_path / "net-0000.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    (got,) = run(path, x)
    assert got.dtype == dtype
    close(got, net(x), 1e-2 if dtype == "float16" else 1e-10)


def test_a_net_that_only_trained(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3), nn.Dropout(0.5))
    net.initialize(mx.init.Normal(0.5))
    net.hybridize()
    with autograd.record():
        net(numbers(2, 3))
    net.export(str(tmp_path / "net"))
    x = numbers(5, 3)
    close(run(tmp_path / "net-0000.onnx", x)[0], net(x))


class Counter(gluon.HybridBlock):
    """Counts its calls in predict mode too."""

    def __init__(self):
        super().__init__()
        self.calls = gluon.Parameter("calls", shape=(1,), init="zeros")

    def forward(self, x):
        self.calls.set_data(self.calls.data() + 1)
        return x + self.calls.data()


def test_state_is_exported_as_input_and_output_of_onnx_alone(tmp_path):
    net = Counter()
    net.initialize()
    net.hybridize()
    net(numbers(2, 3))
    with pytest.raises(UnsupportedOpError, match='onnx="only"'):
        net.export(str(tmp_path / "counter"))
    (path,) = net.export(str(tmp_path / "counter"), onnx="only")
    assert [p.name for p in tmp_path.iterdir()] == ["counter-0000.onnx"]
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    x, calls = onp.ones((4, 3), "float32"), onp.full(1, 5, "float32")
    out, after = session.run(None, {"data": x, "calls": calls})
    assert (out == 7).all()
    assert after == 6
    with pytest.raises(AttributeValueError, match="onnx is True, False or"):
        net.export(str(tmp_path / "counter"), onnx="both")


class _Folded(gluon.HybridBlock):
    """Axes 0 and 1 are one for the child, which asks for their size."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.child = _Filled()

    def forward(self, x):
        n, c, d = x.shape
        y = x.reshape(self.factor * n if self.factor else n * c, -1)
        return self.child(y).reshape(n, c, d)


class _Filled(gluon.HybridBlock):
    def forward(self, x):
        y = x * 2
        y[:, 0] = x[:, -1] * 3
        return y + np.ones((x.shape[0], 1))


@pytest.mark.parametrize(("factor", "dynamic_axes"), [(4, None), (0, {"data": {0: "b", 1: "t"}})])
@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("inline_limit", [0, 5, 100])
def test_sizes_of_a_function_from_those_of_its_own_data(
    tmp_path, factor, dynamic_axes, opset, inline_limit
):
    """The data of a child block may have sizes that are products of those the graph is given."""
    net = nn.HybridSequential()
    net.add(_Folded(factor), _Folded(factor))
    net.initialize()
    net.hybridize(inline_limit=inline_limit)
    x = np.array(onp.random.default_rng(0).normal(size=(2, 4, 3)), dtype="float32")
    net(x)
    net.export(str(tmp_path / "net"), opset=opset, dynamic_axes=dynamic_axes, onnx="only")
    (path,) = tmp_path.glob("*.onnx")
    session = ort.InferenceSession(path)
    for n in (2, 5):
        x = onp.random.default_rng(n).normal(size=(n, 4, 3)).astype("float32")
        (got,) = session.run(None, {"data": x})
        onp.testing.assert_allclose(got, net(np.array(x)).asnumpy(), rtol=1e-6)
