"""The command line: results on stdout, everything else on stderr, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as onp
import onnx
import onnxruntime as ort
import pytest

import symgluon as mx
from symgluon.cli import convert, main
from symgluon.cli.common import InputSpec, Output, UsageError, table

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
MODELS = sorted(p.parent for p in DATA.glob("models/*/*/meta.json"))
MLP = DATA / "models" / "mxnet-2.0.0beta1" / "mlp"


@pytest.fixture(autouse=True)
def _array_kind():
    yield
    mx.npx.reset_np()


class Files:
    """A recorded model, copied."""

    def __init__(self, folder, target):
        shutil.copytree(folder, target)
        self.folder = target
        self.symbol = str(next(target.glob("*-symbol.json")))
        self.params = str(next(target.glob("*-[0-9]*.params")))
        self.io = str(target / "io.npz")
        meta = json.loads((target / "meta.json").read_text())
        self.inputs = meta["inputs"]

    def spec(self, batch="N"):
        name, shape = self.inputs[0]["name"], self.inputs[0]["shape"]
        return f"{name}={','.join([batch, *map(str, shape[1:])])}:{self.inputs[0]['dtype']}"


@pytest.fixture
def mlp(tmp_path):
    return Files(MLP, tmp_path / "mlp")


@pytest.fixture
def run(capsys):
    def call(*argv):
        code = main([str(a) for a in argv])
        out, err = capsys.readouterr()
        return code, out, err

    return call


# ---- convert ------------------------------------------------------------------------------------
@pytest.mark.parametrize("folder", MODELS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_convert_and_verify(folder, tmp_path, run):
    files = Files(folder, tmp_path / "m")
    code, out, err = run("convert", files.symbol, "--input", files.spec("N~3"))
    assert (code, files.params in err) == (0, True)
    target = files.params.replace(".params", ".onnx")
    assert out.startswith(target)
    onnx.checker.check_model(onnx.load(target), full_check=True)
    code, out, _ = run("verify", target, files.io)
    assert code == 0
    assert "agree" in out
    code, out, _ = run("verify", target, files.symbol, "--input", files.spec("5"), "--json")
    found = json.loads(out)
    assert (code, found["passed"]) == (0, True)
    assert found["outputs"][0]["shape"][0] == 5
    code, _, _ = run("verify", files.symbol, files.io)
    assert code == 0


def test_convert_to_a_named_file(mlp, tmp_path, run):
    target = tmp_path / "out.onnx"
    code, out, err = run(
        "convert", mlp.symbol, mlp.params, "-o", target, "--input", "data=4,20", "--opset", 17,
        "--flat", "--dynamic", "data:0=rows", "--json",
    )  # fmt: skip
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["opset"] == 17
    assert found["output"] == str(target)
    assert found["bytes"] == target.stat().st_size
    assert found["inputs"] == ["data: float32[rows,20]"]
    session = ort.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    assert session.run(None, {"data": onp.ones((7, 20), "float32")})[0].shape[0] == 7


def test_the_highest_epoch_is_taken(mlp, run):
    shutil.copy(mlp.params, mlp.params.replace("0000", "0012"))
    code, _, err = run("convert", mlp.symbol, "--input", "data=N,20")
    assert code == 0
    assert "mlp-0012.params" in err
    assert (mlp.folder / "mlp-0012.onnx").exists()


def test_convert_is_a_function(mlp, tmp_path):
    target = str(tmp_path / "a.onnx")
    result = convert.convert(mlp.symbol, mlp.params, target, [InputSpec.parse("data=N,20")])
    assert result.output == target
    assert result.nodes > 0


def test_quiet_prints_no_result(mlp, run):
    assert run("convert", mlp.symbol, "--input", "data=N,20", "-q") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--input", "image=N,20"], "no input image"),
        (["--input", "data"], "expected NAME="),
        (["--input", "data=N,2x"], "'2x'"),
        (["--input", "data=N,20:float23"], "float23"),
        (["--input", "data=N,20", "--input", "data=N,20"], "twice"),
        (["--dynamic", "data"], "expected NAME:AXIS=DIM"),
        (["--nonsense"], "--nonsense"),
        (["--opset", "x"], "opset"),
    ],
)
def test_usage_errors(arguments, words, mlp, run):
    code, out, err = run("convert", mlp.symbol, mlp.params, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert not list(mlp.folder.glob("*.onnx"))


def test_failed_checks(mlp, run):
    code, _, err = run("convert", mlp.symbol, "--input", "data=N,20", "--opset", "99")
    assert code == 1
    assert "13 to 23" in err


def test_unsupported_operators(mlp, run):
    path = Path(mlp.symbol)
    path.write_text(path.read_text().replace('"Activation"', '"_unheard_of"'))
    code, out, err = run("convert", mlp.symbol, "--input", "data=N,20")
    assert (code, out) == (3, "")
    assert "_unheard_of" in err
    assert not list(mlp.folder.glob("*.onnx"))
    code, out, _ = run("inspect", mlp.symbol)
    assert code == 0
    assert "not supported: _unheard_of" in out


# ---- files that are not there or damaged ---------------------------------------------------------
@pytest.mark.parametrize("command", ["convert", "inspect", "verify"])
def test_missing_files(command, tmp_path, run):
    missing = tmp_path / "net-symbol.json"
    arguments = {
        "convert": [missing, tmp_path / "net-0000.params"],
        "inspect": [missing],
        "verify": [missing, missing],
    }[command]
    code, out, err = run(command, *arguments)
    assert (code, out) == (4, "")
    assert "net-symbol.json" in err
    assert "Traceback" not in err


def test_missing_parameters(mlp, run):
    os.remove(mlp.params)
    code, _, err = run("convert", mlp.symbol)
    assert code == 4
    assert "mlp-NNNN.params" in err
    assert run("verify", mlp.symbol, mlp.io)[0] == 4


@pytest.mark.parametrize("keep", [0, 1, 40, 0.5, -2])
@pytest.mark.parametrize("which", ["symbol", "params", "io", "onnx"])
def test_truncated_files(which, keep, mlp, run):
    assert run("convert", mlp.symbol, "--input", "data=N,20")[0] == 0
    model = mlp.params.replace(".params", ".onnx")
    path = Path({"onnx": model}.get(which) or getattr(mlp, which))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    target = mlp.folder / "again.onnx"
    for command in (
        ["inspect", path],
        ["verify", path, model] if which in ("io", "onnx") else
        ["convert", mlp.symbol, "-o", target, "--input", "data=N,20"],
    ):  # fmt: skip
        code, out, err = run(*command)
        assert (code, out) == (4, ""), command
        assert path.name in err
        assert "Traceback" not in err
    assert not target.exists()


def test_a_target_that_cannot_be_written(mlp, tmp_path, run):
    target = tmp_path / "no" / "such.onnx"
    code, out, err = run("convert", mlp.symbol, "-o", target, "--input", "data=N,20")
    assert (code, out) == (4, "")
    assert "such.onnx" in err or "no" in err


def test_unknown_formats(tmp_path, run):
    path = tmp_path / "what.txt"
    path.write_text("hello")
    code, _, err = run("inspect", path)
    assert code == 4
    assert "none of" in err
    assert run("inspect", tmp_path)[0] == 4


# ---- inspect ------------------------------------------------------------------------------------
def test_inspect_a_symbol(mlp, run):
    code, out, _ = run("inspect", mlp.symbol)
    assert code == 0
    assert "FullyConnected" in out
    code, out, _ = run("inspect", mlp.symbol, "--json")
    facts = json.loads(out)
    assert facts["operators"] == {"FullyConnected": 3, "Activation": 2, "Dropout": 1}
    assert facts["unsupported"] == []
    assert "data" in facts["inputs"]


@pytest.mark.parametrize("path", sorted(DATA.glob("params/*")), ids=lambda p: p.name)
def test_inspect_parameters(path, run):
    code, out, _ = run("inspect", path, "--json")
    facts = json.loads(out)
    assert (code, facts["format"]) == (0, "parameters")
    assert len(facts["parameters"]) >= 1
    assert run("inspect", path, "--params")[0] == 0


def test_inspect_onnx(mlp, run):
    run("convert", mlp.symbol, "--input", "data=N,20")
    code, out, _ = run("inspect", mlp.params.replace(".params", ".onnx"), "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["inputs"] == ["data: float32[N,20]"]
    assert facts["elements"] == 1370


# ---- verify -------------------------------------------------------------------------------------
def test_models_that_differ(mlp, tmp_path, run):
    run("convert", mlp.symbol, "--input", "data=N,20")
    recorded = dict(onp.load(mlp.io))
    recorded["output/0"] = recorded["output/0"] + 0.5
    changed = tmp_path / "changed.npz"
    onp.savez(changed, **recorded)
    model = mlp.params.replace(".params", ".onnx")
    code, out, _ = run("verify", model, changed)
    assert code == 1
    assert "DISAGREE" in out
    code, out, _ = run("verify", model, changed, "--json")
    found = json.loads(out)["outputs"][0]
    assert code == 1
    assert found["max_abs"] == pytest.approx(0.5, abs=1e-3)
    assert run("verify", model, changed, "--atol", "1")[0] == 0


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda a: {"output/0": a["output/0"][:, :-1]}, "shapes"),
        (lambda a: {"output/1": a["output/0"]}, "only one side"),
        (lambda a: {"output/0": onp.full_like(a["output/0"], onp.nan)}, "inf"),
    ],
)
def test_other_differences(change, note, mlp, tmp_path, run):
    recorded = dict(onp.load(mlp.io))
    changed = tmp_path / "changed.npz"
    onp.savez(changed, **{**recorded, **change(recorded)})
    code, out, _ = run("verify", mlp.symbol, changed)
    assert code == 1
    assert note in out


def test_verify_takes_models_only(mlp, run):
    code, _, err = run("verify", mlp.params, mlp.io)
    assert code == 2
    assert "holds parameters" in err


# ---- doctor and the rest ------------------------------------------------------------------------
def test_doctor(run):
    code, out, err = run("doctor")
    assert (code, err) == (0, "")
    assert "no problems found" in out
    found = json.loads(run("doctor", "--json")[1])
    assert found["symgluon"] == mx.__version__
    assert "CPUExecutionProvider" in found["providers"]


def test_doctor_tells_of_problems(monkeypatch, run):
    from symgluon.cli import doctor

    monkeypatch.setitem(doctor.REQUIRED, "numpy", (99, 0))
    code, out, _ = run("doctor")
    assert code == 1
    assert "PROBLEM: numpy" in out


def test_help_version_and_no_command(run):
    code, out, _ = run("--help")
    assert code == 0
    assert "exit codes" in out
    assert run("--version") == (0, f"symgluon {mx.__version__}\n", "")
    assert run()[0] == 2
    assert run("transmogrify")[0] == 2


def test_debug_shows_the_trace(tmp_path):
    with pytest.raises(ValueError):
        main(["inspect", str(tmp_path / "none.onnx"), "--debug"])


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "symgluon", "--version"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == f"symgluon {mx.__version__}"


@pytest.mark.parametrize(
    ("text", "shape", "dtype", "dynamic"),
    [
        ("data=2,3", (2, 3), "float32", {}),
        ("x=N,3,H~224,W~32:float16", (2, 3, 224, 32), "float16", {0: "N", 2: "H", 3: "W"}),
        ("ids= B , 7 :int64", (2, 7), "int64", {0: "B"}),
        ("scalar=", (), "float32", {}),
    ],
)
def test_input_specs(text, shape, dtype, dynamic):
    spec = InputSpec.parse(text)
    assert (spec.shape, spec.dtype, spec.dynamic) == (shape, dtype, dynamic)


def test_input_specs_need_a_name():
    with pytest.raises(UsageError, match="expected"):
        InputSpec.parse("=2,3")


def test_tables_align():
    lines = table(("name", "n"), [("a", 1), ("longer", 200)]).split("\n")
    assert lines == ["  name      n", "  a         1", "  longer  200"]
    assert table(("a",), []) == ""


def test_a_terminal_gets_drawn_tables(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    text = table(("name", "n"), [("[a]", 1), ("longer", 200)])
    assert "[a]" in text
    assert "200" in text
    assert len(text.split("\n")) >= 4  # a line under the head


@pytest.mark.parametrize("quiet", [False, True])
def test_stages_show_on_a_terminal_only(monkeypatch, capsys, quiet):
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Output(as_json=False, quiet=quiet).stage("converting it") as shown:
        assert (shown is None) == quiet
    with Output(as_json=True, quiet=False).stage("converting it") as shown:
        assert shown is None
    assert capsys.readouterr().out == ""
