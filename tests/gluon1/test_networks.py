"""Networks of the 1.x style: values recorded from MXNet 1.9.1, eager, hybridized and exported."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from networks import fill, make, outputs

RECORDED = {
    "scaled": [[[-0.2375, -0.1842], [-0.2563, -0.187]]],
    "masked": [[[-0.29, -0.24], [-0.29, 0.21]]],
    "sequence": [
        [[[0.164968, 0.196354], [0.218837, 0.298898]], [[0.179564, 0.178334], [0.234529, 0.27584]]]
    ],
    "lambda": [[[0.761594, 0.848284, 0.964028], [0.244919, 0.964028, 0.999593]]],
    "shared": [
        [[-0.233, -0.253, 0.077], [-0.0866, -0.2506, -0.2956]],
        [[0.124227, 0.060818], [0.060818, 0.157679]],
    ],
    "where": [[[-0.233, 0.0, 0.077], [0.0, -0.2506, -0.2956]]],
}


def check(result, name):
    for got, want in zip(outputs(result), RECORDED[name], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("hybridized_first", [False, True])
@pytest.mark.parametrize("name", RECORDED)
def test_values(name, hybridized_first):
    net, args = make(name)
    net.initialize()
    if hybridized_first:
        net.hybridize()  # deferred shapes are found in the trace
    net(*args)
    fill(net)
    check(net(*args), name)
    net.hybridize(not hybridized_first)
    check(net(*args), name)


@pytest.mark.parametrize("name", RECORDED)
def test_onnx(name, tmp_path):
    import onnxruntime

    net, args = make(name)
    net.initialize()
    net(*args)
    fill(net)
    net.hybridize()
    net(*args)
    net.export(str(tmp_path / "net"), epoch=0)
    session = onnxruntime.InferenceSession(str(tmp_path / "net-0000.onnx"))
    names = ["data"] if len(args) == 1 else [f"data{i}" for i in range(len(args))]
    feed = dict(zip(names, [a.asnumpy() for a in args], strict=True))
    for got, want in zip(session.run(None, feed), RECORDED[name], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", sorted(set(RECORDED) - {"lambda"}))
def test_gradients_reach_every_parameter(name):
    import mxnet as mx

    net, args = make(name)
    net.initialize()
    net(*args)
    fill(net)
    grads = []
    for active in (False, True):
        net.hybridize(active)
        with mx.autograd.record():
            total = sum(
                (o * o).sum() for o in [net(*args)] for o in (o if type(o) is list else [o])
            )
        total.backward()
        learned = [p for p in net.collect_params().values() if p.grad_req != "null"]
        grads.append([p.grad().asnumpy() for p in learned])
    for eager, compiled in zip(*grads, strict=True):
        np.testing.assert_allclose(eager, compiled, rtol=1e-4, atol=1e-6)


def test_a_block_that_defines_nothing_says_what_to_define():
    import mxnet as mx

    class Empty(mx.gluon.HybridBlock):
        pass

    with pytest.raises(NotImplementedError, match="forward"):
        Empty()(mx.nd.ones((1,)))


def test_a_shape_that_no_operator_tells_is_an_error_that_names_the_parameter():
    import mxnet as mx

    class Open(mx.gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.w = self.params.get("w", shape=(0,), allow_deferred_init=True)

        def hybrid_forward(self, F, x, w):
            return x

    net = Open()
    net.initialize()
    with pytest.raises(mx.gluon.DeferredInitializationError, match="w"):
        net(mx.nd.ones((1,)))


def test_parameter_files_have_structural_names_and_exports_full_ones(tmp_path):
    import mxnet as mx

    net, args = make("scaled")
    net.initialize()
    net(*args)
    fill(net)
    net.save_parameters(str(tmp_path / "net.params"))
    assert set(mx.nd.load(str(tmp_path / "net.params"))) == {"w", "s", "out.weight", "out.bias"}
    other, _ = make("scaled")
    other.load_parameters(str(tmp_path / "net.params"))
    check(other(*args), "scaled")
    net.collect_params().save(str(tmp_path / "full.params"), strip_prefix=net.prefix)
    other.collect_params().load(str(tmp_path / "full.params"), restore_prefix=other.prefix)
    check(other(*args), "scaled")
    net.hybridize()
    net(*args)
    net.export(str(tmp_path / "net"))
    saved = {n.split(":")[1] for n in mx.nd.load(str(tmp_path / "net-0000.params"))}
    assert saved == set(net.collect_params())


def test_a_layer_computes_with_what_it_is_given():
    import mxnet as mx

    class Half(mx.gluon.nn.Conv2D):
        def hybrid_forward(self, F, x, weight, bias=None):
            part = F.slice_axis(weight, axis=1, begin=0, end=2)
            return super().hybrid_forward(F, x, weight=part, bias=bias)

    for use_bias in (False, True):
        net = Half(3, 1, in_channels=4, use_bias=use_bias, weight_initializer="ones")
        net.initialize()
        for active in (False, True):
            net.hybridize(active)
            out = net(mx.nd.ones((1, 2, 2, 2)))
            assert out.shape == (1, 3, 2, 2)
            assert out.asnumpy().max() == 2
        assert net.weight.shape == (3, 4, 1, 1)


def test_a_bias_can_be_left_out():
    import mxnet as mx

    class Bare(mx.gluon.nn.Dense):
        def hybrid_forward(self, F, x, weight, bias=None):
            return super().hybrid_forward(F, x, weight, None)

    net = Bare(2, weight_initializer="ones", bias_initializer="ones", in_units=3)
    net.initialize()
    assert net(mx.nd.ones((1, 3))).asnumpy().tolist() == [[3, 3]]
