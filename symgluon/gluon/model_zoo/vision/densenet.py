"""Densely connected nets (arXiv:1608.06993)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon import nn
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.model_zoo.vision.common import load_pretrained, maker, plain
from symgluon.gluon.naming import prefixed

__all__ = ["DenseNet", "get_densenet"]

#: number of layers -> channels of the stem, growth, layers of each dense block
_SPEC = {
    121: (64, 32, [6, 12, 24, 16]),
    161: (96, 48, [6, 12, 36, 24]),
    169: (64, 32, [6, 12, 32, 32]),
    201: (64, 32, [6, 12, 48, 32]),
}


def _norm_relu_conv(block: Any, channels: int, kernel: int, padding: int = 0) -> None:
    block.add(
        nn.BatchNorm(),
        nn.Activation("relu"),
        nn.Conv2D(channels, kernel_size=kernel, padding=padding, use_bias=False),
    )


def _dense_layer(growth: int, bn_size: int, dropout: float) -> Any:
    """Append `growth` channels to the input."""
    new = plain(nn.HybridSequential)
    _norm_relu_conv(new, bn_size * growth, 1)
    _norm_relu_conv(new, growth, 3, 1)
    if dropout:
        new.add(nn.Dropout(dropout))
    joined = plain(nn.HybridConcatenate, axis=1)
    joined.add(nn.Identity(), new)
    return joined


def _dense_block(number: int, layers: int, growth: int, bn_size: int, dropout: float) -> Any:
    block = nn.HybridSequential(**prefixed(f"stage{number}_"))
    with block.name_scope():
        for _ in range(layers):
            block.add(_dense_layer(growth, bn_size, dropout))
    return block


def _transition(channels: int) -> Any:
    block = plain(nn.HybridSequential)
    _norm_relu_conv(block, channels, 1)
    block.add(nn.AvgPool2D(pool_size=2, strides=2))
    return block


class DenseNet(HybridBlock):
    """Blocks in which each layer reads all before it.

    Parameters
    ----------
    num_init_features : int
        Channels of the stem.
    growth_rate : int
        Channels that each layer adds.
    block_config : list of int
        Layers of each dense block.
    bn_size : int
        The 1x1 convolution of a layer has ``bn_size * growth_rate`` channels.
    dropout : float
        Rate of dropout after each layer.
    classes : int
        Number of classes.

    Inputs
    ------
    x : array (N, 3, 224, 224), float
        Images.

    Outputs
    -------
    array (N, classes), float
        Scores before softmax.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.DenseNet``; arXiv:1608.06993.
    """

    def __init__(
        self,
        num_init_features: int,
        growth_rate: int,
        block_config: list[int],
        bn_size: int = 4,
        dropout: float = 0,
        classes: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = plain(nn.HybridSequential)
            self.features.add(
                nn.Conv2D(num_init_features, kernel_size=7, strides=2, padding=3, use_bias=False),
                nn.BatchNorm(),
                nn.Activation("relu"),
                nn.MaxPool2D(pool_size=3, strides=2, padding=1),
            )
            channels = num_init_features
            for i, layers in enumerate(block_config):
                if i:
                    channels //= 2
                    self.features.add(_transition(channels))
                self.features.add(_dense_block(i + 1, layers, growth_rate, bn_size, dropout))
                channels += layers * growth_rate
            self.features.add(
                nn.BatchNorm(), nn.Activation("relu"), nn.AvgPool2D(pool_size=7), nn.Flatten()
            )
            self.output = nn.Dense(classes)

    def forward(self, x: Any) -> Any:
        """Return class scores (N, classes) of images (N, 3, 224, 224)."""
        return self.output(self.features(x))


def get_densenet(
    num_layers: int,
    pretrained: bool = False,
    device: Any = None,
    root: str | None = None,
    **kwargs: Any,
) -> Any:
    """Return a DenseNet.

    Parameters
    ----------
    num_layers : int
        121, 161, 169 or 201.
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
    KeyError
        For another number of layers.
    MXNetError
        If `pretrained` and there is no file of weights.
    """
    if num_layers not in _SPEC:
        raise KeyError(f"there is no DenseNet of {num_layers} layers, only of {sorted(_SPEC)}")
    net = DenseNet(*_SPEC[num_layers], **kwargs)
    return load_pretrained(net, f"densenet{num_layers}", pretrained, device, root)


for _n in _SPEC:
    globals()[f"densenet{_n}"] = maker(get_densenet, f"densenet{_n}", f"DenseNet-{_n}", _n)
    __all__ += [f"densenet{_n}"]
