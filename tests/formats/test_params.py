"""Parameter files: what MXNet wrote, every dtype and shape there and back, and damage refused."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import subprocess
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from symgluon import dtypes
from symgluon.errors import AttributeValueError, DTypeError, FormatError
from symgluon.formats import loading, params_list, zip_file
from symgluon.formats.params import load_params, params_bytes, save_params

DATA = Path(__file__).parent.parent / "data"
ORACLE = os.environ.get("SYMGLUON_ORACLE")
MODELS = sorted((DATA / "models").glob("*/*"))
if ORACLE:
    MODELS += sorted(Path(ORACLE).glob("models/*/*"))
FORMATS = ("zip", "list")
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
NUMBERS = ["float16", "float32", "float64", *INTEGERS, "bool"]


def content(data, format):
    chunks = params_bytes(data, format)
    return bytes(chunks) if isinstance(chunks, bytes | bytearray) else b"".join(map(bytes, chunks))


def same(got, expected):
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert np.ascontiguousarray(got).tobytes() == np.ascontiguousarray(expected).tobytes()


# ---- files of MXNet --------------------------------------------------------------------
def ids(path):
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("folder", MODELS, ids=ids)
def test_recorded_model_is_written_back_byte_by_byte(folder):
    format = "zip" if "mxnet-2" in folder.parent.name else "list"
    for path in folder.glob("*.params"):
        assert content(load_params(path), format) == path.read_bytes()


@pytest.mark.parametrize("folder", MODELS, ids=ids)
def test_recorded_model(folder):
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    for path in folder.glob("*.params"):
        key = "gluon_param_names" if path.name.endswith(".gluon.params") else "export_param_names"
        arrays = load_params(path)
        found = {n: [list(a.shape), dtypes.name(a.dtype)] for n, a in arrays.items()}
        assert found == meta[key]


GRID = np.arange(6).reshape(2, 3)
SPARSE = np.array([[0, 0, 0], [1, 0, 2], [0, 0, 0], [0, 3, 0]], np.float32)
ZEROS = np.zeros((4, 3), np.float32)
OLD_TYPES = ("float16", "float32", "float64", "int8", "int32", "int64", "uint8")
TYPES = {t: GRID.astype(t) for t in OLD_TYPES}
TYPES["größe:ü"] = np.array([[1], [2]], np.float32)
TYPES["bool"] = np.array([True, False, True])
GLUON = {
    "0.weight": np.full((3, 2), 0.5, np.float32),
    "0.bias": np.zeros(3, np.float32),
    "1.gamma": np.ones(3, np.float32),
    "1.beta": np.zeros(3, np.float32),
    "1.running_mean": np.zeros(3, np.float32),
    "1.running_var": np.ones(3, np.float32),
}
SCALAR = np.array(2.5, np.float32)
EMPTY = np.zeros((0, 3), np.float32)
WRITTEN = {
    "v2-dict": TYPES,
    "v2-list": [np.array([1, 2, 3], np.float32), np.ones((2, 1, 2), np.float32)],
    "v2-gluon": GLUON,
    "v2-sparse": {
        "rows": SPARSE, "csr": SPARSE, "dense": SPARSE, "no_row_sparse": ZEROS, "no_csr": ZEROS,
    },
    "v2-by-mxnet-2": {
        "dense": SPARSE, "one": np.array([7.5], np.float32), "rows": SPARSE, "csr": SPARSE,
    },
    "v3-np-shape": {
        "scalar": SCALAR, "empty": EMPTY, "bool": np.array([True, False]),
        "matrix": np.array([[1, 2], [3, 4]], np.float32),
    },
    "npy-array": [np.array([[1, 2, 3]], np.float32)],
    "zip-gluon": GLUON,
    "zip-savez": {**TYPES, "scalar": SCALAR, "empty": EMPTY},
    "zip-unnamed": {"arr_0": np.array([1, 2], np.float32), "arr_1": np.array(3, np.float32)},
    "zip-sparse": {"rows": SPARSE, "csr": SPARSE},
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_files_of_each_version(name):
    expected = WRITTEN[name]
    for source in (DATA / f"params/{name}.params", (DATA / f"params/{name}.params").read_bytes()):
        loaded = load_params(source)
        if isinstance(expected, dict):
            assert set(loaded) == set(expected)
            pairs = [(loaded[k], expected[k]) for k in expected]
        else:
            assert isinstance(loaded, list)
            pairs = list(zip(loaded, expected, strict=True))
        for got, wanted in pairs:
            same(got, wanted)


def test_every_file_has_its_expectation():
    assert {p.stem for p in (DATA / "params").glob("*.params")} == set(WRITTEN)


# ---- the old forms, made from the facts of the format ----------------------------------
def header(count):
    return struct.pack("<QQQ", 0x112, 0, count)


def names(*texts):
    raw = [t.encode() for t in texts]
    return struct.pack("<Q", len(raw)) + b"".join(struct.pack("<Q", len(r)) + r for r in raw)


CPU = struct.pack("<ii", 1, 0)
V0 = struct.pack("<III", 2, 2, 3) + CPU + struct.pack("<i6f", 0, *range(6))
V1 = struct.pack("<IIqqq", params_list.V1, 3, 1, 2, 1) + CPU + struct.pack("<iii", 4, 7, -8)
V2 = struct.pack("<IiIqq", params_list.V2, 0, 2, 1, 2) + CPU + struct.pack("<iff", 0, 1, 2)
V3 = struct.pack("<Iii", params_list.V3, 0, 0) + CPU + struct.pack("<id", 1, 2.5)


def test_arrays_of_all_versions_in_one_file():
    loaded = load_params(header(4) + V0 + V1 + V2 + V3 + names("a", "b", "c", "d"))
    same(loaded["a"], GRID.astype(np.float32))
    same(loaded["b"], np.array([[[7], [-8]]], np.int32))
    same(loaded["c"], np.array([[1, 2]], np.float32))
    same(loaded["d"], np.array(2.5))


def test_a_device_other_than_the_cpu_is_ignored():
    gpu = V2[:28] + struct.pack("<ii", 2, 3) + V2[36:]
    same(load_params(header(1) + gpu + names())[0], np.array([[1, 2]], np.float32))


@pytest.mark.parametrize(
    "array",
    [struct.pack("<I", 0), struct.pack("<II", params_list.V1, 0),
     struct.pack("<IiI", params_list.V2, 0, 0), struct.pack("<Iii", params_list.V3, 0, -1),
     struct.pack("<Iiiqq", params_list.V3, 0, 2, -1, 3)],
    ids=["V0", "V1", "V2", "V3", "V3 dimension"],
)  # fmt: skip
def test_arrays_that_were_never_allocated(array):
    loaded = load_params(header(2) + array + V2 + names("none", "w"))
    assert loaded["none"].size == 0
    same(loaded["w"], np.array([[1, 2]], np.float32))


# ---- there and back --------------------------------------------------------------------
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (2, 3), (1,) * 32], ids=str)
@pytest.mark.parametrize("dtype", [*NUMBERS, "bfloat16"])
def test_round_trip(dtype, shape, format):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    count = int(np.prod(shape))
    array = (np.arange(count) % 2 if dtype == "bool" else np.arange(count)).reshape(shape)
    array = array.astype(dtypes.resolve(dtype))
    same(load_params(content({"x": array}, format))["x"], array)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(GRID.astype(np.float32)),
        GRID.astype(">f4"),
        np.asfortranarray(GRID.astype(">i8")),
        GRID.astype(np.float64)[:, ::-1],
        np.broadcast_to(np.float32(3), (2, 5)),
        np.array([np.nan, np.inf, -0.0, 1e-45], np.float32),
    ],
    ids=["fortran", "big endian", "both", "reversed", "broadcast", "special"],
)
def test_layouts(array, format):
    native = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    same(load_params(content({"x": array}, format))["x"], native)


@pytest.mark.parametrize("array", [np.asfortranarray(GRID), GRID.astype(">f8"), SCALAR], ids=str)
@pytest.mark.parametrize("compressed", [False, True])
def test_npz_of_numpy(array, compressed):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, x=array)
    expected = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).reshape(
        array.shape
    )
    same(load_params(file.getvalue())["x"], expected)


def test_numpy_reads_what_we_write():
    with np.load(io.BytesIO(content({"a.weight": GRID, "ä": SCALAR}, "zip"))) as loaded:
        same(loaded["a.weight"], GRID)
        same(loaded["ä"], SCALAR)


@pytest.mark.parametrize("format", FORMATS)
def test_names(format):
    texts = ["", "arg:w", "größe", "权重", "\U0001f600", "a b", "0.weight", "x.npy", "a" * 1000]
    data = {t: np.full(1, i, np.float32) for i, t in enumerate(texts)}
    loaded = load_params(content(data, format))
    assert {k: float(v[0]) for k, v in loaded.items()} == {k: float(v[0]) for k, v in data.items()}
    assert list(loaded) == texts


@pytest.mark.parametrize("format", FORMATS)
def test_nothing(format):
    loaded = load_params(content({}, format))
    assert len(loaded) == 0


def test_lists():
    arrays = [SCALAR, GRID, EMPTY]
    for got, expected in zip(load_params(content(arrays, "list")), arrays, strict=True):
        same(got, expected)
    loaded = load_params(content(arrays, "zip"))
    assert list(loaded) == ["arr_0", "arr_1", "arr_2"]


@pytest.mark.parametrize("format", FORMATS)
def test_same_bytes_each_time(format, tmp_path):
    data = {"b": GRID, "a": SCALAR}
    assert content(data, format) == content(data, format)
    save_params(tmp_path / "x.params", data, format)
    assert (tmp_path / "x.params").read_bytes() == content(data, format)
    assert os.listdir(tmp_path) == ["x.params"]


def test_dtypes_that_mxnet_lacks(tmp_path):
    for array in (np.zeros(2, complex), np.array(["x"]), np.array([None])):
        for format in FORMATS:
            with pytest.raises((TypeError, ValueError)):
                save_params(tmp_path / "x.params", {"x": array}, format)
    assert not os.listdir(tmp_path)
    with pytest.raises(ValueError, match="format"):
        save_params(tmp_path / "x.params", {}, "pickle")


@pytest.mark.parametrize(
    ("name", "formats"),
    [("a\0b", FORMATS), ("\ud800", FORMATS), ("../x", ["zip"]), ("/x", ["zip"]),
     ("a\\..\\x", ["zip"]), ("x" * 70_000, ["zip"])],
    ids=ascii,
)  # fmt: skip
def test_names_that_cannot_be_written(name, formats, tmp_path):
    for format in formats:
        with pytest.raises(AttributeValueError, match="named"):
            save_params(tmp_path / "x.params", {name: GRID}, format)
    assert not os.listdir(tmp_path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(IsADirectoryError):
        load_params(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_params(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(FormatError, match="pipe or device"):
            load_params(path)


def test_arrays_of_a_bytearray_are_read_only():
    for format in FORMATS:
        array = load_params(bytearray(content({"x": np.zeros(100)}, format)))["x"]
        assert not array.flags.writeable


ARRAYS = hnp.arrays(
    st.sampled_from(NUMBERS).map(np.dtype),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
    elements={"allow_subnormal": False},
)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/\\"), max_size=8)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES.filter(lambda n: n not in ("..",)), ARRAYS, max_size=4))
def test_round_trip_of_anything(data):
    for format in FORMATS:
        loaded = load_params(content(data, format))
        assert len(loaded) == len(data)
        for name, array in data.items():
            same(loaded[name], array)


# ---- damage ----------------------------------------------------------------------------
def list_file(array, tail=None):
    return header(1) + array + (names("x") if tail is None else tail)


def v2(shape, code=0, data=b"", storage=0, extra=b""):
    return (
        struct.pack(f"<IiI{len(shape)}q", params_list.V2, storage, len(shape), *shape)
        + CPU
        + struct.pack("<i", code)
        + extra
        + data
    )


def rows(shape, stored, indices, kind=6, size=None):
    """Return a row-sparse array of float32 with chosen indices."""
    number = {6: "q", 4: "i", 0: "f"}[kind]
    count = len(indices) if size is None else size
    return (
        struct.pack(f"<IiI{len(stored)}q", params_list.V2, 1, len(stored), *stored)
        + struct.pack(f"<I{len(shape)}q", len(shape), *shape)
        + CPU
        + struct.pack("<iiIq", 0, kind, 1, count)
        + bytes(4 * int(np.prod(stored)))
        + struct.pack(f"<{len(indices)}{number}", *indices)
    )


def csr(shape, starts, columns, values=None):
    count = len(columns) if values is None else values
    return (
        struct.pack("<IiIq", params_list.V2, 2, 1, count)
        + struct.pack(f"<I{len(shape)}q", len(shape), *shape)
        + CPU
        + struct.pack("<iiIqiIq", 0, 6, 1, len(starts), 6, 1, len(columns))
        + bytes(4 * count)
        + struct.pack(f"<{len(starts) + len(columns)}q", *starts, *columns)
    )


BROKEN_LISTS = {
    "empty file": (b"", "empty"),
    "no parameter file": (b"hello world", "not an MXNet parameter file"),
    "header only": (header(0)[:20], "needs 8 bytes"),
    "count": (header(2**60) + V2, "declares"),
    "count beside": (header(2) + V2 + names("x"), "array 1 of 2"),
    "magic": (list_file(struct.pack("<I", 0xF993FAC0) + bytes(40)), "unknown magic"),
    "rank": (list_file(struct.pack("<IiI", params_list.V2, 0, 33) + bytes(400)), "rank 33"),
    "negative rank": (list_file(struct.pack("<Iii", params_list.V3, 0, -2)), "rank -2"),
    "negative dimension": (list_file(v2((-1, 2), data=bytes(8))), r"\(-1, 2\)"),
    "too few bytes": (list_file(v2((4,), data=bytes(12)), b""), "needs 16 bytes"),
    "more than 2**31 elements": (list_file(v2((2**16, 2**16), data=bytes(64))), "needs 17179869"),
    "more than 2**64 bytes": (list_file(v2((2**62, 2**62), data=bytes(64))), "needs"),
    "huge beside zero": (list_file(v2((2**62, 2**62, 0))), "has shape"),
    "dtype": (list_file(v2((1,), code=99, data=bytes(4))), "dtype code 99"),
    "negative dtype": (list_file(v2((1,), code=-1, data=bytes(4))), "dtype code -1"),
    "storage": (list_file(v2((1,), storage=7, data=bytes(4))), "unknown storage type 7"),
    "trailing bytes": (list_file(V2) + b"x", "1 bytes follow"),
    "names missing": (header(1) + V2, "needs 8 bytes"),
    "too few names": (header(2) + V2 + V2 + names("x"), "1 names for 2 arrays"),
    "same names": (header(2) + V2 + V2 + names("x", "x"), "occur twice: 'x'"),
    "name too long": (header(1) + V2 + struct.pack("<QQ", 1, 2**40) + b"x", "name 0"),
    "name not UTF-8": (header(1) + V2 + struct.pack("<QQ", 1, 1) + b"\xff", "not UTF-8"),
    "row too large": (list_file(rows((3, 2), (2, 2), [0, 3])), "row indices"),
    "row negative": (list_file(rows((3, 2), (2, 2), [-1, 0])), "row indices"),
    "rows not rising": (list_file(rows((3, 2), (2, 2), [1, 0])), "row indices"),
    "rows twice": (list_file(rows((3, 2), (2, 2), [1, 1])), "row indices"),
    "fewer rows": (list_file(rows((3, 2), (2, 2), [0])), "row indices"),
    "rows of other width": (list_file(rows((3, 2), (2, 1), [0, 1])), "row indices"),
    "rows as floats": (list_file(rows((3, 2), (2, 2), [0, 1], kind=0)), "not integers"),
    "sparse too large": (list_file(rows((2**40, 2), (1, 2), [0])), "unpacks to"),
    "sparse beyond 2**64": (list_file(rows((2**62, 2**62), (0, 2**62), [])), "has shape|unpacks"),
    "reserved word": (struct.pack("<QQQ", 0x112, 1, 1) + V2 + names("x"), "reserved word is 1"),
    "device type": (list_file(V2[:28] + struct.pack("<ii", 0, 0) + V2[36:]), "of type 0"),
    "device number": (list_file(V2[:28] + struct.pack("<ii", 2, -1) + V2[36:]), "number -1"),
    "truth value": (list_file(v2((2,), code=7, data=b"\1\2")), "neither 0 nor 1"),
    "unknown and negative": (list_file(struct.pack("<Iiiqq", params_list.V3, 0, 2, -1, -2)), "-2"),
    "name with NUL": (list_file(V2, names("a\0b")), "holds a NUL"),
    "column too large": (list_file(csr((2, 2), [0, 1, 2], [0, 2])), "compressed rows"),
    "column negative": (list_file(csr((2, 2), [0, 1, 2], [0, -1])), "compressed rows"),
    "columns twice": (list_file(csr((2, 2), [0, 2, 2], [1, 1])), "rising order"),
    "starts fall": (list_file(csr((2, 2), [0, 2, 1], [0, 1])), "compressed rows"),
    "starts not from 0": (list_file(csr((2, 2), [1, 1, 2], [0, 1])), "compressed rows"),
    "starts too few": (list_file(csr((2, 2), [0, 2], [0, 1])), "compressed rows"),
    "starts end early": (list_file(csr((2, 2), [0, 1, 1], [0, 1])), "compressed rows"),
    "values and columns": (list_file(csr((2, 2), [0, 1, 2], [0, 1], values=3)), "compressed rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_LISTS)
def test_broken_list(case, tmp_path):
    data, message = BROKEN_LISTS[case]
    path = tmp_path / "x.params"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message) as caught:
        load_params(path)
    assert caught.value.path == str(path)


def npy(text, data=b"", version=1):
    raw = text.encode("latin1")
    length = struct.pack("<H" if version == 1 else "<I", len(raw))
    return b"\x93NUMPY" + bytes([version, 0]) + length + raw + data


def npy_fields(shape="(2,)", descr="'<f4'", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"


BROKEN_NPY = {
    "magic": (b"hello", "no .npy array"),
    "truncated header": (npy(npy_fields())[:30], "does not fit"),
    "huge header": (b"\x93NUMPY\x02\x00" + b"\xff" * 20, "does not fit"),
    "no dict": (npy("[1]"), "cannot be read"),
    "no shape": (npy("{'descr': '<f4', 'fortran_order': False}"), "cannot be read"),
    "code": (npy(npy_fields("__import__('os')")), "cannot be read"),
    "deep": (npy("(" * 5000), "cannot be read"),
    "truth values": (npy(npy_fields(descr="'|b1'"), b"\1\2"), "neither 0 nor 1"),
    "huge beside zero": (npy(npy_fields(f"(0, {2**62}, {2**62})")), "declares shape"),
    "deep minus": (npy("-" * 50000 + "1", version=2), "cannot be read"),
    "objects": (npy(npy_fields(descr="'|O'"), bytes(16)), "are not read"),
    "text": (npy(npy_fields(descr="'<U4'"), bytes(32)), "are not read"),
    "record": (npy(npy_fields(descr="[('a', '<f4')]"), bytes(8)), "are not read"),
    "fields": (npy(npy_fields(descr="'f4,f4'"), bytes(16)), "are not read"),
    "subarray": (npy(npy_fields(descr="'(2,)f4'"), bytes(16)), "are not read"),
    "complex": (npy(npy_fields(descr="'<c8'"), bytes(16)), "are not read"),
    "long double": (npy(npy_fields(descr="'<f16'"), bytes(32)), "are not read"),
    "dates": (npy(npy_fields(descr="'<M8[s]'"), bytes(16)), "are not read"),
    "no dtype": (npy(npy_fields(descr="7"), bytes(16)), "are not read"),
    "list as shape": (npy(npy_fields("[2]"), bytes(8)), "declares shape"),
    "negative": (npy(npy_fields("(-2,)"), bytes(8)), "declares shape"),
    "truth value": (npy(npy_fields("(True,)"), bytes(4)), "declares shape"),
    "rank": (npy(npy_fields(str((1,) * 33)), bytes(4)), "declares shape"),
    "order": (npy(npy_fields(order="3"), bytes(8)), "declares shape"),
    "too few bytes": (npy(npy_fields(), bytes(7)), "needs 8 bytes, 7 are there"),
    "too many bytes": (npy(npy_fields(), bytes(9)), "needs 8 bytes, 9 are there"),
    "huge": (npy(npy_fields(f"({2**40}, {2**40})"), bytes(9)), "needs"),
}  # fmt: skip


@pytest.mark.parametrize("compress", [None, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("case", BROKEN_NPY)
def test_broken_npy(case, compress):
    data, message = BROKEN_NPY[case]
    if compress is None:
        if not data.startswith(b"\x93NUMPY"):
            pytest.skip("no npy file: told by its content")
    else:
        data = zip_of({"x.npy": data}, compress)
        if compress == zipfile.ZIP_DEFLATED and message.startswith("needs"):
            message = "its header asks for"
    with pytest.raises(FormatError, match=message):
        load_params(data)


def zip_of(members, compress=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compress) as archive:
        for name, data in members if isinstance(members, list) else members.items():
            archive.writestr(name, data)
    return file.getvalue()


GOOD = npy(npy_fields(), bytes(8))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "members",
    [[("a.npy", GOOD), ("a.npy", GOOD)], [("a.npy", GOOD), ("a", GOOD)], [("../a.npy", GOOD)],
     [("/a.npy", GOOD)], [("a/../../b.npy", GOOD)], [("a\\..\\b.npy", GOOD)]],
    ids=str,
)  # fmt: skip
def test_names_in_a_zip(members):
    with pytest.raises(FormatError, match="named"):
        load_params(zip_of(members))


def test_other_methods_are_refused():
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(FormatError, match="only deflate"):
            load_params(zip_of({"x.npy": GOOD}, method))


def test_encrypted_member():
    data = bytearray(zip_of({"x.npy": GOOD}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(FormatError, match="encrypted"):
        load_params(bytes(data))


@pytest.mark.parametrize("compress", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_checksum(compress):
    array = np.arange(100, dtype=np.float32)
    data = bytearray(zip_of({"x.npy": npy(npy_fields("(100,)"), array.tobytes())}, compress))
    at = data.index(b"PK\x01\x02") - 20
    data[at] ^= 1
    with pytest.raises(FormatError):
        load_params(bytes(data))


def sparse_zip(**parts):
    """Return a zip with the members of a sparse array `w`; `format` may be raw bytes."""
    members = {}
    for part, value in parts.items():
        raw = value if isinstance(value, bytes) else npy_bytes(value)
        members[f"w/{part}.npy"] = raw
    return zip_of(members)


def npy_bytes(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _rows(shape, indices):
    return {
        "data": np.ones((1, 3)), "shape": np.array(shape), "indices": np.array(indices),
        "format": np.array(b"row_sparse"),
    }  # fmt: skip


def _csr(**changes):
    parts = {
        "data": np.array([1.0, 2.0]), "shape": np.array([2, 3]), "indices": np.array([0, 2]),
        "indptr": np.array([0, 1, 2]), "format": np.array(b"csr"),
    }  # fmt: skip
    return {k: v for k, v in {**parts, **changes}.items() if v is not None}


@pytest.mark.parametrize("format", [np.array(b"csr"), np.array("csr"), npy("junk", b"csr")])
def test_sparse_zip(format):
    data = sparse_zip(**_csr(format=format))
    same(load_params(data)["w"], np.array([[1.0, 0, 0], [0, 0, 2.0]]))
    other = zip_of({f"{k}.npy": npy_bytes(v) for k, v in _csr().items()})  # as SciPy writes it
    same(load_params(other)[""], np.array([[1.0, 0, 0], [0, 0, 2.0]]))


def test_compressed_rows_without_any():
    nothing = np.zeros(0, np.int64)
    data = sparse_zip(**_csr(data=np.zeros(0), indices=nothing, indptr=nothing))
    same(load_params(data)["w"], np.zeros((2, 3)))


def test_bfloat16_without_its_package(monkeypatch):
    def missing():
        raise DTypeError("bfloat16 needs the package ml_dtypes", hint="install it")

    monkeypatch.setattr(dtypes, "bfloat16", missing)
    for data in (npy(npy_fields(descr="'bfloat16'"), bytes(4)), list_file(v2((1,), code=12))):
        with pytest.raises(FormatError, match="ml_dtypes"):
            load_params(data)


def test_dense_arrays_with_the_names_of_sparse_parts():
    data = {"w/indices": GRID, "w/data": GRID, "v/shape": GRID}
    assert set(load_params(content(data, "zip"))) == set(data)


def test_a_sparse_and_a_dense_array_of_one_name():
    parts = {f"w/{k}.npy": npy_bytes(v) for k, v in _csr().items()}
    with pytest.raises(FormatError, match="named 'w'"):
        load_params(zip_of({"w.npy": GOOD, **parts}))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (_rows([4, 3], [5]), "row"),
        (_rows([4, 3], [0.5]), "integers"),
        (_rows([0.5, 3], [0]), "shape"),
        (_rows([-4, 3], [0]), "shape"),
        (_rows([2**40, 3], [0]), "unpacks to"),
        (_rows(3, [0]), "shape"),
        (_rows([4, 3], np.array([2**63], np.uint64)), "beyond"),
        (_rows([0, 2**62, 2**62], []), "integers|too large|unpacks"),
        ({**_rows([0, 2**62, 2**62], []), "indices": np.zeros(0, int)}, "too large"),
        (_csr(data=np.ones(())), "compressed"),
        (_csr(indptr=np.array([0, 1])), "compressed"),
        (_csr(format=np.array(b"csc")), "format is 'csc'"),
        (_csr(format=np.array(b"row_sparse")), "format is 'row_sparse'"),
        (_csr(indptr=None), "format is 'csr'"),
        (_csr(format=b""), "format is ''"),
        (_csr(format=b"x" * 100_000), "has 100000 bytes"),
    ],
)
def test_broken_sparse_zip(parts, message):
    with pytest.raises(FormatError, match=message):
        load_params(sparse_zip(**parts))


# ---- limits ----------------------------------------------------------------------------
def peak(data):
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            load_params(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LYING = {
    "list": list_file(v2((2**31,), data=bytes(64))),
    "list of many arrays": header(2**40) + bytes(1000),
    "name": header(1) + V2 + struct.pack("<QQ", 1, 2**40) + b"x",
    "npy": npy(npy_fields("(1000000000,)"), bytes(64)),
    "zip": zip_of({"x.npy": npy(npy_fields("(1000000000,)"), bytes(64))}),
    "sparse": list_file(rows((10**9, 1000), (1, 1000), [0])),
}


@pytest.mark.parametrize("case", LYING)
def test_a_lying_header_costs_no_memory(case):
    assert peak(LYING[case]) < 1 << 20


def test_zip_bomb():
    bomb = zip_of({"x.npy": npy(npy_fields("(30000000,)"), bytes(120_000_000))}, 8)
    assert len(bomb) < 200_000
    assert peak(bomb) < 1 << 20


def test_limits_can_be_set(monkeypatch):
    monkeypatch.setattr(loading, "UNPACKED_ALLOWED", 1000)
    data = zip_of({"x.npy": npy(npy_fields("(40000,)"), bytes(160_000))}, 8)
    with pytest.raises(FormatError, match="unpacks to"):
        load_params(data)
    assert load_params(data, max_ratio=10_000)["x"].size == 40_000


def test_many_small_sparse_arrays_are_one_bomb(monkeypatch):
    monkeypatch.setattr(loading, "UNPACKED_ALLOWED", 10**6)
    one = rows((100_000, 2), (1, 2), [0])
    load_params(list_file(one))
    with pytest.raises(FormatError, match="unpacks to"):
        load_params(header(2) + one + one + names("a", "b"), max_ratio=1)


def test_many_members(monkeypatch):
    monkeypatch.setattr(zip_file, "MAX_MEMBERS", 10)
    with pytest.raises(FormatError, match="declares 20 members"):
        load_params(zip_of({f"{i}.npy": GOOD for i in range(20)}))
    assert len(load_params(zip_of({f"{i}.npy": GOOD for i in range(5)}))) == 5


def test_many_empty_arrays(monkeypatch):
    monkeypatch.setattr(params_list, "_MAX_ARRAYS", 3)
    with pytest.raises(FormatError, match="at most 3"):
        load_params(header(4) + struct.pack("<I", 0) * 4 + names())


def test_compressed_file_is_unpacked_once():
    array = np.random.default_rng(0).integers(0, 4, 1_000_000).astype(np.float64)
    file = io.BytesIO()
    np.savez_compressed(file, x=array)
    data = file.getvalue()
    tracemalloc.start()
    try:
        loaded = load_params(data)["x"]
        assert tracemalloc.get_traced_memory()[1] < 1.6 * array.nbytes
    finally:
        tracemalloc.stop()
    same(loaded, array)


def test_arrays_share_the_buffer_of_the_file(tmp_path):
    path = tmp_path / "x.params"
    for format in FORMATS:
        save_params(path, {"a": np.zeros(1_000_000, np.float32)}, format)
        tracemalloc.start()
        try:
            array = load_params(path)["a"]
            assert tracemalloc.get_traced_memory()[1] < 2.1 * array.nbytes
        finally:
            tracemalloc.stop()
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


# ---- fuzz ------------------------------------------------------------------------------
SMALL = {f"{f} {k}": content(d, f) for f in FORMATS for k, d in {
    "dict": {"w": GRID.astype(np.float32), "ä": SCALAR, "e": EMPTY},
}.items()}  # fmt: skip
SMALL["old"] = header(2) + V0 + V1 + names("a", "b")
SMALL["rows"] = list_file(rows((3, 2), (2, 2), [0, 2]))
SMALL["csr"] = list_file(csr((2, 2), [0, 1, 2], [0, 1]))
SMALL["deflate"] = zip_of({"x.npy": npy(npy_fields("(40,)"), bytes(range(160)))}, 8)
SMALL["npy"] = npy(npy_fields("(40,)"), bytes(range(160)))
for _name in ("v2-sparse", "zip-sparse", "v3-np-shape"):
    SMALL[_name] = (DATA / f"params/{_name}.params").read_bytes()


@pytest.mark.parametrize("case", SMALL)
def test_truncation_at_every_byte(case):
    data = SMALL[case]
    load_params(data)
    for end in range(len(data)):
        with pytest.raises(FormatError):
            load_params(data[:end])


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(SMALL)), st.data())
def test_changed_bytes(case, draw):
    data = bytearray(SMALL[case])
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(data) - 1))
        new = draw.draw(
            st.one_of(
                st.binary(min_size=1, max_size=8),
                st.integers(0, 2**64 - 1).map(lambda n: struct.pack("<Q", n)),
                st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f\xff\xff\xff", b"\x01", b""]),
            )
        )
        width = len(new) if draw.draw(st.booleans()) else draw.draw(st.integers(0, 8))
        data[at : at + width] = new
        if not data:
            break
    with contextlib.suppress(FormatError):
        load_params(bytes(data))


# ---- real MXNet ------------------------------------------------------------------------
READ = """
import sys, mxnet as mx
(mx.npx.set_np if sys.argv[1] == "np" else mx.npx.reset_np)()
if sys.argv[3] == "zip" and mx.__version__.startswith("1."):
    sys.exit(5)
