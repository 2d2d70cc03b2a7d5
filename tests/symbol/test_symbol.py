"""Symbols: composing, parts, attributes, names, files, and what misuse says."""

from __future__ import annotations

import copy
import json
import pickle
import threading

import numpy as np
import pytest

import symgluon as mx
from symgluon.base import NotImplementedForSymbol
from symgluon.errors import SymgluonError


@pytest.fixture
def fc():
    with mx.name.NameManager():
        return mx.sym.FullyConnected(mx.sym.var("a"), num_hidden=4, name="fc")


A, B = mx.sym.var("a"), mx.sym.var("b")


# ---- parts -----------------------------------------------------------------------------------------
def test_outputs_by_number_name_and_slice():
    parts = mx.sym.split(A, num_outputs=3, axis=1, name="s")
    assert len(parts) == 3
    assert [p.list_outputs() for p in parts] == [["s_output0"], ["s_output1"], ["s_output2"]]
    assert parts["s_output1"].list_outputs() == parts[1].list_outputs()
    assert parts[1:].list_outputs() == ["s_output1", "s_output2"]
    assert repr(parts[0]) == "<Symbol s>"
    assert repr(mx.sym.Group([A, B])) == "<Symbol group [a, b]>"
    assert mx.sym.Group([A, B]).name is None


def test_internals_and_children(fc):
    internals = fc.get_internals()
    assert internals.list_outputs() == ["a", "fc_weight", "fc_bias", "fc_output"]
    assert internals["fc_weight"].name == "fc_weight"
    assert fc.get_children().list_outputs() == ["a", "fc_weight", "fc_bias"]
    assert A.get_children() is None


def test_composing_leaves_the_original_alone(fc):
    deep = fc(a=mx.sym.exp(B, name="e"), name="new")
    assert deep.list_arguments() == ["b", "fc_weight", "fc_bias"]
    assert deep.list_outputs() == ["new_output"]
    assert fc.list_arguments() == ["a", "fc_weight", "fc_bias"]
    assert fc.list_outputs() == ["fc_output"]
    assert fc(B).list_arguments() == ["b", "fc_weight", "fc_bias"]
    shared = (A + A)(a=B)
    assert shared.list_arguments() == ["b"]


def test_a_deep_graph_needs_no_recursion():
    x = A
    for _ in range(3000):
        x = x + 1
    assert x.list_arguments() == ["a"]
    assert len(json.loads(copy.deepcopy(x).tojson())["nodes"]) == 3001


# ---- names and attributes ----------------------------------------------------------------------------
def test_names_of_threads_are_their_own():
    names = []
    with mx.name.NameManager():
        mx.sym.relu(A)
        thread = threading.Thread(target=lambda: names.append(mx.sym.relu(A).name))
        thread.start()
        thread.join()
        names.append(mx.sym.relu(A).name)
    assert names == ["relu0", "relu1"]


def test_prefixes_nest():
    with mx.name.Prefix("p_"):
        outer = mx.sym.FullyConnected(A, num_hidden=2)
        with mx.name.Prefix("q_"):
            inner = mx.sym.relu(A, name="r")
        assert mx.sym.relu(A, name="r").name == "p_r"
    assert outer.list_arguments() == ["a", "p_fullyconnected0_weight", "p_fullyconnected0_bias"]
    assert inner.name == "q_r"
    assert mx.sym.var("v").name == "v"


def test_attribute_scopes_nest():
    with mx.AttrScope(ctx_group="one", __g__="4"):
        with mx.AttrScope(__g__="5", group="g"):
            x = mx.sym.var("x", attr={"__own__": "y", "kind": "calm"})
            with pytest.raises(ValueError, match="unknown attribute group"):
                mx.sym.relu(x)
        y = mx.sym.FullyConnected(x, num_hidden=2, name="fc")
    assert x.list_attr() == (
        {
            "__ctx_group__": "one",
            "__g__": "5",
            "group": "g",
            "__own__": "y",
            "kind": "calm",
            "ctx_group": "one",
        }
    )
    assert y.attr("ctx_group") == "one"
    assert y.attr("__g__") == "4"
    assert mx.sym.var("z").list_attr() == {}


def test_attributes_are_text():
    v = mx.sym.var("w", shape=(2, 3), dtype="float16", init=mx.init.Xavier(), lr_mult=2)
    assert v.attr("__shape__") == "(2, 3)"
    assert v.attr("__dtype__") == "2"
    assert json.loads(v.attr("__init__"))[0] == "xavier"
    assert v.attr("lr_mult") == "2"
    assert v.attr("none") is None
    v._set_attr(lr_mult="3", __k__="1")
    assert (v.attr("__lr_mult__"), v.attr("__k__")) == ("3", "1")
    x = mx.sym.clip(A, a_min=np.float32(0.5), a_max=np.int64(2))
    assert x.list_attr() == {"a_min": "0.5", "a_max": "2"}


