"""Record what blocks of MXNet 1.9.1 compose from symbols, of the table in tests/gluon1/symbol_cases.py.

Run with MXNet's Python: ``python tests/data/make_block_symbols.py tests/data/block_symbols.json``.
"""

import json
import sys
from pathlib import Path

import mxnet as mx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gluon1"))
import symbol_cases as table


def main():
    rows = [{"name": n, "code": c, **table.describe(mx, c)} for n, c in table.CASES.items()]
    rows += [{"name": f"zoo/{m}", **table.digest(mx, m)} for m in table.ZOO]
    rows += [
        {"name": f"summary/{n}", "lines": table.summary(mx, c)} for n, c in table.SUMMARIES.items()
    ]
    with open(sys.argv[1], "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(r, sort_keys=True) for r in rows) + "\n]\n")


main()
