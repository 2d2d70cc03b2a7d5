"""Every test here runs as code written for MXNet 1.x: `compat.install('1')` around it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from symgluon import compat


@pytest.fixture(autouse=True)
def one_x() -> Iterator[None]:
    compat.install("1")
    yield
    compat.uninstall()
