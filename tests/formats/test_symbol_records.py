"""Symbol files: read, and written back byte by byte; what is damaged is refused."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgluon.errors import FormatError
from symgluon.formats import symbol_records, symbol_text
from symgluon.formats.symbol_records import (
    NodeRecord,
    SymbolRecords,
    parse_symbol,
    write_symbol,
)

DATA = Path(__file__).parent.parent / "data" / "models"
ORACLE = os.environ.get("SYMGLUON_ORACLE")  # a folder with more recorded models
FILES = sorted(DATA.glob("*/*/*-symbol.json"))
if ORACLE:
    FILES += sorted(Path(ORACLE).glob("models/*/*/*-symbol.json"))


def variable(name, **more):
    return {"op": "null", "name": name, "inputs": [], **more}


def small():
    """Return a symbol of three nodes, as 1.x writes it."""
    return {
        "nodes": [
            variable("data"),
            variable("w", attrs={"__shape__": "(3, 2)", "__lr_mult__": "2.0"}),
            {
                "op": "FullyConnected",
                "name": "fc",
                "attrs": {"num_hidden": "3", "no_bias": "True", "__ctx_group__": "a"},
                "inputs": [[0, 0, 0], [1, 0, 0]],
            },
        ],
        "arg_nodes": [0, 1],
        "node_row_ptr": [0, 1, 2, 3],
        "heads": [[2, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10901]},
    }


def parse(content):
    return parse_symbol(json.dumps(content))


def ids(path):
    return f"{path.parent.parent.name}/{path.parent.name}"


# ---- real files ------------------------------------------------------------------------
@pytest.mark.parametrize("path", FILES, ids=ids)
def test_real_file_is_written_back_byte_by_byte(path):
    records = parse_symbol(path)
    text = path.read_text(encoding="utf-8")
    assert write_symbol(records) == text
    assert parse_symbol(text) == records


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_real_file_holds_the_recorded_names(path):
    records = parse_symbol(path)
    meta = json.loads((path.parent / "meta.json").read_text(encoding="utf-8"))
    variables = {records.nodes[i].name for i in records.arg_nodes}
    assert {n.split(":", 1)[1] for n in meta["export_param_names"]} <= variables
    assert {i["name"] for i in meta["inputs"]} <= variables
    counts: dict[str, int] = {}
    for node in records.nodes:
        if node.op != "null":
            counts[node.op] = counts.get(node.op, 0) + 1
    assert counts == meta["ops"]
    two = meta["framework"].startswith("mxnet-2")
    assert records.version_text == ("2.0.0" if two else "1.9.1")
    assert records.is_np_shape is (True if two else None)


# ---- what is read ----------------------------------------------------------------------
def test_attributes_are_parted_from_hidden_ones():
    records = parse(small())
    assert records.nodes[1].hidden == {"__shape__": "(3, 2)", "__lr_mult__": "2.0"}
    assert records.nodes[2] == NodeRecord(
        "FullyConnected",
        "fc",
        {"num_hidden": "3", "no_bias": "True"},
        {"__ctx_group__": "a"},
        ((0, 0, 0), (1, 0, 0)),
    )
    assert (records.version, records.version_text) == (10901, "1.9.1")
    assert records.is_np_shape is None


@pytest.mark.parametrize("key", ["attrs", "attr", "param"])
def test_every_spelling_of_attributes(key):
    content = small()
    content["nodes"][2][key] = content["nodes"][2].pop("attrs")
    assert parse(content) == parse(small())


def test_attr_goes_before_param():
    content = small()
    content["nodes"][2].update(param={"num_hidden": "3", "no_bias": "False"})
    assert parse(content).nodes[2].attrs == {"num_hidden": "3", "no_bias": "True"}


@pytest.mark.parametrize("kind", [str, Path, "text", "bytes"])
def test_path_text_or_bytes(tmp_path, kind):
    path = tmp_path / "ä-symbol.json"
    text = json.dumps(small())
    path.write_text(text)
    source = (
        {"text": " \n" + text, "bytes": text.encode()}[kind] if type(kind) is str else kind(path)
    )
    assert parse_symbol(source) == parse(small())


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        parse_symbol(tmp_path / "none.json")
    with pytest.raises(IsADirectoryError):
        parse_symbol(tmp_path)


def test_graph_attributes_and_np_shape():
    content = small()
    content["attrs"].update(
        is_np_shape=["int", 1],
        storage_type=["list_int", [0, 0, 0]],
        dltype=["list_str", ["float32", "ä"]],
    )
    records = parse(content)
    assert records.is_np_shape is True
    assert records.graph_attrs == {
        "storage_type": ("list_int", (0, 0, 0)),
        "dltype": ("list_str", ("float32", "ä")),
    }
    assert parse_symbol(write_symbol(records)) == records


# ---- upgrades --------------------------------------------------------------------------
def old_batch_norm(**attr):
    return {
        "nodes": [
            variable("data", param={}, backward_source_id=-1),
            variable("bn_gamma", param={}, backward_source_id=-1),
            variable("bn_beta", param={}, backward_source_id=-1),
            {
                "op": "BatchNorm",
                "param": {"eps": "0.001", "momentum": "0.9"},
                "name": "bn",
                "inputs": [[0, 0], [1, 0], [2, 0]],
                "backward_source_id": -1,
                **({"attr": attr} if attr else {}),
            },
            {
                "op": "argmax",
                "param": {"axis": "-1"},
                "name": "am",
                "inputs": [[3, 0]],
                "backward_source_id": -1,
            },
        ],
        "arg_nodes": [0, 1, 2],
        "heads": [[4, 0]],
    }


def test_before_0_9_auxiliary_variables_are_added():
    records = parse(old_batch_norm())
    assert (records.version, records.version_text) == (800, "0.8.0")
    assert [n.name for n in records.nodes] == [
        "data", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var", "bn", "am",
    ]  # fmt: skip
    assert records.nodes[5].inputs == tuple((i, 0, 0) for i in range(5))
    assert records.nodes[6].inputs == ((5, 0, 0),)
    assert records.heads == ((6, 0, 0),)
    assert records.arg_nodes == (0, 1, 2, 3, 4)
    assert records.nodes[3].hidden == {"__init__": '["zero", {}]'}
    assert records.nodes[4].hidden == {"__init__": '["one", {}]'}
    assert parse_symbol(write_symbol(records)).nodes == records.nodes


@pytest.mark.parametrize(("version", "count"), [(None, 2), (899, 2), (900, 0), (10901, 0)])
def test_when_variables_are_added(version, count):
    content = old_batch_norm()
    if version is not None:
        content["attrs"] = {"mxnet_version": ["int", version]}
    assert len(parse(content).nodes) == 5 + count


@pytest.mark.parametrize(("version", "axis"), [(904, None), (905, "-1"), (20000, "-1")])
def test_axis_of_argmax(version, axis):
    content = old_batch_norm()
    content["attrs"] = {"mxnet_version": ["int", version]}
    assert parse(content).nodes[-1].attrs.get("axis") == axis


@pytest.mark.parametrize(
    ("op", "attrs", "names"),
    [
        ("Convolution", {}, ["x_weight", "x_bias"]),
        ("Convolution", {"no_bias": "True"}, ["x_weight"]),
        ("FullyConnected", {"no_bias": "1"}, ["x_weight"]),
        ("LeakyReLU", {}, []),
        ("LeakyReLU", {"act_type": "prelu"}, ["x_gamma"]),
        ("SoftmaxOutput", {}, ["x_label"]),
        ("RNN", {"mode": "lstm"}, ["x_parameters", "x_state", "x_state_cell"]),
        ("RNN", {"mode": "gru"}, ["x_parameters", "x_state"]),
        ("exp", {}, []),
        ("UpSampling", {"sample_type": "nearest"}, []),
    ],
)
def test_operands_that_lack(op, attrs, names):
    content = {
        "nodes": [
            variable("data"),
            {"op": op, "name": "x", "param": attrs, "inputs": [[0, 0]]},
        ],
        "arg_nodes": [0],
        "heads": [[1, 0]],
    }
    records = parse(content)
    assert [n.name for n in records.nodes] == ["data", *names, "x"]


def test_hidden_keys_without_underscores():
    content = old_batch_norm(ctx_group="dev", lr_mult="2", gamma_lr_mult="5", nothing_wd_mult="3")
    nodes = {n.name: n for n in parse(content).nodes}
    assert nodes["bn"].attrs == {"eps": "0.001", "momentum": "0.9"}
    assert nodes["bn"].hidden == {
        "__ctx_group__": "dev", "__lr_mult__": "2", "nothing_wd_mult": "3",
    }  # fmt: skip
    assert nodes["bn_gamma"].hidden == {"__lr_mult__": "5"}
    assert nodes["bn_moving_mean"].hidden["__ctx_group__"] == "dev"


def test_initial_values_of_files_before_0_9_4():
    for op, text in (("UpSampling", '["bilinear", {}]'), ("exp", None)):
        node = {"op": op, "name": "x", "inputs": [[0, 0, 0], [1, 0, 0]]}
        content = {
            "nodes": [variable("data"), variable("w"), node],
            "heads": [[2, 0, 0]],
            "attrs": {"mxnet_version": ["int", 903]},
        }
        assert parse(content).nodes[1].hidden.get("__init__") == text


def test_underscored_spelling_counts():
    content = small()
    content["nodes"][1]["attrs"] = {"lr_mult": "1", "__lr_mult__": "7", "wd_mult": "3"}
    assert parse(content).nodes[1].hidden == {"__lr_mult__": "7", "__wd_mult__": "3"}


# ---- subgraphs -------------------------------------------------------------------------
def with_subgraph(depth=1):
    graph = {
        "nodes": [variable("i")],
        "arg_nodes": [0],
        "node_row_ptr": [0, 1],
        "heads": [[0, 0, 0]],
    }
    for level in range(depth):
        loop = {
            "op": "_foreach",
            "name": f"loop{level}",
            "inputs": [[0, 0, 0]],
            "subgraphs": [graph],
        }
        graph = {
            "nodes": [variable("i"), loop],
            "arg_nodes": [0],
            "node_row_ptr": [0, 1, 3],
            "heads": [[1, 1, 0]],
        }
    graph["attrs"] = {"mxnet_version": ["int", 10901]}
    return graph


def test_subgraphs():
    records = parse(with_subgraph(2))
    inner = records.nodes[1].subgraphs[0].nodes[1].subgraphs[0]
    assert [n.name for n in inner.nodes] == ["i"]
    assert parse_symbol(write_symbol(records)) == records


def test_errors_in_subgraphs_say_where():
    content = with_subgraph()
    content["nodes"][1]["subgraphs"][0]["nodes"][0]["op"] = 3
    with pytest.raises(FormatError, match=r"node 1 \(loop0\), subgraph 0, node 0 \(i\)"):
        parse(content)
    with pytest.raises(FormatError, match="nested"):
        parse(with_subgraph(40))


# ---- damage ----------------------------------------------------------------------------
def change(path, value):
    """Return the small symbol with one place changed (or taken out, for ...)."""
    content = small()
    place = content
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


FC = ("nodes", 2)
DAMAGE = [
    (("nodes",), ..., "'nodes' is missing"),
    (("heads",), ..., "'heads' is missing"),
    (("heads",), [], "heads is empty"),
    (("heads",), [[3, 0, 0]], "not in 0 ... 2"),
    (("heads",), [[-1, 0, 0]], "not in 0 ... 2"),
    (("heads",), [[2, 1, 0]], "reads output 1"),
    (("heads",), [2, 0, 0], "expected \\[node"),
    (("nodes",), {}, "expected an array"),
    (("nodes", 0), [], "expected an object"),
    (("extra",), 1, "unknown key 'extra'"),
    ((*FC, "extra"), 1, "unknown key 'extra'"),
    ((*FC, "op"), ..., "'op' is missing"),
    ((*FC, "op"), "", "empty"),
    ((*FC, "op"), 1, "expected a string"),
    ((*FC, "op"), None, "expected a string"),
    ((*FC, "name"), "a\0b", "NUL"),
    ((*FC, "inputs"), ..., "'inputs' is missing"),
    ((*FC, "inputs"), [[2, 0, 0]], "not an earlier one"),
    ((*FC, "inputs"), [[3, 0, 0]], "not an earlier one"),
    ((*FC, "inputs"), [[10**30, 0, 0]], "not an earlier one"),
    ((*FC, "inputs"), [[-1, 0, 0]], "not in 0"),
    ((*FC, "inputs"), [[0, 1, 0]], "reads output 1 of node 0"),
    ((*FC, "inputs"), [[0, -1, 0]], "output: -1"),
    ((*FC, "inputs"), [[0, 2**31, 0]], "output"),
    ((*FC, "inputs"), [[0, 0, -1]], "version"),
    ((*FC, "inputs"), [[0]], "expected \\[node"),
    ((*FC, "inputs"), [[0, 0, 0, 0]], "expected \\[node"),
    ((*FC, "inputs"), [[0.0, 0, 0]], "expected an integer"),
    ((*FC, "inputs"), [[True, 0, 0]], "a truth value"),
    ((*FC, "inputs"), [["0", 0, 0]], "a string"),
    ((*FC, "attrs"), [], "expected an object"),
    ((*FC, "attrs"), {"a": 1}, "attribute 'a'"),
    ((*FC, "attrs"), {"a": None}, "attribute 'a'"),
    ((*FC, "attrs"), {"a": float("nan")}, "NaN is no JSON"),
    ((*FC, "attrs"), {"a": float("-inf")}, "-Infinity is no JSON"),
    ((*FC, "attrs"), {"a": "\ud800"}, "lone surrogate"),
    ((*FC, "name"), "\udfff", "lone surrogate"),
    ((*FC, "control_deps"), [2], "control_deps"),
    ((*FC, "subgraphs"), {}, "expected an array"),
    ((*FC, "subgraphs"), [1], "expected an object"),
    ((*FC, "backward_source_id"), "x", "backward_source_id"),
    (("nodes", 0, "inputs"), [[0, 0, 0]], "not an earlier one"),
    (("nodes", 1, "inputs"), [[0, 0, 0]], "a variable with 1 inputs"),
    (("nodes", 1, "name"), "data", "another variable"),
    (("nodes", 1, "name"), "", "empty"),
    (("arg_nodes",), [0], "1 entries for 2 variables"),
    (("arg_nodes",), [0, 0], "2 entries for 2"),
    (("arg_nodes",), [0, 2], "an operator"),
    (("arg_nodes",), [0, 9], "not in 0"),
    (("arg_nodes",), 3, "expected an array"),
    (("node_row_ptr",), [0, 1, 2], "4 rising numbers"),
    (("node_row_ptr",), [0, 2, 1, 3], "4 rising numbers"),
    (("node_row_ptr",), [1, 2, 3, 4], "4 rising numbers"),
    (("node_row_ptr",), [0, 1, 2, 2], "which has 0"),
    (("attrs",), [], "attrs: expected an object"),
    (("attrs", "mxnet_version"), ["int", "x"], "mxnet_version"),
    (("attrs", "mxnet_version"), ["int", -1], "mxnet_version"),
    (("attrs", "mxnet_version"), 10901, "expected \\[type, value\\]"),
    (("attrs", "is_np_shape"), ["int", None], "is_np_shape"),
]


@pytest.mark.parametrize(("path", "value", "message"), DAMAGE)
def test_damage_is_named(path, value, message):
    with pytest.raises(FormatError, match=message):
        parse(change(path, value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ('{"nodes": [}', "not valid JSON"),
        ('{"nodes": [], "nodes": []}', "'nodes' stands twice"),
        ('{"nodes": [{"op": "null", "op": "x"}]}', "'op' stands twice"),
        ('{"nodes": ' + "1" * 5000 + "}", "cannot be read"),
        ('{"nodes": 1e999, "heads": []}', "expected an array"),
        ("{} {}", "not valid JSON"),
        (b"[]", "expected a JSON object"),
        (b"", "not valid JSON"),
        (b"{\xff}", "not UTF-8"),
        (b'\xef\xbb\xbf{"nodes": []}', "not valid JSON"),
        ("{\ud800", "lone surrogate"),
        ('{"attrs": {"x": ["float", 1e999]}, "nodes": [], "heads": []}', "not finite"),
    ],
)
def test_broken_text(text, message):
    with pytest.raises(FormatError, match=message):
        parse_symbol(text)


def test_message_has_path_offset_and_node(tmp_path):
    path = tmp_path / "x-symbol.json"
    path.write_text('{"nodes": [ä]}', encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        parse_symbol(path)
    assert (caught.value.path, caught.value.offset) == (str(path), 11)
    path.write_text(json.dumps(change((*FC, "inputs"), [[5, 0, 0]])))
    with pytest.raises(FormatError, match=r"node 2 \(fc\)") as caught:
        parse_symbol(path)
    assert str(path) in str(caught.value)


# ---- limits ----------------------------------------------------------------------------
@pytest.mark.parametrize("recursion", [1000, 10**6])
@pytest.mark.parametrize(
    "text",
    [
        '{"nodes": ' + "[" * 200_000,
        '{"nodes": ' + "[" * 200_000 + "]" * 200_000 + "}",
        '{"a":' * 200_000,
        '{"attrs": {"x": ["t", ' + "[" * 101 + "]" * 101 + "]}}",
    ],
    ids=["open", "closed", "objects", "just too deep"],
)
def test_deep_nesting_is_refused(text, recursion):
    old = sys.getrecursionlimit()
    sys.setrecursionlimit(recursion)
    try:
        with pytest.raises(FormatError, match="nested"):
            parse_symbol(text)
    finally:
        sys.setrecursionlimit(old)


def test_brackets_in_strings_are_no_nesting():
    content = small()
    content["nodes"][2]["attrs"]["x"] = '[{"' * 500 + "\\"
    assert parse(content).nodes[2].attrs["x"] == '[{"' * 500 + "\\"


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 1000])
def test_nesting_is_seen_across_chunks(monkeypatch, chunk):
    monkeypatch.setattr(symbol_text, "_CHUNK", chunk)
    text = r'{"a[\"[{": [["\\", "\\\"]:"], {"]": 1}]}'
    assert symbol_text._structure(text.encode()) == (3, 2, 2, 2)


def test_a_chain_of_5000_operators():
    nodes = [variable("x")]
    nodes += [{"op": "exp", "name": f"e{i}", "inputs": [[i, 0, 0]]} for i in range(5000)]
    records = parse({"nodes": nodes, "arg_nodes": [0], "heads": [[5000, 0, 0]]})
    assert parse_symbol(write_symbol(records)).nodes == records.nodes


def test_number_of_nodes_and_bytes(monkeypatch, tmp_path):
    monkeypatch.setattr(symbol_records, "MAX_NODES", 2)
    with pytest.raises(FormatError, match="3 nodes; at most 2"):
        parse(small())
    monkeypatch.setattr(symbol_records, "MAX_BYTES", 100)
    with pytest.raises(FormatError, match="at most 100"):
        parse(small())
    path = tmp_path / "x.json"
    path.write_text(json.dumps(small()))
    with pytest.raises(FormatError, match="at most 100") as caught:
        parse_symbol(path)
    assert caught.value.path == str(path)


def repeated(item, count, before="", after=""):
    return '{"nodes":[' + before + ",".join([item] * count) + after


HEAVY = {
    "inputs": repeated(
        "[0,0]", 50_000, '{"op":"null","name":"d","inputs":[]},{"op":"x","name":"x","inputs":[',
        ']}],"heads":[[1,0]]}',
    ),
    "operators": repeated(
        '{"op":"x","name":"","inputs":[]}', 10_000, after='],"heads":[[1,0]]}'
    ),
    "old batch norms": repeated(
        '{"op":"BatchNorm","name":"","inputs":[[0,0]]}', 5_000,
        '{"op":"null","name":"d","inputs":[]},', '],"heads":[[1,0]]}',
    ),
    "attributes": '{"nodes":[{"op":"null","name":"d","inputs":[],"attrs":{'
    + ",".join(f'"{i:x}":""' for i in range(30_000))
    + '}}],"heads":[[0,0]]}',
    "empty objects": repeated("{}", 100_000, after="]}"),
    "empty arrays": repeated("[]", 100_000, after="]}"),
    "empty strings": repeated('""', 100_000, after="]}"),
    "escapes": '{"' + "\\\\" * 200_000,
    "quotes": '{"' + '\\"' * 200_000,
}  # fmt: skip


@pytest.mark.parametrize("case", HEAVY)
def test_memory_is_bounded(case):
    data = HEAVY[case].encode()
    tracemalloc.start()
    try:
        with contextlib.suppress(FormatError):
            parse_symbol(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 35 * len(data) + (1 << 20)


# ---- fuzz ------------------------------------------------------------------------------
def accepted_or_refused(data):
    try:
        records = parse_symbol(data)
    except FormatError:
        return
    text = write_symbol(records)
    assert write_symbol(parse_symbol(text)) == text


@pytest.mark.parametrize("make", [small, old_batch_norm, with_subgraph])
def test_truncation_at_every_byte(make):
    data = json.dumps(make(), separators=(",", ":")).encode()
    for end in range(len(data)):
        with pytest.raises(FormatError):
            parse_symbol(data[:end])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([small, old_batch_norm, with_subgraph]), st.data())
def test_changed_bytes(make, draw):
    data = bytearray(json.dumps(make(), separators=(",", ":")).encode())
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data) - 1))
        data[at : at + draw.draw(st.integers(0, 3))] = draw.draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from([b"9", b"-1", b"[", b"]", b"{", b"null", b'"', b"\\", b"1e9"]),
            )
        )
    accepted_or_refused(bytes(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([small, old_batch_norm, with_subgraph]), JSON, st.data())
def test_changed_values(make, value, draw):
    content = copy.deepcopy(make())
    place, key = {"": content}, ""
    while isinstance(place[key], dict | list) and draw.draw(st.integers(0, 5)):
        place = place[key]
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = draw.draw(st.sampled_from(keys))
    place[key] = value
    accepted_or_refused(json.dumps(content).encode())


# ---- writing ---------------------------------------------------------------------------
def test_records_made_by_hand():
    records = SymbolRecords(
        nodes=(
            NodeRecord("null", 'größe "x"\n', hidden={"__shape__": "(2,)"}),
            NodeRecord("split_v2", "s", {"axis": "0"}, inputs=((0, 0, 0),)),
            NodeRecord("exp", "e", {}, inputs=((1, 1, 0),), control_deps=(0,)),
        ),
        arg_nodes=(0,),
        heads=((2, 0, 0), (1, 2, 0)),
        is_np_shape=True,
    )
    content = json.loads(write_symbol(records))
    assert content["node_row_ptr"] == [0, 1, 4, 5]
    assert content["attrs"] == {"is_np_shape": ["int", 1], "mxnet_version": ["int", 20000]}
    again = parse_symbol(write_symbol(records))
    assert (again.nodes, again.heads) == (records.nodes, records.heads)
    assert write_symbol(again) == write_symbol(records)


def test_order_of_attributes_does_not_matter():
    one, two = small(), small()
    two["nodes"][2]["attrs"] = dict(reversed(two["nodes"][2]["attrs"].items()))
    assert write_symbol(parse(one)) == write_symbol(parse(two))
