"""`optimize_report`: what it counts is what is there, and it reads well."""

import json

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.backends import make_options
from symgluon.errors import TraceError
from symgluon.gluon import nn
from symgluon.gluon.report import OptimizeReport, pass_lines, report_on
from symgluon.passes import run_pipeline
from symgluon.passes.check_plan import check_plan


class Residual(gluon.HybridBlock):
    """conv - batch norm - relu, plus the input."""

    def __init__(self, channels):
        super().__init__()
        self.body = nn.HybridSequential()
        self.body.add(
            nn.Conv2D(channels, 3, padding=1, use_bias=False),
            nn.BatchNorm(),
            nn.Activation("relu"),
        )

    def forward(self, x):
        return mx.npx.relu(self.body(x) + x)


def residual_net():
    net = nn.HybridSequential()
    net.add(Residual(4), Residual(4), nn.GlobalAvgPool2D(), nn.Dense(3))
    net.initialize()
    return net


@pytest.fixture
def x():
    return mx.np.ones((2, 4, 8, 8))


@pytest.fixture
def net():
    return residual_net()


# ---- what it counts ------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", ["numpy", "onnxruntime"])
def test_counts(net, x, backend):
    net.optimize_for(x, backend=backend)
    report = net.optimize_report(x)
    assert isinstance(report, OptimizeReport)
    assert (report.name, report.backend) == ("HybridSequential", backend)
    assert report.nodes_before == len(net.graph_for(x, functions=False, frozen=True)) == 12
    assert report.nodes_after == len(report.graph)
    assert report.inputs == ["data: float32[batch,4,d2,d3]"]
    assert report.outputs[0].endswith("float32[batch,3]")
    # 2 convolutions without bias, 2 batch norms, dense
    assert report.parameters == 2 * (4 * 4 * 9) + 2 * 8 + 4 * 3 + 3
    assert report.parameter_bytes == 4 * report.parameters
    assert report.fusions["batch norm after convolution"] == 2
    if backend == "numpy":
        assert report.nodes_after == 4
        assert report.fusions["convolution + relu + add + relu"] == 2


def test_operations(net, x):
    report = net.optimize_report(x)
    area, batch = 64, 2
    convolutions = 2 * (2 * batch * 4 * area * 4 * 9)
    elementwise = 2 * 3 * batch * 4 * area
    norms = 2 * 2 * batch * 4 * area
    rest = batch * 4 * area + 2 * batch * 3 * 4
    assert report.flops_before == (convolutions + elementwise + norms + rest, ())
    assert report.flops_after.flops == convolutions + elementwise + rest


def test_memory(net, x):
    net.optimize_for(x, backend="numpy")
    report = net.optimize_report(x)
    plan = report.plan
    assert plan.lower_bound <= plan.peak <= plan.total
    assert plan.env["batch"] == 2
    assert check_plan(report.graph, plan) == []
    assert net.optimize_report(mx.np.ones((20, 4, 8, 8))).plan.peak == 10 * plan.peak


def test_passes(net, x):
    report = net.optimize_report(x)
    names = [p.name for p in report.passes]
    assert names[:2] == ["inline_calls", "lift_random"]
    assert len(names) == len(set(names))
    lines = {p.name: p for p in report.passes}
    fold = lines["fold_batch_norm"]
    assert (fold.nodes_before, fold.nodes_after, fold.changes) == (12, 10, 2)
    assert fold.kinds == {"after convolution": 2}
    assert lines["eliminate_dead"].kinds["constant"] >= 10  # weights before they were folded


def test_runs_of_one_pass_are_one_line():
    net = residual_net()
    graph = net.graph_for(mx.np.ones((1, 4, 8, 8)), functions=False, frozen=True)
    report = run_pipeline(graph, "infer")
    lines = pass_lines([report])
    assert sum(line.nodes_before - line.nodes_after for line in lines) == (
        report.nodes_before - report.nodes_after
    )
    assert {line.name: line.changes for line in lines} == report.totals()


def test_the_net_stays_as_it_is(net, x):
    want = net(x).asnumpy()
    net.optimize_report(x, explain=True)
    assert not net._flags.active
    onp.testing.assert_array_equal(net(x).asnumpy(), want)


def test_deferred_parameters_get_their_shapes(x):
    assert residual_net().optimize_report(x).parameters > 0


def test_training_mode_does_not_count(net, x):
    with mx.autograd.record():
        report = net.optimize_report(x)
    assert report.fusions["batch norm after convolution"] == 2


def test_static_shape(net, x):
    net.hybridize(static_shape=True)
    assert net.optimize_report(x).inputs == ["data: float32[2,4,8,8]"]


def test_what_cannot_be_traced():
    class Asks(gluon.HybridBlock):
        def forward(self, x):
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(TraceError):
        Asks().optimize_report(mx.np.ones(3))


