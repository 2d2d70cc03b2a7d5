"""Buffers of live values never overlap: an independent checker and brute force say so."""

import random

import numpy as np
import pytest
from pass_helpers import F, candidates, interpret, numbers, random_graph, trace

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ops.call import Call
from symgluon.passes import run_pipeline
from symgluon.passes.check_plan import check_plan
from symgluon.passes.plan_memory import (
    ALIGNMENT,
    Buffer,
    best_fit,
    largest_first,
    lower_bound,
    make_plan,
    place_buffers,
    value_bytes,
)

TABLE = candidates()
PASSES = ["mark_inplace", "plan_memory"]


def planned(function, *operands, **more):
    graph = trace(function, *operands, **more)
    run_pipeline(graph, PASSES)
    assert check_plan(graph, graph.plan) == []
    return graph


def names(mapping):
    return {k.name: v.name for k, v in mapping.items()}


# ---- in place ------------------------------------------------------------------------------------
def test_in_place_at_the_last_use():
    graph = planned(lambda x: F.tanh(F.relu(F.exp(x))), (16,))
    assert names(graph.inplace) == {"relu": "exp", "tanh": "relu"}
    assert graph.plan.peak == 64
    assert graph.plan.total == 192


def test_never_over_inputs_parameters_constants_outputs():
    assert not planned(lambda x: (F.exp(x), F.tanh(x)), (16,)).inplace
    assert not planned(lambda x: F.add(np.ones(16, "f4"), np.ones(16, "f4") * 1.0), (16,)).inplace

    def outputs(x):
        y = F.exp(x)
        return y, F.tanh(y)

    assert not planned(outputs, (16,)).inplace


def test_not_while_someone_reads_it():
    def function(x):
        y = F.exp(x)
        z = F.tanh(y)
        return z + y

    assert names(planned(function, (16,)).inplace) == {"add": "tanh"}


def test_views_keep_the_buffer():
    def function(x):
        y = F.exp(x)
        view = F.transpose(y)
        z = F.tanh(y)
        return z + F.transpose(view)

    graph = planned(function, (4, 4))
    assert "tanh" not in names(graph.inplace)
    offsets = {v.name: o for v, o in graph.plan.offsets.items()}
    assert offsets["transpose"] == offsets["exp"] == offsets["transpose_1"]
    assert offsets["tanh"] != offsets["exp"]


def test_not_over_a_view_that_broadcasts():
    graph = planned(lambda x: F.tanh(F.broadcast_to(F.exp(x), shape=(8, 16))), (16,))
    assert not graph.inplace
    assert graph.plan.peak == 64 + 512


def test_not_over_another_type_or_shape():
    graph = planned(lambda x, y: F.exp(x) + F.exp(y), (1, 16), (8, 16))
    assert names(graph.inplace) == {"add": "exp_1"}
    graph = planned(lambda x, y: F.exp(x) + y, (1, 16), (8, 16))
    assert not graph.inplace
    assert not planned(lambda x: F.greater(F.exp(x), 0.0), (16,)).inplace


def test_reshaped_values_are_one_buffer():
    graph = planned(lambda x: F.tanh(F.reshape(F.exp(x), shape=(4, 4))), (16,))
    assert names(graph.inplace) == {"tanh": "reshape"}
    assert graph.plan.peak == 64


def test_reshape_of_a_permuted_view_is_a_copy_that_keeps_the_source():
    graph = planned(lambda x: F.tanh(F.reshape(F.transpose(F.exp(x)), shape=(16,))), (2, 8))
    assert graph.plan.peak == 128
    assert names(graph.inplace) == {"tanh": "reshape"}


def test_both_operands_one_value():
    graph = planned(lambda x: F.multiply(*([F.exp(x)] * 2)), (16,))
    assert names(graph.inplace) == {"multiply": "exp"}


def test_marking_twice_changes_nothing():
    graph = planned(lambda x: F.tanh(F.exp(x)), (16,))
    assert not run_pipeline(graph, "mark_inplace").changed


# ---- plans of graphs -----------------------------------------------------------------------------
def test_memory_is_used_again():
    def function(x):
        for _ in range(6):
            x = F.softmax(x)  # not in place
        return x

    graph = planned(function, (256,))
    assert graph.plan.peak == graph.plan.lower_bound
    assert graph.plan.peak * 3 <= graph.plan.total


def test_named_sizes_come_from_hints_or_arguments():
    graph = planned(lambda x: F.softmax(F.softmax(x)), (16,), names=True)
    assert graph.plan.peak == 128
    assert graph.plan.env == {"n0_0": 16}
    assert make_plan(graph, {"n0_0": 1000}).peak == 2 * 4032
    unknown = make_plan(graph, {})
    assert unknown.peak == 0
    assert len(unknown.unplanned) == 2
    assert check_plan(graph, unknown) == []


def test_sizes_that_depend_on_data_are_left_out():
    graph = Graph("g")
    x = graph.add_input("x", TensorType((8,), "float32"))
    found = graph.add(OPS["nonzero"](), [x], [TensorType((Dim("u"), 1), "int64")])
    last = graph.add(OPS["sum"](), [found.output])
    graph.set_outputs([last.output])
    run_pipeline(graph, PASSES)
    assert graph.plan.unplanned == (found.output,)
    assert check_plan(graph, graph.plan) == []


