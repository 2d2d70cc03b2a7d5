"""Executors: arrays, gradients, modes, reshaping; loops and branches; blocks and symbols."""

from __future__ import annotations

import numpy as np
import pytest

import symgluon as mx
from symgluon.errors import ShapeError, SymgluonError

A, B = mx.sym.var("a"), mx.sym.var("b")


def nd(*values):
    return mx.nd.array(values)


def test_reads_and_writes_the_arrays_it_was_given():
    a, b, grad = nd(1, 2), nd(3, 4), mx.nd.zeros((2,))
    run = (A * B).bind(mx.cpu(), [a, b], {"a": grad}, grad_req={"a": "add", "b": "write"})
    for n in (1, 2):
        assert run.forward(is_train=True)[0].asnumpy().tolist() == [3, 8]
        run.backward(mx.nd.ones((2,)))
        assert grad.asnumpy().tolist() == [3 * n, 4 * n]
    a[:] = 5
    assert run.forward()[0].asnumpy().tolist() == [15, 20]
    assert run.forward(b=nd(1, 1))[0].asnumpy().tolist() == [5, 5]
    assert b.asnumpy().tolist() == [1, 1]
    assert run.grad_dict["b"] is None
    assert a._leaf is None  # the user's array did not become a variable


def test_a_gradient_that_nothing_arrives_at_is_zero():
    net = mx.sym.BatchNorm(A, fix_gamma=True, name="bn") + mx.sym.sign(B)
    run = net.simple_bind(a=(2, 3), b=(2, 3))
    for grad in run.grad_arrays:
        grad[:] = 7
    run.forward(is_train=True)
    run.backward(mx.nd.ones((2, 3)))
    assert run.grad_dict["bn_gamma"].asnumpy().tolist() == [0] * 3
    assert run.grad_dict["bn_beta"].asnumpy().tolist() == [2] * 3
    assert run.grad_dict["b"].asnumpy().tolist() == [[0] * 3] * 2


def test_backward_may_be_called_again():
    run = (A * A).bind(args={"a": nd(3)}, args_grad={"a": mx.nd.zeros((1,))})
    run.forward(is_train=True)
    for _ in range(2):
        run.backward()
        assert run.grad_dict["a"].asnumpy().tolist() == [6]


def test_backward_after_prediction_and_later_writes():
    a = nd(3, 4)
    run = mx.sym.Dropout(A * A).bind(args=[a], args_grad=[mx.nd.zeros((2,))])
    assert run.forward()[0].asnumpy().tolist() == [9, 16]
    a[:] = 100  # the gradient is that of the forward that was
    run.backward(mx.nd.ones((2,)))
    assert run.grad_arrays[0].asnumpy().tolist() == [6, 8]


def test_two_outputs_and_their_gradients():
    group = mx.sym.Group([A * 2, mx.sym.BlockGrad(A), A * A])
    run = group.bind(args=[nd(1, 2)], args_grad=[mx.nd.zeros((2,))])
    run.forward(is_train=True)
    run.backward([nd(1, 1), nd(9, 9), nd(1, 10)])
    assert run.grad_arrays[0].asnumpy().tolist() == [4, 42]


def test_modes():
    run = mx.sym.Dropout(A, p=0.5).bind(args=[mx.nd.ones((100,))])
    assert run.forward()[0].asnumpy().tolist() == [1] * 100
    trained = run.forward(is_train=True)[0].asnumpy()
    assert set(trained) == {0, 2}
    assert (run.forward(is_train=True)[0].asnumpy() != trained).any()  # new draws each time


