"""Graphs to MXNet symbols: written, read back and run, they give the same numbers."""

from __future__ import annotations

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import UnsupportedOpError
from symgluon.formats.symbol_json import SymbolProgram
from symgluon.formats.symbol_records import parse_symbol, write_symbol
from symgluon.formats.symbol_rules import reshape_codes
from symgluon.formats.symbol_write import symbol_from_graph, symbol_parts
from symgluon.ir.dims import DimScope
from symgluon.ir.types import TensorType
from symgluon.ops.array import wrap
from symgluon.ops.region import Region, resolve_dims

np, npx = mx.np, mx.npx
RNG = onp.random.default_rng(3)


def numbers(*shape, dtype="float32"):
    return RNG.uniform(0.2, 2.0, shape).astype(dtype)


def trace(function, arrays, params=(), free=True):
    """Trace `function`; axis 0 of every input is one free dimension."""
    scope = DimScope()
    batch = scope.declare("batch", arrays[0].shape[0]) if free and arrays else None
    region = Region("net", scope)
    with region.active():
        handles = []
        for i, a in enumerate(arrays):
            shape = (batch, *a.shape[1:]) if free else a.shape
            handles.append(region.argument(f"data{i}", TensorType(shape, a.dtype), np.ndarray))
        for i, p in enumerate(params):
            kind = TensorType(p.shape, p.dtype)
            handles.append(wrap(region.graph.add_param(f"layer.{i}", kind), np.ndarray))
        out = function(*handles)
        graph = region.close(out if isinstance(out, list | tuple) else [out])
    resolve_dims(graph, scope)
    return graph


def check(function, arrays, params=(), free=True):
    graph = trace(function, arrays, params, free)
    records, constants = symbol_parts(graph)
    text = write_symbol(records)
    program = SymbolProgram(parse_symbol(text))
    assert text == write_symbol(parse_symbol(text))
    for factor in (1, 2) if free else (1,):
        feeds = [onp.concatenate([a] * factor) for a in arrays]
        values = {f"data{i}": wrap(a) for i, a in enumerate(feeds)}
        values.update({f"layer.{i}": wrap(p) for i, p in enumerate(params)})
        values.update({k: wrap(v) for k, v in constants.items()})
        expected = function(*[np.array(a, dtype=a.dtype) for a in (*feeds, *params)])
        expected = expected if isinstance(expected, list | tuple) else [expected]
        found = program.run(values)
        assert len(found) == len(expected)
        for f, e in zip(found, expected, strict=True):
            assert f.dtype == e.dtype
            onp.testing.assert_allclose(f._content(), e.asnumpy(), rtol=2e-5, atol=1e-5)
    return program


def written(x):
    """A value of its own, written to by place, by part, and through a view."""
    y = x * 2
    y[:, 0] = x[:, -1] * 3
    y[0] = y[1]
    y[:, 1:] = 7
    row = y[1]
    row += 1
    return y


A, B = numbers(2, 3), numbers(2, 3)
X4 = numbers(2, 4, 6, 6)
CASES = [
    (lambda a, b: a + b * 2.5 - 1 / a, [A, B]),
    (lambda a, b: 2.0**a % 0.7 // 0.1 + a**b, [A, B]),
    (lambda a, b: np.where(a > b, a, 0.0) + np.where(a < 1, 2.0, b), [A, B]),
    (lambda a: np.maximum(a, 1) + np.minimum(0.5, a), [A]),
    (lambda a: npx.relu(a - 1) + npx.sigmoid(a) + np.tanh(a) + npx.activation(a, "softrelu"), [A]),
    (lambda a: npx.leaky_relu(a - 1, act_type="gelu") + npx.leaky_relu(a - 1), [A]),
    (lambda a: [npx.leaky_relu(a - 1, act_type="elu"), npx.leaky_relu(a - 1, act_type="selu")],
     [A]),
    (lambda a: np.exp(a) + np.log(a) + np.sqrt(a) + np.abs(-a) + np.arctan(a) + np.expm1(a), [A]),
    (lambda a: [a.sum(axis=1), a.mean(axis=-1, keepdims=True), a.max(axis=1), a.min(axis=1)], [A]),
    (lambda a: [a.std(axis=1), a.var(axis=1), a.prod(axis=1), a.argmax(axis=1)], [A]),
    (lambda a: [np.linalg.norm(a, axis=1), np.cumsum(a, axis=1)], [A]),
    (lambda a: [npx.softmax(a), npx.log_softmax(a, axis=1), npx.softmax(a, temperature=2.0)], [A]),
    (lambda a: a.astype("int32") + 3, [A]),
    (lambda a: (a.astype("float16") * 2).astype("float32"), [A]),
    (lambda a: npx.stop_gradient(a) * 2, [A]),
    (lambda x: x.reshape(x.shape[0], -1), [X4]),
    (lambda x: x.reshape(x.shape[0], 2, 2, -1), [X4]),
    (lambda x: npx.reshape(x, (-5, -4)), [X4]),
    (lambda x: npx.reshape(x, (-2, -6, 2, 2, -4)), [X4]),
    (lambda x: x.transpose(0, 2, 3, 1).reshape(-1, 4), [X4]),
    (lambda x: np.swapaxes(x, 1, 3), [X4]),
    (lambda x: [np.expand_dims(x, (1, 3)), np.squeeze(x[:, :1], axis=1)], [X4]),
    (lambda x: np.concatenate([x, x * 2], axis=1), [X4]),
    (lambda x: np.stack([x, x], axis=1), [X4]),
    (lambda x: np.split(x, 2, axis=1), [X4]),
    (lambda x: [x[:, 1], x[:, 1:3, ::2], x[:, -1, None], x[:, :, 2:, 1]], [X4]),
    (lambda x: np.tile(x, (1, 2, 1, 1)) + np.repeat(x, 2, axis=1), [X4]),
    (lambda x: np.flip(x, axis=(1, 2)), [X4]),
    (written, [A]),
    (written, [X4]),
    (lambda x: np.pad(x, ((0, 0), (0, 0), (1, 2), (0, 1)), constant_values=3.0), [X4]),
    (lambda x: np.broadcast_to(x[:, :1], (x.shape[0], 5, 6, 6)), [X4]),
    (lambda x: np.broadcast_to(np.ones((1, 3)) * 2, (x.shape[0], 3)) + x.sum(axis=(1, 2))[:, :3],
     [X4]),
    (lambda x: np.zeros((x.shape[0], 2)) + np.full((2,), 3.0), [X4]),
    (lambda x: npx.pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="max"), [X4]),
    (lambda x: npx.pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg",
                           count_include_pad=False), [X4]),
    (lambda x: npx.pooling(x, kernel=(2, 2), stride=(4, 4), pooling_convention="full"), [X4]),
    (lambda x: npx.pooling(x, kernel=(1, 1), global_pool=True, pool_type="avg"), [X4]),
    (lambda x: np.matmul(x, np.swapaxes(x, 2, 3)), [X4]),
    (lambda x: np.clip(x, 0.5, 1.0) + np.clip(x, 0.7, None), [X4]),
    (lambda x: npx.topk(x, k=2, axis=1, ret_typ="value"), [X4]),
    (lambda x: x * np.array([1, 2, 3, 4, 5, 6]) + np.arange(6), [X4]),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arrays"), CASES)
