"""The `np` namespace: values as NumPy gives them, dtypes as MXNet 2.0 does, eager and traced."""

from __future__ import annotations

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import MXNetError, ShapeError, TraceError
from symgluon.ir.dims import DimScope
from symgluon.ops.region import Region
from symgluon.ops.replay import replay

np = mx.np

#: expressions that mean the same in NumPy; x: (2, 3) floats, i: (2, 3) integers, m: (3, 3)
SAME = """
np.abs(-x) | np.absolute(i) | np.fabs(-x) | np.sign(x - 2) | np.exp(x) | np.expm1(x) | np.exp2(x)
np.log(x + 1) | np.log2(x + 1) | np.log10(x + 1) | np.log1p(x) | np.sqrt(x) | np.cbrt(x)
np.square(i) | np.reciprocal(x + 1) | np.sin(x) | np.cos(x) | np.tan(x) | np.arcsin(x / 6)
np.arccos(x / 6) | np.arctan(x) | np.sinh(x) | np.cosh(x) | np.tanh(x) | np.arcsinh(x)
np.arccosh(x + 1) | np.arctanh(x / 6) | np.degrees(x) | np.radians(x) | np.ceil(x / 2)
np.floor(x / 2) | np.trunc(-x / 2) | np.fix(-x / 2) | np.logical_not(x) | np.isnan(x)
np.isfinite(x) | np.isinf(x) | np.isposinf(x) | np.isneginf(x) | np.invert(i) | np.positive(x)
np.add(x, i) | np.subtract(x, 2) | np.multiply(i, i) | np.true_divide(x, x + 1)
np.floor_divide(x, 2) | np.mod(x, 2) | np.fmod(x, 2) | np.power(x, 2) | np.power(i, 2)
np.maximum(x, 2) | np.minimum(x, i) | np.fmax(x, 2) | np.fmin(2, x) | np.hypot(x, x)
np.arctan2(x, x + 1) | np.copysign(x, -1) | np.ldexp(x, i) | np.logaddexp(x, x) | np.gcd(i, 4)
np.lcm(i, 4) | np.bitwise_and(i, 1) | np.bitwise_or(i, 1) | np.bitwise_xor(i, 1)
np.left_shift(i, 1) | np.right_shift(i, 1) | np.logical_and(x, x > 2) | np.logical_or(x, x > 2)
np.logical_xor(x > 2, x > 3) | np.equal(x, 2) | np.not_equal(x, i) | np.greater(x, i)
np.greater_equal(x, 2) | np.less(x, 2) | np.less_equal(2, x) | np.clip(x, 1, 3) | np.clip(i, 1, 3)
np.around(x / 3, 2) | np.nan_to_num(x / x) | np.divmod(x, 2)[1]
np.sum(x) | np.sum(x, 0) | np.sum(x, axis=(0, 1), keepdims=True) | np.sum(i, axis=1, initial=3)
np.prod(x + 1) | np.prod(i, 0) | np.max(x, axis=1) | np.min(i, axis=0, keepdims=True)
np.max(x, initial=9) | np.amax(x) | np.amin(x, -1) | np.nansum(x / x) | np.nanprod(x)
np.cumsum(x) | np.cumsum(x, axis=1) | np.cumprod(x + 1, axis=0) | np.diff(x) | np.diff(x, 2, 1)
np.diff(x, prepend=0) | np.ediff1d(x, to_begin=9, to_end=onp.array([8, 7])) | np.all(x)
np.any(x, axis=0) | np.mean(x) | np.mean(x, axis=0) | np.std(x, axis=1) | np.var(x, axis=0)
np.average(x, axis=0, weights=onp.array([1, 3])) | np.average(x) | np.median(x) | np.median(x, 1)
np.percentile(x, 30) | np.percentile(x, [10, 50], axis=0) | np.quantile(x, 0.3)
np.quantile(x, 0.5, axis=1, keepdims=True) | np.count_nonzero(x) | np.count_nonzero(x, axis=1)
np.bincount(i.reshape(-1), minlength=8) | np.histogram(x, 3, (0, 5))[0] | np.argmax(x)
np.argmax(x, axis=1) | np.argmin(x, axis=0, keepdims=True) | np.sort(-x) | np.sort(-x, axis=None)
np.argsort(-x, axis=0) | np.take(x, i[0], mode="clip") | np.take(x, onp.array([0, 7]), mode="wrap")
np.take(x, onp.array([[0, 1]]), axis=1) | np.take_along_axis(x, np.argsort(-x), 1)
np.where(x > 2, x, -x) | np.where(x > 2, 1.0, x) | np.where(x > 2)[1] | np.nonzero(x)[0]
np.argwhere(x) | np.flatnonzero(x) | np.extract(x > 2, x) | np.compress([0, 1], x, axis=0)
np.unique(i % 3) | np.unique(i % 3, return_counts=True)[1] | np.unravel_index(i, (3, 4))[0]
np.searchsorted(onp.array([1, 2, 3]), x) | np.diagonal(x) | np.isclose(x, x + 1e-9)
np.allclose(x, x) | np.array_equal(x, x) | np.array_equiv(x, x[:1])
np.reshape(x, (3, 2)) | np.reshape(x, -1) | np.reshape(x, (3, 2), order="F") | np.ravel(x, "F")
np.transpose(x) | np.transpose(x[None], (2, 0, 1)) | np.swapaxes(x, 0, 1) | np.squeeze(x[None])
np.moveaxis(x[None], 0, -1) | np.moveaxis(x[None], [0, 1], [2, 0]) | np.rollaxis(x[None], 2)
np.expand_dims(x, (0, 2)) | np.broadcast_to(x, (2, 2, 3)) | np.broadcast_arrays(x, x[:1])[1]
np.atleast_1d(x[0, 0]) | np.atleast_2d(x[0]) | np.atleast_3d(x) | np.concatenate([x, x])
np.concatenate([x, x], axis=None) | np.stack([x, x], axis=1) | np.vstack([x, x[0]])
np.hstack([x, x]) | np.dstack([x, x]) | np.column_stack([x[0], x[1]]) | np.append(x, x, axis=0)
np.split(x, 3, axis=1)[1] | np.split(x, [1], axis=1)[1] | np.array_split(x, 2, axis=1)[0]
np.hsplit(x, 3)[2] | np.vsplit(x, 2)[0] | np.dsplit(x[None], 3)[0] | np.repeat(x, 2)
np.repeat(x, 2, axis=1) | np.repeat(x, [1, 2], axis=0) | np.tile(x, 2) | np.tile(x, (2, 1, 2))
np.flip(x) | np.flip(x, 1) | np.flipud(x) | np.fliplr(x) | np.roll(x, 1)
np.roll(x, (1, 2), axis=(0, 1)) | np.rot90(x) | np.rot90(x, k=3) | np.pad(x, ((1, 0), (0, 1)))
np.pad(x, 1, constant_values=5) | np.pad(x, 1, mode="reflect") | np.pad(x, 1, mode="edge")
np.pad(x, 1, mode="symmetric") | np.delete(x, 1, axis=1) | np.delete(x, [0, 2], axis=1)
np.delete(x, slice(1, 3)) | np.insert(x, 1, 9, axis=1) | np.insert(x, [0, 2], [7, 8], axis=1)
np.insert(x[0], 1, [7, 8]) | np.resize(x, (3, 3)) | np.resize(x, 5) | np.dot(x, x.T)
np.dot(x[0], x[0]) | np.matmul(x[None], x.T) | np.inner(x, x) | np.outer(x, x) | np.vdot(x, x)
np.tensordot(x, x, axes=2) | np.tensordot(x, x, axes=([1], [1])) | np.kron(x, x[:1])
np.einsum("ij,kj->ik", x, x) | np.einsum("ij->j", x) | np.cross(x, x[::-1]) | np.trace(x)
np.tril(x) | np.triu(x, 1) | np.diag(x, 1) | np.diag(x[0]) | np.diagflat(x[:, :2])
np.meshgrid(x[0], x[1])[0] | np.meshgrid(x[0], x[1], indexing="ij", sparse=True)[1]
np.interp(x, x[0], x[1]) | np.polyval(x[0], x) | np.digitize(x, x[0]) | np.ptp(x) | np.isin(x, i)
np.linalg.norm(x) | np.linalg.norm(x, axis=1) | np.linalg.norm(x, ord=1, axis=1)
np.linalg.norm(x, ord=onp.inf, axis=0) | np.linalg.norm(m, ord="fro") | np.linalg.norm(m, ord=-1)
np.linalg.norm(m, ord=2) | np.linalg.norm(m, ord="nuc") | np.linalg.norm(x, ord=3, axis=1)
np.linalg.det(m) | np.linalg.slogdet(m)[1] | np.linalg.inv(m) | np.linalg.solve(m, x.T)
np.linalg.cholesky(m) | np.linalg.eigvalsh(m) | np.linalg.eigh(m)[0] | np.linalg.pinv(x)
np.linalg.matrix_rank(m) | np.linalg.matrix_power(m, 3) | np.linalg.matrix_power(m, -1)
np.linalg.cond(m) | np.linalg.cond(m, 1) | np.linalg.multi_dot([x, m, x.T])
np.linalg.tensorinv(np.reshape(np.eye(6), (2, 3, 6)), 2) | np.linalg.lstsq(m, x[0], None)[0]
np.linalg.tensorsolve(np.reshape(np.eye(6), (2, 3, 2, 3)), x) | np.full_like(x, 3.0)
np.eye(2, 3, 1) | np.tri(3, k=1) | np.identity(2) | np.linspace(0, 1, 5, endpoint=False)
np.logspace(0, 2, 3) | np.hanning(4) | np.hamming(4) | np.blackman(4) | np.arange(1, 7, 2)
np.indices((2, 3)) | np.tril_indices(3)[0] | np.triu_indices(3, 1)[1] | np.zeros_like(i)
np.nanmax(x) | np.signbit(-x) | np.cov(x) | np.select([x > 2], [x]) | np.trim_zeros(x[0])
""".replace("\n", " | ").split(" | ")
SAME = [s.strip() for s in SAME if s.strip()]


