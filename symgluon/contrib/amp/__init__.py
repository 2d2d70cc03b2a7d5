"""``mx.contrib.amp`` of MXNet 1.x: automatic mixed precision, which there is not on CPUs."""

from symgluon.contrib.amp import amp
from symgluon.contrib.amp.amp import (
    convert_hybrid_block,
    convert_model,
    convert_symbol,
    init,
    init_trainer,
    scale_loss,
    unscale,
)

__all__ = [
    "amp",
    "convert_hybrid_block",
    "convert_model",
    "convert_symbol",
    "init",
    "init_trainer",
    "scale_loss",
    "unscale",
]
