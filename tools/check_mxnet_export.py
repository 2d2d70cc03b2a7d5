"""Compare real MXNet 2.0 with this package on exported files.

    MXNET_PYTHON=/path/to/python tools/check_mxnet_export.py

Exports three nets as symbol.json and .params, lets MXNet (in its own Python 3.11 environment:
``pip install mxnet==2.0.0b1 numpy==1.23.5``) load and run them, and compares the outputs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import numpy as np

import symgluon as mx
from symgluon.gluon import model_zoo, nn, rnn

READER = """
import sys
import numpy as np
import mxnet as mx
mx.npx.set_np()
for stem in sys.argv[1:]:
    x = np.load(stem + "-x.npy")
    net = mx.gluon.SymbolBlock.imports(stem + "-symbol.json", ["data"], stem + "-0000.params")
    np.save(stem + "-mxnet.npy", net(mx.np.array(x, dtype=x.dtype)).asnumpy())
"""


def nets() -> dict[str, tuple[object, np.ndarray]]:
    """The nets to export, with an input each."""
    rng = np.random.default_rng(0)
    lstm = nn.HybridSequential()
    lstm.add(rnn.LSTM(8, 2, layout="NTC"), nn.Dense(3))
    text = nn.HybridSequential()
    text.add(
        nn.Embedding(20, 8), nn.LayerNorm(), nn.Dense(8, flatten=False, activation="relu"),
        nn.GELU(), nn.Dense(4),
    )  # fmt: skip
    return {
        "resnet18": (
            model_zoo.vision.resnet18_v1(classes=10),
            rng.standard_normal((2, 3, 32, 32)).astype("float32"),
        ),
        "lstm": (lstm, rng.standard_normal((4, 5, 6)).astype("float32")),
        "text": (text, rng.integers(0, 20, (3, 7)).astype("int32")),
    }


def main() -> int:
    """Export, run MXNet, compare."""
    python = os.environ.get("MXNET_PYTHON")
    if not python:
        print("set MXNET_PYTHON to a Python that has mxnet 2.0.0b1", file=sys.stderr)
        return 2
    mx.npx.set_np()
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        wanted = {}
        for name, (net, data) in nets().items():
            net.initialize(mx.init.Xavier())
            net.hybridize()
            wanted[name] = net(mx.np.array(data, dtype=data.dtype)).asnumpy()
            net.export(f"{folder}/{name}")
            np.save(f"{folder}/{name}-x.npy", data)
        stems = [f"{folder}/{name}" for name in wanted]
        subprocess.run([python, "-c", READER, *stems], check=True, stderr=subprocess.DEVNULL)
        for name, want in wanted.items():
            error = float(np.abs(np.load(f"{folder}/{name}-mxnet.npy") - want).max())
            worst = max(worst, error)
            print(f"{name:10} max error {error:.1e}")
    return int(worst > 1e-5)


if __name__ == "__main__":
    sys.exit(main())
