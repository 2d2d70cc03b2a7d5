"""`np.random`, `npx.random`, `mx.random`: shapes, dtypes, seeds, moments, gradients, traces."""

from __future__ import annotations

import threading

import numpy as onp
import pytest

import symgluon as mx
from symgluon.ir.dims import DimScope
from symgluon.ir.op import RANDOM
from symgluon.ops.region import Region

np, npx, nd = mx.np, mx.npx, mx.nd
R = np.random
N = 20_000

#: draw of N numbers -> mean, deviation (None: not stated)
MOMENTS = [
    (lambda: R.uniform(-1, 3, size=N), 1, 4 / 12**0.5),
    (lambda: R.normal(2, 3, size=N), 2, 3),
    (lambda: R.rand(N), 0.5, 1 / 12**0.5),
    (lambda: R.randn(N), 0, 1),
    (lambda: R.lognormal(0, 0.5, size=N), onp.exp(0.125), None),
    (lambda: R.exponential(2.0, size=N), 2, 2),
    (lambda: R.laplace(1, 2, size=N), 1, 2 * 2**0.5),
    (lambda: R.gumbel(1, 2, size=N), 1 + 2 * 0.57722, 2 * onp.pi / 6**0.5),
    (lambda: R.logistic(1, 2, size=N), 1, 2 * onp.pi / 3**0.5),
    (lambda: R.rayleigh(2, size=N), 2 * (onp.pi / 2) ** 0.5, 2 * (2 - onp.pi / 2) ** 0.5),
    (lambda: R.weibull(2, size=N), 0.886227, None),
    (lambda: R.pareto(5, size=N), 0.25, None),
    (lambda: R.power(3, size=N), 0.75, None),
    (lambda: R.gamma(2, 3, size=N), 6, 3 * 2**0.5),
    (lambda: R.chisquare(4, size=N), 4, 8**0.5),
    (lambda: R.beta(2, 3, size=N), 0.4, 0.2),
    (lambda: R.f(5, 12, size=N), 1.2, None),
    (lambda: R.poisson(3, size=N), 3, 3**0.5),
    (lambda: R.randint(0, 10, size=N), 4.5, 99**0.5 / 12**0.5),
    (lambda: R.choice(5, N), 2, 2**0.5),
    (lambda: R.choice(np.array([0, 10]), N, p=np.array([0.7, 0.3])), 3, 21**0.5),
    (lambda: npx.random.bernoulli(0.3, size=N), 0.3, 0.21**0.5),
    (lambda: npx.random.bernoulli(logit=0.0, size=N), 0.5, 0.5),
    (lambda: npx.random.uniform_n(0, 2, batch_shape=N), 1, None),
    (lambda: mx.random.uniform(-1, 3, shape=N), 1, 4 / 12**0.5),
    (lambda: mx.random.normal(2, 3, shape=N), 2, 3),
    (lambda: mx.random.exponential(2, shape=N), 2, 2),
    (lambda: mx.random.gamma(2, 3, shape=N), 6, 3 * 2**0.5),
    (lambda: mx.random.poisson(3, shape=N), 3, 3**0.5),
    (lambda: mx.random.binomial(10, 0.3, shape=N), 3, 2.1**0.5),
    (lambda: mx.random.negative_binomial(3, 0.4, shape=N), 4.5, 11.25**0.5),
    (lambda: mx.random.generalized_negative_binomial(2, 0.5, shape=N), 2, 2),
    (lambda: mx.random.randint(0, 10, shape=N), 4.5, None),
    (lambda: mx.random.bernoulli(0.3, shape=N), 0.3, None),
    (lambda: nd.random_uniform(shape=N, low=0, high=2), 1, None),
    (lambda: nd.random.randn(N), 0, 1),
]


@pytest.mark.parametrize(("draw", "mean", "deviation"), MOMENTS)
def test_moments(draw, mean, deviation):
    mx.random.seed(7)
    found = draw()
    assert found.shape == (N,)
    numbers = found.asnumpy().astype("float64")
    spread = numbers.std()
    assert abs(numbers.mean() - mean) < 5 * spread / N**0.5
    if deviation is not None:
        assert abs(spread / deviation - 1) < 0.06


