"""Passes are switched off and on by name: options, environment, manager."""

import numpy as np
import pytest
from pass_helpers import F, assert_close, interpret, numbers, trace

import symgluon as mx
from symgluon.backends import make_options
from symgluon.errors import AttributeValueError
from symgluon.gluon import nn
from symgluon.passes import PIPELINES, manager, run_pipeline
from symgluon.passes.switches import Switches, parse_switches, switched


def sample():
    return trace(lambda x: F.relu(F.relu(x + 0.0)) * 1.0, (2, 3))


@pytest.fixture
def net():
    """A net on which most passes have something to do."""
    mx.random.seed(0)
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(4, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.Dropout(0.5),
        nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(6), nn.LayerNorm(), nn.GELU(), nn.Dense(3),
    )  # fmt: skip
    net.initialize()
    return net


# ---- the syntax ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "off", "on"),
    [
        (None, (), ()),
        ("", (), ()),
        ("-fuse_patterns", ("fuse_patterns",), ()),
        (" -fuse_patterns, +remove_amp_cast ", ("fuse_patterns",), ("remove_amp_cast",)),
        (["-fold_constants", "-fold_constants"], ("fold_constants",), ()),
        ("-plan_memory +plan_memory", (), ("plan_memory",)),
    ],
)
def test_parse(given, off, on):
    assert parse_switches(given) == Switches(off, on)


@pytest.mark.parametrize("text", ["fuse_patterns", "-", "*fuse_patterns"])
def test_a_name_needs_a_sign(text):
    with pytest.raises(AttributeValueError, match="-NAME"):
        parse_switches(text)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(
        AttributeValueError, match=r"no pass 'x'[\s\S]*option passes[\s\S]*fold_con"
    ):
        parse_switches("-x")


def test_later_switches_count():
    first, second = (
        parse_switches("-fuse_patterns +mark_inplace"),
        parse_switches("+fuse_patterns"),
    )
    assert first.then(second) == Switches((), ("mark_inplace", "fuse_patterns"))


def test_where_switched_on_passes_run():
    steps = switched(PIPELINES["infer"], parse_switches("+remove_amp_cast"))
    names = [p for s in steps for p in s.passes]
    assert names.index("remove_amp_cast") == names.index("mark_inplace") - 1
    both = switched(
        PIPELINES["train"], parse_switches("+plan_memory +mark_inplace +remove_amp_cast")
    )
    assert [s.passes for s in both[-3:]] == [
        ("remove_amp_cast",),
        ("mark_inplace",),
        ("plan_memory",),
    ]


# ---- the manager ---------------------------------------------------------------------------------
def test_off_and_on_in_a_run():
    report = run_pipeline(sample(), "infer", disable=("simplify_algebra",))
    assert "simplify_algebra" not in report.totals()
    graph = sample()
    report = run_pipeline(graph, "train", enable=("plan_memory",))
    assert report.runs[-1].name == "plan_memory"
    assert graph.plan is not None
    with pytest.raises(AttributeValueError, match="there is no pass"):
        run_pipeline(sample(), "train", enable=("nothing",))


@pytest.mark.parametrize("pipeline", ["infer", "infer_ort", "export", "train"])
def test_every_pass_may_be_off(pipeline):
    def function(x, w):
        y = F.matmul(x, w + 0.0)
        z = F.relu(y) * 0.5 * (1.0 + F.erf(F.relu(y) / np.sqrt(2)))
        return F.transpose(F.tanh(F.transpose(z))) + F.exp(x - F.max(x, axis=-1, keepdims=True))

    names = {p for step in PIPELINES[pipeline] for p in step.passes}
    for name in sorted(names):
        graph = trace(function, (3, 3), (3, 3))
        arrays = numbers(graph)
        want = interpret(graph, arrays)
        report = run_pipeline(graph, pipeline, disable=(name,))
        assert name not in report.totals()
        assert_close(interpret(graph, arrays), want)


# ---- the environment -----------------------------------------------------------------------------
def test_environment(monkeypatch):
    monkeypatch.setenv("SYMGLUON_PASSES", "-simplify_algebra, +plan_memory")
    assert "simplify_algebra" not in run_pipeline(sample(), "infer").totals()
    assert "plan_memory" in run_pipeline(sample(), "infer_ort").totals()
    # the pipeline that makes a trace right, and lists of passes, are as they are
    assert "plan_memory" not in run_pipeline(sample(), "trace").totals()
    assert "simplify_algebra" in run_pipeline(sample(), ["simplify_algebra"]).totals()


def test_the_environment_has_the_last_word(monkeypatch):
    monkeypatch.setenv("SYMGLUON_PASSES", "-plan_memory")
    assert (
        "plan_memory" not in run_pipeline(sample(), "infer_ort", enable=("plan_memory",)).totals()
    )


def test_an_unknown_name_in_the_environment(monkeypatch):
    monkeypatch.setenv("SYMGLUON_PASSES", "-nothing")
    with pytest.raises(AttributeValueError, match="SYMGLUON_PASSES"):
        run_pipeline(sample(), "infer")


# ---- options -------------------------------------------------------------------------------------
def test_unknown_passes_are_told_before_anything_changes(net):
    with pytest.raises(AttributeValueError, match="known: clean_bodies"):
        net.hybridize(passes="-nothing")
    assert not net._flags.active
    with pytest.raises(AttributeValueError, match="there is no pass"):
        net.optimize_for(mx.np.ones((1, 3, 8, 8)), backend="numpy", passes=["-nothing"])
    with pytest.raises(AttributeValueError, match="passes"):
        make_options("numpy", nothing=1)


@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
def test_results_stay_whatever_is_off(net, backend):
    x = mx.np.random.normal(size=(2, 3, 8, 8))
    want = net(x).asnumpy()
    known = sorted(manager._MODULES)
    switches = [f"-{n}" for n in known]
    for passes in ([s] for s in switches):
        net.optimize_for(x, backend=backend, passes=passes)
        np.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-4, atol=1e-5)
    net.optimize_for(x, backend=backend, passes=switches)
    np.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-4, atol=1e-5)
    assert net.optimize_report(x).nodes_after >= len(net.graph_for(x, functions=False)) - 1


def test_options_reach_the_compiled_graph(net):
    x = mx.np.ones((2, 3, 8, 8))
    net(x)

    def operators():
        return {n.op.name for n in net.optimize_report(x).graph.nodes}

    assert "batch_norm_inference" not in operators()
    net.hybridize(passes="-fold_batch_norm")
    assert "batch_norm_inference" in operators()
    net.hybridize()  # stays until it is taken back
    assert "batch_norm_inference" in operators()
    net.hybridize(passes=())
    assert "batch_norm_inference" not in operators()


def test_hybridize_still_refuses_other_options(net):
    with pytest.raises(TypeError, match=r"unknown option speed; known: .*passes"):
        net.hybridize(speed=1)
