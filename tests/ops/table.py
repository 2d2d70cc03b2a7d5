"""Helpers of the table test: operands from samples, traces, finite differences, ONNX runs."""

from __future__ import annotations

import functools
import zlib

import numpy as np

import symgluon.ops
from symgluon.errors import ShapeError
from symgluon.ir.dims import DimScope, evaluate
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ops.apply import apply, run_kernel
from symgluon.ops.array import wrap
from symgluon.ops.region import Region, outside, resolve_dims
from symgluon.ops.replay import replay
from symgluon.ops.tape import vjp

RANDOM = "random"


def is_float(a):
    return a is not None and a.dtype.kind == "f"


def bind(name, sample):
    """The operator of a sample."""
    return OPS[name](**sample.attrs)


def operands(name, sample, dtype="float64", seed=0):
    """NumPy operands of a sample; floats are drawn in float64 and cast, so dtypes compare."""
    rng = np.random.default_rng(zlib.crc32(name.encode()) + seed)
    made = []
    for spec in sample.operands:
        if spec is None:
            made.append(None)
            continue
        if isinstance(spec, (int, tuple)):
            a = rng.standard_normal((spec,) if isinstance(spec, int) else spec)
        elif callable(spec):
            a = spec(rng)
        else:
            a = spec
        a = np.asarray(a)
        made.append(a.astype(dtype) if a.dtype.kind == "f" else a.copy())
    return made


def call(op, arrays):
    """Apply `op` eagerly; a list of NumPy results."""
    results = apply(op, *[None if a is None else wrap(a) for a in arrays])
    results = results if isinstance(results, tuple) else (results,)
    return [r._content() for r in results]


def coerced(op, arrays):
    """Operands as the operator sees them."""
    if op.coerce is None:
        return list(arrays)
    from symgluon.ops.apply import _coerced

    with outside():
        found = _coerced(op, [None if a is None else wrap(a) for a in arrays])
    return [None if f is None else (f._content() if hasattr(f, "_content") else f) for f in found]


def kernel(op, arrays):
    """Results of the kernel on coerced operands."""
    found = run_kernel(op, coerced(op, arrays))
    return list(found) if isinstance(found, tuple) else [found]


def types_of(arrays):
    return [None if a is None else TensorType(a.shape, a.dtype) for a in arrays]


def trace(op, arrays, symbolic):
    """Trace `op` on operands of these types; `symbolic`: every dimension is a name.

    Returns the graph, and the numbers of the names.
    """
    scope = DimScope()
    region = Region(op.name, scope)
    hints = {}
    with region.active():
        args = []
        for i, a in enumerate(arrays):
            if a is None:
                args.append(None)
                continue
            shape = list(a.shape)
            if symbolic:
                for axis, n in enumerate(shape):
                    shape[axis] = scope.new(f"d{i}_{axis}", n, source=(f"x{i}", axis))
                    hints[f"d{i}_{axis}"] = n
            args.append(region.argument(f"x{i}", TensorType(shape, a.dtype)))
        results = apply(op, *args)
        graph = region.close(list(results) if isinstance(results, tuple) else [results])
    resolve_dims(graph, scope)
    graph.scope = scope
    return graph, hints


def run_graph(graph, arrays):
    """Interpret a graph on arrays."""
    with outside():
        results = replay(graph, [wrap(a) for a in arrays if a is not None])
        return [r._content() for r in results]


def shape_at(shape, hints):
    """A symbolic shape in numbers; None where only data tells."""
    found = []
    for n in shape:
        try:
            found.append(evaluate(n, hints) if not isinstance(n, int) else n)
        except ShapeError:
            found.append(None)
    return tuple(found)


def same_where_known(expected, got):
    return len(expected) == len(got) and all(
        e is None or e == g for e, g in zip(expected, got, strict=True)
    )


def assert_same(expected, got, rtol, atol=0.0, what=""):
    """Equal dtype, shape and numbers."""
    assert len(expected) == len(got), what
    for e, g in zip(expected, got, strict=True):
        assert e.dtype == g.dtype, f"{what}: dtype {e.dtype} != {g.dtype}"
        assert e.shape == g.shape, f"{what}: shape {e.shape} != {g.shape}"
        if e.dtype.kind in "fV":
            e, g = e.astype(np.float64), g.astype(np.float64)
        np.testing.assert_allclose(g, e, rtol=rtol, atol=atol, equal_nan=True, err_msg=what)


def other_sizes(graph, hints):
    """Sizes, other than the traced ones, for which the guards of a symbolic trace hold.

    Each name that is still free is changed, alone and together with the others.
    """
    free = {}
    for value in graph.inputs:
        for n in value.type.shape:
            for name in () if isinstance(n, int) else n.names():
                free.setdefault(name, hints[name])
    attempts = [{**free, name: n + step} for name, n in free.items() for step in (1, 2)]
    attempts += [{k: n + step for k, n in free.items()} for step in (1, 2)]
    found = []
    for env in attempts:
        full = {**hints, **env}
        # names that were solved follow from the free ones
        for name, dim in graph.scope.substitutions.items():
            full[name] = dim if isinstance(dim, int) else evaluate(dim, full)
        if all(g.holds(full) for g in graph.scope.guards) and env not in found:
            found.append(env)
    return found