def operands(own):
    x = onp.arange(6, dtype="float32").reshape(2, 3)
    i = x.astype("int32")
    m = onp.array([[4, 1, 0], [1, 3, 1], [0, 1, 2]], "float32")
    made = [np.array(a, dtype=a.dtype) if own else a for a in (x, i, m)]
    return dict(zip(("x", "i", "m"), made, strict=True))


@pytest.mark.parametrize("text", SAME)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_as_numpy(text):
    expected = onp.asarray(eval(text, {"np": onp, "onp": onp, **operands(False)}))
    found = eval(text, {"np": np, "onp": onp, **operands(True)})
    if isinstance(found, np.ndarray):
        assert found.shape == expected.shape
        assert found.dtype.kind == expected.dtype.kind or expected.dtype.kind in "if"
        found = found.asnumpy()
    onp.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)


#: functions that need the numbers, by their nature
EAGER = [
    "nonzero",
    "argwhere",
    "flatnonzero",
    "extract",
    "compress",
    "unique",
    "searchsorted",
    "isclose",
    "allclose",
    "array_",
    "bincount",
    "histogram",
    "interp",
    "polyval",
    "digitize",
    "ptp",
    "isin",
    "lstsq",
    "matrix_rank",
    "nanmax",
    "signbit",
    "cov",
    "select",
    "trim_zeros",
    "where(x>2)[1]",
    "insert",
    "delete",
]


