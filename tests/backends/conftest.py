"""Backends are tested on NumPy's arrays, and with the backend that a test asks for."""

from __future__ import annotations

import pytest

from symgluon import npx


@pytest.fixture(autouse=True)
def _numpy_arrays(monkeypatch):
    monkeypatch.delenv("SYMGLUON_BACKEND", raising=False)
    npx.set_np()
    yield
    npx.reset_np()
