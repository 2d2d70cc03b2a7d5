"""A backend of another package: found through its entry point, made of public names alone."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import numpy as onp
import pytest

import symgluon as mx
from symgluon.backends import base, get_backend, list_backends, node_key, node_model, onnx_model
from symgluon.errors import AttributeValueError, UnsupportedOpError
from symgluon.gluon import nn

np, npx = mx.np, mx.npx
ROOT = Path(__file__).resolve().parent.parent.parent

#: a whole package, as `docs/backends.md` has it: additions in NumPy, with a count of what it ran
MODULE = '''
"""A backend that runs additions."""

import numpy

from symgluon.backends import Graph, Node, is_random, parameter_version, with_constants


class Additions:
    name = "additions"
    options = {"factor": "what results are multiplied by"}
    ran = []

    def supports(self, node: Node) -> bool:
        return node.op.name == "add" and not is_random(node)

    def pipeline(self, options):
        return ("infer_ort",)

    def compile(self, graph: Graph, options):
        factor = options.get("factor", 1)

        def run(*arrays):
            known = dict(zip(graph.operands(), arrays, strict=True))
            known.update(graph.constants)
            for node in graph.nodes:
                a, b = (known[v] for v in node.inputs)
                known[node.output] = numpy.add(a, b) * numpy.asarray(factor, a.dtype)
                self.ran.append(node.op.name)
            return tuple(known[v] for v in graph.outputs)

        return run
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package on the path with its metadata, as an installer leaves it."""
    (tmp_path / "symgluon_additions.py").write_text(MODULE)
    info = tmp_path / "symgluon_additions-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: symgluon-additions\nVersion: 0.1\n"
    )
    (info / "entry_points.txt").write_text(
        "[symgluon.backends]\nadditions = symgluon_additions:Additions\n"
        "broken = symgluon_additions:numpy\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    base._registered.pop("additions", None)
    sys.modules.pop("symgluon_additions", None)


def test_is_found_and_loaded_when_it_is_named(installed):
    assert "additions" in list_backends()
    assert "symgluon_additions" not in sys.modules
    backend = get_backend("additions")
    assert backend is get_backend("additions")
    assert type(backend).__module__ == "symgluon_additions"


def test_runs_its_part_and_leaves_the_rest(installed):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.HybridLambda(lambda x: np.tanh(x + x) + 1))
    net.initialize()
    for rows in (2, 5):
        x = np.ones((rows, 4))
        want = (np.tanh(2 * net[0](x)) + 1).asnumpy()
        net.optimize_for(x, backend="additions")
        onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-6)
    assert get_backend("additions").ran.count("add") >= 4


def test_options_reach_it_and_others_are_refused(installed):
    net = nn.HybridLambda(lambda x: x + x)
    x = np.ones((2,))
    net.optimize_for(x, backend="additions", factor=3)
    assert net(x).tolist() == [6, 6]
    with pytest.raises(AttributeValueError) as caught:
        net.optimize_for(x, backend="additions", factr=3)
    assert "factor" in str(caught.value)


def test_an_object_that_is_no_backend_is_refused(installed):
    with pytest.raises(AttributeValueError) as caught:
        get_backend("broken")
    assert "symgluon_additions:numpy" in str(caught.value)


def test_the_plugin_in_the_repository_needs_public_names_only():
    """Modules of symgluon that symgluon-openvino imports."""
    allowed = {"symgluon.backends", "symgluon.errors"}
    found = set()
    for path in (ROOT / "plugins" / "symgluon-openvino" / "symgluon_openvino").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("symgluon."):
                found.add(node.module)
                assert not [a.name for a in node.names if a.name.startswith("_")]
    assert found <= allowed


# ---- what plug-ins are given ----------------------------------------------------------------------
def test_models_of_graphs_and_nodes():
    import onnx

    net = nn.Dense(3, in_units=4, activation="relu")
    net.initialize()
    graph = net.graph_for(np.ones((2, 4)), functions=False)
    model = onnx_model(graph)
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == [v.name for v in graph.operands()]
    for node in graph.nodes:
        onnx.checker.check_model(node_model(node, opset=18), full_check=True)
    keys = [node_key(node) for node in graph.nodes]
    assert len(set(keys)) == len(keys)
    again = net.graph_for(np.ones((2, 4)), functions=False)
    assert [node_key(node) for node in again.nodes] == keys


def test_what_has_no_onnx_form_is_named():
    net = nn.HybridLambda(lambda x: np.linalg.cholesky(x))
    graph = net.graph_for(np.ones((4, 4)), functions=False)
    with pytest.raises(UnsupportedOpError, match="cholesky"):
        onnx_model(graph)