#: draw -> shape, dtype (measured on MXNet 2.0.0b1 and 1.9.1)
TYPES = [
    (lambda: R.uniform(), (), "float32"),
    (lambda: R.uniform(0, 1, (2,), dtype="float64"), (2,), "float64"),
    (lambda: R.normal(np.zeros(2), 1, size=(3, 2)), (3, 2), "float32"),
    (lambda: R.normal(np.zeros(2), 1), (2,), "float32"),
    (lambda: R.randint(5), (), "int64"),
    (lambda: R.rand(2, 3), (2, 3), "float32"),
    (lambda: R.rand(), (), "float32"),
    (lambda: R.choice(5), (), "int64"),
    (lambda: R.choice(np.arange(5), 3, replace=False), (3,), "float32"),
    (lambda: R.multinomial(3, [0.5, 0.5]), (2,), "int64"),
    (lambda: R.multinomial(3, np.array([0.5, 0.5]), size=2), (2, 2), "int64"),
    (lambda: R.multivariate_normal(np.zeros(2), np.eye(2), size=3), (3, 2), "float32"),
    (lambda: npx.random.normal_n(np.zeros(2), np.ones(2), batch_shape=(3,)), (3, 2), "float32"),
    (lambda: npx.random.categorical(np.array([[0.5, 0.5]]), shape=4), (1, 4), "int32"),
    (lambda: R.permutation(5), (5,), "int64"),
    (lambda: mx.random.uniform(), (1,), "float32"),
    (lambda: mx.random.uniform(nd.zeros(2), nd.ones(2)), (2,), "float32"),
    (lambda: mx.random.normal(nd.zeros(2), nd.ones(2), shape=(3,)), (2, 3), "float32"),
    (lambda: mx.random.uniform(shape=2, dtype="float16"), (2,), "float16"),
    (lambda: mx.random.randint(0, 5, shape=(2,)), (2,), "int32"),
    (lambda: mx.random.multinomial(nd.array([0.1, 0.9])), (1,), "int32"),
    (lambda: mx.random.multinomial(nd.array([[0.1, 0.9]] * 3), shape=2), (3, 2), "int32"),
    (lambda: mx.random.uniform_like(nd.zeros((2, 2))), (2, 2), "float32"),
    (lambda: nd.sample_normal(nd.zeros(2), nd.ones(2), shape=3), (2, 3), "float32"),
]


@pytest.mark.parametrize(("draw", "shape", "dtype"), TYPES)
def test_types(draw, shape, dtype):
    found = draw()
    assert found.shape == shape
    assert found.dtype == dtype


def test_seeds():
    for seed in (R.seed, mx.random.seed, npx.random.seed, npx.seed):
        seed(3)
        first = R.normal(size=4).tolist()
        seed(3)
        assert R.normal(size=4).tolist() == first
        seed(4)
        assert R.normal(size=4).tolist() != first
    with pytest.raises(ValueError):
        R.seed("three")


def test_each_thread_has_a_stream():
    def draws():
        found = []

        def work():
            found.append(R.uniform(size=3).tolist())

        mx.random.seed(11)
        own = R.uniform(size=3).tolist()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return own, found[0]

    first, second = draws(), draws()
    assert first == second
    assert first[0] != first[1]


def test_shuffle_and_choice():
    x = np.arange(10)
    R.shuffle(x)
    assert sorted(x.tolist()) == list(range(10))
    y = nd.random.shuffle(nd.arange(10))
    assert sorted(y.asnumpy().tolist()) == list(range(10))
    picked = R.choice(10, 10, replace=False, p=np.full(10, 0.1)).tolist()
    assert sorted(picked) == list(range(10))
    with pytest.raises(ValueError, match="larger sample"):
        R.choice(3, 4, replace=False)
    found, log_probability = npx.random.categorical(np.array([0.25, 0.75]), shape=8, get_prob=True)
    expected = onp.log(onp.array([0.25, 0.75])[found.asnumpy()])
    onp.testing.assert_allclose(log_probability.asnumpy(), expected, rtol=1e-6)


