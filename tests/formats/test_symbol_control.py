"""Loops and branches in symbol files: those of MXNet 1.9.1 are read, ours are read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import symgluon as mx
from symgluon import autograd
from symgluon.errors import FormatError
from symgluon.gluon import HybridBlock, Parameter, SymbolBlock, nn

DATA = Path(__file__).parent.parent / "data" / "control_flow"
VALUES = json.loads((DATA / "values.json").read_text())


def arrays_of(case):
    return {k: mx.nd.array(np.array(v)) for k, v in case["inputs"].items()}


@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", sorted(VALUES))
def test_files_of_mxnet(name, number, hybridize):
    case = VALUES[name][number]
    arrays = arrays_of(case)
    net = SymbolBlock.imports(str(DATA / f"{name}-symbol.json"), list(arrays), None)
    if hybridize:
        net.hybridize()
    for array in arrays.values():
        array.attach_grad()
    with autograd.record():
        outs = net(*arrays.values())
        outs = outs if isinstance(outs, list | tuple) else [outs]
    for got, want in zip(outs, case["outputs"], strict=True):
        # (1.9.1 leaves the rows beyond the last step uninitialised: denormal numbers)
        np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-6, atol=1e-30)
    autograd.backward(list(outs))
    for key, want in case["grads"].items():
        np.testing.assert_allclose(arrays[key].grad.asnumpy(), want, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(VALUES))
def test_they_are_one_operator_in_a_graph(name):
    arrays = arrays_of(VALUES[name][0])
    net = SymbolBlock.imports(str(DATA / f"{name}-symbol.json"), list(arrays), None)
    names = [n.op.name for n in net.graph_for(*arrays.values()).nodes]
    assert {"foreach": "foreach", "while": "while_loop", "cond": "cond"}[name] in names


# ---- what we write ------------------------------------------------------------------------------
class Loop(HybridBlock):
    def __init__(self):
        super().__init__()
        self.w = Parameter("w", shape=(3,))
        self.d = nn.Dense(3, in_units=3, flatten=False)

    def forward(self, x, h):
        def body(a, states):
            s, t = states
            new = mx.np.tanh(a * self.w.data() + self.d(s)) * 1.5
            return [new * 2, a], [new, t + a]

        outs, states = mx.npx.foreach(body, x, [h, h * 2])
        return outs[0], outs[1], states[0], states[1]


class While(HybridBlock):
    def forward(self, x, h):
        outs, variables = mx.npx.while_loop(
            lambda i, s: s.sum() < x.sum() + 30,
            lambda i, s: ([s * x[0], i], [i + 1, s * 2 + h]),
            [mx.np.zeros((1,)), h],
            max_iterations=6,
        )
        return outs[0], outs[1], variables[0], variables[1]


class Branch(HybridBlock):
    def forward(self, x, h):
        return mx.npx.cond(h.sum() > 0, lambda: x * h, lambda: x + 2)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("net_class", [Loop, While, Branch])
def test_written_and_read_back(net_class, sign, tmp_path):
    with mx.util.np_shape(True), mx.util.np_array(True):
        mx.random.seed(1)
        net = net_class()
        net.initialize(mx.init.Normal(0.5))
        net.hybridize()
        rng = np.random.default_rng(2)
        x = mx.np.array(rng.uniform(0.5, 1, (4, 3)).astype("float32"))
        h = mx.np.array((sign * rng.uniform(0.5, 1, (3,))).astype("float32"))
        want = net(x, h)
        symbol, params = net.export(str(tmp_path / "m"), dynamic_batch=False)
        ops = {n["op"] for n in json.loads(Path(symbol).read_text())["nodes"]}
        assert ops & {"_foreach", "_while_loop", "_cond"}
        again = SymbolBlock.imports(symbol, ["data0", "data1"], params)
        got = again(x, h)
        want = want if isinstance(want, list | tuple) else [want]
        got = got if isinstance(got, list | tuple) else [got]
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-5, atol=1e-6)


# ---- damaged files ------------------------------------------------------------------------------
def damaged(name, change):
    content = json.loads((DATA / f"{name}-symbol.json").read_text())
    node = next(n for n in content["nodes"] if "subgraphs" in n)
    change(node)
    return json.dumps(content)


def _without(key):
    return lambda node: node["attrs"].pop(key)


def _with(key, value):
    return lambda node: node["attrs"].update({key: value})


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("foreach", _without("in_data_locs"), "needs the attribute in_data_locs"),
        ("foreach", _with("in_state_locs", "[9]"), "points beyond 3 places"),
        ("foreach", _with("num_out_data", "x"), "needs the number num_out_data"),
        ("foreach", lambda node: node["subgraphs"].clear(), "has 0 subgraphs, expected 1"),
        ("while", _with("func_input_locs", "[0]"), "1 positions for 3 variables"),
        ("while", _without("max_iterations"), "needs the number max_iterations"),
        ("cond", lambda node: node["subgraphs"].pop(), "has 2 subgraphs, expected 3"),
    ],
)
def test_damaged_files(name, change, match, tmp_path):
    path = tmp_path / "m-symbol.json"
    path.write_text(damaged(name, change))
    with pytest.raises(FormatError, match=match):
        SymbolBlock.imports(str(path), ["x"], None)
