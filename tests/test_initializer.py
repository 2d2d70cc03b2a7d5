"""Initializers: exact ones by value, random ones by their distribution, names, registry."""

from __future__ import annotations

import math

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon, initializer
from symgluon.initializer import InitDesc


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    mx.random.seed(7)
    yield
    mx.npx.reset_np()


def made(init, shape=(40, 30), name="weight", dtype="float32"):
    p = gluon.Parameter(name, shape=shape, init=init, dtype=dtype)
    p.initialize()
    return p.data().asnumpy()


def direct(init, name, shape=(8, 3)):
    array = mx.np.ones(shape) * 9
    init(name, array)
    return array.asnumpy()


# ---- values ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("init", "value"),
    [
        (initializer.Zero(), 0),
        (initializer.One(), 1),
        (initializer.Constant(0.37), 0.37),
        ("zeros", 0),
        ("ones", 1),
        ("Zero", 0),
        ('["constant", {"value": 2}]', 2),
    ],
)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_constants(init, value, shape):
    found = made(init, shape)
    assert found.shape == shape
    onp.testing.assert_array_equal(found, onp.full(shape, value, "float32"))


def test_constant_of_an_array():
    values = onp.arange(6.0).reshape(2, 3)
    onp.testing.assert_array_equal(made(initializer.Constant(mx.np.array(values)), (2, 3)), values)


RANDOM = [
    (initializer.Uniform(), 0.07 / math.sqrt(3), 0.07),
    (initializer.Uniform(2.0), 2 / math.sqrt(3), 2),
    (initializer.Normal(), 0.01, None),
    (initializer.Normal(3.0), 3.0, None),
    (initializer.Xavier(), math.sqrt(3 / 35) / math.sqrt(3), math.sqrt(3 / 35)),
    (initializer.Xavier("gaussian", "in", 2), math.sqrt(2 / 30), None),
    (initializer.Xavier("uniform", "out", 6), math.sqrt(6 / 40) / math.sqrt(3), math.sqrt(6 / 40)),
    (initializer.MSRAPrelu("in", 0.5), math.sqrt(2 / 1.25 / 30), None),
    ("xavier", math.sqrt(1 / 35), math.sqrt(3 / 35)),
]


@pytest.mark.parametrize(("init", "deviation", "bound"), RANDOM)
def test_distributions(init, deviation, bound):
    found = made(init).astype(float)
    assert abs(found.mean()) < 5 * deviation / math.sqrt(found.size)
    assert found.std() == pytest.approx(deviation, rel=0.1)
    if bound is not None:
        assert onp.abs(found).max() <= bound * (1 + 1e-6)
        assert onp.abs(found).max() > 0.9 * bound


def test_xavier_counts_the_window():
    found = made(initializer.Xavier("gaussian", "in", 1), (16, 8, 3, 3))
    assert found.std() == pytest.approx(math.sqrt(1 / 72), rel=0.1)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("shape", [(6, 10), (10, 6), (4, 2, 3)])
def test_orthogonal(kind, shape):
    flat = made(initializer.Orthogonal(2.0, kind), shape).astype(float).reshape(shape[0], -1) / 2
    gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    onp.testing.assert_allclose(gram, onp.eye(len(gram)), atol=1e-5)


def test_bilinear():
    found = made(initializer.Bilinear(), (1, 1, 4, 4))[0, 0]
    row = onp.array([0.25, 0.75, 0.75, 0.25])
    onp.testing.assert_allclose(found, onp.outer(row, row), atol=1e-6)


def test_lstm_bias_sets_the_forget_gate():
    found = made(initializer.LSTMBias(2.0), (12,))
    onp.testing.assert_array_equal(found, onp.repeat([0, 2, 0, 0], 3))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_dtypes(dtype):
    found = made(initializer.Normal(1.0), dtype=dtype)
    assert found.dtype == dtype
    assert found.std() == pytest.approx(1, rel=0.1)


def test_the_seed_decides():
    mx.random.seed(3)
    first = made("xavier")
    mx.random.seed(3)
    onp.testing.assert_array_equal(first, made("xavier"))
    assert (first != made("xavier")).any()


# ---- names -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fc_bias", 0), ("bn_gamma", 1), ("bn_beta", 0), ("running_mean", 0), ("running_var", 1),
        ("moving_mean", 0), ("moving_var", 1), ("calib_min", 0), ("calib_max", 1),
        ("fc_weight", 3.0),
    ],
)  # fmt: skip
def test_called_directly_the_name_decides(name, value):
    onp.testing.assert_array_equal(direct(initializer.Constant(3.0), InitDesc(name)), value)
    onp.testing.assert_array_equal(direct(initializer.Constant(3.0), name), value)


def test_through_a_parameter_the_name_does_not_matter():
    for name in ("bias", "gamma", "anything"):
        onp.testing.assert_array_equal(made(initializer.Constant(3.0), (2,), name), 3)


def test_names_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="Unknown initialization pattern for foo"):
        direct(initializer.Uniform(), InitDesc("foo"))
    with pytest.raises(TypeError, match="name must be a string"):
        direct(initializer.Uniform(), 3)


def test_own_attribute_comes_first():
    desc = InitDesc("foo", {"__init__": initializer.One().dumps()})
    onp.testing.assert_array_equal(direct(initializer.Zero(), desc), 1)


