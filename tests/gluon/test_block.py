"""`Block`: structure, names, parameters, hooks, and errors that say where."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.errors import DeferredInitializationError, ShapeError
from symgluon.gluon import nn

np, npx = mx.np, mx.npx


@pytest.fixture(autouse=True)
def _numpy_arrays():
    npx.set_np()
    yield
    npx.reset_np()


class Two(gluon.Block):
    """A dense layer and a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential()
        self.body.add(nn.Dense(3, in_units=2), nn.Dense(2, in_units=3))
        self.scale = gluon.Parameter("scale", shape=(2,), init="ones")

    def forward(self, x):
        return self.body(x) * self.scale.data()


def two():
    net = Two()
    net.initialize()
    return net


# ---- names and structure ------------------------------------------------------------------------
def test_names_follow_the_structure():
    assert list(two().collect_params()) == [
        "scale", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("select", "found"),
    [
        (".*weight", ["body.0.weight", "body.1.weight"]),
        ("scale|body.1.bias", ["scale", "body.1.bias"]),
        ("body.0", ["body.0.weight", "body.0.bias"]),
        ("nothing", []),
    ],
)
def test_select(select, found):
    assert list(two().collect_params(select)) == found


def test_params_are_those_of_the_block_alone():
    assert list(two().params) == ["scale"]


def test_children_are_replaced_and_removed():
    net = two()
    net.body = nn.Dense(1, in_units=2)
    assert list(net.collect_params()) == ["scale", "body.weight", "body.bias"]
    del net.body
    assert list(net.collect_params()) == ["scale"]


def test_a_block_stays_a_block():
    net = two()
    with pytest.raises(TypeError, match=r"'body'.*Sequential.*int"):
        net.body = 3


@pytest.mark.parametrize("value", [nn.Dense(1), gluon.Parameter("w", shape=(1,))])
def test_init_of_the_base_class_comes_first(value):
    class Hasty(gluon.Block):
        def __init__(self):
            self.part = value

    with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
        Hasty()


def test_hybrid_blocks_take_hybrid_children_only():
    net = nn.HybridSequential()
    with pytest.raises(ValueError, match="HybridSequential"):
        net.add(nn.Sequential())


def test_apply_visits_children_first():
    seen = []
    two().apply(lambda b: seen.append(type(b).__name__))
    assert seen == ["Dense", "Dense", "Sequential", "Two"]


def test_repr_shows_the_tree():
    text = repr(two())
    assert text.startswith("Two(")
    assert "(body): Sequential(" in text
    assert "(1): Dense(" in text


@pytest.mark.parametrize(
    ("forward", "itself"),
    [
        (None, True),
        (lambda self, x: x, True),
        (lambda self, x, *args: x, True),
        (lambda self: 1, False),
        (lambda self, x=1: x, False),
        (lambda self, *args: 1, False),
    ],
)
@pytest.mark.parametrize("base", [gluon.Block, gluon.HybridBlock])
def test_a_child_is_called_for_itself_as_a_weak_reference_is(base, forward, itself):
    child = type("Child", (base,), {} if forward is None else {"forward": forward})()
    parent = gluon.Block()
    parent.child = child
    (found,) = parent._children.values()
    assert found() == (child if itself else 1)


# ---- parameters ---------------------------------------------------------------------------------
def test_forward_must_be_defined():
    with pytest.raises(NotImplementedError, match="forward"):
        gluon.Block()(np.ones((1,)))


def test_uninitialized_parameters_are_named():
    with pytest.raises(RuntimeError, match="weight"):
        Two()(np.ones((1, 2)))


def test_deferred_parameters_tell_how_to_get_their_shape():
    layer = nn.Dense(2)
    layer.initialize()
    with pytest.raises(DeferredInitializationError, match="weight"):
        layer.weight.data()
    layer(np.ones((4, 3)))
    assert layer.weight.shape == (2, 3)


def test_initialize_keeps_what_is_there_unless_forced():
    net = two()
    before = net.body[0].weight.data().asnumpy()
    with pytest.warns(UserWarning, match="already initialized"):
        net.initialize(mx.init.Zero())
    assert onp.array_equal(net.body[0].weight.data().asnumpy(), before)
    net.initialize(mx.init.Zero(), force_reinit=True)
    assert not net.body[0].weight.data().asnumpy().any()


