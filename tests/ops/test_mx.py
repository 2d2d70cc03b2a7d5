"""MXNet's operator names: parsing, conventions, errors; every name that MXNet's registry knows."""

from __future__ import annotations

import numpy as np
import pytest

from symgluon.errors import AttributeValueError, DTypeError, UnsupportedOpError
from symgluon.ir.attrs import Ints
from symgluon.ops import mx
from symgluon.ops.array import wrap
from symgluon.ops.mx_schema import signatures

X = np.arange(6, dtype="float32").reshape(2, 3)


def call(name, *arrays, **attrs):
    handles = [None if a is None else wrap(np.asarray(a)) for a in arrays]
    return [r._content() for r in mx.mx_call(name, handles, attrs)]


def test_no_name_is_declared_twice():
    mx.table()
    assert mx.CLASHES == []


@pytest.mark.parametrize("name", sorted(n for n in mx.table() if n in signatures()))
def test_registry_attributes_are_taken(name):
    known = signatures()[name]
    lacking = {a for a in known.attrs if a not in mx.known_attrs(name) and not mx.ignored(a)}
    assert lacking <= {"data"}  # `data` of Crop is its operand
    params = mx.operands_of(mx.table()[name].target)
    variadic = any(p.kind is p.VAR_POSITIONAL for p in params)
    assert variadic or known.variadic or len(params) >= len(known.operands)


def test_text_and_values_mean_the_same():
    texts = {"axis": "(0, 1)", "keepdims": "True", "__profiler_scope__": "<unk>:", "ctx": "cpu(0)"}
    assert call("_npi_sum", X, **texts)[0].tolist() == [[15]]
    assert call("_npi_sum", X, axis=(0, 1), keepdims=True)[0].tolist() == [[15]]
    assert call("_npi_sum", X, axis="1", weight_lr_mult="2")[0].tolist() == [3, 12]


#: name, operands, attributes -> values, dtype (MXNet 1.9.1 and 2.0.0b1)
CONVENTIONS = [
    ("sum", [X], {}, [15], "float32"),
    ("_npi_sum", [X], {}, 15, "float32"),
    ("broadcast_greater", [X, X[:1]], {}, [[0, 0, 0], [1, 1, 1]], "float32"),
    ("_npi_greater", [X, X[:1]], {}, [[False] * 3, [True] * 3], "bool"),
    ("argmax", [X], {"axis": "1"}, [2, 2], "float32"),
    ("_npi_argmax", [X], {"axis": "1"}, [2, 2], "int64"),
    ("_plus_scalar", [X.astype("int32")], {"scalar": "2.7"}, [[2, 3, 4], [5, 6, 7]], "int32"),
    ("_npi_add_scalar", [X.astype("int32")], {"scalar": "0.5", "is_int": "0"},
     [[0.5, 1.5, 2.5], [3.5, 4.5, 5.5]], "float64"),
    ("_rminus_scalar", [X[0]], {"scalar": "1"}, [1, 0, -1], "float32"),
    ("__rdiv_scalar__", [X[0] + 1], {"scalar": "6"}, [6, 3, 2], "float32"),
    ("mean", [X.astype("int32")], {"axis": "1"}, [1, 4], "int32"),
    ("_npi_mean", [X.astype("int32")], {"axis": "1"}, [1, 4], "float32"),
    ("topk", [X], {"k": "1"}, [[2], [2]], "float32"),
    ("argsort", [X], {"axis": "1"}, [[0, 1, 2]] * 2, "float32"),
    ("_npx_reshape", [X], {"newshape": "[-5]"}, [0, 1, 2, 3, 4, 5], "float32"),
    ("Reshape", [X], {"shape": "(-1, 0)"}, [[0, 1, 2], [3, 4, 5]], "float32"),
    ("SoftmaxOutput", [X * 0, X[:, 0]], {}, [[1 / 3] * 3] * 2, "float32"),
    ("_npx_relu", [X - 3], {}, [[0, 0, 0], [0, 1, 2]], "float32"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arrays", "attrs", "values", "dtype"), CONVENTIONS)
def test_conventions(name, arrays, attrs, values, dtype):
    (found,) = call(name, *arrays, **attrs)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, values, rtol=1e-6)


def test_strict_dtypes():
    with pytest.raises(DTypeError, match="different dtypes"):
        call("broadcast_add", X, X.astype("float64"))
    assert call("_npi_add", X, X.astype("float64"))[0].dtype == np.float64


def test_errors_name_everything_at_once():
    with pytest.raises(UnsupportedOpError, match="NoSuchOp"):
        mx.bind("NoSuchOp", {})
    with pytest.raises(AttributeValueError) as caught:
        mx.bind("_npi_sum", {"axis": "x", "keep": "1", "keepdims": "maybe"})
    for word in ("axis", "keep=", "keepdims"):
        assert word in str(caught.value)
    with pytest.raises(AttributeValueError, match="num_hidden is required"):
        mx.bind("FullyConnected", {})
    with pytest.raises(AttributeValueError, match="number of operands"):
        call("_npi_add", X)
    with pytest.raises(AttributeValueError, match="number of operands"):
        call("_npi_add", X, X, X)


def test_bound_operators_are_remembered_by_type_of_value():
    first = mx.bind_cached("_npi_add_scalar", {"scalar": 1.0})
    assert mx.bind_cached("_npi_add_scalar", {"scalar": 1.0}) is first
    assert mx.bind_cached("_npi_add_scalar", {"scalar": "1.0"}) is not first


def test_declaring_a_function():
    def scale(data, bias=None, *, factor: float = 2.0, axes: Ints = ()):
        return data

    found = mx.describe(scale)
    assert [p.name for p in found.operands] == ["data", "bias"]
    assert found.defaults == {"factor": 2.0, "axes": ()}
    assert found.required == ()


def test_statistics_are_written_in_training():
    from symgluon.ops.state import state

    mean, var = wrap(np.zeros(3, "float32")), wrap(np.ones(3, "float32"))
    ones = [wrap(np.ones(3, "float32")) for _ in range(2)]
    state.training = True
    try:
        mx.mx_call("BatchNorm", [wrap(X), *ones, mean, var], {"momentum": "0.5"})
    finally:
        state.training = False
    np.testing.assert_allclose(mean._content(), X.mean(0) / 2, rtol=1e-6)
