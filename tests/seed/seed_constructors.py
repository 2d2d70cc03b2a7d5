"""Checks of every constructor argument of the seed: what it changes, in numbers."""

from __future__ import annotations

import numpy as onp
import pytest
from seed_checks import constructor
from seed_layers import CONTAINERS, along, close, fill, normalised, ramp, stack

import symgluon as mx
from symgluon.gluon import nn

BATCH = "BatchNorm SyncBatchNorm"
NORMS = f"{BATCH} GroupNorm InstanceNorm LayerNorm"
EAGER = (False,)


def _norm(cls, **kwargs):
    """A normalisation of four channels; SyncBatchNorm on one device."""
    if cls is nn.SyncBatchNorm:
        kwargs.setdefault("num_devices", 1)
    return cls(**kwargs)


def _data(cls):
    return ramp(3, 4, 5)


def _statistics(cls, x, axis=1):
    """Axes that the class takes mean and variance over, on (N, C, W) data with one group."""
    if cls is nn.LayerNorm:
        return (axis,)
    if cls is nn.GroupNorm:
        return (1, 2)
    if cls is nn.InstanceNorm:
        return (
            tuple(i for i in range(1, x.ndim) if i != axis % x.ndim) if axis % x.ndim else (1, 2)
        )
    return tuple(i for i in range(x.ndim) if i != axis % x.ndim)


def _expected(cls, block, x, axis=None, eps=1e-5, training=False):
    axis = (-1 if cls is nn.LayerNorm else 1) if axis is None else axis
    p = {k: v.data().asnumpy() for k, v in block.collect_params().items()}
    if "running_mean" in p and not training:
        mean, var = along(p["running_mean"], axis, x.ndim), along(p["running_var"], axis, x.ndim)
    else:
        axes = _statistics(cls, x, axis)
        mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return normalised(x, mean, var, p["gamma"], p["beta"], axis, eps)


def _filled(cls, run, x, **kwargs):
    block = _norm(cls, **kwargs)
    block.initialize()
    run(block, mx.np.array(x))
    fill(block)
    return block


# ---- normalisations ----------------------------------------------------------------------------
@constructor("BatchNorm InstanceNorm LayerNorm", "axis", "of the channels, of either sign",
             differs="InstanceNorm works for other axes than 1")  # fmt: skip
def axis(cls, run):
    x = _data(cls)
    for k in range(-3, 3):
        if cls is nn.InstanceNorm and k % 3 == 0:
            continue  # the axis of the samples
        block = _filled(cls, run, x, axis=k)
        assert block.gamma.shape == (x.shape[k],)
        close(run(block, mx.np.array(x)), _expected(cls, block, x, k))
    for k in (3, -4):
        block = cls(axis=k)
        block.initialize()
        with pytest.raises((IndexError, mx.MXNetError)):
            run(block, mx.np.array(x))


@constructor(BATCH, "momentum", "running = momentum * running + (1 - momentum) * batch, in the "
             "forward of training mode", differs="in the backward there")  # fmt: skip
def momentum(cls, run):
    x = _data(cls)
    for m in (0.0, 0.9, 0.25):
        block = _filled(cls, run, x, momentum=m)
        mean, var = block.running_mean.data().asnumpy(), block.running_var.data().asnumpy()
        with mx.autograd.train_mode():
            run(block, mx.np.array(x))
        close(block.running_mean.data(), m * mean + (1 - m) * x.mean(axis=(0, 2)))
        close(block.running_var.data(), m * var + (1 - m) * x.var(axis=(0, 2)))


@constructor(NORMS, "epsilon", "added to the variance")
def epsilon(cls, run):
    x = _data(cls)
    for eps in (1e-3, 0.5):
        block = _filled(cls, run, x, epsilon=eps)
        close(run(block, mx.np.array(x)), _expected(cls, block, x, eps=eps))


def _trained(cls, run, **kwargs):
    """A block after a step of SGD, its output before it, and values before it."""
    x = _data(cls)
    block = _norm(cls, **kwargs)
    block.initialize()
    trainer = None
    for _ in range(2):
        data = mx.np.array(x)
        data.attach_grad()
        with mx.autograd.record():
            out = run(block, data)
            loss = (out * mx.np.array(ramp(*x.shape))).sum()
        loss.backward()
        if trainer is None:
            trainer = mx.gluon.Trainer(block.collect_params(), "sgd", {"learning_rate": 0.1})
            first = out
        trainer.step(1)
    return block, first, x


