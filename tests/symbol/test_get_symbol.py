"""`autograd.get_symbol`: the symbol computes what was recorded."""

from __future__ import annotations

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import SymgluonError, UnsupportedOpError
from symgluon.gluon import nn

np, npx = mx.np, mx.npx
X = onp.arange(1, 7, dtype="float32").reshape(2, 3) / 4
W = onp.array([[1.0, -1.0, 0.5], [2.0, 0.25, -3.0]], "float32")


def made(layer, active=True):
    layer.initialize(mx.init.Constant(0.25))
    layer.hybridize(active)
    return layer


def written(x, w):
    y = x + 1
    y[0] = 2
    return y * x


def kept(x, w):
    y = x * 2
    y.attach_grad()
    return y + x


def two_layers():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, activation="relu", in_units=3), nn.Dense(2, in_units=4))
    return net


DENSE, NET = made(nn.Dense(2, in_units=3), active=False), made(two_layers())

#: function of x (with a gradient) and w (without), names of the inputs, arrays beside x and w
CASES = {
    "numbers": (lambda x, w: np.exp(x) * 2 - 1, ["var0"], []),
    "two arrays": (lambda x, w: x * w + x, ["var0", "null0"], []),
    "the same array twice": (lambda x, w: (x + w) * w, ["var0", "null0"], []),
    "index": (lambda x, w: x[0] * x[:, 1:2], ["var0"], []),
    "write": (written, ["var0"], []),
    "one of several results": (lambda x, w: np.split(x, 3, axis=1)[1] * 2, ["var0"], []),
    "a result that became a variable": (kept, ["var0"], []),
    "nd": (lambda x, w: mx.nd.broadcast_mul(x.as_nd_ndarray(), x.as_nd_ndarray()), ["var0"], []),
    "layer": (lambda x, w: DENSE(x), ["var0", "var1", "var2"], DENSE),
    "hybridized": (lambda x, w: NET(x) + 1, [f"var{i}" for i in range(5)], NET),
    "loss": (lambda x, w: mx.gluon.loss.L2Loss()(x, w), ["null0", "var0"], []),
}


@pytest.mark.parametrize("name", CASES)
def test_the_symbol_computes_what_was_recorded(name):
    function, names, layer = CASES[name]
    x, w = np.array(X), np.array(W)
    x.attach_grad()
    with mx.autograd.record():
        y = function(x, w)
    symbol = mx.autograd.get_symbol(y)
    assert type(symbol) is mx.sym.Symbol
    assert sorted(symbol.list_inputs()) == sorted(names)
    given = {"var0": x, "null0": w}
    if layer:
        params = [p.data() for p in layer.collect_params().values()]
        given.update({f"var{i}": p for i, p in enumerate(params, 1)})
    back = mx.sym.load_json(symbol.tojson())
    (found,) = back.eval(**{n: given[n] for n in names})
    onp.testing.assert_allclose(found.asnumpy(), y.asnumpy(), rtol=1e-6, atol=1e-6)
    y.backward()  # nothing of the history was lost


@pytest.mark.parametrize(("recorded", "name"), [(True, "var0"), (False, "null0")])
def test_an_array_without_history_is_a_variable(recorded, name):
    x = np.ones((2,))
    if recorded:
        x.attach_grad()
    assert mx.autograd.get_symbol(x).list_outputs() == [name]


def test_what_was_drawn_is_a_variable():
    x = np.ones((20,))
    x.attach_grad()
    with mx.autograd.record():
        y = npx.dropout(x, p=0.5)
    symbol = mx.autograd.get_symbol(y)
    assert symbol.list_inputs() == ["var0", "null0"]
    (found,) = symbol.eval(var0=x, null0=y)  # the mask is the result, x being ones
    assert (found.asnumpy() == y.asnumpy()).all()


class Twice(mx.autograd.Function):
    def forward(self, x):
        return np.array(x.asnumpy() * 2)

    def backward(self, dy):
        return dy * 2


def test_what_cannot_be_said_is_told():
    x = np.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        y, z = x * 2, Twice()(x)
    with pytest.raises(UnsupportedOpError, match=r"mx\.operator"):
        mx.autograd.get_symbol(z)
    y.backward()
    with pytest.raises(SymgluonError, match="already differentiated"):
        mx.autograd.get_symbol(y)
    with pytest.raises(TypeError, match="float"):
        mx.autograd.get_symbol(1.0)
