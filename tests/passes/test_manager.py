"""The manager: pipelines, counts, reasons, verification, errors."""

import numpy as np
import pytest
from pass_helpers import F, trace

from symgluon.errors import AttributeValueError, PassError
from symgluon.ir.op import OPS
from symgluon.passes import PIPELINES, Pass, Step, describe, manager, run_pipeline
from symgluon.passes.manager import explain, get_pass, order_problems


def sample():
    return trace(lambda x: F.relu(F.relu(x + 0.0)) * 1.0, (2, 3))


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_are_in_order_and_described(name):
    assert order_problems(name) == []
    text = describe(name)
    for step in PIPELINES[name]:
        assert step.why
        assert step.why in text
        assert all(p in text for p in step.passes)


@pytest.mark.parametrize("name", manager._MODULES)
def test_every_pass_has_a_text(name):
    found = get_pass(name)
    assert found.name == name
    assert found.doc.endswith(".")


def test_order_problems_are_found():
    assert order_problems(["eliminate_dead", "lift_random"]) == [
        "eliminate_dead needs lift_random before it"
    ]


def test_report():
    graph = sample()
    report = run_pipeline(graph, "infer")
    assert (report.nodes_before, report.nodes_after) == (4, 1)
    assert report.changed
    assert report.totals()["simplify_algebra"] == 3
    assert "4 -> 1 nodes" in str(report)
    assert all(r.seconds >= 0 for r in report.runs)
    assert report.seconds == sum(r.seconds for r in report.runs)
    again = run_pipeline(graph, "infer_ort")
    assert not again.changed
    assert "no change" in str(again)


def test_a_group_stops_when_nothing_changes():
    runs = run_pipeline(sample(), "train").runs
    group = len(PIPELINES["train"][-1].passes)
    assert [r.changes for r in runs[-group:]] == [0] * group  # each had a turn since ...
    assert runs[-group - 1].changes  # ... the last change


def test_disable():
    graph = sample()
    report = run_pipeline(graph, "train", disable=("simplify_algebra",))
    assert "simplify_algebra" not in report.totals()
    assert len(graph) == 4


def test_steps_may_be_passes():
    seen = []
    own = Pass("mine", lambda graph: seen.append(len(graph)) or 0, "Look.")
    report = run_pipeline(sample(), [own, Step(("simplify_algebra", own), "because", repeat=True)])
    assert seen == [4, 1]
    assert report.pipeline == "custom"
    assert "mine" in describe([own])


def test_reasons_are_collected_only_when_asked():
    def reason(graph):
        explain("too small")
        return 0

    own = Pass("mine", reason, "")
    assert run_pipeline(sample(), [own, own], explain=True).reasons == ("mine: too small",)
    assert "left alone: mine: too small" in str(run_pipeline(sample(), [own], explain=True))
    assert run_pipeline(sample(), [own]).reasons == ()


@pytest.mark.parametrize("name", ["nothing", "Infer"])
def test_unknown_names_list_the_known_ones(name):
    with pytest.raises(AttributeValueError, match="known: trace, infer"):
        run_pipeline(sample(), name)
    with pytest.raises(AttributeValueError, match="eliminate_dead"):
        run_pipeline(sample(), [name])
    with pytest.raises(AttributeValueError, match="there is no pass"):
        run_pipeline(sample(), "infer", disable=(name,))


def test_an_error_names_the_pass_and_those_before():
    def broken(graph):
        raise ZeroDivisionError("oh")

    with pytest.raises(PassError, match="ZeroDivisionError: oh") as caught:
        run_pipeline(sample(), ["simplify_algebra", Pass("mine", broken, "")])
    assert caught.value.name == "mine"
    assert caught.value.before == ("simplify_algebra",)
    assert "in pass mine" in str(caught.value)
    assert "after simplify_algebra" in str(caught.value)


def test_verification_after_each_pass(monkeypatch):
    def spoil(graph):
        graph.nodes[0].output.name = "x0"
        return 1

    own = Pass("spoil", spoil, "")
    run_pipeline(sample(), [own])
    monkeypatch.setenv("SYMGLUON_VERIFY", "1")
    with pytest.raises(PassError, match="given twice"):
        run_pipeline(sample(), [own])


def test_a_change_drops_the_plan():
    graph = sample()
    run_pipeline(graph, ["mark_inplace", "plan_memory"])
    assert graph.inplace
    assert graph.plan is not None
    run_pipeline(graph, ["fold_constants"])
    assert graph.plan is not None
    run_pipeline(graph, ["simplify_algebra"])
    assert graph.plan is None
    assert not graph.inplace


def test_a_group_that_never_settles_ends(monkeypatch):
    calls = []
    own = Pass("flip", lambda graph: calls.append(0) or 1, "")
    run_pipeline(sample(), [Step((own,), "", repeat=True)])
    assert len(calls) == manager.MAX_ROUNDS


def test_origins_of_what_was_replaced_are_kept():
    graph = trace(lambda x: F.sqrt(x) ** -1.0, (3,))
    lines = {o.line for n in graph.nodes for o in n.origin}
    run_pipeline(graph, "train")
    assert [n.op for n in graph.nodes] == [OPS["rsqrt"]()]
    assert {o.line for o in graph.nodes[0].origin} == lines


def test_names_of_outputs_stay():
    for function in (lambda x: (x * 1.0, F.negative(-F.exp(x))), lambda x: F.exp(x + 0.0) * 1.0):
        graph = trace(function, (3,))
        before = [v.name for v in graph.outputs if v.producer is not None]
        run_pipeline(graph, "infer")
        after = [v.name for v in graph.outputs]
        assert after[-1] == before[-1]
    assert graph.outputs[0].dtype == np.float32
