"""The demonstration runs, and every number in it agrees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_demo():
    program = ROOT / "tools" / "demo.py"
    if not program.exists():
        pytest.skip("tools/ is not beside tests/")
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "all numbers agree" in done.stdout
    assert "FAILED" not in done.stdout
