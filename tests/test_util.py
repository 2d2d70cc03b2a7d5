"""`mx.util`: the switches between front ends, and small helpers."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as onp
import pytest

import symgluon as mx
from symgluon import util

npx = mx.npx


@pytest.fixture(autouse=True)
def _reset():
    npx.reset_np()
    yield
    npx.reset_np()


def flags():
    return npx.is_np_shape(), npx.is_np_array(), npx.is_np_default_dtype()


def test_set_and_reset():
    assert flags() == (False, False, False)
    npx.set_np()
    assert flags() == (True, True, False)
    npx.set_np(dtype=True)
    assert flags() == (True, True, True)
    npx.set_np(array=False)
    assert flags() == (True, False, False)
    npx.reset_np()
    assert flags() == (False, False, False)
    with pytest.raises(ValueError, match="Shape semantics"):
        npx.set_np(shape=False)


def test_the_main_thread_starts_with_numpy_semantics():
    code = "import symgluon as mx; print(mx.util.is_np_shape(), mx.util.is_np_array())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_flags_are_thread_local():
    npx.set_np()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(flags()))
    thread.start()
    thread.join()
    assert seen == [(False, False, False)]


def test_scopes():
    with util.np_shape(), util.np_array():
        assert flags() == (True, True, False)
        with util.np_array(False):
            assert flags() == (True, False, False)
    assert flags() == (False, False, False)
    with util.np_default_dtype():
        assert mx.np.ones(1).dtype == onp.float64


def test_decorators():
    @npx.use_np
    def function():
        return flags()

    @npx.use_np
    class Thing:
        def method(self):
            return flags()

        @property
        def value(self):
            return flags()

    assert function() == Thing().method() == Thing().value == (True, True, False)
    assert flags() == (False, False, False)
    with pytest.raises(TypeError, match="decorate"):
        npx.use_np(3)


def test_helpers(monkeypatch):
    assert type(util.default_array([1, 2])) is mx.nd.NDArray
    npx.set_np()
    assert type(util.default_array([1, 2], device=mx.cpu(1))) is mx.np.ndarray
    assert util.dtype_from_number(1) == onp.int64
    assert util.dtype_from_number(True) == onp.bool_
    assert util.dtype_from_number(1.0) == onp.float32
    monkeypatch.setenv("SYMGLUON_TEST_VALUE", "a")
    assert util.getenv("SYMGLUON_TEST_VALUE") == "a"
    util.setenv("SYMGLUON_TEST_VALUE", None)
    assert util.getenv("SYMGLUON_TEST_VALUE") is None

    @util.wrap_ctx_to_device_func
    def where(device=None):
        return device

    assert where(ctx=mx.cpu(1)) == mx.cpu(1)
    with pytest.raises(ValueError):
        util.get_cuda_compute_capability(mx.cpu())


def test_package_names():
    assert mx.np is mx.numpy
    assert mx.npx is mx.numpy_extension
    assert mx.nd is mx.ndarray
    assert mx.context.cpu is mx.cpu
    assert "autograd" in dir(mx)
    with pytest.raises(AttributeError):
        mx.no_such_module
