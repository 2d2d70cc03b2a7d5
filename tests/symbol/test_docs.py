"""The examples of docs/symbol.md, run in order in one namespace."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "symbol.md"


def test_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    assert "'fc1_weight': (8, 5)" in printed
    assert "[ 1. 12. 23.]" in printed
    assert "[2. 2.]" in printed
    assert names["module"].score(names["batches"], "acc")[0][1] > 0.8
