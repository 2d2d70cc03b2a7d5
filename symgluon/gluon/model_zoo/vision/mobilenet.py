"""MobileNets, versions 1 (arXiv:1704.04861) and 2 (arXiv:1801.04381)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon import nn
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.model_zoo.vision.common import load_pretrained, maker, plain
from symgluon.gluon.naming import prefixed

__all__ = ["MobileNet", "MobileNetV2", "get_mobilenet", "get_mobilenet_v2"]


class RELU6(HybridBlock):
    """``min(max(x, 0), 6)``."""

    def forward(self, x: Any) -> Any:
        """Clip to [0, 6]."""
        from symgluon import numpy as np

        return np.clip(x, 0, 6)


def _add_conv(
    out: Any,
    channels: int = 1,
    kernel: int = 1,
    stride: int = 1,
    pad: int = 0,
    num_group: int = 1,
    active: bool = True,
    relu6: bool = False,
) -> None:
    out.add(
        nn.Conv2D(channels, kernel, stride, pad, groups=num_group, use_bias=False),
        nn.BatchNorm(scale=True),
    )
    if active:
        out.add(RELU6() if relu6 else nn.Activation("relu"))


class LinearBottleneck(HybridBlock):
    """Expand, filter each channel, project; with a shortcut where the sizes agree."""

    def __init__(
        self, in_channels: int, channels: int, t: int, stride: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.use_shortcut = stride == 1 and in_channels == channels
        with self.name_scope():
            self.out = nn.HybridSequential()
            _add_conv(self.out, in_channels * t, relu6=True)  # MXNet has it for t = 1 too
            _add_conv(self.out, in_channels * t, 3, stride, 1, in_channels * t, relu6=True)
            _add_conv(self.out, channels, active=False)

    def forward(self, x: Any) -> Any:
        """Return the projection, plus the input where there is a shortcut."""
        out = self.out(x)
        return out + x if self.use_shortcut else out


class MobileNet(HybridBlock):
    """MobileNet, version 1.

    Parameters
    ----------
    multiplier : float
        Factor of all numbers of channels.
    classes : int
        Number of classes.

    Inputs
    ------
    x : array (N, 3, H, W), float
        Images.

    Outputs
    -------
    array (N, classes), float
        Scores before softmax.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.MobileNet``; arXiv:1704.04861.
    """

    def __init__(self, multiplier: float = 1.0, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = plain(nn.HybridSequential)
            self._add_features(multiplier)
            self.output = nn.Dense(classes)

    def _add_features(self, multiplier: float) -> None:
        _add_conv(self.features, int(32 * multiplier), 3, 2, 1)
        depth = [
            int(c * multiplier) for c in [32, 64] + [128] * 2 + [256] * 2 + [512] * 6 + [1024]
        ]
        wide = [int(c * multiplier) for c in [64] + [128] * 2 + [256] * 2 + [512] * 6 + [1024] * 2]
        strides = [1, 2, 1, 2, 1, 2] + [1] * 5 + [2, 1]
        for channels, outer, stride in zip(depth, wide, strides, strict=True):
            _add_conv(self.features, channels, 3, stride, 1, channels)
            _add_conv(self.features, outer)
        self.features.add(nn.GlobalAvgPool2D(), nn.Flatten())

    def forward(self, x: Any) -> Any:
        """Return class scores (N, classes) of images (N, 3, H, W)."""
        return self.output(self.features(x))


class MobileNetV2(HybridBlock):
    """MobileNet, version 2.

    Parameters
    ----------
    multiplier : float
        Factor of all numbers of channels.
    classes : int
        Number of classes.

    Inputs
    ------
    x : array (N, 3, H, W), float
        Images.

    Outputs
    -------
    array (N, classes), float
        Scores before softmax.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.MobileNetV2``; arXiv:1801.04381.
    """

    def __init__(self, multiplier: float = 1.0, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = nn.HybridSequential(**prefixed("features_"))
            with self.features.name_scope():
                self._add_features(multiplier)
            self.output = nn.HybridSequential(**prefixed("output_"))
            with self.output.name_scope():
                last = nn.Conv2D(classes, 1, use_bias=False, **prefixed("pred_"))
                self.output.add(last, nn.Flatten())

    def _add_features(self, multiplier: float) -> None:
        _add_conv(self.features, int(32 * multiplier), 3, 2, 1, relu6=True)
        ins = [32] + [16] + [24] * 2 + [32] * 3 + [64] * 4 + [96] * 3 + [160] * 3
        outs = [16] + [24] * 2 + [32] * 3 + [64] * 4 + [96] * 3 + [160] * 3 + [320]
        strides = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
        for a, b, t, s in zip(ins, outs, [1] + [6] * 16, strides, strict=True):
            unit = LinearBottleneck(int(a * multiplier), int(b * multiplier), t, s)
            self.features.add(unit)
        last = int(1280 * multiplier) if multiplier > 1.0 else 1280
        _add_conv(self.features, last, relu6=True)
        self.features.add(nn.GlobalAvgPool2D())

    def forward(self, x: Any) -> Any:
        """Return class scores (N, classes) of images (N, 3, H, W)."""
        return self.output(self.features(x))


def _name(kind: str, multiplier: float) -> str:
    text = f"{multiplier:.2f}"
    return kind + (text[:-1] if text.endswith("0") else text)


def get_mobilenet(
    multiplier: float,
    pretrained: bool = False,
    device: Any = None,
    root: str | None = None,
    **kwargs: Any,
) -> Any:
    """Return a MobileNet, version 1.

    Parameters
    ----------
    multiplier : float
        Factor of all numbers of channels.
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
    MXNetError
        If `pretrained` and there is no file of weights.
    """
    net = MobileNet(multiplier, **kwargs)
    return load_pretrained(net, _name("mobilenet", multiplier), pretrained, device, root)


def get_mobilenet_v2(
    multiplier: float,
    pretrained: bool = False,
    device: Any = None,
    root: str | None = None,
    **kwargs: Any,
) -> Any:
    """Return a MobileNet, version 2.

    Parameters
    ----------
    multiplier : float
        Factor of all numbers of channels.
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
    MXNetError
        If `pretrained` and there is no file of weights.
    """
    net = MobileNetV2(multiplier, **kwargs)
    return load_pretrained(net, _name("mobilenetv2_", multiplier), pretrained, device, root)


for _m, _t in ((1.0, "1_0"), (0.75, "0_75"), (0.5, "0_5"), (0.25, "0_25")):
    for _f, _p, _d in (
        (get_mobilenet, "mobilenet", "MobileNet"),
        (get_mobilenet_v2, "mobilenet_v2_", "MobileNet, version 2"),
    ):
        globals()[_p + _t] = maker(_f, _p + _t, f"{_d}, with width {_m}", _m)
        __all__ += [_p + _t]
