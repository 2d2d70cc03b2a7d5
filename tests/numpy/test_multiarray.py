"""`np.ndarray`: arithmetic and dtypes, indexing and shared memory, conversions, text."""

from __future__ import annotations

import copy
import pickle

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import AttributeValueError, AxisError, ShapeError, TraceError
from symgluon.ir.dims import DimScope
from symgluon.ops.region import Region

np = mx.np


def arange(*shape, dtype="float32"):
    return np.arange(int(onp.prod(shape))).reshape(shape).astype(dtype)


# ---- arithmetic ---------------------------------------------------------------------------------
#: expression, expected values, expected dtype (measured on MXNet 2.0.0b1)
ARITHMETIC = [
    ("x + 1", [1, 2, 3], "float32"),
    ("1 - x", [1, 0, -1], "float32"),
    ("x * 2.5", [0, 2.5, 5], "float32"),
    ("i * 2.5", [0, 2.5, 5], "float64"),
    ("i * 2", [0, 2, 4], "int32"),
    ("i + True", [1, 2, 3], "int32"),
    ("i / 2", [0, 0.5, 1], "float32"),
    ("i + x", [0, 2, 4], "float32"),
    ("i + i.astype('int64')", [0, 2, 4], "int64"),
    ("x // 2", [0, 0, 1], "float32"),
    ("x % 2", [0, 1, 0], "float32"),
    ("2 ** x", [1, 2, 4], "float32"),
    ("x ** 2", [0, 1, 4], "float32"),
    ("-x", [0, -1, -2], "float32"),
    ("abs(-x)", [0, 1, 2], "float32"),
    ("~(x > 1)", [True, True, False], "bool"),
    ("(x > 0) & (x < 2)", [False, True, False], "bool"),
    ("i & 1", [0, 1, 0], "int32"),
    ("i << 1", [0, 2, 4], "int32"),
    ("x == 1", [False, True, False], "bool"),
    ("x + onp.ones(3)", [1, 2, 3], "float64"),
    ("onp.ones(3) + x", [1, 2, 3], "float64"),
    ("onp.float32(2) * x", [0, 2, 4], "float32"),
    ("(x > 0).sum()", 2, "int64"),
    ("i.sum()", 3, "int32"),
    ("i.mean()", 1, "float32"),
    ("x.argmax()", 2, "int64"),
    ("np.exp(i * 0)", [1, 1, 1], "float32"),
]


@pytest.mark.parametrize(("text", "values", "dtype"), ARITHMETIC, ids=[a[0] for a in ARITHMETIC])
def test_arithmetic(text, values, dtype):
    x = arange(3)
    result = eval(text, {"x": x, "i": x.astype("int32"), "np": np, "onp": onp})
    assert type(result) is np.ndarray
    assert result.dtype == dtype
    onp.testing.assert_array_equal(result.asnumpy(), values)


def test_operator_with_strangers():
    x = arange(3)
    with pytest.raises(TypeError):
        x + [1, 2, 3]
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711


@pytest.mark.parametrize("op", ["+", "-", "*", "/", "//", "%", "**"])
def test_in_place_keeps_identity_dtype_and_views(op):
    x = np.array([[1, 2], [3, 4]], dtype="float16")
    row = x[0]
    before = x
    scope = {"x": x}
    exec(f"x {op}= 3.0", scope)
    assert scope["x"] is before
    assert x.dtype == onp.float16
    expected = eval(f"onp.array([[1, 2], [3, 4]], 'float16') {op} onp.float16(3)", {"onp": onp})
    onp.testing.assert_allclose(x.asnumpy(), expected, rtol=2e-3)
    onp.testing.assert_array_equal(row.asnumpy(), x.asnumpy()[0])


def test_in_place_refuses_another_shape():
    x = np.ones(3)
    with pytest.raises(ShapeError):
        x += np.ones((2, 3))