def test_out_and_device():
    out = np.zeros(3)
    assert R.uniform(1, 2, size=3, out=out) is out
    assert float(out.min()) >= 1
    assert R.normal(size=2, ctx=mx.cpu(1)).device == mx.cpu(1)
    given = nd.zeros((2, 2))
    mx.random.normal(5, 0.1, out=given)
    assert given.mean().asscalar() > 4
    with pytest.raises(TypeError):
        R.uniform(size=2, sise=3)
    with pytest.raises(ValueError, match="must be specified"):
        npx.random.bernoulli()


def test_gradients_reach_the_parameters():
    loc, scale = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    loc.attach_grad()
    scale.attach_grad()
    with mx.autograd.record():
        mx.random.seed(5)
        y = R.normal(loc, scale)
    y.backward()
    draw = (y - loc) / scale
    assert loc.grad.tolist() == [1, 1]
    onp.testing.assert_allclose(scale.grad.asnumpy(), draw.asnumpy(), rtol=1e-5)


def test_a_draw_is_one_node():
    region = Region("net", DimScope())
    with region.active():
        graph = region.close([R.normal(1, 2, size=(2, 3)), R.uniform(size=4)])
    draws = [n for n in graph.nodes if RANDOM in n.op.effects]
    assert [n.op.name for n in draws] == ["random_normal", "random_uniform"]


# ---- parameters out of range -------------------------------------------------------------------
#: call with a parameter, what it may not be, what it may be
RANGES = {
    "normal": (lambda v: R.normal(0, v), [-1], 0),
    "gumbel": (lambda v: R.gumbel(0, v), [-1], 0),
    "logistic": (lambda v: R.logistic(0, v), [-1], 0),
    "lognormal": (lambda v: R.lognormal(0, v), [-1], 0),
    "exponential": (lambda v: R.exponential(v), [-1], 0),
    "rayleigh": (lambda v: R.rayleigh(v), [-1], 0),
    "weibull": (lambda v: R.weibull(v), [-1, 0], 2),
    "pareto": (lambda v: R.pareto(v), [-1, 0], 2),
    "power": (lambda v: R.power(v), [-1, 0], 2),
    "gamma": (lambda v: R.gamma(v, 1), [-1, 0], 2),
    "gamma, scale": (lambda v: R.gamma(1, v), [-1, 0], 2),
    "chisquare": (lambda v: R.chisquare(v), [-1, 0], 2),
    "beta": (lambda v: R.beta(1, v), [-1, 0], 2),
    "f": (lambda v: R.f(v, 1), [-1, 0], 2),
    "poisson": (lambda v: R.poisson(v), [-1], 0),
    "bernoulli": (lambda v: mx.npx.random.bernoulli(v), [-1, 2], 1),
}


@pytest.mark.parametrize("as_array", [True, False])
@pytest.mark.parametrize("name", RANGES)
def test_parameters_out_of_range_are_refused(name, as_array):
    call, wrong, right = RANGES[name]

    def given(value):
        return np.array([value, 1.0]) if as_array else value

    for value in wrong:
        with pytest.raises(ValueError, match=r"at least|more than"):
            call(given(value))
    assert call(given(right)).shape == ((2,) if as_array else ())
    hybrid = mx.gluon.nn.HybridLambda(call)
    hybrid.hybridize()
    assert hybrid(np.array([1.0])).shape == (1,)


# ---- seeds by name ---------------------------------------------------------------------------
SEEDS = {
    "np": lambda n: R.seed(seed_state=n),
    "mx": lambda n: mx.random.seed(seed_state=n),
    "npx": lambda n: npx.seed(seed=n),
    "npx.random": lambda n: npx.random.seed(seed=n),
    "device": lambda n: npx.random.seed(n, device=mx.cpu()),
    "ctx": lambda n: R.seed(n, ctx=mx.cpu()),
}


@pytest.mark.parametrize("name", SEEDS)
def test_seeds_given_by_name(name):
    drawn = []
    for _ in range(2):
        SEEDS[name](5)
        drawn.append(R.uniform(size=4).tolist())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("seed", [R.seed, mx.random.seed, npx.seed, npx.random.seed])
def test_unknown_names_are_no_seeds(seed):
    with pytest.raises(TypeError, match="number"):
        seed(number=5)
