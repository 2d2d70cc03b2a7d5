"""Layers of neural networks."""

from symgluon.gluon.block import Block
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn import (
    activations,
    basic_layers,
    conv_layers,
    deformable_layers,
    pad_layers,
    pool_layers,
)
from symgluon.gluon.nn.activations import *  # noqa: F403
from symgluon.gluon.nn.basic_layers import *  # noqa: F403
from symgluon.gluon.nn.conv_layers import *  # noqa: F403
from symgluon.gluon.nn.deformable_layers import *  # noqa: F403
from symgluon.gluon.nn.pad_layers import *  # noqa: F403
from symgluon.gluon.nn.pool_layers import *  # noqa: F403
from symgluon.gluon.symbol_block import SymbolBlock

__all__ = ["Block", "HybridBlock", "SymbolBlock"]
__all__ += activations.__all__
__all__ += basic_layers.__all__
__all__ += conv_layers.__all__
__all__ += deformable_layers.__all__
__all__ += pad_layers.__all__
__all__ += pool_layers.__all__
