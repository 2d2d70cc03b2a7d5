"""Eager operators at the sizes of ResNet and LeNet, beside MXNet and PyTorch.

    tools/bench_eager.py --python mxnet2=PYTHON --python torch=PYTHON

Each framework runs in its own process with one thread; processes take turns, and the ratio of the
medians of CPU time is printed, symgluon / fastest other: below 1 symgluon is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: case -> operator and sizes
CASES = {
    "add 16": ("add", (16,)),
    "add 1x64x56x56": ("add", (1, 64, 56, 56)),
    "relu 1x64x56x56": ("relu", (1, 64, 56, 56)),
    "conv lenet 64x1x28x28 k5 20": ("conv", (64, 1, 28, 28), 20, 5, 1, 0),
    "conv lenet 64x20x12x12 k5 50": ("conv", (64, 20, 12, 12), 50, 5, 1, 0),
    "conv resnet 1x3x224x224 k7s2 64": ("conv", (1, 3, 224, 224), 64, 7, 2, 3),
    "conv resnet 1x64x56x56 k3 64": ("conv", (1, 64, 56, 56), 64, 3, 1, 1),
    "conv resnet 1x128x28x28 k3 128": ("conv", (1, 128, 28, 28), 128, 3, 1, 1),
    "conv resnet 1x256x14x14 k1 1024": ("conv", (1, 256, 14, 14), 1024, 1, 1, 0),
    "conv resnet 1x512x7x7 k3 512": ("conv", (1, 512, 7, 7), 512, 3, 1, 1),
    "max pool 1x64x112x112 k3s2": ("max_pool", (1, 64, 112, 112), 3, 2, 1),
    "max pool 64x20x24x24 k2s2": ("max_pool", (64, 20, 24, 24), 2, 2, 0),
    "global pool 1x512x7x7": ("global_pool", (1, 512, 7, 7)),
    "batch norm 1x64x112x112": ("batch_norm", (1, 64, 112, 112)),
    "batch norm 1x512x7x7": ("batch_norm", (1, 512, 7, 7)),
    "softmax 64x10": ("softmax", (64, 10)),
    "softmax 64x1000": ("softmax", (64, 1000)),
    "dense 64x800 500": ("dense", (64, 800), 500),
    "dense 1x512 1000": ("dense", (1, 512), 1000),
}


def gluon_calls(module: str) -> dict:
    mx = __import__(module)
    mx.npx.set_np()
    np, npx = mx.np, mx.npx

    def array(*shape):
        return np.random.uniform(-1, 1, shape).astype("float32")

    def make(kind, shape, *rest):
        x = array(*shape)
        if kind == "add":
            y = array(*shape)
            return lambda: x + y
        if kind == "relu":
            return lambda: npx.relu(x)
        if kind == "conv":
            filters, k, s, p = rest
            layer = mx.gluon.nn.Conv2D(filters, k, s, p, in_channels=shape[1])
            layer.initialize()
            return lambda: layer(x)
        layer = None
        if kind == "max_pool":
            layer = mx.gluon.nn.MaxPool2D(*rest)
        if kind == "global_pool":
            layer = mx.gluon.nn.GlobalAvgPool2D()
        if kind == "batch_norm":
            layer = mx.gluon.nn.BatchNorm(in_channels=shape[1])
            layer.initialize()
        if layer is not None:
            return lambda: layer(x)
        if kind == "softmax":
            return lambda: npx.softmax(x)
        w, b = array(rest[0], shape[1]), array(rest[0])
        return lambda: npx.fully_connected(x, w, b, num_hidden=rest[0])

    def ready(result):
        result.wait_to_read()

    return {name: (make(*case), ready) for name, case in CASES.items()}


def torch_calls() -> dict:
    import torch
    import torch.nn.functional as f

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)

    def make(kind, shape, *rest):
        x = torch.rand(*shape) * 2 - 1
        if kind == "add":
            y = torch.rand(*shape)
            return lambda: x + y
        if kind == "relu":
            return lambda: torch.relu(x)
        if kind == "conv":
            filters, k, s, p = rest
            layer = torch.nn.Conv2d(shape[1], filters, k, s, p)
            return lambda: layer(x)
        layer = None
        if kind == "max_pool":
            layer = torch.nn.MaxPool2d(*rest)
        if kind == "global_pool":
            layer = torch.nn.AdaptiveAvgPool2d(1)
        if kind == "batch_norm":
            layer = torch.nn.BatchNorm2d(shape[1]).eval()
        if layer is not None:
            return lambda: layer(x)
        if kind == "softmax":
            return lambda: torch.softmax(x, -1)
        w, b = torch.rand(rest[0], shape[1]), torch.rand(rest[0])
        return lambda: f.linear(x, w, b)

    return {name: (make(*case), lambda result: None) for name, case in CASES.items()}


def worker(name: str) -> None:
    calls = torch_calls() if name == "torch" else gluon_calls(name)
    found = {}
    for case, (call, ready) in calls.items():
        for _ in range(5):
            ready(call())
        begin = time.process_time()
        count = 0
        while time.process_time() - begin < 0.02:
            ready(call())
            count += 1
        count = max(1, count)
        samples = []
        for _ in range(7):
            begin = time.process_time()
            for _ in range(count):
                result = call()
            ready(result)
            samples.append((time.process_time() - begin) / count)
        found[case] = statistics.median(samples)
    print(json.dumps(found))


def measure(python: str, name: str) -> dict:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    env["PYTHONPATH"] = str(ROOT) if name == "symgluon" else ""
    command = [python, __file__, "--worker", name]
    if hasattr(os, "sched_getaffinity"):
        core = max(os.sched_getaffinity(0))
        command = ["taskset", "-c", str(core), *command]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[], metavar="NAME=EXE",
                        help="mxnet2, mxnet1 or torch, with the Python that has it")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker)
        return
    columns = {"symgluon": sys.executable}
    columns.update(item.split("=", 1) for item in options.python)
    samples: dict[str, list[dict]] = {name: [] for name in columns}
    for _ in range(options.rounds):
        for name, python in columns.items():
            module = "mxnet" if name.startswith("mxnet") else name
            samples[name].append(measure(python, module))
    others = [name for name in columns if name != "symgluon"]
    print("| case | symgluon us |" + "".join(f" {n} us |" for n in others) + " ratio |")
    print("|---|---|" + "---|" * (len(others) + 1))
    for case in CASES:
        middle = {n: statistics.median(s[case] for s in samples[n]) * 1e6 for n in columns}
        cells = "".join(f" {middle[n]:.1f} |" for n in others)
        best = min((middle[n] for n in others), default=float("nan"))
        print(f"| {case} | {middle['symgluon']:.1f} |{cells} {middle['symgluon'] / best:.2f} |")


if __name__ == "__main__":
    main()
