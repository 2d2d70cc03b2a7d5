"""The profiler: states and options, what is timed and where, the trace file, threads."""

from __future__ import annotations

import json
import sys
import threading
import time

import pytest

import symgluon as mx
from symgluon import gluon, profiler
from symgluon.backends import arena, base, numpy, recorder, sessions
from symgluon.backends.numpy import Interpreter
from symgluon.backends.onnxruntime import OrtExecutable
from symgluon.backends.recorder import Recorder, first_known
from symgluon.errors import AttributeValueError, SymgluonError
from symgluon.gluon import nn
from symgluon.gluon.block import Block
from symgluon.gluon.hybrid import HybridBlock

np, npx = mx.np, mx.npx


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    monkeypatch.delenv("SYMGLUON_BACKEND", raising=False)
    monkeypatch.setattr(profiler, "_profiler", profiler._Profiler())
    profiler.set_config(filename=str(tmp_path / "profile.json"))
    npx.set_np()
    yield
    profiler._profiler.switch(state="stop")
    npx.reset_np()


def make():
    net = nn.HybridSequential()
    inner = nn.HybridSequential()
    inner.add(nn.Dense(8, in_units=4, activation="relu"), nn.LayerNorm(in_channels=8))
    net.add(inner, nn.Dense(2, in_units=8))
    net.initialize()
    return net


def tables():
    return json.loads(profiler.dumps(format="json"))


def times():
    return tables()["Time"]


def trace(tmp_path):
    profiler.dump()
    return json.loads((tmp_path / "profile.json").read_text())["traceEvents"]


X = (3, 4)
ROOT = "hybridsequential"
PATHS = {ROOT, f"{ROOT}.0", f"{ROOT}.0.0", f"{ROOT}.0.1", f"{ROOT}.1"}


# ---- what is timed ----------------------------------------------------------------------------------
def test_eager_operators_and_blocks():
    net, x = make(), np.ones(X)
    profiler.start()
    for _ in range(3):
        net(x)
    profiler.stop()
    found = times()
    assert set(found["block"]) >= PATHS
    assert {row["Count"] for row in found["block"].values()} == {3}
    assert found["operator"]["dense"]["Count"] == 6
    block = found["block"]
    assert block[ROOT]["Total"] >= block[f"{ROOT}.0"]["Total"] >= block[f"{ROOT}.0.0"]["Total"] > 0


@pytest.mark.parametrize("options", [{}, {"static_alloc": True}])
def test_the_interpreter(options):
    net, x = make(), np.ones(X)
    net.optimize_for(x, backend="numpy", **options)
    profiler.start()
    for _ in range(4):
        net(x)
    profiler.stop()
    found = times()
    assert found["graph"][ROOT]["Count"] == 4
    assert {ROOT, f"{ROOT}.0", f"{ROOT}.1"} <= set(found["block"])
    assert {row["Count"] for row in found["block"].values()} == {4}
    nodes = sum(row["Total"] for row in found["node (numpy)"].values())
    assert nodes == pytest.approx(found["block"][ROOT]["Total"], rel=1e-6)
    assert nodes <= found["graph"][ROOT]["Total"]


@pytest.mark.parametrize("calls_before", [1, 8])  # weights as inputs, weights as constants
def test_onnx_runtime(calls_before):
    net, x = make(), np.ones(X)
    net.hybridize()
    for _ in range(calls_before):
        want = net(x)
    profiler.start()
    for _ in range(4):
        assert (net(x) == want).all()
    profiler.stop()
    found = times()
    assert found["graph"][ROOT]["Count"] == 4
    assert {ROOT, f"{ROOT}.0", f"{ROOT}.0.1", f"{ROOT}.1"} <= set(found["block"])
    assert {row["Count"] for row in found["block"].values()} == {4}
    kinds = found["node (onnxruntime)"]
    assert sum(row["Count"] for row in kinds.values()) >= 12
    assert "LayerNormalization" in kinds
    nodes = sum(row["Total"] for row in kinds.values())
    assert nodes == pytest.approx(found["block"][ROOT]["Total"], rel=1e-6)
    assert found["call"][ROOT]["Count"] == 4


