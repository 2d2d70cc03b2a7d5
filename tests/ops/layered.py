"""Traces of functions of operators with free sizes, and what they give in ONNX Runtime."""

from __future__ import annotations

import numpy as np

from symgluon.ir.dims import DimScope
from symgluon.ir.types import TensorType
from symgluon.ops.array import wrap
from symgluon.ops.region import Region, resolve_dims
from symgluon.ops.tape import vjp


def eager(function, arrays):
    """Results of `function` on handles to `arrays`, as NumPy arrays."""
    results = function(*[None if a is None else wrap(a) for a in arrays])
    results = results if isinstance(results, tuple | list) else (results,)
    return [None if r is None else r._content() for r in results]


def with_gradients(function, count):
    """The function that also gives the cotangents of its first `count` operands.

    The cotangents of its results are the last operands.
    """

    def run(*operands):
        inputs, cts = operands[:count], operands[count:]
        results = function(*inputs)
        results = results if isinstance(results, tuple | list) else (results,)
        return [*results, *vjp(function, list(inputs), list(cts))]

    return run


def trace(function, arrays, free):
    """Trace `function`; `free` says which axes of which operand have a name: {(0, 2), ...}.

    An entry of `arrays` may be a function of the handles before it that gives a type.
    """
    scope = DimScope()
    region = Region("test", scope)
    with region.active():
        handles = []
        for i, a in enumerate(arrays):
            if callable(a):
                handles.append(region.argument(f"x{i}", a(*handles)))
                continue
            shape = [
                scope.new(f"d{i}_{axis}", n, source=(f"x{i}", axis)) if (i, axis) in free else n
                for axis, n in enumerate(a.shape)
            ]
            handles.append(region.argument(f"x{i}", TensorType(shape, a.dtype)))
        results = function(*handles)
        results = results if isinstance(results, tuple | list) else (results,)
        graph = region.close([r for r in results if r is not None])
    resolve_dims(graph, scope)
    return graph, scope


def session(graph, opset=20, *, microsoft=False):
    """An ONNX Runtime session of `graph`."""
    import onnxruntime

    from symgluon.formats.onnx.writer import build_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    model = build_model(graph, opset=opset, microsoft=microsoft)
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def run(made, arrays):
    """Results of a session."""
    names = [i.name for i in made.get_inputs()]
    return made.run(None, dict(zip(names, arrays, strict=True)))


def close(got, want, tolerance=2e-5):
    """Same shapes and dtypes, and equal up to a share of the largest number."""
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert (g.shape, g.dtype) == (w.shape, w.dtype)
        scale = max(1.0, np.abs(w).max(initial=0.0))
        np.testing.assert_allclose(g, w, rtol=0, atol=tolerance * scale)
