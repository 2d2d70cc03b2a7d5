"""`SymbolBlock`: models of real MXNet, run, hybridized and exported, against recorded outputs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as onp
import onnx
import onnxruntime as ort
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.errors import DeferredInitializationError, FormatError, UnsupportedOpError

np, npx = mx.np, mx.npx
DATA = Path(__file__).resolve().parents[1] / "data" / "models"
MODELS = sorted(p.parent for p in DATA.glob("*/*/meta.json"))


@pytest.fixture(autouse=True)
def _numpy_arrays():
    npx.set_np()
    yield
    npx.reset_np()


class Model:
    """The files of a recorded model."""

    def __init__(self, folder):
        self.folder = folder
        self.symbol = str(next(folder.glob("*-symbol.json")))
        self.params = str(next(folder.glob("*-[0-9]*.params")))
        self.inputs = [i["name"] for i in json.loads((folder / "meta.json").read_text())["inputs"]]
        recorded = onp.load(folder / "io.npz")
        self.feeds = [np.array(recorded[f"input/{n}"], dtype=recorded[f"input/{n}"].dtype)
                      for n in self.inputs]  # fmt: skip
        self.outputs = [recorded[k] for k in sorted(recorded) if k.startswith("output/")]

    def open(self, **kwargs):
        return gluon.SymbolBlock.imports(self.symbol, self.inputs, self.params, **kwargs)

    def check(self, found, tolerance=1e-4):
        found = found if isinstance(found, list | tuple) else [found]
        assert len(found) == len(self.outputs)
        for got, want in zip(found, self.outputs, strict=True):
            got = got.asnumpy() if hasattr(got, "asnumpy") else got
            onp.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance / 10)


@pytest.fixture(params=MODELS, ids=lambda p: f"{p.parent.name}/{p.name}")
def model(request):
    return Model(request.param)


@pytest.fixture
def mlp():
    return Model(DATA / "mxnet-2.0.0beta1" / "mlp")


# ---- recorded models ----------------------------------------------------------------------------
def test_eager(model):
    model.check(model.open()(*model.feeds))


@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
def test_hybridized(model, backend):
    net = model.open()
    net.optimize_for(*model.feeds, backend=backend)
    for _ in range(5):
        model.check(net(*model.feeds))


@pytest.mark.parametrize("opset", [13, 20])
def test_exported(model, tmp_path, opset):
    net = model.open()
    net.hybridize()
    net(*model.feeds)
    symbol, params = net.export(str(tmp_path / "net"), opset=opset)
    path = str(tmp_path / "net-0000.onnx")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    arrays = [a.asnumpy() for a in model.feeds]
    model.check(session.run(None, dict(zip(model.inputs, arrays, strict=True))))
    again = gluon.SymbolBlock.imports(symbol, model.inputs, params)
    model.check(again(*model.feeds))


def test_other_batch_sizes(model):
    net = model.open()
    net.hybridize()
    feeds = [np.concatenate([x, x, x], axis=0) for x in model.feeds]
    found = net(*feeds)
    rows = len(model.outputs[0])
    model.check([found[:rows]] if not isinstance(found, list) else [f[:rows] for f in found])
    model.check(net(*model.feeds))
    assert net._cache.traces == 1


def test_the_symbol_is_written_as_it_was_read(model, tmp_path):
    net = model.open()
    net.hybridize()
    net(*model.feeds)
    symbol, _ = net.export(str(tmp_path / "net"))
    read = json.loads(Path(model.symbol).read_text())
    written = json.loads(Path(symbol).read_text())
    assert [n["name"] for n in written["nodes"]] == [n["name"] for n in read["nodes"]]


def test_in_another_block(mlp):
    net = gluon.nn.HybridSequential()
    net.add(mlp.open())
    net.hybridize()
    mlp.check(net(*mlp.feeds))


def test_training_moves_the_parameters(mlp):
    net = mlp.open()
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    losses = []
    for _ in range(5):
        with mx.autograd.record(train_mode=False):
            loss = (net(*mlp.feeds) ** 2).sum()
        loss.backward()
        trainer.step(len(mlp.feeds[0]))
        losses.append(float(loss))
    assert losses[-1] < losses[0]


# ---- parameters ---------------------------------------------------------------------------------
def test_without_parameters_shapes_come_from_the_inputs(mlp):
    net = gluon.SymbolBlock.imports(mlp.symbol, mlp.inputs)
    net.initialize(mx.init.Normal())  # Xavier refuses the biases, as in MXNet
    out = net(*mlp.feeds)
    assert out.shape == mlp.outputs[0].shape
    known = mlp.open().collect_params()
    assert {n: p.shape for n, p in net.collect_params().items()} == {
        n: p.shape for n, p in known.items()
    }
    net.load_dict({n: p.data() for n, p in known.items()})
    mlp.check(net(*mlp.feeds))


def test_missing_parameters(mlp, tmp_path):
    from symgluon.formats.params import load_params, save_params

    arrays = load_params(mlp.params)
    name = sorted(arrays)[0]
    del arrays[name]
    path = str(tmp_path / "some-0000.params")
    save_params(path, arrays)
    with pytest.raises(ValueError, match=name[4:].replace(".", r"\.")) as caught:
        gluon.SymbolBlock.imports(mlp.symbol, mlp.inputs, path)
    assert path in str(caught.value)
    net = gluon.SymbolBlock.imports(mlp.symbol, mlp.inputs, path, allow_missing=True)
    assert name[4:] in net.collect_params()


def test_extra_parameters(mlp, tmp_path):
    from symgluon.formats.params import load_params, save_params

    path = str(tmp_path / "more-0000.params")
    save_params(path, {**load_params(mlp.params), "arg:other": onp.ones(2, "float32")})
    with pytest.raises(ValueError, match="other"):
        gluon.SymbolBlock.imports(mlp.symbol, mlp.inputs, path)
    net = gluon.SymbolBlock.imports(mlp.symbol, mlp.inputs, path, ignore_extra=True)
    mlp.check(net(*mlp.feeds))


# ---- errors -------------------------------------------------------------------------------------
def changed(mlp, tmp_path, change):
    tree = json.loads(Path(mlp.symbol).read_text())
    change(tree)
    path = tmp_path / "changed-symbol.json"
    path.write_text(json.dumps(tree))
    return str(path)


def without_shapes(tree):
    for node in tree["nodes"]:
        for key in ("attrs", "attr", "param"):
            node.get(key, {}).pop("__shape__", None)


def test_deferred_parameters_have_no_data_yet(mlp, tmp_path):
    net = gluon.SymbolBlock.imports(changed(mlp, tmp_path, without_shapes), mlp.inputs)
    net.initialize()
    name, parameter = next(iter(net.collect_params().items()))
    with pytest.raises(DeferredInitializationError, match=name.replace(".", r"\.")):
        parameter.data()
    assert net(*mlp.feeds).shape == mlp.outputs[0].shape
    assert parameter.data().shape == mlp.open().collect_params()[name].shape


def test_every_unsupported_operator_is_listed(mlp, tmp_path):
    def change(tree):
        operators = [n for n in tree["nodes"] if n["op"] != "null"]
        operators[0]["op"], operators[2]["op"] = "_unheard_of", "Custom_thing"

    path = changed(mlp, tmp_path, change)
    with pytest.raises(UnsupportedOpError) as caught:
        gluon.SymbolBlock.imports(path, mlp.inputs, mlp.params)(*mlp.feeds)
    text = str(caught.value)
    assert "_unheard_of" in text
    assert "Custom_thing" in text
    assert {u.op for u in caught.value.unsupported} == {"_unheard_of", "Custom_thing"}


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t["nodes"][3].update(inputs=[[999, 0, 0]]),
        lambda t: t.pop("heads"),
        lambda t: t.update(heads=[[10_000, 0, 0]]),
        lambda t: t.update(nodes=3),
    ],
    ids=["index", "no heads", "head", "nodes"],
)
def test_damaged_symbols(mlp, tmp_path, change):
    with pytest.raises(FormatError, match="changed-symbol"):
        gluon.SymbolBlock.imports(changed(mlp, tmp_path, change), mlp.inputs, mlp.params)


def test_truncated_symbols(mlp, tmp_path):
    path = tmp_path / "cut-symbol.json"
    content = Path(mlp.symbol).read_bytes()
    for keep in (0, 1, len(content) // 2, len(content) - 3):
        path.write_bytes(content[:keep])
        with pytest.raises(FormatError, match="cut-symbol"):
            gluon.SymbolBlock.imports(str(path), mlp.inputs, mlp.params)


def test_missing_files(mlp, tmp_path):
    with pytest.raises(OSError):
        gluon.SymbolBlock.imports(str(tmp_path / "no-symbol.json"), "data", mlp.params)
    shutil.copy(mlp.symbol, tmp_path / "net-symbol.json")
    with pytest.raises(OSError):
        gluon.SymbolBlock.imports(
            str(tmp_path / "net-symbol.json"), "data", str(tmp_path / "net-0000.params")
        )


def test_unknown_inputs_and_wrong_counts(mlp):
    with pytest.raises(ValueError, match=r"'image'.*data"):
        gluon.SymbolBlock.imports(mlp.symbol, ["data", "image"], mlp.params)
    with pytest.raises(ValueError, match="received 2 arrays"):
        mlp.open()(mlp.feeds[0], mlp.feeds[0])
