"""Models with tensors beside them, the check before writing, and comparing with ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import symgluon.ops  # noqa: F401  (fills the table of operators)
from symgluon.errors import FormatError, SymgluonError
from symgluon.formats.atomic import write_group
from symgluon.formats.onnx.check import check_model, compare_model, model_files, run_model
from symgluon.formats.onnx.external import ExternalData
from symgluon.formats.onnx.writer import build_model
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType

RNG = np.random.default_rng(1)
WEIGHTS = [RNG.normal(size=s).astype("float32") for s in ((50, 40), (50,), (3, 50), (3,))]
X = RNG.normal(size=(2, 40)).astype("float32")
WANT = (X @ WEIGHTS[0].T + WEIGHTS[1]) @ WEIGHTS[2].T + WEIGHTS[3]


def graph():
    made = Graph("net")
    value = made.add_input("data", TensorType((Dim("batch"), 40), "float32"))
    for i in (0, 2):
        leaves = [made.add_constant(w, f"w{i + j}") for j, w in enumerate(WEIGHTS[i : i + 2])]
        op = OPS["dense"](num_hidden=WEIGHTS[i].shape[0])
        value = made.add(op, [value, *leaves]).output
    made.set_outputs([value])
    return made


def close(path):
    (difference,) = compare_model(str(path), {"data": X}, [WANT])
    assert difference.ok, difference


def test_a_small_model_is_one_file(tmp_path):
    path = str(tmp_path / "m.onnx")
    external = ExternalData.beside(path)
    files = model_files(path, build_model(graph(), external=external), external)
    assert list(files) == [path]
    write_group(files)
    close(path)


def test_a_large_model_has_a_file_beside_it(tmp_path):
    path = str(tmp_path / "m.onnx")
    external = ExternalData("m.onnx.data", above=100)
    files = model_files(path, build_model(graph(), external=external), external)
    write_group(files)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    assert (tmp_path / "m.onnx").stat().st_size < 2000
    assert (tmp_path / "m.onnx.data").stat().st_size == external.size
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        np.testing.assert_array_equal(
            onnx.numpy_helper.to_array(tensor), WEIGHTS[int(tensor.name[1:])]
        )
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in list(tmp_path.glob("m.onnx*")):
        file.rename(moved / file.name)
    close(moved / "m.onnx")


def test_places_are_aligned_and_small_tensors_stay():
    external = ExternalData("d", least=200)
    model = build_model(graph(), external=external)
    assert list(external.arrays) == ["w0", "w1", "w2"]
    for tensor in model.graph.initializer[:3]:
        entries = {e.key: e.value for e in tensor.external_data}
        assert int(entries["offset"]) % 4096 == 0
    assert model.graph.initializer[3].raw_data
    content = b"".join(external.chunks())
    assert len(content) == external.size
    assert content[:8000] == WEIGHTS[0].tobytes()


@pytest.mark.parametrize("location", ["", ".", "..", "/etc/passwd", "../up", "a/b"])
def test_a_model_reaches_nothing_outside_its_folder(location):
    with pytest.raises(FormatError, match="beside the model"):
        ExternalData(location)


def test_the_same_model_gives_the_same_bytes():
    first, second = (check_model(build_model(graph())) for _ in range(2))
    assert first == second


def test_an_invalid_model_is_our_fault():
    model = build_model(graph())
    model.graph.node[0].input[0] = "nowhere"
    with pytest.raises(SymgluonError, match="no valid ONNX"):
        check_model(model)


def test_comparisons():
    model = build_model(graph())
    feeds = {"data": X}
    (got,) = run_model(model, feeds)
    assert compare_model(model, feeds, [got])[0].largest == 0
    off = got.copy()
    off[1, 2] += 1
    (found,) = compare_model(model, feeds, [off])
    assert not found.ok
    assert 0.9 < found.largest < 1.1
    for bad in (got[:1], got.astype("float64"), np.where(got == got, np.nan, got)):
        assert not compare_model(model, feeds, [bad.astype(bad.dtype)])[0].ok
    with pytest.raises(SymgluonError, match="number of outputs"):
        compare_model(model, feeds, [got, got])


def test_nan_and_infinity_equal_themselves():
    made = Graph("net")
    x = made.add_input("x", TensorType((3,), "float32"))
    made.set_outputs([made.add(OPS["identity"](), [x]).output])
    values = np.array([np.nan, np.inf, 1], "float32")
    assert compare_model(build_model(made), {"x": values}, [values])[0].ok
