"""How trace, passes and export grow with the number of operators: ``python tools/scale.py``.

Prints seconds of CPU time; a chain of elementwise operators is traced, optimised and written.
"""

from __future__ import annotations

import sys
import tempfile
import time

import symgluon as mx
from symgluon import gluon
from symgluon.passes import run_pipeline


class Chain(gluon.HybridBlock):
    """`n` elementwise operators, one after the other."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x):
        """Apply them."""
        for i in range(self.n):
            x = mx.np.tanh(x) if i % 2 else x * 0.9
        return x


def measure(n: int) -> dict[str, float]:
    """Seconds of each step for a chain of `n` operators."""
    net = Chain(n)
    net.initialize()
    x = mx.np.ones((2, 16))
    times = {}
    start = time.process_time()
    graph = net.graph_for(x)
    times["trace"] = time.process_time() - start
    start = time.process_time()
    run_pipeline(graph, "infer")
    times["passes"] = time.process_time() - start
    net.hybridize()
    start = time.process_time()
    net(x)
    times["first call"] = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        net.export(f"{folder}/chain")
        times["export"] = time.process_time() - start
    return times


def main() -> int:
    """Measure and print."""
    mx.npx.set_np()
    sizes = [int(a) for a in sys.argv[1:]] or [2_000, 20_000]
    rows = [measure(n) for n in sizes]
    print(f"{'operators':>10} " + " ".join(f"{k:>11}" for k in rows[0]))
    for n, row in zip(sizes, rows, strict=True):
        print(f"{n:>10} " + " ".join(f"{v:>9.2f} s" for v in row.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
