"""The sixteen classes of the seed: how to build one, what to feed it, what it must answer."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as onp

import symgluon as mx
from symgluon import gluon
from symgluon.gluon import nn


class Layer(NamedTuple):
    """One class of the seed."""

    make: Callable[[], Any]
    inputs: Callable[[], onp.ndarray]
    #: (input, parameters as NumPy arrays by name) -> output in predict mode
    reference: Callable[[onp.ndarray, dict[str, onp.ndarray]], onp.ndarray]


def ramp(*shape):
    """Numbers that are neither sorted nor symmetric."""
    n = int(onp.prod(shape))
    values = onp.sin(onp.arange(n) * 1.7) * 2 + onp.arange(n) / n
    return values.reshape(shape).astype("float32")


def stack(cls, *children, **kwargs):
    """A container of `children`."""
    net = cls(**kwargs)
    net.add(*children)
    return net


def _two_dense():
    return nn.Dense(3, activation="relu"), nn.Dense(2)


def _dense(x, p, name=""):
    return x.reshape(len(x), -1) @ p[name + "weight"].T + p[name + "bias"]


def _sequential(x, p):
    return _dense(onp.maximum(_dense(x, p, "0."), 0), p, "1.")


def _concatenated(x, p):
    return onp.concatenate([onp.maximum(_dense(x, p, "0."), 0), _dense(x, p, "1.")], axis=-1)


def along(values, axis, ndim):
    """`values` in a shape that broadcasts along one axis."""
    shape = [1] * ndim
    shape[axis] = -1
    return values.reshape(shape)


def normalised(x, mean, var, gamma, beta, axis, eps=1e-5):
    """What every normalisation computes, from its statistics."""
    gamma, beta = along(gamma, axis, x.ndim), along(beta, axis, x.ndim)
    return gamma * (x - mean) / onp.sqrt(var + eps) + beta


def _batch_norm(x, p):
    mean, var = along(p["running_mean"], 1, x.ndim), along(p["running_var"], 1, x.ndim)
    return normalised(x, mean, var, p["gamma"], p["beta"], 1)


def _over(x, axes):
    return x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)


def _layer_norm(x, p):
    return normalised(x, *_over(x, -1), p["gamma"], p["beta"], -1)


def _instance_norm(x, p):
    return normalised(x, *_over(x, tuple(range(2, x.ndim))), p["gamma"], p["beta"], 1)


def _group_norm(x, p, groups=2):
    parts = x.reshape(len(x), groups, -1)
    mean, var = _over(parts, 2)
    flat = ((parts - mean) / onp.sqrt(var + 1e-5)).reshape(x.shape)
    return flat * along(p["gamma"], 1, x.ndim) + along(p["beta"], 1, x.ndim)


def _same(x, p):
    return x


def _tanh(x, p):
    return onp.tanh(x)


LAYERS: dict[str, Layer] = {
    "BatchNorm": Layer(nn.BatchNorm, lambda: ramp(4, 3), _batch_norm),
    "Concatenate": Layer(
        lambda: stack(nn.Concatenate, *_two_dense()), lambda: ramp(4, 3), _concatenated
    ),
    "Dense": Layer(lambda: nn.Dense(2), lambda: ramp(4, 3), _dense),
    "Dropout": Layer(lambda: nn.Dropout(0.5), lambda: ramp(4, 3), _same),
    "Embedding": Layer(
        lambda: nn.Embedding(5, 2),
        lambda: onp.array([0.0, 4.0, 2.0, 2.0], "float32"),
        lambda x, p: p["weight"][x.astype(int)],
    ),
    "Flatten": Layer(nn.Flatten, lambda: ramp(4, 3, 2), lambda x, p: x.reshape(-1, 6)),
    "GroupNorm": Layer(lambda: nn.GroupNorm(2), lambda: ramp(2, 4, 3), _group_norm),
    "HybridConcatenate": Layer(
        lambda: stack(nn.HybridConcatenate, *_two_dense()), lambda: ramp(4, 3), _concatenated
    ),
    "HybridLambda": Layer(lambda: nn.HybridLambda("tanh"), lambda: ramp(4, 3), _tanh),
    "HybridSequential": Layer(
        lambda: stack(nn.HybridSequential, *_two_dense()), lambda: ramp(4, 3), _sequential
    ),
    "Identity": Layer(nn.Identity, lambda: ramp(4, 3), _same),
    "InstanceNorm": Layer(nn.InstanceNorm, lambda: ramp(2, 4, 3), _instance_norm),
    "Lambda": Layer(lambda: nn.Lambda("tanh"), lambda: ramp(4, 3), _tanh),
    "LayerNorm": Layer(nn.LayerNorm, lambda: ramp(4, 3), _layer_norm),
    "Sequential": Layer(
        lambda: stack(nn.Sequential, *_two_dense()), lambda: ramp(4, 3), _sequential
    ),
    "SyncBatchNorm": Layer(
        lambda: nn.SyncBatchNorm(num_devices=1), lambda: ramp(4, 3), _batch_norm
    ),
}

CONTAINERS = ("Concatenate", "HybridConcatenate", "HybridSequential", "Sequential")
#: plain blocks: hybridize() reaches their children only
PLAIN = ("Concatenate", "Lambda", "Sequential")
#: classes without a parameter, and without children
BARE = ("Dropout", "Flatten", "HybridLambda", "Identity", "Lambda")
#: what the methods that only hybrid blocks, or only containers, have
HYBRID_ONLY = ("export", "infer_shape", "infer_type", "optimize_for")
CONTAINER_ONLY = ("add",)


def has_method(name, method):
    """Whether a class of the seed has a method."""
    if method in HYBRID_ONLY:
        return name not in PLAIN
    return method not in CONTAINER_ONLY or name in CONTAINERS


@contextlib.contextmanager
def quiet():
    """`hybridize` of a Sequential of hybrid blocks warns: not the matter of most checks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


