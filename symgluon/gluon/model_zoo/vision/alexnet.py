"""AlexNet, in the one-column form of arXiv:1404.5997."""

from __future__ import annotations

from typing import Any

from symgluon.gluon import nn
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.model_zoo.vision.common import load_pretrained, plain

__all__ = ["AlexNet", "alexnet"]


class AlexNet(HybridBlock):
    """Five convolutions and three dense layers.

    Parameters
    ----------
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
    Source: MXNet's ``gluon.model_zoo.vision.AlexNet``; arXiv:1404.5997.
    """

    def __init__(self, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = plain(nn.HybridSequential)
            self.features.add(
                nn.Conv2D(64, kernel_size=11, strides=4, padding=2, activation="relu"),
                nn.MaxPool2D(pool_size=3, strides=2),
                nn.Conv2D(192, kernel_size=5, padding=2, activation="relu"),
                nn.MaxPool2D(pool_size=3, strides=2),
                nn.Conv2D(384, kernel_size=3, padding=1, activation="relu"),
                nn.Conv2D(256, kernel_size=3, padding=1, activation="relu"),
                nn.Conv2D(256, kernel_size=3, padding=1, activation="relu"),
                nn.MaxPool2D(pool_size=3, strides=2),
                nn.Flatten(),
            )
            for _ in range(2):
                self.features.add(nn.Dense(4096, activation="relu"), nn.Dropout(0.5))
            self.output = nn.Dense(classes)

    def forward(self, x: Any) -> Any:
        """Return class scores (N, classes) of images (N, 3, 224, 224)."""
        return self.output(self.features(x))


def alexnet(pretrained: bool = False, device: Any = None, root: str | None = None,
            **kwargs: Any) -> Any:  # fmt: skip
    """Return AlexNet.

    Parameters
    ----------
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
    return load_pretrained(AlexNet(**kwargs), "alexnet", pretrained, device, root)
