"""Random graphs over the operator table: ONNX Runtime gives what the NumPy kernels give.

Each graph draws a subset of the passes and an opset; the file is checked by onnx.  ``tools/nightly``
runs more of them (SYMGLUON_RANDOM_GRAPHS).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "passes"))

from pass_helpers import candidates, interpret, numbers, random_graph

from symgluon.backends import compile_graph, make_options
from symgluon.errors import UnsupportedOpError
from symgluon.formats.onnx.writer import OPSETS, build_model
from symgluon.passes import run_pipeline

TABLE = candidates()
COUNT = int(os.environ.get("SYMGLUON_RANDOM_GRAPHS", "500"))
GROUPS = 10
PASSES = (
    "eliminate_dead", "fold_constants", "simplify_algebra", "simplify_shape", "eliminate_common",
    "fold_batch_norm", "fuse_patterns", "fuse_elementwise",
)  # fmt: skip


def check(seed):
    import onnx

    rng = np.random.default_rng([seed, 7])
    graph = random_graph(seed, length=int(rng.integers(3, 25)), table=TABLE)
    arrays = numbers(graph, seed)
    with np.errstate(all="ignore"):
        want = interpret(graph, arrays)
    chosen = [name for name in PASSES if rng.random() < 0.5]
    run_pipeline(graph, chosen)
    opset = int(rng.choice(list(OPSETS)))
    where = f"seed {seed}, passes {chosen}, opset {opset}"
    try:
        model = build_model(graph, opset=opset)
    except UnsupportedOpError:  # an operator of the graph has no form in this opset
        model = None
    if model is not None:
        onnx.checker.check_model(model, full_check=True)
    backend = "onnxruntime" if rng.random() < 0.8 else "numpy"
    options = make_options(backend, static_alloc=bool(rng.random() < 0.5))
    run = compile_graph(graph, options)
    for _ in range(2):  # a plan is used again by the second call
        got = run(*arrays)
        for i, (a, b) in enumerate(zip(got, want, strict=True)):
            assert a.dtype == b.dtype, where
            assert a.shape == b.shape, where
            scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)))
            np.testing.assert_allclose(
                a, b, rtol=1e-7, atol=1e-8 * scale, err_msg=f"{where}, output {i}"
            )
    return model is not None


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_random_graphs(group):
    written = sum(check(seed) for seed in range(group, COUNT, GROUPS))
    assert written > 0.3 * COUNT / GROUPS