@pytest.mark.parametrize("text", [t for t in SAME if "x" in t or "i" in t])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_traced_as_eager(text):
    scope = DimScope()
    region = Region("net", scope)
    arrays = operands(True)
    with region.active():
        args = {k: region.argument(k, a.type, np.ndarray) for k, a in arrays.items()}
        try:
            out = eval(text, {"np": np, "onp": onp, **args})
        except TraceError:
            assert any(name in text.replace(" ", "") for name in EAGER), text
            return
        if not isinstance(out, np.ndarray):
            return
        graph = region.close([out])
    (found,) = replay(graph, list(arrays.values()))
    expected = eval(text, {"np": np, "onp": onp, **arrays})
    assert found.dtype == expected.dtype
    onp.testing.assert_allclose(found._content(), expected.asnumpy(), rtol=1e-5, atol=1e-6)


#: expression, dtype measured on MXNet 2.0.0b1
DTYPES = [
    ("np.array([1, 2])", "float32"),
    ("np.array([True])", "float32"),
    ("np.array(onp.array([1, 2]))", "float32"),
    ("np.asarray(onp.array([1, 2]))", "float32"),
    ("np.array(i)", "int32"),
    ("np.arange(3)", "float32"),
    ("np.ones(2, dtype=int)", "int64"),
    ("np.full((2,), 7)", "int64"),
    ("np.full((2,), True)", "bool"),
    ("np.full((2,), 7.0)", "float32"),
    ("np.full_like(i, 2.7)", "int32"),
    ("np.indices((2,))", "int64"),
    ("np.sqrt(i)", "float32"),
    ("np.mean(i)", "float32"),
    ("np.mean(x, dtype='float64')", "float64"),
    ("np.sum(x > 2)", "int64"),
    ("np.sum(i)", "int32"),
    ("np.sum(i, dtype='float64')", "float64"),
    ("np.prod(i)", "int32"),
    ("np.cumsum(x > 2, axis=0)", "int64"),
    ("np.argmax(x)", "int64"),
    ("np.argsort(x)", "int64"),
    ("np.true_divide(i, 2)", "float32"),
    ("np.where(x > 2, 1, 0)", "float32"),
    ("np.where(x > 2, x, 0)", "float32"),
    ("np.equal(i, 2)", "bool"),
    ("np.linspace(0, 1, 3)", "float32"),
    ("np.bincount(i.reshape(-1))", "int32"),
    ("np.add(i, x.astype('float16'))", "float16"),
]


