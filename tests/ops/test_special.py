"""Special functions against values computed with fifty digits (mpmath)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from symgluon.ops.kernels import special

DATA = np.load(Path(__file__).with_name("data") / "special.npz")
FUNCTIONS = {
    "erf": special.erf,
    "erfinv": special.erfinv,
    "gamma": special.gamma,
    "gammaln": special.gammaln,
    **{f"polygamma{n}": (lambda x, n=n: special.polygamma(n, x)) for n in range(4)},
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_float64(name):
    x, y = DATA[f"{name}_x"], DATA[f"{name}_y"]
    # next to a zero of the function only the absolute error can be small
    np.testing.assert_allclose(FUNCTIONS[name](x), y, rtol=2e-14, atol=2e-15)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_float32_is_the_float64_result_rounded(name):
    x = DATA[f"{name}_x"].astype(np.float32)
    expected = FUNCTIONS[name](x.astype(np.float64))
    got = FUNCTIONS[name](x)
    assert got.dtype == np.float32
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(got, expected.astype(np.float32))


def test_poles_and_limits():
    x = np.array([0.0, -0.0, -1.0, -2.0, np.inf, -np.inf, np.nan])
    inf, nan = np.inf, np.nan
    np.testing.assert_array_equal(special.gamma(x)[:5], [inf, -inf, nan, nan, inf])
    np.testing.assert_array_equal(special.gammaln(x), [inf, inf, inf, inf, inf, inf, nan])
    np.testing.assert_array_equal(special.polygamma(0, x)[:4], [inf] * 4)
    np.testing.assert_array_equal(special.erf(x[4:]), [1.0, -1.0, nan])
    np.testing.assert_array_equal(
        special.erfinv(np.array([1.0, -1.0, 1.5, 0.0])), [inf, -inf, nan, 0]
    )
    assert special.gamma(np.array([172.0, 400.0, -200.5])).tolist() == [inf, inf, 0.0]


def test_any_shape_and_blocks():
    x = np.linspace(-3, 3, 3 * 8192 + 5).reshape(1, -1)
    y = special.erf(x)
    assert y.shape == x.shape
    assert (np.diff(y[0]) >= 0).all()
    np.testing.assert_allclose(special.erfinv(y[:, ::64]), x[:, ::64], atol=1e-11)
    assert special.erf(np.zeros((0, 3), np.float16)).shape == (0, 3)


def test_activations_keep_their_digits():
    x = np.array([-1000.0, -40.0, -1e-20, 0.0, 40.0, 1000.0])
    assert special.sigmoid(x).tolist()[0] == 0.0
    np.testing.assert_allclose(special.sigmoid(x)[1], np.exp(-40.0), rtol=1e-15)
    np.testing.assert_allclose(special.softplus(x)[[1, 5]], [np.exp(-40.0), 1000.0], rtol=1e-15)
    np.testing.assert_allclose(
        special.log_sigmoid(x)[[0, 4]], [-1000.0, -np.exp(-40.0)], rtol=1e-15
    )
