"""Names of blocks and parameters, `ParameterDict`: what MXNet 1.9.1 gives."""

from __future__ import annotations

import copy
import pickle

import pytest


def _net(**kwargs):
    from mxnet import gluon
    from mxnet.gluon import nn

    class Net(gluon.HybridBlock):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.w = self.params.get("weight", shape=(4, 0), allow_deferred_init=True)
                self.body = nn.HybridSequential(prefix="")
                with self.body.name_scope():
                    self.body.add(nn.Conv2D(2, 3), nn.BatchNorm(), nn.Dense(3, activation="relu"))
                self.tail = nn.HybridSequential(prefix="tail_")
                self.tail.add(nn.Dense(2))
                with self.tail.name_scope():
                    self.tail.add(nn.Dense(2), nn.MaxPool2D(), nn.Dense(2))

        def hybrid_forward(self, F, x, w):
            return x

    return Net(**kwargs)


NAMES = [
    "net_weight", "net_conv0_weight", "net_conv0_bias", "net_batchnorm0_gamma",
    "net_batchnorm0_beta", "net_batchnorm0_running_mean", "net_batchnorm0_running_var",
    "net_dense0_weight", "net_dense0_bias", "net_dense1_weight", "net_dense1_bias",
    "net_tail_dense0_weight", "net_tail_dense0_bias", "net_tail_dense1_weight",
    "net_tail_dense1_bias",
]  # fmt: skip


def test_names_of_parameters():
    net = _net(prefix="net_")
    assert list(net.collect_params()) == NAMES
    wanted = [n for n in NAMES if n.endswith("weight")]
    assert list(net.collect_params(".*weight")) == wanted
    assert [p.name for p in net.collect_params().values()] == NAMES
    assert (net.name, net.prefix, net.body.prefix) == ("net", "net_", "net_")
    assert (net.tail.name, net.params.prefix) == ("net_tail", "net_")


def test_blocks_outside_of_scopes_are_counted():
    from mxnet.gluon import nn

    first, second = nn.Dense(2), nn.Dense(2)
    assert int(second.name[5:]) == int(first.name[5:]) + 1
    assert list(second.collect_params()) == [second.name + "_weight", second.name + "_bias"]


HINTS = {
    "nn.Conv2D(1, 1)": "h_conv0",
    "nn.MaxPool2D()": "h_pool0",
    "nn.GlobalAvgPool2D()": "h_pool0",
    "nn.Dense(1, activation='relu')": "h_dense0",
    "nn.Activation('relu')": "h_relu0",
    "nn.LeakyReLU(0.1)": "h_leakyrelu0",
    "nn.HybridLambda('relu')": "h_hybridlambda0",
    "nn.Conv2DTranspose(1, 1)": "h_conv0",
    "nn.LayerNorm()": "h_layernorm0",
    "rnn.LSTM(1)": "h_lstm0",
    "rnn.LSTMCell(1)": "h_lstm0",
    "rnn.RNNCell(1)": "h_rnn0",
    "rnn.DropoutCell(0.1)": "h_dropout0",
    "rnn.HybridSequentialRNNCell()": "h_hybridsequentialrnncell0",
    "rnn.ResidualCell(rnn.LSTMCell(1))": "h_h_lstm0_residualcell",
    "rnn.ZoneoutCell(rnn.LSTMCell(1))": "h_h_lstm0_zoneout",
    "rnn.BidirectionalCell(rnn.LSTMCell(1), rnn.LSTMCell(1))": "h",
    "contrib.nn.HybridConcurrent()": "h_hybridconcurrent0",
    "contrib.rnn.Conv2DLSTMCell((1, 4, 4), 1, 1, 1)": "h_conv_lstm0",
    "contrib.rnn.LSTMPCell(2, 1)": "h_lstmp0",
    "contrib.cnn.DeformableConvolution(1, 1)": "h_deformable_conv0",
    "loss.L2Loss()": "h_l2loss0",
}


@pytest.mark.parametrize("made", HINTS)
def test_names_of_layers(made):
    from mxnet import gluon
    from mxnet.gluon import contrib, loss, nn, rnn

    outer = gluon.HybridBlock(prefix="h_")
    with outer.name_scope():
        block = eval(made, {"nn": nn, "rnn": rnn, "contrib": contrib, "loss": loss})
    assert block.name == HINTS[made]