@pytest.mark.parametrize(("text", "dtype"), DTYPES, ids=[d[0] for d in DTYPES])
def test_dtypes(text, dtype):
    assert eval(text, {"np": np, "onp": onp, **operands(True)}).dtype == dtype


def test_default_types_of_numpy():
    mx.util.set_np_default_dtype(True)
    try:
        assert np.ones(2).dtype == onp.float64
        assert np.arange(3).dtype == onp.int64
        assert (np.array([1], dtype="int32") / 2).dtype == onp.float64
    finally:
        mx.util.set_np_default_dtype(False)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, out: np.exp(x, out=out),
        lambda x, out: np.add(x, x, out=out),
        lambda x, out: np.sum(x, axis=1, keepdims=True, out=out[:, :1]),
        lambda x, out: np.maximum(x, 2, out=(out,)),
        lambda x, out: np.matmul(x, np.eye(3), out=out),
        lambda x, out: np.clip(x, 1, 2, out=out),
        lambda x, out: np.stack([x[0], x[1]], out=out),
    ],
)
def test_out(call):
    x, out = operands(True)["x"], np.zeros((2, 3))
    result = call(x, out)
    assert result is out or result.shape == (2, 1)
    with pytest.raises(ValueError):
        call(x, np.zeros((5, 7)))


def test_where_argument_is_refused():
    x = operands(True)["x"]
    for call in (lambda: np.exp(x, where=x > 1), lambda: np.sum(x, where=x > 1)):
        with pytest.raises(ValueError, match="only where"):
            call()
    with pytest.raises(TypeError, match="unexpected"):
        np.exp(x, axis=1)


