"""Blocks called with symbols, against what MXNet 1.9.1 composes (``data/make_block_symbols.py``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import symbol_cases as table

DATA = Path(__file__).parent.parent / "data"
ROWS = {row["name"]: row for row in json.loads((DATA / "block_symbols.json").read_text())}
PYTHON = os.environ.get("MXNET_PYTHON")


def plain(found):
    return json.loads(json.dumps(found))


def test_all_cases_are_recorded():
    others = {"zoo": table.ZOO, "summary": table.SUMMARIES}
    assert set(ROWS) == {*table.CASES, *(f"{k}/{n}" for k, names in others.items() for n in names)}


@pytest.mark.parametrize("name", table.CASES)
def test_composes_what_mxnet_does(name):
    import mxnet as mx

    found, expected = plain(table.describe(mx, table.CASES[name])), ROWS[name]
    assert found["outputs"] == expected["outputs"]
    assert found["internals"] == expected["internals"]
    assert found["attrs"] == expected["attrs"]
    assert found["file"] == expected["file"]


@pytest.mark.parametrize("model", table.ZOO)
def test_zoo_composes_what_mxnet_does(model):
    import mxnet as mx

    expected = ROWS[f"zoo/{model}"]
    assert table.digest(mx, model) == {k: v for k, v in expected.items() if k != "name"}


@pytest.mark.parametrize("name", table.SUMMARIES)
def test_summary_is_mxnets(name):
    import mxnet as mx

    assert table.summary(mx, table.SUMMARIES[name]) == ROWS[f"summary/{name}"]["lines"]


@pytest.mark.skipif(PYTHON is None, reason="MXNET_PYTHON names no Python with MXNet")
def test_mxnet_says_so_still(tmp_path):
    new = tmp_path / "block_symbols.json"
    script = DATA / "make_block_symbols.py"
    subprocess.run([PYTHON, "-W", "ignore", str(script), str(new)], check=True, timeout=300)
    assert new.read_text() == (DATA / "block_symbols.json").read_text()


# ---- blocks of symbols, and both kinds of calls --------------------------------------------------
def small(mx):
    net = mx.gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(mx.gluon.nn.Dense(4, activation="relu"), mx.gluon.nn.BatchNorm())
        net.add(mx.gluon.nn.Dense(2))
    return net


def test_symbol_block_shares_parameters():
    import mxnet as mx

    net = small(mx)
    data = mx.sym.var("data")
    inner = net(data).get_internals()["net_batchnorm0_fwd_output"]
    block = mx.gluon.SymbolBlock([inner, net(data)], data, params=net.collect_params())
    assert list(block._reg_params) == [
        "dense0_weight", "dense0_bias", "batchnorm0_gamma", "batchnorm0_beta", "dense1_weight",
        "dense1_bias", "batchnorm0_running_mean", "batchnorm0_running_var",
    ]  # fmt: skip
    assert block.prefix == ""
    assert all(net.collect_params()[n] is p for n, p in block.collect_params().items())
    block.initialize()
    x = mx.nd.array([[1, 2, 3], [3, 2, 1]])
    assert (block(x)[1].asnumpy() == net(x).asnumpy()).all()


def test_symbol_and_arrays_agree():
    import mxnet as mx

    for code in ("nn.Conv2D(3, 2, activation='tanh')", "rnn.LSTM(3, layout='NTC')"):
        names = table.names_for(mx)
        block = eval(code, names)
        block.initialize()
        x = mx.nd.random.uniform(shape=(2, 3, 4, 4) if "Conv" in code else (2, 3, 4))
        expected = block(x).asnumpy()
        whole = mx.gluon.SymbolBlock(block(names["a"]), names["a"], params=block.collect_params())
        assert abs(whole(x).asnumpy() - expected).max() < 1e-6


def test_constants_keep_their_values_in_modules():
    import mxnet as mx

    class Scaled(mx.gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            with self.name_scope():
                self.scale = self.params.get_constant("scale", mx.nd.array([1, 2, 3]))

        def hybrid_forward(self, F, x, scale):
            return F.broadcast_mul(x, scale)

    net = Scaled()
    module = mx.mod.Module(net(mx.sym.var("data")), label_names=None)
    module.bind(data_shapes=[("data", (1, 3))], for_training=False)
    module.init_params()
    module.forward(mx.io.DataBatch([mx.nd.ones((1, 3))]), is_train=False)
    assert module.get_outputs()[0].asnumpy().tolist() == [[1, 2, 3]]


def test_variables_state_the_shapes_before_data_came():
    import mxnet as mx

    layer = mx.gluon.nn.Dense(2)
    layer.initialize()
    layer(mx.nd.ones((1, 3)))
    assert layer.weight.var().attr("__shape__") == "(2, 0)"
    assert layer.weight.var() is layer.weight.var()


WRONG = {
    "mixed": ("loss.L2Loss()(a, mx.nd.ones((2,)))", ValueError, "arrays and symbols at once"),
    "mixed_first": ("loss.L2Loss()(mx.nd.ones((2,)), a)", ValueError, "arrays and symbols"),
    "group": ("nn.Dense(2)(mx.sym.Group([a, b]))", TypeError, "choose one by its number"),
    "too_many": ("nn.Dense(2)(a, b)", TypeError, "takes one symbol, received 2"),
    "nothing": ("mx.gluon.HybridBlock()(a)", NotImplementedError, "neither hybrid_forward"),
    "no_children": ("contrib.nn.HybridConcurrent()(a)", ValueError, "no children"),
    "steps": ("rnn.RNNCell(2).unroll(2, [a])", ValueError, "1 inputs for 2 steps"),
    "steps_of_group": (
        "rnn.RNNCell(2).unroll(2, mx.sym.Group([a, b]))", ValueError, "one symbol for each step",
    ),
    "stepped": ("rnn.BidirectionalCell(rnn.GRUCell(2), rnn.GRUCell(2))(a, [])",
                NotImplementedError, "use unroll"),
    "inputs": ("mx.gluon.SymbolBlock(mx.sym.exp(a), a)(a, b)", ValueError, "received 2 symbols"),
    "no_variable": ("mx.gluon.SymbolBlock(mx.sym.exp(a), mx.sym.exp(a))", ValueError,
                    "output of an operator"),
    "params": ("mx.gluon.SymbolBlock(mx.sym.exp(a), a, params=[1])", TypeError, "ParameterDict"),
    "shape": ("nn.HybridLambda(lambda F, x: x.shape)(a)", AttributeError, "infer_shape"),
    "nd": ("nn.HybridLambda(lambda F, x: mx.nd.relu(x))(a)", TypeError, "call mx.sym.relu"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_says_what_is_wrong(case):
    import mxnet as mx

    code, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        eval(code, table.names_for(mx))


class Digraph:
    """Stands for that of the package graphviz."""

    def __init__(self, **kwargs):
        self.made, self.nodes, self.edges = kwargs, {}, []

    def node(self, name, **kwargs):
        self.nodes[name] = kwargs

    def edge(self, tail_name, head_name, **kwargs):
        self.edges.append((tail_name, head_name, kwargs["label"]))


def test_picture(monkeypatch):
    import mxnet as mx

    monkeypatch.setitem(sys.modules, "graphviz", types.SimpleNamespace(Digraph=Digraph))
    found = mx.viz.plot_network(small(mx)(mx.sym.var("data")), shape={"data": (5, 3)},
                                dtype={"data": "float32"}, node_attrs={"width": "2"})  # fmt: skip
    assert found.made == {"name": "plot", "format": "pdf"}
    assert {n: look["label"] for n, look in found.nodes.items()} == {
        "data": "data", "net_dense0_fwd": "FullyConnected\n4",
        "net_dense0_relu_fwd": "Activation\nrelu", "net_batchnorm0_fwd": "net_batchnorm0_fwd",
        "net_dense1_fwd": "FullyConnected\n2",
    }  # fmt: skip
    assert found.edges[0] == ("net_dense0_fwd", "data", "3(float32)")
    assert (found.nodes["data"]["shape"], found.nodes["data"]["width"]) == ("oval", "2")


def test_pictures_need_graphviz(monkeypatch):
    import mxnet as mx

    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match="pip install graphviz"):
        mx.viz.plot_network(mx.sym.var("data"))
    with pytest.raises(TypeError, match="must be Symbol"):
        mx.viz.print_summary("net")
    with pytest.raises(TypeError, match="a dictionary"):
        mx.viz.print_summary(mx.sym.var("data"), [1])
    with (
        pytest.warns(UserWarning, match="cannot find"),
        pytest.raises(ValueError, match="give those of a"),
    ):
        mx.viz.print_summary(mx.sym.var("a") + mx.sym.var("b").exp(), {"b": (0, 0)})
