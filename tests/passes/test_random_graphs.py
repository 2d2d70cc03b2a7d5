"""Seeded random graphs over the registry: any pipeline keeps the interpreter's result."""

import numpy as np
import pytest
from pass_helpers import assert_close, candidates, interpret, numbers, random_graph

from symgluon.passes import PIPELINES, run_pipeline

TABLE = candidates()


@pytest.fixture(autouse=True)
def _verified(monkeypatch):
    monkeypatch.setenv("SYMGLUON_VERIFY", "1")


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


def test_the_table_covers_most_operators():
    assert len({name for name, _ in TABLE}) > 80
