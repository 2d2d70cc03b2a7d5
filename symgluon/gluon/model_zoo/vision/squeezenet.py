"""SqueezeNet (arXiv:1602.07360), versions 1.0 and 1.1."""

from __future__ import annotations

from typing import Any

from symgluon.gluon import nn
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.model_zoo.vision.common import load_pretrained, maker, plain

__all__ = ["SqueezeNet", "get_squeezenet"]

#: version -> stem (channels, kernel), then fire modules (squeezed channels) and "pool"
_LAYERS: dict[str, tuple[tuple[int, int], list[Any]]] = {
    "1.0": ((96, 7), ["pool", 16, 16, 32, "pool", 32, 48, 48, 64, "pool", 64]),
    "1.1": ((64, 3), ["pool", 16, 16, "pool", 32, 32, "pool", 48, 48, 64, 64]),
}


def _conv(channels: int, kernel: int, padding: int = 0) -> Any:
    block = plain(nn.HybridSequential)
    block.add(nn.Conv2D(channels, kernel, padding=padding), nn.Activation("relu"))
    return block


def _fire(squeezed: int) -> Any:
    """1x1 convolution to few channels, then 1x1 and 3x3 ones side by side."""
    block = plain(nn.HybridSequential)
    block.add(_conv(squeezed, 1))
    expanded = plain(nn.HybridConcatenate, axis=1)
    expanded.add(_conv(4 * squeezed, 1), _conv(4 * squeezed, 3, 1))
    block.add(expanded)
    return block


class SqueezeNet(HybridBlock):
    """Fire modules: few channels, then 1x1 and 3x3 convolutions side by side.

    Parameters
    ----------
    version : str
        ``"1.0"`` or ``"1.1"``.
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

    Raises
    ------
    AssertionError
        For another version.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.SqueezeNet``; arXiv:1602.07360.
    """

    def __init__(self, version: str, classes: int = 1000, **kwargs: Any) -> None:
        if version not in _LAYERS:
            raise AssertionError(f"Unsupported SqueezeNet version {version}: 1.0 or 1.1 expected")
        super().__init__(**kwargs)
        (channels, kernel), layers = _LAYERS[version]
        with self.name_scope():
            self.features = plain(nn.HybridSequential)
            self.features.add(
                nn.Conv2D(channels, kernel_size=kernel, strides=2), nn.Activation("relu")
            )
            for layer in layers:
                pools = layer == "pool"
                self.features.add(
                    nn.MaxPool2D(pool_size=3, strides=2, ceil_mode=True) if pools else _fire(layer)
                )
            self.features.add(nn.Dropout(0.5))
            self.output = plain(nn.HybridSequential)
            self.output.add(
                nn.Conv2D(classes, kernel_size=1),
                nn.Activation("relu"),
                nn.AvgPool2D(13),
                nn.Flatten(),
            )

    def forward(self, x: Any) -> Any:
        """Return class scores (N, classes) of images (N, 3, 224, 224)."""
        return self.output(self.features(x))


def get_squeezenet(
    version: str,
    pretrained: bool = False,
    device: Any = None,
    root: str | None = None,
    **kwargs: Any,
) -> Any:
    """Return a SqueezeNet.

    Parameters
    ----------
    version : str
        ``"1.0"`` or ``"1.1"``.
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
        For another version.
    MXNetError
        If `pretrained` and there is no file of weights.
    """
    name = f"squeezenet{version}"
    return load_pretrained(SqueezeNet(version, **kwargs), name, pretrained, device, root)


squeezenet1_0 = maker(get_squeezenet, "squeezenet1_0", "SqueezeNet 1.0", "1.0")
squeezenet1_1 = maker(get_squeezenet, "squeezenet1_1", "SqueezeNet 1.1", "1.1")
__all__ += ["squeezenet1_0", "squeezenet1_1"]
