"""Normalisations: ONNX forms of the gradients with free sizes, exactness, mixed types."""

from __future__ import annotations

import layered
import numpy as np
import pytest

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops import F
from symgluon.ops.array import wrap

rng = np.random.default_rng(0)


def vectors(n, count, dtype="f"):
    return [rng.uniform(0.5, 2, n).astype(dtype) for _ in range(count)]


def batch_norm(axis=1, eps=1e-5):
    def run(x, gamma, beta):
        return F.batch_norm_train(x, gamma, beta, axis=axis, eps=eps)

    return run


def layer_norm(axis=-1):
    def run(x, gamma, beta):
        return F.layer_norm(x, gamma, beta, axis=axis)

    return run


FUNCTIONS = [
    ("batch_norm", batch_norm(), (4, 3, 5, 2), 1),
    ("batch_norm flat", batch_norm(), (6, 3), 1),
    ("batch_norm last", batch_norm(-1), (4, 5, 3), 2),
    ("layer_norm", layer_norm(), (2, 4, 6), 2),
    ("layer_norm inner", layer_norm(1), (2, 3, 4), 1),
]


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize(("name", "function", "shape", "axis"), FUNCTIONS)
def test_gradient_free_sizes(name, function, shape, axis, opset):
    """First result and its gradient; all sizes but the channels are free."""
    pytest.importorskip("onnxruntime")

    def first(x, gamma, beta):
        result = function(x, gamma, beta)
        return result[0] if isinstance(result, tuple) else result

    both = layered.with_gradients(first, 3)
    free = {(0, i) for i in range(len(shape)) if i != axis}
    gamma, beta = vectors(shape[axis], 2)
    x = rng.standard_normal(shape).astype("f")
    graph, scope = layered.trace(both, [x, gamma, beta, lambda x, *_: x.type], free)
    assert not scope.guards
    made = layered.session(graph, opset)
    for size in (shape, tuple(n + (i != axis) for i, n in enumerate(shape))):
        arrays = [rng.standard_normal(size).astype("f"), gamma, beta,
                  rng.standard_normal(size).astype("f")]  # fmt: skip
        layered.close(layered.run(made, arrays), layered.eager(both, arrays), 1e-4)


def test_batch_norm_all_results():
    pytest.importorskip("onnxruntime")
    x = rng.standard_normal((4, 3, 5)).astype("f")
    arrays = [x, *vectors(3, 2)]
    graph, _ = layered.trace(batch_norm(), arrays, set())
    want = layered.eager(batch_norm(), arrays)
    layered.close(layered.run(layered.session(graph), arrays), want)
    np.testing.assert_allclose(want[1], x.mean((0, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(want[2], x.var((0, 2)), rtol=1e-5)


def test_batch_norm_far_from_zero():
    """The variance is that of the deviations, in ONNX too."""
    pytest.importorskip("onnxruntime")
    x = (rng.standard_normal((8, 2, 16)) + 1000).astype("f")
    arrays = [x, *vectors(2, 2)]
    exact = layered.eager(batch_norm(), [a.astype("d") for a in arrays])
    graph, _ = layered.trace(batch_norm(), arrays, set())
    for got in (layered.eager(batch_norm(), arrays), layered.run(layered.session(graph), arrays)):
        np.testing.assert_allclose(got[0], exact[0], rtol=0, atol=1e-3)
        np.testing.assert_allclose(got[2], exact[2], rtol=1e-3)


def test_batch_norm_half_data():
    """float16 data with float32 parameters: the result is float16, the statistics float32."""
    x = rng.standard_normal((4, 3, 5)).astype("float16")
    gamma, beta = vectors(3, 2)
    y, mean, _, _ = layered.eager(batch_norm(), [x, gamma, beta])
    assert (y.dtype, mean.dtype) == (np.float16, np.float32)
    both = layered.with_gradients(lambda *a: batch_norm()(*a)[0], 3)
    grads = layered.eager(both, [x, gamma, beta, np.ones_like(x)])[1:]
    assert [g.dtype.name for g in grads] == ["float16", "float32", "float32"]


def test_refuses():
    x = wrap(np.zeros((2, 4, 3), "f"))
    with pytest.raises(ShapeError):
        F.group_norm(x, *[wrap(v) for v in vectors(4, 2)], num_groups=3)
    with pytest.raises(AttributeValueError):
        F.local_response_norm(x, nsize=4)
    with pytest.raises(ShapeError):
        F.instance_norm(wrap(np.zeros((2, 4), "f")), *[wrap(v) for v in vectors(4, 2)])
