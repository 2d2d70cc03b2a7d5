"""Helpers of the pass tests: traces, the interpreter, `assert_rewrite`, random graphs."""

from __future__ import annotations

import numpy as np

import symgluon.ops  # noqa: F401  (declares the operators)
from symgluon.ir.dims import DimScope, evaluate
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ir.verify import verify
from symgluon.ops.apply import F, apply
from symgluon.ops.array import wrap
from symgluon.ops.region import Region, resolve_dims
from symgluon.ops.replay import dims_of
from symgluon.ops.state import state
from symgluon.passes import run_pipeline


def trace(function, *operands, names=False, name="test"):
    """Trace `function` at operands given as shapes (float32) or (shape, dtype).

    With `names` every dimension gets a name (equal sizes on one axis do not share it).
    """
    scope = DimScope()
    region = Region(name, scope)
    with region.active():
        args = []
        for i, spec in enumerate(operands):
            shape, dtype = spec if spec and isinstance(spec[0], tuple) else (spec, "float32")
            if names:
                shape = [scope.new(f"n{i}_{a}", n) for a, n in enumerate(shape)]
            args.append(region.argument(f"x{i}", TensorType(shape, np.dtype(dtype))))
        out = function(*args)
        graph = region.close(out if isinstance(out, (list, tuple)) else [out])
    resolve_dims(graph, scope)
    graph.hints = {n: scope.hint(scope.resolve_shape([_dim(n)])[0]) for n in scope.names()}
    return graph


def _dim(name):
    from symgluon.ir.dims import Dim

    return Dim(name)


def interpret(graph, arrays):
    """Run the kernels of a graph in order: the judge.  Bodies run through `Op.kernel` too."""
    known = dict(zip(graph.operands(), arrays, strict=True))
    known.update(graph.constants)
    env = dims_of(graph, [a.shape for a in arrays])
    saved, state.region = state.region, None
    try:
        for node in graph.nodes:
            op = node.op.map_dims(lambda d: evaluate(d, env))
            found = type(op).kernel(op, *[None if v is None else known[v] for v in node.inputs])
            found = found if isinstance(found, (tuple, list)) else (found,)
            for value, array in zip(node.outputs, found, strict=True):
                array = np.asarray(array)
                assert array.dtype == value.dtype, f"{node!r} gave {array.dtype}"
                known[value] = array
    finally:
        state.region = saved
    return [known[v] for v in graph.outputs]


def numbers(graph, seed=0, sizes=None):
    """Random arrays for the operands of a graph."""
    rng = np.random.default_rng(seed)
    env = graph.hints if sizes is None else sizes
    arrays = []
    for value in graph.operands():
        shape = [n if isinstance(n, int) else evaluate(n, env) for n in value.type.shape]
        if value.dtype.kind in "iu":
            arrays.append(rng.integers(0, 5, shape).astype(value.dtype))
        elif value.dtype.kind == "b":
            arrays.append(rng.random(shape) < 0.5)
        else:
            arrays.append(rng.standard_normal(shape).astype(value.dtype))
    return arrays


def assert_close(got, want, rtol=1e-5, atol=1e-6):
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype
        assert g.shape == w.shape
        if g.dtype.kind == "V":
            g, w = g.astype(np.float32), w.astype(np.float32)
        np.testing.assert_allclose(g, w, rtol=rtol, atol=atol, equal_nan=True)


def assert_rewrite(before, after, passes, *operands, names=False, rtol=1e-5, atol=1e-6):
    """`passes` turn the trace of `before` into that of `after`, and the numbers stay.

    Dead nodes are dropped on both sides before the comparison; a second run changes nothing.
    """
    graph = trace(before, *operands, names=names)
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    passes = [passes] if isinstance(passes, str) else list(passes)
    run_pipeline(graph, passes)
    verify(graph)
    run_pipeline(graph, "eliminate_dead")
    expected = trace(after, *operands, names=names)
    run_pipeline(expected, "eliminate_dead")
    assert graph.fingerprint() == expected.fingerprint(), "\n" + expected.diff(graph)
    assert_close(interpret(graph, arrays), want, rtol, atol)
    again = run_pipeline(graph, passes)
    assert not again.changed, str(again)
    return graph


