"""Modules; the numbers of `test_trains_as_mxnet` are what MXNet 1.9.1 had after three epochs."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import symgluon as mx
from symgluon.module.base import StateError

AFTER = {
    "fc1_weight": [
        [-0.332598, -0.375071, 0.152352, -0.357457, -0.279841],
        [-0.086494, 0.311475, -0.346096, 0.318608, -0.448919],
        [0.459522, -0.029927, 0.460487, 0.101365, 0.230726],
        [-0.622, -0.659744, -0.107665, -0.161255, -0.057741],
    ],
    "fc1_bias": [-0.182, -0.086, -0.436, 0.192],
    "bn_gamma": [-0.230235, -0.50683, 0.022204, -0.320295],
    "bn_beta": [0.222426, 0.221511, -0.181, 0.251545],
    "fc2_weight": [
        [-0.380511, 0.26714, -0.203696, -0.440952],
        [0.126493, -0.275964, 0.317611, -0.334128],
        [0.154584, -0.468075, 0.226865, 0.437197],
    ],
    "fc2_bias": [-0.56644, 0.55742, -0.073981],
    "bn_moving_mean": [-0.071153, -0.024498, -0.216331, 0.091846],
    "bn_moving_var": [0.437382, 0.510436, 0.455909, 0.4487],
}


def network():
    x = mx.sym.var("data")
    h = mx.sym.FullyConnected(x, num_hidden=4, name="fc1")
    h = mx.sym.Activation(mx.sym.BatchNorm(h, name="bn", fix_gamma=False), act_type="relu")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(h, num_hidden=3, name="fc2"), name="softmax")


def problem():
    rng = np.random.RandomState(0)
    x = rng.uniform(-1, 1, (12, 5)).astype("float32")
    y = (x[:, 0] > 0).astype("float32") + (x[:, 1] > 0)
    net = network()
    shapes = zip(net.list_arguments(), net.infer_shape(data=(4, 5))[0], strict=True)
    args = {
        n: mx.nd.array(rng.uniform(-0.5, 0.5, s).round(3))
        for n, s in shapes
        if n not in ("data", "softmax_label")
    }
    states = {"bn_moving_mean": mx.nd.zeros((4,)), "bn_moving_var": mx.nd.ones((4,))}
    return net, mx.io.NDArrayIter(x, y, 4), args, states


RULE = {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01}


@pytest.fixture(scope="module")
def trained():
    net, data, args, states = problem()
    module = mx.mod.Module(net)
    module.fit(data, num_epoch=3, optimizer_params=RULE, arg_params=args, aux_params=states)
    return module, data


def test_trains_as_mxnet(trained):
    module, data = trained
    arguments, states = module.get_params()
    for name, value in {**arguments, **states}.items():
        np.testing.assert_allclose(value.asnumpy(), AFTER[name], atol=3e-6)
    assert module.score(data, "acc") == [("accuracy", 0.5)]
    found = module.predict(data)
    assert found.shape == (12, 3)
    np.testing.assert_allclose(
        found.asnumpy()[:2], [[0.14579, 0.50286, 0.35135], [0.15094, 0.50615, 0.34291]], atol=1e-5
    )
    assert module.output_shapes == [("softmax_output", (4, 3))]


def test_checkpoint(trained, tmp_path):
    module, data = trained
    prefix = str(tmp_path / "net")
    module.save_checkpoint(prefix, 3, save_optimizer_states=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == (
        ["net-0003.params", "net-0003.states", "net-symbol.json"]
    )
    symbol, arguments, states = mx.model.load_checkpoint(prefix, 3)
    assert sorted(states) == ["bn_moving_mean", "bn_moving_var"]
    assert symbol.list_arguments() == module.symbol.list_arguments()
    back = mx.mod.Module.load(prefix, 3, load_optimizer_states=True)
    back.bind(data.provide_data, data.provide_label)
    back.init_optimizer(optimizer_params=RULE)
    data.reset()
    batch = next(data)
    for m in (module, back):  # one more step is the same one
        m.forward_backward(batch)
        m.update()
    for name, value in back.get_params()[0].items():
        np.testing.assert_allclose(value.asnumpy(), module.get_params()[0][name].asnumpy())
    block = mx.gluon.SymbolBlock.imports(f"{prefix}-symbol.json", "data", f"{prefix}-0003.params")
    plain = mx.mod.Module(symbol, label_names=["softmax_label"])
    plain.bind(data.provide_data, for_training=False)
    plain.set_params(arguments, states)
    plain.forward(batch, is_train=False)
    np.testing.assert_allclose(
        plain.get_outputs()[0].asnumpy(), block(batch.data[0]).asnumpy(), rtol=1e-5
    )


def test_batches_of_other_sizes(trained):
    module, _ = trained
    x = mx.nd.array(np.random.RandomState(1).rand(6, 5))
    whole = module.predict(x).asnumpy()
    for rows in (2, 4, 2):
        np.testing.assert_allclose(module.predict(x[:rows]).asnumpy(), whole[:rows], rtol=1e-5)


def test_input_gradients_and_fixed_parameters():
    net, data, args, states = problem()
    module = mx.mod.Module(net, fixed_param_names=["fc1_weight"])
    module.bind(data.provide_data, data.provide_label, inputs_need_grad=True)
    module.init_params(mx.init.Uniform(0.1), args, states)
    module.init_optimizer(optimizer_params=RULE)
    module.forward_backward(next(data))
    module.update()
    assert np.abs(module.get_input_grads()[0].asnumpy()).sum() > 0
    found = module.get_params()[0]
    assert (found["fc1_weight"].asnumpy() == args["fc1_weight"].asnumpy()).all()
    assert (found["fc2_weight"].asnumpy() != args["fc2_weight"].asnumpy()).any()


class Rows:
    """A batch that is no `DataBatch`: all that is read of it is `data`."""

    def __init__(self, *data):
        self.data = data


def test_batches_of_any_kind():
    module = mx.mod.Module(mx.sym.exp(mx.sym.var("data")), label_names=None)
    module.bind([("data", (2, 3))])
    module.init_params()
    for shape in ((2, 3), (5, 1), (2, 3)):
        module.forward(Rows(mx.nd.zeros(shape)))
        assert module.get_outputs()[0].asnumpy().tolist() == np.ones(shape).tolist()
    assert module.predict(np.zeros((4, 2))).asnumpy().tolist() == [[1, 1]] * 4


def bucket(key):
    x = mx.sym.var("data")
    h = mx.sym.FullyConnected(mx.sym.sum(x, axis=1), num_hidden=2, name="fc")
    return mx.sym.SoftmaxOutput(h, name="softmax"), ("data",), ("softmax_label",)


def test_buckets_share_parameters():
    module = mx.mod.BucketingModule(bucket, default_bucket_key=5)
    module.bind([("data", (2, 5, 3))], [("softmax_label", (2,))])
    module.init_params(mx.init.One())
    module.init_optimizer(optimizer_params={"learning_rate": 0.01})
    for key in (3, 5, 3):
        before = module.get_params()[0]["fc_weight"].asnumpy()
        batch = mx.io.DataBatch(
            [mx.nd.ones((2, key, 3))], [mx.nd.array([0, 1])], bucket_key=key,
            provide_data=[("data", (2, key, 3))], provide_label=[("softmax_label", (2,))],
        )  # fmt: skip
        batch.label[0][:] = 0
        module.forward_backward(batch)
        module.update()
        assert module.get_outputs()[0].shape == (2, 2)
        assert (module.get_params()[0]["fc_weight"].asnumpy() != before).all()


def test_callbacks_and_logs(tmp_path, caplog):
    net, data, args, states = problem()
    module = mx.mod.Module(net)
    seen = []
    with caplog.at_level(logging.INFO):
        module.fit(
            data, eval_data=data, num_epoch=2, arg_params=args, aux_params=states,
            batch_end_callback=[mx.callback.Speedometer(4, 1), lambda p: seen.append(p.nbatch)],
            epoch_end_callback=mx.callback.do_checkpoint(str(tmp_path / "cp")),
            eval_end_callback=mx.callback.LogValidationMetricsCallback(),
        )  # fmt: skip
    assert seen == [0, 1, 2, 0, 1, 2]
    assert (tmp_path / "cp-0002.params").exists()
    assert "Epoch[1] Train-accuracy" in caplog.text
    assert "samples/sec" in caplog.text
    assert "Validation-accuracy" in caplog.text


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda m, d: mx.mod.Module(network(), ["x"]), ValueError, "no argument 'x'"),
        (lambda m, d: m.forward(next(d)), StateError, "call bind"),
        (lambda m, d: (m.bind(d.provide_data), m.forward(next(d))), StateError, "init_params"),
        (lambda m, d: m.bind([("x", (1, 5))]), ValueError, "bind: data_shapes names x"),
        (lambda m, d: m.bind([("data", mx.nd.array([4, 5]))]), TypeError, "tuple of numbers"),
        (lambda m, d: m.fit(d), ValueError, "num_epoch"),
        (
            lambda m, d: (
                m.bind(d.provide_data),
                m.init_params(arg_params={"zz": 1}, allow_missing=True),
            ),
            ValueError,
            "no parameter zz",
        ),
        (
            lambda m, d: (m.bind(d.provide_data), m.init_params(arg_params={})),
            RuntimeError,
            "is not presented",
        ),
        (lambda m, d: mx.mod.BucketingModule(bucket), ValueError, "default_bucket_key"),
    ],
)
def test_misuse(call, kind, message):
    net, data, _, _ = problem()
    with pytest.raises(kind, match=message):
        call(mx.mod.Module(net), data)