@constructor(NORMS, "center", "False: no shift; beta keeps its zeros and has no gradient")
def center(cls, run):
    for flag in (True, False):
        block, _, _ = _trained(cls, run, center=flag)
        assert block.beta.grad_req == ("write" if flag else "null")
        assert bool(onp.abs(block.beta.data().asnumpy()).sum()) is flag
        assert onp.abs(block.gamma.data().asnumpy() - 1).sum() > 0 or cls is nn.InstanceNorm


@constructor(NORMS, "scale", "False: no factor; gamma keeps its ones and has no gradient")
def scale(cls, run):
    for flag in (True, False):
        block, _, x = _trained(cls, run, scale=flag)
        assert block.gamma.grad_req == ("write" if flag else "null")
        assert bool(onp.abs(block.gamma.data().asnumpy() - 1).sum() > 1e-6) is flag
        close(run(block, mx.np.array(x)), _expected(cls, block, x), 1e-4)
    if cls in (nn.BatchNorm, nn.SyncBatchNorm):  # not read at all
        before = run(block, mx.np.array(x)).asnumpy()
        block.gamma.set_data(mx.np.full((4,), 7.0))
        close(run(block, mx.np.array(x)), before)


@constructor(BATCH, "use_global_stats", "True: running statistics in training mode too, unchanged")
def use_global_stats(cls, run):
    x = _data(cls)
    for flag in (True, False):
        block = _filled(cls, run, x, use_global_stats=flag)
        before = block.running_mean.data().asnumpy().copy()
        expected = _expected(cls, block, x, training=not flag)
        with mx.autograd.record():
            out = run(block, mx.np.array(x))
        close(out, expected)
        assert onp.array_equal(block.running_mean.data().asnumpy(), before) is flag


def _initializer(argument, parameter):
    @constructor(BATCH if "running" in argument else NORMS, argument, "a name or an object",
                 modes=EAGER)  # fmt: skip
    def initializer(cls, run):
        for given, value in (("ones", 1), ("zeros", 0), (mx.init.Constant(0.5), 0.5)):
            for channels in (0, 4):
                block = _norm(cls, **{argument: given, "in_channels": channels})
                block.initialize(mx.init.Constant(9))
                run(block, mx.np.array(_data(cls)[:, :, :4]))
                values = getattr(block, parameter).data()
                close(values, onp.full(values.shape, value))

    initializer.__name__ = argument


for _argument, _parameter in (
    ("beta_initializer", "beta"),
    ("gamma_initializer", "gamma"),
    ("running_mean_initializer", "running_mean"),
    ("running_variance_initializer", "running_var"),
):
    _initializer(_argument, _parameter)


@constructor(NORMS, "in_channels", "0: found at the first call; data of another size is refused")
def in_channels(cls, run):
    x = _data(cls)[:, :, :4]
    block = _norm(cls)
    block.initialize()
    assert block.gamma.shape == (-1,)
    with pytest.raises(mx.gluon.parameter.DeferredInitializationError):
        block.gamma.data()
    run(block, mx.np.array(x))
    assert {p.shape for p in block.collect_params().values()} == {(4,)}
    block = _norm(cls, in_channels=4)
    block.initialize()
    assert block.gamma.data().shape == (4,)
    fill(block)
    close(run(block, mx.np.array(x)), _expected(cls, block, x))
    block = _norm(cls, in_channels=5)
    block.initialize()
    with pytest.raises(AssertionError, match="shape"):
        run(block, mx.np.array(x))


@constructor("GroupNorm", "num_groups", "divides the number of channels; statistics a group",
             differs="less than 1 is refused by the constructor; a crash there")  # fmt: skip
def num_groups(cls, run):
    x = _data(cls)
    for groups in (1, 2, 4):
        block = _filled(cls, run, x, num_groups=groups)
        parts = x.reshape(3, groups, -1)
        mean, var = parts.mean(axis=2, keepdims=True), parts.var(axis=2, keepdims=True)
        flat = ((parts - mean) / onp.sqrt(var + 1e-5)).reshape(x.shape)
        p = {k: along(v.data().asnumpy(), 1, 3) for k, v in block.collect_params().items()}
        close(run(block, mx.np.array(x)), flat * p["gamma"] + p["beta"])
    for wrong in (0, -1):
        with pytest.raises(mx.MXNetError, match="num_groups"):
            cls(num_groups=wrong)
    with pytest.raises(mx.MXNetError):
        _filled(cls, run, x, num_groups=3)


