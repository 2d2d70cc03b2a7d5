from __future__ import annotations

import copy
import pickle

import pytest

from symgluon import errors

CLASSES = [
    (errors.ShapeError, ValueError),
    (errors.AxisError, IndexError),
    (errors.AxisError, ValueError),
    (errors.DTypeError, TypeError),
    (errors.AttributeValueError, ValueError),
    (errors.UnsupportedOpError, NotImplementedError),
    (errors.TraceError, RuntimeError),
    (errors.GuardError, errors.TraceError),
    (errors.DeferredInitializationError, RuntimeError),
    (errors.FormatError, ValueError),
    (errors.VerifyError, RuntimeError),
    (errors.PassError, RuntimeError),
]


@pytest.mark.parametrize(("cls", "builtin"), CLASSES)
def test_class_tree(cls, builtin):
    assert issubclass(cls, builtin)
    assert issubclass(cls, errors.SymgluonError)
    assert str(cls("what failed")) == "what failed"


def test_mxnet_name():
    assert errors.MXNetError is errors.SymgluonError
    assert issubclass(errors.MXNetError, RuntimeError)


def test_four_parts():
    error = errors.ShapeError(
        "convolution: data has 3 channels, weight expects 4",
        where="block features.0 (Conv2D)",
        line="train.py:31",
        expected=(8, 4, 224, 224),
        received=(8, 3, 224, 224),
        hint="Pass in_channels=3 to Conv2D.\nOr feed four channels.",
    )
    assert str(error).splitlines() == [
        "convolution: data has 3 channels, weight expects 4",
        "  at block features.0 (Conv2D), called from train.py:31",
        "  expected (8, 4, 224, 224), received (8, 3, 224, 224)",
        "  Pass in_channels=3 to Conv2D.",
        "  Or feed four channels.",
    ]


def test_place_is_said_once():
    error = errors.TraceError("x", line="a.py:1")
    assert error.at("block 0", "b.py:2") is error
    assert error.at("block 1").where == "block 0"
    assert str(error) == "x\n  at block 0, called from a.py:1"


def test_unsupported_lists_all():
    error = errors.UnsupportedOpError(
        "2 operators have no ONNX form",
        unsupported=[("topk", "node topk0", "use k=1"), ("Custom", None, None)],
        hint="Export with onnx=False.",
    )
    assert str(error).splitlines() == [
        "2 operators have no ONNX form",
        "  topk at node topk0: use k=1",
        "  Custom",
        "  Export with onnx=False.",
    ]
    assert error.unsupported[0].op == "topk"


def test_format_error_says_where():
    error = errors.FormatError("truncated", path="m.params", offset=24, expected="8 bytes")
    assert str(error) == "truncated\n  in m.params at byte 24\n  expected 8 bytes"
    assert str(errors.FormatError("empty", offset=0)) == "empty\n  at byte 0"


def test_pass_error_names_passes():
    error = errors.PassError("type changed", name="fold_constants", before=("inline", "dead"))
    assert str(error) == "type changed\n  in pass fold_constants\n  after inline, dead"


@pytest.mark.parametrize("again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_survives_copy_and_pickle(again):
    error = errors.FormatError("truncated", path="m.params", offset=3, hint="Fetch it again.")
    other = again(error)
    assert type(other) is errors.FormatError
    assert str(other) == str(error)
    assert other.offset == 3
    assert other.args == ("truncated",)
