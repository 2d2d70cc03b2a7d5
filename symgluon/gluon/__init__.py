"""Gluon: blocks, layers and models as in MXNet 2.0."""

from symgluon.gluon import contrib, data, loss, metric, model_zoo, nn, rnn, utils
from symgluon.gluon.block import Block
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.parameter import Constant, DeferredInitializationError, Parameter
from symgluon.gluon.parameter_dict import ParameterDict
from symgluon.gluon.symbol_block import SymbolBlock
from symgluon.gluon.trainer import Trainer

__all__ = [
    "Block",
    "Constant",
    "DeferredInitializationError",
    "HybridBlock",
    "Parameter",
    "ParameterDict",
    "SymbolBlock",
    "Trainer",
    "contrib",
    "data",
    "loss",
    "metric",
    "model_zoo",
    "nn",
    "rnn",
    "utils",
]
