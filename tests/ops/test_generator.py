"""The random stream: seeds, threads, distributions."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from symgluon.errors import AttributeValueError
from symgluon.ops import F, generator


def draw():
    return F.random_uniform(shape=(4,))._content()


def in_thread(function):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def test_seed_repeats_the_stream():
    generator.seed(3)
    first = draw(), draw()
    generator.seed(3)
    again = draw(), draw()
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize("value", [0, -1, 2**70, np.int64(5)])
def test_any_integer_is_a_seed(value):
    generator.seed(value)
    first = draw()
    generator.seed(value)
    assert (draw() == first).all()


def test_negative_and_positive_seeds_differ():
    generator.seed(-1)
    first = draw()
    generator.seed(1)
    assert (draw() != first).any()


def test_threads_have_streams_of_their_own_derived_from_the_seed():
    generator.seed(7)
    here = draw()
    there = [in_thread(draw), in_thread(draw)]
    generator.seed(7)
    assert (draw() == here).all()
    again = [in_thread(draw), in_thread(draw)]
    assert (there[0] == again[0]).all()
    assert (there[1] == again[1]).all()
    assert (there[0] != there[1]).any()
    assert (there[0] != here).any()


def test_state_can_be_saved_and_restored():
    generator.seed(1)
    state = generator.get_state()
    first = draw()
    generator.set_state(state)
    assert (draw() == first).all()


N = 20_000


@pytest.mark.parametrize(
    ("call", "mean", "variance"),
    [
        (lambda: F.random_uniform(shape=(N,)), 0.5, 1 / 12),
        (lambda: F.random_normal(shape=(N,), dtype="float64"), 0.0, 1.0),
        (lambda: F.random_exponential(shape=(N,)), 1.0, 1.0),
        (lambda: F.random_randint(low=-2, high=3, shape=(N,)), 0.0, 2.0),
        (lambda: F.random_gamma(np.array(3.0), shape=(N,)), 3.0, 3.0),
        (lambda: F.random_poisson(np.array(2.5), shape=(N,)), 2.5, 2.5),
        (lambda: F.random_binomial(np.array(10.0), np.array(0.3), shape=(N,)), 3.0, 2.1),
        (lambda: F.random_categorical(np.array([0.2, 0.3, 0.5]), shape=(N,)), 1.3, 0.61),
    ],
)
def test_moments(call, mean, variance):
    generator.seed(11)
    x = call()._content().astype(np.float64)
    assert abs(x.mean() - mean) < 5 * np.sqrt(variance / N)
    assert abs(x.var() - variance) < 0.06 * max(variance, 1)


def test_permutation_and_multinomial():
    generator.seed(2)
    assert sorted(F.random_permutation(n=6)._content()) == list(range(6))
    counts = F.random_multinomial(np.array([0.5, 0.5]), n=10, shape=(3,))._content()
    assert counts.shape == (3, 2)
    assert (counts.sum(axis=1) == 10).all()


def test_errors_name_the_numbers():
    with pytest.raises(AttributeValueError, match="high 1 is not above low 1"):
        F.random_randint(low=1, high=1)
    with pytest.raises(AttributeValueError, match="sum to 1"):
        F.random_multinomial(np.array([0.9, 0.9]), n=1)
