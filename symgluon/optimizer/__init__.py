"""Optimizers: rules that update weights by their gradients (MXNet's ``mx.optimizer``)."""

from symgluon.optimizer import contrib
from symgluon.optimizer.adagrad import AdaDelta, AdaGrad, Ftrl, RMSProp
from symgluon.optimizer.adam import FTML, LAMB, LANS, AdaBelief, Adam, Adamax, AdamW, Nadam
from symgluon.optimizer.contrib import GroupAdaGrad
from symgluon.optimizer.optimizer import Optimizer, Test, create, register
from symgluon.optimizer.sgd import DCASGD, LARS, NAG, SGD, SGLD, Signum
from symgluon.optimizer.updater import Updater, get_updater

__all__ = [
    "DCASGD",
    "FTML",
    "LAMB",
    "LANS",
    "LARS",
    "NAG",
    "SGD",
    "SGLD",
    "AdaBelief",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "GroupAdaGrad",
    "Nadam",
    "Optimizer",
    "RMSProp",
    "Signum",
    "Test",
    "Updater",
    "contrib",
    "create",
    "get_updater",
    "register",
]
