"""``symgluon inspect --passes / --html / --dot``: the compiler's view of a file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as onp
import onnx
import onnx.helper as oh
import pytest

import symgluon as mx
from symgluon.cli import main

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "data" / "models"


@pytest.fixture(autouse=True)
def _array_kind():
    yield
    mx.npx.reset_np()


@pytest.fixture
def run(capsys):
    def call(*argv):
        code = main([str(a) for a in argv])
        out, err = capsys.readouterr()
        return code, out, err

    return call


class Files:
    def __init__(self, source, target):
        shutil.copytree(source, target)
        self.folder = target
        self.symbol = str(next(target.glob("*-symbol.json")))
        self.params = str(next(target.glob("*-[0-9]*.params")))
        given = json.loads((target / "meta.json").read_text())["inputs"][0]
        shape = ",".join(["N", *map(str, given["shape"][1:])])
        self.spec = f"{given['name']}={shape}:{given['dtype']}"


@pytest.fixture(params=["mxnet-1.9.1/symbolic_cnn", "mxnet-2.0.0beta1/conv1d_net"])
def model(request, tmp_path):
    return Files(MODELS / request.param, tmp_path / "model")


@pytest.fixture
def cnn(tmp_path):
    return Files(MODELS / "mxnet-1.9.1/symbolic_cnn", tmp_path / "model")


@pytest.fixture
def onnx_file(cnn, run):
    target = cnn.folder / "cnn.onnx"
    assert run("convert", cnn.symbol, "-o", target, "--input", cnn.spec)[0] == 0
    return target


def page_data(path):
    text = Path(path).read_text()
    start = text.index('<script type="application/json" id="data">')
    body = text[text.index(">", start) + 1 :]
    return json.loads(body[: body.index("</script>")])


# ---- MXNet's files -------------------------------------------------------------------------------
def test_passes(model, run):
    code, out, err = run("inspect", model.symbol, "--input", model.spec, "--passes")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert " for onnxruntime: " in lines[0]
    assert "[N," in lines[1]
    for word in (
        "FLOPs a call",
        "parameters",
        "lower bound",
        "fusions",
        "fold_constants",
        "runs as",
    ):
        assert word in out
    assert "left alone" not in out


def test_reasons(model, run):
    code, out, _ = run("inspect", model.symbol, "--input", model.spec, "--explain")
    assert code == 0
    assert "left alone" in out


def test_json(model, run):
    code, out, _ = run(
        "inspect", model.symbol, model.params, "--input", model.spec, "--passes", "--explain", "--json",
        "--backend", "numpy",
    )  # fmt: skip
    data = json.loads(out)
    assert code == 0
    assert data["backend"] == "numpy"
    assert data["memory"]["planned"] >= data["memory"]["lower_bound"] > 0
    assert {p["name"] for p in data["passes"]} >= {"fuse_elementwise", "plan_memory"}
    assert isinstance(data["left_alone"], dict)
    assert data["nodes_after"] < data["nodes_before"]


def test_switches(cnn, run):
    spec = ("--input", cnn.spec, "--json")
    _, out, _ = run("inspect", cnn.symbol, "--passes", *spec)
    assert json.loads(out)["fusions"]
    code, out, _ = run("inspect", cnn.symbol, "--passes=-fold_batch_norm,+plan_memory", *spec)
    data = json.loads(out)
    assert (code, data["fusions"]) == (0, {})
    assert "plan_memory" in {p["name"] for p in data["passes"]}
    code, out, err = run("inspect", cnn.symbol, "--passes=-nothing", *spec)
    assert (code, out) == (1, "")
    assert "known: clean_bodies" in err


def test_named_dimensions_and_sizes(cnn, run):
    spec = cnn.spec.replace("N,", "N~5,")
    _, out, _ = run(
        "inspect", cnn.symbol, "--input", spec, "--passes", "--json", "--backend", "numpy"
    )
    five = json.loads(out)
    _, out, _ = run(
        "inspect", cnn.symbol, "--input", cnn.spec.replace("N,", "1,"), "--passes", "--json",
        "--backend", "numpy",
    )  # fmt: skip
    one = json.loads(out)
    assert five["flops_after"]["flops"] == 5 * one["flops_after"]["flops"]
    assert five["inputs"][0] != one["inputs"][0]


def test_page(model, run, tmp_path):
    target = tmp_path / "page.html"
    code, out, err = run("inspect", model.symbol, "--input", model.spec, "--html", target)
    assert (code, out) == (0, "")
    assert f"{target}: written" in err
    data = page_data(target)
    assert data["graph"]["nodes"]
    assert data["plan"]["peak"] > 0
    assert data["passes"]


def test_blocks_of_old_and_new_files(run, tmp_path):
    found = {}
    for name in ("mxnet-1.9.1/text_cnn", "mxnet-2.0.0beta1/conv1d_net"):
        files = Files(MODELS / name, tmp_path / name.replace("/", "_"))
        target = tmp_path / "page.html"
        assert run("inspect", files.symbol, "--input", files.spec, "--html", target, "-q") == (
            0,
            "",
            "",
        )
        found[name] = {n[4] for n in page_data(target)["graph"]["nodes"]}
    assert all(any(blocks) for blocks in found.values()), found


def test_dot(model, run, tmp_path):
    target = tmp_path / "graph.dot"
    code, out, err = run("inspect", model.symbol, "--input", model.spec, "--dot", target)
    assert (code, out) == (0, "")
    assert "written" in err
    text = target.read_text()
    assert text.startswith("digraph ")
    assert text.endswith("}\n")


def test_a_missing_shape_is_told(cnn, run, tmp_path):
    symbol = json.loads(Path(cnn.symbol).read_text())
    for node in symbol["nodes"]:
        node.get("attrs", {}).pop("__shape__", None)
    Path(cnn.symbol).write_text(json.dumps(symbol))
    target = tmp_path / "page.html"
    code, out, err = run("inspect", cnn.symbol, "--html", target)
    assert (code, out) == (2, "")
    assert "--input" in err
    assert not target.exists()


@pytest.mark.parametrize("option", ["--html", "--dot"])
def test_a_target_that_cannot_be_written(option, cnn, run, tmp_path):
    code, out, err = run("inspect", cnn.symbol, "--input", cnn.spec, option, tmp_path)
    assert (code, out) == (4, "")
    assert str(tmp_path) in err
    assert "Traceback" not in err


def test_parameters_have_no_graph(cnn, run):
    code, _, err = run("inspect", cnn.params, "--passes")
    assert code == 2
    assert "holds no graph" in err


# ---- ONNX ----------------------------------------------------------------------------------------
def test_onnx_levels(onnx_file, run):
    code, out, _ = run("inspect", onnx_file, "--passes", "--json")
    data = json.loads(out)
    assert code == 0
    assert [level["level"] for level in data["levels"]] == ["none", "basic", "extended", "all"]
    counts = [level["nodes"] for level in data["levels"]]
    assert counts[0] >= data["nodes"] - data["functions"]
    assert counts[-1] <= counts[0]
    code, out, _ = run("inspect", onnx_file, "--passes")
    assert "executed after optimisation" in out
    assert "ONNX Runtime, all" in out


def test_onnx_page(onnx_file, run, tmp_path, cnn):
    target = tmp_path / "page.html"
    assert run("inspect", onnx_file, "--html", target, "-q")[0] == 0
    data = page_data(target)
    assert data["title"] == "cnn.onnx"
    assert len(data["graph"]["nodes"]) == len(onnx.load(onnx_file).graph.node)
    one = data["plan"]
    assert one["unplanned"] == []
    assert 0 < one["lower_bound"] <= one["peak"] <= one["total"]
    spec = cnn.spec.replace("N,", "4,")
    assert run("inspect", onnx_file, "--html", target, "-q", "--input", spec)[0] == 0
    assert page_data(target)["plan"]["total"] > 2 * one["total"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dot", "x.dot"], "MODEL-symbol.json"),
        (["--passes=-fuse_patterns"], "MODEL-symbol.json"),
        (["--passes", "--backend", "numpy"], "MODEL-symbol.json"),
        (["--html", "x.html", "--input", "image=1,2"], "no input image"),
        (["--html", "x.html", "--input", "data=1,2"], "axes"),
    ],
)
def test_onnx_usage(arguments, words, onnx_file, run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("inspect", onnx_file, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert not list(tmp_path.glob("x.*"))


def test_onnx_files_of_others(run, tmp_path):
    """Names that are markup, an `If` with branches, a symbolic size, a result that nobody reads."""
    bad = "</script><b>"
    value = oh.make_tensor_value_info
    branch = oh.make_graph([oh.make_node("Neg", [bad], ["n"])], "b", [], [value("n", 1, None)])
    graph = oh.make_graph(
        [
            oh.make_node("Relu", [bad], ["r"], doc_string="made by hand, in a sentence"),
            oh.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
        ],
        "g",
        [value(bad, 1, ["rows", 2]), value("c", 9, [])],
        [value("y", 1, None)],
        [oh.make_tensor("w", 1, [1], onp.ones(1, "f4"))],
    )
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "other.onnx"
    onnx.save(model, path)
    target = tmp_path / "page.html"
    code, out, _ = run("inspect", path, "--html", target, "--passes", "--json")
    assert code == 0
    assert json.loads(out)["nodes"] == 4
    nodes = page_data(target)["graph"]["nodes"]
    assert [n[0] for n in nodes] == ["Relu", "If"]
    assert [n[4] for n in nodes] == ["", ""]
    assert "</script><b>" not in target.read_text()


def test_damaged_onnx(run, tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"\x08\x01garbage")
    code, out, err = run("inspect", path, "--passes")
    assert (code, out) == (4, "")
    assert "Traceback" not in err


def test_what_onnx_runtime_refuses(run, tmp_path):
    value = oh.make_tensor_value_info
    graph = oh.make_graph(
        [oh.make_node("NoSuch", ["x"], ["y"])], "g", [value("x", 1, [2])], [value("y", 1, [2])]
    )
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "none.onnx"
    onnx.save(model, path)
    code, _, err = run("inspect", path, "--passes")
    assert code == 4
    assert "ONNX Runtime cannot open it" in err
