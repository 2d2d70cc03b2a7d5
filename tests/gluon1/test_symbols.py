"""Blocks called with symbols, against what MXNet 1.9.1 composes (``data/make_block_symbols.py``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import symbol_cases as table

DATA = Path(__file__).parent.parent / "data"
ROWS = {row["name"]: row for row in json.loads((DATA / "block_symbols.json").read_text())}
PYTHON = os.environ.get("MXNET_PYTHON")


def plain(found):
    return json.loads(json.dumps(found))


def test_all_cases_are_recorded():
    assert set(ROWS) == {*table.CASES, *(f"zoo/{model}" for model in table.ZOO)}


@pytest.mark.parametrize("name", table.CASES)
def test_composes_what_mxnet_does(name):
    import mxnet as mx

    found, expected = plain(table.describe(mx, table.CASES[name])), ROWS[name]
    assert found["outputs"] == expected["outputs"]
    assert found["internals"] == expected["internals"]
    assert found["attrs"] == expected["attrs"]
    assert found["file"] == expected["file"]


@pytest.mark.parametrize("model", table.ZOO)
def test_zoo_composes_what_mxnet_does(model):
    import mxnet as mx

    expected = ROWS[f"zoo/{model}"]
    assert table.digest(mx, model) == {k: v for k, v in expected.items() if k != "name"}


@pytest.mark.skipif(PYTHON is None, reason="MXNET_PYTHON names no Python with MXNet")
def test_mxnet_says_so_still(tmp_path):
    new = tmp_path / "block_symbols.json"
    script = DATA / "make_block_symbols.py"
    subprocess.run([PYTHON, "-W", "ignore", str(script), str(new)], check=True, timeout=300)
    assert new.read_text() == (DATA / "block_symbols.json").read_text()