# ---- indexing -----------------------------------------------------------------------------------
S = slice
KEYS = [
    0, -1, S(0, 1), (0, 1), (0, S(None)), (S(None), 0), (S(None), S(0, 2)), None, Ellipsis,
    (Ellipsis, 0), (0, Ellipsis), S(None, None, 2), (S(0, 1), S(0, 1)), (0, 1, 2), (),
    (S(None), None), S(None, None, -1), (S(0, 1), 0), S(1, 1), (Ellipsis, None), S(5, 1), True,
    False, [1, 0], ([0, 1], [1, 2]), (0, S(None), [1, 2]), (S(None), [0, 1], [1, 2]),
    ([0, 1], S(None), [1, 2]), (onp.array([[0, 1]]), 1), (S(None), onp.array([True, False, True])),
    onp.arange(24).reshape(2, 3, 4) % 2 == 0, onp.zeros((0,), int), (None, [0, 1], None),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_getitem(key):
    numbers = onp.arange(24, dtype="float32").reshape(2, 3, 4)
    x = np.array(numbers)
    expected = numbers[key]
    result = x[key]
    assert result.shape == expected.shape
    onp.testing.assert_array_equal(result.asnumpy(), expected)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_setitem(key):
    numbers = onp.arange(24, dtype="float32").reshape(2, 3, 4)
    x = np.array(numbers)
    x[key] = -1
    numbers[key] = -1
    onp.testing.assert_array_equal(x.asnumpy(), numbers)
    part = numbers[key]
    value = onp.arange(part.size, dtype="float32").reshape(part.shape)
    x[key] = np.array(value)
    numbers[key] = value
    onp.testing.assert_array_equal(x.asnumpy(), numbers)


#: key -> shares memory with the array in MXNet 2.0
SHARED = [
    (0, True), (S(0, 1), True), ((0, 1), True), ((0, S(None)), True), ((S(None), 0), False),
    ((S(None), S(0, 2)), False), ((0, S(0, 2)), True), (None, True), (Ellipsis, True),
    ((Ellipsis, 0), False), ((0, Ellipsis), True), (S(None, None, 2), False),
    ((S(0, 1), S(0, 1)), True), ((S(0, 1), S(0, 2)), True), ((0, 1, 2), True),
    ((S(0, 2), S(0, 3), S(0, 2)), False), ((), True), ((S(None), None), True),
    (S(None, None, -1), False), ((S(0, 1), 0), True), (True, False), ([0], False),
]  # fmt: skip


@pytest.mark.parametrize(("key", "shared"), SHARED, ids=str)
def test_shared_memory(key, shared):
    x = np.zeros((2, 3, 4))
    part = x[key]
    part[...] = 1
    assert bool(x.sum() > 0) is shared
    x[:] = 5
    assert bool((part == 5).all()) is shared


def test_views_of_views_and_detach():
    x = np.zeros((3, 4))
    a = x[1:]
    b = a[0]
    c = x.detach()
    b[1:3] = 7
    c[0] = 2
    expected = onp.zeros((3, 4))
    expected[1, 1:3], expected[0] = 7, 2
    onp.testing.assert_array_equal(x.asnumpy(), expected)
    onp.testing.assert_array_equal(a.asnumpy(), expected[1:])


@pytest.mark.parametrize("make", [lambda x: x.reshape(4, 3), lambda x: x.T, lambda x: x.copy(),
                                  lambda x: x.astype("float32"), np.array])  # fmt: skip
def test_copies(make):
    x = np.zeros((3, 4))
    other = make(x)
    other[:] = 1
    assert float(x.sum()) == 0


def test_same_object():
    x = np.zeros(3)
    assert x.astype("float32", copy=False) is x
    assert x.as_in_context(mx.cpu()) is x
    assert np.asarray(x) is x


@pytest.mark.parametrize(
    ("key", "error"),
    [(5, IndexError), ((0, 9), IndexError), ((0, 0, 0), IndexError), (1.5, IndexError),
     ("a", IndexError), ((Ellipsis, Ellipsis), AxisError), ([7], IndexError)],
)  # fmt: skip
def test_bad_keys(key, error):
    x = np.zeros((2, 3))
    with pytest.raises(error):
        x[key]


def test_value_cast_and_broadcast():
    y = np.zeros((2, 2), dtype="int32")
    y[0] = 2.7
    y[1] = np.array([1.5, 2.5])
    assert y.tolist() == [[2, 2], [1, 2]]
    y[:] = np.ones((1, 2, 2))
    assert y.tolist() == [[1, 1], [1, 1]]
    with pytest.raises(ValueError):
        y[0] = np.ones(3)


def test_numbers_that_enter_are_copied():
    numbers = onp.zeros(3, "float32")
    x = np.array(numbers)
    numbers[:] = 1
    assert float(x.sum()) == 0
    x.asnumpy()[:] = 1
    onp.asarray(x)[:] = 1
    assert float(x.sum()) == 0


# ---- conversions --------------------------------------------------------------------------------
def test_scalars():
    x = np.array([[3.5]])
    assert float(x) == 3.5
    assert int(x) == 3
    assert bool(x)
    assert x.item() == 3.5
    assert [1, 2, 3][np.array(1, dtype="int32")] == 2
    with pytest.raises(TypeError, match="size-1"):
        float(np.ones(2))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(np.ones(2))
    with pytest.raises(AttributeError):
        x.asscalar()
    with pytest.raises(TypeError):
        len(np.array(1))
    assert not np.zeros((0,))


def test_iteration():
    assert [r.tolist() for r in arange(2, 2)] == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_clones(clone):
    x = np.arange(3, device=mx.cpu(1))
    x.attach_grad()
    x.grad[:] = 4
    other = clone(x)
    x[:] = 9
    assert other.tolist() == [0, 1, 2]
    assert other.device == mx.cpu(1)
    if clone is not copy.copy:
        assert other.grad.tolist() == [4, 4, 4]


def test_devices():
    x = np.ones(2, device=mx.cpu(2))
    assert x.ctx == x.device == (x + 1).device == x[0].device == x.sum().context == mx.cpu(2)
    assert x.to_device("cpu(1)").device == mx.cpu(1)
    with mx.cpu(3):
        y = np.zeros(2)
    assert y.device == mx.cpu(3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: np.array([1, 2]), "array([1., 2.])"),
        (lambda: np.array([1, 2], dtype="int32"), "array([1, 2], dtype=int32)"),
        (lambda: np.array([True], dtype=bool), "array([ True])"),
        (lambda: np.array(2.5), "array(2.5)"),
        (lambda: np.zeros((0, 3)), "array([], shape=(0, 3))"),
        (lambda: np.ones((2, 2), dtype="float64"),
         "array([[1., 1.],\n       [1., 1.]], dtype=float64)"),
    ],
)  # fmt: skip
def test_repr(make, text):
    assert repr(make()) == text


