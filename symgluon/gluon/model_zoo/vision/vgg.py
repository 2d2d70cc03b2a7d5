"""VGG nets (arXiv:1409.1556), with and without batch normalisation."""

from __future__ import annotations

from typing import Any

from symgluon import initializer
from symgluon.gluon import nn
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.model_zoo.vision.common import load_pretrained, maker, plain

__all__ = ["VGG", "get_vgg"]

#: number of layers with weights -> convolutions of each stage
_STAGES = {11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4]}
_FILTERS = [64, 128, 256, 512, 512]


class VGG(HybridBlock):
    """Stages of 3x3 convolutions, each ended by max pooling, and three dense layers.

    Parameters
    ----------
    layers, filters : list of int
        Convolutions and channels of each stage.
    classes : int
        Number of classes.
    batch_norm : bool
        Normalise after each convolution.

    Inputs
    ------
    x : array (N, 3, 224, 224), float
        Images.

    Outputs
    -------
    array (N, classes), float
        Scores before softmax.

    Raises
    ------
    AssertionError
        If the lists differ in length.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.VGG``; arXiv:1409.1556.
    """

    def __init__(
        self,
        layers: list[int],
        filters: list[int],
        classes: int = 1000,
        batch_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        if len(layers) != len(filters):
            raise AssertionError(f"{len(layers)} stages, but {len(filters)} numbers of channels")
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = plain(nn.HybridSequential)
            for count, channels in zip(layers, filters, strict=True):
                for _ in range(count):
                    self._add_conv(channels, batch_norm)
                self.features.add(nn.MaxPool2D(strides=2))
            for _ in range(2):
                self.features.add(self._dense(4096, "relu"), nn.Dropout(rate=0.5))
            self.output = self._dense(classes, None)

    def _add_conv(self, channels: int, batch_norm: bool) -> None:
        init = initializer.Xavier(rnd_type="gaussian", factor_type="out", magnitude=2)
        self.features.add(nn.Conv2D(channels, kernel_size=3, padding=1, weight_initializer=init))
        if batch_norm:
            self.features.add(nn.BatchNorm())
        self.features.add(nn.Activation("relu"))

    @staticmethod
    def _dense(units: int, activation: str | None) -> Any:
        return nn.Dense(units, activation=activation, weight_initializer="normal")

    def forward(self, x: Any) -> Any:
        """Return class scores (N, classes) of images (N, 3, 224, 224)."""
        return self.output(self.features(x))


def get_vgg(
    num_layers: int,
    pretrained: bool = False,
    device: Any = None,
    root: str | None = None,
    **kwargs: Any,
) -> Any:
    """Return a VGG net.

    Parameters
    ----------
    num_layers : int
        11, 13, 16 or 19.
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
    if num_layers not in _STAGES:
        raise KeyError(f"there is no VGG net of {num_layers} layers, only of {sorted(_STAGES)}")
    net = VGG(_STAGES[num_layers], _FILTERS, **kwargs)
    name = f"vgg{num_layers}{'_bn' if kwargs.get('batch_norm') else ''}"
    return load_pretrained(net, name, pretrained, device, root)


def _with_batch_norm(num_layers: int, **kwargs: Any) -> Any:
    return get_vgg(num_layers, **{**kwargs, "batch_norm": True})


for _n in _STAGES:
    globals()[f"vgg{_n}"] = maker(get_vgg, f"vgg{_n}", f"VGG-{_n}", _n)
    globals()[f"vgg{_n}_bn"] = maker(
        _with_batch_norm, f"vgg{_n}_bn", f"VGG-{_n} with batch normalisation", _n
    )
    __all__ += [f"vgg{_n}", f"vgg{_n}_bn"]
