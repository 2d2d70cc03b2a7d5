"""Special functions that NumPy lacks: erf, erfinv, gamma, log gamma, polygamma.

All are computed in float64 and rounded to the dtype of the operand, so float32 and float16 results
are correctly rounded but for rare ties.  Poles follow MXNet: ``gamma(0)`` and the logarithm of
gamma and digamma at 0, -1, -2, ... are infinite, gamma at -1, -2, ... is NaN.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

_BLOCK = 8192
"""Elements worked on at a time, so that the scratch arrays stay in the cache."""


def _blocked(function: Callable[[Array], Array], x: Array) -> Array:
    """Apply `function` on float64 to blocks of `x`; the result has the dtype of `x`."""
    flat = np.ascontiguousarray(x).reshape(-1)
    out = np.empty(flat.shape, x.dtype)
    with np.errstate(all="ignore"):
        for i in range(0, flat.size, _BLOCK):
            part = flat[i : i + _BLOCK].astype(np.float64)
            out[i : i + _BLOCK] = function(part).astype(x.dtype)
    return out.reshape(x.shape)


def _each(function: Callable[[float], float], x: Array) -> Array:
    """Apply a function of one Python number to each element of a vector."""
    return np.fromiter(map(function, x.tolist()), np.float64, x.size)


# ---- error function --------------------------------------------------------------------------
def erf(x: Array) -> Array:
    """Error function, ``2 / sqrt(pi) * integral of exp(-t * t) from 0 to x``."""
    return _blocked(lambda v: _each(math.erf, v), x)


def erfinv(y: Array) -> Array:
    """Inverse of `erf`; infinite at -1 and 1, NaN outside of them."""
    return _blocked(_erfinv, y)


def _erfinv(y: Array) -> Array:
    """A starting value good to three digits, then three Newton steps of third order (Halley).

    Source of the starting value: S. Winitzki, "A handy approximation for the error function and
    its inverse" (2008).  Beyond |y| = 1/2 the steps solve ``erfc(x) = 1 - |y|``, which is exact.
    """
    a = np.abs(y)
    inner = np.minimum(a, np.nextafter(1.0, 0.0))
    rest = 1.0 - inner
    log = np.log(rest) + np.log1p(inner)
    k = 2.0 / (math.pi * 0.147) + 0.5 * log
    x = np.sqrt(np.sqrt(k * k - log / 0.147) - k)
    for _ in range(3):
        low = inner < 0.5
        error = np.where(low, _each(math.erf, x) - inner, rest - _each(math.erfc, x))
        step = error / (2.0 / math.sqrt(math.pi) * np.exp(-x * x))
        x = x - step / (1.0 + x * step)
    x = np.where(a == 1.0, np.inf, np.where(a > 1.0, np.nan, x))
    return np.copysign(x, y)


# ---- gamma and its relatives -----------------------------------------------------------------
def _gamma_one(x: float) -> float:
    if x == 0.0:
        return math.copysign(math.inf, x)
    try:
        return math.gamma(x)
    except OverflowError:
        return math.inf if x > 0 or math.floor(x) % 2 == 0 else -math.inf
    except ValueError:
        return math.nan


def _gammaln_one(x: float) -> float:
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):
        return math.inf


def gamma(x: Array) -> Array:
    """Gamma function."""
    return _blocked(lambda v: _each(_gamma_one, v), x)


def gammaln(x: Array) -> Array:
    """Logarithm of the absolute value of the gamma function."""
    return _blocked(lambda v: _each(_gammaln_one, v), x)


#: Bernoulli numbers B2, B4, ..., B28
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330, 854513 / 138, -236364091 / 2730, 8553103 / 6, -23749461029 / 870,
)  # fmt: skip
_FAR = 20
"""From here (plus the order) on the asymptotic series of polygamma is exact to rounding."""


def polygamma(n: int, x: Array) -> Array:
    """Derivative of order `n` of digamma (``n = 0``: digamma itself).

    Source: NIST DLMF 5.5.2 (recurrence), 5.5.4 (reflection), 5.11.2 (asymptotic series), each
    differentiated `n` times.
    """
    return _blocked(lambda v: _polygamma(n, v), x)


def _polygamma(n: int, x: Array) -> Array:
    negative = x <= 0.0
    result = _polygamma_positive(n, np.where(negative, 1.0 - x, x))
    if negative.any():
        # psi_n(1 - x) - (-1)^n psi_n(x) = (-1)^n d^n/dx^n (pi cot(pi x))
        sign = -1.0 if n % 2 else 1.0
        reflected = sign * result - _cotangent_derivative(n, x)
        pole = np.inf if n == 0 or n % 2 else np.nan
        pole_value = np.where(x == np.floor(x), pole, reflected)
        result = np.where(negative, pole_value, result)
    return np.asarray(result)


def _polygamma_positive(n: int, x: Array) -> Array:
    total = np.zeros_like(x)
    factor = math.factorial(n) * (-1.0 if n % 2 == 0 else 1.0)
    far = _FAR + n
    x = x.copy()
    while True:
        near = x < far
        if not near.any():
            break
        total[near] += factor / x[near] ** (n + 1)
        x[near] += 1.0
    return total + _polygamma_series(n, x)


def _polygamma_series(n: int, x: Array) -> Array:
    inverse = 1.0 / x
    square = inverse * inverse
    if n == 0:
        total = np.log(x) - 0.5 * inverse
        power = square
        for k, b in enumerate(_BERNOULLI, 1):
            total = total - b / (2 * k) * power
            power = power * square
        return np.asarray(total)
    sign = -1.0 if n % 2 == 0 else 1.0
    total = math.factorial(n - 1) + 0.5 * math.factorial(n) * inverse
    power = square
    for k, b in enumerate(_BERNOULLI, 1):
        coefficient = b * math.factorial(2 * k + n - 1) / math.factorial(2 * k)
        total = total + coefficient * power
        power = power * square
    return np.asarray(sign * total * inverse**n)


def _cotangent_derivative(n: int, x: Array) -> Array:
    """Derivative of order `n` of ``pi cot(pi x)``, as a polynomial in the cotangent.

    With c = cot(pi x): d/dx p(c) = -pi (1 + c c) p'(c).
    """
    reduced = x - np.rint(x)
    c = 1.0 / np.tan(math.pi * reduced)
    poly = np.polynomial.Polynomial([0.0, math.pi])
    for _ in range(n):
        poly = poly.deriv() * np.polynomial.Polynomial([-math.pi, 0.0, -math.pi])
    return np.asarray(poly(c))


# ---- stable forms of activations -------------------------------------------------------------
def widened(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Let `function` compute 16-bit floats in float32."""

    @functools.wraps(function)
    def apply(x: Array) -> Array:
        if x.dtype.itemsize == 2:
            return function(x.astype(np.float32)).astype(x.dtype)
        return function(x)

    return apply


