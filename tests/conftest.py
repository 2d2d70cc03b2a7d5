"""Every test starts with the flags that the main thread starts with."""

from __future__ import annotations

import pytest

from symgluon.ops.state import state


@pytest.fixture(autouse=True)
def _flags():
    state.np_shape = state.np_array = True
    yield
    state.np_shape = state.np_array = True
