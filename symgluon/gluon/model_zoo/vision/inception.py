"""Inception, version 3 (arXiv:1512.00567)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon.gluon import nn
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.model_zoo.vision.common import load_pretrained, plain
from symgluon.gluon.naming import prefixed

__all__ = ["Inception3", "inception_v3"]

_Conv = tuple[Any, ...]  # channels, kernel, strides, padding


def _conv(channels: int, kernel: Any = 1, strides: Any = 1, padding: Any = 0) -> Any:
    """Convolution, normalisation, relu."""
    block = plain(nn.HybridSequential)
    block.add(
        nn.Conv2D(channels, kernel, strides, padding, use_bias=False),
        nn.BatchNorm(epsilon=0.001),
        nn.Activation("relu"),
    )
    return block


def _branch(*convs: _Conv, pool: Any = None) -> Any:
    block = plain(nn.HybridSequential)
    if pool is not None:
        block.add(pool)
    for conv in convs:
        block.add(_conv(*conv))
    return block


#: one module, or branch of it: what its blocks are made by
_Branches = list[Callable[[], Any]]


def _along(*convs: _Conv, pool: Callable[[], Any] | None = None) -> Callable[[], Any]:
    return lambda: _branch(*convs, pool=None if pool is None else pool())


def _joined(prefix: str, branches: _Branches) -> Any:
    """Blocks side by side; they are made in the order of their names."""
    block = nn.HybridConcatenate(axis=1, **prefixed(prefix))
    with block.name_scope():
        for make in branches:
            block.add(make())
    return block


def _average() -> Any:
    return nn.AvgPool2D(pool_size=3, strides=1, padding=1)


def _halve() -> Any:
    return nn.MaxPool2D(pool_size=3, strides=2)


def _narrow(pooled: int) -> _Branches:
    """Module at 35x35: 1x1, 5x5 and two 3x3 convolutions side by side."""
    return [
        _along((64,)),
        _along((48,), (64, 5, 1, 2)),
        _along((64,), (96, 3, 1, 1), (96, 3, 1, 1)),
        _along((pooled,), pool=_average),
    ]


def _factorised(channels: int) -> _Branches:
    """Module at 17x17: 7x7 convolutions as 1x7 and 7x1."""
    row, column = (1, 7), (7, 1)
    across, along = (0, 3), (3, 0)
    return [
        _along((192,)),
        _along((channels,), (channels, row, 1, across), (192, column, 1, along)),
        _along(
            (channels,),
            (channels, column, 1, along),
            (channels, row, 1, across),
            (channels, column, 1, along),
            (192, row, 1, across),
        ),
        _along((192,), pool=_average),
    ]


def _split(*convs: _Conv) -> Any:
    """Convolutions, then 1x3 and 3x1 side by side."""
    block = plain(nn.HybridSequential)
    block.add(_branch(*convs))
    ends = [_along((384, (1, 3), 1, (0, 1))), _along((384, (3, 1), 1, (1, 0)))]
    block.add(_joined("", ends))
    return block


def _wide() -> _Branches:
    """Module at 8x8."""
    return [
        _along((320,)),
        lambda: _split((384,)),
        lambda: _split((448,), (384, 3, 1, 1)),
        _along((192,), pool=_average),
    ]


def _modules() -> dict[str, _Branches]:
    """All modules by their prefixes, in order."""
    return {
        **{f"A{i}_": _narrow(n) for i, n in enumerate((32, 64, 64), 1)},
        "B_": [
            _along((384, 3, 2)),
            _along((64,), (96, 3, 1, 1), (96, 3, 2)),
            _along(pool=_halve),
        ],
        **{f"C{i}_": _factorised(n) for i, n in enumerate((128, 160, 160, 192), 1)},
        "D_": [
            _along((192,), (320, 3, 2)),
            _along((192,), (192, (1, 7), 1, (0, 3)), (192, (7, 1), 1, (3, 0)), (192, 3, 2)),
            _along(pool=_halve),
        ],
        "E1_": _wide(),
        "E2_": _wide(),
    }


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
        with self.name_scope():
            self.features = plain(nn.HybridSequential)
            self.features.add(
                _conv(32, 3, 2),
                _conv(32, 3),
                _conv(64, 3, 1, 1),
                _halve(),
                _conv(80, 1),
                _conv(192, 3),
                _halve(),
                *[_joined(prefix, branches) for prefix, branches in _modules().items()],
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