# ---- files -----------------------------------------------------------------------------------------
def test_files_and_copies(fc, tmp_path):
    path = tmp_path / "x-symbol.json"
    fc.save(path)
    for back in (mx.sym.load(path), pickle.loads(pickle.dumps(fc)), copy.copy(fc)):
        assert back.tojson() == fc.tojson()
    back._set_attr(__k__="1")
    assert fc.attr("__k__") is None
    assert "Op:FullyConnected, Name=fc, Inputs: a(0), fc_weight(0), fc_bias(0)" in fc.debug_str()


def test_amp_casts_are_left_out():
    x = mx.sym.amp_cast(A, dtype="float16")
    y, z = mx.sym.amp_multicast(x, B, num_outputs=2)
    total = mx.sym.elemwise_add(y, z, name="total")
    assert [n["op"] for n in json.loads(total.tojson())["nodes"]] == [
        "null",
        "null",
        "elemwise_add",
    ]
    assert "amp_cast" in total.tojson(remove_amp_cast=False)


# ---- types -----------------------------------------------------------------------------------------
def test_partial_shapes(fc):
    with mx.util.np_shape(False):
        assert fc.infer_shape_partial(a=(0, 3)) == ([(0, 3), (4, 3), (4,)], [(0, 4)], [])
        assert mx.sym.exp(A).infer_shape_partial() == ([()], [()], [])
    assert fc.infer_shape_partial(a=(-1, 3)) == ([(-1, 3), (4, 3), (4,)], [(-1, 4)], [])
    assert mx.sym.exp(A).infer_shape_partial() == ([None], [None], [])
    with pytest.warns(UserWarning, match="give those of a"):
        assert fc.infer_shape() == (None, None, None)
    assert (A + B).infer_shape(b=(2, 3)) == ([(2, 3), (2, 3)], [(2, 3)], [])
    assert fc.infer_shape((2, 3)) == fc.infer_shape(a=(2, 3))
    stated = mx.sym.FullyConnected(mx.sym.var("x", shape=(2, 3)), num_hidden=1, name="f")
    assert stated.infer_shape()[0] == [(2, 3), (1, 3), (1,)]
    assert mx.sym.Reshape(A, shape=(-1,)).infer_shape(a=()) == ([()], [(1,)], [])


def part(x, shape):
    return mx.sym.var(x, shape=shape)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: part("x", (3, 0, 4)) - part("y", (0, 2, 0)), {"x": (3, 2, 4), "y": (3, 2, 4)}),
        (
            lambda: part("y", (0, 6)) * mx.sym.FullyConnected(
                part("x", (9, 0)), part("w", (6, 4)), num_hidden=6, no_bias=True
            ),
            {"x": (9, 4), "y": (9, 6)},
        ),
        (
            lambda: mx.sym.Pooling(part("x", (2, 0, 8, 0)), kernel=(1, 3), pad=(0, 1))
            + part("y", (0, 5, 0, 7)),
            {"x": (2, 5, 8, 7), "y": (2, 5, 8, 7)},
        ),
        (
            lambda: mx.sym.transpose(part("x", (0, 3)), axes=(1, 0)) / part("y", (0, 8)),
            {"x": (8, 3), "y": (3, 8)},
        ),
        (
            lambda: part("z", (0, 0))
            - mx.sym.Concat(part("x", (4, 0)), part("y", (1, 6)), dim=0),
            {"x": (4, 6), "z": (5, 6)},
        ),
    ],
)  # fmt: skip
def test_unknown_sizes_follow_from_what_comes_later(make, expected):
    symbol = make()
    found = dict(zip(symbol.list_arguments(), symbol.infer_shape()[0], strict=True))
    assert {k: found[k] for k in expected} == expected


@pytest.mark.parametrize(
    ("make", "given", "expected"),
    [
        (lambda: mx.sym.FullyConnected(A, num_hidden=1), {"a": "float16"}, ("2 2 2", "2", "")),
        (lambda: mx.sym.Embedding(A, input_dim=3, output_dim=2), {"a": "int32"}, ("4 0", "0", "")),
        (lambda: mx.sym.one_hot(A, depth=3), {"a": "int32"}, ("4", "0", "")),
        (lambda: mx.sym.argmax(A, axis=1), {"a": "float16"}, ("2", "2", "")),
        (lambda: A > B, {"a": "float16"}, ("2 2", "2", "")),
        (lambda: mx.sym.topk(A), {"a": "float16"}, ("2", "0", "")),
        (lambda: mx.sym.topk(A, ret_typ="value"), {"a": "float16"}, ("2", "2", "")),
        (lambda: mx.sym.Cast(A, dtype="int8"), {"a": "float16"}, ("2", "5", "")),
        (lambda: mx.sym.where(A, B, B), {"a": "int32", "b": "float16"}, ("4 2", "2", "")),
        (lambda: mx.sym.take(A, B), {"a": "float16", "b": "int32"}, ("2 4", "2", "")),
        (lambda: mx.sym.BatchNorm(A), {"a": "float16"}, ("2 0 0", "2", "0 0")),
        (lambda: mx.sym.SoftmaxOutput(A), {"a": "float16"}, ("2 2", "2", "")),
        (lambda: mx.sym.zeros((2,)), {}, ("", "0", "")),
    ],
)
def test_infers_mxnets_types(make, given, expected):
    """Codes of dtypes that MXNet 1.9.1 found."""
    from symgluon.dtypes import to_mx_code

    found = make().infer_type(**given)
    assert (
        tuple(" ".join(str(to_mx_code(np.dtype(t))) for t in part) for part in found) == expected
    )