@constructor("SyncBatchNorm", "num_devices", "on one device: BatchNorm; see "
             "`tests/gluon/test_sync_batch_norm.py` for several")  # fmt: skip
def num_devices(cls, run):
    x = mx.np.array(_data(cls))
    plain = nn.BatchNorm()
    plain.initialize()
    with mx.autograd.record():
        expected = run(plain, x)
    for n in (1, None):
        block = cls(num_devices=n)
        block.initialize()
        with mx.autograd.record():
            out = run(block, x)
        close(out, expected)
        close(block.running_var.data(), plain.running_var.data())
    with pytest.raises(ValueError, match="num_devices"):
        cls(num_devices=0)


# ---- Dense ----------------------------------------------------------------------------------
X = ramp(3, 2, 2)


def _dense(run, x=X, **kwargs):
    block = nn.Dense(kwargs.pop("units", 2), **kwargs)
    block.initialize(mx.init.Normal(0.5))
    run(block, mx.np.array(x))
    fill(block)
    return block, {k: p.data().asnumpy() for k, p in block.collect_params().items()}


@constructor("Dense", "units", "size of the output", differs="a number; text is refused at once")
def units(cls, run):
    for n in (1, 5):
        block, p = _dense(run, units=n)
        assert p["weight"].shape == (n, 4)
        close(run(block, mx.np.array(X)), X.reshape(3, 4) @ p["weight"].T + p["bias"])
    with pytest.raises((ValueError, TypeError)):
        cls("3")


@constructor("Dense", "activation", "by name, applied to the sum; an unknown one is an error")
def activation(cls, run):
    for name, function in (
        (None, lambda v: v),
        ("relu", lambda v: onp.maximum(v, 0)),
        ("tanh", onp.tanh),
        ("sigmoid", lambda v: 1 / (1 + onp.exp(-v))),
        ("softrelu", lambda v: onp.log1p(onp.exp(v))),
        ("softsign", lambda v: v / (1 + abs(v))),
    ):
        block, p = _dense(run, activation=name)
        close(run(block, mx.np.array(X)), function(X.reshape(3, 4) @ p["weight"].T + p["bias"]))
        assert ("linear" if name is None else name) in repr(block)
    with pytest.raises(mx.MXNetError):
        _dense(run, activation="nosuch")


@constructor("Dense", "use_bias", "False: no parameter bias")
def use_bias(cls, run):
    block, p = _dense(run, use_bias=False)
    assert block.bias is None
    assert list(p) == ["weight"]
    close(run(block, mx.np.array(X)), X.reshape(3, 4) @ p["weight"].T)


@constructor("Dense", "flatten", "False: the last axis is multiplied, the others stay")
def flatten(cls, run):
    block, p = _dense(run, flatten=False)
    assert p["weight"].shape == (2, 2)
    close(run(block, mx.np.array(X)), X @ p["weight"].T + p["bias"])
    block, _ = _dense(run, flatten=True)
    assert run(block, mx.np.array(X)).shape == (3, 2)


@constructor("Dense", "dtype", "of weight and bias; data of another is an error",
             differs="an unknown one is refused at once; float16 computes on CPUs")  # fmt: skip
def dense_dtype(cls, run):
    for dtype in ("float64", "float32", "float16", onp.float64):
        block = cls(2, dtype=dtype)
        block.initialize()
        out = run(block, mx.np.array(X, dtype=dtype))
        assert out.dtype == block.weight.dtype == block.bias.data().dtype == onp.dtype(dtype)
    block = cls(2, dtype="float64")
    block.initialize()
    with pytest.raises(mx.MXNetError):
        run(block, mx.np.array(X))
    with pytest.raises(TypeError):
        cls(2, dtype="foo")


@constructor("Dense", "weight_initializer", "a name or an object; None: that of initialize()",
             modes=EAGER)  # fmt: skip
def weight_initializer(cls, run):
    values = onp.arange(8.0).reshape(2, 4)
    for given, wanted in (
        ("ones", 1),
        (mx.init.Constant(0.5), 0.5),
        (mx.init.Constant(mx.np.array(values)), values),
        (None, 9),
    ):
        for in_units in (0, 4):
            block = cls(2, weight_initializer=given, in_units=in_units)
            block.initialize(mx.init.Constant(9))
            run(block, mx.np.array(X))
            close(block.weight.data(), onp.broadcast_to(wanted, (2, 4)))
            close(block.bias.data(), onp.zeros(2))
    with pytest.raises(AssertionError, match="nosuch"):
        cls(2, weight_initializer="nosuch", in_units=4).initialize()