def test_numpy_functions_on_arrays():
    x = arange(2, 3)
    assert type(onp.sum(x)) is np.ndarray
    assert onp.concatenate([x, x]).shape == (4, 3)
    assert type(onp.exp(x)) is np.ndarray
    assert onp.linalg.norm(x).dtype == onp.float32


# ---- in a trace ---------------------------------------------------------------------------------
READS = [
    lambda x: float(x[0]), lambda x: bool(x.sum()), lambda x: x.asnumpy(), lambda x: x.item(0),
    lambda x: x.tolist(), lambda x: [1, 2][x[0].astype("int32")], lambda x: onp.asarray(x),
    lambda x: x.attach_grad(),
]  # fmt: skip


@pytest.mark.parametrize("read", READS)
def test_reading_numbers_in_a_trace(read):
    region = Region("t", DimScope())
    x = np.arange(4)
    with region.active(), pytest.raises(TraceError):
        read(x)


def test_traced_text_and_constants():
    region = Region("t", DimScope())
    with region.active():
        x = np.arange(3) * 2
        assert "traced" in repr(x)
        graph = region.close([x + np.array([1, 2, 3]), np.zeros((2, 2))])
    assert not graph.inputs


def test_unknown_grad_req():
    with pytest.raises(AttributeValueError):
        np.ones(2).attach_grad("often")


MASKED = {
    "one axis": lambda x: x[x.sum(axis=1) > 0],
    "all axes": lambda x: x[x > 0] * 2,
    "beside a slice": lambda x: x[:, x.sum(axis=0) > 0],
    "reduced": lambda x: (x[x > 0] ** 2).sum(),
    "read and written": lambda x: _doubled(x + 0.5),
    "nothing": lambda x: x[x > 100],
    "as many as they are": lambda x: x[abs(x) >= 0].reshape((x.shape[0], x.shape[1])),
}


def _doubled(x):
    x[x > 0] = x[x > 0] * 2
    return x


@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
@pytest.mark.parametrize("name", MASKED)
def test_masks_of_a_trace(name, backend, tmp_path):
    """A mask computed in a trace selects a number of elements that only the data tell."""
    import onnxruntime

    class Net(mx.gluon.HybridBlock):
        def forward(self, x):
            return MASKED[name](x)

    rng = onp.random.default_rng(0)
    eager, net = Net(), Net()
    net.hybridize()
    for shape in ((4, 3), (4, 3), (6, 5)):
        values = rng.normal(size=shape).astype("float32")
        results = []
        for block in (eager, net):
            x = mx.np.array(values)
            if block is net:
                net.optimize_for(x, backend=backend)
            x.attach_grad()
            with mx.autograd.record():
                y = block(x)
            y.backward()
            results.append((y.asnumpy(), x.grad.asnumpy()))
        for a, b in zip(*results, strict=True):
            onp.testing.assert_allclose(a, b, rtol=1e-6)
    axes = {"data": {0: "rows", 1: "columns"}}
    net.export(str(tmp_path / "m"), onnx="only", dynamic_axes=axes)
    session = onnxruntime.InferenceSession(str(tmp_path / "m-0000.onnx"))
    got = session.run(None, {session.get_inputs()[0].name: values})[0]
    onp.testing.assert_allclose(got, eager(mx.np.array(values)).asnumpy(), rtol=1e-6)


#: methods that `nd.NDArray` has too, where 1.x knows no arrays of shape ()
METHODS = [
    "squeeze()",
    "sum()",
    "mean()",
    "max()",
    "prod()",
    "argmax()",
    "all()",
    "std()",
    "item()",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (2, 1)])
def test_methods_have_the_shapes_of_numpy(method, shape):
    if method == "item()" and shape == (2, 1):
        return
    own, numpys = (eval(f"x.{method}", {"x": x}) for x in (np.ones(shape), onp.ones(shape)))
    assert onp.shape(own) == onp.shape(numpys)
