"""Seeded random graphs over the registry: any pipeline keeps the interpreter's result."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from pass_helpers import assert_close, candidates, interpret, numbers, random_graph

from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.passes import PIPELINES, run_pipeline
from symgluon.passes.check_plan import check_plan

TABLE = candidates()


@pytest.fixture
def _verified(monkeypatch):
    monkeypatch.setenv("SYMGLUON_VERIFY", "1")


@pytest.mark.usefixtures("_verified")
@pytest.mark.parametrize("seed", range(40))
def test_pipelines_keep_the_result(seed):
    graph = random_graph(seed, table=TABLE)
    arrays = numbers(graph, seed)
    with np.errstate(all="ignore"):
        want = interpret(graph, arrays)
        for name in PIPELINES:
            copy = graph.copy()
            run_pipeline(copy, name)
            assert_close(interpret(copy, arrays), want, rtol=1e-9, atol=1e-9)
            if copy.plan is not None:
                assert check_plan(copy, copy.plan) == []


@pytest.mark.parametrize("name", [n for n in PIPELINES if n != "infer"])
def test_a_second_run_changes_nothing(name):
    for seed in range(20):
        graph = random_graph(seed, table=TABLE)
        run_pipeline(graph, name)
        again = run_pipeline(graph, name)
        assert not again.changed, f"seed {seed}: {again}"


def test_the_table_covers_most_operators():
    assert len({name for name, _ in TABLE}) > 80


def chain(length):
    """A graph that every pass has work in."""
    graph = Graph("chain")
    value = graph.add_input("x", TensorType((4, 4), "float32"))
    half = graph.add_constant(np.float32(0.5))
    zero = graph.add_constant(np.float32(0))
    steps = [
        ("tanh", {}, ()), ("multiply", {}, (half,)), ("add", {}, (zero,)),
        ("transpose", {"axes": (1, 0)}, ()), ("reshape", {"shape": (2, 8)}, ()),
        ("relu", {}, ()), ("reshape", {"shape": (4, 4)}, ()), ("cast", {"dtype": "float32"}, ()),
        ("sigmoid", {}, ()), ("transpose", {"axes": (1, 0)}, ()),
    ]  # fmt: skip
    for i in range(length):
        name, attrs, more = steps[i % len(steps)]
        value = graph.add(OPS[name](**attrs), [value, *more]).output
    graph.set_outputs([value])
    return graph


def test_twenty_thousand_nodes():
    """Linear: no recursion, and ten times the nodes do not take a hundred times as long."""
    seconds = []
    for length in (2_000, 20_000):
        graph = chain(length)
        start = time.process_time()
        report = run_pipeline(graph, "infer")
        seconds.append(time.process_time() - start)
        assert report.nodes_after < length / 2
    assert seconds[1] < 40 * max(seconds[0], 0.02)


SCRIPT = """
import sys; sys.path.insert(0, {here!r})
from pass_helpers import random_graph
from symgluon.passes import PIPELINES, run_pipeline
for seed in (1, 2, 3):
    for name in PIPELINES:
        graph = random_graph(seed)
        run_pipeline(graph, name)
        print(graph.fingerprint(), graph.print())
        if graph.plan:
            print(graph.plan.table())
"""


def test_the_same_in_another_process():
    texts = set()
    for seed in ("0", "1"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        code = SCRIPT.format(here=os.path.dirname(__file__))
        found = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stderr
        texts.add(found.stdout)
    assert len(texts) == 1
    assert len(texts.pop()) > 10_000
