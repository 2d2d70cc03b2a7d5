"""What each MPI rank runs in test_mpi.py: its part of a batch, compared with the whole batch.

Usage: ranks.py CHECK; prints one line of JSON on rank 0.
"""

from __future__ import annotations

import json
import sys

import numpy as np

import symgluon as mx
from symgluon import autograd, distributed, gluon
from symgluon.gluon import nn

mx.npx.set_np()
BATCH = 16


def net_of(norm, dtype: str) -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(4, 3, in_channels=3, use_bias=False), norm(in_channels=4), nn.Activation("tanh"),
        nn.Conv2D(5, 3, in_channels=4, use_bias=False), norm(in_channels=5),
        nn.Dense(3, in_units=5 * 16),
    )  # fmt: skip
    net.cast(dtype)
    return net


def fill(net, dtype: str) -> None:
    rng = np.random.default_rng(7)
    for parameter in net.collect_params().values():
        value = rng.normal(0, 0.4, parameter.shape)
        if "var" in parameter.name:
            value = np.abs(value) + 0.5
        parameter.set_data(mx.np.array(value, dtype=dtype))


def passes(net, parts) -> None:
    """Two training passes over all parts (one a device), without updates."""
    for _ in range(2):
        for part in parts:
            part.attach_grad()
        with autograd.record():
            outs = [net(part) for part in parts]
            losses = [(out * out * out).sum() for out in outs]
        autograd.backward(losses)
    net.outs = outs


def relative(got, want, floor: float = 0.0) -> float:
    scale = max(float(np.abs(want).max()), floor)
    return float(np.abs(got - want).max()) / scale


def layer_of(norm, dtype: str) -> nn.HybridSequential:
    net = nn.HybridSequential()
    net.add(norm(in_channels=3))
    net.cast(dtype)
    return net


def sync_batch_norm(make, dtype: str, hybridize: bool, local: int, mean: float) -> float:
    """Largest relative difference of SyncBatchNorm on parts from BatchNorm on the whole batch.

    The whole batch is computed in float64, from the same numbers.
    """
    size, rank = distributed.size(), distributed.rank()
    x = np.random.default_rng(3).normal(mean, 2, (BATCH, 3, 8, 8)).astype(dtype)
    whole, net = make(nn.BatchNorm, "float64"), make(nn.SyncBatchNorm, dtype)
    devices = [mx.cpu(i) for i in range(local)]
    whole.initialize()
    net.initialize(device=devices)
    fill(net, dtype)
    for name, parameter in whole.collect_params().items():
        parameter.set_data(net.collect_params()[name].list_data()[0].astype("float64"))
    if hybridize:
        net.hybridize()
    all_of_it = mx.np.array(x, dtype="float64")
    passes(whole, [all_of_it])
    mine = slice(rank * BATCH // size, (rank + 1) * BATCH // size)
    parts = gluon.utils.split_and_load(mx.np.array(x[mine], dtype=dtype), devices)
    passes(net, parts)
    found = {
        "out": relative(
            np.concatenate([o.asnumpy() for o in net.outs]), whole.outs[0].asnumpy()[mine]
        ),
        "dx": relative(
            np.concatenate([p.grad.asnumpy() for p in parts]), all_of_it.grad.asnumpy()[mine]
        ),
    }
    for (name, want), got in zip(
        whole.collect_params().items(), net.collect_params().values(), strict=True
    ):
        if want.grad_req == "null":
            for value in got.list_data():
                found[name] = relative(value.asnumpy(), want.data().asnumpy())
        else:
            total = distributed.all_reduce(sum(g.asnumpy() for g in got.list_grad()))
            found[name] = relative(total, want.grad().asnumpy())
    return float(distributed.all_gather(np.array(max(found.values()))).max())


def trainer() -> float:
    """Largest difference, over ranks and parameters, after steps with different initial values."""
    mx.random.seed(distributed.rank())
    net = net_of(nn.SyncBatchNorm, "float32")
    net.initialize()
    step = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01}, kvstore="dist_sync")
    rng = np.random.default_rng(distributed.rank())
    for _ in range(3):
        x = mx.np.array(rng.normal(size=(4, 3, 8, 8)).astype("float32"))
        with autograd.record():
            loss = (net(x) ** 2).mean()
        loss.backward()
        step.step(distributed.size())
    worst = 0.0
    for parameter in net.collect_params().values():
        every = distributed.all_gather(parameter.data().asnumpy())
        worst = max(worst, float(np.abs(every - every[0]).max()))
    return worst


def main() -> None:
    distributed.init()
    found: dict[str, float] = {}
    for dtype in ("float64", "float32"):
        for hybridize in (False, True):
            for local in (1, 2):
                for make, mean in ((net_of, 0.5), (layer_of, 20.0)):
                    name = f"{make.__name__} {dtype} hybridize={hybridize} local={local}"
                    found[name] = sync_batch_norm(make, dtype, hybridize, local, mean)
    found["trainer"] = trainer()
    if distributed.rank() == 0:
        print(json.dumps({"size": distributed.size(), "found": found}))


if __name__ == "__main__":
    sys.exit(main())
