"""Gluon: blocks, layers and models as in MXNet 2.0."""

from typing import Any

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


def __getattr__(name: str) -> Any:
    if name == "tensor_types":  # classes of arrays, for isinstance (MXNet 1.x)
        from symgluon.gluon import parameter

        return parameter.tensor_types
    raise AttributeError(f"module 'symgluon.gluon' has no attribute {name!r}")