def test_parts_of_both(tmp_path):
    """Random numbers run on the interpreter, between sessions: one call, one entry a block."""

    class Net(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.first = nn.Dense(4, in_units=4)
            self.last = nn.Dense(4, in_units=4)

        def forward(self, x):
            return self.last(np.linalg.cholesky(self.first(x) * 0 + np.eye(4)))

    net, x = Net(), np.ones((4, 4))
    net.initialize()
    net.hybridize()
    net(x)
    profiler.start()
    net(x)
    net(x)
    profiler.stop()
    found = times()
    assert found["block"]["net"]["Count"] == 2
    assert "cholesky" in found["node (numpy)"]
    assert found["node (onnxruntime)"]
    assert {"net.first", "net.last"} <= set(found["block"])


def test_training(tmp_path):
    net, x = make(), np.ones(X)
    net.hybridize()
    profiler.start()
    with mx.autograd.record():
        loss = (net(x) ** 2).sum()
    loss.backward()
    profiler.stop()
    found = times()
    assert found["graph"][ROOT]["Count"] == 1
    assert any(name.endswith("grad") for name in found["graph"])
    assert found["operator"]["sum"]["Count"] == 1


def test_a_backend_of_somebody_else_is_timed_as_a_whole():
    class Other(numpy.NumpyBackend):
        name = "other"

        def compile(self, graph, options):
            run = Interpreter(graph)
            return lambda *arrays: run(*arrays)

    base.register_backend(Other())
    try:
        net, x = make(), np.ones(X)
        net.optimize_for(x, backend="other")
        profiler.start()
        net(x)
        profiler.stop()
        assert times()["graph"][ROOT]["Count"] == 1
    finally:
        base._registered.pop("other")


def test_hybridized_child_of_a_plain_block():
    class Outer(gluon.Block):
        def __init__(self):
            super().__init__()
            self.body = make()
            self.body.hybridize()

        def forward(self, x):
            return self.body(x)

    net, x = Outer(), np.ones(X)
    profiler.start()
    net(x)
    profiler.stop()
    assert {"outer", "outer.body", "outer.body.1"} <= set(times()["block"])


def test_compiling_is_told():
    net, x = make(), np.ones(X)
    net.hybridize()
    profiler.start()
    net(x)
    profiler.stop()
    found = times()["compile"]
    assert found["trace HybridSequential"]["Count"] == 1
    assert found[f"passes {ROOT}"]["Count"] >= 1
    assert found["session"]["Count"] >= 1


def test_memory():
    net, x = make(), np.ones(X)
    profiler.start()
    net(x)
    profiler.stop()
    (row,) = tables()["Size"]["Device Storage"].values()
    assert row["Count"] == 1
    assert sys.platform == "win32" or row["Min"] > 10_000


@pytest.mark.parametrize(
    ("off", "gone"),
    [
        ("profile_imperative", ["operator"]),
        ("profile_symbolic", ["graph", "node (onnxruntime)"]),
        ("profile_api", ["compile"]),
    ],
)
def test_kinds_can_be_left_out(off, gone):
    net, x = make(), np.ones(X)
    net.hybridize()
    profiler.set_config(**{off: False})
    profiler.start()
    net(x + 1)
    profiler.stop()
    found = times()
    everything = {"operator", "graph", "node (onnxruntime)", "compile"}
    assert everything - set(found) == set(gone)
    profiler.set_config(profile_all=True)
    profiler.start()
    net(x + 1)
    profiler.stop()
    assert everything - set(times()) == set() if off != "profile_api" else True


# ---- nothing is left behind -------------------------------------------------------------------------
def hooked():
    door = sys.modules["symgluon.ops.apply"]
    owners = [
        (door, "run_kernel"), (Interpreter, "__call__"), (arena.PlannedInterpreter, "__call__"),
        (numpy, "run_step"), (arena, "run_planned"), (OrtExecutable, "__call__"),
        (OrtExecutable, "steady"), (base, "optimise"), (sessions, "make_session"),
        (Block, "__call__"), (HybridBlock, "_compile"),
    ]  # fmt: skip
    return [owner.__dict__[name] for owner, name in owners]


def test_hooks_are_there_only_while_it_runs():
    before = hooked()
    profiler.set_config(profile_all=True)
    profiler.start()
    assert all(a is not b for a, b in zip(before, hooked(), strict=True))
    profiler.pause()
    assert hooked() == before
    profiler.resume()
    assert all(a is not b for a, b in zip(before, hooked(), strict=True))
    profiler.stop()
    assert hooked() == before


def test_errors_leave_it_working():
    net = make()
    profiler.start()
    with pytest.raises(SymgluonError):
        net(np.ones((3, 5)))
    net(np.ones(X))
    profiler.stop()
    assert times()["block"][f"{ROOT}.0"]["Count"] == 2


def test_sessions_run_as_before_afterwards():
    net, x = make(), np.ones(X)
    net.hybridize()
    for _ in range(6):
        net(x)
    executable = next(iter(net._cache.by_key.values()))[1][0].op.executable
    fixed = executable.fixed
    profiler.start()
    net(x)
    profiler.stop()
    net(x)
    assert executable.fixed is fixed


# ---- states and options -----------------------------------------------------------------------------
def test_states():
    assert profiler.state() == "stop"
    profiler.set_state("run")
    assert profiler.state() == "run"
    profiler.start()  # again: nothing happens
    profiler.pause()
    assert profiler.state() == "pause"
    np.ones(3) + 1
    profiler.resume()
    profiler.stop()
    assert profiler.state() == "stop"
    assert "operator" not in times()


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: profiler.set_config(foo=1), "profile_symbolic"),
        (lambda: profiler.set_config(profile_all="perhaps"), "profile_all"),
        (lambda: profiler.set_config(dump_period=0), "dump_period"),
        (lambda: profiler.set_config(profile_process="server"), "server"),
        (lambda: profiler.set_state("walk"), "'run' or 'stop'"),
        (lambda: profiler.pause("nobody"), "worker"),
        (lambda: profiler.dumps(format="xml"), "json"),
        (lambda: profiler.dumps(sort_by="name"), "total"),
        (lambda: profiler.dumps(reset=2), "reset"),
        (lambda: profiler.Marker(profiler.Domain("d"), "m").mark("world"), "global"),
    ],
)
def test_wrong_values_are_told(call, word):
    with pytest.raises(AttributeValueError) as caught:
        call()
    assert word in str(caught.value)


