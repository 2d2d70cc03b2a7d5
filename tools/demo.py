"""The demonstration that ``tools/demo`` runs; every number it prints is checked."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort

import symgluon as mx
from symgluon import gluon
from symgluon.cli.verify import verify
from symgluon.gluon import nn
from symgluon.ir.graph import Graph
from symgluon.passes import run_pipeline
from symgluon.passes.check_plan import check_plan
from symgluon.passes.plan_memory import make_plan

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
CHECKPOINTS = {
    "MXNet 1.9.1": "models/mxnet-1.9.1/symbolic_cnn",
    "MXNet 2.0.0b1": "models/mxnet-2.0.0beta1/conv1d_net",
}
TOLERANCE = 1e-5

failed: list[str] = []


def check(what: str, error: float, tolerance: float = TOLERANCE) -> str:
    """Return the error as text; remember it if it is too large."""
    if not error <= tolerance:
        failed.append(f"{what}: off by {error:.3g}")
    return f"{error:.1e}"


def head(text: str) -> None:
    """Print a section heading."""
    print(f"\n-- {text}")


def convert_checkpoints(folder: Path) -> None:
    """Real MXNet checkpoints: file -> graph -> ONNX, against what MXNet itself computed."""
    head("checkpoints that real MXNet wrote -> ONNX -> ONNX Runtime")
    for version, where in CHECKPOINTS.items():
        source = DATA / where
        meta = json.loads((source / "meta.json").read_text())
        symbol = next(source.glob("*-symbol.json"))
        params = next(f for f in source.glob("*-[0-9]*.params"))
        names = [i["name"] for i in meta["inputs"]]
        recorded = np.load(source / "io.npz")
        net = gluon.SymbolBlock.imports(str(symbol), names, str(params))
        net.hybridize()
        net(*[mx.np.array(recorded[f"input/{n}"]) for n in names])
        stem = folder / version.replace(" ", "_")
        net.export(str(stem))
        onnx_file = f"{stem}-0000.onnx"
        result = verify(onnx_file, str(source / "io.npz"), rtol=1e-4, atol=1e-5)
        if not result.passed:
            failed.append(f"{version}: ONNX output differs from MXNet's")
        shown = check(version, max(o.max_abs for o in result.outputs))
        size = Path(onnx_file).stat().st_size
        print(f"   {version:14} {symbol.name} + {params.name} -> {size:,} bytes of ONNX, "
              f"max error {shown}")  # fmt: skip


class Residual(gluon.HybridBlock):
    """conv - batch norm - relu - conv - batch norm, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.HybridSequential()
        self.body.add(
            nn.Conv2D(channels, 3, padding=1, use_bias=False),
            nn.BatchNorm(),
            nn.Activation("relu"),
            nn.Conv2D(channels, 3, padding=1, use_bias=False),
            nn.BatchNorm(),
        )

    def forward(self, x):
        """Return relu(body(x) + x)."""
        return mx.npx.relu(self.body(x) + x)


def gluon_net(folder: Path) -> None:
    """A net written in Gluon: eager, hybridized, its graph around the passes, exported."""
    head("a HybridBlock: eager, hybridized, optimised, exported")
    mx.random.seed(1)
    net = nn.HybridSequential()
    net.add(Residual(8), Residual(8), nn.GlobalAvgPool2D(), nn.Dense(4))
    net.initialize(mx.init.Xavier())
    x = mx.np.random.normal(size=(2, 8, 16, 16))
    with mx.autograd.record():  # one training step, so that the running statistics are real ones
        loss = net(x).sum()
    loss.backward()
    want = net(x).asnumpy()
    net.hybridize()
    error = check("hybridized", float(np.abs(net(x).asnumpy() - want).max()))
    print(f"   hybridized against eager: max error {error}")

    graph = net.graph_for(x, functions=False, frozen=True)
    print("   traced:\n" + indent(main_part(graph)))
    report = run_pipeline(graph, "infer")
    print("   after the passes:\n" + indent(main_part(graph)))
    done = ", ".join(f"{k} {v}" for k, v in report.totals().items() if v)
    print(f"   {report.nodes_before} -> {report.nodes_after} nodes: {done}")
    plan = make_plan(graph)  # at the sizes of the trace
    print(
        f"   memory plan for {x.shape}: peak {plan.peak:,} bytes, sum of all buffers {plan.total:,}"
    )
    if check_plan(graph, plan):
        failed.append("the memory plan overlaps")

    net.export(str(folder / "net"))
    session = ort.InferenceSession(str(folder / "net-0000.onnx"))
    for batch in (2, 5):
        x = mx.np.random.normal(size=(batch, 8, 16, 16))
        (got,) = session.run(None, {"data": x.asnumpy()})
        error = check(f"exported, batch {batch}", float(np.abs(got - net(x).asnumpy()).max()))
        print(f"   exported file in ONNX Runtime, batch {batch}: max error {error}")


def main_part(graph: Graph) -> str:
    """Text of the graph without the bodies of its fused operators."""
    text = graph.print()
    return text[text.index(f"graph {graph.name}(") :]


def indent(text: str) -> str:
    """Indent and cut long lines to one screen's width."""
    lines = [
        line[:112] + ("..." if len(line) > 112 else "") for line in text.rstrip().splitlines()
    ]
    return "\n".join("     " + line for line in lines)


def main() -> int:
    """Run the demonstration."""
    mx.npx.set_np()
    print(f"symgluon {mx.__version__}, ONNX Runtime {ort.__version__}, NumPy {np.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        convert_checkpoints(Path(folder))
        gluon_net(Path(folder))
    print()
    for line in failed:
        print("FAILED", line)
    print("all numbers agree" if not failed else f"{len(failed)} numbers are off")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