def test_unknown_types(fc):
    assert fc.infer_type() == (None, None, None)
    assert fc.infer_type_partial() == ([None] * 3, [None], [])
    assert fc.infer_type(fc_weight="float16")[0] == [np.float16] * 3


# ---- misuse ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda fc: fc["x"], ValueError, "matches name 'x'"),
        (lambda fc: fc[1], IndexError, "output 1"),
        (lambda fc: fc[1.5], TypeError, "by number, name or slice"),
        (lambda fc: fc[3:], IndexError, "chooses none"),
        (lambda fc: fc(1), TypeError, "Compose expect"),
        (lambda fc: fc(q=B), ValueError, "no variable 'q'"),
        (lambda fc: fc(A, a=B), TypeError, "not by both"),
        (lambda fc: fc(A, B, A, B), TypeError, "3 variables"),
        (lambda fc: fc(a=mx.sym.Group([A, B])), TypeError, "choose one"),
        (lambda fc: bool(fc), NotImplementedForSymbol, "not implemented for Symbol"),
        (lambda fc: fc.asnumpy(), NotImplementedForSymbol, "asnumpy"),
        (lambda fc: hash(fc), TypeError, "unhashable"),
        (lambda fc: fc.no_such_thing, AttributeError, "no_such_thing"),
        (lambda fc: mx.sym.no_such_op, AttributeError, "no_such_op"),
        (lambda fc: mx.sym.contrib.no_such_op, AttributeError, "no_such_op"),
        (lambda fc: fc + "x", TypeError, "unsupported operand"),
        (lambda fc: mx.sym.maximum(1, "x"), TypeError, "types int and str"),
        (lambda fc: mx.sym.Group([]), TypeError, "received nothing"),
        (lambda fc: mx.sym.Group([A, 1]), TypeError, "received Symbol, int"),
        (lambda fc: mx.sym.relu(1), TypeError, "must be a Symbol"),
        (lambda fc: mx.sym.relu(data=1), TypeError, "operand data must be a Symbol"),
        (lambda fc: mx.sym.relu(zz=A), TypeError, "no operand 'zz'"),
        (lambda fc: mx.sym.relu(A, B), TypeError, "must be a Symbol|wrong number"),
        (lambda fc: mx.sym.relu(mx.sym.Group([A, B])), TypeError, "group of 2 outputs"),
        (lambda fc: mx.sym.FullyConnected(A, nh=2), ValueError, "unknown attribute nh"),
        (lambda fc: mx.sym.FullyConnected(A), ValueError, "num_hidden is required"),
        (lambda fc: mx.sym.FullyConnected(A, A, bias=B, num_hidden=1, no_bias=True), TypeError,
         "no operand 'bias'"),
        (lambda fc: mx.sym.var(3), TypeError, "a string"),
        (lambda fc: mx.sym.var("x", k="1"), ValueError, "__k__"),
        (lambda fc: mx.sym.var("x", attr={"__k__": 1}), ValueError, "a string"),
        (lambda fc: mx.sym.var("x", stype="coo"), ValueError, "row_sparse"),
        (lambda fc: mx.AttrScope(k=1), ValueError, "are strings"),
        (lambda fc: fc.list_attr(recursive=True), ValueError, "attr_dict"),
        (lambda fc: fc.infer_shape(zz=(1,)), ValueError, "no argument 'zz'"),
        (lambda fc: fc.infer_shape(a=(2, 3), fc_weight=(4, 5)), SymgluonError, "node fc"),
        (lambda fc: mx.sym.load_json("{}"), ValueError, "missing"),
        (lambda fc: mx.sym.load_json(3), TypeError, "the text of a file"),
    ],
)  # fmt: skip
def test_misuse(fc, call, kind, message):
    with pytest.raises(kind, match=message):
        call(fc)


def test_unsupported_operators_are_told_together():
    text = json.dumps(
        {
            "nodes": [
                {"op": "null", "name": "x", "inputs": []},
                {"op": "_no_such", "name": "n", "inputs": [[0, 0, 0]]},
                {"op": "_nor_such", "name": "m", "inputs": [[1, 0, 0]]},
            ],
            "arg_nodes": [0],
            "heads": [[2, 0, 0]],
        }
    )
    symbol = mx.sym.load_json(text)  # it can be looked at, and written
    assert symbol.list_outputs() == ["m_output"]
    with pytest.raises(NotImplementedError, match="_no_such, _nor_such"):
        symbol.eval(x=mx.nd.ones((1,)))