def test_values_as_mxnet_takes_them():
    profiler.set_config(profile_all="True", profile_memory="0", dump_period="2")
    config = profiler._profiler.config
    assert (config.profile_all, config.profile_memory, config.dump_period) == (True, False, 2.0)


def test_deprecated_names(tmp_path):
    with pytest.warns(UserWarning, match="set_config"):
        profiler.profiler_set_config("all", str(tmp_path / "old.json"))
    with pytest.warns(UserWarning, match="set_state"):
        profiler.profiler_set_state("run")
    np.ones(3) + 1
    with pytest.warns(UserWarning, match="dump"):
        profiler.dump_profile()
    assert (tmp_path / "old.json").exists()


# ---- results ----------------------------------------------------------------------------------------
def test_tables():
    assert profiler.dumps() == ""
    profiler.start()
    for _ in range(3):
        np.ones(3) + 1
    np.exp(np.ones(1000))
    profiler.stop()
    text = profiler.dumps(sort_by="count")
    assert "Profile Statistics:" in text
    assert "Total Count" in text
    assert text.index("\nadd ") < text.index("\nexp ")
    ascending = profiler.dumps(sort_by="count", ascending=True)
    assert ascending.index("\nadd ") > ascending.index("\nexp ")
    row = times()["operator"]["add"]
    assert row["Count"] == 3
    assert row["Min"] <= row["Avg"] <= row["Max"] <= row["Total"]
    profiler.dumps(reset=True)
    assert profiler.dumps() == ""


