"""SyncBatchNorm and Trainer over real MPI processes."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def mpiexec() -> str | None:
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(
        importlib.util.find_spec("mpi4py") is None or mpiexec() is None,
        reason="needs mpi4py and mpiexec: pip install 'symgluon[mpi]'",
    ),
]


@functools.cache
def run(ranks: int) -> dict[str, float]:
    env = {**os.environ, "PYTHONPATH": str(HERE.parent.parent), "OMP_NUM_THREADS": "1"}
    command = [mpiexec(), "-n", str(ranks), sys.executable, str(HERE / "ranks.py")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert answer["size"] == ranks
    return answer["found"]


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_statistics_and_gradients_are_those_of_the_whole_batch(ranks):
    found = {name: error for name, error in run(ranks).items() if name != "trainer"}
    assert len(found) == 16
    bounds = {"float64": 1e-10, "float32": 1e-5}
    wrong = {n: e for n, e in found.items() if not e <= bounds[n.split()[1]]}
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
def test_trainer_keeps_the_ranks_equal(ranks):
    assert run(ranks)["trainer"] == 0.0
