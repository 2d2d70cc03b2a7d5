from __future__ import annotations

import threading

import numpy as np
import pytest

from symgluon import dtypes
from symgluon.errors import DTypeError

#: common types of two integers, measured on MXNet 2.0.0b1; None: refused there
INTEGERS = """
         bool    int8    uint8   int16   uint16  int32   uint32  int64   uint64
bool     bool    int8    uint8   int16   uint16  int32   uint32  int64   uint64
int8     int8    int8    int16   int16   int32   int32   int64   int64   None
uint8    uint8   int16   uint8   int16   uint16  int32   uint32  int64   uint64
int16    int16   int16   int16   int16   int32   int32   int64   int64   None
uint16   uint16  int32   uint16  int32   uint16  int32   uint32  int64   uint64
int32    int32   int32   int32   int32   int32   int32   int64   int64   None
uint32   uint32  int64   uint32  int64   uint32  int64   uint32  int64   uint64
int64    int64   int64   int64   int64   int64   int64   int64   int64   None
uint64   uint64  None    uint64  None    uint64  None    uint64  None    uint64
"""
HEADER, *ROWS = [line.split() for line in INTEGERS.strip().splitlines()]
FLOATS = ("float16", "float32", "float64")


def resolve(*names):
    return [dtypes.resolve(n) for n in names]


@pytest.mark.parametrize("row", ROWS, ids=[r[0] for r in ROWS])
def test_promotion_of_integers(row):
    left, *results = row
    for right, want in zip(HEADER, results, strict=True):
        if want == "None":
            with pytest.raises(DTypeError, match="no common integer type"):
                dtypes.promote(*resolve(left, right))
        else:
            assert dtypes.promote(*resolve(left, right)) == want


def test_promotion_with_floats():
    for f in FLOATS:
        for i in HEADER:
            assert dtypes.promote(*resolve(f, i)) == f
            assert dtypes.promote(*resolve(i, f)) == f
    assert dtypes.promote(*resolve("float16", "float64", "float32")) == "float64"
    assert dtypes.promote(*resolve("int64", "uint64", "float16")) == "float16"
    assert dtypes.promote(*resolve("int8")) == "int8"
    assert dtypes.promote(*resolve("bool", "uint8", "int8")) == "int16"
    with pytest.raises(DTypeError):
        dtypes.promote()


def test_bfloat16():
    pytest.importorskip("ml_dtypes")
    bf16 = dtypes.resolve("bfloat16")
    assert dtypes.name(bf16) == "bfloat16"
    assert dtypes.resolve(bf16) is bf16
    assert dtypes.is_float(bf16)
    assert not dtypes.is_integer(bf16)
    assert dtypes.from_mx_code(12) == bf16
    assert dtypes.to_mx_code("bfloat16") == 12
    for other, want in (
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("int64", "bfloat16"),
        ("bfloat16", "bfloat16"),
    ):
        assert dtypes.promote(*resolve("bfloat16", other)).name == want
        assert dtypes.promote(*resolve(other, "bfloat16")).name == want
    assert dtypes.scalar_type(bf16, 2.5) == bf16
    assert dtypes.float_of(bf16) == bf16


RESOLVE = [
    (None, "float32"),
    ("float16", "float16"),
    (np.float64, "float64"),
    (np.dtype("int8"), "int8"),
    (np.dtype(">f4"), "float32"),
    (bool, "bool"),
    (int, "int64"),
    (float, "float64"),
    ("bool", "bool"),
    ("f4", "float32"),
    (np.uint16, "uint16"),
]


@pytest.mark.parametrize(("given", "want"), RESOLVE)
def test_resolve(given, want):
    for _ in range(2):  # the second time from the cache
        found = dtypes.resolve(given)
        assert isinstance(found, np.dtype)
        assert found.name == want
        assert found.isnative


@pytest.mark.parametrize("given", ["complex64", "flot32", str, object, "M8[s]", [1], 3.5, "U3"])
def test_resolve_refuses(given):
    with pytest.raises(DTypeError, match="one of float32"):
        dtypes.resolve(given)


def test_mx_codes():
    names = "float32 float64 float16 uint8 int32 int8 int64 bool int16 uint16 uint32 uint64"
    assert " ".join(dtypes.from_mx_code(c).name for c in range(12)) == names
    assert [dtypes.to_mx_code(n) for n in names.split(" ")] == list(range(12))
    for bad in (-1, 13, 119):
        with pytest.raises(DTypeError, match=str(bad)):
            dtypes.from_mx_code(bad)


#: array dtype -> dtype with True, 3, 2.5 (MXNet 2.0.0b1; the unsigned and 16-bit rows, which it
#: has no kernels for, follow the same rule)
SCALARS = {
    "bool": ("int64", "int64", "float64"),
    "int8": ("int8", "int8", "float64"),
    "uint8": ("uint8", "uint8", "float64"),
    "int16": ("int16", "int16", "float64"),
    "int32": ("int32", "int32", "float64"),
    "int64": ("int64", "int64", "float64"),
    "uint64": ("uint64", "uint64", "float64"),
    "float16": ("float16",) * 3,
    "float32": ("float32",) * 3,
    "float64": ("float64",) * 3,
}


@pytest.mark.parametrize("array", SCALARS)
def test_scalars(array):
    dtype = dtypes.resolve(array)
    assert tuple(dtypes.scalar_type(dtype, s).name for s in (True, 3, 2.5)) == SCALARS[array]
    assert dtypes.scalar_type(dtype, np.float32(2)).name == SCALARS[array][2]
    assert dtypes.scalar_type(dtype, np.int8(2)).name == SCALARS[array][1]


def test_division_and_float_of():
    i32, i64, f16, f64 = resolve("int32", "int64", "float16", "float64")
    assert dtypes.true_divide_type(i32, i64) == "float32"
    assert dtypes.true_divide_type(i32, f16) == "float16"
    assert dtypes.true_divide_type(f16, f64) == "float64"
    assert dtypes.float_of(i64) == "float32"
    assert dtypes.float_of(f16) == "float16"
    assert dtypes.default_int() == "float32"
    # exp of integers, measured
    got = [dtypes.math_type(d).name for d in resolve("bool", "int8", "int32", "int64", "float64")]
    assert got == ["float16", "float16", "float32", "float32", "float64"]


def test_default_float_is_per_thread():
    i32 = dtypes.resolve("int32")
    other = []
    assert dtypes.set_np_float64(True) is False
    try:
        assert dtypes.is_np_float64()
        assert dtypes.resolve(None) == dtypes.default_float() == "float64"
        assert dtypes.true_divide_type(i32, i32) == "float64"
        assert dtypes.float_of(i32) == "float64"
        assert dtypes.default_int() == "int64"
        thread = threading.Thread(target=lambda: other.append(dtypes.resolve(None).name))
        thread.start()
        thread.join()
    finally:
        assert dtypes.set_np_float64(False) is True
    assert other == ["float32"]
    assert dtypes.resolve(None) == "float32"


def test_kinds():
    assert [dtypes.is_float(d) for d in resolve("float16", "int8", "bool")] == [True, False, False]
    assert [dtypes.is_integer(d) for d in resolve("uint8", "float16", "bool")] == [
        True,
        False,
        False,
    ]