def test_the_trace_file(tmp_path):
    net, x = make(), np.ones(X)
    net.hybridize()
    profiler.start()
    net(x)
    net(x + 1)
    events = trace(tmp_path)
    assert profiler.state() == "stop"
    spans = [e for e in events if e["ph"] == "X"]
    assert {"name", "cat", "ts", "dur", "pid", "tid"} <= set(spans[0])
    assert all(e["ts"] >= 0 and e["dur"] >= 0 for e in spans)
    assert {"process_name", "thread_name"} <= {e["name"] for e in events if e["ph"] == "M"}
    graph = [e for e in spans if e["cat"] == "graph"]
    nodes = [e for e in spans if e["cat"] == "node (onnxruntime)"]
    assert len(graph) == 2
    for node in nodes:  # laid where they ran: inside a call
        assert any(
            g["ts"] - 1 <= node["ts"] and node["ts"] + node["dur"] <= g["ts"] + g["dur"] + 2
            for g in graph
        )
        assert node["args"]["block"].startswith(ROOT)
    blocks = [e for e in spans if e["cat"] == "block"]
    assert {ROOT, f"{ROOT}.1"} <= {e["name"] for e in blocks}
    assert_nested(spans)


def assert_nested(spans):
    """Spans of a thread lie inside each other or apart: a viewer draws no others."""
    by_thread = {}
    for e in spans:
        start = round(e["ts"] * 1000)
        entry = (start, start + round(e["dur"] * 1000), e["cat"], e["name"])
        by_thread.setdefault(e["tid"], []).append(entry)
    for entries in by_thread.values():
        around = []
        for entry in sorted(entries, key=lambda x: (x[0], -x[1])):
            while around and around[-1][1] <= entry[0]:
                around.pop()
            assert not around or entry[1] <= around[-1][1], (around[-1], entry)
            around.append(entry)


def test_a_finished_dump_begins_anew(tmp_path):
    with pytest.raises(SymgluonError, match="has not run"):
        profiler.dump()
    profiler.start()
    np.ones(3) + 1
    profiler.dump(finished=False)
    assert profiler.state() == "run"
    np.ones(3) * 2
    names = {e["name"] for e in trace(tmp_path)}
    assert {"add", "multiply"} <= names
    with pytest.raises(SymgluonError, match="has not run"):
        profiler.dump()
    profiler.start()
    np.ones(3) - 1
    names = {e["name"] for e in trace(tmp_path)}
    assert "subtract" in names
    assert "add" not in names
    assert times()["operator"]["add"]["Count"] == 1  # statistics stay until they are reset


def test_a_file_that_cannot_be_written(tmp_path):
    profiler.set_config(filename=str(tmp_path / "nowhere" / "p.json"))
    profiler.start()
    np.ones(3) + 1
    with pytest.raises(OSError):
        profiler.dump()
    profiler.set_config(filename=str(tmp_path / "p.json"))
    profiler.dump()  # nothing was lost
    assert "add" in (tmp_path / "p.json").read_text()


def test_continuous_dump(tmp_path):
    profiler.set_config(continuous_dump=True, dump_period=0.05)
    profiler.start()
    np.ones(3) + 1
    file = tmp_path / "profile.json"
    for _ in range(200):
        if file.exists():
            break
        time.sleep(0.02)
    profiler.stop()
    assert "add" in file.read_text()


def test_more_events_than_are_kept_still_count(monkeypatch):
    monkeypatch.setattr(recorder, "MOST_EVENTS", 10)
    profiler.start()
    for _ in range(50):
        np.ones(3) + 1
    profiler.stop()
    assert times()["operator"]["add"]["Count"] == 50
    assert profiler._profiler.recorder.dropped > 0


