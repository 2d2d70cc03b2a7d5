"""Names of ``gluon.contrib`` of MXNet 1.x: layers and cells that 2.0 has in `nn` and `rnn`."""

from symgluon.gluon.contrib import nn, rnn

__all__ = ["nn", "rnn"]