def test_numbers_go_to_numpy():
    assert isinstance(np.exp(2.0), float)
    assert np.maximum(2, 3) == 3
    assert np.add(1, 2) == 3


def test_lists_with_arrays():
    x = operands(True)["x"]
    assert np.array([x[0], x[1]]).shape == (2, 3)
    assert np.array([[1, x[0, 1]], [2, 3]]).tolist() == [[1, 1], [2, 3]]
    x.attach_grad()
    with mx.autograd.record():
        y = np.array([x[0], 2 * x[1]]).sum()
    y.backward()
    assert x.grad.tolist() == [[1, 1, 1], [2, 2, 2]]


def test_symbolic_dimensions_in_functions():
    scope = DimScope()
    region = Region("net", scope)
    from symgluon.ir.types import TensorType

    n = scope.declare("n", 4)
    with region.active():
        x = region.argument("x", TensorType((n, 3), "float32"), np.ndarray)
        outs = [
            np.zeros((x.shape[0], 2)) + 1, np.arange(x.shape[0]), x.sum() / x.shape[0],
            x.reshape(x.shape[0] * 3), np.broadcast_to(x[:1], x.shape), np.array([x.shape[0], 5]),
        ]  # fmt: skip
        graph = region.close(outs)
    assert [(str(g.expr), g.relation, g.value) for g in scope.guards] == [("n", ">=", 1)]  # x[:1]
    for size in (2, 5):
        results = [r._content() for r in replay(graph, [np.ones((size, 3))])]
        assert results[0].shape == (size, 2)
        assert results[1].tolist() == list(range(size))
        assert results[2] == 3
        assert results[3].shape == (size * 3,)
        assert results[5].tolist() == [size, 5]


def test_unknown_names():
    with pytest.raises(AttributeError):
        np.no_such_function
    assert "exp" in dir(np)
    assert "interp" in dir(np)


def test_fill_diagonal_and_writes():
    x = np.zeros((3, 3))
    np.fill_diagonal(x, 2)
    assert x.tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]


def test_conversions_between_classes():
    x = np.arange(3)
    y = x.as_nd_ndarray()
    assert type(y) is mx.nd.NDArray
    y[:] = 7
    assert x.tolist() == [7, 7, 7]
    assert type(y.as_np_ndarray()) is np.ndarray
    assert isinstance(x, mx.nd.NDArray)


KEYWORDS = [
    ({"where": False}, NotImplementedError),
    ({"where": onp.ones(2, bool)}, NotImplementedError),
    ({"subok": False}, NotImplementedError),
    ({"dtype": "int8"}, NotImplementedError),
    ({"dtype": "nothing"}, TypeError),
    ({"casting": "safe"}, NotImplementedError),
    ({"casting": "nothing"}, TypeError),
    ({"order": "C"}, NotImplementedError),
    ({"nothing": 1}, TypeError),
]


@pytest.mark.parametrize(("kwargs", "error"), KEYWORDS)
def test_keywords_of_numpy_that_mean_nothing_here(kwargs, error):
    x = np.ones((2,))
    for call in (lambda: np.exp(x, **kwargs), lambda: np.add(x, x, **kwargs)):
        with pytest.raises(error):
            call()
    plain = {"where": True, "subok": True, "dtype": None, "casting": "same_kind", "order": "K"}
    assert np.add(x, x, **plain).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("own", "shape", "full"),
    [((3, 1), (-2, 4), (3, 4)), ((3, 1), (2, -2, 4), (2, 3, 4)), ((0, 1), (5, -2, 2), (5, 0, 2))],
)
def test_broadcasting_keeps_sizes(own, shape, full):
    x = np.ones(own)
    assert np.broadcast_to(x, shape).shape == x.broadcast_to(shape).shape == full
    with pytest.raises(ShapeError):
        np.broadcast_to(x, (-2, *full))


