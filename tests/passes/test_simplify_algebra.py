"""Arithmetic that changes nothing goes, what has a name takes it; and what must stay stays."""

import numpy as np
import pytest
from pass_helpers import F, assert_close, assert_rewrite, interpret, numbers, trace

from symgluon import dtypes
from symgluon.passes import Step, run_pipeline
from symgluon.passes.simplify_algebra import lossless

NAME = "simplify_algebra"


@pytest.fixture(autouse=True)
def _verified(monkeypatch):
    monkeypatch.setenv("SYMGLUON_VERIFY", "1")


def half(*shape):
    return np.zeros(shape, np.float32)


def cast(x, *dtypes_):
    for d in dtypes_:
        x = F.cast(x, dtype=d)
    return x


X = [(2, 3)]
XY = [(2, 3), (2, 3)]

REWRITES = {
    # neutral operands
    "x + 0": (lambda x: F.exp(x + 0.0), F.exp, X),
    "0 + x": (lambda x: F.exp(0.0 + x), F.exp, X),
    "x - 0": (lambda x: F.exp(x - 0.0), F.exp, X),
    "x * 1": (lambda x: F.exp(x * 1.0), F.exp, X),
    "x / 1": (lambda x: F.exp(x / 1.0), F.exp, X),
    "x ** 1": (lambda x: F.exp(x**1.0), F.exp, X),
    "x + zeros": (lambda x: F.exp(x + half(2, 3)), F.exp, X),
    "x + zeros_like": (lambda x: F.exp(x + F.zeros_like(x)), F.exp, X),
    "x * ones_like": (lambda x: F.exp(x * F.ones_like(x)), F.exp, X),
    "integers": (lambda x: F.exp(cast(x + 0, "float32")), lambda x: F.exp(cast(x, "float32")),
                 [((3,), "int32")]),
    "identity": (lambda x: F.exp(F.identity(F.identity(x))), F.exp, X),
    "where": (lambda x, y: F.where(F.greater(x, y), y, y) * 2.0, lambda x, y: y * 2.0, XY),
    # functions of functions
    "relu relu": (lambda x: F.relu(F.relu(F.relu(x))), F.relu, X),
    "relu exp": (lambda x: F.relu(F.exp(x)), F.exp, X),
    "abs square": (lambda x: F.abs(F.square(x)), F.square, X),
    "floor ceil": (lambda x: F.floor(F.ceil(x)), F.ceil, X),
    "- -": (lambda x: F.exp(F.negative(-x)), F.exp, X),
    "not not": (lambda x, y: F.logical_not(F.logical_not(F.greater(x, y))), F.greater, XY),
    "-(a - b)": (lambda x, y: -(x - y), lambda x, y: y - x, XY),
    "a + -b": (lambda x, y: x + (-y), lambda x, y: x - y, XY),
    "-a + b": (lambda x, y: (-x) + y, lambda x, y: y - x, XY),
    "a - -b": (lambda x, y: x - (-y), lambda x, y: x + y, XY),
    # powers
    "x ** 2": (lambda x: x**2.0, F.square, X),
    "x * x": (lambda x: x * x, F.square, X),
    "x ** 0.5": (lambda x: F.square(x) ** 0.5, lambda x: F.sqrt(F.square(x)), X),
    "x ** -1": (lambda x: x**-1.0, F.reciprocal, X),
    "x ** -0.5": (lambda x: F.exp(x) ** -0.5, lambda x: F.rsqrt(F.exp(x)), X),
    "1 / x": (lambda x: 1.0 / x, F.reciprocal, X),
    "1 / sqrt": (lambda x: 1.0 / F.sqrt(F.exp(x)), lambda x: F.rsqrt(F.exp(x)), X),
    # bounds
    "max(x, 0)": (lambda x: F.maximum(x, 0.0), F.relu, X),
    "relu6": (lambda x: F.minimum(F.relu(x), 6.0), lambda x: F.clip(x, a_min=0.0, a_max=6.0), X),
    "clip": (lambda x: F.minimum(F.maximum(x, -1.0), 1.0),
             lambda x: F.clip(x, a_min=-1.0, a_max=1.0), X),
    # factors
    "* *": (lambda x: x * 2.0 * 3.0, lambda x: x * 6.0, X),
    "/ /": (lambda x: x / 2.0 / 4.0, lambda x: x / 8.0, X),
    "* /": (lambda x: x * 6.0 / 3.0, lambda x: x * 2.0, X),
    "/ *": (lambda x: x / 4.0 * 2.0, lambda x: x * 0.5, X),
    "* 2 * 0.5": (lambda x: F.exp(x * 2.0 * 0.5), F.exp, X),
    "int * *": (lambda x: x * 3 * 5, lambda x: x * 15, [((3,), "int32")]),
    "int + +": (lambda x: x + 3 + 5, lambda x: x + 8, [((3,), "int64")]),
    # casts
    "cast same": (lambda x: F.exp(cast(x, "float32")), F.exp, X),
    "cast wide and back": (lambda x: F.exp(cast(x, "float64", "float32")), F.exp, X),
    "cast through": (lambda x: cast(x, "int32", "float32"), lambda x: cast(x, "float32"),
                     [((3,), "int8")]),
}  # fmt: skip