def test_parameters_of_recurrent_layers():
    from mxnet.gluon import rnn

    layer = rnn.LSTM(3, 2, bidirectional=True, prefix="l_")
    names = [f"{d}{n}_{k}" for n in (0, 1) for d in "lr"
             for k in ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")]  # fmt: skip
    assert list(layer.collect_params()) == ["l_" + n for n in names]
    assert list(layer._reg_params) == names
    assert layer.l0_i2h_weight.shape == (12, 0)
    assert layer.r1_i2h_weight.shape == (12, 6)


def test_sharing_by_params():
    from mxnet.gluon import nn

    one = nn.Dense(2, prefix="a_")
    other = nn.Dense(2, params=one.params, prefix="b_")
    assert other.weight is one.weight
    assert (other.prefix, list(other.collect_params())) == ("b_", ["a_weight", "a_bias"])


# ---- ParameterDict -----------------------------------------------------------------------------
def test_get_fills_in_what_is_open():
    from mxnet import gluon

    params = gluon.ParameterDict("k_")
    first = params.get("w", shape=(2, 0), allow_deferred_init=True)
    assert first.shape == (2, 0)
    assert params.get("w", shape=(0, 3)) is first
    assert first.shape == (2, 3)
    assert repr(params) == "k_ (\n  Parameter k_w (shape=(2, 3), dtype=float32)\n)"


@pytest.mark.parametrize("other", [{"shape": (3, 0)}, {"dtype": "float16"}, {"lr_mult": 3}])
def test_get_refuses_what_does_not_agree(other):
    from mxnet import gluon

    params = gluon.parameter.ParameterDict("k_")
    params.get("w", shape=(2, 0), allow_deferred_init=True)
    with pytest.raises(AssertionError, match="k_w"):
        params.get("w", **other)


def test_constants():
    from mxnet import gluon

    params = gluon.ParameterDict("k_")
    constant = params.get_constant("c", [[1, 2]])
    assert (constant.name, constant.dtype, constant.grad_req) == ("k_c", "float32", "null")
    assert params.get_constant("c", [[1, 2]]) is constant
    with pytest.raises(AssertionError, match="other values"):
        params.get_constant("c", [[1, 3]])
    with pytest.raises(KeyError, match="value"):
        params.get_constant("d")


def test_all_at_once(tmp_path):
    import mxnet as mx

    net = mx.gluon.nn.Dense(2, in_units=3, prefix="d_")
    params = net.collect_params()
    params.initialize("ones", ctx=mx.cpu())
    params.setattr("grad_req", "add")
    assert net.weight.grad_req == "add"
    assert params.list_ctx() == [mx.cpu()]
    with mx.autograd.record():
        net(mx.nd.ones((1, 3))).backward()
    assert net.weight.grad().asnumpy().sum() == 6
    params.zero_grad()
    assert net.weight.grad().asnumpy().sum() == 0
    params.reset_ctx(mx.cpu(1))
    assert net.weight.list_ctx() == [mx.cpu(1)]
    params.save(str(tmp_path / "p"))
    with pytest.raises(AssertionError, match="lacks"):
        mx.gluon.nn.Dense(2, prefix="e_").collect_params().load(str(tmp_path / "p"))


def test_two_parameters_of_one_name_are_refused():
    from mxnet.gluon import nn

    net = nn.HybridSequential()
    net.add(nn.Dense(2, prefix="x_"), nn.Dense(2, prefix="x_"))
    with pytest.raises(ValueError, match="x_weight"):
        net.collect_params()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_copies_keep_names(copied):
    from mxnet.gluon import nn

    net = nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(nn.Dense(2, in_units=3))
    net.initialize()
    other = copied(net)
    assert list(other.collect_params()) == ["n_dense0_weight", "n_dense0_bias"]
    assert other[0].weight is not net[0].weight
    with other.name_scope():
        assert nn.Dense(1).name == "n_dense1"


# ---- the other dialect -------------------------------------------------------------------------
def test_blocks_of_2x_have_no_prefix():
    from symgluon import compat, gluon

    compat.uninstall()
    layer = gluon.nn.Dense(2)
    assert list(layer.collect_params()) == ["weight", "bias"]
    assert not hasattr(layer, "prefix")
    with pytest.raises(TypeError, match=r"compat\.install"):
        gluon.nn.Dense(2, prefix="a_")
    with layer.name_scope():
        assert list(gluon.nn.Dense(2).collect_params()) == ["weight", "bias"]


def test_a_block_stays_what_it_was_made_as():
    from symgluon import compat, gluon

    old = gluon.nn.Dense(2, prefix="old_")
    compat.uninstall()
    assert list(old.collect_params()) == ["old_weight", "old_bias"]
    net = gluon.nn.HybridSequential()
    net.add(old)
    assert list(net.collect_params()) == ["0.weight", "0.bias"]


# ---- imports -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "line",
    [
        "from mxnet.ndarray.contrib import adamw_update, mp_adamw_update",
        "from mxnet.gluon.data.dataloader import ForkingPickler, _as_in_context, _MultiWorkerIter",
        "from mxnet.gluon.utils import _get_repo_url, _get_repo_file_url, check_sha1",
        "from mxnet.gluon.nn.conv_layers import GlobalAvgPool2D",
        "from mxnet.contrib import amp; amp.amp",
        "from mxnet.gluon.block import _flatten; _flatten([None], 'x')",
        "from mxnet.gluon.loss import _apply_weighting, _reshape_like",
        "from mxnet import registry; registry.get_registry(int)",
        "import mxnet.metric as m; m.EvalMetric",
        "import mxnet as mx; mx.init.create('uniform', 0.1)",
        "import mxnet as mx; mx.gluon.tensor_types",
        "import mxnet as mx; mx.nd.np.ones, mx.nd.npx",
    ],
)
def test_names_that_packages_import(line):
    exec(line, {})


