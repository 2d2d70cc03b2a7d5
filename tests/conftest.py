"""Every test starts with the flags of the main thread and with the hooks that are installed."""

from __future__ import annotations

import importlib

import pytest

import symgluon.runtime  # noqa: F401  (installs the hooks)
from symgluon.ops.state import state

HOOKS = [
    (importlib.import_module(f"symgluon.ops.{module}"), name)
    for module, name in (
        ("call", "_compiler"),
        ("call", "_interpreter"),
        ("apply", "_eager_backend"),
    )
]


@pytest.fixture(autouse=True)
def _clean():
    state.np_shape = state.np_array = True
    saved = [getattr(module, name) for module, name in HOOKS]
    yield
    state.np_shape = state.np_array = True
    for (module, name), value in zip(HOOKS, saved, strict=True):
        setattr(module, name, value)
