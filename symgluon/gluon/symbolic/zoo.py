"""What the networks of the model zoo, and the units they are made of, compose from symbols."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.model_zoo.vision.alexnet import AlexNet
from symgluon.gluon.model_zoo.vision.densenet import DenseNet
from symgluon.gluon.model_zoo.vision.inception import Inception3
from symgluon.gluon.model_zoo.vision.mobilenet import (
    RELU6,
    LinearBottleneck,
    MobileNet,
    MobileNetV2,
)
from symgluon.gluon.model_zoo.vision.resnet import (
    BasicBlockV1,
    BasicBlockV2,
    BottleneckV1,
    BottleneckV2,
    _ResNet,
)
from symgluon.gluon.model_zoo.vision.squeezenet import SqueezeNet
from symgluon.gluon.model_zoo.vision.vgg import VGG
from symgluon.gluon.symbolic import composes


@composes(AlexNet, DenseNet, Inception3, MobileNet, MobileNetV2, SqueezeNet, VGG, _ResNet)
def _net(block: Any, F: Any, x: Any) -> Any:
    return block.output(block.features(x))


@composes(RELU6)
def _relu6(block: Any, F: Any, x: Any) -> Any:
    return F.clip(x, 0, 6, name="relu6")


@composes(LinearBottleneck)
def _bottleneck(block: Any, F: Any, x: Any) -> Any:
    out = block.out(x)
    return F.elemwise_add(out, x) if block.use_shortcut else out


def _relu(F: Any, x: Any) -> Any:
    return F.Activation(x, act_type="relu")


def _branches(block: Any, x: Any) -> tuple[Any, Any]:
    body = block.body(x)
    return body, x if block.downsample is None else block.downsample(x)


@composes(BasicBlockV1)
def _basic_1(block: Any, F: Any, x: Any) -> Any:
    body, shortcut = _branches(block, x)
    return _relu(F, shortcut + body)


@composes(BottleneckV1)
def _bottleneck_1(block: Any, F: Any, x: Any) -> Any:
    body, shortcut = _branches(block, x)
    return _relu(F, body + shortcut)


@composes(BasicBlockV2, BottleneckV2)
def _unit_2(block: Any, F: Any, x: Any) -> Any:
    first, *others = [
        (getattr(block, f"bn{i}"), getattr(block, f"conv{i}"))
        for i in (1, 2, 3)
        if hasattr(block, f"bn{i}")
    ]
    active = _relu(F, first[0](x))
    shortcut = x if block.downsample is None else block.downsample(active)
    out = first[1](active)
    for norm, conv in others:
        out = conv(_relu(F, norm(out)))
    return out + shortcut
