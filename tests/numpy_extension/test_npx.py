"""`npx`: signatures of MXNet 2.0 (positional order, defaults), modes, files."""

from __future__ import annotations

import numpy as onp
import pytest

import symgluon as mx

np, npx, autograd = mx.np, mx.npx, mx.autograd
X = onp.arange(6, dtype="float32").reshape(2, 3)


def x():
    return np.array(X)


#: expression, values (MXNet 2.0.0b1)
VALUES = [
    ("npx.relu(x - 2)", onp.maximum(X - 2, 0)),
    ("npx.sigmoid(x)", 1 / (1 + onp.exp(-X))),
    ("npx.softmax(x)", onp.exp(X) / onp.exp(X).sum(1, keepdims=True)),
    ("npx.softmax(x, axis=0)", onp.exp(X) / onp.exp(X).sum(0, keepdims=True)),
    ("npx.softmax(x, np.array([1, 2]), use_length=True)",
     [[1, 0, 0], [0.26894143, 0.7310586, 0]]),
    ("npx.log_softmax(x, 1)", X - onp.log(onp.exp(X).sum(1, keepdims=True))),
    ("npx.masked_softmax(x, x > 1)", [[0, 0, 1], [0.09003057, 0.24472848, 0.6652409]]),
    ("npx.activation(x, 'tanh')", onp.tanh(X)),
    ("npx.leaky_relu(x - 3, slope=0.1)", onp.where(X > 3, X - 3, 0.1 * (X - 3))),
    ("npx.leaky_relu(x - 3, np.array([0.3]), act_type='prelu')",
     onp.where(X > 3, X - 3, 0.3 * (X - 3))),
    ("npx.one_hot(np.array([0, 2]), 3)", [[1, 0, 0], [0, 0, 1]]),
    ("npx.one_hot(np.array([0]), 2, 5, -1, 'int32')", [[5, -1]]),
    ("npx.pick(x, np.array([0, 2]))", [0, 5]),
    ("npx.pick(x, np.array([0, 2]), keepdims=True)", [[0], [5]]),
    ("npx.topk(x, k=2)", [[2, 1], [2, 1]]),
    ("npx.topk(x, k=2, ret_typ='value', is_ascend=True)", [[0, 1], [3, 4]]),
    ("npx.topk(x, k=1, ret_typ='mask')", [[0, 0, 1], [0, 0, 1]]),
    ("npx.batch_dot(x[None], x[None], transpose_b=True)", [[[5, 14], [14, 50]]]),
    ("npx.embedding(np.array([1, 0]), x)", X[::-1]),
    ("npx.fully_connected(x, np.ones((1, 3)))", [[3], [12]]),
    ("npx.fully_connected(x, np.ones((1, 3)), np.ones(1), 1, False)", [[4], [13]]),
    ("npx.reshape(x, (-2, -1))", X),
    ("npx.reshape(x, (-5,))", X.reshape(-1)),
    ("npx.reshape(x, (-6, 1, 2, -4))", X[None]),
    ("npx.reshape(x, -1)", X.reshape(-1)),
    ("npx.reshape_like(x, np.zeros((3, 2)))", X.reshape(3, 2)),
    ("npx.arange_like(x)", X),
    ("npx.arange_like(x, axis=1, start=1)", [1, 2, 3]),
    ("npx.broadcast_like(np.ones((1, 3)), x)", onp.ones((2, 3))),
    ("npx.gather_nd(x, np.array([[0, 1], [1, 2]]))", [1, 5]),
    ("npx.index_update(x, np.array([[0], [1]], dtype='int64'), np.array([9.]))",
     [[0, 9, 2], [3, 4, 5]]),
    ("npx.index_add(x, [[0, 0], [1, 1]], np.array([1., 2.]))", [[0, 4, 2], [3, 4, 5]]),
    ("npx.layer_norm(x, np.ones(3), np.zeros(3))", [[-1.2247356, 0, 1.2247356]] * 2),
    ("npx.sequence_mask(x, np.array([1, 2, 1]), use_sequence_length=True)",
     [[0, 1, 2], [0, 4, 0]]),
    ("npx.smooth_l1(x)", [[0, 0.5, 1.5], [2.5, 3.5, 4.5]]),
    ("npx.add_n(x, x)", 2 * X),
    ("npx.add_n([x, x, x])", 3 * X),
    ("npx.nonzero(x)", onp.argwhere(X)),
    ("npx.shape_array(x)", [2, 3]),
    ("npx.slice(x, begin=(0, 1), end=(2, 3))", X[:, 1:]),
    ("npx.slice_channel(x, num_outputs=3, axis=1)[1]", X[:, 1:2]),
    ("npx.cast(x, dtype='int32')", X),
    ("npx.batch_flatten(x[None])", X.reshape(1, 6)),
    ("npx.erf(x * 0)", 0 * X),
    ("npx.gamma(x + 1)", [[1, 1, 2], [6, 24, 120]]),
    ("npx.constraint_check(x >= 0)", True),
    ("npx.stop_gradient(x)", X),
    ("npx.pooling(x[None, None], (2, 2), (1, 1))", [[[[4, 5]]]]),
    ("npx.convolution(x[None, None], np.ones((1, 1, 2, 2)), None, (2, 2), num_filter=1, "
     "no_bias=True)", [[[[8, 12]]]]),
    ("npx.group_norm(x[None], np.ones(2), np.zeros(2), 2, 1e-5)",
     [[[-1.2247357, 0, 1.2247357]] * 2]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "values"), VALUES, ids=[v[0] for v in VALUES])
