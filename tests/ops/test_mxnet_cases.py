"""Results and gradients of MXNet 2.0.0b1, recorded operator by operator from its own symbol files.

`data/mxnet_2.0.npz` holds calls by MXNet's operator names with attributes as text.  The
gradient is that of the first result for the cotangent cos(0), cos(1), ... .
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import symgluon.ops  # noqa: F401
from symgluon.errors import SymgluonError
from symgluon.ops.array import wrap
from symgluon.ops.mx import mx_call
from symgluon.ops.tape import vjp

#: case -> why the result or the gradient is another one here
_INTEGERS = ("int8", "int32", "int64", "uint8")
DIFFERENT: dict[str, str] = {
    **{
        f"_npx_{name}[{dtype}]": "MXNet computes a float function in integers, most results are 0"
        for name in (
            "digamma", "erf", "erfinv", "gamma", "gammaln", "sigmoid", "smooth_l1", "softsign"
        )
        for dtype in _INTEGERS
    },
    **{f"_npi_{n}[{d}]": "MXNet truncates the deviation of integers" for n in ("std", "var")
       for d in _INTEGERS},
    **{f"_npi_{n}[{i}]": "MXNet has no gradient here and gives zeros"
       for n in ("std", "var", "eigh", "eigvalsh", "pinv_scalar_rcond")
       for i in range(2 if n.startswith("eig") else 3)},
    **{f"{n}[{d}]": "infinity cast to an integer, which C leaves undefined"
       for n in ("digamma", "erfinv") for d in _INTEGERS},
    **{f"{n}[int8]": "MXNet does not round -0.99998 to float16 first" for n in ("erf", "tanh")},
    **{f"_npi_fmod[{i}]": "MXNet differentiates fmod as if it rounded down"
       for i in (0, 1, 5, "special")},
    "_npi_matmul[2]": "MXNet does not sum the gradient of a broadcast batch",
    "_npi_prod[6]": "MXNet divides by the zero factor",
    "_npi_prod[special]": "MXNet divides by the infinite factor",
    **{f"{n}[0]": "MXNet puts the gradient of a negative coordinate into another row"
       for n in ("gather_nd", "_npi_gather_nd")},
    "_npi_floor_divide[4]": "integers divided by zero: 0, as in NumPy, not the smallest integer",
    "_npi_floor_divide[bool]": "refused",
    "_npi_copysign[special]": "the sign of NaN counts, as in NumPy",
    "_npi_logaddexp[special]": "MXNet overflows where NumPy does not",
    **{f"{n}[special]": "MXNet's gradient is NaN where its limit is finite"
       for n in ("_Div", "_npi_true_divide", "_Power", "_npi_power", "digamma", "_npx_digamma")},
    **{f"{n}[special]": "no cotangent where relu is not differentiable (NaN)"
       for n in ("relu", "_npx_relu")},
    "log_sigmoid[special]": "MXNet underflows to minus infinity at -104",
}  # fmt: skip

_FILE = np.load(Path(__file__).with_name("data") / "mxnet_2.0.npz")
_BLOB = _FILE["blob"].tobytes()
CASES: dict[str, list[dict]] = {}
for _case in json.loads(_FILE["index"].tobytes()):
    CASES.setdefault(_case["name"], []).append(_case)


def unpack(stored):
    if stored is None:
        return None
    dtype, shape, start = stored
    n = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(_BLOB[start : start + n], dtype).reshape(shape)


def tolerance(dtype):
    return (2e-3, 2e-3) if dtype == np.float16 else (5e-5, 5e-6)


def difference(case):
    """What differs from the recorded results, None if nothing does."""
    inputs = [unpack(a) for a in case["inputs"]]
    outputs = [unpack(a) for a in case["outputs"]]
    name, attrs = case["name"], case["attrs"]
    got = [g._content() for g in mx_call(name, [wrap(a) for a in inputs], attrs)]
    for g, o in zip(got, outputs, strict=True):
        if (g.dtype, g.shape) != (o.dtype, o.shape):
            return f"{g.dtype}{g.shape}, MXNet {o.dtype}{o.shape}"
        rtol, atol = tolerance(o.dtype)
        if not np.allclose(g.astype(float), o.astype(float), rtol, atol, equal_nan=True):
            return f"{g.reshape(-1)[:8]}, MXNet {o.reshape(-1)[:8]}"
    if case["grads"] is None:
        return None
    weights = np.cos(np.arange(outputs[0].size)).reshape(outputs[0].shape)
    cts = [wrap(weights.astype(outputs[0].dtype)), *[None] * (len(outputs) - 1)]
    found = vjp(lambda *xs: mx_call(name, xs, attrs), [wrap(a) for a in inputs], cts)
    for i, (f, stored) in enumerate(zip(found, case["grads"], strict=True)):
        want = unpack(stored)
        if want is None:
            continue
        have = np.zeros_like(want) if f is None else f._content()
        if not np.allclose(have, want, 1e-4, 1e-5, equal_nan=True):
            return f"gradient {i}: {have.reshape(-1)[:8]}, MXNet {want.reshape(-1)[:8]}"
    return None


@pytest.mark.parametrize("name", sorted(CASES))
def test_recorded(name):
    for case in CASES[name]:
        key = f"{name}[{case['case']}]"
        if key in DIFFERENT:
            continue
        found = difference(case)
        assert found is None, f"{key} {case['attrs']}: {found}"


def test_differences_are_real():
    """The table of differences names only cases that were recorded and do differ."""
    recorded = {f"{n}[{c['case']}]": c for n, cases in CASES.items() for c in cases}
    for key, reason in DIFFERENT.items():
        assert key in recorded, key
        if "undefined" in reason:
            continue
        try:
            found = difference(recorded[key])
        except SymgluonError as refused:
            found = str(refused)
        assert found is not None, key
