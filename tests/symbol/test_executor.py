"""Executors give the numbers, gradients and statistics of real MXNet 1.9.1."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import SymgluonError

S = mx.sym
RECORDED = json.loads(
    (Path(__file__).parent / "data" / "numbers.json").read_text(encoding="utf-8")
)


@pytest.fixture(autouse=True)
def _legacy():
    mx.npx.reset_np()
    with mx.name.NameManager():
        yield
    mx.npx.set_np()


def net():
    h = S.Convolution(S.var("data"), kernel=(3, 3), num_filter=4, pad=(1, 1), name="conv")
    h = S.BatchNorm(h, fix_gamma=False, name="bn", momentum=0.8)
    h = S.Activation(h, act_type="relu", name="act")
    h = S.Pooling(h, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool")
    h = S.FullyConnected(S.flatten(h), num_hidden=3, name="fc")
    return S.SoftmaxOutput(h, name="softmax")


def arrays():
    shapes = RECORDED["shapes"]
    values = RECORDED["seed_args"]
    args = {n: mx.nd.array(onp.reshape(values[n], shapes[n]).astype("f")) for n in shapes}
    aux = {"bn_moving_mean": mx.nd.array([0.1, 0.2, -0.1, 0]),
           "bn_moving_var": mx.nd.array([1, 0.5, 2, 1.0])}  # fmt: skip
    return args, aux


def close(got, expected, tolerance=1e-5):
    onp.testing.assert_allclose(onp.asarray(got), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("way", ["composed", "file", "simple_bind", "lists"])
def test_as_mxnet_computes(way):
    symbol = S.load_json(RECORDED["json"]) if way == "file" else net()
    args, aux = arrays()
    grads = {n: mx.nd.zeros(a.shape) for n, a in args.items()}
    if way == "simple_bind":
        run = symbol.simple_bind(mx.cpu(), data=(4, 2, 6, 6))
        run.copy_params_from(args, aux)
    elif way == "lists":
        names = symbol.list_arguments()
        run = symbol.bind(mx.cpu(), [args[n] for n in names], [grads[n] for n in names], "write",
                          list(aux.values()))  # fmt: skip
    else:
        run = symbol.bind(mx.cpu(), args, grads, "write", aux)
    close(run.forward(is_train=False)[0].asnumpy(), RECORDED["predict"])
    close(run.forward(is_train=True)[0].asnumpy(), RECORDED["train"])
    run.backward()
    for name, (size, first) in RECORDED["grads"].items():
        found = run.grad_dict[name].asnumpy()
        close([onp.abs(found).sum(), found.ravel()[0]], [size, first], 1e-4)
    for name, expected in RECORDED["aux"].items():
        close(run.aux_dict[name].asnumpy(), expected)
    assert list(run.output_dict) == ["softmax_output"]
    assert len(run.arg_arrays) == len(run.grad_arrays) == 8
    assert len(run.aux_arrays) == 2


def loops(kind):
    w = S.var("w")
    if kind == "foreach":
        outs, last = S.contrib.foreach(
            lambda x, s: (S.broadcast_mul(x, w) + s[0], [x * 0.5 + s[0]]), S.var("x"), [S.var("s")]
        )
        return S.Group([outs, *last])
    if kind == "while_loop":
        outs, last = S.contrib.while_loop(
            lambda i, s: i < 4, lambda i, s: (i * 2, [i + 1, s + i * w]),
            [S.var("i"), S.var("t")], max_iterations=6,
        )  # fmt: skip
        return S.Group([outs, *last])
    return S.contrib.cond(S.var("p") > 1, lambda: w * 2, lambda: S.var("s") + w)


LOOPS = {
    "foreach": [{"x": [[1, 2], [3, 4.0]], "s": [1, 1.0], "w": [2, 3.0]}],
    "while_loop": [{"i": [1.0], "t": [0.0], "w": [2.0]}],
    "cond": [{"p": [0.0], "w": [2.0], "s": [5.0]}, {"p": [2.0], "w": [2.0], "s": [5.0]}],
}


@pytest.mark.parametrize("source", ["composed", "mxnet's file", "own file"])
@pytest.mark.parametrize("kind", LOOPS)
def test_loops_and_branches(kind, source):
    symbol = loops(kind)
    recorded = RECORDED[kind]["values"]
    if source == "mxnet's file":
        symbol = S.load_json(RECORDED[kind]["json"])
    elif source == "own file":
        symbol = S.load_json(symbol.tojson())
    expected = recorded if kind == "cond" else [recorded]
    for given, values in zip(LOOPS[kind], expected, strict=True):
        found = symbol.eval(**{k: mx.nd.array(v) for k, v in given.items()})
        assert len(found) == len(values)
        for a, b in zip(found, values, strict=True):
            # MXNet pads the outputs of a while_loop with whatever is in memory, here next to 0
            onp.testing.assert_allclose(a.asnumpy(), b, rtol=1e-6, atol=1e-6)


def test_a_body_that_reads_little():
    x, s = S.var("x"), S.var("s")
    outer = S.relu(S.var("a"))
    outs, last = S.contrib.foreach(lambda a, b: (outer * 1, b), [x, x], s)
    found = S.Group([outs, last]).eval(
        x=mx.nd.ones((3, 2)), s=mx.nd.array([7.0]), a=mx.nd.array([-1.0, 2.0])
    )
    assert found[0].asnumpy().tolist() == [[0, 2]] * 3
    assert found[1].asnumpy().tolist() == [7]


def test_gradients_through_a_loop():
    w, x, s = S.var("w"), S.var("x"), S.var("s")
    _, last = S.contrib.foreach(lambda a, b: (a, b * w + a), x, s)
    args = {
        "x": mx.nd.array([1.0, 2, 3]).reshape((3, 1)),
        "s": mx.nd.ones(1),
        "w": mx.nd.array([2.0]),
    }
    run = last.bind(None, args, {"w": mx.nd.zeros(1), "s": mx.nd.zeros(1)})
    assert run.forward(is_train=True)[0].asnumpy().tolist() == [19]
    run.backward()
    assert run.grad_dict["w"].asnumpy().tolist() == [18]  # 3 w^2 s + 2 w + 2
    assert run.grad_dict["s"].asnumpy().tolist() == [8]


def test_gradients_are_added_or_left_out():
    x, w = S.var("x"), S.var("w")
    args = {"x": mx.nd.array([1.0, 2]), "w": mx.nd.array([3.0, 4])}
    run = (x * w).bind(None, args, {"x": mx.nd.ones(2), "w": mx.nd.zeros(2)},
                       {"x": "add", "w": "null"})  # fmt: skip
    for _ in range(2):
        run.forward(is_train=True)
        run.backward(mx.nd.array([1.0, 10]))
    assert run.grad_dict["x"].asnumpy().tolist() == [7, 81]
    assert run.grad_dict["w"].asnumpy().tolist() == [0, 0]


def test_new_content_and_shapes():
    run = (S.var("x") * 2).simple_bind(x=(2, 3))
    assert run.forward(x=mx.nd.ones((2, 3)))[0].asnumpy().tolist() == [[2, 2, 2]] * 2
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3,\)"):
        run.forward(x=mx.nd.ones(3))
    with pytest.raises(TypeError, match="no argument 'y'"):
        run.forward(y=mx.nd.ones(3))
    smaller = run.reshape(x=(1, 3))
    assert smaller.forward(x=mx.nd.ones((1, 3)))[0].shape == (1, 3)
    with pytest.raises(ValueError, match="allow_up_sizing"):
        run.reshape(x=(4, 3))


REFUSED = {
    "too few": (lambda: net().bind(None, [mx.nd.ones(2)]), ValueError, "1 arrays for 8"),
    "missing": (lambda: net().bind(None, {"data": mx.nd.ones(2)}), ValueError, "conv_weight"),
    "request": (lambda: (S.var("x") * 2).simple_bind(x=(2,), grad_req="both"), ValueError, "both"),
    "shapes": (lambda: (S.var("x") * 2).simple_bind(), ValueError, "shapes of x"),
    "early": (lambda: (S.var("x") * 2).simple_bind(x=(2,)).backward(), RuntimeError, "forward"),
    "extra": (lambda: (S.var("x") * 2).simple_bind(x=(2,)).copy_params_from({"y": mx.nd.ones(2)}),
              ValueError, "'y'"),
    "operator": (lambda: S.load_json(net().tojson().replace("Pooling", "Poolin")).infer_shape(),
                 SymgluonError, "Poolin"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    call, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        call()


def test_a_block_of_symbols():
    x = S.var("data")
    h = S.FullyConnected(x, num_hidden=4, name="fc1").relu()
    block = mx.gluon.SymbolBlock(S.FullyConnected(h, num_hidden=2, name="fc2"), [x])
    block.initialize(mx.init.One())  # of all parameters, as in MXNet
    data = mx.nd.array([[1.0, 2, 3]])
    assert block(data).asnumpy().tolist() == [[29, 29]]
    block.hybridize()
    assert block(data).asnumpy().tolist() == [[29, 29]]
    assert sorted(block.collect_params()) == ["fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight"]


@pytest.mark.parametrize("symbols", [False, True])
def test_draws(symbols):
    mx.random.seed(3)
    if symbols:
        draw = S.random.normal(S.var("m"), S.var("s"), shape=(1000,))
        (found,) = draw.eval(m=mx.nd.array([5.0, -5]), s=mx.nd.array([0.1, 0.1]))
        assert found.shape == (2, 1000)
        close(found.asnumpy().mean(axis=1), [5, -5], 0.05)
    else:
        (found,) = S.random.uniform(2, 3, shape=(1000,)).eval()
        assert 2 <= found.asnumpy().min() <= found.asnumpy().max() < 3
    with pytest.raises(SymgluonError, match="all parameters as symbols"):
        S.random.normal(S.var("m"), 1)