def test_mixed():
    mixed = initializer.Mixed([".*bias", ".*"], [initializer.Zero(), initializer.One()])
    onp.testing.assert_array_equal(direct(mixed, "fc_bias"), 0)
    onp.testing.assert_array_equal(direct(mixed, "fc_weight"), 1)
    with pytest.raises(ValueError, match="did not match any pattern"):
        direct(initializer.Mixed(["a"], [initializer.Zero()]), "b_weight")
    with pytest.raises(AssertionError, match="2 patterns for 1"):
        initializer.Mixed(["a", "b"], [initializer.Zero()])


def test_mixed_chooses_by_structural_names():
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(2, in_units=3, bias_initializer=None))
    net.initialize(initializer.Mixed([r"0\.weight", ".*"], ["ones", "zeros"]))
    onp.testing.assert_array_equal(net[0].weight.data().asnumpy(), 1)
    onp.testing.assert_array_equal(net[0].bias.data().asnumpy(), 0)


def test_load(tmp_path):
    load = initializer.Load({"arg:a": mx.np.ones((2,)) * 7}, default_init=initializer.Zero())
    onp.testing.assert_array_equal(direct(load, "a", (2,)), 7)
    onp.testing.assert_array_equal(direct(load, "b_weight", (2,)), 0)
    with pytest.raises(AssertionError, match="has shape"):
        direct(load, "a", (3,))
    with pytest.raises(AssertionError, match="not loaded"):
        direct(initializer.Load({}), "a", (3,))
    path = str(tmp_path / "x.params")
    mx.npx.savez(path, a=mx.np.ones((2,)) * 5)
    (found,) = tmp_path.iterdir()
    onp.testing.assert_array_equal(direct(initializer.Load(str(found)), "a", (2,)), 5)


# ---- registry ----------------------------------------------------------------------------------
def test_create_and_describe():
    init = initializer.create("xavier", magnitude=2)
    assert init.magnitude == 2
    assert initializer.create(init.dumps()) == init
    assert initializer.create(init) is init
    assert initializer.Uniform(0.1) == initializer.Uniform(0.1)
    assert initializer.Uniform(0.1) != initializer.Uniform(0.2)
    assert initializer.Zero() != initializer.One()
    assert repr(initializer.Normal(2.0)) == "Normal(sigma=2.0)"


def test_unknown_names_list_the_known():
    with pytest.raises(AssertionError, match=r"(?s)no initializer 'foo'.*known:.*xavier"):
        initializer.create("foo")


def test_own_initializer():
    @initializer.register
    class Ramp(initializer.Initializer):
        def _init_weight(self, name, arr):
            arr[:] = mx.np.arange(arr.size).reshape(arr.shape)

    onp.testing.assert_array_equal(made("ramp", (2, 2)), [[0, 1], [2, 3]])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: made("xavier", (3,)), "requires at least 2D"),
        (lambda: made(initializer.Xavier(rnd_type="x")), "Unknown random type"),
        (lambda: made(initializer.Xavier(factor_type="x")), "Incorrect factor type"),
    ],
)
def test_arguments_are_checked(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_base_class_must_be_completed():
    with pytest.raises(NotImplementedError, match="must define _init_weight"):
        made(initializer.Initializer())


# ---- recurrent layers --------------------------------------------------------------------------
def test_fused_vectors_are_initialised_part_by_part():
    layer = gluon.rnn.LSTM(3, input_size=2, i2h_bias_initializer=initializer.LSTMBias(),
                           h2h_weight_initializer=initializer.Constant(5))  # fmt: skip
    layer.initialize(initializer.One())
    parts = gluon.utils.split_rnn_params(layer.rnn_param.data(), "lstm", 1, 2, 3)
    onp.testing.assert_array_equal(parts["l0_i2h_weight"].asnumpy(), 1)
    onp.testing.assert_array_equal(parts["l0_h2h_weight"].asnumpy(), 5)
    onp.testing.assert_array_equal(parts["l0_i2h_bias"].asnumpy(), onp.repeat([0, 1, 0, 0], 3))
    onp.testing.assert_array_equal(parts["l0_h2h_bias"].asnumpy(), 0)


def test_fused_vectors_take_matrix_rules():
    layer = gluon.rnn.GRU(30, 2, input_size=20, bidirectional=True)
    layer.initialize("xavier")
    parts = gluon.utils.split_rnn_params(layer.rnn_param.data(), "gru", 2, 20, 30, True)
    weight = parts["r1_i2h_weight"].asnumpy()
    assert weight.shape == (90, 60)
    assert weight.std() == pytest.approx(math.sqrt(2 / 150), rel=0.1)


@pytest.mark.parametrize(
    ("base", "name", "module"),
    [
        (mx.init.Initializer, "xavier", "init"),
        (mx.optimizer.Optimizer, "sgd", "optimizer"),
        (mx.gluon.metric.EvalMetric, "accuracy", "metric"),
    ],
)
def test_one_registry_behind_both_ways(base, name, module):
    """What a module registers, `mx.registry` knows, and the other way round."""
    module = mx.gluon.metric if module == "metric" else getattr(mx, module)
    assert type(mx.registry.get_create_func(base, "thing")(name)) is type(module.create(name))
    mine = type("MineOfTheTest", (base,), {"__init__": lambda self: None})
    try:
        mx.registry.get_register_func(base, "thing")(mine)
        assert mx.registry.get_registry(base)["mineofthetest"] is mine
        assert type(module.create("MineOfTheTest")).__name__ == "MineOfTheTest"
    finally:
        mx.registry._REGISTRIES[base].pop("mineofthetest", None)
