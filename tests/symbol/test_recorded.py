"""Symbols against those that MXNet 1.9.1 made of the same expressions (``data/make_symbols.py``)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import symgluon as mx

DATA = Path(__file__).parent.parent / "data"
CASES = json.loads((DATA / "symbols.json").read_text())
LOOPS = [c for c in CASES if c.get("loop")]
IDS = [c["code"][:60] for c in CASES]
BOUND = [c for c in CASES if "shapes" in c]


def make(case):
    with mx.name.NameManager():
        a, b, c = (mx.sym.var(n) for n in "abc")
        found = eval(case["code"], {"mx": mx, "a": a, "b": b, "c": c})
    return mx.sym.Group(list(found)) if isinstance(found, list | tuple) else found


def numbers(shape, seed):
    values = np.random.RandomState(seed).uniform(-1, 1, tuple(shape)).astype("float32")
    return mx.nd.array(values.round(3))


def listing(content):
    """The nodes of a file; variables of loop bodies have names with a running number."""
    nodes = content["nodes"]
    return [
        (
            node["op"],
            re.sub(r"-\d+$", "", node["name"]),
            {k: v for k, v in node.get("attrs", {}).items() if k != "__subgraph_name__"},
            [tuple(i) for i in node["inputs"]],
            [listing(g) for g in node.get("subgraphs", ())],
        )
        for node in nodes
    ]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_is_mxnets_graph(case):
    symbol = make(case)
    assert symbol.list_arguments() == case["arguments"]
    assert symbol.list_outputs() == case["outputs"]
    assert symbol.list_auxiliary_states() == case["states"]
    assert symbol.get_internals().list_outputs() == case["internals"]
    assert symbol.attr_dict() == case["attrs"]
    ours, theirs = json.loads(symbol.tojson()), case["json"]
    assert listing(ours) == listing(theirs)
    assert [tuple(h) for h in ours["heads"]] == [tuple(h) for h in theirs["heads"]]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_reads_mxnets_json(case):
    symbol = mx.sym.load_json(json.dumps(case["json"]))
    assert symbol.list_arguments() == case["arguments"]
    assert symbol.list_outputs() == case["outputs"]
    assert symbol.list_auxiliary_states() == case["states"]
    assert symbol.attr_dict() == case["attrs"]


def shapes(found):
    return [[tuple(s) for s in part] for part in found]


@pytest.mark.parametrize("case", BOUND, ids=[c["code"][:60] for c in BOUND])
def test_infers_shapes(case):
    given = {k: tuple(v) for k, v in case["shapes"].items()}
    assert shapes(make(case).infer_shape(**given)) == shapes(case["inferred"])


def close(found, expected, rtol=2e-5, atol=2e-6):
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f.asnumpy(), np.array(e, "float32"), rtol=rtol, atol=atol)


@pytest.mark.parametrize("case", BOUND, ids=[c["code"][:60] for c in BOUND])
def test_computes_mxnets_numbers(case):
    symbol = make(case)
    run = symbol.simple_bind(mx.cpu(), **{k: tuple(v) for k, v in case["shapes"].items()})
    for i, name in enumerate(symbol.list_arguments()):
        run.arg_dict[name][:] = numbers(run.arg_dict[name].shape, i)
    for i, name in enumerate(symbol.list_auxiliary_states()):
        run.aux_dict[name][:] = numbers(run.aux_dict[name].shape, 50 + i).abs() + 0.5
    close(run.forward(is_train=False), case["predicted"])
    if "trained" not in case:
        return
    outs = run.forward(is_train=True)
    close(outs, case["trained"])
    run.backward([numbers(o.shape, 90 + i) for i, o in enumerate(outs)])
    names = list(case["grads"])
    close([run.grad_dict[n] for n in names], [case["grads"][n] for n in names], 2e-4, 2e-5)
    close([run.aux_dict[n] for n in case["after"]], list(case["after"].values()))
