"""Execution providers: names, options, what is said where one is missing; values on a device."""

from __future__ import annotations

import numpy as onp
import pytest

import symgluon as mx
from symgluon.backends import providers, sessions
from symgluon.backends.providers import CPU, device_of, resolve_providers
from symgluon.errors import AttributeValueError, SymgluonError
from symgluon.gluon import nn

np, npx = mx.np, mx.npx
CUDA = "CUDAExecutionProvider"


@pytest.fixture
def available(monkeypatch):
    """Let the installed onnxruntime claim to have CUDA."""
    names = [CUDA, CPU]
    monkeypatch.setattr(sessions.runtime(), "get_available_providers", lambda: names)
    return names


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, [CPU]),
        ("cpu", [CPU]),
        (["cpu"], [CPU]),
        ("CPUExecutionProvider", [CPU]),
        (("cpu", {"arena_extend_strategy": "x"}), [(CPU, {"arena_extend_strategy": "x"})]),
        ((("cpu", (("a", 1),)),), [(CPU, {"a": 1})]),
    ],
)
def test_names(given, found):
    assert resolve_providers(given) == found


def test_names_of_a_build_with_cuda(available):
    # float32 is float32: ONNX Runtime itself would multiply in TF32
    assert resolve_providers(("cuda", "cpu")) == [(CUDA, {"use_tf32": 0}), CPU]
    assert resolve_providers(("cuda", {"use_tf32": 1})) == [(CUDA, {"use_tf32": 1})]
    found = resolve_providers([("cuda", {"device_id": 1}), "cpu"])
    assert found == [(CUDA, {"use_tf32": 0, "device_id": 1}), CPU]
    assert device_of(found) == ("cuda", 1)
    assert device_of([CUDA]) == ("cuda", 0)
    assert device_of([CPU, CUDA]) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("directml", ["DmlExecutionProvider", "onnxruntime-directml"]),
        ("openvino", ["OpenVINOExecutionProvider", "symgluon-openvino"]),
        ("coreml", ["CoreMLExecutionProvider", "macOS"]),
        ("nothing", ["nothing", "CPUExecutionProvider"]),
    ],
)
def test_a_missing_provider_says_what_has_it(monkeypatch, name, words):
    monkeypatch.setattr(sessions.runtime(), "get_available_providers", lambda: [CPU])
    with pytest.raises(AttributeValueError) as caught:
        resolve_providers(name)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("given", [[], [1], [("cpu", {}, 2)]])
def test_what_is_no_provider(given):
    with pytest.raises(AttributeValueError, match="providers"):
        resolve_providers(given)


def test_a_provider_that_does_not_start_is_told():
    class Session:
        def get_providers(self):
            return [CPU]

    with pytest.raises(SymgluonError) as caught:
        providers.check_loaded(Session(), [(CUDA, {}), CPU])
    assert "cuDNN" in str(caught.value)


def test_provider_is_the_short_form():
    net = nn.Dense(2, in_units=3)
    net.initialize()
    x = np.ones((1, 3))
    want = net(x).asnumpy()
    net.optimize_for(x, backend="onnxruntime", provider="cpu")
    onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-6)