# ---- operators that the packages need ----------------------------------------------------------
def test_operators_of_1x():
    import mxnet as mx
    import numpy as np

    x = mx.nd.array(np.arange(12).reshape(2, 2, 3), dtype="uint8")
    t = mx.nd.image.to_tensor(x)
    assert t.shape == (3, 2, 2)
    np.testing.assert_allclose(t.asnumpy()[1], np.array([[1, 4], [7, 10]]) / 255, rtol=1e-6)
    n = mx.nd.image.normalize(t, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 1))
    np.testing.assert_allclose(n.asnumpy()[1], (t.asnumpy()[1] - 0.2) / 0.25, rtol=1e-5)
    places = mx.nd.ravel_multi_index(mx.nd.array([[3, 6, 6], [4, 5, 1]]), shape=(7, 6))
    assert places.asnumpy().tolist() == [22, 41, 37]
    assert mx.nd.zeros_like(t, dtype="int64").dtype == "float32"  # as in MXNet: it reads no dtype
    assert [p.shape for p in mx.nd.ones((4, 2)).split_v2((1, 3))] == [(1, 2), (2, 2), (1, 2)]


def test_full_names_in_files(tmp_path):
    import mxnet as mx

    net = mx.gluon.nn.HybridSequential(prefix="n_")
    with net.name_scope():
        net.add(mx.gluon.nn.Dense(2, in_units=3))
    net.initialize("ones")
    net.save_params(str(tmp_path / "p"))
    assert set(mx.nd.load(str(tmp_path / "p"))) == {"dense0_weight", "dense0_bias"}
    for load in ("load_params", "load_parameters"):
        other = mx.gluon.nn.HybridSequential(prefix="o_")
        with other.name_scope():
            other.add(mx.gluon.nn.Dense(2, in_units=3))
        getattr(other, load)(str(tmp_path / "p"))
        assert other[0].weight.data().asnumpy().sum() == 6


def test_adamw_takes_the_steps_of_mxnet():
    import mxnet as mx
    import numpy as np

    w, g, m, v = (
        mx.nd.array(x) for x in ([1, -2, 3], [0.5, 4, -1], [0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    )
    step = {"lr": 0.1, "eta": 0.5, "wd": 0.01, "clip_gradient": 3.0, "out": w}
    mx.nd.contrib.adamw_update(w, g, m, v, rescale_grad=mx.nd.array([2.0]), **step)
    after = [[0.97999, -2.023656, 2.980494], [0.19, 0.48, 0.07], [0.4006, 0.5085, 0.6034]]
    for got, want in zip((w, m, v), after, strict=True):
        np.testing.assert_allclose(got.asnumpy(), want, rtol=2e-6)
    mx.nd.contrib.adamw_update(w, g, m, v, rescale_grad=float("nan"), **step)
    np.testing.assert_allclose(w.asnumpy(), after[0], rtol=2e-6)


def test_blocks_and_symbols_count_together():
    """As in MXNet 1.9.1: outside of a scope one manager names both."""
    import mxnet as mx
    from mxnet.gluon import nn

    with mx.name.NameManager() as manager:
        assert mx.name.NameManager.current is manager
        assert nn.Dense(2).prefix == "dense0_"
        assert nn.Activation("relu").prefix == "relu0_"
        assert mx.sym.relu(mx.sym.var("a")).name == "relu1"
        assert nn.Dense(2).prefix == "dense1_"
    with mx.name.Prefix("p_"):
        assert nn.Dense(2).prefix == "p_dense0_"
    with mx.AttrScope(ctx_group="dev") as scope:
        assert mx.AttrScope.current is scope


@pytest.mark.parametrize("kind", ["nd", "sym"])
def test_namespaces_tell_their_names(kind):
    import mxnet as mx

    contents = getattr(mx, kind).contrib.__dict__
    assert "box_decode" in contents
    assert "no_such_operator" not in contents
    assert contents["box_decode"] is getattr(mx, kind).contrib.box_decode
    assert len(contents) == len(list(contents)) > 50