def test_bodies_keep_what_they_may_return():
    body = trace(lambda x: x * 1.0, (16,), name="body")
    graph = Graph("g")
    x = graph.add_input("x", TensorType((16,), "float32"))
    a = graph.add(OPS["exp"](), [x])
    b = graph.add(Call(body), [a.output], [x.type])
    c = graph.add(OPS["tanh"](), [b.output])
    graph.set_outputs([c.output])
    run_pipeline(graph, PASSES)
    assert not graph.inplace
    assert len(set(graph.plan.offsets.values())) == 3


def test_table():
    graph = planned(lambda x: F.softmax(F.exp(x)), (16,))
    text = graph.plan.table()
    assert text.splitlines()[0].split() == ["value", "offset", "bytes", "steps"]
    assert "128 bytes planned (best fit), 100% of the sum 128 bytes" in text


def test_an_empty_graph():
    graph = planned(lambda x: x, (3,))
    assert graph.plan.peak == 0
    assert "0 bytes planned" in graph.plan.table()


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs(seed):
    graph = random_graph(seed, table=TABLE)
    run_pipeline(graph, PASSES)
    assert check_plan(graph, graph.plan) == []
    assert graph.plan.lower_bound <= graph.plan.peak <= graph.plan.total
    _run_in_arena(graph, seed)


def _run_in_arena(graph, seed):
    """Run with every planned value copied to its place: results must be those of the interpreter."""
    arrays = numbers(graph, seed)
    with np.errstate(all="ignore"):
        want = interpret(graph, arrays)
        block = np.zeros(graph.plan.peak + ALIGNMENT, np.uint8)
        known = dict(zip(graph.operands(), arrays, strict=True))
        known.update(graph.constants)
        for node in graph.nodes:
            given = [None if v is None else known[v] for v in node.inputs]
            found = type(node.op).kernel(node.op, *given)
            found = found if isinstance(found, (tuple, list)) else (found,)
            for value, array in zip(node.outputs, found, strict=True):
                array = np.asarray(array)
                source = node.inputs[0] if node.inputs and node.op.aliases else None
                offset = graph.plan.offsets.get(value)
                if offset is None:
                    known[value] = array
                elif source is not None and offset == graph.plan.offsets.get(source):
                    known[value] = array  # a view of what is in the block
                else:
                    part = block[offset : offset + array.nbytes].view(array.dtype)
                    part = part.reshape(array.shape)
                    part[...] = array
                    known[value] = part
    for value, expected in zip(graph.outputs, want, strict=True):
        np.testing.assert_array_equal(known[value], expected)


# ---- the checker itself --------------------------------------------------------------------------
def test_the_checker_finds_an_overlap():
    import dataclasses

    graph = planned(lambda x: F.softmax(F.softmax(x)) + F.softmax(x * 2.0), (16,))
    plan = graph.plan
    for value in plan.offsets:
        moved = dict.fromkeys(plan.offsets, 0)
        broken = dataclasses.replace(plan, offsets=moved)
        assert any("overwrites" in p for p in check_plan(graph, broken)), value
    outside = dataclasses.replace(plan, peak=plan.peak - 1)
    assert any("outside" in p for p in check_plan(graph, outside))
    small = dataclasses.replace(plan, sizes=dict.fromkeys(plan.sizes, 0))
    assert any("needs 64 bytes" in p for p in check_plan(graph, small))


# ---- planners ------------------------------------------------------------------------------------
def inference_like(n, seed=0):
    r = random.Random(seed)
    return [
        Buffer(i, min(n - 1, i + 1 + int(r.expovariate(1 / 3))), 64 * r.randint(0, 50))
        for i in range(n)
    ]


def training_like(n, seed=0):
    r = random.Random(seed)
    ends = [n - 1 - i if i < n // 2 and r.random() < 0.9 else i + 1 for i in range(n)]
    return [Buffer(i, min(n - 1, max(i, e)), 64 * r.randint(1, 50)) for i, e in enumerate(ends)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("make", [inference_like, training_like])
@pytest.mark.parametrize("planner", [best_fit, largest_first, place_buffers])
def test_no_two_live_buffers_overlap(planner, make, seed):
    buffers = make(60, seed)
    places, peak, *_ = planner(buffers)
    for i, a in enumerate(buffers):
        assert places[i] + a.size <= peak
        for j in range(i):
            b = buffers[j]
            together = a.start <= b.end and b.start <= a.end and a.size and b.size
            apart = places[i] + a.size <= places[j] or places[j] + b.size <= places[i]
            assert not together or apart, (i, j)
    bound = max(sum(b.size for b in buffers if b.start <= t <= b.end) for t in range(60))
    assert lower_bound(buffers) == bound <= peak


@pytest.mark.parametrize("make", [inference_like, training_like])
def test_plans_are_close_to_the_bound(make):
    buffers = make(2000)
    _, peak, _ = place_buffers(buffers)
    assert peak <= 1.3 * lower_bound(buffers)


def test_the_smaller_plan_wins():
    # best fit in time order leaves a hole between the two that live on
    buffers = [Buffer(0, 1, 64), Buffer(0, 5, 64), Buffer(2, 5, 128), Buffer(2, 5, 64)]
    assert best_fit(buffers)[1] >= place_buffers(buffers)[1] == lower_bound(buffers)


@pytest.mark.parametrize(
    ("shape", "dtype", "size"),
    [((), "float32", 64), ((0, 3), "float32", 0), ((17,), "float32", 128), ((3,), "bool", 64)],
)
def test_value_bytes(shape, dtype, size):
    assert value_bytes(TensorType(shape, dtype), {}) == size