class Subject:
    """A class of the seed in one mode, as the checks use it."""

    def __init__(self, name, hybridized=False):
        self.name = name
        self.layer = LAYERS[name]
        self.hybridized = hybridized
        self.plain = name in PLAIN
        self.bare = name in BARE
        self.container = name in CONTAINERS

    def x(self, dtype="float32", device=None):
        """The input."""
        array = mx.np.array(self.layer.inputs(), dtype=dtype)
        return array if device is None else array.to_device(device)

    def new(self, *, parameters=False, hybridize=True):
        """A block that is not initialized; with `parameters`, a bare one gets a child with some.

        The child is not called: it shows what a method does with the parameters below a block.
        """
        block = self.layer.make()
        if parameters and self.bare:
            block.register_child(nn.Dense(2, in_units=3), "probe")
        if self.hybridized and hybridize:
            self.hybridize(block)
        return block

    @staticmethod
    def hybridize(block, *args, **kwargs):
        """Hybridize without the warning of Sequential."""
        with quiet():
            block.hybridize(*args, **kwargs)

    def ready(self, *, parameters=False, device=None, seed=7, called=True):
        """A block with values of its own in every parameter, called once."""
        mx.random.seed(seed)
        block = self.new(parameters=parameters)
        block.initialize(mx.init.Normal(0.5), device=device)
        if called:
            devices = device if isinstance(device, list) else [device]
            block(self.x(device=devices[0]))
            fill(block, seed)
        return block

    def expected(self, block, x=None):
        """What NumPy computes with the present parameters, in predict mode."""
        data = (self.layer.inputs() if x is None else x).astype("float64")
        params = {
            k: p.data(p.list_device()[0]).asnumpy() for k, p in block.collect_params().items()
        }
        return self.layer.reference(data, params)

    def same(self, block, x=None):
        """Check a call of `block` against NumPy."""
        out = block(self.x() if x is None else x)
        close(out, self.expected(block))
        return out


def fill(block, seed=7):
    """Give every parameter values that no initializer gives; variances stay positive."""
    rng = onp.random.default_rng(seed)
    for name, p in block.collect_params().items():
        values = rng.normal(size=p.shape)
        if name.endswith("running_var"):
            values = onp.abs(values) + 0.5
        p.set_data(mx.np.array(values, dtype=p.dtype))


def close(a, b, tolerance=1e-5):
    """Check arrays of either library."""
    a = a.asnumpy() if hasattr(a, "asnumpy") else a
    b = b.asnumpy() if hasattr(b, "asnumpy") else b
    onp.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def arrays(block):
    """Values of all parameters by name."""
    return {k: p.data(p.list_device()[0]).asnumpy() for k, p in block.collect_params().items()}


def equal(a, b):
    """Check two dictionaries of arrays."""
    assert list(a) == list(b)
    for name in a:
        onp.testing.assert_array_equal(a[name], b[name], err_msg=name)


def hybrid_blocks(block):
    """All hybrid blocks of a tree."""
    found = []
    block.apply(lambda b: found.append(b) if isinstance(b, gluon.HybridBlock) else None)
    return found
