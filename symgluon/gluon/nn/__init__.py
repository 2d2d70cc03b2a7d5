"""Layers of neural networks."""

from symgluon.gluon.block import Block
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.activations import *  # noqa: F403
from symgluon.gluon.nn.basic_layers import *  # noqa: F403
from symgluon.gluon.nn.conv_layers import *  # noqa: F403
from symgluon.gluon.symbol_block import SymbolBlock

__all__ = ["Block", "HybridBlock", "SymbolBlock"]  # noqa: F405  (and all layers)