def resized(graph, sample, arrays, env, rng):
    """Operands of the sizes `env`; None if one of another size cannot be made."""
    given = iter(graph.inputs)
    made = []
    for spec, a in zip(sample.operands, arrays, strict=True):
        if a is None:
            made.append(None)
            continue
        shape = tuple(
            n if isinstance(n, int) else evaluate(n, env) for n in next(given).type.shape
        )
        if shape == a.shape:
            made.append(a)
        elif isinstance(spec, int | tuple):
            made.append(rng.uniform(0.2, 0.9, shape).astype(a.dtype))
        else:
            return None
    return made


# ---- derivatives -----------------------------------------------------------------------------
def directional(function, points, directions, step=1e-6):
    """Central difference of a scalar function of arrays."""
    up = [p if d is None else p + step * d for p, d in zip(points, directions, strict=True)]
    down = [p if d is None else p - step * d for p, d in zip(points, directions, strict=True)]
    return (function(up) - function(down)) / (2 * step)


def inner(results, weights):
    return float(
        sum(
            np.sum(r.astype(np.float64) * w)
            for r, w in zip(results, weights, strict=True)
            if w is not None
        )
    )


def along(grads, directions):
    """Directional derivative from gradients, None counting as zero."""
    pairs = [(g, d) for g, d in zip(grads, directions, strict=True) if g is not None]
    return inner([g for g, _ in pairs], [d for _, d in pairs])


def pulled(op, arrays, cts):
    """Cotangents of the operands (None where the operator gives none)."""

    def run(*xs):
        return apply(op, *xs)

    found = vjp(run, [None if a is None else wrap(a) for a in arrays],
                [None if c is None else wrap(c) for c in cts])  # fmt: skip
    return [None if f is None else f._content() for f in found]


def gradient_errors(op, arrays, rng, symmetric=False, second_order=True):
    """Relative errors of the first and second gradient along random directions.

    `symmetric`: the operands are symmetric matrices and stay so.
    """
    plain = [a if is_float(a) else None for a in arrays]
    results = call(op, arrays)
    cts = [rng.standard_normal(r.shape) if is_float(r) else None for r in results]
    if all(c is None for c in cts):
        return None
    directions = [None if a is None else rng.standard_normal(a.shape) for a in plain]
    if symmetric:
        directions = [None if d is None else d + np.swapaxes(d, -1, -2) for d in directions]
    grads = pulled(op, arrays, cts)
    assert any(g is not None for g in grads), "no operand has a gradient"
    # places given as floats have none
    directions = [d if g is not None else None for d, g in zip(directions, grads, strict=True)]
    exact = along(grads, directions)
    approx = directional(lambda xs: inner(call(op, xs), cts), arrays, directions)
    first = error(exact, approx)
    weights = [None if g is None else rng.standard_normal(g.shape) for g in grads]

    def slope(xs):
        return inner([g for g in pulled(op, xs, cts) if g is not None],
                     [w for w in weights if w is not None])  # fmt: skip

    def weighted(*xs):
        found = vjp(
            functools.partial(apply, op), list(xs), [None if c is None else wrap(c) for c in cts]
        )
        total = None
        for f, w in zip(found, weights, strict=True):
            if f is None or w is None:
                continue
            part = symgluon.ops.F.sum(f * wrap(w))
            total = part if total is None else total + part
        return total

    if not second_order or all(w is None for w in weights):
        return first, 0.0
    second = vjp(weighted, [None if a is None else wrap(a) for a in arrays],
                 wrap(np.ones((), np.float64)))  # fmt: skip
    exact = along([None if s is None else s._content() for s in second], directions)
    return first, error(exact, directional(slope, arrays, directions))


def error(exact, approx):
    return abs(exact - approx) / max(1.0, abs(exact), abs(approx))


# ---- ONNX ------------------------------------------------------------------------------------
def onnx_session(graph, opset):
    """Write the graph at `opset` and load it into ONNX Runtime."""
    import onnxruntime

    from symgluon.formats.onnx.writer import build_model

    with graph.scope:
        model = build_model(graph, opset=opset)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def run_onnx(graph, arrays, opset):
    """Write the graph at `opset` and run it in ONNX Runtime."""
    return run_session(onnx_session(graph, opset), arrays)


def run_session(session, arrays):
    """Run a session on operands; absent ones are left out."""
    given = [a for a in arrays if a is not None]
    feeds = {
        i.name: np.asarray(a, order="C") for i, a in zip(session.get_inputs(), given, strict=True)
    }
    return session.run(None, feeds)
