"""Symbols are composed as real MXNet 1.9.1 composes them: names, variables, attributes, files."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest

import symgluon as mx
from symgluon.errors import AttributeValueError, SymgluonError, UnsupportedOpError

S = mx.sym
RECORDED = json.loads(
    (Path(__file__).parent / "data" / "composed.json").read_text(encoding="utf-8")
)


@pytest.fixture(autouse=True)
def _legacy():
    mx.npx.reset_np()
    with mx.name.NameManager():
        yield
    mx.npx.set_np()


@pytest.mark.parametrize("expression", RECORDED["expressions"])
def test_as_mxnet_composes(expression):
    name, arguments, states, outputs, nodes = RECORDED["expressions"][expression]
    found = eval(expression, {"S": S, "a": S.var("a"), "b": S.var("b"), "mx": mx})
    assert found.name == name
    assert found.list_arguments() == arguments
    assert found.list_auxiliary_states() == states
    assert found.list_outputs() == outputs
    text = json.loads(found.tojson())
    assert [[n["op"], n["name"], n.get("attrs", {}), n["inputs"]] for n in text["nodes"]] == nodes
    back = S.load_json(found.tojson())
    assert back.list_outputs() == outputs
    assert back.tojson() == found.tojson()


def net():
    x = S.var("data")
    x = S.FullyConnected(x, num_hidden=4, name="fc1")
    return S.FullyConnected(S.relu(x, name="act"), num_hidden=2, name="fc2")


def test_parts():
    both = S.Group([net(), S.var("z")])
    assert len(both) == both.num_outputs == 2
    assert both.list_outputs() == ["fc2_output", "z"]
    assert [s.name for s in both] == ["fc2", "z"]
    assert both["z"].name == both[1].name == both[-1].name == "z"
    assert both[:1].list_outputs() == ["fc2_output"]
    assert both.name is None
    assert repr(both) == "<Symbol group [fc2, z]>"
    inner = net().get_internals()
    assert inner.list_outputs()[:5] == [
        "data",
        "fc1_weight",
        "fc1_bias",
        "fc1_output",
        "act_output",
    ]
    assert inner["act_output"].list_arguments() == ["data", "fc1_weight", "fc1_bias"]
    assert net().get_children().list_outputs() == ["act_output", "fc2_weight", "fc2_bias"]
    assert S.var("x").get_children() is None
    assert net().list_inputs() == net().list_arguments()


def test_attributes():
    v = S.var("w", shape=(2, 3), dtype="float16", lr_mult=2.0, init=mx.init.One(), __mood__="x")
    assert v.attr("__shape__") == "(2, 3)"
    assert v.attr("lr_mult") == v.attr("__lr_mult__") == "2.0"
    assert v.attr("__dtype__") == "2"
    assert v.attr("__init__") == '["one", {}]'
    assert v.attr("missing") is None
    with mx.AttrScope(__stage__="1"), mx.AttrScope(__stage__="2", ctx_group="dev"):
        x = S.FullyConnected(S.var("x"), num_hidden=3, name="fc", attr={"__mood__": "y"})
    assert x.list_attr() == {"num_hidden": "3", "__stage__": "2", "__ctx_group__": "dev",
                             "ctx_group": "dev", "__mood__": "y"}  # fmt: skip
    assert x.attr_dict()["fc_weight"]["__stage__"] == "2"
    x._set_attr(__mood__="z")
    assert x.attr("__mood__") == "z"
    assert "__stage__" not in S.var("later").list_attr()
    with pytest.raises(ValueError, match="is a string"):
        mx.AttrScope(a=1)


def test_names():
    with mx.name.Prefix("enc_"):
        x = S.FullyConnected(S.var("x"), num_hidden=3)
        assert S.relu(x, name="r").name == "enc_r"
    assert x.list_arguments() == ["x", "enc_fullyconnected0_weight", "enc_fullyconnected0_bias"]
    with mx.name.NameManager():
        assert S.relu(x).name == "relu0"
        assert S.relu(x).name == "relu1"


def test_variables_are_replaced():
    whole = net()
    other = whole(data=S.relu(S.var("image"), name="first"), name="new")
    assert other.list_arguments()[0] == "image"
    assert other.name == "new"
    assert whole.list_arguments()[0] == "data"
    assert whole(S.var("by_place")).list_arguments()[0] == "by_place"
    with pytest.raises(ValueError, match="no variable 'dat'"):
        whole(dat=S.var("x"))
    with pytest.raises(TypeError, match="one output"):
        whole(data=S.Group([whole, whole]))


def test_copies_and_files(tmp_path):
    whole = net()
    for other in (copy.copy(whole), copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        assert other.tojson() == whole.tojson()
    whole.save(tmp_path / "net-symbol.json")
    assert S.load(str(tmp_path / "net-symbol.json")).tojson() == whole.tojson()
    assert S.fromjson(whole.tojson()).list_arguments() == whole.list_arguments()
    cast = S.relu(S.amp_cast(S.var("x"), dtype="float16"), name="r")
    assert "amp_cast" not in cast.tojson()
    assert "amp_cast" in cast.tojson(remove_amp_cast=False)


SHAPES = {
    "parameters": (lambda: net(), {"data": (5, 3)},
                   ([(5, 3), (4, 3), (4,), (2, 4), (2,)], [(5, 2)], [])),
    "the other operand": (lambda: S.var("a") + S.var("b"), {"b": (2, 3)},
                          ([(2, 3), (2, 3)], [(2, 3)], [])),
    "states": (lambda: S.BatchNorm(S.var("x"), name="bn"), {"x": (2, 3, 4)},
               ([(2, 3, 4), (3,), (3,)], [(2, 3, 4)], [(3,), (3,)])),
    "label": (lambda: S.SoftmaxOutput(S.var("x"), name="s"), {"x": (4, 3)},
              ([(4, 3), (4,)], [(4, 3)], [])),
    "stated": (lambda: S.var("x", shape=(2, 2)) * 2, {}, ([(2, 2)], [(2, 2)], [])),
    "too little": (lambda: net(), {}, (None, None, None)),
}  # fmt: skip


@pytest.mark.parametrize("case", SHAPES)
def test_shapes(case):
    make, given, expected = SHAPES[case]
    assert make().infer_shape(**given) == expected
    if given and expected[0]:
        names = make().list_arguments()
        assert make().infer_shape(*[given.get(n) for n in names]) == expected


def test_partial_shapes():
    args, outs, _ = (S.var("a") * net()).infer_shape_partial()
    assert args[0] == ()
    assert outs == [()]
    with pytest.raises(SymgluonError, match="node fc1"):
        net().infer_shape(data=(5, 3), fc1_weight=(4, 7))
    with pytest.raises(ValueError, match="no argument dat"):
        net().infer_shape(dat=(5, 3))


def test_types():
    args, outs, _ = net().infer_type(data="float16")
    assert {t.__name__ for t in (*args, *outs)} == {"float16"}
    (arg,), (out,), _ = S.cast(S.var("x"), dtype="int32").infer_type(x="float64")
    assert (arg.__name__, out.__name__) == ("float64", "int32")


REFUSED = {
    "unknown operator": (lambda: S.no_such_operator, AttributeError, "no_such_operator"),
    "unknown attribute": (lambda: S.relu(S.var("x"), slope=2), AttributeValueError, "slope"),
    "missing attribute": (lambda: S.FullyConnected(S.var("x")), AttributeValueError, "num_hidden"),
    "array": (lambda: S.relu(mx.nd.ones(2)), TypeError, "nd.relu"),
    "several outputs": (lambda: S.relu(S.split(S.var("x"), num_outputs=2)), AttributeValueError,
                        "2 outputs"),
    "operand name": (lambda: S.relu(S.var("x"), weight=S.var("w")), AttributeValueError, "'weight'"),
    "numbers": (lambda: bool(S.var("x")), NotImplementedError, "eval"),
    "asnumpy": (lambda: S.var("x").asnumpy(), NotImplementedError, "asnumpy"),
    "text added": (lambda: S.var("x") + "1", TypeError, "unsupported operand"),
    "name": (lambda: S.var(3), TypeError, "string"),
    "attribute of a variable": (lambda: S.var("x", mood="y"), ValueError, "__like_this__"),
    "sparse": (lambda: S.var("x", stype="csr"), ValueError, "dense"),
    "output": (lambda: net()["fc3_output"], ValueError, "fc2_output"),
    "place": (lambda: net()[1], IndexError, "1"),
    "group": (lambda: S.Group([1]), TypeError, "symbols"),
    "text": (lambda: S.load_json("{}"), SymgluonError, "nodes"),
    "method": (lambda: S.var("x").no_such, AttributeError, "no_such"),
    "sparse gradient": (lambda: S.contrib.no_such, AttributeError, "no_such"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    call, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        call()
    assert issubclass(UnsupportedOpError, NotImplementedError)