@constructor("Dense", "bias_initializer", "a name or an object", modes=EAGER)
def bias_initializer(cls, run):
    for given, wanted in (("ones", 1), (mx.init.Constant(0.5), 0.5), ("zeros", 0)):
        block = cls(2, bias_initializer=given)
        block.initialize(mx.init.Constant(9))
        run(block, mx.np.array(X))
        close(block.bias.data(), onp.full(2, wanted))
        close(block.weight.data(), onp.full((2, 4), 9))


@constructor("Dense", "in_units", "0: found at the first call; data of another size is refused")
def in_units(cls, run):
    block = cls(2)
    block.initialize()
    assert block.weight.shape == (2, -1)
    with pytest.raises(mx.gluon.parameter.DeferredInitializationError):
        block.weight.data()
    run(block, mx.np.array(X))
    assert block.weight.data().shape == (2, 4)
    block = cls(2, in_units=4)
    block.initialize()
    assert block.weight.data().shape == (2, 4)
    block = cls(2, in_units=5)
    block.initialize()
    with pytest.raises(AssertionError, match="shape"):
        run(block, mx.np.array(X))


# ---- Dropout, Embedding -------------------------------------------------------------------------
def _kept(block, run, x):
    with mx.autograd.train_mode():
        out = run(block, mx.np.array(x)).asnumpy()
    return out, out != 0


@constructor("Dropout", "rate", "share of entries that become 0 in training mode; the others are "
             "divided by 1 - rate", differs="rate 1 gives zeros, NaN there")  # fmt: skip
def rate(cls, run):
    mx.random.seed(3)
    x = ramp(50, 40) + 4
    for p in (0.0, 0.3, 0.9, 1.0):
        block = cls(p)
        out, kept = _kept(block, run, x)
        assert abs(kept.mean() - (1 - p)) < 0.05
        close(out[kept], (x / max(1 - p, 1e-9))[kept], 1e-4)
        close(block(mx.np.array(x)), x)
    for wrong in (1.5,):
        with pytest.raises(mx.MXNetError):
            _kept(cls(wrong), run, x)


@constructor("Dropout", "axes", "one draw for all entries along them",
             differs="of either sign; one axis as a number")  # fmt: skip
def axes(cls, run):
    mx.random.seed(3)
    x = ramp(20, 30) + 4
    for given, along_axis in (((0,), 0), ((1,), 1), ((-1,), 1), (1, 1), ([0], 0)):
        block = cls(0.5, axes=given)
        _, kept = _kept(block, run, x)
        first = kept.take([0], axis=along_axis)
        assert (kept == first).all()
        assert 0 < first.mean() < 1
    for mode in (mx.autograd.train_mode, mx.autograd.predict_mode):
        with mode(), pytest.raises(mx.MXNetError):
            run(cls(0.5, axes=(5,)), mx.np.array(x))


@constructor("Embedding", "input_dim", "number of rows; an index beyond them counts as the last")
def input_dim(cls, run):
    block = cls(4, 2)
    block.initialize(mx.init.Normal(1))
    weight = block.weight.data().asnumpy()
    assert weight.shape == (4, 2)
    close(run(block, mx.np.array([0, 3, 9, -5])), weight[[0, 3, 3, 0]])


@constructor("Embedding", "output_dim", "length of a row")
def output_dim(cls, run):
    for n in (1, 7):
        block = cls(4, n)
        block.initialize()
        assert block.weight.data().shape == (4, n)
        assert run(block, mx.np.array([[0, 1, 2]])).shape == (1, 3, n)


@constructor("Embedding", "dtype", "of the weight and of the output")
def embedding_dtype(cls, run):
    for dtype in ("float64", "float16"):
        block = cls(4, 2, dtype=dtype)
        block.initialize()
        assert block.weight.data().dtype == onp.dtype(dtype)
        assert run(block, mx.np.array([1])).dtype == onp.dtype(dtype)


@constructor("Embedding", "weight_initializer", "a name or an object; None: that of initialize()",
             modes=EAGER)  # fmt: skip
def embedding_initializer(cls, run):
    for given, wanted in (("ones", 1), (mx.init.Constant(0.5), 0.5), (None, 9)):
        block = cls(4, 2, weight_initializer=given)
        block.initialize(mx.init.Constant(9))
        close(run(block, mx.np.array([0, 1])), onp.full((2, 2), wanted))


