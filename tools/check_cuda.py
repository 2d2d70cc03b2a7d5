"""Run models on an execution provider, compare them with the CPU, and measure both.

    python tools/check_cuda.py --provider cuda [MODELS ...]

Run by tools/check-cuda.  ``--provider cpu`` tries the program itself.  exit codes: 0 all agree, 1 not.
"""

from __future__ import annotations

import argparse
import glob
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as onp

import symgluon as mx
from symgluon import autograd, gluon
from symgluon.errors import SymgluonError
from symgluon.gluon import nn, rnn

#: CUDA adds up in another order
RTOL, ATOL = 1e-3, 1e-4


class Encoder(gluon.HybridBlock):
    """A layer of a transformer."""

    def __init__(self, units: int, heads: int) -> None:
        super().__init__()
        self.units, self.heads = units, heads
        self.qkv = nn.Dense(3 * units, flatten=False, in_units=units)
        self.out = nn.Dense(units, flatten=False, in_units=units)
        self.first = nn.Dense(4 * units, flatten=False, in_units=units)
        self.second = nn.Dense(units, flatten=False, in_units=4 * units)
        self.norm1 = nn.LayerNorm(in_channels=units)
        self.norm2 = nn.LayerNorm(in_channels=units)
        self.gelu = nn.GELU()

    def split(self, x: Any) -> Any:
        """(N, L, C) -> (N, heads, L, C / heads)."""
        n, length, c = x.shape
        return x.reshape((n, length, self.heads, c // self.heads)).transpose((0, 2, 1, 3))

    def forward(self, x: Any) -> Any:
        """Attention, then the two dense layers."""
        q, k, v = (self.split(t) for t in mx.np.split(self.qkv(x), 3, axis=-1))
        scores = mx.np.matmul(q, k.transpose((0, 1, 3, 2))) * (self.units // self.heads) ** -0.5
        mixed = mx.np.matmul(mx.npx.softmax(scores), v).transpose((0, 2, 1, 3))
        x = self.norm1(x + self.out(mixed.reshape(x.shape)))
        return self.norm2(x + self.second(self.gelu(self.first(x))))


def encoder() -> Any:
    """Six layers of width 512."""
    net = nn.HybridSequential()
    net.add(*[Encoder(512, 8) for _ in range(6)])
    return net


def zoo(name: str) -> Callable[[], Any]:
    """A net of the model zoo."""
    return lambda: gluon.model_zoo.vision.get_model(name)


NETS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "mlp": (lambda: _dense(784, 256, 128, 10), (128, 784)),
    "resnet18_v1": (zoo("resnet18_v1"), (8, 3, 224, 224)),
    "resnet50_v1": (zoo("resnet50_v1"), (8, 3, 224, 224)),
    "mobilenetv2_1.0": (zoo("mobilenetv2_1.0"), (8, 3, 224, 224)),
    "encoder": (encoder, (8, 128, 512)),
    "lstm": (lambda: rnn.LSTM(256, num_layers=2), (64, 8, 256)),
}


def _dense(*sizes: int) -> Any:
    net = nn.HybridSequential()
    for before, after in itertools.pairwise(sizes):
        net.add(nn.Dense(after, in_units=before, activation="relu"))
    return net


def measured(call: Callable[[], Any], warm: int = 5, least: int = 5) -> float:
    """Median time of a call in ms, for about a second if it can be called `least` times."""
    for _ in range(warm):  # parameters become constants of the session
        call()
    times: list[float] = []
    while len(times) < least or (sum(times) < 1000 and len(times) < 50):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return float(onp.median(times))


def differs(found: Any, want: Any) -> str:
    """What is wrong with an answer, or nothing."""
    for a, b in zip(found, want, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{a.dtype}{a.shape} instead of {b.dtype}{b.shape}"
        if not onp.allclose(a, b, rtol=RTOL, atol=ATOL * max(1.0, float(onp.abs(b).max(initial=0))),
                            equal_nan=True):  # fmt: skip
            return f"differs by {onp.abs(a.astype('f8') - b.astype('f8')).max():.2g}"
    return ""


Row = tuple[str, str, float, list[float]]
RECORDED = {"static_alloc": True, "static_shape": True}


def nets(providers: tuple[str, ...], wanted: list[str]) -> Iterator[Row]:
    """Run nets of our own: name, what is wrong, ms on the CPU, ms on the provider.

    The second of these is with recorded kernels.
    """
    for name, (build, shape) in NETS.items():
        if wanted and name not in wanted:
            continue
        net, x = ready(build, shape)
        net.optimize_for(x, backend="onnxruntime")
        want = [net(x).asnumpy()]
        cpu = measured(lambda net=net, x=x: net(x).asnumpy())
        found, wrong = [], ""
        for flags in ({}, RECORDED):
            try:
                net.optimize_for(x, backend="onnxruntime", providers=providers, **flags)
                found.append(measured(lambda net=net, x=x: net(x).asnumpy()))
                wrong = wrong or differs([net(x).asnumpy()], want)
            except SymgluonError as error:
                wrong = str(error)
        yield name, wrong, cpu, found


def ready(build: Callable[[], Any], shape: tuple[int, ...]) -> tuple[Any, Any]:
    """A net with the same parameters each time, and data for it."""
    mx.random.seed(1)
    net = build()
    net.initialize(mx.init.Xavier())
    return net, mx.np.random.normal(size=shape).astype("float32")


def training(providers: tuple[str, ...], wanted: list[str]) -> Iterator[Row]:
    """Train nets for some steps: name, what is wrong, ms a step on the CPU, on the provider."""
    for name in NETS:
        if (wanted and name not in wanted) or name == "mlp":
            continue
        cpu, want = trained(name, ("cpu",))
        try:
            there, found = trained(name, providers)
        except SymgluonError as error:
            yield f"training {name}", str(error), cpu, []
            continue
        wrong = "" if onp.allclose(found, want, rtol=1e-2) else f"losses {found}, not {want}"
        yield f"training {name}", wrong, cpu, [there]


def trained(name: str, providers: tuple[str, ...]) -> tuple[float, list[float]]:
    """Ms a step, and the first losses."""
    net, x = ready(*NETS[name])
    if providers[0] == "cuda":  # weights are updated there, too
        net.reset_device(mx.gpu(0))
        x = x.as_in_ctx(mx.gpu(0))
        net.hybridize()
    else:
        net.optimize_for(x, backend="onnxruntime", providers=providers)
    settings = {"learning_rate": 1e-3, "momentum": 0.9}
    trainer = gluon.Trainer(net.collect_params(), "sgd", settings)
    losses: list[float] = []

    def step() -> None:
        with autograd.record():
            loss = square(net(x))
        loss.backward()
        trainer.step(1)
        losses.append(float(loss))

    return measured(step, warm=3, least=3), losses[:3]


class _Square(gluon.HybridBlock):
    """Mean of the squares, as a loss."""

    def forward(self, x: Any) -> Any:
        """A number."""
        return (x * x).mean()


square = _Square()
square.hybridize()


def files(paths: list[str]) -> list[str]:
    """Models in files and folders."""
    found = []
    for path in paths:
        if os.path.isdir(path):
            for pattern in ("*.onnx", "*-symbol.json"):
                found += sorted(glob.glob(os.path.join(glob.escape(path), "**", pattern),
                                          recursive=True))  # fmt: skip
        else:
            found.append(path)
    return found


def models(providers: tuple[str, ...], paths: list[str], shapes: list[str]) -> Iterator[Row]:
    """Run models from files: name, what is wrong, ms on the CPU, ms on the provider."""
    from symgluon.backends.providers import resolve_providers
    from symgluon.backends.sessions import make_session
    from symgluon.cli.common import parse_inputs
    from symgluon.cli.models import open_runner, recorded_inputs
    from symgluon.cli.verify import random_inputs

    specs = parse_inputs(shapes)
    for path in files(paths):
        try:
            runner = open_runner(path, specs)
            beside = glob.glob(os.path.join(glob.escape(os.path.dirname(path)), "*.npz"))
            feeds = recorded_inputs(sorted(beside)) or random_inputs(runner.inputs, specs, 0)
            if path.endswith(".onnx"):
                session = make_session(path, providers=resolve_providers(providers))
                names = [s.name for s in runner.inputs]
                feeds = {
                    k: feeds[k].astype(s.dtype) for k, s in zip(names, runner.inputs, strict=True)
                }
                want = runner.run(feeds)
                cpu = measured(lambda r=runner, f=feeds: r.run(f))
                call = lambda s=session, n=names, f=feeds: s.run(None, {k: f[k] for k in n})  # noqa: E731
                gpu = measured(call)
                yield path, differs(call(), want), cpu, [gpu]
            else:
                yield (path, *_symbol(path, feeds, providers))
        except Exception as error:  # one model does not end the check of the others
            yield path, f"{type(error).__name__}: {error}", float("nan"), []


def _symbol(path: str, feeds: Any, providers: tuple[str, ...]) -> tuple[str, float, list[float]]:
    from symgluon.cli.common import find_params
    from symgluon.gluon.symbol_block import SymbolBlock

    if not feeds:
        return "states no shapes: give --input=NAME=1,3,224,224", float("nan"), []
    block = SymbolBlock.imports(path, list(feeds), find_params(path))
    inputs = [mx.np.array(a, dtype=a.dtype) for a in feeds.values()]

    def answer() -> list[Any]:
        out = block(*inputs)
        return [o.asnumpy() for o in (out if isinstance(out, list | tuple) else [out])]

    block.optimize_for(*inputs, backend="onnxruntime")
    want, cpu = answer(), measured(answer)
    block.optimize_for(*inputs, backend="onnxruntime", providers=providers)
    gpu = measured(answer)
    return differs(answer(), want), cpu, [gpu]


def main() -> int:
    """Run everything; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "models", nargs="*", default=[os.path.join(os.path.dirname(__file__), "../tests/data/models")],
        help=".onnx, NAME-symbol.json, or folders of them; recorded inputs (.npz) beside them are used",
    )  # fmt: skip
    parser.add_argument("--provider", default="cuda")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=1,3,224,224",
                        help="shape of an input that a symbol does not state")  # fmt: skip
    parser.add_argument("--net", action="append", default=[], choices=list(NETS))
    args = parser.parse_args()
    mx.npx.set_np()
    providers = (args.provider,) if args.provider == "cpu" else (args.provider, "cpu")
    failed = 0
    head = (f"{args.provider} ms", "ratio", "recorded", "ratio")
    print(f"{'model':<40} {'cpu ms':>9} " + " ".join(f"{h:>9}" for h in head))
    for source in (
        nets(providers, args.net),
        training(providers, args.net),
        models(providers, args.models, args.input),
    ):
        for name, wrong, cpu, found in source:
            failed += bool(wrong)
            shown = name if len(name) <= 40 else f"...{name[-37:]}"
            columns = " ".join(f"{ms:>9.2f} {ms / cpu:>9.3f}" for ms in found)
            print(f"{shown:<40} {cpu:>9.2f} {columns}  {wrong}", flush=True)
    print(f"{failed} differ or failed" if failed else "all agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
