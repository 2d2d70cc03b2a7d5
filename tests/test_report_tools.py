"""The tools that measure on the recorded models: they skip where those are absent, and count right."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symgluon as mx

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "tools"

pytestmark = pytest.mark.skipif(not TOOLS.is_dir(), reason="tools/ is not beside tests/")


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module


@pytest.mark.parametrize("name", ["fusion_counts", "plan_quality"])
def test_skipped_without_models(name):
    program = (
        f"import sys; sys.path.insert(0, {str(TOOLS)!r}); sys.argv = ['{name}']\n"
        "from pathlib import Path; import visible_models\n"
        "visible_models.MODELS = Path('/nowhere/models')\n"
        f"import {name}; sys.exit({name}.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert (
        done.stderr.strip() == f"{name}: skipped: the recorded models are not at /nowhere/models"
    )


def test_a_unet_is_planned_at_the_bound(tool):
    quality = tool("plan_quality")
    net = quality.UNet(width=4, depth=3)
    net.initialize()
    x = mx.np.ones((1, 3, 32, 32))
    want = net(x).asnumpy()
    net.optimize_for(x, backend="numpy", static_alloc=True)
    np.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-4, atol=1e-5)
    plan = net.optimize_report(x).plan
    assert plan.peak <= quality.RATIO * plan.lower_bound
    assert 2 * plan.peak < plan.total


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
def test_planning_is_quick_and_grows_linearly(tool, training):
    quality = tool("plan_quality")
    small, plan = quality.timed(1_000, training=training)
    assert plan.peak <= 1.1 * plan.lower_bound
    large, plan = quality.timed(10_000, training=training)
    assert plan.peak <= 1.3 * plan.lower_bound
    # generous: other processes run beside the tests; tools/plan_quality.py has the targets
    assert large < 1.0
    assert large < 40 * small + 0.2


def test_the_counts_of_one_model(tool):
    counts, visible = tool("fusion_counts"), tool("visible_models")
    if not visible.MODELS.is_dir():
        pytest.skip("the recorded models are not here")
    model = next(m for m in visible.visible_models() if m.name.endswith("mobilenet_v3_like"))
    mx.npx.set_np()
    found = counts.count(model)
    assert counts.total(found.file) < counts.total(found.naive_file)
    assert counts.total(found.run) < 0.6 * counts.total(found.naive_run)
    text = "".join(counts.page([found]))
    row = next(line for line in text.splitlines() if "mobilenet_v3_like" in line)
    assert row.count("|") == len(counts.COLUMNS) + 1
