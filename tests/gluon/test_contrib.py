"""`gluon.contrib` of MXNet 1.x, and names of `gluon.block`."""

from __future__ import annotations

import numpy as np
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.gluon import block, contrib, nn, rnn


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (contrib.nn.Concurrent, nn.Concatenate),
        (contrib.nn.HybridConcurrent, nn.HybridConcatenate),
        (contrib.nn.Identity, nn.Identity),
        (contrib.nn.PixelShuffle2D, nn.PixelShuffle2D),
        (contrib.nn.SyncBatchNorm, nn.SyncBatchNorm),
        (contrib.rnn.LSTMPCell, rnn.LSTMPCell),
        (contrib.rnn.VariationalDropoutCell, rnn.VariationalDropoutCell),
        (contrib.rnn.Conv2DLSTMCell, rnn.Conv2DLSTMCell),
        (block.HybridBlock, gluon.HybridBlock),
        (block.SymbolBlock, gluon.SymbolBlock),
    ],
)
def test_same_classes(old, new):
    assert old is new


def test_sparse_embedding():
    layer = contrib.nn.SparseEmbedding(5, 3)
    layer.initialize(mx.init.Normal(1))
    out = layer(mx.np.array([[0, 4]]))
    np.testing.assert_array_equal(out.asnumpy()[0], layer.weight.data().asnumpy()[[0, 4]])


def test_a_concurrent_net():
    net = contrib.nn.HybridConcurrent(axis=1)
    net.add(nn.Dense(2, in_units=3), contrib.nn.Identity())
    net.initialize()
    assert net(mx.np.ones((4, 3))).shape == (4, 5)
    with pytest.raises(AttributeError, match="nothing"):
        _ = block.nothing