# ---- random graphs -------------------------------------------------------------------------------
#: operators that turn a rounding error into another number, or draw
JUMPS = {
    "floor", "ceil", "trunc", "rint", "round", "around", "sign", "floor_divide", "mod", "fmod",
    "equal", "not_equal", "greater", "greater_equal", "less", "less_equal", "argmax", "argmin",
    "sort", "argsort", "top_k", "top_places", "searchsorted", "unique", "nonzero", "boolean_mask",
    "one_hot", "copysign", "logical_and", "logical_or", "logical_xor", "logical_not", "any", "all",
    "count_nonzero", "isnan", "isinf", "isfinite", "isposinf", "isneginf",
}  # fmt: skip
#: operators whose results are not unique, or that need special operands
ODD = {"eig", "eigh", "svd", "qr", "eigvals", "call", "graph_op", "fused", "linalg_gelqf",
       "linalg_syevd", "cast", "gamma", "gammaln", "digamma", "polygamma", "power", "tan",
       "reciprocal", "rsqrt", "rcbrt", "true_divide", "exp", "expm1", "exp2", "sinh",
       "cosh"}  # fmt: skip

SAFE = ("activation", "arrange", "conv", "core", "create", "elementwise", "families", "index", "join",
        "linalg", "nn", "norm", "pool", "reduce", "rms_norm", "scan", "sequence", "shape",
        "statistics", "unary")  # fmt: skip


def candidates():
    """Operators and samples that random graphs are made of."""
    found = []
    for name in sorted(OPS):
        cls = OPS[name]
        if name in JUMPS or name in ODD or cls.effects:
            continue
        if cls.__module__.rsplit(".", 1)[1] not in SAFE:
            continue
        for sample in cls.samples:
            shapes = [s for s in sample.operands if isinstance(s, (int, tuple))]
            if shapes and all(s is None or isinstance(s, (int, tuple)) for s in sample.operands):
                found.append((name, sample))
    return found


def random_graph(seed, length=25, table=None):
    """Trace a random chain of samples; their operands are results so far, inputs and constants."""
    rng = np.random.default_rng(seed)
    table = table or candidates()
    inputs = [(2, 3), (2, 3, 4), (3,), (2, 4, 3)]

    def build(*xs):
        pool = list(xs)

        def operand(shape):
            shape = (shape,) if isinstance(shape, int) else shape
            same = [v for v in pool if tuple(v.shape) == shape]
            if same and rng.random() < 0.8:
                return same[rng.integers(len(same))]
            size = int(np.prod(shape))
            other = [v for v in pool if int(v.size) == size and size]
            if other and rng.random() < 0.8:
                return F.reshape(other[rng.integers(len(other))], shape=shape)
            array = rng.standard_normal(shape)
            return wrap(array) if rng.random() < 0.3 else array

        for _ in range(length):
            name, sample = table[rng.integers(len(table))]
            args = [None if s is None else operand(s) for s in sample.operands]
            results = apply(OPS[name](**sample.attrs), *args)
            results = results if isinstance(results, tuple) else (results,)
            for r in results:
                if r.dtype == np.float64:
                    pool.append(F.tanh(r) if rng.random() < 0.6 else r)
            if rng.random() < 0.3:
                v = pool[rng.integers(len(pool))]
                extra = [lambda v: v + 0.0, lambda v: v * 1.0, lambda v: F.negative(-v),
                         lambda v: v * 0.5 * 2.0,
                         lambda v: F.transpose(F.transpose(v)), lambda v: F.cast(v, dtype="float64"),
                         lambda v: F.transpose(F.tanh(F.transpose(v)))]  # fmt: skip
                pool.append(extra[rng.integers(len(extra))](v))
        return pool[-4:]

    return trace(build, *[(s, "float64") for s in inputs])