def test_values(text, values):
    found = eval(text, {"npx": npx, "np": np, "x": x()})
    assert type(found) is np.ndarray
    onp.testing.assert_allclose(found.asnumpy(), values, rtol=2e-5, atol=1e-5)


def test_names_and_lazy_functions():
    for name in ("box_nms", "multibox_prior", "interleaved_matmul_selfatt_qk", "sequence_reverse"):
        assert callable(getattr(npx, name))
        assert name in dir(npx)
    with pytest.raises(AttributeError):
        npx.no_such_function
    assert npx.num_gpus() >= 0
    assert npx.current_device() == npx.cpu()
    npx.waitall()


def test_dropout_modes():
    ones = np.ones((100, 100))
    assert npx.dropout(ones, 0.5).tolist() == ones.tolist()
    with autograd.train_mode():
        dropped = npx.dropout(ones, 0.5)
    assert set(onp.unique(dropped.asnumpy())) == {0, 2}
    always = npx.dropout(ones, 0.5, mode="always", axes=(0,))
    assert (always.asnumpy() == always.asnumpy()[0]).all()


def test_batch_norm_modes():
    mean, var = np.zeros(3), np.ones(3)
    args = (np.ones(3), np.zeros(3), mean, var)
    onp.testing.assert_allclose(npx.batch_norm(x(), *args, eps=0).asnumpy(), X)
    assert mean.tolist() == [0, 0, 0]
    with autograd.record():
        npx.batch_norm(x(), *args, momentum=0.5)
    onp.testing.assert_allclose(mean.asnumpy(), X.mean(0) / 2)
    outs = npx.batch_norm(x(), *args, output_mean_var=True)
    assert len(outs) == 3


def test_required_arguments():
    with pytest.raises(ValueError, match="length"):
        npx.softmax(x(), use_length=True)
    with pytest.raises(ValueError, match="broken"):
        npx.constraint_check(x() > 1, "broken")


@pytest.mark.parametrize("kind", ["one", "dict", "list", "savez"])
def test_files(tmp_path, kind):
    path, a = str(tmp_path / "file"), x()
    if kind == "one":
        npx.save(path, a)
        assert npx.load(path).tolist() == X.tolist()
        assert onp.load(path).tolist() == X.tolist()
        return
    if kind == "savez":
        npx.savez(path, a, k=a)
        names = ["arr_0", "k"]
    else:
        npx.save(path, {"w": a} if kind == "dict" else [a, a])
        names = ["w"] if kind == "dict" else ["arr_0", "arr_1"]
    found = npx.load(path)
    assert list(found) == names
    assert found[names[0]].tolist() == X.tolist()