def test_simple_bind_and_reshape():
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(A, num_hidden=3, name="fc"), name="s")
    run = net.simple_bind(mx.cpu(), a=(4, 2), type_dict={"a": "float32"}, grad_req="add")
    assert {n: x.shape for n, x in run.arg_dict.items()} == (
        {"a": (4, 2), "fc_weight": (3, 2), "fc_bias": (3,), "s_label": (4,)}
    )
    assert run.outputs[0].shape == (4, 3)
    run.arg_dict["fc_weight"][:] = 1
    small = run.reshape(partial_shaping=True, a=(2, 2))
    assert small.arg_dict["fc_weight"] is run.arg_dict["fc_weight"]
    assert small.arg_dict["s_label"].shape == (2,)
    with pytest.raises(ShapeError, match="allow_up_sizing"):
        run.reshape(partial_shaping=True, a=(8, 2))
    with pytest.raises(ShapeError, match="partial_shaping"):
        run.reshape(a=(2, 2))
    half = net._simple_bind(a=(4, 2), type_dict={"a": "float16"})
    assert half.arg_dict["fc_weight"].dtype == np.float16


def test_outputs_are_the_same_arrays_each_time():
    run = (A * 2).bind(args=[nd(1, 2)])
    before = run.outputs[0]
    assert before.asnumpy().tolist() == [0, 0]
    run.forward()
    assert run.outputs[0] is before
    assert before.asnumpy().tolist() == [2, 4]
    half = (A * 2).bind(args=[nd(1, 2).astype("float16")])
    assert half.outputs[0].dtype == np.float16


def test_a_smaller_executor_shares_memory():
    run = (A * 2).simple_bind(a=(3, 2))
    small = run.reshape(a=(2, 2))
    run.arg_dict["a"][:] = 1
    assert small.forward()[0].asnumpy().tolist() == [[2, 2], [2, 2]]
    small.arg_dict["a"][:] = 5
    assert run.forward()[0].asnumpy().tolist() == [[10, 10], [10, 10], [2, 2]]


