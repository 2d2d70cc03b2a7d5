"""``gluon.contrib.rnn`` of MXNet 1.x: cells that 2.0 has in `gluon.rnn`."""

from symgluon.gluon import rnn
from symgluon.gluon.rnn import LSTMPCell, VariationalDropoutCell
from symgluon.gluon.rnn.rnn_cell import dynamic_unroll

_CONVOLUTIONAL = [f"Conv{n}D{kind}Cell" for n in (1, 2, 3) for kind in ("RNN", "LSTM", "GRU")]
globals().update({name: getattr(rnn, name) for name in _CONVOLUTIONAL})

__all__ = ["LSTMPCell", "VariationalDropoutCell", "dynamic_unroll"]
__all__ += _CONVOLUTIONAL
