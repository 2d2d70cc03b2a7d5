"""Inception, version 3 (arXiv:1512.00567)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon import nn
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.model_zoo.vision.common import load_pretrained

__all__ = ["Inception3", "inception_v3"]

_Conv = tuple[Any, ...]  # channels, kernel, strides, padding


def _conv(channels: int, kernel: Any = 1, strides: Any = 1, padding: Any = 0) -> Any:
    """Convolution, normalisation, relu."""
    block = nn.HybridSequential()
    block.add(
        nn.Conv2D(channels, kernel, strides, padding, use_bias=False),
        nn.BatchNorm(epsilon=0.001),
        nn.Activation("relu"),
    )
    return block


def _branch(*convs: _Conv, pool: Any = None) -> Any:
    block = nn.HybridSequential()
    if pool is not None:
        block.add(pool)
    for conv in convs:
        block.add(_conv(*conv))
    return block


def _joined(*branches: Any) -> Any:
    block = nn.HybridConcatenate(axis=1)
    block.add(*branches)
    return block


def _average() -> Any:
    return nn.AvgPool2D(pool_size=3, strides=1, padding=1)


def _reduce() -> Any:
    return _branch(pool=nn.MaxPool2D(pool_size=3, strides=2))


def _narrow(pooled: int) -> Any:
    """Module at 35x35: 1x1, 5x5 and two 3x3 convolutions side by side."""
    return _joined(
        _branch((64,)),
        _branch((48,), (64, 5, 1, 2)),
        _branch((64,), (96, 3, 1, 1), (96, 3, 1, 1)),
        _branch((pooled,), pool=_average()),
    )


def _factorised(channels: int) -> Any:
    """Module at 17x17: 7x7 convolutions as 1x7 and 7x1."""
    row, column = (1, 7), (7, 1)
    across, along = (0, 3), (3, 0)
    return _joined(
        _branch((192,)),
        _branch((channels,), (channels, row, 1, across), (192, column, 1, along)),
        _branch(
            (channels,),
            (channels, column, 1, along),
            (channels, row, 1, across),
            (channels, column, 1, along),
            (192, row, 1, across),
        ),
        _branch((192,), pool=_average()),
    )


def _split(*convs: _Conv) -> Any:
    """Convolutions, then 1x3 and 3x1 side by side."""
    block = nn.HybridSequential()
    block.add(
        _branch(*convs),
        _joined(_branch((384, (1, 3), 1, (0, 1))), _branch((384, (3, 1), 1, (1, 0)))),
    )
    return block


def _wide() -> Any:
    """Module at 8x8."""
    return _joined(
        _branch((320,)),
        _split((384,)),
        _split((448,), (384, 3, 1, 1)),
        _branch((192,), pool=_average()),
    )


class Inception3(HybridBlock):
    """Modules of convolutions of several sizes side by side.

    Parameters
    ----------
    classes : int
        Number of classes.

    Inputs
    ------
    x : array (N, 3, 299, 299), float
        Images.

    Outputs
    -------
    array (N, classes), float
        Scores before softmax.

    Notes
    -----
    Source: MXNet's ``gluon.model_zoo.vision.Inception3``; arXiv:1512.00567.
    """

    def __init__(self, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = nn.HybridSequential()
        self.features.add(
            _conv(32, 3, 2),
            _conv(32, 3),
            _conv(64, 3, 1, 1),
            nn.MaxPool2D(pool_size=3, strides=2),
            _conv(80, 1),
            _conv(192, 3),
            nn.MaxPool2D(pool_size=3, strides=2),
            *[_narrow(pooled) for pooled in (32, 64, 64)],
            _joined(_branch((384, 3, 2)), _branch((64,), (96, 3, 1, 1), (96, 3, 2)), _reduce()),
            *[_factorised(channels) for channels in (128, 160, 160, 192)],
            _joined(
                _branch((192,), (320, 3, 2)),
                _branch((192,), (192, (1, 7), 1, (0, 3)), (192, (7, 1), 1, (3, 0)), (192, 3, 2)),
                _reduce(),
            ),
            _wide(),
            _wide(),
            nn.AvgPool2D(pool_size=8),
            nn.Dropout(0.5),
        )
        self.output = nn.Dense(classes)

    def forward(self, x: Any) -> Any:
        """Return class scores (N, classes) of images (N, 3, 299, 299)."""
        return self.output(self.features(x))


def inception_v3(pretrained: bool = False, device: Any = None, root: str | None = None,
                 **kwargs: Any) -> Any:  # fmt: skip
    """Return Inception, version 3.

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
    return load_pretrained(Inception3(**kwargs), "inceptionv3", pretrained, device, root)