def test_copy_params():
    run = mx.sym.BatchNorm(A, name="bn").simple_bind(a=(2, 3))
    run.copy_params_from({"bn_gamma": nd(1, 2, 3)}, {"bn_moving_var": nd(4, 5, 6)})
    assert run.arg_dict["bn_gamma"].asnumpy().tolist() == [1, 2, 3]
    assert run.aux_dict["bn_moving_var"].asnumpy().tolist() == [4, 5, 6]
    with pytest.raises(ValueError, match='"zz"'):
        run.copy_params_from({"zz": nd(1)})
    run.copy_params_from({"zz": nd(1)}, allow_extra_params=True)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: (A * B).eval(a=nd(1)), ValueError, "key `b` is missing in `args`"),
        (lambda: (A * B).bind(args=[nd(1)]), ValueError, "does not match"),
        (lambda: A.bind(args=[1]), TypeError, "NDArrays"),
        (lambda: A.bind(args=[nd(1)], grad_req="x"), ValueError, "grad_req"),
        (lambda: mx.sym.BatchNorm(A).bind(args=[nd(1)] * 3), ValueError, "is missing in `aux"),
        (
            lambda: mx.sym.FullyConnected(A, num_hidden=1).simple_bind(),
            ShapeError,
            "cannot be found",
        ),
        (lambda: A.simple_bind(zz=(1,)), ValueError, "no argument 'zz'"),
        (lambda: A.bind(args=[nd(1)]).backward(), RuntimeError, "call forward first"),
        (lambda: A.bind(args=[nd(1)]).forward(zz=nd(1)), TypeError, "Unknown argument zz"),
        (lambda: A.bind(args=[nd(1)]).forward(a=nd(1, 2)), ShapeError, "argument a"),
    ],
)
def test_misuse(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_an_error_names_the_node():
    bad = mx.sym.dot(A, B, name="product")
    with pytest.raises(SymgluonError, match=r"node product \(dot\)"):
        bad.eval(a=mx.nd.ones((2, 3)), b=mx.nd.ones((2, 3)))


# ---- loops and branches ------------------------------------------------------------------------------
W, S = mx.sym.var("w"), mx.sym.var("s")


def loops():
    """Symbol, arrays, and what a loop in Python gives."""
    outs, states = mx.sym.contrib.foreach(lambda x, s: (x - W * s[0], [2 * s[0] - x]), A, [S])
    yield mx.sym.Group([outs, *states]), {"a": (4, 1, 7), "s": (3,), "w": (2,)}, (
        [[-2], [-3], [1]], [-1])  # fmt: skip
    outs, last = mx.sym.contrib.while_loop(
        lambda n, v: v < 30, lambda n, v: ([v - n], [n * 2, v * W]), (A, S), 5
    )
    yield mx.sym.Group([*outs, *last]), {"a": (1,), "s": (4,), "w": (3,)}, (
        [[3], [10], [0], [0], [0]], [4], [36])  # fmt: skip
    found = mx.sym.contrib.cond(A > B, lambda: A * 10 - B, lambda: mx.sym.square(B) * A)
    yield found, {"a": (3,), "b": (1,)}, ([29],)
    yield found, {"a": (3,), "b": (4,)}, ([48],)
    nested, _ = mx.sym.contrib.foreach(
        lambda x, s: (mx.sym.contrib.cond(x > 1, lambda: x * W, lambda: x + W), s + x), A, S
    )
    yield nested, {"a": (1, 2), "s": (0,), "w": (10,)}, ([[11], [20]],)
    dense = mx.sym.contrib.foreach(
        lambda x, s: (mx.sym.FullyConnected(x, num_hidden=1, no_bias=True, name="fc"), s + 1),
        mx.sym.reshape(A, shape=(2, 1, 1)), S,
    )[0]  # fmt: skip
    yield dense, {"a": (1, 2), "s": (0,), "fc_weight": [[3]]}, ([[[3]], [[6]]],)


@pytest.mark.parametrize("number", range(6))
def test_loops_and_branches(number):
    symbol, given, expected = list(loops())[number]
    arrays = {k: mx.nd.array(v) for k, v in given.items()}
    assert sorted(symbol.list_arguments()) == sorted(given)
    back = mx.sym.load_json(symbol.tojson())
    for each in (symbol, back):
        found = [r.asnumpy() for r in each.eval(**arrays)]
        for f, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(f.reshape(np.shape(e)), e)


def test_files_of_loops_are_the_same_each_time():
    def text():
        with mx.name.NameManager():
            return [symbol.tojson() for symbol, _, _ in loops()]

    assert text() == text()


def test_gradient_through_a_loop():
    outs, _ = mx.sym.contrib.foreach(lambda d, s: (s * W + d, s * W), A, S)
    run = outs.bind(
        args={"a": nd(0, 0), "s": nd(3), "w": nd(2)}, args_grad={"w": mx.nd.zeros((1,))}
    )
    run.forward(is_train=True)
    run.backward(mx.nd.ones(run.outputs[0].shape))
    assert run.grad_dict["w"].asnumpy().tolist() == [3 + 2 * 3 * 2]  # 3 w + 3 w^2


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda c: c.foreach(lambda d, s: d, A, S), TypeError, "must return"),
        (lambda c: c.foreach(lambda d, s: (d, [s, s]), A, S), ValueError, "states of the body"),
        (lambda c: c.foreach(lambda d, s: (s, s), A, S), ValueError, "does not read all"),
        (lambda c: c.foreach(lambda d, s: (d, s), 1, S), TypeError, "must be symbols"),
        (lambda c: c.while_loop(lambda i: i, lambda i: ([], i), A), ValueError, "max_iterations"),
        (lambda c: c.cond(1, lambda: A, lambda: A), TypeError, "pred must be a symbol"),
        (lambda c: c.cond(A, lambda: A, lambda: [A, A]), ValueError, "different structures"),
    ],
)
def test_loops_misused(call, kind, message):
    with pytest.raises(kind, match=message):
        call(mx.sym.contrib)


