"""The model zoo: names and shapes of all parameters, and scores, as MXNet 2.0.0beta1 has them.

``data/model_zoo.json`` holds digests of the parameter lists, and scores for weights that
`reference_weights` draws.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import MXNetError
from symgluon.gluon.model_zoo import model_store, vision

RECORDED = json.loads((Path(__file__).parent.parent / "data" / "model_zoo.json").read_text())
SIZES = {"squeezenet1_1": 224, "densenet121": 224, "inception_v3": 299}


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


def digest(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def reference_weights(net):
    """Set the weights that the recorded scores belong to."""
    draw = onp.random.RandomState(0)
    for name, parameter in net.collect_params().items():
        shape = parameter.shape
        if name.endswith(("running_var", "gamma")):
            values = draw.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            values = draw.uniform(-0.1, 0.1, shape)
        else:
            values = draw.randn(*shape) * onp.sqrt(2 / onp.prod(shape[1:]))
        parameter.set_data(mx.np.array(values.astype("float32")))


@pytest.mark.parametrize("name", sorted(RECORDED["parameters"]))
def test_parameter_names(name):
    net = getattr(vision, name)(classes=10)
    assert digest(list(net.collect_params())) == RECORDED["parameters"][name]["names"]


@pytest.mark.parametrize("name", sorted(RECORDED["outputs"]))
def test_scores_and_shapes(name):
    net = getattr(vision, name)(classes=10)
    net.initialize()
    size = SIZES.get(name, 64)
    x = mx.np.array(onp.random.RandomState(1).randn(2, 3, size, size).astype("float32"))
    net(x)
    found = [[n, list(p.shape), p.grad_req] for n, p in net.collect_params().items()]
    assert digest(found) == RECORDED["parameters"][name]["sha256"]
    reference_weights(net)
    want = onp.array(RECORDED["outputs"][name])
    scale = onp.abs(want).max()
    onp.testing.assert_allclose(net(x).asnumpy() / scale, want / scale, atol=2e-5)
    net.hybridize()
    onp.testing.assert_allclose(net(x).asnumpy() / scale, want / scale, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("resnet18_v1", "resnet18_v1"),
        ("mobilenetv2_0.75", "mobilenet_v2_0_75"),
        ("MobileNet0.25", "mobilenet0_25"),
        ("squeezenet1.1", "squeezenet1_1"),
        ("inceptionv3", "inception_v3"),
        ("vgg11_bn", "vgg11_bn"),
        ("densenet121", "densenet121"),
        ("alexnet", "alexnet"),
    ],
)
def test_get_model(name, function):
    net = vision.get_model(name, classes=3)
    assert digest(list(net.collect_params())) == RECORDED["parameters"][function]["names"]


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"Model lenet is not supported.*\n\talexnet"):
        vision.get_model("lenet")
    with pytest.raises(AssertionError, match="Invalid number of layers: 19"):
        vision.get_resnet(1, 19)
    with pytest.raises(AssertionError, match="Invalid resnet version: 3"):
        vision.get_resnet(3, 18)
    with pytest.raises(AssertionError, match="Unsupported SqueezeNet version 2"):
        vision.SqueezeNet("2.0")
    with pytest.raises(KeyError, match="12 layers"):
        vision.get_vgg(12)
    with pytest.raises(AssertionError, match="stages"):
        vision.VGG([1, 2], [64])


def test_pretrained_weights_come_from_files(tmp_path):
    net = vision.mobilenet0_25(classes=2)
    net.initialize()
    x = mx.np.ones((1, 3, 32, 32))
    want = net(x).asnumpy()
    with pytest.raises(MXNetError, match=r"no pretrained weights of mobilenet0.25"):
        vision.mobilenet0_25(pretrained=True, root=str(tmp_path))
    net.save_parameters(str(tmp_path / "mobilenet0.25-0123abcd.params"))
    again = vision.mobilenet0_25(pretrained=True, root=str(tmp_path), classes=2)
    onp.testing.assert_array_equal(again(x).asnumpy(), want)
    model_store.purge(str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_small_images():
    net = vision.ResNetV1(vision.BasicBlockV1, [1, 1], [8, 8, 16], classes=4, thumbnail=True)
    net.initialize()
    assert net(mx.np.ones((2, 3, 16, 16))).shape == (2, 4)