# ---- the user's own ---------------------------------------------------------------------------------
def test_own_events(tmp_path):
    domain = profiler.Domain("mine")
    early = domain.new_task("early")
    early.start()
    early.stop()  # nothing is profiled yet
    profiler.start()
    task, frame, event = domain.new_task("t"), domain.new_frame("f"), profiler.Event("e")
    for span in (task, frame, event):
        span.start()
        span.stop()
        span.stop()  # a stop without a start
    counter = domain.new_counter("c", 5)
    counter += 3
    counter -= 1
    counter.increment()
    counter.decrement(2)
    marker = domain.new_marker("m")
    marker.mark()
    marker.mark("thread")
    assert [str(s) for s in (domain, task, counter, marker)] == ["mine", "t", "c", "m"]
    found = tables()
    assert found["Time"]["mine"]["t"]["Count"] == 1
    assert found["Time"]["mine,frame"]["f"]["Count"] == 1
    assert found["Time"]["event"]["e"]["Count"] == 1
    assert "early" not in found["Time"]["mine"]
    row = found["Size"]["mine"]["c"]
    assert (row["Min"], row["Max"]) == (5, 8)
    events = trace(tmp_path)
    values = [e["args"]["c"] for e in events if e["ph"] == "C" and e["name"] == "c"]
    assert values == [5, 8, 7, 8, 6]
    assert [e["s"] for e in events if e["ph"] == "i"] == ["p", "t"]


def test_scopes(tmp_path):
    net, x = make(), np.ones(X)
    profiler.start()
    with profiler.scope("a") as name:
        assert name == "a:"
        with profiler.scope("b:") as name:
            assert name == "a:b:"
            net(x)
        with profiler.scope("b", append_mode=False) as name:
            assert name == "b:"
    events = trace(tmp_path)
    blocks = [e for e in events if e.get("cat") == "block"]
    assert {e["args"]["scope"] for e in blocks} == {"a:b:"}
    assert [e["name"] for e in events if e.get("cat") == "scope"] == ["a:b:", "b:", "a:"]


# ---- threads ----------------------------------------------------------------------------------------
def test_threads(tmp_path):
    net, x = make(), np.ones(X)
    net.hybridize()
    for _ in range(6):
        net(x)
    profiler.start()

    def work():
        npx.set_np()
        for _ in range(20):
            net(x)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    for _ in range(5):  # results are asked for in the meantime: nothing is lost or counted twice
        profiler.dumps()
    for t in threads:
        t.join()
    found = times()
    assert found["graph"][ROOT]["Count"] == 120
    assert found["block"][ROOT]["Count"] == 120
    assert found["call"][ROOT]["Count"] == 120
    spans = [e for e in trace(tmp_path) if e["ph"] == "X"]
    assert len({e["tid"] for e in spans if e["cat"] == "graph"}) == 6
    assert_nested(spans)


# ---- parts ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("names", "block"),
    [
        (["relu_1"], "b"),
        (["relu_1_nchwc"], "b"),
        (["relu"], "a"),
        (["dense.matmul/MatmulTransposeFusion/"], "c"),
        (["BiasGelu", "dense"], "c"),
        (["ReorderInput", "unknown"], None),
        ([], None),
    ],
)
def test_names_of_onnx_runtime(names, block):
    assert first_known(names, {"relu": "a", "relu_1": "b", "dense": "c"}) == block


def test_spans_of_blocks():
    """Nodes of one block that others interrupt give two spans and one count."""
    taken = Recorder()
    taken.add_blocks("net", [(0, 10, "a"), (10, 5, "b.c"), (15, 5, "b"), (20, 10, "a")], 1)
    spans = sorted((e.name, e.start, e.duration) for e in taken.events)
    assert spans == [
        ("net", 0, 30), ("net.a", 0, 10), ("net.a", 20, 10), ("net.b", 10, 10), ("net.b.c", 10, 5),
    ]  # fmt: skip
    rows = taken.tables("total", False)["Time"]["block"]
    assert {n: (r["Count"], round(r["Total"] * 1e6)) for n, r in rows.items()} == {
        "net": (1, 30), "net.a": (1, 20), "net.b": (1, 10), "net.b.c": (1, 5),
    }  # fmt: skip