# ---- NumPy's rules -----------------------------------------------------------------------------------
def test_symbols_with_numpys_rules():
    a, b = (x.as_np_ndarray() for x in (A, B))
    arrays = {"a": mx.np.array([[1.0, 2.0], [3.0, 4.0]]), "b": mx.np.array([1.0, 2.0])}
    x, y = (v.asnumpy() for v in arrays.values())
    pairs = {
        "sum": (a + b, x + y), "scalar": (1 - a, 1 - x), "compare": (a > b, x > y),
        "power": (a**2, x**2), "mod": (a % 2, x % 2), "divide": (2 / a, 2 / x),
        "index": (a[0], x[0]), "column": (a[:, -1], x[:, -1]), "rows": (a[0:1], x[0:1]),
        "reduce": (a.sum(axis=1), x.sum(1)), "turned": (a.T, x.T), "mean": (a.mean(), x.mean()),
        "flat": (a.flatten(), x.reshape(-1)), "dot": (mx.sym.np.dot(a, b), x @ y),
        "joined": (mx.sym.np.concatenate([a, a], axis=1), np.concatenate([x, x], 1)),
        "where": (mx.sym.np.where(a > 2, a, 0), np.where(x > 2, x, 0)),
        "exp": (mx.sym.np.exp(a), np.exp(x)), "zeros": (mx.sym.np.zeros((2,)) + b, y),
        "relu": (mx.sym.npx.relu(a), x), "split": (mx.sym.np.split(a, 2)[1], x[1:]),
    }  # fmt: skip
    for name, (symbol, expected) in pairs.items():
        assert isinstance(symbol, mx.sym.numpy._Symbol), name
        given = {n: arrays[n] for n in symbol.list_arguments()}
        (found,) = symbol.eval(**given)
        assert type(found) is mx.np.ndarray
        assert found.shape == np.shape(expected), name
        assert (found.dtype == bool) == (np.asarray(expected).dtype == bool), name
        np.testing.assert_allclose(found.asnumpy(), expected, rtol=1e-6, err_msg=name)
    assert type((a + b).as_nd_ndarray()) is mx.sym.Symbol
    with pytest.raises(IndexError, match="numbers and slices"):
        a[..., None]


# ---- blocks ------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def net():
    made = mx.gluon.nn.HybridSequential()
    made.add(mx.gluon.nn.Conv2D(4, 3, activation="relu"), mx.gluon.nn.BatchNorm(),
             mx.gluon.nn.Flatten(), mx.gluon.nn.Dense(3))  # fmt: skip
    made.initialize()
    made(mx.np.ones((1, 3, 8, 8)))
    return made


def test_a_block_called_with_a_symbol(net):
    x = mx.np.array(np.random.RandomState(0).rand(2, 3, 8, 8).astype("float32"))
    symbol = net(mx.sym.var("image", shape=(1, 3, 8, 8)) * 2)
    assert symbol.list_arguments()[0] == "image"
    assert set(symbol.list_arguments()[1:]) | set(symbol.list_auxiliary_states()) == (
        set(net.collect_params())
    )
    block = mx.gluon.SymbolBlock(symbol, mx.sym.var("image"), params=net.collect_params())
    np.testing.assert_allclose(block(x).asnumpy(), net(x * 2).asnumpy(), rtol=1e-5)
    weight = net[3].weight
    assert block.collect_params()["3.weight"] is weight
    part = mx.gluon.SymbolBlock(
        [symbol.get_internals()["relu_output"]], ["image"], params=net.collect_params()
    )
    np.testing.assert_allclose(part(x).asnumpy(), net[0](x * 2).asnumpy(), rtol=1e-5)
    with pytest.raises(ValueError, match="needs the shape of data"):
        net(mx.sym.var("data"))
    with pytest.raises(TypeError, match="all arguments must be symbols"):
        net(mx.sym.var("data", shape=(1, 3, 8, 8)), 3)


def test_symbol_block_of_symbols():
    out = mx.sym.FullyConnected(A, num_hidden=2, name="fc") + mx.sym.var("bias2", shape=(1, 2))
    block = mx.gluon.SymbolBlock(out, A, params={"arg:fc_weight": mx.nd.ones((2, 3)), "zz": 1})
    with pytest.warns(UserWarning, match="'fc_weight' is already initialized"):
        block.initialize()
    found = block(mx.np.ones((1, 3)))
    assert found.shape == (1, 2)
    with pytest.raises(TypeError, match="expects a symbol"):
        mx.gluon.SymbolBlock(3, "a")
