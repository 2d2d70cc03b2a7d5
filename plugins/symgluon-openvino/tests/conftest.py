"""Where openvino is not installed these tests have nothing to run on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _plugin():
    """Find the package in the repository unless it is installed; register it in that case."""
    pytest.importorskip("openvino", reason="openvino is not installed: pip install openvino")
    import importlib.metadata

    from symgluon.backends import register_backend

    try:
        importlib.metadata.version("symgluon-openvino")
    except importlib.metadata.PackageNotFoundError:
        sys.path.insert(0, str(PLUGIN))
        from symgluon_openvino import OpenVinoBackend

        register_backend(OpenVinoBackend())