@pytest.mark.parametrize("axis", [0, -1, None])
def test_numbers_are_squeezed_as_in_numpy(axis):
    x = np.ones(())
    assert np.squeeze(x, axis).shape == x.squeeze(axis).shape == ()
    with pytest.raises(IndexError):
        np.squeeze(x, 1)


@pytest.mark.parametrize("num", [-1, 2.5, "a"])
def test_numbers_of_values(num):
    with pytest.raises(MXNetError, match="linspace"):
        np.linspace(0, 1, num)


@pytest.mark.parametrize("name", ["sum", "prod", "argmin", "argmax", "all", "any", "max"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [0, -1])
def test_numbers_are_reduced_over_one_axis_as_in_numpy(name, axis, keepdims):
    found = getattr(np, name)(np.ones(()), axis=axis, keepdims=keepdims)
    wanted = getattr(onp, name)(onp.ones(()), axis=axis, keepdims=keepdims)
    assert found.shape == wanted.shape == ()
    assert found.item() == wanted
    with pytest.raises(IndexError):
        getattr(np, name)(np.ones(()), axis=1)


def test_matrix_norm_takes_two_axes():
    x = np.arange(12).reshape(3, 4)
    assert np.linalg.matrix_norm(x, 1, (0, 1), True).shape == (1, 1)
    for axis in (None, 0, (0,), (0, 1, 2)):
        with pytest.raises(ValueError, match="two axes"):
            np.linalg.matrix_norm(x, "fro", axis)


def test_numpys_functions_compute_what_ours_cannot():
    x = np.array([[2.0, 0.0], [0.0, 1.0]])
    values = onp.linalg.svd(x, compute_uv=False)
    assert type(values) is np.ndarray
    assert values.tolist() == [2, 1]
    assert type(onp.linalg.inv(x)) is np.ndarray


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,ij->i", [(3, 4), (1, 4)]),
        ("ij,ij->i", [(1, 4), (3, 4)]),
        ("ij,ij->j", [(2, 1), (2, 5)]),
        ("ij,jk->ik", [(2, 1), (3, 4)]),
        ("ij,ij", [(1, 1), (1, 1)]),
        ("bij,bjk->bik", [(1, 2, 3), (5, 3, 4)]),
    ],
)
@pytest.mark.parametrize("active", [False, True])
def test_einsum_spreads_sizes_of_one_in_a_trace_too(equation, shapes, active):
    arrays = [np.random.normal(size=s) for s in shapes]
    for x in arrays:
        x.attach_grad()
    net = mx.gluon.nn.HybridLambda(lambda *xs: np.einsum(equation, *xs))
    net.hybridize(active)
    with mx.autograd.record():
        y = net(*arrays)
    y.backward()
    plain = [x.asnumpy() for x in arrays]
    names = equation.split("->")[0].split(",")
    sizes = list(zip("".join(names), [n for s in shapes for n in s], strict=True))
    wide = {c: max(n for d, n in sizes if d == c) for c, _ in sizes}
    full = [
        onp.broadcast_to(x, [wide[c] for c in labels])
        for x, labels in zip(plain, names, strict=True)
    ]
    onp.testing.assert_allclose(y.asnumpy(), onp.einsum(equation, *full), rtol=1e-5, atol=1e-5)
    assert [x.grad.shape for x in arrays] == shapes


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("values", [2, [-1, 2], [-1, 2, 3, 4, 5, 6, 7]])
@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (3, 3, 3)])
def test_diagonals_are_filled_with_values_over_and_over(shape, values, wrap):
    own, numpys = np.ones(shape), onp.ones(shape, "float32")
    np.fill_diagonal(own, np.array(values) if isinstance(values, list) else values, wrap)
    onp.fill_diagonal(numpys, values, wrap)
    assert (own.asnumpy() == numpys).all()