loaded = (mx.npx if sys.argv[1] == "np" else mx.nd).load(sys.argv[2])
for name in sorted(loaded):
    array = loaded[name].asnumpy()
    print(name, array.shape, array.dtype, array.reshape(-1).tolist())
"""


@pytest.mark.mxnet
@pytest.mark.parametrize(("format", "kind"), [("zip", "np"), ("list", "nd"), ("list", "np")])
def test_real_mxnet_reads_what_we_write(tmp_path, format, kind):
    python = os.environ.get("MXNET_PYTHON")
    if not python:
        pytest.skip("MXNET_PYTHON names no Python with MXNet")
    path = tmp_path / "x.params"
    data = {t: GRID.astype(t) for t in OLD_TYPES}
    if kind == "np":
        data |= {"scalar": SCALAR, "empty": EMPTY}
    save_params(path, data, format)
    done = subprocess.run(
        [python, "-c", READ, kind, str(path), format], capture_output=True, text=True
    )
    if done.returncode == 5:
        pytest.skip("MXNet 1.x reads no zip files")
    expected = [f"{n} {a.shape} {a.dtype} {a.reshape(-1).tolist()}" for n, a in data.items()]
    assert sorted(done.stdout.splitlines()[-len(data) :]) == sorted(expected), done.stderr
