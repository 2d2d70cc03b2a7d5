"""`mx.nd`: MXNet 1.x's arithmetic, shapes, views and functions (measured on 1.9.1)."""

from __future__ import annotations

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import AttributeValueError, DTypeError, ShapeError, UnsupportedOpError

nd = mx.nd


def arange(*shape):
    return nd.arange(int(onp.prod(shape))).reshape(shape)


#: expression, values, dtype
ARITHMETIC = [
    ("x + 1", [[1, 2, 3], [4, 5, 6]], "float32"),
    ("i + 2.7", [[2, 3, 4], [5, 6, 7]], "int32"),
    ("i / 2", [[0, 0, 1], [1, 2, 2]], "int32"),
    ("6 / (i + 1)", [[6, 3, 2], [1, 1, 1]], "int32"),
    ("1 - x", [[1, 0, -1], [-2, -3, -4]], "float32"),
    ("i == i", [[1, 1, 1], [1, 1, 1]], "int32"),
    ("i > 2", [[0, 0, 0], [1, 1, 1]], "int32"),
    ("2 < x", [[0, 0, 0], [1, 1, 1]], "float32"),
    ("x % 2", [[0, 1, 0], [1, 0, 1]], "float32"),
    ("2 ** x", [[1, 2, 4], [8, 16, 32]], "float32"),
    ("-x", [[0, -1, -2], [-3, -4, -5]], "float32"),
    ("abs(-x)", [[0, 1, 2], [3, 4, 5]], "float32"),
    ("x + x[0:1]", [[0, 2, 4], [3, 5, 7]], "float32"),
    ("x.sum()", [15], "float32"),
    ("x.argmax()", [5], "float32"),
    ("i.mean()", [2], "int32"),
    ("x.norm()", [55**0.5], "float32"),
    ("x[0, 1]", [1], "float32"),
    ("x.astype('float16').sum()", [15], "float16"),
    ("nd.exp(i)", [[1, 2, 7], [20, 54, 148]], "int32"),
    ("nd.maximum(3, x)", [[3, 3, 3], [3, 4, 5]], "float32"),
    ("nd.equal(x, 1)", [[0, 1, 0], [0, 0, 0]], "float32"),
    ("nd.power(2, x)", [[1, 2, 4], [8, 16, 32]], "float32"),
    ("nd.where(x > 1, x, -x)", [[0, -1, 2], [3, 4, 5]], "float32"),
    ("nd.broadcast_add(lhs=x, rhs=x)", [[0, 2, 4], [6, 8, 10]], "float32"),
    ("nd.sum(x, 1)", [3, 12], "float32"),
    ("nd.sum(data=x, axis=0, exclude=True)", [3, 12], "float32"),
    ("nd.dot(x, x, transpose_b=True)", [[5, 14], [14, 50]], "float32"),
    ("nd.linalg.gemm2(x, x, transpose_b=True)", [[5, 14], [14, 50]], "float32"),
    ("nd.concat(x, x, dim=0)", [[0, 1, 2], [3, 4, 5]] * 2, "float32"),
    ("nd.concatenate([x, x], axis=1)", [[0, 1, 2] * 2, [3, 4, 5] * 2], "float32"),
    ("nd.one_hot(nd.array([1, 0]), 3)", [[0, 1, 0], [1, 0, 0]], "float32"),
    ("nd.reshape(x, (3, 2))", [[0, 1], [2, 3], [4, 5]], "float32"),
    ("nd.moveaxis(x, 0, 1)", [[0, 3], [1, 4], [2, 5]], "float32"),
    ("nd.contrib.arange_like(x)", [[0, 1, 2], [3, 4, 5]], "float32"),
    ("nd.add_n(x, x, x)", [[0, 3, 6], [9, 12, 15]], "float32"),
    ("x.topk(k=2)", [[2, 1], [2, 1]], "float32"),
    ("x.clip(1, 3)", [[1, 1, 2], [3, 3, 3]], "float32"),
    ("x.slice_axis(1, 0, 2)", [[0, 1], [3, 4]], "float32"),
    ("x.pick(nd.array([0, 1]))", [0, 4], "float32"),
    ("x.take(nd.array([0]))", [[0, 1, 2]], "float32"),
    ("x[nd.array([1, 0])]", [[3, 4, 5], [0, 1, 2]], "float32"),
    ("x.T", [[0, 3], [1, 4], [2, 5]], "float32"),
    ("x.max(axis=(0, 1))", [5], "float32"),
    ("nd.arange(0, 3, repeat=2)", [0, 0, 1, 1, 2, 2], "float32"),
    ("nd.full((2,), 3)", [3, 3], "float32"),
    ("nd.ones((2,), dtype='int32')", [1, 1], "int32"),
    ("nd.zeros(3)", [0, 0, 0], "float32"),
    ("nd.eye(2)", [[1, 0], [0, 1]], "float32"),
    ("nd.linspace(0, 1, 3)", [0, 0.5, 1], "float32"),
    ("nd.array(onp.array([1, 2]))", [1, 2], "float32"),
    ("nd.array(i)", [[0, 1, 2], [3, 4, 5]], "int32"),
    ("nd.op.relu(x - 3)", [[0, 0, 0], [0, 1, 2]], "float32"),
    ("nd._internal._plus_scalar(x, scalar=1)", [[1, 2, 3], [4, 5, 6]], "float32"),
]


@pytest.mark.parametrize(("text", "values", "dtype"), ARITHMETIC, ids=[a[0] for a in ARITHMETIC])
def test_values(text, values, dtype):
    x = arange(2, 3)
    found = eval(text, {"nd": nd, "onp": onp, "x": x, "i": x.astype("int32")})
    assert type(found) is nd.NDArray
    assert found.dtype == dtype
    onp.testing.assert_allclose(found.asnumpy(), values, rtol=1e-5)


