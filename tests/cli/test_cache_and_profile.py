"""``symgluon cache`` and ``symgluon profile``."""

from __future__ import annotations

import json

import pytest

import symgluon as mx
from symgluon.cli.common import BAD_FILE, OK, USAGE
from symgluon.cli.main import main
from symgluon.gluon import nn

np, npx = mx.np, mx.npx


@pytest.fixture(autouse=True)
def _numpy_arrays(monkeypatch):
    for name in ("SYMGLUON_BACKEND", "SYMGLUON_CACHE_DIR", "SYMGLUON_CACHE_SIZE"):
        monkeypatch.delenv(name, raising=False)
    npx.set_np()
    yield
    npx.reset_np()


@pytest.fixture
def model(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Dense(8, in_units=4, activation="relu"), nn.Dense(2, in_units=8))
    net.initialize()
    net.hybridize()
    for _ in range(5):
        net(np.ones((2, 4)))
    net.export(str(tmp_path / "net"))
    return tmp_path / "net"


def read(capsys, *args):
    code = main([*args, "--json"])
    return code, json.loads(capsys.readouterr().out)


# ---- cache ------------------------------------------------------------------------------------------
@pytest.fixture
def cache(tmp_path, monkeypatch):
    from symgluon.backends import graph_sessions

    graph_sessions._compiled.clear()
    graph_sessions._held.clear()
    folder = tmp_path / "cache"
    monkeypatch.setenv("SYMGLUON_CACHE_DIR", str(folder))
    net = nn.Dense(3, in_units=5)
    net.initialize()
    net.hybridize()
    for _ in range(5):
        net(np.ones((2, 5)))
    return folder


def test_list(cache, capsys):
    code, found = read(capsys, "cache")
    assert code == OK
    assert found["folder"] == str(cache)
    assert found["enabled"]
    assert {m["graph"] for m in found["models"]} == {"dense"}
    assert found["bytes"] == sum(m["bytes"] for m in found["models"]) > 0
    assert main(["cache", "list"]) == OK
    text = capsys.readouterr().out
    assert "dense" in text
    assert "2 compiled models" in text


def test_clear(cache, capsys):
    _, before = read(capsys, "cache")
    one = before["models"][0]["name"]
    _, after = read(capsys, "cache", "clear", one)
    assert after["removed"] == 1
    assert one not in {m["name"] for m in after["models"]}
    assert main(["cache", "clear"]) == OK
    assert "removed 1 compiled models" in capsys.readouterr().out
    assert list(cache.iterdir()) == []


def test_trim(cache, capsys, monkeypatch):
    monkeypatch.setenv("SYMGLUON_CACHE_SIZE", "10")
    _, after = read(capsys, "cache", "trim")
    assert after["models"] == []


def test_off(tmp_path, capsys):
    assert main(["cache", "--dir", str(tmp_path)]) == OK
    assert "SYMGLUON_CACHE_DIR=default" in capsys.readouterr().out


def test_names_are_for_clear_only(capsys):
    assert main(["cache", "list", "x"]) == USAGE


# ---- profile ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", ["onnxruntime", "numpy"])
def test_symbol(model, capsys, tmp_path, backend):
    trace = tmp_path / "trace.json"
    code, found = read(
        capsys, "profile", f"{model}-symbol.json", "--input", "data=2,4", "--runs", "3",
        "--backend", backend, "--trace", str(trace),
    )  # fmt: skip
    assert code == OK
    tables = found["tables"]
    assert {row["Count"] for row in tables["block"].values()} == {3}
    kinds = tables["node (numpy)" if backend == "numpy" else "node (onnxruntime)"]
    assert sum(row["Count"] for row in kinds.values()) >= 6
    assert found["milliseconds"] > 0
    events = json.loads(trace.read_text())["traceEvents"]
    assert any(e.get("cat") == "graph" for e in events)


def test_onnx(model, capsys):
    assert main(["profile", f"{model}-0000.onnx", "--runs", "2", "--top", "1"]) == OK
    text = capsys.readouterr().out
    assert "node (onnxruntime)" in text
    assert "Gemm" in text
    assert "ms a run" in text


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["{m}-0000.params"], USAGE),
        (["{m}-symbol.json", "--input", "data=2,4", "--runs", "0"], USAGE),
        (["{m}-symbol.json"], USAGE),
        (["{m}-nothing.onnx"], BAD_FILE),
    ],
)
def test_wrong_use_is_told(model, args, code, capsys):
    assert main(["profile", *[a.format(m=model) for a in args]]) == code
    assert capsys.readouterr().err
