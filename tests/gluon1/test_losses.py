"""Losses whose results MXNet 2.0 changed: those of 1.9.1, and normalisation by groups."""

from __future__ import annotations

import numpy as np
import pytest

A, B, W = [[0.1, 0.2], [0.3, 0.5]], [[0.3, 0.2], [0.1, 0.6]], [[1.0], [2.0]]
CASES = {  # numbers of MXNet 1.9.1
    "kl": ("loss.KLDivLoss()(a, b, w)", [-0.7530795, -1.7335079]),
    "cosine": ("loss.CosineEmbeddingLoss()(a, b, l, w)", [[0.13175684], [1.8608168]]),
    "poisson": ("loss.PoissonNLLLoss(weight=2)(a, b, w)", [3.7968671]),
    "sdml": ("loss.SDMLLoss()(a, b)", [0.06008172, 0.07448141]),
    "groups": (
        "nd.GroupNorm(nd.arange(8).reshape((1, 4, 2)), nd.array([1, 2]), nd.array([0, 1]), "
        "num_groups=2)[0, :, 0]",
        [-1.3416355, 0.44721183, -1.683271, 1.8944237],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_as_mxnet_1(case):
    import mxnet as mx

    code, expected = CASES[case]
    names = {"loss": mx.gluon.loss, "nd": mx.nd, "l": mx.nd.array([1, -1])}
    names.update({k: mx.nd.array(v) for k, v in (("a", A), ("b", B), ("w", W))})
    found = eval(code, names).asnumpy()
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("hybrid", [False, True])
def test_group_norm_has_parameters_by_group(hybrid):
    import mxnet as mx

    layer = mx.gluon.nn.GroupNorm(2)
    assert layer.gamma.shape == (2,)
    layer.initialize()
    layer.gamma.set_data(mx.nd.array([1, 2]))
    layer.beta.set_data(mx.nd.array([0, 1]))
    if hybrid:
        layer.hybridize()
    found = layer(mx.nd.arange(8).reshape((1, 4, 2)))[0, :, 0].asnumpy()
    np.testing.assert_allclose(found, CASES["groups"][1], rtol=1e-4)