def test_setattr_and_zero_grad():
    net = two()
    net.setattr("grad_req", "add")
    x = np.ones((1, 2))
    for _ in range(2):
        with mx.autograd.record():
            y = net(x).sum()
        y.backward()
    twice = net.scale.grad().asnumpy()
    net.zero_grad()
    assert not net.scale.grad().asnumpy().any()
    with mx.autograd.record():
        y = net(x).sum()
    y.backward()
    onp.testing.assert_allclose(net.scale.grad().asnumpy() * 2, twice, rtol=1e-6)


def test_cast_changes_every_parameter():
    net = two()
    net.cast("float64")
    assert {str(p.dtype) for p in net.collect_params().values()} == {"float64"}
    assert net(np.ones((1, 2), dtype="float64")).dtype == onp.float64


def test_share_parameters():
    a, b = two(), two()
    b.share_parameters(a.collect_params())
    x = np.ones((3, 2))
    a.scale.set_data(np.array([2.0, 3.0]))
    assert onp.array_equal(a(x).asnumpy(), b(x).asnumpy())
    assert b.body[0].weight is a.body[0].weight


def test_share_parameters_tells_of_unknown_names():
    net = two()
    with pytest.warns(UserWarning, match="other"):
        net.share_parameters({"other": net.scale})
    with pytest.raises(ValueError, match="dictionary"):
        net.share_parameters([net.scale])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_independent(duplicate):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2))
    net.initialize()
    net.hybridize()
    x = np.ones((1, 2))
    want = net(x).asnumpy()
    other = duplicate(net)
    assert onp.array_equal(other(x).asnumpy(), want)
    other[0].weight.set_data(np.zeros((2, 2)))
    assert onp.array_equal(net(x).asnumpy(), want)
    assert not onp.array_equal(other(x).asnumpy(), want)


# ---- hooks and errors ---------------------------------------------------------------------------
def test_hooks_see_inputs_and_outputs_until_detached():
    net = two()
    seen = []
    pre = net.register_forward_pre_hook(lambda block, inputs: seen.append(("in", inputs[0].shape)))
    post = net.register_forward_hook(lambda block, inputs, out: seen.append(("out", out.shape)))
    net(np.ones((5, 2)))
    assert seen == [("in", (5, 2)), ("out", (5, 2))]
    pre.detach()
    post.detach()
    net(np.ones((5, 2)))
    assert len(seen) == 2


def test_errors_name_the_block():
    net = two()
    with pytest.raises(ShapeError) as caught:
        net(np.ones((1, 7)))
    text = str(caught.value)
    assert "body.0" in text
    assert "Dense" in text


@pytest.mark.parametrize("pre", [False, True])
def test_hooks_of_children_in_a_trace_warn(pre):
    net = nn.HybridSequential()
    net.add(nn.Dense(2), nn.Dense(3))
    net.initialize()
    seen = []
    if pre:
        net[1].register_forward_pre_hook(lambda *args: seen.append(1))
    else:
        net[1].register_forward_hook(lambda *args: seen.append(1))
    net.hybridize()
    with pytest.warns(UserWarning, match="hooks of Dense run only now"):
        net(np.ones((2, 4)))
    net(np.ones((2, 4)))
    assert seen == [1]


@pytest.mark.parametrize("hybrid", [False, True])
def test_op_hooks_see_intermediates(hybrid):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2, activation="relu"))
    net.initialize()
    names = []
    net.hybridize(hybrid)
    net.register_op_hook(lambda name, op, array: names.append(name), monitor_all=True)
    x = np.ones((1, 2))
    out = net(x).asnumpy()
    assert bool(names) is hybrid  # eager calls have no names to report
    assert out.shape == (1, 2)


def test_summary_lists_layers_and_counts(capsys):
    net = two()
    net.summary(np.ones((1, 2)))
    text = capsys.readouterr().out
    assert "Dense" in text
    assert "17" in text or "19" in text  # 9 + 8 (+ 2 of the scale)


@pytest.mark.parametrize(
    ("value", "warned"),
    [
        (lambda: [gluon.nn.Dense(2)], True),
        (lambda: {"a": [gluon.nn.Dense(2)]}, True),
        (lambda: (1, (gluon.nn.Dense(2),)), True),
        (lambda: {"a": 1, "b": [2, "c"]}, False),
    ],
)
def test_blocks_in_containers_are_told(value, warned):
    net = gluon.nn.Sequential()
    net.layers = value()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.collect_params()
    assert bool(caught) == warned
    if warned:
        assert '"layers" of Sequential is a container with Blocks' in str(caught[0].message)


def test_registered_blocks_in_a_list_are_no_reason():
    net = gluon.nn.Sequential()
    net.layers = [gluon.nn.Dense(2)]
    net.register_child(net.layers[0])
    assert list(net.collect_params()) == ["0.weight", "0.bias"]
