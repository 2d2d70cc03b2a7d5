"""What each flag of `hybridize` does, in figures: the table of docs/hybridize.md.

    tools/bench_flags.py [--rounds N]

One thread, CPU time.  The variants of a case take turns in one process; a figure is the best of all
rounds of a variant divided by the best of the variant it is compared with.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import symgluon as mx
from symgluon.gluon import nn
from symgluon.gluon.model_zoo import vision

#: least CPU time of one measurement, seconds
_SLICE = 0.05


def seconds(call: Callable[[], object]) -> float:
    """CPU time of one call, repeated until it can be measured."""
    count = 0
    start = time.process_time()
    while (spent := time.process_time() - start) < _SLICE:
        call()
        count += 1
    return spent / count


def ratio(one: Callable[[], object], other: Callable[[], object], rounds: int) -> float:
    """Time of `one` by time of `other`, after some calls of both."""
    for call in (one, other):
        for _ in range(8):
            call()
    found = [(seconds(one), seconds(other)) for _ in range(rounds)]
    return min(a for a, _ in found) / min(b for _, b in found)


def first_call(make: Callable[[], Callable[[], object]]) -> float:
    """CPU time of the first call."""
    call = make()
    start = time.process_time()
    call()
    return time.process_time() - start


def resnet(**flags: object) -> nn.HybridBlock:
    mx.random.seed(1)
    net = vision.resnet18_v1()
    net.initialize()
    if flags:
        net.hybridize(**flags)
    return net


class Masked(nn.HybridBlock):
    """Layers on the rows that a mask keeps: sizes depend on data."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.HybridSequential()
        for _ in range(30):
            self.body.add(nn.Dense(32, activation="tanh"))

    def forward(self, x: mx.np.ndarray, keep: mx.np.ndarray) -> mx.np.ndarray:
        """Rows kept by 32."""
        return self.body(x[keep])


def chain(layers: int) -> nn.HybridSequential:
    net = nn.HybridSequential()
    for _ in range(layers):
        net.add(nn.Dense(8, in_units=8, activation="tanh"))
    net.initialize()
    return net


# ---- the flags -------------------------------------------------------------------------------
def rows(rounds: int) -> Iterator[tuple[str, str, str]]:
    """Flag, what was compared, figure."""
    x = mx.np.random.uniform(size=(1, 3, 224, 224))
    small = mx.np.ones((1, 8))
    for name, net, given in (
        ("ResNet-18, batch 1", resnet, x),
        ("100 layers Dense(8) + tanh", lambda: chain(100), small),
    ):
        eager, fast = net(), net()
        fast.hybridize()
        found = ratio(lambda f=fast, g=given: f(g), lambda e=eager, g=given: e(g), rounds)
        yield "active", f"{name}: hybridized / eager", f"{found:.2f}"

    nets = []
    for whole in (True, False):
        net = Masked()
        net.initialize()
        net.hybridize(partition_if_dynamic=whole)
        nets.append(net)
    data = mx.np.random.uniform(size=(16, 32))
    keep = mx.np.arange(16) % 2 == 0
    found = ratio(lambda: nets[0](data, keep), lambda: nets[1](data, keep), rounds)
    yield (
        "partition_if_dynamic",
        "a boolean mask, 30 x Dense(32) + tanh: True / False",
        f"{found:.2f}",
    )

    yield from allocation(rounds)

    fixed, free = resnet(static_shape=True), resnet(static_shape=False)
    found = ratio(lambda: fixed(x), lambda: free(x), rounds)
    yield "static_shape", "ResNet-18, one shape: True / False", f"{found:.2f}"
    for other in (fixed, free):
        other(x)
    spent = []
    for net in (fixed, free):
        wide = mx.np.random.uniform(size=(2, 3, 160, 160))
        spent.append(first_call(lambda n=net, w=wide: lambda: n(w)))
    yield (
        "static_shape",
        "ResNet-18, first call at a second shape: True / False",
        f"{spent[0] * 1e3:.0f} ms / {spent[1] * 1e3:.0f} ms",
    )
    yield from functions(x)
    yield from bulks(x, rounds)


def allocation(rounds: int) -> Iterator[tuple[str, str, str]]:
    """Time and memory of the NumPy backend with and without its arena."""
    nets = {}
    x = mx.np.random.uniform(size=(2048, 64))
    for flag in (True, False):
        net = nn.HybridSequential()
        for _ in range(20):
            net.add(nn.Dense(256, in_units=256 if len(net) else 64), nn.LeakyReLU(0.1))
        net.initialize()
        net.optimize_for(x, backend="numpy", static_alloc=flag)
        nets[flag] = net
    found = ratio(lambda: nets[True](x), lambda: nets[False](x), rounds)
    yield "static_alloc", "NumPy backend, 20 x (Dense, LeakyReLU): True / False", f"{found:.2f}"
    peaks = []
    for flag in (True, False):
        tracemalloc.start()
        nets[flag](x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    yield (
        "static_alloc",
        "the same, bytes allocated in a steady call: True / False",
        f"{peaks[0] / 1024:.0f} KiB / {peaks[1] / 1024:.0f} KiB",
    )


def functions(x: mx.np.ndarray) -> Iterator[tuple[str, str, str]]:
    """Functions and bytes of an exported file by `inline_limit`."""
    import onnx

    shown = []
    for limit in (0, 2, 1000):
        net = resnet(inline_limit=limit)
        net(x)
        with tempfile.TemporaryDirectory() as folder:
            net.export(str(Path(folder) / "net"))
            (file,) = Path(folder).glob("*.onnx")
            shown.append(f"{len(onnx.load(file).functions)}")
    yield "inline_limit", "ResNet-18, functions in the file: 0 / 2 / 1000", " / ".join(shown)


def bulks(x: mx.np.ndarray, rounds: int) -> Iterator[tuple[str, str, str]]:
    """Segments of forward and gradient."""
    whole = resnet(forward_bulk_size=None)
    for size in (15, 3):
        net = resnet(forward_bulk_size=size)
        found = ratio(lambda n=net: n(x), lambda: whole(x), rounds)
        yield "forward_bulk_size", f"ResNet-18, batch 1: {size} / None", f"{found:.2f}"
    one = mx.np.ones((1, 8))
    spent = []
    for size in (None, 500):
        net = chain(5000)
        net.hybridize(forward_bulk_size=size)
        spent.append(first_call(lambda n=net: lambda: n(one)))
    yield (
        "forward_bulk_size",
        "5,000 layers Dense(8) + tanh, first call: 500 / None",
        f"{spent[1] / spent[0]:.2f}",
    )

    def step(net: nn.HybridBlock) -> None:
        with mx.autograd.record():
            loss = net(mx.np.ones((32, 8))).sum()
        loss.backward()

    nets = []
    for size in (15, None):
        net = chain(100)
        net.hybridize(backward_bulk_size=size)
        nets.append(net)
    found = ratio(lambda: step(nets[0]), lambda: step(nets[1]), rounds)
    yield "backward_bulk_size", "100 layers Dense(8) + tanh, training: 15 / None", f"{found:.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    mx.npx.set_np()
    print("| flag | measured | figure |\n|---|---|---|")
    for flag, what, figure in rows(args.rounds):
        print(f"| `{flag}` | {what} | {figure} |", flush=True)


if __name__ == "__main__":
    main()