def widened2(function: Callable[..., Array]) -> Callable[[Array, Array], Array]:
    """Let `function` of two arrays compute 16-bit floats in float32."""

    @functools.wraps(function)
    def apply(a: Array, b: Array) -> Array:
        if a.dtype.itemsize == 2:
            return function(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
        return function(a, b)

    return apply


@widened
def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))`` without overflow."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, x.dtype.type(1), e) / (1 + e))


@widened
def softplus(x: Array) -> Array:
    """``log(1 + exp(x))`` without overflow or cancellation."""
    return np.asarray(np.maximum(x, x.dtype.type(0)) + np.log1p(np.exp(-np.abs(x))))


@widened
def log_sigmoid(x: Array) -> Array:
    """``log(sigmoid(x))`` without overflow or cancellation."""
    return -softplus(-x)


@widened
def rsqrt(x: Array) -> Array:
    """``1 / sqrt(x)``."""
    return np.asarray(1 / np.sqrt(x))


@widened
def rcbrt(x: Array) -> Array:
    """``1 / cbrt(x)``."""
    return np.asarray(1 / np.cbrt(x))


@widened
def mish(x: Array) -> Array:
    """``x tanh(log(1 + exp(x)))``."""
    return np.asarray(x * np.tanh(softplus(x)))


@widened
def softsign(x: Array) -> Array:
    """``x / (1 + |x|)``."""
    return np.asarray(x / (1 + np.abs(x)))
