"""Recurrent layers and cells."""

from symgluon.gluon.rnn.conv_rnn_cell import *  # noqa: F403
from symgluon.gluon.rnn.rnn_cell import *  # noqa: F403
from symgluon.gluon.rnn.rnn_layer import *  # noqa: F403
