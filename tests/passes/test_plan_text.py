"""A memory plan as data, as a picture of letters and as a page."""

import json

import numpy as np
import pytest
from pass_helpers import F, random_graph, trace

from symgluon.passes import run_pipeline
from symgluon.passes.plan_memory import (
    _BUDGET,
    _ORDERS,
    Buffer,
    _comparisons,
    best_fit,
    lower_bound,
    place_buffers,
    place_in_order,
)
from symgluon.passes.plan_text import alive_bytes, buffers, last_step


def plan_of(function, *operands, **more):
    graph = trace(function, *operands, **more)
    run_pipeline(graph, ["mark_inplace", "plan_memory"])
    return graph.plan


@pytest.fixture
def plan():
    return plan_of(lambda x: F.softmax(F.tanh(F.softmax(F.exp(x)))), (16,))


def test_values_of_one_buffer_are_together(plan):
    found = buffers(plan)
    assert [[v.name for v in b.values] for b in found] == [
        ["exp"],
        ["softmax", "tanh"],
        ["softmax_1"],
    ]
    assert [(b.first, b.last, b.offset, b.size) for b in found] == [
        (0, 1, 0, 64),
        (1, 3, 64, 64),
        (3, 3, 0, 64),
    ]


def test_data(plan):
    data = plan.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert (data["peak"], data["total"], data["lower_bound"]) == (128, 256, 128)
    assert data["steps"] == 4
    assert data["alive"] == [64, 128, 64, 128]
    assert data["buffers"][1] == {
        "offset": 64,
        "bytes": 64,
        "first": 1,
        "last": 3,
        "values": ["softmax", "tanh"],
        "type": "float32[16]",
        "operator": "softmax",
        "block": data["buffers"][1]["block"],
    }
    assert data["unplanned"] == []


@pytest.mark.parametrize("seed", range(8))
def test_bytes_in_use_reach_the_lower_bound(seed):
    graph = random_graph(seed)
    run_pipeline(graph, ["mark_inplace", "plan_memory"])
    found = buffers(graph.plan)
    assert max(alive_bytes(found, last_step(found))) == graph.plan.lower_bound
    assert sum(len(b.values) for b in found) == len(graph.plan.offsets)


def test_timeline(plan):
    text = plan.timeline(width=40, height=2)
    lines = text.splitlines()
    assert lines[0] == " 128 bytes |.bbb|"
    assert lines[1] == "  64 bytes |aa.c|"
    assert lines[2].split() == ["step", "0", "3"]
    assert "  b   64 bytes  steps 1-3  softmax, tanh" in lines
    assert lines[-1].startswith("128 bytes planned (best fit), 50% of the sum 256 bytes")


def test_timeline_of_nothing():
    assert plan_of(lambda x: x, (3,)).timeline().startswith("0 bytes planned")
    assert plan_of(F.exp, (16,)).timeline(width=0, height=0).splitlines()[0] == "  64 bytes |a|"


def test_timeline_of_many():
    def function(x, w):
        for i in range(200):
            x = F.softmax(x) if i % 7 else F.softmax(F.concatenate(x, w))
        return x

    text = plan_of(function, (50,), (3,)).timeline(width=72, height=10)
    picture = [line for line in text.splitlines() if "|" in line]
    assert len(picture) == 10
    assert {len(line) for line in picture} == {12 + 72 + 1}
    assert "smaller buffers" in text


def test_page(plan):
    page = plan.to_html("a plan")
    assert "<title>a plan</title>" in page
    assert '"lower_bound":128' in page


# ---- the planners --------------------------------------------------------------------------------
def lifetimes(count, seed):
    rng = np.random.default_rng(seed)
    spans = np.where(rng.random(count) < 0.8, 1, rng.integers(2, 60, count))
    sizes = 64 * rng.integers(0, 4096, count)
    return [
        Buffer(i, int(i + n), int(s)) for i, (n, s) in enumerate(zip(spans, sizes, strict=True))
    ]


@pytest.mark.parametrize("name", [n for n, _ in _ORDERS])
@pytest.mark.parametrize("seed", range(3))
def test_no_order_overlaps(name, seed):
    found = lifetimes(150, seed)
    places, peak = place_in_order(found, dict(_ORDERS)[name])
    for i, a in enumerate(found):
        assert places[i] + a.size <= peak
        for j, b in enumerate(found[:i]):
            if a.start <= b.end and b.start <= a.end and a.size and b.size:
                apart = places[i] + a.size <= places[j] or places[j] + b.size <= places[i]
                assert apart, (i, j)


@pytest.mark.parametrize("seed", range(6))
def test_the_smallest_plan_wins(seed):
    found = lifetimes(1000, seed)
    _, peak, name = place_buffers(found)
    tried = {"best fit": best_fit(found)[1]}
    tried.update({n: place_in_order(found, key)[1] for n, key in _ORDERS})
    assert peak == min(tried.values())
    assert tried[name] == peak
    assert peak <= 1.15 * lower_bound(found)


def test_large_graphs_are_planned_in_time_order_alone():
    # half of it lives until the end: every order would be quadratic
    found = [Buffer(i, 8000 if i % 2 else i + 1, 64 * (1 + i * 37 % 101)) for i in range(8000)]
    assert _comparisons(found) > _BUDGET
    places, peak, name = place_buffers(found)
    assert name == "best fit"
    assert (places, peak) == best_fit(found)
