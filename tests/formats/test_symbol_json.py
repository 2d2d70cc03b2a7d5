"""Symbol files as programs: running real MXNet models, labels, names, errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from symgluon.errors import FormatError, SymgluonError, UnsupportedOpError
from symgluon.formats.params import load_params
from symgluon.formats.symbol_json import (
    SymbolProgram,
    auxiliary_variables,
    stated_dtype,
    stated_shape,
    strip_prefixes,
)
from symgluon.formats.symbol_records import parse_symbol
from symgluon.ir.dims import DimScope
from symgluon.ops.array import wrap
from symgluon.ops.region import Region
from symgluon.ops.replay import replay

MODELS = sorted(Path(__file__).parent.parent.glob("data/models/*/*/"))


def symbol(*nodes, heads=None):
    """A symbol of (op, name, inputs, attrs) records as text."""
    records = [
        {"op": op, "name": name, "inputs": [[i, k, 0] for i, k in inputs], "attrs": attrs}
        for op, name, inputs, attrs in nodes
    ]
    return json.dumps(
        {
            "nodes": records,
            "arg_nodes": [i for i, n in enumerate(nodes) if n[0] == "null"],
            "heads": heads or [[len(nodes) - 1, 0, 0]],
            "attrs": {"mxnet_version": ["int", 20000]},
        }
    )


def program(*nodes, heads=None):
    return SymbolProgram(parse_symbol(symbol(*nodes, heads=heads)))


def feeds(folder, prog):
    recorded = np.load(folder / "io.npz")
    (params,) = folder.glob("*-0*.params")
    loaded = load_params(str(params))
    values = dict.fromkeys(prog.labels)
    names = strip_prefixes(loaded)
    values.update({names[k]: wrap(np.array(v)) for k, v in loaded.items()})
    for key in recorded:
        if key.startswith("input/"):
            values[key[6:]] = wrap(recorded[key])
    return values, [recorded[f"output/{i}"] for i in range(len(prog.records.heads))]


@pytest.mark.parametrize("folder", MODELS, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_models(folder):
    prog = SymbolProgram.load(next(folder.glob("*-symbol.json")))
    values, expected = feeds(folder, prog)
    for found, e in zip(prog.run(values), expected, strict=True):
        assert found.dtype == e.dtype
        np.testing.assert_allclose(found._content(), e, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("folder", MODELS[:2], ids=lambda p: f"{p.parent.name}-{p.name}")
def test_models_traced(folder):
    prog = SymbolProgram.load(next(folder.glob("*-symbol.json")))
    values, expected = feeds(folder, prog)
    given = {k: v for k, v in values.items() if v is not None and k in prog.variables}
    region = Region("net", DimScope())
    with region.active():
        args = {k: region.argument(k, v.type) for k, v in given.items()}
        graph = region.close(prog.run({**values, **args}))
    for found, e in zip(replay(graph, list(given.values())), expected, strict=True):
        np.testing.assert_allclose(found._content(), e, rtol=1e-4, atol=1e-5)


def test_labels_outputs_and_auxiliary_states():
    prog = program(
        ("null", "data", [], {}),
        ("null", "gamma", [], {"__shape__": "(3,)", "__dtype__": "1"}),
        ("null", "beta", [], {"__shape__": "(0, 2)"}),
        ("null", "mean", [], {}),
        ("null", "var", [], {}),
        ("BatchNorm", "bn", [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)], {"fix_gamma": "False"}),
        ("null", "label", [], {}),
        ("SoftmaxOutput", "softmax", [(5, 0), (6, 0)], {}),
        ("null", "unused", [], {}),
        ("SliceChannel", "parts", [(0, 0)], {"num_outputs": "3"}),
        heads=[[7, 0, 0], [9, 2, 0], [0, 0, 0]],
    )
    assert prog.variables == ["data", "gamma", "beta", "mean", "var", "label"]
    assert prog.labels == {"label"}
    assert prog.auxiliary == auxiliary_variables(prog.records) == {"mean", "var"}
    assert prog.output_names() == ["softmax_output", "parts_output2", "data"]
    assert stated_shape(prog.record("gamma")) == (3,)
    assert stated_dtype(prog.record("gamma")) == np.float64
    assert stated_shape(prog.record("beta")) == (0, 2)
    assert stated_dtype(prog.record("beta")) is None
    one, zero = (wrap(np.full(3, v, "float32")) for v in (1, 0))
    x = wrap(np.eye(3, dtype="float32"))
    values = {"data": x, "gamma": one, "beta": zero, "mean": zero, "var": one, "label": None}
    softmax, part, same = prog.run(values)
    np.testing.assert_allclose(softmax._content().sum(axis=1), 1, rtol=1e-6)
    assert part.shape == (3, 1)
    assert same is x


def test_unsupported_operators_are_all_named():
    nodes = [
        ("null", "data", [], {}),
        ("NoSuchOp", "first", [(0, 0)], {}),
        ("_contrib_alien", "second", [(1, 0)], {}),
        ("NeverRead", "dead", [(0, 0)], {}),
        ("Activation", "act", [(2, 0)], {"act_type": "relu"}),
    ]
    with pytest.raises(UnsupportedOpError) as caught:
        program(*nodes)
    assert [u.op for u in caught.value.unsupported] == ["NoSuchOp", "_contrib_alien"]
    assert "node first" in str(caught.value)
    assert "NeverRead" not in str(caught.value)


def test_bad_attributes_are_all_named():
    nodes = [
        ("null", "data", [], {}),
        ("Activation", "act", [(0, 0)], {"kind": "relu"}),
        ("FullyConnected", "fc", [(1, 0), (0, 0)], {"num_hidden": "many"}),
    ]
    with pytest.raises(FormatError) as caught:
        program(*nodes)
    assert "node act" in str(caught.value)
    assert "node fc" in str(caught.value)


def test_errors_name_the_node():
    prog = program(("null", "data", [], {}), ("Reshape", "flat", [(0, 0)], {"shape": "(5, 5)"}))
    with pytest.raises(SymgluonError, match=r"node flat \(Reshape\)"):
        prog.run({"data": wrap(np.zeros((2, 3)))})
    prog = program(("null", "data", [], {}), ("relu", "act", [(0, 0)], {}), heads=[[1, 3, 0]])
    with pytest.raises(FormatError, match="output 3 of node act"):
        prog.run({"data": wrap(np.zeros((2, 3)))})