@constructor("Embedding", "sparse_grad", "declares the gradient row_sparse; it is stored dense",
             differs="refused by 2.0.0b1, as in its documentation here")  # fmt: skip
def sparse_grad(cls, run):
    for flag in (False, True):
        block = cls(4, 2, sparse_grad=flag)
        assert block.weight.grad_stype == ("row_sparse" if flag else "default")
        block.initialize()
        with mx.autograd.record():
            run(block, mx.np.array([1, 1, 3])).sum().backward()
        close(block.weight.grad(), onp.array([[0, 0], [2, 2], [0, 0], [1, 1]]))


# ---- functions, containers ------------------------------------------------------------------------
@constructor("Lambda HybridLambda", "function", "a function, or the name of one in np or npx",
             differs="whatever can be called, also without a __name__")  # fmt: skip
def function(cls, run):
    import functools

    x = ramp(3, 2)
    for given, wanted in (
        ("tanh", onp.tanh(x)),
        ("relu", onp.maximum(x, 0)),
        (lambda v: v * 3, x * 3),
        (mx.np.exp, onp.exp(x)),
        (functools.partial(mx.np.sum, axis=0), x.sum(axis=0)),
    ):
        close(run(cls(given), mx.np.array(x)), wanted)
    assert repr(cls("tanh")) == f"{cls.__name__}(tanh)"
    with pytest.raises(Exception, match="nosuch"):
        cls("nosuch")
    with pytest.raises(ValueError, match="3"):
        cls(3)


@constructor("Concatenate HybridConcatenate", "axis", "of either sign; kept by slices",
             differs="slices lose it there")  # fmt: skip
def concatenate_axis(cls, run):
    x = ramp(2, 3, 4)
    children = [nn.Identity(), nn.HybridLambda(lambda v: v * 2)]
    for k in range(-3, 3):
        net = stack(cls, *children, axis=k)
        close(run(net, mx.np.array(x)), onp.concatenate([x, x * 2], axis=k))
        assert net[:1].axis == k
    close(run(stack(cls, *children), mx.np.array(x)), onp.concatenate([x, x * 2], axis=-1))
    for k in (3, -4):
        with pytest.raises(mx.MXNetError):
            run(stack(cls, *children, axis=k), mx.np.array(x))
    with pytest.raises(mx.MXNetError, match="no children"):
        run(cls(), mx.np.array(x))
    with pytest.raises(mx.MXNetError, match="one array"):
        run(stack(cls, nn.HybridLambda(lambda v: (v, v))), mx.np.array(x))


@constructor(" ".join(CONTAINERS), "", "indexable, sliceable, iterable, with a length, nested")
def container(cls, run):
    inner = stack(cls, nn.Dense(2), nn.Dense(2, activation="relu"))
    net = stack(cls, nn.Dense(2), inner)
    net.initialize()
    x = mx.np.array(ramp(3, 2))
    out = run(net, x)
    assert (len(cls()), len(net), len(net[1])) == (0, 2, 2)
    assert list(net) == [net[0], inner]
    assert net[-1] is inner
    assert [type(net[1:]), len(net[1:]), net[1:][0]] == [cls, 1, inner]
    assert list(net[::-1]) == [inner, net[0]]
    assert inner in net
    assert list(reversed(list(net))) == [inner, net[0]]
    for wrong in (2, -3):
        with pytest.raises(IndexError):
            net[wrong]
    assert list(net.collect_params()) == [
        f"{n}.{p}" for n in ("0", "1.0", "1.1") for p in ("weight", "bias")
    ]
    close(run(net, x), out)
    close(run(net[:], x), out)
    assert repr(net).startswith(f"{cls.__name__}(\n  (0): Dense(2 -> 2, linear)\n  (1): ")


@constructor("BatchNorm Dense Dropout Embedding Flatten InstanceNorm SyncBatchNorm", "**kwargs",
             "nothing more is known: a TypeError", modes=EAGER)  # fmt: skip
def unknown(cls, run):
    args = {nn.Dense: (2,), nn.Dropout: (0.5,), nn.Embedding: (2, 2)}.get(cls, ())
    with pytest.raises(TypeError, match="nosuch"):
        cls(*args, nosuch=1)


@constructor("Identity", "", "takes none; a call returns the array itself")
def identity(cls, run):
    x = mx.np.array(ramp(2, 3))
    assert run(cls(), x) is x
    with pytest.raises(TypeError):
        cls(1)
