"""Names of ``gluon.contrib`` of MXNet 1.x: layers and cells that 2.0 has in `nn` and `rnn`."""

from symgluon.gluon.contrib import cnn, nn, rnn

__all__ = ["cnn", "nn", "rnn"]
