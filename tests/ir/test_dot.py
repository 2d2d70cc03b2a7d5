"""Graphviz text: valid, escaped, with a cluster a block."""

import re
import shutil
import subprocess

import numpy as np
import pytest

import symgluon.ops  # noqa: F401  (declares the operators)
from symgluon.ir.dot import block_of, block_of_name, block_paths, quoted, to_dot
from symgluon.ir.graph import Graph, Origin
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType

F32 = np.dtype("float32")
STRING = r'"(?:[^"\\\n]|\\.)*"'
NAME = rf"(?:[A-Za-z_]\w*|{STRING})"
ATTRIBUTES = rf"\[{NAME}={NAME}(?:, {NAME}={NAME})*\]"
LINE = re.compile(
    rf"\s*(?:digraph {NAME} \{{|subgraph {NAME} \{{|\}}|{NAME}={NAME}; {NAME}={NAME}; {NAME}={NAME};"
    rf"|node {ATTRIBUTES};|{NAME} {ATTRIBUTES};|{NAME} -> {NAME}(?: {ATTRIBUTES})?;)"
)


def graph_of(*blocks, name="g"):
    """A chain of nodes, each in a block."""
    graph = Graph(name)
    value = graph.add_input("x", TensorType((2, 3), F32))
    for i, block in enumerate(blocks):
        origin = (Origin(block, "net.py:1"),) if block else ()
        value = graph.add(OPS["exp"](), [value], name=f"v{i}", origin=origin).output
    graph.set_outputs([value])
    return graph


def check(text):
    """Every line is one of the grammar, braces match, edges join what was declared."""
    depth, declared, joined = 0, set(), []
    for line in text.split("\n"):
        assert LINE.fullmatch(line), line
        bare = re.sub(STRING, "", line)
        depth += bare.count("{") - bare.count("}")
        edge = re.match(r"\s*(\w+) -> (\w+)", line)
        if edge:
            joined += edge.groups()
        elif not re.match(r"\s*(digraph|subgraph|node|label|\})", line):
            declared.add(line.split()[0])
    assert depth == 0
    assert set(joined) <= declared
    return joined


def dot_accepts(text):
    program = shutil.which("dot")
    if program is None:
        return
    done = subprocess.run(
        [program, "-Tplain"], input=text.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_clusters_nest_by_block():
    text = to_dot(graph_of("a.b", "a.b", "a", "c", ""))
    check(text)
    dot_accepts(text)
    lines = [line.strip() for line in text.split("\n")]
    assert [line.split("=")[1].split(";")[0] for line in lines if line.startswith("label=")] == [
        '"a"', '"b"', '"c"'
    ]  # fmt: skip
    # v0, v1 in a.b; v2 in a; v3 and v4 (which says nothing: where its operand is) in c
    inside = {}
    path = []
    for line in lines:
        if line.startswith("subgraph"):
            path.append("")
        elif line.startswith("label="):
            path[-1] = line.split('"')[1]
        elif line == "}" and path:
            path.pop()
        elif re.match(r"n\d+ \[", line):
            inside[line.split()[0]] = ".".join(path)
    assert inside == {"n0": "a.b", "n1": "a.b", "n2": "a", "n3": "c", "n4": "c"}
    assert "subgraph" not in to_dot(graph_of("a", "b"), clusters=False)


NAMES = [
    'a "quote"',
    "back\\slash",
    "ends\\",
    "two\nlines",
    "<b>&amp;",
    "tab\tnul\0",
    "ünï→",
    '"]; x -> y',
]


@pytest.mark.parametrize("name", NAMES)
def test_escapes(name):
    graph = graph_of(name, name=name)
    graph.inputs[0].name = name
    joined = check(to_dot(graph))
    assert joined == ["in0", "n0", "n0", "out0"]
    dot_accepts(to_dot(graph))


def test_quoted():
    assert quoted('a"b\\c\nd') == '"a\\"b\\\\c\\nd"'
    assert len(quoted("x" * 1000)) == 162
    assert quoted("x" * 1000).endswith('..."')


def test_leaves_and_writes():
    graph = Graph("g")
    x = graph.add_input("x", TensorType((3,), F32))
    w = graph.add_param("w", TensorType((3,), F32))
    c = graph.add_constant(np.arange(3, dtype=F32), "c")
    half = graph.add_constant(np.float32(0.5))
    y = graph.add(OPS["add"](), [x, w]).output
    z = graph.add(OPS["multiply"](), [y, c]).output
    u = graph.add(OPS["multiply"](), [z, half]).output
    graph.set_outputs([u, y, x])
    graph.writes = {1: w}
    text = to_dot(graph)
    check(text)
    for shown in ("%x", "@w", "#c", "assigned to w", "output 0", "output 2"):
        assert shown in text
    assert text.count("->") == 5 + 3


def test_parts_of_several_results():
    graph = Graph("g")
    x = graph.add_input("x", TensorType((4,), F32))
    parts = graph.add(OPS["split"](sections=2), [x]).outputs
    graph.set_outputs([graph.add(OPS["add"](), parts).output])
    assert check(to_dot(graph)).count("n0") == 3


def test_deep_blocks_do_not_recurse():
    text = to_dot(graph_of(".".join("b" * 3000)))
    assert text.count("subgraph") == 3000
    check(text)


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("resnetv10_stage1_conv0_fwd", "resnetv10.stage1"),
        ("fc1", ""),
        ("fc1_fwd", ""),
        ("node_12", ""),
        ("_plus3", ""),
        ("", ""),
    ],
)
def test_names_of_old_files(name, block):
    assert block_of_name(name) == block


def test_where_a_block_comes_from():
    graph = Graph("g")
    x = graph.add_input("x", TensorType((2, 3), F32))
    w = graph.add_param("features.0.weight", TensorType((4, 3), F32))
    dense = graph.add(OPS["dense"](num_hidden=4), [x, w, None])
    relu = graph.add(OPS["relu"](), [dense.output])
    named = graph.add(OPS["exp"](), [relu.output], origin=(Origin(mx_name="net0_stage2_exp0"),))
    own = graph.add(OPS["exp"](), [named.output], origin=(Origin(), Origin("head", "", "a_b_c")))
    graph.set_outputs([own.output])
    assert [block_of(n) for n in graph.nodes] == ["features.0", "", "net0.stage2", "head"]
    assert block_paths(graph.nodes) == [
        ("features", "0"), ("features", "0"), ("net0", "stage2"), ("head",)
    ]  # fmt: skip