def test_several_results():
    x = arange(2, 3)
    parts = x.split(3, axis=1)
    assert [p.shape for p in parts] == [(2, 1)] * 3
    value, place = nd.topk(x, k=1, ret_typ="both")
    assert value.asnumpy().tolist() == [[2], [5]]
    assert place.asnumpy().tolist() == [[2], [2]]
    assert [p.shape for p in nd.split_v2(x, (1,), axis=1)] == [(2, 1), (2, 2)]


def test_strict():
    x = arange(2, 3)
    with pytest.raises(DTypeError):
        x + x.astype("int32")
    with pytest.raises(TypeError):
        nd.add("a", "b")
    with pytest.raises(UnsupportedOpError):
        nd.sparse.csr_matrix((3, 3))
    with pytest.raises(AttributeError):
        nd.no_such_operator
    with pytest.raises(AttributeError):
        x.no_such_operator
    with pytest.raises(AttributeValueError, match="too many"):
        nd.relu(x, 1, 2)


# ---- views --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "shared"),
    [
        (lambda x: x[0], True),
        (lambda x: x[0:1], True),
        (lambda x: x.reshape((3, 2)), True),
        (lambda x: x.reshape((-1,))[2:4], True),
        (lambda x: x.detach(), True),
        (lambda x: x[:, 0], False),
        (lambda x: x.T, False),
        (lambda x: x.copy(), False),
        (lambda x: x + 0, False),
    ],
)
def test_shared_memory(make, shared):
    x = nd.zeros((2, 3))
    part = make(x)
    part[:] = 1
    assert bool(x.sum().asscalar() > 0) is shared
    x[:] = 5
    assert bool((part == 5).min().asscalar()) is shared


def test_reshape_codes_and_writes_through():
    x = nd.zeros((2, 3, 4))
    assert x.reshape((0, -1)).shape == (2, 12)
    assert x.reshape((-3, 0)).shape == (6, 4)
    assert x.reshape((-4, 1, 2, -2)).shape == (1, 2, 3, 4)
    assert x.reshape(shape=(-1, 0), reverse=True).shape == (6, 4)
    flat = x.reshape((-1,))
    flat[1:3] = 7
    assert x.asnumpy().reshape(-1)[:4].tolist() == [0, 7, 7, 0]
    rows = x.reshape((6, 4))
    rows[2][1:] = 9
    assert x[0, 2].asnumpy().tolist() == [0, 9, 9, 9]
    with pytest.raises(ShapeError):
        x.reshape((5, 5))


def test_in_place_and_iteration():
    x = nd.ones((2, 3))
    y = x
    x += 1
    x *= 2.5
    assert y is x
    assert [r.asnumpy().tolist() for r in x] == [[5, 5, 5]] * 2
    assert len(x) == 2
    i = x.astype("int32")
    i += 2.7
    assert i.asnumpy().tolist() == [[7, 7, 7]] * 2


def test_scalars_and_text():
    x = arange(2, 3)
    assert x[0, 1].asscalar() == 1
    with pytest.raises(ValueError):
        x.asscalar()
    with pytest.raises(ValueError):
        bool(x)
    assert repr(x) == "\n[[0. 1. 2.]\n [3. 4. 5.]]\n<NDArray 2x3 @cpu(0)>"
    assert x.stype == "default"
    assert x.context == mx.cpu()
    assert nd.zeros(1, ctx=mx.cpu(1)).copyto(mx.cpu(2)).context == mx.cpu(2)


def test_out_and_device():
    x, out = arange(2, 3), nd.zeros((2, 3))
    assert nd.exp(x, out=out) is out
    assert out[0, 0].asscalar() == 1
    assert nd.relu(nd.ones(2, ctx=mx.cpu(1))).context == mx.cpu(1)
    assert nd.random.uniform(shape=(2,), ctx=mx.cpu(1)).context == mx.cpu(1)


@pytest.mark.parametrize("data", [{"a": (2, 3), "b": (1,)}, [(2, 3), (4,)], (2, 3)], ids=str)
def test_files(data, tmp_path):
    path = str(tmp_path / "arrays")
    if isinstance(data, dict):
        arrays = {k: arange(*s) for k, s in data.items()}
    elif isinstance(data, list):
        arrays = [arange(*s) for s in data]
    else:
        arrays = arange(*data)
    nd.save(path, arrays)
    found = nd.load(path)
    if isinstance(data, dict):
        assert list(found) == list(arrays)
        pairs = zip(found.values(), arrays.values(), strict=True)
    else:
        pairs = zip(found, arrays if isinstance(arrays, list) else [arrays], strict=True)
    for f, a in pairs:
        assert type(f) is nd.NDArray
        assert f.asnumpy().tolist() == a.asnumpy().tolist()
    with open(path, "rb") as stream:
        assert len(nd.load_frombuffer(stream.read())) == len(found)


def test_gradients():
    x = arange(2, 3)
    x.attach_grad()
    with mx.autograd.record():
        y = (x.reshape((3, 2)) * 2 + nd.dot(x, x.T).sum()).sum()
    y.backward()
    expected = 2 + 6 * 2 * x.asnumpy().sum(axis=0)
    onp.testing.assert_allclose(x.grad.asnumpy(), onp.stack([expected, expected]), rtol=1e-6)
    assert type(x.grad) is nd.NDArray


def test_names_are_listed():
    names = dir(nd)
    for name in ("relu", "Convolution", "zeros", "contrib", "broadcast_add"):
        assert name in names
    assert "MXNet's operator ``Convolution``" in nd.Convolution.__doc__
    assert "box_nms" in dir(nd.contrib)