@pytest.mark.parametrize("name", REWRITES)
def test_rewrites(name):
    before, after, operands = REWRITES[name]
    for names in (False, True):
        if names and name in ("x + zeros", "where"):
            continue  # tracing pins the sizes, and the short form has nothing that would
        passes = [Step((NAME, "eliminate_dead"), repeat=True)]
        assert_rewrite(before, after, passes, *operands, names=names)


KEPT = {
    "a sum of floats is meant": (lambda x: (x + 1.0) - 1.0, X),
    "a sum of floats": (lambda x: x + 1.0 + 2.0, X),
    "zeros that broadcast": (lambda x: x + half(4, 2, 3), X),
    "another number": (lambda x: x + 1e-8, X),
    "0 - x": (lambda x: 0.0 - x, X),
    "1 ** x": (lambda x: F.power(np.float32(1), x), X),
    "narrow and back": (lambda x: cast(x, "float16", "float32"), X),
    "through integers": (lambda x: cast(x, "int32", "float32"), X),
    "through bool": (lambda x: cast(x, "bool", "float32"), X),
    "long to float": (lambda x: cast(x, "float64", "int64"), [((3,), "int64")]),
    "max(x, 1)": (lambda x: F.maximum(x, 1.0), X),
    "bounds the wrong way": (lambda x: F.minimum(F.maximum(x, 2.0), 1.0), X),
    "huge factors": (lambda x: x * 1e20 * 1e-20, X),
    "a factor with other uses": (lambda x: (lambda y: (y * 3.0, y))(x * 2.0), X),
    "sigmoid of sigmoid": (lambda x: F.sigmoid(F.sigmoid(x)), X),
    "relu of tanh": (lambda x: F.relu(F.tanh(x)), X),
    "integer division": (lambda x: F.floor_divide(F.floor_divide(x, 2), 3), [((3,), "int32")]),
}


@pytest.mark.parametrize("name", KEPT)
def test_kept(name):
    function, operands = KEPT[name]
    graph = trace(function, *operands)
    before = graph.fingerprint()
    run_pipeline(graph, NAME)
    assert graph.fingerprint() == before, graph.print()


def test_integers_wrap_as_before():
    graph = trace(lambda x: x * 100 * 7, ((4,), "int8"))
    arrays = [np.array([1, -3, 100, 127], np.int8)]
    want = interpret(graph, arrays)
    run_pipeline(graph, NAME)
    run_pipeline(graph, "eliminate_dead")
    assert len(graph) == 1
    assert_close(interpret(graph, arrays), want, rtol=0, atol=0)


def test_signs_and_infinities_stay():
    values = np.array([np.inf, -np.inf, np.nan, 0.0, -2.5], np.float32)
    for function in (lambda x: F.relu(F.relu(x)), lambda x: F.negative(-x), lambda x: F.abs(F.square(x)),
                     lambda x: F.minimum(F.relu(x), 6.0), lambda x: x * 2.0 * 0.25):  # fmt: skip
        graph = trace(function, (5,))
        want = interpret(graph, [values])
        run_pipeline(graph, NAME)
        assert_close(interpret(graph, [values]), want, rtol=0, atol=0)


@pytest.mark.parametrize(
    "source", ["bool", "int8", "uint8", "int32", "int64", "float16", "float32"]
)
@pytest.mark.parametrize(
    "target", ["int8", "uint8", "int16", "int64", "float16", "float32", "float64"]
)
def test_lossless(source, target):
    """What the table says is what a round trip of extreme numbers says."""
    a, b = dtypes.resolve(source), dtypes.resolve(target)
    if a.kind == "b":
        values = np.array([False, True])
    elif a.kind in "iu":
        info = np.iinfo(a)
        near = [info.max - 1, info.max // 2 + 1] + [info.min + 1] * (info.min < 0)
        values = np.array([0, 1, info.min, info.max, *near], a)
    else:
        info = np.finfo(a)
        values = np.array([0, -1, info.max, info.min, info.tiny, 1 + info.eps], a)
    with np.errstate(all="ignore"):
        there = values.astype(b)
        back = there.astype(a)
    exact = all(
        x.item() == y.item() == z.item() for x, y, z in zip(values, there, back, strict=True)
    )
    if lossless(a, b):
        assert exact
    elif a.kind != "f" or b.kind == "f":
        assert not exact or {source, target} == {"int64", "float64"}


def test_a_long_chain_is_one_pass():
    def function(x):
        for _ in range(300):
            x = F.identity(x * 2.0 * 0.5 + 0.0)
        return F.exp(x)

    graph = trace(function, (3,))
    run_pipeline(graph, [NAME, "eliminate_dead"])
    assert [n.op.name for n in graph.nodes] == ["exp"]


def test_no_rewrite_changes_random_numbers():
    rng = np.random.default_rng(3)
    for name, (before, _, operands) in REWRITES.items():
        graph = trace(before, *operands)
        arrays = [a * rng.choice([1, 3]).astype(a.dtype) for a in numbers(graph, seed=7)]
        want = interpret(graph, arrays)
        run_pipeline(graph, "infer")
        assert_close(interpret(graph, arrays), want, rtol=2e-6), name
