"""How good the memory planner is, and how fast: ``python tools/plan_quality.py [--markdown]``.

For each recorded model and a U-Net: bytes planned against the lower bound (the bytes in use at the
worst step); every plan goes through the overlap checker.  Then the CPU time of planning graphs of
1,000 to 100,000 values.  Exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from visible_models import require_models, visible_models

import symgluon as mx
from symgluon import gluon
from symgluon.gluon import nn
from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.passes import run_pipeline
from symgluon.passes.check_plan import check_plan
from symgluon.passes.mark_inplace import mark
from symgluon.passes.plan_memory import MemoryPlan, make_plan

#: n log n would grow 1.25 times a value; a working set beyond the caches costs the rest
RATIO, SECONDS, GROWTH = 1.10, 0.1, 2.0
SIZES = (1_000, 10_000, 100_000)


class UNet(gluon.HybridBlock):
    """Four levels down and up, joined at each level (arXiv:1505.04597)."""

    def __init__(self, width: int = 16, depth: int = 4) -> None:
        super().__init__()
        self.down, self.up, self.join = (nn.HybridSequential() for _ in range(3))
        for i in range(depth):
            self.down.add(self._two(width * 2**i))
            self.up.add(nn.Conv2DTranspose(width * 2**i, 2, strides=2))
            self.join.add(self._two(width * 2**i))
        self.bottom = self._two(width * 2**depth)
        self.head = nn.Conv2D(2, 1)

    @staticmethod
    def _two(channels: int) -> Any:
        block = nn.HybridSequential()
        for _ in range(2):
            block.add(nn.Conv2D(channels, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"))
        return block

    def forward(self, x: Any) -> Any:
        """Segment a picture."""
        kept = []
        for level in self.down:
            x = level(x)
            kept.append(x)
            x = mx.npx.pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="max")
        x = self.bottom(x)
        for up, join, skip in list(zip(self.up, self.join, kept, strict=True))[::-1]:
            x = join(mx.np.concatenate([up(x), skip], axis=1))
        return self.head(x)


class Quality(NamedTuple):
    """A plan: of which graph, after which passes."""

    name: str
    passes: str
    values: int
    plan: MemoryPlan
    problems: list[str]

    @property
    def ratio(self) -> float:
        """Bytes planned by the lower bound."""
        return self.plan.peak / max(1, self.plan.lower_bound)


def graphs() -> Iterator[tuple[str, str, Graph]]:
    """Every graph to plan: recorded models and the U-Net, after the passes and as traced."""
    for model in visible_models():
        for passes in ("infer", "none"):
            yield model.name, passes, model.block.graph_for(
                *model.arguments(), functions=False, frozen=True
            )  # fmt: skip
    net = UNet()
    net.initialize()
    x = mx.np.ones((1, 3, 64, 64))
    net(x)
    for passes in ("infer", "none"):
        yield "U-Net", passes, net.graph_for(x, functions=False, frozen=True)


def quality() -> Iterator[Quality]:
    """Plan every graph and check the plan."""
    for name, passes, graph in graphs():
        steps = ("inline_calls", "eliminate_dead", "mark_inplace", "plan_memory")
        run_pipeline(graph, "infer" if passes == "infer" else steps)
        plan = graph.plan
        yield Quality(name, passes, len(plan.offsets), plan, check_plan(graph, plan))


# ---- time --------------------------------------------------------------------------------------
def random_graph(count: int, *, training: bool) -> Graph:
    """Return a graph of `count` results of many sizes.

    Most live until the next node and some for up to 60 steps; for training, half of those of the
    first half live until the second half reads them in reverse.
    """
    rng = np.random.default_rng(count)
    graph = Graph("random")
    exp, add = OPS["exp"](), OPS["softmax"]()
    x = graph.add_input("x", TensorType((1,), np.dtype("float32")))
    sizes = rng.integers(16, 65536, count)
    waiting: dict[int, list[Any]] = {}
    last = x
    for i in range(count):
        kind = TensorType((int(sizes[i]),), np.dtype("float32"))
        due = waiting.pop(i, [])
        node = graph.add(exp if i % 3 else add, [last, *due], kind)
        last = node.output
        later = 0
        if training and i < count // 2:
            later = count - 1 - i if rng.random() < 0.5 else 0
        elif rng.random() < 0.2:
            later = i + int(rng.integers(2, 60))
        if i < later < count:
            waiting.setdefault(later, []).append(last)
    graph.set_outputs([last])
    return graph


def timed(count: int, *, training: bool) -> tuple[float, MemoryPlan]:
    """CPU seconds of planning, the best of three, and the plan.

    The objects of the graph are frozen meanwhile: how often the garbage collector walks over all
    that a process holds is not a matter of the planner.
    """
    graph = random_graph(count, training=training)
    mark(graph)
    best = float("inf")
    gc.collect()
    gc.freeze()
    try:
        for _ in range(3):
            gc.collect()
            start = time.process_time()
            plan = make_plan(graph)
            best = min(best, time.process_time() - start)
    finally:
        gc.unfreeze()
    if count <= 10_000 and check_plan(graph, plan):
        raise SystemExit("the plan of a random graph overlaps")
    return best, plan


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="print tables for the docs")
    markdown = parser.parse_args().markdown
    require_models("plan_quality")
    mx.npx.set_np()
    rows = list(quality())
    missed = [r for r in rows if r.ratio > RATIO or r.problems]
    _print_quality(rows, markdown)
    slow = _print_times(markdown)
    for r in missed:
        print(f"MISSED {r.name} ({r.passes}): {r.ratio:.3f} {' '.join(r.problems[:3])}")
    return int(bool(missed) or slow)


def _print_quality(rows: list[Quality], markdown: bool) -> None:
    models = {r.name for r in rows}
    at_bound = sum(r.ratio == 1.0 for r in rows)
    worst = max(rows, key=lambda r: r.ratio)
    saved = sum(r.plan.peak for r in rows) / sum(r.plan.total for r in rows)
    print(f"{len(models)} graphs, each after the passes and as traced: {at_bound} of {len(rows)} "
          f"plans are at the lower bound, the worst is {worst.ratio:.3f} x ({worst.name}); all "
          f"together take {saved:.0%} of the sum of their results. The overlap checker found "
          f"{sum(len(r.problems) for r in rows)} overlaps.\n")  # fmt: skip
    if markdown:
        print("| model | values | planned | lower bound | ratio | sum | planner |")
        print("|---|---|---|---|---|---|---|")
    for r in rows:
        if r.passes == "infer":
            line = (r.name, r.values, r.plan.peak, r.plan.lower_bound, f"{r.ratio:.3f}",
                    r.plan.total, r.plan.method)  # fmt: skip
            if markdown:
                print("| " + " | ".join(map(str, line)) + " |")
            else:
                print("{:42} {:>5} {:>9} {:>9} {:>6} {:>9}  {}".format(*line))
    print()


def _print_times(markdown: bool) -> bool:
    missed = False
    if markdown:
        print(
            "| values | inference-like | x bound | training-like | x bound |\n|---|---|---|---|---|"
        )
    previous: dict[bool, float] = {}
    for count in SIZES:
        cells = [f"{count:,}"]
        for training in (False, True):
            seconds, plan = timed(count, training=training)
            cells += [f"{seconds * 1e3:.1f} ms", f"{plan.peak / plan.lower_bound:.3f}"]
            if count == 10_000 and seconds > SECONDS:
                print(f"MISSED {count:,} values take {seconds:.3f} s")
                missed = True
            each = seconds / count
            if count == 100_000 and each > GROWTH * previous[training]:
                print(f"MISSED a value takes {each / previous[training]:.2f} x at {count:,}")
                missed = True
            previous[training] = each
        if markdown:
            print("| " + " | ".join(cells) + " |")
        else:
            print(
                "{:>8} values: inference-like {:>9} {} x, training-like {:>9} {} x".format(*cells)
            )
    return missed


if __name__ == "__main__":
    sys.exit(main())