# ---- reasons -------------------------------------------------------------------------------------
def test_reasons_only_when_asked(net, x):
    assert net.optimize_report(x).left_alone == {}
    assert "left alone" not in str(net.optimize_report(x))
    report = net.optimize_report(x, explain=True)
    assert str(report).endswith("left alone\n    nothing")
    late = nn.BatchNorm(in_channels=4)  # after the relu: nothing to fold it into
    late.initialize()
    net[1].body.register_child(late)
    report = net.optimize_report(x, explain=True)
    (reason,) = report.left_alone["fold_batch_norm"]
    assert reason.endswith("no convolution or dense layer before or after it")
    assert reason in str(report)


def test_many_reasons_are_cut_in_the_text():
    class Powers(gluon.HybridBlock):
        def forward(self, x):
            return sum([x ** float(k) for k in range(3, 23)])

    report = Powers().optimize_report(mx.np.ones(3), explain=True)
    assert len(report.left_alone["simplify_algebra"]) == 20
    assert "      ... 14 more" in str(report).splitlines()


# ---- parts ---------------------------------------------------------------------------------------
def test_parts(net, x):
    net.hybridize()
    (part,) = net.optimize_report(x).parts
    assert part.runs_on == "one ONNX Runtime session"
    assert "convolution 2" in part.operators
    net.optimize_for(x, backend="numpy", static_alloc=True)
    (part,) = net.optimize_report(x).parts
    assert part.runs_on == "NumPy kernels, node by node, in one block of memory"
    assert part.nodes == 4


def test_what_a_session_refuses_is_a_part_of_its_own():
    class Inverse(gluon.HybridBlock):
        def forward(self, x):
            return mx.np.linalg.svd(mx.np.tanh(x))[1] * 2.0

    parts = Inverse().optimize_report(mx.np.eye(3)).parts
    assert [p.runs_on.split(" (")[0] for p in parts] == [
        "an ONNX Runtime session",
        "NumPy kernels",
        "an ONNX Runtime session",
    ]
    assert [p.nodes for p in parts] == [1, 1, 1]


def test_the_parts_of_another_backend(x):
    from symgluon.backends import register_backend
    from symgluon.backends.base import _registered
    from symgluon.backends.numpy import Interpreter

    class OnlyConvolutions:
        name = "only_convolutions"
        options = {}

        def supports(self, node):
            return node.op.name == "convolution"

        def pipeline(self, options):
            return ["infer_ort"]

        def compile(self, graph, options):
            return Interpreter(graph)

    register_backend(OnlyConvolutions())
    try:
        net = residual_net()
        net.optimize_for(x, backend="only_convolutions")
        parts = net.optimize_report(x).parts
        assert [p.runs_on.split(" (")[0] for p in parts] == [
            "only_convolutions", "NumPy kernels", "only_convolutions", "NumPy kernels"
        ]  # fmt: skip
    finally:
        del _registered["only_convolutions"]


def test_an_empty_graph():
    class Same(gluon.HybridBlock):
        def forward(self, x):
            return x * 1.0

    report = Same().optimize_report(mx.np.ones(3))
    assert (report.nodes_before, report.nodes_after, report.parts) == (1, 0, [])
    assert str(report)


# ---- forms ---------------------------------------------------------------------------------------
def test_text(net, x):
    net.optimize_for(x, backend="numpy")
    lines = str(net.optimize_report(x)).splitlines()
    assert lines[0] == "HybridSequential for numpy: 12 -> 4 nodes"
    text = "\n".join(lines)
    assert "FLOPs a call" in text
    assert "the lower bound" in text
    assert "batch norm after convolution 2" in text
    assert any(line.split()[:4] == ["fold_batch_norm", "12", "10", "2"] for line in lines)
    assert max(map(len, lines)) < 160


def test_data(net, x):
    data = net.optimize_report(x).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["memory"]["planned"] >= data["memory"]["lower_bound"]
    assert data["left_alone"] is None
    assert net.optimize_report(x, explain=True).to_dict()["left_alone"] is not None
    assert data["passes"][0]["name"] == "inline_calls"


def test_page(net, x, tmp_path):
    report = net.optimize_report(x, explain=True)
    file = tmp_path / "page.html"
    report.save_html(file)
    assert file.read_text() == report.to_html()
    assert [f.name for f in tmp_path.iterdir()] == ["page.html"]
    assert '"left_alone":' in file.read_text()


def test_a_page_that_cannot_be_written_leaves_the_old_one(net, x, tmp_path, monkeypatch):
    file = tmp_path / "page.html"
    file.write_text("before")
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        net.optimize_report(x).save_html(file)
    assert file.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_graph_without_a_block():
    graph = residual_net().graph_for(mx.np.ones((1, 4, 8, 8)), functions=False)
    report = report_on(graph, make_options("numpy"), name="mine")
    assert report.name == "mine"
    assert report.parameters == 2 * (4 * 4 * 9) + 2 * 16 + 4 * 3 + 3  # running statistics too
    assert report.fusions  # weights are operands: no batch norm folds
    assert "batch norm after convolution" not in report.fusions