def test_functions(function, arrays):
    check(function, arrays)


LAYERS = [
    (lambda x, w, b: npx.fully_connected(x, w, b, 5, no_bias=False), [X4],
     [numbers(5, 144), numbers(5)]),
    (lambda x, w: npx.fully_connected(x, w, None, 5, flatten=False), [X4], [numbers(5, 6)]),
    (lambda x, w, b: npx.convolution(x, w, b, (3, 3), (2, 2), (1, 1), (1, 1), 8, 2), [X4],
     [numbers(8, 2, 3, 3), numbers(8)]),
    (lambda x, w: npx.deconvolution(x, w, None, (3, 3), (2, 2), (1, 1), (1, 1), (1, 1),
                                    num_filter=3, no_bias=True), [X4], [numbers(4, 3, 3, 3)]),
    (lambda x, g, b, m, v: npx.batch_norm(x, g, b, m, v, fix_gamma=False), [X4],
     [numbers(4) for _ in range(4)]),
    (lambda x, g, b: npx.layer_norm(x, g, b, axis=-1, eps=1e-5), [X4], [numbers(6), numbers(6)]),
    (lambda x, g, b: npx.group_norm(x, g, b, num_groups=2), [X4], [numbers(4), numbers(4)]),
    (lambda x, g, b: npx.instance_norm(x, g, b), [X4], [numbers(4), numbers(4)]),
    (lambda i, w: npx.embedding(i, w), [onp.array([[1, 4], [0, 2]], "float32")], [numbers(6, 3)]),
    (lambda x, g: npx.leaky_relu(x - 1, g, act_type="prelu"), [X4], [numbers(4)]),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arrays", "params"), LAYERS)
def test_layers(function, arrays, params):
    program = check(function, arrays, params)
    assert set(program.variables) == {"data0", *[f"layer.{i}" for i in range(len(params))]}


def test_recurrent():
    x, h = numbers(5, 2, 3), numbers(1, 2, 4)
    size = 4 * 4 * (3 + 4) + 8 * 4

    def net(x, h, c, w):
        return npx.rnn(x, w, h, c, mode="lstm", state_size=4, num_layers=1, state_outputs=True)

    check(net, [x, h, h * 2], [numbers(size)], free=False)


def test_statistics_are_auxiliary():
    program = check(*LAYERS[4])
    assert program.auxiliary == {"layer.2", "layer.3"}


def test_writes_by_index():
    def net(x):
        y = x * 1
        y[0, 1:3] = 7.0
        y[1] = x[0]
        return y

    check(net, [X4], free=False)


def test_constants_become_variables():
    graph = trace(lambda x: x + np.array([[1.0, 2.0, 3.0]]), [A])
    records, constants = symbol_parts(graph)
    (name,) = constants
    assert constants[name].tolist() == [[1, 2, 3]]
    assert name in [records.nodes[i].name for i in records.arg_nodes]
    assert symbol_from_graph(graph) == records


def test_input_as_output_and_names():
    graph = trace(lambda x: [x, x + 1], [A])
    names = [n.name for n in symbol_from_graph(graph).nodes]
    assert len(set(names)) == len(names)
    check(lambda x: [x, x + 1], [A])


def test_everything_unsupported_is_named_at_once():
    graph = trace(lambda x: [x + np.random.poisson(2, size=3), np.random.permutation(3) + x], [A])
    with pytest.raises(UnsupportedOpError) as caught:
        symbol_from_graph(graph)
    assert {u.op for u in caught.value.unsupported} == {"random_poisson", "random_permutation"}
    assert "test_symbol_write.py" in str(caught.value)


def test_reshape_codes():
    scope = DimScope()
    with scope:
        n, t = scope.declare("n", 2), scope.declare("t", 5)
        assert reshape_codes((n, 3, 4), (n, 12)) == [-2, 12]
        assert reshape_codes((n, t, 4), (n * t, 4)) == [-5, 4]
        assert reshape_codes((n, t, 8), (n, t, 2, 4)) == [-2, -2, 2, 4]
        assert reshape_codes((n, 3, 2, 2), (2, 2, n * 3)) == [2, 2, -1]
        assert reshape_codes((n, t), (t, n)) is None
