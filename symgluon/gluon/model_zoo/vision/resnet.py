"""Residual nets, versions 1 (arXiv:1512.03385) and 2 (arXiv:1603.05027)."""

from __future__ import annotations

from typing import Any

from symgluon import numpy_extension as npx
from symgluon.gluon import nn
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.model_zoo.vision.common import load_pretrained, maker, plain
from symgluon.gluon.naming import prefixed

__all__ = [
    "BasicBlockV1",
    "BasicBlockV2",
    "BottleneckV1",
    "BottleneckV2",
    "ResNetV1",
    "ResNetV2",
    "get_resnet",
]


def _conv3x3(channels: int, stride: int, in_channels: int) -> Any:
    return nn.Conv2D(channels, kernel_size=3, strides=stride, padding=1, use_bias=False,
                     in_channels=in_channels)  # fmt: skip


def _pointwise(channels: int, stride: int, in_channels: int = 0, use_bias: bool = False) -> Any:
    return nn.Conv2D(channels, kernel_size=1, strides=stride, use_bias=use_bias,
                     in_channels=in_channels)  # fmt: skip


class _BlockV1(HybridBlock):
    """Residual unit: ``relu(body(x) + shortcut(x))``."""

    def __init__(
        self, channels: int, stride: int, downsample: bool, in_channels: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.body = plain(nn.HybridSequential)
        self._layers(channels, stride, in_channels)
        if downsample:
            shortcut = plain(nn.HybridSequential)
            shortcut.add(_pointwise(channels, stride, in_channels), nn.BatchNorm())
            self.downsample: Any = shortcut
        else:
            self.downsample = None

    def _layers(self, channels: int, stride: int, in_channels: int) -> None:
        raise TypeError("a residual unit must define its layers")

    def forward(self, x: Any) -> Any:
        """Return ``relu(body(x) + shortcut(x))``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return npx.relu(self.body(x) + shortcut)


class BasicBlockV1(_BlockV1):
    """Two 3x3 convolutions.

    Parameters
    ----------
    channels : int
        Output channels.
    stride : int
        Of the first convolution that has one.
    downsample : bool
        Whether the shortcut is a 1x1 convolution.
    in_channels : int
        Input channels; 0: found at the first call.

    Inputs
    ------
    x : array (N, C, H, W), float

    Outputs
    -------
    array (N, channels, H / stride, W / stride), float
        ``body(x) + shortcut(x)``.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.BasicBlockV1``; arXiv:1512.03385.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        downsample: bool = False,
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(channels, stride, downsample, in_channels, **kwargs)

    def _layers(self, channels: int, stride: int, in_channels: int) -> None:
        self.body.add(
            _conv3x3(channels, stride, in_channels),
            nn.BatchNorm(),
            nn.Activation("relu"),
            _conv3x3(channels, 1, channels),
            nn.BatchNorm(),
        )


class BottleneckV1(_BlockV1):
    """1x1, 3x3, 1x1 convolutions.

    Parameters
    ----------
    channels : int
        Output channels.
    stride : int
        Of the first convolution that has one.
    downsample : bool
        Whether the shortcut is a 1x1 convolution.
    in_channels : int
        Input channels; 0: found at the first call.

    Inputs
    ------
    x : array (N, C, H, W), float

    Outputs
    -------
    array (N, channels, H / stride, W / stride), float
        ``body(x) + shortcut(x)``.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.BottleneckV1``; arXiv:1512.03385.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        downsample: bool = False,
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(channels, stride, downsample, in_channels, **kwargs)

    def _layers(self, channels: int, stride: int, in_channels: int) -> None:
        self.body.add(
            _pointwise(channels // 4, stride, use_bias=True),
            nn.BatchNorm(),
            nn.Activation("relu"),
            _conv3x3(channels // 4, 1, channels // 4),
            nn.BatchNorm(),
            nn.Activation("relu"),
            _pointwise(channels, 1, use_bias=True),
            nn.BatchNorm(),
        )


class BasicBlockV2(HybridBlock):
    """Two 3x3 convolutions, normalised and activated before.

    Parameters
    ----------
    channels : int
        Output channels.
    stride : int
        Of the first convolution that has one.
    downsample : bool
        Whether the shortcut is a 1x1 convolution.
    in_channels : int
        Input channels; 0: found at the first call.

    Inputs
    ------
    x : array (N, C, H, W), float

    Outputs
    -------
    array (N, channels, H / stride, W / stride), float
        ``body(x) + shortcut(x)``.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.BasicBlockV2``; arXiv:1603.05027.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        downsample: bool = False,
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bn1 = nn.BatchNorm()
        self.conv1 = _conv3x3(channels, stride, in_channels)
        self.bn2 = nn.BatchNorm()
        self.conv2 = _conv3x3(channels, 1, channels)
        self.downsample = _pointwise(channels, stride, in_channels) if downsample else None

    def forward(self, x: Any) -> Any:
        """Return ``body(x) + shortcut(x)``."""
        shortcut = x
        x = npx.relu(self.bn1(x))
        if self.downsample is not None:
            shortcut = self.downsample(x)
        x = self.conv1(x)
        return self.conv2(npx.relu(self.bn2(x))) + shortcut


class BottleneckV2(HybridBlock):
    """1x1, 3x3, 1x1 convolutions, normalised and activated before.

    Parameters
    ----------
    channels : int
        Output channels.
    stride : int
        Of the first convolution that has one.
    downsample : bool
        Whether the shortcut is a 1x1 convolution.
    in_channels : int
        Input channels; 0: found at the first call.

    Inputs
    ------
    x : array (N, C, H, W), float

    Outputs
    -------
    array (N, channels, H / stride, W / stride), float
        ``body(x) + shortcut(x)``.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.BottleneckV2``; arXiv:1603.05027.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        downsample: bool = False,
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        inner = channels // 4
        self.bn1 = nn.BatchNorm()
        self.conv1 = _pointwise(inner, 1)
        self.bn2 = nn.BatchNorm()
        self.conv2 = _conv3x3(inner, stride, inner)
        self.bn3 = nn.BatchNorm()
        self.conv3 = _pointwise(channels, 1)
        self.downsample = _pointwise(channels, stride, in_channels) if downsample else None

    def forward(self, x: Any) -> Any:
        """Return ``body(x) + shortcut(x)``."""
        shortcut = x
        x = npx.relu(self.bn1(x))
        if self.downsample is not None:
            shortcut = self.downsample(x)
        x = self.conv1(x)
        x = self.conv2(npx.relu(self.bn2(x)))
        return self.conv3(npx.relu(self.bn3(x))) + shortcut


class _ResNet(HybridBlock):
    def __init__(self, layers: list[int], channels: list[int], **kwargs: Any) -> None:
        if len(layers) != len(channels) - 1:
            raise AssertionError(f"{len(layers)} stages need {len(layers) + 1} channel numbers")
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = plain(nn.HybridSequential)
        self.output: Any

    def _stem(self, channels: int, thumbnail: bool) -> None:
        if thumbnail:
            self.features.add(_conv3x3(channels, 1, 0))
            return
        self.features.add(
            nn.Conv2D(channels, 7, 2, 3, use_bias=False),
            nn.BatchNorm(),
            nn.Activation("relu"),
            nn.MaxPool2D(3, 2, 1),
        )

    @staticmethod
    def _stage(
        number: int, block: Any, count: int, channels: int, stride: int, in_channels: int
    ) -> Any:
        stage = nn.HybridSequential(**prefixed(f"stage{number}_"))
        with stage.name_scope():
            changes = channels != in_channels
            stage.add(plain(block, channels, stride, changes, in_channels=in_channels))
            for _ in range(count - 1):
                stage.add(plain(block, channels, 1, False, in_channels=channels))
        return stage

    def forward(self, x: Any) -> Any:
        """Return class scores (N, classes) of images (N, 3, H, W)."""
        return self.output(self.features(x))


class ResNetV1(_ResNet):
    """Residual net, version 1.

    Parameters
    ----------
    block : type
        `BasicBlockV1` or `BottleneckV1`.
    layers, channels : list of int
        Units and channels of each stage; `channels` begins with that of the stem.
    classes : int
        Number of classes.
    thumbnail : bool
        Small images: a 3x3 convolution as stem.

    Inputs
    ------
    x : array (N, 3, H, W), float
        Images.

    Outputs
    -------
    array (N, classes), float
        Scores before softmax.

    Raises
    ------
    AssertionError
        If there is not one more number of channels than of layers.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.ResNetV1``; arXiv:1512.03385.
    """

    def __init__(
        self,
        block: Any,
        layers: list[int],
        channels: list[int],
        classes: int = 1000,
        thumbnail: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(layers, channels, **kwargs)
        with self.name_scope():
            self._stem(channels[0], thumbnail)
            for i, count in enumerate(layers):
                stage = self._stage(
                    i + 1, block, count, channels[i + 1], 2 if i else 1, channels[i]
                )
                self.features.add(stage)
            self.features.add(nn.GlobalAvgPool2D())
            self.output = nn.Dense(classes, in_units=channels[-1])


class ResNetV2(_ResNet):
    """Residual net, version 2.

    Parameters
    ----------
    block : type
        `BasicBlockV2` or `BottleneckV2`.
    layers, channels : list of int
        Units and channels of each stage; `channels` begins with that of the stem.
    classes : int
        Number of classes.
    thumbnail : bool
        Small images: a 3x3 convolution as stem.

    Inputs
    ------
    x : array (N, 3, H, W), float
        Images.

    Outputs
    -------
    array (N, classes), float
        Scores before softmax.

    Raises
    ------
    AssertionError
        If there is not one more number of channels than of layers.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.ResNetV2``; arXiv:1603.05027.
    """

    def __init__(
        self,
        block: Any,
        layers: list[int],
        channels: list[int],
        classes: int = 1000,
        thumbnail: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(layers, channels, **kwargs)
        with self.name_scope():
            self.features.add(nn.BatchNorm(scale=False, center=False))
            self._stem(channels[0], thumbnail)
            for i, count in enumerate(layers):
                stage = self._stage(
                    i + 1, block, count, channels[i + 1], 2 if i else 1, channels[i]
                )
                self.features.add(stage)
            self.features.add(
                nn.BatchNorm(), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Flatten()
            )
            self.output = nn.Dense(classes, in_units=channels[-1])


_SPEC: dict[int, tuple[str, list[int], list[int]]] = {
    18: ("basic_block", [2, 2, 2, 2], [64, 64, 128, 256, 512]),
    34: ("basic_block", [3, 4, 6, 3], [64, 64, 128, 256, 512]),
    50: ("bottle_neck", [3, 4, 6, 3], [64, 256, 512, 1024, 2048]),
    101: ("bottle_neck", [3, 4, 23, 3], [64, 256, 512, 1024, 2048]),
    152: ("bottle_neck", [3, 8, 36, 3], [64, 256, 512, 1024, 2048]),
}
_NETS: list[Any] = [ResNetV1, ResNetV2]
_BLOCKS: list[dict[str, Any]] = [
    {"basic_block": BasicBlockV1, "bottle_neck": BottleneckV1},
    {"basic_block": BasicBlockV2, "bottle_neck": BottleneckV2},
]


def get_resnet(
    version: int,
    num_layers: int,
    pretrained: bool = False,
    device: Any = None,
    root: str | None = None,
    **kwargs: Any,
) -> Any:
    """Return a residual net.

    Parameters
    ----------
    version : int
        1 or 2.
    num_layers : int
        18, 34, 50, 101 or 152.
    pretrained : bool
        Load weights from a file in `root`; nothing is downloaded.
    device : Device, optional
        Where the parameters go.
    root : str, optional
        Folder of the weights; ``~/.mxnet/models`` if left out.
    **kwargs : object
        Arguments of the class, such as ``classes``.

    Returns
    -------
    HybridBlock
        The model.

    Raises
    ------
    AssertionError
        For another version or number of layers.
    MXNetError
        If `pretrained` and there is no file of weights.
    """
    if num_layers not in _SPEC:
        raise AssertionError(
            f"Invalid number of layers: {num_layers}. Options are {sorted(_SPEC)}"
        )
    if version not in (1, 2):
        raise AssertionError(f"Invalid resnet version: {version}. Options are 1 and 2.")
    kind, layers, channels = _SPEC[num_layers]
    net = _NETS[version - 1](_BLOCKS[version - 1][kind], layers, channels, **kwargs)
    return load_pretrained(net, f"resnet{num_layers}_v{version}", pretrained, device, root)


for _v in (1, 2):
    for _n in _SPEC:
        _name = f"resnet{_n}_v{_v}"
        globals()[_name] = maker(get_resnet, _name, f"ResNet-{_n}, version {_v}", _v, _n)
        __all__ += [_name]
